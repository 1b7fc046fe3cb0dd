/*
 * Many rows at once, by COPY in its text form: the server reads each field as its column wants it,
 * so nothing is asked about the table first. Rows leave as they are made, a window at a time, so
 * that a million of them need no more memory than a thousand.
 */
#include <string.h>

#include "data/postgres/postgres.h"

enum { CHUNK = WEIR__PG_WINDOW_MAX - (8 << 10) };

/* --- names ------------------------------------------------------------------------------------ */

/* A name as it is, in quotes, as the core has it in an INSERT; a dot parts schema and table. */
static void put_name(weir_buf *b, weir_str name)
{
    weir_buf_putc(b, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '.')
            weir_buf_puts(b, WEIR_S("\".\""));
        else
            weir_buf_putc(b, name.ptr[i]);
    }
    weir_buf_putc(b, '"');
}

static void put_copy(weir_buf *b, const struct weir__sql_many *many)
{
    weir_buf_puts(b, WEIR_S("COPY "));
    put_name(b, many->table);
    for (size_t i = 0; i < many->column_count; i++) {
        weir_buf_puts(b, i == 0 ? WEIR_S(" (") : WEIR_S(", "));
        put_name(b, many->columns[i]);
    }
    weir_buf_puts(b, WEIR_S(") FROM STDIN"));
}

/* --- rows ------------------------------------------------------------------------------------- */

static weir_err put_field(weir_buf *b, const weir_arg *arg)
{
    struct weir__pg_value v;
    char text[WEIR_DECIMAL_TEXT_MAX];
    if (arg->kind == WEIR_ARG_DECIMAL) {
        weir_buf_add(b, text, weir_decimal_text(arg->u.decimal, text));
        return WEIR_OK;
    }
    weir_err err = weir__pg_value_of(arg, &v);
    return err < 0 ? err : weir__pg_put_copy_value(b, &v);
}

static weir_err put_row(struct weir__pg_conn *conn, const struct weir__sql_many *many, size_t index,
                        struct weir__sql_fault *f)
{
    weir_arg args[WEIR_ARGS_MAX];
    weir_buf *b = &conn->out;
    many->row(many, index, args);
    for (size_t i = 0; i < many->column_count; i++) {
        if (i > 0)
            weir_buf_putc(b, '\t');
        weir_err err = put_field(b, &args[i]);
        if (err < 0)
            return weir__sql_fault(f, err, "row %zu, column %.*s: a value that has no text",
                                   index + 1, (int)many->columns[i].len, many->columns[i].ptr);
    }
    weir_buf_putc(b, '\n');
    if (b->err == WEIR_ETOOLARGE)
        return weir__sql_fault(f, WEIR_ETOOLARGE, "row %zu is over value_bytes_max", index + 1);
    return b->err < 0 ? weir__sql_fault(f, b->err, "no memory") : WEIR_OK;
}

/* All rows; after an error of a row what was begun is taken back by whoever calls. */
static weir_err put_rows(struct weir__pg_conn *conn, const struct weir__sql_many *many,
                         struct weir__sql_fault *f)
{
    size_t mark = weir__pg_begin(&conn->out, 'd');
    for (size_t i = 0; i < many->row_count; i++) {
        weir_err err = put_row(conn, many, i, f);
        if (err == WEIR_OK && conn->out.len >= CHUNK) {
            weir__pg_end(&conn->out, mark);
            err = weir__pg_flush(conn, 0, f);
            mark = weir__pg_begin(&conn->out, 'd');
        }
        if (err < 0)
            return err;
    }
    weir__pg_end(&conn->out, mark);
    return WEIR_OK;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Waits for the server's word that rows may come. */
static weir_err await_begin(struct weir__pg_conn *conn, struct weir__sql_fault *f)
{
    while (conn->syncs > 0) {
        struct weir__pg_message m;
        bool is_binary;
        unsigned columns;
        weir_err err = weir__pg_next(conn, &m, f);
        if (err == WEIR_OK && m.type == WEIR__PG_COPY_IN)
            return weir__pg_read_copy(m.body, &is_binary, &columns) && !is_binary
                       ? WEIR_OK
                       : weir__pg_malformed(conn, "a COPY of another form", f);
        if (err == WEIR_OK)
            err = weir__pg_take_answer(conn, &m, NULL, f);
        if (err < 0) {
            struct weir__sql_fault later;
            weir__sql_fault_init(&later);
            if (!conn->is_broken && err != weir__ctx_check(conn->sql.c))
                (void)weir__pg_settle(conn, NULL, &later);
            return err;
        }
    }
    return weir__pg_malformed(conn, "a COPY that does not begin", f);
}

static weir_err begin_copy(struct weir__pg_conn *conn, const struct weir__sql_many *many,
                           struct weir__sql_fault *f)
{
    size_t mark = weir__pg_begin(&conn->out, 'Q');
    weir__pg_put_text_prefix(conn, &conn->out);
    put_copy(&conn->out, many);
    weir_buf_putc(&conn->out, '\0');
    weir__pg_end(&conn->out, mark);
    weir_err err = weir__pg_flush(conn, 1, f);
    if (err < 0)
        return err;
    weir__pg_text_prefix_sent(conn);
    return await_begin(conn, f);
}

/* A row could not be sent: the server forgets those before it, and says so. */
static weir_err give_up(struct weir__pg_conn *conn, weir_err err)
{
    struct weir__sql_fault f;
    if (conn->is_broken)
        return err;
    weir__sql_fault_init(&f);
    weir_buf_reset(&conn->out);
    weir__pg_put_copy_fail(&conn->out, WEIR_S("a row could not be sent"));
    if (weir__pg_flush(conn, 0, &f) == WEIR_OK)
        (void)weir__pg_settle(conn, NULL, &f);
    return err;
}

weir_err weir__pg_many(struct weir__sql_conn *sql_conn, const struct weir__sql_many *many,
                       struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    struct weir__pg_conn *conn = weir__pg_conn_of(sql_conn);
    weir_err err = weir__pg_ready(conn, f);
    if (err == WEIR_OK && (many->column_count == 0 || many->column_count > WEIR_ARGS_MAX))
        err = weir__sql_fault(f, WEIR_EINVALID, "%zu columns; allowed: 1 to %d", many->column_count,
                              WEIR_ARGS_MAX);
    if (err == WEIR_OK)
        err = begin_copy(conn, many, f);
    if (err < 0)
        return err;
    err = put_rows(conn, many, f);
    if (err < 0) {
        bool is_in_tx = conn->tx == WEIR__PG_TX_BEGUN;
        f->fate = is_in_tx ? WEIR__TX_FAILED : f->fate;
        return give_up(conn, err);
    }
    weir__pg_put_copy_done(&conn->out);
    err = weir__pg_flush(conn, 0, f);
    return err < 0 ? err : weir__pg_settle(conn, out, f);
}
