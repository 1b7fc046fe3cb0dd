/*
 * A new connection: the name, TCP or a Unix socket, TLS as the URL wants it, the log-in, and what
 * every session begins with; all of it under one time-out. What fails is one line that names where,
 * and never the password.
 *
 * Of the packets before TLS nothing is believed once it is there, but for what is needed to begin
 * it: the server's capabilities, which a liar can only make fewer.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "data/mysql/mysql.h"
#include "net/local.h"
#include "rt/worker.h"
#include "wire/mysql_auth.h"

#define WANTED                                                                                     \
    (WEIR__MYSQL_IS_MYSQL | WEIR__MYSQL_FOUND_ROWS | WEIR__MYSQL_LONG_FLAG |                       \
     WEIR__MYSQL_PROTOCOL_41 | WEIR__MYSQL_TRANSACTIONS | WEIR__MYSQL_SECURE |                     \
     WEIR__MYSQL_MULTI_RESULTS | WEIR__MYSQL_PS_MULTI_RESULTS | WEIR__MYSQL_PLUGIN_AUTH |          \
     WEIR__MYSQL_ATTRIBUTES | WEIR__MYSQL_LENENC_AUTH | WEIR__MYSQL_SESSION_TRACK |                \
     WEIR__MYSQL_DEPRECATE_EOF | WEIR__MARIADB_BULK | WEIR__MARIADB_EXTENDED_METADATA |            \
     WEIR__MARIADB_CACHE_METADATA)

/* --- dialling --------------------------------------------------------------------------------- */

static weir_err dial(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    const struct weir__sql_host *host = conn->node->host;
    struct weir__dial d = {.port = host->port, .until = conn->until};
    weir_err err;
    if (host->socket != NULL) {
        char text[WEIR__LOCAL_TEXT_MAX];
        (void)snprintf(text, sizeof text, "unix:%s", host->socket);
        err = weir__dial_local(conn->sql.c, weir_str_from(text), d.until, &conn->stream);
    } else {
        d.host = weir_str_from(host->name);
        err = weir__dial_stream(conn->sql.c, &d, &conn->stream);
    }
    if (err == WEIR_OK)
        return WEIR_OK;
    return weir__sql_fault(f, err, "cannot connect: %s",
                           d.why[0] != '\0' ? d.why : weir_strerror(err));
}

/* --- logging in ------------------------------------------------------------------------------- */

static weir_err no_server(struct weir__sql_fault *f, const char *text)
{
    return weir__sql_fault(f, WEIR_EPROTO, "no MySQL server is there: %s", text);
}

static weir_err read_greeting(struct weir__mysql_conn *conn, struct weir__mysql_greeting *g,
                              struct weir__sql_fault *f)
{
    weir_str body;
    weir_err err = weir__mysql_next(conn, &body, f);
    if (err == WEIR_EPROTO)
        return no_server(f, "what came is no packet of a greeting");
    if (err < 0)
        return err;
    if (body.len > 0 && (uint8_t)body.ptr[0] == WEIR__MYSQL_ERR)
        return weir__mysql_refused(conn, body, f);
    int rc = weir__mysql_greeting_read(body, g);
    if (rc < 0)
        return no_server(f, weir__mysql_error_text(rc));
    conn->is_mariadb = g->is_mariadb;
    conn->thread = g->thread;
    conn->capabilities = g->capabilities & WANTED;
    if (conn->owner->url.database != NULL)
        conn->capabilities |= WEIR__MYSQL_WITH_DB;
    return WEIR_OK;
}

static weir_err flush_packet(struct weir__mysql_conn *conn, size_t at, struct weir__sql_fault *f)
{
    conn->number = weir__mysql_packet_end(&conn->out, at, conn->number);
    return weir__mysql_flush(conn, f);
}

static weir_err shake_hands(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    const struct weir__sql_host *host = conn->node->host;
    char room[300];
    weir_buf why;
    weir_buf_init_fixed(&why, room, sizeof room - 1);
    weir_err err =
        weir__tls_connect(&conn->stream, conn->owner->tls, weir_str_from(host->name), host->port);
    if (err == WEIR_OK)
        err = weir__tls_await_handshake(conn->sql.c, &conn->stream, conn->until, &why);
    room[why.len] = '\0';
    return err == WEIR_OK
               ? WEIR_OK
               : weir__sql_fault(f, err, "TLS: %s", why.len > 0 ? room : weir_strerror(err));
}

