/*
 * Which target of a group the next call goes to: pure choice, by one of four policies, over targets
 * of which an ejector, healths and whoever drains them say how much of their share they are to get.
 *
 * A balancer is a worker's own, and knows the calls of that worker alone: nothing is shared that is
 * written for each call. A group that changes gets new ones; calls that run end at the old one. A
 * pick reads each target once. Why these policies: docs/design/guard.md.
 */
#ifndef WEIR_GUARD_BALANCE_H
#define WEIR_GUARD_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "guard/ejector.h"
#include "guard/health.h"
#include <weir/str.h>

#define WEIR__BALANCE_WEIGHT_MAX 1000
#define WEIR__BALANCE_NONE UINT32_MAX /* there is nobody to call */

enum weir__balance_policy {
    WEIR__BALANCE_ROUND_ROBIN, /* one after the other; weights do not count */
    WEIR__BALANCE_WEIGHTED,    /* the same by weight, those of one target spread, not in a row */
    WEIR__BALANCE_LEAST,       /* of two drawn by weight the one that has less to do for it */
    WEIR__BALANCE_HASH,        /* the same key to the same target, up to a bound of its load */
};

enum weir__target_state {
    WEIR__TARGET_HEALTHY,
    WEIR__TARGET_PROBING, /* back, and gets a part of its share that grows */
    WEIR__TARGET_EJECTED, /* or down: gets nothing */
    WEIR__TARGET_DRAINING /* gets nothing new, and what runs goes on */
};

/* As it is told. The name is what a hash goes by: the same one has the same keys everywhere. */
struct weir__balance_target {
    weir_str name;   /* borrowed during the call alone */
    uint32_t weight; /* 1 to WEIR__BALANCE_WEIGHT_MAX; 0: 1 */
};

struct weir__balance_options {
    enum weir__balance_policy policy;
    /*
     * Of WEIR__BALANCE_HASH: a target has so many hundredths of its share of the running calls at
     * most, above 100 (125).
     */
    uint32_t load_percent_max;
    uint64_t seed;                              /* of what is drawn */
    const struct weir__ejector *ejector;        /* of the same members; NULL: nobody is ejected */
    const struct weir__health *const *health;   /* one each; NULL, or one that is: it is up */
    const struct weir__health_options *healths; /* theirs, settled */
};

struct weir__balance_seat {
    uint32_t weight;
    uint32_t running; /* calls that were picked and are not done */
    uint32_t share;   /* in thousandths, when it was last looked at */
    bool is_draining;
    int64_t credit; /* how far it is behind what it is to have (RR, weighted) */
};

/* A place of a target on the circle of hashes. */
struct weir__balance_point {
    uint64_t hash;
    uint32_t target;
};

struct weir__balance {
    struct weir__balance_options o;
    struct weir__random random;
    uint32_t count;
    uint32_t next;    /* whose turn it is (RR) */
    uint64_t running; /* of all */
    uint32_t point_count;
    struct weir__balance_point *points; /* by hash; NULL: no hashing */
    struct weir__balance_seat of[];
};

/*
 * A balancer for targets 0 to `count` - 1 (at most WEIR__EJECTOR_MEMBERS_MAX); NULL: no memory.
 * What the options point to outlives it. The caller's, who gives it to weir__balance_free (NULL is
 * nothing) when its last call is done. Its worker's alone from then on.
 */
struct weir__balance *weir__balance_new(const struct weir__balance_options *o,
                                        const struct weir__balance_target *targets, uint32_t count);
void weir__balance_free(struct weir__balance *b);

/* What a call says of itself. */
struct weir__balance_call {
    uint64_t key;          /* of WEIR__BALANCE_HASH: weir__balance_key */
    const uint32_t *tried; /* targets that have failed it: another one, if there is one */
    uint32_t tried_count;
};

/*
 * The same in each process, unlike weir__str_hash: who looks at another's logs finds the key again.
 */
uint64_t weir__balance_key(weir_str s);

/*
 * The target of a call, which runs from now on; WEIR__BALANCE_NONE: all are out. `call` may be
 * NULL.
 */
uint32_t weir__balance_pick(struct weir__balance *b, const struct weir__balance_call *call,
                            weir_time now);

/* A call that was picked has ended, however. */
void weir__balance_done(struct weir__balance *b, uint32_t target);

/* No new calls, or new ones again. Those that run are told by weir__balance_running. */
void weir__balance_drain(struct weir__balance *b, uint32_t target, bool is_draining);

enum weir__target_state weir__balance_state(const struct weir__balance *b, uint32_t target,
                                            weir_time now);
uint32_t weir__balance_running(const struct weir__balance *b, uint32_t target);

#endif
