/*
 * A cache of numbers over a policy, for tests and the bench: what a shard does with it, without
 * keys, values and time. Every number from 0 to `keys` has its node; nothing is looked up.
 */
#ifndef WEIR_DATA_CACHE_POLICY_TESTING_H
#define WEIR_DATA_CACHE_POLICY_TESTING_H

#include <stdbool.h>
#include <stdlib.h>

#include "base/random.h"
#include "data/cache/policy.h"

struct weir__policy_cache {
    const struct weir__cache_policy *policy;
    struct weir__cache_bounds bounds;
    void *state;
    struct weir__cache_node *nodes; /* by number */
    bool *is_in;
    uint32_t entries;
    uint64_t bytes;
    uint64_t hits, misses;
};

static inline void weir__policy_cache_init(struct weir__policy_cache *c,
                                           const struct weir__cache_policy *policy, uint32_t keys,
                                           uint32_t entries_max, uint64_t bytes_max)
{
    *c = (struct weir__policy_cache){.policy = policy, .bounds = {entries_max, bytes_max}};
    c->state = calloc(1, policy->state_bytes(&c->bounds));
    c->nodes = calloc(keys, sizeof *c->nodes);
    c->is_in = calloc(keys, sizeof *c->is_in);
    if (c->state == NULL || c->nodes == NULL || c->is_in == NULL)
        abort();
    policy->init(c->state, &c->bounds);
}

static inline void weir__policy_cache_fini(struct weir__policy_cache *c)
{
    free(c->state);
    free(c->nodes);
    free(c->is_in);
}

/* Of a number: the same in each run. */
static inline uint64_t weir__policy_cache_hash(uint32_t key)
{
    struct weir__random r = {key};
    return weir__random_next(&r);
}

static inline void weir__policy_cache_remove(struct weir__policy_cache *c, uint32_t key)
{
    if (!c->is_in[key])
        return;
    c->policy->remove(c->state, &c->nodes[key]);
    c->is_in[key] = false;
    c->entries--;
    c->bytes -= c->nodes[key].bytes;
}

/* Makes room for so much; false: it can never be had. */
static inline bool weir__policy_cache_make_room(struct weir__policy_cache *c, uint32_t bytes)
{
    while (c->entries + 1 > c->bounds.entries_max || c->bytes + bytes > c->bounds.bytes_max) {
        struct weir__cache_node *gone = c->policy->victim(c->state);
        if (gone == NULL)
            return false;
        c->is_in[gone - c->nodes] = false;
        c->entries--;
        c->bytes -= gone->bytes;
    }
    return true;
}

/* Asks for a key; true: it was there. Else it is put in. */
static inline bool weir__policy_cache_ask(struct weir__policy_cache *c, uint32_t key,
                                          uint32_t bytes)
{
    if (c->is_in[key]) {
        c->policy->hit(c->state, &c->nodes[key]);
        c->hits++;
        return true;
    }
    c->misses++;
    if (!weir__policy_cache_make_room(c, bytes))
        return false;
    c->nodes[key].hash = weir__policy_cache_hash(key);
    c->nodes[key].bytes = bytes;
    c->policy->add(c->state, &c->nodes[key]);
    c->is_in[key] = true;
    c->entries++;
    c->bytes += bytes;
    return false;
}

#endif
