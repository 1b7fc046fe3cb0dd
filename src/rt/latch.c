/*
 * Latches: the counts of connections that close and of workers that end. Leaving costs one atomic
 * operation; only the last one takes the lock, to see who waits.
 */
#include "rt/latch.h"

#include "base/assert.h"
#include "base/sanitizer.h"
#include "rt/context.h"

void weir__latch_init(struct weir__latch *l, uint32_t count)
{
    atomic_init(&l->count, count);
    weir__lock_init(&l->lock);
    l->waiter = NULL;
}

void weir__latch_leave(struct weir__latch *l)
{
    weir__hands_over(&l->count);
    uint32_t before = atomic_fetch_sub_explicit(&l->count, 1, memory_order_acq_rel);
    WEIR_ASSERT(before > 0, "L1: who leaves has entered");
    if (before != 1)
        return;
    weir__takes_over(&l->count);
    weir__lock_take(&l->lock);
    struct weir__wait *w = l->waiter;
    l->waiter = NULL;
    weir__lock_give(&l->lock);
    if (w != NULL)
        weir__wake(w, WEIR_OK);
}

bool weir__latch_abandon(struct weir__wait *w)
{
    struct weir__latch *l = w->object;
    weir__lock_take(&l->lock);
    bool was_there = l->waiter == w;
    if (was_there)
        l->waiter = NULL;
    weir__lock_give(&l->lock);
    return was_there;
}

weir_err weir__latch_wait(struct weir__latch *l, const struct weir__wait_type *type,
                          struct weir__ctx *c, weir_time until)
{
    while (weir__latch_count(l) > 0) {
        struct weir__wait wait;
        weir__wait_init(&wait, type, c, NULL, l);
        weir__lock_take(&l->lock);
        WEIR_ASSERT(l->waiter == NULL, "L1: one fiber waits at a time");
        l->waiter = &wait;
        weir__lock_give(&l->lock);
        /* The last one may have left before it could see who waits. */
        if (weir__latch_count(l) == 0 && weir__latch_abandon(&wait))
            break;
        weir_err err = weir__park(&wait, until);
        if (err != WEIR_OK)
            return err;
    }
    weir__takes_over(&l->count);
    return WEIR_OK;
}
