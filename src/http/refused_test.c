/*
 * Heads that never become requests leave a line in the log, and not more than a few a second.
 */
#include "http/testing.h"

#include "rt/log.h"
#include "watch/watch.h"
#include <sys/mman.h>
#include <unistd.h>

static char log_text[64 << 10];
static int log_fd;

static const char *logged(void)
{
    assert_true(weir__log_flush(weir_sec(20)));
    ssize_t n = pread(log_fd, log_text, sizeof log_text - 1, 0);
    assert_true(n >= 0);
    log_text[n] = '\0';
    return log_text;
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        n++;
    return n;
}

static void lines(struct rig *rig)
{
    put(dial(rig), "GET / HTTP/1.1\r\n\r\n");
    put(dial(rig), "GET / HT");
    wait_ms(rig, 12500);
    const char *text = logged();
    assert_int_equal(count_of(text, "\"msg\":\"refused\""), 2);
    assert_has(text, "\"status\":400,\"reason\":\"HTTP/1.1 request without a Host header\"");
    assert_has(text, "\"status\":408,\"reason\":\"the request's head took too long\"");
}

static void not_too_many(struct rig *rig)
{
    for (int i = 0; i < 30; i++)
        put(dial(rig), "no request\r\n\r\n");
    wait_ms(rig, 1);
    assert_int_equal(count_of(logged(), "\"msg\":\"refused\""), 5);
    wait_ms(rig, 2000);
    put(dial(rig), "no request\r\n\r\n");
    wait_ms(rig, 1);
    assert_int_equal(count_of(logged(), "\"msg\":\"refused\""), 6);
    assert_has(log_text, "\"others\":25");
}

static void with_log(rig_test test)
{
    log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(log_fd >= 0);
    weir__log_set_fd(log_fd);
    run_rig(test, NULL);
    assert_true(weir__log_flush(weir_sec(20)));
    weir__log_set_fd(STDERR_FILENO);
    close(log_fd);
}

static void test_lines(void **state)
{
    (void)state;
    with_log(lines);
}

static void test_not_too_many(void **state)
{
    (void)state;
    with_log(not_too_many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_not_too_many),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
