/*
 * Statements: prepared once a connection, then run with one message whose answer is usually one
 * receive. Values go and rows come in their binary forms; texts in a row's cells are views of what
 * was received.
 *
 * What the server has forgotten, or cannot prepare anew by itself, is void: the core prepares it
 * again when it is asked for next.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "data/mysql/mysql.h"

enum {
    UNKNOWN_STATEMENT = 1243, /* ER_UNKNOWN_STMT_HANDLER */
    NEEDS_PREPARE = 1615      /* ER_NEED_REPREPARE */
};

/* --- preparing -------------------------------------------------------------------------------- */

weir_err weir__mysql_prepare_text(struct weir__mysql_conn *conn, weir_str text, uint32_t *id,
                                  struct weir__mysql_prepared *out, struct weir__sql_fault *f)
{
    weir_str body;
    weir_err err = weir__mysql_ready(conn, f);
    if (err < 0)
        return err;
    unsigned before = weir__mysql_put_prefix(conn, true);
    size_t at = weir__mysql_begin_command(conn);
    weir__mysql_command(&conn->out, WEIR__MYSQL_PREPARE, text);
    weir__mysql_end_command(conn, at);
    conn->owes_prepared = true;
    err = weir__mysql_flush(conn, f);
    conn->begins = err == WEIR_OK ? 0 : conn->begins; /* what was not sent is still to be */
    for (; before > 0 && err == WEIR_OK; before--)
        err = weir__mysql_read_ok(conn, NULL, f);
    if (err < 0)
        return err;
    conn->number = 1;
    err = weir__mysql_next(conn, &body, f);
    if (err < 0)
        return err;
    conn->owed--;
    conn->owes_prepared = false;
    if (body.len > 0 && (uint8_t)body.ptr[0] == WEIR__MYSQL_ERR)
        return weir__mysql_refused(conn, body, f);
    int rc = weir__mysql_prepared_read(body, out);
    if (rc < 0)
        return weir__mysql_malformed(conn, rc, f);
    *id = out->id;
    conn->phase = WEIR__MYSQL_AT_PREPARED;
    conn->definitions = (unsigned)out->params + out->columns;
    return WEIR_OK;
}

/* Definitions of parameters, which say nothing, are passed over. */
static weir_err read_definitions(struct weir__mysql_conn *conn, struct weir__mysql_stmt *s,
                                 const struct weir__mysql_prepared *p, struct weir__sql_fault *f)
{
    weir_str body;
    weir_err err = WEIR_OK;
    for (unsigned i = 0; i < p->params && err == WEIR_OK; i++) {
        err = weir__mysql_next(conn, &body, f);
        conn->definitions -= err == WEIR_OK;
    }
    if (err == WEIR_OK && p->columns > 0)
        err = weir__mysql_read_columns(conn, s, p->columns, f);
    else if (err == WEIR_OK && weir__sql_shape(&s->sql, 0) < 0)
        err = weir__sql_fault(f, -ENOMEM, "no memory");
    if (err == WEIR_OK)
        conn->phase = WEIR__MYSQL_AT_REST;
    return err;
}

weir_err weir__mysql_prepare(struct weir__sql_conn *sql_conn, struct weir__sql_stmt *stmt,
                             struct weir__sql_fault *f)
{
    struct weir__mysql_conn *conn = weir__mysql_conn_of(sql_conn);
    struct weir__mysql_stmt *s = weir__mysql_stmt_of(stmt);
    struct weir__mysql_prepared p;
    weir_err err = weir__mysql_prepare_text(conn, stmt->sent, &s->id, &p, f);
    if (err == WEIR_OK) {
        stmt->params = p.params;
        err = read_definitions(conn, s, &p, f);
    }
    if (err < 0)
        weir__mysql_forget(sql_conn, stmt);
    return err;
}

void weir__mysql_close_id(struct weir__mysql_conn *conn, uint32_t id)
{
    if (conn->is_broken)
        return;
    size_t at = weir__mysql_packet_begin(&conn->closes);
    weir__mysql_of_stmt(&conn->closes, WEIR__MYSQL_CLOSE, id);
    (void)weir__mysql_packet_end(&conn->closes, at, 0);
    if (conn->closes.err < 0) /* it stays at the server, until the connection goes */
        conn->is_changed = true;
}

