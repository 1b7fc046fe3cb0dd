/*
 * Pools by key: a client has one for each host that it speaks to, all with the same options, under
 * one bound for all of them.
 *
 * Owns the pools, made as keys are wanted, up to keys_max; then the key that was used least
 * recently and is idle gives its pool to the new one. A pool's memory therefore never goes before
 * the group, and what a dead lease points to stays readable. What an old key has left idle counts
 * as too old.
 *
 * The hard thing is the bound over all keys: who is in line in one pool waits for what another one
 * has open. Such a pool is hungry. While one is, nothing that comes back is kept idle, the keeper
 * closes what was, and whoever makes room by that feeds the hungry: outside of all locks, since a
 * pool's lock comes before the group's and two pools' are never held together.
 *
 * Limits: 1,000 keys, 10,000 open. Context: fibers; numbers from any thread.
 */
#include "net/pool_inside.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "rt/fiber.h"
#include "rt/panic.h"

/* --- room ------------------------------------------------------------------------------------- */

static uint32_t open_of(const struct weir__pool_group *g)
{
    return atomic_load_explicit(&g->open, memory_order_relaxed);
}

/* Counted by one at a time, under the lock; read by anybody. */
static void add_open(struct weir__pool_group *g, int32_t n)
{
    uint32_t open = open_of(g) + (uint32_t)n;
    WEIR_ASSERT(open <= g->o.open_max, "P8: no more is open than may be");
    atomic_store_explicit(&g->open, open, memory_order_relaxed);
}

static void hunger(struct weir__pool_member *m)
{
    if (!weir__list_empty(&m->hunger))
        return;
    weir__list_push_back(&m->group->hungry, &m->hunger);
    atomic_fetch_add_explicit(&m->group->hungry_count, 1, memory_order_relaxed);
}

bool weir__pool_take_room(struct weir__pool *pool, bool hungers)
{
    struct weir__pool_group *g = pool->member->group;
    weir__lock_take(&g->lock);
    bool has_room = open_of(g) < g->o.open_max && weir__list_empty(&g->hungry);
    if (has_room)
        add_open(g, 1);
    else if (hungers)
        hunger(pool->member);
    weir__lock_give(&g->lock);
    return has_room;
}

void weir__pool_give_room(struct weir__pool *pool)
{
    struct weir__pool_group *g = pool->member->group;
    weir__lock_take(&g->lock);
    add_open(g, -1);
    weir__lock_give(&g->lock);
}

/* The first of the hungry, for which room is taken; NULL: there is none, or no room. */
static struct weir__pool_member *take_hungry(struct weir__pool_group *g)
{
    struct weir__pool_member *m = NULL;
    weir__lock_take(&g->lock);
    if (open_of(g) < g->o.open_max && !weir__list_empty(&g->hungry)) {
        m = WEIR_CONTAINER(weir__list_pop_front(&g->hungry), struct weir__pool_member, hunger);
        WEIR_ASSERT(m->group == g && atomic_load(&g->hungry_count) > 0,
                    "P8: who hungers is counted");
        atomic_fetch_sub_explicit(&g->hungry_count, 1, memory_order_relaxed);
        add_open(g, 1);
    }
    weir__lock_give(&g->lock);
    return m;
}

/* Gives the room to the first in line; NULL: nobody is, any more. Under the pool's lock. */
static struct weir__pool_waiter *lend_room(struct weir__pool *pool)
{
    struct weir__list *node = pool->empty.next;
    struct weir__pool_waiter *w = NULL;
    if (node != &pool->empty && !pool->is_closing)
        w = weir__pool_first_in_line(pool);
    if (w == NULL)
        return NULL;
    WEIR_ASSERT(pool->stats.open < pool->o.max_open,
                "P5: room of the group is for what may be open");
    weir__list_remove(node);
    w->slot = WEIR_CONTAINER(node, struct weir__pool_slot, link);
    WEIR_ASSERT(w->slot->state == WEIR__SLOT_EMPTY, "P1: who is on `empty` is empty");
    w->slot->generation = pool->generation;
    pool->stats.open++;
    weir__pool_lend(w->slot, w->wait.fiber, w->worker);
    if (!weir__list_empty(&pool->waiters) && !weir__list_empty(&pool->empty)) {
        weir__lock_take(&pool->member->group->lock);
        hunger(pool->member);
        weir__lock_give(&pool->member->group->lock);
    }
    return w;
}

void weir__pool_feed(struct weir__pool_group *g)
{
    struct weir__pool_member *m;
    while ((m = take_hungry(g)) != NULL) {
        weir__lock_take(&m->pool->lock);
        struct weir__pool_waiter *w = lend_room(m->pool);
        if (w == NULL)
            weir__pool_give_room(m->pool);
        weir__lock_give(&m->pool->lock);
        if (w != NULL)
            weir__wake(&w->wait, WEIR_OK);
    }
}

