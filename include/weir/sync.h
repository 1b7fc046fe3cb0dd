/*
 * Mutex, semaphore, condition, wait group, once. All waits end with the context; what a context
 * holds (a locked mutex, permits) is given back at its end at the latest, and reported with the
 * stack that took it when the context ended well, for that is a mistake. As with channels, one
 * made in a request is for its own worker, one made in the application's context for all.
 *
 * All calls that may wait also return WEIR_ECLOSED when the object's own context has ended
 * meanwhile, and -ENOMEM for an object that was made without memory. A call after that end is
 * misuse and panics.
 *
 * Between waits nothing else runs on a worker: fibers of one request need no mutex for what they
 * change without waiting.
 */
#ifndef WEIR_SYNC_H
#define WEIR_SYNC_H

#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A mutex; waiters get it in the order in which they came. */
typedef struct weir_mutex weir_mutex;
/** A counting semaphore; waiters in order. */
typedef struct weir_sem weir_sem;
/** A condition, used with one mutex. */
typedef struct weir_cond weir_cond;
/** Counts work in progress; waits until there is none. */
typedef struct weir_wait_group weir_wait_group;
/** Something that is done once. */
typedef struct weir_once weir_once;

/**
 * Makes one. `permits`: how many there are in all, 0 to 2^32 - 1. Fiber; does not wait.
 *
 * returns  never NULL: where there was no memory, one whose waits return -ENOMEM
 * owner    the context; its end wakes who waits with WEIR_ECLOSED
 */
#define weir_mutex_new(c) weir_mutex_new_at(WEIR_HERE, (c))
#define weir_sem_new(c, permits) weir_sem_new_at(WEIR_HERE, (c), (permits))
#define weir_cond_new(c) weir_cond_new_at(WEIR_HERE, (c))
#define weir_wait_group_new(c) weir_wait_group_new_at(WEIR_HERE, (c))
#define weir_once_new(c) weir_once_new_at(WEIR_HERE, (c))
/** The functions behind the macros above. */
WEIR_API weir_mutex *weir_mutex_new_at(const weir_site *site,
                                       weir_ctx *c) WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2);
WEIR_API weir_sem *weir_sem_new_at(const weir_site *site, weir_ctx *c,
                                   uint32_t permits) WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2);
WEIR_API weir_cond *weir_cond_new_at(const weir_site *site,
                                     weir_ctx *c) WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2);
WEIR_API weir_wait_group *weir_wait_group_new_at(const weir_site *site,
                                                 weir_ctx *c) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(2);
WEIR_API weir_once *weir_once_new_at(const weir_site *site,
                                     weir_ctx *c) WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2);

/**
 * Locks; the lock belongs to `c` until weir_unlock or the end of `c`. May be held across waits.
 *
 * returns  WEIR_OK; -EDEADLK when this fiber holds it already; the reason when `c` is cancelled;
 *          WEIR_ECLOSED, -ENOMEM
 * context  fiber; may wait, up to the deadline of `c`
 */
#define weir_lock(c, m) weir_lock_at(WEIR_HERE, (c), (m))
/** The function behind weir_lock. */
WEIR_API weir_err weir_lock_at(const weir_site *site, weir_ctx *c, weir_mutex *m) WEIR_MUST_USE
    WEIR_NONNULL(2, 3);

/** Locks without waiting: -EAGAIN when somebody, or this fiber, holds it. Else as weir_lock. */
#define weir_trylock(c, m) weir_trylock_at(WEIR_HERE, (c), (m))
/** The function behind weir_trylock. */
WEIR_API weir_err weir_trylock_at(const weir_site *site, weir_ctx *c, weir_mutex *m) WEIR_MUST_USE
    WEIR_NONNULL(2, 3);

/**
 * Unlocks, which gives it to the first that waits. Does not wait. Misuse, panics, unless it was
 * locked with this very `c`.
 */
WEIR_API void weir_unlock(weir_ctx *c, weir_mutex *m) WEIR_NONNULL(1, 2);

