/*
 * Fields behind a body (RFC 9110 section 6.5), as they are sent: which may be there, and the lines
 * that they are until they leave (wire/chunked.h reads them). None may that must be known before
 * the body is read: whoever merges a trailer section into a head would be told of another message.
 */
#ifndef WEIR_WIRE_TRAILER_H
#define WEIR_WIRE_TRAILER_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/err.h>
#include <weir/str.h>

struct weir__arena;

#define WEIR__TRAILERS_MAX 64               /* fields behind one body … */
#define WEIR__TRAILERS_BYTES_MAX (8u << 10) /* … and bytes of their lines: as many as of a head */

/*
 * False for what frames, routes, modifies, authenticates or describes a message, and for what is of
 * one hop; names in any case. True for all others, also those that nobody knows: what they mean is
 * between the two ends.
 */
bool weir__field_may_trail(weir_str name);

/* WEIR_EINVALID: a name that is no token, or may not trail; a value that no field may have. */
weir_err weir__trailer_check(weir_str name, weir_str value);

/* For people: why that refused one of this name. Behind "the trailer X ". */
const char *weir__trailer_mistake(weir_str name);

/* Lines "name: value" and CRLF. Zeroed there are none. */
struct weir__trailers {
    char *bytes; /* in an arena */
    uint32_t len;
};

static inline weir_str weir__trailers_lines(const struct weir__trailers *t)
{
    return t->len > 0 ? (weir_str){t->bytes, t->len} : WEIR_S("");
}

/*
 * Adds one; memory is the arena's. WEIR_EINVALID as weir__trailer_check, -EMSGSIZE, WEIR_EBUDGET,
 * -ENOMEM: then they are as they were.
 */
weir_err weir__trailers_add(struct weir__trailers *t, struct weir__arena *a, weir_str name,
                            weir_str value);

#endif
