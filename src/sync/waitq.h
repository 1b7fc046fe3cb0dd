/*
 * The queue of fibers that wait for one object (mutex, semaphore, condition, wait group, once),
 * first come first served, and the lock that guards the object when it belongs to the application's
 * context. Objects of a request are used by one worker and take no lock.
 *
 * Q1: a waiter is on `waits`, or whoever took it off wakes it; then it is on `leaving` until its
 *     fiber has run again.
 */
#ifndef WEIR_SYNC_WAITQ_H
#define WEIR_SYNC_WAITQ_H

#include "base/assert.h"
#include "os/lock.h"
#include "rt/context.h"
#include "rt/owned.h"
#include "rt/wait.h"

/* What the object is in its life. Zeroed: made without memory, all its waits fail. */
enum weir__waitq_state { WEIR__WAITQ_NO_MEMORY, WEIR__WAITQ_OPEN, WEIR__WAITQ_ENDED };

/* Begins each such object, as its first member. */
struct weir__waitq {
    struct weir__token token;
    uint8_t state;
    bool is_shared;
    struct weir__lock lock;
    struct weir__list waits;   /* weir__wait.in_object */
    struct weir__list leaving; /* weir__wait.in_object */
    struct weir__owned owned;
    const struct weir__worker *home;
};

/* A fiber that waits, on its own stack. */
struct weir__waiter {
    struct weir__wait wait;
    struct weir__lock *lock;   /* the object's when shared, else NULL: the object may be gone */
    struct weir__waiter *next; /* while it is being woken with others */
    bool is_queued;            /* on `waits` */
    bool is_gone;              /* the object ended before the fiber ran again: do not touch it */
};

/*
 * Makes the object (not its handle: weir__token_handle) `size` bytes large in `c`, owned by it;
 * NULL: no memory. `type->release` ends it (weir__waitq_end).
 */
void *weir__waitq_new(struct weir__ctx *c, size_t size, uint32_t kind,
                      const struct weir__owned_type *type, const weir_site *site);

/*
 * The object behind a handle; misuse unless it is a live one of that kind that this worker may use.
 */
void *weir__waitq_of(const void *handle, uint32_t kind, const char *function, const char *noun);

/* WEIR_OK, -ENOMEM for an object without memory, WEIR_ECLOSED for one whose context has ended. */
weir_err weir__waitq_state(const struct weir__waitq *q);

/* For the wait types of these objects. */
bool weir__waitq_abandon(struct weir__wait *w);
void weir__waitq_describe(const struct weir__wait *w, weir_buf *out);

/* It stands in line: nobody has served it, with a wake that may still be on its way. Locked. */
bool weir__waitq_is_in_line(const struct weir__wait *w);

/* For the wait types of those that every fiber which knows them may signal: it is of the tree. */
bool weir__waitq_is_stuck(const struct weir__wait *w, const struct weir__ctx *top);

/* Tells the search for deadlocks that the calling fiber signals it. */
void weir__waitq_note_use(const struct weir__waitq *q);

/* Puts the running fiber at the end of the queue. Under the lock. */
void weir__waitq_enqueue(struct weir__waitq *q, struct weir__waiter *w,
                         const struct weir__wait_type *type, struct weir__ctx *c,
                         const weir_site *site);

/*
 * Parks it, when the lock has been given. WEIR_OK when woken and the object is still there
 * (`is_gone`), or why not.
 */
weir_err weir__waitq_park(struct weir__waiter *w);

/*
 * The first that waits, taken off the queue, to be woken when the lock has been given. NULL:
 * nobody. Under the lock.
 */
struct weir__wait *weir__waitq_pop(struct weir__waitq *q);

/* All who wait, likewise, in order, chained by `next`. */
struct weir__waiter *weir__waitq_pop_all(struct weir__waitq *q);
/* Wakes such a chain, when the lock has been given. */
void weir__waitq_wake_each(struct weir__waiter *first, weir_err result);

/* Wakes all who wait. */
void weir__waitq_wake_all(struct weir__waitq *q, weir_err result);

/* The object's context has ended: who waits is woken with WEIR_ECLOSED. */
void weir__waitq_end(struct weir__waitq *q);
/* The same as a type's `release`, for objects that are nothing but a queue with some numbers. */
void weir__waitq_release(struct weir__owned *o);

static inline void weir__waitq_lock(struct weir__waitq *q)
{
    WEIR_ASSERT(q->is_shared || q->home == weir__self || q->state == WEIR__WAITQ_NO_MEMORY,
                "Q2: an object of a request is used by its worker");
    if (WEIR_UNLIKELY(q->is_shared))
        weir__lock_take(&q->lock);
}

static inline void weir__waitq_unlock(struct weir__waitq *q)
{
    if (WEIR_UNLIKELY(q->is_shared))
        weir__lock_give(&q->lock);
}

#endif
