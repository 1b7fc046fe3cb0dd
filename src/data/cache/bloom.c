/*
 * The filter of keys that exist. The hash's upper half chooses the line, its lower half all bits
 * in it (double hashing), so a question costs one cache miss.
 *
 * L1: a key's bits stand in one line of those that there are.
 */
#include "data/cache/bloom.h"

#include "base/assert.h"

enum { LINE_BITS = WEIR__BLOOM_WORDS * 64 };

static uint64_t block_count(uint32_t keys)
{
    return ((uint64_t)keys * WEIR__BLOOM_BITS_PER_KEY + LINE_BITS - 1) / LINE_BITS;
}

size_t weir__bloom_bytes(uint32_t keys)
{
    return (size_t)block_count(keys) * LINE_BITS / 8;
}

void weir__bloom_init(struct weir__bloom *b, void *words, uint32_t keys)
{
    b->words = words;
    b->blocks = block_count(keys);
}

static _Atomic uint64_t *line_of(const struct weir__bloom *b, uint64_t hash)
{
    uint64_t block = (hash >> 32) * b->blocks >> 32;
    WEIR_ASSERT(block < b->blocks, "L1: a line is one of those that there are");
    return &b->words[block * WEIR__BLOOM_WORDS];
}

/* The bit's place in the line; the step is odd, so that the bits differ. */
static unsigned place(uint64_t hash, unsigned nth)
{
    uint32_t first = (uint32_t)hash & 0xffff, step = (uint32_t)hash >> 16 | 1;
    return (first + nth * step) % LINE_BITS;
}

void weir__bloom_tell(struct weir__bloom *b, uint64_t hash)
{
    _Atomic uint64_t *line = line_of(b, hash);
    for (unsigned i = 0; i < WEIR__BLOOM_BITS; i++) {
        unsigned at = place(hash, i);
        atomic_fetch_or_explicit(&line[at / 64], UINT64_C(1) << at % 64, memory_order_relaxed);
    }
}

bool weir__bloom_may_have(const struct weir__bloom *b, uint64_t hash)
{
    const _Atomic uint64_t *line = line_of(b, hash);
    for (unsigned i = 0; i < WEIR__BLOOM_BITS; i++) {
        unsigned at = place(hash, i);
        uint64_t word = atomic_load_explicit(&line[at / 64], memory_order_relaxed);
        if ((word >> at % 64 & 1) == 0)
            return false;
    }
    return true;
}

void weir__bloom_clear(struct weir__bloom *b)
{
    for (uint64_t i = 0; i < b->blocks * WEIR__BLOOM_WORDS; i++)
        atomic_store_explicit(&b->words[i], 0, memory_order_relaxed);
}
