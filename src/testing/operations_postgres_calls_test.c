/*
 * What can be done with PostgreSQL on a connection of one's own, tried everywhere: each wait
 * cancelled, each allocation, call and limit failed, in other orders. The server is in the run too,
 * so its calls fail as well. Whatever fails, what was read is right or an error, and no connection
 * stays lent.
 */
#include "data/postgres/testing.h"
#include "testing/operations_testing.h"

typedef struct {
    int32_t id;
    weir_str name;
} thing;
WEIR_MODEL(thing, (id), (name));

typedef weir_err (*errand)(weir_ctx *c, weir_db *db);

static weir_err add_up(weir_ctx *c, weir_db *db, int rows_max)
{
    weir_rows *rows = weir_query(c, db, "SELECT n FROM rows(3)");
    int n = 0;
    for (int64_t i; n < rows_max && weir_rows_next(rows, int64_t, &i); n++)
        MUST(i == n);
    weir_err err = weir_rows_err(rows);
    MUST(err < 0 || n == 3 || n == rows_max);
    weir_rows_close(rows);
    return err;
}

static weir_err reading(weir_ctx *c, weir_db *db)
{
    return add_up(c, db, 100);
}

/* What is unread is another's answer otherwise. */
static weir_err leaving(weir_ctx *c, weir_db *db)
{
    weir_err err = add_up(c, db, 1);
    return err < 0 ? err : add_up(c, db, 100);
}

static weir_err at_once(weir_ctx *c, weir_db *db)
{
    WEIR_ARRAY(int64_t) all;
    int64_t n = -1;
    weir_err err = weir_query_one(c, db, int64_t, &n, "SELECT n FROM rows(2)");
    MUST(n == (err == WEIR_OK ? 0 : -1));
    if (err < 0)
        return err;
    err = weir_query_all(c, db, int64_t, &all, 10, "SELECT n FROM rows(3)");
    MUST(all.len == (err == WEIR_OK ? 3 : 0));
    return err;
}

static weir_err writing(weir_ctx *c, weir_db *db)
{
    static const thing things[] = {{1, {"a", 1}}, {2, {NULL, 0}}, {3, {"c", 1}}};
    weir_tx *tx = weir_begin(c, db);
    weir_tx *part = weir_begin(c, tx);
    weir_exec(part, "INSERT ?, ?", 1, 2);
    weir_err err = weir_commit(part);
    if (err == WEIR_OK)
        err = weir_insert(tx, "things", thing, things, 3); /* a COPY */
    MUST(weir_changes(tx) == 3 || err < 0);
    err = weir_commit(tx);
    return err;
}

/* What is rolled back takes its connection with it, and the next one is well. */
static weir_err undoing(weir_ctx *c, weir_db *db)
{
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "INSERT ?", 1);
    weir_tx *part = weir_begin(c, tx);
    weir_err err = weir_exec(part, "FAIL 23505");
    MUST(err < 0);
    weir_rollback(part);
    weir_rollback(tx);
    return err == WEIR_EUNIQUE ? add_up(c, db, 100) : err;
}

static weir_err is_in_the_way(weir_ctx *c, weir_tx *tx, void *arg)
{
    (void)c;
    int *tries = arg;
    return weir_exec(tx, ++*tries == 1 ? "FAIL 40001" : "INSERT 1");
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
    weir_err err = weir_exec_script(c, db, "INSERT 1; INSERT 2");
    if (err < 0)
        return err;
    err = weir_db_exec(c, db, &done, "INSERT ?", 3);
    MUST(done.changes == (err == WEIR_OK));
    return err;
}

/* It is cancelled there, too. */
static weir_err being_late(weir_ctx *c, weir_db *db)
{
    WEIR_SCOPE(limited, c, .timeout = weir_ms(5));
    weir_err err = weir_db_exec(limited, db, NULL, "SLEEP");
    MUST(err < 0);
    (void)weir_ctx_close(limited);
    return err == WEIR_ETIMEDOUT ? add_up(c, db, 100) : err;
}

static weir_err hearing(weir_ctx *c, weir_db *db)
{
    weir_postgres_notification n;
    weir_postgres_listener *l = weir_postgres_listen(c, db, "jobs");
    weir_err err;
    do {
        err = weir_postgres_listener_next(c, l, &n);
    } while (err == WEIR_OK && n.is_gap);
    MUST(err < 0 || weir_str_eq(n.payload, WEIR_S("hello")));
    weir_postgres_listener_close(c, l);
    return err;
}

static void must_be_even(const weir_pool_stats *stats, void *arg)
{
    (void)arg;
    MUST(stats->in_use == 0 && stats->waiting == 0);
    MUST(stats->idle <= stats->open);
}

static weir_err run_with_db(weir_ctx *c, const struct pg_server *s, errand run)
{
    weir_db *db =
        weir_postgres_open(c, .url = s->url, .lazy = true, .connect_timeout = weir_ms(100),
                           .pool = {.max_open = 1, .wait_max = weir_sec(1)});
    WEIR_SCOPE(calls, c, .timeout = weir_sec(5));
    weir_err err = weir_db_err(db);
    if (err == WEIR_OK)
        err = run(calls, db);
    weir_err closed = weir_ctx_close(calls);
    if (weir_sleep(c, weir_sec(3)) == WEIR_OK) /* what is mended under a shield is mended */
        weir__pool_each(must_be_even, NULL);
    return err < 0 ? err : closed;
}

static weir_err run_errand(weir_ctx *c, void *arg)
{
    errand run = *(const errand *)arg;
    struct pg_server s = {.auth = run == reading ? PG_SCRAM : PG_TRUST, .told_at_once = "hello"};
    weir_time begin = weir_now();
    WEIR_SCOPE(peer, c);
    weir_err err = pg_try_start(peer, &s);
    WEIR_SCOPE(mine, c);
    if (err == WEIR_OK)
        err = run_with_db(mine, &s, run);
    (void)weir_ctx_close(mine);
    (void)weir_ctx_close(peer);
    MUST(s.open == 0);
    MUST(weir_time_sub(weir_now(), begin).ns < weir_sec(20).ns);
    return err;
}

#define TRIED(fn, ...)                                                                             \
    do {                                                                                           \
        static const errand run_ = (fn);                                                           \
        check(                                                                                     \
            #fn,                                                                                   \
            weir_test_everywhere(.name = #fn, .run = run_errand, .arg = (void *)(uintptr_t)&run_), \
            (struct least){__VA_ARGS__});                                                          \
    } while (0)

static void queries_everywhere(void **state)
{
    (void)state;
    TRIED(reading, .waits = 4, .allocations = 8, .calls = 10);
    TRIED(leaving, .waits = 4, .allocations = 8, .calls = 10);
    TRIED(at_once, .waits = 4, .allocations = 8, .calls = 10);
    TRIED(being_late, .waits = 5, .allocations = 8, .calls = 10);
}

static void transactions_everywhere(void **state)
{
    (void)state;
    TRIED(writing, .waits = 6, .allocations = 8, .calls = 10);
    TRIED(undoing, .waits = 6, .allocations = 8, .calls = 10);
    TRIED(trying_again, .waits = 6, .allocations = 8, .calls = 10);
    TRIED(scripts, .waits = 4, .allocations = 8, .calls = 10);
}

static void notifications_everywhere(void **state)
{
    (void)state;
    TRIED(hearing, .waits = 4, .allocations = 8, .calls = 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_everywhere),
        cmocka_unit_test(transactions_everywhere),
        cmocka_unit_test(notifications_everywhere),
    };
    return cmocka_run_group_tests_name("calls of PostgreSQL", tests, NULL, NULL);
}
