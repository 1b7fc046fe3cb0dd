/* Making clients: options and all their mistakes at once, copies, limits, numbers. */
#include "http/client/testing.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/metric.h"
#include "base/metric_testing.h"

#define HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static const weir_http *inside(const weir_http *handle)
{
    return weir__token_must(handle, WEIR__KIND_HTTP, "the test", "the HTTP client");
}

static void refuse(weir_ctx *c, weir_http *http, const char *const *parts)
{
    assert_int_equal(weir_http_err(http), WEIR_EINVALID);
    const weir_error *e = weir_last_error(c);
    assert_non_null(e);
    for (; *parts != NULL; parts++)
        if (strstr(e->message.ptr, *parts) == NULL)
            fail_msg("\"%s\" is not in: %s", *parts, e->message.ptr);
    weir_error_clear(c);
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_EINVALID);
    weir_error_clear(c);
}

static weir_err checks(weir_ctx *c, void *arg)
{
    (void)arg;
    static const char *const parts[] = {
        "HTTP client shop: its base cannot be used: ",
        "; HTTP client shop: the header \"a b\" has a name that is no token",
        "the user_agent may not be sent",
        "deadline_header \"x y\" is no name of a header",
        "dial_timeout is 5 ns; allowed: 1 ms to 10 min",
        "answer_timeout is 2 h; allowed: 1 ms to 1 h",
        "idle_timeout is -1 ms",
        "head_bytes_max is 1; allowed: 256 to 65535",
        "headers_max is 101; allowed: 1 to 100",
        "body_bytes_max is 1073741825; allowed: 1 to 1073741824",
        "hosts_max is 1001; allowed: 1 to 1000",
        "open_max is 10001",
        "pool shop: max_open is 20000; allowed: 1 to 10000",
        NULL,
    };
    refuse(c,
           weir_http_open(c, .base = "10.0.0.5", .name = "shop", .user_agent = "a\nb",
                          .headers = WEIR_HTTP_HEADERS({"a b", WEIR_S("c")}),
                          .deadline_header = "x y", .dial_timeout = weir_ns(5),
                          .answer_timeout = weir_hour(2), .idle_timeout = weir_ms(-1),
                          .head_bytes_max = 1, .headers_max = 101, .body_bytes_max = (1u << 30) + 1,
                          .hosts_max = 1001, .open_max = 10001, .pool = {.max_open = 20000}),
           parts);
    static const char *const framing[] = {
        "the header Transfer-Encoding is the client's own to send",
        "; HTTP client a: the deadline_header content-length is the client's own to send", NULL};
    refuse(c,
           weir_http_open(c, .base = "http://10.0.0.5", .name = "a",
                          .headers = WEIR_HTTP_HEADERS({"Transfer-Encoding", WEIR_S("chunked")}),
                          .deadline_header = "content-length"),
           framing);
    static const char *const lonely[] = {"trust_base without a base", NULL};
    refuse(c, weir_http_open(c, .trust_base = true), lonely);
    static const char *const version[] = {"http2 is 7; allowed: WEIR_HTTP2_AGREED, _NEVER, _PRIOR",
                                          NULL};
    refuse(c, weir_http_open(c, .http2 = (weir_http2)7), version);
    weir_http *secure = weir_http_open(c, .base = "https://10.0.0.5");
    assert_int_equal(weir_http_err(secure), WEIR_TLS ? WEIR_OK : WEIR_ENOTBUILT);
    return WEIR_OK;
}

static void test_all_mistakes_are_told_at_once(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(checks, NULL), WEIR_OK);
}

/* Nothing of what a text was is left. */
#define FORGET(text) memset((text), '\n', sizeof(text) - 1)

static void is_copied(weir_ctx *c, weir_http *unused, struct peer *p)
{
    char base[64], name[] = "X-Key", value[] = "key", host[] = "127.0.0.1", called[] = "shop";
    char agent[] = "agent/1", deadline[] = "X-Left";
    (void)unused;
    memcpy(base, p->base, sizeof base);
    weir_http *http = weir_http_open(c, .base = base, .name = called, .user_agent = agent,
                                     .deadline_header = deadline, .trusted = WEIR_HTTP_HOSTS(host),
                                     .headers = WEIR_HTTP_HEADERS({name, weir_str_from(value)}));
    FORGET(base), FORGET(name), FORGET(value), FORGET(host);
    FORGET(called), FORGET(agent), FORGET(deadline);
    assert_body(weir_http_get(c, http, "/", .timeout = weir_sec(1)), "hi");
    assert_non_null(strstr(p->requests[0], "\r\nX-Key: key\r\n"));
    assert_non_null(strstr(p->requests[0], "\r\nUser-Agent: agent/1\r\n"));
    assert_non_null(strstr(p->requests[0], "\r\nX-Left: "));
    assert_string_equal(inside(http)->name, "shop");
}

static void group_is_copied(weir_ctx *c, weir_http *unused, struct peer *p)
{
    char url[64], header[] = "X-Shard", probe[] = "/well", called[] = "shards";
    (void)unused;
    memcpy(url, p->base, sizeof url);
    weir_http *http = weir_http_open(c, .name = called, .targets = WEIR_HTTP_TARGETS({.url = url}),
                                     .group = {.policy = WEIR_HTTP_HASH,
                                               .key_header = header,
                                               .probe = probe,
                                               .probe_interval = weir_ms(100)});
    assert_int_equal(weir_http_err(http), WEIR_OK);
    FORGET(url), FORGET(header), FORGET(probe), FORGET(called);
    assert_int_equal(weir_sleep(c, weir_ms(200)), WEIR_OK);
    assert_int_equal(strncmp(p->requests[0], "GET /well HTTP/1.1\r\n", 20), 0);
    assert_body(weir_http_get(c, http, "/"), "hi");
    assert_string_equal(inside(http)->o.group.key_header, "X-Shard");
}

