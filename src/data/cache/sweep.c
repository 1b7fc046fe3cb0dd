/*
 * Giving back what is over, asked or not. The worker that puts an entry into a cache which nobody
 * sweeps arms a timer of its own, and sweeps until the cache is empty; so an idle process has none.
 * A turn of it looks at a bounded number of entries, and goes on a moment later.
 *
 * W1: at most one sweeper of a cache is armed, and it is while there are entries, but for a moment.
 */
#include "base/assert.h"
#include "data/cache/cache.h"
#include "rt/worker.h"

enum { LOOKS_MAX = 512, AGAIN_MS = 1 };

static void release_sweeper(struct weir__owned *o)
{
    struct weir__cache_sweeper *w = WEIR_CONTAINER(o, struct weir__cache_sweeper, owned);
    if (!weir__timer_armed(&w->timer))
        return;
    weir__timer_disarm(&w->timer);
    atomic_store(&w->cache->is_swept, false);
}

static const struct weir__owned_type sweeper_type = {.name = "sweeper", .release = release_sweeper};

/* Sweeps a shard; what it still has. */
static uint32_t sweep_shard(struct weir__cache_shard *s, weir_time now, uint32_t *looks)
{
    struct weir__cache_entry *gone = NULL;
    weir__lock_take(&s->lock);
    weir__shard_expire(s, now, looks, &gone);
    uint32_t left = s->entries;
    weir__lock_give(&s->lock);
    weir__entries_free(gone);
    return left;
}

static bool is_empty(const struct weir_cache *cache)
{
    for (uint32_t i = 0; i <= cache->shard_mask; i++) {
        if (weir__gauge_read(&cache->shards[i].n.entries) != 0)
            return false;
    }
    return true;
}

static void on_timer(struct weir__timer *t)
{
    struct weir__cache_sweeper *w = WEIR_CONTAINER(t, struct weir__cache_sweeper, timer);
    struct weir_cache *cache = w->cache;
    weir_time now = weir__self->now;
    uint32_t looks = LOOKS_MAX;
    uint64_t left = 0;
    for (uint32_t i = 0; i <= cache->shard_mask; i++)
        left += sweep_shard(&cache->shards[i], now, &looks);
    if (left == 0) {
        atomic_store(&cache->is_swept, false);
        /* Who has put something in meanwhile may have found it swept. */
        if (is_empty(cache) || atomic_exchange(&cache->is_swept, true))
            return;
    }
    weir_dur pause = weir_ns(cache->shards[0].expiry.step_ns);
    weir__timer_arm(&weir__self->wheel, t,
                    weir_time_add(now, looks > 0 ? pause : weir_ms(AGAIN_MS)));
}

void weir__cache_sweepers_init(struct weir_cache *cache)
{
    for (uint32_t i = 0; i < cache->worker_count; i++) {
        cache->sweepers[i].cache = cache;
        weir__timer_init(&cache->sweepers[i].timer, on_timer);
    }
}

void weir__cache_sweep(struct weir_cache *cache)
{
    if (WEIR_LIKELY(atomic_load_explicit(&cache->is_swept, memory_order_seq_cst)))
        return;
    struct weir__ctx *root = weir__self->root;
    struct weir__cache_sweeper *w = &cache->sweepers[weir__self->index];
    WEIR_ASSERT(weir__self->index < cache->worker_count, "W1: each worker has a sweeper");
    if (root->is_closing || atomic_exchange(&cache->is_swept, true))
        return;
    if (!weir__is_owned(&w->owned))
        weir__own(root, &w->owned, &sweeper_type, cache->owned.site);
    weir__timer_arm(&weir__self->wheel, &w->timer,
                    weir_time_add(weir__self->now, weir_ns(cache->shards[0].expiry.step_ns)));
}
