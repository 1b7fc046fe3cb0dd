/*
 * Real workers for tests of pools: each is given something to do in a fiber and a context of its
 * own, and says when that is over.
 */
#ifndef WEIR_NET_POOL_WORKERS_TESTING_H
#define WEIR_NET_POOL_WORKERS_TESTING_H

#include "net/pool_testing.h"

#include "rt/fiber.h"
#include "rt/runtime.h"
#include <weir/chan.h>

#define WORKERS 4

struct crew;

struct work {
    struct weir__task task;
    struct crew *crew;
    void (*fn)(weir_ctx *c, void *arg);
};

struct crew {
    weir_ctx *app;
    weir_chan *done; /* int: the worker whose work is over */
    void *arg;
    struct work work[WORKERS];
};

static inline void run_work(void *arg)
{
    struct work *work = arg;
    struct weir__ctx *c = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    int index = (int)weir__self->index;
    assert_non_null(c);
    weir__self->current->ctx = c;
    work->fn(weir__ctx_handle(c), work->crew->arg);
    weir__self->current->ctx = weir__self->root;
    weir__ctx_end(c);
    assert_int_equal(weir_chan_send(work->crew->app, work->crew->done, &index), WEIR_OK);
}

static inline void start_work(struct weir__task *task)
{
    struct work *work = WEIR_CONTAINER(task, struct work, task);
    assert_non_null(weir__fiber_start(weir__self, run_work, work, "work", NULL, weir__self->root));
}

static inline void give_work(struct crew *crew, unsigned worker, void (*fn)(weir_ctx *c, void *arg))
{
    crew->work[worker] = (struct work){.task = {.run = start_work}, .crew = crew, .fn = fn};
    weir__post(weir__self->runtime->workers[worker], &crew->work[worker].task);
}

static inline void await_work(struct crew *crew, int count)
{
    for (int index; count > 0; count--)
        assert_int_equal(weir_chan_recv(crew->app, crew->done, &index), WEIR_OK);
}

static inline void work_on(struct crew *crew, unsigned worker, void (*fn)(weir_ctx *c, void *arg))
{
    give_work(crew, worker, fn);
    await_work(crew, 1);
}

static inline void work_on_all(struct crew *crew, void (*fn)(weir_ctx *c, void *arg))
{
    for (unsigned i = 0; i < WORKERS; i++)
        give_work(crew, i, fn);
    await_work(crew, WORKERS);
}

static inline void crew_init(struct crew *crew, weir_ctx *app, void *arg)
{
    crew->app = app;
    crew->arg = arg;
    crew->done = weir_chan_new(app, int, WORKERS);
}

static inline void run_crew(weir_fiber_fn fn, void *arg)
{
    struct weir__runtime_options options = {.workers = WORKERS, .stall = weir_ns(-1)};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, fn, arg), WEIR_OK);
    assert_int_equal(weir__fiber_total(rt), 0);
    weir__runtime_free(rt);
}

#endif
