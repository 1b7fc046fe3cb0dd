/*
 * A connection of HTTP/2: bytes in, its ends, and what it does about a peer that does not get on.
 * All of it runs on the worker's own stack.
 *
 * The hard thing is who may free it. Fibers of its streams go on after the session has ended, and
 * a fiber that ends may be the last reason for the connection to be there, in the middle of what it
 * does with other streams. So nothing is freed but by `settle`, which waits for both.
 */
#include "http/h2/h2.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define RECEIVES_MAX 8 /* before others have their turn */
#define GOING_MS 1000  /* what is on its way comes within that */
#define AGE_S 3600     /* and up to a tenth more, so that not all go at once */
#define LOOK_MS 1000   /* how often who is late is looked at, at most */

/* --- ends ------------------------------------------------------------------------------------- */

static void free_it(struct weir__h2 *h)
{
    struct weir__http_conn *c = h->conn;
    WEIR_ASSERT(h->count == 0 && h->is_over, "H5: a connection goes after its streams");
    WEIR_ASSERT(!weir__timer_armed(&h->stall) && !weir__timer_armed(&h->going),
                "H14: after the end of a session nothing is due");
    memset(c->own, 0, sizeof c->own);
    weir__free(h);
}

/* The last answer has left, and its peer may be sending still. */
static void leave(struct weir__h2 *h)
{
    struct weir__http_conn *c = h->conn;
    WEIR_ASSERT(!h->is_busy, "H5: nobody is at work with what goes");
    if (c->state == WEIR__CONN_ACTIVE)
        weir__gauge_add(&c->home->count.active, -1);
    free_it(h);
    c->is_dirty = true;
    weir__conn_finish(c);
}

void weir__h2_settle(struct weir__h2 *h)
{
    struct weir__http_conn *c = h->conn;
    if (h->is_busy || h->count > 0)
        return;
    WEIR_ASSERT(h->running == 0 && h->unread == 0 && h->kept == 0 && h->unsent == 0 &&
                    h->heads == 0 && h->lingering == 0,
                "H8: a connection counts what its streams have");
    WEIR_ASSERT(weir__list_empty(&h->ready) && weir__list_empty(&h->due),
                "H9: in a line there are exchanges of the connection");
    if (h->is_over) {
        leave(h);
    } else if (c->state == WEIR__CONN_ACTIVE) {
        weir__gauge_add(&c->home->count.active, -1);
        weir__conn_rest(c, false);
        if (c->home->is_drained)
            weir__h2_go(h);
    }
}

static void count_end(const struct weir__h2 *h)
{
    struct weir__http_counters *n = &h->conn->home->count;
    WEIR_ASSERT(h->is_over && h->session.lib != NULL, "H14: a session ends once");
    if (h->session.is_calmed)
        weir__counter_add(&n->floods, 1);
    else if (weir__h2_code_blames_peer(h->session.goaway_code))
        weir__counter_add(&n->protocol_errors, 1);
}

void weir__h2_over(struct weir__h2 *h)
{
    if (h->is_over)
        return;
    bool was_busy = h->is_busy;
    h->is_over = h->is_busy = true;
    h->conn->is_closing = true;
    count_end(h);
    weir__timer_disarm(&h->stall);
    weir__timer_disarm(&h->going);
    weir__h2_session_fini(&h->session);
    WEIR_LIST_EACH(node, &h->streams)
        weir__h2_stream_over(WEIR_CONTAINER(node, struct weir__h2_stream, in_conn));
    WEIR_ASSERT(h->running == h->count, "H14: after the end of a session there are fibers alone");
    h->is_busy = was_busy;
    weir__h2_settle(h);
}

/* --- going ------------------------------------------------------------------------------------ */

static void on_going(struct weir__timer *t)
{
    struct weir__h2 *h = WEIR_CONTAINER(t, struct weir__h2, going);
    WEIR_ASSERT(h->is_going && !h->is_over, "H14: it is said a second time while it goes");
    weir__h2_session_goaway(&h->session, WEIR_H2_NO_ERROR);
}

