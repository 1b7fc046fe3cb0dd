/*
 * The head of an HTTP/1.x request: bytes in, offsets out, strict. Everything that decides where
 * this request ends and the next one begins is decided here, once, and refused when two readers
 * could disagree about it (RFC 9112 sections 2, 3, 5, 6; request smuggling).
 *
 * Results are offsets into the buffer that was given, so it may move between calls and afterwards.
 * A head that comes in pieces is not read twice: the caller passes the same bytes and more, and `h`
 * remembers how far it has got. An error does not depend on how the bytes were split.
 */
#ifndef WEIR_WIRE_HTTP1_HEAD_H
#define WEIR_WIRE_HTTP1_HEAD_H

#include "wire/http_field.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/str.h>

#define WEIR_HTTP1_FIELDS_MAX 100
#define WEIR_HTTP1_HEAD_BYTES_MAX 65535 /* offsets have 16 bits */

/* What a head may cost. Zero members mean the default; larger than the hard maxima is cut to
 * them. */
struct weir__http1_limits {
    uint32_t head_bytes_max; /* request line and headers, blank line included; default 16 KiB */
    uint32_t line_bytes_max; /* the request line without its CRLF; default 8 KiB */
    uint32_t fields_max;     /* header lines; default and maximum WEIR_HTTP1_FIELDS_MAX */
};

enum weir__http1_method {
    WEIR_HTTP1_OTHER, /* a well-formed token that is none of these: method_token has it */
    WEIR_HTTP1_GET,
    WEIR_HTTP1_HEAD,
    WEIR_HTTP1_POST,
    WEIR_HTTP1_PUT,
    WEIR_HTTP1_DELETE,
    WEIR_HTTP1_PATCH,
    WEIR_HTTP1_OPTIONS,
    WEIR_HTTP1_CONNECT,
    WEIR_HTTP1_TRACE,
    WEIR_HTTP1_METHOD_COUNT
};

/* The form of the request target, RFC 9112 section 3.2. */
enum weir__http1_form {
    WEIR_HTTP1_ORIGIN,    /* /path?query */
    WEIR_HTTP1_ABSOLUTE,  /* http://host/path?query */
    WEIR_HTTP1_AUTHORITY, /* host:port, CONNECT only */
    WEIR_HTTP1_ASTERISK   /* *, OPTIONS only */
};

/* How the body's end is found. A request without either header has no body. */
enum weir__http1_body {
    WEIR_HTTP1_BODY_NONE,
    WEIR_HTTP1_BODY_LENGTH, /* content_length bytes; may be 0 */
    WEIR_HTTP1_BODY_CHUNKED
};

/* Why a head was refused; each has a status and a text, and ends the connection. */
enum weir__http1_error {
    WEIR_HTTP1_EBARELF = -1000, /* 400 from here on */
    WEIR_HTTP1_EBARECR,
    WEIR_HTTP1_ECONTROL,
    WEIR_HTTP1_EMETHOD,
    WEIR_HTTP1_EREQUESTLINE,
    WEIR_HTTP1_ETARGET,
    WEIR_HTTP1_ETARGETFORM,
    WEIR_HTTP1_EPATHPERCENT,
    WEIR_HTTP1_EPATHNUL,
    WEIR_HTTP1_EPATHDOTS,
    WEIR_HTTP1_EAUTHORITY,
    WEIR_HTTP1_EVERSIONFORM,
    WEIR_HTTP1_EFOLD,
    WEIR_HTTP1_ENOCOLON,
    WEIR_HTTP1_ENAMEEMPTY,
    WEIR_HTTP1_ENAMESPACE,
    WEIR_HTTP1_ENAME,
    WEIR_HTTP1_ENOHOST,
    WEIR_HTTP1_EHOSTTWICE,
    WEIR_HTTP1_EHOST,
    WEIR_HTTP1_ELENGTHTWICE,
    WEIR_HTTP1_ELENGTH,
    WEIR_HTTP1_ELENGTHANDCODING,
    WEIR_HTTP1_ECODINGTWICE,
    WEIR_HTTP1_ECODING,
    WEIR_HTTP1_ECODINGIN10,
    WEIR_HTTP1_ELINELONG,      /* 414 */
    WEIR_HTTP1_EEXPECT,        /* 417 */
    WEIR_HTTP1_EHEADLONG,      /* 431 */
    WEIR_HTTP1_EFIELDS,        /* 431 */
    WEIR_HTTP1_ECODINGUNKNOWN, /* 501 */
    WEIR_HTTP1_EVERSION09,     /* 505 */
    WEIR_HTTP1_EVERSION2,      /* 505: the HTTP/2 preface */
    WEIR_HTTP1_EVERSION,       /* 505 */
    WEIR_HTTP1_ERROR_END
};

/* A part of the head. Length 0 with offset 0 is absent. */
struct weir__http1_span {
    uint16_t off;
    uint16_t len;
};

struct weir__http1_field {
    struct weir__http1_span name;
    struct weir__http1_span value; /* without the blanks around it */
    uint16_t id;                   /* enum weir__http_field_id */
};

