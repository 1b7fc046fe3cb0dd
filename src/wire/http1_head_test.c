/*
 * The head parser: what it reads out of good requests, and each thing it refuses, by name and with
 * the section that says so. Every request is parsed whole, cut at every byte, and a byte at a time.
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

static void assert_str(weir_str s, const char *expected)
{
    if (!weir_str_eq(s, weir_str_from(expected)))
        fail_msg("\"" WEIR_STR_FMT "\" instead of \"%s\"", WEIR_STR_ARG(s), expected);
}

/* Parses a C string in all ways. */
static int parse(const char *request)
{
    return parse_all_ways(&head, weir_str_from(request), NULL);
}

static const char *accept(const char *request)
{
    int rc = parse(request);
    if (rc != (int)strlen(request))
        fail_msg("%d (%s) for:\n%s", rc, weir__http1_error_text(rc), request);
    return request;
}

static void refuse(const char *request, int err, int status)
{
    int rc = parse(request);
    if (rc != err)
        fail_msg("%d (%s) instead of %d (%s) for:\n%s", rc, weir__http1_error_text(rc), err,
                 weir__http1_error_text(err), request);
    assert_int_equal(weir__http1_error_status(err), status);
}

/* ---- good requests ---- */

static void reads_a_small_request(void **state)
{
    (void)state;
    const char *r = accept("GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:9100\r\n\r\n");
    assert_int_equal(head.method, WEIR_HTTP_GET);
    assert_int_equal(head.form, WEIR_HTTP_ORIGIN);
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.nfields, 1);
    assert_int_equal(head.body, WEIR_HTTP_BODY_NONE);
    assert_true(head.keep_alive && head.path_is_plain);
    assert_false(head.has_query || head.expect_continue || head.upgrade || head.is_https);
    assert_str(weir__http_head_str(r, head.method_token), "GET");
    assert_str(weir__http_head_str(r, head.target), "/plaintext");
    assert_str(weir__http_head_path(&head, r), "/plaintext");
    assert_null(weir__http_head_str(r, head.query).ptr);
    assert_str(weir__http_head_str(r, head.host), "127.0.0.1");
    assert_true(head.has_port);
    assert_int_equal(head.port, 9100);
}

static void reads_fields_in_order_and_by_id(void **state)
{
    (void)state;
    const char *r = accept("POST /a HTTP/1.1\r\nHOST: x.example\r\nX-Thing:one\r\ncOOkie: a=1\r\n"
                           "x-thing: \t two words \t \r\nContent-Type: application/json\r\n"
                           "Cookie: b=2\r\nX-Empty:\r\nX-Blank:   \r\nX-Text: \xc3\xa9\r\n\r\n");
    assert_int_equal(head.nfields, 9);
    assert_str(weir__http_head_field(&head, r, WEIR_FIELD_HOST), "x.example");
    assert_str(weir__http_head_field(&head, r, WEIR_FIELD_COOKIE), "a=1");
    assert_str(weir__http_head_field(&head, r, WEIR_FIELD_CONTENT_TYPE), "application/json");
    assert_null(weir__http_head_field(&head, r, WEIR_FIELD_ACCEPT).ptr);
    int i = weir__http_head_find(&head, r, WEIR_S("X-THING"), 0);
    assert_int_equal(i, 1);
    assert_str(weir__http_head_value(&head, r, 1), "one");
    i = weir__http_head_find(&head, r, WEIR_S("X-Thing"), i + 1);
    assert_int_equal(i, 3);
    assert_str(weir__http_head_name(&head, r, 3), "x-thing");
    assert_str(weir__http_head_value(&head, r, 3), "two words");
    assert_int_equal(weir__http_head_find(&head, r, WEIR_S("X-Thing"), i + 1), -1);
    assert_int_equal(weir__http_head_find(&head, r, WEIR_S("Cookie"), 3), 5);
    assert_str(weir__http_head_value(&head, r, 6), "");
    assert_str(weir__http_head_value(&head, r, 7), "");
    assert_str(weir__http_head_value(&head, r, 8), "\xc3\xa9");
}

