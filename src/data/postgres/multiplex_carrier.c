/*
 * A carrier's bytes: what berths have written in a turn leaves in one send, and what comes is told
 * apart at each ReadyForQuery, and copied to the berth whose turn it is. All but the waiting runs
 * without a wait, mostly on the worker's own stack.
 *
 * Nothing of an answer is understood here but where it ends, so a fiber reads its own with the code
 * that reads any other connection. What lies in its hands, views of a row, does not move meanwhile:
 * new bytes are put beside (`more`), and taken when it asks.
 *
 * The one hard thing is who holds up the others. A fiber that has left is nobody's trouble but the
 * server's. One that is late makes new statements go elsewhere. One that does not take its bytes
 * has 64 KiB of them put by; then nothing more is received until it does, or, when others have
 * waited behind it for as long as makes one late, it loses the rest of its answer.
 *
 * Owns the ring, the stream, what is to be sent. Context: one worker.
 */
#include "data/postgres/multiplex.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum {
    RECEIVES_MAX = 8, /* before others have their turn */
    KEPT_BYTES = 64 << 10,
    BODIES_MAX = 1 << 30,
    ASIDE_MAX = 64 << 10,
    GIVE_UP_SEC = 5 /* one that nobody waits for holds the others up for no longer */
};

/* --- slots ------------------------------------------------------------------------------------ */

static struct weir__pg_slot *slot_at(struct weir__pg_carrier *k, uint32_t number)
{
    return &k->ring[number & k->mask];
}

static weir_time late_at(const struct weir__pg_carrier *k, weir_time since)
{
    return weir_time_add(since, k->mux->db->o.multiplex_late);
}

/* Nobody waits for what runs now: how long that will be is nobody's guess. */
static bool is_first_abandoned(struct weir__pg_carrier *k)
{
    return k->head != k->tail && slot_at(k, k->head)->berth == NULL;
}

/* M3 */
static void tell_room(struct weir__pg_carrier *k)
{
    bool is_full = k->is_late || is_first_abandoned(k);
    if (k->pool != NULL && !k->is_over)
        weir__carrier_set_room(k->pool, is_full ? 0 : k->mux->db->o.multiplex - k->abandoned);
}

static void rouse(struct weir__pg_berth *b)
{
    struct weir__wait *w = b->wait;
    b->wait = NULL;
    if (w != NULL)
        weir__wake(w, WEIR_OK);
}

/* When all that is due is for nobody and late, it has no use: closing it cancels what runs. */
static void judge(struct weir__pg_carrier *k)
{
    if (k->is_late && k->abandoned > 0 && k->abandoned == weir__pg_in_flight(k) && k->pool != NULL)
        weir__carrier_retire(k->pool);
}

static void watch(struct weir__pg_carrier *k, weir_time until)
{
    if (!weir__timer_armed(&k->watch))
        weir__timer_arm(&weir__self->wheel, &k->watch, until);
}

/* M2: its slot stays. */
static void leave_slot(struct weir__pg_berth *b)
{
    struct weir__pg_carrier *k = b->carrier;
    struct weir__pg_slot *s = slot_at(k, b->slot);
    WEIR_ASSERT(b->is_flying && s->berth == b, "M2: a flight and its slot point to each other");
    s->berth = NULL;
    b->is_flying = false;
    k->abandoned++;
    weir__gauge_add(&k->seat->n.abandoned, 1);
    if (b->slot == k->head && k->held_since.ns != INT64_MAX) {
        k->held_since = weir_never();
        (void)weir__stream_again(&k->base->stream);
    }
    tell_room(k);
}

void weir__pg_abandon(struct weir__pg_berth *b)
{
    leave_slot(b);
    judge(b->carrier);
}

