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

struct weir__arena_chunk;

/* The caller's storage. All fields belong to the functions below. */
struct weir__arena {
    char *at, *end;                  /* free bytes of the current piece */
    struct weir__arena_chunk *chunks; /* newest first */
    size_t bytes_used;               /* given out by chunks and blocks, for the budget */
    size_t bytes_max;
    bool is_over_budget; /* an allocation was refused for the budget */
};

/*
 * An arena that may take `bytes_max` bytes. `first` (may be NULL) is `first_size` bytes of the
 * caller's that are used before any chunk is taken: a request that needs little allocates nothing.
 */
void weir__arena_init(struct weir__arena *a, void *first, size_t first_size, size_t bytes_max);

/* Gives everything back; the arena is as after init without a first piece. */
void weir__arena_fini(struct weir__arena *a);

void *weir__arena_alloc_slow(struct weir__arena *a, size_t size, size_t align);

/* `size` bytes, aligned to `align` (a power of two, at most 4096); not zeroed. NULL: budget or memory. */
static inline void *weir__arena_alloc_aligned(struct weir__arena *a, size_t size, size_t align)
{
    uintptr_t at = ((uintptr_t)a->at + align - 1) & ~(uintptr_t)(align - 1);
    if (WEIR_LIKELY(at <= (uintptr_t)a->end && size <= (uintptr_t)a->end - at)) {
        a->at = (char *)(at + size);
        return (void *)at;
    }
    return weir__arena_alloc_slow(a, size, align);
}

/* The same, aligned for any object. */
static inline void *weir__arena_alloc(struct weir__arena *a, size_t size)
{
    return weir__arena_alloc_aligned(a, size, 16);
}

/* Grows the piece given out last in place where it can, else moves it. `p` may be NULL. */
void *weir__arena_grow(struct weir__arena *a, void *p, size_t old_size, size_t new_size);

/* A copy of `s` with a NUL behind it; the absent string on failure. */
weir_str weir__arena_str(struct weir__arena *a, weir_str s);

/* Bytes of chunks that the calling thread keeps for its next arenas; `trim` frees them. */
size_t weir__arena_cached_bytes(void);
void weir__arena_trim(void);

#endif
