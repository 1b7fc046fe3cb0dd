/*
 * Numbers for spreading things: waits, choices among equals. The same seed gives the same numbers,
 * so what is spread with them can be run again. Not for secrets: who has seen one of them knows
 * all that follow.
 *
 * SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014):
 * eight bytes of state, no bad seed, and seeds beside each other (those of workers) give numbers
 * that have nothing to do with each other. A generator belongs to one thread at a time.
 */
#ifndef WEIR_BASE_RANDOM_H
#define WEIR_BASE_RANDOM_H

#include <stdint.h>

struct weir__random {
    uint64_t state; /* at first the seed, any number */
};

/* The next number: each of the 2^64 comes once before any comes again. */
static inline uint64_t weir__random_next(struct weir__random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/*
 * A number from 0 to `max`, each as likely as any other: as many bits as `max` has, drawn anew
 * while they say more. At least every second draw serves on average, and each number comes within
 * the period, so the loop ends.
 */
static inline uint64_t weir__random_upto(struct weir__random *r, uint64_t max)
{
    if (max == 0)
        return 0;
    int unused = __builtin_clzll(max);
    uint64_t n = weir__random_next(r) >> unused;
    while (n > max)
        n = weir__random_next(r) >> unused;
    return n;
}

#endif
