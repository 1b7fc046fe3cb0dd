/*
 * The reverse proxy on the simulated network: a service of ours in front, behind it a peer with a
 * script. What the peer was sent, and what the client got, byte by byte.
 */
#include "http/client/testing.h"
#include "rt/runtime.h"
#include <weir/proxy.h>

/* The kit of servers has a peer too, which here is not the one that is meant. */
#define peer kit_h2_peer
#define peer_open kit_h2_peer_open
#include "web/web_test_kit.h"
#undef peer
#undef peer_open

static weir_http *upstream; /* of the running test */
static weir_proxy_options how;
static struct peer peer;
static weir_err handed; /* what weir_proxy returned last */

static weir_err pass_on(weir_ctx *c)
{
    how.size = sizeof how;
    return handed = weir_proxy_at(WEIR_HERE, c, upstream, &how);
}

static void build(weir_group *app)
{
    weir_fallback(app, pass_on);
    weir_post(app, "/short", pass_on, .body_bytes_max = 10);
}

/* A test: the peer's steps, and what is asked. */
struct play {
    const struct peer_step *steps;
    size_t count;
    void (*use)(struct kit *k);
};
static struct play play;

static void use(struct kit *k)
{
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    WEIR_SCOPE(around, k->c);
    assert_int_equal(peer_open(around, &peer, play.steps, play.count), WEIR_OK);
    upstream = weir_http_open(app, .base = peer.base, .name = "up", .pool = {.max_open = 4},
                              .trust_base = true, .retries_max = 1, .dial_timeout = weir_ms(500),
                              .answer_timeout = weir_sec(2), .idle_timeout = weir_sec(1));
    assert_int_equal(weir_http_err(upstream), WEIR_OK);
    play.use(k);
    (void)weir_ctx_close(around);
}

static void run_with(const struct weir__http_server_options *o, const weir_proxy_options *options,
                     const struct peer_step *steps, size_t count, void (*body)(struct kit *k))
{
    how = *options;
    play = (struct play){steps, count, body};
    kit_run_with(o, build, use);
}

#define PROXY(body, options, ...)                                                                  \
    do {                                                                                           \
        const struct peer_step steps_[] = {__VA_ARGS__};                                           \
        const weir_proxy_options options_ = options;                                               \
        run_with(NULL, &options_, steps_, sizeof steps_ / sizeof steps_[0], (body));               \
    } while (0)
#define NONE                                                                                       \
    {                                                                                              \
        .size = 0                                                                                  \
    }

static void assert_sent(size_t i, const char *part)
{
    if (strstr(peer.requests[i], part) == NULL)
        fail_msg("\"%s\" was not sent, but: %s", part, peer.requests[i]);
}

static void assert_not_sent(size_t i, const char *part)
{
    if (strcasestr(peer.requests[i], part) != NULL)
        fail_msg("\"%s\" was sent: %s", part, peer.requests[i]);
}

/* --- what is sent ----------------------------------------------------------------------------- */

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nok"

static void asks_plainly(struct kit *k)
{
    const char *a =
        kit_ask(k, "GET", "/a/b?c=%20d", "Accept: x/y\r\nX-Long: 1\r\nX-Long: 2\r\n", "");
    kit_expect(a, 200, "ok");
    assert_true(kit_has_header(a, "X-A: 1"));
    assert_true(kit_has_header(a, "Via: 1.1 weir"));
    assert_int_equal(kit_count(a, "Content-Length: 2\r\n"), 1);
    assert_sent(0, "GET /a/b?c=%20d HTTP/1.1\r\nHost: t\r\n");
    assert_sent(0, "Accept: x/y\r\nX-Long: 1\r\nX-Long: 2\r\n");
    assert_sent(0, "X-Forwarded-Proto: http\r\nX-Forwarded-Host: t\r\nVia: 1.1 weir\r\n");
    assert_sent(0, "Forwarded: for=");
    assert_not_sent(0, "user-agent");
    assert_not_sent(0, "connection");
}

static void a_request_and_its_answer_go_through(void **state)
{
    (void)state;
    PROXY(asks_plainly, NONE, {.answer = OK_ANSWER});
}

