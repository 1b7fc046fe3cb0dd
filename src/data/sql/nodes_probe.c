/*
 * A prober for each of several nodes: a fiber that leases a connection of the node's pool now and
 * then, and asks what the node is. A pool that is full says nothing of its node.
 *
 * Probes are far apart while all is well. While nobody is known to be the primary, or the node's
 * pool cannot reach it, they are not: a promotion, or a server that is back, is to be found out in
 * a moment, and a probe of a pool that is down costs nothing.
 *
 * Probers are in the root of the worker that made them (for a request's, in a context of its own
 * below), as a pool's keeper is. Context: fibers.
 */
#include <stdio.h>

#include "data/sql/nodes_inside.h"
#include "rt/worker.h"
#include <weir/fiber.h>
#include <weir/log.h>

#define SOON weir_ms(250)

void weir__sql_nodes_ask_soon(struct weir__sql_nodes *nodes, struct weir__ctx *c, uint32_t node)
{
    if (nodes->count == 1)
        return;
    weir_err err = weir_chan_try_send(weir__ctx_handle(c), nodes->asked[node], "");
    (void)err; /* it has been asked already, or ends */
}

/* --- asking ----------------------------------------------------------------------------------- */

static bool is_full(struct weir__pool *pool)
{
    weir_pool_stats s;
    weir__pool_stats(pool, &s);
    return s.in_use >= s.max_open || s.is_suspended != 0;
}

/* A connection that is alive: what has ended at rest says nothing of the node. */
static weir_err lease_alive(struct weir__sql_nodes *nodes, struct weir__ctx *c, uint32_t node,
                            struct weir__lease *lease)
{
    struct weir__pool *pool = nodes->of[node].pool;
    for (;;) {
        weir_err err = weir__pool_acquire(pool, c, nodes->site, NULL, lease);
        if (err != WEIR_OK || nodes->ops->is_alive == NULL)
            return err;
        if (nodes->ops->is_alive(weir__lease_resource(lease, __func__), c))
            return WEIR_OK;
        weir__lease_break(lease);
        weir__lease_release(lease);
    }
}

static void note_why(struct weir__node_prober *p, struct weir__ctx *c, weir_err err)
{
    const weir_error *e = weir_last_error(weir__ctx_handle(c));
    weir_str text = e == NULL          ? weir_str_from(weir_strerror(err))
                    : e->cause.len > 0 ? e->cause
                                       : e->message;
    (void)snprintf(p->why, sizeof p->why, WEIR_STR_FMT, WEIR_STR_ARG(text));
}

