/*
 * The fiber of a connection that has requests: one after the other, each in a fresh context, their
 * responses gathered in the connection's output; then everything is sent and the connection goes
 * back to rest.
 *
 * The hard thing is that every way out of a handler ends here with exactly one of three: a complete
 * response, a connection that is visibly cut, or nothing because nobody is there. A panic unwinds
 * to the fiber's start, which calls `panicked` here: a recovery point of its own would cost every
 * request.
 */
#include "base/assert.h"
#include "http/conn.h"
#include "rt/log.h"
#include "rt/panic.h"
#include "rt/try.h"

#include <string.h>

static const weir_str nothing = {"", 0};

/* --- the client goes -------------------------------------------------------------------------- */

static bool is_waited_for(const struct weir__http_conn *c)
{
    const struct weir__exchange *x = c->x;
    if (x == NULL || x->ctx == NULL || x->is_complete || x->ctx->reason != WEIR_REASON_NONE)
        return false; /* there is nothing to cancel */
    if (weir__stream_is_broken(&c->stream))
        return true;
    return c->is_peer_shut && !x->is_reading && !x->is_half_close_served;
}

void weir__conn_peer_shut(struct weir__http_conn *c)
{
    if (c->is_peer_shut && is_waited_for(c))
        weir__ctx_cancel(c->x->ctx, WEIR_REASON_CLIENT_GONE);
}

static void on_gone(struct weir__timer *t)
{
    struct weir__exchange *x = WEIR_CONTAINER(t, struct weir__exchange, gone);
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
    weir__out_push(c);
    if (WEIR_UNLIKELY(c->is_peer_shut) && is_waited_for(c))
        weir__timer_arm(&c->home->worker->wheel, &c->x->gone, c->home->worker->now);
}

/* --- one request ------------------------------------------------------------------------------ */

static struct weir__ctx *open_context(struct weir__http_worker *home)
{
    struct weir__worker *w = home->worker;
    weir_dur timeout = home->server->options.handler_timeout;
    weir_time deadline = timeout.ns < 0 ? weir_never() : weir_time_add(w->now, timeout);
    return weir__ctx_new(w->root, deadline, 0, NULL);
}

/* In parts, each small enough for the compiler to write as stores instead of a string operation. */
static inline void clear(struct weir__exchange *x)
{
    const size_t from = offsetof(struct weir__exchange, user);
    const size_t to = offsetof(struct weir__exchange, is_refused), half = (to - from) / 2 / 8 * 8;
    _Static_assert(
        offsetof(struct weir__exchange, is_refused) - offsetof(struct weir__exchange, user) <= 256,
        "two parts are enough");
    memset((char *)x + from, 0, half);
    memset((char *)x + from + half, 0, to - from - half);
}

static bool begin(struct weir__http_conn *c)
{
    struct weir__exchange *x = c->x;
    struct weir__http_worker *home = c->home;
    clear(x);
    x->extra = x->extra_bytes;
    x->extra_cap = sizeof x->extra_bytes;
    x->began = home->worker->now;
    x->timeout = home->server->options.handler_timeout;
    x->is_half_close_served = home->server->options.is_half_close_served;
    weir__timer_init(&x->gone, on_gone);
    c->requests++;
    x->ctx = open_context(home);
    if (WEIR_UNLIKELY(x->ctx == NULL))
        return false;
    x->ctx->exchange = x;
    home->worker->current->ctx = x->ctx;
    if (WEIR_UNLIKELY(x->is_refused))
        x->is_last = true;
    else
        weir__body_begin(x);
    weir__counter_add(&home->count.requests, 1);
    return true;
}

static void answer(struct weir__exchange *x)
{
    const struct weir__http_app *app = &x->home->server->app;
    if (WEIR_UNLIKELY(x->is_refused))
        weir__response_refuse(x, x->refused_status, x->refused_why);
    else
        app->serve(x, app->arg);
}

/* The status and text for a request that its handler left without an answer; 0: nobody is there. */
static int status_of_silence(struct weir__exchange *x, const char **why)
{
    (void)weir__ctx_check(x->ctx);
    int of_body = weir__exchange_body_status(x->body_err);
    if (x->conn->is_broken || x->ctx->reason == WEIR_REASON_CLIENT_GONE)
        return 0;
    if (x->ctx->reason == WEIR_REASON_DEADLINE && of_body != 408) {
        *why = "the request took longer than it may";
        return 504;
    }
    if (x->ctx->reason == WEIR_REASON_SHUTDOWN) {
        *why = "the service stops";
        return 503;
    }
    if (of_body != 0) {
        *why = of_body == 408   ? "the request's body took too long"
               : of_body == 413 ? "the request's body is too large"
               : of_body == 400 ? "the request's body is malformed"
                                : "the service is out of room";
        return of_body;
    }
    *why = "the request could not be answered";
    return 500;
}

/* A handler that has returned without a whole response. */
static void answer_for_it(struct weir__exchange *x)
{
    const char *why = "";
    if (x->is_started && !weir__exchange_retract(x)) {
        weir__exchange_abort(x);
        return;
    }
    int status = status_of_silence(x, &why);
    if (status != 0)
        weir__response_refuse(x, status, why);
    if (!x->is_started) {
        x->status = 499;
        x->is_last = true;
    }
    if (!x->is_complete)
        weir__exchange_abort(x);
}

