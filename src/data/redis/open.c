/*
 * Making a client: its URL and options, checked all at once, its pools and its seats. Texts are
 * copied. A password is never part of a message: what is said of an URL is which part is wrong.
 *
 * Owns the seats. Context: fibers.
 */
#include "data/redis/redis.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/bounds.h"
#include "net/local.h"
#include "rt/outside.h"
#include "rt/runtime.h"
#include "rt/sized.h"
#include "wire/url.h"

#define MS INT64_C(1000000)
#define SEC (1000 * MS)
#define MIB (UINT64_C(1) << 20)
#define PORT_DEFAULT 6379
#define DB_MAX 65535

static weir_redis no_memory = {
    .token = WEIR__TOKEN_STATIC(WEIR__KIND_REDIS), .err = -ENOMEM, .name = "(no memory)"};

/* --- the URL ---------------------------------------------------------------------------------- */

static void complain(struct weir__bounds *b, const char *what)
{
    weir__bounds_line(b);
    weir_buf_puts(b->out, weir_str_from(what));
}

/* A decoded copy with a NUL; NULL: no memory, or `*is_bad`. */
static const char *decoded(struct weir__ctx *c, weir_str s, bool *is_bad)
{
    char *copy = weir__ctx_object(c, s.len + 1);
    int n = copy != NULL ? weir__url_decode(s, copy) : 0;
    *is_bad = *is_bad || n < 0 || (copy != NULL && memchr(copy, 0, (size_t)n) != NULL);
    if (copy != NULL)
        copy[n < 0 ? 0 : n] = '\0';
    return copy;
}

/* "user:password", each of which may be empty. */
static weir_err read_user(struct weir__bounds *b, weir_redis *redis, weir_str info)
{
    bool is_bad = false;
    const char *colon = info.len > 0 ? memchr(info.ptr, ':', info.len) : NULL;
    weir_str user = {info.ptr, colon != NULL ? (size_t)(colon - info.ptr) : info.len};
    weir_str password = {colon != NULL ? colon + 1 : NULL, info.len - user.len - (colon != NULL)};
    if (user.len > 0 && redis->o.user == NULL)
        redis->o.user = decoded(redis->c, user, &is_bad);
    if (password.len > 0 && redis->o.password == NULL)
        redis->o.password = decoded(redis->c, password, &is_bad);
    if (is_bad)
        complain(b, "its url has a user or password with a % that no two hex digits follow");
    return WEIR_OK;
}

static void read_db(struct weir__bounds *b, weir_redis *redis, weir_str path)
{
    int64_t n = 0;
    if (path.len <= 1)
        return;
    path = (weir_str){path.ptr + 1, path.len - 1};
    if (weir_str_i64(path, &n) != WEIR_OK || n < 0 || n > DB_MAX)
        complain(b, "its url ends in what is no number of a database: \"/0\" to \"/65535\"");
    else if (redis->o.db == 0)
        redis->o.db = (uint32_t)n;
}

static weir_err keep_host(struct weir__bounds *b, weir_redis *redis, weir_str authority)
{
    struct weir__url_authority at;
    if (weir__url_authority_parse(authority, &at) != 0 || at.host.len == 0 ||
        (at.has_port && at.port == 0)) {
        complain(b, "its url has no host, or no port from 1 to 65535: write redis://host:6379/0, "
                    "with special characters of a password as %40");
        return WEIR_OK;
    }
    bool has_brackets = at.host.ptr[0] == '[';
    weir_str host = {at.host.ptr + has_brackets, at.host.len - (has_brackets ? 2 : 0)};
    char *copy = weir__ctx_object(redis->c, host.len + 1);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, host.ptr, host.len);
    redis->host = (weir_str){copy, host.len};
    redis->port = at.has_port ? at.port : PORT_DEFAULT;
    return WEIR_OK;
}

