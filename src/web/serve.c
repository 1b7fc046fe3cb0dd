/*
 * A request's way through the room: look up, fill the request's record, call the chain, see to it
 * that there is exactly one response, run the hooks of those who want to know how it ended.
 *
 * The chain is an array of plain functions; `next` moves along it. A middleware that did not call
 * weir_next has aborted what is below, and nobody may continue it: after a call has returned,
 * `next` stands at the end.
 *
 * A panic that no middleware caught unwinds this file's frames too; the server then calls `refuse`,
 * which answers, and `done`, which runs the hooks: so nothing here needs a recovery point of its
 * own.
 */
#include <weir/log.h>

#include "web/web.h"

_Static_assert(sizeof(struct weir__request) <= WEIR__USER_SPACE, "a request's record has room");
_Static_assert((int)WEIR_GET == (int)WEIR_HTTP_GET && (int)WEIR_HEAD == (int)WEIR_HTTP_HEAD &&
                   (int)WEIR_POST == (int)WEIR_HTTP_POST && (int)WEIR_PUT == (int)WEIR_HTTP_PUT &&
                   (int)WEIR_DELETE == (int)WEIR_HTTP_DELETE &&
                   (int)WEIR_PATCH == (int)WEIR_HTTP_PATCH &&
                   (int)WEIR_OPTIONS == (int)WEIR_HTTP_OPTIONS,
               "methods have the same numbers in both rooms");

/* --- the chain ---------------------------------------------------------------------------- */

struct weir__request *weir__request_of_at(weir_ctx *c, const char *function)
{
    const struct weir__exchange *x = weir__ctx_of_at(c, function)->exchange;
    if (WEIR_UNLIKELY(x == NULL || x->user == NULL))
        weir__misuse(function, "this context belongs to no request; copy what is needed from the "
                               "request before the work is detached");
    return x->user;
}

weir_err weir_next(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__request *r = weir__request_of(c);
    const weir_handler *at = r->next;
    if (WEIR_UNLIKELY(*at == NULL))
        weir__misuse(__func__, "nothing comes next: it was called in a handler, or twice in the "
                               "same middleware");
    r->next = at + 1;
    weir_err err = (*at)(c);
    r->next = r->route->chain + r->route->chain_count;
    return err;
}

/* --- the response ------------------------------------------------------------------------- */

/* Why the response that was begun is not what it says, for the log. */
static void log_unfinished(struct weir__request *r, weir_err err, const char *what)
{
    weir_ctx *c = weir__ctx_handle(r->x->ctx);
    const weir_error *e = r->x->ctx->error;
    const weir_site *site = e != NULL && e->site != NULL ? e->site : r->route->site;
    if (err == WEIR_OK)
        weir_log_at(site, c, WEIR_LOG_ERROR,
                    WEIR_STR_FMT " began a response and did not end it; %s",
                    WEIR_STR_ARG(r->route->handler_name), what);
    else if (err != WEIR_ECLIENTGONE && err != WEIR_EPANIC)
        weir_log_at(site, c, WEIR_LOG_ERROR,
                    "failed after its response had begun: %s%s" WEIR_STR_FMT "%s" WEIR_STR_FMT
                    "; %s",
                    weir_strerror(err), e != NULL ? ": " : "",
                    WEIR_STR_ARG(e != NULL ? e->message : WEIR_S("")),
                    e != NULL && e->cause.len > 0 ? ": " : "",
                    WEIR_STR_ARG(e != NULL ? e->cause : WEIR_S("")), what);
}

/*
 * A handler that began a response and left: either all was said, or the client must not think so.
 */
static void finish_started(struct weir__request *r, weir_err err)
{
    struct weir__exchange *x = r->x;
    if (weir__exchange_is_whole(x)) {
        log_unfinished(r, err, "the client has the response nevertheless");
    } else if (weir__exchange_retract(x)) {
        if (err == WEIR_OK)
            log_unfinished(r, err, "none of it was sent");
        r->err = err < 0 ? err : WEIR_EFAIL;
        weir__error_respond(r, r->err);
    } else {
        if (!weir__exchange_is_cut(x) || err == WEIR_OK)
            weir__exchange_abort(x);
        log_unfinished(r, err, "the connection was cut");
        r->err = err < 0 ? err : WEIR_EFAIL;
    }
}

/*
 * A handler that says that all is well and has not responded is wrong: better a 500 than an empty
 * 200.
 */
static weir_err no_response(struct weir__request *r)
{
    weir_log_at(r->route->site, weir__ctx_handle(r->x->ctx), WEIR_LOG_ERROR,
                WEIR_STR_FMT " returned WEIR_OK without a response",
                WEIR_STR_ARG(r->route->handler_name));
    return WEIR_EFAIL;
}

static void finish(struct weir__request *r, weir_err err)
{
    r->err = err;
    if (WEIR_LIKELY(err == WEIR_OK && weir__exchange_is_whole(r->x)))
        return;
    r->x->has_failed = true;
    if (weir__exchange_is_begun(r->x)) {
        finish_started(r, err);
        return;
    }
    if (err == WEIR_OK)
        r->err = err = no_response(r);
    weir__error_respond(r, err);
}

/* --- requests ----------------------------------------------------------------------------- */

/* CONNECT, TRACE and what is no method of ours: no route can have them (RFC 9110 section 9.1). */
static bool is_implemented(const struct weir__request *r)
{
    unsigned method = weir__exchange_method_id(r->x);
    return method > WEIR_HTTP_OTHER && method <= WEIR_HTTP_OPTIONS;
}

