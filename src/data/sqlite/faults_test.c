/*
 * A request that reads and writes, cancelled at each of its waits and with each of its allocations
 * failing: afterwards everything is back where it was, what it wrote is there as a whole or not at
 * all, and the next request works.
 */
#include "data/sqlite/testing.h"

#include "base/alloc.h"
#include "rt/context.h"
#include "rt/owned.h"
#include "rt/wait.h"

#define NTH_MAX 400 /* no request here waits or allocates as often as that */

/* Moves a year of age from one user to another, in the driver's every way; the sum must stay. */
static weir_err request(weir_ctx *c, void *arg)
{
    weir_db *db = arg;
    user u;
    int64_t n = 0;
    weir_rows *rows = weir_query(c, db, "SELECT id, name, age FROM users");
    while (weir_rows_next(rows, user, &u))
        n += u.age;
    weir_err err = weir_rows_err(rows);
    if (err != WEIR_OK)
        return err;
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "UPDATE users SET age = age - 1 WHERE id = ?", 1);
    err = weir_sleep(c, weir_ms(1));
    weir_exec(tx, "UPDATE users SET age = age + 1 WHERE id = ?", 2);
    rows = weir_query(c, tx, "UPDATE users SET name = name WHERE id = 3 RETURNING id");
    while (weir_rows_next(rows, int64_t, &n))
        ;
    if (err == WEIR_OK)
        err = weir_rows_err(rows);
    return err == WEIR_OK ? weir_commit(tx) : err;
}

static weir_err move_a_year(weir_ctx *c, weir_tx *tx, void *arg)
{
    WEIR_ARRAY(user) all;
    const user born = {.name = WEIR_S("Nobody"), .age = 1};
    (void)arg;
    weir_tx *part = weir_begin(c, tx);
    weir_insert(part, "users", user, &born, 1, .without = "id, email");
    weir_exec(part, "DELETE FROM users WHERE name = 'Nobody'");
    weir_err err = weir_commit(part);
    if (err == WEIR_OK)
        err = weir_query_all(c, tx, user, &all, 10, "SELECT id, age FROM users");
    part = weir_begin(c, tx);
    weir_exec(part, "UPDATE users SET age = 0");
    weir_rollback(part);
    weir_exec(tx, "UPDATE users SET age = age - 1 WHERE id = 1");
    weir_exec(tx, "UPDATE users SET age = age + 1 WHERE id = 2");
    return err;
}

/* The same by transactions within a transaction that may be tried again. */
static weir_err request_in_parts(weir_ctx *c, void *arg)
{
    weir_db *db = arg;
    int64_t n = 0;
    weir_tx *tx = weir_begin(c, db, .read_only = true);
    weir_err err = weir_query_one(c, tx, int64_t, &n, "SELECT count(*) FROM users");
    weir_rollback(tx);
    return err == WEIR_OK ? weir_tx_retry(c, db, move_a_year, NULL) : err;
}

static void assert_as_before(weir_ctx *c, weir_db *db)
{
    int64_t sum = 0;
    assert_nothing_out(db);
    assert_int_equal(weir_query_one(c, db, int64_t, &sum, "SELECT sum(age) FROM users"), WEIR_OK);
    assert_int_equal(sum, 36 + 20 + 71);
}

/* In a fiber of its own, with a fault planned when it starts; its result. */
struct plan {
    weir_db *db;
    uint64_t fail_alloc, cancel_wait;
    weir_fiber_fn request;
};

static weir_err run_plan(weir_ctx *c, void *arg)
{
    const struct plan *p = arg;
    weir__alloc_fail_nth(p->fail_alloc);
    weir__wait_cancel_nth(p->cancel_wait);
    weir_err err = p->request(c, p->db);
    weir__alloc_fail_nth(0);
    weir__wait_cancel_nth(0);
    return err;
}

/* Has what the request wants when it comes, so that it must wait. */
static weir_err occupy(weir_ctx *c, void *arg)
{
    weir_db *db = ((const struct plan *)arg)->db;
    weir_rows *first = weir_query(c, db, "SELECT id FROM users");
    weir_rows *second = weir_query(c, db, "SELECT id FROM users");
    weir_err err = weir_sleep(c, weir_ms(2));
    weir_tx *tx = weir_begin(c, db);
    weir_rows_close(first);
    weir_rows_close(second);
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_ms(2));
    weir_rollback(tx);
    return err;
}

static weir_err run(weir_ctx *c, struct plan p)
{
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, occupy, &p), WEIR_OK);
    assert_int_equal(WEIR_GO(group, run_plan, &p), WEIR_OK);
    weir_err err = weir_join(group);
    (void)weir_ctx_close(group);
    weir_error_clear(c);
    return err;
}

static const weir_fiber_fn requests[] = {request, request_in_parts};
#define REQUESTS (sizeof requests / sizeof requests[0])

static weir_err is_cancelled_everywhere(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    uint64_t leaks = weir__leak_total();
    for (size_t i = 0; i < REQUESTS; i++) {
        uint64_t n = 1;
        for (; run(c, (struct plan){db, 0, n, requests[i]}) != WEIR_OK; n++) {
            assert_true(n < NTH_MAX);
            assert_as_before(c, db);
        }
        assert_true(n > 4);
        assert_as_before(c, db);
        assert_int_equal(weir__leak_total(), leaks);
    }
    return WEIR_OK;
}
SIM_TEST(is_cancelled_everywhere)

static weir_err runs_out_of_memory_everywhere(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    for (size_t i = 0; i < REQUESTS; i++) {
        uint64_t n = 1;
        for (; run(c, (struct plan){db, n, 0, requests[i]}) != WEIR_OK; n++) {
            assert_true(n < NTH_MAX);
            assert_as_before(c, db);
        }
        assert_true(n > 1);
        assert_as_before(c, db);
    }
    return WEIR_OK;
}
SIM_TEST(runs_out_of_memory_everywhere)

/* Opening, with each allocation failing. */
static weir_err opens_without_memory(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    weir_err err = -ENOMEM;
    for (uint64_t n = 1; err != WEIR_OK; n++) {
        assert_true(n < NTH_MAX);
        WEIR_SCOPE(inner, c);
        weir__alloc_fail_nth(n);
        weir_db *db = weir_sqlite_open(inner, .path = f->path, .create = true);
        weir__alloc_fail_nth(0);
        err = weir_db_err(db);
        weir_error_clear(inner);
        (void)weir_ctx_close(inner);
    }
    return WEIR_OK;
}
SIM_TEST(opens_without_memory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(is_cancelled_everywhere),
        FILE_TEST(runs_out_of_memory_everywhere),
        FILE_TEST(opens_without_memory),
    };
    return cmocka_run_group_tests_name("sqlite faults", tests, NULL, NULL);
}
