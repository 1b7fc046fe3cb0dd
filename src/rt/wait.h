/*
 * The one door of all waits. Whatever a fiber waits for, it parks in weir__park with a record that
 * says on what, since when and until when. Cancellation, time-outs, the fiber dump and the tests
 * that cancel a handler at each of its waits all work on that record.
 *
 * How an object lets fibers wait:
 *   1. weir__ctx_check: a cancelled context does not begin to wait;
 *   2. try; if it cannot be done, fill a weir__wait on the stack (weir__wait_init), link
 *      `in_object` into the object's queue (under the object's lock when workers share it);
 *   3. weir__park: returns what weir__wake gave, WEIR_ETIMEDOUT, or the reason.
 * Who takes a wait off the object's queue wakes it: the waker, or else the abort by deadline,
 * time-out or cancellation through `type->abandon`. Exactly one of them does (W1).
 */
#ifndef WEIR_RT_WAIT_H
#define WEIR_RT_WAIT_H

#include "base/list.h"
#include "rt/timer.h"
#include <weir/buf.h>
#include <weir/ctx.h>

struct weir__fiber;
struct weir__ctx;
struct weir__wait;

/* What is waited for; one static record a kind. */
struct weir__wait_type {
    const char *name; /* "chan recv", "pool", "sleep", "read" */
    /*
     * Takes `w` off the object's queue if it is still there; false when a waker was faster (its
     * wake is on the way then). NULL: `in_object` is a list of this worker alone.
     */
    bool (*abandon)(struct weir__wait *w);
    /* Appends details: "orders, 3rd in line". May be NULL. Runs on the waiting fiber's worker. */
    void (*describe)(const struct weir__wait *w, weir_buf *out);
    /*
     * Who waits so may hibernate (hibernate.h): all that reaches the wait are its context's list,
     * its timer and what `moved` sets. Called when `w`, with all around it a copy of what is around
     * `from`, waits in its place. NULL: it must stay where it is.
     */
    void (*moved)(struct weir__wait *w, struct weir__wait *from);
    /*
     * Both NULL where no other thread reaches the wait. Before it is moved: takes the object's
     * lock; false, without it: somebody has taken the wait, which must stay. And the other way.
     */
    bool (*hold)(struct weir__wait *w);
    void (*let_go)(void *object);
    /*
     * `w` is back on its stack, woken, and has the result; the rest of what was told to `from`
     * meanwhile, and links that still lead there, are to be taken over. NULL: there are none.
     */
    void (*returned)(struct weir__wait *w, struct weir__wait *from);
    /*
     * Can nobody end this wait but the fibers that work in the tree below `top` (deadlock.h)? On
     * the waiting fiber's worker. NULL: something outside can.
     */
    bool (*is_stuck)(const struct weir__wait *w, const struct weir__ctx *top);
    bool has_limit; /* its own time-out is a limit that ends in an error, no step of the program */
    /*
     * Where that was made what is waited for, of kinds that may never come to an end by themselves:
     * a request that waits so, without a deadline, is reported. NULL: it is not.
     */
    const weir_site *(*made)(const struct weir__wait *w);
};

/* For `abandon` of waits that only their waker ends, soon: a cancellation leaves them alone. */
bool weir__wait_never_abandoned(struct weir__wait *w);

/* How long a wait without a deadline lasts before it is reported. */
#define WEIR__WAIT_ENDLESS_NS 60000000000LL

struct weir__wait {
    const struct weir__wait_type *type;
    struct weir__fiber *fiber;
    struct weir__ctx *ctx;
    struct weir__list in_ctx;    /* weir__ctx.waits */
    struct weir__list in_object; /* the object's queue */
    struct weir__timer timer;    /* armed when the wait has a time-out of its own */
    weir_time since, until;
    const weir_site *site; /* who waits; may be NULL */
    void *object;
    weir_err result;
};

/* Prepares `w` for the running fiber. `site` may be NULL. */
void weir__wait_init(struct weir__wait *w, const struct weir__wait_type *type,
                     struct weir__ctx *ctx, const weir_site *site, void *object);

/*
 * Parks the running fiber until weir__wake, `until` (weir_never() for none), the deadline or
 * cancellation.
 */
weir_err weir__park(struct weir__wait *w, weir_time until);

/*
 * Makes the fiber of `w` go on with `result`. The caller has taken `w` off its queue. From any
 * worker.
 */
void weir__wake(struct weir__wait *w, weir_err result);

/*
 * The same for a `w` of which only the fiber may still be touched after another worker was told:
 * sets nothing but the result, which is what weir__wake does too. Takes the first waiter of a queue
 * and wakes it; false if none.
 */
bool weir__wake_first(struct weir__list *queue, weir_err result);

/* Ends the wait with `reason` unless a waker was faster. On the fiber's own worker. */
void weir__wait_abort(struct weir__wait *w, weir_err reason);

/*
 * How a wait ends that has failed without waiting: with `err`, but the others have had their turn,
 * so that a loop which does not look at it keeps its worker from nobody. The thousandth in a row
 * panics its fiber, which would go on for ever. For every public function that may wait.
 */
weir_err weir__wait_refused(weir_err err);

/* The same for a function that must not let others run: it is counted, no more. */
weir_err weir__call_refused(weir_err err);

/*
 * The same for what keeps its first error, so that a program need not look each time (a stream, a
 * transaction): the others have their turn, and it is the hundred thousandth that panics.
 */
weir_err weir__later_refused(weir_err err);

/*
 * For tests: has this limit been reached, though it has not? Asked wherever load is refused that
 * another moment would have let in: further fibers, background work, timers, who subscribes,
 * offloaded calls, who stands in line for a pool. `limit` names it.
 */
extern _Thread_local uint64_t weir__refuse_countdown;
bool weir__refuse_now(const char *limit);
static inline bool weir__is_refused(const char *limit)
{
    return WEIR_UNLIKELY(weir__refuse_countdown != 0) && weir__refuse_now(limit);
}

/* The calling thread's `nth` next question is answered so; 0 switches that off. Who is told. */
void weir__refuse_nth(uint64_t nth);
void weir__refuse_tell_planned(void (*told)(const char *limit));

/*
 * Waits that the calling thread has begun so far in contexts that may be cancelled (not in a
 * worker's root, nor in the application's); the cancel-everywhere tests count in it.
 */
uint64_t weir__wait_count(void);

/*
 * The calling thread's `nth` next wait of those finds its context cancelled (reason CALLER); 0
 * switches that off.
 */
void weir__wait_cancel_nth(uint64_t nth);

/*
 * From now on `told` hears of the wait that was planned, before it is cancelled; false: it is not
 * cancelled, `told` has done something else to it. NULL: nobody hears.
 */
void weir__wait_tell_planned(bool (*told)(struct weir__wait *w));

#endif
