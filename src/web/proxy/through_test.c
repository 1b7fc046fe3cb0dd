/*
 * A request through all that we are: our client, a proxy, its client, a service; each of the two
 * hops over HTTP/1.1 and over HTTP/2. The service and the proxy are one application, on simulated
 * sockets.
 */
#include <weir/client.h>
#include <weir/proxy.h>

#include "rt/runtime.h"
#include "web/web_test_kit.h"

static weir_http *front, *back; /* to the proxy, and from there to the service */
static const char *way;

/* --- the service ------------------------------------------------------------------------------ */

/* As it comes: each piece is back before the next one is read. What follows comes back too. */
static weir_err echo(weir_ctx *c)
{
    char piece[4096];
    ssize_t n;
    weir_header_iter t = {0};
    assert_int_equal(weir_announce_trailer(c, "x-sum"), WEIR_OK);
    weir_stream *s = weir_stream_begin(c, 200, "application/octet-stream");
    while ((n = weir_body_read(c, piece, sizeof piece)) > 0) {
        weir_stream_write(s, (weir_str){piece, (size_t)n});
        weir_stream_flush(s);
    }
    while (n == 0 && weir_trailer_next(c, &t))
        assert_int_equal(weir_add_trailer(c, "x-sum", t.value), WEIR_OK);
    if (weir_wants_trailers(c))
        assert_int_equal(weir_add_trailer(c, "x-wanted", WEIR_S("yes")), WEIR_OK);
    return weir_stream_end(s, n < 0 ? (weir_err)n : WEIR_OK);
}

/* A response that is whole, with more behind it; and one that is its head alone. */
static weir_err whole(weir_ctx *c)
{
    assert_int_equal(weir_add_trailer(c, "x-sum", (weir_str){"7", 1}), WEIR_OK); /* a comma */
    return weir_text(c, 200, "whole");
}

static weir_err head_alone(weir_ctx *c)
{
    assert_int_equal(weir_add_header(c, "grpc-status", WEIR_S("12")), WEIR_OK);
    return weir_stream_end(weir_stream_begin(c, 200, "application/grpc"), WEIR_OK);
}

/* Which versions the proxies before it were asked by. */
static weir_err tells_via(weir_ctx *c)
{
    weir_str via = weir_header(c, "via");
    return weir_text(c, 200, via.ptr != NULL ? weir_strdup(c, via).ptr : "none");
}

/* Answers at once, and reads nothing; or does neither for a long time. */
static weir_err refuse(weir_ctx *c)
{
    return weir_text(c, 413, "no more");
}

static weir_err sleeps(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_sec(20));
    return err < 0 ? err : weir_text(c, 200, "late");
}

/* Reads all of it before it answers. */
static weir_err swallow(weir_ctx *c)
{
    char piece[4096];
    ssize_t n;
    while ((n = weir_body_read(c, piece, sizeof piece)) > 0)
        ;
    return n < 0 ? weir_fail_bind(c) : weir_text(c, 200, "all of it");
}

static weir_err pass_on_little(weir_ctx *c)
{
    return weir_proxy(c, back, .strip = "/little");
}

static weir_err pass_on(weir_ctx *c)
{
    return weir_proxy(c, back, .strip = "/proxy");
}

static void build(weir_group *app)
{
    weir_post(app, "/echo", echo, .body_bytes_max = WEIR_BODY_UNLIMITED);
    weir_post(app, "/swallow", swallow, .body_bytes_max = WEIR_BODY_UNLIMITED);
    weir_post(app, "/little/*rest", pass_on_little, .body_bytes_max = 100000);
    weir_post(app, "/refuse", refuse);
    weir_post(app, "/slow", sleeps);
    weir_get(app, "/whole", whole);
    weir_get(app, "/via", tells_via);
    weir_get(app, "/head-alone", head_alone);
    weir_get(app, "/proxy/*rest", pass_on);
    weir_post(app, "/proxy/*rest", pass_on, .body_bytes_max = WEIR_BODY_UNLIMITED);
}

static weir_http *client_of(const struct kit *k, bool is_h2)
{
    char base[64];
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    snprintf(base, sizeof base, "http://127.0.0.1:%d", k->listener);
    weir_http *http = weir_http_open(app, .base = base, .name = is_h2 ? "h2" : "h1",
                                     .http2 = is_h2 ? WEIR_HTTP2_PRIOR : WEIR_HTTP2_NEVER,
                                     .answer_timeout = weir_sec(2), .idle_timeout = weir_sec(1));
    assert_int_equal(weir_http_err(http), WEIR_OK);
    return http;
}

