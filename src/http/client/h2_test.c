/*
 * HTTP/2 on the simulation, against a server that is played frame by frame: what is sent, what
 * comes of each answer, and how many go together. What an answer may not be is h2_answers_test.c's.
 */
#include "http/client/h2_testing.h"

#include <errno.h>

#if WEIR_HTTP2

/* --- what goes through ------------------------------------------------------------------------ */

/* Each request gets what its path asks for. */
static void answer(struct peer *p, const struct frame *f)
{
    uint32_t id = f->id;
    if (strstr(f->fields, ":path: /empty") != NULL) {
        PUT_FIELDS(p, id, END_STREAM, ":status", "204");
    } else if (strstr(f->fields, ":path: /interim") != NULL) {
        PUT_FIELDS(p, id, 0, ":status", "103", "link", "</a>");
        PUT_FIELDS(p, id, 0, ":status", "100");
        put_ok(p, id, "late");
    } else if (strstr(f->fields, ":path: /trailers") != NULL) {
        PUT_FIELDS(p, id, 0, ":status", "200", "content-length", "5");
        put_data(p, id, 0, "he");
        put_data(p, id, 0, "llo");
        PUT_FIELDS(p, id, END_STREAM, "x-sum", "7");
    } else if (strstr(f->fields, ":method: HEAD") != NULL) {
        PUT_FIELDS(p, id, END_STREAM, ":status", "200", "content-length", "50");
    } else {
        PUT_FIELDS(p, id, 0, ":status", "200", "x-test", "yes");
        put_data(p, id, 0, "hel");
        peer_wait(p, 2);
        put_data(p, id, END_STREAM, "lo");
    }
}

static void serve_all(struct h2_server *s, struct peer *p)
{
    struct frame f;
    if (!greet(p))
        return;
    while (await_of(s, p, HEADERS, &f)) {
        if (s->arg != NULL)
            assert_in(f.fields, (const char *)s->arg);
        answer(p, &f);
    }
}

static void asks(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    weir_reply *r =
        weir_http_get(c, http, "/a?b=c", .headers = WEIR_HTTP_HEADERS({"X-Own", WEIR_S("1")}));
    assert_int_equal(weir_reply_status(r), 200);
    assert_true(weir_str_eq(weir_reply_header(r, "X-Test"), WEIR_S("yes")));
    assert_text(r, "hello");
    r = weir_http_get(c, http, "/empty");
    assert_int_equal(weir_reply_status(r), 204);
    assert_text(r, "");
    assert_text(weir_http_get(c, http, "/interim"), "late");
    r = weir_http_get(c, http, "/trailers");
    assert_text(r, "hello");
    assert_true(weir_str_eq(weir_reply_trailer(r, "X-Sum"), WEIR_S("7")));
    r = weir_http_head(c, http, "/");
    assert_true(weir_str_eq(weir_reply_header(r, "content-length"), WEIR_S("50")));
    assert_text(r, "");
    r = weir_http_get(c, http, "/pieces");
    char bytes[8];
    assert_int_equal(weir_reply_read(r, bytes, 2), 2);
    assert_int_equal(weir_reply_read(r, bytes + 2, 6), 1);
    assert_int_equal(weir_reply_read(r, bytes + 3, 5), 2);
    assert_int_equal(weir_reply_read(r, bytes, 8), 0);
    assert_int_equal(s->accepted, 1);
    assert_int_equal(s->requests, 6);
    assert_int_equal(s->ids[5], 11);
    assert_int_equal(s->resets, 0);
}

static void asks_once(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    weir_reply *r = weir_http_do(c, http, "GET", "/a?b=c",
                                 .headers = WEIR_HTTP_HEADERS({"X-Own", WEIR_S("1")}));
    assert_text(r, "hello");
    assert_int_equal(s->requests, 1);
}

static void test_it_asks_and_reads(void **state)
{
    (void)state;
    PLAY_H2(serve_all, asks);
    PLAY_H2(serve_all, asks_once, .arg = ":method: GET\n:scheme: http\n:authority: 127.0.0.1:");
    PLAY_H2(serve_all, asks_once, .arg = ":path: /a?b=c\nx-own: 1\nuser-agent: weir/");
}

