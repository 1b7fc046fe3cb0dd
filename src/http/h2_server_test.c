/*
 * The server over HTTP/2, with the handlers that its other tests have, and a client that writes
 * frame by frame: requests and what becomes of them, one stream's trouble beside another's calm,
 * the ends of streams, connections and servers.
 */
#include "http/h2/testing.h"
#include "http/testing.h"

#if WEIR_HTTP2

/* A connection past its settings. */
static struct peer *h2_dial(struct rig *rig)
{
    struct peer *p = calloc(1, sizeof *p);
    struct frame f;
    assert_non_null(p);
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, 1 << 20));
    put_preface(p);
    assert_true(next_of(p, SETTINGS, &f) && f.flags == 0);
    put_frame(p, SETTINGS, ACK, 0, NULL, 0);
    assert_true(next_of(p, SETTINGS, &f) && f.flags == ACK);
    return p;
}

static void h2_close(struct peer *p)
{
    peer_close(p);
    free(p);
}

/* The response on a stream: its fields, and the body's bytes up to its end. */
struct response {
    char fields[20000];
    char body[300000];
    size_t len;
    bool is_whole;
    uint32_t reset; /* code; UINT32_MAX: none */
};

/* Takes in what comes for `id`, other streams' frames skipped; opens windows as bytes come. */
static struct response *h2_get(struct peer *p, uint32_t id)
{
    static struct response r;
    struct frame f;
    memset(&r, 0, sizeof r); /* it is too large for a literal on the stack */
    r.reset = UINT32_MAX;
    while (!r.is_whole && next_frame(p, &f)) {
        if (f.id != id)
            continue;
        if (f.type == HEADERS)
            snprintf(r.fields + strlen(r.fields), sizeof r.fields - strlen(r.fields), "%s",
                     f.fields);
        if (f.type == DATA && f.len > 0) {
            assert_true(r.len + f.len < sizeof r.body);
            memcpy(r.body + r.len, f.payload, f.len);
            r.len += f.len;
            put_u32(p, WINDOW_UPDATE, 0, f.len);
            put_u32(p, WINDOW_UPDATE, id, f.len);
        }
        if (f.type == RST_STREAM) {
            r.reset = code_of(&f);
            break;
        }
        r.is_whole = (f.type == DATA || f.type == HEADERS) && (f.flags & END_STREAM) != 0;
    }
    r.body[r.len] = '\0';
    return &r;
}

static struct response *h2_ask(struct peer *p, uint32_t id, const char *path)
{
    put_get(p, id, path);
    return h2_get(p, id);
}

/* --- requests --------------------------------------------------------------------------------- */

static void answers(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct response *r = h2_ask(p, 1, "/hello");
    assert_true(r->is_whole);
    assert_string_equal(r->body, "hello");
    assert_in(r->fields, ":status: 200\ndate: ");
    assert_in(r->fields, "\ncontent-type: text/plain\ncontent-length: 5\n");
    r = h2_ask(p, 3, "/path?a=b");
    assert_string_equal(r->body, "/path?a=b");
    r = h2_ask(p, 5, "/empty");
    assert_true(r->is_whole && r->len == 0);
    assert_lacks(r->fields, "content-");
    r = h2_ask(p, 7, "/nowhere");
    assert_in(r->fields, ":status: 404\n");
    PUT_FIELDS(p, 9, END_STREAM, ":method", "HEAD", ":scheme", "http", ":path", "/hello",
               ":authority", "a");
    r = h2_get(p, 9);
    assert_true(r->is_whole && r->len == 0);
    assert_in(r->fields, "content-length: 5\n");
    r = h2_ask(p, 11, "/big");
    assert_int_equal(r->len, 200000);
    r = h2_ask(p, 13, "/rows");
    assert_int_equal(r->len, 5000 * 11);
    assert_lacks(r->fields, "content-length");
    r = h2_ask(p, 15, "/reset");
    assert_in(r->fields, ":status: 205\n");
    assert_int_equal(r->len, 0);
    h2_close(p);
    wait_ms(rig, 5);
    struct weir__http_stats s = rig_stats(rig);
    assert_int_equal(s.requests, 8);
    assert_int_equal(s.responses[2], 7);
    assert_int_equal(s.active, 0);
    assert_int_equal(s.streams, 0);
    assert_int_equal(s.open, 0);
    assert_int_equal(rig->done, 8);
}

