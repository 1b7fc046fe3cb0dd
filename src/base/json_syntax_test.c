/*
 * RFC 8259 and nothing else, besides the classes of json_classes_test.c: texts that are cut off at
 * every byte, every byte in every place, and what is no object. Each is read at the very end of its
 * memory, so that a sanitizer sees a byte read past it.
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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
        cmocka_unit_test(texts_that_end_too_early_are_refused),
        cmocka_unit_test(every_byte_in_every_place),
        cmocka_unit_test(nothing_but_an_object_is_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
