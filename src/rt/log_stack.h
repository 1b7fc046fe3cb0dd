/*
 * The member `stack` of log lines: who was called by whom, named.
 */
#ifndef WEIR_RT_LOG_STACK_H
#define WEIR_RT_LOG_STACK_H

#include "os/symbol.h"
#include "rt/log.h"

/*
 * Adds "stack" to a line that was begun: what weir__symbolise_stack makes of it, cut after 3,000
 * bytes. Allocates nothing by itself; as safe in a signal's handler as `name` is.
 */
void weir__log_stack(struct weir__log_line *l, void (*name)(void *pc, weir_buf *out),
                     void *const *pcs, size_t n, bool is_interrupted);

#endif