static void test_requests_are_answered(void **state)
{
    (void)state;
    run_rig(answers, NULL);
    for (size_t chop = 1; chop <= 33; chop += 8) {
        weir__sim_chop(chop);
        run_rig(answers, NULL);
    }
    weir__sim_chop(0);
}

static void bodies(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_post(p, 1, "/echo");
    put_data(p, 1, 0, "some ");
    wait_ms(rig, 1);
    put_data(p, 1, END_STREAM, "body");
    assert_string_equal(h2_get(p, 1)->body, "some body");
    put_post(p, 3, "/pieces");
    put_data(p, 3, 0, "one two three ");
    wait_ms(rig, 1);
    put_data(p, 3, END_STREAM, "four");
    assert_string_equal(h2_get(p, 3)->body, "one two three four");
    PUT_FIELDS(p, 5, 0, ":method", "POST", ":scheme", "http", ":path", "/echo", ":authority", "a",
               "content-length", "4", "expect", "100-continue");
    struct frame f;
    assert_true(next_of(p, HEADERS, &f));
    assert_string_equal(f.fields, ":status: 100\n");
    put_data(p, 5, END_STREAM, "four");
    assert_string_equal(h2_get(p, 5)->body, "four");
    put_post(p, 7, "/trailers");
    put_data(p, 7, 0, "x");
    PUT_FIELDS(p, 7, END_STREAM, "x-sum", "42");
    assert_in(h2_get(p, 7)->fields, "x-trailer: 42\n");
    h2_close(p);
}

/* A body of several windows, read whole and echoed. */
static void long_body(struct rig *rig)
{
    static char piece[16384 + 1];
    struct peer *p = h2_dial(rig);
    struct frame f;
    size_t window = 65535, sent = 0;
    memset(piece, 'p', 16384);
    put_post(p, 1, "/echo");
    while (sent < 260000) {
        size_t n = window < 10000 ? window : 10000;
        if (n > 0) {
            put_frame(p, DATA, 0, 1, piece, n);
            sent += n;
            window -= n;
            continue;
        }
        assert_true(next_of(p, WINDOW_UPDATE, &f));
        window += f.id == 1 ? u32_at(f.payload) : 0;
    }
    put_frame(p, DATA, END_STREAM, 1, NULL, 0);
    assert_int_equal(h2_get(p, 1)->len, sent);
    h2_close(p);
}

static void test_bodies(void **state)
{
    (void)state;
    run_rig(bodies, NULL);
    run_rig(long_body, NULL);
}

/* --- many at a time --------------------------------------------------------------------------- */

static void side_by_side(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20); /* of the connection, not of its streams */
    put_get(p, 1, "/sleep?500");
    put_post(p, 3, "/echo"); /* its body never comes */
    put_get(p, 5, "/big");   /* and this one's is not taken */
    for (uint32_t id = 7; id < 100; id += 2)
        assert_string_equal(h2_ask(p, id, "/hello")->body, "hello");
    assert_int_equal(rig_stats(rig).streams, 3);
    assert_int_equal(rig_stats(rig).active, 1);
    wait_ms(rig, 600);
    while (next_frame(p, &f))
        ;
    assert_int_equal(rig->slow_ends, 1);
    assert_int_equal(rig_stats(rig).streams, 2);
    h2_close(p);
    wait_ms(rig, 5);
    assert_int_equal(rig_stats(rig).client_gone, 2);
    assert_int_equal(rig_stats(rig).streams, 0);
}

static void no_more_than_a_hundred(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    for (uint32_t i = 0; i < 100; i++)
        put_get(p, 1 + 2 * i, "/sleep?5000");
    wait_ms(rig, 1);
    for (uint32_t i = 0; i < 50; i++)
        put_u32(p, RST_STREAM, 1 + 2 * i, WEIR_H2_CANCEL);
    wait_ms(rig, 1);
    assert_int_equal(rig->slow_ends, 50);
    assert_int_equal(rig_stats(rig).streams_reset, 50);
    put_get(p, 301, "/hello");
    assert_string_equal(h2_get(p, 301)->body, "hello");
    for (uint32_t i = 0; i < 50; i++)
        put_get(p, 401 + 2 * i, "/sleep?5000");
    put_get(p, 601, "/hello"); /* it was told: section 5.1.2 */
    assert_true(next_of(p, GOAWAY, &f));
    assert_int_equal(code_of(&f), WEIR_H2_PROTOCOL_ERROR);
    h2_close(p);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).streams, 0);
}

