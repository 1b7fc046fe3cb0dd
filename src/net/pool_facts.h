/*
 * What /debug/pools shows: every pool of the process, and every lease with whom it is lent to, for
 * how long, since where, and what that fiber waits for now. Plain facts, copied; nothing in them is
 * borrowed but places and names of functions.
 */
#ifndef WEIR_NET_POOL_FACTS_H
#define WEIR_NET_POOL_FACTS_H

#include "base/origin.h"
#include "rt/owned.h"
#include <weir/pool.h>

struct weir__worker;

struct weir__pool_facts {
    const void
        *pool; /* which one; not to be followed. NULL: a shared one, whose leases are not known */
    char name[64];
    weir_pool_stats stats; /* its name is the one above */
    bool is_closing;
    weir_dur down, suspended; /* for so long, where its numbers say that it is */
    uint32_t failures;        /* to open one, in a row */
    weir_dur failure_age;
    char failure[256]; /* of the last of these */
    char note[64];     /* what its driver says of it; "": nothing */
};

struct weir__lease_facts {
    const void *pool;
    unsigned worker;
    uint64_t fiber_id;
    const char *fiber; /* its function; "" on its way to another one */
    const char *kind;  /* "lease", "rows", "transaction" */
    const weir_site *site;
    weir_dur age;
    struct weir__origin_copy origin;
    bool is_reported; /* out for longer than the pool's leak_threshold */
    bool is_waiting;  /* `waits` says for what, and `waited` since when */
    weir_dur waited;
    char waits[160];
    void *stack[WEIR__STACK_DEPTH]; /* that acquired it; 0-terminated if shorter */
};

/* The first `max` pools, in the order in which they were made; returns how many. Worker. */
size_t weir__pool_facts(struct weir__pool_facts *out, size_t max);

/*
 * Leases of fibers of worker `w`, the first `max`; returns how many, `skipped` gets the others.
 * What they wait for is known only when `w` is the calling worker, on its own stack. Worker.
 */
size_t weir__lease_facts(const struct weir__worker *w, struct weir__lease_facts *out, size_t max,
                         size_t *skipped);

#endif
