/*
 * Opening an SQLite database: the options, its two pools (connections that read, and the one that
 * writes) and the writer's thread.
 *
 * The first connection that writes is made at once, so that whatever is wrong with the file is
 * known at the start. It is kept open all the time: while it is, the WAL stays, and opening one
 * that reads is cheap.
 */
#include "data/sqlite/sqlite.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bounds.h"
#include "os/sys.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/sized.h"
#include "rt/worker.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define MS INT64_C(1000000)
#define SEC (1000 * MS)
#define QUEUE_MAX 100000
#define READERS 16
#define IN_LINE_MAX 10000 /* transactions in line */

const struct weir__sql_driver weir__sqlite_driver;

/* --- options ---------------------------------------------------------------------------------- */

static weir_err settle_options(weir_sqlite_options *o, const char *name, weir_buf *out)
{
    struct weir__bounds b = {.kind = "SQLite", .name = name, .out = out};
    if (o->path == NULL || o->path[0] == '\0') {
        weir__bounds_line(&b);
        weir_buf_puts(out, WEIR_S("there is no .path: the file is wanted"));
    } else if (strcmp(o->path, ":memory:") == 0 || strncmp(o->path, "file:", 5) == 0) {
        weir__bounds_line(&b);
        weir_buf_puts(out, WEIR_S("a database in memory would be another one for each connection; "
                                  "give the path of a file"));
    }
    weir__bounds_dur(&b, "busy_timeout", &o->busy_timeout, 5 * SEC, MS, 600 * SEC);
    weir__bounds_dur(&b, "tx_threshold", &o->tx_threshold, 5 * SEC, 10 * MS, 3600 * SEC);
    weir__bounds_count(&b, "value_bytes_max", &o->value_bytes_max, MIB, KIB, GIB - 1);
    weir__bounds_count(&b, "cache_bytes", &o->cache_bytes, 2 * MIB, 64 * KIB, GIB);
    weir__bounds_large(&b, "wal_bytes_max", &o->wal_bytes_max, 64 * MIB, MIB, TIB);
    weir__bounds_large(&b, "mmap_bytes", &o->mmap_bytes, 256 * MIB, 1, TIB);
    if (o->pool.max_open == 0)
        o->pool.max_open = READERS;
    weir_pool_options readers = o->pool;
    weir_err err = weir__pool_options_settle(name, &readers, out);
    return b.is_bad ? WEIR_EINVALID : err;
}

/* --- making ----------------------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;

/*
 * SQLite opens its files through a table that can be changed: what it opens is on Weir's account,
 * whoever in the program uses it.
 */
static int (*library_open)(const char *path, int flags, int mode);
static int (*library_close)(int fd);

static int open_known(const char *path, int flags, int mode)
{
    return weir__sys_know(library_open(path, flags, mode));
}

static int close_known(int fd)
{
    weir__sys_forget(fd);
    return library_close(fd);
}

static void know_files(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    if (vfs == NULL || vfs->iVersion < 3 || vfs->xGetSystemCall == NULL)
        return;
    library_open = (int (*)(const char *, int, int))vfs->xGetSystemCall(vfs, "open");
    library_close = (int (*)(int))vfs->xGetSystemCall(vfs, "close");
    if (library_open == NULL || library_close == NULL)
        return;
    (void)vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)open_known);
    (void)vfs->xSetSystemCall(vfs, "close", (sqlite3_syscall_ptr)close_known);
}

/* Without its statistics of memory SQLite takes no global lock for each allocation. */
static void configure_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    /* No 88 KB of page cache for each connection at its start: readers map the file instead. */
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    (void)sqlite3_initialize();
    know_files();
}

/* All that are open, for who reads their numbers. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir__list list = {&list, &list}; /* weir__sqlite.registered */

