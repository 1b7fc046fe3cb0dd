/* References (all examples of RFC 3986 section 5.4), and URLs that a client may be given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/url_reference.h"

static const struct {
    const char *reference, *result;
} examples[] = {
    /* 5.4.1 */
    {"g:h", "g:h"},
    {"g", "http://a/b/c/g"},
    {"./g", "http://a/b/c/g"},
    {"g/", "http://a/b/c/g/"},
    {"/g", "http://a/g"},
    {"//g", "http://g"},
    {"?y", "http://a/b/c/d;p?y"},
    {"g?y", "http://a/b/c/g?y"},
    {"#s", "http://a/b/c/d;p?q#s"},
    {"g#s", "http://a/b/c/g#s"},
    {"g?y#s", "http://a/b/c/g?y#s"},
    {";x", "http://a/b/c/;x"},
    {"g;x", "http://a/b/c/g;x"},
    {"g;x?y#s", "http://a/b/c/g;x?y#s"},
    {"", "http://a/b/c/d;p?q"},
    {".", "http://a/b/c/"},
    {"./", "http://a/b/c/"},
    {"..", "http://a/b/"},
    {"../", "http://a/b/"},
    {"../g", "http://a/b/g"},
    {"../..", "http://a/"},
    {"../../", "http://a/"},
    {"../../g", "http://a/g"},
    /* 5.4.2 */
    {"../../../g", "http://a/g"},
    {"../../../../g", "http://a/g"},
    {"/./g", "http://a/g"},
    {"/../g", "http://a/g"},
    {"g.", "http://a/b/c/g."},
    {".g", "http://a/b/c/.g"},
    {"g..", "http://a/b/c/g.."},
    {"..g", "http://a/b/c/..g"},
    {"./../g", "http://a/b/g"},
    {"./g/.", "http://a/b/c/g/"},
    {"g/./h", "http://a/b/c/g/h"},
    {"g/../h", "http://a/b/c/h"},
    {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
    {"g;x=1/../y", "http://a/b/c/y"},
    {"g?y/./x", "http://a/b/c/g?y/./x"},
    {"g?y/../x", "http://a/b/c/g?y/../x"},
    {"g#s/./x", "http://a/b/c/g#s/./x"},
    {"g#s/../x", "http://a/b/c/g#s/../x"},
    {"http:g", "http:g"}, /* strict */
    /* More */
    {"?", "http://a/b/c/d;p?"},
    {"#", "http://a/b/c/d;p?q#"},
    {"//g?y", "http://g?y"},
    {"//g/../h", "http://g/h"},
    {"https://x/a/./b/../c", "https://x/a/c"},
    {"g\xc3\xbc", "http://a/b/c/g%C3%BC"},
    {"1:2", "http://a/b/c/1:2"}, /* no scheme begins with a digit */
    {"/..", "http://a/"},
    {"/a/..", "http://a/"},
    {"/a/../", "http://a/"},
    {"/.", "http://a/"},
    {"/...", "http://a/..."},
    {"//g/a//../b", "http://g/a/b"},
};

static int resolve(const char *base, const char *reference, char *out, size_t size)
{
    weir_buf b;
    weir_buf_init(&b, 4096);
    weir_buf_putc(&b, '!');
    int rc = weir__url_resolve(weir_str_from(base), weir_str_from(reference), &b);
    snprintf(out, size, WEIR_STR_FMT, (int)b.len - 1, b.ptr + 1);
    weir_buf_fini(&b);
    return rc;
}

static void all_examples_of_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        char out[128];
        int rc = resolve("http://a/b/c/d;p?q", examples[i].reference, out, sizeof out);
        if (rc != 0 || strcmp(out, examples[i].result) != 0)
            fail_msg("\"%s\": %d, %s", examples[i].reference, rc, out);
    }
}

