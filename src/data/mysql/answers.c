/*
 * Answers, read to their ends: what they say of the session, what an error is in the words of the
 * core, and how much is still to come (M1).
 */
#include <string.h>

#include "base/assert.h"
#include "data/mysql/mysql.h"

/* --- errors ----------------------------------------------------------------------------------- */

/*
 * Numbers of MySQL's and MariaDB's, from their manuals' lists of server errors. GONE: the
 * connection is at its end.
 */
static weir_err err_of(unsigned number)
{
    static const struct {
        unsigned number;
        weir_err err;
    } codes[] = {
        {1062, WEIR_EUNIQUE},        /* ER_DUP_ENTRY */
        {1586, WEIR_EUNIQUE},        /* ER_DUP_ENTRY_WITH_KEY_NAME */
        {1169, WEIR_EUNIQUE},        /* ER_DUP_UNIQUE */
        {1022, WEIR_EUNIQUE},        /* ER_DUP_KEY */
        {1451, WEIR_EFOREIGNKEY},    /* ER_ROW_IS_REFERENCED_2 */
        {1452, WEIR_EFOREIGNKEY},    /* ER_NO_REFERENCED_ROW_2 */
        {1216, WEIR_EFOREIGNKEY},    /* ER_NO_REFERENCED_ROW */
        {1217, WEIR_EFOREIGNKEY},    /* ER_ROW_IS_REFERENCED */
        {1048, WEIR_ENOTNULL},       /* ER_BAD_NULL_ERROR */
        {1364, WEIR_ENOTNULL},       /* ER_NO_DEFAULT_FOR_FIELD */
        {4025, WEIR_ECHECK},         /* ER_CONSTRAINT_FAILED (MariaDB) */
        {3819, WEIR_ECHECK},         /* ER_CHECK_CONSTRAINT_VIOLATED (MySQL) */
        {1213, WEIR_EDBDEADLOCK},    /* ER_LOCK_DEADLOCK */
        {1020, WEIR_ESERIALIZATION}, /* ER_CHECKREAD: MariaDB's innodb_snapshot_isolation */
        {1205, WEIR_EBUSY},          /* ER_LOCK_WAIT_TIMEOUT */
        {3572, WEIR_EBUSY},          /* ER_LOCK_NOWAIT (MySQL) */
        {1290, WEIR_EREADONLY},      /* ER_OPTION_PREVENTS_STATEMENT: --read-only */
        {1836, WEIR_EREADONLY},      /* ER_READ_ONLY_MODE */
        {1792, WEIR_EREADONLY},      /* ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION */
        {1040, WEIR_ETOOMANY},       /* ER_CON_COUNT_ERROR */
        {1203, WEIR_ETOOMANY},       /* ER_TOO_MANY_USER_CONNECTIONS */
        {1226, WEIR_ETOOMANY},       /* ER_USER_LIMIT_REACHED */
        {1969, WEIR_ETIMEDOUT},      /* ER_STATEMENT_TIMEOUT (MariaDB) */
        {3024, WEIR_ETIMEDOUT},      /* ER_QUERY_TIMEOUT (MySQL) */
        {1153, WEIR_ETOOLARGE},      /* ER_NET_PACKET_TOO_LARGE */
        {1053, WEIR_EGONE},          /* ER_SERVER_SHUTDOWN */
        {1927, WEIR_EGONE},          /* ER_CONNECTION_KILLED (MariaDB) */
        {3169, WEIR_EGONE},          /* ER_SESSION_WAS_KILLED (MySQL) */
        {4031, WEIR_EGONE},          /* ER_CLIENT_INTERACTION_TIMEOUT (MySQL) */
        {1152, WEIR_EGONE},          /* ER_ABORTING_CONNECTION */
        {1159, WEIR_EGONE},          /* ER_NET_READ_INTERRUPTED */
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].number == number)
            return codes[i].err;
    }
    return WEIR_EDB;
}

