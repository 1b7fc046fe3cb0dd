/*
 * The body of a request: read in pieces, read whole, or thrown away so that the next request can
 * follow. What came with the head is in the input buffer already; the rest is received straight
 * into the reader's memory where its end is known, and behind the head where it is chunked.
 *
 * The head stays where it is meanwhile: handlers have views into it. Time: each piece must come
 * within body_timeout, and all of it at no less than RATE bytes a second after that.
 */
#include "base/assert.h"
#include "http/h1/h1.h"

#include <string.h>

#define RATE 240          /* bytes a second: less is a client that holds the connection */
#define PIECE_MIN 2048u   /* less room than this in the buffer: the body moves out */
#define GROW_FIRST 49152u /* first memory for a body of unknown length: a block, which can grow */
#define TRAILERS_MAX 8192u
#define BLOCK_HEAD_MAX 64u /* what a block costs beside its bytes */

static struct weir__http_in *input(const struct weir__exchange *x)
{
    return weir__h1(x->conn)->in;
}

static size_t here(const struct weir__exchange *x)
{
    WEIR_ASSERT(input(x)->at <= input(x)->len, "B1: no more is used than has come");
    return input(x)->len - input(x)->at;
}

void weir__h1_body_begin(struct weir__exchange *x)
{
    struct weir__h1_exchange *h = weir__h1_x(x);
    if (x->head.body == WEIR_HTTP_BODY_UNSIZED)
        weir__chunked_init(&h->chunked, 0, TRAILERS_MAX);
    else if (x->head.body == WEIR_HTTP_BODY_LENGTH && x->head.content_length > 0)
        h->body_left = x->head.content_length;
    else
        return;
    x->body_state = WEIR__BODY_COMING;
    h->is_continue_due = x->head.expect_continue && x->head.minor >= 1 && here(x) == 0;
    h->body_began = x->began;
}

static bool has_length(const struct weir__exchange *x)
{
    return x->head.body == WEIR_HTTP_BODY_LENGTH;
}

bool weir__h1_body_is_too_much(const struct weir__exchange *x)
{
    const struct weir__h1_exchange *h = weir__h1_x(x);
    if (WEIR_LIKELY(x->body_state == WEIR__BODY_DONE))
        return false;
    return x->body_state == WEIR__BODY_BROKEN || h->is_continue_due || h->is_tunnel ||
           (has_length(x) && h->body_left > here(x) + x->home->server->options.drain_max);
}

/* --- receiving -------------------------------------------------------------------------------- */

static weir_err fail(struct weir__exchange *x, weir_err err)
{
    WEIR_ASSERT(err < 0, "B2: a body breaks for a reason");
    x->body_state = WEIR__BODY_BROKEN;
    weir__h1_x(x)->is_last = true;
    x->conn->is_dirty = true;
    return err;
}

static weir_err cut_short(struct weir__exchange *x)
{
    if (x->ctx != NULL)
        weir__ctx_cancel(x->ctx, WEIR_REASON_CLIENT_GONE);
    return fail(x, WEIR_ECLIENTGONE);
}

static weir_err say_continue(struct weir__exchange *x, struct weir__ctx *ctx)
{
    struct weir__http_conn *c = x->conn;
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    WEIR_ASSERT(here(x) == 0, "B2: a client is told to go on before any of the body is there");
    weir__h1_x(x)->is_continue_due = false;
    if (x->response != WEIR__RESPONSE_NONE)
        return WEIR_OK;
    weir_err err = weir__out_reserve(c, ctx, sizeof text);
    if (err != WEIR_OK)
        return err;
    struct weir__http_out *out = weir__h1(c)->out;
    memcpy(out->bytes + out->len, text, sizeof text - 1);
    out->len += (uint32_t)sizeof text - 1;
    return weir__out_flush(c, ctx, (weir_str){"", 0});
}

