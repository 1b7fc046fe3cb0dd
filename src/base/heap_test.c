/* What the heap holds grows by what was taken, and shrinks by what was given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/heap.h"

enum { MANY = 1000, BIG = 8 << 20, SLACK = 1 << 20 };

static void *take(size_t size)
{
    void *p = weir__malloc(size);
    assert_non_null(p);
    memset(p, 1, size); /* or the compiler may take it away */
    return p;
}

static void test_a_thread_is_counted_to_the_byte(void **state)
{
    (void)state;
    void *warm = take(100);
    weir__free(warm);
    int64_t before = weir__heap_of_thread();
    void *p[MANY];
    for (int i = 0; i < MANY; i++)
        p[i] = take(100);
    int64_t most = weir__heap_of_thread();
    for (int i = 0; i < MANY; i++)
        weir__free(p[i]);
    assert_true(most - before >= MANY * 100);
    assert_true(most - before <= MANY * 200);
    assert_int_equal(weir__heap_of_thread(), before);
}

static void *take_big(void *arg)
{
    *(void **)arg = take(BIG);
    return NULL;
}

static void test_the_process_is_counted_over_all_threads(void **state)
{
    (void)state;
    void *p = NULL;
    uint64_t before = weir__heap_allocated();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take_big, &p), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    uint64_t most = weir__heap_allocated();
    weir__free(p);
    uint64_t after = weir__heap_allocated();
    assert_true(most >= before + BIG && most <= before + BIG + SLACK);
    assert_true(after + BIG <= most && after <= before + SLACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_is_counted_to_the_byte),
        cmocka_unit_test(test_the_process_is_counted_over_all_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
