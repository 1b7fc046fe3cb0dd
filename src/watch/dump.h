/*
 * What every fiber of a worker does, as plain facts. Taken on the worker's own stack in one go (a
 * microsecond a fiber), shown by whoever asked: as text, as JSON, or as the list of what a drain
 * had to cancel.
 */
#ifndef WEIR_WATCH_DUMP_H
#define WEIR_WATCH_DUMP_H

#include "base/arena.h"
#include "rt/worker.h"

enum { WEIR__DUMP_STACK_DEPTH = 24, WEIR__DUMP_OWNED_MAX = 64 };

/* Something that a fiber's contexts own. */
struct weir__dump_owned {
    struct weir__dump_owned *next;
    const char *kind;
    weir_str details; /* may be empty */
    const weir_site *site;
    weir_time since;
};

struct weir__dump_fiber {
    struct weir__dump_fiber *next;
    uint64_t id;
    unsigned worker;
    const char *name, *state; /* constant strings */
    const char *route;        /* NULL: none */
    weir_str request_id;      /* absent: none */
    weir_str trace_id;        /* absent: it works for no request */
    const char *waits_for;    /* the kind of wait; NULL: it does not wait */
    weir_str waits_details;
    const weir_site *site, *waits_site; /* who started it, who waits; may be NULL */
    weir_time since;                    /* of its state */
    weir_time deadline;                 /* weir_never(): none */
    weir_reason reason;                 /* of its context's cancellation */
    bool is_request;                    /* it works for a request */
    bool is_detached;                   /* it is background work */
    uint32_t stack_used_max;
    struct weir__dump_owned *owned; /* newest first */
    bool is_owned_cut;              /* there was more than is listed */
    size_t depth;
    void *stack[WEIR__DUMP_STACK_DEPTH];
};

/* Facts of one or several workers; freed as a whole. Strings are copies. */
struct weir__dump {
    struct weir__arena arena;
    struct weir__dump_fiber *first, **last;
    size_t count, skipped; /* skipped: did not fit */
    size_t count_max;
};

/* At most `count_max` fibers and `bytes_max` bytes; the rest is counted in `skipped`. */
void weir__dump_init(struct weir__dump *d, size_t count_max, size_t bytes_max);
void weir__dump_fini(struct weir__dump *d);

/*
 * Appends the fibers of `w`, which is the calling worker. From its own stack or one of its fibers.
 */
void weir__dump_fibers(struct weir__worker *w, struct weir__dump *d);

#endif
