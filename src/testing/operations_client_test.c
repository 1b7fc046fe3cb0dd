/*
 * Requests to others tried everywhere: each wait cancelled, each allocation, call and limit failed,
 * in other orders. The peer is in the run too, so its calls fail as well. The ways to a host are
 * operations_client_ways_test.c's.
 */
#include "testing/operations_errand.h"

/* --- asking and reading ----------------------------------------------------------------------- */

static weir_err read_pieces(weir_ctx *c, weir_http *http)
{
    char bytes[8];
    size_t at = 0;
    ssize_t n;
    weir_reply *r = weir_http_get(c, http, "/x");
    while ((n = weir_reply_read(r, bytes + at, 2)) > 0 && at < 5)
        at += (size_t)n;
    MUST(n == weir_reply_err(r));
    MUST(n < 0 || (at == 5 && memcmp(bytes, "hello", 5) == 0));
    return (weir_err)n;
}

static weir_err upload(weir_ctx *c, weir_http *http)
{
    weir_reply *r = weir_http_begin(c, http, "PUT", "/in", .type = "text/plain");
    weir_err lets = WEIR_OK;
    for (int i = 0; i < 3 && lets == WEIR_OK && weir_http_write(r, "piece", 5) == WEIR_OK; i++)
        lets = weir_yield(c);
    weir_err err = weir_http_finish(r);
    MUST(err == weir_reply_err(r));
    return err < 0 ? err : must_be(r, "hello");
}

static weir_err write_pieces(weir_ctx *c, void *arg)
{
    weir_err lets = WEIR_OK;
    for (int i = 0; i < 3 && lets == WEIR_OK && weir_http_write(arg, "piece", 5) == WEIR_OK; i++)
        lets = weir_yield(c);
    weir_err err = weir_http_finish(arg);
    return lets < 0 ? lets : err;
}

/* One fiber writes while another one waits for the answer and reads it. */
static weir_err talk(weir_ctx *c, weir_http *http)
{
    weir_reply *r = weir_http_begin(c, http, "PUT", "/in", .duplex = true);
    WEIR_SCOPE(beside, c);
    weir_err err = WEIR_GO(beside, write_pieces, r);
    if (err == WEIR_OK)
        err = weir_http_await(r);
    if (err == WEIR_OK)
        err = must_be(r, "hello");
    weir_err joined = weir_join(beside);
    (void)weir_ctx_close(beside);
    return err < 0 ? err : joined;
}

/* Left where they are: unread, half read, half written. */
static weir_err forget(weir_ctx *c, weir_http *http)
{
    char byte;
    weir_err err = WEIR_OK;
    for (int i = 0; i < 3 && err == WEIR_OK; i++) {
        WEIR_WITH(request, c) {
            weir_reply *r = i < 2 ? weir_http_get(request, http, "/x")
                                  : weir_http_begin(request, http, "PUT", "/in");
            err = weir_reply_err(r);
            if (err == WEIR_OK && i == 1)
                err = weir_reply_read(r, &byte, 1) < 0 ? weir_reply_err(r) : WEIR_OK;
            if (err == WEIR_OK && i == 2)
                err = weir_http_write(r, "x", 1);
        }
    }
    return err;
}

static weir_err get_one(weir_ctx *c, void *arg)
{
    return must_be(weir_http_get(c, arg, "/x"), "hello");
}

/* Three fibers share two connections. */
static weir_err get_together(weir_ctx *c, weir_http *http)
{
    weir_err err = WEIR_OK;
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3 && err == WEIR_OK; i++)
        err = WEIR_GO(group, get_one, http);
    weir_err joined = weir_join(group);
    (void)weir_ctx_close(group);
    return err < 0 ? err : joined;
}

/* A redirection to itself: followed once, then told to be a loop; before it each is retried. */
static weir_err be_led_around(weir_ctx *c, weir_http *http)
{
    weir_reply *r = weir_http_get(c, http, "/x");
    MUST(weir_reply_err(r) < 0 && weir_reply_status(r) == 0);
    return weir_reply_err(r) == WEIR_EPROTO ? WEIR_OK : weir_reply_err(r);
}

static const struct errand is_led = {
    .peer = {.answer = "HTTP/1.1 302 x\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"},
    .run = be_led_around};
static const struct errand gets = {.peer = {.answer = LENGTH}, .run = get_twice};
static const struct errand gets_anew = {.peer = {.answer = CHUNKED, .closes = true},
                                        .run = get_twice};
