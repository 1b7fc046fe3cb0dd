/*
 * A database of several servers: what they are asked and how they say it, which of them gets what,
 * whom a kill goes to, roles that change and servers that are gone.
 */
#include "data/mysql/testing.h"

#include "base/alloc.h"
#include "data/sql/nodes.h"
#include "rt/wait.h"

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

enum { SERVERS = 3 };

struct cluster {
    struct server s[SERVERS];
    weir_ctx *peers[SERVERS];
    char url[300];
    weir_nodes_options nodes;
    void (*body)(weir_ctx *c, struct cluster *k, weir_db *db);
    int reads[SERVERS], writes[SERVERS];
};

static void start(weir_ctx *c, struct server *s)
{
    s->number = weir__sim_listen();
    assert_int_equal(WEIR_GO(c, server_run, s), WEIR_OK);
    assert_int_equal(weir_yield(c), WEIR_OK);
}

static void name_servers(struct cluster *k)
{
    int n = snprintf(k->url, sizeof k->url, "mysql://anna:secret@");
    for (int i = 0; i < SERVERS; i++)
        n += snprintf(k->url + n, sizeof k->url - (size_t)n, "%s127.0.0.1:%d", i > 0 ? "," : "",
                      k->s[i].number);
    snprintf(k->url + n, sizeof k->url - (size_t)n, "/shop");
}

static weir_err play_cluster(weir_ctx *c, void *arg)
{
    struct cluster *k = arg;
    WEIR_SCOPE(one, c);
    WEIR_SCOPE(two, c);
    WEIR_SCOPE(three, c);
    weir_ctx *peers[] = {one, two, three};
    for (int i = 0; i < SERVERS; i++) {
        k->peers[i] = peers[i];
        start(peers[i], &k->s[i]);
    }
    name_servers(k);
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app); /* requests are not below it */
    weir_db *db = weir_mysql_open(app, .url = k->url, .nodes = k->nodes, .pool = {.max_open = 4});
    if (weir_db_err(db) < 0)
        fail_msg("%s", weir_last_error(app)->message.ptr);
    k->body(c, k, db);
    for (int i = 0; i < SERVERS; i++)
        (void)weir_ctx_close(peers[i]);
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(k->s[i].open, 0);
    return WEIR_OK;
}

/* The last one is the primary. */
static struct cluster cluster(void (*body)(weir_ctx *c, struct cluster *k, weir_db *db))
{
    return (struct cluster){.s = {{.rows = 1, .follows = true, .lag = "0"},
                                  {.rows = 1, .follows = true, .lag = "0", .says_slave = true},
                                  {.rows = 1}},
                            .nodes = {.lag_max = weir_sec(2), .probe_interval = weir_sec(1)},
                            .body = body};
}

/* --- requests --------------------------------------------------------------------------------- */

static struct weir__ctx *begin_request(weir_dur time)
{
    weir_time until = time.ns > 0 ? weir_time_add(weir_now(), time) : weir_never();
    struct weir__ctx *r = weir__ctx_new(weir__self->root, until, 0, WEIR_HERE);
    assert_non_null(r);
    return r;
}

static weir_err read_in(weir_ctx *c, weir_db *db)
{
    row r;
    return weir_query_one(c, db, row, &r, "SELECT id, name FROM users");
}

static weir_err read_often(weir_db *db, int count)
{
    weir_err err = WEIR_OK;
    for (int i = 0; i < count && err == WEIR_OK; i++) {
        struct weir__ctx *r = begin_request(weir_ns(0));
        err = read_in(weir__ctx_handle(r), db);
        weir__ctx_end(r);
    }
    return err;
}

static weir_err write_once(weir_db *db)
{
    struct weir__ctx *r = begin_request(weir_ns(0));
    weir_err err = weir_db_exec(weir__ctx_handle(r), db, NULL, "INSERT INTO users VALUES (1)");
    weir__ctx_end(r);
    return err;
}

static void note(struct cluster *k)
{
    for (int i = 0; i < SERVERS; i++) {
        k->reads[i] = k->s[i].reads;
        k->writes[i] = k->s[i].writes;
    }
}

