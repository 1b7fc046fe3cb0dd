/*
 * Packed bodies, both ways: each coding in each framing and in pieces of any size, what is left as
 * it is, bombs, what is broken, and that nothing of it stays.
 */
#include "http/client/testing.h"

#include "base/alloc.h"
#include "wire/compress_testing.h"
#include "wire/compress_whole.h"

enum framing { LENGTH, CHUNKED, UNTIL_CLOSE, FRAMINGS };

static char answer_bytes[3 << 20];

/* An answer with `body`, which says that it is `coding`, as one step. */
static struct peer_step say(const char *status, const char *coding, weir_str body,
                            enum framing framing)
{
    static const char *const lines[] = {"", "Transfer-Encoding: chunked\r\n", ""};
    char length[60] = "";
    if (framing == LENGTH)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", body.len);
    size_t at = (size_t)snprintf(answer_bytes, sizeof answer_bytes,
                                 "HTTP/1.1 %s\r\nContent-Encoding: %s\r\n%s%s\r\n", status, coding,
                                 length, lines[framing]);
    for (size_t from = 0; from < body.len;) {
        size_t n = framing == CHUNKED && body.len - from > 5000 ? 5000 : body.len - from;
        if (framing == CHUNKED)
            at += (size_t)snprintf(answer_bytes + at, 20, "%zx\r\n", n);
        memcpy(answer_bytes + at, body.ptr + from, n);
        at += n;
        from += n;
        if (framing == CHUNKED)
            at += (size_t)snprintf(answer_bytes + at, 3, "\r\n");
    }
    if (framing == CHUNKED)
        at += (size_t)snprintf(answer_bytes + at, 20, "0\r\nX-Sum: 7\r\n\r\n");
    assert_true(at < sizeof answer_bytes);
    return (struct peer_step){.answer = answer_bytes,
                              .size = at,
                              .then = framing == UNTIL_CLOSE ? PEER_CLOSES : PEER_STAYS};
}

/* --- unpacking -------------------------------------------------------------------------------- */

static weir_str text;
static enum framing framing;

static void is_read(weir_ctx *c, weir_http *http, struct peer *p)
{
    static const size_t sizes[] = {1, 700, 20000};
    static char bytes[20000];
    weir_reply *r = weir_http_get(c, http, "/", .body_bytes_max = 1 << 20);
    weir_str body = weir_reply_body(r);
    assert_int_equal(weir_reply_err(r), WEIR_OK);
    assert_int_equal(body.len, text.len);
    assert_memory_equal(body.ptr, text.ptr, text.len);
    assert_true(weir_str_eq(weir_reply_body(r), body));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t at = 0;
        ssize_t n;
        r = weir_http_get(c, http, "/");
        while ((n = weir_reply_read(r, bytes, sizes[i])) > 0) {
            assert_memory_equal(bytes, text.ptr + at, (size_t)n);
            at += (size_t)n;
        }
        assert_int_equal(n, 0);
        assert_int_equal(at, text.len);
        assert_int_equal(weir_reply_read(r, bytes, sizes[i]), 0);
    }
    if (framing == CHUNKED)
        assert_true(weir_str_eq(weir_reply_trailer(r, "x-sum"), WEIR_S("7")));
    assert_int_equal(conn_stats(http, p).in_use, 0);
    assert_int_equal(p->accepted, framing == UNTIL_CLOSE && !peer_is_h2() ? 4 : 1);
    r = weir_http_get(c, http, "/");
    char byte;
    assert_int_equal(weir_reply_read(r, &byte, 1), 1);
    body = weir_reply_body(r); /* the rest of it */
    assert_int_equal(body.len, text.len - 1);
    r = weir_http_get(c, http, "/"); /* nobody reads it */
    assert_int_equal(weir_reply_err(r), WEIR_OK);
}

static void unpacks(const char *name, weir_str packed)
{
    for (framing = LENGTH; framing < FRAMINGS; framing++) {
        struct peer_step step = say("200 OK", name, packed, framing);
        PLAY(is_read, step);
        step.in_bytes = packed.len < 500;
        PLAY(is_read, step);
    }
}

