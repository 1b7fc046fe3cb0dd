/*
 * The version, in its three forms.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>

#include <weir/version.h>

static void test_three_forms_of_one_version(void **state)
{
    (void)state;
    int major = -1, minor = -1, patch = -1;
    assert_int_equal(sscanf(weir_version(), "%d.%d.%d", &major, &minor, &patch), 3);
    assert_int_equal(major, WEIR_VERSION_MAJOR);
    assert_int_equal(minor, WEIR_VERSION_MINOR);
    assert_int_equal(patch, WEIR_VERSION_PATCH);
    assert_string_equal(weir_version(), WEIR_VERSION);
    assert_int_equal(weir_version_number(), WEIR_VERSION_NUMBER);
    assert_int_equal(weir_version_number(), major * 1000000 + minor * 1000 + patch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_three_forms_of_one_version)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
