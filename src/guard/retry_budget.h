/*
 * How many tries a target may get beyond one for each request: a share of the requests, a minimum
 * a second for clients that have few, and what was saved of both, up to a bound. With it a target
 * that fails under load gets a fifth more of it, not three times as much; what is refused a retry
 * returns the error that it has.
 *
 * One budget a target, for all workers. A request is a plain add in the worker's own cells; only
 * who retries looks at the cells of all and changes the one word that is shared. Nothing takes a
 * lock or memory. Why it is a bucket of this kind: docs/design/guard.md.
 */
#ifndef WEIR_GUARD_RETRY_BUDGET_H
#define WEIR_GUARD_RETRY_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/counter.h"
#include <weir/time.h>

/* For `percent` and `per_second`: no tries come from there. */
#define WEIR__RETRY_NONE UINT32_MAX

#define WEIR__RETRY_PER_SECOND_MAX 1000000
#define WEIR__RETRY_BURST_MAX 1000000

/* 0 is the default in each. */
struct weir__retry_budget_options {
    uint32_t percent;    /* tries for each hundred requests, up to 100 (20) */
    uint32_t per_second; /* tries a second whatever the requests (10) */
    uint32_t burst;      /* tries that may be saved; so many there are at the start (100) */
};

/* A worker's: it alone writes, anybody reads. On a cache line of its own. */
struct weir__retry_budget_worker {
    _Alignas(64) struct weir__counter requests;
    struct weir__counter granted;
    struct weir__counter refused;
};

/*
 * Amounts are thousandths of a try. Whatever was supplied since the start is counted, not what is
 * left: that number only grows, and so does `spent`, the one word that workers change against each
 * other. What lies between the two is left.
 */
struct weir__retry_budget {
    uint64_t per_request;
    uint64_t per_second;
    uint64_t burst;
    weir_time began;
    uint32_t workers;
    _Alignas(64) _Atomic uint64_t spent;
    struct weir__retry_budget_worker of[];
};

/*
 * A budget for workers 0 to `workers` - 1, or NULL: no memory. The caller's, who gives it to
 * weir__retry_budget_free (NULL is nothing) when no worker uses it any more.
 */
struct weir__retry_budget *weir__retry_budget_new(const struct weir__retry_budget_options *o,
                                                  uint32_t workers, weir_time now);
void weir__retry_budget_free(struct weir__retry_budget *b);

/* A request begins: once for each, whatever number of tries it takes. The worker's own thread. */
static inline void weir__retry_budget_request(struct weir__retry_budget *b, uint32_t worker)
{
    WEIR_ASSERT(worker < b->workers, "R4: each worker counts in cells of its own");
    weir__counter_add(&b->of[worker].requests, 1);
}

/*
 * May there be one more try, now? True: it is counted, and should be made. To be asked last, when
 * the wait before the retry is known to end before the deadline; also before a hedge, which is a
 * try more as well. The worker's own thread.
 */
WEIR_MUST_USE bool weir__retry_budget_take(struct weir__retry_budget *b, uint32_t worker,
                                           weir_time now);

struct weir__retry_budget_stats {
    uint64_t requests;
    uint64_t granted; /* tries beyond them */
    uint64_t refused;
    uint64_t left; /* whole tries that might be made now */
};

/* From any thread; each number is whole, not all are of one instant. */
void weir__retry_budget_read(const struct weir__retry_budget *b, weir_time now,
                             struct weir__retry_budget_stats *out);

#endif
