/*
 * All caches of the process: what /debug/caches and /metrics show of them.
 */
#ifndef WEIR_DATA_CACHE_LIST_H
#define WEIR_DATA_CACHE_LIST_H

#include <weir/buf.h>
#include <weir/cache.h>

struct weir__metrics;

/* Calls `fn` with the numbers of each, in the order in which they were made. Any thread. */
void weir__cache_each(void (*fn)(const weir_cache_stats *stats, void *arg), void *arg);

/* A line for each, and an array of objects. The buffer's error is sticky. */
void weir__caches_text(weir_buf *out);
void weir__caches_json(weir_buf *out);

void weir__cache_metrics(struct weir__metrics *to);

#endif
