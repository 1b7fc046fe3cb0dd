/*
 * A connection to a port of TLS until its handshake is over: a version of its own, which only
 * listens. A few begin in a turn of the worker, the rest stand in line (net/tls.h); all of it has
 * the time that a head has. Then the version that both ends speak (ALPN) goes on, and what the
 * client has sent behind its handshake, which no event will tell of, is received at once.
 *
 * A client that speaks plain HTTP to such a port gets a plain answer that says so, the one thing
 * that it understands.
 *
 * The worker is not told of room. Where a socket takes less than a flight, which has a few
 * kilobytes, the sweep looks again each second.
 */
#include "base/assert.h"
#include "http/common/conn.h"
#include "wire/http1_write.h"

#include <string.h>

/* In a connection's `own`. */
struct hello {
    struct weir__tls_place place;
    uint32_t until; /* tick at which it has lasted too long */
    bool has_begun;
};
_Static_assert(sizeof(struct hello) <= WEIR__CONN_OWN, "a connection has room for it");

static struct hello *hello_of(struct weir__http_conn *c)
{
    return (struct hello *)(void *)c->own;
}

/* --- the end of it ---------------------------------------------------------------------------- */

static void answer_plainly(struct weir__http_conn *c)
{
    const weir_str text = WEIR_S("A plain request came to a port of TLS\n");
    char bytes[256];
    struct weir__http1_writer w;
    weir__http1_writer_init(&w, bytes, sizeof bytes);
    weir__http1_write_start(&w, 400, &c->home->date);
    weir__http1_write_raw(&w, WEIR_S("Connection: close\r\nContent-Type: text/plain\r\n"));
    weir__http1_write_length_end(&w, text.len);
    weir__http1_write_raw(&w, text);
    struct iovec answer = {bytes, (size_t)(w.at - bytes)};
    WEIR_ASSERT(c->requests == 0 && w.err == WEIR_OK, "N17: nothing was answered before");
    weir__stream_strip(&c->stream);
    (void)weir__stream_try_send(&c->stream, &answer, 1);
    weir__counter_add(&c->home->count.responses[4], 1);
    c->is_dirty = true;
    weir__conn_finish(c);
}

/* What is agreed on goes on; who asks for nothing speaks HTTP/1. */
static void go_on(struct weir__http_conn *c)
{
    const struct weir__http_versions *versions = c->home->server->versions;
    struct weir__tls_facts facts;
    WEIR_ASSERT(hello_of(c)->has_begun && hello_of(c)->place.link.next == NULL,
                "N17: who goes on has left the line");
    weir__tls_facts(&c->stream, &facts);
    memset(c->own, 0, sizeof c->own);
    c->version = versions->h1;
    weir__conn_rest(c, false);
    if (versions->h2 != NULL && weir_str_eq(facts.alpn, WEIR_S("h2")))
        weir__conn_switch(c, versions->h2, (weir_str){"", 0});
    else if (weir__stream_has_more(&c->stream) || c->is_peer_shut)
        c->version->on_ready(c);
    else if (c->home->is_drained)
        weir__conn_drain(c);
}

/* --- on the way ------------------------------------------------------------------------------- */

static void step(struct weir__http_conn *c)
{
    WEIR_ASSERT(hello_of(c)->has_begun && c->state == WEIR__CONN_HEAD,
                "N17: whose turn has not come is not spoken to");
    weir_err err = weir__tls_handshake(&c->stream, NULL);
    if (err == WEIR_OK)
        go_on(c);
    else if (err == -EAGAIN && weir__stream_has_unsent(&c->stream))
        weir__idle_due(c, weir__idle_after(c->home, 1));
    else if (err == -EAGAIN)
        weir__idle_due(c, hello_of(c)->until);
    else if (weir__tls_failure(&c->stream) == WEIR__TLS_PLAIN)
        answer_plainly(c);
    else
        weir__conn_close(c);
}

static void begin(struct weir__tls_place *place)
{
    struct hello *h = WEIR_CONTAINER(place, struct hello, place);
    WEIR_ASSERT(!h->has_begun, "N17: a handshake begins once");
    h->has_begun = true;
    step(WEIR_CONTAINER((char(*)[WEIR__CONN_OWN])h, struct weir__http_conn, own));
}

static void on_ready(struct weir__http_conn *c)
{
    struct hello *h = hello_of(c);
    if (h->has_begun)
        step(c);
    else if (h->place.link.next == NULL && weir__tls_may_begin(&h->place, begin))
        begin(&h->place);
}

static void timed_out(struct weir__http_conn *c)
{
    WEIR_ASSERT(c->state == WEIR__CONN_HEAD, "N17: a handshake has the time of a head");
    if (c->home->tick < hello_of(c)->until && hello_of(c)->has_begun) {
        step(c);
        return;
    }
    weir__counter_add(&c->home->count.timeouts_handshake, 1);
    weir__conn_close(c);
}

/* --- as a whole ------------------------------------------------------------------------------- */

/* Its client knows of nothing but a connection that was accepted: it has a moment. */
static void drain(struct weir__http_conn *c)
{
    struct hello *h = hello_of(c);
    uint32_t soon = weir__idle_after(c->home, WEIR__CONN_JUST_MADE_TICKS);
    WEIR_ASSERT(c->home->is_draining, "N13: a moment is given by a worker that drains");
    h->until = h->until < soon ? h->until : soon;
    weir__idle_due(c, h->until);
}

static void cancel(struct weir__http_conn *c, weir_reason reason)
{
    (void)reason;
    weir__conn_close(c);
}

static void release(struct weir__http_conn *c)
{
    weir__tls_leave_line(&hello_of(c)->place);
    WEIR_ASSERT(hello_of(c)->place.link.next == NULL, "N17: who ends has left the line");
}

static void each(struct weir__http_conn *c, void (*fn)(struct weir__exchange *x, void *arg),
                 void *arg)
{
    (void)c, (void)fn, (void)arg; /* there is no request yet */
}

static const struct weir__http_version hello_version = {
    .name = "TLS",
    .is_movable = false,
    .on_ready = on_ready,
    .timed_out = timed_out,
    .drain = drain,
    .cancel = cancel,
    .cut = weir__conn_close,
    .release = release,
    .each = each,
};

void weir__hello_begin(struct weir__http_conn *c, struct weir__tls_server *tls, bool is_ready)
{
    WEIR_ASSERT(c->requests == 0 && !hello_of(c)->has_begun && c->state == WEIR__CONN_REST,
                "N17: a handshake comes before all requests");
    c->version = &hello_version;
    c->state = WEIR__CONN_HEAD;
    hello_of(c)->until = weir__idle_after(c->home, c->home->head_ticks);
    weir__idle_due(c, hello_of(c)->until);
    if (weir__tls_accept(&c->stream, tls) < 0) {
        weir__conn_close(c);
        return;
    }
    if (c->home->is_drained)
        drain(c);
    if (is_ready)
        on_ready(c);
}
