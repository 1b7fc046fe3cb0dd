/*
 * The inside of the driver of MySQL and MariaDB: a database, its connections, and what the files of
 * this room share. A connection speaks over one stream, into one buffer and out of another; what it
 * has sent and not had answered is counted (M1), and from that number all else follows: whether it
 * is clean, what is to be read before it may be used, and whether there is anything to be killed.
 *
 * M1: `owed` counts the commands whose answers have not begun; of the one that has, `phase` says
 *     what comes next.
 * M2: a connection is lent with nothing owed, outside of a transaction, with its session as it was.
 * M3: what was received and not read stands between in_at and in.len; cells of a row lie in there,
 *     and nothing moves before the next packet is asked for.
 * M4: after a packet that was sent in part nothing else is sent: the connection is broken.
 */
#ifndef WEIR_DATA_MYSQL_H
#define WEIR_DATA_MYSQL_H

#include "crypto/rsa.h"
#include "data/mysql/url.h"
#include "data/sql/nodes.h"
#include "net/dial.h"
#include "net/tls.h"
#include "wire/mysql_answer.h"
#include "wire/mysql_command.h"
#include "wire/mysql_handshake.h"
#include "wire/mysql_row.h"
#include <weir/mysql.h>

struct weir__mysql;

enum {
    WEIR__MYSQL_WINDOW = 16 << 10,     /* what is received at a time, */
    WEIR__MYSQL_WINDOW_MAX = 64 << 10, /* once that was not enough */
    WEIR__MYSQL_SETUP_MAX = 256,
    WEIR__MYSQL_BEGIN_MAX = 2 /* commands */
};

/* One of the servers of a database, which usually has one: what its pools' operations are given. */
struct weir__mysql_node {
    struct weir__mysql *db;
    uint32_t number;
    const struct weir__sql_host *host;
    char *name, *kills_name; /* the pools' */
    char where[300];         /* "db.example.org:3306", for messages */
    struct weir__pool *pool, *kills;
};

struct weir__mysql {
    struct weir_db db; /* first */
    weir_mysql_options o;
    struct weir__mysql_url url;
    char *name;
    struct weir__mysql_node *nodes; /* url.host_count of them; NULL: not made */
    struct weir__tls_client *tls;   /* NULL: none is spoken */
    struct weir__crypto_rsa key;    /* zeroed: none was given */
    struct weir__owned owned;
};

enum weir__mysql_phase {
    WEIR__MYSQL_AT_REST,     /* or before an answer */
    WEIR__MYSQL_AT_PREPARED, /* definitions are to come, then nothing */
    WEIR__MYSQL_AT_ROWS,     /* the same, then rows */
    WEIR__MYSQL_AT_NEXT      /* a statement's further result is to come */
};

struct weir__mysql_conn {
    struct weir__sql_conn sql; /* first */
    struct weir__mysql *owner;
    struct weir__mysql_node *node;
    struct weir__stream stream;
    struct weir__detached detached; /* between two workers */
    bool is_detached;
    weir_time until; /* of what it does now; usually never: the context's counts */

    weir_buf in; /* M3 */
    size_t in_at;
    size_t window;   /* received at a time */
    size_t skip;     /* bytes of a packet that was too large, still to come, */
    bool skips_more; /* and of those that it goes on with */
    uint8_t number;  /* of the next packet */
    weir_buf out;
    bool has_closes; /* some of `closes` are in `out` */
    weir_buf closes; /* statements that the server is told to forget, with the next command */

    unsigned owed;        /* M1 */
    bool owes_prepared;   /* the last of them is a PREPARE's */
    unsigned definitions; /* of columns, that are to come */
    uint8_t phase;
    bool is_binary; /* rows are */
    bool is_broken;
    bool is_changed; /* something that has run has changed the session */
    bool is_in_tx;
    bool is_mariadb;
    uint64_t capabilities;
    uint32_t thread;

    unsigned posted; /* statements in `out` that are to be sent together, */
    unsigned before; /* and answers that come before the first of theirs */

    unsigned begins; /* commands that begin a transaction, and wait for its first statement */
    char begin[WEIR__MYSQL_BEGIN_MAX][64];
};

struct weir__mysql_stmt {
    struct weir__sql_stmt sql;          /* first */
    uint32_t id;                        /* 0: none */
    struct weir__mysql_column *columns; /* sql.columns of them, names and scratch behind them */
    char (*scratch)[WEIR__MYSQL_CLOCK_MAX];
};

static inline struct weir__mysql_conn *weir__mysql_conn_of(struct weir__sql_conn *conn)
{
    return (struct weir__mysql_conn *)conn;
}

static inline struct weir__mysql_stmt *weir__mysql_stmt_of(struct weir__sql_stmt *stmt)
{
    return (struct weir__mysql_stmt *)stmt;
}