static weir_time patience(const struct weir__exchange *x)
{
    weir_dur piece = x->home->server->options.body_timeout;
    if (piece.ns < 0)
        return weir_never();
    weir_time whole = weir_time_add(weir__h1_x(x)->body_began, piece);
    whole = weir_time_add(whole, weir_sec((int64_t)(x->bytes_in / RATE)));
    return weir_time_min(weir_time_add(weir__self->now, piece), whole);
}

/* Receives at least a byte of the body, or why not. Waits in `ctx`. */
static ssize_t receive(struct weir__exchange *x, struct weir__ctx *ctx, void *to, size_t len)
{
    struct weir__http_conn *c = x->conn;
    struct weir__h1_exchange *h = weir__h1_x(x);
    WEIR_ASSERT(len > 0, "B1: there is room, so that nothing received means the end");
    if (WEIR_UNLIKELY(h->is_continue_due)) {
        weir_err err = say_continue(x, ctx);
        if (err != WEIR_OK)
            return fail(x, err);
    }
    h->is_reading = true;
    ssize_t n = weir__stream_recv(ctx, &c->stream, to, len, patience(x));
    h->is_reading = false;
    if (n > 0) {
        weir__counter_add(&c->home->count.bytes_in, (uint64_t)n);
        if (x->ctx != NULL)
            weir__exchange_progressed(x, (size_t)n);
        return n;
    }
    if (n == 0 || n == -ECONNRESET || n == -EPIPE)
        return cut_short(x);
    if (n == WEIR_ETIMEDOUT && ctx->reason == WEIR_REASON_NONE)
        weir__counter_add(&c->home->count.timeouts_body, 1);
    return fail(x, (weir_err)n);
}

/* --- with a length ---------------------------------------------------------------------------- */

static ssize_t read_length(struct weir__exchange *x, struct weir__ctx *ctx, char *buf, size_t len)
{
    struct weir__h1_exchange *h = weir__h1_x(x);
    struct weir__http_in *in = input(x);
    size_t have = here(x);
    ssize_t n;
    WEIR_ASSERT(h->body_left > 0, "B2: of a body that is coming something is left");
    if (len > h->body_left)
        len = (size_t)h->body_left;
    if (have > 0) {
        n = (ssize_t)(len < have ? len : have);
        memcpy(buf, in->bytes + in->at, (size_t)n);
        in->at += (uint32_t)n;
    } else {
        n = receive(x, ctx, buf, len);
        if (n < 0)
            return n;
    }
    x->bytes_in += (uint64_t)n;
    h->body_left -= (uint64_t)n;
    if (h->body_left == 0)
        x->body_state = WEIR__BODY_DONE;
    return n;
}

/* What is missing of a body: received behind its head if it fits, or into the context's memory. */
static weir_err receive_rest(struct weir__exchange *x, size_t have, size_t size, char **bytes)
{
    struct weir__http_in *in = input(x);
    char *to = in->bytes + in->at;
    if (size > x->home->server->in_bytes - in->at) {
        struct weir__arena *a = weir__ctx_arena(x->ctx);
        to = weir__arena_alloc(a, size);
        if (to == NULL)
            return fail(x, a->is_over_budget ? WEIR_EBUDGET : -ENOMEM);
        memcpy(to, in->bytes + in->at, have);
    }
    in->at = in->len;
    x->bytes_in += have;
    for (size_t got = have; got < size;) {
        ssize_t n = receive(x, x->ctx, to + got, size - got);
        if (n < 0)
            return (weir_err)n;
        got += (size_t)n;
        x->bytes_in += (size_t)n;
        if (to >= in->bytes && to <= in->bytes + x->home->server->in_bytes)
            in->at = in->len = (uint32_t)(to + got - in->bytes);
    }
    WEIR_ASSERT(x->bytes_in == x->head.content_length, "B2: as much came as was announced");
    *bytes = to;
    return WEIR_OK;
}

