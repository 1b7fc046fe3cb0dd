/*
 * Many rows at once. MariaDB takes them in one message (COM_STMT_BULK_EXECUTE) behind an INSERT of
 * one row; MySQL gets an INSERT with as many VALUES as go into a statement, and a shorter one for
 * what is left.
 *
 * The kinds of a bulk's values are told before its rows: a row whose values are of others (a NULL
 * is of any) begins the next message.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "data/mysql/mysql.h"

enum {
    ROWS_MAX = 256,           /* of an INSERT with several VALUES */
    MESSAGE_BYTES = 512 << 10 /* a message is sent when it has so many */
};

/* The work, and where it stands. */
struct work {
    struct weir__mysql_conn *conn;
    const struct weir__sql_many *many;
    struct weir__sql_outcome *out;
    struct weir__sql_fault *f;
    size_t at; /* the row that is next */
};

/* --- the text --------------------------------------------------------------------------------- */

/* `shop.orders` is two names. */
static void put_name(weir_buf *b, weir_str name, bool has_parts)
{
    weir_buf_putc(b, '`');
    for (size_t i = 0; i < name.len; i++) {
        if (has_parts && name.ptr[i] == '.')
            weir_buf_puts(b, WEIR_S("`.`"));
        else if (name.ptr[i] == '`')
            weir_buf_puts(b, WEIR_S("``"));
        else
            weir_buf_putc(b, name.ptr[i]);
    }
    weir_buf_putc(b, '`');
}

static void put_insert(weir_buf *b, const struct weir__sql_many *many, size_t rows)
{
    weir_buf_puts(b, WEIR_S("INSERT INTO "));
    put_name(b, many->table, true);
    for (size_t i = 0; i < many->column_count; i++) {
        weir_buf_puts(b, i == 0 ? WEIR_S("(") : WEIR_S(","));
        put_name(b, many->columns[i], false);
    }
    weir_buf_puts(b, WEIR_S(") VALUES "));
    for (size_t row = 0; row < rows; row++) {
        weir_buf_puts(b, row == 0 ? WEIR_S("(") : WEIR_S(",("));
        for (size_t i = 0; i < many->column_count; i++)
            weir_buf_puts(b, i == 0 ? WEIR_S("?") : WEIR_S(",?"));
        weir_buf_putc(b, ')');
    }
}

/* Prepares an INSERT of so many rows. */
static weir_err prepare(struct work *w, size_t rows, uint32_t *id)
{
    struct weir__mysql_prepared p;
    weir_buf text;
    weir_buf_init(&text, w->conn->owner->o.value_bytes_max);
    put_insert(&text, w->many, rows);
    weir_err err = text.err < 0
                       ? weir__sql_fault(w->f, text.err, "the INSERT: %s", weir_strerror(text.err))
                       : weir__mysql_prepare_text(w->conn, weir_buf_str(&text), id, &p, w->f);
    weir_buf_fini(&text);
    return err < 0 ? err : weir__mysql_settle(w->conn, w->f);
}

/* Sends what has been made and reads what became of it. */
static weir_err run(struct work *w)
{
    weir_err err = weir__mysql_flush(w->conn, w->f);
    return err < 0 ? err : weir__mysql_read_ok(w->conn, w->out, w->f);
}

/* --- in one message --------------------------------------------------------------------------- */

static weir_err bad_value(const struct work *w)
{
    return weir__sql_fault(w->f, -ERANGE, "row %zu has a point of time outside of the calendar",
                           w->at);
}

/* The kinds of the row that is next. */
static weir_err kinds_of(struct work *w, weir_arg *row, uint8_t *kinds)
{
    char room[WEIR_DECIMAL_TEXT_MAX];
    struct weir__mysql_param p;
    w->many->row(w->many, w->at, row);
    for (size_t i = 0; i < w->many->column_count; i++) {
        if (!weir__mysql_param_of(&row[i], room, &p))
            return bad_value(w);
        kinds[i] = p.kind;
    }
    return WEIR_OK;
}

static bool fits(const uint8_t *kinds, const uint8_t *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (row[i] != kinds[i] && row[i] != WEIR__MYSQL_PARAM_NULL)
            return false;
    }
    return true;
}

static void put_row(struct work *w, const weir_arg *row)
{
    char room[WEIR_DECIMAL_TEXT_MAX];
    struct weir__mysql_param p;
    for (size_t i = 0; i < w->many->column_count; i++) {
        (void)weir__mysql_param_of(&row[i], room, &p);
        weir__mysql_bulk_value(&w->conn->out, &p);
    }
}

