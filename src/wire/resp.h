/*
 * RESP, the protocol of Redis, in its versions 2 and 3, both directions
 * (https://redis.io/docs/reference/protocol-spec). A reply is first scanned as it comes, from any
 * split, each byte once; when it is whole it is read into values, which view its bytes. What is
 * flat is read without memory.
 *
 * Not taken: streamed texts and aggregates ("$?", "*?"), which no server sends.
 */
#ifndef WEIR_WIRE_RESP_H
#define WEIR_WIRE_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/buf.h>
#include <weir/redis_value.h>

#include "base/arena.h"

enum {
    WEIR__RESP_DEPTH_MAX = 16,        /* lists within lists, attributes among them */
    WEIR__RESP_LINE_MAX = 64 << 10,   /* bytes of a simple text or error */
    WEIR__RESP_NUMBER_MAX = 32 << 10, /* digits of a big number */
    WEIR__RESP_HEAD_MAX = 24          /* bytes of the longest length, with its type and end */
};

enum weir__resp_error {
    WEIR__RESP_ETYPE = -1,   /* a value begins with a byte that begins none */
    WEIR__RESP_ELINE = -2,   /* a line without its end, or too long */
    WEIR__RESP_ENUMBER = -3, /* a number that is none, or past its range */
    WEIR__RESP_ELENGTH = -4, /* a length below 0, or streamed */
    WEIR__RESP_EEND = -5,    /* behind a text there is no end of line */
    WEIR__RESP_EDEPTH = -6,
    WEIR__RESP_EITEMS = -7, /* more values than may be */
    WEIR__RESP_EBYTES = -8, /* more bytes than may be */
    WEIR__RESP_EVALUE = -9  /* a boolean, null or verbatim text that is none; a push within */
};

/* A constant text about an error. */
const char *weir__resp_error_text(int err);

struct weir__resp_limits {
    size_t bytes_max;   /* of a whole reply; at most 2 GiB */
    uint32_t items_max; /* values of it, nested ones included */
};

/* A reply as it comes. Zeroed by weir__resp_scan_init before each. */
struct weir__resp_scan {
    size_t at;      /* where the next value begins; all before it is known */
    size_t seen;    /* up to where its line has been searched */
    uint32_t items; /* values so far, and those that were promised */
    uint32_t depth;
    bool is_list;                            /* it is no flat value, or has attributes */
    uint32_t left[WEIR__RESP_DEPTH_MAX + 1]; /* values to come, at each depth */
};

void weir__resp_scan_init(struct weir__resp_scan *s);

/*
 * Looks at `len` bytes, of which those that were there before have not changed. Above 0: the reply
 * is whole, and has so many bytes; 0: it needs more; below: an error, and nothing more can be read.
 */
ptrdiff_t weir__resp_scan(struct weir__resp_scan *s, const struct weir__resp_limits *limits,
                          const char *bytes, size_t len);

/*
 * After weir__resp_scan returned 0: so many bytes, counted from the beginning, are missing at
 * least; what is known by then of the reply's length.
 */
size_t weir__resp_needs(const struct weir__resp_scan *s, const char *bytes, size_t len);

/*
 * Reads a whole reply, as it was scanned, into `*out`. Texts are views of its bytes, lists are in
 * the arena, which may be NULL for what is flat. False: no memory.
 */
WEIR_MUST_USE bool weir__resp_read(weir_str whole, struct weir__arena *arena,
                                   weir_redis_value *out);

/* --- writing ---------------------------------------------------------------------------------- */

/* A command begins: an array of so many words, each to be written next. */
void weir__resp_put_head(weir_buf *out, char type, uint64_t count);
void weir__resp_put_word(weir_buf *out, weir_str word);

/* A value, as a server sends it; in version 2 as what that has instead. */
void weir__resp_put(weir_buf *out, const weir_redis_value *v, bool is_resp3);

#endif
