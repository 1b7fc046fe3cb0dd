/*
 * The keys that exist, as bits: a question about one that was never told is answered "no" without
 * the database, but for about one in a hundred; one that was told is never denied. Any thread, at
 * any time; telling is an atomic "or" of each bit.
 *
 * A blocked Bloom filter (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters,
 * 2007): all bits of a key stand in one cache line.
 */
#ifndef WEIR_DATA_CACHE_BLOOM_H
#define WEIR_DATA_CACHE_BLOOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEIR__BLOOM_BITS = 7, WEIR__BLOOM_BITS_PER_KEY = 12, WEIR__BLOOM_WORDS = 8 };

struct weir__bloom {
    _Atomic uint64_t *words; /* NULL: there is none */
    uint64_t blocks;         /* of WEIR__BLOOM_WORDS words */
};

/* Bytes of one for so many keys. */
size_t weir__bloom_bytes(uint32_t keys);

/* `words` is zeroed memory of so many bytes, aligned to 64; the caller's. */
void weir__bloom_init(struct weir__bloom *b, void *words, uint32_t keys);

void weir__bloom_tell(struct weir__bloom *b, uint64_t hash);
bool weir__bloom_may_have(const struct weir__bloom *b, uint64_t hash);

/* Nothing was told. What is told meanwhile may be lost. */
void weir__bloom_clear(struct weir__bloom *b);

#endif
