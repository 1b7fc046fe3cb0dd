/*
 * The shared pool: who gets a lease of which carrier, and when another one is opened. Who finds all
 * full waits in pool_shared_line.c.
 *
 * Owns what each worker has of it, a seat: lanes (one a key) with their carriers and their lines.
 * A seat is made when its worker first asks, and belongs to the worker's root, or, of a request's
 * pool, to a context below the request's; that ends the carriers (pool_carrier.c) and then the
 * lanes. Nothing here is shared between workers but numbers that are read.
 *
 * The hard thing is the bound over all keys of a worker: who is in line at one key waits for what
 * others have open. Such a lane is hungry: what is unused is closed for it, or else what carries
 * least takes no more leases, so that the hungry get room in the order in which they came.
 *
 * Limits: 10,000 carriers and 1,000 keys a worker. Context: fibers; numbers from any thread.
 */
#include "net/pool_shared_inside.h"

#include <string.h>

#include "base/alloc.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/scope.h"

/* --- lending ---------------------------------------------------------------------------------- */

/* The oldest that has room: what a burst has opened falls idle again. */
static struct weir__carrier *find_room(const struct weir__lane *lane)
{
    WEIR_LIST_EACH(node, &lane->carriers) {
        struct weir__carrier *k = weir__carrier_at(node);
        if (k->state == WEIR__CARRIER_OPEN && k->leases < k->room)
            return k;
    }
    return NULL;
}

static void lend(struct weir__carrier *k, struct weir__share *s, struct weir__fiber *f)
{
    struct weir__seat_numbers *n = &k->lane->seat->n;
    WEIR_ASSERT(k->state == WEIR__CARRIER_OPEN && k->leases < k->room,
                "P11: only who is open and has room gets a lease");
    WEIR_ASSERT(s->carrier == NULL, "P11: a lease is of one carrier");
    s->carrier = k;
    s->fiber = f;
    s->fiber_id = f->id;
    s->leased = weir__self->now;
    weir__list_push_back(&k->shares, &s->link);
    if (k->leases++ == 0)
        weir__gauge_add(&n->in_use, 1);
    k->carried++;
    weir__gauge_add(&n->leases, 1);
    weir__counter_add(&n->acquired, 1);
}

/* --- room for carriers ------------------------------------------------------------------------ */

/* As many more as those in line would fill; one at a time while nobody knows how many that are. */
static bool wants_another(const struct weir__lane *lane)
{
    if (lane->waiting == 0 || lane->open >= weir__lane_limits(lane)->max_open)
        return false;
    if (lane->open > lane->opening && weir__self->now.ns < lane->retry_at.ns)
        return false;
    uint32_t each = lane->room_seen > 0 ? lane->room_seen : UINT32_MAX;
    return lane->opening < (lane->waiting - 1) / each + 1;
}

static void hunger(struct weir__lane *lane)
{
    if (!weir__list_empty(&lane->hunger))
        return;
    WEIR_ASSERT(lane->waiting > 0 && lane->is_known, "P12: who is hungry is in line");
    weir__list_push_back(&lane->seat->hungry, &lane->hunger);
    lane->seat->hungry_count++;
}

void weir__lane_eat(struct weir__lane *lane)
{
    if (weir__list_empty(&lane->hunger))
        return;
    WEIR_ASSERT(lane->seat->hungry_count > 0, "P12: who is hungry is counted");
    weir__list_remove(&lane->hunger);
    lane->seat->hungry_count--;
}

/* Of another lane: unused, or else the one that carries least. */
static struct weir__carrier *find_victim(const struct weir__lane *lane)
{
    struct weir__carrier *least = NULL;
    WEIR_LIST_EACH(l, &lane->seat->by_use) {
        const struct weir__lane *other = WEIR_CONTAINER(l, struct weir__lane, by_use);
        WEIR_LIST_EACH(node, &other->carriers) {
            struct weir__carrier *k = weir__carrier_at(node);
            if (other != lane && k->state == WEIR__CARRIER_OPEN &&
                (least == NULL || k->leases < least->leases))
                least = k;
        }
    }
    return least;
}

/* One leaves for each that is hungry. */
static void make_room(struct weir__lane *lane)
{
    struct weir__seat *seat = lane->seat;
    WEIR_ASSERT(!weir__list_empty(&lane->hunger), "P12: room is made for who is hungry");
    struct weir__carrier *victim = seat->leaving < seat->hungry_count ? find_victim(lane) : NULL;
    if (victim != NULL)
        weir__carrier_retire(victim);
}

