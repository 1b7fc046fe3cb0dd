/*
 * Connections between two leases. One comes back dirty when something is unread, a transaction is
 * open or its session was changed. Then the server is asked to end what still runs (KILL QUERY,
 * over a connection that there is for that, opened when it is needed first), both answers are read,
 * and a ping is answered, before anybody gets it: a kill that comes late would hit the next
 * statement. Meanwhile it counts as open, so that the server's limit is never passed.
 */
#include <stdio.h>

#include "base/assert.h"
#include "data/mysql/mysql.h"
#include "net/pool.h"
#include "rt/worker.h"

#define CLEAN_FOR weir_sec(5) /* at the most; then it is closed */

/* --- opening and closing ---------------------------------------------------------------------- */

static weir_err open_conn(void *driver, struct weir__ctx *c, void **resource)
{
    struct weir__mysql_node *node = driver;
    struct weir__mysql_conn *conn;
    struct weir__sql_fault f;
    weir__sql_fault_init(&f);
    f.number = 0;
    weir_err err = weir__mysql_connect(node, c, &conn, &f);
    if (err == WEIR_OK) {
        *resource = conn;
        return WEIR_OK;
    }
    if (f.err == WEIR_OK)
        return err; /* the context's reason */
    return weir_raise(weir__ctx_handle(c), f.err, "%s at %s: %s", node->db->db.name, node->where,
                      f.text);
}

static void close_conn(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__mysql_conn *conn = resource;
    (void)driver;
    conn->sql.c = c;
    weir__mysql_disconnect(conn);
}

/*
 * A server that has gone, or said something at rest (why it closes), is no server any more. Costs
 * no system call while nothing has come.
 */
static bool is_alive(struct weir__mysql_conn *conn)
{
    char byte;
    if (conn->is_broken || conn->in.len != conn->in_at)
        return false;
    if (WEIR_LIKELY(!weir__stream_has_more(&conn->stream) && !weir__stream_is_over(&conn->stream)))
        return true;
    return weir__stream_try_recv(&conn->stream, &byte, 1) == -EAGAIN;
}

static weir_err check_conn(void *driver, struct weir__ctx *c, void *resource)
{
    (void)driver;
    (void)c;
    return is_alive(resource) ? WEIR_OK : WEIR_EGONE;
}

/* Does the fiber wait for the server? */
static bool owns(const void *driver, const void *resource, const struct weir__wait *wait)
{
    const struct weir__mysql_conn *conn = resource;
    (void)driver;
    return wait->object == &conn->stream.fd;
}

static void leave(void *driver, void *resource)
{
    struct weir__mysql_conn *conn = resource;
    (void)driver;
    if (!weir__stream_is_open(&conn->stream))
        return;
    conn->detached = weir__stream_detach(&conn->stream);
    conn->is_detached = true;
}

static weir_err enter(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__mysql_conn *conn = resource;
    (void)driver;
    (void)c;
    if (!conn->is_detached)
        return WEIR_EGONE;
    weir_err err = weir__stream_attach(&conn->stream, conn->detached, NULL);
    conn->is_detached = err < 0;
    return err;
}

/* --- clean again ------------------------------------------------------------------------------ */

static bool is_dirty(void *driver, void *resource)
{
    const struct weir__mysql_conn *conn = resource;
    (void)driver;
    return conn->is_broken || weir__mysql_is_unread(conn) || conn->is_in_tx || conn->is_changed ||
           conn->begins > 0;
}

/* The rest of rows that has come already is read without a wait. */
static void read_what_came(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    weir_str body;
    while (conn->phase == WEIR__MYSQL_AT_ROWS && conn->definitions == 0 && !conn->is_broken &&
           weir__mysql_try_next(conn, &body, f) == WEIR_OK) {
        if (body.len > 0 && (uint8_t)body.ptr[0] == WEIR__MYSQL_ERR)
            (void)weir__mysql_refused(conn, body, f);
        else if (weir__mysql_is_end(body))
            (void)weir__mysql_take_ok(conn, body, NULL, f);
    }
}

