/*
 * Reading a request: its line, parameters, query, headers, cookies, body. Everything is a view of
 * the request's bytes; only what is percent-encoded is copied, decoded, into the memory of the
 * context that asks.
 */
#include "base/num.h"
#include "web/web.h"
#include "wire/url.h"

static const weir_str absent = {NULL, 0};

weir_method weir_request_method(weir_ctx *c)
{
    unsigned m = weir__request_of(c)->x->head.method;
    return m <= WEIR_OPTIONS ? (weir_method)m : WEIR_METHOD_OTHER;
}

weir_str weir_request_method_text(weir_ctx *c)
{
    return weir__exchange_method(weir__request_of(c)->x);
}

weir_str weir_request_path(weir_ctx *c)
{
    return weir__exchange_path(weir__request_of(c)->x);
}

weir_str weir_request_query(weir_ctx *c)
{
    return weir__exchange_query(weir__request_of(c)->x);
}

weir_str weir_request_route(weir_ctx *c)
{
    return weir_str_from(weir__request_of(c)->route->label);
}

weir_str weir_request_id(weir_ctx *c)
{
    return weir__ctx_of(c)->request_id;
}

weir_str weir_request_ip(weir_ctx *c)
{
    char text[WEIR__ENDPOINT_TEXT_MAX];
    const struct weir__endpoint *peer = weir__exchange_peer(weir__request_of(c)->x);
    if (peer == NULL || peer->family == 0)
        return absent;
    weir_str s = {text, weir__endpoint_format_ip(peer, text)};
    return weir_strdup(c, s);
}

/* --- getters ------------------------------------------------------------------------------ */

/*
 * `s` decoded, itself when there is nothing to decode; absent when there is no memory or it is not
 * encoded right.
 */
static weir_str decoded(weir_ctx *c, weir_str s, bool is_form)
{
    if (s.ptr == NULL || (is_form ? weir__url_form_is_plain(s) : weir__url_is_plain(s)))
        return s;
    char *out = weir__ctx_alloc(weir__ctx_of(c), s.len + 1);
    if (out == NULL)
        return absent;
    int n = is_form ? weir__url_decode_form(s, out) : weir__url_decode(s, out);
    if (n < 0)
        return absent;
    out[n] = '\0';
    return (weir_str){out, (size_t)n};
}

weir_str weir__param_at(weir_ctx *c, const struct weir__request *r, size_t i)
{
    weir_str raw = weir__route_param(&r->match, weir__exchange_path(r->x), i);
    return r->x->head.path_is_plain ? raw : decoded(c, raw, false);
}

static weir_str param(weir_ctx *c, weir_str name, const char *function)
{
    const struct weir__request *r = weir__request_of_at(c, function);
    for (size_t i = 0; r->match.kind == WEIR__ROUTE_FOUND && i < r->match.param_count; i++) {
        if (weir_str_eq(r->match.names[i], name))
            return weir__param_at(c, r, i);
    }
    return absent;
}

weir_str weir_param_of(weir_ctx *c, weir_str name)
{
    return param(c, name, __func__);
}

static weir_str query_param(weir_ctx *c, weir_str name, const char *function)
{
    weir_str value, query = weir__exchange_query(weir__request_of_at(c, function)->x);
    if (!weir__url_pair_find(query, name, &value))
        return absent;
    return decoded(c, value.ptr != NULL ? value : WEIR_S(""), true);
}

weir_str weir_query_param_of(weir_ctx *c, weir_str name)
{
    return query_param(c, name, __func__);
}

weir_str weir_header_of(weir_ctx *c, weir_str name)
{
    return weir__exchange_header(weir__request_of(c)->x, name);
}

weir_str weir_cookie_of(weir_ctx *c, weir_str name)
{
    weir_str rest = weir__exchange_field(weir__request_of(c)->x, WEIR_FIELD_COOKIE), n, value;
    while (weir__cookie_next(&rest, &n, &value)) {
        if (weir_str_eq(n, name))
            return value;
    }
    return absent;
}

