/*
 * Responses as HTTP/1 writes them: a head and a body that is whole, announced, chunked, or ends
 * with the connection. The usual response is formatted in one pass into the connection's output and
 * leaves with what else is there.
 *
 * The hard thing is the end: a response that cannot be finished must not look finished. One that
 * has not left yet is taken back (retract); else the connection is cut before the last chunk or the
 * announced length, and where its end is the only end there is (HTTP/1.0 without a length) it is
 * reset.
 */
#include "base/assert.h"
#include "http/h1/h1.h"
#include "wire/http_status.h"

#include <string.h>

#define HEAD_FIXED 256u  /* status line, date, length, connection; without type and header lines */
#define COPIED_MAX 4096u /* larger pieces of a body are sent from where they are */

static const weir_str nothing = {"", 0};

/* --- the head --------------------------------------------------------------------------------- */

/* What the connection says about itself: nothing in the usual case. */
static void write_connection(struct weir__exchange *x, struct weir__http1_writer *w)
{
    if (weir__h1_x(x)->is_last)
        weir__http1_write_raw(w, WEIR_S("Connection: close\r\n"));
    else if (x->head.minor == 0)
        weir__http1_write_raw(w, WEIR_S("Connection: keep-alive\r\n"));
}

/* Whether the connection can go on after this response; decided as late as it can be told. */
static bool is_last(const struct weir__exchange *x)
{
    const struct weir__http_conn *c = x->conn;
    const struct weir__h1_exchange *h = weir__h1_x(x);
    int64_t max = x->home->server->options.requests_max;
    return h->is_last || !x->head.keep_alive || x->home->is_ending || c->is_closing ||
           h->framing == WEIR__H1_TO_END || (max > 0 && c->requests >= max) ||
           weir__h1_body_is_too_much(x);
}

/* Line and fields of the head but for what ends it. */
static void write_head(struct weir__exchange *x, struct weir__http1_writer *w, int status,
                       weir_str type)
{
    struct weir__h1_exchange *h = weir__h1_x(x);
    h->is_last = is_last(x);
    weir__http1_write_start(w, status, &x->home->date);
    if (type.len > 0 && !x->has_type && x->response_body != WEIR__RESPONSE_BARE)
        weir__http1_write_field_trusted(w, WEIR_S("Content-Type"), type);
    if (x->extra_len > 0)
        weir__http1_write_raw(w, (weir_str){x->extra, x->extra_len});
    if (WEIR_UNLIKELY(h->is_last || x->head.minor == 0))
        write_connection(x, w);
}

static weir_err reserve(struct weir__exchange *x, size_t room)
{
    if (WEIR_UNLIKELY(room > WEIR__OUT_ROOM_MAX))
        return WEIR_EINVALID;
    return weir__out_reserve(x->conn, x->ctx, room);
}

/* The head stands in the output: the status line is decided. */
static weir_err started(struct weir__exchange *x, struct weir__http1_writer *w, int status)
{
    struct weir__http_out *out = weir__h1(x->conn)->out;
    if (WEIR_UNLIKELY(w->err != WEIR_OK)) {
        weir__h1_x(x)->framing = WEIR__H1_SIZED;
        return w->err;
    }
    weir__h1_x(x)->out_from = out->len;
    out->len = (uint32_t)(w->at - out->bytes);
    weir__response_begun(x, status);
    return WEIR_OK;
}

static struct weir__http1_writer writer_of(struct weir__exchange *x)
{
    struct weir__http_out *out = weir__h1(x->conn)->out;
    struct weir__http1_writer w;
    weir__http1_writer_init(&w, out->bytes + out->len, WEIR__OUT_CAPACITY - out->len);
    return w;
}

static weir_err send_directly(struct weir__exchange *x, weir_str bytes)
{
    WEIR_ASSERT(x->response == WEIR__RESPONSE_OPEN, "O3: its head goes before a body");
    weir__h1_x(x)->out_from = WEIR__H1_LEFT;
    return weir__out_flush(x->conn, x->ctx, bytes);
}

