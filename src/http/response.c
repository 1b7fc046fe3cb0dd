/*
 * Responses: a head and a body that is whole, announced, chunked, or ends with the connection. The
 * usual response is formatted in one pass into the connection's output and leaves with what else is
 * there.
 *
 * The hard thing is the end: a response that cannot be finished must not look finished. One that
 * has not left yet is taken back (retract); else the connection is cut before the last chunk or the
 * announced length, and where its end is the only end there is (HTTP/1.0 without a length) it is
 * reset.
 */
#include "base/assert.h"
#include "http/conn.h"
#include "os/sys.h"

#include <string.h>

#define HEAD_FIXED 256u  /* status line, date, length, connection; without type and header lines */
#define COPIED_MAX 4096u /* larger pieces of a body are sent from where they are */

static const weir_str nothing = {"", 0};

/* --- the head --------------------------------------------------------------------------------- */

static weir_err second_response(struct weir__exchange *x)
{
    weir__counter_add(&x->home->count.second_refused, 1);
    return WEIR_ECLOSED;
}

/* What the connection says about itself: nothing in the usual case. */
static void write_connection(struct weir__exchange *x, struct weir__http1_writer *w)
{
    if (x->is_last)
        weir__http1_write_raw(w, WEIR_S("Connection: close\r\n"));
    else if (x->head.minor == 0)
        weir__http1_write_raw(w, WEIR_S("Connection: keep-alive\r\n"));
}

/* Whether the connection can go on after this response; decided as late as it can be told. */
static void decide_last(struct weir__exchange *x)
{
    const struct weir__http_conn *c = x->conn;
    int64_t max = x->home->server->options.requests_max;
    x->is_last = x->is_last || !x->head.keep_alive || x->home->is_ending || c->is_closing ||
                 x->is_close_delimited || (max > 0 && c->requests >= max) ||
                 weir__body_is_too_much(x);
}

/* Line and fields of the head but for what ends it. Sets what kind of response it is. */
static void write_head(struct weir__exchange *x, struct weir__http1_writer *w, int status,
                       weir_str type)
{
    decide_last(x);
    weir__http1_write_start(w, status, &x->home->date);
    if (type.len > 0 && !x->has_type && x->has_body_allowed)
        weir__http1_write_field_trusted(w, WEIR_S("Content-Type"), type);
    if (x->extra_len > 0)
        weir__http1_write_raw(w, (weir_str){x->extra, x->extra_len});
    if (WEIR_UNLIKELY(x->is_last || x->head.minor == 0))
        write_connection(x, w);
}

static weir_err prepare(struct weir__exchange *x, int status, size_t room)
{
    struct weir__http_conn *c = x->conn;
    if (WEIR_UNLIKELY(x->is_started))
        return second_response(x);
    if (WEIR_UNLIKELY(status < 200 || status > 599 || room > WEIR__OUT_ROOM_MAX))
        return WEIR_EINVALID;
    weir_err err = weir__out_reserve(c, x->ctx, room);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    x->has_body_allowed = weir__http_status_has_body(status);
    x->has_body = x->has_body_allowed && status != 205 && x->head.method != WEIR_HTTP_HEAD;
    return WEIR_OK;
}

/* The head stands in the output: the status line is decided. */
static weir_err started(struct weir__exchange *x, struct weir__http1_writer *w, int status)
{
    struct weir__http_out *out = x->conn->out;
    if (WEIR_UNLIKELY(w->err != WEIR_OK))
        return w->err;
    x->out_from = out->len;
    x->is_out_kept = true;
    out->len = (uint32_t)(w->at - out->bytes);
    x->is_started = true;
    x->status = (uint16_t)status;
    return WEIR_OK;
}

static struct weir__http1_writer writer_of(struct weir__exchange *x)
{
    struct weir__http_out *out = x->conn->out;
    struct weir__http1_writer w;
    weir__http1_writer_init(&w, out->bytes + out->len,
                            WEIR__HTTP_OUT_BYTES - sizeof *out - out->len);
    return w;
}

