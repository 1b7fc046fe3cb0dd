/*
 * Migrations: what makes a database's schema of nothing, step by step, each run once and in order.
 * Files of a folder, named by their numbers, or texts that the program carries:
 *
 *     migrations/0001_users.sql
 *     migrations/0002_orders.sql
 *
 *     weir_err err = weir_migrate(c, db, .folder = "migrations");
 *
 * Called at the start, before anything is asked of the database. Which have run stands in the table
 * weir_migrations, with a checksum of each: one that is changed afterwards is found, not run again.
 */
#ifndef WEIR_MIGRATE_H
#define WEIR_MIGRATE_H

#include <weir/sql.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A migration that the program carries. */
typedef struct weir_migration {
    const char *name; /* as a file's: "0001_users.sql" */
    const char *sql;  /* statements parted by semicolons, as for weir_exec_script */
} weir_migration;

/** Where migrations are: a folder or an array, not both. Read during the call, and not kept. */
typedef struct weir_migrate_options {
    size_t size;        /* the macro's */
    const char *folder; /* its files *.sql, up to 16 MiB each; others are left alone */
    const weir_migration *texts;
    size_t count; /* of `texts`, up to 9,999 */
} weir_migrate_options;

/**
 * Runs the migrations that have not run yet.
 *
 * Numbers begin with 1 and leave none out; digits, then '_', then any name, then ".sql". Each runs
 * in a transaction of its own, where the database's statements of schemas can be rolled back
 * (SQLite, PostgreSQL; on MySQL and MariaDB one that fails in its middle has done a part). Of
 * several processes that migrate at once one does, and the others wait for it.
 *
 * ...      members of weir_migrate_options
 * returns  WEIR_OK: all have run, now or before. Otherwise the record names the file: WEIR_EINVALID
 *          (a name without a number, a number twice or left out, one that comes before others that
 *          have run), WEIR_ECHANGED (it is not what has run), WEIR_ENOTFOUND (the database has one
 *          that the program does not know: it is of a newer program), -ENOENT and its like (the
 *          folder, a file), WEIR_ETOOLARGE; an error as of weir_exec_script with file and line:
 *          those before it have run
 * context  fiber; waits
 */
#define weir_migrate(...) WEIR__MIGRATE(__VA_ARGS__, )
#define WEIR__MIGRATE(c, db, ...)                                                                  \
    WEIR__CALL(weir_migrate_at, (WEIR_HERE, (c), (db)), weir_migrate_options, __VA_ARGS__)
/** The function behind weir_migrate; `options` are read during the call. */
WEIR_API weir_err weir_migrate_at(const weir_site *site, weir_ctx *c, weir_db *db,
                                  const weir_migrate_options *options) WEIR_MUST_USE
    WEIR_NONNULL(2, 3, 4);

/**
 * How far a database is: the number of the last migration that has run.
 *
 * version  set on success; 0: none has run
 * returns  WEIR_OK, or an error as of weir_query
 * context  fiber, may wait
 */
#define weir_migration_version(c, db, version)                                                     \
    weir_migration_version_at(WEIR_HERE, (c), (db), (version))
/** The function behind weir_migration_version; `version` is written during the call. */
WEIR_API weir_err weir_migration_version_at(const weir_site *site, weir_ctx *c, weir_db *db,
                                            int64_t *version) WEIR_MUST_USE WEIR_NONNULL(2, 3, 4);

#ifdef __cplusplus
}
#endif
#endif
