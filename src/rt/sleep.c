/*
 * Waiting for nothing but time, and giving others a turn.
 */
#include "base/assert.h"
#include "rt/outside.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include <weir/fiber.h>

#define SHARE_NS 1000000 /* what a computing fiber may use before weir_checkpoint yields */

static bool abandon_sleep(struct weir__wait *w)
{
    WEIR_ASSERT(w->object == NULL, "W3: a sleep is no object's");
    return true; /* nobody but the timer and a cancellation ends a sleep */
}

static void moved_sleep(struct weir__wait *w, struct weir__wait *from)
{
    (void)w; /* nothing points to it but its context and its timer */
    WEIR_ASSERT(weir__list_empty(&from->in_object), "W3: a sleep is on nobody's queue");
}

weir_err weir_sleep(weir_ctx *handle, weir_dur d)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    static const struct weir__wait_type type = {
        .name = "sleep", .abandon = abandon_sleep, .moved = moved_sleep};
    struct weir__ctx *c = weir__ctx_of(handle);
    weir_time until = weir_time_add(weir__worker_now(weir__self), d);
    weir_err err = weir__may_wait(c);
    if (err != WEIR_OK)
        return err;
    if (d.ns <= 0)
        return weir_yield(handle);
    struct weir__wait wait;
    weir__wait_init(&wait, &type, c, NULL, NULL);
    err = weir__park(&wait, until);
    WEIR_ASSERT(err != WEIR_OK, "W3: nobody wakes a sleep; its time or an abort ends it");
    bool is_over = err == WEIR_ETIMEDOUT && weir__self->now.ns >= until.ns &&
                   (c->reason == WEIR_REASON_NONE || c->is_shielded);
    return is_over ? WEIR_OK : err;
}

weir_err weir_yield(weir_ctx *handle)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *c = weir__ctx_of(handle);
    weir_err err = weir__may_wait(c);
    if (err != WEIR_OK)
        return err;
    weir__fiber_yield();
    weir__self->current->refused = 0;
    return weir__ctx_check(c);
}

weir_err weir_checkpoint(weir_ctx *handle)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__worker *w = weir__self;
    int64_t began = atomic_load_explicit(&w->stats.busy_since_ns, memory_order_relaxed);
    if (weir__worker_now(w).ns - began < SHARE_NS)
        return weir__may_wait(weir__ctx_of(handle));
    return weir_yield(handle);
}