/* A parsed head. Members before `fields` are what init clears; `fields` has `nfields` valid
 * ones. */
struct weir__http1_head {
    uint64_t content_length; /* of BODY_LENGTH; else 0 */
    uint16_t line;           /* progress: where the first unparsed line begins … */
    uint16_t scanned;        /* … and up to where it is known to hold no line end */
    uint8_t stage;           /* progress: 0 request line, 1 fields, 2 done */
    uint8_t method;          /* enum weir__http1_method */
    uint8_t form;            /* enum weir__http1_form */
    uint8_t body;            /* enum weir__http1_body */
    uint8_t minor;           /* 0 or 1: the 1.x that rules this exchange */
    uint8_t nfields;
    bool keep_alive;      /* the client wants the connection kept */
    bool expect_continue; /* it waits for 100 before it sends its body */
    bool upgrade; /* "Connection: upgrade", an Upgrade field, 1.1 and no body: may be granted */
    bool path_is_plain; /* no '%' in the path: segments need no decoding */
    bool has_query;     /* a '?' was there, maybe with nothing after it */
    bool has_port;
    bool is_https;                        /* the target was an absolute https: URL */
    uint16_t port;                        /* of host, when has_port */
    struct weir__http1_span method_token; /* as sent */
    struct weir__http1_span target;       /* as sent */
    struct weir__http1_span path;         /* absent for AUTHORITY, ASTERISK and "http://host" */
    struct weir__http1_span query;        /* after the '?' */
    struct weir__http1_span host;    /* without port; of the target if absolute, else of Host */
    uint8_t slots[WEIR_FIELD_COUNT]; /* by id: 1 + index of the first such field; 0 is none */
    struct weir__http1_field fields[WEIR_HTTP1_FIELDS_MAX];
};

/* Makes `h` ready for the next head. Cheap: the fields are not touched. */
static inline void weir__http1_head_init(struct weir__http1_head *h)
{
    /* In two parts, each small enough for the compiler to write as stores instead of a string
     * operation. */
    memset(h, 0, offsetof(struct weir__http1_head, slots));
    memset(h->slots, 0, sizeof h->slots);
}

/*
 * Parses the head at the start of buf. `buf` holds the connection's bytes from the first of this
 * request on: each call passes all of them, the earlier ones unchanged.
 *
 * returns  > 0: bytes of the head, blank line included; after it the body, or the next request
 *          0: the head is not complete, come back with more bytes
 *          < 0: enum weir__http1_error; answer with its status and close
 * limits   NULL means all defaults
 */
int weir__http1_head_parse(struct weir__http1_head *h, const char *buf, size_t len,
                           const struct weir__http1_limits *limits);

/* The response status of an error (400, 414, 417, 431, 501, 505) and a constant text about it, such
 * as "space before the colon of a header". */
int weir__http1_error_status(int err);
const char *weir__http1_error_text(int err);

/* A span as a string; {NULL, 0} when it is absent. `buf` is the start of the head, wherever it
 * is now. */
static inline weir_str weir__http1_str(const char *buf, struct weir__http1_span s)
{
    weir_str str = {(s.off | s.len) != 0 ? buf + s.off : NULL, s.len};
    return str;
}

/* The path as sent, still percent-encoded; "/" for "http://host", "*" for OPTIONS *; absent for
 * CONNECT. */
weir_str weir__http1_path(const struct weir__http1_head *h, const char *buf);

/* The value of the first field with this id; absent when there is none. */
static inline weir_str weir__http1_field(const struct weir__http1_head *h, const char *buf,
                                         enum weir__http_field_id id)
{
    unsigned slot = h->slots[id];
    weir_str none = {NULL, 0};
    if (slot == 0)
        return none;
    struct weir__http1_span v = h->fields[slot - 1].value;
    weir_str value = {buf + v.off, v.len};
    return value;
}

/* The index of the first field of that name (any case) at or after `from`; -1 when there is
 * none. For fields that may come several times, go on from the index + 1. */
int weir__http1_field_find(const struct weir__http1_head *h, const char *buf, weir_str name,
                           int from);

/* Name and value of field i (below nfields), as sent. */
static inline weir_str weir__http1_field_name(const struct weir__http1_head *h, const char *buf,
                                              unsigned i)
{
    weir_str name = {buf + h->fields[i].name.off, h->fields[i].name.len};
    return name;
}

static inline weir_str weir__http1_field_value(const struct weir__http1_head *h, const char *buf,
                                               unsigned i)
{
    weir_str value = {buf + h->fields[i].value.off, h->fields[i].value.len};
    return value;
}

/* "GET" …; "" for WEIR_HTTP1_OTHER. */
weir_str weir__http1_method_name(enum weir__http1_method m);

/* The method of a token, case-sensitive as methods are; WEIR_HTTP1_OTHER when it is none of
 * ours. */
enum weir__http1_method weir__http1_method_of(weir_str token);

#endif
