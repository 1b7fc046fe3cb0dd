/*
 * The fiber of a connection that has requests: one after the other, each in a fresh context, their
 * responses gathered in the connection's output; then everything is sent and the connection goes
 * back to rest.
 *
 * A panic unwinds to the fiber's start, which calls `panicked` here: a recovery point of its own
 * would cost every request.
 */
#include "base/assert.h"
#include "http/h1/h1.h"
#include "rt/panic.h"

#include <string.h>

static const weir_str nothing = {"", 0};

/* --- the client goes -------------------------------------------------------------------------- */

static bool is_waited_for(struct weir__http_conn *c)
{
    const struct weir__exchange *x = weir__h1(c)->x;
    if (x == NULL || x->ctx == NULL || x->response == WEIR__RESPONSE_WHOLE ||
        x->ctx->reason != WEIR_REASON_NONE)
        return false; /* there is nothing to cancel */
    if (weir__stream_is_broken(&c->stream))
        return true;
    return c->is_peer_shut && !weir__h1_x(x)->is_reading && !x->is_half_close_served;
}

void weir__h1_peer_shut(struct weir__http_conn *c)
{
    if (c->is_peer_shut && is_waited_for(c))
        weir__ctx_cancel(weir__h1(c)->x->ctx, WEIR_REASON_CLIENT_GONE);
}

static void on_gone(struct weir__timer *t)
{
    struct weir__h1_exchange *h = WEIR_CONTAINER(t, struct weir__h1_exchange, gone);
    struct weir__exchange *x =
        WEIR_CONTAINER((char(*)[WEIR__VERSION_SPACE])h, struct weir__exchange, version_space);
    WEIR_ASSERT(x->ctx != NULL, "N2: the timer is disarmed before its exchange ends");
    if (is_waited_for(x->conn))
        weir__ctx_cancel(x->ctx, WEIR_REASON_CLIENT_GONE);
}

/*
 * Before the fiber waits: what is final leaves. A client that shut its side along with its request
 * is answered when that takes no wait; otherwise it counts as gone. It cannot be cancelled here, in
 * the middle of a wait's beginning.
 */
static void before_park(struct weir__fiber *f)
{
    struct weir__http_conn *c = f->arg;
    WEIR_ASSERT(c->state == WEIR__CONN_ACTIVE, "N2: a fiber that waits has its connection");
    weir__out_push(c);
    if (WEIR_UNLIKELY(c->is_peer_shut) && is_waited_for(c))
        weir__timer_arm(&c->home->worker->wheel, &weir__h1_x(weir__h1(c)->x)->gone,
                        c->home->worker->now);
}

/* --- one request ------------------------------------------------------------------------------ */

#define CLEARED_FROM offsetof(struct weir__h1_exchange, out_from)
#define CLEARED_TO offsetof(struct weir__h1_exchange, gone)

static bool begin(struct weir__http_conn *c)
{
    struct weir__exchange *x = weir__h1(c)->x;
    struct weir__h1_exchange *h = weir__h1_x(x);
    _Static_assert(CLEARED_TO - CLEARED_FROM <= 128, "small enough to be cleared by stores");
    memset((char *)h + CLEARED_FROM, 0, CLEARED_TO - CLEARED_FROM);
    weir__timer_init(&h->gone, on_gone);
    c->requests++;
    if (WEIR_UNLIKELY(!weir__exchange_open(x)))
        return false;
    if (WEIR_UNLIKELY(x->is_refused))
        h->is_last = true;
    else
        weir__h1_body_begin(x);
    return true;
}

static void close_exchange(struct weir__exchange *x)
{
    weir__timer_disarm(&weir__h1_x(x)->gone);
    weir__exchange_close(x);
}

/*
 * The request is over: its context ends, and the input stands behind its body, or the connection is
 * closing.
 */
static void finish(struct weir__http_conn *c)
{
    struct weir__exchange *x = weir__h1(c)->x;
    struct weir__h1_exchange *h = weir__h1_x(x);
    weir__exchange_settle(x);
    close_exchange(x);
    /* Nobody is there, or not for the rest of it. */
    h->is_last = h->is_last || x->response != WEIR__RESPONSE_WHOLE;
    if (WEIR_UNLIKELY(x->body_state != WEIR__BODY_DONE)) {
        bool is_drained = !h->is_last && weir__h1_body_drain(x);
        c->is_closing = c->is_closing || !is_drained;
        c->is_dirty = c->is_dirty || !is_drained;
    }
    /* A client that did not ask for the end may have sent more before it learns of it. */
    c->is_dirty = c->is_dirty || (h->is_last && x->head.keep_alive);
    c->is_closing = c->is_closing || h->is_last;
}

static void serve_all(struct weir__http_conn *c)
{
    for (;;) {
        if (WEIR_UNLIKELY(!begin(c))) {
            c->is_closing = c->is_dirty = true;
            return;
        }
        weir__exchange_answer(weir__h1(c)->x);
        finish(c);
        if (c->is_closing)
            return;
        if (weir__h1_next_head(c))
            continue;
        if (weir__out_flush(c, c->home->worker->root, nothing) != WEIR_OK) {
            c->is_closing = true;
            return;
        }
        if (WEIR_LIKELY(!weir__stream_has_more(&c->stream)) || !weir__h1_receive_head(c))
            return;
    }
}

/* --- panics ----------------------------------------------------------------------------------- */

static bool is_anything_left(struct weir__http_conn *c)
{
    const struct weir__http_out *out = weir__h1(c)->out;
    return (out != NULL && out->at < out->len) || weir__stream_has_unsent(&c->stream);
}

/*
 * Everything is answered: what is left is sent, which can be only where no further request was
 * looked for, and the connection goes back.
 */
static void end_serving(struct weir__http_conn *c)
{
    if (WEIR_UNLIKELY(c->is_closing) && is_anything_left(c) &&
        weir__out_flush(c, c->home->worker->root, nothing) != WEIR_OK)
        c->is_broken = true; /* what was not sent is lost */
    c->home->worker->current->before_park = NULL;
    weir__h1_unbind(c);
}

static void settle_panic(void *conn)
{
    finish(conn);
}

/* The handler has unwound. Its contexts below the request's end with it. */
static void panicked(struct weir__fiber *f, const struct weir__panic_info *info)
{
    struct weir__http_conn *c = f->arg;
    struct weir__exchange *x = weir__h1(c)->x;
    WEIR_ASSERT(x != NULL, "N2: a fiber that panics has its exchange");
    weir__counter_add(&c->home->count.panics, 1);
    c->is_closing = true;
    if (x->ctx != NULL) {
        weir__h1_x(x)->is_reading = false;
        weir__h1_x(x)->is_last = true;
        if (!weir__exchange_panicked(x, info, settle_panic, c))
            weir__timer_disarm(&weir__h1_x(x)->gone);
    }
    end_serving(c);
}

void weir__h1_serve(void *conn)
{
    struct weir__http_conn *c = conn;
    struct weir__fiber *f = c->home->worker->current;
    f->before_park = before_park;
    f->panicked = panicked;
    serve_all(c);
    end_serving(c);
}