/*
 * The connection that there is for it. Nobody looks after it while it lies unused, so one that has
 * ended meanwhile is exchanged for another.
 */
static weir_err take_side(struct weir__mysql_conn *conn, struct weir__ctx *c,
                          struct weir__lease *lease, struct weir__mysql_conn **side)
{
    for (int looks = 0;; looks++) {
        weir_err err = weir__pool_acquire(conn->node->kills, c, WEIR_HERE, NULL, lease);
        if (err < 0)
            return err;
        *side = weir__lease_resource(lease, "weir_query");
        if (is_alive(*side) || looks > 0)
            return WEIR_OK;
        weir__lease_break(lease);
        weir__lease_release(lease);
    }
}

static weir_err kill_query(struct weir__mysql_conn *conn, struct weir__ctx *c,
                           struct weir__sql_fault *f)
{
    struct weir__lease lease;
    struct weir__mysql_conn *side;
    char text[40];
    weir_err err = take_side(conn, c, &lease, &side);
    if (err < 0)
        return err;
    side->sql.c = c;
    side->until = conn->until;
    (void)snprintf(text, sizeof text, "KILL QUERY %u", conn->thread);
    err = weir__mysql_simple(side, weir_str_from(text), NULL, f);
    if (side->is_broken || weir__mysql_is_unread(side))
        weir__lease_break(&lease);
    weir__lease_release(&lease);
    return err;
}

/* One command without values whose answer is of no interest but that it comes. */
static weir_err ask(struct weir__mysql_conn *conn, enum weir__mysql_command command,
                    struct weir__sql_fault *f)
{
    size_t at = weir__mysql_begin_command(conn);
    weir__mysql_command(&conn->out, command, (weir_str){NULL, 0});
    weir__mysql_end_command(conn, at);
    weir_err err = weir__mysql_flush(conn, f);
    return err < 0 ? err : weir__mysql_read_ok(conn, NULL, f);
}

/* Ends what runs, and reads its answer, whatever it is. */
static weir_err end_one(struct weir__mysql_conn *conn, struct weir__ctx *c,
                        struct weir__sql_fault *f)
{
    weir_err err = kill_query(conn, c, f);
    if (err < 0 && f->err != WEIR_EDB) /* "no such thread" is no reason: it is over */
        return err;
    bool has_begun = conn->phase != WEIR__MYSQL_AT_REST;
    (void)weir__mysql_settle_to(conn, has_begun ? conn->owed : conn->owed - 1, f);
    return WEIR_OK;
}

/* All answers are read: those of statements that were sent together, and of a ping behind them. */
static weir_err cancel(struct weir__mysql_conn *conn, struct weir__ctx *c,
                       struct weir__sql_fault *f)
{
    for (unsigned left = conn->owed + 1; left > 0 && weir__mysql_is_unread(conn); left--) {
        weir_err err = end_one(conn, c, f);
        if (err < 0)
            return err;
        if (conn->is_broken || weir__ctx_check(c) < 0)
            break;
    }
    if (!conn->is_broken && !weir__mysql_is_unread(conn))
        (void)ask(conn, WEIR__MYSQL_PING, f); /* a kill that comes late may hit it */
    if (!conn->is_broken && !weir__mysql_is_unread(conn))
        return WEIR_OK;
    weir_err reason = weir__ctx_check(conn->sql.c);
    return reason < 0 ? reason : f->err;
}

weir_err weir__mysql_ready(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    if (WEIR_LIKELY(!weir__mysql_is_unread(conn)))
        return WEIR_OK;
    read_what_came(conn, f);
    weir_err err = weir__mysql_is_unread(conn) ? cancel(conn, conn->sql.c, f) : WEIR_OK;
    if (err == WEIR_OK)
        weir__sql_fault_init(f); /* what became of it is nobody's business any more */
    return err;
}

