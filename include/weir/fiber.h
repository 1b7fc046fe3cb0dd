/*
 * Fibers: functions that run side by side on one worker and belong to a context. A fiber gets a
 * context of its own below the one it was started in; it cannot outlive that one.
 */
#ifndef WEIR_FIBER_H
#define WEIR_FIBER_H

#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a fiber runs. Its result is the fiber's: the first error of a context's fibers is what
 * weir_join returns. A panic that nothing caught counts as WEIR_EPANIC.
 *
 * c        the fiber's own context, ended when the function returns; below the one of WEIR_GO
 * arg      as given to WEIR_GO
 * context  a stack of 224 KiB; large things belong into the context's memory
 */
typedef weir_err (*weir_fiber_fn)(weir_ctx *c, void *arg);

/**
 * Starts a fiber in a context, on the same worker; it begins when the caller waits next.
 *
 * c        when it ends the fiber is cancelled and joined
 * fn       a weir_fiber_fn
 * arg      kept, not copied; must outlive `c`: the heap, the context's memory, or a local of the
 *          function in which WEIR_SCOPE or WEIR_WITH opened `c` (or one above it), or of its
 *          callers. Any other local is refused, for it may be gone before the fiber: misuse,
 *          panics. So is memory of a request or block that ends before `c`, as when `c` is the
 *          application's. A variable of an inner block lies in the same frame, so that is for you
 *          to see
 * returns  WEIR_OK; WEIR_ELIMIT past the context's or the process's number of fibers, past 256
 *          contexts above one another, or without memory for a stack (join some first);
 *          WEIR_ECLOSED when `c` is ending; the reason when it is cancelled; -ENOMEM
 * context  fiber; does not wait
 */
#define WEIR_GO(c, fn, arg) weir_go_at(WEIR_HERE, (c), (fn), (arg), #fn)
/** The function behind WEIR_GO; `name` is kept: of static storage. */
WEIR_API weir_err weir_go_at(const weir_site *site, weir_ctx *c, weir_fiber_fn fn, void *arg,
                             const char *name) WEIR_MUST_USE WEIR_NONNULL(2, 3);

/** How weir_join treats errors of the fibers. */
typedef enum weir_join_mode {
    WEIR_JOIN_FAIL_FAST, /* the first error, also one before the join, cancels the rest */
    WEIR_JOIN_ALL,       /* wait for all, whatever happens */
    WEIR_JOIN_FIRST_OK   /* the first success cancels the rest */
} weir_join_mode;

/**
 * Waits until all fibers of the context have ended, never less: a cancellation makes them end
 * sooner, not the wait. Afterwards the context may be used for others.
 *
 * returns  the first error among them since the last join (FIRST_OK: WEIR_OK when one
 *          succeeded), or the reason when `c` is cancelled: its fibers are too, and joined all the
 *          same
 * errors   the application's context: misuse, panics
 * context  the fiber that opened `c`, one at a time, and never a fiber that runs in `c`; waits
 */
WEIR_API weir_err weir_join_as(weir_ctx *c, weir_join_mode mode) WEIR_MUST_USE WEIR_NONNULL(1);

/** weir_join_as with WEIR_JOIN_FAIL_FAST. A macro, so that stacks name the line that calls it. */
#define weir_join(c) weir_join_as((c), WEIR_JOIN_FAIL_FAST)

/** What detached work may be given. */
typedef struct weir_detach_options {
    size_t size; /* the macro's */
    /*
     * Its deadline from now; default 60 s: there is no work without one. Less than a millisecond is
     * told in the log, once for each place: `.timeout = 5` is 5 ns.
     */
    weir_dur timeout;
} weir_detach_options;

