/*
 * The chunked transfer coding, both ways. The decoder is a state machine that may be fed any split
 * of the bytes; it copies nothing: data comes out as views of what was fed. It is strict about what
 * separates chunks, because that is where two readers of one connection come apart: CRLF only, a
 * size of bare hex digits, CRLF after the data (RFC 9112 section 7.1, erratum 7633).
 */
#ifndef WEIR_WIRE_CHUNKED_H
#define WEIR_WIRE_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/str.h>

#define WEIR_CHUNKED_EXT_BYTES_MAX 4096     /* default: all extensions of one body together */
#define WEIR_CHUNKED_TRAILER_BYTES_MAX 8192 /* default: the trailer section, line ends included */

enum weir__chunked_event {
    WEIR_CHUNKED_MORE,          /* all that was fed is used up; feed more */
    WEIR_CHUNKED_DATA,          /* `out` has body bytes */
    WEIR_CHUNKED_TRAILER,       /* `out` has bytes of the trailer section; keep or ignore them */
    WEIR_CHUNKED_END,           /* the body is complete; what follows `used` is the next request */
    WEIR_CHUNKED_ESIZE = -2000, /* errors, all 400 and close, from here on */
    WEIR_CHUNKED_ESIZELONG,
    WEIR_CHUNKED_EEXT,
    WEIR_CHUNKED_EEXTLONG, /* too many extension bytes: 400 as well */
    WEIR_CHUNKED_ELINEEND,
    WEIR_CHUNKED_EDATAEND,
    WEIR_CHUNKED_ETRAILER,
    WEIR_CHUNKED_ETRAILERLONG, /* 431 */
    WEIR_CHUNKED_ERROR_END
};

/* A decoder. All its state is here: it may be copied, and dropped at any time. */
struct weir__chunked {
    uint64_t left; /* of the chunk at hand; while its size is read: the size so far */
    uint32_t ext_bytes_left;
    uint32_t trailer_bytes_left;
    uint8_t state;
    uint8_t digits;
    int16_t err; /* sticky */
};

/* Makes a decoder; a maximum of 0 means the default. */
void weir__chunked_init(struct weir__chunked *d, uint32_t ext_bytes_max,
                        uint32_t trailer_bytes_max);

/*
 * Decodes from `in`, advancing it past what was used. Call until it says MORE, END or an error:
 *
 *     while ((event = weir__chunked_next(&d, &in, &out)) == WEIR_CHUNKED_DATA ||
 *            event == WEIR_CHUNKED_TRAILER)
 *         if (event == WEIR_CHUNKED_DATA)
 *             use(out);
 *
 * out      a view of `in`'s bytes for DATA and TRAILER; may be shorter than its chunk
 * returns  enum weir__chunked_event; after END it stays END, after an error that error
 */
int weir__chunked_next(struct weir__chunked *d, weir_str *in, weir_str *out);

/*
 * Decodes in place: what is in buf[0..*len) becomes body bytes at the front, *len their number, and
 * *used the number of bytes taken (all unless END). Trailers are checked and dropped.
 * Returns MORE, END or an error.
 */
int weir__chunked_compact(struct weir__chunked *d, char *buf, size_t *len, size_t *used);

/* Status (400 or 431) and text of an error. */
int weir__chunked_error_status(int err);
const char *weir__chunked_error_text(int err);

/* The next name and value of a trailer section that was collected from TRAILER events and is
 * complete. False at the end. */
bool weir__trailer_next(weir_str *rest, weir_str *name, weir_str *value);

#define WEIR_CHUNK_HEAD_MAX 18 /* 16 digits and CRLF */
#define WEIR_CHUNK_TAIL "\r\n"
#define WEIR_CHUNK_LAST "0\r\n\r\n" /* the last chunk with an empty trailer section */

/* Writes the head of a chunk of `size` bytes (more than 0: a chunk of 0 ends the body) and
 * returns its length. The data and WEIR_CHUNK_TAIL follow. */
size_t weir__chunk_head(char out[WEIR_CHUNK_HEAD_MAX], uint64_t size);

/* The same, but right before `data`, for writers that left WEIR_CHUNK_HEAD_MAX bytes free in
 * front of it. Returns where the head begins. */
char *weir__chunk_head_before(char *data, uint64_t size);

#endif
