#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/outage.h"

#define MS 1000000LL

/* The pause is between the half of `most_ms` and all of it, and comes near both. */
static void assert_pauses(int64_t away_ms, int64_t most_ms)
{
    struct weir__random random = {7};
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 1000; i++) {
        weir_dur d = weir__outage_pause(weir_ns(away_ms * MS), weir_ns(50 * MS), weir_ns(1000 * MS),
                                        &random);
        least = d.ns < least ? d.ns : least;
        most = d.ns > most ? d.ns : most;
    }
    assert_in_range(least, most_ms * MS / 2, most_ms * MS * 51 / 100);
    assert_in_range(most, most_ms * MS * 99 / 100, most_ms * MS);
}

static void test_is_a_share_within_bounds(void **state)
{
    (void)state;
    assert_pauses(0, 50);
    assert_pauses(800, 50);
    assert_pauses(1600, 100);
    assert_pauses(8000, 500);
    assert_pauses(16000, 1000);
    assert_pauses(INT64_MAX / MS, 1000);
}

static void test_may_be_nothing(void **state)
{
    (void)state;
    struct weir__random random = {7};
    assert_int_equal(weir__outage_pause(weir_ns(100), weir_ns(0), weir_ns(0), &random).ns, 0);
    assert_int_equal(weir__outage_pause(weir_ns(5), weir_ns(0), weir_ns(10), &random).ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_a_share_within_bounds),
        cmocka_unit_test(test_may_be_nothing),
    };
    return cmocka_run_group_tests_name("outage", tests, NULL, NULL);
}
