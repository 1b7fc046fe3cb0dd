/*
 * Answers on the simulation: their heads, bodies of every kind read in every way and cut at every
 * byte, what is forgotten, and what is kept for too long.
 */
#include "http/client/testing.h"

#include "rt/log.h"
#include <weir/model.h>

#define HEAD(...) "HTTP/1.1 200 OK\r\n" __VA_ARGS__ "\r\n\r\n"
#define CHUNKED "Transfer-Encoding: chunked"

typedef struct item {
    int64_t id;
    weir_str name;
} item;
WEIR_MODEL(item, (id), (name));

/* --- the head --------------------------------------------------------------------------------- */

static void tells_its_head(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_str name, value;
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_status(r), 404);
    assert_false(weir_reply_is_ok(r));
    assert_int_equal(weir_reply_err(r), WEIR_OK);
    assert_true(weir_str_eq(weir_reply_header(r, "x-a"), WEIR_S("1")));
    assert_true(weir_str_eq(weir_reply_header(r, "X-EMPTY"), WEIR_S("")));
    assert_non_null(weir_reply_header(r, "X-Empty").ptr);
    assert_null(weir_reply_header(r, "X-B").ptr);
    size_t i = 0;
    while (weir_reply_header_at(r, i, &name, &value))
        i++;
    assert_int_equal(i, 4);
    assert_true(weir_reply_header_at(r, 2, &name, &value));
    assert_true(weir_str_ieq(name, WEIR_S("X-A")) && weir_str_eq(value, WEIR_S("2")));
    assert_body(r, "gone");
    assert_body(r, "gone"); /* the same at each call */
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

/* Answers without a body, whatever they say (RFC 9112 section 6.3). */
static void has_no_body(weir_ctx *c, weir_http *http, struct peer *p)
{
    char byte;
    weir_reply *r = weir_http_head(c, http, "/");
    assert_int_equal(weir_reply_status(r), 200);
    assert_true(weir_str_eq(weir_reply_header(r, "content-length"), WEIR_S("70")));
    assert_int_equal(weir_reply_read(r, &byte, 1), 0);
    assert_body(r, "");
    r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_status(r), 304);
    assert_body(r, "");
    r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_status(r), 204);
    assert_body(r, "");
    assert_int_equal(p->accepted, 1);
}

static void test_the_head_is_kept(void **state)
{
    (void)state;
    PLAY(tells_its_head, {.answer = "HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n"
                                    "HTTP/1.1 404 No\r\nX-A: 1\r\nX-Empty:\r\nX-A: 2\r\n"
                                    "Content-Length: 4\r\n\r\ngone"});
    PLAY(has_no_body, {.answer = HEAD("Content-Length: 70")},
         {.answer = "HTTP/1.1 304 x\r\nContent-Length: 70\r\n\r\n"},
         {.answer = "HTTP/1.1 204 x\r\n\r\n"});
}

/* --- bodies ----------------------------------------------------------------------------------- */

static const struct peer_step bodies[] = {
    {.answer = HEAD("Content-Length: 12") "hello, world"},
    {.answer = HEAD(CHUNKED) "5\r\nhello\r\n7;a=b\r\n, world\r\n0\r\n\r\n"},
    {.answer = HEAD(CHUNKED) "5\r\nhello\r\n7\r\n, world\r\n0\r\nX-Sum: 7\r\nB: c\r\n\r\n"},
    {.answer = "HTTP/1.0 200 OK\r\n\r\nhello, world", .then = PEER_CLOSES},
};

static size_t piece; /* so many bytes are asked for at a time */

