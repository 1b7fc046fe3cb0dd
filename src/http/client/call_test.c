/*
 * Asking on the simulation: what is sent, which connection it takes, when it is tried again, and
 * how each failure is told, within its time.
 */
#include "http/client/testing.h"

#include <errno.h>

#include <weir/model.h>

#define OK(body_len, body) "HTTP/1.1 200 OK\r\nContent-Length: " #body_len "\r\n\r\n" body
#define SAY(...)                                                                                   \
    {                                                                                              \
        .answer = __VA_ARGS__                                                                      \
    }
#define HI SAY(OK(2, "hi"))

typedef struct item {
    int64_t id;
    weir_str name;
} item;
WEIR_MODEL(item, (id), (name));

static bool was_sent(const struct peer *p, size_t i, const char *part)
{
    return p->requests[i] != NULL && strcasestr(p->requests[i], part) != NULL;
}

/* --- what is sent ----------------------------------------------------------------------------- */

static void sends_a_get(weir_ctx *c, weir_http *http, struct peer *p)
{
    char expected[600];
    (void)http;
    weir_http *other = weir_http_open(
        c, .base = p->base, .user_agent = "tester",
        .headers = WEIR_HTTP_HEADERS({"X-Key", WEIR_S("k")}, {"Accept", WEIR_S("a/b")}));
    weir_reply *r = weir_http_get(c, other, "/items?page=2",
                                  .headers = WEIR_HTTP_HEADERS({"accept", WEIR_S("c/d")}));
    assert_int_equal(weir_reply_status(r), 200);
    assert_true(weir_reply_is_ok(r));
    assert_body(r, "hi");
    snprintf(expected, sizeof expected,
             "GET /items?page=2 HTTP/1.1\r\nHost: %s\r\naccept: c/d\r\nX-Key: k\r\n"
             "User-Agent: tester\r\nAccept-Encoding: gzip, deflate%s\r\n\r\n",
             p->base + 7, WEIR_BROTLI ? ", br" : "");
    assert_int_equal(strcasecmp(p->requests[0], expected), 0);
}

static void sends_json(weir_ctx *c, weir_http *http, struct peer *p)
{
    const item it = {.id = 42, .name = WEIR_S("pen")};
    assert_body(weir_http_post(c, http, "/items", item, &it, .timeout = weir_sec(1)), "hi");
    assert_true(was_sent(p, 0, "POST /items HTTP/1.1\r\n"));
    assert_true(was_sent(p, 0, "\r\nContent-Type: application/json\r\nUser-Agent: weir/"));
    assert_true(was_sent(p, 0, "\r\nContent-Length: 22\r\n\r\n{\"id\":42,\"name\":\"pen\"}"));
}

static void sends_bytes(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_str text = WEIR_S("a,b\n1,2\n");
    assert_body(weir_http_do(c, http, "PATCH", "/t", .body = text, .type = "text/csv"), "hi");
    assert_true(was_sent(p, 0, "PATCH /t HTTP/1.1\r\n"));
    assert_true(was_sent(p, 0, "Content-Type: text/csv\r\n"));
    assert_true(was_sent(p, 0, "Content-Length: 8\r\n\r\na,b\n1,2\n"));
    assert_body(weir_http_do(c, http, "POST", "/t"), "hi");
    assert_true(was_sent(p, 1, "\r\nContent-Length: 0\r\n\r\n")); /* RFC 9110 section 8.6 */
    assert_body(weir_http_delete(c, http, "/t"), "hi");
    assert_false(was_sent(p, 2, "Content-Length"));
    assert_int_equal(p->accepted, 1);
}

