/*
 * Log lines. A line is one JSON object: time (UTC, milliseconds), level, msg, at (file:line) and,
 * where there is a request, trace_id, request_id and route. In a service writing one never waits
 * for the disk: lines go to a ring of 1 MiB that a thread empties; when it is full a line is
 * dropped and counted (debug and info already when it is four fifths full). Before a worker has
 * logged, after the end and in simulated tests, who logs writes. They go to standard error.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How much a line matters. Lines below the application's log_level (info) are not written. */
typedef enum weir_log_level {
    WEIR_LOG_DEBUG,
    WEIR_LOG_INFO,
    WEIR_LOG_WARN,
    WEIR_LOG_ERROR
} weir_log_level;

/**
 * Writes a log line.
 *
 * c        may be NULL: then the line says nothing of a request
 * level    a weir_log_level
 * ...      printf format and values: the message, made during the call. Any bytes: they are
 *          escaped
 * context  any thread; with a `c`, on its worker: where there are no fibers `c` is left alone, and
 *          the line says nothing of the request. Does not wait
 */
#define weir_log(c, level, ...) weir_log_at(WEIR_HERE, (c), (level), __VA_ARGS__)
/** The function behind weir_log. Lines are at most 4 KiB; the rest is cut and marked. */
WEIR_API void weir_log_at(const weir_site *site, weir_ctx *c, weir_log_level level,
                          const char *format, ...) WEIR_PRINTF(4, 5) WEIR_NONNULL(4);

/**
 * Has `see(line, arg)` called with each line from now on, besides writing it: for a page that shows
 * what was said last. One at a time; NULL ends it.
 *
 * see      gets the line without its line end, borrowed for the call. Runs wherever a line is
 *          written, one call at a time, while others wait for it: it copies what it wants, and must
 *          neither wait nor log
 * arg      kept, not copied: must live until another call has returned
 * context  anywhere; when it returns the one before is no longer called. Does not wait
 */
WEIR_API void weir_log_watch(void (*see)(weir_str line, void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
