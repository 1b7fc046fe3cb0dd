/*
 * Counters and histograms: bucket edges, quantiles, merging, reading while another thread writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "base/counter.h"

static void buckets_follow_each_other_without_gap(void **state)
{
    (void)state;
    uint64_t before = 0;
    assert_int_equal(weir__histo_bucket(0), 0);
    for (size_t i = 1; i + 1 < WEIR__HISTO_BUCKETS; i++) {
        uint64_t end = weir__histo_bucket_max(i);
        assert_true(end >= before);
        if (end > before) { /* narrower than 1 where numbers are small: some hold none */
            assert_int_equal(weir__histo_bucket(before + 1), i);
            assert_int_equal(weir__histo_bucket(end), i);
        }
        before = end;
    }
    assert_true(before == (uint64_t)1 << 42);
    assert_int_equal(weir__histo_bucket(before + 1), WEIR__HISTO_BUCKETS - 1);
    assert_int_equal(weir__histo_bucket(UINT64_MAX), WEIR__HISTO_BUCKETS - 1);
}

/* OpenTelemetry's data model, "ExponentialHistogram": (base^i, base^(i+1)], base 2^(2^-scale). */
static void buckets_end_at_powers_of_an_eighth_root_of_two(void **state)
{
    (void)state;
    for (int octave = 0; octave < WEIR__HISTO_OCTAVES; octave++) {
        for (int step = 1; step <= 8; step++) {
            size_t i = 2 + ((size_t)octave << WEIR__HISTO_SCALE) + (size_t)step - 1;
            long double end = ldexpl(exp2l(step / 8.0L), octave);
            assert_true(weir__histo_bucket_max(i) == (uint64_t)end);
        }
    }
    for (int bit = 6; bit < 42; bit++) {
        uint64_t power = (uint64_t)1 << bit;
        assert_int_equal(weir__histo_bucket(power) + 1, weir__histo_bucket(power + 1));
        assert_true(weir__histo_bucket_max(weir__histo_bucket(power)) == power);
    }
}

static void a_bound_counts_what_is_equal_to_it(void **state)
{
    (void)state;
    static struct weir__histo h;
    for (uint64_t v = 0; v <= 9; v++)
        weir__histo_record(&h, v);
    assert_int_equal(weir__histo_count_to(&h, 0), 1);
    assert_int_equal(weir__histo_count_to(&h, 1), 2);
    assert_int_equal(weir__histo_count_to(&h, 2), 3);
    assert_int_equal(weir__histo_count_to(&h, 4), 5);
    assert_int_equal(weir__histo_count_to(&h, 8), 9);
    assert_int_equal(weir__histo_count_to(&h, 16), 10);
}

static void quantiles_are_within_a_bucket(void **state)
{
    (void)state;
    static struct weir__histo h;
    assert_int_equal(weir__histo_quantile(&h, 0.5), 0);
    for (uint64_t v = 1; v <= 10000; v++)
        weir__histo_record(&h, v * 1000);
    assert_int_equal(weir__histo_count(&h), 10000);
    assert_true(h.sum == 10000ull * 10001 / 2 * 1000);
    static const double shares[] = {0.01, 0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        double exact = shares[i] * 1e7, got = (double)weir__histo_quantile(&h, shares[i]);
        assert_true(got >= exact && got <= exact * 1.0906);
    }
    assert_int_equal(weir__histo_quantile(&h, 1.0), 10000000);
    assert_int_equal(weir__histo_count_to(&h, UINT64_MAX), 10000);
    assert_true(weir__histo_count_to(&h, 5000000) <= 5000);
}

static void merging_adds(void **state)
{
    (void)state;
    static struct weir__histo a, b;
    weir__histo_record(&a, 100);
    weir__histo_record_shared(&b, 900);
    weir__histo_record_shared(&b, UINT64_MAX / 2);
    weir__histo_merge(&a, &b);
    assert_int_equal(weir__histo_count(&a), 3);
    assert_true(a.max == UINT64_MAX / 2);
    assert_true(weir__histo_quantile(&a, 1.0) == UINT64_MAX / 2);
    assert_int_equal(weir__histo_count(&b), 2);
}

struct shared {
    struct weir__counter own, all;
    struct weir__gauge gauge;
    struct weir__histo histo;
};

static void *count_many(void *arg)
{
    struct shared *s = arg;
    for (uint64_t i = 0; i < 20000; i++) {
        weir__counter_add_shared(&s->all, 1);
        weir__gauge_add_shared(&s->gauge, i % 2 == 0 ? 1 : -1);
        weir__histo_record_shared(&s->histo, i);
    }
    return NULL;
}

static void many_writers_lose_nothing(void **state)
{
    (void)state;
    static struct shared s;
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, count_many, &s), 0);
    uint64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        weir__counter_add(&s.own, 2);
        uint64_t now = weir__histo_count(&s.histo);
        assert_true(now >= last);
        last = now;
    }
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(weir__counter_read(&s.own), 2000);
    assert_int_equal(weir__counter_read(&s.all), 60000);
    assert_int_equal(weir__gauge_read(&s.gauge), 0);
    assert_int_equal(weir__histo_count(&s.histo), 60000);
    assert_int_equal(s.histo.max, 19999);
}

static void a_gauge_goes_both_ways(void **state)
{
    (void)state;
    struct weir__gauge g = {0};
    weir__gauge_set(&g, 5);
    weir__gauge_add(&g, -7);
    assert_int_equal(weir__gauge_read(&g), -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_each_other_without_gap),
        cmocka_unit_test(buckets_end_at_powers_of_an_eighth_root_of_two),
        cmocka_unit_test(a_bound_counts_what_is_equal_to_it),
        cmocka_unit_test(quantiles_are_within_a_bucket),
        cmocka_unit_test(merging_adds),
        cmocka_unit_test(many_writers_lose_nothing),
        cmocka_unit_test(a_gauge_goes_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
