/*
 * What a thread of this process does at this moment, as the kernel tells: without a signal, which
 * would cut short what it waits for.
 */
#ifndef WEIR_OS_TASK_STATE_H
#define WEIR_OS_TASK_STATE_H

#include <stdbool.h>
#include <sys/types.h>

struct weir__task_state {
    bool is_running; /* or ready to: not asleep in the kernel */
    long call;       /* the system call that it is in, while it does not run; -1: not known */
};

/* False: there is no telling (no /proc). Any thread. */
bool weir__task_look(pid_t tid, struct weir__task_state *out);

/* The name of a system call that may block; "system call" for others. */
const char *weir__task_call_name(long call);

#endif
