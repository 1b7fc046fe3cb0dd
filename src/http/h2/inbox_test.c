/* What was added comes out in its order, however both were cut; a failure changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/alloc.h"
#include "http/h2/inbox.h"

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

/* Adds `add` and reads `read` bytes by turns, until `whole` have gone through. */
static void goes_through(size_t add, size_t read, size_t whole)
{
    static char piece[5000];
    struct weir__h2_inbox in = {.bytes = NULL};
    size_t added = 0, taken = 0;
    while (taken < whole) {
        size_t n = whole - added < add ? whole - added : add;
        for (size_t i = 0; i < n; i++)
            piece[i] = (char)byte_at(added + i);
        if (n > 0)
            assert_true(weir__h2_inbox_add(&in, (weir_str){piece, n}));
        added += n;
        assert_int_equal(weir__h2_inbox_left(&in), added - taken);
        n = added - taken < read ? added - taken : read;
        for (size_t i = 0; i < n; i++)
            assert_int_equal((unsigned char)weir__h2_inbox_first(&in)[i], byte_at(taken + i));
        weir__h2_inbox_pass(&in, n);
        taken += n;
    }
    assert_int_equal(weir__h2_inbox_drop(&in), 0);
}

static void test_bytes_come_out_in_their_order(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 3, 1000, 1024, 1025, 5000};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    for (size_t a = 0; a < SIZES; a++)
        for (size_t r = 0; r < SIZES; r++)
            goes_through(sizes[a], sizes[r], sizes[a] < 100 || sizes[r] < 100 ? 3000 : 40000);
}

static void test_what_is_left_is_told(void **state)
{
    (void)state;
    struct weir__h2_inbox in = {.bytes = NULL};
    assert_int_equal(weir__h2_inbox_drop(&in), 0);
    assert_true(weir__h2_inbox_add(&in, WEIR_S("")));
    assert_true(weir__h2_inbox_add(&in, WEIR_S("abcdef")));
    weir__h2_inbox_pass(&in, 2);
    assert_int_equal(weir__h2_inbox_drop(&in), 4);
    assert_int_equal(weir__h2_inbox_left(&in), 0);
}

static void test_without_memory_nothing_changes(void **state)
{
    (void)state;
    static char much[4096];
    struct weir__h2_inbox in = {.bytes = NULL};
    assert_true(weir__h2_inbox_add(&in, WEIR_S("kept")));
    weir__alloc_fail_nth(1);
    assert_false(weir__h2_inbox_add(&in, (weir_str){much, sizeof much}));
    weir__alloc_fail_nth(0);
    assert_int_equal(weir__h2_inbox_left(&in), 4);
    assert_memory_equal(weir__h2_inbox_first(&in), "kept", 4);
    assert_int_equal(weir__h2_inbox_drop(&in), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_come_out_in_their_order),
        cmocka_unit_test(test_what_is_left_is_told),
        cmocka_unit_test(test_without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
