/*
 * Decoded fields of HTTP/2 laid out as a head: text, and spans into it, as HTTP/1's parser finds
 * them (wire/http_head.h), so that no room above sees a difference. Fields come one by one, as
 * HPACK yields them; each is checked as it comes (RFC 9113 sections 8.2 and 8.3), and what depends
 * on several is decided at the end.
 *
 * What a head may cost is ours to bound, for one byte on the wire may stand for kilobytes: fields
 * by number, crumbs of cookies included, and bytes with 32 more for each, as RFC 9113 section 6.5.2
 * counts them. Past a limit nothing is kept any more, but all is counted.
 */
#ifndef WEIR_HTTP_H2_FIELDS_H
#define WEIR_HTTP_H2_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/http_head.h"

#define WEIR__H2_FIELD_COST 32          /* counted with the bytes of each field */
#define WEIR__H2_FIELDS_BYTES_MAX 32768 /* of the limit: so all offsets have room */

/* Why a head is refused. A malformed message has no status: its stream is reset. */
enum weir__h2_fields_error {
    WEIR_H2_EPSEUDOLATE = -4000, /* malformed from here on: PROTOCOL_ERROR */
    WEIR_H2_EPSEUDOTWICE,
    WEIR_H2_EPSEUDOUNKNOWN,
    WEIR_H2_EPSEUDOMISSING,
    WEIR_H2_EPSEUDOINTRAILER,
    WEIR_H2_ECONNECT,
    WEIR_H2_ENAME,
    WEIR_H2_EUPPERCASE,
    WEIR_H2_EVALUE,
    WEIR_H2_ECONNECTION,
    WEIR_H2_ETE,
    WEIR_H2_EMETHOD,
    WEIR_H2_ESCHEME,
    WEIR_H2_EAUTHORITY,
    WEIR_H2_ENOAUTHORITY,
    WEIR_H2_EHOST,
    WEIR_H2_EHOSTTWICE,
    WEIR_H2_EHOSTDIFFERS,
    WEIR_H2_EPATH,
    WEIR_H2_ELENGTHTWICE,
    WEIR_H2_ELENGTH,
    WEIR_H2_ELENGTHDIFFERS,
    WEIR_H2_ESTATUS,
    WEIR_H2_EPATHPERCENT, /* 400 */
    WEIR_H2_EPATHNUL,
    WEIR_H2_EPATHDOTS,
    WEIR_H2_EPATHLONG, /* 414 */
    WEIR_H2_EEXPECT,   /* 417 */
    WEIR_H2_ELONG,     /* 431 */
    WEIR_H2_EMANY,     /* 431 */
    WEIR_H2_ENOMEM,    /* 503 */
    WEIR_H2_FIELDS_ERROR_END
};

/* What a head may cost. All are set; `bytes_max` up to WEIR__H2_FIELDS_BYTES_MAX, the number up to
 * WEIR_HTTP_FIELDS_MAX. */
struct weir__h2_fields_limits {
    uint32_t bytes_max; /* names, values, and 32 for each */
    uint32_t path_bytes_max;
    uint32_t fields_max; /* without pseudo-fields */
};

/* A head, or trailers, while they come. */
struct weir__h2_fields {
    struct weir__http_head *head; /* NULL: trailers */
    const struct weir__h2_fields_limits *limits;
    char *bytes; /* the text; moves as it grows */
    char *own;   /* that of it which was allocated; NULL: none */
    uint32_t len, cap;
    uint32_t counted; /* bytes and 32 for each, kept or not */
    uint32_t number;
    int err;          /* the first: enum weir__h2_fields_error */
    uint8_t pseudo;   /* those that have come, as bits */
    bool has_regular; /* no pseudo-field may follow */
    bool is_response;
    uint16_t status; /* of a response; 0: none has come */
    uint8_t crumbs;  /* lines of Cookie */
    struct weir__http_span scheme, authority;
};

/*
 * Begins a head in `head`, or trailers where that is NULL. `room`: memory that is used first, of
 * the caller; more is allocated. `limits` outlives it.
 */
void weir__h2_fields_init(struct weir__h2_fields *f, struct weir__http_head *head,
                          const struct weir__h2_fields_limits *limits, char *room, size_t size);

/* The same for the head of a response: of it fields, slots, body and content_length are filled. */
void weir__h2_fields_init_response(struct weir__h2_fields *f, struct weir__http_head *head,
                                   const struct weir__h2_fields_limits *limits);

/* The next field. After an error the rest is counted alone. */
void weir__h2_fields_add(struct weir__h2_fields *f, weir_str name, weir_str value);

/*
 * All have come. 0, and the head is whole: its spans lead into `f->bytes`; trailers are lines
 * "name: value" with CRLF there. Else the error. `is_end`: the message has no body.
 */
int weir__h2_fields_end(struct weir__h2_fields *f, bool is_end);

/*
 * The same of a response: its status is in `f->status`. `is_bodiless`: to HEAD, whose length is of
 * what is not sent; 1xx, 204 and 304 are seen to.
 */
int weir__h2_fields_end_response(struct weir__h2_fields *f, bool is_end, bool is_bodiless);

/* What was allocated goes. Half-built and zeroed ones too. */
void weir__h2_fields_fini(struct weir__h2_fields *f);

/* The status of an error: 0 when the message is malformed and its stream to be reset. */
int weir__h2_fields_status(int err);
/* A constant text about it. */
const char *weir__h2_fields_text(int err);

#endif
