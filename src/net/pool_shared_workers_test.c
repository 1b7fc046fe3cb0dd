/* Shared pools that several real workers use: each has carriers of its own. */
#include "net/pool_workers_testing.h"

#include <stdlib.h>
#include <string.h>

#include "net/pool_shared_inside.h"

struct test {
    struct crew crew;
    struct weir__shared_pool *pool;
    atomic_int live, opened, closed, told;
};

/* Where it was opened, and who used it at a time. */
struct thing {
    struct weir__worker *home;
    struct weir__carrier *carrier;
    int users; /* of one worker: no lock, and ThreadSanitizer looks */
};

static weir_err open_thing(void *driver, struct weir__ctx *c, struct weir__carrier *k, weir_str key,
                           void **resource)
{
    struct test *t = driver;
    struct thing *thing = weir__ctx_object(c, sizeof *thing);
    (void)key;
    assert_non_null(thing);
    *thing = (struct thing){weir__self, k, 0};
    assert_int_equal(weir_yield(weir__ctx_handle(c)), WEIR_OK);
    weir__carrier_set_room(k, 3);
    atomic_fetch_add(&t->live, 1);
    atomic_fetch_add(&t->opened, 1);
    *resource = thing;
    return WEIR_OK;
}

static void close_thing(void *driver, struct weir__ctx *c, void *resource)
{
    struct test *t = driver;
    struct thing *thing = resource;
    (void)c;
    assert_ptr_equal(thing->home, weir__self);
    atomic_fetch_sub(&t->live, 1);
    atomic_fetch_add(&t->closed, 1);
}

static const struct weir__shared_ops thing_ops = {.open = open_thing, .close = close_thing};

static void run(weir_fiber_fn fn)
{
    struct test *t = calloc(1, sizeof *t);
    run_crew(fn, t);
    assert_int_equal(t->live, 0);
    assert_int_equal(t->opened, t->closed);
    free(t);
}

static void make_pool(struct test *t, weir_ctx *app, struct weir__shared_options o)
{
    crew_init(&t->crew, app, t);
    t->pool = weir__shared_pool_new(weir__ctx_of(app), "things", &o, &thing_ops, t, WEIR_HERE);
    assert_non_null(t->pool);
}

static void hear(struct weir__share *share)
{
    struct test *t = share->pool->driver;
    atomic_fetch_add(&t->told, 1);
}

/* What becomes of a carrier now and then. */
static void meddle(struct thing *thing, uint32_t x)
{
    if (x % 31 == 0)
        weir__carrier_retire(thing->carrier);
    else if (x % 47 == 0)
        weir__carrier_break(thing->carrier);
    else if (x % 13 == 0)
        weir__carrier_set_room(thing->carrier, 1 + x % 4);
}

static weir_err uses(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    uint32_t x = weir__self->index * 7919 + 1;
    for (int i = 0; i < 300; i++) {
        struct weir__share s = {.broken = hear};
        char key[2] = {(char)('a' + (x = x * 1664525 + 1013904223) / 7 % 6), '\0'};
        assert_int_equal(weir__shared_pool_acquire(t->pool, weir__ctx_of(c), weir_str_from(key),
                                                   WEIR_HERE, NULL, &s),
                         WEIR_OK);
        atomic_fetch_add(&t->told, s.is_broken);
        struct thing *thing = weir__share_resource(&s, "uses");
        if (thing != NULL) {
            assert_ptr_equal(thing->home, weir__self);
            thing->users++;
            if (i % 3 == 0)
                assert_int_equal(weir_yield(c), WEIR_OK);
            thing->users--;
            meddle(thing, x / 11);
        }
        weir__share_release(&s);
    }
    return WEIR_OK;
}

/* Six keys of which four may be there, and five open: all of it comes and goes on each worker. */
static void crowds(weir_ctx *c, void *arg)
{
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 8; i++)
        assert_int_equal(WEIR_GO(group, uses, arg), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(weir_ctx_close(group), WEIR_OK);
}

static weir_err is_crowded(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    struct weir__shared_stats s;
    make_pool(t, app,
              (struct weir__shared_options){
                  .each = {.max_open = 2, .wait_max = weir_min(5)}, .keys_max = 8, .open_max = 5});
    work_on_all(&t->crew, crowds);
    weir__shared_pool_stats(t->pool, &s);
    assert_int_equal(s.pool.acquired, (uint64_t)WORKERS * 8 * 300);
    assert_int_equal(s.leases, 0);
    assert_int_equal(s.pool.waiting, 0);
    assert_true(s.pool.open <= (uint64_t)WORKERS * 5);
    assert_int_equal(s.told, t->told);
    assert_true(s.told > 0 && s.retired > 0);
    return WEIR_OK;
}

static void test_each_worker_has_its_own(void **state)
{
    (void)state;
    run(is_crowded);
}

/* Leases that the application's context has from other workers end with these. */
static void keeps_one(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    struct weir__ctx *app = weir__ctx_of(t->crew.app);
    struct weir__share *s = weir__ctx_object(app, sizeof *s);
    (void)c;
    assert_non_null(s);
    s->broken = hear;
    assert_int_equal(weir__shared_pool_acquire(t->pool, app, WEIR_S(""), WEIR_HERE, NULL, s),
                     WEIR_OK);
}

static weir_err leaves_leases(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    make_pool(t, app, (struct weir__shared_options){.each = {.max_open = 2}});
    work_on_all(&t->crew, keeps_one);
    return WEIR_OK;
}

static void test_leases_of_the_application_end_with_their_worker(void **state)
{
    (void)state;
    struct test *t = calloc(1, sizeof *t);
    run_crew(leaves_leases, t);
    assert_int_equal(t->told, WORKERS);
    assert_int_equal(t->opened, t->closed);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_worker_has_its_own),
        cmocka_unit_test(test_leases_of_the_application_end_with_their_worker),
    };
    return cmocka_run_group_tests_name("pool_shared_workers", tests, NULL, NULL);
}
