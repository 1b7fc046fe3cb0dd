/*
 * Connections by host, as the pools drive them: dialling, looking whether an idle one is still
 * alive, taking one from worker to worker; and how an exchange gets one that is of use.
 *
 * The one hard thing is the connection that its server has ended while it lay idle. The poller's
 * events tell of most; the end of one may be on its way, and then only what can be sent again may
 * be tried on it (call.c). For what cannot, the socket itself is asked.
 *
 * Owns the connections' memory and descriptors. Context: fibers.
 */
#include "http/client/client.h"

#include <string.h>

#include "base/alloc.h"
#include "http/client/upstream.h"
#include "net/dial.h"
#include "net/local.h"
#include "wire/url.h"

#define BUFFER_BYTES 8192

/* --- dialling --------------------------------------------------------------------------------- */

/* A name or an address, without the brackets that stand around the latter in URLs. */
static weir_str bare(weir_str host)
{
    bool has_brackets = host.len > 2 && host.ptr[0] == '[';
    return has_brackets ? (weir_str){host.ptr + 1, host.len - 2} : host;
}

/* At `address`, or where it is absent at one of its own. */
static weir_err dial_host(struct weir__ctx *c, weir_str where, weir_str address, weir_time until,
                          struct weir__stream *s)
{
    struct weir__url_authority at;
    if (weir__url_authority_parse(where, &at) != 0)
        return weir__wait_refused(WEIR_EINVALID);
    struct weir__dial d = {
        .host = address.len > 0 ? address : bare(at.host), .port = at.port, .until = until};
    weir_err err = weir__dial_stream(c, &d, s);
    if (err == WEIR_OK || c->reason != WEIR_REASON_NONE)
        return err;
    return weir_raise(weir__ctx_handle(c), err, "there is no connection: %s", d.why);
}

/*
 * The address that a key begins with, if it does (client.h); `*key` is what follows. A local
 * socket's has none, and may have a blank.
 */
static weir_str take_address(weir_str *key)
{
    const char *blank = memchr(key->ptr, ' ', key->len);
    if (blank == NULL)
        return (weir_str){NULL, 0};
    weir_str address = {key->ptr, (size_t)(blank - key->ptr)};
    *key = (weir_str){blank + 1, key->len - address.len - 1};
    return address;
}

/* "host:port" of an origin, which begins with its scheme. */
static weir_str behind_scheme(weir_str origin, bool *is_https)
{
    const weir_str secure = WEIR_S("https://");
    *is_https = origin.len > secure.len && memcmp(origin.ptr, secure.ptr, secure.len) == 0;
    size_t scheme = secure.len - !*is_https;
    return (weir_str){origin.ptr + scheme, origin.len - scheme};
}

/* A plain stream to the host, through the proxy where there is one. */
static weir_err dial_through(const weir_http *http, struct weir__ctx *c, weir_str where,
                             weir_str address, weir_time until, struct weir__stream *s)
{
    bool is_https;
    const weir_str any = {NULL, 0};
    if (!http->has_proxy)
        return dial_host(c, where, address, until, s);
    weir_err err = dial_host(c, behind_scheme(http->proxy.origin, &is_https), any, until, s);
    return err == WEIR_OK ? weir__client_tunnel(http, c, where, until, s) : err;
}

/* With TLS on it where the key says so. */
weir_err weir__client_dial(weir_http *http, struct weir__ctx *c, weir_str key,
                           const char *const *protocols, weir_time until, struct weir__stream *s)
{
    if (weir__local_is(key))
        return weir__dial_local(c, key, until, s);
    bool is_https;
    weir_str address = take_address(&key);
    weir_str where = behind_scheme(key, &is_https);
    weir_err err = dial_through(http, c, where, address, until, s);
    if (err != WEIR_OK || !is_https)
        return err;
    struct weir__url_authority at;
    int rc = weir__url_authority_parse(where, &at);
    WEIR_ASSERT(rc == 0, "C8: a key is read as it was written");
    at.host = bare(at.host);
    return weir__client_secure(http, c, &at, protocols, until, s);
}

/* --- the pools' driver ------------------------------------------------------------------------ */

const char *const weir__client_only_http1[] = {"http/1.1", NULL};

bool weir__client_give_buffer(struct weir__client_conn *conn)
{
    conn->buf = weir__malloc(BUFFER_BYTES);
    conn->cap = conn->buf != NULL ? BUFFER_BYTES : 0;
    return conn->buf != NULL;
}

static weir_err open_conn(void *driver, struct weir__ctx *c, void **resource)
{
    const struct weir__pool_key *key = driver;
    weir_http *http = key->driver;
    struct weir__client_conn *conn = weir__calloc(1, sizeof *conn);
    if (conn == NULL || !weir__client_give_buffer(conn)) {
        weir__free(conn);
        return -ENOMEM;
    }
    conn->transport = &weir__client_h1;
    conn->away.num = -1;
    weir_time until = weir_time_add(weir__worker_now(weir__self), http->o.dial_timeout);
    weir_err err =
        weir__client_dial(http, c, key->name, weir__client_only_http1, until, &conn->stream);
    if (err < 0) {
        weir__free(conn->buf);
        weir__free(conn);
        return err;
    }
    *resource = conn;
    return WEIR_OK;
}

static bool is_away(const struct weir__client_conn *conn)
{
    return conn->away.num >= 0 && !weir__stream_is_open(&conn->stream);
}

static void close_conn(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__client_conn *conn = resource;
    (void)driver, (void)c;
    if (is_away(conn))
        weir__detached_close(conn->away);
    else
        weir__stream_close(&conn->stream);
    weir__free(conn->buf);
    weir__free(conn);
}

