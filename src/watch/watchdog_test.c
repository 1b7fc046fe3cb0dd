/*
 * The watchdog, in real time but without depending on it: fibers hog their worker until they have
 * been seen, or until a bound that is never reached when it works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/symbol.h"
#include "rt/log.h"
#include "rt/runtime.h"
#include "rt/switch.h"
#include "watch/watch.h"
#include "watch/watchdog.h"
#include <weir/fiber.h>

#define BOUND_SECONDS 30

static bool is_over(time_t start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec - start > BOUND_SECONDS;
}

static time_t start_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void run_for_real(unsigned workers, weir_dur stall, weir_fiber_fn fn)
{
    struct weir__runtime_options options = {.workers = workers, .stall = stall};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, fn, NULL), WEIR_OK);
    weir__runtime_free(rt);
}

static char bytes[65536];
static weir_buf buf;

/* Keeps its worker until the watchdog has told. */
__attribute__((noinline)) static void hog_until_reported(struct weir__worker *w, uint64_t reports)
{
    time_t start = start_time();
    while (atomic_load(&w->stats.stalls) < reports && !is_over(start))
        __asm__ volatile("" ::: "memory");
}

static weir_err hogs(weir_ctx *app, void *arg)
{
    struct weir__worker *w = weir__self;
    (void)app, (void)arg;
    struct weir__ctx *c = weir__ctx_new(w->root, weir_never(), 0, NULL);
    weir__ctx_originate(c, "GET /hog");
    c->own_origin.request_id = WEIR_S("r-1");
    w->current->ctx = c;
    hog_until_reported(w, 1);
    assert_int_equal(atomic_load(&w->stats.stalls), 1);
    assert_int_equal(weir_yield(weir__ctx_handle(c)), WEIR_OK); /* another stall begins */
    hog_until_reported(w, 2);
    assert_int_equal(atomic_load(&w->stats.stalls), 2);
    w->current->ctx = w->root;
    weir__ctx_end(c);
    return WEIR_OK;
}

static void test_L09_who_does_not_yield_is_named(void **state)
{
    (void)state;
    weir_buf_init_fixed(&buf, bytes, sizeof bytes - 1);
    weir__log_capture(&buf);
    run_for_real(1, weir_ms(10), hogs);
    weir__log_capture(NULL);
    bytes[buf.len] = '\0';
    assert_non_null(strstr(bytes, "\"level\":\"warn\""));
    assert_non_null(strstr(bytes, "\"worker\":0,\"running_ms\":"));
#ifndef WEIR__TSAN /* it holds signals back while a thread computes */
    assert_non_null(strstr(bytes, "\"request_id\":\"r-1\",\"route\":\"GET /hog\""));
    assert_non_null(strstr(bytes, "\"trace_id\":\""));
    assert_non_null(strstr(bytes, "hog_until_reported"));
    assert_non_null(strstr(bytes, "hogs at "));
#endif
}

/* --- who sleeps in the kernel ----------------------------------------------------------------- */

/* Each sleep takes its full time, whoever looks. */
static weir_err sleeps_in_the_kernel(weir_ctx *app, void *arg)
{
    struct weir__worker *w = weir__self;
    const struct timespec step = {.tv_nsec = 50000000};
    (void)app, (void)arg;
    struct weir__ctx *c = weir__ctx_new(w->root, weir_never(), 0, NULL);
    weir__ctx_originate(c, "GET /naps");
    w->current->ctx = c;
    time_t start = start_time();
    while (atomic_load(&w->stats.stalls) == 0 && !is_over(start))
        assert_int_equal(nanosleep(&step, NULL), 0);
    assert_int_equal(nanosleep(&step, NULL), 0);
    assert_int_equal(atomic_load(&w->stats.stalls), 1);
    w->current->ctx = w->root;
    weir__ctx_end(c);
    return WEIR_OK;
}

static void test_L09_a_sleep_in_the_kernel_is_named_and_not_cut(void **state)
{
    (void)state;
    weir_buf_init_fixed(&buf, bytes, sizeof bytes - 1);
    weir__log_capture(&buf);
    run_for_real(1, weir_ms(10), sleeps_in_the_kernel);
    weir__log_capture(NULL);
    bytes[buf.len] = '\0';
    assert_non_null(strstr(bytes, "\"in_kernel\":\"clock_nanosleep\""));
#ifndef WEIR__TSAN
    assert_non_null(strstr(bytes, "\"route\":\"GET /naps\""));
#endif
}

/* Who wants no warnings hears of none, and it counts all the same. */
static void test_a_stall_obeys_the_log_level(void **state)
{
    (void)state;
    weir_buf_init_fixed(&buf, bytes, sizeof bytes - 1);
    weir__log_capture(&buf);
    weir__log_set_level(WEIR_LOG_ERROR);
    run_for_real(1, weir_ms(10), sleeps_in_the_kernel);
    weir__log_set_level(WEIR_LOG_INFO);
    weir__log_capture(NULL);
    assert_int_equal(buf.len, 0);
}

/* --- looking at a worker from outside ----------------------------------------------------- */

static struct weir__worker *hogged;
static atomic_bool has_begun, may_end;

/* Calls nothing: frame pointers lead through code that has them. */
__attribute__((noinline)) static void hog_until_told(void)
{
    atomic_store(&has_begun, true);
    for (uint64_t turns = 0; !atomic_load(&may_end) && turns >> 36 == 0; turns++) {
    }
}

