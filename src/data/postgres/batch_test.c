/*
 * Batches over a server in the simulation: how much goes in one send and behind how many Syncs,
 * what the server leaves out behind an error, and that each item is told what is true wherever the
 * connection breaks, or the wait is given up.
 */
#include "data/postgres/testing.h"

#include <weir/batch.h>

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

static struct pg_server s;

/* A server, a database with one connection, and `fn` in a context of its own. */
static weir_err play(weir_ctx *c, void *arg)
{
    void (*fn)(weir_ctx * c, weir_db * db) = *(void (**)(weir_ctx *, weir_db *))arg;
    memset(&s, 0, sizeof s);
    s.auth = PG_TRUST;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &s);
    WEIR_SCOPE(outer, c);
    weir_db *db = weir_postgres_open(outer, .url = s.url, .pool = {.max_open = 1});
    assert_int_equal(weir_db_err(db), WEIR_OK);
    WEIR_SCOPE(turn, outer);
    fn(turn, db);
    assert_int_equal(weir_sleep(turn, weir_ms(5)), WEIR_OK); /* the server has noticed */
    weir_pool_stats stats;
    weir_db_stats(db, &stats, NULL);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(stats.open, (uint64_t)s.open);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(outer);
    (void)weir_ctx_close(peer);
    assert_int_equal(s.open, 0);
    return WEIR_OK;
}

#define PLAY(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        void (*fn)(weir_ctx * c, weir_db * db) = name;                                             \
        (void)state;                                                                               \
        SIM(play, (void *)&fn);                                                                    \
    }

static void from_now_on(void)
{
    s.receives = s.syncs = s.statements = s.parses = 0;
}

static void assert_sent(int receives, int syncs, int statements)
{
    if (s.receives != receives || s.syncs != syncs || s.statements != statements)
        fail_msg("%d sends, %d Syncs, %d statements", s.receives, s.syncs, s.statements);
}

static void assert_items(weir_batch *b, const weir_err *errs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (weir_batch_err(b, i) != errs[i])
            fail_msg("item %zu: %s", i, weir_strerror(weir_batch_err(b, i)));
    }
}

/* --- one send --------------------------------------------------------------------------------- */

static void twenty_in_one_send(weir_ctx *c, weir_db *db)
{
    for (int turn = 0; turn < 3; turn++) {
        int32_t n[20];
        memset(n, 0xff, sizeof n);
        weir_batch *b = weir_batch_new(c, db);
        for (int i = 0; i < 20; i++)
            weir_batch_one(b, int32_t, &n[i], "SELECT n FROM rows(1)");
        from_now_on();
        assert_int_equal(weir_batch_run(b), WEIR_OK);
        bool is_first = turn == 0; /* prepared before, once */
        assert_int_equal(s.parses, is_first);
        assert_sent(1 + is_first, 1 + is_first, 20);
        for (int i = 0; i < 20; i++)
            assert_int_equal(n[i], 0);
    }
}
PLAY(twenty_in_one_send)

/* What was not asked for is passed over, at whichever place rows are cut. */
static void rows_of_all_lengths(weir_ctx *c, weir_db *db)
{
    for (size_t chop = 0; chop < 4; chop++) {
        WEIR_ARRAY(int32_t) all, none;
        int32_t first = -1, last = -1;
        WEIR_SCOPE(one, c);
        weir_batch *b = weir_batch_new(one, db);
        weir_batch_one(b, int32_t, &first, "SELECT n FROM rows(30000)");
        weir_batch_all(b, int32_t, &all, 5000, "SELECT n FROM rows(5000)");
        weir_batch_all(b, int32_t, &none, 10, "SELECT n FROM rows(0)");
        weir_batch_all(b, int32_t, &all, 4999, "SELECT n FROM rows(5000)");
        weir_batch_one(b, int32_t, &last, "SELECT n FROM rows(0)");
        weir_batch_one(b, int32_t, &last, "SELECT n FROM rows(30000)");
        weir__sim_chop(chop * 7);
        assert_int_equal(weir_batch_run(b), WEIR_ELIMIT);
        weir__sim_chop(0);
        assert_items(
            b, (weir_err[]){WEIR_OK, WEIR_OK, WEIR_OK, WEIR_ELIMIT, WEIR_ENOTFOUND, WEIR_OK}, 6);
        assert_true(first == 0 && last == 0 && all.len == 5000 && all.ptr[4999] == 4999 &&
                    none.len == 0);
        (void)weir_ctx_close(one);
        assert_int_equal(weir_query_one(c, db, int32_t, &last, "SELECT n FROM rows(1)"), WEIR_OK);
    }
}
PLAY(rows_of_all_lengths)