static weir_err open_one(struct weir__lane *lane)
{
    struct weir__seat *seat = lane->seat;
    WEIR_ASSERT(seat->open < seat->pool->o.open_max &&
                    lane->open < weir__lane_limits(lane)->max_open,
                "P13: one more is opened where there is room for it");
    seat->open++;
    lane->open++;
    lane->opening++;
    weir__gauge_add(&seat->n.open, 1);
    weir_err err = weir__carrier_start(lane);
    if (err == WEIR_OK)
        return err;
    seat->open--;
    lane->open--;
    lane->opening--;
    weir__gauge_add(&seat->n.open, -1);
    return err;
}

weir_err weir__lane_open_more(struct weir__lane *lane)
{
    struct weir__seat *seat = lane->seat;
    weir_err err = WEIR_OK;
    while (err == WEIR_OK && wants_another(lane)) {
        if (seat->open >= seat->pool->o.open_max || seat->hungry_count > 0) {
            hunger(lane);
            make_room(lane);
            return WEIR_OK;
        }
        err = open_one(lane);
    }
    return lane->open == 0 ? err : WEIR_OK;
}

static void open_or_fail(struct weir__lane *lane)
{
    weir_err err = weir__lane_open_more(lane);
    if (err != WEIR_OK)
        weir__lane_fail(lane, err, NULL);
}

void weir__lane_serve(struct weir__lane *lane)
{
    struct weir__carrier *k;
    while (lane->waiting > 0 && (k = find_room(lane)) != NULL) {
        struct weir__shared_waiter *w = weir__lane_first_in_line(lane);
        WEIR_ASSERT(w != NULL, "P12: who is in line is counted");
        lend(k, w->share, w->wait.fiber);
        weir__wake(&w->wait, WEIR_OK);
    }
    open_or_fail(lane);
}

/* The hungry get what room there is, first come first. */
static void feed(struct weir__seat *seat)
{
    while (seat->open < seat->pool->o.open_max && seat->hungry_count > 0) {
        struct weir__lane *lane = WEIR_CONTAINER(seat->hungry.next, struct weir__lane, hunger);
        weir__lane_eat(lane);
        weir_err err = wants_another(lane) ? open_one(lane) : WEIR_OK;
        if (err != WEIR_OK && lane->open == 0)
            weir__lane_fail(lane, err, NULL);
        else if (err == WEIR_OK && wants_another(lane))
            hunger(lane);
    }
}

void weir__carrier_pass_on(struct weir__carrier *k)
{
    if (k->state == WEIR__CARRIER_OPEN)
        weir__lane_serve(k->lane);
    if (k->leases > 0)
        return;
    if (k->state == WEIR__CARRIER_OPEN && k->lane->seat->hungry_count > 0)
        weir__carrier_retire(k);
    else if (k->state >= WEIR__CARRIER_RETIRED)
        weir__carrier_rouse(k);
}

/* --- lanes ------------------------------------------------------------------------------------ */

static void free_lane(struct weir__lane *lane)
{
    WEIR_ASSERT(lane->open == 0 && lane->waiting == 0 && lane->pins == 0,
                "P14: a lane is there while it is used");
    WEIR_ASSERT(weir__list_empty(&lane->hunger), "P12: who is hungry is in line");
    weir__free(lane);
}

void weir__lane_carrier_ended(struct weir__lane *lane)
{
    struct weir__seat *seat = lane->seat;
    WEIR_ASSERT(lane->open > 0 && seat->open >= lane->open, "P13: what ends was counted");
    lane->open--;
    seat->open--;
    weir__gauge_add(&seat->n.open, -1);
    if (lane->is_known)
        open_or_fail(lane);
    else if (lane->open == 0)
        free_lane(lane);
    feed(seat);
}

static bool is_in_use(const struct weir__lane *lane)
{
    bool is_used = lane->pins > 0 || lane->waiting > 0 || lane->opening > 0;
    WEIR_LIST_EACH(node, &lane->carriers)
        is_used = is_used || weir__carrier_at(node)->leases > 0;
    return is_used;
}

/* Nobody finds it any more; what it has open goes. */
static void forget(struct weir__lane *lane)
{
    WEIR_ASSERT(lane->is_known && lane->pins == 0, "P14: only a key that nobody wants goes");
    (void)weir__map_remove(&lane->seat->lanes, (weir_str){lane->key, lane->key_bytes});
    weir__list_remove(&lane->by_use);
    weir__gauge_add(&lane->seat->n.keys, -1);
    lane->is_known = false;
    WEIR_LIST_EACH(node, &lane->carriers)
        weir__carrier_retire(weir__carrier_at(node));
    if (lane->open == 0)
        free_lane(lane);
}

