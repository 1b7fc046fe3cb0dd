/*
 * The driver against a server in the simulation: what it sends, what it makes of each answer, and
 * that nothing stays whatever is cut, spoilt, cancelled or refused, at whichever place.
 */
#include "data/postgres/testing.h"

#include "base/alloc.h"
#include "rt/wait.h"
#include <weir/batch.h>

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

static weir_db *open_db(weir_ctx *c, const struct pg_server *s, uint32_t max_open)
{
    return weir_postgres_open(c, .url = s->url, .pool = {.max_open = max_open});
}

/* All of a pool's connections, as the server has them too. */
static void assert_agrees(weir_db *db, const struct pg_server *s, uint64_t open)
{
    weir_pool_stats stats;
    weir_db_stats(db, &stats, NULL);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(stats.open, open);
    assert_int_equal(s->open, (int)open);
}

static int64_t sum(weir_ctx *c, weir_db *db, const char *sql, weir_err wanted)
{
    int64_t n, all = 0;
    weir_rows *rows = weir_query(c, db, sql);
    while (weir_rows_next(rows, int64_t, &n))
        all += n;
    assert_int_equal(weir_rows_err(rows), wanted);
    return all;
}

/* --- what is sent ----------------------------------------------------------------------------- */

static weir_err statements(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = *(enum pg_auth *)arg};
    weir_result result;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 2);
    assert_int_equal(weir_db_err(db), WEIR_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sum(turn, db, "SELECT n FROM rows(5)", WEIR_OK), 10);
    assert_int_equal(s.parses, 1); /* prepared once */
    assert_int_equal(sum(turn, db, "SELECT n FROM rows(0)", WEIR_OK), 0);
    assert_int_equal(sum(turn, db, "SELECT n FROM rows(30000)", WEIR_OK), 449985000);
    assert_int_equal(weir_db_exec(turn, db, &result, "INSERT ?, ?", 1, 2), WEIR_OK);
    assert_int_equal(result.changes, 1);
    assert_agrees(db, &s, 1);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    assert_int_equal(s.open, 0);
    assert_int_equal(s.accepted, 1);
    return WEIR_OK;
}

static void test_statements(void **state)
{
    (void)state;
    for (enum pg_auth auth = PG_TRUST; auth <= PG_SCRAM; auth++)
        SIM(statements, &auth);
}

typedef struct {
    int32_t id;
    weir_str name;
} thing;
WEIR_MODEL(thing, (id), (name));

static const thing things[] = {{1, {"a\tb", 3}}, {2, {NULL, 0}}, {3, {"\\", 1}}};

/* A BEGIN goes with the first statement; nothing is said of a transaction without one. */
static weir_err transactions(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 2);
    weir_tx *tx = weir_begin(turn, db);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(s.begins, 0);
    tx = weir_begin(turn, db);
    assert_int_equal(weir_exec(tx, "INSERT ?", 1), WEIR_OK);
    assert_int_equal(s.begins, 1);
    weir_tx *part = weir_begin(turn, tx);
    assert_int_equal(weir_exec(part, "FAIL 23505"), WEIR_EUNIQUE);
    weir_rollback(part);
    assert_int_equal(weir_exec(tx, "INSERT ?", 2), WEIR_OK);
    assert_int_equal(weir_insert(tx, "shop.things", thing, things, 3), WEIR_OK);
    assert_int_equal(weir_changes(tx), 3);
    assert_string_equal(s.copied_to, "COPY \"shop\".\"things\" (\"id\", \"name\") FROM STDIN");
    assert_string_equal(s.copied, "1\ta\\tb\n2\t\\N\n3\t\\\\\n");
    assert_int_equal(weir_commit(tx), WEIR_OK);
    tx = weir_begin(turn, db);
    assert_int_equal(weir_exec(tx, "FAIL 40001"), WEIR_ESERIALIZATION);
    assert_int_equal(weir_commit(tx), WEIR_ESERIALIZATION);
    assert_agrees(db, &s, 1);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_transactions(void **state)
{
    (void)state;
    SIM(transactions, NULL);
}

/* --- errors ----------------------------------------------------------------------------------- */

