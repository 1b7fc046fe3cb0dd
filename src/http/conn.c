/*
 * A connection between its requests: at rest, with half a head, lingering. All of it runs on the
 * worker's own stack, called by the poller and the sweep of idle.c; a fiber is bound when a head is
 * complete and gives the connection back at its end.
 *
 * The hard thing is not to miss an edge: the poller tells once that there is something to read.
 * While the stream may have more (S2), because a receive filled its buffer or an edge came while
 * the fiber was busy, the fiber receives again before it lets go.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "http/conn.h"

#include <string.h>

#define JUST_MADE_TICKS 2 /* a connection's client is about to ask; a drain waits so long for it */

static void on_ready(struct weir__fd *fd, unsigned ready);
static void receive(struct weir__http_conn *c);

/* --- opening and closing ---------------------------------------------------------------------- */

/* NULL: it could not be had, and is closed. */
static struct weir__http_conn *enter(struct weir__http_worker *home, struct weir__detached d,
                                     const struct weir__endpoint *peer)
{
    struct weir__http_conn *c = weir__pool_conn(home);
    if (c == NULL) {
        weir__detached_close(d);
        weir__server_closed_one(home->server);
        return NULL;
    }
    *c = (struct weir__http_conn){.home = home, .peer = *peer};
    weir__idle_add(c, home->idle_ticks);
    weir__gauge_add(&home->count.open, 1);
    if (weir__stream_attach(&c->stream, d, on_ready) == WEIR_OK)
        return c;
    weir__conn_close(c);
    return NULL;
}

void weir__conn_open(struct weir__http_worker *home, struct weir__detached d,
                     const struct weir__endpoint *peer)
{
    struct weir__http_conn *c = enter(home, d, peer);
    if (c != NULL && home->is_drained)
        weir__conn_drain(c);
}

/* Nothing has come on it since it was made, not long ago. Not known without an idle time-out. */
static bool is_just_made(const struct weir__http_conn *c)
{
    return c->requests == 0 &&
           c->due >= weir__idle_after(c->home, c->home->idle_ticks) - JUST_MADE_TICKS;
}

void weir__conn_drain(struct weir__http_conn *c)
{
    if (is_just_made(c))
        weir__idle_due(c, weir__idle_after(c->home, JUST_MADE_TICKS));
    else
        weir__conn_close(c);
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
        receive(c);
}

static void leave(struct weir__http_conn *c)
{
    struct weir__http_worker *home = c->home;
    weir__idle_remove(c);
    weir__pool_give_conn(home, c);
    weir__gauge_add(&home->count.open, -1);
    if (weir__gauge_read(&home->count.open) == 0)
        weir__timer_disarm(&home->sweep);
}

struct weir__detached weir__conn_let_go(struct weir__http_conn *c)
{
    WEIR_ASSERT(c->state == WEIR__CONN_REST && c->x == NULL && c->in == NULL && c->partial == NULL,
                "N4: only a connection at rest goes to another worker");
    struct weir__detached d = weir__stream_detach(&c->stream);
    leave(c);
    return d;
}

void weir__conn_close(struct weir__http_conn *c)
{
    struct weir__http_worker *home = c->home;
    WEIR_ASSERT(c->x == NULL && c->in == NULL, "N2: a closed connection is bound to nothing");
    if (c->is_reset_due)
        weir__stream_reset_on_close(&c->stream);
    weir__stream_close(&c->stream);
    weir__free(c->partial);
    leave(c);
    weir__accept_resume(home);
    weir__server_closed_one(home->server);
}

/* The last answer has left. Who may still be sending must not be reset before it has read that. */
static void finish(struct weir__http_conn *c)
{
    bool may_have_more = c->is_dirty || weir__stream_has_more(&c->stream);
    if (c->is_broken || c->is_reset_due || !weir__stream_is_open(&c->stream) || !may_have_more ||
        weir__stream_is_broken(&c->stream))
        weir__conn_close(c);
    else
        weir__linger_begin(c);
}

/* --- half heads ------------------------------------------------------------------------------- */

/* Keeps what there is of a head until the rest comes. */
static bool keep_partial(struct weir__http_conn *c, const struct weir__exchange *x,
                         const struct weir__http_in *in)
{
    uint32_t len = in->len - in->at;
    if (len == 0)
        return true;
    struct weir__http_partial *p = weir__malloc(sizeof *p + len);
    if (p == NULL)
        return false;
    p->len = len;
    p->head = x->head;
    memcpy(p->bytes, in->bytes + in->at, len);
    c->partial = p;
    return true;
}

