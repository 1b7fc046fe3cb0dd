/*
 * Structs of programs with other headers. What a program gives lies before a page that cannot be
 * read, so that a byte too many is a fault, also without a sanitizer.
 */
#include "base/sized.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct old {
    size_t size;
    uint64_t a;
};

struct now {
    size_t size;
    uint64_t a, b;
};

struct later {
    size_t size;
    uint64_t a, b, c;
};

/* `size` bytes that end where memory does. */
static void *at_the_edge(const void *bytes, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
    return memcpy(map + page - size, bytes, size);
}

static void give_back(void *bytes, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(munmap((char *)bytes + size - page, 2 * page), 0);
}

/* What the library sees of `given`; the bytes before were others. */
static struct now seen(const void *given, size_t size, bool is_known)
{
    struct now now;
    memset(&now, 0xa5, sizeof now);
    void *edge = at_the_edge(given, size);
    assert_int_equal(weir__sized_options(&now, sizeof now, edge), is_known);
    give_back(edge, size);
    return now;
}

static void same_is_copied(void **state)
{
    (void)state;
    struct now n = seen(&(struct now){sizeof(struct now), 1, 2}, sizeof(struct now), true);
    assert_int_equal(n.size, sizeof(struct now));
    assert_int_equal(n.a, 1);
    assert_int_equal(n.b, 2);
}

static void smaller_is_filled_up(void **state)
{
    (void)state;
    struct now n = seen(&(struct old){sizeof(struct old), 1}, sizeof(struct old), true);
    assert_int_equal(n.size, sizeof(struct now)); /* the library's own from here on */
    assert_int_equal(n.a, 1);
    assert_int_equal(n.b, 0);
}

static void larger_is_taken_when_it_asks_for_nothing_new(void **state)
{
    (void)state;
    struct later later = {sizeof later, 1, 2, 0};
    struct now n = seen(&later, sizeof later, true);
    assert_int_equal(n.a, 1);
    assert_int_equal(n.b, 2);
    for (size_t i = 0; i < sizeof later.c; i++) {
        later.c = (uint64_t)1 << (8 * i); /* whichever byte it is in */
        (void)seen(&later, sizeof later, false);
    }
}

static void no_size_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof size; size++) {
        struct now n = seen(&(struct now){size, 1, 2}, sizeof(struct now), false);
        assert_int_equal(n.a, 0);
        assert_int_equal(n.b, 0);
    }
}

static void entries_have_their_stride(void **state)
{
    (void)state;
    const uint64_t old[3] = {1, 2, 3};
    const char *edge = at_the_edge(old, sizeof old);
    for (size_t i = 0; i < 3; i++) {
        uint64_t entry[2] = {9, 9};
        assert_true(weir__sized_copy(entry, sizeof entry, edge + i * sizeof old[0], sizeof old[0]));
        assert_int_equal(entry[0], old[i]);
        assert_int_equal(entry[1], 0);
    }
    give_back((void *)(uintptr_t)edge, sizeof old);
}

static void results_fill_what_there_is(void **state)
{
    (void)state;
    const uint64_t from[2] = {7, 8};
    uint64_t filled[3] = {9, 9, 9};
    weir__sized_fill(filled, sizeof filled[0], from, sizeof from);
    assert_int_equal(filled[0], 7);
    assert_int_equal(filled[1], 9); /* not the program's to be filled */
    weir__sized_fill(filled, sizeof filled, from, sizeof from);
    assert_int_equal(filled[1], 8);
    assert_int_equal(filled[2], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_is_copied),
        cmocka_unit_test(smaller_is_filled_up),
        cmocka_unit_test(larger_is_taken_when_it_asks_for_nothing_new),
        cmocka_unit_test(no_size_is_refused),
        cmocka_unit_test(entries_have_their_stride),
        cmocka_unit_test(results_fill_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
