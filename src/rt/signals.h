/*
 * The process' signals, as numbers that a fiber reads from a descriptor: whichever thread the
 * kernel picks, the program's own ones too.
 *
 * They are handled and not blocked, because a mask and what is ignored are inherited by every
 * program that is started from here, and handlers are not. So a thread that runs the program's code
 * has nothing blocked that the caller of weir_app_run has not.
 *
 * G1: a descriptor that handlers write to is closed only when no handler is between reading its
 *     number and having written.
 */
#ifndef WEIR_RT_SIGNALS_H
#define WEIR_RT_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <weir/err.h>

/* Sent to a worker's thread, to be told what it runs. */
#define WEIR__WATCHDOG_SIGNAL (SIGRTMIN + 3)

/* What becomes of a signal that was ignored when the process was started. */
struct weir__signal {
    int number;
    bool is_kept_ignored; /* by nohup, or by a shell for what runs in the background: it stays so */
};

/*
 * From now on each of these signals is a number in `*fd`, which never blocks; they are unblocked in
 * the calling thread and so in those that it starts. Once at a time in a process. -errno: nothing
 * has been changed.
 */
WEIR_MUST_USE weir_err weir__signals_open(const struct weir__signal *signals, int count, int *fd);

/* The next one; 0: there is none now. */
int weir__signals_read(int fd);

/*
 * Closes the descriptor. The signals go on being handled, by doing nothing: one that comes while
 * the process ends does not change how it ends. Idempotent.
 */
void weir__signals_close(void);

/*
 * What the runtime itself needs. Unblocks in the calling thread what a thread causes itself
 * (faults, abort) and what the watchdog asks it by: with them blocked the kernel would end the
 * process where a handler can do better. SIGPIPE and SIGXFSZ (a file grows past the limit: EFBIG
 * then) do nothing from then on unless the program has handlers for them, and a SIGCHLD that was
 * ignored (children would leave no status) has its default again.
 */
void weir__signals_prepare(void);

#endif
