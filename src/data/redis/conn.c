/*
 * A connection to Redis: what is written in a turn leaves in one send, and what comes is cut into
 * answers, each for the fiber whose turn it is. All but the waiting runs on the worker's own stack,
 * without a wait.
 *
 * The one hard thing is who has left. A fiber that is cancelled takes its flight with it, but the
 * server's answer still comes: its slot stays in the ring, and the answer is thrown away. While
 * such answers are due the carrier has less room, so the ring never overflows, however slow the
 * server is.
 *
 * Owns the ring, what is to be sent, and an answer that has begun. Context: one worker.
 */
#include "data/redis/redis.h"

#include <string.h>

#include "base/alloc.h"
#include "rt/scope.h"

#define RECEIVES_MAX 8 /* before others have their turn */

/* --- slots ------------------------------------------------------------------------------------ */

static struct weir__redis_slot *slot_at(struct weir__redis_conn *conn, uint32_t number)
{
    return &conn->ring[number & conn->mask];
}

static void tell_room(struct weir__redis_conn *conn)
{
    if (conn->carrier != NULL && conn->is_ready && !conn->is_over)
        weir__carrier_set_room(conn->carrier, conn->redis->o.depth - conn->abandoned);
}

/* Its fiber has gone: the answers are nobody's. */
static void abandon_slot(struct weir__redis_conn *conn, struct weir__redis_slot *s)
{
    s->flight = NULL;
    conn->abandoned++;
    weir__gauge_add(&conn->seat->n.abandoned, 1);
    tell_room(conn);
}

/* Takes off the first slot. */
static void pop_slot(struct weir__redis_conn *conn)
{
    WEIR_ASSERT(conn->head != conn->tail, "R1: what is answered was asked");
    bool was_abandoned = slot_at(conn, conn->head)->flight == NULL;
    conn->head++;
    weir__gauge_add(&conn->seat->n.in_flight, -1);
    if (conn->head == conn->tail && !conn->is_tracking)
        weir__timer_disarm(&conn->silence);
    if (!was_abandoned)
        return;
    WEIR_ASSERT(conn->abandoned > 0, "R3: slots that nobody waits for are counted");
    conn->abandoned--;
    weir__gauge_add(&conn->seat->n.abandoned, -1);
    tell_room(conn);
}

