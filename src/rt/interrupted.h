/*
 * The stack of what a signal has interrupted, read by the signal's handler.
 */
#ifndef WEIR_RT_INTERRUPTED_H
#define WEIR_RT_INTERRUPTED_H

#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

struct weir__fiber;

/*
 * Fills `pcs`: the interrupted instruction itself, then return addresses; the number. `f` is the
 * fiber that was interrupted; NULL: none. By unwind tables, through libraries without frame
 * pointers, or, where those lead nowhere or `is_quick`, by frame pointers within the bounds of the
 * fiber's stack. Signal-safe: no lock, no memory, after weir__interrupted_prepare.
 */
size_t weir__interrupted_stack(const ucontext_t *u, const struct weir__fiber *f, bool is_quick,
                               void **pcs, size_t max);

/* What the unwinder sets up once, before there are signals. */
void weir__interrupted_prepare(void);

#endif
