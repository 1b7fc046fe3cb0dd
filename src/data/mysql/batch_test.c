/*
 * Batches over a server in the simulation, MariaDB's and MySQL's: what goes in one send, in which
 * order, and what must not; that each item is told what is true wherever the connection breaks, or
 * the wait is given up.
 */
#include "data/mysql/testing.h"

#include <weir/batch.h>

#define ONE "SELECT id, name FROM users WHERE id = ?"
#define SOME "SELECT id, name FROM users"

static void assert_items(weir_batch *b, const weir_err *errs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (weir_batch_err(b, i) != errs[i])
            fail_msg("item %zu: %s", i, weir_strerror(weir_batch_err(b, i)));
    }
}

static void assert_serves(weir_ctx *c, weir_db *db)
{
    WEIR_SCOPE(turn, c);
    row r;
    assert_int_equal(weir_query_one(turn, db, row, &r, SOME), WEIR_OK);
    assert_int_equal(r.id, 1);
    (void)weir_ctx_close(turn);
}

/* --- one send --------------------------------------------------------------------------------- */

static void sends_once(weir_ctx *c, weir_db *db, struct server *s)
{
    for (int turn = 0; turn < 3; turn++) {
        row r[4] = {{0}};
        WEIR_ARRAY(row) all;
        weir_result done = {.changes = 0};
        weir_batch *b = weir_batch_new(c, db);
        weir_batch_one(b, row, &r[0], ONE, 1);
        weir_batch_one(b, row, &r[1], ONE, 2);
        weir_batch_exec(b, &done, "INSERT INTO a VALUES (?)", "text");
        weir_batch_one(b, row, &r[2], ONE, 3);
        weir_batch_all(b, row, &all, 10, SOME);
        forget_heard(s);
        int receives = s->receives;
        assert_int_equal(weir_batch_run(b), WEIR_OK);
        if (turn > 0) {
            assert_heard(s, "execute; execute; execute; execute; execute; ");
            assert_int_equal(s->receives - receives, 1);
        }
        assert_true(r[0].id == 1 && r[1].id == 1 && r[2].id == 1 && done.changes == 1 &&
                    done.last_id == 10);
        assert_int_equal(all.len, s->rows);
        assert_string_equal(all.ptr[1].name.ptr, "name 2");
        assert_serves(c, db);
    }
}

static void test_sends_once(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct server s = {.rows = 3,
                           .is_mysql = i % 2 != 0,
                           .resends_columns = i / 2 == 1,
                           .in_bytes = i / 2 == 2};
        play_with(&s, false, sends_once);
    }
}

/* Rows behind the first one, and behind the cap, are passed over. */
static void passes_over(weir_ctx *c, weir_db *db, struct server *s)
{
    row r[2] = {{0}};
    WEIR_ARRAY(row) all;
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_one(b, row, &r[0], ONE, 1);
    weir_batch_all(b, row, &all, 5, SOME);
    weir_batch_one(b, row, &r[1], ONE, 1);
    assert_int_equal(weir_batch_run(b), WEIR_ELIMIT);
    assert_items(b, (weir_err[]){WEIR_OK, WEIR_ELIMIT, WEIR_OK}, 3);
    assert_true(all.len == 0 && r[0].id == 1 && r[1].id == 1);
    assert_serves(c, db);
    (void)s;
}

static void test_passes_over(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct server s = {.rows = 3000, .is_mysql = i > 0};
        play_with(&s, false, passes_over);
    }
}

/* --- what becomes of the others --------------------------------------------------------------- */

static void each_for_itself(weir_ctx *c, weir_db *db, struct server *s)
{
    row r[2] = {{0}};
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_one(b, row, &r[0], ONE, 1);
    weir_batch_exec(b, NULL, "INSERT FAIL 1062 Duplicate entry '1' for key 'users.email'");
    weir_batch_exec(b, NULL, "INSERT INTO a VALUES (?)", 1);
    weir_batch_exec(b, NULL, "BAD");
    weir_batch_one(b, row, &r[1], ONE, 1);
    weir_batch_exec(b, NULL, "BAD");
    assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
    assert_items(b, (weir_err[]){WEIR_OK, WEIR_EUNIQUE, WEIR_OK, WEIR_EDB, WEIR_OK, WEIR_EDB}, 6);
    assert_string_equal(weir_batch_error(b, 1)->constraint.ptr, "email");
    assert_true(r[0].id == 1 && r[1].id == 1);
    assert_serves(c, db);
    (void)s;
}

static void test_each_for_itself(void **state)
{
    struct server s = {.rows = 3};
    (void)state;
    play_with(&s, false, each_for_itself);
}