static void sends_pieces(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r = weir_http_begin(c, http, "POST", "/in", .type = "text/plain");
    assert_int_equal(weir_reply_status(r), 0);
    assert_int_equal(weir_http_write(r, "hello ", 6), WEIR_OK);
    assert_int_equal(weir_http_write(r, NULL, 0), WEIR_OK);
    assert_int_equal(weir_http_write(r, "world, it is a", 14), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_body(r, "hi");
    if (peer_is_h2()) /* what was written in a turn goes together */
        assert_true(was_sent(p, 0, "\r\n\r\n14\r\nhello world, it is a\r\n0\r\n\r\n"));
    else
        assert_true(was_sent(p, 0,
                             "\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n"
                             "e\r\nworld, it is a\r\n0\r\n\r\n"));
    assert_body(weir_http_get(c, http, "/"), "hi");
    assert_int_equal(p->accepted, 1);
}

/* More than the peer's buffer: who writes waits for who reads. */
static void sends_much(weir_ctx *c, weir_http *http, struct peer *p)
{
    enum { MUCH = 500000 };
    char *much = weir_alloc(c, MUCH);
    memset(much, 'x', MUCH);
    assert_body(weir_http_do(c, http, "PUT", "/in", .body = {much, MUCH}), "hi");
    assert_true(p->sizes[0] > MUCH);
    weir_reply *r = weir_http_begin(c, http, "PUT", "/in");
    for (int i = 0; i < 10; i++)
        assert_int_equal(weir_http_write(r, much, 50000), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_true(p->sizes[1] > MUCH);
    assert_int_equal(p->accepted, 1);
}

/* Nobody is to take that for a request that was answered. */
static void is_closed_half_written(weir_ctx *c, weir_http *http, struct peer *p)
{
    char byte;
    weir_reply *r = weir_http_begin(c, http, "POST", "/");
    assert_int_equal(weir_http_write(r, "x", 1), WEIR_OK);
    weir_reply_close(r);
    assert_int_equal(weir_http_write(r, "x", 1), WEIR_ECLOSED);
    assert_int_equal(weir_http_finish(r), WEIR_ECLOSED);
    assert_int_equal(weir_reply_err(r), WEIR_ECLOSED);
    assert_int_equal(weir_reply_read(r, &byte, 1), WEIR_ECLOSED);
    assert_nothing_left(http, p);
    WEIR_WITH(request, c) {
        assert_int_equal(weir_reply_err(weir_http_begin(request, http, "POST", "/")), WEIR_OK);
    }
    const weir_http *h = weir__token_must(http, WEIR__KIND_HTTP, "test", "the client");
    assert_int_equal(weir__counter_read(&h->cells[0].outcomes[1][WEIR__CLIENT_CANCELLED]), 2);
}

static void test_a_request_that_is_closed_has_no_answer(void **state)
{
    (void)state;
    PLAY(is_closed_half_written, HI);
}

static void test_it_sends_what_it_is_told(void **state)
{
    (void)state;
    PLAY(sends_a_get, HI);
    PLAY(sends_json, HI);
    PLAY(sends_bytes, HI);
    PLAY(sends_pieces, HI);
    PLAY(sends_much, HI);
}

static void refuse(weir_ctx *c, weir_reply *r, weir_err err, const char *part)
{
    assert_int_equal(weir_reply_err(r), err);
    assert_int_equal(weir_reply_status(r), 0);
    assert_null(weir_reply_body(r).ptr);
    assert_told(c, err, part);
}

static void refuses_to_send(weir_ctx *c, weir_http *http, struct peer *p)
{
    static const char *const targets[] = {
        "/a b",     "/a\r\nX: y", "/a#b",    "/\xc3\xa9",   "",
        "ftp://a/", "items",      "http://", "http://u@h/", "http://h:0x/"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        refuse(c, weir_http_get(c, http, targets[i]), WEIR_EINVALID, "");
    refuse(c, weir_http_do(c, http, "G ET", "/"), WEIR_EINVALID, "no token");
    refuse(c, weir_http_do(c, http, "CONNECT", "/"), WEIR_EINVALID, "CONNECT");
    refuse(c, weir_http_get(c, http, "/", .headers = WEIR_HTTP_HEADERS({"a b", WEIR_S("")})),
           WEIR_EINVALID, "no token");
    refuse(c, weir_http_get(c, http, "/", .headers = WEIR_HTTP_HEADERS({"a", WEIR_S("b\r\nc: d")})),
           WEIR_EINVALID, "control character");
    refuse(c,
           weir_http_get(c, http, "/",
                         .headers = WEIR_HTTP_HEADERS({"Transfer-Encoding", WEIR_S("chunked")})),
           WEIR_EINVALID, "Transfer-Encoding is the client's own");
    refuse(c, weir_http_do(c, http, "POST", "/", .body = WEIR_S("x"), .type = "a\nb"),
           WEIR_EINVALID, "the type");
    if (!WEIR_TLS)
        refuse(c, weir_http_get(c, http, "https://127.0.0.1/"), WEIR_ENOTBUILT, "without TLS");
    assert_int_equal(p->request_count, 0);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void test_it_refuses_what_may_not_be_sent(void **state)
{
    (void)state;
    PLAY(refuses_to_send, HI);
}

/* --- Expect: 100-continue --------------------------------------------------------------------- */

static void waits_for_continue(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_str body = WEIR_S("body");
    weir_reply *r = weir_http_do(c, http, "PUT", "/", .body = body, .expect_continue = true);
    assert_body(r, "hi");
    assert_true(was_sent(p, 0, "\r\nExpect: 100-continue\r\n\r\n"));
    assert_int_equal(p->sizes[1], 4); /* what came after it was said */
}

static void is_told_not_to_continue(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_str body = WEIR_S("body");
    weir_reply *r = weir_http_do(c, http, "PUT", "/", .body = body, .expect_continue = true);
    assert_int_equal(weir_reply_err(r), WEIR_OK);
    assert_int_equal(weir_reply_status(r), 417);
    assert_int_equal(p->request_count, 1);
    assert_nothing_left(http, p); /* it may wait for the body still */
}

static void hears_nothing(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_time before = weir_now();
    weir_str body = WEIR_S("body");
    weir_reply *r = weir_http_do(c, http, "PUT", "/", .body = body, .expect_continue = true);
    assert_body(r, "hi");
    assert_true(was_sent(p, 0, "\r\n\r\nbody"));
    assert_in_range(weir_time_sub(weir_now(), before).ns, 1000000000, 1100000000);
}

static void test_it_waits_to_be_told_to_continue(void **state)
{
    (void)state;
    PLAY(waits_for_continue, {.answer = "HTTP/1.1 100 Continue\r\n\r\n", .is_early = true},
         {.answer = OK(2, "hi"), .takes = 4});
    PLAY(is_told_not_to_continue,
         {.answer = "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", .is_early = true});
    PLAY(hears_nothing, HI);
}

/* --- which connection ------------------------------------------------------------------------- */

static void uses_one_again(weir_ctx *c, weir_http *http, struct peer *p)
{
    for (int i = 0; i < 1000; i++)
        assert_body(weir_http_get(c, http, "/"), "hi");
    assert_int_equal(p->accepted, 1);
    const weir_http *h = weir__token_must(http, WEIR__KIND_HTTP, "test", "the client");
    assert_int_equal(weir__counter_read(&h->cells[0].opened), 1);
    assert_int_equal(weir__counter_read(&h->cells[0].reused), 999); /* E12: above 0.99 */
    assert_int_equal(weir__counter_read(&h->cells[0].outcomes[1][WEIR__CLIENT_2XX]), 1000);
}

static void does_not_use_again(weir_ctx *c, weir_http *http, struct peer *p)
{
    for (int i = 1; i <= 3; i++) {
        assert_body(weir_http_get(c, http, "/"), "hi");
        assert_int_equal(p->accepted, i);
        assert_int_equal(conn_stats(http, p).open, 0);
    }
}

static void test_it_uses_connections_again(void **state)
{
    (void)state;
    PLAY(uses_one_again, HI);
    PLAY(uses_one_again, SAY("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "1\r\nh\r\n1;x=y\r\ni\r\n0\r\n\r\n"));
    if (peer_is_h2())
        return; /* it goes by GOAWAY: h2_test.c */
    PLAY(does_not_use_again,
         SAY("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"));
    PLAY(does_not_use_again, SAY("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    PLAY(does_not_use_again, {.answer = "HTTP/1.1 200 OK\r\n\r\nhi", .then = PEER_CLOSES});
}

/* What stands behind an answer would be the next caller's: response splitting, smuggling. */
static void trusts_nothing_behind_it(weir_ctx *c, weir_http *http, struct peer *p)
{
    assert_body(weir_http_get(c, http, "/"), "hi");
    assert_int_equal(conn_stats(http, p).open, 0);
    weir_reply *r = weir_http_get(c, http, "/");
    assert_body(r, "hi");
    assert_null(weir_reply_header(r, "evil").ptr);
    assert_int_equal(p->accepted, 2);
}

/* The same when it comes later, unasked: it is noticed before the connection is used. */
static void trusts_nothing_unasked(weir_ctx *c, weir_http *http, struct peer *p)
{
    assert_body(weir_http_get(c, http, "/"), "hi");
    assert_int_equal(weir_sleep(c, weir_ms(20)), WEIR_OK);
    weir_reply *r = weir_http_get(c, http, "/");
    assert_body(r, "hi");
    assert_null(weir_reply_header(r, "evil").ptr);
    assert_int_equal(p->accepted, 2);
}

#define EVIL "HTTP/1.1 200 OK\r\nEvil: 1\r\nContent-Length: 2\r\n\r\nno"

static void test_what_is_sent_unasked_is_nobodys_answer(void **state)
{
    (void)state;
    only_http1(); /* an answer of HTTP/2 is its stream's */
    PLAY(trusts_nothing_behind_it, SAY(OK(2, "hi") EVIL), HI);
    PLAY(trusts_nothing_behind_it,
         SAY("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" EVIL), HI);
    PLAY(trusts_nothing_unasked, {.answer = OK(2, "hi"), .later = EVIL}, HI);
    PLAY(trusts_nothing_unasked, {.answer = OK(2, "hi"), .later = "\r\n"}, HI);
}

/* --- ended while it was idle ------------------------------------------------------------------ */

static void finds_it_ended(weir_ctx *c, weir_http *http, struct peer *p)
{
    assert_body(weir_http_get(c, http, "/"), "hi");
    assert_int_equal(weir_sleep(c, weir_ms(20)), WEIR_OK);
    assert_body(weir_http_do(c, http, "POST", "/", .body = WEIR_S("x")), "hi"); /* none is lost */
    assert_int_equal(p->accepted, 2);
    const weir_http *h = weir__token_must(http, WEIR__KIND_HTTP, "test", "the client");
    assert_int_equal(weir__counter_read(&h->cells[0].stale), peer_is_h2() ? 0 : 1);
    assert_int_equal(weir__counter_read(&h->cells[0].retries), 0);
}

static void tries_again(weir_ctx *c, weir_http *http, struct peer *p)
{
    assert_body(weir_http_get(c, http, "/1"), "hi");
    assert_body(weir_http_get(c, http, "/2"), "hi");
    assert_int_equal(p->accepted, 2);
    assert_int_equal(p->request_count, 3);
    assert_true(was_sent(p, 2, "GET /2"));
    const weir_http *h = weir__token_must(http, WEIR__KIND_HTTP, "test", "the client");
    assert_int_equal(weir__counter_read(&h->cells[0].retries), 1);
}

static void does_not_try_again(weir_ctx *c, weir_http *http, struct peer *p)
{
    assert_body(weir_http_get(c, http, "/"), "hi");
    weir_reply *r = weir_http_do(c, http, "POST", "/", .body = WEIR_S("x"));
    assert_int_equal(p->request_count, 2);
    assert_told(c, weir_reply_err(r), "POST http://127.0.0.1:");
    assert_true(weir_reply_err(r) == WEIR_ECLOSED || weir_reply_err(r) == -ECONNRESET);
    assert_int_equal(p->accepted, 1);
}

static void tries_twice_at_most(weir_ctx *c, weir_http *http, struct peer *p)
{
    assert_body(weir_http_get(c, http, "/"), "hi");
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_ECLOSED);
    assert_told(c, WEIR_ECLOSED, "cut before there was an answer (at the second try)");
    assert_int_equal(p->request_count, 3);
    assert_int_equal(p->accepted, 2);
}

static void does_not_repeat_a_fresh_one(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_ECLOSED);
    assert_told(c, WEIR_ECLOSED, "cut before there was an answer");
    assert_int_equal(p->accepted, 1);
}

static void test_an_ended_connection_costs_no_request(void **state)
{
    (void)state;
    PLAY(finds_it_ended, {.answer = OK(2, "hi"), .then = PEER_CLOSES}, HI);
    PLAY(finds_it_ended, {.answer = OK(2, "hi"), .later = "", .then = PEER_RESETS}, HI);
    PLAY(tries_again, HI, {.then = PEER_CLOSES}, HI);
    PLAY(tries_again, HI, {.then = PEER_RESETS}, HI);
    PLAY(does_not_try_again, HI, {.then = PEER_CLOSES}, HI);
    PLAY(does_not_try_again, HI, {.then = PEER_RESETS}, HI);
    PLAY(does_not_try_again, HI, {.answer = "H", .then = PEER_CLOSES}, HI);
    PLAY(tries_twice_at_most, HI, {.then = PEER_CLOSES});
    PLAY(does_not_repeat_a_fresh_one, {.then = PEER_CLOSES}, HI);
}

/* --- how it fails ----------------------------------------------------------------------------- */

static weir_err refused(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(g, c);
    weir_http *http =
        weir_http_open(g, .base = "http://127.0.0.1:9/v1", .dial_timeout = weir_ms(50));
    refuse(g, weir_http_get(g, http, "/a?secret=b"), -ECONNREFUSED,
           "GET http://127.0.0.1:9/v1/a: there is no connection: Connection refused");
    int listener = weir__sim_listen();
    char where[64];
    snprintf(where, sizeof where, "http://127.0.0.1:%d/", listener);
    weir__sim_hold_connects(true); /* a black hole */
    weir_time before = weir_now();
    refuse(g, weir_http_get(g, http, where), WEIR_ETIMEDOUT, "there is no connection: timed out");
    assert_in_range(weir_time_sub(weir_now(), before).ns, 50000000, 53000000);
    refuse(g, weir_http_get(g, http, where, .timeout = weir_ms(20)), WEIR_ETIMEDOUT,
           peer_is_h2() ? "one is still being opened" : "in time");
    assert_in_range(weir_time_sub(weir_now(), before).ns, 70000000, 76000000);
    weir__sim_hold_connects(false);
    weir__sim_close(listener);
    (void)weir_ctx_close(g);
    return WEIR_OK;
}

struct mishap {
    struct peer_step step;
    weir_err err;
    const char *told;
};

static const struct mishap mishaps[] = {
    {{.answer = "HTTP/1.1 200 OK\r\nConte", .then = PEER_CLOSES},
     WEIR_ECLOSED,
     "the connection was cut before there was a whole head"},
    {{.answer = "SSH-2.0-OpenSSH\r\n"}, WEIR_EPROTO, "status line of HTTP"},
    {{.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"},
     WEIR_EPROTO,
     "a malformed answer: both Content-Length and Transfer-Encoding"},
    {{.answer = "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"},
     WEIR_EPROTO,
     "(101)"},
    {{.answer = "HTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\n"
                "HTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\n"
                "HTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\n"},
     WEIR_EPROTO,
     "more than 8 interim answers"},
    {{.then = PEER_HANGS}, WEIR_ETIMEDOUT, "bytes were sent, and there was not an answer in time"},
    {{.answer = "HTTP/1.1 200 OK\r\nX: y", .then = PEER_HANGS},
     WEIR_ETIMEDOUT,
     "there was not a whole head in time"},
    {{.answer = "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"},
     WEIR_ETOOLARGE,
     "too many header lines: at most 256 bytes in 2 lines are read"},
    {{.answer =
          "HTTP/1.1 200 OK\r\nA: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n"},
     WEIR_ETOOLARGE,
     "head is too long"},
};

static const struct mishap *mishap;

static void fails(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = weir_http_open(c, .base = p->base, .answer_timeout = weir_ms(300),
                                     .head_bytes_max = 256, .headers_max = 2);
    weir_time before = weir_now();
    weir_reply *r = weir_http_get(c, http, "/x");
    refuse(c, r, mishap->err, mishap->told);
    assert_int_equal(conn_stats(http, p).open, 0);
    assert_true(weir_time_sub(weir_now(), before).ns < 310000000);
    char byte;
    assert_int_equal(weir_reply_read(r, &byte, 1), mishap->err);
    weir_reply_close(r);
    assert_int_equal(weir_reply_err(r), mishap->err); /* it stays */
}

/* The deadline is the context's: nothing is raised, and all that was open is closed. */
static void ends_with_its_context(weir_ctx *c, weir_http *http, struct peer *p)
{
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(30));
    weir_reply *r = weir_http_get(hasty, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_ETIMEDOUT);
    assert_null(weir_last_error(hasty));
    assert_int_equal(weir_reply_err(weir_http_get(hasty, http, "/")), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(hasty);
    assert_nothing_left(http, p);
}

static void test_each_failure_is_told(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(refused, NULL), WEIR_OK);
    for (size_t i = 0; i < sizeof mishaps / sizeof mishaps[0] && !peer_is_h2(); i++) {
        mishap = &mishaps[i]; /* HTTP/2 has its own: h2_answers_test.c */
        PLAY(fails, mishap->step);
    }
    PLAY(ends_with_its_context, {.then = PEER_HANGS});
}

/* --- an answer before the request is sent ----------------------------------------------------- */

static void is_answered_early(weir_ctx *c, weir_http *http, struct peer *p)
{
    enum { MUCH = 300000 };
    char *much = weir_alloc(c, MUCH);
    weir_reply *r = weir_http_do(c, http, "PUT", "/", .body = {much, MUCH});
    assert_int_equal(weir_reply_err(r), WEIR_OK);
    assert_int_equal(weir_reply_status(r), 413);
    assert_body(r, "big");
    assert_nothing_left(http, p);
    r = weir_http_begin(c, http, "PUT", "/");
    weir_err err = WEIR_OK;
    for (int i = 0; i < 100 && err == WEIR_OK; i++) {
        err = weir_http_write(r, much, 10000);
        assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    }
    assert_int_equal(err, WEIR_ECLOSED);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_int_equal(weir_reply_status(r), 413);
    assert_body(r, "big");
    assert_nothing_left(http, p);
}

static void test_an_early_answer_counts(void **state)
{
    (void)state;
    PLAY(is_answered_early, {.answer = "HTTP/1.1 413 x\r\nContent-Length: 3\r\n\r\nbig",
                             .is_early = true,
                             .then = PEER_HANGS});
    PLAY(is_answered_early, {.answer = "HTTP/1.1 413 x\r\nContent-Length: 3\r\n\r\nbig",
                             .is_early = true,
                             .then = PEER_CLOSES});
}

/* --- what trusted hosts are told -------------------------------------------------------------- */

static weir_err tells(weir_ctx *c, void *arg)
{
    static const struct peer_step hi[] = {HI};
    struct peer p;
    (void)arg;
    WEIR_SCOPE(around, c);
    assert_int_equal(peer_open(around, &p, hi, 1), WEIR_OK);
    WEIR_SCOPE(g, c, .timeout = weir_ms(300));
    struct weir__ctx *ctx = weir__ctx_of(g);
    weir__ctx_originate(ctx, "GET /");
    ctx->own_origin.request_id = WEIR_S("id-1");
    weir_http *quiet = weir_http_open(g, .base = p.base);
    weir_http *open = weir_http_open(g, .base = p.base, .trust_base = true);
    weir_http *listed = weir_http_open(g, .trusted = WEIR_HTTP_HOSTS("127.0.0.1", "other"),
                                       .deadline_header = "X-Left");
    assert_body(weir_http_get(g, quiet, "/"), "hi");
    assert_false(was_sent(&p, 0, "traceparent") || was_sent(&p, 0, "id-1"));
    assert_false(was_sent(&p, 0, "Weir-Deadline-Ms"));
    assert_int_equal(weir_sleep(g, weir_ms(100)), WEIR_OK);
    assert_body(weir_http_get(g, open, "/"), "hi");
    assert_true(was_sent(&p, 1, "\r\ntraceparent: 00-"));
    assert_true(was_sent(&p, 1, "\r\nX-Request-Id: id-1\r\n"));
    const char *left = strstr(p.requests[1], "Weir-Deadline-Ms: ");
    assert_non_null(left);
    assert_in_range(atoi(left + 18), 150, 200); /* D7: the next one has less */
    char url[100];
    snprintf(url, sizeof url, "%s/", p.base);
    assert_body(weir_http_get(g, listed, url, .timeout = weir_ms(50),
                              .headers = WEIR_HTTP_HEADERS({"Traceparent", WEIR_S("mine")})),
                "hi");
    assert_true(was_sent(&p, 2, "\r\nTraceparent: mine\r\n"));
    assert_false(was_sent(&p, 2, "traceparent: 00-"));
    left = strstr(p.requests[2], "X-Left: ");
    assert_non_null(left);
    assert_in_range(atoi(left + 8), 1, 50);
    (void)weir_ctx_close(g);
    (void)weir_ctx_close(around);
    return WEIR_OK;
}

static void test_only_trusted_hosts_are_told(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(tells, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_sends_what_it_is_told),
        cmocka_unit_test(test_a_request_that_is_closed_has_no_answer),
        cmocka_unit_test(test_it_refuses_what_may_not_be_sent),
        cmocka_unit_test(test_it_waits_to_be_told_to_continue),
        cmocka_unit_test(test_it_uses_connections_again),
        cmocka_unit_test(test_what_is_sent_unasked_is_nobodys_answer),
        cmocka_unit_test(test_an_ended_connection_costs_no_request),
        cmocka_unit_test(test_each_failure_is_told),
        cmocka_unit_test(test_an_early_answer_counts),
        cmocka_unit_test(test_only_trusted_hosts_are_told),
    };
    peer_over();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
