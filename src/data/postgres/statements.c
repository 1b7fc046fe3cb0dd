/*
 * Statements: prepared once a connection (Parse, Describe), then run with one message (Bind,
 * Execute, Sync) whose answer is usually one too. Columns come in their binary form where there is
 * a reader for it (wire/postgres_value.h), and go into the statement's cells as views of what was
 * received.
 *
 * What the server has forgotten, or planned for a table that has changed since, is prepared anew,
 * once: it says so before it runs anything.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "data/postgres/multiplex.h"

/* --- preparing -------------------------------------------------------------------------------- */

/* What was described, while it is read: the block that holds it is made at the end. */
struct described {
    weir_str params, columns; /* bodies; of columns absent when there are no rows */
    unsigned param_count, column_count;
};

static uint8_t cell_kind(uint32_t type)
{
    switch (type) {
    case WEIR__PG_BOOL:
        return WEIR__CELL_BOOL;
    case WEIR__PG_INT2:
    case WEIR__PG_INT4:
    case WEIR__PG_INT8:
    case WEIR__PG_OID:
        return WEIR__CELL_INT;
    case WEIR__PG_FLOAT4:
    case WEIR__PG_FLOAT8:
        return WEIR__CELL_DOUBLE;
    case WEIR__PG_BYTEA:
        return WEIR__CELL_BYTES;
    case WEIR__PG_TIMESTAMP:
    case WEIR__PG_TIMESTAMPTZ:
    case WEIR__PG_DATE:
        return WEIR__CELL_WALL;
    case WEIR__PG_UUID:
        return WEIR__CELL_UUID;
    case WEIR__PG_NUMERIC:
        return WEIR__CELL_DECIMAL;
    case WEIR__PG_JSON:
    case WEIR__PG_JSONB:
        return WEIR__CELL_JSON;
    default:
        return WEIR__CELL_TEXT;
    }
}

static void free_described(struct weir__pg_stmt *s)
{
    weir__free(s->block);
    s->block = NULL;
    s->params = NULL;
    s->columns = NULL;
    s->formats = NULL;
}

/* Columns, parameters, formats and names, in one piece of memory. */
static weir_err make_block(struct weir__pg_stmt *s, unsigned params, unsigned columns, size_t names)
{
    size_t size = columns * sizeof *s->columns + params * sizeof *s->params +
                  columns * sizeof *s->formats + names + 1;
    char *at = weir__calloc(1, size);
    if (at == NULL)
        return -ENOMEM;
    s->block = at;
    s->columns = (struct weir__pg_stmt_column *)(void *)at;
    at += columns * sizeof *s->columns;
    s->params = (uint32_t *)(void *)at;
    at += params * sizeof *s->params;
    s->formats = (bool *)at;
    return WEIR_OK;
}

static bool fill_params(struct weir__pg_stmt *s, weir_str body)
{
    struct weir__pg_reader r;
    unsigned count;
    if (!weir__pg_read_parameters(body, &r, &count))
        return false;
    for (unsigned i = 0; i < count; i++)
        s->params[i] = weir__pg_get_u32(&r);
    return weir__pg_is_done(&r);
}

static bool fill_columns(struct weir__pg_stmt *s, weir_str body, char *names)
{
    struct weir__pg_reader r;
    unsigned count;
    if (body.ptr == NULL)
        return true;
    if (!weir__pg_read_columns(body, &r, &count))
        return false;
    for (unsigned i = 0; i < count; i++) {
        struct weir__pg_column c = weir__pg_next_column(&r);
        struct weir__pg_stmt_column *to = &s->columns[i];
        to->name = names;
        memcpy(names, c.name.ptr, c.name.len);
        names[c.name.len] = '\0';
        names += c.name.len + 1;
        to->type = c.type;
        to->kind = cell_kind(c.type);
        to->is_binary = s->formats[i] = weir__pg_reads_binary(c.type);
        if (r.is_bad)
            return false;
    }
    return weir__pg_is_done(&r);
}

static weir_err no_memory(struct weir__sql_fault *f)
{
    return weir__sql_fault(f, -ENOMEM, "no memory");
}

