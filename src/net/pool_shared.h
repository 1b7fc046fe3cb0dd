/*
 * The shared pool: for what is dear to open and carries several users at a time, as a connection of
 * HTTP/2 has streams and a pipelined one to a database has a depth. What is open is a carrier; how
 * many leases it carries it says itself, and may say anew while it lives.
 *
 * A carrier lives on one worker, and so do all of its leases (P10): every worker has carriers,
 * lines and bounds of its own, and no lock is taken. A fiber gets a lease of the first carrier of
 * its worker that has room; another one is opened only when all are full. Keys are built in:
 * a pool without keys has the empty one. Why it is done so: docs/design/pools.md.
 */
#ifndef WEIR_NET_POOL_SHARED_H
#define WEIR_NET_POOL_SHARED_H

#include "net/pool.h"

struct weir__shared_pool;
struct weir__carrier;

/* How a kind of carrier is opened and closed: in a fiber of its own that lives as long as it. */
struct weir__shared_ops {
    /*
     * Opens one to `key`, borrowed while it is open. `c` is the carrier's own context: what is
     * opened in it, fibers too, goes with the carrier, after `close`. Tells before it returns how
     * many leases it carries (weir__carrier_set_room; 1 if it does not). May wait, and bounds that
     * itself: it goes on though nobody wants it any more, for who comes next. An error, best raised
     * in `c`, goes to all who are in line for it.
     */
    weir_err (*open)(void *driver, struct weir__ctx *c, struct weir__carrier *carrier, weir_str key,
                     void **resource);
    /* Under a shield. Nobody has a lease of it, or all have been told that it is broken. */
    void (*close)(void *driver, struct weir__ctx *c, void *resource);
};

/* 0 is the default in each. What one worker may have, for nothing is shared between them. */
struct weir__shared_options {
    weir_pool_options each; /* of each key; max_open, waiters_max: on each worker. No min_idle, no
                               max_idle, no check_after: a carrier says itself that it is broken */
    uint32_t keys_max;      /* on each worker, 1 to 1,000; default 100 */
    uint32_t open_max;      /* over all keys of a worker, 1 to 10,000; default 1,000 */
};

/*
 * A lease: in its user's storage, which stays where it is until it has been given back. Zeroed, or
 * given back: none.
 */
struct weir__share {
    struct weir__list link;         /* weir__carrier.shares */
    struct weir__carrier *carrier;  /* NULL: none, or it has ended under the lease */
    struct weir__shared_pool *pool; /* NULL: none */
    /*
     * Told once, on its worker, in whatever fiber, that the carrier has broken. Must not wait; may
     * give the lease back. Set before the lease is asked for; NULL: who has it finds out. One that
     * breaks on its way into the hands of who waited `is_broken` when it gets there.
     */
    void (*broken)(struct weir__share *share);
    struct weir__fiber *fiber;
    uint64_t fiber_id;
    const struct weir__origin *origin;
    const weir_site *site;
    weir_time leased;
    bool is_broken, is_reported;
    const struct weir__owned *holder; /* what a report calls it, and who acquired it */
    struct weir__owned owned;
};

/*
 * Makes a pool in `c`, whose end closes it; `name` and `driver` outlive it. NULL: the error is
 * raised as by weir__pool_new. Opens nothing by itself. Fiber.
 */
struct weir__shared_pool *weir__shared_pool_new(struct weir__ctx *c, const char *name,
                                                const struct weir__shared_options *options,
                                                const struct weir__shared_ops *ops, void *driver,
                                                const weir_site *site);

/*
 * Lends a share of a carrier to `key` (at most WEIR__POOL_KEY_MAX bytes, copied): of one that has
 * room, or in line up to the deadline of `c` and wait_max while others are opened or come back. It
 * belongs to `c`, whose end gives it back, or to `holder`, a record in `c` whose release does.
 *
 * WEIR_EINVALID: the key is too long. WEIR_ELIMIT: the line is full, or all keys are in use;
 * WEIR_ETIMEDOUT; all raised with status 503. -EDEADLK: what could be waited for is held by fibers
 * that wait for this one. WEIR_ECLOSED. -ENOMEM. The reason of `c`. What `open` returned.
 */
WEIR_MUST_USE weir_err weir__shared_pool_acquire(struct weir__shared_pool *pool,
                                                 struct weir__ctx *c, weir_str key,
                                                 const weir_site *site, struct weir__owned *holder,
                                                 struct weir__share *share);

/*
 * What the carrier's `open` returned; NULL: it has ended under the lease. Of this fiber's live
 * lease; anything else is misuse, told in the name of `function`.
 */
void *weir__share_resource(const struct weir__share *share, const char *function);

/* Gives it back, early or at the end; idempotent. Does not wait. */
void weir__share_release(struct weir__share *share);

/*
 * What this worker has open for `key` is retired, as by weir__carrier_retire: it takes no more
 * leases. The key may be used again at once.
 */
void weir__shared_pool_retire(struct weir__shared_pool *pool, weir_str key);

/* --- for the driver, on the carrier's worker -------------------------------------------------- */

/*
 * It carries `room` leases at a time from now on, 0 too. Fewer than are out: those go on, and there
 * are no new ones until so many have come back.
 */
void weir__carrier_set_room(struct weir__carrier *carrier, uint32_t room);

/*
 * No new leases (GOAWAY): those that are out go on, and it is closed when the last is back.
 * Idempotent.
 */
void weir__carrier_retire(struct weir__carrier *carrier);

/* It is of no use any more: all of its leases are told; else as weir__carrier_retire. */
void weir__carrier_break(struct weir__carrier *carrier);

/* What is known of a carrier. */
struct weir__carrier_stats {
    uint32_t leases, room; /* out now, and at a time */
    uint64_t carried;      /* so far */
    weir_time opened;
};

void weir__carrier_stats(const struct weir__carrier *carrier, struct weir__carrier_stats *out);

/* --- numbers ---------------------------------------------------------------------------------- */

struct weir__shared_stats {
    weir_pool_stats pool; /* of carriers: in_use has leases, idle has none; `acquired` are leases */
    uint64_t leases;      /* out now */
    uint64_t room;        /* that all which are open carry at a time */
    uint64_t retired;     /* that took no more leases before they were closed */
    uint64_t told;        /* leases under which their carrier broke */
    uint64_t keys;        /* now, of all workers */
    uint64_t evicted;     /* keys that had to go for others */
};

/* Sums over the workers, which go on meanwhile. Any thread. */
void weir__shared_pool_stats(struct weir__shared_pool *pool, struct weir__shared_stats *out);

/* What this worker has of a key. False: nothing. */
struct weir__shared_key_stats {
    uint32_t open, opening; /* all, and those of them that are not there yet */
    uint32_t leases, waiting;
};
bool weir__shared_pool_key_stats(struct weir__shared_pool *pool, weir_str key,
                                 struct weir__shared_key_stats *out);

/*
 * Calls `fn` with the numbers of every shared pool of the process, in the order in which they were
 * made. Any thread. They are among those of weir__pool_each as well.
 */
void weir__shared_pool_each(void (*fn)(const struct weir__shared_stats *stats, void *arg),
                            void *arg);

/*
 * As weir__pool_options_settle, in addition what is said of each key and cannot be had of shared
 * ones.
 */
WEIR_MUST_USE weir_err weir__shared_options_settle(const char *name, struct weir__shared_options *o,
                                                   weir_buf *mistakes);

#endif
