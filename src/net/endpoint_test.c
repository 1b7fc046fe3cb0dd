
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "net/endpoint.h"

static void test_there_and_back(void **state)
{
    static const char *const same[] = {"127.0.0.1:8080", "0.0.0.0:0", "[::1]:65535",
                                       "[2001:db8::7]:1", ":8080"};
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        struct weir__endpoint e, again;
        struct sockaddr_storage kernel;
        char text[WEIR__ENDPOINT_TEXT_MAX];
        assert_int_equal(weir__endpoint_parse(weir_str_from(same[i]), &e), WEIR_OK);
        assert_int_equal(weir__endpoint_format(&e, text), strlen(same[i]));
        assert_string_equal(text, same[i]);
        weir__endpoint_to_kernel(&e, &kernel);
        weir__endpoint_from_kernel(&again, &kernel);
        assert_memory_equal(&e, &again, sizeof e);
    }
}

static void test_localhost(void **state)
{
    struct weir__endpoint e;
    char text[WEIR__ENDPOINT_TEXT_MAX];
    (void)state;
    assert_int_equal(weir__endpoint_parse(WEIR_S("localhost:80"), &e), WEIR_OK);
    weir__endpoint_format(&e, text);
    assert_string_equal(text, "127.0.0.1:80");
    weir__endpoint_format_ip(&e, text);
    assert_string_equal(text, "127.0.0.1");
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "",        "8080",       "1.2.3.4", "1.2.3.4:",    "1.2.3.4:x", ":-1",
        ":65536",  "::1:80",     "[::1]",   "[::1:80",     "[]:80",     "1.2.3:80",
        "host:80", "1.2.3.4:+1", ":8 0",    "[1.2.3.4]:80"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct weir__endpoint e;
        if (weir__endpoint_parse(weir_str_from(bad[i]), &e) != WEIR_EINVALID)
            fail_msg("\"%s\" was taken for an address", bad[i]);
    }
}

/* IPv4 that came over an IPv6 socket is told as IPv4. */
static void test_mapped(void **state)
{
    struct weir__endpoint e;
    struct sockaddr_storage kernel;
    char text[WEIR__ENDPOINT_TEXT_MAX];
    (void)state;
    assert_int_equal(weir__endpoint_parse(WEIR_S("[::ffff:10.0.0.5]:443"), &e), WEIR_OK);
    weir__endpoint_to_kernel(&e, &kernel);
    weir__endpoint_from_kernel(&e, &kernel);
    weir__endpoint_format(&e, text);
    assert_string_equal(text, "10.0.0.5:443");
}

static void test_hosts_and_ports(void **state)
{
    (void)state;
    static const char *const bad[] = {"",        "a",    "a:",  ":80",   "a:0",
                                      "a:65536", "a:-1", "a:b", "::1:80"};
    weir_str host;
    uint16_t port;
    assert_true(weir__endpoint_split(WEIR_S("db.example.org:5432"), &host, &port));
    assert_true(weir_str_eq(host, WEIR_S("db.example.org")) && port == 5432);
    assert_true(weir__endpoint_split(WEIR_S("[::1]:65535"), &host, &port));
    assert_true(weir_str_eq(host, WEIR_S("::1")) && port == 65535);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(weir__endpoint_split(weir_str_from(bad[i]), &host, &port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),  cmocka_unit_test(test_localhost),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_hosts_and_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
