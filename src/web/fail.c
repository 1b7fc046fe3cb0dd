/*
 * Failing requests: recording why, and turning an error into what the client is told. The client
 * gets status, name and message; what was not meant for it (messages without a status, causes,
 * panics) is logged here, once, with the place that raised it. An answer needs no memory of the
 * request's: that may be what has run out.
 */
#include <stdarg.h>
#include <weir/log.h>

#include "base/given.h"
#include "base/json_encode.h"
#include "base/utf8.h"
#include "web/web.h"

/* --- recording ---------------------------------------------------------------------------- */

/*
 * A failure recorded below the request's context is the request's: its own context may end before.
 */
static void show_request(const struct weir__ctx *c)
{
    const struct weir__exchange *x = c->exchange;
    if (x == NULL || x->ctx == c)
        return;
    x->ctx->error = NULL;
    weir__ctx_hand_up_error(c, x->ctx);
}

/* Makes `c`'s record one with this status; what was recorded before becomes the cause. */
static weir_err record(const weir_site *site, struct weir__ctx *c, weir_err code, int status,
                       const char *format, va_list args)
{
    const weir_error *before = c->error;
    c->error = NULL;
    (void)weir__ctx_raise(site, c, code, status, format, args);
    weir_error *now = (weir_error *)(uintptr_t)c->error;
    if (before != NULL && now->site == site) {
        now->cause = before->cause.ptr != NULL ? before->cause : before->message;
        if (before->status == 0 && before->message.ptr != NULL)
            now->cause = before->message;
    }
    show_request(c);
    return code;
}

static weir_err record_text(const weir_site *site, weir_ctx *c, weir_err code, int status,
                            const char *format, ...) WEIR_PRINTF(5, 6);

static weir_err record_text(const weir_site *site, weir_ctx *c, weir_err code, int status,
                            const char *format, ...)
{
    va_list args;
    va_start(args, format);
    weir_err err = record(site, weir__ctx_of(c), code, status, format, args);
    va_end(args);
    return err;
}

static void check_status(const char *function, int status)
{
    if (status < 400 || status > 599)
        weir__misuse(function, "status %d; a failure has one from 400 to 599", status);
}

weir_err weir_fail_at(const weir_site *site, weir_ctx *c, int status, const char *format, ...)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(format, "the format");
    struct weir__ctx *ctx = weir__ctx_of_at(c, "weir_fail");
    check_status("weir_fail", status);
    va_list args;
    va_start(args, format);
    weir_err err = record(site, ctx, WEIR_EFAIL, status, format, args);
    va_end(args);
    return err;
}

weir_err weir_fail_last_at(const weir_site *site, weir_ctx *c, int status)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    const weir_error *last = weir__ctx_of_at(c, "weir_fail_last")->error;
    check_status("weir_fail_last", status);
    weir_err code = last != NULL && last->code < 0 ? last->code : WEIR_EFAIL;
    weir_str words = weir__http_status_reason(status);
    return record_text(last != NULL && last->site != NULL ? last->site : site, c, code, status,
                       WEIR_STR_FMT, WEIR_STR_ARG(words));
}

weir_err weir_fail_bind_at(const weir_site *site, weir_ctx *c)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    const struct weir__request *r = weir__request_of(c);
    const struct weir__bind_failure *f = &r->failure;
    weir_reason reason = (weir_reason)r->x->ctx->reason;
    if (f->message == NULL && reason != WEIR_REASON_NONE)
        return weir__reason_err(reason);
    if (f->message == NULL)
        return record_text(site, c, WEIR_EINVALID, 400, "the input could not be read");
    if (f->status == 0)
        return WEIR_ECLIENTGONE;
    return record_text(site, c, WEIR_EINVALID, f->status, "%s", f->message);
}

static weir_str copy_in(struct weir__arena *arena, weir_str s)
{
    return s.ptr != NULL ? weir__arena_str(arena, s) : s;
}

