/*
 * Posting: threads that run no fibers send to channels of the application, while it runs, while it
 * ends, and after; nothing is lost, and nothing comes to somebody else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "rt/log.h"
#include "rt/runtime.h"
#include "rt/sim.h"
#include "sync/chan.h"
#include <weir/chan.h>
#include <weir/fiber.h>
#include <weir/offload.h>

enum { THREADS = 3, POSTS = 5000, WORKERS = 2 };

static void run_for_real(weir_fiber_fn fn, void *arg)
{
    struct weir__runtime_options options = {.workers = WORKERS, .stall = weir_ns(-1)};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, fn, arg), WEIR_OK);
    weir__runtime_free(rt);
}

/* --- while it runs ------------------------------------------------------------------------ */

struct crowd {
    weir_chan *numbers, *sums;
    _Atomic uint64_t posted;
};

static void *post_numbers(void *arg)
{
    struct crowd *k = arg;
    for (uint64_t i = 1; i <= POSTS; i++) {
        weir_err err;
        while ((err = weir_chan_post(k->numbers, &i)) == -EAGAIN)
            sched_yield();
        assert_int_equal(err, WEIR_OK);
        atomic_fetch_add(&k->posted, i);
    }
    return NULL;
}

static void add_up(void *arg)
{
    struct crowd *k = arg;
    struct weir__ctx *inner = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    weir_ctx *c = weir__ctx_handle(inner);
    uint64_t sum = 0, v;
    while (weir_chan_recv(c, k->numbers, &v) == WEIR_OK)
        sum += v;
    assert_int_equal(weir_chan_send(c, k->sums, &sum), WEIR_OK);
    weir__ctx_end(inner);
}

static void start_one(struct weir__worker *w, void *arg)
{
    assert_non_null(weir__fiber_start(w, add_up, arg, "add_up", NULL, w->root));
}

static weir_err join_thread(void *arg)
{
    return pthread_join(*(pthread_t *)arg, NULL) == 0 ? WEIR_OK : WEIR_EINVALID;
}

static void crowd_with(weir_ctx *app, struct crowd *k, size_t capacity)
{
    pthread_t threads[THREADS];
    uint64_t sum = 0, part;
    k->numbers = weir_chan_new(app, uint64_t, capacity);
    k->sums = weir_chan_new(app, uint64_t, WORKERS);
    assert_int_equal(weir__on_each_worker(weir__self->root, start_one, k, weir_sec(10)), WEIR_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_numbers, k), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(weir_offload(app, join_thread, &threads[i]), WEIR_OK);
    weir_chan_close(app, k->numbers);
    assert_int_equal(weir_chan_post(k->numbers, &sum), WEIR_ECLOSED);
    for (int i = 0; i < WORKERS; i++, sum += part)
        assert_int_equal(weir_chan_recv(app, k->sums, &part), WEIR_OK);
    assert_int_equal(sum, k->posted);
    assert_int_equal(sum, (uint64_t)THREADS * POSTS * (POSTS + 1) / 2);
}

static weir_err crowded(weir_ctx *app, void *arg)
{
    (void)arg;
    crowd_with(app, &(struct crowd){.posted = 0}, 0); /* from hand to hand */
    crowd_with(app, &(struct crowd){.posted = 0}, 16);
    return WEIR_OK;
}

static void test_what_threads_post_arrives(void **state)
{
    (void)state;
    run_for_real(crowded, NULL);
}

/* --- while it ends, and after ------------------------------------------------------------- */

struct stubborn {
    pthread_t thread;
    weir_chan *ch;
    atomic_bool is_enough, has_ended;
    _Atomic uint64_t taken, refused;
};

/* A library's thread that does not know whether there is a service. */
static void *post_on(void *arg)
{
    struct stubborn *s = arg;
    const int old = 1;
    while (!atomic_load(&s->is_enough)) {
        bool has_ended = atomic_load(&s->has_ended);
        weir_err err = weir_chan_post(s->ch, &old);
        assert_true(err == WEIR_OK || err == -EAGAIN || err == WEIR_ECLOSED);
        assert_true(err == WEIR_ECLOSED || !has_ended);
        atomic_fetch_add(err == WEIR_OK ? &s->taken : &s->refused, 1);
    }
    return NULL;
}

