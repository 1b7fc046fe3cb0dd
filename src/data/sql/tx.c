/*
 * Transactions, whatever the driver, and transactions in them, which are save points.
 *
 * A transaction that could not be begun is one that keeps its first error and does nothing. One
 * within another works on the outer one's connection; its errors are its own, unless the database
 * has given up the whole. While it is open the outer one takes no statements: what they did would
 * be undone with it.
 */
#include <stdio.h>
#include <string.h>

#include "base/given.h"
#include "base/sized.h"
#include "data/sql/nodes.h"
#include "rt/fiber.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/sized.h"
#include "rt/worker.h"
#include "wire/sql_text.h"

#define END_NS 1000000000 /* for a roll-back, whatever the context's deadline */
#define DEPTH_MAX 32      /* transactions in each other */

static weir_tx tx_without_memory = {
    .token = WEIR__TOKEN_STATIC(WEIR__KIND_TX), .err = -ENOMEM, .is_ended = true};

static weir_tx *outermost(weir_tx *tx)
{
    while (tx->outer != NULL)
        tx = tx->outer;
    return tx;
}

weir_err weir__sql_fail_tx(weir_tx *tx, const weir_site *site, const char *sql, weir_err err,
                           const struct weir__sql_fault *f)
{
    return weir__sql_fail(tx->db, tx->c, site, tx, &outermost(tx)->lease, sql, err, f);
}

struct weir__sql_conn *weir__sql_conn_of(weir_tx *tx, const weir_site *site)
{
    tx->conn->c = tx->c;
    tx->conn->site = site;
    return tx->conn;
}

/* --- as owned things -------------------------------------------------------------------------- */

static weir_err end_tx(weir_tx *tx, const weir_site *site, bool commits);

static void release_tx(struct weir__owned *o)
{
    weir_tx *tx = WEIR_CONTAINER(o, weir_tx, owned);
    (void)end_tx(tx, tx->site, false);
}

static void describe_tx(const struct weir__owned *o, weir_buf *out)
{
    const weir_tx *tx = WEIR_CONTAINER(o, weir_tx, owned);
    weir_buf_printf(out, "of %s, neither committed nor rolled back,", tx->db->name);
}

static const struct weir__owned_type tx_type = {.name = "transaction",
                                                .release = release_tx,
                                                .describe = describe_tx,
                                                .is_mistake = weir__is_always_mistake};

/* --- may it be used? -------------------------------------------------------------------------- */

/*
 * Something is asked of a transaction that has ended: that is its error from now on, lest a commit
 * that follows says that all went well.
 */
static weir_err refuse_ended(weir_tx *tx, const weir_site *site, const char *function)
{
    if (tx->err == WEIR_OK)
        tx->err = weir_raise_at(site, weir__ctx_handle(tx->c), WEIR_ECLOSED, 0,
                                "%s: %s: the transaction that began at %s:%d has ended already",
                                tx->db->name, function, tx->site->file, tx->site->line);
    return tx->err;
}

static weir_err refuse_outer(weir_tx *tx, const weir_site *site, const char *function)
{
    return tx->err = weir_raise_at(
               site, weir__ctx_handle(tx->c), WEIR_EINVALID, 0,
               "%s: %s: the transaction within this one that began at %s:%d is still open",
               tx->db->name, function, tx->inner->site->file, tx->inner->site->line);
}

weir_err weir__sql_check_tx(weir_tx *tx, const weir_site *site, const char *function)
{
    if (tx->is_ended)
        return refuse_ended(tx, site, function);
    weir__sql_check_fiber(tx->fiber, tx->site, function);
    if (tx->err != WEIR_OK)
        return tx->err;
    return WEIR_LIKELY(tx->inner == NULL) ? WEIR_OK : refuse_outer(tx, site, function);
}

/* --- beginning -------------------------------------------------------------------------------- */

static void init_tx(weir_tx *tx, const weir_site *site, struct weir__ctx *c, weir_db *db)
{
    tx->db = db;
    tx->driver = db->driver;
    tx->c = c;
    tx->site = site;
    tx->fiber = weir__self->current;
    weir__list_init(&tx->rows);
    weir__own(c, &tx->owned, &tx_type, site);
}

static weir_err check_options(const weir_tx_options *o, struct weir__sql_fault *fault)
{
    if (WEIR_LIKELY((unsigned)o->isolation <= WEIR_SERIALIZABLE))
        return WEIR_OK;
    return weir__sql_fault(fault, WEIR_EINVALID, "there is no isolation %d", (int)o->isolation);
}

