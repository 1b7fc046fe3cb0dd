/*
 * What conditions need of mutexes.
 */
#ifndef WEIR_SYNC_MUTEX_H
#define WEIR_SYNC_MUTEX_H

#include "rt/context.h"
#include <weir/sync.h>

/* Panics unless `c` holds `m`, a handle; returns where it was locked. */
const weir_site *weir__mutex_must_hold(const struct weir__ctx *c, const weir_mutex *m,
                                       const char *function);

#endif
