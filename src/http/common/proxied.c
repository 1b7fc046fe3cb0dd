/*
 * What peers that are trusted say of others: the PROXY protocol before all else on a connection,
 * Forwarded or X-Forwarded-For in a request, and how long a caller will still wait.
 *
 * The header of the PROXY protocol is a version of its own that only listens. It takes nothing of
 * what is behind the header, which the version that comes next receives as if it were the first.
 * Who connects before he has somebody to speak for is as any connection at rest; from the header's
 * first byte on it has the time that a head has.
 *
 * Peers that are not trusted are never asked for a header, nor believed: what they send is HTTP, or
 * it is refused as that.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "http/common/conn.h"
#include "wire/forwarded.h"
#include "wire/proxy_protocol.h"
#include "wire/time_field.h"

#include <string.h>

/* --- addresses -------------------------------------------------------------------------------- */

/* The same bytes and families in both rooms, neither of which may know the other. */
static struct weir__ip ip_of(const struct weir__endpoint *e)
{
    struct weir__ip ip = {.family = e->family};
    _Static_assert(sizeof ip.bytes == sizeof e->ip, "an address is as large in both");
    memcpy(ip.bytes, e->ip, sizeof ip.bytes);
    return ip;
}

static struct weir__endpoint endpoint_of(const struct weir__ip *ip, uint16_t port)
{
    struct weir__endpoint e = {.port = port, .family = ip->family};
    memcpy(e.ip, ip->bytes, sizeof e.ip);
    return e;
}

static const struct weir__http_server_options *options_of(const struct weir__http_conn *c)
{
    return &c->home->server->options;
}

bool weir__peer_is_trusted(const struct weir__http_conn *c)
{
    struct weir__ip ip = ip_of(&c->peer);
    return weir__cidrs_have(&options_of(c)->trusted, &ip);
}

/* --- the PROXY protocol ----------------------------------------------------------------------- */

struct partial {
    uint32_t len;
    char bytes[];
};

/* In a connection's `own`. */
struct proxied {
    struct partial *partial;      /* in HEAD */
    struct weir__tls_server *tls; /* what comes next; NULL: HTTP */
};
_Static_assert(sizeof(struct proxied) <= WEIR__CONN_OWN, "a connection has room for it");

static struct proxied *proxied_of(struct weir__http_conn *c)
{
    return (struct proxied *)(void *)c->own;
}

static void drop_partial(struct weir__http_conn *c)
{
    weir__free(proxied_of(c)->partial);
    proxied_of(c)->partial = NULL;
}

/* Closes it, with one line in the log. */
static void turn_away(struct weir__http_conn *c, const char *why)
{
    weir__counter_add(&c->home->count.malformed, 1);
    weir__log_refused(c, 0, why);
    weir__conn_close(c);
}

/* The header is whole: it is the client's connection from now on. */
static void go_on(struct weir__http_conn *c, const struct weir__proxy_header *h)
{
    struct weir__tls_server *tls = proxied_of(c)->tls;
    bool is_ready = weir__stream_has_more(&c->stream) || c->is_peer_shut;
    WEIR_ASSERT(proxied_of(c)->partial == NULL && c->requests == 0,
                "N16: nothing is behind a header, and nothing came before it");
    if (!h->is_local)
        c->peer = endpoint_of(&h->from, h->from_port);
    memset(c->own, 0, sizeof c->own);
    c->version = c->home->server->versions->h1;
    weir__conn_rest(c, false);
    if (tls != NULL)
        weir__hello_begin(c, tls, is_ready);
    else if (is_ready)
        c->version->on_ready(c);
    else if (c->home->is_drained)
        weir__conn_drain(c);
}

/* Half a header: the rest is waited for. */
static void wait_for_more(struct weir__http_conn *c, weir_str bytes)
{
    WEIR_ASSERT(bytes.len < WEIR__PROXY_BYTES_MAX, "N16: half a header is less than one");
    if (bytes.len == 0)
        return;
    struct partial *p = weir__malloc(sizeof *p + bytes.len);
    if (p == NULL) {
        weir__conn_close(c);
        return;
    }
    p->len = (uint32_t)bytes.len;
    memcpy(p->bytes, bytes.ptr, bytes.len);
    proxied_of(c)->partial = p;
    weir__conn_rest(c, true);
}

static size_t take_partial(struct weir__http_conn *c, char *bytes)
{
    const struct partial *p = proxied_of(c)->partial;
    size_t n = p != NULL ? p->len : 0;
    WEIR_ASSERT((n > 0) == (c->state == WEIR__CONN_HEAD), "N16: in HEAD half a header is kept");
    if (n > 0)
        memcpy(bytes, p->bytes, n);
    drop_partial(c);
    return n;
}

