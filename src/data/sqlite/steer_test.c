/*
 * A database that is held back, goes on, and is made larger and smaller while it is used; and what
 * those who ask it meanwhile are told.
 */
#include "data/sqlite/testing.h"

struct crowd {
    weir_db *db;
    int read, written, failed;
};

static weir_err reads(weir_ctx *c, void *arg)
{
    struct crowd *k = arg;
    assert_int_equal(count_users(c, k->db), 3);
    k->read++;
    return WEIR_OK;
}

static weir_err writes(weir_ctx *c, void *arg)
{
    struct crowd *k = arg;
    assert_int_equal(weir_db_exec(c, k->db, NULL, "UPDATE users SET age = age + 1"), WEIR_OK);
    k->written++;
    return WEIR_OK;
}

static void assert_held_back(weir_ctx *c, weir_err err)
{
    assert_int_equal(err, WEIR_ETIMEDOUT);
    assert_int_equal(weir_last_error(c)->status, 503);
    assert_error(c, WEIR_ETIMEDOUT, "it is suspended since ");
}

/* Who has a deadline is told why nothing came of it; who has none is served when it goes on. */
static weir_err holds_back(weir_ctx *c, void *arg)
{
    struct crowd k = {.db = open_users(c, arg)};
    int64_t n;
    weir_tx *tx = weir_begin(c, k.db);
    weir_exec(tx, "UPDATE users SET age = 7");
    weir_db_suspend(k.db);
    weir_db_suspend(k.db);
    weir_exec(tx, "UPDATE users SET age = 8"); /* what runs goes on */
    assert_int_equal(weir_commit(tx), WEIR_OK);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(100));
    assert_held_back(hasty, weir_query_one(hasty, k.db, int64_t, &n, "SELECT 1"));
    (void)weir_ctx_close(hasty);
    WEIR_SCOPE(writer, c, .timeout = weir_ms(100));
    assert_held_back(writer, weir_db_exec(writer, k.db, NULL, "DELETE FROM users"));
    (void)weir_ctx_close(writer);
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(WEIR_GO(group, reads, &k), WEIR_OK);
        assert_int_equal(WEIR_GO(group, writes, &k), WEIR_OK);
    }
    assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK);
    weir_pool_stats readers, writers;
    weir_db_stats(k.db, &readers, &writers);
    assert_true(readers.is_suspended && writers.is_suspended);
    assert_int_equal(readers.waiting + writers.waiting, 10);
    assert_int_equal(readers.in_use + writers.in_use, 0);
    assert_int_equal(k.read + k.written, 0);
    weir_db_resume(k.db);
    weir_db_resume(k.db);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(k.read, 5);
    assert_int_equal(k.written, 5);
    assert_int_equal(weir_query_one(c, k.db, int64_t, &n, "SELECT max(age) FROM users"), WEIR_OK);
    assert_int_equal(n, 8 + 5);
    return WEIR_OK;
}
SIM_TEST(holds_back)

/* Its context ends while it is held back: so does who is in line there, and nothing is left. */
static weir_err waits_in_vain(weir_ctx *c, void *arg)
{
    struct crowd *k = arg;
    int64_t n;
    k->failed = weir_query_one(c, k->db, int64_t, &n, "SELECT 1");
    weir_error_clear(c);
    return WEIR_OK;
}

static weir_err ends_held_back(weir_ctx *c, void *arg)
{
    struct crowd k = {.failed = 0};
    WEIR_SCOPE(owner, c);
    k.db = open_users(owner, arg);
    weir_db_suspend(k.db);
    assert_int_equal(WEIR_GO(owner, waits_in_vain, &k), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    (void)weir_ctx_close(owner);
    assert_int_equal(k.failed, WEIR_ECANCELED);
    return WEIR_OK;
}
SIM_TEST(ends_held_back)

/* --- larger and smaller ----------------------------------------------------------------------- */

static weir_pool_stats readers_of(weir_db *db)
{
    weir_pool_stats readers, writer;
    weir_db_stats(db, &readers, &writer);
    assert_int_equal(writer.max_open, 1);
    return readers;
}

/* Holds a reader until it is told to end. */
static weir_err holds_rows(weir_ctx *c, void *arg)
{
    struct crowd *k = arg;
    int64_t id;
    weir_rows *rows = weir_query(c, k->db, "SELECT id FROM users");
    assert_true(weir_rows_next(rows, int64_t, &id));
    k->read++;
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    weir_rows_close(rows);
    return WEIR_OK;
}

static weir_err grows_and_shrinks(weir_ctx *c, void *arg)
{
    struct crowd k = {.db = open_users(c, arg)};
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 9; i++)
        assert_int_equal(WEIR_GO(group, holds_rows, &k), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(k.read, 2);
    assert_int_equal(weir_db_resize(k.db, 6, 0), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(k.read, 6); /* there was room for four of those in line */
    assert_int_equal(weir_db_resize(k.db, 2, 1), WEIR_OK);
    assert_int_equal(readers_of(k.db).in_use, 6); /* and none loses it again */
    assert_int_equal(readers_of(k.db).max_open, 2);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(k.read, 9);
    assert_int_equal(readers_of(k.db).open, 2);
    (void)weir_ctx_close(group);
    assert_int_equal(weir_db_resize(k.db, 20, 12), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(readers_of(k.db).idle, 12); /* opened ahead, */
    assert_int_equal(weir_db_resize(k.db, 3, 0), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(readers_of(k.db).open, 3); /* and closed at once */
    return WEIR_OK;
}
SIM_TEST(grows_and_shrinks)

static weir_err refuses_bounds(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    assert_int_equal(weir_db_resize(db, 0, 0), WEIR_EINVALID);
    assert_int_equal(weir_db_resize(db, 10001, 0), WEIR_EINVALID);
    assert_int_equal(weir_db_resize(db, 5, 6), WEIR_EINVALID);
    assert_int_equal(readers_of(db).max_open, 2);
    weir_db *none = weir_sqlite_open(c, .path = "/nowhere/at/all.db");
    weir_error_clear(c);
    weir_db_suspend(none);
    weir_db_resume(none);
    assert_int_equal(weir_db_resize(none, 5, 0), weir_db_err(none));
    assert_true(weir_db_err(none) < 0);
    return WEIR_OK;
}
SIM_TEST(refuses_bounds)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(holds_back),
        FILE_TEST(ends_held_back),
        FILE_TEST(grows_and_shrinks),
        FILE_TEST(refuses_bounds),
    };
    return cmocka_run_group_tests_name("databases held back and resized", tests, NULL, NULL);
}
