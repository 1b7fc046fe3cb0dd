/*
 * What a head's lines mean together: the rules whose breach is request smuggling, each by name with
 * its section of RFC 9112 (or 9110), and what becomes of the connection. Each request in all
 * splits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "wire/http1_head.h"
#include "wire/http1_testing.h"

#define HOST "Host: a\r\n"

static struct weir__http_head head;

/* Parses a 1.1 POST with a Host and these lines. */
static int parse_lines(const char *lines)
{
    static char r[500];
    snprintf(r, sizeof r, "POST / HTTP/1.1\r\n" HOST "%s\r\n\r\n", lines);
    int rc = parse_all_ways(&head, weir_str_from(r), NULL);
    assert_true(rc < 0 || rc == (int)strlen(r));
    return rc;
}

static int parse(const char *request)
{
    return parse_all_ways(&head, weir_str_from(request), NULL);
}

static void assert_error(int rc, int err, const char *what)
{
    if (rc != err)
        fail_msg("%d (%s) instead of %d (%s) for: %s", rc, weir__http1_error_text(rc), err,
                 weir__http1_error_text(err), what);
}

static void refuse_lines(const char *const *lines, size_t n, int err, int status)
{
    for (size_t i = 0; i < n; i++)
        assert_error(parse_lines(lines[i]), err, lines[i]);
    assert_int_equal(weir__http1_error_status(err), status);
}

#define REFUSE(err, status, ...)                                                                   \
    do {                                                                                           \
        const char *const lines_[] = {__VA_ARGS__};                                                \
        refuse_lines(lines_, sizeof lines_ / sizeof lines_[0], err, status);                       \
    } while (0)

/* ---- RFC 9112 section 6.3 item 3: a length and a coding ---- */

static void s6_3_refuses_length_beside_coding(void **state)
{
    (void)state;
    REFUSE(WEIR_HTTP1_ELENGTHANDCODING, 400, "Content-Length: 5\r\nTransfer-Encoding: chunked",
           "Transfer-Encoding: chunked\r\nContent-Length: 5",
           "Transfer-Encoding: chunked\r\nX: y\r\ncontent-LENGTH: 0",
           "Content-Length: 5\r\nTransfer-Encoding: identity",
           "Content-Length: x\r\nTransfer-Encoding:");
}

/* ---- section 6.1: Transfer-Encoding is exactly chunked, once ---- */

static void s6_1_reads_chunked(void **state)
{
    (void)state;
    const char *good[] = {"Transfer-Encoding: chunked", "transfer-encoding:chunked",
                          "TRANSFER-ENCODING:   CHUNKED  ", "Transfer-Encoding: cHuNkEd"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(parse_lines(good[i]) > 0);
        assert_int_equal(head.body, WEIR_HTTP_BODY_UNSIZED);
        assert_int_equal(head.content_length, 0);
    }
}

static void s6_1_refuses_malformed_codings(void **state)
{
    (void)state;
    REFUSE(WEIR_HTTP1_ECODING, 400, "Transfer-Encoding:", "Transfer-Encoding: ,",
           "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunked, gzip",
           "Transfer-Encoding: gzip", "Transfer-Encoding: identity",
           "Transfer-Encoding: identity, identity", "Transfer-Encoding: xchunked",
           "Transfer-Encoding: chunked-", "Transfer-Encoding: chunke",
           "Transfer-Encoding: chunkedd", "Transfer-Encoding: \"chunked\"",
           "Transfer-Encoding: 'chunked'", "Transfer-Encoding: chunked;",
           "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: chunked foo",
           "Transfer-Encoding: chunked\x80", "Transfer-Encoding: x chunked",
           "Transfer-Encoding: gzip chunked", "Transfer-Encoding: (c) chunked");
}

static void s6_1_refuses_tabs_around_chunked(void **state)
{
    (void)state;
    REFUSE(WEIR_HTTP1_ECODING, 400, "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked\t",
           "Transfer-Encoding: \t chunked", "Transfer-Encoding: chunked \t ",
           "Transfer-Encoding: gzip,\tchunked");
    REFUSE(WEIR_HTTP1_ECONTROL, 400,
           "Transfer-Encoding: \x0b"
           "chunked",
           "Transfer-Encoding: chunked\x0c",
           "Transfer-Encoding: \x01"
           "chunked");
}

static void s6_1_answers_501_to_other_codings(void **state)
{
    (void)state;
    REFUSE(WEIR_HTTP1_ECODINGUNKNOWN, 501, "Transfer-Encoding: gzip, chunked",
           "Transfer-Encoding: deflate,gzip , chunked", "Transfer-Encoding: identity, chunked");
}

