/*
 * Statements that are sent together: EXECUTE behind EXECUTE in one send. The server reads the next
 * when it has answered the one before, so answers come in order, each for itself.
 *
 * In a transaction a statement that writes is never behind another on the way: were that one given
 * up with its whole transaction (a dead-lock), the server would run this one all the same, outside
 * of any, and keep what it did. It waits until those before it have been answered.
 */
#include "data/mysql/mysql.h"

/* Rows of the answer before that nobody wanted. */
static weir_err pass_over(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    if (conn->phase == WEIR__MYSQL_AT_REST)
        return WEIR_OK;
    weir_err err = weir__mysql_skip_answer(conn, NULL, f);
    if (err < 0 && (conn->phase != WEIR__MYSQL_AT_REST || conn->is_broken ||
                    f->fate != WEIR__TX_GOES_ON || weir__ctx_check(conn->sql.c) < 0))
        return err;
    weir__sql_fault_init(f);
    return WEIR_OK;
}

/* What goes before the first. */
static weir_err begin(struct weir__mysql_conn *conn, const struct weir__sql_stmt *stmt,
                      struct weir__sql_fault *f)
{
    weir_err err = pass_over(conn, f);
    if (err == WEIR_OK)
        err = weir__mysql_ready(conn, f);
    if (err == WEIR_OK && !stmt->reads_only)
        err = weir__mysql_begin_now(conn, f);
    if (err == WEIR_OK)
        conn->before = weir__mysql_put_prefix(conn, true);
    return err;
}

static bool has_bad_moment(const struct weir__sql_values *values)
{
    char room[WEIR_DECIMAL_TEXT_MAX];
    struct weir__mysql_param p;
    for (size_t i = 0; i < values->count; i++) {
        if (values->args[i].kind == WEIR_ARG_WALL &&
            !weir__mysql_param_of(&values->args[i], room, &p))
            return true;
    }
    return false;
}

weir_err weir__mysql_post(struct weir__sql_conn *sql_conn, struct weir__sql_stmt *stmt,
                          const struct weir__sql_values *values, bool together,
                          struct weir__sql_fault *f)
{
    struct weir__mysql_conn *conn = weir__mysql_conn_of(sql_conn);
    bool is_in_tx = conn->is_in_tx || conn->begins > 0;
    (void)together;
    if (has_bad_moment(values))
        return weir__sql_fault(f, -ERANGE, "a point of time outside of the years 1 to 9999");
    if (conn->posted > 0 && is_in_tx && !stmt->reads_only)
        return -EAGAIN;
    weir_err err = conn->posted == 0 ? begin(conn, stmt, f) : WEIR_OK;
    if (err < 0)
        return err;
    size_t before = conn->out.len;
    err = weir__mysql_put_execute(conn, weir__mysql_stmt_of(stmt)->id, values->args, values->count,
                                  f);
    if (err < 0)
        return err;
    conn->posted++;
    if (conn->out.len - before > conn->owner->o.value_bytes_max)
        conn->out.err = WEIR_ETOOLARGE; /* it is alone: the core sends so much with nothing else */
    return WEIR_OK;
}

weir_err weir__mysql_send(struct weir__sql_conn *sql_conn, struct weir__sql_fault *f)
{
    struct weir__mysql_conn *conn = weir__mysql_conn_of(sql_conn);
    conn->posted = 0;
    weir_err err = weir__mysql_flush(conn, f);
    if (err == WEIR_OK)
        conn->begins = 0;
    else
        conn->before = 0;
    return err;
}

weir_err weir__mysql_await(struct weir__sql_conn *sql_conn, struct weir__sql_stmt *stmt,
                           bool for_rows, struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    struct weir__mysql_conn *conn = weir__mysql_conn_of(sql_conn);
    weir_err err = pass_over(conn, f);
    for (; conn->before > 0 && err == WEIR_OK; conn->before--)
        err = weir__mysql_read_ok(conn, NULL, f);
    return err < 0 ? err
                   : weir__mysql_read_result(conn, weir__mysql_stmt_of(stmt), for_rows, out, f);
}