static void reads_pieces(weir_ctx *c, weir_http *http, struct peer *p)
{
    char text[64] = "";
    weir_reply *r = weir_http_get(c, http, "/");
    size_t at = 0;
    for (ssize_t n; (n = weir_reply_read(r, text + at, piece)) > 0; at += (size_t)n)
        assert_true((size_t)n <= piece);
    assert_int_equal(weir_reply_err(r), WEIR_OK);
    assert_string_equal(text, "hello, world");
    assert_int_equal(weir_reply_read(r, text, sizeof text), 0);
    assert_int_equal(conn_stats(http, p).in_use, 0);
    if (strstr(p->steps[0].answer, "X-Sum") != NULL) {
        assert_true(weir_str_eq(weir_reply_trailer(r, "x-sum"), WEIR_S("7")));
        assert_true(weir_str_eq(weir_reply_trailer(r, "B"), WEIR_S("c")));
    }
    assert_null(weir_reply_trailer(r, "x-other").ptr);
    r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_read(r, text, 1), 1);
    assert_body(r, "ello, world"); /* what is left */
    assert_int_equal(weir_reply_body(r).ptr[11], '\0');
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void test_bodies_are_read_in_every_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        for (piece = 1; piece < 20; piece += 6) {
            struct peer_step slow = bodies[i];
            slow.in_bytes = true;
            PLAY(reads_pieces, bodies[i]);
            PLAY(reads_pieces, slow);
        }
    }
}

static void reads_much(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r = weir_http_get(c, http, "/");
    weir_str body = weir_reply_body(r);
    assert_int_equal(body.len, 1000000);
    for (size_t i = 0; i < body.len; i++)
        assert_int_equal(body.ptr[i], 'a' + i % 26);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void refuses_much(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r = weir_http_get(c, http, "/", .body_bytes_max = 999999);
    assert_null(weir_reply_body(r).ptr);
    assert_int_equal(weir_reply_err(r), WEIR_ETOOLARGE);
    assert_told(c, WEIR_ETOOLARGE, "the body is over 999999 bytes");
    assert_nothing_left(http, p);
}

static void test_bodies_read_whole_are_bounded(void **state)
{
    (void)state;
    enum { BODY = 1000000 };
    char *text = calloc(1, BODY + 200);
    assert_non_null(text);
    int head = sprintf(text, HEAD("Content-Length: %d"), BODY);
    for (int i = 0; i < BODY; i++)
        text[head + i] = (char)('a' + i % 26);
    const struct peer_step known = {.answer = text, .size = (size_t)head + BODY};
    PLAY(reads_much, known);
    PLAY(refuses_much, known);
    head = sprintf(text, "HTTP/1.1 200 OK\r\nX: %17s\r\n\r\n", "y");
    for (int i = 0; i < BODY; i++)
        text[head + i] = (char)('a' + i % 26);
    const struct peer_step unknown = {
        .answer = text, .size = (size_t)head + BODY, .then = PEER_CLOSES};
    PLAY(reads_much, unknown);
    PLAY(refuses_much, unknown);
    free(text);
}

/* --- bodies that lie -------------------------------------------------------------------------- */

struct lie {
    struct peer_step step;
    weir_err err;
    const char *told;
};

static const struct lie lies[] = {
    {{.answer = HEAD("Content-Length: 12") "hello", .then = PEER_CLOSES},
     WEIR_ECLOSED,
     "cut after 5 bytes of the body, 7 too early"},
    {{.answer = HEAD(CHUNKED) "5\r\nhello\r\n", .then = PEER_CLOSES},
     WEIR_ECLOSED,
     "cut after 5 bytes of the body, before its end"},
    {{.answer = HEAD(CHUNKED) "5\r\nhello\r\n0\r\n", .then = PEER_CLOSES},
     WEIR_ECLOSED,
     "cut after 5 bytes"},
    {{.answer = HEAD(CHUNKED) "5\r\nhello!\r\n0\r\n\r\n"}, WEIR_EPROTO, "a malformed body: "},
    {{.answer = HEAD(CHUNKED) "5\nhello\r\n0\r\n\r\n"}, WEIR_EPROTO, "a malformed body: "},
    {{.answer = HEAD(CHUNKED) "-5\r\nhello\r\n0\r\n\r\n"}, WEIR_EPROTO, "a malformed body: "},
    {{.answer = HEAD("Content-Length: 12") "hello", .then = PEER_HANGS},
     WEIR_ETIMEDOUT,
     "nothing more came in time, after 5 bytes of the body"},
    {{.answer = HEAD(CHUNKED) "5\r\nhello\r\n", .then = PEER_HANGS},
     WEIR_ETIMEDOUT,
     "nothing more came in time, after 5 bytes of the body"},
    {{.answer = HEAD("Content-Length: 12") "hello", .then = PEER_RESETS},
     -ECONNRESET,
     "the body broke off after"},
};

static const struct lie *lie;

static void is_found_out(weir_ctx *c, weir_http *http, struct peer *p)
{
    char bytes[64];
    weir_time before = weir_now();
    weir_reply *r = weir_http_get(c, http, "/");
    if (weir_reply_err(r) == WEIR_OK)
        assert_null(weir_reply_body(r).ptr);
    else
        assert_int_equal(lie->err, -ECONNRESET); /* it may take the head along */
    assert_int_equal(weir_reply_err(r), lie->err);
    if (lie->err != -ECONNRESET)
        assert_told(c, lie->err, peer_is_h2() ? "after 5 bytes" : lie->told);
    assert_int_equal(weir_reply_read(r, bytes, sizeof bytes), lie->err);
    assert_null(weir_reply_body(r).ptr);
    assert_null(weir_reply_trailer(r, "x").ptr);
    assert_nothing_left(http, p);
    assert_true(weir_time_sub(weir_now(), before).ns < 1100000000); /* .idle_timeout */
}

static void test_lies_are_found_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        lie = &lies[i];
        if (!peer_is_h2() || lie->err != WEIR_EPROTO) /* HTTP/2 has no chunks */
            PLAY(is_found_out, lie->step);
    }
}

