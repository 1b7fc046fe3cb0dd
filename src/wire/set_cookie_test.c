/* Set-Cookie, RFC 6265 sections 5.1.1 and 5.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/set_cookie.h"

#define NOW 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define NEVER (-2)

static const struct {
    const char *line, *name, *value, *domain, *path;
    int64_t age; /* from now on; NEVER: goes with the jar */
    bool is_secure, is_http_only;
} good[] = {
    {"a=b", "a", "b", NULL, NULL, NEVER, false, false},
    {" a = b ; ", "a", "b", NULL, NULL, NEVER, false, false},
    {"a=", "a", "", NULL, NULL, NEVER, false, false},
    {"a=b=c", "a", "b=c", NULL, NULL, NEVER, false, false},
    {"a=\"b c\"", "a", "\"b c\"", NULL, NULL, NEVER, false, false}, /* quotes belong to the value */
    {"a=b; Secure; HttpOnly", "a", "b", NULL, NULL, NEVER, true, true},
    {"a=b;SECURE=x;httponly", "a", "b", NULL, NULL, NEVER, true, true},
    {"a=b; Domain=.Example.COM; Path=/x", "a", "b", "Example.COM", "/x", NEVER, false, false},
    {"a=b; Domain=; Path=", "a", "b", NULL, NULL, NEVER, false, false},
    {"a=b; Path=x", "a", "b", NULL, NULL, NEVER, false, false},
    {"a=b; Path=/x; Path=/y", "a", "b", NULL, "/y", NEVER, false, false},
    {"a=b; Path=/x; Path=y", "a", "b", NULL, NULL, NEVER, false, false},
    {"a=b; Max-Age=60", "a", "b", NULL, NULL, 60, false, false},
    {"a=b; Max-Age=60; Expires=Sun, 06 Nov 1994 08:49:38 GMT", "a", "b", NULL, NULL, 60, false,
     false},
    {"a=b; Expires=Sun, 06 Nov 1994 08:49:38 GMT", "a", "b", NULL, NULL, 1, false, false},
    {"a=b; Expires=Sun, 06-Nov-1994 08:49:38 GMT", "a", "b", NULL, NULL, 1, false, false},
    {"a=b; expires=rubbish", "a", "b", NULL, NULL, NEVER, false, false},
    {"a=b; Max-Age=1x", "a", "b", NULL, NULL, NEVER, false, false},
    {"a=b; Max-Age=-", "a", "b", NULL, NULL, NEVER, false, false},
    {"a=b; Max-Age=+1", "a", "b", NULL, NULL, NEVER, false, false},
    {"a=b; Max-Age=99999999999999999999", "a", "b", NULL, NULL, WEIR__COOKIE_AGE_MAX, false, false},
    {"a=b; Expires=Fri, 31 Dec 9999 23:59:59 GMT", "a", "b", NULL, NULL, WEIR__COOKIE_AGE_MAX,
     false, false},
    {"a=b;;; ; =x; unknown=1", "a", "b", NULL, NULL, NEVER, false, false},
    {"a=\xc3\xbc", "a", "\xc3\xbc", NULL, NULL, NEVER, false, false},
};

static void fields_are_read_as_browsers_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct weir__set_cookie c;
        assert_int_equal(weir__set_cookie_parse(weir_str_from(good[i].line), NOW, &c), 0);
        bool is_right = weir_str_eq(c.name, weir_str_from(good[i].name)) &&
                        weir_str_eq(c.value, weir_str_from(good[i].value)) &&
                        weir_str_eq(c.domain, weir_str_from(good[i].domain)) &&
                        weir_str_eq(c.path, weir_str_from(good[i].path)) &&
                        c.has_expires == (good[i].age != NEVER) &&
                        (!c.has_expires || c.expires == NOW + good[i].age) &&
                        c.is_secure == good[i].is_secure && c.is_http_only == good[i].is_http_only;
        if (!is_right)
            fail_msg("%s", good[i].line);
    }
}

