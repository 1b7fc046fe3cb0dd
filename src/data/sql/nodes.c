/*
 * Pools of several nodes: which one a lease comes from, and what a request has written. A node that
 * cannot be reached costs nobody anything, since its pool fails at once while it is down, and
 * nothing was sent: another one is tried.
 *
 * What a request has written stands in its topmost context, so that all of its fibers read it, and
 * nothing is kept of those that only read. What the application's own context has written is what a
 * service begins with, its schema above all: for so long as a replica may not know of it all read
 * from the primary. Owned by the context that made it. Context: fibers.
 */
#include "data/sql/nodes.h"

#include <stdio.h>

#include "base/assert.h"
#include "data/sql/nodes_inside.h"
#include "rt/worker.h"
#include <weir/log.h>

enum {
    WRITTEN_MAX = 4,     /* databases that a request is remembered to have written */
    LOOKS_MAX = 100,     /* at connections of a pool that have ended */
    REMEMBERED_SEC = 60, /* and lag_max */
    WHY_MAX = 300
};

#define MS INT64_C(1000000)
#define SEC (1000 * MS)

struct weir__nodes *weir__sql_nodes_policy(struct weir__sql_nodes *nodes)
{
    return nodes->policy;
}

void weir__sql_nodes_settle(weir_nodes_options *o, struct weir__bounds *b)
{
    weir__bounds_dur(b, "nodes.lag_max", &o->lag_max, 10 * SEC, MS, 86400 * SEC);
    weir__bounds_dur(b, "nodes.probe_interval", &o->probe_interval, 5 * SEC, 100 * MS, 3600 * SEC);
    weir__bounds_dur(b, "nodes.probe_timeout", &o->probe_timeout, 2 * SEC, 10 * MS, 600 * SEC);
    if ((unsigned)o->reads <= WEIR_READS_PRIMARY)
        return;
    weir__bounds_line(b);
    weir_buf_printf(b->out, "nodes.reads is %d; there is no such way to read", (int)o->reads);
}

/* --- what a request has written --------------------------------------------------------------- */

struct written {
    bool is_full; /* and so it is taken to have written everywhere */
    struct {
        const struct weir__sql_nodes *nodes;
        weir_time until;
        struct weir__nodes_session session;
    } of[WRITTEN_MAX];
};

static const weir_key written_key = {"what a request has written", sizeof(struct written)};

/* NULL: nothing. */
static const struct written *written_of(struct weir__ctx *c)
{
    return weir_get_value(weir__ctx_handle(c), &written_key);
}

static struct weir__nodes_session session_of(struct weir__sql_nodes *nodes, struct weir__ctx *c)
{
    weir_time now = weir__self->now;
    bool is_new = now.ns < atomic_load_explicit(&nodes->written_until, memory_order_relaxed);
    const struct written *w = weir__ctx_is_shared(c) ? NULL : written_of(c);
    for (int i = 0; w != NULL && i < WRITTEN_MAX; i++) {
        if (w->of[i].nodes == nodes && now.ns < w->of[i].until.ns)
            return w->of[i].session;
    }
    return (struct weir__nodes_session){.has_written = is_new || (w != NULL && w->is_full)};
}

static void note_written(struct written *w, const struct weir__sql_nodes *nodes, weir_time until,
                         uint64_t position)
{
    int i = 0;
    while (i < WRITTEN_MAX && w->of[i].nodes != NULL && w->of[i].nodes != nodes)
        i++;
    w->is_full = w->is_full || i == WRITTEN_MAX;
    if (i == WRITTEN_MAX)
        return;
    w->of[i].nodes = nodes;
    w->of[i].until = until;
    weir__nodes_wrote(&w->of[i].session, position);
}

void weir__sql_nodes_wrote(struct weir__sql_nodes *nodes, struct weir__ctx *c, uint64_t position)
{
    struct written w = {.is_full = false};
    if (nodes->count == 1)
        return;
    weir_time until = weir_time_add(weir__self->now, nodes->policy->o.lag_max);
    if (weir__ctx_is_shared(c)) {
        atomic_store_explicit(&nodes->written_until, until.ns, memory_order_relaxed);
        return;
    }
    until = weir_time_add(until, weir_sec(REMEMBERED_SEC));
    const struct written *before = written_of(c);
    if (before != NULL)
        w = *before;
    note_written(&w, nodes, until, position);
    struct weir__ctx *top = c->top != NULL ? c->top : c;
    weir_err err = weir_set(weir__ctx_handle(top), &written_key, &w);
    WEIR_ASSERT(err != WEIR_ETOOLARGE, "D4: what is remembered of a request fits there");
    (void)err; /* without memory the request ends */
}