void weir__mysql_forget(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt)
{
    struct weir__mysql_stmt *s = weir__mysql_stmt_of(stmt);
    if (s->id != 0)
        weir__mysql_close_id(weir__mysql_conn_of(conn), s->id);
    weir__free(s->columns);
    s->columns = NULL;
    s->scratch = NULL;
    s->id = 0;
}

/* --- what is known of columns ----------------------------------------------------------------- */

static uint8_t cell_kind(const struct weir__mysql_column *c)
{
    switch (c->type) {
    case WEIR__MYSQL_TINY:
    case WEIR__MYSQL_SHORT:
    case WEIR__MYSQL_LONG:
    case WEIR__MYSQL_INT24:
    case WEIR__MYSQL_LONGLONG:
        return c->is_unsigned ? WEIR__CELL_UINT : WEIR__CELL_INT;
    case WEIR__MYSQL_YEAR:
    case WEIR__MYSQL_BIT:
        return WEIR__CELL_UINT;
    case WEIR__MYSQL_FLOAT:
    case WEIR__MYSQL_DOUBLE:
        return WEIR__CELL_DOUBLE;
    case WEIR__MYSQL_DECIMAL:
    case WEIR__MYSQL_NEWDECIMAL:
        return WEIR__CELL_DECIMAL;
    case WEIR__MYSQL_DATE:
    case WEIR__MYSQL_DATETIME:
    case WEIR__MYSQL_TIMESTAMP:
        return WEIR__CELL_WALL;
    case WEIR__MYSQL_JSON:
        return WEIR__CELL_JSON;
    case WEIR__MYSQL_NULL:
        return WEIR__CELL_ANY;
    case WEIR__MYSQL_TIME:
    case WEIR__MYSQL_ENUM:
    case WEIR__MYSQL_SET:
        return WEIR__CELL_TEXT;
    default:
        break;
    }
    if (c->extra != WEIR__MYSQL_NO_EXTRA)
        return c->extra == WEIR__MYSQL_IS_JSON ? WEIR__CELL_JSON : WEIR__CELL_UUID;
    return c->charset == WEIR__MYSQL_CHARSET_BINARY ? WEIR__CELL_BYTES : WEIR__CELL_TEXT;
}

void weir__mysql_column_fact(struct weir__sql_stmt *stmt, int i, struct weir__sql_fact *out)
{
    const struct weir__mysql_column *c = &weir__mysql_stmt_of(stmt)->columns[i];
    *out = (struct weir__sql_fact){.name = c->name, .kind = cell_kind(c)};
}

/* --- running ---------------------------------------------------------------------------------- */

bool weir__mysql_param_of(const weir_arg *a, char room[WEIR_DECIMAL_TEXT_MAX],
                          struct weir__mysql_param *out)
{
    static const uint8_t kinds[] = {
        [WEIR_ARG_NULL] = WEIR__MYSQL_PARAM_NULL,
        [WEIR_ARG_INT] = WEIR__MYSQL_PARAM_INT,
        [WEIR_ARG_DOUBLE] = WEIR__MYSQL_PARAM_DOUBLE,
        [WEIR_ARG_TEXT] = WEIR__MYSQL_PARAM_TEXT,
        [WEIR_ARG_BYTES] = WEIR__MYSQL_PARAM_BYTES,
        [WEIR_ARG_TOO_LARGE] = WEIR__MYSQL_PARAM_UINT,
        [WEIR_ARG_WALL] = WEIR__MYSQL_PARAM_MOMENT,
        [WEIR_ARG_UUID] = WEIR__MYSQL_PARAM_TEXT,
        [WEIR_ARG_DECIMAL] = WEIR__MYSQL_PARAM_DECIMAL,
        [WEIR_ARG_JSON] = WEIR__MYSQL_PARAM_TEXT,
    };
    WEIR_ASSERT(a->kind < sizeof kinds, "M1: a value has one of the kinds");
    out->kind = kinds[a->kind];
    switch (a->kind) {
    case WEIR_ARG_INT:
    case WEIR_ARG_TOO_LARGE:
        out->u.i = a->u.i;
        return true;
    case WEIR_ARG_DOUBLE:
        out->u.d = a->u.d;
        return true;
    case WEIR_ARG_WALL:
        out->u.wall = a->u.wall;
        return a->u.wall.us >= WEIR_WALL_MIN && a->u.wall.us <= WEIR_WALL_MAX;
    case WEIR_ARG_UUID:
        out->u.s = (weir_str){room, weir_uuid_text(a->u.uuid, room)};
        return true;
    case WEIR_ARG_DECIMAL:
        out->u.s = (weir_str){room, weir_decimal_text(a->u.decimal, room)};
        return true;
    default:
        out->u.s = a->u.s;
        return true;
    }
}

