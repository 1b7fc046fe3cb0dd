/*
 * What a session does about frames that are wrong, one by one (RFC 9113 sections 4 to 6, RFC 7541),
 * and about those that are right and too many.
 */
#include "http/h2/session_testing.h"

#if WEIR_HTTP2

/* --- errors of the connection: RFC 9113 sections 4 to 6 --------------------------------------- */

struct wrong {
    const char *what;
    enum weir__h2_code code;
    unsigned said, type, flags;
    uint32_t id;
    size_t len;
    bool is_opened; /* stream 1 is open before */
    const void *payload;
};

static const struct wrong all_wrong[] = {
    {"a frame over the maximum (4.2)", WEIR_H2_FRAME_SIZE_ERROR, 16385, DATA, 0, 1, 16385, true, 0},
    {"DATA on stream 0 (6.1)", WEIR_H2_PROTOCOL_ERROR, 1, DATA, 0, 0, 1, false, 0},
    {"padding as long as DATA (6.1)", WEIR_H2_PROTOCOL_ERROR, 3, DATA, PADDED, 1, 3, true, "\3ab"},
    {"DATA on an idle stream (5.1)", WEIR_H2_PROTOCOL_ERROR, 1, DATA, 0, 1, 1, false, 0},
    {"HEADERS on stream 0 (6.2)", WEIR_H2_PROTOCOL_ERROR, 1, HEADERS, END_HEADERS, 0, 1, false,
     "\x82"},
    {"HEADERS on an even stream (5.1.1)", WEIR_H2_PROTOCOL_ERROR, 1, HEADERS, END_HEADERS, 2, 1,
     false, "\x82"},
    {"HPACK that is none (4.3)", WEIR_H2_COMPRESSION_ERROR, 1, HEADERS, END_HEADERS, 1, 1, false,
     "\x80"},
    {"an index past the table (7541 2.3.3)", WEIR_H2_COMPRESSION_ERROR, 2, HEADERS, END_HEADERS, 1,
     2, false, "\xff\x20"},
    {"a table larger than allowed (7541 6.3)", WEIR_H2_COMPRESSION_ERROR, 4, HEADERS, END_HEADERS,
     1, 4, false, "\x3f\xff\xff\x7f"},
    {"Huffman with EOS (7541 5.2)", WEIR_H2_COMPRESSION_ERROR, 7, HEADERS, END_HEADERS, 1, 7, false,
     "\x00\x84\xff\xff\xff\xff\x00"},
    {"padding as long as HEADERS (6.2)", WEIR_H2_PROTOCOL_ERROR, 2, HEADERS, PADDED | END_HEADERS,
     1, 2, false, "\2\x82"},
    {"PRIORITY on stream 0 (6.3)", WEIR_H2_PROTOCOL_ERROR, 5, PRIORITY, 0, 0, 5, false, 0},
    {"PRIORITY of 4 bytes (6.3)", WEIR_H2_FRAME_SIZE_ERROR, 4, PRIORITY, 0, 1, 4, true, 0},
    {"RST_STREAM on stream 0 (6.4)", WEIR_H2_PROTOCOL_ERROR, 4, RST_STREAM, 0, 0, 4, false, 0},
    {"RST_STREAM on an idle stream (6.4)", WEIR_H2_PROTOCOL_ERROR, 4, RST_STREAM, 0, 9, 4, false,
     0},
    {"RST_STREAM of 3 bytes (6.4)", WEIR_H2_FRAME_SIZE_ERROR, 3, RST_STREAM, 0, 1, 3, true, 0},
    {"SETTINGS on a stream (6.5)", WEIR_H2_PROTOCOL_ERROR, 0, SETTINGS, 0, 1, 0, true, 0},
    {"SETTINGS of 5 bytes (6.5)", WEIR_H2_FRAME_SIZE_ERROR, 5, SETTINGS, 0, 0, 5, false, 0},
    {"an ACK with a payload (6.5)", WEIR_H2_FRAME_SIZE_ERROR, 6, SETTINGS, ACK, 0, 6, false, 0},
    {"an ACK of nothing", WEIR_H2_PROTOCOL_ERROR, 0, SETTINGS, ACK, 0, 0, false, 0},
    {"ENABLE_PUSH of 2 (6.5.2)", WEIR_H2_PROTOCOL_ERROR, 6, SETTINGS, 0, 0, 6, false,
     "\0\2\0\0\0\2"},
    {"a window of 2^31 (6.5.2)", WEIR_H2_FLOW_CONTROL_ERROR, 6, SETTINGS, 0, 0, 6, false,
     "\0\4\x80\0\0\0"},
    {"a frame size below 2^14 (6.5.2)", WEIR_H2_PROTOCOL_ERROR, 6, SETTINGS, 0, 0, 6, false,
     "\0\5\0\0\x3f\xff"},
    {"a frame size over 2^24 - 1 (6.5.2)", WEIR_H2_PROTOCOL_ERROR, 6, SETTINGS, 0, 0, 6, false,
     "\0\5\1\0\0\0"},
    {"PUSH_PROMISE of a client (8.4)", WEIR_H2_PROTOCOL_ERROR, 5, PUSH_PROMISE, END_HEADERS, 1, 5,
     true, "\0\0\0\2\x82"},
    {"PING on a stream (6.7)", WEIR_H2_PROTOCOL_ERROR, 8, PING, 0, 1, 8, true, 0},
    {"PING of 7 bytes (6.7)", WEIR_H2_FRAME_SIZE_ERROR, 7, PING, 0, 0, 7, false, 0},
    {"GOAWAY on a stream (6.8)", WEIR_H2_PROTOCOL_ERROR, 8, GOAWAY, 0, 1, 8, true, 0},
    {"GOAWAY of 7 bytes (6.8)", WEIR_H2_FRAME_SIZE_ERROR, 7, GOAWAY, 0, 0, 7, false, 0},
    {"an update of 0 for the connection (6.9)", WEIR_H2_PROTOCOL_ERROR, 4, WINDOW_UPDATE, 0, 0, 4,
     false, 0},
    {"an update of 0 for a stream (6.9)", WEIR_H2_PROTOCOL_ERROR, 4, WINDOW_UPDATE, 0, 1, 4, true,
     0}, /* of the stream; section 5.4 lets it be the connection's */
    {"an update of 3 bytes (6.9)", WEIR_H2_FRAME_SIZE_ERROR, 3, WINDOW_UPDATE, 0, 0, 3, false, 0},
    {"an update on an idle stream (5.1)", WEIR_H2_PROTOCOL_ERROR, 4, WINDOW_UPDATE, 0, 7, 4, false,
     "\0\0\0\1"},
    {"a window over 2^31 - 1 (6.9.1)", WEIR_H2_FLOW_CONTROL_ERROR, 4, WINDOW_UPDATE, 0, 0, 4, false,
     "\x7f\xff\xff\xff"},
    {"CONTINUATION without HEADERS (6.10)", WEIR_H2_PROTOCOL_ERROR, 1, CONTINUATION, END_HEADERS, 1,
     1, true, "\x82"},
};

