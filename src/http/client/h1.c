/*
 * HTTP/1.1 on a connection, as a client: sending a request with what the peer takes, reading the
 * head of its answer past interim ones. Bodies of answers are h1_body.c's.
 *
 * The one hard thing is the answer that comes before the request is sent (a refusal of a large
 * body, mostly with the connection's end behind it): sending stops, and what was said is read
 * before the broken connection is believed. Such a connection is not used again.
 *
 * The request's head is written into the buffer for what comes, which is empty then.
 */
#include "http/client/client.h"

#include <string.h>

#include "base/alloc.h"
#include "rt/worker.h"

#define HEAD_SENT_MAX 65536
#define CONTINUE_NS 1000000000 /* so long is waited for 100 (RFC 9110 section 10.1.1) */
#define INTERIM_MAX 8

/* --- sending ---------------------------------------------------------------------------------- */

/* Takes `n` sent bytes off the front. */
static int advance(struct iovec **vec, int count, size_t n)
{
    while (count > 0 && n >= (*vec)->iov_len) {
        n -= (*vec)->iov_len;
        ++*vec;
        count--;
    }
    if (count > 0) {
        (*vec)->iov_base = (char *)(*vec)->iov_base + n;
        (*vec)->iov_len -= n;
    }
    return count;
}

/*
 * Has the peer said something, or ended? Asked once the head has left, for until then its bytes are
 * where that would come.
 */
static bool has_answered(weir_reply *r)
{
    if (r->sent < r->head_len || !weir__stream_has_more(&r->conn->stream))
        return false;
    return weir__client_h1_fill(r, r->until, false) != -EAGAIN;
}

/* The peer takes no more: waits for room, unless it has said something already. */
static weir_err await_room(weir_reply *r)
{
    if (!r->is_duplex && has_answered(r))
        return WEIR_ECLOSED;
    return weir__stream_await_room(weir__client_waits_in(r), &r->conn->stream,
                                   weir__client_within(r, r->http->o.idle_timeout));
}

/* All of `vec`, of which none is empty, out of a layer too. WEIR_ECLOSED: the peer has answered. */
static weir_err send_all(weir_reply *r, struct iovec *vec, int count)
{
    struct weir__stream *s = &r->conn->stream;
    while (count > 0 || weir__stream_has_unsent(s)) {
        weir_err err = weir__ctx_check(weir__client_waits_in(r));
        if (err != WEIR_OK)
            return weir__wait_refused(err);
        ssize_t n = count > 0 ? weir__stream_try_send(s, vec, count) : weir__stream_try_flush(s);
        if (n >= 0) {
            r->sent += (uint64_t)n;
            count = advance(&vec, count, (size_t)n);
            continue;
        }
        err = n == -EAGAIN ? await_room(r) : (weir_err)n;
        if (err != WEIR_OK)
            return err;
    }
    return WEIR_OK;
}

static bool grow(struct weir__client_conn *conn, size_t cap)
{
    char *buf = weir__realloc(conn->buf, cap);
    if (buf == NULL)
        return false;
    conn->buf = buf;
    conn->cap = cap;
    return true;
}

/* Writes the head into the buffer, however long that has to be. */
static weir_err write_head(weir_reply *r, size_t *len)
{
    struct weir__client_conn *conn = r->conn;
    WEIR_ASSERT(conn->at == conn->end, "C2: nothing stands behind an answer");
    for (;;) {
        struct weir__http1_writer w;
        weir__http1_writer_init(&w, conn->buf, conn->cap);
        weir_err err = weir__client_request_write(r, &w);
        if (err != WEIR_OK && err != WEIR_ETOOLARGE)
            return err; /* and the connection is given back */
        *len = (size_t)(w.at - conn->buf);
        if (err == WEIR_OK)
            return WEIR_OK;
        if (conn->cap >= HEAD_SENT_MAX)
            return weir__client_fail(r, WEIR_ETOOLARGE, "the request's head is over %d bytes",
                                     HEAD_SENT_MAX);
        if (!grow(conn, conn->cap * 2))
            return -ENOMEM;
    }
}

