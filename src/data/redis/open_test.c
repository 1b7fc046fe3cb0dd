/*
 * Making clients and connections: options with all their mistakes at once, what an URL says, the
 * greeting of either version, and a server that cannot be reached.
 */
#include "data/redis/testing.h"

#include "base/alloc.h"
#include "base/metric.h"
#include "base/metric_testing.h"

static void refuse(weir_ctx *c, weir_redis *redis, const char *const *parts)
{
    weir_redis_value v;
    assert_int_equal(weir_redis_err(redis), WEIR_EINVALID);
    const weir_error *e = weir_last_error(c);
    assert_non_null(e);
    for (; *parts != NULL; parts++)
        if (strstr(e->message.ptr, *parts) == NULL)
            fail_msg("\"%s\" is not in: %s", *parts, e->message.ptr);
    assert_null(strstr(e->message.ptr, "hush"));
    weir_error_clear(c);
    assert_int_equal(weir_redis_cmd(c, redis, &v, "PING"), WEIR_EINVALID);
}

static weir_err checks(weir_ctx *c, void *arg)
{
    (void)arg;
    static const char *const numbers[] = {
        "redis shop: its url begins neither with redis:// nor rediss:// nor unix:",
        "client_name has a blank",
        "it has a user without a password",
        "depth is 65537; allowed: 1 to 65536",
        "connections is 17; allowed: 1 to 16",
        "dial_timeout is 5 ns; allowed: 1 ms to 10 min",
        "answer_timeout is 2 h",
        "reply_bytes_max is 5; allowed: 64 to 1073741824",
        "reply_items_max is 100000001",
        "command_bytes_max is 1; allowed",
        "db is 65536; allowed: 0 to 65535",
        "protocol is none of",
        "max_open is 20000; allowed: 1 to 10000",
        NULL,
    };
    refuse(c,
           weir_redis_open(c, .url = "http://:hush@x", .name = "shop", .client_name = "a b",
                           .user = "u", .depth = 65537, .connections = 17,
                           .dial_timeout = weir_ns(5), .answer_timeout = weir_hour(2),
                           .reply_bytes_max = 5, .reply_items_max = 100000001,
                           .command_bytes_max = 1, .db = 65536, .protocol = (weir_redis_protocol)7,
                           .pool = {.max_open = 20000}),
           numbers);
    static const char *const none[] = {"it has no url", NULL};
    refuse(c, weir_redis_open(c, .name = "x"), none);
    static const char *const host[] = {"its url has no host", NULL};
    refuse(c, weir_redis_open(c, .url = "redis://:hush@:6379"), host);
    refuse(c, weir_redis_open(c, .url = "redis://:hush@host:70000"), host);
    static const char *const db[] = {"no number of a database", NULL};
    refuse(c, weir_redis_open(c, .url = "redis://:hush@host/x"), db);
    refuse(c, weir_redis_open(c, .url = "redis://:hush@host/65536"), db);
    static const char *const escape[] = {"a user or password with a %", NULL};
    refuse(c, weir_redis_open(c, .url = "redis://:hush%4@host"), escape);
    static const char *const query[] = {"has a query", NULL};
    refuse(c, weir_redis_open(c, .url = "redis://:hush@host/0?x=1"), query);
    static const char *const path[] = {"a path that is empty", NULL};
    refuse(c, weir_redis_open(c, .url = "unix:"), path);
    return WEIR_OK;
}

static void all_mistakes_are_told_at_once(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(checks, NULL), WEIR_OK);
}

static weir_err names(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_redis *redis = weir_redis_open(c, .url = "redis://u:hush@[::1]:7000/3");
    assert_string_equal(weir_redis_name(redis), "::1:7000");
    const weir_redis *inside = weir__redis_of(redis, "the test");
    assert_string_equal(inside->o.user, "u");
    assert_string_equal(inside->o.password, "hush");
    assert_int_equal(inside->o.db, 3);
    redis = weir_redis_open(c, .url = "redis://:a%40b%3Ac@host");
    inside = weir__redis_of(redis, "the test");
    assert_string_equal(inside->o.password, "a@b:c");
    assert_null(inside->o.user);
    assert_int_equal(inside->port, 6379);
    redis = weir_redis_open(c, .url = "unix:/run/redis.sock");
    assert_string_equal(weir_redis_name(redis), "unix:/run/redis.sock");
    return WEIR_OK;
}