static weir_err send_directly(struct weir__exchange *x, weir_str bytes)
{
    x->is_out_kept = false;
    return weir__out_flush(x->conn, x->ctx, bytes);
}

weir_err weir__exchange_respond(struct weir__exchange *x, int status, weir_str type, weir_str body)
{
    size_t head = HEAD_FIXED + type.len + x->extra_len;
    if (WEIR_UNLIKELY(status == 205))
        body.len = 0;
    bool is_copied = body.len <= COPIED_MAX;
    weir_err err = prepare(x, status, is_copied ? head + body.len : head);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    struct weir__http1_writer w = writer_of(x);
    write_head(x, &w, status, type);
    if (WEIR_LIKELY(x->has_body_allowed))
        weir__http1_write_length_end(&w, body.len);
    else
        weir__http1_write_end(&w);
    if (x->has_body && is_copied)
        weir__http1_write_raw(&w, body);
    err = started(x, &w, status);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    if (x->has_body) {
        x->bytes_out = body.len;
        if (!is_copied)
            err = send_directly(x, body);
    }
    x->is_complete = err == WEIR_OK;
    return err;
}

weir_err weir__exchange_begin(struct weir__exchange *x, int status, weir_str type, int64_t length)
{
    if (!weir__http_value_is_valid(type))
        return WEIR_EINVALID;
    if (status == 205)
        length = 0;
    weir_err err = prepare(x, status, HEAD_FIXED + type.len + x->extra_len);
    if (err != WEIR_OK)
        return err;
    x->is_chunked = length < 0 && x->head.minor >= 1 && x->has_body_allowed;
    x->is_close_delimited = length < 0 && x->head.minor == 0 && x->has_body_allowed;
    x->length_left = length < 0 || !x->has_body ? 0 : (uint64_t)length;
    struct weir__http1_writer w = writer_of(x);
    write_head(x, &w, status, type);
    if (x->is_chunked)
        weir__http1_write_raw(&w, WEIR_S("Transfer-Encoding: chunked\r\n"));
    else if (length >= 0 && x->has_body_allowed)
        weir__http1_write_length(&w, (uint64_t)length);
    weir__http1_write_end(&w);
    return started(x, &w, status);
}

/* --- the body --------------------------------------------------------------------------------- */

static weir_err check_body(struct weir__exchange *x, size_t n)
{
    if (!x->is_started || x->is_complete || x->is_aborted)
        return WEIR_ECLOSED;
    WEIR_ASSERT(!x->is_window_open, "a window is committed before anything else is written");
    if (!x->is_chunked && !x->is_close_delimited && n > x->length_left)
        return WEIR_ETOOLARGE;
    return WEIR_OK;
}

static void count_body(struct weir__exchange *x, size_t n)
{
    x->bytes_out += n;
    if (!x->is_chunked && !x->is_close_delimited)
        x->length_left -= n;
}

/* Room for `n` body bytes at the output's end, in a chunk where there are chunks. */
static weir_err body_room(struct weir__exchange *x, size_t n)
{
    struct weir__http_conn *c = x->conn;
    weir_err err = weir__out_reserve(c, x->ctx, n + WEIR__CHUNK_HEAD);
    if (err != WEIR_OK)
        return err;
    struct weir__http_out *out = c->out;
    if (x->is_chunked && x->has_body && out->chunk_at == WEIR__NO_CHUNK) {
        out->chunk_at = out->len;
        out->len += WEIR__CHUNK_HEAD;
    }
    return WEIR_OK;
}

/* A large piece leaves behind what is in the output, from where it is. */
static weir_err write_directly(struct weir__exchange *x, weir_str bytes)
{
    struct weir__http_conn *c = x->conn;
    if (!x->is_chunked)
        return send_directly(x, bytes);
    weir_err err = weir__out_reserve(c, x->ctx, WEIR_CHUNK_HEAD_MAX + 2 * WEIR__CHUNK_HEAD);
    if (err != WEIR_OK)
        return err;
    weir__out_seal(c);
    c->out->len += (uint32_t)weir__chunk_head(c->out->bytes + c->out->len, bytes.len);
    err = send_directly(x, bytes);
    if (err != WEIR_OK)
        return err;
    memcpy(c->out->bytes + c->out->len, WEIR_CHUNK_TAIL, 2);
    c->out->len += 2;
    return WEIR_OK;
}

