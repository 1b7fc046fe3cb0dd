/*
 * The server over HTTP/2, with the handlers that its other tests have, and a client that writes
 * frame by frame: requests and what becomes of them, one stream's trouble beside another's calm.
 * How streams, connections and servers end is in h2_ends_test.c.
 */
#include "http/h2_testing.h"
#include "rt/hibernate_testing.h"

#if WEIR_HTTP2

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
    assert_true(r->is_whole && r->len == 200000); /* without an end its stream would stay */
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
    put_post(p, 5, "/trailers");
    put_data(p, 5, 0, "x");
    PUT_FIELDS(p, 5, END_STREAM, "x-sum", "42");
    assert_in(h2_get(p, 5)->fields, "x-trailer: 42\n");
    h2_close(p);
}

static void put_expecting(struct peer *p, uint32_t id, const char *path)
{
    PUT_FIELDS(p, id, 0, ":method", "POST", ":scheme", "http", ":path", path, ":authority", "a",
               "content-length", "4", "expect", "100-continue");
}

/* 100 is said by who reads, when it does: not by an answer, nor for a body that has come by itself
   (RFC 9110 section 10.1.1). */
static void continues(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    put_expecting(p, 1, "/hello");
    struct response *r = h2_get(p, 1);
    assert_true(r->is_whole);
    assert_lacks(r->fields, ":status: 100\n");
    assert_string_equal(r->body, "hello");
    put_data(p, 1, END_STREAM, "late"); /* thrown away */
    put_expecting(p, 3, "/hello");
    assert_string_equal(h2_get(p, 3)->body,
                        "hello"); /* and nothing comes: it may not be told yet */
    wait_ms(rig, 32000);
    expect_reset_of(p, 3, WEIR_H2_NO_ERROR);
    put_expecting(p, 5, "/pieces"); /* its answer is begun first: that says all */
    assert_true(next_of(p, HEADERS, &f));
    assert_in(f.fields, ":status: 200\n");
    put_data(p, 5, END_STREAM, "four");
    assert_string_equal(h2_get(p, 5)->body, "four");
    put_expecting(p, 7, "/echo");
    put_data(p, 7, END_STREAM, "came");
    r = h2_get(p, 7);
    assert_lacks(r->fields, ":status: 100\n");
    assert_string_equal(r->body, "came");
    put_expecting(p, 9, "/echo");
    assert_true(next_of(p, HEADERS, &f));
    assert_string_equal(f.fields, ":status: 100\n");
    assert_false(next_of(p, HEADERS, &f)); /* once */
    put_data(p, 9, 0, "fo");
    wait_ms(rig, 1);
    put_data(p, 9, END_STREAM, "ur");
    r = h2_get(p, 9);
    assert_lacks(r->fields, ":status: 100\n");
    assert_string_equal(r->body, "four");
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
    run_rig(continues, NULL);
    run_rig(long_body, NULL);
}

/* --- many at a time --------------------------------------------------------------------------- */

/* Large answers that are on their way keep nobody from asking for more. */
static void large_ones_on_their_way(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    uint32_t id = 1;
    put_u32(p, WINDOW_UPDATE, 0, 1 << 24); /* their own stay shut behind 64 KiB of each */
    for (int i = 0; i < 50; i++, id += 2)
        put_get(p, id, "/big");
    wait_ms(rig, 1);
    for (int i = 0; i < 3; i++, id += 2)
        assert_string_equal(h2_ask(p, id, "/path")->body, "/path");
    assert_int_equal(rig_stats(rig).streams_refused, 0);
    h2_close(p);
    wait_ms(rig, 5);
    assert_int_equal(rig_stats(rig).streams, 0);
}

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
    run_rig(large_ones_on_their_way, NULL);
    run_rig(side_by_side, NULL);
    run_rig(no_more_than_a_hundred, NULL);
}

/* --- a body that does not come for long ------------------------------------------------------- */

