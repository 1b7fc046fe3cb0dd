/*
 * Statements that share connections, against a server in the simulation: whose answer it is, what
 * one does to the others, who is moved on, and that nothing stays whatever fails, at whichever
 * place.
 */
#include "data/postgres/testing.h"

#include "base/alloc.h"
#include "data/postgres/multiplex.h"
#include "rt/wait.h"

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

enum { DEPTH = 8, LATE_MS = 100 };

static weir_db *open_db(weir_ctx *c, const struct pg_server *s, uint32_t depth, uint32_t max_open)
{
    return weir_postgres_open(c, .url = s->url, .pool = {.max_open = 2}, .multiplex = depth,
                              .multiplex_max_open = max_open);
}

/* A query in a fiber of its own, and how it went. */
struct asking {
    weir_db *db;
    int rows;
    const char *sql; /* NULL: so many rows */
    weir_dur within; /* 0: whatever it takes */
    weir_err err;
    int64_t sum;
    weir_dur took;
    bool is_over;
};

static weir_err ask(weir_ctx *parent, void *arg)
{
    struct asking *a = arg;
    WEIR_SCOPE(c, parent, .timeout = a->within);
    char sql[64];
    int64_t n;
    weir_time began = weir_now();
    snprintf(sql, sizeof sql, "SELECT n FROM rows(%d)", a->rows);
    weir_rows *rows = weir_query(c, a->db, a->sql != NULL ? a->sql : sql);
    while (weir_rows_next(rows, int64_t, &n))
        a->sum += n;
    a->err = weir_rows_err(rows);
    a->took = weir_time_sub(weir_now(), began);
    a->is_over = true;
    (void)weir_ctx_close(c);
    return WEIR_OK;
}

static void go_ask(weir_ctx *c, struct asking *a)
{
    assert_int_equal(WEIR_GO(c, ask, a), WEIR_OK);
}

static void assert_sum(const struct asking *a)
{
    assert_true(a->is_over);
    assert_int_equal(a->err, WEIR_OK);
    assert_int_equal(a->sum, (int64_t)a->rows * (a->rows - 1) / 2);
}

static int64_t sum_of(weir_ctx *c, weir_db *db, int rows)
{
    struct asking a = {.db = db, .rows = rows};
    assert_int_equal(ask(c, &a), WEIR_OK);
    assert_sum(&a);
    return a.sum;
}

/* Leases of carriers, and of the pool beside them. */
static void add_leases(const struct weir__shared_stats *s, void *arg)
{
    *(uint64_t *)arg += s->leases;
}

static void assert_even(weir_db *db)
{
    weir_pool_stats stats;
    uint64_t leases = 0;
    weir_db_stats(db, &stats, NULL);
    weir__shared_pool_each(add_leases, &leases);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(leases, 0);
}

static const struct weir__pg_mux_cells *cells(weir_db *handle)
{
    weir_db *db = weir__sql_db_of(handle, "test");
    return &((struct weir__postgres *)db)->mux->seats[0].n;
}

/* --- together --------------------------------------------------------------------------------- */

/* Answers come to who asked, prepared once for all; those of a turn leave together. */
static weir_err together(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    struct asking a[DEPTH];
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, DEPTH, 1);
    for (int round = 0; round < 3; round++) {
        int receives = s.receives;
        WEIR_SCOPE(fibers, turn);
        for (int i = 0; i < DEPTH; i++) {
            a[i] = (struct asking){.db = db, .rows = round == 0 ? 5 : i};
            go_ask(fibers, &a[i]);
        }
        assert_int_equal(weir_join(fibers), WEIR_OK);
        for (int i = 0; i < DEPTH; i++)
            assert_sum(&a[i]);
        (void)weir_ctx_close(fibers);
        if (round == 0)
            assert_int_equal(s.parses, 1);
        if (round == 1)
            assert_int_equal(s.parses, 1 + DEPTH - 1); /* of 5 there was one */
        if (round == 2)
            assert_int_equal(s.receives - receives, 1);
    }
    assert_int_equal(s.accepted, 2); /* the first one, which a transaction would have, and this */
    assert_int_equal(weir__counter_read(&cells(db)->statements), 3 * DEPTH + DEPTH);
    assert_int_equal(weir__gauge_read(&cells(db)->in_flight), 0);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    assert_int_equal(s.open, 0);
    return WEIR_OK;
}

