/* The numbers of SQLite databases that their pools do not have. */
#include "app/admin.h"
#include "data/sqlite.h"
#include "obs/prom.h"

static void put_wal(const char *name, uint64_t wal_bytes, void *arg)
{
    const struct weir__prom_label label = {"database", weir_str_from(name)};
    weir__prom_u64(arg, "weir_sqlite_wal_bytes", &label, 1, wal_bytes);
}

void weir__app_sqlite_metrics(weir_buf *out)
{
    weir__prom_family(out, "weir_sqlite_wal_bytes", "gauge",
                      "Size of the log of writes after the last commit.");
    weir__sqlite_each(put_wal, out);
}
