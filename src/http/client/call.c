/*
 * Asking: a reply is made, its request is sent on a connection, and its head is waited for; a
 * second time where the connection turns out to be one that its server had ended. What is whose in
 * which order stands in docs/design/http-client.md.
 *
 * A call always yields a reply. The one without memory is shared and constant.
 *
 * Owns the JSON of a body for as long as the call takes. Context: fibers.
 */
#include "http/client/client.h"

#include <stdio.h>
#include <string.h>

#include "base/given.h"
#include "guard/retry_budget.h"
#include "http/client/upstream.h"
#include "rt/fiber.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"
#include "rt/sized.h"
#include "rt/slip.h"
#include "rt/worker.h"
#include "wire/http_field.h"
#include <weir/json.h>

#define JSON_BYTES_MAX (64u << 20)

static weir_reply reply_without_memory = {
    .token = WEIR__TOKEN_STATIC(WEIR__KIND_REPLY), .err = -ENOMEM, .state = WEIR__REPLY_OVER};

/* --- the reply as an owned thing -------------------------------------------------------------- */

static void release(struct weir__owned *o)
{
    weir_reply *r = WEIR_CONTAINER(o, weir_reply, owned);
    r->inside = 0; /* who was, and has not come out, has panicked there */
    weir__client_count_left(r);
    weir__client_drop(r);
    weir__client_coded_end(r);
    weir__client_end(r);
}

static void put_address(const weir_reply *r, weir_buf *out)
{
    char ip[WEIR__ENDPOINT_TEXT_MAX];
    if (r->target.address.family == 0)
        return;
    (void)weir__endpoint_format_ip(&r->target.address, ip);
    weir_buf_printf(out, " at %s", ip);
}

static void put_origin(const weir_reply *r, weir_buf *out)
{
    weir_buf_puts(out, r->target.origin);
    put_address(r, out);
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    const weir_reply *r = WEIR_CONTAINER(o, weir_reply, owned);
    weir_buf_puts(out, WEIR_S("from "));
    put_origin(r, out);
}

/*
 * Forgetting one is no mistake: it has nothing that its context's end does not give back. That it
 * is asked has the stack kept, which is told of one that is kept for too long.
 */
static bool is_mistake(const struct weir__owned *o)
{
    (void)o;
    return false;
}

static const struct weir__owned_type reply_type = {
    .name = "reply", .release = release, .describe = describe, .is_mistake = is_mistake};

/* --- errors ----------------------------------------------------------------------------------- */

/* The path without the query, which may have what is not for the log. */
static weir_str path_of(const weir_reply *r)
{
    weir_str path = r->target.path;
    const char *query = path.len > 0 ? memchr(path.ptr, '?', path.len) : NULL;
    return query != NULL ? (weir_str){path.ptr, (size_t)(query - path.ptr)} : path;
}

void weir__client_put_url(const weir_reply *r, weir_buf *out)
{
    weir_str path = path_of(r);
    weir_buf_puts(out, r->target.origin);
    weir_buf_printf(out, "%.*s", path.len < 700 ? (int)path.len : 700, path.ptr);
    put_address(r, out);
}

/*
 * What those below have told of it by themselves (a dial, a pool) is told in its place, with method
 * and URL.
 */
static void tell_more(const weir_reply *r, weir_err err, char *what, size_t size)
{
    const weir_error *e = r->c->error;
    if (e == NULL || e == r->error_before || e->code != err)
        return;
    (void)snprintf(what, size, WEIR_STR_FMT, WEIR_STR_ARG(e->message));
    weir_error_clear(weir__ctx_handle(r->c));
}

void weir__client_end(weir_reply *r)
{
    r->state = WEIR__REPLY_OVER;
    weir__upstream_leave(r);
}