/* One line of text: what is none becomes a blank, and no character is cut. */
static void copy_line(char *to, size_t size, weir_str s)
{
    size_t n = s.len < size ? s.len : size - 1;
    while (n < s.len && n > 0 && ((uint8_t)s.ptr[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)s.ptr[i] < ' ' ? ' ' : s.ptr[i];
    to[n] = '\0';
}

/* What stands between `before` and the next `end`; absent when it is not there. */
static weir_str between(weir_str s, const char *before, char end)
{
    const char *at = memmem(s.ptr, s.len, before, strlen(before));
    if (at == NULL)
        return (weir_str){NULL, 0};
    at += strlen(before);
    const char *stop = memchr(at, end, (size_t)(s.ptr + s.len - at));
    return (weir_str){at, stop != NULL ? (size_t)(stop - at) : 0};
}

/* A name with what stands before its point left out: "orders.email" (MySQL 8.0). */
static weir_str last_part(weir_str s)
{
    const char *point = s.len > 0 ? memrchr(s.ptr, '.', s.len) : NULL;
    size_t n = point != NULL ? (size_t)(point + 1 - s.ptr) : 0;
    return (weir_str){s.ptr + n, s.len - n};
}

/* The constraint's name, out of the text: nothing else has it. */
static weir_str constraint_of(const struct weir__mysql_err *e, weir_err err)
{
    switch (err) {
    case WEIR_EUNIQUE:
        return last_part(between(e->text, "for key '", '\''));
    case WEIR_EFOREIGNKEY:
        return between(e->text, "CONSTRAINT `", '`');
    case WEIR_ENOTNULL:
        return between(e->text, e->number == 1048 ? "Column '" : "Field '", '\'');
    case WEIR_ECHECK:
        return last_part(e->number == 3819 ? between(e->text, "constraint '", '\'')
                                           : between(e->text, "CONSTRAINT `", '`'));
    default:
        return (weir_str){NULL, 0};
    }
}

/* What the server has done with the transaction; a statement's error undoes the statement alone. */
static uint8_t fate_of(const struct weir__mysql_conn *conn, weir_err err)
{
    if (err == WEIR_EDBDEADLOCK || err == WEIR_EGONE)
        return WEIR__TX_LOST;
    return err == WEIR_ESERIALIZATION && conn->is_in_tx ? WEIR__TX_FAILED : WEIR__TX_GOES_ON;
}

weir_err weir__mysql_refused(struct weir__mysql_conn *conn, weir_str body,
                             struct weir__sql_fault *f)
{
    struct weir__mysql_err e;
    int rc = weir__mysql_err_read(body, &e);
    if (rc < 0)
        return weir__mysql_malformed(conn, rc, f);
    conn->phase = WEIR__MYSQL_AT_REST;
    weir__sql_fault_init(f);
    f->err = err_of(e.number);
    f->number = e.number;
    f->fate = fate_of(conn, f->err);
    memcpy(f->state, e.state, sizeof f->state);
    copy_line(f->text, sizeof f->text, e.text);
    copy_line(f->constraint, sizeof f->constraint, constraint_of(&e, f->err));
    /* One that became read-only, or ends, is no primary any more: nothing of it is lent again. */
    bool refuses_writes = e.number == 1290 || e.number == 1836, is_going = e.number == 1053;
    f->is_broken = f->err == WEIR_EGONE || refuses_writes;
    if (refuses_writes || is_going)
        weir__mysql_note_failover(conn, refuses_writes);
    f->may_have_run = f->err == WEIR_EGONE;
    conn->is_broken = conn->is_broken || f->err == WEIR_EGONE;
    if (f->fate == WEIR__TX_LOST)
        conn->is_in_tx = false;
    return f->err;
}

/* --- answers ---------------------------------------------------------------------------------- */

weir_err weir__mysql_take_ok(struct weir__mysql_conn *conn, weir_str body,
                             struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    struct weir__mysql_ok ok;
    int rc = weir__mysql_ok_read(body, &ok);
    if (rc < 0)
        return weir__mysql_malformed(conn, rc, f);
    conn->is_in_tx = (ok.status & WEIR__MYSQL_IN_TX) != 0;
    conn->is_changed = conn->is_changed || ok.changed != 0;
    bool has_more = (ok.status & WEIR__MYSQL_MORE_RESULTS) != 0;
    conn->phase = has_more ? WEIR__MYSQL_AT_NEXT : WEIR__MYSQL_AT_REST;
    if (out != NULL && (uint8_t)body.ptr[0] == 0) {
        out->changes += ok.affected <= INT64_MAX ? (int64_t)ok.affected : INT64_MAX;
        out->last_id = ok.last_id != 0 ? (int64_t)ok.last_id : out->last_id;
    }
    return WEIR_OK;
}

/* The first packet of an answer, or of a further result. */
static weir_err first_packet(struct weir__mysql_conn *conn, weir_str *body,
                             struct weir__sql_fault *f)
{
    if (conn->phase == WEIR__MYSQL_AT_REST) {
        WEIR_ASSERT(conn->owed > 0, "M1: what is read is owed");
        conn->number = 1;
    }
    weir_err err = weir__mysql_next(conn, body, f);
    if (err < 0)
        return err;
    if (conn->phase == WEIR__MYSQL_AT_REST)
        conn->owed--;
    return WEIR_OK;
}

weir_err weir__mysql_read_ok(struct weir__mysql_conn *conn, struct weir__sql_outcome *out,
                             struct weir__sql_fault *f)
{
    weir_str body;
    weir_err err = first_packet(conn, &body, f);
    if (err < 0)
        return err;
    if (body.len > 0 && (uint8_t)body.ptr[0] == WEIR__MYSQL_ERR)
        return weir__mysql_refused(conn, body, f);
    return weir__mysql_take_ok(conn, body, out, f);
}

/* Their number is known: definitions, where they come, and then rows. */
static weir_err read_head_of_rows(struct weir__mysql_conn *conn, struct weir__mysql_stmt *s,
                                  const struct weir__mysql_rows *rows, struct weir__sql_fault *f)
{
    conn->phase = WEIR__MYSQL_AT_ROWS;
    conn->definitions = rows->has_columns ? rows->columns : 0;
    if (s == NULL)
        return WEIR_OK;
    if (rows->has_columns)
        return weir__mysql_read_columns(conn, s, rows->columns, f);
    return s->sql.columns == rows->columns ? WEIR_OK
                                           : weir__mysql_malformed(conn, WEIR_MYSQL_EFORM, f);
}

/* A statement that was prepared and that nobody waits for any more. */
static weir_err give_up_prepared(struct weir__mysql_conn *conn, weir_str body,
                                 struct weir__sql_fault *f)
{
    struct weir__mysql_prepared p;
    conn->owes_prepared = false;
    if (body.len > 0 && (uint8_t)body.ptr[0] == WEIR__MYSQL_ERR)
        return weir__mysql_refused(conn, body, f);
    int rc = weir__mysql_prepared_read(body, &p);
    if (rc < 0)
        return weir__mysql_malformed(conn, rc, f);
    conn->phase = WEIR__MYSQL_AT_PREPARED;
    conn->definitions = (unsigned)p.params + p.columns;
    weir__mysql_close_id(conn, p.id);
    return WEIR_OK;
}

weir_err weir__mysql_read_answer(struct weir__mysql_conn *conn, struct weir__mysql_stmt *s,
                                 struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    struct weir__mysql_rows rows;
    weir_str body;
    weir_err err = first_packet(conn, &body, f);
    if (err < 0)
        return err;
    if (conn->owes_prepared && conn->owed == 0)
        return give_up_prepared(conn, body, f);
    bool can_cache = weir__mysql_can(conn, WEIR__MARIADB_CACHE_METADATA);
    int kind = weir__mysql_answer_read(body, can_cache, &rows);
    if (kind == WEIR__MYSQL_OK)
        return weir__mysql_take_ok(conn, body, out, f);
    if (kind == WEIR__MYSQL_FAILED)
        return weir__mysql_refused(conn, body, f);
    if (kind < 0)
        return weir__mysql_malformed(conn, kind, f);
    return read_head_of_rows(conn, s, &rows, f);
}

static weir_err skip_definitions(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    weir_str body;
    for (; conn->definitions > 0; conn->definitions--) {
        weir_err err = weir__mysql_next(conn, &body, f);
        if (err < 0)
            return err;
    }
    if (conn->phase == WEIR__MYSQL_AT_PREPARED)
        conn->phase = WEIR__MYSQL_AT_REST;
    return WEIR_OK;
}

/* Rows to their end, unread. */
static weir_err skip_rows(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    weir_err err = skip_definitions(conn, f);
    if (err < 0)
        return err;
    while (conn->phase == WEIR__MYSQL_AT_ROWS) {
        weir_str body;
        err = weir__mysql_next(conn, &body, f);
        if (err == WEIR_ETOOLARGE && !conn->is_broken)
            continue;
        if (err < 0)
            return err;
        if (body.len > 0 && (uint8_t)body.ptr[0] == WEIR__MYSQL_ERR)
            return weir__mysql_refused(conn, body, f);
        if (weir__mysql_is_end(body) && (err = weir__mysql_take_ok(conn, body, NULL, f)) < 0)
            return err;
    }
    return WEIR_OK;
}

weir_err weir__mysql_skip_answer(struct weir__mysql_conn *conn, struct weir__sql_outcome *out,
                                 struct weir__sql_fault *f)
{
    weir_err err = skip_rows(conn, f);
    while (err == WEIR_OK && conn->phase != WEIR__MYSQL_AT_REST) {
        err = weir__mysql_read_answer(conn, NULL, out, f);
        if (err == WEIR_OK)
            err = skip_rows(conn, f);
    }
    return err;
}

/* Of a failed read: may the next be tried? */
static bool goes_on(const struct weir__mysql_conn *conn, weir_err err)
{
    return err == WEIR_OK || (!conn->is_broken && conn->phase == WEIR__MYSQL_AT_REST &&
                              weir__ctx_check(conn->sql.c) == WEIR_OK);
}

weir_err weir__mysql_settle(struct weir__mysql_conn *conn, struct weir__sql_fault *f)
{
    return weir__mysql_settle_to(conn, 0, f);
}

weir_err weir__mysql_settle_to(struct weir__mysql_conn *conn, unsigned left,
                               struct weir__sql_fault *f)
{
    struct weir__sql_fault later;
    weir_err first = weir__mysql_skip_answer(conn, NULL, f);
    bool is_going = goes_on(conn, first);
    while (is_going && conn->owed > left) {
        weir__sql_fault_init(&later);
        struct weir__sql_fault *to = first == WEIR_OK ? f : &later;
        weir_err err = weir__mysql_read_answer(conn, NULL, NULL, to);
        if (err == WEIR_OK)
            err = weir__mysql_skip_answer(conn, NULL, to);
        is_going = goes_on(conn, err);
        first = first == WEIR_OK ? err : first;
    }
    return first;
}

weir_err weir__mysql_simple(struct weir__mysql_conn *conn, weir_str sql,
                            struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    weir_err err = weir__mysql_ready(conn, f);
    if (err == WEIR_OK)
        err = weir__mysql_begin_now(conn, f);
    if (err < 0)
        return err;
    (void)weir__mysql_put_prefix(conn, false);
    size_t at = weir__mysql_begin_command(conn);
    weir__mysql_command(&conn->out, WEIR__MYSQL_QUERY, sql);
    weir__mysql_end_command(conn, at);
    err = weir__mysql_flush(conn, f);
    if (err == WEIR_OK)
        err = weir__mysql_read_answer(conn, NULL, out, f);
    if (err == WEIR_OK)
        err = weir__mysql_skip_answer(conn, out, f);
    return err;
}
