/*
 * Codings of content: which there are, what their names are, which one a client would have
 * (Accept-Encoding, RFC 9110 section 12.5.3), which ones a body has (Content-Encoding, section
 * 8.4). What packs and unpacks is in compress.h, decompress.h and compress_whole.h.
 */
#ifndef WEIR_WIRE_CODING_H
#define WEIR_WIRE_CODING_H

#include <stdbool.h>
#include <stddef.h>
#include <weir/err.h>
#include <weir/str.h>

enum weir__coding {
    WEIR_CODING_IDENTITY,
    WEIR_CODING_GZIP,    /* RFC 1952; also called x-gzip */
    WEIR_CODING_DEFLATE, /* RFC 1950, the zlib format; read as RFC 1951 where it is that */
    WEIR_CODING_BROTLI,  /* RFC 7932, "br" */
    WEIR_CODING_RAW,     /* RFC 1951 alone; no content coding, no name */
    WEIR_CODING_MESSAGE, /* RFC 7692, a WebSocket's messages: RFC 1951 without an end; no name */
    WEIR_CODING_COUNT
};

/* What may be wrong with coded bytes, beside WEIR_ENOTBUILT, -ENOMEM. */
enum weir__coding_error {
    WEIR_CODING_EFORMAT = -3100, /* not in that coding at all: another magic number */
    WEIR_CODING_EDATA,           /* broken within */
    WEIR_CODING_ECHECKSUM,       /* whole, and not what was packed: checksum or length differ */
    WEIR_CODING_ECUT,            /* it ends before its end */
    WEIR_CODING_ERUBBISH,        /* it goes on after its end */
    WEIR_CODING_EBYTES,          /* unpacked it is larger than allowed */
    WEIR_CODING_ERATIO,          /* it grows by more than allowed */
    WEIR_CODING_EWINDOW,         /* unpacking it takes more memory than allowed */
    WEIR_CODING_EUNKNOWN,        /* a coding that nobody here knows */
    WEIR_CODING_ECHAIN,          /* coded more often than WEIR__CODINGS_MAX times */
    WEIR_CODING_ERROR_END
};

enum { WEIR__CODINGS_MAX = 3 }; /* codings of one body, one on the other */

/* A constant text about one of these errors, or about a weir_err. */
const char *weir__coding_error_text(int err);

/* True when this build has the coding: br is a part that may be left out. */
bool weir__coding_is_built(enum weir__coding coding);

/* The name on the wire; "" for those that have none. */
weir_str weir__coding_name(enum weir__coding coding);

/* The coding of a name in any case; WEIR_CODING_COUNT for one that nobody here knows. */
enum weir__coding weir__coding_of(weir_str name);

/*
 * Chooses for a response. `accept` is the client's Accept-Encoding, absent when it sent none;
 * `offers` are the codings that the server has, the one that it likes best first; identity need not
 * be among them. The highest weight wins, and of equals the first offered; identity is taken where
 * nothing else may be. False when the client has ruled out even that ("identity;q=0", "*;q=0"):
 * `out` is identity then, since sending it unpacked is allowed all the same, or 415/406 in place.
 */
bool weir__coding_choose(weir_str accept, const enum weir__coding *offers, size_t count,
                         enum weir__coding *out);

/* What a client says that it accepts: all that this build has. */
weir_str weir__coding_accepted(void);

/*
 * Reads a Content-Encoding. `out` gets the codings in the order in which they were applied, without
 * identities, and `count` their number. Returns 0, WEIR_CODING_EUNKNOWN, WEIR_CODING_ECHAIN, or
 * WEIR_ENOTBUILT. An absent value has none.
 */
int weir__coding_list_parse(weir_str value, enum weir__coding out[WEIR__CODINGS_MAX],
                            size_t *count);

#endif
