/*
 * The choice among a replicated database's nodes. Owns nothing but its words, which all may read;
 * the prober alone writes roles, but that who is refused a write takes a primary's away.
 *
 * The hard thing is what is true while roles change. A role is what was found last, so a write may
 * meet a node that is no primary any more: it refuses, and says so here. A node that was the
 * primary and comes back as one (a split) loses to whoever became it later. And when there is no
 * primary nothing is fresher than the replicas, so how far they are behind does not count then,
 * but for who has written.
 */
#include "guard/nodes.h"

#include "base/alloc.h"
#include "base/assert.h"

#define DAY_NS 86400000000000

/* A node as it is for one pick. */
struct look {
    uint32_t share, running;
    bool is_primary, is_fresh, is_known; /* not too far behind; has what the request has written */
};

struct weir__nodes *weir__nodes_new(const struct weir__nodes_options *o, uint32_t count)
{
    WEIR_ASSERT(count > 0 && count <= WEIR__NODES_MAX, "N1: nodes are bounded");
    struct weir__nodes *n = weir__calloc(1, sizeof *n + count * sizeof n->of[0]);
    if (n == NULL)
        return NULL;
    n->o = *o;
    n->count = count;
    n->o.lag_max = o->lag_max.ns != 0 ? o->lag_max : weir_sec(10);
    WEIR_ASSERT(n->o.lag_max.ns > 0 && n->o.lag_max.ns <= DAY_NS, "N1: 0 < lag_max <= a day");
    weir__health_options_settle(&n->o.health);
    for (uint32_t i = 0; i < count; i++) {
        weir__health_init(&n->of[i].health, true);
        atomic_init(&n->of[i].is_found, count == 1);
        atomic_init(&n->of[i].role, count == 1 ? WEIR__NODE_PRIMARY : WEIR__NODE_REPLICA);
    }
    return n;
}

void weir__nodes_free(struct weir__nodes *n)
{
    weir__free(n);
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool is_primary(const struct weir__node *node)
{
    return atomic_load_explicit(&node->role, memory_order_relaxed) == WEIR__NODE_PRIMARY;
}

static uint32_t share_of(const struct weir__nodes *n, uint32_t i, weir_time now)
{
    WEIR_ASSERT(i < n->count, "N1: a node is one of those that there are");
    bool is_found = atomic_load_explicit(&n->of[i].is_found, memory_order_acquire);
    return is_found ? weir__health_share(&n->of[i].health, &n->o.health, now) : 0;
}

static int64_t since_of(const struct weir__nodes *n, uint32_t i)
{
    return atomic_load_explicit(&n->of[i].primary_since, memory_order_relaxed);
}

static bool is_tried(const struct weir__nodes_call *call, uint32_t i)
{
    return (call->tried >> i & 1) != 0;
}

uint32_t weir__nodes_primary(const struct weir__nodes *n, weir_time now)
{
    uint32_t found = WEIR__NODE_NONE;
    for (uint32_t i = 0; i < n->count; i++) {
        bool is_one = is_primary(&n->of[i]) && share_of(n, i, now) > 0;
        if (is_one && (found == WEIR__NODE_NONE || since_of(n, i) > since_of(n, found)))
            found = i;
    }
    return found;
}

uint32_t weir__nodes_primaries(const struct weir__nodes *n, weir_time now)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->count; i++)
        count += is_primary(&n->of[i]) && share_of(n, i, now) > 0;
    return count;
}

struct weir__node_state weir__nodes_state(const struct weir__nodes *n, uint32_t node, weir_time now)
{
    const struct weir__node *of = &n->of[node];
    return (struct weir__node_state){
        .is_found = atomic_load_explicit(&of->is_found, memory_order_acquire),
        .is_up = share_of(n, node, now) > 0,
        .is_primary = is_primary(of),
        .lag = {atomic_load_explicit(&of->lag_ns, memory_order_relaxed)}};
}

/* --- picking ---------------------------------------------------------------------------------- */

static struct look look_at(const struct weir__nodes *n, uint32_t i,
                           const struct weir__nodes_call *call, weir_time now)
{
    const struct weir__nodes_session *s = call->session;
    const struct weir__node *node = &n->of[i];
    struct look l = {.share = share_of(n, i, now), .is_primary = is_primary(node)};
    l.running = call->loads != NULL ? call->loads[i]
                                    : atomic_load_explicit(&node->running, memory_order_relaxed);
    l.is_fresh = l.is_primary ||
                 atomic_load_explicit(&node->lag_ns, memory_order_relaxed) <= n->o.lag_max.ns;
    l.is_known = s == NULL || !s->has_written ||
                 (s->position > 0 &&
                  atomic_load_explicit(&node->position, memory_order_relaxed) >= s->position);
    return l;
}

/* `a` has less to do for its share. */
static bool has_less(const struct look *a, const struct look *b)
{
    return (uint64_t)(a->running + 1) * b->share < (uint64_t)(b->running + 1) * a->share;
}

