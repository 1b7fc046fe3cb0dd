/*
 * The core over a driver that says what the test tells it to: kinds of cells that SQLite has not,
 * what becomes of a transaction and a connection after each kind of fault, which operations are
 * called, and in which order.
 */
#include "data/sql/testing.h"

/* --- the order of calls ----------------------------------------------------------------------- */

static weir_err calls_in_order(weir_ctx *c, void *arg)
{
    static const struct weir__sql_cell one[] = {{WEIR__CELL_INT, {.i = 1}}};
    weir_db *db = open_db(c);
    int64_t n;
    (void)arg;
    it.cells = one;
    it.columns = it.rows = 1;
    weir_rows *rows = weir_query(c, db, "SELECT ?", 5);
    while (weir_rows_next(rows, int64_t, &n))
        ;
    assert_int_equal(weir_rows_err(rows), WEIR_OK);
    assert_calls("take r;prepare;rows;fetch;fetch;finish;");
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT ?", 5), WEIR_OK);
    assert_calls("take r;rows;fetch;finish;");

    weir_result done;
    assert_int_equal(weir_db_exec(c, db, &done, "UPDATE"), WEIR_OK);
    assert_true(done.changes == 7 && done.last_id == 9);
    assert_calls("take w;prepare;run;finish;");
    weir_tx *tx = weir_begin(c, db);
    weir_tx *part = weir_begin(c, tx);
    assert_int_equal(weir_exec(part, "UPDATE"), WEIR_OK);
    assert_int_equal(weir_commit(part), WEIR_OK);
    part = weir_begin(c, tx);
    weir_rollback(part);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_calls("take w;begin;SAVEPOINT weir_1;run;finish;RELEASE SAVEPOINT weir_1;"
                 "SAVEPOINT weir_1;ROLLBACK TO weir_1;RELEASE SAVEPOINT weir_1;commit;");
    tx = weir_begin(c, db, .read_only = true);
    weir_rollback(tx);
    assert_calls("take r;begin;rollback;");
    return WEIR_OK;
}
SIM_TEST(calls_in_order)

/* What the server has forgotten is not found again; what has a busy twin is not kept. */
static weir_err forgets_statements(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    int64_t n;
    (void)arg;
    it.columns = 1;
    it.makes_void = true;
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT 1"), WEIR_ENOTFOUND);
    assert_calls("take r;prepare;rows;fetch;finish;forget;");
    assert_int_equal(it.conn.cached_count, 0);
    it.makes_void = false;
    weir_rows *a = weir_query(c, db, "SELECT 1"), *b = weir_query(c, db, "SELECT 1");
    assert_int_equal(it.conn.cached_count, 1);
    weir_rows_close(b);
    weir_rows_close(a);
    assert_calls("take r;prepare;rows;take r;prepare;rows;finish;forget;finish;");
    return WEIR_OK;
}
SIM_TEST(forgets_statements)

static weir_err one_statement_at_a_time(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    (void)arg;
    it.driver.is_one_at_a_time = true;
    it.columns = 1;
    weir_tx *tx = weir_begin(c, db);
    weir_rows *rows = weir_query(c, tx, "SELECT 1");
    weir_rows *second = weir_query(c, tx, "SELECT 2");
    assert_int_equal(weir_rows_err(second), WEIR_EBUSY);
    weir_error_clear(c);
    weir_tx *part = weir_begin(c, tx);
    assert_int_equal(weir_tx_err(part), WEIR_EBUSY);
    weir_error_clear(c);
    weir_rows_close(rows);
    assert_int_equal(weir_exec(tx, "UPDATE"), WEIR_OK);
    assert_non_null(weir_query(c, tx, "SELECT 1"));
    assert_int_equal(weir_exec(tx, "UPDATE"), WEIR_EBUSY);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "core_test.c"));
    assert_int_equal(weir_commit(tx), WEIR_EBUSY); /* closes them first */
    weir_error_clear(c);
    return WEIR_OK;
}
SIM_TEST(one_statement_at_a_time)

/* --- what went wrong -------------------------------------------------------------------------- */

