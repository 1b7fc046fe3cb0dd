/*
 * Starting a program: its descriptors, its environment, and the call that makes it, which waits for
 * the disk and is therefore made on the offload pool.
 */
#ifndef WEIR_IO_PROCESS_START_H
#define WEIR_IO_PROCESS_START_H

#include "rt/context.h"
#include <weir/process.h>

/* What comes of it. Descriptors are ours, non-blocking; -1: none. */
struct weir__started {
    pid_t pid; /* 0: not started */
    int in, out, err;
};

/*
 * Starts it and fills `*out`. What is in there when this fails, or when the fiber has been
 * cancelled meanwhile, is to be closed and ended all the same. Fiber; waits.
 */
WEIR_MUST_USE weir_err weir__process_start(struct weir__ctx *c, const char *const *argv,
                                           const weir_spawn_options *options,
                                           struct weir__started *out);

#endif
