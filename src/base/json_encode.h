/*
 * Writing JSON as a stream: into a window of bytes that the sink gives, and gives anew when it is
 * full. So a response buffer is written to directly, and a slow reader suspends the writer.
 */
#ifndef WEIR_BASE_JSON_ENCODE_H
#define WEIR_BASE_JSON_ENCODE_H

#include <weir/json.h>

/* The least room, in bytes, that a window must have after a flush. */
enum { WEIR__JSON_WINDOW_MIN = 64 };

/*
 * A writer. The caller sets start = at, end and flush (and sink), all else zero. `flush` takes the
 * bytes from `start` to `at` and sets all three to a window of at least WEIR__JSON_WINDOW_MIN
 * bytes; it may wait. Its error sticks: later writes do nothing. When writing is over the bytes
 * from `start` to `at` are the caller's to take.
 */
struct weir__json_writer {
    char *start, *at, *end;
    weir_err (*flush)(struct weir__json_writer *w);
    void *sink;
    weir_err err;
    uint32_t depth;
    uint64_t has_items; /* a bit for each open level: a comma is due */
    bool after_key;
    char scratch[WEIR__JSON_WINDOW_MIN]; /* a window for sinks that have less room than that */
};

/* A whole struct as an object, at the place where a value is due. */
void weir__json_write_model(struct weir__json_writer *w, const weir_model *model,
                            const void *object);

/*
 * Pieces, for what has no model. Commas and colons come by themselves; keys only in objects.
 * Nesting past WEIR_JSON_DEPTH_MAX or an `end` too many is WEIR_EINVALID, sticky.
 */
void weir__json_begin_object(struct weir__json_writer *w);
void weir__json_end_object(struct weir__json_writer *w);
void weir__json_begin_array(struct weir__json_writer *w);
void weir__json_end_array(struct weir__json_writer *w);
void weir__json_key(struct weir__json_writer *w, weir_str key);
void weir__json_string(struct weir__json_writer *w, weir_str s); /* absent: null */
void weir__json_int(struct weir__json_writer *w, int64_t v);
void weir__json_uint(struct weir__json_writer *w, uint64_t v);
void weir__json_double(struct weir__json_writer *w, double v); /* not finite: null */
void weir__json_bool(struct weir__json_writer *w, bool v);
void weir__json_null(struct weir__json_writer *w);

/* Bytes as they are, at the place where a value is due: JSON made elsewhere. */
void weir__json_raw(struct weir__json_writer *w, weir_str json);

/* A writer into a growing buffer; `fini` adds what is still in the window, returns the error. */
void weir__json_writer_init_buf(struct weir__json_writer *w, weir_buf *b);
weir_err weir__json_writer_fini_buf(struct weir__json_writer *w);

#endif