/* False: it could not be asked, for which it can do nothing. */
static bool ask(struct weir__node_prober *p, struct weir__ctx *c, struct weir__node_finding *out)
{
    struct weir__sql_nodes *nodes = p->nodes;
    struct weir__lease lease;
    weir_err err = lease_alive(nodes, c, p->node, &lease);
    if (err != WEIR_OK) {
        note_why(p, c, err);
        return !is_full(nodes->of[p->node].pool);
    }
    void *resource = weir__lease_resource(&lease, __func__);
    err = nodes->ops->probe(nodes->driver, c, p->node, resource, out);
    if (err != WEIR_OK) {
        note_why(p, c, err);
        *out = (struct weir__node_finding){.is_ok = false};
    }
    if (err == WEIR_EGONE)
        weir__lease_break(&lease);
    weir__lease_release(&lease);
    return true;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell(const struct weir__node_prober *p, unsigned changes,
                 const struct weir__node_finding *f)
{
    const struct weir__sql_nodes *nodes = p->nodes;
    const char *where = nodes->of[p->node].where;
    bool is_primary = f->role == WEIR__NODE_PRIMARY;
    const char *role = is_primary ? "primary" : "replica";
    if ((changes & WEIR__NODES_FOUND) != 0)
        weir_log_at(nodes->site, NULL, WEIR_LOG_INFO, "database %s: %s is a %s", nodes->name, where,
                    role);
    if ((changes & WEIR__NODES_WENT_DOWN) != 0)
        weir_log_at(nodes->site, NULL, WEIR_LOG_WARN, "database %s: %s does not answer: %s",
                    nodes->name, where, p->why);
    if ((changes & WEIR__NODES_CAME_UP) != 0)
        weir_log_at(nodes->site, NULL, WEIR_LOG_INFO, "database %s: %s answers again, as %s",
                    nodes->name, where, role);
    if ((changes & WEIR__NODES_ROLE) != 0)
        weir_log_at(nodes->site, NULL, WEIR_LOG_WARN, "database %s: %s is a %s now", nodes->name,
                    where, role);
    uint32_t primaries = weir__nodes_primaries(nodes->policy, weir__self->now);
    bool is_news = (changes & (WEIR__NODES_ROLE | WEIR__NODES_FOUND)) != 0 && is_primary;
    if (is_news && primaries > 1)
        weir_log_at(nodes->site, NULL, WEIR_LOG_WARN,
                    "database %s: %u nodes say that they take writes; they go to the one that "
                    "became it last",
                    nodes->name, primaries);
}

static void note(struct weir__node_prober *p, const struct weir__node_finding *f)
{
    struct weir__sql_nodes *nodes = p->nodes;
    atomic_fetch_add_explicit(f->is_ok ? &nodes->numbers[p->node].answered
                                       : &nodes->numbers[p->node].silent,
                              1, memory_order_relaxed);
    unsigned changes = weir__nodes_found(nodes->policy, p->node, f, weir__self->now);
    if ((changes & WEIR__NODES_ROLE) != 0)
        weir__pool_retire_all(nodes->of[p->node].pool);
    tell(p, changes, f);
}

/* Suspended, a pool lends its prober nothing either, which says nothing of the node. */
static bool is_held_back(const struct weir__sql_nodes *nodes, uint32_t node)
{
    weir_pool_stats s;
    weir__pool_stats(nodes->of[node].pool, &s);
    return s.is_suspended != 0;
}

static void probe_once(struct weir__node_prober *p, struct weir__ctx *c)
{
    struct weir__sql_nodes *nodes = p->nodes;
    struct weir__node_finding f = {.is_ok = false};
    if (is_held_back(nodes, p->node))
        return;
    weir_dur most = p->is_asked ? nodes->o.probe_timeout : nodes->start_max;
    weir_time until = weir_time_add(weir__worker_now(weir__self), most);
    struct weir__ctx *timed = weir__ctx_new(c, until, 0, nodes->site);
    if (timed == NULL)
        return;
    bool is_known = ask(p, timed, &f);
    weir__ctx_end(timed);
    if (is_known && weir__ctx_check(c) == WEIR_OK) /* else the service ends */
        note(p, &f);
}

/* --- the time between ------------------------------------------------------------------------- */

static weir_dur wait_of(const struct weir__node_prober *p, struct weir__random *random)
{
    const struct weir__sql_nodes *nodes = p->nodes;
    const struct weir__nodes *policy = nodes->policy;
    weir_dur wait = weir__health_wait(&policy->of[p->node].health, &policy->o.health, random);
    bool is_urgent = weir__nodes_primary(policy, weir__self->now) == WEIR__NODE_NONE ||
                     weir__pool_is_down(nodes->of[p->node].pool, &(weir_time){0});
    return is_urgent && wait.ns > SOON.ns ? SOON : wait;
}

/* Up to the next probe, or until somebody wants to know sooner. */
static weir_err pause_for(const struct weir__node_prober *p, struct weir__ctx *c, weir_dur wait)
{
    const struct weir__sql_nodes *nodes = p->nodes;
    char unused;
    weir_time until = weir_time_add(weir__worker_now(weir__self), wait);
    struct weir__ctx *timed = weir__ctx_new(c, until, 0, nodes->site);
    if (timed == NULL)
        return weir_sleep(weir__ctx_handle(c), wait);
    weir_err err = weir_chan_recv(weir__ctx_handle(timed), nodes->asked[p->node], &unused);
    weir__ctx_end(timed);
    weir_err reason = weir__ctx_check(c);
    if (reason != WEIR_OK)
        return reason;
    if (err == WEIR_ECLOSED) /* there was no memory for it: the next probe, in its time */
        return weir_sleep(weir__ctx_handle(c), wait);
    return err == WEIR_ETIMEDOUT ? WEIR_OK : err;
}

static weir_err keep_probing(weir_ctx *handle, void *arg)
{
    struct weir__node_prober *p = arg;
    struct weir__ctx *c = weir__ctx_of(handle);
    struct weir__random random = {(uint64_t)weir__self->now.ns + p->node};
    weir_err err = WEIR_OK;
    while (err == WEIR_OK) {
        probe_once(p, c);
        if (!p->is_asked)
            weir_wait_group_done(handle, p->nodes->unasked);
        p->is_asked = true;
        c->error = NULL;
        err = pause_for(p, c, wait_of(p, &random));
    }
    c->error = NULL;
    return WEIR_OK;
}

/* --- beginning -------------------------------------------------------------------------------- */

weir_err weir__sql_nodes_start(struct weir__sql_nodes *nodes, struct weir__ctx *c)
{
    if (nodes->count == 1)
        return WEIR_OK;
    bool is_shared = weir__ctx_is_shared(c);
    struct weir__ctx *home =
        is_shared ? weir__self->root : weir__ctx_new(c, weir_never(), 0, nodes->site);
    weir_err err = home != NULL ? WEIR_OK : -ENOMEM;
    weir__sql_nodes_enlist(nodes);
    nodes->unasked = weir_wait_group_new(weir__ctx_handle(c));
    for (uint32_t i = 0; i < nodes->count && err == WEIR_OK; i++) {
        nodes->asked[i] = weir_chan_new(weir__ctx_handle(c), char, 1);
        nodes->probers[i] = (struct weir__node_prober){.nodes = nodes, .node = i};
        weir_wait_group_add(weir__ctx_handle(c), nodes->unasked, 1);
        err = weir_go_at(nodes->site, weir__ctx_handle(home), keep_probing, &nodes->probers[i],
                         "node prober");
    }
    return err;
}

weir_err weir__sql_nodes_await(struct weir__sql_nodes *nodes, struct weir__ctx *c)
{
    weir_err err = weir_wait_group_wait(weir__ctx_handle(c), nodes->unasked);
    if (err != WEIR_OK && weir__ctx_check(c) != WEIR_OK)
        return err;
    for (uint32_t i = 0; i < nodes->count; i++) {
        if (weir__nodes_state(nodes->policy, i, weir__self->now).is_found)
            return WEIR_OK;
    }
    return weir_raise_at(nodes->site, weir__ctx_handle(c), WEIR_EUNREACHABLE, 503,
                         "database %s: none of %u nodes answers; %s: %s", nodes->name, nodes->count,
                         nodes->of[0].where, nodes->probers[0].why);
}