/* Adds to what is said of single fields; without memory the status alone is said. */
static void keep_errors(struct weir__request *r, const weir_json_errors *errors)
{
    struct weir__bind_failure *f = &r->failure;
    struct weir__arena *arena = weir__ctx_arena(r->x->ctx);
    if (f->errors == NULL)
        f->errors = weir__ctx_object(r->x->ctx, sizeof *f->errors);
    if (f->errors == NULL)
        return;
    for (size_t i = 0; i < errors->count && f->errors->count < WEIR_JSON_ERRORS_MAX; i++) {
        weir_json_error *e = &f->errors->items[f->errors->count++];
        *e = errors->items[i];
        e->pointer = copy_in(arena, e->pointer);
        e->message = copy_in(arena, e->message);
    }
    f->errors->total += errors->total;
}

weir_err weir__bind_failed(struct weir__request *r, weir_err err, int status, const char *message,
                           const weir_json_errors *errors)
{
    struct weir__bind_failure *f = &r->failure;
    if (f->message == NULL || f->status != status)
        f->errors = NULL;
    f->message = message;
    f->status = status;
    if (errors != NULL)
        keep_errors(r, errors);
    return err;
}

/* --- what an error is to the client ------------------------------------------------------- */

static const struct {
    weir_err code;
    int status;
    const char *name;
} known_errors[] = {
    {WEIR_ETIMEDOUT, 504, "timeout"},
    {WEIR_ELIMIT, 503, "overloaded"},
    {WEIR_EBUSY, 503, "busy"},
    {WEIR_EBUDGET, 503, "memory_budget"},
    {-ENOMEM, 503, "no_memory"},
    {WEIR_ESHUTDOWN, 503, "shutdown"},
    {WEIR_ETOOLARGE, 413, "too_large"},
    {WEIR_EINVALID, 400, "invalid_input"},
    {WEIR_ENOTFOUND, 404, "not_found"},
    {WEIR_ECONSTRAINT, 409, "conflict"},
    {WEIR_EUNIQUE, 409, "conflict"},
    {WEIR_EFOREIGNKEY, 409, "conflict"},
    {WEIR_ENOTNULL, 409, "conflict"},
    {WEIR_ECHECK, 409, "conflict"},
    {WEIR_ESERIALIZATION, 503, "busy"},
    {WEIR_EDBDEADLOCK, 503, "busy"},
    {WEIR_EREADONLY, 503, "read_only"},
    {WEIR_ETOOMANY, 503, "overloaded"},
    {WEIR_EGONE, 503, "unavailable"},
    {WEIR_EDEADLK, 500, "deadlock"},
    {WEIR_EUNREACHABLE, 503, "unavailable"},
    {WEIR_ELOADING, 503, "unavailable"},
    {WEIR_EFULL, 503, "unavailable"},
    {WEIR_ECHANGED, 409, "conflict"},
};

static const struct {
    int status;
    const char *name;
} status_names[] = {
    {400, "bad_request"},
    {401, "unauthorized"},
    {403, "forbidden"},
    {404, "not_found"},
    {405, "method_not_allowed"},
    {406, "not_acceptable"},
    {408, "timeout"},
    {409, "conflict"},
    {410, "gone"},
    {412, "precondition_failed"},
    {413, "too_large"},
    {414, "uri_too_long"},
    {415, "unsupported_type"},
    {416, "range_not_satisfiable"},
    {417, "expectation_failed"},
    {421, "misdirected_request"},
    {422, "invalid_input"},
    {428, "precondition_required"},
    {429, "too_many_requests"},
    {431, "headers_too_large"},
    {501, "not_implemented"},
    {502, "bad_gateway"},
    {503, "unavailable"},
    {504, "timeout"},
    {505, "version_not_supported"},
};

static weir_str status_name(int status)
{
    for (size_t i = 0; i < sizeof status_names / sizeof status_names[0]; i++) {
        if (status_names[i].status == status)
            return weir_str_from(status_names[i].name);
    }
    return status >= 500 ? WEIR_S("internal") : WEIR_S("error");
}

