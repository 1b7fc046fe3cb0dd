/*
 * The three together, as a client uses them, on virtual time: five hundred requests a second, each
 * in a fiber, to a group of four members of which some are dead for a minute. Beside it the same
 * without budget and ejection, to see what these are for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard/backoff.h"
#include "guard/ejector.h"
#include "guard/retry_budget.h"
#include "rt/sim.h"
#include <weir/ctx.h>
#include <weir/fiber.h>

enum { A_SECOND = 500, MEMBERS = 4, TRIES_MAX = 4, HEALS_S = 60, ENDS_S = 180 };

struct storm {
    bool is_guarded;
    uint32_t dead; /* so many members, the first ones, until HEALS_S */
    struct weir__random random;
    struct weir__retry_budget *budget;
    struct weir__ejector *ejector;
    weir_time began;
    /* What came of it; only numbers, so that two runs can be compared. */
    struct told {
        uint64_t requests, tries, failed;
        uint64_t while_dead[MEMBERS]; /* tries by member, until HEALS_S */
        uint64_t tries_while_dead, failed_late;
        uint64_t first_second, last_ten; /* tries to member 0: after it is back, in the end */
    } told;
};

static int64_t since(const struct storm *s)
{
    return weir_time_sub(weir_now(), s->began).ns;
}

static bool is_before(const struct storm *s, int seconds)
{
    return since(s) < weir_sec(seconds).ns;
}

static uint32_t pick(struct storm *s)
{
    for (;;) {
        uint32_t m = (uint32_t)weir__random_upto(&s->random, MEMBERS - 1);
        if (!s->is_guarded || weir__random_upto(&s->random, WEIR__EJECTOR_WEIGHT_FULL - 1) <
                                  weir__ejector_weight(s->ejector, m, weir_now()))
            return m;
    }
}

static void note(struct storm *s, uint32_t m)
{
    struct told *t = &s->told;
    t->tries++;
    t->while_dead[m] += is_before(s, HEALS_S);
    t->tries_while_dead += is_before(s, HEALS_S);
    t->last_ten += m == 0 && !is_before(s, ENDS_S - 10);
    if (m == 0 && s->is_guarded && !is_before(s, HEALS_S)) {
        struct weir__ejector_view v;
        weir__ejector_read(s->ejector, 0, weir_now(), &v);
        t->first_second += weir_time_sub(weir_now(), v.until).ns < weir_sec(1).ns;
    }
}

/* A member that is alive needs ten milliseconds, one that is dead refuses at once. */
static bool call_one(weir_ctx *c, struct storm *s)
{
    uint32_t m = pick(s);
    bool is_ok = m >= s->dead || !is_before(s, HEALS_S);
    note(s, m);
    if (is_ok)
        assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    if (s->is_guarded)
        weir__ejector_report(s->ejector, 0, m, is_ok, weir_now());
    return is_ok;
}

static bool may_try_again(struct storm *s, uint32_t retry)
{
    return retry < TRIES_MAX - 1 &&
           (!s->is_guarded || weir__retry_budget_take(s->budget, 0, weir_now()));
}

static weir_err request(weir_ctx *c, void *arg)
{
    static const struct weir__backoff backoff = {.cap = {1000000000}};
    struct storm *s = arg;
    bool is_late = !is_before(s, ENDS_S - 10);
    s->told.requests++;
    if (s->is_guarded)
        weir__retry_budget_request(s->budget, 0);
    bool is_ok = call_one(c, s);
    for (uint32_t i = 0; !is_ok && may_try_again(s, i); i++) {
        weir_dur wait = weir__backoff_wait(&backoff, i, weir_ms(0), &s->random);
        assert_int_equal(weir_sleep(c, wait), WEIR_OK);
        is_ok = call_one(c, s);
    }
    s->told.failed += !is_ok;
    s->told.failed_late += is_late && !is_ok;
    return WEIR_OK;
}

static weir_err rages(weir_ctx *c, void *arg)
{
    struct storm *s = arg;
    static const struct weir__retry_budget_options retries = {0};
    static const struct weir__ejector_options ejection = {0};
    s->began = weir_now();
    s->budget = weir__retry_budget_new(&retries, 1, s->began);
    s->ejector = weir__ejector_new(&ejection, MEMBERS, 1, s->began);
    assert_true(s->budget != NULL && s->ejector != NULL);
    while (is_before(s, ENDS_S)) {
        assert_int_equal(WEIR_GO(c, request, s), WEIR_OK);
        assert_int_equal(weir_sleep(c, weir_ms(1000 / A_SECOND)), WEIR_OK);
    }
    weir_err err = weir_join(c);
    weir__retry_budget_free(s->budget);
    weir__ejector_free(s->ejector);
    return err;
}

static struct told told(uint32_t dead, bool is_guarded, uint64_t seed)
{
    struct storm s = {.is_guarded = is_guarded, .dead = dead, .random = {seed}};
    assert_int_equal(weir__sim_run(rages, &s), WEIR_OK);
    return s.told;
}

/* All are dead: nobody can be helped, and nobody is to be hurt. */
static void a_dead_group_gets_a_budget_more(void **state)
{
    (void)state;
    struct told bare = told(MEMBERS, false, 1), guarded = told(MEMBERS, true, 1);
    uint64_t requests = A_SECOND * HEALS_S;
    uint64_t most = requests + requests / 5 + 100 + 10 * HEALS_S; /* as the options say */
    assert_true(bare.tries_while_dead > requests * 39 / 10);
    assert_true(guarded.tries_while_dead <= most);
    assert_true(guarded.tries_while_dead > most - 200);
    assert_true(bare.failed_late == 0 && guarded.failed_late == 0);
}

/* One is dead: a fourth of all first tries fails without ejection, and ten in all with it. */
static void a_dead_member_is_not_noticed(void **state)
{
    (void)state;
    struct told bare = told(1, false, 2), guarded = told(1, true, 2);
    assert_true(bare.while_dead[0] > A_SECOND * HEALS_S / 4);
    assert_true(bare.failed > 0);
    assert_int_equal(guarded.while_dead[0], 10); /* five in a row, and when it is tried again */
    assert_int_equal(guarded.failed, 0);
    /* A tenth of its share in its first second; as much as the others in the end. */
    assert_in_range(guarded.first_second, 1, A_SECOND / MEMBERS / 5);
    assert_in_range(guarded.last_ten, A_SECOND * 10 / 5, A_SECOND * 10 / 3);
}

static void a_seed_tells_the_same_storm_again(void **state)
{
    (void)state;
    struct told first = told(2, true, 3), second = told(2, true, 3), other = told(2, true, 4);
    assert_memory_equal(&first, &second, sizeof first);
    assert_memory_not_equal(&first, &other, sizeof first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_group_gets_a_budget_more),
        cmocka_unit_test(a_dead_member_is_not_noticed),
        cmocka_unit_test(a_seed_tells_the_same_storm_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
