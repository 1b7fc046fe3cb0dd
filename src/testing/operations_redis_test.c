/*
 * What can be done with Redis, tried everywhere: each wait cancelled, each allocation and system
 * call failed, each limit reached, other orders. Whatever fails, what comes back is right or an
 * error, within its time, and connections are even afterwards.
 */
#include "testing/operations_peer.h"

#include "data/redis/redis.h"
#include "rt/runtime.h"
#include <weir/cache_share.h>

/* --- a server --------------------------------------------------------------------------------- */

enum { ROOM = 4096 };

static const struct {
    const char *name, *answer;
} answers[] = {
    {"HELLO", "%1\r\n$5\r\nproto\r\n:3\r\n"},
    {"CLIENT", "+OK\r\n"},
    {"HMGET", "*2\r\n$1\r\nm\r\n_\r\n"},
    {"GET", "$5\r\nhello\r\n"},
    {"SET", "+OK\r\n"},
    {"HGETALL", "%1\r\n$1\r\nn\r\n$1\r\n7\r\n"},
    {"HSET", ":1\r\n"},
    {"WATCH", "+OK\r\n"},
    {"UNWATCH", "+OK\r\n"},
    {"MULTI", "+OK\r\n"},
    {"INCR", "+QUEUED\r\n"},
    {"EXEC", "*2\r\n:1\r\n:2\r\n"},
    {"BLPOP", "*2\r\n$1\r\nq\r\n$5\r\nhello\r\n"},
    {"EVALSHA", "-NOSCRIPT No matching script.\r\n"},
    {"EVAL", "$5\r\nhello\r\n"},
    {"SUBSCRIBE", ">3\r\n+subscribe\r\n$1\r\nc\r\n:1\r\n"
                  ">3\r\n+message\r\n$1\r\nc\r\n$5\r\nhello\r\n"},
    {"UNSUBSCRIBE", ">3\r\n+unsubscribe\r\n$1\r\nc\r\n:0\r\n"},
    {"XGROUP", "+OK\r\n"},
    {"XACK", ":1\r\n"},
    {"XREADGROUP", "%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nk\r\n$5\r\nhello\r\n"},
};

/*
 * The answer to the command at `bytes`: an array whose first word has its length on line two. To a
 * script it is the peer's own, if that has one.
 */
static const char *answer_to(const struct peer *p, const char *bytes, size_t len)
{
    if (p->answer != NULL && memmem(bytes, len, "EVALSHA", 7) != NULL)
        return p->answer;
    const char *word = memchr(bytes, '$', len);
    word = word != NULL ? memchr(word, '\n', len - (size_t)(word - bytes)) : NULL;
    for (size_t i = 0; word != NULL && i < sizeof answers / sizeof answers[0]; i++) {
        size_t n = strlen(answers[i].name);
        if (strncmp(word + 1, answers[i].name, n) == 0 && word[n + 1] == '\r')
            return answers[i].answer;
    }
    return "-ERR unknown command\r\n";
}

static weir_err answer_all(weir_ctx *c, const struct peer *p, struct weir__stream *s, char *bytes,
                           size_t *len)
{
    static const struct weir__resp_limits limits = {.bytes_max = ROOM, .items_max = 100};
    weir_err err = WEIR_OK;
    while (err == WEIR_OK) {
        struct weir__resp_scan scan;
        weir__resp_scan_init(&scan);
        ptrdiff_t n = weir__resp_scan(&scan, &limits, bytes, *len);
        MUST(n >= 0);
        if (n == 0)
            return WEIR_OK;
        const char *answer = answer_to(p, bytes, (size_t)n);
        err = peer_say(c, s, answer, strlen(answer));
        *len -= (size_t)n;
        memmove(bytes, bytes + n, *len);
    }
    return err;
}

/* One that fails resets, so that what it sent never looks whole. */
static weir_err serve_redis(weir_ctx *c, void *arg)
{
    const struct peer_visit *v = arg;
    struct weir__stream s;
    char bytes[ROOM];
    size_t len = 0;
    weir_err err = weir__stream_attach(&s, (struct weir__detached){.num = v->num}, NULL);
    if (err < 0) {
        weir__sim_close(v->num);
        return WEIR_OK;
    }
    while (err == WEIR_OK) {
        ssize_t n = peer_take(c, &s, bytes, len, sizeof bytes);
        err = n < 0 ? (weir_err)n : WEIR_OK;
        len += n > 0 ? (size_t)n : 0;
        if (err == WEIR_OK)
            err = answer_all(c, v->peer, &s, bytes, &len);
    }
    if (err == WEIR_ECLOSED)
        weir__stream_close(&s);
    else
        weir__sim_reset(weir__stream_detach(&s).num);
    return WEIR_OK;
}

