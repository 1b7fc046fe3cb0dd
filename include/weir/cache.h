/*
 * Caches: values by key in the process's own memory, shared by all workers, within bounds that are
 * given when the cache is made. What is not there is loaded by a function of yours: once, though a
 * thousand requests ask at a time.
 *
 *     weir_cache *users = weir_cache_new(app, .name = "users", .entries_max = 10000,
 *                                        .bytes_max = 16 << 20, .ttl = weir_min(5));
 *
 *     static weir_err load_user(weir_ctx *c, weir_str key, void *out, void *arg) { … }
 *
 *     user u;
 *     weir_err err = weir_cache_get(c, users, weir_param(c, "id"), user, &u, load_user, NULL);
 *
 * A value is a struct with a model, or one of the bare types that have one (weir_str, weir_blob,
 * int64_t …). It is copied with all that its model's members point to; members that are not in the
 * model are zero in the copy.
 */
#ifndef WEIR_CACHE_H
#define WEIR_CACHE_H

#include <weir/ctx.h>
#include <weir/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A cache. Belongs to the application's context; every worker may use it. */
typedef struct weir_cache weir_cache;

/** The longest key, in bytes; a longer one is refused with WEIR_ETOOLARGE. */
#define WEIR_CACHE_KEY_MAX 1024

/**
 * What a cache is given; what its members point to is copied. Name, bounds and time have no
 * default: a cache without them is refused, with all mistakes at once.
 */
typedef struct weir_cache_options {
    size_t size;          /* the macro's */
    const char *name;     /* for messages, /metrics and /debug/caches; 1 to 48 bytes, copied */
    uint32_t entries_max; /* 1 to 100,000,000 */
    uint64_t bytes_max;   /* 16 KiB to 1 TiB: of keys, values and all that the cache needs beside */
    weir_dur ttl;         /* 1 ms to 30 days; each entry's is shortened by up to a tenth at random,
                             so that what came together does not go together */
    weir_dur ttl_missing; /* of "there is none": 1 ms to 30 days; default a tenth of ttl, at most
                             30 s */
    uint32_t waiters_max; /* 1 to 1,000,000 fibers that wait for one load; more are refused with
                             WEIR_ELIMIT; default 10,000 */
    uint32_t guard_keys;  /* up to 1,000,000,000 keys of which the guard can tell that others do not
                             exist; default 0: there is no guard. 1.5 bytes of bytes_max each */
    weir_dur pin_threshold; /* 10 ms to 24 h: a pin that its context's end finds older than that is
                               reported; default 30 s */
} weir_cache_options;

/**
 * Makes a cache.
 *
 * app      the application's context, at its start; any other is misuse, and panics: a cache of a
 *          request would be empty for each
 * ...      members of weir_cache_options
 * returns  the cache; never NULL: where it could not be made, one whose every use returns why. The
 *          message, with all mistakes, is in the error record of `app`
 * errors   WEIR_EINVALID (options), -ENOMEM
 * owner    the context
 * limits   it is cut into shards by hash, each with its share of both bounds: a value may be as
 *          large as one, which is 1 MiB or all of bytes_max where that is less. A larger one is
 *          handed on, and not kept
 * context  fiber; does not wait
 */
#define weir_cache_new(...) WEIR__CACHE_NEW(__VA_ARGS__, )
#define WEIR__CACHE_NEW(app, ...)                                                                  \
    WEIR__CALL(weir_cache_new_at, (WEIR_HERE, (app)), weir_cache_options, __VA_ARGS__)
/** The function behind weir_cache_new. */
WEIR_API weir_cache *weir_cache_new_at(const weir_site *site, weir_ctx *app,
                                       const weir_cache_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3);

/** Why the cache could not be made; WEIR_OK for one that was. Any context of a worker. */
WEIR_API weir_err weir_cache_err(const weir_cache *cache) WEIR_NONNULL(1);

/**
 * Loads the value of a key: from the database, from another service. Called in the fiber that
 * asked, with its context; who else asks for the key meanwhile waits for it. When that context is
 * cancelled and the load fails, another who waits makes it anew in its own; so nobody gets
 * another's cancellation.
 *
 * key      as it was given by who asked, borrowed; the value may point to it where that lives as
 *          long as `c`
 * out      the value, zeroed; what it points to must live until `c` ends. It is copied
 * returns  WEIR_OK; WEIR_ENOTFOUND: there is none, which is kept for ttl_missing; anything else is
 *          handed to all who wait, its error record too, and not kept
 * context  as who asked; may wait. To ask the cache for the same key is refused with WEIR_EDEADLK
 */
