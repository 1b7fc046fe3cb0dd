/*
 * Timers that belong to a context: a function that is called once after a while, or again and
 * again. It runs in a fiber of the context, so it may wait, and it ends with the context like any
 * other; a timer that was never stopped goes with its context and is no mistake.
 *
 *     weir_timer heartbeat;
 *     weir_err err = weir_timer_every(c, weir_sec(5), send_ping, conn, &heartbeat);
 *
 * What has to be done some time later in the same function is a weir_sleep; what must outlive the
 * request is started with weir_detach.
 */
#ifndef WEIR_TIMER_H
#define WEIR_TIMER_H

#include <weir/fiber.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Names a timer, for weir_timer_stop. A value, to be copied at will; zeroed it names none. */
typedef struct weir_timer {
    void *slot;
    uint64_t turn;
} weir_timer;

/**
 * Calls `fn(a context below c, arg)` once, in a fiber of `c`, when `delay` has passed.
 *
 * c        when it ends, the timer is gone, and a run is cancelled and joined. In the application's
 *          context the timer belongs to the calling worker, until the service ends
 * delay    from now, never early; the tick is 1 ms. 0 and less: at the next tick
 * fn       its result is logged when it is an error, as a panic is; it counts for no weir_join,
 *          which however waits for a run that has begun. When there is no fiber to be had (see
 *          WEIR_GO) it is tried again every 10 ms
 * arg      kept, not copied; must outlive `c`, as for WEIR_GO
 * out      may be NULL; filled: the timer's name
 * returns  WEIR_OK; WEIR_ELIMIT past 4 Mi timers of a worker; -ENOMEM; WEIR_ECLOSED when `c` is
 *          ending; the reason when it is cancelled
 * context  fiber; does not wait
 */
#define weir_timer_after(c, delay, fn, arg, out)                                                   \
    weir_timer_after_at(WEIR_HERE, (c), (delay), (fn), #fn, (arg), (out))
/** The function behind weir_timer_after; `name` is kept: of static storage. */
WEIR_API weir_err weir_timer_after_at(const weir_site *site, weir_ctx *c, weir_dur delay,
                                      weir_fiber_fn fn, const char *name, void *arg,
                                      weir_timer *out) WEIR_MUST_USE WEIR_NONNULL(2, 4);

/**
 * Calls `fn(a context below c, arg)` each time that `period` has passed, the first time one period
 * from now. The times lie on a grid, so a late run makes none of the next ones later. A time at
 * which the run before goes on, or that the worker was too busy to see, is left out.
 *
 * period   at least 1 ms; less is misuse, panics
 * ...      all else as weir_timer_after; an error does not stop it
 */
#define weir_timer_every(c, period, fn, arg, out)                                                  \
    weir_timer_every_at(WEIR_HERE, (c), (period), (fn), #fn, (arg), (out))
/**
 * The function behind weir_timer_every; `name`, `arg` and `out` as for weir_timer_after: `name` and
 * `arg` are kept, `out` is filled.
 */
WEIR_API weir_err weir_timer_every_at(const weir_site *site, weir_ctx *c, weir_dur period,
                                      weir_fiber_fn fn, const char *name, void *arg,
                                      weir_timer *out) WEIR_MUST_USE WEIR_NONNULL(2, 4);

/**
 * Stops a timer: no further run begins. One that has begun goes on. Idempotent, also for a timer
 * that is over by itself or whose context has ended.
 *
 * t        by value; zeroed is allowed
 * returns  true when there would have been a further run
 * errors   a timer of another worker: misuse, panics
 * context  a fiber of the timer's worker, also the run itself; does not wait
 */
WEIR_API bool weir_timer_stop(weir_ctx *c, weir_timer t) WEIR_NONNULL(1);

#ifdef __cplusplus
}
#endif
#endif
