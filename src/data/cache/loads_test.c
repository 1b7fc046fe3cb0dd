/*
 * Rings of fibers that load and wait for each other's loads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/cache/loads.h"

static char fibers[3][64];
#define FIBER(i) ((const struct weir__fiber *)(const void *)fibers[i])

static void a_ring_is_not_closed(void **state)
{
    (void)state;
    struct weir__cache_loading a = {0}, b = {0}, c = {0};
    assert_true(weir__loading_await(&a, FIBER(0))); /* who loads nothing may wait for anything */
    weir__loading_begin(&a, FIBER(0));
    assert_false(weir__loading_await(&a, FIBER(0)));
    weir__loading_begin(&b, FIBER(1));
    weir__loading_begin(&c, FIBER(2));
    assert_true(weir__loading_await(&b, FIBER(0)));
    assert_true(weir__loading_await(&c, FIBER(1)));
    assert_false(weir__loading_await(&a, FIBER(2)));
    assert_false(weir__loading_await(&b, FIBER(2)));
    weir__loading_go_on(FIBER(0));
    assert_true(weir__loading_await(&a, FIBER(2)));
    weir__loading_go_on(FIBER(1));
    weir__loading_go_on(FIBER(2));
    weir__loading_end(&a);
    weir__loading_end(&b);
    weir__loading_end(&c);
}

static void any_of_a_fibers_loads_counts(void **state)
{
    (void)state;
    struct weir__cache_loading outer = {0}, inner = {0}, other = {0};
    weir__loading_begin(&outer, FIBER(0));
    weir__loading_begin(&inner, FIBER(0));
    weir__loading_begin(&other, FIBER(1));
    assert_true(weir__loading_await(&other, FIBER(0)));
    assert_false(weir__loading_await(&outer, FIBER(1)));
    assert_false(weir__loading_await(&inner, FIBER(1)));
    weir__loading_go_on(FIBER(0));
    weir__loading_end(&inner);
    weir__loading_end(&outer);
    weir__loading_end(&other);
}

static void who_takes_a_load_over_waits_for_it_no_more(void **state)
{
    (void)state;
    struct weir__cache_loading own = {0}, l = {0};
    weir__loading_begin(&own, FIBER(1));
    weir__loading_begin(&l, FIBER(0));
    assert_true(weir__loading_await(&l, FIBER(1)));
    weir__loading_end(&l);
    weir__loading_begin(&l, FIBER(1));
    assert_ptr_equal(weir__loading_fiber(&l), FIBER(1));
    weir__loading_end(&l);
    assert_null(weir__loading_fiber(&l));
    weir__loading_end(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_is_not_closed),
        cmocka_unit_test(any_of_a_fibers_loads_counts),
        cmocka_unit_test(who_takes_a_load_over_waits_for_it_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