static enum weir__web_special special_of(const struct weir__web *web, const struct weir__request *r,
                                         enum weir__route_kind kind)
{
    bool may_fall_back = kind == WEIR__ROUTE_NOT_FOUND && web->fallback != NULL;
    if (!is_implemented(r) && !may_fall_back)
        return WEIR__WEB_NOT_IMPLEMENTED;
    switch (kind) {
    case WEIR__ROUTE_NOT_ALLOWED:
        return WEIR__WEB_NOT_ALLOWED;
    case WEIR__ROUTE_AUTO_OPTIONS:
        return WEIR__WEB_AUTO_OPTIONS;
    case WEIR__ROUTE_REDIRECT:
        return WEIR__WEB_REDIRECT;
    case WEIR__ROUTE_BAD_PATH:
        return WEIR__WEB_BAD_PATH;
    case WEIR__ROUTE_FOUND:
    case WEIR__ROUTE_NOT_FOUND:
        break;
    }
    return WEIR__WEB_NOT_FOUND;
}

static const struct weir__route *route_of(const struct weir__web *web,
                                          const struct weir__request *r, enum weir__route_kind kind)
{
    return WEIR_LIKELY(kind == WEIR__ROUTE_FOUND) ? r->match.route
                                                  : &web->specials[special_of(web, r, kind)];
}

/* "OPTIONS *" asks about the server, not about a path. */
static enum weir__route_kind look_up(const struct weir__web *web, struct weir__request *r)
{
    if (WEIR_UNLIKELY(weir__exchange_is_asterisk(r->x))) {
        r->match.kind = WEIR__ROUTE_AUTO_OPTIONS;
        r->match.allow = WEIR_S("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        return WEIR__ROUTE_AUTO_OPTIONS;
    }
    return weir__router_match(web->router, (enum weir__http_method)weir__exchange_method_id(r->x),
                              weir__exchange_path(r->x), &r->match);
}

static void serve(struct weir__exchange *x, void *arg)
{
    struct weir__web *web = arg;
    struct weir__request *r = (struct weir__request *)x->user_space;
    r->x = x;
    r->web = web;
    r->err = WEIR_EPANIC;
    r->hook_count = 0;
    r->failure.message = NULL;
    r->body_read = 0;
    r->body.ptr = NULL;
    r->stream.is_used = false;
    const struct weir__route *route = route_of(web, r, look_up(web, r));
    r->route = route;
    r->next = route->chain + 1;
    x->user = r;
    weir__ctx_originate(x->ctx, route->label);
    if (WEIR_UNLIKELY(weir__exchange_has(x, WEIR_FIELD_TRACEPARENT)))
        weir__trace_accept(x);
    if (route->timeout.ns != 0)
        weir__exchange_limit_time(x, route->timeout);
    if (WEIR_UNLIKELY(route->half_close != WEIR_AS_ABOVE))
        x->is_half_close_served = route->half_close == WEIR_ON;
    finish(r, route->chain[0](weir__ctx_handle(x->ctx)));
}

/* --- where no route answers --------------------------------------------------------------- */

static weir_err not_found(weir_ctx *c)
{
    return weir_fail(c, 404, "there is nothing at this path");
}

static weir_err not_allowed(weir_ctx *c)
{
    weir_err err = weir_set_header(c, "Allow", weir__request_of(c)->match.allow);
    return err < 0 ? err : weir_fail(c, 405, "this path does not take this method");
}

static weir_err not_implemented(weir_ctx *c)
{
    return weir_fail(c, 501, "this service does not know this method");
}

static weir_err auto_options(weir_ctx *c)
{
    weir_err err = weir_set_header(c, "Allow", weir__request_of(c)->match.allow);
    return err < 0 ? err : weir_no_content(c);
}

static weir_err bad_path(weir_ctx *c)
{
    return weir_fail(c, 400, "%s", weir__request_of(c)->match.reason);
}

const weir_handler weir__web_special_handlers[WEIR__WEB_SPECIALS] = {
    [WEIR__WEB_NOT_FOUND] = not_found,
    [WEIR__WEB_NOT_ALLOWED] = not_allowed,
    [WEIR__WEB_NOT_IMPLEMENTED] = not_implemented,
    [WEIR__WEB_AUTO_OPTIONS] = auto_options,
    [WEIR__WEB_REDIRECT] = weir__web_redirect,
    [WEIR__WEB_BAD_PATH] = bad_path,
};

/* --- the end ------------------------------------------------------------------------------ */

/* The server answers in our place, in our form: bad heads, panics that reached it, time-outs. */
static void refuse(struct weir__exchange *x, int status, weir_str reason, void *arg)
{
    (void)arg;
    char bytes[512];
    weir_buf out;
    weir__error_keep_id(x);
    weir_buf_init_fixed(&out, bytes, sizeof bytes);
    struct weir__error_view view = {.status = status, .message = reason};
    if (status >= 500 || reason.len == 0)
        view.message = weir__http_status_reason(status);
    weir__error_render(&view, NULL, &out);
    (void)weir__exchange_respond(x, status, WEIR_S("application/json"), weir_buf_str(&out));
}

static void done(struct weir__exchange *x, void *arg)
{
    (void)arg;
    const struct weir__request *r = x->user;
    for (size_t i = 0; r != NULL && i < r->hook_count; i++)
        r->hooks[i](r);
}

void weir__request_at_end_at(weir_ctx *c, weir__request_hook hook, const char *function)
{
    struct weir__request *r = weir__request_of_at(c, function);
    for (size_t i = 0; i < r->hook_count; i++) {
        if (r->hooks[i] == hook)
            return;
    }
    WEIR_ASSERT(r->hook_count < WEIR__REQUEST_HOOKS_MAX, "there are few stock middleware");
    r->hooks[r->hook_count++] = hook;
}

struct weir__http_app weir__web_app(struct weir__web *web)
{
    return (struct weir__http_app){.serve = serve, .refuse = refuse, .done = done, .arg = web};
}
