/*
 * For tests of SQLite: a database file in a directory of its own, a small schema, and another
 * process' view of the file.
 */
#ifndef WEIR_DATA_SQLITE_TESTING_H
#define WEIR_DATA_SQLITE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rt/sim.h"
#include <weir/fiber.h>
#include <weir/sqlite.h>

typedef struct {
    int64_t id;
    weir_str name, email;
    int32_t age;
} user;
WEIR_MODEL(user, (id), (name), (email), (age));

struct file {
    char folder[64];
    char path[96];
};

static inline int make_folder(void **state)
{
    struct file *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->folder, "/tmp/weir-sqlite-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/t.db", f->folder);
    *state = f;
    return 0;
}

static inline int remove_folder(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    struct file *f = *state;
    char path[128];
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
        (void)unlink(path);
    }
    int rc = rmdir(f->folder); /* fails, and the test with it, when something else was left */
    free(f);
    return rc;
}

#define SCHEMA                                                                                     \
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE,"            \
    " age INTEGER NOT NULL DEFAULT 0 CHECK (age >= 0));"                                           \
    "INSERT INTO users(name, email, age) VALUES ('Ada', 'ada@example.com', 36),"                   \
    " ('Ben', NULL, 20), ('Cy', 'cy@example.com', 71);"

/* A database with three users. */
static inline weir_db *open_users(weir_ctx *c, struct file *f)
{
    weir_db *db = weir_sqlite_open(c, .path = f->path, .create = true, .pool.max_open = 2);
    assert_int_equal(weir_db_err(db), WEIR_OK);
    assert_int_equal(weir_exec_script(c, db, SCHEMA), WEIR_OK);
    return db;
}

static inline int64_t count_users(weir_ctx *c, weir_db *db)
{
    int64_t n = -1;
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT count(*) FROM users"), WEIR_OK);
    return n;
}

static inline void assert_nothing_out(weir_db *db)
{
    weir_pool_stats readers, writer;
    weir_db_stats(db, &readers, &writer);
    assert_int_equal(readers.in_use, 0);
    assert_int_equal(writer.in_use, 0);
}

/* What the record of `c` says, which must be of that code; then it is cleared. */
static inline void assert_error(weir_ctx *c, weir_err code, const char *part)
{
    const weir_error *e = weir_last_error(c);
    assert_non_null(e);
    assert_int_equal(e->code, code);
    if (strstr(e->message.ptr, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, e->message.ptr);
    weir_error_clear(c);
}

/* Another process' connection. */
static inline sqlite3 *open_stranger(const struct file *f)
{
    sqlite3 *s = NULL;
    assert_int_equal(sqlite3_open_v2(f->path, &s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
                     SQLITE_OK);
    return s;
}

#define SIM_TEST(name)                                                                             \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        assert_int_equal(weir__sim_run(name, *state), WEIR_OK);                                    \
    }

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(test_##name, make_folder, remove_folder)

#endif
