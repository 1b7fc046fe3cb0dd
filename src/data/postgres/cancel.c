/*
 * Ending what runs: a CancelRequest on a connection of its own, to the server that the statement
 * runs on (its address, not its name, which may mean another by now), over TLS when the connection
 * speaks it. The server closes when the signal has been sent, so its end is waited for: whoever
 * runs next on the connection is not hit by a signal that is late.
 */
#include <errno.h>

#include "data/postgres/postgres.h"
#include "os/sys.h"
#include "rt/worker.h"

enum { SOON_MS = 100 /* the server ends it by itself before a CancelRequest would be there */ };

static weir_err dial(struct weir__pg_conn *conn, struct weir__ctx *c, struct weir__stream *s,
                     weir_time until)
{
    const struct weir__sql_host *host = conn->node->host;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    struct weir__dial d = {.port = host->port, .until = until};
    if (host->socket != NULL)
        return weir__dial_local(c, weir_str_from(host->socket), until, s);
    if (weir__sys_getpeername(conn->stream.fd.num, (struct sockaddr *)&address, &len) == 0)
        return weir__dial_address(c, &address, len, until, s);
    d.host = weir_str_from(host->name);
    return weir__dial_stream(c, &d, s);
}

/* Sends it, and reads up to the end. */
static weir_err ask(struct weir__pg_conn *conn, struct weir__ctx *c, struct weir__stream *s,
                    weir_time until)
{
    char room[16 + WEIR__PG_KEY_BYTES_MAX];
    weir_buf b;
    size_t sent;
    ssize_t n;
    weir_buf_init_fixed(&b, room, sizeof room);
    weir__pg_put_cancel(&b, conn->process, (weir_str){(const char *)conn->key, conn->key_len});
    weir_err err = weir__stream_send(c, s, b.ptr, b.len, &sent, until);
    if (err < 0)
        return err;
    while ((n = weir__stream_recv(c, s, room, sizeof room, until)) > 0)
        ;
    bool is_cut = n == -ECONNRESET || n == -EPIPE || n == WEIR_EPROTO || n == WEIR_ETLS;
    return n == 0 || is_cut ? WEIR_OK : (weir_err)n; /* an end without a farewell is one */
}

weir_err weir__pg_cancel(struct weir__pg_conn *conn, struct weir__ctx *c)
{
    struct weir__stream s = {.fd.num = -1};
    struct weir__sql_fault f;
    weir_time until = conn->until;
    if (conn->key_len == 0)
        return WEIR_EDB; /* a server that gave no key cannot be asked */
    weir__sql_fault_init(&f);
    weir_err err = dial(conn, c, &s, until);
    if (err < 0)
        return err;
    if (weir__tls_is_on(&conn->stream))
        err = weir__pg_secure(conn->node, c, &s, true, until, &f);
    if (err == WEIR_OK)
        err = ask(conn, c, &s, until);
    weir__stream_close(&s);
    conn->is_cancelled = err == WEIR_OK;
    return err;
}

/* Reads up to the end of what runs now; its error is what was wanted. */
static weir_err pass_answer(struct weir__pg_conn *conn, struct weir__ctx *c,
                            struct weir__sql_fault *f)
{
    struct weir__pg_message m;
    unsigned behind = conn->syncs - 1;
    while (conn->syncs > behind) {
        weir_err err = weir__pg_next(conn, &m, f);
        if (err == WEIR_OK)
            (void)weir__pg_take_answer(conn, &m, NULL, f);
        if (conn->is_broken || weir__ctx_check(c) < 0)
            return WEIR_EGONE;
    }
    return WEIR_OK;
}

weir_err weir__pg_end_statement(struct weir__pg_conn *conn, struct weir__ctx *c,
                                struct weir__sql_fault *f)
{
    weir_time soon = weir_time_add(weir__worker_now(weir__self), weir_ms(SOON_MS));
    weir_err err = WEIR_OK;
    bool was_asked = false;
    while (err == WEIR_OK && conn->syncs > 0) {
        if (conn->server_stops.ns > soon.ns) {
            err = weir__pg_cancel(conn, c);
            was_asked = err == WEIR_OK;
        }
        if (err == WEIR_OK)
            err = pass_answer(conn, c, f);
    }
    if (err < 0)
        return err;
    if (!was_asked)
        return WEIR_OK;
    /* A signal that is late hits this. */
    weir__pg_put_sync(&conn->out);
    err = weir__pg_flush(conn, 1, f);
    if (err == WEIR_OK)
        (void)weir__pg_settle(conn, NULL, f);
    return conn->is_broken || conn->syncs > 0 ? WEIR_EGONE : WEIR_OK;
}
