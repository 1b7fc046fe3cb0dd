/*
 * Timers of contexts: when they run, on which grid, what stops them, that they go with their
 * context in whatever state they are, and that a million of them leave memory as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/alarm.h"
#include "rt/log.h"
#include "rt/sim.h"
#include "watch/watch.h"
#include <weir/chan.h>
#include <weir/timer.h>

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

/* What the runs did. */
struct tally {
    int64_t at_ms[64]; /* since the start */
    int runs, ended;
    weir_time start;
    weir_dur takes;    /* each run */
    weir_err err, saw; /* what a run returns; what its wait returned */
    weir_timer timer;
    int stops_itself_at; /* the number of that run */
};

static weir_err note(weir_ctx *c, void *arg)
{
    struct tally *t = arg;
    t->at_ms[t->runs++ % 64] = weir_time_sub(weir_now(), t->start).ns / 1000000;
    if (t->runs == t->stops_itself_at)
        assert_true(weir_timer_stop(c, t->timer));
    if (t->takes.ns > 0)
        t->saw = weir_sleep(c, t->takes);
    t->ended++;
    return t->saw < 0 ? t->saw : t->err;
}

static void begin(struct tally *t)
{
    t->start = weir_now();
    t->runs = t->ended = 0;
    t->saw = WEIR_OK;
}

/* --- when --------------------------------------------------------------------------------- */

static weir_err runs_once(weir_ctx *c, void *arg)
{
    struct tally t = {.err = WEIR_OK};
    (void)arg;
    WEIR_SCOPE(g, c);
    begin(&t);
    assert_int_equal(weir_timer_after(g, weir_ms(20), note, &t, &t.timer), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(19)), WEIR_OK);
    assert_int_equal(t.runs, 0);
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    assert_int_equal(t.runs, 1);
    assert_in_range(t.at_ms[0], 20, 21);
    assert_false(weir_timer_stop(c, t.timer)); /* over by itself */
    assert_int_equal(weir_timer_after(g, weir_ms(-5), note, &t, NULL), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(2)), WEIR_OK);
    assert_int_equal(t.runs, 2);
    return weir_ctx_close(g);
}

static weir_err runs_on_a_grid(weir_ctx *c, void *arg)
{
    struct tally t = {.takes = weir_ms(3)};
    (void)arg;
    WEIR_SCOPE(g, c);
    begin(&t);
    assert_int_equal(weir_timer_every(g, weir_ms(10), note, &t, &t.timer), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(105)), WEIR_OK);
    assert_int_equal(t.runs, 10);
    for (int i = 0; i < 10; i++)
        assert_in_range(t.at_ms[i], 10 * (i + 1), 10 * (i + 1) + 1); /* no drift */
    assert_true(weir_timer_stop(c, t.timer));
    assert_false(weir_timer_stop(c, t.timer));
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    assert_int_equal(t.runs, 10);
    return weir_ctx_close(g);
}

/* A run that takes longer than the period: the times in between are left out. */
static weir_err leaves_times_out(weir_ctx *c, void *arg)
{
    struct tally t = {.takes = weir_ms(25)};
    (void)arg;
    WEIR_SCOPE(g, c);
    begin(&t);
    assert_int_equal(weir_timer_every(g, weir_ms(10), note, &t, NULL), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(99)), WEIR_OK);
    assert_int_equal(t.runs, 3); /* at 10, 40, 70 */
    assert_in_range(t.at_ms[1], 40, 41);
    assert_in_range(t.at_ms[2], 70, 71);
    return weir_ctx_close(g);
}

static void test_they_run_on_time(void **state)
{
    (void)state;
    SIM(runs_once, NULL);
    SIM(runs_on_a_grid, NULL);
    SIM(leaves_times_out, NULL);
}

/* --- what stops them ---------------------------------------------------------------------- */

static weir_err stops_in_every_state(weir_ctx *c, void *arg)
{
    struct tally t = {.takes = weir_ms(10)};
    (void)arg;
    WEIR_SCOPE(g, c);
    begin(&t);
    assert_int_equal(weir_timer_after(g, weir_ms(5), note, &t, &t.timer), WEIR_OK);
    assert_true(weir_timer_stop(c, t.timer)); /* before it runs */
    assert_int_equal(weir_timer_after(g, weir_ms(5), note, &t, &t.timer), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(7)), WEIR_OK);
    assert_int_equal(t.runs, 1);
    assert_false(weir_timer_stop(c, t.timer)); /* while its only run goes on */
    assert_int_equal(weir_join(g), WEIR_OK);   /* waits for the run */
    assert_int_equal(t.ended, 1);
    t.stops_itself_at = 4; /* from within its third run, counted from here */
    assert_int_equal(weir_timer_every(g, weir_ms(20), note, &t, &t.timer), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(200)), WEIR_OK);
    assert_int_equal(t.runs, 4);
    assert_int_equal(t.ended, 4);
    assert_false(weir_timer_stop(c, t.timer));
    assert_false(weir_timer_stop(c, (weir_timer){NULL, 0}));
    return weir_ctx_close(g);
}

