/*
 * What is changed of a pool while it runs: its generation, whether it lends, how many may be open;
 * and closing it.
 *
 * Each is a word under the lock, which those who lend and give back look at; what follows from it
 * (closing what is too old or too many, serving who is in line) is done here as far as it goes
 * without waiting, and by the keeper and whoever gives something back. Context: fibers.
 */
#include "net/pool_inside.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "rt/worker.h"

void weir__pool_retire_all(struct weir__pool *pool)
{
    weir__lock_take(&pool->lock);
    pool->generation++;
    pool->is_steered = true;
    WEIR_ASSERT(pool->generation != 0, "P22: generations are told apart");
    weir__pool_age_idle(pool);
    weir__lock_give(&pool->lock);
    weir__pool_kick(pool);
}

/*
 * The first in line with what it was given; NULL: nobody is, or nothing is free. Under the lock.
 */
static struct weir__pool_waiter *serve_first(struct weir__pool *pool)
{
    if (pool->is_closing || pool->stats.is_down || weir__list_empty(&pool->waiters))
        return NULL;
    struct weir__pool_slot *slot = weir__pool_take_free(pool);
    if (slot == NULL)
        return NULL;
    struct weir__pool_waiter *w = weir__pool_first_in_line(pool);
    WEIR_ASSERT(w != NULL, "P3: somebody is in line, under the lock");
    weir__pool_lend(slot, w->wait.fiber, w->worker);
    w->slot = slot;
    return w;
}

/*
 * Until nobody is in line, or nothing is free. With `resumes` it is suspended no more, but only
 * then: beside a line things are idle by order alone (P2).
 */
static void serve_line(struct weir__pool *pool, bool resumes)
{
    struct weir__pool_waiter *w;
    do {
        weir__lock_take(&pool->lock);
        w = resumes || !pool->stats.is_suspended ? serve_first(pool) : NULL;
        if (w == NULL && resumes) {
            pool->stats.is_suspended = 0;
            weir__pool_set_bar(pool);
        }
        weir__lock_give(&pool->lock);
        if (w != NULL)
            weir__pool_serve(&w->wait);
    } while (w != NULL);
    weir__pool_dial(pool);
}

void weir__pool_suspend(struct weir__pool *pool)
{
    weir__lock_take(&pool->lock);
    if (!pool->stats.is_suspended)
        pool->suspended_since = weir__self->now;
    pool->stats.is_suspended = 1;
    weir__pool_set_bar(pool);
    WEIR_ASSERT(pool->is_barred, "P2: a suspended pool lends nothing");
    weir__lock_give(&pool->lock);
}

void weir__pool_resume(struct weir__pool *pool)
{
    serve_line(pool, true);
}

/* Under the lock. */
static void set_bounds(struct weir__pool *pool, uint32_t max_open, uint32_t min_idle)
{
    weir_pool_options *o = &pool->o;
    if (o->max_idle == o->max_open || o->max_idle > max_open)
        o->max_idle = max_open;
    if (o->max_idle < min_idle)
        o->max_idle = min_idle;
    o->min_idle = min_idle;
    o->max_open = max_open;
    pool->is_steered = true;
    pool->stats.max_open = max_open;
    WEIR_ASSERT(o->min_idle <= o->max_idle && o->max_idle <= o->max_open,
                "P16: no more is kept idle than may be open");
}

/*
 * What the application's context owns goes before the pool, being younger; so that block is the
 * pool's own.
 */
static struct weir__pool_block *alloc_block(struct weir__pool *pool, uint32_t count)
{
    size_t size = sizeof(struct weir__pool_block) + count * sizeof(struct weir__pool_slot);
    return pool->is_shared ? weir__calloc(1, size) : weir__ctx_object(pool->ctx, size);
}

void weir__pool_free_blocks(struct weir__pool *pool)
{
    while (pool->is_shared && pool->blocks != NULL) {
        struct weir__pool_block *block = pool->blocks;
        pool->blocks = block->next;
        weir__free(block);
    }
}