static weir_err read_length_all(struct weir__exchange *x, weir_str *out)
{
    struct weir__http_in *in = input(x);
    size_t size = (size_t)weir__h1_x(x)->body_left, have = here(x);
    char *to = in->bytes + in->at;
    if (WEIR_LIKELY(have >= size)) {
        in->at += (uint32_t)size;
        x->bytes_in += size;
    } else {
        weir_err err = receive_rest(x, have, size, &to);
        if (err != WEIR_OK)
            return err;
    }
    weir__h1_x(x)->body_left = 0;
    x->body_state = WEIR__BODY_DONE;
    *out = (weir_str){to, size};
    return WEIR_OK;
}

/* --- chunked ---------------------------------------------------------------------------------- */

static bool add_trailers(struct weir__exchange *x, weir_str bytes)
{
    if (x->ctx == NULL)
        return true; /* what nobody will ask for */
    WEIR_ASSERT(x->trailers_len + bytes.len <= TRAILERS_MAX, "B4: trailers are bounded");
    char *grown = weir__arena_grow(weir__ctx_arena(x->ctx), x->trailers, x->trailers_len,
                                   x->trailers_len + bytes.len);
    if (grown == NULL)
        return false;
    memcpy(grown + x->trailers_len, bytes.ptr, bytes.len);
    x->trailers = grown;
    x->trailers_len += (uint32_t)bytes.len;
    return true;
}

/*
 * The next data of what is in the buffer. 1: `out` has some; 0: none is left, or the end; below 0:
 * an error.
 */
static int next_data(struct weir__exchange *x, weir_str *out)
{
    struct weir__http_in *in = input(x);
    for (;;) {
        weir_str rest = {in->bytes + in->at, here(x)};
        int event = weir__chunked_next(&weir__h1_x(x)->chunked, &rest, out);
        in->at = (uint32_t)(rest.ptr - in->bytes);
        WEIR_ASSERT(in->at <= in->len, "B1: no more is decoded than has come");
        if (event == WEIR_CHUNKED_DATA) {
            x->bytes_in += out->len;
            return 1;
        }
        if (event == WEIR_CHUNKED_TRAILER) {
            if (!add_trailers(x, *out))
                return fail(x, -ENOMEM);
            continue;
        }
        if (event == WEIR_CHUNKED_MORE)
            return 0;
        if (event == WEIR_CHUNKED_END) {
            x->body_state = WEIR__BODY_DONE;
            return 0;
        }
        weir__counter_add(&x->home->count.malformed, 1);
        return fail(x, WEIR_EINVALID);
    }
}

static uint32_t body_base(const struct weir__exchange *x)
{
    WEIR_ASSERT(x->bytes == input(x)->bytes, "B1: a head whose body is to come lies at the front");
    return weir__h1_x(x)->head_len;
}

/* Receives more into the buffer, from offset `at` on. */
static weir_err receive_more(struct weir__exchange *x, struct weir__ctx *ctx, uint32_t at)
{
    struct weir__http_in *in = input(x);
    WEIR_ASSERT(in->at == in->len, "B1: what has come is decoded before more does");
    WEIR_ASSERT(at >= body_base(x), "B1: a body never lies over its head");
    ssize_t n = receive(x, ctx, in->bytes + at, x->home->server->in_bytes - at);
    if (n < 0)
        return (weir_err)n;
    in->at = at;
    in->len = at + (uint32_t)n;
    return WEIR_OK;
}

/* `piece` receives a view of some data, none at the end. */
static weir_err next_piece(struct weir__exchange *x, struct weir__ctx *ctx, weir_str *piece)
{
    *piece = (weir_str){"", 0};
    for (;;) {
        int n = next_data(x, piece);
        if (n < 0)
            return n;
        if (n > 0 || x->body_state == WEIR__BODY_DONE)
            return WEIR_OK;
        weir_err err = receive_more(x, ctx, body_base(x));
        if (err != WEIR_OK)
            return err;
    }
}

