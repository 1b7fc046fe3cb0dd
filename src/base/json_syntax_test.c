/*
 * RFC 8259 and nothing else. Each text is decoded twice: as the value of a key that no model has,
 * so that it is skipped, and, for numbers and strings, into a member. A text that must be accepted
 * is also cut off at every byte, which must be refused, and read at the very end of its memory, so
 * that a sanitizer sees a byte read past it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json_decode.h"

typedef struct {
    double n;
    weir_str s;
    bool b;
    WEIR_ARRAY(weir_str) list;
} value;
WEIR_MODEL(value, (n), (s), (b), (list, .array_of = weir_model_of(weir_str)));

static struct weir__arena arena;
static weir_json_errors errors;
static value out;

/* Decodes a copy that ends where its memory ends. */
static weir_err decode(weir_str text)
{
    char *copy = malloc(text.len != 0 ? text.len : 1);
    assert_non_null(copy);
    memcpy(copy, text.ptr, text.len);
    weir__arena_fini(&arena); /* the messages of the last text lived up to here */
    weir__arena_init(&arena, NULL, 0, 1 << 20);
    weir_err err = weir__json_decode(&arena, (weir_str){copy, text.len}, weir_model_of(value), &out,
                                     NULL, &errors);
    assert_true((err < 0) == (errors.count > 0));
    free(copy);
    return err;
}

static weir_err decode_as(const char *key, weir_str text)
{
    char whole[2048];
    int n = snprintf(whole, sizeof whole, "{\"%s\":", key);
    memcpy(whole + n, text.ptr, text.len);
    whole[(size_t)n + text.len] = '}';
    return decode((weir_str){whole, (size_t)n + text.len + 1});
}

static const weir_str accepted_values[] = {
    WEIR_S("[]"),
    WEIR_S("[ ]"),
    WEIR_S("[[]   ]"),
    WEIR_S("[\"\"]"),
    WEIR_S("[\"a\"]"),
    WEIR_S("[false]"),
    WEIR_S("[null, 1, \"1\", {}]"),
    WEIR_S("[null]"),
    WEIR_S("[1\n]"),
    WEIR_S(" [1]"),
    WEIR_S("[1,null,null,null,2]"),
    WEIR_S("[2] "),
    WEIR_S("[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"),
    WEIR_S("[{\"a\":[{\"b\":[]}]},{}]"),
    WEIR_S("{}"),
    WEIR_S("{ }"),
    WEIR_S("{\"\":0}"),
    WEIR_S("{\"a\":[]}"),
    WEIR_S("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}"),
    WEIR_S("{\"foo\\u0000bar\": 42}"),
    WEIR_S("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }"),
    WEIR_S("{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], \"id\": \"x\"}"),
    WEIR_S("{\n\"a\": \"b\"\n}"),
    WEIR_S("{\"title\":\"\\u041f\\u043e\\u043b\\u0442\\u043e\\u0440\\u0430\" }"),
    WEIR_S("\t{\r\n\"a\"\t:\r\n1 ,\"b\" : [ 1 , 2 ] } "),
    WEIR_S("true"),
    WEIR_S("false"),
    WEIR_S("null"),
    WEIR_S("[true,false,null]"),
};

static const weir_str accepted_numbers[] = {
    WEIR_S("0"),
    WEIR_S("-0"),
    WEIR_S("4"),
    WEIR_S(" 4"),
    WEIR_S("-1"),
    WEIR_S("123"),
    WEIR_S("-123"),
    WEIR_S("123e65"),
    WEIR_S("0e+1"),
    WEIR_S("0e1"),
    WEIR_S("20e1"),
    WEIR_S("1E22"),
    WEIR_S("1E-2"),
    WEIR_S("1E+2"),
    WEIR_S("123e45"),
    WEIR_S("1e-2"),
    WEIR_S("1e+2"),
    WEIR_S("123.456e78"),
    WEIR_S("123.456"),
    WEIR_S("0.5"),
    WEIR_S("-0.0"),
    WEIR_S("0.0e0"),
    WEIR_S("1.0e00"),
    WEIR_S("123.456789"),
    WEIR_S("1e-400"),
    WEIR_S("100000000"),
    WEIR_S("-0.00000000000000000000000000000000000000000000000000000000000000000000000000001"),
    WEIR_S("123123123123123123123123123123"),
};