/* The key used least recently that nobody uses now goes. False: all are in use. */
static bool evict(struct weir__seat *seat)
{
    for (struct weir__list *n = seat->by_use.prev; n != &seat->by_use; n = n->prev) {
        struct weir__lane *lane = WEIR_CONTAINER(n, struct weir__lane, by_use);
        if (is_in_use(lane))
            continue;
        forget(lane);
        weir__counter_add(&seat->n.evicted, 1);
        return true;
    }
    return false;
}

static struct weir__lane *make_lane(struct weir__seat *seat, weir_str key)
{
    struct weir__lane *lane = weir__calloc(1, sizeof *lane + key.len + 1);
    if (lane == NULL)
        return NULL;
    lane->seat = seat;
    lane->key_bytes = key.len;
    if (key.len > 0)
        memcpy(lane->key, key.ptr, key.len);
    weir__list_init(&lane->hunger);
    weir__list_init(&lane->carriers);
    weir__list_init(&lane->waiters);
    if (weir__map_put(&seat->lanes, (weir_str){lane->key, key.len}, lane) != WEIR_OK) {
        weir__free(lane);
        return NULL;
    }
    WEIR_ASSERT(seat->lanes.len <= seat->pool->o.keys_max,
                "P14: no more lanes than keys there may be");
    lane->is_known = true;
    weir__list_push_front(&seat->by_use, &lane->by_use);
    weir__gauge_add(&seat->n.keys, 1);
    return lane;
}

static weir_err refuse_key(const struct weir__seat *seat, struct weir__ctx *c,
                           const weir_site *site)
{
    return weir_raise_at(site, weir__ctx_handle(c), WEIR_ELIMIT, 503,
                         "pool %s: all %u keys are in use", seat->pool->name,
                         seat->pool->o.keys_max);
}

/* Pinned; NULL: `*err`. */
static struct weir__lane *find_lane(struct weir__seat *seat, struct weir__ctx *c, weir_str key,
                                    const weir_site *site, weir_err *err)
{
    struct weir__lane *lane = weir__map_get(&seat->lanes, key);
    if (WEIR_UNLIKELY(lane == NULL)) {
        if (seat->lanes.len == seat->pool->o.keys_max && !evict(seat)) {
            *err = refuse_key(seat, c, site);
            return NULL;
        }
        lane = make_lane(seat, key);
        *err = -ENOMEM;
    } else if (seat->by_use.next != &lane->by_use) {
        weir__list_remove(&lane->by_use);
        weir__list_push_front(&seat->by_use, &lane->by_use);
    }
    if (lane == NULL)
        return NULL;
    WEIR_ASSERT(lane->is_known && lane->seat == seat, "P14: whom the map has is known");
    lane->pins++;
    return lane;
}

/* --- acquiring and giving back ---------------------------------------------------------------- */

/* As a clean-up: who is refused too often in a row panics on its way to a lease. */
static void unpin(struct weir__lane **way)
{
    if (*way == NULL)
        return;
    WEIR_ASSERT((*way)->pins > 0, "P14: a lane stays for who is on the way to a lease");
    (*way)->pins--;
}

static void release_share(struct weir__owned *o)
{
    weir__share_release(WEIR_CONTAINER(o, struct weir__share, owned));
}

static void describe_share(const struct weir__owned *o, weir_buf *out)
{
    const struct weir__share *s = WEIR_CONTAINER(o, struct weir__share, owned);
    weir_buf_printf(out, "of pool %s", s->pool->name);
}

static const struct weir__owned_type share_type = {.name = "lease",
                                                   .release = release_share,
                                                   .describe = describe_share,
                                                   .is_mistake = weir__is_always_mistake};

static void end_seat(struct weir__owned *o)
{
    struct weir__seat *seat = WEIR_CONTAINER(o, struct weir__seat, owned);
    WEIR_ASSERT(seat->open == 0, "P10: carriers end before their worker's seat does");
    while (!weir__list_empty(&seat->by_use))
        forget(WEIR_CONTAINER(seat->by_use.next, struct weir__lane, by_use));
    WEIR_ASSERT(seat->hungry_count == 0, "P12: nobody is hungry where nobody is in line");
    weir__map_fini(&seat->lanes);
    seat->ctx = NULL;
}

static void sit(struct weir__seat *seat, struct weir__ctx *c)
{
    static const struct weir__owned_type type = {.name = "pool seat", .release = end_seat};
    WEIR_ASSERT(seat->ctx == NULL && seat->open == 0, "P10: a seat is taken once");
    seat->ctx = c;
    weir__own(c, &seat->owned, &type, seat->pool->site);
}

