/*
 * The generic resource pool: whoever has something that is dear to open and used by one fiber at a
 * time gives it `weir__pool_ops` and gets waiting in line, limits, lifetimes, checks, leak reports
 * and counters.
 *
 * A pool of the application's context is used from all workers, and made on any of them at any
 * time; one of a request's context is used by its own worker and by contexts below that one.
 */
#ifndef WEIR_NET_POOL_H
#define WEIR_NET_POOL_H

#include "rt/context.h"
#include "rt/owned.h"
#include <weir/pool.h>

struct weir__pool;
struct weir__pool_slot;
struct weir__wait;

/*
 * How a kind of resource is opened and closed. All but is_dirty, leave and owns run in a fiber and
 * may wait, up to what `c` allows.
 */
struct weir__pool_ops {
    weir_err (*open)(void *driver, struct weir__ctx *c, void **resource);
    void (*close)(void *driver, struct weir__ctx *c, void *resource); /* under a shield */
    /* Is it alive? Asked before one is lent that was unused for check_after. NULL: always. */
    weir_err (*check)(void *driver, struct weir__ctx *c, void *resource);
    /* Was it left in the middle of something? Asked on return; must not wait. NULL: never. */
    bool (*is_dirty)(void *driver, void *resource);
    /* Makes a dirty one clean again, under a shield. NULL, or an error: it is closed. */
    weir_err (*reset)(void *driver, struct weir__ctx *c, void *resource);
    /*
     * For what is bound to the worker where it is used (a descriptor is watched there). Before one
     * goes to another worker, `leave` runs where it is, in a fiber or on the worker's own stack; it
     * must not wait. Until `enter`, on the new one, nobody touches it, but that it may be closed,
     * on any worker. An error of `enter`: it is closed, and another one opened. NULL: one may be
     * used anywhere.
     */
    void (*leave)(void *driver, void *resource);
    weir_err (*enter)(void *driver, struct weir__ctx *c, void *resource); /* not without `leave` */
    /*
     * Asks the other side and waits for its answer, 5 s at the most: of what lay unused for
     * keep_alive, by the keeper. An error: it is closed. NULL: `check`.
     */
    weir_err (*ping)(void *driver, struct weir__ctx *c, void *resource);
    /*
     * Does a fiber that waits so wait for the resource itself? For the report of leases that are
     * held while their fiber waits for other things. On the fiber's worker, under the pool's lock:
     * takes no lock and changes nothing. NULL: nothing is reported.
     */
    bool (*owns)(const void *driver, const void *resource, const struct weir__wait *wait);
    /*
     * What else /debug/pools says of the pool: "replica, 12 ms behind". Any worker, under the
     * pool's lock: takes no lock. NULL: nothing.
     */
    void (*describe)(const void *driver, weir_buf *out);
};

/*
 * A lease as its user holds it: dead (`slot` may be lent to somebody else) once it has been given
 * back.
 */
struct weir__lease {
    struct weir__pool_slot *slot; /* NULL: none */
    uint64_t turn;
};

/*
 * Fills in the defaults of `*o`. WEIR_EINVALID with all mistakes appended to `mistakes`, each as
 * "pool orders: max_open is 0; allowed: 1 to 10000", parted by "; ".
 */
WEIR_MUST_USE weir_err weir__pool_options_settle(const char *name, weir_pool_options *o,
                                                 weir_buf *mistakes);

/*
 * Beside weir_pool_options, which programs have by value: what a pool knows of which the other side
 * is a server that may be down. 0 is the default in each.
 */
struct weir__dialling_options {
    weir_dur dial_max;  /* 10 ms to 10 min for `open`: names, TLS and log-in too; default 10 s */
    uint32_t dials_max; /* 1 to 10,000 opened at the same time; default 16 */
    weir_dur
        start_max; /* 1 ms to 10 min: making the pool waits for the first; default: it does not */
    weir_dur keep_alive;    /* 1 s to 24 h unused: asked whether it is alive; default 2 min */
    weir_dur retry_base;    /* 1 ms to 1 min before the next try, more as it lasts; default 50 ms */
    weir_dur retry_cap;     /* 1 ms to 10 min, the most of that; default 1 s */
    weir_dur held_wait_max; /* 10 ms to 1 h: a lease's fiber waits for other things; default 5 s */
};

/* As weir__pool_options_settle, which it calls too. */
WEIR_MUST_USE weir_err weir__dialling_options_settle(const char *name, weir_pool_options *o,
                                                     struct weir__dialling_options *d,
                                                     weir_buf *mistakes);

