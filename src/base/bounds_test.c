/* Bounds of options: defaults, edges, and how each mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bounds.h"

struct kit {
    char bytes[512];
    weir_buf out;
    struct weir__bounds b;
};

static void kit_init(struct kit *k)
{
    weir_buf_init_fixed(&k->out, k->bytes, sizeof k->bytes - 1);
    k->b = (struct weir__bounds){.kind = "pool", .name = "a", .out = &k->out};
}

static const char *told(struct kit *k)
{
    k->bytes[k->out.len] = '\0';
    return k->bytes;
}

static void test_what_is_not_given_has_its_default(void **state)
{
    (void)state;
    struct kit k;
    uint32_t count = 0;
    uint64_t large = 0;
    weir_dur dur = {0};
    kit_init(&k);
    weir__bounds_count(&k.b, "c", &count, 7, 1, 10);
    weir__bounds_large(&k.b, "l", &large, UINT64_C(1) << 40, 1, UINT64_C(1) << 50);
    weir__bounds_dur(&k.b, "d", &dur, 5, 1, 10);
    assert_int_equal(count, 7);
    assert_true(large == UINT64_C(1) << 40);
    assert_int_equal(dur.ns, 5);
    assert_false(k.b.is_bad);
    assert_string_equal(told(&k), "");
}

static void test_edges_are_allowed_and_no_more(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 6; n++) {
        struct kit k;
        uint32_t count = n;
        uint64_t large = n;
        weir_dur dur = {n};
        kit_init(&k);
        weir__bounds_count(&k.b, "c", &count, 3, 2, 5);
        assert_true(k.b.is_bad == (n < 2 || n > 5));
        kit_init(&k);
        weir__bounds_large(&k.b, "l", &large, 3, 2, 5);
        assert_true(k.b.is_bad == (n < 2 || n > 5));
        kit_init(&k);
        weir__bounds_dur(&k.b, "d", &dur, 3, 2, 5);
        assert_true(k.b.is_bad == (n < 2 || n > 5));
        assert_true(count == n && large == n && dur.ns == n); /* as it was given */
    }
}

static void test_all_mistakes_stand_behind_one_another(void **state)
{
    (void)state;
    struct kit k;
    uint32_t none = 0, many = 11;
    uint64_t large = UINT64_MAX;
    weir_dur missing = {0}, odd = weir_ns(1500), below = weir_ms(-1), above = weir_hour(25);
    kit_init(&k);
    weir__bounds_count(&k.b, "none", &none, 0, 1, 10);
    weir__bounds_count(&k.b, "many", &many, 1, 1, 10);
    weir__bounds_large(&k.b, "large", &large, 1, 1, 9);
    assert_string_equal(told(&k), "pool a: none is 0; allowed: 1 to 10; pool a: many is 11; "
                                  "allowed: 1 to 10; pool a: large is 18446744073709551615; "
                                  "allowed: 1 to 9");
    kit_init(&k);
    weir__bounds_dur(&k.b, "odd", &odd, 1000000, 1000000, 60000000000);
    weir__bounds_dur(&k.b, "below", &below, 1000, 1000, 1000000000);
    weir__bounds_dur(&k.b, "above", &above, 1000, 0, 3600000000000);
    weir__bounds_dur(&k.b, "missing", &missing, 0, 1000, 2000);
    assert_string_equal(told(&k), "pool a: odd is 1500 ns; allowed: 1 ms to 1 min; pool a: below "
                                  "is -1 ms; allowed: 1 us to 1 s; pool a: above is 25 h; "
                                  "allowed: 0 ns to 1 h; pool a: missing is 0 ns; allowed: 1 us "
                                  "to 2 us");
    weir__bounds_line(&k.b);
    weir_buf_puts(&k.out, WEIR_S("x"));
    assert_true(k.out.len > 0 && k.b.is_bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_given_has_its_default),
        cmocka_unit_test(test_edges_are_allowed_and_no_more),
        cmocka_unit_test(test_all_mistakes_stand_behind_one_another),
    };
    return cmocka_run_group_tests_name("bounds", tests, NULL, NULL);
}
