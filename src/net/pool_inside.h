/*
 * The inside of a pool, for pool.c (lending and returning), pool_line.c (waiting), pool_move.c
 * (from worker to worker) and pool_keep.c (what time does to it).
 *
 * P1: a slot is EMPTY and on `empty`, IDLE and on `idle`, or on neither: LEASED to a fiber, or BUSY
 *     with being opened or closed by the keeper or by who gives it back. `open` counts all that are
 *     not EMPTY, `in_use` the LEASED.
 * P2: while somebody is in line, nothing is IDLE and `open` is max_open, or the group has no room
 *     (P8), or the pool is suspended, or it dials (P21): what comes free goes to the first in line.
 * P3: a waiter is in line, or whoever took it off wakes it.
 * P4: a lease's holder lives while the slot is LEASED: it is cleared under the lock before the
 *     holder goes.
 * P5: what is being opened, reset, cancelled or closed has its slot until the driver's call ends,
 *     so that the other side never sees more than max_open.
 * P6: a message to a keeper's home worker is sent under its lock while `ctx` is set, and the
 *     keeper's end waits for it: what is sent arrives.
 * P7: of a driver that has `leave`: a resource is `at` the worker that it has entered and not left,
 *     and is used there alone. A worker's end has all of its own leave, so `at` is a worker that
 *     takes messages.
 * P8: a group's `open` is what its pools have open, and at most open_max. Room comes free while a
 *     pool is hungry (somebody is in line there, for room in the group alone): then whoever made
 *     it free feeds the hungry, first come first.
 * P9: a key's pool gets another key only while nobody has it pinned, is in line or has a lease, and
 *     nothing is BUSY.
 * P21: of a pool that dials: each dial has a BUSY slot and is counted in `dialing`; while somebody
 *     is in line as many run as may (dials_max; after a failure one, not before `retry_at`). It is
 *     down from when a dial has failed and nothing is open or being opened, until the next success.
 * P22: what is of an older generation than the pool is not lent.
 */
#ifndef WEIR_NET_POOL_INSIDE_H
#define WEIR_NET_POOL_INSIDE_H

#include "base/assert.h"
#include "base/map.h"
#include "base/random.h"
#include "net/pool.h"
#include "os/lock.h"
#include "rt/fiber.h"
#include "rt/wait.h"
#include "rt/worker.h"

enum weir__pool_slot_state {
    WEIR__SLOT_EMPTY,
    WEIR__SLOT_IDLE,
    WEIR__SLOT_LEASED,
    WEIR__SLOT_BUSY
};

struct weir__pool_slot {
    struct weir__list link; /* weir__pool.idle or .empty */
    struct weir__pool *pool;
    void *resource;        /* NULL: not opened yet */
    _Atomic uint64_t turn; /* of the present lease, or of the next one */
    struct weir__fiber *fiber;
    uint64_t fiber_id;
    struct weir__worker *worker; /* where it is or was used last: its memory is warm there */
    struct weir__worker *at;     /* P7; NULL: it has left, or the driver does not care */
    struct weir__ctx *ctx;
    const weir_site *site;
    _Atomic(struct weir__owned *) holder; /* NULL: not bound yet */
    weir_time leased, idle_since, expires;
    uint32_t generation; /* of the pool, when it was begun to be opened */
    uint8_t state;
    bool is_broken, is_reported;
    struct weir__owned owned;
    struct weir__wait *mover;     /* waits until it has left; NULL: nobody does (any more) */
    struct weir__task departure;  /* the message that it is to leave */
    struct weir__pool_slot *next; /* of the same pool, each for good (WEIR__EACH_SLOT) */
    weir_time pinged;             /* the last time that it was found alive while it was idle */
    weir_time held_wait;          /* the beginning of the wait that was reported last */
};

enum { WEIR__POOL_STUCK_MAX = 8 };

/* The fibers that cannot go on before a wait has ended: its own, and those that join it. */
struct weir__pool_stuck {
    const struct weir__fiber *fibers[WEIR__POOL_STUCK_MAX];
    size_t count;
};

