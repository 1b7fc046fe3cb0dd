/*
 * When a shard's entries are to be given back: a ring of lists, each of a step of time. Putting in
 * and taking out cost a few stores; what is due is found without a look at the rest. Pure: who has
 * it says what time it is.
 */
#ifndef WEIR_DATA_CACHE_EXPIRY_H
#define WEIR_DATA_CACHE_EXPIRY_H

#include <stdint.h>

#include "base/list.h"
#include <weir/time.h>

enum { WEIR__EXPIRY_STEPS = 64 };

struct weir__expiring {
    struct weir__list link; /* of its step; weir__list_init before it is put in */
    weir_time at;           /* from then on it is over */
};

struct weir__expiry {
    int64_t step_ns;
    int64_t swept; /* the step in which time was when it was last asked what is due */
    struct weir__list steps[WEIR__EXPIRY_STEPS]; /* weir__expiring.link */
};

/* For times up to `longest` ahead: half the ring is for those, so a sweep may be late. */
void weir__expiry_init(struct weir__expiry *x, weir_dur longest, weir_time now);

void weir__expiry_add(struct weir__expiry *x, struct weir__expiring *e);

/* Idempotent. */
static inline void weir__expiry_remove(struct weir__expiring *e)
{
    weir__list_remove(&e->link);
}

/*
 * One that is over, taken out; NULL: there is none whose step is over. `*looks` are those that it
 * may look at, counted down; at 0 it is NULL too, and goes on there next time.
 */
struct weir__expiring *weir__expiry_due(struct weir__expiry *x, weir_time now, uint32_t *looks);

#endif
