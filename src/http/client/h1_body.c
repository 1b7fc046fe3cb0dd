/*
 * The body of an answer over HTTP/1.1, by whichever rule it ends. When its last byte has been taken
 * its kind is WEIR__ANSWER_NONE, as of an answer without one.
 *
 * What has come with the head is mostly all of it: then it is copied behind the head at once, so
 * that the connection is free before the caller has looked at anything.
 */
#include "http/client/client.h"

#include <string.h>

#include "rt/worker.h"

/* --- whole, with the head --------------------------------------------------------------------- */

/* How many bytes the chunks in the buffer are, if the last one is among them; no copy is made. */
static bool has_all_chunks(const weir_reply *r, size_t *size)
{
    const struct weir__client_conn *conn = r->conn;
    struct weir__chunked look = r->chunked;
    weir_str in = {conn->buf + conn->at, conn->end - conn->at}, out;
    int event;
    *size = 0;
    while ((event = weir__chunked_next(&look, &in, &out)) == WEIR_CHUNKED_DATA)
        *size += out.len;
    return event == WEIR_CHUNKED_END; /* with trailers it is read the long way */
}

static bool has_all(const weir_reply *r, size_t *size)
{
    switch (r->kind) {
    case WEIR__ANSWER_LENGTH:
        *size = (size_t)r->left;
        return r->left <= r->conn->end - r->conn->at;
    case WEIR__ANSWER_CHUNKED:
        return has_all_chunks(r, size);
    default:
        return false;
    }
}

weir_err weir__client_h1_take_whole(weir_reply *r)
{
    size_t size, at = 0;
    if (!has_all(r, &size))
        return WEIR_OK;
    char *bytes = weir__ctx_object(r->c, size + 1);
    if (bytes == NULL)
        return weir__client_no_memory(r);
    while (r->kind != WEIR__ANSWER_NONE) {
        ssize_t n = weir__client_h1_read(r, bytes + at, size - at, false);
        if (n < 0)
            return (weir_err)n;
        at += (size_t)n;
    }
    WEIR_ASSERT(at == size, "C6: a body that is there is read as long as it was found");
    r->whole = (weir_str){bytes, size};
    return WEIR_OK;
}

/* --- piece by piece --------------------------------------------------------------------------- */

/* What is in the buffer, up to `max`; taken. */
static weir_str take(struct weir__client_conn *conn, size_t max)
{
    size_t n = conn->end - conn->at;
    n = n < max ? n : max;
    weir_str s = {conn->buf + conn->at, n};
    conn->at += n;
    return s;
}

static weir_err cut(weir_reply *r)
{
    if (r->kind == WEIR__ANSWER_LENGTH)
        return weir__client_fail(r, WEIR_ECLOSED,
                                 "cut after %llu bytes of the body, %llu too early",
                                 (unsigned long long)r->got, (unsigned long long)r->left);
    return weir__client_fail(r, WEIR_ECLOSED, "cut after %llu bytes of the body, before its end",
                             (unsigned long long)r->got);
}

/* Straight into the caller's memory, when nothing is in the buffer. */
static ssize_t receive(weir_reply *r, char *to, size_t size, bool waits)
{
    struct weir__stream *s = &r->conn->stream;
    weir_str there = take(r->conn, size);
    if (there.len > 0) {
        memcpy(to, there.ptr, there.len);
        return (ssize_t)there.len;
    }
    if (!waits)
        return weir__stream_try_recv(s, to, size);
    return weir__stream_recv(weir__client_waits_in(r), s, to, size,
                             weir__client_within(r, r->http->o.idle_timeout));
}

static ssize_t read_length(weir_reply *r, char *to, size_t size, bool waits)
{
    size = size < r->left ? size : (size_t)r->left;
    ssize_t n = receive(r, to, size, waits);
    if (n == 0)
        return cut(r);
    if (n < 0)
        return n;
    r->left -= (uint64_t)n;
    if (r->left == 0)
        r->kind = WEIR__ANSWER_NONE;
    return n;
}

static ssize_t read_until_close(weir_reply *r, char *to, size_t size, bool waits)
{
    ssize_t n = receive(r, to, size, waits);
    if (n == 0)
        r->kind = WEIR__ANSWER_NONE;
    return n;
}

/* Keeps a piece of the trailer section, which the decoder bounds. */
static weir_err keep_trailer(weir_reply *r, weir_str piece)
{
    if (r->trailers == NULL)
        r->trailers = weir__ctx_object(r->c, WEIR_CHUNKED_TRAILER_BYTES_MAX);
    if (r->trailers == NULL)
        return weir__client_no_memory(r);
    WEIR_ASSERT(piece.len <= WEIR_CHUNKED_TRAILER_BYTES_MAX - r->trailers_len,
                "C7: the decoder bounds trailers");
    memcpy(r->trailers + r->trailers_len, piece.ptr, piece.len);
    r->trailers_len += piece.len;
    return WEIR_OK;
}

/* Decodes from the buffer: bytes, 0 when it has none, an error; at the end the kind tells. */
static ssize_t decode(weir_reply *r, char *to, size_t size)
{
    struct weir__client_conn *conn = r->conn;
    weir_str out;
    for (;;) {
        size_t have = conn->end - conn->at;
        weir_str in = {conn->buf + conn->at, have < size ? have : size};
        const char *before = in.ptr;
        int event = weir__chunked_next(&r->chunked, &in, &out);
        conn->at += (size_t)(in.ptr - before);
        if (event < 0)
            return weir__client_fail(r, WEIR_EPROTO, "a malformed body: %s",
                                     weir__chunked_error_text(event));
        if (event == WEIR_CHUNKED_DATA) {
            memcpy(to, out.ptr, out.len);
            return (ssize_t)out.len;
        }
        if (event == WEIR_CHUNKED_TRAILER && keep_trailer(r, out) != WEIR_OK)
            return weir__client_no_memory(r);
        if (event == WEIR_CHUNKED_END)
            r->kind = WEIR__ANSWER_NONE;
        bool is_used_up = conn->at == conn->end && event != WEIR_CHUNKED_TRAILER;
        if (event == WEIR_CHUNKED_END || is_used_up)
            return 0;
    }
}

static ssize_t read_chunked(weir_reply *r, char *to, size_t size, bool waits)
{
    for (;;) {
        ssize_t n = decode(r, to, size);
        if (n != 0 || r->kind == WEIR__ANSWER_NONE)
            return n;
        n = weir__client_h1_fill(r, weir__client_within(r, r->http->o.idle_timeout), waits);
        if (n == 0)
            return cut(r);
        if (n < 0)
            return n;
    }
}

ssize_t weir__client_h1_read(weir_reply *r, void *bytes, size_t size, bool waits)
{
    char none;
    ssize_t n = 0;
    if (size == 0 && r->kind == WEIR__ANSWER_CHUNKED) {
        bytes = &none; /* what ends it is still to be taken */
        size = 1;
    }
    if (r->kind == WEIR__ANSWER_LENGTH)
        n = read_length(r, bytes, size, waits);
    else if (r->kind == WEIR__ANSWER_CHUNKED)
        n = read_chunked(r, bytes, size, waits);
    else if (r->kind == WEIR__ANSWER_UNTIL_END)
        n = read_until_close(r, bytes, size, waits);
    if (n > 0)
        r->got += (uint64_t)n;
    return n;
}
