/*
 * Making a cache, and all that is done with it but asking. It is cut into shards, so that workers
 * rarely meet: several for each worker, but none with so small a share of the bounds that the
 * policy could do nothing with it.
 *
 * Every way to write forgets the load that is under way for the key (weir__flight_go_stale): what
 * it read may be older than what was written. Those who wait for it asked before the write was
 * told, and get what it brings.
 *
 * C1: a cache's bounds are the sum of its shards', and its tables are counted in them.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/bounds.h"
#include "base/given.h"
#include "base/map.h"
#include "data/cache/flight.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/sized.h"

#define MS INT64_C(1000000)
#define SEC (1000 * MS)
#define DAY (86400 * SEC)
#define KIB INT64_C(1024)
#define TIB (INT64_C(1) << 40)

enum {
    SHARDS_PER_WORKER = 8,
    SHARD_ENTRIES_MIN = 256,
    SHARD_BYTES_MIN = 1 << 20,
    CLEARED_LOCKED_MAX = 512 /* entries at a time, so that nobody spins for long */
};

/* --- options ---------------------------------------------------------------------------------- */

static void settle_name(struct weir__bounds *b, const char *name)
{
    size_t len = name != NULL ? strlen(name) : 0;
    if (len >= 1 && len <= WEIR__CACHE_NAME_MAX)
        return;
    weir__bounds_line(b);
    weir_buf_printf(b->out, "there is no .name of 1 to %d bytes", WEIR__CACHE_NAME_MAX);
}

static weir_err settle(weir_cache_options *o, weir_buf *mistakes)
{
    struct weir__bounds b = {
        .kind = "cache", .name = o->name != NULL ? o->name : "(no name)", .out = mistakes};
    settle_name(&b, o->name);
    weir__bounds_count(&b, "entries_max", &o->entries_max, 0, 1, 100000000);
    weir__bounds_large(&b, "bytes_max", &o->bytes_max, 0, 16 * KIB, TIB);
    weir__bounds_dur(&b, "ttl", &o->ttl, 0, MS, 30 * DAY);
    int64_t missing = o->ttl.ns / 10 < 30 * SEC ? o->ttl.ns / 10 : 30 * SEC;
    weir__bounds_dur(&b, "ttl_missing", &o->ttl_missing, missing > MS ? missing : MS, MS, 30 * DAY);
    weir__bounds_count(&b, "waiters_max", &o->waiters_max, 10000, 1, 1000000);
    weir__bounds_count(&b, "guard_keys", &o->guard_keys, 0, 0, 1000000000);
    weir__bounds_dur(&b, "pin_threshold", &o->pin_threshold, 30 * SEC, 10 * MS, DAY);
    if (weir__bloom_bytes(o->guard_keys) > o->bytes_max / 2 && !b.is_bad) {
        weir__bounds_line(&b);
        weir_buf_printf(mistakes, "guard_keys takes %zu bytes; allowed: half of bytes_max",
                        weir__bloom_bytes(o->guard_keys));
    }
    return b.is_bad ? WEIR_EINVALID : WEIR_OK;
}

/* --- making ----------------------------------------------------------------------------------- */

static uint32_t shard_count(const weir_cache_options *o, uint64_t bytes_max, uint64_t workers)
{
    uint64_t n = 1;
    while (n < workers * SHARDS_PER_WORKER && n < WEIR__CACHE_SHARDS_MAX &&
           o->entries_max / (n * 2) >= SHARD_ENTRIES_MIN && bytes_max / (n * 2) >= SHARD_BYTES_MIN)
        n *= 2;
    return (uint32_t)n;
}

/* Of the whole; the first ones have what cannot be divided. */
static struct weir__shard_share share_of(const weir_cache_options *o, uint64_t bytes_max,
                                         uint32_t count, uint32_t index)
{
    weir_dur longest = o->ttl.ns > o->ttl_missing.ns ? o->ttl : o->ttl_missing;
    return (struct weir__shard_share){.entries_max =
                                          o->entries_max / count + (index < o->entries_max % count),
                                      .bytes_max = bytes_max / count,
                                      .longest = longest,
                                      .seed = (uint64_t)weir__self->now.ns + index};
}