static weir_err listen_redis(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    WEIR_SCOPE(visits, c);
    for (;;) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &p->listener};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        if (num < 0)
            break;
        struct peer_visit *v = weir_new(visits, struct peer_visit);
        if (v != NULL)
            *v = (struct peer_visit){p, (int)num};
        if (v == NULL || WEIR_GO(visits, serve_redis, v) < 0)
            weir__sim_close((int)num);
    }
    (void)weir_ctx_close(visits);
    weir__fd_close(&p->listener);
    return WEIR_OK;
}

static weir_err start_redis(weir_ctx *c, struct peer *p)
{
    p->number = weir__sim_listen();
    snprintf(p->base, sizeof p->base, "redis://127.0.0.1:%d", p->number);
    weir_err err = weir__fd_watch(&p->listener, p->number, NULL);
    if (err == WEIR_OK)
        err = WEIR_GO(c, listen_redis, p);
    if (err != WEIR_OK)
        weir__fd_close(&p->listener);
    return err;
}

/* --- errands ---------------------------------------------------------------------------------- */

typedef weir_err (*errand)(weir_ctx *c, weir_redis *redis);

struct redis_errand {
    errand run;
};

static void must_be_even(const weir_pool_stats *stats, void *arg)
{
    (void)arg;
    MUST(stats->in_use == 0 && stats->waiting == 0);
    MUST(stats->idle <= stats->open);
}

static weir_err run_with_redis(weir_ctx *c, const struct redis_errand *e, struct peer *p)
{
    weir_redis_stats stats;
    weir_redis *redis = weir_redis_open(c, .url = p->base, .depth = 4, .dial_timeout = weir_sec(1),
                                        .answer_timeout = weir_sec(2), .pool = {.max_open = 2});
    weir_err err = weir_redis_err(redis);
    if (err < 0)
        return err;
    WEIR_SCOPE(calls, c);
    err = e->run(calls, redis);
    (void)weir_ctx_close(calls);
    if (weir_yield(c) == WEIR_OK)
        (void)!weir_sleep(c, weir_sec(6)); /* answers that nobody waits for have come */
    weir_redis_numbers(redis, &stats);
    MUST(stats.in_flight == 0 && stats.abandoned == 0);
    if (stats.down == 0)
        weir__pool_each(must_be_even, NULL);
    return err;
}

static weir_err run_redis_errand(weir_ctx *c, void *arg)
{
    struct peer p = {.number = 0};
    weir_time begin = weir_now();
    WEIR_SCOPE(peer, c);
    weir_err err = start_redis(peer, &p);
    WEIR_SCOPE(mine, c, .timeout = weir_sec(25));
    if (err == WEIR_OK)
        err = run_with_redis(mine, arg, &p);
    (void)weir_ctx_close(mine);
    (void)weir_ctx_close(peer);
    MUST(weir_time_sub(weir_now(), begin).ns < weir_sec(20).ns);
    return err;
}

static weir_err must_be_hello(weir_err err, const weir_redis_value *v)
{
    MUST(err != WEIR_OK || (weir_redis_is_text(v) && weir_str_eq(v->u.s, WEIR_S("hello"))));
    return err;
}

static weir_err get_twice(weir_ctx *c, weir_redis *redis)
{
    weir_err err = WEIR_OK;
    for (int i = 0; i < 2 && err == WEIR_OK; i++) {
        WEIR_WITH(request, c, .timeout = weir_sec(5)) {
            weir_redis_value v;
            err = weir_redis_cmd(request, redis, &v, "GET", "k");
            err = must_be_hello(err, &v);
        }
    }
    return err;
}

static weir_err get_one(weir_ctx *c, void *arg)
{
    weir_str text;
    weir_err err = weir_redis_get(c, arg, "k", &text);
    MUST(err != WEIR_OK || weir_str_eq(text, WEIR_S("hello")));
    return err;
}