weir_err weir__client_fail(weir_reply *r, weir_err err, const char *format, ...)
{
    char what[640], url_bytes[1024];
    weir_buf url;
    va_list args;
    weir__client_give_back(r, false);
    if (r->inside == 0) /* else who reads it ends it */
        weir__client_coded_end(r);
    weir__client_end(r);
    if (r->is_dropped)
        return err; /* nobody asks how the rest would have been */
    if (r->err == WEIR_OK)
        r->err = err;
    if (r->c->reason != WEIR_REASON_NONE)
        return r->err;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    tell_more(r, err, what, sizeof what);
    weir_buf_init_fixed(&url, url_bytes, sizeof url_bytes);
    weir__client_put_url(r, &url);
    weir_str at = weir_buf_str(&url);
    (void)weir_raise_at(r->site, weir__ctx_handle(r->c), err, 0,
                        WEIR_STR_FMT "%s" WEIR_STR_FMT ": %s%s", WEIR_STR_ARG(r->method_text),
                        at.len > 0 ? " " : "", WEIR_STR_ARG(at), what,
                        r->tries > 1 ? " (at the second try)" : "");
    return r->err;
}

static weir_err fail_connecting(weir_reply *r, weir_err err)
{
    if (err == WEIR_ETIMEDOUT)
        return weir__client_fail(r, err, "there was no connection in time");
    return weir__client_fail(r, err, "there is no connection: %s", weir_strerror(err));
}

weir_err weir__client_fail_sending(weir_reply *r, weir_err err)
{
    if (r->why != NULL)
        return weir__client_fail(r, err, "%s after %llu bytes of the request", r->why,
                                 (unsigned long long)r->sent);
    if (err == WEIR_ETIMEDOUT)
        return weir__client_fail(r, err, "the peer took nothing more in time, after %llu bytes",
                                 (unsigned long long)r->sent);
    if (err == WEIR_ECLOSED)
        return weir__client_fail(r, err, "the connection was cut after %llu bytes of the request",
                                 (unsigned long long)r->sent);
    return weir__client_fail(r, err, "the request broke off after %llu bytes: %s",
                             (unsigned long long)r->sent, weir_strerror(err));
}

static weir_err fail_waiting(weir_reply *r, weir_err err)
{
    const char *what = r->has_answer ? "a whole head" : "an answer";
    if (r->why != NULL)
        return weir__client_fail(r, err, "%s before there was %s", r->why, what);
    if (err == WEIR_ETIMEDOUT)
        return weir__client_fail(r, err, "%llu bytes were sent, and there was not %s in time",
                                 (unsigned long long)r->sent, what);
    if (err == WEIR_ECLOSED)
        return weir__client_fail(r, err, "the connection was cut before there was %s", what);
    return weir__client_fail(r, err, "there was not %s: %s", what, weir_strerror(err));
}

weir_err weir__client_fail_reading(weir_reply *r, weir_err err)
{
    weir__upstream_report(r, r->err < 0 ? r->err : err);
    if (r->err < 0)
        return r->err;
    if (err == WEIR_ETIMEDOUT)
        return weir__client_fail(r, err, "nothing more came in time, after %llu bytes of the body",
                                 (unsigned long long)r->got);
    return weir__client_fail(r, err, "the body broke off after %llu bytes: %s",
                             (unsigned long long)r->got,
                             r->why != NULL ? r->why : weir_strerror(err));
}

/* --- counting --------------------------------------------------------------------------------- */

static enum weir__client_outcome outcome_of(const weir_reply *r)
{
    if (r->err == WEIR_OK) {
        unsigned hundreds = r->status / 100u;
        if (hundreds < 2)
            return WEIR__CLIENT_2XX; /* an upgrade */
        return hundreds >= 5 ? WEIR__CLIENT_5XX : (enum weir__client_outcome)(hundreds - 2);
    }
    if (weir__ctx_check(r->c) != WEIR_OK)
        return WEIR__CLIENT_CANCELLED;
    if (r->err == WEIR_EPROTO || r->err == WEIR_ETOOLARGE)
        return r->has_answer ? WEIR__CLIENT_MALFORMED : WEIR__CLIENT_OTHER;
    if (r->sent > 0)
        return r->err == WEIR_ETIMEDOUT ? WEIR__CLIENT_TIMEOUT : WEIR__CLIENT_CUT;
    return r->err == WEIR_EINVALID || r->tries == 0 ? WEIR__CLIENT_OTHER : WEIR__CLIENT_CONNECT;
}

