/* The trap: what was given back faults, and its addresses do not come again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/trap.h"

/* The signal that a read of `p` ends a process with; 0: it ended well. */
static int signal_of_reading(const volatile char *p)
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        _exit(*p == 127);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_what_has_ended_faults(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 4000, 16000, 32768, 32769, 1000000};
    char *kept[16];
    struct weir__arena a;
    weir__arena_init(&a, NULL, 0, 64u << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        kept[i] = weir__arena_alloc(&a, sizes[i]);
        assert_non_null(kept[i]);
        memset(kept[i], 'x', sizes[i]);
        assert_true(weir__trap_holds(kept[i]));
        assert_int_equal(signal_of_reading(kept[i]), 0);
    }
    weir__arena_fini(&a);
    assert_int_equal(weir__arena_cached_bytes(), 0);
    for (int round = 0; round < 100; round++) {
        (void)weir__arena_alloc(&a, 5000);
        weir__arena_fini(&a);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(signal_of_reading(kept[i]), SIGSEGV);
        assert_int_equal(signal_of_reading(kept[i] + sizes[i] - 1), SIGSEGV);
    }
}

static void test_what_has_grown_has_moved(void **state)
{
    (void)state;
    struct weir__arena a;
    weir__arena_init(&a, NULL, 0, 64u << 20);
    char *p = weir__arena_alloc(&a, 50000);
    assert_non_null(p);
    memset(p, 'y', 50000);
    char *q = weir__arena_grow(&a, p, 50000, 200000);
    assert_non_null(q);
    assert_ptr_not_equal(p, q);
    assert_int_equal(q[49999], 'y');
    assert_int_equal(signal_of_reading(p), SIGSEGV);
    weir__arena_fini(&a);
    assert_int_equal(signal_of_reading(q), SIGSEGV);
}

static void test_other_memory_is_not_its(void **state)
{
    (void)state;
    int here = 0;
    assert_false(weir__trap_holds(&here));
    assert_false(weir__trap_holds(NULL));
    assert_null(weir__trap_take(SIZE_MAX));
}

static int start(void **state)
{
    (void)state;
    return weir__trap_start() && weir__trap_start() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_has_ended_faults),
        cmocka_unit_test(test_what_has_grown_has_moved),
        cmocka_unit_test(test_other_memory_is_not_its),
    };
    return cmocka_run_group_tests_name("trap", tests, start, NULL);
}
