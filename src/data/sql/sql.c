/*
 * The public calls of SQL, whatever the driver: whose rows and transactions they are, what is left
 * open, which error counts.
 *
 * The hard thing is that everything may fail and be used all the same. So a query always yields
 * rows, a begin a transaction; they keep their first error, do nothing after it, and hold nothing.
 * The one without memory is shared and constant.
 *
 * The record in the context comes before the connection: whatever happens in between, the end finds
 * it.
 */
#include "data/sql/sql.h"

#include "base/given.h"
#include "base/sized.h"
#include "rt/fiber.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/worker.h"

static weir_rows rows_without_memory = {
    .token = WEIR__TOKEN_STATIC(WEIR__KIND_ROWS), .err = -ENOMEM, .is_finished = true};
static weir_tx tx_without_memory = {
    .token = WEIR__TOKEN_STATIC(WEIR__KIND_TX), .err = -ENOMEM, .state = WEIR__TX_ENDED};

/* --- what is behind a handle ------------------------------------------------------------------ */

static weir_rows *rows_of(const weir_rows *handle, const char *function)
{
    return weir__token_must(handle, WEIR__KIND_ROWS, function, "the rows");
}

static weir_tx *tx_of(const weir_tx *handle, const char *function)
{
    return weir__token_must(handle, WEIR__KIND_TX, function, "the transaction");
}

static weir_db *db_of(const weir_db *handle, const char *function)
{
    return weir__token_must(handle, WEIR__KIND_DB, function, "the database");
}

static weir_source source_of(weir_source from, const char *function)
{
    if (from.tx != NULL)
        return (weir_source){.tx = tx_of(from.tx, function)};
    return (weir_source){.db = db_of(from.db, function)};
}

static weir_db *db_behind(weir_source from)
{
    return from.tx != NULL ? from.tx->db : from.db;
}

static void check_fiber(const struct weir__fiber *owner, const weir_site *site,
                        const char *function)
{
    if (WEIR_LIKELY(owner == weir__self->current))
        return;
    weir__misuse(function, "made at %s:%d by another fiber: two fibers never share a connection",
                 site->file, site->line);
}

/* --- rows as owned things --------------------------------------------------------------------- */

static void release_rows(struct weir__owned *o)
{
    weir_rows *r = WEIR_CONTAINER(o, weir_rows, owned);
    r->driver->close_rows(r);
    r->is_finished = true;
}

static void describe_rows(const struct weir__owned *o, weir_buf *out)
{
    const weir_rows *r = WEIR_CONTAINER(o, weir_rows, owned);
    weir_buf_printf(out, "of %s", r->db->name);
    if (r->err != WEIR_OK)
        weir_buf_printf(out, ", its error never read (%s),", weir_strerror(r->err));
    else
        weir_buf_printf(out, " after %llu", (unsigned long long)r->count);
}

/* What is finished and read is not owned any more. */
static const struct weir__owned_type rows_type = {.name = "rows",
                                                  .release = release_rows,
                                                  .describe = describe_rows,
                                                  .is_mistake = weir__is_always_mistake};

/* They hold nothing any more; an unread error keeps them on the context's list. */
static void finish(weir_rows *r)
{
    r->driver->close_rows(r);
    r->is_finished = true;
    if (r->err == WEIR_OK || r->is_err_read)
        weir__disown(&r->owned);
}

/* --- reading ---------------------------------------------------------------------------------- */

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

/* What can be said before a driver is asked. */
static weir_err check_source(const weir_rows *r)
{
    if (r->tx == NULL)
        return r->db->err;
    check_fiber(r->tx->fiber, r->tx->site, "weir_query");
    if (r->tx->err != WEIR_OK)
        return r->tx->err;
    if (r->tx->state == WEIR__TX_ENDED)
        return refuse_ended(r->tx, r->site, "weir_query");
    return WEIR_OK;
}

static void open_rows(weir_rows *r, const weir_site *site, struct weir__ctx *c, weir_source from,
                      const char *sql, const weir_arg *args, size_t count)
{
    r->db = db_behind(from);
    r->driver = r->db->driver;
    r->c = c;
    r->site = site;
    r->fiber = weir__self->current;
    r->tx = from.tx;
    weir__list_init(&r->in_tx);
    weir__own(c, &r->owned, &rows_type, site);
    r->err = check_source(r);
    if (WEIR_LIKELY(r->err == WEIR_OK))
        r->err = r->driver->query(r, sql, args, count);
    else
        (void)weir__later_refused(r->err);
    if (WEIR_UNLIKELY(r->err != WEIR_OK))
        finish(r);
}