static void test_packed_bodies_are_unpacked(void **state)
{
    (void)state;
    static const size_t lengths[] = {100, 100000};
    for (size_t i = 0; i < 2; i++) {
        text = some_text(lengths[i]);
        for (size_t k = 0; k < ALL_CODINGS; k++) {
            struct result r = pack(all_codings[k], text),
                          twice = pack(WEIR_CODING_GZIP, str_of(&r));
            weir_str name = weir__coding_name(all_codings[k]);
            if (name.len > 0)
                unpacks(name.ptr, str_of(&r));
            if (all_codings[k] == WEIR_CODING_DEFLATE)
                unpacks("deflate, gzip", str_of(&twice));
            if (all_codings[k] == WEIR_CODING_DEFLATE)
                unpacks("deflate\r\nContent-Encoding: gzip", str_of(&twice));
            free(r.ptr);
            free(twice.ptr);
        }
        free((char *)(uintptr_t)text.ptr);
    }
}

/* --- what is asked for, and what is left as it is --------------------------------------------- */

static bool was_sent(const struct peer *p, size_t i, const char *part)
{
    return strstr(p->requests[i], part) != NULL;
}

static void is_left(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_http *raw = weir_http_open(c, .base = p->base, .encoding = WEIR_HTTP_AS_SENT);
    assert_body(weir_http_get(c, http, "/", .encoding = WEIR_HTTP_AS_SENT), "hi");
    assert_body(weir_http_get(c, raw, "/"), "hi");
    assert_body(
        weir_http_get(c, http, "/", .headers = WEIR_HTTP_HEADERS({"Range", WEIR_S("bytes=0-1")})),
        "hi");
    for (size_t i = 0; i < 3; i++)
        assert_false(was_sent(p, i, "Accept-Encoding"));
    assert_body(weir_http_get(c, http, "/",
                              .headers = WEIR_HTTP_HEADERS({"accept-encoding", WEIR_S("gzip")})),
                "hi");
    assert_true(strcasestr(p->requests[3], "accept-encoding: gzip\r\n") != NULL);
    assert_null(strcasestr(p->requests[3], "deflate"));
    weir_reply *r = weir_http_get(c, raw, "/", .encoding = WEIR_HTTP_UNPACKED);
    assert_null(weir_reply_body(r).ptr);
    assert_told(c, WEIR_EPROTO, "a malformed body");
}