/* --- lending ---------------------------------------------------------------------------------- */

static void count_loads(const struct weir__sql_nodes *nodes, uint32_t *loads)
{
    for (uint32_t i = 0; i < nodes->count; i++)
        loads[i] = weir__pool_load(nodes->of[i].pool);
}

/* Why a node did not lend, for the log; the record itself is dealt with. */
static void keep_why(const struct weir__sql_nodes *nodes, struct weir__ctx *c, uint32_t node,
                     char why[WHY_MAX])
{
    const weir_error *e = weir_last_error(weir__ctx_handle(c));
    weir_str text = e == NULL ? WEIR_S("") : e->cause.len > 0 ? e->cause : e->message;
    (void)snprintf(why, WHY_MAX, "%s: " WEIR_STR_FMT, nodes->of[node].where, WEIR_STR_ARG(text));
    weir_error_clear(weir__ctx_handle(c));
}

/* Nobody will do: for what, and how many there are. */
static weir_err refuse(const struct weir__sql_nodes *nodes, struct weir__ctx *c,
                       const weir_site *site, const struct weir__nodes_call *call, const char *why)
{
    const char *what = call->writes                 ? "no primary is up"
                       : call->session->has_written ? "no node is up that knows what was written"
                                                    : "no node is up";
    weir_err err = weir_raise_at(site, weir__ctx_handle(c), WEIR_EUNREACHABLE, 503,
                                 "database %s: %s, of %u nodes", nodes->name, what, nodes->count);
    weir__ctx_error_cause(c, weir_str_from(why));
    return weir__wait_refused(err);
}

static bool is_told_by_node(weir_err err)
{
    return err == WEIR_EUNREACHABLE || err == WEIR_EGONE;
}

/* The node to lease from; before all have been asked once, that is waited for where it helps. */
static weir_err pick(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                     struct weir__nodes_call *call, uint32_t *loads, uint32_t *node)
{
    for (int looks = 0; looks < 2; looks++) {
        count_loads(nodes, loads);
        *node = weir__nodes_pick(nodes->policy, call, weir__self->now);
        if (*node != WEIR__NODE_NONE || looks > 0)
            break;
        weir_err err = weir_wait_group_wait(weir__ctx_handle(c), nodes->unasked);
        if (err != WEIR_OK && weir__ctx_check(c) != WEIR_OK)
            return err;
    }
    return WEIR_OK;
}

static void note_failure(struct weir__sql_nodes *nodes, struct weir__ctx *c, uint32_t node)
{
    if (!weir__nodes_called(nodes->policy, node, false))
        return;
    weir_log_at(nodes->site, NULL, WEIR_LOG_WARN, "database %s: %s cannot be reached", nodes->name,
                nodes->of[node].where);
    weir__sql_nodes_ask_soon(nodes, c, node);
}

static weir_err acquire_of_several(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                   const weir_site *site, enum weir__sql_purpose purpose,
                                   struct weir__owned *holder, struct weir__lease *lease,
                                   uint32_t *node)
{
    uint32_t loads[WEIR__NODES_MAX];
    char why[WHY_MAX] = "";
    struct weir__nodes_session session = session_of(nodes, c);
    struct weir__nodes_call call = {.writes = purpose == WEIR__SQL_WRITE ||
                                              nodes->o.reads == WEIR_READS_PRIMARY,
                                    .session = &session,
                                    .loads = loads};
    for (uint32_t i = 0; i < nodes->count; i++) {
        weir_err err = pick(nodes, c, &call, loads, node);
        if (err != WEIR_OK || *node == WEIR__NODE_NONE)
            return err != WEIR_OK ? err : refuse(nodes, c, site, &call, why);
        err = weir__pool_acquire(nodes->of[*node].pool, c, site, holder, lease);
        if (err == WEIR_OK) {
            (void)weir__nodes_called(nodes->policy, *node, true);
            atomic_fetch_add_explicit(&nodes->numbers[*node].leases[purpose], 1,
                                      memory_order_relaxed);
        }
        if (!is_told_by_node(err))
            return err;
        keep_why(nodes, c, *node, why);
        note_failure(nodes, c, *node);
        call.tried |= UINT32_C(1) << *node;
    }
    return refuse(nodes, c, site, &call, why);
}

weir_err weir__sql_nodes_acquire(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                 const weir_site *site, enum weir__sql_purpose purpose,
                                 struct weir__owned *holder, struct weir__lease *lease,
                                 uint32_t *node)
{
    lease->slot = NULL;
    if (WEIR_UNLIKELY(nodes->count > 1))
        return acquire_of_several(nodes, c, site, purpose, holder, lease, node);
    *node = 0;
    return weir__pool_acquire(nodes->of[0].pool, c, site, holder, lease);
}