/* R2: it is over, for a reason of its own or as the connection is. */
static void land(struct weir__redis_flight *f, weir_err err)
{
    f->was_sent = f->conn->sent > f->begins;
    f->conn = NULL;
    if (err != WEIR_OK)
        f->err = err;
    if (f->is_parked)
        weir__wake(&f->wait, WEIR_OK);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void drop_slots(struct weir__redis_conn *conn, weir_err err)
{
    while (conn->head != conn->tail) {
        struct weir__redis_slot *s = slot_at(conn, conn->head);
        struct weir__redis_flight *f = s->flight;
        if (f != NULL)
            land(f, err);
        pop_slot(conn);
    }
}

void weir__redis_conn_end(struct weir__redis_conn *conn, weir_err err, const char *why)
{
    if (conn->is_over)
        return;
    conn->is_over = true;
    conn->err = err;
    size_t len = strnlen(why, sizeof conn->why - 1);
    memmove(conn->why, why, len);
    conn->why[len] = '\0';
    weir__timer_disarm(&conn->silence);
    weir__turn_end_forget(&conn->turn);
    drop_slots(conn, err);
    WEIR_ASSERT(conn->abandoned == 0, "R4: nothing is left on a connection that has ended");
    while (weir__wake_first(&conn->for_room, err)) {
    }
    if (conn->is_tracking) {
        conn->seat->tracking--;
        conn->redis->tracking->forget(conn->redis->tracking_arg);
    }
    if (conn->ended != NULL)
        conn->ended(conn);
    if (conn->carrier != NULL)
        weir__carrier_break(conn->carrier);
}

static void free_conn(struct weir__redis_conn *conn)
{
    if (conn->away.num >= 0) {
        weir__detached_close(conn->away);
    } else {
        weir__stream_close(&conn->stream);
        weir__gauge_add(&conn->seat->n.connections, -1);
    }
    weir_buf_fini(&conn->out);
    weir_buf_fini(&conn->in);
    weir__free(conn->ring);
    weir__free(conn);
}

void weir__redis_conn_close(struct weir__redis_conn *conn)
{
    conn->carrier = NULL;
    weir__redis_conn_end(conn, WEIR_ECLOSED, "the connection has been closed");
    conn->is_left = true;
    if (conn->users == 0)
        free_conn(conn);
}

void weir__redis_conn_leave(struct weir__redis_conn *conn)
{
    WEIR_ASSERT(conn->users > 0, "R4: who leaves a connection was inside");
    if (--conn->users == 0 && conn->is_left)
        free_conn(conn);
}

/* --- silence ---------------------------------------------------------------------------------- */

/* Is an answer due that nothing but the server's work keeps back? */
static bool is_waiting(struct weir__redis_conn *conn)
{
    if (conn->head == conn->tail)
        return false;
    const struct weir__redis_flight *first = slot_at(conn, conn->head)->flight;
    return first == NULL || !first->may_block;
}

static void ask_whether_it_lives(struct weir__redis_conn *conn);

static void on_silence(struct weir__timer *t)
{
    struct weir__redis_conn *conn = WEIR_CONTAINER(t, struct weir__redis_conn, silence);
    weir_time due = weir_time_add(conn->heard, conn->redis->o.answer_timeout);
    bool rests = conn->is_tracking && conn->head == conn->tail;
    if (!rests && !is_waiting(conn))
        return;
    if (weir_time_before(weir__self->now, due))
        weir__timer_arm(&weir__self->wheel, t, due);
    else if (rests)
        ask_whether_it_lives(conn);
    else
        weir__redis_conn_end(conn, WEIR_ETIMEDOUT, "the server is silent");
}

/* An answer is due from now on. */
static void expect(struct weir__redis_conn *conn)
{
    if (conn->tail - conn->head == 1)
        conn->heard = weir__self->now;
    if (is_waiting(conn) && !weir__timer_armed(&conn->silence))
        weir__timer_arm(&weir__self->wheel, &conn->silence,
                        weir_time_add(conn->heard, conn->redis->o.answer_timeout));
}

/*
 * A connection over which others' changes are told must not be dead without a word: at rest it is
 * asked as often as an answer may take.
 */
static void ask_whether_it_lives(struct weir__redis_conn *conn)
{
    const struct weir__redis_words ping = {"PING", NULL, 0};
    size_t from = conn->out.len;
    const char *why;
    if (weir__redis_put(&conn->out, &ping, &why) != WEIR_OK) {
        weir__redis_conn_end(conn, -ENOMEM, weir_strerror(-ENOMEM));
        return;
    }
    struct weir__redis_slot *s = slot_at(conn, conn->tail++);
    s->left = 1;
    weir__gauge_add(&conn->seat->n.in_flight, 1);
    abandon_slot(conn, s);
    weir__redis_send(conn, from);
    expect(conn);
}

void weir__redis_conn_track(struct weir__redis_conn *conn)
{
    conn->is_tracking = true;
    conn->seat->tracking++;
    conn->heard = weir__self->now;
    if (!weir__timer_armed(&conn->silence))
        weir__timer_arm(&weir__self->wheel, &conn->silence,
                        weir_time_add(conn->heard, conn->redis->o.answer_timeout));
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Bytes in the memory of the flight's context. */
static char *room_for(struct weir__redis_flight *f, size_t size)
{
    if (weir__ctx_is_shared(f->c))
        return weir__ctx_object(f->c, size);
    return weir__arena_alloc_aligned(weir__ctx_arena(f->c), size, 8);
}

static weir_err no_room(const struct weir__redis_flight *f)
{
    bool is_over = !weir__ctx_is_shared(f->c) && weir__ctx_arena(f->c)->is_over_budget;
    return is_over ? WEIR_EBUDGET : -ENOMEM;
}

static weir_err keep_text(struct weir__redis_flight *f, weir_redis_value *v)
{
    weir_str s = v->u.s;
    if (v->kind == WEIR_REDIS_STATUS && weir_str_eq(s, WEIR_S("OK"))) {
        v->u.s = WEIR_S("OK");
        return WEIR_OK;
    }
    char *copy = room_for(f, s.len + 1);
    if (copy == NULL)
        return no_room(f);
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    v->u.s.ptr = copy;
    return WEIR_OK;
}

/* The values and the bytes that they view, in one piece. */
static weir_err keep_list(struct weir__redis_flight *f, weir_str whole, uint32_t items,
                          weir_redis_value *out)
{
    struct weir__arena arena;
    size_t nodes = (size_t)items * sizeof *out;
    char *piece = room_for(f, nodes + whole.len);
    if (piece == NULL)
        return no_room(f);
    memcpy(piece + nodes, whole.ptr, whole.len);
    weir__arena_init(&arena, piece, nodes, 0);
    bool is_read = weir__resp_read((weir_str){piece + nodes, whole.len}, &arena, out);
    WEIR_ASSERT(is_read && arena.chunks == NULL, "R1: an answer has as many values as it said");
    weir__unpoison(piece, nodes + whole.len);
    return WEIR_OK;
}

/* The text of an answer behind what is in the caller's buffer. */
static weir_err keep_into(struct weir__redis_flight *f, const weir_redis_value *v)
{
    if (v->kind != WEIR_REDIS_TEXT)
        return WEIR_OK;
    weir_buf_puts(f->into, v->u.s);
    return f->into->err;
}

static weir_err keep(struct weir__redis_conn *conn, struct weir__redis_flight *f, weir_str whole)
{
    weir_redis_value ignored, *out = f->values != NULL ? &f->values[f->got] : &ignored;
    if (conn->scan.is_list && f->values == NULL)
        return WEIR_OK;
    if (conn->scan.is_list) {
        weir_err err = keep_list(f, whole, conn->scan.items, out);
        return err == WEIR_OK && f->into != NULL ? keep_into(f, out) : err;
    }
    bool is_read = weir__resp_read(whole, NULL, out);
    WEIR_ASSERT(is_read, "R1: what is flat needs no memory");
    if (out->kind == WEIR_REDIS_ERROR)
        weir__counter_add(&conn->seat->n.errors, 1);
    if (f->into != NULL && out->kind == WEIR_REDIS_TEXT) {
        weir_err err = keep_into(f, out);
        out->u.s = (weir_str){NULL, 0};
        return err;
    }
    if (f->values == NULL || !weir_redis_is_text(out))
        return WEIR_OK;
    weir_err err = keep_text(f, out);
    if (err != WEIR_OK)
        *out = (weir_redis_value){.kind = WEIR_REDIS_NULL};
    return err;
}

/* The next answer that was asked for. */
static void take_answer(struct weir__redis_conn *conn, weir_str whole)
{
    struct weir__redis_slot *s = slot_at(conn, conn->head);
    struct weir__redis_flight *f = s->flight;
    if (f != NULL) {
        weir_err err = keep(conn, f, whole);
        if (s->flight != f) /* its context has ended for want of memory, and it with it */
            f = NULL;
        else if (err != WEIR_OK && f->err == WEIR_OK)
            f->err = err;
    }
    if (f != NULL)
        f->got++;
    if (--s->left > 0)
        return;
    if (f != NULL)
        land(f, WEIR_OK);
    pop_slot(conn);
}

static void hear_push(struct weir__redis_conn *conn, weir_str whole);

/* What nobody has asked for ends it; an error says why the server does. */
static void refuse_answer(struct weir__redis_conn *conn, weir_str whole)
{
    char why[WEIR__REDIS_WHY_MAX];
    weir_buf b;
    weir_buf_init_fixed(&b, why, sizeof why - 1);
    if (whole.ptr[0] == '-')
        weir_buf_printf(&b, "the server says: %.*s", (int)(whole.len < 200 ? whole.len - 3 : 200),
                        whole.ptr + 1);
    else
        weir_buf_puts(&b, WEIR_S("the server answers what nobody asked"));
    why[b.len] = '\0';
    weir__redis_conn_end(conn, whole.ptr[0] == '-' ? WEIR_ECLOSED : WEIR_EPROTO, why);
}

static void take(struct weir__redis_conn *conn, weir_str whole)
{
    if (whole.ptr[0] == '>')
        hear_push(conn, whole);
    else if (conn->head != conn->tail)
        take_answer(conn, whole);
    else if (conn->heard_of != NULL)
        conn->heard_of(conn, whole);
    else
        refuse_answer(conn, whole);
}

/* Cuts what is there into answers; how much of it was taken. */
static size_t feed(struct weir__redis_conn *conn, const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && !conn->is_over) {
        ptrdiff_t n = weir__resp_scan(&conn->scan, &conn->redis->limits, bytes + at, len - at);
        if (n == 0)
            break;
        if (n < 0) {
            bool is_large = n == WEIR__RESP_EBYTES || n == WEIR__RESP_EITEMS;
            weir__redis_conn_end(conn, is_large ? WEIR_ETOOLARGE : WEIR_EPROTO,
                                 weir__resp_error_text((int)n));
            break;
        }
        take(conn, (weir_str){bytes + at, (size_t)n});
        weir__resp_scan_init(&conn->scan);
        at += (size_t)n;
    }
    return at;
}

/* What was in hand when an answer had begun: its rest is received behind it. */
static weir_err receive_rest(struct weir__redis_conn *conn, ssize_t *got)
{
    weir_buf *in = &conn->in;
    size_t wants = weir__resp_needs(&conn->scan, in->ptr, in->len) - in->len;
    size_t most = in->len > WEIR__REDIS_IN_BYTES ? in->len : WEIR__REDIS_IN_BYTES;
    size_t room = wants > most ? most : WEIR__REDIS_IN_BYTES;
    char *p = weir_buf_reserve(in, room);
    if (p == NULL)
        return -ENOMEM;
    *got = weir__stream_try_recv(&conn->stream, p, room);
    if (*got <= 0)
        return WEIR_OK;
    in->len += (size_t)*got;
    size_t taken = feed(conn, in->ptr, in->len);
    if (taken == 0 || conn->is_over)
        return WEIR_OK;
    in->len -= taken;
    memmove(in->ptr, in->ptr + taken, in->len);
    if (in->len == 0 && in->cap > WEIR__REDIS_KEPT_BYTES)
        weir_buf_fini(in);
    return WEIR_OK;
}

/* Nothing has begun: what comes is looked at where it was received. */
static weir_err receive_anew(struct weir__redis_conn *conn, ssize_t *got)
{
    const char *received = conn->seat->in;
    *got = weir__stream_try_recv(&conn->stream, conn->seat->in, WEIR__REDIS_IN_BYTES);
    if (*got <= 0)
        return WEIR_OK;
    size_t len = (size_t)*got, taken = feed(conn, received, len);
    if (taken == len || conn->is_over)
        return WEIR_OK;
    weir_buf_add(&conn->in, received + taken, len - taken);
    return conn->in.err;
}

/* -EAGAIN: for now that is all; else why there will be nothing more. */
static weir_err receive_all(struct weir__redis_conn *conn)
{
    for (int i = 0; i < RECEIVES_MAX; i++) {
        ssize_t got = 0;
        weir_err err = conn->in.len > 0 ? receive_rest(conn, &got) : receive_anew(conn, &got);
        if (err != WEIR_OK || got < 0)
            return err != WEIR_OK ? err : (weir_err)got;
        if (got == 0 || conn->is_over)
            return WEIR_ECLOSED;
        conn->heard = weir__self->now;
        if (!weir__stream_has_more(&conn->stream))
            return weir__stream_is_over(&conn->stream) ? WEIR_ECLOSED : -EAGAIN;
    }
    return weir__stream_again(&conn->stream) == WEIR_OK ? -EAGAIN : -ENOMEM;
}

static void receive(struct weir__redis_conn *conn)
{
    if (conn->is_feeding || conn->is_over)
        return;
    conn->is_feeding = true;
    weir_err err = receive_all(conn);
    conn->is_feeding = false;
    if (err == -EAGAIN || conn->is_over)
        return;
    const char *why = conn->in.len > 0 ? "the server closed the connection in an answer"
                                       : "the server closed the connection";
    weir__redis_conn_end(conn, err, err == WEIR_ECLOSED ? why : weir_strerror(err));
}

/* --- sending ---------------------------------------------------------------------------------- */

/* -EAGAIN: not all of it had room. */
static weir_err send_all(struct weir__redis_conn *conn)
{
    while (conn->out_at < conn->out.len) {
        struct iovec vec = {conn->out.ptr + conn->out_at, conn->out.len - conn->out_at};
        ssize_t n = weir__stream_try_send(&conn->stream, &vec, 1);
        if (n < 0)
            return (weir_err)n;
        weir__counter_add(&conn->seat->n.sends, 1);
        conn->out_at += (size_t)n;
        conn->sent += (uint64_t)n;
    }
    conn->out_at = 0;
    weir_buf_reset(&conn->out);
    if (conn->out.cap > WEIR__REDIS_KEPT_BYTES)
        weir_buf_fini(&conn->out);
    return weir__stream_has_unsent(&conn->stream) ? weir__stream_try_flush(&conn->stream) : WEIR_OK;
}

/*
 * What has left makes room, once it is no less than the rest: so no byte is moved more often than
 * another has been sent, and while there is room for more, less than WEIR__REDIS_UNSENT_MAX lies in
 * front.
 */
static void drop_sent(struct weir__redis_conn *conn)
{
    size_t left = conn->out.len - conn->out_at;
    if (conn->out_at == 0 || conn->out_at < left)
        return;
    memmove(conn->out.ptr, conn->out.ptr + conn->out_at, left);
    conn->out.len = left;
    conn->out_at = 0;
}

static void flush(struct weir__redis_conn *conn)
{
    if (conn->is_over)
        return;
    weir_err err = send_all(conn);
    conn->stream.fd.tells_room = err == -EAGAIN;
    if (err != WEIR_OK && err != -EAGAIN) {
        receive(conn); /* what the server has said before it went counts */
        weir__redis_conn_end(conn, err, "the server closed the connection");
        return;
    }
    if (err == -EAGAIN)
        drop_sent(conn);
    if (conn->out.len - conn->out_at <= WEIR__REDIS_UNSENT_MAX) {
        while (weir__wake_first(&conn->for_room, WEIR_OK)) {
        }
    }
}

static void on_turn_end(struct weir__turn_end *t)
{
    flush(WEIR_CONTAINER(t, struct weir__redis_conn, turn));
}

/* There is room again, so the other side has taken what was sent: it is not silent. */
static void send_on(struct weir__redis_conn *conn)
{
    uint64_t sent = conn->sent;
    flush(conn);
    if (conn->sent != sent)
        conn->heard = weir__self->now;
}

static void on_ready(struct weir__fd *fd, unsigned ready)
{
    struct weir__redis_conn *conn = WEIR_CONTAINER(fd, struct weir__redis_conn, stream.fd);
    (void)ready;
    if (conn->is_over)
        return;
    if (conn->stream.fd.tells_room || weir__stream_has_unsent(&conn->stream))
        send_on(conn);
    receive(conn);
}

void weir__redis_send(struct weir__redis_conn *conn, size_t from)
{
    conn->queued += conn->out.len - from;
    weir__counter_add(&conn->seat->n.commands, 1);
    weir__turn_end_ask(&conn->turn);
}

/* --- flights ---------------------------------------------------------------------------------- */

static bool leave_flight(struct weir__wait *w)
{
    struct weir__redis_flight *f = WEIR_CONTAINER(w, struct weir__redis_flight, wait);
    struct weir__redis_conn *conn = f->conn;
    if (conn == NULL)
        return false;
    struct weir__redis_slot *s = slot_at(conn, f->slot);
    WEIR_ASSERT(s->flight == f, "R2: a flight and its slot point to each other");
    f->was_sent = conn->sent > f->begins;
    f->conn = NULL;
    abandon_slot(conn, s);
    return true;
}

static void describe_flight(const struct weir__wait *w, weir_buf *out)
{
    const struct weir__redis_flight *f =
        WEIR_CONTAINER((struct weir__wait *)(uintptr_t)w, struct weir__redis_flight, wait);
    const struct weir__redis_conn *conn = f->conn;
    if (conn != NULL)
        weir_buf_printf(out, "%s, %u answers before it", conn->redis->name, f->slot - conn->head);
}

static const struct weir__wait_type flight_type = {
    .name = "redis", .abandon = leave_flight, .describe = describe_flight};

weir_err weir__redis_fly(struct weir__redis_conn *conn, struct weir__redis_flight *f, size_t from,
                         weir_time until)
{
    uint32_t in_flight = weir__redis_in_flight(conn);
    WEIR_ASSERT(in_flight <= conn->mask, "R3: never more slots than the depth");
    weir_err reason = weir__ctx_check(f->c); /* since a connection was found */
    if (WEIR_UNLIKELY(reason != WEIR_OK)) {
        conn->out.len = from;
        f->got = 0;
        f->was_sent = false;
        return weir__wait_refused(reason);
    }
    f->begins = conn->queued;
    f->conn = conn;
    f->slot = conn->tail;
    f->got = 0;
    f->err = WEIR_OK;
    f->was_sent = false;
    *slot_at(conn, conn->tail++) = (struct weir__redis_slot){f, f->count};
    weir__gauge_add(&conn->seat->n.in_flight, 1);
    conn->queued += conn->out.len - from;
    weir__counter_add(&conn->seat->n.commands, f->count);
    expect(conn);
    weir__turn_end_ask(&conn->turn);
    weir__wait_init(&f->wait, &flight_type, f->c, NULL, conn);
    f->is_parked = true;
    weir_err err = weir__park(&f->wait, until);
    f->is_parked = false;
    WEIR_ASSERT(f->conn == NULL, "R2: who goes on has no slot any more");
    return err != WEIR_OK ? err : f->err;
}

static const struct weir__wait_type room_type = {.name = "redis, room to send"};

weir_err weir__redis_await_room(struct weir__redis_conn *conn, struct weir__ctx *c)
{
    struct weir__wait wait;
    while (!conn->is_over && conn->out.len - conn->out_at > WEIR__REDIS_UNSENT_MAX) {
        weir_err err = weir__ctx_check(c);
        if (err != WEIR_OK)
            return weir__wait_refused(err);
        weir__wait_init(&wait, &room_type, c, NULL, conn);
        weir__list_push_back(&conn->for_room, &wait.in_object);
        err = weir__park(&wait, weir_never());
        if (err != WEIR_OK && !conn->is_over)
            return err;
    }
    return conn->is_over ? conn->err : WEIR_OK;
}

/* --- pushes ----------------------------------------------------------------------------------- */

/* invalidate, and the keys: null is all of them. */
static void hear_tracking(struct weir__redis_conn *conn, const weir_redis_value *v)
{
    const weir_redis *redis = conn->redis;
    if (v->u.list.len != 2 || !weir_redis_is_text(&v->u.list.items[0]) ||
        !weir_str_eq(v->u.list.items[0].u.s, WEIR_S("invalidate")))
        return;
    const weir_redis_value *keys = &v->u.list.items[1];
    if (!weir_redis_is_list(keys)) {
        redis->tracking->forget(redis->tracking_arg);
        return;
    }
    for (size_t i = 0; i < keys->u.list.len; i++) {
        if (!weir_redis_is_text(&keys->u.list.items[i]))
            continue;
        weir__counter_add(&conn->seat->n.invalidations, 1);
        redis->tracking->invalidate(redis->tracking_arg, keys->u.list.items[i].u.s);
    }
}

static void hear_push(struct weir__redis_conn *conn, weir_str whole)
{
    struct weir__arena arena;
    weir_redis_value v;
    weir__counter_add(&conn->seat->n.pushes, 1);
    if (conn->heard_of != NULL) {
        conn->heard_of(conn, whole);
        return;
    }
    if (!conn->is_tracking)
        return;
    weir__arena_init(&arena, NULL, 0, conn->redis->o.reply_items_max * sizeof v + 4096);
    if (weir__resp_read(whole, &arena, &v))
        hear_tracking(conn, &v);
    else
        conn->redis->tracking->forget(conn->redis->tracking_arg);
    weir__arena_fini(&arena);
}

/* --- its life --------------------------------------------------------------------------------- */

static weir_err give_memory(struct weir__redis_conn *conn, uint32_t depth)
{
    uint32_t slots = 1;
    while (slots <= depth)
        slots *= 2;
    conn->ring = weir__malloc(slots * sizeof *conn->ring);
    conn->mask = slots - 1;
    return conn->ring != NULL ? WEIR_OK : -ENOMEM;
}

struct weir__redis_conn *weir__redis_conn_new(weir_redis *redis, struct weir__stream *stream,
                                              uint32_t depth)
{
    struct weir__redis_conn *conn = weir__calloc(1, sizeof *conn);
    struct weir__detached d = weir__stream_detach(stream);
    if (conn == NULL || give_memory(conn, depth) != WEIR_OK) {
        weir__detached_close(d);
        if (conn != NULL)
            weir__free(conn->ring);
        weir__free(conn);
        return NULL;
    }
    conn->redis = redis;
    conn->away = d;
    weir__turn_end_init(&conn->turn, on_turn_end);
    weir__timer_init(&conn->silence, on_silence);
    weir__list_init(&conn->for_room);
    weir__resp_scan_init(&conn->scan);
    weir_buf_init(&conn->out, redis->o.command_bytes_max + (size_t)2 * WEIR__REDIS_UNSENT_MAX);
    weir_buf_init(&conn->in, redis->o.reply_bytes_max + (size_t)2 * WEIR__REDIS_IN_BYTES);
    if (weir__redis_conn_attach(conn) == WEIR_OK)
        return conn;
    free_conn(conn);
    return NULL;
}

bool weir__redis_conn_is_clean(const struct weir__redis_conn *conn)
{
    return !conn->is_over && conn->head == conn->tail && !conn->is_watching &&
           conn->out.len == conn->out_at && conn->in.len == 0;
}

void weir__redis_conn_detach(struct weir__redis_conn *conn)
{
    WEIR_ASSERT(conn->head == conn->tail, "R1: nothing is due on what goes to another worker");
    weir__timer_disarm(&conn->silence);
    weir__turn_end_forget(&conn->turn);
    weir__gauge_add(&conn->seat->n.connections, -1);
    conn->away = weir__stream_detach(&conn->stream);
    conn->stream.fd.num = -1;
}

weir_err weir__redis_conn_attach(struct weir__redis_conn *conn)
{
    struct weir__redis_seat *seat = weir__redis_seat(conn->redis);
    if (seat->in == NULL)
        seat->in = weir__malloc(WEIR__REDIS_IN_BYTES);
    if (seat->in == NULL)
        return -ENOMEM;
    weir_err err = weir__stream_attach(&conn->stream, conn->away, on_ready);
    if (err != WEIR_OK)
        return err;
    conn->away = (struct weir__detached){.num = -1};
    conn->seat = seat;
    weir__gauge_add(&seat->n.connections, 1);
    return WEIR_OK;
}

bool weir__redis_conn_is_quiet(struct weir__redis_conn *conn)
{
    receive(conn);
    return !conn->is_over;
}
