/* Migrations on SQLite: once, in order, under a lock; and all that may be wrong with them. */
#include "data/sqlite/testing.h"

#include <sys/stat.h>
#include <weir/migrate.h>

#define USERS                                                                                      \
    {                                                                                              \
        "0001_users.sql", "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);"                 \
    }
#define AGES                                                                                       \
    {                                                                                              \
        "0002_ages.sql",                                                                           \
            "ALTER TABLE users ADD age INTEGER;\nINSERT INTO users VALUES (1, 'A', 9)"             \
    }

static weir_db *open_empty(weir_ctx *c, const struct file *f)
{
    weir_db *db = weir_sqlite_open(c, .path = f->path, .create = true, .pool.max_open = 2);
    assert_int_equal(weir_db_err(db), WEIR_OK);
    return db;
}

#define MIGRATE(c, db, ...)                                                                        \
    weir_migrate(c, db, .texts = (const weir_migration[]){__VA_ARGS__},                            \
                 .count = sizeof((const weir_migration[]){__VA_ARGS__}) / sizeof(weir_migration))

static int64_t version_of(weir_ctx *c, weir_db *db)
{
    int64_t version = -1;
    assert_int_equal(weir_migration_version(c, db, &version), WEIR_OK);
    return version;
}

/* The error's code, and words of its record. */
static void assert_refused(weir_ctx *parent, weir_db *db, const weir_migration *texts, size_t count,
                           weir_err code, const char *words)
{
    weir_ctx *c = weir_ctx_open(parent);
    weir_err err = weir_migrate(c, db, .texts = texts, .count = count);
    const weir_error *e = weir_last_error(c);
    assert_non_null(e);
    if (err != code || strstr(e->message.ptr, words) == NULL)
        fail_msg("%d: %s", err, e->message.ptr);
    assert_int_equal(weir_ctx_close(c), WEIR_OK);
}
#define REFUSED(c, db, code, words, ...)                                                           \
    assert_refused(c, db, (const weir_migration[]){__VA_ARGS__},                                   \
                   sizeof((const weir_migration[]){__VA_ARGS__}) / sizeof(weir_migration), code,   \
                   words)

static weir_err runs_each_once(weir_ctx *c, void *arg)
{
    weir_db *db = open_empty(c, arg);
    assert_int_equal(version_of(c, db), 0);
    assert_int_equal(MIGRATE(c, db, USERS), WEIR_OK);
    assert_int_equal(version_of(c, db), 1);
    assert_int_equal(count_users(c, db), 0);
    assert_int_equal(MIGRATE(c, db, AGES, USERS), WEIR_OK); /* in whatever order they are given */
    assert_int_equal(MIGRATE(c, db, USERS, AGES), WEIR_OK);
    assert_int_equal(version_of(c, db), 2);
    assert_int_equal(count_users(c, db), 1);
    return WEIR_OK;
}
SIM_TEST(runs_each_once)

/* None at all is no mistake: a program begins so. */
static weir_err runs_none(weir_ctx *c, void *arg)
{
    weir_db *db = open_empty(c, arg);
    assert_int_equal(weir_migrate(c, db, .texts = (const weir_migration[1]){{0}}), WEIR_OK);
    assert_int_equal(version_of(c, db), 0);
    return WEIR_OK;
}
SIM_TEST(runs_none)

static weir_err names_what_is_wrong(weir_ctx *c, void *arg)
{
    weir_db *db = open_empty(c, arg);
    REFUSED(c, db, WEIR_EINVALID, "users.sql: a migration is called", {"users.sql", ""});
    REFUSED(c, db, WEIR_EINVALID, "0000_a.sql: a migration is called", {"0000_a.sql", ""});
    REFUSED(c, db, WEIR_EINVALID, "1a.sql: a migration is called", {"1a.sql", ""});
    REFUSED(c, db, WEIR_EINVALID, "10000_a.sql: a migration is called", {"10000_a.sql", ""});
    REFUSED(c, db, WEIR_EINVALID, "0001_a.txt: a migration is called", {"0001_a.txt", ""});
    REFUSED(c, db, WEIR_EINVALID, "1_b.sql: has the number of 0001_a.sql", {"1_b.sql", ""},
            {"0001_a.sql", ""});
    REFUSED(c, db, WEIR_EINVALID, "0003_c.sql: there is no migration 2 before it",
            {"0003_c.sql", ""}, {"0001_a.sql", ""});
    REFUSED(c, db, WEIR_EINVALID, "0002_b.sql: there is no migration 1", {"0002_b.sql", ""});
    REFUSED(c, db, WEIR_EINVALID, "number 2 has no name", USERS, {NULL, ""});
    assert_refused(c, db, NULL, 0, WEIR_EINVALID, "give .folder or .texts");
    assert_int_equal(version_of(c, db), 0);
    return WEIR_OK;
}
SIM_TEST(names_what_is_wrong)

static weir_err finds_what_has_changed(weir_ctx *c, void *arg)
{
    weir_db *db = open_empty(c, arg);
    assert_int_equal(MIGRATE(c, db, USERS, AGES), WEIR_OK);
    REFUSED(c, db, WEIR_ECHANGED, "0001_users.sql: is not what has run (as 0001_users.sql)",
            {"0001_users.sql", "CREATE TABLE users(id INTEGER)"}, AGES);
    REFUSED(c, db, WEIR_ENOTFOUND, "0002_ages.sql: has run, and the program's last migration is 1",
            USERS);
    assert_int_equal(weir_db_exec(c, db, NULL, "DELETE FROM weir_migrations WHERE version = 1"),
                     WEIR_OK);
    REFUSED(c, db, WEIR_EINVALID, "0001_users.sql: has not run, and 0002_ages.sql after it has",
            USERS, AGES);
    return WEIR_OK;
}
SIM_TEST(finds_what_has_changed)

