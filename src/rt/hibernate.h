/*
 * Hibernation: a fiber that has waited for long, with little on its stack, keeps the live bytes of
 * that in a heap block and gives its pages back. The record of its wait is then the one in the
 * copy: what pointed to it points there, so whoever ends the wait (event, time-out, deadline,
 * cancellation, close) does so as ever, and knows nothing of it. Just before the fiber runs again
 * its stack is put back at the same addresses.
 *
 * The hard thing is what else points into that stack: locals are anybody's who was given their
 * address. So its pages are not merely dropped but guarded. Who touches them faults, and the
 * handler brings the bytes back (H1).
 *
 * H1: while `fiber.frozen` is set the copy holds the wait's record; of everything else on the stack
 *     the copy is the truth until the stack is shown again, then the stack is.
 * H2: who serves a fiber that waits reaches its locals by weir__hibernate_write and _read, once it
 *     may hibernate: so they go to where the truth is, and its stack stays hidden.
 */
#ifndef WEIR_RT_HIBERNATE_H
#define WEIR_RT_HIBERNATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR__HIBERNATE_BYTES_MAX 2048 /* live bytes of a stack that are worth a copy */

struct weir__worker;
struct weir__fiber;
struct weir__timer;

/* Why nothing can hibernate in this process; NULL: it can. */
const char *weir__hibernate_obstacle(void);

/* Arms the sweep if fibers wait and something has run since the last one. By the worker's loop. */
void weir__hibernate_plan(struct weir__worker *w);

/*
 * The worker's sweep timer: lets fibers hibernate that have waited for long enough, some at a time.
 */
void weir__hibernate_on_sweep(struct weir__timer *t);

/* Puts the stack of `f` back, which runs next. On its worker, on another stack. */
void weir__hibernate_end(struct weir__fiber *f);

/*
 * `n` bytes to, and from, a local of a fiber that waits, wherever it is at the moment: on its
 * stack, or in the copy. For who serves a wait that may hibernate with what the fiber gave the
 * address of (H2). Any thread, while the fiber cannot run again.
 */
void weir__hibernate_write(struct weir__fiber *f, void *to, const void *from, size_t n);
void weir__hibernate_read(const struct weir__fiber *f, const void *from, void *to, size_t n);

/* Does it lie on the stack of `f`? */
bool weir__hibernate_is_local(const struct weir__fiber *f, const void *p);

/*
 * For the fault handler: the stack in which `addr` lies is shown again if a hibernating fiber has
 * hidden it; its fiber goes on waiting, and does not hibernate any more. Signal-safe, from any
 * thread. False: it is no such address.
 */
bool weir__hibernate_touched(const void *addr);

/*
 * From now on a call of the kernel that met a hidden stack is made again, when all of the calling
 * worker have been shown. By who makes a runtime.
 */
void weir__hibernate_prepare(void);

#endif
