/*
 * Who hibernates at a channel: what goes over finds its stack or the copy of it, wakes it without
 * touching it, and in its turn; from its own worker, from others and from threads.
 */
#include "rt/hibernate_testing.h"

#include "rt/runtime.h"
#include "watch/watch.h"
#include <weir/chan.h>

/* --- on one worker ---------------------------------------------------------------------------- */

struct talker {
    weir_chan *chan;
    struct weir__fiber *fiber;
    int64_t *local; /* what is sent, or received to */
    int64_t sum;
    weir_err err;
    bool is_sender;
};

/* Sends 1, 2, 3 … or adds up what comes, with locals that must survive. */
static weir_err talk(weir_ctx *c, void *arg)
{
    struct talker *t = arg;
    char marks[64];
    int64_t value = 0;
    memset(marks, 0x5A, sizeof marks);
    t->fiber = weir__self->current;
    t->local = &value;
    do {
        value = t->is_sender ? value + 1 : 0;
        t->err =
            t->is_sender ? weir_chan_send(c, t->chan, &value) : weir_chan_recv(c, t->chan, &value);
        t->sum += t->err == WEIR_OK ? value : 0;
        for (size_t i = 0; i < sizeof marks; i++)
            assert_int_equal(marks[i], 0x5A);
    } while (t->err == WEIR_OK);
    return WEIR_OK;
}

static void expect_talker(weir_ctx *c, const struct talker *t)
{
    pass_time(c);
    assert_int_equal(hibernating(), 1);
    assert_true(t->fiber->is_hibernating);
    assert_false(is_resident(t->fiber));
}

/* Five times something goes over while it hibernates: its stack is not touched for that. */
static void talk_five_times(weir_ctx *c, const struct talker *t)
{
    for (int64_t round = 1; round <= 5; round++) {
        int64_t value = round;
        expect_talker(c, t);
        if (t->is_sender)
            assert_int_equal(weir_chan_recv(c, t->chan, &value), WEIR_OK);
        else
            assert_int_equal(weir_chan_send(c, t->chan, &value), WEIR_OK);
        assert_int_equal(value, round);
        assert_int_equal(hibernating(), 1);
        assert_int_equal(weir_yield(c), WEIR_OK);
        assert_int_equal(t->sum, round * (round + 1) / 2);
        assert_int_equal(hibernating(), 0);
    }
    expect_talker(c, t);
}

static weir_err talks(weir_ctx *c, void *arg)
{
    struct talker *t = arg;
    for (int end = 0; end < 3; end++) {
        WEIR_SCOPE(group, c, .timeout = weir_sec(end == 2 ? 1000 : 0));
        t->chan = weir_chan_new(group, int64_t, 0);
        t->sum = 0;
        assert_int_equal(WEIR_GO(group, talk, t), WEIR_OK);
        talk_five_times(c, t);
        if (end == 0)
            weir_cancel(group);
        else if (end == 1)
            weir_chan_close(c, t->chan);
        (void)!weir_join(group);
        assert_int_equal(hibernating(), 0);
        (void)weir_ctx_close(group);
        static const weir_err errs[] = {WEIR_ECANCELED, WEIR_ECLOSED, WEIR_ETIMEDOUT};
        assert_int_equal(t->err, errs[end]);
    }
    return WEIR_OK;
}

static weir_err talks_of_both(weir_ctx *c, void *arg)
{
    (void)arg;
    struct talker sender = {.is_sender = true}, receiver = {.is_sender = false};
    assert_int_equal(talks(c, &receiver), WEIR_OK);
    return talks(c, &sender);
}

static void test_channels_wake_without_touching_the_stack(void **state)
{
    (void)state;
    if (can_hibernate())
        assert_int_equal(weir__sim_run(talks_of_both, NULL), WEIR_OK);
}

/* Each is first touched by another: what comes then goes to the stack that is back. */
static weir_err talks_after_a_touch(weir_ctx *c, void *arg)
{
    (void)arg;
    for (int is_sender = 0; is_sender < 2; is_sender++) {
        int64_t value = 40;
        struct talker t = {.is_sender = is_sender, .chan = weir_chan_new(c, int64_t, 0)};
        WEIR_SCOPE(group, c);
        assert_int_equal(WEIR_GO(group, talk, &t), WEIR_OK);
        expect_talker(c, &t);
        *(volatile int64_t *)t.local = 20;
        assert_int_equal(hibernating(), 0);
        assert_true(is_resident(t.fiber));
        if (is_sender)
            assert_int_equal(weir_chan_recv(c, t.chan, &value), WEIR_OK);
        else
            assert_int_equal(weir_chan_send(c, t.chan, &value), WEIR_OK);
        assert_int_equal(value, is_sender ? 20 : 40);
        weir_chan_close(c, t.chan);
        assert_int_equal(weir_join(group), WEIR_OK);
        assert_int_equal(t.sum, value);
        assert_int_equal(t.err, WEIR_ECLOSED);
    }
    return WEIR_OK;
}