static void test_streams_do_not_disturb_each_other(void **state)
{
    (void)state;
    run_rig(side_by_side, NULL);
    run_rig(no_more_than_a_hundred, NULL);
}

/* --- the client goes -------------------------------------------------------------------------- */

static void reset_is_gone(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_get(p, 1, "/sleep?5000");
    put_get(p, 3, "/sleep?50");
    wait_ms(rig, 1);
    put_u32(p, RST_STREAM, 1, WEIR_H2_CANCEL);
    wait_ms(rig, 1);
    assert_int_equal(rig->slow_ends, 1);
    assert_int_equal(rig->last_err, WEIR_ECLIENTGONE);
    assert_int_equal(rig->last_status, 499);
    assert_int_equal(rig_stats(rig).client_gone, 1);
    wait_ms(rig, 60);
    assert_string_equal(h2_get(p, 3)->body, "slept");
    h2_close(p);
}

static void closing_is_gone_for_all(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    for (uint32_t i = 0; i < 10; i++)
        put_get(p, 1 + 2 * i, "/sleep?5000");
    wait_ms(rig, 1);
    h2_close(p);
    wait_ms(rig, 1);
    assert_int_equal(rig->slow_ends, 10);
    assert_int_equal(rig_stats(rig).client_gone, 10);
    assert_int_equal(rig_stats(rig).open, 0);
}

/* What is sent last and the end are one event: nothing tells of the end a second time. */
static void closing_with_the_last_bytes(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    assert_string_equal(h2_ask(p, 1, "/hello")->body, "hello");
    put_get(p, 3, "/sleep?5000");
    h2_close(p);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).requests, 2);
    assert_int_equal(rig_stats(rig).client_gone, 1);
    assert_int_equal(rig_stats(rig).open, 0);
}

/* A stream that is opened and reset at once costs no fiber. */
static void reset_at_once(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    for (uint32_t i = 0; i < 20; i++) {
        put_get(p, 1 + 2 * i, "/sleep?5000");
        put_u32(p, RST_STREAM, 1 + 2 * i, WEIR_H2_CANCEL);
    }
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).requests, 0);
    assert_string_equal(h2_ask(p, 101, "/hello")->body, "hello");
    h2_close(p);
}

static void test_a_reset_is_a_client_that_is_gone(void **state)
{
    (void)state;
    run_rig(reset_is_gone, NULL);
    run_rig(closing_is_gone_for_all, NULL);
    run_rig(closing_with_the_last_bytes, NULL);
    run_rig(reset_at_once, NULL);
}

/* --- handlers that do not end well ------------------------------------------------------------ */

static void bad_ends(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    assert_in(h2_ask(p, 1, "/silence")->fields, ":status: 500\n");
    assert_in(h2_ask(p, 3, "/panic")->fields, ":status: 500\n");
    assert_int_equal(rig_stats(rig).panics, 1);
    struct response *r = h2_ask(p, 5, "/cut"); /* begun, flushed, and left */
    assert_int_equal(r->reset, WEIR_H2_INTERNAL_ERROR);
    assert_int_equal(rig_stats(rig).aborted, 1);
    r = h2_ask(p, 7, "/kept"); /* begun, and nothing has left: taken back */
    assert_in(r->fields, ":status: 500\n");
    assert_true(r->is_whole);
    r = h2_ask(p, 9, "/twice");
    assert_string_equal(r->body, "first");
    assert_int_equal(rig->last_err, WEIR_ECLOSED);
    r = h2_ask(p, 11, "/hello");
    assert_string_equal(r->body, "hello");
    h2_close(p);
}

static void by_child(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct response *r = h2_ask(p, 1, "/child");
    assert_true(r->is_whole);
    assert_int_equal(r->len, 26 * 6000);
    h2_close(p);
}