void weir__h2_go(struct weir__h2 *h)
{
    struct weir__worker *w = h->conn->home->worker;
    if (h->is_over || h->is_going)
        return;
    WEIR_ASSERT(!weir__timer_armed(&h->going), "H14: it is asked to go once");
    h->is_going = true;
    weir__counter_add(&h->conn->home->count.goaways, 1);
    if (h->count == 0) { /* whatever is on its way has not been looked at, and may be tried again */
        weir__h2_session_goaway(&h->session, WEIR_H2_NO_ERROR);
        return;
    }
    weir__h2_session_notice(&h->session);
    weir__timer_arm(&w->wheel, &h->going, weir_time_add(w->now, weir_ms(GOING_MS)));
}

/* --- who is late ------------------------------------------------------------------------------ */

static bool is_late(weir_time now, weir_time since, weir_dur patience)
{
    return patience.ns > 0 && now.ns - since.ns >= patience.ns;
}

static bool has_unsent(const struct weir__h2_stream *s)
{
    return (s->out != NULL && s->out->len > s->out->at) || s->tail.len > 0;
}

/* True: the connection has ended. */
static bool look_at_stream(struct weir__h2 *h, struct weir__h2_stream *s, weir_time now)
{
    struct weir__http_worker *home = h->conn->home;
    const struct weir__http_server_options *o = &home->server->options;
    WEIR_ASSERT(!s->is_lingering || (!s->is_running && s->is_all_left),
                "H15: who lingers has been answered whole");
    if (!s->is_head_whole && !s->is_too_slow && is_late(now, s->moved_at, o->head_timeout)) {
        s->is_too_slow = true;
        weir__counter_add(&home->count.timeouts_head, 1);
        weir__h2_session_terminate(&h->session, WEIR_H2_ENHANCE_YOUR_CALM);
        return true;
    }
    if (s->is_lingering && is_late(now, s->moved_at, o->linger_timeout))
        weir__h2_linger_end(s);
    if (has_unsent(s) && s->is_submitted && s->id != 0 &&
        is_late(now, s->moved_at, o->write_timeout))
        weir__h2_stream_stalled(s);
    return false;
}

static void on_stall(struct weir__timer *t)
{
    struct weir__h2 *h = WEIR_CONTAINER(t, struct weir__h2, stall);
    struct weir__http_conn *c = h->conn;
    const struct weir__http_server_options *o = &c->home->server->options;
    weir_time now = c->home->worker->now;
    bool is_over = false;
    WEIR_ASSERT(!h->is_over && !h->is_busy,
                "H14: who is late is looked at while there is a session");
    h->is_busy = true;
    WEIR_LIST_EACH(node, &h->streams)
        is_over = is_over ||
                  look_at_stream(h, WEIR_CONTAINER(node, struct weir__h2_stream, in_conn), now);
    h->is_busy = false;
    if (weir__h2_session_has_rest(&h->session) && is_late(now, h->got_on, o->write_timeout)) {
        weir__counter_add(&c->home->count.timeouts_write, 1);
        c->is_reset_due = true;
        weir__h2_over(h);
        return;
    }
    weir__h2_watch(h);
}

static int64_t part_of(weir_dur patience)
{
    return patience.ns > 0 ? patience.ns / 4 : INT64_MAX;
}

