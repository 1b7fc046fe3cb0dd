/*
 * What the client sent: path parameters, query, headers, cookies, body. Strings are views of the
 * request's bytes, which live as long as the request; what had to be decoded is in the memory of
 * the context that was given, and lives as long as that: in a step of its own (WEIR_WITH) until the
 * step's end. What is not there is the absent string, {NULL, 0}. A `name` that is asked for is
 * compared during the call, and not kept.
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
 * '?'. Borrowed from the request.
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

/**
 * The request's id, as the middleware weir_mw_request_id set it; absent without it. Borrowed from
 * the request.
 */
WEIR_API weir_str weir_request_id(weir_ctx *c) WEIR_NONNULL(1);

/**
 * The client's IP address as text: that of the connection, or whom the proxies in front have named
 * when they are trusted (`trusted`, `proxy_protocol`, `client_field` in <weir/app.h>); "unix" when
 * it came by a local socket. In the context's memory.
 */
WEIR_API weir_str weir_request_ip(weir_ctx *c) WEIR_NONNULL(1);

/**
 * The version of HTTP that the request came by: "HTTP/1.0", "HTTP/1.1" or "HTTP/2" (RFC 9110
 * section 2.5). Constant.
 */
WEIR_API weir_str weir_request_protocol(weir_ctx *c) WEIR_NONNULL(1);

/**
 * Did it come over TLS: is its scheme "https" (RFC 9110 section 4.2.2)? Of the connection to this
 * process: what a proxy in front has ended is not known here.
 */
WEIR_API bool weir_request_is_tls(weir_ctx *c) WEIR_NONNULL(1);

/* --- getters ------------------------------------------------------------------------------ */

/**
 * The functions behind the getters below, for names that are not C strings. Results are borrowed as
 * theirs are.
 */
WEIR_API weir_str weir_param_of(weir_ctx *c, weir_str name) WEIR_NONNULL(1);
WEIR_API weir_str weir_query_param_of(weir_ctx *c, weir_str name) WEIR_NONNULL(1);
WEIR_API weir_str weir_header_of(weir_ctx *c, weir_str name) WEIR_NONNULL(1);
WEIR_API weir_str weir_cookie_of(weir_ctx *c, weir_str name) WEIR_NONNULL(1);
WEIR_API weir_str weir_trailer_of(weir_ctx *c, weir_str name) WEIR_NONNULL(1);

/**
 * The path parameter `:name` or `*name`, percent-decoded; absent when the route has none of that
 * name, or when there is no memory to decode it (weir_param_str tells these apart). Any bytes but
 * NUL. Borrowed from the request, or in the context's memory where it had to be decoded.
 */
static inline weir_str weir_param(weir_ctx *c, const char *name)
{
    return weir_param_of(c, weir_str_from(name));
}

/**
 * The first value of a name in the query, decoded; empty for "?name", absent when it is not there.
 * Any bytes, NUL included. A value that is not percent-encoded right ("%zz"), or cannot be decoded
 * for lack of memory, is absent too: where a default in its place would be wrong, ask by
 * weir_query_param_str, which says so. Borrowed as weir_param.
 */
static inline weir_str weir_query_param(weir_ctx *c, const char *name)
{
    return weir_query_param_of(c, weir_str_from(name));
}

/**
 * The value of the first request header of that name, in any case; as sent, without the blanks
 * around it. All lines of a name are read by weir_header_next. Borrowed from the request.
 */
static inline weir_str weir_header(weir_ctx *c, const char *name)
{
    return weir_header_of(c, weir_str_from(name));
}

/**
 * The value of the first cookie of that name, whichever Cookie line it is in (a client may send
 * several: RFC 9113 section 8.2.3). Borrowed from the request.
 */
static inline weir_str weir_cookie(weir_ctx *c, const char *name)
{
    return weir_cookie_of(c, weir_str_from(name));
}

