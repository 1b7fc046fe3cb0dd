/*
 * Reading a request: its line, parameters, query, headers, cookies, body. Everything is a view of
 * the request's bytes; only what is percent-encoded is copied, decoded, into the memory of the
 * context that asks.
 */
#include "base/given.h"
#include "base/num.h"
#include "base/utf8.h"
#include "base/validate.h"
#include "web/web.h"
#include "wire/url.h"

static const weir_str absent = {NULL, 0};

weir_method weir_request_method(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(WEIR_METHOD_OTHER);
    unsigned m = weir__exchange_method_id(weir__request_of(c)->x);
    return m <= WEIR_OPTIONS ? (weir_method)m : WEIR_METHOD_OTHER;
}

weir_str weir_request_method_text(weir_ctx *c)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    return weir__exchange_method(weir__request_of(c)->x);
}

weir_str weir_request_path(weir_ctx *c)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    return weir__exchange_path(weir__request_of(c)->x);
}

weir_str weir_request_query(weir_ctx *c)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    return weir__exchange_query(weir__request_of(c)->x);
}

weir_str weir_request_route(weir_ctx *c)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    return weir_str_from(weir__request_of(c)->route->label);
}

weir_str weir_request_id(weir_ctx *c)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    return weir__ctx_request_id(weir__ctx_of(c));
}

weir_str weir_request_ip(weir_ctx *c)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    char text[WEIR__ENDPOINT_TEXT_MAX];
    struct weir__endpoint client;
    weir__exchange_client(weir__request_of(c)->x, &client);
    if (client.family == 0)
        return absent;
    weir_str s = {text, weir__endpoint_format_ip(&client, text)};
    return weir_strdup(c, s);
}

weir_str weir_request_protocol(weir_ctx *c)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    return weir_str_from(weir__exchange_protocol(weir__request_of(c)->x));
}

bool weir_request_is_tls(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(false);
    return weir__exchange_is_tls(weir__request_of(c)->x);
}

/* --- getters ------------------------------------------------------------------------------ */

weir_err weir__param_at(struct weir__ctx *c, const struct weir__request *r, size_t i, weir_str *out)
{
    *out = weir__route_param(&r->match, weir__exchange_path(r->x), i);
    return WEIR_LIKELY(weir__exchange_path_is_plain(r->x))
               ? WEIR_OK
               : weir__decode(c, WEIR__ENCODING_PATH, *out, out);
}

/*
 * A path parameter; absent when the route has none of that name. What cannot be decoded is noted.
 */
static weir_err param(weir_ctx *c, weir_str name, weir_str *out, const char *function)
{
    struct weir__request *r = weir__request_of_at(c, function);
    *out = absent;
    for (size_t i = 0; r->match.kind == WEIR__ROUTE_FOUND && i < r->match.param_count; i++) {
        if (!weir_str_eq(r->match.names[i], name))
            continue;
        weir_err err = weir__param_at(weir__ctx_of(c), r, i, out);
        return WEIR_LIKELY(err == WEIR_OK) ? WEIR_OK : weir__input_failed(r, name, err);
    }
    return WEIR_OK;
}

weir_str weir_param_of(weir_ctx *c, weir_str name)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    weir_str s;
    return param(c, name, &s, __func__) == WEIR_OK ? s : absent;
}

weir_str weir_query_param_of(weir_ctx *c, weir_str name)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    struct weir__request *r = weir__request_of(c);
    weir_str query = weir__exchange_query(r->x), s;
    if (!weir__url_pair_find(&query, name, &s))
        return absent;
    weir_err err = weir__decode(weir__ctx_of(c), WEIR__ENCODING_FORM, s, &s);
    if (WEIR_LIKELY(err == WEIR_OK))
        return s.ptr != NULL ? s : WEIR_S("");
    weir__input_failed(r, name, err);
    return absent;
}

weir_str weir_header_of(weir_ctx *c, weir_str name)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    return weir__exchange_header(weir__request_of(c)->x, name);
}

weir_str weir_cookie_of(weir_ctx *c, weir_str name)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    const struct weir__exchange *x = weir__request_of(c)->x;
    unsigned i = weir__exchange_find(x, WEIR_FIELD_COOKIE, 0);
    for (; i < weir__exchange_fields(x); i = weir__exchange_find(x, WEIR_FIELD_COOKIE, i + 1)) {
        weir_str rest = weir__exchange_field_value(x, i), n, value;
        while (weir__cookie_next(&rest, &n, &value)) {
            if (weir_str_eq(n, name))
                return value;
        }
    }
    return absent;
}

bool weir_header_next(weir_ctx *c, weir_header_iter *iter)
{
    WEIR__FIBERS_ONLY(false);
    weir__given(iter, "the iterator");
    const struct weir__exchange *x = weir__request_of(c)->x;
    while (iter->at < weir__exchange_fields(x)) {
        unsigned i = iter->at++;
        iter->name = weir__exchange_field_name(x, i);
        iter->value = weir__exchange_field_value(x, i);
        if (iter->of.ptr == NULL || weir_str_ieq(iter->of, iter->name))
            return true;
    }
    iter->name = iter->value = absent;
    return false;
}

/* --- typed getters ------------------------------------------------------------------------ */

/* What a value of a query may be, besides its text. */
struct query_value {
    bool is_given; /* the name is there */
    weir_str text; /* absent for "?name" without '=' */
};

