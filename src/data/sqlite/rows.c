/*
 * Rows of SQLite: asking, stepping, and putting columns into members.
 *
 * Owns nothing between calls but the lease and the busy statement of each open query. The way from
 * columns to members is worked out at a statement's first row for a model and kept with the
 * statement (the plan): after that a row costs a step and a few stores, no look-up and no
 * allocation.
 *
 * The hard thing is the schema: SQLite may prepare a statement anew in its first step because a
 * table has changed, so the plan remembers how often that was.
 */
#include "data/sqlite/sqlite.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/fiber.h"
#include "rt/worker.h"

static weir_err raise_in(weir_rows *r, weir_err err, const char *message)
{
    return weir__sqlite_raise(r->conn, r->c, r->site, err, message);
}

/* --- asking ----------------------------------------------------------------------------------- */

/* A connection: the transaction's, which may have to begin first, or one that reads. */
static weir_err get_conn(weir_rows *r)
{
    struct weir__sqlite *db = (struct weir__sqlite *)r->db;
    weir_err err;
    if (r->tx != NULL) {
        err = weir__sqlite_begin_now(r->tx, r->site);
        r->conn = r->tx->conn;
    } else {
        err = weir__pool_acquire(db->readers, r->c, r->site, &r->owned, &r->lease);
        if (WEIR_LIKELY(err == WEIR_OK))
            r->conn = weir__lease_resource(&r->lease, "weir_query");
    }
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    weir__sqlite_begin_work(r->conn, r->c);
    char message[WEIR__SQLITE_MESSAGE];
    err = weir__sqlite_file_look(db, message);
    return WEIR_LIKELY(err == WEIR_OK) ? err : raise_in(r, err, message);
}

static weir_err refuse_write(weir_rows *r, const char *sql)
{
    char message[WEIR__SQLITE_MESSAGE];
    snprintf(message, sizeof message,
             "%s: weir_query on the database only reads; this writes, and wants weir_begin and "
             "weir_exec, or weir_db_exec: %.160s",
             r->db->name, sql);
    return raise_in(r, WEIR_EDB, message);
}

weir_err weir__sqlite_query(weir_rows *r, const char *sql, const weir_arg *args, size_t count)
{
    char message[WEIR__SQLITE_MESSAGE];
    struct weir__sqlite_stmt *stmt;
    weir_err err = get_conn(r);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    if (r->max == 0)
        r->max = ((struct weir__sqlite *)r->db)->o.rows_max;
    err = weir__sqlite_prepare(r->conn, sql, &stmt, message);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return raise_in(r, err, message);
    r->stmt = stmt;
    err = weir__sqlite_check_use(r->conn, stmt, r->tx != NULL, message);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return raise_in(r, err, message);
    err = weir__sqlite_bind(r->conn, stmt, args, count, r->copies_args, message);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return raise_in(r, err, message);
    if (r->tx != NULL)
        weir__list_push_front(&r->tx->rows, &r->in_tx);
    if (WEIR_LIKELY(stmt->reads_only))
        return WEIR_OK;
    return r->tx != NULL ? weir__sqlite_first_step(r) : refuse_write(r, sql);
}

/* --- the plan --------------------------------------------------------------------------------- */

static uint8_t op_of(const struct weir__member *m)
{
    if (m->present != 0)
        return WEIR__OP_OTHER;
    if (m->kind == WEIR_KIND_INT && m->size == sizeof(int64_t))
        return WEIR__OP_INT64;
    if (m->kind == WEIR_KIND_INT && m->size == sizeof(int32_t))
        return WEIR__OP_INT32;
    if (m->kind == WEIR_KIND_FLOAT && m->size == sizeof(double))
        return WEIR__OP_DOUBLE;
    return m->kind == WEIR_KIND_STR ? WEIR__OP_STR : WEIR__OP_OTHER;
}

