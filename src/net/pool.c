/*
 * The generic resource pool: lending and giving back. Who finds nothing free waits in
 * pool_line.c.
 *
 * Owns its slots (one for each resource that may be open) and what is in them. A lease is a slot
 * and the number of its turn, so a handle that was given back is told from the next lease of the
 * same slot, and nothing is allocated.
 *
 * The hard thing is that opening, checking, resetting and closing may wait, and that the fiber may
 * be cancelled meanwhile. So a slot is reserved first, under the lock, bound to its holder second,
 * and only then worked on: whatever happens, the holder's release finds it. Nothing is lent past
 * those in line: what comes free is given to the first of them, even if it is only the room for
 * opening one.
 *
 * Limits: 10,000 slots. Context: fibers; counters from any thread.
 */
#include "net/pool_inside.h"

#include "base/assert.h"
#include "rt/fiber.h"
#include "rt/log.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/scope.h"

#define CLEANUP_NS 1000000000 /* how long closing or resetting one may wait */
#define IDLE_SEARCH 8         /* idle ones looked at for one that this worker used last */

/* --- shields ---------------------------------------------------------------------------------- */

/* True when this call has begun it; somebody else's shield is left alone. */
static bool begin_shield(struct weir__ctx *c)
{
    if (c->is_shielded)
        return false;
    weir_shield(weir__ctx_handle(c), weir_ns(CLEANUP_NS));
    return true;
}

static void end_shield(struct weir__ctx *c, bool is_mine)
{
    if (is_mine)
        weir_unshield(weir__ctx_handle(c));
}

/* --- opening and closing ---------------------------------------------------------------------- */

void weir__pool_close_resource(struct weir__pool_slot *slot, struct weir__ctx *c,
                               weir_pool_closed why)
{
    struct weir__pool *pool = slot->pool;
    struct weir__ctx *local = weir__ctx_local(c);
    WEIR_ASSERT(slot->state >= WEIR__SLOT_LEASED, "P5: what is being closed has its slot");
    if (weir__pool_is_away(slot))
        weir__pool_fetch_to_close(slot, c);
    void *resource = slot->resource;
    WEIR_ASSERT(resource != NULL, "P1: what is closed was open");
    WEIR_ASSERT(slot->at == NULL || slot->at == weir__self, "P7: it is closed where it is");
    slot->resource = NULL;
    bool is_mine = begin_shield(local);
    pool->ops->close(pool->driver, local, resource);
    end_shield(local, is_mine);
    weir__lock_take(&pool->lock);
    pool->stats.closed[why]++;
    slot->at = NULL;
    slot->generation = pool->generation;
    weir__lock_give(&pool->lock);
}

weir_time weir__pool_end_of_life(const void *pool, weir_dur life, uint64_t nth)
{
    uint64_t x = (uint64_t)(uintptr_t)pool ^ (nth + 1) * 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    int64_t off = (int64_t)((x ^ (x >> 31)) % (uint64_t)(life.ns / 10 + 1));
    return weir_time_add(weir__worker_now(weir__self), weir_ns(life.ns - off));
}

/*
 * The driver waits, and waiting is for contexts of this worker: for the application's it is lent
 * one, whose error goes to the one that asked.
 */
static weir_err call_open(struct weir__pool *pool, struct weir__ctx *c, void **resource)
{
    struct weir__ctx *local = weir__ctx_local(c);
    if (local == c)
        return pool->ops->open(pool->driver, c, resource);
    local = weir__ctx_new(local, weir_never(), 0, pool->site);
    if (local == NULL)
        return -ENOMEM;
    weir_err err = pool->ops->open(pool->driver, local, resource);
    weir__ctx_hand_up_error(local, c);
    weir__ctx_end(local);
    return err;
}

weir_err weir__pool_open_resource(struct weir__pool_slot *slot, struct weir__ctx *c)
{
    struct weir__pool *pool = slot->pool;
    void *resource = NULL;
    WEIR_ASSERT(slot->state >= WEIR__SLOT_LEASED && slot->resource == NULL,
                "P5: one is opened where there is room for it");
    if (pool->moves)
        weir__pool_sit(pool);
    weir_err err = call_open(pool, c, &resource);
    weir__lock_take(&pool->lock);
    WEIR_ASSERT(pool->stats.open <= pool->slot_count, "P5: never more than may be open");
    if (err == WEIR_OK) {
        WEIR_ASSERT(resource != NULL, "P1: what is open is something");
        slot->expires = weir__pool_end_of_life(pool, pool->o.max_lifetime, pool->stats.opened++);
        slot->resource = resource;
        slot->is_broken = false;
        slot->pinged = weir__self->now;
        slot->at = pool->moves ? weir__self : NULL;
    } else {
        pool->stats.open_errors++;
    }
    weir__lock_give(&pool->lock);
    return err;
}

