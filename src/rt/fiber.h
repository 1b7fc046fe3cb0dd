/*
 * Fibers from the inside: stackful, one worker for life. The structs stand densely in slabs of
 * their own, which are never unmapped, so that a fiber whose stack has no pages (hibernate.h) costs
 * little more than its struct.
 *
 * F1: a fiber is on exactly one of: a run queue, an object's wait queue (or on its way by wake),
 *     the free list, or it is the worker's current one.
 */
#ifndef WEIR_RT_FIBER_H
#define WEIR_RT_FIBER_H

#include <stdint.h>

#include "base/list.h"
#include "os/stack.h"
#include "rt/context.h"
#include "rt/exception.h"

struct weir__worker;
struct weir__catch;
struct weir__panic_info;
struct weir__runtime;

enum weir__fiber_state {
    WEIR__FIBER_FREE,
    WEIR__FIBER_READY,
    WEIR__FIBER_RUNNING,
    WEIR__FIBER_PARKED
};

typedef void (*weir__fiber_main)(void *arg);

enum weir__child_kind {
    WEIR__CHILD_JOINED,   /* its result is the context's */
    WEIR__CHILD_DETACHED, /* background work: its error is logged */
    WEIR__CHILD_APART     /* who started it looks after its result */
};

/*
 * What a fiber that was started in a context runs (spawn.c). Here, so that starting one allocates
 * nothing.
 */
struct weir__child {
    struct weir__ctx *ctx;    /* its own */
    struct weir__ctx *parent; /* the one it was started in */
    weir_fiber_fn fn;
    void *arg;
    weir_err err;
    enum weir__child_kind kind;
};

/*
 * The first line of it is what a switch needs. Aligned, for its neighbours may belong to other
 * workers.
 */
struct weir__fiber {
    _Alignas(64) void *sp;    /* saved while it does not run */
    struct weir__list in_run; /* worker.ready, or worker.free_fibers */
    char *frozen; /* the live bytes of its stack while it hibernates (hibernate.h); NULL */
    struct weir__worker *worker;
    struct weir__wait *wait; /* while parked */
    weir_time since;         /* of its state */
    uint8_t state;
    bool is_hibernating : 1;
    bool is_shown : 1;        /* it hibernates, but others have needed its stack, so that is back */
    bool is_shared : 1;       /* others reach into its stack: it does not hibernate any more */
    bool has_cxx : 1;         /* it has given its worker away while exceptions were handled */
    bool has_canary : 1;      /* its stack has no guard (os/stack.h) */
    uint32_t stack_used_max;  /* high-water in bytes, when last looked at */
    struct weir__list in_all; /* worker.fibers */
    struct weir__fiber
        *inbox_next;             /* on its way from another worker's wake; of a slab's free ones */
    struct weir__ctx *ctx;       /* what it works for now: shown in dumps, used by weir_panic */
    struct weir__catch *catcher; /* innermost recovery point */
    weir__fiber_main main;
    void *arg;
    const char *name;      /* static: the function's, or what the runtime calls it */
    const weir_site *site; /* who started it; NULL: the runtime */
    struct weir__child child;
    struct weir__cxx cxx;     /* with has_cxx */
    struct weir__list opened; /* contexts that its code opened: weir__ctx.in_opener, newest first */
    struct weir__ctx *scope;  /* the newest of them that its block joins (scope.h) */
    uint32_t refused;         /* failed at once since it last waited, weighed (wait.h) */
    uint64_t id;
    char *stack_lo, *stack_hi; /* usable bytes, without the guard */
    struct weir__stack_slot *slot;
    /*
     * Called before the fiber gives its worker away, on its own stack; must not wait. For what the
     * fiber holds back (responses gathered for one send) and must not hold back while it waits. May
     * be NULL.
     */
    void (*before_park)(struct weir__fiber *f);
    /* Called, on the fiber, when a panic has reached its start; logs it unless changed. */
    void (*panicked)(struct weir__fiber *f, const struct weir__panic_info *info);
    union { /* a build has one of the sanitizers */
        void *asan_fake_stack;
        void *tsan_fiber;
    };
};

/*
 * A fiber of this worker that is ready to run `main(arg)`; NULL: limit or memory. `ctx` may be
 * NULL.
 */
