/*
 * Topics: copies for all, the three policies of a full queue, ends in every order, and workers that
 * publish while others come and go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/log.h"
#include "rt/sim.h"
#include "watch/watch.h"
#include <weir/fiber.h>
#include <weir/topic.h>

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

static void publish(weir_ctx *c, weir_topic *t, int64_t from, int64_t to)
{
    for (int64_t i = from; i <= to; i++)
        assert_int_equal(weir_publish(c, t, &i), WEIR_OK);
}

/* What is queued must be `from` to `to`, and nothing else. */
static void expect(weir_ctx *c, weir_subscription *s, int64_t from, int64_t to)
{
    int64_t v = 0;
    for (int64_t i = from; i <= to; i++) {
        assert_int_equal(weir_subscription_try_recv(c, s, &v), WEIR_OK);
        assert_int_equal(v, i);
    }
    assert_int_equal(weir_subscription_try_recv(c, s, &v), -EAGAIN);
}

/* --- delivery ----------------------------------------------------------------------------- */

static weir_err delivers(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_topic *t = weir_topic_new(c, int64_t);
    publish(c, t, 1, 3); /* nobody is there */
    weir_subscription *a = weir_subscribe(c, t);
    publish(c, t, 4, 5);
    weir_subscription *b = weir_subscribe(c, t);
    publish(c, t, 6, 7);
    assert_int_equal(weir_topic_subscribers(t), 2);
    expect(c, a, 4, 7);
    expect(c, b, 6, 7);
    weir_unsubscribe(c, a);
    weir_unsubscribe(c, a);
    publish(c, t, 8, 8);
    int64_t v;
    assert_int_equal(weir_subscription_try_recv(c, a, &v), WEIR_ECLOSED);
    assert_int_equal(weir_subscription_recv(c, a, &v), WEIR_ECLOSED);
    expect(c, b, 8, 8);
    assert_int_equal(weir_topic_subscribers(t), 1);
    return WEIR_OK;
}

struct listener {
    weir_subscription *s;
    int64_t sum;
    weir_err err;
};

static weir_err listen_on(weir_ctx *c, void *arg)
{
    struct listener *l = arg;
    int64_t v;
    while ((l->err = weir_subscription_recv(c, l->s, &v)) == WEIR_OK)
        l->sum += v;
    return WEIR_OK;
}

/* Fibers that wait are woken; a cancelled wait takes nothing. */
static weir_err wakes(weir_ctx *c, void *arg)
{
    (void)arg;
    struct listener l[3];
    WEIR_SCOPE(g, c);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(10));
    weir_topic *t = weir_topic_new(c, int64_t);
    for (int i = 0; i < 3; i++) {
        l[i] = (struct listener){.s = weir_subscribe(g, t)};
        assert_int_equal(WEIR_GO(i == 2 ? hasty : g, listen_on, &l[i]), WEIR_OK);
    }
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    publish(c, t, 1, 1);
    assert_int_equal(weir_sleep(c, weir_ms(50)), WEIR_OK);
    publish(c, t, 10, 10);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(l[0].sum, 11);
    assert_int_equal(l[1].sum, 11);
    assert_int_equal(l[2].sum, 1);
    assert_int_equal(l[2].err, WEIR_ETIMEDOUT);
    expect(c, l[2].s, 10, 10);
    for (int i = 0; i < 3; i++)
        weir_unsubscribe(c, l[i].s);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(l[0].err, WEIR_ECLOSED);
    (void)weir_ctx_close(hasty);
    return weir_ctx_close(g);
}

static weir_err selects(weir_ctx *c, void *arg)
{
    int64_t a = 0, b = 0;
    (void)arg;
    weir_topic *t = weir_topic_new(c, int64_t);
    weir_subscription *s = weir_subscribe(c, t);
    weir_select_case arms[] = {{.chan = weir_subscription_chan(s), .recv = &a},
                               {.chan = weir_chan_new(c, int64_t, 1), .recv = &b}};
    assert_int_equal(weir_select(c, arms, 2, weir_ms(10), NULL), WEIR_ETIMEDOUT);
    publish(c, t, 5, 5);
    assert_int_equal(weir_select(c, arms, 2, weir_ms(10), NULL), 0);
    assert_int_equal(a, 5);
    return WEIR_OK;
}

static void test_all_who_have_subscribed_get_a_copy(void **state)
{
    (void)state;
    SIM(delivers, NULL);
    SIM(wakes, NULL);
    SIM(selects, NULL);
}

