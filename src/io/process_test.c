/*
 * Programs of contexts, real ones: on real workers, and in the simulation, where only time is not
 * real. What is left behind is asked of the kernel: no child, no descriptor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/sys.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/sim.h"
#include "rt/try.h"
#include <weir/fiber.h>
#include <weir/process.h>

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SH(script) ARGV("/bin/sh", "-c", script)

static void nothing_is_left(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* Runs it in the simulation and on a worker, in a context that ends, as a request does. */
struct body {
    weir_fiber_fn fn;
};

static weir_err in_a_request(weir_ctx *c, void *arg)
{
    const struct body *b = arg;
    weir_err err = WEIR_OK;
    WEIR_WITH(r, c) {
        err = b->fn(r, NULL);
    }
    nothing_is_left();
    return err;
}

static void run_both(weir_fiber_fn fn)
{
    struct weir__runtime_options options = {.workers = 1, .stall = weir_ns(-1)};
    struct body b = {fn};
    char message[128];
    weir_err err;
    int before = dup(0);
    assert_int_equal(weir__sim_run(in_a_request, &b), WEIR_OK);
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, in_a_request, &b), WEIR_OK);
    weir__runtime_free(rt);
    int after = dup(0);
    assert_int_equal(after, before + 1);
    close(before);
    close(after);
}

/* --- what it is given, and what it says ---------------------------------------------------- */

static void assert_output(weir_ctx *c, weir_process *p, const char *expected)
{
    weir_str out;
    assert_int_equal(weir_process_err(p), WEIR_OK);
    assert_int_equal(weir_process_read_all(c, p, 1 << 20, &out), WEIR_OK);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.ptr, expected, out.len);
}

static weir_err speaks(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_process *p = weir_spawn(c, ARGV("printf", "%s|%s", "a b", "$HOME"));
    assert_true(weir_process_pid(p) > 0);
    assert_output(c, p, "a b|$HOME");
    assert_int_equal(weir_process_wait(c, p), 0);
    assert_int_equal(weir_process_wait(c, p), 0);
    assert_int_equal(weir_process_pid(p), 0);
    p = weir_spawn(c, ARGV("sort"), .input = WEIR_S("c\na\nb\n"));
    assert_output(c, p, "a\nb\nc\n");
    p = weir_spawn(c, SH("cat; pwd; echo $A$B; exit 7"), .dir = "/usr", .env = ARGV("A=1", "B=2"));
    assert_output(c, p, "/usr\n12\n");
    assert_int_equal(weir_process_wait(c, p), 7);
    p = weir_spawn(c, ARGV("/usr/bin/env"), .env = ARGV("ONLY=this"), .env_only = true);
    assert_output(c, p, "ONLY=this\n");
    p = weir_spawn(c, SH("kill -9 $$"));
    assert_int_equal(weir_process_wait(c, p), 128 + SIGKILL);
    return WEIR_OK;
}

static weir_err has_two_outputs(weir_ctx *c, void *arg)
{
    char bytes[16];
    (void)arg;
    weir_process *p = weir_spawn(c, SH("echo out; echo err >&2"), .err = WEIR_OUTPUT_READ);
    assert_int_equal(weir_process_read_err(c, p, bytes, sizeof bytes), 4);
    assert_memory_equal(bytes, "err\n", 4);
    assert_int_equal(weir_process_read_err(c, p, bytes, sizeof bytes), 0);
    assert_output(c, p, "out\n");
    p = weir_spawn(c, SH("echo out; echo err >&2"), .err = WEIR_OUTPUT_MERGED);
    assert_output(c, p, "out\nerr\n");
    p = weir_spawn(c, SH("echo out; echo err >&2"), .out = WEIR_OUTPUT_NOWHERE,
                   .err = WEIR_OUTPUT_READ);
    assert_int_equal(weir_process_read_err(c, p, bytes, sizeof bytes), 4);
    return WEIR_OK;
}