static weir_err refuse_column(weir_rows *r, const char *column, const char *model, const char *why)
{
    char message[WEIR__SQLITE_MESSAGE];
    struct weir__sqlite_stmt *stmt = r->stmt;
    snprintf(message, sizeof message, "%s: column %s: model %s %s in: %.120s", r->db->name, column,
             model, why, stmt->text);
    return raise_in(r, WEIR_EDBTYPE, message);
}

/* The member of a column; raised and NULL if there is none. */
static const struct weir__member *member_of(weir_rows *r, const weir_model *model,
                                            const struct weir__model_tables *t, int column)
{
    struct weir__sqlite_stmt *stmt = r->stmt;
    const char *name = sqlite3_column_name(stmt->s, column);
    if (name == NULL)
        return NULL;
    if (model->is_scalar)
        return &t->members[0];
    const struct weir__member *m = weir__model_find_name(model, weir_str_from(name));
    if (m == NULL) {
        (void)refuse_column(r, name, model->name, "has no member of that name");
        return NULL;
    }
    if (m->sub != NULL) {
        (void)refuse_column(r, name, model->name, "has a struct, an array or a map of that name");
        return NULL;
    }
    return m;
}

static weir_err check_count(weir_rows *r, const weir_model *model, int count)
{
    struct weir__sqlite_stmt *stmt = r->stmt;
    if (count == 0)
        return refuse_column(r, "(none)", model->name, "asks for rows, the statement has none");
    if (model->is_scalar && count != 1)
        return refuse_column(r, sqlite3_column_name(stmt->s, 1), model->name, "is one value");
    if (count > WEIR_MODEL_FIELDS_MAX)
        return refuse_column(r, "129", model->name, "has room for 128 columns");
    return WEIR_OK;
}

/* Room for the ways of so many columns. */
static weir_err reserve_columns(struct weir__sqlite_plan *p, int count)
{
    if (count <= p->room)
        return WEIR_OK;
    struct weir__sqlite_column *columns = weir__malloc((size_t)count * sizeof *columns);
    if (columns == NULL)
        return -ENOMEM;
    weir__free(p->columns);
    p->columns = columns;
    p->room = count;
    return WEIR_OK;
}

/* A member that two columns are for gets the last one's value, and nobody sees it: no plan. */
static const char *column_twice(const struct weir__sqlite_plan *p, sqlite3_stmt *s, int count)
{
    for (int i = 1; i < count; i++) {
        for (int k = 0; k < i; k++) {
            if (p->columns[i].offset == p->columns[k].offset)
                return sqlite3_column_name(s, i);
        }
    }
    return NULL;
}

static weir_err make_plan(weir_rows *r, const weir_model *model, int reprepares)
{
    struct weir__sqlite_stmt *stmt = r->stmt;
    struct weir__sqlite_plan *p = &stmt->plan;
    const struct weir__model_tables *t = weir__model_tables(model);
    int count = sqlite3_column_count(stmt->s);
    p->model = NULL;
    if (t == NULL)
        return -ENOMEM;
    weir_err err = check_count(r, model, count);
    if (err == WEIR_OK)
        err = reserve_columns(p, count);
    for (int i = 0; err == WEIR_OK && i < count; i++) {
        const struct weir__member *m = member_of(r, model, t, i);
        if (m == NULL)
            return WEIR_EDBTYPE;
        p->columns[i] = (struct weir__sqlite_column){m, m->offset, op_of(m)};
    }
    if (err != WEIR_OK)
        return err;
    const char *twice = column_twice(p, stmt->s, count);
    if (twice != NULL)
        return refuse_column(r, twice, model->name,
                             "would be filled by two columns: give one of them another name (AS),");
    p->count = count;
    p->reprepares = reprepares;
    p->model = model;
    return WEIR_OK;
}

static weir_err check_plan(weir_rows *r, const weir_model *model)
{
    struct weir__sqlite_stmt *stmt = r->stmt;
    if (stmt->plan.model == model && r->count > 0)
        return WEIR_OK;
    int reprepares = sqlite3_stmt_status(stmt->s, SQLITE_STMTSTATUS_REPREPARE, 0);
    if (stmt->plan.model == model && stmt->plan.reprepares == reprepares)
        return WEIR_OK;
    return make_plan(r, model, reprepares);
}

