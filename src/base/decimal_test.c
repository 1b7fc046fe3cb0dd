/*
 * Decimal numbers: 65 digits exactly, their places behind the point kept, order, bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/value.h"

#define NINES65 "99999999999999999999999999999999999999999999999999999999999999999"
#define ZEROS64 "0000000000000000000000000000000000000000000000000000000000000000"

static weir_decimal parsed(const char *text)
{
    weir_decimal d;
    if (weir_decimal_parse(weir_str_from(text), &d) != WEIR_OK)
        fail_msg("refused: %s", text);
    return d;
}

static const char *text_of(weir_decimal d)
{
    static char text[WEIR_DECIMAL_TEXT_MAX];
    size_t n = weir_decimal_text(d, text);
    assert_int_equal(n, strlen(text));
    assert_true(strlen(text) < sizeof text);
    return text;
}

static void every_digit_is_kept(void **state)
{
    (void)state;
    static const char *const same[] = {
        "0",
        "1",
        "-1",
        "12.50",
        "-0.001",
        "0.00",
        "100",
        "1000000000",
        "999999999.999999999",
        NINES65,
        "-" NINES65,
        "0." NINES65,
        "-0." NINES65,
        "9." ZEROS64,
        "0." ZEROS64 "1",
        "12345678901234567890123456789012345.678901234567890123456789012345"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        assert_string_equal(text_of(parsed(same[i])), same[i]);
    assert_string_equal(text_of((weir_decimal){.scale = 0}), "0");
    static const char *const other[][2] = {{"-0", "0"},           {"-0.0", "0.0"},
                                           {"1e3", "1000"},       {"1.5E+2", "150"},
                                           {"15e-1", "1.5"},      {"1.50e1", "15.0"},
                                           {"0e5", "0"},          {"0.00e1", "0.0"},
                                           {"1e64", "1" ZEROS64}, {"1e-65", "0." ZEROS64 "1"}};
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        assert_string_equal(text_of(parsed(other[i][0])), other[i][1]);
}

static void what_is_no_number_or_too_long_is_refused(void **state)
{
    (void)state;
    weir_decimal d;
    static const char *const wrong[] = {"",   "-",   "+1",   "01",    ".5",       "5.",
                                        "1e", "1e+", "1.e2", "0x1",   "1,5",      " 1",
                                        "1 ", "NaN", "--1",  "1e5.0", "Infinity", "1.2.3"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (weir_decimal_parse(weir_str_from(wrong[i]), &d) != WEIR_EINVALID)
            fail_msg("%s", wrong[i]);
    assert_int_equal(weir_decimal_parse((weir_str){NULL, 0}, &d), WEIR_EINVALID);
    static const char *const large[] = {(NINES65 "9"),
                                        "1e65",
                                        ("0." ZEROS64 "01"),
                                        "1e-66",
                                        "1e99999999999999999999",
                                        "1e-99999999999999999999",
                                        ("10." NINES65),
                                        "0e-66"};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        if (weir_decimal_parse(weir_str_from(large[i]), &d) != -ERANGE)
            fail_msg("%s", large[i]);
}

static void order_is_that_of_the_numbers(void **state)
{
    (void)state;
    static const char *const sorted[] = {
        "-" NINES65, "-2", "-1.5", "-0." ZEROS64 "1", "0",    "0." ZEROS64 "1", "0.10",
        "0.9999",    "1",  "1.5",  "1000000000",      "1e64", NINES65};
    size_t count = sizeof sorted / sizeof sorted[0];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            int order = weir_decimal_cmp(parsed(sorted[i]), parsed(sorted[j]));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    assert_int_equal(weir_decimal_cmp(parsed("1.50"), parsed("1.5")), 0);
    assert_int_equal(weir_decimal_cmp(parsed("-0.0"), parsed("0")), 0);
    assert_string_equal(text_of(weir_decimal_of(INT64_MIN)), "-9223372036854775808");
    assert_string_equal(text_of(weir_decimal_of(1000000000)), "1000000000");
    assert_string_equal(text_of(weir_decimal_of(0)), "0");
}

static void bounds_are_what_is_written(void **state)
{
    (void)state;
    weir_decimal d;
    assert_true(weir__decimal_bound(0.01, &d));
    assert_string_equal(text_of(d), "0.01");
    assert_true(weir__decimal_bound(-0.1, &d));
    assert_string_equal(text_of(d), "-0.1");
    assert_true(weir__decimal_bound(18446744073709551615.0L, &d));
    assert_string_equal(text_of(d), "18446744073709551615");
    assert_false(weir__decimal_bound(__builtin_infl(), &d));
    assert_false(weir__decimal_bound(1e70L, &d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_digit_is_kept),
        cmocka_unit_test(what_is_no_number_or_too_long_is_refused),
        cmocka_unit_test(order_is_that_of_the_numbers),
        cmocka_unit_test(bounds_are_what_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
