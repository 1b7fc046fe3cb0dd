/*
 * The budget of a connection: each flood alone and any mix of them ends it, what real clients do
 * does not, and chance against the same bucket written plainly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "http/h2/budget.h"

static const weir_time start = {5000000000000}; /* nothing may depend on where the clock begins */

static struct weir__h2_budget made(void)
{
    struct weir__h2_budget b;
    weir__h2_budget_init(&b, start);
    return b;
}

static uint64_t take_all(struct weir__h2_budget *b, enum weir__h2_cost cost, weir_time now)
{
    uint64_t n = 0;
    while (weir__h2_budget_take(b, cost, now))
        n++;
    return n;
}

/* --- floods ----------------------------------------------------------------------------------- */

static void test_each_flood_ends(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WEIR__H2_COSTS; i++) {
        enum weir__h2_cost cost = (enum weir__h2_cost)i;
        struct weir__h2_budget b = made();
        uint64_t price = weir__h2_price[cost];
        assert_in_range(price, 1, 5);
        assert_int_equal(take_all(&b, cost, start), WEIR__H2_POINTS_MAX / price);
        weir_time later = weir_time_add(start, weir_sec(1));
        assert_int_equal(take_all(&b, cost, later), WEIR__H2_POINTS_PER_SECOND / price);
        later = weir_time_add(start, weir_hour(1));
        assert_int_equal(take_all(&b, cost, later), WEIR__H2_POINTS_MAX / price);
    }
}

static void test_a_mix_gets_no_more_than_one_alone(void **state)
{
    (void)state;
    struct weir__h2_budget b = made();
    uint64_t spent = 0;
    for (unsigned i = 0;; i = (i + 1) % WEIR__H2_COSTS) {
        if (!weir__h2_budget_take(&b, (enum weir__h2_cost)i, start))
            break;
        spent += weir__h2_price[i];
    }
    assert_in_range(spent, WEIR__H2_POINTS_MAX - 5, WEIR__H2_POINTS_MAX);
}

/* CVE-2023-44487: a request and its reset, as fast as they go, none of them answered. */
static void test_rapid_reset_has_200_and_20_a_second(void **state)
{
    (void)state;
    struct weir__h2_budget b = made();
    assert_int_equal(take_all(&b, WEIR__H2_RESET_RECEIVED, start), 200);
    assert_int_equal(take_all(&b, WEIR__H2_RESET_PROVOKED, weir_time_add(start, weir_sec(1))), 20);
}

/* CVE-2019-9511: a window that opens by a byte each time. */
static void test_a_dribbled_window_does_not_pay_for_itself(void **state)
{
    (void)state;
    struct weir__h2_budget b = made();
    uint64_t n = 0;
    for (; weir__h2_budget_take(&b, WEIR__H2_WINDOW_UPDATE, start); n++)
        weir__h2_budget_sent(&b, 1, false);
    assert_in_range(n, WEIR__H2_POINTS_MAX, WEIR__H2_POINTS_MAX + 1);
}

/* --- who works -------------------------------------------------------------------------------- */

static void test_as_many_may_be_given_up_as_are_answered(void **state)
{
    (void)state;
    struct weir__h2_budget b = made();
    for (int i = 0; i < 100000; i++) {
        weir__h2_budget_answered(&b);
        assert_true(weir__h2_budget_take(&b, WEIR__H2_RESET_RECEIVED, start));
    }
}

static void test_two_updates_a_frame_are_free(void **state)
{
    (void)state;
    struct weir__h2_budget b = made();
    for (int i = 0; i < 100000; i++) {
        weir__h2_budget_sent(&b, 40, true);
        assert_true(weir__h2_budget_take(&b, WEIR__H2_WINDOW_UPDATE, start));
        assert_true(weir__h2_budget_take(&b, WEIR__H2_WINDOW_UPDATE, start));
    }
}

