/*
 * Health by thresholds. Owns nothing, waits for nothing: two words that all may read.
 *
 * The hard thing is that calls of all workers and the prober may take a target out in one moment.
 * It goes down by a compare-and-exchange of `up_since`, so one of them says so; only the prober,
 * who is alone, brings it back.
 */
#include "guard/health.h"

#include "base/assert.h"

#define DAY_NS 86400000000000
#define DOWN INT64_MAX

enum { SHARE_LEAST = WEIR__HEALTH_SHARE_FULL / 10 };

static weir_dur dur_or(weir_dur given, int64_t otherwise)
{
    return given.ns != 0 ? given : weir_ns(otherwise);
}

void weir__health_options_settle(struct weir__health_options *o)
{
    o->fall = o->fall != 0 ? o->fall : 3;
    o->rise = o->rise != 0 ? o->rise : 2;
    o->interval = dur_or(o->interval, weir_sec(5).ns);
    o->fast = dur_or(o->fast, o->interval.ns / 4 > 0 ? o->interval.ns / 4 : 1);
    o->jitter_percent = o->jitter_percent != 0 ? o->jitter_percent : 10;
    o->slow_start = dur_or(o->slow_start, weir_sec(30).ns);
    WEIR_ASSERT(o->interval.ns > 0 && o->interval.ns <= DAY_NS && o->fast.ns > 0 &&
                    o->fast.ns <= DAY_NS,
                "H4: 0 < intervals <= a day");
    WEIR_ASSERT(o->jitter_percent <= 100 && o->slow_start.ns <= DAY_NS,
                "H4: a jitter is at most all, a slow start a day");
}

void weir__health_init(struct weir__health *h, bool is_up)
{
    atomic_init(&h->up_since, is_up ? INT64_MIN : DOWN);
    atomic_init(&h->failures, 0);
    h->successes = 0;
}

static bool is_down(const struct weir__health *h)
{
    return atomic_load_explicit(&h->up_since, memory_order_relaxed) == DOWN;
}

/* One failure more in the row. True for the one that takes it out. */
static bool fail(struct weir__health *h, const struct weir__health_options *o)
{
    int64_t since = atomic_load_explicit(&h->up_since, memory_order_relaxed);
    uint32_t row = atomic_fetch_add_explicit(&h->failures, 1, memory_order_relaxed) + 1;
    return row >= o->fall && since != DOWN &&
           atomic_compare_exchange_strong_explicit(&h->up_since, &since, DOWN, memory_order_relaxed,
                                                   memory_order_relaxed);
}

static void forgive(struct weir__health *h)
{
    if (atomic_load_explicit(&h->failures, memory_order_relaxed) != 0)
        atomic_store_explicit(&h->failures, 0, memory_order_relaxed);
}

/* The row of successes, which `rise` of them complete. */
static bool recover(struct weir__health *h, const struct weir__health_options *o, bool is_ok,
                    weir_time now)
{
    h->successes = is_ok ? h->successes + 1 : 0;
    WEIR_ASSERT(h->successes <= o->rise, "H2: a row that is complete changes the state");
    if (h->successes < o->rise)
        return false;
    h->successes = 0;
    atomic_store_explicit(&h->failures, 0, memory_order_relaxed);
    atomic_store_explicit(&h->up_since, now.ns, memory_order_relaxed);
    return true;
}

bool weir__health_probed(struct weir__health *h, const struct weir__health_options *o, bool is_ok,
                         weir_time now)
{
    WEIR_ASSERT(o->fall > 0 && o->rise > 0, "H4: options are settled before they are used");
    if (is_down(h))
        return recover(h, o, is_ok, now);
    WEIR_ASSERT(h->successes == 0, "H1: successes are counted while it is down");
    if (!is_ok)
        return fail(h, o);
    forgive(h);
    return false;
}

bool weir__health_called(struct weir__health *h, const struct weir__health_options *o, bool is_ok)
{
    if (WEIR_UNLIKELY(is_down(h)))
        return false;
    if (WEIR_UNLIKELY(!is_ok))
        return fail(h, o);
    forgive(h);
    return false;
}

/* --- when ------------------------------------------------------------------------------------- */

weir_dur weir__health_wait(const struct weir__health *h, const struct weir__health_options *o,
                           struct weir__random *random)
{
    bool is_row = is_down(h) ? h->successes > 0
                             : atomic_load_explicit(&h->failures, memory_order_relaxed) > 0;
    int64_t wait = is_row ? o->fast.ns : o->interval.ns;
    int64_t spread = wait / 100 * (int64_t)o->jitter_percent;
    weir_dur spaced =
        weir_ns(wait - spread + (int64_t)weir__random_upto(random, 2 * (uint64_t)spread));
    WEIR_ASSERT(spaced.ns >= 0 && spaced.ns <= 2 * wait,
                "H3: a wait is its interval and its jitter");
    return spaced;
}

weir_dur weir__health_first_wait(const struct weir__health_options *o, struct weir__random *random)
{
    WEIR_ASSERT(o->interval.ns > 0, "H4: options are settled before they are used");
    return weir_ns((int64_t)weir__random_upto(random, (uint64_t)o->interval.ns));
}

/* --- how much --------------------------------------------------------------------------------- */

uint32_t weir__health_share(const struct weir__health *h, const struct weir__health_options *o,
                            weir_time now)
{
    int64_t since = atomic_load_explicit(&h->up_since, memory_order_relaxed);
    if (WEIR_UNLIKELY(since == DOWN))
        return 0;
    int64_t up = weir_time_sub(now, (weir_time){since}).ns;
    if (WEIR_LIKELY(up >= o->slow_start.ns))
        return WEIR__HEALTH_SHARE_FULL;
    if (up < 0)
        return SHARE_LEAST; /* by the clock of a worker whose turn began before */
    uint32_t share = (uint32_t)(up * WEIR__HEALTH_SHARE_FULL / o->slow_start.ns);
    return share > SHARE_LEAST ? share : SHARE_LEAST;
}
