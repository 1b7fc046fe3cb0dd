/*
 * Whether the server can be reached, as each worker knows it. When a connection could not be opened
 * calls fail at once, and one fiber goes on trying, with pauses that grow; the first connection
 * that is greeted ends that. Nobody waits for a server that is known to be away, and when it is
 * back no more than one connection a worker has knocked.
 *
 * Owns, on each worker, the context that the prober and the hub of subscriptions work in.
 */
#include "data/redis/redis.h"

#include <string.h>

#include "base/outage.h"
#include "rt/fiber.h"
#include "rt/scope.h"

weir_dur weir__redis_pause(struct weir__redis_seat *seat, weir_time since)
{
    weir_dur away = weir_time_sub(weir__worker_now(weir__self), since);
    return weir__outage_pause(away, weir_ms(50), weir_sec(2), &seat->random);
}

/* --- the seat's own context ------------------------------------------------------------------- */

static void leave_below(struct weir__owned *o)
{
    struct weir__redis_seat *seat = WEIR_CONTAINER(o, struct weir__redis_seat, owned);
    weir__redis_hub_end(seat);
    seat->below = NULL;
    seat->is_probing = false;
}

static const struct weir__owned_type below_type = {.name = "redis, a worker's own work",
                                                   .release = leave_below};

/* The worker's root, for a client of the application; else one below the client's. */
struct weir__ctx *weir__redis_below(struct weir__redis_seat *seat)
{
    struct weir__ctx *c = seat->redis->c, *parent = weir__ctx_local(c);
    if (seat->below != NULL)
        return seat->below;
    if (parent->is_closing || parent->reason != WEIR_REASON_NONE)
        return NULL;
    seat->below =
        weir__ctx_is_shared(c) ? parent : weir__ctx_new(parent, weir_never(), 0, seat->redis->site);
    if (seat->below != NULL)
        weir__own(seat->below, &seat->owned, &below_type, seat->redis->site);
    return seat->below;
}

/* --- the prober ------------------------------------------------------------------------------- */

/* A connection is opened, or it is not: that is noted there. */
static void knock(struct weir__redis_seat *seat, struct weir__ctx *c)
{
    struct weir__ctx *once = weir__ctx_new(c, weir_never(), 0, seat->redis->site);
    struct weir__share share = {.broken = NULL};
    if (once == NULL)
        return;
    (void)!weir__shared_pool_acquire(seat->redis->shared, once, (weir_str){NULL, 0},
                                     seat->redis->site, NULL, &share);
    weir__share_release(&share);
    weir__ctx_end(once);
}

static weir_err probe(weir_ctx *c, void *arg)
{
    struct weir__redis_seat *seat = arg;
    while (seat->is_down) {
        if (weir_sleep(c, weir__redis_pause(seat, seat->down_since)) < 0)
            break;
        knock(seat, weir__ctx_of(c));
    }
    seat->is_probing = false;
    return WEIR_OK;
}

static void start_prober(struct weir__redis_seat *seat)
{
    struct weir__ctx *below = seat->is_probing ? NULL : weir__redis_below(seat);
    if (below == NULL)
        return;
    seat->is_probing =
        weir__go_apart(seat->redis->site, below, probe, seat, "redis prober") == WEIR_OK;
}

/* --- what is known ---------------------------------------------------------------------------- */

void weir__redis_note_up(struct weir__redis_seat *seat)
{
    weir__counter_add(&seat->n.dials, 1);
    if (!seat->is_down)
        return;
    seat->is_down = false;
    weir__gauge_add(&seat->n.down, -1);
}

void weir__redis_note_down(struct weir__redis_seat *seat, const char *why)
{
    weir__counter_add(&seat->n.dial_errors, 1);
    size_t len = strnlen(why, sizeof seat->why - 1);
    memcpy(seat->why, why, len);
    seat->why[len] = '\0';
    if (!seat->is_down) {
        seat->is_down = true;
        seat->down_since = weir__self->now;
        weir__gauge_add(&seat->n.down, 1);
    }
    start_prober(seat);
}

weir_err weir__redis_is_up(weir_redis *redis, struct weir__ctx *c, const weir_site *site)
{
    struct weir__redis_seat *seat = weir__redis_seat(redis);
    if (WEIR_LIKELY(!seat->is_down) || !seat->is_probing)
        return WEIR_OK;
    weir_err err = weir__may_wait(c);
    if (err != WEIR_OK)
        return err;
    weir__counter_add(&seat->n.refused, 1);
    weir_dur since = weir_time_sub(weir__self->now, seat->down_since);
    (void)weir_raise_at(site, weir__ctx_handle(c), WEIR_EUNREACHABLE, 503,
                        "redis %s cannot be reached for %lld ms, and is tried in the background: "
                        "%s",
                        redis->name, (long long)(since.ns / 1000000), seat->why);
    return weir__wait_refused(WEIR_EUNREACHABLE);
}
