/* Resources that are bound to a worker, lent to others: on real workers. */
#include "net/pool_workers_testing.h"

#include <stdlib.h>

#include "net/pool_inside.h"

/* --- a driver that cares ---------------------------------------------------------------------- */

enum { THINGS_MAX = 100000 };

struct thing {
    _Atomic(struct weir__worker *) at;
    int number;
};

struct test {
    struct crew crew;
    struct weir__pool *pool;
    atomic_int opened, closed, left, entered;
    atomic_int fail_enter; /* so many times */
    atomic_bool may_go_on, is_held;
    atomic_int first, second; /* numbers of what was lent */
    struct weir__lease lease;
    struct thing things[THINGS_MAX];
};

static weir_err open_thing(void *driver, struct weir__ctx *c, void **resource)
{
    struct test *t = driver;
    int n = atomic_fetch_add(&t->opened, 1);
    (void)c;
    assert_true(n < THINGS_MAX);
    t->things[n].number = n + 1;
    t->things[n].at = weir__self;
    *resource = &t->things[n];
    return WEIR_OK;
}

static void close_thing(void *driver, struct weir__ctx *c, void *resource)
{
    struct test *t = driver;
    struct thing *thing = resource;
    (void)c;
    assert_true(thing->at == NULL || thing->at == weir__self);
    atomic_fetch_add(&t->closed, 1);
}

static void leave_thing(void *driver, void *resource)
{
    struct test *t = driver;
    struct thing *thing = resource;
    assert_ptr_equal(thing->at, weir__self);
    thing->at = NULL;
    atomic_fetch_add(&t->left, 1);
}

static weir_err enter_thing(void *driver, struct weir__ctx *c, void *resource)
{
    struct test *t = driver;
    struct thing *thing = resource;
    assert_int_equal(weir__ctx_check(c), WEIR_OK);
    assert_null(thing->at);
    if (atomic_load(&t->fail_enter) > 0) {
        atomic_fetch_sub(&t->fail_enter, 1);
        return -EMFILE;
    }
    thing->at = weir__self;
    atomic_fetch_add(&t->entered, 1);
    return WEIR_OK;
}

static bool is_dirty_thing(void *driver, void *resource)
{
    struct thing *thing = resource;
    (void)driver;
    assert_ptr_equal(thing->at, weir__self);
    return false;
}

static const struct weir__pool_ops thing_ops = {.open = open_thing,
                                                .close = close_thing,
                                                .is_dirty = is_dirty_thing,
                                                .leave = leave_thing,
                                                .enter = enter_thing};

static void make_things(struct test *t, weir_ctx *app, uint32_t max_open)
{
    const weir_pool_options o = {.max_open = max_open};
    crew_init(&t->crew, app, t);
    t->pool = weir__pool_new(weir__ctx_of(app), "things", &o, &thing_ops, t, WEIR_HERE);
    assert_non_null(t->pool);
}

/* Lent here, and here it is. */
static int borrow(weir_ctx *c, struct test *t)
{
    struct weir__lease lease;
    assert_int_equal(ACQUIRE(c, t->pool, &lease), WEIR_OK);
    struct thing *thing = weir__lease_resource(&lease, "borrow");
    assert_ptr_equal(thing->at, weir__self);
    int number = thing->number;
    weir__lease_release(&lease);
    return number;
}

static void run(weir_fiber_fn fn, struct test *t)
{
    run_crew(fn, t);
    assert_int_equal(t->opened, t->closed);
    assert_true(t->entered <= t->left);
}

#define TEST_ON_WORKERS(fn)                                                                        \
    do {                                                                                           \
        struct test *t = calloc(1, sizeof *t);                                                     \
        run((fn), t);                                                                              \
        free(t);                                                                                   \
    } while (0)

/* --- what lies idle --------------------------------------------------------------------------- */

static void borrows_first(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    t->first = borrow(c, t);
}

static void borrows_second(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    t->second = borrow(c, t);
}

static weir_err moves_an_idle_one(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    make_things(t, app, 4);
    work_on(&t->crew, 1, borrows_first);
    work_on(&t->crew, 1, borrows_second);
    assert_int_equal(t->left, 0); /* the same worker again */
    work_on(&t->crew, 2, borrows_second);
    assert_int_equal(t->second, t->first);
    assert_int_equal(t->left, 1);
    assert_int_equal(t->entered, 1);
    assert_int_equal(borrow(app, t), t->first);
    assert_int_equal(t->left, 2);
    assert_int_equal(t->opened, 1);
    return WEIR_OK;
}

static void test_an_idle_one_leaves_and_enters(void **state)
{
    (void)state;
    TEST_ON_WORKERS(moves_an_idle_one);
}

static weir_err fails_to_enter(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    make_things(t, app, 4);
    work_on(&t->crew, 1, borrows_first);
    t->fail_enter = 1;
    work_on(&t->crew, 2, borrows_second);
    assert_int_not_equal(t->second, t->first);
    assert_int_equal(t->closed, 1);
    assert_int_equal(stats_of(t->pool).closed[WEIR_POOL_CLOSED_BROKEN], 1);
    assert_int_equal(stats_of(t->pool).open, 1);
    return WEIR_OK;
}

