/*
 * Who watches over the workers is above, and fills in a table. Without one all goes on and is
 * counted, but nobody tells of a stall, a leak or a wait without an end, or ends a deadlock.
 */
#ifndef WEIR_RT_WATCH_H
#define WEIR_RT_WATCH_H

#include <stdint.h>

struct weir__owned;
struct weir__runtime;
struct weir__wait;
struct weir__watchdog;
struct weir__worker;

struct weir__watch {
    /*
     * Tells of something that was left open by mistake, and of a wait that has lasted for long and
     * has no deadline. `untold`: others that were only counted since the last one was told. On the
     * worker of the context, of the fiber.
     */
    void (*leak)(const struct weir__owned *o, const char *what, uint64_t untold);
    void (*endless_wait)(const struct weir__wait *w, uint64_t untold);
    /*
     * Before a worker polls: arms its timer `deadlock` if there may be something to find. And when
     * that is due: looks at some of its fibers.
     */
    void (*plan)(struct weir__worker *w);
    void (*search)(struct weir__worker *w);
    /* A thread that notices stalls; NULL: none is wanted, or to be had. Ends and joins it. */
    struct weir__watchdog *(*start)(struct weir__runtime *rt);
    void (*stop)(struct weir__watchdog *dog);
};

/* Set before a runtime is made; NULL: nobody watches. */
extern const struct weir__watch *weir__watch;

#endif
