/* Pools that several real workers make, use and end. */
#include "net/pool_workers_testing.h"

#include <stdlib.h>
#include <string.h>

/* A driver that all workers call. */
struct test {
    struct crew crew;
    weir_chan *opened; /* int: where one was opened; may be NULL */
    struct weir__pool *pools[WORKERS];
    struct weir__pool_group *group;
    atomic_int live, live_max, open, closed;
};

static weir_err open_counted(void *driver, struct weir__ctx *c, void **resource)
{
    struct test *t = driver;
    int live = atomic_fetch_add(&t->live, 1) + 1, most = atomic_load(&t->live_max);
    while (live > most && !atomic_compare_exchange_weak(&t->live_max, &most, live))
        ;
    *resource = (void *)(uintptr_t)(atomic_fetch_add(&t->open, 1) + 1);
    int index = (int)weir__self->index;
    return t->opened != NULL ? weir_chan_send(weir__ctx_handle(c), t->opened, &index) : WEIR_OK;
}

static void close_counted(void *driver, struct weir__ctx *c, void *resource)
{
    struct test *t = driver;
    (void)c;
    assert_non_null(resource);
    atomic_fetch_sub(&t->live, 1);
    atomic_fetch_add(&t->closed, 1);
}

static const struct weir__pool_ops counted_ops = {.open = open_counted, .close = close_counted};

static void run(weir_fiber_fn fn, struct test *t)
{
    run_crew(fn, t);
    assert_int_equal(t->live, 0);
    assert_int_equal(t->open, t->closed);
}

static struct weir__pool *make_pool(struct test *t, const weir_pool_options *o)
{
    return weir__pool_new(weir__ctx_of(t->crew.app), "orders", o, &counted_ops, t, WEIR_HERE);
}

/* --- made anywhere ---------------------------------------------------------------------------- */

static void makes_one(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    const weir_pool_options o = {.max_open = 2, .min_idle = 1};
    (void)c;
    t->pools[weir__self->index] = make_pool(t, &o);
    assert_non_null(t->pools[weir__self->index]);
}

/* Each of them uses all, and breaks now and then what it has got. */
static void uses_all(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    for (unsigned i = 0; i < 1000; i++) {
        struct weir__lease lease;
        assert_int_equal(ACQUIRE(c, t->pools[(i + weir__self->index) % WORKERS], &lease), WEIR_OK);
        assert_int_not_equal(number_of(&lease), 0);
        if (i % 3 == 0)
            assert_int_equal(weir_yield(c), WEIR_OK);
        if (i % 7 == 0)
            weir__lease_break(&lease);
        weir__lease_release(&lease);
    }
}

static weir_err makes_and_uses(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    uint64_t acquired = 0;
    crew_init(&t->crew, app, t);
    work_on_all(&t->crew, makes_one);
    work_on_all(&t->crew, uses_all);
    for (unsigned i = 0; i < WORKERS; i++) {
        weir_pool_stats s = stats_of(t->pools[i]);
        acquired += s.acquired;
        assert_int_equal(s.in_use, 0);
        assert_true(s.open <= 2);
    }
    assert_int_equal(acquired, WORKERS * 1000);
    return WEIR_OK;
}

static void test_each_worker_makes_a_pool_for_all(void **state)
{
    (void)state;
    struct test *t = calloc(1, sizeof *t);
    run(makes_and_uses, t);
    assert_true(t->live_max <= WORKERS * 2);
    free(t);
}

/* The keeper is of the worker that made the pool. */
static void makes_prepared(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    const weir_pool_options o = {.max_open = 3, .min_idle = 2};
    (void)c;
    t->pools[0] = make_pool(t, &o);
    assert_non_null(t->pools[0]);
}

static weir_err sees_the_keeper(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    struct weir__lease lease;
    int where;
    crew_init(&t->crew, app, t);
    t->opened = weir_chan_new(app, int, 16);
    work_on(&t->crew, 2, makes_prepared);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir_chan_recv(app, t->opened, &where), WEIR_OK);
        assert_int_equal(where, 2);
    }
    /* What is lent here makes it open another there, until three are. */
    assert_int_equal(ACQUIRE(app, t->pools[0], &lease), WEIR_OK);
    assert_int_equal(weir_chan_recv(app, t->opened, &where), WEIR_OK);
    assert_int_equal(where, 2);
    weir__lease_release(&lease);
    return WEIR_OK;
}

