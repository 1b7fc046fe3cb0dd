/*
 * Structs as rows, many at a time: by what the driver has for that, else by INSERTs of several rows
 * each. Those have a power of two of rows, so that the statements of all batches are few, and stay
 * prepared.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/given.h"
#include "base/model.h"
#include "data/sql/driver.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/sized.h"

#define ROWS_MAX 64   /* of a statement */
#define SQL_MAX 65536 /* bytes of one */
#define TABLE_MAX 128 /* bytes of a table's name */

struct insert {
    struct weir__sql_many many; /* first */
    const weir_model *model;
    const char *items;
    weir_str names[WEIR_MODEL_FIELDS_MAX]; /* of the columns */
    const struct weir__member *members[WEIR_MODEL_FIELDS_MAX];
};

/* --- members as values ------------------------------------------------------------------------ */

static void put_text(weir_arg_kind kind, const char *ptr, size_t len, weir_arg *out)
{
    out->kind = ptr != NULL ? kind : WEIR_ARG_NULL;
    out->u.s = (weir_str){ptr, len};
}

/* As the makers of <weir/sql.h> do; these would leave part of what they return unset. */
static void put_value(const struct weir__member *m, const void *item, weir_arg *out)
{
    const void *at = (const char *)item + m->offset;
    const weir_str *text = at;
    const weir_blob *blob = at;
    out->kind = WEIR_ARG_NULL;
    if (m->present != 0 && weir__member_presence(m, item) != WEIR_PRESENT)
        return;
    switch (m->kind) {
    case WEIR_KIND_BOOL:
        out->kind = WEIR_ARG_INT;
        out->u.i = *(const bool *)at;
        break;
    case WEIR_KIND_INT:
        out->kind = WEIR_ARG_INT;
        out->u.i = weir__member_get_int(m, item);
        break;
    case WEIR_KIND_UINT:
        out->u.i = (int64_t)weir__member_get_uint(m, item);
        out->kind = out->u.i >= 0 ? WEIR_ARG_INT : WEIR_ARG_TOO_LARGE;
        break;
    case WEIR_KIND_FLOAT:
        out->kind = WEIR_ARG_DOUBLE;
        out->u.d = weir__member_get_float(m, item);
        break;
    case WEIR_KIND_STR:
        put_text(WEIR_ARG_TEXT, text->ptr, text->len, out);
        break;
    case WEIR_KIND_RAW_JSON:
        put_text(WEIR_ARG_JSON, text->ptr, text->len, out);
        break;
    case WEIR_KIND_BLOB:
        put_text(WEIR_ARG_BYTES, blob->ptr, blob->len, out);
        break;
    case WEIR_KIND_WALL:
        out->kind = WEIR_ARG_WALL;
        out->u.wall = *(const weir_wall *)at;
        break;
    case WEIR_KIND_UUID:
        out->kind = WEIR_ARG_UUID;
        out->u.uuid = *(const weir_uuid *)at;
        break;
    case WEIR_KIND_DECIMAL:
        out->kind = WEIR_ARG_DECIMAL;
        out->u.decimal = *(const weir_decimal *)at;
        break;
    default:
        break; /* choose_columns takes none of the others */
    }
}

static void put_values(const struct weir__sql_many *many, size_t index, weir_arg *out)
{
    const struct insert *in = WEIR_CONTAINER(many, struct insert, many);
    const char *item = in->items + index * in->model->size;
    for (size_t i = 0; i < many->column_count; i++)
        put_value(in->members[i], item, &out[i]);
}

/* --- which columns ---------------------------------------------------------------------------- */

/* Letters, digits and '_', parted by single dots: it can be nothing but a name. */
static bool is_table(weir_str s)
{
    bool is_begun = false;
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        bool is_letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                         (ch >= '0' && ch <= '9') || ch == '_';
        if (!is_letter && (ch != '.' || !is_begun))
            return false;
        is_begun = is_letter;
    }
    return is_begun && s.len <= TABLE_MAX;
}

/* The next name of a list, which is taken off it; false: there is none. */
static bool take_name(weir_str *list, weir_str *name)
{
    if (list->ptr == NULL)
        return false;
    const char *comma = memchr(list->ptr, ',', list->len);
    size_t n = comma != NULL ? (size_t)(comma - list->ptr) : list->len;
    *name = weir_str_trim((weir_str){list->ptr, n});
    *list = comma != NULL ? (weir_str){comma + 1, list->len - n - 1} : (weir_str){NULL, 0};
    return true;
}

