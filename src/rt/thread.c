/*
 * Starting threads in one way: signals blocked but those that the thread itself causes, a name, a
 * stack of known size. The mask is set before the thread is there, so there is no moment at which
 * it could take a signal.
 */
#include "rt/thread.h"

#include <signal.h>

static void only_faults(sigset_t *blocked)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigfillset(blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(blocked, faults[i]);
}

weir_err weir__thread_start(pthread_t *out, const char *name, size_t stack_bytes,
                            void *(*fn)(void *arg), void *arg)
{
    pthread_attr_t attr;
    sigset_t blocked, before;
    int err = pthread_attr_init(&attr);
    if (err != 0)
        return -err;
    err = pthread_attr_setstacksize(&attr, stack_bytes);
    only_faults(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    if (err == 0)
        err = pthread_create(out, &attr, fn, arg);
    if (err == 0)
        pthread_setname_np(*out, name);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -err;
}