static void test_one_that_cannot_enter_is_closed(void **state)
{
    (void)state;
    TEST_ON_WORKERS(fails_to_enter);
}

/* Closing is done elsewhere, too: it has left before. */
static weir_err closes_from_afar(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    make_things(t, app, 4);
    work_on(&t->crew, 1, borrows_first);
    assert_int_equal(weir__pool_close(t->pool, weir__ctx_of(app), weir_never()), WEIR_OK);
    assert_int_equal(t->closed, 1);
    assert_int_equal(t->left, 1);
    assert_int_equal(t->entered, 0);
    return WEIR_OK;
}

static void test_what_is_closed_from_afar_has_left(void **state)
{
    (void)state;
    TEST_ON_WORKERS(closes_from_afar);
}

/* --- giving up meanwhile ---------------------------------------------------------------------- */

/* Keeps its worker, so that nothing leaves it. */
static void holds_its_worker(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    t->first = borrow(c, t);
    atomic_store(&t->is_held, true);
    while (!atomic_load(&t->may_go_on))
        sched_yield();
}

static void gives_up(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    struct weir__lease lease;
    while (!atomic_load(&t->is_held))
        sched_yield();
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(5));
    assert_int_equal(ACQUIRE(hasty, t->pool, &lease), WEIR_ETIMEDOUT);
    assert_null(lease.slot);
    (void)weir_ctx_close(hasty);
    assert_int_equal(stats_of(t->pool).in_use, 1); /* nobody's, until it has left */
    atomic_store(&t->may_go_on, true);
    t->second = borrow(c, t); /* in line: there is but one */
}

static weir_err gives_up_moving(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    make_things(t, app, 1);
    give_work(&t->crew, 1, holds_its_worker);
    give_work(&t->crew, 2, gives_up);
    await_work(&t->crew, 2);
    assert_int_equal(t->second, t->first);
    assert_int_equal(t->opened, 1);
    assert_int_equal(stats_of(t->pool).in_use, 0);
    assert_int_equal(stats_of(t->pool).idle, 1);
    return WEIR_OK;
}

static void test_who_gives_up_loses_nothing(void **state)
{
    (void)state;
    TEST_ON_WORKERS(gives_up_moving);
}

/* --- everything at once ----------------------------------------------------------------------- */

static void borrows_often(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    for (int i = 0; i < 1000; i++) {
        struct weir__lease lease;
        WEIR_SCOPE(step, c, .timeout = i % 5 == 0 ? weir_ms(1) : weir_sec(60));
        weir_err err = ACQUIRE(step, t->pool, &lease);
        assert_true(err == WEIR_OK || err == WEIR_ETIMEDOUT);
        if (err == WEIR_OK) {
            struct thing *thing = weir__lease_resource(&lease, "borrows_often");
            assert_ptr_equal(thing->at, weir__self);
            if (i % 3 == 0)
                err = weir_yield(step);
            assert_ptr_equal(thing->at, weir__self);
            if (i % 11 == 0)
                weir__lease_break(&lease);
            weir__lease_release(&lease);
        }
        (void)weir_ctx_close(step);
    }
    weir_error_clear(c);
}

static weir_err crowds(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    make_things(t, app, 2);
    work_on_all(&t->crew, borrows_often);
    /* Who gave up last may have left one on its way. */
    assert_int_equal(weir__pool_close(t->pool, weir__ctx_of(app), weir_never()), WEIR_OK);
    assert_int_equal(stats_of(t->pool).open, 0);
    return WEIR_OK;
}

static void test_a_crowd_of_workers_shares_two(void **state)
{
    (void)state;
    TEST_ON_WORKERS(crowds);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* A lease of the application's, from a worker that ends before it does. */
static void keeps_one(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    (void)c;
    assert_int_equal(ACQUIRE(t->crew.app, t->pool, &t->lease), WEIR_OK);
}

static weir_err leaves_them_lying(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    make_things(t, app, 8);
    work_on(&t->crew, 3, keeps_one);
    work_on_all(&t->crew, borrows_first);
    return WEIR_OK;
}

static void test_what_is_at_a_worker_leaves_at_its_end(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++)
        TEST_ON_WORKERS(leaves_them_lying);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_idle_one_leaves_and_enters),
        cmocka_unit_test(test_one_that_cannot_enter_is_closed),
        cmocka_unit_test(test_what_is_closed_from_afar_has_left),
        cmocka_unit_test(test_who_gives_up_loses_nothing),
        cmocka_unit_test(test_a_crowd_of_workers_shares_two),
        cmocka_unit_test(test_what_is_at_a_worker_leaves_at_its_end),
    };
    return cmocka_run_group_tests_name("pool_move", tests, NULL, NULL);
}
