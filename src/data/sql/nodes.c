/*
 * Pools of several nodes, and a prober for each: a fiber that leases a connection now and then and
 * asks what the node is. A node that cannot be reached costs a probe nothing, since its pool fails
 * at once while it is down.
 *
 * What a request has written stands in its topmost context, so that all of its fibers read it.
 * Owned by the context that made it; probers are in the root of the worker that did (for a
 * request's, in a context of its own below), as a pool's keeper is. Context: fibers.
 */
#include "data/sql/nodes.h"

#include "base/assert.h"
#include "rt/worker.h"
#include <weir/chan.h>
#include <weir/fiber.h>
#include <weir/log.h>

enum { WRITTEN_MAX = 4 }; /* databases that a request is remembered to have written */

struct prober {
    struct weir__sql_nodes *nodes;
    uint32_t node;
};

struct weir__sql_nodes {
    struct weir__nodes *policy;
    const char *name;
    weir__sql_probe probe;
    void *driver;
    weir_dur probe_max;
    const weir_site *site;
    struct weir__owned owned;
    weir_chan *asked[WEIR__NODES_MAX]; /* char: its prober is to look sooner */
    struct weir__pool *pools[WEIR__NODES_MAX];
    struct prober probers[WEIR__NODES_MAX];
};

struct weir__nodes *weir__sql_nodes_policy(struct weir__sql_nodes *nodes)
{
    return nodes->policy;
}

/* --- what a request has written --------------------------------------------------------------- */

struct written {
    bool is_full; /* and so it is taken to have written everywhere */
    struct {
        const struct weir__sql_nodes *nodes;
        struct weir__nodes_session session;
    } of[WRITTEN_MAX];
};

static const weir_key written_key = {"what a request has written", sizeof(struct written)};

/* NULL: nothing, or there is no request. */
static const struct written *written_of(struct weir__ctx *c)
{
    return weir__ctx_is_shared(c) ? NULL : weir_get_value(weir__ctx_handle(c), &written_key);
}

static struct weir__nodes_session session_of(const struct weir__sql_nodes *nodes,
                                             struct weir__ctx *c)
{
    const struct written *w = written_of(c);
    for (int i = 0; w != NULL && i < WRITTEN_MAX; i++) {
        if (w->of[i].nodes == nodes)
            return w->of[i].session;
    }
    return (struct weir__nodes_session){.has_written = w != NULL && w->is_full};
}

void weir__sql_nodes_wrote(struct weir__sql_nodes *nodes, struct weir__ctx *c, uint64_t position)
{
    struct written w = {.is_full = false};
    const struct written *before = written_of(c);
    if (weir__ctx_is_shared(c))
        return; /* nobody's request */
    if (before != NULL)
        w = *before;
    int i = 0;
    while (i < WRITTEN_MAX && w.of[i].nodes != NULL && w.of[i].nodes != nodes)
        i++;
    if (i < WRITTEN_MAX) {
        w.of[i].nodes = nodes;
        weir__nodes_wrote(&w.of[i].session, position);
    } else {
        w.is_full = true;
    }
    struct weir__ctx *top = c->top != NULL ? c->top : c;
    weir_err err = weir_set(weir__ctx_handle(top), &written_key, &w);
    WEIR_ASSERT(err != WEIR_ETOOLARGE, "D4: what is remembered of a request fits there");
    (void)err; /* without memory the request ends */
}

/* --- lending ---------------------------------------------------------------------------------- */

static void count_loads(const struct weir__sql_nodes *nodes, uint32_t *loads)
{
    for (uint32_t i = 0; i < nodes->policy->count; i++) {
        weir_pool_stats s;
        weir__pool_stats(nodes->pools[i], &s);
        loads[i] = (uint32_t)(s.in_use + s.waiting);
    }
}

/* Nobody will do: for what, and how many there are. */
static weir_err refuse(const struct weir__sql_nodes *nodes, struct weir__ctx *c,
                       const weir_site *site, const struct weir__nodes_call *call)
{
    const char *why = call->writes                 ? "no primary is up"
                      : call->session->has_written ? "no node is up that knows what was written"
                                                   : "no node is up";
    weir_error_clear(weir__ctx_handle(c));
    return weir__wait_refused(weir_raise_at(site, weir__ctx_handle(c), WEIR_EUNREACHABLE, 503,
                                            "database %s: %s, of %u", nodes->name, why,
                                            nodes->policy->count));
}