/** A header line of the request, and the place after it. Zeroed it stands before the first one. */
typedef struct weir_header_iter {
    weir_str of;    /* only lines of this name, in any case; absent: all lines */
    weir_str name;  /* as sent */
    weir_str value; /* as sent, without the blanks around it; may be empty */
    uint32_t at;    /* the function's own */
} weir_header_iter;

/**
 * The request's next header line, in the order in which they were sent.
 *
 *     for (weir_header_iter h = {0}; weir_header_next(c, &h);)
 *         …h.name, h.value…
 *     for (weir_header_iter h = {.of = WEIR_S("Via")}; weir_header_next(c, &h);)
 *         …h.value…
 *
 * iter     the caller's; `name` and `value` are borrowed from the request
 * returns  true while there is one
 * limits   a request has at most 100 lines
 * context  fiber; neither waits nor allocates
 */
WEIR_API bool weir_header_next(weir_ctx *c, weir_header_iter *iter) WEIR_NONNULL(1, 2);

/**
 * A field behind the body (RFC 9110 section 6.5), once that has been read to its end: by a binder,
 * weir_body, or weir_body_read up to its 0. Absent before, and where there is none. What is sent
 * there is what its sender knew last (a checksum, a status), and was not there when the request was
 * let in: it is never among the header lines. Of several the first; names in any case.
 *
 * name     compared during the call
 * owner    the request: what is returned lives as long as it
 * limits   8 KiB of all of them; more is a body that is malformed
 */
static inline weir_str weir_trailer(weir_ctx *c, const char *name)
{
    return weir_trailer_of(c, weir_str_from(name));
}

/**
 * The next of those, in the order in which they were sent; as weir_header_next.
 *
 * iter     the caller's; `name` and `value` are borrowed from the request
 * returns  true while there is one; false also before the body's end
 * context  fiber; neither waits nor allocates
 */
WEIR_API bool weir_trailer_next(weir_ctx *c, weir_header_iter *iter) WEIR_NONNULL(1, 2);

/**
 * Does the client say that fields behind the response's body reach who reads it (`TE: trailers`,
 * RFC 9110 section 10.1.4)? Who does not say so may drop them. Does not wait.
 */
WEIR_API bool weir_wants_trailers(weir_ctx *c) WEIR_NONNULL(1);

/*
 * Getters that check, by the rules of weir_bind_path and weir_bind_query: what is not
 * percent-encoded right, given twice, not of its kind or not to be decoded for lack of memory is an
 * error, never a default. What is wrong is noted: `return weir_fail_bind(c)` answers 400 with a
 * line for each value, or 503.
 */

/**
 * A path parameter, as UTF-8 text or as a number.
 *
 * out      set on success only; a text is borrowed from the request, or in the context's memory
 * returns  WEIR_OK; WEIR_EINVALID: no UTF-8, no whole number of 64 bits; WEIR_EBUDGET, -ENOMEM:
 *          `return weir_fail_bind(c)`. A name that is not in the route's pattern is misuse and
 *          panics
 */