/* --- lending ---------------------------------------------------------------------------------- */

static bool is_expired(const struct weir__pool_slot *slot)
{
    return slot->expires.ns <= weir__self->now.ns;
}

/* The idle one that was used last, rather of this worker. */
static struct weir__pool_slot *pick_idle(struct weir__pool *pool)
{
    struct weir__list *first = pool->idle.next;
    struct weir__list *node = first;
    if (node == &pool->idle)
        return NULL;
    for (int i = 0; pool->is_shared && i < IDLE_SEARCH && node != &pool->idle; i++) {
        struct weir__pool_slot *slot = WEIR_CONTAINER(node, struct weir__pool_slot, link);
        if (slot->worker == weir__self)
            return slot;
        node = node->next;
    }
    return WEIR_CONTAINER(first, struct weir__pool_slot, link);
}

struct weir__pool_slot *weir__pool_take_free(struct weir__pool *pool)
{
    struct weir__pool_slot *slot = pick_idle(pool);
    if (WEIR_LIKELY(slot != NULL)) {
        WEIR_ASSERT(slot->state == WEIR__SLOT_IDLE && slot->resource != NULL, "P1: idle");
        weir__list_remove(&slot->link);
        pool->stats.idle--;
    } else {
        struct weir__list *node = pool->empty.next;
        if (pool->dials || pool->stats.open >= pool->o.max_open ||
            (pool->is_member && !weir__pool_take_room(pool, true)))
            return NULL;
        weir__list_remove(node);
        slot = WEIR_CONTAINER(node, struct weir__pool_slot, link);
        WEIR_ASSERT(slot->state == WEIR__SLOT_EMPTY && slot->resource == NULL, "P1: empty");
        pool->stats.open++;
        slot->generation = pool->generation;
    }
    return slot;
}

/* A slot without waiting. NULL: there is none, or others are in line. Under the lock. */
static struct weir__pool_slot *take_now(struct weir__pool *pool)
{
    if (!weir__list_empty(&pool->waiters))
        return NULL;
    struct weir__pool_slot *slot = weir__pool_take_free(pool);
    if (WEIR_LIKELY(slot != NULL))
        weir__pool_lend(slot, weir__self->current, weir__self);
    return slot;
}

/* --- the lease as an owned thing -------------------------------------------------------------- */

static void give_back(struct weir__pool_slot *slot);

static void release_lease(struct weir__owned *o)
{
    give_back(WEIR_CONTAINER(o, struct weir__pool_slot, owned));
}

static void describe_lease(const struct weir__owned *o, weir_buf *out)
{
    const struct weir__pool_slot *slot = WEIR_CONTAINER(o, struct weir__pool_slot, owned);
    weir_buf_printf(out, "of pool %s", slot->pool->stats.name);
}

static const struct weir__owned_type lease_type = {.name = "lease",
                                                   .release = release_lease,
                                                   .describe = describe_lease,
                                                   .is_mistake = weir__is_always_mistake};

static void bind_lease(struct weir__pool_slot *slot, struct weir__ctx *c, const weir_site *site,
                       struct weir__owned *holder, struct weir__lease *lease)
{
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED && slot->fiber == weir__self->current,
                "P4: a lease is bound by the fiber that has it");
    lease->slot = slot;
    lease->turn = atomic_load_explicit(&slot->turn, memory_order_relaxed);
    slot->ctx = c;
    slot->site = site;
    if (holder == NULL) {
        weir__own(c, &slot->owned, &lease_type, site);
        holder = &slot->owned;
    }
    atomic_store_explicit(&slot->holder, holder, memory_order_release);
}

/* It is at no worker, where it would have to be at one to be used. */
static bool has_left(const struct weir__pool_slot *slot)
{
    return slot->pool->moves && slot->resource != NULL && slot->at == NULL;
}

