/*
 * What a driver of an SQL database owes the core, and the core a driver.
 *
 * The core (this room) owns handles, owners and first errors, the cache of statements, the way from
 * columns to members, the check of values, and the state of transactions. A driver returns outcomes
 * and cells. It raises nothing and logs nothing about a failure: it describes it (a fault), and the
 * core raises it once, with the caller's place, the database's name and the statement.
 *
 * All operations run in the fiber that holds the lease, on its worker, and work for `conn->c`, up
 * to that context's deadline. An error whose fault has no code (`fault->err` 0) has been raised
 * already (by the pool), or is the reason for which the context's waits end; the rest of the fault
 * counts all the same.
 *
 * D1: a connection is used by the holder of its lease alone.
 * D2: a statement is busy from its look-up until it is put back; only one that is not is forgotten.
 * D3: a connection goes back to its pool with no statement busy.
 */
#ifndef WEIR_DATA_SQL_DRIVER_H
#define WEIR_DATA_SQL_DRIVER_H

#include "base/list.h"
#include "data/sql/sql.h"
#include "wire/sql_text.h"

enum {
    WEIR__SQL_STATEMENTS = 64, /* prepared and kept, a connection */
    WEIR__SQL_PLACES = 128,    /* of the table by the text's address */
    WEIR__SQL_POOLS = 32       /* of a database: its nodes', or what reads and what writes */
};

/* What a connection is wanted for: which of a database's nodes or pools it comes from. */
enum weir__sql_purpose { WEIR__SQL_READ, WEIR__SQL_WRITE };

/* --- values of rows --------------------------------------------------------------------------- */

enum weir__cell_kind {
    WEIR__CELL_NULL,
    WEIR__CELL_BOOL, /* u.i is 0 or 1 */
    WEIR__CELL_INT,
    WEIR__CELL_UINT, /* over INT64_MAX; what is not may be an INT */
    WEIR__CELL_DOUBLE,
    WEIR__CELL_TEXT,
    WEIR__CELL_BYTES,
    WEIR__CELL_WALL,
    WEIR__CELL_UUID,
    WEIR__CELL_DECIMAL, /* as text: digits, a sign, a point, no exponent */
    WEIR__CELL_JSON,    /* as text */
    WEIR__CELL_ANY      /* of a column whose values may be of any kind; no value is */
};

/*
 * A value of a row. What `u.s` points to is the driver's, and stays until the next fetch or finish.
 */
struct weir__sql_cell {
    uint8_t kind;
    union {
        int64_t i;
        uint64_t u;
        double d;
        weir_str s;
        weir_wall wall;
        weir_uuid uuid;
    } u;
};

/* What is known of a column or a parameter before there is a value. */
struct weir__sql_fact {
    weir_str name; /* of a column; the statement's, until it is prepared anew. Absent: none */
    uint8_t kind;  /* of its values */
    bool is_never_null;
};

/* --- what went wrong -------------------------------------------------------------------------- */

/* What an error has made of the transaction in which it happened. */
enum weir__tx_fate {
    WEIR__TX_GOES_ON,
    WEIR__TX_FAILED, /* no statement until it is rolled back, as a whole or to a save point */
    WEIR__TX_LOST    /* the database has rolled it back by itself */
};

struct weir__sql_fault {
    weir_err err;        /* 0: nothing is to be raised. The codes of <weir/err.h> */
    int number;          /* the server's own, 0: none */
    char state[6];       /* SQLSTATE; "": none */
    uint8_t fate;        /* weir__tx_fate */
    bool is_broken;      /* the connection is closed when it comes back */
    bool may_have_run;   /* of one that broke: it was sent, what became of it is unknown */
    bool was_skipped;    /* of one that was posted: it has not run; see `await` */
    const char *at;      /* of a script: the statement that failed, in its text; NULL: none */
    char constraint[96]; /* its name; "": none */
    char text[400];      /* the server's words, one line, neither database nor statement */
};

/* As the core hands it to an operation: the texts are left as they are. */
static inline void weir__sql_fault_init(struct weir__sql_fault *f)
{
    f->err = WEIR_OK;
    f->fate = WEIR__TX_GOES_ON;
    f->is_broken = f->may_have_run = f->was_skipped = false;
    f->at = NULL;
}

