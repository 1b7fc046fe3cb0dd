/*
 * The inside of the reverse proxy: what is kept of a request on its way, in the request's memory.
 *
 * P1: what frames a message is written anew on each side: no length, coding or Connection of one
 *     side reaches the other.
 * P2: an answer that was begun is handed on to its end, or cut.
 * P3: what a peer that is not trusted says of others is not handed on.
 */
#ifndef WEIR_WEB_PROXY_PROXY_H
#define WEIR_WEB_PROXY_PROXY_H

#include "http/client/client.h"
#include "web/web.h"
#include "wire/hop_by_hop.h"
#include <weir/proxy.h>

#define WEIR__PROXY_PIECE 16384 /* bytes of a body that are in hand at a time */

struct weir__proxied {
    const weir_site *site;
    weir_ctx *c;
    struct weir__ctx *ctx;
    struct weir__request *request;
    struct weir__exchange *x;
    weir_http *http;        /* a handle */
    weir_str deadline_name; /* of the field by which that client tells a deadline */
    bool is_trusted;        /* the peer, of whom it speaks for */
    const weir_proxy_options *o;
    weir_reply *reply; /* a handle; NULL before it is asked */

    /* what is sent, in the request's memory */
    const char *method, *target;
    struct weir__client_line *lines;
    struct weir__client_carry carry;
    bool has_body;
};

/* request.c: what is sent. WEIR_OK; raised with a status. */
weir_err weir__proxy_prepare(struct weir__proxied *p);

/* proxy.c: one clear answer for the client, the reason for the log. */
weir_err weir__proxy_fail(struct weir__proxied *p, weir_err err);

/* both.c: the rest of the request's body, and the answer, both ways at once. */
weir_err weir__proxy_both(struct weir__proxied *p);

/* answer.c: the answer that is there, to its end. */
weir_err weir__proxy_answer(struct weir__proxied *p);

/* tunnel.c: both ways, until one side ends. The 101 is there. */
weir_err weir__proxy_tunnel(struct weir__proxied *p, weir_str protocol);

/* A field's name, and its enum weir__http_field_id. */
struct weir__proxy_name {
    weir_str text;
    unsigned id;
};

/* Is the field of the message on its way one that ends here? `connection` are its Connections'. */
bool weir__proxy_ends_here(struct weir__proxy_name name, const weir_str *connection, size_t count);

enum { WEIR__PROXY_CONNECTIONS = WEIR_HTTP_FIELDS_MAX }; /* as many as a head may have */

#endif
