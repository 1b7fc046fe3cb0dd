/*
 * What time does to a pool: lifetimes and idle time-outs, opening ahead, reports of leases that are
 * out for too long.
 *
 * The keeper of a pool, or of many: a timer on the worker that made it and, while there is
 * something to do, a fiber that closes and opens. The timer is armed for the next moment at which
 * anything can be due, not by the second; when nothing is open it sleeps.
 *
 * The hard thing is that a lease's facts belong to another worker's fiber. They are read under the
 * pool's lock, which the lease's end needs too (P4), copied, and told after it. Limits: 4 reports a
 * look, the rest a millisecond later.
 */
#include "net/pool_inside.h"

#include <string.h>

#include "base/assert.h"
#include "os/symbol.h"
#include "rt/fiber.h"
#include "rt/log.h"
#include <weir/fiber.h>

#define REPORTS_MAX 4
#define RETRY_NS 1000000000 /* after a failure to open ahead */
#define PING_NS 5000000000  /* how long one may take to say that it is alive */

/* --- reports ---------------------------------------------------------------------------------- */

void weir__pool_report_wait(struct weir__pool_report *r, const struct weir__fiber *f)
{
    weir_buf out;
    weir_buf_init_fixed(&out, r->waits, sizeof r->waits - 1);
    if (f != NULL && f->state == WEIR__FIBER_PARKED && f->wait != NULL)
        weir_buf_printf(&out, "%s for %lld ms", f->wait->type->name,
                        (long long)(weir_time_sub(weir__self->now, f->wait->since).ns / 1000000));
    r->waits[out.len] = '\0';
}

static void copy_facts(struct weir__pool_report *r, const struct weir__pool_slot *slot,
                       const struct weir__owned *holder)
{
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED, "P4: a lease's facts are read while it is one");
    r->kind = holder->type->name;
    r->site = slot->site;
    r->age = weir_time_sub(weir__self->now, slot->leased);
    weir__origin_keep(&r->origin, slot->ctx->origin);
    memcpy(r->stack, holder->stack, sizeof r->stack);
    /* Only a fiber of this worker can be looked at. */
    weir__pool_report_wait(r, slot->worker == weir__self ? slot->fiber : NULL);
}

void weir__pool_report(const char *name, weir_dur threshold, struct weir__pool_report *r)
{
    WEIR_ASSERT(r->age.ns >= threshold.ns, "P20: no lease is reported before its time");
    char bytes[2500];
    weir_buf text;
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    weir_buf_printf(&text, "a %s of pool %s is out for %lld ms (threshold %lld ms), since %s:%d",
                    r->kind, name, (long long)(r->age.ns / 1000000),
                    (long long)(threshold.ns / 1000000), r->site->file, r->site->line);
    if (r->waits[0] != '\0')
        weir_buf_printf(&text, "; its fiber waits in %s", r->waits);
    weir_buf_puts(&text, WEIR_S("; acquired by "));
    for (size_t i = 0; i < WEIR__STACK_DEPTH && r->stack[i] != NULL; i++) {
        if (i > 0)
            weir_buf_puts(&text, WEIR_S(" < "));
        weir__symbolise(r->stack[i], &text);
    }
    struct weir__log_line line;
    weir__log_begin(&line, WEIR_LOG_WARN, weir_buf_str(&text), r->site, NULL);
    weir__log_origin(&line, weir__origin_kept(&r->origin));
    weir__log_end(&line);
}

void weir__pool_report_return(const char *name, const weir_site *site, weir_dur age)
{
    weir_log_at(site, NULL, WEIR_LOG_INFO,
                "the lease of pool %s that was reported (%s:%d) is back after %lld ms", name,
                site->file, site->line, (long long)(age.ns / 1000000));
}

/* --- looking ---------------------------------------------------------------------------------- */

struct look {
    weir_time next; /* when something may be due again */
    bool has_work;  /* for the keeper's fiber */
    size_t reports;
    struct weir__pool_report report[REPORTS_MAX];
};

static bool is_idle_too_long(const struct weir__pool *pool, const struct weir__pool_slot *slot)
{
    int64_t now = weir__self->now.ns;
    bool is_old = slot->expires.ns <= now;
    bool is_unused = slot->idle_since.ns + pool->o.idle_timeout.ns <= now;
    bool is_spare = is_unused && pool->stats.idle > pool->o.min_idle;
    bool is_beyond = pool->stats.open > pool->o.max_open;
    return is_old || is_spare || is_beyond || weir__pool_is_wanted(pool);
}

