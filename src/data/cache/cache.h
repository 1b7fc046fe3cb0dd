/*
 * The inside of a cache: its shards, and what they have in common. Who asks for what is in get.c,
 * waiting for another's load in flight.c, giving back what is over in sweep.c.
 */
#ifndef WEIR_DATA_CACHE_CACHE_H
#define WEIR_DATA_CACHE_CACHE_H

#include "data/cache/bloom.h"
#include "data/cache/second.h"
#include "data/cache/shard.h"
#include "rt/context.h"
#include <weir/cache.h>

enum { WEIR__CACHE_NAME_MAX = 48, WEIR__CACHE_SHARDS_MAX = 256 };

/* A worker's part in giving back what is over: it sweeps while its timer is armed. */
struct weir__cache_sweeper {
    struct weir_cache *cache;
    struct weir__timer timer;
    struct weir__owned owned; /* by the worker's root, whose end disarms it */
};

struct weir_cache {
    struct weir__token token;
    weir_err err; /* why it could not be made; else WEIR_OK until its end */
    char name[WEIR__CACHE_NAME_MAX + 1];
    weir_cache_options o;              /* settled */
    _Atomic(const weir_model *) model; /* of its values; NULL: there was none yet */
    atomic_bool is_flat;               /* they point to nothing; known with `model` */
    _Atomic uint64_t version;          /* of that model; likewise */
    uint32_t shard_mask;
    struct weir__cache_shard *shards; /* shard_mask + 1 of them */
    struct weir__bloom guard;
    void *guard_words;
    atomic_bool is_guarded;            /* the guard knows all keys that exist */
    struct weir__cache_second *second; /* NULL: there is none */
    atomic_bool is_swept;              /* some worker's sweeper is armed */
    uint32_t worker_count;
    struct weir__cache_sweeper *sweepers; /* of each worker */
    struct weir__list registered;         /* of all caches of the process */
    struct weir__owned owned;
};

/* The live cache behind a handle; misuse in the name of `function`. */
static inline struct weir_cache *weir__cache_of(const weir_cache *handle, const char *function)
{
    return weir__token_must(handle, WEIR__KIND_CACHE, function, "the cache");
}

/* The upper bits say which shard: the lower ones, which bucket of it. */
static inline struct weir__cache_shard *weir__cache_shard_of(const struct weir_cache *cache,
                                                             uint64_t hash)
{
    return &cache->shards[hash >> 56 & cache->shard_mask];
}

/* WEIR_OK, or why it cannot be used with that key; an absent one is an empty one from here on. */
WEIR_MUST_USE weir_err weir__cache_check_key(const struct weir_cache *cache, weir_str *key);

/*
 * The cache's values are of that model, from the first use on; another one is misuse. False: no
 * memory for what is derived from it.
 */
bool weir__cache_is_of_slow(struct weir_cache *cache, const weir_model *model,
                            const char *function);
static inline bool weir__cache_is_of(struct weir_cache *cache, const weir_model *model,
                                     const char *function)
{
    return WEIR_LIKELY(atomic_load_explicit(&cache->model, memory_order_acquire) == model) ||
           weir__cache_is_of_slow(cache, model, function);
}

/* Forgets a key in this process: entry and loads that are under way. Any worker. */
void weir__cache_forget(struct weir_cache *cache, weir_str key);
/* The same of all keys. */
void weir__cache_forget_all(struct weir_cache *cache);

/* The calling worker sweeps, unless one does; called when an entry was put in. */
void weir__cache_sweep(struct weir_cache *cache);
void weir__cache_sweepers_init(struct weir_cache *cache);

/* The list of all caches (list.c): from its making to its end. */
void weir__cache_enlist(struct weir_cache *cache);
void weir__cache_delist(struct weir_cache *cache);

/* Sums over the shards. Any thread, while it is on the list. */
void weir__cache_read(const struct weir_cache *cache, weir_cache_stats *out);

#endif
