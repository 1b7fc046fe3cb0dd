/*
 * The runtime on real threads: messages, shared objects between workers, sockets under epoll, an
 * orderly end, panics of faults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/stack.h"
#include "os/sys.h"
#include "rt/fault.h"
#include "rt/io.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/sim.h"
#include "rt/switch.h"
#include "watch/watch.h"
#include <weir/chan.h>
#include <weir/fiber.h>
#include <weir/sync.h>

static weir_err run_on(unsigned workers, bool contain, weir_fiber_fn fn, void *arg)
{
    struct weir__runtime_options options = {
        .workers = workers, .stall = weir_ns(-1), .contain_faults = contain};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    err = weir__runtime_run(rt, fn, arg);
    assert_int_equal(weir__fiber_total(rt), 0);
    for (unsigned i = 0; i < workers; i++)
        assert_int_equal(atomic_load(&rt->workers[i]->stats.contexts), 0);
    weir__runtime_free(rt);
    return err;
}

/* --- work on other workers -------------------------------------------------------------------- */

/* Starts a fiber on another worker: what the rooms above do with a connection. */
struct start {
    struct weir__task task;
    void (*main)(void *arg);
    void *arg;
};

static void start_here(struct weir__task *t)
{
    struct start *s = WEIR_CONTAINER(t, struct start, task);
    assert_non_null(weir__fiber_start(weir__self, s->main, s->arg, "test", NULL, weir__self->root));
}

struct shared {
    weir_ctx *app;
    weir_chan *numbers, *done;
    struct start starts[4];
    int64_t count;
};

static void count_numbers(void *arg)
{
    struct shared *s = arg;
    struct weir__ctx *c = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    int64_t sum = 0, n;
    while (weir_chan_recv(weir__ctx_handle(c), s->numbers, &n) == WEIR_OK)
        sum += n;
    assert_int_equal(weir_chan_send(weir__ctx_handle(c), s->done, &sum), WEIR_OK);
    weir__ctx_end(c);
}

static weir_err spread_numbers(weir_ctx *app, void *arg)
{
    struct shared *s = arg;
    s->numbers = weir_chan_new(app, int64_t, 16);
    s->done = weir_chan_new(app, int64_t, 0);
    for (unsigned i = 0; i < 4; i++) {
        s->starts[i] = (struct start){.task = {.run = start_here}, .main = count_numbers, .arg = s};
        weir__post(weir__self->runtime->workers[i], &s->starts[i].task);
    }
    for (int64_t n = 1; n <= s->count; n++)
        assert_int_equal(weir_chan_send(app, s->numbers, &n), WEIR_OK);
    weir_chan_close(app, s->numbers);
    int64_t total = 0, sum;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(weir_chan_recv(app, s->done, &sum), WEIR_OK);
        total += sum;
    }
    assert_int_equal(total, s->count * (s->count + 1) / 2);
    return WEIR_OK;
}

static void test_a_channel_of_the_application_joins_workers(void **state)
{
    (void)state;
    struct shared *s = calloc(1, sizeof *s);
    s->count = 20000;
    assert_int_equal(run_on(4, false, spread_numbers, s), WEIR_OK);
    free(s);
}

/* --- a lock that goes to and fro between workers ---------------------------------------------- */

struct handing_over {
    weir_ctx *app;
    weir_mutex *mutex;
    weir_sem *permit;
    weir_chan *done;
    struct start starts[2];
};

/* Served by another worker it waits on until the wake arrives: that is no deadlock. */
static weir_err takes_turns(weir_ctx *c, void *arg)
{
    struct handing_over *h = *(struct handing_over **)arg;
    weir_err err = WEIR_OK;
    for (int i = 0; i < 30000 && err == WEIR_OK; i++) {
        err = weir_lock(c, h->mutex);
        if (err == WEIR_OK)
            weir_unlock(c, h->mutex);
        if (err == WEIR_OK)
            err = weir_sem_acquire(c, h->permit);
        if (err == WEIR_OK)
            weir_sem_release(c, h->permit);
    }
    assert_int_equal(weir_chan_send(h->app, h->done, &err), WEIR_OK);
    return err;
}

static void detach_three(void *arg)
{
    struct handing_over *h = arg;
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_detach(h->app, takes_turns, &h, sizeof h), WEIR_OK);
}