/* A fiber in line; stands on its stack. */
struct weir__pool_waiter {
    struct weir__wait wait; /* in_object: weir__pool.waiters */
    struct weir__worker *worker;
    struct weir__pool_slot *slot; /* what it was given */
    bool is_patient;              /* waits on where the pool is down, and past wait_max */
    struct weir__pool_stuck stuck;
    bool is_sent_home; /* before it waited: the reason is the wait's result */
};

/* A lease that is out for too long, as copied for the log. */
struct weir__pool_report {
    const char *kind; /* "lease", "rows", "transaction" */
    const weir_site *site;
    weir_dur age;
    struct weir__origin_copy origin;
    void *stack[WEIR__STACK_DEPTH];
    char waits[96]; /* what its fiber waits for; only where that is known */
};

/* Who looks after pools: a timer on the worker that made it, and at times a fiber. */
struct weir__pool_keeper {
    struct weir__lock lock; /* guards `ctx` and `is_posted` for who is elsewhere */
    struct weir__worker *home;
    struct weir__ctx *ctx; /* where its fiber runs; NULL: ended, and so may `home` have */
    bool is_posted;        /* `kick` is on its way to the home worker */
    bool is_keeping;       /* its fiber runs */
    _Atomic(struct weir__pool *) first; /* weir__pool.next_kept; they only become more */
    const weir_site *site;
    struct weir__owned end; /* in `ctx` */
    struct weir__timer timer;
    struct weir__task kick;
};

/*
 * A worker that resources of a pool are `at`: in its root, whose end has them leave. `look` asks it
 * what the fibers with leases wait for: posted under the pool's lock for one that is lent there,
 * and awaited by the seat's end, as by the pool's for the first worker, which has none.
 */
struct weir__pool_seat {
    struct weir__pool *pool;
    struct weir__owned owned;
    struct weir__task look;
    bool is_looking;
};

/* Why the last try to open one has failed. */
struct weir__pool_failure {
    weir_err err;
    weir_time at;
    char text[256];
};

/* Slots that came later. */
struct weir__pool_block {
    struct weir__pool_block *next;
    struct weir__pool_slot slots[];
};

struct weir__pool {
    struct weir__lock lock;    /* guards all that changes */
    struct weir__list idle;    /* weir__pool_slot.link, last used first */
    struct weir__list empty;   /* weir__pool_slot.link */
    struct weir__list waiters; /* weir__pool_waiter.wait.in_object, first come first */
    uint32_t generation;       /* P22 */
    bool is_told_down;         /* the log has it */
    /* is_closing, or it is down or suspended: who acquires looks closer. Written under the lock. */
    _Atomic bool is_barred;
    bool is_steered; /* it closes, or was retired or resized: what comes back is looked at closer */
    bool is_closing;
    bool is_shared;
    bool is_member;             /* of a group */
    bool dials;                 /* opens by itself, for whoever is in line */
    bool moves;                 /* the driver wants to know when a worker changes */
    bool is_kicked;             /* the keeper was asked to look, and has not yet */
    bool is_asleep;             /* the keeper does not come by itself: nothing is open */
    struct weir__wait *drainer; /* waits for in_use to become 0 */
    weir_time retry_at;         /* before that nothing is opened ahead: the last attempt failed */
    weir_pool_options o;
    weir_pool_stats stats;
    const struct weir__pool_ops *ops;
    void *driver;
    struct weir__ctx *ctx; /* that owns it */
    const weir_site *site;
    struct weir__owned owned;
    struct weir__pool_member *member; /* if it is one */
    struct weir__pool_keeper *keeper;
    struct weir__pool *next_kept;  /* of the same keeper */
    struct weir__list registered;  /* in pool_stats.c's list of all */
    struct weir__pool_seat *seats; /* one a worker, if it moves; behind the slots */
    uint32_t slot_count;           /* of slots; they only become more */
    uint32_t failures;             /* to open one, in a row */
    uint32_t pinging;              /* BUSY with being asked whether they are alive */
    weir_time down_since, suspended_since;
    weir_time failing_since;           /* the first of `failures` */
    struct weir__pool_failure failure; /* the last one; `err` is 0 before there was any */
    struct weir__dialling_options d;   /* zeroes, of a pool that does not dial */
    struct weir__pool_slot *first;
    struct weir__pool_block *blocks; /* of a pool of the application: freed after it */
    struct weir__pool_slot slots[];
};