static void on_ready(struct weir__http_conn *c)
{
    char bytes[WEIR__PROXY_BYTES_MAX];
    struct weir__proxy_header header;
    size_t n = take_partial(c, bytes);
    int rc = 0;
    while (rc == 0) {
        size_t missing = weir__proxy_missing((weir_str){bytes, n});
        WEIR_ASSERT(n + missing <= sizeof bytes, "N16: a header of the PROXY protocol is bounded");
        ssize_t got = weir__stream_try_recv(&c->stream, bytes + n, missing);
        if (got == -EAGAIN) {
            wait_for_more(c, (weir_str){bytes, n});
            return;
        }
        if (got <= 0 && n == 0) { /* it came and went, as who looks whether a port is open does */
            weir__conn_close(c);
            return;
        }
        if (got <= 0) {
            turn_away(c, "the connection ended within its PROXY header");
            return;
        }
        n += (size_t)got;
        weir__counter_add(&c->home->count.bytes_in, (uint64_t)got);
        rc = weir__proxy_parse((weir_str){bytes, n}, &header);
    }
    if (rc < 0)
        turn_away(c, weir__proxy_error_text(rc));
    else
        go_on(c, &header);
}

static void timed_out(struct weir__http_conn *c)
{
    if (c->state == WEIR__CONN_REST) {
        weir__conn_close(c);
        return;
    }
    WEIR_ASSERT(proxied_of(c)->partial != NULL, "N16: in HEAD half a header is kept");
    weir__counter_add(&c->home->count.timeouts_head, 1);
    turn_away(c, "the PROXY header took too long");
}

static void drain(struct weir__http_conn *c)
{
    if (c->state == WEIR__CONN_REST)
        weir__conn_drain(c);
}

static void cancel(struct weir__http_conn *c, weir_reason reason)
{
    (void)reason;
    weir__conn_close(c);
}

static void each(struct weir__http_conn *c, void (*fn)(struct weir__exchange *x, void *arg),
                 void *arg)
{
    (void)c, (void)fn, (void)arg; /* there is no request yet */
}

void weir__proxied_begin(struct weir__http_conn *c, struct weir__tls_server *tls)
{
    static const struct weir__http_version version = {
        .name = "PROXY",
        .is_movable = false, /* who takes it over would take it for HTTP */
        .on_ready = on_ready,
        .timed_out = timed_out,
        .drain = drain,
        .cancel = cancel,
        .cut = weir__conn_close,
        .release = drop_partial,
        .each = each,
    };
    WEIR_ASSERT(c->requests == 0 && c->state == WEIR__CONN_REST,
                "N16: a header comes before all else");
    c->version = &version;
    proxied_of(c)->tls = tls;
}

/* --- whom a request is from ------------------------------------------------------------------- */

enum { LINES_MAX = 16 }; /* field lines of one name; those in front of them are not looked at */

/* The values of the last lines of a field, in their order. */
static size_t lines_of(const struct weir__exchange *x, enum weir__http_field_id id,
                       weir_str lines[LINES_MAX])
{
    size_t n = 0;
    unsigned count = weir__exchange_fields(x);
    for (unsigned i = weir__exchange_find(x, id, 0); i < count;
         i = weir__exchange_find(x, id, i + 1)) {
        if (n == LINES_MAX)
            memmove(lines, lines + 1, --n * sizeof lines[0]);
        lines[n++] = weir__exchange_field_value(x, i);
    }
    return n;
}

void weir__exchange_client(const struct weir__exchange *x, struct weir__endpoint *out)
{
    const struct weir__http_server_options *o = options_of(x->conn);
    enum weir__http_field_id id =
        o->is_forwarded ? WEIR_FIELD_FORWARDED : WEIR_FIELD_X_FORWARDED_FOR;
    WEIR_ASSERT(x->conn->home == x->home, "X4: an exchange is its connection's");
    *out = x->conn->peer;
    if (!weir__anybody_is_trusted(x->home) || x->is_refused || !weir__exchange_has(x, id))
        return;
    static const weir_str absent = {NULL, 0};
    struct weir__forwarded f;
    weir_str lines[LINES_MAX];
    size_t n = lines_of(x, id, lines);
    struct weir__ip peer = ip_of(&x->conn->peer);
    if (o->is_forwarded)
        weir__forwarded_walk(&peer, &o->trusted, lines, n, &f);
    else
        weir__forwarded_walk_x(&peer, &o->trusted, lines, n, absent, absent, &f);
    if (f.hops > 0 && !weir__ip_eq(&f.client, &peer))
        *out = endpoint_of(&f.client, f.port);
}

/* --- how long it is waited for ---------------------------------------------------------------- */

void weir__exchange_heed_caller(struct weir__exchange *x)
{
    const struct weir__http_server_options *o = options_of(x->conn);
    struct weir__ctx *c = x->ctx;
    int64_t ms;
    WEIR_ASSERT(c->exchange == x, "X4: its context names it");
    if (o->deadline_field.len == 0 || !weir__peer_is_trusted(x->conn))
        return;
    weir_str left = weir__exchange_header(x, o->deadline_field);
    if (left.ptr == NULL || weir__deadline_parse(left, &ms) != WEIR_OK)
        return;
    weir_time until = weir_time_add(x->began, weir_ms(ms));
    if (until.ns >= c->deadline.ns)
        return;
    c->deadline = until;
    c->deadline_owner = c;
    x->timeout = weir_no_timeout(); /* who is slow gets no more of it: nobody waits any longer */
}
