/* The readers of header values, each with what it takes and what it leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/http_field.h"

static bool is(weir_str s, const char *expected)
{
    return weir_str_eq(s, weir_str_from(expected));
}

/* All elements of a list, joined by '|'. */
static const char *elements(const char *list)
{
    static char all[200];
    weir_str rest = weir_str_from(list), element;
    size_t n = 0;
    while (weir__http_list_next(&rest, &element))
        n += (size_t)snprintf(all + n, sizeof all - n, WEIR_STR_FMT "|", WEIR_STR_ARG(element));
    all[n] = '\0';
    return all;
}

static void iterates_lists(void **state)
{
    (void)state;
    assert_string_equal(elements(""), "");
    assert_string_equal(elements("a"), "a|");
    assert_string_equal(elements(" a ,\tb\t, c d "), "a|b|c d|");
    assert_string_equal(elements(",,a,, ,b,"), "a|b|");
    assert_string_equal(elements("\"a,b\", c"), "\"a,b\"|c|");
    assert_string_equal(elements("x=\"a\\\",b\", c"), "x=\"a\\\",b\"|c|");
    assert_string_equal(elements("\"a,b"), "\"a,b|");
    assert_string_equal(elements("\"a\\"), "\"a\\|");
    assert_true(weir__http_list_has(weir_str_from("gzip, Chunked"), weir_str_from("chunked")));
    assert_false(weir__http_list_has(weir_str_from("gzip, xchunked"), weir_str_from("chunked")));
    assert_false(weir__http_list_has((weir_str){NULL, 0}, weir_str_from("chunked")));
}

static void iterates_params(void **state)
{
    (void)state;
    weir_str rest = weir_str_from("; a=b ;c=\"d ; \\\" e\";f=;; g=h"), name, value;
    const char *expected[][2] = {{"a", "b"}, {"c", "\"d ; \\\" e\""}, {"f", ""}, {"g", "h"}};
    for (int i = 0; i < 4; i++) {
        assert_true(weir__http_param_next(&rest, &name, &value));
        assert_true(is(name, expected[i][0]) && is(value, expected[i][1]));
    }
    assert_false(weir__http_param_next(&rest, &name, &value));
    assert_int_equal(rest.len, 0);
    const char *bad[] = {";a", ";=b", ";a =b", ";a=b,c", ";(=b", ";a=\"b\"c"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rest = weir_str_from(bad[i]);
        assert_false(weir__http_param_next(&rest, &name, &value));
        assert_true(rest.len > 0);
    }
}