/* TLS, where that is wanted and there; nothing may have come behind the greeting in the clear. */
static weir_err secure(struct weir__mysql_conn *conn, const struct weir__mysql_greeting *g,
                       const struct weir__mysql_login *l, struct weir__sql_fault *f)
{
    uint8_t mode = conn->node->host->tls;
    bool is_there = (g->capabilities & WEIR__MYSQL_SSL) != 0;
    if (mode == WEIR__MYSQL_SSL_DISABLED || (mode == WEIR__MYSQL_SSL_PREFERRED && !is_there))
        return WEIR_OK;
    if (!is_there)
        return weir__sql_fault(f, WEIR_ETLS, "the server has no TLS, and the URL asks for it");
    if (conn->in.len != conn->in_at)
        return no_server(f, "it spoke on before TLS");
    conn->capabilities |= WEIR__MYSQL_SSL;
    struct weir__mysql_login request = *l;
    request.capabilities = conn->capabilities;
    size_t at = weir__mysql_packet_begin(&conn->out);
    weir__mysql_ssl_request(&conn->out, &request);
    weir_err err = flush_packet(conn, at, f);
    return err < 0 ? err : shake_hands(conn, f);
}

static weir_err auth_failed(struct weir__mysql_conn *conn, int rc, const char *why,
                            struct weir__sql_fault *f)
{
    weir_err err = rc >= WEIR_MYSQL_ESEQUENCE && rc < WEIR_MYSQL_ERROR_END ? WEIR_EPROTO : rc;
    conn->is_broken = true;
    return weir__sql_fault(f, err, "cannot log in: %s", why[0] != '\0' ? why : weir_strerror(err));
}

/* The conversation up to its OK. */
static weir_err authenticate(struct weir__mysql_conn *conn, struct weir__mysql_auth *a,
                             struct weir__sql_fault *f)
{
    for (;;) {
        char room[300] = "";
        weir_buf why;
        weir_str body;
        weir_err err = weir__mysql_next(conn, &body, f);
        if (err < 0)
            return err;
        weir_buf_init_fixed(&why, room, sizeof room - 1);
        size_t at = weir__mysql_packet_begin(&conn->out);
        int next = weir__mysql_auth_step(a, body, &conn->out, &why);
        room[why.len] = '\0';
        if (next == WEIR__MYSQL_AUTH_SEND)
            err = flush_packet(conn, at, f);
        else
            weir_buf_reset(&conn->out);
        if (next == WEIR__MYSQL_AUTH_DONE)
            return weir__mysql_take_ok(conn, body, NULL, f);
        if (next == WEIR__MYSQL_AUTH_ERR)
            return weir__mysql_refused(conn, body, f);
        if (next < 0)
            return auth_failed(conn, next, room, f);
        if (err < 0)
            return err;
    }
}

static weir_err log_in(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    const struct weir__mysql *db = conn->owner;
    struct weir__mysql_greeting g = {0};
    uint8_t bytes[WEIR__MYSQL_PROOF_MAX];
    weir_buf proof;
    weir_err err = read_greeting(conn, &g, f);
    struct weir__mysql_auth a = {
        .password = weir_str_from(db->url.password != NULL ? db->url.password : ""),
        .key = db->key.key != NULL ? &db->key : NULL};
    struct weir__mysql_login l = {.packet_max = 1u << 30,
                                  .charset = WEIR__MYSQL_UTF8MB4,
                                  .user = weir_str_from(db->url.user),
                                  .program = WEIR_S("weir")};
    weir_buf_init_fixed(&proof, (char *)bytes, sizeof bytes);
    if (err < 0)
        return err;
    int rc = weir__mysql_auth_begin(&a, g.plugin, g.nonce, &proof);
    if (rc < 0)
        return auth_failed(conn, rc, "", f);
    err = secure(conn, &g, &l, f);
    if (err < 0)
        return err;
    a.carrier = conn->node->host->socket != NULL ? WEIR__MYSQL_LOCAL
                : weir__tls_is_on(&conn->stream) ? WEIR__MYSQL_TLS
                                                 : WEIR__MYSQL_PLAIN;
    l.capabilities = conn->capabilities;
    l.auth = weir_buf_str(&proof);
    l.plugin = weir_str_from(a.plugin);
    if (db->url.database != NULL)
        l.database = weir_str_from(db->url.database);
    size_t at = weir__mysql_packet_begin(&conn->out);
    weir__mysql_login(&conn->out, &l);
    err = flush_packet(conn, at, f);
    return err < 0 ? err : authenticate(conn, &a, f);
}

