/*
 * The wheel against a plain list: seeded random arming, disarming and advancing, with huge jumps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rt/timer.h"

#define TIMERS 300
#define MS 1000000LL

struct probe {
    struct weir__timer timer;
    int64_t at; /* of the model; -1: not armed */
    int fired;
};

static struct weir__wheel wheel;
static struct probe probes[TIMERS];
static int64_t now_ns;
static int fired_total;
static int64_t last_tick;

static uint64_t seed;
static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void fire(struct weir__timer *t)
{
    struct probe *p = WEIR_CONTAINER(t, struct probe, timer);
    assert_false(weir__timer_armed(t));
    assert_true(p->at >= 0);
    assert_true(now_ns >= p->at);
    assert_true(t->tick >= last_tick);
    last_tick = t->tick;
    p->at = -1;
    p->fired++;
    fired_total++;
}

static void start_at(int64_t ns)
{
    now_ns = ns;
    fired_total = 0;
    weir__wheel_init(&wheel, (weir_time){ns});
    for (int i = 0; i < TIMERS; i++) {
        weir__timer_init(&probes[i].timer, fire);
        probes[i].at = -1;
        probes[i].fired = 0;
    }
}

static void arm(struct probe *p, int64_t at)
{
    weir__timer_arm(&wheel, &p->timer, (weir_time){at});
    p->at = at > 0 ? at : 0;
}

static void advance(int64_t to)
{
    now_ns = to;
    last_tick = 0;
    weir__wheel_advance(&wheel, (weir_time){to});
    for (int i = 0; i < TIMERS; i++) { /* what is a whole tick late must have fired */
        assert_true(probes[i].at < 0 || probes[i].at > to - MS);
        assert_int_equal(weir__timer_armed(&probes[i].timer), probes[i].at >= 0);
    }
}

/* The true next expiry, rounded up to a tick; -1: none. */
static int64_t model_next(void)
{
    int64_t first = -1;
    for (int i = 0; i < TIMERS; i++)
        if (probes[i].at >= 0 && (first < 0 || probes[i].at < first))
            first = probes[i].at;
    return first < 0 ? -1 : (first + MS - 1) / MS * MS;
}

static int64_t some_distance(void)
{
    static const int64_t scales[] = {1000,      5 * MS,          100 * MS,
                                     3000 * MS, 86400000LL * MS, 400LL * 86400000 * MS,
                                     3LL << 54, 64 * MS};
    return (int64_t)(rnd() % (uint64_t)scales[rnd() % 8]);
}

static void agrees_with_a_list(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 40; round++) {
        seed = round * 0x9e3779b97f4a7c15ULL;
        start_at((int64_t)(rnd() % (1ULL << 50)));
        for (int step = 0; step < 2000; step++) {
            struct probe *p = &probes[rnd() % TIMERS];
            unsigned what = (unsigned)(rnd() % 10);
            if (what < 6) {
                arm(p, now_ns + some_distance() - (rnd() % 16 == 0 ? 5 * MS : 0));
            } else if (what < 8) {
                weir__timer_disarm(&p->timer);
                p->at = -1;
            } else {
                int64_t next = weir__wheel_next(&wheel).ns, true_next = model_next();
                if (true_next < 0)
                    assert_true(next == INT64_MAX);
                else
                    assert_true(next <= true_next || next <= now_ns);
                int64_t step_ns = rnd() % 3 == 0 ? some_distance() : (int64_t)(rnd() % (20 * MS));
                if (now_ns < INT64_MAX / 2)
                    advance(now_ns + step_ns);
            }
        }
    }
}

static void next_and_advance_reach_every_timer(void **state)
{
    (void)state;
    seed = 42;
    start_at(123456789);
    for (int i = 0; i < TIMERS; i++)
        arm(&probes[i], now_ns + some_distance());
    int turns = 0;
    for (weir_time next; (next = weir__wheel_next(&wheel)).ns != INT64_MAX; turns++) {
        assert_true(turns < TIMERS * (WEIR__WHEEL_LEVELS + 1));
        advance(next.ns > now_ns ? next.ns : now_ns);
    }
    assert_int_equal(fired_total, TIMERS);
    for (int i = 0; i < TIMERS; i++)
        assert_int_equal(probes[i].fired, 1);
}

static void fires_within_a_tick_and_not_before(void **state)
{
    (void)state;
    start_at(0);
    arm(&probes[0], 10 * MS + 1);
    advance(10 * MS + 1);
    assert_int_equal(fired_total, 0);
    advance(11 * MS - 1);
    assert_int_equal(fired_total, 0);
    advance(11 * MS);
    assert_int_equal(fired_total, 1);
    arm(&probes[1], 3 * MS); /* long past: at the next advance, even at the same time */
    assert_true(weir__wheel_next(&wheel).ns <= now_ns);
    advance(now_ns);
    assert_int_equal(fired_total, 2);
}

static void again(struct weir__timer *t)
{
    fired_total++;
    weir__timer_arm(&wheel, t, (weir_time){now_ns});
}

static void kills_the_other(struct weir__timer *t)
{
    fired_total++;
    weir__timer_disarm(&probes[t == &probes[0].timer ? 1 : 0].timer);
}

static void firing_may_arm_and_disarm(void **state)
{
    (void)state;
    start_at(0);
    weir__timer_init(&probes[0].timer, again);
    weir__timer_arm(&wheel, &probes[0].timer, (weir_time){5 * MS});
    now_ns = 1000 * MS;
    weir__wheel_advance(&wheel, (weir_time){now_ns});
    assert_int_equal(fired_total, 1); /* an advance ends although the timer is due again */
    assert_true(weir__wheel_next(&wheel).ns <= now_ns);
    weir__wheel_advance(&wheel, (weir_time){now_ns});
    assert_int_equal(fired_total, 2);

    start_at(0);
    weir__timer_init(&probes[0].timer, kills_the_other);
    weir__timer_init(&probes[1].timer, kills_the_other);
    weir__timer_arm(&wheel, &probes[0].timer, (weir_time){5 * MS});
    weir__timer_arm(&wheel, &probes[1].timer, (weir_time){5000 * MS});
    weir__wheel_advance(&wheel, (weir_time){9000 * MS});
    assert_int_equal(fired_total, 1);
    assert_true(weir__wheel_next(&wheel).ns == INT64_MAX);
}

static void the_end_of_time_fits(void **state)
{
    (void)state;
    start_at(5 * MS);
    arm(&probes[0], INT64_MAX);
    arm(&probes[1], INT64_MAX - 2 * MS);
    int turns = 0;
    while (fired_total == 0) {
        assert_true(++turns < 20);
        advance(weir__wheel_next(&wheel).ns);
    }
    assert_int_equal(probes[1].fired, 1);
    assert_int_equal(probes[0].fired, 0);
    assert_true(weir__wheel_next(&wheel).ns > INT64_MAX - 2 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_list),
        cmocka_unit_test(next_and_advance_reach_every_timer),
        cmocka_unit_test(fires_within_a_tick_and_not_before),
        cmocka_unit_test(firing_may_arm_and_disarm),
        cmocka_unit_test(the_end_of_time_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
