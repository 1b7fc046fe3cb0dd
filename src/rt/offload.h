/*
 * Threads for work that blocks. One general pool in the runtime, and pools of their own where one
 * thread must do it all (a database's writer).
 */
#ifndef WEIR_RT_OFFLOAD_H
#define WEIR_RT_OFFLOAD_H

#include "rt/context.h"
#include <weir/offload.h>

struct weir__offload_pool;

/*
 * `name` is static; at most `queue_max` calls wait, more get WEIR_ELIMIT. Threads start when
 * needed. NULL: no memory.
 */
struct weir__offload_pool *weir__offload_pool_new(const char *name, unsigned threads,
                                                  size_t queue_max);

/* Lets what is queued end, joins the threads, frees. NULL is allowed. Blocks the caller. */
void weir__offload_pool_free(struct weir__offload_pool *pool);

/*
 * As weir_offload, on that pool, for functions of the library. In the simulation `fn` runs on the
 * calling fiber, when the call's time is over (weir__sim_offload_takes), and may wait as it does.
 */
weir_err weir__offload_on(struct weir__offload_pool *pool, struct weir__ctx *c,
                          const weir_site *site, weir_err (*fn)(void *arg), void *arg,
                          void (*interrupt)(void *arg));

struct weir__offload_stats {
    uint64_t calls, refused;
    size_t threads, busy, queued;
};
struct weir__offload_stats weir__offload_stats(struct weir__offload_pool *pool);

#endif
