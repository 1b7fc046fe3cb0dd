/*
 * The driver of PostgreSQL, told what to do line by line, for test_postgres.py: what it answers is
 * held against the server's own client there. Answers are lines too, the last one "ok" or "error
 * CODE: words".
 *
 *     cells SQL            each row's cells, as kind=value, parted by tabs
 *     bind KIND VALUE SQL  the same with one value: int, double, text, bytes, wall, uuid, decimal
 *     exec SQL             a statement that writes
 *     late MS SQL          the same with that long for it
 *     together N SQL       by so many fibers at a time
 *     copy N               so many rows into the table copied(id, name, at), in a transaction
 *     pool                 how many connections are open, in use, and were opened so far
 *     listen CHANNELS, next MS
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/postgres/postgres.h"
#include "rt/runtime.h"
#include <weir/weir.h>

static weir_ctx *app;
static weir_db *db;
static weir_postgres_listener *listener;

static void end(weir_ctx *c, weir_err err)
{
    const struct weir_error *e = weir_last_error(c);
    if (err == WEIR_OK)
        printf("ok\n");
    else
        printf("error %d: %.*s\n", err, e != NULL ? (int)e->message.len : 0,
               e != NULL ? e->message.ptr : "");
    fflush(stdout);
}

static void print_hex(weir_str s)
{
    for (size_t i = 0; i < s.len; i++)
        printf("%02x", (unsigned char)s.ptr[i]);
}

static void print_cell(const struct weir__sql_cell *cell)
{
    char text[WEIR_UUID_TEXT_MAX];
    switch (cell->kind) {
    case WEIR__CELL_NULL:
        printf("null=");
        break;
    case WEIR__CELL_BOOL:
        printf("bool=%d", (int)cell->u.i);
        break;
    case WEIR__CELL_INT:
        printf("int=%" PRId64, cell->u.i);
        break;
    case WEIR__CELL_DOUBLE:
        printf("double=%.17g", cell->u.d);
        break;
    case WEIR__CELL_WALL:
        printf("wall=%" PRId64, cell->u.wall.us);
        break;
    case WEIR__CELL_UUID:
        weir_uuid_text(cell->u.uuid, text);
        printf("uuid=%s", text);
        break;
    default:
        printf(cell->kind == WEIR__CELL_BYTES     ? "bytes="
               : cell->kind == WEIR__CELL_DECIMAL ? "decimal="
               : cell->kind == WEIR__CELL_JSON    ? "json="
                                                  : "text=");
        print_hex(cell->u.s);
        break;
    }
}

/* --- the driver's own calls ------------------------------------------------------------------- */

static void release_nothing(struct weir__owned *o)
{
    (void)o;
}

struct session {
    struct weir__owned owned;
    struct weir__lease lease;
    struct weir__sql_conn *conn;
    struct weir__sql_fault fault;
};

static weir_err take(struct session *s, weir_ctx *c)
{
    static const struct weir__owned_type type = {.name = "session", .release = release_nothing};
    weir_db *inside = weir__sql_db_of(db, "take");
    weir__own(weir__ctx_of(c), &s->owned, &type, WEIR_HERE);
    weir_err err = weir__pg_take(inside, weir__ctx_of(c), WEIR_HERE, WEIR__SQL_WRITE, &s->owned,
                                 &s->lease, &s->conn, &s->fault);
    if (err == WEIR_OK)
        s->conn->c = weir__ctx_of(c);
    return err;
}

static void give_back(struct session *s)
{
    weir__lease_release(&s->lease);
    weir__disown(&s->owned);
}

static weir_err rows(struct session *s, struct weir__sql_stmt *stmt)
{
    int rc;
    while ((rc = weir__pg_fetch(s->conn, stmt, &s->fault)) > 0) {
        for (int i = 0; i < stmt->columns; i++) {
            print_cell(&stmt->cells[i]);
            putchar(i + 1 < stmt->columns ? '\t' : '\n');
        }
    }
    return rc;
}