static weir_err make_shards(struct weir_cache *cache, uint64_t bytes_max)
{
    uint32_t count = shard_count(&cache->o, bytes_max, cache->worker_count);
    cache->shards = weir__memalign(64, count * sizeof cache->shards[0]);
    if (cache->shards == NULL)
        return -ENOMEM;
    memset(cache->shards, 0, count * sizeof cache->shards[0]);
    cache->shard_mask = count - 1;
    for (uint32_t i = 0; i < count; i++) {
        struct weir__shard_share share = share_of(&cache->o, bytes_max, count, i);
        if (!weir__shard_init(&cache->shards[i], &weir__cache_s3fifo, &share, weir__self->now))
            return -ENOMEM;
    }
    return WEIR_OK;
}

static void free_parts(struct weir_cache *cache)
{
    for (uint32_t i = 0; cache->shards != NULL && i <= cache->shard_mask; i++)
        weir__shard_fini(&cache->shards[i]);
    weir__free(cache->shards);
    weir__free(cache->guard_words);
    weir__free(cache->sweepers);
    weir__second_free(cache->second);
    cache->shards = NULL;
    cache->guard_words = NULL;
    cache->sweepers = NULL;
    cache->second = NULL;
}

static weir_err make_parts(struct weir_cache *cache)
{
    size_t guard_bytes = weir__bloom_bytes(cache->o.guard_keys);
    if (guard_bytes > 0) {
        cache->guard_words = weir__memalign(64, guard_bytes);
        if (cache->guard_words == NULL)
            return -ENOMEM;
        weir__bloom_init(&cache->guard, cache->guard_words, cache->o.guard_keys);
        weir__bloom_clear(&cache->guard);
    }
    cache->sweepers = weir__calloc(cache->worker_count, sizeof cache->sweepers[0]);
    if (cache->sweepers == NULL)
        return -ENOMEM;
    weir__cache_sweepers_init(cache);
    return make_shards(cache, cache->o.bytes_max - guard_bytes);
}

static void release_cache(struct weir__owned *o)
{
    struct weir_cache *cache = WEIR_CONTAINER(o, struct weir_cache, owned);
    weir__cache_delist(cache);
    weir__cache_forget_all(cache);
    cache->err = WEIR_ECLOSED;
    free_parts(cache);
}

static const struct weir__owned_type cache_type = {.name = "cache", .release = release_cache};

static weir_err make(struct weir_cache *cache, struct weir__ctx *c, const weir_site *site)
{
    char bytes[1500];
    weir_buf mistakes;
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    if (settle(&cache->o, &mistakes) != WEIR_OK) {
        weir_str s = weir_buf_str(&mistakes);
        return weir_raise_at(site, weir__ctx_handle(c), WEIR_EINVALID, 0, WEIR_STR_FMT,
                             WEIR_STR_ARG(s));
    }
    memcpy(cache->name, cache->o.name, strlen(cache->o.name));
    cache->o.name = cache->name;
    cache->worker_count = weir__self->runtime->worker_count;
    weir_err err = make_parts(cache);
    if (err != WEIR_OK) {
        free_parts(cache);
        return err;
    }
    weir__own(c, &cache->owned, &cache_type, site);
    weir__cache_enlist(cache);
    return WEIR_OK;
}

static struct weir_cache no_memory = {
    .token = WEIR__TOKEN_STATIC(WEIR__KIND_CACHE), .err = -ENOMEM, .name = "(no memory)"};

weir_cache *weir_cache_new_at(const weir_site *site, weir_ctx *handle,
                              const weir_cache_options *options)
{
    static const char function[] = "weir_cache_new";
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_cache_options room;
    struct weir__ctx *c = weir__ctx_of_at(handle, function);
    options = weir__options(options, &room, sizeof room, function);
    if (!weir__ctx_is_shared(c))
        weir__misuse(function, "a cache of a request would be empty for each: make it in the "
                               "application's context, at its start");
    struct weir_cache *cache = weir__ctx_object(c, sizeof *cache);
    if (cache == NULL)
        return &no_memory;
    weir__token_open(&cache->token, c, WEIR__KIND_CACHE);
    cache->o = *options;
    cache->err = make(cache, c, site);
    return weir__token_handle(&cache->token);
}

weir_err weir_cache_err(const weir_cache *cache)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return weir__cache_of(cache, __func__)->err;
}

