/*
 * The audit of descriptors: what was opened behind the runtime's back is told once, by number and
 * by what it is, and nothing else is told: not what came through the door or was there before, not
 * what a library holds for Weir, not what is closed soon.
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
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/metric_testing.h"
#include "os/symbol.h"
#include "os/sys.h"
#include "rt/log.h"
#include "rt/sim.h"
#include "watch/foreign.h"
#include <weir/fd.h>
#include <weir/fiber.h>

static struct weir__foreign f;
static int64_t seconds;
static char bytes[65536];
static weir_buf lines;

static void audit(void)
{
    weir__foreign_audit(&f, (weir_time){++seconds * 1000000000});
}

static unsigned told(void)
{
    unsigned n = 0;
    bytes[lines.len] = '\0';
    for (const char *at = bytes; (at = strstr(at, "opened behind the runtime's back")) != NULL;
         at++)
        n++;
    return n;
}

static const struct weir__foreign_fd *entry(int num)
{
    for (uint32_t i = 0; i < f.count; i++)
        if (f.fds[i].num == num)
            return &f.fds[i];
    return NULL;
}

static int begin(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    seconds = 1000;
    weir_buf_init_fixed(&lines, bytes, sizeof bytes - 1);
    weir__log_capture(&lines);
    return 0;
}

static int end(void **state)
{
    (void)state;
    weir__log_capture(NULL);
    return 0;
}

/* --- what is told ------------------------------------------------------------------------- */

static void test_L28_what_stays_is_told_once(void **state)
{
    (void)state;
    audit();
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    audit();
    assert_int_equal(told(), 0); /* it may be on its way */
    assert_int_equal(entry(fd)->state, WEIR__FOREIGN_SEEN);
    for (int i = 0; i < 5; i++) {
        audit();
        assert_int_equal(told(), 1);
        assert_int_equal(f.told, 1);
        assert_int_equal(weir__foreign_open(&f), 1);
    }
    struct weir__metrics m = {.count = 0};
    weir__foreign_metrics(&f, &m);
    assert_true(metric_lines_has(&m, "\nweir_descriptors_foreign 1\n"
                                     "weir_descriptors_foreign_total 1\n"
                                     "weir_descriptor_audits_total 7\n"));
    char expected[128];
    snprintf(expected, sizeof expected, "\"fd\":%d,\"what\":\"/dev/null\",\"age_ms\":1000", fd);
    assert_non_null(strstr(bytes, expected));
    assert_non_null(strstr(bytes, "weir_fd_adopt"));
    assert_int_equal(close(fd), 0);
    audit();
    assert_null(entry(fd));
    assert_int_equal(weir__foreign_open(&f), 0);
    int again = open("/dev/zero", O_RDONLY | O_CLOEXEC); /* the number again, another thing */
    assert_int_equal(again, fd);
    audit();
    audit();
    assert_int_equal(told(), 2);
    assert_int_equal(close(again), 0);
}

/* One number, one thing after the other: each is new, whatever the number was before. */
static void test_a_number_is_no_identity(void **state)
{
    (void)state;
    int early = open("/dev/null", O_RDONLY | O_CLOEXEC);
    audit();
    assert_int_equal(entry(early)->state, WEIR__FOREIGN_EARLY);
    audit();
    audit();
    assert_int_equal(told(), 0); /* it was there at the start */
    assert_int_equal(close(early), 0);
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd, early);
    audit();
    audit();
    assert_int_equal(told(), 1);
    assert_int_equal(close(fd), 0);
    int mine = weir__sys_open("/dev/null", O_RDONLY, 0);
    assert_int_equal(mine, fd);
    audit();
    audit();
    assert_null(entry(mine));
    weir__sys_close(mine);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the door has forgotten its number */
    assert_int_equal(fd, mine);
    audit();
    audit();
    assert_int_equal(told(), 2);
    assert_int_equal(close(fd), 0);
}

/* --- what is not -------------------------------------------------------------------------- */

static weir_err adopts(weir_ctx *c, void *arg)
{
    int *fd = arg;
    *fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(weir_fd_adopt(c, *fd), WEIR_OK);
    errno = ENOENT;
    assert_int_equal(weir_fd_adopt(c, -1), -ENOENT);
    audit();
    audit();
    assert_null(entry(*fd));
    return WEIR_OK;
}

static weir_err cannot_adopt(weir_ctx *c, void *arg)
{
    int *fd = arg;
    *fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    weir__alloc_fail_nth(1);
    assert_int_equal(weir_fd_adopt(c, *fd), -ENOMEM);
    weir__alloc_fail_nth(0);
    assert_int_equal(weir__sys_fd_flags(*fd), -EBADF); /* it has been closed */
    return WEIR_OK;
}

static weir_err hands_over(weir_ctx *c, void *fd)
{
    return weir_fd_adopt(c, *(int *)fd);
}

