/*
 * The PROXY protocol, by which a balancer says before all else whose connection it hands on
 * (HAProxy's specification of 2020, versions 1 and 2:
 * https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt). It is believed from peers that are
 * trusted, and nobody else.
 */
#ifndef WEIR_WIRE_PROXY_PROTOCOL_H
#define WEIR_WIRE_PROXY_PROTOCOL_H

#include "wire/ip.h"

enum { WEIR__PROXY_BYTES_MAX = 2048 }; /* of a header; the specification's own need 232 */

enum weir__proxy_error {
    WEIR_PROXY_ENONE = -3200, /* it begins in another way */
    WEIR_PROXY_EFORM,         /* malformed */
    WEIR_PROXY_EVERSION,      /* a version or a command that is not specified */
    WEIR_PROXY_EFAMILY,       /* an address family that is not specified, or too short for it */
    WEIR_PROXY_ELENGTH,       /* longer than allowed */
    WEIR_PROXY_ECHECKSUM,     /* its CRC32c does not agree */
    WEIR_PROXY_ERROR_END
};

/* A constant text about an error. */
const char *weir__proxy_error_text(int err);

struct weir__proxy_header {
    bool is_local;               /* the proxy's own connection, or one of an unknown kind: the
                                    connection's own addresses count, all below is zero */
    struct weir__ip from, to;    /* AF_UNIX for local sockets, whose paths are not kept */
    uint16_t from_port, to_port; /* 0 for local sockets */
};

/*
 * Reads a header at the start of what a connection has sent so far. Returns its length once it is
 * whole; 0 while it may become one; an error as soon as it cannot. Nothing past it is looked at.
 * What follows the addresses in version 2 is walked, within its bounds, and skipped, but for the
 * checksum, which has to agree where there is one.
 */
int weir__proxy_parse(weir_str bytes, struct weir__proxy_header *out);

/*
 * How many bytes may be received without taking any from behind the header, whose beginning `bytes`
 * are, as far as weir__proxy_parse has returned 0 for them. At least 1. What is behind it may be
 * TLS, so it stays in the kernel; that takes three receives for version 2.
 */
size_t weir__proxy_missing(weir_str bytes);

#endif
