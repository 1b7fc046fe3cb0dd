/*
 * The numbers of the service as Prometheus reads them. All are counters and gauges that others keep
 * anyway; reading stops nobody: each number is read whole, two of them may be of slightly different
 * moments. Only the longest wait is looked for here, on each worker. Owns nothing.
 */
#include "obs/metrics.h"

#include "obs/prom.h"
#include "rt/runtime.h"

/* --- the longest wait ------------------------------------------------------------------------- */

struct longest {
    struct weir__lock lock;
    int64_t ns;
    unsigned answers;
};

static int64_t longest_of(const struct weir__worker *w)
{
    int64_t longest = 0;
    WEIR_LIST_EACH(node, &w->fibers) {
        const struct weir__fiber *f = WEIR_CONTAINER(node, struct weir__fiber, in_all);
        bool is_of_program = f->site != NULL || (f->ctx != NULL && f->ctx->exchange != NULL);
        if (f->state == WEIR__FIBER_PARKED && is_of_program && w->now.ns - f->since.ns > longest)
            longest = w->now.ns - f->since.ns;
    }
    return longest;
}

/* Runs on all workers side by side. */
static void find_longest(struct weir__worker *w, void *arg)
{
    struct longest *l = arg;
    int64_t ns = longest_of(w);
    weir__lock_take(&l->lock);
    l->answers++;
    l->ns = ns > l->ns ? ns : l->ns;
    weir__lock_give(&l->lock);
}

static void put_longest_wait(struct weir__ctx *c, weir_dur patience, struct weir__metric_sink *to)
{
    static const struct weir__family stuck = {
        .name = "weir_workers_stuck",
        .help = "Workers that do not answer: one fiber holds each of them.",
        .type = WEIR_METRIC_GAUGE};
    static const struct weir__family waits = {
        .name = "weir_fibers_longest_wait_seconds",
        .help = "The longest that a fiber of the program waits by now.",
        .type = WEIR_METRIC_GAUGE,
        .unit = WEIR_METRIC_SECONDS};
    struct longest longest = {.ns = 0};
    weir__lock_init(&longest.lock);
    (void)weir__on_each_worker(c, find_longest, &longest, patience);
    weir__family_put(to, &stuck, weir__self->runtime->worker_count - longest.answers);
    weir__family_put(to, &waits, (uint64_t)longest.ns);
}

void weir__metrics_page(struct weir__metrics *m, struct weir__ctx *c, weir_dur patience,
                        weir_buf *out)
{
    struct weir__prom prom;
    weir__prom_init(&prom, out);
    weir__metrics_read(m, &prom.sink);
    put_longest_wait(c, patience, &prom.sink);
    weir__program_metrics_read(&prom.sink);
}
