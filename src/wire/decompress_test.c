/*
 * Unpacking in pieces: bytes of other programs, every cut, every flipped bit; each thing that may
 * be wrong has its own error; bombs of bytes, of ratio, of memory; messages; reuse; no memory.
 */
#include "wire/compress_testing.h"

#define PLAIN "hello, weir"
#define HEAD "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03"
#define RAW "\xcb\x48\xcd\xc9\xc9\xd7\x51\x28\x4f\xcd\x2c\x02\x00"
#define SUM "\xb4\x49\xdc\xf5"
#define SIZE "\x0b\x00\x00\x00"
#define MEMBER HEAD RAW SUM SIZE
#define ZLIB "\x78\x9c" RAW "\x18\xa1\x04\x18"
#define NAMED_HEAD "\x1f\x8b\x08\x1e\0\0\0\0\0\x03\x04\0ab\0\0name\0comment\0"
#define NAMED NAMED_HEAD "\x4a\x67" RAW SUM SIZE
#define BR "\x0b\x05\x80" PLAIN "\x03"
#define MESSAGE "\xf2\x48\xcd\xc9\xc9\x07\0\0\0\xff\xff" /* RFC 7692 section 7.2.3.1 */

enum { GZIP = WEIR_CODING_GZIP, DEFLATE = WEIR_CODING_DEFLATE, BROTLI = WEIR_CODING_BROTLI };

#define S(literal) literal, sizeof literal - 1

static const struct {
    int coding;
    const char *in;
    size_t in_len;
    const char *out; /* NULL: only the error is looked at */
    int err;
} rows[] = {
    {GZIP, S(MEMBER), PLAIN, 0},
    {GZIP, S(NAMED), PLAIN, 0},
    {GZIP, S(MEMBER MEMBER), PLAIN PLAIN, 0}, /* RFC 1952 section 2.2: members are one body */
    {GZIP, S(MEMBER NAMED MEMBER), PLAIN PLAIN PLAIN, 0},
    {GZIP, S(""), "", 0},
    {GZIP, S("\x1f"), NULL, WEIR_CODING_ECUT},
    {GZIP, S(HEAD RAW SUM), NULL, WEIR_CODING_ECUT},
    {GZIP, S(MEMBER HEAD), NULL, WEIR_CODING_ECUT},
    {GZIP, S(PLAIN), NULL, WEIR_CODING_EFORMAT},
    {GZIP, S("\x1f\x8b\x07\0"), NULL, WEIR_CODING_EFORMAT},
    {GZIP, S(ZLIB), NULL, WEIR_CODING_EFORMAT},
    {GZIP, S(HEAD "\x07"), NULL, WEIR_CODING_EDATA}, /* a block of the fourth kind */
    {GZIP, S(HEAD RAW "\xb4\x49\xdc\xf4" SIZE), NULL, WEIR_CODING_ECHECKSUM},
    {GZIP, S(HEAD RAW SUM "\x0c\0\0\0"), NULL, WEIR_CODING_ECHECKSUM},
    {GZIP, S(NAMED_HEAD "\x4a\x68" RAW SUM SIZE), NULL, WEIR_CODING_ECHECKSUM},
    {GZIP, S(MEMBER "\0"), NULL, WEIR_CODING_ERUBBISH},
    {GZIP, S(MEMBER "\x1f\x8c"), NULL, WEIR_CODING_ERUBBISH},
    {GZIP, S(MEMBER PLAIN), NULL, WEIR_CODING_ERUBBISH},
    {DEFLATE, S(ZLIB), PLAIN, 0},
    {DEFLATE, S(RAW), PLAIN, 0}, /* RFC 9110 section 8.4.1.2: some send it without the wrapper */
    {DEFLATE, S("\x03\x00"), "", 0},
    {DEFLATE, S(""), "", 0},
    {DEFLATE, S("\x78"), NULL, WEIR_CODING_ECUT},
    {DEFLATE, S("\x78\x9c"), NULL, WEIR_CODING_ECUT},
    {DEFLATE, S(ZLIB "x"), NULL, WEIR_CODING_ERUBBISH},
    {DEFLATE, S(RAW "x"), NULL, WEIR_CODING_ERUBBISH},
    {DEFLATE, S("\x78\x9c" RAW "\x18\xa1\x04\x19"), NULL, WEIR_CODING_ECHECKSUM},
    {DEFLATE, S("\x78\xbb\0\0\0\0"), NULL, WEIR_CODING_EFORMAT}, /* a dictionary that nobody has */
    {DEFLATE, S("\x88\x1c\0\0"), NULL, WEIR_CODING_EFORMAT},     /* a window of 64 KiB */
    {DEFLATE, S("\xff\xff"), NULL, WEIR_CODING_EDATA},
    {WEIR_CODING_RAW, S(RAW), PLAIN, 0},
    {WEIR_CODING_RAW, S(RAW RAW), NULL, WEIR_CODING_ERUBBISH},
    {WEIR_CODING_RAW, S("\xcb\x48"), NULL, WEIR_CODING_ECUT},
    {WEIR_CODING_MESSAGE, S(MESSAGE), "Hello", 0},
    {WEIR_CODING_MESSAGE, S("\0\0\0\xff\xff"), "", 0},                                /* 7.2.3.6 */
    {WEIR_CODING_MESSAGE, S("\0\x05\0\xfa\xffHello\0\0\0\xff\xff"), "Hello", 0},      /* 7.2.3.3 */
    {WEIR_CODING_MESSAGE, S("\xf3\x48\xcd\xc9\xc9\x07\0\0\0\0\xff\xff"), "Hello", 0}, /* 7.2.3.4 */
    {WEIR_CODING_MESSAGE, S("\xf2\x48\x05\0\0\0\xff\xff\xca\xc9\xc9\x07\0\0\0\xff\xff"), "Hello",
     0}, /* 7.2.3.5: two blocks */
    {WEIR_CODING_MESSAGE, S("\xf2\x48\xcd"), NULL, WEIR_CODING_ECUT},
    {WEIR_CODING_MESSAGE, S("\xf2\x48\xcd\xc9\xc9\x07\0"), NULL, WEIR_CODING_ECUT},
    {WEIR_CODING_MESSAGE, S("\x07"), NULL, WEIR_CODING_EDATA},
#if WEIR_BROTLI
    {BROTLI, S(BR), PLAIN, 0},
    {BROTLI, S(""), "", 0},
    {BROTLI, S("\x3b"), "", 0},
    {BROTLI, S("\x0b\x05\x80" PLAIN), NULL, WEIR_CODING_ECUT},
    {BROTLI, S(BR "x"), NULL, WEIR_CODING_ERUBBISH},
    {BROTLI, S(BR BR), NULL, WEIR_CODING_ERUBBISH},
    {BROTLI, S("\x11"), NULL, WEIR_CODING_EFORMAT}, /* a window that RFC 7932 does not have */
    {BROTLI, S("\x03\x00" PLAIN), NULL, WEIR_CODING_EDATA},
#endif
};

