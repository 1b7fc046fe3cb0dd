/*
 * The inside of the PostgreSQL driver: a database, its connections, and what the files of this room
 * share. A connection speaks over one stream, into one buffer and out of another; what it has sent
 * and not had answered is counted (P1), and from that number all else follows: whether it is clean,
 * what is to be read before it may be used, and whether there is anything to be cancelled.
 *
 * P1: `syncs` counts what was sent and is answered by a ReadyForQuery that has not come.
 * P2: a connection is lent with none of those, outside of a transaction, with its session's
 *     settings as they were.
 * P3: what was received and not read stands between in_at and in.len; views of a row lie in there,
 *     and nothing moves before the next read.
 * P4: after a message that was sent in part nothing else is sent: the connection is broken.
 */
#ifndef WEIR_DATA_POSTGRES_H
#define WEIR_DATA_POSTGRES_H

#include <stdatomic.h>

#include "data/postgres/url.h"
#include "data/sql/nodes.h"
#include "net/dial.h"
#include "net/tls.h"
#include "wire/postgres_message.h"
#include "wire/postgres_value.h"
#include "wire/postgres_write.h"
#include <weir/postgres.h>

enum {
    WEIR__PG_WINDOW_MIN = 8 << 10,  /* what is received at a time, */
    WEIR__PG_WINDOW_MAX = 64 << 10, /* once that was not enough */
    WEIR__PG_NAME_MAX = 16,
    WEIR__PG_BEGIN_MAX = 160
};

struct weir__pg_berth;
struct weir__pg_carrier;
struct weir__pg_conn;
struct weir__pg_known;
struct weir__pg_mux;
struct weir__postgres;

/* One of the servers of a database, which usually has one: what its pool's operations are given. */
struct weir__pg_node {
    struct weir__postgres *db;
    uint32_t number;
    const struct weir__sql_host *host;
    const char *name;                  /* the pool's */
    char where[300];                   /* "db.example.org:5432", for messages */
    struct weir__pool *pool;           /* NULL: not made */
    _Atomic int64_t server_timeout_ms; /* statement_timeout of its sessions; 0: none, or unknown */
};

struct weir__postgres {
    struct weir_db db; /* first */
    weir_postgres_options o;
    struct weir__pg_url url;
    const char *name;
    struct weir__pg_node *nodes;           /* url.host_count of them; NULL: not made */
    _Atomic(struct weir__pg_conn *) first; /* made at the start, until the pool wants one */
    struct weir__pg_mux *mux;     /* of a single one; NULL: statements share no connections */
    _Atomic uint32_t generation;  /* how often all that is open was given up */
    struct weir__tls_client *tls; /* NULL: none is spoken */
    struct weir__owned owned;
};

enum weir__pg_tx { WEIR__PG_TX_NONE, WEIR__PG_TX_PENDING, WEIR__PG_TX_BEGUN };

struct weir__pg_conn {
    struct weir__sql_conn sql; /* first */
    struct weir__postgres *owner;
    struct weir__pg_node *node;
    struct weir__stream stream;
    struct weir__pg_berth *berth;     /* on a carrier, whose the stream is; NULL: it is its own */
    struct weir__pg_carrier *carrier; /* which it has become; else NULL */
    struct weir__detached detached;   /* between two workers */
    weir_time until;                  /* of what it does now; usually never: the context's counts */

    weir_buf in; /* P3 */
    size_t in_at;
    size_t skip;   /* bytes of a message that was too large, still to come */
    size_t window; /* received at a time */
    weir_buf out, closes;

    unsigned syncs;    /* P1 */
    unsigned prefix;   /* commands that were sent before the statement, and are not over */
    unsigned posted;   /* statements that are sent together and whose answers are not over, */
    bool is_together;  /* with one Sync behind them all, */
    bool is_answering; /* the first of them in the middle of its answer */
    char status;       /* of the last ReadyForQuery */
    uint8_t tx;        /* weir__pg_tx */
    bool is_detached;
    bool is_listening; /* notifications are answers here */
    bool is_broken;
    bool is_session_changed;        /* by what has run: SET, LISTEN … */
    bool is_cancelled;              /* a CancelRequest was sent for what runs now */
    weir_time server_stops;         /* when the server ends its statement by itself; never */
    char begin[WEIR__PG_BEGIN_MAX]; /* of PENDING */

    uint32_t position; /* of the last error, in characters of what was sent; 0: none */
    unsigned named;    /* statements so far */
    uint32_t process;
    size_t key_len;
    uint8_t key[WEIR__PG_KEY_BYTES_MAX];
};

struct weir__pg_stmt_column {
    const char *name;
    uint32_t type;
    uint8_t kind; /* weir__cell_kind */
    bool is_binary;
};