weir_err weir__pool_enter(struct weir__pool_slot *slot, struct weir__ctx *c)
{
    struct weir__pool *pool = slot->pool;
    WEIR_ASSERT(slot->at == NULL && slot->resource != NULL, "P7: what enters has left");
    weir__pool_sit(pool);
    weir__pool_set_place(slot, weir__self);
    return pool->ops->enter != NULL
               ? pool->ops->enter(pool->driver, weir__ctx_local(c), slot->resource)
               : WEIR_OK;
}

static bool is_fresh(const struct weir__pool *pool, const struct weir__pool_slot *slot)
{
    int64_t now = weir__self->now.ns;
    return slot->resource != NULL && now - slot->idle_since.ns < pool->o.check_after.ns &&
           slot->expires.ns > now && (!pool->moves || slot->at == weir__self);
}

static void close_old(struct weir__pool *pool, struct weir__pool_slot *slot, struct weir__ctx *c)
{
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED, "P5: what is closed for its age has its slot");
    weir__lock_take(&pool->lock);
    weir_pool_closed why = weir__pool_why_old(slot);
    weir__lock_give(&pool->lock);
    weir__pool_close_resource(slot, c, why);
}

/*
 * Looks at one that lay idle, opens another in its place where it is no good; a pool that dials
 * leaves that to who takes the next.
 */
static weir_err make_ready(struct weir__pool *pool, struct weir__pool_slot *slot,
                           struct weir__ctx *c)
{
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED, "P5: what is made ready has its slot");
    if (slot->resource != NULL && is_expired(slot))
        close_old(pool, slot, c);
    if (has_left(slot)) {
        weir_err reason = weir__ctx_check(c);
        if (reason != WEIR_OK)
            return reason; /* it is as good for the next one */
        if (weir__pool_enter(slot, c) != WEIR_OK)
            weir__pool_close_resource(slot, c, WEIR_POOL_CLOSED_BROKEN);
    }
    if (is_fresh(pool, slot))
        return WEIR_OK;
    if (slot->resource != NULL && pool->ops->check != NULL &&
        pool->ops->check(pool->driver, weir__ctx_local(c), slot->resource) != WEIR_OK)
        weir__pool_close_resource(slot, c, WEIR_POOL_CLOSED_BROKEN);
    return slot->resource != NULL || pool->dials ? WEIR_OK : weir__pool_open_resource(slot, c);
}

/* A request's pool is for its own worker and for contexts that end before it does. */
static void check_place(const struct weir__pool *pool, const struct weir__ctx *c)
{
    while (c != NULL && c != pool->ctx)
        c = c->parent;
    if (c == NULL)
        weir__misuse("acquire", "pool %s was made at %s:%d in a context that ends before this one",
                     pool->stats.name, pool->site->file, pool->site->line);
}

/* It is closed or down: says so. The lock is held at the call, and given in it. */
static weir_err turn_away(struct weir__pool *pool, struct weir__ctx *c, const weir_site *site)
{
    weir_err err = pool->is_closing ? WEIR_ECLOSED : WEIR_EUNREACHABLE;
    WEIR_ASSERT(pool->is_closing || (pool->stats.in_use == 0 && pool->stats.idle == 0),
                "P21: what is down has nothing that could be lent");
    if (!pool->is_closing)
        pool->stats.unreachable++;
    weir__lock_give(&pool->lock);
    return weir__wait_refused(weir__pool_blame(pool, c, site, err, weir_ns(0)));
}

/* Of a pool that dials: what was taken was no good, and there may be others. */
static bool is_for_another(const struct weir__pool *pool, const struct weir__pool_slot *slot)
{
    return pool->dials && slot->resource == NULL;
}

/* A slot that is lent to this fiber, at once or in line; NULL: `*err`. */
static struct weir__pool_slot *take(struct weir__pool *pool, struct weir__ctx *c,
                                    const weir_site *site, weir_err *err)
{
    struct weir__pool_slot *slot = NULL, *given = NULL;
    weir__lock_take(&pool->lock);
    if (WEIR_UNLIKELY(pool->is_barred) && (pool->is_closing || pool->stats.is_down)) {
        *err = turn_away(pool, c, site);
        return NULL;
    }
    if (WEIR_UNLIKELY(weir__is_refused("a pool's line"))) {
        *err = weir__pool_refuse(pool, c, site);
        return NULL;
    }
    if (WEIR_LIKELY(!pool->is_barred))
        slot = take_now(pool);
    if (WEIR_UNLIKELY(slot == NULL)) {
        *err = weir__pool_wait_in_line(pool, c, site, false, &given);
        return *err == WEIR_OK ? given : NULL;
    }
    bool wants_kick = weir__pool_wants_kick(pool);
    weir__lock_give(&pool->lock);
    if (WEIR_UNLIKELY(wants_kick))
        weir__pool_kick(pool);
    return slot;
}

