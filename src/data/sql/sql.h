/*
 * SQL databases from the inside: the handles behind <weir/sql.h>, and what the files of this room
 * share. driver.h is the table that a driver fills in.
 */
#ifndef WEIR_DATA_SQL_H
#define WEIR_DATA_SQL_H

#include "net/pool.h"
#include "rt/context.h"
#include "rt/owned.h"
#include <weir/sql.h>

struct weir__array;
struct weir__sql_driver;
struct weir__sql_nodes;
struct weir__sql_conn;
struct weir__sql_facts;
struct weir__sql_fault;
struct weir__member;
struct weir__sql_plan;
struct weir__sql_stmt;

/*
 * Outside, a weir_db *, weir_rows * or weir_tx * is a handle (rt/token.h); in here, and for
 * drivers, it is the address. The public calls translate.
 */

/* Begins each driver's database. A zeroed one with `err` is one that could not be opened. */
struct weir_db {
    struct weir__token token;
    const struct weir__sql_driver *driver;
    const char *name;
    weir_err err;
    uint64_t rows_max;             /* cap of a query without one of its own; 0: none */
    struct weir__sql_nodes *nodes; /* of a server's; NULL: it has none */
    struct weir__list in_opened;
    struct weir__owned listed; /* as long as it is in that list */
};

/* Rows. Without a driver: made without memory, shared, never written to. */
struct weir_rows {
    struct weir__token token;
    const struct weir__sql_driver *driver;
    weir_db *db;
    struct weir__ctx *c;
    const weir_site *site;
    const struct weir__fiber *fiber;
    weir_tx *tx;              /* NULL: on the database */
    struct weir__list in_tx;  /* weir_tx.rows */
    struct weir__owned owned; /* until it is finished and its error has been read */
    weir_err err;
    bool is_finished;         /* it holds nothing any more */
    bool is_err_read;         /* by weir_rows_err */
    bool copies_args;         /* values outlive the call only as copies */
    bool copies_texts;        /* of the row into the context's memory */
    uint64_t count, max;      /* rows read; the cap */
    struct weir__lease lease; /* outside of a transaction */
    struct weir__sql_conn *conn;
    struct weir__sql_stmt *stmt; /* busy; NULL: none */
};

/* A transaction, or one within another (a save point), which has no lease of its own. */
struct weir_tx {
    struct weir__token token;
    const struct weir__sql_driver *driver;
    weir_db *db;
    struct weir__ctx *c;
    const weir_site *site;
    const struct weir__fiber *fiber;
    weir_tx *outer, *inner;   /* NULL: none; none that is open */
    int depth;                /* 0: it is in none */
    struct weir__list rows;   /* weir_rows.in_tx, open ones */
    struct weir__owned owned; /* until it has ended */
    weir_err err;             /* the first one */
    bool is_ended;
    bool is_auto;      /* a single statement: it commits itself */
    const char *alone; /* that statement, while it begins */
    bool writes;       /* or may */
    bool has_begun;    /* there is something to end */
    bool is_lost;      /* the database, or the connection's end, has rolled it back */
    bool is_commit_unknown;
    int64_t changes, last_id;
    struct weir__lease lease;
    struct weir__sql_conn *conn;
};

/* --- db.c: what is behind a handle ------------------------------------------------------------ */

weir_db *weir__sql_db_of(const weir_db *handle, const char *function);
weir_tx *weir__sql_tx_of(const weir_tx *handle, const char *function);
weir_source weir__sql_source_of(weir_source from, const char *function);

static inline weir_db *weir__sql_db_behind(weir_source from)
{
    return from.tx != NULL ? from.tx->db : from.db;
}

/* Misuse when it is another fiber's. */
void weir__sql_check_fiber(const struct weir__fiber *owner, const weir_site *site,
                           const char *function);

/* --- fault.c ---------------------------------------------------------------------------------- */

/*
 * An operation has returned `err`, and `f` with it. Raises that in the name of `site` and keeps
 * what it means for `lease` and the transaction (NULL: none); `sql` may be NULL. Returns the code
 * that the program gets, never WEIR_OK.
 */
weir_err weir__sql_fail(const weir_db *db, struct weir__ctx *c, const weir_site *site, weir_tx *tx,
                        struct weir__lease *lease, const char *sql, weir_err err,
                        const struct weir__sql_fault *f);

/* Whether a statement belongs where it is: into a transaction, or outside of one. */
weir_err weir__sql_check_use(const struct weir__sql_stmt *stmt, bool is_in_tx,
                             struct weir__sql_fault *fault);

/* --- statements.c ----------------------------------------------------------------------------- */

/* The prepared statement of a text, busy from now on. */
weir_err weir__sql_stmt_get(struct weir__sql_conn *conn, const char *sql,
                            struct weir__sql_stmt **out, struct weir__sql_fault *fault);
