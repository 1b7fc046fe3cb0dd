/*
 * What the session tells of a stream: the answer's fields and body, its end, and what of the
 * request may go. All of it runs on the worker's own stack; the exchange's fiber looks at what is
 * kept here (h2.c).
 *
 * What comes is kept until it is read, and only that opens the stream's window again: a body that
 * nobody reads stops its own stream. The connection's window is opened as bytes come, so that one
 * stream stops no other, unless too much is unread in all.
 */
#include "http/client/h2.h"

#include <string.h>

#include "base/alloc.h"

#define BOMB 4u /* times the limit of a block: who sends so much means no answer */

static struct weir__client_h2 *h2_of(struct weir__h2_session *session)
{
    return WEIR_CONTAINER(session, struct weir__client_h2, session);
}

/* Its exchange looks at what has happened. */
static void wake(struct weir__client_stream *s)
{
    while (weir__wake_first(&s->waiters, WEIR_OK))
        ;
}

/* --- the two ends ----------------------------------------------------------------------------- */

struct weir__client_stream *weir__client_stream_new(struct weir__client_h2 *h)
{
    struct weir__client_stream *s = weir__calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->h2 = h;
    s->is_wanted = true;
    weir__list_init(&s->waiters);
    weir__list_init(&s->in_conn);
    weir__list_push_back(&h->streams, &s->in_conn);
    return s;
}

/* Neither the session nor an exchange knows of it any more. */
static void free_stream(struct weir__client_stream *s)
{
    WEIR_ASSERT(s->id == 0 && !s->is_wanted, "C10: a stream goes after both of its ends");
    weir__list_remove(&s->in_conn);
    weir__h2_fields_fini(&s->fields);
    weir__h2_fields_fini(&s->trailers);
    (void)weir__h2_inbox_drop(&s->in);
    weir__free(s->kept);
    weir__free(s);
}

/* The windows: `n` bytes of them are not held any more. */
static void open_windows(struct weir__client_stream *s, size_t n)
{
    struct weir__client_h2 *h = s->h2;
    size_t owed = h->owed;
    h->unread -= n;
    if (h->is_over)
        return;
    if (h->unread <= WEIR__CLIENT_UNREAD_MAX)
        h->owed = 0;
    else
        owed = 0;
    weir__h2_session_consume(&h->session, s->id, s->id != 0 ? n : 0, owed);
}

static void drop_body(struct weir__client_stream *s)
{
    size_t left = weir__h2_inbox_drop(&s->in);
    if (left > 0)
        open_windows(s, left);
}

void weir__client_stream_leave(struct weir__client_stream *s)
{
    WEIR_ASSERT(weir__list_empty(&s->waiters), "C10: nobody waits for what is left");
    s->is_wanted = false;
    s->tail = (weir_str){NULL, 0}; /* C9 */
    s->behind.len = 0;
    s->kept_at = s->kept_len = 0;
    drop_body(s);
    if (s->id == 0)
        free_stream(s);
    else if (s->err == WEIR_OK) /* else it has been reset */
        weir__h2_session_reset(&s->h2->session, s->id, WEIR_H2_CANCEL, false);
}

static void fail(struct weir__client_stream *s, weir_err err, const char *why)
{
    if (s->err != WEIR_OK)
        return;
    s->err = err;
    s->why = why;
}

void weir__client_stream_interrupt(struct weir__client_stream *s)
{
    if (s->err == WEIR_OK && s->id != 0)
        weir__h2_session_reset(&s->h2->session, s->id, WEIR_H2_CANCEL, false);
    fail(s, WEIR_ECANCELED, "the exchange has ended");
    s->tail = (weir_str){NULL, 0}; /* C9 */
    s->kept_at = s->kept_len = s->behind.len = 0;
    wake(s);
}

/* It ended before all had come. */
static void over(struct weir__client_stream *s)
{
    s->h2->open -= s->id != 0;
    s->id = 0;
    if (!s->is_wanted)
        free_stream(s);
    else
        wake(s);
}

