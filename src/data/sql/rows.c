/*
 * Queries and their rows, whatever the driver: whose they are, what is left open, which error
 * counts.
 *
 * The hard thing is that everything may fail and be used all the same. So a query always yields
 * rows; they keep their first error, do nothing after it, and hold nothing. The one without memory
 * is shared and constant.
 *
 * The record in the context comes before the connection: whatever happens in between, the end finds
 * it.
 */
#include <string.h>

#include "base/given.h"
#include "base/model.h"
#include "data/sql/driver.h"
#include "rt/fiber.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/worker.h"

#define ROWS_AT_FIRST 16 /* room of weir_query_all */

static weir_rows rows_without_memory = {
    .token = WEIR__TOKEN_STATIC(WEIR__KIND_ROWS), .err = -ENOMEM, .is_finished = true};

static weir_rows *rows_of(const weir_rows *handle, const char *function)
{
    return weir__token_must(handle, WEIR__KIND_ROWS, function, "the rows");
}

/* --- rows as owned things --------------------------------------------------------------------- */

/* Gives back what they hold. Idempotent; by another fiber too, in a shield. */
static void let_go(weir_rows *r)
{
    if (r->stmt != NULL) {
        weir__sql_stmt_put(r->conn, r->stmt);
        r->stmt = NULL;
    }
    if (r->tx != NULL)
        weir__list_remove(&r->in_tx);
    else
        weir__sql_give_back(r->conn, &r->lease);
    r->conn = NULL;
    r->is_finished = true;
}

static void release_rows(struct weir__owned *o)
{
    let_go(WEIR_CONTAINER(o, weir_rows, owned));
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
    let_go(r);
    if (r->err == WEIR_OK || r->is_err_read)
        weir__disown(&r->owned);
}