static weir_err send_body(weir_reply *r)
{
    struct iovec vec = {(char *)(uintptr_t)r->body.ptr, r->body.len};
    return r->body.len > 0 ? send_all(r, &vec, 1) : WEIR_OK;
}

static weir_err read_answer(weir_reply *r, weir_time until, bool wants_continue);

/*
 * The head has been sent: WEIR_OK when the body may follow. A peer that says nothing may know
 * nothing of it.
 */
static weir_err await_continue(weir_reply *r)
{
    weir_time until = weir__client_within(r, weir_ns(CONTINUE_NS));
    weir_err err = read_answer(r, until, true);
    bool is_silent = err == WEIR_ETIMEDOUT && r->conn->at == r->conn->end &&
                     weir__ctx_check(r->c) == WEIR_OK &&
                     weir_time_before(weir__self->now, r->until);
    return is_silent ? WEIR_OK : err;
}

/*
 * What an error of sending means: if the peer has broken off, or answered, its answer counts, if
 * there is one.
 */
static weir_err or_answer(weir_reply *r, weir_err err)
{
    if (!weir__client_is_broken(err) || r->sent == 0 || r->state != WEIR__REPLY_ASKING)
        return err;
    weir_err answer = read_answer(r, weir__client_within(r, r->http->o.answer_timeout), false);
    return answer == WEIR_OK || r->err < 0 ? answer : err;
}

static weir_err begin(weir_reply *r)
{
    size_t len = 0;
    r->sent = 0;
    r->is_sent = r->has_answer = false;
    r->keeps = true;
    weir_err err = write_head(r, &len);
    if (err != WEIR_OK)
        return err;
    r->head_len = len;
    struct iovec vec[2] = {{r->conn->buf, len}, {(char *)(uintptr_t)r->body.ptr, r->body.len}};
    bool has_body = r->body.len > 0 && !r->expects;
    err = send_all(r, vec, has_body ? 2 : 1);
    if (err == WEIR_OK && r->expects) {
        err = await_continue(r);
        if (err == WEIR_OK && r->state == WEIR__REPLY_ASKING)
            err = send_body(r);
    }
    if (err != WEIR_OK)
        return or_answer(r, err);
    r->is_sent = !r->is_streamed && r->form == NULL && r->state == WEIR__REPLY_ASKING;
    return WEIR_OK;
}

/* Of a body whose length is told: the bytes are all there is to it. */
static weir_err write_sized(weir_reply *r, const void *bytes, size_t size)
{
    struct iovec vec = {(char *)(uintptr_t)bytes, size};
    if (size > r->body_left)
        return WEIR_ETOOLARGE;
    r->body_left -= size;
    return send_all(r, &vec, 1);
}

static weir_err write_piece(weir_reply *r, const void *bytes, size_t size)
{
    char head[WEIR_CHUNK_HEAD_MAX], tail[] = WEIR_CHUNK_TAIL;
    if (!r->is_duplex && has_answered(r))
        return WEIR_ECLOSED;
    if (r->form != NULL) { /* whose length was told */
        struct iovec all = {(char *)(uintptr_t)bytes, size};
        return send_all(r, &all, 1);
    }
    if (r->has_length)
        return write_sized(r, bytes, size);
    struct iovec vec[3] = {{head, weir__chunk_head(head, size)},
                           {(char *)(uintptr_t)bytes, size},
                           {tail, sizeof tail - 1}};
    return send_all(r, vec, 3);
}

static weir_err end(weir_reply *r)
{
    char last[] = "0\r\n", blank[] = "\r\n";
    weir_str lines = weir__trailers_lines(&r->behind);
    struct iovec vec[3] = {{last, sizeof last - 1}};
    int count = 1;
    if (r->has_length && r->body_left > 0)
        return WEIR_EINVALID; /* the connection's end tells the peer that it is not whole */
    if (lines.len > 0)
        vec[count++] = (struct iovec){(char *)(uintptr_t)lines.ptr, lines.len};
    vec[count++] = (struct iovec){blank, sizeof blank - 1};
    weir_err err = r->has_length || r->form != NULL ? WEIR_OK : send_all(r, vec, count);
    r->is_sent = err == WEIR_OK;
    return err == WEIR_OK || r->is_duplex ? err : or_answer(r, err);
}