static ssize_t read_chunked(struct weir__exchange *x, char *buf, size_t len)
{
    struct weir__h1_exchange *h = weir__h1_x(x);
    weir_str piece = h->piece;
    if (piece.len == 0) {
        weir_err err = next_piece(x, weir__fiber_waits_in(x->ctx), &piece);
        if (err != WEIR_OK)
            return err;
    }
    size_t n = piece.len < len ? piece.len : len;
    memcpy(buf, piece.ptr, n);
    h->piece = (weir_str){piece.ptr + n, piece.len - n};
    return (ssize_t)n;
}

/*
 * A body of unknown length while it gathers: behind the head as long as there is room, then in
 * memory of the context.
 */
struct gathered {
    char *bytes;
    size_t len, cap;
    bool has_moved;
};

/*
 * Twice as much as before, but no more than may come or than the request's memory has left: what is
 * allowed of a body does not depend on how it is sent.
 */
static size_t next_cap(const struct weir__exchange *x, const struct gathered *g, size_t need,
                       uint64_t max)
{
    size_t cap = g->cap < GROW_FIRST ? GROW_FIRST : g->cap;
    while (cap < need)
        cap *= 2;
    size_t left = weir__arena_left(weir__ctx_arena(x->ctx));
    size_t most = left > BLOCK_HEAD_MAX ? left - BLOCK_HEAD_MAX : 0;
    size_t held = g->has_moved ? g->cap : 0;
    most = most < SIZE_MAX - held ? most + held : SIZE_MAX;
    if (max < most)
        most = max > GROW_FIRST ? (size_t)max : GROW_FIRST;
    if (cap > most)
        cap = most > need ? most : need; /* the arena refuses what it has no room for */
    WEIR_ASSERT(cap >= need, "B4: what is asked for is enough");
    return cap;
}

static weir_err make_room(struct weir__exchange *x, struct gathered *g, size_t n, uint64_t max)
{
    if (g->has_moved && g->cap - g->len >= n)
        return WEIR_OK;
    size_t cap = next_cap(x, g, g->len + n, max);
    struct weir__arena *a = weir__ctx_arena(x->ctx);
    char *to = weir__arena_grow(a, g->has_moved ? g->bytes : NULL, g->has_moved ? g->cap : 0, cap);
    if (to == NULL)
        return fail(x, a->is_over_budget ? WEIR_EBUDGET : -ENOMEM);
    WEIR_ASSERT(g->len + n <= cap, "B4: with what comes next it fits");
    if (!g->has_moved)
        memcpy(to, g->bytes, g->len);
    *g = (struct gathered){to, g->len, cap, true};
    return WEIR_OK;
}

static weir_err gather(struct weir__exchange *x, struct gathered *g, weir_str data, uint64_t max)
{
    if (g->len + data.len > max)
        return fail(x, WEIR_ETOOLARGE);
    if (g->has_moved) {
        weir_err err = make_room(x, g, data.len, max);
        if (err != WEIR_OK)
            return err;
    }
    WEIR_ASSERT(g->has_moved ? g->len + data.len <= g->cap : g->bytes + g->len <= data.ptr,
                "B4: what is gathered fits, or lies before what is still to be decoded");
    memmove(g->bytes + g->len, data.ptr, data.len);
    g->len += data.len;
    return WEIR_OK;
}

