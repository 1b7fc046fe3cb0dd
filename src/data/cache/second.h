/*
 * The second level of a cache: a store that several processes share, behind a table of functions.
 * A miss asks it before it loads, and what was loaded is written to it; both within the flight of
 * the key's one load. It may fail, hang or lie: then it is left out for a while, and the load goes
 * to the database, once for all who wait, as if there were none.
 *
 * What is written is JSON behind a line with the time at which it was loaded, so processes of
 * different versions read each other; what does not decode is a miss. However often it is handed
 * on, nothing is older than age_max.
 */
#ifndef WEIR_DATA_CACHE_SECOND_H
#define WEIR_DATA_CACHE_SECOND_H

#include <weir/buf.h>
#include <weir/cache.h>

struct weir__ctx;
struct weir__cache_second;

/* Called in fibers of any worker; they may wait, and `c` ends what lasts too long. */
struct weir__cache_second_ops {
    /* Appends what there is of a key to `out`; WEIR_ENOTFOUND: nothing. */
    weir_err (*get)(void *driver, struct weir__ctx *c, weir_str key, weir_buf *out);
    weir_err (*set)(void *driver, struct weir__ctx *c, weir_str key, weir_str bytes, weir_dur ttl);
    weir_err (*remove)(void *driver, struct weir__ctx *c, weir_str key);
    /*
     * Will this worker be told when others change what it has just read, or (`was_read` false)
     * written? Else it is handed on, and not kept in this process. Does not wait. NULL: nobody is
     * told, and everything is kept for its time.
     */
    bool (*may_keep)(void *driver, bool was_read);
};

/* 0 is the default in each. */
struct weir__cache_second_options {
    weir_dur timeout; /* of each call; default 100 ms */
    weir_dur age_max; /* of what is read, since it was loaded; default the cache's ttl */
};

/*
 * Gives the cache its second level, before it is used; `driver` outlives the cache. -ENOMEM. The
 * cache's error where it could not be made.
 */
WEIR_MUST_USE weir_err weir__cache_join_second(weir_cache *cache,
                                               const struct weir__cache_second_ops *ops,
                                               void *driver,
                                               const struct weir__cache_second_options *options);

/*
 * Told from outside: another process has written this key, or nobody knows any more what was
 * written (the connection that would have told was lost). On a worker, on whatever stack; do not
 * wait.
 */
void weir__cache_told_changed(weir_cache *cache, weir_str key);
void weir__cache_told_lost(weir_cache *cache);

/* --- for the cache ---------------------------------------------------------------------------- */

enum weir__second_found {
    WEIR__SECOND_NOTHING, /* or it could not say */
    WEIR__SECOND_VALUE,
    WEIR__SECOND_MISSING /* that there is none */
};

/* Reads a key into `value`, zeroed before; what it points to is in `c`. `*left`: how long it may
 * be kept. */
enum weir__second_found weir__second_read(struct weir_cache *cache, struct weir__ctx *c,
                                          weir_str key, const weir_model *model, void *value,
                                          weir_dur *left);
/* Writes what was loaded; `value` NULL: there is none. What fails is counted. */
void weir__second_write(struct weir_cache *cache, struct weir__ctx *c, weir_str key,
                        const weir_model *model, const void *value);
/* May what has just been read or written be kept here? */
bool weir__second_may_keep(const struct weir_cache *cache, bool was_read);
/* The error says that it may have the key still. */
weir_err weir__second_remove(struct weir_cache *cache, struct weir__ctx *c, weir_str key);

void weir__second_free(struct weir__cache_second *s);

#endif