/* --- the answer's head ------------------------------------------------------------------------ */

/* Room behind what is there; what was taken goes first. NULL: no memory. */
static char *room(const weir_reply *r, size_t *size)
{
    struct weir__client_conn *conn = r->conn;
    if (conn->at == conn->end)
        conn->at = conn->end = 0;
    if (conn->end == conn->cap && conn->at > 0) {
        memmove(conn->buf, conn->buf + conn->at, conn->end - conn->at);
        conn->end -= conn->at;
        conn->at = 0;
    }
    if (conn->end == conn->cap) {
        WEIR_ASSERT(conn->cap <= r->http->o.head_bytes_max, "C5: a head is bounded by its parser");
        if (!grow(conn, conn->cap * 2))
            return NULL;
    }
    *size = conn->cap - conn->end;
    return conn->buf + conn->end;
}

ssize_t weir__client_h1_fill(weir_reply *r, weir_time until, bool waits)
{
    struct weir__client_conn *conn = r->conn;
    size_t size;
    char *to = room(r, &size);
    if (to == NULL)
        return -ENOMEM;
    ssize_t n = waits ? weir__stream_recv(weir__client_waits_in(r), &conn->stream, to, size, until)
                      : weir__stream_try_recv(&conn->stream, to, size);
    if (n > 0) {
        conn->end += (size_t)n;
        r->has_answer = true;
    }
    return n;
}

/* Copies the head, so that the connection's buffer is free for what follows it. */
static weir_err keep_head(weir_reply *r, const struct weir__http1_response *p, const char *bytes,
                          size_t len)
{
    size_t fields = p->head.nfields * sizeof p->head.fields[0];
    struct weir__http_line *to = weir__ctx_object(r->c, fields + len);
    if (to == NULL)
        return weir__client_no_memory(r);
    memcpy(to, p->head.fields, fields);
    char *head = (char *)(to + p->head.nfields);
    memcpy(head, bytes, len);
    r->fields = to;
    r->field_count = p->head.nfields;
    r->head = head;
    r->status = p->status;
    r->major = 1;
    r->minor = p->head.minor;
    return WEIR_OK;
}

static void begin_body(weir_reply *r, const struct weir__http1_response *p)
{
    r->got = 0;
    r->left = 0;
    r->keeps = r->keeps && p->head.keep_alive && (r->is_sent || r->is_duplex);
    if (p->status == 101) { /* what follows is the other protocol's, up to the end */
        r->kind = WEIR__ANSWER_UNTIL_END;
        r->keeps = false;
    } else if (p->is_until_close) {
        r->kind = WEIR__ANSWER_UNTIL_END;
    } else if (p->head.body == WEIR_HTTP_BODY_UNSIZED) {
        r->kind = WEIR__ANSWER_CHUNKED;
        weir__chunked_init(&r->chunked, 0, 0);
    } else if (p->head.body == WEIR_HTTP_BODY_LENGTH && p->head.content_length > 0) {
        r->kind = WEIR__ANSWER_LENGTH;
        r->left = p->head.content_length;
    } else {
        r->kind = WEIR__ANSWER_NONE;
    }
}

static weir_err refuse_head(weir_reply *r, int rc)
{
    bool is_large =
        rc == WEIR_HTTP1_EHEADLONG || rc == WEIR_HTTP1_EFIELDS || rc == WEIR_HTTP1_ESTATUSLONG;
    if (is_large)
        return weir__client_fail(r, WEIR_ETOOLARGE, "%s: at most %u bytes in %u lines are read",
                                 weir__http1_response_error_text(rc), r->http->o.head_bytes_max,
                                 r->http->o.headers_max);
    return weir__client_fail(r, WEIR_EPROTO, "a malformed answer: %s",
                             weir__http1_response_error_text(rc));
}