/* --- what every use looks at ------------------------------------------------------------------ */

weir_err weir__cache_check_key(const struct weir_cache *cache, weir_str *key)
{
    if (WEIR_UNLIKELY(cache->err != WEIR_OK))
        return cache->err;
    if (WEIR_UNLIKELY(key->ptr == NULL))
        *key = WEIR_S("");
    return WEIR_LIKELY(key->len <= WEIR_CACHE_KEY_MAX) ? WEIR_OK : WEIR_ETOOLARGE;
}

/* Two files that include a header with a model have one each. */
static bool is_same_model(const weir_model *a, const weir_model *b)
{
    return a == b || (a->file != NULL && b->file != NULL && a->line == b->line &&
                      a->size == b->size && a->field_count == b->field_count &&
                      strcmp(a->file, b->file) == 0 && strcmp(a->name, b->name) == 0);
}

bool weir__cache_is_of_slow(struct weir_cache *cache, const weir_model *model, const char *function)
{
    if (!weir__image_prepare(model))
        return false;
    const weir_model *is = NULL;
    if (atomic_load_explicit(&cache->model, memory_order_acquire) == NULL) {
        atomic_store_explicit(&cache->is_flat, weir__image_is_flat(model), memory_order_relaxed);
        atomic_store_explicit(&cache->version, weir__image_version(model), memory_order_relaxed);
    }
    if (atomic_compare_exchange_strong(&cache->model, &is, model) || is_same_model(is, model))
        return true;
    weir__misuse(function,
                 "the values of cache %s are of model %s, not of %s: make a cache for "
                 "each type",
                 cache->name, is->name, model->name);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Under the shard's lock: what is known of a key, and will be, is of no use any more. */
static void forget(struct weir__cache_shard *s, uint64_t hash, weir_str key,
                   struct weir__cache_entry **gone)
{
    struct weir__cache_flight *f = weir__flight_find(s, hash, key);
    struct weir__cache_entry *e = weir__shard_find(s, hash, key, weir__self->now, gone);
    if (f != NULL)
        weir__flight_go_stale(f);
    if (e != NULL)
        weir__shard_take_out(s, e, gone);
}

void weir__cache_forget(struct weir_cache *cache, weir_str key)
{
    uint64_t hash = weir__str_hash(key);
    struct weir__cache_shard *s = weir__cache_shard_of(cache, hash);
    struct weir__cache_entry *gone = NULL;
    weir__lock_take(&s->lock);
    forget(s, hash, key, &gone);
    weir__lock_give(&s->lock);
    weir__entries_free(gone);
}

/* Some entries of a shard, and all of its flights; how many entries. */
static uint32_t forget_some(struct weir__cache_shard *s)
{
    struct weir__cache_entry *gone = NULL;
    weir__lock_take(&s->lock);
    for (int i = 0; i < WEIR__SHARD_FLIGHT_CHAINS; i++) {
        WEIR_LIST_EACH(node, &s->flights[i])
            weir__flight_go_stale(WEIR_CONTAINER(node, struct weir__cache_flight, in_shard));
    }
    uint32_t n = weir__shard_clear(s, CLEARED_LOCKED_MAX, &gone);
    weir__lock_give(&s->lock);
    weir__entries_free(gone);
    return n;
}

/* As many as there are now; others go on putting in meanwhile. */
static void forget_shard(struct weir__cache_shard *s)
{
    int64_t left = weir__gauge_read(&s->n.entries);
    uint32_t n;
    do {
        n = forget_some(s);
        left -= n;
    } while (n == CLEARED_LOCKED_MAX && left > 0);
}

void weir__cache_forget_all(struct weir_cache *cache)
{
    for (uint32_t i = 0; cache->err == WEIR_OK && i <= cache->shard_mask; i++)
        forget_shard(&cache->shards[i]);
}

/* Puts an entry in, whose reference it takes over, for `most` at the most. False: there was no room
 * for it. */
static bool put(struct weir_cache *cache, struct weir__cache_shard *s, struct weir__cache_entry *e,
                weir_str key, weir_dur most)
{
    struct weir__cache_entry *gone = NULL;
    weir__lock_take(&s->lock);
    forget(s, e->node.hash, key, &gone);
    weir_dur ttl = weir__shard_jitter(s, cache->o.ttl);
    weir_time at = weir_time_add(weir__self->now, ttl.ns < most.ns ? ttl : most);
    bool is_kept = most.ns == 0 || weir__shard_put(s, e, at, &gone);
    weir__shard_unref(s, e, &gone);
    weir__lock_give(&s->lock);
    weir__entries_free(gone);
    return is_kept;
}

/* While the second level was written, others may have read there what it was before. */
static void forget_read_meanwhile(struct weir_cache *cache, weir_str key)
{
    if (cache->second != NULL)
        weir__cache_forget(cache, key);
}

weir_err weir_cache_put_at(weir_ctx *c, weir_cache *handle, weir_str key, const weir_model *model,
                           const void *value)
{
    static const char function[] = "weir_cache_put";
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to(function, model, "the model");
    weir__given_to(function, value, "the value");
    struct weir__ctx *ctx = weir__ctx_of_at(c, function);
    struct weir_cache *cache = weir__cache_of(handle, function);
    weir_err err = weir__cache_check_key(cache, &key);
    if (err != WEIR_OK)
        return weir__wait_refused(err);
    if (!weir__cache_is_of(cache, model, function))
        return -ENOMEM;
    uint64_t hash = weir__str_hash(key);
    struct weir__cache_shard *s = weir__cache_shard_of(cache, hash);
    struct weir__cache_entry *e = NULL;
    if (cache->guard.blocks > 0)
        weir__bloom_tell(&cache->guard, hash);
    weir_dur most = weir__second_may_keep(cache, false);
    err = weir__entry_new(key, hash, model, value, s->bounds.bytes_max, &e);
    if (err == WEIR_OK && !put(cache, s, e, key, most))
        err = WEIR_ETOOLARGE;
    if (e == NULL)
        weir__cache_forget(cache, key);
    if (err == WEIR_OK)
        weir__cache_sweep(cache);
    weir_err told = weir__second_write(cache, ctx, key, model, value);
    if (err != WEIR_OK || most.ns == 0)
        forget_read_meanwhile(cache, key);
    return err != WEIR_OK ? err : told;
}

weir_err weir_cache_remove(weir_ctx *c, weir_cache *handle, weir_str key)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of(c);
    struct weir_cache *cache = weir__cache_of(handle, __func__);
    weir_err err = weir__cache_check_key(cache, &key);
    if (err != WEIR_OK)
        return weir__wait_refused(err);
    weir__cache_forget(cache, key);
    err = weir__second_write(cache, ctx, key, NULL, NULL);
    forget_read_meanwhile(cache, key);
    return err;
}