/* From what was described. */
static weir_err fill_stmt(struct weir__pg_conn *conn, struct weir__pg_stmt *s,
                          const struct described *d, struct weir__sql_fault *f)
{
    free_described(s);
    if (make_block(s, d->param_count, d->column_count, d->columns.len) < 0)
        return no_memory(f);
    char *names = (char *)s->formats + d->column_count * sizeof *s->formats;
    if (!fill_params(s, d->params) || !fill_columns(s, d->columns, names))
        return weir__pg_malformed(conn, "a statement's description of another form", f);
    s->sql.params = (int)d->param_count;
    if (weir__sql_shape(&s->sql, (int)d->column_count) < 0)
        return no_memory(f);
    return WEIR_OK;
}

static bool note(const struct weir__pg_message *m, struct described *d)
{
    struct weir__pg_reader r;
    switch (m->type) {
    case WEIR__PG_PARAMETERS:
        d->params = m->body;
        return weir__pg_read_parameters(m->body, &r, &d->param_count);
    case WEIR__PG_COLUMNS:
        d->columns = m->body;
        return weir__pg_read_columns(m->body, &r, &d->column_count);
    default:
        return true;
    }
}

/*
 * Reads the answer to Parse and Describe. What it describes stays where it was received only up to
 * the next message, so the description of columns, the last one, is used when it comes; that of
 * parameters is kept.
 */
static weir_err read_description(struct weir__pg_conn *conn, struct weir__pg_stmt *s,
                                 struct weir__sql_fault *f)
{
    struct described d = {0};
    weir_buf params;
    bool is_filled = false;
    weir_err err = WEIR_OK;
    weir_buf_init(&params, 2 + 4 * (size_t)WEIR__PG_VALUES_MAX);
    while (conn->syncs > 0 && err == WEIR_OK && !is_filled) {
        struct weir__pg_message m;
        err = weir__pg_next(conn, &m, f);
        if (err == WEIR_OK && !note(&m, &d))
            err = weir__pg_malformed(conn, "a statement's description of another form", f);
        if (err == WEIR_OK && m.type == WEIR__PG_PARAMETERS) {
            weir_buf_puts(&params, m.body);
            err = params.err < 0 ? no_memory(f) : WEIR_OK;
        }
        d.params = weir_buf_str(&params);
        if (err == WEIR_OK)
            err = weir__pg_take_answer(conn, &m, NULL, f);
        is_filled = m.type == WEIR__PG_COLUMNS || m.type == WEIR__PG_NO_DATA;
        if (err == WEIR_OK && is_filled)
            err = fill_stmt(conn, s, &d, f);
    }
    weir_buf_fini(&params);
    if (err == WEIR_OK && !is_filled)
        err = weir__pg_malformed(conn, "a statement without its description", f);
    return err;
}

/* The rest of the answers; the first error stays. */
static weir_err settle_after(struct weir__pg_conn *conn, weir_err err, struct weir__sql_fault *f)
{
    struct weir__sql_fault later;
    if (err == WEIR_OK)
        return weir__pg_settle(conn, NULL, f);
    if (conn->is_broken || err == weir__ctx_check(conn->sql.c))
        return err;
    weir__sql_fault_init(&later);
    (void)weir__pg_settle(conn, NULL, &later);
    f->is_broken = f->is_broken || conn->is_broken;
    return err;
}

weir_err weir__pg_prepare(struct weir__sql_conn *sql_conn, struct weir__sql_stmt *stmt,
                          struct weir__sql_fault *f)
{
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    struct weir__pg_stmt *s = weir__pg_stmt_of(stmt);
    weir_err err = weir__pg_ready(conn, f);
    if (err < 0)
        return err;
    if (conn->berth == NULL)
        (void)snprintf(s->name, sizeof s->name, "w%u", ++conn->named);
    else if (weir__pg_known_find(conn, s, &err, f))
        return err;
    weir__pg_put_prefix(conn);
    weir__pg_put_parse(&conn->out, s->name, stmt->sent);
    weir__pg_put_describe(&conn->out, 'S', s->name);
    weir__pg_put_sync(&conn->out);
    err = weir__pg_flush(conn, 1, f);
    if (err == WEIR_OK) {
        weir__pg_prefix_sent(conn);
        err = settle_after(conn, read_description(conn, s, f), f);
    }
    if (err < 0) {
        weir__pg_forget(sql_conn, stmt); /* it may be there all the same */
        return err;
    }
    if (s->known != NULL)
        weir__pg_known_made(conn, s);
    return WEIR_OK;
}

