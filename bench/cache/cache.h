/*
 * What the parts of `cache` share: the policies that S3-FIFO is held against, and the loads.
 */
#ifndef WEIR_BENCH_CACHE_H
#define WEIR_BENCH_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "data/cache/policy.h"

extern const struct weir__cache_policy lru_policy, sieve_policy, tinylfu_policy;

/* Keys that are asked for, one behind the other: numbers from 0 to `keys`. */
struct load {
    char name[40];
    uint32_t *asked;
    size_t count;
    uint32_t keys; /* different ones */
    uint32_t size; /* entries of the caches that it is for; 0: as they come */
};

/* A generated one: the same in each run. Its number from 0 on; false: there is none. */
int load_make(struct load *l, unsigned number);

/* The first word of each line of a file is a key. Ends the program when it cannot be read. */
void load_read(struct load *l, const char *path);

void load_free(struct load *l);

#endif
