/*
 * The connection that writes. It is lent to one transaction at a time, and whatever it does that
 * may wait for the disk is done on the writer's thread: one hop a statement. The BEGIN goes with
 * the first statement, and what only reads runs on the worker, on the same connection, which the
 * lease keeps for this fiber alone.
 *
 * The hard thing is the end. SQLite rolls back by itself after some errors, and a context may be
 * cancelled at any point; so the end looks at the connection, not at what was asked for, works
 * under a shield, and where even that fails the connection is closed, which rolls back too.
 */
#include "data/sqlite/sqlite.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/fiber.h"
#include "rt/worker.h"

#define END_NS 1000000000

/* A call on the writer's thread; lives on the fiber's stack. */
struct job {
    struct weir__sqlite *db;
    struct weir__sqlite_conn *conn;
    weir_tx *tx;
    const char *sql;
    const weir_arg *args;
    size_t count;
    weir_rows *rows;
    bool begins;
    char message[WEIR__SQLITE_MESSAGE];
};

/* On any thread: stops what runs, and the nap of the busy handler. */
static void interrupt(void *arg)
{
    struct job *j = arg;
    atomic_store_explicit(&j->conn->is_cancelled, true, memory_order_relaxed);
    if (j->conn->db != NULL)
        sqlite3_interrupt(j->conn->db);
}

static weir_err run(struct job *j, struct weir__ctx *c, const weir_site *site,
                    weir_err (*fn)(void *arg))
{
    weir__sqlite_begin_work(j->conn, c);
    j->message[0] = '\0';
    weir_err err = weir__offload_on(j->db->thread, c, site, fn, j, interrupt);
    if (err == WEIR_OK)
        return WEIR_OK;
    if (j->message[0] == '\0')
        snprintf(j->message, sizeof j->message, "%s: %s", j->db->name, weir_strerror(err));
    return weir__sqlite_raise(j->conn, c, site, err, j->message);
}

static struct job job_of(weir_tx *tx)
{
    return (struct job){
        .db = (struct weir__sqlite *)tx->db, .conn = tx->conn, .tx = tx, .begins = false};
}

/* --- on the writer's thread ------------------------------------------------------------------- */

