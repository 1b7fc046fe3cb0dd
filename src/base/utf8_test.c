/* UTF-8: every code point there is, and every kind of sequence that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

static void every_code_point_is_valid_and_no_surrogate(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        char text[4];
        unsigned n = weir__utf8_put(text, cp);
        bool is_surrogate = cp >= 0xd800 && cp <= 0xdfff;
        assert_int_equal(weir__utf8_step(text, text + n), is_surrogate ? 0 : n);
        for (unsigned cut = 1; cut < n; cut++)
            assert_int_equal(weir__utf8_step(text, text + cut), 0);
    }
}

static void malformed_sequences_are_found_where_they_are(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",         "\xbf",         "\xc0\x80",         "\xc1\xbf",         "\xc2",
        "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",     "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
        "\xff",         "\xfe",         "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82",
        "\xe2\x28\xa1", "\xc3\x28",     "\xf0\x9f\x98",     "\xe2\x82\x28",     "\xf0\x9f\x98\x28",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t before = 0; before < 40; before++) {
            char text[64];
            size_t n = strlen(bad[i]);
            memset(text, 'a', sizeof text);
            memcpy(text + before, bad[i], n);
            assert_int_equal(weir__utf8_valid_prefix(text, before + n), before);
            assert_int_equal(weir__utf8_valid_prefix(text, sizeof text), before);
        }
    }
}

static void mixed_text_is_valid_and_counted(void **state)
{
    (void)state;
    weir_str s = WEIR_S("plain ascii of some length, Gr\xc3\xbc\xc3\x9f"
                        "e, \xe6\xbc\xa2\xe5\xad\x97, \xf0\x9f\x98\x80 and more plain ascii");
    assert_true(weir__utf8_is_valid(s));
    assert_int_equal(weir__utf8_count(s), s.len - 2 - 4 - 3);
    assert_true(weir__utf8_is_valid((weir_str){0}));
    assert_int_equal(weir__utf8_count((weir_str){0}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_is_valid_and_no_surrogate),
        cmocka_unit_test(malformed_sequences_are_found_where_they_are),
        cmocka_unit_test(mixed_text_is_valid_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