static void count(const weir_reply *r)
{
    struct weir__client_cells *cells = weir__client_cells(r->http);
    weir__counter_add(&cells->outcomes[r->target.is_base][outcome_of(r)], 1);
}

void weir__client_count_left(const weir_reply *r)
{
    struct weir__client_cells *cells = weir__client_cells(r->http);
    if (r->state == WEIR__REPLY_ASKING && r->is_streamed)
        weir__counter_add(&cells->outcomes[r->target.is_base][WEIR__CLIENT_CANCELLED], 1);
}

/* --- tries ------------------------------------------------------------------------------------ */

/* One request and, unless its body is streamed, the head of its answer. Nothing is raised yet. */
static weir_err try_once(weir_reply *r, bool is_fresh, weir_err (**fail)(weir_reply *, weir_err))
{
    *fail = fail_connecting;
    r->sent = 0;
    r->has_answer = r->is_untouched = false;
    r->why = NULL;
    weir_err err = weir__client_connect(r, is_fresh);
    if (err != WEIR_OK)
        return err;
    *fail = weir__client_fail_sending;
    err = r->conn->transport->begin(r);
    if (err == WEIR_OK && r->form != NULL && r->state == WEIR__REPLY_ASKING)
        err = weir__client_form_send(r);
    if (r->form != NULL && weir__client_is_broken(err) && r->err == WEIR_OK)
        err = WEIR_OK; /* why, the answer tells, if there is one */
    if (err != WEIR_OK || (r->is_streamed && r->state == WEIR__REPLY_ASKING))
        return err;
    *fail = fail_waiting;
    err = r->conn->transport->read_head(r); /* it may have come already, instead of 100 */
    return err == WEIR_OK ? weir__client_cookies_take(r) : err;
}

/*
 * C3: the connection was ended while it lay idle, and the server has done nothing, or nothing that
 * may not be done twice; or it says that it has done nothing.
 */
static bool may_repeat(const weir_reply *r, weir_err err)
{
    bool is_cut = weir__client_is_broken(err);
    bool is_safe = weir__client_is_idempotent(r->method) || r->sent == 0;
    return r->err == WEIR_OK && r->conn != NULL && is_cut && !r->has_answer && r->tries == 1 &&
           (r->is_untouched || (r->is_reused && is_safe));
}

/* The answer is there: what came whole needs its connection no longer. */
static void settle(weir_reply *r)
{
    if (!weir__client_coded_begin(r) || r->kind != WEIR__ANSWER_NONE)
        return;
    weir__client_release(r);
    if (r->coded != NULL)
        return;
    weir__client_end(r);
    weir__disown(&r->owned);
}

/* On a connection, or on a second one where the first had ended. */
static weir_err exchange(weir_reply *r, weir_err (**fail)(weir_reply *, weir_err))
{
    for (r->tries = 1;; r->tries++) {
        weir_err err = try_once(r, r->tries > 1, fail);
        if (err == WEIR_OK || !may_repeat(r, err))
            return err;
        weir__client_give_back(r, false);
        weir__counter_add(&weir__client_cells(r->http)->retries, 1);
    }
}

