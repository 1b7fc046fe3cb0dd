/*
 * Responses as HTTP/2 sends them. What a handler says gathers in a buffer of the stream, the
 * content type before the body; at the end of the turn, or of the handler, the fields are
 * submitted, and from then on the session takes the bytes as the windows allow.
 *
 * The hard thing is the memory that large pieces lie in: the handler's own. It is supplied while
 * its fiber waits in `write` (H7), which does not return before the last byte was made into a
 * frame, or the piece was taken back.
 */
#include "http/h2/h2.h"

#include <string.h>

#include "base/assert.h"
#include "wire/date.h"

#define CAPACITY (WEIR__HTTP_OUT_BYTES - (uint32_t)sizeof(struct weir__http_out))
#define COPIED_MAX 4096u /* larger pieces of a body are sent from where they are */
#define OWN_FIELDS 4u    /* :status, date, content-type, content-length */
#define LINES_MAX (WEIR__H2_SENT_FIELDS_MAX - OWN_FIELDS)

/* --- what there is to send -------------------------------------------------------------------- */

static uint32_t here(const struct weir__h2_stream *s)
{
    return s->out != NULL ? s->out->len - s->out->at : 0;
}

struct weir__h2_supply weir__h2_supply(const struct weir__h2_stream *s)
{
    struct weir__h2_stream *stream = (struct weir__h2_stream *)(uintptr_t)(const void *)s;
    const struct weir__exchange *x = weir__h2_exchange(stream);
    WEIR_ASSERT(s->tail.len == 0 || s->is_running, "H7: whose memory it is has not returned");
    return (struct weir__h2_supply){.len = here(s) + s->tail.len,
                                    .is_end = x->response == WEIR__RESPONSE_WHOLE,
                                    .has_trailers = s->behind_len > 0};
}

/* Whoever gets on by so much has as long again for the next. */
static void got_on(struct weir__h2_stream *s, size_t n)
{
    WEIR_ASSERT(s->moved < WEIR__PROGRESS_BYTES, "H13: progress is counted from step to step");
    s->moved += (uint32_t)n;
    if (s->moved < WEIR__PROGRESS_BYTES && here(s) + s->tail.len > 0)
        return;
    s->moved = 0;
    s->moved_at = weir__self->now;
}

/*
 * The end of one that was given up, once all that was said of it has left, its head at least: the
 * client sees what it sees over HTTP/1. One that it does not fetch ends as others do.
 */
static void cut_off(struct weir__h2_stream *s)
{
    struct weir__exchange *x = weir__h2_exchange(s);
    WEIR_ASSERT(!weir__exchange_is_cut(x) || s->tail.len == 0,
                "H7: of what was given up no handler's memory is supplied");
    if (weir__exchange_is_cut(x) && s->is_head_left && here(s) == 0 && s->id != 0)
        weir__h2_session_reset(&weir__h2(x->conn)->session, s->id, WEIR_H2_INTERNAL_ERROR, false);
}

void weir__h2_head_left(struct weir__h2_stream *s)
{
    WEIR_ASSERT(s->is_submitted && !s->is_head_left, "H6: a response is submitted once");
    s->is_head_left = true;
    cut_off(s);
}

void weir__h2_take(struct weir__h2_stream *s, char *to, size_t n)
{
    struct weir__exchange *x = weir__h2_exchange(s);
    size_t of_out = here(s) < n ? here(s) : n;
    WEIR_ASSERT(n <= here(s) + s->tail.len, "H7: no more is taken than was supplied");
    if (of_out > 0) {
        memcpy(to, s->out->bytes + s->out->at, of_out);
        s->out->at += (uint32_t)of_out;
        WEIR_ASSERT(s->out->at <= s->out->len && s->out->len <= CAPACITY,
                    "H13: what is written and has not been taken lies in its buffer");
    }
    if (n > of_out) {
        memcpy(to + of_out, s->tail.ptr, n - of_out);
        s->tail = (weir_str){s->tail.ptr + (n - of_out), s->tail.len - (n - of_out)};
    }
    WEIR_ASSERT(weir__h2(x->conn)->unsent >= n, "H8: a connection counts what its streams have");
    weir__h2(x->conn)->unsent -= n;
    got_on(s, n);
    if (x->ctx != NULL)
        weir__exchange_progressed(x, n);
    if (here(s) + s->tail.len > 0)
        return;
    weir__h2_wake(&s->writers);
    cut_off(s);
}