/* The first one has been answered. */
static void pop_slot(struct weir__pg_carrier *k)
{
    WEIR_ASSERT(k->head != k->tail, "M1: what is answered was asked");
    struct weir__pg_berth *b = slot_at(k, k->head)->berth;
    k->head++;
    weir__gauge_add(&k->seat->n.in_flight, -1);
    if (b != NULL) {
        b->is_flying = false;
        rouse(b);
    } else {
        WEIR_ASSERT(k->abandoned > 0, "M3: slots that nobody waits for are counted");
        k->abandoned--;
        weir__gauge_add(&k->seat->n.abandoned, -1);
    }
    bool was_late = k->is_late;
    if (WEIR_UNLIKELY(was_late))
        k->is_late = k->head != k->tail &&
                     !weir_time_before(weir__self->now, late_at(k, slot_at(k, k->head)->since));
    if (WEIR_UNLIKELY(b == NULL || was_late != k->is_late || is_first_abandoned(k)))
        tell_room(k);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void tell_all(struct weir__pg_carrier *k, weir_err err)
{
    while (k->head != k->tail) {
        struct weir__pg_berth *b = slot_at(k, k->head)->berth;
        if (b != NULL) {
            b->err = err;
            b->was_sent = k->sent > b->begins;
        }
        pop_slot(k);
    }
}

void weir__pg_carrier_end(struct weir__pg_carrier *k, weir_err err)
{
    if (k->is_over)
        return;
    k->is_over = true;
    k->base->is_broken = k->base->is_broken || weir__pg_in_flight(k) > 0 || k->out.len > 0;
    weir__timer_disarm(&k->watch);
    weir__turn_end_forget(&k->turn);
    tell_all(k, err);
    WEIR_ASSERT(k->abandoned == 0, "M2: nothing is due on a carrier that has ended");
    if (k->pool != NULL)
        weir__carrier_break(k->pool);
}

void weir__pg_carrier_free(struct weir__pg_carrier *k)
{
    struct weir__pg_berth *b;
    WEIR_ASSERT(k->users == 0 && k->is_over, "M2: nobody is on what is freed");
    while ((b = k->free) != NULL) {
        k->free = b->next;
        weir__sql_forget_all(&b->conn.sql);
        weir_buf_fini(&b->conn.in);
        weir_buf_fini(&b->conn.out);
        weir_buf_fini(&b->more);
        weir__free(b);
    }
    weir__pg_known_free_all(k);
    weir__pg_disconnect(k->base, NULL);
    weir_buf_fini(&k->out);
    weir_buf_fini(&k->closes);
    weir_buf_fini(&k->aside);
    weir__free(k->ring);
    weir__free(k);
}

/* --- who is late ------------------------------------------------------------------------------ */

/* It has not taken what has come for so long, and others wait for what is behind. */
static void cut_off_first(struct weir__pg_carrier *k)
{
    struct weir__pg_berth *b = slot_at(k, k->head)->berth;
    if (k->held_since.ns == INT64_MAX || b == NULL || weir__pg_in_flight(k) == k->abandoned + 1)
        return;
    if (weir_time_before(weir__self->now, late_at(k, k->held_since)))
        return;
    b->is_cut_off = true;
    b->err = WEIR_EBUSY;
    weir__counter_add(&k->seat->n.cut_off, 1);
    leave_slot(b);
    rouse(b);
}

/* Nobody waits for the first one, and others have been behind it for too long. */
static bool is_given_up(struct weir__pg_carrier *k)
{
    weir_time since = slot_at(k, k->head)->since;
    return is_first_abandoned(k) &&
           !weir_time_before(weir__self->now, weir_time_add(since, weir_sec(GIVE_UP_SEC)));
}

static void on_watch(struct weir__timer *t)
{
    struct weir__pg_carrier *k = WEIR_CONTAINER(t, struct weir__pg_carrier, watch);
    if (k->head == k->tail)
        return;
    weir_time due = late_at(k, slot_at(k, k->head)->since);
    if (weir_time_before(weir__self->now, due)) {
        watch(k, due);
        return;
    }
    if (is_given_up(k)) {
        k->is_to_cancel = true;
        weir__pg_carrier_end(k, WEIR_ETIMEDOUT);
        return;
    }
    if (!k->is_late) {
        k->is_late = true;
        weir__counter_add(&k->seat->n.late, 1);
        tell_room(k);
    }
    cut_off_first(k);
    judge(k);
    watch(k, late_at(k, weir__self->now));
}

/* --- what comes ------------------------------------------------------------------------------- */

/* An answer that will not be short the next time either: from then on on a lease of its own. */
static void note_large(struct weir__pg_carrier *k, const struct weir__pg_berth *b)
{
    struct weir__pg_seat *seat = k->seat;
    if (b->runs == NULL)
        return;
    for (uint32_t i = 0; i < WEIR__PG_LARGE_MAX && i < seat->large_count; i++) {
        if (seat->large[i] == b->runs->hash)
            return;
    }
    seat->large[seat->large_count++ % WEIR__PG_LARGE_MAX] = b->runs->hash;
    weir__counter_add(&seat->n.large, 1);
}

/* Bytes of the first one's answer. */
static void hand_over(struct weir__pg_carrier *k, const char *bytes, size_t len)
{
    struct weir__pg_berth *b = slot_at(k, k->head)->berth;
    if (len == 0 || b == NULL)
        return;
    weir_buf_add(&b->more, bytes, len);
    if (WEIR_UNLIKELY(b->more.err < 0)) {
        b->is_cut_off = true;
        b->err = -ENOMEM;
        leave_slot(b);
        rouse(b);
        return;
    }
    b->came += (uint32_t)len;
    if (WEIR_UNLIKELY(b->came > WEIR__PG_HELD_BYTES))
        note_large(k, b);
    if (WEIR_UNLIKELY(b->more.len >= WEIR__PG_HELD_BYTES) && k->held_since.ns == INT64_MAX)
        k->held_since = weir__self->now;
}

/* What came unasked is whole: the session changes, or ends. */
static void hear(struct weir__pg_carrier *k)
{
    struct weir__pg_message m = {.type = k->type, .body = weir_buf_str(&k->aside)};
    struct weir__pg_notice n;
    struct weir__sql_fault f;
    bool is_bad = false;
    if (k->aside.err < 0) {
        weir__pg_carrier_end(k, -ENOMEM);
    } else if (m.type == WEIR__PG_ERROR && weir__pg_read_notice(m.body, &n)) {
        (void)weir__pg_fault_of(k->base, &n, &f); /* a failover retires all */
        weir__pg_carrier_end(k, WEIR_EGONE);
    } else if (!weir__pg_is_aside(k->base, &m, &is_bad) || is_bad) {
        weir__pg_carrier_end(k, WEIR_EPROTO);
    }
    weir_buf_reset(&k->aside);
}

/*
 * A message has begun. M5: one that copies, or tells that the session is another now, is not for
 * what others share.
 */
static weir_err begin_message(struct weir__pg_carrier *k)
{
    const uint8_t *h = k->head_bytes;
    uint32_t length = (uint32_t)h[1] << 24 | (uint32_t)h[2] << 16 | (uint32_t)h[3] << 8 | h[4];
    k->type = h[0];
    if (length < 4 || length > BODIES_MAX || !weir__pg_is_known(k->type))
        return WEIR_EPROTO;
    k->left = length - 4;
    switch (k->type) {
    case WEIR__PG_COPY_IN:
    case WEIR__PG_COPY_OUT:
    case WEIR__PG_COPY_BOTH:
        return WEIR_EPROTO;
    case WEIR__PG_READY:
        return k->left != 1 || k->is_aside ? WEIR_EPROTO : WEIR_OK;
    case WEIR__PG_PARAMETER_STATUS:
        if (k->pool != NULL)
            weir__carrier_retire(k->pool);
        return WEIR_OK;
    default:
        return k->is_aside && k->left > ASIDE_MAX ? WEIR_EPROTO : WEIR_OK;
    }
}

/* A message is over. Its bytes up to `upto` have been handed over when it was the last one. */
static weir_err end_message(struct weir__pg_carrier *k)
{
    if (WEIR_UNLIKELY(k->is_aside))
        hear(k);
    if (k->type != WEIR__PG_READY)
        return WEIR_OK;
    if (k->status != 'I')
        return WEIR_EPROTO; /* M5 */
    k->held_since = weir_never();
    pop_slot(k);
    return WEIR_OK;
}

/* Bytes from `at` on that belong to a message's head; how many. It is unasked from its first on. */
static size_t take_head(struct weir__pg_carrier *k, const char *at, size_t len)
{
    size_t wants = WEIR__PG_HEAD_BYTES - (size_t)k->head_len, n = wants < len ? wants : len;
    if (k->head_len == 0)
        k->is_aside = k->head == k->tail;
    memcpy(k->head_bytes + k->head_len, at, n);
    k->head_len = (uint8_t)(k->head_len + n);
    return n;
}

/* The same of its body. */
static size_t take_body(struct weir__pg_carrier *k, const char *at, size_t len)
{
    size_t n = k->left < len ? k->left : len;
    if (WEIR_UNLIKELY(k->is_aside))
        weir_buf_add(&k->aside, at, n);
    else if (k->type == WEIR__PG_READY && n > 0)
        k->status = (uint8_t)at[0];
    k->left -= n;
    return n;
}

/* Tells apart what came: [from, at) is the first one's, and not handed over yet. */
static weir_err feed(struct weir__pg_carrier *k, const char *p, size_t len)
{
    size_t from = 0, at = 0;
    weir_err err = WEIR_OK;
    while (at < len && !k->is_over) {
        if (k->head_len < WEIR__PG_HEAD_BYTES) {
            at += take_head(k, p + at, len - at);
            if (WEIR_UNLIKELY(k->head_len < WEIR__PG_HEAD_BYTES))
                break;
            err = begin_message(k);
            if (WEIR_UNLIKELY(err != WEIR_OK))
                return err;
        }
        at += take_body(k, p + at, len - at);
        if (k->left > 0)
            break;
        k->head_len = 0;
        if (k->type != WEIR__PG_READY && WEIR_LIKELY(!k->is_aside))
            continue;
        if (!k->is_aside)
            hand_over(k, p + from, at - from);
        from = at;
        err = end_message(k);
        if (WEIR_UNLIKELY(err != WEIR_OK))
            return err;
    }
    if (from < at && !k->is_over && !k->is_aside && k->head != k->tail)
        hand_over(k, p + from, at - from);
    return WEIR_OK;
}

/* -EAGAIN: for now that is all; else why there will be nothing more. */
static weir_err receive_all(struct weir__pg_carrier *k)
{
    struct weir__stream *s = &k->base->stream;
    for (int i = 0; i < RECEIVES_MAX; i++) {
        if (k->held_since.ns != INT64_MAX)
            return -EAGAIN;
        ssize_t n = weir__stream_try_recv(s, k->seat->in, WEIR__PG_RECEIVED_AT_ONCE);
        if (n <= 0)
            return n < 0 ? (weir_err)n : -EPIPE;
        weir_err err = feed(k, k->seat->in, (size_t)n);
        if (err != WEIR_OK)
            return err;
        if (k->is_over)
            return -EAGAIN;
        if (!weir__stream_has_more(s))
            return weir__stream_is_over(s) ? -EPIPE : -EAGAIN;
    }
    return weir__stream_again(s) == WEIR_OK ? -EAGAIN : -ENOMEM;
}

static void receive(struct weir__pg_carrier *k)
{
    if (k->is_feeding || k->is_over)
        return;
    k->is_feeding = true;
    weir_err err = receive_all(k);
    k->is_feeding = false;
    if (err != -EAGAIN) {
        weir__pg_carrier_end(k, err);
        return;
    }
    /* The first one has a part of its answer: it may begin with that. */
    struct weir__pg_berth *first = k->head != k->tail ? slot_at(k, k->head)->berth : NULL;
    if (first != NULL && first->more.len > 0)
        rouse(first);
}

/* --- what leaves ------------------------------------------------------------------------------ */

/* -EAGAIN: not all of it had room. */
static weir_err send_all(struct weir__pg_carrier *k)
{
    struct weir__stream *s = &k->base->stream;
    while (k->out_at < k->out.len) {
        struct iovec vec = {k->out.ptr + k->out_at, k->out.len - k->out_at};
        ssize_t n = weir__stream_try_send(s, &vec, 1);
        if (n < 0)
            return (weir_err)n;
        weir__counter_add(&k->seat->n.sends, 1);
        k->out_at += (size_t)n;
        k->sent += (uint64_t)n;
    }
    k->out_at = 0;
    weir_buf_reset(&k->out);
    if (k->out.cap > KEPT_BYTES)
        weir_buf_fini(&k->out);
    return weir__stream_has_unsent(s) ? weir__stream_try_flush(s) : WEIR_OK;
}

/* What has left makes room, once it is no less than the rest. */
static void drop_sent(struct weir__pg_carrier *k)
{
    size_t left = k->out.len - k->out_at;
    if (k->out_at == 0 || k->out_at < left)
        return;
    memmove(k->out.ptr, k->out.ptr + k->out_at, left);
    k->out.len = left;
    k->out_at = 0;
}

static void flush(struct weir__pg_carrier *k)
{
    if (k->is_over)
        return;
    weir_err err = send_all(k);
    k->base->stream.fd.tells_room = err == -EAGAIN;
    if (err != WEIR_OK && err != -EAGAIN) {
        receive(k); /* what the server has said before it went counts */
        weir__pg_carrier_end(k, err);
    } else if (err == -EAGAIN) {
        drop_sent(k);
    }
}

static void on_turn_end(struct weir__turn_end *t)
{
    flush(WEIR_CONTAINER(t, struct weir__pg_carrier, turn));
}

static void on_ready(struct weir__fd *fd, unsigned ready)
{
    struct weir__pg_conn *base = WEIR_CONTAINER(fd, struct weir__pg_conn, stream.fd);
    struct weir__pg_carrier *k = base->carrier;
    (void)ready;
    if (k->is_over)
        return;
    if (fd->tells_room || weir__stream_has_unsent(&base->stream))
        flush(k);
    receive(k);
}

/* --- what a berth does with it ---------------------------------------------------------------- */

static weir_err refuse(struct weir__pg_conn *conn, weir_err err, const char *why,
                       struct weir__sql_fault *f)
{
    weir_buf_reset(&conn->out);
    (void)weir__sql_fault(f, err, "%s", why);
    f->is_broken = true;
    return f->err;
}

weir_err weir__pg_berth_send(struct weir__pg_conn *conn, unsigned syncs, struct weir__sql_fault *f)
{
    struct weir__pg_berth *b = conn->berth;
    struct weir__pg_carrier *k = b->carrier;
    size_t before = k->out.len;
    WEIR_ASSERT(syncs == 1 && !b->is_flying, "M1: a statement and its Sync, one at a time");
    if (WEIR_UNLIKELY(k->is_over))
        return refuse(conn, WEIR_EGONE, "the connection broke before this", f);
    WEIR_ASSERT(weir__pg_in_flight(k) <= k->mask, "M3: never more slots than the depth");
    if (WEIR_UNLIKELY(k->closes.len > 0))
        weir_buf_puts(&k->out, weir_buf_str(&k->closes));
    weir_buf_add(&k->out, conn->out.ptr, conn->out.len);
    if (WEIR_UNLIKELY(k->out.err < 0)) {
        k->out.err = WEIR_OK;
        k->out.len = before;
        b->is_cut_off = true;
        return refuse(conn, -ENOMEM, "no memory", f);
    }
    weir_buf_reset(&k->closes);
    weir_buf_reset(&conn->out);
    b->begins = k->queued;
    k->queued += k->out.len - before;
    b->slot = k->tail;
    b->is_flying = true;
    b->came = 0;
    *slot_at(k, k->tail++) = (struct weir__pg_slot){b, weir__self->now};
    conn->syncs += syncs;
    weir__gauge_add(&k->seat->n.in_flight, 1);
    weir__counter_add(&k->seat->n.statements, 1);
    watch(k, late_at(k, weir__self->now));
    weir__turn_end_ask(&k->turn);
    return WEIR_OK;
}

static void describe_flight(const struct weir__wait *w, weir_buf *out)
{
    const struct weir__pg_berth *b = w->object;
    const struct weir__pg_carrier *k = b->carrier;
    if (b->is_flying)
        weir_buf_printf(out, "%s, %u answers before it", k->mux->name, b->slot - k->head);
}

static bool leave_wait(struct weir__wait *w)
{
    struct weir__pg_berth *b = w->object;
    bool is_mine = b->wait == w;
    if (is_mine)
        b->wait = NULL;
    return is_mine;
}

static const struct weir__wait_type flight_type = {
    .name = "postgres", .abandon = leave_wait, .describe = describe_flight};

/* What came is the fiber's: behind what it has not read, or instead of what it has. */
static ssize_t take_more(struct weir__pg_berth *b)
{
    struct weir__pg_conn *conn = &b->conn;
    struct weir__pg_carrier *k = b->carrier;
    size_t n = b->more.len, left = conn->in.len - conn->in_at;
    if (left == 0) {
        weir_buf taken = b->more;
        b->more = conn->in;
        conn->in = taken;
    } else {
        memmove(conn->in.ptr, conn->in.ptr + conn->in_at, left);
        conn->in.len = left;
        weir_buf_puts(&conn->in, weir_buf_str(&b->more));
        if (conn->in.err < 0) {
            b->is_cut_off = true;
            return -ENOMEM;
        }
    }
    conn->in_at = 0;
    weir_buf_reset(&b->more);
    if (WEIR_UNLIKELY(k->held_since.ns != INT64_MAX) && b->is_flying && b->slot == k->head) {
        k->held_since = weir_never();
        receive(k);
    }
    return (ssize_t)n;
}

ssize_t weir__pg_berth_receive(struct weir__pg_conn *conn, bool waits)
{
    struct weir__pg_berth *b = conn->berth;
    struct weir__wait w;
    while (b->more.len == 0) {
        if (!b->is_flying)
            return b->err != WEIR_OK ? b->err : -EPIPE;
        if (!waits)
            return -EAGAIN;
        weir_err err = weir__ctx_check(conn->sql.c);
        if (err != WEIR_OK)
            return weir__wait_refused(err);
        weir__wait_init(&w, &flight_type, conn->sql.c, conn->sql.site, b);
        b->wait = &w;
        err = weir__park(&w, weir_never());
        if (err != WEIR_OK)
            return err;
    }
    return take_more(b);
}

/* --- making ----------------------------------------------------------------------------------- */

static weir_err attach(struct weir__pg_carrier *k, uint32_t depth)
{
    uint32_t slots = 1;
    while (slots <= depth)
        slots *= 2;
    k->ring = weir__calloc(slots, sizeof *k->ring);
    k->mask = slots - 1;
    if (k->seat->in == NULL)
        k->seat->in = weir__malloc(WEIR__PG_RECEIVED_AT_ONCE);
    if (k->ring == NULL || k->seat->in == NULL)
        return -ENOMEM;
    struct weir__detached d = weir__stream_detach(&k->base->stream);
    weir_err err = weir__stream_attach(&k->base->stream, d, on_ready);
    if (err != WEIR_OK)
        weir__detached_close(d);
    return err;
}

struct weir__pg_carrier *weir__pg_carrier_new(struct weir__pg_mux *mux, struct weir__pg_conn *base,
                                              struct weir__ctx *c)
{
    struct weir__pg_carrier *k = weir__calloc(1, sizeof *k);
    if (k == NULL) {
        weir__pg_disconnect(base, c);
        return NULL;
    }
    k->base = base;
    k->mux = mux;
    k->seat = weir__pg_seat(mux);
    k->held_since = weir_never();
    base->carrier = k;
    base->sql.c = c;
    weir__turn_end_init(&k->turn, on_turn_end);
    weir__timer_init(&k->watch, on_watch);
    weir__map_init(&k->known, WEIR__PG_KNOWN_MAX);
    weir__list_init(&k->by_use);
    weir_buf_init(&k->out, (base->out.bytes_max + KEPT_BYTES) * ((size_t)mux->db->o.multiplex + 1));
    weir_buf_init(&k->closes, WEIR__PG_WINDOW_MAX);
    weir_buf_init(&k->aside, ASIDE_MAX);
    weir_err err = attach(k, mux->db->o.multiplex);
    if (err == WEIR_OK && base->in_at < base->in.len) /* it said more than that it is ready */
        err = feed(k, base->in.ptr + base->in_at, base->in.len - base->in_at);
    if (err == WEIR_OK)
        return k;
    k->is_over = true;
    weir__pg_carrier_free(k);
    return NULL;
}