/* This worker's; NULL: it, or a request's pool, ends. */
static struct weir__seat *own_seat(struct weir__shared_pool *pool)
{
    if (!weir__ctx_is_shared(pool->ctx))
        return pool->seats[0].ctx != NULL && !pool->seats[0].ctx->is_closing ? pool->seats : NULL;
    WEIR_ASSERT(weir__self->index < pool->seat_count, "P10: each worker has a seat");
    struct weir__seat *seat = &pool->seats[weir__self->index];
    if (weir__self->root->is_closing)
        return NULL;
    if (WEIR_UNLIKELY(seat->ctx == NULL))
        sit(seat, weir__self->root);
    return seat;
}

static void check_place(const struct weir__shared_pool *pool, const struct weir__ctx *c)
{
    while (c != NULL && c != pool->ctx)
        c = c->parent;
    if (c == NULL)
        weir__misuse("acquire", "pool %s was made at %s:%d in a context that ends before this one",
                     pool->name, pool->site->file, pool->site->line);
}

static weir_err take(struct weir__lane *lane, struct weir__ctx *c, const weir_site *site,
                     struct weir__share *share)
{
    struct weir__carrier *k = lane->waiting == 0 ? find_room(lane) : NULL;
    if (WEIR_UNLIKELY(k == NULL))
        return weir__lane_wait(lane, c, site, share);
    lend(k, share, weir__self->current);
    return WEIR_OK;
}

weir_err weir__shared_pool_acquire(struct weir__shared_pool *pool, struct weir__ctx *c,
                                   weir_str key, const weir_site *site, struct weir__owned *holder,
                                   struct weir__share *share)
{
    WEIR_ASSERT(share->pool == NULL && share->carrier == NULL, "P11: who asks has no lease there");
    *share = (struct weir__share){.site = site,
                                  .origin = c->origin,
                                  .broken = share->broken,
                                  .holder = holder != NULL ? holder : &share->owned};
    weir__list_init(&share->link);
    weir__list_init(&share->owned.link);
    weir_err err = weir__may_wait(c);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    if (key.len > WEIR__POOL_KEY_MAX)
        return weir__wait_refused(WEIR_EINVALID);
    if (!weir__ctx_is_shared(pool->ctx))
        check_place(pool, c);
    struct weir__seat *seat = own_seat(pool);
    if (seat == NULL)
        return weir__wait_refused(WEIR_ECLOSED);
    struct weir__lane *lane __attribute__((cleanup(unpin))) = find_lane(seat, c, key, site, &err);
    if (WEIR_UNLIKELY(lane == NULL))
        return weir__wait_refused(err);
    err = take(lane, c, site, share);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    share->pool = pool;
    if (holder == NULL)
        weir__own(c, &share->owned, &share_type, site);
    return WEIR_OK;
}

void weir__share_leave(struct weir__share *s)
{
    struct weir__carrier *k = s->carrier;
    if (k == NULL)
        return;
    struct weir__seat_numbers *n = &k->lane->seat->n;
    WEIR_ASSERT(k->leases > 0 && !weir__list_empty(&s->link),
                "P11: what comes back is on its carrier's list");
    weir__list_remove(&s->link);
    s->carrier = NULL;
    weir__gauge_add(&n->leases, -1);
    if (s->is_reported)
        weir__counter_add(&n->leaks_returned, 1);
    if (--k->leases > 0)
        return;
    k->idle_since = weir__self->now;
    weir__gauge_add(&n->in_use, -1);
}

static void check_fiber(const struct weir__share *s, const char *function)
{
    const struct weir__fiber *f = weir__fiber_self();
    if (WEIR_LIKELY(f != NULL && s->fiber == f && s->fiber_id == f->id))
        return;
    weir__misuse(function,
                 "the lease of pool %s (%s:%d) belongs to another fiber: two fibers never share "
                 "one, each acquires its own",
                 s->pool->name, s->site->file, s->site->line);
}

void *weir__share_resource(const struct weir__share *s, const char *function)
{
    if (WEIR_UNLIKELY(s->pool == NULL))
        weir__misuse(function, "the lease has been given back");
    check_fiber(s, function);
    return s->carrier != NULL ? s->carrier->resource : NULL;
}

