/*
 * https on the simulation: whom it asks and whom it does not, what is told of each refusal,
 * sessions that go on, through a proxy, redirections from one scheme to the other.
 */
#include "http/client/testing.h"

#include <errno.h>

#define OK(n, body) "HTTP/1.1 200 OK\r\nContent-Length: " #n "\r\n\r\n" body

#if WEIR_TLS

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/dns_testing.h"
#include "net/tls_testing.h"

static char ca_file[] = "/tmp/weir-ca-XXXXXX";
static const char *const only_h1[] = {"http/1.1", NULL}, *const only_ftp[] = {"ftp", NULL};
static const char *const only_h2[] = {"h2", NULL};

/* --- a peer and its client -------------------------------------------------------------------- */

/* A test: what the peer is, and what is done with a client that trusts it. */
struct play {
    struct weir__tls_server_options server;
    const struct peer_step *steps;
    size_t count;
    void (*body)(weir_ctx *c, struct peer *p, const weir_tls *tls);
};

static weir_err play(weir_ctx *c, void *arg)
{
    const struct play *play = arg;
    struct peer p;
    WEIR_SCOPE(around, c);
    assert_int_equal(peer_open(around, &p, play->steps, play->count), WEIR_OK);
    p.tls = server_of(play->server);
    snprintf(p.base, sizeof p.base, "https://127.0.0.1:%d", p.number);
    WEIR_SCOPE(client, c);
    play->body(client, &p, weir_tls_new(client, .ca_file = ca_file));
    (void)weir_ctx_close(client);
    (void)weir_ctx_close(around);
    weir__tls_server_free(p.tls);
    return WEIR_OK;
}

#define PLAY_TLS(its_server, its_body, ...)                                                        \
    do {                                                                                           \
        const struct peer_step steps_[] = {__VA_ARGS__};                                           \
        struct play play_ = {its_server, steps_, sizeof steps_ / sizeof steps_[0], (its_body)};    \
        assert_int_equal(weir__sim_run(play, &play_), WEIR_OK);                                    \
    } while (0)
#define USUAL ((struct weir__tls_server_options){.pairs = NULL})
#define SPEAKS(list) ((struct weir__tls_server_options){.choice = {.alpn = (list)}})

/* --- what goes through ------------------------------------------------------------------------ */

static void asks(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    weir_http *http = weir_http_open(c, .base = p->base, .tls = tls);
    assert_body(weir_http_get(c, http, "/a"), "hi");
    assert_body(weir_http_get(c, http, "/b"), "hi");
    assert_int_equal(p->accepted, 1);
    assert_int_equal(p->handshakes, 1);
    char line[80];
    snprintf(line, sizeof line, "GET /b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", p->number);
    assert_int_equal(strncmp(p->requests[1], line, strlen(line)), 0);
    assert_int_equal(conn_stats(http, p).open, 1);
}

/* Nothing is offered but HTTP/1.1, and its connections are the exclusive pool's. */
static void never_by_http2(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    weir_http *http = weir_http_open(c, .base = p->base, .tls = tls, .http2 = WEIR_HTTP2_NEVER);
    assert_body(weir_http_get(c, http, "/a"), "hi");
    assert_body(weir_http_get(c, http, "/b"), "hi");
    assert_int_equal(p->accepted, 1);
    const weir_http *in = weir__token_must(http, WEIR__KIND_HTTP, "test", "the client");
    assert_null(in->shared);
}

/* Its context, and the memory of its texts, end before any worker has connected. */
static void outlives_its_tls(weir_ctx *c, struct peer *p, const weir_tls *unused)
{
    weir_http *http;
    (void)unused;
    WEIR_WITH(start, c) {
        char ciphers[] = "ECDHE+AESGCM";
        const char **alpn = weir_alloc(start, 2 * sizeof *alpn);
        alpn[0] = weir_sprintf(start, "http/1.1").ptr;
        alpn[1] = NULL;
        const weir_tls *tls =
            weir_tls_new(start, .ca_file = ca_file, .ciphers = ciphers, .alpn = alpn);
        http = weir_http_open(c, .base = p->base, .tls = tls);
        memset(ciphers, 'x', sizeof ciphers - 1);
        alpn[0] = "";
    }
    assert_body(weir_http_get(c, http, "/a"), "hi");
    assert_int_equal(p->handshakes, 1);
}