/* --- keys ------------------------------------------------------------------------------------- */

/* Under the lock. Who asks again and again asks for the key that was used last. */
static struct weir__pool_member *find(const struct weir__pool_group *g, weir_str key)
{
    if (!weir__list_empty(&g->by_use)) {
        struct weir__pool_member *last =
            WEIR_CONTAINER(g->by_use.next, struct weir__pool_member, by_use);
        if (last->is_known && weir_str_eq(last->key.name, key))
            return last;
    }
    return weir__map_get(&g->keys, key);
}

/* The pool of a key that is there, which keeps it until it is unpinned; NULL: it is not. */
static struct weir__pool_member *pin(struct weir__pool_group *g, weir_str key)
{
    weir__lock_take(&g->lock);
    struct weir__pool_member *m = find(g, key);
    if (m != NULL) {
        WEIR_ASSERT(m->is_known, "P9: whom the map has is known");
        atomic_fetch_add_explicit(&m->pins, 1, memory_order_relaxed);
        weir__list_remove(&m->by_use);
        weir__list_push_front(&g->by_use, &m->by_use);
    }
    weir__lock_give(&g->lock);
    return m;
}

/* As a clean-up: who is refused too often in a row panics on its way to a lease. */
static void unpin(struct weir__pool_member **way)
{
    struct weir__pool_member *m = *way;
    if (m == NULL)
        return;
    unsigned pins = atomic_fetch_sub_explicit(&m->pins, 1, memory_order_release);
    WEIR_ASSERT(pins > 0, "P9: who unpins has pinned");
}

/* Under the pool's lock, or of one that nobody knows yet. */
static void set_key(struct weir__pool_member *m, weir_str key)
{
    WEIR_ASSERT(key.len < sizeof m->bytes, "P9: a key has room where it is kept");
    memcpy(m->bytes, key.ptr, key.len);
    m->bytes[key.len] = '\0';
    m->key = (struct weir__pool_key){m->group->driver, {m->bytes, key.len}};
    (void)snprintf(m->name, sizeof m->name, "%.20s %.40s", m->group->name, m->bytes);
}

/*
 * For as long as the group is there: what the application's context owns goes before it, being
 * younger.
 */
static void *alloc_for(struct weir__ctx *c, size_t size)
{
    return weir__ctx_is_shared(c) ? weir__calloc(1, size) : weir__ctx_object(c, size);
}

static void free_for(struct weir__pool_group *g, void *object)
{
    if (weir__ctx_is_shared(g->ctx))
        weir__free(object);
}

static struct weir__pool_member *make_member(struct weir__pool_group *g, weir_str key)
{
    struct weir__pool_member *m = alloc_for(g->ctx, sizeof *m);
    if (m == NULL)
        return NULL;
    m->group = g;
    set_key(m, key);
    m->pool = weir__pool_make(g->ctx, m->name, &g->o.each, g->ops, &m->key, g->site, alloc_for);
    if (m->pool == NULL) {
        free_for(g, m);
        return NULL;
    }
    m->pool->member = m;
    m->pool->is_member = true;
    weir__list_init(&m->by_use);
    weir__list_init(&m->hunger);
    weir__pool_keep(g->keeper, m->pool);
    weir__pool_register_held(m->pool);
    WEIR_ASSERT(g->count < g->o.keys_max, "P9: no more pools than keys there may be");
    g->members[g->count++] = m;
    return m;
}

/* The one used least recently that this round has not looked at, out of the map: nobody pins it. */
static struct weir__pool_member *next_oldest(struct weir__pool_group *g)
{
    struct weir__pool_member *found = NULL;
    weir__lock_take(&g->lock);
    for (struct weir__list *n = g->by_use.prev; n != &g->by_use && found == NULL; n = n->prev) {
        struct weir__pool_member *m = WEIR_CONTAINER(n, struct weir__pool_member, by_use);
        if (m->round != g->round && atomic_load_explicit(&m->pins, memory_order_acquire) == 0)
            found = m;
    }
    if (found != NULL) {
        found->round = g->round;
        if (found->is_known)
            (void)weir__map_remove(&g->keys, found->key.name);
        found->is_known = false;
    }
    weir__lock_give(&g->lock);
    return found;
}

