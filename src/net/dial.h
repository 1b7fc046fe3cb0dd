/*
 * Connections to a host by its name: the name is resolved anew for each (resolve.h), its addresses
 * are raced, and what comes out is one stream or one error that says of each address why not. For
 * weir_dial, and for pools and clients that dial by themselves.
 *
 * D1: when a dial is over, its stream is the only connection that is left of it.
 * D2: a race is won once; who comes second closes.
 */
#ifndef WEIR_NET_DIAL_H
#define WEIR_NET_DIAL_H

#include "net/endpoint.h"
#include "net/stream.h"

enum {
    WEIR__DIAL_WHY_MAX = 512,
    WEIR__DIAL_TRIES_MAX = 16 /* addresses of a name; further ones are not tried */
};

struct weir__dial {
    weir_str host;                /* a name, or an IP without brackets */
    uint16_t port;                /* not 0 */
    weir_time until;              /* for all of it: the name, and each address */
    weir_dur each;                /* for one address to answer; default: until `until` */
    char why[WEIR__DIAL_WHY_MAX]; /* out: after an error, for people; it does not name the host */
};

/*
 * Connects. Addresses are tried in turn: the next when one has failed, or has not answered for 250
 * ms while the others go on (RFC 8305, 5); the first that stands is taken, the others are closed
 * before this returns.
 *
 * out      the stream, attached to the running worker without a call-back; not open on an error. To
 *          be detached by who wants it elsewhere
 * returns  WEIR_OK; what weir__resolve returns; the error of the address that was tried first;
 *          WEIR_ETIMEDOUT past `until`; -EMFILE …; -ENOMEM; the reason when `c` is cancelled
 * context  fiber
 */
WEIR_MUST_USE weir_err weir__dial_stream(struct weir__ctx *c, struct weir__dial *d,
                                         struct weir__stream *out);

/* The same to one address of the kernel's, be it a local one. */
WEIR_MUST_USE weir_err weir__dial_address(struct weir__ctx *c, const struct sockaddr_storage *addr,
                                          socklen_t len, weir_time until, struct weir__stream *out);

/* The same to a local socket, "unix:/path" or "unix:@name"; WEIR_EINVALID: it is none. */
WEIR_MUST_USE weir_err weir__dial_local(struct weir__ctx *c, weir_str where, weir_time until,
                                        struct weir__stream *out);

#endif
