/*
 * Messages out and in. One buffer each way, which keep their memory: a warm statement allocates
 * nothing, is sent with one call, and its answer is usually read with one.
 *
 * A message is read where it was received. Bytes are moved only when the next one does not fit
 * behind what is there, so what a row points to stays until the next is asked for (P3).
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "data/postgres/multiplex.h"
#include <weir/log.h>

enum { MESSAGES_MAX = 1 << 16 }; /* of other kinds than rows, with a small body */

/* --- the end of a connection ------------------------------------------------------------------ */

static weir_err gone(struct weir__pg_conn *conn, weir_err err, struct weir__sql_fault *f)
{
    bool may_have_run = conn->syncs > 0 && (conn->berth == NULL || conn->berth->was_sent);
    conn->is_broken = true;
    (void)weir__sql_fault(f, WEIR_EGONE, "the connection broke: %s",
                          err == WEIR_OK ? "the server has closed it" : weir_strerror(err));
    f->is_broken = true;
    f->may_have_run = may_have_run;
    f->fate = WEIR__TX_LOST;
    return f->err;
}

weir_err weir__pg_malformed(struct weir__pg_conn *conn, const char *what, struct weir__sql_fault *f)
{
    conn->is_broken = true;
    (void)weir__sql_fault(f, WEIR_EPROTO, "no PostgreSQL server speaks so: %s", what);
    f->is_broken = true;
    f->may_have_run = conn->syncs > 0;
    f->fate = WEIR__TX_LOST;
    return f->err;
}

weir_err weir__pg_unexpected(struct weir__pg_conn *conn, const struct weir__pg_message *m,
                             struct weir__sql_fault *f)
{
    char what[64];
    (void)snprintf(what, sizeof what, "a message of type '%c', which is no answer", m->type);
    return weir__pg_malformed(conn, what, f);
}

/* Why a wait has ended: the context's reason is nobody's fault, and the answer is still to come. */
static weir_err ended(struct weir__pg_conn *conn, weir_err err, struct weir__sql_fault *f)
{
    weir_err reason = weir__ctx_check(conn->sql.c);
    if (reason < 0) {
        weir__sql_fault_init(f);
        return reason;
    }
    if (err == WEIR_ETIMEDOUT && conn->until.ns != INT64_MAX) {
        conn->is_broken = true;
        (void)weir__sql_fault(f, WEIR_ETIMEDOUT, "the server has not answered in time");
        f->is_broken = true;
        return f->err;
    }
    if (conn->berth != NULL && conn->berth->is_cut_off && err == WEIR_EBUSY) {
        conn->is_broken = true;
        (void)weir__sql_fault(f, WEIR_EBUSY,
                              "its rows were not read while other statements waited behind them: "
                              "what has many rows is for a transaction");
        f->is_broken = true;
        return f->err;
    }
    if (err == -ENOMEM) {
        conn->is_broken = true;
        (void)weir__sql_fault(f, -ENOMEM, "no memory");
        f->is_broken = true;
        f->fate = WEIR__TX_LOST;
        return f->err;
    }
    return gone(conn, err, f);
}

/* --- out -------------------------------------------------------------------------------------- */

weir_err weir__pg_flush(struct weir__pg_conn *conn, unsigned syncs, struct weir__sql_fault *f)
{
    weir_buf *out = &conn->out;
    weir_err err = out->err;
    size_t sent = 0, n = out->len;
    if (err < 0) { /* nothing of it is sent, so the connection is as it was */
        weir__pg_drop_unsent(conn);
        return weir__sql_fault(f, err,
                               err == WEIR_ETOOLARGE
                                   ? "a statement with its values is over value_bytes_max"
                               : err == WEIR_EINVALID ? "a text of SQL has a NUL in it"
                                                      : "no memory");
    }
    WEIR_ASSERT(!conn->is_broken, "P4: nothing is sent after a message that was sent in part");
    if (conn->berth != NULL)
        return weir__pg_berth_send(conn, syncs, f);
    err = weir__stream_send(conn->sql.c, &conn->stream, out->ptr, n, &sent, conn->until);
    weir_buf_reset(out);
    if (out->cap > WEIR__PG_WINDOW_MAX)
        weir_buf_fini(out);
    if (err == WEIR_OK) {
        conn->syncs += syncs;
        conn->is_cancelled = false;
        return WEIR_OK;
    }
    conn->is_broken = true;
    err = ended(conn, err, f);
    f->is_broken = true;
    f->may_have_run = sent > 0;
    f->fate = WEIR__TX_LOST;
    return err;
}