weir_err weir__mysql_put_execute(struct weir__mysql_conn *conn, uint32_t id, const weir_arg *args,
                                 size_t count, struct weir__sql_fault *f)
{
    struct weir__mysql_param p;
    char room[WEIR_DECIMAL_TEXT_MAX];
    bool is_good = true;
    size_t at = weir__mysql_begin_command(conn);
    size_t nulls = weir__mysql_execute_begin(&conn->out, id, count);
    for (size_t i = 0; i < count && is_good; i++) {
        is_good = weir__mysql_param_of(&args[i], room, &p);
        weir__mysql_execute_type(&conn->out, nulls, i, p.kind);
    }
    for (size_t i = 0; i < count && is_good; i++) {
        (void)weir__mysql_param_of(&args[i], room, &p);
        weir__mysql_execute_value(&conn->out, &p);
    }
    weir__mysql_end_command(conn, at);
    if (is_good)
        return WEIR_OK;
    weir__mysql_drop_unsent(conn);
    return weir__sql_fault(f, -ERANGE, "a point of time outside of the years 1 to 9999");
}

weir_err weir__mysql_read_result(struct weir__mysql_conn *conn, struct weir__mysql_stmt *s,
                                 bool for_rows, struct weir__sql_outcome *out,
                                 struct weir__sql_fault *f)
{
    weir_err err = weir__mysql_read_answer(conn, for_rows ? s : NULL, out, f);
    if (err < 0) {
        bool is_lost = f->number == UNKNOWN_STATEMENT || f->number == NEEDS_PREPARE;
        s->sql.is_void = s->sql.is_void || (f->err == WEIR_EDB && is_lost);
        return err;
    }
    if (conn->phase == WEIR__MYSQL_AT_ROWS && !for_rows && conn->definitions > 0)
        s->sql.is_void = true; /* they have changed, and were not looked at */
    if (for_rows && conn->phase == WEIR__MYSQL_AT_ROWS)
        return WEIR_OK;
    return weir__mysql_skip_answer(conn, out, f);
}

weir_err weir__mysql_run(struct weir__sql_conn *sql_conn, struct weir__sql_stmt *stmt,
                         const struct weir__sql_values *values, bool for_rows,
                         struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    struct weir__mysql_conn *conn = weir__mysql_conn_of(sql_conn);
    struct weir__mysql_stmt *s = weir__mysql_stmt_of(stmt);
    weir_err err = weir__mysql_ready(conn, f);
    if (err == WEIR_OK && conn->begins > 0 && !stmt->reads_only)
        err = weir__mysql_begin_now(conn, f);
    if (err < 0)
        return err;
    unsigned before = weir__mysql_put_prefix(conn, true);
    err = weir__mysql_put_execute(conn, s->id, values->args, values->count, f);
    if (err < 0)
        return err;
    if (conn->out.len > conn->owner->o.value_bytes_max)
        conn->out.err = WEIR_ETOOLARGE;
    err = weir__mysql_flush(conn, f);
    conn->begins = err == WEIR_OK ? 0 : conn->begins;
    for (; before > 0 && err == WEIR_OK; before--)
        err = weir__mysql_read_ok(conn, NULL, f);
    return err < 0 ? err : weir__mysql_read_result(conn, s, for_rows, out, f);
}

