/*
 * Reading histograms: merging, counting, quantiles. Runs on the admin thread while workers write;
 * each bucket is read once, so a count is never below what it was at the start of the reading.
 */
#include "base/counter.h"

const uint64_t weir__histo_steps[] = {
    0x8000000000000000, 0x8b95c1e3ea8bd6e7, 0x9837f0518db8a970,
    0xa5fed6a9b15138eb, 0xb504f333f9de6485, 0xc5672a115506dade,
    0xd744fccad69d6af5, 0xeac0c6e7dd24392f, UINT64_MAX,
};

static uint64_t read_u64(const _Atomic uint64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

void weir__histo_merge(struct weir__histo *into, const struct weir__histo *from)
{
    for (size_t i = 0; i < WEIR__HISTO_BUCKETS; i++)
        weir__atomic_bump(&into->buckets[i], read_u64(&from->buckets[i]));
    weir__atomic_bump(&into->sum, read_u64(&from->sum));
    uint64_t max = read_u64(&from->max);
    if (max > read_u64(&into->max))
        atomic_store_explicit(&into->max, max, memory_order_relaxed);
}

uint64_t weir__histo_count(const struct weir__histo *h)
{
    uint64_t count = 0;
    for (size_t i = 0; i < WEIR__HISTO_BUCKETS; i++)
        count += read_u64(&h->buckets[i]);
    return count;
}

uint64_t weir__histo_count_to(const struct weir__histo *h, uint64_t bound)
{
    uint64_t count = 0;
    for (size_t i = 0; i < WEIR__HISTO_BUCKETS && weir__histo_bucket_max(i) <= bound; i++)
        count += read_u64(&h->buckets[i]);
    return count;
}

uint64_t weir__histo_quantile(const struct weir__histo *h, double q)
{
    uint64_t count = weir__histo_count(h), max = read_u64(&h->max);
    double rank = q * (double)count;
    uint64_t below = 0;

    for (size_t i = 0; i < WEIR__HISTO_BUCKETS - 1 && count != 0; i++) {
        below += read_u64(&h->buckets[i]);
        if (below != 0 && (double)below >= rank) {
            uint64_t end = weir__histo_bucket_max(i);
            return end < max ? end : max;
        }
    }
    return max;
}
