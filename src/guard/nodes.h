/*
 * Which node of a replicated database the next lease comes from: writes and transactions from the
 * primary, reads from the replica that has least to do, if it is up, not too far behind, and knows
 * what the request that asks has written itself.
 *
 * One object a database, for all workers; a pool a node stands beside it. A prober tells what it
 * has found of each node, calls tell how they went. Pure policy: no I/O, no waits, no log; the
 * clock is an argument. Why so: docs/design/guard.md.
 */
#ifndef WEIR_GUARD_NODES_H
#define WEIR_GUARD_NODES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "guard/health.h"

#define WEIR__NODES_MAX 32
#define WEIR__NODE_NONE UINT32_MAX /* there is nobody who could serve that */

enum weir__node_role { WEIR__NODE_REPLICA, WEIR__NODE_PRIMARY };

/* 0 is the default in each. */
struct weir__nodes_options {
    weir_dur lag_max;   /* a replica further behind gets no reads, up to a day (10 s) */
    bool reads_primary; /* it has its part of all reads; false: only where no replica will do */
    struct weir__health_options health;
};

/* What a probe has found. */
struct weir__node_finding {
    bool is_ok; /* it has answered; if not, the rest says nothing */
    enum weir__node_role role;
    weir_dur lag;      /* of a replica: so far it is behind, by what it says */
    uint64_t position; /* of the log, written or replayed; grows over all nodes. 0: not known */
};

/* What a request has written; zeroed: nothing. Its own: its fibers are of one worker. */
struct weir__nodes_session {
    bool has_written;
    uint64_t
        position; /* of the log behind the last write; 0: not known, the primary alone will do */
};

struct weir__node {
    struct weir__health health;
    _Atomic bool is_found; /* a probe has said what it is; before that it serves nobody */
    _Atomic uint32_t role;
    _Atomic int64_t primary_since; /* since when it is found to be one */
    _Atomic int64_t lag_ns;
    _Atomic uint64_t position;
    _Atomic uint32_t running; /* leases that were picked and are not done */
};

struct weir__nodes {
    struct weir__nodes_options o; /* settled */
    uint32_t count;
    _Atomic uint32_t next; /* which of equals has its turn */
    struct weir__node of[];
};

/*
 * Nodes 0 to `count` - 1, 1 to WEIR__NODES_MAX. What each of them is a probe has to find, and until
 * then it serves nobody; but a single one is the primary, whatever it says. NULL: no memory. The
 * caller's, who gives it to weir__nodes_free (NULL is nothing) when nobody uses it any more.
 */
struct weir__nodes *weir__nodes_new(const struct weir__nodes_options *o, uint32_t count);
void weir__nodes_free(struct weir__nodes *n);

/* What one wants a node for. */
struct weir__nodes_call {
    bool writes;                               /* or is a transaction that may */
    const struct weir__nodes_session *session; /* of the request; NULL: none */
    uint32_t tried;                            /* bits of nodes that have failed it already */
    /* What each has to do, where the caller knows; NULL: what was picked and is not done. */
    const uint32_t *loads;
};

/*
 * The node to lease from, which without `loads` has one more to do now; WEIR__NODE_NONE: there is
 * no primary for a write, or for a read of what was written; for other reads, nobody is up. Any
 * thread.
 */
uint32_t weir__nodes_pick(struct weir__nodes *n, const struct weir__nodes_call *call,
                          weir_time now);

/* A lease that was picked has been given back, or was not to be had. Any thread. */
void weir__nodes_done(struct weir__nodes *n, uint32_t node);

/*
 * How a call went: false where nobody could be reached, or the connection broke. True: it is down
 * by this. Any thread.
 */
bool weir__nodes_called(struct weir__nodes *n, uint32_t node, bool is_ok);

/*
 * It has refused a write because it takes none: it is no primary. True for the first who notices:
 * all of its connections are to be retired, and its role is to be asked for at once. Any thread.
 */
bool weir__nodes_refused_write(struct weir__nodes *n, uint32_t node);

/* What has changed by a probe. */
enum weir__nodes_change {
    WEIR__NODES_WENT_DOWN = 1,
    WEIR__NODES_CAME_UP = 2,
    WEIR__NODES_ROLE = 4, /* what is open there was opened to another role: it is to be retired */
    WEIR__NODES_FOUND = 8 /* it has answered for the first time; the role is no other one then */
};

/* Bits of these. The prober's thread. */
unsigned weir__nodes_found(struct weir__nodes *n, uint32_t node,
                           const struct weir__node_finding *finding, weir_time now);

/* The request has written, by a node; `position` as above. */
void weir__nodes_wrote(struct weir__nodes_session *s, uint64_t position);

/* The primary that is up and was found to be one last; WEIR__NODE_NONE. Any thread. */
uint32_t weir__nodes_primary(const struct weir__nodes *n, weir_time now);

/* Nodes that say that they are the primary: more than one are a split. Any thread. */
uint32_t weir__nodes_primaries(const struct weir__nodes *n, weir_time now);

/* What is known of a node, for people. Any thread. */
struct weir__node_state {
    bool is_found, is_up, is_primary;
    weir_dur lag;
};
struct weir__node_state weir__nodes_state(const struct weir__nodes *n, uint32_t node,
                                          weir_time now);

#endif