/* --- the session ------------------------------------------------------------------------------ */

/*
 * Points of time are in UTC; whatever changes the session is told of from now on; backslashes are
 * escapes, as the reader of statements takes them to be.
 */
void weir__mysql_put_setup(const struct weir__mysql_conn *conn, weir_buf *out)
{
    int64_t ns = conn->owner->o.statement_max.ns;
    weir_buf_puts(out, WEIR_S("SET time_zone='+00:00',session_track_state_change=1,sql_mode="
                              "REPLACE(@@sql_mode,'NO_BACKSLASH_ESCAPES','')"));
    if (ns > 0 && conn->is_mariadb)
        weir_buf_printf(out, ",max_statement_time=%lld.%06lld", (long long)(ns / 1000000000),
                        (long long)(ns % 1000000000 / 1000));
    else if (ns > 0)
        weir_buf_printf(out, ",max_execution_time=%lld", (long long)((ns + 999999) / 1000000));
}

static weir_err set_up(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    char room[WEIR__MYSQL_SETUP_MAX];
    weir_buf text;
    weir_buf_init_fixed(&text, room, sizeof room);
    weir__mysql_put_setup(conn, &text);
    weir_err err = weir__mysql_simple(conn, weir_buf_str(&text), NULL, f);
    conn->is_changed = false;
    if (err == WEIR_OK && conn->is_in_tx) /* M2, whatever a server says */
        return weir__mysql_malformed(conn, WEIR_MYSQL_EFORM, f);
    return err;
}

/* --- its life --------------------------------------------------------------------------------- */

static struct weir__mysql_conn *make_conn(struct weir__mysql_node *node, struct weir__ctx *c)
{
    struct weir__mysql *db = node->db;
    struct weir__mysql_conn *conn = weir__calloc(1, sizeof *conn);
    if (conn == NULL)
        return NULL;
    size_t most = (size_t)db->o.value_bytes_max + WEIR__MYSQL_WINDOW_MAX;
    weir__sql_conn_init(&conn->sql, &db->db);
    conn->sql.c = c;
    conn->owner = db;
    conn->node = node;
    conn->stream.fd.num = -1;
    conn->until = weir_time_add(weir__worker_now(weir__self), db->o.connect_timeout);
    conn->window = WEIR__MYSQL_WINDOW;
    weir_buf_init(&conn->in, most + WEIR__MYSQL_WINDOW_MAX);
    weir_buf_init(&conn->out, most);
    weir_buf_init(&conn->closes, WEIR__MYSQL_WINDOW_MAX);
    return conn;
}

/* Told farewell, as far as that takes no wait. */
static void say_farewell(struct weir__mysql_conn *conn)
{
    static const char quit[] = "\1\0\0\0\1";
    struct iovec vec = {(void *)quit, sizeof quit - 1};
    if (!conn->is_broken && !weir__stream_has_sender(&conn->stream))
        (void)weir__stream_try_send(&conn->stream, &vec, 1);
}

void weir__mysql_disconnect(struct weir__mysql_conn *conn)
{
    if (conn->is_detached) {
        weir__detached_close(conn->detached);
    } else if (weir__stream_is_open(&conn->stream)) {
        say_farewell(conn);
        weir__stream_close(&conn->stream);
    }
    conn->is_broken = true; /* nothing is told the server any more */
    weir__sql_forget_all(&conn->sql);
    weir_buf_fini(&conn->in);
    weir_buf_fini(&conn->out);
    weir_buf_fini(&conn->closes);
    weir__free(conn);
}

weir_err weir__mysql_connect(struct weir__mysql_node *node, struct weir__ctx *c,
                             struct weir__mysql_conn **out, struct weir__sql_fault *f)
{
    struct weir__mysql_conn *conn = make_conn(node, c);
    if (conn == NULL)
        return weir__sql_fault(f, -ENOMEM, "no memory");
    weir_err err = dial(conn, f);
    if (err == WEIR_OK)
        err = log_in(conn, f);
    if (err == WEIR_OK)
        err = set_up(conn, f);
    if (err < 0) {
        conn->is_broken = true;
        weir__mysql_disconnect(conn);
        return err;
    }
    conn->until = weir_never();
    *out = conn;
    return WEIR_OK;
}