/* When one that is idle is to be asked whether it is alive. */
static weir_time next_ping(const struct weir__pool *pool, const struct weir__pool_slot *slot)
{
    if (pool->d.keep_alive.ns == 0)
        return weir_never();
    WEIR_ASSERT(pool->dials, "P21: what does not dial asks nobody");
    bool was_pinged = slot->pinged.ns > slot->idle_since.ns;
    return weir_time_add(was_pinged ? slot->pinged : slot->idle_since, pool->d.keep_alive);
}

static void look_at_idle(struct weir__pool *pool, const struct weir__pool_slot *slot,
                         struct look *l)
{
    weir_time ping = next_ping(pool, slot);
    if (is_idle_too_long(pool, slot) || ping.ns <= weir__self->now.ns) {
        l->has_work = true;
        return;
    }
    l->next = weir_time_min(l->next, slot->expires);
    l->next = weir_time_min(l->next, ping);
    weir_time unused = weir_time_add(slot->idle_since, pool->o.idle_timeout);
    if (pool->stats.idle > pool->o.min_idle)
        l->next = weir_time_min(l->next, unused);
}

static void look_at_lease(struct weir__pool *pool, struct weir__pool_slot *slot, struct look *l)
{
    struct weir__owned *holder = atomic_load_explicit(&slot->holder, memory_order_acquire);
    weir_time due = weir_time_add(slot->leased, pool->o.leak_threshold);
    if (pool->d.held_wait_max.ns > 0)
        l->next = weir_time_min(l->next, weir__pool_watch_holder(pool, slot));
    if (slot->is_reported)
        return;
    if (due.ns > weir__self->now.ns || holder == NULL || l->reports == REPORTS_MAX) {
        l->next = weir_time_min(l->next, due);
        return;
    }
    slot->is_reported = true;
    pool->stats.leaked++;
    copy_facts(&l->report[l->reports++], slot, holder);
}

/*
 * The keeper opens one more while there are too few unused ones and nobody else would use the room.
 */
static bool is_short(const struct weir__pool *pool)
{
    return !pool->dials && !pool->is_closing && pool->stats.idle < pool->o.min_idle &&
           pool->stats.open < pool->o.max_open && weir__self->now.ns >= pool->retry_at.ns &&
           weir__pool_has_room(pool);
}

static void look(struct weir__pool *pool, struct look *l)
{
    weir_time now = weir__self->now;
    l->next = weir_time_add(now, pool->o.leak_threshold);
    l->next = weir_time_min(l->next, weir_time_add(now, pool->o.idle_timeout));
    l->next = weir_time_min(l->next, weir_time_add(now, weir_ns(pool->o.max_lifetime.ns / 10 * 9)));
    if (pool->d.held_wait_max.ns > 0 && pool->ops->owns != NULL)
        l->next = weir_time_min(l->next, weir_time_add(now, pool->d.held_wait_max));
    if (pool->d.keep_alive.ns > 0)
        l->next = weir_time_min(l->next, weir_time_add(now, pool->d.keep_alive));
    l->has_work = is_short(pool);
    l->reports = 0;
    WEIR__EACH_SLOT(slot, pool) {
        if (slot->state == WEIR__SLOT_IDLE)
            look_at_idle(pool, slot, l);
        else if (slot->state == WEIR__SLOT_LEASED)
            look_at_lease(pool, slot, l);
    }
    bool wants_more = pool->stats.idle < pool->o.min_idle || pool->dials;
    if (wants_more && pool->retry_at.ns > weir__self->now.ns)
        l->next = weir_time_min(l->next, pool->retry_at);
}

static weir_err keep(weir_ctx *c, void *arg);

static void start_keeper(struct weir__pool_keeper *k)
{
    WEIR_ASSERT(weir__self == k->home && !k->is_keeping, "P15: a keeper has one fiber, at home");
    k->is_keeping = true;
    weir_err err = weir_go_at(k->site, weir__ctx_handle(k->ctx), keep, k, "pool keeper");
    if (err == WEIR_OK)
        return;
    k->is_keeping = false;
    if (weir__ctx_check(k->ctx) == WEIR_OK) {
        weir_time later = weir_time_add(weir__self->now, weir_ns(RETRY_NS));
        weir__timer_arm(&k->home->wheel, &k->timer, later);
    }
}

