/*
 * Ejection: each reason at its edge, times that grow and shrink, weights, the share that is never
 * passed, groups that change, many threads.
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
#include "guard/ejector.h"

#define FULL WEIR__EJECTOR_WEIGHT_FULL

/* Nothing may depend on where the clock begins. */
static const weir_time start = {1000000000000};

static weir_time after(weir_dur d)
{
    return weir_time_add(start, d);
}

static struct weir__ejector *made(struct weir__ejector_options o, uint32_t members)
{
    struct weir__ejector *e = weir__ejector_new(&o, members, 2, start);
    assert_non_null(e);
    return e;
}

/* `n` calls to one member, by both workers in turn; returns how many were ejected. */
static uint32_t calls(struct weir__ejector *e, uint32_t member, int n, bool is_ok, weir_time now)
{
    uint32_t ejected = 0;
    for (int i = 0; i < n; i++)
        ejected += weir__ejector_report(e, (uint32_t)i % 2, member, is_ok, now);
    return ejected;
}

static struct weir__ejector_view view(struct weir__ejector *e, uint32_t member, weir_time now)
{
    struct weir__ejector_view v;
    weir__ejector_read(e, member, now, &v);
    return v;
}

static bool is_in(struct weir__ejector *e, uint32_t member, weir_time now)
{
    return weir__ejector_weight(e, member, now) > 0;
}

static uint32_t count_out(struct weir__ejector *e, weir_time now)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->members; i++)
        n += !is_in(e, i, now);
    return n;
}

/* --- reasons ---------------------------------------------------------------------------------- */

static void five_failures_in_a_row_eject(void **state)
{
    (void)state;
    struct weir__ejector *e = made((struct weir__ejector_options){0}, 4);
    assert_int_equal(calls(e, 1, 4, false, start), 0);
    assert_int_equal(calls(e, 1, 1, true, start), 0);
    assert_int_equal(calls(e, 1, 4, false, start), 0);
    assert_int_equal(weir__ejector_weight(e, 1, start), FULL);
    assert_int_equal(calls(e, 2, 4, false, start), 0); /* another's failures are another's */
    assert_int_equal(calls(e, 1, 1, false, start), 1);
    assert_int_equal(weir__ejector_weight(e, 1, start), 0);
    assert_int_equal(weir__ejector_weight(e, 2, start), FULL);
    struct weir__ejector_view v = view(e, 1, start);
    assert_int_equal(v.cause, WEIR__EJECTED_FOR_ROW);
    assert_int_equal(v.ejections, 1);
    assert_int_equal(v.successes, 1);
    assert_int_equal(v.failures, 9);
    assert_true(v.until.ns == after(weir_sec(30)).ns);
    assert_int_equal(view(e, 0, start).cause, WEIR__EJECTED_NOT);
    weir__ejector_free(e);
}

static void a_share_of_a_window_ejects_at_its_end(void **state)
{
    (void)state;
    struct weir__ejector *e = made((struct weir__ejector_options){.failures_in_row = 1000}, 6);
    calls(e, 1, 84, false, start);
    calls(e, 1, 16, true, start);
    calls(e, 2, 85, false, start);
    calls(e, 2, 15, true, start);
    calls(e, 3, 49, false, start);
    calls(e, 4, 50, false, start);
    weir_time end = after(weir_sec(10)), before = {end.ns - 1};
    assert_int_equal(calls(e, 0, 1, true, before), 0);
    /* Whoever reports first after the end has all judged. */
    assert_int_equal(calls(e, 0, 1, true, end), 2);
    assert_true(is_in(e, 1, end));
    assert_false(is_in(e, 2, end));
    assert_true(is_in(e, 3, end));
    assert_false(is_in(e, 4, end));
    assert_int_equal(view(e, 2, end).cause, WEIR__EJECTED_FOR_SHARE);
    assert_true(view(e, 2, end).until.ns == after(weir_sec(40)).ns);
    weir__ejector_free(e);
}

