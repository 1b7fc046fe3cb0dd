/*
 * What can be read again while the service runs, because somebody has asked for it (SIGHUP): each
 * part that can registers itself. Nothing ends by it, and a part that fails keeps what it had.
 */
#ifndef WEIR_RT_RELOAD_H
#define WEIR_RT_RELOAD_H

#include "base/list.h"
#include <weir/fiber.h>

/* Embedded in its owner. */
struct weir__reload {
    struct weir__list link; /* of the table */
    const char *name;       /* what is read again, for the log: "certificates" */
    /*
     * Called in a fiber of a worker that serves, in a context of its own, one call at a time; may
     * wait. On an error the old state is kept; its record's message is logged.
     */
    weir_fiber_fn fn;
    void *arg;
};

/* From then on it takes part. Any thread. */
void weir__reload_add(struct weir__reload *r, const char *name, weir_fiber_fn fn, void *arg);

/* Idempotent. Not while weir__reload_all runs. */
void weir__reload_remove(struct weir__reload *r);

/*
 * Has all of them read again, in the order in which they were added; a line of the log for each, or
 * one that says that there is nothing. Returns how many failed. Fiber.
 */
unsigned weir__reload_all(weir_ctx *c);

#endif
