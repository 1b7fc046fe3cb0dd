/*
 * HTTP/2 on a connection, as an exchange sees it: a stream is opened, its request goes with the
 * frames of all others at the end of the worker's turn, and the exchange's fiber waits for what is
 * kept of the answer (h2_stream.c). What breaks a stream leaves the connection.
 *
 * A head is written as HTTP/1.1 has it and taken apart again, so that one place says what a request
 * says (request.c).
 *
 * Unlike HTTP/1.1 a request is sent on while its answer comes: the peer ends what it wants no more
 * of by itself. Context: the exchange's fiber.
 */
#include "http/client/h2.h"

#include <string.h>

#include "base/alloc.h"
#include "rt/scope.h"
#include "rt/worker.h"

#define CONTINUE_NS 1000000000 /* so long is waited for 100 (RFC 9110 section 10.1.1) */
#define WHOLE_MAX 65536u       /* of a body that came with its head, and is copied behind it */

/* --- the request's head ----------------------------------------------------------------------- */

/* Are those of HTTP/1.1's connection, or said otherwise? */
static bool is_passed_over(weir_str name)
{
    return weir_str_eq(name, WEIR_S("host")) || weir_str_eq(name, WEIR_S("transfer-encoding")) ||
           weir_str_eq(name, WEIR_S("connection")) || weir_str_eq(name, WEIR_S("upgrade"));
}

/* The line at `*at`, its name in lower case from now on; what follows it is next. */
static struct weir__h2_field take_line(char **at, char *end)
{
    char *line = *at, *line_end = memchr(line, '\r', (size_t)(end - line));
    char *colon = memchr(line, ':', (size_t)(line_end - line));
    weir__h2_lower(line, (size_t)(colon - line));
    *at = line_end + 2;
    return (struct weir__h2_field){{line, (size_t)(colon - line)},
                                   {colon + 2, (size_t)(line_end - colon - 2)}};
}

/* Fields of the lines behind the first; `count` of them were there. False: too many. */
static bool take_apart(char *head, char *end, struct weir__h2_field *fields, size_t *count)
{
    char *at = (char *)memchr(head, '\n', (size_t)(end - head)) + 1;
    while (end - at > 2) {
        struct weir__h2_field f = take_line(&at, end);
        if (is_passed_over(f.name))
            continue;
        if (*count == WEIR__H2_SENT_FIELDS_MAX)
            return false;
        fields[(*count)++] = f;
    }
    return true;
}

/* Does its body come behind `begin`: in the program's pieces, or a form's? */
static bool comes_later(const weir_reply *r)
{
    return r->is_streamed || r->form != NULL;
}

