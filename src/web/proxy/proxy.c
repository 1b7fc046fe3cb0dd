/*
 * The reverse proxy's order of things: what is sent is prepared, the request's body is handed on
 * piece by piece, then the answer. Each piece is taken when the one before has been taken by the
 * other side, so a slow reader slows its writer, and one piece of memory is enough.
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

/* The request's own body is broken: that is the client's to know. */
static weir_err fail_body(struct weir__proxied *p, weir_err err)
{
    int status = weir__exchange_body_status(err);
    if (status == 0 || weir__ctx_check(p->ctx) != WEIR_OK)
        return err;
    return weir_fail_at(p->site, p->c, status, "the request's body could not be read");
}

/* --- the request's body ----------------------------------------------------------------------- */

static uint64_t body_max(const struct weir__proxied *p)
{
    uint64_t max = p->request->route->body_bytes_max;
    return max != 0 ? max : UINT64_MAX;
}

/* What has come, to the upstream; WEIR_ECLOSED: it has answered already. */
static weir_err hand_on(struct weir__proxied *p, char *piece)
{
    const uint64_t max = body_max(p);
    uint64_t sum = 0;
    const weir_reply *r = weir__token_must(p->reply, WEIR__KIND_REPLY, "weir_proxy", "the reply");
    while (r->state == WEIR__REPLY_ASKING) { /* it may have refused a body that was only offered */
        ssize_t n = weir__exchange_read(p->x, piece, WEIR__PROXY_PIECE);
        if (n < 0)
            return fail_body(p, (weir_err)n);
        if (n == 0)
            return WEIR_OK;
        sum += (uint64_t)n;
        if (sum > max)
            return fail_body(p, WEIR_ETOOLARGE);
        weir_err err = weir_http_write(p->reply, piece, (size_t)n);
        if (err == WEIR_ECLOSED)
            return weir_reply_err(p->reply) < 0 ? weir__proxy_fail(p, err) : WEIR_OK;
        if (err != WEIR_OK)
            return weir__proxy_fail(p, err);
    }
    return WEIR_OK;
}

/* What came behind the body; what may not be there is not handed on. */
static weir_err hand_on_trailers(struct weir__proxied *p)
{
    weir_reply *r = weir__token_must(p->reply, WEIR__KIND_REPLY, "weir_proxy", "the reply");
    weir_str rest = weir__exchange_trailers(p->x), name, value;
    while (weir__trailer_next(&rest, &name, &value)) {
        weir_err err = weir__client_trail(r, name, value);
        if (err == -EMSGSIZE)
            return fail_body(p, WEIR_ETOOLARGE);
        if (err == WEIR_ECLOSED)
            return WEIR_OK;
        if (err != WEIR_OK && err != WEIR_EINVALID)
            return weir__proxy_fail(p, err);
    }
    return WEIR_OK;
}

static weir_err send_body(struct weir__proxied *p)
{
    if (weir_reply_err(p->reply) < 0)
        return weir__proxy_fail(p, weir_reply_err(p->reply));
    if (p->carry.length > 0 && (uint64_t)p->carry.length > body_max(p))
        return fail_body(p, WEIR_ETOOLARGE);
    char *piece = weir__ctx_object(p->ctx, WEIR__PROXY_PIECE);
    if (piece == NULL)
        return weir__proxy_fail(p, -ENOMEM);
    weir_err err = hand_on(p, piece);
    if (err == WEIR_OK)
        err = hand_on_trailers(p);
    if (err == WEIR_OK && weir_http_finish(p->reply) < 0)
        err = weir__proxy_fail(p, weir_reply_err(p->reply));
    return err;
}

/* --- all of it -------------------------------------------------------------------------------- */

static weir_err carry(struct weir__proxied *p)
{
    const weir_http_call_options call = {
        .size = sizeof call,
        .timeout = p->o->timeout,
        .headers = p->headers,
        .key = p->o->key,
        .encoding = WEIR_HTTP_AS_SENT,
        .expect_continue = p->x->head.expect_continue && p->has_body,
    };
    p->reply = weir__client_carry(p->site, p->c, p->http, p->method, p->target, &call, &p->carry,
                                  p->has_body);
    if (p->has_body) {
        weir_err err = send_body(p);
        if (err != WEIR_OK)
            return err;
    }
    if (weir_reply_err(p->reply) < 0)
        return weir__proxy_fail(p, weir_reply_err(p->reply));
    return weir__proxy_answer(p);
}

weir_err weir_proxy_at(const weir_site *site, weir_ctx *c, weir_http *http,
                       const weir_proxy_options *options)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of_at(c, "weir_proxy");
    weir_proxy_options room;
    (void)weir__token_must(http, WEIR__KIND_HTTP, "weir_proxy", "the HTTP client");
    struct weir__request *r = weir__request_of_at(c, "weir_proxy");
    struct weir__proxied p = {
        .site = site,
        .c = c,
        .ctx = ctx,
        .request = r,
        .x = r->x,
        .http = http,
        .o = weir__options(options, &room, sizeof room, "weir_proxy"),
    };
    if (weir__exchange_is_begun(p.x))
        return WEIR_ECLOSED;
    weir_err err = weir__proxy_prepare(&p);
    if (err == WEIR_OK)
        err = carry(&p);
    if (err < 0 && p.reply != NULL)
        weir_reply_close(p.reply); /* now, and not when an error has been answered */
    return err;
}
