/*
 * Numbers and text: limits, shortest forms, round trips over seeded random bit patterns, and all
 * of it again under a locale whose decimal point is a comma.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/num.h"

static const char *text_of(double v)
{
    static char text[WEIR__DOUBLE_TEXT_MAX + 1];
    size_t n = weir__num_put_double(text, v);
    assert_true(n <= WEIR__DOUBLE_TEXT_MAX);
    text[n] = '\0';
    return text;
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static uint64_t random_state = 20260101;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void integers_at_their_limits(void **state)
{
    (void)state;
    char text[32];
    static const int64_t values[] = {0, 7, 10, 99, 100, -1, -100, 12345, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "%lld", (long long)values[i]);
        text[weir__num_put_i64(text, values[i])] = '\0';
        assert_string_equal(text, expected);
    }
    text[weir__num_put_u64(text, UINT64_MAX)] = '\0';
    assert_string_equal(text, "18446744073709551615");
    for (int i = 0; i < 10000; i++) {
        char expected[32];
        uint64_t v = random_bits() >> (i % 64);
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)v);
        text[weir__num_put_u64(text, v)] = '\0';
        assert_string_equal(text, expected);
    }
}

static void doubles_have_their_shortest_text(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.3, "0.3"},
        {0.1 + 0.2, "0.30000000000000004"},
        {12.99, "12.99"},
        {1e-5, "0.00001"},
        {0.000001, "0.000001"},
        {1.5e-7, "1.5e-7"},
        {1e-8, "1e-8"},
        {123456789.125, "123456789.125"},
        {9007199254740993.0, "9007199254740992"},
        {1e20, "100000000000000000000"},
        {1e21, "1e+21"},
        {1.25e22, "1.25e+22"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {5e-324, "5e-324"},
        {2.225073858507201e-308, "2.225073858507201e-308"},
        {0x1p-44, "5.684341886080802e-14"},
        {0x1p-1074 * 3, "1.5e-323"},
        {1.0 / 3, "0.3333333333333333"},
        {2.0 / 3, "0.6666666666666666"},
        {100.0 / 3, "33.333333333333336"},
        {5e-7, "5e-7"},
        {9.5367431640625e-7, "9.5367431640625e-7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(text_of(cases[i].v), cases[i].text);
    }
}

static void round_trip(double v)
{
    const char *text = text_of(v);
    double back, libc = strtod(text, NULL);
    assert_int_equal(weir__num_get_double(text, text + strlen(text), &back), strlen(text));
    assert_true(bits_of(back) == bits_of(v));
    assert_true(bits_of(libc) == bits_of(v));
}

static void random_doubles_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = random_bits();
        double v;
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            round_trip(v);
        round_trip((double)(int64_t)(bits >> (bits & 31)) / (double)(1 + (bits >> 50)));
    }
    for (int e = -1074; e <= 1023; e++) {
        round_trip(ldexp(1, e));
        round_trip(nextafter(ldexp(1, e), 0));
        round_trip(-nextafter(ldexp(1, e), INFINITY));
    }
}

static void no_shorter_text_reads_back(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_bits();
        double v;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v) || v == 0)
            continue;
        int digits = 0;
        const char *text = text_of(v);
        for (const char *p = text; *p != '\0' && *p != 'e'; p++)
            digits += *p >= '0' && *p <= '9';
        if (strchr(text, 'e') == NULL || digits < 2)
            continue;
        char shorter[40];
        snprintf(shorter, sizeof shorter, "%.*e", digits - 2, v);
        assert_true(strtod(shorter, NULL) != v);
    }
}

static void floats_are_printed_as_floats(void **state)
{
    (void)state;
    char text[WEIR__DOUBLE_TEXT_MAX + 1];
    text[weir__num_put_float(text, 0.1f)] = '\0';
    assert_string_equal(text, "0.1");
    text[weir__num_put_float(text, 16777216.0f)] = '\0';
    assert_string_equal(text, "16777216");
    text[weir__num_put_float(text, FLT_MAX)] = '\0';
    assert_string_equal(text, "3.4028235e+38");
    text[weir__num_put_float(text, 1e-45f)] = '\0';
    assert_string_equal(text, "1e-45");
    for (int i = 0; i < 100000; i++) {
        uint32_t bits = (uint32_t)random_bits();
        float v;
        double back;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v))
            continue;
        size_t n = weir__num_put_float(text, v);
        assert_true(n <= WEIR__DOUBLE_TEXT_MAX);
        assert_int_equal(weir__num_get_double(text, text + n, &back), n);
        assert_true((float)back == v);
    }
}

static void reading_is_correctly_rounded(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "0",
        "-0",
        "1e23",
        "8.5e22",
        "9007199254740993",
        "9007199254740993.0000000000000001",
        "123456789012345678901234567890",
        "1e-400",
        "1e400",
        "-1e400",
        "4.9e-324",
        "2.4e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "2.2250738585072011e-308",
        "0.1e1",
        "1E+2",
        "1e0000000000002",
        "179769313486231580793728971405301e276",
        "0.000000000000000000000000000001e30",
        "1e-99999999999999999999",
        "1e99999999999999999999",
        "0e99999999999999999999",
        "6.929001713869936e+236",
        "3.2378839133029012895883e-319",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double v = 7;
        size_t n = strlen(cases[i]);
        assert_int_equal(weir__num_get_double(cases[i], cases[i] + n, &v), n);
        assert_true(bits_of(v) == bits_of(strtod(cases[i], NULL)));
    }
}

static void long_numbers_are_read_exactly(void **state)
{
    (void)state;
    static char text[5000];
    memset(text, '0', sizeof text);
    /* Half way between 1 and the next double, then a digit far behind that decides. */
    const char half[] = "1.00000000000000011102230246251565404236316680908203125";
    memcpy(text, half, sizeof half - 1);
    double v;
    assert_int_equal(weir__num_get_double(text, text + 4000, &v), 4000);
    assert_true(v == 1.0);
    text[3999] = '1';
    weir__num_get_double(text, text + 4000, &v);
    assert_true(v == 1.0 + DBL_EPSILON);
    memset(text, '9', 4000);
    weir__num_get_double(text, text + 4000, &v);
    assert_true(isinf(v));
    memset(text, '0', 4000);
    text[1] = '.';
    memcpy(text + 4000, "1e3999", 6);
    assert_int_equal(weir__num_get_double(text, text + 4006, &v), 4006);
    assert_true(v == 1.0);
}