void weir__share_release(struct weir__share *s)
{
    struct weir__shared_pool *pool = s->pool;
    struct weir__carrier *k = s->carrier;
    if (pool == NULL)
        return;
    if (weir__is_owned(&s->owned)) {
        check_fiber(s, "release");
        weir__disown(&s->owned);
    }
    s->pool = NULL;
    if (WEIR_UNLIKELY(s->is_reported))
        weir__pool_report_return(pool->name, s->site, weir_time_sub(weir__self->now, s->leased));
    if (k == NULL)
        return;
    weir__share_leave(s);
    weir__carrier_pass_on(k);
}

/* --- making ----------------------------------------------------------------------------------- */

static void release_pool(struct weir__owned *o)
{
    struct weir__shared_pool *pool = WEIR_CONTAINER(o, struct weir__shared_pool, owned);
    for (uint32_t i = 0; i < pool->seat_count; i++)
        WEIR_ASSERT(pool->seats[i].ctx == NULL, "P10: all seats end before their pool does");
    weir__shared_pool_unregister(pool);
    weir__free(pool->seats);
}

static weir_err make_seats(struct weir__shared_pool *pool)
{
    struct weir__ctx *below = NULL;
    if (!weir__ctx_is_shared(pool->ctx)) {
        below = weir__ctx_new(pool->ctx, weir_never(), 0, pool->site);
        if (below == NULL)
            return -ENOMEM;
    }
    pool->seat_count = below == NULL ? weir__self->runtime->worker_count : 1;
    pool->seats = weir__memalign(64, pool->seat_count * sizeof *pool->seats);
    if (pool->seats == NULL) {
        if (below != NULL)
            weir__ctx_end(below);
        return -ENOMEM;
    }
    memset(pool->seats, 0, pool->seat_count * sizeof *pool->seats);
    for (uint32_t i = 0; i < pool->seat_count; i++) {
        pool->seats[i].pool = pool;
        weir__map_init(&pool->seats[i].lanes, pool->o.keys_max);
        weir__list_init(&pool->seats[i].by_use);
        weir__list_init(&pool->seats[i].hungry);
    }
    if (below != NULL)
        sit(&pool->seats[0], below);
    return WEIR_OK;
}

struct weir__shared_pool *weir__shared_pool_new(struct weir__ctx *c, const char *name,
                                                const struct weir__shared_options *options,
                                                const struct weir__shared_ops *ops, void *driver,
                                                const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "shared pool", .release = release_pool};
    char bytes[1500];
    weir_buf mistakes;
    struct weir__shared_options o = *options;
    weir_ctx *record = weir__pool_record_of(c);
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    if (weir__shared_options_settle(name, &o, &mistakes) != WEIR_OK) {
        weir_str s = weir_buf_str(&mistakes);
        (void)weir_raise_at(site, record, WEIR_EINVALID, 0, WEIR_STR_FMT, WEIR_STR_ARG(s));
        return NULL;
    }
    struct weir__shared_pool *pool = weir__ctx_object(c, sizeof *pool);
    if (pool != NULL) {
        *pool = (struct weir__shared_pool){
            .o = o, .name = name, .ops = ops, .driver = driver, .ctx = c, .site = site};
    }
    if (pool == NULL || make_seats(pool) != WEIR_OK) {
        (void)weir_raise_at(site, record, -ENOMEM, 0, "no memory for pool %s", name);
        return NULL;
    }
    weir__own(c, &pool->owned, &type, site);
    weir__shared_pool_register(pool);
    return pool;
}

/* What is opened meanwhile for who is in line is new. */
void weir__shared_pool_retire(struct weir__shared_pool *pool, weir_str key)
{
    const struct weir__seat *seat = own_seat(pool);
    struct weir__lane *lane = seat != NULL ? weir__map_get(&seat->lanes, key) : NULL;
    if (lane == NULL)
        return;
    WEIR_LIST_EACH(node, &lane->carriers)
        if (weir__carrier_at(node)->state == WEIR__CARRIER_OPEN)
            weir__carrier_retire(weir__carrier_at(node));
}

bool weir__shared_pool_key_stats(struct weir__shared_pool *pool, weir_str key,
                                 struct weir__shared_key_stats *out)
{
    const struct weir__seat *seat = own_seat(pool);
    const struct weir__lane *lane = seat != NULL ? weir__map_get(&seat->lanes, key) : NULL;
    if (lane == NULL)
        return false;
    WEIR_ASSERT(lane->opening <= lane->open, "P13: what is being opened counts");
    *out = (struct weir__shared_key_stats){lane->open, lane->opening, 0, lane->waiting};
    WEIR_LIST_EACH(node, &lane->carriers)
        out->leases += weir__carrier_at(node)->leases;
    return true;
}
