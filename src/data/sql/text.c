/*
 * Texts of SQL for drivers whose server knows no `?`, and that do not ask it before a statement is
 * run what it would do: read by their dialect (wire/sql_text.h), refused in words where they would
 * leave something behind on their connection, written as the server wants them.
 */
#include <string.h>

#include "base/alloc.h"
#include "data/sql/driver.h"

#define OUTLIVES "would outlive its user: connections are lent to one request after another; "

static weir_err read(const struct weir__sql_driver *driver, weir_str sql,
                     struct weir__sql_facts *facts, struct weir__sql_fault *fault)
{
    unsigned line, column;
    int rc = weir__sql_text_read(driver->dialect, sql, facts);
    if (rc != 0) {
        weir__sql_text_place(sql, facts->at, &line, &column);
        return weir__sql_fault(fault, WEIR_EDB, "%s, in line %u, column %u",
                               weir__sql_text_error_text(rc), line, column);
    }
    if (facts->instead == NULL)
        return WEIR_OK;
    (void)weir__sql_fault(fault, WEIR_EDB, WEIR_STR_FMT " " OUTLIVES "%s",
                          WEIR_STR_ARG(facts->outlives), facts->instead);
    fault->at = facts->outlives.ptr;
    return WEIR_EDB;
}

weir_err weir__sql_text_check(const struct weir__sql_driver *driver, weir_str sql,
                              struct weir__sql_facts *facts, struct weir__sql_fault *fault)
{
    weir_err err = read(driver, sql, facts, fault);
    if (err != WEIR_OK)
        return err;
    if (facts->statement_count == 0)
        return weir__sql_fault(fault, WEIR_EDB, "there is no statement");
    if (facts->statement_count > 1)
        return weir__sql_fault(fault, WEIR_EDB,
                               "one statement a call (weir_exec_script runs several)");
    return WEIR_OK;
}

static weir_err run_each(struct weir__sql_conn *conn, const char *text,
                         struct weir__sql_fault *fault)
{
    weir_str rest = weir_str_from(text), statement;
    int rc = 0; /* the whole has been read without an error */
    weir_err err = WEIR_OK;
    char *copy = weir__malloc(rest.len + 1);
    if (copy == NULL)
        return -ENOMEM;
    while (err == WEIR_OK &&
           weir__sql_text_next(conn->db->driver->dialect, &rest, &statement, &rc)) {
        memcpy(copy, statement.ptr, statement.len);
        copy[statement.len] = '\0';
        err = conn->db->driver->control(conn, copy, fault);
        if (err != WEIR_OK)
            fault->at = statement.ptr;
    }
    weir__free(copy);
    return err;
}

weir_err weir__sql_run_script(struct weir__sql_conn *conn, const char *text,
                              struct weir__sql_fault *fault)
{
    const struct weir__sql_driver *driver = conn->db->driver;
    struct weir__sql_facts facts;
    if (driver->has_dialect) {
        weir_err err = read(driver, weir_str_from(text), &facts, fault);
        if (err != WEIR_OK)
            return err;
        if (facts.param_count > 0)
            return weir__sql_fault(fault, WEIR_EINVALID, "a script takes no values");
    }
    return driver->script != NULL ? driver->script(conn, text, fault) : run_each(conn, text, fault);
}
