/*
 * Whom a request is from when proxies hand it on: Forwarded (RFC 7239), and the fields that came
 * before it, X-Forwarded-For, -Proto and -Host.
 *
 * Whoever sends a request may write anything into these fields; a proxy adds what it knows at the
 * right. So they are walked from the right, from peer to peer, as long as the peer is one that is
 * trusted, and the first who is not is the client. What stands further left is his word.
 *
 * Which of the two is looked at has to be said: a proxy that adds to one of them passes the other
 * on as the client wrote it.
 */
#ifndef WEIR_WIRE_FORWARDED_H
#define WEIR_WIRE_FORWARDED_H

#include <weir/buf.h>

#include "wire/ip.h"

enum {
    WEIR__FORWARDED_HOPS_MAX = 32, /* what is further left is not looked at */
    WEIR__FORWARDED_REST_MAX = 96  /* bytes of an element that is written, without its host */
};

struct weir__forwarded {
    struct weir__ip client; /* the peer itself where it is not trusted */
    uint16_t port;          /* of the client; 0: not known, or hidden */
    weir_str proto;         /* "http", "https" in any case; absent: not said */
    weir_str host;          /* what the client asked for, a valid authority; absent: not said */
    unsigned hops;          /* elements that were believed */
    bool is_hidden;         /* before `client`, who is a proxy then, is somebody whose address is
                               "unknown", a made-up name or rubbish */
};

/*
 * Walks Forwarded. `lines` are the values of its field lines in their order, `count` of them;
 * `peer` is who sent the request. Values in `out` are views of them. An element that is malformed
 * ends the walk, as an unknown one does.
 */
void weir__forwarded_walk(const struct weir__ip *peer, const struct weir__cidrs *trusted,
                          const weir_str *lines, size_t count, struct weir__forwarded *out);

/*
 * Walks X-Forwarded-For. `proto` and `host` are the values of the other two, absent where there are
 * none; of lists in them the element of the last hop that was believed counts, as far as they go.
 */
void weir__forwarded_walk_x(const struct weir__ip *peer, const struct weir__cidrs *trusted,
                            const weir_str *lines, size_t count, weir_str proto, weir_str host,
                            struct weir__forwarded *out);

/*
 * Appends the element that a proxy adds: for, and host and proto where they are given and valid.
 * Port 0 is left out. The buffer's error is sticky.
 */
void weir__forwarded_write(weir_buf *out, const struct weir__ip *client, uint16_t port,
                           weir_str host, weir_str proto);

#endif