weir_err weir__exchange_write(struct weir__exchange *x, weir_str bytes)
{
    if (x->is_started && !x->has_body)
        return x->is_aborted ? WEIR_ECLOSED : WEIR_OK;
    weir_err err = check_body(x, bytes.len);
    if (err != WEIR_OK || bytes.len == 0)
        return err;
    if (bytes.len > COPIED_MAX) {
        err = write_directly(x, bytes);
    } else {
        err = body_room(x, bytes.len);
        if (err == WEIR_OK) {
            memcpy(x->conn->out->bytes + x->conn->out->len, bytes.ptr, bytes.len);
            x->conn->out->len += (uint32_t)bytes.len;
        }
    }
    if (err == WEIR_OK)
        count_body(x, bytes.len);
    return err;
}

weir_err weir__exchange_window(struct weir__exchange *x, size_t min, char **ptr, size_t *len)
{
    weir_err err = x->has_body ? check_body(x, 0) : WEIR_OK;
    if (err != WEIR_OK)
        return err;
    if (!x->is_started)
        return WEIR_ECLOSED;
    WEIR_ASSERT(min <= WEIR__WINDOW_MIN_MAX, "a window is smaller than the buffer");
    err = body_room(x, min);
    if (err != WEIR_OK)
        return err;
    struct weir__http_out *out = x->conn->out;
    *ptr = out->bytes + out->len;
    *len = WEIR__HTTP_OUT_BYTES - sizeof *out - 8u - out->len;
    x->is_window_open = true;
    return WEIR_OK;
}

weir_err weir__exchange_commit(struct weir__exchange *x, size_t n)
{
    WEIR_ASSERT(x->is_window_open, "a commit follows a window");
    x->is_window_open = false;
    if (x->conn->is_broken)
        return WEIR_ECLIENTGONE;
    if (!x->has_body)
        return WEIR_OK;
    weir_err err = check_body(x, n);
    if (err != WEIR_OK)
        return err;
    x->conn->out->len += (uint32_t)n;
    count_body(x, n);
    return WEIR_OK;
}

weir_err weir__exchange_flush(struct weir__exchange *x)
{
    if (x->is_started)
        x->is_out_kept = false;
    return weir__out_flush(x->conn, x->ctx, nothing);
}

/* --- files ------------------------------------------------------------------------------------ */