struct weir__pg_stmt {
    struct weir__sql_stmt sql; /* first */
    char name[WEIR__PG_NAME_MAX];
    struct weir__pg_known *known; /* of a carrier's session, whose description it shows */
    void *block;                  /* what the pointers below point into */
    uint32_t *params;
    struct weir__pg_stmt_column *columns;
    bool *formats; /* of the columns */
};

static inline struct weir__pg_conn *weir__pg_conn_of(struct weir__sql_conn *conn)
{
    return (struct weir__pg_conn *)conn;
}

static inline struct weir__pg_stmt *weir__pg_stmt_of(struct weir__sql_stmt *stmt)
{
    return (struct weir__pg_stmt *)stmt;
}

/* --- talk.c: messages out and in -------------------------------------------------------------- */

/*
 * Sends what is in `out`, which holds so many more of what a ReadyForQuery answers. Waits.
 */
weir_err weir__pg_flush(struct weir__pg_conn *conn, unsigned syncs, struct weir__sql_fault *f);

/*
 * The next message that is an answer; notices go to the log. Below 0: an error. Waits.
 * WEIR_ETOOLARGE leaves the connection whole: the message is skipped.
 */
weir_err weir__pg_next(struct weir__pg_conn *conn, struct weir__pg_message *m,
                       struct weir__sql_fault *f);
/* The same as far as that takes no wait: -EAGAIN. */
weir_err weir__pg_try_next(struct weir__pg_conn *conn, struct weir__pg_message *m,
                           struct weir__sql_fault *f);

/*
 * Takes what may come at any time: notices, which go to the log, and settings. False: it is none of
 * these; `*is_bad`: it is of another form.
 */
bool weir__pg_is_aside(struct weir__pg_conn *conn, const struct weir__pg_message *m, bool *is_bad);

/* Puts back what was read last. */
static inline void weir__pg_unread(struct weir__pg_conn *conn, const struct weir__pg_message *m)
{
    conn->in_at -= m->total;
}

/* What came is no answer to what was asked. */
weir_err weir__pg_unexpected(struct weir__pg_conn *conn, const struct weir__pg_message *m,
                             struct weir__sql_fault *f);
weir_err weir__pg_malformed(struct weir__pg_conn *conn, const char *what,
                            struct weir__sql_fault *f);

/*
 * What each kind of answer does to the connection, whoever reads it: Ready counts, what a command
 * has changed of the session is noted, an error becomes a fault. WEIR_OK, or the error.
 */
weir_err weir__pg_take_answer(struct weir__pg_conn *conn, const struct weir__pg_message *m,
                              struct weir__sql_outcome *out, struct weir__sql_fault *f);

/*
 * Reads until all has been answered; the first error is returned when that is so. `out`, unless
 * NULL, gets the changes. Waits.
 */
weir_err weir__pg_settle(struct weir__pg_conn *conn, struct weir__sql_outcome *out,
                         struct weir__sql_fault *f);

/* A simple query, whose answers are read to their end. Waits. */
weir_err weir__pg_simple(struct weir__pg_conn *conn, weir_str sql, struct weir__sql_outcome *out,
                         struct weir__sql_fault *f);

/* What an error of the server's is. */
weir_err weir__pg_fault_of(struct weir__pg_conn *conn, const struct weir__pg_notice *n,
                           struct weir__sql_fault *f);

/* Before a statement is sent: nothing of the one before is unread. Waits. */
weir_err weir__pg_ready(struct weir__pg_conn *conn, struct weir__sql_fault *f);

/* --- connect.c -------------------------------------------------------------------------------- */

/* A new connection, logged in. Waits up to connect_timeout. After an error there is none. */
weir_err weir__pg_connect(struct weir__pg_node *node, struct weir__ctx *c,
                          struct weir__pg_conn **out, struct weir__sql_fault *f);
void weir__pg_disconnect(struct weir__pg_conn *conn, struct weir__ctx *c);

/* The stream's TLS as the URL wants it, or none. */
weir_err weir__pg_secure(struct weir__pg_node *node, struct weir__ctx *c, struct weir__stream *s,
                         bool must, weir_time until, struct weir__sql_fault *f);

/* One row of so many integers, as text: what a query of our own has. Waits. */
weir_err weir__pg_ask_integers(struct weir__pg_conn *conn, weir_str sql, int64_t *out,
                               unsigned wanted, struct weir__sql_fault *f);

/* --- login.c ---------------------------------------------------------------------------------- */

weir_err weir__pg_log_in(struct weir__pg_conn *conn, struct weir__ctx *c,
                         struct weir__sql_fault *f);

/* --- tx.c ------------------------------------------------------------------------------------- */

weir_err weir__pg_tx_begin(struct weir__sql_conn *conn, const weir_tx_options *options,
                           struct weir__sql_fault *f);