static const weir_str accepted_strings[] = {
    WEIR_S("\"\""),
    WEIR_S("\"asd\""),
    WEIR_S("\" \""),
    WEIR_S("\"\\\"\""),
    WEIR_S("\"\\\\\""),
    WEIR_S("\"\\/\""),
    WEIR_S("\"\\b\\f\\n\\r\\t\""),
    WEIR_S("\"\\u0060\\u012a\\u12AB\""),
    WEIR_S("\"\\uD801\\udc37\""),
    WEIR_S("\"\\ud83d\\ude39\\ud83d\\udc8d\""),
    WEIR_S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    WEIR_S("\"\\\\u0000\""),
    WEIR_S("\"\\u0000\""),
    WEIR_S("\"a/*b*/c/*d//e\""),
    WEIR_S("\"\\\\a\""),
    WEIR_S("\"\\\\n\""),
    WEIR_S("\"\\u0012\""),
    WEIR_S("\"\\uFFFF\""),
    WEIR_S("\"\\uDBFF\\uDFFF\""),
    WEIR_S("\"new\\u00A0line\""),
    WEIR_S("\"\xf4\x8f\xbf\xbf\""),
    WEIR_S("\"\xef\xbf\xbf\""),
    WEIR_S("\"\xf0\x9b\xbf\xbf\""),
    WEIR_S("\"\\u002c\""),
    WEIR_S("\"\xcf\x80\""),
    WEIR_S("\"\xe2\x82\xac\xf0\x9d\x84\x9e\""),
    WEIR_S("\"\x7f\""),
    WEIR_S("\"\xe2\x80\xa8 \xe2\x80\xa9\""),
    WEIR_S("\"\\u0061\\u30af\\u30EA\\u30b9\""),
    WEIR_S("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\naaaaaaaaaaaaaaaaaaaaaaaaaaaa\""),
    WEIR_S("\"\xe3\x81\x82\xe3\x81\x82\xe3\x81\x82\xe3\x81\x82\xe3\x81\x82 long and mixed text\""),
};

