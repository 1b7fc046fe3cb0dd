/*
 * Addresses: what is read, what is refused, and that writing gives back what was read.
 */
#include "app/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void good_ones_come_back(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {":8080", "[::]:8080"},     {"127.0.0.1:0", "127.0.0.1:0"},
        {"[::1]:80", "[::1]:80"},   {"localhost:65535", "127.0.0.1:65535"},
        {"0.0.0.0:1", "0.0.0.0:1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir__address a;
        char text[WEIR__ADDRESS_TEXT_MAX];
        assert_int_equal(weir__address_parse(cases[i][0], &a), WEIR_OK);
        weir__address_print(&a, text);
        assert_string_equal(text, cases[i][1]);
        assert_null(weir__address_check(cases[i][0]));
    }
}

static void bad_ones_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "8080",
        "localhost",
        ":",
        ":65536",
        ":-1",
        ":80x",
        "host:80",
        "[::1:80",
        "::1:80",
        "[]:80",
        "1.2.3:80",
        ": 80",
        "127.0.0.1:",
        "[::1]80",
        "256.0.0.1:1",
        "1111111111111111111111111111111111111111111111111111111111111111111111111111111111111:1",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir__address a;
        assert_int_equal(weir__address_parse(cases[i], &a), WEIR_EINVALID);
        assert_non_null(weir__address_check(cases[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_come_back),
        cmocka_unit_test(bad_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