/* One pool; it wants to be looked at again at `next`, which is weir_never() while it sleeps. */
static void look_after(const struct weir__pool_keeper *k, struct weir__pool *pool, struct look *l)
{
    weir__lock_take(&pool->lock);
    WEIR_ASSERT(pool->keeper == k, "P15: a pool has one keeper");
    pool->is_kicked = false;
    look(pool, l);
    bool has_reason = pool->stats.open > 0 || pool->retry_at.ns > weir__self->now.ns;
    pool->is_asleep = !has_reason && !l->has_work && !k->is_keeping;
    if (pool->is_asleep)
        l->next = weir_never();
    weir__lock_give(&pool->lock);
    for (size_t i = 0; i < l->reports; i++)
        weir__pool_report(pool->stats.name, pool->o.leak_threshold, &l->report[i]);
    if (pool->d.held_wait_max.ns > 0)
        weir__pool_tell_holders(pool);
    weir__pool_dial(pool);
}

static struct weir__pool *first_kept(struct weir__pool_keeper *k)
{
    return atomic_load_explicit(&k->first, memory_order_acquire);
}

/* On the home worker's own stack. */
static void on_timer(struct weir__timer *t)
{
    struct weir__pool_keeper *k = WEIR_CONTAINER(t, struct weir__pool_keeper, timer);
    weir_time next = weir_never();
    bool has_work = false;
    WEIR_ASSERT(weir__self == k->home, "P15: a keeper looks at home");
    for (struct weir__pool *pool = first_kept(k); pool != NULL; pool = pool->next_kept) {
        struct look l;
        look_after(k, pool, &l);
        has_work = has_work || l.has_work;
        next = weir_time_min(next, l.next);
    }
    if (k->ctx == NULL)
        return;
    if (next.ns != INT64_MAX)
        weir__timer_arm(&k->home->wheel, &k->timer, next); /* also while its fiber is at it */
    if (has_work && !k->is_keeping)
        start_keeper(k);
}

/* On the home worker: a look at the next tick. */
static void look_soon(struct weir__pool_keeper *k)
{
    WEIR_ASSERT(weir__self == k->home, "P15: a keeper's timer is of its home worker");
    if (k->ctx != NULL)
        weir__timer_arm(&k->home->wheel, &k->timer, weir__self->now);
}

static void on_kick(struct weir__task *t)
{
    struct weir__pool_keeper *k = WEIR_CONTAINER(t, struct weir__pool_keeper, kick);
    look_soon(k);
    weir__lock_take(&k->lock);
    WEIR_ASSERT(k->is_posted && k->ctx != NULL, "P6: what is sent arrives");
    k->is_posted = false;
    weir__lock_give(&k->lock);
}

void weir__pool_kick(struct weir__pool *pool)
{
    struct weir__pool_keeper *k = pool->keeper;
    if (weir__self == k->home) {
        look_soon(k);
        return;
    }
    weir__lock_take(&k->lock);
    if (k->ctx != NULL && !k->is_posted) {
        k->is_posted = true;
        weir__post(k->home, &k->kick);
    }
    weir__lock_give(&k->lock);
}

/* --- the keeper's fiber ----------------------------------------------------------------------- */

static void take_from_idle(struct weir__pool *pool, struct weir__pool_slot *slot)
{
    WEIR_ASSERT(slot->state == WEIR__SLOT_IDLE, "P1: who is on `idle` is idle");
    weir__list_remove(&slot->link);
    pool->stats.idle--;
    slot->state = WEIR__SLOT_BUSY;
}

static struct weir__pool_slot *take_old(struct weir__pool *pool, weir_pool_closed *why)
{
    for (struct weir__list *node = pool->idle.prev; node != &pool->idle; node = node->prev) {
        struct weir__pool_slot *slot = WEIR_CONTAINER(node, struct weir__pool_slot, link);
        WEIR_ASSERT(slot->state == WEIR__SLOT_IDLE, "P1: who is on `idle` is idle");
        if (is_idle_too_long(pool, slot)) {
            *why = slot->expires.ns <= weir__self->now.ns ? weir__pool_why_old(slot)
                                                          : WEIR_POOL_CLOSED_IDLE;
            take_from_idle(pool, slot);
            return slot;
        }
    }
    return NULL;
}

