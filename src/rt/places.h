/*
 * Counts of what goes wrong, by kind and place, and which of them are told: a bug in a hot handler
 * makes thousands of the same a second, and a line with its stack is dear.
 */
#ifndef WEIR_RT_PLACES_H
#define WEIR_RT_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/ctx.h>

#include "os/lock.h"

#define WEIR__PLACES_MAX 512

struct weir__place {
    const char *kind;      /* static */
    const weir_site *site; /* or, where there is none: */
    const void *pc;        /* an address that stands for the place */
    uint64_t count;
    uint64_t untold; /* since the last that was told */
};

/* Zeroed is a valid one. */
struct weir__places {
    struct weir__lock lock;
    struct weir__place places[WEIR__PLACES_MAX]; /* most recent last */
    size_t place_count;
    uint64_t total, untold_total;
    int64_t second; /* of the clock, for which `lines` counts */
    unsigned lines;
    uint64_t untold; /* of all places, since the last that was told */
};

struct weir__untold {
    uint64_t here, elsewhere; /* not told since the last line of this place; of any */
};

/*
 * Counts one; true when it is to be told: the first of each place, and ten more of each second.
 * `untold` gets how many were not. Any thread.
 */
bool weir__places_count(struct weir__places *p, const char *kind, const weir_site *site,
                        const void *pc, struct weir__untold *untold);

/* How many there were, and how many were not told. */
uint64_t weir__places_total(struct weir__places *p, uint64_t *untold);

#endif
