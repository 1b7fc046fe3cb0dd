/*
 * Fibers: starting, joining in all modes, detaching, limits, arguments on stacks, panics and
 * clean-ups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "os/stack.h"
#include "os/sys.h"
#include "rt/panic.h"
#include "rt/sim.h"
#include "rt/try.h"
#include "watch/watch.h"
#include <weir/fiber.h>

/* --- starting and joining --------------------------------------------------------------------- */

static weir_err add_one(weir_ctx *c, void *arg)
{
    if (weir_yield(c) != WEIR_OK)
        return WEIR_ECANCELED;
    ++*(int *)arg;
    return WEIR_OK;
}

static weir_err joins_a_thousand(weir_ctx *c, void *arg)
{
    (void)arg;
    int sum = 0;
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(WEIR_GO(group, add_one, &sum), WEIR_OK);
    assert_int_equal(sum, 0); /* they begin when the caller waits */
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(sum, 1000);
    return WEIR_OK;
}

static void test_join_waits_for_all(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(joins_a_thousand, NULL), WEIR_OK);
}

struct job {
    int64_t ms;
    weir_err result;
    weir_err slept;
};

static weir_err job(weir_ctx *c, void *arg)
{
    struct job *j = arg;
    j->slept = weir_sleep(c, weir_ms(j->ms));
    if (j->slept == WEIR_OK && j->result != WEIR_OK)
        return weir_raise(c, j->result, "job of %d ms failed", (int)j->ms);
    return j->slept;
}

static weir_err fail_fast(weir_ctx *c, void *arg)
{
    (void)arg;
    struct job jobs[] = {{10, WEIR_OK, 0}, {20, WEIR_EDB, 0}, {30, WEIR_OK, 0}};
    weir_time start = weir_now();
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(group, job, &jobs[i]), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_EDB);
    assert_int_equal(weir_time_sub(weir_now(), start).ns / 1000000, 20);
    assert_int_equal(jobs[0].slept, WEIR_OK);
    assert_int_equal(jobs[2].slept, WEIR_ECANCELED);
    assert_string_equal(weir_last_error(group)->message.ptr, "job of 20 ms failed");
    return WEIR_OK;
}

static weir_err all_and_first_ok(weir_ctx *c, void *arg)
{
    (void)arg;
    struct job jobs[] = {{10, WEIR_EDB, 0}, {20, WEIR_OK, 0}, {30, WEIR_OK, 0}};
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(group, job, &jobs[i]), WEIR_OK);
    assert_int_equal(weir_join_as(group, WEIR_JOIN_ALL), WEIR_EDB);
    assert_int_equal(jobs[2].slept, WEIR_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(group, job, &jobs[i]), WEIR_OK);
    assert_int_equal(weir_join_as(group, WEIR_JOIN_FIRST_OK), WEIR_OK);
    assert_int_equal(jobs[2].slept, WEIR_ECANCELED);
    return WEIR_OK;
}

static void test_join_modes(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(fail_fast, NULL), WEIR_OK);
    assert_int_equal(weir__sim_run(all_and_first_ok, NULL), WEIR_OK);
}

static weir_err leaves_children(weir_ctx *c, void *arg)
{
    WEIR_SCOPE(group, c);
    struct job *jobs = arg;
    for (int i = 0; i < 2; i++)
        assert_int_equal(WEIR_GO(group, job, &jobs[i]), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(jobs[0].slept, WEIR_ECANCELED); /* L03: none outlives its context */
    assert_int_equal(jobs[1].slept, WEIR_ECANCELED);
    return WEIR_OK;
}

struct late {
    weir_ctx *group;
    weir_err err;
};

static void starts_late(void *arg)
{
    struct late *late = arg;
    static struct job one = {1, WEIR_OK, 0};
    late->err = WEIR_GO(late->group, job, &one);
}

static weir_err closes_and_starts(weir_ctx *c, void *arg)
{
    (void)arg;
    struct late late = {NULL, WEIR_OK};
    WEIR_SCOPE(group, c);
    late.group = group;
    assert_int_equal(weir_defer(late.group, starts_late, &late), WEIR_OK);
    (void)weir_ctx_close(late.group);
    assert_int_equal(late.err, WEIR_ECLOSED);
    return WEIR_OK;
}

static void test_a_closing_context_takes_no_child(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(closes_and_starts, NULL), WEIR_OK);
}

