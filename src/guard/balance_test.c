/*
 * Balance: each policy to the pick where it is exact, its distribution where it is drawn or hashed;
 * who is out, drains, comes back slowly or was tried already; bounds of load.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "guard/balance.h"

enum { MOST = 64 };

static const weir_time start = {1000000000000};

static const enum weir__balance_policy policies[] = {
    WEIR__BALANCE_ROUND_ROBIN, WEIR__BALANCE_WEIGHTED, WEIR__BALANCE_LEAST, WEIR__BALANCE_HASH};

/* Targets "t0", "t1", … of these weights; NULL: of 1. */
static struct weir__balance *made(struct weir__balance_options o, const uint32_t *weights,
                                  uint32_t count)
{
    struct weir__balance_target targets[MOST];
    char names[MOST][16];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "t%u", i);
        targets[i] = (struct weir__balance_target){weir_str_from(names[i]),
                                                   weights != NULL ? weights[i] : 0};
    }
    struct weir__balance *b = weir__balance_new(&o, targets, count);
    assert_non_null(b);
    return b;
}

static uint32_t once(struct weir__balance *b, uint64_t key, weir_time now)
{
    uint32_t i = weir__balance_pick(b, &(struct weir__balance_call){.key = key}, now);
    assert_true(i < b->count);
    weir__balance_done(b, i);
    return i;
}

/* How often each is picked in `n` calls that end at once. */
static void count(struct weir__balance *b, int n, weir_time now, int *got)
{
    struct weir__random r = {(uint64_t)n};
    memset(got, 0, b->count * sizeof *got);
    for (int i = 0; i < n; i++)
        got[once(b, weir__random_next(&r), now)]++;
}

static void assert_near(int got, double wanted, double part)
{
    if (got < wanted * (1 - part) - 3 || got > wanted * (1 + part) + 3)
        fail_msg("%d, not about %.0f", got, wanted);
}

/* --- turns ------------------------------------------------------------------------------------ */

static void one_after_the_other(void **state)
{
    (void)state;
    static const uint32_t weights[] = {9, 1, 5};
    struct weir__balance *b = made((struct weir__balance_options){0}, weights, 3);
    for (uint32_t i = 0; i < 30; i++)
        assert_int_equal(once(b, 0, start), i % 3);
    weir__balance_free(b);
    weir__balance_free(NULL);
}

static void a_heavy_ones_turns_are_spread(void **state)
{
    (void)state;
    static const uint32_t weights[] = {5, 1, 1}, order[] = {0, 0, 1, 0, 2, 0, 0};
    struct weir__balance *b =
        made((struct weir__balance_options){.policy = WEIR__BALANCE_WEIGHTED}, weights, 3);
    for (int i = 0; i < 70; i++)
        assert_int_equal(once(b, 0, start), order[i % 7]);
    weir__balance_free(b);
}

/* Exactly, in each round of as many picks as all weigh. */
static void chance_finds_each_weight(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct weir__random r = {seed};
        uint32_t weights[MOST], n = 1 + (uint32_t)weir__random_upto(&r, 19), sum = 0;
        int got[MOST];
        for (uint32_t i = 0; i < n; i++)
            sum += weights[i] = 1 + (uint32_t)weir__random_upto(&r, 30);
        struct weir__balance *b =
            made((struct weir__balance_options){.policy = WEIR__BALANCE_WEIGHTED}, weights, n);
        for (int round = 0; round < 5; round++) {
            count(b, (int)sum, start, got);
            for (uint32_t i = 0; i < n; i++)
                assert_int_equal(got[i], weights[i]);
        }
        weir__balance_free(b);
    }
}

/* --- least ------------------------------------------------------------------------------------ */

