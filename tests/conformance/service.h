/*
 * The service that the conformance suite asks: handlers that say what they were given, that answer
 * in each way there is, and that try what the server has to refuse.
 */
#ifndef WEIR_TESTS_CONFORMANCE_SERVICE_H
#define WEIR_TESTS_CONFORMANCE_SERVICE_H

#include "web/web_test_kit.h"

static unsigned smuggled; /* requests that were served though nobody sent them as requests */

static weir_err says(weir_ctx *c, const char *text)
{
    return weir_text(c, 200, text);
}

static weir_err serve_hello(weir_ctx *c)
{
    return says(c, "hello");
}

static weir_err serve_probe(weir_ctx *c)
{
    return says(c, "probe");
}

static weir_err serve_smuggled(weir_ctx *c)
{
    smuggled++;
    return says(c, "smuggled");
}

static weir_err serve_echo(weir_ctx *c)
{
    weir_str body;
    return weir_body(c, 0, &body) < 0 ? weir_fail_bind(c) : weir_text(c, 200, body);
}

/* The body in small pieces, streamed back as they come: its head leaves before the body is here. */
static weir_err serve_pieces(weir_ctx *c)
{
    char piece[7];
    ssize_t n;
    weir_stream *out = weir_stream_begin(c, 200, "text/plain");
    weir_stream_write(out, WEIR_S("<"));
    weir_stream_flush(out);
    while ((n = weir_body_read(c, piece, sizeof piece)) > 0)
        weir_stream_write(out, (weir_str){piece, (size_t)n});
    return weir_stream_end(out, n < 0 ? (weir_err)n : WEIR_OK);
}

/* "[value]" of the header that the query names; "none" when it is not there. */
static weir_err serve_header(weir_ctx *c)
{
    weir_str value = weir_header_of(c, weir_query_param(c, "name"));
    if (value.ptr == NULL)
        return says(c, "none");
    return weir_textf(c, 200, "[" WEIR_STR_FMT "]", WEIR_STR_ARG(value));
}

/* Echoes the body, and behind it the trailers that came. */
static weir_err serve_behind(weir_ctx *c)
{
    char piece[7];
    ssize_t n;
    weir_header_iter t = {0};
    weir_str wants = weir_wants_trailers(c) ? WEIR_S("yes") : WEIR_S("no");
    if (weir_announce_trailer(c, "x-sum") < 0 || weir_add_trailer(c, "x-wanted", wants) < 0)
        return WEIR_EFAIL;
    weir_stream *out = weir_stream_begin(c, 200, "text/plain");
    while ((n = weir_body_read(c, piece, sizeof piece)) > 0)
        weir_stream_write(out, (weir_str){piece, (size_t)n});
    while (n == 0 && weir_trailer_next(c, &t))
        (void)weir_add_trailer(c, "x-sum", t.value);
    return weir_stream_end(out, n < 0 ? (weir_err)n : WEIR_OK);
}

/* A response that is whole, and more behind it. */
static weir_err serve_whole_behind(weir_ctx *c)
{
    if (weir_add_trailer(c, "x-sum", WEIR_S("1")) < 0)
        return WEIR_EFAIL;
    return weir_text(c, 200, "whole");
}

