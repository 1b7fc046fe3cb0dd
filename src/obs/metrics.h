/*
 * The page /metrics: whatever the rooms have added to a registry, the program's own, and what must
 * be asked for when the page is made.
 */
#ifndef WEIR_OBS_METRICS_H
#define WEIR_OBS_METRICS_H

#include "base/metric.h"
#include "rt/context.h"

/*
 * Appends the page; the buffer's error is sticky. Each worker is asked for the longest wait of a
 * fiber of the program; one that does not answer within `patience` is counted as stuck. Fiber;
 * waits.
 */
void weir__metrics_page(struct weir__metrics *m, struct weir__ctx *c, weir_dur patience,
                        weir_buf *out);

#endif
