/*
 * Packing in pieces: what comes out is unpacked again, whatever the pieces, the level and the
 * window; flushes, messages that refer to each other and that do not, reuse, bounds, no memory.
 */
#include "wire/compress_testing.h"

#define TEXT_BYTES 50000

static void all_sizes_of_pieces_and_room(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 7, 1000, 65536};
    weir_str text = some_text(TEXT_BYTES);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        for (size_t i = 0; i < 16; i++) {
            struct weir__encoder *e;
            assert_int_equal(weir__encoder_new(all_codings[c], NULL, &e), 0);
            struct result r = run_in_pieces(encode_step, e, text, sizes[i % 4], sizes[i / 4]);
            assert_int_equal(r.err, 0);
            assert_true(r.len < text.len / 3);
            weir__encoder_free(e);
            assert_result(unpack(all_codings[c], NULL, str_of(&r), sizes[i / 4], sizes[i % 4]),
                          text);
            free(r.ptr);
        }
    }
    free((char *)text.ptr);
}

static void all_levels_and_windows(void **state)
{
    (void)state;
    weir_str text = some_text(TEXT_BYTES);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        bool is_br = all_codings[c] == WEIR_CODING_BROTLI;
        for (int i = 1; i <= (is_br ? 11 : 9); i++) {
            struct weir__encode_options o = {.level = i,
                                             .window_bits = is_br       ? 10 + i
                                                            : 6 + i < 9 ? 9
                                                                        : 6 + i};
            struct weir__encoder *e;
            assert_int_equal(weir__encoder_new(all_codings[c], &o, &e), 0);
            struct result r = run_in_pieces(encode_step, e, text, 9999, 9999);
            weir__encoder_free(e);
            assert_result(unpack(all_codings[c], NULL, str_of(&r), 999, 999), text);
            free(r.ptr);
        }
    }
    free((char *)text.ptr);
}

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    static const struct weir__encode_options bad[] = {
        {.level = -1}, {.level = 12}, {.window_bits = 8}, {.window_bits = 25}};
    struct weir__encoder *e;
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            assert_int_equal(weir__encoder_new(all_codings[c], &bad[i], &e), WEIR_EINVALID);
            assert_null(e);
        }
    }
    struct weir__encode_options ten = {.level = 10};
    assert_int_equal(weir__encoder_new(WEIR_CODING_GZIP, &ten, &e), WEIR_EINVALID);
    assert_int_equal(weir__encoder_new(WEIR_CODING_IDENTITY, NULL, &e), WEIR_EINVALID);
    weir__encoder_free(NULL);
}

static void br_is_there_or_says_so(void **state)
{
    (void)state;
    struct weir__encoder *e;
    struct weir__decoder *d;
    int expected = weir__coding_is_built(WEIR_CODING_BROTLI) ? 0 : WEIR_ENOTBUILT;
    assert_int_equal(weir__encoder_new(WEIR_CODING_BROTLI, NULL, &e), expected);
    assert_int_equal(weir__decoder_new(WEIR_CODING_BROTLI, NULL, &d), expected);
    weir__encoder_free(e);
    weir__decoder_free(d);
}

/* Everything that was given before a flush can be unpacked from what came out by then. */
static void a_flush_lets_all_out(void **state)
{
    (void)state;
    weir_str event = WEIR_S("data: {\"n\":1}\n\n");
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        struct weir__encoder *e;
        struct weir__decoder *d;
        char packed[256], plain[64];
        assert_int_equal(weir__encoder_new(all_codings[c], NULL, &e), 0);
        assert_int_equal(weir__decoder_new(all_codings[c], NULL, &d), 0);
        for (int i = 0; i < 100; i++) {
            struct weir__flow in = {event.ptr, event.len, packed, sizeof packed};
            assert_int_equal(weir__encoder_step(e, &in, WEIR_ENCODE_SYNC), WEIR_FLOW_IN);
            assert_int_equal(in.in_len, 0);
            struct weir__flow out = {packed, sizeof packed - in.out_len, plain, sizeof plain};
            assert_int_equal(weir__decoder_step(d, &out, false), WEIR_FLOW_IN);
            assert_int_equal(sizeof plain - out.out_len, event.len);
            assert_memory_equal(plain, event.ptr, event.len);
        }
        weir__encoder_free(e);
        weir__decoder_free(d);
    }
}

static void reused_it_packs_the_same(void **state)
{
    (void)state;
    weir_str text = some_text(TEXT_BYTES);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        struct weir__encoder *e;
        assert_int_equal(weir__encoder_new(all_codings[c], NULL, &e), 0);
        struct result a = run_in_pieces(encode_step, e, text, 4096, 4096);
        struct weir__flow nothing = {0};
        assert_int_equal(weir__encoder_step(e, &nothing, WEIR_ENCODE_END), WEIR_FLOW_END);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(weir__encoder_reset(e), 0);
            assert_result(run_in_pieces(encode_step, e, text, 4096, 4096), str_of(&a));
        }
        free(a.ptr);
        weir__encoder_free(e);
    }
    free((char *)text.ptr);
}