/* A stale name meets the slot's next timer, and leaves it alone. */
static weir_err names_are_never_reused(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_timer old, now;
    assert_int_equal(weir_timer_after(c, weir_ms(5), note, weir_new(c, struct tally), &old),
                     WEIR_OK);
    assert_true(weir_timer_stop(c, old));
    struct tally *kept = weir_new(c, struct tally);
    begin(kept);
    assert_int_equal(weir_timer_after(c, weir_ms(5), note, kept, &now), WEIR_OK);
    assert_ptr_equal(old.slot, now.slot);
    assert_false(weir_timer_stop(c, old));
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(kept->runs, 1);
    return WEIR_OK;
}

static void test_they_are_stopped_in_every_state(void **state)
{
    (void)state;
    SIM(stops_in_every_state, NULL);
    SIM(names_are_never_reused, NULL);
}

/* --- the end of the context --------------------------------------------------------------- */

/* L37: armed ones, running ones, stopped ones that run: all go with the context. */
static weir_err ends_with_its_context(weir_ctx *c, void *arg)
{
    struct tally t = {.takes = weir_sec(10)};
    int64_t wait_ms = *(int *)arg;
    WEIR_SCOPE(g, c);
    begin(&t);
    assert_int_equal(weir_timer_every(g, weir_ms(10), note, &t, &t.timer), WEIR_OK);
    assert_int_equal(weir_timer_after(g, weir_ms(10), note, &t, NULL), WEIR_OK);
    assert_int_equal(weir_timer_after(g, weir_hour(1000), note, &t, NULL), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(wait_ms)), WEIR_OK);
    if (wait_ms > 20)
        assert_true(weir_timer_stop(c, t.timer));
    assert_int_equal(weir_ctx_close(g), WEIR_OK); /* a run's error is not the context's */
    assert_int_equal(t.runs, wait_ms > 10 ? 2 : 0);
    assert_int_equal(t.ended, t.runs);
    assert_int_equal(t.saw, wait_ms > 10 ? WEIR_ECANCELED : WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(30)), WEIR_OK);
    assert_int_equal(t.runs, wait_ms > 10 ? 2 : 0);
    return WEIR_OK;
}

static weir_err starts_nothing_when_cancelled(weir_ctx *c, void *arg)
{
    struct tally t = {.err = WEIR_OK};
    (void)arg;
    WEIR_SCOPE(g, c);
    begin(&t);
    assert_int_equal(weir_timer_every(g, weir_ms(10), note, &t, NULL), WEIR_OK);
    assert_int_equal(weir_timer_after(g, weir_ms(10), note, &t, NULL), WEIR_OK);
    weir_cancel(g);
    assert_int_equal(weir_timer_after(g, weir_ms(10), note, &t, &t.timer), WEIR_ECANCELED);
    assert_null(t.timer.slot);
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    assert_int_equal(t.runs, 0);
    (void)weir_ctx_close(g);
    /* The deadline of the context is the run's as well. */
    t.takes = weir_sec(10);
    g = weir_ctx_enter(c, .timeout = weir_ms(50));
    assert_int_equal(weir_timer_after(g, weir_ms(10), note, &t, NULL), WEIR_OK);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(60)), WEIR_OK);
    assert_int_equal(t.saw, WEIR_ETIMEDOUT);
    (void)weir_ctx_close(g);
    return WEIR_OK;
}

static void test_L37_they_go_with_their_context(void **state)
{
    (void)state;
    int wait_ms[] = {5, 15, 25};
    for (size_t i = 0; i < sizeof wait_ms / sizeof wait_ms[0]; i++)
        SIM(ends_with_its_context, &wait_ms[i]);
    SIM(starts_nothing_when_cancelled, NULL);
}

/* --- what goes wrong in a run ------------------------------------------------------------- */

static weir_err fails(weir_ctx *c, void *arg)
{
    ++*(int *)arg;
    return weir_raise(c, WEIR_ENOTFOUND, "the moon is gone");
}

static weir_err panics(weir_ctx *c, void *arg)
{
    (void)c;
    ++*(int *)arg;
    weir_panic("the sky falls");
}

static weir_err idles(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_sleep(c, weir_ms(100));
}

