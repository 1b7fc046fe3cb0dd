/*
 * A connection that goes on in another protocol, after an upgrade that a proxy has handed on (RFC
 * 9110 section 7.8). What came behind the 101 is read first. Two fibers work on it, one that reads
 * and one that sends; an end of either side is told to the other one by who copies.
 *
 * Owns nothing: the connection is the reply's, and is closed with it.
 */
#include "http/client/client.h"

#include <string.h>

#include "rt/worker.h"

bool weir__client_is_upgraded(const weir_reply *r)
{
    return r->status == 101 && r->conn != NULL && r->state == WEIR__REPLY_ANSWERED;
}

ssize_t weir__client_upgraded_read(weir_reply *r, struct weir__ctx *c, void *bytes, size_t size)
{
    struct weir__client_conn *conn = r->conn;
    WEIR_ASSERT(weir__client_is_upgraded(r), "C1: a connection is there until the reply is over");
    size_t there = conn->end - conn->at;
    if (there == 0)
        return weir__stream_recv(c, &conn->stream, bytes, size, weir_never());
    size_t n = there < size ? there : size;
    memcpy(bytes, conn->buf + conn->at, n);
    conn->at += n;
    return (ssize_t)n;
}

weir_err weir__client_upgraded_send(weir_reply *r, struct weir__ctx *c, weir_str bytes)
{
    size_t sent;
    WEIR_ASSERT(weir__client_is_upgraded(r), "C1: a connection is there until the reply is over");
    weir_time until = weir_time_add(weir__worker_now(weir__self), r->http->o.idle_timeout);
    return weir__stream_send(c, &r->conn->stream, bytes.ptr, bytes.len, &sent, until);
}

weir_err weir__client_upgraded_end(weir_reply *r)
{
    WEIR_ASSERT(weir__client_is_upgraded(r), "C1: a connection is there until the reply is over");
    return weir__stream_shutdown(&r->conn->stream);
}