static const weir_str refused_values[] = {
    WEIR_S(""),
    WEIR_S(" "),
    WEIR_S("[1 true]"),
    WEIR_S("[a\xe5]"),
    WEIR_S("[\"\": 1]"),
    WEIR_S("[\"\"],"),
    WEIR_S("[,1]"),
    WEIR_S("[1,,2]"),
    WEIR_S("[\"x\",,]"),
    WEIR_S("[\"x\"]]"),
    WEIR_S("[\"\",]"),
    WEIR_S("[\"x\""),
    WEIR_S("[x"),
    WEIR_S("[3[4]]"),
    WEIR_S("[\xff]"),
    WEIR_S("[1:2]"),
    WEIR_S("[,]"),
    WEIR_S("[-]"),
    WEIR_S("[   , \"\"]"),
    WEIR_S("[\"a\",\n4\n,1,"),
    WEIR_S("[1,]"),
    WEIR_S("[\"\va\"\\f]"),
    WEIR_S("[*]"),
    WEIR_S("[1,\n1\n,1"),
    WEIR_S("[{}"),
    WEIR_S("[fals]"),
    WEIR_S("[nul]"),
    WEIR_S("[tru]"),
    WEIR_S("[True]"),
    WEIR_S("[nulll]"),
    WEIR_S("[1\0]"),
    WEIR_S("{\"x\", null}"),
    WEIR_S("{\"x\"::\"b\"}"),
    WEIR_S("{\"a\":\"a\" 123}"),
    WEIR_S("{key: 'value'}"),
    WEIR_S("{\"\xb9\":\"0\",}"),
    WEIR_S("{\"a\" b}"),
    WEIR_S("{:\"b\"}"),
    WEIR_S("{\"a\" \"b\"}"),
    WEIR_S("{\"a\":"),
    WEIR_S("{\"a\""),
    WEIR_S("{1:1}"),
    WEIR_S("{9999E9999:1}"),
    WEIR_S("{null:null,null:null}"),
    WEIR_S("{\"id\":0,,,,,}"),
    WEIR_S("{'a':0}"),
    WEIR_S("{\"id\":0,}"),
    WEIR_S("{\"a\":\"b\"}/**/"),
    WEIR_S("{\"a\":\"b\"}/"),
    WEIR_S("{\"a\":\"b\"}#"),
    WEIR_S("{\"a\":\"b\",,\"c\":\"d\"}"),
    WEIR_S("{a: \"b\"}"),
    WEIR_S("{\"a\":\"a"),
    WEIR_S("{ \"foo\" : \"bar\", \"a\" }"),
    WEIR_S("{\"a\":true} x"),
    WEIR_S("{\"asd\":\"asd\""),
    WEIR_S("{,\"a\":1}"),
    WEIR_S("{\"a\":1 \"b\":2}"),
    WEIR_S("{\"a\"}"),
    WEIR_S("{}}"),
    WEIR_S("{]"),
    WEIR_S("[}"),
    WEIR_S("[1}"),
    WEIR_S("{\"a\":1]"),
    WEIR_S("<.>"),
    WEIR_S("[<null>]"),
    WEIR_S("[1]x"),
    WEIR_S("1]"),
    WEIR_S("[][]"),
    WEIR_S("]"),
    WEIR_S("\xef\xbb\xbf{}"),
    WEIR_S("\xef\xbb\xbf"),
    WEIR_S("\xe5"),
    WEIR_S("[\xe2\x81\xa0]"),
    WEIR_S("[\f]"),
    WEIR_S("[\v1]"),
    WEIR_S("\xc2\xa0{}"),
    WEIR_S("{\"a\":/*comment*/\"b\"}"),
    WEIR_S("{\"a\":\"b\"}//"),
    WEIR_S("*"),
    WEIR_S("[\"a\""),
    WEIR_S("abc"),
    WEIR_S("[True,False]"),
    WEIR_S("nan"),
    WEIR_S("\0"),
};

static const weir_str refused_numbers[] = {
    WEIR_S("++1234"),    WEIR_S("+1"),          WEIR_S("+Inf"),
    WEIR_S("-01"),       WEIR_S("-1.0."),       WEIR_S("-2."),
    WEIR_S("-NaN"),      WEIR_S(".-1"),         WEIR_S(".2e-3"),
    WEIR_S("0.1.2"),     WEIR_S("0.3e+"),       WEIR_S("0.3e"),
    WEIR_S("0.e1"),      WEIR_S("0E+"),         WEIR_S("0E"),
    WEIR_S("1.0e+"),     WEIR_S("1.0e-"),       WEIR_S("1.0e"),
    WEIR_S("1 000.0"),   WEIR_S("1eE2"),        WEIR_S("2.e+3"),
    WEIR_S("2.e-3"),     WEIR_S("2.e3"),        WEIR_S("9.e+"),
    WEIR_S("Inf"),       WEIR_S("NaN"),         WEIR_S("1+2"),
    WEIR_S("0x1"),       WEIR_S("0x42"),        WEIR_S("Infinity"),
    WEIR_S("0e+-1"),     WEIR_S("-123.123foo"), WEIR_S("-"),
    WEIR_S("-Infinity"), WEIR_S("-foo"),        WEIR_S("- 1"),
    WEIR_S("-012"),      WEIR_S("-.123"),       WEIR_S("-1x"),
    WEIR_S("1ea"),       WEIR_S("1e1\xe5"),     WEIR_S("1."),
    WEIR_S(".123"),      WEIR_S("1.2a-3"),      WEIR_S("1.8011670033376514H-308"),
    WEIR_S("012"),       WEIR_S("00"),          WEIR_S("\xef\xbc\x91"),
    WEIR_S("1_000"),     WEIR_S("0b1"),         WEIR_S("1,5"),
    WEIR_S("1e1.5"),     WEIR_S("--1"),         WEIR_S("1-"),
};

