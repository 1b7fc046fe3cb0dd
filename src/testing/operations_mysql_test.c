/*
 * Statements of MySQL tried everywhere: each wait cancelled, each allocation, call and limit
 * failed, in other orders. The server is in the run too, so its calls fail as well.
 */
#include "data/mysql/testing.h"
#include "testing/operations_testing.h"
#include <weir/batch.h>

#define SELECT "SELECT id, name FROM users WHERE age > ?"

static weir_err read_rows(weir_ctx *c, weir_db *db, int rows_max)
{
    weir_rows *rows = weir_query(c, db, SELECT, 7);
    int n = 0;
    for (row r; n < rows_max && weir_rows_next(rows, row, &r); n++)
        MUST(r.id == n + 1);
    weir_err err = weir_rows_err(rows);
    MUST(err < 0 || n == 3 || n == rows_max);
    weir_rows_close(rows);
    return err;
}

static weir_err write_rows(weir_ctx *c, weir_db *db)
{
    weir_tx *tx = weir_begin(c, db);
    weir_tx *part = weir_begin(c, tx);
    (void)weir_exec(part, "INSERT INTO a VALUES (?)", 1);
    weir_err err = weir_commit(part);
    if (err == WEIR_OK)
        (void)weir_exec(tx, "INSERT INTO a VALUES (?)", "text");
    err = weir_commit(tx);
    return err;
}

static weir_err add_and_run(weir_ctx *c, weir_db *db)
{
    row one = {.id = 0};
    WEIR_ARRAY(row) all = {.len = 0};
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_one(b, row, &one, SELECT, 7);
    weir_batch_exec(b, NULL, "INSERT INTO a VALUES (?)", "text");
    weir_batch_all(b, row, &all, 3, SELECT, 7);
    weir_err err = weir_batch_run(b);
    MUST(weir_batch_err(b, 0) < 0 || one.id == 1);
    MUST(weir_batch_err(b, 2) < 0 || all.len == 3);
    return err;
}

static weir_err late(weir_ctx *c, weir_db *db)
{
    WEIR_SCOPE(limited, c, .timeout = weir_ms(5));
    weir_err err = weir_rows_err(weir_query(limited, db, "SELECT SLEEP(?)", 9));
    MUST(err < 0);
    (void)weir_ctx_close(limited);
    return err == WEIR_ETIMEDOUT ? WEIR_OK : err;
}

static weir_err at_once(weir_ctx *c, weir_db *db)
{
    WEIR_ARRAY(row) all;
    row r;
    weir_err err = weir_query_one(c, db, row, &r, SELECT, 7);
    MUST(err < 0 || r.id == 1);
    if (err < 0)
        return err;
    err = weir_query_all(c, db, row, &all, 10, SELECT, 8);
    MUST(all.len == (err == WEIR_OK ? 3 : 0));
    return err;
}

/* Many rows in a message, by what MariaDB has for that. */
static weir_err inserting(weir_ctx *c, weir_db *db)
{
    static const row rows[] = {{1, {"a", 1}}, {2, {NULL, 0}}, {3, {"c", 1}}};
    weir_tx *tx = weir_begin(c, db);
    weir_err err = weir_insert(tx, "a", row, rows, 3);
    MUST(weir_changes(tx) == (err == WEIR_OK ? 3 : 0));
    err = weir_commit(tx);
    return err;
}

static weir_err undoing(weir_ctx *c, weir_db *db)
{
    weir_tx *tx = weir_begin(c, db);
    (void)weir_exec(tx, "INSERT INTO a VALUES (?)", 1);
    weir_tx *part = weir_begin(c, tx);
    weir_err err = weir_exec(part, "FAIL 1062 Duplicate entry '1' for key 'a'");
    MUST(err < 0);
    weir_rollback(part);
    weir_rollback(tx);
    return err == WEIR_EUNIQUE ? read_rows(c, db, 100) : err;
}

static weir_err is_in_the_way(weir_ctx *c, weir_tx *tx, void *arg)
{
    int *tries = arg;
    (void)c;
    return weir_exec(tx, ++*tries == 1 ? "FAIL 1213 Deadlock found" : "INSERT INTO a VALUES (1)");
}

static weir_err trying_again(weir_ctx *c, weir_db *db)
{
    int tries = 0;
    weir_err err = weir_tx_retry(c, db, is_in_the_way, &tries);
    MUST(err < 0 || tries == 2);
    return err;
}