static void test_it_says_what_it_is_told(void **state)
{
    (void)state;
    run_both(speaks);
    run_both(has_two_outputs);
}

/* --- both ways at once --------------------------------------------------------------------- */

enum { MUCH = 3 << 20 };

static weir_err feeds(weir_ctx *c, void *arg)
{
    char *bytes = weir_alloc(c, MUCH);
    memset(bytes, 'x', MUCH);
    weir_err err = weir_process_write(c, arg, bytes, MUCH);
    weir_process_end_input(c, arg);
    return err;
}

static weir_err streams(weir_ctx *c, void *arg)
{
    (void)arg;
    size_t total = 0;
    ssize_t n;
    static char piece[100000];
    weir_process *p = weir_spawn(c, ARGV("cat"), .input_open = true);
    assert_int_equal(WEIR_GO(c, feeds, p), WEIR_OK);
    while ((n = weir_process_read(c, p, piece, sizeof piece)) > 0)
        total += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(total, MUCH);
    assert_int_equal(weir_join(c), WEIR_OK);
    return weir_process_wait(c, p);
}

static void test_a_stream_through_it(void **state)
{
    (void)state;
    struct weir__runtime_options options = {.workers = 1, .stall = weir_ns(-1)};
    struct body b = {streams};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, in_a_request, &b), WEIR_OK);
    weir__runtime_free(rt);
}

static weir_err does_not_listen(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_process *p = weir_spawn(c, ARGV("true"), .input_open = true);
    assert_int_equal(weir_process_wait(c, p), 0);
    assert_int_equal(weir_process_write(c, p, "x", 1), -EPIPE);
    weir_process_end_input(c, p);
    weir_process_end_input(c, p);
    assert_int_equal(weir_process_write(c, p, "x", 1), WEIR_ECLOSED);
    return WEIR_OK;
}

static weir_err says_too_much(weir_ctx *c, void *arg)
{
    weir_str out;
    (void)arg;
    weir_process *p = weir_spawn(c, ARGV("yes"));
    assert_int_equal(weir_process_read_all(c, p, 100000, &out), WEIR_ETOOLARGE);
    assert_int_equal(out.len, 0);
    return WEIR_OK;
}

static void test_it_does_not_listen_or_says_too_much(void **state)
{
    (void)state;
    run_both(does_not_listen);
    run_both(says_too_much);
}

/* --- its end ------------------------------------------------------------------------------- */

/* Its first line, so that it is known to be where the script says. */
static void await_line(weir_ctx *c, weir_process *p)
{
    char byte = 0;
    while (byte != '\n')
        assert_int_equal(weir_process_read(c, p, &byte, 1), 1);
}

static weir_err is_forgotten(weir_ctx *c, void *arg)
{
    (void)arg;
    await_line(c, weir_spawn(c, SH("echo; exec sleep 1000")));
    await_line(c, weir_spawn(c, SH("sleep 1000 & echo; wait"))); /* one more in its group */
    return WEIR_OK;
}

static weir_err is_stubborn(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_process *p =
        weir_spawn(c, SH("trap '' TERM; echo; while :; do sleep 1000; done"), .grace = weir_ms(20));
    await_line(c, p);
    return WEIR_OK;
}

static weir_err is_closed(weir_ctx *c, void *arg)
{
    char byte;
    (void)arg;
    weir_process *p = weir_spawn(c, SH("trap 'exit 3' TERM; echo; while :; do sleep 0.01; done"));
    await_line(c, p);
    weir_process_close(c, p);
    weir_process_close(c, p);
    nothing_is_left();
    assert_int_equal(weir_process_read(c, p, &byte, 1), WEIR_ECLOSED);
    assert_int_equal(weir_process_wait(c, p), WEIR_ECLOSED);
    return WEIR_OK;
}