/* A value that may be given once, as binders want it. What is wrong is noted. */
static weir_err query_value(weir_ctx *c, const char *name, struct query_value *out,
                            const char *function)
{
    struct weir__request *r = weir__request_of_at(c, function);
    weir_str key = weir_str_from(name), query = weir__exchange_query(r->x), second;
    *out = (struct query_value){.is_given = false};
    if (!weir__url_pair_find(&query, key, &out->text))
        return WEIR_OK;
    out->is_given = true;
    if (weir__url_pair_find(&query, key, &second))
        return weir__input_refused(r, key, "is given twice");
    weir_err err = weir__decode(weir__ctx_of(c), WEIR__ENCODING_FORM, out->text, &out->text);
    return WEIR_LIKELY(err == WEIR_OK) ? WEIR_OK : weir__input_failed(r, key, err);
}

static weir_err refuse(weir_ctx *c, const char *name, const char *what)
{
    return weir__input_refused(weir__request_of(c), weir_str_from(name), what);
}

/* A parameter that the route must have. */
static weir_err route_param(weir_ctx *c, const char *name, weir_str *out, const char *function)
{
    weir_err err = param(c, weir_str_from(name), out, function);
    if (WEIR_UNLIKELY(err == WEIR_OK && out->ptr == NULL))
        weir__misuse(function, "the pattern of %s has no parameter \"%s\"",
                     weir__request_of(c)->route->label, name);
    return err;
}

static weir_err text_of(weir_ctx *c, const char *name, weir_str s, weir_str *out)
{
    if (!weir__utf8_is_valid(s))
        return refuse(c, name, "must be UTF-8 text");
    *out = s;
    return WEIR_OK;
}

weir_err weir_param_str(weir_ctx *c, const char *name, weir_str *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(name, "the name");
    weir__given(out, "the result");
    weir_str s;
    weir_err err = route_param(c, name, &s, __func__);
    return err < 0 ? err : text_of(c, name, s, out);
}

weir_err weir_param_i64(weir_ctx *c, const char *name, int64_t *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(name, "the name");
    weir__given(out, "the result");
    weir_str s;
    weir_err err = route_param(c, name, &s, __func__);
    if (err == WEIR_OK && weir_str_i64(s, out) < 0)
        err = refuse(c, name, "must be a whole number of at most 64 bits");
    return err;
}

weir_err weir_query_param_str(weir_ctx *c, const char *name, weir_str *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(name, "the name");
    weir__given(out, "the result");
    struct query_value v;
    weir_err err = query_value(c, name, &v, __func__);
    if (err < 0 || !v.is_given)
        return err;
    return text_of(c, name, v.text.ptr != NULL ? v.text : WEIR_S(""), out);
}

weir_err weir_query_param_i64(weir_ctx *c, const char *name, int64_t *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(name, "the name");
    weir__given(out, "the result");
    struct query_value v;
    weir_err err = query_value(c, name, &v, __func__);
    if (err == WEIR_OK && v.is_given && weir_str_i64(v.text, out) < 0)
        err = refuse(c, name, "must be a whole number of at most 64 bits");
    return err;
}

weir_err weir_query_param_double(weir_ctx *c, const char *name, double *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(name, "the name");
    weir__given(out, "the result");
    struct query_value v;
    weir_err err = query_value(c, name, &v, __func__);
    if (err == WEIR_OK && v.is_given && weir__num_text_double(v.text, out) < 0)
        err = refuse(c, name, "must be a number");
    return err;
}

weir_err weir_query_param_bool(weir_ctx *c, const char *name, bool *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(name, "the name");
    weir__given(out, "the result");
    struct query_value v;
    weir_err err = query_value(c, name, &v, __func__);
    if (err == WEIR_OK && v.is_given && weir__text_bool(v.text, out) < 0)
        err = refuse(c, name, "must be true or false");
    return err;
}

/* --- bodies ------------------------------------------------------------------------------- */

/*
 * An error of the body as what weir_fail_bind says; 0 as a status means that nobody is there to be
 * told. What is neither the client's doing nor a cancellation, whose reason is said, is our own.
 */
static weir_err body_failed(struct weir__request *r, weir_err err)
{
    int status = weir__exchange_body_status(weir__wait_refused(err));
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

/* It may be asked for again: by a binder after a middleware that has checked a signature. */
weir_err weir_body(weir_ctx *c, size_t bytes_max, weir_str *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(out, "the result");
    struct weir__request *r = weir__request_of(c);
    if (bytes_max == 0)
        bytes_max = r->route->body_bytes_max;
    *out = absent;
    weir_err err = WEIR_OK;
    if (WEIR_LIKELY(r->body.ptr == NULL))
        err = weir__exchange_read_all(r->x, bytes_max, &r->body);
    else if (bytes_max != 0 && r->body.len > bytes_max)
        return body_failed(r, WEIR_ETOOLARGE);
    if (WEIR_LIKELY(err == WEIR_OK)) {
        *out = r->body;
        return WEIR_OK;
    }
    r->body = absent;
    return body_failed(r, err);
}

/*
 * A body that is over the limit by what its head says is refused before its first byte; one without
 * a length where the limit is passed, and what came past it is not handed out.
 */
ssize_t weir_body_read(weir_ctx *c, void *bytes, size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the memory");
    struct weir__request *r = weir__request_of(c);
    uint64_t max = r->route->body_bytes_max, length;
    if (max == 0)
        max = weir__exchange_body_max(r->x);
    bool is_over = r->body_read > max || (weir__exchange_length(r->x, &length) && length > max);
    ssize_t n = is_over ? WEIR_ETOOLARGE : weir__exchange_read(r->x, bytes, size);
    if (n > 0) {
        r->body_read += (uint64_t)n;
        n = r->body_read > max ? WEIR_ETOOLARGE : n;
    }
    if (WEIR_UNLIKELY(n == 0 && size > 0))
        (void)weir__wait_refused(WEIR_ECLOSED); /* whoever asks for ever is not told otherwise */
    return WEIR_LIKELY(n >= 0) ? n : body_failed(r, (weir_err)n);
}
