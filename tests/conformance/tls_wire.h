/*
 * For conformance of TLS: messages written by hand, field by field (RFC 8446 sections 4 and 5), so
 * that each may be wrong on its own.
 */
#ifndef WEIR_TESTS_CONFORMANCE_TLS_WIRE_H
#define WEIR_TESTS_CONFORMANCE_TLS_WIRE_H

#include "http/hello_testing.h"
#include "net/tls_inside.h"

enum { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, APPLICATION_DATA = 23 };
enum { WARNING = 1, FATAL = 2 };

/* RFC 8446 section 6, and 5246 section 7.2. */
enum alert {
    CLOSE_NOTIFY = 0,
    UNEXPECTED_MESSAGE = 10,
    BAD_RECORD_MAC = 20,
    RECORD_OVERFLOW = 22,
    HANDSHAKE_FAILURE = 40,
    UNSUPPORTED_CERTIFICATE = 43,
    CERTIFICATE_EXPIRED = 45,
    ILLEGAL_PARAMETER = 47,
    UNKNOWN_CA = 48,
    DECODE_ERROR = 50,
    PROTOCOL_VERSION = 70,
    INAPPROPRIATE_FALLBACK = 86,
    USER_CANCELED = 90,
    NO_RENEGOTIATION = 100,
    MISSING_EXTENSION = 109,
    UNSUPPORTED_EXTENSION = 110,
    UNRECOGNIZED_NAME = 112,
    CERTIFICATE_REQUIRED = 116,
    NO_APPLICATION_PROTOCOL = 120,
    SILENT = 255 /* none */
};

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* --- writing ---------------------------------------------------------------------------------- */

struct wire {
    unsigned char bytes[80 << 10];
    size_t len;
};

static inline void wire_put(struct wire *w, const void *bytes, size_t len)
{
    assert_true(w->len + len <= sizeof w->bytes);
    if (len > 0)
        memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
}

static inline void wire_puts(struct wire *w, weir_str s)
{
    wire_put(w, s.ptr, s.len);
}

/* A number of so many bytes. */
static inline void wire_number(struct wire *w, unsigned bytes, size_t n)
{
    for (unsigned i = bytes; i-- > 0;)
        wire_put(w, &(unsigned char){(unsigned char)(n >> 8 * i)}, 1);
}

/* A length of so many bytes, which is known at the end of what it is of. */
static inline size_t wire_begin(struct wire *w, unsigned bytes)
{
    wire_number(w, bytes, 0);
    return w->len;
}

static inline void wire_end(struct wire *w, size_t from, unsigned bytes)
{
    size_t end = w->len;
    w->len = from - bytes;
    wire_number(w, bytes, end - from);
    w->len = end;
}

static inline void wire_vector(struct wire *w, unsigned bytes, weir_str s)
{
    wire_number(w, bytes, s.len);
    wire_puts(w, s);
}

/* An extension; one without bytes is not there. */
static inline void wire_extension(struct wire *w, unsigned type, weir_str body)
{
    if (body.ptr == NULL)
        return;
    wire_number(w, 2, type);
    wire_vector(w, 2, body);
}

/* A record whose length is said to be `said`. */
static inline void wire_record(struct wire *w, unsigned type, unsigned version, size_t said,
                               weir_str body)
{
    wire_number(w, 1, type);
    wire_number(w, 2, version);
    wire_number(w, 2, said);
    wire_puts(w, body);
}

/* --- a hello ---------------------------------------------------------------------------------- */

#define X25519_SHARE                                                                               \
    "\x00\x1d\x00\x20\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define NONE BYTES("\0none") /* this extension is not there */

/* A client's: what is not said is as it should be. */
struct hello {
    unsigned record_version, version; /* 0: 0x0301, 0x0303 */
    weir_str session, suites, compression, versions, groups, shares, signatures;
    weir_str names;  /* server_name's list */
    weir_str alpn;   /* the extension's list; default: none */
    weir_str before; /* extensions in front of the others, as they are */
    weir_str behind; /* and behind them */
    size_t padding;  /* bytes of one more */
};

