/* Bodies that are coded several times, once, or not at all; in any pieces; bombs within bombs. */
#include "wire/compress_testing.h"

#include "wire/decode_chain.h"

static int chain_step(void *codec, struct weir__flow *flow, bool is_last)
{
    return weir__decode_chain_step(codec, flow, is_last);
}

static struct result through(const char *codings, const struct weir__decode_limits *limits,
                             weir_str in, size_t in_n, size_t out_n)
{
    struct weir__decode_chain *c;
    assert_int_equal(weir__decode_chain_new(weir_str_from(codings), limits, &c), 0);
    struct result r = run_in_pieces(chain_step, c, in, in_n, out_n);
    weir__decode_chain_free(c);
    return r;
}

static struct result coded(weir_str text, const enum weir__coding *codings, size_t n)
{
    struct result r = pack(codings[0], text);
    for (size_t i = 1; i < n; i++) {
        struct result next = pack(codings[i], str_of(&r));
        free(r.ptr);
        r = next;
    }
    return r;
}

static void all_depths_in_all_pieces(void **state)
{
    (void)state;
    static const enum weir__coding codings[] = {WEIR_CODING_DEFLATE, WEIR_CODING_GZIP,
                                                WEIR_CODING_DEFLATE};
    static const char *const names[] = {NULL, "deflate", "deflate, gzip", "deflate, gzip, deflate"};
    static const size_t sizes[] = {1, 100, 5000, 70000};
    weir_str text = some_text(40000), noise = some_noise(40000);
    for (size_t depth = 0; depth <= 3; depth++) {
        for (size_t i = 0; i < 32; i++) {
            weir_str in = i < 16 ? text : noise;
            struct result r = depth > 0 ? coded(in, codings, depth) : (struct result){0};
            assert_result(through(names[depth], NULL, depth > 0 ? str_of(&r) : in, sizes[i % 4],
                                  sizes[i / 4 % 4]),
                          in);
            free(r.ptr);
        }
    }
    free((char *)text.ptr);
    free((char *)noise.ptr);
}

static void nothing_is_an_empty_body(void **state)
{
    (void)state;
    assert_result(through("gzip, gzip", NULL, (weir_str){"", 0}, 1, 1), (weir_str){"", 0});
    assert_result(through(NULL, NULL, (weir_str){"", 0}, 1, 1), (weir_str){"", 0});
}

static void a_flushed_event_does_not_wait_between(void **state)
{
    (void)state;
    static const weir_str event = {"data: 1\n\n", 9};
    struct weir__encoder *inner, *outer;
    struct weir__decode_chain *c;
    assert_int_equal(weir__encoder_new(WEIR_CODING_DEFLATE, NULL, &inner), 0);
    assert_int_equal(weir__encoder_new(WEIR_CODING_GZIP, NULL, &outer), 0);
    assert_int_equal(weir__decode_chain_new(WEIR_S("deflate, gzip"), NULL, &c), 0);
    for (int i = 0; i < 10; i++) {
        char once[128], twice[128], plain[64];
        struct weir__flow a = {event.ptr, event.len, once, sizeof once};
        assert_int_equal(weir__encoder_step(inner, &a, WEIR_ENCODE_SYNC), WEIR_FLOW_IN);
        struct weir__flow b = {once, sizeof once - a.out_len, twice, sizeof twice};
        assert_int_equal(weir__encoder_step(outer, &b, WEIR_ENCODE_SYNC), WEIR_FLOW_IN);
        struct weir__flow f = {twice, sizeof twice - b.out_len, plain, sizeof plain};
        assert_int_equal(weir__decode_chain_step(c, &f, false), WEIR_FLOW_IN);
        assert_int_equal(sizeof plain - f.out_len, event.len);
        assert_memory_equal(plain, event.ptr, event.len);
    }
    weir__encoder_free(inner);
    weir__encoder_free(outer);
    weir__decode_chain_free(c);
}

