/*
 * Which of a shard's entries have to go for others. A policy is pure: it knows entries by a node
 * that each of them embeds, hashes and sizes, and neither keys, values, time nor locks. Who has a
 * shard calls it under the shard's lock.
 *
 * Sizes are charged in bytes, so what is bounded is the sum of them; the number of entries is
 * bounded beside it. The policy is told both bounds and never keeps them: its user asks for victims
 * until there is room.
 */
#ifndef WEIR_DATA_CACHE_POLICY_H
#define WEIR_DATA_CACHE_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/* Embedded in an entry. All but `hash` and `bytes` is the policy's. */
struct weir__cache_node {
    struct weir__list link; /* a queue of the policy's */
    uint64_t hash;          /* of the key */
    uint32_t bytes;         /* what the entry is charged */
    uint8_t uses;           /* since it was put in, as far as the policy counts */
    uint8_t queue;          /* which queue it is on */
};

struct weir__cache_bounds {
    uint32_t entries_max;
    uint64_t bytes_max;
};

struct weir__cache_policy {
    const char *name;
    /* Bytes that its state takes, for so many entries. */
    size_t (*state_bytes)(const struct weir__cache_bounds *bounds);
    /* `state` is zeroed memory of so many bytes, aligned for any object, and freed as it is. */
    void (*init)(void *state, const struct weir__cache_bounds *bounds);
    /* A new entry, which no queue has. */
    void (*add)(void *state, struct weir__cache_node *node);
    /* It was asked for. On the way of each hit: a few stores. */
    void (*hit)(void *state, struct weir__cache_node *node);
    /* It is gone, not for want of room. */
    void (*remove)(void *state, struct weir__cache_node *node);
    /* The one that goes first; it is on no queue any more. NULL: there is none. */
    struct weir__cache_node *(*victim)(void *state);
};

extern const struct weir__cache_policy weir__cache_s3fifo;

#endif