static weir_err raises_once(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    (void)arg;
    plan("run", WEIR_EUNIQUE);
    strcpy(it.fault.state, "23505");
    strcpy(it.fault.constraint, "users_email_key");
    assert_int_equal(weir_db_exec(c, db, NULL, "INSERT"), WEIR_EUNIQUE);
    assert_string_equal(weir_last_error(c)->constraint.ptr, "users_email_key");
    assert_record(c, WEIR_EUNIQUE, "orders: the server's words (SQLSTATE 23505) in: INSERT");
    plan("script", WEIR_EDB);
    assert_int_equal(weir_exec_script(c, db, "CREATE a; DROP b"), WEIR_EDB);
    assert_record(c, WEIR_EDB, "orders: the server's words in:  DROP b");
    /* One that was raised by the pool, or is the context's reason, is not raised again. */
    plan("take r", WEIR_OK);
    it.bare = WEIR_ELIMIT;
    weir_rows *rows = weir_query(c, db, "SELECT 1");
    assert_int_equal(weir_rows_err(rows), WEIR_ELIMIT);
    assert_null(weir_last_error(c));
    /* The name of the first error stays with it. */
    (void)weir_raise(c, WEIR_EFAIL, "earlier");
    plan("run", WEIR_EUNIQUE);
    strcpy(it.fault.constraint, "users_email_key");
    assert_int_equal(weir_db_exec(c, db, NULL, "INSERT"), WEIR_EUNIQUE);
    assert_null(weir_last_error(c)->constraint.ptr);
    assert_record(c, WEIR_EFAIL, "earlier");
    return WEIR_OK;
}
SIM_TEST(raises_once)

static weir_err tells_the_reason_first(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    (void)arg;
    plan("run", WEIR_ETIMEDOUT);
    WEIR_WITH(late, c, .timeout = weir_ms(1)) {
        assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
        assert_int_equal(weir_db_exec(late, db, NULL, "UPDATE"), WEIR_ETIMEDOUT);
        assert_null(weir_last_error(late)); /* it is the deadline's, no error of the database's */
    }
    assert_int_equal(weir_db_exec(c, db, NULL, "UPDATE"), WEIR_ETIMEDOUT);
    assert_record(c, WEIR_ETIMEDOUT, "orders: the server's words in: UPDATE");
    return WEIR_OK;
}
SIM_TEST(tells_the_reason_first)

/* The fate of what the error happened in, of what is around it, and what is still sent. */
static weir_err knows_what_is_left(weir_ctx *c, void *arg)
{
    static const struct {
        uint8_t fate;
        bool is_broken;
        weir_err outer;
        const char *calls;
    } cases[] = {
        {WEIR__TX_GOES_ON, false, WEIR_OK, "ROLLBACK TO weir_1;RELEASE SAVEPOINT weir_1;commit;"},
        {WEIR__TX_FAILED, false, WEIR_OK, "ROLLBACK TO weir_1;RELEASE SAVEPOINT weir_1;commit;"},
        {WEIR__TX_LOST, false, WEIR_EDBDEADLOCK, ""},
        {WEIR__TX_GOES_ON, true, WEIR_EDBDEADLOCK, ""},
    };
    weir_db *db = open_db(c);
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        plan(NULL, WEIR_OK);
        weir_tx *tx = weir_begin(c, db), *part = weir_begin(c, tx);
        plan("run", WEIR_EDBDEADLOCK);
        it.fault.fate = cases[i].fate;
        it.fault.is_broken = cases[i].is_broken;
        assert_int_equal(weir_exec(part, "UPDATE"), WEIR_EDBDEADLOCK);
        it.calls[0] = '\0';
        assert_int_equal(weir_commit(part), WEIR_EDBDEADLOCK);
        assert_int_equal(weir_tx_err(tx), cases[i].outer);
        assert_int_equal(weir_commit(tx), cases[i].outer);
        assert_calls(cases[i].calls);
        weir_error_clear(c);
    }
    /* A query that fails in a transaction leaves it be, unless the database says otherwise. */
    for (int fate = WEIR__TX_GOES_ON; fate <= WEIR__TX_LOST; fate++) {
        plan(NULL, WEIR_OK);
        weir_tx *tx = weir_begin(c, db);
        plan("rows", WEIR_EDB);
        it.fault.fate = (uint8_t)fate;
        weir_rows *rows = weir_query(c, tx, "SELECT 1");
        assert_int_equal(weir_rows_err(rows), WEIR_EDB);
        it.calls[0] = '\0';
        assert_int_equal(weir_commit(tx), fate == WEIR__TX_GOES_ON ? WEIR_OK : WEIR_EDB);
        assert_calls(fate == WEIR__TX_GOES_ON  ? "commit;"
                     : fate == WEIR__TX_FAILED ? "rollback;"
                                               : "");
        weir_error_clear(c);
    }
    return WEIR_OK;
}
SIM_TEST(knows_what_is_left)

