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

#include "wire/http_head.h"

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

/*
 * Parses the head at the start of buf. `buf` holds the connection's bytes from the first of this
 * request on: each call passes all of them, the earlier ones unchanged.
 *
 * returns  > 0: bytes of the head, blank line included; after it the body, or the next request
 *          0: the head is not complete, come back with more bytes
 *          < 0: enum weir__http1_error; answer with its status and close
 * limits   NULL means all defaults
 */
int weir__http1_head_parse(struct weir__http_head *h, const char *buf, size_t len,
                           const struct weir__http_limits *limits);

/* The response status of an error (400, 414, 417, 431, 501, 505) and a constant text about it, such
 * as "space before the colon of a header". */
int weir__http1_error_status(int err);
const char *weir__http1_error_text(int err);

#endif
