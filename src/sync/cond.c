/*
 * The condition: a queue of fibers beside a mutex. A waiter is on the queue before it gives the
 * mutex up, so a signal between the two is not lost.
 *
 * The one hard thing is that the caller holds the mutex afterwards, whatever happened: so when its
 * context has been cancelled it waits for the mutex in a shield of 10 s; a mutex that is not had by
 * then is held by somebody who hangs, and the caller panics, for it could not know what it holds.
 */
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"
#include "sync/mutex.h"
#include "sync/waitq.h"

#define KIND WEIR__KIND_COND

struct weir_cond {
    struct weir__waitq q;
};

static weir_cond no_memory = {.q = {.token = WEIR__TOKEN_STATIC(KIND)}};

static const struct weir__owned_type cond_type = {.name = "condition",
                                                  .release = weir__waitq_release};

weir_cond *weir_cond_new_at(const weir_site *site, weir_ctx *c)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_cond *cond = weir__waitq_new(weir__ctx_of(c), sizeof *cond, KIND, &cond_type, site);
    return cond != NULL ? weir__token_handle(&cond->q.token) : &no_memory;
}

static const struct weir__wait_type wait_type = {.name = "condition",
                                                 .abandon = weir__waitq_abandon,
                                                 .describe = weir__waitq_describe,
                                                 .is_stuck = weir__waitq_is_stuck};

/* Locks although the context may be cancelled, and its shield, if it has one, used up. */
static weir_err lock_again(weir_ctx *handle, weir_mutex *m, const weir_site *site)
{
    weir_err err = weir_lock_at(site, handle, m);
    struct weir__ctx *c = weir__ctx_of(handle);
    if (err == WEIR_OK || weir__ctx_check(c) == WEIR_OK)
        return err;
    bool was_shielded = c->is_shielded;
    weir_time was_until = c->shield_until;
    c->is_shielded = false;
    weir_shield(handle, weir_sec(10));
    err = weir_lock_at(site, handle, m);
    c->is_shielded = was_shielded;
    c->shield_until = was_until;
    return err;
}

weir_err weir_cond_wait(weir_ctx *c, weir_cond *cond, weir_mutex *m)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of(c);
    cond = weir__waitq_of(cond, KIND, "weir_cond_wait", "the condition");
    const weir_site *site = weir__mutex_must_hold(ctx, m, "weir_cond_wait");
    weir_err err = weir__may_wait(ctx);
    if (err < 0)
        return err;
    err = weir__waitq_state(&cond->q);
    if (err < 0)
        return weir__wait_refused(err);
    struct weir__waiter me;
    weir__waitq_lock(&cond->q);
    weir__waitq_enqueue(&cond->q, &me, &wait_type, ctx, site);
    weir__waitq_unlock(&cond->q);
    weir_unlock(c, m);
    err = weir__waitq_park(&me);
    weir_err locked = lock_again(c, m, site);
    if (locked < 0)
        weir__misuse("weir_cond_wait", "the mutex cannot be locked again: %s",
                     weir_strerror(locked));
    return err;
}

void weir_cond_signal(weir_ctx *c, weir_cond *cond)
{
    WEIR__FIBERS_ONLY();
    (void)weir__ctx_of(c);
    cond = weir__waitq_of(cond, KIND, "weir_cond_signal", "the condition");
    if (cond->q.state != WEIR__WAITQ_OPEN)
        return;
    weir__waitq_note_use(&cond->q);
    weir__waitq_lock(&cond->q);
    struct weir__wait *first = weir__waitq_pop(&cond->q);
    weir__waitq_unlock(&cond->q);
    if (first != NULL)
        weir__wake(first, WEIR_OK);
}

void weir_cond_broadcast(weir_ctx *c, weir_cond *cond)
{
    WEIR__FIBERS_ONLY();
    (void)weir__ctx_of(c);
    cond = weir__waitq_of(cond, KIND, "weir_cond_broadcast", "the condition");
    if (cond->q.state != WEIR__WAITQ_OPEN)
        return;
    weir__waitq_note_use(&cond->q);
    weir__waitq_wake_all(&cond->q, WEIR_OK);
}