/* What writes is never on its way behind another: a dead-lock of that would let it run outside. */
static void in_a_transaction(weir_ctx *c, weir_db *db, struct server *s)
{
    row r[4];
    for (int turn = 0; turn < 2; turn++) {
        weir_tx *tx = weir_begin(c, db);
        weir_batch *b = weir_batch_new(c, tx);
        weir_batch_one(b, row, &r[0], ONE, 1);
        weir_batch_one(b, row, &r[1], ONE, 1);
        weir_batch_exec(b, NULL, "INSERT INTO a VALUES (?)", 1);
        weir_batch_one(b, row, &r[2], ONE, 1);
        weir_batch_exec(b, NULL, "INSERT INTO a VALUES (?)", 1);
        forget_heard(s);
        int receives = s->receives;
        assert_int_equal(weir_batch_run(b), WEIR_OK);
        if (turn > 0) {
            assert_heard(s, "query START TRANSACTION; execute; execute; execute; execute; "
                            "execute; ");
            assert_int_equal(s->receives - receives, 3);
        }
        assert_int_equal(weir_commit(tx), WEIR_OK);
    }
    for (int turn = 0; turn < 2; turn++) {
        weir_tx *tx = weir_begin(c, db);
        weir_batch *b = weir_batch_new(c, tx);
        weir_batch_exec(b, NULL, "UPDATE FAIL 1213 Deadlock found");
        weir_batch_one(b, row, &r[0], ONE, 1);
        weir_batch_exec(b, NULL, "INSERT INTO a VALUES (?)", 1);
        forget_heard(s);
        assert_int_equal(weir_batch_run(b), WEIR_EDBDEADLOCK);
        assert_items(b, (weir_err[]){WEIR_EDBDEADLOCK, WEIR_ECANCELED, WEIR_ECANCELED}, 3);
        if (turn > 0)
            assert_heard(s, "query START TRANSACTION; execute; execute; ");
        assert_int_equal(weir_commit(tx), WEIR_EDBDEADLOCK);
        weir_error_clear(c);
        assert_serves(c, db);
    }
    assert_int_equal(s->kills, 0);
}

static void test_in_a_transaction(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct server s = {.rows = 3, .is_mysql = i > 0};
        play_with(&s, false, in_a_transaction);
    }
}

/* --- what nobody knows ------------------------------------------------------------------------ */

static bool was_good;

static weir_batch *batch_of(weir_ctx *c, weir_db *db)
{
    static row r[2];
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_one(b, row, &r[0], ONE, 1);
    weir_batch_exec(b, NULL, "INSERT INTO a VALUES (?)", 1);
    weir_batch_one(b, row, &r[1], ONE, 1);
    weir_batch_exec(b, NULL, "INSERT INTO a VALUES (?)", 1);
    return b;
}

static size_t cut;

static void is_cut(weir_ctx *c, weir_db *db, struct server *s)
{
    WEIR_SCOPE(one, c, .timeout = weir_sec(3));
    assert_int_equal(weir_batch_run(batch_of(one, db)), WEIR_OK); /* warm */
    weir_batch *b = batch_of(one, db);
    s->cut_at = s->sent + cut;
    weir_err err = weir_batch_run(b);
    was_good = err == WEIR_OK && s->sent < s->cut_at;
    s->cut_at = 0;
    size_t done = 0;
    while (done < 4 && weir_batch_err(b, done) == WEIR_OK)
        done++;
    for (size_t i = done; i < 4; i++) {
        assert_int_equal(weir_batch_err(b, i), WEIR_EGONE);
        assert_true(weir_batch_may_have_run(b, i));
    }
    (void)weir_ctx_close(one);
    assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK);
    assert_serves(c, db);
}

static void test_cut_behind_every_byte(void **state)
{
    (void)state;
    was_good = false;
    for (cut = 1; !was_good; cut++) {
        struct server s = {.rows = 2, .is_mysql = cut % 2 == 0};
        play_with(&s, false, is_cut);
    }
    assert_true(cut > 100);
}

/* All that was sent is ended, one after the other, and the connection serves on. */
static void given_up(weir_ctx *c, weir_db *db, struct server *s)
{
    for (int turn = 0; turn < 2; turn++) {
        WEIR_SCOPE(late, c, .timeout = weir_ms(20));
        weir_batch *b = weir_batch_new(late, db);
        weir_batch_exec(b, NULL, "INSERT INTO a VALUES (?)", 1);
        weir_batch_exec(b, NULL, "DO SLEEP(9)");
        weir_batch_exec(b, NULL, "INSERT INTO a VALUES (?)", 1);
        weir_batch_exec(b, NULL, "DO SLEEP(9)");
        assert_int_equal(weir_batch_run(b), WEIR_ETIMEDOUT);
        assert_items(b, (weir_err[]){WEIR_OK, WEIR_ETIMEDOUT, WEIR_ETIMEDOUT, WEIR_ETIMEDOUT}, 4);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(weir_batch_may_have_run(b, i), i > 0);
        (void)weir_ctx_close(late);
        assert_serves(c, db);
    }
    assert_true(s->kills >= 4);
    assert_int_equal(s->accepted - s->accepted_before, 2); /* it, and the one that kills */
}

static void test_given_up(void **state)
{
    struct server s = {.rows = 3};
    (void)state;
    play_with(&s, false, given_up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sends_once),      cmocka_unit_test(test_passes_over),
        cmocka_unit_test(test_each_for_itself), cmocka_unit_test(test_in_a_transaction),
        cmocka_unit_test(test_given_up),        cmocka_unit_test(test_cut_behind_every_byte),
    };
    return cmocka_run_group_tests_name("batches of MySQL", tests, NULL, NULL);
}