void weir__client_ask(weir_reply *r)
{
    weir_err (*fail)(weir_reply *, weir_err);
    while (weir__upstream_choose(r) == WEIR_OK) {
        weir_err err = exchange(r, &fail);
        if (err != WEIR_OK || r->state != WEIR__REPLY_ASKING)
            weir__upstream_report(r, err);
        if (weir__client_retry(r, err))
            continue;
        if (err != WEIR_OK && r->err == WEIR_OK)
            (void)fail(r, err);
        if (r->err < 0 || r->state != WEIR__REPLY_ANSWERED || !weir__client_redirect(r))
            break;
    }
    if (r->state != WEIR__REPLY_ASKING || r->err < 0)
        count(r);
    r->is_refused = r->is_refused || (r->is_streamed && r->state == WEIR__REPLY_ANSWERED);
    if (r->state == WEIR__REPLY_ANSWERED && (!r->is_streamed || r->is_duplex))
        settle(r);
}

/* --- calls ------------------------------------------------------------------------------------ */

static weir_reply *new_reply(const weir_site *site, struct weir__ctx *owner, weir_http *http)
{
    weir_reply *r = weir__ctx_object(owner, sizeof *r);
    if (r == NULL)
        return NULL;
    weir__token_open(&r->token, owner, WEIR__KIND_REPLY);
    r->http = http;
    r->c = owner;
    r->site = site;
    r->fiber = weir__self->current;
    r->error_before = owner->error;
    weir__own(owner, &r->owned, &reply_type, site);
    return r;
}

weir_reply *weir__client_same(const weir_reply *r, struct weir__ctx *c)
{
    weir_reply *same = new_reply(r->site, c, r->http);
    if (same == NULL)
        return NULL;
    same->body_bytes_max = r->body_bytes_max;
    same->until = r->until;
    same->method = r->method;
    same->method_text = r->method_text;
    same->target = r->target;
    same->call = r->call;
    same->body = r->body;
    same->expects = r->expects;
    return same;
}

/* What the call says, checked as far as that can be without a connection. */
static weir_err prepare(weir_reply *r, const char *method, const char *target,
                        const weir_http_call_options *o)
{
    const char *why = "";
    r->call = o;
    r->body_bytes_max = o->body_bytes_max != 0 ? o->body_bytes_max : r->http->o.body_bytes_max;
    r->until = weir_never();
    if (o->timeout.ns != 0)
        r->until = weir_time_add(weir__worker_now(weir__self), o->timeout);
    size_t len = strlen(method);
    char *text = weir__ctx_object(r->c, len + 1);
    if (text == NULL)
        return weir__client_fail(r, weir__client_no_memory(r), "%s", weir_strerror(-ENOMEM));
    r->method_text = (weir_str){memcpy(text, method, len), len};
    r->method = weir__http_method_of(r->method_text);
    if (r->http->err < 0)
        return weir__client_fail(r, r->http->err, "the client could not be made: %s",
                                 weir_strerror(r->http->err));
    if (r->method == WEIR_HTTP_CONNECT)
        return weir__client_fail(r, WEIR_EINVALID, "CONNECT is no request of a program");
    if (r->carry != NULL && r->carry->at != NULL) {
        r->target = *r->carry->at;
        r->target.path = weir_str_from(target);
        return WEIR_OK;
    }
    weir_err err = weir__client_target_read(r->http, r->c, weir_str_from(target), &r->target, &why);
    if (err != WEIR_OK)
        return weir__client_fail(r, err, "\"%.80s\" cannot be asked for: %s", target,
                                 err == -ENOMEM ? weir_strerror(err) : why);
    return WEIR_OK;
}

static weir_err encode(weir_reply *r, weir_buf *json)
{
    const weir_http_call_options *o = r->call;
    r->body = o->body;
    if (o->model == NULL)
        return WEIR_OK;
    if (o->object == NULL)
        return weir__client_fail(r, WEIR_EINVALID, "there is a .model, and no .object");
    weir_err err = weir_json_encode(json, o->model, o->object);
    if (err < 0)
        return weir__client_fail(r, err, "the object of %s cannot be written as JSON: %s",
                                 o->model->name, weir_strerror(err));
    r->body = weir_buf_str(json);
    return WEIR_OK;
}

