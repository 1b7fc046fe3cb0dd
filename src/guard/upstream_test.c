/*
 * Health, ejection and balance together, as a client of an upstream has them, on virtual time: four
 * targets, a prober, five hundred calls a second; one of them fails for a while, or is taken away
 * for an update.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard/balance.h"
#include "rt/sim.h"
#include <weir/ctx.h>
#include <weir/fiber.h>

enum { A_SECOND = 500, TARGETS = 4, FAILS_MS = 10000, HEALS_MS = 40000, ENDS_S = 120, PROBED = 1 };

struct upstream {
    enum weir__balance_policy policy;
    struct weir__random random;
    struct weir__balance *balance;
    struct weir__ejector *ejector;
    struct weir__health health[TARGETS];
    struct weir__health_options healths;
    bool is_over;
    weir_time began;
    int64_t down_at, up_at; /* ms, as the prober or a call found it; 0: not yet */
    int probes, failed, failed_after_down, to_it_while_down;
    int by_second[ENDS_S]; /* calls to the one that fails */
    int drained_at;        /* ms until nothing ran there any more */
};

static int64_t since_ms(const struct upstream *u)
{
    return weir_time_sub(weir_now(), u->began).ns / 1000000;
}

static bool is_well(const struct upstream *u, uint32_t target)
{
    int64_t ms = since_ms(u);
    return target != PROBED || ms < FAILS_MS || ms >= HEALS_MS;
}

static void note_down(struct upstream *u, bool is_down)
{
    if (is_down)
        u->down_at = since_ms(u);
}

/* The prober of one target. */
static weir_err probes(weir_ctx *c, void *arg)
{
    struct upstream *u = arg;
    struct weir__health *h = &u->health[PROBED];
    weir_dur wait = weir__health_first_wait(&u->healths, &u->random);
    while (!u->is_over) {
        assert_int_equal(weir_sleep(c, wait), WEIR_OK);
        u->probes++;
        bool is_ok = is_well(u, PROBED);
        bool is_changed = weir__health_probed(h, &u->healths, is_ok, weir_now());
        note_down(u, is_changed && !is_ok);
        if (is_changed && is_ok)
            u->up_at = since_ms(u);
        wait = weir__health_wait(h, &u->healths, &u->random);
    }
    return WEIR_OK;
}

/* One that fails refuses at once; the others need some milliseconds, of differing length. */
static weir_err calls(weir_ctx *c, void *arg)
{
    struct upstream *u = arg;
    struct weir__balance_call call = {.key = weir__random_next(&u->random)};
    uint32_t t = weir__balance_pick(u->balance, &call, weir_now());
    assert_int_not_equal(t, WEIR__BALANCE_NONE);
    bool is_ok = is_well(u, t);
    if (t == PROBED)
        u->by_second[since_ms(u) / 1000]++;
    if (t == PROBED && u->down_at > 0 && u->up_at == 0)
        u->to_it_while_down++;
    u->failed += !is_ok;
    if (is_ok)
        assert_int_equal(weir_sleep(c, weir_ms(2 + (int64_t)weir__random_upto(&u->random, 20))),
                         WEIR_OK);
    note_down(u, weir__health_called(&u->health[t], &u->healths, is_ok));
    (void)weir__ejector_report(u->ejector, 0, t, is_ok, weir_now());
    weir__balance_done(u->balance, t);
    return WEIR_OK;
}

static void set_up(struct upstream *u)
{
    static const struct weir__health *health[TARGETS];
    static const struct weir__balance_target targets[TARGETS] = {{WEIR_S("10.0.0.1:80"), 0},
                                                                 {WEIR_S("10.0.0.2:80"), 0},
                                                                 {WEIR_S("10.0.0.3:80"), 0},
                                                                 {WEIR_S("10.0.0.4:80"), 0}};
    u->began = weir_now();
    weir__health_options_settle(&u->healths);
    for (int i = 0; i < TARGETS; i++) {
        weir__health_init(&u->health[i], true);
        health[i] = &u->health[i];
    }
    u->ejector = weir__ejector_new(&(struct weir__ejector_options){0}, TARGETS, 1, weir_now());
    assert_non_null(u->ejector);
    u->balance = weir__balance_new(&(struct weir__balance_options){.policy = u->policy,
                                                                   .seed = 11,
                                                                   .ejector = u->ejector,
                                                                   .health = health,
                                                                   .healths = &u->healths},
                                   targets, TARGETS);
    assert_non_null(u->balance);
}

