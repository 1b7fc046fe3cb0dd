/*
 * Workers: one thread each with its poller, timers, fibers and contexts. Nothing in a worker is
 * touched by another thread but its inbox, its wake-up and its counters.
 */
#ifndef WEIR_RT_WORKER_H
#define WEIR_RT_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "os/arch.h"
#include "os/lock.h"
#include "os/poller.h"
#include "rt/context.h"
#include "rt/fiber.h"
#include "rt/timer.h"

/* A message to a worker: `run` is called on its own stack, and may free the task. */
struct weir__task {
    struct weir__task *next;
    void (*run)(struct weir__task *t);
};

/*
 * What is done once at the end of a worker's turn, before it polls, however often it was asked for
 * meanwhile: the frames that many fibers have made leave with one send. Embedded in its owner.
 */
struct weir__turn_end {
    struct weir__list in_turn; /* worker.turn_ends */
    /* On the worker's own stack. Must not wait; may ask again, for the next turn. */
    void (*run)(struct weir__turn_end *t);
};

/* Per-worker memory of the rooms above, by a fixed number each. */
enum weir__slot { WEIR__SLOT_WEB, WEIR__SLOT_NAMES, WEIR__SLOTS };

/* Read by other threads at any time; written by the worker alone. */
struct weir__worker_stats {
    _Atomic uint64_t
        switches; /* fibers resumed; stands still while one runs: the watchdog's heartbeat */
    _Atomic uint64_t polls;
    _Atomic uint64_t fibers; /* live now */
    _Atomic uint64_t fibers_parked;
    _Atomic uint64_t fibers_hibernating; /* of the parked ones */
    _Atomic uint64_t fibers_started;
    _Atomic uint64_t contexts; /* live now, without the root */
    _Atomic uint64_t detached; /* running now */
    _Atomic uint64_t stalls;
    _Atomic uint64_t deadlocks;    /* trees of contexts that were found stuck and cancelled */
    _Atomic int64_t busy_since_ns; /* since when the present fiber runs; 0: none does */
};

struct weir__runtime;
struct weir__run;
struct weir__alarms;

struct weir__worker {
    struct weir__runtime *runtime;
    unsigned index;
    bool is_stopping;
    struct weir__run *run; /* that ends it */
    pthread_t thread;
    atomic_int tid;            /* its number for the kernel, for who looks at it from outside */
    weir_time now;             /* read after each poll */
    weir_time polled_at;       /* when the last poll ended */
    weir_time events_since;    /* no event that is being handed out happened before */
    uint64_t polled_ticks;     /* polled_at by the processor's counter */
    uint64_t late_after_ticks; /* before that, nothing is late that is handed out */
    struct weir__fiber *current;
    struct weir__cxx *cxx; /* what C++ keeps of the thread; NULL: there is no C++ */
    void *sched_sp;
    struct weir__list ready; /* weir__fiber.in_run */
    /*
     * For tests: takes off `ready`, which is not empty, the fiber that runs next. NULL: the first.
     */
    struct weir__fiber *(*choose)(struct weir__worker *w);
    struct weir__list fibers;      /* weir__fiber.in_all */
    struct weir__list free_fibers; /* weir__fiber.in_run, newest first */
    size_t free_fiber_count;
    struct weir__fiber *last_fiber; /* kept for the end of the worker, which must not need memory */
    struct weir__task end;          /* the message that its root context is to end */
    size_t free_fiber_low;          /* fewest idle ones since the last trim */
    size_t trim_left;               /* of a trim that has begun: so many more go back */
    struct weir__timer trim;        /* armed while there are many idle ones */
    struct weir__timer sweep;       /* looks for fibers that may hibernate (hibernate.h) */
    struct weir__list *sweep_at;    /* where it goes on in `fibers`; NULL: at the beginning */
    uint64_t sweep_switches;        /* stats.switches when the sweep began */
    bool sweep_again;               /* it has met a fiber that may hibernate later */
    struct weir__timer deadlock;    /* looks for trees that are stuck (watch.h) */
    struct weir__list *deadlock_at; /* where it goes on in `fibers`; NULL: at the beginning */
    uint64_t deadlock_switches;     /* stats.switches when the search began */
    weir_time deadlock_told_at;     /* the next is told in full from then on */
    struct weir__list turn_ends;    /* weir__turn_end.in_turn: in the order they were asked for */
    uint32_t burst; /* fibers that may still follow each other before the poller has its turn */
    uint32_t next_color;
    uint64_t fiber_share; /* of the process' maximum: fewer than that need no look at the others */
    struct weir__ctx *free_ctxs;
    struct weir__ctx *root; /* below the application's context */
    struct weir__wheel wheel;
    struct weir__alarms *alarms;        /* timers of contexts (alarm.c); NULL: there were none */
    _Atomic(struct weir__task *) inbox; /* newest first */
    _Atomic(struct weir__fiber *) inbox_fibers; /* woken by others, newest first */
    _Atomic uint64_t inbox_woken;               /* how many those are: still counted as parked */
    atomic_bool is_sleeping;
    uint64_t next_fiber_id;
    uint64_t next_ctx_seq; /* the last that a context got; no other worker gives it */
    uint16_t next_tag;     /* of an object's handle (token.h) */
    struct weir__worker_stats stats;
    void *slots[WEIR__SLOTS];
    void *asan_stack; /* bounds of its own stack, for the sanitizers */
    size_t asan_stack_size;
    void *asan_fake_stack;
    void *tsan_fiber;
    struct weir__poller poller; /* last: what it has found is large */
};