static weir_err respond(struct weir__exchange *x, int status, weir_str type, weir_str body)
{
    size_t head = HEAD_FIXED + type.len + x->extra_len;
    bool is_copied = body.len <= COPIED_MAX;
    weir_err err = reserve(x, is_copied ? head + body.len : head);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    struct weir__http1_writer w = writer_of(x);
    write_head(x, &w, status, type);
    if (WEIR_LIKELY(x->response_body != WEIR__RESPONSE_BARE))
        weir__http1_write_length_end(&w, body.len);
    else
        weir__http1_write_end(&w);
    bool has_body = weir__exchange_has_body(x);
    if (has_body && is_copied)
        weir__http1_write_raw(&w, body);
    err = started(x, &w, status);
    return WEIR_UNLIKELY(err == WEIR_OK && has_body && !is_copied) ? send_directly(x, body) : err;
}

static weir_err begin(struct weir__exchange *x, int status, weir_str type, int64_t length)
{
    struct weir__h1_exchange *h = weir__h1_x(x);
    weir_err err = reserve(x, HEAD_FIXED + type.len + x->extra_len);
    if (err != WEIR_OK)
        return err;
    bool may_have_body = x->response_body != WEIR__RESPONSE_BARE;
    WEIR_ASSERT(h->framing == WEIR__H1_SIZED, "O3: what was taken back has left no framing");
    bool may_trail = x->has_trailers && weir__exchange_has_body(x) && x->head.minor >= 1;
    if ((length < 0 || may_trail) && may_have_body)
        h->framing = x->head.minor >= 1 ? WEIR__H1_CHUNKED : WEIR__H1_TO_END;
    struct weir__http1_writer w = writer_of(x);
    write_head(x, &w, status, type);
    if (h->framing == WEIR__H1_CHUNKED)
        weir__http1_write_raw(&w, WEIR_S("Transfer-Encoding: chunked\r\n"));
    else if (length >= 0 && may_have_body)
        weir__http1_write_length(&w, (uint64_t)length);
    weir__http1_write_end(&w);
    return started(x, &w, status);
}

/* --- the body --------------------------------------------------------------------------------- */

static bool is_in_chunks(const struct weir__exchange *x)
{
    return weir__h1_x(x)->framing == WEIR__H1_CHUNKED && weir__exchange_has_body(x);
}

/* Room for `n` body bytes at the output's end, in a chunk where there are chunks. */
static weir_err body_room(struct weir__exchange *x, size_t n)
{
    struct weir__http_conn *c = x->conn;
    weir_err err = weir__out_reserve(c, x->ctx, n + WEIR__CHUNK_HEAD);
    if (err != WEIR_OK)
        return err;
    struct weir__http_out *out = weir__h1(c)->out;
    if (is_in_chunks(x) && out->mark == WEIR__NO_CHUNK) {
        out->mark = out->len;
        out->len += WEIR__CHUNK_HEAD;
    }
    WEIR_ASSERT(out->len + n + WEIR__OUT_TAIL <= WEIR__OUT_CAPACITY, "O1: there is that room");
    return WEIR_OK;
}

/* A large piece leaves behind what is in the output, from where it is. */
static weir_err write_directly(struct weir__exchange *x, weir_str bytes)
{
    struct weir__http_conn *c = x->conn;
    if (!is_in_chunks(x))
        return send_directly(x, bytes);
    weir_err err = weir__out_reserve(c, x->ctx, WEIR_CHUNK_HEAD_MAX + 2 * WEIR__CHUNK_HEAD);
    if (err != WEIR_OK)
        return err;
    struct weir__http_out *out = weir__h1(c)->out;
    weir__out_seal(c);
    WEIR_ASSERT(out->len + WEIR_CHUNK_HEAD_MAX <= WEIR__OUT_CAPACITY, "O1: its head has room");
    out->len += (uint32_t)weir__chunk_head(out->bytes + out->len, bytes.len);
    err = send_directly(x, bytes);
    if (err != WEIR_OK)
        return err;
    WEIR_ASSERT(out->mark == WEIR__NO_CHUNK, "N5: nobody has begun a chunk inside of this one");
    memcpy(out->bytes + out->len, WEIR_CHUNK_TAIL, 2);
    out->len += 2;
    return WEIR_OK;
}

