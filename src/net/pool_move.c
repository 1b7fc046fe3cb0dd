/*
 * From worker to worker: a resource that is bound to the one where it was used last leaves it
 * before another one gets it.
 *
 * Who gives back to a waiter of another worker is where the resource is, and has it leave at once
 * (weir__pool_serve). What lies idle is fetched by who takes it: a message to the worker where it
 * is, while the fiber waits. Owns the seats: a record in the root of each worker that resources of
 * the pool are at, whose end has them leave while messages still arrive there (P7).
 *
 * The hard thing is a fiber that gives up meanwhile. The slot stays LEASED, to nobody, until the
 * resource has left; then whoever is next gets it. Context: fibers; departures run on the worker's
 * own stack.
 */
#include "net/pool_inside.h"

#include "base/assert.h"
#include "rt/fiber.h"
#include "rt/runtime.h"

void weir__pool_set_place(struct weir__pool_slot *slot, struct weir__worker *at)
{
    weir__lock_take(&slot->pool->lock);
    WEIR_ASSERT(slot->state >= WEIR__SLOT_LEASED,
                "P7: what changes its place is in somebody's hands");
    slot->at = at;
    weir__lock_give(&slot->pool->lock);
}

/* --- fetching --------------------------------------------------------------------------------- */

/* Who wanted it has gone: it is the next one's, or idle. */
static void settle_abandoned(struct weir__pool_slot *slot)
{
    struct weir__pool *pool = slot->pool;
    weir__lock_take(&pool->lock);
    WEIR_ASSERT(slot->fiber == NULL, "P4: who has given up has no lease");
    weir__pool_end_lease(slot);
    slot->idle_since = weir__self->now;
    struct weir__wait *next = weir__pool_settle(slot);
    bool wants_kick = weir__pool_wants_kick(pool);
    weir__lock_give(&pool->lock);
    if (next != NULL)
        weir__pool_serve(next);
    if (wants_kick)
        weir__pool_kick(pool);
}

/* On the own stack of the worker where it is. */
static void on_departure(struct weir__task *t)
{
    struct weir__pool_slot *slot = WEIR_CONTAINER(t, struct weir__pool_slot, departure);
    struct weir__pool *pool = slot->pool;
    WEIR_ASSERT(slot->at == weir__self, "P7: it leaves where it is");
    WEIR_ASSERT(slot->state >= WEIR__SLOT_LEASED, "P5: what is being fetched has its slot");
    pool->ops->leave(pool->driver, slot->resource);
    weir__lock_take(&pool->lock);
    struct weir__wait *mover = slot->mover;
    slot->mover = NULL;
    slot->at = NULL;
    weir__lock_give(&pool->lock);
    if (mover != NULL)
        weir__wake(mover, WEIR_OK);
    else
        settle_abandoned(slot);
}

static void describe_move(const struct weir__wait *w, weir_buf *out)
{
    const struct weir__pool_slot *slot = w->object;
    weir_buf_puts(out, weir_str_from(slot->pool->stats.name));
}

static bool give_up(struct weir__wait *w)
{
    struct weir__pool_slot *slot = w->object;
    weir__lock_take(&slot->pool->lock);
    bool is_mine = slot->mover == w;
    if (is_mine) {
        WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED, "P5: until it has left the slot is lent");
        slot->mover = NULL;
        slot->fiber = NULL;
    }
    weir__lock_give(&slot->pool->lock);
    return is_mine;
}

static weir_err fetch(struct weir__pool_slot *slot, struct weir__ctx *c, const weir_site *site,
                      const struct weir__wait_type *type)
{
    struct weir__wait wait;
    struct weir__worker *at = slot->at;
    WEIR_ASSERT(at != NULL && at != weir__self, "P7: only what is elsewhere is fetched");
    WEIR_ASSERT(slot->mover == NULL, "P7: one fetches it at a time");
    weir__wait_init(&wait, type, c, site, slot);
    weir__lock_take(&slot->pool->lock);
    slot->mover = &wait;
    weir__lock_give(&slot->pool->lock);
    slot->departure.run = on_departure;
    weir__post(at, &slot->departure);
    return weir__park(&wait, weir_never());
}

weir_err weir__pool_fetch(struct weir__pool_slot *slot, struct weir__ctx *c, const weir_site *site)
{
    static const struct weir__wait_type type = {
        .name = "pool, from another worker", .abandon = give_up, .describe = describe_move};
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED, "P7: who fetches it has it");
    slot->site = site;
    return fetch(slot, c, site, &type);
}

void weir__pool_fetch_to_close(struct weir__pool_slot *slot, struct weir__ctx *c)
{
    static const struct weir__wait_type type = {.name = "pool, from another worker",
                                                .abandon = weir__wait_never_abandoned,
                                                .describe = describe_move};
    WEIR_ASSERT(slot->state == WEIR__SLOT_BUSY, "P7: who closes it has it");
    (void)fetch(slot, weir__ctx_local(c), NULL, &type);
}

/* --- the end of a worker ---------------------------------------------------------------------- */

/*
 * One that is at this worker, which has no more fibers of programs. A lease that the application's
 * context has from here is used no more, and comes back broken; one that is lent or being closed
 * elsewhere is about to be fetched, and waited for. Under the lock.
 */
static struct weir__pool_slot *take_mine(struct weir__pool *pool, bool *is_awaited)
{
    *is_awaited = false;
    WEIR__EACH_SLOT(slot, pool) {
        if (slot->at != weir__self)
            continue;
        if (slot->state == WEIR__SLOT_IDLE) {
            weir__list_remove(&slot->link);
            pool->stats.idle--;
            slot->state = WEIR__SLOT_BUSY;
            return slot;
        }
        if (slot->state == WEIR__SLOT_LEASED && slot->worker == weir__self) {
            slot->is_broken = true;
            return slot;
        }
        *is_awaited = true;
    }
    return NULL;
}

static void leave_for_good(struct weir__pool *pool, struct weir__pool_slot *slot)
{
    struct weir__wait *next = NULL;
    WEIR_ASSERT(slot->at == weir__self && slot->resource != NULL, "P7: it leaves where it is");
    pool->ops->leave(pool->driver, slot->resource);
    weir__lock_take(&pool->lock);
    slot->at = NULL;
    if (slot->state == WEIR__SLOT_BUSY)
        next = weir__pool_settle(slot);
    weir__lock_give(&pool->lock);
    if (next != NULL)
        weir__pool_serve(next);
}

static void end_seat(struct weir__owned *o)
{
    const struct weir__pool_seat *seat = WEIR_CONTAINER(o, struct weir__pool_seat, owned);
    struct weir__pool *pool = seat->pool;
    bool is_awaited = true;
    while (is_awaited) {
        weir__lock_take(&pool->lock);
        struct weir__pool_slot *slot = take_mine(pool, &is_awaited);
        is_awaited = is_awaited || seat->is_looking;
        weir__lock_give(&pool->lock);
        is_awaited = is_awaited || slot != NULL;
        if (slot != NULL)
            leave_for_good(pool, slot);
        else if (is_awaited)
            weir__fiber_yield();
    }
}

/* The first worker is the last one, where the pool itself ends. */
void weir__pool_sit(struct weir__pool *pool)
{
    static const struct weir__owned_type type = {.name = "pool seat", .release = end_seat};
    WEIR_ASSERT(pool->moves, "P7: only what can leave has seats");
    struct weir__pool_seat *seat = &pool->seats[weir__self->index];
    if (weir__self->index == 0 || weir__is_owned(&seat->owned))
        return;
    weir__own(weir__self->root, &seat->owned, &type, pool->site);
}