/* --- rows ------------------------------------------------------------------------------------- */

static bool take_value(const struct weir__mysql_value *v, struct weir__sql_cell *cell)
{
    static const uint8_t kinds[] = {
        [WEIR__MYSQL_IS_NULL] = WEIR__CELL_NULL,   [WEIR__MYSQL_INT] = WEIR__CELL_INT,
        [WEIR__MYSQL_UINT] = WEIR__CELL_UINT,      [WEIR__MYSQL_REAL] = WEIR__CELL_DOUBLE,
        [WEIR__MYSQL_TEXT] = WEIR__CELL_TEXT,      [WEIR__MYSQL_BYTES] = WEIR__CELL_BYTES,
        [WEIR__MYSQL_NUMBER] = WEIR__CELL_DECIMAL, [WEIR__MYSQL_DOCUMENT] = WEIR__CELL_JSON,
        [WEIR__MYSQL_UUID] = WEIR__CELL_UUID,      [WEIR__MYSQL_MOMENT] = WEIR__CELL_WALL,
    };
    cell->kind = kinds[v->kind];
    switch (v->kind) {
    case WEIR__MYSQL_INT:
    case WEIR__MYSQL_UINT:
        cell->kind =
            v->kind == WEIR__MYSQL_UINT && v->u.u > INT64_MAX ? WEIR__CELL_UINT : WEIR__CELL_INT;
        cell->u.u = v->u.u;
        return true;
    case WEIR__MYSQL_REAL:
        cell->u.d = v->u.d;
        return true;
    case WEIR__MYSQL_MOMENT:
        cell->u.wall.us = v->u.i;
        return true;
    case WEIR__MYSQL_UUID:
        return weir_uuid_parse(v->u.s, &cell->u.uuid) == WEIR_OK;
    default:
        cell->u.s = v->u.s;
        return true;
    }
}

static weir_err read_row(struct weir__mysql_conn *conn, struct weir__mysql_stmt *s, weir_str body,
                         struct weir__sql_fault *f)
{
    struct weir__mysql_row row;
    struct weir__mysql_value v;
    unsigned count = (unsigned)s->sql.columns;
    int rc = weir__mysql_row_begin(&row, body, count, true);
    for (unsigned i = 0; i < count && rc == 0; i++) {
        rc = weir__mysql_row_next(&row, &s->columns[i], s->scratch[i], &v);
        if (rc == 0 && !take_value(&v, &s->sql.cells[i]))
            rc = WEIR_MYSQL_EVALUE;
    }
    rc = rc == 0 ? weir__mysql_row_end(&row) : rc;
    return rc < 0 ? weir__mysql_malformed(conn, rc, f) : WEIR_OK;
}

int weir__mysql_fetch(struct weir__sql_conn *sql_conn, struct weir__sql_stmt *stmt,
                      struct weir__sql_fault *f)
{
    struct weir__mysql_conn *conn = weir__mysql_conn_of(sql_conn);
    weir_str body;
    if (conn->phase != WEIR__MYSQL_AT_ROWS)
        return 0;
    weir_err err = weir__mysql_next(conn, &body, f);
    if (err < 0)
        return err;
    if (WEIR_UNLIKELY(body.len > 0 && (uint8_t)body.ptr[0] == WEIR__MYSQL_ERR))
        return weir__mysql_refused(conn, body, f);
    if (!weir__mysql_is_end(body)) {
        err = read_row(conn, weir__mysql_stmt_of(stmt), body, f);
        return err < 0 ? err : 1;
    }
    err = weir__mysql_take_ok(conn, body, NULL, f);
    return err == WEIR_OK ? weir__mysql_skip_answer(conn, NULL, f) : err;
}

/* What is unread stays: the next statement of this lease reads it, or the pool's reset does. */
void weir__mysql_finish(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt)
{
    (void)conn;
    (void)stmt;
}
