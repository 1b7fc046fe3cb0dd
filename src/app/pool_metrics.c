/*
 * The numbers of every pool, each under its name. They are copied first, pool by pool, because the
 * text wants them family by family. A second pool of the same name is shown as "name#2": samples
 * must differ.
 */
#include <stdio.h>

#include "app/admin.h"
#include "net/pool.h"
#include "obs/prom.h"

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

static void put_family(const struct pools *p, weir_buf *out, const char *name, const char *type,
                       const char *help, size_t offset)
{
    weir__prom_family(out, name, type, help);
    for (size_t i = 0; i < p->count; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&p->stats[i] + offset, sizeof value);
        const struct weir__prom_label label = {"pool", weir_str_from(p->names[i])};
        if (strcmp(name, "weir_pool_wait_seconds_total") == 0)
            weir__prom_seconds(out, name, &label, 1, value);
        else
            weir__prom_u64(out, name, &label, 1, value);
    }
}

static void put_closed(const struct pools *p, weir_buf *out)
{
    weir__prom_family(out, "weir_pool_closed_total", "counter", "Closed, by why.");
    for (size_t i = 0; i < p->count; i++) {
        for (int why = 0; why < WEIR_POOL_CLOSED_REASONS; why++) {
            const char *name = weir_pool_closed_name((weir_pool_closed)why);
            const struct weir__prom_label labels[] = {{"pool", weir_str_from(p->names[i])},
                                                      {"reason", weir_str_from(name)}};
            weir__prom_u64(out, "weir_pool_closed_total", labels, 2, p->stats[i].closed[why]);
        }
    }
}

void weir__app_pool_metrics(weir_buf *out)
{
    static const struct {
        const char *name, *type, *help;
        size_t offset;
    } families[] = {
#define STAT(member) offsetof(weir_pool_stats, member)
        {"weir_pool_max_open", "gauge", "How many may be open.", STAT(max_open)},
        {"weir_pool_open", "gauge", "Open now.", STAT(open)},
        {"weir_pool_in_use", "gauge", "Lent out now.", STAT(in_use)},
        {"weir_pool_idle", "gauge", "Open and unused now.", STAT(idle)},
        {"weir_pool_waiting", "gauge", "Fibers in line now.", STAT(waiting)},
        {"weir_pool_acquired_total", "counter", "Leases given.", STAT(acquired)},
        {"weir_pool_waits_total", "counter", "Leases that had to be waited for.", STAT(waits)},
        {"weir_pool_wait_seconds_total", "counter", "Time waited in line.", STAT(wait_ns)},
        {"weir_pool_timeouts_total", "counter", "Waits that ended without a lease.",
         STAT(timeouts)},
        {"weir_pool_refused_total", "counter", "Refused: the line was full.", STAT(refused)},
        {"weir_pool_deadlocks_total", "counter", "Refused: it would have waited for itself.",
         STAT(deadlocks)},
        {"weir_pool_leaked_total", "counter", "Leases that were out for too long.", STAT(leaked)},
        {"weir_pool_leaks_returned_total", "counter", "Of these, those that came back.",
         STAT(leaks_returned)},
        {"weir_pool_opened_total", "counter", "Opened.", STAT(opened)},
        {"weir_pool_open_errors_total", "counter", "Could not be opened.", STAT(open_errors)},
#undef STAT
    };
    struct pools pools = {0};
    weir__pool_each(take, &pools);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        put_family(&pools, out, families[i].name, families[i].type, families[i].help,
                   families[i].offset);
    put_closed(&pools, out);
}
