/*
 * Leases that are held while their fiber waits for something else: another service, a client that
 * reads slowly, a lock. Nothing leaks by that, and the pool runs dry all the same; so it is told,
 * with both places, once for each pair of them.
 *
 * What a fiber waits for is known on its worker alone. The keeper looks itself at those of its own
 * worker; the others it asks by a message, which is sent under the pool's lock while the lease is
 * out there, and which the worker's seat waits for at its end. Owns the table of pairs that were
 * told.
 *
 * Limits: 64 pairs, then nothing more is told, but still counted. Context: workers' own stacks.
 */
#include "net/pool_inside.h"

#include "base/assert.h"
#include "os/symbol.h"
#include "rt/log.h"

enum { PAIRS_MAX = 64, STACK_DEPTH = 10 };

/* --- what was told ---------------------------------------------------------------------------- */

static struct weir__lock told_lock;
static struct {
    const weir_site *lease;
    const void *wait; /* a site, or where there is none a kind of wait */
} told[PAIRS_MAX];
static size_t told_count;

/* True for the first of a pair. */
static bool is_new(const weir_site *lease, const void *wait)
{
    weir__lock_take(&told_lock);
    WEIR_ASSERT(told_count <= PAIRS_MAX, "P20: what was told has room");
    size_t i = 0;
    while (i < told_count && (told[i].lease != lease || told[i].wait != wait))
        i++;
    bool is_first = i == told_count && i < PAIRS_MAX;
    if (is_first) {
        told[i].lease = lease;
        told[i].wait = wait;
        told_count++;
    }
    weir__lock_give(&told_lock);
    return is_first;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* What its fiber waits for, unless that is the resource itself; NULL: nothing else. */
static const struct weir__wait *find_wait(const struct weir__pool *pool,
                                          const struct weir__pool_slot *slot)
{
    const struct weir__fiber *f = slot->fiber;
    if (f == NULL || slot->resource == NULL || f->state != WEIR__FIBER_PARKED || f->wait == NULL)
        return NULL;
    WEIR_ASSERT(f->worker == weir__self, "P7: a wait is looked at on its worker");
    return pool->ops->owns(pool->driver, slot->resource, f->wait) ? NULL : f->wait;
}

/* Since when a lease's fiber waits: no sooner than it has the lease. */
static weir_time begin_of(const struct weir__pool_slot *slot, const struct weir__wait *w)
{
    return w->since.ns > slot->leased.ns ? w->since : slot->leased;
}

/* Of this worker, under the lock: the wait has lasted long enough, and was not counted yet. */
static bool is_due(const struct weir__pool *pool, const struct weir__pool_slot *slot,
                   const struct weir__wait *w)
{
    return weir__self->now.ns - begin_of(slot, w).ns >= pool->d.held_wait_max.ns &&
           slot->held_wait.ns != w->since.ns;
}

static bool is_here(const struct weir__pool_slot *slot)
{
    return slot->state == WEIR__SLOT_LEASED && slot->worker == weir__self &&
           atomic_load_explicit(&slot->holder, memory_order_acquire) != NULL;
}

struct found {
    const weir_site *lease, *wait;
    const char *kind;
    weir_dur age;
    struct weir__origin_copy origin;
    void *stack[STACK_DEPTH]; /* of the fiber, as it waits */
    size_t depth;
};

/* One that is to be told, counted; false: there is none left. */
static bool find(struct weir__pool *pool, struct found *out)
{
    bool is_found = false;
    weir__lock_take(&pool->lock);
    WEIR__EACH_SLOT(slot, pool) {
        const struct weir__wait *w = is_here(slot) ? find_wait(pool, slot) : NULL;
        if (w == NULL || !is_due(pool, slot, w))
            continue;
        WEIR_ASSERT(w->fiber == slot->fiber, "P4: a lease is its fiber's");
        slot->held_wait = w->since;
        pool->stats.held_waits++;
        *out = (struct found){.lease = slot->site, .wait = w->site, .kind = w->type->name};
        out->age = weir_time_sub(weir__self->now, w->since);
        weir__origin_keep(&out->origin, slot->ctx->origin);
        out->depth = weir__fiber_stack(slot->fiber, out->stack, STACK_DEPTH);
        is_found = true;
        break;
    }
    weir__lock_give(&pool->lock);
    return is_found;
}

static void tell(const struct weir__pool *pool, struct found *f)
{
    char bytes[2500];
    weir_buf text;
    WEIR_ASSERT(f->age.ns >= pool->d.held_wait_max.ns, "P20: nothing is reported before its time");
    if (!is_new(f->lease, f->wait != NULL ? (const void *)f->wait : f->kind))
        return;
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    weir_buf_printf(&text,
                    "a lease of pool %s, acquired at %s:%d, is held while its fiber waits for "
                    "something else (%s",
                    pool->stats.name, f->lease->file, f->lease->line, f->kind);
    if (f->wait != NULL)
        weir_buf_printf(&text, " at %s:%d", f->wait->file, f->wait->line);
    weir_buf_printf(&text, ") for %lld ms: give it back before, so that others may use it; in ",
                    (long long)(f->age.ns / 1000000));
    for (size_t i = 0; i < f->depth; i++) {
        if (i > 0)
            weir_buf_puts(&text, WEIR_S(" < "));
        weir__symbolise(f->stack[i], &text);
    }
    struct weir__log_line line;
    weir__log_begin(&line, WEIR_LOG_WARN, weir_buf_str(&text), f->lease, NULL);
    weir__log_origin(&line, weir__origin_kept(&f->origin));
    weir__log_end(&line);
}

void weir__pool_tell_holders(struct weir__pool *pool)
{
    struct found f;
    while (pool->ops->owns != NULL && find(pool, &f))
        tell(pool, &f);
}

/* --- asking other workers --------------------------------------------------------------------- */

static void on_look(struct weir__task *t)
{
    struct weir__pool_seat *seat = WEIR_CONTAINER(t, struct weir__pool_seat, look);
    struct weir__pool *pool = seat->pool;
    WEIR_ASSERT(seat == &pool->seats[weir__self->index], "P7: a seat is its worker's");
    weir__pool_tell_holders(pool);
    weir__lock_take(&pool->lock);
    WEIR_ASSERT(seat->is_looking, "P7: who is asked is waited for");
    seat->is_looking = false;
    weir__lock_give(&pool->lock);
}

/* Under the lock, of one that is lent there, and at that worker, which therefore has a seat. */
static void ask(struct weir__pool *pool, const struct weir__pool_slot *slot)
{
    struct weir__worker *w = slot->worker;
    struct weir__pool_seat *seat = &pool->seats[w->index];
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED && slot->at == w,
                "P7: who is asked has a seat, and a lease that is out");
    if (seat->is_looking)
        return;
    seat->is_looking = true;
    seat->look.run = on_look;
    weir__post(w, &seat->look);
}

weir_time weir__pool_watch_holder(struct weir__pool *pool, struct weir__pool_slot *slot)
{
    weir_dur most = pool->d.held_wait_max;
    weir_time due = weir_time_add(slot->leased, most);
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED, "P4: a holder has a lease");
    if (pool->ops->owns == NULL)
        return weir_never();
    if (due.ns > weir__self->now.ns)
        return due;
    weir_time later = weir_time_add(weir__self->now, most);
    if (slot->worker != weir__self) {
        if (pool->moves && slot->at == slot->worker)
            ask(pool, slot);
        return later;
    }
    const struct weir__wait *w = is_here(slot) ? find_wait(pool, slot) : NULL;
    if (w == NULL || slot->held_wait.ns == w->since.ns)
        return later;
    due = weir_time_add(begin_of(slot, w), most);
    return due.ns > weir__self->now.ns ? due : later;
}
