/*
 * The reverse proxy's order of things: what is sent is prepared, then the request's body is handed
 * on, and the answer, piece by piece. Each piece is taken when the one before has been taken by the
 * other side, so a slow reader slows its writer, and one piece of memory is enough each way.
 *
 * The one hard thing is an answer that ends badly. Until its first byte has left the client gets an
 * error of ours; after that its connection is cut, for the client must not take a part for all.
 *
 * Owns nothing: all of it lies in the request's memory. Context: the request's fiber; waits.
 */
#include "web/proxy/proxy.h"

#include "base/given.h"
#include "rt/sized.h"

/* --- errors ----------------------------------------------------------------------------------- */

/* What the client is told; what it was stands in the record of the client, which is the cause. */
static int status_of(weir_err err, const char **what)
{
    switch (err) {
    case WEIR_ETIMEDOUT:
        *what = "the upstream has not answered in time";
        return 504;
    case -EHOSTUNREACH:
        *what = "no upstream is available";
        return 503;
    case WEIR_ELIMIT:
    case WEIR_EDEADLK:
    case -ENOMEM:
        *what = "the upstream is busy";
        return 503;
    default:
        *what = "the upstream has failed";
        return 502;
    }
}

weir_err weir__proxy_fail(struct weir__proxied *p, weir_err err)
{
    const char *what;
    weir_err reason = weir__ctx_check(p->ctx);
    if (reason != WEIR_OK)
        return reason;
    if (err == WEIR_EBUDGET)
        return err;
    int status = status_of(err, &what);
    return weir_fail_at(p->site, p->c, status, "%s", what);
}

/* --- all of it -------------------------------------------------------------------------------- */

static weir_err carry(struct weir__proxied *p)
{
    const weir_http_call_options call = {
        .size = sizeof call,
        .timeout = p->o->timeout,
        .headers = p->o->headers,
        .key = p->o->key,
        .encoding = WEIR_HTTP_AS_SENT,
        .expect_continue = p->x->head.expect_continue && p->has_body,
        .duplex = p->has_body,
    };
    p->reply = weir__client_carry(p->site, p->c, p->http, p->method, p->target, &call, &p->carry,
                                  p->has_body);
    if (weir_reply_err(p->reply) < 0)
        return weir__proxy_fail(p, weir_reply_err(p->reply));
    return p->has_body ? weir__proxy_both(p) : weir__proxy_answer(p);
}

/* One that was not opened well has an error of its own, which its calls tell. */
static void check_client(const weir_http *http)
{
    if (http->err == WEIR_OK && !http->has_base && http->upstream == NULL)
        weir__misuse("weir_proxy", "the HTTP client has no base and no targets, so nothing says "
                                   "where a request goes on to");
}

weir_err weir_proxy_at(const weir_site *site, weir_ctx *c, weir_http *http,
                       const weir_proxy_options *options)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of_at(c, "weir_proxy");
    weir_proxy_options room;
    const weir_http *client =
        weir__token_must(http, WEIR__KIND_HTTP, "weir_proxy", "the HTTP client");
    struct weir__request *r = weir__request_of_at(c, "weir_proxy");
    struct weir__proxied p = {
        .site = site,
        .c = c,
        .ctx = ctx,
        .request = r,
        .x = r->x,
        .http = http,
        .deadline_name = weir_str_from(client->o.deadline_header),
        .o = weir__options(options, &room, sizeof room, "weir_proxy"),
    };
    check_client(client);
    if (weir__exchange_is_begun(p.x))
        return weir__exchange_refuse_second(p.x);
    weir_err err = weir__proxy_prepare(&p);
    if (err == WEIR_OK)
        err = carry(&p);
    if (err < 0 && p.reply != NULL)
        weir_reply_close(p.reply); /* now, and not when an error has been answered */
    return err;
}