static bool has_name(const char *list, weir_str wanted)
{
    weir_str left = weir_str_from(list), name;
    while (take_name(&left, &name)) {
        if (weir_str_eq(name, wanted))
            return true;
    }
    return false;
}

/* Each name of a list must be a member's. */
static weir_err check_names(const weir_model *model, const char *list, struct weir__sql_fault *f)
{
    weir_str left = weir_str_from(list), name;
    while (take_name(&left, &name)) {
        if (weir__model_find_name(model, name) == NULL)
            return weir__sql_fault(f, WEIR_EINVALID,
                                   "weir_insert: model %s has no member \"" WEIR_STR_FMT "\"",
                                   model->name, WEIR_STR_ARG(name));
    }
    return WEIR_OK;
}

static weir_err add_member(struct insert *in, const struct weir__member *m,
                           struct weir__sql_fault *f)
{
    if (m->sub != NULL)
        return weir__sql_fault(f, WEIR_EINVALID,
                               "weir_insert: member " WEIR_STR_FMT " of %s is no value: leave it "
                               "out (.without)",
                               WEIR_STR_ARG(m->field->name), in->model->name);
    in->members[in->many.column_count] = m;
    in->names[in->many.column_count++] = m->field->name;
    return WEIR_OK;
}

static weir_err choose_columns(struct insert *in, const weir_insert_options *o,
                               struct weir__sql_fault *f)
{
    const struct weir__model_tables *t = weir__model_tables(in->model);
    if (t == NULL)
        return -ENOMEM;
    if (in->model->is_scalar || (o->columns != NULL && o->without != NULL))
        return weir__sql_fault(f, WEIR_EINVALID, "weir_insert: %s",
                               in->model->is_scalar ? "one value is no row: give a struct"
                                                    : "either .columns or .without");
    weir_err err = check_names(in->model, o->columns, f);
    if (err == WEIR_OK)
        err = check_names(in->model, o->without, f);
    for (uint32_t i = 0; err == WEIR_OK && i < t->count; i++) {
        const struct weir__member *m = &t->members[i];
        if (o->columns != NULL ? has_name(o->columns, m->field->name)
                               : !has_name(o->without, m->field->name))
            err = add_member(in, m, f);
    }
    if (err == WEIR_OK && in->many.column_count == 0)
        err = weir__sql_fault(f, WEIR_EINVALID, "weir_insert: no column is left of model %s",
                              in->model->name);
    return err;
}

/* --- statements of several rows --------------------------------------------------------------- */

static void put_name(weir_buf *sql, weir_str name, char quote)
{
    weir_buf_putc(sql, quote);
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '.')
            weir_buf_printf(sql, "%c.%c", quote, quote);
        else
            weir_buf_putc(sql, name.ptr[i]);
    }
    weir_buf_putc(sql, quote);
}

static void put_statement(weir_buf *sql, const struct weir__sql_many *many, size_t rows, char quote)
{
    weir_buf_reset(sql);
    weir_buf_puts(sql, WEIR_S("INSERT INTO "));
    put_name(sql, many->table, quote);
    for (size_t i = 0; i < many->column_count; i++) {
        weir_buf_putc(sql, i == 0 ? '(' : ',');
        put_name(sql, many->columns[i], quote);
    }
    weir_buf_puts(sql, WEIR_S(") VALUES "));
    for (size_t row = 0; row < rows; row++) {
        weir_buf_puts(sql, row == 0 ? WEIR_S("(?") : WEIR_S(",(?"));
        for (size_t i = 1; i < many->column_count; i++)
            weir_buf_puts(sql, WEIR_S(",?"));
        weir_buf_putc(sql, ')');
    }
    weir_buf_putc(sql, '\0');
}

/* How many rows go together: a power of two, up to `left` and what a call may have of values. */
static size_t batch_of(const struct weir__sql_many *many, size_t left)
{
    size_t rows = ROWS_MAX;
    while (rows > 1 && (rows > left || rows * many->column_count > WEIR_ARGS_MAX))
        rows /= 2;
    return rows;
}

struct room {
    weir_buf sql;
    weir_arg *args;
};

static void free_room(struct room *room)
{
    weir_buf_fini(&room->sql);
    weir__free(room->args);
}