void weir__sqlite_each(void (*fn)(const char *name, uint64_t wal_bytes, void *arg), void *arg)
{
    pthread_mutex_lock(&list_lock);
    WEIR_LIST_EACH(node, &list) {
        struct weir__sqlite *db = WEIR_CONTAINER(node, struct weir__sqlite, registered);
        fn(db->name, atomic_load_explicit(&db->wal_bytes, memory_order_relaxed), arg);
    }
    pthread_mutex_unlock(&list_lock);
}

static void enlist(struct weir__sqlite *db, bool is_open)
{
    pthread_mutex_lock(&list_lock);
    if (is_open)
        weir__list_push_back(&list, &db->registered);
    else
        weir__list_remove(&db->registered);
    pthread_mutex_unlock(&list_lock);
}

static void release_db(struct weir__owned *o)
{
    struct weir__sqlite *db = WEIR_CONTAINER(o, struct weir__sqlite, owned);
    enlist(db, false);
    weir__offload_pool_free(db->thread);
    db->thread = NULL;
    if (db->db.err == WEIR_OK)
        db->db.err = WEIR_ECLOSED;
}

static const char *base_name(const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    return slash != NULL ? slash + 1 : path != NULL ? path : "(no path)";
}

static char *joined(struct weir__ctx *c, const char *a, const char *b, const char *end)
{
    size_t size = strlen(a) + strlen(b) + strlen(end) + 1;
    char *copy = weir__ctx_object(c, size);
    if (copy != NULL)
        (void)snprintf(copy, size, "%s%s%s", a, b, end);
    return copy;
}

/*
 * The path as it is meant now: connections are opened later too, when the process may have gone to
 * another directory.
 */
static char *absolute(struct weir__ctx *c, const char *path)
{
    char folder[PATH_MAX];
    if (path[0] == '/' || path[0] == '\0' || getcwd(folder, sizeof folder) == NULL)
        return joined(c, path, "", "");
    return joined(c, folder, "/", path);
}

/* Released in reverse: the readers, the writer (which writes the WAL back), the thread. */
static weir_err make_parts(struct weir__sqlite *db, struct weir__ctx *c, const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "database", .release = release_db};
    weir_pool_options one = {.max_open = 1,
                             .min_idle = 1,
                             .waiters_max = IN_LINE_MAX,
                             .wait_max = db->o.pool.wait_max,
                             .max_lifetime = weir_hour(24),
                             .idle_timeout = weir_hour(24),
                             .leak_threshold = db->o.tx_threshold};
    pthread_once(&once, configure_library);
    enlist(db, true);
    weir__own(c, &db->owned, &type, site);
    db->thread = weir__offload_pool_new("sqlite writer", 1, QUEUE_MAX);
    if (db->thread == NULL)
        return -ENOMEM;
    db->writer = weir__pool_new(c, db->writer_name, &one, &weir__sqlite_writer_ops, db, site);
    if (db->writer == NULL)
        return -ENOMEM;
    db->readers = weir__pool_new(c, db->name, &db->o.pool, &weir__sqlite_reader_ops, db, site);
    return db->readers != NULL ? WEIR_OK : -ENOMEM;
}

/* Opens the connection that writes, and gives it back. */
static weir_err try_writer(struct weir__sqlite *db, struct weir__ctx *c, const weir_site *site)
{
    struct weir__lease lease;
    weir_err err = weir__pool_acquire(db->writer, c, site, NULL, &lease);
    if (err == WEIR_OK)
        weir__lease_release(&lease);
    return err;
}

static weir_err open_db(struct weir__sqlite *db, struct weir__ctx *c, const weir_site *site)
{
    char bytes[1500];
    weir_buf mistakes;
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    db->name = joined(c, base_name(db->o.path), "", "");
    db->writer_name = joined(c, base_name(db->o.path), " writer", "");
    db->path = absolute(c, db->o.path != NULL ? db->o.path : "");
    db->wal_path = db->path != NULL ? joined(c, db->path, "-wal", "") : NULL;
    if (db->name == NULL || db->writer_name == NULL || db->wal_path == NULL)
        return -ENOMEM;
    db->db.name = db->name;
    if (settle_options(&db->o, db->name, &mistakes) != WEIR_OK) {
        weir_str s = weir_buf_str(&mistakes);
        return weir_raise_at(site, weir__ctx_handle(c), WEIR_EINVALID, 0, WEIR_STR_FMT,
                             WEIR_STR_ARG(s));
    }
    weir_err err = make_parts(db, c, site);
    if (err == WEIR_OK)
        err = try_writer(db, c, site);
    if (err != WEIR_OK && db->writer != NULL)
        (void)weir__pool_close(db->writer, c, weir__self->now); /* it is not tried again */
    return err;
}

