/*
 * Threads beside the workers: the log's writer, the offload pool, the watchdog.
 */
#ifndef WEIR_OS_THREAD_H
#define WEIR_OS_THREAD_H

#include <pthread.h>
#include <time.h>
#include <weir/err.h>
#include <weir/time.h>

/*
 * The clock of these threads: the one of the workers, and no other, for what steps with the wall
 * clock makes a wait as long as the step. Any thread.
 */
static inline weir_time weir__clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (weir_time){(int64_t)t.tv_sec * 1000000000 + t.tv_nsec};
}

/* A point of it as the C library's waits want it, for sem_clockwait and pthread_cond_clockwait. */
static inline struct timespec weir__timespec(weir_time t)
{
    return (struct timespec){.tv_sec = t.ns / 1000000000, .tv_nsec = t.ns % 1000000000};
}

enum weir__thread_kind {
    WEIR__THREAD_OWN, /* Weir's code alone: it takes no signal but faults */
    /*
     * The program's code too: it has the mask of who starts it, since what it starts inherits that.
     */
    WEIR__THREAD_OPEN
};

/* Starts a joinable thread; `name` has at most 15 characters. WEIR_OK or -errno. */
weir_err weir__thread_start(pthread_t *out, enum weir__thread_kind kind, const char *name,
                            size_t stack_bytes, void *(*fn)(void *arg), void *arg);

#endif
