/* Whole pieces: as in pieces, and the other way round; bounds of buffers; no memory. */
#include "wire/compress_testing.h"

#include "wire/compress_whole.h"

static const size_t sizes[] = {0, 1, 100, 5000, 300000};

static weir_buf packed_of(enum weir__coding coding, int level, weir_str in)
{
    struct weir__packer *p;
    weir_buf b;
    weir_buf_init(&b, RESULT_MAX);
    assert_int_equal(weir__packer_new(coding, level, &p), 0);
    weir_buf_puts(&b, WEIR_S("before"));
    assert_int_equal(weir__packer_pack(p, in, &b), 0);
    weir__packer_free(p);
    assert_memory_equal(b.ptr, "before", 6);
    return b;
}

static void whole_and_in_pieces_are_one_format(void **state)
{
    (void)state;
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            weir_str text = some_text(sizes[i]);
            weir_buf b = packed_of(all_codings[c], (int)i * 2, text), plain;
            assert_result(unpack(all_codings[c], NULL, (weir_str){b.ptr + 6, b.len - 6}, 999, 999),
                          text);
            struct weir__unpacker *u;
            assert_int_equal(weir__unpacker_new(all_codings[c], NULL, &u), 0);
            weir_buf_init(&plain, text.len); /* just enough */
            for (int again = 0; again < 2; again++) {
                assert_int_equal(weir__unpacker_unpack(u, (weir_str){b.ptr + 6, b.len - 6}, &plain),
                                 0);
                assert_true(weir_str_eq(weir_buf_str(&plain), text));
                weir_buf_reset(&plain);
            }
            weir_buf_fini(&plain);
            weir_buf_init(&plain, text.len > 0 ? text.len - 1 : 0);
            if (text.len > 0)
                assert_int_equal(weir__unpacker_unpack(u, (weir_str){b.ptr + 6, b.len - 6}, &plain),
                                 WEIR_ETOOLARGE);
            assert_int_equal(plain.len, 0);
            assert_int_equal(plain.err, 0);
            weir__unpacker_free(u);
            weir_buf_fini(&plain);
            weir_buf_fini(&b);
            free((char *)text.ptr);
        }
    }
}

static void messages_need_nothing_taken_off(void **state)
{
    (void)state;
    weir_str text = some_text(5000);
    weir_buf b = packed_of(WEIR_CODING_MESSAGE, 1, text);
    weir_buf_add(&b, "\0\0\xff\xff", 4); /* as who receives it does */
    assert_result(unpack(WEIR_CODING_MESSAGE, NULL, (weir_str){b.ptr + 6, b.len - 6}, 99, 99),
                  text);
    weir_buf_fini(&b);
    b = packed_of(WEIR_CODING_MESSAGE, 1, (weir_str){NULL, 0});
    weir_buf_add(&b, "\0\0\xff\xff", 4);
    assert_result(unpack(WEIR_CODING_MESSAGE, NULL, (weir_str){b.ptr + 6, b.len - 6}, 1, 1),
                  (weir_str){"", 0});
    weir_buf_fini(&b);
    free((char *)text.ptr);
}

static void a_buffer_too_small_is_left_as_it_was(void **state)
{
    (void)state;
    weir_str noise = some_noise(3000);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        struct weir__packer *p;
        weir_buf b;
        assert_int_equal(weir__packer_new(all_codings[c], 0, &p), 0);
        for (size_t max = 1; max < 3000; max += 333) {
            weir_buf_init(&b, max);
            weir_buf_putc(&b, '!');
            assert_int_equal(weir__packer_pack(p, noise, &b), WEIR_ETOOLARGE);
            assert_int_equal(b.len, 1);
            assert_int_equal(b.err, 0);
            weir_buf_fini(&b);
        }
        weir__packer_free(p);
    }
    free((char *)noise.ptr);
}

/* The errors are the decoder's: see decompress_test.c. */
static void errors_are_those_of_pieces(void **state)
{
    (void)state;
    weir_str text = some_text(5000);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        struct result packed = pack(all_codings[c], text);
        struct weir__unpacker *u;
        weir_buf b;
        weir_buf_init(&b, RESULT_MAX);
        assert_int_equal(weir__unpacker_new(all_codings[c], NULL, &u), 0);
        assert_int_equal(weir__unpacker_unpack(u, (weir_str){packed.ptr, packed.len - 1}, &b),
                         WEIR_CODING_ECUT);
        packed.ptr[packed.len] = 'x'; /* there is room */
        assert_int_equal(weir__unpacker_unpack(u, (weir_str){packed.ptr, packed.len + 1}, &b),
                         WEIR_CODING_ERUBBISH);
        assert_int_equal(b.len, 0);
        assert_int_equal(weir__unpacker_unpack(u, str_of(&packed), &b), 0);
        assert_int_equal(weir__unpacker_unpack(u, (weir_str){"", 0}, &b), 0);
        assert_int_equal(b.len, text.len);
        weir__unpacker_free(u);
        weir_buf_fini(&b);
        free(packed.ptr);
    }
    free((char *)text.ptr);
}

