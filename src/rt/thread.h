/*
 * Threads beside the workers: the log's writer, the offload pool, the watchdog. They take no signal
 * but faults, so that the process' signals go where they are waited for.
 */
#ifndef WEIR_RT_THREAD_H
#define WEIR_RT_THREAD_H

#include <pthread.h>
#include <weir/err.h>

/* Starts a joinable thread; `name` has at most 15 characters. WEIR_OK or -errno. */
weir_err weir__thread_start(pthread_t *out, const char *name, size_t stack_bytes,
                            void *(*fn)(void *arg), void *arg);

#endif