static void a_window_knows_nothing_of_the_one_before(void **state)
{
    (void)state;
    struct weir__ejector *e = made((struct weir__ejector_options){.failures_in_row = 1000}, 4);
    calls(e, 1, 40, false, start);
    assert_int_equal(calls(e, 0, 1, true, after(weir_sec(10))), 0);
    calls(e, 1, 40, false, after(weir_sec(10)));
    assert_int_equal(calls(e, 0, 1, true, after(weir_sec(20))), 0);
    calls(e, 1, 50, false, after(weir_sec(20)));
    assert_int_equal(calls(e, 0, 1, true, after(weir_sec(30))), 1);
    weir__ejector_free(e);
}

static void what_was_long_ago_is_not_judged(void **state)
{
    (void)state;
    struct weir__ejector *e = made((struct weir__ejector_options){.failures_in_row = 1000}, 4);
    calls(e, 1, 60, false, start);
    assert_int_equal(calls(e, 1, 1, false, after(weir_sec(20))), 0);
    calls(e, 1, 60, false, after(weir_sec(20)));
    assert_int_equal(calls(e, 1, 1, false, (weir_time){after(weir_sec(40)).ns - 1}), 1);
    weir__ejector_free(e);
}

static void the_worst_go_first(void **state)
{
    (void)state;
    struct weir__ejector *e = made((struct weir__ejector_options){.failures_in_row = 1000}, 5);
    static const int failures[] = {90, 99, 85, 100, 95};
    for (uint32_t i = 0; i < 5; i++) {
        calls(e, i, failures[i], false, start);
        calls(e, i, 100 - failures[i], true, start);
    }
    weir_time end = after(weir_sec(10));
    assert_int_equal(calls(e, 2, 1, true, end), 2); /* of five, a half is two */
    assert_false(is_in(e, 3, end));
    assert_false(is_in(e, 1, end));
    assert_int_equal(e->spared.n, 1);
    weir__ejector_free(e);
}

static void each_reason_can_be_left_out(void **state)
{
    (void)state;
    struct weir__ejector *e =
        made((struct weir__ejector_options){.failure_percent = WEIR__EJECT_NEVER,
                                            .failures_in_row = 1000},
             4);
    calls(e, 1, 900, false, start);
    assert_int_equal(calls(e, 0, 1, true, after(weir_sec(10))), 0);
    assert_int_equal(calls(e, 1, 100, false, after(weir_sec(10))), 1);
    weir__ejector_free(e);
    e = made((struct weir__ejector_options){.failures_in_row = WEIR__EJECT_NEVER}, 4);
    assert_int_equal(calls(e, 1, 10000, false, start), 0);
    assert_int_equal(e->of[1].in_row, 0); /* not even after 2^32 of them */
    assert_int_equal(calls(e, 0, 1, true, after(weir_sec(10))), 1);
    weir__ejector_free(e);
}

/* --- how long --------------------------------------------------------------------------------- */

/* Ejects member 0 at `now`; returns for how long. */
static int64_t out_for(struct weir__ejector *e, weir_time now)
{
    assert_int_equal(calls(e, 0, 5, false, now), 1);
    return weir_time_sub(view(e, 0, now).until, now).ns / 1000000000;
}

static void each_time_is_longer_up_to_a_bound(void **state)
{
    (void)state;
    struct weir__ejector *e =
        made((struct weir__ejector_options){.out_time_max = weir_sec(100)}, 4);
    static const int64_t wanted[] = {30, 60, 90, 100, 100, 100};
    weir_time now = start;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        int64_t seconds = out_for(e, now);
        assert_int_equal(seconds, wanted[i]);
        assert_false(is_in(e, 0, (weir_time){weir_time_add(now, weir_sec(seconds)).ns - 1}));
        now = weir_time_add(now, weir_sec(seconds)); /* fails as soon as it is back */
        assert_true(is_in(e, 0, now));
    }
    /* The bound bounds what must be forgiven as well: four windows, and no more, to the first. */
    assert_int_equal(out_for(e, weir_time_add(now, weir_sec(40))), 30);
    weir__ejector_free(e);
}