/* --- bodies that are sent --------------------------------------------------------------------- */

/* Takes a request's body whole, its windows open, and says how long it was. */
static void count_bodies(struct h2_server *s, struct peer *p)
{
    struct frame f;
    char text[32];
    size_t all = 0;
    if (!greet(p))
        return;
    while (await_frame(p, &f)) {
        note_frame(s, &f);
        if (f.type != DATA)
            continue;
        all += f.len;
        if (f.len > 0) {
            put_u32(p, WINDOW_UPDATE, 0, f.len);
            put_u32(p, WINDOW_UPDATE, f.id, f.len);
        }
        if ((f.flags & END_STREAM) == 0)
            continue;
        snprintf(text, sizeof text, "%zu", all);
        put_ok(p, f.id, text);
        all = 0;
    }
}

static char large[300000];

static void sends(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    const weir_str body = {large, sizeof large};
    assert_text(weir_http_do(c, http, "POST", "/", .body = WEIR_S("hello")), "5");
    assert_text(weir_http_do(c, http, "POST", "/", .body = body), "300000");
    weir_reply *r = weir_http_begin(c, http, "POST", "/");
    for (int i = 0; i < 100; i++)
        assert_int_equal(weir_http_write(r, large, 100), WEIR_OK);
    assert_int_equal(weir_http_write(r, large, sizeof large), WEIR_OK);
    assert_int_equal(weir_http_write(r, large, 7), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_text(r, "310007");
    r = weir_http_begin(c, http, "POST", "/");
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_text(r, "0");
    assert_int_equal(s->accepted, 1);
}

/* The body comes when it was asked for, and not before. */
static void says_continue(struct h2_server *s, struct peer *p)
{
    struct frame f;
    if (!greet(p) || !await_of(s, p, HEADERS, &f))
        return;
    assert_in(f.fields, "expect: 100-continue\n");
    assert_false(next_of(p, DATA, &f));
    PUT_FIELDS(p, 1, 0, ":status", "100");
    assert_true(await_of(s, p, DATA, &f));
    assert_int_equal(f.len, 5);
    put_ok(p, 1, "got it");
    await_end(s, p);
}

static void expects(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    (void)s;
    assert_text(
        weir_http_do(c, http, "POST", "/", .body = WEIR_S("hello"), .expect_continue = true),
        "got it");
}

/* It answers instead, so nothing of the body may come: RFC 9110 section 10.1.1. */
static void answers_instead(struct h2_server *s, struct peer *p)
{
    struct frame f;
    if (!greet(p))
        return;
    while (await_frame(p, &f)) {
        note_frame(s, &f);
        assert_int_not_equal(f.type, DATA);
        if (f.type != HEADERS)
            continue;
        assert_in(f.fields, "expect: 100-continue\n");
        PUT_FIELDS(p, f.id, 0, ":status", "401");
        peer_wait(p, 1);
        put_data(p, f.id, END_STREAM, "who are you");
    }
}

static void is_answered_instead(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    const weir_str body = {large, sizeof large};
    weir_reply *r = weir_http_do(c, http, "POST", "/", .body = body, .expect_continue = true);
    assert_int_equal(weir_reply_status(r), 401);
    assert_text(r, "who are you");
    r = weir_http_begin(c, http, "POST", "/", .expect_continue = true);
    assert_int_equal(weir_http_write(r, large, sizeof large), WEIR_ECLOSED);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_text(r, "who are you");
    assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
    assert_int_equal(s->resets, 2);
    assert_int_equal(s->code, WEIR_H2_CANCEL);
    assert_int_equal(s->accepted, 1);
}

/* Who does both at once has begun its answer, and reads behind it. */
static void answers_and_reads(struct h2_server *s, struct peer *p)
{
    struct frame f;
    if (!greet(p) || !await_of(s, p, HEADERS, &f))
        return;
    PUT_FIELDS(p, f.id, 0, ":status", "200");
    assert_true(await_of(s, p, DATA, &f));
    assert_int_equal(f.len, 5);
    put_data(p, f.id, END_STREAM, "read");
    await_end(s, p);
}

static void goes_on_behind(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    weir_reply *r = weir_http_begin(c, http, "POST", "/", .expect_continue = true, .duplex = true);
    (void)s;
    assert_int_equal(weir_http_write(r, "hello", 5), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_text(r, "read");
}

/* It answers a part, and wants no more: section 8.1. */
static void answers_early(struct h2_server *s, struct peer *p)
{
    struct frame f;
    if (!greet(p) || !await_of(s, p, DATA, &f))
        return;
    PUT_FIELDS(p, f.id, 0, ":status", "413");
    put_data(p, f.id, END_STREAM, "too much");
    put_u32(p, RST_STREAM, f.id, WEIR_H2_NO_ERROR);
    await_end(s, p);
}

static void sends_too_much(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    const weir_str body = {large, sizeof large};
    weir_reply *r = weir_http_do(c, http, "POST", "/", .body = body);
    assert_int_equal(weir_reply_status(r), 413);
    assert_text(r, "too much");
    assert_int_equal(s->accepted, 1);
}

static void streams_too_much(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    weir_reply *r = weir_http_begin(c, http, "POST", "/");
    weir_err err = WEIR_OK;
    for (int i = 0; i < 10 && err == WEIR_OK; i++)
        err = weir_http_write(r, large, sizeof large);
    assert_int_equal(err, WEIR_ECLOSED);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_text(r, "too much");
    assert_int_equal(s->accepted, 1);
}

/* Its window stays shut. */
static void takes_nothing(struct h2_server *s, struct peer *p)
{
    if (greet(p))
        await_end(s, p);
}

static void is_not_taken(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    const weir_str body = {large, sizeof large};
    weir_reply *r = weir_http_do(c, http, "POST", "/", .body = body);
    assert_int_equal(weir_reply_err(r), WEIR_ETIMEDOUT);
    assert_said(c, WEIR_ETIMEDOUT, "the peer took nothing more in time, after 65");
    assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
    assert_int_equal(s->resets, 1);
    assert_int_equal(s->code, WEIR_H2_CANCEL);
    assert_int_equal(s->goaways, 0);
}

static void test_bodies_are_sent(void **state)
{
    (void)state;
    PLAY_H2(count_bodies, sends);
    PLAY_H2(says_continue, expects);
    PLAY_H2(answers_instead, is_answered_instead);
    PLAY_H2(answers_and_reads, goes_on_behind);
    PLAY_H2(answers_early, sends_too_much);
    PLAY_H2(answers_early, streams_too_much);
    PLAY_H2(takes_nothing, is_not_taken);
}

/* --- many on one connection ------------------------------------------------------------------- */

static weir_err ask_often(weir_ctx *c, void *arg)
{
    for (int i = 0; i < 50; i++) {
        WEIR_WITH(request, c) {
            assert_text(weir_http_get(request, arg, "/x"), "hello");
        }
    }
    return WEIR_OK;
}

static void serve_at_once(struct h2_server *s, struct peer *p)
{
    struct frame f;
    if (!greet(p))
        return;
    while (await_of(s, p, HEADERS, &f))
        put_ok(p, f.id, "hello");
}

static void ask_a_thousand(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 20; i++)
        assert_int_equal(WEIR_GO(group, ask_often, http), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(s->requests, 1000);
    assert_int_equal(s->accepted, 1);
    const weir_http *in = weir__token_must(http, WEIR__KIND_HTTP, "test", "the client");
    assert_int_equal(weir__counter_read(&in->cells[0].opened), 1);
    assert_int_equal(weir__counter_read(&in->cells[0].reused), 999);
}

static void test_a_thousand_calls_over_one_connection(void **state)
{
    (void)state;
    PLAY_H2(serve_at_once, ask_a_thousand);
}

/* --- several at a time ------------------------------------------------------------------------ */

struct call {
    weir_http *http;
    const char *path, *text;
    weir_err err;
    weir_dur timeout;
    bool is_done;
};

static weir_err call(weir_ctx *c, void *arg)
{
    struct call *k = arg;
    weir_reply *r = weir_http_do(c, k->http, "POST", k->path, .timeout = k->timeout);
    weir_str body = weir_reply_body(r);
    k->err = weir_reply_err(r);
    if (k->err == WEIR_OK)
        assert_true(weir_str_eq(body, weir_str_from(k->text)));
    k->is_done = true;
    return WEIR_OK;
}

/* The first three are there before any is answered; then it goes, and the third was not done. */
static void goes_after_three(struct h2_server *s, struct peer *p)
{
    static const unsigned char goaway[] = {0, 0, 0, 3, 0, 0, 0, 0};
    struct frame f;
    if (!greet(p))
        return;
    if (s->accepted > 1) {
        while (await_of(s, p, HEADERS, &f))
            put_ok(p, f.id, "second");
        return;
    }
    for (int i = 0; i < 3; i++)
        assert_true(await_of(s, p, HEADERS, &f));
    put_frame(p, GOAWAY, 0, 0, goaway, sizeof goaway);
    peer_wait(p, 20);
    put_ok(p, 1, "first");
    put_ok(p, 3, "first");
    await_end(s, p);
}

static void ask_three(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    struct call calls[] = {{http, "/1", "first", 1, {0}, false},
                           {http, "/2", "first", 1, {0}, false},
                           {http, "/3", "second", 1, {0}, false}};
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(group, call, &calls[i]), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    for (int i = 0; i < 3; i++)
        assert_int_equal(calls[i].err, WEIR_OK);
    bool is_one = s->arg != NULL;
    assert_int_equal(s->accepted, is_one ? 1 : 2);
    assert_int_equal(s->requests, is_one ? 3 : 4); /* one was asked again */
}

/* It goes when it has answered: the next one goes elsewhere, and nothing is asked twice. */
static void goes_after_one(struct h2_server *s, struct peer *p)
{
    static const unsigned char goaway[] = {0, 0, 0, 1, 0, 0, 0, 0};
    struct frame f;
    if (!greet(p) || !await_of(s, p, HEADERS, &f))
        return;
    put_ok(p, f.id, "done");
    put_frame(p, GOAWAY, 0, 0, goaway, sizeof goaway);
    await_end(s, p);
}

static void ask_one_by_one(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    for (int i = 1; i <= 3; i++) {
        assert_text(weir_http_do(c, http, "POST", "/", .body = WEIR_S("x")), "done");
        assert_int_equal(s->accepted, i);
        assert_int_equal(s->requests, i);
        assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    }
}

static void test_who_goes_says_what_it_has_not_done(void **state)
{
    (void)state;
    PLAY_H2(goes_after_three, ask_three);
    PLAY_H2(goes_after_one, ask_one_by_one);
}

/* Two run; then there is room for one alone, and the third begins when both have ended. */
static void shrinks(struct h2_server *s, struct peer *p)
{
    struct frame f;
    if (!await_preface(p) || !put_setting(p, 3, 2))
        return;
    for (int i = 0; i < 2; i++)
        assert_true(await_of(s, p, HEADERS, &f));
    put_setting(p, 3, 1);
    peer_wait(p, 5);
    put_ok(p, 1, "first");
    peer_wait(p, 5);
    assert_false(next_of(p, HEADERS, &f));
    put_ok(p, 3, "first");
    assert_true(await_of(s, p, HEADERS, &f));
    put_ok(p, f.id, "second");
    await_end(s, p);
}

static void test_room_that_shrinks(void **state)
{
    (void)state;
    PLAY_H2(shrinks, ask_three, .max_open = 1, .arg = "one");
}

/* One is given up, the other goes on: a reset of its stream alone. */
static void answers_the_second(struct h2_server *s, struct peer *p)
{
    struct frame f;
    if (!greet(p))
        return;
    for (int i = 0; i < 2; i++)
        assert_true(await_of(s, p, HEADERS, &f));
    assert_true(await_of(s, p, RST_STREAM, &f));
    assert_int_equal(f.id, 1);
    assert_int_equal(code_of(&f), WEIR_H2_CANCEL);
    put_ok(p, 1, "too late");
    put_ok(p, 3, "first");
    await_end(s, p);
}

static void gives_one_up(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    struct call calls[] = {{http, "/1", "", 1, weir_ms(100), false},
                           {http, "/2", "first", 1, {0}, false}};
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 2; i++)
        assert_int_equal(WEIR_GO(group, call, &calls[i]), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(calls[0].err, WEIR_ETIMEDOUT);
    assert_int_equal(calls[1].err, WEIR_OK);
    assert_int_equal(s->accepted, 1);
}

static void test_giving_up_ends_one_stream(void **state)
{
    (void)state;
    PLAY_H2(answers_the_second, gives_one_up);
}

/* A body that nobody reads: it stops at its window, and others go on. */
static void sends_much(struct h2_server *s, struct peer *p)
{
    struct frame f;
    size_t sent = 0, room = 262144;
    if (!greet(p) || !await_of(s, p, HEADERS, &f))
        return;
    PUT_FIELDS(p, 1, 0, ":status", "200", "content-length", "300000");
    for (; sent + 16384 <= room; sent += 16384)
        put_frame(p, DATA, 0, 1, large, 16384);
    assert_true(await_of(s, p, HEADERS, &f));
    put_ok(p, 3, "first");
    while (sent < sizeof large && await_of(s, p, WINDOW_UPDATE, &f)) {
        if (f.id != 1)
            continue;
        put_frame(p, DATA, 0, 1, large, 16384);
        sent += 16384;
        put_frame(p, DATA, 0, 1, large, 16384);
        sent += 16384;
        put_frame(p, DATA, END_STREAM, 1, large, sizeof large - sent);
        sent = sizeof large;
    }
    await_end(s, p);
}

static void reads_late(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    weir_reply *r = weir_http_get(c, http, "/1");
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    assert_text(weir_http_get(c, http, "/2"), "first");
    assert_int_equal(weir_reply_body(r).len, sizeof large);
    assert_int_equal(s->accepted, 1);
    assert_int_equal(s->resets, 0);
}

/* One that is forgotten is reset with its context. */
static void forgets(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    WEIR_WITH(request, c) {
        assert_int_equal(weir_reply_status(weir_http_get(request, http, "/1")), 200);
    }
    assert_text(weir_http_get(c, http, "/2"), "first");
    assert_int_equal(s->resets, 1);
    assert_int_equal(s->accepted, 1);
}

static void test_a_body_that_nobody_reads_stops_itself(void **state)
{
    (void)state;
    PLAY_H2(sends_much, reads_late);
    PLAY_H2(sends_much, forgets);
}

/* --- refusals and retries --------------------------------------------------------------------- */

static void refuses_once(struct h2_server *s, struct peer *p)
{
    struct frame f;
    if (!greet(p))
        return;
    while (await_of(s, p, HEADERS, &f)) {
        if (s->requests == 1)
            put_u32(p, RST_STREAM, f.id, WEIR_H2_REFUSED_STREAM);
        else
            put_ok(p, f.id, "done");
    }
}

static void is_refused_once(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    assert_text(weir_http_do(c, http, "POST", "/", .body = WEIR_S("x")), "done");
    assert_int_equal(s->requests, 2);
    assert_int_equal(s->accepted, 1);
}

static void test_what_was_refused_is_asked_again(void **state)
{
    (void)state;
    PLAY_H2(refuses_once, is_refused_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_asks_and_reads),
        cmocka_unit_test(test_bodies_are_sent),
        cmocka_unit_test(test_a_thousand_calls_over_one_connection),
        cmocka_unit_test(test_who_goes_says_what_it_has_not_done),
        cmocka_unit_test(test_room_that_shrinks),
        cmocka_unit_test(test_giving_up_ends_one_stream),
        cmocka_unit_test(test_a_body_that_nobody_reads_stops_itself),
        cmocka_unit_test(test_what_was_refused_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static weir_err asks(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_http *http = weir_http_open(c, .base = "http://127.0.0.1:1", .http2 = WEIR_HTTP2_PRIOR);
    assert_int_equal(weir_http_err(http), WEIR_ENOTBUILT);
    return WEIR_OK;
}

static void test_there_is_none(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(asks, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
