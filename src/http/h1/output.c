/*
 * A connection's output: one buffer of 16 KiB in which responses gather, those of a pipeline one
 * after the other, and from which they leave with one send. Large bodies are not copied into it:
 * they leave in the same sendmsg, behind what the buffer holds.
 *
 * The hard thing is a fiber that waits in the middle: what is final must leave before it
 * (weir__out_push), but an encoder may just be writing into the buffer (between window and commit),
 * so then nothing moves, and a chunk that is not ended stays.
 *
 * And the socket may take again what it has just refused, at any time. So who sends never waits
 * with bytes in hand: it waits until the socket is writable, as the connection's sender (N5), and
 * looks again at what there is to send. While there is a sender nobody else sends or adds.
 *
 * A socket may take megabytes at once, which the kernel copies meanwhile: so after
 * WEIR__TURN_BYTES others have their turn.
 */
#include "base/assert.h"
#include "http/h1/h1.h"
#include "rt/panic.h"

#include <string.h>

static size_t room_of(const struct weir__http_out *out)
{
    return WEIR__OUT_CAPACITY - WEIR__OUT_TAIL - out->len;
}

void weir__out_seal(struct weir__http_conn *c)
{
    static const char digits[] = "0123456789abcdef";
    struct weir__http_out *out = weir__h1(c)->out;
    if (out == NULL || out->mark == WEIR__NO_CHUNK)
        return;
    WEIR_ASSERT(out->at <= out->mark && out->mark + WEIR__CHUNK_HEAD <= out->len,
                "O2: a chunk that is not ended has not left, and begins with its head");
    WEIR_ASSERT(out->len + 2 <= WEIR__OUT_CAPACITY, "O1: there is room for its end");
    char *head = out->bytes + out->mark;
    uint32_t size = out->len - out->mark - WEIR__CHUNK_HEAD;
    if (size == 0) {
        out->len = out->mark;
    } else {
        for (int i = 0; i < 4; i++)
            head[i] = digits[size >> (12 - 4 * i) & 15];
        memcpy(head + 4, "\r\n", 2);
        memcpy(out->bytes + out->len, "\r\n", 2);
        out->len += 2;
    }
    out->mark = WEIR__NO_CHUNK;
}

/* An encoder is just writing into it: nothing may move. */
static bool is_window_open(struct weir__http_conn *c)
{
    const struct weir__exchange *x = weir__h1(c)->x;
    return x != NULL && x->response == WEIR__RESPONSE_WINDOW;
}

/* What of the output may leave now. */
static uint32_t final_end(struct weir__http_conn *c)
{
    const struct weir__http_out *out = weir__h1(c)->out;
    return is_window_open(c) && out->mark != WEIR__NO_CHUNK ? out->mark : out->len;
}

void weir__out_taken(struct weir__http_conn *c, size_t n)
{
    struct weir__exchange *x = weir__h1(c)->x;
    weir__counter_add(&c->home->count.bytes_out, n);
    if (x != NULL && x->ctx != NULL && x->response != WEIR__RESPONSE_NONE)
        weir__exchange_progressed(x, n);
}

static void sent(struct weir__http_conn *c, size_t n)
{
    const struct weir__h1 *h = weir__h1(c);
    struct weir__http_out *out = h->out;
    size_t here = out != NULL ? out->len - out->at : 0;
    weir__out_taken(c, n);
    if (out == NULL)
        return;
    out->at += (uint32_t)(n < here ? n : here);
    if (h->x != NULL && h->x->response != WEIR__RESPONSE_NONE &&
        out->at > weir__h1_x(h->x)->out_from)
        weir__h1_x(h->x)->out_from = WEIR__H1_LEFT;
}

static void rewind_empty(struct weir__http_conn *c)
{
    struct weir__http_out *out = weir__h1(c)->out;
    if (out == NULL || out->at < out->len || is_window_open(c))
        return;
    out->len = out->at = 0;
}

static weir_err broke(struct weir__http_conn *c, weir_err err)
{
    struct weir__exchange *x = weir__h1(c)->x;
    struct weir__http_out *out = weir__h1(c)->out;
    WEIR_ASSERT(!weir__stream_has_sender(&c->stream), "N5: who finds it broken waits no more");
    if (err == WEIR_ETIMEDOUT) {
        weir__counter_add(&c->home->count.timeouts_write, 1);
        c->is_reset_due = true;
    } else {
        err = WEIR_ECLIENTGONE;
    }
    c->is_broken = c->is_closing = true;
    if (out != NULL)
        out->len = out->at = 0, out->mark = WEIR__NO_CHUNK;
    if (x != NULL && x->ctx != NULL && x->response != WEIR__RESPONSE_WHOLE)
        weir__ctx_cancel(x->ctx, WEIR_REASON_CLIENT_GONE);
    return err;
}

