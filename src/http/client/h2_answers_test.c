/*
 * HTTP/2 on the simulation: what an answer may not be, cut at every byte, and servers that are
 * silent or speak something else. One clear error each, and the connection goes on where it can.
 */
#include "http/client/h2_testing.h"

#include <errno.h>

#if WEIR_HTTP2

/* --- what an answer may not be ---------------------------------------------------------------- */

struct row {
    const char *name;
    void (*answer)(struct peer *p, uint32_t id);
    weir_err err;
    const char *told;
    bool goes_on; /* the connection */
};

static void says_nothing(struct peer *p, uint32_t id)
{
    (void)p, (void)id;
}

static void hangs_up(struct peer *p, uint32_t id)
{
    (void)id;
    weir__sim_shutdown(p->num);
}

#define RESETS(name, its_code)                                                                     \
    static void name(struct peer *p, uint32_t id)                                                  \
    {                                                                                              \
        put_u32(p, RST_STREAM, id, its_code);                                                      \
    }
RESETS(resets_no_error, WEIR_H2_NO_ERROR)
RESETS(resets_protocol, WEIR_H2_PROTOCOL_ERROR)
RESETS(resets_internal, WEIR_H2_INTERNAL_ERROR)
RESETS(resets_cancel, WEIR_H2_CANCEL)
RESETS(resets_refused, WEIR_H2_REFUSED_STREAM)
RESETS(resets_calm, WEIR_H2_ENHANCE_YOUR_CALM)
RESETS(resets_http1, WEIR_H2_HTTP_1_1_REQUIRED)
RESETS(resets_unknown, 0x1234)

/* A head, and what follows it. */
#define HEADS(name, ...)                                                                           \
    static void name(struct peer *p, uint32_t id)                                                  \
    {                                                                                              \
        PUT_FIELDS(p, id, 0, __VA_ARGS__);                                                         \
        put_data(p, id, END_STREAM, "hello");                                                      \
    }
HEADS(no_status, "x-a", "b")
HEADS(bad_status, ":status", "20x")
HEADS(short_status, ":status", "20")
HEADS(two_statuses, ":status", "200", ":status", "200")
HEADS(late_status, "x-a", "b", ":status", "200")
HEADS(requests_path, ":status", "200", ":path", "/")
HEADS(has_connection, ":status", "200", "connection", "close")
HEADS(has_coding, ":status", "200", "transfer-encoding", "chunked")
HEADS(has_te, ":status", "200", "te", "trailers")
HEADS(has_upper, ":status", "200", "X-Upper", "b")
HEADS(has_blank, ":status", "200", "x-a", " b")
HEADS(is_longer, ":status", "200", "content-length", "4")
HEADS(is_shorter, ":status", "200", "content-length", "6")
HEADS(has_two_lengths, ":status", "200", "content-length", "5", "content-length", "5")
HEADS(has_bad_length, ":status", "200", "content-length", "-5")
HEADS(changes_protocols, ":status", "101")
HEADS(has_body_at_204, ":status", "204")

static void ends_interim(struct peer *p, uint32_t id)
{
    PUT_FIELDS(p, id, END_STREAM, ":status", "103");
}

static void body_first(struct peer *p, uint32_t id)
{
    put_data(p, id, END_STREAM, "hello");
}

static void body_behind_interim(struct peer *p, uint32_t id)
{
    PUT_FIELDS(p, id, 0, ":status", "103");
    put_data(p, id, 0, "hello");
}

static void interims(struct peer *p, uint32_t id)
{
    for (int i = 0; i < 9; i++)
        PUT_FIELDS(p, id, 0, ":status", "103");
}

static void bad_trailers(struct peer *p, uint32_t id)
{
    PUT_FIELDS(p, id, 0, ":status", "200");
    PUT_FIELDS(p, id, END_STREAM, ":status", "200");
}

static void open_trailers(struct peer *p, uint32_t id)
{
    PUT_FIELDS(p, id, 0, ":status", "200");
    PUT_FIELDS(p, id, 0, "x-a", "b");
}

static void large_head(struct peer *p, uint32_t id)
{
    static char value[3000];
    memset(value, 'a', sizeof value - 1);
    const char *f[26] = {":status", "200"};
    for (size_t i = 1; i < 12; i++) {
        f[2 * i] = "x-a";
        f[2 * i + 1] = value;
    }
    static unsigned char block[1 << 16];
    size_t n = pack_fields(p, f, block, sizeof block), at = n < 16384 ? n : 16384;
    put_frame(p, HEADERS, END_STREAM | (at == n ? END_HEADERS : 0), id, block, at);
    if (at < n)
        put_frame(p, CONTINUATION, END_HEADERS, id, block + at, n - at);
}