static const weir_str refused_strings[] = {
    WEIR_S("\"\\uD800\\\""),
    WEIR_S("\"\\uD800\\u\""),
    WEIR_S("\"\\uD800\\u1\""),
    WEIR_S("\"\\uD800\\u1x\""),
    WEIR_S("\"\\uD800\""),
    WEIR_S("\"\\uD800abc\""),
    WEIR_S("\"\\uDC00\""),
    WEIR_S("\"\\uDFAA\""),
    WEIR_S("\"\\uDd1e\\uD834\""),
    WEIR_S("\"\\uD800\\uD800\\n\""),
    WEIR_S("\"\\uD888\\u1234\""),
    WEIR_S("\"\\ud800\\n\""),
    WEIR_S("\"\\x00\""),
    WEIR_S("\"\\\\\\\""),
    WEIR_S("\"\\\t\""),
    WEIR_S("\"\\a\""),
    WEIR_S("\"\\\xf0\x9f\x8c\x80\""),
    WEIR_S("\"\\\""),
    WEIR_S("\"\\u00A\""),
    WEIR_S("\"\\uqqqq\""),
    WEIR_S("\"\\u\""),
    WEIR_S("\"\\u 123\""),
    WEIR_S("\"\\U0041\""),
    WEIR_S("\"\\'\""),
    WEIR_S("\"\\v\""),
    WEIR_S("\"\\0\""),
    WEIR_S("\"a\0a\""),
    WEIR_S("\"new\nline\""),
    WEIR_S("\"\t\""),
    WEIR_S("\"\x1f\""),
    WEIR_S("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x01 aaaaaaaaaaaaaaaaaaaaaaaaaaa\""),
    WEIR_S("'single quote'"),
    WEIR_S("abc"),
    WEIR_S("\""),
    WEIR_S("\"\\"),
    WEIR_S("\"abc"),
    WEIR_S("\"\"x"),
    WEIR_S("\\u0020\"asd\""),
    WEIR_S("\"\xed\xa0\x80\""),
    WEIR_S("\"\xe0\xff\""),
    WEIR_S("\"\xff\""),
    WEIR_S("\"\xc0\xaf\""),
    WEIR_S("\"\xe0\x80\xaf\""),
    WEIR_S("\"\xf8\x88\x80\x80\x80\""),
    WEIR_S("\"\xf4\x90\x80\x80\""),
    WEIR_S("\"\x80\""),
    WEIR_S("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xe9\""),
    WEIR_S("\"\xe6\x97\xa5\xd1\x88\xfa\""),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void accept_everywhere(const weir_str *texts, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        weir_err err = decode_as(key, texts[i]);
        if (err < 0)
            print_error("%s: " WEIR_STR_FMT "\n", texts[i].ptr,
                        WEIR_STR_ARG(errors.items[0].message));
        assert_int_equal(err, WEIR_OK);
    }
}

static void refuse_everywhere(const weir_str *texts, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        weir_err err = decode_as(key, texts[i]);
        if (err != WEIR_EINVALID)
            print_error("accepted for %s: %s\n", key, texts[i].ptr);
        assert_int_equal(err, WEIR_EINVALID);
        assert_int_equal(errors.count, 1);
        assert_true(weir_str_starts(errors.items[0].message, WEIR_S("is not JSON: ")));
        assert_int_equal(errors.items[0].pointer.len, 0);
    }
}