static weir_err ask(struct session *s, const char *sql, const weir_arg *args, size_t count)
{
    struct weir__sql_stmt *stmt = NULL;
    struct weir__sql_outcome outcome = {0};
    const struct weir__sql_values values = {args, count, false};
    weir_err err = weir__sql_stmt_get(s->conn, sql, &stmt, &s->fault);
    if (err < 0)
        return err;
    err = weir__pg_execute(s->conn, stmt, &values, true, &outcome, &s->fault);
    if (err == WEIR_OK)
        err = rows(s, stmt);
    weir__sql_stmt_put(s->conn, stmt);
    return err;
}

static void cells(weir_ctx *c, const char *sql, const weir_arg *args, size_t count)
{
    struct session s = {.lease = {0}};
    weir__sql_fault_init(&s.fault);
    weir_err err = take(&s, c);
    if (err == WEIR_OK) {
        err = ask(&s, sql, args, count);
        give_back(&s);
    }
    if (err < 0)
        (void)weir_raise(c, err, "%s", s.fault.err != 0 ? s.fault.text : "");
    end(c, err);
}

static size_t unhex(char *text)
{
    size_t n = strlen(text) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        (void)sscanf(text + 2 * i, "%2x", &byte);
        text[i] = (char)byte;
    }
    return n;
}

static weir_arg arg_of(const char *kind, char *value)
{
    weir_uuid uuid = {{0}};
    weir_decimal decimal = weir_decimal_of(0);
    if (strcmp(kind, "int") == 0)
        return weir_arg_int(strtoll(value, NULL, 10));
    if (strcmp(kind, "double") == 0)
        return weir_arg_double(strtod(value, NULL));
    if (strcmp(kind, "wall") == 0)
        return weir_arg_wall((weir_wall){strtoll(value, NULL, 10)});
    if (strcmp(kind, "uuid") == 0 && weir_uuid_parse(weir_str_from(value), &uuid) == WEIR_OK)
        return weir_arg_uuid(uuid);
    if (strcmp(kind, "decimal") == 0 &&
        weir_decimal_parse(weir_str_from(value), &decimal) == WEIR_OK)
        return weir_arg_decimal(decimal);
    if (strcmp(kind, "bytes") == 0)
        return weir_arg_bytes((weir_blob){value, unhex(value)});
    return weir_arg_str((weir_str){value, unhex(value)});
}

static void copy_row(const struct weir__sql_many *many, size_t index, weir_arg *out)
{
    (void)many;
    out[0] = weir_arg_int((int64_t)index);
    out[1] = index % 3 == 0 ? weir_arg_null(WEIR_NULL) : weir_arg_text("tab\t, \\ and\nline");
    out[2] = weir_arg_wall((weir_wall){(int64_t)index * 1000001});
}

static void copy(weir_ctx *c, size_t count)
{
    struct session s = {.lease = {0}};
    static const weir_str columns[] = {{"id", 2}, {"name", 4}, {"at", 2}};
    const struct weir__sql_many many = {{"copied", 6}, columns, 3, count, copy_row};
    const weir_tx_options options = {.size = sizeof options};
    struct weir__sql_outcome out = {0};
    weir__sql_fault_init(&s.fault);
    weir_err err = take(&s, c);
    if (err == WEIR_OK) {
        err = weir__pg_tx_begin(s.conn, &options, &s.fault);
        if (err == WEIR_OK)
            err = weir__pg_many(s.conn, &many, &out, &s.fault);
        if (err == WEIR_OK)
            err = weir__pg_tx_end(s.conn, true, &s.fault);
        give_back(&s);
    }
    printf("%" PRId64 "\n", out.changes);
    if (err < 0)
        (void)weir_raise(c, err, "%s", s.fault.text);
    end(c, err);
}

/* --- the program's calls ---------------------------------------------------------------------- */

static void run(weir_ctx *c, const char *sql)
{
    weir_result result = {0};
    weir_err err = weir_db_exec(c, db, &result, sql);
    printf("%" PRId64 "\n", result.changes);
    end(c, err);
}

struct together {
    const char *sql;
    int good, bad;
};