static weir_err errors(weir_ctx *c, void *arg)
{
    static const struct {
        const char *sql;
        weir_err err;
    } cases[] = {
        {"FAIL 23505", WEIR_EUNIQUE},
        {"FAIL 23503", WEIR_EFOREIGNKEY},
        {"FAIL 23502", WEIR_ENOTNULL},
        {"FAIL 23514", WEIR_ECHECK},
        {"FAIL 23P01", WEIR_ECONSTRAINT},
        {"FAIL 40001", WEIR_ESERIALIZATION},
        {"FAIL 40P01", WEIR_EDBDEADLOCK},
        {"FAIL 25006", WEIR_EREADONLY},
        {"FAIL 53300", WEIR_ETOOMANY},
        {"FAIL 55P03", WEIR_EBUSY},
        {"FAIL 57014", WEIR_ETIMEDOUT},
        {"FAIL 42P01", WEIR_EDB},
        {"SELEC 1", WEIR_EDB},
        {"INSERT 'x", WEIR_EDB},
        {"SET x = 1", WEIR_EDB},
        {"INSERT 1; INSERT 2", WEIR_EDB},
    };
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        WEIR_SCOPE(each, turn);
        assert_int_equal(weir_db_exec(each, db, NULL, cases[i].sql), cases[i].err);
        if (strcmp(cases[i].sql, "FAIL 23505") == 0)
            assert_true(weir_str_eq(weir_last_error(each)->constraint, WEIR_S("users_key")));
        (void)weir_ctx_close(each);
        if (cases[i].err != WEIR_EREADONLY) /* which retires what is open */
            assert_int_equal(sum(turn, db, "SELECT n FROM rows(3)", WEIR_OK), 3);
    }
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    assert_int_equal(s.open, 0);
    return WEIR_OK;
}

static void test_errors(void **state)
{
    (void)state;
    SIM(errors, NULL);
}

/* The server says that it ends, in the middle and at rest: the next one goes elsewhere. */
static weir_err server_ends(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 2);
    WEIR_SCOPE(each, turn);
    assert_int_equal(weir_db_exec(each, db, NULL, "DIE"), WEIR_EGONE);
    (void)weir_ctx_close(each);
    assert_int_equal(sum(turn, db, "SELECT n FROM rows(3)", WEIR_OK), 3);
    assert_agrees(db, &s, 1);
    assert_int_equal(s.accepted, 2);
    for (int i = 0; i < PG_VISITS; i++) {
        if (s.visits[i] != NULL) /* at rest: it is found out before anything is sent */
            weir__sim_shutdown(s.visits[i]->num);
    }
    assert_int_equal(weir_sleep(turn, weir_ms(1)), WEIR_OK); /* so that it is told */
    assert_int_equal(sum(turn, db, "SELECT n FROM rows(3)", WEIR_OK), 3);
    assert_int_equal(s.accepted, 3);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_server_ends(void **state)
{
    (void)state;
    SIM(server_ends, NULL);
}

/* --- what a session keeps --------------------------------------------------------------------- */

/* A setting that the server tells of is reset before somebody else has the connection. */
static weir_err settings(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 1);
    assert_int_equal(weir_db_exec(turn, db, NULL, "TELL"), WEIR_OK);
    assert_int_equal(s.discards, 1);
    for (int i = 1; i <= 2; i++) { /* statements are prepared anew, once */
        assert_int_equal(sum(turn, db, "SELECT n FROM rows(3)", WEIR_OK), 3);
        assert_int_equal(s.parses, 2);
    }
    assert_int_equal(s.discards, 1);
    assert_agrees(db, &s, 1);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_settings(void **state)
{
    (void)state;
    SIM(settings, NULL);
}

/* What the server has forgotten is prepared anew, and nobody notices; in a transaction it fails. */
static weir_err forgotten(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sum(turn, db, "SELECT n FROM rows(3)", WEIR_OK), 3);
        assert_int_equal(weir_exec_script(turn, db, "FORGET"), WEIR_OK);
    }
    WEIR_SCOPE(each, turn);
    weir_tx *tx = weir_begin(each, db);
    assert_int_equal(weir_exec(tx, "INSERT ?", 1), WEIR_OK);
    assert_int_equal(weir_exec(tx, "FORGET"), WEIR_OK);
    assert_int_equal(weir_exec(tx, "INSERT ?", 1), WEIR_EDB);
    assert_int_equal(weir_commit(tx), WEIR_EDB);
    (void)weir_ctx_close(each);
    assert_int_equal(weir_db_exec(turn, db, NULL, "INSERT ?", 1), WEIR_OK);
    assert_agrees(db, &s, 1);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_forgotten(void **state)
{
    (void)state;
    SIM(forgotten, NULL);
}