static void s6_1_refuses_two_coding_lines(void **state)
{
    (void)state;
    REFUSE(WEIR_HTTP1_ECODINGTWICE, 400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
           "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
           "Transfer-Encoding: chunked\r\nX: y\r\ntransfer-encoding: x",
           "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked");
}

static void s6_1_refuses_coding_in_http_1_0(void **state)
{
    (void)state;
    assert_error(parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
                 WEIR_HTTP1_ECODINGIN10, "1.0");
    assert_error(
        parse("POST / HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        WEIR_HTTP1_ECODINGIN10, "1.0 with length");
    assert_int_equal(weir__http1_error_status(WEIR_HTTP1_ECODINGIN10), 400);
}

/* Names that only look like it are other headers, and frame nothing. */
static void s6_1_knows_its_name_exactly(void **state)
{
    (void)state;
    assert_true(parse_lines("Transfer_Encoding: chunked\r\nXTransfer-Encoding: chunked\r\n"
                            "Transfer-Encodin: chunked\r\nContent_Length: 7") > 0);
    assert_int_equal(head.body, WEIR_HTTP_BODY_NONE);
    REFUSE(WEIR_HTTP1_ENAMESPACE, 400, "Transfer-Encoding : chunked", "Content-Length\t: 5");
    REFUSE(WEIR_HTTP1_EFOLD, 400, " Transfer-Encoding: chunked", "Transfer-Encoding:\r\n chunked",
           "Content-Length: 1\r\n 1");
}

/* ---- section 6.2: Content-Length ---- */

static void s6_2_reads_a_length(void **state)
{
    (void)state;
    assert_true(parse_lines("Content-Length: 0") > 0);
    assert_int_equal(head.body, WEIR_HTTP_BODY_LENGTH);
    assert_true(head.content_length == 0);
    assert_true(parse_lines("content-length:00042 ") > 0);
    assert_true(head.content_length == 42);
    assert_true(parse_lines("Content-Length: 9223372036854775807") > 0);
    assert_true(head.content_length == INT64_MAX);
}

static void s6_2_refuses_malformed_lengths(void **state)
{
    (void)state;
    REFUSE(WEIR_HTTP1_ELENGTH, 400, "Content-Length:", "Content-Length: +5", "Content-Length: -5",
           "Content-Length: 5 5", "Content-Length: 5,5", "Content-Length: 5, 5",
           "Content-Length: 0x5", "Content-Length: 5a", "Content-Length: a", "Content-Length: 5.0",
           "Content-Length: 1e3", "Content-Length: 1_000", "Content-Length: \"5\"",
           "Content-Length: 5;", "Content-Length: \xd9\xa5");
    assert_true(parse_lines("Content-Length:\t5\t ") > 0);
    assert_int_equal(head.content_length, 5);
}

static void s6_2_refuses_lengths_over_63_bits(void **state)
{
    (void)state;
    REFUSE(WEIR_HTTP1_ELENGTH, 400, "Content-Length: 9223372036854775808",
           "Content-Length: 18446744073709551616", "Content-Length: 18446744073709551621",
           "Content-Length: 99999999999999999999999999999999");
}

static void s6_2_refuses_two_lengths(void **state)
{
    (void)state;
    REFUSE(WEIR_HTTP1_ELENGTHTWICE, 400, "Content-Length: 5\r\nContent-Length: 6",
           "Content-Length: 5\r\nContent-Length: 5",
           "Content-Length: 0\r\nX: y\r\ncontent-length:");
}

/* ---- section 3.2: Host ---- */

static void s3_2_wants_one_host(void **state)
{
    (void)state;
    assert_error(parse("GET / HTTP/1.1\r\n\r\n"), WEIR_HTTP1_ENOHOST, "none");
    assert_error(parse("GET http://a/ HTTP/1.1\r\n\r\n"), WEIR_HTTP1_ENOHOST, "absolute, none");
    REFUSE(WEIR_HTTP1_EHOSTTWICE, 400, "Host: a", "Host: b", "X: y\r\nhost:");
    assert_error(parse("GET / HTTP/1.0\r\n" HOST HOST "\r\n"), WEIR_HTTP1_EHOSTTWICE, "1.0");
    assert_int_equal(weir__http1_error_status(WEIR_HTTP1_ENOHOST), 400);
    assert_true(parse("GET / HTTP/1.0\r\n\r\n") > 0);
    assert_null(weir__http_head_str("", head.host).ptr);
}

/* Each kind of good Host, and what comes out of it. */
static void s3_2_reads_hosts(void **state)
{
    (void)state;
    const struct {
        const char *value, *host;
        int port; /* -1: none */
    } cases[] = {
        {"", "", -1},
        {"a", "a", -1},
        {"a:", "a", -1},
        {"a:1", "a", 1},
        {"localhost:8080", "localhost", 8080},
        {"a.b-c_d.example:65535", "a.b-c_d.example", 65535},
        {"www.a-rather-long-name.example.com:443", "www.a-rather-long-name.example.com", 443},
        {"10.0.0.255", "10.0.0.255", -1},
        {"[::1]", "[::1]", -1},
        {"[2001:db8::ff00:42:8329]:80", "[2001:db8::ff00:42:8329]", 80},
        {"[::ffff:1.2.3.4]:9", "[::ffff:1.2.3.4]", 9},
        {"a~b", "a~b", -1},
        {"a=b,c", "a=b,c", -1},
        {"!$&'()*+,;=:80", "!$&'()*+,;=", 80},
        {"%41%7a.b:81", "%41%7a.b", 81},
        {":80", "", 80},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (const char *after = " \t"; after[0] != '\0'; after++) {
            char r[200];
            snprintf(r, sizeof r, "GET / HTTP/1.1\r\nHost: %s%s\r\n\r\n", cases[i].value, after);
            assert_true(parse(r) > 0);
            weir_str host = weir__http_head_str(r, head.host);
            assert_non_null(host.ptr);
            assert_true(weir_str_eq(host, weir_str_from(cases[i].host)));
            assert_int_equal(head.has_port ? head.port : -1, cases[i].port);
        }
    }
}

static void s3_2_refuses_malformed_hosts(void **state)
{
    (void)state;
    const char *bad[] = {"a b",       "a%4",    "a%00",     "a/b",
                         "a?b",       "a#b",    "u@a",      "u:p@a",
                         "a:b",       "a:-1",   "a:+1",     "a:0",
                         "a:65536",   "a:1:2",  "a:123456", "a:80 80",
                         "[::1",      "::1",    "[::1]a",   "[::1]:b",
                         "[1.2.3.4]", "[]",     "[:::1]",   "[fe80::1%25eth0]",
                         "a\\b",      "a\x80",  "http://a", "a:00000",
                         "a\"",       "[v1.a]", "a:8 0",    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char r[200];
        snprintf(r, sizeof r, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
        assert_error(parse(r), WEIR_HTTP1_EHOST, bad[i]);
        snprintf(r, sizeof r, "GET / HTTP/1.1\r\nHost: %s\r\nX-More: padding-padding\r\n\r\n",
                 bad[i]);
        assert_error(parse(r), WEIR_HTTP1_EHOST, bad[i]);
    }
    assert_int_equal(weir__http1_error_status(WEIR_HTTP1_EHOST), 400);
}

/* section 3.2.2: the target's host wins, whatever Host says, as long as it is one. */
static void s3_2_2_the_target_wins(void **state)
{
    (void)state;
    const struct {
        const char *target, *host, *is;
    } cases[] = {
        {"http://a/", "a", "a"},
        {"http://a/", "A:80", "a"},
        {"http://a:80/", "a", "a"},
        {"https://a/", "a:443", "a"},
        {"http://[::1]/", "[::1]", "[::1]"},
        {"http://a/", "b", "a"},
        {"http://a/", "", "a"},
        {"http://a/", "a:81", "a"},
        {"http://b=c:81/", "a", "b=c"},
        {"http://a/", "a.", "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char r[200];
        snprintf(r, sizeof r, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].target,
                 cases[i].host);
        assert_true(parse(r) > 0);
        assert_true(weir_str_eq(weir__http_head_str(r, head.host), weir_str_from(cases[i].is)));
    }
    assert_error(parse("GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n"), WEIR_HTTP1_EHOST, "b c");
    assert_error(parse("GET http://a/ HTTP/1.1\r\n\r\n"), WEIR_HTTP1_ENOHOST, "none");
}

/* RFC 9110 section 5.6.1: empty elements of lists are read and ignored. */
static void s5_6_1_ignores_empty_elements(void **state)
{
    (void)state;
    const char *chunked[] = {"Transfer-Encoding: ,chunked", "Transfer-Encoding: chunked,",
                             "Transfer-Encoding: , ,chunked , ,"};
    for (size_t i = 0; i < sizeof chunked / sizeof chunked[0]; i++) {
        assert_true(parse_lines(chunked[i]) > 0);
        assert_int_equal(head.body, WEIR_HTTP_BODY_UNSIZED);
    }
    assert_true(parse_lines("Connection: , ,close,") > 0);
    assert_false(head.keep_alive);
    REFUSE(WEIR_HTTP1_ECODING, 400, "Transfer-Encoding: ,", "Transfer-Encoding: chunked,,chunked");
    REFUSE(WEIR_HTTP1_ECODINGUNKNOWN, 501, "Transfer-Encoding: gzip,,chunked");
}

/* ---- section 9.3: persistence ---- */

static void s9_3_decides_keep_alive(void **state)
{
    (void)state;
    const struct {
        const char *minor, *lines;
        bool keep_alive;
    } cases[] = {
        {"1", "", true},
        {"0", "", false},
        {"1", "Connection: close\r\n", false},
        {"1", "Connection: Close\r\n", false},
        {"1", "Connection: keep-alive\r\n", true},
        {"0", "Connection: Keep-Alive\r\n", true},
        {"1", "Connection: x, close ,y\r\n", false},
        {"1", "Connection: keep-alive\r\nX: y\r\nConnection: close\r\n", false},
        {"0", "Connection: keep-alive, close\r\n", false},
        {"0", "Connection: x\r\nConnection: keep-alive\r\n", true},
        {"1", "Connection: closed\r\n", true},
        {"1", "Connection: \"close\"\r\n", true},
        {"1", "Connection: \"x, close, y\"\r\n", false},
        {"1", "Connection:\r\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char r[200];
        snprintf(r, sizeof r, "GET / HTTP/1.%s\r\n" HOST "%s\r\n", cases[i].minor, cases[i].lines);
        assert_true(parse(r) > 0);
        if (head.keep_alive != cases[i].keep_alive)
            fail_msg("keep_alive %d for:\n%s", head.keep_alive, r);
    }
}

/* ---- RFC 9110 section 7.8: Upgrade, never with a body, never in 1.0 ---- */

static void s7_8_decides_upgrade(void **state)
{
    (void)state;
    assert_true(parse_lines("Connection: keep-alive, Upgrade\r\nUpgrade: websocket") > 0);
    assert_true(head.upgrade);
    const char *none[] = {
        "Upgrade: websocket",
        "Connection: upgrade",
        "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1",
        "Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked",
    };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_true(parse_lines(none[i]) > 0);
        assert_false(head.upgrade);
    }
    assert_true(parse("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n") > 0);
    assert_false(head.upgrade);
}

/* ---- RFC 9110 section 10.1.1: Expect ---- */

static void s10_1_1_decides_expect(void **state)
{
    (void)state;
    assert_true(parse_lines("Expect: 100-Continue\r\nContent-Length: 5") > 0);
    assert_true(head.expect_continue);
    assert_true(parse_lines("Transfer-Encoding: chunked\r\nexpect: 100-continue") > 0);
    assert_true(head.expect_continue);
    assert_true(parse_lines("Expect: 100-continue") > 0);
    assert_false(head.expect_continue);
    assert_true(parse_lines("Expect: 100-continue\r\nContent-Length: 0") > 0);
    assert_false(head.expect_continue);
    const char *often[] = {"Expect: 100-continue\r\nContent-Length: 5\r\nExpect: 100-continue",
                           "Expect: 100-continue, 100-Continue\r\nContent-Length: 5",
                           "Content-Length: 5\r\nExpect: ,100-continue,"};
    for (size_t i = 0; i < sizeof often / sizeof often[0]; i++) {
        assert_true(parse_lines(often[i]) > 0);
        assert_true(head.expect_continue);
    }
    assert_true(parse_lines("Expect:\r\nContent-Length: 5") > 0);
    assert_false(head.expect_continue);
    REFUSE(WEIR_HTTP1_EEXPECT, 417, "Expect: 200-ok", "Expect: 100-continue, x",
           "Expect: 100-continue\r\nExpect: x", "Expect: 100-continue;q=1");
    assert_true(parse("GET / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\n") > 0);
    assert_false(head.expect_continue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s6_3_refuses_length_beside_coding),
        cmocka_unit_test(s6_1_reads_chunked),
        cmocka_unit_test(s6_1_refuses_malformed_codings),
        cmocka_unit_test(s6_1_refuses_tabs_around_chunked),
        cmocka_unit_test(s6_1_answers_501_to_other_codings),
        cmocka_unit_test(s6_1_refuses_two_coding_lines),
        cmocka_unit_test(s6_1_refuses_coding_in_http_1_0),
        cmocka_unit_test(s6_1_knows_its_name_exactly),
        cmocka_unit_test(s6_2_reads_a_length),
        cmocka_unit_test(s6_2_refuses_malformed_lengths),
        cmocka_unit_test(s6_2_refuses_lengths_over_63_bits),
        cmocka_unit_test(s6_2_refuses_two_lengths),
        cmocka_unit_test(s3_2_wants_one_host),
        cmocka_unit_test(s3_2_reads_hosts),
        cmocka_unit_test(s3_2_refuses_malformed_hosts),
        cmocka_unit_test(s3_2_2_the_target_wins),
        cmocka_unit_test(s5_6_1_ignores_empty_elements),
        cmocka_unit_test(s9_3_decides_keep_alive),
        cmocka_unit_test(s7_8_decides_upgrade),
        cmocka_unit_test(s10_1_1_decides_expect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