static weir_err ends_with_code(weir_ctx *c, void *arg)
{
    const struct wrong *w = arg;
    struct both *b = open_talking(c, 1 << 20);
    struct frame f;
    if (w->is_opened)
        put_post(&b->peer, 1, "/wait");
    put_frame_of(&b->peer, w->said, w->type, w->flags, w->id,
                 w->payload != NULL ? w->payload : zeroes, w->len);
    if (!next_of(&b->peer, GOAWAY, &f))
        fail_msg("%s: no GOAWAY", w->what);
    if (code_of(&f) != w->code)
        fail_msg("%s: code %u, not %u", w->what, code_of(&f), w->code);
    assert_true(peer_is_over(&b->peer));
    return close_both(b);
}

static weir_err bad_preface(weir_ctx *c, void *arg)
{
    struct both *b = open_both(c, 1 << 20);
    (void)arg;
    send_bytes(&b->peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    assert_true(peer_is_over(&b->peer));
    close_both(b);
    b = open_both(c, 1 << 20); /* the first frame is no SETTINGS: section 3.4 */
    send_bytes(&b->peer, PREFACE, strlen(PREFACE));
    put_frame(&b->peer, PING, 0, 0, zeroes, 8);
    struct frame f;
    assert_true(next_of(&b->peer, GOAWAY, &f));
    assert_int_equal(code_of(&f), WEIR_H2_PROTOCOL_ERROR);
    return close_both(b);
}

/* Another frame between HEADERS and its CONTINUATION: section 6.10. */
static weir_err interrupted_block(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct frame f;
    (void)arg;
    put_frame(&b->peer, HEADERS, 0, 1, "\x82", 1);
    put_frame(&b->peer, PING, 0, 0, zeroes, 8);
    assert_true(next_of(&b->peer, GOAWAY, &f));
    assert_int_equal(code_of(&f), WEIR_H2_PROTOCOL_ERROR);
    return close_both(b);
}

/*
 * A number below one that was seen may be trailers of a stream that we have reset meanwhile, which
 * are to be ignored (section 5.1); so it always is.
 */
static weir_err lower_stream(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct frame f;
    (void)arg;
    put_get(&b->peer, 5, "/");
    put_get(&b->peer, 3, "/");
    put_get(&b->peer, 7, "/");
    assert_true(next_of(&b->peer, DATA, &f) && f.id == 5);
    assert_true(next_of(&b->peer, DATA, &f) && f.id == 7);
    assert_int_equal(b->owner.count, 2);
    return close_both(b);
}

static weir_err overrun_connection(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 4 << 20);
    struct frame f;
    (void)arg;
    b->owner.is_consuming = false;
    for (uint32_t i = 0; i < 17; i++) {
        put_post(&b->peer, 1 + 2 * i, "/wait");
        for (int k = 0; k < 4; k++)
            put_frame(&b->peer, DATA, 0, 1 + 2 * i, zeroes, k < 3 ? 16384 : 16383);
    }
    assert_true(next_of(&b->peer, GOAWAY, &f));
    assert_int_equal(code_of(&f), WEIR_H2_FLOW_CONTROL_ERROR);
    return close_both(b);
}

