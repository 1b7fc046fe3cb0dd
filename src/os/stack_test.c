/*
 * Stacks on kernels without guard regions, and when mappings run out: each keeps the guard that it
 * was given, and only those without one are held to a canary.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "os/stack.h"
#include "os/sys.h"

enum {
    OF_A_SLAB = WEIR__STACK_SLAB_SLOTS,
    FIRST_GUARD = 3, /* the slab's mmap, its madvise about huge pages, then the guards */
    GUARDED = 10,    /* of the second slab */
};

static struct weir__stack stacks[3][OF_A_SLAB];
static bool has_guards;

static void take_slab(struct weir__stack *s)
{
    for (int i = 0; i < OF_A_SLAB; i++) {
        assert_true(weir__stack_take(&s[i]));
        assert_int_equal(s[i].hi - s[i].lo, WEIR__STACK_SLOT - WEIR__STACK_GUARD);
        s[i].hi[-100] = 1; /* it is used */
    }
}

static int with_canary(const struct weir__stack *s)
{
    int n = 0;
    for (int i = 0; i < OF_A_SLAB; i++) {
        assert_false(weir__stack_smashed(&s[i]));
        n += s[i].has_canary;
    }
    return n;
}

static void give_slab(struct weir__stack *s)
{
    uint64_t before = weir__sys_count();
    struct weir__stack odd = s[0];
    s[0] = s[OF_A_SLAB - 1];
    s[OF_A_SLAB - 1] = odd; /* in whatever order they come */
    weir__stack_give(s, OF_A_SLAB);
    assert_int_equal(weir__sys_count() - before, 1); /* side by side: one call */
}

static void each_keeps_the_guard_that_it_was_given(void **state)
{
    (void)state;
    weir__sys_fail_nth(FIRST_GUARD, EINVAL); /* as kernels before 6.13 do */
    take_slab(stacks[0]);
    has_guards = strcmp(weir__stack_stats().guard, "canary") != 0;
    if (!has_guards)
        skip(); /* the machine gives none at all */
    assert_int_equal(with_canary(stacks[0]), 0);
    assert_string_equal(weir__stack_stats().guard, "mprotect");
    weir__sys_fail_nth(FIRST_GUARD + GUARDED, ENOMEM); /* vm.max_map_count is reached */
    take_slab(stacks[1]);
    weir__sys_fail_nth(0, 0);
    assert_int_equal(with_canary(stacks[1]), OF_A_SLAB - GUARDED);
    take_slab(stacks[2]);
    assert_int_equal(with_canary(stacks[2]), OF_A_SLAB);
    assert_int_equal(with_canary(stacks[0]), 0); /* those from before are held to none */
    assert_int_equal(weir__stack_stats().unguarded, 2 * OF_A_SLAB - GUARDED);
    assert_string_equal(weir__stack_stats().guard, "canary");
    assert_false(weir__stack_can_hide());
}

static void what_comes_back_is_what_it_was(void **state)
{
    (void)state;
    if (!has_guards)
        skip();
    for (int i = 0; i < 3; i++)
        give_slab(stacks[i]);
    for (int i = 0; i < 3; i++)
        take_slab(stacks[i]);
    int sum = with_canary(stacks[0]) + with_canary(stacks[1]) + with_canary(stacks[2]);
    assert_int_equal(sum, 2 * OF_A_SLAB - GUARDED);
    assert_int_equal(weir__stack_stats().slots, 3 * OF_A_SLAB);
}

static void an_overflow_is_seen_where_there_is_no_guard(void **state)
{
    int seen = 0;
    (void)state;
    if (!has_guards)
        skip();
    for (int i = 0; i < 3 * OF_A_SLAB; i++) {
        struct weir__stack *s = &stacks[i / OF_A_SLAB][i % OF_A_SLAB];
        memset(s->lo, 0x55, 64);
        assert_int_equal(weir__stack_smashed(s), s->has_canary);
        seen += s->has_canary;
    }
    assert_int_equal(seen, 2 * OF_A_SLAB - GUARDED);
}

/* Pages of a stack that lie in memory. */
static int resident_pages(const struct weir__stack *s)
{
    unsigned char are[(WEIR__STACK_SLOT - WEIR__STACK_GUARD) / 4096];
    int n = 0;
    assert_int_equal(mincore(s->lo, sizeof are * 4096, are), 0);
    for (size_t i = 0; i < sizeof are; i++)
        n += are[i] & 1;
    return n;
}

/* Those that lie apart are given back too, and of none a page stays behind. */
static void a_free_slot_has_no_pages(void **state)
{
    struct weir__stack mine[OF_A_SLAB], given[OF_A_SLAB / 2], rest[OF_A_SLAB / 2], seen[OF_A_SLAB];
    (void)state;
    for (int i = 0; i < OF_A_SLAB; i++) {
        assert_true(weir__stack_take(&mine[i]));
        memset(mine[i].hi - 8192, 1, 8192);
        seen[i] = mine[i];
        *(i % 2 == 0 ? &given[i / 2] : &rest[i / 2]) = mine[i];
    }
    weir__stack_give(given, OF_A_SLAB / 2);
    for (int i = 0; i < OF_A_SLAB; i++)
        assert_int_equal(resident_pages(&seen[i]), i % 2 == 0 ? 0 : 2 + seen[i].has_canary);
    weir__stack_give(rest, OF_A_SLAB / 2);
    for (int i = 0; i < OF_A_SLAB; i++)
        assert_int_equal(resident_pages(&seen[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_keeps_the_guard_that_it_was_given),
        cmocka_unit_test(what_comes_back_is_what_it_was),
        cmocka_unit_test(an_overflow_is_seen_where_there_is_no_guard),
        cmocka_unit_test(a_free_slot_has_no_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
