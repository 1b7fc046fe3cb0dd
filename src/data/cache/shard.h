/*
 * A shard: a part of a cache's keys, by their hashes, with its share of the bounds, under a lock of
 * its own. What is here is called under that lock and allocates nothing; what is to be freed is
 * chained to `*gone`, for when the lock has been given.
 *
 * Threads: a shard is any worker's for as long as it has the lock, a few dozen instructions for a
 * hit; there are several shards for each worker, so it is mostly free.
 */
#ifndef WEIR_DATA_CACHE_SHARD_H
#define WEIR_DATA_CACHE_SHARD_H

#include "base/counter.h"
#include "base/random.h"
#include "data/cache/entry.h"
#include "os/lock.h"

enum { WEIR__SHARD_FLIGHT_CHAINS = 32 };

/* Counted under the lock, read by anybody. */
struct weir__shard_counts {
    struct weir__counter hits, misses, guarded, waits, loads, load_errors;
    struct weir__counter evicted, expired, not_kept;
    struct weir__counter second_hits, second_misses, second_errors;
    struct weir__gauge entries, missing, bytes, pinned_bytes;
};

struct weir__cache_shard {
    struct weir__lock lock;
    uint32_t bucket_mask;
    struct weir__cache_entry **buckets; /* weir__cache_entry.next */
    const struct weir__cache_policy *policy;
    void *policy_state;
    struct weir__cache_bounds bounds; /* of bytes: what is left beside the tables */
    uint32_t entries;
    uint64_t bytes; /* of entries that are in, or were and are still used */
    struct weir__random random;
    struct weir__expiry expiry;
    struct weir__shard_counts n;
    struct weir__list flights[WEIR__SHARD_FLIGHT_CHAINS]; /* weir__cache_flight.in_shard */
} __attribute__((aligned(64)));

/* What a shard may have of the whole. */
struct weir__shard_share {
    uint32_t entries_max;
    uint64_t bytes_max; /* with its tables */
    weir_dur longest;   /* that an entry may live */
    uint64_t seed;
};

/* Zeroed before. False: no memory; `fini` is then all the same. */
bool weir__shard_init(struct weir__cache_shard *s, const struct weir__cache_policy *policy,
                      const struct weir__shard_share *share, weir_time now);
/* All entries must have been cleared. */
void weir__shard_fini(struct weir__cache_shard *s);

/* Bytes that the tables of one with such bounds take. */
size_t weir__shard_table_bytes(const struct weir__cache_policy *policy,
                               const struct weir__cache_bounds *bounds);
/* The bounds that an entry meets: no more entries than the bytes could ever hold. */
struct weir__cache_bounds weir__shard_bounds(const struct weir__cache_policy *policy,
                                             const struct weir__shard_share *share);

/* What is there of a key, and not over; without a reference. NULL: nothing. */
struct weir__cache_entry *weir__shard_find(struct weir__cache_shard *s, uint64_t hash, weir_str key,
                                           weir_time now, struct weir__cache_entry **gone);

/*
 * Puts an entry in until `at`, in place of what was there of its key, and adds a reference. False:
 * there is no room for it, though all others went.
 */
bool weir__shard_put(struct weir__cache_shard *s, struct weir__cache_entry *e, weir_time at,
                     struct weir__cache_entry **gone);

/* Takes it out; idempotent. */
void weir__shard_take_out(struct weir__cache_shard *s, struct weir__cache_entry *e,
                          struct weir__cache_entry **gone);

/* One reference less; it has been one of the shard's, or never was. */
void weir__shard_unref(struct weir__cache_shard *s, struct weir__cache_entry *e,
                       struct weir__cache_entry **gone);

/* Takes out what is over, looking at no more than `*looks`, which it counts down. */
void weir__shard_expire(struct weir__cache_shard *s, weir_time now, uint32_t *looks,
                        struct weir__cache_entry **gone);

/* Takes out up to `most`, whichever; how many that were. */
uint32_t weir__shard_clear(struct weir__cache_shard *s, uint32_t most,
                           struct weir__cache_entry **gone);

/* A time to live, shortened by up to a tenth at random. */
weir_dur weir__shard_jitter(struct weir__cache_shard *s, weir_dur ttl);

#endif
