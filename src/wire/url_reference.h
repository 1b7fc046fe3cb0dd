/*
 * References to URLs, and URLs as a client meets them: split (RFC 3986 appendix B), resolved
 * against a base (section 5), and taken apart into what is dialled, asked for and said in Host.
 */
#ifndef WEIR_WIRE_URL_REFERENCE_H
#define WEIR_WIRE_URL_REFERENCE_H

#include <weir/buf.h>

#include "wire/url.h"

/* Views of a reference; absent is not the same as empty (section 5.3), but for the path. */
struct weir__url_parts {
    weir_str scheme;    /* without its colon */
    weir_str authority; /* without its two slashes */
    weir_str path;
    weir_str query;
    weir_str fragment;
};

/* Splits any text. What is before the first colon is a scheme only where it has the form of one. */
void weir__url_split(weir_str s, struct weir__url_parts *out);

/*
 * Appends what `reference` means where `base` is: section 5.2, strict, dot segments removed, those
 * of the base's own path too. Bytes above 0x7E, which servers send in Location, come out
 * percent-encoded. Returns 0; WEIR_URL_ESCHEME for a base without one, WEIR_URL_EBYTE for a blank
 * or a control byte in either, WEIR_URL_EHOST where the result would have an authority that neither
 * has, or the buffer's error. Then the buffer holds what it did.
 */
WEIR_MUST_USE int weir__url_resolve(weir_str base, weir_str reference, weir_buf *out);

enum { WEIR__URL_HOST_MAX = 253, WEIR__URL_HOST_TEXT_MAX = WEIR__URL_HOST_MAX + 9 };

/* An http or https URL, taken apart. */
struct weir__url_target {
    bool is_https;
    bool is_ip;    /* the host is an address: nothing to look up, no name for SNI */
    bool is_ipv6;  /* which Host has in brackets */
    uint16_t port; /* the scheme's where none is given */
    uint8_t host_len;
    char
        host[WEIR__URL_HOST_MAX + 1]; /* lower case, decoded, no brackets, no dot at its end; NUL */
    weir_str path;                    /* "/" where the URL has none */
    weir_str query;                   /* absent where there is none */
};

/*
 * Reads one; a fragment is left out. Returns 0 or an error: WEIR_URL_EUSERINFO for a user or
 * password, which belong in a field (RFC 9110 section 4.2.4), and WEIR_URL_EHOST for what no
 * resolver should be asked: other bytes than letters, digits, '-', '_' and dots, empty or long
 * labels, numbers that are no address in full ("127.1", "0x7f000001"). Dot segments stay:
 * weir__url_resolve removes them.
 */
WEIR_MUST_USE int weir__url_target_parse(weir_str s, struct weir__url_target *out);

/* Writes what Host (or :authority) says, no NUL: the port only where it is not the scheme's. */
size_t weir__url_target_host(const struct weir__url_target *t, char out[WEIR__URL_HOST_TEXT_MAX]);

/* True when both have the same scheme, host and port: what is meant for one may go to the other. */
bool weir__url_target_is_same_origin(const struct weir__url_target *a,
                                     const struct weir__url_target *b);

#endif
