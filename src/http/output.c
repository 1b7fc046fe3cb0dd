/*
 * A connection's output: one buffer of 16 KiB in which responses gather, those of a pipeline one
 * after the other, and from which they leave with one send. Large bodies are not copied into it:
 * they leave in the same sendmsg, behind what the buffer holds.
 *
 * The hard thing is a fiber that waits in the middle: what is final must leave before it
 * (weir__out_push), but an encoder may just be writing into the buffer (between window and commit),
 * so then nothing moves, and a chunk that is not ended stays.
 */
#include "base/assert.h"
#include "http/conn.h"

#include <string.h>

#define PROGRESS (16u << 10) /* what the client must take within one write_timeout */
#define CAPACITY (WEIR__HTTP_OUT_BYTES - (uint32_t)sizeof(struct weir__http_out))
#define TAIL 8u /* always left free: the end of a chunk and the last chunk */

static uint32_t room_of(const struct weir__http_out *out)
{
    return CAPACITY - TAIL - out->len;
}

void weir__out_seal(struct weir__http_conn *c)
{
    static const char digits[] = "0123456789abcdef";
    struct weir__http_out *out = c->out;
    if (out == NULL || out->chunk_at == WEIR__NO_CHUNK)
        return;
    char *head = out->bytes + out->chunk_at;
    uint32_t size = out->len - out->chunk_at - WEIR__CHUNK_HEAD;
    if (size == 0) {
        out->len = out->chunk_at;
    } else {
        for (int i = 0; i < 4; i++)
            head[i] = digits[size >> (12 - 4 * i) & 15];
        memcpy(head + 4, "\r\n", 2);
        memcpy(out->bytes + out->len, "\r\n", 2);
        out->len += 2;
    }
    out->chunk_at = WEIR__NO_CHUNK;
}

/* What of the output may leave now. */
static uint32_t final_end(const struct weir__http_conn *c)
{
    const struct weir__http_out *out = c->out;
    bool is_window_open = c->x != NULL && c->x->is_window_open;
    return is_window_open && out->chunk_at != WEIR__NO_CHUNK ? out->chunk_at : out->len;
}

static void sent(struct weir__http_conn *c, size_t n)
{
    struct weir__http_out *out = c->out;
    size_t here = out != NULL ? out->len - out->at : 0;
    weir__counter_add(&c->home->count.bytes_out, n);
    if (out != NULL) {
        out->at += (uint32_t)(n < here ? n : here);
        if (c->x != NULL && c->x->is_started && out->at > c->x->out_from)
            c->x->is_out_kept = false;
    }
}

static void rewind_empty(struct weir__http_conn *c)
{
    struct weir__http_out *out = c->out;
    if (out == NULL || out->at < out->len || (c->x != NULL && c->x->is_window_open))
        return;
    out->len = out->at = 0;
    if (c->x != NULL)
        c->x->out_from = 0;
}

static weir_err broke(struct weir__http_conn *c, weir_err err)
{
    struct weir__exchange *x = c->x;
    if (err == WEIR_ETIMEDOUT) {
        weir__counter_add(&c->home->count.timeouts_write, 1);
        c->is_reset_due = true;
    } else {
        err = WEIR_ECLIENTGONE;
    }
    c->is_broken = c->is_closing = true;
    if (c->out != NULL)
        c->out->len = c->out->at = 0, c->out->chunk_at = WEIR__NO_CHUNK;
    if (x != NULL && x->ctx != NULL && !x->is_complete)
        weir__ctx_cancel(x->ctx, WEIR_REASON_CLIENT_GONE);
    return err;
}

