/* The numbers of SQLite databases that their pools do not have, as families. */
#include "base/metric.h"
#include "data/sqlite/sqlite.h"

static const struct weir__family wal = {.name = "weir_sqlite_wal_bytes",
                                        .help = "Size of the log of writes after the last commit.",
                                        .type = WEIR_METRIC_GAUGE,
                                        .unit = WEIR_METRIC_BYTES,
                                        .labels = {"database"}};

static void put_wal(const char *name, uint64_t wal_bytes, void *arg)
{
    struct weir__metric_sink *to = arg;
    const weir_str value = weir_str_from(name);
    to->number(to, &wal, &value, wal_bytes);
}

static void put(struct weir__metric_sink *to, void *unused)
{
    (void)unused;
    to->family(to, &wal);
    weir__sqlite_each(put_wal, to);
}

void weir__sqlite_metrics(struct weir__metrics *to)
{
    weir__metrics_add(to, &wal, 1, put, NULL);
}
