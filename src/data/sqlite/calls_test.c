/* Reading and writing: rows into structs, values by type, transactions, what is forgotten. */
#include "data/sqlite/testing.h"

#include "base/alloc.h"
#include "data/sqlite/sqlite.h"
#include "net/pool_inside.h"
#include "rt/context.h"
#include "rt/owned.h"

/* --- reading ---------------------------------------------------------------------------------- */

static weir_err reads_rows(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    int n = 0;
    user u = {.age = -1};
    weir_rows *rows = weir_query(c, db, "SELECT name, id, email FROM users ORDER BY id");
    while (weir_rows_next(rows, user, &u)) {
        n++;
        assert_int_equal(u.id, n);
        assert_int_equal(u.age, -1); /* a member without a column keeps its value */
        if (n == 1)
            assert_true(weir_str_eq(u.name, WEIR_S("Ada")));
        if (n == 2)
            assert_null(u.email.ptr); /* NULL is an absent text */
    }
    assert_int_equal(weir_rows_err(rows), WEIR_OK);
    assert_int_equal(n, 3);
    assert_false(weir_rows_next(rows, user, &u));
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(reads_rows)

static weir_err reads_one(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    user u = {.id = 99};
    memset(&u.email, 0xee, sizeof u.email); /* no column of it: not looked at */
    assert_int_equal(weir_query_one(c, db, user, &u, "SELECT name, age FROM users WHERE id = ?", 3),
                     WEIR_OK);
    assert_true(weir_str_eq(u.name, WEIR_S("Cy")));
    assert_int_equal(u.age, 71);
    assert_int_equal(u.id, 99);
    user v;
    assert_int_equal(weir_query_one(c, db, user, &v, "SELECT name FROM users WHERE id = ?", 1),
                     WEIR_OK);
    assert_true(weir_str_eq(u.name, WEIR_S("Cy"))); /* a copy of its own */
    assert_int_equal(weir_query_one(c, db, user, &u, "SELECT name FROM users WHERE id = 77"),
                     WEIR_ENOTFOUND);
    assert_null(weir_last_error(c));
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(reads_one)

static weir_err passes_values(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    int64_t n;
    double d;
    weir_str s;
    bool b;
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT ?", INT64_MIN), WEIR_OK);
    assert_int_equal(n, INT64_MIN);
    assert_int_equal(weir_query_one(c, db, double, &d, "SELECT ?", 0.1f), WEIR_OK);
    assert_true(d == (double)0.1f);
    assert_int_equal(weir_query_one(c, db, bool, &b, "SELECT ?", true), WEIR_OK);
    assert_true(b);
    assert_int_equal(weir_query_one(c, db, weir_str, &s, "SELECT ?", "it's; --"), WEIR_OK);
    assert_true(weir_str_eq(s, WEIR_S("it's; --")));
    assert_int_equal(weir_query_one(c, db, weir_str, &s, "SELECT ?", WEIR_S("a\0b")), WEIR_OK);
    assert_int_equal(s.len, 3);
    assert_int_equal(weir_query_one(c, db, weir_str, &s, "SELECT ?", ""), WEIR_OK);
    assert_non_null(s.ptr); /* empty is present */
    assert_int_equal(weir_query_one(c, db, weir_str, &s, "SELECT ?", WEIR_NULL), WEIR_OK);
    assert_null(s.ptr);
    assert_int_equal(weir_query_one(c, db, weir_str, &s, "SELECT ?", ((weir_str){NULL, 0})),
                     WEIR_OK);
    assert_null(s.ptr);
    assert_int_equal(
        weir_query_one(c, db, weir_str, &s, "SELECT typeof(?)", ((weir_blob){"\0\1", 2})), WEIR_OK);
    assert_true(weir_str_eq(s, WEIR_S("blob")));
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT ?", UINT64_MAX), -ERANGE);
    assert_error(c, -ERANGE, "over 2^63");
    return WEIR_OK;
}
SIM_TEST(passes_values)

static weir_err refuses_values(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_str s;
    weir_wall late = {WEIR_WALL_MAX + 1};
    weir_raw_json broken = {WEIR_S("{")};
    assert_int_equal(weir_query_one(c, db, weir_str, &s, "SELECT ?", late), -ERANGE);
    assert_error(c, -ERANGE, "value 1 is outside of the years 1 to 9999");
    assert_int_equal(weir_query_one(c, db, weir_str, &s, "SELECT ?", broken), WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "value 1 is not JSON");
    return WEIR_OK;
}
SIM_TEST(refuses_values)

static weir_err copies_streamed_values(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    char text[4] = "Cy";
    user u;
    weir_rows *rows = weir_query(c, db, "SELECT name FROM users WHERE name >= ? ORDER BY id", text);
    strcpy(text, "zz"); /* the value was copied when the query was made */
    assert_true(weir_rows_next(rows, user, &u));
    assert_true(weir_str_eq(u.name, WEIR_S("Cy")));
    weir_rows_close(rows);
    weir_rows_close(rows);
    assert_false(weir_rows_next(rows, user, &u));
    assert_int_equal(weir_rows_err(rows), WEIR_OK);
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(copies_streamed_values)

/* E13 */
static weir_err caps_rows(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    user u;
    int n = 0;
    weir_rows *rows = weir_query_max(c, db, 2, "SELECT id FROM users");
    while (weir_rows_next(rows, user, &u))
        n++;
    assert_int_equal(n, 2);
    assert_int_equal(weir_rows_err(rows), WEIR_ELIMIT);
    assert_error(c, WEIR_ELIMIT, "more than 2 rows");
    rows = weir_query_max(c, db, 3, "SELECT id FROM users");
    while (weir_rows_next(rows, user, &u))
        n++;
    assert_int_equal(n, 5);
    assert_int_equal(weir_rows_err(rows), WEIR_OK); /* just as many as allowed */
    db = weir_sqlite_open(c, .path = ((struct file *)arg)->path, .rows_max = 1);
    rows = weir_query(c, db, "SELECT id FROM users");
    while (weir_rows_next(rows, user, &u))
        n++;
    assert_int_equal(n, 6);
    assert_int_equal(weir_rows_err(rows), WEIR_ELIMIT); /* the database's own cap */
    weir_error_clear(c);
    return WEIR_OK;
}
SIM_TEST(caps_rows)

/* E14: no allocation for a row once the statement is warm. */
static weir_err allocates_nothing(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    for (int i = 0; i < 3; i++) {
        uint64_t before = weir__alloc_stats().allocs;
        user u;
        weir_rows *rows = weir_query(c, db, "SELECT id, name, email, age FROM users");
        while (weir_rows_next(rows, user, &u))
            ;
        assert_int_equal(weir_rows_err(rows), WEIR_OK);
        assert_int_equal(weir_query_one(c, db, user, &u, "SELECT id FROM users WHERE id = ?", 1),
                         WEIR_OK);
        if (i == 2)
            assert_int_equal(weir__alloc_stats().allocs, before);
    }
    return WEIR_OK;
}
SIM_TEST(allocates_nothing)

/* E13: what streams is not kept, however much it is; nor does it matter where its SQL stands. */
static weir_err streams_in_place(weir_ctx *c, void *arg)
{
    static const char sql[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                              "WHERE i < 20000) SELECT i id, 'a name of some length' name FROM n";
    weir_db *db = open_users(c, arg);
    for (int i = 0; i < 3; i++) {
        char copy[sizeof sql];
        int64_t sum = 0;
        user u;
        uint64_t before = weir__alloc_stats().allocs;
        weir_rows *rows = weir_query(c, db, i == 0 ? sql : memcpy(copy, sql, sizeof sql));
        while (weir_rows_next(rows, user, &u))
            sum += u.id;
        assert_int_equal(weir_rows_err(rows), WEIR_OK);
        assert_int_equal(sum, 200010000);
        if (i > 0)
            assert_int_equal(weir__alloc_stats().allocs, before);
    }
    return WEIR_OK;
}
SIM_TEST(streams_in_place)

/* --- types ------------------------------------------------------------------------------------ */

typedef struct {
    int8_t small;
    uint8_t byte;
    uint64_t big;
    float f;
    double d;
    bool flag;
    int64_t maybe;
    bool has_maybe;
    weir_str text;
} mixed;
WEIR_MODEL(mixed, (small), (byte), (big), (f), (d), (flag),
           (maybe, .present = weir_flag_of(mixed, has_maybe)), (text));

static weir_err fills_types(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    mixed m;
    assert_int_equal(weir_query_one(c, db, mixed, &m,
                                    "SELECT -128 small, 255 byte, 9223372036854775807 big, 1.5 f,"
                                    " 3 d, 1 flag, NULL maybe, x'00ff' text"),
                     WEIR_OK);
    assert_int_equal(m.small, -128);
    assert_int_equal(m.byte, 255);
    assert_true(m.big == INT64_MAX);
    assert_true(m.f == 1.5f);
    assert_true(m.d == 3.0);
    assert_true(m.flag);
    assert_false(m.has_maybe);
    assert_int_equal(m.text.len, 2);
    assert_int_equal(weir_query_one(c, db, mixed, &m, "SELECT 7 maybe, 2.0 small"), WEIR_OK);
    assert_true(m.has_maybe);
    assert_int_equal(m.maybe, 7);
    assert_int_equal(m.small, 2);
    return WEIR_OK;
}
SIM_TEST(fills_types)

static void refuses(weir_ctx *c, weir_db *db, const char *sql, const char *part)
{
    mixed m;
    assert_int_equal(weir_query_one(c, db, mixed, &m, sql), WEIR_EDBTYPE);
    assert_error(c, WEIR_EDBTYPE, part);
    assert_nothing_out(db);
}

static weir_err refuses_types(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    refuses(c, db, "SELECT 128 small",
            "column small is an integer out of range, member small of mixed");
    refuses(c, db, "SELECT -1 byte", "column byte is an integer out of range");
    refuses(c, db, "SELECT -1 big", "column big");
    user u;
    assert_int_equal(weir_query_one(c, db, user, &u, "SELECT 5000000000 age"), WEIR_EDBTYPE);
    assert_error(c, WEIR_EDBTYPE, "column age is an integer out of range");
    refuses(c, db, "SELECT 2 flag", "column flag is an integer out of range");
    refuses(c, db, "SELECT NULL d", "column d is NULL, member d of mixed");
    refuses(c, db, "SELECT NULL d", ".present");
    refuses(c, db, "SELECT 'x' small", "column small is a text");
    refuses(c, db, "SELECT 5 text", "column text is an integer, member text of mixed is a text");
    refuses(c, db, "SELECT 1.5 small", "column small is a real");
    refuses(c, db, "SELECT 1 nosuch", "column nosuch: model mixed has no member of that name");
    int64_t n;
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT 1, 2"), WEIR_EDBTYPE);
    assert_error(c, WEIR_EDBTYPE, "is one value");
    return WEIR_OK;
}
SIM_TEST(refuses_types)

/* --- statements ------------------------------------------------------------------------------- */

static weir_err refuses_statements(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    int64_t n;
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELEC 1"), WEIR_EDB);
    assert_error(c, WEIR_EDB, "syntax error in: SELEC 1");
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT 1; SELECT 2"), WEIR_EDB);
    assert_error(c, WEIR_EDB, "one statement a call");
    assert_int_equal(weir_query_one(c, db, int64_t, &n, ""), WEIR_EDB);
    weir_error_clear(c);
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT ?", 1, 2), WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "1 parameters, 2 values");
    weir_rows *rows = weir_query(c, db, "DELETE FROM users");
    assert_false(weir_rows_next(rows, int64_t, &n));
    assert_int_equal(weir_rows_err(rows), WEIR_EDB);
    assert_error(c, WEIR_EDB, "only reads");
    assert_int_equal(count_users(c, db), 3);
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(refuses_statements)

static struct weir__sqlite *sqlite_of(weir_db *db)
{
    return weir__token_must(db, WEIR__KIND_DB, "sqlite_of", "the database");
}

/* Built texts at one address, more of them than are kept, and a change of the schema beneath. */
static weir_err keeps_statements(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    char sql[64];
    for (int64_t round = 0; round < 2; round++) {
        for (int64_t i = 0; i < 200; i++) {
            int64_t n;
            snprintf(sql, sizeof sql, "SELECT %d;\n", (int)i);
            assert_int_equal(weir_query_one(c, db, int64_t, &n, sql), WEIR_OK);
            assert_int_equal(n, i);
        }
    }
    struct weir__pool *readers = sqlite_of(db)->readers;
    for (uint32_t i = 0; i < readers->o.max_open; i++) {
        const struct weir__sqlite_conn *conn = readers->slots[i].resource;
        assert_true(conn == NULL || conn->head.cached_count == WEIR__SQL_STATEMENTS);
    }
    user u;
    static const char all[] = "SELECT * FROM users WHERE id = 1";
    assert_int_equal(weir_query_one(c, db, user, &u, all), WEIR_OK);
    assert_int_equal(weir_exec_script(c, db, "ALTER TABLE users RENAME COLUMN age TO years"),
                     WEIR_OK);
    assert_int_equal(weir_query_one(c, db, user, &u, all), WEIR_EDBTYPE);
    assert_error(c, WEIR_EDBTYPE, "column years");
    return WEIR_OK;
}
SIM_TEST(keeps_statements)

/* The same statement twice at a time, within one transaction: on one connection. */
static weir_err nests_statements(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    static const char sql[] = "SELECT id FROM users ORDER BY id";
    weir_tx *tx = weir_begin(c, db);
    int n = 0;
    weir_rows *outer = weir_query(c, tx, sql);
    for (user u; weir_rows_next(outer, user, &u);) {
        weir_rows *inner = weir_query(c, tx, sql);
        for (user v; weir_rows_next(inner, user, &v);)
            n++;
        assert_int_equal(weir_rows_err(inner), WEIR_OK);
    }
    assert_int_equal(weir_rows_err(outer), WEIR_OK);
    assert_int_equal(n, 9);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    return WEIR_OK;
}
SIM_TEST(nests_statements)

/* --- transactions ----------------------------------------------------------------------------- */

static weir_err commits(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(weir_exec(tx, "INSERT INTO users(name) VALUES (?)", "Dora"), WEIR_OK);
    assert_int_equal(weir_last_insert_id(tx), 4);
    assert_int_equal(weir_changes(tx), 1);
    weir_exec(tx, "UPDATE users SET age = age + ?", 1);
    assert_int_equal(weir_changes(tx), 4);
    int64_t n;
    assert_int_equal(weir_query_one(c, tx, int64_t, &n, "SELECT count(*) FROM users"), WEIR_OK);
    assert_int_equal(n, 4);
    assert_int_equal(count_users(c, db), 3); /* others do not see it yet */
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(count_users(c, db), 4);
    assert_int_equal(weir_exec(tx, "DELETE FROM users"), WEIR_ECLOSED);
    weir_rollback(tx);
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(commits)

static weir_err rolls_back(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "DELETE FROM users");
    weir_rollback(tx);
    weir_rollback(tx);
    assert_int_equal(weir_commit(tx), WEIR_ECANCELED);
    assert_int_equal(count_users(c, db), 3);
    assert_nothing_out(db);
    tx = weir_begin(c, db); /* empty ones cost nothing */
    assert_int_equal(weir_commit(tx), WEIR_OK);
    return WEIR_OK;
}
SIM_TEST(rolls_back)

static weir_err keeps_first_error(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "INSERT INTO users(name) VALUES ('Dora')");
    weir_exec(tx, "INSERT INTO users(name, email) VALUES ('Eve', 'ada@example.com')");
    assert_int_equal(weir_tx_err(tx), WEIR_EUNIQUE);
    assert_int_equal(weir_exec(tx, "INSERT INTO users(name) VALUES ('Fay')"), WEIR_EUNIQUE);
    assert_int_equal(weir_commit(tx), WEIR_EUNIQUE);
    assert_string_equal(weir_last_error(c)->constraint.ptr, "users.email");
    assert_error(c, WEIR_EUNIQUE, "UNIQUE constraint failed: users.email");
    assert_int_equal(count_users(c, db), 3);
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(keeps_first_error)

static weir_err writes_once(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_result done;
    int64_t id;
    assert_int_equal(
        weir_db_exec(c, db, &done, "INSERT INTO users(name, age) VALUES (?, ?)", "Gus", 5),
        WEIR_OK);
    assert_int_equal(done.last_id, 4);
    assert_int_equal(done.changes, 1);
    assert_int_equal(weir_db_exec(c, db, &done, "DELETE FROM users WHERE id = 77"), WEIR_OK);
    assert_int_equal(done.changes, 0);
    assert_int_equal(done.last_id, 0);
    assert_int_equal(weir_db_exec(c, db, NULL, "UPDATE users SET age = -1"), WEIR_ECHECK);
    assert_error(c, WEIR_ECHECK, "CHECK constraint");
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(
        weir_query_one(c, tx, int64_t, &id, "INSERT INTO users(name) VALUES ('Hal') RETURNING id"),
        WEIR_OK);
    assert_int_equal(id, 5);
    weir_rows *rows = weir_query(c, tx, "UPDATE users SET age = 1 RETURNING id");
    for (int n = 1; weir_rows_next(rows, int64_t, &id); n++)
        assert_int_equal(id, n);
    assert_int_equal(weir_rows_err(rows), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(count_users(c, db), 5);
    return WEIR_OK;
}
SIM_TEST(writes_once)

static weir_err scripts_are_whole(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_err err = weir_exec_script(c, db,
                                    "-- two good ones, one bad\n"
                                    "INSERT INTO users(name) VALUES ('Ida');\n"
                                    "CREATE TABLE t(x);\n\n"
                                    "INSERT INTO nosuch VALUES (1);\n");
    assert_int_equal(err, WEIR_EDB);
    assert_error(c, WEIR_EDB, "no such table: nosuch in: INSERT INTO nosuch");
    assert_int_equal(count_users(c, db), 3);
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(scripts_are_whole)

/* Rows of a transaction that was committed under them. */
static weir_err rows_end_with_their_transaction(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    user u;
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "UPDATE users SET age = 1");
    weir_rows *rows = weir_query(c, tx, "SELECT id FROM users");
    assert_true(weir_rows_next(rows, user, &u));
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_false(weir_rows_next(rows, user, &u));
    assert_int_equal(weir_rows_err(rows), WEIR_ECLOSED);
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(rows_end_with_their_transaction)

static weir_err waits_for_a_turn(weir_ctx *c, void *arg)
{
    weir_db *db = arg;
    weir_tx *tx = weir_begin(c, db);
    int64_t age;
    assert_int_equal(weir_query_one(c, tx, int64_t, &age, "SELECT age FROM users WHERE id = 1"),
                     WEIR_OK);
    (void)!weir_sleep(c, weir_ms(5));
    weir_exec(tx, "UPDATE users SET age = ? WHERE id = 1", age + 1);
    return weir_commit(tx);
}

static weir_err takes_turns(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 20; i++)
        assert_int_equal(WEIR_GO(group, waits_for_a_turn, db), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    int64_t age;
    assert_int_equal(weir_query_one(c, db, int64_t, &age, "SELECT age FROM users WHERE id = 1"),
                     WEIR_OK);
    assert_int_equal(age, 56); /* no update was lost */
    return WEIR_OK;
}
SIM_TEST(takes_turns)

/* A second transaction while this fiber has one: it would wait for itself. */
static int64_t count_users_in(weir_ctx *c, weir_tx *tx)
{
    int64_t n = -1;
    assert_int_equal(weir_query_one(c, tx, int64_t, &n, "SELECT count(*) FROM users"), WEIR_OK);
    return n;
}

static weir_err begins_twice(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_tx *tx = weir_begin(c, db);
    weir_tx *second = weir_begin(c, db);
    assert_int_equal(weir_tx_err(second), -EDEADLK);
    assert_int_equal(weir_exec(second, "DELETE FROM users"), -EDEADLK);
    assert_int_equal(weir_commit(second), -EDEADLK);
    assert_error(c, -EDEADLK, "t.db writer");
    assert_int_equal(weir_commit(tx), WEIR_OK);
    return WEIR_OK;
}
SIM_TEST(begins_twice)

/* A transaction has the right to write from its first statement on, and another process has not. */
static weir_err reserves_the_right_to_write(weir_ctx *c, void *arg)
{
    sqlite3 *s;
    weir_db *db = open_users(c, arg);
    assert_int_equal(sqlite3_open(((struct file *)arg)->path, &s), SQLITE_OK);
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(count_users_in(c, tx), 3);
    assert_int_equal(sqlite3_exec(s, "DELETE FROM users", NULL, NULL, NULL), SQLITE_BUSY);
    assert_int_equal(weir_exec(tx, "DELETE FROM users WHERE id = 1"), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(sqlite3_exec(s, "DELETE FROM users WHERE id = 2", NULL, NULL, NULL), 0);
    assert_int_equal(sqlite3_close(s), SQLITE_OK);
    assert_int_equal(count_users(c, db), 1);
    return WEIR_OK;
}
SIM_TEST(reserves_the_right_to_write)

/* A transaction that was begun behind the driver's back is found when the connection comes back. */
static weir_err finds_what_is_dirty(weir_ctx *c, void *arg)
{
    weir_pool_stats writer;
    weir_db *db = open_users(c, arg);
    struct weir__pool *pool = sqlite_of(db)->writer;
    const struct weir__sqlite_conn *conn = pool->slots[0].resource;
    assert_int_equal(sqlite3_exec(conn->db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(weir_db_exec(c, db, NULL, "SELECT 1"), WEIR_OK);
    weir_db_stats(db, NULL, &writer);
    assert_int_equal(writer.closed[WEIR_POOL_CLOSED_BROKEN], 1);
    assert_int_equal(weir_db_exec(c, db, NULL, "DELETE FROM users"), WEIR_OK);
    assert_int_equal(count_users(c, db), 0);
    return WEIR_OK;
}
SIM_TEST(finds_what_is_dirty)

/* --- what is forgotten (E5, L04, L36) --------------------------------------------------------- */

static weir_err forgets_rows(weir_ctx *c, void *arg)
{
    user u;
    weir_rows *rows = weir_query(c, (weir_db *)arg, "SELECT id FROM users");
    assert_true(weir_rows_next(rows, user, &u));
    return WEIR_OK;
}

static weir_err forgets_tx(weir_ctx *c, void *arg)
{
    weir_tx *tx = weir_begin(c, (weir_db *)arg);
    weir_exec(tx, "DELETE FROM users");
    weir_rows *rows = weir_query(c, tx, "SELECT id FROM users");
    (void)rows;
    return WEIR_OK;
}

static weir_err forgets_error(weir_ctx *c, void *arg)
{
    user u;
    weir_rows *rows = weir_query(c, (weir_db *)arg, "SELECT nosuch FROM users");
    while (weir_rows_next(rows, user, &u))
        ;
    return WEIR_OK;
}

static weir_err finishes_all(weir_ctx *c, void *arg)
{
    user u;
    weir_rows *rows = weir_query(c, (weir_db *)arg, "SELECT id FROM users");
    while (weir_rows_next(rows, user, &u))
        ;
    weir_rows *closed = weir_query(c, (weir_db *)arg, "SELECT id FROM users");
    assert_true(weir_rows_next(closed, user, &u));
    weir_rows_close(closed);
    weir_tx *tx = weir_begin(c, (weir_db *)arg);
    weir_exec(tx, "UPDATE users SET age = 5");
    weir_rollback(tx);
    return weir_rows_err(rows);
}

static weir_err fails_in_the_middle(weir_ctx *c, void *arg)
{
    (void)forgets_tx(c, arg);
    (void)forgets_rows(c, arg);
    return -EIO;
}

/* How many reports it makes when run in a fiber; everything must be back afterwards. */
static uint64_t reports_of(weir_ctx *c, weir_db *db, weir_fiber_fn fn)
{
    uint64_t before = weir__leak_total();
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, fn, db), WEIR_OK);
    (void)!weir_join(group);
    (void)weir_ctx_close(group);
    weir_error_clear(c);
    assert_nothing_out(db);
    assert_int_equal(count_users(c, db), 3);
    return weir__leak_total() - before;
}

static weir_err cleans_up(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    assert_int_equal(reports_of(c, db, finishes_all), 0);
    assert_int_equal(reports_of(c, db, forgets_rows), 1);
    assert_int_equal(reports_of(c, db, forgets_tx), 2); /* the transaction and its rows */
    assert_int_equal(reports_of(c, db, forgets_error), 1);
    assert_int_equal(reports_of(c, db, fails_in_the_middle), 0);
    struct weir__leak_site sites[64];
    size_t n = weir__leak_sites(sites, 64);
    assert_true(n >= 3);
    assert_string_equal(sites[n - 1].site->func, "forgets_error");
    return WEIR_OK;
}
SIM_TEST(cleans_up)

/* L36 */
static weir_err holds_a_transaction(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    weir_db *db =
        weir_sqlite_open(c, .path = f->path, .create = true, .tx_threshold = weir_ms(500));
    weir_pool_stats writer;
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "CREATE TABLE t(x)");
    assert_int_equal(weir_sleep(c, weir_sec(1)), WEIR_OK);
    weir_db_stats(db, NULL, &writer);
    assert_int_equal(writer.leaked, 1);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    weir_db_stats(db, NULL, &writer);
    assert_int_equal(writer.leaks_returned, 1);
    return WEIR_OK;
}
SIM_TEST(holds_a_transaction)

/* Cancelled with a transaction open: it is rolled back all the same, and the next one begins. */
static weir_err waits_for_ever(weir_ctx *c, void *arg)
{
    weir_tx *tx = weir_begin(c, (weir_db *)arg);
    weir_exec(tx, "DELETE FROM users");
    (void)!weir_sleep(c, weir_hour(1));
    assert_int_equal(weir_exec(tx, "DELETE FROM users"), WEIR_ETIMEDOUT);
    return weir_commit(tx);
}

static weir_err is_cancelled(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    WEIR_SCOPE(group, c, .timeout = weir_ms(100));
    assert_int_equal(WEIR_GO(group, waits_for_ever, db), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(group);
    assert_nothing_out(db);
    assert_int_equal(count_users(c, db), 3);
    assert_int_equal(weir_db_exec(c, db, NULL, "UPDATE users SET age = 3"), WEIR_OK);
    return WEIR_OK;
}
SIM_TEST(is_cancelled)

static weir_err uses_rows(weir_ctx *c, void *arg)
{
    user u;
    (void)c;
    (void)!weir_rows_next((weir_rows *)arg, user, &u);
    return WEIR_OK;
}

static weir_err protects_rows(weir_ctx *c, void *arg)
{
    assert_int_equal(weir_protect(c, uses_rows, arg), WEIR_EPANIC);
    assert_error(c, WEIR_EPANIC, "another fiber");
    return WEIR_OK;
}

static weir_err uses_tx(weir_ctx *c, void *arg)
{
    (void)c;
    return weir_exec((weir_tx *)arg, "DELETE FROM users");
}

static weir_err protects_tx(weir_ctx *c, void *arg)
{
    assert_int_equal(weir_protect(c, uses_tx, arg), WEIR_EPANIC);
    assert_error(c, WEIR_EPANIC, "another fiber");
    return WEIR_OK;
}

static weir_err rows_know_their_fiber(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_rows *rows = weir_query(c, db, "SELECT id FROM users");
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, protects_rows, rows), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    weir_rows_close(rows);
    weir_tx *tx = weir_begin(c, db);
    group = weir_ctx_enter(c);
    assert_int_equal(WEIR_GO(group, protects_tx, tx), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    return WEIR_OK;
}
SIM_TEST(rows_know_their_fiber)

/* A context that outlives the database: each of these panics in the middle. */
static weir_err queries_too_early(weir_ctx *c, void *db)
{
    int64_t n;
    return weir_query_one(c, (weir_db *)db, int64_t, &n, "SELECT 1");
}

static weir_err executes_too_early(weir_ctx *c, void *db)
{
    return weir_db_exec(c, (weir_db *)db, NULL, "DELETE FROM users");
}

static weir_err runs_too_early(weir_ctx *c, void *db)
{
    return weir_exec_script(c, (weir_db *)db, "DELETE FROM users");
}

static weir_err panics_leave_nothing_on_the_stack(weir_ctx *c, void *arg)
{
    static const weir_fiber_fn calls[] = {queries_too_early, executes_too_early, runs_too_early};
    WEIR_SCOPE(inner, c);
    weir_db *db = open_users(inner, arg);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        assert_int_equal(weir_protect(c, calls[i], db), WEIR_EPANIC);
        assert_error(c, WEIR_EPANIC, "in a context that ends before this one");
        assert_true(weir__list_empty(&weir__ctx_of(c)->owned));
    }
    assert_nothing_out(db);
    assert_int_equal(count_users(inner, db), 3);
    return weir_ctx_close(inner);
}
SIM_TEST(panics_leave_nothing_on_the_stack)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(reads_rows),
        FILE_TEST(reads_one),
        FILE_TEST(passes_values),
        FILE_TEST(refuses_values),
        FILE_TEST(copies_streamed_values),
        FILE_TEST(caps_rows),
        FILE_TEST(allocates_nothing),
        FILE_TEST(streams_in_place),
        FILE_TEST(fills_types),
        FILE_TEST(refuses_types),
        FILE_TEST(refuses_statements),
        FILE_TEST(keeps_statements),
        FILE_TEST(nests_statements),
        FILE_TEST(commits),
        FILE_TEST(rolls_back),
        FILE_TEST(keeps_first_error),
        FILE_TEST(writes_once),
        FILE_TEST(scripts_are_whole),
        FILE_TEST(rows_end_with_their_transaction),
        FILE_TEST(takes_turns),
        FILE_TEST(begins_twice),
        FILE_TEST(reserves_the_right_to_write),
        FILE_TEST(finds_what_is_dirty),
        FILE_TEST(cleans_up),
        FILE_TEST(holds_a_transaction),
        FILE_TEST(is_cancelled),
        FILE_TEST(rows_know_their_fiber),
        FILE_TEST(panics_leave_nothing_on_the_stack),
    };
    return cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
}