static void test_a_touched_stack_has_the_element(void **state)
{
    (void)state;
    if (can_hibernate())
        assert_int_equal(weir__sim_run(talks_after_a_touch, NULL), WEIR_OK);
}

/* Two hibernate, the one between them came later and does not yet: served in order. */
static weir_err in_order(weir_ctx *c, void *arg)
{
    struct talker t[4] = {{0}};
    (void)arg;
    weir_chan *chan = weir_chan_new(c, int64_t, 0);
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 4; i++) {
        t[i].chan = chan;
        assert_int_equal(WEIR_GO(group, talk, &t[i]), WEIR_OK);
        assert_int_equal(weir_sleep(c, weir_sec(4)), WEIR_OK);
    }
    assert_in_range(hibernating(), 1, 3);
    for (int64_t i = 1; i <= 8; i++) {
        assert_int_equal(weir_chan_send(c, chan, &i), WEIR_OK);
        assert_int_equal(weir_yield(c), WEIR_OK);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(t[i].sum, i + 1 + i + 5);
    weir_chan_close(c, chan);
    return weir_join(group);
}

static void test_who_hibernates_keeps_its_turn(void **state)
{
    (void)state;
    if (can_hibernate())
        assert_int_equal(weir__sim_run(in_order, NULL), WEIR_OK);
}

/* --- of several workers ----------------------------------------------------------------------- */

#define PINGS 200

struct far {
    struct weir__task task;
    weir_chan *to, *back;
    uint64_t slept; /* times that the far worker had somebody hibernating */
};

/* On the other worker: sends back what comes. */
static void echo(void *arg)
{
    struct far *f = arg;
    struct weir__ctx *inner = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    weir_ctx *c = weir__ctx_handle(inner);
    int64_t value;
    while (weir_chan_recv(c, f->to, &value) == WEIR_OK)
        (void)!weir_chan_send(c, f->back, &value);
    weir_chan_close(c, f->back);
    weir__ctx_end(inner);
}

static void start_echo(struct weir__task *task)
{
    struct far *f = WEIR_CONTAINER(task, struct far, task);
    assert_non_null(weir__fiber_start(weir__self, echo, f, "echo", NULL, weir__self->root));
}

static weir_err pings(weir_ctx *c, void *arg)
{
    struct far *f = arg;
    struct weir__worker *other = weir__self->runtime->workers[1];
    int64_t value;
    f->to = weir_chan_new(c, int64_t, 0);
    f->back = weir_chan_new(c, int64_t, 0);
    f->task.run = start_echo;
    weir__post(other, &f->task);
    for (int64_t i = 1; i <= PINGS; i++) {
        for (int k = 0; k < i % 4 * 2; k++)
            assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
        f->slept += atomic_load(&other->stats.fibers_hibernating);
        if (i % 2 == 0)
            assert_int_equal(weir_chan_send(c, f->to, &i), WEIR_OK);
        else /* as a thread would */
            while (weir_chan_post(f->to, &i) == -EAGAIN)
                assert_int_equal(weir_yield(c), WEIR_OK);
        assert_int_equal(weir_chan_recv(c, f->back, &value), WEIR_OK);
        assert_int_equal(value, i);
    }
    weir_chan_close(c, f->to);
    assert_int_equal(weir_chan_recv(c, f->back, &value), WEIR_ECLOSED);
    return WEIR_OK;
}

static void test_other_workers_send_to_who_hibernates(void **state)
{
    (void)state;
    struct far f = {.slept = 0};
    char message[128];
    weir_err err = WEIR_OK;
    struct weir__runtime_options options = {.workers = 2, .hibernate_after = weir_ms(1)};
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, pings, &f), WEIR_OK);
    weir__runtime_free(rt);
    assert_true(f.slept > 0 || !can_hibernate());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels_wake_without_touching_the_stack),
        cmocka_unit_test(test_a_touched_stack_has_the_element),
        cmocka_unit_test(test_who_hibernates_keeps_its_turn),
        cmocka_unit_test(test_other_workers_send_to_who_hibernates),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