/* MariaDB tells of a key that is there already among the rows that INSERT … RETURNING has. */
static weir_err what_was_to_be_changed_is_not(weir_ctx *c, void *arg)
{
    static const struct {
        const char *sql, *fails;
        weir_err commit;
    } cases[] = {
        {"SELECT 1", "rows", WEIR_OK},
        {"SELECT 1", "fetch", WEIR_OK},
        {"INSERT RETURNING id", "rows", WEIR_EUNIQUE},
        {"INSERT RETURNING id", "fetch", WEIR_EUNIQUE},
    };
    weir_db *db = open_db(c);
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t n;
        plan(NULL, WEIR_OK);
        weir_tx *tx = weir_begin(c, db);
        plan(cases[i].fails, WEIR_EUNIQUE);
        assert_int_equal(weir_query_one(c, tx, int64_t, &n, cases[i].sql), WEIR_EUNIQUE);
        assert_int_equal(weir_commit(tx), cases[i].commit);
        weir_error_clear(c);
    }
    return WEIR_OK;
}
SIM_TEST(what_was_to_be_changed_is_not)

static weir_err a_commit_may_fail(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    (void)arg;
    weir_tx *tx = weir_begin(c, db);
    plan("commit", WEIR_ESERIALIZATION);
    assert_int_equal(weir_commit(tx), WEIR_ESERIALIZATION);
    assert_calls("commit;rollback;");
    assert_record(c, WEIR_ESERIALIZATION, "orders: the server's words in: COMMIT");
    tx = weir_begin(c, db);
    plan("commit", WEIR_EGONE);
    it.fault.is_broken = it.fault.may_have_run = true;
    assert_int_equal(weir_commit(tx), WEIR_EGONE);
    assert_calls("commit;");
    weir_error_clear(c);
    /* A roll-back that fails within takes the whole transaction along. */
    plan(NULL, WEIR_OK);
    tx = weir_begin(c, db);
    weir_tx *part = weir_begin(c, tx);
    plan("ROLLBACK TO weir_1", WEIR_EDB);
    weir_rollback(part);
    assert_int_equal(weir_commit(tx), WEIR_EDB);
    assert_calls("ROLLBACK TO weir_1;");
    assert_record(c, WEIR_EDB, "orders: the server's words in: ROLLBACK TO");
    return WEIR_OK;
}
SIM_TEST(a_commit_may_fail)

/* --- cells ------------------------------------------------------------------------------------ */

typedef struct {
    weir_str a;
    weir_uuid b;
    weir_wall c;
} texts;
WEIR_MODEL(texts, (a), (b), (c));

typedef struct {
    bool a;
    uint64_t b;
    double c;
} numbers;
WEIR_MODEL(numbers, (a), (b), (c));

static struct weir__sql_cell decimal(const char *text)
{
    return (struct weir__sql_cell){WEIR__CELL_DECIMAL, {.s = weir_str_from(text)}};
}

static weir_err read_one(weir_ctx *c, weir_db *db, const struct weir__sql_cell *cells, int columns,
                         const weir_model *model, void *out)
{
    it.cells = cells;
    it.columns = columns;
    it.rows = 1;
    return weir_query_one_at(WEIR_HERE, c, weir_source_of(db), model, out, "SELECT", NULL, 0);
}

