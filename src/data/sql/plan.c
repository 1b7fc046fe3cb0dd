/*
 * From the columns of a statement to the members of a model: worked out at the statement's first
 * row for a model and kept with it (the plan). After that a row costs a few stores, no look-up and
 * no allocation. A plan is of one shape of the statement: where the schema changes, so may its
 * columns.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/model.h"
#include "data/sql/driver.h"

/* How a cell gets into its member; the usual ones directly, the rest by weir__field_set_*. */
enum op { OP_OTHER, OP_INT64, OP_INT32, OP_DOUBLE, OP_STR };

struct column {
    const struct weir__member *member;
    uint32_t offset;
    uint8_t op;
};

struct weir__sql_plan {
    const weir_model *model; /* NULL: it is not finished */
    uint32_t shape;          /* the statement's when it was made */
    int count, room;
    struct column columns[]; /* of `room` */
};

void weir__sql_plan_free(struct weir__sql_plan *plan)
{
    weir__free(plan);
}

/* --- making one ------------------------------------------------------------------------------- */

static enum op op_of(const struct weir__member *m)
{
    if (m->present != 0)
        return OP_OTHER;
    if (m->kind == WEIR_KIND_INT && m->size == sizeof(int64_t))
        return OP_INT64;
    if (m->kind == WEIR_KIND_INT && m->size == sizeof(int32_t))
        return OP_INT32;
    if (m->kind == WEIR_KIND_FLOAT && m->size == sizeof(double))
        return OP_DOUBLE;
    return m->kind == WEIR_KIND_STR ? OP_STR : OP_OTHER;
}

static weir_str column_name(const struct weir__sql_driver *driver, struct weir__sql_stmt *stmt,
                            int i)
{
    struct weir__sql_fact fact = {.kind = WEIR__CELL_ANY};
    driver->column(stmt, i, &fact);
    return fact.name;
}

static weir_err refuse_column(weir_str column, const weir_model *model, const char *why,
                              struct weir__sql_fault *fault)
{
    return weir__sql_fault(fault, WEIR_EDBTYPE, "column " WEIR_STR_FMT ": model %s %s",
                           WEIR_STR_ARG(column), model->name, why);
}

const struct weir__member *weir__sql_member_of(const struct weir__sql_driver *driver,
                                               struct weir__sql_stmt *stmt, const weir_model *model,
                                               int column, struct weir__sql_fault *fault)
{
    const struct weir__model_tables *t = weir__model_tables(model);
    if (model->is_scalar)
        return &t->members[0];
    weir_str name = column_name(driver, stmt, column);
    const struct weir__member *m = name.ptr != NULL ? weir__model_find_name(model, name) : NULL;
    if (m == NULL)
        (void)refuse_column(name, model, "has no member of that name", fault);
    else if (m->sub != NULL)
        (void)refuse_column(name, model, "has a struct, an array or a map of that name", fault);
    return m != NULL && m->sub == NULL ? m : NULL;
}

weir_err weir__sql_check_columns(const struct weir__sql_driver *driver, struct weir__sql_stmt *stmt,
                                 const weir_model *model, struct weir__sql_fault *fault)
{
    int count = stmt->columns;
    if (count == 0)
        return refuse_column(WEIR_S("(none)"), model, "asks for rows, the statement has none",
                             fault);
    if (model->is_scalar && count != 1)
        return refuse_column(column_name(driver, stmt, 1), model, "is one value", fault);
    if (count > WEIR_MODEL_FIELDS_MAX)
        return refuse_column(WEIR_S("129"), model, "has room for 128 columns", fault);
    return WEIR_OK;
}

/* A plan of room for the statement's columns, not finished. */
static struct weir__sql_plan *room_for(struct weir__sql_stmt *stmt)
{
    struct weir__sql_plan *p = stmt->plan;
    if (p != NULL && p->room >= stmt->columns) {
        p->model = NULL;
        return p;
    }
    size_t room = (size_t)stmt->columns;
    struct weir__sql_plan *made = weir__malloc(sizeof *made + room * sizeof made->columns[0]);
    if (made == NULL)
        return NULL;
    *made = (struct weir__sql_plan){.room = stmt->columns};
    weir__free(p);
    return stmt->plan = made;
}