/* Its idle ones are of the old key, and too old. False: it is in use. */
static bool give_key(struct weir__pool_member *m, weir_str key)
{
    struct weir__pool *pool = m->pool;
    WEIR_ASSERT(!m->is_known && atomic_load_explicit(&m->pins, memory_order_relaxed) == 0,
                "P9: nobody finds a pool that is to get another key");
    weir__lock_take(&pool->lock);
    weir_pool_stats *s = &pool->stats;
    bool is_free = s->in_use == 0 && s->waiting == 0 && s->open == s->idle;
    if (is_free) {
        weir__pool_age_idle(pool);
        *s = (weir_pool_stats){
            .name = s->name, .max_open = s->max_open, .open = s->open, .idle = s->idle};
        set_key(m, key);
    }
    weir__lock_give(&pool->lock);
    return is_free;
}

static weir_err put(struct weir__pool_group *g, struct weir__pool_member *m)
{
    weir__lock_take(&g->lock);
    weir_err err = weir__map_put(&g->keys, m->key.name, m);
    m->is_known = err == WEIR_OK;
    weir__lock_give(&g->lock);
    return err;
}

/* The pool of another key, for this one; NULL: all are in use. */
static struct weir__pool_member *take_from_oldest(struct weir__pool_group *g, weir_str key)
{
    struct weir__pool_member *m;
    g->round++;
    while ((m = next_oldest(g)) != NULL && !give_key(m, key)) {
        weir_err err = put(g, m);
        WEIR_ASSERT(err == WEIR_OK, "P9: there is the place that it was taken from");
    }
    if (m == NULL)
        return NULL;
    weir__lock_take(&g->lock);
    g->evicted++;
    weir__lock_give(&g->lock);
    weir__pool_kick(m->pool);
    return m;
}

static weir_err refuse_key(struct weir__pool_group *g, struct weir__ctx *c, const weir_site *site)
{
    WEIR_ASSERT(g->count == g->o.keys_max,
                "P9: a key is refused when there are as many pools as there may be");
    return weir_raise_at(site, weir__ctx_handle(c), WEIR_ELIMIT, 503,
                         "pools %s: all %u keys are in use", g->name, g->o.keys_max);
}

/* A pool that has a key now is found by it, and pinned. */
static weir_err introduce(struct weir__pool_group *g, struct weir__pool_member *m)
{
    weir__lock_take(&g->lock);
    WEIR_ASSERT(!m->is_known, "P9: a pool that gets a key has none");
    weir__list_remove(&m->by_use);
    weir__list_push_front(&g->by_use, &m->by_use);
    weir_err err = weir__map_put(&g->keys, m->key.name, m);
    m->is_known = err == WEIR_OK;
    if (err == WEIR_OK)
        atomic_fetch_add_explicit(&m->pins, 1, memory_order_relaxed);
    weir__lock_give(&g->lock);
    return err;
}

/*
 * As pin(), of a key that was not there; NULL: `*err`. With the list of all pools held: one at a
 * time, and nobody reads a name meanwhile.
 */
static struct weir__pool_member *add(struct weir__pool_group *g, struct weir__ctx *c, weir_str key,
                                     const weir_site *site, weir_err *err)
{
    struct weir__pool_member *m = pin(g, key); /* somebody may have been faster */
    if (m != NULL)
        return m;
    if (g->is_closing) {
        *err = WEIR_ECLOSED;
        return NULL;
    }
    bool is_full = g->count == g->o.keys_max;
    WEIR_ASSERT(g->keys.len <= g->count, "P9: each key has a pool of its own");
    m = is_full ? take_from_oldest(g, key) : make_member(g, key);
    if (m == NULL)
        *err = is_full ? refuse_key(g, c, site) : -ENOMEM;
    else
        *err = introduce(g, m);
    return *err == WEIR_OK ? m : NULL;
}

/* As pools: a request's is for its own worker and for contexts that end before it does. */
static void check_place(const struct weir__pool_group *g, const struct weir__ctx *c)
{
    while (c != NULL && c != g->ctx)
        c = c->parent;
    if (c == NULL)
        weir__misuse("acquire",
                     "pools %s were made at %s:%d in a context that ends before this one", g->name,
                     g->site->file, g->site->line);
}

weir_err weir__pool_group_acquire(struct weir__pool_group *g, struct weir__ctx *c, weir_str key,
                                  const weir_site *site, struct weir__owned *holder,
                                  struct weir__lease *lease)
{
    weir_err err = WEIR_OK;
    lease->slot = NULL;
    if (key.len == 0 || key.len > WEIR__POOL_KEY_MAX)
        return weir__wait_refused(WEIR_EINVALID);
    if (!weir__ctx_is_shared(g->ctx))
        check_place(g, c);
    struct weir__pool_member *m __attribute__((cleanup(unpin))) = pin(g, key);
    if (WEIR_UNLIKELY(m == NULL)) {
        weir__pool_list_take();
        m = add(g, c, key, site, &err);
        weir__pool_list_give();
    }
    if (WEIR_UNLIKELY(m == NULL))
        return weir__wait_refused(err);
    return weir__pool_acquire(m->pool, c, site, holder, lease);
}