void weir_cache_clear(weir_ctx *c, weir_cache *handle)
{
    WEIR__FIBERS_ONLY();
    (void)weir__ctx_of(c);
    struct weir_cache *cache = weir__cache_of(handle, __func__);
    atomic_store(&cache->is_guarded, false);
    if (cache->err == WEIR_OK && cache->guard.blocks > 0)
        weir__bloom_clear(&cache->guard);
    weir__cache_forget_all(cache);
}

/* --- the guard -------------------------------------------------------------------------------- */

/* NULL: it could not be made. */
static struct weir_cache *guarded(weir_ctx *c, weir_cache *handle, const char *function)
{
    (void)weir__ctx_of_at(c, function);
    struct weir_cache *cache = weir__cache_of(handle, function);
    if (cache->err == WEIR_OK && cache->guard.blocks == 0)
        weir__misuse(function, "cache %s has no guard: give .guard_keys", cache->name);
    return cache->err == WEIR_OK ? cache : NULL;
}

void weir_cache_guard_add(weir_ctx *c, weir_cache *handle, weir_str key)
{
    WEIR__FIBERS_ONLY();
    struct weir_cache *cache = guarded(c, handle, __func__);
    if (cache != NULL && weir__cache_check_key(cache, &key) == WEIR_OK)
        weir__bloom_tell(&cache->guard, weir__str_hash(key));
}

void weir_cache_guard_ready(weir_ctx *c, weir_cache *handle)
{
    WEIR__FIBERS_ONLY();
    struct weir_cache *cache = guarded(c, handle, __func__);
    if (cache != NULL)
        atomic_store_explicit(&cache->is_guarded, true, memory_order_release);
}