static void urls_are_read(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(names, NULL), WEIR_OK);
}

/* --- greetings -------------------------------------------------------------------------------- */

struct greeting {
    const char *hello, *user, *password;
    uint32_t db;
    weir_redis_protocol protocol;
    const char *log;
    weir_err err;
    const char *told;
};

static weir_err greets(weir_ctx *c, void *arg)
{
    const struct greeting *g = arg;
    static const struct redis_step pong = {.answer = "+PONG\r\n"};
    struct redis_peer p;
    WEIR_SCOPE(around, c);
    assert_int_equal(redis_peer_open(around, &p, &pong, 1), WEIR_OK);
    p.hello = g->hello;
    WEIR_SCOPE(client, c);
    weir_redis *redis =
        weir_redis_open(client, .url = p.url, .user = g->user, .db = g->db, .password = g->password,
                        .client_name = "tester", .protocol = g->protocol);
    assert_int_equal(weir_redis_cmd(client, redis, NULL, "PING"), g->err);
    if (g->err != WEIR_OK)
        assert_told(client, g->err, g->told);
    assert_logged(&p, g->log);
    (void)weir_ctx_close(client);
    (void)weir_ctx_close(around);
    return WEIR_OK;
}

#define UNKNOWN "-ERR unknown command `HELLO`, with args beginning with:\r\n"

static void either_version_is_greeted(void **state)
{
    (void)state;
    struct greeting all[] = {
        {.log = "HELLO 3 SETNAME tester\nPING\n"},
        {.db = 2,
         .password = "hush",
         .log = "HELLO 3 AUTH default hush SETNAME tester\nSELECT 2\nPING\n"},
        {.user = "ada", .password = "hush", .log = "HELLO 3 AUTH ada hush SETNAME tester\nPING\n"},
        {.hello = UNKNOWN,
         .password = "hush",
         .db = 2,
         .log = "HELLO 3 AUTH default hush SETNAME tester\nAUTH hush\nCLIENT SETNAME tester\n"
                "SELECT 2\nPING\n"},
        {.hello = "-NOPROTO unsupported protocol version\r\n",
         .log = "HELLO 3 SETNAME tester\nCLIENT SETNAME tester\nPING\n"},
        {.protocol = WEIR_REDIS_RESP2,
         .user = "ada",
         .password = "hush",
         .log = "AUTH ada hush\nCLIENT SETNAME tester\nPING\n"},
        {.hello = UNKNOWN,
         .protocol = WEIR_REDIS_RESP3,
         .log = "HELLO 3 SETNAME tester\n",
         .err = WEIR_EDB,
         .told = "there is no connection: HELLO: ERR unknown command"},
        {.hello = "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
         .password = "hush",
         .log = "HELLO 3 AUTH default hush SETNAME tester\n",
         .err = WEIR_EDENIED,
         .told = "HELLO: WRONGPASS invalid"},
        {.hello = "HTTP/1.1 400 Bad Request\r\n\r\n",
         .log = "HELLO 3 SETNAME tester\n",
         .err = WEIR_EPROTO,
         .told = "a value begins with a byte that begins none"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_int_equal(weir__sim_run(greets, &all[i]), WEIR_OK);
}

/* --- a server that is away -------------------------------------------------------------------- */

static void is_away(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    weir_redis_stats stats;
    p->refuses = true;
    assert_true(weir_redis_cmd(c, redis, &v, "PING") < 0);
    assert_told(c, -ECONNRESET, "redis test: there is no connection: Connection reset");
    int accepted = p->accepted;
    weir_time begin = weir_now();
    for (int i = 0; i < 100; i++) {
        assert_true(weir_redis_cmd(c, redis, &v, "PING") < 0);
        assert_told(c, WEIR_EUNREACHABLE, "and is tried in the background: Connection reset");
    }
    assert_int_equal(weir_time_sub(weir_now(), begin).ns, 0);
    assert_int_equal(p->accepted, accepted);
    assert_int_equal(weir_sleep(c, weir_sec(30)), WEIR_OK);
    assert_true(p->accepted > accepted + 10 && p->accepted < accepted + 100);
    weir_redis_numbers(redis, &stats);
    assert_int_equal(stats.refused, 100);
    assert_int_equal(stats.down, 1);
    p->refuses = false;
    assert_int_equal(weir_sleep(c, weir_sec(3)), WEIR_OK);
    accepted = p->accepted;
    assert_int_equal(weir_redis_cmd(c, redis, &v, "PING"), WEIR_OK);
    assert_int_equal(p->accepted, accepted); /* the prober's is there */
    weir_redis_numbers(redis, &stats);
    assert_int_equal(stats.down, 0);
    assert_int_equal(stats.connections, 1);
}

static void one_prober_goes_on(void **state)
{
    (void)state;
    PLAY(is_away, SAY("+PONG\r\n"));
}

static void is_deaf(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    p->is_deaf = true;
    weir_time begin = weir_now();
    assert_int_equal(weir_redis_cmd(c, redis, &v, "PING"), WEIR_ETIMEDOUT);
    assert_told(c, WEIR_ETIMEDOUT, "the server does not answer");
    int64_t took = weir_time_sub(weir_now(), begin).ns;
    assert_true(took >= weir_ms(500).ns && took < weir_ms(510).ns);
}

static void a_black_hole_takes_its_time_once(void **state)
{
    (void)state;
    PLAY(is_deaf, SAY("+PONG\r\n"));
}

/* It is greeted, and gone before anybody runs: no connection, and none that stays in the pool. */
static void is_left(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    p->leaves = true;
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "PING"), WEIR_ECLOSED);
    assert_told(c, WEIR_ECLOSED, "there is no connection: the server closed the connection");
    p->leaves = false;
    assert_int_equal(weir_sleep(c, weir_sec(3)), WEIR_OK);
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "PING"), WEIR_OK);
}

