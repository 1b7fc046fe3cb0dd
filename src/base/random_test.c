/*
 * The generator: the numbers of its paper, the bounds, and that none is likelier than another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

/* As the reference program of SplitMix64 prints them. */
static void it_is_splitmix64(void **state)
{
    (void)state;
    static const uint64_t wanted[] = {6457827717110365317u, 3203168211198807973u,
                                      9817491932198370423u, 4593380528125082431u,
                                      16408922859458223821u};
    struct weir__random r = {1234567};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_true(weir__random_next(&r) == wanted[i]);
}

static void a_seed_gives_the_same_numbers_again(void **state)
{
    (void)state;
    struct weir__random a = {42}, b = {42}, beside = {43};
    bool is_other = false;
    for (int i = 0; i < 1000; i++) {
        uint64_t n = weir__random_upto(&a, 999999);
        assert_true(n == weir__random_upto(&b, 999999));
        is_other = is_other || n != weir__random_upto(&beside, 999999);
    }
    assert_true(is_other);
}

static void bounds_hold_at_their_edges(void **state)
{
    (void)state;
    struct weir__random r = {7};
    assert_true(weir__random_upto(&r, 0) == 0);
    assert_true(r.state == 7); /* nothing was drawn */
    uint64_t all = 0;
    for (int i = 0; i < 1000; i++) {
        assert_true(weir__random_upto(&r, 1) <= 1);
        assert_true(weir__random_upto(&r, (uint64_t)1 << 63) <= (uint64_t)1 << 63);
        all |= weir__random_upto(&r, UINT64_MAX);
    }
    assert_true(all == UINT64_MAX);
}

/*
 * Pearson's test: of six values 60,000 draws; with 5 degrees of freedom the sum of the squared
 * deviations is above 20.5 once in a thousand seeds, and this one is fixed.
 */
static void no_value_is_likelier(void **state)
{
    (void)state;
    enum { VALUES = 6, DRAWS = 60000 };
    struct weir__random r = {1};
    int counts[VALUES] = {0};
    for (int i = 0; i < DRAWS; i++)
        counts[weir__random_upto(&r, VALUES - 1)]++;
    double sum = 0, expected = DRAWS / (double)VALUES;
    for (int i = 0; i < VALUES; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    assert_true(sum < 20.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_splitmix64),
        cmocka_unit_test(a_seed_gives_the_same_numbers_again),
        cmocka_unit_test(bounds_hold_at_their_edges),
        cmocka_unit_test(no_value_is_likelier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