/* It was no good, and is closed: it does not count, and others may be better. */
static weir_err put_aside(struct weir__pool *pool, struct weir__ctx *c, struct weir__lease *lease)
{
    weir__lease_release(lease);
    weir__lock_take(&pool->lock);
    WEIR_ASSERT(pool->stats.acquired > 0, "P1: what was lent was counted");
    pool->stats.acquired--;
    weir__lock_give(&pool->lock);
    return weir__ctx_check(c);
}

/* As weir__pool_acquire; true with WEIR_OK: what was taken was no good, and another is to be. */
static bool acquire(struct weir__pool *pool, struct weir__ctx *c, const weir_site *site,
                    struct weir__owned *holder, struct weir__lease *lease, weir_err *result)
{
    struct weir__pool_slot *slot = take(pool, c, site, result);
    if (WEIR_UNLIKELY(slot == NULL))
        return false;
    WEIR_ASSERT(slot->fiber == weir__self->current, "P3: who goes on has what it was given");
    bool is_ready = is_fresh(pool, slot);
    if (WEIR_UNLIKELY(!is_ready) && weir__pool_is_away(slot)) {
        *result = weir__pool_fetch(slot, c, site);
        if (*result != WEIR_OK)
            return false;
    }
    bind_lease(slot, c, site, holder, lease);
    if (WEIR_LIKELY(is_ready))
        return false;
    *result = make_ready(pool, slot, c);
    if (*result != WEIR_OK)
        weir__lease_release(lease);
    else if (is_for_another(pool, slot))
        *result = put_aside(pool, c, lease);
    else
        return false;
    return *result == WEIR_OK;
}

weir_err weir__pool_acquire(struct weir__pool *pool, struct weir__ctx *c, const weir_site *site,
                            struct weir__owned *holder, struct weir__lease *lease)
{
    lease->slot = NULL;
    weir_err err = weir__may_wait(c);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    if (WEIR_UNLIKELY(!pool->is_shared))
        check_place(pool, c);
    while (acquire(pool, c, site, holder, lease, &err))
        ; /* each turn has closed one that was idle */
    return err;
}

/* --- giving back ------------------------------------------------------------------------------ */

/* It would be of use to who is in line. */
static bool may_be_lent(const struct weir__pool *pool, const struct weir__pool_slot *slot)
{
    if (WEIR_UNLIKELY(pool->is_barred) && (pool->is_closing || pool->stats.is_suspended))
        return false;
    return slot->resource != NULL || (!pool->dials && pool->stats.open <= pool->o.max_open);
}

/* To the first in line, who is woken by the caller. */
static __attribute__((noinline)) struct weir__wait *lend_to_first(struct weir__pool_slot *slot)
{
    struct weir__pool *pool = slot->pool;
    struct weir__pool_waiter *w = weir__pool_first_in_line(pool);
    WEIR_ASSERT(w != NULL, "P3: somebody is in line, under the lock");
    if (slot->resource == NULL)
        slot->generation = pool->generation;
    weir__pool_lend(slot, w->wait.fiber, w->worker);
    w->slot = slot;
    return &w->wait;
}

/* Nothing is in it any more. */
static __attribute__((noinline)) void put_to_empty(struct weir__pool_slot *slot)
{
    struct weir__pool *pool = slot->pool;
    WEIR_ASSERT(slot->resource == NULL && pool->stats.open > 0, "P1: what was open is closed");
    slot->state = WEIR__SLOT_EMPTY;
    weir__list_push_front(&pool->empty, &slot->link);
    pool->stats.open--;
    if (pool->is_member)
        weir__pool_give_room(pool);
    if (pool->dials && pool->stats.waiting > 0)
        weir__pool_judge(pool);
}