static void test_the_keeper_is_of_the_worker_that_made_the_pool(void **state)
{
    (void)state;
    struct test *t = calloc(1, sizeof *t);
    run(sees_the_keeper, t);
    assert_int_equal(t->open, 3);
    free(t);
}

/* --- pools by key ----------------------------------------------------------------------------- */

static weir_err open_keyed(void *driver, struct weir__ctx *c, void **resource)
{
    return open_counted(((const struct weir__pool_key *)driver)->driver, c, resource);
}

static void close_keyed(void *driver, struct weir__ctx *c, void *resource)
{
    close_counted(((const struct weir__pool_key *)driver)->driver, c, resource);
}

static const struct weir__pool_ops keyed_ops = {.open = open_keyed, .close = close_keyed};

/* Ten keys of which six may be there, and three open: they come and go, and feed each other. */
static void uses_keys(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    uint32_t x = weir__self->index + 1;
    for (int i = 0; i < 1000; i++) {
        struct weir__lease lease;
        char key[2] = {(char)('a' + (x = x * 1664525 + 1013904223) / 7 % 10), '\0'};
        weir_err err = weir__pool_group_acquire(t->group, weir__ctx_of(c), weir_str_from(key),
                                                WEIR_HERE, NULL, &lease);
        assert_int_equal(err, WEIR_OK);
        if (i % 3 == 0)
            assert_int_equal(weir_yield(c), WEIR_OK);
        if (i % 11 == 0)
            weir__lease_break(&lease);
        weir__lease_release(&lease);
    }
}

static weir_err crowds_keys(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    const struct weir__pool_group_options o = {
        .each = {.max_open = 2}, .keys_max = 6, .open_max = 3};
    struct weir__pool_group_stats s;
    crew_init(&t->crew, app, t);
    t->group = weir__pool_group_new(weir__ctx_of(app), "keys", &o, &keyed_ops, t, WEIR_HERE);
    assert_non_null(t->group);
    work_on_all(&t->crew, uses_keys);
    weir__pool_group_stats(t->group, &s);
    assert_true(s.open <= 3 && s.keys == 6 && s.evicted > 0);
    return WEIR_OK;
}

static void test_a_crowd_of_workers_shares_keys(void **state)
{
    (void)state;
    struct test *t = calloc(1, sizeof *t);
    run(crowds_keys, t);
    assert_in_range(t->live_max, 1, 3);
    free(t);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Leases of the application's context come back when the home worker, and the keeper, are gone. */
static weir_err leaves_leases(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    struct weir__lease *leases = weir_alloc(app, 2 * sizeof *leases);
    crew_init(&t->crew, app, t);
    work_on(&t->crew, 3, makes_prepared);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ACQUIRE(app, t->pools[0], &leases[i]), WEIR_OK);
    weir__lease_break(&leases[0]);
    weir__lease_break(&leases[1]);
    return WEIR_OK;
}

static void test_a_pool_outlives_the_worker_that_made_it(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct test *t = calloc(1, sizeof *t);
        run(leaves_leases, t);
        assert_in_range(t->open, 2, 3);
        free(t);
    }
}

/* The record of the application's context belongs to the first worker. */
static void makes_a_wrong_one(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    const weir_pool_options o = {.max_open = 0};
    assert_null(make_pool(t, &o));
    assert_int_equal(weir_last_error(c)->code, WEIR_EINVALID);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "max_open is 0"));
}

static weir_err hears_of_mistakes(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    const weir_pool_options o = {.max_open = 0};
    crew_init(&t->crew, app, t);
    work_on(&t->crew, 1, makes_a_wrong_one);
    assert_null(weir_last_error(app));
    assert_null(make_pool(t, &o));
    assert_int_equal(weir_last_error(app)->code, WEIR_EINVALID);
    return WEIR_OK;
}

static void test_mistakes_are_told_where_they_are_made(void **state)
{
    (void)state;
    struct test *t = calloc(1, sizeof *t);
    run(hears_of_mistakes, t);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_worker_makes_a_pool_for_all),
        cmocka_unit_test(test_the_keeper_is_of_the_worker_that_made_the_pool),
        cmocka_unit_test(test_a_crowd_of_workers_shares_keys),
        cmocka_unit_test(test_a_pool_outlives_the_worker_that_made_it),
        cmocka_unit_test(test_mistakes_are_told_where_they_are_made),
    };
    return cmocka_run_group_tests_name("pool_workers", tests, NULL, NULL);
}
