/*
 * What a block's context is given lives as long as the context, whatever way the block is left:
 * ways out x what is given x where it lies, with both macros. What is given is marked dead by its
 * frame's clean-up, and AddressSanitizer sees frames that are gone (detect_stack_use_after_return).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rt/log.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/sim.h"
#include "watch/watch.h"
#include <weir/chan.h>
#include <weir/fiber.h>
#include <weir/timer.h>

#define ALIVE 0x0a11feedu

/* --- what is given ------------------------------------------------------------------------ */

struct thing {
    uint32_t mark;
    int touches;
    int received;
    weir_chan *never;
};

static int running; /* fibers that have a thing */

static bool is_jumped_over; /* a frame was left while nobody knew: what it held is written over */

static void touch(struct thing *t)
{
    if (is_jumped_over)
        return;
    assert_int_equal(t->mark, ALIVE);
    t->touches++;
}

static char trying[64]; /* what is given, way out, where it lies, with which macro */

/* The frame that it lies in is left. */
static void is_gone(struct thing *t)
{
    if (is_jumped_over)
        return;
    if (running != 0)
        fail_msg("%d run when the frame is left, in cell %s", running, trying);
    t->mark = 0;
}

static weir_err touches(weir_ctx *c, void *arg)
{
    weir_err err = WEIR_OK;
    running++;
    while (err == WEIR_OK) {
        touch(arg);
        err = weir_sleep(c, weir_ms(1));
    }
    touch(arg);
    running--;
    return err;
}

static weir_err has_one_that_touches(weir_ctx *c, void *arg)
{
    running++;
    weir_err err = WEIR_GO(c, touches, arg);
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_hour(1));
    touch(arg);
    running--;
    return err;
}

static weir_err touches_once(weir_ctx *c, void *arg)
{
    running++;
    touch(arg);
    weir_err err = weir_sleep(c, weir_ms(10));
    touch(arg);
    running--;
    return err;
}

static weir_err selects(weir_ctx *c, void *arg)
{
    struct thing *t = arg;
    running++;
    weir_select_case arms[] = {{.chan = t->never, .recv = &t->received}};
    int arm = weir_select(c, arms, 1, weir_hour(1), NULL);
    touch(t);
    running--;
    return arm < 0 ? arm : WEIR_OK;
}

static void touch_late(void *arg)
{
    touch(arg);
}

enum what { CHILD, GRANDCHILD, DEFER, TIMER, SELECT, WHATS };

static weir_err give(weir_ctx *group, enum what what, struct thing *t)
{
    switch (what) {
    case CHILD:
        return WEIR_GO(group, touches, t);
    case GRANDCHILD:
        return WEIR_GO(group, has_one_that_touches, t);
    case DEFER:
        return weir_defer(group, touch_late, t);
    case TIMER:
        return weir_timer_every(group, weir_ms(1), touches_once, t, NULL);
    case SELECT:
        return WEIR_GO(group, selects, t);
    case WHATS:
        break;
    }
    return WEIR_EINVALID;
}

/* --- how the block is left ---------------------------------------------------------------- */

enum way {
    RETURN,
    EARLY_RETURN,
    BREAK,
    ERROR,
    PANIC,
    PANIC_IN_CHILD,
    DEADLINE,
    CLIENT_GONE,
    JUMP,
    JUMP_AND_WAIT,
    WAYS
};
enum where { LOCAL, OUTER_LOCAL, ARENA, WHERES };

struct cell {
    enum what what;
    enum way way;
    enum where where;
    bool is_with;
    jmp_buf back;
};

static weir_err panics(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_err err = weir_sleep(c, weir_ms(3));
    return err < 0 ? err : (weir_panic("in a child"), WEIR_OK);
}

static weir_err client_goes(weir_ctx *c, void *request)
{
    weir_err err = weir_sleep(c, weir_ms(3));
    if (err == WEIR_OK)
        weir__ctx_cancel(request, WEIR_REASON_CLIENT_GONE);
    return err;
}