/* A key and its pool. Its memory stays with the group; the key may become another one. */
struct weir__pool_member {
    struct weir__pool *pool;
    struct weir__pool_group *group;
    struct weir__pool_key key;
    atomic_uint pins;         /* fibers on their way to a lease */
    bool is_known;            /* it is in `keys` */
    uint64_t round;           /* the last one that has looked at it */
    struct weir__list by_use; /* weir__pool_group.by_use */
    struct weir__list hunger; /* weir__pool_group.hungry, or alone */
    char bytes[WEIR__POOL_KEY_MAX + 1];
    char name[64];
};

struct weir__pool_group {
    struct weir__lock lock;   /* guards all below; taken after a pool's, never before one */
    struct weir__map keys;    /* weir__pool_member */
    struct weir__list by_use; /* weir__pool_member.by_use, last used first */
    struct weir__list hungry; /* weir__pool_member.hunger, first come first */
    atomic_uint hungry_count;
    atomic_uint open;
    uint64_t evicted;
    uint32_t count; /* of pools made; changed with the list of all held */
    uint64_t round; /* of searches for a key that may go */
    bool is_closing;
    struct weir__pool_group_options o;
    const char *name;
    const struct weir__pool_ops *ops;
    void *driver;
    struct weir__ctx *ctx;
    const weir_site *site;
    struct weir__pool_keeper *keeper;
    struct weir__owned owned;
    struct weir__pool_member *members[];
};

/* --- pool.c ----------------------------------------------------------------------------------- */

/*
 * Closes the resource of a slot that is BUSY or LEASED to the caller, and counts why. Without the
 * lock.
 */
void weir__pool_close_resource(struct weir__pool_slot *slot, struct weir__ctx *c,
                               weir_pool_closed why);

/* Opens one into such a slot. Without the lock. */
weir_err weir__pool_open_resource(struct weir__pool_slot *slot, struct weir__ctx *c);

/*
 * A slot that nobody uses any more goes to the first in line, to the idle or the empty ones. Under
 * the lock. Returns a wait to be woken with WEIR_OK after the lock is given, or NULL.
 */
struct weir__wait *weir__pool_settle(struct weir__pool_slot *slot);

/* Up to a tenth before `life` is over, so that what was opened together is not closed together. */
weir_time weir__pool_end_of_life(const void *pool, weir_dur life, uint64_t nth);

/* Every slot of a pool: under the lock, since more may come. */
/* NOLINTBEGIN(bugprone-macro-parentheses): `node` is a name that is declared, no expression. */
#define WEIR__EACH_SLOT(node, pool)                                                                \
    for (struct weir__pool_slot *node = (pool)->first; node != NULL; node = node->next)
/* NOLINTEND(bugprone-macro-parentheses) */

/*
 * An idle one or, of a pool that does not dial, room for one, lent to nobody yet; NULL: there is
 * none. Under the lock.
 */
struct weir__pool_slot *weir__pool_take_free(struct weir__pool *pool);

/* Whether what comes back, or was opened, may be lent; or why it must be closed. Under the lock. */
bool weir__pool_may_stay(const struct weir__pool_slot *slot, weir_pool_closed *why);

/* One that has left another worker comes to this one; an error: it is to be closed. */
weir_err weir__pool_enter(struct weir__pool_slot *slot, struct weir__ctx *c);

/* Gives on a slot that is BUSY, and whatever that makes possible. Without the lock. */
void weir__pool_hand_on(struct weir__pool_slot *slot);

/* What is idle is closed by whoever takes it, and by the keeper. Under the lock. */
static inline void weir__pool_age_idle(struct weir__pool *pool)
{
    WEIR_LIST_EACH(node, &pool->idle)
        WEIR_CONTAINER(node, struct weir__pool_slot, link)->expires = (weir_time){0};
}

