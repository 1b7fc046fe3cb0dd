/*
 * Running a test under the simulation: a runtime with one worker, no threads, virtual time;
 * afterwards nothing may be left.
 */
#include "rt/sim.h"

#include <stdio.h>

#include "base/assert.h"

struct sim_main {
    weir_fiber_fn fn;
    void *arg;
};

/* The test gets a context of its own below the worker's root, as a request does. */
static weir_err run_test(weir_ctx *app, void *arg)
{
    struct sim_main *m = arg;
    (void)app;
    struct weir__worker *w = weir__self;
    struct weir__ctx *c = weir__ctx_new(w->root, weir_never(), 0, NULL);
    WEIR_ASSERT(c != NULL, "the simulation has memory");
    weir_err err = m->fn(weir__ctx_handle(c), m->arg);
    c->is_ok = err == WEIR_OK;
    weir__ctx_end(c);
    return err;
}

weir_err weir__sim_run_with(const struct weir__runtime_options *options, weir_fiber_fn fn,
                            void *arg)
{
    struct weir__runtime_options o = *options;
    char message[128];
    weir_err err;
    o.workers = 1;
    o.extra_workers = 0;
    o.poller = &weir__poller_sim;
    if (o.stall.ns == 0)
        o.stall = weir_ns(-1);
    struct weir__runtime *rt = weir__runtime_new(&o, &err, message, sizeof message);
    WEIR_ASSERT(rt != NULL, "the simulation can be made");
    struct weir__worker *w = rt->workers[0];
    struct sim_main m = {fn, arg};
    err = weir__runtime_run(rt, run_test, &m);
    WEIR_ASSERT(weir__fiber_total(rt) == 0, "the test leaves no fiber");
    WEIR_ASSERT(atomic_load(&w->stats.contexts) == 0, "the test leaves no context");
    WEIR_ASSERT(weir__wheel_next(&w->wheel).ns == INT64_MAX, "the test leaves no timer");
    WEIR_ASSERT(weir__sim_watched() == 0, "the test leaves no watched descriptor");
    weir__runtime_free(rt);
    return err;
}

weir_err weir__sim_run(weir_fiber_fn fn, void *arg)
{
    struct weir__runtime_options options = {0};
    return weir__sim_run_with(&options, fn, arg);
}
