/*
 * What follows an answer, or the lack of one, by itself: a retry, within a budget and after a wait
 * with jitter, and a redirection to where the answer points.
 *
 * The one hard thing is what must not follow: a request that may have been done, a retry that ends
 * behind the deadline, a secret to a host that it was not meant for. A header may be a secret under
 * any name; so to another host only those go along that are known not to be one.
 *
 * Owns nothing. Context: the exchange's fiber; waits between tries.
 */
#include "http/client/client.h"

#include <string.h>

#include "guard/backoff.h"
#include "guard/retry_budget.h"
#include "http/client/upstream.h"
#include "rt/worker.h"
#include "wire/time_field.h"
#include "wire/url_reference.h"
#include <weir/fiber.h>
#include <weir/value.h>

#define RETRY_AFTER_MAX 86400 /* seconds */

/* --- what both do before ---------------------------------------------------------------------- */

/* The exchange as it was before its request was sent: what came is the context's to forget. */
static void forget_answer(weir_reply *r)
{
    weir__client_drop(r);
    weir__client_coded_end(r);
    r->is_dropped = false;
    r->state = WEIR__REPLY_ASKING;
    r->kind = WEIR__ANSWER_NONE;
    r->status = 0;
    r->field_count = 0;
    r->whole = (weir_str){NULL, 0};
    r->trailers_len = 0;
    if (r->c->error != r->error_before)
        weir_error_clear(weir__ctx_handle(r->c)); /* of a try that is not the last */
}

weir_str weir__client_field(const weir_reply *r, const char *name)
{
    for (unsigned i = 0; i < r->field_count; i++) {
        const struct weir__http_line *f = &r->fields[i];
        if (weir_str_ieq((weir_str){r->head + f->name.off, f->name.len}, weir_str_from(name)))
            return (weir_str){r->head + f->value.off, f->value.len};
    }
    return (weir_str){NULL, 0};
}

/* --- retries ---------------------------------------------------------------------------------- */