/* --- full queues -------------------------------------------------------------------------- */

static weir_err fills(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_topic *t = weir_topic_new(c, int64_t, .capacity = 3);
    weir_subscription *oldest = weir_subscribe(c, t);
    weir_subscription *newest = weir_subscribe(c, t, .policy = WEIR_TOPIC_DROP_NEWEST);
    weir_subscription *roomy = weir_subscribe(c, t, .capacity = 100);
    publish(c, t, 1, 8);
    assert_int_equal(weir_subscription_dropped(oldest), 5);
    assert_int_equal(weir_subscription_dropped(newest), 5);
    assert_int_equal(weir_subscription_dropped(roomy), 0);
    expect(c, oldest, 6, 8);
    expect(c, newest, 1, 3);
    expect(c, roomy, 1, 8);
    /* One that refuses: nobody gets what it has no room for. */
    weir_subscription *strict = weir_subscribe(c, t, .policy = WEIR_TOPIC_REFUSE, .capacity = 2);
    publish(c, t, 1, 2);
    int64_t v = 3;
    assert_int_equal(weir_publish(c, t, &v), -EAGAIN);
    expect(c, oldest, 1, 2);
    expect(c, roomy, 1, 2);
    assert_int_equal(weir_subscription_try_recv(c, strict, &v), WEIR_OK);
    publish(c, t, 3, 3);
    expect(c, strict, 2, 3);
    assert_int_equal(weir_subscription_dropped(strict), 0);
    publish(c, t, 4, 5);
    weir_unsubscribe(c, strict); /* full, and gone: it refuses nothing any more */
    publish(c, t, 6, 6);
    expect(c, oldest, 4, 6);
    return WEIR_OK;
}

static void test_a_full_queue_has_a_policy(void **state)
{
    (void)state;
    SIM(fills, NULL);
}

/* --- ends --------------------------------------------------------------------------------- */

/* L32: a subscription that nobody ends goes with its context. */
static weir_err forgets(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_topic *t = weir_topic_new(c, int64_t, .subscribers_max = 4);
    for (int i = 0; i < 10000; i++) {
        WEIR_WITH(turn, c) {
            weir_subscription *s = weir_subscribe(turn, t, .capacity = 2);
            publish(c, t, 1, 3);
            expect(turn, s, 2, 3);
        }
    }
    assert_int_equal(weir_topic_subscribers(t), 0);
    return WEIR_OK;
}