/**
 * Starts background work that outlives the request: a context of its own below the application's, a
 * copy of the data, a deadline, and a bound on how many may run (1,000 a worker unless configured).
 * It keeps the request's id, trace and route for logs, not its values; the handles of the
 * application are there. Nobody waits for its result: it logs what went wrong by itself.
 *
 * fn       a weir_fiber_fn
 * data     `size` bytes (at most 64 KiB; more is misuse, panics) copied; the fiber gets the
 *          address of its copy, NULL for no bytes. Pointers inside are not followed: pass an id.
 *          One that leads into the request's memory or onto its stack is misuse, and panics. All
 *          `size` bytes are looked at: begin arrays and structs with `= {0}`, for what lay in their
 *          place before may be such an address
 * ...      members of weir_detach_options
 * returns  WEIR_OK; WEIR_ELIMIT when too many run: do the work now or answer 503; -ENOMEM;
 *          WEIR_ESHUTDOWN
 * context  fiber, also of a cancelled context; does not wait
 */
#define weir_detach(c, fn, data, ...) WEIR__DETACH(c, fn, data, __VA_ARGS__, )
#define WEIR__DETACH(c, fn, data, bytes, ...)                                                      \
    WEIR__CALL(weir_detach_at, (WEIR_HERE, (c), (fn), #fn, (data), (bytes)), weir_detach_options,  \
               __VA_ARGS__)
/** The function behind weir_detach; `name` is kept: of static storage. */
WEIR_API weir_err weir_detach_at(const weir_site *site, weir_ctx *c, weir_fiber_fn fn,
                                 const char *name, const void *data, size_t size,
                                 const weir_detach_options *options) WEIR_MUST_USE
    WEIR_NONNULL(2, 3) WEIR_ACCESS(read_only, 5, 6);

/**
 * Waits for a time.
 *
 * d        never early; the tick is 1 ms. 0 and less is weir_yield
 * returns  WEIR_OK when the time has passed, otherwise the reason of the cancellation
 * context  fiber; waits
 */
WEIR_API weir_err weir_sleep(weir_ctx *c, weir_dur d) WEIR_MUST_USE WEIR_NONNULL(1);

/** Lets the other fibers that are ready run, now. Returns as weir_check: a cancellation point. */
WEIR_API weir_err weir_yield(weir_ctx *c) WEIR_MUST_USE WEIR_NONNULL(1);

/**
 * A cheap weir_yield for loops that compute: lets others run only when the fiber has had its share
 * (1 ms since it was last resumed). Costs a look at the clock. Returns as weir_check.
 */
WEIR_API weir_err weir_checkpoint(weir_ctx *c) WEIR_MUST_USE WEIR_NONNULL(1);

/**
 * Ends the fiber's present work: unwinds its stack to the nearest weir_protect (the recover
 * middleware, the request, the fiber's start). The clean-ups on the way
 * (__attribute__((cleanup)), C++ destructors) run in frames that were compiled with -fexceptions,
 * as weir.pc says. For what must not happen.
 *
 * ...      printf format and values; the message is cut at 255 bytes
 * context  fiber; outside of one it ends the process
 */
#define weir_panic(...) weir_panic_at(WEIR_HERE, __VA_ARGS__)
/** The function behind weir_panic. */
WEIR_API WEIR_NORETURN void weir_panic_at(const weir_site *site, const char *format, ...)
    WEIR_PRINTF(2, 3) WEIR_NONNULL(2);

/** Panics with the expression's text unless it holds; stays on in release builds. As weir_panic. */
#define WEIR_CHECK(expr)                                                                           \
    (WEIR_LIKELY(expr) ? (void)0 : weir_panic_at(WEIR_HERE, "check failed: %s", #expr))

/**
 * Calls `fn(c, arg)` on this fiber and catches a panic in it.
 *
 * arg      given to `fn` during the call, and not kept; NULL is allowed
 * returns  what `fn` returned, or WEIR_EPANIC: the message and place are the error record of `c`,
 *          in place of an earlier one, and logged with the stack. Contexts that were opened below
 *          `c` meanwhile have been closed, unless a fiber was started in `c` after them; those,
 *          the fibers and what `c` itself owns stay until it ends
 * context  fiber; waits where `fn` does, and for those contexts to close
 */
WEIR_API weir_err weir_protect(weir_ctx *c, weir_fiber_fn fn, void *arg) WEIR_MUST_USE
    WEIR_NONNULL(1, 2);

#ifdef __cplusplus
}
#endif
#endif