/* A connection of its own, and unless it `is_auto` a transaction on it. */
static weir_err begin(weir_tx *tx, const weir_tx_options *o)
{
    struct weir__sql_fault fault;
    weir__sql_fault_init(&fault);
    bool is_for_primary =
        !o->read_only || (tx->driver->serializes_on_primary && o->isolation == WEIR_SERIALIZABLE);
    enum weir__sql_purpose purpose = is_for_primary ? WEIR__SQL_WRITE : WEIR__SQL_READ;
    tx->writes = !o->read_only;
    weir_err err = check_options(o, &fault);
    if (err == WEIR_OK && tx->is_auto)
        err = weir__sql_take_for_one(tx->db, tx->c, tx->site, purpose, tx->alone, &tx->owned,
                                     &tx->lease, &tx->conn, &fault);
    else if (err == WEIR_OK)
        err = tx->driver->take(tx->db, tx->c, tx->site, purpose, &tx->owned, &tx->lease, &tx->conn,
                               &fault);
    if (err == WEIR_OK && !tx->is_auto) {
        err = tx->driver->begin(weir__sql_conn_of(tx, tx->site), o, &fault);
        tx->has_begun = err == WEIR_OK;
    }
    return WEIR_LIKELY(err == WEIR_OK) ? err : weir__sql_fail_tx(tx, tx->site, NULL, err, &fault);
}

static void open_tx(weir_tx *tx, const weir_site *site, struct weir__ctx *c, weir_db *db,
                    const weir_tx_options *o)
{
    init_tx(tx, site, c, db);
    tx->err = db->err != WEIR_OK ? weir__later_refused(db->err) : begin(tx, o);
}

/* A statement about the save point of `tx`, as "ROLLBACK TO weir_2". */
static weir_err control(weir_tx *tx, const weir_site *site, const char *what,
                        struct weir__sql_fault *fault)
{
    char text[48];
    weir__sql_fault_init(fault);
    (void)snprintf(text, sizeof text, "%s weir_%d", what, tx->depth);
    return tx->driver->control(weir__sql_conn_of(tx, site), text, fault);
}

static weir_err begin_inner(weir_tx *tx, const weir_tx_options *o)
{
    struct weir__sql_fault fault;
    weir_err err = weir__sql_check_tx(tx->outer, tx->site, "weir_begin");
    if (err != WEIR_OK)
        return weir__later_refused(err);
    weir__sql_fault_init(&fault);
    if (o->isolation != WEIR_ISOLATION_DEFAULT || o->read_only || o->deferrable)
        err = weir__sql_fault(&fault, WEIR_EINVALID,
                              "a transaction within another has no options of its own");
    else if (tx->depth > DEPTH_MAX)
        err = weir__sql_fault(&fault, WEIR_ELIMIT, "more than %d transactions in each other",
                              DEPTH_MAX);
    else
        err = weir__sql_check_alone(tx, &fault);
    if (err == WEIR_OK)
        err = control(tx, tx->site, "SAVEPOINT", &fault);
    if (err != WEIR_OK)
        return weir__sql_fail_tx(tx, tx->site, NULL, err, &fault);
    tx->has_begun = true;
    tx->outer->inner = tx;
    return WEIR_OK;
}

static void open_inner(weir_tx *tx, const weir_site *site, struct weir__ctx *c, weir_tx *outer,
                       const weir_tx_options *o)
{
    init_tx(tx, site, c, outer->db);
    tx->outer = outer;
    tx->depth = outer->depth + 1;
    tx->conn = outer->conn;
    tx->err = begin_inner(tx, o);
}

weir_tx *weir_begin_at(const weir_site *site, weir_ctx *handle, weir_source from,
                       const weir_tx_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_tx_options room;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_begin");
    from = weir__sql_source_of(from, "weir_begin");
    const weir_tx_options *o = weir__options(options, &room, sizeof room, "weir_begin");
    weir_tx *tx = weir__sql_db_behind(from) != NULL ? weir__ctx_object(c, sizeof *tx) : NULL;
    if (tx == NULL) {
        (void)weir__later_refused(-ENOMEM);
        return &tx_without_memory;
    }
    weir__token_open(&tx->token, c, WEIR__KIND_TX);
    if (from.tx != NULL)
        open_inner(tx, site, c, from.tx, o);
    else
        open_tx(tx, site, c, from.db, o);
    if (tx->err != WEIR_OK)
        (void)end_tx(tx, site, false);
    return weir__token_handle(&tx->token);
}