static void reads_methods(void **state)
{
    (void)state;
    char r[100];
    for (unsigned m = WEIR_HTTP_GET; m < WEIR_HTTP_METHOD_COUNT; m++) {
        weir_str name = weir__http_method_name((enum weir__http_method)m);
        const char *target = m == WEIR_HTTP_CONNECT ? "a:1" : "/";
        snprintf(r, sizeof r, WEIR_STR_FMT " %s HTTP/1.1\r\n" HOST "\r\n", WEIR_STR_ARG(name),
                 target);
        accept(r);
        assert_int_equal(head.method, m);
        assert_true(weir_str_eq(weir__http_head_str(r, head.method_token), name));
    }
    assert_str(weir__http_method_name(WEIR_HTTP_OTHER), "");
    const char *other[] = {"get", "GETS", "POSTS", "PURGE", "M-SEARCH", "!#$%&'*+-.^_`|~"};
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        snprintf(r, sizeof r, "%s / HTTP/1.1\r\n" HOST "\r\n", other[i]);
        accept(r);
        assert_int_equal(head.method, WEIR_HTTP_OTHER);
        assert_str(weir__http_head_str(r, head.method_token), other[i]);
    }
}

static void splits_path_and_query(void **state)
{
    (void)state;
    const char *r = accept("GET /a/b.c?x=%41&y=/../?z HTTP/1.0\r\n\r\n");
    assert_str(weir__http_head_path(&head, r), "/a/b.c");
    assert_str(weir__http_head_str(r, head.query), "x=%41&y=/../?z");
    assert_true(head.has_query && head.path_is_plain);
    r = accept("GET /a%2Fb? HTTP/1.0\r\n\r\n");
    assert_str(weir__http_head_path(&head, r), "/a%2Fb");
    assert_str(weir__http_head_str(r, head.query), "");
    assert_true(head.has_query);
    assert_false(head.path_is_plain);
    r = accept("GET //a///?? HTTP/1.0\r\n\r\n");
    assert_str(weir__http_head_path(&head, r), "//a///");
    assert_str(weir__http_head_str(r, head.query), "?");
    accept("GET /~u/...;v=1/x@y:{z}|^`\"<>[] HTTP/1.0\r\n\r\n");
}

