/*
 * Asking the second level. Each call has a context of its own with a time-out, so what hangs costs
 * a load so much once: whatever fails leaves the level out for a second, twice as long each time up
 * to half a minute, and then one caller tries it for all.
 *
 * The hard thing are writes that it could not be told of: when it is there again it still has what
 * was before. They are owed, and told by the one who tries it, before anybody asks it anything.
 *
 * B1: while it is left out, or owed something, nobody waits for it; when that is over one does.
 */
#include "data/cache/second.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/json_decode.h"
#include "base/map.h"
#include "base/num.h"
#include "data/cache/cache.h"
#include "data/cache/owed.h"
#include "guard/backoff.h"
#include "rt/worker.h"
#include <weir/log.h>

enum { READ_BYTES_MAX = 64 << 20, RECORD_BYTES_MAX = 8 << 20 };

/* How long a write's mark stands at the least: loads that began before it are over by then, or have
 * been told of it. */
static const weir_dur mark_ttl = {INT64_C(60000000000)};

/* For how long it is left out after so many failures: a second, and then up to that. */
static const struct weir__backoff pauses = {{INT64_C(1000000000)}, {INT64_C(30000000000)}};
static const weir_dur pause_min = {INT64_C(1000000000)};

struct weir__cache_second {
    const struct weir__cache_second_ops *ops;
    void *driver;
    weir_dur timeout, age_max, ttl_apart;
    uint32_t records_max;
    struct weir__lock lock; /* guards what follows */
    uint32_t failures;      /* in a row */
    weir_time out_until;
    struct weir__random random;
    bool is_tried; /* by one who will tell how it went */
    struct weir__owed owed;
    int64_t doubted_ms; /* what was loaded before is not believed: more was owed than is noted */
};

weir_err weir__cache_join_second(weir_cache *handle, const struct weir__cache_second_ops *ops,
                                 void *driver, const struct weir__cache_second_options *options)
{
    struct weir_cache *cache = weir__cache_of(handle, __func__);
    if (cache->err != WEIR_OK)
        return cache->err;
    if (cache->second != NULL)
        return -EBUSY;
    struct weir__cache_second *s = weir__calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    s->ops = ops;
    s->driver = driver;
    s->timeout = options->timeout.ns > 0 ? options->timeout : weir_ms(100);
    s->age_max = options->age_max.ns > 0 ? options->age_max : cache->o.ttl;
    s->ttl_apart = options->ttl_apart.ns > 0 ? options->ttl_apart : weir_sec(1);
    s->records_max = options->records_max > 0 ? options->records_max : RECORD_BYTES_MAX;
    weir__lock_init(&s->lock);
    weir__owed_init(&s->owed);
    s->random.state = (uint64_t)weir__self->now.ns;
    cache->second = s;
    return WEIR_OK;
}