/* Up to the way out; 1: the block is to be left by `break`. */
static weir_err work(weir_ctx *c, weir_ctx *group, struct cell *cell, struct thing *t)
{
    weir_err err = give(group, cell->what, t);
    assert_int_equal(err, WEIR_OK);
    err = weir_sleep(group, weir_ms(2));
    assert_int_equal(err, WEIR_OK);
    switch (cell->way) {
    case BREAK:
        return 1;
    case ERROR:
        return weir_raise(c, WEIR_EFAIL, "an error");
    case PANIC:
        WEIR_CHECK(cell->way != PANIC);
        return WEIR_OK;
    case PANIC_IN_CHILD:
        assert_int_equal(WEIR_GO(group, panics, NULL), WEIR_OK);
        return weir_join(group);
    case DEADLINE:
        return weir_sleep(group, weir_hour(1));
    case CLIENT_GONE:
        assert_int_equal(WEIR_GO(group, client_goes, weir__ctx_of(c)), WEIR_OK);
        return weir_sleep(group, weir_hour(1));
    case JUMP:
    case JUMP_AND_WAIT:
        longjmp(cell->back, 1);
    default:
        return WEIR_OK;
    }
}

static struct thing *placed(weir_ctx *c, const struct cell *cell, struct thing *local,
                            struct thing *outer)
{
    struct thing *t = cell->where == LOCAL         ? local
                      : cell->where == OUTER_LOCAL ? outer
                                                   : weir_new(c, struct thing);
    *t = (struct thing){.mark = ALIVE, .never = weir_chan_new(c, int, 0)};
    return t;
}

static __attribute__((noinline)) weir_err with_scope(weir_ctx *c, struct cell *cell,
                                                     struct thing *outer)
{
    struct thing local __attribute__((cleanup(is_gone))) = {.mark = 0};
    WEIR_SCOPE(group, c, .timeout = weir_ms(20));
    struct thing *t = placed(c, cell, &local, outer);
    for (;;) {
        weir_err err = work(c, group, cell, t);
        if (err == 1)
            break;
        if (err < 0 || cell->way == EARLY_RETURN)
            return err;
        break;
    }
    return WEIR_OK;
}

static __attribute__((noinline)) weir_err with_block(weir_ctx *c, struct cell *cell,
                                                     struct thing *outer)
{
    struct thing local __attribute__((cleanup(is_gone))) = {.mark = 0};
    WEIR_WITH(group, c, .timeout = weir_ms(20)) {
        struct thing *t = placed(c, cell, &local, outer);
        weir_err err = work(c, group, cell, t);
        if (err == 1)
            break;
        if (err < 0 || cell->way == EARLY_RETURN)
            return err;
    }
    assert_int_equal(running, 0);
    return WEIR_OK;
}

static weir_err handler(weir_ctx *c, void *arg)
{
    struct cell *cell = arg;
    struct thing outer __attribute__((cleanup(is_gone))) = {.mark = 0};
    is_jumped_over = cell->way == JUMP;
    if (setjmp(cell->back) == 0)
        return cell->is_with ? with_block(c, cell, &outer) : with_scope(c, cell, &outer);
    return cell->way == JUMP_AND_WAIT ? weir_sleep(c, weir_ms(1)) : WEIR_OK;
}

static bool has_jumped(const struct cell *cell)
{
    return cell->way == JUMP || cell->way == JUMP_AND_WAIT;
}

static weir_err expected(const struct cell *cell)
{
    switch (cell->way) {
    case ERROR:
        return WEIR_EFAIL;
    case PANIC:
    case PANIC_IN_CHILD:
    case JUMP:
    case JUMP_AND_WAIT:
        return WEIR_EPANIC;
    case DEADLINE:
        return WEIR_ETIMEDOUT;
    case CLIENT_GONE:
        return WEIR_ECLIENTGONE;
    default:
        return WEIR_OK;
    }
}

/* As a request: a context of its own, and a recovery point. */
static weir_err serves(weir_ctx *c, void *arg)
{
    struct cell *cell = arg;
    snprintf(trying, sizeof trying, "%d %d %d %d", (int)cell->what, (int)cell->way,
             (int)cell->where, cell->is_with);
    WEIR_SCOPE(request, c);
    weir_err err = weir_protect(request, handler, cell);
    if (err !=
        expected(cell)) /* a child that was given a deadline's or an error's end of its own */
        fail_msg("cell %s: %d", trying, err);
    assert_int_equal(running, 0);
    if (has_jumped(cell))
        assert_non_null(strstr(weir_last_error(request)->message.ptr, "left by a longjmp"));
    (void)weir_ctx_close(request);
    assert_int_equal(weir_sleep(c, weir_ms(50)), WEIR_OK); /* nothing is late */
    return WEIR_OK;
}