static void restore_partial(struct weir__http_conn *c, struct weir__exchange *x,
                            struct weir__http_in *in)
{
    struct weir__http_partial *p = c->partial;
    if (WEIR_LIKELY(p == NULL)) {
        weir__http_head_init(&x->head);
        return;
    }
    x->head = p->head;
    memcpy(in->bytes, p->bytes, p->len);
    in->len = p->len;
    weir__free(p);
    c->partial = NULL;
}

/* --- parsing ---------------------------------------------------------------------------------- */

static void refuse(struct weir__exchange *x, int status, const char *why)
{
    struct weir__http_conn *c = x->conn;
    x->is_refused = true;
    x->refused_status = (int16_t)status;
    x->refused_why = why;
    x->head_len = 0;
    c->in->at = c->in->len;
    c->is_dirty = true;
}

/* Parses from `at` on: true when there is a request, or the refusal of one. */
static bool parse(struct weir__http_conn *c)
{
    struct weir__http_in *in = c->in;
    struct weir__exchange *x = c->x;
    int n = weir__http1_head_parse(&x->head, in->bytes + in->at, in->len - in->at,
                                   &c->home->server->limits);
    if (n == 0)
        return false;
    x->bytes = in->bytes + in->at;
    x->is_refused = false;
    if (WEIR_LIKELY(n > 0)) {
        x->head_len = (uint32_t)n;
        in->at += (uint32_t)n;
        if (WEIR_UNLIKELY(x->head.is_https)) /* RFC 9110 section 7.4: not without TLS */
            refuse(x, 421, "an https URL on a connection without TLS");
        return true;
    }
    weir__counter_add(&c->home->count.malformed, 1);
    refuse(x, weir__http1_error_status(n), weir__http1_error_text(n));
    return true;
}

/* Puts what begins at `at` at the buffer's front, so that there is room behind it. */
static void move_to_front(struct weir__http_in *in)
{
    memmove(in->bytes, in->bytes + in->at, in->len - in->at);
    in->len -= in->at;
    in->at = 0;
}

/*
 * A body that is still to come is received behind its head, which therefore begins where the buffer
 * does.
 */
static void make_room_for_body(struct weir__http_conn *c)
{
    struct weir__http_in *in = c->in;
    struct weir__exchange *x = c->x;
    bool is_here =
        x->head.body != WEIR_HTTP_BODY_UNSIZED && x->head.content_length <= in->len - in->at;
    if (WEIR_LIKELY(is_here) || x->is_refused || x->bytes == in->bytes)
        return;
    in->at -= x->head_len;
    move_to_front(in);
    x->bytes = in->bytes;
    in->at = x->head_len;
}

bool weir__conn_next_head(struct weir__http_conn *c)
{
    struct weir__http_in *in = c->in;
    weir__http_head_init(&c->x->head);
    if (in->at == in->len) {
        in->at = in->len = 0;
        return false;
    }
    if (!parse(c))
        return false;
    make_room_for_body(c);
    return true;
}

bool weir__conn_receive_head(struct weir__http_conn *c)
{
    struct weir__http_in *in = c->in;
    while (weir__stream_has_more(&c->stream)) {
        weir__fiber_yield();
        if (in->at > 0)
            move_to_front(in);
        ssize_t n = weir__stream_try_recv(&c->stream, in->bytes + in->len,
                                          c->home->server->in_bytes - in->len);
        if (n == -EAGAIN)
            return false;
        if (n <= 0) {
            c->is_closing = true;
            c->is_broken = n < 0;
            return false;
        }
        in->len += (uint32_t)n;
        weir__counter_add(&c->home->count.bytes_in, (uint64_t)n);
        if (parse(c))
            return true;
    }
    return false;
}

/* --- binding ---------------------------------------------------------------------------------- */

static void release(struct weir__http_conn *c)
{
    struct weir__http_worker *home = c->home;
    weir__pool_give_exchange(home, c->x);
    weir__pool_give_in(home, c->in);
    if (c->out != NULL)
        weir__pool_give_out(home, c->out);
    c->x = NULL;
    c->in = NULL;
    c->out = NULL;
}

/* Where a connection goes that has half a head, or none. */
static void rest(struct weir__http_conn *c, bool has_begun)
{
    struct weir__http_worker *home = c->home;
    bool was_head = c->state == WEIR__CONN_HEAD;
    c->state = has_begun ? WEIR__CONN_HEAD : WEIR__CONN_REST;
    if (!has_begun)
        weir__idle_due(c, weir__idle_after(home, home->idle_ticks));
    else if (!was_head)
        weir__idle_due(c, weir__idle_after(home, home->head_ticks));
}