/* More than the connection carries at a time. */
static weir_err get_together(weir_ctx *c, weir_redis *redis)
{
    weir_err err = WEIR_OK;
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 5 && err == WEIR_OK; i++)
        err = WEIR_GO(group, get_one, redis);
    weir_err joined = weir_join(group);
    (void)weir_ctx_close(group);
    return err < 0 ? err : joined;
}

static weir_err pop(weir_ctx *c, weir_redis *redis)
{
    weir_redis_value v;
    weir_err err = weir_redis_cmd(c, redis, &v, "BLPOP", "q", 0);
    MUST(err != WEIR_OK || v.u.list.len == 2);
    return err == WEIR_OK ? must_be_hello(err, &v.u.list.items[1]) : err;
}

static weir_err transact(weir_ctx *c, weir_redis *redis)
{
    weir_redis_value v;
    weir_redis_pipe *tx = weir_redis_multi(c, redis);
    (void)weir_redis_watch(tx, "k");
    (void)weir_redis_look(tx, &v, "GET", "k");
    (void)weir_redis_add(tx, "INCR", "a");
    (void)weir_redis_add(tx, "INCR", "b");
    weir_err err = weir_redis_run(tx);
    const weir_redis_value *first = weir_redis_next(tx), *second = weir_redis_next(tx);
    MUST((err == WEIR_OK) == (second != NULL));
    MUST(err != WEIR_OK || (first->u.i == 1 && second->u.i == 2));
    return err;
}

static weir_err forget(weir_ctx *c, weir_redis *redis)
{
    weir_redis_pipe *tx = weir_redis_multi(c, redis);
    (void)weir_redis_add(tx, "INCR", "a");
    return weir_redis_watch(weir_redis_multi(c, redis), "k");
}

static weir_err evaluate(weir_ctx *c, weir_redis *redis)
{
    weir_redis_value v;
    weir_err err = weir_redis_eval(c, redis, &v, "return 'hello'", 0, 1);
    return must_be_hello(err, &v);
}

static weir_err hear(weir_ctx *c, weir_redis *redis)
{
    weir_redis_message m;
    weir_redis_subscription *s = weir_redis_subscribe(c, redis, "c");
    weir_err err = WEIR_OK;
    WEIR_WITH(soon, c, .timeout = weir_sec(5)) {
        do {
            err = weir_redis_recv(soon, s, &m);
        } while (err == WEIR_OK && m.payload.ptr == NULL); /* a gap */
        MUST(err != WEIR_OK || weir_str_eq(m.payload, WEIR_S("hello")));
    }
    weir_redis_unsubscribe(c, s);
    return err;
}

static weir_err consume(weir_ctx *c, weir_redis *redis)
{
    weir_redis_entry e;
    weir_redis_consumer *s = weir_redis_consume(c, redis, "s", .group = "g", .consumer = "me");
    weir_err err = weir_redis_consumer_next(s, &e);
    if (err != WEIR_OK)
        return err;
    MUST(weir_str_eq(e.id, WEIR_S("1-1")));
    return weir_redis_ack(s, e.id);
}

/* --- behind a cache --------------------------------------------------------------------------- */

/* The client and the cache are the application's, and made before what is tried. */
struct shared {
    weir_cache *cache;
    int loading; /* at a time; more than one must not be */
};

static weir_err load(weir_ctx *c, weir_str key, void *out, void *arg)
{
    struct shared *s = arg;
    (void)key;
    MUST(s->loading == 0);
    s->loading++;
    weir_err err = weir_sleep(c, weir_ms(1));
    s->loading--;
    *(int64_t *)out = 7;
    return err;
}

static weir_err ask(weir_ctx *c, void *arg)
{
    struct shared *s = arg;
    int64_t n;
    weir_err err = weir_cache_get(c, s->cache, WEIR_S("k"), int64_t, &n, load, s);
    MUST(err != WEIR_OK || n == 7);
    return err;
}

