/*
 * The offload pool: results, limits, cancellation before and while a call runs, threads that come
 * when needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

#include "rt/offload.h"
#include "rt/panic.h"
#include "rt/sim.h"
#include "watch/watch.h"
#include <weir/fiber.h>
#include <weir/offload.h>

static void run_for_real(unsigned workers, weir_fiber_fn fn, void *arg)
{
    struct weir__runtime_options options = {.workers = workers, .stall = weir_ns(-1)};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, fn, arg), WEIR_OK);
    weir__runtime_free(rt);
}

/* A context of the worker, as a request has. */
static weir_ctx *open_request(void)
{
    return weir__ctx_handle(weir__ctx_new(weir__self->root, weir_never(), 0, NULL));
}

/* --- in the simulation -------------------------------------------------------------------- */

static weir_err add_one(void *arg)
{
    ++*(int *)arg;
    return *(int *)arg > 1 ? WEIR_ENOTFOUND : WEIR_OK;
}

static weir_err panics(void *arg)
{
    ++*(int *)arg;
    weir_panic("computed too much");
}

static weir_err offload_panic(weir_ctx *c, void *arg)
{
    return weir_offload(c, panics, arg);
}

static weir_err is_the_callers_panic(weir_ctx *c, void *arg)
{
    int n = 0;
    uint64_t before = weir__panic_total();
    (void)arg;
    for (int i = 1; i <= 20; i++) {
        assert_int_equal(weir_protect(c, offload_panic, &n), WEIR_EPANIC);
        assert_int_equal(n, i);
        weir_str message = weir_last_error(c)->message;
        assert_true(weir_str_eq(message, WEIR_S("computed too much")));
        weir_error_clear(c);
    }
    assert_int_equal(weir__panic_total() - before, 20);
    n = 0;
    assert_int_equal(weir_offload(c, add_one, &n), WEIR_OK);
    return WEIR_OK;
}

static void test_a_panic_is_the_callers(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(is_the_callers_panic, NULL), WEIR_OK);
}

static weir_err is_the_callers_for_real(weir_ctx *c, void *arg)
{
    weir_ctx *request = open_request();
    (void)c;
    (void)!is_the_callers_panic(request, arg);
    weir__ctx_end(weir__ctx_of(request));
    return WEIR_OK;
}

static void test_a_panic_on_a_thread_is_the_callers(void **state)
{
    (void)state;
    run_for_real(1, is_the_callers_for_real, NULL);
}

static weir_err runs_inline(weir_ctx *c, void *arg)
{
    int *n = arg;
    assert_int_equal(weir_offload(c, add_one, n), WEIR_OK);
    assert_int_equal(*n, 1);
    assert_int_equal(weir_offload(c, add_one, n), WEIR_ENOTFOUND);
    WEIR_SCOPE(sub, c);
    weir_cancel(sub);
    assert_int_equal(weir_offload(sub, add_one, n), WEIR_ECANCELED);
    assert_int_equal(*n, 2);
    (void)weir_ctx_close(sub);
    return WEIR_OK;
}

static void test_the_simulation_calls_after_a_turn(void **state)
{
    (void)state;
    int n = 0;
    assert_int_equal(weir__sim_run(runs_inline, &n), WEIR_OK);
}

static weir_err ask_for_one(weir_ctx *c, void *arg)
{
    return weir_offload(c, add_one, arg);
}

static weir_err cancels_queued(weir_ctx *c, void *arg)
{
    int *n = arg;
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, ask_for_one, n), WEIR_OK);
    assert_int_equal(WEIR_GO(group, ask_for_one, n), WEIR_OK);
    weir__fiber_yield(); /* both are queued now */
    weir_cancel(group);
    assert_int_equal(weir_join(group), WEIR_ECANCELED);
    assert_int_equal(*n, 0);
    weir__wait_cancel_nth(1);
    WEIR_SCOPE(alone, c);
    assert_int_equal(weir_offload(alone, add_one, n), WEIR_ECANCELED);
    assert_int_equal(*n, 0);
    (void)weir_ctx_close(alone);
    return WEIR_OK;
}

