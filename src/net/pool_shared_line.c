/*
 * The line before a shared pool: who waits for a lease, how that ends, and who is not let in
 * because it would wait for itself.
 *
 * All of it is of one worker, so it is known exactly who could help: the leases of the key, where
 * that has all that it may, or of the worker, where that has. The rest is as with exclusive leases
 * (pool_line.c). Owns nothing: a waiter stands on its fiber's stack. Context: fibers.
 */
#include "net/pool_shared_inside.h"

#include "rt/deadlock.h"

static struct weir__shared_waiter *waiter_of(struct weir__list *in_object)
{
    struct weir__wait *w = WEIR_CONTAINER(in_object, struct weir__wait, in_object);
    return WEIR_CONTAINER(w, struct weir__shared_waiter, wait);
}

struct weir__shared_waiter *weir__lane_first_in_line(struct weir__lane *lane)
{
    struct weir__list *node = weir__list_pop_front(&lane->waiters);
    if (node == NULL)
        return NULL;
    WEIR_ASSERT(lane->waiting > 0, "P12: who is in line is counted");
    lane->waiting--;
    weir__gauge_add(&lane->seat->n.waiting, -1);
    if (lane->waiting == 0)
        weir__lane_eat(lane);
    return waiter_of(node);
}

/* --- none could be opened --------------------------------------------------------------------- */

static void raise_failure(const struct weir__lane *lane, const struct weir__wait *w, weir_err err,
                          const weir_error *e)
{
    weir_ctx *c = weir__ctx_handle(w->ctx);
    WEIR_ASSERT(err < 0, "P12: who gets no lease is told why");
    if (e != NULL)
        (void)weir_raise_at(w->site, c, e->code, e->status, WEIR_STR_FMT, WEIR_STR_ARG(e->message));
    else
        (void)weir_raise_at(w->site, c, err, 503, "pool %s: none could be opened: %s",
                            lane->seat->pool->name, weir_strerror(err));
}

void weir__lane_fail(struct weir__lane *lane, weir_err err, const weir_error *e)
{
    struct weir__shared_waiter *w;
    while ((w = weir__lane_first_in_line(lane)) != NULL) {
        WEIR_ASSERT(w->wait.object == lane && w->share->carrier == NULL,
                    "P12: who waits has nothing");
        raise_failure(lane, &w->wait, err, e);
        w->has_failed = true;
        weir__wake(&w->wait, err);
    }
}

/* --- who would wait for ever ------------------------------------------------------------------ */

typedef bool share_test(const struct weir__share *s, const void *arg);

static bool is_all_of(const struct weir__lane *lane, share_test *test, const void *arg)
{
    if (lane->opening > 0)
        return false;
    WEIR_LIST_EACH(k, &lane->carriers) {
        if (weir__carrier_at(k)->leases == 0)
            return false;
        WEIR_LIST_EACH(s, &weir__carrier_at(k)->shares) {
            if (!test(WEIR_CONTAINER(s, struct weir__share, link), arg))
                return false;
        }
    }
    return true;
}

/* Is it true of all leases whose return could help who is in line, and can nothing else help? */
static bool is_all(const struct weir__lane *lane, share_test *test, const void *arg)
{
    const struct weir__seat *seat = lane->seat;
    if (lane->open >= weir__lane_limits(lane)->max_open)
        return is_all_of(lane, test, arg);
    if (seat->open < seat->pool->o.open_max)
        return false;
    uint32_t seen = 0;
    WEIR_LIST_EACH(node, &seat->by_use) {
        const struct weir__lane *other = WEIR_CONTAINER(node, struct weir__lane, by_use);
        if (!is_all_of(other, test, arg))
            return false;
        seen += other->open;
    }
    WEIR_ASSERT(seen <= seat->open, "P13: what its keys have is what a worker has");
    return seen == seat->open;
}

static bool is_lent_to(const struct weir__share *s, const void *top)
{
    return weir__deadlock_is_in(s->fiber, top);
}

static bool is_stuck(const struct weir__wait *w, const struct weir__ctx *top)
{
    return !weir__list_empty(&w->in_object) && is_all(w->object, is_lent_to, top);
}

static bool waits_in(const struct weir__lane *lane, const struct weir__fiber *f)
{
    WEIR_LIST_EACH(node, &lane->waiters) {
        if (weir__pool_is_stuck(&waiter_of(node)->stuck, f))
            return true;
    }
    return false;
}

struct want {
    const struct weir__lane *lane;
    const struct weir__pool_stuck *stuck;
    const struct weir__share *mine; /* one of those who cannot go on holds it */
};

/* Its fiber waits for the one that asks, or in a line that moves no sooner. */
static bool is_held_stuck(const struct weir__share *s, const void *arg)
{
    const struct want *want = arg;
    if (weir__pool_is_stuck(want->stuck, s->fiber) || waits_in(want->lane, s->fiber))
        return true;
    if (want->lane->open >= weir__lane_limits(want->lane)->max_open)
        return false;
    WEIR_LIST_EACH(node, &want->lane->seat->by_use) {
        if (waits_in(WEIR_CONTAINER(node, struct weir__lane, by_use), s->fiber))
            return true;
    }
    return false;
}