static void drop_tail(struct weir__h2_stream *s)
{
    WEIR_ASSERT(weir__h2_of(s)->unsent >= s->tail.len,
                "H8: a connection counts what its streams have");
    weir__h2_of(s)->unsent -= s->tail.len;
    s->tail = (weir_str){NULL, 0};
}

void weir__h2_response_drop(struct weir__h2_stream *s)
{
    struct weir__exchange *x = weir__h2_exchange(s);
    drop_tail(s);
    if (s->out == NULL)
        return;
    WEIR_ASSERT(weir__h2(x->conn)->unsent >= here(s),
                "H8: a connection counts what its streams have");
    weir__h2(x->conn)->unsent -= here(s);
    weir__pool_give_out(x->home, s->out);
    s->out = NULL;
}

/* There is more to send: it is submitted, or goes on, at the end of the turn. */
static void note(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    struct weir__h2 *h = weir__h2(x->conn);
    if (s->id == 0)
        return;
    if (!s->is_submitted) {
        WEIR_ASSERT(weir__exchange_is_begun(x), "H9: what is to be submitted was begun");
        if (weir__list_empty(&s->in_queue))
            weir__list_push_back(&h->due, &s->in_queue);
        weir__h2_session_ask(&h->session);
    } else if (s->is_put_off) {
        s->is_put_off = false;
        weir__h2_session_resume(&h->session, s->id);
    } else {
        weir__h2_session_ask(&h->session);
    }
}

/* --- the head --------------------------------------------------------------------------------- */

struct block {
    struct weir__h2_field fields[WEIR__H2_SENT_FIELDS_MAX];
    size_t count;
    char status[3], length[20];
};

static void add(struct block *b, weir_str name, weir_str value)
{
    WEIR_ASSERT(b->count < WEIR__H2_SENT_FIELDS_MAX, "H6: what was begun fits a block");
    b->fields[b->count++] = (struct weir__h2_field){name, value};
}

static weir_str decimal(uint64_t n, char *to, size_t size)
{
    char *at = to + size;
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return (weir_str){at, (size_t)(to + size - at)};
}

/* Names go in lower case (RFC 9113 section 8.2); the lines are the response's own, and decided. */
static void add_lines(struct block *b, const struct weir__exchange *x)
{
    weir_str name, value;
    for (uint32_t at = 0; weir__response_next_line(x, &at, &name, &value);) {
        weir__h2_lower(x->extra + (name.ptr - x->extra), name.len);
        add(b, name, value);
    }
}

static void make_block(struct block *b, struct weir__exchange *x)
{
    const struct weir__h2_stream *s = weir__h2_x(x);
    const struct weir__http1_date *date = &x->home->date; /* "Date: …" and its end */
    b->count = 0;
    add(b, WEIR_S(":status"), decimal(x->status, b->status, sizeof b->status));
    add(b, WEIR_S("date"), (weir_str){date->line + 6, 29});
    WEIR_ASSERT(s->type_len == 0 || s->type_len <= s->out->at, "H13: its type lies before a body");
    if (s->type_len > 0)
        add(b, WEIR_S("content-type"), (weir_str){s->out->bytes, s->type_len});
    if (s->has_length)
        add(b, WEIR_S("content-length"), decimal(s->length, b->length, sizeof b->length));
    add_lines(b, x);
}

void weir__h2_submit(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    struct weir__h2 *h = weir__h2(x->conn);
    struct block b;
    if (s->is_submitted || s->id == 0)
        return;
    WEIR_ASSERT(x->response != WEIR__RESPONSE_NONE, "H6: what is submitted was begun");
    WEIR_ASSERT(s->is_running, "H6: a response is submitted before its handler has ended");
    weir__list_remove(&s->in_queue);
    make_block(&b, x);
    struct weir__h2_supply has = weir__h2_supply(s);
    bool has_body = weir__exchange_has_body(x) && (has.len > 0 || has.has_trailers || !has.is_end);
    s->is_submitted = true;
    s->moved_at = weir__self->now;
    weir_err err = weir__h2_session_respond(&h->session, s->id, b.fields, b.count, has_body);
    if (err != WEIR_OK)
        weir__h2_session_reset(&h->session, s->id, WEIR_H2_INTERNAL_ERROR, false);
}

/* More than a block may have is not begun. */
static bool has_too_many_lines(const struct weir__exchange *x)
{
    weir_str name, value;
    size_t n = 0;
    for (uint32_t at = 0; weir__response_next_line(x, &at, &name, &value);)
        n++;
    return n > LINES_MAX;
}

