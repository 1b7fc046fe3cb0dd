/*
 * Cookies through the client, a rule a test (RFC 6265 sections 5.3 and 5.4): what is kept, to whom
 * it is sent, and when it is not. Hosts of any name are had through a proxy.
 */
#include "http/client/testing.h"

#include <errno.h>

#include "base/alloc.h"

#define HI "Content-Length: 2\r\n\r\nhi"
#define OK "HTTP/1.1 200 OK\r\n" HI
#define SET(cookie) "HTTP/1.1 200 OK\r\nSet-Cookie: " cookie "\r\n" HI
#define TUNNEL "HTTP/1.1 200 OK\r\n\r\n"

/* What the ith request said of cookies; "" when that was nothing. */
static const char *cookies_of(const struct peer *p, size_t i)
{
    static char value[9000];
    const char *field = strstr(p->requests[i], "\r\nCookie: ");
    if (field == NULL)
        return "";
    const char *end = strstr(field + 2, "\r\n");
    snprintf(value, sizeof value, "%.*s", (int)(end - field - 10), field + 10);
    return value;
}

static weir_http *keeper(weir_ctx *c, const struct peer *p)
{
    weir_http *http = weir_http_open(c, .base = p->base, .cookies = true);
    assert_int_equal(weir_http_err(http), WEIR_OK);
    return http;
}

static void get(weir_ctx *c, weir_http *http, const char *target)
{
    assert_body(weir_http_get(c, http, target), "hi");
}

/* --- what is kept ----------------------------------------------------------------------------- */

static void are_sent_back(weir_ctx *c, weir_http *none, struct peer *p)
{
    weir_http *http = keeper(c, p);
    get(c, http, "/");
    for (size_t i = 1; i < 6; i++)
        get(c, http, "/");
    get(c, none, "/");
    get(c, none, "/");
    assert_string_equal(cookies_of(p, 0), "");
    assert_string_equal(cookies_of(p, 1), "a=1; b=2");
    assert_string_equal(cookies_of(p, 2), "a=3; b=2"); /* replaced, where it was */
    assert_string_equal(cookies_of(p, 3), "b=2");      /* taken back */
    assert_string_equal(cookies_of(p, 4), "b=2");      /* what is no cookie changes nothing */
    assert_string_equal(cookies_of(p, 7), "");         /* nobody has asked for it */
}

static void test_cookies_are_sent_back(void **state)
{
    (void)state;
    PLAY(are_sent_back, {.answer = SET("a=1\r\nset-cookie: b=2; HttpOnly")}, {.answer = SET("a=3")},
         {.answer = SET("a=; Max-Age=0")}, {.answer = SET("=x")}, {.answer = OK}, {.answer = OK},
         {.answer = SET("c=1")});
}

static void have_paths(weir_ctx *c, weir_http *unused, struct peer *p)
{
    static const char *const targets[] = {"/in/x?a", "/in", "/inside", "/", "/in/y/z"};
    static const char *const sent[] = {"b=2; a=1", "b=2; a=1", "a=1", "a=1", "c=3; b=2; a=1"};
    (void)unused;
    weir_http *http = keeper(c, p);
    get(c, http, "/somewhere");
    get(c, http, "/in/y/q?/r");
    for (size_t i = 0; i < 5; i++) {
        get(c, http, targets[i]);
        assert_string_equal(cookies_of(p, i + 2), sent[i]);
    }
}

static void test_paths_are_kept_apart(void **state)
{
    (void)state;
    PLAY(have_paths, {.answer = SET("a=1; Path=/\r\nSet-Cookie: b=2; Path=/in")},
         {.answer = SET("c=3")}, {.answer = OK});
}

static void expire(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = keeper(c, p);
    for (int i = 0; i < 3; i++)
        get(c, http, "/");
    assert_string_equal(cookies_of(p, 1), "a=1; b=2");
    assert_string_equal(cookies_of(p, 2), "b=2");
}

static void test_they_expire(void **state)
{
    (void)state;
    PLAY(expire,
         {.answer = SET("a=1; Max-Age=9999\r\n"
                        "Set-Cookie: b=2; Expires=Tue, 31 Dec 2199 23:59:59 GMT")},
         {.answer = SET("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT")}, {.answer = OK});
}

static void are_bounded(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    size_t count = 0;
    weir_http *http = keeper(c, p);
    get(c, http, "/");
    get(c, http, "/");
    for (const char *at = cookies_of(p, 1); at != NULL; at = strchr(at + 1, ';'))
        count++;
    assert_int_equal(count, WEIR__COOKIES_OF_DOMAIN_MAX);
}

static void test_they_are_bounded(void **state)
{
    static char many[4000];
    (void)state;
    size_t at = (size_t)snprintf(many, sizeof many, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 70; i++)
        at += (size_t)snprintf(many + at, sizeof many - at, "Set-Cookie: c%d=%d\r\n", i, i);
    snprintf(many + at, sizeof many - at, HI);
    PLAY(are_bounded, {.answer = many}, {.answer = OK});
}

/* --- to whom it is sent ----------------------------------------------------------------------- */

static weir_http *anywhere(weir_ctx *c, const struct peer *p)
{
    weir_http *http = weir_http_open(c, .proxy = p->base, .cookies = true);
    assert_int_equal(weir_http_err(http), WEIR_OK);
    return http;
}

/* Each host's first request has CONNECT before it. */
static void go_by_domain(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = anywhere(c, p);
    get(c, http, "http://a.shop.example/");
    get(c, http, "http://b.shop.example/");
    get(c, http, "http://shop.example/");
    get(c, http, "http://shop.example.evil/");
    get(c, http, "http://a.shop.example/");
    get(c, http, "http://sub.a.shop.example:81/");
    assert_string_equal(cookies_of(p, 3), "d=2");
    assert_string_equal(cookies_of(p, 5), "d=2");
    assert_string_equal(cookies_of(p, 7), "");
    assert_string_equal(cookies_of(p, 8), "h=1; d=2");
    assert_string_equal(cookies_of(p, 10), "d=2");
}