/* As weir__pool_settle; each lease that comes back goes this way. */
static inline __attribute__((always_inline)) struct weir__wait *settle(struct weir__pool_slot *slot)
{
    struct weir__pool *pool = slot->pool;
    WEIR_ASSERT(slot->state == WEIR__SLOT_BUSY, "P1: nobody uses a slot that is settled");
    if (WEIR_UNLIKELY(!weir__list_empty(&pool->waiters)) && may_be_lent(pool, slot))
        return lend_to_first(slot);
    if (WEIR_LIKELY(slot->resource != NULL)) {
        slot->state = WEIR__SLOT_IDLE;
        weir__list_push_front(&pool->idle, &slot->link);
        pool->stats.idle++;
    } else {
        put_to_empty(slot);
    }
    WEIR_ASSERT(pool->stats.idle + pool->stats.in_use <= pool->stats.open,
                "P1: what is idle or lent is open");
    struct weir__wait *drainer = pool->stats.in_use == 0 ? pool->drainer : NULL;
    if (drainer != NULL)
        pool->drainer = NULL;
    return drainer;
}

struct weir__wait *weir__pool_settle(struct weir__pool_slot *slot)
{
    return settle(slot);
}

/* What it makes possible for others that something is not open any more. */
static void follow_end(struct weir__pool *pool)
{
    if (weir__pool_is_wanted(pool))
        weir__pool_feed(pool->member->group);
    if (pool->dials) {
        weir__pool_send_home(pool);
        weir__pool_dial(pool);
    }
}

void weir__pool_hand_on(struct weir__pool_slot *slot)
{
    struct weir__pool *pool = slot->pool;
    bool is_gone = slot->resource == NULL;
    weir__lock_take(&pool->lock);
    struct weir__wait *next = weir__pool_settle(slot);
    weir__lock_give(&pool->lock);
    if (next != NULL)
        weir__pool_serve(next);
    if (is_gone || weir__pool_is_wanted(pool))
        follow_end(pool);
}

/* It may not be lent again because of what was changed of the pool, or was opened too late. */
static bool is_steered_out(const struct weir__pool_slot *slot, weir_pool_closed *why)
{
    const struct weir__pool *pool = slot->pool;
    if (pool->is_closing)
        *why = WEIR_POOL_CLOSED_SHUTDOWN;
    else if (slot->generation != pool->generation)
        *why = WEIR_POOL_CLOSED_RETIRED;
    else if (pool->stats.open > pool->o.max_open)
        *why = WEIR_POOL_CLOSED_IDLE;
    else
        return false;
    return true;
}

static inline bool may_stay(const struct weir__pool_slot *slot, weir_pool_closed *why)
{
    const struct weir__pool *pool = slot->pool;
    if (slot->is_broken)
        *why = WEIR_POOL_CLOSED_BROKEN;
    else if (WEIR_UNLIKELY(pool->is_steered) && is_steered_out(slot, why))
        return false;
    else if (is_expired(slot))
        *why = weir__pool_why_old(slot);
    else if ((pool->stats.idle >= pool->o.max_idle || weir__pool_is_wanted(pool)) &&
             weir__list_empty(&pool->waiters))
        *why = WEIR_POOL_CLOSED_IDLE;
    else
        return true;
    return false;
}

bool weir__pool_may_stay(const struct weir__pool_slot *slot, weir_pool_closed *why)
{
    return may_stay(slot, why);
}

/* Left in the middle of something: made clean, or marked as broken. */
static void clean(struct weir__pool *pool, struct weir__pool_slot *slot)
{
    struct weir__ctx *c = weir__ctx_local(slot->ctx);
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED, "P5: what is reset has its slot");
    if (pool->ops->reset == NULL) {
        slot->is_broken = true;
        return;
    }
    bool is_mine = begin_shield(c);
    if (pool->ops->reset(pool->driver, c, slot->resource) != WEIR_OK)
        slot->is_broken = true;
    end_shield(c, is_mine);
}

/* Under the lock, which is given meanwhile: lent, a pool keeps its name. */
static void tell_return(struct weir__pool_slot *slot)
{
    struct weir__pool *pool = slot->pool;
    weir_dur age = weir_time_sub(weir__self->now, slot->leased);
    weir__lock_give(&pool->lock);
    weir__pool_report_return(pool->stats.name, slot->site, age);
    weir__lock_take(&pool->lock);
}