WEIR_API weir_err weir_param_str(weir_ctx *c, const char *name, weir_str *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);
WEIR_API weir_err weir_param_i64(weir_ctx *c, const char *name, int64_t *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/**
 * A query value, as UTF-8 text (NUL bytes included), a number, a double, a boolean ("true", "1",
 * "on" and "?name" without '='; "false", "0", "off").
 *
 * out      keeps its value, the default, when the query does not have the name; a text is borrowed
 *          from the request, or in the context's memory
 * returns  WEIR_OK, also when it is not there; WEIR_EINVALID; WEIR_EBUDGET, -ENOMEM:
 *          `return weir_fail_bind(c)`
 */
WEIR_API weir_err weir_query_param_str(weir_ctx *c, const char *name, weir_str *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);
WEIR_API weir_err weir_query_param_i64(weir_ctx *c, const char *name, int64_t *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);
WEIR_API weir_err weir_query_param_double(weir_ctx *c, const char *name, double *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);
WEIR_API weir_err weir_query_param_bool(weir_ctx *c, const char *name, bool *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/* --- bodies ------------------------------------------------------------------------------- */

/**
 * The whole body; what weir_body_read has left of it. It may be asked for again, by a binder after
 * a middleware: the bytes are the same.
 *
 * out        filled: the bytes, borrowed from the request; absent on failure
 * bytes_max  0: the route's body_bytes_max, or the server's. It cannot be larger than what the
 *            request's memory holds
 * returns    WEIR_OK; WEIR_ETOOLARGE, WEIR_ETIMEDOUT, WEIR_ECLIENTGONE, WEIR_EINVALID (broken
 *            framing): `return weir_fail_bind(c)` answers 413, 408, nothing, 400
 * owner      the request: they live as long as it
 * context    fiber; may wait for the client
 */
WEIR_API weir_err weir_body(weir_ctx *c, size_t bytes_max, weir_str *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 3) WEIR_ACCESS(write_only, 3);

/**
 * The next bytes of the body, at constant memory. After weir_body there are none.
 *
 * bytes    filled, `size` bytes at most
 * returns  how many; 0 at the end; an error as weir_body, below 0: WEIR_ETOOLARGE before the first
 *          byte when the announced length is over the limit, else where the limit is passed
 * limits   the route's body_bytes_max, or the server's: it holds for all of the body, however it is
 *          read. Uploads of any length have a route with `.body_bytes_max = WEIR_BODY_UNLIMITED`
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
 * out      a T *, the caller's; zeroed first, filled, and whole whatever the result
 * owner    numbers, times, UUIDs and decimals are in `out` itself. Strings without escapes and raw
 *          JSON are views of the body, which lives as long as the request; other strings, bytes,
 *          the items of arrays and maps, and structs behind pointers are in the memory of `c`, and
 *          live as long as that. None of it is to be freed; what is kept for longer must be copied
 * returns  WEIR_OK, or an error that weir_fail_bind turns into 400, 408, 413 or 415 (the
 *          Content-Type is not application/json nor …+json)
 * limits   the route's body_bytes_max; nesting of WEIR_JSON_DEPTH_MAX
 * context  fiber; may wait for the client
 */
#define weir_bind_json(c, T, out) weir_bind_json_at((c), weir_model_of(T), (1 ? (out) : (T *)0))
/** The function behind weir_bind_json. */
WEIR_API weir_err weir_bind_json_at(weir_ctx *c, const weir_model *model, void *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3) WEIR_ACCESS(write_only, 3);

/**
 * The same for the query's values; members that the query does not name are zero. Strings are views
 * of the query, or in the context's memory where they had to be decoded. `out` is filled.
 */
#define weir_bind_query(c, T, out) weir_bind_query_at((c), weir_model_of(T), (1 ? (out) : (T *)0))
/** The function behind weir_bind_query. */
WEIR_API weir_err weir_bind_query_at(weir_ctx *c, const weir_model *model, void *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3) WEIR_ACCESS(write_only, 3);

/**
 * The same for a body of type application/x-www-form-urlencoded; strings as for the query. `out` is
 * filled.
 */
#define weir_bind_form(c, T, out) weir_bind_form_at((c), weir_model_of(T), (1 ? (out) : (T *)0))
/** The function behind weir_bind_form. */
WEIR_API weir_err weir_bind_form_at(weir_ctx *c, const weir_model *model, void *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3) WEIR_ACCESS(write_only, 3);

/** The same for the path's parameters; strings as for the query. `out` is filled. */
#define weir_bind_path(c, T, out) weir_bind_path_at((c), weir_model_of(T), (1 ? (out) : (T *)0))
/** The function behind weir_bind_path. */
WEIR_API weir_err weir_bind_path_at(weir_ctx *c, const weir_model *model, void *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3) WEIR_ACCESS(write_only, 3);

#ifdef __cplusplus
}
#endif
#endif