static void test_https_is_spoken(void **state)
{
    (void)state;
    PLAY_TLS(USUAL, asks, {.answer = OK(2, "hi")});
    PLAY_TLS(SPEAKS(only_h1), asks, {.answer = OK(2, "hi")});
    PLAY_TLS(USUAL, never_by_http2, {.answer = OK(2, "hi")});
    PLAY_TLS(USUAL, outlives_its_tls, {.answer = OK(2, "hi")});
    PLAY_TLS(SPEAKS(only_h1), asks, {.answer = OK(2, "hi"), .in_bytes = true});
}

/* Nothing can be upgraded on a connection that others use: that request goes by HTTP/1.1. */
static void upgrades(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    const weir_http_call_options none = {.size = sizeof none};
    const struct weir__client_carry carry = {.upgrade = WEIR_S("echo"), .length = -1};
    char bytes[8];
    weir_http *http = weir_http_open(c, .base = p->base, .tls = tls);
    assert_body(weir_http_get(c, http, "/"), "hi");
    weir_reply *handle = weir__client_carry(WEIR_HERE, c, http, "GET", "/x", &none, &carry, false);
    assert_int_equal(weir_reply_status(handle), 101);
    weir_reply *r = weir__token_must(handle, WEIR__KIND_REPLY, "test", "the reply");
    assert_int_equal(weir__client_upgraded_read(r, weir__ctx_of(c), bytes, 8), 5);
    assert_memory_equal(bytes, "hello", 5);
    weir_reply_close(handle);
    assert_non_null(strstr(p->requests[1], "Upgrade: echo"));
    assert_body(weir_http_get(c, http, "/"), "hi"); /* and the others by what was agreed on */
    assert_int_equal(p->accepted, 2);
}

static void test_upgrades_go_by_http1(void **state)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    (void)state;
    PLAY_TLS(SPEAKS(both), upgrades, {.answer = OK(2, "hi")},
             {.answer = "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello"},
             {.answer = OK(2, "hi")});
}

