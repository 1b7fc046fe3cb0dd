/*
 * The numbers of databases of several nodes: for weir_db_stats, for people, and as families. The
 * list of all of them is under a lock; what is read of one is atomic, or its pool's.
 */
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/metric.h"
#include "data/sql/nodes_inside.h"
#include "rt/worker.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir__list all = {&all, &all}; /* weir__sql_nodes.in_all */

void weir__sql_nodes_enlist(struct weir__sql_nodes *nodes)
{
    pthread_mutex_lock(&lock);
    weir__list_push_back(&all, &nodes->in_all);
    pthread_mutex_unlock(&lock);
}

void weir__sql_nodes_delist(struct weir__sql_nodes *nodes)
{
    pthread_mutex_lock(&lock);
    weir__list_remove(&nodes->in_all);
    pthread_mutex_unlock(&lock);
}

/* --- of one ----------------------------------------------------------------------------------- */

/* All numbers of a pool are 64 bits wide, one behind the other. */
static void add(weir_pool_stats *to, const weir_pool_stats *of)
{
    size_t from = offsetof(weir_pool_stats, max_open);
    _Static_assert((sizeof *to - offsetof(weir_pool_stats, max_open)) % sizeof(uint64_t) == 0, "");
    for (size_t at = from; at < sizeof *to; at += sizeof(uint64_t)) {
        uint64_t a, b;
        memcpy(&a, (char *)to + at, sizeof a);
        memcpy(&b, (const char *)of + at, sizeof b);
        a += b;
        memcpy((char *)to + at, &a, sizeof a);
    }
}

void weir__sql_nodes_stats(struct weir__sql_nodes *nodes, weir_pool_stats *readers,
                           weir_pool_stats *writer)
{
    uint32_t primary = weir__nodes_primary(nodes->policy, weir__self->now);
    weir_pool_stats r = {.name = nodes->name}, w = {.name = nodes->name}, s;
    for (uint32_t i = 0; i < nodes->count; i++) {
        weir__pool_stats(nodes->of[i].pool, &s);
        add(i == primary ? &w : &r, &s);
    }
    if (nodes->count == 1)
        r = w = s;
    r.is_down = r.is_down > 0 && r.is_down + 1 >= nodes->count;
    if (readers != NULL)
        *readers = r;
    if (writer != NULL)
        *writer = w;
}

void weir__sql_nodes_describe(const struct weir__sql_nodes *nodes, uint32_t node, weir_buf *out)
{
    if (nodes->count == 1)
        return;
    struct weir__node_state s = weir__nodes_state(nodes->policy, node, weir__self->now);
    if (!s.is_found)
        weir_buf_puts(out, WEIR_S("was not asked yet"));
    else if (!s.is_up)
        weir_buf_puts(out, WEIR_S("does not answer"));
    else if (s.is_primary)
        weir_buf_puts(out, WEIR_S("primary"));
    else
        weir_buf_printf(out, "replica, %lld ms behind", (long long)(s.lag.ns / 1000000));
}

/* --- families --------------------------------------------------------------------------------- */

static const struct weir__family families[] = {
    {"weir_db_node_up", "Nodes of databases that have several: 1 while it answers.",
     WEIR_METRIC_GAUGE, .labels = {"database", "node"}},
    {"weir_db_node_primary", "1 for the node that writes go to.", WEIR_METRIC_GAUGE,
     .labels = {"database", "node"}},
    {"weir_db_node_lag_seconds", "How far a replica was behind when it was asked last.",
     WEIR_METRIC_GAUGE, WEIR_METRIC_SECONDS, .labels = {"database", "node"}},
    {"weir_db_node_leases_total", "Connections lent, by what for.", WEIR_METRIC_COUNTER,
     .labels = {"database", "node", "purpose"}},
    {"weir_db_node_probes_total", "Times that it was asked what it is.", WEIR_METRIC_COUNTER,
     .labels = {"database", "node", "outcome"}},
};

enum { FAMILIES = sizeof families / sizeof families[0], VALUES = 2 };

static const char *const labels[FAMILIES][VALUES] = {
    [3] = {"read", "write"}, [4] = {"ok", "failed"}};

static uint64_t count_of(const _Atomic uint64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

static void put_node(struct weir__metric_sink *to, int family, const struct weir__sql_nodes *nodes,
                     uint32_t node)
{
    weir_time now = weir__self->now;
    struct weir__node_state s = weir__nodes_state(nodes->policy, node, now);
    bool is_primary = weir__nodes_primary(nodes->policy, now) == node;
    const uint64_t n[FAMILIES][VALUES] = {
        {s.is_up},
        {is_primary},
        {s.is_primary ? 0 : (uint64_t)s.lag.ns},
        {count_of(&nodes->numbers[node].leases[WEIR__SQL_READ]),
         count_of(&nodes->numbers[node].leases[WEIR__SQL_WRITE])},
        {count_of(&nodes->numbers[node].answered), count_of(&nodes->numbers[node].silent)}};
    for (int i = 0; i < VALUES && (i == 0 || labels[family][i] != NULL); i++) {
        const weir_str values[] = {weir_str_from(nodes->name), weir_str_from(nodes->of[node].where),
                                   weir_str_from(labels[family][i])};
        to->number(to, &families[family], values, n[family][i]);
    }
}

/* Samples must differ: of several with one name the first stands for all. */
static bool is_first(const struct weir__sql_nodes *nodes)
{
    for (const struct weir__list *n = nodes->in_all.prev; n != &all; n = n->prev)
        if (strcmp(WEIR_CONTAINER(n, struct weir__sql_nodes, in_all)->name, nodes->name) == 0)
            return false;
    return true;
}

static void put(struct weir__metric_sink *to, void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (int f = 0; f < FAMILIES; f++) {
        to->family(to, &families[f]);
        WEIR_LIST_EACH(node, &all) {
            const struct weir__sql_nodes *nodes =
                WEIR_CONTAINER(node, struct weir__sql_nodes, in_all);
            for (uint32_t i = 0; i < nodes->count && is_first(nodes); i++)
                put_node(to, f, nodes, i);
        }
    }
    pthread_mutex_unlock(&lock);
}

void weir__sql_nodes_metrics(struct weir__metrics *to)
{
    weir__metrics_add(to, families, FAMILIES, put, NULL);
}
