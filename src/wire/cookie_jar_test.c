/* The jar: RFC 6265 sections 5.1.3, 5.1.4, 5.3 and 5.4, prefixes, secure cookies, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "wire/cookie_jar.h"

#define NOW 784111777

static struct weir__cookie_scope scope_of(const char *url)
{
    struct weir__cookie_scope s = {.is_secure = strncmp(url, "https", 5) == 0};
    const char *host = strstr(url, "://") + 3, *slash = strchr(host, '/');
    size_t n = slash != NULL ? (size_t)(slash - host) : strlen(host);
    s.host = (weir_str){host, n};
    s.path = weir_str_from(slash != NULL ? slash : "");
    s.is_ip = strspn(host, "0123456789.") == n || memchr(host, ':', n) != NULL;
    return s;
}

static int set(struct weir__cookie_jar *jar, const char *url, const char *line)
{
    struct weir__cookie_scope s = scope_of(url);
    return weir__cookie_jar_set(jar, &s, weir_str_from(line), NOW);
}

static void assert_line_at(struct weir__cookie_jar *jar, const char *url, int64_t now,
                           const char *expected)
{
    struct weir__cookie_scope s = scope_of(url);
    weir_buf b;
    weir_buf_init(&b, 1 << 16);
    weir__cookie_jar_line(jar, &s, now, &b);
    weir_buf_putc(&b, '\0');
    if (strcmp(b.ptr, expected) != 0)
        fail_msg("%s: \"%s\", expected \"%s\"", url, b.ptr, expected);
    weir_buf_fini(&b);
}

static void assert_line(struct weir__cookie_jar *jar, const char *url, const char *expected)
{
    assert_line_at(jar, url, NOW, expected);
}

static int set_up(void **state)
{
    static struct weir__cookie_jar jar;
    weir__cookie_jar_init(&jar);
    *state = &jar;
    return 0;
}

static int tear_down(void **state)
{
    struct weir__cookie_jar *jar = *state;
    weir__cookie_jar_fini(jar);
    assert_int_equal(jar->bytes, 0);
    assert_int_equal(jar->count, 0);
    return 0;
}

static void a_cookie_is_its_hosts(void **state)
{
    assert_int_equal(set(*state, "http://a.example/", "x=1"), 0);
    assert_line(*state, "http://a.example/y", "x=1");
    assert_line(*state, "https://a.example/", "x=1");
    assert_line(*state, "http://b.a.example/", "");
    assert_line(*state, "http://example/", "");
}

static void a_domain_has_its_hosts(void **state)
{
    assert_int_equal(set(*state, "http://a.b.example/", "x=1; Domain=B.Example"), 0);
    assert_line(*state, "http://b.example/", "x=1");
    assert_line(*state, "http://z.b.example/", "x=1");
    assert_line(*state, "http://zb.example/", "");
    assert_line(*state, "http://example/", "");
}

static void domains_of_others_are_refused(void **state)
{
    static const struct {
        const char *url, *line;
        int err;
    } rows[] = {
        {"http://a.example/", "x=1; Domain=b.example", WEIR_COOKIE_EDOMAIN},
        {"http://a.example/", "x=1; Domain=z.a.example", WEIR_COOKIE_EDOMAIN},
        {"http://a.example/", "x=1; Domain=..example", WEIR_COOKIE_EDOMAIN},
        {"http://a.example/", "x=1; Domain=example", WEIR_COOKIE_ESUFFIX},
        {"http://a.example/", "x=1; Domain=com", WEIR_COOKIE_ESUFFIX},
        {"http://10.0.0.1/", "x=1; Domain=0.0.1", WEIR_COOKIE_EDOMAIN},
        {"http://10.0.0.1/", "x=1; Domain=1", WEIR_COOKIE_EDOMAIN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(set(*state, rows[i].url, rows[i].line), rows[i].err);
    assert_int_equal(((struct weir__cookie_jar *)*state)->count, 0);
    /* One label that is the host, and an address that is it: theirs alone. */
    assert_int_equal(set(*state, "http://localhost/", "x=1; Domain=localhost"), 0);
    assert_line(*state, "http://localhost/", "x=1");
    assert_line(*state, "http://a.localhost/", "");
    assert_int_equal(set(*state, "http://10.0.0.1/", "x=1; Domain=10.0.0.1"), 0);
    assert_line(*state, "http://10.0.0.1/", "x=1");
}

