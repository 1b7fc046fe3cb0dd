/*
 * Redis as the second level of caches: what fills in the table of data/cache/second.h, and hears of
 * changes for it. The only place that knows both.
 *
 * A key is a hash: a field for each version of the model, and "m", the mark of the last write. What
 * is done to it is one script, so that nothing happens between looking at a mark and filling.
 *
 * A client has one link, which hears of all that is read over it, and the list of the caches that
 * use it: it only grows, and its parts live as long as the application, so workers walk it without
 * a lock.
 *
 * Owns links and shares. Context: fibers; what is heard comes on any worker's stack.
 */
#include <weir/cache_share.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/bounds.h"
#include "data/cache/cache.h"
#include "data/redis/redis.h"
#include "rt/outside.h"
#include "rt/sized.h"

#define MS INT64_C(1000000)
#define SEC (1000 * MS)
#define DAY (86400 * SEC)

enum {
    SPACE_MAX = 64,
    PREFIX_MAX = SPACE_MAX + WEIR__CACHE_NAME_MAX + 8,
    SHARES_MAX = 256,
    VALUE_BYTES_MAX = 8 << 20,
    VERSION_BYTES = 16
};

/* A cache and its client. */
struct share {
    struct share *next; /* of the link's, older ones */
    atomic_bool is_over;
    weir_cache *cache;
    weir_redis *redis;
    struct weir__owned owned;
    size_t prefix_len;
    char prefix[PREFIX_MAX];
};

/* What a client tells. */
struct link {
    _Atomic(struct share *) newest;
};

static const weir_site site_of_calls = {__FILE__, "second level", __LINE__};

/* --- names ------------------------------------------------------------------------------------ */

struct name {
    char key[PREFIX_MAX + WEIR_CACHE_KEY_MAX];
    char version[VERSION_BYTES + 1];
    weir_arg words[2]; /* key and version */
};

static void make_name(struct name *n, const struct share *s, const struct weir__second_key *key)
{
    memcpy(n->key, s->prefix, s->prefix_len);
    if (key->key.len > 0)
        memcpy(n->key + s->prefix_len, key->key.ptr, key->key.len);
    (void)snprintf(n->version, sizeof n->version, "%016llx", (unsigned long long)key->version);
    n->words[0] = weir_arg_str((weir_str){n->key, s->prefix_len + key->key.len});
    n->words[1] = weir_arg_str((weir_str){n->version, VERSION_BYTES});
}

/* --- calls ------------------------------------------------------------------------------------ */

static weir_err add_field(weir_buf *to, const weir_redis_value *field)
{
    if (!weir_redis_is_text(field))
        return WEIR_ENOTFOUND;
    weir_buf_puts(to, field->u.s);
    return WEIR_OK;
}

static weir_err get(void *driver, struct weir__ctx *c, const struct weir__second_key *key,
                    weir_buf *record, weir_buf *mark)
{
    const struct share *s = driver;
    struct name name;
    weir_redis_value v;
    make_name(&name, s, key);
    const weir_arg args[] = {name.words[0], weir_arg_text("m"), name.words[1]};
    weir_err err = weir_redis_cmd_at(&site_of_calls, weir__ctx_handle(c), s->redis, &v, "HMGET",
                                     args, sizeof args / sizeof args[0]);
    if (err == WEIR_EWRONGTYPE)
        return WEIR_ENOTFOUND; /* somebody else's: it is written over */
    if (err != WEIR_OK)
        return err;
    if (!weir_redis_is_list(&v) || v.u.list.len != 2)
        return WEIR_EPROTO;
    (void)add_field(mark, &v.u.list.items[0]);
    return add_field(record, &v.u.list.items[1]);
}

/* KEYS[1]; ARGV: version, record, milliseconds, and of a fill the mark that was read. */
static const char script[] = "local k,n=KEYS[1],tonumber(ARGV[3])\n"
                             "if redis.call('TYPE',k).ok~='hash' then redis.call('DEL',k) end\n"
                             "if ARGV[4] then\n"
                             " if (redis.call('HGET',k,'m') or '')~=ARGV[4] then return 0 end\n"
                             "else\n"
                             " local t=redis.call('TIME')\n"
                             " redis.call('DEL',k)\n"
                             " redis.call('HSET',k,'m',t[1]..'.'..t[2])\n"
                             "end\n"
                             "if ARGV[2]~='' then redis.call('HSET',k,ARGV[1],ARGV[2]) end\n"
                             "if redis.call('PTTL',k)<n then redis.call('PEXPIRE',k,n) end\n"
                             "return 1";

