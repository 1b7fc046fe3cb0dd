/*
 * A database of one node or several: which pool a lease comes from, and the probers that find out
 * what each node is. The policy is guard/nodes.h; this is what it stands on: pools, fibers,
 * contexts.
 *
 * A driver makes a pool for each node and hands them over. Its `take` asks here, and whoever is
 * told that a node takes no writes, or goes, says so here; the core says what has been written. A
 * single node is a set of one, of which nothing is asked and nothing is to be chosen.
 */
#ifndef WEIR_DATA_SQL_NODES_H
#define WEIR_DATA_SQL_NODES_H

#include "base/bounds.h"
#include "data/sql/driver.h"
#include "guard/nodes.h"

struct weir__sql_nodes;

struct weir__sql_node {
    const char *where; /* "10.0.0.1:5432", for messages and metrics */
    struct weir__pool *pool;
};

/* Fills in the defaults; mistakes are lines of `b`. */
void weir__sql_nodes_settle(weir_nodes_options *o, struct weir__bounds *b);

struct weir__sql_nodes_options {
    weir_nodes_options each; /* settled */
    weir_dur start_max;      /* for the first probe, its connection too; default probe_max */
    struct weir__nodes_options policy; /* what `each` does not say, for tests */
};

/*
 * Asks what a node is, over a connection of its pool: in a fiber of its prober, up to what `c`
 * allows. An error, or `is_ok` left false: it has not answered.
 */
typedef weir_err (*weir__sql_probe)(void *driver, struct weir__ctx *c, uint32_t node,
                                    void *resource, struct weir__node_finding *out);

struct weir__sql_nodes_ops {
    weir__sql_probe probe;
    /* Of a connection that lay idle; NULL: each is. Its resource begins with a weir__sql_conn. */
    bool (*is_alive)(struct weir__sql_conn *conn, struct weir__ctx *c);
};

/*
 * A set of nodes 0 to `count` - 1 (at most WEIR__NODES_MAX), in `c`. Made before their pools, which
 * may ask for what is known of a node up to their end; `name`, `ops` and `driver` outlive it. NULL:
 * -ENOMEM. Fiber; does not wait.
 */
struct weir__sql_nodes *weir__sql_nodes_new(struct weir__ctx *c, const char *name,
                                            const struct weir__sql_nodes_options *o, uint32_t count,
                                            const struct weir__sql_nodes_ops *ops, void *driver,
                                            const weir_site *site);

/* One of them, whose pool is made in the same context; the text outlives it. */
void weir__sql_nodes_put(struct weir__sql_nodes *nodes, uint32_t node, struct weir__sql_node of);

/*
 * All have been put: of several a prober each begins, on this worker, up to the end of `c`, which
 * is that of the set. Fiber; does not wait.
 */
WEIR_MUST_USE weir_err weir__sql_nodes_start(struct weir__sql_nodes *nodes, struct weir__ctx *c);

/*
 * Until each has been asked once. WEIR_EUNREACHABLE, raised with the words of one of them: none has
 * answered. The worker that made them; waits.
 */
WEIR_MUST_USE weir_err weir__sql_nodes_await(struct weir__sql_nodes *nodes, struct weir__ctx *c);

/*
 * As weir__pool_acquire, of the node that the purpose, the nodes' states and what the request of
 * `c` has written ask for; another one where that cannot be reached, since nothing was sent then.
 * `node` gets which. While it is not known yet what they are, that is waited for. Of several:
 * WEIR_EUNREACHABLE, raised, where no node will do. Waits.
 */
WEIR_MUST_USE weir_err weir__sql_nodes_acquire(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                               const weir_site *site,
                                               enum weir__sql_purpose purpose,
                                               struct weir__owned *holder,
                                               struct weir__lease *lease, uint32_t *node);

/*
 * For `take` of a driver: the same with a connection that is alive; others have ended at rest, and
 * are closed. Waits.
 */
WEIR_MUST_USE weir_err weir__sql_nodes_take(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                            const weir_site *site, enum weir__sql_purpose purpose,
                                            struct weir__owned *holder, struct weir__lease *lease,
                                            struct weir__sql_conn **out,
                                            struct weir__sql_fault *fault);

/* The node that writes go to; WEIR__NODE_NONE: it is not known. As acquire, it may wait. */
WEIR_MUST_USE weir_err weir__sql_nodes_find_primary(struct weir__sql_nodes *nodes,
                                                    struct weir__ctx *c, uint32_t *node);

/*
 * The request that `c` works for has written: what it reads from now on knows of that. `position`
 * of the log behind it; 0: not known, so it reads from the primary, for lag_max and a minute at the
 * most, which is for what lives on for ever. The application's context: so do all, for lag_max. Its
 * worker.
 */
void weir__sql_nodes_wrote(struct weir__sql_nodes *nodes, struct weir__ctx *c, uint64_t position);

/*
 * A node has refused a write of `c` because it takes none: what is open there is retired, and all
 * are asked at once what they are. Any worker; does not wait.
 */
void weir__sql_nodes_refused_write(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                   uint32_t node);

/* A node has said that it goes: what is open there is retired, and it is asked soon. As above. */
void weir__sql_nodes_said_farewell(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                   uint32_t node);

/* --- numbers ---------------------------------------------------------------------------------- */

/* Of the primary's pool, and of all others together; of a single node's both. Any thread. */
void weir__sql_nodes_stats(struct weir__sql_nodes *nodes, weir_pool_stats *readers,
                           weir_pool_stats *writer);

/* "primary", "replica, 12 ms behind", "does not answer"; of a single node nothing. Any thread. */
void weir__sql_nodes_describe(const struct weir__sql_nodes *nodes, uint32_t node, weir_buf *out);

/* Adds the numbers of all sets of several nodes to a registry. */
struct weir__metrics;
void weir__sql_nodes_metrics(struct weir__metrics *to);

/* For tests. */
struct weir__nodes *weir__sql_nodes_policy(struct weir__sql_nodes *nodes);

#endif