/* weir__self, in context.h: the worker of the calling thread; NULL on other threads. */

/* Adds to a counter of the calling worker's own: read by others, written by one. */
static inline void weir__count(_Atomic uint64_t *counter, int64_t n)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + (uint64_t)n, memory_order_relaxed);
}

/* --- for the runtime: a worker's life -------------------------------------------------------- */

/* NULL: no memory, or the poller refused. */
struct weir__worker *weir__worker_new(struct weir__runtime *rt, unsigned index);
/* Makes the calling thread this worker, and ends that. */
void weir__worker_enter(struct weir__worker *w);
void weir__worker_leave(struct weir__worker *w);
/* One turn of the loop; false when the worker has been told to stop and nothing is left. */
bool weir__worker_turn(struct weir__worker *w);
void weir__worker_loop(struct weir__worker *w);
void weir__worker_free(struct weir__worker *w);

/* --- for all rooms above ---------------------------------------------------------------------- */

/* Ends the worker's sleep if it sleeps; from any thread. */
void weir__worker_wake(struct weir__worker *w);

/* Makes the clock current; returns it. */
weir_time weir__worker_now(struct weir__worker *w);

/*
 * True when an event that is handed out now may have waited for a millisecond or two, depending on
 * the processor; then weir__worker_lateness tells how long at most, and weir__worker_look_later
 * keeps this false for some 50 us.
 */
static inline bool weir__worker_may_be_late(const struct weir__worker *w)
{
    return (int64_t)(weir__ticks() - w->late_after_ticks) > 0;
}

weir_dur weir__worker_lateness(struct weir__worker *w);
void weir__worker_look_later(struct weir__worker *w);

/* How long the fiber that it runs has had it; 0: it runs none. Any thread. */
static inline weir_dur weir__worker_held(const struct weir__worker *w, weir_time now)
{
    int64_t since = atomic_load_explicit(&w->stats.busy_since_ns, memory_order_relaxed);
    return weir_ns(since != 0 && now.ns > since ? now.ns - since : 0);
}

/* Fibers that wait for nothing but their turn, and the one that runs; any thread. */
static inline uint64_t weir__worker_runnable(const struct weir__worker *w)
{
    uint64_t fibers = atomic_load_explicit(&w->stats.fibers, memory_order_relaxed);
    uint64_t parked = atomic_load_explicit(&w->stats.fibers_parked, memory_order_relaxed);
    uint64_t woken = atomic_load_explicit(&w->inbox_woken, memory_order_relaxed);
    return fibers + woken > parked ? fibers + woken - parked : 0;
}

/*
 * weir__ctx_check without a call in the usual case: neither cancelled, nor shared, nor under a
 * deadline that is near.
 */
static inline weir_err weir__ctx_check_fast(struct weir__ctx *c)
{
    if (WEIR_LIKELY(c->reason == WEIR_REASON_NONE && c->worker != NULL &&
                    c->worker->now.ns < c->deadline.ns))
        return WEIR_OK;
    return weir__ctx_check(c);
}

void weir__turn_end_init(struct weir__turn_end *t, void (*run)(struct weir__turn_end *t));

/* Asks for it, of the running worker; nothing when it was already. */
static inline void weir__turn_end_ask(struct weir__turn_end *t)
{
    if (weir__list_empty(&t->in_turn))
        weir__list_push_back(&weir__self->turn_ends, &t->in_turn);
}

/* It is not done any more. Idempotent. */
static inline void weir__turn_end_forget(struct weir__turn_end *t)
{
    weir__list_remove(&t->in_turn);
}

/* Sends a message; from any thread. */
void weir__post(struct weir__worker *w, struct weir__task *t);

#endif