static void paths_are_whole_segments(void **state)
{
    assert_int_equal(set(*state, "http://a.example/one/two", "d=1"), 0); /* of /one */
    assert_int_equal(set(*state, "http://a.example/", "p=1; Path=/one/two"), 0);
    assert_int_equal(set(*state, "http://a.example/", "s=1; Path=/one/"), 0);
    assert_line(*state, "http://a.example/one", "d=1");
    assert_line(*state, "http://a.example/one/", "s=1; d=1");
    assert_line(*state, "http://a.example/one/two", "p=1; s=1; d=1"); /* longer paths first */
    assert_line(*state, "http://a.example/one/two/three", "p=1; s=1; d=1");
    assert_line(*state, "http://a.example/one/twofold", "s=1; d=1");
    assert_line(*state, "http://a.example/onefold", "");
    assert_line(*state, "http://a.example", "");
    assert_int_equal(set(*state, "http://a.example/x", "r=1"), 0); /* of / */
    assert_line(*state, "http://a.example", "r=1");
}

static void older_ones_go_first_and_a_new_value_is_no_new_cookie(void **state)
{
    assert_int_equal(set(*state, "http://a.example/", "x=1"), 0);
    assert_int_equal(set(*state, "http://a.example/", "y=2"), 0);
    assert_int_equal(set(*state, "http://a.example/", "x=3"), 0);
    assert_line(*state, "http://a.example/", "x=3; y=2");
    assert_int_equal(set(*state, "http://a.example/", "x=; Max-Age=0"), 0);
    assert_line(*state, "http://a.example/", "y=2");
    assert_int_equal(set(*state, "http://a.example/", "z=; Max-Age=0"), 0);
    assert_int_equal(((struct weir__cookie_jar *)*state)->count, 1);
}

static void they_expire(void **state)
{
    assert_int_equal(set(*state, "http://a.example/", "x=1; Max-Age=60"), 0);
    assert_int_equal(set(*state, "http://a.example/", "y=1; Expires=Sun, 06 Nov 1994 08:49:38 GMT"),
                     0);
    assert_line_at(*state, "http://a.example/", NOW, "x=1; y=1");
    assert_line_at(*state, "http://a.example/", NOW + 1, "x=1");
    assert_line_at(*state, "http://a.example/", NOW + 59, "x=1");
    assert_line_at(*state, "http://a.example/", NOW + 60, "");
    assert_int_equal(((struct weir__cookie_jar *)*state)->count, 0);
}

static void secure_ones_stay_away_from_plain_http(void **state)
{
    assert_int_equal(set(*state, "http://a.example/", "x=1; Secure"), WEIR_COOKIE_ESECURE);
    assert_int_equal(set(*state, "https://a.example/", "x=1; Secure; Path=/p"), 0);
    assert_line(*state, "http://a.example/p", "");
    assert_line(*state, "https://a.example/p", "x=1");
    assert_int_equal(set(*state, "http://a.example/p", "x=evil; Path=/p"), WEIR_COOKIE_ESECURE);
    assert_int_equal(set(*state, "http://a.example/p/q", "x=evil; Path=/p/q"), WEIR_COOKIE_ESECURE);
    assert_int_equal(set(*state, "http://b.a.example/p", "x=evil; Domain=a.example; Path=/p"),
                     WEIR_COOKIE_ESECURE);
    assert_int_equal(set(*state, "http://a.example/p", "x=2; Path=/other"), 0);
    assert_int_equal(set(*state, "https://a.example/p", "x=3; Path=/p"), 0);
    assert_line(*state, "http://a.example/p", "x=3");
}

