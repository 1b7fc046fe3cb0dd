/*
 * A new connection: the name, TCP or a Unix socket, TLS as the URL wants it, the log-in; all of it
 * under one time-out. What fails is one line that names where, and never the password.
 */
#include <string.h>

#include "base/alloc.h"
#include "data/postgres/postgres.h"
#include "rt/worker.h"

enum { SETTLED_BYTES = 5, BODIES_MIN = 256 << 10 };

/* --- dialling --------------------------------------------------------------------------------- */

static weir_err dial(const struct weir__pg_node *node, struct weir__ctx *c, struct weir__stream *s,
                     weir_time until, struct weir__sql_fault *f)
{
    struct weir__dial d = {.port = node->host->port, .until = until};
    weir_err err;
    if (node->host->socket != NULL) {
        err = weir__dial_local(c, weir_str_from(node->host->socket), until, s);
    } else {
        d.host = weir_str_from(node->host->name);
        err = weir__dial_stream(c, &d, s);
    }
    return err < 0 ? weir__sql_fault(f, err, "cannot connect to %s: %s", node->where,
                                     d.why[0] != '\0' ? d.why : weir_strerror(err))
                   : WEIR_OK;
}

/* --- TLS -------------------------------------------------------------------------------------- */

static weir_err tls_failed(const struct weir__pg_node *node, weir_err err, const char *why,
                           struct weir__sql_fault *f)
{
    return weir__sql_fault(f, err, "cannot speak TLS with %s: %s", node->where, why);
}

/* The answer is one byte, and no more is received: what came behind it is not from TLS. */
static weir_err ask_for_tls(const struct weir__pg_node *node, struct weir__ctx *c,
                            struct weir__stream *s, weir_time until, bool *is_there,
                            struct weir__sql_fault *f)
{
    char room[16], answer = 0;
    weir_buf b;
    size_t sent;
    weir_buf_init_fixed(&b, room, sizeof room);
    weir__pg_put_ssl_request(&b);
    weir_err err = weir__stream_send(c, s, b.ptr, b.len, &sent, until);
    ssize_t n = err < 0 ? err : weir__stream_recv(c, s, &answer, 1, until);
    if (n < 0)
        return tls_failed(node, (weir_err)n, weir_strerror((weir_err)n), f);
    if (n == 0)
        return tls_failed(node, WEIR_EGONE, "the server has closed the connection", f);
    *is_there = answer == 'S';
    if (answer != 'S' && answer != 'N')
        return weir__sql_fault(f, WEIR_EPROTO, "%s: there is no PostgreSQL server", node->where);
    return WEIR_OK;
}

static weir_err shake_hands(const struct weir__pg_node *node, struct weir__ctx *c,
                            struct weir__stream *s, weir_time until, struct weir__sql_fault *f)
{
    char room[300];
    weir_buf why;
    weir_buf_init_fixed(&why, room, sizeof room - 1);
    weir_err err =
        weir__tls_connect(s, node->db->tls, weir_str_from(node->host->name), node->host->port);
    if (err == WEIR_OK)
        err = weir__tls_await_handshake(c, s, until, &why);
    room[why.len] = '\0';
    return err < 0 ? tls_failed(node, err, why.len > 0 ? room : weir_strerror(err), f) : WEIR_OK;
}

weir_err weir__pg_secure(struct weir__pg_node *node, struct weir__ctx *c, struct weir__stream *s,
                         bool must, weir_time until, struct weir__sql_fault *f)
{
    bool is_there = false;
    weir_err err = ask_for_tls(node, c, s, until, &is_there, f);
    if (err < 0)
        return err;
    if (is_there)
        return shake_hands(node, c, s, until, f);
    return must ? tls_failed(node, WEIR_ETLS, "the server has none", f) : WEIR_OK;
}

/* --- its life --------------------------------------------------------------------------------- */

static struct weir__pg_conn *make_conn(struct weir__pg_node *node, struct weir__ctx *c)
{
    struct weir__postgres *db = node->db;
    struct weir__pg_conn *conn = weir__calloc(1, sizeof *conn);
    if (conn == NULL)
        return NULL;
    size_t most = db->o.value_bytes_max > BODIES_MIN ? db->o.value_bytes_max : BODIES_MIN;
    weir__sql_conn_init(&conn->sql, &db->db);
    conn->sql.c = c;
    conn->owner = db;
    conn->node = node;
    conn->stream.fd.num = -1;
    conn->until = weir_time_add(weir__worker_now(weir__self), db->o.connect_timeout);
    conn->window = WEIR__PG_WINDOW_MIN;
    conn->server_stops = weir_never();
    weir_buf_init(&conn->in, most + WEIR__PG_WINDOW_MAX);
    weir_buf_init(&conn->out, db->o.value_bytes_max + (size_t)WEIR__PG_WINDOW_MAX);
    weir_buf_init(&conn->closes, WEIR__PG_WINDOW_MAX);
    return conn;
}

