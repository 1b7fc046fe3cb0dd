/*
 * The line before a pool: who waits in it, how that ends, and who is not let in because the pool
 * would stand still.
 *
 * Two searches for those who would wait for ever, one at each end. Before a fiber stands in line:
 * is every slot lent to fibers that cannot go on before this one does? Then it is refused at once,
 * with both places. While it stands there the search of a whole context
 * (watch/deadlock_search.c) asks the same again, for what has come about since.
 *
 * Owns the table of places that were told; a waiter stands on its fiber's stack. Context: fibers.
 */
#include "net/pool_inside.h"

#include <string.h>

#include "base/assert.h"
#include "os/symbol.h"
#include "rt/deadlock.h"
#include "rt/fiber.h"
#include "rt/places.h"
#include <weir/log.h>

static struct weir__pool_waiter *waiter_of(struct weir__list *in_object)
{
    struct weir__wait *w = WEIR_CONTAINER(in_object, struct weir__wait, in_object);
    return WEIR_CONTAINER(w, struct weir__pool_waiter, wait);
}

void weir__pool_leave_line(struct weir__pool *pool, struct weir__pool_waiter *w)
{
    WEIR_ASSERT(pool->stats.waiting > 0, "P3: who is in line is counted");
    weir__list_remove(&w->wait.in_object);
    pool->stats.waiting--;
}

struct weir__pool_waiter *weir__pool_first_in_line(struct weir__pool *pool)
{
    if (weir__list_empty(&pool->waiters))
        return NULL;
    struct weir__pool_waiter *first = waiter_of(pool->waiters.next);
    weir__pool_leave_line(pool, first);
    return first;
}

static bool leave_line(struct weir__wait *w)
{
    struct weir__pool *pool = w->object;
    weir__lock_take(&pool->lock);
    bool is_mine = !weir__list_empty(&w->in_object);
    if (is_mine)
        weir__pool_leave_line(pool, WEIR_CONTAINER(w, struct weir__pool_waiter, wait));
    weir__lock_give(&pool->lock);
    return is_mine;
}

static const char *ordinal_suffix(uint64_t n)
{
    uint64_t tens = n % 100;
    if (tens >= 11 && tens <= 13)
        return "th";
    return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

void weir__pool_put_place(weir_buf *out, const char *name, uint64_t place)
{
    if (place > 0)
        weir_buf_printf(out, "%s, %llu%s in line", name, (unsigned long long)place,
                        ordinal_suffix(place));
    else
        weir_buf_printf(out, "%s, served", name);
}

static void describe_line(const struct weir__wait *w, weir_buf *out)
{
    struct weir__pool *pool = w->object;
    uint64_t place = 0;
    weir__lock_take(&pool->lock);
    bool is_in_line = !weir__list_empty(&w->in_object);
    for (const struct weir__list *n = &w->in_object; is_in_line && n != &pool->waiters; n = n->prev)
        place++;
    weir__lock_give(&pool->lock);
    weir__pool_put_place(out, pool->stats.name, place);
}

/* --- who would wait for ever ------------------------------------------------------------------ */

static bool is_lent_to(const struct weir__pool_slot *slot, const struct weir__ctx *top)
{
    return slot->state == WEIR__SLOT_LEASED && slot->worker == weir__self && slot->fiber != NULL &&
           weir__deadlock_is_in(slot->fiber, top);
}

/* Nothing will come but what comes back. Under the lock. */
static bool is_all_lent(const struct weir__pool *pool)
{
    return pool->stats.in_use == pool->stats.open && pool->stats.open >= pool->o.max_open;
}

/* Everything is lent to fibers of the tree, and not to this one, whose wake is on its way. */
static bool is_stuck(const struct weir__wait *w, const struct weir__ctx *top)
{
    struct weir__pool *pool = w->object;
    weir__lock_take(&pool->lock);
    bool is_all = !weir__list_empty(&w->in_object) && is_all_lent(pool) && !pool->is_barred;
    WEIR__EACH_SLOT(slot, pool)
        is_all = is_all && (slot->state == WEIR__SLOT_EMPTY || is_lent_to(slot, top));
    weir__lock_give(&pool->lock);
    return is_all;
}

static const struct weir__wait_type wait_type = {.name = "pool",
                                                 .abandon = leave_line,
                                                 .describe = describe_line,
                                                 .is_stuck = is_stuck,
                                                 .has_limit = true};

/* Woken, it may go at once; until then the slot is nobody's but the caller's. */
static void leave_for(struct weir__pool_waiter *w)
{
    struct weir__pool_slot *slot = w->slot;
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED, "P3: who is served has the slot already");
    if (slot->resource == NULL || slot->at != weir__self || w->worker == weir__self)
        return;
    slot->pool->ops->leave(slot->pool->driver, slot->resource);
    weir__pool_set_place(slot, NULL);
}

