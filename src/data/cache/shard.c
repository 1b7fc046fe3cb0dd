/*
 * The inside of a shard: a table of chains that finds entries, the policy that says which goes, the
 * ring that says when. All of its tables are made with it, for as many entries as its bounds allow;
 * so nothing grows under the lock, and its bytes are known.
 *
 * H1: an entry that is in is in its bucket's chain, on a queue of the policy's and in the ring.
 * H2: `entries` and `bytes` stay within the bounds; bytes are those of what is in, and of what was
 *     and is still referred to.
 * H3: an entry is freed when its last reference goes.
 */
#include "data/cache/shard.h"

#include "base/alloc.h"
#include "base/assert.h"

/* The least that an entry takes: a bound of so many bytes each is of no use beyond that. */
#define ENTRY_BYTES_MIN (sizeof(struct weir__cache_entry) + 32)

static uint32_t bucket_count(uint32_t entries)
{
    uint32_t n = 8;
    while (n < entries && n < UINT32_C(1) << 31)
        n *= 2;
    return n;
}

size_t weir__shard_table_bytes(const struct weir__cache_policy *policy,
                               const struct weir__cache_bounds *bounds)
{
    return sizeof(struct weir__cache_shard) + policy->state_bytes(bounds) +
           bucket_count(bounds->entries_max) * sizeof(void *);
}

struct weir__cache_bounds weir__shard_bounds(const struct weir__cache_policy *policy,
                                             const struct weir__shard_share *share)
{
    uint64_t most = share->bytes_max / ENTRY_BYTES_MIN;
    struct weir__cache_bounds b = {.entries_max = share->entries_max};
    if (b.entries_max > most)
        b.entries_max = most > 0 ? (uint32_t)most : 1;
    size_t tables = weir__shard_table_bytes(policy, &b);
    b.bytes_max = share->bytes_max > tables ? share->bytes_max - tables : 0;
    return b;
}

bool weir__shard_init(struct weir__cache_shard *s, const struct weir__cache_policy *policy,
                      const struct weir__shard_share *share, weir_time now)
{
    weir__lock_init(&s->lock);
    s->policy = policy;
    s->bounds = weir__shard_bounds(policy, share);
    s->random.state = share->seed;
    s->bucket_mask = bucket_count(s->bounds.entries_max) - 1;
    weir__expiry_init(&s->expiry, share->longest, now);
    for (int i = 0; i < WEIR__SHARD_FLIGHT_CHAINS; i++)
        weir__list_init(&s->flights[i]);
    s->buckets = weir__calloc(s->bucket_mask + (size_t)1, sizeof(void *));
    s->policy_state = weir__calloc(1, policy->state_bytes(&s->bounds));
    if (s->buckets == NULL || s->policy_state == NULL)
        return false;
    policy->init(s->policy_state, &s->bounds);
    return true;
}

void weir__shard_fini(struct weir__cache_shard *s)
{
    WEIR_ASSERT(s->entries == 0 && s->bytes == 0, "H2: a shard ends when it is empty");
    weir__free(s->buckets);
    weir__free(s->policy_state);
    s->buckets = NULL;
    s->policy_state = NULL;
}

/* --- references and bytes --------------------------------------------------------------------- */

static void charge(struct weir__cache_shard *s, const struct weir__cache_entry *e, int64_t sign)
{
    s->bytes = (uint64_t)((int64_t)s->bytes + sign * e->node.bytes);
    weir__gauge_set(&s->n.bytes, (int64_t)s->bytes);
}

void weir__shard_unref(struct weir__cache_shard *s, struct weir__cache_entry *e,
                       struct weir__cache_entry **gone)
{
    WEIR_ASSERT(e->refs > 0, "H3: who gives a reference back has it");
    if (--e->refs > 0)
        return;
    WEIR_ASSERT(!e->is_in, "H3: what is in has the shard's reference");
    if (e->is_charged) {
        charge(s, e, -1);
        weir__gauge_add(&s->n.pinned_bytes, -(int64_t)e->node.bytes);
    }
    e->is_charged = false;
    e->next = *gone;
    *gone = e;
}

/* It cannot be found any more, and no queue has it. */
static void let_go(struct weir__cache_shard *s, struct weir__cache_entry *e,
                   struct weir__cache_entry **gone)
{
    struct weir__cache_entry **at = &s->buckets[e->node.hash & s->bucket_mask];
    WEIR_ASSERT(e->is_in && s->entries > 0, "H1: what is let go was in");
    while (*at != e) {
        WEIR_ASSERT(*at != NULL, "H1: what is in is in its bucket's chain");
        at = &(*at)->next;
    }
    *at = e->next;
    weir__expiry_remove(&e->expiring);
    e->is_in = false;
    s->entries--;
    weir__gauge_add(&s->n.entries, -1);
    weir__gauge_add(&s->n.missing, -(int64_t)e->is_missing);
    weir__gauge_add(&s->n.pinned_bytes, e->node.bytes);
    weir__shard_unref(s, e, gone);
}

