/*
 * Contexts: ownership order, cancellation with reasons, deadlines, shields, budgets, values, dead
 * handles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "rt/panic.h"
#include "rt/sim.h"
#include "rt/try.h"
#include <weir/fiber.h>

/* --- what a context owns -------------------------------------------------------------------- */

static char order[64];

static void note(void *arg)
{
    strcat(order, arg);
}

static weir_err owns_in_reverse(weir_ctx *c, void *arg)
{
    (void)arg;
    order[0] = '\0';
    weir_ctx *sub = weir_ctx_open(c);
    assert_int_equal(weir_defer(sub, note, "a"), WEIR_OK);
    assert_int_equal(weir_defer(sub, note, "b"), WEIR_OK);
    weir_ctx *inner = weir_ctx_open(sub);
    assert_int_equal(weir_defer(inner, note, "i"), WEIR_OK);
    assert_int_equal(weir_ctx_close(sub), WEIR_OK);
    assert_string_equal(order, "iba");
    return WEIR_OK;
}

static void test_owned_things_are_released_in_reverse(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(owns_in_reverse, NULL), WEIR_OK);
}

/* A deferred call may open contexts and defer again; all of it is gone at the end. */
static void opens_late(void *arg)
{
    weir_ctx *late = weir_ctx_open((weir_ctx *)arg);
    assert_int_equal(weir_defer(late, note, "x"), WEIR_OK);
    assert_int_equal(weir_defer((weir_ctx *)arg, note, "y"), WEIR_OK);
}

static weir_err defers_late(weir_ctx *c, void *arg)
{
    (void)arg;
    order[0] = '\0';
    weir_ctx *sub = weir_ctx_open(c);
    assert_int_equal(weir_defer(sub, opens_late, sub), WEIR_OK);
    (void)weir_ctx_close(sub);
    assert_string_equal(order, "yx");
    return WEIR_OK;
}

static void test_a_release_may_open_and_own(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(defers_late, NULL), WEIR_OK);
}

static void panics_late(void *arg)
{
    note(arg);
    weir_panic("in a deferred call");
}

static weir_err panicking_fiber(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_int_equal(weir_defer(c, note, "1"), WEIR_OK);
    assert_int_equal(weir_defer(c, panics_late, "2"), WEIR_OK);
    assert_int_equal(weir_defer(c, panics_late, "3"), WEIR_OK);
    weir_panic("in a fiber");
}

static weir_err panicking_releases(weir_ctx *c, void *arg)
{
    (void)arg;
    order[0] = '\0';
    assert_int_equal(WEIR_GO(c, panicking_fiber, NULL), WEIR_OK);
    assert_int_equal(weir_join(c), WEIR_EPANIC);
    assert_string_equal(order, "321");
    return WEIR_OK;
}

static void test_a_release_that_panics_costs_itself_alone(void **state)
{
    (void)state;
    uint64_t before = weir__panic_total();
    assert_int_equal(weir__sim_run(panicking_releases, NULL), WEIR_OK);
    assert_int_equal(weir__panic_total() - before, 3);
}

static weir_err loop_body(weir_ctx *c, void *arg)
{
    size_t *most = arg;
    for (int i = 0; i < 1000; i++) {
        WEIR_WITH(turn, c) {
            assert_non_null(weir_alloc(turn, 10000));
            size_t used = weir__ctx_of(turn)->arena.bytes_used;
            *most = used > *most ? used : *most;
            if (i % 3 == 0)
                continue; /* leaves the block: the turn is closed all the same */
        }
    }
    assert_true(weir__list_empty(&weir__ctx_of(c)->children));
    return WEIR_OK;
}

static void test_a_turn_of_a_loop_gives_its_memory_back(void **state)
{
    (void)state;
    size_t most = 0;
    assert_int_equal(weir__sim_run(loop_body, &most), WEIR_OK);
    assert_true(most < 100000);
}

/* --- cancellation --------------------------------------------------------------------------- */

static weir_err waits_for_ever(weir_ctx *c, void *arg)
{
    weir_err *seen = arg;
    *seen = weir_sleep(c, weir_hour(1));
    assert_int_equal(weir_sleep(c, weir_ms(1)), *seen); /* level-triggered: fails at once */
    return *seen;
}

static weir_err three_levels(weir_ctx *c, void *arg)
{
    weir_err seen[3] = {0};
    weir_reason reason = *(weir_reason *)arg;
    WEIR_SCOPE(top, c);
    weir_ctx *middle = weir_ctx_open(top);
    weir_ctx *low = weir_ctx_open(middle, .timeout = weir_hour(2));
    weir_ctx *levels[] = {top, middle, low};
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(levels[i], waits_for_ever, &seen[i]), WEIR_OK);
    assert_int_equal(weir_yield(c), WEIR_OK);
    weir__ctx_cancel(weir__ctx_of(top), reason);
    weir__ctx_cancel(weir__ctx_of(top), WEIR_REASON_BUDGET); /* the first reason stays */
    for (int i = 2; i >= 0; i--)
        assert_int_equal(weir_join_as(levels[i], WEIR_JOIN_ALL), weir__reason_err(reason));
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen[i], weir__reason_err(reason));
    return WEIR_OK;
}

