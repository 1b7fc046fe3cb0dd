/*
 * The second level of a cache: a store that several processes share, behind a table of functions.
 * A miss asks it before it loads, and what was loaded is written to it; both within the flight of
 * the key's one load. It may fail, hang or lie: then it is left out for a while, and the load goes
 * to the database, once for all who wait, as if there were none.
 *
 * What is written is JSON behind a line with the time at which it was loaded. It is kept by the
 * model's version beside those of other versions, so that programs whose models differ do not read
 * each other's, and a write of either reaches both. However often it is handed on, nothing is older
 * than age_max.
 *
 * A load may be slower than a write of another process: what it has read must not replace what
 * that has said. So each write leaves a mark, which a miss reads and gives back when it fills:
 * where the mark is another one by then, nothing is filled.
 */
#ifndef WEIR_DATA_CACHE_SECOND_H
#define WEIR_DATA_CACHE_SECOND_H

#include <weir/buf.h>
#include <weir/cache.h>

struct weir__ctx;
struct weir__cache_second;

enum { WEIR__SECOND_MARK_MAX = 40 };

struct weir__second_key {
    weir_str key;
    uint64_t version; /* of the values' model */
};

/* What a miss has read of a key. */
struct weir__second_mark {
    bool is_read; /* else nothing may be filled */
    uint8_t len;
    char bytes[WEIR__SECOND_MARK_MAX];
};

/* Called in fibers of any worker; they may wait, and `c` ends what lasts too long. */
struct weir__cache_second_ops {
    /*
     * Appends the record of a version to `record` and what the last write has left to `mark`, if
     * there is something; WEIR_ENOTFOUND: there is no record.
     */
    weir_err (*get)(void *driver, struct weir__ctx *c, const struct weir__second_key *key,
                    weir_buf *record, weir_buf *mark);
    /* Adds a record, unless the key was written since: WEIR_ECHANGED. */
    weir_err (*fill)(void *driver, struct weir__ctx *c, const struct weir__second_key *key,
                     weir_str mark, weir_str record, weir_dur ttl);
    /*
     * Writes: all records of the key go, and another mark stands there, for `ttl` at least, with
     * the new record, if it has bytes. WEIR_ETOOLARGE: of a record; nothing was done.
     */
    weir_err (*write)(void *driver, struct weir__ctx *c, const struct weir__second_key *key,
                      weir_str record, weir_dur ttl);
    /*
     * Is this worker told when others change what it reads from now on? Then what was read is kept
     * for all of its time, and what was loaded is kept when it has been read. Else either is kept
     * for ttl_apart. Does not wait. NULL: nobody is ever told, and all is kept for its time.
     */
    bool (*is_told)(void *driver);
};

/* 0 is the default in each. */
struct weir__cache_second_options {
    weir_dur timeout;     /* of each call; default 100 ms */
    weir_dur age_max;     /* of what is read, since it was loaded; default the cache's ttl */
    weir_dur ttl_apart;   /* of what nobody tells of; default 1 s */
    uint32_t records_max; /* bytes of one that is written; default 1 MiB */
};

/*
 * Gives the cache its second level, before it is used; `driver` outlives the cache. -ENOMEM;
 * -EBUSY: it has one. The cache's error where it could not be made.
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
 * be kept; `mark` is for weir__second_fill. */
enum weir__second_found weir__second_read(struct weir_cache *cache, struct weir__ctx *c,
                                          weir_str key, const weir_model *model, void *value,
                                          weir_dur *left, struct weir__second_mark *mark);
/* Adds what was loaded; `value` NULL: there is none. What fails is counted. */
void weir__second_fill(struct weir_cache *cache, struct weir__ctx *c, weir_str key,
                       const weir_model *model, const void *value,
                       const struct weir__second_mark *mark);
/*
 * Writes a value; `value` NULL: forgets the key. Where the level cannot be told now it is before it
 * is asked again. The reason when `c` is cancelled, else WEIR_OK.
 */
weir_err weir__second_write(struct weir_cache *cache, struct weir__ctx *c, weir_str key,
                            const weir_model *model, const void *value);
/* For how long what has just been read or loaded may be kept here; 0: it may not. */
weir_dur weir__second_may_keep(const struct weir_cache *cache, bool was_read);

/* How many keys it has not been told of; whether it is left out. */
void weir__second_numbers(const struct weir_cache *cache, uint64_t *owed, uint64_t *is_out);

void weir__second_free(struct weir__cache_second *s);

#endif