static weir_err scripts(weir_ctx *c, weir_db *db)
{
    weir_result done = {0};
    weir_err err = weir_exec_script(c, db, "INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)");
    if (err < 0)
        return err;
    err = weir_db_exec(c, db, &done, "INSERT INTO a VALUES (?)", 3);
    MUST(done.changes == (err == WEIR_OK));
    return err;
}

struct errand {
    weir_err (*fn)(weir_ctx *c, weir_db *db);
    bool has_replica; /* which the URL names first */
};

static weir_err start(weir_ctx *c, struct server *s, bool follows)
{
    *s = (struct server){.rows = 3, .follows = follows, .lag = "0", .number = weir__sim_listen()};
    weir_err err = s->number < 0 ? -EMFILE : WEIR_GO(c, server_run, s);
    if (err < 0 && s->number >= 0)
        weir__sim_close(s->number);
    return err;
}

static void must_be_even(const weir_pool_stats *stats, void *arg)
{
    (void)arg;
    MUST(stats->in_use == 0 && stats->waiting == 0);
    MUST(stats->idle <= stats->open);
}

static weir_err run_errand(weir_ctx *c, void *arg)
{
    const struct errand *e = arg;
    struct server s, replica;
    char url[128];
    WEIR_SCOPE(around, c);
    weir_err err = start(around, &s, false);
    if (err == WEIR_OK && e->has_replica)
        err = start(around, &replica, true);
    if (err < 0) {
        weir_cancel(around);
        (void)weir_ctx_close(around);
        return err;
    }
    if (e->has_replica)
        snprintf(url, sizeof url, "mysql://anna:secret@127.0.0.1:%d,127.0.0.1:%d/shop",
                 replica.number, s.number);
    else
        snprintf(url, sizeof url, "mysql://anna:secret@127.0.0.1:%d/shop", s.number);
    WEIR_SCOPE(owner, around);
    weir_db *db = weir_mysql_open(owner, .url = url, .lazy = true, .connect_timeout = weir_ms(100),
                                  .pool = {.max_open = 1, .wait_max = weir_sec(1)});
    WEIR_SCOPE(inner, owner, .timeout = weir_sec(5));
    err = e->fn(inner, db);
    weir_err closed = weir_ctx_close(inner);
    if (weir_sleep(owner, weir_sec(3)) == WEIR_OK) /* what is mended under a shield is mended */
        weir__pool_each(must_be_even, NULL);
    (void)weir_ctx_close(owner);
    (void)weir_ctx_close(around);
    MUST(s.open == 0);
    return err < 0 ? err : closed;
}

static weir_err reading(weir_ctx *c, weir_db *db)
{
    return read_rows(c, db, 100);
}

static weir_err leaving(weir_ctx *c, weir_db *db)
{
    weir_err err = read_rows(c, db, 1);
    return err < 0 ? err : read_rows(c, db, 100);
}

static weir_err batching(weir_ctx *c, weir_db *db)
{
    weir_err err = add_and_run(c, db);
    return err < 0 ? err : add_and_run(c, db);
}

static weir_err being_late(weir_ctx *c, weir_db *db)
{
    weir_err err = late(c, db);
    return err < 0 ? err : read_rows(c, db, 100);
}

/* The first read waits until it is known who is who. */
static weir_err reading_a_replica(weir_ctx *c, weir_db *db)
{
    weir_err err = read_rows(c, db, 100);
    if (err == WEIR_OK)
        err = write_rows(c, db);
    return err < 0 ? err : read_rows(c, db, 100);
}

#define ERRAND(its_fn)                                                                             \
    static void test_##its_fn(void **state)                                                        \
    {                                                                                              \
        struct errand e = {its_fn, its_fn == reading_a_replica};                                   \
        (void)state;                                                                               \
        check(#its_fn, weir_test_everywhere(.name = #its_fn, .run = run_errand, .arg = &e),        \
              (struct least){.waits = 3, .allocations = 5});                                       \
    }

ERRAND(reading)
ERRAND(leaving)
ERRAND(write_rows)
ERRAND(being_late)
ERRAND(batching)
ERRAND(reading_a_replica)
ERRAND(at_once)
ERRAND(inserting)
ERRAND(undoing)
ERRAND(trying_again)
ERRAND(scripts)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),    cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_write_rows), cmocka_unit_test(test_being_late),
        cmocka_unit_test(test_batching),   cmocka_unit_test(test_reading_a_replica),
        cmocka_unit_test(test_at_once),    cmocka_unit_test(test_inserting),
        cmocka_unit_test(test_undoing),    cmocka_unit_test(test_trying_again),
        cmocka_unit_test(test_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