void weir__client_stream_cut(struct weir__client_stream *s, weir_err err, const char *why)
{
    if (!s->is_whole) {
        s->is_untouched = s->is_untouched || !s->has_begun;
        fail(s, s->has_begun ? err : WEIR_ECLOSED, why);
    }
    over(s);
}

void weir__client_stream_read(struct weir__client_stream *s, size_t n)
{
    weir__h2_inbox_pass(&s->in, n);
    open_windows(s, n);
}

/* --- how a stream ends ------------------------------------------------------------------------ */

static const struct ending {
    const char *why;
    weir_err err;
} endings[] = {
    [WEIR_H2_NO_ERROR] = {"the peer reset the stream (NO_ERROR)", WEIR_ECLOSED},
    [WEIR_H2_PROTOCOL_ERROR] = {"the peer reset the stream (PROTOCOL_ERROR)", WEIR_EPROTO},
    [WEIR_H2_INTERNAL_ERROR] = {"the peer reset the stream (INTERNAL_ERROR)", WEIR_ECLOSED},
    [WEIR_H2_FLOW_CONTROL_ERROR] = {"the peer reset the stream (FLOW_CONTROL_ERROR)", WEIR_EPROTO},
    [WEIR_H2_SETTINGS_TIMEOUT] = {"the peer reset the stream (SETTINGS_TIMEOUT)", WEIR_EPROTO},
    [WEIR_H2_STREAM_CLOSED] = {"the peer reset the stream (STREAM_CLOSED)", WEIR_EPROTO},
    [WEIR_H2_FRAME_SIZE_ERROR] = {"the peer reset the stream (FRAME_SIZE_ERROR)", WEIR_EPROTO},
    [WEIR_H2_REFUSED_STREAM] = {"the peer refused it (REFUSED_STREAM)", WEIR_ECLOSED},
    [WEIR_H2_CANCEL] = {"the peer reset the stream (CANCEL)", WEIR_ECLOSED},
    [WEIR_H2_COMPRESSION_ERROR] = {"the peer reset the stream (COMPRESSION_ERROR)", WEIR_EPROTO},
    [WEIR_H2_CONNECT_ERROR] = {"the peer reset the stream (CONNECT_ERROR)", WEIR_ECLOSED},
    [WEIR_H2_ENHANCE_YOUR_CALM] = {"the peer reset the stream (ENHANCE_YOUR_CALM)", WEIR_ECLOSED},
    [WEIR_H2_INADEQUATE_SECURITY] = {"the peer reset the stream (INADEQUATE_SECURITY)",
                                     WEIR_EPROTO},
    [WEIR_H2_HTTP_1_1_REQUIRED] = {"the peer wants HTTP/1.1 for it (HTTP_1_1_REQUIRED)",
                                   WEIR_EPROTO},
};

static struct ending ending_of(uint32_t code)
{
    static const struct ending unknown = {"the peer reset the stream (unknown code)", WEIR_ECLOSED};
    return code < sizeof endings / sizeof endings[0] ? endings[code] : unknown;
}

static void closed(struct weir__h2_session *session, void *of, uint32_t code, bool is_reset)
{
    struct weir__client_stream *s = of;
    const struct ending e = ending_of(code);
    (void)session;
    if (code == WEIR_H2_REFUSED_STREAM && !s->has_answer)
        s->is_untouched = true; /* also what lies above the last of a GOAWAY: section 8.7 */
    if (!s->is_whole && (is_reset || code == WEIR_H2_REFUSED_STREAM))
        fail(s, e.err, e.why);
    else if (!s->is_whole)
        fail(s, WEIR_EPROTO, "the peer broke a rule of the stream's");
    over(s);
}

/* --- the answer's fields ---------------------------------------------------------------------- */

static void malformed(struct weir__h2_session *session, struct weir__client_stream *s,
                      const char *why)
{
    s->is_malformed = s->is_malformed || s->err == WEIR_OK;
    fail(s, WEIR_EPROTO, why);
    weir__h2_session_reset(session, s->id, WEIR_H2_PROTOCOL_ERROR, true);
    wake(s);
}

