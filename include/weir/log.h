/*
 * Log lines. A line is one JSON object with time, level, message, place and, where there is one, the request's id and
 * route. Writing one never waits for the disk: lines go to a ring of fixed size that a thread empties; when it is
 * full a line is dropped and counted.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How much a line matters. */
typedef enum weir_log_level {
    WEIR_LOG_DEBUG,
    WEIR_LOG_INFO,
    WEIR_LOG_WARN,
    WEIR_LOG_ERROR
} weir_log_level;

/**
 * Writes a log line.
 *
 * c        may be NULL: then the line has neither request id nor route
 * context  anywhere; does not wait
 */
#define weir_log(c, level, ...) weir_log_at(WEIR_HERE, (c), (level), __VA_ARGS__)
/** The function behind weir_log. Lines are at most 4 KiB; the rest is cut and marked. */
WEIR_API void weir_log_at(const weir_site *site, weir_ctx *c, weir_log_level level,
                          const char *format, ...) WEIR_PRINTF(4, 5);

#ifdef __cplusplus
}
#endif
#endif