static weir_err topic_ends_first(weir_ctx *c, void *arg)
{
    struct listener l = {.sum = 0};
    int64_t v;
    (void)arg;
    WEIR_SCOPE(of_topic, c);
    WEIR_SCOPE(g, c);
    weir_topic *t = weir_topic_new(of_topic, int64_t);
    weir_subscription *s = weir_subscribe(g, t);
    l.s = weir_subscribe(g, t);
    assert_int_equal(WEIR_GO(g, listen_on, &l), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    publish(c, t, 1, 2);
    assert_int_equal(weir_ctx_close(of_topic), WEIR_OK);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(l.sum, 3);
    assert_int_equal(l.err, WEIR_ECLOSED);
    assert_int_equal(weir_subscription_recv(c, s, &v), WEIR_OK); /* what is in the queue */
    assert_int_equal(weir_subscription_recv(c, s, &v), WEIR_OK);
    assert_int_equal(weir_subscription_recv(c, s, &v), WEIR_ECLOSED);
    weir_unsubscribe(c, s);
    return weir_ctx_close(g);
}

static weir_err is_limited(weir_ctx *c, void *arg)
{
    int64_t v = 1;
    (void)arg;
    weir_topic *t = weir_topic_new(c, int64_t, .subscribers_max = 1);
    weir_subscription *first = weir_subscribe(c, t), *second = weir_subscribe(c, t);
    assert_int_equal(weir_subscription_recv(c, second, &v), WEIR_ELIMIT);
    assert_int_equal(weir_subscription_try_recv(c, second, &v), WEIR_ELIMIT);
    assert_int_equal(weir_subscription_dropped(second), 0);
    weir_unsubscribe(c, second);
    publish(c, t, 1, 1);
    expect(c, first, 1, 1);
    WEIR_SCOPE(done, c);
    weir_cancel(done);
    assert_int_equal(weir_publish(done, t, &v), WEIR_ECANCELED);
    assert_int_equal(weir_subscription_recv(done, first, &v), WEIR_ECANCELED);
    (void)weir_ctx_close(done);
    return WEIR_OK;
}

static void test_L32_subscriptions_belong_to_a_context(void **state)
{
    (void)state;
    SIM(forgets, NULL);
    SIM(topic_ends_first, NULL);
    SIM(is_limited, NULL);
}

/* --- failures everywhere ------------------------------------------------------------------ */

static weir_err without_memory(weir_ctx *c, void *arg)
{
    uint64_t *nth = arg;
    WEIR_SCOPE(big, c);
    weir__alloc_fail_nth(*nth);
    weir_topic *t = weir_topic_new_at(
        WEIR_HERE, big, 4096,
        &(weir_topic_options){.size = sizeof(weir_topic_options), .capacity = 64});
    weir_subscription *s = weir_subscribe(big, t);
    char elem[4096] = {7};
    weir_err published = weir_publish(big, t, elem);
    weir_err err = weir_subscription_try_recv(big, s, elem);
    weir__alloc_fail_nth(0);
    assert_true(published == WEIR_OK || published == -ENOMEM);
    assert_true(err == WEIR_OK || err == -ENOMEM);
    if (err == -ENOMEM) {
        weir_select_case arm = {.chan = weir_subscription_chan(s), .recv = elem};
        bool closed = false;
        assert_int_equal(weir_select(c, &arm, 1, weir_ms(1), &closed), 0);
        assert_true(closed);
        assert_int_equal(weir_subscription_dropped(s), 0);
        weir_unsubscribe(big, s);
    }
    *nth = err == WEIR_OK ? 0 : *nth + 1;
    (void)weir_ctx_close(big);
    return WEIR_OK;
}

static weir_err story(weir_ctx *c, void *arg)
{
    struct listener l = {.sum = 0};
    (void)arg;
    WEIR_SCOPE(g, c);
    weir_topic *t = weir_topic_new(c, int64_t);
    l.s = weir_subscribe(g, t);
    assert_int_equal(WEIR_GO(g, listen_on, &l), WEIR_OK);
    for (int64_t i = 1; i <= 3; i++) {
        (void)!weir_sleep(c, weir_ms(1));
        weir_err err = weir_publish(c, t, &i);
        assert_true(err == WEIR_OK || err == WEIR_ECANCELED);
    }
    weir_unsubscribe(g, l.s);
    (void)!weir_join(g);
    (void)weir_ctx_close(g);
    assert_int_equal(weir_topic_subscribers(t), 0);
    assert_true(l.err == WEIR_ECLOSED || l.err == WEIR_ECANCELED);
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
    uint64_t nth = 1;
    int rounds = 0;
    for (; nth != 0; rounds++) {
        SIM(without_memory, &nth);
        assert_true(rounds < 20);
    }
    assert_true(rounds > 1);
    nth = 1;
    for (rounds = 0; nth != 0; rounds++) {
        SIM(cancel_nth, &nth);
        assert_true(rounds < 100);
    }
    assert_true(rounds > 6); /* three sleeps, four receipts */
}

/* --- misuse ------------------------------------------------------------------------------- */

static weir_err too_large(weir_ctx *c, void *arg)
{
    (void)arg;
    struct large {
        char bytes[4097];
    };
    weir_topic *made = weir_topic_new(c, struct large);
    (void)made;
    return WEIR_OK;
}

static weir_err too_long(weir_ctx *c, void *arg)
{
    weir_subscription *made = weir_subscribe(c, arg, .capacity = 65537);
    (void)made;
    return WEIR_OK;
}

static weir_err no_such_policy(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_topic *made = weir_topic_new(c, int, .policy = (weir_topic_policy)9);
    (void)made;
    return WEIR_OK;
}

static weir_err is_misused(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_topic *t = weir_topic_new(c, int);
    assert_int_equal(weir_protect(c, too_large, NULL), WEIR_EPANIC);
    assert_int_equal(weir_protect(c, too_long, t), WEIR_EPANIC);
    assert_int_equal(weir_protect(c, no_such_policy, NULL), WEIR_EPANIC);
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_misuse_panics(void **state)
{
    (void)state;
    static char bytes[32768];
    weir_buf log;
    weir_buf_init_fixed(&log, bytes, sizeof bytes - 1);
    weir__log_capture(&log);
    SIM(is_misused, NULL);
    weir__log_capture(NULL);
    assert_non_null(strstr(bytes, "weir_topic_new: elements of 4097 bytes"));
    assert_non_null(strstr(bytes, "weir_subscribe: a queue of 65537 elements"));
    assert_non_null(strstr(bytes, "weir_topic_new: there is no policy 9"));
}

/* --- between workers ---------------------------------------------------------------------- */

#define WORKERS 3
#define ITEMS 3000

struct crowd {
    weir_topic *t;
    weir_chan *done;
    _Atomic uint64_t published, received, dropped;
};

/*
 * What another worker has published while this one was held: each queue has what it would have,
 * had all come at once.
 */
struct held {
    weir_topic *t;
    weir_chan *ready;
    atomic_int published; /* how often it has; the subscriber's worker is held until then */
};

static void hold_until(weir_ctx *c, struct held *h, int published)
{
    char one = 1;
    assert_int_equal(weir_chan_send(c, h->ready, &one), WEIR_OK);
    while (atomic_load(&h->published) < published)
        ;
}

static void subscribe_held(void *arg)
{
    struct held *h = arg;
    int64_t v;
    struct weir__ctx *inner = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    weir_ctx *c = weir__ctx_handle(inner);
    weir_subscription *oldest = weir_subscribe(c, h->t, .capacity = 3);
    weir_subscription *newest =
        weir_subscribe(c, h->t, .capacity = 3, .policy = WEIR_TOPIC_DROP_NEWEST);
    hold_until(c, h, 1);
    weir_subscription *late = weir_subscribe(c, h->t, .capacity = 20);
    expect(c, oldest, 98, 100);
    expect(c, newest, 1, 3);
    expect(c, late, 1, 0);
    assert_int_equal(weir_subscription_dropped(oldest), 97);
    assert_int_equal(weir_subscription_dropped(newest), 97);
    assert_int_equal(weir_subscription_dropped(late), 0);
    weir_subscription *strict = weir_subscribe(c, h->t, .capacity = 2, .policy = WEIR_TOPIC_REFUSE);
    hold_until(c, h, 2);
    expect(c, strict, 1, 2); /* the third was refused to all */
    expect(c, late, 1, 2);
    expect(c, oldest, 1, 2);
    hold_until(c, h, 3);
    weir_unsubscribe(c, late); /* what came before that may still be received */
    assert_int_equal(weir_subscription_try_recv(c, late, &v), WEIR_OK);
    assert_int_equal(v, 3);
    assert_int_equal(weir_subscription_try_recv(c, late, &v), WEIR_ECLOSED);
    assert_int_equal(weir_topic_subscribers(h->t), 3);
    weir__ctx_end(inner);
    weir_chan_close(weir__ctx_handle(weir__self->root), h->ready);
}

static void start_held(struct weir__worker *w, void *arg)
{
    if (w->index == 1)
        assert_non_null(weir__fiber_start(w, subscribe_held, arg, "held", NULL, w->root));
}

static weir_err publishes_to_held(weir_ctx *app, void *arg)
{
    struct held *h = arg;
    char one;
    int64_t v = 3;
    h->t = weir_topic_new(app, int64_t);
    h->ready = weir_chan_new(app, char, 1);
    assert_int_equal(weir__on_each_worker(weir__self->root, start_held, h, weir_sec(10)), WEIR_OK);
    assert_int_equal(weir_chan_recv(app, h->ready, &one), WEIR_OK);
    publish(app, h->t, 1, 100);
    atomic_store(&h->published, 1);
    assert_int_equal(weir_chan_recv(app, h->ready, &one), WEIR_OK);
    publish(app, h->t, 1, 2);
    assert_int_equal(weir_publish(app, h->t, &v), -EAGAIN);
    atomic_store(&h->published, 2);
    assert_int_equal(weir_chan_recv(app, h->ready, &one), WEIR_OK);
    publish(app, h->t, 3, 3);
    atomic_store(&h->published, 3);
    assert_int_equal(weir_chan_recv(app, h->ready, &one), WEIR_ECLOSED);
    assert_int_equal(weir_topic_subscribers(h->t), 0);
    publish(app, h->t, 4, 4); /* its station is there, and empty */
    return WEIR_OK;
}

static void run_workers(weir_err (*main)(weir_ctx *app, void *arg), void *arg)
{
    struct weir__runtime_options options = {.workers = WORKERS, .stall = weir_ns(-1)};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, main, arg), WEIR_OK);
    weir__runtime_free(rt);
}