static void block(struct weir__h2_session *session, void *of)
{
    struct weir__client_stream *s = of;
    struct weir__client_h2 *h = h2_of(session);
    struct weir__h2_fields *f = s->has_head ? &s->trailers : &s->fields;
    s->has_answer = true;
    weir__h2_fields_fini(f);
    if (s->has_head)
        weir__h2_fields_init(f, NULL, &h->limits, NULL, 0);
    else
        weir__h2_fields_init_response(f, &s->head, &h->limits);
}

static void field(struct weir__h2_session *session, void *of, weir_str name, weir_str value)
{
    struct weir__client_stream *s = of;
    struct weir__h2_fields *f = s->has_head ? &s->trailers : &s->fields;
    weir__h2_fields_add(f, name, value);
    if (WEIR_UNLIKELY(f->counted > BOMB * f->limits->bytes_max))
        weir__h2_session_calm(session);
}

/* What is wrong with fields, for the exchange. */
static void refuse_fields(struct weir__h2_session *session, struct weir__client_stream *s, int err)
{
    bool is_large = err == WEIR_H2_ELONG || err == WEIR_H2_EMANY;
    if (!is_large && err != WEIR_H2_ENOMEM) {
        malformed(session, s, weir__h2_fields_text(err));
        return;
    }
    fail(s, is_large ? WEIR_ETOOLARGE : -ENOMEM, weir__h2_fields_text(err));
    weir__h2_session_reset(session, s->id, WEIR_H2_CANCEL, false);
    wake(s);
}

static void whole(struct weir__h2_session *session, struct weir__client_stream *s)
{
    if (s->head.body == WEIR_HTTP_BODY_LENGTH && s->came != s->head.content_length) {
        malformed(session, s, "a body that is shorter than its content-length");
        return;
    }
    s->is_whole = true;
    weir__h2_budget_answered(&session->budget);
    wake(s);
}

/* An interim answer is passed over: section 8.1. */
static void interim(struct weir__h2_session *session, struct weir__client_stream *s)
{
    s->has_continue = s->has_continue || s->fields.status == 100;
    if (s->fields.status == 101)
        malformed(session, s, "a change of protocols (101), which HTTP/2 has not");
    else if (++s->interims > WEIR__CLIENT_INTERIM_MAX)
        malformed(session, s, "more than 8 interim answers");
    else
        wake(s);
}

static void head_end(struct weir__h2_session *session, struct weir__client_stream *s, bool is_end)
{
    int err = weir__h2_fields_end_response(&s->fields, is_end, s->asked == WEIR_HTTP_HEAD);
    if (err != 0) {
        refuse_fields(session, s, err);
    } else if (s->fields.status < 200) {
        interim(session, s);
    } else {
        s->has_head = true;
        if (is_end)
            whole(session, s);
        else
            wake(s);
    }
}

static void fields_end(struct weir__h2_session *session, void *of, bool is_end)
{
    struct weir__client_stream *s = of;
    if (!s->has_head) {
        head_end(session, s, is_end);
        return;
    }
    int err = weir__h2_fields_end(&s->trailers, true);
    if (err != 0)
        refuse_fields(session, s, err);
    else if (!is_end)
        malformed(session, s, "fields behind the head that do not end it");
    else
        whole(session, s);
}

/* --- its body --------------------------------------------------------------------------------- */

/* What it is not to be, of what has been told of it. NULL: it is. */
static const char *judge(const struct weir__client_stream *s)
{
    if (!s->has_head)
        return "a body before its head";
    if (s->head.body == WEIR_HTTP_BODY_NONE)
        return "a body where there is none";
    bool is_long = s->head.body == WEIR_HTTP_BODY_LENGTH && s->came > s->head.content_length;
    return is_long ? "a body that is longer than its content-length" : NULL;
}

static void note_unread(struct weir__client_h2 *h, struct weir__client_stream *s, size_t n)
{
    h->unread += n;
    if (h->unread <= WEIR__CLIENT_UNREAD_MAX)
        weir__h2_session_consume(&h->session, s->id, 0, n);
    else
        h->owed += n;
    wake(s);
}

