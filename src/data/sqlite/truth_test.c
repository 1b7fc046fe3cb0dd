/*
 * What the driver says is so: nothing that one request does to a connection reaches the next one,
 * a transaction ends where it is told to and nowhere else, what is written is written into the file
 * that bears the name, and the log of writes stays within its bound.
 */
#include "data/sqlite/testing.h"

#include <math.h>
#include <sys/stat.h>

#include "base/metric_testing.h"
#include "data/sqlite/sqlite.h"
#include "rt/log.h"

/* --- what a statement may not leave behind ---------------------------------------------------- */

struct row {
    const char *sql;
    bool in_tx, alone; /* accepted within a transaction, and as a single statement */
    const char *part;  /* of the message where it is not */
};

static const struct row rows[] = {
    /* settings of the connection */
    {"PRAGMA query_only=ON", false, false, "PRAGMA query_only = … would outlive its user"},
    {"PRAGMA main.query_only(1)", false, false, "would outlive its user"},
    {"pragma foreign_keys = OFF", false, false, "would outlive its user"},
    {"PRAGMA synchronous=OFF", false, false, "see the options of weir_sqlite_open"},
    {"PRAGMA journal_mode=DELETE", false, false, "would outlive its user"},
    {"PRAGMA locking_mode=EXCLUSIVE", false, false, "would outlive its user"},
    {"PRAGMA case_sensitive_like=1", false, false, "would outlive its user"},
    {"PRAGMA recursive_triggers=1", false, false, "would outlive its user"},
    {"PRAGMA busy_timeout=1", false, false, "would outlive its user"},
    {"PRAGMA writable_schema=1", false, false, "would outlive its user"},
    {"PRAGMA mmap_size=0", false, false, "would outlive its user"},
    {"PRAGMA temp_store=2", false, false, "would outlive its user"},
    {"PRAGMA wal_autocheckpoint=0", false, false, "would outlive its user"},
    {"PRAGMA ignore_check_constraints=1", false, false, "would outlive its user"},
    /* questions, and what belongs to the file */
    {"PRAGMA query_only", true, true, NULL},
    {"PRAGMA table_info(users)", true, true, NULL},
    {"PRAGMA foreign_key_check(users)", true, true, NULL},
    {"PRAGMA user_version=7", true, true, NULL},
    {"PRAGMA optimize", true, true, NULL},
    {"VACUUM", false, true, "cannot VACUUM from within a transaction"},
    {"ANALYZE", true, true, NULL},
    {"CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(word)", true, true, NULL},
    {"INSERT INTO words VALUES ('abc')", true, true, NULL},
    {"ALTER TABLE users RENAME COLUMN name TO name", true, true, NULL},
    /* what ends with the transaction has a meaning in one alone */
    {"PRAGMA defer_foreign_keys=1", true, false, "belongs into a transaction"},
    {"SAVEPOINT here", true, false, "belongs into a transaction"},
    /* other files, and what is temporary */
    {"ATTACH ':memory:' AS other", false, false, "open the file as a database of its own"},
    {"DETACH main", false, false, "DETACH would outlive"},
    {"CREATE TEMP TABLE t(x)", false, false, "what is made TEMP would outlive"},
    {"CREATE TABLE temp.t(x)", false, false, "what is made TEMP would outlive"},
    {"CREATE TEMP VIEW v AS SELECT 1", false, false, "what is made TEMP would outlive"},
    {"CREATE TEMP TRIGGER g AFTER INSERT ON users BEGIN SELECT 1; END", false, false, "TEMP"},
    {"CREATE VIEW temp.v AS SELECT 1", false, false, "what is made TEMP would outlive"},
    {"CREATE INDEX temp.i ON users(name)", false, false, "cannot create a TEMP index"},
    {"CREATE VIRTUAL TABLE temp.f USING fts5(x)", false, false, "what is made TEMP would outlive"},
    {"PRAGMA temp.user_version=1", false, false, "what is made TEMP would outlive"},
    {"CREATE TEMP TABLE t AS SELECT 1", false, false, "what is made TEMP would outlive"},
    /* transactions by hand */
    {"BEGIN", false, false, "BEGIN as a statement: a transaction begins with weir_begin"},
    {"BEGIN IMMEDIATE", false, false, "a transaction begins with weir_begin"},
    {"COMMIT", false, false, "COMMIT as a statement"},
    {"END", false, false, "COMMIT as a statement"},
    {"/* why? */ ROLLBACK", false, false, "ROLLBACK as a statement"},
};

