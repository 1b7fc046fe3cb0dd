/*
 * Between two leases: a connection that comes back in the middle of something is cancelled, read to
 * the end, rolled back and given its settings again, under the pool's shield; one with which that
 * does not succeed is closed. So nobody is ever lent what another has left (P2).
 *
 * Before one is lent it is looked at, which costs no system call while nothing has come: a server
 * that has closed it, or said that it will, is found out before anything is sent.
 */
#include <string.h>

#include "data/postgres/postgres.h"
#include "rt/worker.h"

enum { RESET_SEC = 5 };

/* --- is it alive? ----------------------------------------------------------------------------- */

/*
 * What has come unasked: settings and notices are read, and all else is the connection's end.
 */
static weir_err look(struct weir__pg_conn *conn, struct weir__ctx *c)
{
    struct weir__pg_message m;
    struct weir__sql_fault f;
    conn->sql.c = c;
    weir__sql_fault_init(&f);
    if (conn->is_broken)
        return WEIR_EGONE;
    if (conn->in_at == conn->in.len && !weir__stream_has_more(&conn->stream) &&
        !weir__stream_is_over(&conn->stream))
        return WEIR_OK;
    weir_err err = weir__pg_try_next(conn, &m, &f);
    if (err == -EAGAIN)
        return WEIR_OK;
    conn->is_broken = true;
    return WEIR_EGONE;
}

static weir_err check(void *driver, struct weir__ctx *c, void *resource)
{
    (void)driver;
    return look(resource, c);
}

/* --- is it clean? ----------------------------------------------------------------------------- */

static bool is_dirty(void *driver, void *resource)
{
    const struct weir__pg_conn *conn = resource;
    (void)driver;
    return conn->is_broken || conn->syncs > 0 || conn->status != 'I' ||
           conn->tx != WEIR__PG_TX_NONE || conn->is_session_changed;
}

static weir_err clean(struct weir__pg_conn *conn, struct weir__ctx *c, struct weir__sql_fault *f)
{
    weir_err err = conn->is_broken ? WEIR_EGONE : WEIR_OK;
    if (err == WEIR_OK && conn->syncs > 0)
        err = weir__pg_end_statement(conn, c, f);
    if (err == WEIR_OK && (conn->tx == WEIR__PG_TX_BEGUN || conn->status != 'I'))
        err = weir__pg_simple(conn, WEIR_S("ROLLBACK"), NULL, f);
    conn->tx = WEIR__PG_TX_NONE;
    if (err == WEIR_OK && conn->is_session_changed) {
        err = weir__pg_simple(conn, WEIR_S("DISCARD ALL"), NULL, f);
        weir__sql_forget_all(&conn->sql);
        weir_buf_reset(&conn->closes); /* they are gone */
    }
    return err;
}

static weir_err reset(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__pg_conn *conn = resource;
    struct weir__sql_fault f;
    (void)driver;
    weir__sql_fault_init(&f);
    conn->sql.c = c;
    conn->until = weir_time_add(weir__worker_now(weir__self), weir_sec(RESET_SEC));
    weir_err err = clean(conn, c, &f);
    conn->until = conn->server_stops = weir_never();
    conn->is_session_changed = false;
    return err == WEIR_OK && conn->status != 'I' ? WEIR_EGONE : err;
}

/* --- from worker to worker -------------------------------------------------------------------- */

static void leave(void *driver, void *resource)
{
    struct weir__pg_conn *conn = resource;
    (void)driver;
    if (!weir__stream_is_open(&conn->stream))
        return;
    conn->detached = weir__stream_detach(&conn->stream);
    conn->is_detached = true;
}

static weir_err enter(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__pg_conn *conn = resource;
    (void)driver;
    if (!conn->is_detached)
        return WEIR_EGONE;
    conn->is_detached = false;
    weir_err err = weir__stream_attach(&conn->stream, conn->detached, NULL);
    if (err < 0) {
        weir__detached_close(conn->detached);
        conn->stream.fd.num = -1;
        conn->is_broken = true;
        return err;
    }
    return look(conn, c);
}