/* --- ending ----------------------------------------------------------------------------------- */

static weir_err undo_on(struct weir__sql_conn *conn, const weir_tx *tx,
                        struct weir__sql_fault *fault)
{
    char text[48];
    if (tx->outer == NULL)
        return tx->driver->end(conn, false, fault);
    (void)snprintf(text, sizeof text, "ROLLBACK TO weir_%d", tx->depth);
    weir_err err = tx->driver->control(conn, text, fault);
    if (err != WEIR_OK)
        return err;
    (void)snprintf(text, sizeof text, "RELEASE SAVEPOINT weir_%d", tx->depth);
    return tx->driver->control(conn, text, fault);
}

/* Whatever the context's state, in a second at the most. */
static weir_err undo(weir_tx *tx, const weir_site *site, struct weir__sql_fault *fault)
{
    struct weir__ctx *c = weir__ctx_local(tx->c);
    bool is_mine = !c->is_shielded;
    if (is_mine)
        weir_shield(weir__ctx_handle(c), weir_ns(END_NS));
    weir__sql_fault_init(fault);
    struct weir__sql_conn *conn = weir__sql_conn_of(tx, site);
    conn->c = c;
    weir_err err = undo_on(conn, tx, fault);
    if (is_mine)
        weir_unshield(weir__ctx_handle(c));
    return err;
}

/*
 * The transaction that it is in goes on as if this one had never been; where that fails, not at
 * all: the connection is closed, which undoes everything.
 */
static void roll_back(weir_tx *tx, const weir_site *site)
{
    struct weir__sql_fault fault;
    weir_err err = undo(tx, site, &fault);
    if (err == WEIR_OK)
        return;
    fault.is_broken = true;
    if (tx->outer != NULL)
        (void)weir__sql_fail_tx(tx, site, "ROLLBACK TO", err, &fault);
    else
        weir__lease_break(&tx->lease);
}

static weir_err commit(weir_tx *tx, const weir_site *site)
{
    struct weir__sql_fault fault;
    weir__sql_fault_init(&fault);
    if (tx->outer != NULL) {
        weir_err err = control(tx, site, "RELEASE SAVEPOINT", &fault);
        return err == WEIR_OK ? err : weir__sql_fail_tx(tx, site, "RELEASE SAVEPOINT", err, &fault);
    }
    weir_err err = tx->driver->end(weir__sql_conn_of(tx, site), true, &fault);
    if (err == WEIR_OK)
        return err;
    tx->is_commit_unknown = fault.may_have_run;
    return weir__sql_fail_tx(tx, site, "COMMIT", err, &fault);
}

/* Those within it are undone with it; an open one keeps a commit from being one. */
static void end_inner(weir_tx *tx, const weir_site *site, bool commits)
{
    weir_tx *inner = tx->inner;
    if (inner == NULL)
        return;
    if (commits && tx->err == WEIR_OK)
        (void)refuse_outer(tx, site, "weir_commit");
    inner->is_lost = true;
    if (inner->err == WEIR_OK)
        inner->err = WEIR_ECLOSED;
    (void)end_tx(inner, site, false);
}

/* Whatever becomes of its commit: its request knows of it from now on. */
static void note_written(const weir_tx *tx)
{
    if (tx->conn != NULL && tx->writes && tx->db->nodes != NULL)
        weir__sql_nodes_wrote(tx->db->nodes, tx->c, 0);
}

/* Ends it, whatever its state, with its first error or how the commit went. */
static weir_err end_tx(weir_tx *tx, const weir_site *site, bool commits)
{
    if (tx->is_ended)
        return tx->err;
    end_inner(tx, site, commits);
    weir__sql_close_rows_of(tx);
    bool is_good = commits && tx->err == WEIR_OK;
    if (commits && tx->outer == NULL)
        note_written(tx);
    if (tx->has_begun && !tx->is_lost) {
        if (is_good)
            tx->err = commit(tx, site);
        if ((!is_good || tx->err != WEIR_OK) && !tx->is_lost)
            roll_back(tx, site);
    }
    if (tx->outer == NULL)
        weir__sql_give_back(tx->conn, &tx->lease);
    else if (tx->outer->inner == tx)
        tx->outer->inner = NULL;
    tx->conn = NULL;
    tx->is_ended = true;
    weir__disown(&tx->owned);
    return tx->err;
}

