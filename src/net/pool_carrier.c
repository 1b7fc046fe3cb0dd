/*
 * The life of a carrier: a fiber that opens it, sleeps while it is used, wakes when it is too old,
 * unused for too long, or wanted no more, and closes it. All of that is straight down one function,
 * because the carrier's context is the fiber's: whatever ends that (the end of the worker or of the
 * pool, a cancellation, a panic of the driver) ends the carrier by the records that the context
 * owns, and whoever has a lease is told.
 *
 * A carrier is opened for all who are in line and not by one of them, so who gives up takes nothing
 * away from the others. Owns the carriers. Context: fibers of one worker.
 */
#include "net/pool_shared_inside.h"

#include <string.h>

#include "base/alloc.h"
#include "rt/scope.h"

#define RETRY_NS 1000000000 /* after a failure to open one beside others */

static struct weir__seat *seat_of(const struct weir__carrier *k)
{
    return k->lane->seat;
}

/* --- what it says of itself ------------------------------------------------------------------- */

void weir__carrier_rouse(struct weir__carrier *k)
{
    struct weir__wait *rest = k->rest;
    if (rest == NULL)
        return;
    WEIR_ASSERT(rest->fiber->worker == weir__self, "P10: its own worker rouses a carrier");
    k->rest = NULL;
    weir__wake(rest, WEIR_OK);
}

void weir__carrier_set_room(struct weir__carrier *k, uint32_t room)
{
    bool is_open = k->state == WEIR__CARRIER_OPEN;
    if (is_open)
        weir__gauge_add(&seat_of(k)->n.room, (int64_t)room - k->room);
    bool is_more = room > k->room;
    k->room = room;
    if (is_open && is_more)
        weir__lane_serve(k->lane);
}

/* From OPENING or OPEN: no more leases. */
static void leave_service(struct weir__carrier *k, enum weir__carrier_state state)
{
    WEIR_ASSERT(k->state < WEIR__CARRIER_RETIRED, "P11: a carrier is retired once");
    if (k->state == WEIR__CARRIER_OPEN)
        weir__gauge_add(&seat_of(k)->n.room, -(int64_t)k->room);
    WEIR_ASSERT(seat_of(k)->leaving < seat_of(k)->open,
                "P13: what leaves service counts until it is closed");
    k->state = (uint8_t)state;
    seat_of(k)->leaving++;
}

static void retire(struct weir__carrier *k, weir_pool_closed why)
{
    if (k->state >= WEIR__CARRIER_RETIRED)
        return;
    k->why = why;
    leave_service(k, WEIR__CARRIER_RETIRED);
    weir__counter_add(&seat_of(k)->n.retired, 1);
    if (k->leases == 0)
        weir__carrier_rouse(k);
    weir__lane_serve(k->lane); /* who is in line waits for another one now */
}

void weir__carrier_retire(struct weir__carrier *k)
{
    retire(k, WEIR_POOL_CLOSED_LIFETIME);
}

/*
 * Each once; who is told may give leases back, its own and others. Who has not got it in its hands
 * yet finds it broken then.
 */
static void tell_all(struct weir__carrier *k)
{
    struct weir__list untold;
    weir__list_init(&untold);
    weir__list_splice_back(&untold, &k->shares);
    for (struct weir__list *node; (node = weir__list_pop_front(&untold)) != NULL;) {
        struct weir__share *s = WEIR_CONTAINER(node, struct weir__share, link);
        WEIR_ASSERT(s->carrier == k && !s->is_broken, "P11: a lease is told once");
        weir__list_push_back(&k->shares, node);
        s->is_broken = true;
        weir__counter_add(&seat_of(k)->n.told, 1);
        if (s->broken != NULL && s->pool != NULL)
            s->broken(s);
    }
}

void weir__carrier_break(struct weir__carrier *k)
{
    if (k->state == WEIR__CARRIER_BROKEN)
        return;
    if (k->state < WEIR__CARRIER_RETIRED)
        leave_service(k, WEIR__CARRIER_BROKEN);
    k->state = WEIR__CARRIER_BROKEN;
    k->why = WEIR_POOL_CLOSED_BROKEN;
    tell_all(k);
    if (k->leases == 0)
        weir__carrier_rouse(k);
    weir__lane_serve(k->lane);
}