static void test_the_simulation_cancels_what_is_queued(void **state)
{
    (void)state;
    int n = 0;
    assert_int_equal(weir__sim_run(cancels_queued, &n), WEIR_OK);
}

/* --- in the simulation, taking time ------------------------------------------------------- */

/* A call, and what became of it. */
struct trial {
    struct weir__offload_pool *pool; /* NULL: the general one */
    weir_dur timeout;
    void (*interrupt)(void *arg);
    int runs, interrupts;
    weir_err err;
    int64_t ms; /* that it took */
};

static weir_err run_trial(void *arg)
{
    struct trial *t = arg;
    t->runs++;
    return WEIR_ENOTFOUND;
}

static void stop_trial(void *arg)
{
    struct trial *t = arg;
    assert_int_equal(t->runs, 0);
    t->interrupts++;
}

static weir_err try_it(weir_ctx *c, void *arg)
{
    struct trial *t = arg;
    weir_time began = weir_now();
    WEIR_SCOPE(hasty, c, .timeout = t->timeout);
    struct weir__offload_pool *pool = t->pool != NULL ? t->pool : weir__self->runtime->offload;
    t->err = weir__offload_on(pool, weir__ctx_of(hasty), NULL, run_trial, t, t->interrupt);
    t->ms = weir_time_sub(weir_now(), began).ns / weir_ms(1).ns;
    (void)weir_ctx_close(hasty);
    return WEIR_OK;
}

static void assert_ended(const struct trial *t, weir_err err, int64_t ms, int runs, int interrupts)
{
    assert_int_equal(t->err, err);
    assert_int_equal(t->ms, ms);
    assert_int_equal(t->runs, runs);
    assert_int_equal(t->interrupts, interrupts);
}

static weir_err takes_time(weir_ctx *c, void *arg)
{
    struct trial t[] = {{.timeout = weir_sec(1)}, {.timeout = weir_sec(1)}};
    (void)arg;
    assert_int_equal(try_it(c, &t[0]), WEIR_OK);
    assert_ended(&t[0], WEIR_ENOTFOUND, 0, 1, 0);
    weir__sim_offload_takes(weir_ms(30));
    assert_int_equal(try_it(c, &t[1]), WEIR_OK);
    assert_ended(&t[1], WEIR_ENOTFOUND, 30, 1, 0);
    assert_int_equal(weir__offload_stats(weir__self->runtime->offload).calls, 2);
    return WEIR_OK;
}

static void test_the_simulation_lets_a_call_take_time(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(takes_time, NULL), WEIR_OK);
}

/* As on threads: what runs is waited for, unless it can be told to end; what is queued leaves. */
static weir_err meets_deadlines(weir_ctx *c, void *arg)
{
    struct weir__offload_pool *pool = weir__offload_pool_new("two", 2, 2);
    struct trial deaf = {.pool = pool, .timeout = weir_ms(10)}, told = deaf, queued = deaf;
    struct trial second = deaf, refused = deaf;
    char text[1024] = "";
    weir_buf waiting;
    (void)arg;
    told.interrupt = queued.interrupt = second.interrupt = stop_trial;
    queued.timeout = weir_ms(5);
    second.timeout = weir_ms(20);
    weir__sim_offload_takes(weir_ms(30));
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, try_it, &deaf), WEIR_OK);
    assert_int_equal(WEIR_GO(group, try_it, &told), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(WEIR_GO(group, try_it, &queued), WEIR_OK);
    assert_int_equal(WEIR_GO(group, try_it, &second), WEIR_OK);
    assert_int_equal(WEIR_GO(group, try_it, &refused), WEIR_OK);
    weir__fiber_yield();
    struct weir__offload_stats s = weir__offload_stats(pool);
    assert_int_equal(s.busy, 2);
    assert_int_equal(s.queued, 2);
    weir_buf_init_fixed(&waiting, text, sizeof text);
    weir__sim_list_waiting(weir__self, &waiting);
    assert_non_null(strstr(text, "two, running\n"));
    assert_non_null(strstr(text, "two, queued, 1 ahead\n"));
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_ended(&deaf, WEIR_ENOTFOUND, 30, 1, 0);
    assert_ended(&told, WEIR_ENOTFOUND, 10, 1, 1);
    assert_ended(&queued, WEIR_ETIMEDOUT, 5, 0, 0);
    assert_ended(&second, WEIR_ENOTFOUND, 20, 1, 1); /* it began when the second one was told */
    assert_ended(&refused, WEIR_ELIMIT, 0, 0, 0);
    weir__offload_pool_free(pool);
    return WEIR_OK;
}