/* A Sync each: nobody hears of another's failure. */
static void those_that_write(weir_ctx *c, weir_db *db)
{
    weir_result result[2] = {{.changes = 0}};
    int32_t n = -1;
    for (int turn = 0; turn < 2; turn++) {
        weir_batch *b = weir_batch_new(c, db);
        weir_batch_exec(b, &result[0], "INSERT ?, ?", 1, 2);
        weir_batch_exec(b, NULL, "FAIL 23505");
        weir_batch_one(b, int32_t, &n, "SELECT n FROM rows(3)");
        weir_batch_exec(b, &result[1], "INSERT ?, ?", 3, 4);
        weir_batch_exec(b, NULL, "SELECT n FROM rows(3)");
        from_now_on();
        assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
        assert_sent(turn == 0 ? 4 : 1, turn == 0 ? 8 : 5, 5);
        assert_items(b, (weir_err[]){WEIR_OK, WEIR_EUNIQUE, WEIR_OK, WEIR_OK, WEIR_OK}, 5);
        assert_string_equal(weir_batch_error(b, 1)->constraint.ptr, "users_key");
        assert_true(result[0].changes == 1 && result[1].changes == 1 && n == 0);
        weir_error_clear(c);
    }
}
PLAY(those_that_write)

/* --- what is left out ------------------------------------------------------------------------- */

static void reads_that_fail(weir_ctx *c, weir_db *db)
{
    int32_t n[5];
    for (int turn = 0; turn < 2; turn++) {
        memset(n, 0xff, sizeof n);
        weir_batch *b = weir_batch_new(c, db);
        weir_batch_one(b, int32_t, &n[0], "SELECT n FROM rows(1)");
        weir_batch_one(b, int32_t, &n[1], "SELECT FAIL 22012");
        weir_batch_one(b, int32_t, &n[2], "SELECT n FROM rows(1)");
        weir_batch_one(b, int32_t, &n[3], "SELECT FAIL 42P01");
        weir_batch_one(b, int32_t, &n[4], "SELECT n FROM rows(1)");
        from_now_on();
        assert_int_equal(weir_batch_run(b), WEIR_EDB);
        assert_items(b, (weir_err[]){WEIR_OK, WEIR_EDB, WEIR_OK, WEIR_EDB, WEIR_OK}, 5);
        assert_true(n[0] == 0 && n[1] == -1 && n[2] == 0 && n[3] == -1 && n[4] == 0);
        assert_int_equal(s.statements, 5); /* each has run once */
        if (turn > 0)
            assert_sent(3, 3, 5);
        assert_non_null(strstr(weir_batch_error(b, 3)->message.ptr, "SQLSTATE 42P01"));
        weir_error_clear(c);
    }
}
PLAY(reads_that_fail)

static void known_no_more(weir_ctx *c, weir_db *db)
{
    int32_t n[3];
    for (int turn = 0; turn < 3; turn++) {
        memset(n, 0xff, sizeof n);
        weir_batch *b = weir_batch_new(c, db);
        weir_batch_one(b, int32_t, &n[0], "SELECT n FROM rows(1)");
        weir_batch_one(b, int32_t, &n[1], "SELECT n FROM rows(2)");
        weir_batch_one(b, int32_t, &n[2], "SELECT n FROM rows(1)");
        from_now_on();
        assert_int_equal(weir_batch_run(b), WEIR_OK);
        assert_true(n[0] == 0 && n[1] == 0 && n[2] == 0);
        assert_int_equal(s.parses, 2);
        assert_int_equal(s.statements, 3);
        assert_int_equal(weir_exec_script(c, db, "FORGET"), WEIR_OK);
    }
    /* One that writes is told, and the next time it is known. */
    assert_int_equal(weir_db_exec(c, db, NULL, "INSERT ?", 1), WEIR_OK);
    assert_int_equal(weir_exec_script(c, db, "FORGET"), WEIR_OK);
    for (int turn = 0; turn < 2; turn++) {
        weir_batch *b = weir_batch_new(c, db);
        weir_batch_exec(b, NULL, "INSERT ?", 1);
        assert_int_equal(weir_batch_run(b), turn == 0 ? WEIR_EDB : WEIR_OK);
        weir_error_clear(c);
    }
}
PLAY(known_no_more)

