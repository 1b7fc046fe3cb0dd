/*
 * The numbers of every pool as families, each pool under its name. They are copied first, pool by
 * pool, because they are wanted family by family. A second pool of the same name is shown as
 * "name#2": samples must differ.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/metric.h"
#include "net/pool_shared.h"

enum { POOLS_MAX = 128, NAME_MAX_BYTES = 64 };

struct pools {
    size_t count;
    weir_pool_stats stats[POOLS_MAX];
    char names[POOLS_MAX][NAME_MAX_BYTES];
};

static size_t count_named(const struct pools *p, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += strcmp(p->stats[i].name, name) == 0;
    return n;
}

static void take(const weir_pool_stats *stats, void *arg)
{
    struct pools *p = arg;
    if (p->count == POOLS_MAX)
        return;
    size_t before = count_named(p, stats->name);
    if (before == 0)
        snprintf(p->names[p->count], NAME_MAX_BYTES, "%s", stats->name);
    else
        snprintf(p->names[p->count], NAME_MAX_BYTES, "%.48s#%zu", stats->name, before + 1);
    p->stats[p->count++] = *stats;
}

#define STAT(name, help, type, member)                                                             \
    {                                                                                              \
        name, help, type, .labels = {"pool"},                                                      \
                          WEIR__ROWS({NULL, offsetof(weir_pool_stats, member)})                    \
    }
#define CLOSED(reason) offsetof(weir_pool_stats, closed[reason])

static const struct weir__family families[] = {
    STAT("weir_pool_max_open", "How many may be open.", WEIR_METRIC_GAUGE, max_open),
    STAT("weir_pool_open", "Open now.", WEIR_METRIC_GAUGE, open),
    STAT("weir_pool_in_use", "Lent out now.", WEIR_METRIC_GAUGE, in_use),
    STAT("weir_pool_idle", "Open and unused now.", WEIR_METRIC_GAUGE, idle),
    STAT("weir_pool_waiting", "Fibers in line now.", WEIR_METRIC_GAUGE, waiting),
    STAT("weir_pool_acquired_total", "Leases given.", WEIR_METRIC_COUNTER, acquired),
    STAT("weir_pool_waits_total", "Leases that had to be waited for.", WEIR_METRIC_COUNTER, waits),
    {"weir_pool_wait_seconds_total", "Time waited in line.", WEIR_METRIC_COUNTER,
     WEIR_METRIC_SECONDS, .labels = {"pool"},
     WEIR__ROWS({NULL, offsetof(weir_pool_stats, wait_ns)})},
    STAT("weir_pool_timeouts_total", "Waits that ended without a lease.", WEIR_METRIC_COUNTER,
         timeouts),
    STAT("weir_pool_refused_total", "Refused: the line was full.", WEIR_METRIC_COUNTER, refused),
    STAT("weir_pool_deadlocks_total", "Refused: it would have waited for itself.",
         WEIR_METRIC_COUNTER, deadlocks),
    STAT("weir_pool_leaked_total", "Leases that were out for too long.", WEIR_METRIC_COUNTER,
         leaked),
    STAT("weir_pool_leaks_returned_total", "Of these, those that came back.", WEIR_METRIC_COUNTER,
         leaks_returned),
    STAT("weir_pool_opened_total", "Opened.", WEIR_METRIC_COUNTER, opened),
    STAT("weir_pool_open_errors_total", "Could not be opened.", WEIR_METRIC_COUNTER, open_errors),
    {"weir_pool_closed_total", "Closed, by why.", WEIR_METRIC_COUNTER, .labels = {"pool", "reason"},
     WEIR__ROWS({"lifetime", CLOSED(WEIR_POOL_CLOSED_LIFETIME)},
                {"idle", CLOSED(WEIR_POOL_CLOSED_IDLE)},
                {"broken", CLOSED(WEIR_POOL_CLOSED_BROKEN)},
                {"shutdown", CLOSED(WEIR_POOL_CLOSED_SHUTDOWN)},
                {"retired", CLOSED(WEIR_POOL_CLOSED_RETIRED)})},
    STAT("weir_pool_dialing", "Being opened now by the pool itself.", WEIR_METRIC_GAUGE, dialing),
    STAT("weir_pool_unreachable", "1 while nobody can be reached, and acquiring fails at once.",
         WEIR_METRIC_GAUGE, is_down),
    STAT("weir_pool_suspended", "1 while nothing is lent by order.", WEIR_METRIC_GAUGE,
         is_suspended),
    STAT("weir_pool_unreachable_total", "Acquisitions that failed because nobody was reached.",
         WEIR_METRIC_COUNTER, unreachable),
    STAT("weir_pool_pinged_total", "Unused ones asked whether they are alive.", WEIR_METRIC_COUNTER,
         pinged),
    STAT("weir_pool_held_waits_total", "Leases held while their fiber waited for other things.",
         WEIR_METRIC_COUNTER, held_waits),
};

struct shared_pools {
    struct pools pools; /* for their names */
    struct weir__shared_stats stats[POOLS_MAX];
};