/* The time that is left goes with the BEGIN, unless the server's own is shorter. */
static weir_err time_that_is_left(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST, .timeout_ms = *(int *)arg};
    (void)c;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 1);
    WEIR_SCOPE(brief, turn, .timeout = weir_sec(3));
    weir_tx *tx = weir_begin(brief, db);
    assert_int_equal(weir_exec(tx, "INSERT ?", 1), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    (void)weir_ctx_close(brief);
    bool is_shorter = s.timeout_ms > 0 && s.timeout_ms < 3000;
    assert_string_equal(s.set_local, is_shorter ? "" : "SET LOCAL statement_timeout = 3020");
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_time_that_is_left(void **state)
{
    (void)state;
    static int timeouts[] = {0, 1000, 60000};
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++)
        SIM(time_that_is_left, &timeouts[i]);
}

/* A row that is too large is an error, and nothing else: it is skipped. */
static weir_err large(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = weir_postgres_open(turn, .url = s.url, .value_bytes_max = 1024);
    for (size_t chop = 0; chop < 3; chop++) {
        weir__sim_chop(chop * 100);
        assert_int_equal(sum(turn, db, "SELECT big", WEIR_ETOOLARGE), 0);
        assert_int_equal(sum(turn, db, "SELECT n FROM rows(3)", WEIR_OK), 3);
    }
    weir__sim_chop(0);
    assert_agrees(db, &s, 1);
    assert_int_equal(s.accepted - s.cancels, 1);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_large(void **state)
{
    (void)state;
    SIM(large, NULL);
}

/* A statement that is too large never leaves, and the BEGIN that was to go with it neither. */
static weir_err large_statement(weir_ctx *c, void *arg)
{
    static char text[100 << 10];
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    memset(text, 'x', sizeof text - 1);
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = weir_postgres_open(turn, .url = s.url, .value_bytes_max = 1024);
    for (int i = 0; i < 2; i++) {
        WEIR_SCOPE(each, turn, .timeout = weir_sec(3));
        weir_tx *tx = weir_begin(each, db);
        assert_int_equal(weir_exec(tx, "INSERT ?", text), WEIR_ETOOLARGE);
        assert_int_equal(weir_commit(tx), WEIR_ETOOLARGE);
        (void)weir_ctx_close(each);
        WEIR_SCOPE(next, turn, .timeout = weir_sec(3));
        tx = weir_begin(next, db);
        assert_int_equal(weir_exec(tx, "INSERT ?", "short"), WEIR_OK);
        assert_int_equal(weir_commit(tx), WEIR_OK);
        (void)weir_ctx_close(next);
    }
    assert_agrees(db, &s, 1);
    assert_int_equal(s.accepted, 1);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_large_statement(void **state)
{
    (void)state;
    SIM(large_statement, NULL);
}

/* --- late ones -------------------------------------------------------------------------------- */

static weir_err late(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 1);
    for (int i = 1; i <= 3; i++) {
        WEIR_SCOPE(each, turn, .timeout = weir_ms(20));
        assert_int_equal(weir_db_exec(each, db, NULL, "SLEEP"), WEIR_ETIMEDOUT);
        (void)weir_ctx_close(each);
        assert_int_equal(s.cancels, i);
        assert_int_equal(sum(turn, db, "SELECT n FROM rows(3)", WEIR_OK), 3);
    }
    assert_int_equal(s.accepted, 1 + 3); /* the cancels' own; the connection has been kept */
    /* Rows that are left in the middle: what has come already is read, more is cancelled. */
    int64_t n;
    for (int count = 2; count <= 30000; count += 29998) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT n FROM rows(%d)", count);
        weir_rows *rows = weir_query(turn, db, sql);
        assert_true(weir_rows_next(rows, int64_t, &n));
        weir_rows_close(rows);
        assert_int_equal(sum(turn, db, "SELECT n FROM rows(3)", WEIR_OK), 3);
    }
    assert_int_equal(s.cancels, 4);
    assert_agrees(db, &s, 1);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_late(void **state)
{
    (void)state;
    SIM(late, NULL);
}

/*
 * A part of a transaction whose statement is late: it is cancelled there, and what was done before
 * the part is kept, on the same connection.
 */
static weir_err late_part(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 1);
    weir_tx *tx = weir_begin(turn, db);
    assert_int_equal(weir_exec(tx, "INSERT ?", 1), WEIR_OK);
    WEIR_SCOPE(each, turn, .timeout = weir_ms(20));
    weir_time begin = weir_now();
    weir_tx *part = weir_begin(each, tx);
    assert_int_equal(weir_exec(part, "SLEEP"), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(each);
    assert_true(weir_time_sub(weir_now(), begin).ns < weir_ms(100).ns);
    assert_int_equal(s.cancels, 1);
    assert_int_equal(weir_exec(tx, "INSERT ?", 2), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(s.accepted, 1 + 1); /* the cancel's own; the connection has been kept */
    assert_agrees(db, &s, 1);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_late_part(void **state)
{
    (void)state;
    SIM(late_part, NULL);
}

/* --- everywhere ------------------------------------------------------------------------------- */

struct plan {
    struct pg_server s;
    size_t chop;
    uint64_t wait, alloc;
    bool is_whole; /* nothing of the plan was met */
};

static weir_err run_batch(weir_ctx *c, weir_db *db)
{
    int32_t one = -1;
    WEIR_ARRAY(int32_t) all = {.len = 0};
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_one(b, int32_t, &one, "SELECT n FROM rows(2)");
    weir_batch_all(b, int32_t, &all, 3, "SELECT n FROM rows(3)");
    weir_err err = weir_batch_run(b);
    if (err < 0)
        return err;
    b = weir_batch_new(c, db);
    weir_batch_exec(b, NULL, "INSERT ?, ?", 1, 2);
    weir_batch_exec(b, NULL, "INSERT ?, ?", 1, 2);
    return weir_batch_run(b);
}

/* A bit of everything. The first error ends it. */
static weir_err errand(weir_ctx *c, weir_db *db)
{
    int64_t n;
    weir_err err = weir_db_err(db);
    if (err == WEIR_OK)
        err = weir_query_one(c, db, int64_t, &n, "SELECT n FROM rows(2)");
    if (err == WEIR_OK)
        err = run_batch(c, db);
    if (err < 0)
        return err;
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "INSERT ?, ?", 1, 2);
    weir_tx *part = weir_begin(c, tx);
    weir_exec(part, "INSERT ?", 3);
    err = weir_commit(part);
    if (err == WEIR_OK)
        err = weir_insert(tx, "shop.things", thing, things, 3);
    if (err == WEIR_OK)
        err = weir_commit(tx);
    else
        weir_rollback(tx);
    if (err < 0)
        return err;
    weir_rows *rows = weir_query(c, db, "SELECT n FROM rows(3000)");
    bool has_row = weir_rows_next(rows, int64_t, &n);
    err = weir_rows_err(rows);
    weir_rows_close(rows);
    if (err < 0 || !has_row)
        return err < 0 ? err : WEIR_EFAIL;
    return weir_exec_script(c, db, "INSERT 1; INSERT 2");
}

/* At once, or when the pool has found out that its server is there again. */
static void assert_works(weir_ctx *c, weir_db *db)
{
    int64_t n = -1;
    for (int i = 0; i < 100; i++) {
        WEIR_SCOPE(each, c);
        weir_err err = weir_query_one(each, db, int64_t, &n, "SELECT n FROM rows(4)");
        (void)weir_ctx_close(each);
        if (err == WEIR_OK)
            break;
        assert_int_equal(err, WEIR_EUNREACHABLE);
        assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    }
    assert_int_equal(n, 0);
}

static weir_err run_plan(weir_ctx *c, void *arg)
{
    struct plan *p = arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &p->s);
    WEIR_SCOPE(turn, c, .timeout = weir_sec(100));
    WEIR_SCOPE(first, turn, .timeout = weir_sec(20));
    uint64_t waits = weir__wait_count();
    weir__sim_chop(p->chop);
    weir__alloc_fail_nth(p->alloc);
    weir__wait_cancel_nth(p->wait);
    weir_db *db = open_db(turn, &p->s, 2);
    weir_err err = errand(first, db);
    weir__alloc_fail_nth(0);
    p->is_whole = err == WEIR_OK && p->wait > weir__wait_count() - waits;
    weir__wait_cancel_nth(0);
    (void)weir_ctx_close(first);
    p->s.cut_at = p->s.spoilt_at = 0;
    p->s.cut_resets = false;
    /* Whatever it was: who comes next finds connections that work. */
    bool is_usable = weir_db_err(db) == WEIR_OK && weir_cancel_reason(turn) == WEIR_REASON_NONE;
    WEIR_SCOPE(next, is_usable ? turn : c, .timeout = weir_sec(60));
    if (!is_usable)
        db = open_db(next, &p->s, 2);
    if (!p->s.is_over) /* it was not the server's own wait */
        assert_works(next, db);
    (void)weir_ctx_close(next);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    weir__sim_chop(0);
    assert_int_equal(p->s.open, 0);
    return WEIR_OK;
}

static void test_any_split_is_the_same(void **state)
{
    (void)state;
    for (size_t chop = 1; chop <= 9; chop++) {
        struct plan p = {.s.auth = PG_SCRAM, .chop = chop, .wait = 1000000};
        SIM(run_plan, &p);
        assert_true(p.is_whole);
    }
}

/* The connection ends behind each byte that the server says. */
static void cut_everywhere(bool hangs, bool resets)
{
    struct plan p = {.s.auth = PG_TRUST, .wait = 1000000};
    SIM(run_plan, &p);
    size_t all = p.s.said;
    assert_true(all > 500);
    for (size_t at = 1; at < 1000; at += hangs ? 7 : 1) {
        p = (struct plan){
            .s = {.auth = PG_TRUST, .cut_at = at, .cut_hangs = hangs, .cut_resets = resets},
            .wait = 1000000};
        SIM(run_plan, &p);
    }
}

static void test_cut_behind_each_byte(void **state)
{
    (void)state;
    cut_everywhere(false, false);
}

static void test_reset_behind_each_byte(void **state)
{
    (void)state;
    cut_everywhere(false, true);
}

static void test_silent_behind_each_byte(void **state)
{
    (void)state;
    cut_everywhere(true, false);
}

/* Each byte becomes another: an error that says so, or an answer; never a wait without an end. */
static void test_each_byte_spoilt(void **state)
{
    (void)state;
    static const uint8_t by[] = {0x01, 0x80, 0xff};
    for (size_t at = 1; at < 1000; at++) {
        struct plan p = {.s = {.auth = PG_TRUST, .spoilt_at = at, .spoilt_by = by[at % 3]},
                         .wait = 1000000};
        SIM(run_plan, &p);
    }
}

static void test_cancelled_at_each_wait(void **state)
{
    (void)state;
    struct plan p = {.wait = 0};
    do {
        p = (struct plan){.s.auth = PG_SCRAM, .wait = p.wait + 1};
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
        p = (struct plan){.s.auth = PG_SCRAM, .wait = 1000000, .alloc = p.alloc + 1};
        SIM(run_plan, &p);
        assert_true(p.alloc < 2000);
    } while (!p.is_whole);
    assert_true(p.alloc > 20);
}

/* --- opening ---------------------------------------------------------------------------------- */

static weir_err refused(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_ODD};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 2);
    assert_int_equal(weir_db_err(db), WEIR_EDB);
    assert_non_null(strstr(weir_last_error(turn)->message.ptr, "GSSAPI"));
    assert_null(strstr(weir_last_error(turn)->message.ptr, "secret"));
    int64_t n;
    assert_int_equal(weir_query_one(turn, db, int64_t, &n, "SELECT n FROM rows(1)"), WEIR_EDB);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_refused(void **state)
{
    (void)state;
    SIM(refused, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_server_ends),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_time_that_is_left),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_large_statement),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_late_part),
        cmocka_unit_test(test_any_split_is_the_same),
        cmocka_unit_test(test_cut_behind_each_byte),
        cmocka_unit_test(test_reset_behind_each_byte),
        cmocka_unit_test(test_silent_behind_each_byte),
        cmocka_unit_test(test_each_byte_spoilt),
        cmocka_unit_test(test_cancelled_at_each_wait),
        cmocka_unit_test(test_memory_fails_at_each_allocation),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