static void test_hosts_and_domains(void **state)
{
    (void)state;
    PLAY(go_by_domain, {.answer = TUNNEL},
         {.answer = SET("h=1\r\nSet-Cookie: d=2; Domain=.Shop.example\r\n"
                        "Set-Cookie: x=3; Domain=other.example\r\n"
                        "Set-Cookie: y=4; Domain=example\r\n"
                        "Set-Cookie: z=5; Domain=b.shop.example\r\n"
                        "Set-Cookie: s=6; Secure\r\n"
                        "Set-Cookie: __Host-t=7; Path=/")},
         {.answer = TUNNEL}, {.answer = OK}, {.answer = TUNNEL}, {.answer = OK}, {.answer = TUNNEL},
         {.answer = OK}, {.answer = OK}, {.answer = TUNNEL}, {.answer = OK});
}

static void are_of_an_address(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = keeper(c, p);
    get(c, http, "/");
    get(c, http, "/");
    assert_string_equal(cookies_of(p, 1), "a=1");
}

static void test_an_address_has_no_domain(void **state)
{
    (void)state;
    PLAY(are_of_an_address, {.answer = SET("a=1\r\nSet-Cookie: b=2; Domain=0.0.1")},
         {.answer = OK});
}

/* --- on the way ------------------------------------------------------------------------------- */

static void follow(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = keeper(c, p);
    get(c, http, "/");
    assert_string_equal(cookies_of(p, 0), "");
    assert_string_equal(cookies_of(p, 1), "a=1");
    weir_reply *r =
        weir_http_get(c, http, "/", .headers = WEIR_HTTP_HEADERS({"Cookie", WEIR_S("mine=1")}));
    assert_body(r, "hi");
    assert_string_equal(cookies_of(p, 2), "mine=1");
}

/* The call's own Cookie stays behind, and the other host gets what is its own. */
static void leave_mine_behind(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = anywhere(c, p);
    get(c, http, "http://b.example/");
    weir_reply *r = weir_http_get(c, http, "http://a.example/",
                                  .headers = WEIR_HTTP_HEADERS({"Cookie", WEIR_S("mine=1")}));
    assert_body(r, "hi");
    assert_string_equal(cookies_of(p, 3), "mine=1");
    assert_string_equal(cookies_of(p, 4), "b=2");
}

static void test_redirections_carry_them(void **state)
{
    (void)state;
    PLAY(follow,
         {.answer = "HTTP/1.1 302 x\r\nSet-Cookie: a=1\r\nLocation: /x\r\n"
                    "Content-Length: 0\r\n\r\n"},
         {.answer = OK});
    PLAY(leave_mine_behind, {.answer = TUNNEL}, {.answer = SET("b=2")}, {.answer = TUNNEL},
         {.answer = "HTTP/1.1 302 x\r\nLocation: http://b.example/x\r\n"
                    "Content-Length: 0\r\n\r\n"},
         {.answer = OK});
}

static void are_set_by_a_streamed_call(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = keeper(c, p);
    weir_reply *r = weir_http_begin(c, http, "POST", "/");
    assert_int_equal(weir_http_write(r, "x", 1), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    get(c, http, "/");
    assert_string_equal(cookies_of(p, 1), "a=1");
}

/* The answer is there before anything of the body is. */
static void sets_it_instead(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = keeper(c, p);
    weir_reply *r = weir_http_begin(c, http, "POST", "/", .expect_continue = true);
    assert_int_equal(weir_http_write(r, "x", 1), WEIR_ECLOSED);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_int_equal(weir_reply_status(r), 401);
    get(c, http, "/");
    assert_string_equal(cookies_of(p, 1), "a=1");
}

static void test_a_streamed_call_sets_them(void **state)
{
    (void)state;
    PLAY(sets_it_instead, {.answer = "HTTP/1.1 401 x\r\nSet-Cookie: a=1\r\n" HI, .is_early = true},
         {.answer = OK});
    PLAY(are_set_by_a_streamed_call, {.answer = SET("a=1")}, {.answer = OK});
}

static uint64_t fails_nth;
static unsigned failed;

static void survive(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = keeper(c, p);
    get(c, http, "/x");
    weir__alloc_fail_nth(fails_nth);
    weir_reply *r = weir_http_get(c, http, "/");
    weir__alloc_fail_nth(0);
    failed += weir_reply_err(r) < 0;
    weir_error_clear(c);
    get(c, http, "/");
    assert_non_null(strstr(cookies_of(p, p->request_count - 1), "a=1"));
}

static void test_memory_that_runs_out(void **state)
{
    (void)state;
    failed = 0;
    for (fails_nth = 1; fails_nth < 6; fails_nth++)
        PLAY(survive, {.answer = SET("a=1; Path=/")}, {.answer = SET("b=2")}, {.answer = OK});
    assert_true(failed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cookies_are_sent_back),
        cmocka_unit_test(test_paths_are_kept_apart),
        cmocka_unit_test(test_they_expire),
        cmocka_unit_test(test_they_are_bounded),
        cmocka_unit_test(test_hosts_and_domains),
        cmocka_unit_test(test_an_address_has_no_domain),
        cmocka_unit_test(test_redirections_carry_them),
        cmocka_unit_test(test_a_streamed_call_sets_them),
        cmocka_unit_test(test_memory_that_runs_out),
    };
    peer_over();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
