/* Every code has a text, and an unknown one has too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>

#include <cmocka.h>
#include <weir/err.h>

static void every_code_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(weir_strerror(WEIR_OK), "success");
    assert_string_equal(weir_strerror(WEIR_ETIMEDOUT), "timed out");
    assert_string_equal(weir_strerror(-ENOENT), "No such file or directory");
    for (int err = WEIR_ECLIENTGONE; err >= WEIR_EUNREACHABLE; err--)
        assert_string_not_equal(weir_strerror(err), "unknown error");
    for (int err = WEIR_EWRONGTYPE; err >= WEIR_ECHANGED; err--)
        assert_string_not_equal(weir_strerror(err), "unknown error");
}

static void unknown_codes_are_said_to_be_unknown(void **state)
{
    (void)state;
    static const int unknown[] = {1,       -4000,  -5000, WEIR_EUNREACHABLE - 1, WEIR_ECHANGED - 1,
                                  INT_MIN, INT_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_string_equal(weir_strerror(unknown[i]), "unknown error");
}

static void constraints_are_told_from_the_rest(void **state)
{
    (void)state;
    int count = 0;
    for (int err = WEIR_OK; err >= WEIR_EUNREACHABLE; err--)
        count += weir_is_constraint(err);
    assert_int_equal(count, 5);
    assert_true(weir_is_constraint(WEIR_ECONSTRAINT) && weir_is_constraint(WEIR_EUNIQUE));
    assert_true(weir_is_constraint(WEIR_EFOREIGNKEY) && weir_is_constraint(WEIR_ENOTNULL));
    assert_true(weir_is_constraint(WEIR_ECHECK));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_text),
        cmocka_unit_test(unknown_codes_are_said_to_be_unknown),
        cmocka_unit_test(constraints_are_told_from_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