static void check_row(size_t i, size_t in_n, size_t out_n)
{
    struct result r = unpack((enum weir__coding)rows[i].coding, NULL,
                             (weir_str){rows[i].in, rows[i].in_len}, in_n, out_n);
    if (r.err != rows[i].err)
        fail_msg("row %zu, %zu and %zu at a time: %s", i, in_n, out_n,
                 weir__coding_error_text(r.err));
    if (rows[i].out != NULL) {
        assert_int_equal(r.len, strlen(rows[i].out));
        assert_memory_equal(r.ptr, rows[i].out, r.len);
    }
    free(r.ptr);
}

static void each_thing_has_its_error_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t n = 1; n <= 4; n++) {
            check_row(i, n, 1);
            check_row(i, 1, n);
            check_row(i, 100, n * 20);
        }
    }
}

/* No part of a whole is a whole; and a flipped bit is noticed where there is a checksum. */
static void every_cut_and_every_bit(void **state)
{
    (void)state;
    static const char whole[] = NAMED;
    for (size_t n = 1; n < sizeof whole - 1; n++) {
        struct result r = unpack(WEIR_CODING_GZIP, NULL, (weir_str){whole, n}, 5, 5);
        assert_int_equal(r.err, WEIR_CODING_ECUT);
        free(r.ptr);
    }
    for (size_t bit = 0; bit < (sizeof whole - 1) * 8; bit++) {
        char bent[sizeof whole];
        memcpy(bent, whole, sizeof whole);
        bent[bit / 8] = (char)(bent[bit / 8] ^ 1 << bit % 8);
        struct result r =
            unpack(WEIR_CODING_GZIP, NULL, (weir_str){bent, sizeof whole - 1}, 64, 64);
        /* A head without its CRC may say anything; the text is right, or it is refused. */
        assert_true(r.err != 0 || (r.len == strlen(PLAIN) && memcmp(r.ptr, PLAIN, r.len) == 0));
        free(r.ptr);
    }
}

