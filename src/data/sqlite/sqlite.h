/*
 * The inside of the SQLite driver.
 *
 * S1: a connection is used by the holder of its lease alone, on the holder's worker or, for the one
 *     that writes, on the writer's thread while the holder waits for it.
 * S2: a statement is BUSY from its look-up to its reset; only one that is not is evicted.
 * S3: a lease goes back with no statement busy and, if it was of the writer, outside of a
 *     transaction.
 * S4: a statement of the program's is prepared by weir__sqlite_compile, one at a time, and only
 *     then is it asked what it is about to do.
 */
#ifndef WEIR_DATA_SQLITE_H
#define WEIR_DATA_SQLITE_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "base/model.h"
#include "data/sql/sql.h"
#include "rt/offload.h"
#include <weir/sqlite.h>

enum {
    WEIR__SQLITE_STATEMENTS = 64, /* prepared and kept, a connection */
    WEIR__SQLITE_PLACES = 128,    /* of the table by the statement's address */
    WEIR__SQLITE_MESSAGE = 400
};

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

/* How a column gets into its member; the usual ones directly, the rest by weir__field_set_*. */
enum weir__sqlite_op {
    WEIR__OP_OTHER,
    WEIR__OP_INT64,
    WEIR__OP_INT32,
    WEIR__OP_DOUBLE,
    WEIR__OP_STR
};

struct weir__sqlite_column {
    const struct weir__member *member;
    uint32_t offset;
    uint8_t op;
};

/*
 * From the columns of a statement to the members of a model: made for its first row, kept with it.
 */
struct weir__sqlite_plan {
    const weir_model *model; /* NULL: none yet */
    int reprepares; /* of the statement when it was made: the schema may have changed since */
    int count, room;
    struct weir__sqlite_column *columns; /* of `room`; the statement's */
};

struct weir__sqlite_stmt {
    sqlite3_stmt *s;
    const char *from;           /* the address that it was asked for by last */
    uint64_t hash;              /* of the text */
    struct weir__list in_cache; /* weir__sqlite_conn.cached, last used first; else not kept */
    bool is_busy, is_kept, reads_only;
    bool wants_tx; /* has a meaning within a transaction alone */
    int params;
    struct weir__sqlite_plan plan;
    char text[];
};

struct weir__sqlite_conn {
    struct weir__sqlite *owner;
    sqlite3 *db;
    bool is_writer;
    bool is_preparing; /* S4 */
    bool wants_tx;     /* found by what is being prepared */
    char refused[200]; /* why it was refused; "": it was not */
    int page_bytes;
    struct weir__ctx *c; /* for which it works now */
    weir_err stopped; /* why the progress or the busy handler has given up; WEIR_OK: it has not */
    weir_time busy_until;
    atomic_bool is_cancelled; /* told to the writer's thread */
    struct weir__list cached; /* weir__sqlite_stmt.in_cache */
    size_t cached_count;
    struct weir__sqlite_stmt *places[WEIR__SQLITE_PLACES];
};

extern const struct weir__sql_driver weir__sqlite_driver;

/* Tells of each open database how large its WAL is. Any thread. */
void weir__sqlite_each(void (*fn)(const char *name, uint64_t wal_bytes, void *arg), void *arg);

/* metrics.c: adds the numbers of all databases to a registry. */
struct weir__metrics;
void weir__sqlite_metrics(struct weir__metrics *to);

/* --- conn.c: connections ---------------------------------------------------------------------- */

/*
 * Opens one. On failure the code, with a line about it in `message`. May run on the writer's
 * thread.
 */
weir_err weir__sqlite_connect(struct weir__sqlite *db, bool is_writer,
                              struct weir__sqlite_conn **out, char *message);
void weir__sqlite_disconnect(struct weir__sqlite_conn *conn);

/*
 * Tells a connection for whom it works from now on, and until when it may wait for other processes.
 */
void weir__sqlite_begin_work(struct weir__sqlite_conn *conn, struct weir__ctx *c);

/*
 * What a result code means; `message` (WEIR__SQLITE_MESSAGE bytes) is what to tell people, `sql`
 * may be NULL.
 */
weir_err weir__sqlite_error(struct weir__sqlite_conn *conn, int rc, const char *sql, char *message);

/*
 * Raises an error with such a message in the name of `site`; a cancelled context's reason comes
 * first.
 */
weir_err weir__sqlite_raise(struct weir__sqlite_conn *conn, struct weir__ctx *c,
                            const weir_site *site, weir_err err, const char *message);

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
/* WEIR_EDB with a line in `message` when they are not. */
weir_err weir__sqlite_file_check(const struct weir__sqlite *db, char *message);
/* The same, at most once a second, by who reads: on a worker. */
weir_err weir__sqlite_file_look(struct weir__sqlite *db, char *message);

/* Checkpoints of the connection that writes are made here from now on. */
void weir__sqlite_watch_wal(struct weir__sqlite_conn *conn, int page_bytes);
/* After a commit: holds back the writer while the WAL is too large. */
void weir__sqlite_bound_wal(struct weir__sqlite_conn *conn);

/* --- stmt.c: statements ----------------------------------------------------------------------- */

/* A prepared statement, busy from now on. SQLITE_OK, or an error in words of `message`. */
weir_err weir__sqlite_prepare(struct weir__sqlite_conn *conn, const char *sql,
                              struct weir__sqlite_stmt **out, char *message);
weir_err weir__sqlite_bind(struct weir__sqlite_conn *conn, struct weir__sqlite_stmt *stmt,
                           const weir_arg *args, size_t count, bool copies, char *message);
/* WEIR_EDB for a savepoint and its like outside of a transaction. */
weir_err weir__sqlite_check_use(struct weir__sqlite_conn *conn,
                                const struct weir__sqlite_stmt *stmt, bool is_in_tx, char *message);
/* Not busy any more; NULL is allowed. */
void weir__sqlite_put(struct weir__sqlite_conn *conn, struct weir__sqlite_stmt *stmt);
/* Before a connection is closed. */
void weir__sqlite_drop_all(struct weir__sqlite_conn *conn);

/* --- rows.c ----------------------------------------------------------------------------------- */

weir_err weir__sqlite_query(weir_rows *r, const char *sql, const weir_arg *args, size_t count);
int weir__sqlite_next(weir_rows *r, const weir_model *model, void *out);
void weir__sqlite_close_rows(weir_rows *r);

/* --- tx.c: the writer ------------------------------------------------------------------------- */

extern const struct weir__pool_ops weir__sqlite_writer_ops;

weir_err weir__sqlite_begin(weir_tx *tx);
weir_err weir__sqlite_exec(weir_tx *tx, const weir_site *site, const char *sql,
                           const weir_arg *args, size_t count);
weir_err weir__sqlite_script(weir_tx *tx, const weir_site *site, const char *sql);
weir_err weir__sqlite_end(weir_tx *tx, const weir_site *site, bool commits);

/* Sends the BEGIN of a transaction that has none yet. */
weir_err weir__sqlite_begin_now(weir_tx *tx, const weir_site *site);

/*
 * The first step of a statement of rows that writes (INSERT … RETURNING), on the writer's thread;
 * the row is kept.
 */
weir_err weir__sqlite_first_step(weir_rows *r);

#endif
