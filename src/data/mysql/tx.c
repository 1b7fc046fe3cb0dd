/*
 * Transactions. What begins one waits for its first statement: it goes with that one's PREPARE, or
 * with the statement itself where that only reads, and else alone, before it. A statement that
 * writes is never in one send with the START TRANSACTION that it needs: if that failed (an
 * administrator's KILL), the server would run what comes behind it all the same, outside of any.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "data/mysql/mysql.h"

/* --- what is put off -------------------------------------------------------------------------- */

unsigned weir__mysql_put_prefix(struct weir__mysql_conn *conn, bool with_begin)
{
    conn->has_closes = conn->has_closes || conn->closes.len > 0;
    weir_buf_add(&conn->out, conn->closes.ptr, conn->closes.len);
    weir_buf_reset(&conn->closes);
    unsigned count = with_begin ? conn->begins : 0;
    for (unsigned i = 0; i < count; i++) {
        size_t at = weir__mysql_begin_command(conn);
        weir__mysql_command(&conn->out, WEIR__MYSQL_QUERY, weir_str_from(conn->begin[i]));
        weir__mysql_end_command(conn, at);
    }
    return count;
}

weir_err weir__mysql_begin_now(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    if (conn->begins == 0)
        return WEIR_OK;
    unsigned count = weir__mysql_put_prefix(conn, true);
    weir_err err = weir__mysql_flush(conn, f);
    conn->begins = err == WEIR_OK ? 0 : conn->begins;
    for (unsigned i = 0; i < count && err == WEIR_OK; i++)
        err = weir__mysql_read_ok(conn, NULL, f);
    return err;
}

/* --- transactions ----------------------------------------------------------------------------- */

static const char *isolation_name(weir_isolation isolation)
{
    switch (isolation) {
    case WEIR_READ_UNCOMMITTED:
        return "READ UNCOMMITTED";
    case WEIR_READ_COMMITTED:
        return "READ COMMITTED";
    case WEIR_REPEATABLE_READ:
        return "REPEATABLE READ";
    case WEIR_SERIALIZABLE:
        return "SERIALIZABLE";
    default:
        return NULL;
    }
}

weir_err weir__mysql_begin(struct weir__sql_conn *sql_conn, const weir_tx_options *o,
                           struct weir__sql_fault *f)
{
    struct weir__mysql_conn *conn = weir__mysql_conn_of(sql_conn);
    const char *isolation = isolation_name(o->isolation);
    WEIR_ASSERT(conn->begins == 0 && !conn->is_in_tx, "M2: a lease begins outside of transactions");
    if (o->deferrable)
        return weir__sql_fault(f, WEIR_EINVALID, "MySQL has no transactions that are deferrable");
    if (isolation != NULL)
        (void)snprintf(conn->begin[conn->begins++], sizeof conn->begin[0],
                       "SET TRANSACTION ISOLATION LEVEL %s", isolation);
    (void)snprintf(conn->begin[conn->begins++], sizeof conn->begin[0], "START TRANSACTION%s",
                   o->read_only ? " READ ONLY" : "");
    return WEIR_OK;
}

weir_err weir__mysql_end(struct weir__sql_conn *sql_conn, bool commits, struct weir__sql_fault *f)
{
    struct weir__mysql_conn *conn = weir__mysql_conn_of(sql_conn);
    if (conn->begins > 0) { /* no statement has come */
        conn->begins = 0;
        return WEIR_OK;
    }
    /* A statement that was given up: the pool's reset ends it, and rolls back behind it. */
    if (!commits && weir__mysql_is_unread(conn))
        return WEIR_OK;
    return weir__mysql_simple(conn, commits ? WEIR_S("COMMIT") : WEIR_S("ROLLBACK"), NULL, f);
}

weir_err weir__mysql_control(struct weir__sql_conn *conn, const char *text,
                             struct weir__sql_fault *f)
{
    return weir__mysql_simple(weir__mysql_conn_of(conn), weir_str_from(text), NULL, f);
}
