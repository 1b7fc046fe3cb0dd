/*
 * Back-off with full jitter. Owns nothing.
 *
 * The one thing to decide was what a floor does. The larger of floor and jitter would have all that
 * were told the same `Retry-After` come back in the same instant, where it is a date, or as they
 * came, where it is seconds: the very crowd that was sent away. So the jitter is added.
 */
#include "guard/backoff.h"

#include "base/assert.h"

/* Where nothing is said: a retry soon enough for a request, and no more than six in a minute. */
static struct weir__backoff with_defaults(const struct weir__backoff *b)
{
    struct weir__backoff full = {
        .base = b->base.ns != 0 ? b->base : weir_ms(100),
        .cap = b->cap.ns != 0 ? b->cap : weir_sec(10),
    };
    WEIR_ASSERT(full.base.ns > 0 && full.base.ns <= full.cap.ns, "B1: 0 < base <= cap");
    return full;
}

weir_dur weir__backoff_ceiling(const struct weir__backoff *b, uint32_t retry)
{
    struct weir__backoff full = with_defaults(b);
    /* The cap is shifted down, and not the base up, so that nothing can overflow. */
    if (retry >= 63 || full.base.ns > full.cap.ns >> retry)
        return full.cap;
    weir_dur ceiling = {full.base.ns << retry};
    WEIR_ASSERT(ceiling.ns >= full.base.ns && ceiling.ns <= full.cap.ns,
                "B2: base <= ceiling <= cap");
    return ceiling;
}

weir_dur weir__backoff_wait(const struct weir__backoff *b, uint32_t retry, weir_dur floor,
                            struct weir__random *random)
{
    weir_dur least = {floor.ns > 0 ? floor.ns : 0};
    weir_dur ceiling = weir__backoff_ceiling(b, retry);
    weir_dur wait = {(int64_t)weir__random_upto(random, (uint64_t)ceiling.ns)};
    if (__builtin_add_overflow(wait.ns, least.ns, &wait.ns))
        wait.ns = INT64_MAX;
    WEIR_ASSERT(wait.ns >= least.ns, "B3: a wait is never shorter than its floor");
    return wait;
}
