/*
 * The database's files from the outside: whether they are still those that were opened, and how
 * large the log of writes (the WAL) has become.
 *
 * A file that is deleted or replaced under an open database goes on taking writes that nobody will
 * see again; and when it is closed SQLite folds the WAL back by name, into whatever bears that name
 * by then. So the device and inode of database and WAL are remembered when it is opened, and asked
 * for again with each transaction and, for those that read, once a second.
 *
 * The WAL is folded into the file by a checkpoint, which can go only as far as the oldest reader
 * sees; while readers overlap it never gets to its end, and the WAL grows. Past `wal_bytes_max`
 * each commit waits a little for the readers, with new writers behind it: that holds them back, and
 * is a line of the log with the oldest reader's place.
 */
#include "data/sqlite/sqlite.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "net/pool.h"
#include "os/sys.h"
#include "os/thread.h"
#include "rt/log.h"
#include "rt/worker.h"

#define CHECKPOINT_PAGES 1000 /* as SQLite's own default */
#define LOOK_NS 1000000000    /* between looks at the file by those that read */
#define PATIENCE_NS 100000000 /* of a commit past wal_bytes_max, for readers */
#define TELL_NS 10000000000   /* between lines of the log about it */

/* --- the same file ---------------------------------------------------------------------------- */

static bool look(const char *path, struct weir__sqlite_identity *out)
{
    struct stat st;
    if (weir__sys_stat(path, &st) < 0)
        return false;
    *out = (struct weir__sqlite_identity){st.st_dev, st.st_ino};
    return true;
}

static bool is_same(const char *path, dev_t dev, ino_t ino)
{
    struct weir__sqlite_identity now;
    return ino == 0 || (look(path, &now) && now.dev == dev && now.ino == ino);
}

static bool is_file_there(const struct weir__sqlite *db)
{
    return is_same(db->path, db->file.dev, db->file.ino);
}

void weir__sqlite_file_note(struct weir__sqlite *db)
{
    if (db->file.ino == 0)
        (void)look(db->path, &db->file);
    struct weir__sqlite_identity wal = {0};
    (void)look(db->wal_path, &wal);
    atomic_store_explicit(&db->wal_ino, wal.ino, memory_order_relaxed);
}

void weir__sqlite_file_forget_wal(struct weir__sqlite *db)
{
    atomic_store_explicit(&db->wal_ino, 0, memory_order_relaxed);
}

bool weir__sqlite_file_is_there(const struct weir__sqlite *db)
{
    return is_file_there(db) && is_same(db->wal_path, db->file.dev,
                                        atomic_load_explicit(&db->wal_ino, memory_order_relaxed));
}

weir_err weir__sqlite_file_check(const struct weir__sqlite *db, struct weir__sql_fault *fault)
{
    if (WEIR_LIKELY(weir__sqlite_file_is_there(db)))
        return WEIR_OK;
    const char *path = is_file_there(db) ? db->wal_path : db->path;
    return weir__sql_fault(
        fault, WEIR_EDB,
        "%s is not the file that was opened: it was deleted or replaced meanwhile. What is written "
        "now would be lost, so nothing is; put it back, or start the service again",
        path);
}

weir_err weir__sqlite_file_look(struct weir__sqlite *db, struct weir__sql_fault *fault)
{
    int64_t now = weir__self->now.ns;
    if (WEIR_LIKELY(now < atomic_load_explicit(&db->look_at_ns, memory_order_relaxed)))
        return WEIR_OK;
    weir_err err = weir__sqlite_file_check(db, fault);
    if (err == WEIR_OK) /* while it is not there each use looks */
        atomic_store_explicit(&db->look_at_ns, now + LOOK_NS, memory_order_relaxed);
    return err;
}

/* --- the WAL ---------------------------------------------------------------------------------- */

/* On the writer's thread, or on the fiber that stands for it in the simulation. */
static weir_time now_here(void)
{
    return weir__self != NULL ? weir_now() : weir__clock();
}

static int on_wal(void *arg, sqlite3 *s, const char *schema, int pages)
{
    struct weir__sqlite_conn *conn = arg;
    struct weir__sqlite *db = conn->owner;
    uint64_t bytes = (uint64_t)pages * (uint64_t)conn->page_bytes;
    atomic_store_explicit(&db->wal_bytes, bytes, memory_order_relaxed);
    if (pages >= CHECKPOINT_PAGES)
        (void)sqlite3_wal_checkpoint_v2(s, schema, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

void weir__sqlite_watch_wal(struct weir__sqlite_conn *conn, int page_bytes)
{
    conn->page_bytes = page_bytes;
    (void)sqlite3_wal_hook(conn->db, on_wal, conn);
}

static void tell_of_growth(struct weir__sqlite *db, uint64_t bytes)
{
    struct weir__log_line l;
    struct weir__pool_oldest oldest;
    char since[32] = "";
    weir_time now = now_here();
    if (now.ns < db->tell_at_ns || !weir__log_wants(WEIR_LOG_WARN))
        return;
    db->tell_at_ns = now.ns + TELL_NS;
    bool is_read = weir__pool_oldest(db->readers, now, &oldest);
    weir__log_begin(
        &l, WEIR_LOG_WARN,
        WEIR_S("the WAL of a database grows: readers overlap, and each commit waits for "
               "them now"),
        is_read ? oldest.site : NULL, NULL);
    weir__log_str(&l, "database", weir_str_from(db->name));
    weir__log_int(&l, "wal_bytes", (int64_t)bytes);
    weir__log_int(&l, "wal_bytes_max", (int64_t)db->o.wal_bytes_max);
    if (is_read) {
        snprintf(since, sizeof since, "%" PRId64 "ms", oldest.held.ns / 1000000);
        weir__log_str(&l, "oldest_reader_since", weir_str_from(since));
    }
    weir__log_end(&l);
}

void weir__sqlite_bound_wal(struct weir__sqlite_conn *conn)
{
    struct weir__sqlite *db = conn->owner;
    uint64_t bytes = atomic_load_explicit(&db->wal_bytes, memory_order_relaxed);
    if (WEIR_LIKELY(bytes <= db->o.wal_bytes_max))
        return;
    weir_time busy_until = conn->busy_until;
    conn->busy_until = weir_time_min(busy_until, weir_time_add(now_here(), weir_ns(PATIENCE_NS)));
    int rc = sqlite3_wal_checkpoint_v2(conn->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    conn->busy_until = busy_until;
    if (rc == SQLITE_OK)
        atomic_store_explicit(&db->wal_bytes, 0, memory_order_relaxed);
    else
        tell_of_growth(db, bytes);
}
