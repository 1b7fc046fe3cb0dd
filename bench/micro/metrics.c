/* Counting and recording. */
#include "micro.h"

#include <weir/metric.h>

static WEIR_COUNTER(counted, "micro_counted_total", "Counted.");
static WEIR_COUNTER(by_outcome, "micro_outcomes_total", "Counted.", .labels = {"outcome"});
static WEIR_HISTOGRAM(recorded, "micro_recorded_seconds", "Recorded.", .unit = WEIR_METRIC_SECONDS);

static void count(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        weir_counter_add(env, 1);
}

double counter_add(weir_ctx *c)
{
    (void)c;
    return best_ns(count, &counted);
}

static void look_up_and_count(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        weir_counter_add(weir_counter_of((weir_counter *)env, WEIR_S("placed")), 1);
}

double counter_of_label(weir_ctx *c)
{
    (void)c;
    return best_ns(look_up_and_count, &by_outcome);
}

static void record(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        weir_histogram_record(env, 1000 + i % 100000 * 17);
}

double histogram_record(weir_ctx *c)
{
    (void)c;
    return best_ns(record, &recorded);
}
