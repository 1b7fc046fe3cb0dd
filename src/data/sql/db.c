/*
 * What is behind the handles of databases, rows and transactions; what a database is asked; pools
 * that are changed while they run.
 */
#include "base/assert.h"
#include "base/sized.h"
#include "data/sql/driver.h"
#include "rt/fiber.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/worker.h"

weir_db *weir__sql_db_of(const weir_db *handle, const char *function)
{
    return weir__token_must(handle, WEIR__KIND_DB, function, "the database");
}

weir_tx *weir__sql_tx_of(const weir_tx *handle, const char *function)
{
    return weir__token_must(handle, WEIR__KIND_TX, function, "the transaction");
}

weir_source weir__sql_source_of(weir_source from, const char *function)
{
    if (from.tx != NULL)
        return (weir_source){.tx = weir__sql_tx_of(from.tx, function)};
    return (weir_source){.db = weir__sql_db_of(from.db, function)};
}

void weir__sql_check_fiber(const struct weir__fiber *owner, const weir_site *site,
                           const char *function)
{
    if (WEIR_LIKELY(owner == weir__self->current))
        return;
    weir__misuse(function, "made at %s:%d by another fiber: two fibers never share a connection",
                 site->file, site->line);
}

weir_err weir__sql_take_for_one(weir_db *db, struct weir__ctx *c, const weir_site *site,
                                enum weir__sql_purpose purpose, const char *sql,
                                struct weir__owned *holder, struct weir__lease *lease,
                                struct weir__sql_conn **out, struct weir__sql_fault *fault)
{
    *out = NULL;
    if (db->driver->join != NULL) {
        weir_err err = db->driver->join(db, c, site, sql, holder, out, fault);
        if (err != WEIR_OK || *out != NULL)
            return err;
    }
    return db->driver->take(db, c, site, purpose, holder, lease, out, fault);
}

void weir__sql_give_back(struct weir__sql_conn *conn, struct weir__lease *lease)
{
    if (conn != NULL && conn->is_joined)
        conn->db->driver->part(conn);
    else
        weir__lease_release(lease);
}

weir_err weir_db_err(const weir_db *db)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return weir__sql_db_of(db, __func__)->err;
}

const char *weir_db_name(const weir_db *db)
{
    WEIR__FIBERS_ONLY("(no name)");
    return weir__sql_db_of(db, __func__)->name;
}

void weir_db_stats_at(weir_db *db, weir_pool_stats *readers, weir_pool_stats *writer,
                      size_t stats_size)
{
    WEIR__FIBERS_ONLY();
    db = weir__sql_db_of(db, "weir_db_stats");
    weir_pool_stats reads = {.name = db->name}, writes = {.name = db->name};
    if (db->err == WEIR_OK && db->driver->stats != NULL)
        db->driver->stats(db, readers != NULL ? &reads : NULL, writer != NULL ? &writes : NULL);
    if (readers != NULL)
        weir__sized_fill(readers, stats_size, &reads, sizeof reads);
    if (writer != NULL)
        weir__sized_fill(writer, stats_size, &writes, sizeof writes);
}

/* --- what is changed while it runs ------------------------------------------------------------ */

struct pools {
    struct weir__pool *all[WEIR__SQL_POOLS];
    uint32_t count, sized;
};

/* None, of one that could not be opened. */
static struct pools pools_of(weir_db *handle, const char *function)
{
    struct pools p = {.count = 0};
    weir_db *db = weir__sql_db_of(handle, function);
    if (db->err == WEIR_OK && db->driver->pools != NULL)
        p.count = db->driver->pools(db, p.all, &p.sized);
    WEIR_ASSERT(p.sized <= p.count && p.count <= WEIR__SQL_POOLS, "D6: pools are bounded");
    return p;
}

void weir_db_suspend(weir_db *db)
{
    WEIR__FIBERS_ONLY();
    struct pools p = pools_of(db, __func__);
    for (uint32_t i = 0; i < p.count; i++)
        weir__pool_suspend(p.all[i]);
}

void weir_db_resume(weir_db *db)
{
    WEIR__FIBERS_ONLY();
    struct pools p = pools_of(db, __func__);
    for (uint32_t i = 0; i < p.count; i++)
        weir__pool_resume(p.all[i]);
}

weir_err weir_db_resize(weir_db *db, uint32_t max_open, uint32_t min_idle)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct pools p = pools_of(db, __func__);
    weir_err err = weir__sql_db_of(db, __func__)->err;
    for (uint32_t i = 0; i < p.sized && err == WEIR_OK; i++)
        err = weir__pool_resize(p.all[i], max_open, min_idle);
    return err;
}