static void check_row(weir_ctx *c, weir_db *db, const struct row *row)
{
    weir_tx *tx = weir_begin(c, db);
    weir_err err = weir_exec(tx, row->sql);
    if (row->in_tx != (err == WEIR_OK))
        fail_msg("in a transaction: %s: %d", row->sql, err);
    if (!row->in_tx)
        assert_error(c, WEIR_EDB, row->part);
    assert_int_equal(weir_commit(tx), err);
    err = weir_db_exec(c, db, NULL, row->sql);
    if (row->alone != (err == WEIR_OK))
        fail_msg("alone: %s: %d", row->sql, err);
    if (!row->alone)
        assert_error(c, WEIR_EDB, row->part);
    err = weir_exec_script(c, db, row->sql);
    if (row->in_tx != (err == WEIR_OK))
        fail_msg("as a script: %s: %d", row->sql, err);
    weir_error_clear(c);
}

static weir_err leaves_nothing_behind(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    int64_t n;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_row(c, db, &rows[i]);
        /* Neither who writes nor who reads next is in any other state. */
        assert_int_equal(weir_db_exec(c, db, NULL, "UPDATE users SET age = age + 1"), WEIR_OK);
        assert_int_equal(count_users(c, db), 3);
        weir_rows *r = weir_query(c, db, rows[i].sql);
        while (weir_rows_next(r, int64_t, &n))
            ;
        bool is_refused = weir_rows_err(r) < 0;
        assert_true(is_refused || rows[i].alone);
        weir_error_clear(c);
    }
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT sum(age) FROM users"), WEIR_OK);
    assert_int_equal(n, 36 + 20 + 71 + 3 * (int64_t)(sizeof rows / sizeof rows[0]));
    weir_pool_stats readers, writer;
    weir_db_stats(db, &readers, &writer);
    assert_int_equal(readers.closed[WEIR_POOL_CLOSED_BROKEN], 0);
    assert_int_equal(writer.closed[WEIR_POOL_CLOSED_BROKEN], 0);
    return WEIR_OK;
}
SIM_TEST(leaves_nothing_behind)

/*
 * SQLite does what some PRAGMAs ask for while it prepares them: one that is refused, for what it
 * stands behind or where, has not done it.
 */
static weir_err refuses_before_it_is_done(weir_ctx *c, void *arg)
{
    static const char *const texts[] = {"UPDATE users SET age = 1; PRAGMA foreign_keys = OFF",
                                        "SELECT 1;; PRAGMA foreign_keys = OFF",
                                        "PRAGMA defer_foreign_keys = ON",
                                        "SELECT 1; PRAGMA defer_foreign_keys = ON"};
    weir_db *db = open_users(c, arg);
    assert_int_equal(
        weir_exec_script(c, db, "CREATE TABLE notes(user INTEGER REFERENCES users(id))"), WEIR_OK);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(weir_db_exec(c, db, NULL, texts[i]), WEIR_EDB);
        weir_error_clear(c);
        weir_tx *tx = weir_begin(c, db);
        assert_int_equal(weir_exec(tx, "INSERT INTO notes VALUES (99)"), WEIR_EFOREIGNKEY);
        weir_rollback(tx);
        weir_error_clear(c);
    }
    return WEIR_OK;
}
SIM_TEST(refuses_before_it_is_done)

/* What is asked for in a script has nobody to give it: it is refused, and not NULL. */
static weir_err refuses_values_in_scripts(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    assert_int_equal(weir_exec_script(c, db, "DELETE FROM users; UPDATE users SET email = ?"),
                     WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "a script takes no values in: UPDATE users SET email = ?");
    assert_int_equal(count_users(c, db), 3);
    return WEIR_OK;
}
SIM_TEST(refuses_values_in_scripts)

/* A statement that was prepared in a transaction is kept, and is no other one outside. */
static weir_err asks_each_time(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    static const char save[] = "SAVEPOINT s";
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(weir_exec(tx, save), WEIR_OK);
    weir_exec(tx, "DELETE FROM users");
    weir_exec(tx, "ROLLBACK TO s");
    weir_exec(tx, "DELETE FROM users WHERE id = 1");
    weir_exec(tx, "RELEASE s");
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(count_users(c, db), 2);
    assert_int_equal(weir_db_exec(c, db, NULL, save), WEIR_EDB);
    weir_error_clear(c);
    return WEIR_OK;
}
SIM_TEST(asks_each_time)