static weir_err run_batches(weir_tx *tx, const weir_site *site, const struct weir__sql_many *many)
{
    struct room room __attribute__((cleanup(free_room))) = {.args = NULL};
    int64_t changes = 0;
    size_t made_for = 0;
    char quote = tx->driver->quote != 0 ? tx->driver->quote : '"';
    weir_buf_init(&room.sql, SQL_MAX);
    room.args =
        weir__malloc(batch_of(many, many->row_count) * many->column_count * sizeof *room.args);
    if (room.args == NULL)
        return -ENOMEM;
    for (size_t done = 0, n; done < many->row_count; done += n) {
        n = batch_of(many, many->row_count - done);
        if (n != made_for)
            put_statement(&room.sql, many, n, quote);
        made_for = n;
        if (room.sql.err != WEIR_OK)
            return room.sql.err;
        for (size_t i = 0; i < n; i++)
            many->row(many, done + i, room.args + i * many->column_count);
        weir_err err = weir__sql_run(tx, site, room.sql.ptr, room.args, n * many->column_count);
        if (err != WEIR_OK)
            return err;
        changes += tx->changes;
    }
    tx->changes = changes;
    return WEIR_OK;
}

/* --- the call --------------------------------------------------------------------------------- */

/* Nothing is sent while a value of any row is not one that the database takes. */
static weir_err check_rows(const struct weir__sql_driver *driver, const struct weir__sql_many *many,
                           struct weir__sql_fault *f)
{
    weir_arg args[WEIR_MODEL_FIELDS_MAX];
    for (size_t row = 0; row < many->row_count; row++) {
        many->row(many, row, args);
        for (size_t i = 0; i < many->column_count; i++) {
            weir_err err = weir__sql_check_value(driver, &args[i], i + 1, f);
            if (err != WEIR_OK) {
                size_t n = strlen(f->text);
                (void)snprintf(f->text + n, sizeof f->text - n, ", in row %zu", row + 1);
                return err;
            }
        }
    }
    return WEIR_OK;
}

static weir_err run_many(weir_tx *tx, const weir_site *site, const struct weir__sql_many *many,
                         struct weir__sql_fault *f)
{
    struct weir__sql_outcome outcome = {0};
    weir_err err = weir__sql_check_alone(tx, f);
    if (err == WEIR_OK)
        err = check_rows(tx->driver, many, f);
    if (err == WEIR_OK)
        err = tx->driver->many(weir__sql_conn_of(tx, site), many, &outcome, f);
    if (err != WEIR_OK)
        return weir__sql_fail_tx(tx, site, NULL, err, f);
    tx->changes = outcome.changes;
    if (outcome.last_id != 0)
        tx->last_id = outcome.last_id;
    return WEIR_OK;
}

static weir_err insert(weir_tx *tx, const weir_site *site, struct insert *in,
                       const weir_insert_options *o)
{
    struct weir__sql_fault fault;
    weir__sql_fault_init(&fault);
    weir_err err = WEIR_OK;
    if (!is_table(in->many.table))
        err = weir__sql_fault(&fault, WEIR_EINVALID,
                              "weir_insert: \"" WEIR_STR_FMT "\" is not the name of a table",
                              WEIR_STR_ARG(in->many.table));
    if (err == WEIR_OK)
        err = choose_columns(in, o, &fault);
    if (err != WEIR_OK)
        return weir__sql_fail_tx(tx, site, NULL, err, &fault);
    if (tx->driver->many != NULL && in->many.row_count > 1)
        return run_many(tx, site, &in->many, &fault);
    return run_batches(tx, site, &in->many);
}

weir_err weir_insert_at(const weir_site *site, weir_tx *tx, const char *table,
                        const weir_model *model, const void *items, size_t count,
                        const weir_insert_options *options)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir_insert_options room;
    weir__given(table, "the table");
    weir__given(model, "the model");
    weir__given_some(items, count, "the array of items");
    tx = weir__sql_tx_of(tx, "weir_insert");
    const weir_insert_options *o = weir__options(options, &room, sizeof room, "weir_insert");
    if (!tx->is_ended)
        tx->changes = 0;
    weir_err err = weir__sql_check_tx(tx, site, "weir_insert");
    if (err != WEIR_OK)
        return weir__later_refused(err);
    struct insert in = {.model = model, .items = items};
    in.many = (struct weir__sql_many){
        .table = weir_str_from(table), .columns = in.names, .row_count = count, .row = put_values};
    return tx->err = count == 0 ? WEIR_OK : insert(tx, site, &in, o);
}