static weir_err receive_until_closed(weir_ctx *c, void *arg)
{
    struct stubborn *s = arg;
    int v;
    while (weir_chan_recv(c, s->ch, &v) == WEIR_OK) {
    }
    return WEIR_OK;
}

static weir_err make_and_live(weir_ctx *app, void *arg)
{
    struct stubborn *s = arg;
    s->ch = weir_chan_new(app, int, 0);
    assert_int_equal(pthread_create(&s->thread, NULL, post_on, s), 0);
    WEIR_SCOPE(group, app);
    assert_int_equal(WEIR_GO(group, receive_until_closed, s), WEIR_OK);
    while (atomic_load(&s->taken) < 100)
        assert_int_equal(weir_yield(group), WEIR_OK);
    return WEIR_OK;
}

static void wait_for(const _Atomic uint64_t *count, uint64_t more)
{
    for (uint64_t goal = atomic_load(count) + more; atomic_load(count) < goal;)
        sched_yield();
}

/* In the place of the old one: nothing of it arrives. */
static weir_err takes_the_place(weir_ctx *app, void *arg)
{
    struct stubborn *s = arg;
    weir_chan *ch = weir_chan_new(app, int, 4);
    const uintptr_t address = 0xffffffffffffULL;
    assert_int_equal((uintptr_t)ch & address, (uintptr_t)s->ch & address);
    wait_for(&s->refused, 1000);
    assert_int_equal(weir_chan_len(ch), 0);
    return WEIR_OK;
}

static void test_a_thread_may_post_beyond_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct stubborn s = {.ch = NULL};
        run_for_real(make_and_live, &s);
        atomic_store(&s.has_ended, true);
        wait_for(&s.refused, 10);
        run_for_real(takes_the_place, &s);
        atomic_store(&s.is_enough, true);
        assert_int_equal(pthread_join(s.thread, NULL), 0);
    }
}

/* --- who may, and what -------------------------------------------------------------------- */

struct attempt {
    weir_chan *ch;
    weir_err err;
};

static void *post_one(void *arg)
{
    struct attempt *a = arg;
    a->err = weir_chan_post(a->ch, &(int){7});
    return NULL;
}

static weir_err from_a_thread(weir_chan *ch)
{
    struct attempt a = {.ch = ch};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_one, &a), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return a.err;
}

static weir_err post_misused(weir_ctx *c, void *arg)
{
    (void)c;
    return weir_chan_post(arg, &(int){7});
}

static weir_err is_particular(weir_ctx *c, void *arg)
{
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    weir_buf *log = arg;
    int v = 0;
    weir_chan *shared = weir_chan_new(app, int, 1), *local = weir_chan_new(c, int, 1);
    assert_int_equal(weir_chan_post(shared, &(int){5}), WEIR_OK);
    assert_int_equal(weir_chan_post(shared, &(int){6}), -EAGAIN);
    assert_int_equal(weir_chan_recv(c, shared, &v), WEIR_OK);
    assert_int_equal(v, 5);
    assert_int_equal(from_a_thread(shared), WEIR_OK);
    assert_int_equal(from_a_thread(shared), -EAGAIN);
    assert_int_equal(weir_chan_recv(c, shared, &v), WEIR_OK);
    assert_int_equal(v, 7);
    weir_chan_close(c, shared);
    assert_int_equal(from_a_thread(shared), WEIR_ECLOSED);
    assert_int_equal(log->len, 0);
    assert_int_equal(from_a_thread(local), WEIR_EINVALID);
    weir_buf_putc(log, '\0');
    assert_non_null(strstr(log->ptr, "weir_chan_post was called on a thread that runs no fibers"));
    assert_non_null(strstr(log->ptr, "not made in the application's context"));
    assert_int_equal(weir_chan_len(local), 0);
    assert_int_equal(weir_protect(c, post_misused, local), WEIR_EPANIC);
    return WEIR_OK;
}

static void test_it_is_for_channels_of_the_application(void **state)
{
    (void)state;
    weir_buf log;
    weir_buf_init(&log, 1 << 20);
    weir__log_capture(&log);
    assert_int_equal(weir__sim_run(is_particular, &log), WEIR_OK);
    weir__log_capture(NULL);
    weir_buf_fini(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_threads_post_arrives),
        cmocka_unit_test(test_a_thread_may_post_beyond_the_end),
        cmocka_unit_test(test_it_is_for_channels_of_the_application),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