/* --- in --------------------------------------------------------------------------------------- */

/* Moves what was not read to the front when `total` bytes of it would not fit behind. */
static weir_err make_room(struct weir__pg_conn *conn, size_t total)
{
    weir_buf *in = &conn->in;
    size_t have = in->len - conn->in_at;
    if (have == 0) {
        in->len = conn->in_at = 0;
        if (in->cap > WEIR__PG_WINDOW_MAX && total < WEIR__PG_WINDOW_MAX)
            weir_buf_fini(in); /* a large row is over */
    }
    if (conn->in_at > 0 && in->cap - conn->in_at < total) {
        memmove(in->ptr, in->ptr + conn->in_at, have);
        in->len = have;
        conn->in_at = 0;
    }
    size_t room = total - have > in->cap - in->len ? total - have : in->cap - in->len;
    if (in->cap == 0 && room < conn->window)
        room = conn->window;
    if (weir_buf_reserve(in, room) == NULL) {
        weir_err err = in->err;
        in->err = WEIR_OK;
        return err;
    }
    return WEIR_OK;
}

/* A window that was filled to its end was too small; it grows when it is empty. */
static void widen(struct weir__pg_conn *conn)
{
    if (conn->in_at == conn->in.len && conn->in.cap == conn->window &&
        conn->window < WEIR__PG_WINDOW_MAX && conn->in.len == conn->in.cap) {
        weir_buf_fini(&conn->in);
        conn->in_at = 0;
        conn->window *= 2;
    }
}