weir_err weir__pg_tx_end(struct weir__sql_conn *conn, bool commits, struct weir__sql_fault *f);
weir_err weir__pg_control(struct weir__sql_conn *conn, const char *text, struct weir__sql_fault *f);
weir_err weir__pg_script(struct weir__sql_conn *conn, const char *text, struct weir__sql_fault *f);

/* Into `out`: closes that wait, and a BEGIN that does, as commands of the extended protocol. */
void weir__pg_put_prefix(struct weir__pg_conn *conn);
/* The same as a text before a simple query's. */
void weir__pg_put_text_prefix(struct weir__pg_conn *conn, weir_buf *text);
/* What went before has been sent: the transaction has begun. */
void weir__pg_prefix_sent(struct weir__pg_conn *conn);
void weir__pg_text_prefix_sent(struct weir__pg_conn *conn);
/* What is in `out` is not to be sent; what waits goes on waiting. */
void weir__pg_drop_unsent(struct weir__pg_conn *conn);

/* --- copy.c ----------------------------------------------------------------------------------- */

weir_err weir__pg_many(struct weir__sql_conn *conn, const struct weir__sql_many *many,
                       struct weir__sql_outcome *out, struct weir__sql_fault *f);

/* An argument as a value. */
weir_err weir__pg_value_of(const weir_arg *arg, struct weir__pg_value *out);

/* --- statements.c ----------------------------------------------------------------------------- */

weir_err weir__pg_prepare(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                          struct weir__sql_fault *f);
void weir__pg_forget(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt);
void weir__pg_column(struct weir__sql_stmt *stmt, int i, struct weir__sql_fact *out);
void weir__pg_param(struct weir__sql_stmt *stmt, int i, struct weir__sql_fact *out);
weir_err weir__pg_execute(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                          const struct weir__sql_values *values, bool for_rows,
                          struct weir__sql_outcome *out, struct weir__sql_fault *f);
int weir__pg_fetch(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                   struct weir__sql_fault *f);
void weir__pg_finish(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt);

/* Bind and Execute, into `out`. After an error part of it is there. */
weir_err weir__pg_put_run(struct weir__pg_conn *conn, struct weir__pg_stmt *s,
                          const struct weir__sql_values *values, struct weir__sql_fault *f);
/* A row's message into the statement's cells. */
weir_err weir__pg_take_row(struct weir__pg_conn *conn, struct weir__pg_stmt *s, weir_str body,
                           struct weir__sql_fault *f);
/* The server knows the statement no more, or plans it for columns that are others by now. */
bool weir__pg_is_stale(const struct weir__sql_fault *f);

/* --- batch.c ---------------------------------------------------------------------------------- */

weir_err weir__pg_post(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                       const struct weir__sql_values *values, bool together,
                       struct weir__sql_fault *f);
weir_err weir__pg_send(struct weir__sql_conn *conn, struct weir__sql_fault *f);
weir_err weir__pg_await(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt, bool for_rows,
                        struct weir__sql_outcome *out, struct weir__sql_fault *f);
/* weir__pg_fetch of what was posted. */
int weir__pg_fetch_posted(struct weir__pg_conn *conn, struct weir__pg_stmt *s,
                          struct weir__sql_fault *f);

/* --- pool.c: between two leases --------------------------------------------------------------- */

extern const struct weir__pool_ops weir__pg_pool_ops;
extern const struct weir__sql_nodes_ops weir__pg_nodes_ops;
weir_err weir__pg_take(weir_db *db, struct weir__ctx *c, const weir_site *site,
                       enum weir__sql_purpose purpose, struct weir__owned *holder,
                       struct weir__lease *lease, struct weir__sql_conn **out,
                       struct weir__sql_fault *f);

/* As weir__pg_connect; the error is raised in `c`, unless its reason is that. */
weir_err weir__pg_connect_raised(struct weir__pg_node *node, struct weir__ctx *c,
                                 struct weir__pg_conn **out);

/* The server takes no writes, or else it goes: what was opened so far is not lent any more. */
void weir__pg_note_failover(struct weir__pg_conn *conn, bool refuses_writes);

/* --- node.c ----------------------------------------------------------------------------------- */

/* What a server is, asked over a connection of its own: weir__sql_probe. Waits. */
weir_err weir__pg_probe(void *driver, struct weir__ctx *c, uint32_t node, void *resource,
                        struct weir__node_finding *out);

/* --- cancel.c --------------------------------------------------------------------------------- */

/* Asks the server to end what runs, on a connection of its own, and waits until it has. */
weir_err weir__pg_cancel(struct weir__pg_conn *conn, struct weir__ctx *c);

/*
 * Ends what runs, if the server does not do so soon by itself, and what was sent behind it and runs
 * then; reads the answers. Waits.
 */
weir_err weir__pg_end_statement(struct weir__pg_conn *conn, struct weir__ctx *c,
                                struct weir__sql_fault *f);

extern const struct weir__sql_driver weir__postgres_driver;

#endif
