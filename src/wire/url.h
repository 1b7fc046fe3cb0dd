/*
 * URLs as servers meet them: request paths, queries, forms, authorities. The order matters and is
 * kept by the shape of these functions: a path is split first and each segment decoded after, so
 * that an encoded slash stays data. What could mean two paths to two readers is refused, not
 * repaired.
 */
#ifndef WEIR_WIRE_URL_H
#define WEIR_WIRE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/str.h>

enum weir__url_error {
    WEIR_URL_EPERCENT = -3000, /* '%' without two hex digits */
    WEIR_URL_ENUL,             /* %00 in a path */
    WEIR_URL_EDOTS,            /* a segment is "." or "..", maybe encoded */
    WEIR_URL_EBYTE,            /* a byte that may not stand there */
    WEIR_URL_ESCHEME,          /* not http:// or https:// */
    WEIR_URL_EUSERINFO,        /* "user@" in an authority */
    WEIR_URL_EHOST,
    WEIR_URL_EPORT,
    WEIR_URL_ERROR_END
};

/* A constant text about an error. */
const char *weir__url_error_text(int err);

/* Checks the path of a request: it begins with '/', each '%' has two digits, none is %00, and no
 * segment is "." or "..", not even as %2e. Returns 0 or an error. A head that was parsed has
 * passed. */
int weir__url_path_check(weir_str path);

/* The next segment, still encoded; `rest` begins at a '/' or is empty. "/a/" has "a" and "".
 * False at the end. */
bool weir__url_segment_next(weir_str *rest, weir_str *segment);

/*
 * Decodes percent-encoding (_form: and '+' to blank) into `out`, which has room for s.len bytes and
 * may be s.ptr itself. Returns the length, or WEIR_URL_EPERCENT. NUL bytes may come out.
 */
int weir__url_decode(weir_str s, char *out);
int weir__url_decode_form(weir_str s, char *out);

/* True when decoding would change nothing. */
bool weir__url_is_plain(weir_str s);
bool weir__url_form_is_plain(weir_str s);

/* The next pair of a query or of an application/x-www-form-urlencoded body, still encoded; a name
 * without '=' has an absent value, empty pairs ("&&") are skipped. False at the end. */
bool weir__url_pair_next(weir_str *rest, weir_str *name, weir_str *value);

/*
 * The value (still encoded) of the next pair whose decoded name is `name`, absent for a pair
 * without '='. False when there is none; `rest` begins behind it.
 */
bool weir__url_pair_find(weir_str *rest, weir_str name, weir_str *value);

struct weir__url_authority {
    weir_str host; /* with its brackets if an IPv6 literal; may be empty */
    uint16_t port; /* when has_port */
    bool has_port;
};

/* Reads "host", "host:port", "[v6]:port"; empty is allowed (a Host field may be). "host:" has no
 * port. */
int weir__url_authority_parse(weir_str s, struct weir__url_authority *out);

struct weir__url {
    weir_str scheme; /* as given, any case */
    weir_str authority;
    struct weir__url_authority parts; /* of authority */
    weir_str path;                    /* empty or from its '/' on; not checked */
    weir_str query;                   /* after '?'; absent without one */
    bool is_https;
};

/* Reads "http://host:port/path?query" (or https). No fragment, no user, a host. Returns 0 or an
 * error. */
int weir__url_absolute_parse(weir_str s, struct weir__url *out);

/* Percent-encodes what is not unreserved; _form writes '+' for a blank; _path leaves '/' and
 * what RFC 3986 allows in a path. `out` has room for 3 * s.len bytes. Returns the length. */
size_t weir__url_encode(weir_str s, char *out);
size_t weir__url_encode_form(weir_str s, char *out);
size_t weir__url_encode_path(weir_str s, char *out);

#endif
