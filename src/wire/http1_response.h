/*
 * The head of an HTTP/1.x response, for clients: bytes in, offsets out, as strict as requests are
 * read (http1_head.h), with the same limits. Where the response ends is decided here, once (RFC
 * 9112 section 6.3), and refused when two readers could disagree about it: what a client takes for
 * the next response on a connection must be the answer to its next request, and to nobody else's.
 *
 * A response may be preceded by interim ones (1xx): the caller reads on behind each.
 */
#ifndef WEIR_WIRE_HTTP1_RESPONSE_H
#define WEIR_WIRE_HTTP1_RESPONSE_H

#include "wire/http1_head.h"

/* What is only wrong with a response; all else is an enum weir__http1_error. */
enum weir__http1_response_error {
    WEIR_HTTP1_ESTATUSLINE = -1500,
    WEIR_HTTP1_ESTATUSVERSION,
    WEIR_HTTP1_ESTATUSCODE,
    WEIR_HTTP1_ESTATUSLONG,
    WEIR_HTTP1_RESPONSE_ERROR_END
};

/* A parsed head. Of `head` what is a request's alone stays absent. */
struct weir__http1_response {
    uint8_t asked;                 /* enum weir__http_method of the request, given */
    bool is_until_close;           /* the body ends where the connection does */
    bool is_tunnel;                /* a CONNECT that was granted: no HTTP follows */
    uint16_t status;               /* 100 to 999 */
    struct weir__http_span reason; /* may be empty */
    /* fields, slots, body, content_length (of HEAD and 304: told, no body follows), keep_alive,
     * upgrade, minor, nfields */
    struct weir__http_head head;
};

/* Makes `r` ready for the next head, of a response to a request with that method. */
static inline void weir__http1_response_init(struct weir__http1_response *r,
                                             enum weir__http_method asked)
{
    r->asked = (uint8_t)asked;
    r->is_until_close = r->is_tunnel = false;
    r->status = 0;
    r->reason = (struct weir__http_span){0, 0};
    weir__http_head_init(&r->head);
}

/*
 * Parses the head at the start of buf, as weir__http1_head_parse does: > 0 its bytes, 0 not
 * complete yet, < 0 an error; the connection is of no use after one.
 */
int weir__http1_response_parse(struct weir__http1_response *r, const char *buf, size_t len,
                               const struct weir__http_limits *limits);

/* A constant text about an error, such as "both Content-Length and Transfer-Encoding". */
const char *weir__http1_response_error_text(int err);

#endif