static void members_and_raw_deflate_are_read(void **state)
{
    (void)state;
    weir_str text = some_text(5000);
    weir_buf two = packed_of(WEIR_CODING_GZIP, 9, text), raw = packed_of(WEIR_CODING_RAW, 9, text),
             b;
    struct weir__unpacker *u;
    size_t one = two.len - 6;
    weir_buf_init(&b, RESULT_MAX);
    weir_buf_reserve(&two, one);
    weir_buf_add(&two, two.ptr + 6, one);
    assert_int_equal(weir__unpacker_new(WEIR_CODING_GZIP, NULL, &u), 0);
    assert_int_equal(weir__unpacker_unpack(u, (weir_str){two.ptr + 6, two.len - 6}, &b), 0);
    assert_int_equal(b.len, 2 * text.len);
    weir__unpacker_free(u);
    assert_int_equal(weir__unpacker_new(WEIR_CODING_DEFLATE, NULL, &u), 0);
    assert_int_equal(weir__unpacker_unpack(u, (weir_str){raw.ptr + 6, raw.len - 6}, &b), 0);
    assert_int_equal(b.len, 3 * text.len);
    assert_memory_equal(b.ptr + 2 * text.len, text.ptr, text.len);
    weir__unpacker_free(u);
    weir_buf_fini(&b);
    weir_buf_fini(&two);
    weir_buf_fini(&raw);
    free((char *)text.ptr);
}

static void bombs_are_refused(void **state)
{
    (void)state;
    char *zeroes = calloc(1, 3 << 20);
    assert_non_null(zeroes);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        struct result packed = pack(all_codings[c], (weir_str){zeroes, 3 << 20});
        static const struct weir__decode_limits limits[] = {
            {0}, {.bytes_max = 2 << 20, .ratio_max = 9999999}, {.ratio_max = 9999999}};
        static const int expected[] = {WEIR_CODING_ERATIO, WEIR_CODING_EBYTES, 0};
        for (size_t i = 0; i < 3; i++) {
            struct weir__unpacker *u;
            weir_buf b;
            weir_buf_init(&b, RESULT_MAX);
            assert_int_equal(weir__unpacker_new(all_codings[c], &limits[i], &u), 0);
            assert_int_equal(weir__unpacker_unpack(u, str_of(&packed), &b), expected[i]);
            assert_int_equal(b.len, expected[i] == 0 ? 3 << 20 : 0);
            weir__unpacker_free(u);
            weir_buf_fini(&b);
        }
        free(packed.ptr);
    }
    free(zeroes);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct weir__packer *p;
    struct weir__unpacker *u;
    assert_int_equal(weir__packer_new(WEIR_CODING_GZIP, 13, &p), WEIR_EINVALID);
    assert_int_equal(weir__packer_new(WEIR_CODING_GZIP, -1, &p), WEIR_EINVALID);
    assert_int_equal(weir__packer_new(WEIR_CODING_IDENTITY, 1, &p), WEIR_EINVALID);
    assert_int_equal(weir__unpacker_new(WEIR_CODING_MESSAGE, NULL, &u), WEIR_EINVALID);
    assert_int_equal(weir__unpacker_new(WEIR_CODING_IDENTITY, NULL, &u), WEIR_EINVALID);
    weir__packer_free(NULL);
    weir__unpacker_free(NULL);
}

static int both_ways(enum weir__coding coding, weir_str text)
{
    struct weir__packer *p;
    struct weir__unpacker *u = NULL;
    weir_buf a, b;
    weir_buf_init(&a, RESULT_MAX);
    weir_buf_init(&b, RESULT_MAX);
    int rc = weir__packer_new(coding, 0, &p);
    if (rc == 0)
        rc = weir__packer_pack(p, text, &a);
    if (rc == 0)
        rc = weir__unpacker_new(coding, NULL, &u);
    if (rc == 0)
        rc = weir__unpacker_unpack(u, weir_buf_str(&a), &b);
    assert_true(rc != 0 || weir_str_eq(weir_buf_str(&b), text));
    weir__packer_free(p);
    weir__unpacker_free(u);
    weir_buf_fini(&a);
    weir_buf_fini(&b);
    return rc;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    weir_str text = some_text(50000);
    for (size_t c = 0; c < ALL_CODINGS; c++) {
        int rc = -ENOMEM;
        for (uint64_t nth = 1; rc != 0; nth++) {
            struct weir__alloc_stats before = weir__alloc_stats();
            weir__alloc_fail_nth(nth);
            rc = both_ways(all_codings[c], text);
            weir__alloc_fail_nth(0);
            struct weir__alloc_stats after = weir__alloc_stats();
            assert_int_equal(after.allocs - before.allocs, after.frees - before.frees);
            assert_true(rc == 0 || rc == -ENOMEM);
            assert_true(rc != 0 || nth > 4);
        }
    }
    free((char *)text.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_and_in_pieces_are_one_format),
        cmocka_unit_test(messages_need_nothing_taken_off),
        cmocka_unit_test(a_buffer_too_small_is_left_as_it_was),
        cmocka_unit_test(errors_are_those_of_pieces),
        cmocka_unit_test(members_and_raw_deflate_are_read),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
