/*
 * Work that blocks or computes for long, on a bounded pool of threads, while the fiber waits.
 */
#ifndef WEIR_OFFLOAD_H
#define WEIR_OFFLOAD_H

#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What an offloaded call may be given. */
typedef struct weir_offload_options {
    void (*interrupt)(
        void *arg); /* called once when the waiting context is cancelled, to make `fn` end soon */
} weir_offload_options;

/**
 * Runs `fn(arg)` on a thread of the offload pool and waits for its end. A call that has begun is always waited for,
 * also when the context is cancelled (`arg` may be on this stack): keep it short, or give `.interrupt`.
 *
 * fn       must not use a context, nor anything that belongs to the fiber but `arg`
 * returns  what `fn` returned; the reason when `c` was cancelled before it began; WEIR_ELIMIT when the queue is full
 * context  fiber; waits
 */
#define weir_offload(c, fn, arg, ...)                                                              \
    weir_offload_at(WEIR_HERE, (c), (fn), (arg),                                                   \
                    &(weir_offload_options){__VA_ARGS__})
/** The function behind weir_offload. */
WEIR_API weir_err weir_offload_at(const weir_site *site, weir_ctx *c, weir_err (*fn)(void *arg),
                                  void *arg, const weir_offload_options *options) WEIR_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
