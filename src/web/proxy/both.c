/*
 * The request's body on its way up, and the answer on its way down. A body that is all here goes
 * first, in the request's own fiber. One that is still coming gets a fiber, and the request's own
 * hands the answer on meanwhile: an upstream may answer as it reads, or before it has read all.
 *
 * The hard thing is who ends whom. The answer's end, or its failure, ends the body: its fiber is
 * cancelled, wherever it waits. A body that the client breaks, or that is too large, ends the
 * answer: the reply is broken off, so whoever waits for it comes out. Both sides stop while a
 * reader is slow; their time limits are the server's and the client's own.
 *
 * Owns nothing: all of it lies in the request's memory. Context: the request's fiber; waits.
 */
#include "web/proxy/proxy.h"

#include <weir/fiber.h>

struct body {
    struct weir__proxied *p;
    weir_reply *r;
    char *piece;
    uint64_t sum;     /* bytes so far */
    weir_err own_err; /* the client's doing */
};

/* The request's own body is broken: that is the client's to know. */
static weir_err fail_body(struct weir__proxied *p, weir_err err)
{
    int status = weir__exchange_body_status(err);
    if (status == 0 || weir__ctx_check(p->ctx) != WEIR_OK)
        return err;
    return weir_fail_at(p->site, p->c, status, "the request's body could not be read");
}

static uint64_t body_max(const struct weir__proxied *p)
{
    uint64_t max = p->request->route->body_bytes_max;
    return max != 0 ? max : UINT64_MAX;
}

/*
 * A piece that has come, to the upstream. 0: that was the end; WEIR_ECLOSED: it takes no more; an
 * error of the reply's, or `own_err`.
 */
static ssize_t hand_on(struct body *b)
{
    ssize_t n = weir__exchange_read(b->p->x, b->piece, WEIR__PROXY_PIECE);
    if (n > 0 && (b->sum += (uint64_t)n) > body_max(b->p))
        n = WEIR_ETOOLARGE;
    if (n < 0)
        return b->own_err = (weir_err)n;
    weir_err err = n > 0 ? weir_http_write(b->p->reply, b->piece, (size_t)n) : WEIR_OK;
    return err < 0 ? err : n;
}

/* What came behind the body; what may not be there is not handed on. */
static weir_err hand_on_trailers(struct body *b)
{
    weir_str rest = weir__exchange_trailers(b->p->x), name, value;
    while (weir__trailer_next(&rest, &name, &value)) {
        weir_err err = weir__client_trail(b->r, name, value);
        if (err == -EMSGSIZE)
            return b->own_err = WEIR_ETOOLARGE;
        if (err != WEIR_OK && err != WEIR_EINVALID)
            return err;
    }
    return WEIR_OK;
}

/* All that is left of it, and its end. An upstream that takes no more has its reasons: OK. */
static weir_err hand_on_all(struct body *b)
{
    ssize_t n = 1;
    while (n > 0 && b->p->x->body_state == WEIR__BODY_COMING)
        n = hand_on(b);
    weir_err err = n < 0 ? (weir_err)n : hand_on_trailers(b);
    return err == WEIR_OK ? weir_http_finish(b->p->reply) : err;
}

static weir_err upward(weir_ctx *c, void *arg)
{
    struct body *b = arg;
    weir_err err = hand_on_all(b);
    (void)c;
    if (b->own_err < 0 || (err < 0 && err != WEIR_ECLOSED)) /* nobody ends the body any more */
        weir__client_break_off(b->r, err);
    return WEIR_OK;
}

/* The answer, while a fiber of its own hands on the rest of the body. */
static weir_err answer_beside(struct body *b)
{
    struct weir__proxied *p = b->p;
    WEIR_SCOPE(up, p->c);
    weir_err err = WEIR_GO(up, upward, b);
    if (err != WEIR_OK)
        return weir__proxy_fail(p, err);
    err = weir_http_await(p->reply);
    err = err < 0 ? weir__proxy_fail(p, err) : weir__proxy_answer(p);
    weir_cancel(up);
    (void)weir_ctx_close(up);
    return err < 0 && b->own_err < 0 ? fail_body(p, b->own_err) : err;
}

weir_err weir__proxy_both(struct weir__proxied *p)
{
    struct body b = {
        .p = p,
        .r = weir__token_must(p->reply, WEIR__KIND_REPLY, "weir_proxy", "the reply"),
        .piece = weir__ctx_object(p->ctx, WEIR__PROXY_PIECE),
    };
    if (b.piece == NULL)
        return weir__proxy_fail(p, -ENOMEM);
    if (p->carry.length > 0 && (uint64_t)p->carry.length > body_max(p))
        return fail_body(p, WEIR_ETOOLARGE);
    ssize_t n = b.r->state == WEIR__REPLY_ASKING ? hand_on(&b) : WEIR_ECLOSED; /* it was refused */
    if (n > 0 && p->x->body_state == WEIR__BODY_COMING)
        return answer_beside(&b);
    weir_err err = n < 0 ? (weir_err)n : hand_on_trailers(&b);
    if (b.own_err < 0)
        return fail_body(p, b.own_err);
    if (err == WEIR_OK || err == WEIR_ECLOSED)
        err = weir_http_finish(p->reply);
    return err < 0 ? weir__proxy_fail(p, err) : weir__proxy_answer(p);
}
