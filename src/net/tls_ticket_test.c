/* Keys of tickets: how they turn, and who may have them instead of the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/tls_ticket.h"

#define LIFE WEIR__TLS_KEY_LIFE_NS

static weir_time at(int64_t ns)
{
    return (weir_time){ns};
}

static void test_keys_turn(void **state)
{
    (void)state;
    struct weir__tls_keys keys = {0}, before;
    weir__tls_keys_turn(&keys, at(5));
    assert_int_equal(keys.count, 1);
    before = keys;
    weir__tls_keys_turn(&keys, at(5 + LIFE - 1));
    assert_memory_equal(&keys, &before, sizeof keys);
    for (unsigned turn = 1; turn < 6; turn++) {
        before = keys;
        weir__tls_keys_turn(&keys, at(5 + (int64_t)turn * LIFE));
        assert_int_equal(keys.count, turn < 2 ? 2 : 3);
        assert_memory_equal(&keys.keys[1], &before.keys[0], sizeof keys.keys[0]);
        for (unsigned i = 1; i < keys.count; i++)
            assert_memory_not_equal(keys.keys[0].cipher, keys.keys[i].cipher, WEIR__TLS_KEY_BYTES);
        assert_memory_not_equal(keys.keys[0].cipher, keys.keys[0].mac, WEIR__TLS_KEY_BYTES);
    }
}

static void test_old_keys_are_wiped(void **state)
{
    (void)state;
    static const struct weir__tls_key nothing;
    struct weir__tls_keys keys = {0};
    for (int64_t turn = 0; turn < 3; turn++)
        weir__tls_keys_turn(&keys, at(turn * LIFE));
    assert_int_equal(keys.count, 3);
    weir__tls_keys_turn(&keys, at(9 * LIFE));
    assert_int_equal(keys.count, 1);
    for (unsigned i = 1; i < 3; i++)
        assert_memory_equal(&keys.keys[i], &nothing, sizeof nothing);
}

static void test_a_key_is_found_by_its_name(void **state)
{
    (void)state;
    struct weir__tls_key first, second, found;
    unsigned char other[WEIR__TLS_KEY_NAME_BYTES] = "no such key";
    bool is_newest;
    weir__tls_keys_from(NULL);
    weir__tls_key_to_seal(at(0), &first);
    assert_true(weir__tls_key_to_open(at(1), first.name, &found, &is_newest));
    assert_true(is_newest);
    weir__tls_key_to_seal(at(LIFE), &second);
    assert_memory_not_equal(&first, &second, sizeof first);
    assert_true(weir__tls_key_to_open(at(LIFE), first.name, &found, &is_newest));
    assert_false(is_newest);
    assert_memory_equal(&found, &first, sizeof first);
    assert_true(weir__tls_key_to_open(at(3 * LIFE - 1), first.name, &found, &is_newest));
    assert_false(weir__tls_key_to_open(at(3 * LIFE), first.name, &found, &is_newest));
    assert_false(weir__tls_key_to_open(at(3 * LIFE), other, &found, &is_newest));
}

static void turn_as_another_process(struct weir__tls_keys *keys, weir_time now)
{
    keys->count = 2;
    memset(&keys->keys[0], 1, sizeof keys->keys[0]);
    memset(&keys->keys[1], 2, sizeof keys->keys[1]);
    keys->keys[0].since = now;
}

static void test_somebody_else_has_the_keys(void **state)
{
    (void)state;
    struct weir__tls_key key;
    unsigned char name[WEIR__TLS_KEY_NAME_BYTES];
    bool is_newest;
    weir__tls_keys_from(turn_as_another_process);
    weir__tls_key_to_seal(at(0), &key);
    assert_int_equal(key.cipher[7], 1);
    memset(name, 2, sizeof name);
    assert_true(weir__tls_key_to_open(at(0), name, &key, &is_newest));
    assert_false(is_newest);
    assert_int_equal(key.mac[7], 2);
    weir__tls_keys_from(NULL);
    weir__tls_key_to_seal(at(0), &key);
    assert_memory_not_equal(key.name, name, sizeof name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_turn),
        cmocka_unit_test(test_old_keys_are_wiped),
        cmocka_unit_test(test_a_key_is_found_by_its_name),
        cmocka_unit_test(test_somebody_else_has_the_keys),
    };
    return cmocka_run_group_tests_name("tls_ticket", tests, NULL, NULL);
}
