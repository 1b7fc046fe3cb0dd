/*
 * The worker's loop: by which clock it goes to sleep, and whom it counts as runnable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "rt/sim.h"
#include <weir/chan.h>

#define MS 1000000LL

/* --- the clock before a sleep --------------------------------------------------------------- */

/*
 * A poller like the kernel's: it is told how long to wait, not until when. Its clock goes on where
 * the test says that work was done.
 */
static int64_t clock_ns;

static weir_err kernel_init(struct weir__poller *p)
{
    (void)p;
    return WEIR_OK;
}

static weir_time kernel_now(struct weir__poller *p)
{
    (void)p;
    return (weir_time){clock_ns};
}

static weir_time kernel_poll(struct weir__poller *p, weir_time now, weir_time until)
{
    int64_t left = until.ns - now.ns;
    (void)p;
    assert_true(until.ns != INT64_MAX); /* nothing else would ever happen */
    clock_ns += left > 0 ? left : 0;
    return (weir_time){clock_ns};
}

static void kernel_wake(struct weir__poller *p)
{
    (void)p;
}

static const struct weir__poller_ops kernel = {.name = "kernel",
                                               .init = kernel_init,
                                               .now = kernel_now,
                                               .poll = kernel_poll,
                                               .wake = kernel_wake};

static weir_err works(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    clock_ns += 45 * MS; /* and nobody reads it meanwhile */
    return WEIR_OK;
}

static weir_err sleeps_beside_work(weir_ctx *app, void *arg)
{
    struct weir__ctx *c = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    (void)app;
    assert_non_null(c);
    int64_t began = clock_ns;
    assert_int_equal(WEIR_GO(weir__ctx_handle(c), works, NULL), WEIR_OK);
    assert_int_equal(weir_sleep(weir__ctx_handle(c), weir_ms(50)), WEIR_OK);
    *(int64_t *)arg = clock_ns - began;
    weir__ctx_end(c);
    return WEIR_OK;
}

static void test_a_sleep_is_as_long_beside_work(void **state)
{
    struct weir__runtime_options options = {
        .workers = 1, .stall = weir_ns(-1), .hibernate_after = weir_ns(-1), .poller = &kernel};
    char message[128];
    weir_err err;
    int64_t took = 0;
    (void)state;
    clock_ns = 1000 * MS;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, sleeps_beside_work, &took), WEIR_OK);
    weir__runtime_free(rt);
    assert_in_range(took, 50 * MS, 51 * MS);
}

/* --- who is runnable ------------------------------------------------------------------------ */

enum { WAITERS = 3 };

static struct weir__wait *waiting[WAITERS];

static weir_err parks(weir_ctx *c, void *arg)
{
    static const struct weir__wait_type type = {.name = "test"};
    struct weir__wait wait;
    weir__wait_init(&wait, &type, weir__ctx_of(c), NULL, NULL);
    *(struct weir__wait **)arg = &wait;
    return weir__park(&wait, weir_never());
}

static void *wake_all(void *arg)
{
    for (int i = 0; i < WAITERS; i++)
        weir__wake(waiting[i], WEIR_OK);
    return arg;
}

static weir_err counts(weir_ctx *c, void *arg)
{
    bool from_another = *(bool *)arg;
    pthread_t thread;
    weir_ctx *g = weir_ctx_open(c);
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(WEIR_GO(g, parks, &waiting[i]), WEIR_OK);
    assert_int_equal(weir__worker_runnable(weir__self), 1 + WAITERS); /* begun, and itself */
    assert_int_equal(weir_yield(c), WEIR_OK);
    assert_int_equal(weir__worker_runnable(weir__self), 1);
    if (from_another) {
        assert_int_equal(pthread_create(&thread, NULL, wake_all, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    } else {
        wake_all(NULL);
    }
    assert_int_equal(weir__worker_runnable(weir__self), 1 + WAITERS);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(weir__worker_runnable(weir__self), 1);
    return weir_ctx_close(g);
}

static void test_who_was_woken_is_runnable(void **state)
{
    bool from_another = false;
    (void)state;
    assert_int_equal(weir__sim_run(counts, &from_another), WEIR_OK);
    from_another = true;
    assert_int_equal(weir__sim_run(counts, &from_another), WEIR_OK);
}

/* --- the end of a turn ------------------------------------------------------------------------ */

struct ended {
    struct weir__turn_end end;
    unsigned runs, again; /* it asks so often again */
    uint64_t polls;       /* when it ran last */
};

static void on_end(struct weir__turn_end *t)
{
    struct ended *e = WEIR_CONTAINER(t, struct ended, end);
    assert_null(weir__fiber_self());
    e->runs++;
    e->polls = atomic_load(&weir__self->stats.polls);
    if (e->again > 0) {
        e->again--;
        weir__turn_end_ask(t);
    }
}

static weir_err asks(weir_ctx *c, void *arg)
{
    (void)c;
    weir__turn_end_ask(&((struct ended *)arg)->end);
    return WEIR_OK;
}

static weir_err ends_once_a_turn(weir_ctx *c, void *arg)
{
    (void)arg;
    struct ended *e = weir_new(c, struct ended);
    assert_non_null(e);
    weir__turn_end_init(&e->end, on_end);
    weir_ctx *g = weir_ctx_open(c);
    for (int i = 0; i < 10; i++)
        assert_int_equal(WEIR_GO(g, asks, e), WEIR_OK);
    weir__turn_end_ask(&e->end);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(e->runs, 0);
    uint64_t polls = atomic_load(&weir__self->stats.polls);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(e->runs, 1);
    assert_int_equal(e->polls, polls);
    /* Who asks again has each turn, before the clock goes on. */
    weir_time now = weir__self->now;
    e->again = 3;
    weir__turn_end_ask(&e->end);
    while (e->runs < 5)
        weir__fiber_yield();
    assert_int_equal(e->again, 0);
    assert_int_equal(weir__self->now.ns, now.ns);
    /* Who has taken it back has none. */
    weir__turn_end_ask(&e->end);
    weir__turn_end_forget(&e->end);
    weir__turn_end_forget(&e->end);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(e->runs, 5);
    return weir_ctx_close(g);
}

static void test_a_turn_ends_once(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(ends_once_a_turn, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sleep_is_as_long_beside_work),
        cmocka_unit_test(test_who_was_woken_is_runnable),
        cmocka_unit_test(test_a_turn_ends_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
