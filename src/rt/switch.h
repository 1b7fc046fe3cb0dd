/*
 * The switch between stacks, with what the sanitizers must be told about it: from a worker into a
 * fiber, back, and from one fiber directly to another.
 */
#ifndef WEIR_RT_SWITCH_H
#define WEIR_RT_SWITCH_H

#include "base/sanitizer.h"
#include "os/arch.h"
#include "rt/worker.h"

/*
 * The sanitizers are told before a stack is left, and on the stack that was arrived at. NULL as a
 * fiber is the worker's own stack.
 */
void weir__switch_leaves(struct weir__worker *w, struct weir__fiber *from, struct weir__fiber *to)
    __attribute__((cold));
void weir__switch_arrives(struct weir__worker *w, struct weir__fiber *f) __attribute__((cold));

/* The worker's side: runs `f` until it parks or ends. */
static inline void weir__switch_to_fiber(struct weir__worker *w, struct weir__fiber *f)
{
    if (WEIR_UNLIKELY(weir__tells_switches))
        weir__switch_leaves(w, NULL, f);
    weir__switch(&w->sched_sp, f->sp);
    if (WEIR_UNLIKELY(weir__tells_switches))
        weir__switch_arrives(w, NULL);
}

/* Called first thing on a fiber's stack, at its very beginning and after each return to it. */
static inline void weir__switch_arrived(struct weir__fiber *f)
{
    if (WEIR_UNLIKELY(weir__tells_switches))
        weir__switch_arrives(NULL, f);
}

/* From a fiber back to its worker's own stack; returns when the fiber is resumed. */
static inline void weir__switch_to_worker(struct weir__worker *w, struct weir__fiber *f)
{
    if (WEIR_UNLIKELY(weir__tells_switches))
        weir__switch_leaves(w, f, NULL);
    weir__switch(&f->sp, w->sched_sp);
    weir__switch_arrived(f);
}

/* From a fiber to another of the same worker; returns when the first is resumed. */
static inline void weir__switch_between(struct weir__fiber *from, struct weir__fiber *to)
{
    if (WEIR_UNLIKELY(weir__tells_switches))
        weir__switch_leaves(from->worker, from, to);
    weir__switch(&from->sp, to->sp);
    weir__switch_arrived(from);
}

#endif
