/*
 * Opening: what is wrong with a file or with options is said in one line that names it; other
 * processes' locks.
 */
#include "data/sqlite/testing.h"

#include <fcntl.h>
#include <sys/stat.h>

static void refuses(weir_ctx *c, const weir_sqlite_options *o, weir_err code, const char *part)
{
    weir_db *db = weir_sqlite_open_at(WEIR_HERE, c, o);
    assert_int_equal(weir_db_err(db), code);
    const weir_error *e = weir_last_error(c);
    assert_non_null(e);
    assert_null(strchr(e->message.ptr, '\n'));
    assert_error(c, code, part);
    /* It may be used all the same. */
    int64_t n;
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT 1"), code);
    weir_rows *rows = weir_query(c, db, "SELECT 1");
    assert_false(weir_rows_next(rows, int64_t, &n));
    assert_int_equal(weir_rows_err(rows), code);
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(weir_exec(tx, "CREATE TABLE t(x)"), code);
    assert_int_equal(weir_commit(tx), code);
    assert_int_equal(weir_exec_script(c, db, "CREATE TABLE t(x)"), code);
    weir_pool_stats readers, writer;
    weir_db_stats(db, &readers, &writer);
    assert_int_equal(readers.open, 0);
    assert_null(weir_last_error(c));
}

/* A directory with a long name is there all the same. */
static void names_what_is_missing_far_down(weir_ctx *c, const struct file *f)
{
    char folder[320], path[330], part[400], name[241];
    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(folder, sizeof folder, "%s/%s", f->folder, name);
    snprintf(path, sizeof path, "%s/x.db", folder);
    snprintf(part, sizeof part, "cannot open %s: there is no such file (.create", path);
    assert_int_equal(mkdir(folder, 0700), 0);
    refuses(c, &(weir_sqlite_options){.size = sizeof(weir_sqlite_options), .path = path},
            WEIR_ENOTFOUND, part);
    assert_int_equal(rmdir(folder), 0);
}

static weir_err names_what_is_missing(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    char path[160], part[400];
    names_what_is_missing_far_down(c, f);
    snprintf(path, sizeof path, "%s/no/such/x.db", f->folder);
    snprintf(part, sizeof part, "cannot open %s: the directory %s/no/such: No such file", path,
             f->folder);
    refuses(
        c,
        &(weir_sqlite_options){.size = sizeof(weir_sqlite_options), .path = path, .create = true},
        WEIR_ENOTFOUND, part);
    snprintf(part, sizeof part, "cannot open %s: there is no such file (.create", f->path);
    refuses(c, &(weir_sqlite_options){.size = sizeof(weir_sqlite_options), .path = f->path},
            WEIR_ENOTFOUND, part);
    snprintf(part, sizeof part, "cannot open %s: ", f->folder);
    weir_db *db = weir_sqlite_open(c, .path = f->folder);
    assert_int_not_equal(weir_db_err(db), WEIR_OK);
    assert_error(c, weir_db_err(db), part);
    return WEIR_OK;
}
SIM_TEST(names_what_is_missing)

static weir_err names_a_stranger(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    char part[160];
    int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    for (int i = 0; i < 100; i++)
        assert_int_equal(write(fd, "this is no database\n", 20), 20);
    close(fd);
    snprintf(part, sizeof part, "cannot open %s: it is not an SQLite database", f->path);
    refuses(c, &(weir_sqlite_options){.size = sizeof(weir_sqlite_options), .path = f->path},
            WEIR_EDB, part);
    return WEIR_OK;
}
SIM_TEST(names_a_stranger)

static weir_err names_a_lock(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    char part[160];
    sqlite3 *s = open_stranger(f);
    assert_int_equal(sqlite3_exec(s, "CREATE TABLE t(x); BEGIN EXCLUSIVE", NULL, NULL, NULL), 0);
    snprintf(part, sizeof part, "cannot open %s: another process holds it locked", f->path);
    int64_t before = weir_now().ns;
    refuses(c,
            &(weir_sqlite_options){
                .size = sizeof(weir_sqlite_options), .path = f->path, .busy_timeout = weir_ms(300)},
            WEIR_EBUSY, part);
    assert_in_range((weir_now().ns - before) / 1000000, 300, 302);
    assert_int_equal(sqlite3_close(s), SQLITE_OK);
    return WEIR_OK;
}
SIM_TEST(names_a_lock)

static weir_err lists_all_mistakes(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_db *db =
        weir_sqlite_open(c, .busy_timeout = weir_sec(-1), .value_bytes_max = 3, .cache_bytes = 1000,
                         .pool.max_open = 20000, .pool.min_idle = 3, .pool.max_idle = 2);
    assert_int_equal(weir_db_err(db), WEIR_EINVALID);
    const char *text = weir_last_error(c)->message.ptr;
    assert_non_null(strstr(text, "there is no .path"));
    assert_non_null(strstr(text, "busy_timeout is -1 s; allowed: 1 ms to 10 min"));
    assert_non_null(strstr(text, "value_bytes_max is 3; allowed: 1024 to 1073741823"));
    assert_non_null(strstr(text, "cache_bytes is 1000; allowed: 65536 to 1073741824"));
    assert_non_null(strstr(text, "max_open is 20000; allowed: 1 to 10000"));
    assert_non_null(strstr(text, "min_idle is 3; allowed: 0 to 2"));
    weir_error_clear(c);
    refuses(c, &(weir_sqlite_options){.size = sizeof(weir_sqlite_options), .path = ":memory:"},
            WEIR_EINVALID, "give the path of a file");
    return WEIR_OK;
}
SIM_TEST(lists_all_mistakes)

