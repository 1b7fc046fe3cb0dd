/*
 * Statements of SQLite: preparing, values, and rows as cells.
 *
 * The hard thing is the schema: SQLite may prepare a statement anew in its first step because a
 * table has changed, so how often that was is asked then, and the core told the shape again.
 */
#include "data/sqlite/sqlite.h"

#include <string.h>

#include "base/value.h"

static struct weir__sqlite_conn *conn_of(struct weir__sql_conn *conn)
{
    return WEIR_CONTAINER(conn, struct weir__sqlite_conn, head);
}

static struct weir__sqlite_stmt *stmt_of(struct weir__sql_stmt *stmt)
{
    return WEIR_CONTAINER(stmt, struct weir__sqlite_stmt, head);
}

/* --- preparing -------------------------------------------------------------------------------- */

/*
 * Whether nothing but blanks, semicolons and comments is left: SQLite knows best what is one. It
 * sets what a PRAGMA asks for while it prepares it, so what is left is compiled as all else is.
 */
static bool is_single(struct weir__sqlite_conn *conn, const char *tail)
{
    while (tail != NULL && tail[strspn(tail, " \t\r\n;")] != '\0') {
        sqlite3_stmt *more = NULL;
        const char *rest = NULL;
        int rc = weir__sqlite_compile(conn, tail, 0, &more, &rest);
        (void)sqlite3_finalize(more);
        if (rc != SQLITE_OK || more != NULL)
            return false;
        tail = rest != tail ? rest : NULL;
    }
    return true;
}

static weir_err tell_shape(struct weir__sqlite_stmt *stmt)
{
    stmt->reprepares = sqlite3_stmt_status(stmt->s, SQLITE_STMTSTATUS_REPREPARE, 0);
    return weir__sql_shape(&stmt->head, sqlite3_column_count(stmt->s));
}

static weir_err compile(struct weir__sqlite_conn *conn, struct weir__sqlite_stmt *stmt,
                        struct weir__sql_fault *fault)
{
    const char *tail = NULL;
    int rc =
        weir__sqlite_compile(conn, stmt->head.text, SQLITE_PREPARE_PERSISTENT, &stmt->s, &tail);
    if (rc != SQLITE_OK)
        return weir__sqlite_error(conn, rc, fault);
    if (stmt->s == NULL)
        return weir__sql_fault(fault, WEIR_EDB, "there is no statement");
    stmt->head.wants_tx = conn->wants_tx;
    if (!is_single(conn, tail))
        return weir__sql_fault(fault, WEIR_EDB,
                               "one statement a call (weir_exec_script runs several)");
    stmt->head.params = sqlite3_bind_parameter_count(stmt->s);
    stmt->head.reads_only = sqlite3_stmt_readonly(stmt->s) != 0;
    return tell_shape(stmt);
}

weir_err weir__sqlite_prepare(struct weir__sql_conn *head, struct weir__sql_stmt *text,
                              struct weir__sql_fault *fault)
{
    struct weir__sqlite_conn *conn = conn_of(head);
    struct weir__sqlite_stmt *stmt = stmt_of(text);
    weir__sqlite_begin_work(conn);
    weir_err err = compile(conn, stmt, fault);
    if (err != WEIR_OK)
        (void)sqlite3_finalize(stmt->s);
    return weir__sqlite_told(conn, err, fault);
}

void weir__sqlite_forget(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt)
{
    (void)conn;
    sqlite3_finalize(stmt_of(stmt)->s);
}

/*
 * What a column's declaration prefers (SQLite's "affinity"), where that leaves one kind: any value
 * may be in it all the same, unless the table is STRICT. Of an expression nothing is declared.
 */
static uint8_t preference(const char *declared)
{
    static const struct {
        const char *word;
        uint8_t kind;
    } rules[] = {
        {"INT", WEIR__CELL_INT},     {"CHAR", WEIR__CELL_TEXT},   {"CLOB", WEIR__CELL_TEXT},
        {"TEXT", WEIR__CELL_TEXT},   {"BLOB", WEIR__CELL_BYTES},  {"REAL", WEIR__CELL_DOUBLE},
        {"FLOA", WEIR__CELL_DOUBLE}, {"DOUB", WEIR__CELL_DOUBLE},
    };
    for (size_t i = 0; declared != NULL && i < sizeof rules / sizeof rules[0]; i++) {
        if (strcasestr(declared, rules[i].word) != NULL)
            return rules[i].kind;
    }
    return WEIR__CELL_ANY;
}

void weir__sqlite_column(struct weir__sql_stmt *stmt, int i, struct weir__sql_fact *out)
{
    const char *name = sqlite3_column_name(stmt_of(stmt)->s, i);
    out->name = name != NULL ? weir_str_from(name) : (weir_str){0};
    out->kind = preference(sqlite3_column_decltype(stmt_of(stmt)->s, i));
}

void weir__sqlite_finish(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt)
{
    (void)conn;
    /* Its code is that of the last step, which has been dealt with. */
    (void)sqlite3_reset(stmt_of(stmt)->s);
}

/* --- values ----------------------------------------------------------------------------------- */