/* Cut at every byte no answer looks whole but the whole one. */
static const char *whole_answer;

static void is_cut(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r = weir_http_get(c, http, "/");
    weir_str body = weir_reply_body(r);
    bool is_whole = p->steps[0].size == strlen(whole_answer);
    assert_int_equal(body.ptr != NULL, is_whole);
    assert_int_equal(weir_reply_err(r), is_whole ? WEIR_OK : WEIR_ECLOSED);
    weir_error_clear(c);
}

static void test_no_cut_answer_looks_whole(void **state)
{
    (void)state;
    static const char *const answers[] = {
        HEAD("Content-Length: 5") "hello",
        HEAD(CHUNKED) "2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
    };
    for (size_t i = 0; i < 2; i++) {
        whole_answer = answers[i];
        for (size_t n = 1; n <= strlen(whole_answer); n++)
            PLAY(is_cut, {.answer = whole_answer, .size = n, .then = PEER_CLOSES});
    }
}

/* One that never ends is stopped by its limits: a byte now and then is no idle body. */
static void ends_in_time(weir_ctx *c, weir_http *http, struct peer *p)
{
    (void)p;
    weir_time before = weir_now();
    weir_reply *r = weir_http_get(c, http, "/", .timeout = weir_ms(5));
    assert_null(weir_reply_body(r).ptr);
    assert_int_equal(weir_reply_err(r), WEIR_ETIMEDOUT);
    assert_told(c, WEIR_ETIMEDOUT, "in time");
    assert_in_range(weir_time_sub(weir_now(), before).ns, 5000000, 8000000);
}

static void test_an_endless_answer_ends(void **state)
{
    (void)state;
    char *text = calloc(1, 20000);
    assert_non_null(text);
    memset(text, 'x', 19999);
    memcpy(text, HEAD("X: y"), strlen(HEAD("X: y")));
    PLAY(ends_in_time, {.answer = text, .in_bytes = true});
    free(text);
}

/* --- models ----------------------------------------------------------------------------------- */

