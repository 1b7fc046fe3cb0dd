/*
 * Cells: each thread adds to its own, the sum is of all, also of those that are over; what there is
 * no room or memory for is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cells.h"
#include "base/counter.h"

static uint32_t cell;

static void add(uint64_t n)
{
    _Atomic uint64_t *mine = weir__cell_make(cell);
    assert_non_null(mine);
    weir__atomic_bump(mine, n);
}

static void *add_many(void *arg)
{
    (void)arg;
    weir__cells_enter();
    weir__cells_enter();
    for (int i = 0; i < 20000; i++)
        add(1);
    weir__cells_leave();
    weir__cells_leave();
    return NULL;
}

static void the_sum_is_of_all_threads_that_were(void **state)
{
    (void)state;
    cell = weir__cell_new();
    assert_true(cell != 0);
    for (int round = 0; round < 2; round++) { /* the second round's threads take over places */
        pthread_t t[3];
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&t[i], NULL, add_many, NULL), 0);
        uint64_t last = 0;
        for (int i = 0; i < 1000; i++) {
            uint64_t now = weir__cell_sum(cell);
            assert_true(now >= last);
            last = now;
        }
        for (int i = 0; i < 3; i++)
            pthread_join(t[i], NULL);
    }
    assert_int_equal(weir__cell_sum(cell), 6 * 20000);
}

static void a_thread_without_cells_has_no_part(void **state)
{
    (void)state;
    assert_null(weir__cell_of(cell));
    assert_null(weir__cell_make(cell));
    weir__cells_enter();
    add(1);
    assert_non_null(weir__cell_of(cell));
    assert_null(weir__cell_make(0));
    weir__cells_leave();
    assert_null(weir__cell_of(cell));
}

static void a_page_needs_memory(void **state)
{
    (void)state;
    weir__cells_enter();
    uint32_t far = weir__cell_new();
    while (far % WEIR__CELLS_A_PAGE != 0) /* the first of a page that is not there */
        far = weir__cell_new();
    weir__alloc_fail_nth(1);
    assert_null(weir__cell_make(far));
    weir__alloc_fail_nth(0);
    assert_non_null(weir__cell_make(far));
    weir__cells_leave();
}

static void *take_and_wait(void *arg)
{
    weir__cells_enter();
    bool has = weir__cells_mine != NULL;
    pthread_barrier_wait(arg);
    pthread_barrier_wait(arg);
    weir__cells_leave();
    return has ? arg : NULL;
}

static void one_thread_too_many_goes_without(void **state)
{
    (void)state;
    pthread_barrier_t all;
    pthread_t t[WEIR__CELLS_THREADS];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 << 10);
    pthread_barrier_init(&all, NULL, WEIR__CELLS_THREADS + 1);
    for (int i = 0; i < WEIR__CELLS_THREADS; i++)
        assert_int_equal(pthread_create(&t[i], &small, take_and_wait, &all), 0);
    pthread_barrier_wait(&all);
    weir__cells_enter();
    assert_null(weir__cells_mine);
    pthread_barrier_wait(&all);
    for (int i = 0; i < WEIR__CELLS_THREADS; i++) {
        void *had;
        pthread_join(t[i], &had);
        assert_ptr_equal(had, &all);
    }
    weir__cells_enter();
    assert_non_null(weir__cells_mine);
    weir__cells_leave();
    pthread_barrier_destroy(&all);
    pthread_attr_destroy(&small);
}

/* The last: none is left after it. */
static void cells_end(void **state)
{
    (void)state;
    uint32_t last = 0, given = 0;
    for (uint32_t c = weir__cell_new(); c != 0; c = weir__cell_new(), given++) {
        assert_true(c > last);
        last = c;
    }
    assert_in_range(given, 1, WEIR__CELLS_A_PAGE * WEIR__CELLS_PAGES);
    assert_int_equal(last, WEIR__CELLS_A_PAGE * WEIR__CELLS_PAGES - 1);
    assert_int_equal(weir__cell_new(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sum_is_of_all_threads_that_were),
        cmocka_unit_test(a_thread_without_cells_has_no_part),
        cmocka_unit_test(a_page_needs_memory),
        cmocka_unit_test(one_thread_too_many_goes_without),
        cmocka_unit_test(cells_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