static void test_handlers_that_do_not_end_well(void **state)
{
    (void)state;
    run_rig(bad_ends, NULL);
    run_rig(by_child, NULL);
}

/*
 * RFC 9113 section 8.1: an answer before the request's end. What still comes is thrown away, for a
 * while; then it is refused, without an error.
 */
static void early_answer(struct rig *rig)
{
    static char piece[16384 + 1];
    struct peer *p = h2_dial(rig);
    struct frame f;
    memset(piece, 'p', sizeof piece - 1);
    put_post(p, 1, "/hello");
    assert_string_equal(h2_get(p, 1)->body, "hello");
    put_data(p, 1, END_STREAM, "the rest");
    put_post(p, 3, "/hello");
    assert_string_equal(h2_get(p, 3)->body, "hello");
    bool is_refused = false;
    for (int i = 0; i < 18 && !is_refused; i++) {
        put_data(p, 3, 0, piece);
        is_refused = next_of(p, RST_STREAM, &f);
        assert_true(is_refused == (i >= 16));
    }
    assert_int_equal(code_of(&f), WEIR_H2_NO_ERROR);
    put_post(p, 5, "/hello");
    assert_string_equal(h2_get(p, 5)->body, "hello");
    wait_ms(rig, 32000);
    assert_true(next_of(p, RST_STREAM, &f));
    assert_int_equal(f.id, 5);
    assert_int_equal(code_of(&f), WEIR_H2_NO_ERROR);
    assert_string_equal(h2_ask(p, 7, "/hello")->body, "hello");
    h2_close(p);
}

static void test_an_answer_may_come_early(void **state)
{
    (void)state;
    run_rig(early_answer, NULL);
}

/* --- messages that are none ------------------------------------------------------------------- */

static void expect_reset_of(struct peer *p, uint32_t id, uint32_t code)
{
    struct frame f;
    assert_true(next_of(p, RST_STREAM, &f));
    assert_int_equal(f.id, id);
    assert_int_equal(code_of(&f), code);
}

static void malformed_messages(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    PUT_FIELDS(p, 1, END_STREAM, ":method", "GET", ":path", "/", "Upper", "x");
    expect_reset_of(p, 1, WEIR_H2_PROTOCOL_ERROR);
    PUT_FIELDS(p, 3, END_STREAM, ":method", "GET", ":scheme", "http", ":path", "/hello",
               ":authority", "a", "connection", "close");
    expect_reset_of(p, 3, WEIR_H2_PROTOCOL_ERROR);
    PUT_FIELDS(p, 5, 0, ":method", "POST", ":scheme", "http", ":path", "/echo", ":authority", "a",
               "content-length", "3");
    put_data(p, 5, END_STREAM, "four");
    expect_reset_of(p, 5, WEIR_H2_PROTOCOL_ERROR);
    PUT_FIELDS(p, 7, 0, ":method", "POST", ":scheme", "http", ":path", "/echo", ":authority", "a",
               "content-length", "5");
    put_data(p, 7, END_STREAM, "four");
    expect_reset_of(p, 7, WEIR_H2_PROTOCOL_ERROR);
    put_post(p, 9, "/echo");
    PUT_FIELDS(p, 9, 0, "x", "trailers without the end");
    expect_reset_of(p, 9, WEIR_H2_PROTOCOL_ERROR);
    put_post(p, 11, "/echo");
    PUT_FIELDS(p, 11, END_STREAM, ":path", "/");
    expect_reset_of(p, 11, WEIR_H2_PROTOCOL_ERROR);
    assert_int_equal(rig_stats(rig).malformed, 6);
    assert_in(h2_ask(p, 13, "/a/../b")->fields, ":status: 400\n");
    assert_string_equal(h2_ask(p, 15, "/hello")->body, "hello");
    h2_close(p);
}

static void too_many_fields(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    enum { MANY = 2 * 110 };
    const char *fields[MANY + 1] = {":method", "GET",    ":scheme",    "http",
                                    ":path",   "/hello", ":authority", "a"};
    for (size_t i = 8; i < MANY; i += 2) {
        fields[i] = "x";
        fields[i + 1] = "y";
    }
    fields[MANY] = NULL;
    put_fields(p, 1, END_STREAM, fields);
    assert_in(h2_get(p, 1)->fields, ":status: 431\n");
    assert_string_equal(h2_ask(p, 3, "/hello")->body, "hello");
    h2_close(p);
}