/* A BEGIN goes with all of it, behind one Sync: were it refused, nothing would run outside. */
static void in_transactions(weir_ctx *c, weir_db *db)
{
    int32_t n = -1;
    for (int turn = 0; turn < 2; turn++) {
        weir_tx *tx = weir_begin(c, db);
        weir_batch *b = weir_batch_new(c, tx);
        weir_batch_exec(b, NULL, "INSERT ?", 1);
        weir_batch_one(b, int32_t, &n, "SELECT n FROM rows(7)");
        weir_batch_exec(b, NULL, "INSERT ?", 1);
        from_now_on();
        assert_int_equal(weir_batch_run(b), WEIR_OK);
        if (turn > 0)
            assert_sent(1, 1, 4); /* with BEGIN */
        assert_int_equal(weir_exec(tx, "INSERT ?", 1), WEIR_OK);
        assert_int_equal(weir_commit(tx), WEIR_OK);
    }
    for (int turn = 0; turn < 2; turn++) {
        weir_tx *tx = weir_begin(c, db);
        weir_batch *b = weir_batch_new(c, tx);
        weir_batch_exec(b, NULL, "INSERT ?", 1);
        weir_batch_exec(b, NULL, "FAIL 23505");
        weir_batch_one(b, int32_t, &n, "SELECT n FROM rows(7)");
        weir_batch_exec(b, NULL, "INSERT ?", 1);
        from_now_on();
        assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
        if (turn > 0)
            assert_sent(1, 1, 3);
        assert_items(b, (weir_err[]){WEIR_OK, WEIR_EUNIQUE, WEIR_ECANCELED, WEIR_ECANCELED}, 4);
        assert_int_equal(weir_commit(tx), WEIR_EUNIQUE);
        weir_error_clear(c);
    }
    /* In a part of one, which goes on without it. */
    weir_tx *tx = weir_begin(c, db), *part = weir_begin(c, tx);
    weir_batch *b = weir_batch_new(c, part);
    weir_batch_exec(b, NULL, "FAIL 23505");
    assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
    weir_rollback(part);
    weir_error_clear(c);
    b = weir_batch_new(c, tx);
    weir_batch_exec(b, NULL, "INSERT ?", 1);
    assert_int_equal(weir_batch_run(b), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
}
PLAY(in_transactions)

static void values_that_do_not_fit(weir_ctx *c, weir_db *db)
{
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_exec(b, NULL, "INSERT ?", INT64_MAX); /* the first, the last, and in between */
    weir_batch_exec(b, NULL, "INSERT ?", 1);
    weir_batch_exec(b, NULL, "INSERT ?", INT64_MAX);
    weir_batch_exec(b, NULL, "INSERT ?", 1);
    weir_batch_exec(b, NULL, "INSERT ?", INT64_MAX);
    from_now_on();
    assert_int_equal(weir_batch_run(b), -ERANGE);
    assert_int_equal(s.statements, 2);
    assert_items(b, (weir_err[]){-ERANGE, WEIR_OK, -ERANGE, WEIR_OK, -ERANGE}, 5);
    weir_error_clear(c);
}
PLAY(values_that_do_not_fit)

/* --- what nobody knows ------------------------------------------------------------------------ */

static weir_batch *batch_of(weir_ctx *c, weir_db *db, bool writes)
{
    static int32_t n[2];
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_one(b, int32_t, &n[0], "SELECT n FROM rows(3)");
    if (writes)
        weir_batch_exec(b, NULL, "INSERT ?", 1);
    weir_batch_one(b, int32_t, &n[1], "SELECT n FROM rows(3)");
    if (writes)
        weir_batch_exec(b, NULL, "INSERT ?", 1);
    return b;
}

/* The server ends behind each byte of its answer: what it said is true, the rest unknown. */
static void cut_everywhere(weir_ctx *c, weir_db *db)
{
    for (int writes = 0; writes < 2; writes++) {
        size_t count = writes ? 4 : 2, cut = 0, good = 0;
        bool was_good = false;
        for (cut = 1; !was_good; cut++) {
            WEIR_SCOPE(one, c);
            assert_int_equal(weir_batch_run(batch_of(one, db, writes)), WEIR_OK); /* warm */
            weir_batch *b = batch_of(one, db, writes);
            s.cut_at = s.said + cut;
            s.cut_resets = cut % 2 == 0;
            weir_err err = weir_batch_run(b);
            was_good = err == WEIR_OK && s.said < s.cut_at;
            s.cut_at = 0;
            size_t done = 0;
            while (done < count && weir_batch_err(b, done) == WEIR_OK)
                done++;
            assert_true(done >= good || s.cut_resets); /* which takes along what was not read */
            good = done > good ? done : good;
            for (size_t i = done; i < count; i++) {
                assert_int_equal(weir_batch_err(b, i), WEIR_EGONE);
                assert_true(weir_batch_may_have_run(b, i));
            }
            (void)weir_ctx_close(one);
            assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
        }
        assert_int_equal(good, count);
        assert_true(cut > 100);
    }
}
PLAY(cut_everywhere)

/* All that was sent is ended, one after the other, and the connection serves on. */
static void given_up(weir_ctx *c, weir_db *db)
{
    int32_t n;
    for (int turn = 0; turn < 2; turn++) {
        WEIR_SCOPE(late, c, .timeout = weir_ms(20));
        weir_batch *b = weir_batch_new(late, db);
        weir_batch_exec(b, NULL, "INSERT ?", 1);
        weir_batch_exec(b, NULL, "SLEEP");
        weir_batch_exec(b, NULL, "INSERT ?", 1);
        weir_batch_exec(b, NULL, "SLEEP");
        weir_batch_exec(b, NULL, "SLEEP");
        assert_int_equal(weir_batch_run(b), WEIR_ETIMEDOUT);
        assert_items(b, (weir_err[]){WEIR_OK, WEIR_ETIMEDOUT, WEIR_ETIMEDOUT, WEIR_ETIMEDOUT}, 4);
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(weir_batch_may_have_run(b, i), i > 0);
        (void)weir_ctx_close(late);
        assert_int_equal(weir_query_one(c, db, int32_t, &n, "SELECT n FROM rows(1)"), WEIR_OK);
    }
    assert_int_equal(s.accepted - s.cancels, 1); /* it was never closed */
    WEIR_SCOPE(late, c, .timeout = weir_ms(20));
    weir_tx *tx = weir_begin(late, db);
    weir_batch *b = weir_batch_new(late, tx);
    weir_batch_exec(b, NULL, "SLEEP");
    weir_batch_exec(b, NULL, "INSERT ?", 1);
    assert_int_equal(weir_batch_run(b), WEIR_ETIMEDOUT);
    assert_int_equal(weir_commit(tx), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(late);
    assert_int_equal(weir_query_one(c, db, int32_t, &n, "SELECT n FROM rows(1)"), WEIR_OK);
}
PLAY(given_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twenty_in_one_send),
        cmocka_unit_test(test_rows_of_all_lengths),
        cmocka_unit_test(test_those_that_write),
        cmocka_unit_test(test_reads_that_fail),
        cmocka_unit_test(test_known_no_more),
        cmocka_unit_test(test_in_transactions),
        cmocka_unit_test(test_values_that_do_not_fit),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_given_up),
    };
    return cmocka_run_group_tests_name("batches of PostgreSQL", tests, NULL, NULL);
}
