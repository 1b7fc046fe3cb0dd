/*
 * Statements that share connections, against a server in the simulation: whose answer it is, what
 * one does to the others, who is moved on.
 */
#include "data/postgres/multiplex_testing.h"

enum { DEPTH = 8, LATE_MS = 100 };

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

/* Who comes after somebody has left is not put behind what he has left. */
static weir_err left_behind(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, DEPTH, 2);
    assert_int_equal(sum_of(turn, db, 4), 6);
    struct asking slow = {.db = db, .sql = "SELECT ! SLEEP", .within = weir_ms(LATE_MS / 4)},
                  next = {.db = db, .rows = 4};
    assert_int_equal(ask(turn, &slow), WEIR_OK);
    assert_int_equal(slow.err, WEIR_ETIMEDOUT);
    assert_int_equal(ask(turn, &next), WEIR_OK);
    assert_sum(&next);
    assert_true(next.took.ns < weir_ms(LATE_MS / 4).ns);
    assert_int_equal(weir_sleep(turn, weir_ms(2 * LATE_MS)), WEIR_OK);
    assert_int_equal(s.cancels, 1);
    assert_int_equal(s.open, 2);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_left_behind(void **state)
{
    (void)state;
    SIM(left_behind, NULL);
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

/* What cannot be opened is left alone for a while: the pool knows what to do about that. */
static weir_err away(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, DEPTH, 1);
    assert_int_equal(sum_of(turn, db, 3), 3);
    const struct weir__pg_mux_cells *n = cells(db);
    uint64_t statements = weir__counter_read(&n->statements);
    struct asking a = {.db = db, .rows = 4};
    s.auth = PG_ODD; /* nobody is let in any more */
    for (int i = 0; i < PG_VISITS; i++) {
        if (s.visits[i] != NULL && s.visits[i]->process != 1)
            weir__sim_shutdown(s.visits[i]->num);
    }
    assert_int_equal(weir_sleep(turn, weir_ms(1)), WEIR_OK);
    WEIR_SCOPE(each, turn);
    assert_int_equal(ask(each, &a), WEIR_OK);
    assert_int_equal(a.err, WEIR_EDB);
    (void)weir_ctx_close(each);
    int accepted = s.accepted;
    assert_int_equal(sum_of(turn, db, 5), 10); /* by the one that the pool still has */
    assert_int_equal(s.accepted, accepted);
    s.auth = PG_TRUST;
    assert_int_equal(weir_sleep(turn, weir_sec(2)), WEIR_OK);
    assert_int_equal(weir__counter_read(&n->statements), statements);
    assert_int_equal(sum_of(turn, db, 6), 15);
    assert_true(weir__counter_read(&n->statements) > statements);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_away(void **state)
{
    (void)state;
    SIM(away, NULL);
}

/* A database that is held back lends none of these either. */
static weir_err held_back(weir_ctx *c, void *arg)
{
    struct pg_server s = {.auth = PG_TRUST};
    weir_pool_stats stats;
    (void)arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(turn, c);
    weir_db *db = open_db(turn, &s, DEPTH, 1);
    struct asking before = {.db = db, .sql = "SELECT ! SLEEP", .within = weir_ms(50)},
                  during = {.db = db, .rows = 5};
    WEIR_SCOPE(fibers, turn);
    go_ask(fibers, &before);
    assert_int_equal(weir_sleep(turn, weir_ms(5)), WEIR_OK);
    weir_db_suspend(db);
    go_ask(fibers, &during);
    assert_int_equal(weir_sleep(turn, weir_ms(5)), WEIR_OK);
    weir_db_stats(db, &stats, NULL);
    assert_int_equal(stats.in_use, 1); /* what runs goes on */
    assert_int_equal(stats.waiting, 1);
    assert_int_equal(weir_sleep(turn, weir_ms(500)), WEIR_OK);
    assert_int_equal(before.err, WEIR_ETIMEDOUT);
    weir_db_stats(db, &stats, NULL);
    assert_int_equal(stats.in_use, 0);
    assert_false(during.is_over);
    weir_db_resume(db);
    assert_int_equal(weir_join(fibers), WEIR_OK);
    assert_sum(&during);
    (void)weir_ctx_close(fibers);
    assert_even(db);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_held_back(void **state)
{
    (void)state;
    SIM(held_back, NULL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together),  cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_errors),    cmocka_unit_test(test_depth),
        cmocka_unit_test(test_late),      cmocka_unit_test(test_left_behind),
        cmocka_unit_test(test_given_up),  cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_large),     cmocka_unit_test(test_ends),
        cmocka_unit_test(test_away),      cmocka_unit_test(test_left),
        cmocka_unit_test(test_forgotten), cmocka_unit_test(test_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