static bool take_out(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    if (s->out == NULL)
        s->out = weir__pool_out(x->home);
    return s->out != NULL;
}

static weir_err begin(struct weir__exchange *x, int status, weir_str type, int64_t length)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    bool may_have_body = x->response_body != WEIR__RESPONSE_BARE;
    bool has_type = type.len > 0 && !x->has_type && may_have_body;
    if (s->id == 0)
        return WEIR_ECLIENTGONE;
    if (type.len > WEIR__WINDOW_MIN_MAX / 2)
        return WEIR_EINVALID;
    if (x->extra_len > 4 * LINES_MAX && has_too_many_lines(x))
        return -EMSGSIZE;
    WEIR_ASSERT(!s->is_submitted && s->type_len == 0, "H6: what was taken back has left nothing");
    if (has_type) {
        if (!take_out(x))
            return -ENOMEM;
        memcpy(s->out->bytes, type.ptr, type.len);
        s->type_len = s->out->at = s->out->len = (uint32_t)type.len;
    }
    s->has_length = length >= 0 && may_have_body;
    s->length = length >= 0 ? (uint64_t)length : 0;
    weir__response_begun(x, status);
    note(x);
    return WEIR_OK;
}

/* --- the body --------------------------------------------------------------------------------- */

static weir_err gone(struct weir__exchange *x)
{
    return weir__h2_x(x)->is_too_slow ? WEIR_ETIMEDOUT : WEIR_ECLIENTGONE;
}

/* Until all that there is has been made into frames, or the stream is over. */
static weir_err await_taken(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    while (here(s) + s->tail.len > 0) {
        if (s->id == 0 || s->is_too_slow)
            return gone(x);
        note(x);
        weir_err err = weir__h2_wait(x, &s->writers, weir_never());
        if (err != WEIR_OK)
            return x->ctx->reason == WEIR_REASON_CLIENT_GONE ? gone(x) : err;
    }
    return weir__exchange_is_cut(x) ? WEIR_ECLOSED : WEIR_OK; /* by another fiber meanwhile */
}

static uint32_t room(const struct weir__h2_stream *s)
{
    return CAPACITY - s->out->len;
}

/* Room for `n` bytes behind what there is: at once, or when that has gone. */
static weir_err reserve(struct weir__exchange *x, size_t n)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    if (s->id == 0 || s->is_too_slow)
        return gone(x);
    if (!take_out(x))
        return -ENOMEM;
    if (WEIR_LIKELY(room(s) >= n))
        return WEIR_OK;
    weir_err err = await_taken(x);
    if (err != WEIR_OK)
        return err;
    WEIR_ASSERT(s->is_submitted || s->out->at == s->type_len, "H6: what was taken was submitted");
    s->out->at = s->out->len = s->is_submitted ? 0 : s->type_len;
    return room(s) >= n ? WEIR_OK : WEIR_EINVALID;
}

static void put_bytes(struct weir__exchange *x, size_t n)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    WEIR_ASSERT(n <= room(s), "H7: no more is written than there is room");
    if (here(s) == 0)
        s->moved_at = weir__self->now;
    s->out->len += (uint32_t)n;
    weir__h2(x->conn)->unsent += n;
    note(x);
}

/* From where it is, behind what is in the output. */
static weir_err write_directly(struct weir__exchange *x, weir_str bytes)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    weir_err err = WEIR_OK;
    if (s->tail.len > 0)
        err = await_taken(x); /* another fiber's: the wait says that this is a mistake */
    if (err == WEIR_OK && s->id == 0)
        err = gone(x);
    if (err != WEIR_OK)
        return err;
    if (here(s) == 0)
        s->moved_at = weir__self->now;
    WEIR_ASSERT(s->tail.len == 0, "H7: one piece of a handler's is supplied at a time");
    s->tail = bytes;
    weir__h2(x->conn)->unsent += bytes.len;
    err = await_taken(x);
    drop_tail(s);
    return err;
}

static weir_err write_body(struct weir__exchange *x, weir_str bytes)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    if (bytes.len > COPIED_MAX || s->tail.len > 0)
        return write_directly(x, bytes);
    weir_err err = reserve(x, bytes.len);
    if (err != WEIR_OK)
        return err;
    memcpy(s->out->bytes + s->out->len, bytes.ptr, bytes.len);
    put_bytes(x, bytes.len);
    return WEIR_OK;
}