/* Calls that never end pile up by weight; no target is far from its part. */
static void what_runs_follows_the_weights(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 2, 3, 4};
    struct weir__balance *b =
        made((struct weir__balance_options){.policy = WEIR__BALANCE_LEAST, .seed = 1}, weights, 4);
    for (int i = 0; i < 1000; i++)
        (void)weir__balance_pick(b, NULL, start);
    for (uint32_t i = 0; i < 4; i++) {
        assert_near((int)weir__balance_running(b, i), 100 * weights[i], 0.06);
        while (weir__balance_running(b, i) > 0)
            weir__balance_done(b, i);
    }
    weir__balance_free(b);
}

/* The most that run at one of twenty while 100 calls are out and end in any order. */
static uint32_t most_running(enum weir__balance_policy policy)
{
    struct weir__balance *b =
        made((struct weir__balance_options){.policy = policy, .seed = 5}, NULL, 20);
    struct weir__random r = {9};
    uint32_t out[100], most = 0;
    for (int i = 0; i < 20000; i++) {
        uint32_t at = (uint32_t)weir__random_upto(&r, 99);
        if (i >= 100)
            weir__balance_done(b, out[at]);
        else
            at = (uint32_t)i;
        out[at] = weir__balance_pick(b, NULL, start);
        uint32_t n = weir__balance_running(b, out[at]);
        most = i > 100 && n > most ? n : most;
    }
    for (int i = 0; i < 100; i++)
        weir__balance_done(b, out[i]);
    weir__balance_free(b);
    return most;
}

static void two_choices_keep_the_busiest_low(void **state)
{
    (void)state;
    uint32_t drawn = most_running(WEIR__BALANCE_LEAST);
    uint32_t in_turn = most_running(WEIR__BALANCE_ROUND_ROBIN);
    assert_in_range(drawn, 6, 9); /* five on average */
    assert_true(in_turn >= drawn + 3);
}

/* One that hangs gets no more when it has as many as others ever have. */
static void one_that_hangs_is_left_alone(void **state)
{
    (void)state;
    struct weir__balance *b =
        made((struct weir__balance_options){.policy = WEIR__BALANCE_LEAST, .seed = 3}, NULL, 4);
    int hung = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t t = weir__balance_pick(b, NULL, start);
        if (t == 2)
            hung++;
        else
            weir__balance_done(b, t);
    }
    assert_in_range(hung, 1, 2);
    while (weir__balance_running(b, 2) > 0)
        weir__balance_done(b, 2);
    weir__balance_free(b);
}

/* --- hash ------------------------------------------------------------------------------------- */

static struct weir__balance *circle(const char *const *names, uint32_t n)
{
    struct weir__balance_target targets[MOST];
    for (uint32_t i = 0; i < n; i++)
        targets[i] = (struct weir__balance_target){.name = weir_str_from(names[i])};
    struct weir__balance *b = weir__balance_new(
        &(struct weir__balance_options){.policy = WEIR__BALANCE_HASH}, targets, n);
    assert_non_null(b);
    return b;
}

/* Whatever the order of the targets, in whatever process: the numbers are written down. */
static void a_key_goes_by_names(void **state)
{
    (void)state;
    static const char *const some[] = {"a", "b", "c", "d"}, *const other[] = {"d", "b", "a", "c"};
    struct weir__balance *x = circle(some, 4), *y = circle(other, 4);
    for (uint64_t key = 0; key < 1000; key++) {
        const char *to = some[once(x, weir__balance_key(weir_str_from("k")) + key, start)];
        assert_string_equal(other[once(y, weir__balance_key(weir_str_from("k")) + key, start)], to);
    }
    assert_true(weir__balance_key(WEIR_S("weir")) == UINT64_C(0x895eaa3f4dd09ff));
    weir__balance_free(x);
    weir__balance_free(y);
}

static void only_the_keys_of_who_goes_move(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    struct weir__balance *ten = circle(names, 10), *nine = circle(names, 9);
    int moved = 0;
    for (uint64_t key = 0; key < 10000; key++) {
        uint32_t was = once(ten, key, start), is = once(nine, key, start);
        moved += was == 9;
        if (was != 9)
            assert_int_equal(is, was);
    }
    assert_near(moved, 1000, 0.3);
    weir__balance_free(ten);
    weir__balance_free(nine);
}

