/*
 * How long to wait before it is tried again whether what was away is back: a share of how long it
 * has been away. So an outage is lengthened by that share at most: a restart of a second costs a
 * sixteenth of a second more, and what has been away for a night is not asked twenty times a
 * second. Waits that double with each try lengthen an outage by as much as it was long.
 *
 * A pure function of its arguments: the generator is the caller's, and so is the wait.
 */
#ifndef WEIR_BASE_OUTAGE_H
#define WEIR_BASE_OUTAGE_H

#include "base/random.h"
#include <weir/time.h>

#define WEIR__OUTAGE_SHARE 16

/*
 * A sixteenth of `away`, but no less than `least` and no more than `most`; half of that, and up to
 * as much again, each time as likely as any other, so that what has lost it together does not come
 * back together. None of them is below zero.
 */
static inline weir_dur weir__outage_pause(weir_dur away, weir_dur least, weir_dur most,
                                          struct weir__random *random)
{
    int64_t ns = away.ns / WEIR__OUTAGE_SHARE;
    ns = ns < least.ns ? least.ns : ns;
    ns = ns > most.ns ? most.ns : ns;
    return weir_ns(ns / 2 + (int64_t)weir__random_upto(random, (uint64_t)ns / 2));
}

#endif