struct weir__fiber *weir__fiber_start(struct weir__worker *w, weir__fiber_main main, void *arg,
                                      const char *name, const weir_site *site,
                                      struct weir__ctx *ctx);

/*
 * Runs a new fiber at once instead of queueing it: from the worker's loop only (poller call-backs),
 * never from a fiber. Returns when it has parked or ended. False: limit or memory.
 */
bool weir__fiber_run_now(struct weir__worker *w, weir__fiber_main main, void *arg, const char *name,
                         struct weir__ctx *ctx);

/*
 * As weir_go_at, also from a worker's own stack; what the fiber returns counts for no join, which
 * waits for it all the same.
 */
weir_err weir__go_apart(const weir_site *site, struct weir__ctx *p, weir_fiber_fn fn, void *arg,
                        const char *name);

/*
 * Data that will be used by others, or later than `c` (kept.c): no address in it may lead into the
 * memory of the request that hands it over.
 */
void weir__refuse_kept(const struct weir__ctx *c, const void *data, size_t size,
                       const char *function);

/*
 * Does `arg` lie in the memory of the request or of a block of this fiber, or in a frame above
 * them, and `c` go on when they have ended (kept.c)?
 */
bool weir__ends_before(const struct weir__ctx *c, const void *arg);

/* The running fiber; NULL on a worker's own stack and on other threads. */
struct weir__fiber *weir__fiber_self(void);

/* Fibers of all workers that live now. Any thread. */
uint64_t weir__fiber_total(const struct weir__runtime *rt);

/* Lets the others run; the caller stays ready. */
void weir__fiber_yield(void);

/* --- for rt itself: the two halves of every wait, and the worker's loop ----------------------- */

/*
 * The fiber that ends a worker is made with it, for at the end there may be no memory, nor room for
 * one more fiber. Keep: false, there is no memory now. Start: once; its parameters are those of
 * weir__fiber_start. Drop: idempotent.
 */
bool weir__fiber_keep_last(struct weir__worker *w);
void weir__fiber_start_last(struct weir__worker *w, weir__fiber_main main, void *arg,
                            const char *name, struct weir__ctx *ctx);
void weir__fiber_drop_last(struct weir__worker *w);

/* Gives the worker away until weir__fiber_ready. `wait` is what the dump shows. */
void weir__fiber_park(struct weir__wait *wait);

/* Makes a parked fiber ready; from any thread. */
void weir__fiber_ready(struct weir__fiber *f);

/*
 * Runs the first ready fiber until it parks or ends; false when there is none. On the worker's own
 * stack.
 */
bool weir__fiber_run_ready(struct weir__worker *w);

/* The worker's trim timer. */
void weir__fiber_on_trim(struct weir__timer *t);

/* Its slot: where its stack may be. */
struct weir__stack weir__fiber_slot(const struct weir__fiber *f);

/* Pages that a deep fiber has touched go back; how deep it went is kept for the dump. */
void weir__fiber_cool(struct weir__fiber *f);

/* Frees all idle fibers, for the worker ends. On the worker's own stack. */
void weir__fiber_trim(struct weir__worker *w);

/*
 * Return addresses from frame pointer `fp` on, as far as they lie in the stack of `f`. Signal-safe.
 */
size_t weir__stack_walk(const struct weir__fiber *f, void *const *fp, void **pcs, size_t max);

/*
 * Return addresses of the caller's frames by frame pointers, bounded by the stack; returns the
 * number.
 */
size_t weir__stack_capture(void **pcs, size_t max);

/*
 * The outermost context that is this fiber's alone: below it are its own and its children's. NULL:
 * it works in one that others use too. On its worker.
 */
struct weir__ctx *weir__fiber_outermost(const struct weir__fiber *f);

/*
 * Where the running fiber waits for something of `owner`: in its own context when that lies below,
 * so that who ends the fiber ends its wait; else in `owner`.
 */
struct weir__ctx *weir__fiber_waits_in(struct weir__ctx *owner);

/* Those of a parked fiber, of this worker. */
size_t weir__fiber_stack(const struct weir__fiber *f, void **pcs, size_t max);

#endif