void weir__pool_serve(struct weir__wait *next)
{
    struct weir__pool *pool = next->object;
    if (pool->moves && next->type == &wait_type)
        leave_for(WEIR_CONTAINER(next, struct weir__pool_waiter, wait));
    weir__wake(next, WEIR_OK);
}

void weir__pool_find_stuck(struct weir__pool_stuck *stuck, const struct weir__ctx *c)
{
    WEIR_ASSERT(weir__self->current != NULL, "P18: who waits is a fiber");
    stuck->fibers[0] = weir__self->current;
    stuck->count = 1;
    for (; c != NULL && !weir__ctx_is_shared(c); c = c->parent) {
        WEIR_LIST_EACH(node, &c->joiners) {
            if (stuck->count < WEIR__POOL_STUCK_MAX)
                stuck->fibers[stuck->count++] =
                    WEIR_CONTAINER(node, struct weir__wait, in_object)->fiber;
        }
    }
}

bool weir__pool_is_stuck(const struct weir__pool_stuck *stuck, const struct weir__fiber *fiber)
{
    WEIR_ASSERT(stuck->count > 0 && stuck->count <= WEIR__POOL_STUCK_MAX,
                "P18: who waits is the first of those who cannot go on");
    for (size_t i = 0; i < stuck->count; i++) {
        if (stuck->fibers[i] == fiber)
            return true;
    }
    return false;
}

static bool holds(const struct weir__pool_waiter *w, const struct weir__pool_slot *slot)
{
    return weir__pool_is_stuck(&w->stuck, slot->fiber);
}

static bool is_held_in_line(const struct weir__pool *pool, const struct weir__pool_slot *slot)
{
    for (struct weir__list *n = pool->waiters.next; n != &pool->waiters; n = n->next) {
        if (holds(waiter_of(n), slot))
            return true;
    }
    return false;
}

/*
 * Would the pool stand still for ever if this fiber waited? Only if every slot is lent to a fiber
 * that waits for this one or is in line itself. Returns the lease that this fiber, or who joins it,
 * holds; NULL: it would not. Under the lock.
 */
static struct weir__pool_slot *find_deadlock(struct weir__pool *pool,
                                             const struct weir__pool_waiter *w)
{
    struct weir__pool_slot *mine = NULL;
    if (!is_all_lent(pool))
        return NULL;
    WEIR__EACH_SLOT(slot, pool) {
        if (slot->state == WEIR__SLOT_LEASED && holds(w, slot))
            mine = slot;
    }
    if (mine == NULL)
        return NULL;
    WEIR__EACH_SLOT(slot, pool) {
        bool is_lent = slot->state == WEIR__SLOT_LEASED;
        if (is_lent && !holds(w, slot) && !is_held_in_line(pool, slot))
            return NULL;
    }
    return mine;
}

static void add_stack(weir_buf *out, void *const *pcs, size_t n)
{
    for (size_t i = 0; i < n && pcs[i] != NULL; i++) {
        if (i > 0)
            weir_buf_puts(out, WEIR_S(" < "));
        weir__symbolise(pcs[i], out);
    }
}

static struct weir__places told;

/* With both stacks: they say what the error has no room for. */
static void tell_deadlock(const char *name, uint32_t max_open, struct weir__ctx *c,
                          const weir_site *site, const weir_site *held, void *const *held_stack)
{
    struct weir__untold untold = {0};
    char bytes[3000];
    void *pcs[WEIR__STACK_DEPTH];
    weir_buf text;
    WEIR_ASSERT(max_open > 0 && held != NULL, "P18: who would wait for ever is held up by a lease");
    if (!weir__places_count(&told, "pool deadlock", site, NULL, &untold))
        return;
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    weir_buf_printf(&text,
                    "pool %s: all %u are held by fibers that wait for this one, so it would never "
                    "end; held since %s:%d (",
                    name, max_open, held->file, held->line);
    add_stack(&text, held_stack, WEIR__STACK_DEPTH);
    weir_buf_printf(&text, "), wanted again at %s:%d (", site->file, site->line);
    size_t depth = weir__stack_capture(pcs, WEIR__STACK_DEPTH);
    add_stack(&text, pcs, depth);
    weir_buf_puts(&text, WEIR_S(")"));
    if (untold.here > 0)
        weir_buf_printf(&text, "; %llu more like this", (unsigned long long)untold.here);
    weir_str s = weir_buf_str(&text);
    weir_log_at(site, weir__ctx_handle(c), WEIR_LOG_ERROR, WEIR_STR_FMT, WEIR_STR_ARG(s));
}

