/*
 * For tests of the core: a driver by the book, which notes what it is asked and does what the test
 * tells it to.
 */
#ifndef WEIR_DATA_SQL_TESTING_H
#define WEIR_DATA_SQL_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "data/sql/driver.h"
#include "rt/sim.h"

struct stmt {
    struct weir__sql_stmt head;
    int left; /* rows */
};

static struct {
    weir_db db;
    struct weir__sql_conn conn;
    char calls[1000], sent[200];
    const char *failing; /* the operation that fails, as in `calls` */
    struct weir__sql_fault fault;
    weir_err bare; /* and nothing in the fault */
    const struct weir__sql_cell *cells;
    int columns, rows;
    bool makes_void;
    struct weir__sql_driver driver;
} it;

static inline bool called(const char *what, weir_err *err, struct weir__sql_fault *f)
{
    size_t n = strlen(it.calls);
    snprintf(it.calls + n, sizeof it.calls - n, "%s;", what);
    *err = WEIR_OK;
    if (it.failing == NULL || strcmp(it.failing, what) != 0)
        return true;
    *err = it.bare;
    if (it.bare == WEIR_OK) {
        *f = it.fault;
        *err = f->err;
    }
    return false;
}

static inline weir_err take(weir_db *db, struct weir__ctx *c, const weir_site *site,
                            enum weir__sql_purpose purpose, struct weir__owned *holder,
                            struct weir__lease *lease, struct weir__sql_conn **out,
                            struct weir__sql_fault *f)
{
    weir_err err;
    (void)db, (void)c, (void)site, (void)holder, (void)lease;
    *out = &it.conn;
    (void)called(purpose == WEIR__SQL_READ ? "take r" : "take w", &err, f);
    return err;
}

static inline weir_err prepare(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                               struct weir__sql_fault *f)
{
    weir_err err;
    (void)conn;
    if (!called("prepare", &err, f))
        return err;
    snprintf(it.sent, sizeof it.sent, "%s", stmt->sent.ptr);
    if (it.driver.has_dialect)
        return WEIR_OK;
    stmt->reads_only = strncmp(stmt->text, "SELECT", 6) == 0;
    stmt->params = strchr(stmt->text, '?') != NULL;
    return WEIR_OK;
}

static inline void forget(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt)
{
    weir_err err;
    (void)conn, (void)stmt;
    (void)called("forget", &err, &it.fault);
}

static inline void column(struct weir__sql_stmt *stmt, int i, struct weir__sql_fact *out)
{
    static const char *const names[] = {"a", "b", "c"};
    (void)stmt;
    out->name = weir_str_from(names[i]);
}

/* Its columns are known when it runs, not before. */
static inline weir_err execute(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                               const struct weir__sql_values *values, bool for_rows,
                               struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    weir_err err;
    (void)conn, (void)values;
    ((struct stmt *)stmt)->left = it.rows;
    stmt->is_void = it.makes_void;
    if (!called(for_rows ? "rows" : "run", &err, f))
        return err;
    *out = (struct weir__sql_outcome){.changes = 7, .last_id = 9};
    return for_rows ? weir__sql_shape(stmt, it.columns) : WEIR_OK;
}

static inline int fetch(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                        struct weir__sql_fault *f)
{
    weir_err err;
    (void)conn;
    if (!called("fetch", &err, f))
        return err;
    if (((struct stmt *)stmt)->left-- <= 0)
        return 0;
    memcpy(stmt->cells, it.cells, (size_t)stmt->columns * sizeof *it.cells);
    return 1;
}

static inline void finish(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt)
{
    weir_err err;
    (void)conn, (void)stmt;
    (void)called("finish", &err, &it.fault);
}

static inline weir_err begin(struct weir__sql_conn *conn, const weir_tx_options *o,
                             struct weir__sql_fault *f)
{
    weir_err err;
    (void)conn, (void)o;
    (void)called("begin", &err, f);
    return err;
}

static inline weir_err end(struct weir__sql_conn *conn, bool commits, struct weir__sql_fault *f)
{
    weir_err err;
    (void)conn;
    (void)called(commits ? "commit" : "rollback", &err, f);
    return err;
}

static inline weir_err control(struct weir__sql_conn *conn, const char *text,
                               struct weir__sql_fault *f)
{
    weir_err err;
    (void)conn;
    (void)called(text, &err, f);
    return err;
}

static inline weir_err script(struct weir__sql_conn *conn, const char *text,
                              struct weir__sql_fault *f)
{
    weir_err err;
    (void)conn;
    if (called("script", &err, f))
        return WEIR_OK;
    f->at = strchr(text, ';') + 1;
    return err;
}

static const struct weir__sql_driver driver = {
    .name = "Fake",
    .stmt_bytes = sizeof(struct stmt),
    .quote = '`',
    .take = take,
    .prepare = prepare,
    .forget = forget,
    .column = column,
    .execute = execute,
    .fetch = fetch,
    .finish = finish,
    .begin = begin,
    .end = end,
    .control = control,
    .script = script,
};

static inline weir_db *open_db(weir_ctx *c)
{
    memset(&it, 0, sizeof it);
    it.driver = driver;
    weir__token_open(&it.db.token, weir__ctx_of(c), WEIR__KIND_DB);
    it.db.driver = &it.driver;
    it.db.name = "orders";
    weir__sql_conn_init(&it.conn, &it.db);
    return weir__token_handle(&it.db.token);
}

static inline void close_db(void)
{
    weir__sql_forget_all(&it.conn);
}

/* From now on `what` fails so; what was called so far is forgotten. */
static inline void plan(const char *what, weir_err err)
{
    it.calls[0] = '\0';
    it.failing = what;
    it.bare = WEIR_OK;
    if (err != WEIR_OK)
        (void)weir__sql_fault(&it.fault, err, "the server's words");
}

static inline void assert_calls(const char *expected)
{
    assert_string_equal(it.calls, expected);
    it.calls[0] = '\0';
}

static inline void assert_record(weir_ctx *c, weir_err code, const char *message)
{
    const weir_error *e = weir_last_error(c);
    assert_non_null(e);
    assert_int_equal(e->code, code);
    assert_string_equal(e->message.ptr, message);
    weir_error_clear(c);
}

#define SIM_TEST(name)                                                                             \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        assert_int_equal(weir__sim_run(name, *state), WEIR_OK);                                    \
        close_db();                                                                                \
    }

#endif