/* --- ends ------------------------------------------------------------------------------------- */

static weir_err ends_once(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    user u;
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "DELETE FROM users WHERE id = 1");
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK); /* it was committed, and still is */
    assert_int_equal(weir_exec(tx, "DELETE FROM users WHERE id = 2"), WEIR_ECLOSED);
    assert_error(c, WEIR_ECLOSED, "t.db: weir_exec: the transaction that began at");
    assert_int_equal(weir_commit(tx), WEIR_ECLOSED); /* what was asked of it later was not done */
    tx = weir_begin(c, db);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    weir_rows *r = weir_query(c, tx, "SELECT id FROM users");
    assert_false(weir_rows_next(r, user, &u));
    assert_int_equal(weir_rows_err(r), WEIR_ECLOSED);
    assert_error(c, WEIR_ECLOSED, "weir_query: the transaction");
    assert_int_equal(weir_tx_err(tx), WEIR_ECLOSED);
    assert_int_equal(count_users(c, db), 2);
    return WEIR_OK;
}
SIM_TEST(ends_once)

/* --- statements and values -------------------------------------------------------------------- */

static weir_err reads_comments(weir_ctx *c, void *arg)
{
    static const char *const good[] = {
        "SELECT 1 -- the first", "SELECT 1; -- and no other\n", "SELECT 1 /* one */ ; /* two */ ;",
        "-- why\nSELECT 1",      "SELECT 1;;\n\t/* */--",       "SELECT 1 -- ; SELECT 2"};
    static const char *const bad[] = {"SELECT 1; SELECT 2", "SELECT 1; -- a\nSELECT 2",
                                      "SELECT 1; nonsense", "SELECT 1; /**/ DELETE FROM users"};
    static const char *const none[] = {"", ";", "-- nothing", "/* */ ; "};
    weir_db *db = open_users(c, arg);
    int64_t n;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(weir_query_one(c, db, int64_t, &n, good[i]), WEIR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(weir_query_one(c, db, int64_t, &n, bad[i]), WEIR_EDB);
        assert_error(c, WEIR_EDB, "one statement a call");
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(weir_query_one(c, db, int64_t, &n, none[i]), WEIR_EDB);
        assert_error(c, WEIR_EDB, "there is no statement in");
    }
    return WEIR_OK;
}
SIM_TEST(reads_comments)

static weir_err fills_once(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    user u = {.id = 0};
    assert_int_equal(
        weir_query_one(c, db, user, &u,
                       "SELECT a.id, b.id FROM users a JOIN users b ON b.id = a.id + 1"),
        WEIR_EDBTYPE);
    assert_error(c, WEIR_EDBTYPE, "column id: model user would be filled by two columns");
    assert_int_equal(
        weir_query_one(
            c, db, user, &u,
            "SELECT a.id, b.name FROM users a, users b WHERE b.id = a.id + 1 ORDER BY 1"),
        WEIR_OK);
    assert_int_equal(u.id, 1);
    return WEIR_OK;
}
SIM_TEST(fills_once)

static weir_err refuses_what_is_no_number(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_str s;
    assert_int_equal(weir_query_one(c, db, weir_str, &s, "SELECT ?", (double)NAN), -EDOM);
    assert_error(c, -EDOM, "value 1 is not a number");
    assert_int_equal(weir_query_one(c, db, weir_str, &s, "SELECT typeof(?)", (double)INFINITY),
                     WEIR_OK);
    assert_true(weir_str_eq(s, WEIR_S("real")));
    return WEIR_OK;
}
SIM_TEST(refuses_what_is_no_number)

/* --- the file --------------------------------------------------------------------------------- */

static void move(const struct file *f, const char *from, const char *to)
{
    char a[128], b[128];
    snprintf(a, sizeof a, "%s%s", f->path, from);
    snprintf(b, sizeof b, "%s%s", f->path, to);
    assert_int_equal(rename(a, b), 0);
}

static void remove_file(const struct file *f, const char *end)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s", f->path, end);
    assert_int_equal(unlink(path), 0);
}