static void test_a_child_cannot_outlive_its_context(void **state)
{
    (void)state;
    struct job *jobs = calloc(2, sizeof *jobs);
    jobs[0].ms = jobs[1].ms = 1000000;
    assert_int_equal(weir__sim_run(leaves_children, jobs), WEIR_OK);
    free(jobs);
}

/* --- limits ----------------------------------------------------------------------------------- */

static weir_err runaway(weir_ctx *c, void *arg)
{
    (void)arg;
    int sum = 0;
    weir_err err = WEIR_OK;
    WEIR_SCOPE(group, c, .fibers_max = 50);
    int started = 0;
    for (; started < 100 && (err = WEIR_GO(group, add_one, &sum)) == WEIR_OK; started++)
        ;
    assert_int_equal(err, WEIR_ELIMIT);
    assert_int_equal(started, 50);
    assert_non_null(
        strstr(weir_last_error(group)->message.ptr, "50 run in this context: weir_join"));
    weir_error_clear(group);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(WEIR_GO(group, add_one, &sum), WEIR_OK); /* room again */
    return weir_join(group);
}

static weir_err runaway_process(weir_ctx *c, void *arg)
{
    (void)arg;
    int sum = 0, started = 0;
    WEIR_SCOPE(group, c);
    while (WEIR_GO(group, add_one, &sum) == WEIR_OK)
        started++;
    assert_int_equal(started, 19); /* 20, and the test's own */
    return weir_join(group);
}

static void test_fibers_are_limited(void **state)
{
    (void)state; /* C4, L08 */
    assert_int_equal(weir__sim_run(runaway, NULL), WEIR_OK);
    struct weir__runtime_options options = {.fibers_max = 20};
    assert_int_equal(weir__sim_run_with(&options, runaway_process, NULL), WEIR_OK);
}

/* --- detached work ---------------------------------------------------------------------------- */

struct detached {
    char path[32];
    int *done;
};

static weir_err detached(weir_ctx *c, void *arg)
{
    struct detached *d = arg;
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    assert_string_equal(d->path, "/orders/7"); /* A8: its own copy */
    ++*d->done;
    return weir_sleep(c, weir_hour(1)) == WEIR_ETIMEDOUT ? WEIR_OK : WEIR_EFAIL;
}

static weir_err detaches(weir_ctx *c, void *arg)
{
    struct detached d = {"/orders/7", arg};
    WEIR_SCOPE(request, c);
    assert_int_equal(weir_detach(request, detached, &d, sizeof d, .timeout = weir_sec(2)), WEIR_OK);
    memset(&d, 0, sizeof d);
    assert_int_equal(weir_ctx_close(request), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(3)), WEIR_OK);
    return WEIR_OK;
}

static void test_detached_work_outlives_the_request(void **state)
{
    (void)state;
    int *done = calloc(1, sizeof *done);
    assert_int_equal(weir__sim_run(detaches, done), WEIR_OK);
    assert_int_equal(*done, 1);
    free(done);
}

static weir_err detaches_too_much(weir_ctx *c, void *arg)
{
    struct detached d = {"/orders/7", arg};
    for (int i = 0; i < 5; i++)
        assert_int_equal(weir_detach(c, detached, &d, sizeof d, .timeout = weir_sec(2)), WEIR_OK);
    assert_int_equal(weir_detach(c, detached, &d, sizeof d), WEIR_ELIMIT);
    return weir_sleep(c, weir_sec(3));
}

static void test_detached_work_is_bounded(void **state)
{
    (void)state; /* C3 */
    int *done = calloc(1, sizeof *done);
    struct weir__runtime_options options = {.detached_max = 5};
    assert_int_equal(weir__sim_run_with(&options, detaches_too_much, done), WEIR_OK);
    assert_int_equal(*done, 5);
    free(done);
}

/* --- arguments on stacks ---------------------------------------------------------------------- */

static __attribute__((noinline)) void go_with_own_local(void *arg)
{
    int local = 0;
    (void)!WEIR_GO((weir_ctx *)arg, add_one, &local);
}

static __attribute__((noinline)) void go_with(weir_ctx *group, int *callers)
{
    assert_int_equal(WEIR_GO(group, add_one, callers), WEIR_OK);
}

static weir_err stack_arguments(weir_ctx *c, void *arg)
{
    (void)arg;
    int sum = 0;
    WEIR_SCOPE(group, c);
    go_with(
        group,
        &sum); /* a local of the function that opened the context: fine from anywhere below it */
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(sum, 1);
    struct weir__panic_info info;
    assert_false(weir__try(go_with_own_local, group, &info));
    assert_non_null(strstr(info.message, "WEIR_GO: the argument is a local variable"));
    assert_int_equal(weir__ctx_of(group)->fibers, 0);
    return WEIR_OK;
}

