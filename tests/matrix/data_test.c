/* The matrix: leases of a pool, and SQLite on a file of its own; migrations and checks of it. */
#include "data/sqlite/sqlite.h"
#include "matrix.h"
#include <sys/stat.h>
#include <unistd.h>
#include <weir/batch.h>
#include <weir/checked.h>
#include <weir/migrate.h>
#include <weir/sqlite.h>

typedef struct {
    weir_str name;
} user;
WEIR_MODEL(user, (name));

/* --- a pool ----------------------------------------------------------------------------------- */

static weir_err open_one(void *driver, struct weir__ctx *c, void **resource)
{
    (void)c;
    *resource = driver;
    return WEIR_OK;
}

static void close_one(void *driver, struct weir__ctx *c, void *resource)
{
    (void)driver, (void)c, (void)resource;
}

static void prepare_pool(weir_ctx *app, struct cell *cell)
{
    static const struct weir__pool_ops ops = {.open = open_one, .close = close_one};
    cell->shared = weir__pool_new(weir__ctx_of(app), "orders", &(weir_pool_options){.max_open = 1},
                                  &ops, cell, WEIR_HERE);
}

static weir_err take_lease(weir_ctx *c, struct cell *cell)
{
    struct weir__lease *lease = weir_new(c, struct weir__lease);
    cell->held = lease;
    return lease == NULL
               ? -ENOMEM
               : weir__pool_acquire(cell->shared, weir__ctx_of(c), WEIR_HERE, NULL, lease);
}

static bool is_lease_out(weir_ctx *c, struct cell *cell)
{
    (void)c;
    weir_pool_stats stats;
    weir__pool_stats(cell->shared, &stats);
    return stats.in_use == 1;
}

static bool is_lease_back(weir_ctx *c, struct cell *cell)
{
    return !is_lease_out(c, cell);
}

/* --- a database ------------------------------------------------------------------------------- */

static char folder[64], path[96];

static weir_db *db(const struct cell *cell)
{
    return cell->shared;
}

static void prepare_db(weir_ctx *app, struct cell *cell)
{
    strcpy(folder, "/tmp/weir-matrix-XXXXXX");
    WEIR_ASSERT(mkdtemp(folder) != NULL, "there is room for a database");
    snprintf(path, sizeof path, "%s/t.db", folder);
    cell->shared = weir_sqlite_open(app, .path = path, .create = true, .pool.max_open = 1);
    weir_err err = weir_exec_script(app, db(cell),
                                    "CREATE TABLE users(name TEXT NOT NULL);"
                                    "INSERT INTO users VALUES ('Ada'), ('Ben'), ('Cy');");
    WEIR_ASSERT(err == WEIR_OK, "the schema is right");
}

static void remove_db(struct cell *cell)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char file[128];
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(file, sizeof file, "%s%s", path, ends[i]);
        (void)unlink(file);
    }
    expect(cell, rmdir(folder) == 0, "SQLite has left a file behind");
}

static weir_err take_rows(weir_ctx *c, struct cell *cell)
{
    user u;
    weir_rows *rows = weir_query(c, db(cell), "SELECT name FROM users");
    cell->held = rows;
    return weir_rows_next(rows, user, &u) ? WEIR_OK : weir_rows_err(rows);
}

static bool is_reading(struct cell *cell)
{
    weir_pool_stats readers;
    weir_db_stats(db(cell), &readers, NULL);
    return readers.in_use == 1;
}

/* The rows behind their handle, and the driver's part of them. */
static const weir_rows *rows_inside(const struct cell *cell)
{
    return weir__token_must(cell->held, WEIR__KIND_ROWS, "the matrix", "the rows");
}

static const struct weir__sqlite_stmt *statement(const struct cell *cell)
{
    return (const struct weir__sqlite_stmt *)rows_inside(cell)->stmt;
}

/* In the middle: SQLite holds a cursor, and a snapshot of the file. */
static bool is_half_read(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return is_reading(cell) && sqlite3_stmt_busy(statement(cell)->s) != 0;
}

/* Prepared, its values bound; no row has been asked for. */
static weir_err take_statement(weir_ctx *c, struct cell *cell)
{
    weir_rows *rows = weir_query(c, db(cell), "SELECT name FROM users WHERE name > ?", "Ben");
    cell->held = rows;
    return rows_inside(cell)->err;
}

static bool is_statement_busy(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return is_reading(cell) && statement(cell)->head.is_busy &&
           sqlite3_stmt_busy(statement(cell)->s) == 0;
}

static weir_err take_tx(weir_ctx *c, struct cell *cell)
{
    weir_tx *tx = weir_begin(c, db(cell));
    cell->held = tx;
    return weir_exec(tx, "INSERT INTO users VALUES ('Mallory')");
}

static weir_err take_tx_within(weir_ctx *c, struct cell *cell)
{
    weir_tx *tx = weir_begin(c, db(cell));
    weir_err err = weir_exec(tx, "INSERT INTO users VALUES ('Mallory')");
    weir_tx *part = weir_begin(c, tx);
    cell->held = part;
    return err == WEIR_OK ? weir_exec(part, "INSERT INTO users VALUES ('Eve')") : err;
}

/* Filled, and never run. */
static weir_err take_batch(weir_ctx *c, struct cell *cell)
{
    weir_batch *b = weir_batch_new(c, db(cell));
    weir_batch_exec(b, NULL, "INSERT INTO users VALUES ('Mallory')");
    cell->held = b;
    return WEIR_OK;
}

/* It waits for its run, and holds nothing of the database's. */
static bool is_waiting(weir_ctx *c, struct cell *cell)
{
    weir_pool_stats readers, writer;
    (void)c;
    weir_db_stats(db(cell), &readers, &writer);
    return readers.in_use == 0 && writer.in_use == 0 &&
           weir__token_object(cell->held, WEIR__KIND_BATCH) != NULL;
}

