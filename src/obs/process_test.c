/*
 * The process' own numbers, against what the test knows about itself.
 */
#include "obs/process.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/metric_testing.h"

static void numbers_are_this_process(void **state)
{
    (void)state;
    struct weir__process before, after;
    weir__process_read(&before);
    assert_true(before.resident_bytes > 100000);
    assert_true(before.virtual_bytes >= before.resident_bytes);
    assert_true(before.threads >= 1);
    assert_true(before.fds_open >= 3 && before.fds_open < before.fds_max);
    assert_true(before.started_at <= (double)time(NULL) + 1);
    assert_true(before.started_at > (double)time(NULL) - 600);
    int fd = open("/dev/null", O_RDONLY);
    assert_true(fd >= 0);
    weir__process_read(&after);
    assert_int_equal(after.fds_open, before.fds_open + 1);
    close(fd);
    char line[64];
    struct weir__metrics m = {.count = 0};
    weir__process_metrics(&m);
    snprintf(line, sizeof line, "\nprocess_max_fds %llu\n", (unsigned long long)before.fds_max);
    assert_true(metric_lines_has(&m, line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_are_this_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
