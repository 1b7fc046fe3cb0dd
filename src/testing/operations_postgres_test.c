/*
 * Statements of PostgreSQL that share connections, tried everywhere: each wait cancelled, each
 * allocation, call and limit failed, in other orders. The server is in the run too, so its calls
 * fail as well. Whatever fails, a row is who asked's, and connections are even afterwards.
 */
#include "data/postgres/testing.h"
#include "testing/operations_testing.h"

#include "data/postgres/multiplex.h"

enum { AT_A_TIME = 3 };

static void add_leases(const struct weir__shared_stats *s, void *arg)
{
    *(uint64_t *)arg += s->leases + s->pool.waiting;
}

static weir_err read_rows(weir_ctx *c, weir_db *db, int count, int rows_max)
{
    char sql[64];
    int64_t value, n = 0;
    snprintf(sql, sizeof sql, "SELECT n FROM rows(%d)", count);
    weir_rows *rows = weir_query(c, db, sql);
    for (; n < rows_max && weir_rows_next(rows, int64_t, &value); n++)
        MUST(value == n);
    weir_err err = weir_rows_err(rows);
    MUST(err < 0 || n == count || n == rows_max);
    weir_rows_close(rows);
    return err;
}

struct asking {
    weir_db *db;
    int rows;
    weir_err err;
};

static weir_err ask(weir_ctx *c, void *arg)
{
    struct asking *a = arg;
    a->err = read_rows(c, a->db, a->rows, 100);
    return WEIR_OK;
}

/* Several at a time; the first error. */
static weir_err sharing(weir_ctx *c, weir_db *db)
{
    struct asking a[AT_A_TIME];
    weir_err err = WEIR_OK;
    WEIR_SCOPE(fibers, c);
    for (int i = 0; i < AT_A_TIME; i++) {
        a[i] = (struct asking){db, 2 + i, WEIR_OK};
        weir_err began = WEIR_GO(fibers, ask, &a[i]);
        err = err < 0 ? err : began;
    }
    weir_err joined = weir_join(fibers);
    (void)weir_ctx_close(fibers);
    for (int i = 0; i < AT_A_TIME; i++)
        err = err < 0 ? err : a[i].err;
    return err < 0 ? err : joined;
}

static weir_err leaving(weir_ctx *c, weir_db *db)
{
    weir_err err = read_rows(c, db, 5, 1);
    return err < 0 ? err : read_rows(c, db, 4, 100);
}

static weir_err writing(weir_ctx *c, weir_db *db)
{
    weir_result result = {0};
    weir_err err = weir_db_exec(c, db, &result, "INSERT ?, ?", 1, 2);
    MUST(err < 0 || result.changes == 1);
    return err;
}

static weir_err being_late(weir_ctx *c, weir_db *db)
{
    WEIR_SCOPE(limited, c, .timeout = weir_ms(5));
    weir_err err = weir_rows_err(weir_query(limited, db, "SELECT ! SLEEP"));
    MUST(err < 0);
    (void)weir_ctx_close(limited);
    if (err == WEIR_ETIMEDOUT)
        err = weir_sleep(c, weir_ms(20)); /* so that it is moved on from */
    return err < 0 ? err : read_rows(c, db, 3, 100);
}

struct errand {
    weir_err (*fn)(weir_ctx *c, weir_db *db);
};

static weir_err run_errand(weir_ctx *c, void *arg)
{
    const struct errand *e = arg;
    struct pg_server s = {.auth = PG_TRUST};
    uint64_t leases = 0;
    WEIR_SCOPE(around, c);
    weir_err err = pg_try_start(around, &s);
    if (err < 0) {
        (void)weir_ctx_close(around);
        return err;
    }
    WEIR_SCOPE(inner, around, .timeout = weir_sec(5));
    weir_db *db = weir_postgres_open(inner, .url = s.url, .lazy = true,
                                     .connect_timeout = weir_ms(100), .multiplex = AT_A_TIME,
                                     .multiplex_max_open = 2, .multiplex_late = weir_ms(10),
                                     .pool = {.max_open = 1, .wait_max = weir_sec(1)});
    WEIR_SCOPE(work, inner);
    err = e->fn(work, db);
    (void)weir_ctx_close(work);
    weir__shared_pool_each(add_leases, &leases);
    MUST(leases == 0);
    weir_err closed = weir_ctx_close(inner);
    (void)weir_ctx_close(around);
    MUST(s.open == 0);
    return err < 0 ? err : closed;
}

#define ERRAND(its_fn)                                                                             \
    static void test_##its_fn(void **state)                                                        \
    {                                                                                              \
        struct errand e = {its_fn};                                                                \
        (void)state;                                                                               \
        check(#its_fn, weir_test_everywhere(.name = #its_fn, .run = run_errand, .arg = &e),        \
              (struct least){.waits = 15, .allocations = 5});                                      \
    }

ERRAND(sharing)
ERRAND(leaving)
ERRAND(writing)
ERRAND(being_late)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_being_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