static void asks_with_hops(struct kit *k)
{
    const char *a = kit_ask(k, "GET", "/",
                            "Connection: a\r\nConnection: b\r\nConnection: c\r\nConnection: d\r\n"
                            "Connection: e\r\nConnection: f\r\nConnection: g\r\nConnection: h\r\n"
                            "Connection: X-Mine, Authorization, Content-Length\r\nX-Mine: 1\r\n"
                            "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: no\r\n"
                            "Authorization: yes\r\nProxy-Connection: x\r\n",
                            "");
    kit_expect(a, 200, "ok");
    assert_false(kit_has_header(a, "X-Hop: 1"));
    assert_false(kit_has_header(a, "Keep-Alive: 3"));
    assert_true(kit_has_header(a, "X-End: 1"));
    assert_not_sent(0, "x-mine");
    assert_not_sent(0, "keep-alive");
    assert_sent(0, "\r\nTE: trailers\r\n"); /* anew: to the end trailers are read */
    assert_sent(0, "\r\nConnection: TE\r\n");
    assert_not_sent(0, "proxy-");
    assert_sent(0, "Authorization: yes\r\n"); /* which no Connection can take away */
}

static void fields_of_one_hop_end_there(void **state)
{
    (void)state;
    PROXY(asks_with_hops, NONE,
          {.answer = "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 3\r\n"
                     "X-End: 1\r\nContent-Length: 2\r\n\r\nok"});
}

static void asks_as_a_liar(struct kit *k)
{
    kit_expect(
        kit_ask(k, "GET", "/",
                "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"
                "X-Forwarded-Proto: https\r\nWeir-Deadline-Ms: 1\r\nX-Request-Id: mine\r\n",
                ""),
        200, "ok");
    assert_not_sent(0, "6.6.6.6");
    assert_not_sent(0, "https");
    assert_not_sent(0, "Weir-Deadline-Ms: 1\r\n");
    assert_not_sent(0, "X-Request-Id: mine");
    assert_sent(0, "Weir-Deadline-Ms: "); /* what is left of ours, for the upstream is trusted */
    assert_sent(0, "traceparent: 00-");
}

static void who_is_not_trusted_is_not_believed(void **state)
{
    (void)state;
    PROXY(asks_as_a_liar, NONE, {.answer = OK_ANSWER});
}

static void asks_with_options(struct kit *k)
{
    kit_expect(kit_ask(k, "GET", "/shop/items?x", "X-Key: theirs\r\n", ""), 200, "ok");
    assert_sent(0, "GET /v1/items?x HTTP/1.1\r\nHost: shop.example\r\n");
    assert_sent(0, "X-Key: ours\r\n");
    assert_not_sent(0, "theirs");
    assert_not_sent(0, "via");
    kit_expect(kit_get(k, "/shop"), 200, "ok");
    assert_sent(1, "GET /v1/ HTTP/1.1\r\n");
    kit_expect(kit_get(k, "/shopping"), 200, "ok");
    assert_sent(2, "GET /v1/shopping HTTP/1.1\r\n");
}

static void paths_host_and_fields_are_rewritten(void **state)
{
    (void)state;
    static const weir_http_header headers[] = {{"X-Key", {"ours", 4}}, {NULL, {NULL, 0}}};
    const weir_proxy_options o = {
        .strip = "/shop", .prefix = "/v1", .host = "shop.example", .via = "", .headers = headers};
    PROXY(asks_with_options, o, {.answer = OK_ANSWER});
}

static void asks_absolutely(struct kit *k)
{
    kit_expect(kit_raw(k, "GET http://a.example:8080/x?y HTTP/1.1\r\nHost: b\r\n"
                          "Connection: close\r\n\r\n"),
               200, "ok");
    assert_sent(0, "GET /x?y HTTP/1.1\r\nHost: a.example:8080\r\n");
    assert_sent(0, ";host=\"a.example:8080\";");
    assert_sent(0, "X-Forwarded-Host: a.example:8080\r\n");
    assert_not_sent(0, "host: b\r\n");
    kit_expect(kit_raw(k, "GET http://[::1]: HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"),
               200, "ok");
    assert_sent(1, "GET / HTTP/1.1\r\nHost: [::1]\r\n");
    kit_expect(kit_raw(k, "GET http://a?q HTTP/1.0\r\n\r\n"), 200, "ok");
    assert_sent(2, "GET /?q HTTP/1.1\r\nHost: a\r\n");
}