static void what_json_allows_is_accepted(void **state)
{
    (void)state;
    accept_everywhere(accepted_values, COUNT(accepted_values), "unknown");
    accept_everywhere(accepted_numbers, COUNT(accepted_numbers), "unknown");
    accept_everywhere(accepted_numbers, COUNT(accepted_numbers), "n");
    accept_everywhere(accepted_strings, COUNT(accepted_strings), "unknown");
    accept_everywhere(accepted_strings, COUNT(accepted_strings), "s");
}

static void what_json_does_not_allow_is_refused(void **state)
{
    (void)state;
    refuse_everywhere(refused_values, COUNT(refused_values), "unknown");
    refuse_everywhere(refused_numbers, COUNT(refused_numbers), "unknown");
    refuse_everywhere(refused_numbers, COUNT(refused_numbers), "n");
    refuse_everywhere(refused_strings, COUNT(refused_strings), "unknown");
    refuse_everywhere(refused_strings, COUNT(refused_strings), "s");
}

static void refuse_cut(weir_str text)
{
    for (size_t n = 0; n < text.len; n++)
        assert_int_equal(decode((weir_str){text.ptr, n}), WEIR_EINVALID);
    assert_int_equal(decode(text), WEIR_OK);
}

static void texts_that_end_too_early_are_refused(void **state)
{
    (void)state;
    refuse_cut(
        WEIR_S("{\"n\":-1.5e+3,\"s\":\"a\\u00e9\\ud83d\\ude39\xc3\xa9\",\"b\":true,"
               "\"list\":[\"a\",\"b\"],\"unknown\":[{\"a\":null,\"b\":[1,2.5e3,\"\\n\"]}]}"));
    refuse_cut(WEIR_S("{ \"list\" : [ \"x\" , \"y\" ] , \"b\" : false , \"u\" : { } }"));
}

static void every_byte_in_every_place(void **state)
{
    (void)state;
    const weir_str base = WEIR_S("{\"n\":1,\"s\":\"ab\",\"u\":[1]}");
    char text[64];
    size_t accepted = 0;
    for (size_t i = 0; i < base.len; i++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, base.ptr, base.len);
            text[i] = (char)byte;
            accepted += decode((weir_str){text, base.len}) == WEIR_OK;
        }
    }
    /* As Python's parser has it, less what has a key twice or breaks a rule of the model. */
    assert_int_equal(accepted, 503);
}

static void nothing_but_an_object_is_an_object(void **state)
{
    (void)state;
    static const struct {
        weir_str text, message;
    } cases[] = {
        {WEIR_S("[]"), WEIR_S("must be an object, is an array")},
        {WEIR_S(" 12 "), WEIR_S("must be an object, is a number")},
        {WEIR_S("\"a\""), WEIR_S("must be an object, is a string")},
        {WEIR_S("null"), WEIR_S("must be an object, is null")},
        {WEIR_S("true"), WEIR_S("must be an object, is a boolean")},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        weir__arena_fini(&arena);
        weir__arena_init(&arena, NULL, 0, 1 << 20);
        assert_int_equal(
            weir__json_decode(&arena, cases[i].text, weir_model_of(value), &out, NULL, &errors),
            WEIR_EINVALID);
        assert_true(weir_str_eq(errors.items[0].message, cases[i].message));
    }
    assert_int_equal(decode(WEIR_S(" \r\n\t{ } \n")), WEIR_OK);
    weir__arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_json_allows_is_accepted),
        cmocka_unit_test(what_json_does_not_allow_is_refused),
        cmocka_unit_test(texts_that_end_too_early_are_refused),
        cmocka_unit_test(every_byte_in_every_place),
        cmocka_unit_test(nothing_but_an_object_is_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