static void test_a_worker_that_is_held_loses_what_its_queues_would(void **state)
{
    (void)state;
    struct held h = {.published = 0};
    run_workers(publishes_to_held, &h);
}

/* Subscribes for good: gets all, or drops it and knows. */
static void listen_long(void *arg)
{
    struct crowd *k = arg;
    struct weir__ctx *inner = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    weir_ctx *c = weir__ctx_handle(inner);
    uint64_t v, last[WORKERS] = {0};
    weir_subscription *s = weir_subscribe(c, k->t, .capacity = 512);
    char begun = 1;
    assert_int_equal(weir_chan_send(c, k->done, &begun), WEIR_OK);
    while (weir_subscription_recv(c, s, &v) == WEIR_OK && v != 0) {
        assert_true(v / WORKERS > last[v % WORKERS]); /* in each publisher's order */
        last[v % WORKERS] = v / WORKERS;
        atomic_fetch_add(&k->received, 1);
    }
    atomic_fetch_add(&k->dropped, weir_subscription_dropped(s));
    weir__ctx_end(inner); /* unsubscribes */
    assert_int_equal(weir_chan_send(weir__ctx_handle(weir__self->root), k->done, &begun), WEIR_OK);
}

static void publish_much(void *arg)
{
    struct crowd *k = arg;
    struct weir__ctx *inner = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    weir_ctx *c = weir__ctx_handle(inner);
    weir_err err;
    for (uint64_t i = 1; i <= ITEMS; i++) {
        uint64_t v = i * WORKERS + weir__self->index;
        assert_int_equal(weir_publish(c, k->t, &v), WEIR_OK);
        atomic_fetch_add(&k->published, 1);
        if (i % 16 != 0)
            continue;
        WEIR_WITH(turn, c) { /* others come and go meanwhile */
            weir_subscription *s = weir_subscribe(turn, k->t, .capacity = 4);
            assert_int_equal(weir_yield(turn), WEIR_OK);
            err = weir_subscription_try_recv(turn, s, &v);
            assert_true(err == WEIR_OK || err == -EAGAIN);
        }
    }
    char end = 1;
    assert_int_equal(weir_chan_send(c, k->done, &end), WEIR_OK);
    weir__ctx_end(inner);
}