static weir_err write_body(struct weir__exchange *x, weir_str bytes)
{
    if (bytes.len > COPIED_MAX)
        return write_directly(x, bytes);
    weir_err err = body_room(x, bytes.len);
    if (err != WEIR_OK)
        return err;
    struct weir__http_out *out = weir__h1(x->conn)->out;
    memcpy(out->bytes + out->len, bytes.ptr, bytes.len);
    out->len += (uint32_t)bytes.len;
    return WEIR_OK;
}

static weir_err window(struct weir__exchange *x, size_t min, char **ptr, size_t *len)
{
    weir_err err = body_room(x, min);
    if (err != WEIR_OK)
        return err;
    struct weir__http_out *out = weir__h1(x->conn)->out;
    *ptr = out->bytes + out->len;
    *len = WEIR__OUT_CAPACITY - WEIR__OUT_TAIL - out->len;
    return WEIR_OK;
}

static void commit(struct weir__exchange *x, size_t n)
{
    struct weir__http_out *out = weir__h1(x->conn)->out;
    WEIR_ASSERT(out->len + n + WEIR__OUT_TAIL <= WEIR__OUT_CAPACITY, "O1: it lay in the window");
    out->len += (uint32_t)n;
}

static weir_err flush(struct weir__exchange *x)
{
    if (x->response != WEIR__RESPONSE_NONE)
        weir__h1_x(x)->out_from = WEIR__H1_LEFT;
    return weir__out_flush(x->conn, x->ctx, nothing);
}

/* Errors of the file come back as they are; those of the connection have broken it. */
static weir_err splice_file(struct weir__exchange *x, int file, uint64_t at, uint64_t *left)
{
    struct weir__http_conn *c = x->conn;
    struct weir__sending sending = {.bytes = 0};
    weir_err err = flush(x);
    const struct weir__http_out *out = weir__h1(c)->out;
    off_t offset = (off_t)at;
    WEIR_ASSERT(err != WEIR_OK || out->at == out->len, "O4: what was before it has left");
    while (err == WEIR_OK && *left > 0) {
        size_t len = *left < WEIR__TURN_BYTES ? (size_t)*left : WEIR__TURN_BYTES;
        ssize_t n = weir__stream_try_sendfile(&c->stream, file, &offset, len);
        if (n == -EAGAIN) {
            err = weir__out_wait(c, x->ctx, &sending, false);
            continue;
        }
        if (n <= 0)
            return n < 0 ? (weir_err)n : -EIO;
        WEIR_ASSERT((uint64_t)n <= *left, "O4: no more was taken than there was");
        *left -= (uint64_t)n;
        weir__sending_gets_on(&sending, (size_t)n);
        weir__out_taken(c, (size_t)n);
        if (*left > 0 && !weir__out_take_turns(c, &sending, (size_t)n))
            err = WEIR_ECLIENTGONE;
    }
    return err;
}

static weir_err send_file(struct weir__exchange *x, int file, uint64_t at, uint64_t *left)
{
    uint64_t len = *left;
    if (is_in_chunks(x) || len <= COPIED_MAX)
        return -EOPNOTSUPP;
    weir_err err = splice_file(x, file, at, left);
    if (err == -EPIPE || err == -ECONNRESET)
        return WEIR_ECLIENTGONE;
    bool cannot = *left == len && (err == -EINVAL || err == -ENOSYS || err == -EBADF);
    return cannot ? -EOPNOTSUPP : err;
}

/* --- the end ---------------------------------------------------------------------------------- */

static weir_err end(struct weir__exchange *x)
{
    struct weir__http_conn *c = x->conn;
    if (WEIR_UNLIKELY(weir__h1_x(x)->is_tunnel))
        return flush(x); /* what comes is still read; the connection ends with the handler */
    if (!is_in_chunks(x))
        return WEIR_OK;
    weir_err err = weir__out_reserve(c, x->ctx, x->behind.len);
    if (err != WEIR_OK)
        return err;
    struct weir__http_out *out = weir__h1(c)->out;
    weir__out_seal(c);
    struct weir__http1_writer w = writer_of(x);
    weir__http1_write_raw(&w, WEIR_S("0\r\n"));
    weir__http1_write_raw(&w, weir__trailers_lines(&x->behind));
    weir__http1_write_end(&w);
    out->len = (uint32_t)(w.at - out->bytes);
    WEIR_ASSERT(out->len <= WEIR__OUT_CAPACITY, "O1: there was room for the last chunk");
    return WEIR_OK;
}

