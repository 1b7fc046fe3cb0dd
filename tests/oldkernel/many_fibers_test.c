/*
 * Twenty thousand fibers at a time, which is more stacks than mprotect gives guards to: they live
 * and end whatever guard theirs has. Under tests/oldkernel/refuse WEIR_GUARD says which one new
 * stacks must have got: that the refusal has come through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "os/stack.h"
#include "rt/sim.h"
#include "rt/switch.h"
#include <weir/ctx.h>
#include <weir/fiber.h>

/* ThreadSanitizer knows 8,128 threads and fibers at most. */
#if defined(WEIR__TSAN)
enum { FIBERS = 2000 };
#elif defined(WEIR__ASAN)
enum { FIBERS = 9000 };
#else
enum { FIBERS = 20000 };
#endif

static unsigned ended;

static __attribute__((noinline)) int use_stack(int kib)
{
    volatile char page[1024];
    memset((char *)(uintptr_t)page, kib, sizeof page);
    return kib > 0 ? use_stack(kib - 1) + page[5] : page[5];
}

static weir_err stands(weir_ctx *c, void *arg)
{
    const int *number = arg;
    char mark[64];
    memset(mark, *number, sizeof mark);
    if (*number % 100 == 0)
        assert_true(use_stack(100) != 0);
    assert_int_equal(weir_sleep(c, weir_sec(1)), WEIR_OK);
    for (size_t i = 0; i < sizeof mark; i++)
        assert_int_equal(mark[i], (char)*number);
    ended++;
    return WEIR_OK;
}

static weir_err starts_them_all(weir_ctx *c, void *arg)
{
    int *numbers = arg;
    for (int round = 0; round < 2; round++) {
        weir_ctx *group = weir_ctx_open(c, .fibers_max = FIBERS);
        for (int i = 0; i < FIBERS; i++) {
            numbers[i] = i;
            assert_int_equal(WEIR_GO(group, stands, &numbers[i]), WEIR_OK);
        }
        assert_int_equal(weir_join(group), WEIR_OK);
        (void)weir_ctx_close(group);
    }
    return WEIR_OK;
}

static void test_twenty_thousand_fibers_live_and_end(void **state)
{
    (void)state;
    int *numbers = calloc(FIBERS, sizeof *numbers);
    assert_int_equal(weir__sim_run(starts_them_all, numbers), WEIR_OK);
    free(numbers);
    assert_int_equal(ended, 2 * FIBERS);
    struct weir__stack_stats stats = weir__stack_stats();
    const char *guard = getenv("WEIR_GUARD");
    if (guard != NULL)
        assert_string_equal(stats.guard, guard);
    assert_int_equal(stats.unguarded != 0, strcmp(stats.guard, "canary") == 0);
}

/* --- an overflow -------------------------------------------------------------------------- */

static weir_err overflows(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_true(use_stack(230) != 0);
    return weir_yield(c);
}

/* By the guard, or at the next wait by the canary; never unnoticed. */
static void test_an_overflow_ends_the_process(void **state)
{
    (void)state;
    if (weir__has_asan())
        skip();
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        alarm(30);
        (void)weir__sim_run(overflows, NULL);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twenty_thousand_fibers_live_and_end),
        cmocka_unit_test(test_an_overflow_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
