/* URLs: decoding after splitting, what is refused in paths, pairs, authorities, and encoding and
 * back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/url.h"

static bool is(weir_str s, const char *expected)
{
    return expected == NULL ? s.ptr == NULL
                            : s.ptr != NULL && weir_str_eq(s, weir_str_from(expected));
}

static void checks_paths(void **state)
{
    (void)state;
    const struct {
        const char *path;
        int err;
    } cases[] = {
        {"/", 0},
        {"//", 0},
        {"/a.b/..c/d../...", 0},
        {"/%2f%2F", 0},
        {"/%2e%2e%2e", 0},
        {"/%252e", 0},
        {"", WEIR_URL_EBYTE},
        {"a", WEIR_URL_EBYTE},
        {"/..", WEIR_URL_EDOTS},
        {"/.", WEIR_URL_EDOTS},
        {"/a/../", WEIR_URL_EDOTS},
        {"/a/./b", WEIR_URL_EDOTS},
        {"/%2e", WEIR_URL_EDOTS},
        {"/a/%2E./", WEIR_URL_EDOTS},
        {"/a/.%2e", WEIR_URL_EDOTS},
        {"/%00", WEIR_URL_ENUL},
        {"/a%", WEIR_URL_EPERCENT},
        {"/a%2", WEIR_URL_EPERCENT},
        {"/a%g0", WEIR_URL_EPERCENT},
        {"/a%0g", WEIR_URL_EPERCENT},
        {"/%%41", WEIR_URL_EPERCENT},
        {"/%+1", WEIR_URL_EPERCENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int err = weir__url_path_check(weir_str_from(cases[i].path));
        if (err != cases[i].err)
            fail_msg("%d for %s", err, cases[i].path);
    }
}

static void splits_before_it_decodes(void **state)
{
    (void)state;
    weir_str rest = WEIR_S("/a%2Fb//c%20d/"), segment;
    const char *raw[] = {"a%2Fb", "", "c%20d", ""}, *plain[] = {"a/b", "", "c d", ""};
    for (int i = 0; i < 4; i++) {
        char out[20];
        assert_true(weir__url_segment_next(&rest, &segment));
        assert_true(is(segment, raw[i]));
        int n = weir__url_decode(segment, out);
        assert_int_equal(n, strlen(plain[i]));
        assert_memory_equal(out, plain[i], (size_t)n);
    }
    assert_false(weir__url_segment_next(&rest, &segment));
    rest = WEIR_S("/");
    assert_true(weir__url_segment_next(&rest, &segment));
    assert_true(is(segment, ""));
    assert_false(weir__url_segment_next(&rest, &segment));
}

static void decodes(void **state)
{
    (void)state;
    char out[32] = "a%41+%2b%00%ff";
    assert_int_equal(weir__url_decode((weir_str){out, 14}, out), 6); /* in place */
    assert_memory_equal(out, "aA++\0\xff", 6);
    assert_int_equal(weir__url_decode_form(WEIR_S("a+b%2B+"), out), 5);
    assert_memory_equal(out, "a b+ ", 5);
    assert_int_equal(weir__url_decode(WEIR_S(""), out), 0);
    const char *bad[] = {"%", "%4", "a%", "%zz", "%4z", "%z4", "%%41", "% 4", "%-1", "%0x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(weir__url_decode(weir_str_from(bad[i]), out), WEIR_URL_EPERCENT);
        assert_int_equal(weir__url_decode_form(weir_str_from(bad[i]), out), WEIR_URL_EPERCENT);
    }
    assert_true(weir__url_is_plain(WEIR_S("a+b")) && !weir__url_is_plain(WEIR_S("a%20")));
    assert_true(weir__url_form_is_plain(WEIR_S("ab")) && !weir__url_form_is_plain(WEIR_S("a+b")));
    assert_true(weir__url_is_plain((weir_str){NULL, 0}));
}

/* Every pair of bytes after a '%': only hex digits decode, and to what they say. */
static void decodes_every_pair_of_digits(void **state)
{
    (void)state;
    for (int high = 0; high < 256; high++) {
        for (int low = 0; low < 256; low++) {
            const char text[3] = {(char)high, (char)low, '\0'};
            char in[3] = {'%', (char)high, (char)low}, out[3];
            bool good = high != 0 && low != 0 && strspn(text, "0123456789abcdefABCDEF") == 2;
            int n = weir__url_decode((weir_str){in, 3}, out);
            assert_int_equal(n, good ? 1 : WEIR_URL_EPERCENT);
            if (good)
                assert_int_equal((unsigned char)out[0], strtoul(text, NULL, 16));
        }
    }
}

