/*
 * Statements, rows, transactions and what is left of them, against the server of testing.h, which
 * keeps what it was asked.
 */
#include "data/mysql/testing.h"

static int read_all(weir_rows *rows)
{
    int n = 0;
    for (row r; weir_rows_next(rows, row, &r); n++) {
        char name[32];
        snprintf(name, sizeof name, "name %d", n + 1);
        assert_int_equal(r.id, n + 1);
        if ((n + 1) % 3 == 0)
            assert_null(r.name.ptr);
        else
            assert_true(weir_str_eq(r.name, weir_str_from(name)));
    }
    return n;
}

static void assert_reads(weir_ctx *c, weir_db *db, const char *sql, int count)
{
    weir_rows *rows = weir_query(c, db, sql, 7);
    int n = read_all(rows);
    weir_err err = weir_rows_err(rows);
    if (err != WEIR_OK || n != count)
        fail_msg("%d rows, %s", n,
                 weir_last_error(c) != NULL ? weir_last_error(c)->message.ptr : "no error");
}

#define SELECT "SELECT id, name FROM users WHERE age > ?"

static void reads_rows(weir_ctx *c, weir_db *db, struct server *s)
{
    assert_reads(c, db, SELECT, 100);
    assert_reads(c, db, SELECT, 100); /* prepared once */
    assert_heard(s, "prepare " SELECT "; execute; execute; ");
}

static void rows_whole_and_in_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct server s = {.rows = 100,
                           .in_bytes = (i & 1) != 0,
                           .is_mysql = (i & 2) != 0,
                           .resends_columns = (i & 4) != 0};
        play_with(&s, false, reads_rows);
    }
}