static weir_err is_signalled(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_process *p = weir_spawn(c, SH("trap 'exit 9' HUP; echo; while :; do sleep 0.01; done"));
    await_line(c, p);
    assert_int_equal(weir_process_signal(c, p, 1000), WEIR_EINVALID);
    assert_int_equal(weir_process_signal(c, p, SIGHUP), WEIR_OK);
    assert_int_equal(weir_process_wait(c, p), 9);
    assert_int_equal(weir_process_signal(c, p, SIGHUP), WEIR_OK);
    return WEIR_OK;
}

static weir_err is_cancelled(weir_ctx *c, void *arg)
{
    char byte;
    (void)arg;
    weir_ctx *soon = weir_ctx_open(c, .timeout = weir_ms(20));
    weir_process *p = weir_spawn(soon, ARGV("sleep", "1000"));
    assert_int_equal(weir_process_err(p), WEIR_OK);
    assert_int_equal(weir_process_read(soon, p, &byte, 1), WEIR_ETIMEDOUT);
    assert_int_equal(weir_process_wait(soon, p), WEIR_ETIMEDOUT);
    assert_true(weir_process_pid(p) > 0);
    (void)weir_ctx_close(soon);
    nothing_is_left();
    weir_ctx *none = weir_ctx_open(c);
    weir_cancel(none);
    assert_int_equal(weir_process_err(weir_spawn(none, ARGV("sleep", "1000"))), WEIR_ECANCELED);
    (void)weir_ctx_close(none);
    return WEIR_OK;
}

static void test_it_ends_with_its_context(void **state)
{
    (void)state;
    run_both(is_forgotten);
    run_both(is_stubborn);
    run_both(is_closed);
    run_both(is_signalled);
    run_both(is_cancelled);
}

/* What it leaves in its group would keep the output open. */
static weir_err leaves_something(weir_ctx *c, void *arg)
{
    char bytes[8];
    (void)arg;
    weir_process *p = weir_spawn(c, SH("sleep 1000 & echo; exit 4"));
    assert_int_equal(weir_process_wait(c, p), 4);
    assert_int_equal(weir_process_read(c, p, bytes, sizeof bytes), 1);
    assert_int_equal(weir_process_read(c, p, bytes, sizeof bytes), 0);
    return WEIR_OK;
}

static void test_what_it_started_ends_with_it(void **state)
{
    (void)state;
    run_both(leaves_something);
}

/* --- what goes wrong ----------------------------------------------------------------------- */

static weir_err cannot_start(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_str out;
    weir_process *p = weir_spawn(c, ARGV("no-such-program-at-all"));
    assert_int_equal(weir_process_err(p), -ENOENT);
    assert_int_equal(weir_process_wait(c, p), -ENOENT);
    assert_int_equal(weir_process_read_all(c, p, 10, &out), -ENOENT);
    assert_int_equal(weir_process_write(c, p, "x", 1), -ENOENT);
    assert_int_equal(weir_process_signal(c, p, SIGTERM), -ENOENT);
    assert_int_equal(weir_process_pid(p), 0);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "cannot start no-such-program"));
    p = weir_spawn(c, ARGV("/etc/passwd"));
    assert_int_equal(weir_process_err(p), -EACCES);
    p = weir_spawn(c, ARGV("true"), .dir = "/nowhere/at/all");
    assert_int_equal(weir_process_err(p), -ENOENT);
    p = weir_spawn(c, ARGV("true"), .input = {"x", (64u << 20) + 1});
    assert_int_equal(weir_process_err(p), WEIR_ETOOLARGE);
    return WEIR_OK;
}

/* Descriptors of processes are refused: its end is looked for. */
static int refuse_pidfd(enum weir__sys_call call)
{
    return call == WEIR__SYS_PIDFD_OPEN ? ENOSYS : 0;
}

static weir_err is_looked_for(weir_ctx *c, void *arg)
{
    (void)arg;
    weir__sys_choose_planned(refuse_pidfd);
    weir_process *p = NULL;
    for (uint64_t n = 1; n < 20; n++) { /* one of those is it */
        weir__sys_fail_nth(n, EIO);
        p = weir_spawn(c, SH("read line; exit 5"), .input_open = true);
        weir__sys_fail_nth(0, 0);
        assert_int_equal(weir_process_err(p), WEIR_OK);
        weir_process_end_input(c, p);
        assert_int_equal(weir_process_wait(c, p), 5);
        weir_process_close(c, p);
    }
    weir__sys_choose_planned(NULL);
    return WEIR_OK;
}