static weir_err undoes_what_fails(weir_ctx *c, void *arg)
{
    weir_db *db = open_empty(c, arg);
    const weir_migration broken = {
        "0002_ages.sql", "ALTER TABLE users ADD age INTEGER;\n\nINSERT INTO nowhere VALUES (1);"};
    REFUSED(c, db, WEIR_EDB, "0002_ages.sql:3: no such table: nowhere", USERS, broken);
    assert_int_equal(version_of(c, db), 1); /* what came before has run */
    assert_int_equal(MIGRATE(c, db, USERS, AGES), WEIR_OK);
    const weir_migration ends = {"0003_ends.sql", "COMMIT"};
    REFUSED(c, db, WEIR_EDB, "0003_ends.sql:1: COMMIT as a statement", USERS, AGES, ends);
    assert_int_equal(version_of(c, db), 2);
    return WEIR_OK;
}
SIM_TEST(undoes_what_fails)

/* --- a folder --------------------------------------------------------------------------------- */

static void put(const struct file *f, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/m/%s", f->folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static void drop(const struct file *f, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/m/%s", f->folder, name);
    assert_int_equal(remove(path), 0);
}

static weir_err reads_a_folder(weir_ctx *c, void *arg)
{
    const struct file *f = arg;
    char folder[100];
    weir_db *db = open_empty(c, f);
    snprintf(folder, sizeof folder, "%s/m", f->folder);
    assert_int_equal(weir_migrate(c, db, .folder = folder), -ENOENT);
    assert_int_equal(mkdir(folder, 0700), 0);
    put(f, "README.md", "not one");
    put(f, "0002_more.sql", "\xef\xbb\xbf-- a mark of an editor's\nINSERT INTO users VALUES (2)");
    put(f, "0001_users.sql", "CREATE TABLE users(id INTEGER)");
    assert_int_equal(weir_migrate(c, db, .folder = folder), WEIR_OK);
    assert_int_equal(version_of(c, db), 2);
    assert_int_equal(count_users(c, db), 1);
    put(f, "0002_more.sql", "INSERT INTO users VALUES (3)");
    assert_int_equal(weir_migrate(c, db, .folder = folder), WEIR_ECHANGED);
    drop(f, "0002_more.sql");
    assert_int_equal(weir_migrate(c, db, .folder = folder), WEIR_ENOTFOUND);
    drop(f, "0001_users.sql");
    drop(f, "README.md");
    assert_int_equal(rmdir(folder), 0);
    return WEIR_OK;
}
SIM_TEST(reads_a_folder)

/* What is no file that can be read is named, and nobody waits for what a pipe might say. */
static weir_err names_what_is_no_file(weir_ctx *c, void *arg)
{
    const struct file *f = arg;
    char folder[100], path[140];
    weir_db *db = open_empty(c, f);
    snprintf(folder, sizeof folder, "%s/m", f->folder);
    snprintf(path, sizeof path, "%s/0001_users.sql", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(weir_migrate(c, db, .folder = folder), WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "0001_users.sql: is no file");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(weir_migrate(c, db, .folder = folder), WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "0001_users.sql: is no file");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("nowhere", path), 0);
    assert_int_equal(weir_migrate(c, db, .folder = folder), -ENOENT);
    assert_error(c, -ENOENT, "0001_users.sql: No such file");
    assert_int_equal(unlink(path), 0);
    put(f, "0001_users.sql", "CREATE TABLE users(id INTEGER)");
    assert_int_equal(chmod(path, 0), 0);
    weir_err expected = geteuid() == 0 ? WEIR_OK : -EACCES; /* root reads all */
    assert_int_equal(weir_migrate(c, db, .folder = folder), expected);
    weir_error_clear(c);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    return WEIR_OK;
}
SIM_TEST(names_what_is_no_file)

/* --- two at once ------------------------------------------------------------------------------ */

static weir_err migrate_too(weir_ctx *c, void *db)
{
    return MIGRATE(c, db, USERS, AGES);
}

static weir_err two_do_it_once(weir_ctx *c, void *arg)
{
    weir_db *first = open_empty(c, arg), *second = open_empty(c, arg);
    assert_int_equal(WEIR_GO(c, migrate_too, second), WEIR_OK);
    assert_int_equal(migrate_too(c, first), WEIR_OK);
    assert_int_equal(weir_join(c), WEIR_OK);
    assert_int_equal(version_of(c, first), 2);
    assert_int_equal(count_users(c, second), 1);
    return WEIR_OK;
}
SIM_TEST(two_do_it_once)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(runs_each_once),      FILE_TEST(runs_none),
        FILE_TEST(names_what_is_wrong), FILE_TEST(finds_what_has_changed),
        FILE_TEST(undoes_what_fails),   FILE_TEST(reads_a_folder),
        FILE_TEST(two_do_it_once),      FILE_TEST(names_what_is_no_file),
    };
    return cmocka_run_group_tests_name("sqlite, migrations", tests, NULL, NULL);
}