/* Who reads one hibernates, and wakes for what comes, a reset, and the end of the connection. */
static void readers_hibernate(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    if (!can_hibernate())
        return h2_close(p);
    put_post(p, 1, "/echo");
    put_post(p, 3, "/trailers");
    put_data(p, 3, 0, "one ");
    put_post(p, 5, "/echo");
    put_post(p, 7, "/echo");
    pass_time(rig->ctx);
    assert_int_equal(hibernating(), 4);
    put_data(p, 1, 0, "late ");
    wait_ms(rig, 1);
    assert_int_equal(hibernating(), 3);
    pass_time(rig->ctx); /* and once more */
    assert_int_equal(hibernating(), 4);
    put_data(p, 1, END_STREAM, "body");
    assert_string_equal(h2_get(p, 1)->body, "late body");
    put_data(p, 3, END_STREAM, "two");
    assert_string_equal(h2_get(p, 3)->body, "one two");
    put_u32(p, RST_STREAM, 5, WEIR_H2_CANCEL);
    wait_ms(rig, 1);
    assert_int_equal(hibernating(), 1);
    assert_int_equal(rig->last_err, WEIR_ECLIENTGONE);
    h2_close(p);
    wait_ms(rig, 1);
    assert_int_equal(hibernating(), 0);
    assert_int_equal(rig_stats(rig).streams, 0);
}

/* Nor does it miss its time-out. */
static void readers_time_out(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_post(p, 1, "/echo");
    pass_time(rig->ctx);
    assert_in(h2_get(p, 1)->fields, ":status: 408\n");
    h2_close(p);
}

static void test_who_reads_a_body_hibernates(void **state)
{
    (void)state;
    run_rig(readers_hibernate,
            &(struct weir__http_server_options){.body_timeout = weir_sec(600),
                                                .handler_timeout = weir_sec(600)});
    run_rig(readers_time_out, &(struct weir__http_server_options){.body_timeout = weir_sec(20)});
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
    assert_in(r->fields, ":status: 200\n");
    assert_string_equal(r->body, "half of it");
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

/* What was said before the end leaves as the window opens, and only then comes the end. */
static void cut_behind_a_shut_window(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    put_setting(p, 4, 0);
    put_get(p, 1, "/cut");
    assert_true(next_of(p, HEADERS, &f));
    assert_false(next_of(p, RST_STREAM, &f));
    assert_int_equal(rig_stats(rig).streams, 0); /* its handler is long gone */
    put_u32(p, WINDOW_UPDATE, 1, 4);
    assert_true(next_of(p, DATA, &f) && f.len == 4);
    put_u32(p, WINDOW_UPDATE, 1, 6);
    assert_true(next_of(p, DATA, &f) && f.len == 6 && f.flags == 0);
    assert_true(next_of(p, RST_STREAM, &f));
    assert_int_equal(code_of(&f), WEIR_H2_INTERNAL_ERROR);
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
    run_rig(cut_behind_a_shut_window, NULL);
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

static void put_short_body(struct peer *p, uint32_t id, struct rig *rig, bool is_waited_for)
{
    PUT_FIELDS(p, id, 0, ":method", "POST", ":scheme", "http", ":path", "/echo", ":authority", "a",
               "content-length", "5");
    if (is_waited_for)
        wait_ms(rig, 1);
    put_data(p, id, END_STREAM, "four");
    expect_reset_of(p, id, WEIR_H2_PROTOCOL_ERROR);
    wait_ms(rig, 1);
}

/* Less of a body than was announced is never taken for all of it: section 8.1.1. */
static void no_short_body_looks_whole(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_short_body(p, 1, rig, false);
    assert_int_equal(rig->done, 0); /* it came at once: nobody was asked */
    put_short_body(p, 3, rig, true);
    assert_int_equal(rig->last_err, WEIR_ECLIENTGONE);
    assert_int_equal(rig->last_status, 499);
    assert_int_equal(rig_stats(rig).malformed, 2);
    assert_string_equal(h2_ask(p, 5, "/hello")->body, "hello");
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
    run_rig(no_short_body_looks_whole, NULL);
    run_rig(too_many_fields, NULL);
    run_rig(bomb, NULL);
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
        cmocka_unit_test(test_who_reads_a_body_hibernates),
        cmocka_unit_test(test_a_reset_is_a_client_that_is_gone),
        cmocka_unit_test(test_handlers_that_do_not_end_well),
        cmocka_unit_test(test_an_answer_may_come_early),
        cmocka_unit_test(test_messages_that_are_none),
        cmocka_unit_test(test_the_preface_alone_begins_it),
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