/* It is told, and is nobody else's trouble: neither the join's nor the next run's. */
static weir_err errors_are_logged(weir_ctx *c, void *arg)
{
    int runs = 0;
    (void)arg;
    WEIR_SCOPE(g, c);
    assert_int_equal(weir_timer_every(g, weir_ms(10), fails, &runs, NULL), WEIR_OK);
    assert_int_equal(weir_timer_every(g, weir_ms(10), panics, &runs, NULL), WEIR_OK);
    assert_int_equal(WEIR_GO(g, idles, NULL), WEIR_OK);
    assert_int_equal(weir_join_as(g, WEIR_JOIN_FIRST_OK), WEIR_OK);
    assert_in_range(runs, 18, 20);
    assert_null(weir_last_error(g));
    (void)weir_ctx_close(g);
    return WEIR_OK;
}

static void test_a_failed_run_is_logged_and_no_more(void **state)
{
    (void)state;
    static char bytes[262144];
    weir_buf log;
    weir_buf_init_fixed(&log, bytes, sizeof bytes - 1);
    weir__log_capture(&log);
    SIM(errors_are_logged, NULL);
    weir__log_capture(NULL);
    assert_non_null(strstr(bytes, "the timer's fails failed: the moon is gone"));
    assert_non_null(strstr(bytes, "the sky falls"));
    assert_null(strstr(bytes, "the timer's panics failed")); /* a panic is told once */
}

/* Without a fiber to run in it waits for one. */
static weir_err waits_for_a_fiber(weir_ctx *c, void *arg)
{
    struct tally t = {.err = WEIR_OK};
    (void)arg;
    WEIR_SCOPE(g, c, .fibers_max = 1);
    begin(&t);
    assert_int_equal(WEIR_GO(g, idles, NULL), WEIR_OK);
    assert_int_equal(weir_timer_after(g, weir_ms(10), note, &t, NULL), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(95)), WEIR_OK);
    assert_int_equal(t.runs, 0);
    assert_int_equal(weir_sleep(c, weir_ms(30)), WEIR_OK);
    assert_int_equal(t.runs, 1);
    return weir_ctx_close(g);
}

static void test_without_a_fiber_it_waits_for_one(void **state)
{
    (void)state;
    weir_buf log;
    char bytes[4096] = "";
    weir_buf_init_fixed(&log, bytes, sizeof bytes - 1);
    weir__log_capture(&log);
    SIM(waits_for_a_fiber, NULL);
    weir__log_capture(NULL);
    char *told = strstr(bytes, "could not be started");
    assert_non_null(told);
    assert_null(strstr(told + 1, "could not be started")); /* once */
}

/* --- many at once --------------------------------------------------------------------------- */

enum { MANY = 5000 };

static weir_err takes_a_moment(weir_ctx *c, void *arg)
{
    int *runs = arg;
    ++*runs;
    return weir_sleep(c, weir_ms(1));
}

/*
 * Far more are due than there may be fibers: each is tried when it is due, and when it is its turn.
 */
static weir_err many_are_due(weir_ctx *c, void *arg)
{
    static int runs;
    runs = 0;
    (void)arg;
    uint64_t before = weir__alarms_tries(weir__self);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(weir_timer_after(c, weir_ms(10), takes_a_moment, &runs, NULL), WEIR_OK);
    while (runs < MANY)
        assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_in_range(weir__alarms_tries(weir__self) - before, MANY, 2 * MANY + MANY / 4);
    return weir_join(c);
}

static void test_many_at_once_cost_two_tries_each(void **state)
{
    (void)state;
    struct weir__runtime_options options = {.fibers_max = 200};
    assert_int_equal(weir__sim_run_with(&options, many_are_due, NULL), WEIR_OK);
}

/* --- misuse ------------------------------------------------------------------------------- */

static weir_err passes_a_local(weir_ctx *c, void *arg)
{
    struct tally t;
    (void)arg;
    return weir_timer_after(c, weir_ms(1), note, &t, NULL);
}

static weir_err is_too_fast(weir_ctx *c, void *arg)
{
    return weir_timer_every(c, weir_us(999), note, arg, NULL);
}