/* A session as it was at first; its statements are gone. */
static weir_err reset_session(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    char room[WEIR__MYSQL_SETUP_MAX];
    weir_buf text;
    weir__sql_forget_all(&conn->sql);
    weir_buf_reset(&conn->closes);
    weir_err err = ask(conn, WEIR__MYSQL_RESET_CONNECTION, f);
    weir_buf_init_fixed(&text, room, sizeof room);
    weir__mysql_put_setup(conn, &text);
    if (err == WEIR_OK)
        err = weir__mysql_simple(conn, weir_buf_str(&text), NULL, f);
    conn->is_changed = conn->is_changed && err < 0;
    conn->is_in_tx = conn->is_in_tx && err < 0;
    return err;
}

static weir_err reset(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__mysql_conn *conn = resource;
    struct weir__sql_fault f;
    (void)driver;
    if (conn->is_broken)
        return WEIR_EGONE;
    weir__sql_fault_init(&f);
    conn->sql.c = c;
    conn->begins = 0;
    conn->until = weir_time_add(weir__worker_now(weir__self), CLEAN_FOR);
    weir_err err = weir__mysql_ready(conn, &f);
    if (err == WEIR_OK && conn->is_changed) /* it rolls back as well */
        err = reset_session(conn, &f);
    if (err == WEIR_OK && conn->is_in_tx)
        err = weir__mysql_simple(conn, WEIR_S("ROLLBACK"), NULL, &f);
    conn->until = weir_never();
    return err;
}

/* Asked whether it is alive, of what was unused for long. */
static weir_err ping(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__mysql_conn *conn = resource;
    struct weir__sql_fault f;
    (void)driver;
    if (!is_alive(conn))
        return WEIR_EGONE;
    weir__sql_fault_init(&f);
    conn->sql.c = c;
    conn->until = weir_time_add(weir__worker_now(weir__self), CLEAN_FOR);
    weir_err err = ask(conn, WEIR__MYSQL_PING, &f);
    conn->until = weir_never();
    return err;
}

static void describe(const void *driver, weir_buf *out)
{
    const struct weir__mysql_node *node = driver;
    weir__sql_nodes_describe(node->db->db.nodes, node->number, out);
}

void weir__mysql_note_failover(struct weir__mysql_conn *conn, bool refuses_writes)
{
    const struct weir__mysql_node *node = conn->node;
    struct weir__sql_nodes *nodes = conn->owner->db.nodes;
    if (node->pool == NULL)
        return;
    if (refuses_writes)
        weir__sql_nodes_refused_write(nodes, conn->sql.c, node->number);
    else
        weir__sql_nodes_said_farewell(nodes, conn->sql.c, node->number);
}

const struct weir__pool_ops weir__mysql_pool_ops = {.open = open_conn,
                                                    .close = close_conn,
                                                    .check = check_conn,
                                                    .is_dirty = is_dirty,
                                                    .reset = reset,
                                                    .leave = leave,
                                                    .enter = enter,
                                                    .ping = ping,
                                                    .owns = owns,
                                                    .describe = describe};

/* What kills is never dirty: whoever used it gave it back whole, or broken. */
const struct weir__pool_ops weir__mysql_kill_ops = {.open = open_conn,
                                                    .close = close_conn,
                                                    .check = check_conn,
                                                    .leave = leave,
                                                    .enter = enter,
                                                    .ping = ping,
                                                    .owns = owns};

static bool may_be_lent(struct weir__sql_conn *sql, struct weir__ctx *c)
{
    struct weir__mysql_conn *conn = weir__mysql_conn_of(sql);
    (void)c;
    if (!is_alive(conn))
        return false;
    WEIR_ASSERT(!is_dirty(conn->node, conn), "M2: a connection is lent clean");
    return true;
}

const struct weir__sql_nodes_ops weir__mysql_nodes_ops = {.probe = weir__mysql_probe,
                                                          .is_alive = may_be_lent};

weir_err weir__mysql_take(weir_db *handle, struct weir__ctx *c, const weir_site *site,
                          enum weir__sql_purpose purpose, struct weir__owned *holder,
                          struct weir__lease *lease, struct weir__sql_conn **out,
                          struct weir__sql_fault *f)
{
    return weir__sql_nodes_take(handle->nodes, c, site, purpose, holder, lease, out, f);
}