static weir_err run_script(const struct share *s, struct weir__ctx *c,
                           const struct weir__second_key *key, weir_str record, weir_dur ttl,
                           const weir_str *mark)
{
    struct name name;
    weir_redis_value v;
    make_name(&name, s, key);
    const weir_arg args[] = {name.words[0], name.words[1],
                             weir_arg_str(record.len > 0 ? record : WEIR_S("")),
                             weir_arg_int(ttl.ns > MS ? ttl.ns / MS : 1),
                             weir_arg_str(mark != NULL && mark->len > 0 ? *mark : WEIR_S(""))};
    weir_err err = weir_redis_eval_at(&site_of_calls, weir__ctx_handle(c), s->redis, &v, 1, script,
                                      args, mark != NULL ? 5 : 4);
    if (err != WEIR_OK)
        return err;
    if (v.kind != WEIR_REDIS_INT)
        return WEIR_EPROTO;
    return v.u.i == 1 ? WEIR_OK : WEIR_ECHANGED;
}

static weir_err fill(void *driver, struct weir__ctx *c, const struct weir__second_key *key,
                     weir_str mark, weir_str record, weir_dur ttl)
{
    return run_script(driver, c, key, record, ttl, &mark);
}

static weir_err write_key(void *driver, struct weir__ctx *c, const struct weir__second_key *key,
                          weir_str record, weir_dur ttl)
{
    return run_script(driver, c, key, record, ttl, NULL);
}

static bool is_told(void *driver)
{
    const struct share *s = driver;
    return weir__redis_tracks(s->redis);
}

static const struct weir__cache_second_ops ops = {
    .get = get, .fill = fill, .write = write_key, .is_told = is_told};

/* --- what is heard ---------------------------------------------------------------------------- */

static bool is_of(const struct share *s, weir_str key)
{
    return key.len >= s->prefix_len && memcmp(key.ptr, s->prefix, s->prefix_len) == 0 &&
           !atomic_load_explicit(&s->is_over, memory_order_acquire);
}

static void hear_changed(void *arg, weir_str key)
{
    struct link *link = arg;
    struct share *s = atomic_load_explicit(&link->newest, memory_order_acquire);
    while (s != NULL && !is_of(s, key))
        s = s->next;
    if (s != NULL)
        weir__cache_told_changed(s->cache,
                                 (weir_str){key.ptr + s->prefix_len, key.len - s->prefix_len});
}

static void hear_lost(void *arg)
{
    struct link *link = arg;
    struct share *s = atomic_load_explicit(&link->newest, memory_order_acquire);
    for (; s != NULL; s = s->next) {
        if (!atomic_load_explicit(&s->is_over, memory_order_acquire))
            weir__cache_told_lost(s->cache);
    }
}

static const struct weir__redis_tracking_ops tracking = {.invalidate = hear_changed,
                                                         .forget = hear_lost};

/* --- making ----------------------------------------------------------------------------------- */

static void complain(struct weir__bounds *b, const char *what)
{
    weir__bounds_line(b);
    weir_buf_puts(b->out, weir_str_from(what));
}

static void settle_names(struct weir__bounds *b, const weir_cache_share_options *o,
                         const struct weir_cache *cache)
{
    size_t len = o->space != NULL ? strlen(o->space) : 0;
    bool is_good = len >= 1 && len <= SPACE_MAX;
    for (size_t i = 0; is_good && i < len; i++)
        is_good = o->space[i] > ' ' && o->space[i] < 127 && o->space[i] != ':';
    if (!is_good)
        complain(b, "there is no .space of 1 to 64 printable characters without blanks and colons");
    if (strchr(cache->name, ':') != NULL)
        complain(b, "its name has a colon");
}

static void settle_numbers(struct weir__bounds *b, weir_cache_share_options *o,
                           const struct weir_cache *cache, const weir_redis *redis)
{
    uint64_t most = 64 << 20;
    if (most > redis->o.reply_bytes_max)
        most = redis->o.reply_bytes_max;
    if (most > redis->o.command_bytes_max)
        most = redis->o.command_bytes_max;
    most = most > 8192 ? most - 4096 : 4096;
    weir__bounds_dur(b, "timeout", &o->timeout, 100 * MS, MS, 10 * SEC);
    weir__bounds_dur(b, "age_max", &o->age_max, cache->o.ttl.ns, MS, 30 * DAY);
    weir__bounds_dur(b, "ttl_apart", &o->ttl_apart, SEC, MS, 30 * DAY);
    weir__bounds_count(b, "value_bytes_max", &o->value_bytes_max,
                       most < VALUE_BYTES_MAX ? (uint32_t)most : VALUE_BYTES_MAX, 256,
                       (uint32_t)most);
}