static void test_short_lived_arguments_are_refused(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(stack_arguments, NULL), WEIR_OK);
}

/* --- misuse of joining ------------------------------------------------------------------------ */

static weir_err joins_its_parents(weir_ctx *c, void *arg)
{
    (void)c;
    return weir_join(arg); /* would wait for itself */
}

static weir_err joined_from_below(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, joins_its_parents, group), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_EPANIC);
    assert_non_null(strstr(weir_last_error(group)->message.ptr, "only the function that opened"));
    return WEIR_OK;
}

static void test_only_the_opener_joins(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(joined_from_below, NULL), WEIR_OK);
}

/* --- panics ----------------------------------------------------------------------------------- */

static int cleanups;

static void clean(int *p)
{
    cleanups += *p;
}

static void clean_deferred(void *arg)
{
    clean(arg);
}

static __attribute__((noinline)) weir_err deep(weir_ctx *c, int n)
{
    int mark __attribute__((cleanup(clean))) = 1;
    if (n < 0)
        return WEIR_OK;
    if (n == 0)
        weir_panic("deep trouble %d", 7);
    weir_err err = deep(c, n - 1);
    return err + mark - mark;
}

static weir_err panics(weir_ctx *c, void *arg)
{
    weir_ctx *left = weir_ctx_open(c);
    assert_int_equal(weir_defer(left, clean_deferred, arg), WEIR_OK);
    return deep(left, 9);
}

static weir_err protects(weir_ctx *c, void *arg)
{
    (void)arg;
    static int hundred = 100;
    cleanups = 0;
    assert_int_equal(weir_protect(c, panics, &hundred), WEIR_EPANIC);
    assert_int_equal(cleanups, 110); /* ten frames, and the context that was left open */
    const weir_error *e = weir_last_error(c);
    assert_int_equal(e->status, 500);
    assert_string_equal(e->message.ptr, "deep trouble 7");
    assert_string_equal(e->site->func, "deep");
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK); /* and life goes on */
    return WEIR_OK;
}

static weir_err panicking_child(weir_ctx *c, void *arg)
{
    (void)arg;
    (void)!weir_yield(c);
    weir_panic("a child's");
}

static weir_err child_panics(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, panicking_child, NULL), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_EPANIC);
    assert_string_equal(weir_last_error(group)->message.ptr, "a child's");
    return WEIR_OK;
}

static void test_panics_unwind_and_are_caught(void **state)
{
    (void)state; /* B5, L19 */
    assert_int_equal(weir__sim_run(protects, NULL), WEIR_OK);
    assert_int_equal(weir__sim_run(child_panics, NULL), WEIR_OK);
}

static weir_err leaves_children_alone(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_yield(c);
}

static weir_err nested_protect(weir_ctx *c, void *arg)
{
    int *depth = arg;
    if (--*depth > 0)
        assert_int_equal(weir_protect(c, nested_protect, arg), WEIR_EPANIC);
    weir_panic("level %d", *depth);
}

static weir_err nests(weir_ctx *c, void *arg)
{
    (void)arg;
    int depth = 20;
    assert_int_equal(weir_protect(c, nested_protect, &depth), WEIR_EPANIC);
    return WEIR_OK;
}

/* A context opened before a fiber was started beside it is closed by the panic as well. */
static weir_err leaves_both(weir_ctx *c, void *arg)
{
    weir_ctx *left = weir_ctx_open(c);
    assert_int_equal(weir_defer(left, clean_deferred, arg), WEIR_OK);
    assert_int_equal(WEIR_GO(c, leaves_children_alone, NULL), WEIR_OK);
    weir_panic("after both");
}

static weir_err protects_both(weir_ctx *c, void *arg)
{
    (void)arg;
    static int five = 5;
    cleanups = 0;
    assert_int_equal(weir_protect(c, leaves_both, &five), WEIR_EPANIC);
    assert_int_equal(cleanups, 5);
    return weir_join(c) == WEIR_OK ? WEIR_OK : WEIR_EFAIL;
}

static void test_a_panic_closes_what_stands_beside_a_fiber(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(protects_both, NULL), WEIR_OK);
}

static void test_protects_nest(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(nests, NULL), WEIR_OK);
}