static void assert_gone(weir_ctx *c, weir_db *db, const char *part)
{
    assert_int_equal(weir_db_exec(c, db, NULL, "DELETE FROM users"), WEIR_EDB);
    assert_error(c, WEIR_EDB, part);
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "DELETE FROM users");
    assert_int_equal(weir_commit(tx), WEIR_EDB);
    assert_error(c, WEIR_EDB, "is not the file that was opened");
    assert_int_equal(weir_exec_script(c, db, "DELETE FROM users"), WEIR_EDB);
    weir_error_clear(c);
    assert_int_equal(weir_sleep(c, weir_ms(1100)), WEIR_OK);
    int64_t n;
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT count(*) FROM users"), WEIR_EDB);
    assert_error(c, WEIR_EDB, "put it back, or start the service again");
}

static weir_err notices_a_deleted_file(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    weir_db *db = open_users(c, f);
    assert_int_equal(count_users(c, db), 3);
    move(f, "", ".away");
    assert_gone(c, db, f->path);
    move(f, ".away", "");
    assert_int_equal(count_users(c, db), 3); /* it is back, and all is as it was */
    assert_int_equal(weir_db_exec(c, db, NULL, "DELETE FROM users WHERE id = 1"), WEIR_OK);
    assert_int_equal(count_users(c, db), 2);
    return WEIR_OK;
}
SIM_TEST(notices_a_deleted_file)

/* Between the begin and the end: the commit says that what it wrote went elsewhere. */
static weir_err notices_it_at_the_commit(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    weir_db *db = open_users(c, f);
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(weir_exec(tx, "DELETE FROM users"), WEIR_OK);
    move(f, "", ".away");
    assert_int_equal(weir_commit(tx), WEIR_EDB);
    assert_error(c, WEIR_EDB, "is not the file that was opened");
    move(f, ".away", "");
    return WEIR_OK;
}
SIM_TEST(notices_it_at_the_commit)

