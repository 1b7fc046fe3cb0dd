/*
 * Running statements, transactions, and the connection that writes. It is lent to one transaction
 * at a time, and whatever it does that may wait for the disk is done on the writer's thread: one
 * hop a statement. The BEGIN goes with the first statement, and what only reads runs on the worker,
 * on the same connection, which the lease keeps for this fiber alone.
 *
 * A transaction that is to read only has one of the connections that read, all on the worker.
 *
 * The hard thing is the end. SQLite rolls back by itself after some errors, and a context may be
 * cancelled at any point; so the end looks at the connection, not at what was asked for.
 */
#include "data/sqlite/sqlite.h"

#include <string.h>

#include "base/alloc.h"
#include "rt/fiber.h"
#include "rt/worker.h"

/* A call on the writer's thread; lives on the fiber's stack. */
struct job {
    struct weir__sqlite *db;
    struct weir__sqlite_conn *conn;
    struct weir__sqlite_stmt *stmt;
    const char *sql;
    bool for_rows;
    struct weir__sql_outcome *out;
    struct weir__sql_fault *fault;
};

/* On any thread: stops what runs, and the nap of the busy handler. */
static void interrupt(void *arg)
{
    struct job *j = arg;
    atomic_store_explicit(&j->conn->is_cancelled, true, memory_order_relaxed);
    if (j->conn->db != NULL)
        sqlite3_interrupt(j->conn->db);
}

/* Here for a connection that reads, on its thread for the one that writes. */
static weir_err run(struct job *j, weir_err (*fn)(void *arg))
{
    struct weir__sqlite_conn *conn = j->conn;
    weir_err err;
    weir__sqlite_begin_work(conn);
    if (!conn->is_writer) {
        err = fn(j);
    } else {
        err = weir__offload_on(j->db->thread, conn->head.c, conn->head.site, fn, j, interrupt);
        if (err != WEIR_OK && j->fault->err == WEIR_OK)
            (void)weir__sql_fault(j->fault, err, "%s", weir_strerror(err));
    }
    return weir__sqlite_told(conn, err, j->fault);
}

static struct job job_of(struct weir__sql_conn *head, struct weir__sql_fault *fault)
{
    struct weir__sqlite_conn *conn = WEIR_CONTAINER(head, struct weir__sqlite_conn, head);
    return (struct job){.db = conn->owner, .conn = conn, .fault = fault};
}

/* --- where it runs ---------------------------------------------------------------------------- */