/* Whatever call fails, no child and no descriptor stays. */
static weir_err fails_somewhere(weir_ctx *c, void *arg)
{
    static const int errors[] = {EMFILE, EPERM, EINVAL};
    (void)arg;
    for (uint64_t n = 1, made = UINT64_MAX; n <= made; n++) {
        uint64_t before = weir__sys_count();
        weir__sys_fail_nth(n, errors[n % 3]);
        WEIR_WITH(r, c) {
            weir_str out;
            weir_process *p = weir_spawn(r, ARGV("sleep", "1000"), .input_open = true,
                                         .err = WEIR_OUTPUT_READ, .grace = weir_ms(50));
            (void)!weir_process_write(r, p, "x", 1);
            if (weir_process_signal(r, p, SIGTERM) == WEIR_OK && n % 2 == 0)
                (void)!weir_process_read_all(r, p, 10, &out);
        }
        weir__sys_fail_nth(0, 0);
        made = weir__sys_count() - before;
        nothing_is_left();
    }
    return WEIR_OK;
}

static void test_what_may_go_wrong(void **state)
{
    (void)state;
    run_both(cannot_start);
    run_both(is_looked_for);
    run_both(fails_somewhere);
}

static void elsewhere(void *arg)
{
    char byte;
    weir_ctx *c = arg;
    (void)!weir_process_read(c, weir_spawn(c, ARGV("true"), .out = WEIR_OUTPUT_NOWHERE), &byte, 1);
}

static void without_input(void *arg)
{
    weir_ctx *c = arg;
    (void)!weir_process_write(c, weir_spawn(c, ARGV("true")), "x", 1);
}

static void nameless(void *arg)
{
    weir_process *p = weir_spawn(arg, (const char *const[]){NULL});
    (void)p;
}

static weir_err misuses(weir_ctx *c, void *arg)
{
    static void (*const misuse[])(void *arg) = {elsewhere, without_input, nameless};
    (void)arg;
    for (size_t i = 0; i < sizeof misuse / sizeof misuse[0]; i++) {
        struct weir__panic_info info;
        assert_false(weir__try(misuse[i], c, &info));
    }
    return WEIR_OK;
}

static void test_misuse(void **state)
{
    (void)state;
    run_both(misuses);
}

/* --- what it inherits ---------------------------------------------------------------------- */

static weir_err is_clean(weir_ctx *c, void *arg)
{
    (void)arg;
    int leaky = open("/dev/null", O_RDONLY); // NOLINT(android-cloexec-open)
    struct sigaction before, ignored = {.sa_handler = SIG_IGN};
    sigset_t mask, was;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, &was);
    sigaction(SIGUSR2, &ignored, &before);
    /* Without the two of the C library's own, which it ignores in whatever it starts. */
    static const char script[] = "sed -n -e /^SigBlk/p -e '/^SigIgn/s/180000000$/000000000/p' "
                                 "/proc/self/status; ls /proc/$$/fd";
    weir_process *p = weir_spawn(c, SH(script));
    assert_output(c, p, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n0\n1\n2\n");
    sigaction(SIGUSR2, &before, NULL);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    close(leaky);
    return WEIR_OK;
}

static void test_it_inherits_nothing_of_ours(void **state)
{
    (void)state;
    run_both(is_clean);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_what_it_is_told),
        cmocka_unit_test(test_a_stream_through_it),
        cmocka_unit_test(test_it_does_not_listen_or_says_too_much),
        cmocka_unit_test(test_it_ends_with_its_context),
        cmocka_unit_test(test_what_it_started_ends_with_it),
        cmocka_unit_test(test_what_may_go_wrong),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_it_inherits_nothing_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