static weir_err read_chunked_all(struct weir__exchange *x, uint64_t max, weir_str *out)
{
    struct weir__http_in *in = input(x);
    struct gathered g = {in->bytes + in->at, 0, 0, false};
    for (;;) {
        weir_str data;
        int more;
        while ((more = next_data(x, &data)) > 0) {
            weir_err err = gather(x, &g, data, max);
            if (err != WEIR_OK)
                return err;
        }
        if (more < 0)
            return more;
        if (x->body_state == WEIR__BODY_DONE)
            break;
        uint32_t at = g.has_moved ? body_base(x) : (uint32_t)(g.bytes + g.len - in->bytes);
        if (!g.has_moved && x->home->server->in_bytes - at < PIECE_MIN) {
            weir_err err = make_room(x, &g, 1, max);
            if (err != WEIR_OK)
                return err;
            at = body_base(x);
        }
        weir_err err = receive_more(x, x->ctx, at);
        if (err != WEIR_OK)
            return err;
    }
    *out = (weir_str){g.bytes, g.len};
    return WEIR_OK;
}

/* --- for handlers ----------------------------------------------------------------------------- */

/* After an upgrade: what has come already, then what comes, until the peer ends. */
static ssize_t read_tunnel(struct weir__exchange *x, char *buf, size_t len)
{
    struct weir__http_in *in = input(x);
    size_t have = here(x);
    ssize_t n;
    WEIR_ASSERT(x->head.body == WEIR_HTTP_BODY_NONE, "B5: who asks for a tunnel has no body");
    WEIR_ASSERT(weir__h1_x(x)->is_last, "O5: a connection that was handed over ends with it");
    if (have > 0) {
        n = (ssize_t)(len < have ? len : have);
        memcpy(buf, in->bytes + in->at, (size_t)n);
        in->at += (uint32_t)n;
    } else {
        struct weir__h1_exchange *h = weir__h1_x(x);
        h->is_reading = true;
        n = weir__stream_recv(x->ctx, &x->conn->stream, buf, len, weir_never());
        h->is_reading = false;
    }
    if (n == 0)
        x->body_state = WEIR__BODY_DONE;
    else if (n < 0)
        return n == -ECONNRESET || n == -EPIPE ? cut_short(x) : (ssize_t)fail(x, (weir_err)n);
    weir__exchange_progressed(x, (size_t)n);
    x->bytes_in += (uint64_t)n;
    return n;
}

ssize_t weir__h1_read(struct weir__exchange *x, void *buf, size_t len)
{
    if (WEIR_UNLIKELY(weir__h1_x(x)->is_tunnel))
        return read_tunnel(x, buf, len);
    return has_length(x) ? read_length(x, weir__fiber_waits_in(x->ctx), buf, len)
                         : read_chunked(x, buf, len);
}

weir_err weir__h1_read_all(struct weir__exchange *x, uint64_t max, weir_str *out)
{
    const struct weir__h1_exchange *h = weir__h1_x(x);
    if (h->is_tunnel)
        return WEIR_EINVALID; /* it has no end to wait for */
    if (!has_length(x))
        return read_chunked_all(x, max, out);
    if (h->body_left > max)
        return weir__h1_body_is_too_much(x) ? fail(x, WEIR_ETOOLARGE) : WEIR_ETOOLARGE;
    return read_length_all(x, out);
}

bool weir__h1_body_drain(struct weir__exchange *x)
{
    struct weir__ctx *root = x->home->worker->root;
    char scratch[4096];
    uint64_t max = x->home->server->options.drain_max, done = 0;
    WEIR_ASSERT(x->ctx == NULL, "N2: what nobody reads is thrown away when its context has ended");
    if (weir__h1_body_is_too_much(x))
        return false;
    weir__h1_x(x)->body_began = weir__self->now;
    while (x->body_state == WEIR__BODY_COMING && has_length(x) &&
           done <= max + WEIR__HTTP_IN_SPARE) {
        ssize_t n = read_length(x, root, scratch, sizeof scratch);
        if (n < 0)
            return false;
        done += (uint64_t)n;
    }
    while (x->body_state == WEIR__BODY_COMING && done <= max) {
        weir_str piece;
        if (next_piece(x, root, &piece) != WEIR_OK)
            return false;
        done += piece.len;
    }
    return x->body_state == WEIR__BODY_DONE;
}