static void test_what_is_given_lives_as_long_whatever_the_way_out(void **state)
{
    (void)state;
    weir_buf log;
    weir_buf_init(&log, 8 << 20);
    weir__log_capture(&log);
    for (int i = 0; i < WHATS * WAYS * WHERES * 2; i++) {
        struct cell cell = {.what = (enum what)(i % WHATS),
                            .way = (enum way)(i / WHATS % WAYS),
                            .where = (enum where)(i / WHATS / WAYS % WHERES),
                            .is_with = i >= WHATS * WAYS * WHERES};
        assert_int_equal(weir__sim_run(serves, &cell), WEIR_OK);
    }
    weir__log_capture(NULL);
    weir_buf_fini(&log);
}

/* --- what is refused ---------------------------------------------------------------------- */

struct refusal {
    weir_ctx *to;
    enum what what;
    struct thing *t;
};

static weir_err gives(weir_ctx *c, void *arg)
{
    const struct refusal *r = arg;
    (void)c;
    return give(r->to, r->what, r->t);
}

static __attribute__((noinline)) void is_refused(weir_ctx *c, weir_ctx *to, struct thing *t)
{
    static const enum what whats[] = {CHILD, DEFER, TIMER};
    for (size_t i = 0; i < 3; i++) {
        t->mark = ALIVE;
        t->touches = 0;
        struct refusal r = {to, whats[i], t};
        assert_int_equal(weir_protect(c, gives, &r), WEIR_EPANIC);
        assert_non_null(strstr(weir_last_error(c)->message.ptr, "WEIR_SCOPE or WEIR_WITH"));
        assert_int_equal(t->touches, whats[i] == DEFER); /* a deferred call is made, kept or not */
    }
    weir_error_clear(c);
}

static __attribute__((noinline)) void younger_is_refused(weir_ctx *c, weir_ctx *to)
{
    struct thing younger = {.mark = ALIVE};
    is_refused(c, to, &younger);
}

static weir_err child_passes_on(weir_ctx *c, void *arg)
{
    struct thing own = {.mark = ALIVE};
    is_refused(c, c, &own); /* the fiber's own context outlives its frame */
    return WEIR_GO(c, touches_once, arg);
}

static weir_err refuses(weir_ctx *c, void *arg)
{
    (void)arg;
    struct thing t = {.mark = ALIVE};
    weir_ctx *plain = weir_ctx_open(c);
    is_refused(c, plain, &t);
    is_refused(c, c, &t);
    WEIR_SCOPE(group, c);
    younger_is_refused(c, group);
    weir_ctx *below = weir_ctx_open(group);
    assert_int_equal(WEIR_GO(below, touches_once, &t), WEIR_OK); /* it ends with `group` */
    assert_int_equal(WEIR_GO(group, child_passes_on, &t), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(weir_ctx_close(group), WEIR_OK);
    assert_int_equal(t.touches, 4);
    assert_int_equal(running, 0);
    return WEIR_OK;
}

static void run_quietly(weir_fiber_fn fn, void *arg)
{
    weir_buf log;
    weir_buf_init(&log, 8 << 20);
    weir__log_capture(&log);
    assert_int_equal(weir__sim_run(fn, arg), WEIR_OK);
    weir__log_capture(NULL);
    weir_buf_fini(&log);
}

static void test_locals_are_refused_where_nothing_joins(void **state)
{
    (void)state;
    run_quietly(refuses, NULL);
}

/* --- a panic joins before it unwinds ------------------------------------------------------ */

static void sees_nobody(const int *mark)
{
    (void)mark;
    assert_int_equal(running, 0);
}

static weir_err opens_and_panics(weir_ctx *c, void *arg)
{
    WEIR_SCOPE(group, c);
    weir_ctx *plain = weir_ctx_open(group);
    int youngest __attribute__((cleanup(sees_nobody))) = 1; /* its clean-up is the first */
    assert_int_equal(WEIR_GO(group, touches, arg), WEIR_OK);
    assert_int_equal(WEIR_GO(plain, has_one_that_touches, arg), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(3)), WEIR_OK);
    assert_int_equal(running, 3);
    weir_panic("with %d mark", youngest);
}

static weir_err is_protected(weir_ctx *c, void *arg)
{
    struct thing *t = weir_new(c, struct thing);
    (void)arg;
    t->mark = ALIVE;
    assert_int_equal(weir_protect(c, opens_and_panics, t), WEIR_EPANIC);
    assert_string_equal(weir_last_error(c)->message.ptr, "with 1 mark");
    assert_int_equal(running, 0);
    return WEIR_OK;
}

static weir_err panics_unprotected(weir_ctx *c, void *arg)
{
    return opens_and_panics(c, arg);
}