static void proxy_is_copied(weir_ctx *c, weir_http *unused, struct peer *p)
{
    char proxy[64], said[] = "Basic eDp5";
    (void)unused;
    memcpy(proxy, p->base, sizeof proxy);
    weir_http *http = weir_http_open(c, .base = "http://shop.internal:81", .proxy = proxy,
                                     .proxy_authorization = said);
    FORGET(proxy), FORGET(said);
    assert_body(weir_http_get(c, http, "/a"), "hi");
    assert_non_null(strstr(p->requests[0], "\r\nProxy-Authorization: Basic eDp5\r\n"));
}

/*
 * Without memory for one of them there is no client, and none that does something else. The name is
 * so long that its copy is an allocation of its own.
 */
static weir_err lacks_memory(weir_ctx *c, void *arg)
{
    static char header[40000];
    unsigned failed = 0;
    (void)arg;
    memset(header, 'k', sizeof header - 1);
    for (uint64_t nth = 1; nth < 60; nth++) {
        weir_ctx *step = weir_ctx_open(c);
        weir__alloc_fail_nth(nth);
        weir_http *http =
            weir_http_open(step, .targets = WEIR_HTTP_TARGETS({.url = "http://10.0.0.1:80"}),
                           .group = {.policy = WEIR_HTTP_HASH, .key_header = header});
        weir__alloc_fail_nth(0);
        failed += weir_http_err(http) == -ENOMEM;
        assert_true(weir_http_err(http) < 0 || inside(http)->o.group.key_header != NULL);
        (void)weir_ctx_close(step);
    }
    assert_in_range(failed, 3, 58);
    return WEIR_OK;
}

static void test_options_are_copied(void **state)
{
    (void)state;
    PLAY(is_copied, {.answer = HI});
    PLAY(group_is_copied, {.answer = HI});
    if (!peer_is_h2())
        PLAY(proxy_is_copied, {.answer = "HTTP/1.1 200 OK\r\n\r\n"}, {.answer = HI});
    assert_int_equal(weir__sim_run(lacks_memory, NULL), WEIR_OK);
}

static weir_err ask_once(weir_ctx *c, void *arg)
{
    return weir_reply_body(weir_http_get(c, arg, "/")).ptr != NULL ? WEIR_OK : WEIR_EINVALID;
}

/* Fibers wait in line for as many connections as a host may have. */
static void is_bounded(weir_ctx *c, weir_http *http, struct peer *p)
{
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 50; i++)
        assert_int_equal(WEIR_GO(group, ask_once, http), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(p->accepted, 2);
    assert_int_equal(p->request_count, 50);
}

static void test_connections_to_a_host_are_bounded(void **state)
{
    (void)state;
    PLAY(is_bounded,
         {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", .after = weir_ms(1)});
}

static void is_counted(weir_ctx *c, weir_http *http, struct peer *p)
{
    struct weir__metrics metrics = {.count = 0};
    weir__client_metrics(&metrics);
    assert_body(weir_http_get(c, http, "/"), "hi");
    assert_body(weir_http_get(c, http, "/"), "no");
    assert_int_equal(weir_reply_err(weir_http_get(c, http, "http://127.0.0.1:9/")), -ECONNREFUSED);
    assert_true(metric_lines_has(&metrics, " client=test host=base outcome=2xx 1 "));
    assert_true(metric_lines_has(&metrics, " client=test host=base outcome=5xx 1 "));
    assert_true(metric_lines_has(&metrics, " client=test host=other outcome=connect 1 "));
    assert_true(metric_lines_has(&metrics, "\nweir_client_retries_total client=test 0\n"));
    assert_true(metric_lines_has(&metrics,
                                 "\nweir_client_connections_total client=test state=opened 1 "
                                 "client=test state=reused 1 client=test state=stale 0\n"));
    weir_http *twin = weir_http_open(c, .base = p->base, .name = "test");
    assert_body(weir_http_get(c, twin, "/"), "no");
    assert_true(metric_lines_has(&metrics, " client=test host=base outcome=5xx 2 "));
    assert_true(metric_lines_has(&metrics, "\nweir_client_retries_total client=test 0\n"));
}

static void test_requests_are_counted(void **state)
{
    (void)state;
    PLAY(is_counted, {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"},
         {.answer = "HTTP/1.1 503 x\r\nContent-Length: 2\r\n\r\nno"});
}

/* Whoever reads the numbers while a context ends finds no client of which a part has gone. */
static void leaves_the_list_first(weir_ctx *c, weir_http *http, struct peer *p)
{
    struct weir__metrics metrics = {.count = 0};
    weir__client_metrics(&metrics);
    (void)http;
    weir_ctx *step = weir_ctx_open(c);
    weir_http *one = weir_http_open(step, .base = p->base, .name = "one");
    assert_true(metric_lines_has(&metrics, "client=one "));
    struct weir__owned *first =
        WEIR_CONTAINER(weir__ctx_of(step)->owned.next, struct weir__owned, link);
    weir__disown(first);
    first->type->release(first);
    assert_false(metric_lines_has(&metrics, "client=one "));
    assert_int_equal(weir_http_err(one), WEIR_OK);
    (void)weir_ctx_close(step);
}

static void test_it_leaves_the_list_first(void **state)
{
    (void)state;
    PLAY(leaves_the_list_first, {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_mistakes_are_told_at_once),
        cmocka_unit_test(test_options_are_copied),
        cmocka_unit_test(test_connections_to_a_host_are_bounded),
        cmocka_unit_test(test_requests_are_counted),
        cmocka_unit_test(test_it_leaves_the_list_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