static void nothing_is_packed_too(void **state)
{
    (void)state;
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        struct result r = pack(all_codings[c], (weir_str){"", 0});
        assert_true(r.len > 0);
        assert_result(unpack(all_codings[c], NULL, str_of(&r), 1, 1), (weir_str){"", 0});
        free(r.ptr);
    }
}

/* ---- messages, RFC 7692 ---- */

static size_t pack_message(struct weir__encoder *e, weir_str s, char *out, size_t room)
{
    struct weir__flow f = {s.ptr, s.len, out, room};
    assert_int_equal(weir__encoder_step(e, &f, WEIR_ENCODE_SYNC), WEIR_FLOW_IN);
    size_t n = room - f.out_len;
    assert_true(n >= 5);
    assert_memory_equal(out + n - 4, "\0\0\xff\xff", 4);
    return n - 4;
}

static void messages_are_those_of_the_rfc(void **state)
{
    (void)state;
    struct weir__encoder *e;
    char out[64];
    assert_int_equal(weir__encoder_new(WEIR_CODING_MESSAGE, NULL, &e), 0);
    assert_int_equal(pack_message(e, WEIR_S("Hello"), out, sizeof out), 7); /* 7.2.3.1 */
    assert_memory_equal(out, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
    assert_int_equal(pack_message(e, WEIR_S("Hello"), out, sizeof out), 5); /* 7.2.3.2 */
    assert_memory_equal(out, "\xf2\x00\x11\x00\x00", 5);
    assert_int_equal(weir__encoder_reset(e), 0); /* no context is taken over */
    assert_int_equal(pack_message(e, WEIR_S("Hello"), out, sizeof out), 7);
    struct weir__flow nothing = {NULL, 0, out, sizeof out};
    assert_int_equal(weir__encoder_step(e, &nothing, WEIR_ENCODE_SYNC), WEIR_FLOW_IN);
    assert_int_equal(nothing.out_len, sizeof out);
    weir__encoder_free(e);
}

/* ---- memory ---- */

static void memory_is_bounded(void **state)
{
    (void)state;
    struct weir__encode_options o = {.memory_bytes_max = 64 << 10};
    struct weir__encoder *e;
    assert_int_equal(weir__encoder_new(WEIR_CODING_GZIP, &o, &e), WEIR_CODING_EWINDOW);
    assert_null(e);
    if (!WEIR_BROTLI)
        return;
    o = (struct weir__encode_options){.level = 9, .memory_bytes_max = 64 << 10};
    weir_str text = some_text(TEXT_BYTES);
    assert_int_equal(weir__encoder_new(WEIR_CODING_BROTLI, &o, &e), 0);
    struct result r = run_in_pieces(encode_step, e, text, 4096, 4096);
    assert_int_equal(r.err, WEIR_CODING_EWINDOW);
    struct weir__flow nothing = {0};
    assert_int_equal(weir__encoder_step(e, &nothing, WEIR_ENCODE_END), WEIR_CODING_EWINDOW);
    weir__encoder_free(e);
    free(r.ptr);
    free((char *)text.ptr);
}

/* Each allocation fails once: an error, and nothing is left. */
static void each_allocation_may_fail(void **state)
{
    (void)state;
    weir_str text = some_text(TEXT_BYTES);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        for (uint64_t nth = 1;; nth++) {
            struct weir__alloc_stats before = weir__alloc_stats();
            struct weir__encoder *e;
            struct result r = {NULL, 0, 0};
            weir__alloc_fail_nth(nth);
            int rc = weir__encoder_new(all_codings[c], NULL, &e);
            if (rc == 0)
                r = run_in_pieces(encode_step, e, text, 9999, 9999);
            weir__alloc_fail_nth(0);
            weir__encoder_free(e);
            free(r.ptr);
            struct weir__alloc_stats after = weir__alloc_stats();
            assert_int_equal(after.allocs - before.allocs, after.frees - before.frees);
            if (rc == 0 && r.err == 0)
                break;
            assert_int_equal(rc != 0 ? rc : r.err, -ENOMEM);
        }
    }
    free((char *)text.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sizes_of_pieces_and_room),
        cmocka_unit_test(all_levels_and_windows),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(br_is_there_or_says_so),
        cmocka_unit_test(a_flush_lets_all_out),
        cmocka_unit_test(reused_it_packs_the_same),
        cmocka_unit_test(nothing_is_packed_too),
        cmocka_unit_test(messages_are_those_of_the_rfc),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
