/* Time-outs of calls at run time that are under a millisecond: see base/slip.h. */
#ifndef WEIR_RT_SLIP_H
#define WEIR_RT_SLIP_H

#include "base/slip.h"
#include "rt/context.h"

void weir__slip_tell(const weir_site *site, const struct weir__ctx *c, const char *option,
                     weir_dur d);

/*
 * Looks at the value of an option ("weir_ctx_open: .timeout"); a slip is a warning in the log, once
 * for each place. It is no error: what is left of a deadline may well be that short.
 */
static inline void weir__slip_look(const weir_site *site, const struct weir__ctx *c,
                                   const char *option, weir_dur d)
{
    if (WEIR_UNLIKELY(weir__dur_is_slip(d)))
        weir__slip_tell(site, c, option, d);
}

#endif
