/*
 * Pools of connections (or whatever else is dear to open), as far as a service sees them: the knobs
 * that every pool has, checked when it is made, and the numbers that it counts. Leases belong to
 * the context that acquired them and go back at its end at the latest.
 */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The knobs of a pool. Zero means the default, which a database may have chosen for its kind; what
 * is out of range is refused when the pool is made, all mistakes at once. There is no "unlimited",
 * no "for ever" and no way to switch the search for leaks off.
 */
typedef struct weir_pool_options {
    uint32_t max_open; /* 1 to 10,000 at a time; a pool of your own must give it */
    uint32_t max_idle; /* kept open unused; default max_open */
    uint32_t min_idle; /* kept ready, opened ahead; default 0 */
    uint32_t
        waiters_max;   /* 1 to 1,000,000 fibers in line, more are refused at once; default 1,000 */
    weir_dur wait_max; /* 1 ms to 10 min in line, never past the deadline; default 30 s */
    weir_dur max_lifetime;   /* 1 s to 24 h, shortened by up to a tenth at random; default 30 min */
    weir_dur idle_timeout;   /* 1 s to 24 h; default 5 min */
    weir_dur check_after;    /* 1 ms to 1 h unused: looked at before it is lent; default 1 s */
    weir_dur leak_threshold; /* 10 ms to 1 h: a lease out for longer is reported; default 30 s */
} weir_pool_options;

/** Why a pool closed something. */
typedef enum weir_pool_closed {
    WEIR_POOL_CLOSED_LIFETIME, /* it had reached its max_lifetime */
    WEIR_POOL_CLOSED_IDLE,     /* unused for idle_timeout, or more than max_idle unused */
    WEIR_POOL_CLOSED_BROKEN,   /* its check failed, it came back dirty, or its user said so */
    WEIR_POOL_CLOSED_SHUTDOWN, /* the pool was closed */
    WEIR_POOL_CLOSED_RETIRED,  /* everything opened before a failover was given up */
    WEIR_POOL_CLOSED_REASONS
} weir_pool_closed;

/** What a pool has counted, all of one instant. */
typedef struct weir_pool_stats {
    const char *name; /* borrowed from the pool */
    uint64_t max_open;
    uint64_t open;           /* now: in use, idle, being opened or closed */
    uint64_t in_use;         /* now */
    uint64_t idle;           /* now */
    uint64_t waiting;        /* fibers in line now */
    uint64_t acquired;       /* leases given */
    uint64_t waits;          /* acquisitions that had to wait */
    uint64_t wait_ns;        /* nanoseconds waited in all, by those that ended */
    uint64_t timeouts;       /* waits that ended without a lease */
    uint64_t refused;        /* not even let into the line: it was full */
    uint64_t deadlocks;      /* refused with EDEADLK */
    uint64_t leaked;         /* leases that were out for longer than leak_threshold */
    uint64_t leaks_returned; /* and those of them that came back */
    uint64_t opened;         /* opened so far */
    uint64_t open_errors;    /* that could not be opened */
    uint64_t closed[WEIR_POOL_CLOSED_REASONS];
    uint64_t dialing;     /* being opened now by the pool itself, for whoever is in line */
    uint64_t unreachable; /* acquisitions that failed because nobody could be reached */
    uint64_t pinged;      /* unused ones that were asked whether they are still alive */
    uint64_t held_waits;  /* leases that were held while their fiber waited long for other things */
    uint64_t is_down;     /* 1 while nobody can be reached: acquiring fails at once */
    uint64_t is_suspended; /* 1 while nothing is lent by order: who acquires waits in line */
} weir_pool_stats;

/** The name of a reason, such as "lifetime"; a constant string. */
WEIR_API const char *weir_pool_closed_name(weir_pool_closed reason) WEIR_NEVER_NULL;

#ifdef __cplusplus
}
#endif
#endif