/*
 * One on this stack: a panic (misuse, in the main) that unwinds the frame takes it off its context,
 * which would otherwise find what is no longer there.
 */
static void leave_tx(weir_tx *tx)
{
    if (weir__is_owned(&tx->owned))
        (void)end_tx(tx, tx->site, false);
}

weir_err weir_commit_at(const weir_site *site, weir_tx *tx)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    tx = weir__sql_tx_of(tx, "weir_commit");
    if (tx->is_ended)
        return weir__later_refused(tx->err);
    weir__sql_check_fiber(tx->fiber, tx->site, "weir_commit");
    return end_tx(tx, site, true);
}

void weir_rollback(weir_tx *tx)
{
    WEIR__FIBERS_ONLY();
    tx = weir__sql_tx_of(tx, __func__);
    if (tx->is_ended)
        return;
    weir__sql_check_fiber(tx->fiber, tx->site, "weir_rollback");
    (void)end_tx(tx, tx->site, false);
    if (tx->err == WEIR_OK)
        tx->err = WEIR_ECANCELED; /* a commit after it did not happen */
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Of rows that are open on a connection where nothing else can run meanwhile; NULL: none. */
static const weir_rows *in_the_way(const weir_tx *tx)
{
    if (!tx->driver->is_one_at_a_time)
        return NULL;
    for (; tx != NULL; tx = tx->outer) {
        if (!weir__list_empty(&tx->rows))
            return WEIR_CONTAINER(tx->rows.next, weir_rows, in_tx);
    }
    return NULL;
}

weir_err weir__sql_check_alone(const weir_tx *tx, struct weir__sql_fault *fault)
{
    const weir_rows *r = in_the_way(tx);
    if (WEIR_LIKELY(r == NULL))
        return WEIR_OK;
    return weir__sql_fault(fault, WEIR_EBUSY,
                           "the rows that were asked for at %s:%d are still open, and %s runs one "
                           "statement at a time on a connection: read them to their end, or close "
                           "them",
                           r->site->file, r->site->line, tx->driver->name);
}

weir_err weir__sql_run(weir_tx *tx, const weir_site *site, const char *sql, const weir_arg *args,
                       size_t count)
{
    struct weir__sql_fault fault;
    weir__sql_fault_init(&fault);
    struct weir__sql_outcome outcome = {0};
    struct weir__sql_conn *conn = weir__sql_conn_of(tx, site);
    struct weir__sql_stmt *stmt = NULL;
    weir_err err = weir__sql_check_alone(tx, &fault);
    if (WEIR_LIKELY(err == WEIR_OK))
        err = weir__sql_stmt_get(conn, sql, &stmt, &fault);
    if (WEIR_LIKELY(err == WEIR_OK))
        err = weir__sql_check_use(stmt, !tx->is_auto, &fault);
    if (WEIR_LIKELY(err == WEIR_OK))
        err = weir__sql_check_values(tx->driver, stmt, args, count, &fault);
    if (WEIR_LIKELY(err == WEIR_OK)) {
        const struct weir__sql_values values = {args, count, false};
        err = tx->driver->execute(conn, stmt, &values, false, &outcome, &fault);
    }
    if (stmt != NULL)
        weir__sql_stmt_put(conn, stmt);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return weir__sql_fail_tx(tx, site, sql, err, &fault);
    tx->changes = outcome.changes;
    if (outcome.last_id != 0)
        tx->last_id = outcome.last_id;
    return WEIR_OK;
}

weir_err weir_exec_at(const weir_site *site, weir_tx *tx, const char *sql, const weir_arg *args,
                      size_t count)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(sql, "the statement");
    weir__given_some(args, count, "the array of values");
    tx = weir__sql_tx_of(tx, "weir_exec");
    if (!tx->is_ended)
        tx->changes = 0;
    weir_err err = weir__sql_check_tx(tx, site, "weir_exec");
    if (err != WEIR_OK)
        return weir__later_refused(err);
    return tx->err = weir__sql_run(tx, site, sql, args, count);
}

int64_t weir_changes(const weir_tx *tx)
{
    WEIR__FIBERS_ONLY(0);
    return weir__sql_tx_of(tx, __func__)->changes;
}

int64_t weir_last_insert_id(const weir_tx *tx)
{
    WEIR__FIBERS_ONLY(0);
    return weir__sql_tx_of(tx, __func__)->last_id;
}

