/*
 * SQL databases from the inside: what the calls of <weir/sql.h> share, and the table that a driver
 * fills in. sql.c owns the handles (whose context, whose fiber, which error first); a driver does
 * the work.
 */
#ifndef WEIR_DATA_SQL_H
#define WEIR_DATA_SQL_H

#include "net/pool.h"
#include "rt/context.h"
#include "rt/owned.h"
#include <weir/sql.h>

struct weir__sql_driver;

/*
 * Outside, a weir_db *, weir_rows * or weir_tx * is a handle (rt/token.h); in here, and for
 * drivers, it is the address. sql.c translates.
 */

/* Begins each driver's database. A zeroed one with `err` is one that could not be opened. */
struct weir_db {
    struct weir__token token;
    const struct weir__sql_driver *driver;
    const char *name;
    weir_err err;
};

/*
 * Rows, with the driver's place in them. Without a driver: made without memory, shared, never
 * written to.
 */
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
    bool is_kept;             /* the row that is read next has been stepped to already */
    uint64_t count, max;      /* rows read; the cap */
    struct weir__lease lease; /* outside of a transaction */
    void *conn, *stmt;        /* the driver's */
};

enum weir__tx_state { WEIR__TX_OPEN, WEIR__TX_BEGUN, WEIR__TX_ENDED };

struct weir_tx {
    struct weir__token token;
    const struct weir__sql_driver *driver;
    weir_db *db;
    struct weir__ctx *c;
    const weir_site *site;
    const struct weir__fiber *fiber;
    struct weir__list rows;   /* weir_rows.in_tx, open ones */
    struct weir__owned owned; /* until it has ended */
    weir_err err;             /* the first one */
    uint8_t state;
    bool is_auto; /* a single statement: it commits itself */
    int64_t changes, last_id;
    struct weir__lease lease;
    void *conn; /* the driver's; NULL: not begun */
};

/*
 * What a driver does. All in the fiber of the rows or the transaction; errors are raised by it,
 * kept by sql.c.
 */
struct weir__sql_driver {
    const char *name;
    /* Finds a connection for `r` (its transaction's, or a lease), binds the values. */
    weir_err (*query)(weir_rows *r, const char *sql, const weir_arg *args, size_t count);
    /* 1: a row, put into `out`; 0: the end; below 0: an error. */
    int (*next)(weir_rows *r, const weir_model *model, void *out);
    /*
     * Gives back what the rows hold. Idempotent, also after a failed query. May be called in a
     * shield by another fiber.
     */
    void (*close_rows)(weir_rows *r);
    /* Gets the connection that writes; `tx->owned` holds its lease. */
    weir_err (*begin)(weir_tx *tx);
    weir_err (*exec)(weir_tx *tx, const weir_site *site, const char *sql, const weir_arg *args,
                     size_t count);
    weir_err (*script)(weir_tx *tx, const weir_site *site, const char *sql);
    /*
     * Commits or rolls back what has begun, gives the connection back in either case. Idempotent.
     */
    weir_err (*end)(weir_tx *tx, const weir_site *site, bool commits);
    void (*stats)(weir_db *db, weir_pool_stats *readers, weir_pool_stats *writer);
};

#endif
