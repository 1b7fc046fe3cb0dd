/*
 * Ending what runs: a CancelRequest on a connection of its own, to the server that the statement
 * runs on (its address, not its name, which may mean another by now), over TLS when the connection
 * speaks it. The server closes when the signal has been sent, so its end is waited for: whoever
 * runs next on the connection is not hit by a signal that is late.
 */
#include <errno.h>

#include "data/postgres/postgres.h"
#include "os/sys.h"

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