/* Told with the next message; a name that does not exist is no error. */
void weir__pg_forget(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt)
{
    struct weir__pg_conn *c = weir__pg_conn_of(conn);
    struct weir__pg_stmt *s = weir__pg_stmt_of(stmt);
    free_described(s);
    if (s->known != NULL)
        weir__pg_known_drop(c, s);
    else if (!c->is_broken && c->berth == NULL)
        weir__pg_put_close(&c->closes, 'S', s->name);
}

void weir__pg_column(struct weir__sql_stmt *stmt, int i, struct weir__sql_fact *out)
{
    const struct weir__pg_stmt_column *c = &weir__pg_stmt_of(stmt)->columns[i];
    *out = (struct weir__sql_fact){.name = weir_str_from(c->name), .kind = c->kind};
}

void weir__pg_param(struct weir__sql_stmt *stmt, int i, struct weir__sql_fact *out)
{
    *out = (struct weir__sql_fact){.kind = cell_kind(weir__pg_stmt_of(stmt)->params[i])};
}

/* --- values ----------------------------------------------------------------------------------- */

weir_err weir__pg_value_of(const weir_arg *arg, struct weir__pg_value *out)
{
    *out = (struct weir__pg_value){.kind = WEIR__PG_IS_NULL};
    switch (arg->kind) {
    case WEIR_ARG_NULL:
        return WEIR_OK;
    case WEIR_ARG_INT:
        out->kind = WEIR__PG_IS_INT;
        out->u.i = arg->u.i;
        return WEIR_OK;
    case WEIR_ARG_TOO_LARGE:
        out->kind = WEIR__PG_IS_UINT;
        out->u.u = (uint64_t)arg->u.i;
        return WEIR_OK;
    case WEIR_ARG_DOUBLE:
        out->kind = WEIR__PG_IS_DOUBLE;
        out->u.d = arg->u.d;
        return WEIR_OK;
    case WEIR_ARG_WALL:
        out->kind = WEIR__PG_IS_WALL;
        out->u.wall = arg->u.wall;
        return WEIR_OK;
    case WEIR_ARG_UUID:
        out->kind = WEIR__PG_IS_UUID;
        out->u.uuid = arg->u.uuid;
        return WEIR_OK;
    case WEIR_ARG_TEXT:
    case WEIR_ARG_BYTES:
    case WEIR_ARG_JSON:
        out->kind = arg->kind == WEIR_ARG_TEXT    ? WEIR__PG_IS_TEXT
                    : arg->kind == WEIR_ARG_BYTES ? WEIR__PG_IS_BYTES
                                                  : WEIR__PG_IS_JSON;
        out->u.s = arg->u.s;
        return WEIR_OK;
    default: /* DECIMAL has no text yet: whoever writes it makes one */
        return WEIR_EINVALID;
    }
}

static weir_err put_arg(weir_buf *b, uint32_t type, const weir_arg *arg)
{
    struct weir__pg_value v;
    char text[WEIR_DECIMAL_TEXT_MAX];
    if (arg->kind == WEIR_ARG_DECIMAL)
        v = (struct weir__pg_value){
            .kind = WEIR__PG_IS_DECIMAL,
            .u.s = {text, weir_decimal_text(arg->u.decimal, text)},
        };
    else if (weir__pg_value_of(arg, &v) < 0)
        return WEIR_EINVALID;
    return weir__pg_put_value(b, type, &v);
}

/* What a value of this kind is sent as; of a decimal its text. */
static bool is_sent_binary(uint32_t type, const weir_arg *arg)
{
    struct weir__pg_value v;
    return arg->kind != WEIR_ARG_DECIMAL && weir__pg_value_of(arg, &v) == WEIR_OK &&
           weir__pg_writes_binary(type, v.kind);
}

static weir_err bad_value(const struct weir__pg_stmt *s, size_t i, weir_err err,
                          struct weir__sql_fault *f)
{
    const char *name = weir__pg_type_name(s->params[i]);
    return weir__sql_fault(f, err, "value %zu %s %s", i + 1,
                           err == -ERANGE ? "is out of the range of" : "is bytes, and wanted is",
                           name != NULL ? name : "its type");
}