/* One entry of HPACK's table, 4,000 bytes long, said again and again by one byte each. */
static void bomb(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    static char value[3900];
    static unsigned char block[16384];
    memset(value, 'v', sizeof value - 1);
    const char *const fields[] = {":method",    "GET", ":scheme", "http", ":path", "/hello",
                                  ":authority", "a",   "x",       value,  NULL};
    size_t n = pack_fields(p, fields, block, sizeof block);
    memset(block + n, 0xbe, 8000); /* the newest entry */
    put_frame(p, HEADERS, END_HEADERS | END_STREAM, 1, block, n + 8000);
    assert_true(next_of(p, GOAWAY, &f));
    assert_int_equal(code_of(&f), WEIR_H2_ENHANCE_YOUR_CALM);
    assert_true(peer_is_over(p));
    assert_int_equal(rig_stats(rig).floods, 1);
    h2_close(p);
}

static void test_messages_that_are_none(void **state)
{
    (void)state;
    run_rig(malformed_messages, NULL);
    run_rig(too_many_fields, NULL);
    run_rig(bomb, NULL);
}

/* --- time ------------------------------------------------------------------------------------- */

static const struct weir__http_server_options quick = {.idle_timeout = {2000000000},
                                                       .head_timeout = {3000000000},
                                                       .body_timeout = {2000000000},
                                                       .write_timeout = {2000000000},
                                                       .handler_timeout = {20000000000}};

static const struct weir__http_server_options patient = {.write_timeout = {2000000000}};

static void idle_ends(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    assert_string_equal(h2_ask(p, 1, "/hello")->body, "hello");
    wait_ms(rig, 5000);
    assert_true(next_of(p, GOAWAY, &f));
    assert_int_equal(code_of(&f), WEIR_H2_NO_ERROR);
    assert_true(peer_is_over(p));
    assert_int_equal(rig_stats(rig).timeouts_idle, 1);
    h2_close(p);
}

static void half_head_ends(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    put_frame(p, HEADERS, 0, 1, "\x82", 1);
    wait_ms(rig, 6000);
    assert_true(next_of(p, GOAWAY, &f));
    assert_int_equal(rig_stats(rig).timeouts_head, 1);
    h2_close(p);
}

static void no_settings_ends(struct rig *rig)
{
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, 1 << 20));
    send_bytes(p, PREFACE, strlen(PREFACE));
    wait_ms(rig, 6000);
    assert_true(peer_is_over(p));
    h2_close(p);
}

static void stalled_window_ends(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_setting(p, 4, 0);
    put_get(p, 1, "/hello"); /* its handler has returned long ago */
    put_get(p, 3, "/big");   /* its handler waits for room */
    put_get(p, 5, "/empty"); /* and it needs none */
    wait_ms(rig, 1000);
    assert_int_equal(rig_stats(rig).streams, 1);
    wait_ms(rig, 4000);
    assert_int_equal(rig_stats(rig).timeouts_write, 2);
    assert_int_equal(rig_stats(rig).streams, 0);
    assert_int_equal(rig->last_err, WEIR_ETIMEDOUT);
    assert_false(peer_is_over(p));
    h2_close(p);
}

static void socket_that_takes_nothing_ends(struct rig *rig)
{
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, 4096));
    put_preface(p);
    put_setting(p, 4, 1 << 20);
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    put_get(p, 1, "/big");
    wait_ms(rig, 8000);
    assert_int_equal(rig_stats(rig).open, 0);
    assert_int_equal(rig_stats(rig).streams, 0);
    h2_close(p);
}

static void body_that_does_not_come(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_post(p, 1, "/echo");
    wait_ms(rig, 3000);
    assert_in(h2_get(p, 1)->fields, ":status: 408\n");
    assert_int_equal(rig_stats(rig).timeouts_body, 1);
    h2_close(p);
}

static void test_time_is_limited(void **state)
{
    (void)state;
    run_rig(idle_ends, &quick);
    run_rig(half_head_ends, &quick);
    run_rig(no_settings_ends, &quick);
    run_rig(stalled_window_ends, &patient);
    run_rig(socket_that_takes_nothing_ends, &quick);
    run_rig(body_that_does_not_come, &quick);
}

