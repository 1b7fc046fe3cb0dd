/*
 * The budget of retries: what it grants to the try, from each of its sources; a storm against a
 * dead target; chance against a bucket that is written plainly; many threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/random.h"
#include "guard/retry_budget.h"

/* Nothing may depend on where the clock begins. */
static const weir_time start = {1000000000000};

static weir_time after(weir_dur d)
{
    return weir_time_add(start, d);
}

static struct weir__retry_budget *made(struct weir__retry_budget_options o, uint32_t workers)
{
    struct weir__retry_budget *b = weir__retry_budget_new(&o, workers, start);
    assert_non_null(b);
    return b;
}

static uint64_t take_all(struct weir__retry_budget *b, weir_time now)
{
    uint64_t n = 0;
    while (weir__retry_budget_take(b, 0, now))
        n++;
    return n;
}

static uint64_t left(const struct weir__retry_budget *b, weir_time now)
{
    struct weir__retry_budget_stats s;
    weir__retry_budget_read(b, now, &s);
    return s.left;
}

/* --- the sources ------------------------------------------------------------------------------ */

static void the_defaults_are_a_fifth_and_ten_a_second(void **state)
{
    (void)state;
    struct weir__retry_budget *b = made((struct weir__retry_budget_options){0}, 1);
    assert_int_equal(take_all(b, start), 100);
    assert_int_equal(take_all(b, after(weir_sec(1))), 10);
    for (int i = 0; i < 50; i++)
        weir__retry_budget_request(b, 0);
    assert_int_equal(take_all(b, after(weir_sec(1))), 10);
    struct weir__retry_budget_stats s;
    weir__retry_budget_read(b, after(weir_sec(1)), &s);
    assert_int_equal(s.requests, 50);
    assert_int_equal(s.granted, 120);
    assert_int_equal(s.refused, 3);
    assert_int_equal(s.left, 0);
    weir__retry_budget_free(b);
}

static void each_source_can_be_left_out(void **state)
{
    (void)state;
    struct weir__retry_budget *share =
        made((struct weir__retry_budget_options){.per_second = WEIR__RETRY_NONE, .burst = 2}, 1);
    assert_int_equal(take_all(share, start), 2);
    assert_int_equal(take_all(share, after(weir_hour(1))), 0);
    for (int i = 0; i < 5; i++)
        weir__retry_budget_request(share, 0);
    assert_int_equal(take_all(share, start), 1);
    weir__retry_budget_free(share);

    struct weir__retry_budget *minimum =
        made((struct weir__retry_budget_options){.percent = WEIR__RETRY_NONE, .burst = 2}, 1);
    for (int i = 0; i < 1000; i++)
        weir__retry_budget_request(minimum, 0);
    assert_int_equal(take_all(minimum, start), 2);
    assert_int_equal(take_all(minimum, after(weir_ms(99))), 0);
    assert_int_equal(take_all(minimum, after(weir_ms(100))), 1);
    weir__retry_budget_free(minimum);
}

static void no_more_is_saved_than_the_burst(void **state)
{
    (void)state;
    struct weir__retry_budget *b = made((struct weir__retry_budget_options){.burst = 7}, 2);
    for (int i = 0; i < 1000; i++)
        weir__retry_budget_request(b, 1);
    assert_int_equal(left(b, after(weir_hour(24 * 365))), 7);
    assert_int_equal(take_all(b, after(weir_hour(24 * 365))), 7);
    weir__retry_budget_free(b);
}

/* Shares of a try add up, and none is lost. */
static void thousandths_add_up(void **state)
{
    (void)state;
    struct weir__retry_budget *b = made(
        (struct weir__retry_budget_options){
            .percent = 1, .per_second = WEIR__RETRY_NONE, .burst = 1},
        1);
    assert_int_equal(take_all(b, start), 1);
    uint64_t granted = 0;
    for (int i = 0; i < 1000; i++) {
        weir__retry_budget_request(b, 0);
        granted += weir__retry_budget_take(b, 0, start);
        assert_int_equal(granted, (i + 1) / 100);
    }
    weir__retry_budget_free(b);
}

