/*
 * Once: a call that is made by the first that comes while the others wait for it. When it fails, or
 * panics, the next one makes it; so nobody waits for what will never be.
 */
#include "base/given.h"
#include "rt/deadlock.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"
#include "rt/worker.h"
#include "sync/waitq.h"
#include <weir/sync.h>

#define KIND WEIR__KIND_ONCE

struct weir_once {
    struct weir__waitq q;
    bool is_done;
    const struct weir__fiber *runner; /* who makes the call now */
};

static weir_once no_memory = {.q = {.token = WEIR__TOKEN_STATIC(KIND)}};

static const struct weir__owned_type once_type = {.name = "once", .release = weir__waitq_release};

weir_once *weir_once_new_at(const weir_site *site, weir_ctx *c)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_once *once = weir__waitq_new(weir__ctx_of(c), sizeof *once, KIND, &once_type, site);
    return once != NULL ? weir__token_handle(&once->q.token) : &no_memory;
}

/* Who makes the call is of the tree. */
static bool is_stuck(const struct weir__wait *w, const struct weir__ctx *top)
{
    weir_once *once = w->object;
    weir__waitq_lock(&once->q);
    bool is_own = weir__waitq_is_in_line(w) && once->runner != NULL &&
                  weir__deadlock_is_in(once->runner, top);
    weir__waitq_unlock(&once->q);
    return is_own;
}

static const struct weir__wait_type wait_type = {.name = "once",
                                                 .abandon = weir__waitq_abandon,
                                                 .describe = weir__waitq_describe,
                                                 .is_stuck = is_stuck};

struct run {
    weir_once *once;
    weir_err result;
};

/* Also on the way out of a panic, when the result is still that of a failure. */
static void end_run(struct run *r)
{
    weir_once *once = r->once;
    weir__waitq_lock(&once->q);
    WEIR_ASSERT(once->runner == weir__fiber_self(), "R1: who ends the call has made it");
    WEIR_ASSERT(!once->is_done, "R1: it is made once");
    once->runner = NULL;
    once->is_done = r->result == WEIR_OK;
    weir__waitq_unlock(&once->q);
    weir__waitq_wake_all(&once->q, WEIR_OK);
}

static weir_err run(weir_ctx *c, weir_once *once, weir_err (*fn)(weir_ctx *c, void *arg), void *arg)
{
    struct run r __attribute__((cleanup(end_run))) = {once, WEIR_EPANIC};
    r.result = fn(c, arg);
    return r.result;
}

weir_err weir_once_do(weir_ctx *c, weir_once *once, weir_err (*fn)(weir_ctx *c, void *arg),
                      void *arg)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(fn, "the function");
    struct weir__ctx *ctx = weir__ctx_of(c);
    once = weir__waitq_of(once, KIND, "weir_once_do", "the once");
    const struct weir__fiber *self = weir__fiber_self();
    for (;;) {
        weir_err err = weir__waitq_state(&once->q);
        if (err < 0)
            return weir__wait_refused(err);
        err = weir__may_wait(ctx);
        if (err < 0)
            return err;
        struct weir__waiter me;
        weir__waitq_lock(&once->q);
        bool is_done = once->is_done, is_mine = !is_done && once->runner == NULL;
        bool is_nested = once->runner == self;
        WEIR_ASSERT(!is_done || once->runner == NULL, "R1: it is done, or somebody makes it");
        if (is_mine)
            once->runner = self;
        else if (!is_done && !is_nested)
            weir__waitq_enqueue(&once->q, &me, &wait_type, ctx, NULL);
        weir__waitq_unlock(&once->q);
        if (is_done)
            return WEIR_OK;
        if (is_mine)
            return run(c, once, fn, arg);
        if (is_nested)
            return weir__wait_refused(-EDEADLK);
        err = weir__waitq_park(&me);
        if (err < 0)
            return err;
    }
}