static weir_err step_all(struct job *j, const char *sql)
{
    int rc = sqlite3_exec(j->conn->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? WEIR_OK : weir__sqlite_error(j->conn, rc, sql, j->message);
}

static weir_err begin_first(struct job *j)
{
    if (!j->begins)
        return WEIR_OK;
    weir_err err = weir__sqlite_file_check(j->db, j->message);
    if (err == WEIR_OK)
        err = step_all(j, "BEGIN IMMEDIATE");
    if (err == WEIR_OK)
        j->tx->state = WEIR__TX_BEGUN;
    return err;
}

static weir_err do_begin(void *arg)
{
    return begin_first(arg);
}

static weir_err step_to_end(struct job *j, struct weir__sqlite_stmt *stmt)
{
    int rc;
    int64_t before = sqlite3_total_changes64(j->conn->db);
    do
        rc = sqlite3_step(stmt->s);
    while (rc == SQLITE_ROW);
    if (rc != SQLITE_DONE)
        return weir__sqlite_error(j->conn, rc, stmt->text, j->message);
    if (sqlite3_total_changes64(j->conn->db) != before)
        j->tx->changes = sqlite3_changes64(j->conn->db);
    j->tx->last_id = sqlite3_last_insert_rowid(j->conn->db);
    return WEIR_OK;
}

/*
 * It has been written: into which file? Only after the fact can that be said for certain. Then the
 * size of the WAL is looked after.
 */
static weir_err after_commit(struct job *j)
{
    weir_err err = weir__sqlite_file_check(j->db, j->message);
    if (err == WEIR_OK)
        weir__sqlite_bound_wal(j->conn);
    return err;
}

static weir_err do_exec(void *arg)
{
    struct job *j = arg;
    struct weir__sqlite_stmt *stmt = NULL;
    if (j->tx->state == WEIR__TX_OPEN)
        sqlite3_set_last_insert_rowid(j->conn->db, 0);
    weir_err err = begin_first(j);
    if (err == WEIR_OK && j->tx->is_auto)
        err = weir__sqlite_file_check(j->db, j->message);
    if (err == WEIR_OK)
        err = weir__sqlite_prepare(j->conn, j->sql, &stmt, j->message);
    if (err == WEIR_OK)
        err = weir__sqlite_check_use(j->conn, stmt, !j->tx->is_auto, j->message);
    if (err == WEIR_OK)
        err = weir__sqlite_bind(j->conn, stmt, j->args, j->count, false, j->message);
    if (err == WEIR_OK)
        err = step_to_end(j, stmt);
    weir__sqlite_put(j->conn, stmt);
    return err == WEIR_OK && j->tx->is_auto ? after_commit(j) : err;
}

static weir_err do_script(void *arg)
{
    struct job *j = arg;
    const char *sql = j->sql;
    weir_err err = begin_first(j);
    while (err == WEIR_OK && *sql != '\0') {
        sqlite3_stmt *s = NULL;
        const char *tail = sql;
        int rc = weir__sqlite_compile(j->conn, sql, 0, &s, &tail);
        if (rc == SQLITE_OK && s != NULL)
            do
                rc = sqlite3_step(s);
            while (rc == SQLITE_ROW);
        if (rc != SQLITE_OK && rc != SQLITE_DONE)
            err = weir__sqlite_error(j->conn, rc, sql + strspn(sql, " \t\r\n"), j->message);
        sqlite3_finalize(s);
        sql = tail;
    }
    return err;
}

static weir_err do_first_step(void *arg)
{
    struct job *j = arg;
    struct weir__sqlite_stmt *stmt = j->rows->stmt;
    int rc = sqlite3_step(stmt->s);
    j->rows->is_kept = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        return WEIR_OK;
    return weir__sqlite_error(j->conn, rc, stmt->text, j->message);
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
    if (err != WEIR_OK && !sqlite3_get_autocommit(j->conn->db))
        (void)sqlite3_exec(j->conn->db, "ROLLBACK", NULL, NULL, NULL);
    return err == WEIR_OK ? after_commit(j) : err;
}

static weir_err do_connect(void *arg)
{
    struct job *j = arg;
    return weir__sqlite_connect(j->db, true, &j->conn, j->message);
}

static weir_err do_disconnect(void *arg)
{
    struct job *j = arg;
    weir__sqlite_disconnect(j->conn);
    return WEIR_OK;
}

/* --- the writer, for its pool ----------------------------------------------------------------- */

static weir_err open_writer(void *driver, struct weir__ctx *c, void **resource)
{
    struct job j = {.db = driver, .conn = weir__calloc(1, sizeof *j.conn)};
    if (j.conn == NULL)
        return -ENOMEM;
    j.conn->owner = driver;
    weir_err err = run(&j, c, WEIR_HERE, do_connect);
    if (err == WEIR_OK)
        *resource = j.conn;
    else
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
    weir__sqlite_begin_work(j.conn, c);
    if (weir__offload_on(j.db->thread, c, WEIR_HERE, do_disconnect, &j, NULL) != WEIR_OK)
        weir__sqlite_disconnect(j.conn);
    weir__free(j.conn);
}

static bool is_dirty(void *driver, void *resource)
{
    struct weir__sqlite_conn *conn = resource;
    (void)driver;
    return sqlite3_get_autocommit(conn->db) == 0;
}

const struct weir__pool_ops weir__sqlite_writer_ops = {
    .open = open_writer, .close = close_writer, .is_dirty = is_dirty};

/* --- transactions ----------------------------------------------------------------------------- */

weir_err weir__sqlite_begin(weir_tx *tx)
{
    struct weir__sqlite *db = (struct weir__sqlite *)tx->db;
    weir_err err = weir__pool_acquire(db->writer, tx->c, tx->site, &tx->owned, &tx->lease);
    if (err == WEIR_OK)
        tx->conn = weir__lease_resource(&tx->lease, "weir_begin");
    return err;
}

weir_err weir__sqlite_begin_now(weir_tx *tx, const weir_site *site)
{
    struct job j = job_of(tx);
    if (tx->state != WEIR__TX_OPEN)
        return WEIR_OK;
    j.begins = true;
    return tx->err = run(&j, tx->c, site, do_begin);
}

weir_err weir__sqlite_exec(weir_tx *tx, const weir_site *site, const char *sql,
                           const weir_arg *args, size_t count)
{
    struct job j = job_of(tx);
    j.begins = tx->state == WEIR__TX_OPEN && !tx->is_auto;
    j.sql = sql;
    j.args = args;
    j.count = count;
    return run(&j, tx->c, site, do_exec);
}

weir_err weir__sqlite_script(weir_tx *tx, const weir_site *site, const char *sql)
{
    struct job j = job_of(tx);
    j.begins = true;
    j.sql = sql;
    return run(&j, tx->c, site, do_script);
}

weir_err weir__sqlite_first_step(weir_rows *r)
{
    struct job j = job_of(r->tx);
    j.rows = r;
    weir_err err = run(&j, r->c, r->site, do_first_step);
    if (err != WEIR_OK)
        r->tx->err = err;
    return err;
}

/* Its rows end before it does: a statement in progress would keep the connection busy. */
static void close_all_rows(weir_tx *tx)
{
    while (!weir__list_empty(&tx->rows)) {
        weir_rows *r = WEIR_CONTAINER(tx->rows.next, weir_rows, in_tx);
        weir__sqlite_close_rows(r);
        r->is_finished = true;
        if (r->err == WEIR_OK)
            r->err = WEIR_ECLOSED;
    }
}

static weir_err roll_back(weir_tx *tx, const weir_site *site)
{
    struct job j = job_of(tx);
    struct weir__ctx *c = weir__ctx_local(tx->c);
    bool is_mine = !c->is_shielded;
    if (is_mine)
        weir_shield(weir__ctx_handle(c), weir_ns(END_NS));
    weir__sqlite_begin_work(j.conn, c);
    weir_err err = weir__offload_on(j.db->thread, c, site, do_rollback, &j, NULL);
    if (err != WEIR_OK)
        weir__lease_break(&tx->lease);
    if (is_mine)
        weir_unshield(weir__ctx_handle(c));
    return err;
}

weir_err weir__sqlite_end(weir_tx *tx, const weir_site *site, bool commits)
{
    weir_err err = WEIR_OK;
    close_all_rows(tx);
    if (tx->conn != NULL && tx->state == WEIR__TX_BEGUN) {
        struct job j = job_of(tx);
        if (commits)
            err = run(&j, tx->c, site, do_commit);
        if (!commits || err != WEIR_OK)
            (void)roll_back(tx, site);
    }
    tx->conn = NULL;
    weir__lease_release(&tx->lease);
    return err;
}
