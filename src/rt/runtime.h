/*
 * The process' workers as a whole: made, run, drained, joined.
 */
#ifndef WEIR_RT_RUNTIME_H
#define WEIR_RT_RUNTIME_H

#include "rt/latch.h"
#include "rt/worker.h"

#define WEIR__WORKERS_MAX 256

struct weir__offload_pool;
struct weir__watchdog;

struct weir__runtime_options {
    unsigned workers;          /* 0: as many as the cgroup's quota allows */
    uint64_t fibers_max;       /* in the process; default 1,000,000 */
    uint64_t detached_max;     /* a worker; default 1,000 */
    size_t request_memory_max; /* default budget of a context below a root; 64 MiB */
    weir_dur stall;           /* what the watchdog calls a stall; default 50 ms; < 0: no watchdog */
    weir_dur hibernate_after; /* how long a fiber waits first; default 10 s; < 0: never */
    const struct weir__poller_ops *poller; /* default epoll */
    unsigned extra_workers;   /* workers after the others, which take no traffic: the admin's */
    unsigned offload_threads; /* default 2 × workers, at least 4 */
    bool contain_faults; /* null dereferences and stack overflows in application code are panics */
};

struct weir__runtime {
    struct weir__runtime_options options;
    unsigned worker_count;              /* with the extra ones */
    struct weir__offload_pool *offload; /* the general pool */
    struct weir__worker *workers[WEIR__WORKERS_MAX];
    struct weir__ctx *app; /* the application's context: shared */
    struct weir__lock app_lock;
    atomic_bool is_stopping;
    void *spare_question; /* of weir__on_each_worker, for when there is no memory */
    atomic_bool is_spare_in_use;
    char message[256]; /* why weir__run_begin failed; else empty */
};

/* NULL: -errno in `*err`, one line in `message`. */
struct weir__runtime *weir__runtime_new(const struct weir__runtime_options *options, weir_err *err,
                                        char *message, size_t message_size);

/*
 * Runs the workers; the first one runs `main(app context, arg)` in a fiber. When that returns the
 * workers' contexts are cancelled and joined, the application's context ends on the first worker,
 * the threads are joined. Returns what `main` did; -errno, with one line in rt->message, when there
 * are no threads or memory for it: then `main` has not run.
 */
weir_err weir__runtime_run(struct weir__runtime *rt, weir_fiber_fn main, void *arg);

/*
 * The same in three steps, for who turns the first worker's loop by hand (tests): begin, then
 * weir__worker_turn until that is false, then end. `rt`, `main` and `arg` are given, the rest is
 * zeroed.
 */
struct weir__run {
    struct weir__runtime *rt;
    weir_fiber_fn main;
    void *arg;
    weir_err result;
    struct weir__watchdog *dog;
    struct weir__latch roots; /* the workers' that have not ended; the main fiber waits */
};
WEIR_MUST_USE weir_err weir__run_begin(struct weir__run *run);
weir_err weir__run_end(struct weir__run *run);

void weir__runtime_free(struct weir__runtime *rt);

/*
 * Calls `fn(worker, arg)` on each worker's own stack, side by side, and waits for all up to
 * `patience`. WEIR_ETIMEDOUT when some worker did not get to it in time: `fn` is then not called
 * there any more. Fiber only.
 */
weir_err weir__on_each_worker(struct weir__ctx *c, void (*fn)(struct weir__worker *w, void *arg),
                              void *arg, weir_dur patience);

/* Adds the runtime's numbers to a registry: workers, fibers, stacks, offload, panics, leaks. */
struct weir__metrics;
void weir__runtime_metrics(struct weir__runtime *rt, struct weir__metrics *to);

#endif