static weir_err step_all(struct job *j, const char *sql)
{
    int rc = sqlite3_exec(j->conn->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? WEIR_OK : weir__sqlite_error(j->conn, rc, j->fault);
}

/*
 * The transaction's BEGIN, if that is owed. Without one the transaction cannot go on, whatever the
 * statement was.
 */
static weir_err begin_first(struct job *j)
{
    if (!j->conn->owes_begin)
        return WEIR_OK;
    weir_err err = weir__sqlite_file_check(j->db, j->fault);
    if (err == WEIR_OK)
        err = step_all(j, j->conn->is_writer ? "BEGIN IMMEDIATE" : "BEGIN");
    if (err != WEIR_OK) {
        j->fault->fate = WEIR__TX_FAILED;
        return err;
    }
    sqlite3_set_last_insert_rowid(j->conn->db, 0);
    j->conn->owes_begin = false;
    j->conn->is_in_tx = true;
    return WEIR_OK;
}

static weir_err do_begin(void *arg)
{
    return begin_first(arg);
}

/*
 * It has been written: into which file? Only after the fact can that be said for certain. Then the
 * size of the WAL is looked after.
 */
static weir_err after_commit(struct job *j)
{
    if (!j->conn->is_writer)
        return WEIR_OK;
    weir_err err = weir__sqlite_file_check(j->db, j->fault);
    if (err == WEIR_OK)
        weir__sqlite_bound_wal(j->conn);
    return err;
}

static weir_err step_to_end(struct job *j)
{
    sqlite3 *db = j->conn->db;
    int rc;
    int64_t before = sqlite3_total_changes64(db);
    do
        rc = sqlite3_step(j->stmt->s);
    while (rc == SQLITE_ROW);
    if (rc != SQLITE_DONE)
        return weir__sqlite_error(j->conn, rc, j->fault);
    if (sqlite3_total_changes64(db) != before)
        j->out->changes = sqlite3_changes64(db);
    j->out->last_id = sqlite3_last_insert_rowid(db);
    return WEIR_OK;
}

/* A statement of rows that writes does all of it in its first step; the row is kept. */
static weir_err step_first(struct job *j)
{
    int rc = sqlite3_step(j->stmt->s);
    j->stmt->has_row = rc == SQLITE_ROW;
    j->stmt->has_ended = rc != SQLITE_ROW;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        return WEIR_OK;
    return weir__sqlite_error(j->conn, rc, j->fault);
}

static weir_err do_execute(void *arg)
{
    struct job *j = arg;
    bool is_alone = !j->conn->owes_begin && !j->conn->is_in_tx;
    weir_err err = begin_first(j);
    if (is_alone) {
        sqlite3_set_last_insert_rowid(j->conn->db, 0);
        err = weir__sqlite_file_check(j->db, j->fault);
    }
    if (err == WEIR_OK)
        err = j->for_rows ? step_first(j) : step_to_end(j);
    return err == WEIR_OK && is_alone ? after_commit(j) : err;
}

static weir_err do_control(void *arg)
{
    struct job *j = arg;
    weir_err err = begin_first(j);
    return err == WEIR_OK ? step_all(j, j->sql) : err;
}

/* The first statement of `sql`; what stands behind it is `*tail`. */
static weir_err run_first(struct job *j, const char *sql, const char **tail)
{
    sqlite3_stmt *s = NULL;
    weir_err err = WEIR_OK;
    int rc = weir__sqlite_compile(j->conn, sql, 0, &s, tail);
    bool wants_values = sqlite3_bind_parameter_count(s) > 0;
    if (rc == SQLITE_OK && s != NULL && !wants_values)
        do
            rc = sqlite3_step(s);
        while (rc == SQLITE_ROW);
    if (wants_values)
        err = weir__sql_fault(j->fault, WEIR_EINVALID, "a script takes no values");
    else if (rc != SQLITE_OK && rc != SQLITE_DONE)
        err = weir__sqlite_error(j->conn, rc, j->fault);
    if (err != WEIR_OK)
        j->fault->at = sql + strspn(sql, " \t\r\n");
    sqlite3_finalize(s);
    return err;
}

static weir_err do_script(void *arg)
{
    struct job *j = arg;
    weir_err err = begin_first(j);
    for (const char *sql = j->sql, *tail; err == WEIR_OK && *sql != '\0'; sql = tail) {
        tail = sql;
        err = run_first(j, sql, &tail);
    }
    return err;
}

static weir_err do_rollback(void *arg)
{
    struct job *j = arg;
    return sqlite3_get_autocommit(j->conn->db) ? WEIR_OK : step_all(j, "ROLLBACK");
}

static weir_err do_commit(void *arg)
{
    struct job *j = arg;
    weir_err err = step_all(j, "COMMIT");
    return err == WEIR_OK ? after_commit(j) : err;
}

/* --- for the core ----------------------------------------------------------------------------- */

weir_err weir__sqlite_execute(struct weir__sql_conn *head, struct weir__sql_stmt *text,
                              const struct weir__sql_values *values, bool for_rows,
                              struct weir__sql_outcome *out, struct weir__sql_fault *fault)
{
    struct job j = job_of(head, fault);
    weir_err err = WEIR_OK;
    j.stmt = WEIR_CONTAINER(text, struct weir__sqlite_stmt, head);
    j.stmt->has_stepped = j.stmt->has_row = j.stmt->has_ended = false;
    j.for_rows = for_rows;
    j.out = out;
    bool reads_only = for_rows && text->reads_only;
    if (reads_only && WEIR_UNLIKELY(j.conn->owes_begin))
        err = run(&j, do_begin);
    else
        weir__sqlite_begin_work(j.conn);
    if (WEIR_LIKELY(err == WEIR_OK))
        err = weir__sqlite_bind(j.conn, j.stmt, values, fault);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return weir__sqlite_told(j.conn, err, fault);
    return WEIR_LIKELY(reads_only) ? err : run(&j, do_execute);
}

/* All transactions are serializable, and one that reads has its snapshot from its first read on. */
weir_err weir__sqlite_begin(struct weir__sql_conn *head, const weir_tx_options *options,
                            struct weir__sql_fault *fault)
{
    struct job j = job_of(head, fault);
    (void)options;
    j.conn->owes_begin = true;
    return WEIR_OK;
}

weir_err weir__sqlite_end(struct weir__sql_conn *head, bool commits, struct weir__sql_fault *fault)
{
    struct job j = job_of(head, fault);
    j.conn->owes_begin = false;
    if (!j.conn->is_in_tx)
        return WEIR_OK;
    weir_err err = run(&j, commits ? do_commit : do_rollback);
    if (sqlite3_get_autocommit(j.conn->db))
        j.conn->is_in_tx = false;
    return err;
}

weir_err weir__sqlite_control(struct weir__sql_conn *head, const char *text,
                              struct weir__sql_fault *fault)
{
    struct job j = job_of(head, fault);
    j.sql = text;
    return run(&j, do_control);
}

weir_err weir__sqlite_script(struct weir__sql_conn *head, const char *text,
                             struct weir__sql_fault *fault)
{
    struct job j = job_of(head, fault);
    j.sql = text;
    return run(&j, do_script);
}

/* --- the writer, for its pool ----------------------------------------------------------------- */

static weir_err do_connect(void *arg)
{
    struct job *j = arg;
    return weir__sqlite_connect(j->db, true, j->conn, j->fault);
}

static weir_err do_disconnect(void *arg)
{
    struct job *j = arg;
    weir__sqlite_disconnect(j->conn);
    return WEIR_OK;
}

static weir_err open_writer(void *driver, struct weir__ctx *c, void **resource)
{
    struct weir__sql_fault fault;
    struct job j = {.db = driver, .conn = weir__calloc(1, sizeof *j.conn), .fault = &fault};
    if (j.conn == NULL)
        return -ENOMEM;
    weir__sql_fault_init(&fault);
    weir__sql_conn_init(&j.conn->head, &j.db->db);
    j.conn->head.c = c;
    j.conn->head.site = WEIR_HERE;
    j.conn->owner = driver;
    j.conn->is_writer = true;
    weir_err err = run(&j, do_connect);
    if (err == WEIR_OK) {
        *resource = j.conn;
        return WEIR_OK;
    }
    err = weir__sql_fail(&j.db->db, c, WEIR_HERE, NULL, NULL, NULL, err, &fault);
    weir__free(j.conn);
    return err;
}

/*
 * Closing may write the WAL back, so it is for the thread as well; where that takes no more calls,
 * here.
 */
static void close_writer(void *driver, struct weir__ctx *c, void *resource)
{
    struct job j = {.db = driver, .conn = resource};
    j.conn->head.c = c;
    weir__sqlite_begin_work(j.conn);
    if (weir__offload_on(j.db->thread, c, WEIR_HERE, do_disconnect, &j, NULL) != WEIR_OK)
        weir__sqlite_disconnect(j.conn);
    weir__free(j.conn);
}

const struct weir__pool_ops weir__sqlite_writer_ops = {
    .open = open_writer, .close = close_writer, .is_dirty = weir__sqlite_is_dirty};
