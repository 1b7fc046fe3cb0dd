/*
 * A pool that dials, used from several real workers while everything about it changes: connections
 * that are bound to where they are, a server that comes and goes, failovers, suspending, resizing.
 */
#include "net/pool_workers_testing.h"

#include <stdlib.h>

#include "base/random.h"
#include "net/pool_inside.h"

enum { ROUNDS = 300, MOST = 12 };

struct thing {
    _Atomic(struct weir__worker *) at;
};

struct test {
    struct crew crew;
    struct weir__pool *pool;
    atomic_int live, live_max, opened, closed, served, failed, asked;
    atomic_bool is_up;
};

static weir_err open_thing(void *driver, struct weir__ctx *c, void **resource)
{
    struct test *t = driver;
    if (weir_yield(weir__ctx_handle(c)) != WEIR_OK)
        return WEIR_ECANCELED;
    if (!atomic_load(&t->is_up))
        return -ECONNREFUSED;
    struct thing *thing = calloc(1, sizeof *thing);
    assert_non_null(thing);
    thing->at = weir__self;
    atomic_fetch_add(&t->opened, 1);
    int live = atomic_fetch_add(&t->live, 1) + 1, most = atomic_load(&t->live_max);
    while (live > most && !atomic_compare_exchange_weak(&t->live_max, &most, live))
        ;
    *resource = thing;
    return WEIR_OK;
}

static void close_thing(void *driver, struct weir__ctx *c, void *resource)
{
    struct test *t = driver;
    struct thing *thing = resource;
    (void)c;
    assert_true(thing->at == NULL || thing->at == weir__self);
    free(thing);
    atomic_fetch_sub(&t->live, 1);
    atomic_fetch_add(&t->closed, 1);
}

static void leave_thing(void *driver, void *resource)
{
    struct thing *thing = resource;
    (void)driver;
    assert_ptr_equal(thing->at, weir__self);
    thing->at = NULL;
}

static weir_err enter_thing(void *driver, struct weir__ctx *c, void *resource)
{
    struct thing *thing = resource;
    (void)driver, (void)c;
    assert_null(thing->at);
    thing->at = weir__self;
    return WEIR_OK;
}

static weir_err ping_thing(void *driver, struct weir__ctx *c, void *resource)
{
    const struct thing *thing = resource;
    (void)driver;
    assert_ptr_equal(thing->at, weir__self);
    return weir_yield(weir__ctx_handle(c));
}

static bool owns_thing(const void *driver, const void *resource, const struct weir__wait *wait)
{
    const struct test *t = driver;
    const struct thing *thing = resource;
    assert_ptr_equal(thing->at, weir__self);
    assert_non_null(wait->type);
    atomic_fetch_add((atomic_int *)(uintptr_t)&t->asked, 1);
    return false;
}

static const struct weir__pool_ops thing_ops = {.open = open_thing,
                                                .close = close_thing,
                                                .leave = leave_thing,
                                                .enter = enter_thing,
                                                .ping = ping_thing,
                                                .owns = owns_thing};

static void makes_it(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    const weir_pool_options o = {
        .max_open = 4, .min_idle = 1, .wait_max = weir_ms(200), .check_after = weir_ms(1)};
    const struct weir__dialling_options d = {.dials_max = 3,
                                             .retry_base = weir_ms(1),
                                             .retry_cap = weir_ms(4),
                                             .held_wait_max = weir_ms(10)};
    (void)c;
    t->pool = weir__pool_new_dialling(weir__ctx_of(t->crew.app), "things", &o, &d, &thing_ops, t,
                                      WEIR_HERE);
    assert_non_null(t->pool);
}

static void use(weir_ctx *c, struct test *t, struct weir__random *random)
{
    struct weir__lease lease;
    WEIR_SCOPE(request, c, .timeout = weir_ms(1 + (int64_t)weir__random_upto(random, 30)));
    weir_err err = ACQUIRE(request, t->pool, &lease);
    atomic_fetch_add(err == WEIR_OK ? &t->served : &t->failed, 1);
    if (err == WEIR_OK) {
        const struct thing *thing = weir__lease_resource(&lease, "use");
        assert_ptr_equal(thing->at, weir__self);
        if (weir__random_upto(random, 40) == 0)
            (void)!weir_sleep(request, weir_ms(25)); /* seldom, and long enough to be noticed */
        else
            (void)!weir_yield(request);
        if (weir__random_upto(random, 9) == 0)
            weir__lease_break(&lease);
    }
    weir__lease_release(&lease);
    weir_error_clear(request);
    (void)weir_ctx_close(request);
}