/* A lease of the running fiber, or of who joins it. */
static const struct weir__share *find_mine(const struct weir__seat *seat,
                                           const struct weir__pool_stuck *stuck)
{
    WEIR_LIST_EACH(l, &seat->by_use) {
        WEIR_LIST_EACH(k, &WEIR_CONTAINER(l, struct weir__lane, by_use)->carriers) {
            WEIR_LIST_EACH(node, &weir__carrier_at(k)->shares) {
                const struct weir__share *s = WEIR_CONTAINER(node, struct weir__share, link);
                if (weir__pool_is_stuck(stuck, s->fiber))
                    return s;
            }
        }
    }
    return NULL;
}

static const struct weir__share *find_deadlock(const struct weir__lane *lane,
                                               const struct weir__pool_stuck *stuck)
{
    const struct weir__share *mine = find_mine(lane->seat, stuck);
    const struct want want = {lane, stuck, mine};
    return mine != NULL && is_all(lane, is_held_stuck, &want) ? mine : NULL;
}

static weir_err refuse_deadlock(const struct weir__lane *lane, struct weir__ctx *c,
                                const weir_site *site, const struct weir__share *held)
{
    WEIR_ASSERT(held->carrier != NULL, "P11: who holds a lease has it of a carrier");
    void *none[WEIR__STACK_DEPTH] = {NULL};
    void *const *stack = weir__is_owned(&held->owned) ? held->owned.stack : none;
    weir__counter_add(&lane->seat->n.deadlocks, 1);
    return weir__pool_refuse_deadlock(lane->seat->pool->name, weir__lane_limits(lane)->max_open, c,
                                      site, held->site, stack);
}

/* --- the line --------------------------------------------------------------------------------- */

static bool leave_line(struct weir__wait *w)
{
    struct weir__lane *lane = w->object;
    if (weir__list_empty(&w->in_object))
        return false;
    WEIR_ASSERT(lane->waiting > 0, "P12: who is in line is counted");
    weir__list_remove(&w->in_object);
    lane->waiting--;
    weir__gauge_add(&lane->seat->n.waiting, -1);
    if (lane->waiting == 0)
        weir__lane_eat(lane);
    return true;
}

static void describe_line(const struct weir__wait *w, weir_buf *out)
{
    const struct weir__lane *lane = w->object;
    uint64_t place = 0;
    bool is_in_line = !weir__list_empty(&w->in_object);
    for (const struct weir__list *n = &w->in_object; is_in_line && n != &lane->waiters; n = n->prev)
        place++;
    weir__pool_put_place(out, lane->seat->pool->name, place);
}

static const struct weir__wait_type line_type = {.name = "pool",
                                                 .abandon = leave_line,
                                                 .describe = describe_line,
                                                 .is_stuck = is_stuck,
                                                 .has_limit = true};

static weir_err refuse_full(const struct weir__lane *lane, struct weir__ctx *c,
                            const weir_site *site)
{
    weir__counter_add(&lane->seat->n.refused, 1);
    return weir_raise_at(site, weir__ctx_handle(c), WEIR_ELIMIT, 503,
                         "pool %s: all %u of this worker are full and %u wait for one",
                         lane->seat->pool->name, lane->open, weir__lane_limits(lane)->waiters_max);
}

static weir_err stand_in_line(struct weir__lane *lane, struct weir__shared_waiter *w)
{
    struct weir__seat_numbers *n = &lane->seat->n;
    weir_time since = weir__self->now;
    weir_err err = weir__park(&w->wait, weir_time_add(since, weir__lane_limits(lane)->wait_max));
    WEIR_ASSERT(weir__list_empty(&w->wait.in_object), "P12: who goes on is in line no more");
    weir_dur waited = weir_time_sub(weir__self->now, since);
    weir__counter_add(&n->wait_ns, (uint64_t)waited.ns);
    if (err == WEIR_OK || w->has_failed)
        return err;
    weir__counter_add(&n->timeouts, 1);
    if (err != WEIR_ETIMEDOUT)
        return err;
    return weir_raise_at(w->wait.site, weir__ctx_handle(w->wait.ctx), WEIR_ETIMEDOUT, 503,
                         "pool %s: none of %u of this worker had room in %lld ms%s",
                         lane->seat->pool->name, lane->open, (long long)(waited.ns / 1000000),
                         lane->opening > 0 ? ": one is still being opened" : "");
}

weir_err weir__lane_wait(struct weir__lane *lane, struct weir__ctx *c, const weir_site *site,
                         struct weir__share *share)
{
    struct weir__shared_waiter w = {.share = share};
    WEIR_ASSERT(share->carrier == NULL, "P12: who waits has nothing");
    if (lane->waiting >= weir__lane_limits(lane)->waiters_max || weir__is_refused("a pool's line"))
        return weir__wait_refused(refuse_full(lane, c, site));
    weir__pool_find_stuck(&w.stuck, c);
    const struct weir__share *held = find_deadlock(lane, &w.stuck);
    if (held != NULL)
        return weir__wait_refused(refuse_deadlock(lane, c, site, held));
    weir__wait_init(&w.wait, &line_type, c, site, lane);
    weir__list_push_back(&lane->waiters, &w.wait.in_object);
    lane->waiting++;
    weir__gauge_add(&lane->seat->n.waiting, 1);
    weir__counter_add(&lane->seat->n.waits, 1);
    weir_err err = weir__lane_open_more(lane);
    if (err == WEIR_OK)
        return stand_in_line(lane, &w);
    (void)leave_line(&w.wait); /* it is no use */
    raise_failure(lane, &w.wait, err, NULL);
    return weir__wait_refused(err);
}
