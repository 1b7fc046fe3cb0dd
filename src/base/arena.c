/*
 * Arenas: chunks of 4, 16 and then 64 KiB, cached per thread, and a block of its own for each piece
 * over 32 KiB. Both stand on one list, newest first; a block is freed, a chunk goes back to the
 * cache of the thread that ends the arena (not always the one that took it; both are plain heap).
 *
 * The hard thing is to find use after the end: under AddressSanitizer the free tail of a chunk and
 * every cached chunk are poisoned, so a stale pointer into an ended arena is reported although the
 * memory was never freed. While the trap is on (trap.h) chunks and blocks come from there.
 *
 * The cache is bounded by WEIR__ARENA_CACHE_BYTES_MAX and freed when its thread ends.
 */
#include "base/arena.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/trap.h"

struct weir__arena_chunk {
    struct weir__arena_chunk *next;
    size_t size; /* bytes, this header among them */
};

enum { CLASSES = 3, PIECE_MAX = 32 * 1024, HEAD = sizeof(struct weir__arena_chunk) };

static const size_t class_size[CLASSES] = {4096, 16384, 65536};

static _Thread_local struct {
    struct weir__arena_chunk *free[CLASSES];
    size_t bytes;
    bool is_registered; /* the thread's end will trim */
} cache;

static _Thread_local bool is_single; /* each piece has a block of its own */

static pthread_key_t trim_key;
static pthread_once_t trim_once = PTHREAD_ONCE_INIT;

static void trim_at_thread_end(void *unused)
{
    (void)unused;
    weir__arena_trim();
}

static void make_trim_key(void)
{
    int rc = pthread_key_create(&trim_key, trim_at_thread_end);
    WEIR_ASSERT(rc == 0, "a key for the arena cache can be made");
}

static int class_of(size_t size)
{
    for (int i = 0; i < CLASSES; i++)
        if (class_size[i] == size)
            return i;
    return -1;
}

static struct weir__arena_chunk *chunk_take(size_t size)
{
    int tier = class_of(size);
    struct weir__arena_chunk *chunk = tier >= 0 ? cache.free[tier] : NULL;
    if (WEIR_UNLIKELY(weir__trap_is_on) && (chunk = weir__trap_take(size)) != NULL) {
        chunk->size = size;
        return chunk;
    }
    if (chunk != NULL) {
        weir__unpoison(chunk, HEAD);
        cache.free[tier] = chunk->next;
        cache.bytes -= size;
        return chunk;
    }
    chunk = weir__malloc(size);
    if (chunk != NULL)
        chunk->size = size;
    return chunk;
}

static void chunk_free(struct weir__arena_chunk *chunk)
{
    weir__unpoison(chunk, chunk->size);
    if (WEIR_UNLIKELY(weir__trap_holds(chunk)))
        weir__trap_give(chunk, chunk->size);
    else
        weir__free(chunk);
}

static void chunk_give(struct weir__arena_chunk *chunk)
{
    int tier = class_of(chunk->size);
    /* No cache where memory is watched: uses after the end show, and nothing points to leaks. */
    if (tier < 0 || weir__trap_is_on || weir__is_watched ||
        cache.bytes + chunk->size > WEIR__ARENA_CACHE_BYTES_MAX) {
        chunk_free(chunk);
        return;
    }
    if (WEIR_UNLIKELY(!cache.is_registered)) {
        pthread_once(&trim_once, make_trim_key);
        cache.is_registered = pthread_setspecific(trim_key, &cache) == 0;
    }
    chunk->next = cache.free[tier];
    cache.free[tier] = chunk;
    cache.bytes += chunk->size;
    weir__poison(chunk, chunk->size);
}

void weir__arena_init(struct weir__arena *a, void *first, size_t first_size, size_t bytes_max)
{
    *a = (struct weir__arena){.at = first, .end = first, .bytes_max = bytes_max};
    if (first != NULL)
        a->end = (char *)first + first_size;
}

void weir__arena_fini_slow(struct weir__arena *a)
{
    for (struct weir__arena_chunk *next, *chunk = a->chunks; chunk != NULL; chunk = next) {
        next = chunk->next;
        chunk_give(chunk);
    }
    for (struct weir__arena *o = a->outer; o != NULL; o = o->outer)
        o->bytes_used -= a->bytes_used;
    a->chunks = NULL;
    a->bytes_used = 0;
}

/* Its own budget, and those of the arenas around it. */
static bool fits_budget(const struct weir__arena *a, size_t size)
{
    for (; a != NULL; a = a->outer) {
        if (a->bytes_used > a->bytes_max || size > a->bytes_max - a->bytes_used)
            return false;
    }
    return true;
}

size_t weir__arena_left(const struct weir__arena *a)
{
    size_t left = SIZE_MAX;
    for (; a != NULL; a = a->outer) {
        size_t here = a->bytes_used < a->bytes_max ? a->bytes_max - a->bytes_used : 0;
        left = here < left ? here : left;
    }
    return left;
}

static void charge(struct weir__arena *a, size_t size)
{
    for (; a != NULL; a = a->outer)
        a->bytes_used += size;
}

/* The size of the next chunk; 0 when no chunk that holds `need` is within the budget. */
static size_t next_chunk_size(const struct weir__arena *a, size_t need)
{
    int tier = a->bytes_used == 0 ? 0 : a->bytes_used <= class_size[0] ? 1 : 2;
    while (tier < CLASSES - 1 && class_size[tier] - HEAD < need)
        tier++;
    while (tier > 0 && !fits_budget(a, class_size[tier]) && class_size[tier - 1] - HEAD >= need)
        tier--;
    return fits_budget(a, class_size[tier]) ? class_size[tier] : 0;
}