static weir_err one_of_them(weir_ctx *c, void *arg)
{
    struct together *t = arg;
    weir_err err = weir_db_exec(c, db, NULL, t->sql);
    t->good += err == WEIR_OK;
    t->bad += err != WEIR_OK;
    return WEIR_OK;
}

static void together(weir_ctx *c, int count, const char *sql)
{
    struct together t = {.sql = sql};
    WEIR_SCOPE(all, c);
    for (int i = 0; i < count; i++)
        t.bad += WEIR_GO(all, one_of_them, &t) < 0;
    (void)!weir_join(all);
    (void)weir_ctx_close(all);
    printf("%d %d\n", t.good, t.bad);
    end(c, WEIR_OK);
}

static void hear(weir_ctx *c)
{
    weir_postgres_notification n;
    weir_err err = weir_postgres_listener_next(c, listener, &n);
    if (err == WEIR_OK && n.is_gap)
        printf("gap\n");
    else if (err == WEIR_OK)
        printf("%.*s %.*s\n", WEIR_STR_ARG(n.channel), WEIR_STR_ARG(n.payload));
    end(c, err);
}

static void obey(weir_ctx *c, char *line)
{
    char *rest = line, *word = strsep(&rest, " ");
    weir_pool_stats s;
    if (strcmp(word, "cells") == 0) {
        cells(c, rest, NULL, 0);
    } else if (strcmp(word, "bind") == 0) {
        char *kind = strsep(&rest, " "), *value = strsep(&rest, " ");
        weir_arg arg = arg_of(kind, value);
        cells(c, rest, &arg, 1);
    } else if (strcmp(word, "exec") == 0) {
        run(c, rest);
    } else if (strcmp(word, "late") == 0) {
        WEIR_SCOPE(brief, c, .timeout = weir_ms(atoi(strsep(&rest, " "))));
        run(brief, rest);
    } else if (strcmp(word, "together") == 0) {
        int count = atoi(strsep(&rest, " "));
        together(c, count, rest);
    } else if (strcmp(word, "copy") == 0) {
        copy(c, (size_t)atol(rest));
    } else if (strcmp(word, "pool") == 0) {
        weir_db_stats(db, &s, NULL);
        printf("%d %d %d\n", (int)s.open, (int)s.in_use, (int)s.opened);
        end(c, WEIR_OK);
    } else if (strcmp(word, "listen") == 0) {
        listener = weir_postgres_listen(app, db, rest);
        end(c, WEIR_OK);
    } else {
        WEIR_SCOPE(brief, c, .timeout = weir_ms(atoi(rest)));
        hear(brief);
    }
}

struct line {
    char *text;
    size_t size;
};

static weir_err read_line(void *arg)
{
    struct line *l = arg;
    ssize_t n = getline(&l->text, &l->size, stdin);
    if (n > 0 && l->text[n - 1] == '\n')
        l->text[n - 1] = '\0';
    return n > 0 ? WEIR_OK : WEIR_ECLOSED;
}

static weir_err serve(weir_ctx *c, void *arg)
{
    struct line line = {NULL, 0};
    app = c;
    db = weir_postgres_open(c, .url = arg, .pool = {.max_open = 8});
    end(c, weir_db_err(db));
    while (weir_db_err(db) == WEIR_OK && weir_offload(c, read_line, &line) == WEIR_OK) {
        WEIR_SCOPE(each, c, .timeout = weir_sec(60));
        obey(each, line.text);
    }
    free(line.text);
    return WEIR_OK;
}

int main(int argc, char **argv)
{
    struct weir__runtime_options o = {.workers = 1, .stall = weir_ns(-1)};
    char message[200];
    weir_err err;
    if (argc != 2)
        return 2;
    struct weir__runtime *rt = weir__runtime_new(&o, &err, message, sizeof message);
    if (rt == NULL)
        return 1;
    err = weir__runtime_run(rt, serve, argv[1]);
    weir__runtime_free(rt);
    return err == WEIR_OK ? 0 : 1;
}
