/*
 * Streams: from their first field to the end of their fiber. The session tells what has come; a
 * request whose fields are whole is put in line, and its fiber started when all that was received
 * at once has been read: so its body is often there, and who opens streams to reset them at once
 * costs no fiber.
 *
 * The hard thing is that a stream and its fiber end in either order. The session forgets a stream
 * when that is over (id 0), the fiber its exchange when the handler has returned; who comes last
 * gives the exchange back.
 */
#include "http/h2/h2.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "rt/context.h"
#include "rt/panic.h"

#define BOMB 4u                /* times the limit of a block: who sends so much means no request */
#define BALANCE_REQUESTS 1024u /* so often the load of the other workers is looked at … */
#define BALANCE_STREAMS 16     /* … and by whom has more than so many */

static struct weir__h2 *h2_of(struct weir__h2_session *s)
{
    return WEIR_CONTAINER(s, struct weir__h2, session);
}

/* --- the two ends ----------------------------------------------------------------------------- */

/* Neither the stream nor the fiber is there any more. */
static void free_stream(struct weir__h2_stream *s)
{
    struct weir__exchange *x = weir__h2_exchange(s);
    struct weir__h2 *h = weir__h2_of(s);
    WEIR_ASSERT(s->id == 0 && !s->is_running,
                "H5: an exchange ends after its stream and its fiber");
    WEIR_ASSERT(weir__list_empty(&s->readers) && weir__list_empty(&s->writers),
                "H5: for a stream that is gone nobody waits");
    weir__list_remove(&s->in_conn);
    weir__list_remove(&s->in_queue);
    WEIR_ASSERT(h->count > 0 && h->lingering >= s->is_lingering,
                "H8: a connection counts what its streams have");
    h->count--;
    h->lingering -= s->is_lingering;
    weir__h2_body_drop(s);
    weir__h2_response_drop(s);
    weir__h2_fields_fini(&s->fields);
    weir__free(s->text);
    weir__pool_give_exchange(x->home, x);
    weir__h2_settle(h);
}

void weir__h2_stream_over(struct weir__h2_stream *s)
{
    struct weir__exchange *x = weir__h2_exchange(s);
    if (s->id == 0)
        return;
    WEIR_ASSERT(!weir__list_empty(&s->in_conn), "H5: an exchange is in its connection's list");
    WEIR_ASSERT(s->is_head_whole || weir__h2_of(s)->heads > 0,
                "H8: a connection counts what its streams have");
    s->id = 0;
    weir__h2_of(s)->heads -= !s->is_head_whole;
    s->is_head_whole = true;
    if (!s->is_running) {
        free_stream(s);
        return;
    }
    bool is_waited_for = x->response != WEIR__RESPONSE_WHOLE && x->response != WEIR__RESPONSE_CUT;
    if (is_waited_for && x->ctx != NULL && x->ctx->reason == WEIR_REASON_NONE)
        weir__ctx_cancel(x->ctx, WEIR_REASON_CLIENT_GONE);
    weir__h2_wake(&s->readers);
    weir__h2_wake(&s->writers);
}

void weir__h2_stream_stalled(struct weir__h2_stream *s)
{
    struct weir__exchange *x = weir__h2_exchange(s);
    struct weir__h2 *h = weir__h2_of(s);
    if (s->is_too_slow)
        return;
    WEIR_ASSERT(s->id != 0 && s->is_submitted,
                "H6: who does not fetch a response has been sent it");
    s->is_too_slow = true;
    weir__counter_add(&x->home->count.timeouts_write, 1);
    weir__h2_session_reset(&h->session, s->id, WEIR_H2_CANCEL, true);
    weir__h2_wake(&s->writers);
}

/* --- the fiber -------------------------------------------------------------------------------- */

/* The handler is done, and so is what it may have said: the rest of its body is of no use. */
static void end_response(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    struct weir__h2_session *session = &weir__h2(x->conn)->session;
    if (s->id == 0)
        return;
    WEIR_ASSERT(!weir__exchange_is_begun(x) || weir__exchange_is_whole(x) ||
                    weir__exchange_is_cut(x),
                "H6: a response is whole at the end, or cut, or there is none");
    if (x->response == WEIR__RESPONSE_WHOLE && !s->is_submitted)
        weir__h2_submit(x);
    else if (x->response == WEIR__RESPONSE_NONE)
        weir__h2_session_reset(session, s->id, WEIR_H2_CANCEL, false);
}

