/* Comparing and wiping of secrets. */
#include "crypto/testing.h"

#include "crypto/secret.h"

static void only_the_same_bytes_are_equal(void **state)
{
    (void)state;
    unsigned char a[64], b[64];
    for (size_t i = 0; i < sizeof a; i++)
        a[i] = b[i] = (unsigned char)(i * 5);
    for (size_t n = 0; n <= sizeof a; n++)
        assert_true(weir__crypto_equal(view(a, n), view(b, n)));
    for (size_t i = 0; i < sizeof a; i++) {
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            b[i] ^= (unsigned char)bit;
            assert_false(weir__crypto_equal(view(a, sizeof a), view(b, sizeof b)));
            assert_true(weir__crypto_equal(view(a, i), view(b, i)));
            b[i] ^= (unsigned char)bit;
        }
    }
}

static void lengths_count(void **state)
{
    (void)state;
    assert_false(weir__crypto_equal(WEIR_S("secret"), WEIR_S("secret2")));
    assert_false(weir__crypto_equal(WEIR_S("secret"), WEIR_S("")));
    assert_true(weir__crypto_equal(WEIR_S(""), (weir_str){NULL, 0}));
}

static void what_is_wiped_is_gone_and_nothing_else(void **state)
{
    (void)state;
    unsigned char room[64];
    memset(room, 0x5a, sizeof room);
    weir__crypto_wipe(room, 0);
    weir__crypto_wipe(room + 1, sizeof room - 2);
    assert_int_equal(room[0], 0x5a);
    assert_zeroes(room + 1, sizeof room - 2);
    assert_int_equal(room[63], 0x5a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_same_bytes_are_equal),
        cmocka_unit_test(lengths_count),
        cmocka_unit_test(what_is_wiped_is_gone_and_nothing_else),
    };
    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