void weir__h2_watch(struct weir__h2 *h)
{
    const struct weir__http_server_options *o = &h->conn->home->server->options;
    struct weir__worker *w = h->conn->home->worker;
    WEIR_ASSERT(!h->is_over, "H14: after the end of a session nothing is due");
    bool is_due =
        h->heads > 0 || h->lingering > 0 || h->unsent > 0 || weir__h2_session_has_rest(&h->session);
    if (!is_due || weir__timer_armed(&h->stall))
        return;
    int64_t head = part_of(o->head_timeout), write = part_of(o->write_timeout);
    int64_t wait = LOOK_MS * 1000000LL;
    wait = head < wait ? head : wait;
    wait = write < wait ? write : wait;
    weir__timer_arm(&w->wheel, &h->stall, weir_time_add(w->now, weir_ns(wait + 1)));
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* What the socket has given; 0: its end, below 0: why not. */
static ssize_t receive_all(struct weir__h2 *h, struct weir__http_in *in)
{
    struct weir__http_conn *c = h->conn;
    struct weir__http_server *server = c->home->server;
    for (int i = 0; i < RECEIVES_MAX; i++) {
        ssize_t n = weir__stream_try_recv(&c->stream, in->bytes, server->in_bytes);
        if (n <= 0)
            return n;
        weir__counter_add(&c->home->count.bytes_in, (uint64_t)n);
        if (!weir__h2_session_feed(&h->session, in->bytes, (size_t)n))
            return -EAGAIN;
        if (!weir__stream_has_more(&c->stream)) /* an end that came along makes no event any more */
            return weir__stream_is_over(&c->stream) ? 0 : -EAGAIN;
    }
    return weir__stream_again(&c->stream) == WEIR_OK ? -EAGAIN : -ENOMEM;
}

/* The peer's settings end its opening; from then on it may be idle. */
static void note_settings(struct weir__h2 *h)
{
    struct weir__http_conn *c = h->conn;
    if (h->is_open || !h->session.has_settings || h->is_over)
        return;
    h->is_open = true;
    if (c->state == WEIR__CONN_REST)
        weir__idle_due(c, weir__idle_after(c->home, c->home->idle_ticks));
}

static void receive(struct weir__h2 *h)
{
    struct weir__http_conn *c = h->conn;
    struct weir__http_in *in = weir__pool_in(c->home);
    WEIR_ASSERT(!h->is_busy && !h->is_over, "H3: bytes are not read while others are made");
    h->is_busy = true;
    ssize_t n = in != NULL ? receive_all(h, in) : -ENOMEM;
    if (in != NULL)
        weir__pool_give_in(c->home, in);
    note_settings(h);
    weir__h2_start(h);
    h->is_busy = false;
    if (n != -EAGAIN) {
        c->is_broken = c->is_broken || n < 0;
        weir__h2_over(h);
        return;
    }
    if (h->running == 0 && !h->is_over && weir__h2_session_end_turn(&h->session))
        return; /* all is answered: it leaves before the next connection takes buffers of its own */
    if (!h->is_over)
        weir__h2_watch(h);
    weir__h2_settle(h);
}

static void on_ready(struct weir__http_conn *c)
{
    struct weir__h2 *h = weir__h2(c);
    if (h->is_over)
        return;
    weir__h2_session_on_room(&h->session);
    if (weir__stream_is_broken(&c->stream)) {
        c->is_broken = true;
        weir__h2_over(h);
    } else {
        receive(h);
    }
}

/* --- its beginning ---------------------------------------------------------------------------- */

/* One for all connections of the worker; it lives as long as its part of the server. */
static struct weir__h2_gather *gather_of(struct weir__http_worker *home)
{
    if (home->gather == NULL) {
        home->gather = weir__malloc(sizeof(struct weir__h2_gather));
        if (home->gather != NULL)
            ((struct weir__h2_gather *)home->gather)->len = 0;
    }
    return home->gather;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void set_limits(struct weir__h2 *h)
{
    const struct weir__http_server_options *o = &h->conn->home->server->options;
    h->limits = (struct weir__h2_fields_limits){
        .bytes_max = least(o->head_bytes_max, WEIR__H2_FIELDS_BYTES_MAX),
        .path_bytes_max = o->line_bytes_max,
        .fields_max = least(o->fields_max, WEIR_HTTP_FIELDS_MAX)};
}

/* Spread by where the struct lies, which differs enough for that. */
static weir_time old_at(const struct weir__h2 *h)
{
    uint64_t spread = ((uint64_t)(uintptr_t)h >> 6) * 0x9e3779b97f4a7c15u >> 54; /* of 1,024 */
    int64_t more = (int64_t)spread * AGE_S / 10 / 1024;
    return weir_time_add(h->conn->home->worker->now, weir_sec(AGE_S + more));
}

static struct weir__h2 *new_h2(struct weir__http_conn *c)
{
    struct weir__h2_gather *gather = gather_of(c->home);
    struct weir__h2 *h = gather != NULL ? weir__calloc(1, sizeof *h) : NULL;
    if (h == NULL)
        return NULL;
    h->conn = c;
    set_limits(h);
    h->old_at = old_at(h);
    weir__list_init(&h->streams);
    weir__list_init(&h->ready);
    weir__list_init(&h->due);
    weir__timer_init(&h->stall, on_stall);
    weir__timer_init(&h->going, on_going);
    const struct weir__h2_session_options options = {.ops = &weir__h2_session_ops,
                                                     .stream = &c->stream,
                                                     .gather = gather,
                                                     .streams_max = WEIR__H2_STREAMS_MAX,
                                                     .stream_window = WEIR__H2_STREAM_WINDOW,
                                                     .connection_window =
                                                         WEIR__H2_CONNECTION_WINDOW,
                                                     .fields_bytes_max = h->limits.bytes_max};
    if (weir__h2_session_init(&h->session, &options) == WEIR_OK)
        return h;
    weir__free(h);
    return NULL;
}

static void take_over(struct weir__http_conn *c, weir_str bytes)
{
    struct weir__h2 *h = new_h2(c);
    if (h == NULL) {
        weir__conn_close(c);
        return;
    }
    WEIR_ASSERT(weir__h2(c) == NULL, "H5: a connection has one session");
    *(struct weir__h2 **)(void *)c->own = h;
    weir__conn_rest(c, false);
    weir__idle_due(c, weir__idle_after(c->home, c->home->head_ticks));
    h->got_on = c->home->worker->now;
    h->is_busy = true;
    bool is_talking = bytes.len == 0 || weir__h2_session_feed(&h->session, bytes.ptr, bytes.len);
    note_settings(h);
    weir__h2_start(h);
    h->is_busy = false;
    if (is_talking && !h->is_over && weir__stream_has_more(&c->stream)) {
        receive(h);
        return;
    }
    if (!h->is_over)
        weir__h2_watch(h);
    weir__h2_settle(h);
}

/* --- as a whole ------------------------------------------------------------------------------- */

static void timed_out(struct weir__http_conn *c)
{
    struct weir__h2 *h = weir__h2(c);
    if (h->is_going)
        weir__h2_over(h); /* it was asked to go, and did not */
    else
        weir__h2_go(h);
}

static void drain(struct weir__http_conn *c)
{
    weir__h2_go(weir__h2(c));
}

static void cancel(struct weir__http_conn *c, weir_reason reason)
{
    struct weir__h2 *h = weir__h2(c);
    WEIR_LIST_EACH(node, &h->streams) {
        struct weir__h2_stream *s = WEIR_CONTAINER(node, struct weir__h2_stream, in_conn);
        struct weir__exchange *x = weir__h2_exchange(s);
        if (s->is_running && x->ctx != NULL && x->ctx->reason == WEIR_REASON_NONE)
            weir__ctx_cancel(x->ctx, reason);
    }
    if (h->running == 0)
        weir__h2_over(h);
    else
        weir__h2_go(h);
}

static void cut(struct weir__http_conn *c)
{
    c->is_closing = c->is_broken = true;
    weir__h2_over(weir__h2(c));
}

static void release(struct weir__http_conn *c)
{
    WEIR_ASSERT(weir__h2(c) == NULL, "H5: a connection goes after its streams");
}

static void each(struct weir__http_conn *c, void (*fn)(struct weir__exchange *x, void *arg),
                 void *arg)
{
    struct weir__h2 *h = weir__h2(c);
    WEIR_LIST_EACH(node, &h->streams) {
        struct weir__exchange *x =
            weir__h2_exchange(WEIR_CONTAINER(node, struct weir__h2_stream, in_conn));
        WEIR_ASSERT(x->conn == c, "H5: an exchange is in its own connection's list");
        if (weir__h2_x(x)->is_running && x->ctx != NULL)
            fn(x, arg);
    }
}

const struct weir__http_version weir__h2_version = {
    .name = "HTTP/2",
    .on_ready = on_ready,
    .take_over = take_over,
    .timed_out = timed_out,
    .drain = drain,
    .cancel = cancel,
    .cut = cut,
    .release = release,
    .each = each,
};
