/*
 * Arenas: memory that is freed all at once. A bump pointer in a chunk; when it is full, another
 * chunk from the thread's cache; a large piece has a block of its own. Budgeted: past `bytes_max`
 * an allocation returns NULL and the arena remembers that it refused.
 */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/api.h>
#include <weir/str.h>

#include "base/sanitizer.h"

struct weir__arena_chunk;

/* The caller's storage. All fields belong to the functions below. */
struct weir__arena {
    char *at, *end;                   /* free bytes of the current piece */
    struct weir__arena_chunk *chunks; /* newest first */
    size_t bytes_used;                /* given out by chunks and blocks, for the budget */
    size_t bytes_max;
    struct weir__arena *outer; /* charged for all of this one's bytes as well; NULL: none */
    bool is_over_budget;       /* an allocation was refused for the budget */
};

/*
 * An arena that may take `bytes_max` bytes. `first` (may be NULL) is `first_size` bytes of the
 * caller's that are used before any chunk is taken: a request that needs little allocates nothing.
 */
void weir__arena_init(struct weir__arena *a, void *first, size_t first_size, size_t bytes_max);

void weir__arena_fini_slow(struct weir__arena *a);

/* Gives everything back; the arena is as after init without a first piece. A zeroed one is fine. */
static inline void weir__arena_fini(struct weir__arena *a)
{
    if (WEIR_UNLIKELY(a->chunks != NULL))
        weir__arena_fini_slow(a);
    a->at = a->end = NULL;
    a->is_over_budget = false;
}

void *weir__arena_alloc_slow(struct weir__arena *a, size_t size, size_t align);

/*
 * `size` bytes, aligned to `align` (a power of two, at most 4096); not zeroed. NULL: budget or
 * memory.
 */
static inline void *weir__arena_alloc_aligned(struct weir__arena *a, size_t size, size_t align)
{
    uintptr_t at = ((uintptr_t)a->at + align - 1) & ~(uintptr_t)(align - 1);
    if (WEIR_LIKELY(at < (uintptr_t)a->end && size <= (uintptr_t)a->end - at)) {
        a->at = (char *)(at + size);
        weir__unpoison((const void *)at, size);
        return (void *)at;
    }
    return weir__arena_alloc_slow(a, size, align);
}

/* The same, aligned for any object. */
static inline void *weir__arena_alloc(struct weir__arena *a, size_t size)
{
    return weir__arena_alloc_aligned(a, size, 16);
}

/*
 * Grows a piece, in place where it can (the piece given out last, the latest large block), else by
 * a copy. `p` may be NULL. On failure NULL; the old piece stays valid.
 */
void *weir__arena_grow(struct weir__arena *a, void *p, size_t old_size, size_t new_size);

/* Bytes that it may still take: the least of its own budget and those around it. */
size_t weir__arena_left(const struct weir__arena *a);

/* A copy of `s` with a NUL behind it; the absent string on failure. */
weir_str weir__arena_str(struct weir__arena *a, weir_str s);

/* Text made as by printf, with a NUL behind it; the absent string on failure. */
weir_str weir__arena_printf(struct weir__arena *a, const char *format, ...) WEIR_PRINTF(2, 3);

/* The bytes of its `nth` piece, and where that is; 0: it has no more. */
size_t weir__arena_piece(const struct weir__arena *a, size_t nth, const void **at);

/*
 * Bytes of chunks that the calling thread keeps for its next arenas, at most
 * WEIR__ARENA_CACHE_BYTES_MAX; `trim` frees them. A thread that ends trims by itself.
 */
#define WEIR__ARENA_CACHE_BYTES_MAX ((size_t)2 << 20)
size_t weir__arena_cached_bytes(void);
void weir__arena_trim(void);

/*
 * For tests: while `on`, each piece that the calling thread takes has a block of its own, so that
 * each can be made to fail (weir__alloc_fail_nth), and each use past its end is seen.
 */
void weir__arena_single(bool on);

#endif
