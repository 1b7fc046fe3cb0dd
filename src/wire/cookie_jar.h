/*
 * A client's cookies, kept between its requests (RFC 6265 sections 5.3 and 5.4), with what its
 * successor adds for safety: prefixes of names, and secure cookies that plain HTTP cannot replace.
 *
 * There is no list of public suffixes here. A domain of one label ("com") is refused, "co.uk" is
 * not: a jar is for requests to hosts that a program knows, not for a browser's.
 */
#ifndef WEIR_WIRE_COOKIE_JAR_H
#define WEIR_WIRE_COOKIE_JAR_H

#include <weir/buf.h>

#include "wire/set_cookie.h"

enum {
    WEIR__COOKIES_MAX = 300,
    WEIR__COOKIES_OF_DOMAIN_MAX = 50,
    WEIR__COOKIE_JAR_BYTES_MAX = 256 << 10, /* of all names, values, domains and paths */
    WEIR__COOKIE_LINE_MAX = 8192            /* of what a request gets */
};

enum weir__cookie_error {
    WEIR_COOKIE_EDOMAIN = -3300, /* for a domain that is not the host's */
    WEIR_COOKIE_ESUFFIX,         /* for a whole suffix, "com" */
    WEIR_COOKIE_ESECURE,         /* secure, or in place of a secure one, and by plain HTTP */
    WEIR_COOKIE_EPREFIX,         /* its name promises what it does not keep */
    WEIR_COOKIE_ERROR_END
};

/* A constant text about an error, or about a weir_err. */
const char *weir__cookie_error_text(int err);

/* Who asked, or asks. */
struct weir__cookie_scope {
    weir_str host; /* lower case, no port, no brackets: as weir__url_target has it */
    weir_str path; /* "" and what does not begin with '/' is "/" */
    bool is_ip;    /* the host is an address, which has no domain */
    bool is_secure;
};

struct weir__cookie;

struct weir__cookie_jar {
    struct weir__cookie *first; /* the one that was used last */
    size_t count, bytes;
    uint64_t born; /* how many there have ever been */
};

/* Zeroes are an empty jar as well. */
void weir__cookie_jar_init(struct weir__cookie_jar *jar);
void weir__cookie_jar_fini(struct weir__cookie_jar *jar);

/*
 * Does what a Set-Cookie says: keeps, replaces or takes back a cookie. `now` in Unix seconds. When
 * there are too many, those go that have expired, then those that were used longest ago. Returns 0,
 * an error of weir__set_cookie_parse, one of those above, or -ENOMEM; then all is as it was.
 */
WEIR_MUST_USE int weir__cookie_jar_set(struct weir__cookie_jar *jar,
                                       const struct weir__cookie_scope *scope, weir_str set_cookie,
                                       int64_t now);

/*
 * Appends the value of Cookie for a request, "a=1; b=2": longer paths first, then older cookies. It
 * appends nothing when there are none; what does not fit into 8,192 bytes is left out.
 */
void weir__cookie_jar_line(struct weir__cookie_jar *jar, const struct weir__cookie_scope *scope,
                           int64_t now, weir_buf *out);

#endif