static const weir_error_entry *table_entry(const struct weir__web *web, weir_err err)
{
    for (const struct weir__web_error *e = web->errors; e != NULL; e = e->next) {
        if (e->entry.code == err)
            return &e->entry;
    }
    return NULL;
}

/* Fills what Weir's own codes say. */
static void view_known(weir_err err, struct weir__error_view *out)
{
    for (size_t i = 0; i < sizeof known_errors / sizeof known_errors[0]; i++) {
        if (known_errors[i].code != err)
            continue;
        if (out->status == 0)
            out->status = known_errors[i].status;
        if (out->status == known_errors[i].status)
            out->name = weir_str_from(known_errors[i].name);
    }
}

/* What the table of the application says of a code. Its messages are for clients. */
static void view_entry(const weir_error_entry *entry, const weir_error *e,
                       struct weir__error_view *out)
{
    out->status = out->status != 0 ? out->status : entry->status;
    out->name = weir_str_from(entry->name);
    bool has_text = e != NULL && e->message.len > 0 && entry->code <= WEIR_DOMAIN(0);
    if (has_text)
        out->message = e->message;
    else if (entry->message != NULL)
        out->message = weir_str_from(entry->message);
    out->is_secret = false;
}

void weir__error_view(const struct weir__web *web, const struct weir__request *r, weir_err err,
                      const weir_error *e, struct weir__error_view *out)
{
    *out = (struct weir__error_view){.is_secret = true};
    if (e != NULL && e->code != err && e->status == 0)
        e = NULL; /* about something else, dealt with meanwhile */
    if (e != NULL && e->status != 0) {
        out->status = e->status;
        out->message = e->message;
        out->is_secret = err == WEIR_EPANIC;
    }
    /* A call that was cancelled may say so in words of its own; the reason is the truth. */
    weir_err reason = weir__reason_err((weir_reason)r->x->ctx->reason);
    if (out->status == 0 && reason != WEIR_OK)
        err = reason;
    const weir_error_entry *entry = table_entry(web, err);
    if (entry != NULL)
        view_entry(entry, e, out);
    else
        view_known(err, out);
    if (out->status == 0)
        out->status = 500;
    if (out->name.len == 0)
        out->name = status_name(out->status);
    if (out->message.len == 0 || out->is_secret)
        out->message = weir__http_status_reason(out->status);
}

/* --- rendering ---------------------------------------------------------------------------- */

static void render_errors(struct weir__json_writer *w, const weir_json_errors *errors, size_t count)
{
    weir__json_key(w, WEIR_S("errors"));
    weir__json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        const weir_json_error *e = &errors->items[i];
        weir__json_begin_object(w);
        weir__json_key(w, WEIR_S("at"));
        weir__json_string(w, e->pointer.ptr != NULL ? e->pointer : WEIR_S(""));
        weir__json_key(w, WEIR_S("msg"));
        weir__json_string(w, e->message);
        if (e->line != 0) {
            weir__json_key(w, WEIR_S("line"));
            weir__json_uint(w, e->line);
        }
        weir__json_end_object(w);
    }
    weir__json_end_array(w);
}

static weir_err render(const struct weir__error_view *v, const weir_json_errors *errors,
                       size_t count, weir_buf *out)
{
    struct weir__json_writer w;
    weir__json_writer_init_buf(&w, out);
    weir__json_begin_object(&w);
    weir__json_key(&w, WEIR_S("code"));
    weir__json_string(&w, v->name.len > 0 ? v->name : status_name(v->status));
    weir__json_key(&w, WEIR_S("msg"));
    weir__json_string(&w, v->message.ptr != NULL ? v->message : WEIR_S(""));
    weir__json_key(&w, WEIR_S("data"));
    weir__json_null(&w);
    if (count > 0)
        render_errors(&w, errors, count);
    weir__json_end_object(&w);
    return weir__json_writer_fini_buf(&w);
}