/* One head, interim or not. It is at the buffer's front then, `*len` bytes of it. */
static weir_err read_one(weir_reply *r, struct weir__http1_response *p, weir_time until,
                         size_t *len)
{
    struct weir__client_conn *conn = r->conn;
    const struct weir__http_limits limits = {.head_bytes_max = r->http->o.head_bytes_max,
                                             .line_bytes_max = r->http->o.head_bytes_max,
                                             .fields_max = r->http->o.headers_max};
    weir__http1_response_init(p, r->method);
    for (;;) {
        size_t have = conn->end - conn->at;
        int rc = have > 0 ? weir__http1_response_parse(p, conn->buf + conn->at, have, &limits) : 0;
        if (rc < 0)
            return refuse_head(r, rc);
        *len = (size_t)rc;
        if (rc > 0)
            return WEIR_OK;
        ssize_t n = weir__client_h1_fill(r, until, true);
        if (n <= 0)
            return n < 0 ? (weir_err)n : WEIR_ECLOSED;
    }
}

/* What is to be done with an interim answer: WEIR_OK, it is passed over. */
static weir_err pass_over(weir_reply *r, const struct weir__http1_response *p, unsigned *interim)
{
    if (p->status == 101)
        return weir__client_fail(r, WEIR_EPROTO,
                                 "the peer changes to a protocol that was not asked "
                                 "for (101)");
    if (++*interim > INTERIM_MAX)
        return weir__client_fail(r, WEIR_EPROTO, "more than %d interim answers", INTERIM_MAX);
    r->keeps = r->keeps && p->head.keep_alive;
    return WEIR_OK;
}

/* The final head; or, where that is wanted, as much as a 100 before it: the state tells. */
static weir_err read_answer(weir_reply *r, weir_time until, bool wants_continue)
{
    struct weir__http1_response p;
    struct weir__client_conn *conn = r->conn;
    unsigned interim = 0;
    size_t len = 0;
    for (;;) {
        weir_err err = read_one(r, &p, until, &len);
        if (err != WEIR_OK)
            return err;
        bool is_upgrade = p.status == 101 && r->carry != NULL && r->carry->upgrade.len > 0;
        if (p.status >= 200 || is_upgrade)
            break;
        conn->at += len;
        err = pass_over(r, &p, &interim);
        if (err != WEIR_OK || (wants_continue && p.status == 100))
            return err;
    }
    weir_err err = keep_head(r, &p, conn->buf + conn->at, len);
    conn->at += len;
    if (err != WEIR_OK)
        return err;
    begin_body(r, &p);
    r->state = WEIR__REPLY_ANSWERED;
    return weir__client_h1_take_whole(r);
}

static weir_err read_head(weir_reply *r)
{
    if (r->state == WEIR__REPLY_ANSWERED)
        return WEIR_OK; /* it came while the request was sent */
    return read_answer(r, weir__client_within(r, r->http->o.answer_timeout), false);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void break_off(weir_reply *r)
{
    (void)r; /* the pool closes the connection: nothing more is to be said on it */
}

static void interrupt(weir_reply *r)
{
    weir__stream_close(&r->conn->stream);
}

static bool is_reusable(weir_reply *r)
{
    const struct weir__client_conn *conn = r->conn;
    bool is_read = r->kind == WEIR__ANSWER_NONE && conn->at == conn->end;
    return r->keeps && r->is_sent && is_read;
}

const struct weir__client_transport weir__client_h1 = {.name = "HTTP/1.1",
                                                       .begin = begin,
                                                       .write = write_piece,
                                                       .end = end,
                                                       .read_head = read_head,
                                                       .read = weir__client_h1_read,
                                                       .abort = break_off,
                                                       .interrupt = interrupt,
                                                       .close = is_reusable};
