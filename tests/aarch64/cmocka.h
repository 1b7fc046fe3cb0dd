/*
 * As much of cmocka as src/os/arch_test.c takes: there is no cmocka for other processors. The first
 * assertion that fails ends the program.
 */
#ifndef WEIR_TESTS_AARCH64_CMOCKA_H
#define WEIR_TESTS_AARCH64_CMOCKA_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define cmocka_unit_test(fn)                                                                       \
    {                                                                                              \
#fn, fn                                                                                    \
    }

#define assert_true(x)                                                                             \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #x);                                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define assert_false(x) assert_true(!(x))
#define assert_null(x) assert_true((x) == NULL)
#define assert_int_equal(a, b) assert_true((unsigned long)(a) == (unsigned long)(b))
#define assert_string_equal(a, b) assert_true(strcmp(a, b) == 0)

static inline int run_tests(const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("%s\n", tests[i].name);
        fflush(stdout);
        tests[i].run(NULL);
    }
    printf("%zu passed, 0 failed\n", count);
    return 0;
}
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    run_tests(tests, sizeof(tests) / sizeof(tests)[0])

#endif