static void has_nothing_packed(weir_ctx *c, weir_http *http, struct peer *p)
{
    (void)p;
    const char *status = strstr(answer_bytes, " 206 ") != NULL ? "hi" : "";
    weir_reply *r = weir_http_do(c, http, status[0] != '\0' ? "GET" : "HEAD", "/");
    assert_body(r, status);
    assert_true(weir_str_eq(weir_reply_header(r, "content-encoding"), WEIR_S("gzip")));
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void is_plain(weir_ctx *c, weir_http *http, struct peer *p)
{
    (void)p;
    assert_body(weir_http_get(c, http, "/"), "hi");
}

static void test_what_was_not_asked_for_is_left(void **state)
{
    (void)state;
    PLAY(is_left, say("200 OK", "gzip", WEIR_S("hi"), LENGTH));
    PLAY(has_nothing_packed, {.answer = "HTTP/1.1 200 x\r\nContent-Encoding: gzip\r\n"
                                        "Content-Length: 20\r\n\r\n"});
    PLAY(has_nothing_packed, say("204 x", "gzip", WEIR_S(""), UNTIL_CLOSE));
    PLAY(has_nothing_packed, say("304 x", "gzip", WEIR_S(""), UNTIL_CLOSE));
    PLAY(has_nothing_packed, say("206 x", "gzip", WEIR_S("hi"), LENGTH));
    PLAY(is_plain, say("200 OK", "identity", WEIR_S("hi"), LENGTH));
    PLAY(is_plain, say("200 OK", "", WEIR_S("hi"), CHUNKED));
}

/* --- what is wrong ---------------------------------------------------------------------------- */

static const char *told;
static weir_err error;

static void is_refused(weir_ctx *c, weir_http *unused, struct peer *p)
{
    char bytes[4000];
    ssize_t n;
    (void)unused;
    weir_http *http = weir_http_open(c, .base = p->base, .unpacked_bytes_max = 3 << 20,
                                     .unpacked_ratio_max = 100, .answer_timeout = weir_sec(1));
    weir_reply *r = weir_http_get(c, http, "/x");
    while ((n = weir_reply_read(r, bytes, sizeof bytes)) > 0)
        ;
    assert_int_equal(n, error);
    assert_int_equal(weir_reply_err(r), error);
    assert_told(c, error, told);
    r = weir_http_get(c, http, "/x", .body_bytes_max = 10 << 20);
    assert_null(weir_reply_body(r).ptr);
    assert_told(c, error, told);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void refuses(const char *name, weir_str packed, weir_err err, const char *message)
{
    error = err;
    told = message;
    for (framing = LENGTH; framing < FRAMINGS; framing++)
        PLAY(is_refused, say("200 OK", name, packed, framing));
}

static void test_bombs_are_told(void **state)
{
    (void)state;
    weir_str zeroes = {calloc(1, 4 << 20), 4 << 20}, mixed = some_text(4 << 20);
    struct result bomb = pack(WEIR_CODING_GZIP, zeroes), large = pack(WEIR_CODING_GZIP, mixed);
    refuses("gzip", str_of(&bomb), WEIR_ETOOLARGE,
            "of the body: unpacked it grows by more than allowed, as a bomb does");
    refuses("gzip", str_of(&large), WEIR_ETOOLARGE, ".unpacked_bytes_max is 3145728");
    free(bomb.ptr);
    free(large.ptr);
    free((char *)(uintptr_t)zeroes.ptr);
    free((char *)(uintptr_t)mixed.ptr);
}

static void is_over_its_own_limit(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r = weir_http_get(c, http, "/x", .body_bytes_max = 1000);
    assert_null(weir_reply_body(r).ptr);
    assert_told(c, WEIR_ETOOLARGE, "the body is over 1000 bytes");
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void test_what_is_broken_is_told(void **state)
{
    (void)state;
    weir_str words = some_text(3000);
    struct result r = pack(WEIR_CODING_GZIP, words);
    weir_str whole = str_of(&r);
    refuses("gzip", (weir_str){whole.ptr, whole.len - 3}, WEIR_EPROTO, "a malformed body: ");
    refuses("gzip", words, WEIR_EPROTO, "a malformed body: ");
    refuses("zstd", words, WEIR_EPROTO, "a malformed body: ");
    refuses("gzip, gzip, gzip, gzip", words, WEIR_EPROTO, "a malformed body: ");
    PLAY(is_over_its_own_limit, say("200 OK", "gzip", whole, LENGTH));
    r.ptr[whole.len - 5] ^= 1;
    refuses("gzip", whole, WEIR_EPROTO, "a malformed body: ");
    free(r.ptr);
    free((char *)(uintptr_t)words.ptr);
}

/* What is cut on the way is told as a cut, and not as a bad coding. */
static void is_cut(weir_ctx *c, weir_http *http, struct peer *p)
{
    (void)p;
    weir_reply *r = weir_http_get(c, http, "/x");
    assert_null(weir_reply_body(r).ptr);
    assert_told(c, WEIR_ECLOSED, peer_is_h2() ? "the body broke off after" : "100 too early");
}

static void is_closed(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r = weir_http_get(c, http, "/x");
    weir_reply_close(r);
    weir_reply_close(r);
    assert_int_equal(weir_reply_err(r), WEIR_ECLOSED);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void test_cut_and_closed(void **state)
{
    (void)state;
    weir_str noise = some_noise(60000);
    struct result r = pack(WEIR_CODING_GZIP, noise);
    struct peer_step step = say("200 OK", "gzip", str_of(&r), LENGTH);
    PLAY(is_closed, step);
    step.size -= 100;
    step.then = PEER_CLOSES;
    PLAY(is_cut, step);
    PLAY(is_closed, say("200 OK", "gzip", (weir_str){r.ptr, 10}, LENGTH));
    free(r.ptr);
    free((char *)(uintptr_t)noise.ptr);
}

static uint64_t fails_nth;

static void survives(weir_ctx *c, weir_http *http, struct peer *p)
{
    WEIR_SCOPE(inner, c);
    assert_int_equal(weir_reply_err(weir_http_get(inner, http, "/")), WEIR_OK);
    weir__alloc_fail_nth(fails_nth);
    weir_reply *r = weir_http_get(inner, http, "/");
    weir_str body = weir_reply_body(r);
    weir__alloc_fail_nth(0);
    assert_int_equal(body.ptr == NULL, weir_reply_err(r) < 0);
    (void)weir_ctx_close(inner);
    weir_error_clear(c);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void test_memory_that_runs_out(void **state)
{
    (void)state;
    weir_str words = some_text(30000);
    struct result r = pack(WEIR_CODING_GZIP, words);
    for (fails_nth = 1; fails_nth < 20; fails_nth++)
        PLAY(survives, say("200 OK", "gzip", str_of(&r), CHUNKED));
    free(r.ptr);
    free((char *)(uintptr_t)words.ptr);
}

/* --- packing ---------------------------------------------------------------------------------- */

static const char *packed_as;

static void is_packed(weir_ctx *c, weir_http *http, struct peer *p)
{
    char line[60];
    struct weir__unpacker *u;
    weir_buf out;
    weir_reply *r =
        weir_http_do(c, http, "POST", "/", .body = text, .type = "text/plain", .pack = packed_as);
    assert_body(r, "hi");
    snprintf(line, sizeof line, "\r\nContent-Encoding: %s\r\n", packed_as);
    assert_true(was_sent(p, 0, line));
    const char *body = memmem(p->requests[0], p->sizes[0], "\r\n\r\n", 4);
    assert_non_null(body);
    weir_str sent = {body + 4, p->sizes[0] - (size_t)(body + 4 - p->requests[0])};
    assert_true(sent.len < text.len / 2);
    assert_int_equal(weir__unpacker_new(weir__coding_of(weir_str_from(packed_as)), NULL, &u), 0);
    weir_buf_init(&out, 1 << 20);
    assert_int_equal(weir__unpacker_unpack(u, sent, &out), 0);
    assert_true(weir_str_eq(weir_buf_str(&out), text));
    weir_buf_fini(&out);
    weir__unpacker_free(u);
    assert_body(weir_http_do(c, http, "POST", "/", .pack = packed_as), "hi");
    assert_false(was_sent(p, 1, "Content-Encoding"));
    r = weir_http_do(c, http, "POST", "/", .body = text, .pack = "zip");
    assert_int_equal(weir_reply_err(r), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, ".pack is \"zip\"; allowed: \"gzip\"");
    assert_int_equal(p->request_count, 2);
}

static void test_bodies_are_packed(void **state)
{
    (void)state;
    text = some_text(20000);
    for (size_t k = 0; k < ALL_CODINGS; k++) {
        packed_as = weir__coding_name(all_codings[k]).ptr;
        if (weir__coding_name(all_codings[k]).len > 0)
            PLAY(is_packed, {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"});
    }
    free((char *)(uintptr_t)text.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed_bodies_are_unpacked),
        cmocka_unit_test(test_what_was_not_asked_for_is_left),
        cmocka_unit_test(test_bombs_are_told),
        cmocka_unit_test(test_what_is_broken_is_told),
        cmocka_unit_test(test_cut_and_closed),
        cmocka_unit_test(test_memory_that_runs_out),
        cmocka_unit_test(test_bodies_are_packed),
    };
    peer_over();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