void weir__pool_group_retire(struct weir__pool_group *g, weir_str key)
{
    struct weir__pool_member *m __attribute__((cleanup(unpin))) = pin(g, key);
    if (m == NULL)
        return;
    WEIR_ASSERT(m->group == g && atomic_load(&m->pins) > 0,
                "P9: a pool that is retired is still its key's");
    weir__lock_take(&m->pool->lock);
    weir__pool_age_idle(m->pool);
    weir__lock_give(&m->pool->lock);
    weir__pool_kick(m->pool);
}

/* --- beginning and end ------------------------------------------------------------------------ */

weir_err weir__pool_group_close(struct weir__pool_group *g, struct weir__ctx *c, weir_time until)
{
    weir_err first = WEIR_OK;
    weir__pool_list_take();
    g->is_closing = true;
    uint32_t count = g->count;
    weir__pool_list_give();
    for (uint32_t i = 0; i < count; i++) {
        weir_err err = weir__pool_close(g->members[i]->pool, c, until);
        first = first == WEIR_OK ? err : first;
    }
    return first;
}

static void release_group(struct weir__owned *o)
{
    struct weir__pool_group *g = WEIR_CONTAINER(o, struct weir__pool_group, owned);
    (void)weir__pool_group_close(g, g->ctx, weir_never());
    for (uint32_t i = 0; i < g->count; i++) {
        WEIR_ASSERT(atomic_load(&g->members[i]->pins) == 0,
                    "P9: nobody is on the way to what ends");
        weir__pool_unmake(g->members[i]->pool);
        free_for(g, g->members[i]->pool);
        free_for(g, g->members[i]);
    }
    WEIR_ASSERT(open_of(g) == 0, "P8: a group without anything open holds no room");
    weir__map_fini(&g->keys);
}

static struct weir__pool_group *make(struct weir__ctx *c, const struct weir__pool_group_options *o,
                                     const weir_site *site)
{
    WEIR_ASSERT(o->keys_max > 0 && o->open_max > 0,
                "P16: options are settled before a group is made");
    struct weir__pool_group *g =
        weir__ctx_object(c, sizeof *g + o->keys_max * sizeof g->members[0]);
    if (g == NULL)
        return NULL;
    weir__lock_init(&g->lock);
    weir__map_init(&g->keys, o->keys_max);
    weir__list_init(&g->by_use);
    weir__list_init(&g->hungry);
    g->o = *o;
    g->ctx = c;
    g->site = site;
    g->keeper = weir__pool_keeper_new(c, site);
    return g->keeper != NULL ? g : NULL;
}

struct weir__pool_group *weir__pool_group_new(struct weir__ctx *c, const char *name,
                                              const struct weir__pool_group_options *options,
                                              const struct weir__pool_ops *ops, void *driver,
                                              const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "pools", .release = release_group};
    char bytes[1500];
    weir_buf mistakes;
    struct weir__pool_group_options o = *options;
    weir_ctx *record = weir__pool_record_of(c);
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    if (weir__pool_group_options_settle(name, &o, &mistakes) != WEIR_OK) {
        weir_str s = weir_buf_str(&mistakes);
        (void)weir_raise_at(site, record, WEIR_EINVALID, 0, WEIR_STR_FMT, WEIR_STR_ARG(s));
        return NULL;
    }
    struct weir__pool_group *g = make(c, &o, site);
    if (g == NULL) {
        (void)weir_raise_at(site, record, -ENOMEM, 0, "no memory for pools %s", name);
        return NULL;
    }
    g->name = name;
    g->ops = ops;
    g->driver = driver;
    weir__own(c, &g->owned, &type, site);
    return g;
}

/* --- numbers ---------------------------------------------------------------------------------- */

void weir__pool_group_stats(struct weir__pool_group *g, struct weir__pool_group_stats *out)
{
    weir__lock_take(&g->lock);
    *out = (struct weir__pool_group_stats){.keys = (uint32_t)g->keys.len,
                                           .keys_max = g->o.keys_max,
                                           .open = open_of(g),
                                           .open_max = g->o.open_max,
                                           .evicted = g->evicted};
    weir__lock_give(&g->lock);
}

bool weir__pool_group_key_stats(struct weir__pool_group *g, weir_str key, weir_pool_stats *out)
{
    weir__lock_take(&g->lock);
    struct weir__pool_member *m = weir__map_get(&g->keys, key);
    if (m != NULL)
        atomic_fetch_add_explicit(&m->pins, 1, memory_order_relaxed);
    weir__lock_give(&g->lock);
    if (m == NULL)
        return false;
    weir__pool_stats(m->pool, out);
    unpin(&m);
    return true;
}