static inline bool weir__mysql_can(const struct weir__mysql_conn *conn, uint64_t capability)
{
    return (conn->capabilities & capability) != 0;
}

/* --- talk.c: packets out and in --------------------------------------------------------------- */

/* Begins a command in `out`; _end_command counts it as owed, unless it has no answer. */
size_t weir__mysql_begin_command(struct weir__mysql_conn *conn);
void weir__mysql_end_command(struct weir__mysql_conn *conn, size_t at);

/* What is in `out` is not sent: the connection is as it was before. */
void weir__mysql_drop_unsent(struct weir__mysql_conn *conn);
/* Sends what is in `out`. Waits. */
weir_err weir__mysql_flush(struct weir__mysql_conn *conn, struct weir__sql_fault *f);

/*
 * The next packet of the answer that is read. WEIR_ETOOLARGE leaves the connection whole: the
 * packet is passed over. Waits.
 */
weir_err weir__mysql_next(struct weir__mysql_conn *conn, weir_str *body, struct weir__sql_fault *f);
/* The same as far as that takes no wait: -EAGAIN. */
weir_err weir__mysql_try_next(struct weir__mysql_conn *conn, weir_str *body,
                              struct weir__sql_fault *f);

/* What came is none of what may come: an error of wire/mysql_packet.h. */
weir_err weir__mysql_malformed(struct weir__mysql_conn *conn, int rc, struct weir__sql_fault *f);

/* --- answers.c -------------------------------------------------------------------------------- */

/* What an ERR packet is; it ends the answer. */
weir_err weir__mysql_refused(struct weir__mysql_conn *conn, weir_str body,
                             struct weir__sql_fault *f);
/* An OK, or the end of rows: what it says of the session. `out` may be NULL. */
weir_err weir__mysql_take_ok(struct weir__mysql_conn *conn, weir_str body,
                             struct weir__sql_outcome *out, struct weir__sql_fault *f);

/* The next owed answer, which has no rows: an OK or an error. Waits. */
weir_err weir__mysql_read_ok(struct weir__mysql_conn *conn, struct weir__sql_outcome *out,
                             struct weir__sql_fault *f);
/*
 * Begins with the next owed answer (or, in AT_NEXT, with the next result) up to its rows, whose
 * columns are put into `s`, or passed over where that is NULL; phase tells. Waits.
 */
weir_err weir__mysql_read_answer(struct weir__mysql_conn *conn, struct weir__mysql_stmt *s,
                                 struct weir__sql_outcome *out, struct weir__sql_fault *f);
/* The rest of the answer that has begun, thrown away. Waits. */
weir_err weir__mysql_skip_answer(struct weir__mysql_conn *conn, struct weir__sql_outcome *out,
                                 struct weir__sql_fault *f);
/* All that is owed, thrown away; the first error is returned, when that is done. Waits. */
weir_err weir__mysql_settle(struct weir__mysql_conn *conn, struct weir__sql_fault *f);
/* The same but for the last `left` answers. Waits. */
weir_err weir__mysql_settle_to(struct weir__mysql_conn *conn, unsigned left,
                               struct weir__sql_fault *f);

/* Is there something of an earlier command that was not read? */
static inline bool weir__mysql_is_unread(const struct weir__mysql_conn *conn)
{
    return conn->owed > 0 || conn->phase != WEIR__MYSQL_AT_REST;
}

/* A text without rows, or whose rows nobody wants; all that is put off goes before it. Waits. */
weir_err weir__mysql_simple(struct weir__mysql_conn *conn, weir_str sql,
                            struct weir__sql_outcome *out, struct weir__sql_fault *f);

/* --- connect.c -------------------------------------------------------------------------------- */

/* A new connection, logged in. Waits up to connect_timeout. After an error there is none. */
weir_err weir__mysql_connect(struct weir__mysql_node *node, struct weir__ctx *c,
                             struct weir__mysql_conn **out, struct weir__sql_fault *f);
void weir__mysql_disconnect(struct weir__mysql_conn *conn);
/* What every session begins with, as one statement. */
void weir__mysql_put_setup(const struct weir__mysql_conn *conn, weir_buf *out);

/* --- tx.c ------------------------------------------------------------------------------------- */

weir_err weir__mysql_begin(struct weir__sql_conn *conn, const weir_tx_options *options,
                           struct weir__sql_fault *f);
weir_err weir__mysql_end(struct weir__sql_conn *conn, bool commits, struct weir__sql_fault *f);
weir_err weir__mysql_control(struct weir__sql_conn *conn, const char *text,
                             struct weir__sql_fault *f);

