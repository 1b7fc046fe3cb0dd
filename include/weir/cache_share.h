/*
 * A cache that processes share: Redis behind a weir_cache, as its second level. What one process
 * has loaded the others do not load, and what one writes the others are told of.
 *
 *     weir_redis *redis = weir_redis_open(app, .url = "redis://127.0.0.1");
 *     weir_cache *users = weir_cache_new(app, .name = "users", …);
 *     weir_err err = weir_cache_share(app, users, redis, .space = "shop");
 *
 * Everything else is as before: weir_cache_get looks in the process, then in Redis, then loads. A
 * Redis that is away costs no request more than `timeout`, and no error: it is left out, and the
 * values are loaded, once for all who ask in a process.
 */
#ifndef WEIR_CACHE_SHARE_H
#define WEIR_CACHE_SHARE_H

#include <weir/cache.h>
#include <weir/redis.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What sharing may be given; zero means the default. Texts are copied. */
typedef struct weir_cache_share_options {
    size_t size; /* the macro's */
    /*
     * Whose caches they are: keys in Redis are "weir:SPACE:NAME:key", with the cache's name, so
     * services that use one Redis do not meet. 1 to 64 printable characters of ASCII, no blank and
     * no colon. Must be given
     */
    const char *space;
    weir_dur timeout;         /* 1 ms to 10 s, of each question to Redis; default 100 ms */
    weir_dur age_max;         /* 1 ms to 30 days: no value is used for longer since it was loaded;
                                 default the cache's ttl */
    weir_dur ttl_apart;       /* 1 ms to 30 days: for so long a value is kept in the process while
                                 nobody tells of changes; default 1 s */
    uint32_t value_bytes_max; /* 256 to 64 MiB, as JSON: a larger value is not sent, and loaded by
                                 each who asks. What an answer or a command of the client may have;
                                 default 8 MiB, or that */
} weir_cache_share_options;

/**
 * Gives a cache Redis as its second level.
 *
 * app      the application's context, at its start
 * cache    before its first use
 * redis    of the application's context, before its first command: each worker's connection asks to
 *          be told what changes (CLIENT TRACKING) of all that is read over it, so a client that
 *          reads much else should be another one. Caches of one process may have one client. Its
 *          server is 6.0 or newer; one that is spoken to by version 2 tells nothing, and what is
 *          kept in the process is kept for ttl_apart. Its user may run HMGET, EVALSHA, EVAL, and in
 *          scripts TYPE, HGET, HSET, DEL, PTTL, PEXPIRE, TIME
 * ...      members of weir_cache_share_options
 * returns  WEIR_OK, or an error; the message, with all mistakes, is in the error record of `app`.
 *          The cache is then used without
 * errors   WEIR_EINVALID (options, contexts, a colon in the cache's name, a name that another cache
 *          of the client has, a second call), WEIR_EBUSY (the client has been used), -ENOMEM, why
 *          the cache or the client could not be made
 * owner    the context; its end parts them
 * limits   256 caches of a client
 * context  fiber; does not wait
 */
#define weir_cache_share(app, cache, ...) WEIR__CACHE_SHARE(app, cache, __VA_ARGS__, )
#define WEIR__CACHE_SHARE(app, cache, redis, ...)                                                  \
    WEIR__CALL(weir_cache_share_at, (WEIR_HERE, (app), (cache), (redis)),                          \
               weir_cache_share_options, __VA_ARGS__)
/** The function behind weir_cache_share. */
WEIR_API weir_err weir_cache_share_at(const weir_site *site, weir_ctx *app, weir_cache *cache,
                                      weir_redis *redis,
                                      const weir_cache_share_options *options) WEIR_MUST_USE
    WEIR_NONNULL(2, 3, 4, 5);

#ifdef __cplusplus
}
#endif
#endif