/* What is sent: as it is, or packed. */
static weir_err make_body(weir_reply *r, weir_buf *json, weir_buf *packed)
{
    if (r->call->parts != NULL)
        return weir__client_form_new(r);
    weir_err err = encode(r, json);
    if (err < 0 || r->call->pack == NULL || r->body.len == 0)
        return err;
    return weir__client_pack(r, packed);
}

/* What was the caller's is gone when the call is over. */
static void forget_call(weir_reply *r)
{
    r->call = NULL;
    r->form = NULL;
    r->carry = NULL;
    r->body = (weir_str){NULL, 0};
}

static void fini_buf(weir_buf *b)
{
    weir_buf_fini(b);
}

static void run(weir_reply *r, const char *method, const char *target,
                const weir_http_call_options *o, bool is_streamed)
{
    weir_buf json __attribute__((cleanup(fini_buf))), packed __attribute__((cleanup(fini_buf)));
    weir_buf_init(&json, JSON_BYTES_MAX);
    weir_buf_init(&packed, SIZE_MAX);
    weir_err err = weir__may_wait(r->c);
    if (err < 0) {
        r->err = err;
        r->state = WEIR__REPLY_OVER;
    } else if (prepare(r, method, target, o) == WEIR_OK &&
               make_body(r, &json, &packed) == WEIR_OK) {
        r->is_streamed = is_streamed;
        r->is_duplex = is_streamed && o->duplex;
        r->expects = o->expect_continue && (is_streamed || r->body.len > 0 || r->form != NULL);
        weir__retry_budget_request(r->http->budget, weir__self->index);
        if (weir__client_is_hedged(r))
            weir__client_hedge(r);
        else
            weir__client_ask(r);
    } else {
        count(r);
        (void)weir__wait_refused(r->err);
    }
    forget_call(r);
}

static weir_http *http_of(const weir_http *http, const char *function)
{
    return weir__token_must(http, WEIR__KIND_HTTP, function, "the HTTP client");
}

static weir_reply *call(const weir_site *site, struct weir__ctx *c, weir_http *http,
                        const char *method, const char *target, const weir_http_call_options *o,
                        const struct weir__client_carry *carry, bool is_streamed)
{
    weir__slip_look(site, c, is_streamed ? "weir_http_begin: .timeout" : "weir_http_do: .timeout",
                    o->timeout);
    weir__slip_look(site, c, "weir_http_do: .hedge_after", o->hedge_after);
    weir_reply *r = http->cells != NULL ? new_reply(site, weir__ctx_local(c), http) : NULL;
    if (r == NULL) {
        (void)weir__wait_refused(-ENOMEM);
        return &reply_without_memory;
    }
    r->carry = carry;
    r->is_carried = carry != NULL && carry->at == NULL;
    if (is_streamed && carry != NULL && carry->length >= 0) {
        r->has_length = true;
        r->body_left = (uint64_t)carry->length;
    }
    run(r, method, target, o, is_streamed);
    return weir__token_handle(&r->token);
}

weir_reply *weir__client_carry(const weir_site *site, weir_ctx *c, weir_http *http,
                               const char *method, const char *target,
                               const weir_http_call_options *options,
                               const struct weir__client_carry *carry, bool is_streamed)
{
    return call(site, weir__ctx_of(c), http_of(http, "weir_proxy"), method, target, options, carry,
                is_streamed);
}

weir_reply *weir_http_do_at(const weir_site *site, weir_ctx *c, weir_http *http, const char *method,
                            const char *target, const weir_http_call_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir__given_to("weir_http_do", method, "the method");
    weir__given_to("weir_http_do", target, "the target");
    struct weir__ctx *ctx = weir__ctx_of_at(c, "weir_http_do");
    weir_http_call_options room;
    options = weir__options(options, &room, sizeof room, "weir_http_do");
    return call(site, ctx, http_of(http, "weir_http_do"), method, target, options, NULL, false);
}