static weir_err hands_over(weir_ctx *app, void *arg)
{
    struct handing_over *h = arg;
    h->app = app;
    h->mutex = weir_mutex_new(app);
    h->permit = weir_sem_new(app, 1);
    h->done = weir_chan_new(app, weir_err, 6);
    for (unsigned i = 0; i < 2; i++) {
        h->starts[i] = (struct start){.task = {.run = start_here}, .main = detach_three, .arg = h};
        weir__post(weir__self->runtime->workers[i], &h->starts[i].task);
    }
    for (int i = 0; i < 6; i++) {
        weir_err err;
        assert_int_equal(weir_chan_recv(app, h->done, &err), WEIR_OK);
        assert_int_equal(err, WEIR_OK);
    }
    return WEIR_OK;
}

static void test_who_is_served_by_another_worker_is_not_stuck(void **state)
{
    (void)state;
    struct handing_over *h = calloc(1, sizeof *h);
    assert_int_equal(run_on(2, false, hands_over, h), WEIR_OK);
    free(h);
}

static void mark(struct weir__worker *w, void *arg)
{
    ((_Atomic int *)arg)[w->index]++;
}

static weir_err ask_all(weir_ctx *app, void *arg)
{
    for (int i = 0; i < 100; i++)
        assert_int_equal(weir__on_each_worker(weir__ctx_of(app), mark, arg, weir_sec(60)), WEIR_OK);
    return WEIR_OK;
}

static void test_every_worker_answers(void **state)
{
    (void)state;
    _Atomic int marks[3] = {0};
    assert_int_equal(run_on(3, false, ask_all, marks), WEIR_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(marks[i], 100);
}

/* --- an end while work is going on ------------------------------------------------------------ */

static _Atomic int ended;

static void waits_for_shutdown(void *arg)
{
    (void)arg;
    struct weir__ctx *c = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    assert_int_equal(weir_sleep(weir__ctx_handle(c), weir_hour(10)), WEIR_ESHUTDOWN);
    weir__ctx_end(c);
    ended++;
}

static void note_release(void *arg)
{
    *(int *)arg = ended;
}

static weir_err leaves_work(weir_ctx *app, void *arg)
{
    static struct start starts[3];
    ended = 0;
    assert_int_equal(weir_defer(app, note_release, arg), WEIR_OK);
    for (unsigned i = 0; i < 3; i++) {
        starts[i] =
            (struct start){.task = {.run = start_here}, .main = waits_for_shutdown, .arg = NULL};
        weir__post(weir__self->runtime->workers[i], &starts[i].task);
    }
    /* Only when all are parked is there something to shut down. */
    for (;;) {
        uint64_t parked = 0;
        for (unsigned i = 0; i < 3; i++)
            parked += atomic_load(&weir__self->runtime->workers[i]->stats.fibers_parked);
        if (parked >= 3)
            return WEIR_OK;
        assert_int_equal(weir_sleep(app, weir_ms(1)), WEIR_OK);
    }
}

static void test_the_end_cancels_and_then_releases(void **state)
{
    (void)state;
    int at_release = -1;
    assert_int_equal(run_on(3, false, leaves_work, &at_release), WEIR_OK);
    assert_int_equal(ended, 3);
    assert_int_equal(at_release, 3); /* the application's things go last */
}

/* --- descriptors, the same code under both pollers -------------------------------------------- */

struct pair {
    int ends[2];
    bool is_sim;
};

static weir_err echo(weir_ctx *c, void *arg)
{
    struct weir__fd fd;
    assert_int_equal(weir__fd_watch(&fd, *(int *)arg, NULL), WEIR_OK);
    char buf[64];
    ssize_t n;
    while ((n = weir__recv(weir__ctx_of(c), &fd, buf, sizeof buf, weir_never())) > 0) {
        for (ssize_t sent = 0; sent < n;) {
            ssize_t m =
                weir__send(weir__ctx_of(c), &fd, buf + sent, (size_t)(n - sent), weir_never());
            assert_true(m > 0);
            sent += m;
        }
    }
    assert_int_equal(n, 0);
    weir__fd_close(&fd);
    return WEIR_OK;
}

static void talk(struct weir__ctx *c, struct weir__fd *fd, size_t total)
{
    size_t sent = 0, got = 0;
    unsigned char out[97], in[131];
    while (got < total) {
        for (size_t i = 0; i < sizeof out; i++)
            out[i] = (unsigned char)(sent + i);
        size_t len = total - sent < sizeof out ? total - sent : sizeof out;
        if (len > 0) {
            ssize_t n = weir__send(c, fd, out, len, weir_never());
            assert_true(n > 0);
            sent += (size_t)n;
        }
        ssize_t n = weir__recv(c, fd, in, sizeof in, weir_never());
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(in[i], (unsigned char)(got + (size_t)i));
        got += (size_t)n;
    }
}

static weir_err echoes(weir_ctx *parent, void *arg)
{
    struct pair *p = arg;
    WEIR_SCOPE(c, parent);
    if (p->is_sim)
        weir__sim_socketpair(p->ends, 50);
    else
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->ends), 0);
    struct weir__fd fd;
    assert_int_equal(WEIR_GO(c, echo, &p->ends[1]), WEIR_OK);
    assert_int_equal(weir__fd_watch(&fd, p->ends[0], NULL), WEIR_OK);
    talk(weir__ctx_of(c), &fd, 10000);
    weir_time start = weir_now();
    weir_time until = weir_time_add(start, weir_ms(20));
    char byte;
    assert_int_equal(weir__recv(weir__ctx_of(c), &fd, &byte, 1, until), WEIR_ETIMEDOUT);
    assert_true(weir_time_sub(weir_now(), start).ns >= 20000000);
    weir__fd_close(&fd);
    assert_int_equal(weir_join(c), WEIR_OK);
    return weir_ctx_close(c);
}

