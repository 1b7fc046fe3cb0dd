/*
 * What the tests of operations share: the least that a plan must have met, and a check within runs.
 */
#ifndef WEIR_TESTING_OPERATIONS_TESTING_H
#define WEIR_TESTING_OPERATIONS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include <weir/test.h>

/* The least that an operation must have had, so that the test is not about nothing. */
struct least {
    unsigned waits, allocations, calls, orders, refusals;
};

static inline void check(const char *name, weir_test_report r, struct least least)
{
    assert_string_equal(r.text, "");
    if (getenv("WEIR_TEST_REPLAY") != NULL)
        return;
    printf("  %-22s %4u waits %4u allocations %4u calls %4u refusals %4u orders, %u left out\n",
           name, r.waits, r.allocations, r.calls, r.refusals, r.orders, r.skipped);
    fflush(stdout);
    assert_true(r.waits >= least.waits);
    assert_true(r.allocations >= least.allocations);
    assert_true(r.refusals >= least.refusals);
    assert_true(r.calls >= least.calls || r.skipped > 0);
    if (getenv("WEIR_TEST_RUNS_MAX") == NULL)
        assert_true(r.orders >= least.orders);
}

#define EVERYWHERE(fn, its_arg, ...)                                                               \
    check(#fn, weir_test_everywhere(.name = #fn, .run = (fn), .arg = (its_arg)),                   \
          (struct least){__VA_ARGS__})

/* Within a run: a panic would be an error like any other, so the process dies, with the seed. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