static void (*asks)(weir_ctx *c, const char *prefix);
static int versions; /* bit 0: the first hop is HTTP/2; bit 1: the second */

static void use(struct kit *k)
{
    front = client_of(k, (versions & 1) != 0);
    back = client_of(k, (versions & 2) != 0);
    WEIR_SCOPE(straight, k->c);
    asks(straight, "");
    (void)weir_ctx_close(straight);
    WEIR_SCOPE(through, k->c);
    asks(through, "/proxy");
    (void)weir_ctx_close(through);
}

/* Over every pair of versions. */
static void each_way(void (*what)(weir_ctx *c, const char *prefix))
{
    static const char *const names[] = {"1.1, 1.1", "2, 1.1", "1.1, 2", "2, 2"};
    asks = what;
    for (versions = 0; versions < (WEIR_HTTP2 ? 4 : 1); versions++) {
        way = names[versions];
        kit_run(build, use);
    }
}

static const char *path(weir_ctx *c, const char *prefix, const char *rest)
{
    return weir_sprintf(c, "%s%s", prefix, rest).ptr;
}

static void assert_trailer(const weir_reply *r, const char *name, const char *value)
{
    weir_str is = weir_reply_trailer(r, name);
    if (is.ptr == NULL || !weir_str_eq(is, weir_str_from(value)))
        fail_msg("over %s: the trailer %s is \"" WEIR_STR_FMT "\"", way, name, WEIR_STR_ARG(is));
}

static void assert_body(weir_reply *r, const char *text)
{
    weir_str is = weir_reply_body(r);
    if (is.ptr == NULL || !weir_str_eq(is, weir_str_from(text)))
        fail_msg("over %s: \"" WEIR_STR_FMT "\" (%d)", way, WEIR_STR_ARG(is), weir_reply_err(r));
}

/* --- what follows a body ---------------------------------------------------------------------- */