static void finish(void *arg)
{
    struct weir__exchange *x = arg;
    weir__exchange_settle(x);
    end_response(x);
    weir__exchange_close(x);
}

static void leave(struct weir__exchange *x)
{
    struct weir__h2_stream *s = weir__h2_x(x);
    WEIR_ASSERT(s->is_running && weir__h2(x->conn)->running > 0,
                "H8: a connection counts what its streams have");
    WEIR_ASSERT(x->ctx == NULL, "H5: a fiber ends when its request's context has");
    s->is_running = false;
    weir__h2(x->conn)->running--;
    weir__gauge_add(&x->home->count.streams, -1);
    weir__h2_body_drop(s);
    if (s->id == 0)
        free_stream(s);
    else
        weir__h2_linger(s);
}

static void panicked(struct weir__fiber *f, const struct weir__panic_info *info)
{
    struct weir__exchange *x = f->arg;
    WEIR_ASSERT(weir__h2_x(x)->is_running, "H5: a fiber that panics has its exchange");
    weir__counter_add(&x->home->count.panics, 1);
    if (x->ctx != NULL)
        (void)weir__exchange_panicked(x, info, finish, x);
    leave(x);
}

static void serve(void *arg)
{
    struct weir__exchange *x = arg;
    struct weir__h2_stream *s = weir__h2_x(x);
    x->home->worker->current->panicked = panicked;
    if (weir__exchange_open(x)) {
        weir__h2_body_begin(x);
        weir__exchange_answer(x);
        finish(x);
    } else if (s->id != 0) {
        weir__h2_session_reset(&weir__h2(x->conn)->session, s->id, WEIR_H2_REFUSED_STREAM, false);
    }
    leave(x);
}

