/* Borrowed strings: comparing, trimming, whole integers at their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <weir/str.h>

static void equality_is_by_bytes(void **state)
{
    (void)state;
    assert_true(weir_str_eq(WEIR_S("a\0b"), WEIR_S("a\0b")));
    assert_false(weir_str_eq(WEIR_S("a\0b"), WEIR_S("a\0c")));
    assert_true(weir_str_eq((weir_str){0}, WEIR_S("")));
    assert_true(weir_str_starts(WEIR_S("weir"), WEIR_S("we")));
    assert_true(weir_str_starts(WEIR_S("weir"), (weir_str){0}));
    assert_false(weir_str_starts(WEIR_S("we"), WEIR_S("weir")));
    assert_true(weir_str_ieq(WEIR_S("Content-LENGTH"), WEIR_S("content-length")));
    assert_false(weir_str_ieq(WEIR_S("["), WEIR_S("{")));
    assert_false(weir_str_ieq(WEIR_S("ab"), WEIR_S("abc")));
}

static void order_is_that_of_bytes(void **state)
{
    (void)state;
    assert_true(weir_str_cmp(WEIR_S("a"), WEIR_S("b")) < 0);
    assert_true(weir_str_cmp(WEIR_S("a"), WEIR_S("ab")) < 0);
    assert_true(weir_str_cmp(WEIR_S("\xff"), WEIR_S("a")) > 0);
    assert_int_equal(weir_str_cmp(WEIR_S("ab"), WEIR_S("ab")), 0);
    assert_int_equal(weir_str_cmp((weir_str){0}, WEIR_S("")), 0);
}

static void trim_takes_blanks_from_both_sides(void **state)
{
    (void)state;
    assert_true(weir_str_eq(weir_str_trim(WEIR_S(" \t a b\r\n")), WEIR_S("a b")));
    assert_int_equal(weir_str_trim(WEIR_S("  ")).len, 0);
    assert_int_equal(weir_str_trim((weir_str){0}).len, 0);
}

static void integers_are_read_whole_or_refused(void **state)
{
    (void)state;
    int64_t n = 7;
    assert_int_equal(weir_str_i64(WEIR_S("-42"), &n), WEIR_OK);
    assert_int_equal(n, -42);
    assert_int_equal(weir_str_i64(WEIR_S("9223372036854775807"), &n), WEIR_OK);
    assert_true(n == INT64_MAX);
    assert_int_equal(weir_str_i64(WEIR_S("-9223372036854775808"), &n), WEIR_OK);
    assert_true(n == INT64_MIN);
    n = 7;
    assert_int_equal(weir_str_i64(WEIR_S("9223372036854775808"), &n), -ERANGE);
    assert_int_equal(weir_str_i64(WEIR_S("-9223372036854775809"), &n), -ERANGE);
    assert_int_equal(weir_str_i64(WEIR_S("99999999999999999999999"), &n), -ERANGE);
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1.0", "0x1", "--1", "1e3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(weir_str_i64(weir_str_from(bad[i]), &n), WEIR_EINVALID);
    assert_int_equal(n, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_is_by_bytes),
        cmocka_unit_test(order_is_that_of_bytes),
        cmocka_unit_test(trim_takes_blanks_from_both_sides),
        cmocka_unit_test(integers_are_read_whole_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