static weir_err tear_down(weir_ctx *c, struct upstream *u)
{
    u->is_over = true;
    weir_err err = weir_join(c);
    weir__balance_free(u->balance);
    weir__ejector_free(u->ejector);
    return err;
}

static weir_err has_one_that_fails(weir_ctx *c, void *arg)
{
    struct upstream *u = arg;
    set_up(u);
    assert_int_equal(WEIR_GO(c, probes, u), WEIR_OK);
    while (since_ms(u) < INT64_C(1000) * (ENDS_S - 1)) {
        assert_int_equal(WEIR_GO(c, calls, u), WEIR_OK);
        assert_int_equal(weir_sleep(c, weir_ms(1000 / A_SECOND)), WEIR_OK);
    }
    return tear_down(c, u);
}

/* L7: taken out after 3, comes back when two probes were well, slowly. */
static void a_target_that_fails_is_out_after_three_and_returns(void **state)
{
    (void)state;
    static const enum weir__balance_policy policies[] = {
        WEIR__BALANCE_ROUND_ROBIN, WEIR__BALANCE_WEIGHTED, WEIR__BALANCE_LEAST, WEIR__BALANCE_HASH};
    for (size_t p = 0; p < sizeof policies / sizeof policies[0]; p++) {
        struct upstream u = {.policy = policies[p], .random = {p + 1}};
        assert_int_equal(weir__sim_run(has_one_that_fails, &u), WEIR_OK);
        assert_in_range(u.failed, 1, 9); /* calls from before that end well begin the row anew */
        assert_in_range(u.down_at, FAILS_MS, FAILS_MS + 100);
        assert_int_equal(u.to_it_while_down, 0);
        /* Two probes that were well, the second one sooner than the interval. */
        assert_in_range(u.up_at, HEALS_MS, HEALS_MS + 5500 + 1375);
        assert_in_range(u.probes, ENDS_S / 5 - 3, ENDS_S / 5 + 5);
        int up_s = (int)(u.up_at / 1000) + 1;
        int full = 0;
        for (int s = ENDS_S - 41; s < ENDS_S - 1; s++)
            full += u.by_second[s];
        full /= 40;
        assert_in_range(full, A_SECOND / TARGETS * 8 / 10, A_SECOND / TARGETS * 12 / 10);
        assert_in_range(u.by_second[up_s], 1, full / 4);
        assert_in_range(u.by_second[up_s + 15], full * 35 / 100, full * 75 / 100);
    }
}

/* For an update: nothing new goes there, and what runs ends well. */
static weir_err drains_one(weir_ctx *c, void *arg)
{
    struct upstream *u = arg;
    set_up(u);
    for (int i = 0; i < 2000; i++) {
        if (i == 1000)
            weir__balance_drain(u->balance, PROBED, true);
        assert_int_equal(WEIR_GO(c, calls, u), WEIR_OK);
        assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
        if (i >= 1000 && u->drained_at == 0 && weir__balance_running(u->balance, PROBED) == 0)
            u->drained_at = i - 1000 + 1;
    }
    return tear_down(c, u);
}

static void who_is_drained_ends_what_it_has(void **state)
{
    (void)state;
    struct upstream u = {.policy = WEIR__BALANCE_LEAST, .random = {1}};
    assert_int_equal(weir__sim_run(drains_one, &u), WEIR_OK);
    assert_int_equal(u.failed, 0);
    assert_in_range(u.drained_at, 1, 25);
    assert_in_range(u.by_second[0], 200, 300);
    assert_in_range(u.by_second[1], 0, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_that_fails_is_out_after_three_and_returns),
        cmocka_unit_test(who_is_drained_ends_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
