/*
 * Asks the allocator. Which one a program has is known when it is linked (a sanitizer's replaces
 * jemalloc, an application may bring neither), so the names are weak; what is not there counts 0.
 * The C library's is not there in a program that is linked -static with jemalloc, which replaces
 * it.
 */
#include "base/heap.h"

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>

int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
    __attribute__((weak));
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));
#pragma weak mallinfo2

/* One of jemalloc's numbers of 64 bits; 0 without jemalloc, or when it was built without them. */
static uint64_t jemalloc_number(const char *name)
{
    uint64_t number = 0;
    size_t size = sizeof number;
    bool is_told = mallctl != NULL && mallctl(name, &number, &size, NULL, 0) == 0;
    return is_told ? number : 0;
}

static struct mallinfo2 of_the_system(void)
{
    return mallinfo2 != NULL ? mallinfo2() : (struct mallinfo2){0};
}

uint64_t weir__heap_allocated(void)
{
    uint64_t epoch = 1;
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    if (mallctl != NULL) /* its numbers stand still until they are taken anew */
        (void)mallctl("epoch", NULL, NULL, &epoch, sizeof epoch);
    struct mallinfo2 system = of_the_system();
    return jemalloc_number("stats.allocated") + system.uordblks + system.hblkhd;
}

int64_t weir__heap_of_thread(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return (int64_t)__sanitizer_get_current_allocated_bytes();
    uint64_t taken = jemalloc_number("thread.allocated");
    uint64_t given = jemalloc_number("thread.deallocated");
    return (int64_t)(taken - given) + (int64_t)of_the_system().uordblks;
}

void weir__heap_decay(void)
{
    /* 4096: of all arenas (MALLCTL_ARENAS_ALL); by its own clock, so as early as it would have. */
    if (mallctl != NULL)
        (void)mallctl("arena.4096.decay", NULL, NULL, NULL, 0);
}
