/*
 * The inside of the SQLite driver.
 *
 * S1: a connection is used by the holder of its lease alone, on the holder's worker or, for the one
 *     that writes, on the writer's thread while the holder waits for it.
 * S3: a lease goes back with no statement busy and outside of a transaction.
 * S4: a statement of the program's is prepared by weir__sqlite_compile, one at a time, and only
 *     then is it asked what it is about to do.
 */
#ifndef WEIR_DATA_SQLITE_H
#define WEIR_DATA_SQLITE_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "data/sql/driver.h"
#include "rt/offload.h"
#include <weir/sqlite.h>

/* Which file a path has led to; `ino` 0: not known. */
struct weir__sqlite_identity {
    dev_t dev;
    ino_t ino;
};

struct weir__sqlite {
    struct weir_db db; /* first */
    weir_sqlite_options o;
    char *path, *name, *writer_name; /* the path is absolute */
    char *wal_path;
    struct weir__sqlite_identity file; /* set before anybody else knows of it */
    _Atomic uint64_t wal_ino;          /* 0: not known, no connection writes */
    _Atomic int64_t look_at_ns;        /* when those that read look at the file again */
    _Atomic uint64_t wal_bytes;        /* after the last commit */
    int64_t tell_at_ns;           /* of the writer: when the next line about its size may come */
    struct weir__list registered; /* in open.c's list of all */
    struct weir__pool *readers, *writer;
    struct weir__offload_pool *thread;
    struct weir__owned owned;
};

struct weir__sqlite_stmt {
    struct weir__sql_stmt head; /* first */
    sqlite3_stmt *s;
    int reprepares; /* how often when its shape was told: the schema may have changed since */
    bool has_stepped, has_row, has_ended; /* since it was executed */
};

struct weir__sqlite_conn {
    struct weir__sql_conn head; /* first */
    struct weir__sqlite *owner;
    sqlite3 *db;
    bool is_writer;
    bool owes_begin;   /* the transaction has begun, SQLite does not know yet */
    bool is_in_tx;     /* it does */
    bool is_preparing; /* S4 */
    bool wants_tx;     /* found by what is being prepared */
    char refused[200]; /* why it was refused; "": it was not */
    int page_bytes;
    weir_err stopped; /* why the progress or the busy handler has given up; WEIR_OK: it has not */
    weir_time busy_until;
    atomic_bool is_cancelled; /* told to the writer's thread */
};

extern const struct weir__sql_driver weir__sqlite_driver;

/* Tells of each open database how large its WAL is. Any thread. */
void weir__sqlite_each(void (*fn)(const char *name, uint64_t wal_bytes, void *arg), void *arg);

/* metrics.c: adds the numbers of all databases to a registry. */
struct weir__metrics;
void weir__sqlite_metrics(struct weir__metrics *to);

/* --- conn.c: connections ---------------------------------------------------------------------- */

/* Opens one; without the name in the fault's text. May run on the writer's thread. */
weir_err weir__sqlite_connect(struct weir__sqlite *db, bool is_writer,
                              struct weir__sqlite_conn *conn, struct weir__sql_fault *fault);
void weir__sqlite_disconnect(struct weir__sqlite_conn *conn);

/*
 * It works for conn->head.c from now on, and waits for other processes up to that one's deadline.
 */
void weir__sqlite_begin_work(struct weir__sqlite_conn *conn);

/* What a result code means. On any thread. */
weir_err weir__sqlite_error(struct weir__sqlite_conn *conn, int rc, struct weir__sql_fault *fault);

/*
 * The last word about an operation that returns `err`, on the worker: the reason where that is why
 * it failed, and what has become of the transaction.
 */
weir_err weir__sqlite_told(struct weir__sqlite_conn *conn, weir_err err,
                           struct weir__sql_fault *fault);

/* For both pools: it is in a transaction still. */
bool weir__sqlite_is_dirty(void *driver, void *resource);
extern const struct weir__pool_ops weir__sqlite_reader_ops;

/* --- guard.c: what a statement may not leave behind ------------------------------------------- */

/* From now on weir__sqlite_compile refuses that. */
int weir__sqlite_guard(struct weir__sqlite_conn *conn);
/* sqlite3_prepare_v3 of a text of the program's; SQLITE_AUTH: `refused` says why. */
int weir__sqlite_compile(struct weir__sqlite_conn *conn, const char *sql, unsigned flags,
                         sqlite3_stmt **out, const char **tail);

/* --- file.c: the files from the outside ------------------------------------------------------- */

/* Remembers which files there are; when one that writes has been opened, and the WAL is there. */
void weir__sqlite_file_note(struct weir__sqlite *db);
/* When one that writes is closed: the last of all takes the WAL along, and that is no mistake. */
void weir__sqlite_file_forget_wal(struct weir__sqlite *db);
/* Whether they still are. Any thread. */
bool weir__sqlite_file_is_there(const struct weir__sqlite *db);
/* WEIR_EDB when they are not. */
weir_err weir__sqlite_file_check(const struct weir__sqlite *db, struct weir__sql_fault *fault);
/* The same, at most once a second, by who reads: on a worker. */
weir_err weir__sqlite_file_look(struct weir__sqlite *db, struct weir__sql_fault *fault);

/* Checkpoints of the connection that writes are made here from now on. */
void weir__sqlite_watch_wal(struct weir__sqlite_conn *conn, int page_bytes);
/* After a commit: holds back the writer while the WAL is too large. */
void weir__sqlite_bound_wal(struct weir__sqlite_conn *conn);

/* --- stmt.c: statements ----------------------------------------------------------------------- */

weir_err weir__sqlite_prepare(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                              struct weir__sql_fault *fault);
void weir__sqlite_forget(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt);
void weir__sqlite_column(struct weir__sql_stmt *stmt, int i, struct weir__sql_fact *out);
weir_err weir__sqlite_bind(struct weir__sqlite_conn *conn, struct weir__sqlite_stmt *stmt,
                           const struct weir__sql_values *values, struct weir__sql_fault *fault);
int weir__sqlite_fetch(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                       struct weir__sql_fault *fault);
void weir__sqlite_finish(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt);

/* --- tx.c: running, and the writer ------------------------------------------------------------ */

extern const struct weir__pool_ops weir__sqlite_writer_ops;

weir_err weir__sqlite_execute(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                              const struct weir__sql_values *values, bool for_rows,
                              struct weir__sql_outcome *out, struct weir__sql_fault *fault);
weir_err weir__sqlite_begin(struct weir__sql_conn *conn, const weir_tx_options *options,
                            struct weir__sql_fault *fault);
weir_err weir__sqlite_end(struct weir__sql_conn *conn, bool commits, struct weir__sql_fault *fault);
weir_err weir__sqlite_control(struct weir__sql_conn *conn, const char *text,
                              struct weir__sql_fault *fault);
weir_err weir__sqlite_script(struct weir__sql_conn *conn, const char *text,
                             struct weir__sql_fault *fault);

#endif