/* Of one that is over its time: its own, or that of its generation. Under the lock. */
static inline weir_pool_closed weir__pool_why_old(const struct weir__pool_slot *slot)
{
    return slot->generation != slot->pool->generation ? WEIR_POOL_CLOSED_RETIRED
                                                      : WEIR_POOL_CLOSED_LIFETIME;
}

/* After a change of what bars the way. Under the lock. */
static inline void weir__pool_set_bar(struct weir__pool *pool)
{
    pool->is_barred = pool->is_closing || pool->stats.is_down || pool->stats.is_suspended;
}

/* Makes a slot that is on no list a lease. Under the lock. */
static inline void weir__pool_lend(struct weir__pool_slot *slot, struct weir__fiber *f,
                                   struct weir__worker *w)
{
    struct weir__pool *pool = slot->pool;
    WEIR_ASSERT(slot->state != WEIR__SLOT_LEASED, "P1: a slot is lent to one at a time");
    slot->state = WEIR__SLOT_LEASED;
    slot->fiber = f;
    slot->fiber_id = f->id;
    slot->worker = w;
    slot->leased = weir__self->now;
    slot->is_reported = false;
    pool->stats.in_use++;
    pool->stats.acquired++;
}

/*
 * A pool that nobody looks after, and that is not known to anybody, with options that are settled,
 * in memory of `alloc`; NULL: there is none. And what is left to do, when it has been closed for
 * good, before that goes.
 */
struct weir__pool *weir__pool_make(struct weir__ctx *c, const char *name,
                                   const weir_pool_options *o, const struct weir__pool_ops *ops,
                                   void *driver, const weir_site *site,
                                   void *(*alloc)(struct weir__ctx *c, size_t size));
void weir__pool_unmake(struct weir__pool *pool);

/* Where the mistakes of who makes something in `c` are told. */
weir_ctx *weir__pool_record_of(struct weir__ctx *c);

/* Under the lock: the handle of a lease is dead, its holder may go, the slot is BUSY. */
static inline void weir__pool_end_lease(struct weir__pool_slot *slot)
{
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED, "P1: only what is lent comes back");
    slot->state = WEIR__SLOT_BUSY;
    /* Written under the lock alone: no read-modify-write, which would cost as much as a lock. */
    uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_relaxed);
    atomic_store_explicit(&slot->turn, turn + 1, memory_order_relaxed);
    slot->fiber = NULL;
    atomic_store_explicit(&slot->holder, NULL, memory_order_relaxed);
    WEIR_ASSERT(slot->pool->stats.in_use > 0, "P1: what comes back was counted as lent");
    slot->pool->stats.in_use--;
    if (slot->is_reported)
        slot->pool->stats.leaks_returned++;
}

/*
 * Makes a pool with its keeper, known to all; with `d`, which is settled as `o` is, one that dials.
 * NULL: -ENOMEM is raised.
 */
struct weir__pool *weir__pool_found(struct weir__ctx *c, const char *name,
                                    const weir_pool_options *o,
                                    const struct weir__dialling_options *d,
                                    const struct weir__pool_ops *ops, void *driver,
                                    const weir_site *site);

/* Slots that nobody uses yet, of memory that has been zeroed; behind those that there are. */
void weir__pool_add_slots(struct weir__pool *pool, struct weir__pool_slot *slots, uint32_t count);

/* --- pool_dial.c ------------------------------------------------------------------------------ */

/*
 * Starts as many dials as are wanted and may run; nothing, of a pool that does not dial. On a
 * worker that may use the pool, from its own stack or a fiber. Without the lock.
 */
void weir__pool_dial(struct weir__pool *pool);

/*
 * Something is not open any more, or could not be opened: with a failure behind it the pool may be
 * down now. Under the lock; weir__pool_send_home comes after it.
 */
void weir__pool_judge(struct weir__pool *pool);

/* Those in line at a pool that is down or closing, but who is patient, are told; and the log. */
void weir__pool_send_home(struct weir__pool *pool);