/* The server says that another moment may be better. */
static bool is_passing(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* Has it failed so that it may go well, and would not be done twice? */
static bool is_worth_it(const weir_reply *r, weir_err err)
{
    if (err == WEIR_OK)
        return is_passing(r->status) && weir__client_is_idempotent(r->method);
    bool is_ours = r->err != WEIR_OK || weir__ctx_check(r->c) != WEIR_OK || err == WEIR_EINVALID ||
                   err == WEIR_ETLS || err == WEIR_ENOTBUILT || err == WEIR_ELIMIT ||
                   err == WEIR_EDEADLK || err == -ENOMEM || err == WEIR_EBUDGET ||
                   err == WEIR_ECANCELED || err == WEIR_ESHUTDOWN;
    return !is_ours && !r->has_answer && (r->sent == 0 || weir__client_is_idempotent(r->method));
}

/* What the peer asks for (RFC 9110 section 10.2.3). */
static weir_dur asked_wait(const weir_reply *r)
{
    int64_t seconds = 0, now = weir_wall_now().us / 1000000;
    weir_str value = r->status != 0 ? weir__client_field(r, "retry-after") : (weir_str){NULL, 0};
    if (value.ptr == NULL || weir__retry_after_parse(value, now, RETRY_AFTER_MAX, &seconds) < 0)
        return weir_ns(0);
    return weir_sec(seconds);
}

bool weir__client_retry(weir_reply *r, weir_err err)
{
    static const struct weir__backoff defaults = {.base = {100000000}, .cap = {10000000000}};
    struct weir__client_cells *cells = weir__client_cells(r->http);
    if (r->retries >= r->http->o.retries_max || r->is_streamed || !is_worth_it(r, err))
        return false;
    bool has_other = weir__upstream_has_other(r); /* which was not asked to wait by anybody */
    weir_dur wait = has_other
                        ? weir_ns(0)
                        : weir__backoff_wait(&defaults, r->retries, asked_wait(r), &cells->random);
    weir_time now = weir__worker_now(weir__self);
    weir_time end = weir_time_min(r->until, r->c->deadline);
    if (weir_time_add(now, wait).ns >= end.ns ||
        !weir__retry_budget_take(r->http->budget, weir__self->index, now))
        return false;
    forget_answer(r);
    r->retries++;
    weir__counter_add(&cells->retries, 1);
    err = weir_sleep(weir__ctx_handle(r->c), wait);
    if (err != WEIR_OK)
        (void)weir__client_fail(r, err, "it was cancelled between two tries");
    return err == WEIR_OK;
}

/* --- redirections ----------------------------------------------------------------------------- */

struct weir__client_visit {
    const struct weir__client_visit *before;
    weir_str origin, path, method;
};

static bool is_redirection(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Notes where it was asked; false: it has been there. `*err`: no memory. */
static bool visit(weir_reply *r, weir_err *err)
{
    for (const struct weir__client_visit *v = r->visits; v != NULL; v = v->before)
        if (weir_str_eq(v->origin, r->target.origin) && weir_str_eq(v->path, r->target.path) &&
            weir_str_eq(v->method, r->method_text))
            return false;
    struct weir__client_visit *v = weir__ctx_object(r->c, sizeof *v);
    if (v == NULL) {
        *err = weir__client_no_memory(r);
        return false;
    }
    *v = (struct weir__client_visit){r->visits, r->target.origin, r->target.path, r->method_text};
    r->visits = v;
    return true;
}

/*
 * POST becomes GET where browsers have made it so (RFC 9110 sections 15.4.2 to 15.4.4); 307 and 308
 * never change a method.
 */
static void change_method(weir_reply *r, int status)
{
    bool becomes_get = (status == 303 && r->method != WEIR_HTTP_HEAD) ||
                       ((status == 301 || status == 302) && r->method == WEIR_HTTP_POST);
    if (!becomes_get || r->method == WEIR_HTTP_GET)
        return;
    r->method = WEIR_HTTP_GET;
    r->method_text = WEIR_S("GET");
    r->body = (weir_str){NULL, 0};
    r->form = NULL;
    r->expects = false;
    r->is_bodiless = true;
}

/* The absolute URL of `location`, where the exchange is; in the context's memory. */
static weir_err resolve(weir_reply *r, weir_str location, weir_str *out)
{
    char bytes[8192];
    weir_buf url;
    weir_str base = weir_sprintf(weir__ctx_handle(r->c), "%s://" WEIR_STR_FMT WEIR_STR_FMT,
                                 r->target.is_https ? "https" : "http",
                                 WEIR_STR_ARG(r->target.host), WEIR_STR_ARG(r->target.path));
    weir_buf_init_fixed(&url, bytes, sizeof bytes);
    if (base.ptr == NULL)
        return weir__client_no_memory(r);
    if (weir__url_resolve(base, location, &url) != 0)
        return WEIR_EINVALID;
    *out = weir_strdup(weir__ctx_handle(r->c), weir_buf_str(&url));
    return out->ptr != NULL ? WEIR_OK : weir__client_no_memory(r);
}

/* On a local socket a location without a host stays there. */
static bool stays(const weir_reply *r, weir_str location)
{
    struct weir__url_parts parts;
    weir__url_split(location, &parts);
    bool is_local = r->target.origin.len > 5 && memcmp(r->target.origin.ptr, "unix:", 5) == 0;
    return is_local && parts.scheme.ptr == NULL && parts.authority.ptr == NULL;
}

static weir_err go_to(weir_reply *r, weir_str location)
{
    struct weir__client_target target;
    weir_str url;
    const char *why = "";
    weir_err err = resolve(r, location, &url);
    if (err == WEIR_OK)
        err = weir__client_target_read(r->http, r->c, url, &target, &why);
    if (err != WEIR_OK)
        return err;
    if (stays(r, location)) {
        r->target.path = target.path;
        return WEIR_OK;
    }
    if (r->target.is_https && !target.is_https && r->http->o.redirects_secure)
        return WEIR_ETLS;
    r->has_left = r->has_left || !weir_str_eq(target.origin, r->target.origin);
    r->target = target;
    return WEIR_OK;
}

bool weir__client_redirect(weir_reply *r)
{
    weir_err err = WEIR_OK;
    const int status = r->status;
    weir_str location = weir__client_field(r, "location");
    if (r->http->o.redirects_max == WEIR_HTTP_NONE || !is_redirection(status) ||
        location.ptr == NULL || r->is_streamed || r->is_carried)
        return false;
    if (r->redirects++ >= r->http->o.redirects_max) {
        (void)weir__client_fail(r, WEIR_ELIMIT, "more than %u redirections",
                                r->http->o.redirects_max);
        return false;
    }
    (void)visit(r, &err);
    forget_answer(r);
    change_method(r, status);
    if (err == WEIR_OK)
        err = go_to(r, location);
    if (err != WEIR_OK) {
        (void)weir__client_fail(r, err, "the redirection to \"%.*s\" leads nowhere: %s",
                                location.len > 120 ? 120 : (int)location.len, location.ptr,
                                err == WEIR_ETLS        ? "it is http, behind https"
                                : err == WEIR_ENOTBUILT ? "this build of Weir was made without TLS"
                                                        : weir_strerror(err));
        return false;
    }
    if (visit(r, &err))
        return true;
    (void)weir__client_fail(r, err != WEIR_OK ? err : WEIR_EPROTO,
                            "a loop of redirections: it has been here %u steps before",
                            r->redirects);
    return false;
}

/* --- what goes along -------------------------------------------------------------------------- */

bool weir__client_may_travel(const weir_reply *r, weir_str name)
{
    static const char *const harmless[] = {"accept", "accept-", "content-", "range", "user-agent"};
    if (r->is_bodiless && name.len > 8 && weir_str_ieq((weir_str){name.ptr, 8}, WEIR_S("content-")))
        return false;
    if (!r->has_left)
        return true;
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        weir_str s = weir_str_from(harmless[i]);
        bool is_prefix = s.ptr[s.len - 1] == '-';
        if (name.len >= s.len && (is_prefix || name.len == s.len) &&
            weir_str_ieq((weir_str){name.ptr, s.len}, s))
            return true;
    }
    return false;
}
