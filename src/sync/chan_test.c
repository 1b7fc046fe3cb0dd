/*
 * Channels: order, meeting, closing, cancellation in which nothing is lost, and shared ones between
 * real workers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "rt/sim.h"
#include "sync/chan.h"
#include "watch/watch.h"
#include <weir/chan.h>
#include <weir/fiber.h>

#define SIM(fn) assert_int_equal(weir__sim_run(fn, NULL), WEIR_OK)

/* Lets all fibers run until each of them waits. */
static void settle(weir_ctx *c)
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(weir_yield(c), WEIR_OK);
}

/* --- buffered ----------------------------------------------------------------------------- */

static weir_err keeps_order(weir_ctx *c, void *arg)
{
    static const size_t sizes[] = {1, 4, 8, 12, 16, 24, 4096};
    (void)arg;
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        weir_chan *ch = weir_chan_new_at(WEIR_HERE, c, sizes[k], 3);
        unsigned char in[4096], out[4096];
        for (unsigned round = 0; round < 50; round++) {
            unsigned n = round % 3 + 1;
            for (unsigned i = 0; i < n; i++) {
                memset(in, (int)(round + i), sizes[k]);
                assert_int_equal(weir_chan_send(c, ch, in), WEIR_OK);
            }
            assert_int_equal(weir_chan_len(ch), n);
            assert_int_equal(weir_chan_try_send(c, ch, in), n == 3 ? -EAGAIN : WEIR_OK);
            for (unsigned i = 0; i < n; i++) {
                memset(in, (int)(round + i), sizes[k]);
                assert_int_equal(weir_chan_recv(c, ch, out), WEIR_OK);
                assert_memory_equal(in, out, sizes[k]);
            }
            if (n < 3)
                assert_int_equal(weir_chan_try_recv(c, ch, out), WEIR_OK);
            assert_int_equal(weir_chan_try_recv(c, ch, out), -EAGAIN);
        }
    }
    return WEIR_OK;
}

static void test_a_buffered_channel_keeps_the_order(void **state)
{
    (void)state;
    SIM(keeps_order);
}

/* --- fibers that meet --------------------------------------------------------------------- */

struct pipe {
    weir_chan *ch;
    int64_t got[16];
    int n;
    weir_err err;
};

static weir_err send_1_to_5(weir_ctx *c, void *arg)
{
    struct pipe *p = arg;
    for (int64_t i = 1; i <= 5; i++)
        if ((p->err = weir_chan_send(c, p->ch, &i)) < 0)
            return WEIR_OK;
    weir_chan_close(c, p->ch);
    return WEIR_OK;
}

static weir_err recv_all(weir_ctx *c, void *arg)
{
    struct pipe *p = arg;
    int64_t v;
    while ((p->err = weir_chan_recv(c, p->ch, &v)) == WEIR_OK)
        p->got[p->n++] = v;
    return WEIR_OK;
}

