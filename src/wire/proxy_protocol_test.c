/* The PROXY protocol: what the specification shows, every cut of it, and what it forbids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "wire/proxy_protocol.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define FOUR "\xc0\x00\x02\x01\xc6\x33\x64\x07\xc8\x22\x01\xbb" /* 192.0.2.1, 198.51.100.7 */
#define V2_FOUR SIG "\x21\x11\0\x0c" FOUR
/* The same, a unique id, and the checksum of it all. */
#define SUMMED FOUR "\x04\x00\x03\x61\x62\x63\x03\x00\x04\xe3\xd7\x76\x8f"
#define S(literal) literal, sizeof literal - 1

/* In memory of exactly its size. */
static int parse(const char *bytes, size_t n, struct weir__proxy_header *out)
{
    char *exact = malloc(n > 0 ? n : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    int rc = weir__proxy_parse((weir_str){exact, n}, out);
    free(exact);
    return rc;
}

static const struct {
    const char *bytes;
    size_t len;
    const char *from; /* NULL: a local one */
    int from_port, to_port;
} good[] = {
    {S("PROXY TCP4 192.0.2.1 198.51.100.7 51234 443\r\n"), "192.0.2.1", 51234, 443},
    {S("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255", 65535,
     65535},
    {S("PROXY TCP6 2001:db8::1 ::1 0 1\r\n"), "2001:db8::1", 0, 1},
    {S("PROXY TCP6 ::ffff:10.0.0.1 ::1 9 1\r\n"), "10.0.0.1", 9, 1},
    {S("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
       "65535 65535\r\n"),
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 65535},
    {S("PROXY UNKNOWN\r\n"), NULL, 0, 0},
    {S("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     NULL, 0, 0},
    {S(V2_FOUR), "192.0.2.1", 51234, 443},
    {S(SIG "\x21\x12\0\x0c" FOUR), "192.0.2.1", 51234, 443}, /* datagrams */
    {S(SIG "\x21\x11\0\x13" FOUR "\x04\0\x04pads"), "192.0.2.1", 51234, 443},
    {S(SIG "\x21\x11\0\x19" SUMMED), "192.0.2.1", 51234, 443},
    {S(SIG "\x20\0\0\0"), NULL, 0, 0}, /* LOCAL */
    {S(SIG "\x20\x11\0\x03"
           "any"),
     NULL, 0, 0},                      /* LOCAL: whatever follows is skipped */
    {S(SIG "\x21\0\0\0"), NULL, 0, 0}, /* a kind that nobody knows */
    {S(SIG "\x21\0\0\x04\x04\0\x01x"), NULL, 0, 0},
};

static void check_good(const char *bytes, size_t len, const char *from, int from_port, int to_port)
{
    struct weir__proxy_header h;
    char text[WEIR__IP_TEXT_MAX];
    assert_int_equal(parse(bytes, len, &h), len);
    assert_int_equal(h.is_local, from == NULL);
    weir__ip_format(&h.from, text);
    assert_string_equal(text, from != NULL ? from : "-");
    assert_int_equal(h.from_port, from_port);
    assert_int_equal(h.to_port, to_port);
}

static void headers_are_read_and_what_follows_is_left(void **state)
{
    (void)state;
    char more[400];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct weir__proxy_header h;
        check_good(good[i].bytes, good[i].len, good[i].from, good[i].from_port, good[i].to_port);
        for (size_t n = 0; n < good[i].len; n++) {
            int rc = parse(good[i].bytes, n, &h);
            if (rc != 0)
                fail_msg("row %zu, %zu bytes: %s", i, n, weir__proxy_error_text(rc));
            size_t missing = weir__proxy_missing((weir_str){good[i].bytes, n});
            assert_true(missing > 0 && n + missing <= good[i].len);
        }
        memcpy(more, good[i].bytes, good[i].len);
        memcpy(more + good[i].len, "GET /", 5);
        assert_int_equal(parse(more, good[i].len + 5, &h), good[i].len);
    }
}

/* Received by what is missing, nothing behind it is taken, in a bounded number of receives. */
static void headers_are_received_exactly(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct weir__proxy_header h;
        size_t n = 0, receives = 0;
        int rc = 0;
        while (rc == 0) {
            n += weir__proxy_missing((weir_str){good[i].bytes, n});
            rc = parse(good[i].bytes, n, &h);
            receives++;
        }
        assert_int_equal(rc, good[i].len);
        assert_int_equal(n, good[i].len);
        assert_true(receives <= (good[i].bytes[0] == 'P' ? 50 : 3));
    }
}

static void local_sockets_have_no_address(void **state)
{
    (void)state;
    char bytes[16 + 216] = SIG "\x21\x31\0\xd8/run/client";
    struct weir__proxy_header h;
    assert_int_equal(parse(bytes, sizeof bytes, &h), sizeof bytes);
    assert_false(h.is_local);
    assert_int_equal(h.from.family, AF_UNIX);
    assert_int_equal(h.to.family, AF_UNIX);
    assert_int_equal(parse(bytes, sizeof bytes - 1, &h), 0);
    bytes[15] = (char)0xd7;
    assert_int_equal(parse(bytes, sizeof bytes, &h), WEIR_PROXY_EFAMILY);
}

static const struct {
    const char *bytes;
    size_t len;
    int err;
} bad[] = {
    {S("GET / HTTP/1.1\r\n"), WEIR_PROXY_ENONE},
    {S("G"), WEIR_PROXY_ENONE},
    {S("\x16\x03\x01"), WEIR_PROXY_ENONE},
    {S("POST"), WEIR_PROXY_ENONE},
    {S("\r\n\r\n\0\r\nQUIX"), WEIR_PROXY_ENONE},
    {S("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), WEIR_PROXY_EFORM},
    {S("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"), WEIR_PROXY_EFORM},
    {S("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r \r\n"), WEIR_PROXY_EFORM},
    {S("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n"), WEIR_PROXY_EFORM},
    {S("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n"), WEIR_PROXY_EFORM},
    {S("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"), WEIR_PROXY_EFORM},
    {S("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n"), WEIR_PROXY_EFORM},
    {S("PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n"), WEIR_PROXY_EFORM},
    {S("PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n"), WEIR_PROXY_EFORM},
    {S("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n"), WEIR_PROXY_EFORM},
    {S("PROXY TCP4 ::1 ::1 1 2\r\n"), WEIR_PROXY_EFORM},
    {S("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n"), WEIR_PROXY_EFORM},
    {S("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n"), WEIR_PROXY_EFORM},
    {S("PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n"), WEIR_PROXY_EFORM},
    {S("PROXY \r\n"), WEIR_PROXY_EFORM},
    {S("PROXY \n"), WEIR_PROXY_EFORM},
    {S("proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), WEIR_PROXY_ENONE},
    {S(SIG "\x11"), WEIR_PROXY_EVERSION},
    {S(SIG "\x22"), WEIR_PROXY_EVERSION},
    {S(SIG "\x21\x31\0\x0c" FOUR), WEIR_PROXY_EFAMILY},
    {S(SIG "\x21\x41\0\x0c" FOUR), WEIR_PROXY_EFAMILY},
    {S(SIG "\x21\x13\0\x0c" FOUR), WEIR_PROXY_EFAMILY},
    {S(SIG "\x21\x10\0\x0c" FOUR), WEIR_PROXY_EFAMILY},
    {S(SIG "\x21\x01\0\x0c" FOUR), WEIR_PROXY_EFAMILY},
    {S(SIG "\x21\x11\0\x08" FOUR), WEIR_PROXY_EFAMILY},
    {S(SIG "\x21\x11\x07\xf1"), WEIR_PROXY_ELENGTH}, /* 2,049 */
    {S(SIG "\x20\0\xff\xff"), WEIR_PROXY_ELENGTH},
    {S(SIG "\x21\x11\0\x0e" FOUR "\x04\0"), WEIR_PROXY_EFORM},
    {S(SIG "\x21\x11\0\x0f" FOUR "\x04\0\x01"), WEIR_PROXY_EFORM},
    {S(SIG "\x21\x11\0\x12" FOUR "\x03\0\x03"
           "abc"),
     WEIR_PROXY_EFORM},
    {S(SIG "\x21\x11\0\x13" FOUR "\x03\0\x04\0\0\0\0"), WEIR_PROXY_ECHECKSUM},
};

static void what_is_wrong_has_its_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        static const struct weir__proxy_header none;
        struct weir__proxy_header h;
        int rc = parse(bad[i].bytes, bad[i].len, &h);
        if (rc != bad[i].err)
            fail_msg("row %zu: %d, %s", i, rc, weir__proxy_error_text(rc));
        assert_memory_equal(&h.from, &none.from, sizeof none.from);
        /* Any split, the same: no part of it was a whole, or wrong in another way. */
        for (size_t n = 0; n < bad[i].len; n++) {
            rc = parse(bad[i].bytes, n, &h);
            assert_true(rc == 0 || rc == bad[i].err);
        }
    }
}

static void a_line_without_an_end_is_not_waited_for(void **state)
{
    (void)state;
    struct weir__proxy_header h;
    char line[108] = "PROXY UNKNOWN ";
    memset(line + 14, 'x', sizeof line - 14);
    assert_int_equal(parse(line, 106, &h), 0);
    assert_int_equal(parse(line, 107, &h), WEIR_PROXY_EFORM);
    memcpy(line + 105, "\r\n", 2);
    assert_int_equal(parse(line, 107, &h), 107);
}

static void every_flipped_bit_of_a_summed_header_is_noticed(void **state)
{
    (void)state;
    char bytes[] = SIG "\x21\x11\0\x19" SUMMED;
    for (size_t bit = 12 * 8; bit < (sizeof bytes - 1) * 8; bit++) {
        struct weir__proxy_header h;
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        int rc = parse(bytes, sizeof bytes - 1, &h);
        /* LOCAL skips the sum; another length is waited for; another type is none. */
        bool is_type = bit / 8 >= 28 && bit / 8 < 37;
        assert_true(rc <= 0 || h.is_local || is_type);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_and_what_follows_is_left),
        cmocka_unit_test(headers_are_received_exactly),
        cmocka_unit_test(local_sockets_have_no_address),
        cmocka_unit_test(what_is_wrong_has_its_error),
        cmocka_unit_test(a_line_without_an_end_is_not_waited_for),
        cmocka_unit_test(every_flipped_bit_of_a_summed_header_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
