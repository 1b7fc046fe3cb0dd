/*
 * A database of several servers: which of them is asked for what, whatever their order; what a
 * request has written; roles that change, replicas that fall behind, servers that are gone; and
 * that nothing stays whichever wait is cancelled and whichever allocation fails.
 */
#include "data/postgres/testing.h"

#include "base/alloc.h"
#include "data/sql/nodes.h"
#include "rt/wait.h"

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

enum { SERVERS = 3 };

struct cluster {
    struct pg_server s[SERVERS];
    weir_ctx *peers[SERVERS];
    char url[400];
    const char *more; /* parameters */
    weir_nodes_options nodes;
    bool is_lazy, has_failed; /* it is not to be opened */
    void (*body)(weir_ctx *c, struct cluster *k, weir_db *db);
    int before[SERVERS];
};

static void name_servers(struct cluster *k)
{
    int n = snprintf(k->url, sizeof k->url, "postgres://bob:secret@");
    for (int i = 0; i < SERVERS; i++)
        n += snprintf(k->url + n, sizeof k->url - (size_t)n, "%s127.0.0.1:%d", i > 0 ? "," : "",
                      k->s[i].number);
    snprintf(k->url + n, sizeof k->url - (size_t)n, "/shop?sslmode=disable%s",
             k->more != NULL ? k->more : "");
}

static weir_err play(weir_ctx *c, void *arg)
{
    struct cluster *k = arg;
    WEIR_SCOPE(one, c);
    WEIR_SCOPE(two, c);
    WEIR_SCOPE(three, c);
    weir_ctx *peers[] = {one, two, three};
    for (int i = 0; i < SERVERS; i++) {
        k->peers[i] = peers[i];
        pg_start(peers[i], &k->s[i]);
    }
    name_servers(k);
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app); /* requests are not below it */
    weir_db *db = weir_postgres_open(app, .url = k->url, .lazy = k->is_lazy, .nodes = k->nodes,
                                     .pool = {.max_open = 4}, .connect_timeout = weir_sec(1));
    if (!k->has_failed && weir_db_err(db) < 0)
        fail_msg("%s", weir_last_error(app)->message.ptr);
    k->body(c, k, db);
    for (int i = 0; i < SERVERS; i++)
        (void)weir_ctx_close(peers[i]);
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(k->s[i].open, 0);
    return WEIR_OK;
}

/* The second one is the primary. */
static struct cluster cluster(void (*body)(weir_ctx *c, struct cluster *k, weir_db *db))
{
    return (struct cluster){.s[0].follows = true,
                            .s[2].follows = true,
                            .nodes = {.lag_max = weir_sec(1), .probe_interval = weir_sec(1)},
                            .body = body};
}

/* --- requests --------------------------------------------------------------------------------- */

static void note(struct cluster *k)
{
    for (int i = 0; i < SERVERS; i++)
        k->before[i] = k->s[i].statements;
}

/* Statements of each since the last note. */
static void assert_asked(const struct cluster *k, bool one, bool two, bool three)
{
    const bool wanted[] = {one, two, three};
    for (int i = 0; i < SERVERS; i++) {
        int n = k->s[i].statements - k->before[i];
        if ((n > 0) != wanted[i])
            fail_msg("server %d was asked %d times", i, n);
    }
}

static struct weir__ctx *begin_request(void)
{
    struct weir__ctx *r = weir__ctx_new(weir__self->root, weir_never(), 0, WEIR_HERE);
    assert_non_null(r);
    return r;
}

static weir_err read_in(weir_ctx *c, weir_db *db)
{
    int64_t n;
    return weir_query_one(c, db, int64_t, &n, "SELECT n FROM rows(1)");
}

/* So many, each of a request of its own. The last one's error. */
static weir_err read_often(weir_db *db, int count)
{
    weir_err err = WEIR_OK;
    for (int i = 0; i < count; i++) {
        struct weir__ctx *r = begin_request();
        err = read_in(weir__ctx_handle(r), db);
        weir__ctx_end(r);
    }
    return err;
}

static weir_err write_once(weir_db *db)
{
    struct weir__ctx *r = begin_request();
    weir_err err = weir_db_exec(weir__ctx_handle(r), db, NULL, "INSERT 1");
    weir__ctx_end(r);
    return err;
}

static void sleep_for(weir_ctx *c, int64_t ms)
{
    assert_int_equal(weir_sleep(c, weir_ms(ms)), WEIR_OK);
}