/* Nothing has come and it has not ended: so the socket says, in one system call. */
static bool is_quiet(struct weir__client_conn *conn)
{
    char byte;
    return weir__stream_try_recv(&conn->stream, &byte, 1) == -EAGAIN;
}

/* The same as far as events tell. */
static bool looks_quiet(struct weir__client_conn *conn)
{
    if (weir__stream_is_over(&conn->stream) || weir__stream_is_broken(&conn->stream))
        return false;
    return !weir__stream_has_more(&conn->stream) || is_quiet(conn);
}

static weir_err check_conn(void *driver, struct weir__ctx *c, void *resource)
{
    (void)driver, (void)c;
    return is_quiet(resource) ? WEIR_OK : WEIR_ECLOSED;
}

static void leave_conn(void *driver, void *resource)
{
    struct weir__client_conn *conn = resource;
    (void)driver;
    conn->away = weir__stream_detach(&conn->stream);
    conn->stream.fd.num = -1;
}

static weir_err enter_conn(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__client_conn *conn = resource;
    (void)driver, (void)c;
    weir_err err = weir__stream_attach(&conn->stream, conn->away, NULL);
    if (err == WEIR_OK)
        conn->away = (struct weir__detached){.num = -1};
    return err;
}

const struct weir__pool_ops weir__client_pool_ops = {.open = open_conn,
                                                     .close = close_conn,
                                                     .check = check_conn,
                                                     .leave = leave_conn,
                                                     .enter = enter_conn};

/* --- for an exchange -------------------------------------------------------------------------- */

static weir_err acquire(weir_reply *r, struct weir__ctx *c)
{
    if (weir__client_is_shared(r))
        return weir__client_lease_share(r, c);
    return weir__pool_group_acquire(r->http->group, c, r->target.key, r->site, &r->owned,
                                    &r->lease);
}

/* The same for no longer than the exchange may take, which is less than its context may. */
static weir_err acquire_in_time(weir_reply *r)
{
    struct weir__ctx *c = weir__ctx_new(r->c, r->until, 0, r->site);
    if (c == NULL)
        return -ENOMEM;
    weir_err err = acquire(r, c);
    if (err == WEIR_OK && r->lease.slot != NULL)
        weir__lease_hand_to(&r->lease, r->c);
    else if (err != WEIR_OK)
        weir__ctx_hand_up_error(c, r->c);
    weir__ctx_end(c);
    return err;
}

static weir_err lease(weir_reply *r)
{
    weir_err err = r->until.ns < r->c->deadline.ns ? acquire_in_time(r) : acquire(r, r->c);
    if (err != WEIR_OK)
        return err;
    if (r->conn == NULL) /* a share has its own already */
        r->conn = weir__lease_resource(&r->lease, "weir_http_do");
    r->is_reused = r->conn->exchanges++ > 0;
    return WEIR_OK;
}

/* One that carries others says by itself when it has ended. */
static bool is_watched(const weir_reply *r)
{
    return r->conn->transport->is_shared;
}

/* Can it be used? What can be sent again is content with what events tell. */
static bool is_good(const weir_reply *r)
{
    bool may_repeat = weir__client_is_idempotent(r->method) && !r->is_streamed;
    return may_repeat ? looks_quiet(r->conn) : is_quiet(r->conn);
}

weir_err weir__client_connect(weir_reply *r, bool is_fresh)
{
    struct weir__client_cells *cells = weir__client_cells(r->http);
    for (uint32_t passed = 0;; passed++) {
        weir_err err = lease(r);
        if (err != WEIR_OK)
            return err;
        if (!r->is_reused) {
            weir__counter_add(&cells->opened, 1);
            return WEIR_OK;
        }
        if (is_watched(r) || (!is_fresh && is_good(r))) {
            weir__counter_add(&cells->reused, 1);
            return WEIR_OK;
        }
        weir__counter_add(&cells->stale, 1);
        weir__client_give_back(r, false);
        if (passed >= r->http->o.pool.max_open)
            return WEIR_ECLOSED; /* others bring old ones faster than they can be passed over */
    }
}

void weir__client_give_back(weir_reply *r, bool is_good)
{
    if (r->conn == NULL)
        return;
    if (r->inside > 0) {
        r->is_due = true;
        r->conn->transport->interrupt(r);
        return;
    }
    if (!is_good)
        r->conn->transport->abort(r);
    if (r->conn->is_carried) {
        weir__client_give_back_share(r, is_good);
        return;
    }
    if (!is_good || weir__upstream_is_gone(r))
        weir__lease_break(&r->lease);
    r->conn = NULL;
    weir__lease_release(&r->lease);
}

void weir__client_enter(weir_reply *r, const struct weir__fiber **side)
{
    if (!r->is_duplex)
        return;
    WEIR_ASSERT(*side == NULL && r->inside < 2, "C14: one fiber at a time is on a side");
    *side = weir__self->current;
    r->inside++;
}

void weir__client_leave(weir_reply *r, const struct weir__fiber **side)
{
    if (!r->is_duplex)
        return;
    WEIR_ASSERT(*side == weir__self->current && r->inside > 0, "C14: who comes out was inside");
    *side = NULL;
    r->inside--;
    if (r->inside > 0 || !r->is_due)
        return;
    r->is_due = false;
    weir__client_give_back(r, false);
}

void weir__client_release(weir_reply *r)
{
    bool is_good = r->inside == 0 && r->conn->transport->close(r);
    weir__client_give_back(r, is_good);
}