/* The name of the certificate, whichever of its addresses is asked. */
static void asks_each_address(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    char url[64];
    files_set("nameserver 127.0.0.1:9\n",
              "10.0.0.1 server.example other.example\n10.0.0.2 server.example\n");
    snprintf(url, sizeof url, "https://server.example:%d", p->number);
    weir_http *http =
        weir_http_open(c, .name = "s", .tls = tls,
                       .targets = WEIR_HTTP_TARGETS({.url = url, .each_address = true}));
    assert_int_equal(weir_http_err(http), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    for (int i = 0; i < 4; i++)
        assert_body(weir_http_get(c, http, "/a"), "hi");
    assert_int_equal(p->accepted, 2);
    assert_int_equal(p->handshakes, 2);
    snprintf(url, sizeof url, "https://other.example:%d", p->number);
    http = weir_http_open(c, .name = "o", .tls = tls,
                          .targets = WEIR_HTTP_TARGETS({.url = url, .each_address = true}));
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(weir_reply_err(weir_http_get(c, http, "/a")), WEIR_ETLS);
    assert_told(c, WEIR_ETLS, "/a at 10.0.0.1: ");
    (void)files_remove(NULL);
}

static void test_a_certificate_is_of_the_name_and_not_of_its_addresses(void **state)
{
    (void)state;
    PLAY_TLS(USUAL, asks_each_address, {.answer = OK(2, "hi")});
    PLAY_TLS(SPEAKS(only_h1), asks_each_address, {.answer = OK(2, "hi")});
#if WEIR_HTTP2
    PLAY_TLS(SPEAKS(only_h2), asks_each_address, {.answer = OK(2, "hi")});
#endif
}

/* --- groups ----------------------------------------------------------------------------------- */

/* Of a group too the target says whether TLS is spoken; what then goes on that is ALPN's to say. */
static void asks_a_group(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    weir_http *http = weir_http_open(c, .name = "group", .tls = tls,
                                     .targets = WEIR_HTTP_TARGETS({.url = p->base}));
    for (int i = 0; i < 3; i++)
        assert_body(weir_http_get(c, http, "/a"), "hi");
    assert_int_equal(p->accepted, 1);
    assert_int_equal(p->handshakes, 1);
}

/* A target of either scheme: HTTP/2 is spoken to whom it is agreed on with. */
static void asks_a_mixed_group(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    static const struct peer_step hi[] = {{.answer = OK(2, "hi")}};
    struct peer plain;
    WEIR_SCOPE(around, c);
    assert_int_equal(peer_open(around, &plain, hi, 1), WEIR_OK);
    weir_http *http =
        weir_http_open(c, .name = "mixed", .tls = tls,
                       .targets = WEIR_HTTP_TARGETS({.url = plain.base}, {.url = p->base}));
    for (int i = 0; i < 4; i++)
        assert_body(weir_http_get(c, http, "/a"), "hi");
    assert_int_equal(p->request_count, 2);
    assert_int_equal(plain.request_count, 2);
    (void)weir_ctx_close(around);
}

static void test_groups_speak_what_is_agreed_on(void **state)
{
    (void)state;
    PLAY_TLS(SPEAKS(only_h1), asks_a_group, {.answer = OK(2, "hi")});
    PLAY_TLS(SPEAKS(only_h1), asks_a_mixed_group, {.answer = OK(2, "hi")});
#if WEIR_HTTP2
    PLAY_TLS(SPEAKS(only_h2), asks_a_group, {.answer = OK(2, "hi")});
    PLAY_TLS(SPEAKS(only_h2), asks_a_mixed_group, {.answer = OK(2, "hi")});
#endif
}

/* As its target is: a location without a scheme stays, and secure cookies go along. */
static void is_as_secure_as_its_target(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    weir_http *http =
        weir_http_open(c, .name = "group", .tls = tls, .cookies = true, .redirects_secure = true,
                       .targets = WEIR_HTTP_TARGETS({.url = p->base}));
    assert_body(weir_http_get(c, http, "/from"), "hi");
    assert_int_equal(p->request_count, 2);
    assert_int_equal(strncmp(p->requests[1], "GET /to ", 8), 0);
    assert_non_null(strcasestr(p->requests[1], "\r\nCookie: __Host-b=1; a=1\r\n"));
}

static void test_an_exchange_of_a_group_is_as_secure_as_its_target(void **state)
{
    (void)state;
    static const struct peer_step moved = {
        .answer = "HTTP/1.1 302 x\r\nLocation: /to\r\nSet-Cookie: __Host-b=1; Path=/; Secure\r\n"
                  "Set-Cookie: a=1; Secure\r\nContent-Length: 0\r\n\r\n"};
    PLAY_TLS(SPEAKS(only_h1), is_as_secure_as_its_target, moved, {.answer = OK(2, "hi")});
#if WEIR_HTTP2
    PLAY_TLS(SPEAKS(only_h2), is_as_secure_as_its_target, moved, {.answer = OK(2, "hi")});
#endif
}

static void streams(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    static char piece[40000];
    memset(piece, 'x', sizeof piece);
    weir_http *http = weir_http_open(c, .base = p->base, .tls = tls);
    weir_reply *r = weir_http_begin(c, http, "POST", "/");
    for (int i = 0; i < 5; i++)
        assert_int_equal(weir_http_write(r, piece, sizeof piece), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_body(r, "hi");
    assert_true(p->sizes[0] > 5 * sizeof piece);
}

static void test_bodies_are_streamed_over_tls(void **state)
{
    (void)state;
    PLAY_TLS(USUAL, streams, {.answer = OK(2, "hi")});
}

static void resumes(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    weir_http *http = weir_http_open(c, .base = p->base, .tls = tls);
    for (int i = 0; i < 3; i++)
        assert_body(weir_http_get(c, http, "/"), "hi");
    assert_int_equal(p->handshakes, 3);
    assert_int_equal(p->resumed, 2);
}

static void test_sessions_go_on(void **state)
{
    (void)state;
    PLAY_TLS(USUAL, resumes, {.answer = OK(2, "hi"), .then = PEER_CLOSES});
}

/* The end of such a body is the farewell's to tell: a cut is no end (RFC 8446 section 6.1). */
static void reads_to_the_end(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    weir_http *http = weir_http_open(c, .base = p->base, .tls = tls);
    assert_body(weir_http_get(c, http, "/"), "hello");
    weir_reply *r = weir_http_get(c, http, "/");
    assert_null(weir_reply_body(r).ptr);
    assert_int_equal(weir_reply_err(r), -ECONNRESET);
    weir_error_clear(c);
}

static void test_a_cut_is_no_end(void **state)
{
    (void)state;
    PLAY_TLS(USUAL, reads_to_the_end,
             {.answer = "HTTP/1.1 200 OK\r\n\r\nhello", .then = PEER_CLOSES},
             {.answer = "HTTP/1.1 200 OK\r\n\r\nhello", .then = PEER_RESETS});
}

/* --- what does not ---------------------------------------------------------------------------- */

static void refuse(weir_ctx *c, weir_http *http, const char *target, weir_err err, const char *told)
{
    weir_reply *r = weir_http_get(c, http, target);
    assert_int_equal(weir_reply_err(r), err);
    const weir_error *e = weir_last_error(c);
    assert_non_null(e);
    assert_non_null(strstr(e->message.ptr, "GET https://"));
    assert_told(c, err, told);
}

static void is_refused(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    char target[64];
    refuse(c, weir_http_open(c, .base = p->base), "/", WEIR_ETLS,
           "/: there is no connection: TLS: ");
    refuse(c, weir_http_open(c, .base = p->base, .retries_max = 3), "/", WEIR_ETLS,
           "the certificate is refused: unable to get local issuer certificate");
    weir_http *http = weir_http_open(c, .tls = tls, .dial_timeout = weir_ms(200));
    snprintf(target, sizeof target, "https://localhost:%d/", p->number);
    refuse(c, http, target, WEIR_ETLS, "hostname mismatch");
    assert_int_equal(p->request_count, 0);
}

static void is_no_protocol(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    refuse(c, weir_http_open(c, .base = p->base, .tls = tls), "/", WEIR_ETLS, "TLS: ");
    assert_int_equal(p->request_count, 0);
}

static void test_refusals_are_told(void **state)
{
    (void)state;
    PLAY_TLS(USUAL, is_refused, {.answer = OK(2, "hi")});
    PLAY_TLS(SPEAKS(only_ftp), is_no_protocol, {.answer = OK(2, "hi")});
}

/* One that speaks plainly, and one that says nothing. */
static void is_no_tls(weir_ctx *c, weir_http *unused, struct peer *p)
{
    char target[64];
    (void)unused;
    weir_http *http =
        weir_http_open(c, .tls = weir_tls_new(c, .ca_file = ca_file), .dial_timeout = weir_ms(300));
    snprintf(target, sizeof target, "https://127.0.0.1:%d/", p->number);
    if (!p->is_deaf) {
        refuse(c, http, target, WEIR_ETLS, "TLS: what came is no TLS");
        p->is_deaf = true;
    }
    refuse(c, http, target, WEIR_ETIMEDOUT, "timed out");
}

static void test_who_speaks_no_tls_is_told(void **state)
{
    (void)state;
    PLAY(is_no_tls, {.answer = "HTTP/1.1 400 x\r\n\r\n", .takes = 5, .then = PEER_CLOSES});
}

static weir_err bad_tls(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_tls *none = weir_tls_new(c, .ca_file = "/nowhere/ca.pem");
    weir_error_clear(c);
    weir_http *http = weir_http_open(c, .base = "https://10.0.0.5", .name = "shop", .tls = none);
    assert_int_equal(weir_http_err(http), -ENOENT);
    assert_told(c, -ENOENT, "HTTP client shop: its TLS could not be made: weir_tls_new has said");
    return WEIR_OK;
}

static void test_a_bad_tls_is_told_at_once(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(bad_tls, NULL), WEIR_OK);
}

/* --- through a proxy -------------------------------------------------------------------------- */

static void goes_through(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    char proxy[64];
    p->is_proxy = true;
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", p->number);
    weir_http *http = weir_http_open(c, .base = "https://server.example", .proxy = proxy,
                                     .proxy_authorization = "Basic eDp5", .tls = tls);
    assert_body(weir_http_get(c, http, "/a"), "hi");
    assert_body(weir_http_get(c, http, "/b"), "hi");
    assert_string_equal(p->requests[0], "CONNECT server.example:443 HTTP/1.1\r\n"
                                        "Host: server.example:443\r\n"
                                        "Proxy-Authorization: Basic eDp5\r\n\r\n");
    assert_int_equal(strncmp(p->requests[1], "GET /a HTTP/1.1\r\nHost: server.example\r\n", 39), 0);
    assert_null(strstr(p->requests[1], "Proxy-"));
    assert_int_equal(p->accepted, 1);
}

static void is_another(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    char proxy[64];
    p->is_proxy = true;
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", p->number);
    weir_http *http =
        weir_http_open(c, .base = "https://other.example", .proxy = proxy, .tls = tls);
    refuse(c, http, "/", WEIR_ETLS, "hostname mismatch; it is for server.example");
}

static void test_tls_goes_through_a_proxy(void **state)
{
    (void)state;
    PLAY_TLS(USUAL, goes_through, {.answer = "HTTP/1.1 200 OK\r\n\r\n", .then_tls = true},
             {.answer = OK(2, "hi")});
    PLAY_TLS(USUAL, is_another, {.answer = "HTTP/1.1 200 OK\r\n\r\n", .then_tls = true});
}

/* --- redirections ----------------------------------------------------------------------------- */

/* https leads to a plain peer: what may be secret stays behind, and nothing goes if so asked. */
static void leads_to_http(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    static const struct peer_step hi[] = {{.answer = OK(2, "hi")}};
    static char moved[120];
    struct peer plain;
    WEIR_SCOPE(around, c);
    assert_int_equal(peer_open(around, &plain, hi, 1), WEIR_OK);
    snprintf(moved, sizeof moved, "HTTP/1.1 302 x\r\nLocation: %s/to\r\nContent-Length: 0\r\n\r\n",
             plain.base);
    const struct peer_step away[] = {{.answer = moved}};
    p->steps = away;
    weir_http *http =
        weir_http_open(c, .base = p->base, .tls = tls,
                       .headers = WEIR_HTTP_HEADERS({"Authorization", WEIR_S("secret")}));
    assert_body(weir_http_get(c, http, "/"), "hi");
    assert_non_null(strstr(p->requests[0], "secret"));
    assert_null(strstr(plain.requests[0], "secret"));
    weir_http *strict = weir_http_open(c, .base = p->base, .tls = tls, .redirects_secure = true);
    refuse(c, strict, "/", WEIR_ETLS, "leads nowhere: it is http, behind https");
    assert_int_equal(plain.request_count, 1);
    (void)weir_ctx_close(around);
}

/* A secure cookie goes along over https alone, and plain HTTP cannot replace it. */
static void keeps_secure_cookies(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    static const struct peer_step takes[] = {
        {.answer = "HTTP/1.1 200 OK\r\nSet-Cookie: a=2\r\nContent-Length: 2\r\n\r\nhi"}};
    struct peer plain;
    WEIR_SCOPE(around, c);
    assert_int_equal(peer_open(around, &plain, takes, 1), WEIR_OK);
    weir_http *http = weir_http_open(c, .base = p->base, .tls = tls, .cookies = true);
    char target[80];
    snprintf(target, sizeof target, "%s/", plain.base);
    assert_body(weir_http_get(c, http, "/"), "hi");
    assert_body(weir_http_get(c, http, target), "hi");
    assert_body(weir_http_get(c, http, "/"), "hi");
    assert_null(strstr(plain.requests[0], "Cookie"));
    assert_non_null(strstr(p->requests[1], "\r\nCookie: __Host-b=1; a=1\r\n"));
    (void)weir_ctx_close(around);
}

static void test_secure_cookies_stay_secure(void **state)
{
    (void)state;
    PLAY_TLS(USUAL, keeps_secure_cookies,
             {.answer = "HTTP/1.1 200 OK\r\nSet-Cookie: __Host-b=1; Path=/; Secure\r\n"
                        "Set-Cookie: a=1; Secure\r\nContent-Length: 2\r\n\r\nhi"},
             {.answer = OK(2, "hi")});
}

static void stays_secure(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    weir_http *http = weir_http_open(c, .base = p->base, .tls = tls, .redirects_secure = true);
    assert_body(weir_http_get(c, http, "/"), "hi");
    assert_int_equal(p->handshakes, 1);
    assert_int_equal(strncmp(p->requests[1], "GET /to ", 8), 0);
}

static void test_redirections_from_https_leave_secrets(void **state)
{
    (void)state;
    PLAY_TLS(USUAL, leads_to_http, {.answer = OK(2, "hi")});
    PLAY_TLS(USUAL, stays_secure,
             {.answer = "HTTP/1.1 302 x\r\nLocation: /to\r\nContent-Length: 0\r\n\r\n"},
             {.answer = OK(2, "hi")});
}

/* --- whatever runs out ------------------------------------------------------------------------ */

static uint64_t fails_nth, cancels_nth;
static unsigned failed;

static void survives(weir_ctx *c, struct peer *p, const weir_tls *tls)
{
    weir_http *http = weir_http_open(c, .base = p->base, .tls = tls);
    WEIR_SCOPE(inner, c);
    weir__alloc_fail_nth(fails_nth);
    weir__wait_cancel_nth(cancels_nth);
    weir_reply *r = weir_http_get(inner, http, "/");
    weir_str body = weir_reply_body(r);
    weir__alloc_fail_nth(0);
    weir__wait_cancel_nth(0);
    assert_int_equal(body.ptr == NULL, weir_reply_err(r) < 0);
    failed += weir_reply_err(r) < 0;
    (void)weir_ctx_close(inner);
    weir_error_clear(c);
    assert_int_equal(conn_stats(http, p).in_use, 0);
    r = weir_http_get(c, http, "/");
    if (weir_reply_err(r) != -ECONNREFUSED) /* else it was the peer's own that failed */
        assert_body(r, "hi");
    weir_error_clear(c);
}

static void test_nothing_stays_open(void **state)
{
    (void)state;
    failed = 0;
    cancels_nth = 0;
    for (fails_nth = 1; fails_nth < 40; fails_nth++)
        PLAY_TLS(USUAL, survives, {.answer = OK(2, "hi")});
    fails_nth = 0;
    for (cancels_nth = 1; cancels_nth < 10; cancels_nth++)
        PLAY_TLS(USUAL, survives, {.answer = OK(2, "hi")});
    assert_true(failed > 10);
}

static int make(void **state)
{
    (void)state;
    make_test_certificates();
    int fd = mkstemp(ca_file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, test_ca.chain, strlen(test_ca.chain)), strlen(test_ca.chain));
    return close(fd);
}