static void free_conn(struct weir__pg_conn *conn)
{
    conn->is_broken = true; /* nothing is told the server any more */
    weir__sql_forget_all(&conn->sql);
    weir_buf_fini(&conn->in);
    weir_buf_fini(&conn->out);
    weir_buf_fini(&conn->closes);
    weir__free(conn);
}

/* Told farewell, as far as that takes no wait; the server sees an end and not a reset. */
void weir__pg_disconnect(struct weir__pg_conn *conn, struct weir__ctx *c)
{
    (void)c;
    if (weir__stream_is_open(&conn->stream)) {
        char room[8];
        weir_buf b;
        weir_buf_init_fixed(&b, room, sizeof room);
        weir__pg_put_terminate(&b);
        struct iovec vec = {b.ptr, b.len};
        if (!conn->is_broken && !weir__stream_has_sender(&conn->stream))
            (void)weir__stream_try_send(&conn->stream, &vec, 1);
        weir__stream_close(&conn->stream);
    } else if (conn->is_detached) {
        weir__detached_close(conn->detached);
    }
    free_conn(conn);
}

static bool read_integers(weir_str body, int64_t *out, unsigned wanted)
{
    struct weir__pg_reader r;
    unsigned count;
    bool is_good = weir__pg_read_row(body, &r, &count) && count == wanted;
    for (unsigned i = 0; i < wanted && is_good; i++)
        is_good = weir_str_i64(weir__pg_next_value(&r), &out[i]) == WEIR_OK;
    return is_good;
}

weir_err weir__pg_ask_integers(struct weir__pg_conn *conn, weir_str sql, int64_t *out,
                               unsigned wanted, struct weir__sql_fault *f)
{
    weir__pg_put_query(&conn->out, sql);
    weir_err err = weir__pg_flush(conn, 1, f);
    while (err == WEIR_OK && conn->syncs > 0) {
        struct weir__pg_message m;
        err = weir__pg_next(conn, &m, f);
        if (err == WEIR_OK && m.type == WEIR__PG_DATA_ROW) {
            if (!read_integers(m.body, out, wanted))
                err = weir__pg_malformed(conn, "a setting of another form", f);
        } else if (err == WEIR_OK) {
            err = weir__pg_take_answer(conn, &m, NULL, f);
        }
    }
    return err;
}

/*
 * Its administrator may have given our user less time than a context has: that is not to be
 * lengthened by what goes with a BEGIN. Asked of each connection, for it may change at any time.
 */
static weir_err ask_timeout(struct weir__pg_conn *conn, int64_t *ms, struct weir__sql_fault *f)
{
    *ms = 0;
    weir_err err = weir__pg_ask_integers(conn,
                                         WEIR_S("SELECT setting FROM pg_settings"
                                                " WHERE name = 'statement_timeout'"),
                                         ms, 1, f);
    return err == WEIR_OK && *ms < 0 ? weir__pg_malformed(conn, "a setting of another form", f)
                                     : err;
}

/* What a server says that refuses a connection without TLS, or with it (pg_hba.conf). */
static bool is_refused(const struct weir__sql_fault *f)
{
    return strcmp(f->state, "28000") == 0;
}

static weir_err try_once(struct weir__pg_node *node, struct weir__ctx *c, bool wants_tls,
                         weir_time until, struct weir__pg_conn **out, struct weir__sql_fault *f)
{
    struct weir__pg_conn *conn = make_conn(node, c);
    bool must = node->host->tls >= WEIR__PG_SSL_REQUIRE;
    f->state[0] = '\0';
    if (conn == NULL)
        return weir__sql_fault(f, -ENOMEM, "no memory for a connection to %s", node->where);
    conn->until = until;
    weir_err err = dial(node, c, &conn->stream, until, f);
    if (err == WEIR_OK && wants_tls)
        err = weir__pg_secure(node, c, &conn->stream, must, until, f);
    if (err == WEIR_OK)
        err = weir__pg_log_in(conn, c, f);
    int64_t ms = 0;
    if (err == WEIR_OK)
        err = ask_timeout(conn, &ms, f);
    if (err == WEIR_OK)
        atomic_store(&node->server_timeout_ms, ms);
    if (err < 0) {
        conn->is_broken = true;
        weir__pg_disconnect(conn, c);
        return err;
    }
    conn->until = weir_never();
    *out = conn;
    return WEIR_OK;
}

weir_err weir__pg_connect(struct weir__pg_node *node, struct weir__ctx *c,
                          struct weir__pg_conn **out, struct weir__sql_fault *f)
{
    weir_time until = weir_time_add(weir__worker_now(weir__self), node->db->o.connect_timeout);
    uint8_t mode = node->host->tls;
    bool is_choosy = mode == WEIR__PG_SSL_ALLOW || mode == WEIR__PG_SSL_PREFER;
    /* Asking costs a round trip where there can be none (a build without TLS). */
    bool wants_tls = mode >= WEIR__PG_SSL_PREFER && node->db->tls != NULL;
    weir_err err = try_once(node, c, wants_tls, until, out, f);
    if (err < 0 && is_choosy && node->db->tls != NULL && is_refused(f))
        err = try_once(node, c, !wants_tls, until, out, f);
    return err;
}