typedef weir_err (*weir_cache_load)(weir_ctx *c, weir_str key, void *out, void *arg);

/**
 * Gets the value of a key, loading it when it is not there. A hit waits for nothing and allocates
 * nothing but room in the context for what the value points to.
 *
 * key      up to WEIR_CACHE_KEY_MAX bytes; copied where it is kept
 * T        the type of the value, which has a model: all of one cache are of one type; another one
 *          is misuse, and panics
 * out      a T *: filled on WEIR_OK, else zeroed
 * load     a weir_cache_load; NULL: what is not there is WEIR_ENOTFOUND
 * arg      given to `load` during the call, and not kept; NULL is allowed
 * returns  WEIR_OK; WEIR_ENOTFOUND: there is none, as was loaded, or says the guard; WEIR_EDEADLK:
 *          this fiber loads that key, or one whose load waits for it; WEIR_ELIMIT: waiters_max;
 *          WEIR_ETOOLARGE: the key; WEIR_EPANIC: who loaded it has panicked; -ENOMEM, WEIR_EBUDGET;
 *          what `load` returned; the reason when `c` is cancelled, which leaves the load to others
 * owner    what the value points to is in the memory of `c`
 * context  fiber; a hit does not wait and may be had in a cancelled context, a miss may wait, up to
 *          the deadline
 */
#define weir_cache_get(c, cache, key, T, out, load, arg)                                           \
    weir_cache_get_at(WEIR_HERE, (c), (cache), (key), weir_model_of(T), (1 ? (out) : (T *)0),      \
                      (load), (arg))
/** The function behind weir_cache_get; `out` has room for model->size bytes. */
WEIR_API weir_err weir_cache_get_at(const weir_site *site, weir_ctx *c, weir_cache *cache,
                                    weir_str key, const weir_model *model, void *out,
                                    weir_cache_load load, void *arg) WEIR_MUST_USE
    WEIR_NONNULL(2, 3, 5, 6);

/**
 * The same without a copy: `*out` points to the value in the cache, which stays until the context
 * ends though the cache may have long let go of it. For large values. What is pinned counts in
 * bytes_max.
 *
 * c        not the application's, which would keep it for ever: misuse, panics
 * key      copied where it is kept
 * arg      given to `load` during the call, and not kept
 * out      a const T **: set on WEIR_OK, else NULL. The value is not to be changed: others read it
 * owner    the cache; borrowed by `c` until it ends, or weir_cache_unpin
 */
#define weir_cache_pin(c, cache, key, T, out, load, arg)                                           \
    weir_cache_pin_at(WEIR_HERE, (c), (cache), (key), weir_model_of(T),                            \
                      (const void **)(1 ? (out) : (const T **)0), (load), (arg))
/** The function behind weir_cache_pin. */
WEIR_API weir_err weir_cache_pin_at(const weir_site *site, weir_ctx *c, weir_cache *cache,
                                    weir_str key, const weir_model *model, const void **out,
                                    weir_cache_load load, void *arg) WEIR_MUST_USE
    WEIR_NONNULL(2, 3, 5, 6);

/**
 * Gives a pin back before its context ends.
 *
 * value    what weir_cache_pin has set, pinned in `c`, and not used any more; anything else is
 *          misuse, and panics. NULL is allowed and does nothing; nothing of it is kept
 * context  fiber; does not wait
 */
WEIR_API void weir_cache_unpin(weir_ctx *c, const void *value) WEIR_NONNULL(1);

/**
 * Puts a value in, in place of an older one. A load of the key that is under way is not kept.
 *
 * key      copied
 * value    a const T *: copied
 * returns  WEIR_OK; WEIR_ETOOLARGE: value or key, and an older value is gone; -ENOMEM, likewise;
 *          the reason when `c` is cancelled: the value is in, and the second level told later
 * context  fiber; waits for a second level if there is one, up to its time-out
 */
