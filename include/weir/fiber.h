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
 * What a fiber runs. Its result is the fiber's: the first error of a context's fibers is what weir_join returns.
 *
 * c        the fiber's own context, ended when the function returns
 * arg      as given to WEIR_GO
 */
typedef weir_err (*weir_fiber_fn)(weir_ctx *c, void *arg);

/**
 * Starts a fiber in a context, on the same worker; it begins when the caller waits next.
 *
 * c        cancelled and joined at its end, and the fiber with it
 * arg      must outlive `c`: the heap, the context's memory, or a local of the function that opened `c` (or of
 *          its callers). A local of a deeper frame is refused: it would be gone before the fiber
 * returns  WEIR_OK; WEIR_ELIMIT past the context's or the process's number of fibers (join some first);
 *          the reason when `c` is cancelled; -ENOMEM
 * context  fiber; does not wait
 */
#define WEIR_GO(c, fn, arg) weir_go_at(WEIR_HERE, (c), (fn), (arg), #fn)
/** The function behind WEIR_GO; `name` is of static storage. */
WEIR_API weir_err weir_go_at(const weir_site *site, weir_ctx *c, weir_fiber_fn fn, void *arg,
                             const char *name) WEIR_MUST_USE;

/** How weir_join treats errors of the fibers. */
typedef enum weir_join_mode {
    WEIR_JOIN_FAIL_FAST, /* the first error cancels the rest */
    WEIR_JOIN_ALL,       /* wait for all, whatever happens */
    WEIR_JOIN_FIRST_OK   /* the first success cancels the rest */
} weir_join_mode;

/**
 * Waits until all fibers of the context have ended.
 *
 * returns  the first error among them (FIRST_OK: only when none succeeded), or the reason when the
 *          waiting context was cancelled: then its fibers are cancelled and joined all the same
 * context  the fiber that owns `c`; waits
 */
WEIR_API weir_err weir_join_as(weir_ctx *c, weir_join_mode mode);

/** weir_join_as with WEIR_JOIN_FAIL_FAST. */
static inline weir_err weir_join(weir_ctx *c)
{
    return weir_join_as(c, WEIR_JOIN_FAIL_FAST);
}

/** What detached work may be given. */
typedef struct weir_detach_options {
    weir_dur timeout; /* its deadline from now; default 60 s */
} weir_detach_options;

/**
 * Starts background work that outlives the request: a context of its own below the application's, a copy
 * of the data, a deadline, and a bound on how many may run (1,000 a worker unless configured).
 *
 * data     `size` bytes (at most 64 KiB) copied; the fiber gets the address of its copy. Pointers inside are not followed:
 *          copy what they point to as well, or pass an id
 * returns  WEIR_OK; WEIR_ELIMIT when too many run: do the work now or answer 503; -ENOMEM; WEIR_ESHUTDOWN
 * context  fiber; does not wait
 */
#define weir_detach(c, fn, data, size, ...)                                                        \
    weir_detach_at(WEIR_HERE, (c), (fn), #fn, (data), (size),                                      \
                   &(weir_detach_options){__VA_ARGS__})
/** The function behind weir_detach. */
WEIR_API weir_err weir_detach_at(const weir_site *site, weir_ctx *c, weir_fiber_fn fn,
                                 const char *name, const void *data, size_t size,
                                 const weir_detach_options *options) WEIR_MUST_USE;

/**
 * Waits for a time.
 *
 * returns  WEIR_OK when the time has passed, otherwise the reason of the cancellation
 * context  fiber; waits
 */
WEIR_API weir_err weir_sleep(weir_ctx *c, weir_dur d);

/** Lets other fibers run, now. Returns as weir_check: a cancellation point. */
WEIR_API weir_err weir_yield(weir_ctx *c);

/**
 * A cheap weir_yield for loops that compute: yields only when the fiber has had its share (1 ms) and others wait.
 */
WEIR_API weir_err weir_checkpoint(weir_ctx *c);

/**
 * Ends the fiber's present work: unwinds its stack to the nearest weir_protect (the recover middleware, the
 * request, the fiber's start), running the clean-ups on the way. For what must not happen.
 */
#define weir_panic(...) weir_panic_at(WEIR_HERE, __VA_ARGS__)
/** The function behind weir_panic. */
WEIR_API WEIR_NORETURN void weir_panic_at(const weir_site *site, const char *format, ...)
    WEIR_PRINTF(2, 3);

/** Panics with the expression's text unless it holds; stays on in release builds. */
#define WEIR_CHECK(expr)                                                                           \
    (WEIR_LIKELY(expr) ? (void)0 : weir_panic_at(WEIR_HERE, "check failed: %s", #expr))

/**
 * Calls `fn(c, arg)` and catches a panic in it.
 *
 * returns  what `fn` returned, or WEIR_EPANIC: the message and place are in the error record of `c`. Contexts
 *          that were opened below `c` meanwhile have been closed
 * context  fiber
 */
WEIR_API weir_err weir_protect(weir_ctx *c, weir_fiber_fn fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
