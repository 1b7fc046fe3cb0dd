/* A way through a proxy, on the simulation: what it is asked, how it refuses, what is told. */
#include "http/client/testing.h"

#include <errno.h>

#define TUNNEL "HTTP/1.1 200 OK\r\n\r\n"
#define HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static weir_http *through(weir_ctx *c, const struct peer *p)
{
    weir_http *http =
        weir_http_open(c, .base = "http://shop.internal:81", .proxy = p->base,
                       .proxy_authorization = "Basic eDp5", .dial_timeout = weir_ms(300));
    assert_int_equal(weir_http_err(http), WEIR_OK);
    return http;
}

static void goes_through(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = through(c, p);
    assert_body(weir_http_get(c, http, "/a"), "hi");
    assert_body(weir_http_get(c, http, "/b"), "hi");
    assert_string_equal(p->requests[0], "CONNECT shop.internal:81 HTTP/1.1\r\n"
                                        "Host: shop.internal:81\r\n"
                                        "Proxy-Authorization: Basic eDp5\r\n\r\n");
    assert_int_equal(strncmp(p->requests[1], "GET /a HTTP/1.1\r\nHost: shop.internal:81\r\n", 41),
                     0);
    assert_null(strstr(p->requests[1], "Proxy-Authorization"));
    assert_int_equal(p->request_count, 3);
    assert_int_equal(p->accepted, 1);
}

static void test_it_goes_through_a_proxy(void **state)
{
    (void)state;
    PLAY(goes_through, {.answer = TUNNEL}, {.answer = HI});
    PLAY(goes_through, {.answer = "HTTP/1.1 299 x\r\nContent-Length: 5\r\n\r\n", .in_bytes = true},
         {.answer = HI});
}

struct refusal {
    struct peer_step step;
    weir_err err;
    const char *told;
};

static const struct refusal refusals[] = {
    {{.answer = "HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n"}, -ECONNREFUSED, "it answered 407"},
    {{.answer = "HTTP/1.1 502 x\r\nContent-Length: 2\r\n\r\nno"}, -ECONNREFUSED, "it answered 502"},
    {{.answer = TUNNEL "HTTP/1.1 200 OK\r\n"}, WEIR_EPROTO, "it speaks where the host is to"},
    {{.answer = "nonsense\r\n"}, WEIR_EPROTO, "status line"},
    {{.then = PEER_CLOSES}, WEIR_ECLOSED, "it closed the connection"},
    {{.then = PEER_RESETS}, -ECONNRESET, "the proxy 127.0.0.1"},
    {{.then = PEER_HANGS}, WEIR_ETIMEDOUT, "timed out"},
};

static const struct refusal *refusal;

static void is_refused(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_reply *r = weir_http_get(c, through(c, p), "/");
    assert_int_equal(weir_reply_err(r), refusal->err);
    const weir_error *e = weir_last_error(c);
    assert_true(e != NULL && strstr(e->message.ptr, refusal->told) != NULL);
    assert_told(c, refusal->err,
                "GET http://shop.internal:81/: there is no connection: the proxy ");
}

static void test_its_refusals_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        refusal = &refusals[i];
        PLAY(is_refused, refusal->step);
    }
}

static weir_err checks(weir_ctx *c, void *arg)
{
    (void)arg;
    static const char *const bad[] = {"10.0.0.1:80", "unix:/run/x", "https://a", "http://u@a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        weir_http *http = weir_http_open(c, .proxy = bad[i]);
        assert_true(weir_http_err(http) < 0);
        assert_told(c, weir_http_err(http), "its proxy cannot be used: ");
    }
    weir_http *http = weir_http_open(c, .proxy_authorization = "a\r\nb");
    assert_told(c, weir_http_err(http), "proxy_authorization may not be sent");
    return WEIR_OK;
}

static void test_its_options_are_checked(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(checks, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_goes_through_a_proxy),
        cmocka_unit_test(test_its_refusals_are_told),
        cmocka_unit_test(test_its_options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