weir_reply *weir_http_begin_at(const weir_site *site, weir_ctx *c, weir_http *http,
                               const char *method, const char *target,
                               const weir_http_call_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir__given_to("weir_http_begin", method, "the method");
    weir__given_to("weir_http_begin", target, "the target");
    struct weir__ctx *ctx = weir__ctx_of_at(c, "weir_http_begin");
    weir_http_call_options room;
    options = weir__options(options, &room, sizeof room, "weir_http_begin");
    if (options->body.len > 0 || options->model != NULL || options->parts != NULL)
        weir__misuse("weir_http_begin", "its body is what weir_http_write is given: no .body, no "
                                        ".model, no .parts");
    if (options->pack != NULL)
        weir__misuse("weir_http_begin", "what is written by pieces is not packed: no .pack");
    return call(site, ctx, http_of(http, "weir_http_begin"), method, target, options, NULL, true);
}

/* --- a streamed body -------------------------------------------------------------------------- */

static weir_reply *streamed_of(weir_reply *handle, const char *function)
{
    weir_reply *r = weir__token_must(handle, WEIR__KIND_REPLY, function, "the reply");
    weir__client_check_fiber(r, &r->writer, function);
    return r;
}

void weir__client_check_fiber(weir_reply *r, const struct weir__fiber **side, const char *function)
{
    const struct weir__fiber *self = weir__self->current;
    if (r->c == NULL || (r->fiber == self && !r->is_duplex))
        return;
    if (!r->is_duplex)
        weir__misuse(function, "asked for at %s:%d by another fiber: a reply is one fiber's",
                     r->site->file, r->site->line);
    if (r->fiber != self && weir__fiber_waits_in(r->c) == r->c)
        weir__misuse(function, "asked for at %s:%d: only fibers below its context work on it",
                     r->site->file, r->site->line);
    if (*side != NULL && *side != self)
        weir__misuse(function, "asked for at %s:%d: one fiber at a time writes it, and one reads",
                     r->site->file, r->site->line);
}

/* Is there somebody who takes more of its body? */
static bool takes_more(const weir_reply *r)
{
    bool is_open = r->state == WEIR__REPLY_ASKING ||
                   (r->is_duplex && r->state == WEIR__REPLY_ANSWERED && !r->is_refused);
    return is_open && r->is_streamed;
}

/* What an error of sending leads to. */
static weir_err stop_writing(weir_reply *r, weir_err err)
{
    if (r->err < 0)
        return r->err; /* of who reads it */
    if (weir__client_is_broken(err) || r->state == WEIR__REPLY_OVER) {
        r->is_refused = true; /* why, the answer tells, if there is one */
        return WEIR_ECLOSED;
    }
    bool is_counted = r->state != WEIR__REPLY_ASKING || r->reader != NULL; /* who waits counts it */
    weir__upstream_report(r, err);
    err = weir__client_fail_sending(r, err);
    if (!is_counted)
        count(r);
    return err;
}

weir_err weir_http_write(weir_reply *handle, const void *bytes, size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the data");
    weir_reply *r = streamed_of(handle, __func__);
    if (r->err < 0)
        return weir__later_refused(r->err);
    if (!takes_more(r))
        return weir__later_refused(WEIR_ECLOSED);
    if (size == 0)
        return WEIR_OK;
    weir__client_enter(r, &r->writer);
    weir_err err = r->conn->transport->write(r, bytes, size);
    weir__client_leave(r, &r->writer);
    return err == WEIR_OK ? WEIR_OK : stop_writing(r, err);
}

weir_err weir__client_trail(weir_reply *r, weir_str name, weir_str value)
{
    if (!takes_more(r))
        return WEIR_ECLOSED;
    return weir__trailers_add(&r->behind, weir__ctx_arena(r->c), name, value);
}

void weir__client_break_off(weir_reply *r, weir_err err)
{
    if (r->state == WEIR__REPLY_OVER)
        return;
    r->err = r->err < 0 ? r->err : err;
    weir__client_give_back(r, false);
    weir__client_end(r);
}