static void unquotes(void **state)
{
    (void)state;
    char out[40];
    assert_int_equal(weir__http_unquote(weir_str_from("token"), out), 5);
    assert_memory_equal(out, "token", 5);
    assert_int_equal(weir__http_unquote(weir_str_from("\"a \\\"b\\\\ c\""), out), 7);
    assert_memory_equal(out, "a \"b\\ c", 7);
    assert_int_equal(weir__http_unquote(weir_str_from("\"\""), out), 0);
    assert_int_equal(weir__http_unquote(weir_str_from(""), out), 0);
    const char *bad[] = {"\"", "\"a", "\"a\\\"", "\"a\"b", "a b", "a\"b\"", "\"a\\"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(weir__http_unquote(weir_str_from(bad[i]), out), WEIR_EINVALID);
}

static void reads_media_types(void **state)
{
    (void)state;
    struct weir__media_type m;
    assert_int_equal(weir__media_type_parse(weir_str_from("application/JSON"), &m), 0);
    assert_true(weir__media_type_is(&m, weir_str_from("Application"), weir_str_from("json")));
    assert_null(m.charset.ptr);
    assert_int_equal(
        weir__media_type_parse(weir_str_from(" text/html ; x=y; Charset=\"UTF-8\" "), &m), 0);
    assert_true(weir__media_type_is(&m, weir_str_from("text"), weir_str_from("html")) &&
                is(m.charset, "UTF-8"));
    assert_int_equal(weir__media_type_parse(weir_str_from("multipart/form-data;boundary=abc"), &m),
                     0);
    weir_str name, value;
    assert_true(weir__http_param_next(&m.params, &name, &value));
    assert_true(is(name, "boundary") && is(value, "abc"));
    assert_int_equal(weir__media_type_parse(weir_str_from("application/vnd.api+json"), &m), 0);
    assert_false(weir__media_type_is(&m, weir_str_from("application"), weir_str_from("json")));
    const char *bad[] = {"", "a", "/", "a/", "/b", "a/b c", "a /b", "a/b;c", "a/b,c/d", "a/b/c"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(weir__media_type_parse(weir_str_from(bad[i]), &m), WEIR_EINVALID);
    assert_int_equal(weir__media_type_parse((weir_str){NULL, 0}, &m), WEIR_EINVALID);
}

static void weighs_what_is_accepted(void **state)
{
    (void)state;
    const struct {
        const char *list, *token;
        int q;
    } cases[] = {
        {"gzip", "gzip", 1000},
        {"gzip;q=0.5, br", "gzip", 500},
        {"gzip ; q=0.123", "gzip", 123},
        {"gzip;q=0", "gzip", 0},
        {"gzip;Q=1.000", "GZIP", 1000},
        {"br", "gzip", -1},
        {"", "gzip", -1},
        {"br, *;q=0.1", "gzip", 100},
        {"gzip;q=0, *", "gzip", 0},
        {"gzip;q=2", "gzip", 0},
        {"gzip;q=1.5", "gzip", 0},
        {"gzip;q=0.1234", "gzip", 0},
        {"gzip;q=.5", "gzip", 0},
        {"gzip;q=", "gzip", 0},
        {"gzip;q=a", "gzip", 0},
        {"gzip;q=0.a", "gzip", 0},
        {"gzip;x=1;q=0.7", "gzip", 700},
        {"text/*;q=0.3, text/html;q=0.7, */*;q=0.5", "text/html", 700},
        {"text/*;q=0.3, text/html;q=0.7, */*;q=0.5", "text/plain", 300},
        {"text/*;q=0.3, text/html;q=0.7, */*;q=0.5", "image/png", 500},
        {"text/html", "application/json", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int q = weir__http_accept_q(weir_str_from(cases[i].list), weir_str_from(cases[i].token));
        if (q != cases[i].q)
            fail_msg("%d for %s in %s", q, cases[i].token, cases[i].list);
    }
    assert_int_equal(weir__http_accept_q((weir_str){NULL, 0}, weir_str_from("gzip")), 1000);
}

/* RFC 9110 section 8.8.3.2, the table of examples */
static void compares_entity_tags(void **state)
{
    (void)state;
    const struct {
        const char *a, *b;
        bool strong, weak;
    } cases[] = {
        {"W/\"1\"", "W/\"1\"", false, true},
        {"W/\"1\"", "W/\"2\"", false, false},
        {"W/\"1\"", "\"1\"", false, true},
        {"\"1\"", "\"1\"", true, true},
        {"1", "1", false, false},
        {"\"", "\"", false, false},
        {"w/\"1\"", "\"1\"", false, false},
        {"", "", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(weir__etag_eq_strong(weir_str_from(cases[i].a), weir_str_from(cases[i].b)),
                         cases[i].strong);
        assert_int_equal(weir__etag_eq_weak(weir_str_from(cases[i].a), weir_str_from(cases[i].b)),
                         cases[i].weak);
    }
    assert_true(weir__etag_list_has(weir_str_from("\"a\", W/\"b,c\" ,\"d\\\""),
                                    weir_str_from("\"b,c\""), false));
    assert_false(
        weir__etag_list_has(weir_str_from("\"a\", W/\"b,c\""), weir_str_from("\"b,c\""), true));
    assert_true(weir__etag_list_has(weir_str_from("\"d\\\", \"a\""), weir_str_from("\"a\""), true));
    assert_true(weir__etag_list_has(weir_str_from("*"), weir_str_from("\"a\""), true));
    assert_false(weir__etag_list_has(weir_str_from("*"), (weir_str){NULL, 0}, true));
    assert_false(weir__etag_list_has(weir_str_from("a, \"b\""), weir_str_from("\"b\""), false));
    assert_false(weir__etag_list_has(weir_str_from("\"b"), weir_str_from("\"b\""), false));
    assert_false(weir__etag_list_has((weir_str){NULL, 0}, weir_str_from("\"b\""), false));
}

/* RFC 9110 section 14.1.2 */
static void reads_ranges(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint64_t size;
        enum weir__range_result result;
        uint64_t first, last;
    } cases[] = {
        {"bytes=0-499", 10000, WEIR_RANGE_ONE, 0, 499},
        {"bytes=500-999", 10000, WEIR_RANGE_ONE, 500, 999},
        {"bytes=9500-", 10000, WEIR_RANGE_ONE, 9500, 9999},
        {"bytes=-500", 10000, WEIR_RANGE_ONE, 9500, 9999},
        {"bytes=-20000", 10000, WEIR_RANGE_ONE, 0, 9999},
        {"Bytes=0-0", 1, WEIR_RANGE_ONE, 0, 0},
        {"bytes=0-20000", 10000, WEIR_RANGE_ONE, 0, 9999},
        {"bytes=5-99999999999999999999999999", 10, WEIR_RANGE_ONE, 5, 9},
        {"bytes=10000-", 10000, WEIR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999999999-", 10, WEIR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-", 0, WEIR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 10, WEIR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-1", 0, WEIR_RANGE_NONE, 0, 0},
        {"bytes=-0", 0, WEIR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=5-4", 10, WEIR_RANGE_NONE, 0, 0},
        {"bytes=0-1,3-4", 10, WEIR_RANGE_NONE, 0, 0},
        {"bytes=-", 10, WEIR_RANGE_NONE, 0, 0},
        {"bytes=", 10, WEIR_RANGE_NONE, 0, 0},
        {"bytes=1", 10, WEIR_RANGE_NONE, 0, 0},
        {"bytes=a-b", 10, WEIR_RANGE_NONE, 0, 0},
        {"bytes= 1-2", 10, WEIR_RANGE_NONE, 0, 0},
        {"lines=1-2", 10, WEIR_RANGE_NONE, 0, 0},
        {"", 10, WEIR_RANGE_NONE, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t first = 0, last = 0;
        int result =
            (int)weir__range_parse(weir_str_from(cases[i].text), cases[i].size, &first, &last);
        if (result != (int)cases[i].result || first != cases[i].first || last != cases[i].last)
            fail_msg("%d %lu-%lu for %s", result, (unsigned long)first, (unsigned long)last,
                     cases[i].text);
    }
}

static void iterates_cookies(void **state)
{
    (void)state;
    weir_str rest =
        weir_str_from("a=1; b=\"two\";c=x=y ; bad name=1; =2; nothing; d=; e=a\"b; f={1, 2}");
    const char *expected[][2] = {
        {"a", "1"}, {"b", "two"}, {"c", "x=y"}, {"d", ""}, {"f", "{1, 2}"}};
    weir_str name, value;
    for (int i = 0; i < 5; i++) {
        assert_true(weir__cookie_next(&rest, &name, &value));
        assert_true(is(name, expected[i][0]) && is(value, expected[i][1]));
    }
    assert_false(weir__cookie_next(&rest, &name, &value));
    rest = (weir_str){NULL, 0};
    assert_false(weir__cookie_next(&rest, &name, &value));
}

/* No reader looks past the end of what it is given: every prefix, in memory of its size. */
static void keeps_within_its_bytes(void **state)
{
    (void)state;
    const char *text = "bytes=1-2, W/\"a\\\"\", text/html; charset=\"x\"; q=0.5, a=b; c=\"d\"";
    for (size_t from = 0; from < strlen(text); from++) {
        for (size_t n = 0; from + n <= strlen(text); n++) {
            char *copy = malloc(n > 0 ? n : 1);
            assert_non_null(copy);
            memcpy(copy, text + from, n);
            weir_str s = {copy, n}, rest = s, name, value;
            struct weir__media_type m;
            uint64_t first, last;
            char out[100];
            size_t count = 0;
            while (weir__http_list_next(&rest, &name))
                assert_true(++count <= n);
            for (rest = s, count = 0; weir__http_param_next(&rest, &name, &value);)
                assert_true(++count <= n);
            for (rest = s, count = 0; weir__cookie_next(&rest, &name, &value);)
                assert_true(++count <= n);
            assert_true(weir__http_unquote(s, out) <= (int)n);
            (void)weir__media_type_parse(s, &m);
            (void)weir__http_accept_q(s, weir_str_from("text/html"));
            (void)weir__etag_list_has(s, weir_str_from("\"a\\\""), false);
            (void)weir__range_parse(s, 10, &first, &last);
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iterates_lists),
        cmocka_unit_test(iterates_params),
        cmocka_unit_test(unquotes),
        cmocka_unit_test(reads_media_types),
        cmocka_unit_test(weighs_what_is_accepted),
        cmocka_unit_test(compares_entity_tags),
        cmocka_unit_test(reads_ranges),
        cmocka_unit_test(iterates_cookies),
        cmocka_unit_test(keeps_within_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
