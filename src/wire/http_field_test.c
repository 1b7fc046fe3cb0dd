/* The byte classes against their grammars, every byte of them, and the table of known names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/http_field.h"

#define ALNUM "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static void classes_are_the_grammars(void **state)
{
    (void)state;
    const struct {
        unsigned cls;
        const char *bytes;
    } classes[] = {
        {WEIR_BYTE_TOKEN, ALNUM "!#$%&'*+-.^_`|~"},   /* RFC 9110 section 5.6.2 */
        {WEIR_BYTE_PLAIN, ALNUM "-._~"},              /* RFC 3986 section 2.3 */
        {WEIR_BYTE_PATH, ALNUM "-._~!$&'()*+,;=:@/"}, /* RFC 3986 section 3.3 */
        {WEIR_BYTE_DIGIT, "0123456789"},
        {WEIR_BYTE_HEX, "0123456789abcdefABCDEF"},
        {WEIR_BYTE_TARGET, ALNUM "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~"},
        {WEIR_BYTE_COOKIE, ALNUM " !#$%&'()*+,-./:<=>?@[]^_`{|}~"},
    };
    for (int byte = 0; byte < 256; byte++) {
        for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
            bool expected = byte != 0 && strchr(classes[i].bytes, byte) != NULL;
            if (weir__http_byte_is((char)byte, classes[i].cls) != expected)
                fail_msg("byte %d, class %u", byte, classes[i].cls);
        }
        bool is_value = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        assert_int_equal(weir__http_byte_is((char)byte, WEIR_BYTE_VALUE), is_value);
    }
}

static void finds_every_known_name_in_any_case(void **state)
{
    (void)state;
    for (unsigned id = WEIR_FIELD_OTHER + 1; id < WEIR_FIELD_COUNT; id++) {
        weir_str name = weir__http_field_name((enum weir__http_field_id)id);
        char upper[40];
        assert_true(name.len > 1 && name.len < sizeof upper);
        assert_int_equal(weir__http_field_id(name), id);
        for (size_t i = 0; i < name.len; i++) {
            bool is_lower = name.ptr[i] >= 'a' && name.ptr[i] <= 'z';
            assert_true(is_lower || name.ptr[i] == '-');
            upper[i] = (char)(is_lower ? name.ptr[i] - 32 : name.ptr[i]);
        }
        assert_int_equal(weir__http_field_id((weir_str){upper, name.len}), id);
    }
    assert_true(weir_str_eq(weir__http_field_name(WEIR_FIELD_HOST), WEIR_S("host")));
    assert_true(weir_str_eq(weir__http_field_name(WEIR_FIELD_SEC_WEBSOCKET_EXTENSIONS),
                            WEIR_S("sec-websocket-extensions")));
    assert_int_equal(weir__http_field_name(WEIR_FIELD_OTHER).len, 0);
}

/* A known name with any one byte changed is another name, unless only its case changed. */
static void knows_names_exactly(void **state)
{
    (void)state;
    for (unsigned id = WEIR_FIELD_OTHER + 1; id < WEIR_FIELD_COUNT; id++) {
        weir_str name = weir__http_field_name((enum weir__http_field_id)id);
        char copy[40];
        for (size_t at = 0; at < name.len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                memcpy(copy, name.ptr, name.len);
                copy[at] = (char)byte;
                weir_str changed = {copy, name.len};
                unsigned found = weir__http_field_id(changed);
                assert_int_equal(found == id, weir_str_ieq(changed, name));
            }
        }
        assert_int_not_equal(weir__http_field_id((weir_str){name.ptr, name.len - 1}), id);
    }
    assert_int_equal(weir__http_field_id(WEIR_S("")), WEIR_FIELD_OTHER);
    assert_int_equal(weir__http_field_id(WEIR_S("x")), WEIR_FIELD_OTHER);
    assert_int_equal(weir__http_field_id(WEIR_S("etag")), WEIR_FIELD_OTHER);
}

static void judges_names_and_values(void **state)
{
    (void)state;
    assert_true(weir__http_name_is_valid(WEIR_S("X-Thing")));
    assert_false(weir__http_name_is_valid(WEIR_S("")));
    assert_false(weir__http_name_is_valid(WEIR_S("X Thing")));
    assert_false(weir__http_name_is_valid(WEIR_S("X:")));
    assert_true(weir__http_value_is_valid(WEIR_S("")));
    assert_true(weir__http_value_is_valid((weir_str){NULL, 0}));
    assert_true(weir__http_value_is_valid(WEIR_S("a \t b\xc3\xa9")));
    assert_false(weir__http_value_is_valid(WEIR_S(" a")));
    assert_false(weir__http_value_is_valid(WEIR_S("a\t")));
    assert_false(weir__http_value_is_valid(WEIR_S("a\r\nSet-Cookie: b")));
    assert_false(weir__http_value_is_valid(WEIR_S("a\0b")));
}

/* Wherever it stands: text is looked at 16 bytes at a time, and its rest with those before it. */
static void one_bad_byte_is_found_at_any_place(void **state)
{
    (void)state;
    char bytes[70];
    for (size_t len = 1; len <= sizeof bytes; len++) {
        memset(bytes, 'a', sizeof bytes);
        const weir_str text = {bytes, len};
        assert_true(weir__http_value_is_valid(text));
        assert_true(weir__http_target_is_valid(text));
        for (size_t at = 0; at < len; at++) {
            bytes[at] = '\n';
            assert_false(weir__http_value_is_valid(text));
            assert_false(weir__http_target_is_valid(text));
            bytes[at] = 'a';
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_the_grammars),
        cmocka_unit_test(finds_every_known_name_in_any_case),
        cmocka_unit_test(knows_names_exactly),
        cmocka_unit_test(judges_names_and_values),
        cmocka_unit_test(one_bad_byte_is_found_at_any_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