static void hog_main(void *arg)
{
    (void)arg;
    hog_until_told();
}

static void start_hog(struct weir__task *t)
{
    (void)t;
    assert_non_null(weir__fiber_start(weir__self, hog_main, NULL, "hog", NULL, weir__self->root));
}

static bool names(void *const *pcs, size_t n, const char *function)
{
    char name_bytes[4096];
    weir_buf b;
    weir_buf_init_fixed(&b, name_bytes, sizeof name_bytes - 1);
    for (size_t i = 0; i < n; i++)
        weir__symbolise(pcs[i], &b);
    name_bytes[b.len] = '\0';
    return strstr(name_bytes, function) != NULL;
}

static weir_err snapshots(weir_ctx *app, void *arg)
{
    static struct weir__task task = {.run = start_hog};
    struct weir__worker *self = weir__self;
    void *pcs[16];
    (void)arg;
    hogged = self->runtime->workers[1 - self->index];
    assert_int_equal(weir__worker_snapshot_stack(self, pcs, 16, weir_sec(1)), 0);
    weir__post(hogged, &task);
    while (!atomic_load(&has_begun))
        assert_int_equal(weir_yield(app), WEIR_OK);
#ifndef WEIR__TSAN
    size_t n = weir__worker_snapshot_stack(hogged, pcs, 16, weir_sec(BOUND_SECONDS));
    assert_true(n >= 2);
    assert_true(names(pcs, n, "hog_until_told"));
    assert_true(names(pcs, n, "weir__fiber_enter"));
    assert_int_equal(weir__worker_snapshot_stack(hogged, pcs, 1, weir_sec(BOUND_SECONDS)), 1);
#else
    (void)names;
#endif
    atomic_store(&may_end, true);
    return WEIR_OK;
}

static void test_a_running_stack_is_seen_from_outside(void **state)
{
    (void)state;
    run_for_real(2, weir_ns(-1), snapshots);
}

/* Many questions while fibers come and go: none is answered wrongly, none hangs. */
static void churn(void *arg)
{
    (void)arg;
    time_t start = start_time();
    while (!atomic_load(&may_end) && !is_over(start))
        weir__fiber_yield();
}

static void start_churn(struct weir__task *t)
{
    (void)t;
    for (int i = 0; i < 5; i++)
        assert_non_null(
            weir__fiber_start(weir__self, churn, NULL, "churn", NULL, weir__self->root));
}

static weir_err asks_often(weir_ctx *app, void *arg)
{
    static struct weir__task task = {.run = start_churn};
    struct weir__worker *self = weir__self;
    void *pcs[16];
    (void)app, (void)arg;
    atomic_store(&may_end, false);
    hogged = self->runtime->workers[1 - self->index];
    weir__post(hogged, &task);
    for (int i = 0; i < 500; i++)
        assert_true(weir__worker_snapshot_stack(hogged, pcs, 16, weir_us(i)) <= 16);
    atomic_store(&may_end, true);
    return WEIR_OK;
}

static void test_questions_and_late_answers(void **state)
{
    (void)state;
    run_for_real(2, weir_ns(-1), asks_often);
}

/* --- memory that nobody uses ---------------------------------------------------------------- */

int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
    __attribute__((weak));

enum { BLOCK = 256 << 10, BLOCKS = 512, MUCH = BLOCK * BLOCKS };

static size_t resident(void)
{
    char text[128];
    size_t pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n > 0);
    (void)close(fd);
    text[n] = '\0';
    assert_int_equal(sscanf(text, "%*u %zu", &pages), 1);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Takes much, frees it, and then takes nothing: nothing makes the heap look by itself. */
static weir_err has_a_burst(weir_ctx *app, void *arg)
{
    static void *blocks[BLOCKS];
    ssize_t decay_ms = 10;
    unsigned arena = 0;
    size_t size = sizeof arena;
    char name[64];
    (void)arg;
    assert_int_equal(mallctl("thread.arena", &arena, &size, NULL, 0), 0);
    (void)snprintf(name, sizeof name, "arena.%u.dirty_decay_ms", arena);
    assert_int_equal(mallctl(name, NULL, NULL, &decay_ms, sizeof decay_ms), 0);
    size_t before = resident();
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK);
        assert_non_null(blocks[i]);
        memset(blocks[i], i | 1, BLOCK);
    }
    assert_true(resident() >= before + MUCH);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    time_t start = start_time();
    /* A quarter is left to what names a stall that was seen meanwhile: its tables take 17 MB. */
    while (resident() > before + MUCH / 4 && !is_over(start))
        assert_int_equal(weir_sleep(app, weir_ms(20)), WEIR_OK);
    assert_true(resident() <= before + MUCH / 4);
    return WEIR_OK;
}

static void test_what_was_freed_goes_back_while_nothing_is_done(void **state)
{
    (void)state;
    if (mallctl == NULL)
        skip(); /* another allocator, which has a way of its own */
    run_for_real(1, weir_ms(10), has_a_burst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L09_who_does_not_yield_is_named),
        cmocka_unit_test(test_L09_a_sleep_in_the_kernel_is_named_and_not_cut),
        cmocka_unit_test(test_a_stall_obeys_the_log_level),
        cmocka_unit_test(test_a_running_stack_is_seen_from_outside),
        cmocka_unit_test(test_questions_and_late_answers),
        cmocka_unit_test(test_what_was_freed_goes_back_while_nothing_is_done),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