static void data(struct weir__h2_session *session, void *of, weir_str bytes)
{
    struct weir__client_stream *s = of;
    s->has_answer = true;
    s->came += bytes.len;
    const char *why = bytes.len > 0 && s->err == WEIR_OK ? judge(s) : NULL;
    if (why == NULL && s->is_wanted && s->err == WEIR_OK && weir__h2_inbox_add(&s->in, bytes)) {
        note_unread(h2_of(session), s, bytes.len);
        return;
    }
    weir__h2_session_consume(session, s->id, 0, bytes.len);
    if (!s->is_wanted || s->err != WEIR_OK)
        return; /* it has been reset already */
    if (why != NULL) {
        malformed(session, s, why);
        return;
    }
    fail(s, -ENOMEM, "there is no memory for the body");
    weir__h2_session_reset(session, s->id, WEIR_H2_CANCEL, false);
    wake(s);
}

static void data_end(struct weir__h2_session *session, void *of)
{
    struct weir__client_stream *s = of;
    if (!s->has_head)
        malformed(session, s, "a body before its head");
    else
        whole(session, s);
}

/* --- the request ------------------------------------------------------------------------------ */

static struct weir__h2_supply supply(struct weir__h2_session *session, void *of)
{
    const struct weir__client_stream *s = of;
    (void)session;
    if (s->is_held)
        return (struct weir__h2_supply){.len = 0};
    return (struct weir__h2_supply){.len = weir__client_stream_unsent(s),
                                    .is_end = s->is_ended,
                                    .has_trailers = s->behind.len > 0};
}

static void trail(struct weir__h2_session *session, void *of)
{
    struct weir__client_stream *s = of;
    struct weir__h2_field fields[WEIR__TRAILERS_MAX];
    size_t n = weir__h2_fields_of(&s->behind, fields);
    if (weir__h2_session_trailers(session, s->id, fields, n) != WEIR_OK)
        weir__h2_session_reset(session, s->id, WEIR_H2_INTERNAL_ERROR, false);
}

/* Of `from`, at most `n` bytes; how many. */
static size_t move(char *to, weir_str from, size_t n)
{
    size_t moved = from.len < n ? from.len : n;
    if (moved > 0)
        memcpy(to, from.ptr, moved);
    return moved;
}

static void take(struct weir__h2_session *session, void *of, char *to, size_t n)
{
    struct weir__client_stream *s = of;
    weir_str kept = WEIR_S("");
    if (s->kept_at < s->kept_len)
        kept = (weir_str){s->kept + s->kept_at, s->kept_len - s->kept_at};
    size_t first = move(to, kept, n);
    (void)session;
    s->kept_at += (uint32_t)first;
    if (s->kept_at == s->kept_len)
        s->kept_at = s->kept_len = 0;
    size_t second = move(to + first, s->tail, n - first);
    WEIR_ASSERT(first + second == n, "C9: what was supplied is there");
    if (second > 0)
        s->tail = (weir_str){s->tail.ptr + second, s->tail.len - second};
    s->taken += n;
    wake(s); /* it got on */
}

static void begun(struct weir__h2_session *session, void *of)
{
    struct weir__client_stream *s = of;
    (void)session;
    s->has_begun = true;
}

static void left(struct weir__h2_session *session, void *of)
{
    struct weir__client_stream *s = of;
    (void)session;
    s->is_all_out = true;
    wake(s);
}

/* A peer opens no streams: it may not push. */
static void *begin(struct weir__h2_session *session, int32_t id)
{
    (void)session, (void)id;
    return NULL;
}

const struct weir__h2_session_ops weir__client_h2_ops = {
    .begin = begin,
    .block = block,
    .field = field,
    .fields_end = fields_end,
    .data = data,
    .data_end = data_end,
    .begun = begun,
    .left = left,
    .closed = closed,
    .supply = supply,
    .take = take,
    .trailers = trail,
    .going = weir__client_h2_going,
    .flushed = weir__client_h2_flushed,
};
