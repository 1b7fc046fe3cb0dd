/*
 * The watchdog: a thread that notices when a worker runs one fiber for too long, and tells where.
 */
#ifndef WEIR_WATCH_WATCHDOG_H
#define WEIR_WATCH_WATCHDOG_H

#include <stddef.h>
#include <weir/time.h>

struct weir__runtime;
struct weir__worker;
struct weir__watchdog;

/*
 * Starts it unless options.stall is below zero (NULL then, and when there is no thread to be had).
 */
struct weir__watchdog *weir__watchdog_start(struct weir__runtime *rt);

/* Ends and joins it. NULL is allowed. */
void weir__watchdog_stop(struct weir__watchdog *dog);

/*
 * As weir__worker_snapshot_stack, but 0 when the worker is asleep in a system call, which the
 * signal could cut short.
 */
size_t weir__worker_running_stack(struct weir__worker *w, void **pcs, size_t max,
                                  weir_dur patience);

/*
 * The stack of what worker `w` runs at this moment, taken by a signal; from another thread. Returns
 * the number of return addresses; 0 when it runs no fiber or does not answer within `patience`.
 */
size_t weir__worker_snapshot_stack(struct weir__worker *w, void **pcs, size_t max,
                                   weir_dur patience);

#endif