static void other_bases(void **state)
{
    (void)state;
    static const struct {
        const char *base, *reference, *result;
    } rows[] = {
        {"http://a", "g", "http://a/g"},
        {"http://a", "", "http://a"},
        {"http://a?q", "../g", "http://a/g"},
        {"http://a#f", "?y", "http://a?y"},
        {"https://[::1]:8/x/y?z#f", "/login?a=b", "https://[::1]:8/login?a=b"},
        {"https://a/x", "//b:8/y", "https://b:8/y"},
        {"mailto:a", "b", "mailto:b"},
        {"file:///a/b", "c", "file:///a/c"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[128];
        assert_int_equal(resolve(rows[i].base, rows[i].reference, out, sizeof out), 0);
        assert_string_equal(out, rows[i].result);
    }
}

static void what_cannot_be_resolved_leaves_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *base, *reference;
        int err;
    } rows[] = {
        {"/a", "g", WEIR_URL_ESCHEME},
        {"", "http://a/", WEIR_URL_ESCHEME},
        {"http://a/", "a b", WEIR_URL_EBYTE},
        {"http://a/", "a\r\nb", WEIR_URL_EBYTE},
        {"http://a/", "\x7f", WEIR_URL_EBYTE},
        {"http://a b/", "c", WEIR_URL_EBYTE},
        {"x:y", "/.//evil.example/", WEIR_URL_EHOST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[128];
        assert_int_equal(resolve(rows[i].base, rows[i].reference, out, sizeof out), rows[i].err);
        assert_string_equal(out, "");
    }
    weir_buf b;
    weir_buf_init(&b, 10);
    assert_int_equal(weir__url_resolve(WEIR_S("http://a/b"), WEIR_S("cd"), &b), WEIR_ETOOLARGE);
    assert_int_equal(b.len, 0);
    assert_int_equal(weir__url_resolve(WEIR_S("http://a/b"), WEIR_S("c"), &b), 0);
    weir_buf_fini(&b);
}

static void parts_are_told_from_nothing(void **state)
{
    (void)state;
    struct weir__url_parts p;
    weir__url_split(WEIR_S("http://u@h:8/p?q#f"), &p);
    assert_true(weir_str_eq(p.scheme, WEIR_S("http")) && weir_str_eq(p.authority, WEIR_S("u@h:8")));
    assert_true(weir_str_eq(p.path, WEIR_S("/p")) && weir_str_eq(p.query, WEIR_S("q")));
    assert_true(weir_str_eq(p.fragment, WEIR_S("f")));
    weir__url_split(WEIR_S("///?#"), &p);
    assert_null(p.scheme.ptr);
    assert_true(p.authority.ptr != NULL && p.authority.len == 0);
    assert_true(p.query.ptr != NULL && p.fragment.ptr != NULL && p.path.len == 1);
    weir__url_split((weir_str){NULL, 0}, &p);
    assert_true(p.authority.ptr == NULL && p.query.ptr == NULL && p.path.len == 0);
}

static const struct {
    const char *url, *host, *said, *path, *query;
    int port;
    bool is_https, is_ip;
} targets[] = {
    {"http://Example.COM", "example.com", "example.com", "/", NULL, 80, false, false},
    {"https://example.com./a?b#c", "example.com", "example.com", "/a", "b", 443, true, false},
    {"https://example.com:443/", "example.com", "example.com", "/", NULL, 443, true, false},
    {"https://example.com:80/", "example.com", "example.com:80", "/", NULL, 80, true, false},
    {"HTTP://ex%61mple.com:?", "example.com", "example.com", "/", "", 80, false, false},
    {"http://127.0.0.1:8080/x", "127.0.0.1", "127.0.0.1:8080", "/x", NULL, 8080, false, true},
    {"http://[2001:DB8::0:1]:8/", "2001:db8::1", "[2001:db8::1]:8", "/", NULL, 8, false, true},
    {"http://[::1]#f", "::1", "[::1]", "/", NULL, 80, false, true},
    {"http://localhost/a/../b", "localhost", "localhost", "/a/../b", NULL, 80, false, false},
    {"http://a_b.example/", "a_b.example", "a_b.example", "/", NULL, 80, false, false},
    {"http://1.example/", "1.example", "1.example", "/", NULL, 80, false, false},
    {"http://xn--mnchen-3ya.de", "xn--mnchen-3ya.de", "xn--mnchen-3ya.de", "/", NULL, 80, false,
     false},
    {"http://0x7f.example", "0x7f.example", "0x7f.example", "/", NULL, 80, false, false},
};