static void test_together(void **state)
{
    (void)state;
    SIM(together, NULL);
}

/* What it is for, and what is not. */
static weir_err kinds(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    weir_result result;
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, DEPTH, 1);
    const struct weir__pg_mux_cells *n = cells(db);
    assert_int_equal(weir_db_exec(turn, db, &result, " INSERT ?, ?", 1, 2), WEIR_OK);
    assert_int_equal(weir__counter_read(&n->statements), 2); /* it and its Parse */
    assert_int_equal(weir_db_exec(turn, db, &result, "VACUUM"), WEIR_OK);
    weir_tx *tx = weir_begin(turn, db);
    assert_int_equal(weir_exec(tx, "INSERT ?", 1), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(weir__counter_read(&n->statements), 2);
    assert_int_equal(s.begins, 1);
    /* A row at a time, while others go on; the rest is thrown away. */
    int64_t x;
    weir_rows *rows = weir_query(turn, db, "SELECT n FROM rows(9)");
    assert_true(weir_rows_next(rows, int64_t, &x));
    assert_int_equal(sum_of(turn, db, 9), 36);
    assert_true(weir_rows_next(rows, int64_t, &x));
    assert_int_equal(x, 1);
    weir_rows_close(rows);
    assert_int_equal(sum_of(turn, db, 9), 36);
    assert_int_equal(s.accepted, 2);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_kinds(void **state)
{
    (void)state;
    SIM(kinds, NULL);
}

/* An error is who has made it's, in a statement and in its Parse. */
static weir_err errors(weir_ctx *c, void *arg)
{
    static const struct {
        const char *sql;
        weir_err err;
    } cases[] = {
        {"SELECT ! FAIL 23505", WEIR_EUNIQUE},
        {"SELECT ! FAIL 42P01", WEIR_EDB},
        {"SELECT ! FAIL 57014", WEIR_ETIMEDOUT},
        {"SELECT ! FAIL 40001", WEIR_ESERIALIZATION},
    };
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, DEPTH, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asking a[] = {{.db = db, .rows = 3},
                             {.db = db, .sql = cases[i].sql},
                             {.db = db, .rows = 4},
                             {.db = db, .sql = cases[i].sql},
                             {.db = db, .rows = 5}};
        WEIR_SCOPE(fibers, turn);
        for (int k = 0; k < 5; k++)
            go_ask(fibers, &a[k]);
        assert_int_equal(weir_join(fibers), WEIR_OK);
        for (int k = 0; k < 5; k++) {
            if (k % 2 == 0)
                assert_sum(&a[k]);
            else
                assert_int_equal(a[k].err, cases[i].err);
        }
        (void)weir_ctx_close(fibers);
    }
    assert_int_equal(s.accepted, 2);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_errors(void **state)
{
    (void)state;
    SIM(errors, NULL);
}

/* --- bounds ----------------------------------------------------------------------------------- */

/* Never more than the depth at a time; the others are in line. */
static weir_err depth(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    struct asking a[40];
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 2, 3);
    WEIR_SCOPE(fibers, turn);
    for (int i = 0; i < 40; i++) {
        a[i] = (struct asking){.db = db, .rows = i};
        go_ask(fibers, &a[i]);
    }
    assert_int_equal(weir_join(fibers), WEIR_OK);
    for (int i = 0; i < 40; i++)
        assert_sum(&a[i]);
    (void)weir_ctx_close(fibers);
    assert_int_equal(s.accepted, 1 + 3);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_depth(void **state)
{
    (void)state;
    SIM(depth, NULL);
}

/*
 * Behind a slow one who was sent before it was late waits; who comes then goes to another. When
 * nobody waits for it any more it is cancelled, and its connection goes.
 */
static weir_err late(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, DEPTH, 2);
    assert_int_equal(sum_of(turn, db, 3), 3);
    struct asking slow = {.db = db, .sql = "SELECT ! SLEEP", .within = weir_ms(900)},
                  behind = {.db = db, .rows = 4, .within = weir_ms(600)},
                  after = {.db = db, .rows = 5};
    WEIR_SCOPE(fibers, turn);
    go_ask(fibers, &slow);
    assert_int_equal(weir_sleep(turn, weir_ms(LATE_MS / 2)), WEIR_OK);
    go_ask(fibers, &behind);
    assert_int_equal(weir_sleep(turn, weir_ms(LATE_MS)), WEIR_OK);
    assert_int_equal(s.accepted, 2);
    go_ask(fibers, &after);
    assert_int_equal(weir_sleep(turn, weir_ms(10)), WEIR_OK);
    assert_sum(&after);
    assert_int_equal(s.accepted, 3);
    assert_false(behind.is_over);
    assert_int_equal(weir_join(fibers), WEIR_OK);
    assert_int_equal(behind.err, WEIR_ETIMEDOUT);
    assert_int_equal(slow.err, WEIR_ETIMEDOUT);
    (void)weir_ctx_close(fibers);
    assert_int_equal(weir_sleep(turn, weir_ms(5)), WEIR_OK);
    assert_int_equal(s.cancels, 1);
    assert_int_equal(weir__counter_read(&cells(db)->late), 1);
    assert_int_equal(weir__gauge_read(&cells(db)->abandoned), 0);
    assert_int_equal(sum_of(turn, db, 6), 15);
    assert_int_equal(s.open, 2);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_late(void **state)
{
    (void)state;
    SIM(late, NULL);
}

/* Behind one that nobody waits for, nobody waits for ever. */
static weir_err given_up(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, DEPTH, 1);
    assert_int_equal(sum_of(turn, db, 4), 6);
    struct asking slow = {.db = db, .sql = "SELECT ! SLEEP", .within = weir_ms(50)},
                  behind = {.db = db, .rows = 4};
    WEIR_SCOPE(fibers, turn);
    go_ask(fibers, &slow);
    assert_int_equal(weir_sleep(turn, weir_ms(1)), WEIR_OK);
    go_ask(fibers, &behind);
    assert_int_equal(weir_join(fibers), WEIR_OK);
    assert_int_equal(slow.err, WEIR_ETIMEDOUT);
    assert_int_equal(behind.err, WEIR_EGONE);
    assert_true(behind.took.ns > weir_sec(4).ns && behind.took.ns < weir_sec(6).ns);
    (void)weir_ctx_close(fibers);
    assert_int_equal(sum_of(turn, db, 6), 15);
    assert_int_equal(s.cancels, 1);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_given_up(void **state)
{
    (void)state;
    SIM(given_up, NULL);
}

/* Who leaves in the middle leaves an answer that is thrown away, and takes room until it comes. */
static weir_err abandoned(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, 3, 1);
    assert_int_equal(sum_of(turn, db, 3), 3);
    struct asking waits = {.db = db, .sql = "SELECT ! SLEEP"},
                  a[] = {{.db = db, .rows = 7, .within = weir_ms(10)},
                         {.db = db, .rows = 8, .within = weir_ms(20)}},
                  behind = {.db = db, .rows = 9};
    WEIR_SCOPE(fibers, turn);
    go_ask(fibers, &waits);
    go_ask(fibers, &a[0]);
    go_ask(fibers, &a[1]);
    assert_int_equal(weir_sleep(turn, weir_ms(30)), WEIR_OK);
    assert_int_equal(a[0].err, WEIR_ETIMEDOUT);
    assert_int_equal(a[1].err, WEIR_ETIMEDOUT);
    assert_int_equal(weir__gauge_read(&cells(db)->abandoned), 2);
    go_ask(fibers, &behind);
    assert_int_equal(weir_sleep(turn, weir_ms(5)), WEIR_OK);
    assert_false(behind.is_over); /* there is no room but that of the first */
    for (int i = 0; i < PG_VISITS; i++) {
        if (s.visits[i] != NULL)
            s.visits[i]->is_cancelled = true;
    }
    assert_int_equal(weir_join(fibers), WEIR_OK);
    assert_int_equal(waits.err, WEIR_ETIMEDOUT);
    assert_sum(&behind);
    (void)weir_ctx_close(fibers);
    assert_int_equal(weir__gauge_read(&cells(db)->abandoned), 0);
    assert_int_equal(s.accepted, 2);
    assert_int_equal(s.cancels, 0);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_abandoned(void **state)
{
    (void)state;
    SIM(abandoned, NULL);
}

/* --- large answers ---------------------------------------------------------------------------- */

/* It streams, and has a lease of its own the next time. */
static weir_err large(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, DEPTH, 1);
    const struct weir__pg_mux_cells *n = cells(db);
    assert_int_equal(sum_of(turn, db, 30000), 449985000);
    assert_int_equal(weir__counter_read(&n->large), 1);
    uint64_t statements = weir__counter_read(&n->statements);
    assert_int_equal(sum_of(turn, db, 30000), 449985000);
    assert_int_equal(weir__counter_read(&n->statements), statements);
    /* Who does not read them is in nobody's way for long. */
    int64_t x;
    struct asking behind = {.db = db, .rows = 5};
    WEIR_SCOPE(mine, turn);
    WEIR_SCOPE(fibers, turn);
    weir_rows *rows = weir_query(mine, db, "SELECT n FROM rows(40000)");
    assert_true(weir_rows_next(rows, int64_t, &x));
    go_ask(fibers, &behind);
    assert_int_equal(weir_sleep(turn, weir_ms(LATE_MS / 2)), WEIR_OK);
    assert_false(behind.is_over);
    assert_int_equal(weir_sleep(turn, weir_ms(LATE_MS * 2)), WEIR_OK);
    assert_sum(&behind);
    assert_int_equal(weir__counter_read(&n->cut_off), 1);
    while (weir_rows_next(rows, int64_t, &x)) {
    }
    assert_int_equal(weir_rows_err(rows), WEIR_EBUSY);
    assert_true(x > 1000 && x < 40000 - 1); /* what had come was read */
    (void)weir_ctx_close(fibers);
    (void)weir_ctx_close(mine);
    assert_int_equal(s.accepted, 2);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_large(void **state)
{
    (void)state;
    SIM(large, NULL);
}

/* --- the end of a connection ------------------------------------------------------------------ */

/* The server ends: who was in flight is told, and all that was open is left. */
static weir_err ends(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, DEPTH, 1);
    struct asking a[] = {{.db = db, .rows = 3},
                         {.db = db, .sql = "SELECT ! DIE"},
                         {.db = db, .rows = 4},
                         {.db = db, .rows = 5}};
    for (int i = 0; i < 4; i++) /* so that each is prepared */
        assert_int_equal(sum_of(turn, db, 3 + i), (3 + i) * (2 + i) / 2);
    WEIR_SCOPE(fibers, turn);
    for (int i = 0; i < 4; i++)
        go_ask(fibers, &a[i]);
    assert_int_equal(weir_join(fibers), WEIR_OK);
    assert_sum(&a[0]);
    for (int i = 1; i < 4; i++) {
        if (a[i].err == WEIR_OK)
            assert_sum(&a[i]); /* it came before */
        else
            assert_int_equal(a[i].err, WEIR_EGONE);
    }
    assert_int_equal(a[1].err, WEIR_EGONE);
    (void)weir_ctx_close(fibers);
    assert_int_equal(sum_of(turn, db, 9), 36);
    assert_int_equal(s.accepted, 3);
    /* At rest, by a word and without one. */
    for (int i = 0; i < PG_VISITS; i++) {
        if (s.visits[i] != NULL)
            weir__sim_shutdown(s.visits[i]->num);
    }
    assert_int_equal(weir_sleep(turn, weir_ms(1)), WEIR_OK);
    assert_int_equal(sum_of(turn, db, 9), 36);
    assert_int_equal(s.accepted, 4);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    assert_int_equal(s.open, 0);
    return WEIR_OK;
}

