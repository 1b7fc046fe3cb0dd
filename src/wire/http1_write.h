/*
 * Writes the head of an HTTP/1.1 response, or of a request, into a window of bytes that the caller
 * has. A writer is sticky: what does not fit, or may not be sent, is not written, nothing after it
 * is either, and `err` says so at the end; so a head is checked once. The caller owns the window.
 *
 * The usual head is four copies: weir__http1_write_start (status line and Date), a type, a length.
 */
#ifndef WEIR_WIRE_HTTP1_WRITE_H
#define WEIR_WIRE_HTTP1_WRITE_H

#include "wire/date.h"
#include "wire/http_status.h"
#include <stdint.h>
#include <weir/str.h>

struct weir__http1_writer {
    char *at;     /* the next byte goes here */
    char *end;    /* one past the window */
    weir_err err; /* WEIR_ETOOLARGE: full; WEIR_EINVALID: a name or value that may not be sent */
};

/* A ready "Date: …\r\n", made anew when the second changes. One per worker. Zeroed is "none
 * yet". */
struct weir__http1_date {
    int64_t second;
    uint32_t len;  /* 37; 0 before the first update */
    char line[44]; /* the line itself is 37 bytes */
};

/* Brings the line to `seconds` (Unix, UTC); does nothing when it is that already. */
void weir__http1_date_update(struct weir__http1_date *d, int64_t seconds);

static inline void weir__http1_writer_init(struct weir__http1_writer *w, char *window, size_t size)
{
    w->at = window;
    w->end = window + size;
    w->err = WEIR_OK;
}

/* The status line, then the date line if `d` is not NULL. */
void weir__http1_write_start(struct weir__http1_writer *w, int status,
                             const struct weir__http1_date *d);

/* The same with a reason phrase of the caller's (checked) or for a status that has no entry. */
void weir__http1_write_start_custom(struct weir__http1_writer *w, int status, weir_str reason,
                                    const struct weir__http1_date *d);

/*
 * The request line and the Host line of a request. All three are checked (RFC 9112 sections 3 and
 * 3.2): the method is a token; the target is one that a head is read with, of visible ASCII without
 * '#'; the host is "name", "name:port", "[v6]:port", or empty for what has none (a local socket).
 */
void weir__http1_write_request(struct weir__http1_writer *w, weir_str method, weir_str target,
                               weir_str host);

/* Its line alone, for who knows that his host is good: Host follows. Both are checked. */
void weir__http1_write_request_line(struct weir__http1_writer *w, weir_str method, weir_str target);

/* "name: value\r\n". Both are checked: a name is a token, a value has no CR, LF, NUL or control. */
void weir__http1_write_field(struct weir__http1_writer *w, weir_str name, weir_str value);

/* "name: value\r\n" of parts that are known to be good (constants; values that were checked
 * before). */
void weir__http1_write_field_trusted(struct weir__http1_writer *w, weir_str name, weir_str value);

/* "Content-Length: n\r\n". */
void weir__http1_write_length(struct weir__http1_writer *w, uint64_t n);

/* Bytes as they are: a ready line ("Connection: close\r\n"), a body. */
void weir__http1_write_raw(struct weir__http1_writer *w, weir_str bytes);

/* The blank line that ends the head. */
static inline void weir__http1_write_end(struct weir__http1_writer *w)
{
    weir__http1_write_raw(w, WEIR_S("\r\n"));
}

/* The blank line after "Content-Length: n\r\n" in one go: the usual end of a head. */
void weir__http1_write_length_end(struct weir__http1_writer *w, uint64_t n);

/* Decimal digits of n, no NUL; returns their number (1 to 20). */
size_t weir__http1_digits(char out[20], uint64_t n);

#endif
