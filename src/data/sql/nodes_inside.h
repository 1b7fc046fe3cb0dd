/*
 * What the files of nodes share: nodes.c lends and remembers, nodes_probe.c asks, nodes_metrics.c
 * tells.
 */
#ifndef WEIR_DATA_SQL_NODES_INSIDE_H
#define WEIR_DATA_SQL_NODES_INSIDE_H

#include "data/sql/nodes.h"
#include <weir/chan.h>
#include <weir/sync.h>

enum { WEIR__NODE_WHY_MAX = 200 };

struct weir__node_prober {
    struct weir__sql_nodes *nodes;
    uint32_t node;
    bool is_asked;                /* once, whatever it said */
    char why[WEIR__NODE_WHY_MAX]; /* it did not answer last; on its worker */
};

struct weir__sql_nodes {
    struct weir__nodes *policy;
    uint32_t count;
    const char *name;
    const struct weir__sql_nodes_ops *ops;
    void *driver;
    weir_nodes_options o;
    weir_dur start_max;
    const weir_site *site;
    struct weir__owned owned;
    struct weir__list in_all;          /* of several nodes */
    _Atomic int64_t written_until;     /* by the application's own context: all read that */
    weir_wait_group *unasked;          /* of several: those that were never asked */
    weir_chan *asked[WEIR__NODES_MAX]; /* char: its prober is to look sooner */
    struct weir__sql_node of[WEIR__NODES_MAX];
    struct weir__node_prober probers[WEIR__NODES_MAX];
    struct {
        _Atomic uint64_t leases[2]; /* by purpose */
        _Atomic uint64_t answered, silent;
    } numbers[WEIR__NODES_MAX];
};

/* A prober is to look at once. Any worker. */
void weir__sql_nodes_ask_soon(struct weir__sql_nodes *nodes, struct weir__ctx *c, uint32_t node);

/* In the list of all, for their numbers. */
void weir__sql_nodes_enlist(struct weir__sql_nodes *nodes);
void weir__sql_nodes_delist(struct weir__sql_nodes *nodes);

#endif