/* Receives so that `total` bytes may be there; once. */
static ssize_t receive(struct weir__pg_conn *conn, size_t total, bool waits)
{
    if (conn->berth != NULL)
        return weir__pg_berth_receive(conn, waits);
    widen(conn);
    weir_err err = make_room(conn, total);
    if (err < 0)
        return err == WEIR_ETOOLARGE ? -ENOMEM : err;
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

/* Drops what was received of a message that is skipped; true when that is over. */
static bool skip(struct weir__pg_conn *conn)
{
    size_t have = conn->in.len - conn->in_at;
    size_t n = conn->skip < have ? conn->skip : have;
    conn->in_at += n;
    conn->skip -= n;
    return conn->skip == 0;
}

static weir_err too_large(struct weir__pg_conn *conn, const struct weir__pg_message *m,
                          struct weir__sql_fault *f)
{
    if (m->type != WEIR__PG_DATA_ROW)
        return weir__pg_malformed(conn, "a message that is too long for its type", f);
    conn->skip = m->total;
    return weir__sql_fault(f, WEIR_ETOOLARGE, "a row of %zu bytes; value_bytes_max is %u",
                           m->total - WEIR__PG_HEAD_BYTES, conn->owner->o.value_bytes_max);
}

static void log_notice(struct weir__pg_conn *conn, const struct weir__pg_notice *n)
{
    bool is_warning = weir_str_eq(n->severity, WEIR_S("WARNING"));
    weir_log(weir__ctx_handle(conn->sql.c), is_warning ? WEIR_LOG_WARN : WEIR_LOG_INFO,
             "database %s: " WEIR_STR_FMT " (SQLSTATE " WEIR_STR_FMT ")", conn->owner->name,
             WEIR_STR_ARG(n->message), WEIR_STR_ARG(n->state));
}

bool weir__pg_is_aside(struct weir__pg_conn *conn, const struct weir__pg_message *m, bool *is_bad)
{
    struct weir__pg_notice notice;
    weir_str name, value;
    uint32_t process;
    switch (m->type) {
    case WEIR__PG_NOTICE:
        *is_bad = !weir__pg_read_notice(m->body, &notice);
        if (!*is_bad)
            log_notice(conn, &notice);
        return true;
    case WEIR__PG_PARAMETER_STATUS:
        *is_bad = !weir__pg_read_parameter(m->body, &name, &value);
        conn->is_session_changed = conn->is_session_changed || conn->status != '\0';
        return true;
    case WEIR__PG_NOTIFICATION: /* else of a LISTEN in a session that is reset soon */
        if (conn->is_listening)
            return false;
        *is_bad = !weir__pg_read_notification(m->body, &process, &name, &value);
        return true;
    default:
        return false;
    }
}

static size_t body_max(const struct weir__pg_conn *conn, weir_str bytes)
{
    bool is_row = bytes.len > 0 && bytes.ptr[0] == WEIR__PG_DATA_ROW;
    return is_row ? conn->owner->o.value_bytes_max : MESSAGES_MAX * 4;
}

/* Out of what has come. 1: an answer; 0: more is wanted, m->total says how much; or an error. */
static int take_received(struct weir__pg_conn *conn, struct weir__pg_message *m,
                         struct weir__sql_fault *f)
{
    for (bool is_bad = false;;) {
        m->total = 1;
        if (conn->skip > 0 && !skip(conn))
            return 0;
        weir_str bytes = {conn->in.ptr + conn->in_at, conn->in.len - conn->in_at};
        int rc = weir__pg_cut(bytes, body_max(conn, bytes), m);
        if (rc == WEIR_ETOOLARGE)
            return too_large(conn, m, f);
        if (rc < 0)
            return weir__pg_malformed(conn, "a length or a type that there is not", f);
        if (rc == 0)
            return 0;
        conn->in_at += m->total;
        if (!weir__pg_is_aside(conn, m, &is_bad))
            return 1;
        if (is_bad)
            return weir__pg_malformed(conn, "a notice or a setting of another form", f);
    }
}

static weir_err next(struct weir__pg_conn *conn, struct weir__pg_message *m, bool waits,
                     struct weir__sql_fault *f)
{
    for (;;) {
        int rc = take_received(conn, m, f);
        if (rc != 0)
            return rc < 0 ? rc : WEIR_OK;
        ssize_t n = receive(conn, m->total, waits);
        if (n == -EAGAIN && !waits)
            return -EAGAIN;
        if (n < 0)
            return ended(conn, n == -EPIPE ? WEIR_OK : (weir_err)n, f);
    }
}

weir_err weir__pg_next(struct weir__pg_conn *conn, struct weir__pg_message *m,
                       struct weir__sql_fault *f)
{
    return next(conn, m, true, f);
}

weir_err weir__pg_try_next(struct weir__pg_conn *conn, struct weir__pg_message *m,
                           struct weir__sql_fault *f)
{
    return next(conn, m, false, f);
}

/* --- answers ---------------------------------------------------------------------------------- */

static weir_err err_of(weir_str state)
{
    static const struct {
        const char *state; /* the first two, or all five */
        weir_err err;
    } codes[] = {
        {"23505", WEIR_EUNIQUE},     {"23503", WEIR_EFOREIGNKEY}, {"23502", WEIR_ENOTNULL},
        {"23514", WEIR_ECHECK},      {"23", WEIR_ECONSTRAINT},    {"40001", WEIR_ESERIALIZATION},
        {"40P01", WEIR_EDBDEADLOCK}, {"25006", WEIR_EREADONLY},   {"53300", WEIR_ETOOMANY},
        {"55P03", WEIR_EBUSY},       {"57014", WEIR_ETIMEDOUT},   {"57P", WEIR_EGONE},
        {"25P03", WEIR_EGONE},       {"08", WEIR_EGONE},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (weir_str_starts(state, weir_str_from(codes[i].state)))
            return codes[i].err;
    }
    return WEIR_EDB;
}

/* One line: what is no text becomes a blank. */
static void add_line(weir_buf *b, const char *before, weir_str text)
{
    size_t room = b->bytes_max - b->len - 1;
    if (text.len == 0 || strlen(before) + 1 >= room)
        return;
    weir_buf_puts(b, weir_str_from(before));
    room -= strlen(before);
    size_t n = text.len < room ? text.len : room;
    while (n < text.len && n > 0 && ((uint8_t)text.ptr[n] & 0xc0) == 0x80)
        n--; /* not within a character */
    for (size_t i = 0; i < n; i++)
        weir_buf_putc(b, (uint8_t)text.ptr[i] < ' ' ? ' ' : text.ptr[i]);
}

static void describe(const struct weir__pg_notice *n, struct weir__sql_fault *f)
{
    weir_buf b;
    weir_buf_init_fixed(&b, f->text, sizeof f->text);
    add_line(&b, "", n->message);
    add_line(&b, "; ", n->detail);
    add_line(&b, "; hint: ", n->hint);
    f->text[b.len] = '\0';
    (void)snprintf(f->state, sizeof f->state, WEIR_STR_FMT, WEIR_STR_ARG(n->state));
    weir_str name = n->constraint;
    if (name.len == 0) /* what a NOT NULL has instead */
        name = n->column;
    if (name.len >= sizeof f->constraint)
        name.len = sizeof f->constraint - 1;
    if (name.len > 0)
        memcpy(f->constraint, name.ptr, name.len);
    f->constraint[name.len] = '\0';
}

/*
 * The server goes, or takes no writes (any more) though the transaction was not begun so: it is
 * not, or not for long, who it was when these connections were made.
 */
static void note_failover(struct weir__pg_conn *conn, weir_str state)
{
    bool is_going = weir_str_eq(state, WEIR_S("57P01")) || weir_str_eq(state, WEIR_S("57P02")) ||
                    weir_str_eq(state, WEIR_S("57P03"));
    bool is_by_wish = conn->tx != WEIR__PG_TX_NONE && strstr(conn->begin, "READ ONLY") != NULL;
    bool refuses_writes = weir_str_eq(state, WEIR_S("25006")) && !is_by_wish;
    if (is_going || refuses_writes)
        weir__pg_note_failover(conn, refuses_writes);
}

weir_err weir__pg_fault_of(struct weir__pg_conn *conn, const struct weir__pg_notice *n,
                           struct weir__sql_fault *f)
{
    bool is_fatal =
        weir_str_eq(n->severity, WEIR_S("FATAL")) || weir_str_eq(n->severity, WEIR_S("PANIC"));
    weir__sql_fault_init(f);
    f->number = 0;
    f->err = err_of(n->state);
    describe(n, f);
    conn->position = n->position;
    if (!weir_is_constraint(f->err))
        f->constraint[0] = '\0';
    note_failover(conn, n->state);
    f->fate = conn->tx == WEIR__PG_TX_BEGUN ? WEIR__TX_FAILED : WEIR__TX_GOES_ON;
    if (is_fatal) {
        conn->is_broken = true;
        f->is_broken = true;
        f->may_have_run = conn->syncs > 0;
        f->fate = WEIR__TX_LOST;
    }
    return f->err;
}

static bool changes_session(weir_str tag)
{
    static const weir_str tags[] = {
        {"SET", 3},         {"RESET", 5},   {"LISTEN", 6},  {"UNLISTEN", 8}, {"PREPARE", 7},
        {"DEALLOCATE", 10}, {"DISCARD", 7}, {"DECLARE", 7}, {"LOAD", 4},     {"CREATE TEMP", 11},
    };
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if (weir_str_starts(tag, tags[i]))
            return true;
    }
    return false;
}