/* --- fibers that never rest ------------------------------------------------------------------- */

struct restless {
    bool is_over;
    uint64_t turns;
};

static weir_err never_rests(weir_ctx *c, void *arg)
{
    struct restless *r = arg;
    while (!r->is_over) {
        r->turns++;
        assert_int_equal(weir_yield(c), WEIR_OK);
    }
    return WEIR_OK;
}

/* A socket and a timer have their turn beside fibers that are always ready. */
static weir_err waits_among_the_restless(weir_ctx *parent, void *arg)
{
    (void)arg;
    struct restless r = {0};
    struct pair p = {0};
    WEIR_SCOPE(c, parent);
    WEIR_SCOPE(echoing, parent);
    struct weir__fd fd;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p.ends), 0);
    assert_int_equal(WEIR_GO(echoing, echo, &p.ends[1]), WEIR_OK);
    assert_int_equal(weir__fd_watch(&fd, p.ends[0], NULL), WEIR_OK);
    assert_int_equal(WEIR_GO(c, never_rests, &r), WEIR_OK);
    assert_int_equal(WEIR_GO(c, never_rests, &r), WEIR_OK);
    talk(weir__ctx_of(parent), &fd, 10000);
    assert_int_equal(weir_sleep(parent, weir_ms(5)), WEIR_OK);
    uint64_t polls = atomic_load(&weir__self->stats.polls);
    r.is_over = true;
    assert_int_equal(weir_join(c), WEIR_OK);
    assert_int_equal(weir_ctx_close(c), WEIR_OK);
    assert_true(polls <= r.turns); /* a poll is not every turn's, whatever the machine does */
    weir__fd_close(&fd);
    assert_int_equal(weir_join(echoing), WEIR_OK);
    return weir_ctx_close(echoing);
}

static void test_fibers_that_never_rest_starve_nobody(void **state)
{
    (void)state;
    assert_int_equal(run_on(1, false, waits_among_the_restless, NULL), WEIR_OK);
}

static void test_sockets_under_both_pollers(void **state)
{
    (void)state;
    struct pair *p = calloc(1, sizeof *p);
    assert_int_equal(run_on(1, false, echoes, p), WEIR_OK);
    p->is_sim = true;
    assert_int_equal(weir__sim_run(echoes, p), WEIR_OK);
    free(p);
}

/* --- faults as panics ------------------------------------------------------------------------- */

#if !defined(WEIR__ASAN) && !defined(WEIR__TSAN)

static int cleaned;

static void clean(int *n)
{
    cleaned += *n;
}

static __attribute__((noinline)) weir_err dereferences(weir_ctx *c, void *arg)
{
    (void)c;
    int one __attribute__((cleanup(clean))) = 1;
    int *volatile p = arg;
    return *p + one;
}

