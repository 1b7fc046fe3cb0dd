/*
 * Programs that are started and belong to a context: when it ends, by whatever way, the program is
 * ended too: SIGTERM, some time, SIGKILL, and its number is given back. That is no mistake. It is
 * for the fibers of the worker that started it.
 *
 *     const char *const argv[] = {"sort", "-u", NULL};
 *     weir_process *p = weir_spawn(c, argv, .input = words);
 *     weir_str sorted;
 *     weir_err err = weir_process_read_all(c, p, 1 << 20, &sorted);     // the first error of all
 *     int status = weir_process_wait(c, p);
 *
 * No shell is between: arguments are given as they are, and what came from a client can be one of
 * them (but for what the program itself makes of it: put "--" before). The program gets no signal
 * blocked or ignored, no descriptor but its standard three, and a process group of its own, so that
 * what it starts in turn is ended with it.
 */
#ifndef WEIR_PROCESS_H
#define WEIR_PROCESS_H

#include <sys/types.h>
#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A program that was started. */
typedef struct weir_process weir_process;

/** Where a program's output goes. */
typedef enum weir_output {
    WEIR_OUTPUT_DEFAULT, /* standard output: READ, standard error: SERVICE */
    WEIR_OUTPUT_READ,    /* to weir_process_read, weir_process_read_err */
    WEIR_OUTPUT_SERVICE, /* where the service's own goes */
    WEIR_OUTPUT_NOWHERE, /* to /dev/null */
    WEIR_OUTPUT_MERGED   /* standard error alone: where standard output goes */
} weir_output;

/** What a program may be given. Strings are read during the call, and not kept. */
typedef struct weir_spawn_options {
    size_t size; /* the macro's */
    /*
     * "NAME=value", NULL at the end: added to the service's own environment, in place of what has
     * the same name there. `env_only`: the program has these alone.
     */
    const char *const *env;
    bool env_only;
    const char *dir; /* where it runs; default: where the service does */
    /*
     * What it reads from standard input, at most 64 MiB, copied; default: nothing. `input_open`:
     * it reads what weir_process_write writes.
     */
    weir_str input;
    bool input_open;
    weir_output out, err;
    weir_dur grace; /* from SIGTERM to SIGKILL at its context's end; 1 s, at most 5 s */
} weir_spawn_options;

/**
 * Starts a program.
 *
 * argv     its name and arguments, NULL at the end; copied. A name without a slash is looked for in
 *          the service's PATH
 * ...      members of weir_spawn_options
 * returns  the process; never NULL. Where it could not be started every call on it returns why, and
 *          the error record says so: -ENOENT, -EACCES …, -EAGAIN (no more processes), -EMFILE,
 *          WEIR_ETOOLARGE (of input), the reason when `c` was cancelled, WEIR_ELIMIT, -ENOMEM
 * owner    the context; the application's: the calling worker, until the service ends
 * context  fiber; waits for a thread of the offload pool, and the disk
 */
#define weir_spawn(c, ...) WEIR__SPAWN(c, __VA_ARGS__, )
#define WEIR__SPAWN(c, argv, ...)                                                                  \
    WEIR__CALL(weir_spawn_at, (WEIR_HERE, (c), (argv)), weir_spawn_options, __VA_ARGS__)
/** The function behind weir_spawn. */
WEIR_API weir_process *weir_spawn_at(const weir_site *site, weir_ctx *c, const char *const *argv,
                                     const weir_spawn_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3);

/**
 * Reads what it writes to standard output, waiting while there is nothing.
 *
 * bytes    filled, `size` bytes at most; in place until the call returns
 * returns  how many; 0 at the end: it, and what it started, have closed it; below 0 an error: why
 *          it was not started, WEIR_ECLOSED when the process was closed, also meanwhile, the reason
 *          when `c` is cancelled (then nothing was taken)
 * errors   two fibers in it at a time, and an output that goes elsewhere: misuse, panics
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API ssize_t weir_process_read(weir_ctx *c, weir_process *p, void *bytes,
                                   size_t size) WEIR_MUST_USE WEIR_NONNULL(1, 2)
    WEIR_ACCESS(write_only, 3, 4);

/** The same for standard error, with `.err = WEIR_OUTPUT_READ`; `bytes` are filled. */
WEIR_API ssize_t weir_process_read_err(weir_ctx *c, weir_process *p, void *bytes,
                                       size_t size) WEIR_MUST_USE WEIR_NONNULL(1, 2)
    WEIR_ACCESS(write_only, 3, 4);

/**
 * Reads standard output to its end.
 *
 * bytes_max  of output; more is WEIR_ETOOLARGE
 * out        filled: the text, in the memory of `c`; empty on failure
 * returns    WEIR_OK; an error as weir_process_read, WEIR_ETOOLARGE, WEIR_EBUDGET, -ENOMEM
 * context    fiber; may wait, up to the deadline of `c`
 */
WEIR_API weir_err weir_process_read_all(weir_ctx *c, weir_process *p, size_t bytes_max,
                                        weir_str *out) WEIR_MUST_USE WEIR_NONNULL(1, 2, 4);

/**
 * Writes all of the bytes to its standard input, waiting while it does not read. Needs
 * `.input_open`. Who writes much reads in another fiber: a program that waits for its output to be
 * taken does not read.
 *
 * bytes    read during the call, and not kept
 * returns  WEIR_OK; an error as weir_process_read; -EPIPE when it does not read any more
 * errors   two fibers in it at a time, no `.input_open`: misuse, panics
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API weir_err weir_process_write(weir_ctx *c, weir_process *p, const void *bytes,
                                     size_t size) WEIR_MUST_USE WEIR_NONNULL(1, 2)
    WEIR_ACCESS(read_only, 3, 4);

/** Ends its standard input: it reads the end. Idempotent; does not wait. While a fiber writes:
 * misuse, panics. */
WEIR_API void weir_process_end_input(weir_ctx *c, weir_process *p) WEIR_NONNULL(1, 2);

/**
 * Waits until it has ended. What it has started and left in its process group is ended then, by
 * SIGKILL. A program whose output nobody takes may not end: read first.
 *
 * returns  its exit status, 0 to 255; 128 and the signal's number for one that a signal ended;
 *          below 0 an error as weir_process_read, -ECHILD when somebody else has taken its status
 * errors   two fibers in it at a time: misuse, panics
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API int weir_process_wait(weir_ctx *c, weir_process *p) WEIR_MUST_USE WEIR_NONNULL(1, 2);

/**
 * Sends it a signal.
 *
 * returns  WEIR_OK, also when it has ended already; why it was not started; WEIR_EINVALID; -EPERM;
 *          WEIR_ECLOSED
 */
WEIR_API weir_err weir_process_signal(weir_ctx *c, weir_process *p, int number) WEIR_NONNULL(1, 2);

/** Its number; 0: it was not started, or has ended and been waited for. */
WEIR_API pid_t weir_process_pid(const weir_process *p) WEIR_MUST_USE WEIR_NONNULL(1);

/** Why it could not be started, which every call returns; else WEIR_OK. */
WEIR_API weir_err weir_process_err(const weir_process *p) WEIR_NONNULL(1);

/**
 * Ends it before its context does, in the same way. Idempotent. A fiber of its worker, also of a
 * cancelled context; waits for it, and until calls of other fibers on it have ended.
 */
WEIR_API void weir_process_close(weir_ctx *c, weir_process *p) WEIR_NONNULL(1, 2);

#ifdef __cplusplus
}
#endif
#endif