static bool is_writing(weir_ctx *c, struct cell *cell)
{
    (void)c;
    weir_pool_stats writer;
    weir_db_stats(db(cell), NULL, &writer);
    return writer.in_use == 1 && weir_changes(cell->held) == 1;
}

/* Nobody reads or writes, a reader is to be had at once, and nothing was changed. */
static bool is_as_it_was(weir_ctx *c, struct cell *cell)
{
    weir_pool_stats readers, writer;
    int64_t n = 0;
    weir_err err = WEIR_EFAIL;
    weir_db_stats(db(cell), &readers, &writer);
    WEIR_WITH(turn, c)
        err = weir_query_one(turn, db(cell), int64_t, &n, "SELECT count(*) FROM users");
    return readers.in_use == 0 && writer.in_use == 0 && err == WEIR_OK && n == 3;
}

/* --- migrations that fail, statements that do not fit ----------------------------------------- */

static const weir_migration first_one = {"0001_more.sql", "CREATE TABLE more(name TEXT);"};
static char migrations[96], no_file[112];

static void prepare_migrations(weir_ctx *app, struct cell *cell)
{
    prepare_db(app, cell);
    snprintf(migrations, sizeof migrations, "%s/m", folder);
    snprintf(no_file, sizeof no_file, "%s/0001_more.sql", migrations);
    WEIR_ASSERT(mkdir(migrations, 0700) == 0 && mkdir(no_file, 0700) == 0, "there is room");
    weir_err err = weir_migrate(app, db(cell), .texts = &first_one, .count = 1);
    WEIR_ASSERT(err == WEIR_OK, "the first one is right");
}

static void remove_migrations(struct cell *cell)
{
    expect(cell, rmdir(no_file) == 0 && rmdir(migrations) == 0, "a file was left behind");
    remove_db(cell);
}

/* In each run another one: no folder, no file, another text than has run, one that breaks off. */
static weir_err take_migration(weir_ctx *c, struct cell *cell)
{
    const weir_migration changed = {"0001_more.sql", "CREATE TABLE less(name TEXT);"};
    const weir_migration broken[] = {
        first_one, {"0002_all.sql", "INSERT INTO users VALUES ('Mallory');\nSELEKT"}};
    const struct {
        weir_migrate_options options;
        weir_err err;
    } ways[] = {
        {{.folder = "/nowhere/at/all"}, -ENOENT},
        {{.folder = migrations}, WEIR_EINVALID},
        {{.texts = &changed, .count = 1}, WEIR_ECHANGED},
        {{.texts = broken, .count = 2}, WEIR_EDB},
    };
    size_t way = (size_t)cell->note++ % (sizeof ways / sizeof ways[0]);
    weir_migrate_options options = ways[way].options;
    options.size = sizeof options;
    weir_err err = weir_migrate_at(WEIR_HERE, c, db(cell), &options);
    const weir_error *e = weir_last_error(c);
    expect(cell, err == ways[way].err, "migration %zu: %s", way, e != NULL ? e->message.ptr : "");
    weir_error_clear(c);
    return WEIR_OK;
}

/* Nobody waits for it: what it had of the database it has given back by itself. */
static bool is_version_one(weir_ctx *c, struct cell *cell)
{
    int64_t version = -1;
    weir_err err = weir_migration_version(c, db(cell), &version);
    return err == WEIR_OK && version == 1 && is_as_it_was(c, cell);
}

/* Never run, but known: one of them does not fit. */
weir_err noted(weir_ctx *c, weir_db *of);
weir_err noted(weir_ctx *c, weir_db *of)
{
    user u;
    weir_err err = weir_query_one(c, of, user, &u, WEIR_SQL("SELECT name FROM users"));
    return err | weir_db_exec(c, of, NULL, WEIR_SQL("DELETE FROM users WHERE nowhere = ?"), 1);
}

static weir_err take_check(weir_ctx *c, struct cell *cell)
{
    char room[500] = "";
    weir_buf report;
    weir_buf_init_fixed(&report, room, sizeof room - 1);
    weir_err err = weir_check_sql(c, db(cell), &report);
    expect(cell, err == WEIR_EINVALID && strstr(room, "nowhere") != NULL, "checked: %d, %s", err,
           room);
    return WEIR_OK;
}

static const struct resource resources[] = {
    RESOURCE("pool lease", take_lease, .prepare = prepare_pool, .is_held = is_lease_out,
             .is_back = is_lease_back),
    RESOURCE("rows half read", take_rows, .prepare = prepare_db, .is_held = is_half_read,
             .is_back = is_as_it_was, .clean = remove_db),
    RESOURCE("statement", take_statement, .prepare = prepare_db, .is_held = is_statement_busy,
             .is_back = is_as_it_was, .clean = remove_db),
    RESOURCE("transaction", take_tx, .prepare = prepare_db, .is_held = is_writing,
             .is_back = is_as_it_was, .clean = remove_db),
    RESOURCE("batch", take_batch, .prepare = prepare_db, .is_held = is_waiting,
             .is_back = is_as_it_was, .clean = remove_db),
    RESOURCE("transaction within", take_tx_within, .prepare = prepare_db, .is_held = is_writing,
             .is_back = is_as_it_was, .clean = remove_db),
    RESOURCE("migration that failed", take_migration, .prepare = prepare_migrations,
             .is_held = is_version_one, .is_back = is_version_one, .clean = remove_migrations),
    RESOURCE("statements checked", take_check, .prepare = prepare_db, .is_held = is_as_it_was,
             .is_back = is_as_it_was, .clean = remove_db),
};

int main(void)
{
    return MATRIX(resources);
}
