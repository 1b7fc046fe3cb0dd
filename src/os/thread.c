/*
 * Starting threads in one way: a name, a stack of known size, a mask of signals. That is set before
 * the thread is there, so there is no moment at which it could take one that it is not to take.
 */
#include "os/thread.h"

#include <signal.h>

#include "os/sys.h"

static void only_faults(sigset_t *blocked)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigfillset(blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(blocked, faults[i]);
}

weir_err weir__thread_start(pthread_t *out, enum weir__thread_kind kind, const char *name,
                            size_t stack_bytes, void *(*fn)(void *arg), void *arg)
{
    pthread_attr_t attr;
    sigset_t mask, before;
    int err = weir__sys_pretend(WEIR__SYS_CLONE);
    if (err < 0)
        return err;
    err = pthread_attr_init(&attr);
    if (err != 0)
        return -err;
    err = pthread_attr_setstacksize(&attr, stack_bytes);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    mask = before;
    if (kind == WEIR__THREAD_OWN)
        only_faults(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (err == 0)
        err = pthread_create(out, &attr, fn, arg);
    if (err == 0)
        pthread_setname_np(*out, name);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -err;
}