weir_err weir__pool_resize(struct weir__pool *pool, uint32_t max_open, uint32_t min_idle)
{
    struct weir__pool_block *block = NULL;
    if (max_open < 1 || max_open > 10000 || min_idle > max_open || pool->is_member)
        return WEIR_EINVALID;
    weir__lock_take(&pool->lock);
    uint32_t has = pool->slot_count;
    weir__lock_give(&pool->lock);
    if (max_open > has)
        block = alloc_block(pool, max_open - has);
    if (max_open > has && block == NULL)
        return -ENOMEM;
    weir__lock_take(&pool->lock);
    if (block != NULL) {
        block->next = pool->blocks;
        pool->blocks = block;
    }
    if (block != NULL && max_open > pool->slot_count) /* nobody has made it larger meanwhile */
        weir__pool_add_slots(pool, block->slots, max_open - pool->slot_count);
    set_bounds(pool, max_open, min_idle);
    weir__lock_give(&pool->lock);
    serve_line(pool, false); /* there may be room for them */
    weir__pool_kick(pool);
    return WEIR_OK;
}

bool weir__pool_is_barred(struct weir__pool *pool)
{
    return atomic_load_explicit(&pool->is_barred, memory_order_relaxed);
}

bool weir__pool_is_down(struct weir__pool *pool, weir_time *since)
{
    weir__lock_take(&pool->lock);
    bool is_down = pool->stats.is_down;
    *since = pool->down_since;
    WEIR_ASSERT(!is_down || pool->dials, "P21: only what dials is down");
    weir__lock_give(&pool->lock);
    return is_down;
}

/* --- closing ---------------------------------------------------------------------------------- */

static bool leave_drain(struct weir__wait *w)
{
    struct weir__pool *pool = w->object;
    weir__lock_take(&pool->lock);
    bool is_mine = pool->drainer == w;
    if (is_mine)
        pool->drainer = NULL;
    weir__lock_give(&pool->lock);
    return is_mine;
}

static void describe_drain(const struct weir__wait *w, weir_buf *out)
{
    struct weir__pool *pool = w->object;
    weir_pool_stats s;
    weir__pool_stats(pool, &s);
    weir_buf_printf(out, "%s, %llu out", s.name, (unsigned long long)s.in_use);
}

static const struct weir__wait_type drain_type = {
    .name = "leases to return", .abandon = leave_drain, .describe = describe_drain};

static weir_err wait_for_leases(struct weir__pool *pool, struct weir__ctx *c, weir_time until)
{
    struct weir__wait wait;
    weir__lock_take(&pool->lock);
    WEIR_ASSERT(pool->is_closing, "P17: who waits for all leases gives no more of them");
    if (pool->stats.in_use == 0) {
        weir__lock_give(&pool->lock);
        return WEIR_OK;
    }
    weir_err err = pool->drainer != NULL ? WEIR_EBUSY : weir__ctx_check(c);
    if (err == WEIR_OK) {
        weir__wait_init(&wait, &drain_type, c, NULL, pool);
        pool->drainer = &wait;
    }
    weir__lock_give(&pool->lock);
    return err == WEIR_OK ? weir__park(&wait, until) : err;
}

static void close_idle(struct weir__pool *pool, struct weir__ctx *c)
{
    for (;;) {
        weir__lock_take(&pool->lock);
        struct weir__list *node = weir__list_pop_front(&pool->idle);
        if (node == NULL)
            break;
        struct weir__pool_slot *slot = WEIR_CONTAINER(node, struct weir__pool_slot, link);
        WEIR_ASSERT(slot->state == WEIR__SLOT_IDLE, "P1: who is on `idle` is idle");
        slot->state = WEIR__SLOT_BUSY;
        pool->stats.idle--;
        weir__lock_give(&pool->lock);
        weir__pool_close_resource(slot, c, WEIR_POOL_CLOSED_SHUTDOWN);
        weir__pool_hand_on(slot);
    }
    weir__lock_give(&pool->lock);
}

weir_err weir__pool_close(struct weir__pool *pool, struct weir__ctx *c, weir_time until)
{
    weir__lock_take(&pool->lock);
    pool->is_closing = pool->is_steered = true;
    weir__pool_set_bar(pool);
    weir__lock_give(&pool->lock);
    weir__pool_send_home(pool);
    close_idle(pool, c);
    weir_err err = wait_for_leases(pool, c, until);
    close_idle(pool, c);
    return err;
}