/* The fiber that would answer could not be had: the answer is a constant. */
static void no_fiber(struct weir__http_conn *c)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                               "Content-Length: 0\r\n\r\n";
    struct iovec answer = {(void *)(uintptr_t)text, sizeof text - 1};
    (void)weir__stream_try_send(&c->stream, &answer, 1);
    weir__counter_add(&c->home->count.responses[5], 1);
    c->is_closing = c->is_dirty = true;
    weir__conn_unbind(c);
}

static void start_serving(struct weir__http_conn *c)
{
    struct weir__worker *w = c->home->worker;
    c->state = WEIR__CONN_ACTIVE;
    weir__gauge_add(&c->home->count.active, 1);
    if (!weir__fiber_run_now(w, weir__conn_serve, c, "request", NULL))
        no_fiber(c);
}

void weir__conn_unbind(struct weir__http_conn *c)
{
    weir__gauge_add(&c->home->count.active, -1);
    bool has_begun = c->in->at < c->in->len;
    c->is_dirty = c->is_dirty || has_begun;
    if (!c->is_closing && !keep_partial(c, c->x, c->in))
        c->is_closing = true;
    release(c);
    if (WEIR_UNLIKELY(c->is_closing || weir__stream_is_over(&c->stream) ||
                      !weir__stream_is_open(&c->stream) || (c->home->is_draining && !has_begun)))
        finish(c);
    else
        rest(c, has_begun);
}

/* --- events ----------------------------------------------------------------------------------- */

static bool take_buffers(struct weir__http_conn *c)
{
    c->x = weir__pool_exchange(c->home);
    c->in = weir__pool_in(c->home);
    if (WEIR_LIKELY(c->x != NULL && c->in != NULL)) {
        c->x->conn = c;
        c->x->home = c->home;
        c->x->ctx = NULL;
        c->x->is_started = c->x->is_window_open = false;
        return true;
    }
    if (c->x != NULL)
        weir__pool_give_exchange(c->home, c->x);
    if (c->in != NULL)
        weir__pool_give_in(c->home, c->in);
    c->x = NULL;
    c->in = NULL;
    return false;
}

/* After a receive that brought no whole head. */
static void not_yet(struct weir__http_conn *c, bool is_over)
{
    bool has_begun = c->in->at < c->in->len;
    bool is_kept = is_over || keep_partial(c, c->x, c->in);
    release(c);
    if (is_over || !is_kept)
        weir__conn_close(c);
    else if (c->home->is_drained && !has_begun)
        weir__conn_drain(c);
    else
        rest(c, has_begun);
}

static void receive(struct weir__http_conn *c)
{
    struct weir__http_worker *home = c->home;
    if (WEIR_UNLIKELY(!take_buffers(c))) {
        weir__conn_close(c);
        return;
    }
    struct weir__http_in *in = c->in;
    restore_partial(c, c->x, in);
    do {
        ssize_t n = weir__stream_try_recv(&c->stream, in->bytes + in->len,
                                          home->server->in_bytes - in->len);
        if (n <= 0) {
            not_yet(c, n != -EAGAIN);
            return;
        }
        in->len += (uint32_t)n;
        weir__counter_add(&home->count.bytes_in, (uint64_t)n);
        if (WEIR_LIKELY(parse(c))) {
            start_serving(c);
            return;
        }
    } while (weir__stream_has_more(&c->stream));
    not_yet(c, weir__stream_is_over(&c->stream));
}

static void on_ready(struct weir__fd *fd, unsigned ready)
{
    struct weir__http_conn *c = WEIR_CONTAINER(fd, struct weir__http_conn, stream.fd);
    if (WEIR_UNLIKELY((ready & (WEIR__PEER_CLOSED | WEIR__BROKEN)) != 0))
        c->is_peer_shut = true;
    if (c->state == WEIR__CONN_ACTIVE)
        weir__conn_peer_shut(c);
    else if (c->state == WEIR__CONN_LINGER)
        weir__linger_on(c);
    else if (WEIR_LIKELY(!weir__late_is_possible(c->home)) || !weir__late_give(c, ready))
        receive(c);
}

void weir__conn_timed_out(struct weir__http_conn *c)
{
    struct weir__http_counters *count = &c->home->count;
    if (c->state == WEIR__CONN_LINGER) {
        weir__linger_timed_out(c);
        return;
    }
    if (c->state == WEIR__CONN_REST) {
        weir__counter_add(&count->timeouts_idle, 1);
        weir__conn_close(c);
        return;
    }
    weir__counter_add(&count->timeouts_head, 1);
    if (!take_buffers(c)) {
        weir__conn_close(c);
        return;
    }
    restore_partial(c, c->x, c->in);
    c->x->bytes = c->in->bytes;
    refuse(c->x, 408, "the request's head took too long");
    start_serving(c);
}