/* As many rows as go into one message. */
static weir_err bulk_some(struct work *w, uint32_t id)
{
    uint8_t kinds[WEIR_ARGS_MAX] = {0}, more[WEIR_ARGS_MAX] = {0};
    weir_arg row[WEIR_ARGS_MAX];
    size_t columns = w->many->column_count;
    weir_err err = kinds_of(w, row, kinds);
    if (err < 0)
        return err;
    size_t most = w->conn->owner->o.value_bytes_max / 2;
    most = most < MESSAGE_BYTES ? most : MESSAGE_BYTES;
    (void)weir__mysql_put_prefix(w->conn, false);
    size_t at = weir__mysql_begin_command(w->conn);
    weir__mysql_bulk_begin(&w->conn->out, id, kinds, columns);
    do {
        put_row(w, row);
        w->at++;
        err = w->at < w->many->row_count ? kinds_of(w, row, more) : WEIR_OK;
    } while (err == WEIR_OK && w->at < w->many->row_count && w->conn->out.len - at < most &&
             fits(kinds, more, columns));
    weir__mysql_end_command(w->conn, at);
    if (err < 0) {
        weir__mysql_drop_unsent(w->conn);
        return err;
    }
    return run(w);
}

static weir_err bulk(struct work *w)
{
    uint32_t id = 0;
    weir_err err = prepare(w, 1, &id);
    if (err < 0)
        return err;
    while (err == WEIR_OK && w->at < w->many->row_count)
        err = bulk_some(w, id);
    weir__mysql_close_id(w->conn, id);
    return err;
}

/* --- several VALUES --------------------------------------------------------------------------- */

static weir_err execute_rows(struct work *w, uint32_t id, size_t rows, weir_arg *args)
{
    size_t columns = w->many->column_count;
    for (size_t i = 0; i < rows; i++)
        w->many->row(w->many, w->at + i, args + i * columns);
    (void)weir__mysql_put_prefix(w->conn, false);
    weir_err err = weir__mysql_put_execute(w->conn, id, args, rows * columns, w->f);
    if (err < 0)
        return err;
    w->at += rows;
    return run(w);
}

/* All that is left, `rows` at a time. */
static weir_err values(struct work *w, size_t rows, weir_arg *args)
{
    uint32_t id = 0;
    weir_err err = prepare(w, rows, &id);
    if (err < 0)
        return err;
    while (err == WEIR_OK && w->many->row_count - w->at >= rows)
        err = execute_rows(w, id, rows, args);
    weir__mysql_close_id(w->conn, id);
    return err;
}

static weir_err several(struct work *w)
{
    size_t most = WEIR__MYSQL_PARAMS_MAX / w->many->column_count;
    most = most < ROWS_MAX ? most : ROWS_MAX;
    most = most < w->many->row_count ? most : w->many->row_count;
    weir_arg *args = weir__malloc(most * w->many->column_count * sizeof *args);
    if (args == NULL)
        return weir__sql_fault(w->f, -ENOMEM, "no memory");
    weir_err err = WEIR_OK;
    while (err == WEIR_OK && w->at < w->many->row_count) {
        size_t left = w->many->row_count - w->at, rows = most < left ? most : left;
        err = values(w, rows, args);
        if (err == WEIR_ETOOLARGE && rows > 1 && !w->conn->is_broken) {
            most = rows / 2; /* nothing of it was sent */
            err = WEIR_OK;
        }
    }
    weir__free(args);
    return err;
}

/* --- both ------------------------------------------------------------------------------------- */

weir_err weir__mysql_many(struct weir__sql_conn *conn, const struct weir__sql_many *many,
                          struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    struct work w = {weir__mysql_conn_of(conn), many, out, f, 0};
    WEIR_ASSERT(many->column_count > 0 && many->column_count <= WEIR_ARGS_MAX,
                "M1: values are bounded");
    if (many->row_count == 0)
        return WEIR_OK;
    weir_err err = weir__mysql_ready(w.conn, f);
    if (err == WEIR_OK)
        err = weir__mysql_begin_now(w.conn, f);
    if (err < 0)
        return err;
    return weir__mysql_can(w.conn, WEIR__MARIADB_BULK) ? bulk(&w) : several(&w);
}