static void a_clock_that_is_behind_gives_nothing(void **state)
{
    (void)state;
    struct weir__retry_budget *b = made((struct weir__retry_budget_options){.burst = 3}, 2);
    weir_time behind = {start.ns - 5000000};
    assert_int_equal(left(b, behind), 3);
    assert_int_equal(take_all(b, behind), 3);
    assert_int_equal(take_all(b, start), 0);
    assert_int_equal(take_all(b, after(weir_sec(1))), 3);
    assert_int_equal(take_all(b, after(weir_ms(1))),
                     0); /* behind what was spent: no debt, no try */
    assert_int_equal(left(b, after(weir_ms(1))), 0);
    weir__retry_budget_free(b);
}

/* R3, at the largest options and the end of the clock. */
static void amounts_fit(void **state)
{
    (void)state;
    struct weir__retry_budget_options o = {
        .percent = 100, .per_second = WEIR__RETRY_PER_SECOND_MAX, .burst = WEIR__RETRY_BURST_MAX};
    struct weir__retry_budget *b = weir__retry_budget_new(&o, 1, (weir_time){0});
    assert_non_null(b);
    weir__counter_add(&b->of[0].requests, (uint64_t)1 << 53);
    assert_int_equal(left(b, weir_never()), WEIR__RETRY_BURST_MAX);
    assert_true(weir__retry_budget_take(b, 0, weir_never()));
    assert_int_equal(left(b, weir_never()), WEIR__RETRY_BURST_MAX - 1);
    weir__retry_budget_free(b);
}

static void it_needs_memory_once(void **state)
{
    (void)state;
    struct weir__retry_budget_options o = {0};
    weir__alloc_fail_nth(1);
    assert_null(weir__retry_budget_new(&o, 4, start));
    weir__retry_budget_free(NULL);
    struct weir__retry_budget *b = made(o, 4);
    uint64_t allocs = weir__alloc_stats().allocs;
    weir__retry_budget_request(b, 3);
    assert_true(weir__retry_budget_take(b, 3, start));
    assert_int_equal(weir__alloc_stats().allocs, allocs);
    weir__retry_budget_free(b);
}

/* --- properties ------------------------------------------------------------------------------- */

/*
 * A minute of a thousand requests a second, each of which would be tried four times, against a
 * target that is dead: without a budget it gets four tries for one.
 */
static void a_dead_target_gets_a_budget_more(void **state)
{
    (void)state;
    enum { WORKERS = 4, SECONDS = 60, A_SECOND = 1000, TRIES_MAX = 4 };
    struct weir__retry_budget *b = made((struct weir__retry_budget_options){0}, WORKERS);
    uint64_t requests = 0, tries = 0, in_second = 0, second_max = 0;
    for (int i = 0; i < SECONDS * A_SECOND; i++) {
        weir_time now = after(weir_ms(i * 1000 / A_SECOND));
        uint32_t worker = (uint32_t)i % WORKERS;
        if (i % A_SECOND == 0)
            in_second = 0;
        weir__retry_budget_request(b, worker);
        requests++;
        tries++;
        for (int n = 1; n < TRIES_MAX && weir__retry_budget_take(b, worker, now); n++) {
            tries++;
            in_second++;
        }
        second_max = in_second > second_max ? in_second : second_max;
        /* At every moment, not only in the end. */
        uint64_t spread = (uint64_t)i / A_SECOND + 1;
        assert_true(tries - requests <= 100 + requests / 5 + 10 * spread);
    }
    assert_true(second_max <= 100 + A_SECOND / 5 + 10);
    /* The budget is used, too: not a try less than it says, but for the first part of the last. */
    uint64_t whole = 100 + requests / 5 + 10 * (uint64_t)SECONDS;
    assert_true(tries - requests >= whole - 1);
    weir__retry_budget_free(b);
}

/* A bucket as one would write it for one thread: filled, capped, emptied. */
struct plain {
    double level, burst, per_request, per_second;
    weir_time filled;
};