static void an_error_stays_until_a_reset(void **state)
{
    (void)state;
    struct weir__decoder *d;
    char out[64];
    assert_int_equal(weir__decoder_new(WEIR_CODING_GZIP, NULL, &d), 0);
    struct weir__flow bad = {S(PLAIN), out, sizeof out}, good = {S(MEMBER), out, sizeof out};
    assert_int_equal(weir__decoder_step(d, &bad, true), WEIR_CODING_EFORMAT);
    assert_int_equal(weir__decoder_step(d, &good, true), WEIR_CODING_EFORMAT);
    assert_int_equal(weir__decoder_reset(d), 0);
    assert_int_equal(weir__decoder_step(d, &good, true), WEIR_FLOW_END);
    assert_int_equal(weir__decoder_in(d), sizeof MEMBER - 1);
    assert_int_equal(weir__decoder_out(d), strlen(PLAIN));
    weir__decoder_free(d);
    weir__decoder_free(NULL);
    assert_int_equal(weir__decoder_new(WEIR_CODING_IDENTITY, NULL, &d), WEIR_EINVALID);
}

static void reused_it_unpacks_the_same(void **state)
{
    (void)state;
    weir_str text = some_text(30000);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        struct weir__decoder *d;
        struct result packed = pack(all_codings[c], text);
        assert_int_equal(weir__decoder_new(all_codings[c], NULL, &d), 0);
        for (int i = 0; i < 4; i++) {
            /* Also out of the middle of another body. */
            char out[100];
            struct weir__flow f = {packed.ptr, 50, out, sizeof out};
            assert_true(weir__decoder_step(d, &f, false) >= 0);
            assert_int_equal(weir__decoder_reset(d), 0);
            assert_result(run_in_pieces(decode_step, d, str_of(&packed), 333, 333), text);
            assert_int_equal(weir__decoder_reset(d), 0);
        }
        weir__decoder_free(d);
        free(packed.ptr);
    }
    free((char *)text.ptr);
}

/* ---- bombs ---- */

static void no_byte_past_the_bound_comes_out(void **state)
{
    (void)state;
    weir_str text = some_text(5000);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        struct result packed = pack(all_codings[c], text);
        for (size_t max = text.len - 2; max <= text.len + 1; max++) {
            struct weir__decode_limits l = {.bytes_max = max};
            static const size_t rooms[] = {1, 64, 5000, 9999};
            for (size_t i = 0; i < 4; i++) {
                struct result r = unpack(all_codings[c], &l, str_of(&packed), 77, rooms[i]);
                assert_int_equal(r.err, max < text.len ? WEIR_CODING_EBYTES : 0);
                assert_int_equal(r.len, max < text.len ? max : text.len);
                assert_memory_equal(r.ptr, text.ptr, r.len);
                free(r.ptr);
            }
        }
        free(packed.ptr);
    }
    free((char *)text.ptr);
}

static void what_grows_too_much_is_a_bomb(void **state)
{
    (void)state;
    char *zeroes = calloc(1, 3 << 20);
    assert_non_null(zeroes);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        struct result packed = pack(all_codings[c], (weir_str){zeroes, 3 << 20});
        struct result r = unpack(all_codings[c], NULL, str_of(&packed), 4096, 4096);
        assert_int_equal(r.err, WEIR_CODING_ERATIO);
        assert_true(r.len <= (1 << 20) + 4096);
        free(r.ptr);
        struct weir__decode_limits wide = {.ratio_max = UINT64_MAX};
        r = unpack(all_codings[c], &wide, str_of(&packed), 4096, 4096);
        assert_int_equal(r.err, 0);
        assert_int_equal(r.len, 3 << 20);
        free(r.ptr);
        free(packed.ptr);
        /* Little is no bomb, however well it packs. */
        packed = pack(all_codings[c], (weir_str){zeroes, 1 << 20});
        r = unpack(all_codings[c], NULL, str_of(&packed), 4096, 4096);
        assert_int_equal(r.err, 0);
        free(r.ptr);
        free(packed.ptr);
    }
    free(zeroes);
}

