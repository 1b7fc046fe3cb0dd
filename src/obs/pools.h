/*
 * The page /debug/pools: every pool of the process and every lease, as text or JSON.
 */
#ifndef WEIR_OBS_POOLS_H
#define WEIR_OBS_POOLS_H

#include "net/pool_facts.h"
#include "rt/runtime.h"

/* The leases of one worker's fibers. */
struct weir__worker_leases {
    bool has_answered; /* else what its fibers wait for is not known */
    size_t count, skipped;
    struct weir__lease_facts *leases;
};

struct weir__pools {
    size_t count;
    struct weir__pool_facts *pools;
    unsigned worker_count;
    struct weir__worker_leases *workers; /* worker_count of them */
};

/*
 * Asks every worker for its leases and waits at most `patience`; of those that do not answer they
 * are read from here, without what their fibers wait for. WEIR_OK also then; -ENOMEM; the reason.
 * Fiber.
 */
WEIR_MUST_USE weir_err weir__pools_collect(struct weir__ctx *c, weir_dur patience,
                                           struct weir__pools *out);
void weir__pools_fini(struct weir__pools *p);

/* For people, and for programs. The buffer's error is sticky. Looks up names of functions: slow. */
void weir__pools_text(const struct weir__pools *p, weir_buf *out);
void weir__pools_json(const struct weir__pools *p, weir_buf *out);

#endif