static int rows_of_stranger(const struct file *f)
{
    sqlite3 *s = open_stranger(f);
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_prepare_v2(s, "SELECT count(*) FROM t", -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int n = sqlite3_column_int(q, 0);
    assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
    assert_int_equal(sqlite3_close(s), SQLITE_OK);
    return n;
}

/* Another database in its place: it gets neither our writes, nor our WAL when we close. */
static weir_err lose_the_file(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    weir_db *db = open_users(c, f);
    assert_int_equal(count_users(c, db), 3);
    remove_file(f, "");
    remove_file(f, "-wal");
    remove_file(f, "-shm");
    sqlite3 *s = open_stranger(f);
    assert_int_equal(sqlite3_exec(s,
                                  "PRAGMA journal_mode=WAL; CREATE TABLE t(x);"
                                  "INSERT INTO t VALUES (1), (2)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_gone(c, db, f->path);
    (void)sqlite3_db_config(s, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    assert_int_equal(sqlite3_close(s), SQLITE_OK); /* its writes are in its WAL alone */
    return WEIR_OK;
}

static void test_another_file_is_left_alone(void **state)
{
    assert_int_equal(weir__sim_run(lose_the_file, *state), WEIR_OK);
    assert_int_equal(rows_of_stranger(*state), 2);
}

static weir_err lose_the_wal(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    weir_db *db = open_users(c, f);
    char path[128];
    snprintf(path, sizeof path, "%s-wal", f->path);
    remove_file(f, "-wal");
    assert_gone(c, db, path);
    return WEIR_OK;
}
SIM_TEST(lose_the_wal)

/* Connections that are opened later: to the same file, wherever the process is by then. */
static weir_err knows_where_it_is(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    char home[256];
    assert_non_null(getcwd(home, sizeof home));
    assert_int_equal(chdir(f->folder), 0);
    weir_db *db = weir_sqlite_open(c, .path = "t.db", .create = true, .pool.max_open = 2);
    assert_int_equal(weir_db_err(db), WEIR_OK);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(weir_exec_script(c, db, SCHEMA), WEIR_OK);
    assert_int_equal(count_users(c, db), 3);
    assert_int_equal(chdir(home), 0);
    return WEIR_OK;
}
SIM_TEST(knows_where_it_is)

/* --- the log of writes ------------------------------------------------------------------------ */

static uint64_t wal_bytes_on_disk(const struct file *f)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s-wal", f->path);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void take_bytes(const char *name, uint64_t bytes, void *arg)
{
    assert_string_equal(name, "t.db");
    *(uint64_t *)arg = bytes;
}

#define WRITE "INSERT INTO t VALUES (zeroblob(100000))"
#define MIB (1u << 20)

/* Reads row by row until it is told to end, as a slow client has it done. */
static weir_err read_slowly(weir_ctx *c, void *arg)
{
    int64_t n;
    weir_rows *r = weir_query(c, (weir_db *)arg, "SELECT rowid FROM t");
    while (weir_rows_next(r, int64_t, &n)) {
        if (weir_sleep(c, weir_sec(2)) < 0)
            break;
    }
    weir_rows_close(r);
    return WEIR_OK;
}

static weir_err bounds_the_wal(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    weir_db *db = weir_sqlite_open(c, .path = f->path, .create = true, .wal_bytes_max = MIB);
    assert_int_equal(weir_exec_script(c, db, "CREATE TABLE t(x)"), WEIR_OK);
    char bytes[16384];
    weir_buf log;
    weir_buf_init_fixed(&log, bytes, sizeof bytes);
    weir__log_capture(&log);
    /* Nobody reads: it is folded back, and cut, as often as it is full. */
    for (int i = 0; i < 50; i++)
        assert_int_equal(weir_db_exec(c, db, NULL, WRITE), WEIR_OK);
    assert_in_range(wal_bytes_on_disk(f), 0, 2 * MIB);
    assert_int_equal(log.len, 0);
    /* Somebody reads all the time: each commit past the bound waits, and it is told, once. */
    weir_ctx *group = weir_ctx_open(c);
    assert_int_equal(WEIR_GO(group, read_slowly, db), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    weir_time before = weir_now();
    for (int i = 0; i < 40; i++)
        assert_int_equal(weir_db_exec(c, db, NULL, WRITE), WEIR_OK);
    int64_t took_ms = weir_time_sub(weir_now(), before).ns / 1000000;
    uint64_t shown = 0;
    weir__sqlite_each(take_bytes, &shown);
    assert_in_range(shown, 2 * MIB, 6 * MIB);
    struct weir__metrics m = {.count = 0};
    weir__sqlite_metrics(&m);
    assert_true(metric_lines_has(&m, "\nweir_sqlite_wal_bytes database="));
    assert_in_range(took_ms, 20 * 100, 40 * 110);
    weir__log_capture(NULL);
    weir_buf_add(&log, "", 1);
    assert_non_null(strstr(bytes, "the WAL of a database grows"));
    assert_non_null(strstr(bytes, "sqlite/truth_test.c"));
    assert_null(strstr(strstr(bytes, "the WAL of a database grows") + 1, "the WAL of a database"));
    /* It has ended: the next commit finds nobody in its way. */
    (void)weir_ctx_close(group);
    assert_int_equal(weir_db_exec(c, db, NULL, WRITE), WEIR_OK);
    assert_int_equal(wal_bytes_on_disk(f), 0);
    return WEIR_OK;
}
SIM_TEST(bounds_the_wal)

static weir_err syncs_fully(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    int64_t n = 0;
    for (int full = 0; full < 2; full++) {
        weir_db *db = weir_sqlite_open(c, .path = f->path, .create = true, .sync_full = full);
        weir_tx *tx = weir_begin(c, db);
        assert_int_equal(weir_query_one(c, tx, int64_t, &n, "PRAGMA synchronous"), WEIR_OK);
        assert_int_equal(n, full ? 2 : 1);
        weir_rollback(tx);
    }
    return WEIR_OK;
}
SIM_TEST(syncs_fully)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(leaves_nothing_behind),
        FILE_TEST(refuses_before_it_is_done),
        FILE_TEST(refuses_values_in_scripts),
        FILE_TEST(asks_each_time),
        FILE_TEST(ends_once),
        FILE_TEST(reads_comments),
        FILE_TEST(fills_once),
        FILE_TEST(refuses_what_is_no_number),
        FILE_TEST(notices_a_deleted_file),
        FILE_TEST(notices_it_at_the_commit),
        FILE_TEST(another_file_is_left_alone),
        FILE_TEST(lose_the_wal),
        FILE_TEST(knows_where_it_is),
        FILE_TEST(bounds_the_wal),
        FILE_TEST(syncs_fully),
    };
    return cmocka_run_group_tests_name("sqlite truth", tests, NULL, NULL);
}