/* What does not fit is left out from the end: errors one by one, then halves of the message. */
void weir__error_render(const struct weir__error_view *v, const weir_json_errors *errors,
                        weir_buf *out)
{
    struct weir__error_view shown = *v;
    size_t count = errors != NULL ? errors->count : 0;
    while (render(&shown, errors, count, out) != WEIR_OK) {
        weir_str *m = &shown.message;
        weir_buf_reset(out);
        if (count == 0 && m->len == 0) {
            weir_buf_puts(out, WEIR_S("{\"code\":\"error\",\"msg\":\"\",\"data\":null}"));
            return;
        }
        if (count > 0)
            count--;
        else
            m->len = weir__utf8_valid_prefix(m->ptr, m->len / 2);
    }
}

/* --- answering ---------------------------------------------------------------------------- */

/*
 * What the client was not told. A panic has been logged with its stack where it was caught. A 501
 * that was told is no failure of the service: any client can ask with a method that nobody knows.
 */
static void log_error(const struct weir__request *r, weir_err err, const weir_error *e,
                      const struct weir__error_view *v)
{
    bool is_told = !v->is_secret && (e == NULL || e->cause.ptr == NULL);
    bool is_ours = v->status >= 500 && v->status != 501;
    if (err == WEIR_EPANIC || err == WEIR_ECLIENTGONE || (!is_ours && is_told))
        return;
    const weir_site *site = e != NULL && e->site != NULL ? e->site : r->route->site;
    weir_str message = e != NULL ? e->message : WEIR_S("");
    weir_str cause = e != NULL ? e->cause : WEIR_S("");
    const char *label = r->route->label[0] != '\0' ? r->route->label : "what no route has was";
    weir_log_at(site, weir__ctx_handle(r->x->ctx), v->status < 500 ? WEIR_LOG_WARN : WEIR_LOG_ERROR,
                "%.400s answered %d: %s%s" WEIR_STR_FMT "%s" WEIR_STR_FMT, label, v->status,
                weir_strerror(err), message.len > 0 ? ": " : "", WEIR_STR_ARG(message),
                cause.len > 0 ? "; cause: " : "", WEIR_STR_ARG(cause));
}

/*
 * The request's id is in the reply of a failed request too, which may have lost its header lines.
 */
void weir__error_keep_id(struct weir__exchange *x)
{
    static const weir_str name = {"X-Request-Id", 12};
    weir_str id = weir__ctx_request_id(x->ctx);
    if (id.ptr != NULL && weir__exchange_header_added(x, name).ptr == NULL)
        (void)weir__exchange_header_add(x, name, id);
}

void weir__error_respond(struct weir__request *r, weir_err err)
{
    struct weir__exchange *x = r->x;
    const weir_error *e = x->ctx->error;
    if (x->ctx->reason == WEIR_REASON_CLIENT_GONE || err == WEIR_ECLIENTGONE)
        return;
    struct weir__error_view view;
    weir__error_view(r->web, r, err, e, &view);
    log_error(r, err, e, &view);
    bool is_input = r->failure.message != NULL && e != NULL && e->message.ptr != NULL &&
                    view.status == r->failure.status;
    char bytes[4096];
    weir_buf out;
    weir_buf_init_fixed(&out, bytes, sizeof bytes);
    weir__error_render(&view, is_input ? r->failure.errors : NULL, &out);
    if (view.status == 503 && weir__exchange_header_added(x, WEIR_S("Retry-After")).ptr == NULL)
        (void)weir__exchange_header_add(x, WEIR_S("Retry-After"), WEIR_S("1"));
    weir__error_keep_id(x);
    (void)weir__exchange_header_remove(x, WEIR_S("Content-Type"));
    weir_err sent =
        weir__exchange_respond(x, view.status, WEIR_S("application/json"), weir_buf_str(&out));
    if (sent == WEIR_ECLIENTGONE)
        r->err = sent;
}
