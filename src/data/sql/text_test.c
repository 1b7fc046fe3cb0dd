/* Texts of SQL by the core, over a driver by the book that has a dialect. */
#include "data/sql/testing.h"

static weir_db *open_with(weir_ctx *c, enum weir__sql_dialect dialect)
{
    weir_db *db = open_db(c);
    it.driver.has_dialect = true;
    it.driver.dialect = dialect;
    it.driver.script = NULL;
    it.columns = 1;
    return db;
}

static weir_err writes_what_the_server_wants(weir_ctx *c, void *arg)
{
    weir_db *db = open_with(c, WEIR__SQL_POSTGRES);
    int64_t n;
    (void)arg;
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT ? + ?, '?', a ?? b", 1, 2),
                     WEIR_ENOTFOUND);
    assert_string_equal(it.sent, "SELECT $1 + $2, '?', a ? b");
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT $1", 1), WEIR_ENOTFOUND);
    assert_string_equal(it.sent, "SELECT $1");
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT ? + ?", 1), WEIR_EINVALID);
    assert_record(c, WEIR_EINVALID, "orders: 2 parameters, 1 values in: SELECT ? + ?");
    return WEIR_OK;
}
SIM_TEST(writes_what_the_server_wants)

/* Nothing is sent of what is refused. */
static weir_err refuses_before_it_is_sent(weir_ctx *c, void *arg)
{
    static const struct {
        const char *sql, *message;
    } cases[] = {
        {"SET search_path = a", "SET would outlive its user"},
        {"BEGIN", "BEGIN would outlive its user"},
        {"LISTEN a", "LISTEN would outlive its user"},
        {"SELECT 1; SELECT 2", "one statement a call"},
        {" -- nothing\n;", "there is no statement"},
        {"SELECT 'open", "in line 1, column 8"},
        {"SAVEPOINT a", "belongs into a transaction"},
    };
    weir_db *db = open_with(c, WEIR__SQL_POSTGRES);
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(weir_db_exec(c, db, NULL, cases[i].sql), WEIR_EDB);
        const char *message = weir_last_error(c)->message.ptr;
        if (strstr(message, cases[i].message) == NULL)
            fail_msg("\"%s\" is not in \"%s\"", cases[i].message, message);
        weir_error_clear(c);
    }
    assert_null(strstr(it.calls, "run;"));
    weir_rows *rows = weir_query(c, db, "INSERT INTO t VALUES (1) RETURNING id");
    assert_int_equal(weir_rows_err(rows), WEIR_EDB);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "only reads; this writes"));
    weir_error_clear(c);
    return WEIR_OK;
}
SIM_TEST(refuses_before_it_is_sent)

static weir_err commits_nothing_by_the_way(weir_ctx *c, void *arg)
{
    weir_db *db = open_with(c, WEIR__SQL_MYSQL);
    (void)arg;
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(weir_exec(tx, "CREATE TABLE t(n INTEGER)"), WEIR_EDB);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "would commit the transaction"));
    weir_error_clear(c);
    weir_rollback(tx);
    assert_int_equal(weir_db_exec(c, db, NULL, "CREATE TABLE t(n INTEGER)"), WEIR_OK);
    return WEIR_OK;
}
SIM_TEST(commits_nothing_by_the_way)

static weir_err parts_scripts(weir_ctx *c, void *arg)
{
    weir_db *db = open_with(c, WEIR__SQL_POSTGRES);
    (void)arg;
    assert_int_equal(weir_exec_script(c, db, "CREATE a; -- b;\n DO $$ x; y $$ ;;"), WEIR_OK);
    assert_calls("take w;begin;CREATE a;-- b;\n DO $$ x; y $$;commit;");
    plan("DROP b", WEIR_EDB);
    assert_int_equal(weir_exec_script(c, db, "DROP a;DROP b;DROP c"), WEIR_EDB);
    assert_calls("take w;begin;DROP a;DROP b;rollback;");
    assert_record(c, WEIR_EDB, "orders: the server's words in: DROP b;DROP c");
    plan(NULL, WEIR_OK);
    assert_int_equal(weir_exec_script(c, db, "DROP a; COMMIT"), WEIR_EDB);
    assert_calls("take w;begin;rollback;");
    weir_error_clear(c);
    assert_int_equal(weir_exec_script(c, db, "DELETE FROM a WHERE id = ?"), WEIR_EINVALID);
    weir_error_clear(c);
    return WEIR_OK;
}
SIM_TEST(parts_scripts)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_what_the_server_wants),
        cmocka_unit_test(test_refuses_before_it_is_sent),
        cmocka_unit_test(test_commits_nothing_by_the_way),
        cmocka_unit_test(test_parts_scripts),
    };
    return cmocka_run_group_tests_name("sql texts", tests, NULL, NULL);
}