/* Whatever becomes of Redis the value is had, by one load; what it was not told it is owed. */
static weir_err use_shared(weir_ctx *c, struct shared *s)
{
    weir_cache_stats n;
    weir_err err = WEIR_OK;
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 2 && err == WEIR_OK; i++)
        err = WEIR_GO(group, ask, s);
    weir_err joined = weir_join(group);
    (void)weir_ctx_close(group);
    weir_err removed = weir_cache_remove(c, s->cache, WEIR_S("k"));
    weir_cache_numbers(s->cache, &n);
    MUST(n.entries == 0 && n.second_owed <= 1 && n.pinned_bytes == 0);
    MUST(removed == WEIR_OK || n.second_owed == 1);
    (void)!weir_sleep(c, weir_sec(3));
    weir_err again = ask(c, s);
    return err < 0 ? err : joined < 0 ? joined : removed < 0 ? removed : again;
}

/*
 * The client outlives the run, and whoever tries to reach a server that was cancelled would try for
 * ever: he finds another one.
 */
static void stop_probing(weir_ctx *app, weir_redis *handle)
{
    weir_redis *redis = weir__redis_of(handle, __func__);
    struct peer p = {.number = 0};
    if (redis->err != WEIR_OK || !weir__redis_seat(redis)->is_down)
        return;
    WEIR_SCOPE(peer, app);
    MUST(start_redis(peer, &p) == WEIR_OK);
    redis->port = (uint16_t)p.number;
    (void)!weir_sleep(app, weir_sec(6));
    MUST(!weir__redis_seat(redis)->is_down);
    (void)weir_ctx_close(peer);
}

static weir_err run_shared(weir_ctx *c, void *arg)
{
    struct peer p = {.answer = ":1\r\n"};
    struct shared s = {.loading = 0};
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    (void)arg;
    WEIR_SCOPE(peer, c);
    weir_err err = start_redis(peer, &p);
    s.cache = weir_cache_new(app, .name = "numbers", .entries_max = 100, .bytes_max = 64 << 10,
                             .ttl = weir_min(1));
    weir_redis *redis = weir_redis_open(app, .url = p.base, .dial_timeout = weir_sec(1),
                                        .answer_timeout = weir_sec(2));
    weir_err shared = weir_cache_share(app, s.cache, redis, .space = "tests");
    weir_error_clear(app);
    if (err == WEIR_OK && shared == WEIR_OK) {
        WEIR_SCOPE(mine, c, .timeout = weir_sec(25));
        err = use_shared(mine, &s);
        (void)weir_ctx_close(mine);
    }
    stop_probing(app, redis);
    (void)weir_ctx_close(peer);
    MUST(s.loading == 0);
    return err < 0 ? err : shared;
}

static void shared_caches_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(run_shared, NULL, .waits = 8, .allocations = 20, .calls = 10, .orders = 1);
}

/* --- the tests -------------------------------------------------------------------------------- */

#define TRIED(fn, leaves, ...)                                                                     \
    do {                                                                                           \
        static const struct redis_errand e_ = {fn};                                                \
        check(#fn,                                                                                 \
              weir_test_everywhere(.name = #fn, .run = run_redis_errand,                           \
                                   .arg = (void *)(uintptr_t)&e_, .leaves_open = (leaves)),        \
              (struct least){__VA_ARGS__});                                                        \
    } while (0)
#define ERRAND(fn, ...) TRIED(fn, false, __VA_ARGS__)
#define FORGETS(fn, ...) TRIED(fn, true, __VA_ARGS__) /* and that is reported */

static void commands_everywhere(void **state)
{
    (void)state;
    ERRAND(get_twice, .waits = 4, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND(get_together, .waits = 6, .allocations = 10, .calls = 10, .refusals = 1, .orders = 1);
    ERRAND(pop, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND(evaluate, .waits = 4, .allocations = 10, .calls = 10);
}

static void transactions_everywhere(void **state)
{
    (void)state;
    ERRAND(transact, .waits = 4, .allocations = 10, .calls = 10);
    FORGETS(forget, .waits = 3, .allocations = 10, .calls = 10);
}

static void messages_everywhere(void **state)
{
    (void)state;
    ERRAND(hear, .waits = 4, .allocations = 10, .calls = 10);
    ERRAND(consume, .waits = 4, .allocations = 10, .calls = 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_everywhere),
        cmocka_unit_test(transactions_everywhere),
        cmocka_unit_test(messages_everywhere),
        cmocka_unit_test(shared_caches_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