weir_err weir__pool_refuse_deadlock(const char *name, uint32_t max_open, struct weir__ctx *c,
                                    const weir_site *site, const weir_site *held,
                                    void *const *held_stack)
{
    tell_deadlock(name, max_open, c, site, held, held_stack);
    return weir_raise_at(
        site, weir__ctx_handle(c), -EDEADLK, 500,
        "pool %s: held since %s:%d, wanted again at %s:%d: it would wait for itself", name,
        held->file, held->line, site->file, site->line);
}

/* The deadlock's facts, copied while the lock is held. */
struct deadlock {
    const weir_site *site;
    void *stack[WEIR__STACK_DEPTH];
};

static void copy_deadlock(struct deadlock *d, const struct weir__pool_slot *slot)
{
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED, "P4: a lease's facts are read while it is one");
    struct weir__owned *o = atomic_load_explicit(&slot->holder, memory_order_acquire);
    d->site = slot->site;
    memset(d->stack, 0, sizeof d->stack);
    if (o != NULL)
        memcpy(d->stack, o->stack, sizeof d->stack);
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Parks in line; counts how it ended. */
static weir_err stand_in_line(struct weir__pool *pool, struct weir__ctx *c,
                              struct weir__pool_waiter *w)
{
    weir_time since = weir__self->now;
    weir_time until = w->is_patient ? weir_never() : weir_time_add(since, pool->o.wait_max);
    weir_err err = w->is_sent_home ? w->wait.result : weir__park(&w->wait, until);
    WEIR_ASSERT(weir__list_empty(&w->wait.in_object), "P3: who goes on is in line no more");
    weir_dur waited = weir_time_sub(weir__self->now, since);
    WEIR_ASSERT(err != WEIR_OK || w->slot != NULL, "P3: who was woken so has a slot");
    weir__lock_take(&pool->lock);
    pool->stats.wait_ns += (uint64_t)waited.ns;
    if (err == WEIR_EUNREACHABLE)
        pool->stats.unreachable++;
    else if (err != WEIR_OK && err != WEIR_ECLOSED)
        pool->stats.timeouts++;
    weir__lock_give(&pool->lock);
    if (err == WEIR_ETIMEDOUT || err == WEIR_EUNREACHABLE || err == WEIR_ECLOSED)
        return weir__pool_blame(pool, c, w->wait.site, err, waited);
    return err;
}

weir_err weir__pool_refuse(struct weir__pool *pool, struct weir__ctx *c, const weir_site *site)
{
    pool->stats.refused++;
    weir__lock_give(&pool->lock);
    return weir__wait_refused(weir__pool_blame(pool, c, site, WEIR_ELIMIT, weir_ns(0)));
}

weir_err weir__pool_wait_in_line(struct weir__pool *pool, struct weir__ctx *c,
                                 const weir_site *site, bool is_patient,
                                 struct weir__pool_slot **slot)
{
    struct weir__pool_waiter w = {.worker = weir__self, .is_patient = is_patient};
    if (pool->stats.waiting >= pool->o.waiters_max)
        return weir__pool_refuse(pool, c, site);
    weir__pool_find_stuck(&w.stuck, c);
    WEIR_ASSERT(!pool->is_closing, "P17: nobody gets in line at a pool that closes");
    struct weir__pool_slot *held = find_deadlock(pool, &w);
    if (held != NULL) {
        struct deadlock d;
        copy_deadlock(&d, held);
        pool->stats.deadlocks++;
        weir__lock_give(&pool->lock);
        return weir__wait_refused(weir__pool_refuse_deadlock(pool->stats.name, pool->o.max_open, c,
                                                             site, d.site, d.stack));
    }
    WEIR_ASSERT(weir__list_empty(&pool->idle) || pool->stats.is_suspended,
                "P2: nothing is idle before who is in line");
    weir__wait_init(&w.wait, &wait_type, c, site, pool);
    weir__list_push_back(&pool->waiters, &w.wait.in_object);
    pool->stats.waiting++;
    pool->stats.waits++;
    bool wants_kick = weir__pool_wants_kick(pool);
    weir__lock_give(&pool->lock);
    if (wants_kick || weir__pool_is_wanted(pool))
        weir__pool_kick(pool); /* for room in the group, perhaps its own */
    if (pool->dials)
        weir__pool_dial(pool);
    weir_err err = stand_in_line(pool, c, &w);
    *slot = w.slot;
    return err;
}