static weir_err fills_every_kind(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    texts t;
    numbers n;
    int64_t whole;
    weir_decimal d;
    (void)arg;
    const struct weir__sql_cell some_texts[] = {
        {WEIR__CELL_JSON, {.s = WEIR_S("{}")}},
        {WEIR__CELL_UUID, {.uuid = {{1, 2, 3}}}},
        {WEIR__CELL_WALL, {.wall = {5}}},
    };
    assert_int_equal(read_one(c, db, some_texts, 3, &weir_model_texts, &t), WEIR_OK);
    assert_true(weir_str_eq(t.a, WEIR_S("{}")) && t.b.bytes[2] == 3 && t.c.us == 5);
    const struct weir__sql_cell some_numbers[] = {
        {WEIR__CELL_BOOL, {.i = 1}}, {WEIR__CELL_UINT, {.u = UINT64_MAX}}, decimal("-12.50")};
    assert_int_equal(read_one(c, db, some_numbers, 3, &weir_model_numbers, &n), WEIR_OK);
    assert_true(n.a && n.b == UINT64_MAX && n.c == -12.5);

    const struct {
        struct weir__sql_cell cell;
        weir_err err;
        int64_t value;
    } cases[] = {
        {decimal("12.00"), WEIR_OK, 12},
        {decimal("-9223372036854775808"), WEIR_OK, INT64_MIN},
        {decimal("-9223372036854775809"), WEIR_EDBTYPE, 0},
        {decimal("9223372036854775808"), WEIR_EDBTYPE, 0},
        {decimal("12.01"), WEIR_EDBTYPE, 0},
        {decimal("-"), WEIR_EDBTYPE, 0},
        {{WEIR__CELL_UINT, {.u = INT64_MAX}}, WEIR_OK, INT64_MAX},
        {{WEIR__CELL_UINT, {.u = UINT64_MAX}}, WEIR_EDBTYPE, 0},
        {{WEIR__CELL_WALL, {.wall = {5}}}, WEIR_EDBTYPE, 0},
        {{WEIR__CELL_NULL, {0}}, WEIR_EDBTYPE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        whole = 0;
        assert_int_equal(read_one(c, db, &cases[i].cell, 1, &weir_model_int64_t, &whole),
                         cases[i].err);
        assert_true(whole == cases[i].value);
        weir_error_clear(c);
    }
    static const struct weir__sql_cell big = {WEIR__CELL_UINT, {.u = UINT64_MAX}};
    assert_int_equal(read_one(c, db, &big, 1, &weir_model_weir_decimal, &d), WEIR_OK);
    char text[WEIR_DECIMAL_TEXT_MAX];
    weir_decimal_text(d, text);
    assert_string_equal(text, "18446744073709551615");
    double nearest;
    assert_int_equal(read_one(c, db, &big, 1, &weir_model_double, &nearest), WEIR_EDBTYPE);
    assert_record(c, WEIR_EDBTYPE,
                  "orders: column a is an unsigned integer out of range, asked for as double: a "
                  "floating point of 8 bytes in: SELECT");
    return WEIR_OK;
}
SIM_TEST(fills_every_kind)

/* A UUID is no text: it would be 16 bytes that nobody can read. */
static weir_err says_what_does_not_fit(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    weir_str s;
    static const struct weir__sql_cell uuid = {WEIR__CELL_UUID, {.uuid = {{1}}}};
    (void)arg;
    assert_int_equal(read_one(c, db, &uuid, 1, &weir_model_weir_str, &s), WEIR_EDBTYPE);
    assert_non_null(
        strstr(weir_last_error(c)->message.ptr, "column a is a UUID, asked for as weir_str"));
    weir_error_clear(c);
    return WEIR_OK;
}
SIM_TEST(says_what_does_not_fit)

static weir_err takes_what_the_driver_takes(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    (void)arg;
    for (int takes = 0; takes < 2; takes++) {
        it.driver.takes_uint = it.driver.takes_nan = takes;
        assert_int_equal(weir_db_exec(c, db, NULL, "UPDATE ?", UINT64_MAX),
                         takes ? WEIR_OK : -ERANGE);
        assert_int_equal(weir_db_exec(c, db, NULL, "UPDATE ?", __builtin_nan("")),
                         takes ? WEIR_OK : -EDOM);
        weir_error_clear(c);
    }
    assert_int_equal(weir_db_exec(c, db, NULL, "UPDATE ?"), WEIR_EINVALID);
    assert_record(c, WEIR_EINVALID, "orders: 1 parameters, 0 values in: UPDATE ?");
    return WEIR_OK;
}
SIM_TEST(takes_what_the_driver_takes)

/* --- many rows -------------------------------------------------------------------------------- */

static weir_err take_rows(struct weir__sql_conn *conn, const struct weir__sql_many *many,
                          struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    weir_arg args[2];
    weir_err err;
    (void)conn;
    assert_int_equal(many->column_count, 2);
    assert_true(weir_str_eq(many->table, WEIR_S("t")) &&
                weir_str_eq(many->columns[1], WEIR_S("c")));
    for (size_t i = 0; i < many->row_count; i++) {
        many->row(many, i, args);
        assert_true(args[0].kind == WEIR_ARG_INT && args[1].u.d == (double)i);
    }
    out->changes = (int64_t)many->row_count;
    (void)called("many", &err, f);
    return err;
}

static weir_err inserts_by_the_driver(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    numbers rows[] = {{.c = 0}, {.c = 1}, {.c = 2}};
    (void)arg;
    it.driver.many = take_rows;
    weir_tx *tx = weir_begin(c, db);
    it.calls[0] = '\0';
    assert_int_equal(weir_insert(tx, "t", numbers, rows, 3, .without = "b"), WEIR_OK);
    assert_int_equal(weir_changes(tx), 3);
    assert_calls("many;");
    /* One row is a statement, which stays prepared. */
    assert_int_equal(weir_insert(tx, "t", numbers, rows, 1, .columns = "a"), WEIR_OK);
    assert_string_equal(it.sent, "INSERT INTO `t`(`a`) VALUES (?)");
    rows[2].c = __builtin_nan("");
    it.calls[0] = '\0';
    assert_int_equal(weir_insert(tx, "t", numbers, rows, 3, .without = "b"), -EDOM);
    assert_calls(""); /* nothing was sent */
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "value 2 is not a number"));
    assert_non_null(strstr(weir_last_error(c)->message.ptr, ", in row 3"));
    weir_error_clear(c);
    weir_rollback(tx);
    tx = weir_begin(c, db);
    plan("many", WEIR_EUNIQUE);
    rows[2].c = 2;
    assert_int_equal(weir_insert(tx, "t", numbers, rows, 3, .without = "b"), WEIR_EUNIQUE);
    assert_int_equal(weir_commit(tx), WEIR_EUNIQUE);
    assert_record(c, WEIR_EUNIQUE, "orders: the server's words");
    return WEIR_OK;
}
SIM_TEST(inserts_by_the_driver)