void weir__h2_start(struct weir__h2 *h)
{
    struct weir__list *node;
    struct weir__worker *w = h->conn->home->worker;
    while ((node = weir__list_pop_front(&h->ready)) != NULL) {
        struct weir__h2_stream *s = WEIR_CONTAINER(node, struct weir__h2_stream, in_queue);
        struct weir__exchange *x = weir__h2_exchange(s);
        WEIR_ASSERT(s->is_head_whole && s->id != 0 && !s->is_running,
                    "H5: a fiber starts once, when the fields of its stream have come");
        s->is_running = true;
        h->running++;
        WEIR_ASSERT(h->running <= h->count, "H8: no more fibers run than there are exchanges");
        weir__gauge_add(&x->home->count.streams, 1);
        if (weir__fiber_run_now(w, serve, x, "request", NULL))
            continue;
        weir__h2_session_reset(&h->session, s->id, WEIR_H2_REFUSED_STREAM, false);
        leave(x);
    }
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* A second fiber has the first one's reads or writes in the middle of its own. */
static void be_the_only_one(const struct weir__list *waiters)
{
    if (WEIR_UNLIKELY(!weir__list_empty(waiters)))
        weir__misuse("a request", "another fiber waits for the same: one fiber at a time reads its "
                                  "body, and one writes its response");
}

/* It waits as before, elsewhere. */
static void moved(struct weir__wait *w, struct weir__wait *from)
{
    WEIR_ASSERT(!weir__list_empty(&from->in_object), "H5: who moves was the one that waits");
    weir__list_replace(&from->in_object, &w->in_object);
}

weir_err weir__h2_wait(struct weir__exchange *x, struct weir__list *waiters, weir_time until)
{
    /* Of who writes, the session takes memory while that waits: it stays where it is (H7). */
    static const struct weir__wait_type reads = {.name = "stream", .moved = moved},
                                        writes = {.name = "stream"};
    struct weir__wait wait;
    struct weir__ctx *c = weir__fiber_waits_in(x->ctx);
    WEIR_ASSERT(weir__h2_x(x)->is_running, "H5: who waits for a stream belongs to its fiber");
    be_the_only_one(waiters);
    weir_err err = weir__ctx_check(c);
    if (err != WEIR_OK)
        return weir__wait_refused(err);
    weir__wait_init(&wait, waiters == &weir__h2_x(x)->readers ? &reads : &writes, c, NULL,
                    weir__h2_x(x));
    weir__list_push_back(waiters, &wait.in_object);
    return weir__park(&wait, until);
}

/* --- a new one -------------------------------------------------------------------------------- */

static void wake_up(struct weir__h2 *h)
{
    struct weir__http_conn *c = h->conn;
    WEIR_ASSERT(h->count > 0 && !h->is_over, "H5: who is at work has an exchange");
    if (c->state == WEIR__CONN_ACTIVE)
        return;
    c->state = WEIR__CONN_ACTIVE;
    weir__gauge_add(&c->home->count.active, 1);
}

/* A worker that would have, with the streams of this connection, half of what this one has. */
static bool is_better_elsewhere(const struct weir__h2 *h)
{
    const struct weir__http_worker *home = h->conn->home;
    const struct weir__http_server *s = home->server;
    int64_t mine = h->running, own = weir__gauge_read(&home->count.streams);
    bool is_better = false;
    WEIR_ASSERT(own >= mine, "H8: a worker's streams are those of its connections");
    for (unsigned i = s->first; i < s->first + s->count && own > BALANCE_STREAMS; i++) {
        int64_t there = weir__gauge_read(&s->homes[i]->count.streams);
        is_better = is_better || (s->homes[i] != home && 2 * (there + mine) <= own);
    }
    return is_better;
}

static void count_request(struct weir__h2 *h)
{
    struct weir__http_conn *c = h->conn;
    int64_t max = c->home->server->options.requests_max;
    c->requests++;
    bool is_enough = max > 0 && c->requests / WEIR__H2_STREAMS_MAX >= max;
    bool is_to_move = c->requests % BALANCE_REQUESTS == 0 && is_better_elsewhere(h);
    if (WEIR_UNLIKELY(is_enough || is_to_move || c->home->is_ending ||
                      c->home->worker->now.ns >= h->old_at.ns))
        weir__h2_go(h);
}

static void *begin(struct weir__h2_session *session, int32_t id)
{
    struct weir__h2 *h = h2_of(session);
    struct weir__http_worker *home = h->conn->home;
    WEIR_ASSERT(id > 0 && !h->is_over, "H4: of a session that has ended nothing is told");
    bool is_too_much = h->count >= WEIR__H2_STREAMS_MAX || session->is_calmed;
    struct weir__exchange *x = is_too_much ? NULL : weir__pool_exchange(home);
    if (x == NULL) {
        weir__counter_add(&home->count.streams_refused, 1);
        return NULL;
    }
    struct weir__h2_stream *s = weir__h2_x(x);
    *s = (struct weir__h2_stream){.id = id, .moved_at = home->worker->now};
    x->ops = &weir__h2_ops;
    x->conn = h->conn;
    x->home = home;
    x->ctx = NULL;
    x->bytes = "";
    x->response = WEIR__RESPONSE_NONE;
    x->is_refused = false;
    weir__list_init(&s->in_queue);
    weir__list_init(&s->readers);
    weir__list_init(&s->writers);
    weir__list_init(&s->in_conn);
    weir__list_push_back(&h->streams, &s->in_conn);
    weir__h2_fields_init(&s->fields, &x->head, &h->limits, NULL, 0);
    h->count++;
    h->heads++;
    WEIR_ASSERT(h->heads <= h->count && h->count <= WEIR__H2_STREAMS_MAX,
                "H8: a connection has so many exchanges, and no more heads that come");
    wake_up(h);
    count_request(h);
    return s;
}

static void block(struct weir__h2_session *session, void *of)
{
    struct weir__h2_stream *s = of;
    WEIR_ASSERT(s->is_head_whole, "H5: trailers follow a head");
    WEIR_ASSERT(s->id != 0, "H4: of a stream that is over nothing is told");
    weir__h2_fields_fini(&s->fields);
    weir__h2_fields_init(&s->fields, NULL, &h2_of(session)->limits, NULL, 0);
}

static void field(struct weir__h2_session *session, void *of, weir_str name, weir_str value)
{
    struct weir__h2_stream *s = of;
    WEIR_ASSERT(s->id != 0, "H4: of a stream that is over nothing is told");
    weir__h2_fields_add(&s->fields, name, value);
    if (WEIR_UNLIKELY(s->fields.counted > BOMB * s->fields.limits->bytes_max))
        weir__h2_session_calm(session);
}

/* --- its fields and its body ------------------------------------------------------------------ */

/* Nothing is begun for a stream that is about to be reset. */
static void doomed(struct weir__h2_session *session, void *of)
{
    struct weir__h2_stream *s = of;
    (void)session;
    if (!s->is_running)
        weir__list_remove(&s->in_queue);
}

/* It is reset; nobody is asked whose fiber has not started. */
static void malformed(struct weir__h2_session *session, struct weir__h2_stream *s)
{
    WEIR_ASSERT(s->id != 0, "H4: a stream that is over is not reset");
    doomed(session, s);
    weir__counter_add(&weir__h2_exchange(s)->home->count.malformed, 1);
    weir__h2_session_reset(session, s->id, WEIR_H2_PROTOCOL_ERROR, true);
}

/* A request that is not served, but answered. Of its head the method is kept. */
static void refuse(struct weir__exchange *x, int err)
{
    uint8_t method = x->head.method;
    weir__counter_add(&x->home->count.malformed, 1);
    weir__http_head_init(&x->head);
    x->head.method = method;
    weir__exchange_refuse(x, weir__h2_fields_status(err), weir__h2_fields_text(err));
}

/* RFC 9110 section 7.4: not without TLS. */
static void refuse_https_on_plain(struct weir__exchange *x)
{
    if (WEIR_UNLIKELY(x->head.is_https) && !weir__tls_is_on(&x->conn->stream))
        weir__exchange_refuse(x, 421, "an https URL on a connection without TLS");
}

static void head_end(struct weir__h2 *h, struct weir__h2_stream *s, bool is_end)
{
    struct weir__exchange *x = weir__h2_exchange(s);
    int err = weir__h2_fields_end(&s->fields, is_end);
    WEIR_ASSERT(h->heads > 0 && s->text == NULL, "H8: a connection counts what its streams have");
    WEIR_ASSERT(!s->is_head_whole && !s->is_running,
                "H5: a head ends once, before its fiber starts");
    s->is_head_whole = true;
    h->heads--;
    s->is_body_whole = is_end;
    s->text = s->fields.own; /* it goes on as the exchange's; the builder begins anew */
    s->text_len = s->text != NULL ? s->fields.len : 0;
    x->bytes = s->text != NULL ? s->text : "";
    s->fields = (struct weir__h2_fields){.head = NULL};
    if (err != 0 && weir__h2_fields_status(err) == 0) {
        malformed(&h->session, s);
        return;
    }
    if (err != 0)
        refuse(x, err);
    else
        refuse_https_on_plain(x);
    WEIR_ASSERT(weir__list_empty(&s->in_queue), "H9: it is put into one line, once");
    weir__list_push_back(&h->ready, &s->in_queue);
}

static void body_end(struct weir__h2_session *session, struct weir__h2_stream *s)
{
    if (!weir__h2_body_end(s))
        malformed(session, s);
}

/* Trailers end a body; kept as the text that they are, until it has been read. */
static void trailers_end(struct weir__h2_session *session, struct weir__h2_stream *s, bool is_end)
{
    if (!is_end || weir__h2_fields_end(&s->fields, true) != 0)
        malformed(session, s);
    else
        body_end(session, s);
}

static void fields_end(struct weir__h2_session *session, void *of, bool is_end)
{
    struct weir__h2_stream *s = of;
    WEIR_ASSERT(s->id != 0, "H4: of a stream that is over nothing is told");
    if (s->is_head_whole)
        trailers_end(session, s, is_end);
    else
        head_end(h2_of(session), s, is_end);
}

static void data(struct weir__h2_session *session, void *of, weir_str bytes)
{
    WEIR_ASSERT(((struct weir__h2_stream *)of)->is_head_whole, "H5: a body follows a head");
    if (!weir__h2_body_add(of, bytes))
        malformed(session, of);
}

static void data_end(struct weir__h2_session *session, void *of)
{
    WEIR_ASSERT(((struct weir__h2_stream *)of)->is_head_whole, "H5: a body follows a head");
    body_end(session, of);
}

/* --- its response ----------------------------------------------------------------------------- */

static struct weir__h2_supply supply(struct weir__h2_session *session, void *of)
{
    struct weir__h2_stream *s = of;
    struct weir__h2_supply has = weir__h2_supply(s);
    WEIR_ASSERT(s->is_submitted && h2_of(session)->unsent >= has.len,
                "H8: a connection counts what its streams have");
    s->is_put_off = has.len == 0 && !has.is_end;
    return has;
}

static void take(struct weir__h2_session *session, void *of, char *to, size_t n)
{
    WEIR_ASSERT(h2_of(session)->is_busy, "H3: frames are made within a flush");
    weir__h2_take(of, to, n);
}

static void begun(struct weir__h2_session *session, void *of)
{
    (void)session;
    weir__h2_head_left(of);
}

static void trail(struct weir__h2_session *session, void *of)
{
    (void)session;
    weir__h2_trail(of);
}

static void left(struct weir__h2_session *session, void *of)
{
    struct weir__h2_stream *s = of;
    WEIR_ASSERT(s->is_submitted && !s->is_all_left, "H6: a response is submitted once");
    s->is_all_left = true;
    if (!weir__h2_exchange(s)->is_refused)
        weir__h2_budget_answered(&session->budget);
    weir__h2_linger(s);
}

static void closed(struct weir__h2_session *session, void *of, uint32_t code, bool is_reset)
{
    struct weir__http_worker *home = h2_of(session)->conn->home;
    WEIR_ASSERT(((struct weir__h2_stream *)of)->id != 0, "H4: a stream is over once");
    if (is_reset)
        weir__counter_add(&home->count.streams_reset, 1);
    else if (weir__h2_code_blames_peer(code))
        weir__counter_add(&home->count.streams_wrong, 1);
    weir__h2_stream_over(of);
}

/* H6: what was begun in this turn, and is not taken back any more. */
static void flushing(struct weir__h2_session *session)
{
    struct weir__h2 *h = h2_of(session);
    struct weir__list *node;
    WEIR_ASSERT(!h->is_over && !h->is_busy, "H3: one thing at a time is made of a session");
    if (!weir__h2_session_has_rest(session))
        h->got_on = h->conn->home->worker->now; /* its peer is late from now on, if ever */
    while ((node = weir__list_pop_front(&h->due)) != NULL)
        weir__h2_submit(weir__h2_exchange(WEIR_CONTAINER(node, struct weir__h2_stream, in_queue)));
    h->is_busy = true;
}

static void flushed(struct weir__h2_session *session, enum weir__h2_flushed result)
{
    struct weir__h2 *h = h2_of(session);
    struct weir__http_conn *c = h->conn;
    WEIR_ASSERT(h->is_busy && weir__list_empty(&h->due), "H9: what was due has been submitted");
    h->is_busy = false;
    if (WEIR_UNLIKELY(session->streams_refused > 0)) {
        weir__counter_add(&c->home->count.streams_refused, session->streams_refused);
        session->streams_refused = 0;
    }
    if (session->bytes_out != h->bytes_out) {
        weir__counter_add(&c->home->count.bytes_out, session->bytes_out - h->bytes_out);
        h->bytes_out = session->bytes_out;
        h->got_on = c->home->worker->now;
    }
    if (result == WEIR__H2_IS_OVER || result == WEIR__H2_IS_BROKEN) {
        c->is_broken = c->is_broken || result == WEIR__H2_IS_BROKEN;
        weir__h2_over(h);
        return;
    }
    weir__h2_watch(h);
    weir__h2_settle(h);
}

const struct weir__h2_session_ops weir__h2_session_ops = {
    .begin = begin,
    .block = block,
    .field = field,
    .fields_end = fields_end,
    .data = data,
    .data_end = data_end,
    .begun = begun,
    .left = left,
    .doomed = doomed,
    .closed = closed,
    .supply = supply,
    .take = take,
    .trailers = trail,
    .flushing = flushing,
    .flushed = flushed,
};