static weir_err meet(weir_ctx *c, bool receiver_first, size_t capacity)
{
    struct pipe p = {.n = 0};
    WEIR_SCOPE(g, c);
    p.ch = weir_chan_new(g, int64_t, capacity);
    assert_int_equal(WEIR_GO(g, receiver_first ? recv_all : send_1_to_5, &p), WEIR_OK);
    assert_int_equal(WEIR_GO(g, receiver_first ? send_1_to_5 : recv_all, &p), WEIR_OK);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(p.n, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(p.got[i], i + 1);
    assert_int_equal(p.err, WEIR_ECLOSED);
    return weir_ctx_close(g);
}

static weir_err meet_all_ways(weir_ctx *c, void *arg)
{
    (void)arg;
    for (size_t capacity = 0; capacity < 7; capacity++) {
        assert_int_equal(meet(c, true, capacity), WEIR_OK);
        assert_int_equal(meet(c, false, capacity), WEIR_OK);
    }
    return WEIR_OK;
}

static void test_sender_and_receiver_meet(void **state)
{
    (void)state;
    SIM(meet_all_ways);
}

struct queue {
    weir_chan *ch;
    int64_t order[8];
    int n;
};

struct member {
    struct queue *q;
    int64_t id;
    weir_err err;
};

static weir_err recv_one(weir_ctx *c, void *arg)
{
    struct member *m = arg;
    int64_t v;
    m->err = weir_chan_recv(c, m->q->ch, &v);
    if (m->err == WEIR_OK)
        m->q->order[m->q->n++] = m->id * 100 + v;
    return WEIR_OK;
}

static weir_err send_one(weir_ctx *c, void *arg)
{
    struct member *m = arg;
    m->err = weir_chan_send(c, m->q->ch, &m->id);
    return WEIR_OK;
}

static weir_err first_come_first_served(weir_ctx *c, void *arg)
{
    (void)arg;
    struct queue q = {.n = 0};
    struct member m[4];
    WEIR_SCOPE(g, c);
    q.ch = weir_chan_new(g, int64_t, 0);
    for (int i = 0; i < 4; i++) {
        m[i] = (struct member){&q, i, 1};
        assert_int_equal(WEIR_GO(g, recv_one, &m[i]), WEIR_OK);
    }
    settle(c);
    for (int64_t v = 0; v < 4; v++)
        assert_int_equal(weir_chan_send(c, q.ch, &v), WEIR_OK);
    assert_int_equal(weir_join(g), WEIR_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(q.order[i], i * 101);
    for (int i = 0; i < 4; i++)
        assert_int_equal(WEIR_GO(g, send_one, &m[i]), WEIR_OK);
    settle(c);
    for (int64_t v = 9, i = 0; i < 4; i++) {
        assert_int_equal(weir_chan_recv(c, q.ch, &v), WEIR_OK);
        assert_int_equal(v, i);
    }
    assert_int_equal(weir_join(g), WEIR_OK);
    return weir_ctx_close(g);
}

static void test_waiters_are_served_in_order(void **state)
{
    (void)state;
    SIM(first_come_first_served);
}

/* --- ends --------------------------------------------------------------------------------- */

static weir_err close_wakes(weir_ctx *c, void *arg)
{
    (void)arg;
    struct queue full = {.n = 0}, empty = {.n = 0};
    struct member m[4];
    WEIR_SCOPE(g, c);
    full.ch = weir_chan_new(g, int64_t, 1);
    empty.ch = weir_chan_new(g, int64_t, 1);
    int64_t v = 7;
    assert_int_equal(weir_chan_send(c, full.ch, &v), WEIR_OK);
    for (int i = 0; i < 4; i++) {
        m[i] = (struct member){i < 2 ? &full : &empty, i, 1};
        assert_int_equal(WEIR_GO(g, i < 2 ? send_one : recv_one, &m[i]), WEIR_OK);
    }
    settle(c);
    weir_chan_close(c, full.ch);
    weir_chan_close(c, empty.ch);
    weir_chan_close(c, empty.ch);
    assert_int_equal(weir_join(g), WEIR_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(m[i].err, WEIR_ECLOSED);
    v = 0;
    assert_int_equal(weir_chan_recv(c, full.ch, &v), WEIR_OK); /* what is in it is not lost */
    assert_int_equal(v, 7);
    assert_int_equal(weir_chan_recv(c, full.ch, &v), WEIR_ECLOSED);
    assert_int_equal(weir_chan_send(c, full.ch, &v), WEIR_ECLOSED);
    return weir_ctx_close(g);
}

static void test_closing_wakes_everybody(void **state)
{
    (void)state;
    SIM(close_wakes);
}

static weir_err end_closes(weir_ctx *c, void *arg)
{
    (void)arg;
    struct queue q = {.n = 0};
    struct member m = {&q, 1, 1};
    WEIR_SCOPE(others, c);
    WEIR_SCOPE(owner, c);
    q.ch = weir_chan_new(owner, int64_t, 0);
    assert_int_equal(WEIR_GO(others, recv_one, &m), WEIR_OK);
    settle(c);
    assert_int_equal(weir_ctx_close(owner), WEIR_OK);
    assert_int_equal(weir_join(others), WEIR_OK);
    assert_int_equal(m.err, WEIR_ECLOSED);
    return weir_ctx_close(others);
}

static void test_the_end_of_its_context_closes_it(void **state)
{
    (void)state;
    SIM(end_closes);
}

static weir_err nothing_is_lost(weir_ctx *c, void *arg)
{
    (void)arg;
    struct queue q = {.n = 0};
    struct member m[3];
    int64_t v = 5;
    q.ch = weir_chan_new(c, int64_t, 0);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(10));
    assert_int_equal(weir_chan_recv(hasty, q.ch, &v), WEIR_ETIMEDOUT); /* L06 */
    assert_int_equal(weir_chan_send(hasty, q.ch, &v), WEIR_ETIMEDOUT); /* L07 */
    assert_int_equal(weir_chan_try_recv(c, q.ch, &v), -EAGAIN);
    (void)weir_ctx_close(hasty);

    WEIR_SCOPE(g, c);

    WEIR_SCOPE(cancelled, c);
    for (int i = 0; i < 3; i++) {
        m[i] = (struct member){&q, i, 1};
        assert_int_equal(WEIR_GO(i == 0 ? cancelled : g, recv_one, &m[i]), WEIR_OK);
    }
    settle(c);
    weir_cancel(cancelled);
    for (v = 1; v <= 2; v++)
        assert_int_equal(weir_chan_send(c, q.ch, &v), WEIR_OK);
    assert_int_equal(weir_join(g), WEIR_OK);
    (void)weir_ctx_close(cancelled);
    assert_int_equal(m[0].err, WEIR_ECANCELED);
    assert_int_equal(q.order[0], 101); /* the second got the first value, the third the second */
    assert_int_equal(q.order[1], 202);
    return weir_ctx_close(g);
}

static void test_a_cancelled_wait_loses_nothing(void **state)
{
    (void)state;
    SIM(nothing_is_lost);
}

static weir_err cancelled_at_once(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch = weir_chan_new(c, int64_t, 4);
    WEIR_SCOPE(sub, c);
    int64_t v = 1;
    weir_cancel(sub);
    assert_int_equal(weir_chan_send(sub, ch, &v), WEIR_ECANCELED);
    assert_int_equal(weir_chan_try_send(sub, ch, &v), WEIR_ECANCELED);
    assert_int_equal(weir_chan_len(ch), 0);
    assert_int_equal(weir_chan_send(c, ch, &v), WEIR_OK);
    assert_int_equal(weir_chan_recv(sub, ch, &v), WEIR_ECANCELED);
    assert_int_equal(weir_chan_len(ch), 1);
    (void)weir_ctx_close(sub);
    return WEIR_OK;
}

static void test_a_cancelled_context_does_nothing(void **state)
{
    (void)state;
    SIM(cancelled_at_once);
}

static weir_err poor(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(small, c, .memory_max = 1000);
    weir_chan *ch = weir_chan_new(small, int64_t, 100000);
    int64_t v = 1;
    assert_non_null(ch);
    assert_int_equal(weir_chan_send(c, ch, &v), WEIR_ECLOSED);
    assert_int_equal(weir_chan_recv(c, ch, &v), WEIR_ECLOSED);
    weir_chan_close(c, ch);
    assert_int_equal(weir_chan_len(ch), 0);
    (void)weir_ctx_close(small);
    return WEIR_OK;
}

static void test_without_memory_it_is_a_closed_one(void **state)
{
    (void)state;
    SIM(poor);
}

/* --- misuse ------------------------------------------------------------------------------- */

static weir_err too_large(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch = weir_chan_new_at(WEIR_HERE, c, 5000, 1);
    (void)ch;
    return WEIR_OK;
}

static weir_err no_channel(weir_ctx *c, void *arg)
{
    static _Alignas(16) char zeros[sizeof(weir_chan)];
    int64_t v;
    return weir_chan_recv(c, arg != NULL ? (weir_chan *)(void *)zeros : NULL, &v);
}

static weir_err misused(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_int_equal(weir_protect(c, too_large, NULL), WEIR_EPANIC);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "4096"));
    weir_error_clear(c);
    assert_int_equal(weir_protect(c, no_channel, NULL), WEIR_EPANIC);
    weir_error_clear(c);
    assert_int_equal(weir_protect(c, no_channel, c), WEIR_EPANIC);
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_misuse_panics(void **state)
{
    (void)state;
    SIM(misused);
}

static weir_err described(weir_ctx *c, void *arg)
{
    (void)arg;
    char bytes[256];
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes);
    weir_chan *ch = weir_chan_new(c, int32_t, 8);
    int line = __LINE__ - 1;
    int32_t v = 1;
    assert_int_equal(weir_chan_send(c, ch, &v), WEIR_OK);
    weir__chan_describe(weir__chan_of(ch, "test"), &b);
    char expected[256];
    int n = snprintf(expected, sizeof expected, "chan made at %s:%d (len 1 of 8)", __FILE__, line);
    assert_int_equal(b.len, n);
    assert_memory_equal(b.ptr, expected, (size_t)n);
    return WEIR_OK;
}

