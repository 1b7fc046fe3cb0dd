/*
 * The head of a request as values, whatever version of HTTP it came by: its method, its target and
 * its fields are spans of one piece of text, so nothing is copied and the text may move. HTTP/1's
 * parser finds them where they were received (http1_head.h); HTTP/2 lays them out from what it has
 * unpacked.
 */
#ifndef WEIR_WIRE_HTTP_HEAD_H
#define WEIR_WIRE_HTTP_HEAD_H

#include "wire/http_field.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/str.h>

#define WEIR_HTTP_FIELDS_MAX 100
#define WEIR_HTTP_HEAD_BYTES_MAX 65535 /* offsets have 16 bits */

/* What a head may cost. Zero members mean the default; larger than the hard maxima is cut to
 * them. */
struct weir__http_limits {
    uint32_t head_bytes_max; /* request line and headers, blank line included; default 16 KiB */
    uint32_t line_bytes_max; /* the request line without its CRLF; default 8 KiB */
    uint32_t fields_max;     /* header lines; default and maximum WEIR_HTTP_FIELDS_MAX */
};

enum weir__http_method {
    WEIR_HTTP_OTHER, /* a well-formed token that is none of these: method_token has it */
    WEIR_HTTP_GET,
    WEIR_HTTP_HEAD,
    WEIR_HTTP_POST,
    WEIR_HTTP_PUT,
    WEIR_HTTP_DELETE,
    WEIR_HTTP_PATCH,
    WEIR_HTTP_OPTIONS,
    WEIR_HTTP_CONNECT,
    WEIR_HTTP_TRACE,
    WEIR_HTTP_METHOD_COUNT
};

/* The form of the request target, RFC 9112 section 3.2. */
enum weir__http_form {
    WEIR_HTTP_ORIGIN,    /* /path?query */
    WEIR_HTTP_ABSOLUTE,  /* http://host/path?query */
    WEIR_HTTP_AUTHORITY, /* host:port, CONNECT only */
    WEIR_HTTP_ASTERISK   /* *, OPTIONS only */
};

/* How the body's end is found. A request without either header has no body. */
enum weir__http_body {
    WEIR_HTTP_BODY_NONE,
    WEIR_HTTP_BODY_LENGTH, /* content_length bytes; may be 0 */
    WEIR_HTTP_BODY_UNSIZED /* its end is told when it comes: chunks, or the end of a stream */
};

/* A part of the head. Length 0 with offset 0 is absent. */
struct weir__http_span {
    uint16_t off;
    uint16_t len;
};

struct weir__http_line {
    struct weir__http_span name;
    struct weir__http_span value; /* without the blanks around it */
    uint16_t id;                  /* enum weir__http_field_id */
};

/* A head. Members before `fields` are what init clears; `fields` has `nfields` valid ones. */
struct weir__http_head {
    uint64_t content_length; /* of BODY_LENGTH; else 0 */

    /* of HTTP/1 alone: how far its parser is, and what is said of the connection */
    uint16_t line;    /* where the first unparsed line begins … */
    uint16_t scanned; /* … and up to where it is known to hold no line end */
    uint8_t stage;    /* 0 request line, 1 fields, 2 done */
    uint8_t minor;    /* 0 or 1: the 1.x that rules this exchange */
    bool keep_alive;  /* the client wants the connection kept */
    bool upgrade;     /* "Connection: upgrade", an Upgrade field, 1.1 and no body: may be granted */

    uint8_t method; /* enum weir__http_method */
    uint8_t form;   /* enum weir__http_form */
    uint8_t body;   /* enum weir__http_body */
    uint8_t nfields;
    bool expect_continue; /* it waits for 100 before it sends its body */
    bool path_is_plain;   /* no '%' in the path: segments need no decoding */
    bool has_query;       /* a '?' was there, maybe with nothing after it */
    bool has_port;
    bool is_https;                       /* the target was an absolute https: URL */
    uint16_t port;                       /* of host, when has_port */
    struct weir__http_span method_token; /* as sent */
    struct weir__http_span target;       /* as sent */
    struct weir__http_span path;         /* absent for AUTHORITY, ASTERISK and "http://host" */
    struct weir__http_span query;        /* after the '?' */
    struct weir__http_span host;         /* without port; of the target if absolute, else of Host */
    uint8_t slots[WEIR_FIELD_COUNT];     /* by id: 1 + index of the first such field; 0 is none */
    struct weir__http_line fields[WEIR_HTTP_FIELDS_MAX];
};

/* Makes `h` ready for the next head. Cheap: the fields are not touched. */
static inline void weir__http_head_init(struct weir__http_head *h)
{
    /* In two parts, each small enough for the compiler to write as stores instead of a string
     * operation. */
    memset(h, 0, offsetof(struct weir__http_head, slots));
    memset(h->slots, 0, sizeof h->slots);
}

/* A span as a string; {NULL, 0} when it is absent. `buf` is the start of the head, wherever it
 * is now. */
static inline weir_str weir__http_head_str(const char *buf, struct weir__http_span s)
{
    weir_str str = {(s.off | s.len) != 0 ? buf + s.off : NULL, s.len};
    return str;
}

/* The path as sent, still percent-encoded; "/" for "http://host", "*" for OPTIONS *; absent for
 * CONNECT. */
weir_str weir__http_head_path(const struct weir__http_head *h, const char *buf);

/* The value of the first field with this id; absent when there is none. */
static inline weir_str weir__http_head_field(const struct weir__http_head *h, const char *buf,
                                             enum weir__http_field_id id)
{
    unsigned slot = h->slots[id];
    weir_str none = {NULL, 0};
    if (slot == 0)
        return none;
    struct weir__http_span v = h->fields[slot - 1].value;
    weir_str value = {buf + v.off, v.len};
    return value;
}

/* The index of the first field of that name (any case) at or after `from`; -1 when there is
 * none. For fields that may come several times, go on from the index + 1. */
int weir__http_head_find(const struct weir__http_head *h, const char *buf, weir_str name, int from);

/* Name and value of field i (below nfields), as sent. */
static inline weir_str weir__http_head_name(const struct weir__http_head *h, const char *buf,
                                            unsigned i)
{
    weir_str name = {buf + h->fields[i].name.off, h->fields[i].name.len};
    return name;
}

static inline weir_str weir__http_head_value(const struct weir__http_head *h, const char *buf,
                                             unsigned i)
{
    weir_str value = {buf + h->fields[i].value.off, h->fields[i].value.len};
    return value;
}

/* "GET" …; "" for WEIR_HTTP_OTHER. */
weir_str weir__http_method_name(enum weir__http_method m);

/* The method of a token, case-sensitive as methods are; WEIR_HTTP_OTHER when it is none of
 * ours. */
enum weir__http_method weir__http_method_of(weir_str token);

#endif