weir_err weir_http_trailer(weir_reply *handle, const char *name, weir_str value)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(name, "the name");
    weir_reply *r = streamed_of(handle, __func__);
    if (r->err < 0)
        return r->err;
    weir_err err = weir__client_trail(r, weir_str_from(name), value);
    if (err != WEIR_EINVALID)
        return err;
    return weir_raise_at(r->site, weir__ctx_handle(r->c), err, 0, "the trailer \"%.60s\" %s", name,
                         weir__trailer_mistake(weir_str_from(name)));
}

/* The head of the answer is there, or an error: it is counted, and settled. */
static weir_err take_answer(weir_reply *r, weir_err err)
{
    if (err == WEIR_OK)
        err = weir__client_cookies_take(r);
    if (err != WEIR_OK && r->err == WEIR_OK)
        (void)fail_waiting(r, err);
    weir__upstream_report(r, err);
    count(r);
    if (r->state == WEIR__REPLY_ANSWERED)
        settle(r);
    return r->err;
}

/*
 * While the body is still written its answer has all the time that takes; from then on it has its
 * own. Whoever writes is stopped where nothing is taken any more.
 */
static bool may_come_yet(const weir_reply *r)
{
    weir_time until = weir_time_add(r->ended_at, r->http->o.answer_timeout);
    bool is_early = r->is_streamed || weir_time_before(weir__self->now, until);
    bool is_gone = r->why != NULL; /* the connection has timed out, and not the wait */
    return is_early && !is_gone && r->err == WEIR_OK &&
           weir_time_before(weir__self->now, r->until) &&
           weir__ctx_check(weir__client_waits_in(r)) == WEIR_OK;
}

weir_err weir_http_await(weir_reply *handle)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir_reply *r = weir__token_must(handle, WEIR__KIND_REPLY, __func__, "the reply");
    if (r->err < 0)
        return weir__later_refused(r->err);
    if (r->is_streamed && !r->is_duplex)
        weir__misuse(__func__,
                     "asked for at %s:%d without .duplex: weir_http_finish ends the body "
                     "and waits for the answer",
                     r->site->file, r->site->line);
    weir__client_check_fiber(r, &r->reader, __func__);
    if (r->state != WEIR__REPLY_ASKING)
        return WEIR_OK;
    weir_err err;
    weir__client_enter(r, &r->reader);
    do
        err = r->conn->transport->read_head(r);
    while (err == WEIR_ETIMEDOUT && may_come_yet(r));
    weir__client_leave(r, &r->reader);
    return take_answer(r, err);
}

/* The end of a body whose answer may have come, and whoever reads it does so. */
static weir_err end_duplex(weir_reply *r)
{
    weir_err err = WEIR_OK;
    if (takes_more(r)) {
        weir__client_enter(r, &r->writer);
        err = r->conn->transport->end(r);
        weir__client_leave(r, &r->writer);
    }
    r->is_streamed = false;
    r->ended_at = weir__worker_now(weir__self);
    if (err != WEIR_OK && stop_writing(r, err) != WEIR_ECLOSED)
        return r->err;
    return r->reader != NULL || r->err < 0 ? r->err
                                           : weir_http_await(weir__token_handle(&r->token));
}

weir_err weir_http_finish(weir_reply *handle)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir_reply *r = streamed_of(handle, __func__);
    if (r->err < 0)
        return weir__later_refused(r->err);
    if (!r->is_streamed)
        return WEIR_OK;
    if (r->is_duplex)
        return end_duplex(r);
    bool wants_head = r->state == WEIR__REPLY_ASKING;
    const struct weir__client_transport *t = wants_head ? r->conn->transport : NULL;
    weir_err err = wants_head && !r->is_refused ? t->end(r) : WEIR_OK;
    if (err == WEIR_OK && wants_head)
        err = t->read_head(r);
    r->is_streamed = false;
    if (wants_head)
        return take_answer(r, err);
    if (r->state == WEIR__REPLY_ANSWERED)
        settle(r);
    return r->err;
}