static bool close_old(struct weir__pool *pool, struct weir__ctx *c)
{
    weir_pool_closed why;
    weir__lock_take(&pool->lock);
    struct weir__pool_slot *slot = take_old(pool, &why);
    weir__lock_give(&pool->lock);
    if (slot == NULL)
        return false;
    weir__pool_close_resource(slot, c, why);
    weir__pool_hand_on(slot);
    return true;
}

static struct weir__pool_slot *take_silent(struct weir__pool *pool)
{
    for (struct weir__list *node = pool->idle.prev; node != &pool->idle; node = node->prev) {
        struct weir__pool_slot *slot = WEIR_CONTAINER(node, struct weir__pool_slot, link);
        if (next_ping(pool, slot).ns <= weir__self->now.ns) {
            WEIR_ASSERT(pool->pinging < pool->slot_count, "P5: what is asked has its slot");
            take_from_idle(pool, slot);
            pool->pinging++;
            return slot;
        }
    }
    return NULL;
}

/* On this worker, within its time. */
static weir_err call_ping(struct weir__pool *pool, struct weir__pool_slot *slot,
                          struct weir__ctx *c)
{
    const struct weir__pool_ops *ops = pool->ops;
    weir_err (*ping)(void *, struct weir__ctx *, void *) =
        ops->ping != NULL ? ops->ping : ops->check;
    return ping != NULL ? ping(pool->driver, c, slot->resource) : WEIR_OK;
}

static weir_err ask_here(struct weir__pool *pool, struct weir__pool_slot *slot, struct weir__ctx *c)
{
    weir_err err = WEIR_OK;
    WEIR_ASSERT(slot->state == WEIR__SLOT_BUSY, "P5: what is asked has its slot");
    if (weir__pool_is_away(slot))
        weir__pool_fetch_to_close(slot, c);
    if (pool->moves && slot->at == NULL)
        err = weir__pool_enter(slot, c);
    if (err != WEIR_OK)
        return err;
    weir_time until = weir_time_add(weir__worker_now(weir__self), weir_ns(PING_NS));
    struct weir__ctx *timed = weir__ctx_new(c, until, 0, pool->site);
    if (timed == NULL)
        return WEIR_OK; /* the next time */
    err = call_ping(pool, slot, timed);
    weir__ctx_end(timed);
    return err;
}

/* It goes to the back: who takes one wants that which was used last. */
static void yield_place(struct weir__pool *pool, struct weir__pool_slot *slot)
{
    weir__lock_take(&pool->lock);
    if (slot->state == WEIR__SLOT_IDLE) {
        weir__list_remove(&slot->link);
        weir__list_push_back(&pool->idle, &slot->link);
    }
    weir__lock_give(&pool->lock);
}

/*
 * Asks one that lay unused for long. No answer in time is what a failover without a word looks
 * like: the others of its generation are not believed either.
 */
static bool ping_one(struct weir__pool *pool, struct weir__ctx *c)
{
    weir_pool_closed why;
    weir__lock_take(&pool->lock);
    struct weir__pool_slot *slot = take_silent(pool);
    weir__lock_give(&pool->lock);
    if (slot == NULL)
        return false;
    weir_err err = ask_here(pool, slot, c);
    bool is_ours = weir__ctx_check(c) == WEIR_OK; /* else the keeper ends, and it proves nothing */
    weir__lock_take(&pool->lock);
    WEIR_ASSERT(pool->pinging > 0, "P5: what was asked was counted");
    slot->pinged = weir__self->now;
    pool->pinging--;
    pool->stats.pinged++;
    slot->is_broken = err != WEIR_OK && is_ours;
    bool may_stay = weir__pool_may_stay(slot, &why);
    weir__lock_give(&pool->lock);
    if (err == WEIR_ETIMEDOUT && is_ours)
        weir__pool_retire_all(pool);
    if (!may_stay)
        weir__pool_close_resource(slot, c, why);
    weir__pool_hand_on(slot);
    if (may_stay)
        yield_place(pool, slot);
    return true;
}

