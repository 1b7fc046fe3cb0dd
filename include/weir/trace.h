/*
 * Where a request stands in a distributed trace: W3C Trace Context Level 1
 * (https://www.w3.org/TR/trace-context-1/). A request that comes with a valid `traceparent` goes on
 * its caller's trace, any other begins one. Every log line of the request names it ("trace_id"),
 * those of its child fibers and detached work too, without the program's doing; these functions are
 * for handing it on to other services, and for showing it to who complains.
 *
 * The ids are those of one request: the same in all contexts below it and in what it detaches.
 */
#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H

#include <weir/ctx.h>
#include <weir/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The id of the trace: 32 lower-case hexadecimal digits.
 *
 * c        a request's context, one below it, or detached work's
 * returns  a text in the context's memory; absent in a context of no request (the application's, a
 *          test's), and when there is no memory left
 * limits   allocates 32 bytes
 * context  fiber; does not wait
 */
WEIR_API weir_str weir_trace_id(weir_ctx *c) WEIR_NONNULL(1);

/**
 * The id of this service's part of the trace, its span: 16 lower-case hexadecimal digits. Never the
 * caller's.
 *
 * c        as for weir_trace_id
 * returns  a text in the context's memory; absent as that of weir_trace_id
 * limits   allocates 16 bytes
 * context  fiber; does not wait
 */
WEIR_API weir_str weir_span_id(weir_ctx *c) WEIR_NONNULL(1);

/**
 * The value of the field `traceparent` for a request that this one makes to another service, so
 * that both are seen as one trace (section 3.2). It says "sampled" when the caller said so.
 *
 * c        as for weir_trace_id
 * returns  55 bytes in the context's memory; absent as that of weir_trace_id
 * limits   allocates 55 bytes
 * context  fiber; does not wait
 */
WEIR_API weir_str weir_traceparent(weir_ctx *c) WEIR_NONNULL(1);

#ifdef __cplusplus
}
#endif
#endif
