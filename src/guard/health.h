/*
 * Whether a target (a host of an upstream, a replica) is up: what probes and calls have found, held
 * against thresholds. So many failures in a row take it out, so many successes of probes in a row
 * bring it back, with little at first.
 *
 * An ejector knows the members of a group by their calls alone, and forgives by time; a health is
 * one target's, and who is down comes back when a probe has found it well. Both may be asked about
 * one target (balance.h). One prober, on one worker, makes the probes; calls are reported from all.
 */
#ifndef WEIR_GUARD_HEALTH_H
#define WEIR_GUARD_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include <weir/time.h>

/* What is all of a target's share (balance.h, ejector.h). */
#define WEIR__HEALTH_SHARE_FULL 1000

/* 0 is the default in each. Durations are a day at most. */
struct weir__health_options {
    uint32_t fall;           /* failures in a row take it out (3) */
    uint32_t rise;           /* successes in a row bring it back (2) */
    weir_dur interval;       /* between two probes (5 s) */
    weir_dur fast;           /* the same while a row is begun and not complete (interval / 4) */
    uint32_t jitter_percent; /* of it, either way; 1 to 100 (10) */
    weir_dur slow_start;     /* from a tenth of its share to all of it; below 0: at once (30 s) */
};

/* The caller's storage; a zeroed one has been up for ever. */
struct weir__health {
    _Atomic int64_t up_since;  /* INT64_MAX: it is down */
    _Atomic uint32_t failures; /* in a row, while it is up */
    uint32_t successes;        /* in a row, of probes, while it is down; the prober's alone */
};

/* Fills in the defaults. Out of its bounds is a mistake of the caller's: an assertion (H4). */
void weir__health_options_settle(struct weir__health_options *o);

/* Begins it: up, with all of its share; or down, until probes have found it well. */
void weir__health_init(struct weir__health *h, bool is_up);

/*
 * How a probe went. True: it is up now, or down, and was not before. The prober's thread; `o` is
 * settled, here and below.
 */
bool weir__health_probed(struct weir__health *h, const struct weir__health_options *o, bool is_ok,
                         weir_time now);

/*
 * How a call went. True: it is down by this. What is reported while it is down was begun before,
 * and does not count. Any thread.
 */
bool weir__health_called(struct weir__health *h, const struct weir__health_options *o, bool is_ok);

/*
 * How long until the next probe: the interval, spread by the jitter, so that those of many targets
 * and processes do not meet. The prober's thread.
 */
weir_dur weir__health_wait(const struct weir__health *h, const struct weir__health_options *o,
                           struct weir__random *random);

/* And until the first one: anywhere in the first interval. */
weir_dur weir__health_first_wait(const struct weir__health_options *o, struct weir__random *random);

/*
 * How much of its share it is to get, in thousandths: 0 while it is down, from a tenth to all,
 * straight with time, after it was. Any thread.
 */
uint32_t weir__health_share(const struct weir__health *h, const struct weir__health_options *o,
                            weir_time now);

#endif
