/*
 * Connections of SQLite: opening, the handlers that make it a good neighbour, and its errors in our
 * words.
 *
 * Two call-backs keep a worker free while SQLite works on it: the progress handler, every 1,000
 * steps of its machine, lets others run when the fiber has had its share, and stops the statement
 * when the context is cancelled; the busy handler sleeps as a fiber does. On the writer's thread
 * there is no fiber: there the one looks at nothing (sqlite3_interrupt stops it) and the other
 * sleeps the thread.
 *
 * SQLite holds none of its global locks in either of them, so another fiber may use another
 * connection meanwhile.
 */
#include "data/sqlite/sqlite.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "os/sys.h"
#include "os/thread.h"
#include "rt/fiber.h"
#include "rt/worker.h"

#define LOOKASIDE_BYTES                                                                            \
    512 /* a small piece of a connection's own heap: statements are prepared once */
#define LOOKASIDE_PIECES                                                                           \
    64 /* 32 KB, where SQLite's default would be 120 KB for each of many readers */
#define STEPS_BETWEEN_LOOKS 1000
#define NAP_MS_MAX 50
#define SYNC_NORMAL 1 /* of PRAGMA synchronous */
#define SYNC_FULL 2

/* --- handlers --------------------------------------------------------------------------------- */

static int on_progress(void *arg)
{
    struct weir__sqlite_conn *conn = arg;
    if (weir__fiber_self() == NULL)
        return atomic_load_explicit(&conn->is_cancelled, memory_order_relaxed);
    conn->stopped = weir_checkpoint(weir__ctx_handle(conn->head.c));
    return conn->stopped != WEIR_OK;
}

static int64_t nap_ns(int nth)
{
    return (nth >= 6 ? NAP_MS_MAX : 1 << nth) * INT64_C(1000000);
}

/* Up to the moment at which it gives up, so that a deadline is told as such. */
static bool nap_as_fiber(struct weir__sqlite_conn *conn, int64_t ns)
{
    int64_t left = conn->busy_until.ns - weir__worker_now(weir__self).ns;
    if (left <= 0)
        return false;
    conn->stopped = weir_sleep(weir__ctx_handle(conn->head.c), weir_ns(left < ns ? left : ns));
    return conn->stopped == WEIR_OK;
}

static bool nap_as_thread(struct weir__sqlite_conn *conn, int64_t ns)
{
    int64_t left = weir_time_sub(conn->busy_until, weir__clock()).ns;
    if (left <= 0 || atomic_load_explicit(&conn->is_cancelled, memory_order_relaxed))
        return false;
    sqlite3_sleep((int)((left < ns ? left : ns) / 1000000) + 1);
    return true;
}

static int on_busy(void *arg, int nth)
{
    struct weir__sqlite_conn *conn = arg;
    int64_t ns = nap_ns(nth);
    return weir__fiber_self() != NULL ? nap_as_fiber(conn, ns) : nap_as_thread(conn, ns);
}

void weir__sqlite_begin_work(struct weir__sqlite_conn *conn)
{
    const struct weir__ctx *c = conn->head.c;
    conn->stopped = WEIR_OK;
    weir_time limit = weir_time_add(weir__self->now, conn->owner->o.busy_timeout);
    conn->busy_until = c->is_shielded ? limit : weir_time_min(limit, c->deadline);
    atomic_store_explicit(&conn->is_cancelled, false, memory_order_relaxed);
}

/* --- errors ----------------------------------------------------------------------------------- */

static weir_err code_of_constraint(int rc, const char *what)
{
    /* ON DELETE RESTRICT is a trigger to SQLite. */
    if (rc == SQLITE_CONSTRAINT_TRIGGER && strncmp(what, "FOREIGN KEY", 11) == 0)
        return WEIR_EFOREIGNKEY;
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return WEIR_EUNIQUE;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return WEIR_EFOREIGNKEY;
    case SQLITE_CONSTRAINT_NOTNULL:
        return WEIR_ENOTNULL;
    case SQLITE_CONSTRAINT_CHECK:
        return WEIR_ECHECK;
    default:
        return WEIR_ECONSTRAINT;
    }
}

static weir_err code_of(int rc, const char *what)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
        return WEIR_OK;
    case SQLITE_BUSY:
        return rc == SQLITE_BUSY_SNAPSHOT ? WEIR_ESERIALIZATION : WEIR_EBUSY;
    case SQLITE_LOCKED:
        return WEIR_EBUSY;
    case SQLITE_CONSTRAINT:
        return code_of_constraint(rc, what);
    case SQLITE_READONLY:
        return WEIR_EREADONLY;
    case SQLITE_INTERRUPT:
        return WEIR_ECANCELED;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_TOOBIG:
        return WEIR_ETOOLARGE;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_IOERR:
        return -EIO;
    default:
        return WEIR_EDB;
    }
}

/* "UNIQUE constraint failed: users.email": what stands behind the colon is all that it names. */
static void note_constraint(const char *what, struct weir__sql_fault *fault)
{
    const char *name = strstr(what, "constraint failed: ");
    if (name != NULL)
        snprintf(fault->constraint, sizeof fault->constraint, "%s", strchr(name, ':') + 2);
}