static void a_window_without_ejection_forgives_one(void **state)
{
    (void)state;
    struct weir__ejector *e = made((struct weir__ejector_options){0}, 4);
    weir_time now = start;
    assert_int_equal(out_for(e, now), 30);
    now = weir_time_add(now, weir_sec(30));
    assert_int_equal(out_for(e, now), 60);
    now = weir_time_add(now, weir_sec(60));
    assert_int_equal(out_for(e, now), 90);
    now = weir_time_add(now, weir_sec(90 + 19)); /* one window and nine tenths */
    assert_int_equal(out_for(e, now), 90);
    now = weir_time_add(now, weir_sec(90 + 20));
    assert_int_equal(out_for(e, now), 60);
    now = weir_time_add(now, weir_hour(24 * 365));
    assert_int_equal(out_for(e, now), 30);
    assert_int_equal(view(e, 0, now).ejections, 6);
    weir__ejector_free(e);
}

/* Calls that were begun before and fail after it is out must not eject it as it comes back. */
static void late_reports_do_not_count(void **state)
{
    (void)state;
    struct weir__ejector *e = made((struct weir__ejector_options){0}, 4);
    calls(e, 1, 60, true, start);
    assert_int_equal(calls(e, 1, 5, false, start), 1);
    assert_int_equal(calls(e, 1, 1000, false, after(weir_sec(29))), 0);
    weir_time back = after(weir_sec(30));
    assert_int_equal(calls(e, 1, 4, false, back), 0);
    assert_true(is_in(e, 1, back));
    assert_int_equal(view(e, 1, back).failures, 9);
    /* Nor by the window: what it judges begins with the ejection. */
    assert_int_equal(calls(e, 0, 1, true, after(weir_sec(39))), 0);
    assert_true(is_in(e, 1, after(weir_sec(39))));
    weir__ejector_free(e);
}

/* --- the way back ----------------------------------------------------------------------------- */

static void weight_grows_straight_from_a_tenth(void **state)
{
    (void)state;
    struct weir__ejector *e = made((struct weir__ejector_options){0}, 2);
    assert_int_equal(calls(e, 0, 5, false, start), 1);
    weir_time back = after(weir_sec(30));
    assert_int_equal(weir__ejector_weight(e, 0, (weir_time){back.ns - 1}), 0);
    assert_int_equal(weir__ejector_weight(e, 0, back), FULL / 10);
    uint32_t last = 0;
    for (int ms = 0; ms <= 30000; ms++) {
        uint32_t w = weir__ejector_weight(e, 0, weir_time_add(back, weir_ms(ms)));
        uint32_t straight = (uint32_t)ms * FULL / 30000;
        assert_int_equal(w, straight > FULL / 10 ? straight : FULL / 10);
        assert_true(w >= last);
        last = w;
    }
    assert_int_equal(last, FULL);
    assert_int_equal(weir__ejector_weight(e, 0, weir_never()), FULL);
    assert_int_equal(weir__ejector_weight(e, 1, start), FULL);
    weir__ejector_free(e);

    e = made((struct weir__ejector_options){.slow_start = {-1}}, 2);
    assert_int_equal(calls(e, 0, 5, false, start), 1);
    assert_int_equal(weir__ejector_weight(e, 0, back), FULL);
    weir__ejector_free(e);
}

/* Picks by weight, as a client does. */
static uint32_t pick(struct weir__ejector *e, struct weir__random *r, weir_time now)
{
    for (;;) {
        uint32_t i = (uint32_t)weir__random_upto(r, e->members - 1);
        if (weir__random_upto(r, FULL - 1) < weir__ejector_weight(e, i, now))
            return i;
    }
}