/* --- who is asked for what -------------------------------------------------------------------- */

static void read_in_a_tx(weir_db *db, weir_isolation isolation)
{
    struct weir__ctx *r = begin_request();
    weir_ctx *c = weir__ctx_handle(r);
    int64_t n;
    weir_tx *tx = weir_begin(c, db, .read_only = true, .isolation = isolation);
    assert_int_equal(weir_query_one(c, tx, int64_t, &n, "SELECT n FROM rows(1)"), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    weir__ctx_end(r);
}

static void asks(weir_ctx *c, struct cluster *k, weir_db *db)
{
    weir_pool_stats readers, writer;
    (void)c;
    note(k);
    for (int i = 0; i < 10; i++)
        assert_int_equal(write_once(db), WEIR_OK);
    assert_asked(k, false, true, false);
    note(k);
    assert_int_equal(read_often(db, 20), WEIR_OK);
    assert_asked(k, true, false, true);
    for (int i = 0; i < SERVERS; i += 2)
        assert_int_equal(k->s[i].statements - k->before[i], 10);
    note(k);
    for (int i = 0; i < 4; i++)
        read_in_a_tx(db, WEIR_REPEATABLE_READ);
    assert_asked(k, true, false, true);
    note(k);
    for (int i = 0; i < 4; i++) /* which a standby has not */
        read_in_a_tx(db, WEIR_SERIALIZABLE);
    assert_asked(k, false, true, false);
    weir_db_stats(db, &readers, &writer);
    assert_int_equal(writer.open, k->s[1].open);
    assert_int_equal(readers.open, k->s[0].open + k->s[2].open);
    assert_int_equal(readers.in_use + writer.in_use, 0);
    assert_string_equal(readers.name, "shop");
}

static void test_the_primary_is_found_by_asking(void **state)
{
    (void)state;
    struct cluster k = cluster(asks);
    SIM(play, &k);
    k = cluster(asks);
    k.is_lazy = true; /* the first write waits until it is known who takes it */
    SIM(play, &k);
}

static void asks_the_primary_alone(weir_ctx *c, struct cluster *k, weir_db *db)
{
    (void)c;
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_asked(k, false, true, false);
}

static void asks_all(weir_ctx *c, struct cluster *k, weir_db *db)
{
    (void)c;
    note(k);
    assert_int_equal(read_often(db, 12), WEIR_OK);
    assert_asked(k, true, true, true);
}

static void test_where_reads_go_may_be_said(void **state)
{
    (void)state;
    struct cluster k = cluster(asks_the_primary_alone);
    k.more = "&target_session_attrs=read-write";
    SIM(play, &k);
    k = cluster(asks_the_primary_alone);
    k.nodes.reads = WEIR_READS_PRIMARY;
    SIM(play, &k);
    k = cluster(asks_all);
    k.nodes.reads = WEIR_READS_ALL;
    SIM(play, &k);
}

/* --- what a request has written --------------------------------------------------------------- */

static weir_err read_as_part(weir_ctx *c, void *arg)
{
    return read_in(c, arg);
}

static void reads_its_writes(weir_ctx *c, struct cluster *k, weir_db *db)
{
    struct weir__ctx *writer = begin_request(), *other = begin_request();
    weir_ctx *w = weir__ctx_handle(writer);
    WEIR_SCOPE(part, w);
    weir_tx *tx = weir_begin(part, db); /* which the whole request knows of */
    assert_int_equal(weir_exec(tx, "INSERT 1"), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    (void)weir_ctx_close(part);
    note(k);
    for (int i = 0; i < 6; i++)
        assert_int_equal(read_in(w, db), WEIR_OK);
    WEIR_SCOPE(group, w);
    for (int i = 0; i < 4; i++)
        assert_int_equal(WEIR_GO(group, read_as_part, db), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_asked(k, false, true, false);
    note(k);
    for (int i = 0; i < 6; i++) /* meanwhile, beside it */
        assert_int_equal(read_in(weir__ctx_handle(other), db), WEIR_OK);
    assert_asked(k, true, false, true);
    note(k);
    sleep_for(c, 62000); /* what lives on does not stay with the primary for ever */
    for (int i = 0; i < 6; i++)
        assert_int_equal(read_in(w, db), WEIR_OK);
    assert_asked(k, true, false, true);
    weir__ctx_end(writer);
    weir__ctx_end(other);
}

/* At the start: a schema that requests must find. */
static void reads_what_the_application_wrote(weir_ctx *c, struct cluster *k, weir_db *db)
{
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    assert_int_equal(weir_db_exec(app, db, NULL, "INSERT 1"), WEIR_OK);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_int_equal(read_in(app, db), WEIR_OK);
    assert_asked(k, false, true, false);
    sleep_for(c, 1100);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_asked(k, true, false, true);
}

static void test_all_read_what_the_application_wrote(void **state)
{
    (void)state;
    struct cluster k = cluster(reads_what_the_application_wrote);
    SIM(play, &k);
}

static void test_a_request_reads_its_writes(void **state)
{
    (void)state;
    struct cluster k = cluster(reads_its_writes);
    SIM(play, &k);
}

/* --- replicas that are behind, or away -------------------------------------------------------- */

static void leaves_out(weir_ctx *c, struct cluster *k, weir_db *db)
{
    k->s[0].lag_ms = 1500;
    sleep_for(c, 2000);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_asked(k, false, false, true);
    k->s[2].lag_ms = -1; /* it does not know */
    sleep_for(c, 2000);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_asked(k, false, true, false);
    k->s[0].lag_ms = 900;
    sleep_for(c, 2000);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_asked(k, true, false, false);
}

static void test_who_is_behind_gets_no_reads(void **state)
{
    (void)state;
    struct cluster k = cluster(leaves_out);
    SIM(play, &k);
}

static void kill_server(weir_ctx *c, struct cluster *k, int i)
{
    weir_cancel(k->peers[i]);
    for (int n = 0; k->s[i].open > 0 || !k->s[i].is_over; n++) {
        assert_true(n < 100);
        sleep_for(c, 1);
    }
}

static void loses_replicas(weir_ctx *c, struct cluster *k, weir_db *db)
{
    kill_server(c, k, 0);
    for (int i = 0; i < 10; i++) /* nobody notices: nothing was sent */
        assert_int_equal(read_often(db, 1), WEIR_OK);
    kill_server(c, k, 2);
    note(k);
    assert_int_equal(read_often(db, 10), WEIR_OK);
    assert_asked(k, false, true, false);
    assert_int_equal(write_once(db), WEIR_OK);
}

static void test_without_replicas_the_primary_reads(void **state)
{
    (void)state;
    struct cluster k = cluster(loses_replicas);
    SIM(play, &k);
}

/* --- roles that change ------------------------------------------------------------------------ */

static void assert_refused_at_once(weir_db *db)
{
    struct weir__ctx *r = begin_request();
    weir_ctx *c = weir__ctx_handle(r);
    weir_time before = weir_now();
    assert_int_equal(weir_db_exec(c, db, NULL, "INSERT 1"), WEIR_EUNREACHABLE);
    assert_int_equal(weir_now().ns, before.ns);
    const weir_error *e = weir_last_error(c);
    assert_string_equal(e->message.ptr, "database shop: no primary is up, of 3 nodes");
    assert_int_equal(e->status, 503);
    weir__ctx_end(r);
}

static void fails_over(weir_ctx *c, struct cluster *k, weir_db *db)
{
    assert_int_equal(write_once(db), WEIR_OK);
    kill_server(c, k, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(write_once(db), WEIR_EUNREACHABLE);
    assert_refused_at_once(db);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_asked(k, true, false, true);
    k->s[0].lag_ms = k->s[2].lag_ms = 50000; /* nothing is fresher than they are */
    sleep_for(c, 2000);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    k->s[2].follows = false;
    sleep_for(c, 300); /* while nobody is the primary they are asked often */
    note(k);
    assert_int_equal(write_once(db), WEIR_OK);
    assert_asked(k, false, false, true);
    k->s[0].lag_ms = 0;
    sleep_for(c, 2000);
    note(k);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_asked(k, true, false, false);
}

static void test_a_failover_is_followed(void **state)
{
    (void)state;
    struct cluster k = cluster(fails_over);
    SIM(play, &k);
}

/* The old primary answers as ever, and refuses to write: one write fails, and tells. */
static void switches_over(weir_ctx *c, struct cluster *k, weir_db *db)
{
    assert_int_equal(write_once(db), WEIR_OK);
    int accepted = k->s[1].accepted, probes = k->s[2].probes;
    k->s[1].follows = true;
    k->s[2].follows = false;
    assert_int_equal(write_once(db), WEIR_EREADONLY);
    sleep_for(c, 5);
    assert_int_equal(k->s[2].probes, probes + 1);
    note(k);
    assert_int_equal(write_once(db), WEIR_OK);
    assert_asked(k, false, false, true);
    note(k);
    assert_int_equal(read_often(db, 10), WEIR_OK);
    assert_asked(k, true, true, false);
    assert_true(k->s[1].accepted > accepted); /* nothing that was opened to the primary is lent */
}

static void test_who_refuses_a_write_is_asked_at_once(void **state)
{
    (void)state;
    struct cluster k = cluster(switches_over);
    SIM(play, &k);
}

/* A read that writes, by a function of its own, says nothing of the replica. */
static void reads_and_fails(weir_ctx *c, struct cluster *k, weir_db *db)
{
    struct weir__ctx *r = begin_request();
    weir_tx *tx = weir_begin(weir__ctx_handle(r), db, .read_only = true);
    assert_int_equal(weir_exec(tx, "INSERT 1"), WEIR_EREADONLY);
    weir_rollback(tx);
    weir__ctx_end(r);
    int accepted = k->s[0].accepted + k->s[2].accepted;
    sleep_for(c, 5);
    assert_int_equal(write_once(db), WEIR_OK);
    assert_int_equal(read_often(db, 6), WEIR_OK);
    assert_int_equal(k->s[0].accepted + k->s[2].accepted, accepted);
}

static void test_what_a_replica_refuses_is_no_failover(void **state)
{
    (void)state;
    struct cluster k = cluster(reads_and_fails);
    SIM(play, &k);
}

/* --- notifications ---------------------------------------------------------------------------- */

static void listens(weir_ctx *c, struct cluster *k, weir_db *db)
{
    weir_postgres_notification n;
    WEIR_SCOPE(all, c, .timeout = weir_sec(20));
    weir_postgres_listener *l = weir_postgres_listen(all, db, "jobs");
    pg_notify(&k->s[1], "jobs", "one");
    assert_int_equal(weir_postgres_listener_next(all, l, &n), WEIR_OK);
    assert_int_equal(n.payload.len, 3);
    k->s[2].follows = false;
    kill_server(c, k, 1);
    assert_int_equal(weir_postgres_listener_next(all, l, &n), WEIR_OK);
    assert_true(n.is_gap);
    pg_notify(&k->s[2], "jobs", "three");
    assert_int_equal(weir_postgres_listener_next(all, l, &n), WEIR_OK);
    assert_int_equal(n.payload.len, 5);
    (void)weir_ctx_close(all);
}

static void test_a_listener_follows_the_primary(void **state)
{
    (void)state;
    struct cluster k = cluster(listens);
    SIM(play, &k);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void opens_with_one(weir_ctx *c, struct cluster *k, weir_db *db)
{
    (void)c;
    (void)k;
    assert_int_equal(read_often(db, 3), WEIR_OK);
    assert_int_equal(write_once(db), WEIR_EUNREACHABLE);
}

static void opens_with_none(weir_ctx *c, struct cluster *k, weir_db *db)
{
    (void)c;
    (void)k;
    assert_int_equal(weir_db_err(db), WEIR_EUNREACHABLE);
    const char *text = weir_last_error(weir__ctx_handle(weir__self->runtime->app))->message.ptr;
    assert_non_null(strstr(text, "database shop: none of 3 nodes answers; 127.0.0.1:"));
    assert_non_null(strstr(text, "GSSAPI"));
    assert_null(strstr(text, "secret"));
}

/* Connections that are shared have one server. */
static weir_err opens_shared(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_db *db =
        weir_postgres_open(c, .url = "postgres://anna@a,b/shop?multiplex=8", .lazy = true);
    assert_int_equal(weir_db_err(db), WEIR_EINVALID);
    assert_non_null(
        strstr(weir_last_error(c)->message.ptr, "multiplex and several hosts do not go together"));
    return WEIR_OK;
}

static void test_those_that_share_have_one_server(void **state)
{
    (void)state;
    SIM(opens_shared, NULL);
}

static void test_one_that_answers_is_enough(void **state)
{
    (void)state;
    struct cluster k = cluster(opens_with_one);
    k.s[0].auth = k.s[1].auth = PG_ODD;
    SIM(play, &k);
    k = cluster(opens_with_none);
    k.has_failed = true;
    for (int i = 0; i < SERVERS; i++)
        k.s[i].auth = PG_ODD;
    SIM(play, &k);
}

/* --- everywhere ------------------------------------------------------------------------------- */

struct plan {
    uint64_t wait, alloc;
    bool is_whole;
};

static weir_err errand(weir_ctx *c, weir_db *db)
{
    weir_err err = weir_db_err(db);
    if (err == WEIR_OK)
        err = read_in(c, db);
    if (err == WEIR_OK)
        err = weir_db_exec(c, db, NULL, "INSERT 1");
    return err == WEIR_OK ? read_in(c, db) : err;
}

static bool are_all_there(const struct cluster *k)
{
    return !k->s[0].is_over && !k->s[1].is_over && !k->s[2].is_over;
}

/* What was refused, or cancelled, was that alone: all is found in the end. */
static void assert_works(weir_ctx *c, weir_db *db)
{
    weir_err err = WEIR_EFAIL;
    for (int i = 0; i < 100 && err != WEIR_OK; i++) {
        sleep_for(c, 100);
        err = weir_db_exec(c, db, NULL, "INSERT 1");
    }
    assert_int_equal(err, WEIR_OK);
    sleep_for(c, 20000);
    struct weir__nodes *n = weir__sql_nodes_policy(weir__sql_db_of(db, __func__)->nodes);
    for (uint32_t i = 0; i < SERVERS; i++) {
        struct weir__node_state s = weir__nodes_state(n, i, weir_now());
        assert_true(s.is_found && s.is_up && s.is_primary == (i == 1));
    }
}

static weir_err run_plan(weir_ctx *c, void *arg)
{
    struct plan *p = arg;
    struct cluster k = cluster(NULL);
    WEIR_SCOPE(peer, c);
    for (int i = 0; i < SERVERS; i++)
        pg_start(peer, &k.s[i]);
    name_servers(&k);
    WEIR_SCOPE(turn, c, .timeout = weir_sec(100));
    uint64_t waits = weir__wait_count();
    weir__alloc_fail_nth(p->alloc);
    weir__wait_cancel_nth(p->wait);
    weir_db *db = weir_postgres_open(turn, .url = k.url, .lazy = true, .nodes = k.nodes,
                                     .pool = {.max_open = 2});
    WEIR_SCOPE(first, turn, .timeout = weir_sec(20));
    weir_err err = errand(first, db);
    weir__alloc_fail_nth(0);
    p->is_whole = err == WEIR_OK && p->wait > weir__wait_count() - waits;
    weir__wait_cancel_nth(0);
    (void)weir_ctx_close(first);
    bool is_usable = weir_db_err(db) == WEIR_OK && weir_cancel_reason(turn) == WEIR_REASON_NONE;
    if (is_usable && are_all_there(&k) && p->wait >= 1000000)
        assert_works(turn, db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(k.s[i].open, 0);
    return WEIR_OK;
}

static void test_cancelled_at_each_wait(void **state)
{
    (void)state;
    struct plan p = {.wait = 0};
    do {
        p = (struct plan){.wait = p.wait + 1};
        SIM(run_plan, &p);
        assert_true(p.wait < 300);
    } while (!p.is_whole);
    assert_true(p.wait > 8);
}

static void test_memory_fails_at_each_allocation(void **state)
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
        cmocka_unit_test(test_the_primary_is_found_by_asking),
        cmocka_unit_test(test_where_reads_go_may_be_said),
        cmocka_unit_test(test_a_request_reads_its_writes),
        cmocka_unit_test(test_all_read_what_the_application_wrote),
        cmocka_unit_test(test_who_is_behind_gets_no_reads),
        cmocka_unit_test(test_without_replicas_the_primary_reads),
        cmocka_unit_test(test_a_failover_is_followed),
        cmocka_unit_test(test_who_refuses_a_write_is_asked_at_once),
        cmocka_unit_test(test_what_a_replica_refuses_is_no_failover),
        cmocka_unit_test(test_a_listener_follows_the_primary),
        cmocka_unit_test(test_one_that_answers_is_enough),
        cmocka_unit_test(test_those_that_share_have_one_server),
        cmocka_unit_test(test_cancelled_at_each_wait),
        cmocka_unit_test(test_memory_fails_at_each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
