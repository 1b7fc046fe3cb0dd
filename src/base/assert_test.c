/* A broken invariant ends the process with one line that names it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/assert.h"

static void a_broken_invariant_is_named(void **state)
{
    (void)state;
    int fds[2], status;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        WEIR_ASSERT(1 + 1 == 3, "I9: sums are wrong");
        _exit(0);
    }
    close(fds[1]);
    char text[600] = {0};
    size_t n = 0;
    for (ssize_t got; (got = read(fds[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "weir: broken invariant: I9: sums are wrong (1 + 1 == 3) at "));
    assert_non_null(strstr(text, "assert_test.c:"));
}

static void a_kept_invariant_costs_nothing_else(void **state)
{
    (void)state;
    int evaluated = 0;
    WEIR_ASSERT(++evaluated == 1, "evaluated once");
    assert_int_equal(evaluated, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_invariant_is_named),
        cmocka_unit_test(a_kept_invariant_costs_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