static void test_an_update_for_each_kibibyte_is_free(void **state)
{
    (void)state;
    struct weir__h2_budget b = made();
    (void)take_all(&b, WEIR__H2_PING, start);
    for (int i = 0; i < 4; i++) {
        assert_false(weir__h2_budget_take(&b, WEIR__H2_WINDOW_UPDATE, start));
        weir__h2_budget_sent(&b, 256, false);
    }
    assert_true(weir__h2_budget_take(&b, WEIR__H2_WINDOW_UPDATE, start));
    weir__h2_budget_sent(&b, 16384, false);
    assert_int_equal(take_all(&b, WEIR__H2_WINDOW_UPDATE, start), 16);
}

static void test_a_ping_a_second_never_ends(void **state)
{
    (void)state;
    struct weir__h2_budget b = made();
    for (int i = 0; i < 10000; i++)
        assert_true(weir__h2_budget_take(&b, WEIR__H2_PING, weir_time_add(start, weir_sec(i))));
    assert_in_range(weir__h2_budget_left(&b, weir_time_add(start, weir_hour(9))),
                    WEIR__H2_POINTS_MAX, WEIR__H2_POINTS_MAX);
}

static void test_no_more_is_saved_than_there_is_room(void **state)
{
    (void)state;
    struct weir__h2_budget b = made();
    weir__h2_budget_sent(&b, UINT32_MAX, true);
    weir__h2_budget_sent(&b, UINT32_MAX, true);
    weir__h2_budget_answered(&b);
    weir_time end = {INT64_MAX};
    assert_int_equal(weir__h2_budget_left(&b, start), WEIR__H2_POINTS_MAX);
    assert_int_equal(weir__h2_budget_left(&b, end), WEIR__H2_POINTS_MAX);
    assert_int_equal(take_all(&b, WEIR__H2_PING, end), WEIR__H2_POINTS_MAX);
}

/* --- chance ----------------------------------------------------------------------------------- */

/* The bucket again, in floating point. */
struct plain {
    double points, filled;
};

static double plain_fill(struct plain *p, double seconds)
{
    p->points += (seconds - p->filled) * WEIR__H2_POINTS_PER_SECOND;
    p->filled = seconds;
    if (p->points > WEIR__H2_POINTS_MAX)
        p->points = WEIR__H2_POINTS_MAX;
    return p->points;
}

static void test_chance_agrees_with_the_plain_bucket(void **state)
{
    (void)state;
    struct weir__random random = {7};
    uint64_t at = 0;
    struct weir__h2_budget b = made();
    struct plain p = {WEIR__H2_POINTS_MAX, 0};
    for (int i = 0; i < 200000; i++) {
        uint64_t dice = weir__random_next(&random);
        at += dice % 3 == 0 ? dice >> 8 & 0xffffff : 0; /* up to 17 ms */
        weir_time now = {start.ns + (int64_t)at};
        enum weir__h2_cost cost = (enum weir__h2_cost)((dice >> 40) % WEIR__H2_COSTS);
        double have = plain_fill(&p, (double)at / 1e9);
        bool is_taken = weir__h2_budget_take(&b, cost, now);
        if (have > weir__h2_price[cost] + 1e-3)
            assert_true(is_taken);
        if (have < weir__h2_price[cost] - 1e-3)
            assert_false(is_taken);
        p.points -= is_taken ? weir__h2_price[cost] : 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_flood_ends),
        cmocka_unit_test(test_a_mix_gets_no_more_than_one_alone),
        cmocka_unit_test(test_rapid_reset_has_200_and_20_a_second),
        cmocka_unit_test(test_a_dribbled_window_does_not_pay_for_itself),
        cmocka_unit_test(test_as_many_may_be_given_up_as_are_answered),
        cmocka_unit_test(test_two_updates_a_frame_are_free),
        cmocka_unit_test(test_an_update_for_each_kibibyte_is_free),
        cmocka_unit_test(test_a_ping_a_second_never_ends),
        cmocka_unit_test(test_no_more_is_saved_than_there_is_room),
        cmocka_unit_test(test_chance_agrees_with_the_plain_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