/* For descriptors that the kernel cannot splice: through the output buffer. */
static weir_err copy_file(struct weir__exchange *x, int file, uint64_t at, uint64_t len)
{
    while (len > 0) {
        char *to;
        size_t room;
        weir_err err = weir__exchange_window(x, WEIR__WINDOW_MIN_MAX, &to, &room);
        if (err != WEIR_OK)
            return err;
        ssize_t n = weir__sys_pread(file, to, len < room ? (size_t)len : room, (off_t)at);
        err = weir__exchange_commit(x, n > 0 ? (size_t)n : 0);
        if (n <= 0 || err != WEIR_OK)
            return n < 0 ? (weir_err)n : err != WEIR_OK ? err : -EIO; /* the file became shorter */
        at += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return WEIR_OK;
}

/* Errors of the file come back as they are; those of the connection have broken it. */
static weir_err splice_file(struct weir__exchange *x, int file, uint64_t at, uint64_t *left)
{
    struct weir__http_conn *c = x->conn;
    struct weir__sending sending = {.bytes = 0};
    weir_err err = weir__exchange_flush(x);
    off_t offset = (off_t)at;
    while (err == WEIR_OK && *left > 0) {
        size_t len = *left < 1u << 20 ? (size_t)*left : 1u << 20;
        ssize_t n = weir__stream_try_sendfile(&c->stream, file, &offset, len);
        if (n == -EAGAIN) {
            err = weir__out_wait(c, x->ctx, &sending, false);
            continue;
        }
        if (n <= 0)
            return n < 0 ? (weir_err)n : -EIO;
        *left -= (uint64_t)n;
        weir__sending_gets_on(&sending, (size_t)n);
        count_body(x, (size_t)n);
        weir__out_taken(c, (size_t)n);
    }
    return err;
}

weir_err weir__exchange_sendfile(struct weir__exchange *x, int file, uint64_t at, uint64_t len)
{
    if (x->is_started && !x->has_body)
        return WEIR_OK;
    weir_err err = check_body(x, len);
    if (err != WEIR_OK)
        return err;
    uint64_t left = len;
    bool can_splice = !x->is_chunked && len > COPIED_MAX;
    if (can_splice) {
        err = splice_file(x, file, at, &left);
        if (err == WEIR_OK)
            return WEIR_OK;
        if (err == -EPIPE || err == -ECONNRESET)
            return WEIR_ECLIENTGONE;
        bool cannot = left == len && (err == -EINVAL || err == -ENOSYS || err == -EBADF);
        if (!cannot)
            return err;
    }
    return copy_file(x, file, at, len);
}

/* --- the end ---------------------------------------------------------------------------------- */

weir_err weir__exchange_end(struct weir__exchange *x)
{
    struct weir__http_conn *c = x->conn;
    if (!x->is_started || x->is_complete || x->is_aborted)
        return WEIR_ECLOSED;
    if (x->has_body && x->length_left > 0) {
        weir__exchange_abort(x);
        return WEIR_EINVALID;
    }
    if (c->is_broken)
        return WEIR_ECLIENTGONE;
    if (x->is_chunked && x->has_body) {
        weir_err err = weir__out_reserve(c, x->ctx, 0);
        if (err != WEIR_OK)
            return err;
        weir__out_seal(c);
        memcpy(c->out->bytes + c->out->len, WEIR_CHUNK_LAST, sizeof WEIR_CHUNK_LAST - 1);
        c->out->len += (uint32_t)sizeof WEIR_CHUNK_LAST - 1;
    }
    x->is_complete = true;
    return WEIR_OK;
}

void weir__exchange_abort(struct weir__exchange *x)
{
    struct weir__http_conn *c = x->conn;
    if (!x->is_started || x->is_complete || x->is_aborted)
        return;
    x->is_aborted = true;
    x->is_last = c->is_closing = true;
    x->is_window_open = false;
    c->is_reset_due = c->is_reset_due || x->is_close_delimited;
    weir__counter_add(&x->home->count.aborted, 1);
}

bool weir__exchange_retract(struct weir__exchange *x)
{
    struct weir__http_out *out = x->conn->out;
    if (!x->is_started || x->is_aborted || !x->is_out_kept || out == NULL || x->conn->is_broken ||
        weir__stream_has_sender(&x->conn->stream))
        return false;
    WEIR_ASSERT(out->at <= x->out_from && x->out_from <= out->len, "what was kept is still there");
    out->len = x->out_from;
    out->chunk_at = WEIR__NO_CHUNK;
    x->is_started = x->is_complete = x->is_chunked = x->is_close_delimited = false;
    x->is_window_open = x->is_out_kept = x->has_type = false;
    x->status = 0;
    x->extra_len = 0;
    x->bytes_out = x->length_left = 0;
    return true;
}

/* --- what the server answers itself ----------------------------------------------------------- */

void weir__response_refuse(struct weir__exchange *x, int status, const char *why)
{
    const struct weir__http_app *app = &x->home->server->app;
    weir_str reason = weir_str_from(why);
    if (app->refuse != NULL)
        app->refuse(x, status, reason, app->arg);
    if (x->is_started)
        return;
    char text[256];
    weir_buf line;
    weir_buf_init_fixed(&line, text, sizeof text);
    weir_buf_printf(&line, "%d " WEIR_STR_FMT ": %s\n", status,
                    WEIR_STR_ARG(weir__http_status_reason(status)), why);
    (void)weir__exchange_respond(x, status, WEIR_S("text/plain; charset=utf-8"),
                                 weir_buf_str(&line));
}
