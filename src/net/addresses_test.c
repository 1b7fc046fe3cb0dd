/* Names as text: which are good, which are the same, which are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/addresses.h"

static bool is_good(const char *name)
{
    return weir__name_is_good(weir_str_from(name));
}

static void test_good_names(void **state)
{
    (void)state;
    char label[70], name[300] = "";
    const char *good[] = {"a", "a.", "db.example.org", "_sip._tcp.x", "x-1", "1.in-addr", "A.B"};
    const char *bad[] = {"", ".", "a..b", ".a", "a b", "a/b", "a\\.b", "\xc3\xa4", "a..", "a:b"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(is_good(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(is_good(bad[i]));
    memset(label, 'x', sizeof label);
    label[63] = '\0';
    assert_true(is_good(label));
    label[63] = 'x';
    label[64] = '\0';
    assert_false(is_good(label));
    for (int i = 0; i < 253; i++)
        name[i] = i % 2 == 0 ? 'a' : '.';
    assert_true(is_good(name));
    name[253] = '.';
    assert_true(is_good(name)); /* the dot does not count */
    name[254] = 'b';
    assert_false(is_good(name));
    assert_false(weir__name_is_good((weir_str){"a\0b", 3}));
}

static void test_equal_names(void **state)
{
    (void)state;
    assert_true(weir__name_eq(WEIR_S("Db.Example.ORG"), WEIR_S("db.example.org.")));
    assert_false(weir__name_eq(WEIR_S("db"), WEIR_S("db.a")));
    assert_false(weir__name_eq(WEIR_S(""), WEIR_S("")));
    assert_true(weir__name_is_localhost(WEIR_S("LOCALHOST.")));
    assert_true(weir__name_is_localhost(WEIR_S("a.b.localhost")));
    assert_false(weir__name_is_localhost(WEIR_S("notlocalhost")));
    assert_false(weir__name_is_localhost(WEIR_S("localhost.org")));
    assert_false(weir__name_is_localhost(WEIR_S("ocalhost")));
}

static void test_addresses_are_bounded(void **state)
{
    (void)state;
    struct weir__addresses a = {.count = 0};
    uint8_t ip[16] = {1, 2, 3, 4, 5};
    for (int i = 0; i < WEIR__ADDRESSES_MAX; i++)
        assert_true(weir__addresses_add(&a, i % 2 == 0 ? AF_INET : AF_INET6, ip));
    assert_false(weir__addresses_add(&a, AF_INET, ip));
    assert_int_equal(a.count, WEIR__ADDRESSES_MAX);
    assert_int_equal(a.list[0].ip[4], 0); /* four bytes of IPv4 */
    assert_int_equal(a.list[1].ip[4], 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_names),
        cmocka_unit_test(test_equal_names),
        cmocka_unit_test(test_addresses_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
