/* The heap's door: what it counts, and that exactly the planned allocation fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>

#include <cmocka.h>

#include "base/alloc.h"

static void what_is_taken_and_given_back_is_counted(void **state)
{
    (void)state;
    struct weir__alloc_stats before = weir__alloc_stats();
    void *a = weir__malloc(10), *b = weir__calloc(3, 5), *c = weir__realloc(NULL, 7);
    void *d = weir__memalign(256, 1000);
    assert_int_equal((uintptr_t)d % 256, 0);
    c = weir__realloc(c, 5000); /* the same object, moved */
    assert_int_equal(weir__alloc_stats().allocs - before.allocs, 4);
    weir__free(NULL);
    assert_int_equal(weir__alloc_stats().frees - before.frees, 0);
    weir__free(a);
    weir__free(b);
    weir__free(c);
    weir__free(d);
    assert_int_equal(weir__alloc_stats().frees - before.frees, 4);
}

static void the_planned_allocation_fails_and_no_other(void **state)
{
    (void)state;
    weir__alloc_fail_nth(3);
    void *a = weir__malloc(1), *b = weir__malloc(1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(weir__memalign(16, 1));
    void *c = weir__malloc(1);
    assert_non_null(c);
    weir__alloc_fail_nth(1);
    errno = 0;
    assert_null(weir__realloc(c, 100));
    assert_int_equal(errno, ENOMEM);
    weir__alloc_fail_nth(1);
    weir__alloc_fail_nth(0);
    void *d = weir__calloc(1, 1);
    assert_non_null(d);
    weir__free(a);
    weir__free(b);
    weir__free(c);
    weir__free(d);
}

static void a_library_that_allocates_counts_as_one(void **state)
{
    (void)state;
    uint64_t before = weir__alloc_stats().allocs;
    assert_false(weir__alloc_pretend());
    weir__alloc_fail_nth(2);
    assert_false(weir__alloc_pretend());
    assert_true(weir__alloc_pretend());
    assert_false(weir__alloc_pretend());
    weir__alloc_fail_nth(2);
    assert_false(weir__alloc_pretend());
    assert_null(weir__malloc(1));
    assert_int_equal(weir__alloc_stats().allocs, before);
}

static void *take_one(void *arg)
{
    uint64_t *counted = arg;
    void *p = weir__malloc(1);
    *counted = p != NULL ? weir__alloc_stats().allocs : 99;
    weir__free(p);
    return NULL;
}

static void threads_count_and_fail_alone(void **state)
{
    (void)state;
    uint64_t counted = 0, before = weir__alloc_stats().allocs;
    pthread_t t;
    weir__alloc_fail_nth(1);
    assert_int_equal(pthread_create(&t, NULL, take_one, &counted), 0);
    pthread_join(t, NULL);
    weir__alloc_fail_nth(0);
    assert_int_equal(counted, 1);
    assert_int_equal(weir__alloc_stats().allocs, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_and_given_back_is_counted),
        cmocka_unit_test(the_planned_allocation_fails_and_no_other),
        cmocka_unit_test(a_library_that_allocates_counts_as_one),
        cmocka_unit_test(threads_count_and_fail_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
