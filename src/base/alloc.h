/*
 * The one door to the heap. Everything that Weir allocates passes here, so that the number of live
 * objects is known and a test can let the n-th allocation of a thread fail.
 */
#ifndef WEIR_BASE_ALLOC_H
#define WEIR_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/api.h>

/*
 * As malloc, calloc, realloc and free. NULL means "out of memory" (or a planned failure); errno is
 * ENOMEM then.
 */
void *weir__malloc(size_t size) __attribute__((malloc, alloc_size(1)));
void *weir__calloc(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2)));
void *weir__realloc(void *p, size_t size) __attribute__((alloc_size(2)));
void weir__free(void *p);

/* `size` bytes aligned to `align` (a power of two). Freed by weir__free. */
void *weir__memalign(size_t align, size_t size) __attribute__((malloc, alloc_size(2)));

/* Counts of the calling thread. */
struct weir__alloc_stats {
    uint64_t allocs; /* calls that took memory: malloc, calloc, realloc of NULL, memalign */
    uint64_t frees;  /* calls of free with something to free */
};
struct weir__alloc_stats weir__alloc_stats(void);

/* The calling thread's `nth` next allocation fails (1 is the very next); 0 switches that off. */
void weir__alloc_fail_nth(uint64_t nth);

/*
 * Asked before a library allocates by a door of its own. True: this is the allocation that was
 * planned to fail, and the caller does as if the library had found no memory. What the library
 * takes is not counted.
 */
bool weir__alloc_pretend(void);

/*
 * From now on `told` hears of the calling thread's planned failure when it happens; NULL: nobody.
 */
void weir__alloc_tell_planned(void (*told)(size_t size));

#endif