static void test_ends(void **state)
{
    (void)state;
    SIM(ends, NULL);
}

/* A session that is another now, or that takes no writes any more, is left. */
static weir_err left(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    weir_result result;
    struct asking tells = {.sql = "SELECT ! TELL"}, refused = {.sql = "SELECT ! FAIL 25006"};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = tells.db = refused.db = open_db(turn, &s, DEPTH, 1);
    assert_int_equal(weir_db_exec(turn, db, &result, "VACUUM"), WEIR_OK); /* on the pool's */
    assert_int_equal(ask(turn, &tells), WEIR_OK);
    assert_int_equal(tells.err, WEIR_OK);
    assert_int_equal(sum_of(turn, db, 3), 3);
    assert_int_equal(s.accepted, 3);
    WEIR_SCOPE(each, turn);
    assert_int_equal(ask(each, &refused), WEIR_OK);
    assert_int_equal(refused.err, WEIR_EREADONLY);
    (void)weir_ctx_close(each);
    assert_int_equal(sum_of(turn, db, 3), 3);
    assert_int_equal(s.accepted, 4);
    assert_int_equal(s.open, 1); /* the pool's has gone as well */
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_left(void **state)
{
    (void)state;
    SIM(left, NULL);
}

/* What the server has forgotten is prepared anew, once for all; of many texts the oldest goes. */
static weir_err forgotten(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    struct asking a[4], forgets = {.sql = "SELECT ! FORGET"};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = forgets.db = open_db(turn, &s, DEPTH, 1);
    for (int round = 0; round < 2; round++) {
        int parses = s.parses;
        WEIR_SCOPE(fibers, turn);
        for (int i = 0; i < 4; i++) {
            a[i] = (struct asking){.db = db, .rows = 5};
            go_ask(fibers, &a[i]);
        }
        assert_int_equal(weir_join(fibers), WEIR_OK);
        for (int i = 0; i < 4; i++)
            assert_sum(&a[i]);
        (void)weir_ctx_close(fibers);
        assert_int_equal(s.parses - parses, 1);
        assert_int_equal(ask(turn, &forgets), WEIR_OK);
    }
    for (int i = 0; i < 2 * PG_NAMES; i++) { /* more than the server of the test can have */
        if (i % 50 == 49)
            assert_int_equal(ask(turn, &forgets), WEIR_OK);
        assert_int_equal(sum_of(turn, db, i), (int64_t)i * (i - 1) / 2);
    }
    assert_int_equal(s.accepted, 2);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_forgotten(void **state)
{
    (void)state;
    SIM(forgotten, NULL);
}

/* --- everywhere ------------------------------------------------------------------------------- */

struct plan {
    struct pg_server s;
    size_t chop;
    uint64_t wait, alloc;
    bool is_whole; /* nothing of the plan was met */
    bool may_lie;  /* a byte was another: a row may be */
};

/* Three at a time, one of which leaves its rows in the middle, and one that writes. */
static weir_err errand(weir_ctx *c, weir_db *db, bool may_lie)
{
    struct asking a[3];
    int64_t n;
    weir_err err = weir_db_err(db);
    if (err < 0)
        return err;
    WEIR_SCOPE(fibers, c);
    for (int i = 0; i < 3 && err == WEIR_OK; i++) {
        a[i] = (struct asking){.db = db, .rows = i == 2 ? 400 : 3 + i};
        err = WEIR_GO(fibers, ask, &a[i]);
        a[i].is_over = err != WEIR_OK;
        a[i].err = err;
    }
    weir_err joined = weir_join(fibers);
    err = err == WEIR_OK ? joined : err;
    for (int i = 0; i < 3 && err == WEIR_OK; i++) {
        if (a[i].err == WEIR_OK && !may_lie)
            assert_sum(&a[i]);
        err = a[i].err;
    }
    (void)weir_ctx_close(fibers);
    if (err < 0)
        return err;
    weir_rows *rows = weir_query(c, db, "SELECT n FROM rows(300)");
    bool has_row = weir_rows_next(rows, int64_t, &n);
    err = weir_rows_err(rows);
    weir_rows_close(rows);
    if (err < 0 || !has_row)
        return err < 0 ? err : WEIR_EFAIL;
    return weir_db_exec(c, db, NULL, "INSERT ?", 3);
}

/* At once, or when the pool has found out that its server is there again. */
static void assert_works(weir_ctx *c, weir_db *db)
{
    int64_t n = -1;
    for (int i = 0; i < 100; i++) {
        WEIR_SCOPE(each, c);
        weir_err err = weir_query_one(each, db, int64_t, &n, "SELECT n FROM rows(9)");
        (void)weir_ctx_close(each);
        if (err == WEIR_OK)
            break;
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
    weir_db *db = open_db(turn, &p->s, 4, 2);
    weir_err err = errand(first, db, p->may_lie);
    weir__alloc_fail_nth(0);
    p->is_whole = err == WEIR_OK && p->wait > weir__wait_count() - waits;
    weir__wait_cancel_nth(0);
    (void)weir_ctx_close(first);
    p->s.cut_at = p->s.spoilt_at = 0;
    p->s.cut_resets = false;
    bool is_usable = weir_db_err(db) == WEIR_OK && weir_cancel_reason(turn) == WEIR_REASON_NONE;
    WEIR_SCOPE(next, is_usable ? turn : c, .timeout = weir_sec(60));
    if (!is_usable)
        db = open_db(next, &p->s, 4, 2);
    if (!p->s.is_over) { /* it was not the server's own wait */
        assert_works(next, db);
        assert_even(db);
    }
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
        struct plan p = {.s.auth = PG_TRUST, .chop = chop, .wait = 1000000};
        SIM(run_plan, &p);
        assert_true(p.is_whole);
    }
}

static void cut_everywhere(bool hangs, bool resets)
{
    for (size_t at = 1; at < 900; at += hangs ? 7 : 1) {
        struct plan p = {
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

static void test_each_byte_spoilt(void **state)
{
    static const uint8_t by[] = {0x01, 0x80, 0xff};
    (void)state;
    for (size_t at = 1; at < 900; at++) {
        struct plan p = {.s = {.auth = PG_TRUST, .spoilt_at = at, .spoilt_by = by[at % 3]},
                         .wait = 1000000,
                         .may_lie = true};
        SIM(run_plan, &p);
    }
}

static void test_cancelled_at_each_wait(void **state)
{
    (void)state;
    struct plan p = {.wait = 0};
    do {
        p = (struct plan){.s.auth = PG_TRUST, .wait = p.wait + 1};
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
        p = (struct plan){.s.auth = PG_TRUST, .wait = 1000000, .alloc = p.alloc + 1};
        SIM(run_plan, &p);
        assert_true(p.alloc < 2000);
    } while (!p.is_whole);
    assert_true(p.alloc > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_left),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_any_split_is_the_same),
        cmocka_unit_test(test_cut_behind_each_byte),
        cmocka_unit_test(test_reset_behind_each_byte),
        cmocka_unit_test(test_silent_behind_each_byte),
        cmocka_unit_test(test_each_byte_spoilt),
        cmocka_unit_test(test_cancelled_at_each_wait),
        cmocka_unit_test(test_memory_fails_at_each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
