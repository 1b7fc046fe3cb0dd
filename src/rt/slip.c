/*
 * Telling of time-outs without a unit, each place once: a call that is made for every request would
 * fill the log. Owns the table of places, for the life of the process; past its end none is told.
 */
#include "rt/slip.h"

#include <stdio.h>

#include "base/assert.h"
#include "os/lock.h"
#include "rt/log.h"

enum { PLACES_MAX = 64 };

static struct {
    struct weir__lock lock;
    const weir_site *places[PLACES_MAX];
    size_t count;
} told;

/* True for a place that was not told of; it is now. */
static bool is_new(const weir_site *site)
{
    weir__lock_take(&told.lock);
    WEIR_ASSERT(told.count <= PLACES_MAX, "K2: no more places than there are entries for");
    bool is_known = told.count == PLACES_MAX;
    for (size_t i = 0; i < told.count && !is_known; i++)
        is_known = told.places[i] == site;
    if (!is_known)
        told.places[told.count++] = site;
    weir__lock_give(&told.lock);
    return !is_known;
}

void weir__slip_tell(const weir_site *site, const struct weir__ctx *c, const char *option,
                     weir_dur d)
{
    struct weir__log_line l;
    char text[256];
    if (!weir__log_wants(WEIR_LOG_WARN) || !is_new(site))
        return;
    int n = snprintf(text, sizeof text, "%s" WEIR__SLIP_FMT, option, WEIR__SLIP_ARG(d));
    WEIR_ASSERT(n > 0 && n < (int)sizeof text, "K3: what is told of a slip is a line's text");
    weir__log_begin(&l, WEIR_LOG_WARN, (weir_str){text, (size_t)n}, site, c);
    weir__log_end(&l);
}
