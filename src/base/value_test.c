/*
 * The texts of UUIDs and of bytes: both ways, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/value.h"

static void uuids_have_one_text(void **state)
{
    (void)state;
    weir_uuid u;
    char text[WEIR_UUID_TEXT_MAX];
    assert_int_equal(weir_uuid_parse(WEIR_S("F81D4fae-7dec-11d0-A765-00a0c91e6bf6"), &u), WEIR_OK);
    assert_int_equal(u.bytes[0], 0xf8);
    assert_int_equal(u.bytes[15], 0xf6);
    assert_int_equal(weir_uuid_text(u, text), 36);
    assert_string_equal(text, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    static const char *const wrong[] = {"",
                                        "f81d4fae7dec11d0a76500a0c91e6bf6",
                                        "f81d4fae-7dec-11d0-a765-00a0c91e6bf",
                                        "f81d4fae-7dec-11d0-a765-00a0c91e6bf66",
                                        "f81d4fae-7dec-11d0-a765-00a0c91e6bg6",
                                        "f81d4fae-7dec-11d0-a76-500a0c91e6bf6",
                                        "{81d4fae-7dec-11d0-a765-00a0c91e6bf}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (weir_uuid_parse(weir_str_from(wrong[i]), &u) != WEIR_EINVALID)
            fail_msg("%s", wrong[i]);
    assert_int_equal(u.bytes[0], 0xf8); /* untouched */
}

static void new_uuids_are_new(void **state)
{
    (void)state;
    weir_uuid a = weir_uuid_v4(), b = weir_uuid_v4();
    assert_int_not_equal(weir_uuid_cmp(a, b), 0);
    assert_int_equal(a.bytes[6] >> 4, 4);
    assert_int_equal(a.bytes[8] >> 6, 2);
    int64_t before = weir_wall_now().us / 1000, ms = 0;
    a = weir_uuid_v7();
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | a.bytes[i];
    assert_true(ms >= before && ms <= weir_wall_now().us / 1000);
    assert_int_equal(a.bytes[6] >> 4, 7);
    assert_int_equal(a.bytes[8] >> 6, 2);
}

static void bytes_are_base64(void **state)
{
    (void)state;
    unsigned char bytes[256], back[256];
    char text[400];
    size_t len;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 89);
    for (size_t n = 0; n <= sizeof bytes - 3; n++) {
        size_t size = (n + 2) / 3 * 4;
        weir__base64_put(text, bytes, n);
        for (int round = 0; round < 3; round++) {
            assert_int_equal(weir__base64_get((weir_str){text, size}, back, &len), WEIR_OK);
            assert_int_equal(len, n);
            assert_memory_equal(back, bytes, n);
            while (round == 0 && size > 0 && text[size - 1] == '=')
                size--; /* then without its padding, then in the other alphabet */
            for (size_t i = 0; round == 1 && i < size; i++)
                text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
        }
    }
    weir__base64_put(text, (const unsigned char *)"foob", 4);
    assert_memory_equal(text, "Zm9vYg==", 8);
}

static void what_is_no_base64_is_refused(void **state)
{
    (void)state;
    unsigned char out[64];
    size_t len;
    static const char *const wrong[] = {"Z",      "Zm9vY",    "=",    "====", "Zg=",
                                        "Zg===",  "Z===",     "Zh==", "Zm9=", "Zm 9v",
                                        "Zm9v\n", "Zg==Zg==", "Z*9v"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (weir__base64_get(weir_str_from(wrong[i]), out, &len) != WEIR_EINVALID)
            fail_msg("%s", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuids_have_one_text),
        cmocka_unit_test(new_uuids_are_new),
        cmocka_unit_test(bytes_are_base64),
        cmocka_unit_test(what_is_no_base64_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