static bool is_told_by_node(weir_err err)
{
    return err == WEIR_EUNREACHABLE || err == WEIR_EGONE;
}

weir_err weir__sql_nodes_acquire(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                 const weir_site *site, enum weir__sql_purpose purpose,
                                 struct weir__owned *holder, struct weir__lease *lease,
                                 uint32_t *node)
{
    uint32_t loads[WEIR__NODES_MAX];
    struct weir__nodes_session session = session_of(nodes, c);
    struct weir__nodes_call call = {
        .writes = purpose == WEIR__SQL_WRITE, .session = &session, .loads = loads};
    lease->slot = NULL;
    for (uint32_t i = 0; i < nodes->policy->count; i++) {
        count_loads(nodes, loads);
        *node = weir__nodes_pick(nodes->policy, &call, weir__self->now);
        if (*node == WEIR__NODE_NONE)
            break;
        weir_err err = weir__pool_acquire(nodes->pools[*node], c, site, holder, lease);
        if (!is_told_by_node(err)) {
            if (err == WEIR_OK)
                (void)weir__nodes_called(nodes->policy, *node, true);
            return err;
        }
        (void)weir__nodes_called(nodes->policy, *node, false);
        call.tried |= 1u << *node;
        weir_error_clear(weir__ctx_handle(c));
    }
    return refuse(nodes, c, site, &call);
}

void weir__sql_nodes_refused_write(struct weir__sql_nodes *nodes, struct weir__ctx *c,
                                   uint32_t node)
{
    if (!weir__nodes_refused_write(nodes->policy, node))
        return;
    weir__pool_retire_all(nodes->pools[node]);
    for (uint32_t i = 0; i < nodes->policy->count; i++) {
        weir_err err = weir_chan_try_send(weir__ctx_handle(c), nodes->asked[i], "");
        (void)err; /* it has been asked already, or ends */
    }
    weir_log_at(nodes->site, NULL, WEIR_LOG_WARN,
                "database %s: node %u takes no writes any more; who does is looked for",
                nodes->name, node);
}

/* --- probing ---------------------------------------------------------------------------------- */

static void ask(struct weir__sql_nodes *nodes, struct weir__ctx *c, uint32_t node,
                struct weir__node_finding *out)
{
    struct weir__lease lease;
    weir_err err = weir__pool_acquire(nodes->pools[node], c, nodes->site, NULL, &lease);
    if (err != WEIR_OK)
        return;
    void *resource = weir__lease_resource(&lease, __func__);
    err = nodes->probe(nodes->driver, c, node, resource, out);
    if (err != WEIR_OK)
        *out = (struct weir__node_finding){.is_ok = false};
    if (err == WEIR_EGONE)
        weir__lease_break(&lease);
    weir__lease_release(&lease);
}

static void tell(const struct weir__sql_nodes *nodes, uint32_t node, unsigned changes,
                 const struct weir__node_finding *f)
{
    const char *role = f->role == WEIR__NODE_PRIMARY ? "primary" : "replica";
    if ((changes & WEIR__NODES_WENT_DOWN) != 0)
        weir_log_at(nodes->site, NULL, WEIR_LOG_WARN, "database %s: node %u does not answer",
                    nodes->name, node);
    if ((changes & WEIR__NODES_CAME_UP) != 0)
        weir_log_at(nodes->site, NULL, WEIR_LOG_INFO, "database %s: node %u answers again, as %s",
                    nodes->name, node, role);
    if ((changes & WEIR__NODES_ROLE) != 0)
        weir_log_at(nodes->site, NULL, WEIR_LOG_WARN, "database %s: node %u is the %s now",
                    nodes->name, node, role);
}

/* Suspended, a pool lends its prober nothing either, which says nothing of the node. */
static bool is_held_back(const struct weir__sql_nodes *nodes, uint32_t node)
{
    weir_pool_stats s;
    weir__pool_stats(nodes->pools[node], &s);
    return s.is_suspended;
}