static void fill(struct plain *p, double amount)
{
    p->level = p->level + amount < p->burst ? p->level + amount : p->burst;
}

static bool take_plainly(struct plain *p, weir_time now)
{
    fill(p, (double)weir_time_sub(now, p->filled).ns / 1e9 * p->per_second);
    p->filled = now;
    /* Thousandths are cut off there, and not here: so near the edge either answer is right. */
    if (p->level < 1)
        return false;
    p->level -= 1;
    return true;
}

static void chance_finds_no_difference_to_a_plain_bucket(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct weir__random r = {seed};
        uint32_t percent = 1 + (uint32_t)weir__random_upto(&r, 99);
        uint32_t per_second = 1 + (uint32_t)weir__random_upto(&r, 99);
        uint32_t burst = 1 + (uint32_t)weir__random_upto(&r, 49);
        struct weir__retry_budget *b = made(
            (struct weir__retry_budget_options){
                .percent = percent, .per_second = per_second, .burst = burst},
            3);
        struct plain p = {burst, burst, percent / 100.0, per_second, start};
        weir_time now = start;
        for (int i = 0; i < 5000; i++) {
            now = weir_time_add(now, weir_ms((int64_t)weir__random_upto(&r, 20)));
            uint32_t worker = (uint32_t)weir__random_upto(&r, 2);
            uint64_t kind = weir__random_upto(&r, 9);
            if (kind < 7) {
                weir__retry_budget_request(b, worker);
                fill(&p, p.per_request);
                continue;
            }
            double level = p.level + (double)weir_time_sub(now, p.filled).ns / 1e9 * p.per_second;
            bool is_near = level > 0.99 && level < 1.01;
            bool is_granted = weir__retry_budget_take(b, worker, now);
            if (take_plainly(&p, now) != is_granted) {
                assert_true(is_near);
                p.level += is_granted ? -1 : 1;
            }
        }
        weir__retry_budget_free(b);
    }
}

/* --- threads ---------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000 };

struct party {
    struct weir__retry_budget *b;
    uint32_t worker;
    uint64_t granted;
};

static void *work(void *arg)
{
    struct party *p = arg;
    for (int i = 0; i < ROUNDS; i++) {
        weir__retry_budget_request(p->b, p->worker);
        p->granted += weir__retry_budget_take(p->b, p->worker, start);
    }
    return NULL;
}

/* The clock stands, and the bucket is never full: so what all get together is known to the try. */
static void many_workers_share_one_budget(void **state)
{
    (void)state;
    struct weir__retry_budget *b = made((struct weir__retry_budget_options){0}, THREADS);
    struct party parties[THREADS];
    pthread_t t[THREADS];
    uint64_t granted = take_all(b, start);
    for (uint32_t i = 0; i < THREADS; i++) {
        parties[i] = (struct party){b, i, 0};
        assert_int_equal(pthread_create(&t[i], NULL, work, &parties[i]), 0);
    }
    struct weir__retry_budget_stats s;
    do { /* reads while they write */
        weir__retry_budget_read(b, start, &s);
        assert_true(s.left <= 100);
    } while (s.requests < THREADS * ROUNDS);
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        granted += parties[i].granted;
    }
    granted += take_all(b, start);
    weir__retry_budget_read(b, start, &s);
    assert_int_equal(s.granted, granted);
    assert_int_equal(s.left, 0);
    assert_int_equal(granted, 100 + THREADS * ROUNDS / 5);
    weir__retry_budget_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_a_fifth_and_ten_a_second),
        cmocka_unit_test(each_source_can_be_left_out),
        cmocka_unit_test(no_more_is_saved_than_the_burst),
        cmocka_unit_test(thousandths_add_up),
        cmocka_unit_test(a_clock_that_is_behind_gives_nothing),
        cmocka_unit_test(amounts_fit),
        cmocka_unit_test(it_needs_memory_once),
        cmocka_unit_test(a_dead_target_gets_a_budget_more),
        cmocka_unit_test(chance_finds_no_difference_to_a_plain_bucket),
        cmocka_unit_test(many_workers_share_one_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