/*
 * Of four members one is dead for a minute and then well. It is called five times, then not at
 * all, then too early, and then by and by as often as the others.
 */
static void a_healed_member_comes_back_slowly(void **state)
{
    (void)state;
    enum { CALLS_A_SECOND = 4000, SECONDS = 180 };
    struct weir__ejector *e = made((struct weir__ejector_options){0}, 4);
    struct weir__random r = {11};
    static int to_it[SECONDS];
    weir_time healed = after(weir_sec(60));
    int failures = 0;
    for (int i = 0; i < CALLS_A_SECOND * SECONDS; i++) {
        weir_time now = after(weir_us((int64_t)i * 1000000 / CALLS_A_SECOND));
        uint32_t m = pick(e, &r, now);
        bool is_ok = m != 2 || !weir_time_before(now, healed);
        to_it[i / CALLS_A_SECOND] += m == 2;
        failures += !is_ok;
        weir__ejector_report(e, (uint32_t)i % 2, m, is_ok, now);
    }
    assert_int_equal(failures, 10);           /* five at once, five when it is tried again */
    weir_time back = view(e, 2, start).until; /* after 30 s and 60 s, and what five calls took */
    int second = (int)(weir_time_sub(back, start).ns / 1000000000);
    assert_in_range(second, 90, 91);
    for (int i = 1; i < 30; i++)
        assert_int_equal(to_it[i], 0);
    for (int i = 0; i < 30; i++) { /* of all weights, its own */
        double weight = (i + 0.5) / 30 > 0.1 ? (i + 0.5) / 30 : 0.1;
        double wanted = CALLS_A_SECOND * weight / (3 + weight);
        assert_true(to_it[second + 1 + i] > wanted * 0.7 - 20);
        assert_true(to_it[second + 1 + i] < wanted * 1.3 + 20);
    }
    assert_in_range(to_it[SECONDS - 1], CALLS_A_SECOND / 4 - 150, CALLS_A_SECOND / 4 + 150);
    weir__ejector_free(e);
}

/* --- the share -------------------------------------------------------------------------------- */

static void the_last_ones_stay(void **state)
{
    (void)state;
    static const struct {
        uint32_t members, percent, out;
    } cases[] = {{1, 0, 0}, {2, 0, 1}, {3, 0, 1}, {4, 0, 2}, {10, 10, 1}, {9, 10, 0}, {3, 100, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir__ejector_options o = {.out_percent_max = cases[i].percent};
        struct weir__ejector *e = made(o, cases[i].members);
        for (uint32_t m = 0; m < cases[i].members; m++)
            calls(e, m, 5, false, start);
        assert_int_equal(count_out(e, start), cases[i].out);
        assert_int_equal(e->spared.n, cases[i].members - cases[i].out);
        weir__ejector_free(e);
    }
}

/* Who was spared goes when there is room, by five new failures. */
static void room_is_used_when_there_is_some(void **state)
{
    (void)state;
    struct weir__ejector *e = made((struct weir__ejector_options){0}, 2);
    assert_int_equal(calls(e, 0, 5, false, start), 1);
    assert_int_equal(calls(e, 1, 5, false, start), 0);
    weir_time back = after(weir_sec(30));
    assert_int_equal(calls(e, 1, 4, false, back), 0);
    assert_int_equal(calls(e, 1, 1, false, back), 1);
    assert_true(is_in(e, 0, back));
    weir__ejector_free(e);
}

/* Whatever is reported, and whatever the clock does. */
static void chance_never_passes_the_share(void **state)
{
    (void)state;
    uint32_t ejected = 0, spared = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct weir__random r = {seed};
        uint32_t members = 1 + (uint32_t)weir__random_upto(&r, 19);
        uint32_t percent = 1 + (uint32_t)weir__random_upto(&r, 99);
        struct weir__ejector *e = made((struct weir__ejector_options){.out_percent_max = percent,
                                                                      .failure_percent = 60,
                                                                      .calls_min = 10,
                                                                      .out_time = weir_sec(7)},
                                       members);
        uint64_t badness[20];
        for (uint32_t i = 0; i < members; i++)
            badness[i] = weir__random_upto(&r, 100);
        weir_time now = start;
        for (int i = 0; i < 3000; i++) {
            now = weir_time_add(now, weir_ms((int64_t)weir__random_upto(&r, 100)));
            uint32_t m = (uint32_t)weir__random_upto(&r, members - 1);
            bool is_ok = weir__random_upto(&r, 99) >= badness[m];
            uint32_t before = count_out(e, now);
            uint32_t n = weir__ejector_report(e, (uint32_t)i % 2, m, is_ok, now);
            assert_int_equal(count_out(e, now), before + n);
            assert_true((before + n) * 100 <= members * percent);
            ejected += n;
        }
        spared += (uint32_t)e->spared.n;
        weir__ejector_free(e);
    }
    assert_true(ejected > 1000 && spared > 1000); /* it was tried */
}

