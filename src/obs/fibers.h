/*
 * The page /debug/fibers: every fiber of every worker, as text or JSON.
 */
#ifndef WEIR_OBS_FIBERS_H
#define WEIR_OBS_FIBERS_H

#include "rt/runtime.h"
#include "watch/dump.h"

enum { WEIR__STUCK_STACK_DEPTH = 32 };

/* What is known of one worker. */
struct weir__worker_facts {
    bool has_answered;
    uint64_t fibers, parked, switches; /* its counters: right even when it is stuck */
    int64_t busy_ns;                   /* how long its present fiber runs; 0: none does */
    size_t depth;                      /* not answered: the stack of what it runs */
    void *stack[WEIR__STUCK_STACK_DEPTH];
    struct weir__dump dump; /* answered: its fibers */
};

struct weir__fibers {
    weir_time now;
    unsigned worker_count;
    struct weir__worker_facts *workers; /* worker_count of them */
};

/*
 * Asks every worker, waits at most `patience`, and takes the stacks of those that do not answer by
 * a signal. WEIR_OK even when workers did not answer; -ENOMEM; the reason. Fiber.
 */
WEIR_MUST_USE weir_err weir__fibers_collect(struct weir__ctx *c, weir_dur patience,
                                            struct weir__fibers *out);
void weir__fibers_fini(struct weir__fibers *f);

/*
 * For people, and for programs. The buffer's error is sticky. Names of functions are looked up
 * here: slow.
 */
void weir__fibers_text(const struct weir__fibers *f, weir_buf *out);
void weir__fibers_json(const struct weir__fibers *f, weir_buf *out);

/* One line on what a fiber does and waits for: "GET /orders, 1.2 s, waits for pool orders". */
void weir__fiber_line(const struct weir__dump_fiber *f, weir_time now, weir_buf *out);

#endif