weir_err weir__sql_nodes_take(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                              const weir_site *site, enum weir__sql_purpose purpose,
                              struct weir__owned *holder, struct weir__lease *lease,
                              struct weir__sql_conn **out, struct weir__sql_fault *fault)
{
    const char *function = purpose == WEIR__SQL_READ ? "weir_query" : "weir_begin";
    uint32_t node;
    weir__sql_fault_init(fault);
    for (int i = 0; i < LOOKS_MAX; i++) {
        weir_err err = weir__sql_nodes_acquire(nodes, c, site, purpose, holder, lease, &node);
        if (WEIR_UNLIKELY(err != WEIR_OK))
            return err; /* raised */
        struct weir__sql_conn *conn = weir__lease_resource(lease, function);
        if (WEIR_LIKELY(nodes->ops->is_alive(conn, c))) {
            *out = conn;
            return WEIR_OK;
        }
        weir__lease_break(lease);
        weir__lease_release(lease);
    }
    return weir__sql_fault(fault, WEIR_EGONE,
                           "each connection of the pool has ended before its use");
}

weir_err weir__sql_nodes_find_primary(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                      uint32_t *node)
{
    uint32_t loads[WEIR__NODES_MAX];
    struct weir__nodes_call call = {.writes = true, .loads = loads};
    *node = 0;
    return nodes->count == 1 ? WEIR_OK : pick(nodes, c, &call, loads, node);
}

/* --- what nodes say of themselves ------------------------------------------------------------- */

void weir__sql_nodes_said_farewell(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                   uint32_t node)
{
    weir__pool_retire_all(nodes->of[node].pool);
    weir__sql_nodes_ask_soon(nodes, c, node);
}

void weir__sql_nodes_refused_write(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                   uint32_t node)
{
    if (nodes->count == 1) {
        weir__pool_retire_all(nodes->of[0].pool);
        return;
    }
    if (!weir__nodes_refused_write(nodes->policy, node))
        return;
    weir__pool_retire_all(nodes->of[node].pool);
    for (uint32_t i = 0; i < nodes->count; i++)
        weir__sql_nodes_ask_soon(nodes, c, i);
    weir_log_at(nodes->site, NULL, WEIR_LOG_WARN,
                "database %s: %s takes no writes any more; who does is looked for", nodes->name,
                nodes->of[node].where);
}

/* --- making ----------------------------------------------------------------------------------- */

static void release_nodes(struct weir__owned *o)
{
    struct weir__sql_nodes *nodes = WEIR_CONTAINER(o, struct weir__sql_nodes, owned);
    weir__sql_nodes_delist(nodes);
    weir__nodes_free(nodes->policy);
    nodes->policy = NULL;
}

static struct weir__nodes_options policy_of(const struct weir__sql_nodes_options *o)
{
    struct weir__nodes_options p = o->policy;
    p.lag_max = o->each.lag_max;
    p.reads_primary = o->each.reads == WEIR_READS_ALL;
    p.health.interval = o->each.probe_interval;
    if (p.health.rise == 0)
        p.health.rise = 1; /* it was logged in to, and has said what it is: that is all there is */
    return p;
}

struct weir__sql_nodes *weir__sql_nodes_new(struct weir__ctx *c, const char *name,
                                            const struct weir__sql_nodes_options *o, uint32_t count,
                                            const struct weir__sql_nodes_ops *ops, void *driver,
                                            const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "nodes", .release = release_nodes};
    WEIR_ASSERT(count > 0 && count <= WEIR__NODES_MAX, "D4: nodes are bounded");
    struct weir__nodes_options p = policy_of(o);
    struct weir__sql_nodes *nodes = weir__ctx_object(c, sizeof *nodes);
    struct weir__nodes *policy = nodes != NULL ? weir__nodes_new(&p, count) : NULL;
    if (policy == NULL)
        return NULL;
    nodes->policy = policy;
    nodes->count = count;
    nodes->name = name;
    nodes->ops = ops;
    nodes->driver = driver;
    nodes->o = o->each;
    nodes->start_max = o->start_max.ns != 0 ? o->start_max : o->each.probe_timeout;
    nodes->site = site;
    weir__list_init(&nodes->in_all);
    weir__own(c, &nodes->owned, &type, site);
    return nodes;
}

void weir__sql_nodes_put(struct weir__sql_nodes *nodes, uint32_t node, struct weir__sql_node of)
{
    WEIR_ASSERT(node < nodes->count && of.pool != NULL,
                "D4: a node is one of those that there are");
    nodes->of[node] = of;
}