/* --- stacks ----------------------------------------------------------------------------------- */

static __attribute__((noinline)) int use_stack(int kib)
{
    volatile char page[1024];
    memset((char *)(uintptr_t)page, kib, sizeof page);
    return kib > 0 ? use_stack(kib - 1) + page[5] : page[5];
}

static weir_err goes_deep(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_true(use_stack(100) != 0);
    return weir_yield(c);
}

static weir_err deep_fibers(weir_ctx *c, void *arg)
{
    (void)arg;
    for (int round = 0; round < 3; round++) {
        WEIR_SCOPE(group, c);
        for (int i = 0; i < 20; i++)
            assert_int_equal(WEIR_GO(group, goes_deep, NULL), WEIR_OK);
        assert_int_equal(weir_join(group), WEIR_OK);
        (void)weir_ctx_close(group);
    }
    return WEIR_OK;
}

static void test_deep_stacks_are_usable_again(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(deep_fibers, NULL), WEIR_OK);
    assert_true(weir__stack_stats().slots > 0);
}

/* --- cancelled at every wait ------------------------------------------------------------------ */

static weir_err fan_out(weir_ctx *c, void *arg)
{
    (void)arg;
    struct job jobs[] = {{10, WEIR_OK, 0}, {20, WEIR_OK, 0}, {30, WEIR_OK, 0}};
    WEIR_SCOPE(group, c, .timeout = weir_ms(300));
    for (int i = 0; i < 3; i++) {
        weir_err err = WEIR_GO(group, job, &jobs[i]);
        if (err != WEIR_OK)
            return err;
    }
    return weir_join(group);
}

static void test_a_fan_out_ends_wherever_it_is_cancelled(void **state)
{
    (void)state;
    uint64_t before = weir__wait_count();
    assert_int_equal(weir__sim_run(fan_out, NULL), WEIR_OK);
    uint64_t waits = weir__wait_count() - before;
    assert_true(waits >= 4);
    for (uint64_t nth = 1; nth <= waits; nth++) {
        weir__wait_cancel_nth(nth);
        (void)weir__sim_run(fan_out, NULL); /* asserts that nothing is left */
        weir__wait_cancel_nth(0);
    }
}

static weir_err sleeps_in_a_shield(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(inner, c);
    weir__wait_cancel_nth(1);
    weir_shield(inner, weir_sec(1));
    weir_time began = weir_now();
    assert_int_equal(weir_sleep(inner, weir_ms(20)), WEIR_OK);
    assert_true(weir_time_sub(weir_now(), began).ns >= 20000000);
    assert_int_equal(weir_cancel_reason(inner), WEIR_REASON_CALLER);
    weir_unshield(inner);
    assert_int_equal(weir_sleep(inner, weir_ms(20)), WEIR_ECANCELED);
    (void)weir_ctx_close(inner);
    return WEIR_OK;
}

static void test_a_planned_cancellation_respects_a_shield(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(sleeps_in_a_shield, NULL), WEIR_OK);
}

/* --- stacks ------------------------------------------------------------------------------- */

/* Bursts whose stacks are given back in between: the next ones are served from those. */
static weir_err comes_in_bursts(weir_ctx *c, void *arg)
{
    uint64_t *slots = arg;
    for (int burst = 0; burst < 4; burst++) {
        int sum = 0;
        WEIR_SCOPE(group, c);
        for (int i = 0; i < 400; i++)
            assert_int_equal(WEIR_GO(group, add_one, &sum), WEIR_OK);
        assert_int_equal(weir_join(group), WEIR_OK);
        (void)weir_ctx_close(group);
        slots[burst] = weir__stack_stats().slots;
        assert_int_equal(weir_sleep(c, weir_sec(120)), WEIR_OK);
    }
    return WEIR_OK;
}

static void test_stacks_come_back_after_a_burst(void **state)
{
    (void)state;
    uint64_t *slots = calloc(4, sizeof *slots);
    assert_int_equal(weir__sim_run(comes_in_bursts, slots), WEIR_OK);
    assert_true(slots[0] >= 400);
    assert_int_equal(slots[3], slots[0]);
    free(slots);
}

/* What many fibers have left does not keep the worker: some of it goes back in a turn. */
struct returns {
    size_t begun_with, most_at_once; /* idle fibers */
    uint64_t calls_most;             /* to the kernel, in one turn */
};