static void who_is_greeted_and_gone_is_no_connection(void **state)
{
    (void)state;
    PLAY(is_left, SAY("+PONG\r\n"));
}

/* What greets has no room: nothing is sent on a connection that nobody has logged in on. */
static void has_no_room_to_greet(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    size_t len = 2 * WEIR__REDIS_UNSENT_MAX + 1000;
    char *password = weir_alloc(c, len + 1);
    (void)redis;
    assert_non_null(password);
    memset(password, 'x', len);
    password[len] = '\0';
    weir_redis *own =
        weir_redis_open(c, .url = p->url, .password = password, .command_bytes_max = 64);
    assert_int_equal(weir_redis_cmd(c, own, NULL, "PING"), WEIR_ETOOLARGE);
    assert_told(c, WEIR_ETOOLARGE, "there is no connection: HELLO: ");
    assert_logged(p, "");
}

static void what_greets_is_sent_whole_or_not_at_all(void **state)
{
    (void)state;
    PLAY(has_no_room_to_greet, SAY("+PONG\r\n"));
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void counts(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_stats s;
    struct weir__metrics metrics = {.count = 0};
    weir__redis_metrics(&metrics);
    (void)p;
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "PING"), WEIR_OK);
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "X"), WEIR_EDB);
    weir_error_clear(c);
    weir_redis_numbers(redis, &s);
    assert_int_equal(s.connections, 1);
    assert_int_equal(s.commands, 3);
    assert_int_equal(s.errors, 1);
    assert_int_equal(s.dials, 1);
    assert_true(metric_lines_has(&metrics, "\nweir_redis_commands_total client=test 3\n"));
    assert_true(metric_lines_has(&metrics, "\nweir_redis_dials_total client=test outcome=ok 1 "
                                           "client=test outcome=failed 0\n"));
    assert_true(metric_lines_has(&metrics, "\nweir_redis_connections client=test 1\n"));
}

static void numbers_are_counted(void **state)
{
    (void)state;
    PLAY(counts, SAY("+PONG\r\n"), SAY("-ERR x\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_mistakes_are_told_at_once),
        cmocka_unit_test(urls_are_read),
        cmocka_unit_test(either_version_is_greeted),
        cmocka_unit_test(one_prober_goes_on),
        cmocka_unit_test(a_black_hole_takes_its_time_once),
        cmocka_unit_test(numbers_are_counted),
        cmocka_unit_test(who_is_greeted_and_gone_is_no_connection),
        cmocka_unit_test(what_greets_is_sent_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