void weir__out_push(struct weir__http_conn *c)
{
    struct weir__http_out *out = weir__h1(c)->out;
    if (out == NULL || c->is_broken || weir__stream_has_sender(&c->stream))
        return;
    if (!is_window_open(c))
        weir__out_seal(c);
    uint32_t end = final_end(c);
    WEIR_ASSERT(out->at <= end && end <= out->len, "O2: only what is final has left");
    bool is_all_inside = end == out->at;
    if (is_all_inside && !weir__stream_has_unsent(&c->stream))
        return;
    struct iovec all = {out->bytes + out->at, end - out->at};
    ssize_t n = is_all_inside ? weir__stream_try_flush(&c->stream)
                              : weir__stream_try_send(&c->stream, &all, 1);
    if (n >= 0)
        sent(c, (size_t)n);
    else if (n != -EAGAIN)
        broke(c, (weir_err)n);
    c->stream.fd.tells_room = out->at < end || weir__stream_has_unsent(&c->stream);
    rewind_empty(c);
}

void weir__out_on_room(struct weir__http_conn *c)
{
    if (WEIR_LIKELY(!c->stream.fd.tells_room))
        return;
    WEIR_ASSERT(c->state == WEIR__CONN_ACTIVE, "N18: what waits for room is a fiber's to send");
    c->stream.fd.tells_room = false;
    weir__out_push(c);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static weir_time patience(const struct weir__http_conn *c, const struct weir__sending *s)
{
    int64_t ns = c->home->server->options.write_timeout.ns;
    if (ns < 0)
        return weir_never();
    WEIR_ASSERT(s->from.ns != 0, "N5: who waits as the sender has begun to wait");
    return weir_time_add(s->from, weir_ns(ns));
}

/* What was taken quickly buys no time for later: who stops is cut one write_timeout after that. */
void weir__sending_gets_on(struct weir__sending *s, size_t n)
{
    s->bytes += n;
    if (s->bytes < WEIR__PROGRESS_BYTES)
        return;
    s->bytes = 0;
    if (s->from.ns != 0)
        s->from = weir__self->now;
}

/* N5: who finds another fiber sending has two of them write one response. */
static void be_the_only_one(const struct weir__http_conn *c)
{
    if (WEIR_UNLIKELY(weir__stream_has_sender(&c->stream)))
        weir__misuse("a response", "another fiber is in the middle of sending it; one fiber at a "
                                   "time writes a response");
}

/* How long to wait before looking at what the kernel has got rid of: a part of what is allowed. */
static weir_dur slice_of(struct weir__http_conn *c)
{
    const struct weir__exchange *x = weir__h1(c)->x;
    weir_dur write = c->home->server->options.write_timeout;
    weir_dur whole = x != NULL && x->ctx != NULL ? x->timeout : weir_no_timeout();
    int64_t ns = write.ns > 0 ? write.ns : INT64_MAX;
    ns = whole.ns > 0 && whole.ns < ns ? whole.ns : ns;
    return (weir_dur){ns == INT64_MAX ? ns : ns / 3 + 1};
}

/*
 * The kernel holds megabytes, and says that there is room when a third of them has gone: for a slow
 * client that takes longer than any time limit. What its peer has acknowledged is progress too.
 */
static void see_progress(struct weir__http_conn *c, struct weir__sending *s, int *unsent)
{
    struct weir__exchange *x = weir__h1(c)->x;
    int now = weir__stream_unacknowledged(&c->stream);
    if (now >= 0 && now < *unsent) {
        weir__sending_gets_on(s, (size_t)(*unsent - now));
        if (x != NULL && x->ctx != NULL && x->response != WEIR__RESPONSE_NONE)
            weir__exchange_progressed(x, (size_t)(*unsent - now));
    }
    *unsent = now;
}

weir_err weir__out_wait(struct weir__http_conn *c, struct weir__ctx *ctx, struct weir__sending *s,
                        bool is_resumable)
{
    int unsent = weir__stream_unacknowledged(&c->stream);
    WEIR_ASSERT(ctx->worker == c->home->worker,
                "N5: a sender is a fiber of its connection's worker");
    weir_err err = WEIR_OK;
    if (s->from.ns == 0)
        *s = (struct weir__sending){.from = weir__self->now};
    for (bool is_late = false; !is_late; is_late = weir__self->now.ns >= patience(c, s).ns) {
        weir_time look = weir_time_add(weir__self->now, slice_of(c));
        err = weir__stream_await_room(ctx, &c->stream, weir_time_min(patience(c, s), look));
        if (err != WEIR_ETIMEDOUT || ctx->reason != WEIR_REASON_NONE)
            break;
        see_progress(c, s, &unsent);
    }
    if (err == WEIR_OK)
        return WEIR_OK;
    if (ctx->reason == WEIR_REASON_NONE || err != weir__reason_err(ctx->reason))
        return broke(c, err);
    if (!is_resumable)
        c->is_broken = c->is_closing = c->is_reset_due = true;
    return err;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* One send of what is left of both, without a wait. */
static ssize_t send_some(struct weir__http_conn *c, weir_str tail)
{
    struct weir__http_out *out = weir__h1(c)->out;
    struct iovec vec[2];
    int n = 0;
    if (out != NULL && out->at < out->len)
        vec[n++] = (struct iovec){out->bytes + out->at, out->len - out->at};
    size_t len = tail.len < WEIR__TURN_BYTES ? tail.len : WEIR__TURN_BYTES;
    if (len > 0)
        vec[n++] = (struct iovec){(void *)(uintptr_t)tail.ptr, len};
    return n > 0 ? weir__stream_try_send(&c->stream, vec, n) : weir__stream_try_flush(&c->stream);
}

static size_t left_in(const struct weir__http_out *out)
{
    return out != NULL ? out->len - out->at : 0;
}

bool weir__out_take_turns(struct weir__http_conn *c, struct weir__sending *s, size_t n)
{
    s->in_turn += n;
    if (s->in_turn < WEIR__TURN_BYTES)
        return true;
    s->in_turn = 0;
    weir__stream_give_way(&c->stream);
    return !c->is_broken;
}

weir_err weir__out_flush(struct weir__http_conn *c, struct weir__ctx *ctx, weir_str tail)
{
    struct weir__sending sending = {.bytes = 0};
    if (c->is_broken)
        return WEIR_ECLIENTGONE;
    be_the_only_one(c);
    weir__out_seal(c);
    while (left_in(weir__h1(c)->out) + tail.len > 0 || weir__stream_has_unsent(&c->stream)) {
        size_t before = left_in(weir__h1(c)->out);
        ssize_t n = send_some(c, tail);
        if (n == -EAGAIN) {
            /* What is in the buffer may be sent by another later; a tail is not ours. */
            weir_err err = weir__out_wait(c, ctx, &sending, tail.len == 0);
            if (err != WEIR_OK)
                return err;
            continue;
        }
        if (n < 0)
            return broke(c, (weir_err)n);
        sent(c, (size_t)n);
        weir__sending_gets_on(&sending, (size_t)n);
        if ((size_t)n > before) {
            size_t of_tail = (size_t)n - before;
            WEIR_ASSERT(of_tail <= tail.len, "O4: no more was taken than there was");
            tail = (weir_str){tail.ptr + of_tail, tail.len - of_tail};
        }
        if (tail.len > 0 && !weir__out_take_turns(c, &sending, (size_t)n))
            return WEIR_ECLIENTGONE;
    }
    c->stream.fd.tells_room = false;
    rewind_empty(c);
    return WEIR_OK;
}

weir_err weir__out_reserve(struct weir__http_conn *c, struct weir__ctx *ctx, size_t n)
{
    WEIR_ASSERT(n <= WEIR__OUT_ROOM_MAX, "O1: never more than a buffer at once");
    if (WEIR_UNLIKELY(c->is_broken))
        return WEIR_ECLIENTGONE;
    be_the_only_one(c);
    struct weir__h1 *h = weir__h1(c);
    if (h->out == NULL)
        h->out = weir__pool_out(c->home);
    if (WEIR_UNLIKELY(h->out == NULL))
        return -ENOMEM;
    if (WEIR_LIKELY(room_of(h->out) >= n && WEIR__OUT_CAPACITY > WEIR__OUT_TAIL + h->out->len))
        return WEIR_OK;
    WEIR_ASSERT(h->out->len <= WEIR__OUT_CAPACITY, "O1: no more was written than there is room");
    return weir__out_flush(c, ctx, (weir_str){"", 0});
}
