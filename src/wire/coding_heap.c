/*
 * A piece is as large as was asked for and a head that says how large that was: the hooks of both
 * libraries give a pointer back and no size. The heads are a list, so that all can be given back
 * without the library.
 */
#include "wire/coding_heap.h"

#include <errno.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/coding.h"

struct weir__coding_piece {
    _Alignas(max_align_t) size_t size; /* with this head; the piece begins behind it, aligned */
    struct weir__coding_piece *next, **at;
};

static void *refuse(struct weir__coding_heap *h)
{
    if (h->on_refusal != NULL)
        longjmp(*h->on_refusal, 1);
    return NULL;
}

static void link_piece(struct weir__coding_heap *h, struct weir__coding_piece *piece)
{
    piece->at = &h->pieces;
    piece->next = h->pieces;
    if (piece->next != NULL)
        piece->next->at = &piece->next;
    h->pieces = piece;
    h->used += piece->size;
}

static void free_piece(struct weir__coding_heap *h, struct weir__coding_piece *piece)
{
    WEIR_ASSERT(h->used >= piece->size, "W7: what is given back was taken from this heap");
    *piece->at = piece->next;
    if (piece->next != NULL)
        piece->next->at = piece->at;
    h->used -= piece->size;
    weir__free(piece);
}

void *weir__coding_heap_take(void *heap, size_t size)
{
    struct weir__coding_heap *h = heap;
    size_t total;
    if (__builtin_add_overflow(size, sizeof(struct weir__coding_piece), &total))
        return refuse(h);
    if (h->bytes_max != 0 && (total > h->bytes_max || h->used > h->bytes_max - total)) {
        h->is_refused = true;
        return refuse(h);
    }
    struct weir__coding_piece *piece = weir__malloc(total);
    if (piece == NULL)
        return refuse(h);
    piece->size = total;
    link_piece(h, piece);
    return piece + 1;
}

void weir__coding_heap_give(void *heap, void *p)
{
    if (p != NULL)
        free_piece(heap, (struct weir__coding_piece *)p - 1);
}

void weir__coding_heap_drop(struct weir__coding_heap *heap)
{
    while (heap->pieces != NULL)
        free_piece(heap, heap->pieces);
}

void *weir__coding_heap_zlib_take(void *heap, unsigned count, unsigned size)
{
    size_t total;
    if (__builtin_mul_overflow((size_t)count, (size_t)size, &total))
        return NULL;
    return weir__coding_heap_take(heap, total);
}

int weir__coding_heap_error(const struct weir__coding_heap *heap)
{
    return heap->is_refused ? WEIR_CODING_EWINDOW : -ENOMEM;
}
