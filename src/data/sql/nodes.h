/*
 * A database of several nodes: which pool a lease comes from, and the probers that find out what
 * each node is. The policy is guard/nodes.h; this is what it stands on: pools, fibers, contexts.
 *
 * A driver makes a pool for each node and hands them over. Its `take` asks here instead of its one
 * pool, its transactions say when they have written, and who is told that a node takes no writes
 * says so too.
 */
#ifndef WEIR_DATA_SQL_NODES_H
#define WEIR_DATA_SQL_NODES_H

#include "data/sql/driver.h"
#include "guard/nodes.h"

struct weir__sql_nodes;

struct weir__sql_nodes_options {
    struct weir__nodes_options policy;
    weir_dur probe_max; /* 10 ms to 10 min for one probe, its connection too; default 2 s */
};

/*
 * Asks what a node is, over a connection of its pool: in a fiber of its prober, up to what `c`
 * allows. An error, or `is_ok` left false: it has not answered.
 */
typedef weir_err (*weir__sql_probe)(void *driver, struct weir__ctx *c, uint32_t node,
                                    void *resource, struct weir__node_finding *out);

/*
 * Nodes 0 to `count` - 1 (at most WEIR__NODES_MAX) with their pools, the first taken for the
 * primary until a probe says otherwise; a prober each, on this worker, up to the end of `c`.
 * `pools` is copied; the pools, `name` and `driver` outlive it. NULL: -ENOMEM. Fiber; does not
 * wait.
 */
struct weir__sql_nodes *weir__sql_nodes_new(struct weir__ctx *c, const char *name,
                                            const struct weir__sql_nodes_options *o,
                                            struct weir__pool *const *pools, uint32_t count,
                                            weir__sql_probe probe, void *driver,
                                            const weir_site *site);

/*
 * As weir__pool_acquire, of the node that the purpose, the nodes' states and what the request of
 * `c` has written ask for; another one where that cannot be reached, since nothing was sent then.
 * `node` gets which. WEIR_EUNREACHABLE, raised: no node will do. Waits.
 */
WEIR_MUST_USE weir_err weir__sql_nodes_acquire(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                               const weir_site *site,
                                               enum weir__sql_purpose purpose,
                                               struct weir__owned *holder,
                                               struct weir__lease *lease, uint32_t *node);

/*
 * The request that `c` works for has written: what it reads from now on knows of that. `position`
 * of the log behind it; 0: not known, so it reads from the primary. Its worker.
 */
void weir__sql_nodes_wrote(struct weir__sql_nodes *nodes, struct weir__ctx *c, uint64_t position);

/*
 * A node has refused a write of `c` because it takes none: what is open there is retired, and all
 * are asked at once what they are. Any worker; does not wait.
 */
void weir__sql_nodes_refused_write(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                   uint32_t node);

/* For numbers and tests. */
struct weir__nodes *weir__sql_nodes_policy(struct weir__sql_nodes *nodes);

#endif