void weir__shard_take_out(struct weir__cache_shard *s, struct weir__cache_entry *e,
                          struct weir__cache_entry **gone)
{
    if (!e->is_in)
        return;
    s->policy->remove(s->policy_state, &e->node);
    let_go(s, e, gone);
}

/* --- finding and putting ---------------------------------------------------------------------- */

static struct weir__cache_entry *look_up(const struct weir__cache_shard *s, uint64_t hash,
                                         weir_str key)
{
    struct weir__cache_entry *e = s->buckets[hash & s->bucket_mask];
    while (e != NULL && !weir__entry_has_key(e, hash, key))
        e = e->next;
    return e;
}

struct weir__cache_entry *weir__shard_find(struct weir__cache_shard *s, uint64_t hash, weir_str key,
                                           weir_time now, struct weir__cache_entry **gone)
{
    struct weir__cache_entry *e = look_up(s, hash, key);
    if (WEIR_UNLIKELY(e == NULL))
        return NULL;
    if (WEIR_UNLIKELY(e->expiring.at.ns <= now.ns)) {
        weir__counter_add(&s->n.expired, 1);
        weir__shard_take_out(s, e, gone);
        return NULL;
    }
    s->policy->hit(s->policy_state, &e->node);
    return e;
}

static bool make_room(struct weir__cache_shard *s, uint32_t bytes, struct weir__cache_entry **gone)
{
    /* What was let go and is still used cannot be had: then nothing else has to go in vain. */
    if (bytes + (uint64_t)weir__gauge_read(&s->n.pinned_bytes) > s->bounds.bytes_max)
        return false;
    while (s->entries >= s->bounds.entries_max || s->bytes + bytes > s->bounds.bytes_max) {
        struct weir__cache_node *node = s->policy->victim(s->policy_state);
        if (node == NULL)
            return false;
        weir__counter_add(&s->n.evicted, 1);
        let_go(s, WEIR_CONTAINER(node, struct weir__cache_entry, node), gone);
    }
    return true;
}

bool weir__shard_put(struct weir__cache_shard *s, struct weir__cache_entry *e, weir_time at,
                     struct weir__cache_entry **gone)
{
    weir_str key = {weir__entry_key(e), e->key_len};
    struct weir__cache_entry *old = look_up(s, e->node.hash, key);
    if (old != NULL)
        weir__shard_take_out(s, old, gone);
    if (!make_room(s, e->node.bytes, gone)) {
        weir__counter_add(&s->n.not_kept, 1);
        return false;
    }
    struct weir__cache_entry **bucket = &s->buckets[e->node.hash & s->bucket_mask];
    e->next = *bucket;
    *bucket = e;
    e->is_in = e->is_charged = true;
    e->refs++;
    e->expiring.at = at;
    weir__expiry_add(&s->expiry, &e->expiring);
    s->policy->add(s->policy_state, &e->node);
    s->entries++;
    charge(s, e, 1);
    weir__gauge_add(&s->n.entries, 1);
    weir__gauge_add(&s->n.missing, e->is_missing);
    WEIR_ASSERT(s->entries <= s->bounds.entries_max && s->bytes <= s->bounds.bytes_max,
                "H2: the bounds hold");
    return true;
}

/* --- time ------------------------------------------------------------------------------------- */

void weir__shard_expire(struct weir__cache_shard *s, weir_time now, uint32_t *looks,
                        struct weir__cache_entry **gone)
{
    struct weir__expiring *x;
    while ((x = weir__expiry_due(&s->expiry, now, looks)) != NULL) {
        weir__counter_add(&s->n.expired, 1);
        weir__shard_take_out(s, WEIR_CONTAINER(x, struct weir__cache_entry, expiring), gone);
    }
}

uint32_t weir__shard_clear(struct weir__cache_shard *s, uint32_t most,
                           struct weir__cache_entry **gone)
{
    struct weir__cache_node *node;
    uint32_t n = 0;
    for (; n < most && (node = s->policy->victim(s->policy_state)) != NULL; n++)
        let_go(s, WEIR_CONTAINER(node, struct weir__cache_entry, node), gone);
    WEIR_ASSERT(n == most || s->entries == 0, "H1: a policy has all that is in");
    return n;
}

weir_dur weir__shard_jitter(struct weir__cache_shard *s, weir_dur ttl)
{
    return weir_ns(ttl.ns - (int64_t)weir__random_upto(&s->random, (uint64_t)ttl.ns / 10));
}
