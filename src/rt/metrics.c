/*
 * The runtime's numbers as families: workers and their fibers, stacks, the offload pool, panics,
 * leaks by kind and place, the log. All are kept for their own sake; here they are named.
 */
#include <stddef.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/metric.h"
#include "os/stack.h"
#include "rt/log.h"
#include "rt/offload.h"
#include "rt/owned.h"
#include "rt/panic.h"
#include "rt/runtime.h"

enum { LEAK_SITES_MAX = 256, PLACE_MAX = 512 };

/* --- workers ---------------------------------------------------------------------------------- */

#define OF_WORKER(name, help, type, member)                                                        \
    {                                                                                              \
        name, help, type, .labels = {"worker"},                                                    \
                          WEIR__ROWS({NULL, offsetof(struct weir__worker_stats, member)})          \
    }

static const struct weir__family of_workers[] = {
    OF_WORKER("weir_fibers", "Fibers that live.", WEIR_METRIC_GAUGE, fibers),
    OF_WORKER("weir_fibers_waiting", "Fibers that wait.", WEIR_METRIC_GAUGE, fibers_parked),
    OF_WORKER("weir_fibers_hibernating", "Fibers that wait, their stacks given back.",
              WEIR_METRIC_GAUGE, fibers_hibernating),
    OF_WORKER("weir_fibers_started_total", "Fibers started.", WEIR_METRIC_COUNTER, fibers_started),
    OF_WORKER("weir_contexts", "Contexts that live.", WEIR_METRIC_GAUGE, contexts),
    OF_WORKER("weir_detached", "Background work that runs.", WEIR_METRIC_GAUGE, detached),
    OF_WORKER("weir_worker_switches_total", "Times that a fiber was resumed.", WEIR_METRIC_COUNTER,
              switches),
    OF_WORKER("weir_worker_polls_total", "Times that the kernel was asked for events.",
              WEIR_METRIC_COUNTER, polls),
    OF_WORKER("weir_worker_stalls_total", "Times that one fiber ran for too long.",
              WEIR_METRIC_COUNTER, stalls),
    OF_WORKER("weir_deadlocks_total", "Contexts cancelled: their fibers waited for each other.",
              WEIR_METRIC_COUNTER, deadlocks),
};

static void put_workers(struct weir__metric_sink *to, void *runtime)
{
    const struct weir__runtime *rt = runtime;
    struct weir__metric_subject workers[WEIR__WORKERS_MAX];
    WEIR_ASSERT(rt->worker_count > 0 && rt->worker_count <= WEIR__WORKERS_MAX,
                "E2: there are as many rows as workers may be");
    char names[WEIR__WORKERS_MAX][12];
    for (unsigned i = 0; i < rt->worker_count; i++) {
        snprintf(names[i], sizeof names[i], "%u", i);
        workers[i] = (struct weir__metric_subject){weir_str_from(names[i]), &rt->workers[i]->stats};
    }
    weir__families_put(to, of_workers, sizeof of_workers / sizeof of_workers[0], workers,
                       rt->worker_count);
}

/* --- the process' one of each ----------------------------------------------------------------- */

struct numbers {
    uint64_t workers, stacks, unguarded;
    uint64_t offload_calls, offload_refused, offload_busy, offload_idle, offload_queued;
    uint64_t panics, panics_untold, log_lines, log_dropped;
};

#define ONE(name, help, type, member)                                                              \
    {                                                                                              \
        name, help, type, WEIR__ROWS({NULL, offsetof(struct numbers, member)})                     \
    }

static const struct weir__family families[] = {
    ONE("weir_workers", "Worker threads.", WEIR_METRIC_GAUGE, workers),
    ONE("weir_stacks", "Stacks reserved for fibers.", WEIR_METRIC_GAUGE, stacks),
    ONE("weir_stacks_unguarded", "Stacks without a guard page: an overflow is found later.",
        WEIR_METRIC_GAUGE, unguarded),
    ONE("weir_offload_calls_total", "Calls on the offload pool.", WEIR_METRIC_COUNTER,
        offload_calls),
    ONE("weir_offload_refused_total", "Calls refused: its queue was full.", WEIR_METRIC_COUNTER,
        offload_refused),
    {"weir_offload_threads", "Threads of the offload pool.", WEIR_METRIC_GAUGE, .labels = {"state"},
     WEIR__ROWS({"busy", offsetof(struct numbers, offload_busy)},
                {"idle", offsetof(struct numbers, offload_idle)})},
    ONE("weir_offload_queued", "Calls that wait for a thread.", WEIR_METRIC_GAUGE, offload_queued),
    ONE("weir_panics_total", "Panics, wherever they were caught.", WEIR_METRIC_COUNTER, panics),
    ONE("weir_panics_untold_total", "Panics without a line in the log: too many of one place.",
        WEIR_METRIC_COUNTER, panics_untold),
    ONE("weir_log_lines_total", "Log lines written.", WEIR_METRIC_COUNTER, log_lines),
    ONE("weir_log_dropped_total", "Log lines lost: the sink was too slow.", WEIR_METRIC_COUNTER,
        log_dropped),
};

static void put(struct weir__metric_sink *to, void *runtime)
{
    const struct weir__runtime *rt = runtime;
    struct weir__stack_stats stacks = weir__stack_stats();
    struct weir__offload_stats off = weir__offload_stats(rt->offload);
    struct weir__log_stats log = weir__log_stats();
    const struct numbers n = {
        .workers = rt->worker_count,
        .stacks = stacks.slots,
        .unguarded = stacks.unguarded,
        .offload_calls = off.calls,
        .offload_refused = off.refused,
        .offload_busy = off.busy,
        .offload_idle = off.threads > off.busy ? off.threads - off.busy : 0,
        .offload_queued = off.queued,
        .panics = weir__panic_total(),
        .panics_untold = weir__panic_untold(),
        .log_lines = log.lines,
        .log_dropped = log.dropped,
    };
    weir__families_put_one(to, families, sizeof families / sizeof families[0], &n);
}

/* --- leaks ------------------------------------------------------------------------------------ */

static const struct weir__family leaks[] = {
    {.name = "weir_leaks_total",
     .help = "Things that a context had to give back for the program, by who took them.",
     .type = WEIR_METRIC_COUNTER,
     .labels = {"kind", "site"}},
    {.name = "weir_leak_reports_total",
     .help = "The same, all of them.",
     .type = WEIR_METRIC_COUNTER},
};

static void put_leaks(struct weir__metric_sink *to, void *unused)
{
    (void)unused;
    struct weir__leak_site sites[LEAK_SITES_MAX];
    size_t n = weir__leak_sites(sites, LEAK_SITES_MAX);
    WEIR_ASSERT(n <= LEAK_SITES_MAX, "K2: no more places than there are entries for");
    to->family(to, &leaks[0]);
    for (size_t i = 0; i < n; i++) {
        char place[PLACE_MAX] = "unknown";
        if (sites[i].site != NULL)
            snprintf(place, sizeof place, "%s:%d", sites[i].site->file, sites[i].site->line);
        const weir_str values[] = {weir_str_from(sites[i].kind), weir_str_from(place)};
        to->number(to, &leaks[0], values, sites[i].count);
    }
    weir__family_put(to, &leaks[1], weir__leak_total());
}

void weir__runtime_metrics(struct weir__runtime *rt, struct weir__metrics *to)
{
    weir__metrics_add(to, of_workers, sizeof of_workers / sizeof of_workers[0], put_workers, rt);
    weir__metrics_add(to, families, sizeof families / sizeof families[0], put, rt);
    weir__metrics_add(to, leaks, 2, put_leaks, NULL);
}
