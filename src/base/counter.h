/*
 * Counters, gauges and latency histograms: plain values that any room can count in, without
 * knowing who reads them. Each exists in two ways of writing:
 *
 *   one writer     (no suffix)  a relaxed load and a relaxed store: the price of a plain increment;
 *                               only the owning thread writes, any thread may read at any time
 *   many writers   (_shared)    a relaxed atomic read-modify-write
 *
 * A reader sees each single number whole, but not two of them at one instant.
 *
 * The histogram's buckets are base-2 exponential, as OpenTelemetry's are at scale 3: their ends are
 * the powers of 2^(1/8), so a bucket is at most 9.1 % wide, and every eighth ends at a power of
 * two, its end included. A coarser histogram (scale 0, Prometheus' `le` at powers of two) is had by
 * adding neighbours, without a guess. Values are whole: nanoseconds, bytes, items, up to 2^42 (73
 * minutes); larger ones count in the last bucket, which has no end.
 */
#ifndef WEIR_BASE_COUNTER_H
#define WEIR_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir__counter {
    _Atomic uint64_t n;
};

static inline uint64_t weir__counter_read(const struct weir__counter *c)
{
    return atomic_load_explicit(&c->n, memory_order_relaxed);
}

static inline void weir__counter_add(struct weir__counter *c, uint64_t n)
{
    atomic_store_explicit(&c->n, weir__counter_read(c) + n, memory_order_relaxed);
}

static inline void weir__counter_add_shared(struct weir__counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->n, n, memory_order_relaxed);
}

/* A gauge goes up and down. Spread over threads, each part may be below zero; the sum is right. */
struct weir__gauge {
    _Atomic int64_t n;
};

static inline int64_t weir__gauge_read(const struct weir__gauge *g)
{
    return atomic_load_explicit(&g->n, memory_order_relaxed);
}

static inline void weir__gauge_set(struct weir__gauge *g, int64_t n)
{
    atomic_store_explicit(&g->n, n, memory_order_relaxed);
}

static inline void weir__gauge_add(struct weir__gauge *g, int64_t n)
{
    weir__gauge_set(g, weir__gauge_read(g) + n);
}

static inline void weir__gauge_add_shared(struct weir__gauge *g, int64_t n)
{
    atomic_fetch_add_explicit(&g->n, n, memory_order_relaxed);
}

enum {
    WEIR__HISTO_SCALE = 3,    /* 2^3 buckets for every power of two */
    WEIR__HISTO_OCTAVES = 42, /* the last one ends at 2^42 */
    /* one for 0, one for 1, those of the octaves, one for what is larger */
    WEIR__HISTO_BUCKETS = 2 + (WEIR__HISTO_OCTAVES << WEIR__HISTO_SCALE) + 1
};

struct weir__histo {
    _Atomic uint64_t buckets[WEIR__HISTO_BUCKETS];
    _Atomic uint64_t sum; /* of the recorded values */
    _Atomic uint64_t max;
};

/* Where the buckets of an octave begin: 2^(63 + i/8), rounded up; past the last one nothing is. */
extern const uint64_t weir__histo_steps[(1 << WEIR__HISTO_SCALE) + 1];

/* The bucket that counts `value`. */
static inline size_t weir__histo_bucket(uint64_t value)
{
    if (value <= 1)
        return (size_t)value;
    unsigned top = 63u - (unsigned)__builtin_clzll(value);
    if (value > (uint64_t)1 << WEIR__HISTO_OCTAVES)
        return WEIR__HISTO_BUCKETS - 1;
    /* Steps that were equally wide would be passed sooner, and by less than one. */
    uint64_t shifted = value << (63 - top);
    size_t linear = (size_t)(shifted >> (63 - WEIR__HISTO_SCALE)) & ((1u << WEIR__HISTO_SCALE) - 1);
    size_t step = linear + (shifted >= weir__histo_steps[linear + 1]);
    bool is_end = (value & (value - 1)) == 0; /* a power of two ends a bucket, it begins none */
    return 2 + ((size_t)top << WEIR__HISTO_SCALE) + step - is_end;
}

/* The largest value that bucket `i` counts (but for the last one, which has no end). */
static inline uint64_t weir__histo_bucket_max(size_t i)
{
    if (i <= 1)
        return i;
    size_t octave = (i - 2) >> WEIR__HISTO_SCALE, step = (i - 2) & ((1u << WEIR__HISTO_SCALE) - 1);
    if (step == (1u << WEIR__HISTO_SCALE) - 1)
        return (uint64_t)2 << octave;
    return (weir__histo_steps[step + 1] - 1) >> (63 - octave);
}

static inline void weir__atomic_bump(_Atomic uint64_t *n, uint64_t by)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* Counts one value. Only the owning thread. */
static inline void weir__histo_record(struct weir__histo *h, uint64_t value)
{
    weir__atomic_bump(&h->buckets[weir__histo_bucket(value)], 1);
    weir__atomic_bump(&h->sum, value);
    if (__builtin_expect(value > atomic_load_explicit(&h->max, memory_order_relaxed), 0))
        atomic_store_explicit(&h->max, value, memory_order_relaxed);
}

/* The same from any thread. */
static inline void weir__histo_record_shared(struct weir__histo *h, uint64_t value)
{
    atomic_fetch_add_explicit(&h->buckets[weir__histo_bucket(value)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);
    while (value > max && !atomic_compare_exchange_weak_explicit(
                              &h->max, &max, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* Adds what `from` has counted to `into`, which the calling thread owns. */
void weir__histo_merge(struct weir__histo *into, const struct weir__histo *from);

/* Number of values recorded. */
uint64_t weir__histo_count(const struct weir__histo *h);

/* Number of values recorded in buckets that end at or below `bound`: a Prometheus `le` line. */
uint64_t weir__histo_count_to(const struct weir__histo *h, uint64_t bound);

/* A value such that the share `q` (0 to 1) of all values is not above it; 0 when there is none. */
uint64_t weir__histo_quantile(const struct weir__histo *h, double q);

#endif
