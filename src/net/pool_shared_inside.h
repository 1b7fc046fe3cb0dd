/*
 * The inside of a shared pool, for pool_shared.c (lending and returning), pool_shared_line.c
 * (waiting), pool_carrier.c (the life of a carrier) and pool_shared_stats.c.
 *
 * P10 to P14 stand in README.md: all of it is of one worker (P10), leases and room (P11), the line
 * (P12), bounds (P13), lanes (P14).
 */
#ifndef WEIR_NET_POOL_SHARED_INSIDE_H
#define WEIR_NET_POOL_SHARED_INSIDE_H

#include "base/assert.h"
#include "base/counter.h"
#include "base/map.h"
#include "net/pool_inside.h"
#include "net/pool_shared.h"

enum weir__carrier_state {
    WEIR__CARRIER_OPENING,
    WEIR__CARRIER_OPEN,
    WEIR__CARRIER_RETIRED, /* no new leases */
    WEIR__CARRIER_BROKEN   /* and all have been told */
};

struct weir__carrier {
    struct weir__list link; /* weir__lane.carriers, oldest first */
    struct weir__lane *lane;
    void *resource;
    struct weir__list shares; /* weir__share.link, oldest first */
    uint32_t leases, room;
    uint8_t state;
    bool is_opening;
    weir_pool_closed why; /* it will be closed */
    uint64_t carried;
    weir_time opened, expires, idle_since;
    struct weir__wait *rest;  /* its fiber sleeps; NULL: it is at work */
    struct weir__owned place; /* in the context of its fiber: that it counts */
    struct weir__owned owned; /* the same: what is open */
};

/* A key on a worker. */
struct weir__lane {
    struct weir__seat *seat;
    struct weir__list by_use;   /* weir__seat.by_use */
    struct weir__list hunger;   /* weir__seat.hungry, or alone */
    struct weir__list carriers; /* weir__carrier.link */
    struct weir__list waiters;  /* weir__shared_waiter.wait.in_object, first come first */
    uint32_t open, opening, waiting;
    uint32_t pins;      /* fibers on their way to a lease */
    uint32_t room_seen; /* of the last one opened; 0: none was */
    weir_time retry_at; /* before that none is opened beside others: the last attempt failed */
    bool is_known;      /* in the seat's map; else it goes with its last carrier */
    size_t key_bytes;
    char key[];
};

struct weir__seat_numbers {
    struct weir__gauge open, in_use, waiting, leases, room, keys;
    struct weir__counter acquired, waits, wait_ns, timeouts, refused, deadlocks, leaked,
        leaks_returned, opened, open_errors, closed[WEIR_POOL_CLOSED_REASONS], retired, told,
        evicted;
};

/* What a worker has of a pool. */
struct weir__seat {
    _Alignas(64) struct weir__shared_pool *pool;
    struct weir__ctx *ctx; /* where carriers live; NULL: not yet, or no more */
    struct weir__map lanes;
    struct weir__list by_use; /* weir__lane.by_use, last used first */
    struct weir__list hungry; /* weir__lane.hunger, first come first (P12) */
    uint32_t open;            /* of all keys */
    uint32_t leaving;         /* of these, that take no more leases */
    uint32_t hungry_count;
    struct weir__seat_numbers n;
    struct weir__owned owned; /* in `ctx` */
};

struct weir__shared_pool {
    struct weir__shared_options o;
    const char *name;
    const struct weir__shared_ops *ops;
    void *driver;
    struct weir__ctx *ctx;
    const weir_site *site;
    struct weir__owned owned;
    struct weir__list registered; /* in pool_shared_stats.c's list of all */
    uint32_t seat_count;
    struct weir__seat *seats; /* one a worker; a request's pool has one */
};

/* A fiber in line; stands on its stack. */
struct weir__shared_waiter {
    struct weir__wait wait; /* in_object: weir__lane.waiters */
    struct weir__share *share;
    struct weir__pool_stuck stuck;
    bool has_failed; /* none could be opened; the error is raised */
};

static inline const weir_pool_options *weir__lane_limits(const struct weir__lane *lane)
{
    return &lane->seat->pool->o.each;
}

/* The carrier whose `link` that is. */
static inline struct weir__carrier *weir__carrier_at(struct weir__list *node)
{
    return WEIR_CONTAINER(node, struct weir__carrier, link);
}

/* --- pool_shared.c ---------------------------------------------------------------------------- */

/* Room may have come, at a carrier or for one: those in line get it. */
void weir__lane_serve(struct weir__lane *lane);

/*
 * It has room that it had not: for the next in line, or, if it carries nothing now, for a hungry
 * key; or it was the last lease of one that takes no more.
 */
void weir__carrier_pass_on(struct weir__carrier *carrier);

/* A carrier has ended: the worker has room for another. The lane may be gone afterwards. */
void weir__lane_carrier_ended(struct weir__lane *lane);

/*
 * Begins to open what those in line would fill. An error: none could be begun, and there is none to
 * wait for.
 */
weir_err weir__lane_open_more(struct weir__lane *lane);

/* It waits for room over all keys no more. */
void weir__lane_eat(struct weir__lane *lane);

/* The lease is out no more: off the list of its carrier, if that still is. */
void weir__share_leave(struct weir__share *share);

/* --- pool_shared_line.c ----------------------------------------------------------------------- */

/*
 * Waits in line until `share` is lent. Errors, raised: as weir__shared_pool_acquire. Waits.
 */
weir_err weir__lane_wait(struct weir__lane *lane, struct weir__ctx *c, const weir_site *site,
                         struct weir__share *share);

/* Takes the first out of the line, for the caller to wake; NULL: nobody waits. */
struct weir__shared_waiter *weir__lane_first_in_line(struct weir__lane *lane);

/* None could be opened, and there is none: all in line are told. NULL: nothing is known of it. */
void weir__lane_fail(struct weir__lane *lane, weir_err err, const weir_error *e);

/* --- pool_carrier.c --------------------------------------------------------------------------- */

/* Starts opening one more in a lane, whose count says so already. */
weir_err weir__carrier_start(struct weir__lane *lane);

/* It has lost its last lease, or has something to do: its fiber looks. */
void weir__carrier_rouse(struct weir__carrier *carrier);

/* --- pool_shared_stats.c ---------------------------------------------------------------------- */

void weir__shared_pool_register(struct weir__shared_pool *pool);
void weir__shared_pool_unregister(struct weir__shared_pool *pool);

#endif
