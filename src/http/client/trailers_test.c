/* Fields behind the bodies of requests, in bytes and in frames; what is refused of them. */
#define peer h2_peer
#define peer_open h2_peer_open
#include "http/client/h2_testing.h"
#undef peer
#undef peer_open
#include "http/client/testing.h"

static void says_more(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r = weir_http_begin(
        c, http, "POST", "/",
        .headers = WEIR_HTTP_HEADERS({"Trailer", WEIR_S("x-sum")}, {"te", WEIR_S("trailers")}));
    assert_int_equal(weir_http_write(r, "hello", 5), WEIR_OK);
    assert_int_equal(weir_http_trailer(r, "X-Sum", WEIR_S("7")), WEIR_OK);
    assert_int_equal(weir_http_trailer(r, "x-empty", WEIR_S("")), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_body(r, "ok");
    assert_non_null(strstr(p->requests[0], "\r\nTrailer: x-sum\r\nte: trailers\r\n"));
    assert_non_null(strstr(p->requests[0], "\r\nConnection: TE\r\n"));
    assert_non_null(strstr(p->requests[0], "5\r\nhello\r\n0\r\nX-Sum: 7\r\nx-empty: \r\n\r\n"));
    assert_body(weir_http_get(c, http, "/"), "ok");
    assert_int_equal(p->accepted, 1);
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void test_they_follow_the_last_chunk(void **state)
{
    (void)state;
    PLAY(says_more, {.answer = OK});
}

/* The request is as it was; what may not be there is told. */
static void says_wrong(weir_ctx *c, weir_http *http, struct peer *p)
{
    static const char *const names[] = {"Host", "content-length", "Authorization", "TE", "a b", ""};
    weir_reply *r = weir_http_begin(c, http, "POST", "/");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(weir_http_trailer(r, names[i], WEIR_S("1")), WEIR_EINVALID);
        assert_told(c, WEIR_EINVALID, i < 4 ? "must be known before the body" : "is no token");
    }
    assert_int_equal(weir_http_trailer(r, "x", WEIR_S("a\r\nb: c")), WEIR_EINVALID);
    weir_error_clear(c);
    for (int i = 0; i < WEIR__TRAILERS_MAX; i++)
        assert_int_equal(weir_http_trailer(r, "x", WEIR_S("1")), WEIR_OK);
    assert_int_equal(weir_http_trailer(r, "x", WEIR_S("1")), -EMSGSIZE);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_int_equal(weir_http_trailer(r, "x", WEIR_S("1")), WEIR_ECLOSED);
    assert_body(r, "ok");
    r = weir_http_get(c, http, "/", .headers = WEIR_HTTP_HEADERS({"Trailer", WEIR_S("x")}));
    assert_int_equal(weir_reply_err(r), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, "the header Trailer is the client's own to send");
    r = weir_http_get(c, http, "/", .headers = WEIR_HTTP_HEADERS({"TE", WEIR_S("gzip")}));
    assert_int_equal(weir_reply_err(r), WEIR_EINVALID);
    weir_error_clear(c);
    r = weir_http_get(c, http, "/");
    assert_int_equal(weir_http_trailer(r, "x", WEIR_S("1")), WEIR_ECLOSED);
    assert_body(r, "ok");
    assert_int_equal(p->request_count, 2);
}

static void test_what_may_not_follow_is_refused(void **state)
{
    (void)state;
    PLAY(says_wrong, {.answer = OK});
}

#if WEIR_HTTP2

/* Counts the body's bytes; what follows must be what `arg` says. */
static void takes_more(struct h2_server *s, struct h2_peer *p)
{
    struct frame f;
    size_t len = 0;
    if (!greet(p) || !await_of(s, p, HEADERS, &f))
        return;
    uint32_t id = f.id;
    assert_in(f.fields, "te: trailers\n");
    assert_null(strstr(f.fields, "connection"));
    while (await_frame(p, &f) && f.type != HEADERS) {
        if (f.type != DATA)
            continue;
        assert_int_equal(f.flags & END_STREAM, 0);
        len += f.len;
        if (f.len > 0) {
            put_u32(p, WINDOW_UPDATE, 0, f.len);
            put_u32(p, WINDOW_UPDATE, id, f.len);
        }
    }
    assert_true(f.id == id && (f.flags & END_STREAM) != 0);
    assert_string_equal(f.fields, "x-sum: 7\n");
    char text[20];
    snprintf(text, sizeof text, "%zu", len);
    put_ok(p, id, text);
    await_end(s, p);
}

static char large[200000];

static void says_more_h2(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    (void)s;
    weir_reply *r = weir_http_begin(c, http, "POST", "/",
                                    .headers = WEIR_HTTP_HEADERS({"te", WEIR_S("trailers")}));
    assert_int_equal(weir_http_write(r, large, sizeof large), WEIR_OK);
    assert_int_equal(weir_http_trailer(r, "X-Sum", WEIR_S("7")), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_text(r, "200000");
}

static void says_only_more_h2(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    (void)s;
    weir_reply *r = weir_http_begin(c, http, "POST", "/",
                                    .headers = WEIR_HTTP_HEADERS({"te", WEIR_S("trailers")}));
    assert_int_equal(weir_http_trailer(r, "X-Sum", WEIR_S("7")), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_text(r, "0");
}

static void test_they_are_a_block_behind_data(void **state)
{
    (void)state;
    PLAY_H2(takes_more, says_more_h2);
    PLAY_H2(takes_more, says_only_more_h2);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_follow_the_last_chunk),
        cmocka_unit_test(test_what_may_not_follow_is_refused),
#if WEIR_HTTP2
        cmocka_unit_test(test_they_are_a_block_behind_data),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