/* --- groups that change ----------------------------------------------------------------------- */

static void who_stays_in_the_group_stays_out(void **state)
{
    (void)state;
    struct weir__ejector *was = made((struct weir__ejector_options){0}, 6);
    for (uint32_t m = 0; m < 3; m++)
        assert_int_equal(calls(was, m, 5, false, start), 1);
    weir_time now = after(weir_sec(10));
    struct weir__ejector *e = made((struct weir__ejector_options){0}, 4); /* half of it is two */
    weir__ejector_carry(e, 0, was, 2, now);
    weir__ejector_carry(e, 1, was, 5, now);
    weir__ejector_carry(e, 2, was, 0, now);
    weir__ejector_carry(e, 3, was, 1, now);
    assert_int_equal(weir__ejector_weight(e, 0, now), 0);
    assert_int_equal(weir__ejector_weight(e, 1, now), FULL);
    assert_int_equal(weir__ejector_weight(e, 2, now), 0);
    assert_int_equal(weir__ejector_weight(e, 3, now), FULL / 10); /* no room: back, slowly */
    struct weir__ejector_view v = view(e, 0, now);
    assert_true(v.until.ns == after(weir_sec(30)).ns);
    assert_int_equal(v.ejections, 1);
    assert_int_equal(v.cause, WEIR__EJECTED_FOR_ROW);
    weir__ejector_free(was);
    assert_int_equal(out_for(e, after(weir_sec(30))), 60); /* the second time */
    weir__ejector_free(e);
}

static void who_is_new_gets_little_at_first(void **state)
{
    (void)state;
    struct weir__ejector *e = made((struct weir__ejector_options){0}, 2);
    weir__ejector_enter(e, 1, start);
    assert_int_equal(weir__ejector_weight(e, 1, start), FULL / 10);
    assert_int_equal(weir__ejector_weight(e, 1, after(weir_sec(15))), FULL / 2);
    assert_int_equal(calls(e, 1, 5, false, start), 1);
    assert_true(view(e, 1, start).until.ns == after(weir_sec(30)).ns); /* the first time */
    weir__ejector_free(e);
}

static void it_needs_memory_once(void **state)
{
    (void)state;
    struct weir__ejector_options o = {0};
    weir__alloc_fail_nth(1);
    assert_null(weir__ejector_new(&o, 4, 2, start));
    weir__ejector_free(NULL);
    struct weir__ejector *e = made(o, 4);
    uint64_t allocs = weir__alloc_stats().allocs;
    calls(e, 1, 5, false, start);
    calls(e, 0, 1, true, after(weir_sec(10)));
    assert_false(is_in(e, 1, start));
    assert_int_equal(weir__alloc_stats().allocs, allocs);
    weir__ejector_free(e);
}

