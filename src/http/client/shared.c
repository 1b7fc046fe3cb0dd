/*
 * Connections that may carry several exchanges: HTTP/2 where the peer agrees, or where that is
 * known before. One that speaks HTTP/1.1 after all has room for one exchange, so what a peer agrees
 * to need not be known before it is dialled.
 *
 * Such a connection is its worker's (P10 in net). Owns the connections; one whose carrier ends
 * under exchanges stays until the last of them has let go of it. Context: fibers.
 */
#include "http/client/h2.h"

#include "base/alloc.h"
#include "rt/worker.h"

/* --- the pool's driver ------------------------------------------------------------------------ */

static void free_conn(struct weir__client_h2 *h)
{
    WEIR_ASSERT(h->conn.users == 0, "C1: nobody has a connection that ends");
    weir__stream_close(&h->conn.stream);
    weir__free(h->conn.buf);
    weir__free(h);
}

static const char *const *protocols_of(const weir_http *http)
{
    static const char *const both[] = {"h2", "http/1.1", NULL}, *const only[] = {"h2", NULL};
    return http->o.http2 == WEIR_HTTP2_PRIOR ? only : both;
}

/* It has been dialled: which version is spoken, and how many exchanges have room. */
static weir_err begin(struct weir__client_h2 *h, struct weir__ctx *c, weir_time until)
{
    bool is_known = h->http->o.http2 == WEIR_HTTP2_PRIOR;
    h->conn.transport = is_known ? &weir__client_h2 : weir__client_transport_of(&h->conn.stream);
    if (h->conn.transport == &weir__client_h2)
        return weir__client_h2_begin(h, c, until);
    return weir__client_give_buffer(&h->conn) ? WEIR_OK : -ENOMEM;
}

static weir_err open_conn(void *driver, struct weir__ctx *c, struct weir__carrier *carrier,
                          weir_str key, void **resource)
{
    weir_http *http = driver;
    struct weir__client_h2 *h = weir__calloc(1, sizeof *h);
    weir_time until = weir_time_add(weir__worker_now(weir__self), http->o.dial_timeout);
    if (h == NULL)
        return -ENOMEM;
    h->http = http;
    h->conn.away.num = -1;
    h->conn.is_carried = true;
    h->conn.carrier = carrier;
    weir_err err = weir__client_dial(http, c, key, protocols_of(http), until, &h->conn.stream);
    if (err != WEIR_OK) {
        weir__free(h);
        return err;
    }
    err = begin(h, c, until);
    if (err != WEIR_OK)
        free_conn(h);
    else
        *resource = &h->conn;
    return err;
}

static void close_conn(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__client_h2 *h = WEIR_CONTAINER(resource, struct weir__client_h2, conn);
    (void)driver, (void)c;
    h->conn.carrier = NULL;
    h->conn.is_left = true;
    if (h->conn.transport->is_shared)
        weir__client_h2_leave(h);
    if (h->conn.users == 0)
        free_conn(h);
}

const struct weir__shared_ops weir__client_shared_ops = {.open = open_conn, .close = close_conn};

/* --- for an exchange -------------------------------------------------------------------------- */

/* An upgrade needs a connection of HTTP/1.1 (RFC 9113 section 8.6). */
bool weir__client_is_shared(const weir_reply *r)
{
    if (r->http->shared == NULL)
        return false;
    if (r->http->o.http2 == WEIR_HTTP2_PRIOR)
        return true;
    return r->target.is_https && (r->carry == NULL || r->carry->upgrade.len == 0);
}

weir_err weir__client_lease_share(weir_reply *r, struct weir__ctx *c)
{
    for (uint32_t passed = 0;; passed++) {
        weir_err err = weir__shared_pool_acquire(r->http->shared, c, r->target.key, r->site,
                                                 &r->owned, &r->share);
        if (err != WEIR_OK)
            return err;
        if (!r->share.is_broken)
            break;
        weir__share_release(&r->share); /* it broke on its way here */
        if (passed >= r->http->o.pool.max_open)
            return WEIR_ECLOSED;
    }
    r->conn = weir__share_resource(&r->share, "weir_http_do");
    WEIR_ASSERT(r->conn != NULL, "C1: what is lent is there");
    r->conn->users++;
    return WEIR_OK;
}

void weir__client_give_back_share(weir_reply *r, bool is_good)
{
    struct weir__client_conn *conn = r->conn;
    WEIR_ASSERT(conn->users > 0, "C1: what is given back was lent");
    r->conn = NULL;
    if (!is_good && !conn->transport->is_shared && conn->carrier != NULL)
        weir__carrier_break(conn->carrier);
    conn->users--;
    weir__share_release(&r->share);
    if (conn->is_left && conn->users == 0)
        free_conn(WEIR_CONTAINER(conn, struct weir__client_h2, conn));
}