/* --- pool_steer.c ----------------------------------------------------------------------------- */

/* Frees the slots that came later, of a pool that has ended. */
void weir__pool_free_blocks(struct weir__pool *pool);

/* --- pool_blame.c ----------------------------------------------------------------------------- */

/*
 * Raises why an acquisition has failed, and who is to blame: WEIR_ELIMIT, WEIR_ETIMEDOUT,
 * WEIR_EUNREACHABLE or WEIR_ECLOSED. Without the lock.
 */
weir_err weir__pool_blame(struct weir__pool *pool, struct weir__ctx *c, const weir_site *site,
                          weir_err err, weir_dur waited);

/* "300 ms", "4.1 s" */
void weir__pool_put_age(weir_buf *out, weir_dur d);

/* --- pool_holder.c ---------------------------------------------------------------------------- */

/*
 * When the fiber of a lease may have waited for other things for too long: looked at now, where it
 * is of this worker; else its worker is asked to look. Under the lock.
 */
weir_time weir__pool_watch_holder(struct weir__pool *pool, struct weir__pool_slot *slot);

/* Tells of those that this worker has found. Without the lock. */
void weir__pool_tell_holders(struct weir__pool *pool);

/* --- pool_line.c ------------------------------------------------------------------------------ */

/*
 * Waits in line for a slot that is lent to this fiber, and stores it in `slot`. The lock is held at
 * the call, and given in it. Errors, raised: WEIR_ELIMIT (too many wait), -EDEADLK (it would wait
 * for itself), WEIR_ETIMEDOUT, WEIR_EUNREACHABLE, WEIR_ECLOSED; and what cancels the context. Who
 * is patient waits up to the deadline, whatever the pool is meanwhile. Waits.
 */
weir_err weir__pool_wait_in_line(struct weir__pool *pool, struct weir__ctx *c,
                                 const weir_site *site, bool is_patient,
                                 struct weir__pool_slot **slot);

/* The line is full: says so, raised. The lock is held at the call, and given in it. */
weir_err weir__pool_refuse(struct weir__pool *pool, struct weir__ctx *c, const weir_site *site);

/* Takes one out of the line, for the caller to wake. Under the lock. */
void weir__pool_leave_line(struct weir__pool *pool, struct weir__pool_waiter *w);

/* Takes the first out of the line, for the caller to wake; NULL: nobody waits. Under the lock. */
struct weir__pool_waiter *weir__pool_first_in_line(struct weir__pool *pool);

/* Who cannot go on while the running fiber waits in `c`; and is `fiber` one of them? */
void weir__pool_find_stuck(struct weir__pool_stuck *stuck, const struct weir__ctx *c);
bool weir__pool_is_stuck(const struct weir__pool_stuck *stuck, const struct weir__fiber *fiber);

/*
 * The running fiber would wait for itself: raises -EDEADLK with where it holds one of pool `name`
 * and where it wants another, and logs both stacks.
 */
weir_err weir__pool_refuse_deadlock(const char *name, uint32_t max_open, struct weir__ctx *c,
                                    const weir_site *site, const weir_site *held,
                                    void *const *held_stack);

/* "orders, 3rd in line", or with 0 "orders, served". */
void weir__pool_put_place(weir_buf *out, const char *name, uint64_t place);

/* Wakes whom weir__pool_settle has returned; what it was given leaves first. Without the lock. */
void weir__pool_serve(struct weir__wait *next);

/* --- pool_move.c ------------------------------------------------------------------------------ */

/* This worker is about to have one of the pool's resources. */
void weir__pool_sit(struct weir__pool *pool);

/* A resource is here now, or (NULL) nowhere. Of a slot that nobody else uses, without the lock. */
void weir__pool_set_place(struct weir__pool_slot *slot, struct weir__worker *at);

/*
 * Has the resource of a slot that is lent to this fiber leave the worker where it is. On an error,
 * which is what ends waits in `c`, the slot is not the caller's any more. Waits.
 */
weir_err weir__pool_fetch(struct weir__pool_slot *slot, struct weir__ctx *c, const weir_site *site);