void weir__sql_close_rows_of(weir_tx *tx)
{
    while (!weir__list_empty(&tx->rows)) {
        weir_rows *r = WEIR_CONTAINER(tx->rows.next, weir_rows, in_tx);
        let_go(r);
        if (r->err == WEIR_OK)
            r->err = WEIR_ECLOSED;
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

static weir_err fail(weir_rows *r, weir_err err, const struct weir__sql_fault *f, const char *sql)
{
    return weir__sql_fail(r->db, r->c, r->site, r->tx, r->tx == NULL ? &r->lease : NULL, sql, err,
                          f);
}

/*
 * The server's error in a statement, when it was sent or among its rows. What was to be changed is
 * not: the transaction cannot go on as if it were.
 */
static weir_err fail_run(weir_rows *r, weir_err err, struct weir__sql_fault *f, const char *sql)
{
    if (r->tx != NULL && !r->stmt->reads_only && f->fate == WEIR__TX_GOES_ON)
        f->fate = WEIR__TX_FAILED;
    return fail(r, err, f, sql);
}

/* A connection: the transaction's, or one that reads. */
static weir_err get_conn(weir_rows *r, const char *sql, struct weir__sql_fault *fault)
{
    weir_err err = WEIR_OK;
    if (r->tx != NULL)
        r->conn = r->tx->conn;
    else
        err = weir__sql_take_for_one(r->db, r->c, r->site, WEIR__SQL_READ, sql, &r->owned,
                                     &r->lease, &r->conn, fault);
    if (WEIR_LIKELY(err == WEIR_OK)) {
        r->conn->c = r->c;
        r->conn->site = r->site;
    }
    return err;
}

/* Whether a statement is one for weir_query, here. */
static weir_err check_use(const weir_rows *r, struct weir__sql_fault *fault)
{
    weir_err err = weir__sql_check_use(r->stmt, r->tx != NULL, fault);
    if (WEIR_UNLIKELY(err != WEIR_OK) || r->tx != NULL)
        return err;
    if (WEIR_UNLIKELY(!r->stmt->reads_only))
        return weir__sql_fault(fault, WEIR_EDB,
                               "weir_query on the database only reads; this writes, and wants "
                               "weir_begin and weir_exec, or weir_db_exec");
    return WEIR_OK;
}

static weir_err ask(weir_rows *r, const char *sql, const weir_arg *args, size_t count)
{
    struct weir__sql_fault fault;
    weir__sql_fault_init(&fault);
    struct weir__sql_outcome outcome = {0};
    weir_err err = get_conn(r, sql, &fault);
    if (WEIR_UNLIKELY(r->tx != NULL) && err == WEIR_OK)
        err = weir__sql_check_alone(r->tx, &fault);
    if (WEIR_LIKELY(err == WEIR_OK))
        err = weir__sql_stmt_get(r->conn, sql, &r->stmt, &fault);
    if (WEIR_LIKELY(err == WEIR_OK))
        err = check_use(r, &fault);
    if (WEIR_LIKELY(err == WEIR_OK))
        err = weir__sql_check_values(r->driver, r->stmt, args, count, &fault);
    if (WEIR_LIKELY(err == WEIR_OK)) {
        const struct weir__sql_values values = {args, count, r->copies_args};
        if (r->tx != NULL)
            weir__list_push_front(&r->tx->rows, &r->in_tx);
        err = r->driver->execute(r->conn, r->stmt, &values, true, &outcome, &fault);
        if (WEIR_UNLIKELY(err != WEIR_OK))
            return fail_run(r, err, &fault, sql);
    }
    return WEIR_LIKELY(err == WEIR_OK) ? err : fail(r, err, &fault, sql);
}

static weir_err check_source(const weir_rows *r)
{
    return r->tx == NULL ? r->db->err : weir__sql_check_tx(r->tx, r->site, "weir_query");
}

static void open_rows(weir_rows *r, const weir_site *site, struct weir__ctx *c, weir_source from,
                      const char *sql, const weir_arg *args, size_t count)
{
    r->db = weir__sql_db_behind(from);
    r->driver = r->db->driver;
    r->c = c;
    r->site = site;
    r->fiber = weir__self->current;
    r->tx = from.tx;
    if (r->max == 0)
        r->max = r->db->rows_max;
    weir__list_init(&r->in_tx);
    weir__own(c, &r->owned, &rows_type, site);
    r->err = check_source(r);
    if (WEIR_LIKELY(r->err == WEIR_OK))
        r->err = ask(r, sql, args, count);
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
    from = weir__sql_source_of(from, "weir_query");
    weir_rows *r = weir__sql_db_behind(from) != NULL ? weir__ctx_object(c, sizeof *r) : NULL;
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

/* --- reading ---------------------------------------------------------------------------------- */

/* 1: a row, put into `out`; 0: the end; below 0: an error. */
static int read_row(weir_rows *r, const weir_model *model, void *out)
{
    struct weir__sql_fault fault;
    weir__sql_fault_init(&fault);
    r->conn->c = r->c; /* others work with it in between */
    int rc = r->driver->fetch(r->conn, r->stmt, &fault);
    if (WEIR_UNLIKELY(rc <= 0))
        return rc == 0 ? 0 : fail_run(r, rc, &fault, r->stmt->text);
    weir_err err = WEIR_OK;
    if (WEIR_UNLIKELY(r->max != 0 && r->count == r->max))
        err = weir__sql_fault(&fault, WEIR_ELIMIT,
                              "more than %llu rows, which is the cap of this query",
                              (unsigned long long)r->max);
    if (WEIR_LIKELY(err == WEIR_OK))
        err = weir__sql_put_row(r, model, out, &fault);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return fail(r, err, &fault, r->stmt->text);
    r->count++;
    return 1;
}

static bool next(weir_rows *r, const weir_model *model, void *out)
{
    if (WEIR_UNLIKELY(r->is_finished)) {
        (void)weir__later_refused(r->err < 0 ? r->err : WEIR_ECLOSED);
        return false;
    }
    weir__sql_check_fiber(r->fiber, r->site, "weir_rows_next");
    int rc = read_row(r, model, out);
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
    weir__sql_check_fiber(r->fiber, r->site, "weir_rows_close");
    finish(r);
}

/*
 * Rows on this stack: a panic (misuse, in the main) that unwinds the frame takes them off their
 * context, which would otherwise find what is no longer there.
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
    from = weir__sql_source_of(from, "weir_query_one");
    if (weir__sql_db_behind(from) == NULL)
        return -ENOMEM;
    weir_rows r __attribute__((cleanup(leave_rows))) = {.copies_texts = true};
    open_rows(&r, site, c, from, sql, args, count);
    weir_err err = WEIR_OK;
    if (!next(&r, model, out))
        err = r.err != WEIR_OK ? r.err : WEIR_ENOTFOUND;
    r.is_err_read = true;
    return err;
}

/* --- all of them ------------------------------------------------------------------------------ */

void *weir__sql_room_for(weir_rows *r, const weir_model *model, struct weir__array *rows,
                         size_t *cap)
{
    if (rows->len == r->max)
        return rows->ptr; /* one past the cap is refused before it is put anywhere */
    if (rows->len == *cap) {
        size_t wanted = *cap == 0 ? ROWS_AT_FIRST : *cap * 2;
        if (wanted > r->max)
            wanted = r->max;
        void *made = weir__ctx_object(r->c, wanted * model->size);
        if (made == NULL)
            return NULL;
        if (rows->len > 0)
            memcpy(made, rows->ptr, rows->len * model->size);
        rows->ptr = made;
        *cap = wanted;
    }
    return (char *)rows->ptr + rows->len * model->size;
}

static weir_err read_all(weir_rows *r, const weir_model *model, struct weir__array *rows)
{
    size_t cap = 0;
    for (;;) {
        void *row = r->is_finished ? NULL : weir__sql_room_for(r, model, rows, &cap);
        if (row == NULL)
            return r->err != WEIR_OK ? r->err : r->is_finished ? WEIR_OK : -ENOMEM;
        if (next(r, model, row))
            rows->len++;
    }
}

weir_err weir_query_all_at(const weir_site *site, weir_ctx *handle, weir_source from,
                           const weir_model *model, void *out, uint64_t rows_max, const char *sql,
                           const weir_arg *args, size_t count)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(model, "the model");
    weir__given(out, "the array");
    weir__given(sql, "the statement");
    weir__given_some(args, count, "the array of values");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_query_all");
    from = weir__sql_source_of(from, "weir_query_all");
    if (rows_max == 0)
        weir__misuse("weir_query_all",
                     "rows_max is 0: each row is memory, so say how many at most");
    struct weir__array *array = out;
    *array = (struct weir__array){NULL, 0};
    if (weir__sql_db_behind(from) == NULL)
        return -ENOMEM;
    struct weir__array all = {NULL, 0};
    weir_rows r __attribute__((cleanup(leave_rows))) = {.copies_texts = true, .max = rows_max};
    open_rows(&r, site, c, from, sql, args, count);
    weir_err err = read_all(&r, model, &all);
    r.is_err_read = true;
    if (err == WEIR_OK)
        *array = all;
    return err;
}