static void give_up(struct weir__exchange *x)
{
    struct weir__http_conn *c = x->conn;
    struct weir__h1_exchange *h = weir__h1_x(x);
    WEIR_ASSERT(weir__exchange_is_cut(x), "O3: nothing is added to what was given up");
    h->is_last = c->is_closing = true;
    c->is_reset_due = c->is_reset_due || h->framing == WEIR__H1_TO_END;
}

static bool retract(struct weir__exchange *x)
{
    struct weir__h1_exchange *h = weir__h1_x(x);
    struct weir__http_out *out = weir__h1(x->conn)->out;
    if (h->out_from == WEIR__H1_LEFT || out == NULL || x->conn->is_broken ||
        weir__stream_has_sender(&x->conn->stream))
        return false;
    WEIR_ASSERT(out->at <= h->out_from && h->out_from <= out->len,
                "O3: what is taken back is still there");
    out->len = h->out_from;
    out->mark = WEIR__NO_CHUNK;
    h->framing = WEIR__H1_SIZED;
    return true;
}

/* --- another protocol ------------------------------------------------------------------------- */

/* RFC 9110 section 7.8: "Connection: upgrade", and the protocol is one of those offered. */
static bool is_offered(const struct weir__exchange *x, weir_str protocol)
{
    unsigned i = weir__exchange_find(x, WEIR_FIELD_UPGRADE, 0);
    bool is_found = false;
    for (; i < weir__exchange_fields(x) && !is_found;
         i = weir__exchange_find(x, WEIR_FIELD_UPGRADE, i + 1))
        is_found = weir__http_list_has(weir__exchange_field_value(x, i), protocol);
    return x->head.upgrade && is_found;
}

/*
 * The connection becomes the handler's: what it reads is what the client sends, what it writes is
 * sent as it is, and it is closed with the exchange.
 */
static weir_err upgrade(struct weir__exchange *x, weir_str protocol)
{
    struct weir__h1_exchange *h = weir__h1_x(x);
    if (!is_offered(x, protocol))
        return WEIR_EINVALID;
    weir_err err = reserve(x, HEAD_FIXED + protocol.len + x->extra_len);
    if (err != WEIR_OK)
        return err;
    WEIR_ASSERT(h->framing == WEIR__H1_SIZED, "O5: another protocol has no chunks");
    struct weir__http1_writer w = writer_of(x);
    weir__http1_write_start(&w, 101, &x->home->date);
    weir__http1_write_field_trusted(&w, WEIR_S("Upgrade"), protocol);
    weir__http1_write_raw(&w, WEIR_S("Connection: upgrade\r\n"));
    weir__http1_write_raw(&w, (weir_str){x->extra, x->extra_len});
    weir__http1_write_end(&w);
    err = started(x, &w, 101);
    if (err != WEIR_OK)
        return err;
    h->is_last = h->is_tunnel = true;
    x->is_half_close_served = true;
    x->body_state = WEIR__BODY_COMING;
    return flush(x);
}

/* --- the table -------------------------------------------------------------------------------- */

static size_t piece(const struct weir__exchange *x, size_t nth, const void **at)
{
    const struct weir__http_in *in = x->conn != NULL ? weir__h1(x->conn)->in : NULL;
    *at = in;
    return in != NULL && nth == 0 ? sizeof *in + x->home->server->in_bytes : 0;
}

const struct weir__exchange_ops weir__h1_ops = {
    .protocol = "HTTP/1.1",
    .read = weir__h1_read,
    .read_all = weir__h1_read_all,
    .respond = respond,
    .begin = begin,
    .write = write_body,
    .window = window,
    .commit = commit,
    .sendfile = send_file,
    .flush = flush,
    .end = end,
    .abort = give_up,
    .retract = retract,
    .upgrade = upgrade,
    .piece = piece,
};
