/*
 * Log lines from the inside: fields by name, the sink, and what tests need. <weir/log.h> is the
 * simple way on top.
 */
#ifndef WEIR_RT_LOG_H
#define WEIR_RT_LOG_H

#include "rt/context.h"
#include <weir/buf.h>
#include <weir/log.h>

#define WEIR__LOG_LINE_MAX 4096 /* bytes a line, its end included */
#define WEIR__LOG_TIME_BYTES 24
#define WEIR__LOG_RING_BYTES (1u << 20) /* lines on their way to the writer */

/*
 * A line in the making, on the caller's stack: begin, any number of fields, end. What has no room
 * is cut and marked.
 */
struct weir__log_line {
    weir_log_level level;
    bool is_cut;
    weir_buf out;
    char bytes[WEIR__LOG_LINE_MAX];
};

/* True for lines that are not below the level; ask before making one. */
bool weir__log_wants(weir_log_level level);

/*
 * Time, level and message; with `site` (may be NULL) the place, with `c` (may be NULL) what it
 * works for.
 */
void weir__log_begin(struct weir__log_line *l, weir_log_level level, weir_str message,
                     const weir_site *site, const struct weir__ctx *c);
/* Fields. Keys are plain constants of the program; an absent string leaves the field out. */
void weir__log_str(struct weir__log_line *l, const char *key, weir_str value);
/* For a value of any length before others: of the line it takes `max` bytes, its end is cut. */
void weir__log_str_upto(struct weir__log_line *l, const char *key, weir_str value, size_t max);
void weir__log_int(struct weir__log_line *l, const char *key, int64_t value);
/* trace_id, request_id and route of whom a line is about; NULL: nothing. */
void weir__log_origin(struct weir__log_line *l, const struct weir__origin *o);
/* Hands the line on, unless it is below the level. Never waits. */
void weir__log_end(struct weir__log_line *l);

/*
 * Ends the line and writes it past the ring, at once: for signal handlers of a process that ends. A
 * sink that is full gets a second.
 */
void weir__log_last(struct weir__log_line *l);

/* Writes a point in time as RFC 3339 in UTC: 2026-01-31T23:59:59.123Z. From 1970 on. */
void weir__log_time(char out[WEIR__LOG_TIME_BYTES], int64_t unix_ms);

/* Lines below `least` are not written; INFO unless set. */
void weir__log_set_level(weir_log_level least);

/* Where lines go: standard error unless set. The descriptor stays the caller's. */
void weir__log_set_fd(int fd);

/*
 * Waits, blocking the thread, until what was logged so far has been written. False: not within
 * `patience`.
 */
bool weir__log_flush(weir_dur patience);

/*
 * Starts the writer; it starts by itself when a worker logs for the first time, but by then there
 * may be no thread to be had. Idempotent. -errno: who logs writes, and is held by a slow sink.
 */
weir_err weir__log_start(void);

/*
 * Flushes, and ends the writer; lines after that are written by who logs them. False: the sink did
 * not take everything within `patience`; the writer is left where it is, in the kernel, and lines
 * after that are dropped. A writer that waits for a processor, and not for its sink, is waited for
 * as long as that takes.
 */
bool weir__log_stop(weir_dur patience);

/*
 * Ends the line and waits for `patience` at most until it is written. For who ends the process by
 * force next: it is held by nobody, whatever others do.
 */
void weir__log_last_words(struct weir__log_line *l, weir_dur patience);

struct weir__log_stats {
    uint64_t lines, dropped; /* dropped: no room in the ring, or the sink refused */
    size_t bytes_waiting;
};
struct weir__log_stats weir__log_stats(void);

/* For tests: from now on lines are appended to `into` by who logs them; NULL ends that. */
void weir__log_capture(weir_buf *into);

/* For tests: the writer takes nothing from the ring until this is called with false. */
void weir__log_hold(bool hold);

#endif