/**
 * Takes one permit; it belongs to `c` until weir_sem_release or the end of `c`.
 *
 * returns  WEIR_OK; the reason when `c` is cancelled; WEIR_ECLOSED, -ENOMEM
 * context  fiber; may wait, up to the deadline of `c`
 */
#define weir_sem_acquire(c, s) weir_sem_acquire_at(WEIR_HERE, (c), (s))
/** The function behind weir_sem_acquire. */
WEIR_API weir_err weir_sem_acquire_at(const weir_site *site, weir_ctx *c, weir_sem *s) WEIR_MUST_USE
    WEIR_NONNULL(2, 3);

/** Takes a permit without waiting: -EAGAIN when there is none. Else as weir_sem_acquire. */
#define weir_sem_try_acquire(c, s) weir_sem_try_acquire_at(WEIR_HERE, (c), (s))
/** The function behind weir_sem_try_acquire. */
WEIR_API weir_err weir_sem_try_acquire_at(const weir_site *site, weir_ctx *c,
                                          weir_sem *s) WEIR_MUST_USE WEIR_NONNULL(2, 3);

/**
 * Gives the permit back that `c` took last; misuse, panics, when it has none: also when it was
 * taken with a context above or below. Does not wait.
 */
WEIR_API void weir_sem_release(weir_ctx *c, weir_sem *s) WEIR_NONNULL(1, 2);

/**
 * Unlocks `m`, waits for a signal, locks `m` again (when cancelled under a shield of 10 s, past
 * which it panics), so that the caller always holds it afterwards. Wake-ups may be spurious: wait
 * in a loop over what is waited for.
 *
 * returns  WEIR_OK; the reason, with `m` locked; WEIR_ECLOSED, -ENOMEM
 * errors   `c` does not hold `m`: misuse, panics
 * context  fiber; waits, up to the deadline of `c`
 */
WEIR_API weir_err weir_cond_wait(weir_ctx *c, weir_cond *cond, weir_mutex *m) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);
/** Wakes the first that waits, or all. Nothing when nobody does. Any fiber; does not wait. */
WEIR_API void weir_cond_signal(weir_ctx *c, weir_cond *cond) WEIR_NONNULL(1, 2);
WEIR_API void weir_cond_broadcast(weir_ctx *c, weir_cond *cond) WEIR_NONNULL(1, 2);

/**
 * Adds to the number of things in progress and wakes who waits when it comes to zero. Below zero,
 * and past 2^31 - 1, is misuse and panics. Any fiber; does not wait.
 */
WEIR_API void weir_wait_group_add(weir_ctx *c, weir_wait_group *g, int32_t delta)
    WEIR_NONNULL(1, 2);
/** One thing less in progress: weir_wait_group_add with -1. */
static inline void weir_wait_group_done(weir_ctx *c, weir_wait_group *g)
{
    weir_wait_group_add(c, g, -1);
}
/**
 * Waits until nothing is in progress.
 *
 * returns  WEIR_OK, at once when nothing is; the reason; WEIR_ECLOSED, -ENOMEM
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API weir_err weir_wait_group_wait(weir_ctx *c, weir_wait_group *g) WEIR_MUST_USE
    WEIR_NONNULL(1, 2);

/**
 * Calls `fn(c, arg)` unless that was done before; who comes meanwhile waits. When it fails or
 * panics, the next caller tries again, one of those who wait first.
 *
 * arg      given to `fn` during the call, and not kept; NULL is allowed
 * returns  WEIR_OK when it is done; what `fn` returned to this caller; the reason; -EDEADLK from
 *          within `fn` itself; WEIR_ECLOSED, -ENOMEM
 * context  fiber; may wait, up to the deadline of `c`, and in `fn`
 */
WEIR_API weir_err weir_once_do(weir_ctx *c, weir_once *once, weir_err (*fn)(weir_ctx *c, void *arg),
                               void *arg) WEIR_MUST_USE WEIR_NONNULL(1, 2, 3);

#ifdef __cplusplus
}
#endif
#endif