/* The client's link, whose first cache makes it. */
static weir_err link_of(weir_redis *handle, weir_redis *redis, struct link **out)
{
    *out = redis->tracking_arg;
    if (redis->tracking == &tracking)
        return WEIR_OK;
    struct link *link = weir__ctx_object(redis->c, sizeof *link);
    if (link == NULL)
        return -ENOMEM;
    weir_err err = weir__redis_track(handle, &tracking, link);
    *out = link;
    return err == -EBUSY ? WEIR_EBUSY : err;
}

static const char *why_not_of_link(const struct link *link, const struct share *share)
{
    int count = 0;
    const struct share *s = atomic_load_explicit(&link->newest, memory_order_relaxed);
    for (; s != NULL; s = s->next, count++) {
        if (s->prefix_len == share->prefix_len &&
            memcmp(s->prefix, share->prefix, s->prefix_len) == 0)
            return "another cache of its name is shared by that client";
    }
    return count < SHARES_MAX ? NULL : "256 caches are shared by that client already";
}

static void part(struct weir__owned *o)
{
    struct share *s = WEIR_CONTAINER(o, struct share, owned);
    atomic_store_explicit(&s->is_over, true, memory_order_release);
}

static const struct weir__owned_type share_type = {.name = "share of a cache", .release = part};

static weir_err join(struct share *s, struct weir__ctx *c, const weir_site *site,
                     const weir_cache_share_options *o, struct link *link)
{
    const struct weir__cache_second_options second = {.timeout = o->timeout,
                                                      .age_max = o->age_max,
                                                      .ttl_apart = o->ttl_apart,
                                                      .records_max = o->value_bytes_max};
    weir_err err = weir__cache_join_second(s->cache, &ops, s, &second);
    if (err != WEIR_OK)
        return err;
    s->next = atomic_load_explicit(&link->newest, memory_order_relaxed);
    atomic_store_explicit(&link->newest, s, memory_order_release);
    weir__own(c, &s->owned, &share_type, site);
    return WEIR_OK;
}

/* What was asked for, and where errors are told. */
struct wish {
    const weir_site *site;
    struct weir__ctx *c;
    struct weir_cache *cache;
    weir_redis *redis; /* not the handles */
};

static weir_err refuse(const struct wish *w, weir_err err, const char *why)
{
    return weir_raise_at(w->site, weir__ctx_handle(w->c), err, 0,
                         "cache %s, shared by redis %s: %s", w->cache->name, w->redis->name, why);
}

static weir_err settle(const struct wish *w, weir_cache_share_options *o)
{
    char bytes[1000];
    weir_buf mistakes;
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    struct weir__bounds b = {.kind = "share of cache", .name = w->cache->name, .out = &mistakes};
    settle_names(&b, o, w->cache);
    settle_numbers(&b, o, w->cache, w->redis);
    if (!b.is_bad)
        return WEIR_OK;
    weir_str s = weir_buf_str(&mistakes);
    return weir_raise_at(w->site, weir__ctx_handle(w->c), WEIR_EINVALID, 0, WEIR_STR_FMT,
                         WEIR_STR_ARG(s));
}

static weir_err share(const struct wish *w, struct share *s, const weir_cache_share_options *o)
{
    struct link *link;
    s->prefix_len =
        (size_t)snprintf(s->prefix, sizeof s->prefix, "weir:%s:%s:", o->space, w->cache->name);
    weir_err err = link_of(s->redis, w->redis, &link);
    if (err == WEIR_EBUSY)
        return refuse(w, err, "it has been used: share caches before its first command");
    if (err != WEIR_OK)
        return err;
    const char *why = why_not_of_link(link, s);
    if (why != NULL)
        return refuse(w, WEIR_EINVALID, why);
    err = join(s, w->c, w->site, o, link);
    return err == -EBUSY ? refuse(w, WEIR_EINVALID, "the cache has a second level already") : err;
}

weir_err weir_cache_share_at(const weir_site *site, weir_ctx *app, weir_cache *cache,
                             weir_redis *redis, const weir_cache_share_options *options)
{
    static const char function[] = "weir_cache_share";
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir_cache_share_options room;
    struct weir__ctx *c = weir__ctx_of_at(app, function);
    options = weir__options(options, &room, sizeof room, function);
    const struct wish w = {site, c, weir__cache_of(cache, function),
                           weir__redis_of(redis, function)};
    if (w.cache->err != WEIR_OK || w.redis->err != WEIR_OK)
        return w.cache->err != WEIR_OK ? w.cache->err : w.redis->err;
    if (!weir__ctx_is_shared(c) || c != w.redis->c)
        return refuse(&w, WEIR_EINVALID,
                      "it and its client must be of the application's context, at its start");
    weir_cache_share_options settled = *options;
    weir_err err = settle(&w, &settled);
    if (err != WEIR_OK)
        return err;
    struct share *s = weir__ctx_object(c, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    s->cache = cache;
    s->redis = redis;
    return share(&w, s, &settled);
}
