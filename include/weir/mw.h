/*
 * Stock middleware, for weir_use and groups. In any order, each at most once in a chain; the usual
 * one is
 *
 *     weir_use(app, weir_mw_recover, weir_mw_request_id, weir_mw_log, weir_mw_metrics);
 *
 * A time limit is no middleware but an option of groups and routes: `.timeout = weir_sec(2)`.
 */
#ifndef WEIR_MW_H
#define WEIR_MW_H

#include <weir/route.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Turns a panic below it into WEIR_EPANIC, which the middleware above see as an error and the
 * client as 500. (Without it a panic costs no more than its request either, but unwinds the
 * middleware too.)
 */
WEIR_API weir_err weir_mw_recover(weir_ctx *c) WEIR_MUST_USE WEIR_NONNULL(1);

/**
 * Writes an access log line when the response is complete, was cut, or never came: method, path,
 * route, status (499: the client was gone), latency, bytes, request id, client, and the reason
 * ("ok", "error", "panic", "timeout", "client gone").
 */
WEIR_API weir_err weir_mw_log(weir_ctx *c) WEIR_MUST_USE WEIR_NONNULL(1);

/**
 * Gives the request an id: the client's X-Request-Id when it is sane (1 to 64 letters, digits, '-',
 * '_', '.', ':'), else 128 random bits in hexadecimal. It is in log lines, in weir_request_id, and
 * goes back as a header.
 */
WEIR_API weir_err weir_mw_request_id(weir_ctx *c) WEIR_MUST_USE WEIR_NONNULL(1);

/** Counts requests by route and status, and their latency, for /metrics. */
WEIR_API weir_err weir_mw_metrics(weir_ctx *c) WEIR_MUST_USE WEIR_NONNULL(1);

#ifdef __cplusplus
}
#endif
#endif
