/*
 * The addresses that a name has, in the order in which they are to be tried, or why there are none.
 */
#ifndef WEIR_NET_ADDRESSES_H
#define WEIR_NET_ADDRESSES_H

#include "net/endpoint.h"
#include <weir/time.h>

enum {
    WEIR__NAME_MAX = 253,     /* bytes of a name, without the dot at its end (RFC 1035, 2.3.4) */
    WEIR__ADDRESSES_MAX = 64, /* of a name; further ones are left out */
    WEIR__NO_NAME_MAX = 192   /* bytes of the reason, with its NUL */
};

struct weir__addresses {
    unsigned count;
    bool is_none;    /* somebody has said that there are none; not that nobody could say */
    bool is_partial; /* one family did not come in time */
    weir_time until; /* it holds up to then */
    struct weir__endpoint list[WEIR__ADDRESSES_MAX]; /* without ports */
    char why[WEIR__NO_NAME_MAX];                     /* without addresses: the reason, for people */
};

/* Appends one; false: there is no room. */
bool weir__addresses_add(struct weir__addresses *a, int family, const void *ip);

/*
 * Is it a name that may be asked for: labels of letters, digits, '-' and '_', 1 to 63 bytes each
 * (RFC 1035, 2.3.1, and the underline that services use), and a dot at its end if it likes?
 */
bool weir__name_is_good(weir_str name);

/* "localhost" and what ends in it, which no server is asked for (RFC 6761, 6.3). */
bool weir__name_is_localhost(weir_str name);

/* Do they name the same: but for the case of letters, and a dot at the end? */
bool weir__name_eq(weir_str a, weir_str b);

#endif
