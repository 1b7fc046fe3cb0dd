/*
 * Packets out and in. One buffer each way, which keep their memory: a warm statement allocates
 * nothing, is sent with one call, and its answer is usually read with one.
 *
 * A packet is read where it was received. Bytes are moved only when the next one does not fit
 * behind what is there, so what a row points to stays until the next is asked for (M3).
 */
#include <string.h>

#include "base/assert.h"
#include "data/mysql/mysql.h"

/* --- the end of a connection ------------------------------------------------------------------ */

static weir_err broken(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    conn->is_broken = true;
    f->is_broken = true;
    f->fate = WEIR__TX_LOST;
    return f->err;
}

static weir_err gone(struct weir__mysql_conn *conn, weir_err err, bool may_have_run,
                     struct weir__sql_fault *f)
{
    (void)weir__sql_fault(f, WEIR_EGONE, "the connection broke: %s",
                          err == WEIR_OK ? "the server has closed it" : weir_strerror(err));
    f->may_have_run = may_have_run;
    return broken(conn, f);
}

weir_err weir__mysql_malformed(struct weir__mysql_conn *conn, int rc, struct weir__sql_fault *f)
{
    (void)weir__sql_fault(f, WEIR_EPROTO, "the server sent %s", weir__mysql_error_text(rc));
    f->may_have_run = true;
    return broken(conn, f);
}

/* Why a wait has ended: the context's reason is nobody's fault, and the answer is still to come. */
static weir_err ended(struct weir__mysql_conn *conn, weir_err err, bool may_have_run,
                      struct weir__sql_fault *f)
{
    weir_err reason = weir__ctx_check(conn->sql.c);
    if (reason < 0) {
        weir__sql_fault_init(f);
        return reason;
    }
    if (err == WEIR_ETIMEDOUT || err == -ENOMEM) {
        (void)weir__sql_fault(f, err, "%s",
                              err == -ENOMEM ? "no memory" : "the server has not answered in time");
        f->may_have_run = may_have_run;
        return broken(conn, f);
    }
    return gone(conn, err, may_have_run, f);
}

/* --- out -------------------------------------------------------------------------------------- */

size_t weir__mysql_begin_command(struct weir__mysql_conn *conn)
{
    return weir__mysql_packet_begin(&conn->out);
}

void weir__mysql_end_command(struct weir__mysql_conn *conn, size_t at)
{
    (void)weir__mysql_packet_end(&conn->out, at, 0);
    conn->owed++;
}

void weir__mysql_drop_unsent(struct weir__mysql_conn *conn)
{
    weir_buf_reset(&conn->out);
    conn->owed = 0;
    conn->owes_prepared = false;
    conn->is_changed = conn->is_changed || conn->has_closes; /* the server still has those */
    conn->has_closes = false;
}

static weir_err unsent(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    weir_err err = conn->out.err;
    weir__mysql_drop_unsent(conn);
    return weir__sql_fault(f, err, "%s",
                           err == WEIR_ETOOLARGE
                               ? "a statement with its values is over value_bytes_max"
                               : "no memory");
}

weir_err weir__mysql_flush(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    weir_buf *out = &conn->out;
    size_t sent = 0, n = out->len;
    if (out->err < 0)
        return unsent(conn, f);
    WEIR_ASSERT(!conn->is_broken, "M4: nothing is sent after a packet that was sent in part");
    weir_err err = weir__stream_send(conn->sql.c, &conn->stream, out->ptr, n, &sent, conn->until);
    weir_buf_reset(out);
    conn->has_closes = false;
    if (out->cap > WEIR__MYSQL_WINDOW_MAX)
        weir_buf_fini(out);
    if (err == WEIR_OK)
        return WEIR_OK;
    err = ended(conn, err, sent > 0, f);
    f->may_have_run = sent > 0;
    (void)broken(conn, f);
    return err;
}

/* --- in --------------------------------------------------------------------------------------- */

/* Room for `more` bytes behind what is there; what was not read moves to the front for it. */
static weir_err make_room(struct weir__mysql_conn *conn, size_t more)
{
    weir_buf *in = &conn->in;
    size_t have = in->len - conn->in_at;
    if (have == 0) {
        bool was_full = in->len == in->cap && in->cap > 0;
        in->len = conn->in_at = 0;
        if (was_full && conn->window < WEIR__MYSQL_WINDOW_MAX)
            conn->window *= 2; /* what came was cut by its end */
        if (in->cap > WEIR__MYSQL_WINDOW_MAX || in->cap < conn->window)
            weir_buf_fini(in); /* a large row is over, or the window grows */
    }
    if (in->cap - in->len >= more && in->cap > 0)
        return WEIR_OK;
    if (conn->in_at > 0) {
        memmove(in->ptr, in->ptr + conn->in_at, have);
        in->len = have;
        conn->in_at = 0;
    }
    size_t least = conn->window > have ? conn->window - have : 1;
    if (weir_buf_reserve(in, more > least ? more : least) == NULL) {
        in->err = WEIR_OK;
        return -ENOMEM;
    }
    return WEIR_OK;
}

