/*
 * RFC 9110: what fields, methods and statuses mean to an origin server. A row for each rule that a
 * server can break; conformance.h says how a row is read and tried, and holds what is true of every
 * answer (Date, framing, fields that belong to a status).
 */
#include "conformance.h"

/* --- 7 Routing, connections ------------------------------------------------------------------- */

static const struct rule routing[] = {
    RULE("9110 7.2", "Host may be any: names are the proxy's business",
         "GET /hello HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", "200", KEPT),
    RULE("9110 7.4", "http, on a connection without TLS", ASK("GET", "http://a/hello"), "200",
         KEPT),
    RULE("9110 7.6.1", "options that nobody knows are passed over",
         GET("/hello") "Connection: X-Thing, gzip\r\nX-Thing: yes\r\n\r\n", "200", KEPT),
    RULE("9110 7.6.1", "an option does not take an end-to-end field away",
         GET("/header?name=X") "Connection: X\r\nX: a\r\n\r\n", "200", KEPT, HAS("[a]")),
    RULE("9110 7.8", "an upgrade is not granted for nothing",
         GET("/hello") "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "200", KEPT,
         LACKS("Upgrade")),
    RULE("9110 7.8", "nor one to h2c, whatever is said beside it",
         GET("/hello") "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                       "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
         "200", KEPT, LACKS("101")),
    RULE("9110 7.8", "nor one with a body, which would be read by whom?",
         POST("/hello") "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 35\r\n\r\n" GET(
             "/smuggled") "\r\n",
         "200", KEPT),
    RULE("9110 7.8", "an upgrade in 1.0 is passed over",
         "GET /hello HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "200", CLOSED),
    RULE("9110 7.8", "an upgrade without its option is none",
         GET("/hello") "Upgrade: websocket\r\n\r\n", "200", KEPT),
};

/* --- 9 Methods -------------------------------------------------------------------------------- */

static const struct rule methods[] = {
    RULE("9110 9.1", "a method that nobody knows", ASK("BREW", "/hello"), "501", KEPT),
    RULE("9110 9.1", "at a path that nobody knows", ASK("BREW", "/nowhere"), "501", KEPT),
    RULE("9110 9.1", "its body is not the next request",
         "BREW /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\n" GET("/smuggled") "\r\n",
         "501", KEPT),
    RULE("9110 9.1", "a method that the path does not have", ASK("DELETE", "/hello"), "405", KEPT,
         HAS("\r\nAllow: GET, HEAD, POST, OPTIONS\r\n")),
    RULE("9110 9.1", "GET where there is only POST", ASK("GET", "/only-post"), "405", KEPT,
         HAS("\r\nAllow: POST, OPTIONS\r\n")),
    RULE("9110 9.1", "HEAD where there is only POST", ASK("HEAD", "/only-post"), "405h", KEPT,
         HAS("\r\nAllow: POST, OPTIONS\r\n")),
    RULE("9110 9.3.2", "HEAD says what GET says, and has no content", ASK("HEAD", "/hello"), "200h",
         KEPT, HAS("\r\nContent-Length: 5\r\n\r\n")),
    RULE("9110 9.3.2", "HEAD of what is streamed", ASK("HEAD", "/rows"), "200h", KEPT),
    RULE("9110 9.3.2", "HEAD of what is not there", ASK("HEAD", "/nowhere"), "404h", KEPT),
    RULE("9110 9.3.2", "HEAD of what fails", ASK("HEAD", "/status?code=500"), "500h", KEPT),
    RULE("9110 9.3.2", "HEAD of a redirect", ASK("HEAD", "/redirect"), "302h", KEPT),
    RULE("9110 9.3.2", "HEAD in 1.0", "HEAD /rows HTTP/1.0\r\n\r\n", "200h", CLOSED),
    RULE("9110 9.3.2", "HEAD with a body in the request",
         HEAD("/hello") "Content-Length: 35\r\n\r\n" GET("/smuggled") "\r\n", "200h", KEPT),
    RULE("9110 9.3.4", "PUT", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok", "200",
         KEPT, HAS("\r\n\r\nok")),
    RULE("9110 9.3.5", "DELETE may have content",
         "DELETE /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok", "200", KEPT,
         HAS("\r\n\r\nok")),
    RULE("5789 2", "PATCH", "PATCH /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok", "200",
         KEPT, HAS("\r\n\r\nok")),
    RULE("9110 9.3.7", "OPTIONS of a path", ASK("OPTIONS", "/hello"), "204", KEPT,
         HAS("\r\nAllow: GET, HEAD, POST, OPTIONS\r\n")),
    RULE("9110 9.3.7", "OPTIONS of nothing", ASK("OPTIONS", "/nowhere"), "404", KEPT),
    RULE("9110 9.3.7", "OPTIONS with a body",
         "OPTIONS /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\n" GET("/smuggled") "\r\n",
         "204", KEPT),
    RULE("9110 9.3.8", "TRACE is not there, and shows nothing",
         "TRACE /hello HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n", "501", KEPT,
         LACKS("secret")),
};

/* --- 10.1.1 Expect ---------------------------------------------------------------------------- */

#define EXPECT(path, value) POST(path) "Expect: " value "\r\nContent-Length: 2\r\n\r\n"

static const struct rule expectations[] = {
    RULE("9110 10.1.1", "100 when the body is wanted and is not there",
         EXPECT("/echo", "100-continue"), "100", WAITS),
    RULE("9110 10.1.1", "in any case of letters", EXPECT("/echo", "100-Continue"), "100", WAITS),
    RULE("9110 10.1.1", "several times in a line", EXPECT("/echo", ", 100-continue, 100-continue"),
         "100", WAITS),
    RULE("9110 10.1.1", "several times", EXPECT("/echo", "100-continue\r\nExpect: 100-continue"),
         "100", WAITS),
    RULE("9110 10.1.1", "no 100 from who does not read: the last answer",
         EXPECT("/hello", "100-continue"), "200", ENDS),
    RULE("9110 10.1.1", "no 100 where there is nothing", EXPECT("/nowhere", "100-continue"), "404",
         ENDS),
    RULE("9110 10.1.1", "no 100 for what is too large",
         POST("/echo") "Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n", "413", ENDS),
    RULE("9110 10.1.1", "no 100 without a body", GET("/hello") "Expect: 100-continue\r\n\r\n",
         "200", KEPT),
    RULE("9110 10.1.1", "no 100 for a body of nothing",
         POST("/echo") "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", "200", KEPT),
    RULE("9110 10.1.1", "1.0 knows none",
         "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\n"
         "Content-Length: 2\r\n\r\nok",
         "200", CLOSED),
    RULE("9110 10.1.1", "another expectation", EXPECT("/echo", "a pony"), "417", CLOSED),
    RULE("9110 10.1.1", "one beside it", EXPECT("/echo", "100-continue, a pony"), "417", CLOSED),
    RULE("9110 10.1.1", "1.0 has no other either", "GET /hello HTTP/1.0\r\nExpect: a pony\r\n\r\n",
         "200", CLOSED),
    RULE("9110 10.1.1", "another in a second line",
         POST("/echo") "Expect: 100-continue\r\nExpect: a pony\r\nContent-Length: 2\r\n\r\n", "417",
         CLOSED),
};

/* --- 8, 15: answers --------------------------------------------------------------------------- */

static const struct rule answers[] = {
    RULE("9110 8.6", "content of a known length says it", ASK("GET", "/hello"), "200", KEPT,
         HAS("\r\nContent-Length: 5\r\n")),
    RULE("9110 8.3", "content has a type", ASK("GET", "/hello"), "200", KEPT,
         HAS("\r\nContent-Type: text/plain; charset=utf-8\r\n")),
    RULE("9110 15.3.5", "204 has no content", ASK("GET", "/empty"), "204", KEPT),
    RULE("9110 15.3.5", "nor when a handler gives it some", ASK("GET", "/status?code=204"), "204",
         KEPT, LACKS("\r\n\r\ntext")),
    RULE("9110 15.3.5", "nor when it is streamed", ASK("GET", "/streamed?code=204"), "204", KEPT,
         LACKS("\r\n\r\ntext")),
    RULE("9110 15.3.6", "205 has content of no length", ASK("GET", "/status?code=205"), "205", KEPT,
         HAS("\r\nContent-Length: 0\r\n")),
    RULE("9110 15.3.6", "also when it is streamed", ASK("GET", "/streamed?code=205"), "205", KEPT,
         HAS("\r\nContent-Length: 0\r\n")),
    RULE("9110 15.4.5", "304 has no content", ASK("GET", "/status?code=304"), "304", KEPT,
         LACKS("\r\n\r\ntext")),
    RULE("9110 15.4.5", "nor when it is streamed", ASK("GET", "/streamed?code=304"), "304", KEPT,
         LACKS("\r\n\r\ntext")),
    RULE("9110 15.4", "a redirect says where", ASK("GET", "/redirect"), "302", KEPT,
         HAS("\r\nLocation: /hello\r\n")),
    RULE("9110 15.4.2", "the other form of a path", ASK("GET", "/hello/?a=b"), "301", KEPT,
         HAS("\r\nLocation: /hello?a=b\r\n")),
    RULE("9110 15.4.9", "for other methods too, which stay what they are",
         POST("/hello/") "Content-Length: 2\r\n\r\nok", "308", KEPT,
         HAS("\r\nLocation: /hello\r\n")),
    RULE("9110 15.4", "no redirect to another host", ASK("GET", "//evil.example/.."), "400",
         CLOSED),
    RULE("9110 15.4", "nor to one that a browser would see", ASK("GET", "/\\evil.example/"), "404",
         KEPT, LACKS("Location")),
    RULE("9110 15.5.5", "what is not there", ASK("GET", "/nowhere"), "404", KEPT),
    RULE("9110 15.6.1", "what fails", ASK("GET", "/panic"), "500", CLOSED),
    RULE("9110 15", "a status without a name has a line all the same",
         ASK("GET", "/status?code=299"), "299", KEPT, HAS("HTTP/1.1 299 \r\n")),
    RULE("9112 6.1", "a stream is chunked", ASK("GET", "/rows"), "200", KEPT,
         HAS("\r\nTransfer-Encoding: chunked\r\n")),
    RULE("9112 6.1", "but not for 1.0, where the end of the connection ends it",
         "GET /rows HTTP/1.0\r\n\r\n", "200", CLOSED, LACKS("chunked")),
    RULE("9110 6.5", "1.0 has no trailers", "GET /behind HTTP/1.0\r\n\r\n", "200", CLOSED,
         LACKS("x-wanted")),
    RULE("9110 6.5", "nor one that is whole", "GET /behind/whole HTTP/1.0\r\n\r\n", "200", CLOSED,
         LACKS("x-sum")),
    RULE("9112 6.1", "also when 1.0 wants to keep the connection",
         "GET /rows HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200", CLOSED, LACKS("chunked")),
    RULE("9112 11.1", "no header that splits the answer", ASK("GET", "/split"), "200", KEPT,
         HAS("\r\n\r\nrefused")),
    RULE("9112 6", "no handler frames an answer", ASK("GET", "/framing"), "200", KEPT,
         HAS("\r\n\r\nrefused")),
    RULE("9112 11.1", "what a client sent comes back as one line",
         ASK("GET", "/hello/?a=%0d%0aSet-Cookie:%20a"), "301", KEPT,
         HAS("\r\nLocation: /hello?a=%0d%0aSet-Cookie:%20a\r\n")),
};

/* --- 12 Negotiation --------------------------------------------------------------------------- */

static const struct rule negotiation[] = {
    RULE("9110 12.4.1", "who does not accept what there is gets it all the same",
         GET("/hello") "Accept: image/png\r\nAccept-Charset: latin1\r\nAccept-Language: x\r\n\r\n",
         "200", KEPT),
    RULE("9110 12.5.3", "identity is good for who names no coding",
         GET("/hello") "Accept-Encoding:\r\n\r\n", "200", KEPT, LACKS("Content-Encoding")),
    RULE("9110 12.5.3", "and for who names some", GET("/hello") "Accept-Encoding: gzip, br\r\n\r\n",
         "200", KEPT, LACKS("Content-Encoding")),
    RULE("9110 12.4.2", "weights that are none", GET("/hello") "Accept: a;q=x, ;;, */*;q=\r\n\r\n",
         "200", KEPT),
};

TABLE_TEST(routing)
TABLE_TEST(methods)
TABLE_TEST(expectations)
TABLE_TEST(answers)
TABLE_TEST(negotiation)

/* --- what no row can say ---------------------------------------------------------------------- */

/* All of a head but for its date. */
static weir_str head_without_date(struct kit *k, const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n"), *date = strstr(answer, "\r\nDate: ");
    assert_true(end != NULL && date != NULL);
    const char *after = strstr(date + 2, "\r\n");
    return weir_sprintf(k->c, "%.*s%.*s", (int)(date - answer), answer, (int)(end - after), after);
}

/* 9110 9.3.2: HEAD and GET send the same head. */
static void use_heads(struct kit *k)
{
    static const char *const paths[] = {"/hello", "/rows", "/nowhere", "/redirect",
                                        "/status?code=418"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        weir_str get = head_without_date(k, kit_get(k, paths[i]));
        weir_str head = head_without_date(k, kit_ask(k, "HEAD", paths[i], "", ""));
        if (!weir_str_eq(get, head))
            fail_msg("GET: %s\nHEAD: %s", get.ptr, head.ptr);
    }
}

static void test_head_says_what_get_says(void **state)
{
    (void)state;
    kit_run(build_service, use_heads);
}

/* 9112 8 and 9110 15.6.1: what could not be finished does not look finished. */
static void use_broken(struct kit *k)
{
    const char *a = kit_get(k, "/broken");
    assert_int_equal(kit_status(a), 200);
    assert_non_null(strstr(a, "half"));
    assert_null(strstr(a, "0\r\n\r\n")); /* no last chunk, or the stream was reset behind it */
    if (over_is(OVER_H2))
        return; /* which knows no other end */
    int client = dial(k);
    got.len = 0;
    (void)put_bytes(k, client, WEIR_S("GET /broken HTTP/1.0\r\n\r\n"));
    take_bytes(k, client);
    assert_non_null(strstr(got.bytes, "half"));
    weir__sim_close(client);
}

static void test_half_an_answer_looks_like_half(void **state)
{
    (void)state;
    kit_run(build_service, use_broken);
}

/* 9110 10.1.1: the body that was waited for, and one that comes without having been. */
static void use_continue(struct kit *k)
{
    static const struct rule pieces = {.section = "9110 10.1.1", .name = "the body after the 100"};
    int client = dial(k), status;
    present = &pieces;
    got.len = 0;
    (void)put_bytes(k, client, WEIR_S(EXPECT("/echo", "100-continue")));
    take_bytes(k, client);
    assert_string_equal(got.bytes, "HTTP/1.1 100 Continue\r\n\r\n");
    (void)put_bytes(k, client, WEIR_S("ok" PROBE));
    take_bytes(k, client);
    const char *at = read_answer(got.bytes + 25, got.bytes + got.len, false, false, &status);
    assert_int_equal(status, 200);
    check_probe(at);
    got.len = 0; /* a body that is there is not asked for */
    (void)put_bytes(k, client, WEIR_S(EXPECT("/echo", "100-continue") "ok" PROBE));
    take_bytes(k, client);
    at = read_answer(got.bytes, got.bytes + got.len, false, false, &status);
    assert_int_equal(status, 200);
    check_probe(at);
    if (over_is(OVER_H2)) { /* a stream has an end of its own */
        weir__sim_close(client);
        return;
    }
    got.len = 0; /* an answer that has begun is no place for a 100, and it must be the last */
    (void)put_bytes(k, client, WEIR_S(EXPECT("/pieces", "100-continue")));
    take_bytes(k, client);
    assert_null(strstr(got.bytes, "100 Continue"));
    assert_non_null(strstr(got.bytes, "\r\nConnection: close\r\n"));
    (void)put_bytes(k, client, WEIR_S("ok"));
    take_bytes(k, client);
    assert_int_equal(got.end, 0);
    assert_non_null(strstr(got.bytes, "ok"));
    weir__sim_close(client);
}

static void test_continue(void **state)
{
    (void)state;
    kit_run(build_service, use_continue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routing),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_head_says_what_get_says),
        cmocka_unit_test(test_half_an_answer_looks_like_half),
        cmocka_unit_test(test_continue),
    };
    begin_over();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