void weir__carrier_stats(const struct weir__carrier *k, struct weir__carrier_stats *out)
{
    *out = (struct weir__carrier_stats){k->leases, k->room, k->carried, k->opened};
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Where it ends under leases, they are told, and have nothing any more. */
static void cut_leases(struct weir__carrier *k)
{
    if (k->state < WEIR__CARRIER_RETIRED)
        leave_service(k, WEIR__CARRIER_RETIRED);
    if (k->leases > 0 && k->state != WEIR__CARRIER_BROKEN) {
        k->state = WEIR__CARRIER_BROKEN;
        tell_all(k);
    }
    while (!weir__list_empty(&k->shares))
        weir__share_leave(WEIR_CONTAINER(k->shares.next, struct weir__share, link));
    WEIR_ASSERT(k->leases == 0, "P11: as many leases as are on the list");
}

/* The first of its context's records to go: what `open` opened there is still open. */
static void release_open(struct weir__owned *o)
{
    struct weir__carrier *k = WEIR_CONTAINER(o, struct weir__carrier, owned);
    struct weir__seat *seat = seat_of(k);
    cut_leases(k);
    seat->pool->ops->close(seat->pool->driver, o->ctx, k->resource);
    k->resource = NULL;
    weir__counter_add(&seat->n.closed[k->why], 1);
}

/* Who is in line hears of it where there is nothing else to wait for. */
static void tell_failure(struct weir__carrier *k, const struct weir__ctx *c, weir_err err)
{
    struct weir__lane *lane = k->lane;
    WEIR_ASSERT(k->is_opening && lane->opening > 0, "P13: what is being opened is counted");
    k->is_opening = false;
    lane->opening--;
    weir__counter_add(&seat_of(k)->n.open_errors, 1);
    lane->retry_at = weir_time_add(weir__self->now, weir_ns(RETRY_NS));
    if (lane->open == 1)
        weir__lane_fail(lane, err, c->error);
}

/* And the last one. */
static void release_place(struct weir__owned *o)
{
    struct weir__carrier *k = WEIR_CONTAINER(o, struct weir__carrier, place);
    struct weir__lane *lane = k->lane;
    WEIR_ASSERT(k->resource == NULL && k->leases == 0,
                "P13: what ends is closed, and lent to none");
    if (k->is_opening)
        tell_failure(k, o->ctx, WEIR_EPANIC);
    WEIR_ASSERT(lane->seat->leaving > 0 || k->state < WEIR__CARRIER_RETIRED,
                "P13: what leaves service counts until it is closed");
    if (k->state >= WEIR__CARRIER_RETIRED)
        lane->seat->leaving--;
    weir__list_remove(&k->link);
    weir__free(k);
    weir__lane_carrier_ended(lane);
}

/* --- while it is open ------------------------------------------------------------------------- */

static void describe_rest(const struct weir__wait *w, weir_buf *out)
{
    const struct weir__carrier *k = w->object;
    weir_buf_printf(out, "%s, carries %u of %u", seat_of(k)->pool->name, k->leases, k->room);
}

static bool leave_rest(struct weir__wait *w)
{
    struct weir__carrier *k = w->object;
    bool is_mine = k->rest == w;
    if (is_mine)
        k->rest = NULL;
    return is_mine;
}

static const struct weir__wait_type rest_type = {
    .name = "carrier, its end", .abandon = leave_rest, .describe = describe_rest};

static struct weir__share *oldest_unreported(const struct weir__carrier *k)
{
    WEIR_LIST_EACH(node, &k->shares) {
        struct weir__share *s = WEIR_CONTAINER(node, struct weir__share, link);
        if (!s->is_reported)
            return s;
    }
    return NULL;
}

/* Not later than a lease that begins now would be reported, or one that ends now be missed. */
static weir_time next_due(const struct weir__carrier *k)
{
    const weir_pool_options *o = &seat_of(k)->pool->o.each;
    weir_time due = weir_time_add(weir__self->now, o->leak_threshold);
    due = weir_time_min(due, weir_time_add(weir__self->now, o->idle_timeout));
    const struct weir__share *s = oldest_unreported(k);
    if (s != NULL)
        due = weir_time_min(due, weir_time_add(s->leased, o->leak_threshold));
    if (k->state == WEIR__CARRIER_OPEN)
        due = weir_time_min(due, k->expires);
    if (k->leases == 0)
        due = weir_time_min(due, weir_time_add(k->idle_since, o->idle_timeout));
    return due;
}

static void report(const struct weir__carrier *k, struct weir__share *s)
{
    const struct weir__shared_pool *pool = seat_of(k)->pool;
    bool is_owned = weir__is_owned(s->holder); /* not on its way into the hands of who waited */
    struct weir__pool_report r = {.kind = is_owned ? s->holder->type->name : "lease",
                                  .site = s->site};
    WEIR_ASSERT(!s->is_reported && s->carrier == k,
                "P20: a lease is reported once, by what carries it");
    s->is_reported = true;
    weir__counter_add(&seat_of(k)->n.leaked, 1);
    r.age = weir_time_sub(weir__self->now, s->leased);
    weir__origin_keep(&r.origin, s->origin);
    if (is_owned)
        memcpy(r.stack, s->holder->stack, sizeof r.stack);
    weir__pool_report_wait(&r, s->fiber);
    weir__pool_report(pool->name, pool->o.each.leak_threshold, &r);
}

static void look(struct weir__carrier *k)
{
    const weir_pool_options *o = &seat_of(k)->pool->o.each;
    int64_t now = weir__self->now.ns;
    struct weir__share *s;
    while ((s = oldest_unreported(k)) != NULL && s->leased.ns + o->leak_threshold.ns <= now)
        report(k, s);
    if (k->expires.ns <= now)
        retire(k, WEIR_POOL_CLOSED_LIFETIME);
    else if (k->leases == 0 && k->idle_since.ns + o->idle_timeout.ns <= now)
        retire(k, WEIR_POOL_CLOSED_IDLE);
}

/* Until it has taken its last lease and that is back, or its context is cancelled. */
static void rest(struct weir__carrier *k, struct weir__ctx *c)
{
    struct weir__wait wait;
    while ((k->state == WEIR__CARRIER_OPEN || k->leases > 0) && weir__ctx_check(c) == WEIR_OK) {
        weir__wait_init(&wait, &rest_type, c, seat_of(k)->pool->site, k);
        WEIR_ASSERT(k->rest == NULL, "P10: a carrier has one fiber");
        k->rest = &wait;
        (void)weir__park(&wait, next_due(k));
        look(k);
    }
}

static void enter_service(struct weir__carrier *k)
{
    struct weir__seat *seat = seat_of(k);
    WEIR_ASSERT(k->leases == 0, "P11: nobody has a lease of what was not open");
    k->opened = k->idle_since = weir__self->now;
    k->expires = weir__pool_end_of_life(seat->pool, seat->pool->o.each.max_lifetime,
                                        weir__counter_read(&seat->n.opened));
    weir__counter_add(&seat->n.opened, 1);
    k->lane->room_seen = k->room;
    k->lane->retry_at = (weir_time){0};
    if (k->state != WEIR__CARRIER_OPENING)
        return; /* it was told to go while it came */
    k->state = WEIR__CARRIER_OPEN;
    weir__gauge_add(&seat->n.room, k->room);
    weir__carrier_pass_on(k);
}

static weir_err live(weir_ctx *handle, void *arg)
{
    static const struct weir__owned_type place = {.name = "carrier's place",
                                                  .release = release_place};
    static const struct weir__owned_type open = {.name = "carrier", .release = release_open};
    struct weir__carrier *k = arg;
    struct weir__ctx *c = weir__ctx_of(handle);
    struct weir__shared_pool *pool = seat_of(k)->pool;
    weir__own(c, &k->place, &place, pool->site);
    weir_str key = {k->lane->key, k->lane->key_bytes};
    weir_err err = pool->ops->open(pool->driver, c, k, key, &k->resource);
    if (err != WEIR_OK) {
        tell_failure(k, c, err);
        return WEIR_OK;
    }
    WEIR_ASSERT(k->is_opening && k->lane->opening > 0, "P13: what is being opened is counted");
    k->is_opening = false;
    k->lane->opening--;
    weir__own(c, &k->owned, &open, pool->site);
    enter_service(k);
    rest(k, c);
    return WEIR_OK;
}

weir_err weir__carrier_start(struct weir__lane *lane)
{
    struct weir__seat *seat = lane->seat;
    WEIR_ASSERT(lane->open <= seat->pool->o.each.max_open && seat->open <= seat->pool->o.open_max,
                "P13: never more than may be open");
    struct weir__carrier *k = weir__calloc(1, sizeof *k);
    if (k == NULL)
        return -ENOMEM;
    k->lane = lane;
    k->room = 1;
    k->is_opening = true;
    k->why = WEIR_POOL_CLOSED_SHUTDOWN;
    weir__list_init(&k->shares);
    weir__list_init(&k->link);
    weir_err err = weir__go_apart(seat->pool->site, seat->ctx, live, k, "carrier");
    if (err != WEIR_OK)
        weir__free(k);
    else
        weir__list_push_back(&lane->carriers, &k->link);
    return err;
}