/* RFC 9112 section 3.2.2: the Host field is ignored where the target says whom it is for. */
static void an_absolute_target_says_who_is_asked(void **state)
{
    (void)state;
    PROXY(asks_absolutely, NONE, {.answer = OK_ANSWER});
}

static void asks_in_old_ways(struct kit *k)
{
    const char *a = kit_raw(k, "GET / HTTP/1.0\r\nHost: t\r\n\r\n");
    kit_expect(a, 200, "ok");
    assert_sent(0, "Via: 1.0 weir\r\n");
    assert_true(kit_has_header(a, "Via: 1.1 weir"));
    a = kit_raw(k, "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    kit_expect(a, 200, "ok");
    assert_sent(1, "Via: 1.1 weir\r\n");
    assert_true(kit_has_header(a, "Via: 1.0 weir"));
}

/* RFC 9110 section 7.6.3: by which version a message was received, and not by which it goes on. */
static void via_says_how_it_came(void **state)
{
    (void)state;
    PROXY(asks_in_old_ways, NONE, {.answer = OK_ANSWER},
          {.answer = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"});
}

#define TWO_BEFORE "Via: 1.0 a\r\nVia: 1.1 b\r\n"

static void asks_behind_two(struct kit *k)
{
    kit_expect(kit_ask(k, "GET", "/", TWO_BEFORE, ""), 200, "ok");
    assert_sent(0, "\r\nVia: 1.0 a, 1.1 b, 1.1 weir\r\n");
}

static void asks_behind_two_unseen(struct kit *k)
{
    kit_expect(kit_ask(k, "GET", "/", TWO_BEFORE, ""), 200, "ok");
    assert_sent(0, "\r\nVia: 1.0 a, 1.1 b\r\n");
}

/* What they have said is one list, be there a name of ours behind it or not. */
static void who_came_before_stays_a_list(void **state)
{
    (void)state;
    const weir_proxy_options unseen = {.via = ""};
    PROXY(asks_behind_two, NONE, {.answer = OK_ANSWER});
    PROXY(asks_behind_two_unseen, unseen, {.answer = OK_ANSWER});
}

static void asks_for_dots(struct kit *k)
{
    static const char *const paths[] = {"/a/../b", "/..",    "/a/./b",   "/a/%2e%2E/b",
                                        "/a/.%2e", "/%2e/a", "/a/..;x/b"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_int_equal(kit_status(kit_get(k, paths[i])), 400);
    assert_int_equal(peer.request_count, 0);
    kit_expect(kit_get(k, "/.well-known/..a/b."), 200, "ok");
}

static void dot_segments_are_refused(void **state)
{
    (void)state;
    PROXY(asks_for_dots, NONE, {.answer = OK_ANSWER});
}

#define HOPS_15                                                                                    \
    "Via: 1.1 a, 1.1 b,1.1 c, 1.1 d, 1.1 e\r\nVia: 1.0 f\r\nvia: 1.1 g, 1.1 h, 1.1 i"              \
    ", 1.1 j, 1.1 k, 1.1 l, 1.1 m, 1.1 n, 2.0 o (that too)\r\n"

static void asks_in_a_circle(struct kit *k)
{
    kit_expect(kit_ask(k, "GET", "/", HOPS_15, ""), 200, "ok");
    assert_int_equal(kit_status(kit_ask(k, "GET", "/", HOPS_15 "Via: 1.1 p\r\n", "")), 508);
    assert_int_equal(peer.request_count, 1);
}

static void a_circle_ends(void **state)
{
    (void)state;
    const weir_proxy_options nameless = {.via = ""};
    PROXY(asks_in_a_circle, NONE, {.answer = OK_ANSWER});
    PROXY(asks_in_a_circle, nameless, {.answer = OK_ANSWER});
}

/* --- bodies ----------------------------------------------------------------------------------- */

static void sends_bodies(struct kit *k)
{
    kit_expect(kit_ask(k, "POST", "/", "", "hello"), 201, "");
    assert_sent(0, "Content-Length: 5\r\n");
    assert_sent(0, "\r\n\r\nhello");
    assert_not_sent(0, "chunked");
    kit_expect(kit_raw(k, "PUT / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
               201, "");
    assert_sent(1, "Transfer-Encoding: chunked\r\n");
    assert_not_sent(1, "content-length");
    assert_not_sent(1, ";x=y");
    kit_expect(kit_ask(k, "POST", "/", "Content-Length: 0\r\n", ""), 201, "");
    assert_sent(2, "Content-Length: 0\r\n");
}

static void bodies_go_with_their_own_framing(void **state)
{
    (void)state;
    PROXY(sends_bodies, NONE, {.answer = "HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n"});
}

static void sends_much(struct kit *k)
{
    enum { SIZE = 300000 };
    char *text = weir_alloc(k->c, SIZE + 1);
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    const char *a = kit_ask(k, "POST", "/", "", text);
    assert_int_equal(kit_status(a), 200);
    assert_true(kit_has_header(a, "Transfer-Encoding: chunked"));
    assert_int_equal(peer.sizes[0] > SIZE, 1);
}

static void long_bodies_go_in_pieces(void **state)
{
    (void)state;
    PROXY(sends_much, NONE,
          {.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
           .rest = "0\r\n\r\n"});
}

static void sends_too_much(struct kit *k)
{
    assert_int_equal(kit_status(kit_ask(k, "POST", "/short", "", "0123456789a")), 413);
    kit_expect(kit_ask(k, "POST", "/short", "", "0123456789"), 200, "ok");
}

static void a_route_bounds_what_is_handed_on(void **state)
{
    (void)state;
    PROXY(sends_too_much, NONE, {.answer = OK_ANSWER});
}

static void asks_in_many_ways(struct kit *k)
{
    const char *a = kit_ask(k, "HEAD", "/", "", "");
    kit_expect(a, 200, "");
    assert_true(kit_has_header(a, "Content-Length: 1234"));
    kit_expect(kit_get(k, "/"), 204, "");
    a = kit_get(k, "/");
    kit_expect(a, 304, "");
    assert_true(kit_has_header(a, "ETag: \"x\""));
    a = kit_get(k, "/"); /* not followed */
    kit_expect(a, 302, "");
    assert_true(kit_has_header(a, "Location: http://other/"));
    a = kit_get(k, "/");
    kit_expect(a, 200, "\x1f\x8b..");
    assert_true(kit_has_header(a, "Content-Encoding: gzip"));
    assert_non_null(strstr(kit_get(k, "/"), "\r\nto the end\r\n0\r\n\r\n"));
    kit_expect(kit_get(k, "/"), 500, "theirs");
}

static void every_kind_of_answer_goes_through(void **state)
{
    (void)state;
    PROXY(asks_in_many_ways, NONE, {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"},
          {.answer = "HTTP/1.1 204 No\r\n\r\n"},
          {.answer = "HTTP/1.1 304 Same\r\nETag: \"x\"\r\n\r\n"},
          {.answer = "HTTP/1.1 302 There\r\nLocation: http://other/\r\nContent-Length: 0\r\n\r\n"},
          {.answer = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
                     "\x1f\x8b.."},
          {.answer = "HTTP/1.0 200 OK\r\n\r\nto the end", .then = PEER_CLOSES},
          {.answer = "HTTP/1.1 500 Oh\r\nContent-Length: 6\r\n\r\ntheirs"});
}

static void expects(struct kit *k)
{
    struct kit_client client;
    kit_connect(k, &client);
    kit_send(k, &client,
             "POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 5\r\n"
             "Expect: 100-continue\r\n\r\n");
    const char *a = kit_receive(k, &client);
    kit_close(&client);
    assert_int_equal(kit_status(a), 417); /* and not a 100 before it: nothing was to be sent */
    assert_sent(0, "Expect: 100-continue\r\n");
}

static void who_expects_hears_the_upstream(void **state)
{
    (void)state;
    PROXY(expects, NONE,
          {.answer = "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", .is_early = true});
}

/* --- when it goes wrong ----------------------------------------------------------------------- */

static void is_cut_early(struct kit *k)
{
    const char *a = kit_ask(k, "POST", "/", "", "x");
    assert_int_equal(kit_status(a), 502);
    assert_non_null(strstr(a, "the upstream has failed"));
    assert_non_null(strstr(kit_log(k), "POST http://127.0.0.1:"));
    assert_int_equal(peer.request_count, 1); /* a POST is not sent twice */
    assert_int_equal(kit_status(kit_get(k, "/")), 502);
    assert_int_equal(peer.request_count, 3); /* a GET is, by the client's option */
}

static void no_answer_is_502(void **state)
{
    (void)state;
    PROXY(is_cut_early, NONE, {.then = PEER_CLOSES});
}

static void waits_in_vain(struct kit *k)
{
    const char *a = kit_ask(k, "POST", "/", "", "x");
    assert_int_equal(kit_status(a), 504);
    assert_non_null(strstr(a, "the upstream has not answered in time"));
}

static void a_late_answer_is_504(void **state)
{
    (void)state;
    PROXY(waits_in_vain, NONE, {.then = PEER_HANGS});
}

static void all_are_out(struct kit *k)
{
    upstream = weir_http_open(weir__ctx_handle(weir__self->runtime->app), .name = "group",
                              .targets = WEIR_HTTP_TARGETS({.url = peer.base}));
    assert_int_equal(weir_http_drain(k->c, upstream, peer.base, true), WEIR_OK);
    const char *a = kit_get(k, "/");
    assert_int_equal(kit_status(a), 503);
    assert_non_null(strstr(a, "no upstream is available"));
    assert_non_null(strstr(kit_log(k), "all 1 targets are out"));
}

static void no_target_is_503(void **state)
{
    (void)state;
    PROXY(all_are_out, NONE, {.answer = OK_ANSWER});
}

static void is_cut_late(struct kit *k)
{
    const char *a = kit_get(k, "/");
    assert_int_equal(kit_status(a), 200);
    assert_true(kit_has_header(a, "Content-Length: 100"));
    assert_int_equal(strlen(kit_body(a)), 7); /* and the connection's end: no short 200 */
    a = kit_get(k, "/");
    assert_true(kit_has_header(a, "Transfer-Encoding: chunked"));
    assert_null(strstr(a, "\r\n0\r\n\r\n")); /* no last chunk */
}

static void a_cut_answer_is_cut_for_the_client(void **state)
{
    (void)state;
    PROXY(is_cut_late, NONE,
          {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npartial", .then = PEER_CLOSES},
          {.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
           .then = PEER_CLOSES});
}

static void sends_rubbish(struct kit *k)
{
    for (int i = 0; i < 5; i++)
        assert_int_equal(kit_status(kit_ask(k, "POST", "/", "", "x")), 502);
}

static void what_is_no_answer_is_502(void **state)
{
    (void)state;
    PROXY(sends_rubbish, NONE, {.answer = "220 smtp\r\n\r\n", .then = PEER_CLOSES},
          {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
           .then = PEER_CLOSES},
          {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
           .then = PEER_CLOSES},
          {.answer = "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
           .then = PEER_CLOSES},
          {.answer = "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"});
}

static void goes_away(struct kit *k)
{
    struct kit_client client;
    kit_connect(k, &client);
    kit_send(k, &client, "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_int_equal(weir_sleep(k->c, weir_ms(100)), WEIR_OK);
    assert_int_equal(peer.open, 1);
    kit_close(&client);
    assert_int_equal(weir_sleep(k->c, weir_ms(100)), WEIR_OK);
    assert_int_equal(handed, WEIR_ECLIENTGONE);
    assert_int_equal(conn_stats(upstream, &peer).open, 0); /* the upstream is told by the end */
}

static void a_client_that_goes_cancels_the_upstream(void **state)
{
    (void)state;
    PROXY(goes_away, NONE, {.answer = OK_ANSWER, .after = {1500000000}});
}

/* --- upgrades --------------------------------------------------------------------------------- */

#define UPGRADE                                                                                    \
    "GET /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"                 \
    "Sec-WebSocket-Key: k\r\n\r\n"

static void talks(struct kit *k)
{
    struct kit_client client;
    kit_connect(k, &client);
    kit_send(k, &client, UPGRADE);
    assert_int_equal(weir_sleep(k->c, weir_ms(10)), WEIR_OK);
    kit_send(k, &client, "PING");
    const char *a = kit_receive(k, &client);
    kit_close(&client);
    assert_int_equal(kit_status(a), 101);
    assert_true(kit_has_header(a, "Upgrade: websocket"));
    assert_true(kit_has_header(a, "Sec-WebSocket-Accept: y"));
    assert_int_equal(kit_count(a, "Upgrade: "), 1);
    assert_string_equal(kit_body(a), "hello, bye");
    assert_sent(0, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    assert_sent(0, "Sec-WebSocket-Key: k\r\n");
    assert_string_equal(peer.requests[1], "PING");
    assert_int_equal(handed, WEIR_OK);
}

static void an_upgrade_goes_both_ways(void **state)
{
    (void)state;
    PROXY(talks, NONE,
          {.answer = "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                     "Sec-WebSocket-Accept: y\r\n\r\nhello"},
          {.takes = 4, .answer = ", bye", .then = PEER_CLOSES});
}

static void hangs_up(struct kit *k)
{
    struct kit_client client;
    kit_connect(k, &client);
    kit_send(k, &client, UPGRADE);
    assert_int_equal(weir_sleep(k->c, weir_ms(10)), WEIR_OK);
    kit_close(&client);
    assert_int_equal(weir_sleep(k->c, weir_ms(10)), WEIR_OK);
    assert_int_equal(peer.open, 0);
    assert_int_equal(handed, WEIR_OK);
}

static void a_client_that_hangs_up_ends_both_sides(void **state)
{
    (void)state;
    PROXY(hangs_up, NONE,
          {.answer = "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
          {.takes = 4, .answer = ""});
}

static void is_refused(struct kit *k)
{
    kit_expect(kit_ask(k, "GET", "/", "", ""), 200, "ok"); /* the answer may be another */
    const char *a = kit_raw(k, "GET / HTTP/1.1\r\nHost: t\r\nConnection: Upgrade, close\r\n"
                               "Upgrade: websocket\r\n\r\n");
    kit_expect(a, 200, "ok");
    assert_sent(1, "Upgrade: websocket\r\n");
}

static void an_upstream_may_refuse_an_upgrade(void **state)
{
    (void)state;
    PROXY(is_refused, NONE, {.answer = OK_ANSWER});
}

static void other_protocol(struct kit *k)
{
    const char *a = kit_raw(k, "GET / HTTP/1.1\r\nHost: t\r\nConnection: Upgrade, close\r\n"
                               "Upgrade: websocket\r\n\r\n");
    assert_int_equal(kit_status(a), 502);
    assert_non_null(strstr(kit_log(k), "it changes to a protocol that was not offered"));
}

static void a_protocol_that_was_not_offered_is_502(void **state)
{
    (void)state;
    PROXY(other_protocol, NONE,
          {.answer = "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
           .then = PEER_CLOSES});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_and_its_answer_go_through),
        cmocka_unit_test(fields_of_one_hop_end_there),
        cmocka_unit_test(who_is_not_trusted_is_not_believed),
        cmocka_unit_test(paths_host_and_fields_are_rewritten),
        cmocka_unit_test(an_absolute_target_says_who_is_asked),
        cmocka_unit_test(via_says_how_it_came),
        cmocka_unit_test(who_came_before_stays_a_list),
        cmocka_unit_test(dot_segments_are_refused),
        cmocka_unit_test(a_circle_ends),
        cmocka_unit_test(bodies_go_with_their_own_framing),
        cmocka_unit_test(long_bodies_go_in_pieces),
        cmocka_unit_test(a_route_bounds_what_is_handed_on),
        cmocka_unit_test(every_kind_of_answer_goes_through),
        cmocka_unit_test(who_expects_hears_the_upstream),
        cmocka_unit_test(no_answer_is_502),
        cmocka_unit_test(a_late_answer_is_504),
        cmocka_unit_test(no_target_is_503),
        cmocka_unit_test(a_cut_answer_is_cut_for_the_client),
        cmocka_unit_test(what_is_no_answer_is_502),
        cmocka_unit_test(a_client_that_goes_cancels_the_upstream),
        cmocka_unit_test(an_upgrade_goes_both_ways),
        cmocka_unit_test(a_client_that_hangs_up_ends_both_sides),
        cmocka_unit_test(an_upstream_may_refuse_an_upgrade),
        cmocka_unit_test(a_protocol_that_was_not_offered_is_502),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
