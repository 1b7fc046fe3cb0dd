/*
 * Select: which arm, without waiting, with a time-out, against other selects, and that it leaves no
 * trace behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "rt/sim.h"
#include "sync/chan.h"
#include "watch/watch.h"
#include <weir/chan.h>
#include <weir/fiber.h>

#define SIM(fn) assert_int_equal(weir__sim_run(fn, NULL), WEIR_OK)

static const weir_dur no_wait = {0}, to_the_end = {-1};

static void settle(weir_ctx *c)
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(weir_yield(c), WEIR_OK);
}

/* Nobody waits on the channel any more. */
static void assert_quiet(const weir_chan *handle)
{
    const weir_chan *ch = weir__chan_of(handle, "assert_quiet");
    assert_true(weir__list_empty(&ch->senders));
    assert_true(weir__list_empty(&ch->receivers));
}

static weir_err tries(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *a = weir_chan_new(c, int64_t, 2), *b = weir_chan_new(c, int64_t, 2);
    int64_t x = 0, y = 0, v = 5;
    bool closed = true;
    weir_select_case recv[] = {{.chan = a, .recv = &x}, {.chan = NULL}, {.chan = b, .recv = &y}};
    assert_int_equal(weir_select(c, recv, 3, no_wait, &closed), -EAGAIN); /* L07: a default */
    assert_false(closed);
    assert_int_equal(weir_chan_send(c, b, &v), WEIR_OK);
    assert_int_equal(weir_select(c, recv, 3, no_wait, NULL), 2);
    assert_int_equal(y, 5);
    weir_select_case send[] = {{.chan = a, .send = &v}};
    assert_int_equal(weir_select(c, send, 1, to_the_end, NULL), 0);
    assert_int_equal(weir_select(c, send, 1, to_the_end, NULL), 0);
    assert_int_equal(weir_select(c, send, 1, no_wait, NULL), -EAGAIN);
    weir_chan_close(c, a);
    assert_int_equal(weir_select(c, send, 1, no_wait, &closed), 0);
    assert_true(closed);
    assert_int_equal(weir_select(c, recv, 1, no_wait, &closed), 0);
    assert_false(closed); /* what is in a closed channel comes first */
    assert_int_equal(weir_select(c, recv, 1, no_wait, &closed), 0);
    assert_int_equal(weir_select(c, recv, 1, no_wait, &closed), 0);
    assert_true(closed);
    return WEIR_OK;
}

static void test_it_does_what_needs_no_wait(void **state)
{
    (void)state;
    SIM(tries);
}

static weir_err takes_turns(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch[3];
    weir_select_case cases[3];
    int64_t v = 1;
    int served[3] = {0};
    for (int i = 0; i < 3; i++) {
        ch[i] = weir_chan_new(c, int64_t, 300);
        cases[i] = (weir_select_case){.chan = ch[i], .recv = &v};
        for (int k = 0; k < 300; k++)
            assert_int_equal(weir_chan_send(c, ch[i], &v), WEIR_OK);
    }
    for (int k = 0; k < 300; k++)
        served[weir_select(c, cases, 3, no_wait, NULL)]++;
    for (int i = 0; i < 3; i++)
        assert_int_equal(served[i], 100);
    return WEIR_OK;
}

static void test_ready_arms_take_turns(void **state)
{
    (void)state;
    SIM(takes_turns);
}

static weir_err times_out(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *a = weir_chan_new(c, int64_t, 0), *b = weir_chan_new(c, int64_t, 0);
    int64_t v = 1;
    weir_select_case cases[] = {{.chan = a, .recv = &v}, {.chan = b, .send = &v}};
    weir_time start = weir_now();
    assert_int_equal(weir_select(c, cases, 2, weir_ms(250), NULL), WEIR_ETIMEDOUT);
    assert_in_range(weir_time_sub(weir_now(), start).ns, 250000000, 252000000);
    assert_quiet(a);
    assert_quiet(b);
    WEIR_SCOPE(hasty, c, .timeout = weir_sec(1));
    assert_int_equal(weir_select(hasty, cases, 2, to_the_end, NULL), WEIR_ETIMEDOUT);
    assert_int_equal(weir_cancel_reason(hasty), WEIR_REASON_DEADLINE);
    assert_int_equal(weir_select(hasty, cases, 2, no_wait, NULL), WEIR_ETIMEDOUT);
    assert_quiet(a);
    (void)weir_ctx_close(hasty);
    return WEIR_OK;
}

static void test_it_times_out_and_leaves_no_waiter(void **state)
{
    (void)state;
    SIM(times_out);
}

struct arms {
    weir_chan *ch[3];
    int64_t got;
    int arm;
    bool closed;
};

static weir_err select_three(weir_ctx *c, void *arg)
{
    struct arms *a = arg;
    weir_select_case cases[3];
    for (int i = 0; i < 3; i++)
        cases[i] = (weir_select_case){.chan = a->ch[i], .recv = &a->got};
    a->arm = weir_select(c, cases, 3, to_the_end, &a->closed);
    return WEIR_OK;
}