static void test_it_says_where_it_was_made(void **state)
{
    (void)state;
    SIM(described);
}

/* --- between workers ---------------------------------------------------------------------- */

#define WORKERS 3
#define ITEMS 4000

struct crowd {
    weir_chan *ch, *second, *done;
    _Atomic uint64_t sent, received;
    _Atomic uint64_t sends, receipts;
};

static void produce(void *arg)
{
    struct crowd *k = arg;
    struct weir__ctx *inner = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    weir_ctx *c = weir__ctx_handle(inner);
    for (uint64_t i = 1; i <= ITEMS; i++) {
        uint64_t other = i * 3;
        weir_select_case cases[] = {{.chan = k->ch, .send = &i},
                                    {.chan = k->second, .send = &other}};
        int arm = weir_select(c, cases, 2, i % 3 == 0 ? weir_us(1) : weir_sec(-1), NULL);
        if (arm < 0) {
            assert_int_equal(arm, WEIR_ETIMEDOUT);
            continue;
        }
        atomic_fetch_add(&k->sent, arm == 0 ? i : other);
        atomic_fetch_add(&k->sends, 1);
    }
    char end = 1;
    assert_int_equal(weir_chan_send(c, k->done, &end), WEIR_OK);
    weir__ctx_end(inner);
}