static struct weir__arena_chunk *add_chunk(struct weir__arena *a, size_t size)
{
    if (!fits_budget(a, size)) {
        a->is_over_budget = true;
        return NULL;
    }
    struct weir__arena_chunk *chunk = chunk_take(size);
    if (chunk == NULL)
        return NULL;
    chunk->next = a->chunks;
    a->chunks = chunk;
    charge(a, size);
    return chunk;
}

static void *align_up(char *p, size_t align)
{
    return (void *)(((uintptr_t)p + align - 1) & ~(uintptr_t)(align - 1));
}

void *weir__arena_alloc_slow(struct weir__arena *a, size_t size, size_t align)
{
    size_t need; /* chunks are aligned to 16 */
    if (__builtin_add_overflow(size, align > 16 ? align - 1 : 0, &need) ||
        need > SIZE_MAX - 2 * (size_t)HEAD) {
        a->is_over_budget = true;
        return NULL;
    }
    bool is_in_chunk = need <= PIECE_MAX && WEIR_LIKELY(!is_single && !weir__is_watched);
    size_t chunk_size = is_in_chunk ? next_chunk_size(a, need) : 0;
    if (chunk_size == 0) {
        struct weir__arena_chunk *block = add_chunk(a, need + HEAD);
        return block != NULL ? align_up((char *)block + HEAD, align) : NULL;
    }
    struct weir__arena_chunk *chunk = add_chunk(a, chunk_size);
    if (chunk == NULL)
        return NULL;
    a->at = (char *)chunk + HEAD;
    a->end = (char *)chunk + chunk_size;
    weir__poison(a->at, chunk_size - HEAD);
    char *p = align_up(a->at, align);
    a->at = p + size;
    weir__unpoison(p, size);
    return p;
}

/* True when `p` is the whole of the latest block; a chunk in use ends where the free bytes end. */
static bool is_latest_block(const struct weir__arena *a, const void *p)
{
    const struct weir__arena_chunk *head = a->chunks;
    return head != NULL && (const char *)p == (const char *)head + HEAD &&
           a->end != (const char *)head + head->size && class_of(head->size) < 0;
}

/* A block of another size in its place; NULL: it stays as it is. */
static struct weir__arena_chunk *resize(struct weir__arena_chunk *block, size_t size)
{
    if (WEIR_LIKELY(!weir__trap_holds(block)))
        return weir__realloc(block, size);
    struct weir__arena_chunk *moved = weir__trap_take(size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, block->size);
    weir__trap_give(block, block->size);
    return moved;
}

static void *grow_block(struct weir__arena *a, size_t new_size)
{
    struct weir__arena_chunk *head = a->chunks;
    size_t size = new_size + HEAD;
    if (size <= head->size)
        return (char *)head + HEAD;
    if (!fits_budget(a, size - head->size)) {
        a->is_over_budget = true;
        return NULL;
    }
    size_t old = head->size;
    head = resize(head, size);
    if (head == NULL)
        return NULL;
    head->size = size;
    a->chunks = head;
    charge(a, size - old);
    return (char *)head + HEAD;
}

void *weir__arena_grow(struct weir__arena *a, void *p, size_t old_size, size_t new_size)
{
    if (p == NULL)
        return weir__arena_alloc(a, new_size);
    if (new_size <= old_size)
        return p;
    if ((char *)p + old_size == a->at && new_size - old_size <= (size_t)(a->end - a->at)) {
        weir__unpoison(a->at, new_size - old_size);
        a->at += new_size - old_size;
        return p;
    }
    if (new_size > PIECE_MAX && new_size < SIZE_MAX - HEAD && is_latest_block(a, p))
        return grow_block(a, new_size);
    void *moved = weir__arena_alloc(a, new_size);
    if (moved != NULL)
        memcpy(moved, p, old_size);
    return moved;
}

weir_str weir__arena_str(struct weir__arena *a, weir_str s)
{
    char *p = s.len < SIZE_MAX ? weir__arena_alloc_aligned(a, s.len + 1, 1) : NULL;
    if (p == NULL)
        return (weir_str){0};
    if (s.len != 0)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return (weir_str){p, s.len};
}

weir_str weir__arena_printf(struct weir__arena *a, const char *format, ...)
{
    va_list args, again;
    char probe[256];
    weir_str text = {0};

    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(probe, sizeof probe, format, args);
    if (n >= 0 && (size_t)n < sizeof probe) {
        text = weir__arena_str(a, (weir_str){probe, (size_t)n});
    } else if (n >= 0) {
        char *p = weir__arena_alloc_aligned(a, (size_t)n + 1, 1);
        if (p != NULL) {
            vsnprintf(p, (size_t)n + 1, format, again);
            text = (weir_str){p, (size_t)n};
        }
    }
    va_end(again);
    va_end(args);
    return text;
}

size_t weir__arena_piece(const struct weir__arena *a, size_t nth, const void **at)
{
    for (const struct weir__arena_chunk *chunk = a->chunks; chunk != NULL; chunk = chunk->next) {
        if (nth-- == 0) {
            *at = chunk;
            return chunk->size;
        }
    }
    return 0;
}

size_t weir__arena_cached_bytes(void)
{
    return cache.bytes;
}

void weir__arena_trim(void)
{
    for (int tier = 0; tier < CLASSES; tier++) {
        while (cache.free[tier] != NULL) {
            struct weir__arena_chunk *chunk = cache.free[tier];
            weir__unpoison(chunk, HEAD);
            cache.free[tier] = chunk->next;
            chunk_free(chunk);
        }
    }
    cache.bytes = 0;
}

void weir__arena_single(bool on)
{
    is_single = on;
}
