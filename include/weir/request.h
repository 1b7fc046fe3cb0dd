/*
 * What the client sent: path parameters, query, headers, cookies, body. Strings are views of the
 * request's bytes, or of the context's memory where something had to be decoded; they live as long
 * as the request. What is not there is the absent string, {NULL, 0}.
 *
 * The context may be the request's, or any opened below it. In others (detached work, a test
 * without a request) all of these are misuse and panic: copy what is needed before.
 */
#ifndef WEIR_REQUEST_H
#define WEIR_REQUEST_H

#include <sys/types.h>
#include <weir/model.h>
#include <weir/route.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The method; its text as sent; the path as sent, still percent-encoded; the query as sent, without
 * '?'.
 */
WEIR_API weir_method weir_request_method(weir_ctx *c) WEIR_NONNULL(1);
WEIR_API weir_str weir_request_method_text(weir_ctx *c) WEIR_NONNULL(1);
WEIR_API weir_str weir_request_path(weir_ctx *c) WEIR_NONNULL(1);
WEIR_API weir_str weir_request_query(weir_ctx *c) WEIR_NONNULL(1);

/**
 * The route that answers, "GET /users/:id"; "" when there is none. Lives as long as the
 * application.
 */
WEIR_API weir_str weir_request_route(weir_ctx *c) WEIR_NONNULL(1);

/** The request's id, as the middleware weir_mw_request_id set it; absent without it. */
WEIR_API weir_str weir_request_id(weir_ctx *c) WEIR_NONNULL(1);

/**
 * The client's IP address as text (of the connection: behind a proxy, the proxy's). In the
 * context's memory.
 */
WEIR_API weir_str weir_request_ip(weir_ctx *c) WEIR_NONNULL(1);

/* --- getters ------------------------------------------------------------------------------ */

/** The functions behind the getters below, for names that are not C strings. */
WEIR_API weir_str weir_param_of(weir_ctx *c, weir_str name) WEIR_NONNULL(1);
WEIR_API weir_str weir_query_param_of(weir_ctx *c, weir_str name) WEIR_NONNULL(1);
WEIR_API weir_str weir_header_of(weir_ctx *c, weir_str name) WEIR_NONNULL(1);
WEIR_API weir_str weir_cookie_of(weir_ctx *c, weir_str name) WEIR_NONNULL(1);

/**
 * The path parameter `:name` or `*name`, percent-decoded; absent when the route has none of that
 * name.
 */
static inline weir_str weir_param(weir_ctx *c, const char *name)
{
    return weir_param_of(c, weir_str_from(name));
}

/**
 * The first value of a name in the query, decoded; empty for "?name", absent when it is not there.
 */
static inline weir_str weir_query_param(weir_ctx *c, const char *name)
{
    return weir_query_param_of(c, weir_str_from(name));
}

/** The first request header of that name, in any case. */
static inline weir_str weir_header(weir_ctx *c, const char *name)
{
    return weir_header_of(c, weir_str_from(name));
}

/** A cookie's value. */
static inline weir_str weir_cookie(weir_ctx *c, const char *name)
{
    return weir_cookie_of(c, weir_str_from(name));
}

/**
 * A path parameter as a number.
 *
 * returns  WEIR_OK; WEIR_EINVALID when it is no whole number of 64 bits: `return weir_fail_bind(c)`
 *          says so to the client. A name that is not in the route's pattern is misuse and panics
 */
WEIR_API weir_err weir_param_i64(weir_ctx *c, const char *name, int64_t *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/**
 * A query value as a number, a double, a boolean ("true", "1", "false", "0", "" for "?name").
 *
 * out      keeps its value, the default, when the query does not have the name
 * returns  WEIR_OK, also when it is not there; WEIR_EINVALID: `return weir_fail_bind(c)`
 */
WEIR_API weir_err weir_query_param_i64(weir_ctx *c, const char *name, int64_t *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);
WEIR_API weir_err weir_query_param_double(weir_ctx *c, const char *name, double *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);
WEIR_API weir_err weir_query_param_bool(weir_ctx *c, const char *name, bool *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/* --- bodies ------------------------------------------------------------------------------- */

/**
 * The whole body.
 *
 * bytes_max  0: the route's body_bytes_max, or the server's
 * returns    WEIR_OK; WEIR_ETOOLARGE, WEIR_ETIMEDOUT, WEIR_ECLIENTGONE, WEIR_EINVALID (broken
 *            framing): `return weir_fail_bind(c)` answers 413, 408, nothing, 400
 * owner      the request
 * context    fiber; may wait for the client
 */
WEIR_API weir_err weir_body(weir_ctx *c, size_t bytes_max, weir_str *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 3) WEIR_ACCESS(write_only, 3);

/**
 * The next bytes of the body, for bodies of any length at constant memory. Not after weir_body.
 *
 * returns  how many; 0 at the end; an error as weir_body, below 0
 * context  fiber; may wait for the client
 */
WEIR_API ssize_t weir_body_read(weir_ctx *c, void *bytes, size_t size) WEIR_MUST_USE
    WEIR_NONNULL(1, 2) WEIR_ACCESS(write_only, 2, 3);

/**
 * Reads the body as JSON into a struct, checked by its model.
 *
 *     user_in in;
 *     if (weir_bind_json(c, user_in, &in) < 0)
 *         return weir_fail_bind(c);
 *
 * T        the type's name, as in WEIR_MODEL
 * out      a T *; zeroed first; its strings live as long as the request
 * returns  WEIR_OK, or an error that weir_fail_bind turns into 400, 408, 413 or 415 (the
 *          Content-Type is not application/json nor …+json)
 * limits   the route's body_bytes_max; nesting of WEIR_JSON_DEPTH_MAX
 * context  fiber; may wait for the client
 */
#define weir_bind_json(c, T, out) weir_bind_json_at((c), weir_model_of(T), (1 ? (out) : (T *)0))
/** The function behind weir_bind_json. */
WEIR_API weir_err weir_bind_json_at(weir_ctx *c, const weir_model *model, void *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3) WEIR_ACCESS(write_only, 3);

/** The same for the query's values; members that the query does not name are zero. */
#define weir_bind_query(c, T, out) weir_bind_query_at((c), weir_model_of(T), (1 ? (out) : (T *)0))
/** The function behind weir_bind_query. */
WEIR_API weir_err weir_bind_query_at(weir_ctx *c, const weir_model *model, void *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3) WEIR_ACCESS(write_only, 3);

/** The same for a body of type application/x-www-form-urlencoded. */
#define weir_bind_form(c, T, out) weir_bind_form_at((c), weir_model_of(T), (1 ? (out) : (T *)0))
/** The function behind weir_bind_form. */
WEIR_API weir_err weir_bind_form_at(weir_ctx *c, const weir_model *model, void *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3) WEIR_ACCESS(write_only, 3);

/** The same for the path's parameters. */
#define weir_bind_path(c, T, out) weir_bind_path_at((c), weir_model_of(T), (1 ? (out) : (T *)0))
/** The function behind weir_bind_path. */
WEIR_API weir_err weir_bind_path_at(weir_ctx *c, const weir_model *model, void *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3) WEIR_ACCESS(write_only, 3);

#ifdef __cplusplus
}
#endif
#endif