weir_rows *weir_query_at(const weir_site *site, weir_ctx *handle, weir_source from,
                         uint64_t rows_max, const char *sql, const weir_arg *args, size_t count)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir__given(sql, "the statement");
    weir__given_some(args, count, "the array of values");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_query");
    from = source_of(from, "weir_query");
    weir_rows *r = db_behind(from) != NULL ? weir__ctx_object(c, sizeof *r) : NULL;
    if (r == NULL) {
        (void)weir__later_refused(-ENOMEM);
        return &rows_without_memory;
    }
    r->max = rows_max;
    r->copies_args = true;
    weir__token_open(&r->token, c, WEIR__KIND_ROWS);
    open_rows(r, site, c, from, sql, args, count);
    return weir__token_handle(&r->token);
}

static bool next(weir_rows *r, const weir_model *model, void *out)
{
    if (WEIR_UNLIKELY(r->is_finished)) {
        (void)weir__later_refused(r->err < 0 ? r->err : WEIR_ECLOSED);
        return false;
    }
    check_fiber(r->fiber, r->site, "weir_rows_next");
    int rc = r->driver->next(r, model, out);
    if (WEIR_LIKELY(rc > 0))
        return true;
    if (r->err == WEIR_OK)
        r->err = rc;
    finish(r);
    return false;
}

bool weir_rows_next_at(weir_rows *rows, const weir_model *model, void *out)
{
    WEIR__FIBERS_ONLY(false);
    weir__given(model, "the model");
    weir__given(out, "the object");
    return rows != NULL && next(rows_of(rows, "weir_rows_next"), model, out);
}

weir_err weir_rows_err(weir_rows *rows)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    if (rows == NULL)
        return WEIR_OK;
    weir_rows *r = rows_of(rows, __func__);
    if (r->driver == NULL || r->err == WEIR_OK)
        return r->err;
    r->is_err_read = true;
    weir__disown(&r->owned);
    return r->err;
}

void weir_rows_close(weir_rows *rows)
{
    WEIR__FIBERS_ONLY();
    weir_rows *r = rows != NULL ? rows_of(rows, __func__) : NULL;
    if (r == NULL || r->is_finished)
        return;
    check_fiber(r->fiber, r->site, "weir_rows_close");
    finish(r);
}

/*
 * Rows and transactions on this stack: a panic (misuse, in the main) that unwinds the frame takes
 * them off their context, which would otherwise find what is no longer there.
 */
static void leave_rows(weir_rows *r)
{
    if (!r->is_finished && weir__is_owned(&r->owned))
        finish(r);
    weir__disown(&r->owned);
}

weir_err weir_query_one_at(const weir_site *site, weir_ctx *handle, weir_source from,
                           const weir_model *model, void *out, const char *sql,
                           const weir_arg *args, size_t count)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(model, "the model");
    weir__given(out, "the object");
    weir__given(sql, "the statement");
    weir__given_some(args, count, "the array of values");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_query_one");
    from = source_of(from, "weir_query_one");
    if (db_behind(from) == NULL)
        return -ENOMEM;
    weir_rows r __attribute__((cleanup(leave_rows))) = {.copies_texts = true};
    open_rows(&r, site, c, from, sql, args, count);
    weir_err err = WEIR_OK;
    if (!next(&r, model, out))
        err = r.err != WEIR_OK ? r.err : WEIR_ENOTFOUND;
    r.is_err_read = true;
    return err;
}

/* --- transactions as owned things ------------------------------------------------------------- */

static void release_tx(struct weir__owned *o)
{
    weir_tx *tx = WEIR_CONTAINER(o, weir_tx, owned);
    (void)tx->driver->end(tx, tx->site, false);
    tx->state = WEIR__TX_ENDED;
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

/* --- writing ---------------------------------------------------------------------------------- */

static void open_tx(weir_tx *tx, const weir_site *site, struct weir__ctx *c, weir_db *db)
{
    tx->db = db;
    tx->driver = db->driver;
    tx->c = c;
    tx->site = site;
    tx->fiber = weir__self->current;
    weir__list_init(&tx->rows);
    weir__own(c, &tx->owned, &tx_type, site);
    tx->err = db->err != WEIR_OK ? weir__later_refused(db->err) : tx->driver->begin(tx);
}

/* Ends it, whatever its state, with its first error or how the commit went. */
static weir_err end_tx(weir_tx *tx, const weir_site *site, bool commits)
{
    if (tx->state != WEIR__TX_ENDED) {
        bool is_good = commits && tx->err == WEIR_OK;
        weir_err err = tx->driver->end(tx, site, is_good);
        if (is_good)
            tx->err = err;
        tx->state = WEIR__TX_ENDED;
        weir__disown(&tx->owned);
    }
    return tx->err;
}

static void leave_tx(weir_tx *tx)
{
    if (weir__is_owned(&tx->owned))
        (void)end_tx(tx, tx->site, false);
}

weir_tx *weir_begin_at(const weir_site *site, weir_ctx *handle, weir_db *db)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_begin");
    db = db_of(db, "weir_begin");
    weir_tx *tx = weir__ctx_object(c, sizeof *tx);
    if (tx == NULL) {
        (void)weir__later_refused(-ENOMEM);
        return &tx_without_memory;
    }
    weir__token_open(&tx->token, c, WEIR__KIND_TX);
    open_tx(tx, site, c, db);
    if (tx->err != WEIR_OK)
        (void)end_tx(tx, site, false);
    return weir__token_handle(&tx->token);
}

