/*
 * What is read of SQL for SQLite, against SQLite itself: texts are put together at random from what
 * is hard about them and damaged now and then, and where SQLite prepares one, both agree on its
 * parameters, on where each statement ends, and on whether it only reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/random.h"
#include "wire/sql_text.h"

enum { ROUNDS = 60000, TEXT_MAX = 1000 };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const values[] = {
    "?",           "?",
    "'?'",         "'it''s ?'",
    "''",          "\"a\"",
    "[a]",         "`b`",
    "\"b?\"",      "a",
    "t.b",         "1.5e3",
    "x'00'",       "-- ?'\n 1",
    "/* ?\" */ 2", "(?)",
    "(SELECT ?)",  "a LIKE'%?'",
    "'\\'",        "'--'",
    "'/*'",        "/**/3",
    "a--?\n",      "CASE a WHEN ?THEN 1 END",
    "max(?, ?)",   "'a' AS \"?\"",
    "NULL AS[?]",  "replace(a,'?',?)",
    "5--?\n",      "a+/*-*/-?",
    "1 AS 'x''?'", "'\xc3\xa9?'",
    "a/-?",
};

static const char *const shapes[] = {
    "SELECT %s, %s",
    "SELECT %s FROM t WHERE %s",
    "SELECT %s FROM t LIMIT?",
    "VALUES(%s, %s)",
    "WITH x AS (SELECT %s) SELECT %s FROM t",
    "WITH x AS (SELECT %s) DELETE FROM t WHERE a = %s",
    "WITH x AS (SELECT %s FROM t) UPDATE t SET b = %s",
    "INSERT INTO t SELECT 1, (SELECT %s FROM t) RETURNING a",
    "REPLACE INTO t(a, b) SELECT ?, (SELECT %s FROM t)",
    "DELETE FROM t WHERE %s RETURNING ?",
    "UPDATE t SET a = (SELECT %s FROM t)",
    "EXPLAIN SELECT %s",
    "EXPLAIN QUERY PLAN DELETE FROM t WHERE %s",
    "CREATE TRIGGER c AFTER INSERT ON t BEGIN SELECT CASE 1 WHEN 2 THEN 3 END; DELETE FROM t; END",
    "CREATE TABLE c(a '?')",
    "SELECT ?2 + ?1, ?1",
    "(SELECT %s)",
    " \n%s",
    "-- nothing ?",
};

static const char *const ends[] = {"", ";", " ; ", ";;\n", ";-- ?\n", "/*", ";/* ? */"};

static size_t below(struct weir__random *dice, size_t n)
{
    return (size_t)weir__random_upto(dice, n - 1);
}

static size_t add_statement(struct weir__random *dice, char *out, size_t room)
{
    char values_of[2][64];
    for (int i = 0; i < 2; i++)
        (void)snprintf(values_of[i], sizeof values_of[i], "%s", values[below(dice, COUNT(values))]);
    const char *shape = shapes[below(dice, COUNT(shapes))];
    char statement[300];
    const char *first = strstr(shape, "%s");
    size_t before = first != NULL ? (size_t)(first - shape) : strlen(shape);
    const char *rest = first != NULL ? first + 2 : "";
    const char *second = strstr(rest, "%s");
    size_t between = second != NULL ? (size_t)(second - rest) : strlen(rest);
    (void)snprintf(statement, sizeof statement, "%.*s%s%.*s%s%s", (int)before, shape,
                   first != NULL ? values_of[0] : "", (int)between, rest,
                   second != NULL ? values_of[1] : "", second != NULL ? second + 2 : "");
    int n = snprintf(out, room, "%s%s", statement, ends[below(dice, COUNT(ends))]);
    return (size_t)n;
}

static void damage(struct weir__random *dice, char *sql, size_t len)
{
    static const char bytes[] = "'\"`[]-*/;? \n?()a1$";
    if (len > 0 && below(dice, 4) == 0)
        sql[below(dice, len)] = bytes[below(dice, sizeof bytes - 1)];
}

/* What is refused here and taken by SQLite, on purpose. */
static bool is_stricter(int err)
{
    return err == WEIR_SQL_EMIXED || err == WEIR_SQL_EGAP || err == WEIR_SQL_ENAMED;
}

struct tally {
    unsigned prepared, empty, compared;
};

/* One statement of SQLite's, from `sql` to `tail`. */
static void compare(sqlite3_stmt *stmt, const char *sql, const char *tail, struct tally *tally)
{
    struct weir__sql_facts facts;
    weir_str text = {sql, (size_t)(tail - sql)};
    int err = weir__sql_text_read(WEIR__SQL_SQLITE, text, &facts);
    if (is_stricter(err))
        return;
    if (err != 0)
        fail_msg("%s, at %zu of: %.*s", weir__sql_text_error_text(err), facts.at, (int)text.len,
                 sql);
    if (stmt == NULL) {
        if (facts.statement_count != 0)
            fail_msg("%u statements in: %.*s", facts.statement_count, (int)text.len, sql);
        tally->empty++;
        return;
    }
    if (facts.statement_count != 1)
        fail_msg("%u statements in: %.*s", facts.statement_count, (int)text.len, sql);
    if ((int)facts.param_count != sqlite3_bind_parameter_count(stmt))
        fail_msg("%u parameters, not %d: %.*s", facts.param_count,
                 sqlite3_bind_parameter_count(stmt), (int)text.len, sql);
    /* Of EXPLAIN SQLite says what the statement would do that is explained. */
    bool reads = sqlite3_stmt_readonly(stmt) != 0 || sqlite3_stmt_isexplain(stmt) != 0;
    if (facts.reads_only != reads)
        fail_msg("reads %d: %.*s", facts.reads_only, (int)text.len, sql);
    bool yields_rows = sqlite3_column_count(stmt) > 0;
    if ((facts.reads_only || facts.has_returning) != yields_rows)
        fail_msg("returns %d: %.*s", facts.has_returning, (int)text.len, sql);
    tally->compared++;
}

static void walk(sqlite3 *db, const char *sql, struct tally *tally)
{
    for (const char *tail; *sql != '\0'; sql = tail) {
        sqlite3_stmt *stmt = NULL;
        if (sqlite3_prepare_v2(db, sql, -1, &stmt, &tail) != SQLITE_OK)
            return;
        tally->prepared++;
        compare(stmt, sql, tail, tally);
        (void)sqlite3_finalize(stmt);
    }
}

static void agrees_with_sqlite(void **state)
{
    (void)state;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(a, b, [b?])", NULL, NULL, NULL), SQLITE_OK);
    struct weir__random dice = {20260730};
    struct tally tally = {0, 0, 0};
    for (int round = 0; round < ROUNDS; round++) {
        char sql[TEXT_MAX];
        size_t len = 0;
        for (size_t n = 1 + below(&dice, 3); n > 0; n--)
            len += add_statement(&dice, sql + len, sizeof sql - len);
        damage(&dice, sql, len);
        char *exact = strdup(sql);
        assert_non_null(exact);
        walk(db, exact, &tally);
        free(exact);
    }
    (void)sqlite3_close(db);
    assert_true(tally.compared > ROUNDS / 3 && tally.empty > ROUNDS / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_sqlite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