/* What SQLite has no type for: points of time in the form of its own functions, UUIDs, decimals. */
static int bind_as_text(sqlite3_stmt *s, int n, const weir_arg *a)
{
    char text[WEIR__VALUE_TEXT_MAX];
    size_t len;
    if (a->kind == WEIR_ARG_WALL)
        len = weir__wall_put_sql(a->u.wall, text);
    else if (a->kind == WEIR_ARG_UUID)
        len = weir_uuid_text(a->u.uuid, text);
    else
        len = weir_decimal_text(a->u.decimal, text);
    return sqlite3_bind_text(s, n, text, (int)len, SQLITE_TRANSIENT);
}

static int bind_one(sqlite3_stmt *s, int n, const weir_arg *a, sqlite3_destructor_type how)
{
    switch (a->kind) {
    case WEIR_ARG_INT:
        return sqlite3_bind_int64(s, n, a->u.i);
    case WEIR_ARG_DOUBLE:
        return sqlite3_bind_double(s, n, a->u.d);
    case WEIR_ARG_TEXT:
        return sqlite3_bind_text64(s, n, a->u.s.ptr, a->u.s.len, how, SQLITE_UTF8);
    case WEIR_ARG_BYTES:
        return sqlite3_bind_blob64(s, n, a->u.s.ptr, a->u.s.len, how);
    case WEIR_ARG_JSON:
        return sqlite3_bind_text64(s, n, a->u.s.ptr, a->u.s.len, how, SQLITE_UTF8);
    case WEIR_ARG_WALL:
    case WEIR_ARG_UUID:
    case WEIR_ARG_DECIMAL:
        return bind_as_text(s, n, a);
    case WEIR_ARG_NULL:
    case WEIR_ARG_TOO_LARGE:
        break;
    }
    return sqlite3_bind_null(s, n);
}

weir_err weir__sqlite_bind(struct weir__sqlite_conn *conn, struct weir__sqlite_stmt *stmt,
                           const struct weir__sql_values *values, struct weir__sql_fault *fault)
{
    sqlite3_destructor_type how = values->must_copy ? SQLITE_TRANSIENT : SQLITE_STATIC;
    for (size_t i = 0; i < values->count; i++) {
        int rc = bind_one(stmt->s, (int)i + 1, &values->args[i], how);
        if (WEIR_UNLIKELY(rc != SQLITE_OK))
            return weir__sqlite_error(conn, rc, fault);
    }
    return WEIR_OK;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* As bytes: a text is copied when it is asked for with a NUL behind it. */
static weir_str bytes_of(sqlite3_value *v)
{
    const char *p = sqlite3_value_blob(v);
    return (weir_str){p != NULL ? p : "", (size_t)sqlite3_value_bytes(v)};
}

static void fill(struct weir__sqlite_stmt *stmt)
{
    struct weir__sql_cell *cell = stmt->head.cells;
    for (int i = 0; i < stmt->head.columns; i++, cell++) {
        sqlite3_value *v = sqlite3_column_value(stmt->s, i);
        switch (sqlite3_value_type(v)) {
        case SQLITE_INTEGER:
            cell->kind = WEIR__CELL_INT;
            cell->u.i = sqlite3_value_int64(v);
            break;
        case SQLITE_FLOAT:
            cell->kind = WEIR__CELL_DOUBLE;
            cell->u.d = sqlite3_value_double(v);
            break;
        case SQLITE_TEXT:
            cell->kind = WEIR__CELL_TEXT;
            cell->u.s = bytes_of(v);
            break;
        case SQLITE_BLOB:
            cell->kind = WEIR__CELL_BYTES;
            cell->u.s = bytes_of(v);
            break;
        default:
            cell->kind = WEIR__CELL_NULL;
            break;
        }
    }
}

static weir_err note_first(struct weir__sqlite_stmt *stmt)
{
    stmt->has_stepped = true;
    if (WEIR_LIKELY(stmt->reprepares ==
                    sqlite3_stmt_status(stmt->s, SQLITE_STMTSTATUS_REPREPARE, 0)))
        return WEIR_OK;
    return tell_shape(stmt);
}

int weir__sqlite_fetch(struct weir__sql_conn *head, struct weir__sql_stmt *text,
                       struct weir__sql_fault *fault)
{
    struct weir__sqlite_conn *conn = conn_of(head);
    struct weir__sqlite_stmt *stmt = stmt_of(text);
    int rc = SQLITE_ROW;
    if (WEIR_UNLIKELY(stmt->has_ended))
        return 0;
    if (WEIR_UNLIKELY(conn->is_in_tx))
        weir__sqlite_begin_work(conn);
    if (WEIR_LIKELY(!stmt->has_row))
        rc = sqlite3_step(stmt->s);
    stmt->has_row = false;
    if (WEIR_UNLIKELY(rc != SQLITE_ROW)) {
        stmt->has_ended = true;
        if (rc == SQLITE_DONE)
            return 0;
        return weir__sqlite_told(conn, weir__sqlite_error(conn, rc, fault), fault);
    }
    if (WEIR_UNLIKELY(!stmt->has_stepped) && note_first(stmt) != WEIR_OK)
        return -ENOMEM;
    fill(stmt);
    return 1;
}