/* A member that two columns are for gets the last one's value, and nobody sees it: no plan. */
static int column_twice(const struct weir__sql_plan *p)
{
    for (int i = 1; i < p->count; i++) {
        for (int k = 0; k < i; k++) {
            if (p->columns[i].offset == p->columns[k].offset)
                return i;
        }
    }
    return 0;
}

static weir_err make_plan(weir_rows *r, const weir_model *model, struct weir__sql_fault *fault)
{
    if (weir__model_tables(model) == NULL)
        return -ENOMEM;
    weir_err err = weir__sql_check_columns(r->driver, r->stmt, model, fault);
    if (err != WEIR_OK)
        return err;
    struct weir__sql_plan *p = room_for(r->stmt);
    if (p == NULL)
        return -ENOMEM;
    p->count = r->stmt->columns;
    for (int i = 0; i < p->count; i++) {
        const struct weir__member *m = weir__sql_member_of(r->driver, r->stmt, model, i, fault);
        if (m == NULL)
            return WEIR_EDBTYPE;
        p->columns[i] = (struct column){m, m->offset, (uint8_t)op_of(m)};
    }
    int twice = column_twice(p);
    if (twice != 0)
        return refuse_column(column_name(r->driver, r->stmt, twice), model,
                             "would be filled by two columns: give one of them another name (AS)",
                             fault);
    p->shape = r->stmt->shape;
    p->model = model;
    return WEIR_OK;
}

/* --- cells into members ----------------------------------------------------------------------- */

const char *weir__sql_cell_name(uint8_t kind)
{
    static const char *const names[] = {"NULL",   "a bool",    "an integer", "an unsigned integer",
                                        "a real", "a text",    "bytes",      "a point of time",
                                        "a UUID", "a decimal", "raw JSON"};
    return kind <= WEIR__CELL_JSON ? names[kind] : "?";
}

const char *weir__sql_kind_name(uint8_t kind)
{
    static const char *const names[] = {
        "a struct",  "a bool",   "an integer", "an unsigned one", "a floating point",
        "a text",    "a struct", "an array",   "a point of time", "a UUID",
        "a decimal", "bytes",    "raw JSON"};
    return kind <= WEIR_KIND_RAW_JSON ? names[kind] : "?";
}

static weir_err refuse_value(weir_rows *r, int i, weir_err why, struct weir__sql_fault *fault)
{
    const struct weir__sql_plan *p = r->stmt->plan;
    const struct weir__member *m = p->columns[i].member;
    uint8_t kind = r->stmt->cells[i].kind;
    weir_str name = column_name(r->driver, r->stmt, i);
    const char *hint = "", *how = "";
    if (kind == WEIR__CELL_NULL)
        hint = " (give the member .present, or the column a default)";
    if (why == -ERANGE)
        how = " out of range";
    else if (m->kind > WEIR_KIND_ARRAY && kind == WEIR__CELL_TEXT)
        how = " that is none";
    if (p->model->is_scalar)
        return weir__sql_fault(fault, WEIR_EDBTYPE,
                               "column " WEIR_STR_FMT " is %s%s, asked for as %s: %s of %u bytes%s",
                               WEIR_STR_ARG(name), weir__sql_cell_name(kind), how, p->model->name,
                               weir__sql_kind_name(m->kind), m->size, hint);
    return weir__sql_fault(
        fault, WEIR_EDBTYPE,
        "column " WEIR_STR_FMT " is %s%s, member " WEIR_STR_FMT " of %s is %s of %u bytes%s",
        WEIR_STR_ARG(name), weir__sql_cell_name(kind), how, WEIR_STR_ARG(m->field->name),
        p->model->name, weir__sql_kind_name(m->kind), m->size, hint);
}

/* True for a member that keeps a view of what it is given. */
static bool is_view(const struct weir__member *m)
{
    return m->kind == WEIR_KIND_STR || m->kind == WEIR_KIND_BLOB || m->kind == WEIR_KIND_RAW_JSON;
}