/* Receives once, so that `more` bytes may be there. */
static ssize_t receive(struct weir__mysql_conn *conn, size_t more, bool waits)
{
    weir_err err = make_room(conn, more);
    if (err < 0)
        return err;
    char *at = conn->in.ptr + conn->in.len;
    size_t room = conn->in.cap - conn->in.len;
    ssize_t n = waits ? weir__stream_recv(conn->sql.c, &conn->stream, at, room, conn->until)
                      : weir__stream_try_recv(&conn->stream, at, room);
    if (n > 0)
        conn->in.len += (size_t)n;
    if (n > 0 && waits)
        weir__sql_received(&conn->sql, (size_t)n);
    return n == 0 ? -EPIPE : n;
}

static size_t part_bytes(const char *head)
{
    const uint8_t *p = (const uint8_t *)head;
    return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
}

/*
 * Drops what was received of a packet that is too large, and of those that it goes on with; true
 * when that is over, else so many bytes are missing.
 */
static bool skip(struct weir__mysql_conn *conn, size_t *missing)
{
    for (;;) {
        size_t have = conn->in.len - conn->in_at;
        size_t n = conn->skip < have ? conn->skip : have;
        conn->in_at += n;
        conn->skip -= n;
        have -= n;
        *missing = conn->skip > 0 ? 1 : WEIR__MYSQL_HEAD - have;
        if (conn->skip > 0 || (conn->skips_more && have < WEIR__MYSQL_HEAD))
            return false;
        if (!conn->skips_more)
            return true;
        size_t part = part_bytes(conn->in.ptr + conn->in_at);
        conn->skips_more = part == WEIR__MYSQL_PART_MAX;
        conn->skip = WEIR__MYSQL_HEAD + part;
        conn->number++;
    }
}

static weir_err too_large(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    conn->skip = 0;
    conn->skips_more = true; /* from this one on */
    if (conn->phase != WEIR__MYSQL_AT_ROWS || conn->definitions > 0)
        return weir__mysql_malformed(conn, WEIR_MYSQL_ELENGTH, f);
    return weir__sql_fault(f, WEIR_ETOOLARGE, "a row is over value_bytes_max, which is %u bytes",
                           conn->owner->o.value_bytes_max);
}

static size_t body_max(const struct weir__mysql_conn *conn)
{
    size_t most = conn->owner->o.value_bytes_max;
    bool is_row = conn->phase == WEIR__MYSQL_AT_ROWS && conn->definitions == 0;
    return is_row || most > WEIR__MYSQL_WINDOW_MAX ? most : WEIR__MYSQL_WINDOW_MAX;
}

static weir_err next(struct weir__mysql_conn *conn, weir_str *body, bool waits,
                     struct weir__sql_fault *f)
{
    for (;;) {
        struct weir__mysql_packet p = {0};
        size_t bound = body_max(conn);
        if ((conn->skip == 0 && !conn->skips_more) || skip(conn, &p.missing)) {
            char *at = conn->in.ptr + conn->in_at;
            int64_t rc =
                weir__mysql_packet_read(at, conn->in.len - conn->in_at, conn->number, bound, &p);
            if (rc == WEIR_MYSQL_ELENGTH)
                return too_large(conn, f);
            if (rc < 0)
                return weir__mysql_malformed(conn, (int)rc, f);
            if (rc > 0) {
                conn->in_at += (size_t)rc;
                conn->number = p.next;
                *body = p.body;
                return WEIR_OK;
            }
        }
        ssize_t n = receive(conn, p.missing, waits);
        if (n == -EAGAIN && !waits)
            return -EAGAIN;
        if (n < 0)
            return ended(conn, n == -EPIPE ? WEIR_OK : (weir_err)n, true, f);
    }
}

weir_err weir__mysql_next(struct weir__mysql_conn *conn, weir_str *body, struct weir__sql_fault *f)
{
    return next(conn, body, true, f);
}

weir_err weir__mysql_try_next(struct weir__mysql_conn *conn, weir_str *body,
                              struct weir__sql_fault *f)
{
    return next(conn, body, false, f);
}