static weir_err submit(weir_reply *r, struct weir__client_h2 *h, struct weir__client_stream *s)
{
    struct weir__h2_field fields[WEIR__H2_SENT_FIELDS_MAX] = {
        {WEIR_S(":method"), r->method_text},
        {WEIR_S(":scheme"), r->target.is_https ? WEIR_S("https") : WEIR_S("http")},
        {WEIR_S(":authority"), weir__client_host(r)},
        {WEIR_S(":path"), r->target.path}};
    size_t count = 4;
    struct weir__http1_writer w;
    char *head = h->scratch->in;
    weir__http1_writer_init(&w, head, sizeof h->scratch->in);
    weir_err err = weir__client_request_write(r, &w);
    if (err == WEIR_ETOOLARGE)
        return weir__client_fail(r, err, "the request's head is over %zu bytes",
                                 sizeof h->scratch->in);
    if (err != WEIR_OK)
        return err; /* and the stream is given up */
    if (!take_apart(head, w.at, fields, &count))
        return weir__client_fail(r, WEIR_ETOOLARGE, "the request has over %d header lines",
                                 WEIR__H2_SENT_FIELDS_MAX - 4);
    s->head_bytes = (uint32_t)(w.at - head);
    int32_t id =
        weir__h2_session_request(&h->session, fields, count, comes_later(r) || r->body.len > 0, s);
    if (id < 0)
        return id;
    s->id = id;
    h->open++;
    weir__client_h2_expect(h);
    return WEIR_OK;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* What the session has done meanwhile. */
static void look(weir_reply *r, const struct weir__client_stream *s)
{
    r->sent = s->has_begun && !s->is_untouched ? s->head_bytes + s->taken : 0;
    r->has_answer = r->has_answer || s->has_answer;
    r->is_untouched = s->is_untouched;
}

/* Until something happens to the stream. */
static weir_err wait_for(weir_reply *r, struct weir__client_stream *s, weir_time until)
{
    static const struct weir__wait_type type = {.name = "answer"};
    struct weir__wait wait;
    struct weir__ctx *c = weir__client_waits_in(r);
    weir_err err = weir__ctx_check(c);
    if (err != WEIR_OK)
        return weir__wait_refused(err);
    weir__wait_init(&wait, &type, c, r->site, s);
    weir__list_push_back(&s->waiters, &wait.in_object);
    err = weir__park(&wait, until);
    look(r, s);
    return err;
}

/* How it went wrong. What is the answer's own fault is told here. */
static weir_err failed(weir_reply *r, const struct weir__client_stream *s)
{
    look(r, s);
    r->why = s->why;
    if (s->is_malformed)
        return weir__client_fail(r, WEIR_EPROTO, "a malformed answer: %s", s->why);
    if (s->err == WEIR_ETOOLARGE)
        return weir__client_fail(r, WEIR_ETOOLARGE,
                                 "too large a head: at most %u bytes, with 32 more for each of %u "
                                 "fields, are read",
                                 s->h2->limits.bytes_max, s->h2->limits.fields_max);
    return s->err;
}

/* The peer wants no more of the request: it has answered, and ended the stream. */
static bool is_answered_early(const struct weir__client_stream *s)
{
    return s->has_head && (s->id == 0 || s->is_whole);
}

/*
 * Until all of the request that is there has been made into frames, as long as it gets on.
 * WEIR_ECLOSED: the peer wants no more of it, and its answer is there.
 */
static weir_err await_taken(weir_reply *r, struct weir__client_stream *s)
{
    while (weir__client_stream_unsent(s) > 0) {
        if (is_answered_early(s))
            return WEIR_ECLOSED;
        if (s->err != WEIR_OK)
            return failed(r, s);
        weir_err err = wait_for(r, s, weir__client_within(r, r->http->o.idle_timeout));
        if (err != WEIR_OK)
            return err;
    }
    return WEIR_OK;
}

/*
 * The body may go when the peer has said so, or nothing for a second. One that has answered instead
 * gets none (RFC 9110 section 10.1.1), unless both are wanted at once.
 */
static weir_err await_continue(weir_reply *r, struct weir__client_stream *s)
{
    weir_time until = weir__client_within(r, weir_ns(CONTINUE_NS));
    weir_err err = WEIR_OK;
    while (err == WEIR_OK && !s->has_continue && !s->has_head && s->err == WEIR_OK)
        err = wait_for(r, s, until);
    bool is_silent = err == WEIR_ETIMEDOUT && weir__ctx_check(r->c) == WEIR_OK &&
                     weir_time_before(weir__self->now, r->until);
    if (err != WEIR_OK && !is_silent)
        return err;
    s->is_held = s->has_head && !s->has_continue && !r->is_duplex;
    if (s->id != 0 && !s->is_held)
        weir__h2_session_resume(&s->h2->session, s->id);
    return WEIR_OK;
}

/* --- sending ---------------------------------------------------------------------------------- */

static weir_err read_head(weir_reply *r);

static weir_err begin(weir_reply *r)
{
    struct weir__client_h2 *h = WEIR_CONTAINER(r->conn, struct weir__client_h2, conn);
    r->sent = 0;
    r->is_sent = r->has_answer = r->keeps = false;
    if (h->is_over || h->is_going) {
        r->is_untouched = true;
        return WEIR_ECLOSED;
    }
    struct weir__client_stream *s = r->stream = weir__client_stream_new(h);
    if (s == NULL)
        return -ENOMEM;
    s->asked = (uint8_t)r->method;
    s->tail = r->body;
    s->is_ended = !comes_later(r);
    s->is_held = r->expects;
    weir_err err = submit(r, h, s);
    if (err == WEIR_ECLOSED) { /* it has no further numbers */
        r->is_untouched = true;
        weir__carrier_retire(h->conn.carrier);
    }
    if (err == WEIR_OK && r->expects)
        err = await_continue(r, s);
    if (err == WEIR_OK && s->is_held)
        return read_head(r); /* the body stays here */
    if (err == WEIR_OK)
        err = await_taken(r, s);
    bool is_told = err == WEIR_ECLOSED || err == WEIR_ETIMEDOUT;
    if (is_told && r->stream != NULL && is_answered_early(s))
        err = WEIR_OK; /* which read_head tells */
    r->is_sent = err == WEIR_OK && !comes_later(r);
    return err;
}

/* Copies a piece that fits behind those which wait. */
static bool keep_piece(struct weir__client_stream *s, const void *bytes, size_t size)
{
    if (size > WEIR__CLIENT_PIECES_MAX - s->kept_len || s->tail.len > 0)
        return false;
    if (s->kept == NULL)
        s->kept = weir__malloc(WEIR__CLIENT_PIECES_MAX);
    if (s->kept == NULL)
        return false; /* it is waited for then */
    memcpy(s->kept + s->kept_len, bytes, size);
    s->kept_len += (uint32_t)size;
    return true;
}

static weir_err write_piece(weir_reply *r, const void *bytes, size_t size)
{
    struct weir__client_stream *s = r->stream;
    weir_err err = weir__ctx_check(weir__client_waits_in(r));
    if (err != WEIR_OK)
        return weir__wait_refused(err);
    if (is_answered_early(s))
        return WEIR_ECLOSED;
    if (s->err != WEIR_OK)
        return failed(r, s);
    bool is_kept = keep_piece(s, bytes, size);
    if (!is_kept)
        s->tail = (weir_str){bytes, size};
    weir__h2_session_resume(&s->h2->session, s->id);
    if (is_kept)
        return WEIR_OK;
    err = await_taken(r, s);
    if (r->stream != NULL)
        s->tail = (weir_str){NULL, 0}; /* C9 */
    return err;
}

static weir_err end(weir_reply *r)
{
    struct weir__client_stream *s = r->stream;
    s->behind = r->behind;
    s->is_ended = true;
    if (s->id != 0)
        weir__h2_session_resume(&s->h2->session, s->id);
    weir_err err = await_taken(r, s);
    return r->stream != NULL && is_answered_early(s) ? WEIR_OK : err;
}

/* --- the answer ------------------------------------------------------------------------------- */

/* Copies the head to the context. */
static weir_err keep_head(weir_reply *r, struct weir__client_stream *s)
{
    const struct weir__h2_fields *f = &s->fields;
    size_t fields = s->head.nfields * sizeof s->head.fields[0];
    struct weir__http_line *to = weir__ctx_object(r->c, fields + f->len + 1);
    if (to == NULL)
        return weir__client_no_memory(r);
    char *head = (char *)(to + s->head.nfields);
    memcpy(to, s->head.fields, fields);
    if (f->len > 0)
        memcpy(head, f->bytes, f->len);
    r->fields = to;
    r->field_count = s->head.nfields;
    r->head = head;
    r->status = f->status;
    r->major = 2;
    r->minor = 0;
    weir__h2_fields_fini(&s->fields);
    return WEIR_OK;
}

/* The body has been read to its end. */
static weir_err take_end(weir_reply *r, struct weir__client_stream *s)
{
    const struct weir__h2_fields *f = &s->trailers;
    if (f->len > 0) {
        r->trailers = weir__ctx_object(r->c, f->len);
        if (r->trailers == NULL)
            return weir__client_no_memory(r);
        memcpy(r->trailers, f->bytes, f->len);
        r->trailers_len = f->len;
    }
    r->kind = WEIR__ANSWER_NONE;
    return WEIR_OK;
}

/* Bytes that are here; -ENOMEM of trailers behind the last ones. */
static ssize_t take_bytes(weir_reply *r, struct weir__client_stream *s, char *to, size_t size)
{
    size_t n = weir__client_stream_here(s);
    n = n < size ? n : size;
    if (n > 0) {
        memcpy(to, weir__h2_inbox_first(&s->in), n);
        weir__client_stream_read(s, n);
        r->got += n;
        r->left -= r->kind == WEIR__ANSWER_LENGTH ? n : 0;
    }
    bool is_end = weir__client_stream_here(s) == 0 && s->is_whole;
    weir_err err = is_end ? take_end(r, s) : WEIR_OK;
    return err == WEIR_OK ? (ssize_t)n : err;
}

/* A body that has come whole by now, and is not large, needs its stream no more. */
static weir_err take_whole(weir_reply *r, struct weir__client_stream *s)
{
    size_t size = weir__client_stream_here(s);
    if (!s->is_whole || size > WHOLE_MAX)
        return WEIR_OK;
    if (size == 0)
        return take_end(r, s);
    char *bytes = weir__ctx_object(r->c, size + 1);
    if (bytes == NULL)
        return weir__client_no_memory(r);
    ssize_t n = take_bytes(r, s, bytes, size);
    if (n < 0)
        return (weir_err)n;
    WEIR_ASSERT((size_t)n == size, "C6: a body that is there is read as long as it was found");
    r->whole = (weir_str){bytes, size};
    return WEIR_OK;
}

static weir_err read_head(weir_reply *r)
{
    struct weir__client_stream *s = r->stream;
    weir_time until = weir__client_within(r, r->http->o.answer_timeout);
    if (r->state == WEIR__REPLY_ANSWERED)
        return WEIR_OK;
    while (!s->has_head) {
        if (s->err != WEIR_OK)
            return failed(r, s);
        weir_err err = wait_for(r, s, until);
        if (err != WEIR_OK)
            return err;
    }
    look(r, s);
    weir_err err = keep_head(r, s);
    if (err != WEIR_OK)
        return err;
    r->got = 0;
    r->left = s->head.content_length;
    r->kind = s->head.body == WEIR_HTTP_BODY_LENGTH && r->left > 0 ? WEIR__ANSWER_LENGTH
                                                                   : WEIR__ANSWER_UNTIL_END;
    r->state = WEIR__REPLY_ANSWERED;
    return take_whole(r, s);
}

static ssize_t read_body(weir_reply *r, void *bytes, size_t size, bool waits)
{
    struct weir__client_stream *s = r->stream;
    weir_time until = weir__client_within(r, r->http->o.idle_timeout);
    ssize_t got = 0;
    if (r->kind == WEIR__ANSWER_NONE)
        return 0;
    for (;;) {
        ssize_t n = take_bytes(r, s, (char *)bytes + got, size - (size_t)got);
        if (n < 0)
            return n;
        got += n;
        bool is_last = r->kind == WEIR__ANSWER_LENGTH && r->left == 0; /* trailers may follow */
        if (r->kind == WEIR__ANSWER_NONE || (got > 0 && !(is_last && waits)))
            return got;
        if (weir__client_stream_here(s) > 0)
            return got; /* no room was given */
        if (s->err != WEIR_OK)
            return failed(r, s);
        if (!waits)
            return -EAGAIN;
        weir_err err = wait_for(r, s, until);
        if (err != WEIR_OK)
            return err;
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static void leave(weir_reply *r)
{
    struct weir__client_stream *s = r->stream;
    if (s == NULL)
        return;
    look(r, s);
    r->stream = NULL;
    weir__client_stream_leave(s);
}

static void interrupt(weir_reply *r)
{
    weir__client_stream_interrupt(r->stream);
}

/* The connection goes on, whatever became of the stream. */
static bool is_done(weir_reply *r)
{
    leave(r);
    return true;
}

const struct weir__client_transport weir__client_h2 = {.name = "HTTP/2",
                                                       .is_shared = true,
                                                       .begin = begin,
                                                       .write = write_piece,
                                                       .end = end,
                                                       .read_head = read_head,
                                                       .read = read_body,
                                                       .abort = leave,
                                                       .interrupt = interrupt,
                                                       .close = is_done};