/* --- the server goes -------------------------------------------------------------------------- */

static void drains(struct rig *rig)
{
    struct peer *busy = h2_dial(rig), *idle = h2_dial(rig);
    struct frame f;
    assert_string_equal(h2_ask(idle, 1, "/hello")->body, "hello");
    put_get(busy, 1, "/sleep?3000");
    wait_ms(rig, 1);
    weir__http_server_drain(rig->server, weir__ctx_of(rig->ctx));
    assert_true(next_of(idle, GOAWAY, &f));
    assert_true(peer_is_over(idle));
    assert_true(next_of(busy, GOAWAY, &f));
    assert_int_equal(u32_at(f.payload), 0x7fffffff);
    assert_string_equal(h2_ask(busy, 3, "/hello")->body, "hello"); /* it was on its way */
    wait_ms(rig, 1500);
    assert_true(next_of(busy, GOAWAY, &f));
    assert_int_equal(u32_at(f.payload), 3);
    wait_ms(rig, 2000);
    assert_string_equal(h2_get(busy, 1)->body, "slept");
    assert_true(peer_is_over(busy));
    assert_int_equal(rig_stats(rig).goaways, 2);
    h2_close(busy);
    h2_close(idle);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void cancels(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_get(p, 1, "/sleep?30000");
    wait_ms(rig, 1);
    weir__http_server_cancel_all(rig->server, weir__ctx_of(rig->ctx), WEIR_REASON_SHUTDOWN);
    assert_in(h2_get(p, 1)->fields, ":status: 503\n");
    wait_ms(rig, 2000);
    assert_true(peer_is_over(p));
    h2_close(p);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void closes(struct rig *rig)
{
    struct peer *p = h2_dial(rig), *idle = h2_dial(rig);
    put_get(p, 1, "/sleep?30000");
    put_get(p, 3, "/big");
    wait_ms(rig, 1);
    assert_int_equal(weir__http_server_close(rig->server, weir__ctx_of(rig->ctx)), WEIR_OK);
    assert_true(peer_is_over(p) && peer_is_over(idle));
    h2_close(p);
    h2_close(idle);
}

static void goes_after_so_many(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    for (uint32_t i = 0; i < 300; i++) /* a connection is worth a hundred */
        assert_string_equal(h2_ask(p, 1 + 2 * i, "/hello")->body, "hello");
    wait_ms(rig, 1500);
    assert_true(next_of(p, GOAWAY, &f));
    assert_true(peer_is_over(p));
    h2_close(p);
}

static void test_the_server_goes(void **state)
{
    (void)state;
    static const struct weir__http_server_options few = {.requests_max = 3};
    run_rig(drains, NULL);
    run_rig(cancels, NULL);
    run_rig(closes, NULL);
    run_rig(goes_after_so_many, &few);
}

/* --- what fails ------------------------------------------------------------------------------- */

enum { ALLOCATIONS, CALLS };
static uint64_t fail_at;
static int fail_what;
static unsigned unserved;

/* Something fails in the middle: what was begun ends, and the next connection is served. */
static void fails_somewhere(struct rig *rig)
{
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, 1 << 20));
    put_preface(p);
    put_get(p, 1, "/hello");
    put_post(p, 3, "/echo");
    put_data(p, 3, END_STREAM, "a body");
    put_get(p, 5, "/rows");
    put_u32(p, WINDOW_UPDATE, 5, 1 << 20);
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    if (fail_what == ALLOCATIONS)
        weir__alloc_fail_nth(fail_at);
    else
        weir__sys_fail_nth(fail_at, ECONNRESET);
    wait_ms(rig, 20);
    weir__alloc_fail_nth(0);
    weir__sys_fail_nth(0, 0);
    struct response *r = h2_get(p, 5);
    unserved += !r->is_whole;
    h2_close(p);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).streams, 0);
    p = h2_dial(rig);
    assert_string_equal(h2_ask(p, 1, "/hello")->body, "hello");
    h2_close(p);
}

static void test_what_fails_ends_and_leaves_nothing(void **state)
{
    (void)state;
    for (fail_what = ALLOCATIONS; fail_what <= CALLS; fail_what++) {
        unserved = 0;
        for (fail_at = 1; fail_at <= (fail_what == ALLOCATIONS ? 80u : 12u); fail_at++)
            run_rig(fails_somewhere, NULL);
        assert_true(unserved > 3);
    }
}