static void reads_models(weir_ctx *c, weir_http *http, struct peer *p)
{
    item it = {.id = 1};
    weir_reply *r = weir_http_get(c, http, "/items/42");
    assert_int_equal(weir_reply_json(r, item, &it), WEIR_OK);
    assert_int_equal(it.id, 42);
    assert_true(weir_str_eq(it.name, WEIR_S("pen")));
    r = weir_http_get(c, http, "/items/43");
    assert_int_equal(weir_reply_json(r, item, &it), WEIR_EINVALID);
    assert_int_equal(it.id, 0);
    assert_told(c, WEIR_EINVALID, "/items/43: the answer is not a item: /id ");
    r = weir_http_get(c, http, "/items/44");
    assert_int_equal(weir_reply_json(r, item, &it), WEIR_EFAIL);
    assert_told(c, WEIR_EFAIL, "/items/44: the status is 404");
    assert_body(r, "{\"id\":1}"); /* it can be read still */
    assert_int_equal(weir_reply_err(r), WEIR_OK);
    assert_int_equal(p->accepted, 1);
}

static void test_answers_go_into_models(void **state)
{
    (void)state;
    PLAY(reads_models, {.answer = HEAD("Content-Length: 23") "{\"id\":42, \"name\":\"pen\"}"},
         {.answer = HEAD(CHUNKED) "a\r\n{\"id\":\"42\"\r\n1\r\n}\r\n0\r\n\r\n"},
         {.answer = "HTTP/1.1 404 x\r\nContent-Length: 8\r\n\r\n{\"id\":1}"});
}

/* --- closed, forgotten, kept ------------------------------------------------------------------ */

#define LONG_BODY HEAD("Content-Length: 100000") "begin"

static void is_closed(weir_ctx *c, weir_http *http, struct peer *p)
{
    char byte;
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(conn_stats(http, p).in_use, 1);
    weir_reply_close(r);
    weir_reply_close(r);
    assert_nothing_left(http, p); /* what is still to come would cost more */
    assert_int_equal(weir_reply_read(r, &byte, 1), WEIR_ECLOSED);
    assert_int_equal(weir_reply_status(r), 200);
}

/* A short rest that is there is thrown away: the connection stays. */
static void is_closed_with_little_left(weir_ctx *c, weir_http *http, struct peer *p)
{
    char byte;
    for (int i = 0; i < 3; i++) {
        weir_reply *r = weir_http_get(c, http, "/");
        assert_int_equal(weir_reply_read(r, &byte, 1), 1);
        assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
        weir_reply_close(r);
        assert_int_equal(conn_stats(http, p).idle, 1);
    }
    assert_int_equal(p->accepted, 1);
}

/* What is malformed behind what was read is nobody's error: it is not asked for. */
static void is_closed_before_a_mistake(weir_ctx *c, weir_http *http, struct peer *p)
{
    char byte;
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_read(r, &byte, 1), 1);
    weir_reply_close(r);
    assert_null(weir_last_error(c));
    assert_nothing_left(http, p);
}

enum { MANY = 10000 };

