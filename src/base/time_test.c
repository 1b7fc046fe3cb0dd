/* Durations and points in time: units, and holding at the ends instead of wrapping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <weir/time.h>

static void units_are_what_they_say(void **state)
{
    (void)state;
    assert_int_equal(weir_ns(5).ns, 5);
    assert_int_equal(weir_us(5).ns, 5000);
    assert_int_equal(weir_ms(250).ns, 250000000);
    assert_int_equal(weir_sec(-3).ns, -3000000000);
    assert_int_equal(weir_min(2).ns, 120000000000);
    assert_int_equal(weir_hour(1).ns, 3600000000000);
}

static void what_is_too_long_is_held_at_the_end(void **state)
{
    (void)state;
    assert_true(weir_hour(INT64_MAX).ns == INT64_MAX);
    assert_true(weir_sec(INT64_MIN).ns == INT64_MIN);
    weir_time late = {INT64_MAX - 5}, early = {INT64_MIN + 5};
    assert_true(weir_time_add(late, weir_sec(1)).ns == weir_never().ns);
    assert_true(weir_time_add(weir_never(), weir_hour(1)).ns == INT64_MAX);
    assert_true(weir_time_add(early, weir_sec(-1)).ns == INT64_MIN);
    assert_true(weir_time_sub(late, early).ns == INT64_MAX);
    assert_true(weir_time_sub(early, late).ns == INT64_MIN);
}

static void points_are_ordered(void **state)
{
    (void)state;
    weir_time a = {10}, b = {20};
    assert_int_equal(weir_time_sub(b, a).ns, 10);
    assert_int_equal(weir_time_sub(a, b).ns, -10);
    assert_true(weir_time_before(a, b) && !weir_time_before(b, a) && !weir_time_before(a, a));
    assert_int_equal(weir_time_min(b, a).ns, 10);
    assert_true(weir_time_before(b, weir_never()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_what_they_say),
        cmocka_unit_test(what_is_too_long_is_held_at_the_end),
        cmocka_unit_test(points_are_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
