/* Names of addresses: of this test, of the C library, of nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "rt/symbol.h"

static char bytes[4096];

static const char *name_of(void *pc)
{
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes - 1);
    weir__symbolise(pc, &b);
    bytes[b.len] = '\0';
    return bytes;
}

__attribute__((noinline)) static void *here(void)
{
    return __builtin_return_address(0);
}

static void own_code_has_function_file_and_line(void **state)
{
    (void)state;
    void *pc = here();
    const char *name = name_of(pc);
    assert_non_null(strstr(name, "own_code_has_function_file_and_line at "));
    assert_non_null(strstr(name, "rt/symbol_test.c:"));
    assert_int_not_equal(name[0], '.');
}

static void the_library_has_at_least_a_module(void **state)
{
    (void)state;
    const char *name = name_of((void *)((uintptr_t)qsort + 8));
    assert_true(strstr(name, "qsort") != NULL || strstr(name, "libc") != NULL);
}

static void nothing_is_a_number(void **state)
{
    (void)state;
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    assert_memory_equal(name_of((char *)page + 16), "0x", 2);
    assert_memory_equal(name_of((char *)page + 16), "0x", 2);
    (void)name_of(NULL);
    assert_int_equal(munmap(page, 4096), 0);
    assert_memory_equal(name_of((void *)(uintptr_t)0x1234), "0x1234", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_code_has_function_file_and_line),
        cmocka_unit_test(the_library_has_at_least_a_module),
        cmocka_unit_test(nothing_is_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