static void test_one_reason_reaches_all_levels(void **state)
{
    (void)state;
    weir_reason reasons[] = {WEIR_REASON_DEADLINE, WEIR_REASON_CLIENT_GONE, WEIR_REASON_SHUTDOWN,
                             WEIR_REASON_CALLER};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(weir__sim_run(three_levels, &reasons[i]), WEIR_OK);
}

static weir_err meets_deadline(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_time start = weir_now();
    weir_ctx *group = weir_ctx_open(c, .timeout = weir_ms(300));
    assert_int_equal(weir_sleep(group, weir_sec(10)), WEIR_ETIMEDOUT);
    assert_int_equal(weir_time_sub(weir_now(), start).ns / 1000000, 300);
    assert_int_equal(weir_cancel_reason(group), WEIR_REASON_DEADLINE);
    assert_int_equal(weir_cancel_reason(c), WEIR_REASON_NONE);
    assert_int_equal(weir_remaining(group).ns, 0);
    return WEIR_OK;
}

static void test_a_deadline_ends_waits_on_time(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(meets_deadline, NULL), WEIR_OK);
}

static weir_err child_deadline_is_not_later(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_ctx *outer = weir_ctx_open(c, .timeout = weir_ms(50));
    weir_ctx *inner = weir_ctx_open(outer, .timeout = weir_sec(50));
    assert_int_equal(weir_deadline(inner).ns, weir_deadline(outer).ns);
    assert_int_equal(weir_sleep(inner, weir_sec(1)), WEIR_ETIMEDOUT);
    assert_int_equal(weir_cancel_reason(outer), WEIR_REASON_DEADLINE);
    return WEIR_OK;
}

static void test_a_child_cannot_outlast_its_parent(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(child_deadline_is_not_later, NULL), WEIR_OK);
}

static weir_err a_million_deadlines(weir_ctx *c, void *arg)
{
    (void)arg;
    for (int i = 0; i < 100000; i++) {
        weir_ctx *sub = weir_ctx_open(c, .timeout = weir_sec(1 + i % 1000));
        assert_int_equal(weir_yield(sub), WEIR_OK);
        assert_int_equal(weir_ctx_close(sub), WEIR_OK);
    }
    assert_int_equal(weir__self->wheel.tick >= 0, 1);
    return WEIR_OK;
}

static void test_deadlines_leave_nothing(void **state)
{
    (void)state; /* D5: the simulation asserts that no timer and no context is left */
    assert_int_equal(weir__sim_run(a_million_deadlines, NULL), WEIR_OK);
}

/* --- shields -------------------------------------------------------------------------------- */

static weir_err shielded(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_ctx *sub = weir_ctx_open(c);
    weir_cancel(sub);
    assert_int_equal(weir_sleep(sub, weir_ms(1)), WEIR_ECANCELED);
    WEIR_SHIELD(sub, weir_ms(500)) {
        assert_int_equal(weir_sleep(sub, weir_ms(100)), WEIR_OK);
        weir_time before = weir_now();
        assert_int_equal(weir_sleep(sub, weir_sec(100)), WEIR_ECANCELED);
        assert_int_equal(weir_time_sub(weir_now(), before).ns / 1000000, 400);
        assert_int_equal(weir_sleep(sub, weir_ms(1)), WEIR_ECANCELED);
    }
    assert_int_equal(weir_sleep(sub, weir_ms(1)), WEIR_ECANCELED);
    return WEIR_OK;
}

static void test_a_shield_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(shielded, NULL), WEIR_OK);
}

/* --- memory --------------------------------------------------------------------------------- */

static weir_err over_budget(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_ctx *sub = weir_ctx_open(c, .memory_max = 100000);
    assert_non_null(weir_alloc(sub, 50000));
    assert_null(weir_alloc(sub, 90000));
    assert_int_equal(weir_cancel_reason(sub), WEIR_REASON_BUDGET);
    assert_int_equal(weir_sleep(sub, weir_ms(1)), WEIR_EBUDGET);
    assert_int_equal(weir_check(c), WEIR_OK); /* it costs that context alone */
    return WEIR_OK;
}

static void test_a_budget_ends_the_greedy_context_alone(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(over_budget, NULL), WEIR_OK);
}

/* N7: contexts below one another share its budget, whichever of them uses it up. */
static weir_err shared_budget(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_ctx *outer = weir_ctx_open(c, .memory_max = 200000);
    weir_ctx *a = weir_ctx_open(outer), *b = weir_ctx_open(outer);
    assert_non_null(weir_alloc(a, 90000));
    assert_non_null(weir_alloc(b, 90000));
    assert_null(weir_alloc(a, 90000));
    assert_int_equal(weir_ctx_close(b), WEIR_OK); /* gives back what it used */
    b = weir_ctx_open(outer);
    assert_non_null(weir_alloc(b, 90000));
    return WEIR_OK;
}