static void iterates_pairs(void **state)
{
    (void)state;
    weir_str rest = WEIR_S("&a=1&&b&=c&d=&e==f=&"), name, value;
    const char *expected[][2] = {{"a", "1"}, {"b", NULL}, {"", "c"}, {"d", ""}, {"e", "=f="}};
    for (int i = 0; i < 5; i++) {
        assert_true(weir__url_pair_next(&rest, &name, &value));
        assert_true(is(name, expected[i][0]) && is(value, expected[i][1]));
    }
    assert_false(weir__url_pair_next(&rest, &name, &value));
    rest = (weir_str){NULL, 0};
    assert_false(weir__url_pair_next(&rest, &name, &value));
}

static bool finds(weir_str pairs, const char *name, weir_str *value)
{
    return weir__url_pair_find(&pairs, weir_str_from(name), value);
}

static void finds_pairs_by_decoded_name(void **state)
{
    (void)state;
    weir_str query = WEIR_S("pag=0&page=2&p%61ge=3&a+b=4&c%2Bd=5&e&%zz=6&%4=7"), value;
    assert_true(finds(query, "page", &value) && is(value, "2"));
    assert_true(finds(query, "a b", &value) && is(value, "4"));
    assert_true(finds(query, "c+d", &value) && is(value, "5"));
    assert_true(finds(query, "e", &value) && is(value, NULL));
    assert_true(finds(WEIR_S("p%61ge=3"), "page", &value) && is(value, "3"));
    assert_false(finds(query, "pages", &value));
    assert_false(finds(query, "pa", &value));
    assert_false(finds(query, "%zz", &value));
    assert_false(finds((weir_str){NULL, 0}, "a", &value));
    assert_true(weir__url_pair_find(&query, WEIR_S("page"), &value) && is(value, "2"));
    assert_true(weir__url_pair_find(&query, WEIR_S("page"), &value) && is(value, "3"));
    assert_false(weir__url_pair_find(&query, WEIR_S("page"), &value));
}

static void reads_authorities(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int rc;
        const char *host;
        int port;
    } cases[] = {
        {"", 0, "", -1},
        {"a", 0, "a", -1},
        {"a:", 0, "a", -1},
        {"a:80", 0, "a", 80},
        {"A.b-c:65535", 0, "A.b-c", 65535},
        {"[::1]", 0, "[::1]", -1},
        {"[2001:db8::1]:8080", 0, "[2001:db8::1]", 8080},
        {"a:65536", WEIR_URL_EPORT, NULL, 0},
        {"a:0", WEIR_URL_EPORT, NULL, 0},
        {"a:-1", WEIR_URL_EPORT, NULL, 0},
        {"a:8o", WEIR_URL_EPORT, NULL, 0},
        {"a:0000080", WEIR_URL_EPORT, NULL, 0},
        {"a:1:2", WEIR_URL_EPORT, NULL, 0},
        {"[::1]80", WEIR_URL_EPORT, NULL, 0},
        {"u@a", WEIR_URL_EUSERINFO, NULL, 0},
        {"a b", WEIR_URL_EHOST, NULL, 0},
        {"a,b;c=d%41", 0, "a,b;c=d%41", -1},
        {"a%4g", WEIR_URL_EHOST, NULL, 0},
        {"a%00", WEIR_URL_EHOST, NULL, 0},
        {"a/b", WEIR_URL_EHOST, NULL, 0},
        {"[::1", WEIR_URL_EHOST, NULL, 0},
        {"[]", WEIR_URL_EHOST, NULL, 0},
        {"[1.2.3.4]", WEIR_URL_EHOST, NULL, 0},
        {"[::1%1]", WEIR_URL_EHOST, NULL, 0},
        {"[1:2:3:4:5:6:7:8:9]", WEIR_URL_EHOST, NULL, 0},
        {"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]", WEIR_URL_EHOST, NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir__url_authority a;
        int rc = weir__url_authority_parse(weir_str_from(cases[i].text), &a);
        if (rc != cases[i].rc)
            fail_msg("%d (%s) for %s", rc, weir__url_error_text(rc), cases[i].text);
        if (rc == 0) {
            assert_true(is(a.host, cases[i].host));
            assert_int_equal(a.has_port ? a.port : -1, cases[i].port);
        }
    }
    struct weir__url_authority a;
    assert_int_equal(weir__url_authority_parse((weir_str){"[::\0001]", 6}, &a), WEIR_URL_EHOST);
}

