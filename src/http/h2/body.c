/*
 * The body of a request. What comes is kept until its handler reads it, and only that opens the
 * stream's window again: a handler that does not read stops its own stream. The connection's window
 * is opened at once, so that it stops no other one, unless all streams together have too much
 * unread; then it waits as well.
 */
#include "http/h2/h2.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "rt/context.h"

#define RATE 240           /* bytes a second: less is a client that holds the stream */
#define GROW_FIRST 49152ul /* first memory for a body of unknown length: a block, which can grow */

void weir__h2_body_begin(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    bool has_one = x->head.body == WEIR_HTTP_BODY_UNSIZED ||
                   (x->head.body == WEIR_HTTP_BODY_LENGTH && x->head.content_length > 0);
    WEIR_ASSERT(x->body_state == WEIR__BODY_DONE, "H12: a body begins once");
    if (!has_one || x->is_refused)
        return;
    x->body_state = WEIR__BODY_COMING;
    s->is_continue_due = x->head.expect_continue && s->in.len == 0;
}

/* --- what comes ------------------------------------------------------------------------------- */

static size_t here(const struct weir__h2_stream *s)
{
    return weir__h2_inbox_left(&s->in);
}

/* The windows: `n` bytes of them are not held any more. */
static void used(struct weir__h2_stream *s, size_t n)
{
    struct weir__h2 *h = weir__h2_of(s);
    size_t owed = h->owed;
    WEIR_ASSERT(h->unread >= n, "H8: a connection counts what its streams have");
    h->unread -= n;
    if (h->is_over)
        return;
    if (h->unread <= WEIR__H2_UNREAD_MAX)
        h->owed = 0;
    else
        owed = 0;
    weir__h2_session_consume(&h->session, s->id, s->id != 0 ? n : 0, owed);
}

/* Nobody reads what comes, or it could not be kept. */
static void pass_over(struct weir__h2 *h, struct weir__h2_stream *s, size_t n)
{
    WEIR_ASSERT(s->id != 0, "H4: of a stream that is over nothing comes");
    weir__h2_session_consume(&h->session, s->id, n, n);
    s->lingered += n;
    if (s->is_lingering && s->lingered > h->conn->home->server->options.drain_max)
        weir__h2_linger_end(s);
}

/*
 * RFC 9113 section 8.1: an answer may be whole before its request is, and the rest be refused. But
 * clients that are still sending throw the answer away when they are told at once; so what comes is
 * taken for a while.
 */
void weir__h2_linger(struct weir__h2_stream *s)
{
    struct weir__h2 *h = weir__h2_of(s);
    if (s->id == 0 || s->is_running || !s->is_all_left || s->is_body_whole || s->is_lingering)
        return;
    WEIR_ASSERT(h->lingering < h->count, "H8: no more linger than there are");
    s->is_lingering = true;
    s->lingered = 0;
    s->moved_at = weir__self->now;
    h->lingering++;
    weir__h2_watch(h);
}

void weir__h2_linger_end(struct weir__h2_stream *s)
{
    struct weir__h2 *h = weir__h2_of(s);
    WEIR_ASSERT(s->is_lingering && h->lingering > 0,
                "H8: a connection counts what its streams have");
    WEIR_ASSERT(s->id != 0 && !s->is_running, "H15: who lingers has been answered, and is there");
    s->is_lingering = false;
    h->lingering--;
    weir__h2_session_reset(&h->session, s->id, WEIR_H2_NO_ERROR, false);
}

static bool fits_length(struct weir__h2_stream *s, size_t n)
{
    const struct weir__exchange *x = weir__h2_exchange(s);
    s->body_came += n;
    return x->head.body != WEIR_HTTP_BODY_LENGTH || s->body_came <= x->head.content_length;
}

static bool keep(struct weir__h2 *h, struct weir__h2_stream *s, weir_str bytes)
{
    uint32_t before = s->in.cap;
    bool is_kept = weir__h2_inbox_add(&s->in, bytes);
    h->kept += s->in.cap - before;
    return is_kept;
}