/* --- its life --------------------------------------------------------------------------------- */

weir_err weir__pg_connect_raised(struct weir__pg_node *node, struct weir__ctx *c,
                                 struct weir__pg_conn **out)
{
    struct weir__sql_fault f;
    weir__sql_fault_init(&f);
    weir_err err = weir__pg_connect(node, c, out, &f);
    weir_err reason = err < 0 ? weir__ctx_check(c) : WEIR_OK;
    if (err == WEIR_OK || reason < 0 || f.err == WEIR_OK)
        return reason < 0 ? reason : err;
    return weir_raise_at(WEIR_HERE, weir__ctx_handle(c), f.err, 0, "%s", f.text);
}

static weir_err open_conn(void *driver, struct weir__ctx *c, void **resource)
{
    struct weir__pg_node *node = driver;
    struct weir__pg_conn *conn = atomic_exchange(&node->db->first, NULL);
    if (conn != NULL && enter(node, c, conn) == WEIR_OK) {
        *resource = conn;
        return WEIR_OK;
    }
    if (conn != NULL)
        weir__pg_disconnect(conn, c);
    weir_err err = weir__pg_connect_raised(node, c, &conn);
    if (err == WEIR_OK)
        *resource = conn;
    return err;
}

static void close_conn(void *driver, struct weir__ctx *c, void *resource)
{
    (void)driver;
    weir__pg_disconnect(resource, c);
}

static weir_err ping(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__pg_conn *conn = resource;
    struct weir__sql_fault f;
    weir__sql_fault_init(&f);
    (void)driver;
    weir_err err = look(conn, c);
    if (err < 0)
        return err;
    conn->until = weir_time_add(weir__worker_now(weir__self), weir_sec(RESET_SEC));
    weir__pg_put_sync(&conn->out);
    err = weir__pg_flush(conn, 1, &f);
    if (err == WEIR_OK)
        err = weir__pg_settle(conn, NULL, &f);
    conn->until = weir_never();
    return err;
}

static bool owns(const void *driver, const void *resource, const struct weir__wait *wait)
{
    const struct weir__pg_conn *conn = resource;
    (void)driver;
    return wait->object == &conn->stream.fd;
}

static void describe(const void *driver, weir_buf *out)
{
    const struct weir__pg_node *node = driver;
    weir__sql_nodes_describe(node->db->db.nodes, node->number, out);
}

void weir__pg_note_failover(struct weir__pg_conn *conn, bool refuses_writes)
{
    const struct weir__pg_node *node = conn->node;
    struct weir__sql_nodes *nodes = conn->owner->db.nodes;
    if (node->pool == NULL || conn->is_listening)
        return;
    atomic_fetch_add(&conn->owner->generation, 1); /* which a carrier is asked before it is used */
    if (refuses_writes)
        weir__sql_nodes_refused_write(nodes, conn->sql.c, node->number);
    else
        weir__sql_nodes_said_farewell(nodes, conn->sql.c, node->number);
}

const struct weir__pool_ops weir__pg_pool_ops = {
    .open = open_conn,
    .close = close_conn,
    .check = check,
    .is_dirty = is_dirty,
    .reset = reset,
    .leave = leave,
    .enter = enter,
    .ping = ping,
    .owns = owns,
    .describe = describe,
};

/* --- lending ---------------------------------------------------------------------------------- */

static bool is_alive(struct weir__sql_conn *conn, struct weir__ctx *c)
{
    return look(weir__pg_conn_of(conn), c) == WEIR_OK;
}

const struct weir__sql_nodes_ops weir__pg_nodes_ops = {.probe = weir__pg_probe,
                                                       .is_alive = is_alive};

weir_err weir__pg_take(weir_db *handle, struct weir__ctx *c, const weir_site *site,
                       enum weir__sql_purpose purpose, struct weir__owned *holder,
                       struct weir__lease *lease, struct weir__sql_conn **out,
                       struct weir__sql_fault *f)
{
    return weir__sql_nodes_take(handle->nodes, c, site, purpose, holder, lease, out, f);
}