/* --- other processes -------------------------------------------------------------------------- */

static weir_err lets_go(weir_ctx *c, void *arg)
{
    assert_int_equal(weir_sleep(c, weir_ms(700)), WEIR_OK);
    assert_int_equal(sqlite3_exec(arg, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    return WEIR_OK;
}

static weir_err waits_for_others(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    weir_db *db = weir_sqlite_open(c, .path = f->path, .create = true, .busy_timeout = weir_sec(1));
    assert_int_equal(weir_exec_script(c, db, SCHEMA), WEIR_OK);
    sqlite3 *s = open_stranger(f);
    assert_int_equal(sqlite3_exec(s, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    int64_t before = weir_now().ns;
    assert_int_equal(weir_db_exec(c, db, NULL, "DELETE FROM users"), WEIR_EBUSY);
    assert_error(c, WEIR_EBUSY, "t.db: another process holds it locked");
    assert_in_range((weir_now().ns - before) / 1000000, 1000, 1002);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(200));
    assert_int_equal(weir_db_exec(hasty, db, NULL, "DELETE FROM users"), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(hasty);
    weir_error_clear(c);
    assert_int_equal(count_users(c, db), 3); /* who reads does not wait */
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, lets_go, s), WEIR_OK);
    assert_int_equal(weir_db_exec(c, db, NULL, "UPDATE users SET age = 1"), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(sqlite3_close(s), SQLITE_OK);
    return WEIR_OK;
}
SIM_TEST(waits_for_others)

/* A transaction is whole also when it cannot begin. */
static weir_err cannot_begin(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    weir_db *db = weir_sqlite_open(c, .path = f->path, .create = true, .busy_timeout = weir_ms(50));
    assert_int_equal(weir_exec_script(c, db, SCHEMA), WEIR_OK);
    sqlite3 *s = open_stranger(f);
    assert_int_equal(sqlite3_exec(s, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(weir_exec(tx, "DELETE FROM users"), WEIR_EBUSY);
    assert_int_equal(sqlite3_exec(s, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(weir_exec(tx, "DELETE FROM users"), WEIR_EBUSY);
    assert_int_equal(weir_commit(tx), WEIR_EBUSY);
    weir_error_clear(c);
    assert_int_equal(count_users(c, db), 3);
    assert_int_equal(weir_db_exec(c, db, NULL, "DELETE FROM users"), WEIR_OK);
    assert_int_equal(sqlite3_close(s), SQLITE_OK);
    return WEIR_OK;
}
SIM_TEST(cannot_begin)

static weir_err bounds_values(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    static char big[5000];
    weir_str s;
    weir_db *db = weir_sqlite_open(c, .path = f->path, .create = true, .value_bytes_max = 4096);
    memset(big, 'x', sizeof big);
    assert_int_equal(weir_exec_script(c, db, "CREATE TABLE t(x)"), WEIR_OK);
    assert_int_equal(
        weir_db_exec(c, db, NULL, "INSERT INTO t VALUES (?)", ((weir_str){big, sizeof big})),
        WEIR_ETOOLARGE);
    weir_error_clear(c);
    sqlite3 *other = open_stranger(f);
    assert_int_equal(sqlite3_exec(other, "INSERT INTO t VALUES (zeroblob(5000))", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(weir_query_one(c, db, weir_str, &s, "SELECT x FROM t"), WEIR_ETOOLARGE);
    weir_error_clear(c);
    return WEIR_OK;
}
SIM_TEST(bounds_values)

/* E15: all descriptors are back, and the log is folded into the file. */
static int open_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static weir_err opens_several(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_rows *first = weir_query(c, db, "SELECT id FROM users");
    weir_rows *second = weir_query(c, db, "SELECT id FROM users");
    weir_pool_stats readers;
    weir_db_stats(db, &readers, NULL);
    assert_int_equal(readers.open, 2);
    weir_rows_close(first);
    weir_rows_close(second);
    return WEIR_OK;
}

static void test_closing_gives_descriptors_back(void **state)
{
    struct file *f = *state;
    struct stat st;
    char wal[128];
    int before = open_descriptors();
    assert_int_equal(weir__sim_run(opens_several, f), WEIR_OK);
    assert_int_equal(open_descriptors(), before);
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    assert_int_equal(stat(wal, &st), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(names_what_is_missing), FILE_TEST(names_a_stranger),
        FILE_TEST(names_a_lock),          FILE_TEST(lists_all_mistakes),
        FILE_TEST(waits_for_others),      FILE_TEST(cannot_begin),
        FILE_TEST(bounds_values),         FILE_TEST(closing_gives_descriptors_back),
    };
    return cmocka_run_group_tests_name("sqlite open", tests, NULL, NULL);
}