/* --- threads ---------------------------------------------------------------------------------- */

enum { THREADS = 4, MEMBERS = 6, ROUNDS = 30000 };

struct party {
    struct weir__ejector *e;
    uint32_t worker, ejected;
    uint64_t reported[MEMBERS];
};

/* Each has its own clock, a little apart from the others'; three members fail nearly always. */
static void *work(void *arg)
{
    struct party *p = arg;
    struct weir__random r = {p->worker};
    for (int i = 0; i < ROUNDS; i++) {
        weir_time now = after(weir_ms(i * 10 + (int64_t)weir__random_upto(&r, 5)));
        uint32_t m = (uint32_t)weir__random_upto(&r, MEMBERS - 1);
        bool is_ok = weir__random_upto(&r, 99) >= (m < MEMBERS / 2 ? 95 : 1);
        p->reported[m]++;
        p->ejected += weir__ejector_report(p->e, p->worker, m, is_ok, now);
    }
    return NULL;
}

static void many_workers_share_one_ejector(void **state)
{
    (void)state;
    struct weir__ejector_options o = {.out_percent_max = 34}; /* two of six */
    struct weir__ejector *e = weir__ejector_new(&o, MEMBERS, THREADS, start);
    assert_non_null(e);
    static struct party parties[THREADS];
    pthread_t t[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        parties[i] = (struct party){.e = e, .worker = i};
        assert_int_equal(pthread_create(&t[i], NULL, work, &parties[i]), 0);
    }
    weir_time end = after(weir_ms(ROUNDS * 10));
    for (int i = 0; i < 1000; i++) { /* reads while they write */
        for (uint32_t m = 0; m < MEMBERS; m++) {
            struct weir__ejector_view v = view(e, m, end);
            assert_true(v.weight <= FULL);
            assert_true((v.ejections > 0) == (v.cause != WEIR__EJECTED_NOT));
        }
    }
    uint64_t ejected = 0, ejections = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        ejected += parties[i].ejected;
    }
    for (uint32_t m = 0; m < MEMBERS; m++) {
        struct weir__ejector_view v = view(e, m, end);
        uint64_t reported = 0;
        for (uint32_t i = 0; i < THREADS; i++)
            reported += parties[i].reported[m];
        ejections += v.ejections;
        assert_true(v.successes + v.failures <= reported); /* less by what came while it was out */
        if (m >= MEMBERS / 2 && v.ejections == 0)
            assert_int_equal(v.successes + v.failures, reported);
    }
    assert_int_equal(ejections, ejected);
    assert_true(ejected > 2 && e->spared.n > 0);
    assert_true(count_out(e, end) <= 2);
    weir__ejector_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_in_a_row_eject),
        cmocka_unit_test(a_share_of_a_window_ejects_at_its_end),
        cmocka_unit_test(a_window_knows_nothing_of_the_one_before),
        cmocka_unit_test(what_was_long_ago_is_not_judged),
        cmocka_unit_test(the_worst_go_first),
        cmocka_unit_test(each_reason_can_be_left_out),
        cmocka_unit_test(each_time_is_longer_up_to_a_bound),
        cmocka_unit_test(a_window_without_ejection_forgives_one),
        cmocka_unit_test(late_reports_do_not_count),
        cmocka_unit_test(weight_grows_straight_from_a_tenth),
        cmocka_unit_test(a_healed_member_comes_back_slowly),
        cmocka_unit_test(the_last_ones_stay),
        cmocka_unit_test(room_is_used_when_there_is_some),
        cmocka_unit_test(chance_never_passes_the_share),
        cmocka_unit_test(who_stays_in_the_group_stays_out),
        cmocka_unit_test(who_is_new_gets_little_at_first),
        cmocka_unit_test(it_needs_memory_once),
        cmocka_unit_test(many_workers_share_one_ejector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