/* --- columns into members --------------------------------------------------------------------- */

static const char *type_name(int type)
{
    static const char *const names[] = {"?", "an integer", "a real", "a text", "a BLOB", "NULL"};
    return type >= SQLITE_INTEGER && type <= SQLITE_NULL ? names[type] : names[0];
}

static const char *member_name(const struct weir__member *m)
{
    static const char *const names[] = {
        "a struct",  "a bool",   "an integer", "an unsigned one", "a floating point",
        "a text",    "a struct", "an array",   "a point of time", "a UUID",
        "a decimal", "bytes",    "raw JSON"};
    return m->kind <= WEIR_KIND_RAW_JSON ? names[m->kind] : "?";
}

static weir_err refuse_value(weir_rows *r, int i, int type, weir_err why)
{
    char message[WEIR__SQLITE_MESSAGE];
    struct weir__sqlite_stmt *stmt = r->stmt;
    const struct weir__member *m = stmt->plan.columns[i].member;
    const char *hint = "";
    if (type == SQLITE_NULL)
        hint = " (give the member .present, or the column a default)";
    snprintf(message, sizeof message,
             "%s: column %s is %s%s, member %.*s of %s is %s of %u bytes%s", r->db->name,
             sqlite3_column_name(stmt->s, i), type_name(type),
             why == -ERANGE                                     ? " out of range"
             : m->kind > WEIR_KIND_ARRAY && type == SQLITE_TEXT ? " that is none"
                                                                : "",
             (int)m->field->name.len, m->field->name.ptr, stmt->plan.model->name, member_name(m),
             m->size, hint);
    return raise_in(r, WEIR_EDBTYPE, message);
}

/* True for a member that keeps a view of what it is given. */
static bool is_view(const struct weir__member *m)
{
    return m->kind == WEIR_KIND_STR || m->kind == WEIR_KIND_BLOB || m->kind == WEIR_KIND_RAW_JSON;
}

static bool takes_text(const struct weir__member *m)
{
    return m->kind == WEIR_KIND_STR || m->kind >= WEIR_KIND_WALL;
}

static weir_err put_text(weir_rows *r, sqlite3_value *v, bool copies, weir_str *out)
{
    /* As bytes: a text is copied when it is asked for with a NUL behind it. */
    const char *p = sqlite3_value_blob(v);
    size_t n = (size_t)sqlite3_value_bytes(v);
    if (p == NULL)
        p = "";
    if (copies) {
        char *copy = weir__ctx_object(r->c, n + 1);
        if (copy == NULL)
            return -ENOMEM;
        memcpy(copy, p, n);
        p = copy;
    }
    *out = (weir_str){p, n};
    return WEIR_OK;
}

/* The rare ones: flags, small integers, bool, float, NULL, and numbers of the other kind. */
static weir_err put_other(weir_rows *r, const struct weir__member *m, sqlite3_value *v, int type,
                          void *out)
{
    weir_str text;
    weir_err err;
    switch (type) {
    case SQLITE_INTEGER:
        return weir__field_set_int(m, out, sqlite3_value_int64(v));
    case SQLITE_FLOAT:
        return weir__field_set_double(m, out, sqlite3_value_double(v));
    case SQLITE_TEXT:
    case SQLITE_BLOB:
        if (!takes_text(m))
            return WEIR_EINVALID;
        err = put_text(r, v, r->copies_texts && is_view(m), &text);
        if (err != WEIR_OK)
            return err;
        return type == SQLITE_TEXT ? weir__field_set_text(m, out, text)
                                   : weir__field_set_bytes(m, out, text);
    default:
        if (m->present == 0 && !is_view(m))
            return WEIR_EINVALID;
        weir__field_set_null(m, out);
        return WEIR_OK;
    }
}