static void test_errors_of_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all_wrong / sizeof all_wrong[0]; i++)
        SIM(ends_with_code, (void *)(uintptr_t)&all_wrong[i]);
    SIM(bad_preface, NULL);
    SIM(interrupted_block, NULL);
    SIM(lower_stream, NULL);
    SIM(overrun_connection, NULL);
}

/* --- errors of a stream: the connection goes on ----------------------------------------------- */

static void expect_reset(struct both *b, uint32_t id, uint32_t code)
{
    struct frame f;
    assert_true(next_of(&b->peer, RST_STREAM, &f));
    assert_int_equal(f.id, id);
    assert_int_equal(code_of(&f), code);
}

static weir_err stream_errors(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    (void)arg;
    put_post(p, 3, "/wait");
    put_u32(p, WINDOW_UPDATE, 3, 0x7fffffff); /* section 6.9.1 */
    expect_reset(b, 3, WEIR_H2_FLOW_CONTROL_ERROR);
    assert_int_equal(b->owner.session.resets_provoked, 1);

    b->owner.is_consuming = false;
    put_post(p, 5, "/wait");
    for (int i = 0; i < 5; i++)
        put_frame(p, DATA, 0, 5, zeroes, 16384); /* over its window: section 6.9.1 */
    assert_true(next_frame(p, &f));
    assert_true(f.type == RST_STREAM || f.type == GOAWAY);
    assert_int_equal(code_of(&f), WEIR_H2_FLOW_CONTROL_ERROR);
    if (f.type == RST_STREAM) {
        put_get(p, 7, "/");
        assert_true(next_of(p, HEADERS, &f));
    }
    return close_both(b);
}

static weir_err unknown_is_ignored(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    (void)arg;
    put_frame(p, 0xee, 0xff, 0, zeroes, 100); /* section 5.5 */
    put_setting(p, 0xabcd, 1);
    put_frame(p, PRIORITY, 0, 99, "\0\0\0\0\1", 5);
    put_frame(p, PING, 0, 0, "pingpong", 8);
    assert_true(next_of(p, PING, &f));
    assert_int_equal(f.flags, ACK);
    assert_memory_equal(f.payload, "pingpong", 8);
    put_get(p, 1, "/");
    assert_true(next_of(p, HEADERS, &f));
    return close_both(b);
}

