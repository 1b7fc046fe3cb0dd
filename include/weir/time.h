/*
 * Durations and points in time. Both are structs of one field, so that a number of milliseconds
 * cannot be passed where a point in time, or a count of something else, is meant.
 */
#ifndef WEIR_TIME_H
#define WEIR_TIME_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A length of time in nanoseconds. Zero means "the default" in option structs. Made by weir_ms(5)
 * and the like; a plain 5 in an option is 5 ns, which -Wmissing-braces (in -Wall) tells of, and
 * which is refused at the start or told in the log, as each option says.
 */
typedef struct weir_dur {
    int64_t ns;
} weir_dur;

/** A point in monotonic time, in nanoseconds since an arbitrary start (CLOCK_MONOTONIC). */
typedef struct weir_time {
    int64_t ns;
} weir_time;

/** The point in time that never comes: no deadline. */
static inline weir_time weir_never(void)
{
    weir_time t = {INT64_MAX};
    return t;
}

/** `n` times a unit in nanoseconds; held at the largest duration (292 years), or the smallest. */
static inline weir_dur weir_dur_of(int64_t n, int64_t unit_ns)
{
    weir_dur d;
    if (__builtin_mul_overflow(n, unit_ns, &d.ns))
        d.ns = n < 0 ? INT64_MIN : INT64_MAX;
    return d;
}

/** For options that are time-outs: none. */
static inline weir_dur weir_no_timeout(void)
{
    weir_dur d = {-1};
    return d;
}

/** `n` nanoseconds, microseconds, milliseconds, seconds, minutes, hours. */
static inline weir_dur weir_ns(int64_t n)
{
    return weir_dur_of(n, 1);
}
static inline weir_dur weir_us(int64_t n)
{
    return weir_dur_of(n, 1000);
}
static inline weir_dur weir_ms(int64_t n)
{
    return weir_dur_of(n, 1000000);
}
static inline weir_dur weir_sec(int64_t n)
{
    return weir_dur_of(n, 1000000000);
}
static inline weir_dur weir_min(int64_t n)
{
    return weir_dur_of(n, 60000000000LL);
}
static inline weir_dur weir_hour(int64_t n)
{
    return weir_dur_of(n, 3600000000000LL);
}

/** `t` plus `d`, held at weir_never(), and at the earliest point that there is. */
static inline weir_time weir_time_add(weir_time t, weir_dur d)
{
    weir_time r;
    if (__builtin_add_overflow(t.ns, d.ns, &r.ns))
        r.ns = d.ns < 0 ? INT64_MIN : INT64_MAX;
    return r;
}

/** The duration from `from` to `to`; below zero when `to` is earlier. */
static inline weir_dur weir_time_sub(weir_time to, weir_time from)
{
    weir_dur d;
    if (__builtin_sub_overflow(to.ns, from.ns, &d.ns))
        d.ns = to.ns < 0 ? INT64_MIN : INT64_MAX;
    return d;
}

/** True when `a` lies before `b`. */
static inline bool weir_time_before(weir_time a, weir_time b)
{
    return a.ns < b.ns;
}

/** The earlier of two points in time. */
static inline weir_time weir_time_min(weir_time a, weir_time b)
{
    return a.ns < b.ns ? a : b;
}

#ifdef __cplusplus
}
#endif
#endif
