/*
 * Health: rows of failures and successes at their edges, calls and probes together, when the next
 * probe is, how much who comes back gets, many threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "guard/health.h"

static const weir_time start = {1000000000000};

static weir_time after(weir_dur d)
{
    return weir_time_add(start, d);
}

static struct weir__health_options settled(struct weir__health_options o)
{
    weir__health_options_settle(&o);
    return o;
}

static bool is_up(const struct weir__health *h, const struct weir__health_options *o)
{
    return weir__health_share(h, o, start) > 0;
}

static void it_falls_after_three_and_rises_after_two(void **state)
{
    (void)state;
    struct weir__health_options o = settled((struct weir__health_options){0});
    struct weir__health h;
    weir__health_init(&h, true);
    assert_false(weir__health_probed(&h, &o, false, start));
    assert_false(weir__health_probed(&h, &o, false, start));
    assert_false(weir__health_probed(&h, &o, true, start)); /* not in a row */
    assert_false(weir__health_probed(&h, &o, false, start));
    assert_false(weir__health_probed(&h, &o, false, start));
    assert_true(is_up(&h, &o));
    assert_true(weir__health_probed(&h, &o, false, start));
    assert_false(is_up(&h, &o));
    assert_false(weir__health_probed(&h, &o, true, start));
    assert_false(weir__health_probed(&h, &o, false, start));
    assert_false(weir__health_probed(&h, &o, true, start));
    assert_false(is_up(&h, &o));
    assert_true(weir__health_probed(&h, &o, true, start));
    assert_true(is_up(&h, &o));
    assert_false(weir__health_probed(&h, &o, false, start)); /* a new row */
    assert_true(is_up(&h, &o));
}

/* Calls take it out as probes do, and only probes bring it back. */
static void calls_count_and_do_not_heal(void **state)
{
    (void)state;
    struct weir__health_options o = settled((struct weir__health_options){.rise = 1});
    struct weir__health h;
    weir__health_init(&h, true);
    assert_false(weir__health_called(&h, &o, false));
    assert_false(weir__health_probed(&h, &o, false, start));
    assert_true(weir__health_called(&h, &o, false));
    for (int i = 0; i < 10; i++)
        assert_false(weir__health_called(&h, &o, i % 2 == 0));
    assert_false(is_up(&h, &o));
    assert_true(weir__health_probed(&h, &o, true, start));
    assert_false(weir__health_called(&h, &o, false));
    assert_false(weir__health_called(&h, &o, true));
    assert_false(weir__health_called(&h, &o, false));
    assert_false(weir__health_called(&h, &o, false));
    assert_true(is_up(&h, &o));
}

static void it_may_begin_down(void **state)
{
    (void)state;
    struct weir__health_options o = settled((struct weir__health_options){0});
    struct weir__health h, zeroed = {0};
    weir__health_init(&h, false);
    assert_false(is_up(&h, &o));
    assert_false(weir__health_probed(&h, &o, true, start));
    assert_true(weir__health_probed(&h, &o, true, start));
    weir__health_init(&h, true);
    assert_int_equal(weir__health_share(&h, &o, start), 1000);
    assert_int_equal(weir__health_share(&zeroed, &o, start), 1000);
}

static void who_comes_back_gets_little_at_first(void **state)
{
    (void)state;
    struct weir__health_options o = settled((struct weir__health_options){.rise = 1});
    struct weir__health_options at_once = o;
    struct weir__health h;
    weir__health_init(&h, false);
    assert_true(weir__health_probed(&h, &o, true, start));
    assert_int_equal(weir__health_share(&h, &o, start), 100);
    assert_int_equal(weir__health_share(&h, &o, after(weir_sec(3))), 100);
    assert_int_equal(weir__health_share(&h, &o, after(weir_sec(15))), 500);
    assert_int_equal(weir__health_share(&h, &o, (weir_time){after(weir_sec(30)).ns - 1}), 999);
    assert_int_equal(weir__health_share(&h, &o, after(weir_sec(30))), 1000);
    assert_int_equal(weir__health_share(&h, &o, (weir_time){start.ns - 1}), 100);
    at_once.slow_start = weir_sec(-1);
    assert_int_equal(weir__health_share(&h, &at_once, start), 1000);
}

/* Within the jitter, over all of it, and on average the interval. */
static void check_waits(const struct weir__health *h, const struct weir__health_options *o,
                        int64_t interval)
{
    struct weir__random r = {7};
    int64_t least = INT64_MAX, most = 0, sum = 0, spread = interval / 100 * o->jitter_percent;
    for (int i = 0; i < 10000; i++) {
        int64_t ns = weir__health_wait(h, o, &r).ns;
        assert_true(ns >= interval - spread && ns <= interval + spread);
        least = ns < least ? ns : least;
        most = ns > most ? ns : most;
        sum += ns / 10000;
    }
    assert_true(least < interval - spread * 9 / 10 && most > interval + spread * 9 / 10);
    assert_true(sum > interval - spread / 20 && sum < interval + spread / 20);
}

static void probes_are_spread_and_hurry_where_a_row_has_begun(void **state)
{
    (void)state;
    struct weir__health_options o = settled((struct weir__health_options){.jitter_percent = 20});
    struct weir__health h;
    weir__health_init(&h, true);
    check_waits(&h, &o, weir_sec(5).ns);
    (void)weir__health_called(&h, &o, false);
    check_waits(&h, &o, weir_ms(1250).ns);
    weir__health_init(&h, false);
    check_waits(&h, &o, weir_sec(5).ns);
    (void)weir__health_probed(&h, &o, true, start);
    check_waits(&h, &o, weir_ms(1250).ns);
    struct weir__random r = {1};
    int in_half = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t ns = weir__health_first_wait(&o, &r).ns;
        assert_true(ns >= 0 && ns <= weir_sec(5).ns);
        in_half += ns < weir_ms(2500).ns;
    }
    assert_in_range(in_half, 4800, 5200);
}

/* --- threads ---------------------------------------------------------------------------------- */

struct callers {
    struct weir__health h;
    struct weir__health_options o;
    atomic_int told;
    pthread_barrier_t together;
};

static void *fails(void *arg)
{
    struct callers *c = arg;
    pthread_barrier_wait(&c->together);
    for (int i = 0; i < 1000; i++)
        atomic_fetch_add(&c->told, weir__health_called(&c->h, &c->o, false));
    return NULL;
}

static void one_of_many_takes_it_out(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct callers c = {.o = settled((struct weir__health_options){0})};
        pthread_t threads[4];
        weir__health_init(&c.h, true);
        pthread_barrier_init(&c.together, NULL, 4);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, fails, &c), 0);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&c.together);
        assert_int_equal(c.told, 1);
        assert_false(is_up(&c.h, &c.o));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_falls_after_three_and_rises_after_two),
        cmocka_unit_test(calls_count_and_do_not_heal),
        cmocka_unit_test(it_may_begin_down),
        cmocka_unit_test(who_comes_back_gets_little_at_first),
        cmocka_unit_test(probes_are_spread_and_hurry_where_a_row_has_begun),
        cmocka_unit_test(one_of_many_takes_it_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