/* --- typed getters ------------------------------------------------------------------------ */

/* Notes one bad value under its name. */
static weir_err refuse_value(weir_ctx *c, const char *name, const char *what)
{
    weir_json_errors errors = {.count = 1, .total = 1};
    errors.items[0].pointer = weir_sprintf(c, "/%s", name);
    errors.items[0].message = weir_str_from(what);
    return weir__bind_failed(weir__request_of(c), WEIR_EINVALID, 400, "the input is not valid",
                             &errors);
}

weir_err weir_param_i64(weir_ctx *c, const char *name, int64_t *out)
{
    weir_str s = param(c, weir_str_from(name), __func__);
    if (WEIR_UNLIKELY(s.ptr == NULL))
        weir__misuse(__func__, "the pattern of %s has no parameter \"%s\"",
                     weir__request_of(c)->route->label, name);
    if (weir_str_i64(s, out) < 0)
        return refuse_value(c, name, "must be a whole number of at most 64 bits");
    return WEIR_OK;
}

weir_err weir_query_param_i64(weir_ctx *c, const char *name, int64_t *out)
{
    weir_str s = query_param(c, weir_str_from(name), __func__);
    if (s.ptr != NULL && weir_str_i64(s, out) < 0)
        return refuse_value(c, name, "must be a whole number of at most 64 bits");
    return WEIR_OK;
}

weir_err weir_query_param_double(weir_ctx *c, const char *name, double *out)
{
    weir_str s = query_param(c, weir_str_from(name), __func__);
    if (s.ptr != NULL && weir__num_text_double(s, out) < 0)
        return refuse_value(c, name, "must be a number");
    return WEIR_OK;
}

weir_err weir_query_param_bool(weir_ctx *c, const char *name, bool *out)
{
    weir_str s = query_param(c, weir_str_from(name), __func__);
    if (s.ptr == NULL)
        return WEIR_OK;
    bool is_true = s.len == 0 || weir_str_eq(s, WEIR_S("true")) || weir_str_eq(s, WEIR_S("1"));
    if (!is_true && !weir_str_eq(s, WEIR_S("false")) && !weir_str_eq(s, WEIR_S("0")))
        return refuse_value(c, name, "must be true or false");
    *out = is_true;
    return WEIR_OK;
}

/* --- bodies ------------------------------------------------------------------------------- */

/*
 * An error of the body as what weir_fail_bind says; 0 as a status means that nobody is there to be
 * told. What is neither the client's doing nor a cancellation, whose reason is said, is our own.
 */
static weir_err body_failed(struct weir__request *r, weir_err err)
{
    int status = weir__exchange_body_status(err);
    static const char *const messages[] = {"the body could not be read", "the body is too large",
                                           "the body came too slowly"};
    const char *message = messages[status == 413 ? 1 : status == 408 ? 2 : 0];
    if (status == 0 && err != WEIR_ECLIENTGONE) {
        if (r->x->ctx->reason != WEIR_REASON_NONE)
            return err;
        status = 500;
    }
    return weir__bind_failed(r, err, status, message, NULL);
}

weir_err weir_body(weir_ctx *c, size_t bytes_max, weir_str *out)
{
    struct weir__request *r = weir__request_of(c);
    if (bytes_max == 0)
        bytes_max = r->route->body_bytes_max;
    *out = absent;
    weir_err err = weir__exchange_read_all(r->x, bytes_max, out);
    return WEIR_LIKELY(err == WEIR_OK) ? WEIR_OK : body_failed(r, err);
}

ssize_t weir_body_read(weir_ctx *c, void *bytes, size_t size)
{
    struct weir__request *r = weir__request_of(c);
    ssize_t n = weir__exchange_read(r->x, bytes, size);
    return WEIR_LIKELY(n >= 0) ? n : body_failed(r, (weir_err)n);
}