/* Reads of each since the last note. */
static void assert_read(const struct cluster *k, bool one, bool two, bool three)
{
    const bool wanted[] = {one, two, three};
    for (int i = 0; i < SERVERS; i++) {
        int n = k->s[i].reads - k->reads[i];
        if ((n > 0) != wanted[i])
            fail_msg("%d reads of server %d", n, i);
    }
}

static void sleep_for(weir_ctx *c, int64_t ms)
{
    assert_int_equal(weir_sleep(c, weir_ms(ms)), WEIR_OK);
}

/* --- who is asked for what -------------------------------------------------------------------- */

static void asks(weir_ctx *c, struct cluster *k, weir_db *db)
{
    (void)c;
    note(k);
    for (int i = 0; i < 6; i++)
        assert_int_equal(write_once(db), WEIR_OK);
    assert_int_equal(k->s[0].writes + k->s[1].writes, 0);
    assert_int_equal(read_often(db, 10), WEIR_OK);
    assert_read(k, true, true, false);
    struct weir__ctx *r = begin_request(weir_ns(0));
    weir_ctx *request = weir__ctx_handle(r);
    assert_int_equal(weir_db_exec(request, db, NULL, "INSERT INTO users VALUES (1)"), WEIR_OK);
    note(k);
    for (int i = 0; i < 6; i++)
        assert_int_equal(read_in(request, db), WEIR_OK);
    assert_read(k, false, false, true);
    weir__ctx_end(r);
}

static void the_primary_is_found_by_asking(void **state)
{
    (void)state;
    struct cluster k = cluster(asks);
    SIM(play_cluster, &k);
    k = cluster(asks);
    for (int i = 0; i < SERVERS; i++)
        k.s[i].is_mysql = k.s[i].in_bytes = true;
    SIM(play_cluster, &k);
}

static void leaves_out(weir_ctx *c, struct cluster *k, weir_db *db)
{
    k->s[0].lag = "3";
    sleep_for(c, 2000);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_read(k, false, true, false);
    k->s[1].lag = NULL; /* it does not replicate */
    sleep_for(c, 2000);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_read(k, false, false, true);
    k->s[0].keeps_secret = true;
    k->s[1].lag = "2";
    sleep_for(c, 2000);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_read(k, false, true, false);
    k->s[0].keeps_secret = false;
    k->s[0].lag = "1";
    sleep_for(c, 2000);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_read(k, true, true, false);
}

static void who_is_behind_gets_no_reads(void **state)
{
    (void)state;
    struct cluster k = cluster(leaves_out);
    SIM(play_cluster, &k);
}

/* A statement that is late is killed at the server that it runs on, by another pool each. */
static void kills(weir_ctx *c, struct cluster *k, weir_db *db)
{
    for (int i = 0; i < 4; i++) {
        struct weir__ctx *r = begin_request(weir_ms(50));
        row out;
        assert_int_equal(weir_query_one(weir__ctx_handle(r), db, row, &out, "SELECT SLEEP"),
                         WEIR_ETIMEDOUT);
        weir__ctx_end(r);
        sleep_for(c, 50);
    }
    assert_int_equal(k->s[0].kills, 2);
    assert_int_equal(k->s[1].kills, 2);
    assert_int_equal(k->s[2].kills, 0);
}

static void kills_go_to_the_node(void **state)
{
    (void)state;
    struct cluster k = cluster(kills);
    SIM(play_cluster, &k);
}

/* --- roles that change ------------------------------------------------------------------------ */

static void kill_server(weir_ctx *c, struct cluster *k, int i)
{
    weir_cancel(k->peers[i]);
    for (int n = 0; k->s[i].open > 0 || !k->s[i].is_over; n++) {
        assert_true(n < 100);
        sleep_for(c, 1);
    }
}

static void fails_over(weir_ctx *c, struct cluster *k, weir_db *db)
{
    kill_server(c, k, 2);
    assert_int_equal(write_once(db), WEIR_EUNREACHABLE);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    k->s[1].follows = false;
    sleep_for(c, 1500);
    assert_int_equal(write_once(db), WEIR_OK);
    assert_int_equal(k->s[1].writes, 1);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_read(k, true, false, false);
    kill_server(c, k, 0);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_int_equal(write_once(db), WEIR_OK);
}