static void start_listener(struct weir__worker *w, void *arg)
{
    assert_non_null(weir__fiber_start(w, listen_long, arg, "listen", NULL, w->root));
}

static void start_publisher(struct weir__worker *w, void *arg)
{
    assert_non_null(weir__fiber_start(w, publish_much, arg, "publish", NULL, w->root));
}

static void await_all(weir_ctx *app, struct crowd *k)
{
    char one;
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(weir_chan_recv(app, k->done, &one), WEIR_OK);
}

static weir_err crowded(weir_ctx *app, void *arg)
{
    struct crowd *k = arg;
    uint64_t end = 0;
    k->t = weir_topic_new(app, uint64_t);
    k->done = weir_chan_new(app, char, WORKERS);
    assert_int_equal(weir__on_each_worker(weir__self->root, start_listener, k, weir_sec(10)),
                     WEIR_OK);
    await_all(app, k);
    assert_int_equal(weir__on_each_worker(weir__self->root, start_publisher, k, weir_sec(10)),
                     WEIR_OK);
    await_all(app, k);
    assert_int_equal(weir_publish(app, k->t, &end), WEIR_OK);
    await_all(app, k);
    assert_int_equal(weir_topic_subscribers(k->t), 0);
    return WEIR_OK;
}

static void test_workers_share_a_topic_and_count_what_they_drop(void **state)
{
    (void)state;
    struct crowd k = {.published = 0};
    run_workers(crowded, &k);
    assert_int_equal(k.published, WORKERS * ITEMS);
    assert_int_equal(k.received + k.dropped, WORKERS * k.published);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_who_have_subscribed_get_a_copy),
        cmocka_unit_test(test_a_full_queue_has_a_policy),
        cmocka_unit_test(test_L32_subscriptions_belong_to_a_context),
        cmocka_unit_test(test_whatever_fails_none_is_left),
        cmocka_unit_test(test_misuse_panics),
        cmocka_unit_test(test_a_worker_that_is_held_loses_what_its_queues_would),
        cmocka_unit_test(test_workers_share_a_topic_and_count_what_they_drop),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