static void what_is_taken_back_is_over(void **state)
{
    (void)state;
    static const char *const rows[] = {"a=; Max-Age=0", "a=; Max-Age=-5",
                                       "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"};
    for (size_t i = 0; i < 3; i++) {
        struct weir__set_cookie c;
        assert_int_equal(weir__set_cookie_parse(weir_str_from(rows[i]), NOW, &c), 0);
        assert_true(c.has_expires && c.expires < NOW);
    }
}

static void what_is_no_cookie_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", ";", "a", "=b", " = b", "a\r\nb=c", "a=b\nc", "a=b; Path=/\x01", "a=b\x7f"};
    struct weir__set_cookie c;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(weir__set_cookie_parse(weir_str_from(bad[i]), NOW, &c), WEIR_EINVALID);
    assert_int_equal(weir__set_cookie_parse((weir_str){"a=b\0c", 5}, NOW, &c), WEIR_EINVALID);
    char large[WEIR__COOKIE_BYTES_MAX + 8] = "a=";
    memset(large + 2, 'x', WEIR__COOKIE_BYTES_MAX - 1);
    assert_int_equal(weir__set_cookie_parse(weir_str_from(large), NOW, &c), 0);
    large[WEIR__COOKIE_BYTES_MAX + 1] = 'x';
    assert_int_equal(weir__set_cookie_parse(weir_str_from(large), NOW, &c), WEIR_ETOOLARGE);
}

static void a_long_attribute_does_not_count(void **state)
{
    (void)state;
    char line[WEIR__COOKIE_ATTRIBUTE_MAX + 64] = "a=b; Path=/";
    struct weir__set_cookie c;
    size_t n = strlen(line);
    memset(line + n, 'x', WEIR__COOKIE_ATTRIBUTE_MAX - 1);
    assert_int_equal(weir__set_cookie_parse(weir_str_from(line), NOW, &c), 0);
    assert_int_equal(c.path.len, WEIR__COOKIE_ATTRIBUTE_MAX);
    line[n + WEIR__COOKIE_ATTRIBUTE_MAX - 1] = 'x';
    assert_int_equal(weir__set_cookie_parse(weir_str_from(line), NOW, &c), 0);
    assert_null(c.path.ptr);
}

static void dates_are_words_in_any_order(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* -1: none */
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", NOW},
        {"Sunday, 06-Nov-94 08:49:37 GMT", NOW},
        {"Sun Nov  6 08:49:37 1994", NOW},
        {"1994 6 nov 8:49:37", NOW},
        {"08:49:37 6 November 94", NOW},
        {"6,Nov,1994,08:49:37", NOW},
        {"Thu, 01 Jan 70 00:00:00 GMT", 0},
        {"01 Jan 69 00:00:00", 3124224000},
        {"Sun, 06 Nov 1994", -1},
        {"08:49:37 GMT", -1},
        {"32 Nov 1994 08:49:37", -1},
        {"30 Feb 1994 08:49:37", -1},
        {"06 Nov 1994 24:00:00", -1},
        {"06 Nov 1994 08:60:00", -1},
        {"06 Nov 1994 08:49:60", -1},
        {"06 Nov 1600 08:49:37", -1},
        {"06 Nov 19945 08:49:37", -1},
        {"", -1},
        {"06 Nov 1994 108:49:37", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t seconds = -1;
        weir_err err = weir__cookie_date_parse(weir_str_from(rows[i].text), &seconds);
        if ((err == 0) != (rows[i].seconds >= 0) || (err == 0 && seconds != rows[i].seconds))
            fail_msg("%s: %d, %ld", rows[i].text, err, (long)seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read_as_browsers_do),
        cmocka_unit_test(what_is_taken_back_is_over),
        cmocka_unit_test(what_is_no_cookie_is_refused),
        cmocka_unit_test(a_long_attribute_does_not_count),
        cmocka_unit_test(dates_are_words_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