/* The same for a copy of what the program has at `place`, which is not read. */
weir_err weir__sql_stmt_get_by(struct weir__sql_conn *conn, const void *place, const char *sql,
                               struct weir__sql_stmt **out, struct weir__sql_fault *fault);
/* Ends its rows; not busy any more. */
void weir__sql_stmt_put(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt);

/* Whether the driver takes a value; `nth` from 1 on is its number in the message. */
weir_err weir__sql_check_value(const struct weir__sql_driver *driver, const weir_arg *value,
                               size_t nth, struct weir__sql_fault *fault);
/* Whether a statement may be run with these values. */
weir_err weir__sql_check_values(const struct weir__sql_driver *driver,
                                const struct weir__sql_stmt *stmt, const weir_arg *args,
                                size_t count, struct weir__sql_fault *fault);

/* --- text.c ----------------------------------------------------------------------------------- */

/* Reads a text by the driver's dialect: WEIR_EDB unless it is one statement that leaves nothing. */
weir_err weir__sql_text_check(const struct weir__sql_driver *driver, weir_str sql,
                              struct weir__sql_facts *facts, struct weir__sql_fault *fault);
/* A script, in a transaction; read by the dialect first, where there is one. */
weir_err weir__sql_run_script(struct weir__sql_conn *conn, const char *text,
                              struct weir__sql_fault *fault);

/* --- plan.c ----------------------------------------------------------------------------------- */

/* The cells of `stmt` into `out`. */
weir_err weir__sql_put_row(weir_rows *r, const weir_model *model, void *out,
                           struct weir__sql_fault *fault);
/* Before a statement is thrown away. */
void weir__sql_plan_free(struct weir__sql_plan *plan);
/*
 * Whether a model can take so many columns; the member of one of them, whose tables there are: NULL
 * if there is none, as `fault` says.
 */
weir_err weir__sql_check_columns(const struct weir__sql_driver *driver, struct weir__sql_stmt *stmt,
                                 const weir_model *model, struct weir__sql_fault *fault);
const struct weir__member *weir__sql_member_of(const struct weir__sql_driver *driver,
                                               struct weir__sql_stmt *stmt, const weir_model *model,
                                               int column, struct weir__sql_fault *fault);
/* "an integer", for people: of a weir__cell_kind, of a weir_kind. */
const char *weir__sql_cell_name(uint8_t kind);
const char *weir__sql_kind_name(uint8_t kind);

/* --- check.c ---------------------------------------------------------------------------------- */

/*
 * A driver has opened a database in `c`. If that is the application's it is one of those that
 * weir__sql_check_opened looks at, until the context ends.
 */
void weir__sql_opened(weir_db *db, struct weir__ctx *c, const weir_site *site);

/*
 * As weir_check_sql, for the databases of the application that are open: a statement must fit one
 * of them. First worker; may wait.
 */
weir_err weir__sql_check_opened(const weir_site *site, weir_ctx *c, weir_buf *report);

/* --- rows.c ----------------------------------------------------------------------------------- */

/* Finishes the rows of a transaction that ends. */
void weir__sql_close_rows_of(weir_tx *tx);
/*
 * Room for one more of `rows`, in the memory of the context of `r`, up to its `max`; the old place
 * is the context's until its end. NULL: there is none.
 */
void *weir__sql_room_for(weir_rows *r, const weir_model *model, struct weir__array *rows,
                         size_t *cap);

/* --- tx.c ------------------------------------------------------------------------------------- */

/* Why a statement cannot run in it now, raised and kept; or its first error. */
weir_err weir__sql_check_tx(weir_tx *tx, const weir_site *site, const char *function);
/* Its connection, which works for it from now on. */
struct weir__sql_conn *weir__sql_conn_of(weir_tx *tx, const weir_site *site);
/* What an operation in it said: weir__sql_fail. */
weir_err weir__sql_fail_tx(weir_tx *tx, const weir_site *site, const char *sql, weir_err err,
                           const struct weir__sql_fault *f);
/* A statement to its end, in one that may be used; what it changed is in `tx`. */
weir_err weir__sql_run(weir_tx *tx, const weir_site *site, const char *sql, const weir_arg *args,
                       size_t count);
/*
 * Several statements in a transaction that has begun, as weir_exec_script; `name` and a line lead
 * what is said of an error.
 */
weir_err weir__sql_script_in(const weir_site *site, weir_tx *handle, const char *sql,
                             const char *name);
/*
 * One process migrates at a time, from the first of these on until the second, or until the
 * transaction ends.
 */
weir_err weir__sql_lock_migrations(const weir_site *site, weir_tx *handle);
weir_err weir__sql_unlock_migrations(const weir_site *site, weir_tx *handle, bool commits);
/* WEIR_EBUSY where rows are open on its connection and nothing may run beside them. */
weir_err weir__sql_check_alone(const weir_tx *tx, struct weir__sql_fault *fault);

#endif
