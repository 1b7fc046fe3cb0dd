/*
 * Transactions. A BEGIN waits for the first statement and goes with it, so that it costs no round
 * trip, and one in which nothing happens says nothing to the server at all. With it goes the time
 * that is left (statement_timeout, of the transaction alone): a statement that is late is then
 * ended by the server itself, and no second connection is needed to cancel it.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "data/postgres/postgres.h"
#include "rt/worker.h"

enum { LATE_MS = 20, TEXT_MAX = 160 };

/* --- beginning -------------------------------------------------------------------------------- */

weir_err weir__pg_tx_begin(struct weir__sql_conn *sql_conn, const weir_tx_options *options,
                           struct weir__sql_fault *f)
{
    static const char *const levels[] = {
        [WEIR_ISOLATION_DEFAULT] = "",
        [WEIR_READ_UNCOMMITTED] = " ISOLATION LEVEL READ UNCOMMITTED",
        [WEIR_READ_COMMITTED] = " ISOLATION LEVEL READ COMMITTED",
        [WEIR_REPEATABLE_READ] = " ISOLATION LEVEL REPEATABLE READ",
        [WEIR_SERIALIZABLE] = " ISOLATION LEVEL SERIALIZABLE",
    };
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    weir_err err = weir__pg_ready(conn, f);
    if (err < 0)
        return err;
    WEIR_ASSERT(conn->tx == WEIR__PG_TX_NONE, "P2: a connection is lent outside of a transaction");
    (void)snprintf(conn->begin, sizeof conn->begin, "BEGIN%s%s%s", levels[options->isolation],
                   options->read_only ? " READ ONLY" : "",
                   options->deferrable ? " DEFERRABLE" : "");
    conn->tx = WEIR__PG_TX_PENDING;
    return WEIR_OK;
}

/* When the server shall end a statement of this transaction by itself; false: never. */
static bool put_time_left(struct weir__pg_conn *conn, char out[TEXT_MAX])
{
    weir_time deadline = conn->sql.c->deadline, now = weir__worker_now(weir__self);
    conn->server_stops = weir_never();
    if (deadline.ns == INT64_MAX)
        return false;
    int64_t ms = (deadline.ns - now.ns) / 1000000 + LATE_MS;
    int64_t servers = atomic_load_explicit(&conn->node->server_timeout_ms, memory_order_relaxed);
    if (servers > 0 && servers < ms) { /* which is never lengthened */
        conn->server_stops = weir_time_add(now, weir_ms(servers));
        return false;
    }
    if (ms < 1 || ms > INT32_MAX)
        return false;
    (void)snprintf(out, TEXT_MAX, "SET LOCAL statement_timeout = %lld", (long long)ms);
    conn->server_stops = weir_time_add(now, weir_ms(ms));
    return true;
}

static void put_command(struct weir__pg_conn *conn, const char *sql)
{
    weir_buf *b = &conn->out;
    weir__pg_put_parse(b, "", weir_str_from(sql));
    weir__pg_bind_end(b, weir__pg_bind_begin(b, "", "", NULL, 0), NULL, 0);
    weir__pg_put_execute(b, "", 0);
    conn->prefix++;
}

static void put_closes(struct weir__pg_conn *conn)
{
    if (conn->closes.err == WEIR_OK && conn->closes.len > 0)
        weir_buf_puts(&conn->out, weir_buf_str(&conn->closes));
}

void weir__pg_put_prefix(struct weir__pg_conn *conn)
{
    char text[TEXT_MAX];
    WEIR_ASSERT(conn->prefix == 0 && conn->out.len == 0, "P1: nothing is between two statements");
    put_closes(conn);
    if (conn->tx != WEIR__PG_TX_PENDING)
        return;
    put_command(conn, conn->begin);
    if (put_time_left(conn, text))
        put_command(conn, text);
}

void weir__pg_put_text_prefix(struct weir__pg_conn *conn, weir_buf *out)
{
    char text[TEXT_MAX];
    if (conn->tx != WEIR__PG_TX_PENDING)
        return;
    weir_buf_printf(out, "%s;", conn->begin);
    if (put_time_left(conn, text))
        weir_buf_printf(out, "%s;", text);
}

void weir__pg_text_prefix_sent(struct weir__pg_conn *conn)
{
    if (conn->tx == WEIR__PG_TX_PENDING)
        conn->tx = WEIR__PG_TX_BEGUN;
}