/* May it read for this call? */
static bool may_read(const struct weir__nodes *n, uint32_t i, const struct look *l,
                     const struct weir__nodes_call *call, uint32_t primary)
{
    bool is_reader = i == primary ? n->o.reads_primary : !l->is_primary;
    bool is_fresh = l->is_fresh || primary == WEIR__NODE_NONE;
    bool is_known = l->is_known || i == primary;
    return l->share > 0 && is_reader && !is_tried(call, i) && is_fresh && is_known;
}

/*
 * The replica, or with reads_primary any, that has least to do; of equals each in its turn, which
 * those that may not read have no part in.
 */
static uint32_t pick_reader(struct weir__nodes *n, const struct weir__nodes_call *call,
                            uint32_t primary, weir_time now)
{
    uint32_t equals[WEIR__NODES_MAX], count = 0;
    struct look best = {.share = 0};
    for (uint32_t i = 0; i < n->count; i++) {
        struct look l = look_at(n, i, call, now);
        if (!may_read(n, i, &l, call, primary) || (count > 0 && has_less(&best, &l)))
            continue;
        if (count > 0 && has_less(&l, &best))
            count = 0;
        equals[count++] = i;
        best = l;
    }
    if (count == 0)
        return WEIR__NODE_NONE;
    return equals[atomic_fetch_add_explicit(&n->next, 1, memory_order_relaxed) % count];
}

uint32_t weir__nodes_pick(struct weir__nodes *n, const struct weir__nodes_call *call, weir_time now)
{
    uint32_t primary = weir__nodes_primary(n, now);
    uint32_t node = call->writes ? WEIR__NODE_NONE : pick_reader(n, call, primary, now);
    if (node == WEIR__NODE_NONE && primary != WEIR__NODE_NONE && !is_tried(call, primary))
        node = primary;
    if (node != WEIR__NODE_NONE && call->loads == NULL)
        atomic_fetch_add_explicit(&n->of[node].running, 1, memory_order_relaxed);
    return node;
}

void weir__nodes_done(struct weir__nodes *n, uint32_t node)
{
    WEIR_ASSERT(node < n->count, "N1: a node is one of those that there are");
    uint32_t was = atomic_fetch_sub_explicit(&n->of[node].running, 1, memory_order_relaxed);
    WEIR_ASSERT(was > 0, "N2: what was picked is done once");
}

/* --- what is found ---------------------------------------------------------------------------- */

bool weir__nodes_called(struct weir__nodes *n, uint32_t node, bool is_ok)
{
    WEIR_ASSERT(node < n->count, "N1: a node is one of those that there are");
    return weir__health_called(&n->of[node].health, &n->o.health, is_ok);
}

bool weir__nodes_refused_write(struct weir__nodes *n, uint32_t node)
{
    uint32_t was = WEIR__NODE_PRIMARY;
    WEIR_ASSERT(node < n->count, "N1: a node is one of those that there are");
    return atomic_compare_exchange_strong_explicit(&n->of[node].role, &was, WEIR__NODE_REPLICA,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/*
 * Since when one that says so now is the primary. One that was never seen as anything else may be
 * what was the primary long ago: it does not take the place of another.
 */
static int64_t began(const struct weir__nodes *n, bool is_first, weir_time now)
{
    bool has_other = weir__nodes_primary(n, now) != WEIR__NODE_NONE;
    return is_first && has_other ? INT64_MIN : now.ns;
}

unsigned weir__nodes_found(struct weir__nodes *n, uint32_t node,
                           const struct weir__node_finding *finding, weir_time now)
{
    unsigned changes = 0;
    WEIR_ASSERT(node < n->count, "N1: a node is one of those that there are");
    struct weir__node *of = &n->of[node];
    if (weir__health_probed(&of->health, &n->o.health, finding->is_ok, now))
        changes |= finding->is_ok ? WEIR__NODES_CAME_UP : WEIR__NODES_WENT_DOWN;
    if (!finding->is_ok)
        return changes;
    WEIR_ASSERT(finding->lag.ns >= 0, "N3: nobody is ahead of the primary");
    atomic_store_explicit(&of->lag_ns, finding->lag.ns, memory_order_relaxed);
    atomic_store_explicit(&of->position, finding->position, memory_order_relaxed);
    uint32_t role = finding->role;
    uint32_t was = atomic_load_explicit(&of->role, memory_order_relaxed);
    bool is_first = !atomic_load_explicit(&of->is_found, memory_order_relaxed);
    if (role == WEIR__NODE_PRIMARY && was != role)
        atomic_store_explicit(&of->primary_since, began(n, is_first, now), memory_order_relaxed);
    atomic_store_explicit(&of->role, role, memory_order_relaxed);
    atomic_store_explicit(&of->is_found, true, memory_order_release);
    if (is_first)
        return changes | WEIR__NODES_FOUND;
    return role != was ? changes | WEIR__NODES_ROLE : changes;
}

void weir__nodes_wrote(struct weir__nodes_session *s, uint64_t position)
{
    bool is_known = position > 0 && (!s->has_written || s->position > 0);
    WEIR_ASSERT(s->has_written || s->position == 0, "N4: who has written nothing is nowhere");
    s->has_written = true;
    if (!is_known)
        s->position = 0;
    else if (position > s->position)
        s->position = position;
}
