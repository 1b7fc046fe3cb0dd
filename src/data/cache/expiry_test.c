/*
 * When entries are given back: against a plain look at all of them, late and bounded sweeps among
 * them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "data/cache/expiry.h"

enum { ENTRIES = 500 };
#define LONGEST INT64_C(60000000000)

static struct weir__expiring entries[ENTRIES];

static bool is_in(uint32_t i)
{
    return !weir__list_empty(&entries[i].link);
}

static void gives_back_what_is_over(void **state)
{
    (void)state;
    struct weir__expiry x;
    struct weir__random r = {3};
    weir_time now = {INT64_C(1000000000000)};
    weir__expiry_init(&x, weir_ns(LONGEST), now);
    for (uint32_t i = 0; i < ENTRIES; i++)
        weir__list_init(&entries[i].link);
    for (int step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)weir__random_upto(&r, ENTRIES - 1);
        if (is_in(i)) {
            weir__expiry_remove(&entries[i]);
        } else {
            entries[i].at.ns = now.ns + 1 + (int64_t)weir__random_upto(&r, LONGEST - 1);
            weir__expiry_add(&x, &entries[i]);
        }
        /* Mostly in time; now and then so late that rounds of the ring overlap. */
        uint64_t jump = weir__random_upto(&r, 99) == 0 ? (uint64_t)LONGEST * 4 : LONGEST / 200;
        now.ns += (int64_t)weir__random_upto(&r, jump);
        bool is_bounded = weir__random_upto(&r, 1) == 0;
        uint32_t looks = is_bounded ? 3 : UINT32_MAX, taken = 0;
        for (struct weir__expiring *e; (e = weir__expiry_due(&x, now, &looks)) != NULL; taken++)
            assert_true(e->at.ns <= now.ns);
        assert_true(!is_bounded || taken <= 3);
        for (uint32_t k = 0; !is_bounded && k < ENTRIES; k++)
            assert_true(!is_in(k) || entries[k].at.ns > now.ns - 2 * x.step_ns);
    }
}

static void a_short_time_has_steps_of_the_clock(void **state)
{
    (void)state;
    struct weir__expiry x;
    struct weir__expiring e;
    uint32_t looks = 10;
    weir__expiry_init(&x, weir_ms(1), (weir_time){0});
    assert_int_equal(x.step_ns, 1000000);
    weir__list_init(&e.link);
    e.at.ns = 1000000;
    weir__expiry_add(&x, &e);
    assert_null(weir__expiry_due(&x, (weir_time){1999999}, &looks));
    assert_ptr_equal(weir__expiry_due(&x, (weir_time){2000000}, &looks), &e);
    assert_int_equal(looks, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_is_over),
        cmocka_unit_test(a_short_time_has_steps_of_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