static weir_err window(struct weir__exchange *x, size_t min, char **ptr, size_t *len)
{
    const struct weir__h2_stream *s = weir__h2_x(x);
    weir_err err = reserve(x, min);
    if (err != WEIR_OK)
        return err;
    *ptr = s->out->bytes + s->out->len;
    *len = room(s);
    return WEIR_OK;
}

static void commit(struct weir__exchange *x, size_t n)
{
    if (weir__h2_x(x)->out != NULL)
        put_bytes(x, n);
}

/* Whole: what fits is copied, so that the handler need not wait for the client. */
static weir_err respond(struct weir__exchange *x, int status, weir_str type, weir_str body)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    weir_err err = begin(x, status, type, (int64_t)body.len);
    if (err != WEIR_OK || !weir__exchange_has_body(x) || body.len == 0)
        return err;
    if (take_out(x) && room(s) >= body.len) {
        memcpy(s->out->bytes + s->out->len, body.ptr, body.len);
        put_bytes(x, body.len);
        return WEIR_OK;
    }
    err = write_directly(x, body);
    if (err == WEIR_OK)
        note(x); /* all of it has been taken, and not yet that it is all */
    return err;
}

static weir_err send_file(struct weir__exchange *x, int file, uint64_t at, uint64_t *left)
{
    (void)x, (void)file, (void)at, (void)left;
    return -EOPNOTSUPP; /* frames are ours to make */
}

static weir_err flush(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    if (s->id == 0 || s->is_too_slow)
        return gone(x);
    if (x->response == WEIR__RESPONSE_NONE)
        return WEIR_OK;
    weir__h2_submit(x);
    note(x);
    return WEIR_OK;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* What follows the body is kept behind it, where nothing more is written, for the session. */
static weir_err keep_trailers(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    weir_err err = reserve(x, x->behind.len);
    if (err != WEIR_OK)
        return err;
    WEIR_ASSERT(x->response == WEIR__RESPONSE_OPEN, "H16: what follows a body does so once");
    memcpy(s->out->bytes + s->out->len, x->behind.bytes, x->behind.len);
    s->behind_len = x->behind.len;
    return WEIR_OK;
}

void weir__h2_trail(struct weir__h2_stream *s)
{
    struct weir__h2 *h = weir__h2_of(s);
    struct weir__h2_field fields[WEIR__TRAILERS_MAX];
    WEIR_ASSERT(s->behind_len <= room(s), "H16: it lies where nothing more is written");
    struct weir__trailers behind = {s->out->bytes + s->out->len, s->behind_len};
    size_t n = weir__h2_fields_of(&behind, fields);
    if (weir__h2_session_trailers(&h->session, s->id, fields, n) != WEIR_OK)
        weir__h2_session_reset(&h->session, s->id, WEIR_H2_INTERNAL_ERROR, false);
}

static weir_err end(struct weir__exchange *x)
{
    if (weir__h2_x(x)->id == 0)
        return gone(x);
    weir_err err = WEIR_OK;
    if (x->behind.len > 0 && weir__exchange_has_body(x))
        err = keep_trailers(x);
    note(x);
    return err;
}

static void give_up(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    WEIR_ASSERT(weir__exchange_is_cut(x), "H6: to what was given up nothing is added");
    drop_tail(s);
    weir__h2_submit(x);
    cut_off(s);
}

static bool retract(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    if (s->is_submitted || s->id == 0)
        return false;
    WEIR_ASSERT(!s->is_all_left && !s->is_put_off, "H6: of what is taken back nothing has left");
    weir__list_remove(&s->in_queue);
    weir__h2_response_drop(s);
    s->type_len = s->behind_len = 0;
    s->has_length = false;
    return true;
}

static weir_err upgrade(struct weir__exchange *x, weir_str protocol)
{
    (void)x, (void)protocol;
    return WEIR_EINVALID; /* RFC 9113 section 8.6: there is none */
}

static size_t piece(const struct weir__exchange *x, size_t nth, const void **at)
{
    const struct weir__h2_stream *s = weir__h2_x(x);
    if (nth == 0) {
        *at = x->bytes;
        return s->text_len + 1u;
    }
    *at = s->in.bytes;
    return nth == 1 ? s->in.cap : 0;
}

const struct weir__exchange_ops weir__h2_ops = {
    .protocol = "HTTP/2",
    .read = weir__h2_read,
    .read_all = weir__h2_read_all,
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
