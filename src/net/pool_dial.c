/*
 * A pool that opens by itself: dials for whoever is in line, the pool that is known to be down, and
 * the tries that find out when it is not any more.
 *
 * A dial is a fiber in the root of the worker that found it wanted (for a request's pool, in the
 * keeper's context), so that no asker's deadline cuts it: it ends by itself, by dial_max or with
 * the service, and what it has opened is the next one's, or idle, or closed. How many are wanted is
 * worked out anew each time from who is in line; nothing is remembered that could be lost.
 *
 * Owns the dials' records: each is in its fiber's context, so a driver that panics is a failure as
 * any other. The hard thing is who starts the next: whoever changes something that may make one
 * wanted (a wait, a return, a dial's end, a timer) calls weir__pool_dial afterwards.
 *
 * Context: fibers and workers' own stacks.
 */
#include "net/pool_inside.h"

#include <string.h>

#include "base/assert.h"
#include "base/outage.h"
#include "rt/runtime.h"
#include <weir/fiber.h>
#include <weir/log.h>

/* --- how many --------------------------------------------------------------------------------- */

static uint64_t left(uint64_t most, uint64_t has)
{
    return most > has ? most - has : 0;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Under the lock. */
static uint64_t count_wanted(const struct weir__pool *pool)
{
    const weir_pool_stats *s = &pool->stats;
    if (pool->is_closing || (pool->failures > 0 && weir__self->now.ns < pool->retry_at.ns))
        return 0;
    uint64_t asked = left(pool->o.min_idle, s->idle + pool->pinging);
    if (!s->is_suspended)
        asked += s->waiting;
    if (asked == 0 && s->is_down)
        asked = 1; /* somebody has to find out */
    uint64_t most = pool->failures > 0 ? 1 : pool->d.dials_max;
    WEIR_ASSERT(s->dialing <= s->open, "P21: a dial has its slot");
    uint64_t wanted = smaller(left(asked, s->dialing), left(most, s->dialing));
    return smaller(wanted, left(pool->o.max_open, s->open));
}

/* --- down ------------------------------------------------------------------------------------- */

static weir_dur next_try(const struct weir__pool *pool)
{
    weir_dur away = weir_time_sub(weir__self->now, pool->failing_since);
    struct weir__random random = {(uint64_t)weir__self->now.ns ^ (uintptr_t)pool};
    WEIR_ASSERT(pool->failures > 0, "P21: what is tried again has failed");
    return weir__outage_pause(away, pool->d.retry_base, pool->d.retry_cap, &random);
}

void weir__pool_judge(struct weir__pool *pool)
{
    weir_pool_stats *s = &pool->stats;
    if (pool->failures == 0 || s->is_down || s->in_use > 0 || s->idle > 0 || s->dialing > 0)
        return;
    WEIR_ASSERT(pool->dials, "P21: only what dials is down");
    s->is_down = 1;
    pool->down_since = weir__self->now;
    weir__pool_set_bar(pool);
}

static void note_failure(struct weir__pool *pool, weir_err err, weir_str text)
{
    struct weir__pool_failure *f = &pool->failure;
    size_t n = smaller(text.len, sizeof f->text - 1);
    WEIR_ASSERT(err != WEIR_OK, "P21: a dial without a resource has failed");
    f->err = err;
    f->at = weir__self->now;
    memcpy(f->text, text.ptr, n);
    f->text[n] = '\0';
    if (pool->failures++ == 0)
        pool->failing_since = weir__self->now;
    pool->retry_at = weir_time_add(weir__self->now, next_try(pool));
}

/* True: it was down. Under the lock. */
static bool note_success(struct weir__pool *pool)
{
    bool was_down = pool->stats.is_down;
    WEIR_ASSERT(pool->dials, "P21: only what dials is down");
    pool->failures = 0;
    pool->retry_at = (weir_time){0};
    pool->stats.is_down = 0;
    pool->is_told_down = false;
    weir__pool_set_bar(pool);
    return was_down;
}

static void tell_up(const struct weir__pool *pool, weir_time since)
{
    weir_dur was_down = weir_time_sub(weir__self->now, since);
    weir_log_at(pool->site, NULL, WEIR_LOG_INFO, "pool %s: reached again after %lld ms",
                pool->stats.name, (long long)(was_down.ns / 1000000));
}

/* Once while it is down. */
static void tell_down(struct weir__pool *pool)
{
    struct weir__pool_failure f;
    weir__lock_take(&pool->lock);
    bool is_new = pool->stats.is_down && !pool->is_told_down;
    pool->is_told_down = pool->is_told_down || is_new;
    f = pool->failure;
    weir__lock_give(&pool->lock);
    if (is_new)
        weir_log_at(
            pool->site, NULL, WEIR_LOG_WARN,
            "pool %s: unreachable, so acquiring fails at once until a try succeeds: %s (%s)",
            pool->stats.name, f.text, weir_strerror(f.err));
}

static struct weir__pool_waiter *first_impatient(const struct weir__pool *pool)
{
    WEIR_LIST_EACH(node, &pool->waiters) {
        struct weir__wait *w = WEIR_CONTAINER(node, struct weir__wait, in_object);
        struct weir__pool_waiter *waiter = WEIR_CONTAINER(w, struct weir__pool_waiter, wait);
        if (!waiter->is_patient)
            return waiter;
    }
    return NULL;
}

void weir__pool_send_home(struct weir__pool *pool)
{
    tell_down(pool);
    for (;;) {
        struct weir__pool_waiter *w = NULL;
        weir__lock_take(&pool->lock);
        weir_err err = pool->is_closing ? WEIR_ECLOSED : WEIR_EUNREACHABLE;
        if (pool->is_closing)
            w = weir__pool_first_in_line(pool);
        else if (pool->stats.is_down && (w = first_impatient(pool)) != NULL)
            weir__pool_leave_line(pool, w);
        weir__lock_give(&pool->lock);
        if (w == NULL)
            return;
        if (w->wait.fiber != weir__self->current) {
            weir__wake(&w->wait, err);
        } else { /* it has come into line just now, and does not wait yet */
            w->wait.result = err;
            w->is_sent_home = true;
        }
    }
}

/* --- one dial --------------------------------------------------------------------------------- */

/*
 * What became of it. `err` is WEIR_OK also where the service ends meanwhile: that says nothing of
 * the other side.
 */
static void finish(struct weir__pool_slot *slot, struct weir__ctx *c, weir_err err, weir_str text)
{
    struct weir__pool *pool = slot->pool;
    weir_pool_closed why;
    bool came_up = false;
    weir__lock_take(&pool->lock);
    WEIR_ASSERT(slot->state == WEIR__SLOT_BUSY && pool->stats.dialing > 0,
                "P21: a dial has its slot, and is counted");
    pool->stats.dialing--;
    slot->idle_since = weir__self->now;
    weir_time down_since = pool->down_since;
    if (slot->resource != NULL)
        came_up = note_success(pool);
    else if (err != WEIR_OK)
        note_failure(pool, err, text);
    bool may_stay = slot->resource == NULL || weir__pool_may_stay(slot, &why);
    if (slot->resource == NULL)
        weir__pool_judge(pool);
    weir__lock_give(&pool->lock);
    if (came_up)
        tell_up(pool, down_since);
    if (!may_stay)
        weir__pool_close_resource(slot, c, why);
    weir__pool_hand_on(slot);
    weir__pool_dial(pool); /* the next, where this one was not for the last in line */
    if (err != WEIR_OK)
        weir__pool_kick(pool); /* the next try has its time */
}

static void release_dial(struct weir__owned *o)
{
    struct weir__pool_slot *slot = WEIR_CONTAINER(o, struct weir__pool_slot, owned);
    WEIR_ASSERT(slot->resource == NULL, "P21: a dial that was not finished has opened nothing");
    finish(slot, o->ctx, WEIR_EPANIC, WEIR_S("opening it has panicked"));
}

static const struct weir__owned_type dial_type = {.name = "dial", .release = release_dial};

/* The driver's words, or ours; they stand in `out` after the context that has them has ended. */
static void put_why(const struct weir__ctx *c, const struct weir__pool *pool, weir_err err,
                    weir_buf *out)
{
    if (c != NULL && c->error != NULL)
        weir_buf_puts(out, c->error->message);
    else if (err == WEIR_ETIMEDOUT)
        weir_buf_printf(out, "none could be opened in %lld ms",
                        (long long)(pool->d.dial_max.ns / 1000000));
    else
        weir_buf_puts(out, weir_str_from(weir_strerror(err)));
}

static weir_err dial(weir_ctx *handle, void *arg)
{
    struct weir__pool_slot *slot = arg;
    struct weir__pool *pool = slot->pool;
    struct weir__ctx *c = weir__ctx_of(handle);
    char bytes[sizeof pool->failure.text];
    weir_buf why;
    weir_buf_init_fixed(&why, bytes, sizeof bytes);
    WEIR_ASSERT(slot->state == WEIR__SLOT_BUSY, "P21: a dial has its slot");
    weir__own(c, &slot->owned, &dial_type, pool->site);
    weir_time until = weir_time_add(weir__worker_now(weir__self), pool->d.dial_max);
    struct weir__ctx *timed = weir__ctx_new(c, until, 0, pool->site);
    weir_err err = timed != NULL ? weir__pool_open_resource(slot, timed) : -ENOMEM;
    if (err != WEIR_OK)
        put_why(timed, pool, err, &why);
    if (timed != NULL)
        weir__ctx_end(timed);
    weir__disown(&slot->owned);
    if (weir__ctx_check(c) != WEIR_OK)
        err = WEIR_OK;
    finish(slot, c, err, weir_buf_str(&why));
    c->error = NULL;
    return WEIR_OK;
}

/* --- starting --------------------------------------------------------------------------------- */

/* The slot of one that is wanted, BUSY; NULL: none is. */
static struct weir__pool_slot *reserve(struct weir__pool *pool)
{
    struct weir__pool_slot *slot = NULL;
    weir__lock_take(&pool->lock);
    if (count_wanted(pool) > 0) {
        struct weir__list *node = weir__list_pop_front(&pool->empty);
        WEIR_ASSERT(node != NULL, "P1: what is not open is on `empty`");
        slot = WEIR_CONTAINER(node, struct weir__pool_slot, link);
        WEIR_ASSERT(slot->state == WEIR__SLOT_EMPTY && slot->resource == NULL, "P1: empty");
        slot->state = WEIR__SLOT_BUSY;
        slot->worker = weir__self;
        slot->generation = pool->generation;
        pool->stats.open++;
        pool->stats.dialing++;
    }
    weir__lock_give(&pool->lock);
    return slot;
}

/* The fiber's home; NULL: it ends, and nothing is begun there any more. */
static struct weir__ctx *home_of(struct weir__pool *pool)
{
    WEIR_ASSERT(pool->is_shared || weir__self == pool->keeper->home,
                "P15: a request's pool is used where its keeper is");
    return pool->is_shared ? weir__self->root : pool->keeper->ctx;
}

void weir__pool_dial(struct weir__pool *pool)
{
    struct weir__pool_slot *slot;
    struct weir__ctx *home = pool->dials ? home_of(pool) : NULL;
    while (home != NULL && !home->is_closing && (slot = reserve(pool)) != NULL) {
        weir_err err = weir_go_at(pool->site, weir__ctx_handle(home), dial, slot, "pool dial");
        if (err != WEIR_OK)
            finish(slot, home, err, weir_str_from(weir_strerror(err)));
    }
}

/* --- making ----------------------------------------------------------------------------------- */

/* Waits until one has been opened, whatever fails meanwhile. */
static weir_err await_first(struct weir__pool *pool, struct weir__ctx *c)
{
    struct weir__pool_slot *slot;
    weir_time until = weir_time_add(weir__worker_now(weir__self), pool->d.start_max);
    struct weir__ctx *timed = weir__ctx_new(weir__ctx_local(c), until, 0, pool->site);
    if (timed == NULL)
        return -ENOMEM;
    weir__lock_take(&pool->lock);
    weir_err err = weir__pool_wait_in_line(pool, timed, pool->site, true, &slot);
    if (err == WEIR_OK) {
        weir__lock_take(&pool->lock);
        WEIR_ASSERT(slot->resource != NULL, "P21: who waits for a dial gets what it has opened");
        weir__pool_end_lease(slot);
        slot->idle_since = weir__self->now;
        weir__lock_give(&pool->lock);
        weir__pool_hand_on(slot);
    }
    weir__ctx_hand_up_error(timed, weir__ctx_of(weir__pool_record_of(c)));
    weir__ctx_end(timed);
    return err;
}

struct weir__pool *weir__pool_new_dialling(struct weir__ctx *c, const char *name,
                                           const weir_pool_options *options,
                                           const struct weir__dialling_options *dialling,
                                           const struct weir__pool_ops *ops, void *driver,
                                           const weir_site *site)
{
    char bytes[1500];
    weir_buf mistakes;
    weir_pool_options o = *options;
    struct weir__dialling_options d = *dialling;
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    if (weir__dialling_options_settle(name, &o, &d, &mistakes) != WEIR_OK) {
        weir_str s = weir_buf_str(&mistakes);
        (void)weir_raise_at(site, weir__pool_record_of(c), WEIR_EINVALID, 0, WEIR_STR_FMT,
                            WEIR_STR_ARG(s));
        return NULL;
    }
    struct weir__pool *pool = weir__pool_found(c, name, &o, &d, ops, driver, site);
    if (pool == NULL || d.start_max.ns == 0 || await_first(pool, c) == WEIR_OK)
        return pool;
    (void)weir__pool_close(pool, c, weir_never());
    return NULL;
}