/* The same of a slot that is BUSY with being closed by the caller, whatever becomes of `c`. */
void weir__pool_fetch_to_close(struct weir__pool_slot *slot, struct weir__ctx *c);

/* It is at another worker. */
static inline bool weir__pool_is_away(const struct weir__pool_slot *slot)
{
    return slot->at != NULL && slot->at != weir__self;
}

/* --- pool_group.c ----------------------------------------------------------------------------- */

/*
 * Room in the group for opening one more, which is the caller's. False: there is none, and with
 * `hungers` the pool is told to be hungry. Under the pool's lock, of a pool that has a group.
 */
bool weir__pool_take_room(struct weir__pool *pool, bool hungers);
void weir__pool_give_room(struct weir__pool *pool);

/* Room may have come free: the hungry get it. Without any lock. */
void weir__pool_feed(struct weir__pool_group *group);

/* Others of the group are hungry, so what lies idle here is closed. Any thread. */
static inline bool weir__pool_is_wanted(const struct weir__pool *pool)
{
    return WEIR_UNLIKELY(pool->is_member) &&
           atomic_load_explicit(&pool->member->group->hungry_count, memory_order_relaxed) > 0;
}

/* One might be opened ahead. Any thread. */
static inline bool weir__pool_has_room(const struct weir__pool *pool)
{
    return !pool->is_member ||
           (!weir__pool_is_wanted(pool) &&
            atomic_load_explicit(&pool->member->group->open, memory_order_relaxed) <
                pool->member->group->o.open_max);
}

/* --- pool_options.c --------------------------------------------------------------------------- */

/* As weir__pool_options_settle. */
weir_err weir__pool_group_options_settle(const char *name, struct weir__pool_group_options *o,
                                         weir_buf *mistakes);

/* --- pool_keep.c ------------------------------------------------------------------------------ */

/* A keeper on this worker for pools of `c`, in memory of that; NULL: there is none. */
struct weir__pool_keeper *weir__pool_keeper_new(struct weir__ctx *c, const weir_site *site);

/* It looks after `pool` from now on. One adds at a time. */
void weir__pool_keep(struct weir__pool_keeper *k, struct weir__pool *pool);

/*
 * Asks the keeper to look at once, if there still is one. Without the lock, by who was told that it
 * is wanted.
 */
void weir__pool_kick(struct weir__pool *pool);

/*
 * True for the one who has to kick: something must be opened ahead, or the keeper sleeps. Under the
 * lock.
 */
static inline bool weir__pool_wants_kick(struct weir__pool *pool)
{
    bool is_short = pool->stats.idle < pool->o.min_idle &&
                    pool->stats.idle + pool->pinging < pool->o.min_idle &&
                    pool->stats.open < pool->o.max_open && weir__self->now.ns >= pool->retry_at.ns;
    if (WEIR_LIKELY(!is_short && !pool->is_asleep))
        return false;
    if (!pool->is_asleep && !weir__pool_has_room(pool))
        return false;
    if (pool->is_kicked || pool->is_closing || pool->stats.open == 0)
        return false;
    pool->is_kicked = true;
    return true;
}

/* What a fiber of this worker waits for at present, into a report. */
void weir__pool_report_wait(struct weir__pool_report *r, const struct weir__fiber *f);

/* Tells of a lease of pool `name` that is out for too long; and that such a one is back. */
void weir__pool_report(const char *name, weir_dur threshold, struct weir__pool_report *r);
void weir__pool_report_return(const char *name, const weir_site *site, weir_dur age);

/* --- pool_stats.c ----------------------------------------------------------------------------- */

void weir__pool_register(struct weir__pool *pool);
void weir__pool_unregister(struct weir__pool *pool);

/* Holds the list of all pools: none comes or goes, and no name changes for who reads it. */
void weir__pool_list_take(void);
void weir__pool_list_give(void);

/* Calls `fn` with every pool that is listed, with the list held. */
void weir__pool_visit(void (*fn)(struct weir__pool *pool, void *arg), void *arg);

/* With the list held. */
void weir__pool_register_held(struct weir__pool *pool);

#endif