static void test_contexts_share_the_budget_above_them(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(shared_budget, NULL), WEIR_OK);
}

static weir_err zeroed(weir_ctx *c, void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        weir_ctx *sub = weir_ctx_open(c);
        unsigned char *p = weir_alloc(sub, 3000);
        for (int k = 0; k < 3000; k++)
            assert_int_equal(p[k], 0); /* A9: nothing of the former one */
        memset(p, 0xAB, 3000);
        assert_int_equal(weir_ctx_close(sub), WEIR_OK);
    }
    return WEIR_OK;
}

static void test_memory_shows_nothing_of_its_former_owner(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(zeroed, NULL), WEIR_OK);
}

/* --- values and errors ---------------------------------------------------------------------- */

static const weir_key user_key = {"user id", sizeof(int64_t)};
static const weir_key big_key = {"profile picture", 2 << 20};

static weir_err sets_by_a_local_key(weir_ctx *c, void *arg)
{
    const weir_key key = {"local", sizeof(int64_t)};
    return weir_set(c, &key, arg);
}

static weir_err values(weir_ctx *c, void *arg)
{
    (void)arg;
    int64_t id = 42;
    assert_null(weir_get_value(c, &user_key));
    assert_int_equal(weir_set(c, &user_key, &id), WEIR_OK);
    weir_ctx *sub = weir_ctx_open(c);
    assert_int_equal(*(const int64_t *)weir_get_value(sub, &user_key), 42);
    id = 43;
    assert_int_equal(weir_set(sub, &user_key, &id), WEIR_OK);
    assert_int_equal(*(const int64_t *)weir_get_value(sub, &user_key), 43);
    assert_int_equal(*(const int64_t *)weir_get_value(c, &user_key), 42);
    assert_int_equal(weir_set(sub, &big_key, &id), WEIR_ETOOLARGE);
    assert_non_null(strstr(weir_last_error(sub)->message.ptr, "keep it in a cache"));
    assert_int_equal(weir_protect(c, sets_by_a_local_key, &id), WEIR_EPANIC);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "weir_set: the key is a local"));
    return WEIR_OK;
}

static void test_values_are_inherited_and_small(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(values, NULL), WEIR_OK);
}

static weir_err errors(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_null(weir_last_error(c));
    assert_int_equal(weir_raise(c, WEIR_EDB, "no table %s", "users"), WEIR_EDB);
    assert_int_equal(weir_raise(c, WEIR_EBUSY, "later"), WEIR_EBUSY);
    const weir_error *e = weir_last_error(c);
    assert_int_equal(e->code, WEIR_EDB);
    assert_string_equal(e->message.ptr, "no table users");
    assert_string_equal(e->site->func, "errors");
    weir_error_clear(c);
    assert_null(weir_last_error(c));
    return WEIR_OK;
}

static void test_the_first_error_stays(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(errors, NULL), WEIR_OK);
}

/* --- dead handles --------------------------------------------------------------------------- */

struct stale {
    weir_ctx *dead;
    char message[256];
};

static void use_stale(void *arg)
{
    (void)!weir_check(((struct stale *)arg)->dead);
}

static weir_err uses_after_end(weir_ctx *c, void *arg)
{
    struct stale *s = arg;
    s->dead = weir_ctx_open(c);
    weir_ctx *first = s->dead;
    assert_int_equal(weir_ctx_close(first), WEIR_OK);
    weir_ctx *next = weir_ctx_open(c); /* the same memory, another generation */
    assert_ptr_not_equal(next, first);
    struct weir__panic_info info;
    assert_false(weir__try(use_stale, s, &info));
    memcpy(s->message, info.message, sizeof s->message);
    return WEIR_OK;
}

static void test_a_context_used_after_its_end_is_caught(void **state)
{
    (void)state; /* A7 */
    struct stale s;
    assert_int_equal(weir__sim_run(uses_after_end, &s), WEIR_OK);
    assert_non_null(strstr(s.message, "weir_check: the context has ended"));
    assert_non_null(strstr(s.message, "weir_detach"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owned_things_are_released_in_reverse),
        cmocka_unit_test(test_a_release_may_open_and_own),
        cmocka_unit_test(test_a_release_that_panics_costs_itself_alone),
        cmocka_unit_test(test_a_turn_of_a_loop_gives_its_memory_back),
        cmocka_unit_test(test_one_reason_reaches_all_levels),
        cmocka_unit_test(test_a_deadline_ends_waits_on_time),
        cmocka_unit_test(test_a_child_cannot_outlast_its_parent),
        cmocka_unit_test(test_deadlines_leave_nothing),
        cmocka_unit_test(test_a_shield_is_bounded),
        cmocka_unit_test(test_a_budget_ends_the_greedy_context_alone),
        cmocka_unit_test(test_contexts_share_the_budget_above_them),
        cmocka_unit_test(test_memory_shows_nothing_of_its_former_owner),
        cmocka_unit_test(test_values_are_inherited_and_small),
        cmocka_unit_test(test_the_first_error_stays),
        cmocka_unit_test(test_a_context_used_after_its_end_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
