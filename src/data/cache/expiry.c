/*
 * The ring of times. A list has what ends in one step of time, or in the same step of a later round
 * when a sweep was late by more than half a round: that is put in anew when it is met. What is over
 * stays until its step is, a thirty-second of the longest time; nobody gets it meanwhile, for who
 * asks looks at its time.
 *
 * X1: no entry that is over by a whole step stands where the sweep has been.
 */
#include "data/cache/expiry.h"

#include "base/assert.h"

static int64_t step_of(const struct weir__expiry *x, weir_time t)
{
    return t.ns / x->step_ns;
}

static struct weir__list *list_of(struct weir__expiry *x, int64_t step)
{
    return &x->steps[(uint64_t)step % WEIR__EXPIRY_STEPS];
}

void weir__expiry_init(struct weir__expiry *x, weir_dur longest, weir_time now)
{
    int64_t ns = longest.ns / (WEIR__EXPIRY_STEPS / 2) + 1;
    x->step_ns = ns > 1000000 ? ns : 1000000;
    x->swept = step_of(x, now);
    for (int i = 0; i < WEIR__EXPIRY_STEPS; i++)
        weir__list_init(&x->steps[i]);
}

void weir__expiry_add(struct weir__expiry *x, struct weir__expiring *e)
{
    WEIR_ASSERT(weir__list_empty(&e->link), "X1: an entry stands in the ring once");
    int64_t step = step_of(x, e->at), last = x->swept + WEIR__EXPIRY_STEPS - 1;
    step = step < x->swept ? x->swept : step > last ? last : step;
    weir__list_push_back(list_of(x, step), &e->link);
}

struct weir__expiring *weir__expiry_due(struct weir__expiry *x, weir_time now, uint32_t *looks)
{
    int64_t present = step_of(x, now);
    /* After a long rest one round meets all that there is. */
    if (present - x->swept > WEIR__EXPIRY_STEPS)
        x->swept = present - WEIR__EXPIRY_STEPS;
    while (*looks > 0 && x->swept < present) {
        struct weir__list *node = weir__list_pop_front(list_of(x, x->swept));
        if (node == NULL) {
            x->swept++;
            continue;
        }
        struct weir__expiring *e = WEIR_CONTAINER(node, struct weir__expiring, link);
        --*looks;
        if (e->at.ns <= now.ns)
            return e;
        WEIR_ASSERT(step_of(x, e->at) > x->swept, "X1: what is not over is of a later step");
        weir__expiry_add(x, e);
    }
    return NULL;
}