#define TLS_1_2_ALONE .versions = NONE, .shares = NONE
#define HOST(name) "\x00" name

/* What is said, what is usual, or nothing. */
static inline weir_str or_usual(weir_str said, weir_str usual)
{
    if (said.ptr == NULL)
        return usual;
    return weir_str_eq(said, (weir_str)NONE) ? (weir_str){NULL, 0} : said;
}

static inline void put_list(struct wire *w, unsigned type, unsigned bytes, weir_str list)
{
    struct wire inside = {.len = 0};
    if (list.ptr == NULL)
        return;
    wire_vector(&inside, bytes, list);
    wire_extension(w, type, (weir_str){(char *)inside.bytes, inside.len});
}

static inline void put_extensions(struct wire *w, const struct hello *h)
{
    static const char zeros[65000];
    size_t from = wire_begin(w, 2);
    wire_puts(w, h->before);
    put_list(w, 0, 2, or_usual(h->names, (weir_str)BYTES(HOST("\x00\x0eserver.example"))));
    put_list(w, 10, 2, or_usual(h->groups, (weir_str)BYTES("\x00\x1d\x00\x17")));
    put_list(w, 13, 2, or_usual(h->signatures, (weir_str)BYTES("\x04\x03\x08\x04")));
    put_list(w, 16, 2, or_usual(h->alpn, (weir_str){NULL, 0}));
    put_list(w, 43, 1, or_usual(h->versions, (weir_str)BYTES("\x03\x04\x03\x03")));
    put_list(w, 51, 2, or_usual(h->shares, (weir_str)BYTES(X25519_SHARE)));
    if (h->padding > 0)
        wire_extension(w, 21, (weir_str){zeros, h->padding});
    wire_puts(w, h->behind);
    wire_end(w, from, 2);
}

/* The message, without a record around it. */
static inline void put_hello(struct wire *w, const struct hello *h)
{
    wire_number(w, 1, 1);
    size_t from = wire_begin(w, 3);
    wire_number(w, 2, h->version != 0 ? h->version : 0x0303);
    wire_puts(w, WEIR_S("0123456789abcdef0123456789abcdef"));
    wire_vector(w, 1, h->session);
    wire_vector(w, 2, or_usual(h->suites, (weir_str)BYTES("\x13\x01\xc0\x2b")));
    wire_vector(w, 1, or_usual(h->compression, (weir_str)BYTES("\x00")));
    put_extensions(w, h);
    wire_end(w, from, 3);
}

/* In records of at most so many bytes. */
static inline void wire_hello(struct wire *w, const struct hello *h, size_t record_max)
{
    static struct wire message;
    message.len = 0;
    put_hello(&message, h);
    for (size_t at = 0; at < message.len;) {
        size_t n = message.len - at < record_max ? message.len - at : record_max;
        wire_record(w, HANDSHAKE, h->record_version != 0 ? h->record_version : 0x0301, n,
                    (weir_str){(char *)message.bytes + at, n});
        at += n;
    }
}

/* --- what comes ------------------------------------------------------------------------------- */

/* The plain alert at the end of what has come; SILENT: there is none. */
static inline unsigned alert_of(const char *bytes, size_t len)
{
    unsigned alert = SILENT;
    for (size_t at = 0; at + 5 <= len;) {
        const unsigned char *r = (const unsigned char *)bytes + at;
        size_t n = (size_t)r[3] << 8 | r[4];
        if (at + 5 + n > len)
            break;
        if (r[0] == ALERT && n == 2)
            alert = r[6];
        at += 5 + n;
    }
    return alert;
}

static inline uint64_t failures_of(enum weir__tls_side side, enum weir__tls_failure kind)
{
    return atomic_load(&weir__tls_numbers.sides[side].failures[kind]);
}

#endif
