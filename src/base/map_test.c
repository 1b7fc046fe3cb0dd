/*
 * The hash map against a plain array as its model, its maximum, failures, and the hash's vectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/map.h"

enum { KEYS = 300 };
static char names[KEYS][16];

static weir_str key_of(unsigned i)
{
    return (weir_str){names[i], (size_t)snprintf(names[i], sizeof names[i], "key-%u", i)};
}

static void behaves_as_an_array_does(void **state)
{
    (void)state;
    struct weir__map m;
    char *model[KEYS] = {0};
    uint64_t random = 42;
    size_t len = 0;
    weir__map_init(&m, KEYS);
    for (int step = 0; step < 50000; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned k = (unsigned)(random >> 33) % KEYS;
        weir_str key = key_of(k);
        assert_ptr_equal(weir__map_get(&m, key), model[k]);
        if (random >> 63) {
            assert_int_equal(weir__map_put(&m, key, names[step % KEYS]), WEIR_OK);
            len += model[k] == NULL;
            model[k] = names[step % KEYS];
        } else {
            assert_ptr_equal(weir__map_remove(&m, key), model[k]);
            len -= model[k] != NULL;
            model[k] = NULL;
        }
        assert_int_equal(m.len, len);
    }
    size_t i = 0, seen = 0;
    for (const struct weir__map_slot *s; (s = weir__map_next(&m, &i)) != NULL; seen++)
        assert_ptr_equal(weir__map_get(&m, s->key), s->value);
    assert_int_equal(seen, len);
    weir__map_fini(&m);
}

static void the_maximum_is_kept(void **state)
{
    (void)state;
    struct weir__map m;
    int value;
    weir__map_init(&m, 2);
    assert_int_equal(weir__map_put(&m, WEIR_S("a"), &value), WEIR_OK);
    assert_int_equal(weir__map_put(&m, WEIR_S("b"), &value), WEIR_OK);
    assert_int_equal(weir__map_put(&m, WEIR_S("c"), &value), WEIR_ELIMIT);
    assert_int_equal(weir__map_put(&m, WEIR_S("b"), &m), WEIR_OK);
    assert_ptr_equal(weir__map_get(&m, WEIR_S("b")), &m);
    assert_null(weir__map_get(&m, WEIR_S("c")));
    weir__map_fini(&m);
    assert_null(weir__map_get(&m, WEIR_S("a")));
    assert_null(weir__map_remove(&m, WEIR_S("a")));
    struct weir__map zeroed = {0};
    assert_int_equal(weir__map_put(&zeroed, WEIR_S("a"), &value), WEIR_ELIMIT);
    weir__map_fini(&zeroed);
}

static void a_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    struct weir__map m;
    int value;
    weir__map_init(&m, KEYS);
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__map_put(&m, key_of(0), &value), -ENOMEM);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(weir__map_put(&m, key_of(i), &value), WEIR_OK);
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__map_put(&m, key_of(6), &value), -ENOMEM);
    for (unsigned i = 0; i < 6; i++)
        assert_ptr_equal(weir__map_get(&m, key_of(i)), &value);
    assert_int_equal(weir__map_put(&m, key_of(6), &value), WEIR_OK);
    weir__map_fini(&m);
}

static void the_hash_depends_on_every_byte_and_the_key(void **state)
{
    (void)state;
    const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    const uint64_t other[2] = {0x0706050403020101u, 0x0f0e0d0c0b0a0908u};
    unsigned char text[24] = {0};
    for (size_t n = 0; n <= sizeof text; n++) {
        uint64_t hash = weir__siphash13(key, text, n);
        assert_true(hash != weir__siphash13(other, text, n));
        assert_true(n == 0 || hash != weir__siphash13(key, text, n - 1));
        for (size_t i = 0; i < n; i++) {
            text[i] ^= 1;
            assert_true(hash != weir__siphash13(key, text, n));
            text[i] ^= 1;
        }
    }
    /* The empty message under the key 00 01 … 0f, from the algorithm's definition. */
    assert_true(weir__siphash13(key, "", 0) == 0xabac0158050fc4dcu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_as_an_array_does),
        cmocka_unit_test(the_maximum_is_kept),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
        cmocka_unit_test(the_hash_depends_on_every_byte_and_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
