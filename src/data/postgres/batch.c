/*
 * Statements that are sent together. Those that belong together (a transaction's, or all that only
 * reads) end with one Sync: the server answers them in one piece, and behind an error it leaves out
 * the rest. Of others each has a Sync of its own, and none hears of another.
 *
 * The answer of one is over with its CommandComplete where more of the same Sync follow, else with
 * the ReadyForQuery: so nothing is owed (P1) when the last one's is.
 */
#include "data/postgres/postgres.h"

/* --- answers ---------------------------------------------------------------------------------- */

static void end_answer(struct weir__pg_conn *conn, bool is_last)
{
    conn->posted = is_last ? 0 : conn->posted - 1;
    conn->is_answering = false;
}

/* Behind an error: up to the Sync that it ends at. What was said first stays. */
static weir_err pass_to_sync(struct weir__pg_conn *conn, weir_err err, struct weir__sql_fault *f)
{
    struct weir__sql_fault later;
    struct weir__pg_message m = {.type = '\0'};
    while (m.type != WEIR__PG_READY) {
        weir__sql_fault_init(&later);
        weir_err next = weir__pg_next(conn, &m, &later);
        if (next == WEIR_OK)
            next = weir__pg_take_answer(conn, &m, NULL, &later);
        if (next < 0 && (conn->is_broken || next == weir__ctx_check(conn->sql.c)))
            break;
    }
    f->is_broken = f->is_broken || conn->is_broken;
    end_answer(conn, conn->is_together);
    return err;
}

/* A message that is no row. */
static weir_err take(struct weir__pg_conn *conn, const struct weir__pg_message *m,
                     struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    bool is_its_own = conn->prefix == 0; /* and no BEGIN's before it */
    weir_err err = weir__pg_take_answer(conn, m, out, f);
    if (err < 0 && (conn->is_broken || m->type != WEIR__PG_ERROR))
        return err;
    if (err < 0)
        return pass_to_sync(conn, err, f);
    bool completes =
        m->type == WEIR__PG_EMPTY_QUERY || (m->type == WEIR__PG_COMMAND_COMPLETE && is_its_own);
    if (m->type == WEIR__PG_READY)
        end_answer(conn, conn->is_together);
    else if (completes && conn->is_together && conn->posted > 1)
        end_answer(conn, false);
    return WEIR_OK;
}

/* The rows of the one before that nobody wanted. Below 0: no other answer follows. */
static weir_err pass_over(struct weir__pg_conn *conn, struct weir__sql_fault *f)
{
    while (conn->is_answering) {
        struct weir__pg_message m;
        weir_err err = weir__pg_next(conn, &m, f);
        if (err == WEIR_OK)
            err = take(conn, &m, NULL, f);
        bool goes_on = err == WEIR_OK || err == WEIR_ETOOLARGE || !conn->is_together;
        if (conn->is_broken || (err < 0 && err == weir__ctx_check(conn->sql.c)) || !goes_on)
            return err;
    }
    weir__sql_fault_init(f);
    return WEIR_OK;
}

/* --- out -------------------------------------------------------------------------------------- */

/* What was sent before is over: rows that nobody wanted may still be to come. */
static weir_err begin(struct weir__pg_conn *conn, struct weir__sql_fault *f)
{
    weir_err err = pass_over(conn, f);
    bool is_mine = conn->is_broken || conn->tx != WEIR__PG_TX_NONE ||
                   weir__ctx_check(conn->sql.c) < 0; /* else it was of the one before */
    if (err == WEIR_OK || !is_mine)
        err = weir__pg_ready(conn, f);
    if (err < 0)
        return err;
    conn->posted = 0;
    weir__pg_put_prefix(conn);
    return WEIR_OK;
}

weir_err weir__pg_post(struct weir__sql_conn *sql_conn, struct weir__sql_stmt *stmt,
                       const struct weir__sql_values *values, bool together,
                       struct weir__sql_fault *f)
{
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    bool is_first = conn->out.len == 0;
    weir_err err = is_first ? begin(conn, f) : WEIR_OK;
    if (err < 0)
        return err;
    size_t before = conn->out.len;
    err = weir__pg_put_run(conn, weir__pg_stmt_of(stmt), values, f);
    if (err < 0 && is_first)
        weir__pg_drop_unsent(conn);
    else if (err < 0)
        conn->out.len = before;
    if (err < 0)
        return err;
    if (!together)
        weir__pg_put_sync(&conn->out);
    conn->is_together = together;
    conn->posted++;
    return WEIR_OK;
}

weir_err weir__pg_send(struct weir__sql_conn *sql_conn, struct weir__sql_fault *f)
{
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    if (conn->is_together)
        weir__pg_put_sync(&conn->out);
    weir_err err = weir__pg_flush(conn, conn->is_together ? 1 : conn->posted, f);
    if (err == WEIR_OK)
        weir__pg_prefix_sent(conn);
    else
        conn->posted = 0;
    return err;
}

/* --- in --------------------------------------------------------------------------------------- */

static weir_err skipped(struct weir__pg_conn *conn, weir_err err, struct weir__sql_fault *f)
{
    if (err == WEIR_OK)
        err = weir__sql_fault(f, WEIR_EDB, "a statement before it has failed");
    f->was_skipped = conn->posted == 0 && !conn->is_broken;
    return err;
}

static weir_err await(struct weir__pg_conn *conn, bool for_rows, struct weir__sql_outcome *out,
                      struct weir__sql_fault *f)
{
    conn->is_answering = true;
    while (conn->is_answering) {
        struct weir__pg_message m;
        weir_err err = weir__pg_next(conn, &m, f);
        if (err == WEIR_OK && m.type == WEIR__PG_DATA_ROW && for_rows) {
            weir__pg_unread(conn, &m);
            return WEIR_OK;
        }
        if (err == WEIR_OK)
            err = take(conn, &m, out, f);
        if (err < 0)
            return err;
    }
    return WEIR_OK;
}

weir_err weir__pg_await(struct weir__sql_conn *sql_conn, struct weir__sql_stmt *stmt, bool for_rows,
                        struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    f->state[0] = '\0';
    weir_err err = pass_over(conn, f);
    if (err < 0 || conn->posted == 0)
        return skipped(conn, err, f);
    err = await(conn, for_rows, out, f);
    if (err == WEIR_OK || conn->is_broken || !weir__pg_is_stale(f))
        return err;
    stmt->is_void = true; /* it was refused before it ran */
    return conn->is_together ? skipped(conn, err, f) : err;
}

int weir__pg_fetch_posted(struct weir__pg_conn *conn, struct weir__pg_stmt *s,
                          struct weir__sql_fault *f)
{
    while (conn->is_answering) {
        struct weir__pg_message m;
        weir_err err = weir__pg_next(conn, &m, f);
        if (err == WEIR_OK && m.type == WEIR__PG_DATA_ROW) {
            err = weir__pg_take_row(conn, s, m.body, f);
            return err < 0 ? err : 1;
        }
        if (err == WEIR_OK)
            err = take(conn, &m, NULL, f);
        if (err < 0)
            return err;
    }
    return 0;
}
