/*
 * A connection between its requests: at rest, or with half a head. All of it runs on the worker's
 * own stack, called by the poller and the sweep of idle.c; a fiber is bound when a head is complete
 * and gives the connection back at its end.
 *
 * The hard thing is not to miss an edge: the poller tells once that there is something to read.
 * While the stream may have more (S2), because a receive filled its buffer or an edge came while
 * the fiber was busy, the fiber receives again before it lets go.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "http/h1/h1.h"

#include <string.h>

/* --- half heads ------------------------------------------------------------------------------- */

/* Keeps what there is of a head until the rest comes. */
static bool keep_partial(struct weir__http_conn *c, const struct weir__exchange *x,
                         const struct weir__http_in *in)
{
    uint32_t len = in->len - in->at;
    if (len == 0)
        return true;
    WEIR_ASSERT(weir__h1(c)->partial == NULL, "B3: the beginning of one head is kept");
    struct weir__h1_partial *p = weir__malloc(sizeof *p + len);
    if (p == NULL)
        return false;
    p->len = len;
    p->head = x->head;
    memcpy(p->bytes, in->bytes + in->at, len);
    weir__h1(c)->partial = p;
    return true;
}

static void restore_partial(struct weir__http_conn *c, struct weir__exchange *x,
                            struct weir__http_in *in)
{
    struct weir__h1_partial *p = weir__h1(c)->partial;
    if (WEIR_LIKELY(p == NULL)) {
        weir__http_head_init(&x->head);
        return;
    }
    WEIR_ASSERT(c->state == WEIR__CONN_HEAD, "B3: a head that has begun is kept in HEAD");
    WEIR_ASSERT(p->len < c->home->server->in_bytes, "B1: there is room for the rest of it");
    x->head = p->head;
    memcpy(in->bytes, p->bytes, p->len);
    in->len = p->len;
    weir__free(p);
    weir__h1(c)->partial = NULL;
}

/* --- parsing ---------------------------------------------------------------------------------- */

static void refuse(struct weir__exchange *x, int status, const char *why)
{
    struct weir__http_in *in = weir__h1(x->conn)->in;
    weir__exchange_refuse(x, status, why);
    weir__h1_x(x)->head_len = 0;
    in->at = in->len;
    x->conn->is_dirty = true;
}

/* Parses from `at` on: true when there is a request, or the refusal of one. */
static bool parse(struct weir__http_conn *c)
{
    struct weir__http_in *in = weir__h1(c)->in;
    struct weir__exchange *x = weir__h1(c)->x;
    int n = weir__http1_head_parse(&x->head, in->bytes + in->at, in->len - in->at,
                                   &c->home->server->limits);
    if (n == 0)
        return false;
    x->bytes = in->bytes + in->at;
    x->is_refused = false;
    if (WEIR_LIKELY(n > 0)) {
        weir__h1_x(x)->head_len = (uint32_t)n;
        in->at += (uint32_t)n;
        /* RFC 9110 section 7.4: not without TLS. */
        if (WEIR_UNLIKELY(x->head.is_https) && !weir__tls_is_on(&c->stream))
            refuse(x, 421, "an https URL on a connection without TLS");
        return true;
    }
    weir__counter_add(&c->home->count.malformed, 1);
    refuse(x, weir__http1_error_status(n), weir__http1_error_text(n));
    return true;
}

/* A connection begins as HTTP/2 with prior knowledge does (RFC 9113 section 3.3). */
static bool is_other_version(struct weir__http_conn *c)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n";
    const struct weir__http_in *in = weir__h1(c)->in;
    return WEIR_UNLIKELY(in->bytes[0] == 'P') && c->requests == 0 &&
           c->home->server->versions->h2 != NULL && in->len >= sizeof preface - 1 &&
           memcmp(in->bytes, preface, sizeof preface - 1) == 0;
}

/* Puts what begins at `at` at the buffer's front, so that there is room behind it. */
static void move_to_front(struct weir__http_in *in)
{
    WEIR_ASSERT(in->at <= in->len, "B1: what moves has come");
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
    struct weir__http_in *in = weir__h1(c)->in;
    struct weir__exchange *x = weir__h1(c)->x;
    bool is_here =
        x->head.body != WEIR_HTTP_BODY_UNSIZED && x->head.content_length <= in->len - in->at;
    if (WEIR_LIKELY(is_here) || x->is_refused || x->bytes == in->bytes)
        return;
    in->at -= weir__h1_x(x)->head_len;
    WEIR_ASSERT(x->bytes == in->bytes + in->at, "B1: a head ends where its body begins");
    move_to_front(in);
    x->bytes = in->bytes;
    in->at = weir__h1_x(x)->head_len;
}