/* What follows "redis://". */
static weir_err read_remote(struct weir__bounds *b, weir_redis *redis, weir_str rest)
{
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
        len++;
    weir_str authority = {rest.ptr, len}, path = {rest.ptr + len, rest.len - len};
    const char *at = len > 0 ? memrchr(authority.ptr, '@', len) : NULL;
    if (path.len > 0 && memchr(path.ptr, '?', path.len) != NULL) {
        complain(b, "its url has a query: give the options by their names");
        return WEIR_OK;
    }
    if (at != NULL) {
        weir_err err = read_user(b, redis, (weir_str){authority.ptr, (size_t)(at - authority.ptr)});
        if (err != WEIR_OK)
            return err;
        authority = (weir_str){at + 1, len - (size_t)(at + 1 - authority.ptr)};
    }
    read_db(b, redis, path);
    return keep_host(b, redis, authority);
}

static weir_err read_url(struct weir__bounds *b, weir_redis *redis)
{
    struct sockaddr_storage addr;
    weir_str url = weir_str_from(redis->o.url);
    if (weir__local_is(url)) {
        redis->path = redis->o.url;
        if (weir__local_address(url, &addr) == 0)
            complain(b, "its url has a path that is empty, or longer than 107 bytes");
        return WEIR_OK;
    }
    if (weir_str_starts(url, WEIR_S("rediss://"))) {
        redis->is_tls = true;
        return read_remote(b, redis, (weir_str){url.ptr + 9, url.len - 9});
    }
    if (weir_str_starts(url, WEIR_S("redis://")))
        return read_remote(b, redis, (weir_str){url.ptr + 8, url.len - 8});
    complain(b, url.len == 0 ? "it has no url"
                             : "its url begins neither with redis:// nor rediss:// nor unix:");
    return WEIR_OK;
}

/* --- options ---------------------------------------------------------------------------------- */

static void check_numbers(struct weir__bounds *b, weir_redis_options *o)
{
    weir__bounds_count(b, "depth", &o->depth, 1024, 1, 65536);
    weir__bounds_count(b, "connections", &o->connections, 1, 1, 16);
    weir__bounds_dur(b, "dial_timeout", &o->dial_timeout, 5 * SEC, MS, 600 * SEC);
    weir__bounds_dur(b, "answer_timeout", &o->answer_timeout, 10 * SEC, MS, 3600 * SEC);
    weir__bounds_large(b, "reply_bytes_max", &o->reply_bytes_max, 64 * MIB, 64, 1024 * MIB);
    weir__bounds_count(b, "reply_items_max", &o->reply_items_max, 1000000, 1, 100000000);
    weir__bounds_large(b, "command_bytes_max", &o->command_bytes_max, 64 * MIB, 64, 1024 * MIB);
    if (o->db > DB_MAX)
        weir__bounds_count(b, "db", &o->db, 0, 0, DB_MAX);
    if (o->protocol > WEIR_REDIS_RESP3)
        complain(b, "protocol is none of WEIR_REDIS_AGREED, _RESP2, _RESP3");
}

static void check_texts(struct weir__bounds *b, const weir_redis_options *o)
{
    for (const char *p = o->client_name; *p != '\0'; p++) {
        if (*p > ' ' && *p < 127)
            continue;
        complain(b, "client_name has a blank, or what is no printable ASCII");
        break;
    }
    if (o->user != NULL && o->password == NULL)
        complain(b, "it has a user without a password");
    if (o->tls != NULL && !weir_str_starts(weir_str_from(o->url), WEIR_S("rediss://")))
        complain(b, "it is given .tls, and its url is none of rediss://");
}

static weir_err check_tls(struct weir__bounds *b, weir_redis *redis)
{
    char text[320];
    weir_buf why;
    if (!redis->is_tls)
        return WEIR_OK;
    weir_buf_init_fixed(&why, text, sizeof text);
    weir_err err = weir__redis_tls_open(redis, &why);
    if (err == WEIR_OK)
        return err;
    weir__bounds_line(b);
    weir_buf_puts(b->out, weir_buf_str(&why));
    return err;
}

/* NULL stays NULL. False: no memory. */
static bool keep_text(struct weir__ctx *c, const char **text)
{
    if (*text == NULL)
        return true;
    size_t size = strlen(*text) + 1;
    char *copy = weir__ctx_object(c, size);
    if (copy == NULL)
        return false;
    *text = memcpy(copy, *text, size);
    return true;
}