/* As it is, or a copy in the context's memory, with a NUL behind it. */
static weir_err view_of(weir_rows *r, weir_str s, weir_str *out)
{
    if (r->copies_texts) {
        char *copy = weir__ctx_object(r->c, s.len + 1);
        if (copy == NULL)
            return -ENOMEM;
        s.ptr = memcpy(copy, s.ptr, s.len);
    }
    *out = s;
    return WEIR_OK;
}

static weir_err put_text(weir_rows *r, const struct weir__member *m, const struct weir__sql_cell *v,
                         void *out)
{
    weir_str text = v->u.s;
    if (is_view(m)) {
        weir_err err = view_of(r, text, &text);
        if (err != WEIR_OK)
            return err;
    }
    switch (v->kind) {
    case WEIR__CELL_BYTES:
        return weir__field_set_bytes(m, out, text);
    case WEIR__CELL_DECIMAL:
        return weir__field_set_number(m, out, text);
    default:
        return weir__field_set_text(m, out, text);
    }
}

/* The rare ones: flags, small integers, bool, float, NULL, and numbers of the other kind. */
static weir_err put_other(weir_rows *r, const struct weir__member *m,
                          const struct weir__sql_cell *v, void *out)
{
    switch (v->kind) {
    case WEIR__CELL_BOOL:
    case WEIR__CELL_INT:
        return weir__field_set_int(m, out, v->u.i);
    case WEIR__CELL_UINT:
        return weir__field_set_uint(m, out, v->u.u);
    case WEIR__CELL_DOUBLE:
        return weir__field_set_double(m, out, v->u.d);
    case WEIR__CELL_WALL:
        return weir__field_set_wall(m, out, v->u.wall);
    case WEIR__CELL_UUID:
        if (m->kind != WEIR_KIND_UUID)
            return WEIR_EINVALID;
        return weir__field_set_bytes(m, out,
                                     (weir_str){(const char *)v->u.uuid.bytes, sizeof v->u.uuid});
    case WEIR__CELL_NULL:
        if (m->present == 0 && !is_view(m))
            return WEIR_EINVALID;
        weir__field_set_null(m, out);
        return WEIR_OK;
    default:
        return put_text(r, m, v, out);
    }
}

static inline bool is_str(uint8_t kind)
{
    return kind == WEIR__CELL_TEXT || kind == WEIR__CELL_BYTES;
}

static weir_err put_cell(weir_rows *r, const struct column *col, const struct weir__sql_cell *v,
                         void *out)
{
    char *at = (char *)out + col->offset;
    switch (col->op) {
    case OP_INT64:
        if (WEIR_UNLIKELY(v->kind != WEIR__CELL_INT))
            break;
        *(int64_t *)at = v->u.i;
        return WEIR_OK;
    case OP_INT32:
        if (WEIR_UNLIKELY(v->kind != WEIR__CELL_INT || v->u.i < INT32_MIN || v->u.i > INT32_MAX))
            break;
        *(int32_t *)at = (int32_t)v->u.i;
        return WEIR_OK;
    case OP_DOUBLE:
        if (WEIR_UNLIKELY(v->kind != WEIR__CELL_DOUBLE))
            break;
        *(double *)at = v->u.d;
        return WEIR_OK;
    case OP_STR:
        if (WEIR_UNLIKELY(!is_str(v->kind)))
            break;
        return view_of(r, v->u.s, (weir_str *)at);
    default:
        break;
    }
    return put_other(r, col->member, v, out);
}

weir_err weir__sql_put_row(weir_rows *r, const weir_model *model, void *out,
                           struct weir__sql_fault *fault)
{
    const struct weir__sql_stmt *stmt = r->stmt;
    if (WEIR_UNLIKELY(stmt->plan == NULL || stmt->plan->model != model ||
                      stmt->plan->shape != stmt->shape)) {
        weir_err err = make_plan(r, model, fault);
        if (err != WEIR_OK)
            return err;
    }
    const struct weir__sql_plan *p = stmt->plan;
    for (int i = 0; i < p->count; i++) {
        weir_err err = put_cell(r, &p->columns[i], &stmt->cells[i], out);
        if (WEIR_UNLIKELY(err != WEIR_OK))
            return err == -ENOMEM ? err : refuse_value(r, i, err, fault);
    }
    return WEIR_OK;
}