static weir_err is_misused(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_int_equal(weir_protect(c, passes_a_local, NULL), WEIR_EPANIC);
    assert_int_equal(weir_protect(c, is_too_fast, NULL), WEIR_EPANIC);
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_misuse_panics(void **state)
{
    (void)state;
    weir_buf log;
    char bytes[16384] = "";
    weir_buf_init_fixed(&log, bytes, sizeof bytes - 1);
    weir__log_capture(&log);
    SIM(is_misused, NULL);
    weir__log_capture(NULL);
    assert_non_null(strstr(bytes, "weir_timer_after: the argument is a local variable"));
    assert_non_null(strstr(bytes, "weir_timer_every: a period of 999000 ns"));
}

/* --- failures everywhere ------------------------------------------------------------------ */

static weir_err without_memory(weir_ctx *c, void *arg)
{
    int *whole = arg;
    struct tally t = {.err = WEIR_OK};
    WEIR_SCOPE(g, c);
    begin(&t);
    for (uint64_t n = 1; *whole == 0; n++) {
        weir__alloc_fail_nth(n);
        weir_err err = weir_timer_after(g, weir_ms(1), note, &t, NULL);
        weir__alloc_fail_nth(0);
        assert_true(err == WEIR_OK || err == -ENOMEM);
        *whole += err == WEIR_OK;
        assert_true(n < 10);
    }
    assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
    assert_int_equal(t.runs, 1);
    return weir_ctx_close(g);
}

/* Every wait of a story with runs in it is cancelled once: all are joined, none is left. */
static weir_err story(weir_ctx *c, void *arg)
{
    struct tally t = {.takes = weir_ms(4)};
    (void)arg;
    WEIR_SCOPE(g, c);
    begin(&t);
    assert_int_equal(weir_timer_every(g, weir_ms(3), note, &t, &t.timer), WEIR_OK);
    weir_err err = weir_sleep(c, weir_ms(10));
    (void)weir_timer_stop(c, t.timer);
    (void)!weir_join(g);
    assert_int_equal(t.ended, t.runs);
    (void)weir_ctx_close(g);
    assert_true(err == WEIR_OK || err == WEIR_ECANCELED);
    return WEIR_OK;
}

static weir_err cancel_nth(weir_ctx *c, void *arg)
{
    uint64_t *nth = arg;
    WEIR_SCOPE(sub, c);
    uint64_t before = weir__wait_count();
    weir__wait_cancel_nth(*nth);
    weir_err err = story(sub, NULL);
    weir__wait_cancel_nth(0);
    *nth = *nth > weir__wait_count() - before ? 0 : *nth + 1; /* 0: there was no such wait */
    (void)weir_ctx_close(sub);
    return err;
}

static void test_whatever_fails_none_is_left(void **state)
{
    (void)state;
    int whole = 0;
    SIM(without_memory, &whole);
    uint64_t nth = 1;
    int rounds = 0;
    for (; nth != 0; rounds++) {
        SIM(cancel_nth, &nth);
        assert_true(rounds < 100);
    }
    assert_true(rounds > 4); /* the sleep, two runs and the join wait */
}

/* --- many --------------------------------------------------------------------------------- */

/* D5: a million started and stopped in one context: no memory but that of the first. */
static weir_err starts_a_million(weir_ctx *c, void *arg)
{
    weir_timer t;
    (void)arg;
    WEIR_SCOPE(g, c);
    assert_int_equal(weir_timer_after(g, weir_sec(1), note, NULL, &t), WEIR_OK);
    assert_true(weir_timer_stop(c, t));
    struct weir__alloc_stats before = weir__alloc_stats();
    for (int i = 0; i < 1000000; i++) {
        assert_int_equal(weir_timer_after(g, weir_ms(i), note, NULL, &t), WEIR_OK);
        assert_true(weir_timer_stop(c, t));
    }
    assert_int_equal(weir__alloc_stats().allocs, before.allocs);
    assert_true(weir__list_empty(&weir__ctx_of(g)->owned));
    return weir_ctx_close(g);
}

static weir_err holds_many(weir_ctx *c, void *arg)
{
    struct tally t = {.err = WEIR_OK};
    (void)arg;
    begin(&t);
    for (int round = 0; round < 2; round++) {
        struct weir__alloc_stats before = weir__alloc_stats();
        WEIR_SCOPE(g, c);
        for (int i = 0; i < 100000; i++)
            assert_int_equal(
                weir_timer_after(g, weir_sec(1 + i % 1000), note, weir_alloc(c, 1), NULL), WEIR_OK);
        (void)weir_ctx_close(g); /* none has run */
        if (round > 0)           /* the slots of the first round serve the second */
            assert_true(weir__alloc_stats().allocs - before.allocs < 100);
    }
    return WEIR_OK;
}

static void test_D5_a_million_leave_memory_as_it_was(void **state)
{
    (void)state;
    SIM(starts_a_million, NULL);
    SIM(holds_many, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_run_on_time),
        cmocka_unit_test(test_they_are_stopped_in_every_state),
        cmocka_unit_test(test_L37_they_go_with_their_context),
        cmocka_unit_test(test_a_failed_run_is_logged_and_no_more),
        cmocka_unit_test(test_without_a_fiber_it_waits_for_one),
        cmocka_unit_test(test_many_at_once_cost_two_tries_each),
        cmocka_unit_test(test_misuse_panics),
        cmocka_unit_test(test_whatever_fails_none_is_left),
        cmocka_unit_test(test_D5_a_million_leave_memory_as_it_was),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
