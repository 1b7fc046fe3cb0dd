/*
 * What comes of asking another service: replies, and the client that asks.
 */
#include "leaky.h"

/* L02: asks, and never reads nor closes what comes back. */
weir_err reply_never_read(weir_ctx *c)
{
    weir_reply *r = weir_http_get(c, leaky(c)->others, "/");
    if (weir_reply_err(r) < 0)
        return weir_fail(c, 502, "the other service does not answer");
    return weir_textf(c, 200, "it says %d\n", weir_reply_status(r));
}

/* Done right: what was asked for is read, and the connection goes on at once. */
weir_err reply_read(weir_ctx *c)
{
    weir_reply *r = weir_http_get(c, leaky(c)->others, "/");
    weir_str text = weir_reply_body(r);
    if (weir_reply_err(r) < 0)
        return weir_fail(c, 502, "the other service does not answer");
    return weir_textf(c, 200, "it says %zu bytes\n", text.len);
}

/* L11: keeps the client of one request, and with it that request's context, for all others. */
weir_err client_of_a_request(weir_ctx *c)
{
    static weir_http *kept;
    if (kept == NULL)
        kept = weir_http_open(c, .base = leaky(c)->peer);
    weir_reply *r = weir_http_get(c, kept, "/");
    return weir_textf(c, 200, "it says %d\n", weir_reply_status(r));
}

/* Done right: a client for all is opened in the application's context, where it was before. */
weir_err client_of_the_service(weir_ctx *c)
{
    weir_reply *r = weir_http_get(c, leaky(c)->others, "/");
    return weir_textf(c, 200, "it says %d\n", weir_reply_status(r));
}
