/*
 * Migrations on a database: which have run, whether those are the program's, and then the others,
 * each with its line in the table weir_migrations, in one transaction.
 *
 * The lock is the transaction: SQLite has one that writes at a time, the others' driver takes one
 * that ends with it (`lock` of its table). So what has run is asked anew in each transaction, and
 * who came second finds it done.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <weir/offload.h>

#include "base/given.h"
#include "base/sized.h"
#include "data/sql/driver.h"
#include "data/sql/migration_set.h"
#include "rt/outside.h"
#include "rt/sized.h"

#define TABLE                                                                                      \
    "CREATE TABLE IF NOT EXISTS weir_migrations("                                                  \
    "version BIGINT PRIMARY KEY, name VARCHAR(200) NOT NULL, checksum VARCHAR(64) NOT NULL, "      \
    "ran_at BIGINT NOT NULL)"

/* One that has run. */
typedef struct {
    int64_t version;
    weir_str name, checksum;
} ran;
WEIR_MODEL(ran, (version), (name), (checksum));

struct job {
    struct weir__migration_set set;
    const weir_migrate_options *options;
};

static weir_err read_set(void *arg)
{
    struct job *job = arg;
    return weir__migration_set_read(&job->set, job->options);
}

static void end_job(struct job *job)
{
    weir__migration_set_fini(&job->set);
}

static weir_err raise(const weir_site *site, weir_ctx *c, const weir_db *db, weir_err err,
                      const char *message)
{
    return weir_raise_at(site, c, err, 0, "%s: %s", db->name, message);
}

/* --- what has run ----------------------------------------------------------------------------- */

/* Whether one that has run is the program's; what is wrong into `message`. */
static weir_err check_ran(const struct weir__migration_set *set, const ran *r, int64_t before,
                          char *message, size_t size)
{
    if (r->version < 1 || (size_t)r->version > set->count) {
        (void)snprintf(message, size,
                       WEIR_STR_FMT ": has run, and the program's last migration is %zu: the "
                                    "database is of a newer program",
                       WEIR_STR_ARG(r->name), set->count);
        return WEIR_ENOTFOUND;
    }
    const struct weir__migration *m = &set->items[r->version - 1];
    if (r->version != before + 1) {
        (void)snprintf(message, size, "%s: has not run, and %s after it has", m[-1].name, m->name);
        return WEIR_EINVALID;
    }
    if (!weir_str_eq(r->checksum, weir_str_from(m->sum))) {
        (void)snprintf(message, size,
                       "%s: is not what has run (as " WEIR_STR_FMT "): what has run stays as it "
                       "is, a change is a migration of its own",
                       m->name, WEIR_STR_ARG(r->name));
        return WEIR_ECHANGED;
    }
    return WEIR_OK;
}

/* How many have run, in order and as the program has them. */
static weir_err check_all_ran(const weir_site *site, weir_ctx *c, weir_tx *tx, const weir_db *db,
                              const struct weir__migration_set *set, size_t *count)
{
    char message[600];
    weir_err err = WEIR_OK;
    *count = 0;
    weir_rows *rows = weir_query_at(
        site, c, weir_source_tx(tx), 0,
        "SELECT version, name, checksum FROM weir_migrations ORDER BY version", NULL, 0);
    for (ran r; err == WEIR_OK && weir_rows_next(rows, ran, &r);) {
        err = check_ran(set, &r, (int64_t)*count, message, sizeof message);
        *count += err == WEIR_OK;
    }
    weir_rows_close(rows);
    weir_err how = weir_rows_err(rows);
    if (err != WEIR_OK)
        return raise(site, c, db, err, message);
    return how;
}

/* --- running one ------------------------------------------------------------------------------ */

static weir_err note(const weir_site *site, weir_tx *tx, const struct weir__migration *m)
{
    const weir_arg args[] = {weir_arg_int(m->number), weir_arg_text(m->name), weir_arg_text(m->sum),
                             weir_arg_int((int64_t)time(NULL))};
    return weir_exec_at(site, tx,
                        "INSERT INTO weir_migrations(version, name, checksum, ran_at) "
                        "VALUES (?, ?, ?, ?)",
                        args, sizeof args / sizeof args[0]);
}

/* A migration of a database, for the steps below. */
struct migrating {
    const weir_site *site;
    weir_ctx *c;
    weir_db *handle;
    const weir_db *db;
    const struct weir__migration_set *set;
    bool left; /* there may be one more that has not run */
};

/* In a transaction of its own: where what a schema does commits, what comes after is not lost. */
static weir_err make_table(struct migrating *m, weir_tx *tx)
{
    return weir__sql_script_in(m->site, tx, TABLE, "weir_migrations");
}

/* Looks what has run, and runs the next one. */
static weir_err run_next(struct migrating *m, weir_tx *tx)
{
    size_t count = 0;
    weir_err err = check_all_ran(m->site, m->c, tx, m->db, m->set, &count);
    m->left = count < m->set->count;
    if (err != WEIR_OK || !m->left)
        return err;
    const struct weir__migration *next = &m->set->items[count];
    err = weir__sql_script_in(m->site, tx, next->sql, next->name);
    return err == WEIR_OK ? note(m->site, tx, next) : err;
}

/* One of these two, under the lock. */
static weir_err step(struct migrating *m, weir_err (*run)(struct migrating *m, weir_tx *tx))
{
    const weir_tx_options options = {.size = sizeof options};
    weir_tx *tx = weir_begin_at(m->site, m->c, weir_source_db(m->handle), &options);
    weir_err err = weir_tx_err(tx);
    if (err == WEIR_OK)
        err = weir__sql_lock_migrations(m->site, tx);
    if (err == WEIR_OK)
        err = run(m, tx);
    weir_err end = weir__sql_unlock_migrations(m->site, tx, err == WEIR_OK);
    if (err == WEIR_OK)
        err = end;
    if (err == WEIR_OK)
        return weir_commit_at(m->site, tx);
    weir_rollback(tx);
    return err;
}

weir_err weir_migrate_at(const weir_site *site, weir_ctx *c, weir_db *handle,
                         const weir_migrate_options *options)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir_migrate_options room;
    (void)weir__ctx_of_at(c, "weir_migrate");
    const weir_db *db = weir__sql_db_of(handle, "weir_migrate");
    struct job job __attribute__((cleanup(end_job))) = {
        .options = weir__options(options, &room, sizeof room, "weir_migrate")};
    weir_err err = weir_offload_at(site, c, read_set, &job,
                                   &(weir_offload_options){.size = sizeof(weir_offload_options)});
    if (err != WEIR_OK)
        return raise(site, c, db, err,
                     job.set.message[0] != '\0' ? job.set.message : weir_strerror(err));
    struct migrating m = {site, c, handle, db, &job.set, .left = true};
    err = step(&m, make_table);
    while (m.left && err == WEIR_OK)
        err = step(&m, run_next);
    return err;
}

weir_err weir_migration_version_at(const weir_site *site, weir_ctx *c, weir_db *db,
                                   int64_t *version)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(version, "the version");
    (void)weir__ctx_of_at(c, "weir_migration_version");
    (void)weir__sql_db_of(db, "weir_migration_version");
    weir_err err = weir_db_exec_at(site, c, db, NULL, sizeof(weir_result), TABLE, NULL, 0);
    if (err != WEIR_OK)
        return err;
    return weir_query_one_at(site, c, weir_source_db(db), weir_model_of(int64_t), version,
                             "SELECT coalesce(max(version), 0) FROM weir_migrations", NULL, 0);
}