/* Host and port, or the path: what an URL shows of itself. */
static bool make_name(weir_redis *redis)
{
    char text[WEIR__POOL_KEY_MAX];
    weir_buf b;
    if (redis->o.name != NULL) {
        redis->name = redis->o.name;
        return true;
    }
    weir_buf_init_fixed(&b, text, sizeof text - 1);
    if (redis->path != NULL)
        weir_buf_puts(&b, weir_str_from(redis->path));
    else if (redis->host.len > 0)
        weir_buf_printf(&b, "%.*s:%u", (int)redis->host.len, redis->host.ptr, redis->port);
    else
        weir_buf_puts(&b, WEIR_S("redis"));
    text[b.len] = '\0';
    redis->name = text;
    return keep_text(redis->c, &redis->name);
}

static weir_err keep(weir_redis *redis)
{
    weir_redis_options *o = &redis->o;
    if (o->url == NULL)
        o->url = "";
    if (o->client_name == NULL)
        o->client_name = "weir";
    if (o->pool.max_open == 0)
        o->pool.max_open = 32;
    if (o->pool.leak_threshold.ns == 0) /* what blocks at the server has its lease meanwhile */
        o->pool.leak_threshold = weir_min(5);
    bool is_kept = keep_text(redis->c, &o->url) && keep_text(redis->c, &o->name) &&
                   keep_text(redis->c, &o->user) && keep_text(redis->c, &o->password) &&
                   keep_text(redis->c, &o->client_name);
    return is_kept ? WEIR_OK : -ENOMEM;
}

/* All mistakes, in one text. */
static weir_err check(weir_redis *redis, weir_buf *mistakes)
{
    struct weir__bounds b = {.kind = "redis", .out = mistakes};
    b.name = redis->o.name != NULL ? redis->o.name : "client";
    weir_err err = read_url(&b, redis);
    if (err == WEIR_OK && !make_name(redis))
        err = -ENOMEM;
    if (err != WEIR_OK)
        return err;
    check_texts(&b, &redis->o);
    check_numbers(&b, &redis->o);
    weir_err tls = check_tls(&b, redis);
    weir_pool_options pool = redis->o.pool; /* which the pool settles again */
    err = weir__pool_options_settle(redis->name, &pool, mistakes);
    if (tls != WEIR_OK)
        return tls;
    return b.is_bad ? WEIR_EINVALID : err;
}

/* --- making ----------------------------------------------------------------------------------- */

static void release(struct weir__owned *o)
{
    weir_redis *redis = WEIR_CONTAINER(o, weir_redis, owned);
    weir__tls_client_unref(atomic_exchange(&redis->tls, NULL));
    for (unsigned i = 0; redis->seats != NULL && i < redis->workers; i++)
        weir__free(redis->seats[i].in);
    weir__free(redis->seats);
    redis->seats = NULL;
    if (redis->err == WEIR_OK)
        redis->err = WEIR_ECLOSED;
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    weir_buf_puts(out, weir_str_from(WEIR_CONTAINER(o, weir_redis, owned)->name));
}

static const struct weir__owned_type redis_type = {
    .name = "redis", .release = release, .describe = describe};

static void leave_list(struct weir__owned *o)
{
    weir__redis_delist(WEIR_CONTAINER(o, weir_redis, listed));
}

static const struct weir__owned_type listed_type = {.name = "numbers of a redis",
                                                    .release = leave_list};

static weir_err make_seats(weir_redis *redis)
{
    redis->workers = weir__self->runtime->worker_count;
    size_t size = redis->workers * sizeof *redis->seats;
    redis->seats = weir__memalign(_Alignof(struct weir__redis_seat), size);
    if (redis->seats == NULL)
        return -ENOMEM;
    memset(redis->seats, 0, size);
    for (unsigned i = 0; i < redis->workers; i++) {
        redis->seats[i].redis = redis;
        redis->seats[i].random.state = (uint64_t)weir__worker_now(weir__self).ns + i;
        weir__list_init(&redis->seats[i].owned.link);
    }
    return WEIR_OK;
}