static weir_err peer_resets(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    (void)arg;
    put_get(&b->peer, 1, "/wait");
    put_u32(&b->peer, RST_STREAM, 1, WEIR_H2_CANCEL);
    peer_wait(&b->peer, 1);
    const struct entry *e = &b->owner.entries[0];
    assert_true(e->is_closed && e->is_reset);
    assert_int_equal(e->code, WEIR_H2_CANCEL);
    assert_int_equal(b->owner.session.resets_received, 1);
    put_get(&b->peer, 3, "/wait");
    peer_wait(&b->peer, 1);
    weir__h2_session_reset(&b->owner.session, 3, WEIR_H2_INTERNAL_ERROR, false);
    expect_reset(b, 3, WEIR_H2_INTERNAL_ERROR);
    assert_true(b->owner.entries[1].is_closed && !b->owner.entries[1].is_reset);
    assert_int_equal(b->owner.session.resets_provoked, 0);
    return close_both(b);
}

static void test_errors_of_a_stream(void **state)
{
    (void)state;
    SIM(stream_errors, NULL);
    SIM(unknown_is_ignored, NULL);
    SIM(peer_resets, NULL);
}

/* --- floods ----------------------------------------------------------------------------------- */

static void flood_resets(struct peer *p, uint32_t i)
{
    put_get(p, 1 + 2 * i, "/wait");
    put_u32(p, RST_STREAM, 1 + 2 * i, WEIR_H2_CANCEL);
}

static void flood_provoked(struct peer *p, uint32_t i)
{
    put_get(p, 1 + 2 * i, "/wait");
    put_u32(p, WINDOW_UPDATE, 1 + 2 * i, 0x7fffffff);
}

static void flood_pings(struct peer *p, uint32_t i)
{
    (void)i;
    put_frame(p, PING, 0, 0, zeroes, 8);
}

static void flood_settings(struct peer *p, uint32_t i)
{
    (void)i;
    put_frame(p, SETTINGS, 0, 0, NULL, 0);
}

static void flood_priorities(struct peer *p, uint32_t i)
{
    put_frame(p, PRIORITY, 0, 1 + 2 * i, "\0\0\0\0\1", 5);
}

static void flood_updates(struct peer *p, uint32_t i)
{
    (void)i;
    put_u32(p, WINDOW_UPDATE, 0, 1);
}

static void flood_empty_data(struct peer *p, uint32_t i)
{
    if (i == 0)
        put_post(p, 1, "/wait");
    put_frame(p, DATA, 0, 1, NULL, 0);
}

static void flood_padding(struct peer *p, uint32_t i)
{
    if (i == 0)
        put_post(p, 1, "/wait");
    put_frame(p, DATA, PADDED, 1, "\2\0\0", 3);
}

static void flood_continuations(struct peer *p, uint32_t i)
{
    if (i == 0)
        put_frame(p, HEADERS, 0, 1, "\x82", 1);
    put_frame(p, CONTINUATION, 0, 1, NULL, 0);
}

static void (*const floods[])(struct peer *p, uint32_t i) = {
    flood_resets,  flood_provoked, flood_pings,      flood_settings,     flood_priorities,
    flood_updates, flood_padding,  flood_empty_data, flood_continuations};

struct flood {
    size_t which;
    bool is_fetched; /* the peer reads what it is answered */
};

static weir_err flood_ends(weir_ctx *c, void *arg)
{
    const struct flood *flood = arg;
    struct both *b = open_talking(c, 1 << 16);
    struct frame f;
    uint32_t n = 0;
    for (; n < 3000 && !b->owner.is_fed_out; n++) {
        floods[flood->which](&b->peer, n);
        if (n % 16 == 0)
            peer_wait(&b->peer, 1);
        if (!flood->is_fetched)
            continue;
        peer_receive(&b->peer);
        while (is_whole(&b->peer) && b->peer.in[b->peer.at + 3] != GOAWAY)
            assert_true(next_frame(&b->peer, &f));
    }
    if (!b->owner.is_fed_out)
        fail_msg("flood %zu goes on", flood->which);
    if (!next_of(&b->peer, GOAWAY, &f))
        fail_msg("flood %zu (%d): no GOAWAY", flood->which, flood->is_fetched);
    assert_int_equal(code_of(&f), WEIR_H2_ENHANCE_YOUR_CALM);
    assert_true(peer_is_over(&b->peer));
    return close_both(b);
}

static void test_floods_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
        struct flood flood = {.which = i};
        SIM(flood_ends, &flood);
        flood.is_fetched = true;
        SIM(flood_ends, &flood);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_of_the_connection),
        cmocka_unit_test(test_errors_of_a_stream),
        cmocka_unit_test(test_floods_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