static void prefixes_are_promises(void **state)
{
    static const struct {
        const char *url, *line;
        int err;
    } rows[] = {
        {"https://a.example/", "__Secure-x=1; Secure", 0},
        {"https://a.example/", "__Secure-x=1", WEIR_COOKIE_EPREFIX},
        {"http://a.example/", "__Secure-x=1; Secure", WEIR_COOKIE_EPREFIX},
        {"https://a.example/", "__Host-x=1; Secure; Path=/", 0},
        {"https://a.example/", "__host-x=1; Secure; Path=/; Domain=a.example", WEIR_COOKIE_EPREFIX},
        {"https://a.example/", "__Host-x=1; Secure", WEIR_COOKIE_EPREFIX},
        {"https://a.example/", "__Host-x=1; Secure; Path=/p", WEIR_COOKIE_EPREFIX},
        {"https://a.example/", "__Host-x=1; Path=/", WEIR_COOKIE_EPREFIX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(set(*state, rows[i].url, rows[i].line), rows[i].err);
    assert_line(*state, "https://a.example/", "__Secure-x=1; __Host-x=1");
}

static void there_is_an_end_to_them(void **state)
{
    struct weir__cookie_jar *jar = *state;
    char url[64], line[5000];
    for (int i = 0; i < 60; i++) {
        snprintf(line, sizeof line, "n%d=1", i);
        assert_int_equal(set(jar, "http://a.example/", line), 0);
    }
    assert_int_equal(jar->count, WEIR__COOKIES_OF_DOMAIN_MAX);
    for (int i = 0; i < 400; i++) {
        snprintf(url, sizeof url, "http://h%d.example/", i);
        assert_int_equal(set(jar, url, "x=1"), 0);
        assert_line(jar, "http://h0.example/", "x=1"); /* what is used stays */
    }
    assert_int_equal(jar->count, WEIR__COOKIES_MAX);
    memset(line, 'v', 4000);
    memcpy(line, "big=", 4);
    line[4000] = '\0';
    for (int i = 0; i < 100; i++) {
        snprintf(url, sizeof url, "http://big%d.example/", i);
        assert_int_equal(set(jar, url, line), 0);
        assert_true(jar->bytes <= WEIR__COOKIE_JAR_BYTES_MAX);
    }
}

static void a_line_has_an_end_too(void **state)
{
    char line[4100], name[16];
    memset(line, 'v', 4000);
    line[4000] = '\0';
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "n%d=", i);
        memcpy(line, name, 3);
        assert_int_equal(set(*state, "http://a.example/", line), 0);
    }
    assert_int_equal(set(*state, "http://a.example/", "small=1"), 0);
    struct weir__cookie_scope s = scope_of("http://a.example/");
    weir_buf b;
    weir_buf_init(&b, 1 << 16);
    weir__cookie_jar_line(*state, &s, NOW, &b);
    assert_true(b.len <= WEIR__COOKIE_LINE_MAX && b.len > 8000);
    assert_memory_equal(b.ptr + b.len - 9, "; small=1", 9);
    weir_buf_fini(&b);
}

static void without_memory_all_is_as_it_was(void **state)
{
    assert_int_equal(set(*state, "http://a.example/", "x=1"), 0);
    weir__alloc_fail_nth(1);
    assert_int_equal(set(*state, "http://a.example/", "x=2"), -ENOMEM);
    weir__alloc_fail_nth(0);
    assert_line(*state, "http://a.example/", "x=1");
}

static void each_error_has_its_text(void **state)
{
    (void)state;
    for (int err = WEIR_COOKIE_EDOMAIN; err < WEIR_COOKIE_ERROR_END; err++)
        assert_non_null(strstr(weir__cookie_error_text(err), "cookie"));
    assert_string_equal(weir__cookie_error_text(WEIR_EINVALID), weir_strerror(WEIR_EINVALID));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cookie_is_its_hosts),
        TEST(a_domain_has_its_hosts),
        TEST(domains_of_others_are_refused),
        TEST(paths_are_whole_segments),
        TEST(older_ones_go_first_and_a_new_value_is_no_new_cookie),
        TEST(they_expire),
        TEST(secure_ones_stay_away_from_plain_http),
        TEST(prefixes_are_promises),
        TEST(there_is_an_end_to_them),
        TEST(a_line_has_an_end_too),
        TEST(without_memory_all_is_as_it_was),
        TEST(each_error_has_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