static int unmake(void **state)
{
    (void)state;
    free_test_certificates();
    return unlink(ca_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_https_is_spoken),
        cmocka_unit_test(test_upgrades_go_by_http1),
        cmocka_unit_test(test_a_certificate_is_of_the_name_and_not_of_its_addresses),
        cmocka_unit_test(test_groups_speak_what_is_agreed_on),
        cmocka_unit_test(test_an_exchange_of_a_group_is_as_secure_as_its_target),
        cmocka_unit_test(test_bodies_are_streamed_over_tls),
        cmocka_unit_test(test_sessions_go_on),
        cmocka_unit_test(test_a_cut_is_no_end),
        cmocka_unit_test(test_refusals_are_told),
        cmocka_unit_test(test_who_speaks_no_tls_is_told),
        cmocka_unit_test(test_a_bad_tls_is_told_at_once),
        cmocka_unit_test(test_tls_goes_through_a_proxy),
        cmocka_unit_test(test_redirections_from_https_leave_secrets),
        cmocka_unit_test(test_secure_cookies_stay_secure),
        cmocka_unit_test(test_nothing_stays_open),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}

#else

static weir_err is_absent(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_http *http = weir_http_open(c, .redirects_max = 1);
    assert_int_equal(weir_reply_err(weir_http_get(c, http, "https://a/")), WEIR_ENOTBUILT);
    assert_told(c, WEIR_ENOTBUILT, "this build of Weir was made without TLS");
    return WEIR_OK;
}

static void test_it_is_absent(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(is_absent, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_it_is_absent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
