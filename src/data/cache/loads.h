/*
 * Which fibers of the process are loading something for a cache, and which of them wait for
 * another's load meanwhile: so that who would wait for itself is told, over any number of fibers
 * and caches. Touched by misses alone.
 */
#ifndef WEIR_DATA_CACHE_LOADS_H
#define WEIR_DATA_CACHE_LOADS_H

#include <stdbool.h>

#include "base/list.h"

struct weir__fiber;

/* Embedded in a flight, which stays while anybody waits for it. Zeroed: nobody loads it. */
struct weir__cache_loading {
    struct weir__list link; /* of its fiber's bucket */
    const struct weir__fiber *fiber;
    const struct weir__cache_loading *awaits; /* what that fiber waits for; NULL: nothing */
};

/* `fiber` loads it from now on, and waits for it no more. Any worker. */
void weir__loading_begin(struct weir__cache_loading *l, const struct weir__fiber *fiber);
void weir__loading_end(struct weir__cache_loading *l);

/*
 * `fiber`, the calling one, is to wait for `l`. False: it would wait for itself, and must not.
 */
bool weir__loading_await(const struct weir__cache_loading *l, const struct weir__fiber *fiber);
/* It waits no more. */
void weir__loading_go_on(const struct weir__fiber *fiber);

/* Who loads it now; NULL: nobody. */
const struct weir__fiber *weir__loading_fiber(const struct weir__cache_loading *l);

#endif