static void only_numbers_are_taken(void **state)
{
    (void)state;
    double v = 7;
    static const char *const none[] = {"", "-", "+1", ".5", "e5", "x", "--1", "Infinity", "nan"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(weir__num_get_double(none[i], none[i] + strlen(none[i]), &v), 0);
    static const struct {
        const char *text;
        size_t taken;
    } some[] = {{"01", 1}, {"1.", 1}, {"1.e5", 1}, {"1e", 1}, {"1e+", 1}, {"0x10", 1}, {"1,5", 1}};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
        assert_int_equal(
            weir__num_get_double(some[i].text, some[i].text + strlen(some[i].text), &v),
            some[i].taken);
    assert_int_equal(weir__num_text_double(WEIR_S("1.5"), &v), WEIR_OK);
    assert_int_equal(weir__num_text_double(WEIR_S("1.5 "), &v), WEIR_EINVALID);
    assert_int_equal(weir__num_text_double(WEIR_S(""), &v), WEIR_EINVALID);
    assert_int_equal(weir__num_text_double(WEIR_S("1e400"), &v), -ERANGE);
    assert_true(v == 1.5);
    uint64_t u = 0;
    assert_int_equal(weir__num_text_u64(WEIR_S("18446744073709551615"), &u), WEIR_OK);
    assert_true(u == UINT64_MAX);
    assert_int_equal(weir__num_text_u64(WEIR_S("18446744073709551616"), &u), -ERANGE);
    assert_int_equal(weir__num_text_u64(WEIR_S("-1"), &u), WEIR_EINVALID);
    assert_int_equal(weir__num_text_u64(WEIR_S(""), &u), WEIR_EINVALID);
}

/* Some locale with a decimal comma, if this machine has one; else one made by localedef. */
static bool set_comma_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (setlocale(LC_ALL, names[i]) != NULL && localeconv()->decimal_point[0] == ',')
            return true;
    char dir[] = "/tmp/weir-locale-XXXXXX", command[256];
    if (mkdtemp(dir) == NULL)
        return false;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1",
             dir);
    bool made = system(command) == 0;
    setenv("LOCPATH", dir, 1);
    bool is_set = made && setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 && is_set;
}

static void the_locale_does_not_matter(void **state)
{
    (void)state;
    if (!set_comma_locale())
        skip();
    char probe[16];
    snprintf(probe, sizeof probe, "%.1f", 1.5);
    assert_string_equal(probe, "1,5");
    assert_string_equal(text_of(1.5), "1.5");
    assert_string_equal(text_of(0.1 + 0.2), "0.30000000000000004");
    assert_string_equal(text_of(1e-30 / 3), "3.3333333333333338e-31");
    double v;
    const char *small = "1.5e-30";
    assert_int_equal(weir__num_get_double(small, small + 7, &v), 7);
    assert_true(v == 1.5e-30);
    const char *digits = "0.30000000000000004441";
    weir__num_get_double(digits, digits + strlen(digits), &v);
    assert_true(v == 0.1 + 0.2);
    setlocale(LC_ALL, "C");
}

static void bytes_in_hexadecimal(void **state)
{
    (void)state;
    char text[2 * 256 + 1] = "", expected[3];
    uint8_t bytes[256];
    for (unsigned i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(weir__num_put_hex(text, bytes, 0), 0);
    assert_int_equal(weir__num_put_hex(text, bytes, 256), 512);
    for (unsigned i = 0; i < 256; i++) {
        snprintf(expected, sizeof expected, "%02x", i);
        assert_memory_equal(text + 2 * (size_t)i, expected, 2);
    }
    assert_int_equal(text[512], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_at_their_limits),
        cmocka_unit_test(doubles_have_their_shortest_text),
        cmocka_unit_test(random_doubles_read_back),
        cmocka_unit_test(no_shorter_text_reads_back),
        cmocka_unit_test(floats_are_printed_as_floats),
        cmocka_unit_test(reading_is_correctly_rounded),
        cmocka_unit_test(long_numbers_are_read_exactly),
        cmocka_unit_test(only_numbers_are_taken),
        cmocka_unit_test(the_locale_does_not_matter),
        cmocka_unit_test(bytes_in_hexadecimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