void weir__pg_prefix_sent(struct weir__pg_conn *conn)
{
    weir__pg_text_prefix_sent(conn);
    weir_buf_reset(&conn->closes);
}

void weir__pg_drop_unsent(struct weir__pg_conn *conn)
{
    weir_buf_reset(&conn->out);
    conn->prefix = 0;
}

/* --- ending ----------------------------------------------------------------------------------- */

/* COMMIT of a transaction that has failed is answered by ROLLBACK, and is no success. */
static weir_err commit(struct weir__pg_conn *conn, struct weir__sql_fault *f)
{
    weir_err err = weir__pg_ready(conn, f);
    if (err < 0)
        return err;
    bool has_failed = conn->status == 'E';
    err = weir__pg_simple(conn, WEIR_S("COMMIT"), NULL, f);
    if (err == WEIR_OK && has_failed) {
        (void)weir__sql_fault(f, WEIR_EDB, "the transaction had failed, and was rolled back");
        f->fate = WEIR__TX_LOST;
        return f->err;
    }
    return err;
}

/*
 * One that is left with a statement in the middle is rolled back between two leases, after that was
 * cancelled.
 */
weir_err weir__pg_tx_end(struct weir__sql_conn *sql_conn, bool commits, struct weir__sql_fault *f)
{
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    if (conn->tx == WEIR__PG_TX_PENDING)
        conn->tx = WEIR__PG_TX_NONE;
    if (conn->tx == WEIR__PG_TX_NONE)
        return WEIR_OK;
    if (commits)
        return commit(conn, f);
    if (conn->is_broken || conn->syncs > 0)
        return WEIR_OK;
    return weir__pg_simple(conn, WEIR_S("ROLLBACK"), NULL, f);
}

/* --- texts ------------------------------------------------------------------------------------ */

/* Sends a simple query behind what waits; `*before`: bytes of that. */
static weir_err run_text(struct weir__pg_conn *conn, const char *text, size_t *before,
                         struct weir__sql_fault *f)
{
    weir_buf prefix;
    char room[WEIR__PG_BEGIN_MAX + TEXT_MAX];
    weir_err err = weir__pg_ready(conn, f);
    if (err < 0)
        return err;
    weir_buf_init_fixed(&prefix, room, sizeof room);
    weir__pg_put_text_prefix(conn, &prefix);
    *before = prefix.len;
    size_t mark = weir__pg_begin(&conn->out, 'Q');
    weir_buf_puts(&conn->out, weir_buf_str(&prefix));
    weir_buf_puts(&conn->out, weir_str_from(text));
    weir_buf_putc(&conn->out, '\0');
    weir__pg_end(&conn->out, mark);
    err = weir__pg_flush(conn, 1, f);
    if (err < 0)
        return err;
    weir__pg_text_prefix_sent(conn);
    return weir__pg_settle(conn, NULL, f);
}

/* What still runs of a part that is undone: to end it spoils the whole, which the undoing heals. */
static weir_err end_part(struct weir__pg_conn *conn, struct weir__sql_fault *f)
{
    weir_err err = weir__pg_end_statement(conn, conn->sql.c, f);
    if (err < 0)
        return weir__sql_fault(f, WEIR_EGONE, "what ran in a save point could not be ended");
    weir__sql_fault_init(f);
    return WEIR_OK;
}

weir_err weir__pg_control(struct weir__sql_conn *sql_conn, const char *text,
                          struct weir__sql_fault *f)
{
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    size_t before;
    weir_err err = WEIR_OK;
    if (conn->syncs > 0 && !conn->is_broken && strncmp(text, "ROLLBACK TO ", 12) == 0)
        err = end_part(conn, f);
    return err < 0 ? err : run_text(conn, text, &before, f);
}

/* Where the `n`th character is, from 1; NULL past the end. */
static const char *character(const char *text, size_t n)
{
    while (*text != '\0' && n > 1) {
        text++;
        while (((uint8_t)*text & 0xc0) == 0x80)
            text++;
        n--;
    }
    return n == 1 && *text != '\0' ? text : NULL;
}

weir_err weir__pg_script(struct weir__sql_conn *sql_conn, const char *text,
                         struct weir__sql_fault *f)
{
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    size_t before = 0;
    conn->position = 0;
    weir_err err = run_text(conn, text, &before, f);
    if (err < 0 && f->err != WEIR_OK && conn->position > before)
        f->at = character(text, conn->position - before);
    return err;
}