#define weir_cache_put(c, cache, key, T, value)                                                    \
    weir_cache_put_at((c), (cache), (key), weir_model_of(T), (1 ? (value) : (const T *)0))
/** The function behind weir_cache_put. */
WEIR_API weir_err weir_cache_put_at(weir_ctx *c, weir_cache *cache, weir_str key,
                                    const weir_model *model, const void *value) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 4, 5);

/**
 * Forgets a key: what was written is loaded anew by the next who asks. A load that is under way
 * still serves who waits for it, and is not kept; who asks from now on gets a load of his own.
 *
 * key      read during the call, and not kept
 * returns  WEIR_OK, also when it was not there, and when the second level is away: that is told
 *          when it is asked next. WEIR_ETOOLARGE: the key. The reason when `c` is cancelled,
 *          likewise
 * context  fiber; waits for a second level if there is one, up to its time-out
 */
WEIR_API weir_err weir_cache_remove(weir_ctx *c, weir_cache *cache, weir_str key) WEIR_MUST_USE
    WEIR_NONNULL(1, 2);

/**
 * Forgets all keys, and what the guard was told: it is off until weir_cache_guard_ready. Not of the
 * second level. Fiber; does not wait, but takes time for each entry.
 */
WEIR_API void weir_cache_clear(weir_ctx *c, weir_cache *cache) WEIR_NONNULL(1, 2);

/* --- the guard -------------------------------------------------------------------------------- */

/**
 * Tells the guard of a key that exists: at the start all of them, later each that is made. From
 * weir_cache_guard_ready on, a key of which it was not told is WEIR_ENOTFOUND without a load, but
 * for one in a hundred. So whoever makes keys must tell: a guard is for keys that no other process
 * makes.
 * weir_cache_put tells by itself.
 *
 * key      read during the call, and not kept
 * errors   a cache without guard_keys: misuse, panics
 * limits   past guard_keys more of the unknown keys are loaded; none that exists is denied
 * context  fiber; does not wait
 */
WEIR_API void weir_cache_guard_add(weir_ctx *c, weir_cache *cache, weir_str key) WEIR_NONNULL(1, 2);

/** All keys that exist have been told: the guard answers from now on. As weir_cache_guard_add. */
WEIR_API void weir_cache_guard_ready(weir_ctx *c, weir_cache *cache) WEIR_NONNULL(1, 2);

/* --- numbers ---------------------------------------------------------------------------------- */

/** What a cache has and has counted. Sums over its shards, which go on meanwhile. */
typedef struct weir_cache_stats {
    const char *name; /* borrowed from the cache */
    uint64_t entries, entries_max;
    uint64_t bytes, bytes_max;
    uint64_t missing;       /* entries now that say "there is none" */
    uint64_t pinned_bytes;  /* of `bytes`: let go by the cache, still in use by who asked */
    uint64_t hits;          /* asked for and there, "there is none" too */
    uint64_t misses;        /* asked for and not there */
    uint64_t guarded;       /* of those: denied by the guard */
    uint64_t waits;         /* of those: waited for another's load */
    uint64_t loads;         /* calls of load functions */
    uint64_t load_errors;   /* that returned neither WEIR_OK nor WEIR_ENOTFOUND, or panicked */
    uint64_t evicted;       /* had to go for others */
    uint64_t expired;       /* were over */
    uint64_t not_kept;      /* loaded or put, and too large, or no room beside what is pinned */
    uint64_t second_hits;   /* found in the second level */
    uint64_t second_misses; /* not found there */
    uint64_t second_errors; /* it failed or was late, and is left out for a while */
    uint64_t second_owed;   /* keys written that it could not be told of yet, now */
    uint64_t second_out;    /* 1 while it is left out */
} weir_cache_stats;

/** Reads a cache's numbers into `out`. Any context of a worker; does not wait. */
#define weir_cache_numbers(cache, out)                                                             \
    weir_cache_numbers_at((cache), (out), sizeof(weir_cache_stats))
/** The function behind weir_cache_numbers; so many bytes of `out` are filled. */
WEIR_API void weir_cache_numbers_at(const weir_cache *cache, weir_cache_stats *out, size_t size)
    WEIR_NONNULL(1, 2);

#ifdef __cplusplus
}
#endif
#endif
