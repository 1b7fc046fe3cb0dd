/*
 * Signals as numbers in a descriptor: from whichever thread, without masks, and without what a
 * child would inherit. Each test is a process of its own, for what it changes is the process'.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/sys.h"
#include "rt/signals.h"

static const struct weir__signal two[] = {{.number = SIGTERM},
                                          {.number = SIGINT, .is_kept_ignored = true}};

static int open_two(void)
{
    int fd = -1;
    weir__signals_prepare();
    return weir__signals_open(two, 2, &fd) == WEIR_OK ? fd : -1;
}

/* Waits for the next one. */
static int next(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    (void)poll(&p, 1, 10000);
    return weir__signals_read(fd);
}

/* Runs it in a child; its line number when something was wrong, 0 when nothing was. */
static int in_a_child(int (*fn)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(fn());
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define WANT(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__ % 200 + 1;                                                             \
    } while (0)

/* --- whoever gets it ----------------------------------------------------------------------- */

static void *wait_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

static int another_thread(void)
{
    pthread_t thread;
    sigset_t all;
    WANT(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
    int fd = open_two();
    WANT(fd >= 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL); /* so that only the other one can take it */
    WANT(kill(getpid(), SIGTERM) == 0);
    WANT(next(fd) == SIGTERM);
    WANT(weir__signals_read(fd) == 0);
    return 0;
}

static int in_their_order(void)
{
    int fd = open_two();
    WANT(fd >= 0);
    static const int sent[] = {SIGINT, SIGTERM, SIGTERM, SIGINT};
    for (size_t i = 0; i < 4; i++)
        WANT(raise(sent[i]) == 0);
    for (size_t i = 0; i < 4; i++)
        WANT(next(fd) == sent[i]);
    return 0;
}

static void test_whichever_thread_gets_it(void **state)
{
    (void)state;
    assert_int_equal(in_a_child(another_thread), 0);
    assert_int_equal(in_a_child(in_their_order), 0);
}

/* --- what was inherited -------------------------------------------------------------------- */

static int blocked_and_ignored(void)
{
    sigset_t all, now;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    int fd = open_two();
    WANT(fd >= 0);
    WANT(raise(SIGINT) == 0 && raise(SIGTERM) == 0);
    WANT(next(fd) == SIGTERM && weir__signals_read(fd) == 0);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    WANT(sigismember(&now, SIGTERM) == 0 && sigismember(&now, SIGPIPE) == 0);
    WANT(sigismember(&now, SIGUSR1) == 1); /* blocked by who started it, and so it stays */
    WANT(sigismember(&now, SIGSEGV) == 0 && sigismember(&now, SIGABRT) == 0);
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(3);
    WANT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
    return 0;
}

static void test_what_was_inherited_is_put_in_order(void **state)
{
    (void)state;
    assert_int_equal(in_a_child(blocked_and_ignored), 0);
}

static volatile sig_atomic_t pipes;

static void count_pipes(int number)
{
    pipes += number == SIGPIPE;
}

static int breaks_a_pipe(void)
{
    int ends[2];
    WANT(weir__sys_pipe(ends) == 0);
    WANT(weir__sys_close(ends[0]) == 0);
    WANT(weir__sys_write(ends[1], "x", 1) == -EPIPE);
    return 0;
}

static int own_handler(void)
{
    signal(SIGPIPE, count_pipes);
    WANT(open_two() >= 0);
    WANT(breaks_a_pipe() == 0);
    WANT(pipes == 1);
    return 0;
}

static int no_handler(void)
{
    struct sigaction now;
    WANT(open_two() >= 0);
    WANT(breaks_a_pipe() == 0);
    WANT(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler != SIG_IGN);
    return 0;
}

static void test_a_broken_pipe_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(in_a_child(no_handler), 0);
    assert_int_equal(in_a_child(own_handler), 0);
}

/* --- the end, and children ----------------------------------------------------------------- */

static int after_the_end(void)
{
    int fd = open_two();
    WANT(fd >= 0);
    weir__signals_close();
    weir__signals_close();
    WANT(weir__sys_fd_flags(fd) == -EBADF);
    WANT(raise(SIGTERM) == 0);
    fd = open_two();
    WANT(fd >= 0 && raise(SIGTERM) == 0 && next(fd) == SIGTERM);
    return 0;
}

/* It would have drained its parent. */
static int forked(void)
{
    int fd = open_two(), status = 0;
    WANT(fd >= 0);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGTERM);
        _exit(0);
    }
    WANT(waitpid(child, &status, 0) == child);
    WANT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    WANT(weir__signals_read(fd) == 0);
    return 0;
}

static int without_descriptors(void)
{
    struct sigaction now;
    int fd = -1;
    weir__sys_fail_nth(1, EMFILE);
    WANT(weir__signals_open(two, 2, &fd) == -EMFILE);
    WANT(sigaction(SIGTERM, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
    return 0;
}

static void test_nothing_comes_after_the_end(void **state)
{
    (void)state;
    assert_int_equal(in_a_child(after_the_end), 0);
    assert_int_equal(in_a_child(without_descriptors), 0);
}

static void test_a_forked_child_is_not_its_parent(void **state)
{
    (void)state;
    assert_int_equal(in_a_child(forked), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whichever_thread_gets_it),
        cmocka_unit_test(test_what_was_inherited_is_put_in_order),
        cmocka_unit_test(test_a_broken_pipe_is_an_error),
        cmocka_unit_test(test_nothing_comes_after_the_end),
        cmocka_unit_test(test_a_forked_child_is_not_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
