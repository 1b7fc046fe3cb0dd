/*
 * Set-Cookie as a client reads it (RFC 6265 section 5.2): lenient, because that is how servers
 * write it, but for control bytes and sizes. What is done with it is cookie_jar.h's.
 */
#ifndef WEIR_WIRE_SET_COOKIE_H
#define WEIR_WIRE_SET_COOKIE_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/err.h>
#include <weir/str.h>

enum {
    WEIR__COOKIE_BYTES_MAX = 4096,    /* name and value */
    WEIR__COOKIE_ATTRIBUTE_MAX = 1024 /* bytes of an attribute's value; longer ones do not count */
};
/* The furthest that a cookie expires from now on: 400 days (RFC 6265bis section 5.5). */
#define WEIR__COOKIE_AGE_MAX ((int64_t)400 * 86400)

struct weir__set_cookie { /* views of the value */
    weir_str name;
    weir_str value;
    weir_str domain; /* without the dot in front, any case; absent: the host's own */
    weir_str path;   /* begins with '/'; absent: the request's */
    int64_t expires; /* Unix seconds, when has_expires; not after `now`: it is taken back */
    bool has_expires;
    bool is_secure;
    bool is_http_only;
};

/*
 * Reads the value of one Set-Cookie field. `now` is in Unix seconds. WEIR_EINVALID: no name, or a
 * control byte; WEIR_ETOOLARGE: name and value over 4,096 bytes.
 */
WEIR_MUST_USE weir_err weir__set_cookie_parse(weir_str value, int64_t now,
                                              struct weir__set_cookie *out);

/* A date as cookies have it (section 5.1.1): its parts in any order. Unix seconds. */
WEIR_MUST_USE weir_err weir__cookie_date_parse(weir_str s, int64_t *seconds);

#endif