/* RFC 9112 section 3.2.2 to 3.2.4 */
static void reads_the_other_forms(void **state)
{
    (void)state;
    const char *r = accept("GET HTTP://Www.Example:8080/p?q HTTP/1.1\r\n"
                           "Host: www.example:8080\r\n\r\n");
    assert_int_equal(head.form, WEIR_HTTP_ABSOLUTE);
    assert_str(weir__http_head_path(&head, r), "/p");
    assert_str(weir__http_head_str(r, head.query), "q");
    assert_str(weir__http_head_str(r, head.host), "Www.Example");
    assert_int_equal(head.port, 8080);
    assert_false(head.is_https);
    r = accept("GET https://a:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_str(weir__http_head_path(&head, r), "/");
    assert_true(head.is_https);
    r = accept("GET http://a?q HTTP/1.0\r\n\r\n");
    assert_str(weir__http_head_path(&head, r), "/");
    assert_str(weir__http_head_str(r, head.query), "q");
    r = accept("OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(head.form, WEIR_HTTP_ASTERISK);
    assert_str(weir__http_head_path(&head, r), "*");
    r = accept("CONNECT [::1]:443 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(head.form, WEIR_HTTP_AUTHORITY);
    assert_null(weir__http_head_path(&head, r).ptr);
    assert_str(weir__http_head_str(r, head.host), "[::1]");
    assert_int_equal(head.port, 443);
}

/* RFC 9112 section 2.2: one empty line before the request line, as sent by old clients. */
static void skips_one_leading_empty_line(void **state)
{
    (void)state;
    const char *r = accept("\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
    assert_str(weir__http_head_path(&head, r), "/");
    assert_str(weir__http_head_str(r, head.method_token), "GET");
    refuse("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_EREQUESTLINE, 400);
    refuse("\nGET / HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_EBARELF, 400);
}

static void stops_at_the_blank_line(void **state)
{
    (void)state;
    const char *first = "GET /1 HTTP/1.1\r\n" HOST "\r\n";
    const char *two = "GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n";
    assert_int_equal(parse(two), (int)strlen(first));
    assert_int_equal(parse("GET /1 HTTP/1.1\r\n" HOST "\r\n\n\x01 anything"), (int)strlen(first));
}

static void says_more_for_every_prefix(void **state)
{
    (void)state;
    const char *r = "GET /a?b HTTP/1.1\r\n" HOST "X: y\r\n\r\n";
    for (size_t n = 0; n < strlen(r); n++)
        assert_int_equal(parse_all_ways(&head, (weir_str){r, n}, NULL), 0);
}

/* ---- refused: bytes (RFC 9112 section 2.2, RFC 9110 section 5.5) ---- */

static void refuses_bare_line_ends(void **state)
{
    (void)state;
    refuse("GET / HTTP/1.1\n" HOST "\r\n", WEIR_HTTP1_EBARELF, 400);
    refuse("GET / HTTP/1.1\r\nHost: a\n\r\n", WEIR_HTTP1_EBARELF, 400);
    refuse("GET / HTTP/1.1\r\nHost: a\r\n\n", WEIR_HTTP1_EBARELF, 400);
    refuse("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", WEIR_HTTP1_EBARECR, 400);
    refuse("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", WEIR_HTTP1_EBARECR, 400);
    refuse("GET / HTTP/1.1\r" HOST "\r\n", WEIR_HTTP1_EBARECR, 400);
    refuse("GET / HTTP/1.1\r\n" HOST "\rX", WEIR_HTTP1_EBARECR, 400);
}

/* A bad byte is answered when it comes, not when the head is complete. */
static void refuses_bad_bytes_at_once(void **state)
{
    (void)state;
    refuse("\x16\x03\x01", WEIR_HTTP1_ECONTROL, 400); /* a TLS client */
    refuse("foo\n", WEIR_HTTP1_EBARELF, 400);
    refuse("GET / HTTP/1.1\r\nX: \x01", WEIR_HTTP1_ECONTROL, 400);
}

/* Each of 256 bytes, in a name, a value, a target and a method. */
static void byte_tables(void **state)
{
    (void)state;
    const char *tchars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int byte = 0; byte < 256; byte++) {
        char name[] = "GET / HTTP/1.1\r\nHost: a\r\nXyX: y\r\n\r\n";
        char value[] = "GET / HTTP/1.1\r\nHost: a\r\nX: yxy\r\n\r\n";
        char target[] = "GET /axb HTTP/1.1\r\nHost: a\r\n\r\n";
        char method[] = "GxT / HTTP/1.1\r\nHost: a\r\n\r\n";
        name[26] = value[29] = target[6] = method[1] = (char)byte;
        bool is_token = byte != 0 && strchr(tchars, byte) != NULL;
        bool is_value = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        bool is_target = byte > 0x20 && byte < 0x7f && byte != '#' && byte != '%';
        int rc = parse_all_ways(&head, (weir_str){name, sizeof name - 1}, NULL);
        assert_int_equal(rc > 0, is_token || byte == ':');
        assert_int_equal(rc == WEIR_HTTP1_ENAME, is_value && !is_token && byte != ':');
        rc = parse_all_ways(&head, (weir_str){value, sizeof value - 1}, NULL);
        assert_int_equal(rc > 0, is_value);
        rc = parse_all_ways(&head, (weir_str){target, sizeof target - 1}, NULL);
        assert_int_equal(rc > 0, is_target);
        rc = parse_all_ways(&head, (weir_str){method, sizeof method - 1}, NULL);
        assert_int_equal(rc > 0, is_token);
    }
}

/* ---- refused: the request line (RFC 9112 section 3) ---- */

static void refuses_malformed_request_lines(void **state)
{
    (void)state;
    refuse(" GET / HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_EMETHOD, 400);
    refuse("GET\r\n\r\n", WEIR_HTTP1_EMETHOD, 400);
    refuse("G{T / HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_EMETHOD, 400);
    refuse("GET\t/ HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_EMETHOD, 400);
    refuse("GET \r\n\r\n", WEIR_HTTP1_EREQUESTLINE, 400);
    refuse("GET  HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_EREQUESTLINE, 400);
    refuse("GET  / HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_ETARGET, 400);
    refuse("GET /  HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_ETARGET, 400);
    refuse("GET / HTTP/1.1 \r\n" HOST "\r\n", WEIR_HTTP1_EVERSIONFORM, 400);
    refuse("GET /a b HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_ETARGET, 400);
    refuse("GET /a\tb HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_ETARGET, 400);
    refuse("GET /a#b HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_ETARGET, 400);
    refuse("GET /a\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_ETARGET, 400);
    refuse("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?bbb# HTTP/1.1\r\n" HOST "\r\n",
           WEIR_HTTP1_ETARGET, 400);
}

/* RFC 9112 section 2.3, RFC 9110 section 2.5 */
static void decides_versions(void **state)
{
    (void)state;
    accept("GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(head.minor, 0);
    assert_false(head.keep_alive);
    accept("GET / HTTP/1.7\r\n" HOST "\r\n");
    assert_int_equal(head.minor, 1);
    refuse("GET /\r\n", WEIR_HTTP1_EVERSION09, 505);
    refuse("GET /a/long/enough/path\r\n", WEIR_HTTP1_EVERSION09, 505);
    refuse("GET HTTP/1.1\r\n", WEIR_HTTP1_EREQUESTLINE, 400);
    refuse("EHLO example.org\r\n", WEIR_HTTP1_EREQUESTLINE, 400);
    refuse("POST /path\r\n", WEIR_HTTP1_EREQUESTLINE, 400);
    refuse("GET /path\tHTTP/1.1\r\n", WEIR_HTTP1_EREQUESTLINE, 400);
    refuse("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", WEIR_HTTP1_EVERSION2, 505);
    refuse("GET / HTTP/2.0\r\n\r\n", WEIR_HTTP1_EVERSION, 505);
    refuse("GET / HTTP/0.9\r\n\r\n", WEIR_HTTP1_EVERSION, 505);
    refuse("GET / HTTP/3.1\r\n\r\n", WEIR_HTTP1_EVERSION, 505);
    const char *malformed[] = {"http/1.1",  "HTTP/1",    "HTTP/1.",   "HTTP/1.10",
                               "HTTP/1,1",  "HTTP/a.1",  "HTTP/01.1", "HTTP/1.a",
                               "HTTP /1.1", "HTTPS/1.1", "ICE/1.1",   "b"};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        char r[100];
        snprintf(r, sizeof r, "GET / %s\r\n" HOST "\r\n", malformed[i]);
        refuse(r, WEIR_HTTP1_EVERSIONFORM, 400);
    }
}

/* RFC 9112 section 3.2: which form goes with which method */
static void refuses_forms_that_do_not_fit(void **state)
{
    (void)state;
    const char *tail = "HTTP/1.1\r\n" HOST "\r\n";
    const struct {
        const char *start;
        int err;
    } cases[] = {
        {"GET *", WEIR_HTTP1_ETARGETFORM},
        {"OPTIONS **", WEIR_HTTP1_ETARGETFORM},
        {"GET a", WEIR_HTTP1_ETARGETFORM},
        {"GET a:80", WEIR_HTTP1_ETARGETFORM},
        {"GET ?a", WEIR_HTTP1_ETARGETFORM},
        {"GET ftp://a/", WEIR_HTTP1_ETARGETFORM},
        {"GET http:/a", WEIR_HTTP1_ETARGETFORM},
        {"GET http:///a", WEIR_HTTP1_EAUTHORITY},
        {"GET http://", WEIR_HTTP1_EAUTHORITY},
        {"GET http://u@a/", WEIR_HTTP1_EAUTHORITY},
        {"GET http://u:p@a/", WEIR_HTTP1_EAUTHORITY},
        {"GET http://a:b/", WEIR_HTTP1_EAUTHORITY},
        {"GET http://a:65536/", WEIR_HTTP1_EAUTHORITY},
        {"CONNECT /", WEIR_HTTP1_ETARGETFORM},
        {"CONNECT a", WEIR_HTTP1_ETARGETFORM},
        {"CONNECT :80", WEIR_HTTP1_ETARGETFORM},
        {"CONNECT http://a/", WEIR_HTTP1_EAUTHORITY},
        {"CONNECT a:80/", WEIR_HTTP1_EAUTHORITY},
        {"CONNECT u@a:80", WEIR_HTTP1_EAUTHORITY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char r[100];
        snprintf(r, sizeof r, "%s %s", cases[i].start, tail);
        refuse(r, cases[i].err, 400);
    }
}

/* RFC 3986 section 2.1, 5.2.4: what two readers would take for two paths */
static void refuses_ambiguous_paths(void **state)
{
    (void)state;
    const char *dots[] = {"/.",      "/..",          "/../",        "/a/../b",
                          "/a/./b",  "/a/..?x",      "/%2e",        "/%2E%2e/",
                          "/a/.%2e", "/a/%2e./b?q=", "http://a/..", "http://a/b/%2e%2E?c"};
    for (size_t i = 0; i < sizeof dots / sizeof dots[0]; i++) {
        char r[100];
        snprintf(r, sizeof r, "GET %s HTTP/1.1\r\n" HOST "\r\n", dots[i]);
        refuse(r, WEIR_HTTP1_EPATHDOTS, 400);
    }
    refuse("GET /a%00b HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_EPATHNUL, 400);
    refuse("GET /a%0 HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_EPATHPERCENT, 400);
    refuse("GET /a%zz HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_EPATHPERCENT, 400);
    refuse("GET /% HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_EPATHPERCENT, 400);
    refuse("GET /%4?1 HTTP/1.1\r\n" HOST "\r\n", WEIR_HTTP1_EPATHPERCENT, 400);
    accept("GET /.../.a/a./..a/%2e%2e%2e/%2Fa HTTP/1.1\r\n" HOST "\r\n");
}

/* ---- refused: header lines (RFC 9112 section 5) ---- */

/* section 5.1: no whitespace between name and colon */
static void refuses_space_before_colon(void **state)
{
    (void)state;
    refuse("GET / HTTP/1.1\r\nHost : a\r\n\r\n", WEIR_HTTP1_ENAMESPACE, 400);
    refuse("GET / HTTP/1.1\r\n" HOST "Content-Length\t: 1\r\n\r\n", WEIR_HTTP1_ENAMESPACE, 400);
    refuse("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n", WEIR_HTTP1_ENAMESPACE,
           400);
    assert_string_equal(weir__http1_error_text(WEIR_HTTP1_ENAMESPACE),
                        "space before the colon of a header");
}

/* section 5.2: no line folding, and no whitespace before the first header */
static void refuses_folded_lines(void **state)
{
    (void)state;
    refuse("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", WEIR_HTTP1_EFOLD, 400);
    refuse("GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb: c\r\n\r\n", WEIR_HTTP1_EFOLD, 400);
    refuse("GET / HTTP/1.1\r\n " HOST "\r\n", WEIR_HTTP1_EFOLD, 400);
    refuse("GET / HTTP/1.1\r\n" HOST " \r\n\r\n", WEIR_HTTP1_EFOLD, 400);
}

static void refuses_malformed_header_lines(void **state)
{
    (void)state;
    refuse("GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", WEIR_HTTP1_ENOCOLON, 400);
    refuse("GET / HTTP/1.1\r\n" HOST "a-long-line-with-no-colon-in-it\r\n\r\n", WEIR_HTTP1_ENOCOLON,
           400);
    refuse("GET / HTTP/1.1\r\n" HOST "a-long-line-without-one\r\nX: y\r\n\r\n", WEIR_HTTP1_ENOCOLON,
           400);
    refuse("GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n", WEIR_HTTP1_ENAMEEMPTY, 400);
    refuse("GET / HTTP/1.1\r\n" HOST "X Y: a\r\n\r\n", WEIR_HTTP1_ENAME, 400);
    refuse("GET / HTTP/1.1\r\n" HOST "X\xff: a\r\n\r\n", WEIR_HTTP1_ENAME, 400);
    refuse("GET / HTTP/1.1\r\n" HOST "\"X\": a\r\n\r\n", WEIR_HTTP1_ENAME, 400);
}

/* ---- limits ---- */

static void keeps_limits(void **state)
{
    (void)state;
    const char *r = "GET /abc HTTP/1.1\r\n" HOST "X: y\r\n\r\n"; /* 17 + 2, 9, 6, 2 bytes */
    weir_str s = weir_str_from(r);
    struct weir__http_limits exact = {.head_bytes_max = 36, .line_bytes_max = 17, .fields_max = 2};
    struct weir__http_limits limits = exact;
    assert_int_equal(parse_all_ways(&head, s, &limits), 36);
    limits.head_bytes_max = 35;
    assert_int_equal(parse_all_ways(&head, s, &limits), WEIR_HTTP1_EHEADLONG);
    limits = exact;
    limits.line_bytes_max = 16;
    assert_int_equal(parse_all_ways(&head, s, &limits), WEIR_HTTP1_ELINELONG);
    limits = exact;
    limits.fields_max = 1;
    assert_int_equal(parse_all_ways(&head, s, &limits), WEIR_HTTP1_EFIELDS);
    limits = exact;
    limits.head_bytes_max = 10; /* the request line alone is over it */
    assert_int_equal(parse_all_ways(&head, s, &limits), WEIR_HTTP1_ELINELONG);
    assert_int_equal(weir__http1_error_status(WEIR_HTTP1_EHEADLONG), 431);
    assert_int_equal(weir__http1_error_status(WEIR_HTTP1_EFIELDS), 431);
    assert_int_equal(weir__http1_error_status(WEIR_HTTP1_ELINELONG), 414);
}

static size_t fill(char *r, const char *start, char ch, size_t n, const char *end)
{
    size_t at = strlen(start);
    memcpy(r, start, at);
    memset(r + at, ch, n);
    memcpy(r + at + n, end, strlen(end));
    return at + n + strlen(end);
}

static void keeps_default_limits(void **state)
{
    (void)state;
    static char r[70000];
    const struct weir__http_limits wide = {.head_bytes_max = 1 << 20, .line_bytes_max = 1 << 20};
    size_t n = fill(r, "GET /", 'a', 8192 - 14, " HTTP/1.1\r\n" HOST "\r\n");
    weir__http_head_init(&head);
    assert_int_equal(parse_moved(&head, r, n, NULL), (int)n);
    n = fill(r, "GET /", 'a', 8192 - 13, " HTTP/1.1\r\n" HOST "\r\n");
    weir__http_head_init(&head);
    assert_int_equal(parse_moved(&head, r, n, NULL), WEIR_HTTP1_ELINELONG);
    n = fill(r, "GET / HTTP/1.1\r\n" HOST "X: ", 'a', 16384 - 32, "\r\n\r\n");
    assert_int_equal(n, 16384);
    weir__http_head_init(&head);
    assert_int_equal(parse_moved(&head, r, n, NULL), 16384);
    n = fill(r, "GET / HTTP/1.1\r\n" HOST "X: ", 'a', 16384 - 31, "\r\n\r\n");
    weir__http_head_init(&head);
    assert_int_equal(parse_moved(&head, r, n, NULL), WEIR_HTTP1_EHEADLONG);
    n = fill(r, "GET / HTTP/1.1\r\n" HOST "X: ", 'a', 65535 - 32, "\r\n\r\n");
    weir__http_head_init(&head);
    assert_int_equal(parse_moved(&head, r, n, &wide), 65535);
    n = fill(r, "GET / HTTP/1.1\r\n" HOST "X: ", 'a', 65536 - 32, "\r\n\r\n");
    weir__http_head_init(&head);
    assert_int_equal(parse_moved(&head, r, n, &wide), WEIR_HTTP1_EHEADLONG);
}

static void holds_a_hundred_headers(void **state)
{
    (void)state;
    static char r[2000];
    const struct weir__http_limits more = {.fields_max = 1000};
    size_t n = (size_t)snprintf(r, sizeof r, "GET / HTTP/1.0\r\n");
    for (int i = 0; i < WEIR_HTTP_FIELDS_MAX; i++)
        n += (size_t)snprintf(r + n, sizeof r - n, "X%d: %d\r\n", i, i);
    memcpy(r + n, "\r\n", 2);
    assert_int_equal(parse_all_ways(&head, (weir_str){r, n + 2}, NULL), (int)n + 2);
    assert_int_equal(head.nfields, WEIR_HTTP_FIELDS_MAX);
    assert_str(weir__http_head_value(&head, r, 99), "99");
    memcpy(r + n, "Y: z\r\n\r\n", 8);
    assert_int_equal(parse_all_ways(&head, (weir_str){r, n + 8}, &more), WEIR_HTTP1_EFIELDS);
}

/* A head that comes a byte at a time costs a pass over it, not a pass a byte. */
static void remembers_how_far_it_got(void **state)
{
    (void)state;
    const char *r = "GET /0123456789 HTTP/1.1\r\nHost: 0123456789\r\n\r\n";
    weir__http_head_init(&head);
    assert_int_equal(weir__http1_head_parse(&head, r, 12, NULL), 0);
    assert_int_equal(head.scanned, 12);
    assert_int_equal(weir__http1_head_parse(&head, r, 25, NULL), 0);
    assert_int_equal(head.scanned, 24); /* the CR waits for its LF */
    assert_int_equal(weir__http1_head_parse(&head, r, 30, NULL), 0);
    assert_int_equal(head.line, 26);
    assert_int_equal(head.scanned, 30);
    assert_int_equal(weir__http1_head_parse(&head, r, strlen(r), NULL), (int)strlen(r));
}

static void every_error_has_status_and_text(void **state)
{
    (void)state;
    for (int err = WEIR_HTTP1_EBARELF; err < WEIR_HTTP1_ERROR_END; err++) {
        int status = weir__http1_error_status(err);
        assert_true(status == 400 || status == 414 || status == 417 || status == 431 ||
                    status == 501 || status == 505);
        assert_non_null(weir__http1_error_text(err));
        assert_true(strcmp(weir__http1_error_text(err), "malformed request") != 0);
    }
    assert_int_equal(weir__http1_error_status(-1), 400);
    assert_string_equal(weir__http1_error_text(-1), "malformed request");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_small_request),
        cmocka_unit_test(reads_fields_in_order_and_by_id),
        cmocka_unit_test(reads_methods),
        cmocka_unit_test(splits_path_and_query),
        cmocka_unit_test(reads_the_other_forms),
        cmocka_unit_test(skips_one_leading_empty_line),
        cmocka_unit_test(stops_at_the_blank_line),
        cmocka_unit_test(says_more_for_every_prefix),
        cmocka_unit_test(refuses_bare_line_ends),
        cmocka_unit_test(refuses_bad_bytes_at_once),
        cmocka_unit_test(byte_tables),
        cmocka_unit_test(refuses_malformed_request_lines),
        cmocka_unit_test(decides_versions),
        cmocka_unit_test(refuses_forms_that_do_not_fit),
        cmocka_unit_test(refuses_ambiguous_paths),
        cmocka_unit_test(refuses_space_before_colon),
        cmocka_unit_test(refuses_folded_lines),
        cmocka_unit_test(refuses_malformed_header_lines),
        cmocka_unit_test(keeps_limits),
        cmocka_unit_test(keeps_default_limits),
        cmocka_unit_test(holds_a_hundred_headers),
        cmocka_unit_test(remembers_how_far_it_got),
        cmocka_unit_test(every_error_has_status_and_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