weir_err weir_exec_at(const weir_site *site, weir_tx *tx, const char *sql, const weir_arg *args,
                      size_t count)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(sql, "the statement");
    weir__given_some(args, count, "the array of values");
    tx = tx_of(tx, "weir_exec");
    if (tx->state == WEIR__TX_ENDED)
        return weir__later_refused(refuse_ended(tx, site, "weir_exec"));
    check_fiber(tx->fiber, tx->site, "weir_exec");
    tx->changes = 0;
    if (tx->err < 0)
        return weir__later_refused(tx->err);
    return tx->err = tx->driver->exec(tx, site, sql, args, count);
}

weir_err weir_commit_at(const weir_site *site, weir_tx *tx)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    tx = tx_of(tx, "weir_commit");
    if (tx->state == WEIR__TX_ENDED)
        return weir__later_refused(tx->err);
    check_fiber(tx->fiber, tx->site, "weir_commit");
    return end_tx(tx, site, true);
}

void weir_rollback(weir_tx *tx)
{
    WEIR__FIBERS_ONLY();
    tx = tx_of(tx, __func__);
    if (tx->state == WEIR__TX_ENDED)
        return;
    check_fiber(tx->fiber, tx->site, "weir_rollback");
    (void)end_tx(tx, tx->site, false);
    if (tx->err == WEIR_OK)
        tx->err = WEIR_ECANCELED; /* a commit after it did not happen */
}

int64_t weir_changes(const weir_tx *tx)
{
    WEIR__FIBERS_ONLY(0);
    return tx_of(tx, __func__)->changes;
}

int64_t weir_last_insert_id(const weir_tx *tx)
{
    WEIR__FIBERS_ONLY(0);
    return tx_of(tx, __func__)->last_id;
}

weir_err weir_tx_err(const weir_tx *tx)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return tx_of(tx, __func__)->err;
}

weir_err weir_db_exec_at(const weir_site *site, weir_ctx *handle, weir_db *db, weir_result *result,
                         size_t result_size, const char *sql, const weir_arg *args, size_t count)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(sql, "the statement");
    weir__given_some(args, count, "the array of values");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_db_exec");
    db = db_of(db, "weir_db_exec");
    weir_tx tx __attribute__((cleanup(leave_tx))) = {.is_auto = true};
    open_tx(&tx, site, c, db);
    if (tx.err == WEIR_OK)
        tx.err = tx.driver->exec(&tx, site, sql, args, count);
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
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_exec_script");
    db = db_of(db, "weir_exec_script");
    weir_tx tx __attribute__((cleanup(leave_tx))) = {.is_auto = false};
    open_tx(&tx, site, c, db);
    if (tx.err == WEIR_OK)
        tx.err = tx.driver->script(&tx, site, sql);
    return end_tx(&tx, site, true);
}

/* --- the database ----------------------------------------------------------------------------- */

weir_err weir_db_err(const weir_db *db)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return db_of(db, __func__)->err;
}

const char *weir_db_name(const weir_db *db)
{
    WEIR__FIBERS_ONLY("(no name)");
    return db_of(db, __func__)->name;
}

void weir_db_stats_at(weir_db *db, weir_pool_stats *readers, weir_pool_stats *writer,
                      size_t stats_size)
{
    WEIR__FIBERS_ONLY();
    db = db_of(db, "weir_db_stats");
    weir_pool_stats reads = {.name = db->name}, writes = {.name = db->name};
    if (db->err == WEIR_OK)
        db->driver->stats(db, readers != NULL ? &reads : NULL, writer != NULL ? &writes : NULL);
    if (readers != NULL)
        weir__sized_fill(readers, stats_size, &reads, sizeof reads);
    if (writer != NULL)
        weir__sized_fill(writer, stats_size, &writes, sizeof writes);
}
