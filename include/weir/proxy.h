/*
 * A reverse proxy: a handler that carries its request on to a host, or to a group of them, and the
 * answer back. What of it may be tried again, how long it may take and which host gets it is the
 * client's (<weir/client.h>).
 *
 *     static weir_http *shop;
 *
 *     static weir_err to_shop(weir_ctx *c)
 *     {
 *         return weir_proxy(c, shop, .strip = "/shop");
 *     }
 *
 *     shop = weir_http_open(app, .name = "shop", .retries_max = 1,
 *                           .targets = WEIR_HTTP_TARGETS({.url = "http://10.0.0.1:80"},
 *                                                        {.url = "http://10.0.0.2:80"}));
 *     weir_fallback(app, to_shop);      // or routes, with any middleware before it
 */
#ifndef WEIR_PROXY_H
#define WEIR_PROXY_H

#include <weir/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What weir_proxy may be given; zero means the default. All of it is read during the call. */
typedef struct weir_proxy_options {
    size_t size;        /* the macro's */
    const char *strip;  /* taken off the path's front where it is there: "/shop"; begins with '/' */
    const char *prefix; /* put before the path then: "/v1"; begins with '/', escaped already */
    /*
     * Host; default: whom the client has asked for, which the target of a request says where it is
     * a whole URL, and Host where not (RFC 9112 section 3.2.2); "": the target's own.
     */
    const char *host;
    const weir_http_header *headers; /* sent in place of the client's of the same names */
    /*
     * How it calls itself in Via; a token of at most 60 bytes; default "weir". "": it adds nothing,
     * and a circle in which all do so is not seen.
     */
    const char *via;
    weir_str key;     /* of a group by WEIR_HTTP_HASH; default: the group's own */
    weir_dur timeout; /* for all of it, never past the request's own; default: that alone */
    bool no_upgrade;  /* requests to change the protocol (WebSocket) are carried on without that */
} weir_proxy_options;

/**
 * Carries the request on, and the answer back: it is the response.
 *
 * Bodies go through piece by piece both ways, as fast as the slower side takes them, and codings
 * stay as they are. Fields that end at the next hop do (RFC 9110 section 7.6.1); Via, Forwarded and
 * X-Forwarded-For, -Proto and -Host are written, behind what trusted peers have said (option
 * `trusted`), and what others have said is dropped. The client's deadline, trace and id are the
 * upstream client's to hand on, to those that it trusts. A body without a length goes on in chunks.
 * Date is the server's own. What follows a body (RFC 9110 section 6.5) goes on behind it, both ways
 * and between versions of HTTP, where the other side has a place for it: any of HTTP/2, and bodies
 * of HTTP/1.1 that go in chunks, as one does whose field Trailer has announced it.
 *
 * c        of a request that has no response yet
 * http     of the application; a call to it begins with '/': it has a base or targets, and one that
 *          has neither is the program's mistake, which costs the request
 * ...      members of weir_proxy_options
 * returns  WEIR_OK: the answer, whatever its status, has been handed on; an error is to be returned
 *          by the handler: the client gets 502 (no connection, cut, no HTTP), 503 (all targets are
 *          out, or all connections are busy) or 504 (no answer in time), and what it was is logged.
 *          Once a part of the answer has left, the connection is cut
 * errors   WEIR_EFAIL, raised with the status, and 400 for a path with dot segments, 508 for a
 *          request that 16 proxies have handed on already (in Via: RFC 9110 section 7.6.3); 413,
 *          408, 400 where the request's own body fails; the reason of the context
 * limits   the lines of the answer are at most 8 KiB; a request's body is bounded by the route's
 *          body_bytes_max, where it has one. A connection that goes on in another protocol counts
 *          against the request's time limit only while nothing moves
 * context  the request's own fiber; waits
 */
#define weir_proxy(c, ...) WEIR__PROXY(c, __VA_ARGS__, )
#define WEIR__PROXY(c, http, ...)                                                                  \
    WEIR__CALL(weir_proxy_at, (WEIR_HERE, (c), (http)), weir_proxy_options, __VA_ARGS__)
/** The function behind weir_proxy. */
WEIR_API weir_err weir_proxy_at(const weir_site *site, weir_ctx *c, weir_http *http,
                                const weir_proxy_options *options) WEIR_MUST_USE
    WEIR_NONNULL(2, 3, 4);

#ifdef __cplusplus
}
#endif
#endif
