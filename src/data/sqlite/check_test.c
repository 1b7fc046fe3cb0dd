/* Checked SQL on SQLite: what is told of each statement that does not fit, nothing of others. */
#include "data/sqlite/testing.h"

#include "base/alloc.h"
#include "data/sql/sql.h"

typedef struct {
    int64_t id;
    double name;
    weir_str age;
} wrong_kinds;
WEIR_MODEL(wrong_kinds, (id), (name), (age));

typedef struct {
    weir_wall name;
    weir_decimal age;
    bool id;
    weir_uuid email;
} other_kinds;
WEIR_MODEL(other_kinds, (name), (age), (id), (email));

/* What stands here is never run. */
weir_err statements(weir_ctx *c, weir_db *db, weir_tx *tx);
weir_err statements(weir_ctx *c, weir_db *db, weir_tx *tx)
{
    user u;
    wrong_kinds w;
    int64_t n;
    weir_str text;
    weir_rows_close(weir_query(c, db, WEIR_SQL(user, "SELECT id, name FROM users")));
    weir_rows_close(weir_query(c, db, WEIR_SQL(other_kinds, "SELECT * FROM users")));
    weir_exec(tx, WEIR_SQL("DELETE FROM users WHERE id = ?"), 1);
    weir_exec(tx, WEIR_SQL("SAVEPOINT a"));
    const char *later = WEIR_SQL("SELECT id FROM users WHERE id = ?");
    weir_exec(tx, later, 1);

    weir_exec(tx, WEIR_SQL("DELETE FROM nowhere"));
    weir_exec(tx, WEIR_SQL("DELETE FROM users WHERE nick = ?"), 1);
    weir_exec(tx, WEIR_SQL("DELETE FROM users WHERE id = ?"), 1, 2);
    weir_exec(tx, WEIR_SQL("DELETE FROM users WHERE id = ? AND age = ?"));
    weir_exec(tx, WEIR_SQL("SELEKT"));
    weir_exec(tx, WEIR_SQL("SELECT 1; SELECT 2"));
    weir_exec(tx, WEIR_SQL("BEGIN"));
    weir_err err = weir_query_one(c, db, user, &u, WEIR_SQL("SELECT id, age AS old FROM users"));
    err |= weir_query_one(c, db, int64_t, &n, WEIR_SQL("SELECT id, age FROM users"));
    err |= weir_query_one(c, db, user, &u, WEIR_SQL("DELETE FROM users"));
    err |= weir_query_one(c, db, user, &u, WEIR_SQL("SELECT id, 1 AS id FROM users"));
    err |= weir_query_one(c, db, wrong_kinds, &w, WEIR_SQL("SELECT id, name, age FROM users"));
    err |= weir_query_one(c, db, weir_str, &text, WEIR_SQL("SELECT age FROM users"));
    return err;
}

static const char *const expected[] = {
    "no such table: nowhere, in: DELETE FROM nowhere",
    "no such column: nick, in: DELETE FROM users WHERE nick = ?",
    "1 parameters, 2 values, in: DELETE FROM users WHERE id = ?",
    "2 parameters, 0 values, in: DELETE FROM users WHERE id = ? AND age = ?",
    "near \"SELEKT\": syntax error, in: SELEKT",
    "one statement a call (weir_exec_script runs several), in: SELECT 1; SELECT 2",
    "BEGIN as a statement: a transaction begins with weir_begin and ends with weir_commit or "
    "weir_rollback, in: BEGIN",
    "column old: model user has no member of that name, in: SELECT id, age AS old FROM users",
    "column age: model int64_t is one value, in: SELECT id, age FROM users",
    "column (none): model user asks for rows, the statement has none, in: DELETE FROM users",
    "member id of user would be filled by two columns, in: SELECT id, 1 AS id FROM users",
    "column name is a text, member name of wrong_kinds is a floating point, in: SELECT id, name, "
    "age FROM users",
    "column age is an integer, member age of wrong_kinds is a text, in: SELECT id, name, age FROM "
    "users",
    "column age is an integer, asked for as weir_str: a text, in: SELECT age FROM users",
};
enum { EXPECTED = sizeof expected / sizeof expected[0] };

static void compare(const char *report)
{
    int last = 0;
    for (size_t i = 0; i < EXPECTED; i++) {
        char file[64], text[400];
        int line = 0, n = 0;
        if (sscanf(report, "%60[^:]:%d: %399[^\n]\n%n", file, &line, text, &n) != 3)
            fail_msg("no line %zu in: %s", i, report);
        assert_non_null(strstr(file, "check_test.c"));
        assert_true(line >= last && line > 0);
        assert_string_equal(text, expected[i]);
        last = line;
        report += n;
    }
    assert_string_equal(report, "");
}

static weir_err tells_each_mistake(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_buf report;
    weir_buf_init(&report, 1 << 16);
    assert_int_equal(weir_check_sql(c, db, &report), WEIR_EINVALID);
    compare(report.ptr);
    assert_int_equal(count_users(c, db), 3); /* nothing was run */
    weir_buf_reset(&report);
    assert_int_equal(weir__sql_check_opened(WEIR_HERE, c, &report), WEIR_EINVALID);
    assert_non_null(strstr(report.ptr, "no database is open"));
    weir_buf_fini(&report);
    return WEIR_OK;
}
SIM_TEST(tells_each_mistake)

/* Want of memory is no statement's mistake: the check ends with it. */
static weir_err tells_no_want_of_memory(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_err err = -ENOMEM;
    for (uint64_t n = 1; err == -ENOMEM; n++) {
        weir_buf report;
        weir_buf_init(&report, 1 << 16);
        WEIR_SCOPE(inner, c);
        weir__alloc_fail_nth(n);
        err = weir_check_sql(inner, db, &report);
        weir__alloc_fail_nth(0);
        assert_null(report.ptr != NULL ? strstr(report.ptr, "memory") : NULL);
        weir_error_clear(inner);
        weir_buf_fini(&report);
    }
    assert_int_equal(err, WEIR_EINVALID);
    return WEIR_OK;
}
SIM_TEST(tells_no_want_of_memory)

static weir_err says_that_it_cannot(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_buf report;
    weir_buf_init(&report, 1 << 16);
    weir_db *db = weir_sqlite_open(c, .path = "/nowhere/t.db");
    assert_true(weir_db_err(db) < 0);
    assert_int_equal(weir_check_sql(c, db, &report), weir_db_err(db));
    assert_int_equal(report.len, 0);
    weir_buf_fini(&report);
    return WEIR_OK;
}
SIM_TEST(says_that_it_cannot)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(tells_each_mistake),
        FILE_TEST(tells_no_want_of_memory),
        FILE_TEST(says_that_it_cannot),
    };
    return cmocka_run_group_tests_name("sqlite, check", tests, NULL, NULL);
}