weir_err weir__pg_put_run(struct weir__pg_conn *conn, struct weir__pg_stmt *s,
                          const struct weir__sql_values *values, struct weir__sql_fault *f)
{
    bool formats[WEIR_ARGS_MAX];
    if (values->count != (size_t)s->sql.params || values->count > WEIR_ARGS_MAX)
        return weir__sql_fault(f, WEIR_EINVALID, "%zu values for a statement that takes %d",
                               values->count, s->sql.params);
    for (size_t i = 0; i < values->count; i++)
        formats[i] = is_sent_binary(s->params[i], &values->args[i]);
    size_t mark = weir__pg_bind_begin(&conn->out, "", s->name, formats, values->count);
    for (size_t i = 0; i < values->count; i++) {
        weir_err err = put_arg(&conn->out, s->params[i], &values->args[i]);
        if (err < 0)
            return bad_value(s, i, err, f);
    }
    weir__pg_bind_end(&conn->out, mark, s->formats, (size_t)s->sql.columns);
    weir__pg_put_execute(&conn->out, "", 0);
    return WEIR_OK;
}

/* --- running ---------------------------------------------------------------------------------- */

/* Until its rows begin (they are there to be read), or to the end of all answers. */
static weir_err await(struct weir__pg_conn *conn, bool for_rows, struct weir__sql_outcome *out,
                      struct weir__sql_fault *f)
{
    while (conn->syncs > 0) {
        struct weir__pg_message m;
        weir_err err = weir__pg_next(conn, &m, f);
        if (err == WEIR_OK && m.type == WEIR__PG_DATA_ROW && for_rows) {
            weir__pg_unread(conn, &m);
            return WEIR_OK;
        }
        if (err == WEIR_OK)
            err = weir__pg_take_answer(conn, &m, out, f);
        if (err == WEIR_ETOOLARGE && for_rows)
            return err; /* of a row: the rest may be left as it is */
        if (err < 0)
            return settle_after(conn, err, f);
    }
    return WEIR_OK;
}

static weir_err run(struct weir__pg_conn *conn, struct weir__pg_stmt *s,
                    const struct weir__sql_values *values, bool for_rows,
                    struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    if (conn->berth != NULL)
        conn->berth->runs = &s->sql;
    weir__pg_put_prefix(conn);
    weir_err err = weir__pg_put_run(conn, s, values, f);
    if (err < 0) {
        weir__pg_drop_unsent(conn);
        return err;
    }
    weir__pg_put_sync(&conn->out);
    err = weir__pg_flush(conn, 1, f);
    if (err < 0)
        return err;
    weir__pg_prefix_sent(conn);
    return await(conn, for_rows, out, f);
}

bool weir__pg_is_stale(const struct weir__sql_fault *f)
{
    return strcmp(f->state, "26000") == 0 ||
           (strcmp(f->state, "0A000") == 0 && strstr(f->text, "cached plan") != NULL);
}

static weir_err prepare_anew(struct weir__pg_conn *conn, struct weir__sql_stmt *stmt,
                             struct weir__sql_fault *f)
{
    if (weir__pg_stmt_of(stmt)->known != NULL)
        weir__pg_known_void(conn, weir__pg_stmt_of(stmt));
    weir__pg_forget(&conn->sql, stmt);
    weir_err err = weir__pg_prepare(&conn->sql, stmt, f);
    stmt->is_void = err < 0;
    return err;
}

weir_err weir__pg_execute(struct weir__sql_conn *sql_conn, struct weir__sql_stmt *stmt,
                          const struct weir__sql_values *values, bool for_rows,
                          struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    struct weir__pg_stmt *s = weir__pg_stmt_of(stmt);
    weir_err err = weir__pg_ready(conn, f);
    if (err < 0)
        return err;
    bool is_outside = conn->tx == WEIR__PG_TX_NONE;
    if (s->known != NULL && !weir__pg_known_use(conn, s))
        err = prepare_anew(conn, stmt, f);
    if (err < 0)
        return err;
    f->state[0] = '\0';
    err = run(conn, s, values, for_rows, out, f);
    if (err == WEIR_OK || conn->is_broken || !weir__pg_is_stale(f))
        return err;
    if (!is_outside) { /* the transaction has failed by it, and the next one prepares it anew */
        stmt->is_void = true;
        return err;
    }
    err = prepare_anew(conn, stmt, f);
    return err < 0 ? err : run(conn, s, values, for_rows, out, f);
}

/* --- rows ------------------------------------------------------------------------------------- */

static weir_err bad_cell(struct weir__pg_conn *conn, const struct weir__pg_stmt_column *c,
                         weir_err err, struct weir__sql_fault *f)
{
    if (err == -ERANGE)
        return weir__sql_fault(
            f, WEIR_EDBTYPE, "column %s: a point of time outside of the years 1 to 9999", c->name);
    return weir__pg_malformed(conn, "a value whose length is not its type's", f);
}

