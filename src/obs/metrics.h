/*
 * The page /metrics, piece by piece: each function appends the families of one thing. The
 * application adds those of rooms that this one may not see (pools, databases).
 */
#ifndef WEIR_OBS_METRICS_H
#define WEIR_OBS_METRICS_H

#include "http/server.h"
#include "rt/runtime.h"
#include "watch/foreign.h"
#include "web/web.h"
#include <weir/buf.h>

/* Connections, requests, responses by class, time-outs, bytes. */
void weir__metrics_http(const struct weir__http_server *s, weir_buf *out);

/*
 * Requests by route, method and class of status, latency by route: what weir_mw_metrics has
 * counted.
 */
void weir__metrics_routes(const struct weir__web *web, weir_buf *out);

/* Log lines written and dropped. */
void weir__metrics_log(weir_buf *out);

/* Workers, fibers, contexts, stacks, the offload pool, leaks by kind and place, panics. */
void weir__metrics_runtime(struct weir__runtime *rt, weir_buf *out);

/*
 * The longest that a fiber of a request, or one that was started by the program, has been waiting.
 * Fiber; waits.
 */
void weir__metrics_longest_wait(struct weir__ctx *c, weir_dur patience, weir_buf *out);

/* Descriptors that were opened behind the runtime's back. */
void weir__metrics_foreign(const struct weir__foreign *f, weir_buf *out);

/*
 * Memory, processor time, descriptors, start, by the names that Prometheus' own libraries use; and
 * what the heap holds.
 */
void weir__metrics_process(weir_buf *out);

#endif