static void bomb(struct peer *p, uint32_t id)
{
    static char value[2000];
    memset(value, 'a', sizeof value - 1);
    const char *f[164] = {":status", "200"};
    for (size_t i = 1; i < 81; i++) {
        f[2 * i] = "x-a";
        f[2 * i + 1] = value;
    }
    static unsigned char block[1 << 16];
    size_t n = pack_fields(p, f, block, sizeof block);
    assert_true(n < 16384);
    put_frame(p, HEADERS, END_STREAM | END_HEADERS, id, block, n);
}

static void breaks_off(struct peer *p, uint32_t id)
{
    PUT_FIELDS(p, id, 0, ":status", "200", "content-length", "50");
    put_data(p, id, 0, "hello");
    peer_wait(p, 2);
    put_u32(p, RST_STREAM, id, WEIR_H2_INTERNAL_ERROR);
}

static void is_cut(struct peer *p, uint32_t id)
{
    PUT_FIELDS(p, id, 0, ":status", "200", "content-length", "50");
    put_data(p, id, 0, "hello");
    peer_wait(p, 2);
    weir__sim_shutdown(p->num);
}

static void stalls(struct peer *p, uint32_t id)
{
    PUT_FIELDS(p, id, 0, ":status", "200");
    put_data(p, id, 0, "hello");
}

static void pushes(struct peer *p, uint32_t id)
{
    static const unsigned char promise[] = {0, 0, 0, 2, 0x88};
    put_frame(p, PUSH_PROMISE, END_HEADERS, id, promise, sizeof promise);
}

static void opens_a_stream(struct peer *p, uint32_t id)
{
    (void)id;
    PUT_FIELDS(p, 2, 0, ":status", "200");
}

static void garbles(struct peer *p, uint32_t id)
{
    put_frame(p, HEADERS, END_HEADERS, id, "\xff\xff\xff\xff\xff\xff", 6);
}

static void lies(struct peer *p, uint32_t id)
{
    put_frame_of(p, 1 << 20, DATA, 0, id, "x", 1);
}

static void overflows(struct peer *p, uint32_t id)
{
    (void)id;
    put_u32(p, WINDOW_UPDATE, 0, 0x7fffffff);
}

static void goes_badly(struct peer *p, uint32_t id)
{
    const unsigned char bytes[8] = {0, 0, 0, (unsigned char)id, 0, 0, 0, WEIR_H2_ENHANCE_YOUR_CALM};
    put_frame(p, GOAWAY, 0, 0, bytes, 8);
    weir__sim_shutdown(p->num);
}

static void floods_pings(struct peer *p, uint32_t id)
{
    (void)id;
    for (int i = 0; i < 1100 && put_frame(p, PING, 0, 0, "12345678", 8); i++)
        ;
}

static void floods_settings(struct peer *p, uint32_t id)
{
    (void)id;
    for (int i = 0; i < 300 && put_frame(p, SETTINGS, 0, 0, NULL, 0); i++)
        ;
}

static void floods_data(struct peer *p, uint32_t id)
{
    PUT_FIELDS(p, id, 0, ":status", "200");
    for (int i = 0; i < 1100 && put_frame(p, DATA, 0, id, NULL, 0); i++)
        ;
}

#define MALFORMED(name, told)                                                                      \
    {                                                                                              \
#name, name, WEIR_EPROTO, "a malformed answer: " told, true                                \
    }
#define BROKEN(name)                                                                               \
    {                                                                                              \
#name, name, WEIR_EPROTO, "the peer broke a rule of HTTP/2's frames", false                \
    }
#define FLOODS(name)                                                                               \
    {                                                                                              \
#name, name, WEIR_EPROTO, "the peer floods", false                                         \
    }

