/*
 * Copies what is known of pools and leases. A lease's facts belong to another worker's fiber: they
 * are read under the pool's lock, which the lease's end needs too (P4). What a fiber waits for is
 * asked after that lock, since a wait may describe itself by taking it; the fiber is of the calling
 * worker, which does not run it meanwhile.
 */
#include "net/pool_facts.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "net/pool_inside.h"
#include "net/pool_shared.h"

/* --- pools ------------------------------------------------------------------------------------ */

struct pools {
    struct weir__pool_facts *out;
    size_t count, max;
};

/* Under the lock of what it is about: a group's pool gets another name with another key. */
static struct weir__pool_facts *next(struct pools *p, const weir_pool_stats *stats)
{
    if (p->count == p->max)
        return NULL;
    struct weir__pool_facts *f = &p->out[p->count++];
    *f = (struct weir__pool_facts){.stats = *stats};
    (void)snprintf(f->name, sizeof f->name, "%s", stats->name);
    f->stats.name = f->name;
    return f;
}

static void copy_note(const struct weir__pool *pool, struct weir__pool_facts *f)
{
    weir_buf out;
    if (pool->ops->describe == NULL)
        return;
    weir_buf_init_fixed(&out, f->note, sizeof f->note - 1);
    pool->ops->describe(pool->driver, &out);
    f->note[out.len] = '\0';
}

static void add_pool(struct weir__pool *pool, void *arg)
{
    weir_time now = weir__self->now;
    WEIR_ASSERT(pool->registered.next != NULL, "P19: what is listed is a pool");
    weir__lock_take(&pool->lock);
    struct weir__pool_facts *f = next(arg, &pool->stats);
    if (f != NULL) {
        f->pool = pool;
        f->is_closing = pool->is_closing;
        f->down = weir_time_sub(now, pool->down_since);
        f->suspended = weir_time_sub(now, pool->suspended_since);
        f->failures = pool->failures;
        f->failure_age = weir_time_sub(now, pool->failure.at);
        memcpy(f->failure, pool->failure.text, sizeof f->failure);
        copy_note(pool, f);
    }
    weir__lock_give(&pool->lock);
}

static void add_shared(const struct weir__shared_stats *stats, void *arg)
{
    (void)next(arg, &stats->pool);
}

size_t weir__pool_facts(struct weir__pool_facts *out, size_t max)
{
    struct pools p = {.out = out, .max = max};
    weir__pool_visit(add_pool, &p);
    weir__shared_pool_each(add_shared, &p);
    WEIR_ASSERT(p.count <= max, "P19: what is listed has room");
    return p.count;
}

/* --- leases ----------------------------------------------------------------------------------- */

enum { AT_ONCE = 16 };

struct leases {
    const struct weir__worker *worker;
    struct weir__lease_facts *out;
    const struct weir__fiber
        *fibers[AT_ONCE]; /* of the last ones, while their waits are not known */
    size_t count, max, skipped;
};

static bool is_of(const struct weir__pool_slot *slot, const struct weir__worker *w)
{
    return slot->state == WEIR__SLOT_LEASED && slot->worker == w &&
           atomic_load_explicit(&slot->holder, memory_order_acquire) != NULL;
}

/* Under the lock. */
static void copy_lease(const struct weir__pool_slot *slot, struct weir__lease_facts *f)
{
    const struct weir__owned *holder = atomic_load_explicit(&slot->holder, memory_order_acquire);
    const struct weir__fiber *fiber = slot->fiber;
    WEIR_ASSERT(holder != NULL, "P4: a lease's holder lives while it is one");
    *f = (struct weir__lease_facts){.pool = slot->pool,
                                    .worker = slot->worker->index,
                                    .fiber_id = slot->fiber_id,
                                    .fiber = fiber != NULL ? fiber->name : "",
                                    .kind = holder->type->name,
                                    .site = slot->site,
                                    .is_reported = slot->is_reported};
    f->age = weir_time_sub(weir__self->now, slot->leased);
    weir__origin_keep(&f->origin, slot->ctx->origin);
    memcpy(f->stack, holder->stack, sizeof f->stack);
}

static void copy_wait(const struct weir__fiber *fiber, struct weir__lease_facts *f)
{
    weir_buf out;
    if (fiber == NULL || fiber->state != WEIR__FIBER_PARKED || fiber->wait == NULL)
        return;
    WEIR_ASSERT(fiber->worker == weir__self, "P7: a wait is looked at on its worker");
    const struct weir__wait *w = fiber->wait;
    f->is_waiting = true;
    f->waited = weir_time_sub(weir__self->now, w->since);
    weir_buf_init_fixed(&out, f->waits, sizeof f->waits - 1);
    weir_buf_puts(&out, weir_str_from(w->type->name));
    if (w->type->describe != NULL) {
        weir_buf_putc(&out, ' ');
        w->type->describe(w, &out);
    }
    if (w->site != NULL)
        weir_buf_printf(&out, " at %s:%d", w->site->file, w->site->line);
    f->waits[out.len] = '\0';
}

/* A few of a pool's from `slot` on, under the lock; returns the first that is left. */
static struct weir__pool_slot *copy_some(struct leases *l, struct weir__pool_slot *slot, size_t *n)
{
    for (*n = 0; slot != NULL && *n < AT_ONCE; slot = slot->next) {
        if (!is_of(slot, l->worker))
            continue;
        if (l->count + *n == l->max) {
            l->skipped++;
            continue;
        }
        copy_lease(slot, &l->out[l->count + *n]);
        l->fibers[(*n)++] = slot->fiber;
    }
    return slot;
}

static void add_leases(struct weir__pool *pool, void *arg)
{
    struct leases *l = arg;
    size_t n;
    weir__lock_take(&pool->lock);
    struct weir__pool_slot *slot = pool->first;
    weir__lock_give(&pool->lock);
    while (slot != NULL) {
        weir__lock_take(&pool->lock);
        slot = copy_some(l, slot, &n);
        weir__lock_give(&pool->lock);
        for (size_t i = 0; i < n && l->worker == weir__self; i++)
            copy_wait(l->fibers[i], &l->out[l->count + i]);
        l->count += n;
    }
}

size_t weir__lease_facts(const struct weir__worker *w, struct weir__lease_facts *out, size_t max,
                         size_t *skipped)
{
    struct leases l = {.worker = w, .out = out, .max = max};
    weir__pool_visit(add_leases, &l);
    *skipped = l.skipped;
    return l.count;
}