/* What is not the caller's to give: a context would close it under its owner's feet. */
static weir_err gives_others(weir_ctx *c, void *arg)
{
    int own = weir__sys_open("/dev/null", O_RDONLY, 0);
    int twice = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(weir_fd_adopt(c, twice), WEIR_OK);
    int others[] = {0, 1, 2, own, twice};
    (void)arg;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(weir_protect(c, hands_over, &others[i]), WEIR_EPANIC);
        assert_non_null(strstr(weir_last_error(c)->message.ptr, "weir_fd_adopt: descriptor "));
        weir_error_clear(c);
        assert_true(weir__sys_fd_flags(others[i]) >= 0); /* as it was */
    }
    assert_int_equal(weir_fd_adopt(c, 777),
                     -EBADF); /* reports open files: a lower one may be theirs */
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "is not open"));
    weir__sys_close(own);
    return WEIR_OK;
}

static void test_what_is_others_is_not_taken(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(gives_others, NULL), WEIR_OK);
}

static void test_what_is_known_is_not_told(void **state)
{
    (void)state;
    int ends[2];
    audit();
    assert_int_equal(weir__sys_pipe(ends), 0);
    int fds[] = {weir__sys_open("/dev/null", O_RDONLY, 0),
                 weir__sys_socket(AF_INET, SOCK_STREAM, 0),
                 weir__sys_epoll_create(),
                 weir__sys_eventfd(),
                 weir__sys_openat(AT_FDCWD, "/dev/null", O_RDONLY),
                 ends[0],
                 ends[1]};
    int root = weir__sys_open("/", O_PATH | O_DIRECTORY, 0), adopted = -1;
    int beneath = weir__sys_open_beneath(root, "proc/self/status");
    for (int i = 0; i < 3; i++)
        audit();
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        assert_true(fds[i] >= 0);
        assert_null(entry(fds[i]));
        weir__sys_close(fds[i]);
    }
    assert_null(entry(beneath));
    weir__sys_close(beneath);
    weir__sys_close(root);
    assert_int_equal(weir__sim_run(adopts, &adopted), WEIR_OK);
    assert_int_equal(weir__sys_fd_flags(adopted), -EBADF); /* closed with its context */
    assert_int_equal(weir__sim_run(cannot_adopt, &adopted), WEIR_OK);
    assert_int_equal(told(), 0);
}

static void open_and_close(int times)
{
    for (int i = 0; i < times; i++) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        audit();
        assert_int_equal(close(fd), 0);
        audit();
    }
}

/* What libdw opens to name functions stays open, and is Weir's. */
static void test_libraries_hold_what_they_need(void **state)
{
    (void)state;
    char text[512];
    weir_buf out;
    weir__symbols_forget();
    audit();
    for (int round = 0; round < 2; round++) {
        weir_buf_init_fixed(&out, text, sizeof text - 1);
        weir__symbolise((void *)((uintptr_t)audit + 4), &out);
        weir__symbolise((void *)((uintptr_t)strlen + 4), &out);
        text[out.len] = '\0';
        assert_non_null(strstr(text, "audit"));
        audit();
        audit();
        weir__symbols_forget();
    }
    open_and_close(3); /* and what is open for a moment is nothing */
    assert_int_equal(told(), 0);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* their numbers are free again */
    audit();
    audit();
    assert_int_equal(told(), 1);
    assert_int_equal(close(fd), 0);
}

/* --- many --------------------------------------------------------------------------------- */

enum { MANY = 1100 };

/* More than the table holds, with few asked about at a time. */
static void test_many_are_bounded(void **state)
{
    (void)state;
    static int fds[MANY];
    struct rlimit before, enough;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    enough = before;
    enough.rlim_cur = before.rlim_max < 4096 ? before.rlim_max : 4096;
    if (enough.rlim_cur < MANY + 64)
        skip();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &enough), 0);
    audit();
    uint32_t early = f.count;
    for (int i = 0; i < MANY; i++)
        assert_true((fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
    f.asked_max = 100;
    for (int i = 0; i < 100; i++)
        audit();
    assert_int_equal(f.count, WEIR__FOREIGN_MAX);
    assert_int_equal(weir__foreign_open(&f), WEIR__FOREIGN_MAX - early);
    assert_true(f.overlooked > 0);
    assert_true(told() > 0 && told() <= 100 * 10); /* ten lines an audit, and how many more */
    assert_non_null(strstr(bytes, "more descriptors: see /debug/descriptors"));
    for (int i = 0; i < MANY; i++)
        assert_int_equal(close(fds[i]), 0);
    for (int i = 0; i < 100; i++)
        audit();
    assert_int_equal(f.count, early);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_L28_what_stays_is_told_once),   TEST(test_a_number_is_no_identity),
        TEST(test_what_is_known_is_not_told),     TEST(test_what_is_others_is_not_taken),
        TEST(test_libraries_hold_what_they_need), TEST(test_many_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