static void test_a_deadline_passes_while_a_simulated_call_runs(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(meets_deadlines, NULL), WEIR_OK);
}

/* --- on threads --------------------------------------------------------------------------- */

static weir_err look_around(void *arg)
{
    sigset_t blocked;
    char name[32];
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    pthread_getname_np(pthread_self(), name, sizeof name);
    *(bool *)arg = weir__self == NULL && sigismember(&blocked, SIGTERM) == 0 &&
                   sigismember(&blocked, SIGSEGV) == 0 && strncmp(name, "offload-", 8) == 0;
    return WEIR_EBUSY;
}

static weir_err runs_elsewhere(weir_ctx *app, void *arg)
{
    bool is_right = false;
    (void)arg;
    assert_int_equal(weir_offload(app, look_around, &is_right), WEIR_EBUSY);
    assert_true(is_right);
    return WEIR_OK;
}

static void test_a_call_runs_on_a_thread_of_its_own_kind(void **state)
{
    (void)state;
    run_for_real(1, runs_elsewhere, NULL);
}

/* Calls that block until the test lets them go. */
struct gate {
    atomic_int interrupts, runs;
};

struct visit {
    struct gate *gate;
    struct weir__offload_pool *pool;
    weir_err err;
    sem_t go;
};

static weir_err pass(void *arg)
{
    struct visit *v = arg;
    atomic_fetch_add(&v->gate->runs, 1);
    while (sem_wait(&v->go) != 0) {
    }
    return WEIR_OK;
}

static void let_go(void *arg)
{
    struct visit *v = arg;
    atomic_fetch_add(&v->gate->interrupts, 1);
    sem_post(&v->go);
}

static weir_err visit(weir_ctx *c, void *arg)
{
    struct visit *v = arg;
    v->err = weir__offload_on(v->pool, weir__ctx_of(c), NULL, pass, v, let_go);
    return WEIR_OK;
}

/* Yields until the calls that the pool works on, and those that wait, are that many. */
static void await_stats(weir_ctx *c, struct weir__offload_pool *pool, size_t busy, size_t queued)
{
    for (;;) {
        struct weir__offload_stats s = weir__offload_stats(pool);
        if (s.busy == busy && s.queued == queued)
            return;
        assert_int_equal(weir_yield(c), WEIR_OK);
    }
}

static weir_err limits_and_cancels(weir_ctx *app, void *arg)
{
    (void)arg;
    struct gate gate = {.interrupts = 0};
    struct visit v[5];
    weir_ctx *c = open_request();
    WEIR_SCOPE(running, c);
    WEIR_SCOPE(queued, c);
    WEIR_SCOPE(g, c);
    struct weir__offload_pool *pool = weir__offload_pool_new("gate", 2, 2);
    (void)app;
    assert_int_equal(weir__offload_stats(pool).threads, 0);
    for (int i = 0; i < 5; i++) {
        v[i] = (struct visit){.gate = &gate, .pool = pool, .err = 1};
        sem_init(&v[i].go, 0, 0);
        weir_ctx *mine = i == 0 ? running : i == 2 ? queued : g;
        assert_int_equal(WEIR_GO(mine, visit, &v[i]), WEIR_OK);
        if (i < 2)
            await_stats(c, pool, (size_t)i + 1, 0);
        else if (i < 4)
            await_stats(c, pool, 2, (size_t)i - 1);
    }
    while (v[4].err == 1)
        assert_int_equal(weir_yield(c), WEIR_OK);
    assert_int_equal(v[4].err, WEIR_ELIMIT); /* the queue holds two */
    assert_int_equal(weir__offload_stats(pool).refused, 1);
    weir_cancel(queued); /* it has not begun: it never will */
    assert_int_equal(weir_ctx_close(queued), WEIR_OK);
    assert_int_equal(v[2].err, WEIR_ECANCELED);
    assert_int_equal(weir__offload_stats(pool).queued, 1);
    weir_cancel(running); /* it has begun: told once, waited for */
    weir_cancel(running);
    assert_int_equal(weir_ctx_close(running), WEIR_OK);
    assert_int_equal(gate.interrupts, 1);
    assert_int_equal(v[0].err, WEIR_OK);
    sem_post(&v[1].go);
    sem_post(&v[3].go);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(gate.runs, 3);
    struct weir__offload_stats s = weir__offload_stats(pool);
    assert_int_equal(s.calls, 4);
    assert_int_equal(s.threads, 2);
    assert_int_equal(s.busy, 0);
    weir__offload_pool_free(pool);
    (void)weir_ctx_close(g);
    weir__ctx_end(weir__ctx_of(c));
    return WEIR_OK;
}