void weir__second_free(struct weir__cache_second *s)
{
    if (s != NULL)
        weir__owed_fini(&s->owed);
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

static bool is_out(const struct weir__cache_second *s)
{
    return s->failures > 0 || s->owed.count > 0;
}

/* `*is_try`: it was left out, and this caller tries it for all. */
static bool may_ask(struct weir__cache_second *s, bool *is_try)
{
    weir__lock_take(&s->lock);
    bool was_out = is_out(s);
    *is_try = was_out && !s->is_tried && s->out_until.ns <= weir__self->now.ns;
    s->is_tried = s->is_tried || *is_try;
    weir__lock_give(&s->lock);
    return !was_out || *is_try;
}

enum outcome { WELL, FAILED, UNKNOWN };

/*
 * Those that fail after one has failed were under way with it: together they are one failure. True:
 * it is left out from now on, or not any more.
 */
static bool note(struct weir__cache_second *s, enum outcome how, bool is_try)
{
    weir_time now = weir__self->now;
    weir__lock_take(&s->lock);
    bool had_failed = s->failures > 0;
    if (is_try)
        s->is_tried = false;
    if (how == WELL)
        s->failures = 0;
    if (how == FAILED && (is_try || s->failures == 0)) {
        weir_dur pause = weir__backoff_wait(&pauses, s->failures++, pause_min, &s->random);
        s->out_until = weir_time_add(now, pause);
    }
    bool has_turned = had_failed != (s->failures > 0);
    weir__lock_give(&s->lock);
    return has_turned;
}

weir_dur weir__second_may_keep(const struct weir_cache *cache, bool was_read)
{
    static const weir_dur all = {INT64_MAX}, nothing = {0};
    struct weir__cache_second *s = cache->second;
    if (s == NULL || s->ops->is_told == NULL)
        return all;
    weir__lock_take(&s->lock);
    bool is_apart = is_out(s);
    weir__lock_give(&s->lock);
    if (is_apart || !s->ops->is_told(s->driver))
        return s->ttl_apart;
    return was_read ? all : nothing;
}

void weir__second_numbers(const struct weir_cache *cache, uint64_t *owed, uint64_t *out)
{
    struct weir__cache_second *s = cache->second;
    *owed = *out = 0;
    if (s == NULL)
        return;
    weir__lock_take(&s->lock);
    *owed = s->owed.count;
    *out = is_out(s);
    weir__lock_give(&s->lock);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* One call, in a context of its own below the caller's. */
struct call {
    const char *name;             /* the cache's */
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

static bool is_failure(weir_err err)
{
    return err != WEIR_OK && err != WEIR_ENOTFOUND && err != WEIR_ECHANGED;
}

static void tell(const struct call *call, bool is_well)
{
    const struct weir_error *e = call->is_back ? call->c->error : NULL;
    weir_str why = weir_str_from(call->is_back ? weir_strerror(call->err) : "it has panicked");
    if (e != NULL && e->code == call->err)
        why = e->message;
    if (is_well)
        weir_log(weir__ctx_handle(call->caller), WEIR_LOG_INFO,
                 "cache %s: its second level is there again", call->name);
    else
        weir_log(weir__ctx_handle(call->caller), WEIR_LOG_WARN,
                 "cache %s: its second level is left out: " WEIR_STR_FMT, call->name,
                 WEIR_STR_ARG(why));
}

/* On every way out; a caller that was cancelled meanwhile knows nothing of the level. */
static void end_call(struct call *call)
{
    bool is_well = call->is_back && !is_failure(call->err);
    if (call->s == NULL)
        return;
    bool is_known = is_well || weir__ctx_check(call->caller) == WEIR_OK;
    if (note(call->s, is_well ? WELL : is_known ? FAILED : UNKNOWN, call->is_try))
        tell(call, is_well);
    if (call->is_back) /* else who catches the panic ends it */
        weir__ctx_end(call->c);
}

static struct call begin_call(struct weir_cache *cache, struct weir__ctx *c)
{
    static const weir_site site = {__FILE__, "second level", __LINE__};
    struct weir__cache_second *s = cache->second;
    struct call call = {.name = cache->name, .caller = c};
    if (s == NULL || weir__ctx_is_shared(c) || weir__ctx_check(c) != WEIR_OK ||
        !may_ask(s, &call.is_try))
        return call;
    call.c = weir__ctx_new(c, weir_time_add(weir__self->now, s->timeout), 0, &site);
    if (call.c != NULL)
        call.s = s;
    else
        (void)note(s, UNKNOWN, call.is_try);
    return call;
}

static weir_err end_with(struct call *call, weir_err err)
{
    call->is_back = true;
    return call->err = err;
}

/* --- what it is owed -------------------------------------------------------------------------- */

static int64_t unix_ms(void)
{
    return weir_wall_now().us / 1000;
}

/* It has not been told that the key was written. */
static void owe(struct weir__cache_second *s, weir_str key)
{
    struct weir__owed_key *k = weir__owed_key_new(key);
    weir__lock_take(&s->lock);
    if (k == NULL || !weir__owed_add(&s->owed, k))
        s->doubted_ms = unix_ms();
    weir__lock_give(&s->lock);
}

/* Tells it of all writes that it has missed. By who tries it, so nobody else does. */
static weir_err pay(struct call *call)
{
    struct weir__cache_second *s = call->s;
    weir_err err = WEIR_OK;
    while (call->is_try && err == WEIR_OK) {
        weir__lock_take(&s->lock);
        struct weir__owed_key *k = weir__owed_first(&s->owed);
        weir__lock_give(&s->lock);
        if (k == NULL)
            break;
        const struct weir__second_key key = {weir__owed_str(k), 0};
        err = s->ops->write(s->driver, call->c, &key, (weir_str){NULL, 0}, mark_ttl);
        if (err != WEIR_OK)
            break;
        weir__lock_take(&s->lock);
        weir__owed_drop(&s->owed, k);
        weir__lock_give(&s->lock);
    }
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

/* Empty: it is larger than the level takes. */
static void write_record(const struct weir_cache *cache, weir_buf *out, const weir_model *model,
                         const void *value)
{
    weir_str mark = mark_of_records();
    weir_buf_init(out, cache->second->records_max);
    weir_buf_printf(out, WEIR_STR_FMT "%lld %c\n", WEIR_STR_ARG(mark), (long long)unix_ms(),
                    value != NULL ? 'v' : 'n');
    if (value != NULL)
        (void)weir_json_encode(out, model, value);
    if (out->err != WEIR_OK)
        weir_buf_reset(out);
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

static struct weir__second_key key_of(struct weir_cache *cache, weir_str key)
{
    return (struct weir__second_key){key,
                                     atomic_load_explicit(&cache->version, memory_order_relaxed)};
}

/* --- reading ---------------------------------------------------------------------------------- */

static void keep_mark(struct weir__second_mark *to, const weir_buf *mark)
{
    to->is_read = mark->err == WEIR_OK;
    to->len = (uint8_t)mark->len;
    memcpy(to->bytes, mark->ptr, mark->len);
}

/*
 * The record of a key, in the caller's memory; absent: it could not be had. WEIR_ENOTFOUND: there
 * is none; WEIR_EBUSY: the level is not to be asked now.
 */
static weir_err ask(struct weir_cache *cache, struct weir__ctx *c, weir_str key, weir_str *record,
                    struct weir__second_mark *mark)
{
    struct call call __attribute__((cleanup(end_call))) = begin_call(cache, c);
    *record = (weir_str){NULL, 0};
    if (call.s == NULL)
        return WEIR_EBUSY;
    char room[WEIR__SECOND_MARK_MAX];
    weir_buf last, bytes __attribute__((cleanup(weir_buf_fini)));
    weir_buf_init(&bytes, READ_BYTES_MAX);
    weir_buf_init_fixed(&last, room, sizeof room);
    const struct weir__second_key at = key_of(cache, key);
    weir_err err = pay(&call);
    if (err == WEIR_OK)
        err = call.s->ops->get(call.s->driver, call.c, &at, &bytes, &last);
    (void)end_with(&call, err);
    if (err == WEIR_OK && bytes.err == WEIR_OK)
        *record = weir__arena_str(weir__ctx_arena(c), weir_buf_str(&bytes));
    if (is_failure(err))
        COUNT(cache, key, second_errors);
    else
        keep_mark(mark, &last);
    return err;
}

static bool is_doubted(struct weir__cache_second *s, int64_t loaded_ms)
{
    weir__lock_take(&s->lock);
    bool yes = loaded_ms <= s->doubted_ms;
    weir__lock_give(&s->lock);
    return yes;
}

enum weir__second_found weir__second_read(struct weir_cache *cache, struct weir__ctx *c,
                                          weir_str key, const weir_model *model, void *value,
                                          weir_dur *left, struct weir__second_mark *mark)
{
    int64_t loaded_ms;
    bool is_missing;
    weir_str json, record;
    weir_err err = ask(cache, c, key, &record, mark);
    bool is_read =
        read_head(record, &loaded_ms, &is_missing, &json) && !is_doubted(cache->second, loaded_ms);
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

/* --- writing ---------------------------------------------------------------------------------- */

void weir__second_fill(struct weir_cache *cache, struct weir__ctx *c, weir_str key,
                       const weir_model *model, const void *value,
                       const struct weir__second_mark *mark)
{
    if (!mark->is_read)
        return; /* it could not be asked */
    struct call call __attribute__((cleanup(end_call))) = begin_call(cache, c);
    if (call.s == NULL)
        return;
    weir_buf bytes __attribute__((cleanup(weir_buf_fini)));
    write_record(cache, &bytes, model, value);
    const struct weir__second_key at = key_of(cache, key);
    weir_err err = pay(&call);
    if (err == WEIR_OK && bytes.len > 0)
        err = call.s->ops->fill(call.s->driver, call.c, &at, (weir_str){mark->bytes, mark->len},
                                weir_buf_str(&bytes),
                                value != NULL ? cache->o.ttl : cache->o.ttl_missing);
    if (is_failure(end_with(&call, err)))
        COUNT(cache, key, second_errors);
}

/* On every way out: what was not told is owed. */
struct telling {
    struct weir_cache *cache;
    weir_str key;
    bool is_told;
};

static void end_telling(struct telling *t)
{
    if (!t->is_told)
        owe(t->cache->second, t->key);
}

weir_err weir__second_write(struct weir_cache *cache, struct weir__ctx *c, weir_str key,
                            const weir_model *model, const void *value)
{
    if (cache->second == NULL)
        return WEIR_OK;
    struct telling t __attribute__((cleanup(end_telling))) = {.cache = cache, .key = key};
    struct call call __attribute__((cleanup(end_call))) = begin_call(cache, c);
    if (call.s == NULL)
        return weir__ctx_check(c);
    weir_buf bytes __attribute__((cleanup(weir_buf_fini))) = {.ptr = NULL};
    if (value != NULL)
        write_record(cache, &bytes, model, value);
    const struct weir__second_key at = key_of(cache, key);
    weir_dur ttl = value != NULL && cache->o.ttl.ns > mark_ttl.ns ? cache->o.ttl : mark_ttl;
    weir_err err = pay(&call);
    if (err == WEIR_OK)
        err = call.s->ops->write(call.s->driver, call.c, &at, weir_buf_str(&bytes), ttl);
    t.is_told = err == WEIR_OK;
    if (end_with(&call, err) != WEIR_OK)
        COUNT(cache, key, second_errors);
    return err != WEIR_OK ? weir__ctx_check(c) : WEIR_OK;
}