static weir_err take_complete(struct weir__pg_conn *conn, const struct weir__pg_message *m,
                              struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    weir_str tag;
    int64_t changes;
    if (!weir__pg_read_complete(m->body, &tag, &changes))
        return weir__pg_malformed(conn, "a command's end of another form", f);
    if (conn->prefix > 0) {
        conn->prefix--;
        return WEIR_OK;
    }
    conn->is_session_changed = conn->is_session_changed || changes_session(tag);
    if (out != NULL)
        out->changes = changes;
    return WEIR_OK;
}

static weir_err take_ready(struct weir__pg_conn *conn, const struct weir__pg_message *m,
                           struct weir__sql_fault *f)
{
    if (conn->syncs == 0 || !weir__pg_read_ready(m->body, &conn->status))
        return weir__pg_malformed(conn, "it is ready for a query that it was not asked for", f);
    conn->syncs--;
    conn->prefix = 0;
    if (conn->tx == WEIR__PG_TX_BEGUN && conn->status == 'I') {
        conn->tx = WEIR__PG_TX_NONE;
        conn->server_stops = weir_never();
    }
    return WEIR_OK;
}

weir_err weir__pg_take_answer(struct weir__pg_conn *conn, const struct weir__pg_message *m,
                              struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    struct weir__pg_notice notice;
    switch (m->type) {
    case WEIR__PG_READY:
        return take_ready(conn, m, f);
    case WEIR__PG_COMMAND_COMPLETE:
        return take_complete(conn, m, out, f);
    case WEIR__PG_ERROR:
        if (!weir__pg_read_notice(m->body, &notice))
            return weir__pg_malformed(conn, "an error of another form", f);
        return weir__pg_fault_of(conn, &notice, f);
    case WEIR__PG_BIND_COMPLETE:
    case WEIR__PG_CLOSE_COMPLETE:
    case WEIR__PG_PARSE_COMPLETE:
    case WEIR__PG_EMPTY_QUERY:
    case WEIR__PG_NO_DATA:
    case WEIR__PG_COLUMNS:
    case WEIR__PG_PARAMETERS:
    case WEIR__PG_DATA_ROW:
    case WEIR__PG_COPY_DATA:
    case WEIR__PG_COPY_DONE:
    case WEIR__PG_NOTIFICATION:
        return WEIR_OK;
    case WEIR__PG_COPY_IN:
    case WEIR__PG_COPY_OUT:
    case WEIR__PG_COPY_BOTH:
        conn->is_broken = true;
        (void)weir__sql_fault(f, WEIR_EINVALID,
                              "COPY from and to the client is not for statements");
        f->is_broken = true;
        f->fate = WEIR__TX_LOST;
        return f->err;
    default:
        return weir__pg_unexpected(conn, m, f);
    }
}

