/*
 * After an upgrade: bytes both ways, each way a fiber. The request's own reads what the client
 * sends, for which it waits in the request's context; a second one reads the upstream. When the
 * client ends, the upstream is told, and what it still says goes to the client; when the upstream
 * ends, the connection does.
 *
 * Owns nothing. Context: the request's fiber; waits.
 */
#include "web/proxy/proxy.h"

#include <weir/fiber.h>

struct both {
    struct weir__proxied *p;
    weir_reply *r;
    char *up, *down; /* a piece each */
};

/* What the upstream says, to the client, until it ends. Then the request's fiber has no more to
 * wait for. */
static weir_err downward(weir_ctx *c, void *arg)
{
    struct both *b = arg;
    struct weir__exchange *x = b->p->x;
    weir_err err = WEIR_OK;
    while (err == WEIR_OK) {
        ssize_t n = weir__client_upgraded_read(b->r, weir__ctx_of(c), b->down, WEIR__PROXY_PIECE);
        if (n <= 0)
            break;
        err = weir__exchange_write(x, (weir_str){b->down, (size_t)n});
        if (err == WEIR_OK)
            err = weir__exchange_flush(x);
    }
    if (err == WEIR_OK)
        (void)weir__exchange_end(x);
    weir_cancel(b->p->c);
    return WEIR_OK;
}

static void upward(struct both *b, weir_ctx *down)
{
    for (;;) {
        ssize_t n = weir__exchange_read(b->p->x, b->up, WEIR__PROXY_PIECE);
        if (n < 0)
            return;
        if (n == 0)
            break;
        if (weir__client_upgraded_send(b->r, b->p->ctx, (weir_str){b->up, (size_t)n}) != WEIR_OK)
            return;
    }
    (void)weir__client_upgraded_end(b->r);
    (void)!weir_join(down); /* what the upstream still says */
}

weir_err weir__proxy_tunnel(struct weir__proxied *p, weir_str protocol)
{
    struct both *b = weir__ctx_object(p->ctx, sizeof *b);
    char *pieces = weir__ctx_object(p->ctx, (size_t)2 * WEIR__PROXY_PIECE);
    if (b == NULL || pieces == NULL)
        return weir__proxy_fail(p, -ENOMEM);
    *b = (struct both){
        .p = p,
        .r = weir__token_must(p->reply, WEIR__KIND_REPLY, "weir_proxy", "the reply"),
        .up = pieces,
        .down = pieces + WEIR__PROXY_PIECE,
    };
    (void)weir__exchange_header_remove(p->x, WEIR_S("upgrade"));
    weir_err err = weir__exchange_upgrade(p->x, protocol);
    if (err == WEIR_EINVALID) {
        (void)weir_raise_at(p->site, p->c, WEIR_EPROTO, 0,
                            "it changes to a protocol that was not offered");
        return weir__proxy_fail(p, WEIR_EPROTO);
    }
    WEIR_SCOPE(down, p->c);
    if (err == WEIR_OK)
        err = WEIR_GO(down, downward, b);
    if (err == WEIR_OK)
        upward(b, down);
    (void)weir_ctx_close(down);
    if (err != WEIR_OK)
        return err;
    if (!weir__exchange_is_whole(p->x))
        (void)weir__exchange_end(p->x);
    return weir__exchange_is_whole(p->x) ? WEIR_OK : WEIR_ECLIENTGONE;
}