/* Into `out`: closes that wait, and what begins a transaction; how many answers come before. */
unsigned weir__mysql_put_prefix(struct weir__mysql_conn *conn, bool with_begin);
/* Sends what begins the transaction, and reads its answers, where that waits. Waits. */
weir_err weir__mysql_begin_now(struct weir__mysql_conn *conn, struct weir__sql_fault *f);

/* --- statements.c ----------------------------------------------------------------------------- */

weir_err weir__mysql_prepare(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                             struct weir__sql_fault *f);
void weir__mysql_forget(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt);
void weir__mysql_column_fact(struct weir__sql_stmt *stmt, int i, struct weir__sql_fact *out);
weir_err weir__mysql_run(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                         const struct weir__sql_values *values, bool for_rows,
                         struct weir__sql_outcome *out, struct weir__sql_fault *f);
int weir__mysql_fetch(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                      struct weir__sql_fault *f);
void weir__mysql_finish(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt);

/*
 * An argument as a value of the protocol; what is a text in there alone is written to `room`.
 * False: it is a point of time outside of the calendar.
 */
bool weir__mysql_param_of(const weir_arg *a, char room[WEIR_DECIMAL_TEXT_MAX],
                          struct weir__mysql_param *out);
/* EXECUTE of a prepared statement, into `out`; what is there is dropped after an error. */
weir_err weir__mysql_put_execute(struct weir__mysql_conn *conn, uint32_t id, const weir_arg *args,
                                 size_t count, struct weir__sql_fault *f);
/* The answer to it: up to its rows, or to its end. Waits. */
weir_err weir__mysql_read_result(struct weir__mysql_conn *conn, struct weir__mysql_stmt *s,
                                 bool for_rows, struct weir__sql_outcome *out,
                                 struct weir__sql_fault *f);
/* Prepares a text; `s` may have no columns. Waits. */
weir_err weir__mysql_prepare_text(struct weir__mysql_conn *conn, weir_str text, uint32_t *id,
                                  struct weir__mysql_prepared *out, struct weir__sql_fault *f);
/* The server is told with the next command. */
void weir__mysql_close_id(struct weir__mysql_conn *conn, uint32_t id);

/* --- batch.c ---------------------------------------------------------------------------------- */

weir_err weir__mysql_post(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                          const struct weir__sql_values *values, bool together,
                          struct weir__sql_fault *f);
weir_err weir__mysql_send(struct weir__sql_conn *conn, struct weir__sql_fault *f);
weir_err weir__mysql_await(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt, bool for_rows,
                           struct weir__sql_outcome *out, struct weir__sql_fault *f);

/* --- columns.c -------------------------------------------------------------------------------- */

/*
 * Reads `count` definitions. Where they are those that `s` has, nothing changes; else they are
 * taken, and the statement is shaped anew; after an error it is void, for the server takes them for
 * known. Waits.
 */
weir_err weir__mysql_read_columns(struct weir__mysql_conn *conn, struct weir__mysql_stmt *s,
                                  unsigned count, struct weir__sql_fault *f);

/* One of those that are to come; its name is of the packet. Waits. */
weir_err weir__mysql_read_column(struct weir__mysql_conn *conn, struct weir__mysql_column *c,
                                 struct weir__sql_fault *f);

/* --- many.c ----------------------------------------------------------------------------------- */

weir_err weir__mysql_many(struct weir__sql_conn *conn, const struct weir__sql_many *many,
                          struct weir__sql_outcome *out, struct weir__sql_fault *f);

/* --- pool.c: between two leases --------------------------------------------------------------- */

/*
 * Before a command is sent: what is unread of the one before, left in the middle or given up, is
 * ended at the server and read away. Waits.
 */
weir_err weir__mysql_ready(struct weir__mysql_conn *conn, struct weir__sql_fault *f);

extern const struct weir__pool_ops weir__mysql_pool_ops, weir__mysql_kill_ops;
extern const struct weir__sql_nodes_ops weir__mysql_nodes_ops;

/* The server takes no writes, or else it goes: what was opened so far is not lent any more. */
void weir__mysql_note_failover(struct weir__mysql_conn *conn, bool refuses_writes);
weir_err weir__mysql_take(weir_db *db, struct weir__ctx *c, const weir_site *site,
                          enum weir__sql_purpose purpose, struct weir__owned *holder,
                          struct weir__lease *lease, struct weir__sql_conn **out,
                          struct weir__sql_fault *f);

/* --- node.c ----------------------------------------------------------------------------------- */

/* What a server is, asked over a connection of its own: weir__sql_probe. Waits. */
weir_err weir__mysql_probe(void *driver, struct weir__ctx *c, uint32_t node, void *resource,
                           struct weir__node_finding *out);

extern const struct weir__sql_driver weir__mysql_driver;

#endif
