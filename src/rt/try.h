/*
 * A recovery point: where a panic ends. It is in the way of every request, so the part that
 * nothing befell is inline.
 */
#ifndef WEIR_RT_TRY_H
#define WEIR_RT_TRY_H

#include "rt/panic.h"
#include "rt/worker.h"

/* Calls `fn(arg)`; 0 when it returned. Otherwise see os/switch_x86_64.S and its twins. */
uintptr_t weir__try_raw(void (*fn)(void *arg), void *arg, struct weir__catch *k);

/* What is left to do when `fn` did not just return. */
bool weir__try_ended(const struct weir__catch *k, uintptr_t result, struct weir__panic_info *info);

/*
 * Calls `fn(arg)`. True when it returned; false when it panicked, and `*info` (may be NULL) says
 * how. The fibers of the contexts that it opened are joined before a panic unwinds a frame; a scope
 * that it has left by a longjmp makes it one that panicked (scope.h).
 */
static inline bool weir__try(void (*fn)(void *arg), void *arg, struct weir__panic_info *info)
{
    struct weir__worker *w = weir__self;
    struct weir__fiber *f = w->current;
    struct weir__catch k;
    k.outer = f->catcher;
    k.seq = w->next_ctx_seq;
    f->catcher = &k;
    uintptr_t result = weir__try_raw(fn, arg, &k);
    f->catcher = k.outer;
    if (WEIR_LIKELY(result == 0 && f->scope == NULL))
        return true;
    return weir__try_ended(&k, result, info);
}

#endif