static const struct row rows[] = {
    {"says_nothing", says_nothing, WEIR_ETIMEDOUT, "there was not an answer in time", true},
    {"hangs_up", hangs_up, WEIR_ECLOSED, "the connection was cut before there was an answer",
     false},
    {"no_error", resets_no_error, WEIR_ECLOSED, "the peer reset the stream (NO_ERROR)", true},
    {"protocol", resets_protocol, WEIR_EPROTO, "(PROTOCOL_ERROR) before there was an answer", true},
    {"internal", resets_internal, WEIR_ECLOSED, "the stream (INTERNAL_ERROR) before", true},
    {"cancel", resets_cancel, WEIR_ECLOSED, "(CANCEL)", true},
    {"refused", resets_refused, WEIR_ECLOSED,
     "refused it (REFUSED_STREAM) before there was an answer (at the second try)", true},
    {"calm", resets_calm, WEIR_ECLOSED, "(ENHANCE_YOUR_CALM)", true},
    {"http1", resets_http1, WEIR_EPROTO, "the peer wants HTTP/1.1", true},
    {"unknown", resets_unknown, WEIR_ECLOSED, "(unknown code)", true},
    MALFORMED(no_status, "no :status"),
    MALFORMED(bad_status, "no :status"),
    MALFORMED(short_status, "no :status"),
    MALFORMED(two_statuses, "a pseudo-field twice"),
    MALFORMED(late_status, "a pseudo-field behind"),
    MALFORMED(requests_path, "an unknown pseudo-field"),
    MALFORMED(has_connection, "a field that is about an HTTP/1 connection"),
    MALFORMED(has_coding, "a field that is about an HTTP/1 connection"),
    MALFORMED(has_te, "a field that is about an HTTP/1 connection"),
    MALFORMED(has_upper, "an upper-case letter"),
    MALFORMED(has_blank, "a character in a field value"),
    MALFORMED(is_longer, "a body that is longer than its content-length"),
    MALFORMED(is_shorter, "a body that is shorter than its content-length"),
    MALFORMED(has_two_lengths, "more than one content-length"),
    MALFORMED(has_bad_length, "a malformed content-length"),
    MALFORMED(changes_protocols, "a change of protocols"),
    MALFORMED(has_body_at_204, "a body where there is none"),
    MALFORMED(ends_interim, "no :status"),
    MALFORMED(body_behind_interim, "a body before its head"),
    MALFORMED(interims, "more than 8 interim answers"),
    MALFORMED(bad_trailers, "a pseudo-field among the trailers"),
    MALFORMED(open_trailers, "fields behind the head"),
    {"large_head", large_head, WEIR_ETOOLARGE, "too large a head: at most 32768 bytes", true},
    {"bomb", bomb, WEIR_EPROTO, "the peer floods", false},
    {"breaks_off", breaks_off, WEIR_ECLOSED,
     "broke off after 5 bytes: the peer reset the stream (INTERNAL_ERROR)", true},
    {"is_cut", is_cut, WEIR_ECLOSED, "the body broke off after 5 bytes: the connection was cut",
     false},
    {"stalls", stalls, WEIR_ETIMEDOUT, "nothing more came in time, after 5 bytes", true},
    BROKEN(body_first),
    BROKEN(pushes),
    BROKEN(opens_a_stream),
    BROKEN(garbles),
    BROKEN(lies),
    BROKEN(overflows),
    {"goes_badly", goes_badly, WEIR_ECLOSED, "the peer ended the connection (ENHANCE_YOUR_CALM)",
     false},
    FLOODS(floods_pings),
    FLOODS(floods_settings),
    FLOODS(floods_data),
};

/* Requests of "/bad" get the row's answer, all others a good one. */
static void serve_row(struct h2_server *s, struct peer *p)
{
    const struct row *row = s->arg;
    struct frame f;
    if (!greet(p))
        return;
    while (await_of(s, p, HEADERS, &f)) {
        if (strstr(f.fields, ":path: /bad") != NULL)
            row->answer(p, f.id);
        else
            put_ok(p, f.id, "fine");
    }
}

static void fails(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    const struct row *row = s->arg;
    weir_reply *r = weir_http_do(c, http, "POST", "/bad");
    weir_str body = weir_reply_body(r);
    if (body.ptr != NULL || weir_reply_err(r) != row->err)
        fail_msg("%s: %d, status %d", row->name, weir_reply_err(r), weir_reply_status(r));
    assert_said(c, row->err, row->told);
    assert_text(weir_http_get(c, http, "/good"), "fine");
    if (s->accepted != (row->goes_on ? 1 : 2))
        fail_msg("%s: %d connections", row->name, s->accepted);
}

static void test_what_an_answer_may_not_be(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        PLAY_H2(serve_row, fails, .arg = &rows[i]);
}

/* --- cut at every byte ------------------------------------------------------------------------ */