static void set_cell(struct weir__sql_cell *cell, const struct weir__pg_value *v)
{
    static const uint8_t kinds[] = {
        [WEIR__PG_IS_NULL] = WEIR__CELL_NULL,     [WEIR__PG_IS_BOOL] = WEIR__CELL_BOOL,
        [WEIR__PG_IS_INT] = WEIR__CELL_INT,       [WEIR__PG_IS_UINT] = WEIR__CELL_UINT,
        [WEIR__PG_IS_DOUBLE] = WEIR__CELL_DOUBLE, [WEIR__PG_IS_TEXT] = WEIR__CELL_TEXT,
        [WEIR__PG_IS_BYTES] = WEIR__CELL_BYTES,   [WEIR__PG_IS_WALL] = WEIR__CELL_WALL,
        [WEIR__PG_IS_UUID] = WEIR__CELL_UUID,     [WEIR__PG_IS_DECIMAL] = WEIR__CELL_DECIMAL,
        [WEIR__PG_IS_JSON] = WEIR__CELL_JSON,
    };
    cell->kind = kinds[v->kind];
    switch (v->kind) {
    case WEIR__PG_IS_BOOL:
        cell->u.i = v->u.b;
        break;
    case WEIR__PG_IS_INT:
        cell->u.i = v->u.i;
        break;
    case WEIR__PG_IS_DOUBLE:
        cell->u.d = v->u.d;
        break;
    case WEIR__PG_IS_WALL:
        cell->u.wall = v->u.wall;
        break;
    case WEIR__PG_IS_UUID:
        cell->u.uuid = v->u.uuid;
        break;
    default:
        cell->u.s = v->u.s;
        break;
    }
}

weir_err weir__pg_take_row(struct weir__pg_conn *conn, struct weir__pg_stmt *s, weir_str body,
                           struct weir__sql_fault *f)
{
    struct weir__pg_reader r;
    unsigned count;
    if (!weir__pg_read_row(body, &r, &count) || count != (unsigned)s->sql.columns)
        return weir__pg_malformed(conn, "a row that has not the columns of its statement", f);
    for (unsigned i = 0; i < count; i++) {
        const struct weir__pg_stmt_column *c = &s->columns[i];
        struct weir__pg_value v;
        weir_str bytes = weir__pg_next_value(&r);
        if (r.is_bad)
            break;
        weir_err err = weir__pg_get_value(c->type, c->is_binary, bytes, &v);
        if (err < 0)
            return bad_cell(conn, c, err, f);
        set_cell(&s->sql.cells[i], &v);
    }
    return weir__pg_is_done(&r) ? WEIR_OK
                                : weir__pg_malformed(conn, "a row whose values do not fit it", f);
}

int weir__pg_fetch(struct weir__sql_conn *sql_conn, struct weir__sql_stmt *stmt,
                   struct weir__sql_fault *f)
{
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    if (conn->posted > 0)
        return weir__pg_fetch_posted(conn, weir__pg_stmt_of(stmt), f);
    while (conn->syncs > 0) {
        struct weir__pg_message m;
        weir_err err = weir__pg_next(conn, &m, f);
        if (err == WEIR_OK && m.type == WEIR__PG_DATA_ROW) {
            err = weir__pg_take_row(conn, weir__pg_stmt_of(stmt), m.body, f);
            return err < 0 ? err : 1;
        }
        if (err == WEIR_OK)
            err = weir__pg_take_answer(conn, &m, NULL, f);
        if (err == WEIR_ETOOLARGE)
            return err;
        if (err < 0)
            return settle_after(conn, err, f);
    }
    return 0;
}

/*
 * What has come already is read to its end; more makes the connection dirty. Of several that were
 * posted it is the end of all.
 */
void weir__pg_finish(struct weir__sql_conn *sql_conn, struct weir__sql_stmt *stmt)
{
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    struct weir__sql_fault f;
    weir__sql_fault_init(&f);
    (void)stmt;
    conn->posted = 0;
    conn->is_answering = false;
    while (conn->syncs > 0 && !conn->is_broken && conn->in_at < conn->in.len) {
        struct weir__pg_message m;
        weir_err err = weir__pg_try_next(conn, &m, &f);
        if (err < 0 && err != WEIR_ETOOLARGE)
            break;
        if (err == WEIR_OK)
            (void)weir__pg_take_answer(conn, &m, NULL, &f);
    }
}
