/*
 * Errors of databases: what a driver has described becomes the context's record, once, with the
 * caller's place, the database's name, the statement and the constraint.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "data/sql/driver.h"

#define SQL_SHOWN 160 /* bytes of a statement */

weir_err weir__sql_fault(struct weir__sql_fault *f, weir_err err, const char *format, ...)
{
    weir__sql_fault_init(f);
    f->err = err;
    f->number = 0;
    f->state[0] = f->constraint[0] = '\0';
    va_list args;
    va_start(args, format);
    (void)vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    return err;
}

weir_err weir__sql_check_use(const struct weir__sql_stmt *stmt, bool is_in_tx,
                             struct weir__sql_fault *fault)
{
    if (WEIR_UNLIKELY(stmt->wants_tx && !is_in_tx))
        return weir__sql_fault(fault, WEIR_EDB,
                               "that belongs into a transaction (weir_begin), and would be its "
                               "next user's outside of one");
    if (WEIR_UNLIKELY(stmt->ends_tx && is_in_tx))
        return weir__sql_fault(fault, WEIR_EDB,
                               "that would commit the transaction it runs in: run it by itself "
                               "(weir_db_exec, weir_exec_script)");
    return WEIR_OK;
}

/* The reason of the context, where that is why the operation has failed. */
static weir_err reason_behind(struct weir__ctx *c, weir_err err)
{
    weir_err reason = weir__ctx_check(c);
    bool is_behind =
        err == reason || err == WEIR_ECANCELED || err == WEIR_ETIMEDOUT || err == WEIR_EBUSY;
    return is_behind ? reason : WEIR_OK;
}

static void raise(const weir_db *db, struct weir__ctx *c, const weir_site *site, const char *sql,
                  const struct weir__sql_fault *f)
{
    bool has_state = f->state[0] != '\0';
    bool is_first = c->error == NULL; /* else the record is about another */
    (void)weir_raise_at(site, weir__ctx_handle(c), f->err, 0, "%s: %s%s%s%s%s%.*s", db->name,
                        f->text, has_state ? " (SQLSTATE " : "", f->state, has_state ? ")" : "",
                        sql != NULL ? " in: " : "", SQL_SHOWN, sql != NULL ? sql : "");
    if (is_first && f->constraint[0] != '\0')
        weir__ctx_error_constraint(c, weir_str_from(f->constraint));
}

/* What the error is to its transaction, and to those around it where all is lost. */
static void mark_tx(weir_tx *tx, weir_err err, const struct weir__sql_fault *f)
{
    bool is_lost = f->is_broken || f->fate == WEIR__TX_LOST;
    if (!is_lost && f->fate == WEIR__TX_GOES_ON)
        return;
    for (weir_tx *t = tx; t != NULL; t = is_lost ? t->outer : NULL) {
        t->is_lost = t->is_lost || is_lost;
        if (t->err == WEIR_OK)
            t->err = err;
    }
}

weir_err weir__sql_fail(const weir_db *db, struct weir__ctx *c, const weir_site *site, weir_tx *tx,
                        struct weir__lease *lease, const char *sql, weir_err err,
                        const struct weir__sql_fault *f)
{
    if (f->err != WEIR_OK) {
        weir_err reason = reason_behind(c, f->err);
        if (reason == WEIR_OK)
            raise(db, c, site, f->at != NULL ? f->at : sql, f);
        err = reason != WEIR_OK ? reason : f->err;
    }
    if (f->is_broken && lease != NULL)
        weir__lease_break(lease);
    if (tx != NULL)
        mark_tx(tx, err, f);
    return err;
}
