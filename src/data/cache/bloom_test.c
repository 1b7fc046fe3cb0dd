/*
 * The filter of keys that exist: it denies no key that it was told, and of others lets few pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "data/cache/bloom.h"

enum { KEYS = 20000 };

static uint64_t hash_of(uint64_t seed, uint32_t key)
{
    struct weir__random r = {seed + key};
    return weir__random_next(&r);
}

static void what_was_told_is_never_denied(void **state)
{
    (void)state;
    struct weir__bloom b;
    void *words = aligned_alloc(64, weir__bloom_bytes(KEYS));
    weir__bloom_init(&b, words, KEYS);
    weir__bloom_clear(&b);
    assert_false(weir__bloom_may_have(&b, hash_of(1, 0)));
    for (uint32_t i = 0; i < KEYS; i++)
        weir__bloom_tell(&b, hash_of(1, i));
    for (uint32_t i = 0; i < KEYS; i++)
        assert_true(weir__bloom_may_have(&b, hash_of(1, i)));
    int passed = 0;
    for (uint32_t i = 0; i < 100000; i++)
        passed += weir__bloom_may_have(&b, hash_of(UINT64_C(1) << 40, i));
    print_message("%d of 100000 unknown keys pass\n", passed);
    assert_true(passed < 1500);
    weir__bloom_clear(&b);
    assert_false(weir__bloom_may_have(&b, hash_of(1, 0)));
    free(words);
}

static void one_key_has_a_line(void **state)
{
    (void)state;
    struct weir__bloom b;
    assert_int_equal(weir__bloom_bytes(1), 64);
    void *words = aligned_alloc(64, 64);
    weir__bloom_init(&b, words, 1);
    weir__bloom_clear(&b);
    weir__bloom_tell(&b, UINT64_MAX);
    assert_true(weir__bloom_may_have(&b, UINT64_MAX));
    assert_false(weir__bloom_may_have(&b, 0));
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_told_is_never_denied),
        cmocka_unit_test(one_key_has_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
