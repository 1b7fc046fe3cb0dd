/*
 * Asking the second level. Each call has a context of its own with a time-out, so what hangs costs
 * a load so much once: whatever fails leaves the level out for a second, twice as long each time up
 * to half a minute, and then one caller tries it for all.
 *
 * B1: while it is left out, nobody waits for it; when that is over one does.
 */
#include "data/cache/second.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/json_decode.h"
#include "base/map.h"
#include "base/num.h"
#include "data/cache/cache.h"
#include "guard/backoff.h"
#include "rt/worker.h"

enum { RECORD_BYTES_MAX = 64 << 20 };

/* For how long it is left out after so many failures: a second, and then up to that. */
static const struct weir__backoff pauses = {{INT64_C(1000000000)}, {INT64_C(30000000000)}};
static const weir_dur pause_min = {INT64_C(1000000000)};

struct weir__cache_second {
    const struct weir__cache_second_ops *ops;
    void *driver;
    weir_dur timeout, age_max;
    struct weir__lock lock; /* guards what follows */
    uint32_t failures;      /* in a row */
    weir_time out_until;
    struct weir__random random;
    bool is_tried; /* by one who will tell how it went */
};

weir_err weir__cache_join_second(weir_cache *handle, const struct weir__cache_second_ops *ops,
                                 void *driver, const struct weir__cache_second_options *options)
{
    struct weir_cache *cache = weir__cache_of(handle, __func__);
    if (cache->err != WEIR_OK)
        return cache->err;
    WEIR_ASSERT(cache->second == NULL, "B1: a cache has one second level");
    struct weir__cache_second *s = weir__calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    s->ops = ops;
    s->driver = driver;
    s->timeout = options->timeout.ns > 0 ? options->timeout : weir_ms(100);
    s->age_max = options->age_max.ns > 0 ? options->age_max : cache->o.ttl;
    weir__lock_init(&s->lock);
    s->random.state = (uint64_t)weir__self->now.ns;
    cache->second = s;
    return WEIR_OK;
}

void weir__second_free(struct weir__cache_second *s)
{
    weir__free(s);
}

void weir__cache_told_changed(weir_cache *handle, weir_str key)
{
    struct weir_cache *cache = weir__cache_of(handle, __func__);
    if (weir__cache_check_key(cache, &key) == WEIR_OK)
        weir__cache_forget(cache, key);
}

void weir__cache_told_lost(weir_cache *handle)
{
    weir__cache_forget_all(weir__cache_of(handle, __func__));
}

/* --- being left out --------------------------------------------------------------------------- */

/* `*is_try`: it was left out, and this caller tries it for all. */
static bool may_ask(struct weir__cache_second *s, bool *is_try)
{
    weir__lock_take(&s->lock);
    bool is_out = s->failures > 0;
    *is_try = is_out && !s->is_tried && s->out_until.ns <= weir__self->now.ns;
    s->is_tried = s->is_tried || *is_try;
    weir__lock_give(&s->lock);
    return !is_out || *is_try;
}

enum outcome { WELL, FAILED, UNKNOWN };