static void test_it_is_bounded_and_cancellable(void **state)
{
    (void)state;
    run_for_real(1, limits_and_cancels, NULL);
}

/* --- many --------------------------------------------------------------------------------- */

#define FIBERS 40
#define CALLS 200

static weir_err count_up(void *arg)
{
    atomic_fetch_add((_Atomic uint64_t *)arg, 1);
    return WEIR_OK;
}

static weir_err call_often(weir_ctx *c, void *arg)
{
    for (int i = 0; i < CALLS; i++)
        if (weir_offload(c, count_up, arg) < 0)
            return WEIR_EFAIL;
    return WEIR_OK;
}

static weir_err many_calls(weir_ctx *app, void *arg)
{
    (void)app;
    weir_ctx *c = open_request();
    for (int i = 0; i < FIBERS; i++)
        assert_int_equal(WEIR_GO(c, call_often, arg), WEIR_OK);
    assert_int_equal(weir_join(c), WEIR_OK);
    weir__ctx_end(weir__ctx_of(c));
    return WEIR_OK;
}

static void test_every_call_comes_back(void **state)
{
    (void)state;
    static _Atomic uint64_t n;
    run_for_real(2, many_calls, &n);
    assert_int_equal(n, FIBERS * CALLS);
}

/*
 * Deadlines that pass while calls begin, run and end: the fiber is woken once, and the call is over
 * then.
 */
static weir_err brief(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    for (int i = 0; i < 500; i++)
        sched_yield();
    atomic_fetch_sub((atomic_int *)arg, 1);
    return WEIR_OK;
}

static weir_err races_deadlines(weir_ctx *app, void *arg)
{
    (void)app, (void)arg;
    weir_ctx *c = open_request();
    for (int i = 0; i < 200; i++) {
        atomic_int inside = 0;
        WEIR_SCOPE(hasty, c, .timeout = weir_us(300 * (i % 8) + 1));
        weir_err err = weir_offload(hasty, brief, &inside);
        assert_int_equal(atomic_load(&inside), 0);
        assert_true(err == WEIR_OK || err == WEIR_ETIMEDOUT);
        (void)weir_ctx_close(hasty);
    }
    weir__ctx_end(weir__ctx_of(c));
    return WEIR_OK;
}

static void test_a_deadline_never_leaves_a_call_running(void **state)
{
    (void)state;
    run_for_real(1, races_deadlines, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_panic_is_the_callers),
        cmocka_unit_test(test_a_panic_on_a_thread_is_the_callers),
        cmocka_unit_test(test_the_simulation_calls_after_a_turn),
        cmocka_unit_test(test_the_simulation_cancels_what_is_queued),
        cmocka_unit_test(test_the_simulation_lets_a_call_take_time),
        cmocka_unit_test(test_a_deadline_passes_while_a_simulated_call_runs),
        cmocka_unit_test(test_a_call_runs_on_a_thread_of_its_own_kind),
        cmocka_unit_test(test_it_is_bounded_and_cancellable),
        cmocka_unit_test(test_every_call_comes_back),
        cmocka_unit_test(test_a_deadline_never_leaves_a_call_running),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