void weir__out_push(struct weir__http_conn *c)
{
    struct weir__http_out *out = c->out;
    if (out == NULL || c->is_broken)
        return;
    if (c->x == NULL || !c->x->is_window_open)
        weir__out_seal(c);
    uint32_t end = final_end(c);
    if (end == out->at)
        return;
    ssize_t n = weir__try_send(&c->fd, out->bytes + out->at, end - out->at);
    if (n >= 0)
        sent(c, (size_t)n);
    else if (n != -EAGAIN)
        broke(c, (weir_err)n);
    rewind_empty(c);
}

/* One send of what is left of both; waits when `is_wait`. */
static ssize_t send_some(struct weir__http_conn *c, struct weir__ctx *ctx, weir_str tail,
                         weir_time until)
{
    struct weir__http_out *out = c->out;
    struct iovec vec[2];
    int n = 0;
    if (out != NULL && out->at < out->len)
        vec[n++] = (struct iovec){out->bytes + out->at, out->len - out->at};
    if (tail.len > 0)
        vec[n++] = (struct iovec){(void *)(uintptr_t)tail.ptr, tail.len};
    if (until.ns != 0)
        return weir__sendv(ctx, &c->fd, vec, n, until);
    return n == 1 ? weir__try_send(&c->fd, vec[0].iov_base, vec[0].iov_len)
                  : weir__try_sendv(&c->fd, vec, n);
}

static weir_time patience(const struct weir__http_conn *c, weir_time from, uint64_t done)
{
    int64_t ns = c->home->server->options.write_timeout.ns;
    if (ns < 0)
        return weir_never();
    return weir_time_add(from, weir_dur_of((int64_t)(done / PROGRESS) + 1, ns));
}

/*
 * A wait that the context ended leaves the output whole, to be sent by another; but for a tail,
 * which is not ours.
 */
static weir_err gave_up(struct weir__http_conn *c, const struct weir__ctx *ctx, weir_err err,
                        bool has_tail)
{
    if (ctx->reason == WEIR_REASON_NONE || err != weir__reason_err(ctx->reason))
        return broke(c, err);
    if (has_tail)
        c->is_broken = c->is_closing = c->is_reset_due = true;
    return err;
}

weir_err weir__out_flush(struct weir__http_conn *c, struct weir__ctx *ctx, weir_str tail)
{
    struct weir__http_out *out = c->out;
    weir_time from = {0}, until = {0};
    size_t all = tail.len, done = 0, done_before = 0; /* before the first wait, at `from` */
    if (c->is_broken)
        return WEIR_ECLIENTGONE;
    weir__out_seal(c);
    if (out != NULL)
        all += out->len - out->at;
    while (done < all) {
        size_t before = out != NULL ? out->len - out->at : 0;
        ssize_t n = send_some(c, ctx, tail, until);
        if (n == -EAGAIN && until.ns == 0) {
            if (from.ns == 0) {
                from = weir__self->now;
                done_before = done;
            }
            until = patience(c, from, done - done_before);
            continue;
        }
        if (n < 0)
            return gave_up(c, ctx, (weir_err)n, tail.len > 0);
        sent(c, (size_t)n);
        done += (size_t)n;
        size_t of_tail = (size_t)n > before ? (size_t)n - before : 0;
        tail = (weir_str){tail.ptr + of_tail, tail.len - of_tail};
        until.ns = 0;
    }
    rewind_empty(c);
    return WEIR_OK;
}

weir_err weir__out_reserve(struct weir__http_conn *c, struct weir__ctx *ctx, size_t n)
{
    WEIR_ASSERT(n <= WEIR__OUT_ROOM_MAX, "output: never more than a buffer at once");
    if (WEIR_UNLIKELY(c->is_broken))
        return WEIR_ECLIENTGONE;
    if (c->out == NULL)
        c->out = weir__pool_out(c->home);
    if (WEIR_UNLIKELY(c->out == NULL))
        return -ENOMEM;
    if (WEIR_LIKELY(room_of(c->out) >= n && CAPACITY > TAIL + c->out->len))
        return WEIR_OK;
    return weir__out_flush(c, ctx, (weir_str){"", 0});
}
