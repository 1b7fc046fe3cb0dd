/*
 * A connection's life between its versions: taken in, handed to another worker, lingering, closed.
 * All of it runs on the worker's own stack, called by the poller and the sweep of idle.c.
 */
#include "base/assert.h"
#include "http/common/conn.h"

/* --- events ----------------------------------------------------------------------------------- */

static void on_ready(struct weir__fd *fd, unsigned ready)
{
    struct weir__http_conn *c = WEIR_CONTAINER(fd, struct weir__http_conn, stream.fd);
    if (WEIR_UNLIKELY((ready & (WEIR__PEER_CLOSED | WEIR__BROKEN)) != 0))
        c->is_peer_shut = true;
    if (WEIR_UNLIKELY(c->state == WEIR__CONN_LINGER))
        weir__linger_on(c);
    else if (WEIR_LIKELY(!weir__late_is_possible(c->home)) || c->state == WEIR__CONN_ACTIVE ||
             !weir__late_give(c, ready))
        c->version->on_ready(c);
}

void weir__conn_timed_out(struct weir__http_conn *c)
{
    WEIR_ASSERT(c->state != WEIR__CONN_ACTIVE && c->due <= c->home->tick,
                "N8: what has timed out was due, and no fiber was at work");
    if (c->state == WEIR__CONN_LINGER) {
        weir__linger_timed_out(c);
        return;
    }
    if (c->state == WEIR__CONN_REST)
        weir__counter_add(&c->home->count.timeouts_idle, 1);
    c->version->timed_out(c);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* NULL: it could not be had, and is closed. */
static struct weir__http_conn *enter(struct weir__http_worker *home, struct weir__detached d,
                                     const struct weir__endpoint *peer)
{
    WEIR_ASSERT(home->worker == weir__self, "N6: its worker takes a connection in");
    WEIR_ASSERT(weir__latch_count(&home->server->open) > 0, "N11: the server has counted it");
    struct weir__http_conn *c = weir__pool_conn(home);
    if (c == NULL) {
        weir__detached_close(d);
        weir__server_closed_one(home->server);
        return NULL;
    }
    *c = (struct weir__http_conn){
        .home = home, .version = home->server->versions->h1, .peer = *peer};
    weir__idle_add(c, home->idle_ticks);
    weir__gauge_add(&home->count.open, 1);
    if (weir__stream_attach(&c->stream, d, on_ready) == WEIR_OK)
        return c;
    weir__detached_close(d);
    weir__conn_close(c);
    return NULL;
}

void weir__conn_open(struct weir__http_worker *home, struct weir__detached d,
                     const struct weir__endpoint *peer, struct weir__tls_server *tls)
{
    struct weir__http_conn *c = enter(home, d, peer);
    if (c == NULL)
        return;
    bool is_proxied = home->server->options.is_proxied && weir__peer_is_trusted(c);
    if (is_proxied)
        weir__proxied_begin(c, tls);
    else if (tls != NULL)
        weir__hello_begin(c, tls, false);
    if (home->is_drained && (is_proxied || tls == NULL))
        weir__conn_drain(c);
}

void weir__conn_adopt(struct weir__http_worker *home, struct weir__detached d,
                      const struct weir__endpoint *peer, uint32_t requests)
{
    struct weir__http_conn *c = enter(home, d, peer);
    if (c == NULL)
        return;
    c->requests = requests;
    if (home->is_drained && atomic_load(&home->server->cancel_reason) != WEIR_REASON_NONE)
        weir__conn_close(c); /* requests are not even finished any more */
    else
        c->version->on_ready(c);
}

void weir__conn_switch(struct weir__http_conn *c, const struct weir__http_version *to,
                       weir_str bytes)
{
    WEIR_ASSERT(c->state != WEIR__CONN_LINGER && to != c->version,
                "N9: one version takes over from another");
    c->version = to;
    to->take_over(c, bytes);
}

/* --- at rest ---------------------------------------------------------------------------------- */

/* The buffers of the few that a worker has are worth more than the memory. */
static void rest_tls(struct weir__http_conn *c)
{
    if (weir__gauge_read(&c->home->count.open) > WEIR__TLS_WARM_MAX && weir__tls_is_on(&c->stream))
        weir__tls_rest(&c->stream);
}

void weir__conn_rest(struct weir__http_conn *c, bool has_begun)
{
    struct weir__http_worker *home = c->home;
    if (WEIR_UNLIKELY(c->stream.layer != NULL))
        rest_tls(c);
    bool was_head = c->state == WEIR__CONN_HEAD;
    WEIR_ASSERT(c->state != WEIR__CONN_LINGER, "N9: who lingers does not come back");
    c->state = has_begun ? WEIR__CONN_HEAD : WEIR__CONN_REST;
    if (!has_begun)
        weir__idle_due(c, weir__idle_after(home, home->idle_ticks));
    else if (!was_head)
        weir__idle_due(c, weir__idle_after(home, home->head_ticks));
}

/* Nothing has come on it since it was made, not long ago. Not known without an idle time-out. */
static bool is_just_made(const struct weir__http_conn *c)
{
    return c->requests == 0 &&
           c->due >= weir__idle_after(c->home, c->home->idle_ticks) - WEIR__CONN_JUST_MADE_TICKS;
}

void weir__conn_drain(struct weir__http_conn *c)
{
    WEIR_ASSERT(c->home->is_drained && c->state != WEIR__CONN_ACTIVE,
                "N13: a drain closes what is at rest; what runs is answered");
    if (is_just_made(c))
        weir__idle_due(c, weir__idle_after(c->home, WEIR__CONN_JUST_MADE_TICKS));
    else
        weir__conn_close(c);
}

/* --- closing ---------------------------------------------------------------------------------- */

static void leave(struct weir__http_conn *c)
{
    struct weir__http_worker *home = c->home;
    WEIR_ASSERT(!weir__stream_is_open(&c->stream), "N1: who leaves has no descriptor any more");
    weir__idle_remove(c);
    weir__pool_give_conn(home, c);
    weir__gauge_add(&home->count.open, -1);
    WEIR_ASSERT(weir__gauge_read(&home->count.active) <= weir__gauge_read(&home->count.open),
                "N7: no more connections have fibers at work than are open");
    if (weir__gauge_read(&home->count.open) == 0)
        weir__timer_disarm(&home->sweep);
}

struct weir__detached weir__conn_let_go(struct weir__http_conn *c)
{
    WEIR_ASSERT(c->state == WEIR__CONN_REST && c->version->is_movable,
                "N4: only a connection at rest goes to another worker");
    WEIR_ASSERT(c->home->worker == weir__self, "N6: its worker lets go of it");
    c->version->release(c);
    struct weir__detached d = weir__stream_detach(&c->stream);
    leave(c);
    return d;
}

void weir__conn_close(struct weir__http_conn *c)
{
    struct weir__http_worker *home = c->home;
    WEIR_ASSERT(home->worker == weir__self, "N6: its worker closes a connection");
    if (c->state != WEIR__CONN_LINGER)
        c->version->release(c);
    if (c->is_reset_due)
        weir__stream_reset_on_close(&c->stream);
    weir__stream_close(&c->stream);
    leave(c);
    weir__accept_resume(home);
    weir__server_closed_one(home->server);
}

void weir__conn_finish(struct weir__http_conn *c)
{
    WEIR_ASSERT(c->state != WEIR__CONN_LINGER, "N9: a connection lingers once");
    bool may_have_more = c->is_dirty || weir__stream_has_more(&c->stream);
    if (c->is_broken || c->is_reset_due || !weir__stream_is_open(&c->stream) || !may_have_more ||
        weir__stream_is_broken(&c->stream))
        weir__conn_close(c);
    else
        weir__linger_begin(c);
}