bool weir__h1_next_head(struct weir__http_conn *c)
{
    struct weir__http_in *in = weir__h1(c)->in;
    weir__http_head_init(&weir__h1(c)->x->head);
    if (in->at == in->len) {
        in->at = in->len = 0;
        return false;
    }
    if (!parse(c))
        return false;
    make_room_for_body(c);
    return true;
}

bool weir__h1_receive_head(struct weir__http_conn *c)
{
    struct weir__http_in *in = weir__h1(c)->in;
    while (weir__stream_has_more(&c->stream)) {
        weir__fiber_yield();
        if (in->at > 0)
            move_to_front(in);
        WEIR_ASSERT(in->len < c->home->server->in_bytes, "B1: half a head leaves room for more");
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

static bool take_buffers(struct weir__http_conn *c)
{
    struct weir__h1 *h = weir__h1(c);
    h->x = weir__pool_exchange(c->home);
    h->in = weir__pool_in(c->home);
    if (WEIR_LIKELY(h->x != NULL && h->in != NULL)) {
        h->x->ops = &weir__h1_ops;
        h->x->conn = c;
        h->x->home = c->home;
        h->x->ctx = NULL;
        h->x->response = WEIR__RESPONSE_NONE;
        return true;
    }
    if (h->x != NULL)
        weir__pool_give_exchange(c->home, h->x);
    if (h->in != NULL)
        weir__pool_give_in(c->home, h->in);
    h->x = NULL;
    h->in = NULL;
    return false;
}

static void give_buffers(struct weir__http_conn *c)
{
    struct weir__h1 *h = weir__h1(c);
    weir__pool_give_exchange(c->home, h->x);
    weir__pool_give_in(c->home, h->in);
    if (h->out != NULL)
        weir__pool_give_out(c->home, h->out);
    h->x = NULL;
    h->in = NULL;
    h->out = NULL;
}

/* The fiber that would answer could not be had: the answer is a constant. */
static void no_fiber(struct weir__http_conn *c)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                               "Content-Length: 0\r\n\r\n";
    struct iovec answer = {(void *)(uintptr_t)text, sizeof text - 1};
    WEIR_ASSERT(weir__h1(c)->out == NULL, "N3: nothing that was written before is left behind");
    (void)weir__stream_try_send(&c->stream, &answer, 1);
    weir__counter_add(&c->home->count.responses[5], 1);
    c->is_closing = c->is_dirty = true;
    weir__h1_unbind(c);
}

static void start_serving(struct weir__http_conn *c)
{
    struct weir__worker *w = c->home->worker;
    WEIR_ASSERT(c->state != WEIR__CONN_ACTIVE, "N2: a connection has one fiber");
    c->state = WEIR__CONN_ACTIVE;
    weir__gauge_add(&c->home->count.active, 1);
    if (!weir__fiber_run_now(w, weir__h1_serve, c, "request", NULL))
        no_fiber(c);
}

void weir__h1_unbind(struct weir__http_conn *c)
{
    const struct weir__h1 *h = weir__h1(c);
    weir__gauge_add(&c->home->count.active, -1);
    bool has_begun = h->in->at < h->in->len;
    c->is_dirty = c->is_dirty || has_begun;
    if (!c->is_closing && !keep_partial(c, h->x, h->in))
        c->is_closing = true;
    give_buffers(c);
    if (WEIR_UNLIKELY(c->is_closing || weir__stream_is_over(&c->stream) ||
                      !weir__stream_is_open(&c->stream) || (c->home->is_draining && !has_begun))) {
        WEIR_ASSERT(!weir__stream_has_sender(&c->stream), "N5: nobody sends without the fiber");
        weir__conn_finish(c);
    } else {
        weir__conn_rest(c, has_begun);
    }
}

/* --- events ----------------------------------------------------------------------------------- */

/* After a receive that brought no whole head. */
static void not_yet(struct weir__http_conn *c, bool is_over)
{
    const struct weir__h1 *h = weir__h1(c);
    bool has_begun = h->in->at < h->in->len;
    bool is_kept = is_over || keep_partial(c, h->x, h->in);
    WEIR_ASSERT(h->x->ctx == NULL && h->out == NULL, "N2: nothing was begun without a fiber");
    give_buffers(c);
    if (is_over || !is_kept)
        weir__conn_close(c);
    else if (c->home->is_drained && !has_begun)
        weir__conn_drain(c);
    else
        weir__conn_rest(c, has_begun);
}

/* What has come is the other version's; the buffer that it lies in is given back behind it. */
static void hand_over(struct weir__http_conn *c)
{
    struct weir__h1 *h = weir__h1(c);
    struct weir__http_worker *home = c->home;
    struct weir__http_in *in = h->in;
    weir__pool_give_exchange(home, h->x);
    memset(c->own, 0, sizeof c->own);
    weir__conn_switch(c, home->server->versions->h2, (weir_str){in->bytes, in->len});
    weir__pool_give_in(home, in);
}

static void receive(struct weir__http_conn *c)
{
    struct weir__http_worker *home = c->home;
    if (WEIR_UNLIKELY(!take_buffers(c))) {
        weir__conn_close(c);
        return;
    }
    struct weir__http_in *in = weir__h1(c)->in;
    restore_partial(c, weir__h1(c)->x, in);
    do {
        ssize_t n = weir__stream_try_recv(&c->stream, in->bytes + in->len,
                                          home->server->in_bytes - in->len);
        if (n <= 0) {
            not_yet(c, n != -EAGAIN);
            return;
        }
        in->len += (uint32_t)n;
        weir__counter_add(&home->count.bytes_in, (uint64_t)n);
        if (is_other_version(c)) {
            hand_over(c);
            return;
        }
        if (WEIR_LIKELY(parse(c))) {
            start_serving(c);
            return;
        }
    } while (weir__stream_has_more(&c->stream));
    not_yet(c, weir__stream_is_over(&c->stream));
}

static void on_ready(struct weir__http_conn *c)
{
    if (WEIR_UNLIKELY(c->state == WEIR__CONN_ACTIVE)) {
        weir__h1_peer_shut(c);
        weir__out_on_room(c);
    } else {
        receive(c);
    }
}

static void timed_out(struct weir__http_conn *c)
{
    if (c->state == WEIR__CONN_HEAD)
        weir__counter_add(&c->home->count.timeouts_head, 1);
    if (c->state == WEIR__CONN_REST || !take_buffers(c)) {
        weir__conn_close(c);
        return;
    }
    struct weir__h1 *h = weir__h1(c);
    WEIR_ASSERT(h->partial != NULL, "B3: in HEAD there is the beginning of one");
    restore_partial(c, h->x, h->in);
    h->x->bytes = h->in->bytes;
    refuse(h->x, 408, "the request's head took too long");
    start_serving(c);
}

/* --- as a whole ------------------------------------------------------------------------------- */

static void drain(struct weir__http_conn *c)
{
    if (c->state == WEIR__CONN_REST)
        weir__conn_drain(c);
}

static void cancel(struct weir__http_conn *c, weir_reason reason)
{
    const struct weir__exchange *x = weir__h1(c)->x;
    if (c->state != WEIR__CONN_ACTIVE)
        weir__conn_close(c);
    else if (x != NULL && x->ctx != NULL && x->ctx->reason == WEIR_REASON_NONE)
        weir__ctx_cancel(x->ctx, reason);
}

static void cut(struct weir__http_conn *c)
{
    if (c->state != WEIR__CONN_ACTIVE) {
        weir__conn_close(c);
        return;
    }
    WEIR_ASSERT(weir__h1(c)->x != NULL, "N2: an ACTIVE connection has its exchange");
    /* Its fiber is sending or draining: it finds the descriptor closed, and ends. */
    c->is_closing = c->is_broken = true;
    weir__stream_close(&c->stream);
}

static void release(struct weir__http_conn *c)
{
    struct weir__h1 *h = weir__h1(c);
    WEIR_ASSERT(h->x == NULL && h->in == NULL && h->out == NULL,
                "N2: only its fiber frees what it is bound to");
    weir__free(h->partial);
    h->partial = NULL;
}

static void each(struct weir__http_conn *c, void (*fn)(struct weir__exchange *x, void *arg),
                 void *arg)
{
    struct weir__exchange *x = weir__h1(c)->x;
    WEIR_ASSERT(x == NULL || x->conn == c, "N2: a connection's exchange is its own");
    if (x != NULL && x->ctx != NULL)
        fn(x, arg);
}

const struct weir__http_version weir__h1_version = {
    .name = "HTTP/1.1",
    .is_movable = true,
    .on_ready = on_ready,
    .timed_out = timed_out,
    .drain = drain,
    .cancel = cancel,
    .cut = cut,
    .release = release,
    .each = each,
};