static void probe_once(struct weir__sql_nodes *nodes, struct weir__ctx *c, uint32_t node)
{
    struct weir__node_finding f = {.is_ok = false};
    if (is_held_back(nodes, node))
        return;
    weir_time until = weir_time_add(weir__worker_now(weir__self), nodes->probe_max);
    struct weir__ctx *timed = weir__ctx_new(c, until, 0, nodes->site);
    if (timed == NULL)
        return;
    ask(nodes, timed, node, &f);
    weir__ctx_end(timed);
    if (weir__ctx_check(c) != WEIR_OK)
        return; /* the service ends, which says nothing of the node */
    if (!f.is_ok && is_held_back(nodes, node))
        return;
    unsigned changes = weir__nodes_found(nodes->policy, node, &f, weir__self->now);
    if ((changes & WEIR__NODES_ROLE) != 0)
        weir__pool_retire_all(nodes->pools[node]);
    tell(nodes, node, changes, &f);
}

/* Up to the next probe, or until somebody wants to know sooner. */
static weir_err pause_for(struct weir__sql_nodes *nodes, struct weir__ctx *c, uint32_t node,
                          weir_dur wait)
{
    char unused;
    weir_time until = weir_time_add(weir__worker_now(weir__self), wait);
    struct weir__ctx *timed = weir__ctx_new(c, until, 0, nodes->site);
    if (timed == NULL)
        return weir_sleep(weir__ctx_handle(c), wait);
    weir_err err = weir_chan_recv(weir__ctx_handle(timed), nodes->asked[node], &unused);
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
    struct prober *p = arg;
    struct weir__sql_nodes *nodes = p->nodes;
    struct weir__nodes *policy = nodes->policy;
    struct weir__ctx *c = weir__ctx_of(handle);
    struct weir__random random = {(uint64_t)weir__self->now.ns + p->node};
    weir_err err = WEIR_OK;
    while (err == WEIR_OK) {
        probe_once(nodes, c, p->node);
        c->error = NULL;
        weir_dur wait = weir__health_wait(&policy->of[p->node].health, &policy->o.health, &random);
        err = pause_for(nodes, c, p->node, wait);
    }
    c->error = NULL;
    return WEIR_OK;
}

/* --- making ----------------------------------------------------------------------------------- */

static void release_nodes(struct weir__owned *o)
{
    struct weir__sql_nodes *nodes = WEIR_CONTAINER(o, struct weir__sql_nodes, owned);
    weir__nodes_free(nodes->policy);
    nodes->policy = NULL;
}

static weir_err start_probers(struct weir__sql_nodes *nodes, struct weir__ctx *c)
{
    bool is_shared = weir__ctx_is_shared(c);
    struct weir__ctx *home =
        is_shared ? weir__self->root : weir__ctx_new(c, weir_never(), 0, nodes->site);
    weir_err err = home != NULL ? WEIR_OK : -ENOMEM;
    for (uint32_t i = 0; i < nodes->policy->count && err == WEIR_OK; i++) {
        nodes->asked[i] = weir_chan_new(weir__ctx_handle(c), char, 1);
        nodes->probers[i] = (struct prober){nodes, i};
        err = weir_go_at(nodes->site, weir__ctx_handle(home), keep_probing, &nodes->probers[i],
                         "node prober");
    }
    return err;
}

struct weir__sql_nodes *weir__sql_nodes_new(struct weir__ctx *c, const char *name,
                                            const struct weir__sql_nodes_options *o,
                                            struct weir__pool *const *pools, uint32_t count,
                                            weir__sql_probe probe, void *driver,
                                            const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "nodes", .release = release_nodes};
    WEIR_ASSERT(count > 0 && count <= WEIR__NODES_MAX, "D4: nodes are bounded");
    struct weir__sql_nodes *nodes = weir__ctx_object(c, sizeof *nodes);
    struct weir__nodes *policy = nodes != NULL ? weir__nodes_new(&o->policy, count) : NULL;
    if (policy == NULL)
        return NULL;
    nodes->policy = policy;
    nodes->name = name;
    nodes->probe = probe;
    nodes->driver = driver;
    nodes->site = site;
    nodes->probe_max = o->probe_max.ns != 0 ? o->probe_max : weir_sec(2);
    for (uint32_t i = 0; i < count; i++)
        nodes->pools[i] = pools[i];
    weir__own(c, &nodes->owned, &type, site);
    return start_probers(nodes, c) == WEIR_OK ? nodes : NULL;
}