static weir_err is_a_child(weir_ctx *c, void *arg)
{
    static struct thing t;
    (void)arg;
    t = (struct thing){.mark = ALIVE};
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, panics_unprotected, &t), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_EPANIC);
    assert_int_equal(running, 0);
    return WEIR_OK;
}

static void test_a_panic_joins_before_it_unwinds(void **state)
{
    (void)state;
    run_quietly(is_protected, NULL);
    run_quietly(is_a_child, NULL);
}

/* --- closing what is another's ------------------------------------------------------------ */

static weir_err closes(weir_ctx *c, void *arg)
{
    (void)c;
    return weir_ctx_close(arg);
}

static weir_err closes_what_it_may(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(sub, c);
    assert_int_equal(weir_protect(c, closes, c), WEIR_EPANIC); /* as a request's own */
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "only the function that opened"));
    assert_int_equal(WEIR_GO(sub, closes, sub), WEIR_OK); /* from below */
    assert_int_equal(weir_join(sub), WEIR_EPANIC);
    assert_int_equal(weir_ctx_close(sub), WEIR_OK); /* by hand; the end of the block does nothing */
    return WEIR_OK;
}

static void test_only_what_one_has_opened_is_closed(void **state)
{
    (void)state;
    run_quietly(closes_what_it_may, NULL);
}

/* --- depth -------------------------------------------------------------------------------- */

static int deepest;

static weir_err nothing(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return WEIR_OK;
}

static __attribute__((noinline)) weir_err opens_for_ever(weir_ctx *c, void *arg)
{
    WEIR_SCOPE(next, c);
    if (++deepest == 5000)
        return WEIR_OK;
    weir_err err = opens_for_ever(next, arg);
    return err < 0 ? err : deepest;
}

static weir_err goes_too_deep(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(group, c);
    deepest = 0;
    assert_int_equal(weir_protect(c, opens_for_ever, NULL), WEIR_EPANIC);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "lie above one another"));
    assert_in_range(deepest, 200, 256);
    weir_ctx *low = group;
    for (int i = 0; i < 200; i++)
        low = weir_ctx_open(low);
    assert_int_equal(WEIR_GO(low, nothing, NULL), WEIR_OK);
    weir_cancel(group); /* reaches them all, and so does the end */
    assert_int_equal(weir_check(low), WEIR_ECANCELED);
    return WEIR_OK;
}

static weir_err goes_on(weir_ctx *c, void *arg)
{
    deepest++;
    weir_err err = WEIR_GO(c, goes_on, arg);
    return err < 0 ? err : weir_join(c);
}

static weir_err starts_one_below_the_other(weir_ctx *c, void *arg)
{
    deepest = 0;
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, goes_on, arg), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_ELIMIT);
    assert_non_null(strstr(weir_last_error(group)->message.ptr, "lie above one another"));
    assert_in_range(deepest, 200, 256);
    return WEIR_OK;
}

static void test_contexts_lie_256_deep_at_most(void **state)
{
    (void)state;
    run_quietly(goes_too_deep, NULL);
    run_quietly(starts_one_below_the_other, NULL);
}

/* --- a context that others use when it ends ----------------------------------------------- */

static weir_err waits_with_anothers(weir_ctx *c, void *handle)
{
    (void)c;
    return weir_sleep(handle, weir_hour(1));
}

static weir_err waits_with_its_own(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_sleep(c, weir_hour(1));
}

static weir_err joins_below_anothers(weir_ctx *c, void *handle)
{
    weir_ctx *own = weir_ctx_open(handle);
    (void)c;
    weir_err err = WEIR_GO(own, waits_with_its_own, NULL);
    return err < 0 ? err : weir_join(own);
}

static weir_err ends_under_others(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_ctx *shown = weir_ctx_open(c);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, waits_with_anothers, shown), WEIR_OK);
    assert_int_equal(WEIR_GO(group, joins_below_anothers, shown), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(weir_ctx_close(shown), WEIR_OK);
    assert_int_equal(weir_join_as(group, WEIR_JOIN_ALL), WEIR_ECANCELED);
    return WEIR_OK;
}

static void test_a_context_may_end_under_who_waits_with_it(void **state)
{
    (void)state;
    run_quietly(ends_under_others, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_given_lives_as_long_whatever_the_way_out),
        cmocka_unit_test(test_locals_are_refused_where_nothing_joins),
        cmocka_unit_test(test_a_panic_joins_before_it_unwinds),
        cmocka_unit_test(test_only_what_one_has_opened_is_closed),
        cmocka_unit_test(test_contexts_lie_256_deep_at_most),
        cmocka_unit_test(test_a_context_may_end_under_who_waits_with_it),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