static weir_err count_turns(weir_ctx *c, void *arg)
{
    for (int *turns = arg; weir_yield(c) == WEIR_OK;)
        ++*turns;
    return WEIR_OK;
}

/* A server that sends faster than rows are read leaves nothing to wait for. */
static weir_err lets_others_run(weir_ctx *c, void *arg)
{
    enum { PIECE = 8 << 10, PIECES = 4096, BOUND = 256 << 10 };
    struct weir__sql_conn conn = {0};
    int turns = 0;
    (void)arg;
    WEIR_SCOPE(beside, c);
    assert_int_equal(WEIR_GO(beside, count_turns, &turns), WEIR_OK);
    assert_int_equal(weir_yield(c), WEIR_OK);
    for (int i = 0; i < BOUND / PIECE - 1; i++)
        weir__sql_received(&conn, PIECE);
    assert_int_equal(turns, 0); /* an answer of the usual size costs no turn */
    for (int i = 0; i < PIECES; i++)
        weir__sql_received(&conn, PIECE);
    assert_int_equal(turns, PIECES / (BOUND / PIECE));
    (void)weir_ctx_close(beside);
    return WEIR_OK;
}
SIM_TEST(lets_others_run)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_in_order),
        cmocka_unit_test(test_forgets_statements),
        cmocka_unit_test(test_one_statement_at_a_time),
        cmocka_unit_test(test_raises_once),
        cmocka_unit_test(test_tells_the_reason_first),
        cmocka_unit_test(test_knows_what_is_left),
        cmocka_unit_test(test_what_was_to_be_changed_is_not),
        cmocka_unit_test(test_a_commit_may_fail),
        cmocka_unit_test(test_fills_every_kind),
        cmocka_unit_test(test_says_what_does_not_fit),
        cmocka_unit_test(test_takes_what_the_driver_takes),
        cmocka_unit_test(test_inserts_by_the_driver),
        cmocka_unit_test(test_lets_others_run),
    };
    return cmocka_run_group_tests_name("sql core", tests, NULL, NULL);
}