weir_err weir__sqlite_error(struct weir__sqlite_conn *conn, int rc, struct weir__sql_fault *fault)
{
    const char *what = conn->db != NULL ? sqlite3_errmsg(conn->db) : sqlite3_errstr(rc);
    if ((rc & 0xff) == SQLITE_BUSY && rc != SQLITE_BUSY_SNAPSHOT)
        what = "another process holds it locked";
    else if (rc == SQLITE_AUTH && conn->refused[0] != '\0')
        what = conn->refused;
    weir_err err = weir__sql_fault(fault, code_of(rc, what), "%s", what);
    fault->number = rc;
    if ((rc & 0xff) == SQLITE_CONSTRAINT)
        note_constraint(what, fault);
    return err;
}

weir_err weir__sqlite_told(struct weir__sqlite_conn *conn, weir_err err,
                           struct weir__sql_fault *fault)
{
    if (WEIR_LIKELY(err == WEIR_OK))
        return err;
    if (conn->is_in_tx && sqlite3_get_autocommit(conn->db)) {
        conn->is_in_tx = false; /* SQLite has rolled back by itself */
        fault->fate = WEIR__TX_LOST;
    }
    if (conn->stopped == WEIR_OK ||
        (err != WEIR_ECANCELED && err != WEIR_EBUSY && err != conn->stopped))
        return err;
    fault->err = WEIR_OK;
    return conn->stopped;
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Why the file could not be opened, as plainly as can be found out. */
static weir_err explain_open(const struct weir__sqlite *db, int rc, struct weir__sql_fault *fault)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(db->path, '/');
    int n = slash == NULL || slash == db->path ? 1 : (int)(slash - db->path);
    snprintf(folder, sizeof folder, "%.*s", n, slash == NULL ? "." : db->path);
    int fd = weir__sys_open(folder, O_PATH | O_DIRECTORY, 0);
    if (fd < 0) {
        return weir__sql_fault(fault, fd == -ENOENT ? WEIR_ENOTFOUND : fd,
                               "cannot open %s: the directory %s: %s", db->path, folder,
                               weir_strerror(fd));
    }
    weir__sys_close(fd);
    fd = weir__sys_open(db->path, O_RDWR, 0);
    if (fd >= 0) {
        weir__sys_close(fd);
        return weir__sql_fault(fault, WEIR_EDB, "cannot open %s: %s", db->path, sqlite3_errstr(rc));
    }
    bool is_missing = fd == -ENOENT;
    return weir__sql_fault(fault, is_missing ? WEIR_ENOTFOUND : fd, "cannot open %s: %s", db->path,
                           is_missing && !db->o.create
                               ? "there is no such file (.create = true makes one)"
                           : is_missing ? "it cannot be made in that directory"
                                        : weir_strerror(fd));
}

static int run_pragma(sqlite3 *db, const char *format, long long value)
{
    char sql[80];
    snprintf(sql, sizeof sql, format, value);
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* The one value of a pragma's one row, as "wal". */
static int ask(sqlite3 *db, const char *sql, char *out, size_t size)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(s, 0);
        snprintf(out, size, "%s", text != NULL ? (const char *)text : "");
    }
    int end = sqlite3_finalize(s);
    return rc == SQLITE_ROW ? SQLITE_OK : end;
}

static weir_err refuse(const struct weir__sqlite *db, struct weir__sql_fault *fault, weir_err err,
                       const char *why, const char *value)
{
    return weir__sql_fault(fault, err, "cannot open %s: %s%s", db->path, why, value);
}

static weir_err refuse_code(struct weir__sqlite_conn *conn, int rc, struct weir__sql_fault *fault)
{
    const struct weir__sqlite *db = conn->owner;
    switch (rc & 0xff) {
    case SQLITE_NOTADB:
        return refuse(db, fault, WEIR_EDB, "it is not an SQLite database", "");
    case SQLITE_BUSY:
        return refuse(db, fault, WEIR_EBUSY, "another process holds it locked", "");
    case SQLITE_CANTOPEN:
        return explain_open(db, rc, fault);
    case SQLITE_READONLY:
        return refuse(db, fault, -EACCES, "it cannot be written", "");
    default:
        return refuse(db, fault, code_of(rc, ""), sqlite3_errmsg(conn->db), "");
    }
}