static struct weir__sqlite db_without_memory = {.db = {.token = WEIR__TOKEN_STATIC(WEIR__KIND_DB),
                                                       .driver = &weir__sqlite_driver,
                                                       .name = "(no memory)",
                                                       .err = -ENOMEM}};

weir_db *weir_sqlite_open_at(const weir_site *site, weir_ctx *handle,
                             const weir_sqlite_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_sqlite_options room;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_sqlite_open");
    if (weir__ctx_is_shared(c) && weir__self->index != 0)
        weir__misuse("weir_sqlite_open",
                     "a database of the application is opened on the first worker, at its start");
    struct weir__sqlite *db = weir__ctx_object(c, sizeof *db);
    if (db == NULL)
        return &db_without_memory.db;
    weir__token_open(&db->db.token, c, WEIR__KIND_DB);
    db->o = *(const weir_sqlite_options *)weir__options(options, &room, sizeof room,
                                                        "weir_sqlite_open");
    db->db.driver = &weir__sqlite_driver;
    db->db.name = "(no name)";
    db->db.rows_max = db->o.rows_max;
    db->db.err = open_db(db, c, site);
    if (db->db.err == WEIR_OK)
        weir__sql_opened(&db->db, c, site);
    return weir__token_handle(&db->db.token);
}

/* --- the driver ------------------------------------------------------------------------------- */

static void stats(weir_db *handle, weir_pool_stats *readers, weir_pool_stats *writer)
{
    struct weir__sqlite *db = (struct weir__sqlite *)handle;
    if (readers != NULL)
        weir__pool_stats(db->readers, readers);
    if (writer != NULL)
        weir__pool_stats(db->writer, writer);
}

static uint32_t pools(weir_db *handle, struct weir__pool **out, uint32_t *sized)
{
    struct weir__sqlite *db = (struct weir__sqlite *)handle;
    out[0] = db->readers;
    out[1] = db->writer; /* there is one that writes, whatever is asked for */
    *sized = 1;
    return 2;
}

static weir_err take(weir_db *handle, struct weir__ctx *c, const weir_site *site,
                     enum weir__sql_purpose purpose, struct weir__owned *holder,
                     struct weir__lease *lease, struct weir__sql_conn **out,
                     struct weir__sql_fault *fault)
{
    struct weir__sqlite *db = (struct weir__sqlite *)handle;
    bool reads = purpose == WEIR__SQL_READ;
    weir_err err = weir__pool_acquire(reads ? db->readers : db->writer, c, site, holder, lease);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    struct weir__sqlite_conn *conn =
        weir__lease_resource(lease, reads ? "weir_query" : "weir_begin");
    conn->owes_begin = conn->is_in_tx = false;
    *out = &conn->head;
    return reads ? weir__sqlite_file_look(db, fault) : WEIR_OK;
}

const struct weir__sql_driver weir__sqlite_driver = {
    .name = "SQLite",
    .stmt_bytes = sizeof(struct weir__sqlite_stmt),
    .take = take,
    .prepare = weir__sqlite_prepare,
    .forget = weir__sqlite_forget,
    .column = weir__sqlite_column,
    .execute = weir__sqlite_execute,
    .fetch = weir__sqlite_fetch,
    .finish = weir__sqlite_finish,
    .begin = weir__sqlite_begin,
    .end = weir__sqlite_end,
    .control = weir__sqlite_control,
    .script = weir__sqlite_script,
    .stats = stats,
    .pools = pools,
};