/* B7: descriptors and pool stay flat, whatever kind of answer is forgotten. */
static void forgets_many(weir_ctx *c, weir_http *http, struct peer *p)
{
    size_t held = 0;
    for (int i = 0; i < MANY; i++) {
        WEIR_SCOPE(request, c);
        weir_reply *r = weir_http_get(request, http, "/");
        assert_int_equal(weir_reply_status(r), 200);
        (void)weir_ctx_close(request);
        if (i == 10)
            held = weir__sim_held();
    }
    assert_true(weir__sim_held() <= held + 1);
    assert_true(conn_stats(http, p).open <= 1);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

/* The same in one context, of answers that came whole: no connection is kept by them. */
static void forgets_many_at_once(weir_ctx *c, weir_http *http, struct peer *p)
{
    for (int i = 0; i < MANY; i++) {
        weir_reply *r = weir_http_get(c, http, "/");
        assert_int_equal(weir_reply_status(r), 200);
    }
    assert_int_equal(p->accepted, 1);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

/* All connections are this fiber's own replies': it would wait for itself. */
static void holds_them_all(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r = weir_http_get(c, http, "/1");
    assert_int_equal(weir_reply_status(weir_http_get(c, http, "/2")), 200);
    weir_reply *third = weir_http_get(c, http, "/3");
    assert_int_equal(weir_reply_err(third), WEIR_EDEADLK);
    assert_told(c, WEIR_EDEADLK, "it would wait for itself");
    weir_reply_close(r);
    assert_int_equal(weir_reply_status(weir_http_get(c, http, "/3")), 200);
    assert_int_equal(conn_stats(http, p).in_use, 2);
}

static void test_nothing_is_lost(void **state)
{
    (void)state;
    PLAY(is_closed, {.answer = LONG_BODY, .then = PEER_HANGS});
    PLAY(is_closed_with_little_left, {.answer = HEAD("Content-Length: 9") "b", .rest = "egin mor"});
    PLAY(is_closed_with_little_left,
         {.answer = HEAD(CHUNKED) "1\r\nb", .rest = "\r\n3\r\negi\r\n0\r\n\r\n"});
    if (!peer_is_h2()) /* which has no chunks */
        PLAY(is_closed_before_a_mistake, {.answer = HEAD(CHUNKED) "1\r\nb\r\nx\r\n"});
    PLAY(forgets_many, {.answer = HEAD("Content-Length: 2") "hi"});
    PLAY(forgets_many, {.answer = LONG_BODY, .then = PEER_STAYS});
    PLAY(forgets_many_at_once, {.answer = HEAD("Content-Length: 2") "hi"});
    if (!peer_is_h2()) /* where a connection has room for many */
        PLAY(holds_them_all, {.answer = LONG_BODY, .then = PEER_STAYS});
}

/* X5: a body that is not read to its end for too long is told with the line that asked. */
static void is_kept_for_long(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    char bytes[8000], place[64];
    weir_buf log;
    weir_http *http =
        weir_http_open(c, .base = p->base, .pool = {.leak_threshold = weir_ms(50), .max_open = 2});
    weir_buf_init_fixed(&log, bytes, sizeof bytes - 1);
    weir__log_capture(&log);
    weir_reply *r = weir_http_get(c, http, "/");
    snprintf(place, sizeof place, "reply_test.c:%d", __LINE__ - 1);
    assert_int_equal(weir_reply_status(r), 200);
    assert_int_equal(weir_sleep(c, weir_ms(200)), WEIR_OK);
    weir__log_capture(NULL);
    bytes[log.len] = '\0';
    assert_non_null(strstr(bytes, "a reply of pool "));
    assert_non_null(strstr(bytes, place));
    assert_non_null(strstr(bytes, "is_kept_for_long")); /* the stack */
    assert_int_equal(conn_stats(http, p).leaked, 1);
    weir_reply_close(r);
    assert_int_equal(conn_stats(http, p).leaks_returned, 1);
}

static void test_what_is_kept_for_too_long_is_told(void **state)
{
    (void)state;
    PLAY(is_kept_for_long, {.answer = LONG_BODY, .then = PEER_HANGS});
}

/* --- one fiber's ------------------------------------------------------------------------------ */

static weir_err read_anothers(weir_ctx *c, void *arg)
{
    char byte;
    (void)c;
    return (weir_err)weir_reply_read(arg, &byte, 1);
}

static void is_one_fibers(weir_ctx *c, weir_http *http, struct peer *p)
{
    (void)p;
    WEIR_SCOPE(group, c);
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(WEIR_GO(group, read_anothers, r), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_EPANIC);
    assert_told(group, WEIR_EPANIC, "by another fiber: a reply is one fiber's");
    (void)weir_ctx_close(group);
}

static void test_a_reply_is_one_fibers(void **state)
{
    (void)state;
    PLAY(is_one_fibers, {.answer = LONG_BODY, .then = PEER_HANGS});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_head_is_kept),
        cmocka_unit_test(test_bodies_are_read_in_every_way),
        cmocka_unit_test(test_bodies_read_whole_are_bounded),
        cmocka_unit_test(test_lies_are_found_out),
        cmocka_unit_test(test_no_cut_answer_looks_whole),
        cmocka_unit_test(test_an_endless_answer_ends),
        cmocka_unit_test(test_answers_go_into_models),
        cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(test_what_is_kept_for_too_long_is_told),
        cmocka_unit_test(test_a_reply_is_one_fibers),
    };
    peer_over();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
