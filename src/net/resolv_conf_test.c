/* The two files: what is taken from them, what is skipped, and their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "net/resolv_conf.h"

static struct weir__resolv_conf read_conf(const char *text)
{
    struct weir__resolv_conf conf;
    weir__resolv_conf_read(weir_str_from(text), &conf);
    return conf;
}

static void assert_server(const struct weir__resolv_conf *conf, unsigned i, const char *wanted)
{
    char text[WEIR__ENDPOINT_TEXT_MAX];
    assert_true(i < conf->server_count);
    (void)weir__endpoint_format(&conf->servers[i], text);
    assert_string_equal(text, wanted);
}

static void test_defaults(void **state)
{
    (void)state;
    struct weir__resolv_conf conf = read_conf("");
    assert_int_equal(conf.server_count, 1);
    assert_server(&conf, 0, "127.0.0.1:53");
    assert_int_equal(conf.search_count, 0);
    assert_int_equal(conf.ndots, 1);
    assert_int_equal(conf.timeout_s, 2);
    assert_int_equal(conf.attempts, 2);
}

static void test_a_usual_one(void **state)
{
    (void)state;
    struct weir__resolv_conf conf = read_conf("# made by hand\r\n"
                                              "domain old.test\n"
                                              "nameserver\t10.0.0.1 # first\n"
                                              "  nameserver 2001:db8::53\n"
                                              "search a.test b.test. ; both\n"
                                              "options rotate ndots:5 timeout:1 attempts:3 edns0\n"
                                              "sortlist 10.0.0.0\n"
                                              "nameserver 127.0.0.1:5353");
    assert_int_equal(conf.server_count, 3);
    assert_server(&conf, 0, "10.0.0.1:53");
    assert_server(&conf, 1, "[2001:db8::53]:53");
    assert_server(&conf, 2, "127.0.0.1:5353");
    assert_int_equal(conf.search_count, 2);
    assert_string_equal(conf.search[0], "a.test");
    assert_string_equal(conf.search[1], "b.test");
    assert_int_equal(conf.ndots, 5);
    assert_int_equal(conf.timeout_s, 1);
    assert_int_equal(conf.attempts, 3);
}

static void test_bounds_and_nonsense(void **state)
{
    (void)state;
    struct weir__resolv_conf conf =
        read_conf("nameserver\nnameserver x\nnameserver 1.2.3\nnameserver fe80::1%eth0\n"
                  "nameserver 10.0.0.1:0\nnameserver 1.1.1.1\nnameserver 1.1.1.2\n"
                  "nameserver 1.1.1.3\nnameserver 1.1.1.4\nsearch a b c d e f g a..b\n"
                  "options ndots:99 timeout:0 attempts:0 timeout: timeout:-1 ndots\n"
                  "options attempts:1000 timeout:1000\nnonsense 7\n");
    assert_int_equal(conf.server_count, WEIR__NAME_SERVERS_MAX);
    assert_server(&conf, 0, "1.1.1.1:53");
    assert_int_equal(conf.search_count, WEIR__SEARCH_MAX);
    assert_string_equal(conf.search[5], "f");
    assert_int_equal(conf.ndots, WEIR__NDOTS_MAX);
    assert_int_equal(conf.timeout_s, WEIR__DNS_TIMEOUT_S_MAX);
    assert_int_equal(conf.attempts, WEIR__DNS_ATTEMPTS_MAX);
    conf = read_conf("options timeout:0 attempts:0");
    assert_int_equal(conf.timeout_s, 1);
    assert_int_equal(conf.attempts, 1);
}

static void test_hosts(void **state)
{
    (void)state;
    struct weir__addresses a = {.count = 0};
    weir_str text = WEIR_S("127.0.0.1 localhost\n10.0.0.1\tdb db.test #old\nx db\n\n"
                           "10.0.0.2 web # db\n::2 DB\n10.0.0.3 db");
    assert_int_equal(weir__hosts_find(text, WEIR_S("db"), &a), 3);
    assert_int_equal(a.list[0].ip[3], 1);
    assert_int_equal(a.list[1].family, AF_INET6);
    assert_int_equal(a.list[2].ip[3], 3);
    assert_int_equal(weir__hosts_find(text, WEIR_S("db.test."), &a), 1);
    assert_int_equal(weir__hosts_find(text, WEIR_S("old"), &a), 0);
    assert_int_equal(weir__hosts_find((weir_str){NULL, 0}, WEIR_S("db"), &a), 0);
    for (int i = 0; i < WEIR__ADDRESSES_MAX; i++)
        (void)weir__hosts_find(text, WEIR_S("web"), &a);
    assert_int_equal(a.count, WEIR__ADDRESSES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_a_usual_one),
        cmocka_unit_test(test_bounds_and_nonsense),
        cmocka_unit_test(test_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