weir_err weir_tx_err(const weir_tx *tx)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return weir__sql_tx_of(tx, __func__)->err;
}

weir_err weir_db_exec_at(const weir_site *site, weir_ctx *handle, weir_db *db, weir_result *result,
                         size_t result_size, const char *sql, const weir_arg *args, size_t count)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(sql, "the statement");
    weir__given_some(args, count, "the array of values");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_db_exec");
    db = weir__sql_db_of(db, "weir_db_exec");
    weir_tx tx __attribute__((cleanup(leave_tx))) = {.is_auto = true, .alone = sql};
    open_tx(&tx, site, c, db, &(weir_tx_options){0});
    if (tx.err == WEIR_OK)
        tx.err = weir__sql_run(&tx, site, sql, args, count);
    weir_err err = end_tx(&tx, site, true);
    if (err == WEIR_OK && result != NULL)
        weir__sized_fill(result, result_size, &(weir_result){tx.changes, tx.last_id},
                         sizeof *result);
    return err;
}

weir_err weir_exec_script_at(const weir_site *site, weir_ctx *handle, weir_db *db, const char *sql)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(sql, "the script");
    struct weir__sql_fault fault;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_exec_script");
    db = weir__sql_db_of(db, "weir_exec_script");
    weir_tx tx __attribute__((cleanup(leave_tx))) = {.is_auto = false};
    open_tx(&tx, site, c, db, &(weir_tx_options){0});
    if (tx.err == WEIR_OK) {
        weir__sql_fault_init(&fault);
        tx.err = weir__sql_run_script(weir__sql_conn_of(&tx, site), sql, &fault);
        if (tx.err != WEIR_OK)
            tx.err = weir__sql_fail_tx(&tx, site, sql, tx.err, &fault);
    }
    return end_tx(&tx, site, true);
}

weir_err weir__sql_lock_migrations(const weir_site *site, weir_tx *handle)
{
    struct weir__sql_fault fault;
    weir_tx *tx = weir__sql_tx_of(handle, "weir_migrate");
    weir__sql_fault_init(&fault);
    if (tx->driver->lock == NULL)
        return WEIR_OK;
    weir_err err = tx->driver->control(weir__sql_conn_of(tx, site), tx->driver->lock, &fault);
    return err == WEIR_OK ? err
                          : (tx->err = weir__sql_fail_tx(tx, site, tx->driver->lock, err, &fault));
}

weir_err weir__sql_unlock_migrations(const weir_site *site, weir_tx *handle, bool commits)
{
    struct weir__sql_fault fault;
    weir_tx *tx = weir__sql_tx_of(handle, "weir_migrate");
    weir_err err = WEIR_OK;
    if (tx->driver->unlock == NULL || tx->is_lost || !tx->has_begun)
        return err;
    weir__sql_fault_init(&fault);
    if (commits)
        err = tx->driver->control(weir__sql_conn_of(tx, site), "COMMIT", &fault);
    if (err == WEIR_OK)
        err = tx->driver->control(weir__sql_conn_of(tx, site), tx->driver->unlock, &fault);
    return err == WEIR_OK
               ? err
               : (tx->err = weir__sql_fail_tx(tx, site, tx->driver->unlock, err, &fault));
}

/* Where a script failed goes before what is said of it. */
static void lead(struct weir__sql_fault *fault, const char *name, const char *sql)
{
    char text[sizeof fault->text];
    unsigned line = 1, column;
    memcpy(text, fault->text, sizeof text);
    if (fault->at != NULL)
        weir__sql_text_place(weir_str_from(sql), (size_t)(fault->at - sql), &line, &column);
    (void)snprintf(fault->text, sizeof fault->text, "%.200s:%u: %.180s", name, line, text);
}

weir_err weir__sql_script_in(const weir_site *site, weir_tx *handle, const char *sql,
                             const char *name)
{
    struct weir__sql_fault fault;
    weir_tx *tx = weir__sql_tx_of(handle, "weir_migrate");
    weir__sql_fault_init(&fault);
    bool has_mark = strncmp(sql, "\xef\xbb\xbf", 3) == 0; /* which some editors begin a file with */
    weir_err err =
        weir__sql_run_script(weir__sql_conn_of(tx, site), has_mark ? sql + 3 : sql, &fault);
    if (err == WEIR_OK)
        return err;
    if (fault.err != WEIR_OK)
        lead(&fault, name, sql);
    return tx->err = weir__sql_fail_tx(tx, site, sql, err, &fault);
}