bool weir__h2_body_add(struct weir__h2_stream *s, weir_str bytes)
{
    struct weir__h2 *h = weir__h2_of(s);
    const struct weir__exchange *x = weir__h2_exchange(s);
    bool is_read = s->is_running || !weir__list_empty(&s->in_queue);
    WEIR_ASSERT(!s->is_body_whole, "H12: behind the end of a body nothing comes");
    if (!fits_length(s, bytes.len) && is_read && !x->is_refused) {
        pass_over(h, s, bytes.len);
        return false;
    }
    if (!is_read || x->is_refused || !keep(h, s, bytes)) {
        pass_over(h, s, bytes.len);
        if (is_read && !x->is_refused)
            weir__h2_session_reset(&h->session, s->id, WEIR_H2_INTERNAL_ERROR, false);
        return true;
    }
    h->unread += bytes.len;
    if (h->unread <= WEIR__H2_UNREAD_MAX)
        weir__h2_session_consume(&h->session, s->id, 0, bytes.len);
    else
        h->owed += bytes.len;
    weir__h2_wake(&s->readers);
    return true;
}

bool weir__h2_body_end(struct weir__h2_stream *s)
{
    const struct weir__exchange *x = weir__h2_exchange(s);
    bool is_whole = x->head.body != WEIR_HTTP_BODY_LENGTH || x->is_refused ||
                    s->body_came == x->head.content_length;
    WEIR_ASSERT(!s->is_body_whole, "H12: a body ends once");
    if (!is_whole)
        return false; /* who reads waits for what does not come, until the stream is reset */
    s->is_body_whole = true;
    weir__h2_wake(&s->readers);
    return true;
}

void weir__h2_body_drop(struct weir__h2_stream *s)
{
    struct weir__h2 *h = weir__h2_of(s);
    if (s->in.bytes == NULL)
        return;
    WEIR_ASSERT(h->kept >= s->in.cap, "H8: a connection counts what its streams have");
    h->kept -= s->in.cap;
    size_t left = weir__h2_inbox_drop(&s->in);
    if (left > 0)
        used(s, left);
}

/* --- reading ---------------------------------------------------------------------------------- */

static weir_err fail(struct weir__exchange *x, weir_err err)
{
    WEIR_ASSERT(err < 0, "H12: a body breaks for a reason");
    x->body_state = WEIR__BODY_BROKEN;
    return err;
}

static weir_err cut_short(struct weir__exchange *x)
{
    WEIR_ASSERT(weir__h2_x(x)->id == 0, "H5: a body is cut short by the end of its stream");
    weir__ctx_cancel(x->ctx, WEIR_REASON_CLIENT_GONE);
    return fail(x, WEIR_ECLIENTGONE);
}

static void say_continue(struct weir__exchange *x)
{
    static const struct weir__h2_field status = {{":status", 7}, {"100", 3}};
    struct weir__h2_stream *s = weir__h2_x(x);
    s->is_continue_due = false;
    if (x->response == WEIR__RESPONSE_NONE && s->id != 0)
        (void)weir__h2_session_inform(&weir__h2_of(s)->session, s->id, &status, 1);
}

static weir_time patience(const struct weir__exchange *x)
{
    weir_dur piece = x->home->server->options.body_timeout;
    if (piece.ns < 0)
        return weir_never();
    weir_time whole = weir_time_add(x->began, piece);
    whole = weir_time_add(whole, weir_sec((int64_t)(x->bytes_in / RATE)));
    return weir_time_min(weir_time_add(weir__self->now, piece), whole);
}

/* Until there is more than `have`, or the end. */
static weir_err await_more(struct weir__exchange *x, size_t have)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    if (s->is_continue_due)
        say_continue(x);
    weir_time until = patience(x);
    while (here(s) <= have && !s->is_body_whole) {
        if (s->id == 0)
            return cut_short(x);
        weir_err err = weir__h2_wait(x, &s->readers, until);
        if (err == WEIR_ETIMEDOUT && x->ctx->reason == WEIR_REASON_NONE)
            weir__counter_add(&x->home->count.timeouts_body, 1);
        if (err != WEIR_OK)
            return fail(x, err);
    }
    return WEIR_OK;
}

static void took(struct weir__exchange *x, size_t n)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    WEIR_ASSERT(x->body_state == WEIR__BODY_COMING, "H12: a body is read while it comes");
    weir__h2_inbox_pass(&s->in, n);
    x->bytes_in += n;
    used(s, n);
    weir__exchange_progressed(x, n);
}