static weir_err put_column(weir_rows *r, const struct weir__sqlite_column *col, sqlite3_value *v,
                           int type, void *out)
{
    char *at = (char *)out + col->offset;
    int64_t i;
    switch (col->op) {
    case WEIR__OP_INT64:
        if (WEIR_UNLIKELY(type != SQLITE_INTEGER))
            break;
        *(int64_t *)at = sqlite3_value_int64(v);
        return WEIR_OK;
    case WEIR__OP_INT32:
        i = sqlite3_value_int64(v);
        if (WEIR_UNLIKELY(type != SQLITE_INTEGER || i < INT32_MIN || i > INT32_MAX))
            break;
        *(int32_t *)at = (int32_t)i;
        return WEIR_OK;
    case WEIR__OP_DOUBLE:
        if (WEIR_UNLIKELY(type != SQLITE_FLOAT))
            break;
        *(double *)at = sqlite3_value_double(v);
        return WEIR_OK;
    case WEIR__OP_STR:
        if (WEIR_UNLIKELY(type != SQLITE_TEXT && type != SQLITE_BLOB))
            break;
        return put_text(r, v, r->copies_texts, (weir_str *)at);
    default:
        break;
    }
    return put_other(r, col->member, v, type, out);
}

static weir_err put_row(weir_rows *r, void *out)
{
    struct weir__sqlite_stmt *stmt = r->stmt;
    const struct weir__sqlite_plan *p = &stmt->plan;
    for (int i = 0; i < p->count; i++) {
        sqlite3_value *v = sqlite3_column_value(stmt->s, i);
        int type = sqlite3_value_type(v);
        weir_err err = put_column(r, &p->columns[i], v, type, out);
        if (WEIR_UNLIKELY(err != WEIR_OK))
            return err == -ENOMEM ? err : refuse_value(r, i, type, err);
    }
    return WEIR_OK;
}

/* --- stepping --------------------------------------------------------------------------------- */

static weir_err refuse_more(weir_rows *r)
{
    return weir_raise_at(r->site, weir__ctx_handle(r->c), WEIR_ELIMIT, 0,
                         "%s: more than %llu rows, which is the cap of this query", r->db->name,
                         (unsigned long long)r->max);
}

static weir_err fail_step(weir_rows *r, int rc)
{
    char message[WEIR__SQLITE_MESSAGE];
    struct weir__sqlite_stmt *stmt = r->stmt;
    weir_err err = weir__sqlite_error(r->conn, rc, stmt->text, message);
    err = raise_in(r, err, message);
    if (r->tx != NULL && sqlite3_get_autocommit(((struct weir__sqlite_conn *)r->conn)->db))
        r->tx->err = err; /* SQLite has rolled back by itself */
    return err;
}

int weir__sqlite_next(weir_rows *r, const weir_model *model, void *out)
{
    struct weir__sqlite_stmt *stmt = r->stmt;
    struct weir__sqlite_conn *conn = r->conn;
    weir_err err;
    int rc = SQLITE_ROW;
    if (WEIR_UNLIKELY(r->tx != NULL))
        weir__sqlite_begin_work(conn, r->c); /* others work with it in between */
    if (WEIR_LIKELY(!r->is_kept))
        rc = sqlite3_step(stmt->s);
    r->is_kept = false;
    if (WEIR_UNLIKELY(rc != SQLITE_ROW))
        return rc == SQLITE_DONE ? 0 : fail_step(r, rc);
    if (WEIR_UNLIKELY(r->max != 0 && r->count == r->max))
        return refuse_more(r);
    err = check_plan(r, model);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    r->count++;
    err = put_row(r, out);
    return WEIR_LIKELY(err == WEIR_OK) ? 1 : err;
}

void weir__sqlite_close_rows(weir_rows *r)
{
    if (r->conn != NULL) {
        weir__sqlite_put(r->conn, r->stmt);
        r->stmt = NULL;
        r->conn = NULL;
    }
    if (r->tx != NULL)
        weir__list_remove(&r->in_tx);
    else
        weir__lease_release(&r->lease);
}