/* --- handlers that outlive their streams ------------------------------------------------------ */

static unsigned stubborn_running;

/* Waits in a shield: it goes on when its client is gone. */
static void serve_stubbornly(struct weir__exchange *x, void *arg)
{
    weir_ctx *c = weir__ctx_handle(x->ctx);
    (void)arg;
    stubborn_running++;
    weir_shield(c, weir_sec(5));
    (void)!weir_sleep(c, weir_sec(2));
    weir_unshield(c);
    stubborn_running--;
    (void)weir__exchange_respond(x, 200, WEIR_S("text/plain"), WEIR_S("at last"));
}

static weir_err outlives(weir_ctx *c, void *arg)
{
    const struct weir__http_app app = {.serve = serve_stubbornly};
    const struct weir__http_server_options none = {0};
    struct rig rig = {.ctx = c, .listener = weir__sim_listen()};
    struct frame f;
    (void)arg;
    rig.server = weir__http_server_new(weir__self->runtime, &none, &app);
    assert_int_equal(weir__http_server_adopt_listener(rig.server, rig.listener), 0);
    assert_int_equal(weir__http_server_start(rig.server, weir__ctx_of(c)), 0);
    struct peer *p = h2_dial(&rig);
    for (uint32_t i = 0; i < 110; i++) {
        put_get(p, 1 + 2 * i, "/");
        wait_ms(&rig, 1); /* its fiber has begun */
        put_u32(p, RST_STREAM, 1 + 2 * i, WEIR_H2_CANCEL);
    }
    wait_ms(&rig, 1);
    assert_int_equal(stubborn_running, 100); /* whether or not their streams live */
    assert_int_equal(rig_stats(&rig).streams_refused, 10);
    assert_true(next_of(p, RST_STREAM, &f));
    assert_int_equal(code_of(&f), WEIR_H2_REFUSED_STREAM);
    h2_close(p);
    wait_ms(&rig, 1);
    assert_int_equal(rig_stats(&rig).open, 1); /* its fibers are */
    wait_ms(&rig, 3000);
    assert_int_equal(stubborn_running, 0);
    assert_int_equal(rig_stats(&rig).open, 0);
    rig_close(&rig);
    return WEIR_OK;
}

static void test_handlers_may_outlive_their_streams(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(outlives, NULL), WEIR_OK);
}

/* Which requests are HTTP/2's, and which only look like it. */
static void other_beginnings(struct rig *rig)
{
    int client = dial(rig);
    assert_has(ask(rig, client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ""); /* settings, not text */
    weir__sim_close(client);
    client = dial(rig);
    assert_has(ask(rig, client, HELLO), "HTTP/1.1 200");
    assert_has(ask(rig, client, "PRI * HTTP/2.0\r\n\r\n"), "HTTP/1.1 505");
    weir__sim_close(client);
    client = dial(rig);
    assert_has(ask(rig, client, "PRI / HTTP/2.0\r\n\r\n"), "HTTP/1.1 505");
    weir__sim_close(client);
}

static void test_the_preface_alone_begins_it(void **state)
{
    (void)state;
    run_rig(other_beginnings, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_answered),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_streams_do_not_disturb_each_other),
        cmocka_unit_test(test_a_reset_is_a_client_that_is_gone),
        cmocka_unit_test(test_handlers_that_do_not_end_well),
        cmocka_unit_test(test_an_answer_may_come_early),
        cmocka_unit_test(test_messages_that_are_none),
        cmocka_unit_test(test_time_is_limited),
        cmocka_unit_test(test_the_server_goes),
        cmocka_unit_test(test_the_preface_alone_begins_it),
        cmocka_unit_test(test_what_fails_ends_and_leaves_nothing),
        cmocka_unit_test(test_handlers_may_outlive_their_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void refuses_the_preface(struct rig *rig)
{
    int client = dial(rig);
    assert_has(ask(rig, client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "HTTP/1.1 505");
    weir__sim_close(client);
}

static void test_there_is_none(void **state)
{
    (void)state;
    run_rig(refuses_the_preface, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
