/*
 * Which members of a group (hosts of an upstream, replicas of a database) are left alone for a
 * while, because their calls fail: those with so many failures in a row at once, those with too
 * large a share of failures at the end of a window. Each time it is for longer; never are more than
 * a share of the group out; and who comes back gets little at first.
 *
 * One ejector a group, for all workers. The caller picks members by weight, makes the call, and
 * reports how it went. A report is plain adds in the worker's own cells, and for a failure one
 * atomic add; a weight is one load. Who finds that something is to be decided does it under a lock
 * that nobody waits for. Coming back needs nobody: it is a point in time that passes. Why it is
 * done so: docs/design/guard.md.
 */
#ifndef WEIR_GUARD_EJECTOR_H
#define WEIR_GUARD_EJECTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "os/lock.h"
#include <weir/time.h>

#define WEIR__EJECTOR_MEMBERS_MAX 1024
#define WEIR__EJECTOR_WEIGHT_FULL 1000

/* For `failures_in_row` and `failure_percent`: nobody is ejected for that. */
#define WEIR__EJECT_NEVER UINT32_MAX

/* 0 is the default in each. Durations are a day at most. */
struct weir__ejector_options {
    uint32_t failures_in_row; /* so many eject at once (5) */
    uint32_t failure_percent; /* such a share of a window's calls ejects at its end (85) */
    uint32_t calls_min;       /* fewer in a window say nothing (50) */
    uint32_t out_percent_max; /* of the members, 1 to 100; of a share, whole members (50) */
    weir_dur window;          /* (10 s) */
    weir_dur out_time;        /* the first time; the second twice as long, … (30 s) */
    weir_dur out_time_max;    /* (300 s, or out_time) */
    weir_dur slow_start;      /* from a tenth of the weight to all of it; below 0: at once (30 s) */
};

enum weir__ejector_cause {
    WEIR__EJECTED_NOT,
    WEIR__EJECTED_FOR_ROW,   /* failures one after the other */
    WEIR__EJECTED_FOR_SHARE, /* too many of a window's calls */
};

/* A worker's counts of a member: it alone writes, who decides reads. */
struct weir__ejector_tally {
    struct weir__counter successes;
    struct weir__counter failures;
};

struct weir__ejector_member {
    _Alignas(64) _Atomic int64_t until; /* out before this point in time, slow after it */
    _Atomic uint32_t in_row;            /* failures since the last success */
    /* What follows is changed under the lock. */
    uint32_t times;     /* out_time was taken so many times at the last ejection */
    uint64_t ejections; /* ever */
    enum weir__ejector_cause cause;
    int32_t share;           /* of failures, in thousandths, in the window that is judged */
    uint64_t seen_successes; /* sums over the workers when the window began */
    uint64_t seen_failures;
};

struct weir__ejector {
    struct weir__ejector_options o; /* without zeroes */
    uint32_t members, workers;
    uint32_t times_max;                  /* beyond it nothing gets longer */
    size_t row;                          /* tallies of a worker, filled up to whole cache lines */
    struct weir__ejector_tally *tallies; /* [workers][row] */
    _Alignas(64) _Atomic int64_t judge_at;
    struct weir__lock lock;
    struct weir__counter spared; /* had earned it, but enough are out; written under the lock */
    struct weir__ejector_member of[];
};

/*
 * An ejector for members 0 to `members` - 1 and workers 0 to `workers` - 1, nobody being out; or
 * NULL: no memory. The caller's, who gives it to weir__ejector_free (NULL is nothing) when no
 * worker uses it any more. A group whose members change gets a new one: see weir__ejector_carry.
 */
struct weir__ejector *weir__ejector_new(const struct weir__ejector_options *o, uint32_t members,
                                        uint32_t workers, weir_time now);
void weir__ejector_free(struct weir__ejector *e);

/*
 * How a call to `member` went. What is a failure the caller knows: no connection, no answer, an
 * answer that says that the server is in trouble; not one that says that the request was wrong.
 * Returns how many members were ejected by this, of which nearly always 0: which ones,
 * weir__ejector_read tells. What is reported of one that is out was begun before, and not counted.
 * The worker's own thread.
 */
uint32_t weir__ejector_report(struct weir__ejector *e, uint32_t worker, uint32_t member, bool is_ok,
                              weir_time now);

/*
 * How much of its share `member` is to get: 0 while it is out, WEIR__EJECTOR_WEIGHT_FULL as a rule,
 * and after it was out from a tenth of that to all, straight with time. Any thread.
 */
uint32_t weir__ejector_weight(const struct weir__ejector *e, uint32_t member, weir_time now);

/* What is known of a member. */
struct weir__ejector_view {
    uint32_t weight;
    weir_time until; /* where it was out, or is */
    uint64_t ejections;
    enum weir__ejector_cause cause; /* of the last */
    uint64_t successes, failures;   /* as they were counted, ever */
};

/* From any thread; not for each call, for it takes the lock. */
void weir__ejector_read(struct weir__ejector *e, uint32_t member, weir_time now,
                        struct weir__ejector_view *out);

/*
 * For a group that has changed, before the new ejector is shared. weir__ejector_carry: `member` is
 * who was `from_member` there, stays out as long, and is remembered; where no more of the new group
 * may be out it comes back now, as after the time. weir__ejector_enter: `member` is new in a group
 * that is at work, and gets little at first. Nothing is to be done for the members of a new group.
 */
void weir__ejector_carry(struct weir__ejector *e, uint32_t member, struct weir__ejector *from,
                         uint32_t from_member, weir_time now);
void weir__ejector_enter(struct weir__ejector *e, uint32_t member, weir_time now);

#endif