static void give_back(struct weir__pool_slot *slot)
{
    struct weir__pool *pool = slot->pool;
    struct weir__ctx *c = slot->ctx;
    weir_pool_closed why;
    if (slot->resource != NULL && !slot->is_broken && pool->ops->is_dirty != NULL &&
        !has_left(slot) && pool->ops->is_dirty(pool->driver, slot->resource))
        clean(pool, slot);
    weir__lock_take(&pool->lock);
    if (WEIR_UNLIKELY(slot->is_reported))
        tell_return(slot);
    weir__pool_end_lease(slot);
    slot->idle_since = weir__self->now;
    bool is_gone = slot->resource == NULL;
    if (!is_gone && WEIR_UNLIKELY(!may_stay(slot, &why))) {
        weir__lock_give(&pool->lock);
        weir__pool_close_resource(slot, c, why);
        weir__lock_take(&pool->lock);
        is_gone = true;
    }
    struct weir__wait *next = settle(slot);
    bool wants_kick = weir__pool_wants_kick(pool);
    weir__lock_give(&pool->lock);
    if (next != NULL)
        weir__pool_serve(next);
    if (WEIR_UNLIKELY(is_gone))
        follow_end(pool);
    if (WEIR_UNLIKELY(wants_kick))
        weir__pool_kick(pool);
}

static bool is_live(const struct weir__lease *lease)
{
    return lease->slot != NULL &&
           atomic_load_explicit(&lease->slot->turn, memory_order_relaxed) == lease->turn;
}

static void check_fiber(const struct weir__lease *lease, const char *function)
{
    const struct weir__pool_slot *slot = lease->slot;
    const struct weir__fiber *f = weir__fiber_self();
    if (WEIR_LIKELY(f != NULL && slot->fiber == f && slot->fiber_id == f->id))
        return;
    weir__misuse(function,
                 "the lease of pool %s (%s:%d) belongs to another fiber: two fibers never share "
                 "one, each acquires its own",
                 slot->pool->stats.name, slot->site->file, slot->site->line);
}

void *weir__lease_resource(const struct weir__lease *lease, const char *function)
{
    if (WEIR_UNLIKELY(!is_live(lease)))
        weir__misuse(function, "the lease has been given back");
    check_fiber(lease, function);
    return lease->slot->resource;
}

void weir__lease_hand_to(struct weir__lease *lease, struct weir__ctx *c)
{
    struct weir__pool_slot *slot = lease->slot;
    if (!is_live(lease))
        return;
    WEIR_ASSERT(!weir__is_owned(&slot->owned), "P4: a lease that is its own ends with its context");
    weir__lock_take(&slot->pool->lock); /* who reports it reads the context */
    slot->ctx = c;
    weir__lock_give(&slot->pool->lock);
}

void weir__lease_break(struct weir__lease *lease)
{
    if (is_live(lease))
        lease->slot->is_broken = true;
}

void weir__lease_release(struct weir__lease *lease)
{
    struct weir__pool_slot *slot = lease->slot;
    if (!is_live(lease))
        return;
    if (weir__is_owned(&slot->owned)) {
        check_fiber(lease, "release");
        weir__disown(&slot->owned);
    }
    lease->slot = NULL;
    give_back(slot);
}

/* --- the end ---------------------------------------------------------------------------------- */

void weir__pool_unmake(struct weir__pool *pool)
{
    WEIR_ASSERT(pool->stats.open == 0, "P1: a closed pool holds nothing");
    WEIR_ASSERT(pool->stats.in_use == 0 && pool->stats.idle == 0,
                "P1: what is idle or lent is open");
    WEIR_ASSERT(pool->is_closing && pool->drainer == NULL,
                "P17: a pool is closed, and waited for by nobody, before it ends");
    WEIR_ASSERT(weir__list_empty(&pool->waiters), "P3: nobody is in line at a pool that ends");
    WEIR_ASSERT(!pool->keeper->is_posted, "P6: nothing is on its way to a pool that ends");
    WEIR_ASSERT(pool->stats.dialing == 0, "P21: a dial is over before its pool ends");
    weir__pool_unregister(pool);
}

/* The first worker, which has no seat, still looks at what it was asked for. */
static bool is_looked_at(struct weir__pool *pool)
{
    weir__lock_take(&pool->lock);
    bool is_looking = pool->moves && pool->seats[0].is_looking;
    weir__lock_give(&pool->lock);
    return is_looking;
}

static void release_pool(struct weir__owned *o)
{
    struct weir__pool *pool = WEIR_CONTAINER(o, struct weir__pool, owned);
    (void)weir__pool_close(pool, pool->ctx, weir_never());
    while (is_looked_at(pool))
        weir__fiber_yield();
    weir__pool_unmake(pool);
    weir__pool_free_blocks(pool);
}

