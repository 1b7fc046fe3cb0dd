/*
 * A handler that writes the signal's number to a pipe, for all signals that mean something to the
 * service. It may run on any thread, on any stack and in any library's lock, so it does nothing
 * else; the descriptor that cannot take a number any more loses it, which needs 65,536 of them.
 *
 * The one hard thing is a child that has been forked and not yet replaced by another program: it
 * has the handlers and the pipe, and a signal that is meant for it would drain its parent. It is
 * known by its number, and gets what it would have got without handlers.
 */
#include "rt/signals.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/sys.h"

static struct {
    atomic_int in, out; /* ends of the pipe; -1: none */
    atomic_int inside;  /* G1: handlers that may use `in` */
    _Atomic pid_t owner;
} all = {.in = -1, .out = -1};

static void forward(int number)
{
    int err = errno;
    if (getpid() != atomic_load(&all.owner)) {
        signal(number, SIG_DFL);
        raise(number); /* comes when this handler has returned */
        return;
    }
    atomic_fetch_add(&all.inside, 1);
    int in = atomic_load(&all.in);
    unsigned char byte = (unsigned char)number;
    if (in >= 0)
        (void)!write(in, &byte, 1);
    int inside = atomic_fetch_sub(&all.inside, 1);
    WEIR_ASSERT(inside > 0, "G1: who has written was counted before it read the number");
    errno = err;
}

static void do_nothing(int number)
{
    (void)number;
}

/* True when the process was started with it ignored, and nobody has changed that. */
static bool is_ignored(int number)
{
    struct sigaction was;
    return sigaction(number, NULL, &was) == 0 && was.sa_handler == SIG_IGN;
}

/* On the thread's signal stack where it has one: that of a fiber is small. */
static void handle(int number, void (*handler)(int number))
{
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&sa.sa_mask);
    int err = sigaction(number, &sa, NULL);
    WEIR_ASSERT(err == 0, "G2: a signal that exists can be handled");
}

/* What tells of an error that the call returns as well, and would end the process for it. */
static void disarm(int number)
{
    struct sigaction was;
    if (sigaction(number, NULL, &was) == 0 &&
        (was.sa_handler == SIG_DFL || was.sa_handler == SIG_IGN))
        handle(number, do_nothing);
}

/* A SIGCHLD that is ignored, by whom we were started, leaves no status of children. */
static void keep_children(void)
{
    struct sigaction was;
    if (sigaction(SIGCHLD, NULL, &was) == 0 &&
        (was.sa_handler == SIG_IGN || (was.sa_flags & SA_NOCLDWAIT) != 0))
        signal(SIGCHLD, SIG_DFL);
}

weir_err weir__signals_open(const struct weir__signal *signals, int count, int *fd)
{
    int ends[2];
    WEIR_ASSERT(atomic_load(&all.in) < 0, "G1: signals are read at one place of the process");
    int err = weir__sys_pipe(ends);
    if (err < 0)
        return err;
    atomic_store(&all.out, ends[0]);
    atomic_store(&all.in, ends[1]);
    atomic_store(&all.owner, getpid());
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) {
        if (signals[i].is_kept_ignored && is_ignored(signals[i].number))
            continue;
        WEIR_ASSERT(signals[i].number > 0 && signals[i].number <= UINT8_MAX,
                    "G2: a signal's number is a byte of the pipe");
        handle(signals[i].number, forward);
        sigaddset(&set, signals[i].number);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    *fd = ends[0];
    return WEIR_OK;
}

int weir__signals_read(int fd)
{
    unsigned char byte;
    if (weir__sys_read(fd, &byte, 1) != 1)
        return 0;
    WEIR_ASSERT(byte != 0, "G2: what comes is the number of a signal");
    return byte;
}

void weir__signals_close(void)
{
    int in = atomic_exchange(&all.in, -1), out = atomic_exchange(&all.out, -1);
    WEIR_ASSERT((in < 0) == (out < 0), "G1: both ends of the pipe are open, or none is");
    while (atomic_load(&all.inside) > 0)
        sched_yield();
    if (in >= 0)
        (void)weir__sys_close(in);
    if (out >= 0)
        (void)weir__sys_close(out);
}

void weir__signals_prepare(void)
{
    static const int own[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGABRT,
                              SIGTRAP, SIGPIPE, SIGXFSZ, SIGCHLD};
    sigset_t set;
    disarm(SIGPIPE);
    disarm(SIGXFSZ);
    keep_children();
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        sigaddset(&set, own[i]);
    sigaddset(&set, WEIR__WATCHDOG_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
