/* Notifications, against a server in the simulation: what comes, gaps, ends. */
#include "data/postgres/testing.h"

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

static struct pg_server *started(weir_ctx *peer)
{
    static struct pg_server s;
    s = (struct pg_server){.auth = PG_TRUST};
    pg_start(peer, &s);
    return &s;
}

static int listening(const struct pg_server *s)
{
    int n = 0;
    for (int i = 0; i < PG_VISITS; i++)
        n += s->visits[i] != NULL && s->visits[i]->listens;
    return n;
}

static weir_err what_comes(weir_ctx *c, void *arg)
{
    weir_postgres_notification n;
    (void)arg;
    WEIR_SCOPE(peer, c);
    struct pg_server *s = started(peer);
    WEIR_SCOPE(turn, c);
    weir_db *db = weir_postgres_open(turn, .url = s->url);
    weir_postgres_listener *l = weir_postgres_listen(turn, db, "jobs, Users");
    assert_int_equal(listening(s), 1);
    assert_int_equal(s->statements, 2); /* a LISTEN for each */
    pg_notify(s, "jobs", "1");
    pg_notify(s, "jobs", "");
    assert_int_equal(weir_postgres_listener_next(turn, l, &n), WEIR_OK);
    assert_true(weir_str_eq(n.channel, WEIR_S("jobs")) && weir_str_eq(n.payload, WEIR_S("1")));
    assert_int_equal(n.process, 7);
    assert_false(n.is_gap);
    assert_int_equal(weir_postgres_listener_next(turn, l, &n), WEIR_OK);
    assert_int_equal(n.payload.len, 0);
    WEIR_SCOPE(brief, turn, .timeout = weir_ms(10));
    assert_int_equal(weir_postgres_listener_next(brief, l, &n), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(brief);
    pg_notify(s, "users", "2"); /* nothing was lost by that */
    assert_int_equal(weir_postgres_listener_next(turn, l, &n), WEIR_OK);
    assert_true(weir_str_eq(n.payload, WEIR_S("2")));
    weir_postgres_listener_close(turn, l);
    weir_postgres_listener_close(turn, l);
    assert_int_equal(weir_postgres_listener_next(turn, l, &n), WEIR_ECLOSED);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_what_comes(void **state)
{
    (void)state;
    SIM(what_comes, NULL);
}

/* The connection is lost, whichever way: it is made again, and the first thing said is the gap. */
static weir_err gaps(weir_ctx *c, void *arg)
{
    weir_postgres_notification n;
    (void)arg;
    WEIR_SCOPE(peer, c);
    struct pg_server *s = started(peer);
    WEIR_SCOPE(turn, c);
    weir_db *db = weir_postgres_open(turn, .url = s->url);
    weir_postgres_listener *l = weir_postgres_listen(turn, db, "jobs");
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < PG_VISITS; k++) {
            if (s->visits[k] != NULL && s->visits[k]->listens)
                weir__sim_shutdown(s->visits[k]->num);
        }
        assert_int_equal(weir_postgres_listener_next(turn, l, &n), WEIR_OK);
        assert_true(n.is_gap);
        assert_null(n.channel.ptr);
        pg_notify(s, "jobs", "after");
        assert_int_equal(weir_postgres_listener_next(turn, l, &n), WEIR_OK);
        assert_true(weir_str_eq(n.payload, WEIR_S("after")));
        assert_int_equal(listening(s), 1);
    }
    /* It can be left to its owner. */
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    assert_int_equal(s->open, 0);
    return WEIR_OK;
}

static void test_gaps(void **state)
{
    (void)state;
    SIM(gaps, NULL);
}

/* While nobody answers it goes on trying, up to the deadline; what no try can help is an error. */
static weir_err no_server(weir_ctx *c, void *arg)
{
    weir_postgres_notification n;
    (void)arg;
    WEIR_SCOPE(peer, c);
    struct pg_server *s = started(peer);
    WEIR_SCOPE(turn, c);
    weir_db *db = weir_postgres_open(turn, .url = s->url);
    weir_postgres_listener *l = weir_postgres_listen(turn, db, "jobs");
    (void)weir_ctx_close(peer);
    WEIR_SCOPE(brief, turn, .timeout = weir_sec(30));
    assert_int_equal(weir_postgres_listener_next(brief, l, &n), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(brief);
    (void)weir_ctx_close(turn);
    return WEIR_OK;
}

static void test_no_server(void **state)
{
    (void)state;
    SIM(no_server, NULL);
}

static weir_err bad_channels(weir_ctx *c, void *arg)
{
    static const char *const bad[] = {
        "",       "a,", "a\"b", "\"a", ",", "a,,b", "\"\"", "\"a\"b\"", "\"a\";DROP TABLE \"b\"",
        "\"a\"\""};
    weir_postgres_notification n;
    (void)arg;
    WEIR_SCOPE(peer, c);
    struct pg_server *s = started(peer);
    WEIR_SCOPE(turn, c);
    weir_db *db = weir_postgres_open(turn, .url = s->url);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        weir_postgres_listener *l = weir_postgres_listen(turn, db, bad[i]);
        assert_int_equal(weir_postgres_listener_next(turn, l, &n), WEIR_EINVALID);
    }
    assert_int_equal(s->accepted, 1);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_bad_channels(void **state)
{
    (void)state;
    SIM(bad_channels, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_bad_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
