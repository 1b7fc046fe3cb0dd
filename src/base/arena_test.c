/* Arenas: alignment, budget, growth in place, the cache and its cap, the end of a thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/arena.h"

static void the_first_piece_costs_no_allocation(void **state)
{
    (void)state;
    _Alignas(16) char first[256];
    struct weir__arena a;
    uint64_t before = weir__alloc_stats().allocs;
    weir__arena_init(&a, first, sizeof first, 1 << 20);
    char *p = weir__arena_alloc(&a, 100);
    assert_ptr_equal(p, first);
    assert_int_equal(weir__alloc_stats().allocs, before);
    assert_int_equal(a.bytes_used, 0);
    weir__arena_fini(&a);
    assert_null(a.at);
}

static void every_piece_is_aligned_and_apart(void **state)
{
    (void)state;
    struct weir__arena a;
    weir__arena_init(&a, NULL, 0, 8 << 20);
    char *last = NULL;
    size_t last_size = 0;
    for (size_t i = 0; i < 2000; i++) {
        size_t align = (size_t)1 << (i % 13), size = (i * 37) % 700;
        char *p = weir__arena_alloc_aligned(&a, size, align);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        assert_true(last == NULL || p >= last + last_size || p + size <= last);
        memset(p, (int)i, size);
        last = p;
        last_size = size;
    }
    weir__arena_fini(&a);
    assert_int_equal(a.bytes_used, 0);
}

static void the_budget_refuses_and_is_remembered(void **state)
{
    (void)state;
    struct weir__arena a;
    weir__arena_init(&a, NULL, 0, 10000);
    assert_non_null(weir__arena_alloc(&a, 4000));
    assert_non_null(weir__arena_alloc(&a, 4000));
    assert_false(a.is_over_budget);
    assert_null(weir__arena_alloc(&a, 4000));
    assert_true(a.is_over_budget);
    assert_non_null(weir__arena_alloc(&a, 1500));
    assert_null(weir__arena_alloc(&a, SIZE_MAX));
    assert_null(weir__arena_alloc(&a, SIZE_MAX - 20));
    assert_true(a.bytes_used <= 10000);
    weir__arena_fini(&a);
    assert_false(a.is_over_budget);
}

static void large_pieces_have_blocks_of_their_own(void **state)
{
    (void)state;
    struct weir__arena a;
    weir__arena_init(&a, NULL, 0, 64 << 20);
    char *small = weir__arena_alloc(&a, 10);
    char *big = weir__arena_alloc(&a, 100000);
    memset(big, 1, 100000);
    char *after = weir__arena_alloc(&a, 10);
    assert_ptr_equal(after, small + 16);
    size_t cached = weir__arena_cached_bytes();
    weir__arena_fini(&a);
    assert_int_equal(weir__arena_cached_bytes(), cached + 4096);
}

static void growing_keeps_the_content(void **state)
{
    (void)state;
    struct weir__arena a;
    weir__arena_init(&a, NULL, 0, 64 << 20);
    unsigned char *p = weir__arena_grow(&a, NULL, 0, 16);
    unsigned char *first = p;
    for (size_t size = 16; size < (1 << 20); size *= 2) {
        for (size_t i = size / 2; i < size; i++)
            p[i] = (unsigned char)(i * 7);
        p = weir__arena_grow(&a, p, size, size * 2);
        assert_non_null(p);
        assert_true(size > 1000 || p == first); /* in place while the chunk lasts */
        for (size_t i = 8; i < size; i += 13)
            assert_int_equal(p[i], (unsigned char)(i * 7));
    }
    assert_ptr_equal(weir__arena_grow(&a, p, 100, 50), p);
    weir__arena_fini(&a);
}

static void a_warm_arena_takes_from_the_cache(void **state)
{
    (void)state;
    struct weir__arena a;
    weir__arena_init(&a, NULL, 0, 1 << 20);
    assert_non_null(weir__arena_alloc(&a, 1000));
    weir__arena_fini(&a);
    uint64_t before = weir__alloc_stats().allocs;
    assert_non_null(weir__arena_alloc(&a, 1000));
    weir__arena_fini(&a);
    assert_int_equal(weir__alloc_stats().allocs, before);
}

static void the_cache_is_bounded_and_can_be_trimmed(void **state)
{
    (void)state;
    struct weir__arena a;
    weir__arena_init(&a, NULL, 0, 64 << 20);
    for (int i = 0; i < 1000; i++)
        assert_non_null(weir__arena_alloc(&a, 30000));
    weir__arena_fini(&a);
    assert_true(weir__arena_cached_bytes() > 0);
    assert_true(weir__arena_cached_bytes() <= WEIR__ARENA_CACHE_BYTES_MAX);
    weir__arena_trim();
    assert_int_equal(weir__arena_cached_bytes(), 0);
}

static void a_failed_allocation_is_no_budget_error(void **state)
{
    (void)state;
    weir__arena_trim();
    struct weir__arena a;
    weir__arena_init(&a, NULL, 0, 1 << 20);
    weir__alloc_fail_nth(1);
    assert_null(weir__arena_alloc(&a, 10));
    assert_false(a.is_over_budget);
    assert_int_equal(a.bytes_used, 0);
    assert_non_null(weir__arena_alloc(&a, 10));
    weir__arena_fini(&a);
}

static void strings_end_in_nul(void **state)
{
    (void)state;
    struct weir__arena a;
    weir__arena_init(&a, NULL, 0, 1 << 20);
    weir_str s = weir__arena_str(&a, WEIR_S("weir"));
    assert_string_equal(s.ptr, "weir");
    s = weir__arena_str(&a, (weir_str){0});
    assert_string_equal(s.ptr, "");
    s = weir__arena_printf(&a, "%s=%d", "n", 12);
    assert_string_equal(s.ptr, "n=12");
    s = weir__arena_printf(&a, "%600d", 5);
    assert_int_equal(s.len, 600);
    assert_int_equal(s.ptr[600], 0);
    weir__arena_fini(&a);
    weir__arena_init(&a, NULL, 0, 0);
    assert_null(weir__arena_str(&a, WEIR_S("weir")).ptr);
    weir__arena_fini(&a);
}

static void *fill_and_end(void *arg)
{
    uint64_t *frees = arg;
    struct weir__arena a;
    weir__arena_init(&a, NULL, 0, 1 << 20);
    (void)weir__arena_alloc(&a, 3000);
    (void)weir__arena_alloc(&a, 9000);
    weir__arena_fini(&a);
    *frees = weir__arena_cached_bytes();
    return NULL;
}

static void a_thread_that_ends_trims(void **state)
{
    (void)state; /* the leak sanitizer is what would notice */
    pthread_t t;
    uint64_t cached = 0;
    assert_int_equal(pthread_create(&t, NULL, fill_and_end, &cached), 0);
    pthread_join(t, NULL);
    assert_int_equal(cached, 4096 + 16384);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_piece_costs_no_allocation),
        cmocka_unit_test(every_piece_is_aligned_and_apart),
        cmocka_unit_test(the_budget_refuses_and_is_remembered),
        cmocka_unit_test(large_pieces_have_blocks_of_their_own),
        cmocka_unit_test(growing_keeps_the_content),
        cmocka_unit_test(a_warm_arena_takes_from_the_cache),
        cmocka_unit_test(the_cache_is_bounded_and_can_be_trimmed),
        cmocka_unit_test(a_failed_allocation_is_no_budget_error),
        cmocka_unit_test(strings_end_in_nul),
        cmocka_unit_test(a_thread_that_ends_trims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
