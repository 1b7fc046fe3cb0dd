/*
 * The bucket of tries. Owns its memory and nothing else; the clock is the caller's.
 *
 * The one hard thing is to fill a bucket from two sources, empty it from many threads, and bound
 * what it holds, without a lock and without a shared write for each request. So nothing is filled:
 * `supplied` says how much there has been ever, from counts that only grow and a clock; `spent` is
 * how far that has been used. What is older than the bucket is deep is lost, which is to say that
 * `spent` is taken to be at least `supplied` less the depth. A try moves `spent` on by one
 * compare-and-exchange. (It is the generic cell rate algorithm of ITU-T I.371, with what was
 * supplied in the place of time.)
 *
 * A worker may see another's count a moment late, and clocks differ by a turn of a worker. It then
 * decides as it would have a moment ago: in a span of time all get the burst at most, and what was
 * supplied in the span and in the delay before it; ever, never more than was supplied ever.
 *
 * Limits: 2^53 requests (28 years of ten million a second) and the whole range of the clock, at
 * the largest options, before `supplied` would not fit in 64 bits.
 */
#include "guard/retry_budget.h"

#include "base/alloc.h"

#define TRY 1000 /* thousandths */
#define SECOND_NS 1000000000u

enum { PERCENT_DEFAULT = 20, PER_SECOND_DEFAULT = 10, BURST_DEFAULT = 100 };

static uint64_t given_or(uint32_t given, uint32_t otherwise)
{
    if (given == WEIR__RETRY_NONE)
        return 0;
    return given != 0 ? given : otherwise;
}

struct weir__retry_budget *weir__retry_budget_new(const struct weir__retry_budget_options *o,
                                                  uint32_t workers, weir_time now)
{
    uint64_t percent = given_or(o->percent, PERCENT_DEFAULT);
    uint64_t per_second = given_or(o->per_second, PER_SECOND_DEFAULT);
    uint64_t burst = o->burst != 0 ? o->burst : BURST_DEFAULT;
    WEIR_ASSERT(percent <= 100, "R3: at most one try more for each request");
    WEIR_ASSERT(per_second <= WEIR__RETRY_PER_SECOND_MAX && burst <= WEIR__RETRY_BURST_MAX,
                "R3: amounts fit in 64 bits for the life of a process");
    WEIR_ASSERT(workers > 0, "R4: each worker counts in cells of its own");
    struct weir__retry_budget *b =
        weir__memalign(_Alignof(struct weir__retry_budget), sizeof *b + workers * sizeof b->of[0]);
    if (b == NULL)
        return NULL;
    *b = (struct weir__retry_budget){
        .per_request = percent * TRY / 100,
        .per_second = per_second * TRY,
        .burst = burst * TRY,
        .began = now,
        .workers = workers,
    };
    for (uint32_t i = 0; i < workers; i++)
        b->of[i] = (struct weir__retry_budget_worker){0};
    return b;
}

void weir__retry_budget_free(struct weir__retry_budget *b)
{
    weir__free(b);
}

/* All that there has been: the burst of the start, the minimum of the time since, the share. */
static uint64_t supplied(const struct weir__retry_budget *b, weir_time now)
{
    int64_t since = weir_time_sub(now, b->began).ns;
    uint64_t ns = since > 0 ? (uint64_t)since : 0; /* another worker's clock may be behind */
    uint64_t requests = 0;
    for (uint32_t i = 0; i < b->workers; i++)
        requests += weir__counter_read(&b->of[i].requests);
    uint64_t by_time = ns / SECOND_NS * b->per_second + ns % SECOND_NS * b->per_second / SECOND_NS;
    uint64_t amount = b->burst + by_time + requests * b->per_request;
    WEIR_ASSERT(amount >= by_time, "R3: amounts fit in 64 bits for the life of a process");
    return amount;
}

/* How much of `supply` is used up, or lost because no more can be saved. */
static uint64_t used_up(const struct weir__retry_budget *b, uint64_t supply, uint64_t spent)
{
    WEIR_ASSERT(supply >= b->burst, "R1: the burst is there from the start");
    uint64_t lost = supply - b->burst;
    return spent > lost ? spent : lost;
}

bool weir__retry_budget_take(struct weir__retry_budget *b, uint32_t worker, weir_time now)
{
    WEIR_ASSERT(worker < b->workers, "R4: each worker counts in cells of its own");
    struct weir__retry_budget_worker *mine = &b->of[worker];
    uint64_t supply = supplied(b, now);
    uint64_t spent = atomic_load_explicit(&b->spent, memory_order_relaxed);
    uint64_t next;
    do { /* an exchange that fails was another's try: so often as there are tries in the supply */
        next = used_up(b, supply, spent) + TRY;
        if (next > supply) {
            weir__counter_add(&mine->refused, 1);
            return false;
        }
        WEIR_ASSERT(next > spent, "R2: what is spent only grows");
    } while (!atomic_compare_exchange_strong_explicit(&b->spent, &spent, next, memory_order_relaxed,
                                                      memory_order_relaxed));
    weir__counter_add(&mine->granted, 1);
    return true;
}

void weir__retry_budget_read(const struct weir__retry_budget *b, weir_time now,
                             struct weir__retry_budget_stats *out)
{
    *out = (struct weir__retry_budget_stats){0};
    for (uint32_t i = 0; i < b->workers; i++) {
        out->requests += weir__counter_read(&b->of[i].requests);
        out->granted += weir__counter_read(&b->of[i].granted);
        out->refused += weir__counter_read(&b->of[i].refused);
    }
    uint64_t supply = supplied(b, now);
    uint64_t used = used_up(b, supply, atomic_load_explicit(&b->spent, memory_order_relaxed));
    out->left = supply > used ? (supply - used) / TRY : 0;
    WEIR_ASSERT(out->left <= b->burst / TRY, "R1: no more is left than may be saved");
}