static void keys_are_spread_by_weight(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 1, 2, 4};
    struct weir__balance *b =
        made((struct weir__balance_options){.policy = WEIR__BALANCE_HASH}, weights, 4);
    int got[MOST];
    count(b, 80000, start, got);
    for (uint32_t i = 0; i < 4; i++)
        assert_near(got[i], 10000 * weights[i], 0.25);
    weir__balance_free(b);
}

/* All want one key: it spills over, and nobody passes the bound, at each number of calls. */
static void a_hot_key_spills_over(void **state)
{
    (void)state;
    struct weir__balance *b =
        made((struct weir__balance_options){.policy = WEIR__BALANCE_HASH}, NULL, 8);
    for (uint32_t n = 1; n <= 800; n++) {
        (void)weir__balance_pick(b, &(struct weir__balance_call){.key = 42}, start);
        for (uint32_t i = 0; i < 8; i++)
            assert_true(weir__balance_running(b, i) * 800 < n * 125 + 800);
    }
    int used = 0;
    for (uint32_t i = 0; i < 8; i++) {
        used += weir__balance_running(b, i) > 0;
        while (weir__balance_running(b, i) > 0)
            weir__balance_done(b, i);
    }
    assert_int_equal(used, 7); /* six have 125 each, and one the rest */
    weir__balance_free(b);
}

/* --- who gets nothing ------------------------------------------------------------------------- */

static void who_is_out_or_drains_gets_nothing(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof policies / sizeof policies[0]; p++) {
        struct weir__health_options ho = {0};
        weir__health_options_settle(&ho);
        struct weir__health up, down;
        weir__health_init(&up, true);
        weir__health_init(&down, false);
        const struct weir__health *health[] = {&up, &down, NULL, &up, NULL};
        struct weir__ejector *e =
            weir__ejector_new(&(struct weir__ejector_options){0}, 5, 1, start);
        struct weir__balance *b = made(
            (struct weir__balance_options){
                .policy = policies[p], .ejector = e, .health = health, .healths = &ho},
            NULL, 5);
        for (int i = 0; i < 5; i++)
            (void)weir__ejector_report(e, 0, 0, false, start);
        weir__balance_drain(b, 3, true);
        int got[MOST];
        count(b, 1000, start, got);
        assert_true(got[0] == 0 && got[1] == 0 && got[3] == 0);
        assert_true(got[2] > 300 && got[4] > 300);
        assert_int_equal(weir__balance_state(b, 0, start), WEIR__TARGET_EJECTED);
        assert_int_equal(weir__balance_state(b, 1, start), WEIR__TARGET_EJECTED);
        assert_int_equal(weir__balance_state(b, 2, start), WEIR__TARGET_HEALTHY);
        assert_int_equal(weir__balance_state(b, 3, start), WEIR__TARGET_DRAINING);
        weir_time back = weir_time_add(start, weir_sec(40));
        assert_int_equal(weir__balance_state(b, 0, back), WEIR__TARGET_PROBING);
        weir__balance_drain(b, 3, false);
        count(b, 1000, start, got);
        assert_true(got[3] > 200);
        for (uint32_t i = 0; i < 5; i++)
            weir__balance_drain(b, i, true);
        assert_int_equal(weir__balance_pick(b, NULL, start), WEIR__BALANCE_NONE);
        weir__balance_free(b);
        weir__ejector_free(e);
    }
}

