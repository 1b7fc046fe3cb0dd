/*
 * One request in its fiber: its context, the app's answer, and the end. Versions call the parts of
 * it in their own loops.
 *
 * The hard thing is that every way out of a handler ends in `settle` with exactly one of three: a
 * whole response, one that is visibly cut, or nothing because nobody is there.
 */
#include "base/assert.h"
#include "http/common/conn.h"
#include "rt/log.h"
#include "rt/panic.h"
#include "rt/try.h"

#include <string.h>

/* --- the beginning ---------------------------------------------------------------------------- */

static struct weir__ctx *open_context(struct weir__http_worker *home)
{
    struct weir__worker *w = home->worker;
    weir_dur timeout = home->server->options.handler_timeout;
    weir_time deadline = timeout.ns < 0 ? weir_never() : weir_time_add(w->now, timeout);
    return weir__ctx_new(w->root, deadline, 0, NULL);
}

#define CLEARED_FROM offsetof(struct weir__exchange, user)
#define CLEARED_TO offsetof(struct weir__exchange, head)

bool weir__exchange_open(struct weir__exchange *x)
{
    struct weir__http_worker *home = x->home;
    _Static_assert(CLEARED_TO - CLEARED_FROM <= 128, "small enough to be cleared by stores");
    memset((char *)x + CLEARED_FROM, 0, CLEARED_TO - CLEARED_FROM);
    x->extra = x->extra_bytes;
    x->extra_cap = sizeof x->extra_bytes;
    x->began = home->worker->now;
    x->timeout = home->server->options.handler_timeout;
    x->is_half_close_served = home->server->options.is_half_close_served;
    x->ctx = open_context(home);
    if (WEIR_UNLIKELY(x->ctx == NULL))
        return false;
    x->ctx->exchange = x;
    home->worker->current->ctx = x->ctx;
    weir__counter_add(&home->count.requests, 1);
    return true;
}

void weir__exchange_refuse(struct weir__exchange *x, int status, const char *why)
{
    WEIR_ASSERT(x->ctx == NULL, "X4: what never was a request is refused before it is opened");
    x->is_refused = true;
    x->refused_status = (int16_t)status;
    x->refused_why = why;
}

void weir__exchange_answer(struct weir__exchange *x)
{
    const struct weir__http_app *app = &x->home->server->app;
    if (WEIR_UNLIKELY(x->is_refused)) {
        weir__response_refuse(x, x->refused_status, x->refused_why);
        return;
    }
    if (weir__anybody_is_trusted(x->home))
        weir__exchange_heed_caller(x);
    app->serve(x, app->arg);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* The status and text for a request that its handler left without an answer; 0: nobody is there. */
static int status_of_silence(struct weir__exchange *x, const char **why)
{
    WEIR_ASSERT(x->response == WEIR__RESPONSE_NONE, "X2: nothing that was begun is answered for");
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
    if (x->response != WEIR__RESPONSE_NONE && !weir__exchange_retract(x)) {
        weir__exchange_abort(x);
        return;
    }
    int status = status_of_silence(x, &why);
    if (status != 0)
        weir__response_refuse(x, status, why);
    if (x->response == WEIR__RESPONSE_NONE)
        x->status = 499;
    else if (x->response != WEIR__RESPONSE_WHOLE)
        weir__exchange_abort(x);
}

void weir__log_refused(struct weir__http_conn *c, int status, const char *why)
{
    enum { LINES = 5 };
    struct weir__http_worker *home = c->home;
    char ip[WEIR__ENDPOINT_TEXT_MAX];
    WEIR_ASSERT(why != NULL, "X8: a refusal says why");
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
    if (status != 0)
        weir__log_int(&line, "status", status);
    weir__log_str(&line, "reason", weir_str_from(why));
    if (c->peer.family != 0)
        weir__log_str(&line, "client", (weir_str){ip, weir__endpoint_format_ip(&c->peer, ip)});
    if (home->refused_unsaid > 0)
        weir__log_int(&line, "others", home->refused_unsaid);
    home->refused_unsaid = 0;
    weir__log_end(&line);
}

static void count(struct weir__exchange *x)
{
    struct weir__http_counters *n = &x->home->count;
    unsigned class = x->status == 499 ? 0 : x->status / 100;
    WEIR_ASSERT(class < 6, "X8: a status has a class, from 1 to 5");
    weir__counter_add(&n->responses[class], 1);
    if (WEIR_LIKELY(x->ctx->reason == WEIR_REASON_NONE))
        return;
    if (x->ctx->reason == WEIR_REASON_DEADLINE)
        weir__counter_add(&n->timeouts_handler, 1);
    if (x->ctx->reason == WEIR_REASON_CLIENT_GONE)
        weir__counter_add(&n->client_gone, 1);
}

void weir__exchange_settle(struct weir__exchange *x)
{
    const struct weir__http_app *app = &x->home->server->app;
    if (WEIR_UNLIKELY(x->response != WEIR__RESPONSE_WHOLE)) {
        answer_for_it(x);
        WEIR_ASSERT(weir__exchange_is_whole(x) || weir__exchange_is_cut(x) || x->status == 499,
                    "X2: a response is whole, or visibly cut, or nobody is there");
    }
    count(x);
    if (WEIR_UNLIKELY(x->is_refused))
        weir__log_refused(x->conn, x->status, x->refused_why);
    if (app->done != NULL)
        app->done(x, app->arg);
    x->ctx->is_ok = x->status < 500 && !x->has_failed && x->ctx->reason == WEIR_REASON_NONE;
}

void weir__exchange_close(struct weir__exchange *x)
{
    struct weir__ctx *ctx = x->ctx;
    WEIR_ASSERT(ctx->exchange == x, "X4: the context that ends is the exchange's");
    x->ctx = NULL;
    x->home->worker->current->ctx = NULL;
    weir__ctx_end(ctx);
}

/* --- panics ----------------------------------------------------------------------------------- */

/* What is tried, for it may panic as well. */
struct last_try {
    struct weir__exchange *x;
    void (*settle)(void *arg);
    void *arg;
};

static void answer_panic(void *arg)
{
    const struct last_try *t = arg;
    if (t->x->response == WEIR__RESPONSE_NONE || weir__exchange_retract(t->x))
        weir__response_refuse(t->x, 500, "the request could not be answered");
    t->settle(t->arg);
}

bool weir__exchange_panicked(struct weir__exchange *x, const struct weir__panic_info *info,
                             void (*settle)(void *arg), void *arg)
{
    struct last_try t = {x, settle, arg};
    WEIR_ASSERT(x->ctx != NULL, "X4: a handler that panics has a request");
    if (x->response == WEIR__RESPONSE_WINDOW)
        x->response = WEIR__RESPONSE_OPEN;
    weir__panic_record(x->ctx, info);
    if (weir__try(answer_panic, &t, NULL) || x->ctx == NULL)
        return true;
    weir__exchange_abort(x);
    weir__exchange_close(x);
    return false;
}