/* Tries to put behind its body what no recipient may find there. */
static weir_err serve_forbidden_behind(weir_ctx *c)
{
    static const char *const names[] = {"Content-Length", "transfer-encoding", "Connection", "Host",
                                        "Set-Cookie",     "Authorization",     "Trailer",    "TE",
                                        "Content-Type",   "Cache-Control",     "X: a\r\nY",  ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (weir_add_trailer(c, names[i], WEIR_S("1")) == WEIR_OK ||
            weir_announce_trailer(c, names[i]) == WEIR_OK)
            return says(c, "taken");
    if (weir_add_trailer(c, "X", WEIR_S("a\r\nY: b")) == WEIR_OK)
        return says(c, "taken");
    return says(c, "refused");
}

static weir_err serve_path(weir_ctx *c)
{
    return weir_textf(c, 200, "path=" WEIR_STR_FMT " rest=" WEIR_STR_FMT " query=" WEIR_STR_FMT,
                      WEIR_STR_ARG(weir_request_path(c)), WEIR_STR_ARG(weir_param(c, "rest")),
                      WEIR_STR_ARG(weir_request_query(c)));
}

/* Answers with the status that is asked for, and with a text, for statuses that have none too. */
static weir_err serve_status(weir_ctx *c)
{
    int64_t code = 200;
    if (weir_query_param_i64(c, "code", &code) < 0)
        return weir_fail_bind(c);
    return weir_text(c, (int)code, "text");
}

static weir_err serve_streamed_status(weir_ctx *c)
{
    int64_t code = 200;
    if (weir_query_param_i64(c, "code", &code) < 0)
        return weir_fail_bind(c);
    weir_stream *out = weir_stream_begin(c, (int)code, "text/plain");
    weir_stream_write(out, WEIR_S("text"));
    return weir_stream_end(out, WEIR_OK);
}

static weir_err serve_rows(weir_ctx *c)
{
    weir_stream *out = weir_stream_begin(c, 200, "text/plain");
    for (int i = 0; i < 2000; i++)
        weir_stream_write(out, WEIR_S("0123456789abcdef"));
    return weir_stream_end(out, WEIR_OK);
}

/* Begins a response and fails after some of it has left. */
static weir_err serve_broken(weir_ctx *c)
{
    weir_stream *out = weir_stream_begin(c, 200, "text/plain");
    weir_stream_write(out, WEIR_S("half"));
    weir_stream_flush(out);
    return weir_stream_end(out, WEIR_EFAIL);
}

static weir_err serve_sleep(weir_ctx *c)
{
    int64_t ms = 1000;
    if (weir_query_param_i64(c, "ms", &ms) < 0)
        return weir_fail_bind(c);
    weir_err err = weir_sleep(c, weir_ms(ms));
    return err < 0 ? err : says(c, "slept");
}

static weir_err serve_panic(weir_ctx *c)
{
    (void)c;
    weir_panic("as asked");
}

static weir_err serve_redirect(weir_ctx *c)
{
    return weir_redirect(c, 302, WEIR_S("/hello"));
}

static weir_err serve_empty(weir_ctx *c)
{
    return weir_no_content(c);
}

/* Tries to put lines of its own into the head: "refused" when none of it was taken. */
static weir_err serve_split(weir_ctx *c)
{
    static const char *const names[] = {"X: a\r\nY", "X\r\n", "X Y", "", "X\n", "X:"};
    static const char *const values[] = {"a\r\nY: b", "a\nY: b", "a\rY: b", "a\r\n\r\n<p>",
                                         "a\x01"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (weir_set_header(c, names[i], WEIR_S("a")) == WEIR_OK)
            return says(c, "taken");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (weir_set_header(c, "X", weir_str_from(values[i])) == WEIR_OK)
            return says(c, "taken");
    if (weir_set_header(c, "X", (weir_str){"a\0b", 3}) == WEIR_OK ||
        weir_redirect(c, 302, WEIR_S("/\r\nY: b")) == WEIR_OK)
        return says(c, "taken");
    return says(c, "refused");
}

/* Tries to set the fields that frame a response. */
static weir_err serve_framing(weir_ctx *c)
{
    static const char *const names[] = {"Content-Length", "transfer-encoding", "Connection",
                                        "Date",           "Trailer",           "Keep-Alive"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (weir_set_header(c, names[i], WEIR_S("1")) == WEIR_OK)
            return says(c, "taken");
    return says(c, "refused");
}

static void build_service(weir_group *app)
{
    static const weir_method bodies[] = {WEIR_GET, WEIR_POST, WEIR_PUT, WEIR_PATCH, WEIR_DELETE};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        weir_route(app, bodies[i], "/echo", serve_echo);
    weir_get(app, "/hello", serve_hello);
    weir_get(app, "/probe", serve_probe);
    weir_get(app, "/smuggled", serve_smuggled);
    weir_post(app, "/smuggled", serve_smuggled);
    weir_post(app, "/hello", serve_hello); /* does not read the body */
    weir_post(app, "/pieces", serve_pieces);
    weir_get(app, "/behind", serve_behind);
    weir_post(app, "/behind", serve_behind);
    weir_get(app, "/behind/whole", serve_whole_behind);
    weir_get(app, "/behind/forbidden", serve_forbidden_behind);
    weir_get(app, "/header", serve_header);
    weir_post(app, "/header", serve_header);
    weir_get(app, "/path/*rest", serve_path);
    weir_get(app, "/status", serve_status);
    weir_get(app, "/streamed", serve_streamed_status);
    weir_get(app, "/rows", serve_rows);
    weir_get(app, "/broken", serve_broken);
    weir_get(app, "/sleep", serve_sleep);
    weir_get(app, "/panic", serve_panic);
    weir_get(app, "/redirect", serve_redirect);
    weir_get(app, "/empty", serve_empty);
    weir_get(app, "/split", serve_split);
    weir_get(app, "/framing", serve_framing);
    weir_post(app, "/only-post", serve_hello);
}

#endif