static void note_end(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    if (!s->is_body_whole || here(s) > 0)
        return;
    WEIR_ASSERT(x->bytes_in == s->body_came, "H12: who has all of it has read what came");
    x->body_state = WEIR__BODY_DONE;
    x->trailers = s->fields.own;
    x->trailers_len = s->fields.len;
}

ssize_t weir__h2_read(struct weir__exchange *x, void *buf, size_t len)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    weir_err err = await_more(x, 0);
    if (err != WEIR_OK)
        return err;
    size_t n = here(s) < len ? here(s) : len;
    if (n > 0) {
        memcpy(buf, weir__h2_inbox_first(&s->in), n);
        took(x, n);
    }
    note_end(x);
    if (here(s) == 0 && (s->is_body_whole || weir__h2_of(s)->kept > WEIR__H2_KEPT_MAX))
        weir__h2_body_drop(s); /* of what is read in place it is the request's own, to its end */
    return (ssize_t)n;
}

/* All of it is in our buffer, or will be: a window's worth is never moved. */
static weir_err read_in_place(struct weir__exchange *x, uint64_t max, weir_str *out)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    while (!s->is_body_whole) {
        if (here(s) > max)
            return fail(x, WEIR_ETOOLARGE);
        if (here(s) > GROW_FIRST)
            return WEIR_OK; /* and its window is nearly used up */
        weir_err err = await_more(x, here(s));
        if (err != WEIR_OK)
            return err;
    }
    size_t n = here(s);
    if (n > max)
        return fail(x, WEIR_ETOOLARGE);
    if (n > 0) {
        *out = (weir_str){s->in.bytes + s->in.at, n};
        took(x, n);
    }
    note_end(x);
    return WEIR_OK;
}

/* Memory of the context that a body grows in: by its length, or twice as much, but no more than may
 * come. */
struct gathered {
    char *bytes;
    size_t len, cap;
};

static bool grow(struct weir__exchange *x, struct gathered *g, uint64_t max)
{
    size_t cap = g->cap > 0 ? 2 * g->cap : 2 * GROW_FIRST;
    if (x->head.body == WEIR_HTTP_BODY_LENGTH)
        cap = (size_t)x->head.content_length;
    else if (cap > max)
        cap = (size_t)max;
    if (cap <= g->cap)
        return true; /* the next byte is too much */
    char *to = weir__arena_grow(weir__ctx_arena(x->ctx), g->bytes, g->cap, cap);
    if (to == NULL)
        return false;
    g->bytes = to;
    g->cap = cap;
    return true;
}

/* A longer one gathers there. */
static weir_err gather(struct weir__exchange *x, uint64_t max, weir_str *out)
{
    struct gathered g = {NULL, 0, 0};
    while (x->body_state == WEIR__BODY_COMING) {
        char over;
        if (g.len == g.cap && !grow(x, &g, max))
            return fail(x, weir__ctx_arena(x->ctx)->is_over_budget ? WEIR_EBUDGET : -ENOMEM);
        bool is_full = g.len == g.cap;
        ssize_t n =
            is_full ? weir__h2_read(x, &over, 1) : weir__h2_read(x, g.bytes + g.len, g.cap - g.len);
        if (n < 0)
            return (weir_err)n;
        if (n > 0 && is_full)
            return fail(x, WEIR_ETOOLARGE);
        g.len += (size_t)n;
    }
    *out = (weir_str){g.len > 0 ? g.bytes : "", g.len};
    return WEIR_OK;
}

weir_err weir__h2_read_all(struct weir__exchange *x, uint64_t max, weir_str *out)
{
    bool has_length = x->head.body == WEIR_HTTP_BODY_LENGTH;
    if (has_length && x->head.content_length - x->bytes_in > max)
        return fail(x, WEIR_ETOOLARGE);
    bool is_short = !has_length || x->head.content_length <= GROW_FIRST;
    if (is_short) {
        weir_err err = read_in_place(x, max, out);
        if (err != WEIR_OK || x->body_state != WEIR__BODY_COMING)
            return err;
    }
    return gather(x, max, out);
}