static void reads_absolute_urls(void **state)
{
    (void)state;
    struct weir__url u;
    assert_int_equal(weir__url_absolute_parse(WEIR_S("Http://a.b:81/c/d?e=f?g"), &u), 0);
    assert_true(is(u.scheme, "Http") && is(u.authority, "a.b:81") && is(u.parts.host, "a.b"));
    assert_true(is(u.path, "/c/d") && is(u.query, "e=f?g") && !u.is_https && u.parts.port == 81);
    assert_int_equal(weir__url_absolute_parse(WEIR_S("https://a"), &u), 0);
    assert_true(u.is_https && is(u.path, "") && is(u.query, NULL) && !u.parts.has_port);
    assert_int_equal(weir__url_absolute_parse(WEIR_S("http://[::1]?"), &u), 0);
    assert_true(is(u.parts.host, "[::1]") && is(u.query, ""));
    assert_int_equal(weir__url_absolute_parse(WEIR_S("ws://a/"), &u), WEIR_URL_ESCHEME);
    assert_int_equal(weir__url_absolute_parse(WEIR_S("http:/a"), &u), WEIR_URL_ESCHEME);
    assert_int_equal(weir__url_absolute_parse(WEIR_S("http:///a"), &u), WEIR_URL_EHOST);
    assert_int_equal(weir__url_absolute_parse(WEIR_S("http://a/#b"), &u), WEIR_URL_EBYTE);
    assert_int_equal(weir__url_absolute_parse(WEIR_S("http://a/ b"), &u), WEIR_URL_EBYTE);
    assert_int_equal(weir__url_absolute_parse(WEIR_S("http://u@a/"), &u), WEIR_URL_EUSERINFO);
    assert_int_equal(weir__url_absolute_parse(WEIR_S("http://a\\b/"), &u), WEIR_URL_EHOST);
}

static void encodes_every_byte_and_back(void **state)
{
    (void)state;
    char all[256], encoded[768], back[768];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    size_t n = weir__url_encode((weir_str){all, 256}, encoded);
    assert_int_equal(n, 66 + (256 - 66) * 3);
    assert_int_equal(weir__url_decode((weir_str){encoded, n}, back), 256);
    assert_memory_equal(back, all, 256);
    n = weir__url_encode_form((weir_str){all, 256}, encoded);
    assert_int_equal(weir__url_decode_form((weir_str){encoded, n}, back), 256);
    assert_memory_equal(back, all, 256);
    n = weir__url_encode_path((weir_str){all, 256}, encoded);
    assert_int_equal(weir__url_decode((weir_str){encoded, n}, back), 256);
    assert_memory_equal(back, all, 256);
    n = weir__url_encode(WEIR_S("a b/~\xc3\xa9"), encoded);
    assert_true(weir_str_eq((weir_str){encoded, n}, WEIR_S("a%20b%2F~%C3%A9")));
    n = weir__url_encode_form(WEIR_S("a b+"), encoded);
    assert_true(weir_str_eq((weir_str){encoded, n}, WEIR_S("a+b%2B")));
    n = weir__url_encode_path(WEIR_S("/a b/c?d#e%:@!$&'()*+,;="), encoded);
    assert_true(weir_str_eq((weir_str){encoded, n}, WEIR_S("/a%20b/c%3Fd%23e%25:@!$&'()*+,;=")));
}

static void every_error_has_a_text(void **state)
{
    (void)state;
    for (int err = WEIR_URL_EPERCENT; err < WEIR_URL_ERROR_END; err++)
        assert_true(strcmp(weir__url_error_text(err), "malformed URL") != 0);
    assert_string_equal(weir__url_error_text(0), "malformed URL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_paths),
        cmocka_unit_test(splits_before_it_decodes),
        cmocka_unit_test(decodes),
        cmocka_unit_test(decodes_every_pair_of_digits),
        cmocka_unit_test(iterates_pairs),
        cmocka_unit_test(finds_pairs_by_decoded_name),
        cmocka_unit_test(reads_authorities),
        cmocka_unit_test(reads_absolute_urls),
        cmocka_unit_test(encodes_every_byte_and_back),
        cmocka_unit_test(every_error_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
