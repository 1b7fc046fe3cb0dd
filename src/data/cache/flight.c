/*
 * Waiting for another's load. The lock is the shard's, taken inside of it that of the loads: who
 * misses finds the value or the flight in one look, so there is no moment for a second load.
 *
 * The hard thing is the end of who loads: when its request was cancelled that is its own affair,
 * and the first in line loads instead, in its own context. It is made the one that loads before it
 * is woken; it may have been cancelled itself by the time that it runs, and then hands on in turn.
 */
#include "data/cache/flight.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "rt/deadlock.h"
#include "rt/worker.h"

static struct weir__list *chain_of(struct weir__cache_shard *s, uint64_t hash)
{
    return &s->flights[(hash >> 40) % WEIR__SHARD_FLIGHT_CHAINS];
}

struct weir__cache_flight *weir__flight_new(struct weir_cache *cache,
                                            struct weir__cache_shard *shard, uint64_t hash,
                                            weir_str key)
{
    struct weir__cache_flight *f = weir__malloc(sizeof *f + key.len);
    if (f == NULL)
        return NULL;
    *f = (struct weir__cache_flight){.cache = cache,
                                     .shard = shard,
                                     .refs = 1,
                                     .err = WEIR_EPANIC,
                                     .hash = hash,
                                     .key_len = (uint32_t)key.len};
    weir__list_init(&f->in_shard);
    weir__list_init(&f->waiters);
    memcpy(f->key, key.ptr, key.len);
    return f;
}

struct weir__cache_flight *weir__flight_find(struct weir__cache_shard *s, uint64_t hash,
                                             weir_str key)
{
    WEIR_LIST_EACH(node, chain_of(s, hash)) {
        struct weir__cache_flight *f = WEIR_CONTAINER(node, struct weir__cache_flight, in_shard);
        if (f->hash == hash && f->key_len == key.len && memcmp(f->key, key.ptr, key.len) == 0)
            return f;
    }
    return NULL;
}

void weir__flight_begin(struct weir__cache_flight *f)
{
    weir__list_push_back(chain_of(f->shard, f->hash), &f->in_shard);
    weir__loading_begin(&f->loading, weir__fiber_self());
}

void weir__flight_go_stale(struct weir__cache_flight *f)
{
    WEIR_ASSERT(!f->is_over, "F1: what is over is in no chain");
    weir__list_remove(&f->in_shard);
    f->is_stale = true;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static bool abandon(struct weir__wait *wait)
{
    struct weir__flight_waiter *w = WEIR_CONTAINER(wait, struct weir__flight_waiter, wait);
    struct weir__cache_flight *f = w->flight;
    weir__lock_take(&f->shard->lock);
    bool is_mine = w->is_queued;
    if (is_mine) {
        w->is_queued = false;
        weir__list_remove(&wait->in_object);
        f->waiting--;
    }
    weir__lock_give(&f->shard->lock);
    return is_mine;
}

/* Who loads is of the tree. */
static bool is_stuck(const struct weir__wait *wait, const struct weir__ctx *top)
{
    const struct weir__flight_waiter *w =
        WEIR_CONTAINER(wait, const struct weir__flight_waiter, wait);
    struct weir__cache_flight *f = w->flight;
    weir__lock_take(&f->shard->lock);
    const struct weir__fiber *loader = weir__loading_fiber(&f->loading);
    bool is_own = w->is_queued && loader != NULL && weir__deadlock_is_in(loader, top);
    weir__lock_give(&f->shard->lock);
    return is_own;
}

static void describe(const struct weir__wait *wait, weir_buf *out)
{
    const struct weir__cache_flight *f =
        WEIR_CONTAINER(wait, const struct weir__flight_waiter, wait)->flight;
    int len = f->key_len < 64 ? (int)f->key_len : 64;
    weir_buf_printf(out, "of cache %s, key %.*s", f->cache->name, len, f->key);
}

static const weir_site *made(const struct weir__wait *wait)
{
    return WEIR_CONTAINER(wait, const struct weir__flight_waiter, wait)->flight->cache->owned.site;
}

static const struct weir__wait_type wait_type = {
    .name = "load", .abandon = abandon, .describe = describe, .is_stuck = is_stuck, .made = made};

weir_err weir__flight_join(struct weir__cache_flight *f, struct weir__flight_waiter *w,
                           struct weir__ctx *c, const weir_site *site)
{
    WEIR_ASSERT(!f->is_over, "F1: what is over is not joined");
    if (f->waiting >= f->cache->o.waiters_max || weir__is_refused("waiters of a load"))
        return WEIR_ELIMIT;
    if (!weir__loading_await(&f->loading, weir__fiber_self()))
        return -EDEADLK;
    weir__wait_init(&w->wait, &wait_type, c, site, f);
    w->flight = f;
    w->is_queued = true;
    w->is_heir = false;
    weir__list_push_back(&f->waiters, &w->wait.in_object);
    f->waiting++;
    f->refs++;
    return WEIR_OK;
}

weir_err weir__flight_wait(struct weir__flight_waiter *w)
{
    weir_err err = weir__park(&w->wait, weir_never());
    WEIR_ASSERT(!w->is_queued, "F2: who waits is taken off before it goes on");
    if (!w->is_heir)
        weir__loading_go_on(weir__fiber_self());
    return err;
}

void weir__flight_wake(struct weir__flight_waiter *first)
{
    while (first != NULL) {
        struct weir__flight_waiter *w = first;
        first = w->next; /* not after the wake: its stack may be gone then */
        weir__wake(&w->wait, WEIR_OK);
    }
}

/* --- ending ----------------------------------------------------------------------------------- */

static struct weir__flight_waiter *pop(struct weir__cache_flight *f)
{
    struct weir__list *node = weir__list_pop_front(&f->waiters);
    if (node == NULL)
        return NULL;
    struct weir__wait *wait = WEIR_CONTAINER(node, struct weir__wait, in_object);
    struct weir__flight_waiter *w = WEIR_CONTAINER(wait, struct weir__flight_waiter, wait);
    WEIR_ASSERT(w->is_queued && f->waiting > 0, "F2: who is in line waits");
    w->is_queued = false;
    w->next = NULL;
    f->waiting--;
    return w;
}

struct weir__flight_waiter *weir__flight_hand_on(struct weir__cache_flight *f)
{
    struct weir__flight_waiter *heir = pop(f);
    if (heir == NULL)
        return NULL;
    heir->is_heir = true;
    weir__loading_end(&f->loading);
    weir__loading_begin(&f->loading, heir->wait.fiber);
    return heir;
}

struct weir__flight_waiter *weir__flight_end(struct weir__cache_flight *f)
{
    struct weir__flight_waiter *first = NULL, **end = &first;
    WEIR_ASSERT(!f->is_over, "F2: a load ends once");
    f->is_over = true;
    weir__list_remove(&f->in_shard);
    weir__loading_end(&f->loading);
    for (struct weir__flight_waiter *w; (w = pop(f)) != NULL; end = &w->next)
        *end = w;
    return first;
}

bool weir__flight_unref(struct weir__cache_flight *f, struct weir__cache_entry **gone)
{
    WEIR_ASSERT(f->refs > 0, "F3: who gives a reference back has it");
    if (--f->refs > 0)
        return false;
    WEIR_ASSERT(f->is_over, "F2: a load ends before it is forgotten");
    if (f->entry != NULL)
        weir__shard_unref(f->shard, f->entry, gone);
    return true;
}

void weir__flight_free(struct weir__cache_flight *f)
{
    WEIR_ASSERT(weir__list_empty(&f->waiters), "F3: who waits has a reference");
    weir__free(f);
}