static void targets_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct weir__url_target t;
        char said[WEIR__URL_HOST_TEXT_MAX];
        int rc = weir__url_target_parse(weir_str_from(targets[i].url), &t);
        if (rc != 0)
            fail_msg("%s: %s", targets[i].url, weir__url_error_text(rc));
        assert_string_equal(t.host, targets[i].host);
        assert_int_equal(t.host_len, strlen(t.host));
        size_t n = weir__url_target_host(&t, said);
        assert_true(weir_str_eq((weir_str){said, n}, weir_str_from(targets[i].said)));
        assert_true(weir_str_eq(t.path, weir_str_from(targets[i].path)));
        assert_int_equal(t.query.ptr == NULL, targets[i].query == NULL);
        assert_true(weir_str_eq(t.query, weir_str_from(targets[i].query)));
        assert_int_equal(t.port, targets[i].port);
        assert_int_equal(t.is_https, targets[i].is_https);
        assert_int_equal(t.is_ip, targets[i].is_ip);
    }
}

static void what_no_client_may_ask_for(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        int err;
    } rows[] = {
        {"", WEIR_URL_ESCHEME},
        {"example.com", WEIR_URL_ESCHEME},
        {"ftp://example.com", WEIR_URL_ESCHEME},
        {"http:/example.com", WEIR_URL_ESCHEME},
        {"http://", WEIR_URL_EHOST},
        {"http:///a", WEIR_URL_EHOST},
        {"http://user@a/", WEIR_URL_EUSERINFO},
        {"http://user:pw@a/", WEIR_URL_EUSERINFO},
        {"http://a b/", WEIR_URL_EBYTE},
        {"http://a/\r\nX: y", WEIR_URL_EBYTE},
        {"http://m\xc3\xbcnchen.de/", WEIR_URL_EBYTE},
        {"http://a:0/", WEIR_URL_EPORT},
        {"http://a:65536/", WEIR_URL_EPORT},
        {"http://a:x/", WEIR_URL_EPORT},
        {"http://a..b/", WEIR_URL_EHOST},
        {"http://.a/", WEIR_URL_EHOST},
        {"http://./", WEIR_URL_EHOST},
        {"http://a../", WEIR_URL_EHOST},
        {"http://a%2fb/", WEIR_URL_EHOST},
        {"http://a%20b/", WEIR_URL_EHOST},
        {"http://a!b/", WEIR_URL_EHOST},
        {"http://127.1/", WEIR_URL_EHOST},
        {"http://2130706433/", WEIR_URL_EHOST},
        {"http://0x7f000001/", WEIR_URL_EHOST},
        {"http://0x/", WEIR_URL_EHOST},
        {"http://127.0.0.0x1/", WEIR_URL_EHOST},
        {"http://1.2.3.4.5/", WEIR_URL_EHOST},
        {"http://01.2.3.4/", WEIR_URL_EHOST},
        {"http://[fe80::1%25eth0]/", WEIR_URL_EHOST},
        {"http://[::1/", WEIR_URL_EHOST},
        {"http://a23456789012345678901234567890123456789012345678901234567890abcd.example/",
         WEIR_URL_EHOST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir__url_target t;
        int rc = weir__url_target_parse(weir_str_from(rows[i].url), &t);
        if (rc != rows[i].err)
            fail_msg("%s: %d, %s", rows[i].url, rc, weir__url_error_text(rc));
    }
    char url[400] = "http://";
    for (int i = 0; i < 127; i++)
        strcat(url, "a.");
    struct weir__url_target t;
    assert_int_equal(weir__url_target_parse(weir_str_from(url), &t), 0); /* 253 and a dot */
    strcat(url, "aa");
    assert_int_equal(weir__url_target_parse(weir_str_from(url), &t), WEIR_URL_EHOST);
}

static void origins_are_scheme_host_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool is_same;
    } rows[] = {
        {"http://a/x", "HTTP://A:80/y?z", true},  {"http://a", "https://a", false},
        {"http://a", "http://a:8080", false},     {"http://a", "http://a.a", false},
        {"http://a:443", "https://a:443", false}, {"https://a.", "https://a:443", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir__url_target a, b;
        assert_int_equal(weir__url_target_parse(weir_str_from(rows[i].a), &a), 0);
        assert_int_equal(weir__url_target_parse(weir_str_from(rows[i].b), &b), 0);
        assert_int_equal(weir__url_target_is_same_origin(&a, &b), rows[i].is_same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_examples_of_the_rfc),
        cmocka_unit_test(other_bases),
        cmocka_unit_test(what_cannot_be_resolved_leaves_nothing),
        cmocka_unit_test(parts_are_told_from_nothing),
        cmocka_unit_test(targets_are_taken_apart),
        cmocka_unit_test(what_no_client_may_ask_for),
        cmocka_unit_test(origins_are_scheme_host_and_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