static void uses(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    struct weir__random random = {weir__self->index};
    for (int i = 0; i < ROUNDS; i++) {
        use(c, t, &random);
        if (i % 5 == 0)
            assert_int_equal(weir_yield(c), WEIR_OK);
    }
}

static void governs(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    struct weir__random random = {99};
    for (int i = 0; i < ROUNDS; i++) {
        switch (weir__random_upto(&random, 5)) {
        case 0:
            weir__pool_suspend(t->pool);
            break;
        case 1:
            weir__pool_retire_all(t->pool);
            break;
        case 2: {
            uint32_t most = 1 + (uint32_t)weir__random_upto(&random, MOST - 1);
            uint32_t least = (uint32_t)weir__random_upto(&random, most);
            assert_int_equal(weir__pool_resize(t->pool, most, least), WEIR_OK);
            break;
        }
        case 3:
            atomic_store(&t->is_up, !atomic_load(&t->is_up));
            break;
        default:
            break;
        }
        assert_int_equal(weir_sleep(c, weir_us(300)), WEIR_OK);
        weir__pool_resume(t->pool);
    }
    atomic_store(&t->is_up, true);
}

static weir_err does_all_of_it(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    crew_init(&t->crew, app, t);
    work_on(&t->crew, 2, makes_it);
    give_work(&t->crew, 0, governs);
    for (unsigned i = 1; i < WORKERS; i++)
        give_work(&t->crew, i, uses);
    await_work(&t->crew, WORKERS);
    assert_int_equal(weir__pool_resize(t->pool, 2, 0), WEIR_OK);
    for (int i = 0; i < 5; i++) {
        struct weir__lease lease;
        weir_err err = ACQUIRE(app, t->pool, &lease);
        if (err == WEIR_OK)
            weir__lease_release(&lease);
        else
            assert_true(err == WEIR_EUNREACHABLE || err == WEIR_ETIMEDOUT);
        weir_error_clear(app);
    }
    assert_int_equal(stats_of(t->pool).in_use, 0);
    assert_int_equal(stats_of(t->pool).waiting, 0);
    return WEIR_OK;
}

static void test_everything_at_once_on_several_workers(void **state)
{
    (void)state;
    struct test *t = calloc(1, sizeof *t);
    atomic_init(&t->is_up, true);
    run_crew(does_all_of_it, t);
    assert_int_equal(t->live, 0);
    assert_int_equal(t->opened, t->closed);
    assert_true(t->live_max <= MOST);
    assert_int_equal(t->served + t->failed, 3 * ROUNDS);
    assert_true(t->served > 0);
    free(t);
}

/* What a fiber of another worker waits for is asked there. */
static void holds_long(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    struct weir__lease lease;
    assert_int_equal(ACQUIRE(c, t->pool, &lease), WEIR_OK);
    while (stats_of(t->pool).held_waits == 0)
        assert_int_equal(weir_sleep(c, weir_ms(40)), WEIR_OK);
    weir__lease_release(&lease);
}

static weir_err is_asked_elsewhere(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    crew_init(&t->crew, app, t);
    work_on(&t->crew, 2, makes_it);
    work_on(&t->crew, 1, holds_long);
    work_on(&t->crew, 0, holds_long);
    return WEIR_OK;
}

static void test_other_workers_are_asked_what_their_fibers_wait_for(void **state)
{
    (void)state;
    struct test *t = calloc(1, sizeof *t);
    atomic_init(&t->is_up, true);
    run_crew(is_asked_elsewhere, t);
    assert_true(t->asked > 0);
    assert_int_equal(t->live, 0);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_at_once_on_several_workers),
        cmocka_unit_test(test_other_workers_are_asked_what_their_fibers_wait_for),
    };
    return cmocka_run_group_tests_name("pools that dial, on workers", tests, NULL, NULL);
}
