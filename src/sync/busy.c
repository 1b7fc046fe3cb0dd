/*
 * Calls in progress, counted under the queue's lock. The last call to leave wakes who waits, and
 * each of those looks again.
 */
#include "sync/busy.h"

#include "base/assert.h"

weir_err weir__busy_enter(struct weir__busy *b)
{
    weir__waitq_lock(&b->q);
    weir_err err = weir__waitq_state(&b->q);
    WEIR_ASSERT(b->calls < UINT32_MAX, "B1: the calls can be counted");
    b->calls += err == WEIR_OK;
    weir__waitq_unlock(&b->q);
    return err;
}

void weir__busy_leave(struct weir__busy *b)
{
    weir__waitq_lock(&b->q);
    WEIR_ASSERT(b->calls > 0, "B1: who leaves has entered");
    b->calls--;
    struct weir__waiter *woken = weir__waitq_pop_all(&b->q);
    weir__waitq_unlock(&b->q);
    weir__waitq_wake_each(woken, WEIR_OK);
}

static const struct weir__wait_type wait_type = {.name = "calls to end",
                                                 .abandon = weir__wait_never_abandoned,
                                                 .describe = weir__waitq_describe};

void weir__busy_await(struct weir__busy *b, uint32_t most)
{
    for (;;) {
        struct weir__waiter me;
        weir__waitq_lock(&b->q);
        bool must_wait = b->calls > most;
        if (must_wait)
            weir__waitq_enqueue(&b->q, &me, &wait_type, b->q.owned.ctx, b->q.owned.site);
        weir__waitq_unlock(&b->q);
        if (!must_wait)
            return;
        (void)weir__waitq_park(&me);
    }
}

bool weir__busy_end(struct weir__busy *b, bool is_by_hand)
{
    weir__waitq_lock(&b->q);
    bool is_mine = b->q.state == WEIR__WAITQ_OPEN;
    if (is_mine)
        b->q.state = WEIR__WAITQ_ENDED;
    WEIR_ASSERT(b->calls < UINT32_MAX, "B1: the calls can be counted");
    if (is_mine && is_by_hand)
        b->calls++;
    weir__waitq_unlock(&b->q);
    return is_mine;
}