static void says_more(weir_ctx *c, const char *prefix)
{
    weir_reply *r = weir_http_begin(
        c, front, "POST", path(c, prefix, "/echo"),
        .headers = WEIR_HTTP_HEADERS({"TE", WEIR_S("trailers")}, {"Trailer", WEIR_S("x-in")}));
    assert_int_equal(weir_http_write(r, "hello", 5), WEIR_OK);
    assert_int_equal(weir_http_trailer(r, "Content-Length", WEIR_S("5")), WEIR_EINVALID);
    weir_error_clear(c);
    assert_int_equal(weir_http_trailer(r, "X-In", WEIR_S("seven")), WEIR_OK);
    assert_int_equal(weir_http_trailer(r, "X-In", WEIR_S("eight")), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_null(weir_reply_trailer(r, "x-none").ptr);
    assert_body(r, "hello");
    assert_trailer(r, "X-Sum", "seven");
    assert_trailer(r, "x-wanted", "yes");
    weir_str name, value;
    assert_true(weir_reply_trailer_at(r, 1, &name, &value));
    assert_true(weir_str_eq(value, WEIR_S("eight")));
    assert_true(weir_reply_trailer_at(r, 2, &name, &value));
    assert_false(weir_reply_trailer_at(r, 3, &name, &value));
    assert_int_equal(weir_http_trailer(r, "x", WEIR_S("")), WEIR_ECLOSED);

    r = weir_http_begin(c, front, "POST", path(c, prefix, "/echo"));
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_body(r, "");
    assert_false(weir_reply_trailer_at(r, 0, &name, &value));

    r = weir_http_get(c, front, path(c, prefix, "/whole"));
    assert_body(r, "whole");
    assert_trailer(r, "x-sum", "7");

    r = weir_http_get(c, front, path(c, prefix, "/head-alone"));
    assert_true(weir_str_eq(weir_reply_header(r, "grpc-status"), WEIR_S("12")));
    assert_body(r, "");
}

static void test_trailers_go_both_ways(void **state)
{
    (void)state;
    each_way(says_more);
}

/* --- how it came ------------------------------------------------------------------------------ */

/* RFC 9110 section 7.6.3: of each message the version by which the proxy has received it. */
static void asks_for_via(weir_ctx *c, const char *prefix)
{
    static const char *const of[] = {"1.1 weir", "2.0 weir"};
    weir_reply *r = weir_http_get(c, front, path(c, prefix, "/via"));
    weir_str via = weir_reply_header(r, "via");
    if (prefix[0] == '\0') {
        assert_body(r, "none");
        return;
    }
    assert_body(r, of[versions & 1]);
    if (!weir_str_eq(via, weir_str_from(of[versions >> 1])))
        fail_msg("over %s: the answer's Via is \"" WEIR_STR_FMT "\"", way, WEIR_STR_ARG(via));
}

static void test_via_says_how_each_message_came(void **state)
{
    (void)state;
    each_way(asks_for_via);
}

/* --- both ways at once ------------------------------------------------------------------------ */

/* So many bytes, in as many pieces as they come. */
static void read_text(weir_reply *r, const char *text)
{
    char got[16];
    for (size_t at = 0, len = strlen(text); at < len;) {
        ssize_t n = weir_reply_read(r, got, len - at);
        if (n <= 0)
            fail_msg("over %s: %zd after %zu bytes of \"%s\"", way, n, at, text);
        assert_memory_equal(got, text + at, (size_t)n);
        at += (size_t)n;
    }
}

/* One fiber, by turns: each piece is back before the next one is sent. */
static void talks(weir_ctx *c, const char *prefix)
{
    char got[10];
    weir_reply *r = weir_http_begin(c, front, "POST", path(c, prefix, "/echo"), .duplex = true);
    assert_int_equal(weir_http_write(r, "hello", 5), WEIR_OK);
    assert_int_equal(weir_http_await(r), WEIR_OK);
    assert_int_equal(weir_reply_status(r), 200);
    read_text(r, "hello");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(weir_sleep(c, weir_ms(500)), WEIR_OK); /* it may take its time */
        assert_int_equal(weir_http_write(r, "piece", 5), WEIR_OK);
        read_text(r, "piece");
    }
    assert_int_equal(weir_http_trailer(r, "x-in", WEIR_S("end")), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_int_equal(weir_reply_read(r, got, sizeof got), 0);
    assert_trailer(r, "x-sum", "end");
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_int_equal(weir_http_write(r, "late", 4), WEIR_ECLOSED);
}

enum { MUCH = 2000000, PIECE = 30000 };

static char bytes[PIECE];

static weir_err writes_much(weir_ctx *c, void *arg)
{
    weir_reply *r = arg;
    (void)c;
    for (int at = 0; at < MUCH; at += PIECE) {
        int n = MUCH - at < PIECE ? MUCH - at : PIECE;
        assert_int_equal(weir_http_write(r, bytes, (size_t)n), WEIR_OK);
    }
    assert_int_equal(weir_http_trailer(r, "x-in", WEIR_S("end")), WEIR_OK);
    return weir_http_finish(r);
}

/* A fiber each way, and far more than all buffers and windows of the way hold. */
static void sends_and_reads(weir_ctx *c, const char *prefix)
{
    static char got[7000];
    ssize_t n;
    size_t sum = 0;
    weir_reply *r = weir_http_begin(c, front, "POST", path(c, prefix, "/echo"), .duplex = true);
    WEIR_SCOPE(beside, c);
    assert_int_equal(WEIR_GO(beside, writes_much, r), WEIR_OK);
    assert_int_equal(weir_http_await(r), WEIR_OK);
    while ((n = weir_reply_read(r, got, sizeof got)) > 0)
        sum += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(weir_join(beside), WEIR_OK);
    (void)weir_ctx_close(beside);
    assert_int_equal(sum, MUCH);
    assert_trailer(r, "x-sum", "end");
}

/* Nobody reads the answer: all that is between fills, and the time limit ends it. */
static void only_writes(weir_ctx *c, const char *prefix)
{
    weir_err err = WEIR_OK;
    size_t sent = 0;
    weir_reply *r = weir_http_begin(c, front, "POST", path(c, prefix, "/echo"), .duplex = true);
    while (err == WEIR_OK && sent < (size_t)100 * MUCH) {
        err = weir_http_write(r, bytes, sizeof bytes);
        sent += sizeof bytes;
    }
    assert_true(sent < (size_t)2 * MUCH);
    if (err != WEIR_ETIMEDOUT && (prefix[0] == '\0' || err == WEIR_OK))
        fail_msg("over %s: %d after %zu bytes", way, err, sent);
    weir_error_clear(c);
}

/* An answer that needs no more of the body; a fiber still writes it then. */
static weir_err writes_on(weir_ctx *c, void *arg)
{
    weir_reply *r = arg;
    weir_err err = WEIR_OK;
    while (err == WEIR_OK && weir_yield(c) == WEIR_OK)
        err = weir_http_write(r, bytes, sizeof bytes);
    return err;
}

static void is_answered_early(weir_ctx *c, const char *prefix)
{
    weir_reply *r = weir_http_begin(c, front, "POST", path(c, prefix, "/refuse"), .duplex = true);
    assert_int_equal(weir_http_write(r, bytes, 10), WEIR_OK);
    WEIR_SCOPE(beside, c);
    assert_int_equal(WEIR_GO(beside, writes_on, r), WEIR_OK);
    assert_int_equal(weir_http_await(r), WEIR_OK);
    assert_int_equal(weir_reply_status(r), 413);
    assert_body(r, "no more");
    assert_int_equal(weir_join(beside), WEIR_ECLOSED);
    (void)weir_ctx_close(beside);
    assert_int_equal(weir_reply_err(r), WEIR_OK);
    weir_error_clear(c);
}

/* The reader breaks off while the other one waits for room; and the other way round. */
static void breaks_off(weir_ctx *c, const char *prefix)
{
    weir_reply *r = weir_http_begin(c, front, "POST", path(c, prefix, "/echo"), .duplex = true);
    WEIR_SCOPE(beside, c);
    assert_int_equal(WEIR_GO(beside, writes_on, r), WEIR_OK);
    assert_int_equal(weir_http_await(r), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK); /* it is stuck by now */
    weir_reply_close(r);
    assert_int_equal(weir_join(beside), WEIR_ECLOSED);
    (void)weir_ctx_close(beside);
    weir_error_clear(c);

    char got[100];
    r = weir_http_begin(c, front, "POST", path(c, prefix, "/slow"), .duplex = true);
    WEIR_SCOPE(writer, c);
    assert_int_equal(WEIR_GO(writer, writes_on, r), WEIR_OK);
    assert_true(weir_reply_err(r) == WEIR_OK);
    assert_int_equal(weir_http_await(r), WEIR_ETIMEDOUT); /* the writer's: nothing is taken */
    assert_true(weir_reply_read(r, got, sizeof got) < 0);
    (void)!weir_join(writer);
    (void)weir_ctx_close(writer);
    weir_error_clear(c);
}

/* What the client does wrong ends the answer that is waited for, with its own status. */
static void sends_too_much(weir_ctx *c, const char *prefix)
{
    weir_reply *r = weir_http_begin(c, front, "POST", "/little/swallow", .duplex = true);
    weir_err err = WEIR_OK;
    for (int i = 0; i < 10 && err == WEIR_OK && weir_sleep(c, weir_ms(10)) == WEIR_OK; i++)
        err = weir_http_write(r, bytes, sizeof bytes);
    assert_int_equal(weir_http_await(r), WEIR_OK);
    if (weir_reply_status(r) != 413)
        fail_msg("over %s: %d instead of 413", way, weir_reply_status(r));
    weir_reply_close(r);
    r = weir_http_begin(c, front, "POST", path(c, prefix, "/swallow"), .duplex = true);
    for (int i = 0; i < 10 && weir_sleep(c, weir_ms(10)) == WEIR_OK; i++)
        assert_int_equal(weir_http_write(r, bytes, sizeof bytes), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_body(r, "all of it");
    weir_error_clear(c);
}

static void test_both_ways_at_once(void **state)
{
    (void)state;
    each_way(talks);
    each_way(sends_and_reads);
}

static void test_nobody_waits_for_ever(void **state)
{
    (void)state;
    each_way(only_writes);
}

static void test_an_end_ends_the_other_way(void **state)
{
    (void)state;
    each_way(is_answered_early);
    each_way(breaks_off);
    each_way(sends_too_much);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trailers_go_both_ways),
        cmocka_unit_test(test_via_says_how_each_message_came),
        cmocka_unit_test(test_both_ways_at_once),
        cmocka_unit_test(test_nobody_waits_for_ever),
        cmocka_unit_test(test_an_end_ends_the_other_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