static const struct errand reads = {.peer = {.answer = CHUNKED}, .run = read_pieces};
static const struct errand uploads = {.peer = {.answer = LENGTH}, .run = upload};
static const struct errand talks = {.peer = {.answer = LENGTH}, .run = talk};
static const struct errand forgets = {
    .peer = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\nhello"}, .run = forget};
static const struct errand shares = {.peer = {.answer = LENGTH}, .run = get_together};

static void requests_to_others_everywhere(void **state)
{
    (void)state;
    ERRAND("get_twice", gets, .waits = 4, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("get_anew", gets_anew, .waits = 5, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("read_pieces", reads, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("upload", uploads, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("talk", talks, .waits = 4, .allocations = 10, .calls = 10, .refusals = 1, .orders = 1);
    ERRAND("forget", forgets, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("be_led_around", is_led, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("get_together", shares, .waits = 6, .allocations = 10, .calls = 10, .refusals = 1,
           .orders = 1);
}

/* --- what a client can do besides ------------------------------------------------------------- */

static const char gzip_answer[] =
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n"
    "\x1f\x8b\x08\0\0\0\0\0\x02\xff\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0";
static const char brotli_answer[] =
    "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n"
    "4\r\n\x0b\x02\x80h\r\n5\r\nello\x03\r\n0\r\n\r\n";

static weir_err send_packed(weir_ctx *c, weir_http *http)
{
    return must_be(weir_http_do(c, http, "PUT", "/x", .pack = "gzip",
                                .body = WEIR_S("words, words, words, words, words")),
                   "hello");
}

static weir_err send_form(weir_ctx *c, weir_http *http)
{
    weir_file *f = weir_file_temp(c);
    weir_err err = weir_file_write(c, f, "bytes of it", 11);
    if (err < 0)
        return err;
    return must_be(weir_http_do(c, http, "PUT", "/x",
                                .parts = WEIR_HTTP_PARTS({.name = "note", .body = WEIR_S("text")},
                                                         {.name = "photo", .file = f})),
                   "hello");
}

static weir_err keep_cookies(weir_ctx *c, struct peer *p, weir_http_options *o)
{
    (void)c, (void)p;
    o->cookies = true;
    return WEIR_OK;
}

static weir_err hedge(weir_ctx *c, weir_http *http)
{
    return must_be(weir_http_get(c, http, "/x", .hedge_after = weir_ms(10)), "hello");
}

/* The last answer is the reply: where the second try is not made, that is the first. */
static weir_err ask_again(weir_ctx *c, weir_http *http)
{
    weir_reply *r = weir_http_get(c, http, "/x");
    if (weir_reply_status(r) == 503 && weir_reply_err(r) == WEIR_OK)
        return WEIR_OK;
    return must_be(r, "hello");
}

static weir_err expect(weir_ctx *c, weir_http *http)
{
    return must_be(
        weir_http_do(c, http, "PUT", "/x", .body = WEIR_S("hello"), .expect_continue = true),
        "hello");
}

static const struct errand unpacks = {
    .peer = {.answer = gzip_answer, .size = sizeof gzip_answer - 1}, .run = get_twice};
static const struct errand unpacks_brotli = {
    .peer = {.answer = brotli_answer, .size = sizeof brotli_answer - 1}, .run = get_twice};
static const struct errand packs = {.peer = {.answer = LENGTH}, .run = send_packed};
static const struct errand forms = {.peer = {.answer = LENGTH}, .run = send_form};
static const struct errand remembers = {
    .peer = {.answer =
                 "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 5\r\n\r\nhello"},
    .run = get_twice,
    .prepare = keep_cookies};
static const struct errand hedges = {
    .peer = {.answer = LENGTH, .first = LENGTH, .after = {50000000}}, .run = hedge};
static const struct errand retries = {.peer = {.answer = LENGTH, .first = BUSY}, .run = ask_again};
static const struct errand expects = {.peer = {.answer = LENGTH}, .run = expect};

static void features_of_the_client_everywhere(void **state)
{
    (void)state;
    ERRAND("unpack", unpacks, .waits = 4, .allocations = 14, .calls = 10, .refusals = 1);
    if (WEIR_BROTLI)
        ERRAND("unpack_brotli", unpacks_brotli, .waits = 4, .allocations = 14, .calls = 10);
    ERRAND("send_packed", packs, .waits = 3, .allocations = 12, .calls = 10, .refusals = 1);
    ERRAND("send_form", forms, .waits = 5, .allocations = 12, .calls = 10, .refusals = 1);
    ERRAND("keep_cookies", remembers, .waits = 4, .allocations = 12, .calls = 10, .refusals = 1);
    ERRAND("hedge", hedges, .waits = 6, .allocations = 12, .calls = 15, .refusals = 1, .orders = 1);
    ERRAND("ask_again", retries, .waits = 5, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("expect", expects, .waits = 4, .allocations = 10, .calls = 10, .refusals = 1);
}

/* --- HTTP/2 ----------------------------------------------------------------------------------- */

#define H2(...) .peer = {.is_h2 = true, __VA_ARGS__}
static const struct errand gets_h2 = {H2(), .run = get_twice};
static const struct errand gets_anew_h2 = {H2(.closes = true), .run = get_twice};
static const struct errand reads_h2 = {H2(), .run = read_pieces};
static const struct errand uploads_h2 = {H2(), .run = upload};
static const struct errand talks_h2 = {H2(), .run = talk};
static const struct errand forgets_h2 = {H2(.breaks_off = true), .run = forget};
static const struct errand shares_h2 = {H2(), .run = get_together};
static const struct errand packs_h2 = {H2(), .run = send_packed};
static const struct errand forms_h2 = {H2(), .run = send_form};

static void requests_over_http2_everywhere(void **state)
{
    (void)state;
    if (!WEIR_HTTP2)
        return;
    ERRAND("get_twice_h2", gets_h2, .waits = 4, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("get_anew_h2", gets_anew_h2, .waits = 5, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("read_pieces_h2", reads_h2, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("upload_h2", uploads_h2, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("talk_h2", talks_h2, .waits = 4, .allocations = 10, .calls = 10, .refusals = 1,
           .orders = 1);
    ERRAND("forget_h2", forgets_h2, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("get_together_h2", shares_h2, .waits = 6, .allocations = 10, .calls = 10, .refusals = 1,
           .orders = 1);
    ERRAND("send_packed_h2", packs_h2, .waits = 3, .allocations = 12, .calls = 10, .refusals = 1);
    ERRAND("send_form_h2", forms_h2, .waits = 5, .allocations = 12, .calls = 10, .refusals = 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_over_http2_everywhere),
        cmocka_unit_test(requests_to_others_everywhere),
        cmocka_unit_test(features_of_the_client_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