static weir_err sees_stacks_return(weir_ctx *c, void *arg)
{
    struct returns *seen = arg;
    struct weir__worker *w = weir__self;
    int sum = 0;
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 4000; i++)
        assert_int_equal(WEIR_GO(group, add_one, &sum), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    size_t before = seen->begun_with = w->free_fiber_count;
    uint64_t calls = weir__sys_count();
    for (int ms = 0; ms < 60 * 1000 && before > 200; ms++) {
        assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
        size_t went = before - w->free_fiber_count;
        uint64_t made = weir__sys_count() - calls;
        seen->most_at_once = went > seen->most_at_once ? went : seen->most_at_once;
        seen->calls_most = made > seen->calls_most ? made : seen->calls_most;
        before -= went;
        calls += made;
    }
    assert_true(before <= 200);
    return WEIR_OK;
}

static void test_stacks_come_back_some_in_a_turn(void **state)
{
    struct returns seen = {0};
    (void)state;
    assert_int_equal(weir__sim_run(sees_stacks_return, &seen), WEIR_OK);
    assert_true(seen.begun_with >= 4000);
    assert_in_range(seen.most_at_once, 1, 128);
    assert_in_range(seen.calls_most, 1, 16); /* most of them stood side by side */
}

/* --- limits of what is asked for ------------------------------------------------------------ */

static weir_err detaches_a_lot(weir_ctx *c, void *arg)
{
    static char bytes[(64 << 10) + 1];
    (void)arg;
    return weir_detach(c, add_one, bytes, sizeof bytes);
}

static weir_err shields_for_long(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_shield(c, weir_sec(11));
    return WEIR_OK;
}

static weir_err asks_for_too_much(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_int_equal(weir_protect(c, detaches_a_lot, NULL), WEIR_EPANIC);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "weir_detach: "));
    assert_int_equal(weir_protect(c, shields_for_long, NULL), WEIR_EPANIC);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "weir_shield: "));
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_limits_are_misuse_past_them(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(asks_for_too_much, NULL), WEIR_OK);
}

/* How deep a fiber went is noted when it ends. */
__attribute__((noinline)) static weir_err uses_much_stack(weir_ctx *c, void *arg)
{
    volatile char bytes[96 << 10];
    (void)arg;
    for (size_t i = 0; i < sizeof bytes; i += 8)
        bytes[i] = 1;
    return bytes[0] == 1 ? weir_yield(c) : WEIR_EFAIL;
}

static weir_err looks_how_deep(weir_ctx *c, void *arg)
{
    uint32_t deepest = 0;
    (void)arg;
    assert_int_equal(WEIR_GO(c, uses_much_stack, NULL), WEIR_OK);
    assert_int_equal(weir_join(c), WEIR_OK);
    WEIR_LIST_EACH(node, &weir__self->free_fibers) {
        struct weir__fiber *f = WEIR_CONTAINER(node, struct weir__fiber, in_run);
        deepest = f->stack_used_max > deepest ? f->stack_used_max : deepest;
    }
    assert_true(weir__has_asan() || deepest >= (96 << 10)); /* it has stacks of its own */
    return WEIR_OK;
}

static void test_the_depth_of_stacks_is_noted(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(looks_how_deep, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join_waits_for_all),
        cmocka_unit_test(test_join_modes),
        cmocka_unit_test(test_a_child_cannot_outlive_its_context),
        cmocka_unit_test(test_a_closing_context_takes_no_child),
        cmocka_unit_test(test_fibers_are_limited),
        cmocka_unit_test(test_detached_work_outlives_the_request),
        cmocka_unit_test(test_detached_work_is_bounded),
        cmocka_unit_test(test_short_lived_arguments_are_refused),
        cmocka_unit_test(test_only_the_opener_joins),
        cmocka_unit_test(test_panics_unwind_and_are_caught),
        cmocka_unit_test(test_a_panic_closes_what_stands_beside_a_fiber),
        cmocka_unit_test(test_protects_nest),
        cmocka_unit_test(test_deep_stacks_are_usable_again),
        cmocka_unit_test(test_a_fan_out_ends_wherever_it_is_cancelled),
        cmocka_unit_test(test_a_planned_cancellation_respects_a_shield),
        cmocka_unit_test(test_stacks_come_back_after_a_burst),
        cmocka_unit_test(test_stacks_come_back_some_in_a_turn),
        cmocka_unit_test(test_limits_are_misuse_past_them),
        cmocka_unit_test(test_the_depth_of_stacks_is_noted),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