/* The lease that is out for the longest time. */
struct weir__pool_oldest {
    const weir_site *site;
    weir_dur held;
};

/* False: none is out. Any thread. */
bool weir__pool_oldest(struct weir__pool *pool, weir_time now, struct weir__pool_oldest *out);

/*
 * Makes a pool in `c`, whose end closes it. `name` and `driver` must outlive it. NULL: the error,
 * with its message, is in the record of `c`, or, when that is the application's and this is not the
 * first worker, of the context that the fiber works for: WEIR_EINVALID for options, -ENOMEM. Opens
 * nothing by itself but for min_idle, in the background, on the worker that makes it. Fiber.
 */
struct weir__pool *weir__pool_new(struct weir__ctx *c, const char *name,
                                  const weir_pool_options *options,
                                  const struct weir__pool_ops *ops, void *driver,
                                  const weir_site *site);

/*
 * As weir__pool_new, of a pool that opens by itself (it dials): who finds nothing idle stands in
 * line, and gets what comes back or what has been opened, whichever is first. So no deadline cuts a
 * dial but dial_max, and one that ends late is there for the next. No more than dials_max run at a
 * time, one alone after a failure, and the next not before a time that grows with each.
 *
 * When one has failed, nothing is open and nothing else is being opened, the pool is down: who is
 * in line and who comes fails at once with WEIR_EUNREACHABLE, while the tries go on. The first that
 * succeeds ends that.
 *
 * With start_max it waits until one has been opened, trying again and again; NULL when there is
 * none after that time: WEIR_EUNREACHABLE, its cause the last failure. Fiber, waits then.
 */
struct weir__pool *weir__pool_new_dialling(struct weir__ctx *c, const char *name,
                                           const weir_pool_options *options,
                                           const struct weir__dialling_options *dialling,
                                           const struct weir__pool_ops *ops, void *driver,
                                           const weir_site *site);

/*
 * Lends a resource: one that is idle, a new one, or in line up to the deadline of `c` and wait_max.
 *
 * `holder` is the record in `c` that will give the lease back at the end (that of the rows, the
 * transaction); NULL: the lease is its own. `*lease` is filled in before anything waits but the
 * line, so the holder's release may always give it back.
 *
 * Errors, raised with status 503; the cause, which is for the log, has who holds what for how long
 * and since where, or the last failure to open one and its age:
 *   WEIR_ELIMIT        the line is full
 *   WEIR_ETIMEDOUT     waited for wait_max, or up to the deadline: all are in use, or it is
 *                      suspended, or none could be opened so far
 *   WEIR_EUNREACHABLE  of a pool that dials: it is down
 *   WEIR_ECLOSED       it is closed, or being closed
 * -EDEADLK: every lease is held by fibers that wait for this one or for the pool. The reason of
 * `c`. What `open` returned, of a pool that does not dial.
 */
WEIR_MUST_USE weir_err weir__pool_acquire(struct weir__pool *pool, struct weir__ctx *c,
                                          const weir_site *site, struct weir__owned *holder,
                                          struct weir__lease *lease);

/*
 * The resource of a live lease of this fiber; anything else is misuse, told in the name of
 * `function`.
 */
void *weir__lease_resource(const struct weir__lease *lease, const char *function);

/*
 * A lease with a holder, that was acquired in a context which ends before its holder does (one with
 * the time for acquiring it), is used in `c` from now on. Its own fiber.
 */
void weir__lease_hand_to(struct weir__lease *lease, struct weir__ctx *c);

/* The resource will be closed on return. */
void weir__lease_break(struct weir__lease *lease);

/*
 * Gives it back, early or at the end; idempotent. May wait. For `holder` releases and the lease's
 * own fiber.
 */
void weir__lease_release(struct weir__lease *lease);

/*
 * No more leases from now on; waits up to `until` for those that are out, closes all that is idle.
 * WEIR_OK, WEIR_ETIMEDOUT or the reason while some are still out: they are closed when they return.
 * Idempotent. Fiber.
 */
weir_err weir__pool_close(struct weir__pool *pool, struct weir__ctx *c, weir_time until);

/* --- while it runs ---------------------------------------------------------------------------- */

/*
 * All that is open, or being opened now, is of an old generation: what is idle is closed, what is
 * lent is closed when it comes back, and none of it is lent again. For who has been told of a
 * failover, a new password, another address. Any worker; does not wait.
 */
void weir__pool_retire_all(struct weir__pool *pool);

