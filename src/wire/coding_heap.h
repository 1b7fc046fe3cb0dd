/*
 * The memory of a library that packs or unpacks: taken by the heap's door, counted, and bounded,
 * since it is the peer who says how large a window he has packed with. Not for others than
 * compress_*.c and decompress_*.c.
 */
#ifndef WEIR_WIRE_CODING_HEAP_H
#define WEIR_WIRE_CODING_HEAP_H

#include <stdbool.h>
#include <setjmp.h>
#include <stddef.h>

struct weir__coding_piece;

struct weir__coding_heap {
    size_t used;
    size_t bytes_max; /* 0: as much as there is */
    bool is_refused;  /* something was beyond bytes_max, for which WEIR_CODING_EWINDOW stands */
    struct weir__coding_piece *pieces;
    jmp_buf *on_refusal; /* not NULL: where to go instead of returning NULL */
};

/* As malloc and free; `heap` is a struct weir__coding_heap. Brotli's hooks, as they are. */
void *weir__coding_heap_take(void *heap, size_t size);
void weir__coding_heap_give(void *heap, void *p);

/* zlib's. */
void *weir__coding_heap_zlib_take(void *heap, unsigned count, unsigned size);

/* Gives everything back at once, for a library that was left in the middle. */
void weir__coding_heap_drop(struct weir__coding_heap *heap);

/* The error of a library that has got no memory: WEIR_CODING_EWINDOW, or -ENOMEM. */
int weir__coding_heap_error(const struct weir__coding_heap *heap);

#endif