static weir_err is_served_once(weir_ctx *c, void *arg)
{
    (void)arg;
    struct arms a = {.arm = -1};
    WEIR_SCOPE(g, c);
    for (int i = 0; i < 3; i++)
        a.ch[i] = weir_chan_new(g, int64_t, 0);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(WEIR_GO(g, select_three, &a), WEIR_OK);
        settle(c);
        int64_t v = k + 10;
        assert_int_equal(weir_chan_try_send(c, a.ch[k], &v), WEIR_OK);
        /* It is served, though it has not run yet: the other arms are taken by nobody. */
        assert_int_equal(weir_chan_try_send(c, a.ch[(k + 1) % 3], &v), -EAGAIN);
        assert_int_equal(weir_join(g), WEIR_OK);
        assert_int_equal(a.arm, k);
        assert_int_equal(a.got, v);
        for (int i = 0; i < 3; i++)
            assert_quiet(a.ch[i]);
    }
    assert_int_equal(WEIR_GO(g, select_three, &a), WEIR_OK);
    settle(c);
    weir_chan_close(c, a.ch[1]);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(a.arm, 1);
    assert_true(a.closed);
    return weir_ctx_close(g);
}

static void test_one_arm_is_served(void **state)
{
    (void)state;
    SIM(is_served_once);
}

struct both {
    weir_chan *ch;
    int64_t out, in;
    int arm;
};

static weir_err send_or_recv(weir_ctx *c, void *arg)
{
    struct both *b = arg;
    weir_select_case cases[] = {{.chan = b->ch, .send = &b->out}, {.chan = b->ch, .recv = &b->in}};
    b->arm = weir_select(c, cases, 2, to_the_end, NULL);
    return WEIR_OK;
}

static weir_err meets_others(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(g, c);
    weir_chan *ch = weir_chan_new(g, int64_t, 0);
    struct both one = {ch, 1, 0, -1}, two = {ch, 2, 0, -1};
    assert_int_equal(WEIR_GO(g, send_or_recv, &one), WEIR_OK);
    settle(c);
    assert_int_equal(one.arm, -1); /* it does not meet itself */
    assert_int_equal(WEIR_GO(g, send_or_recv, &two), WEIR_OK);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(one.arm + two.arm, 1); /* one sends, the other receives */
    assert_int_equal(one.arm == 0 ? two.in : one.in, one.arm == 0 ? 1 : 2);
    assert_quiet(ch);
    return weir_ctx_close(g);
}

static void test_selects_meet_each_other_not_themselves(void **state)
{
    (void)state;
    SIM(meets_others);
}

struct wide {
    weir_chan *ch[64];
    int arm;
};

static weir_err select_64(weir_ctx *c, void *arg)
{
    struct wide *w = arg;
    weir_select_case cases[64];
    int64_t v;
    for (int i = 0; i < 64; i++)
        cases[i] = (weir_select_case){.chan = w->ch[i], .recv = &v};
    w->arm = weir_select(c, cases, 64, to_the_end, NULL);
    return WEIR_OK;
}

static weir_err many_arms(weir_ctx *c, void *arg)
{
    (void)arg;
    static struct wide w;
    WEIR_SCOPE(g, c);
    for (int i = 0; i < 64; i++)
        w.ch[i] = weir_chan_new(g, int64_t, 0);
    assert_int_equal(WEIR_GO(g, select_64, &w), WEIR_OK);
    settle(c);
    int64_t v = 1;
    assert_int_equal(weir_chan_send(c, w.ch[63], &v), WEIR_OK);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(w.arm, 63);
    return weir_ctx_close(g);
}

static void test_it_takes_64_arms(void **state)
{
    (void)state;
    SIM(many_arms);
}

/*
 * A channel whose context ends while a select on it is served by another arm, but has not run yet.
 */
static weir_err channel_ends(weir_ctx *c, void *arg)
{
    (void)arg;
    struct arms a = {.arm = -1};
    WEIR_SCOPE(g, c);
    WEIR_SCOPE(early, c);
    a.ch[0] = weir_chan_new(g, int64_t, 0);
    a.ch[1] = weir_chan_new(early, int64_t, 0);
    a.ch[2] = weir_chan_new(early, int64_t, 0);
    assert_int_equal(WEIR_GO(g, select_three, &a), WEIR_OK);
    settle(c);
    int64_t v = 3;
    assert_int_equal(weir_chan_try_send(c, a.ch[0], &v), WEIR_OK);
    assert_int_equal(weir_ctx_close(early), WEIR_OK);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(a.arm, 0);
    assert_int_equal(a.got, 3);
    return weir_ctx_close(g);
}

static void test_a_channel_may_end_before_the_fiber_runs(void **state)
{
    (void)state;
    SIM(channel_ends);
}

static weir_err bad_arms(weir_ctx *c, void *arg)
{
    weir_chan *ch = arg;
    int64_t v = 1;
    weir_select_case both_ways[] = {{.chan = ch, .send = &v, .recv = &v}};
    return weir_select(c, both_ways, 1, no_wait, NULL);
}

static weir_err no_arms(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_select(c, NULL, 0, no_wait, NULL);
}

static weir_err misused(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch = weir_chan_new(c, int64_t, 0);
    assert_int_equal(weir_protect(c, bad_arms, ch), WEIR_EPANIC);
    weir_error_clear(c);
    assert_int_equal(weir_protect(c, no_arms, NULL), WEIR_EPANIC);
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_misuse_panics(void **state)
{
    (void)state;
    SIM(misused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_does_what_needs_no_wait),
        cmocka_unit_test(test_ready_arms_take_turns),
        cmocka_unit_test(test_it_times_out_and_leaves_no_waiter),
        cmocka_unit_test(test_one_arm_is_served),
        cmocka_unit_test(test_selects_meet_each_other_not_themselves),
        cmocka_unit_test(test_it_takes_64_arms),
        cmocka_unit_test(test_a_channel_may_end_before_the_fiber_runs),
        cmocka_unit_test(test_misuse_panics),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