static void a_peer_does_not_say_how_much_memory(void **state)
{
    (void)state;
    weir_str noise = some_noise(300000);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        struct weir__encode_options o = {.window_bits = WEIR_BROTLI && c == 3 ? 24 : 15};
        struct weir__decode_limits l = {.memory_bytes_max = 20 << 10};
        struct weir__encoder *e;
        struct weir__decoder *d;
        assert_int_equal(weir__encoder_new(all_codings[c], &o, &e), 0);
        struct result packed = run_in_pieces(encode_step, e, noise, 4096, 4096), r = {0};
        int rc = weir__decoder_new(all_codings[c], &l, &d);
        if (rc == 0)
            r = run_in_pieces(decode_step, d, str_of(&packed), 4096, 4096);
        assert_int_equal(rc != 0 ? rc : r.err, WEIR_CODING_EWINDOW);
        weir__encoder_free(e);
        weir__decoder_free(d);
        free(packed.ptr);
        free(r.ptr);
    }
    free((char *)noise.ptr);
}

/* ---- messages ---- */

static void check_message(struct weir__decoder *d, const char *in, size_t n, const char *expected)
{
    char out[64];
    struct weir__flow f = {in, n, out, sizeof out};
    assert_int_equal(weir__decoder_step(d, &f, true), WEIR_FLOW_END);
    assert_int_equal(sizeof out - f.out_len, strlen(expected));
    assert_memory_equal(out, expected, strlen(expected));
}

static void messages_refer_to_those_before(void **state)
{
    (void)state;
    struct weir__decoder *d;
    assert_int_equal(weir__decoder_new(WEIR_CODING_MESSAGE, NULL, &d), 0);
    check_message(d, S(MESSAGE), "Hello");
    check_message(d, S("\xf2\x00\x11\x00\x00\0\0\xff\xff"), "Hello"); /* 7.2.3.2 */
    /* Past a final block too. */
    check_message(d, S("\xf3\x48\xcd\xc9\xc9\x07\0\0\0\0\xff\xff"), "Hello");
    check_message(d, S("\xf2\x00\x11\x00\x00\0\0\xff\xff"), "Hello");
    /* Without what it refers to it is broken. */
    assert_int_equal(weir__decoder_reset(d), 0);
    char out[64];
    struct weir__flow f = {S("\xf2\x00\x11\x00\x00\0\0\xff\xff"), out, sizeof out};
    assert_int_equal(weir__decoder_step(d, &f, true), WEIR_CODING_EDATA);
    weir__decoder_free(d);
}

static void each_message_has_the_limits_anew(void **state)
{
    (void)state;
    struct weir__decode_limits l = {.bytes_max = 5};
    struct weir__decoder *d;
    assert_int_equal(weir__decoder_new(WEIR_CODING_MESSAGE, &l, &d), 0);
    for (int i = 0; i < 5; i++)
        check_message(d, S(MESSAGE), "Hello");
    char out[64];
    struct weir__flow f = {S("\0\x06\0\xf9\xffHello!\0\0\0\xff\xff"), out, sizeof out};
    assert_int_equal(weir__decoder_step(d, &f, true), WEIR_CODING_EBYTES);
    weir__decoder_free(d);
}

/* ---- memory ---- */

static void each_allocation_may_fail(void **state)
{
    (void)state;
    weir_str text = some_text(100000);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        struct result packed = pack(all_codings[c], text);
        for (uint64_t nth = 1;; nth++) {
            struct weir__alloc_stats before = weir__alloc_stats();
            struct weir__decoder *d;
            struct result r = {NULL, 0, 0};
            weir__alloc_fail_nth(nth);
            int rc = weir__decoder_new(all_codings[c], NULL, &d);
            if (rc == 0)
                r = run_in_pieces(decode_step, d, str_of(&packed), 9999, 9999);
            if (rc == 0 && r.err == 0)
                rc = weir__decoder_reset(d);
            weir__alloc_fail_nth(0);
            weir__decoder_free(d);
            free(r.ptr);
            struct weir__alloc_stats after = weir__alloc_stats();
            assert_int_equal(after.allocs - before.allocs, after.frees - before.frees);
            if (rc == 0 && r.err == 0)
                break;
            assert_int_equal(rc != 0 ? rc : r.err, -ENOMEM);
        }
        free(packed.ptr);
    }
    free((char *)text.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thing_has_its_error_in_any_pieces),
        cmocka_unit_test(every_cut_and_every_bit),
        cmocka_unit_test(an_error_stays_until_a_reset),
        cmocka_unit_test(reused_it_unpacks_the_same),
        cmocka_unit_test(no_byte_past_the_bound_comes_out),
        cmocka_unit_test(what_grows_too_much_is_a_bomb),
        cmocka_unit_test(a_peer_does_not_say_how_much_memory),
        cmocka_unit_test(messages_refer_to_those_before),
        cmocka_unit_test(each_message_has_the_limits_anew),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