static void take_shared(const struct weir__shared_stats *stats, void *arg)
{
    struct shared_pools *p = arg;
    if (p->pools.count == POOLS_MAX)
        return;
    p->stats[p->pools.count] = *stats;
    take(&stats->pool, &p->pools);
}

#define SHARED(name, help, type, member)                                                           \
    {                                                                                              \
        name, help, type, .labels = {"pool"},                                                      \
                          WEIR__ROWS({NULL, offsetof(struct weir__shared_stats, member)})          \
    }

static const struct weir__family shared_families[] = {
    SHARED("weir_pool_shared_leases", "Leases out now, of what carries several.", WEIR_METRIC_GAUGE,
           leases),
    SHARED("weir_pool_shared_room", "Leases that all which are open carry at a time.",
           WEIR_METRIC_GAUGE, room),
    SHARED("weir_pool_shared_retired_total", "Took no more leases before they were closed.",
           WEIR_METRIC_COUNTER, retired),
    SHARED("weir_pool_shared_told_total", "Leases under which what carried them broke.",
           WEIR_METRIC_COUNTER, told),
    SHARED("weir_pool_shared_keys", "Keys that workers have now.", WEIR_METRIC_GAUGE, keys),
    SHARED("weir_pool_shared_evicted_total", "Keys that had to go for others.", WEIR_METRIC_COUNTER,
           evicted),
};

static void put_shared(struct weir__metric_sink *to, void *unused)
{
    (void)unused;
    struct shared_pools *p = weir__calloc(1, sizeof *p);
    struct weir__metric_subject subjects[POOLS_MAX];
    if (p == NULL)
        return;
    weir__shared_pool_each(take_shared, p);
    for (size_t i = 0; i < p->pools.count; i++)
        subjects[i] = (struct weir__metric_subject){weir_str_from(p->pools.names[i]), &p->stats[i]};
    weir__families_put(to, shared_families, sizeof shared_families / sizeof shared_families[0],
                       subjects, p->pools.count);
    weir__free(p);
}

static void put(struct weir__metric_sink *to, void *unused)
{
    (void)unused;
    struct pools pools = {0};
    struct weir__metric_subject subjects[POOLS_MAX];
    weir__pool_each(take, &pools);
    for (size_t i = 0; i < pools.count; i++)
        subjects[i] = (struct weir__metric_subject){weir_str_from(pools.names[i]), &pools.stats[i]};
    weir__families_put(to, families, sizeof families / sizeof families[0], subjects, pools.count);
}

void weir__pool_metrics(struct weir__metrics *to)
{
    weir__metrics_add(to, families, sizeof families / sizeof families[0], put, NULL);
    weir__metrics_add(to, shared_families, sizeof shared_families / sizeof shared_families[0],
                      put_shared, NULL);
}