/* --- making ----------------------------------------------------------------------------------- */

void weir__pool_add_slots(struct weir__pool *pool, struct weir__pool_slot *slots, uint32_t count)
{
    WEIR_ASSERT(count > 0, "P1: what is added is something");
    for (uint32_t i = 0; i < count; i++) {
        struct weir__pool_slot *slot = &slots[i];
        slot->pool = pool;
        atomic_init(&slot->turn, 1);
        weir__list_init(&slot->owned.link);
        weir__list_init(&slot->link);
        weir__list_push_back(&pool->empty, &slot->link);
        slot->next = i + 1 < count ? &slots[i + 1] : pool->first;
    }
    pool->first = slots;
    pool->slot_count += count;
}

struct weir__pool *weir__pool_make(struct weir__ctx *c, const char *name,
                                   const weir_pool_options *o, const struct weir__pool_ops *ops,
                                   void *driver, const weir_site *site,
                                   void *(*alloc)(struct weir__ctx *c, size_t size))
{
    WEIR_ASSERT(o->max_open > 0 && o->max_idle <= o->max_open,
                "P16: options are settled before a pool is made");
    bool moves = weir__ctx_is_shared(c) && ops->leave != NULL;
    size_t seats = moves ? weir__self->runtime->worker_count : 0;
    struct weir__pool *pool = alloc(c, sizeof *pool + o->max_open * sizeof pool->slots[0] +
                                           seats * sizeof pool->seats[0]);
    if (pool == NULL)
        return NULL;
    pool->o = *o;
    pool->stats.name = name;
    pool->stats.max_open = o->max_open;
    pool->ops = ops;
    pool->driver = driver;
    pool->ctx = c;
    pool->site = site;
    pool->is_shared = weir__ctx_is_shared(c);
    pool->moves = moves;
    pool->seats = (struct weir__pool_seat *)&pool->slots[o->max_open];
    for (size_t i = 0; i < seats; i++)
        pool->seats[i].pool = pool;
    weir__lock_init(&pool->lock);
    weir__list_init(&pool->idle);
    weir__list_init(&pool->empty);
    weir__list_init(&pool->waiters);
    weir__pool_add_slots(pool, pool->slots, o->max_open);
    return pool;
}

/* The application's error record is the first worker's alone (ADR 0002). */
weir_ctx *weir__pool_record_of(struct weir__ctx *c)
{
    struct weir__ctx *own = weir__self->current->ctx;
    bool is_others = weir__ctx_is_shared(c) && weir__self->index != 0 && own != NULL;
    return weir__ctx_handle(is_others ? own : c);
}

struct weir__pool *weir__pool_found(struct weir__ctx *c, const char *name,
                                    const weir_pool_options *o,
                                    const struct weir__dialling_options *d,
                                    const struct weir__pool_ops *ops, void *driver,
                                    const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "pool", .release = release_pool};
    struct weir__pool *pool = weir__pool_make(c, name, o, ops, driver, site, weir__ctx_object);
    struct weir__pool_keeper *keeper = pool != NULL ? weir__pool_keeper_new(c, site) : NULL;
    if (keeper == NULL) {
        (void)weir_raise_at(site, weir__pool_record_of(c), -ENOMEM, 0, "no memory for pool %s",
                            name);
        return NULL;
    }
    pool->dials = d != NULL;
    if (d != NULL)
        pool->d = *d;
    weir__pool_keep(keeper, pool);
    weir__own(c, &pool->owned, &type, site);
    weir__pool_register(pool);
    if (o->min_idle > 0)
        weir__pool_kick(pool);
    return pool;
}

struct weir__pool *weir__pool_new(struct weir__ctx *c, const char *name,
                                  const weir_pool_options *options,
                                  const struct weir__pool_ops *ops, void *driver,
                                  const weir_site *site)
{
    char bytes[1500];
    weir_buf mistakes;
    weir_pool_options o = *options;
    weir_ctx *record = weir__pool_record_of(c);
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    if (weir__pool_options_settle(name, &o, &mistakes) != WEIR_OK) {
        weir_str s = weir_buf_str(&mistakes);
        (void)weir_raise_at(site, record, WEIR_EINVALID, 0, WEIR_STR_FMT, WEIR_STR_ARG(s));
        return NULL;
    }
    return weir__pool_found(c, name, &o, NULL, ops, driver, site);
}
