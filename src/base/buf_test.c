/* Buffers: growth up to the maximum, sticky errors, fixed bytes, planned failures of the heap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <weir/buf.h>

#include "base/alloc.h"

static void grows_up_to_its_maximum_and_no_further(void **state)
{
    (void)state;
    weir_buf b;
    weir_buf_init(&b, 1000);
    for (int i = 0; i < 1000; i++)
        weir_buf_putc(&b, 'x');
    assert_int_equal(b.err, WEIR_OK);
    assert_int_equal(b.len, 1000);
    assert_int_equal(b.cap, 1000);
    weir_buf_putc(&b, 'y');
    assert_int_equal(b.err, WEIR_ETOOLARGE);
    assert_int_equal(b.len, 1000);
    weir_buf_fini(&b);
    assert_int_equal(b.bytes_max, 1000);
}

static void an_error_sticks_until_reset(void **state)
{
    (void)state;
    weir_buf b;
    weir_buf_init(&b, 4);
    weir_buf_puts(&b, WEIR_S("ab"));
    weir_buf_puts(&b, WEIR_S("cde"));
    weir_buf_puts(&b, WEIR_S("f"));
    assert_true(weir_str_eq(weir_buf_str(&b), WEIR_S("ab")));
    assert_null(weir_buf_reserve(&b, 1));
    weir_buf_reset(&b);
    weir_buf_puts(&b, WEIR_S("wxyz"));
    assert_int_equal(b.err, WEIR_OK);
    weir_buf_fini(&b);
}

static void fixed_bytes_are_never_grown_nor_freed(void **state)
{
    (void)state;
    char bytes[8];
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes);
    weir_buf_puts(&b, WEIR_S("12345678"));
    assert_int_equal(b.err, WEIR_OK);
    assert_ptr_equal(b.ptr, bytes);
    weir_buf_putc(&b, '9');
    assert_int_equal(b.err, WEIR_ETOOLARGE);
    weir_buf_fini(&b);
    assert_int_equal(b.len, 0);
    weir_buf_printf(&b, "%d", 1234567);
    assert_true(weir_str_eq(weir_buf_str(&b), WEIR_S("1234567")));
    weir_buf_printf(&b, "%d", 12);
    assert_int_equal(b.err, WEIR_ETOOLARGE);
    assert_int_equal(b.len, 7);
}

static void printf_grows_as_needed(void **state)
{
    (void)state;
    weir_buf b;
    weir_buf_init(&b, 4096);
    weir_buf_printf(&b, "%s-%d", "a", 7);
    weir_buf_printf(&b, "%1000d", 1);
    assert_int_equal(b.err, WEIR_OK);
    assert_int_equal(b.len, 1003);
    weir_buf_printf(&b, "%4000d", 1);
    assert_int_equal(b.err, WEIR_ETOOLARGE);
    assert_int_equal(b.len, 1003);
    weir_buf_fini(&b);
}

static void a_failed_allocation_leaves_the_content(void **state)
{
    (void)state;
    weir_buf b;
    weir_buf_init(&b, 1 << 20);
    weir_buf_puts(&b, WEIR_S("kept"));
    weir__alloc_fail_nth(1);
    assert_null(weir_buf_reserve(&b, 1000));
    assert_int_equal(b.err, -ENOMEM);
    assert_true(weir_str_eq(weir_buf_str(&b), WEIR_S("kept")));
    weir_buf_reset(&b);
    assert_non_null(weir_buf_reserve(&b, 1000));
    weir_buf_fini(&b);
}

static void huge_sizes_are_refused(void **state)
{
    (void)state;
    weir_buf b;
    weir_buf_init(&b, 100);
    weir_buf_putc(&b, 'x');
    assert_null(weir_buf_reserve(&b, SIZE_MAX));
    assert_int_equal(b.err, WEIR_ETOOLARGE);
    weir_buf_fini(&b);
    weir_buf zeroed = {0};
    weir_buf_fini(&zeroed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_up_to_its_maximum_and_no_further),
        cmocka_unit_test(an_error_sticks_until_reset),
        cmocka_unit_test(fixed_bytes_are_never_grown_nor_freed),
        cmocka_unit_test(printf_grows_as_needed),
        cmocka_unit_test(a_failed_allocation_leaves_the_content),
        cmocka_unit_test(huge_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
