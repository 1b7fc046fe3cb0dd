/*
 * Timers of one worker: an intrusive hierarchical wheel with a tick of one millisecond. Arming and
 * disarming are a few stores, because almost no timer ever fires.
 */
#ifndef WEIR_RT_TIMER_H
#define WEIR_RT_TIMER_H

#include <stdint.h>

#include "base/list.h"
#include <weir/time.h>

#define WEIR__WHEEL_BITS 6
#define WEIR__WHEEL_SLOTS (1 << WEIR__WHEEL_BITS)
#define WEIR__WHEEL_LEVELS 8 /* 64^8 ms: more than a weir_time can say, so nothing overflows */

/* Embedded in its owner. Zeroed memory is not a valid timer: weir__timer_init. */
struct weir__timer {
    struct weir__list link;
    int64_t tick; /* when it is due, in ticks since the clock's start */
    void (*fire)(struct weir__timer *t);
};

struct weir__wheel {
    int64_t tick;                          /* all before it has fired */
    int64_t first;                         /* no occupied slot begins before it */
    const struct weir__list *first_slot;   /* the one that begins there, unless it is empty */
    uint64_t occupied[WEIR__WHEEL_LEVELS]; /* a bit a slot; may be set for an empty one */
    struct weir__list slots[WEIR__WHEEL_LEVELS][WEIR__WHEEL_SLOTS]; /* weir__timer.link */
};

static inline void weir__timer_init(struct weir__timer *t, void (*fire)(struct weir__timer *t))
{
    weir__list_init(&t->link);
    t->fire = fire;
}

static inline bool weir__timer_armed(const struct weir__timer *t)
{
    return !weir__list_empty(&t->link);
}

/* Idempotent. */
static inline void weir__timer_disarm(struct weir__timer *t)
{
    weir__list_remove(&t->link);
}

void weir__wheel_init(struct weir__wheel *w, weir_time now);

/* Fires at `at` or up to one tick later, never earlier. Re-arms an armed one. */
void weir__timer_arm(struct weir__wheel *w, struct weir__timer *t, weir_time at);

/*
 * Fires all that is due at `now`. A timer is disarmed before it fires and may be armed again in it.
 */
void weir__wheel_advance(struct weir__wheel *w, weir_time now);

/* When the next timer is due (never early, possibly before it really is); weir_never() if none. */
weir_time weir__wheel_next(struct weir__wheel *w);

#endif