static void serve_cut(struct h2_server *s, struct peer *p)
{
    const size_t len = *(const size_t *)s->arg;
    unsigned char all[512];
    size_t n = 0;
    const unsigned char settings[] = {0, 0, 0, SETTINGS, 0, 0, 0, 0, 0};
    memcpy(all, settings, 9);
    n = 9;
    const char *head[] = {":status", "200", "content-length", "5", NULL};
    size_t block = pack_fields(p, head, all + n + 9, 200);
    const unsigned char frame_head[] = {0, 0, (unsigned char)block, HEADERS, END_HEADERS, 0, 0,
                                        0, 1};
    memcpy(all + n, frame_head, 9);
    n += 9 + block;
    memcpy(all + n, "\0\0\2\0\0\0\0\0\1he\0\0\3\0\1\0\0\0\1llo", 23);
    n += 23;
    struct frame f;
    if (!await_preface(p) || !send_bytes(p, all, len < 9 ? len : 9))
        return;
    if (len >= 9 && await_of(s, p, HEADERS, &f))
        send_bytes(p, all + 9, (len < n ? len : n) - 9);
    if (len >= n)
        await_end(s, p);
    peer_wait(p, 1);
}

static bool was_whole;

static void is_cut_anywhere(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    (void)s;
    weir_reply *r = weir_http_get(c, http, "/");
    weir_str body = weir_reply_body(r);
    was_whole = body.ptr != NULL;
    if (was_whole)
        assert_text(r, "hello");
    else
        assert_true(weir_reply_err(r) == WEIR_ECLOSED || weir_reply_err(r) == -ECONNRESET);
}

static void test_an_answer_is_cut_at_every_byte(void **state)
{
    (void)state;
    size_t wholes = 0, last = 60;
    for (size_t len = 0; len <= last; len++) {
        PLAY_H2(serve_cut, is_cut_anywhere, .arg = &len);
        wholes += was_whole;
        assert_true(wholes == 0 || was_whole);
    }
    assert_in_range(wholes, 1, 20);
}

/* --- who is silent, and who speaks something else --------------------------------------------- */

/* Nothing comes back, and its window stays shut. */
static void takes_nothing(struct h2_server *s, struct peer *p)
{
    if (greet(p))
        await_end(s, p);
}

static void is_silent(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    for (int i = 0; i < 10; i++) {
        weir_reply *r = weir_http_get(c, http, "/");
        assert_int_equal(weir_reply_err(r), WEIR_ETIMEDOUT);
        weir_error_clear(c);
    }
    assert_int_equal(s->accepted, 1);
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_ETIMEDOUT);
    weir_error_clear(c);
    assert_int_equal(s->pings, 1);
    r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_ETIMEDOUT);
    weir_error_clear(c);
    assert_int_equal(s->accepted, 2);
}

/* A long wait for an answer is no silence while the peer answers a PING. */
static void takes_its_time(struct h2_server *s, struct peer *p)
{
    struct frame f;
    if (!greet(p) || !await_of(s, p, HEADERS, &f))
        return;
    PUT_FIELDS(p, f.id, 0, ":status", "200");
    for (int i = 0; i < 3 && await_of(s, p, PING, &f); i++)
        put_frame(p, PING, ACK, 0, f.payload, 8);
    put_data(p, 1, END_STREAM, "done");
    await_end(s, p);
}

static void waits_long(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    char bytes[8];
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_sleep(c, weir_sec(31)), WEIR_OK);
    assert_int_equal(weir_reply_read(r, bytes, sizeof bytes), 4);
    assert_int_equal(weir_sleep(c, weir_sec(31)), WEIR_OK); /* nothing is due */
    assert_int_equal(s->pings, 3);
    assert_int_equal(s->accepted, 1);
}

static void speaks_http1(struct h2_server *s, struct peer *p)
{
    (void)s;
    send_bytes(p, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    peer_wait(p, 100);
}

static void is_not_understood(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    (void)s;
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_EPROTO);
    assert_said(c, WEIR_EPROTO, "there is no connection of HTTP/2: the peer broke a rule");
}

static void says_no_word(struct h2_server *s, struct peer *p)
{
    (void)s;
    peer_wait(p, 1000);
}

static void waits_for_settings(weir_ctx *c, weir_http *http, struct h2_server *s)
{
    weir_time begin = weir_now();
    (void)s;
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_ETIMEDOUT);
    assert_said(c, WEIR_ETIMEDOUT, "the peer did not begin to speak it");
    assert_in_range(weir_time_sub(weir_now(), begin).ns, 499000000, 520000000);
}

static void test_peers_that_are_none(void **state)
{
    (void)state;
    PLAY_H2(takes_nothing, is_silent);
    PLAY_H2(takes_its_time, waits_long);
    PLAY_H2(speaks_http1, is_not_understood);
    PLAY_H2(says_no_word, waits_for_settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_an_answer_may_not_be),
        cmocka_unit_test(test_an_answer_is_cut_at_every_byte),
        cmocka_unit_test(test_peers_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* h2_test.c has what is told then */
}

#endif
