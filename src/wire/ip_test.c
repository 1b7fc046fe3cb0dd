/* Addresses, networks, and lists of them, as people write them and as they should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "wire/ip.h"

static struct weir__ip ip_of(const char *text)
{
    struct weir__ip ip;
    if (weir__ip_parse(weir_str_from(text), &ip) != WEIR_OK)
        fail_msg("%s is no address", text);
    return ip;
}

static void addresses_are_read_and_written(void **state)
{
    (void)state;
    static const char *const same[] = {
        "0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::7", "fe80::1:2"};
    char text[WEIR__IP_TEXT_MAX];
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        struct weir__ip ip = ip_of(same[i]);
        assert_int_equal(weir__ip_format(&ip, text), strlen(same[i]));
        assert_string_equal(text, same[i]);
        assert_true(weir__ip_eq(&ip, &ip));
    }
    struct weir__ip mapped = ip_of("::ffff:10.0.0.1"), four = ip_of("10.0.0.1");
    assert_int_equal(mapped.family, AF_INET);
    assert_memory_equal(&mapped, &four, sizeof four);
    struct weir__ip local = {.family = AF_UNIX}, none = {.family = 0};
    weir__ip_format(&local, text);
    assert_string_equal(text, "unix");
    weir__ip_format(&none, text);
    assert_string_equal(text, "-");
    assert_true(weir__ip_eq(&local, &local));
    assert_false(weir__ip_eq(&local, &none));
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "1",         "1.2.3",
        "1.2.3.4.5",  "01.2.3.4",  "256.1.1.1",
        " 1.2.3.4",   "1.2.3.4 ",  "[::1]",
        ":::",        "::g",       "fe80::1%eth0",
        "1.2.3.4:80", "localhost", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct weir__ip ip;
        assert_int_equal(weir__ip_parse(weir_str_from(bad[i]), &ip), WEIR_EINVALID);
        assert_int_equal(ip.family, 0);
    }
    struct weir__ip ip;
    assert_int_equal(weir__ip_parse((weir_str){"1.2.3.4\0x", 9}, &ip), WEIR_EINVALID);
}

static void networks_have_what_they_have(void **state)
{
    (void)state;
    static const struct {
        const char *net, *ip;
        bool is_in;
    } rows[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"192.168.4.0/22", "192.168.7.9", true},
        {"192.168.4.0/22", "192.168.8.0", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "8.8.8.8", false},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe00::1", false},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"::1/128", "::1", true},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir__cidr net;
        struct weir__ip ip = ip_of(rows[i].ip);
        assert_int_equal(weir__cidr_parse(weir_str_from(rows[i].net), &net), 0);
        if (weir__cidr_has(&net, &ip) != rows[i].is_in)
            fail_msg("%s in %s", rows[i].ip, rows[i].net);
    }
    struct weir__ip local = {.family = AF_UNIX}, none = {.family = 0};
    struct weir__cidr net;
    assert_int_equal(weir__cidr_parse(WEIR_S("unix"), &net), 0);
    assert_true(weir__cidr_has(&net, &local));
    assert_false(weir__cidr_has(&net, &none));
    net = (struct weir__cidr){0};
    assert_false(weir__cidr_has(&net, &none));
}

static void what_is_no_network_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0.0/08",
                                      "10.0.0.0/-1",
                                      "10.1.0.0/8",
                                      "/8",
                                      "::/129",
                                      "fd00::1/8",
                                      "::ffff:10.0.0.0/104",
                                      "10.0.0.0/8/8",
                                      "unix/1",
                                      "10.0.0.0/1000",
                                      "10.0.0.0/ 8"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct weir__cidr net;
        if (weir__cidr_parse(weir_str_from(bad[i]), &net) != WEIR_EINVALID)
            fail_msg("%s is a network", bad[i]);
    }
}

static void lists_name_what_is_wrong(void **state)
{
    (void)state;
    struct weir__cidrs nets;
    struct weir__ip ten = ip_of("10.1.1.1"), six = ip_of("::1"), other = ip_of("11.1.1.1");
    weir_str bad;
    assert_int_equal(weir__cidrs_parse(WEIR_S(" 10.0.0.0/8, ::1\tunix,,"), &nets, &bad), 0);
    assert_int_equal(nets.count, 3);
    assert_true(weir__cidrs_have(&nets, &ten));
    assert_true(weir__cidrs_have(&nets, &six));
    assert_false(weir__cidrs_have(&nets, &other));
    assert_int_equal(weir__cidrs_parse(WEIR_S("10.0.0.0/8,nonsense,::1"), &nets, &bad),
                     WEIR_EINVALID);
    assert_true(weir_str_eq(bad, WEIR_S("nonsense")));
    assert_false(weir__cidrs_have(&nets, &ten));
    assert_int_equal(weir__cidrs_parse((weir_str){NULL, 0}, &nets, &bad), 0);
    assert_int_equal(nets.count, 0);
    char many[65 * 8 + 1] = "";
    for (int i = 0; i < 64; i++)
        strcat(many, "1.1.1.1 ");
    assert_int_equal(weir__cidrs_parse(weir_str_from(many), &nets, &bad), 0);
    strcat(many, "1.1.1.2");
    assert_int_equal(weir__cidrs_parse(weir_str_from(many), &nets, &bad), WEIR_ELIMIT);
    assert_true(weir_str_eq(bad, WEIR_S("1.1.1.2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(networks_have_what_they_have),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(lists_name_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
