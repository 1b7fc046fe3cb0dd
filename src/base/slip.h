/*
 * A slip that the language allows: `.timeout = 5` fills the one member of a weir_dur, and is 5
 * nanoseconds. No time-out of a service is under a millisecond, so one that is says what was meant.
 * Compilers say so too (-Wmissing-braces, in -Wall of gcc and clang), where they are asked.
 */
#ifndef WEIR_BASE_SLIP_H
#define WEIR_BASE_SLIP_H

#include <weir/time.h>

static inline bool weir__dur_is_slip(weir_dur d)
{
    return d.ns > 0 && d.ns < 1000000;
}

/* For printf: "timeout" WEIR__SLIP_FMT, WEIR__SLIP_ARG(d). */
#define WEIR__SLIP_FMT                                                                             \
    " is %lld ns, less than a millisecond: write weir_ms(%lld) when that many milliseconds are "   \
    "meant"
#define WEIR__SLIP_ARG(d) (long long)(d).ns, (long long)(d).ns

#endif