static void a_failover_is_followed(void **state)
{
    (void)state;
    struct cluster k = cluster(fails_over);
    SIM(play_cluster, &k);
}

static void switches_over(weir_ctx *c, struct cluster *k, weir_db *db)
{
    assert_int_equal(write_once(db), WEIR_OK);
    int probes = k->s[0].probes;
    k->s[2].follows = true;
    k->s[2].lag = "0";
    k->s[0].follows = false;
    assert_int_equal(write_once(db), WEIR_EREADONLY);
    sleep_for(c, 5);
    assert_int_equal(k->s[0].probes, probes + 1);
    assert_int_equal(write_once(db), WEIR_OK);
    assert_int_equal(k->s[0].writes, 1);
    note(k);
    assert_int_equal(read_often(db, 8), WEIR_OK);
    assert_read(k, false, true, true);
}

static void who_refuses_a_write_is_asked_at_once(void **state)
{
    (void)state;
    struct cluster k = cluster(switches_over);
    SIM(play_cluster, &k);
}

/* --- everywhere ------------------------------------------------------------------------------- */

struct plan {
    uint64_t wait, alloc;
    bool is_whole;
};

static weir_err run_plan(weir_ctx *c, void *arg)
{
    struct plan *p = arg;
    struct cluster k = cluster(NULL);
    WEIR_SCOPE(peer, c);
    for (int i = 0; i < SERVERS; i++)
        start(peer, &k.s[i]);
    name_servers(&k);
    WEIR_SCOPE(turn, c, .timeout = weir_sec(100));
    uint64_t waits = weir__wait_count();
    weir__alloc_fail_nth(p->alloc);
    weir__wait_cancel_nth(p->wait);
    weir_db *db = weir_mysql_open(turn, .url = k.url, .nodes = k.nodes, .pool = {.max_open = 2});
    WEIR_SCOPE(first, turn, .timeout = weir_sec(20));
    weir_err err = weir_db_err(db);
    if (err == WEIR_OK)
        err = read_in(first, db);
    if (err == WEIR_OK)
        err = weir_db_exec(first, db, NULL, "INSERT INTO users VALUES (1)");
    weir__alloc_fail_nth(0);
    p->is_whole = err == WEIR_OK && p->wait > weir__wait_count() - waits;
    weir__wait_cancel_nth(0);
    (void)weir_ctx_close(first);
    bool is_usable = weir_db_err(db) == WEIR_OK && p->wait >= 1000000;
    for (int i = 0; i < 100 && is_usable && err != WEIR_OK; i++) {
        sleep_for(turn, 100);
        err = weir_db_exec(turn, db, NULL, "INSERT INTO users VALUES (1)");
    }
    assert_true(!is_usable || err == WEIR_OK || k.s[2].is_over);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(k.s[i].open, 0);
    return WEIR_OK;
}

static void cancelled_at_each_wait(void **state)
{
    (void)state;
    struct plan p = {.wait = 0};
    do {
        p = (struct plan){.wait = p.wait + 1};
        SIM(run_plan, &p);
        assert_true(p.wait < 400);
    } while (!p.is_whole);
    assert_true(p.wait > 8);
}

static void memory_fails_at_each_allocation(void **state)
{
    (void)state;
    struct plan p = {.alloc = 0};
    do {
        p = (struct plan){.wait = 1000000, .alloc = p.alloc + 1};
        SIM(run_plan, &p);
    } while (p.alloc < 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_primary_is_found_by_asking),
        cmocka_unit_test(who_is_behind_gets_no_reads),
        cmocka_unit_test(kills_go_to_the_node),
        cmocka_unit_test(a_failover_is_followed),
        cmocka_unit_test(who_refuses_a_write_is_asked_at_once),
        cmocka_unit_test(cancelled_at_each_wait),
        cmocka_unit_test(memory_fails_at_each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