weir_err weir__pg_settle(struct weir__pg_conn *conn, struct weir__sql_outcome *out,
                         struct weir__sql_fault *f)
{
    struct weir__sql_fault later;
    weir_err first = WEIR_OK;
    while (conn->syncs > 0) {
        struct weir__pg_message m;
        struct weir__sql_fault *to = first < 0 ? &later : f;
        weir_err err = weir__pg_next(conn, &m, to);
        if (err == WEIR_OK)
            err = weir__pg_take_answer(conn, &m, out, to);
        bool is_over = conn->is_broken || (err < 0 && err == weir__ctx_check(conn->sql.c));
        if (first < 0 && is_over) { /* what was said first tells more */
            f->is_broken = f->is_broken || conn->is_broken;
            return first;
        }
        first = first < 0 ? first : err;
        if (is_over)
            return first;
    }
    if (first < 0 && f->fate == WEIR__TX_FAILED && conn->tx == WEIR__PG_TX_NONE)
        f->fate = WEIR__TX_LOST; /* a COMMIT that failed ends it */
    return first;
}

weir_err weir__pg_ready(struct weir__pg_conn *conn, struct weir__sql_fault *f)
{
    struct weir__sql_fault old; /* of rows that were left in the middle: nobody's any more */
    if (conn->is_broken) {
        (void)weir__sql_fault(f, WEIR_EGONE, "the connection broke before this");
        f->is_broken = true;
        f->fate = WEIR__TX_LOST;
        return f->err;
    }
    if (conn->syncs == 0)
        return WEIR_OK;
    weir__sql_fault_init(&old);
    weir_err err = weir__pg_settle(conn, NULL, &old);
    if (conn->syncs == 0 && !conn->is_broken)
        return WEIR_OK;
    *f = old;
    return err;
}

weir_err weir__pg_simple(struct weir__pg_conn *conn, weir_str sql, struct weir__sql_outcome *out,
                         struct weir__sql_fault *f)
{
    weir_err err = weir__pg_ready(conn, f);
    if (err < 0)
        return err;
    weir__pg_put_query(&conn->out, sql);
    err = weir__pg_flush(conn, 1, f);
    return err < 0 ? err : weir__pg_settle(conn, out, f);
}