/*
 * A line for a head that never became a request: no middleware sees it, so no access log has it.
 * Whoever sends rubbish does not fill the log: LINES a second, then their number.
 */
static void log_refused(const struct weir__exchange *x)
{
    enum { LINES = 5 };
    struct weir__http_worker *home = x->home;
    char ip[WEIR__ENDPOINT_TEXT_MAX];
    if (home->refused_tick != home->tick) {
        home->refused_tick = home->tick;
        home->refused_lines = 0;
    }
    if (home->refused_lines == LINES) {
        home->refused_unsaid++;
        return;
    }
    home->refused_lines++;
    if (!weir__log_wants(WEIR_LOG_INFO))
        return;
    struct weir__log_line line;
    weir__log_begin(&line, WEIR_LOG_INFO, WEIR_S("refused"), NULL, NULL);
    weir__log_int(&line, "status", x->status);
    weir__log_str(&line, "reason", weir_str_from(x->refused_why));
    if (x->conn->peer.family != 0)
        weir__log_str(&line, "client",
                      (weir_str){ip, weir__endpoint_format_ip(&x->conn->peer, ip)});
    if (home->refused_unsaid > 0)
        weir__log_int(&line, "others", home->refused_unsaid);
    home->refused_unsaid = 0;
    weir__log_end(&line);
}

static void count(struct weir__exchange *x)
{
    struct weir__http_counters *n = &x->home->count;
    weir__counter_add(&n->responses[x->status == 499 ? 0 : x->status / 100], 1);
    if (WEIR_LIKELY(x->ctx->reason == WEIR_REASON_NONE))
        return;
    if (x->ctx->reason == WEIR_REASON_DEADLINE)
        weir__counter_add(&n->timeouts_handler, 1);
    if (x->ctx->reason == WEIR_REASON_CLIENT_GONE)
        weir__counter_add(&n->client_gone, 1);
}

static void end_context(struct weir__http_conn *c)
{
    struct weir__exchange *x = c->x;
    struct weir__ctx *ctx = x->ctx;
    weir__timer_disarm(&x->gone);
    x->ctx = NULL;
    c->home->worker->current->ctx = NULL;
    weir__ctx_end(ctx);
}

/*
 * The request is over: its context ends, and the input stands behind its body, or the connection is
 * closing.
 */
static void finish(struct weir__http_conn *c)
{
    struct weir__exchange *x = c->x;
    const struct weir__http_app *app = &c->home->server->app;
    if (WEIR_UNLIKELY(!x->is_complete))
        answer_for_it(x);
    count(x);
    if (WEIR_UNLIKELY(x->is_refused))
        log_refused(x);
    if (app->done != NULL)
        app->done(x, app->arg);
    x->ctx->is_ok = x->status < 500 && !x->has_failed && x->ctx->reason == WEIR_REASON_NONE;
    end_context(c);
    if (WEIR_UNLIKELY(x->body_state != WEIR__BODY_DONE)) {
        bool is_drained = !x->is_last && weir__body_drain(x);
        c->is_closing = c->is_closing || !is_drained;
        c->is_dirty = c->is_dirty || !is_drained;
    }
    /* A client that did not ask for the end may have sent more before it learns of it. */
    c->is_dirty = c->is_dirty || (x->is_last && x->head.keep_alive);
    c->is_closing = c->is_closing || x->is_last;
}

static void serve_all(struct weir__http_conn *c)
{
    for (;;) {
        if (WEIR_UNLIKELY(!begin(c))) {
            c->is_closing = c->is_dirty = true;
            return;
        }
        answer(c->x);
        finish(c);
        if (c->is_closing)
            return;
        if (weir__conn_next_head(c))
            continue;
        if (weir__out_flush(c, c->home->worker->root, nothing) != WEIR_OK) {
            c->is_closing = true;
            return;
        }
        if (WEIR_LIKELY(!weir__stream_has_more(&c->stream)) || !weir__conn_receive_head(c))
            return;
    }
}

/* --- panics ----------------------------------------------------------------------------------- */

static void answer_panic(void *conn)
{
    struct weir__http_conn *c = conn;
    struct weir__exchange *x = c->x;
    if (!x->is_started || weir__exchange_retract(x))
        weir__response_refuse(x, 500, "the request could not be answered");
    finish(c);
}

static bool is_anything_left(const struct weir__http_conn *c)
{
    return (c->out != NULL && c->out->at < c->out->len) || weir__stream_has_unsent(&c->stream);
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
    weir__conn_unbind(c);
}

/* The handler has unwound. Its contexts below the request's end with it. */
static void clean_up(struct weir__http_conn *c, const struct weir__panic_info *info)
{
    struct weir__exchange *x = c->x;
    weir__counter_add(&c->home->count.panics, 1);
    c->is_closing = true;
    if (x->ctx == NULL)
        return;
    x->is_window_open = x->is_reading = false;
    x->is_last = true;
    weir__panic_record(x->ctx, info);
    if (!weir__try(answer_panic, c, NULL) && x->ctx != NULL) {
        weir__exchange_abort(x);
        end_context(c);
    }
}

static void panicked(struct weir__fiber *f, const struct weir__panic_info *info)
{
    clean_up(f->arg, info);
    end_serving(f->arg);
}

void weir__conn_serve(void *conn)
{
    struct weir__http_conn *c = conn;
    struct weir__fiber *f = c->home->worker->current;
    f->before_park = before_park;
    f->panicked = panicked;
    serve_all(c);
    end_serving(c);
}