/*
 * From now on nothing is lent: who acquires stands in line, up to its deadline and wait_max, until
 * it is resumed. What is lent goes on. Idempotent. Any worker; do not wait.
 */
void weir__pool_suspend(struct weir__pool *pool);
void weir__pool_resume(struct weir__pool *pool);

/*
 * So many may be open from now on, 1 to 10,000, and so many are kept ready, up to max_open;
 * max_idle goes along where it was max_open, and is min_idle at least. What is open beyond is
 * closed at once where it is idle, else as it comes back; new room goes to who is in line.
 * WEIR_EINVALID, also for a pool of a group; -ENOMEM. On a worker that may use the pool; does not
 * wait.
 */
WEIR_MUST_USE weir_err weir__pool_resize(struct weir__pool *pool, uint32_t max_open,
                                         uint32_t min_idle);

/* True while who acquires would wait or fail: it is suspended, down, or closes. Any thread. */
bool weir__pool_is_barred(struct weir__pool *pool);

/* True while it is down (weir__pool_new_dialling), and since when. Any thread. */
bool weir__pool_is_down(struct weir__pool *pool, weir_time *since);

/* --- pools by key ----------------------------------------------------------------------------- */

/*
 * A pool for each of many keys (hosts, databases), made when a key is wanted first: each with its
 * own limits, line and numbers, shown as the first 20 bytes of the name and 40 of the key; one
 * keeper for all. Past keys_max the key goes
 * that was used least recently and has nothing lent. What may be open is bounded over all keys as
 * well: past that, what lies idle for others is closed, and who wants one stands in line meanwhile.
 */
struct weir__pool_group;

/* What the operations of a group's pools get as their `driver`. */
struct weir__pool_key {
    void *driver; /* the group's */
    /* Borrowed while something is open. What is closed may be told another key than it had. */
    weir_str name;
};

enum { WEIR__POOL_KEY_MAX = 320 }; /* bytes of a key: a host's name, a port, an address */

struct weir__pool_group_options {
    weir_pool_options each; /* of each key's pool */
    uint32_t keys_max;      /* 1 to 1,000; default 100 */
    uint32_t open_max;      /* over all keys, 1 to 10,000; default 1,000 */
};

struct weir__pool_group_stats {
    uint32_t keys, keys_max;
    uint32_t open, open_max; /* over all keys: in use, idle, being opened or closed */
    uint64_t evicted;        /* keys that had to go for others */
};

/*
 * Makes a group in `c`, whose end closes it. Everything else as for weir__pool_new.
 */
struct weir__pool_group *weir__pool_group_new(struct weir__ctx *c, const char *name,
                                              const struct weir__pool_group_options *options,
                                              const struct weir__pool_ops *ops, void *driver,
                                              const weir_site *site);

/*
 * As weir__pool_acquire, from the pool of `key`, which is copied. WEIR_EINVALID: the key is empty
 * or too long. WEIR_ELIMIT also when all keys are in use; raised with status 503. -ENOMEM.
 */
WEIR_MUST_USE weir_err weir__pool_group_acquire(struct weir__pool_group *group, struct weir__ctx *c,
                                                weir_str key, const weir_site *site,
                                                struct weir__owned *holder,
                                                struct weir__lease *lease);

/*
 * What lies idle for `key` is not lent any more, and closed soon. What is lent meanwhile is its
 * user's to break. The key may be used again at once. Any worker.
 */
void weir__pool_group_retire(struct weir__pool_group *group, weir_str key);

/* As weir__pool_close, of all of its pools; no more keys from now on. */
weir_err weir__pool_group_close(struct weir__pool_group *group, struct weir__ctx *c,
                                weir_time until);

/* Any thread. */
void weir__pool_group_stats(struct weir__pool_group *group, struct weir__pool_group_stats *out);

/* False: there is no such key (any more). Any thread. */
bool weir__pool_group_key_stats(struct weir__pool_group *group, weir_str key, weir_pool_stats *out);

/* --- numbers ---------------------------------------------------------------------------------- */

/* What it has to do: lent, and waited for. Any thread. */
uint32_t weir__pool_load(struct weir__pool *pool);

/* Any thread. */
void weir__pool_stats(struct weir__pool *pool, weir_pool_stats *out);

/*
 * Calls `fn` with the numbers of every pool of the process, in the order in which they were made.
 * Any thread.
 */
void weir__pool_each(void (*fn)(const weir_pool_stats *stats, void *arg), void *arg);

/* Adds the numbers of all pools of the process to a registry. */
struct weir__metrics;
void weir__pool_metrics(struct weir__metrics *to);

#endif