/* Only the writer can change a file's mode, and only it must know that the file is writable. */
static weir_err set_up_writer(struct weir__sqlite_conn *conn, struct weir__sql_fault *fault)
{
    char mode[32] = "", encoding[32] = "", page[32] = "";
    int rc = ask(conn->db, "PRAGMA journal_mode=WAL", mode, sizeof mode);
    if (rc == SQLITE_OK)
        rc = ask(conn->db, "PRAGMA encoding", encoding, sizeof encoding);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(conn->db, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return refuse_code(conn, rc, fault);
    if (strcmp(mode, "wal") != 0)
        return refuse(conn->owner, fault, WEIR_EDB,
                      "its file system does not allow WAL mode, it stays in mode ", mode);
    if (strcmp(encoding, "UTF-8") != 0)
        return refuse(conn->owner, fault, WEIR_EDB, "its texts are not UTF-8 but ", encoding);
    rc = ask(conn->db, "PRAGMA page_size", page, sizeof page);
    if (rc != SQLITE_OK)
        return refuse_code(conn, rc, fault);
    weir__sqlite_watch_wal(conn, atoi(page));
    weir__sqlite_file_note(conn->owner);
    return WEIR_OK;
}

static weir_err set_up(struct weir__sqlite_conn *conn, struct weir__sql_fault *fault)
{
    const weir_sqlite_options *o = &conn->owner->o;
    sqlite3_extended_result_codes(conn->db, 1);
    (void)sqlite3_db_config(conn->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, LOOKASIDE_BYTES,
                            LOOKASIDE_PIECES);
    sqlite3_busy_handler(conn->db, on_busy, conn);
    sqlite3_progress_handler(conn->db, STEPS_BETWEEN_LOOKS, on_progress, conn);
    sqlite3_limit(conn->db, SQLITE_LIMIT_LENGTH, (int)o->value_bytes_max);
    sqlite3_limit(conn->db, SQLITE_LIMIT_SQL_LENGTH, (int)o->value_bytes_max);
    if (conn->is_writer) {
        weir_err err = set_up_writer(conn, fault);
        if (err != WEIR_OK)
            return err;
    }
    int rc = run_pragma(conn->db, "PRAGMA mmap_size=%lld", (long long)o->mmap_bytes);
    if (rc == SQLITE_OK)
        rc = run_pragma(conn->db, "PRAGMA cache_size=-%lld", (long long)(o->cache_bytes / 1024));
    if (rc == SQLITE_OK)
        rc = run_pragma(conn->db, "PRAGMA synchronous=%lld; PRAGMA foreign_keys=ON",
                        o->sync_full ? SYNC_FULL : SYNC_NORMAL);
    if (rc == SQLITE_OK)
        rc = weir__sqlite_guard(conn);
    return rc == SQLITE_OK ? WEIR_OK : refuse_code(conn, rc, fault);
}

weir_err weir__sqlite_connect(struct weir__sqlite *db, bool is_writer,
                              struct weir__sqlite_conn *conn, struct weir__sql_fault *fault)
{
    bool is_first = db->file.ino == 0;
    if (!is_first) {
        weir_err gone = weir__sqlite_file_check(db, fault);
        if (gone != WEIR_OK)
            return gone;
    }
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    flags |= !is_writer ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    flags |= is_writer && is_first && db->o.create ? SQLITE_OPEN_CREATE : 0;
    conn->owner = db;
    conn->is_writer = is_writer;
    int rc = sqlite3_open_v2(db->path, &conn->db, flags, NULL);
    weir_err err = rc == SQLITE_OK ? set_up(conn, fault) : refuse_code(conn, rc, fault);
    if (err == WEIR_OK)
        return WEIR_OK;
    sqlite3_close(conn->db);
    conn->db = NULL;
    return err;
}

void weir__sqlite_disconnect(struct weir__sqlite_conn *conn)
{
    weir__sql_forget_all(&conn->head);
    /* The WAL must not be folded into, nor taken along with, a file that only bears the name. */
    if (weir__sqlite_file_is_there(conn->owner)) {
        if (conn->is_writer)
            weir__sqlite_file_forget_wal(conn->owner);
    } else {
        (void)sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    int rc = sqlite3_close(conn->db);
    WEIR_ASSERT(rc == SQLITE_OK, "S3: a connection is closed without statements");
}

/* --- readers, for the pool -------------------------------------------------------------------- */

static weir_err open_reader(void *driver, struct weir__ctx *c, void **resource)
{
    struct weir__sql_fault fault;
    struct weir__sqlite *db = driver;
    struct weir__sqlite_conn *conn = weir__calloc(1, sizeof *conn);
    if (conn == NULL)
        return -ENOMEM;
    weir__sql_fault_init(&fault);
    weir__sql_conn_init(&conn->head, &db->db);
    conn->head.c = c;
    conn->owner = db;
    weir__sqlite_begin_work(conn);
    weir_err err = weir__sqlite_connect(db, false, conn, &fault);
    err = weir__sqlite_told(conn, err, &fault);
    if (err != WEIR_OK) {
        err = weir__sql_fail(&db->db, c, WEIR_HERE, NULL, NULL, NULL, err, &fault);
        weir__free(conn);
        return err;
    }
    *resource = conn;
    return WEIR_OK;
}

static void close_reader(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__sqlite_conn *conn = resource;
    (void)driver;
    conn->head.c = c;
    weir__sqlite_begin_work(conn);
    weir__sqlite_disconnect(conn);
    weir__free(conn);
}

bool weir__sqlite_is_dirty(void *driver, void *resource)
{
    struct weir__sqlite_conn *conn = resource;
    (void)driver;
    return sqlite3_get_autocommit(conn->db) == 0;
}

const struct weir__pool_ops weir__sqlite_reader_ops = {
    .open = open_reader, .close = close_reader, .is_dirty = weir__sqlite_is_dirty};
