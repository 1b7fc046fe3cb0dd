/*
 * Threads that are no worker's: the program's own, a library's, Weir's offload threads while they
 * run the program's code. What needs a fiber is refused there, with a line in the log and a result
 * that says so: there is no request to panic, and a process does not end for it.
 */
#ifndef WEIR_RT_OUTSIDE_H
#define WEIR_RT_OUTSIDE_H

#include "rt/context.h"

/*
 * Tells that `function` was called from such a thread, at `caller`, and what to do instead; NULL:
 * to send to a channel.
 */
void weir__outside_refuse(const char *function, const void *caller, const char *instead);

/*
 * What begins every public function but those for any thread: returns the arguments when there is
 * no fiber that could have called it.
 */
#define WEIR__FIBERS_ONLY(...)                                                                     \
    do {                                                                                           \
        if (WEIR_UNLIKELY(weir__self == NULL)) {                                                   \
            weir__outside_refuse(__func__, __builtin_return_address(0), NULL);                     \
            return __VA_ARGS__;                                                                    \
        }                                                                                          \
    } while (0)

/* For what builds the service: any thread may, until the start is over. */
#define WEIR__BEFORE_START(is_started, ...)                                                        \
    do {                                                                                           \
        if (WEIR_UNLIKELY((is_started) && weir__self == NULL)) {                                   \
            weir__outside_refuse(__func__, __builtin_return_address(0),                            \
                                 "routes and handles are made before the service starts");         \
            return __VA_ARGS__;                                                                    \
        }                                                                                          \
    } while (0)

/*
 * What such a call gets where it must not get NULL: a handle of nothing, as one of a context that
 * has ended.
 */
void *weir__outside_nothing(void) WEIR_NEVER_NULL;

/*
 * Calls code of the program that must not rely on a fiber although the calling thread has one, as
 * if it had none: the simulation's offloaded calls, interrupts.
 */
void weir__outside_run(void (*fn)(void *arg), void *arg);

/* Calls that were refused so far. */
uint64_t weir__outside_total(void);

#endif
