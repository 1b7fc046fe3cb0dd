/*
 * How long to wait before a try: exponential back-off with full jitter, which is a time drawn
 * evenly between nothing and a ceiling that doubles with each retry (Brooker: Exponential Backoff
 * And Jitter, AWS Architecture Blog, 2015). What has failed together does not come back together.
 *
 * A pure function of its arguments: the generator is the caller's, and so is the wait.
 */
#ifndef WEIR_GUARD_BACKOFF_H
#define WEIR_GUARD_BACKOFF_H

#include <stdint.h>

#include "base/random.h"
#include <weir/time.h>

/* 0 is the default in each; neither is below zero, nor `base` above `cap`. */
struct weir__backoff {
    weir_dur base; /* the ceiling before the first retry (100 ms) */
    weir_dur cap;  /* the ceiling never passes it (10 s) */
};

/*
 * The ceiling before retry number `retry`, the first being 0: base * 2^retry, at most the cap.
 * Right for any number.
 */
weir_dur weir__backoff_ceiling(const struct weir__backoff *b, uint32_t retry);

/*
 * The wait before it: `floor`, and on top of it a time from 0 to the ceiling, each as likely as any
 * other. The floor is what the peer asked for (Retry-After, RFC 9110 section 10.2.3); none when it
 * is 0 or below, as a date that has passed is. Held at the largest duration. Whether that ends
 * before the deadline, the caller looks; and asks weir__retry_budget_take before it waits.
 */
weir_dur weir__backoff_wait(const struct weir__backoff *b, uint32_t retry, weir_dur floor,
                            struct weir__random *random);

#endif
