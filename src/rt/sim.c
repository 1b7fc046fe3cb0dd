/*
 * Running a test under the simulation: a runtime with one worker, no threads, virtual time;
 * afterwards nothing may be left.
 */
#include "rt/sim.h"

#include <stdio.h>

#include "base/assert.h"

static weir_dur offload_time;

void weir__sim_offload_takes(weir_dur time)
{
    offload_time = time;
}

weir_dur weir__sim_offload_time(void)
{
    return offload_time;
}

/* --- when nothing can happen any more ----------------------------------------------------- */

void weir__sim_list_waiting(struct weir__worker *w, weir_buf *out)
{
    WEIR_LIST_EACH(node, &w->fibers) {
        struct weir__fiber *f = WEIR_CONTAINER(node, struct weir__fiber, in_all);
        weir_buf_printf(out, "  %s: %s ", f->name, f->wait != NULL ? f->wait->type->name : "?");
        if (f->wait != NULL && f->wait->type->describe != NULL)
            f->wait->type->describe(f->wait, out);
        weir_buf_putc(out, '\n');
    }
}

static void tell_dead_end(void *arg)
{
    char text[4096];
    weir_buf list;
    (void)arg;
    weir_buf_init_fixed(&list, text, sizeof text);
    weir__sim_list_waiting(weir__self, &list);
    fprintf(stderr,
            "weir: simulation: nothing can happen any more, and these fibers wait:\n" WEIR_STR_FMT,
            WEIR_STR_ARG(weir_buf_str(&list)));
}

void weir__sim_options(struct weir__runtime_options *o)
{
    o->workers = 1;
    o->extra_workers = 0;
    o->poller = &weir__poller_sim;
    if (o->stall.ns == 0)
        o->stall = weir_ns(-1);
    offload_time = weir_ns(0);
    weir__sim_on_dead_end(tell_dead_end, NULL);
}

/* --- a test ------------------------------------------------------------------------------- */

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
    weir__sim_options(&o);
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
