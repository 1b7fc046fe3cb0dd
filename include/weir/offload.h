/*
 * Work that blocks or computes for long, on a bounded pool of threads, while the fiber waits. The
 * number of threads is the application's option offload_threads; 10,000 calls may be queued.
 */
#ifndef WEIR_OFFLOAD_H
#define WEIR_OFFLOAD_H

#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What an offloaded call may be given. */
typedef struct weir_offload_options {
    size_t size; /* the macro's */
    /*
     * Called with the same `arg`, at most once, when the waiting context is cancelled while `fn`
     * runs, to make it end soon. On the worker, beside `fn`: it sets a flag, or calls what is
     * made for that (sqlite3_interrupt); it must not wait.
     */
    void (*interrupt)(void *arg);
} weir_offload_options;

/**
 * Runs `fn(arg)` on a thread of the offload pool and waits for its end. A call that has begun is
 * always waited for, also when the context is cancelled (`arg` may be on this stack): keep it
 * short, or give `.interrupt`. In simulated tests `fn` runs on the worker, a turn later.
 *
 * fn       on a stack of 1 MiB and a thread that runs no fibers: what is for fibers returns
 *          WEIR_ETHREAD there; weir_chan_post sends to them. It may use nothing of the fiber
 *          but `arg`. When it panics, or an exception leaves it, the calling fiber panics
 * arg      borrowed until the call returns
 * ...      members of weir_offload_options
 * returns  what `fn` returned; the reason when `c` was cancelled before it began; WEIR_ELIMIT when
 *          10,000 are queued; -EAGAIN when the machine gives not one thread
 * context  fiber; waits, past the deadline of `c` when `fn` does not end
 */
#define weir_offload(c, fn, ...) WEIR__OFFLOAD(c, fn, __VA_ARGS__, )
#define WEIR__OFFLOAD(c, fn, arg, ...)                                                             \
    WEIR__CALL(weir_offload_at, (WEIR_HERE, (c), (fn), (arg)), weir_offload_options, __VA_ARGS__)
/** The function behind weir_offload. */
WEIR_API weir_err weir_offload_at(const weir_site *site, weir_ctx *c, weir_err (*fn)(void *arg),
                                  void *arg, const weir_offload_options *options) WEIR_MUST_USE
    WEIR_NONNULL(2, 3, 5);

#ifdef __cplusplus
}
#endif
#endif