/* A tenth of what the others get, then half of it, then as much. */
static void who_is_back_gets_its_part_by_each_policy(void **state)
{
    (void)state;
    static const struct {
        int64_t after_s;
        double part;
    } times[] = {{0, 0.1}, {15, 0.5}, {30, 1}};
    for (size_t p = 0; p < sizeof policies / sizeof policies[0]; p++) {
        struct weir__ejector *e =
            weir__ejector_new(&(struct weir__ejector_options){0}, 4, 1, start);
        struct weir__balance *b =
            made((struct weir__balance_options){.policy = policies[p], .ejector = e}, NULL, 4);
        weir__ejector_enter(e, 2, start);
        int full[MOST], got[MOST];
        count(b, 40000, weir_time_add(start, weir_min(1)), full);
        for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
            count(b, 40000, weir_time_add(start, weir_sec(times[i].after_s)), got);
            double part = times[i].part, others = policies[p] == WEIR__BALANCE_HASH ? 1 : 3 + part;
            double wanted =
                policies[p] == WEIR__BALANCE_HASH ? full[2] * part : 40000 * part / others;
            assert_near(got[2], wanted, 0.1);
        }
        weir__balance_free(b);
        weir__ejector_free(e);
    }
}

/* The keys that it has got stay with it while it gets more. */
static void keys_that_came_back_stay(void **state)
{
    (void)state;
    struct weir__ejector *e = weir__ejector_new(&(struct weir__ejector_options){0}, 4, 1, start);
    struct weir__balance *b =
        made((struct weir__balance_options){.policy = WEIR__BALANCE_HASH, .ejector = e}, NULL, 4);
    weir__ejector_enter(e, 2, start);
    for (uint64_t key = 0; key < 1000; key++) {
        bool has = false;
        for (int s = 0; s <= 31; s++) {
            bool gets = once(b, key, weir_time_add(start, weir_sec(s))) == 2;
            assert_true(gets || !has);
            has = gets;
        }
    }
    weir__balance_free(b);
    weir__ejector_free(e);
}

static void a_retry_goes_elsewhere_if_it_can(void **state)
{
    (void)state;
    static const uint32_t tried[] = {0, 2};
    for (size_t p = 0; p < sizeof policies / sizeof policies[0]; p++) {
        struct weir__balance *b =
            made((struct weir__balance_options){.policy = policies[p]}, NULL, 3);
        struct weir__balance_call call = {.key = 7, .tried = tried, .tried_count = 2};
        for (int i = 0; i < 20; i++) {
            assert_int_equal(weir__balance_pick(b, &call, start), 1);
            weir__balance_done(b, 1);
        }
        weir__balance_drain(b, 1, true);
        uint32_t again = weir__balance_pick(b, &call, start);
        assert_true(again == 0 || again == 2); /* better than nobody */
        weir__balance_done(b, again);
        weir__balance_free(b);
    }
}

static void it_needs_memory_once(void **state)
{
    (void)state;
    struct weir__balance_target target = {.name = WEIR_S("a")};
    for (uint64_t nth = 1; nth <= 2; nth++) {
        weir__alloc_fail_nth(nth);
        struct weir__balance *b = weir__balance_new(
            &(struct weir__balance_options){.policy = WEIR__BALANCE_HASH}, &target, 1);
        weir__alloc_fail_nth(0);
        assert_null(b);
    }
    struct weir__balance *b =
        made((struct weir__balance_options){.policy = WEIR__BALANCE_HASH}, NULL, 1);
    weir__alloc_fail_nth(1);
    assert_int_equal(once(b, 1, start), 0);
    weir__alloc_fail_nth(0);
    weir__balance_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(a_heavy_ones_turns_are_spread),
        cmocka_unit_test(chance_finds_each_weight),
        cmocka_unit_test(what_runs_follows_the_weights),
        cmocka_unit_test(two_choices_keep_the_busiest_low),
        cmocka_unit_test(one_that_hangs_is_left_alone),
        cmocka_unit_test(a_key_goes_by_names),
        cmocka_unit_test(only_the_keys_of_who_goes_move),
        cmocka_unit_test(keys_are_spread_by_weight),
        cmocka_unit_test(a_hot_key_spills_over),
        cmocka_unit_test(who_is_out_or_drains_gets_nothing),
        cmocka_unit_test(who_is_back_gets_its_part_by_each_policy),
        cmocka_unit_test(keys_that_came_back_stay),
        cmocka_unit_test(a_retry_goes_elsewhere_if_it_can),
        cmocka_unit_test(it_needs_memory_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
