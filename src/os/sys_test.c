/* The kernel's door: results, counting, planned failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/sys.h"

static void results_are_negative_errno(void **state)
{
    (void)state;
    char byte;
    assert_int_equal(weir__sys_read(-1, &byte, 1), -EBADF);
    assert_int_equal(weir__sys_close(-1), -EBADF);
    assert_int_equal(weir__sys_open("/nowhere/at/all", O_RDONLY, 0), -ENOENT);
    int fd = weir__sys_open("/dev/zero", O_RDONLY, 0);
    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(weir__sys_read(fd, &byte, 1), 1);
    assert_int_equal(weir__sys_close(fd), 0);
}

static void calls_are_counted_and_the_nth_fails(void **state)
{
    (void)state;
    uint64_t before = weir__sys_count();
    struct rlimit limit;
    weir__sys_fail_nth(3, EMFILE);
    assert_int_equal(weir__sys_count() - before, 0);
    assert_int_equal(weir__sys_getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(weir__sys_getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(weir__sys_eventfd(), -EMFILE);
    assert_int_equal(weir__sys_getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(weir__sys_count() - before, 4);
    weir__sys_fail_nth(1, EIO);
    weir__sys_fail_nth(0, 0);
    assert_int_equal(weir__sys_getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(weir__sys_count() - before, 5);
}

static void memory_may_be_refused(void **state)
{
    (void)state;
    weir__sys_fail_nth(1, ENOMEM);
    assert_null(weir__sys_mmap(4096, PROT_READ | PROT_WRITE, 0));
    void *p = weir__sys_mmap(4096, PROT_READ | PROT_WRITE, 0);
    assert_non_null(p);
    assert_int_equal(*(char *)p, 0);
    assert_int_equal(weir__sys_munmap(p, 4096), 0);
}

static void a_failing_close_still_closes(void **state)
{
    (void)state;
    int fd = weir__sys_eventfd();
    assert_true(fd >= 0);
    weir__sys_fail_nth(1, EIO);
    assert_int_equal(weir__sys_close(fd), -EIO);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_negative_errno),
        cmocka_unit_test(calls_are_counted_and_the_nth_fails),
        cmocka_unit_test(memory_may_be_refused),
        cmocka_unit_test(a_failing_close_still_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