/* Fills it in anew, with nothing but the code and the text; returns the code. */
weir_err weir__sql_fault(struct weir__sql_fault *f, weir_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- statements ------------------------------------------------------------------------------- */

struct weir__sql_plan; /* plan.c's */

/*
 * Begins each driver's prepared statement. Made by the core, zeroed, `stmt_bytes` of it; the
 * driver's part is filled by `prepare`.
 */
struct weir__sql_stmt {
    const char *text; /* the program's, a copy; NUL-terminated, `text_len` bytes before it */
    size_t text_len;
    weir_str sent;              /* as the server wants it: with $1 for ? …; a NUL behind it */
    uint64_t hash;              /* of the text */
    struct weir__list in_cache; /* weir__sql_conn.cached, last used first; else not kept */
    bool is_busy, is_kept;
    /* What `prepare` says, or `execute` at the latest where so marked. */
    bool reads_only;              /* it changes nothing */
    bool wants_tx;                /* it has a meaning within a transaction alone */
    bool ends_tx;                 /* it commits the transaction that it runs in */
    bool is_void;                 /* (any time) not to be used again: the server has forgotten it */
    int params;                   /* values that it wants */
    int columns;                  /* (execute) of its rows; set by weir__sql_shape alone */
    uint32_t shape;               /* counts calls of weir__sql_shape */
    int room;                     /* of `cells` */
    struct weir__sql_cell *cells; /* of a row, `columns` of them; fetch fills them */
    struct weir__sql_plan *plan;  /* from these columns to a model's members; NULL: none yet */
};

/*
 * Its rows have so many columns, from now on; called by `prepare`, or by `execute` or `fetch` when
 * that is known or has changed. -ENOMEM.
 */
WEIR_MUST_USE weir_err weir__sql_shape(struct weir__sql_stmt *stmt, int columns);

/* --- connections ------------------------------------------------------------------------------ */

/* Begins each driver's connection. */
struct weir__sql_conn {
    weir_db *db;
    struct weir__ctx *c;      /* for which it works now */
    const weir_site *site;    /* the program's line that asked */
    struct weir__list cached; /* weir__sql_stmt.in_cache */
    size_t cached_count;
    bool is_joined; /* by `join`: given back by `part`, without a lease */
    struct weir__sql_stmt *places[WEIR__SQL_PLACES];
    size_t since_turn; /* bytes that have come since its fiber last let others run */
};

/* Of a new, zeroed one. */
void weir__sql_conn_init(struct weir__sql_conn *conn, weir_db *db);

/*
 * Forgets all statements: before it is closed, or when the server has forgotten them. None is busy.
 */
void weir__sql_forget_all(struct weir__sql_conn *conn);

/*
 * A connection for one statement outside of a transaction, by `join` where that will do, else by
 * `take`; and its end, whichever it was. May wait; does not.
 */
weir_err weir__sql_take_for_one(weir_db *db, struct weir__ctx *c, const weir_site *site,
                                enum weir__sql_purpose purpose, const char *sql,
                                struct weir__owned *holder, struct weir__lease *lease,
                                struct weir__sql_conn **out, struct weir__sql_fault *fault);
void weir__sql_give_back(struct weir__sql_conn *conn, struct weir__lease *lease);

/*
 * Tells that bytes have come that a fiber has asked for. Who never has to wait for a server, since
 * that sends faster than rows are read, lets others run all the same every 256 KiB, and time pass:
 * its deadline too. May wait so long.
 */
void weir__sql_received(struct weir__sql_conn *conn, size_t bytes);

/* --- the table -------------------------------------------------------------------------------- */

/* The values of a statement, as many as it has parameters, of the kinds that the driver takes. */
struct weir__sql_values {
    const weir_arg *args;
    size_t count;
    bool must_copy; /* what they point to does not outlive the call */
};

struct weir__sql_outcome {
    int64_t changes; /* rows inserted, updated or deleted */
    int64_t last_id; /* the integer key of the last row inserted; 0: it says nothing of that */
};

/*
 * Rows to be inserted. `row` puts that of number `index` into `out`, a value a column, of the
 * kinds that the driver takes, as often as it is asked. What they point to lives as long as the
 * call.
 */
struct weir__sql_many {
    weir_str table; /* letters, digits, '_', and dots between schema and name */
    const weir_str *columns;
    size_t column_count, row_count;
    void (*row)(const struct weir__sql_many *many, size_t index, weir_arg *out);
};

struct weir__sql_driver {
    const char *name;
    size_t stmt_bytes; /* of its statement, weir__sql_stmt included */
    char quote;        /* around names; 0: '"' */
    /*
     * Texts are read by the core, before `prepare`: it sets `sent`, `params`, `reads_only`,
     * `wants_tx`, `ends_tx` of a statement, and refuses what would outlive it.
     */
    bool has_dialect;
    enum weir__sql_dialect dialect;
    bool takes_uint; /* WEIR_ARG_TOO_LARGE is a value: its bits are those of a uint64_t */
    bool takes_nan;
    /* Replicas have no serialisable transactions: also one that only reads is the primary's. */
    bool serializes_on_primary;
    /* While rows of a connection are open nothing else runs on it: the core refuses that. */
    bool is_one_at_a_time;

    /*
     * A connection for `c`, by a lease that `holder` releases; the core calls
     * weir__lease_release. May wait.
     */
    weir_err (*take)(weir_db *db, struct weir__ctx *c, const weir_site *site,
                     enum weir__sql_purpose purpose, struct weir__owned *holder,
                     struct weir__lease *lease, struct weir__sql_conn **out,
                     struct weir__sql_fault *fault);
    /*
     * Prepares `stmt->text`, or notes that `execute` is to. May wait. After an error nothing is
     * held.
     */
    weir_err (*prepare)(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                        struct weir__sql_fault *fault);
    /* Ends what `prepare` made. Must not wait: a server is told with the next message. */
    void (*forget)(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt);
    /* Column `i` below stmt->columns. */
    void (*column)(struct weir__sql_stmt *stmt, int i, struct weir__sql_fact *out);
    /*
     * Runs it. `for_rows`: until its rows can be fetched, or it is known that there are none; else
     * to its end, rows are thrown away. `out` comes zeroed. May wait. After each call, failed ones
     * too, `finish` follows.
     */
    weir_err (*execute)(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                        const struct weir__sql_values *values, bool for_rows,
                        struct weir__sql_outcome *out, struct weir__sql_fault *fault);
    /* 1: a row, in stmt->cells; 0: the end, now and ever after; below 0: an error. May wait. */
    int (*fetch)(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                 struct weir__sql_fault *fault);
    /*
     * The rows are over, or left in the middle. Must not wait: what is unread makes the connection
     * dirty, and the pool's `reset` cancels and drains it, under its shield.
     */
    void (*finish)(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt);
    /*
     * A transaction; may be put off to the first statement, so that both go together. What the
     * database has not is refused: WEIR_EINVALID with words. May wait.
     */
    weir_err (*begin)(struct weir__sql_conn *conn, const weir_tx_options *options,
                      struct weir__sql_fault *fault);
    /*
     * Ends the transaction, if it has begun and is not over already. After a commit that failed the
     * core calls it again to roll back, under a shield, unless the connection is broken. May wait.
     */
    weir_err (*end)(struct weir__sql_conn *conn, bool commits, struct weir__sql_fault *fault);
    /* A statement without values, whose rows are thrown away: SAVEPOINT, … . May wait. */
    weir_err (*control)(struct weir__sql_conn *conn, const char *text,
                        struct weir__sql_fault *fault);

    /* What follows may be NULL. */

    /*
     * A connection for `sql` alone, outside of a transaction, that shares with others what is below
     * it: `is_joined`, until `part`, which must not wait. `*out` left NULL: the core asks `take`.
     * `sql` has not been read yet, and is borrowed for the call; else as `take`. May wait.
     */
    weir_err (*join)(weir_db *db, struct weir__ctx *c, const weir_site *site, const char *sql,
                     struct weir__owned *holder, struct weir__sql_conn **out,
                     struct weir__sql_fault *fault);
    void (*part)(struct weir__sql_conn *conn);
    /*
     * Several statements of the program's, parted by semicolons, in a transaction; rows are thrown
     * away. Else the core parts them by the dialect, and runs each by `control`. May wait.
     */
    weir_err (*script)(struct weir__sql_conn *conn, const char *text,
                       struct weir__sql_fault *fault);
    /* Inserts many rows in one message; else the core does, by INSERTs of several. May wait. */
    weir_err (*many)(struct weir__sql_conn *conn, const struct weir__sql_many *many,
                     struct weir__sql_outcome *out, struct weir__sql_fault *fault);
    /*
     * Several statements in one send: all three, or none, and the core runs them one by one.
     *
     * `post` puts one behind those that are posted, and sends nothing; nothing else is asked of the
     * connection before the last of their answers. -EAGAIN: it must not be on its way before those
     * have been answered. After another error it alone is not posted. `together`: the same for all
     * of them; they are a transaction's, or only read, and behind one that fails none needs to run.
     * May wait before the first. `send` sends what is posted. May wait.
     *
     * `await`, once for each in their order, is `execute` from its answer on; rows of the one
     * before that were not fetched are passed over. Where `was_skipped`, of those `together`, the
     * server has run neither it nor any behind it (the fault says why); they are posted no more.
     * May wait. `finish` follows behind all of them, once for each statement.
     */
    weir_err (*post)(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                     const struct weir__sql_values *values, bool together,
                     struct weir__sql_fault *fault);
    weir_err (*send)(struct weir__sql_conn *conn, struct weir__sql_fault *fault);
    weir_err (*await)(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt, bool for_rows,
                      struct weir__sql_outcome *out, struct weir__sql_fault *fault);
    /* Parameter `i` below stmt->params, for the check of statements. */
    void (*param)(struct weir__sql_stmt *stmt, int i, struct weir__sql_fact *out);
    /*
     * What `control` runs in a transaction so that one process migrates at a time; NULL: one that
     * writes is alone anyway. And what it runs after its commit; NULL: the lock ends with it.
     */
    const char *lock, *unlock;
    /* The numbers of its pools; either of the two may be NULL. Any thread. */
    void (*stats)(weir_db *db, weir_pool_stats *readers, weir_pool_stats *writer);
    /*
     * The pools that statements run on, WEIR__SQL_POOLS at the most; returns how many. First come
     * the `*sized` ones that are as large as the program's options say.
     */
    uint32_t (*pools)(weir_db *db, struct weir__pool **out, uint32_t *sized);
};

#endif