static void errors_of_each_stage_come_out_and_stay(void **state)
{
    (void)state;
    static const enum weir__coding twice[] = {WEIR_CODING_GZIP, WEIR_CODING_GZIP};
    struct result r = pack(WEIR_CODING_GZIP, WEIR_S("not coded within"));
    struct result bad = through("deflate, gzip", NULL, str_of(&r), 3, 3);
    assert_true(bad.err == WEIR_CODING_EFORMAT || bad.err == WEIR_CODING_EDATA);
    free(bad.ptr);
    free(r.ptr);
    r = coded(WEIR_S("hello"), twice, 2);
    bad = through("gzip, gzip", NULL, (weir_str){r.ptr, r.len - 1}, 3, 3);
    assert_int_equal(bad.err, WEIR_CODING_ECUT);
    free(bad.ptr);
    r.ptr[r.len] = 'x';
    bad = through("gzip, gzip", NULL, (weir_str){r.ptr, r.len + 1}, 3, 3);
    assert_int_equal(bad.err, WEIR_CODING_ERUBBISH);
    free(bad.ptr);
    struct weir__decode_chain *c;
    assert_int_equal(weir__decode_chain_new(WEIR_S("gzip"), NULL, &c), 0);
    struct weir__flow f = {"no gzip", 7, r.ptr, 1};
    assert_int_equal(weir__decode_chain_step(c, &f, true), WEIR_CODING_EFORMAT);
    assert_int_equal(weir__decode_chain_step(c, &f, true), WEIR_CODING_EFORMAT);
    weir__decode_chain_free(c);
    free(r.ptr);
}

static void a_bomb_within_is_one_too(void **state)
{
    (void)state;
    static const enum weir__coding twice[] = {WEIR_CODING_GZIP, WEIR_CODING_GZIP};
    char *zeroes = calloc(1, 3 << 20);
    assert_non_null(zeroes);
    struct result r = coded((weir_str){zeroes, 3 << 20}, twice, 2);
    struct result bad = through("gzip, gzip", NULL, str_of(&r), 999, 9999);
    assert_int_equal(bad.err, WEIR_CODING_ERATIO);
    free(bad.ptr);
    struct weir__decode_limits l = {.bytes_max = 100, .ratio_max = UINT64_MAX};
    bad = through("gzip, gzip", &l, str_of(&r), 999, 9999);
    assert_int_equal(bad.err, WEIR_CODING_EBYTES);
    free(bad.ptr);
    free(r.ptr);
    free(zeroes);
}

static void a_plain_body_has_the_bound_too(void **state)
{
    (void)state;
    struct weir__decode_limits l = {.bytes_max = 5};
    assert_result(through(NULL, &l, WEIR_S("12345"), 2, 2), WEIR_S("12345"));
    struct result r = through("identity", &l, WEIR_S("123456"), 2, 2);
    assert_int_equal(r.err, WEIR_CODING_EBYTES);
    free(r.ptr);
}

static void what_is_not_known_is_refused(void **state)
{
    (void)state;
    struct weir__decode_chain *c;
    assert_int_equal(weir__decode_chain_new(WEIR_S("zstd"), NULL, &c), WEIR_CODING_EUNKNOWN);
    assert_int_equal(weir__decode_chain_new(WEIR_S("gzip,gzip,gzip,gzip"), NULL, &c),
                     WEIR_CODING_ECHAIN);
    assert_null(c);
    weir__decode_chain_free(NULL);
    assert_int_equal(weir__decode_chain_new(WEIR_S("gzip"), NULL, &c), 0);
    assert_false(weir__decode_chain_is_plain(c));
    weir__decode_chain_free(c);
    assert_int_equal(weir__decode_chain_new(WEIR_S("identity"), NULL, &c), 0);
    assert_true(weir__decode_chain_is_plain(c));
    weir__decode_chain_free(c);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    int rc = -ENOMEM;
    for (uint64_t nth = 1; rc != 0; nth++) {
        struct weir__alloc_stats before = weir__alloc_stats();
        struct weir__decode_chain *c;
        weir__alloc_fail_nth(nth);
        rc = weir__decode_chain_new(WEIR_S("gzip, gzip"), NULL, &c);
        weir__alloc_fail_nth(0);
        weir__decode_chain_free(c);
        struct weir__alloc_stats after = weir__alloc_stats();
        assert_int_equal(after.allocs - before.allocs, after.frees - before.frees);
        assert_true(rc == 0 ? nth > 4 : rc == -ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_depths_in_all_pieces),
        cmocka_unit_test(nothing_is_an_empty_body),
        cmocka_unit_test(a_flushed_event_does_not_wait_between),
        cmocka_unit_test(errors_of_each_stage_come_out_and_stay),
        cmocka_unit_test(a_bomb_within_is_one_too),
        cmocka_unit_test(a_plain_body_has_the_bound_too),
        cmocka_unit_test(what_is_not_known_is_refused),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