static weir_err make_pools(weir_redis *redis, const weir_site *site)
{
    struct weir__shared_options shared = {.each = redis->o.pool};
    shared.each.max_open = redis->o.connections;
    shared.each.min_idle = shared.each.max_idle = 0;
    shared.each.check_after = weir_ns(0);
    redis->shared =
        weir__shared_pool_new(redis->c, redis->name, &shared, &weir__redis_shared_ops, redis, site);
    if (redis->shared == NULL)
        return -ENOMEM;
    size_t size = strlen(redis->name) + sizeof " lent";
    char *name = weir__ctx_object(redis->c, size);
    if (name == NULL)
        return -ENOMEM;
    snprintf(name, size, "%s lent", redis->name);
    redis->leases =
        weir__pool_new(redis->c, name, &redis->o.pool, &weir__redis_lease_ops, redis, site);
    return redis->leases != NULL ? WEIR_OK : -ENOMEM;
}

static weir_err make(weir_redis *redis, const weir_site *site)
{
    char bytes[1500];
    weir_buf mistakes;
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    weir_err err = keep(redis);
    if (err == WEIR_OK)
        err = make_seats(redis);
    if (err == WEIR_OK)
        err = check(redis, &mistakes);
    if (err != WEIR_OK && mistakes.len > 0) {
        weir_str s = weir_buf_str(&mistakes);
        return weir_raise_at(site, weir__ctx_handle(redis->c), err, 0, WEIR_STR_FMT,
                             WEIR_STR_ARG(s));
    }
    if (err != WEIR_OK)
        return err;
    redis->limits = (struct weir__resp_limits){.bytes_max = redis->o.reply_bytes_max,
                                               .items_max = redis->o.reply_items_max};
    return make_pools(redis, site);
}

weir_redis *weir_redis_open_at(const weir_site *site, weir_ctx *handle,
                               const weir_redis_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_redis_options room;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_open");
    options = weir__options(options, &room, sizeof room, "weir_redis_open");
    weir_redis *redis = weir__ctx_object(c, sizeof *redis);
    if (redis == NULL)
        return &no_memory;
    weir__token_open(&redis->token, c, WEIR__KIND_REDIS);
    redis->o = *options;
    redis->name = "(no name)";
    redis->c = c;
    redis->site = site;
    weir__list_init(&redis->in_all);
    weir__own(c, &redis->owned, &redis_type, site);
    redis->err = make(redis, site);
    if (redis->err == WEIR_OK) {
        weir__own(c, &redis->listed, &listed_type, site); /* the newest, so the first to go */
        weir__redis_enlist(redis);
    }
    return weir__token_handle(&redis->token);
}

weir_err weir_redis_err(const weir_redis *redis)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return weir__redis_of(redis, __func__)->err;
}

const char *weir_redis_name(const weir_redis *redis)
{
    WEIR__FIBERS_ONLY("");
    return weir__redis_of(redis, __func__)->name;
}

/* --- tracking --------------------------------------------------------------------------------- */

/* Some worker has, or had, a connection that does not track. */
static bool was_used(const weir_redis *redis)
{
    uint64_t dials = 0;
    for (unsigned i = 0; redis->seats != NULL && i < redis->workers; i++)
        dials += weir__counter_read(&redis->seats[i].n.dials) +
                 weir__counter_read(&redis->seats[i].n.dial_errors);
    return dials > 0;
}

weir_err weir__redis_track(weir_redis *handle, const struct weir__redis_tracking_ops *ops,
                           void *arg)
{
    weir_redis *redis = weir__redis_of(handle, "weir__redis_track");
    WEIR_ASSERT(redis->tracking == NULL, "R8: one is told of what was read over its connections");
    if (redis->err != WEIR_OK || was_used(redis))
        return redis->err != WEIR_OK ? redis->err : -EBUSY;
    redis->tracking = ops;
    redis->tracking_arg = arg;
    return WEIR_OK;
}

bool weir__redis_tracks(weir_redis *handle)
{
    weir_redis *redis = weir__redis_of(handle, "weir__redis_tracks");
    return redis->err == WEIR_OK && weir__redis_seat(redis)->tracking > 0;
}