static __attribute__((noinline)) weir_err divides(weir_ctx *c, void *arg)
{
    (void)c;
    int one __attribute__((cleanup(clean))) = 1;
    int volatile zero = arg != NULL;
    return 5 / zero + one;
}

static __attribute__((noinline)) int recurse(volatile int *depth)
{
    volatile char page[2000];
    page[0] = (char)++*depth;
    return *depth < 1000000 ? recurse(depth) + page[0] : page[0];
}

static weir_err overflows(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    volatile int depth = 0;
    return recurse(&depth);
}

static weir_err faults(weir_ctx *app, void *arg)
{
    (void)arg;
    WEIR_SCOPE(c, app);
    const weir_fiber_fn fns[] = {dereferences, divides, overflows};
    const char *const messages[] = {"null pointer dereference", "arithmetic fault",
                                    "stack overflow"};
    /* Without guards an overflow is no fault. */
    size_t kinds = strcmp(weir__stack_stats().guard, "canary") == 0 ? 2 : 3;
    for (size_t i = 0; i < 30; i++) {
        weir_error_clear(c);
        assert_int_equal(weir_protect(c, fns[i % kinds], NULL), WEIR_EPANIC);
        assert_non_null(strstr(weir_last_error(c)->message.ptr, messages[i % kinds]));
        assert_int_equal(weir_yield(c), WEIR_OK);
    }
#ifndef __clang__ /* it knows no -fnon-call-exceptions: the faulting frame itself has no table */
    assert_int_equal(cleaned, kinds == 3 ? 20 : 30);
#endif
    assert_int_equal(weir__fault_total(), 30);
    return weir_ctx_close(c);
}

static void test_faults_of_the_application_are_panics(void **state)
{
    (void)state;
    assert_int_equal(run_on(1, true, faults, NULL), WEIR_OK);
}

/* --- faults that end the process -------------------------------------------------------------- */

static weir_err jumps_into_its_stack(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    char bytes[16] = {0};
    void *place = bytes;
    void (*jump)(void);
    memcpy(&jump, &place, sizeof jump);
    jump();
    return WEIR_OK;
}

/* A stack may be a hibernating fiber's and be shown; to run what stands on it stays a fault. */
static void test_a_jump_into_a_stack_ends_the_process(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL); /* the test's own would be called */
        alarm(20);
        run_on(1, true, jumps_into_its_stack, NULL);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}
#endif

/* --- no threads to be had ------------------------------------------------------------------ */

static weir_err must_not_run(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    fail_msg("the start has failed");
    return WEIR_OK;
}

static weir_err does_nothing(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return WEIR_OK;
}

/* Its message. The first call maps the signal stack, unless a sanitizer has its own. */
static const char *start_without_thread(unsigned number)
{
    static char message[256];
    struct weir__runtime_options options = {.workers = 4, .stall = weir_ns(-1)};
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
#if defined(WEIR__ASAN) || defined(WEIR__TSAN)
    number--;
#endif
    weir__sys_fail_nth(number, EAGAIN);
    err = weir__runtime_run(rt, must_not_run, NULL);
    weir__sys_fail_nth(0, 0);
    assert_int_equal(err, -EAGAIN);
    memcpy(message, rt->message, sizeof message);
    weir__runtime_free(rt);
    return message;
}

static void test_a_start_without_threads_is_told(void **state)
{
    (void)state;
    assert_non_null(strstr(start_without_thread(2), "cannot start thread 2 of 4: "));
    assert_non_null(strstr(start_without_thread(4), "cannot start thread 4 of 4: "));
    assert_int_equal(run_on(4, false, does_nothing, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_channel_of_the_application_joins_workers),
        cmocka_unit_test(test_every_worker_answers),
        cmocka_unit_test(test_who_is_served_by_another_worker_is_not_stuck),
        cmocka_unit_test(test_the_end_cancels_and_then_releases),
        cmocka_unit_test(test_sockets_under_both_pollers),
        cmocka_unit_test(test_fibers_that_never_rest_starve_nobody),
        cmocka_unit_test(test_a_start_without_threads_is_told),
#if !defined(WEIR__ASAN) && !defined(WEIR__TSAN)
        cmocka_unit_test(test_faults_of_the_application_are_panics),
        cmocka_unit_test(test_a_jump_into_a_stack_ends_the_process),
#endif
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