static void consume(void *arg)
{
    struct crowd *k = arg;
    struct weir__ctx *inner = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    weir_ctx *c = weir__ctx_handle(inner);
    uint64_t v, w;
    bool closed = false;
    for (unsigned turn = 0; !closed; turn++) {
        weir_select_case cases[] = {{.chan = k->ch, .recv = &v}, {.chan = k->second, .recv = &w}};
        int arm = weir_select(c, cases, 2, turn % 4 == 0 ? weir_us(1) : weir_sec(-1), &closed);
        if (arm < 0 || closed)
            continue;
        atomic_fetch_add(&k->received, arm == 0 ? v : w);
        atomic_fetch_add(&k->receipts, 1);
    }
    char end = 1;
    assert_int_equal(weir_chan_send(c, k->done, &end), WEIR_OK);
    weir__ctx_end(inner);
}

static void start_two(struct weir__worker *w, void *arg)
{
    assert_non_null(weir__fiber_start(w, consume, arg, "consume", NULL, w->root));
    assert_non_null(weir__fiber_start(w, produce, arg, "produce", NULL, w->root));
}

static weir_err crowded(weir_ctx *app, void *arg)
{
    struct crowd *k = arg;
    char end;
    k->ch = weir_chan_new(app, uint64_t, 0);
    k->second = weir_chan_new(app, uint64_t, 3);
    k->done = weir_chan_new(app, char, 2 * WORKERS);
    assert_int_equal(weir__on_each_worker(weir__self->root, start_two, k, weir_sec(10)), WEIR_OK);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(weir_chan_recv(app, k->done, &end), WEIR_OK);
    while (weir_chan_len(k->second) > 0)
        assert_int_equal(weir_yield(app), WEIR_OK);
    weir_chan_close(app, k->ch);
    weir_chan_close(app, k->second);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(weir_chan_recv(app, k->done, &end), WEIR_OK);
    return WEIR_OK;
}

static void test_workers_share_a_channel_and_lose_nothing(void **state)
{
    (void)state;
    struct weir__runtime_options options = {.workers = WORKERS, .stall = weir_ns(-1)};
    struct crowd k = {.sends = 0};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, crowded, &k), WEIR_OK);
    assert_true(k.sends >= WORKERS * ITEMS * 2 / 3 - WORKERS);
    assert_int_equal(k.sends, k.receipts);
    assert_int_equal(k.sent, k.received);
    weir__runtime_free(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_buffered_channel_keeps_the_order),
        cmocka_unit_test(test_sender_and_receiver_meet),
        cmocka_unit_test(test_waiters_are_served_in_order),
        cmocka_unit_test(test_closing_wakes_everybody),
        cmocka_unit_test(test_the_end_of_its_context_closes_it),
        cmocka_unit_test(test_a_cancelled_wait_loses_nothing),
        cmocka_unit_test(test_a_cancelled_context_does_nothing),
        cmocka_unit_test(test_without_memory_it_is_a_closed_one),
        cmocka_unit_test(test_misuse_panics),
        cmocka_unit_test(test_it_says_where_it_was_made),
        cmocka_unit_test(test_workers_share_a_channel_and_lose_nothing),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