/* Those that fail after one has failed were under way with it: together they are one failure. */
static void note(struct weir__cache_second *s, enum outcome how, bool is_try)
{
    weir_time now = weir__self->now;
    weir__lock_take(&s->lock);
    if (is_try)
        s->is_tried = false;
    if (how == WELL)
        s->failures = 0;
    if (how == FAILED && (is_try || s->failures == 0)) {
        weir_dur pause = weir__backoff_wait(&pauses, s->failures++, pause_min, &s->random);
        s->out_until = weir_time_add(now, pause);
    }
    weir__lock_give(&s->lock);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* One call, in a context of its own below the caller's. */
struct call {
    struct weir__cache_second *s; /* NULL: it is not to be asked now */
    struct weir__ctx *caller, *c;
    bool is_back; /* the driver has returned, and not panicked */
    bool is_try;  /* the level was left out */
    weir_err err;
};

static void count(struct weir_cache *cache, weir_str key, size_t counter)
{
    struct weir__cache_shard *s = weir__cache_shard_of(cache, weir__str_hash(key));
    weir__lock_take(&s->lock);
    weir__counter_add((struct weir__counter *)(void *)((char *)&s->n + counter), 1);
    weir__lock_give(&s->lock);
}
#define COUNT(cache, key, member) count(cache, key, offsetof(struct weir__shard_counts, member))

/* On every way out; a caller that was cancelled meanwhile knows nothing of the level. */
static void end_call(struct call *call)
{
    bool is_well = call->is_back && (call->err == WEIR_OK || call->err == WEIR_ENOTFOUND);
    if (call->s == NULL)
        return;
    note(call->s,
         is_well                                    ? WELL
         : weir__ctx_check(call->caller) == WEIR_OK ? FAILED
                                                    : UNKNOWN,
         call->is_try);
    if (call->is_back) /* else who catches the panic ends it */
        weir__ctx_end(call->c);
}

static struct call begin_call(struct weir_cache *cache, struct weir__ctx *c)
{
    static const weir_site site = {__FILE__, "second level", __LINE__};
    struct weir__cache_second *s = cache->second;
    struct call call = {.caller = c};
    if (s == NULL || weir__ctx_is_shared(c) || weir__ctx_check(c) != WEIR_OK ||
        !may_ask(s, &call.is_try))
        return call;
    call.c = weir__ctx_new(c, weir_time_add(weir__self->now, s->timeout), 0, &site);
    if (call.c != NULL)
        call.s = s;
    else
        note(s, UNKNOWN, call.is_try);
    return call;
}

static weir_err end_with(struct call *call, weir_err err)
{
    call->is_back = true;
    return call->err = err;
}

/*
 * The record of a key, in the caller's memory; absent: it could not be had. WEIR_ENOTFOUND: there
 * is none; WEIR_EBUSY: the level is not to be asked now.
 */
static weir_err ask(struct weir_cache *cache, struct weir__ctx *c, weir_str key, weir_str *record)
{
    struct call call __attribute__((cleanup(end_call))) = begin_call(cache, c);
    *record = (weir_str){NULL, 0};
    if (call.s == NULL)
        return WEIR_EBUSY;
    weir_buf bytes __attribute__((cleanup(weir_buf_fini)));
    weir_buf_init(&bytes, RECORD_BYTES_MAX);
    weir_err err = end_with(&call, call.s->ops->get(call.s->driver, call.c, key, &bytes));
    if (err == WEIR_OK && bytes.err == WEIR_OK)
        *record = weir__arena_str(weir__ctx_arena(c), weir_buf_str(&bytes));
    if (err != WEIR_OK && err != WEIR_ENOTFOUND)
        COUNT(cache, key, second_errors);
    return err;
}

/* --- records ---------------------------------------------------------------------------------- */

/*
 * "weir1 1764450000123 v\n" and the value as JSON, or "… n\n": there is none. The number is the
 * Unix time in milliseconds at which it was loaded.
 */
static weir_str mark_of_records(void)
{
    return WEIR_S("weir1 ");
}

static int64_t unix_ms(void)
{
    return weir_wall_now().us / 1000;
}

static bool read_head(weir_str record, int64_t *loaded_ms, bool *is_missing, weir_str *json)
{
    weir_str mark = mark_of_records();
    const char *line = record.ptr != NULL ? memchr(record.ptr, '\n', record.len) : NULL;
    uint64_t ms;
    if (line == NULL || record.len < mark.len || memcmp(record.ptr, mark.ptr, mark.len) != 0)
        return false;
    const char *from = record.ptr + mark.len;
    if (line - from < 3 || line[-2] != ' ' || (line[-1] != 'v' && line[-1] != 'n') ||
        weir__num_text_u64((weir_str){from, (size_t)(line - 2 - from)}, &ms) != WEIR_OK ||
        ms > INT64_MAX / 1000000)
        return false;
    *loaded_ms = (int64_t)ms;
    *is_missing = line[-1] == 'n';
    *json = (weir_str){line + 1, (size_t)(record.ptr + record.len - line - 1)};
    return true;
}

/* How much longer what was loaded then may be kept; clocks that differ make it younger, not older
 * than it is allowed to become. */
static weir_dur left_of(const struct weir_cache *cache, int64_t loaded_ms, bool is_missing)
{
    int64_t most = cache->second->age_max.ns, ttl = cache->o.ttl.ns;
    if (is_missing)
        most = ttl = cache->o.ttl_missing.ns;
    int64_t age = unix_ms() - loaded_ms;
    int64_t left = age > most / 1000000 ? 0 : most - (age > 0 ? age : 0) * 1000000;
    return weir_ns(left < ttl ? left : ttl);
}

enum weir__second_found weir__second_read(struct weir_cache *cache, struct weir__ctx *c,
                                          weir_str key, const weir_model *model, void *value,
                                          weir_dur *left)
{
    int64_t loaded_ms;
    bool is_missing;
    weir_str json, record;
    weir_err err = ask(cache, c, key, &record);
    bool is_read = read_head(record, &loaded_ms, &is_missing, &json);
    if (is_read)
        *left = left_of(cache, loaded_ms, is_missing);
    if (is_read && left->ns > 0 && !is_missing)
        is_read = weir__json_decode(weir__ctx_arena(c), json, model, value, NULL, NULL) == WEIR_OK;
    if (!is_read || left->ns <= 0) {
        if (err == WEIR_OK || err == WEIR_ENOTFOUND)
            COUNT(cache, key, second_misses);
        memset(value, 0, model->size);
        return WEIR__SECOND_NOTHING;
    }
    COUNT(cache, key, second_hits);
    return is_missing ? WEIR__SECOND_MISSING : WEIR__SECOND_VALUE;
}

void weir__second_write(struct weir_cache *cache, struct weir__ctx *c, weir_str key,
                        const weir_model *model, const void *value)
{
    struct call call __attribute__((cleanup(end_call))) = begin_call(cache, c);
    if (call.s == NULL)
        return;
    weir_buf bytes __attribute__((cleanup(weir_buf_fini)));
    weir_buf_init(&bytes, RECORD_BYTES_MAX);
    weir_str mark = mark_of_records();
    weir_buf_printf(&bytes, WEIR_STR_FMT "%lld %c\n", WEIR_STR_ARG(mark), (long long)unix_ms(),
                    value != NULL ? 'v' : 'n');
    if (value != NULL)
        (void)weir_json_encode(&bytes, model, value);
    weir_err err = WEIR_OK;
    if (bytes.err == WEIR_OK)
        err = call.s->ops->set(call.s->driver, call.c, key, weir_buf_str(&bytes),
                               value != NULL ? cache->o.ttl : cache->o.ttl_missing);
    if (end_with(&call, err) != WEIR_OK)
        COUNT(cache, key, second_errors);
}

bool weir__second_may_keep(const struct weir_cache *cache, bool was_read)
{
    const struct weir__cache_second *s = cache->second;
    return s == NULL || s->ops->may_keep == NULL || s->ops->may_keep(s->driver, was_read);
}

weir_err weir__second_remove(struct weir_cache *cache, struct weir__ctx *c, weir_str key)
{
    if (cache->second == NULL)
        return WEIR_OK;
    struct call call __attribute__((cleanup(end_call))) = begin_call(cache, c);
    if (call.s == NULL)
        return weir__ctx_check(c) != WEIR_OK ? weir__ctx_check(c) : WEIR_EBUSY;
    weir_err err = end_with(&call, call.s->ops->remove(call.s->driver, call.c, key));
    if (err != WEIR_OK && err != WEIR_ENOTFOUND)
        COUNT(cache, key, second_errors);
    return err == WEIR_ENOTFOUND ? WEIR_OK : err;
}
