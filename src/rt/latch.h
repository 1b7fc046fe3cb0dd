/*
 * A latch: a count of what is under way on all workers, and one fiber that waits until nothing is.
 *
 * L1: who brings the count to zero takes the waiting fiber off the latch and wakes it, or finds
 *     none; a fiber that waits looks at the count after it can be seen. So none waits for zero
 *     while it is zero.
 */
#ifndef WEIR_RT_LATCH_H
#define WEIR_RT_LATCH_H

#include <stdatomic.h>

#include "base/assert.h"
#include "os/lock.h"
#include "rt/wait.h"

struct weir__latch {
    _Atomic uint32_t count;
    struct weir__lock lock;    /* guards `waiter` */
    struct weir__wait *waiter; /* for `count` to become 0 */
};

/* Zeroed is the same as with a count of 0. */
void weir__latch_init(struct weir__latch *l, uint32_t count);

/* One more is under way; how many there were before. Any thread. */
static inline uint32_t weir__latch_enter(struct weir__latch *l)
{
    uint32_t before = atomic_fetch_add_explicit(&l->count, 1, memory_order_relaxed);
    WEIR_ASSERT(before < UINT32_MAX, "L1: all who have entered are counted");
    return before;
}

/*
 * One is over; the last one wakes who waits. Any thread of the runtime. It may touch the latch
 * after another has seen the count at zero: the latch outlives the workers.
 */
void weir__latch_leave(struct weir__latch *l);

static inline uint32_t weir__latch_count(const struct weir__latch *l)
{
    return atomic_load(&l->count);
}

/*
 * Waits until the count is zero: WEIR_OK, WEIR_ETIMEDOUT past `until`, the reason. `type` names the
 * wait; its `abandon` is weir__latch_abandon, or weir__wait_never_abandoned. One fiber at a time.
 */
WEIR_MUST_USE weir_err weir__latch_wait(struct weir__latch *l, const struct weir__wait_type *type,
                                        struct weir__ctx *c, weir_time until);
bool weir__latch_abandon(struct weir__wait *w);

#endif