static struct weir__pool_slot *take_empty(struct weir__pool *pool)
{
    if (!is_short(pool) || (pool->is_member && !weir__pool_take_room(pool, false)))
        return NULL;
    struct weir__list *node = weir__list_pop_front(&pool->empty);
    WEIR_ASSERT(node != NULL, "P1: what is not open is on `empty`");
    struct weir__pool_slot *slot = WEIR_CONTAINER(node, struct weir__pool_slot, link);
    WEIR_ASSERT(slot->state == WEIR__SLOT_EMPTY && slot->resource == NULL, "P1: empty");
    slot->state = WEIR__SLOT_BUSY;
    slot->worker = weir__self;
    slot->generation = pool->generation;
    pool->stats.open++;
    return slot;
}

static bool open_ahead(struct weir__pool *pool, struct weir__ctx *c)
{
    weir__lock_take(&pool->lock);
    struct weir__pool_slot *slot = take_empty(pool);
    weir__lock_give(&pool->lock);
    if (slot == NULL)
        return false;
    weir_err err = weir__pool_open_resource(slot, c);
    slot->idle_since = weir__self->now;
    weir__lock_take(&pool->lock);
    if (err != WEIR_OK)
        pool->retry_at = weir_time_add(weir__self->now, weir_ns(RETRY_NS));
    bool is_late = pool->is_closing && slot->resource != NULL;
    weir__lock_give(&pool->lock);
    if (is_late)
        weir__pool_close_resource(slot, c, WEIR_POOL_CLOSED_SHUTDOWN);
    weir__pool_hand_on(slot);
    return err == WEIR_OK;
}

static weir_err keep(weir_ctx *handle, void *arg)
{
    struct weir__pool_keeper *k = arg;
    struct weir__ctx *c = weir__ctx_of(handle);
    WEIR_ASSERT(k->is_keeping, "P15: a keeper's fiber was started");
    for (struct weir__pool *pool = first_kept(k); pool != NULL; pool = pool->next_kept) {
        while (weir__ctx_check(c) == WEIR_OK &&
               (close_old(pool, c) || ping_one(pool, c) || open_ahead(pool, c)))
            ;
    }
    c->error = NULL;
    k->is_keeping = false;
    look_soon(k);
    return WEIR_OK;
}

/* --- beginning and end ------------------------------------------------------------------------ */

/* Nobody sends any more once nothing is on its way. */
static bool is_awaited(struct weir__pool_keeper *k)
{
    weir__lock_take(&k->lock);
    bool is_posted = k->is_posted;
    if (!is_posted)
        k->ctx = NULL;
    weir__lock_give(&k->lock);
    return is_posted;
}

static void end_keeper(struct weir__owned *o)
{
    struct weir__pool_keeper *k = WEIR_CONTAINER(o, struct weir__pool_keeper, end);
    while (is_awaited(k))
        weir__fiber_yield();
    WEIR_ASSERT(!k->is_keeping, "P15: a keeper's fiber is joined before its end");
    weir__timer_disarm(&k->timer);
}

/*
 * The keeper's fiber runs in a context of its own below the pool's, so that who joins that one does
 * not wait for it; for a pool of the application in the root of its worker, which nobody joins but
 * the end of the service.
 */
struct weir__pool_keeper *weir__pool_keeper_new(struct weir__ctx *c, const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "pool keeper", .release = end_keeper};
    struct weir__pool_keeper *k = weir__ctx_object(c, sizeof *k);
    if (k == NULL)
        return NULL;
    weir__lock_init(&k->lock);
    weir__timer_init(&k->timer, on_timer);
    k->home = weir__self;
    k->kick.run = on_kick;
    k->site = site;
    k->ctx = weir__ctx_is_shared(c) ? weir__self->root : weir__ctx_new(c, weir_never(), 0, site);
    if (k->ctx == NULL)
        return NULL;
    weir__own(k->ctx, &k->end, &type, site);
    return k;
}

void weir__pool_keep(struct weir__pool_keeper *k, struct weir__pool *pool)
{
    WEIR_ASSERT(pool->keeper == NULL, "P15: a pool has one keeper");
    pool->keeper = k;
    pool->is_asleep = true;
    pool->next_kept = atomic_load_explicit(&k->first, memory_order_relaxed);
    atomic_store_explicit(&k->first, pool, memory_order_release);
}
