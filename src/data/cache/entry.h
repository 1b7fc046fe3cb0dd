/*
 * What a cache keeps of a key: one allocation with the key and the value's image behind it. Nothing
 * in it changes once it is in a shard, but what the shard's lock guards.
 */
#ifndef WEIR_DATA_CACHE_ENTRY_H
#define WEIR_DATA_CACHE_ENTRY_H

#include <string.h>

#include "data/cache/expiry.h"
#include "data/cache/image.h"
#include "data/cache/policy.h"
#include <weir/str.h>

struct weir__cache_entry {
    struct weir__cache_node node;
    struct weir__expiring expiring;
    struct weir__cache_entry *next; /* in its bucket; of those that are to be freed */
    uint32_t refs;                  /* the shard, pins, who copies, a load; under the lock */
    uint32_t key_len;
    uint32_t tail_bytes;
    bool is_missing; /* it says that there is none: no image */
    bool is_in;      /* it can be found */
    bool is_charged; /* its bytes are among the shard's */
};

static inline const char *weir__entry_key(const struct weir__cache_entry *e)
{
    return (const char *)(e + 1);
}

static inline size_t weir__entry_image_at(uint32_t key_len)
{
    return (sizeof(struct weir__cache_entry) + key_len + 15) & ~(size_t)15;
}

static inline void *weir__entry_image(const struct weir__cache_entry *e)
{
    return (char *)e + weir__entry_image_at(e->key_len);
}

static inline bool weir__entry_has_key(const struct weir__cache_entry *e, uint64_t hash,
                                       weir_str key)
{
    return e->node.hash == hash && e->key_len == key.len &&
           memcmp(weir__entry_key(e), key.ptr, key.len) == 0;
}

/*
 * Makes the entry of a key, with one reference, the caller's; `value` NULL: there is none.
 * WEIR_ETOOLARGE: over `most` bytes; -ENOMEM.
 */
WEIR_MUST_USE weir_err weir__entry_new(weir_str key, uint64_t hash, const weir_model *model,
                                       const void *value, size_t most,
                                       struct weir__cache_entry **out);

/* Frees a chain of those that nobody has. */
void weir__entries_free(struct weir__cache_entry *first);

#endif
