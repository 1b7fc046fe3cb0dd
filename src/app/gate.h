/*
 * A gate between fibers of different workers: closed at first, opened once, for ever.
 */
#ifndef WEIR_APP_GATE_H
#define WEIR_APP_GATE_H

#include "os/lock.h"
#include "rt/wait.h"

struct weir__gate {
    struct weir__lock lock;
    bool is_open;
    struct weir__list waiters; /* weir__wait.in_object */
    const char *name;          /* what is waited for, in the fiber dump */
};

void weir__gate_init(struct weir__gate *g, const char *name);

/* Opens it and wakes all who wait; from any thread, while their workers are there. Idempotent. */
void weir__gate_open(struct weir__gate *g);

/* Waits until it is open: WEIR_OK, WEIR_ETIMEDOUT past `until`, the reason. Fiber. */
WEIR_MUST_USE weir_err weir__gate_wait(struct weir__ctx *c, struct weir__gate *g, weir_time until);

#endif