static void writes(weir_ctx *c, weir_db *db, struct server *s)
{
    weir_result result;
    forget_heard(s);
    assert_int_equal(weir_db_exec(c, db, &result, "INSERT INTO users(name) VALUES (?)", "x"),
                     WEIR_OK);
    assert_int_equal(result.changes, 1);
    assert_int_equal(result.last_id, 10);
    weir_tx *tx = weir_begin(c, db, .isolation = WEIR_SERIALIZABLE);
    assert_int_equal(weir_exec(tx, "INSERT INTO users(name) VALUES (?)", WEIR_NULL), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    tx = weir_begin(c, db, .read_only = true);
    weir_rows *rows = weir_query(c, tx, SELECT, 7);
    assert_int_equal(read_all(rows), 2);
    assert_int_equal(weir_rows_err(rows), WEIR_OK);
    weir_rollback(tx);
    tx = weir_begin(c, db); /* nothing was asked: nothing is sent */
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_heard(s, "prepare INSERT INTO users(name) VALUES (?); execute; "
                    "query SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; query START TRANSACTION; "
                    "execute; query COMMIT; "
                    "query START TRANSACTION READ ONLY; prepare " SELECT "; execute; "
                    "query ROLLBACK; ");
}

static void statements_that_write(void **state)
{
    struct server s = {.rows = 2};
    (void)state;
    play_with(&s, false, writes);
}

static void leaves_rows(weir_ctx *c, weir_db *db, struct server *s)
{
    row r;
    weir_rows *rows = weir_query(c, db, SELECT, 7);
    assert_true(weir_rows_next(rows, row, &r));
    weir_rows_close(rows);
    assert_reads(c, db, SELECT, s->rows);
    assert_int_equal(s->accepted - s->accepted_before, s->kills > 0 ? 2 : 1);
}

/* The rest of a few rows has come already; of many, the server is told to stop. */
static void rows_that_are_left(void **state)
{
    struct server few = {.rows = 10}, many = {.rows = 20000};
    (void)state;
    play_with(&few, false, leaves_rows);
    assert_int_equal(few.kills, 0);
    play_with(&many, false, leaves_rows);
    assert_int_equal(many.kills, 1);
}

static void is_late(weir_ctx *c, weir_db *db, struct server *s)
{
    for (int i = 0; i < 3; i++) {
        WEIR_SCOPE(limited, c, .timeout = weir_ms(20));
        weir_rows *rows = weir_query(limited, db, "SELECT SLEEP(?)", 100);
        assert_int_equal(weir_rows_err(rows), WEIR_ETIMEDOUT);
        (void)weir_ctx_close(limited);
        assert_reads(c, db, SELECT, s->rows);
    }
    assert_int_equal(s->kills, 3);
    assert_int_equal(s->accepted - s->accepted_before,
                     2); /* one connection, and the one that kills */
}

static void deadlines_kill_the_statement(void **state)
{
    struct server s = {.rows = 3};
    (void)state;
    play_with(&s, false, is_late);
}

static void runs_late(weir_ctx *c, weir_db *db)
{
    WEIR_SCOPE(limited, c, .timeout = weir_ms(20));
    weir_rows *rows = weir_query(limited, db, "SELECT SLEEP(?)", 100);
    assert_int_equal(weir_rows_err(rows), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(limited);
}

/* Nobody looks after the one that kills while it lies unused. */
static void has_lost_what_kills(weir_ctx *c, weir_db *db, struct server *s)
{
    runs_late(c, db);
    assert_reads(c, db, SELECT, s->rows);
    assert_int_equal(s->kills, 1);
    struct visit *killer = s->visits[s->accepted]; /* which was opened last */
    assert_non_null(killer);
    weir__stream_close(&killer->stream);
    runs_late(c, db);
    assert_reads(c, db, SELECT, s->rows);
    assert_int_equal(s->kills, 2);
    assert_int_equal(s->accepted - s->accepted_before, 3); /* another that kills, and no more */
}

static void what_kills_is_gone(void **state)
{
    struct server s = {.rows = 3};
    (void)state;
    play_with(&s, false, has_lost_what_kills);
}

static void is_late_in_tx(weir_ctx *c, weir_db *db, struct server *s)
{
    weir_result result;
    WEIR_SCOPE(limited, c, .timeout = weir_ms(20));
    weir_tx *tx = weir_begin(limited, db);
    assert_int_equal(weir_exec(tx, "UPDATE SLEEP SET a = ?", 1), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(limited);
    forget_heard(s);
    assert_int_equal(weir_db_exec(c, db, &result, "INSERT INTO a VALUES (?)", 1), WEIR_OK);
    assert_null(strstr(s->heard, "ROLLBACK")); /* it is over already */
    assert_int_equal(s->kills, 1);
}

static void transactions_that_are_late(void **state)
{
    struct server s = {.rows = 3};
    (void)state;
    play_with(&s, false, is_late_in_tx);
}

/* A kill that does nothing: the connection is closed after its time, and another one opened. */
static void is_late_for_good(weir_ctx *c, weir_db *db, struct server *s)
{
    WEIR_SCOPE(limited, c, .timeout = weir_ms(20));
    weir_rows *rows = weir_query(limited, db, "SELECT SLEEP(?)", 100);
    assert_int_equal(weir_rows_err(rows), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(limited);
    assert_reads(c, db, SELECT, s->rows);
    assert_int_equal(s->accepted - s->accepted_before, 3);
}

static void kills_that_do_nothing(void **state)
{
    struct server s = {.rows = 3, .is_deaf_to_kills = true};
    (void)state;
    play_with(&s, false, is_late_for_good);
}

static void changes_session(weir_ctx *c, weir_db *db, struct server *s)
{
    weir_result result;
    assert_reads(c, db, SELECT, 3);
    forget_heard(s);
    assert_int_equal(weir_db_exec(c, db, &result, "CALL changes('@', ?)", 1), WEIR_OK);
    assert_reads(c, db, SELECT, 3);
    assert_heard(s, "prepare CALL changes('@', ?); execute; reset; setup; prepare " SELECT
                    "; execute; ");
}

static void sessions_that_were_changed(void **state)
{
    struct server s = {.rows = 3};
    (void)state;
    play_with(&s, false, changes_session);
}

static void fails_by_number(weir_ctx *c, weir_db *db, struct server *s)
{
    static const struct {
        const char *sql;
        weir_err err;
        const char *constraint;
        bool is_broken;
    } cases[] = {
        {"INSERT FAIL 1062 Duplicate entry 'x' for key 'users.email'", WEIR_EUNIQUE, "email",
         false},
        {"INSERT FAIL 1452 Cannot add: a foreign key fails (`s`.`o`, CONSTRAINT `fk_u` FOREIGN",
         WEIR_EFOREIGNKEY, "fk_u", false},
        {"INSERT FAIL 1048 Column 'name' cannot be null", WEIR_ENOTNULL, "name", false},
        {"INSERT FAIL 4025 CONSTRAINT `users.age` failed for `s`.`users`", WEIR_ECHECK, "age",
         false},
        {"INSERT FAIL 3819 Check constraint 'c_age' is violated.", WEIR_ECHECK, "c_age", false},
        {"INSERT FAIL 1213 Deadlock found", WEIR_EDBDEADLOCK, NULL, false},
        {"INSERT FAIL 1205 Lock wait timeout exceeded", WEIR_EBUSY, NULL, false},
        {"INSERT FAIL 1969 Query execution was interrupted", WEIR_ETIMEDOUT, NULL, false},
        {"INSERT FAIL 1146 Table a does not exist", WEIR_EDB, NULL, false},
        {"INSERT FAIL 1290 The server is running with --read-only", WEIR_EREADONLY, NULL, true},
        {"INSERT FAIL 1053 Server shutdown in progress", WEIR_EGONE, NULL, true},
        {"INSERT FAIL 1927 Connection was killed", WEIR_EGONE, NULL, true},
    };
    assert_reads(c, db, SELECT, 3);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_result result;
        WEIR_SCOPE(request, c);
        int accepted = s->accepted;
        weir_err err = weir_db_exec(request, db, &result, cases[i].sql);
        assert_told(request, err, cases[i].err, strchr(cases[i].sql + 12, ' ') + 1);
        if (cases[i].constraint != NULL)
            assert_true(weir_str_eq(weir_last_error(request)->constraint,
                                    weir_str_from(cases[i].constraint)));
        (void)weir_ctx_close(request);
        assert_reads(c, db, SELECT, 3);
        assert_int_equal(s->accepted, accepted + cases[i].is_broken);
    }
}

static void errors_of_the_server(void **state)
{
    struct server s = {.rows = 3};
    (void)state;
    play_with(&s, false, fails_by_number);
}

static void is_refused(weir_ctx *c, weir_db *db, struct server *s)
{
    weir_result result;
    WEIR_SCOPE(one, c);
    assert_told(one, weir_db_exec(one, db, &result, "UPDATE BAD"), WEIR_EDB, "42000");
    (void)weir_ctx_close(one);
    WEIR_SCOPE(two, c);
    assert_told(two, weir_db_exec(two, db, &result, "LOAD DATA LOCAL INFILE 'a' INTO TABLE b"),
                WEIR_EPROTO, "LOCAL INFILE");
    (void)weir_ctx_close(two);
    WEIR_SCOPE(three, c);
    assert_told(three, weir_db_exec(three, db, &result, "SET @a = 1"), WEIR_EDB, "outlive");
    (void)weir_ctx_close(three);
    assert_reads(c, db, SELECT, s->rows);
}

static void what_is_refused(void **state)
{
    struct server s = {.rows = 3};
    (void)state;
    play_with(&s, false, is_refused);
}

static void runs_scripts(weir_ctx *c, weir_db *db, struct server *s)
{
    forget_heard(s);
    assert_int_equal(weir_exec_script(c, db,
                                      "CREATE TABLE a(b INT); /* ; */ INSERT INTO a VALUES "
                                      "(';'); SELECT 1"),
                     WEIR_OK);
    assert_heard(s, "query START TRANSACTION; query CREATE TABLE a(b INT); "
                    "query /* ; */ INSERT INTO a VALUES (';'); query SELECT 1; query COMMIT; ");
    assert_told(c, weir_exec_script(c, db, "SELECT 1; INSERT FAIL 1146 No such table"), WEIR_EDB,
                "in: INSERT FAIL");
}

static void scripts(void **state)
{
    struct server s = {.rows = 3};
    (void)state;
    play_with(&s, false, runs_scripts);
}

static void has_savepoints(weir_ctx *c, weir_db *db, struct server *s)
{
    weir_tx *tx = weir_begin(c, db), *part;
    forget_heard(s);
    assert_int_equal(weir_exec(tx, "INSERT INTO a VALUES (?)", 1), WEIR_OK);
    part = weir_begin(c, tx);
    assert_int_equal(weir_exec(part, "INSERT FAIL 1062 Duplicate for key 'a'"), WEIR_EUNIQUE);
    weir_rollback(part);
    part = weir_begin(c, tx);
    assert_int_equal(weir_exec(part, "INSERT INTO a VALUES (?)", 2), WEIR_OK);
    assert_int_equal(weir_commit(part), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_non_null(strstr(s->heard, "query SAVEPOINT"));
    assert_non_null(strstr(s->heard, "query ROLLBACK TO"));
    assert_non_null(strstr(s->heard, "query COMMIT"));
}

static void savepoints(void **state)
{
    struct server s = {.rows = 3};
    (void)state;
    play_with(&s, false, has_savepoints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_whole_and_in_bytes),
        cmocka_unit_test(statements_that_write),
        cmocka_unit_test(rows_that_are_left),
        cmocka_unit_test(deadlines_kill_the_statement),
        cmocka_unit_test(what_kills_is_gone),
        cmocka_unit_test(transactions_that_are_late),
        cmocka_unit_test(kills_that_do_nothing),
        cmocka_unit_test(sessions_that_were_changed),
        cmocka_unit_test(errors_of_the_server),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(scripts),
        cmocka_unit_test(savepoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
