/*
 * PostgreSQL: a database behind a pool of connections, spoken to by a codec of Weir's own (protocol
 * 3.0; servers from 10 on). All calls are those of <weir/sql.h>; here is how one is opened, and
 * what only PostgreSQL has: notifications.
 */
#ifndef WEIR_POSTGRES_H
#define WEIR_POSTGRES_H

#include <weir/sql.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a database may be given; zero means the default. Texts are copied. */
typedef struct weir_postgres_options {
    size_t size; /* the macro's */
    /*
     * "postgres://user:password@host:port/database?sslmode=…"; must be given. "postgresql://" is
     * the same; port 5432, and the database named like the user, are the defaults; parts may have
     * percent-escapes, an IPv6 address has brackets. Without a host, or with `host=/folder` behind
     * the question mark, it is the Unix socket in that folder (/var/run/postgresql). Each part may
     * stand there as well (user, password, host, port, dbname).
     *
     * Up to 16 hosts, parted by commas, each with its port ("postgres://user@a:5432,b:5432/shop";
     * behind the question mark host=a,b&port=5432,5432, or one port for all), are the nodes of one
     * database: see weir_nodes_options. `pool` is for each of them.
     *
     * Further parameters, all others are refused:
     *   target_session_attrs  any, prefer-standby: as by default; read-write, primary: reads go to
     *                     the primary too (WEIR_READS_PRIMARY)
     *   sslmode           disable, allow, prefer, require, verify-ca, verify-full, as libpq means
     *                     them. Default: verify-full; disable on Unix sockets and for localhost,
     *                     127.0.0.0/8 and ::1
     *   sslrootcert       a file of certificates (PEM) to be trusted, and no others; "system", as
     *                     by default: the machine's
     *   sslcert, sslkey   the client's own certificate and its key (PEM, without a password)
     *   channel_binding   disable, prefer (default), require
     *   connect_timeout   whole seconds; see below
     *   application_name  see below
     *   options           command-line options for the server: "-c search_path=shop"
     *   multiplex         a number; see below
     */
    const char *url;
    const char *name;             /* in messages and metrics; default: the database's */
    weir_pool_options pool;       /* default max_open 10 */
    weir_dur connect_timeout;     /* 10 ms to 10 min: name, TCP, TLS and log-in; default 5 s */
    const char *application_name; /* as the server lists it; default: the process's name */
    weir_dur
        tx_threshold;  /* 10 ms to 1 h: a transaction held for longer is reported; default 5 s */
    uint64_t rows_max; /* cap of every query; default none */
    uint32_t value_bytes_max; /* of one row, read, and of what one statement sends; 1 KiB to 1 GiB
                                 less one; default 1 MiB */
    uint32_t scram_iterations_max; /* that a server may ask of the log-in, each a digest; 4,096 to
                                      1,000,000; default 100,000, 25 ms of a core */
    bool lazy; /* nothing is waited for here: whatever is wrong shows with the first use */
    /*
     * So many statements share a connection: those of weir_query and weir_db_exec outside of
     * transactions that begin with SELECT, INSERT, UPDATE, DELETE, MERGE, WITH, VALUES or TABLE.
     * For short ones: who is behind waits for those before. 2 to 1,024; default: none do.
     */
    uint32_t multiplex;
    uint32_t multiplex_max_open; /* such connections of a worker, beside the pool's; 1 to 100;
                                    default 4 */
    weir_dur multiplex_late;  /* 1 ms to 1 min: while the oldest statement of one takes longer, new
                                ones go to another; default 100 ms */
    weir_nodes_options nodes; /* where the URL lists several hosts; without `multiplex` */
} weir_postgres_options;

/**
 * Opens a database: reads the URL, and makes one connection, so that what is wrong is known at the
 * start.
 *
 *     weir_db *db = weir_postgres_open(app, .url = getenv("DATABASE_URL"));
 *     if (weir_db_err(db) < 0)
 *         return weir_db_err(db);
 *
 * c        the application's context, at its start; or a request's, for that request alone
 * ...      members of weir_postgres_options
 * returns  the database; never NULL: where it failed, one whose every use returns the error. The
 *          message, which never has the password, is in the error record of `c`
 * errors   WEIR_EINVALID (URL and options, all mistakes at once), WEIR_EUNREACHABLE (none of
 *          several nodes answers), WEIR_ENOHOST, -ECONNREFUSED …,
 *          WEIR_ETIMEDOUT (connect_timeout), WEIR_ETLS, WEIR_EPROTO (no PostgreSQL there),
 *          WEIR_EDB (refused: no such database, wrong password), WEIR_ETOOMANY, WEIR_ENOTBUILT
 *          (TLS, in a build without it), -ENOENT … (files of certificates)
 * owner    the context; its end closes the connections
 * context  fiber; waits
 */
#define weir_postgres_open(...) WEIR__POSTGRES_OPEN(__VA_ARGS__, )
#define WEIR__POSTGRES_OPEN(c, ...)                                                                \
    WEIR__CALL(weir_postgres_open_at, (WEIR_HERE, (c)), weir_postgres_options, __VA_ARGS__)
/** The function behind weir_postgres_open. */
WEIR_API weir_db *weir_postgres_open_at(const weir_site *site, weir_ctx *c,
                                        const weir_postgres_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3);

/* --- notifications ---------------------------------------------------------------------------- */

/** A subscription to what NOTIFY sends. Belongs to the fiber that made it. */
typedef struct weir_postgres_listener weir_postgres_listener;

/** What has come; its texts are borrowed from the listener, until the next call. */
typedef struct weir_postgres_notification {
    weir_str channel, payload; /* the payload is at most 8,000 bytes, and may be empty */
    uint32_t process;          /* of the server, that has sent it */
    /*
     * Nothing has come, but the connection was lost, and is there again: what was sent in between
     * is not known. Whatever the notifications stand for is to be looked at anew. Channel and
     * payload are absent.
     */
    bool is_gap;
} weir_postgres_notification;

/**
 * Listens for notifications, on a connection of its own beside the pool's, which is made again
 * whenever it is lost.
 *
 *     weir_postgres_listener *l = weir_postgres_listen(c, db, "jobs");
 *     for (weir_postgres_notification n; weir_postgres_listener_next(c, l, &n) == WEIR_OK;)
 *         n.is_gap ? look_for_all(c) : look_for(c, n.payload);
 *
 * db        of weir_postgres_open; any other is WEIR_EINVALID
 * channels  names, parted by commas: "jobs, users"; small letters unless in double quotes, as in
 *           LISTEN; copied
 * returns   the listener; never NULL: where it failed, one whose every use returns the error, which
 *           is in the record of `c`: as of weir_postgres_open, and WEIR_EINVALID for names
 * owner     the context, whose end closes the connection
 * context   fiber; waits
 */
#define weir_postgres_listen(c, db, channels)                                                      \
    weir_postgres_listen_at(WEIR_HERE, (c), (db), (channels))
/** The function behind weir_postgres_listen. */
WEIR_API weir_postgres_listener *weir_postgres_listen_at(const weir_site *site, weir_ctx *c,
                                                         weir_db *db, const char *channels)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3, 4);

/**
 * Waits for the next notification. While nobody does, they are kept by the server, for all who
 * listen and in a queue that is bounded: who listens is quick.
 *
 * c        up to whose deadline it waits, and while whose connection is made again
 * out      filled on success; its texts are borrowed until the next call
 * returns  WEIR_OK; the reason when `c` is cancelled or out of time: nothing is lost by that;
 *          WEIR_ECLOSED; WEIR_EDB and others for which the server does not let us listen any more
 * context  the fiber that made it; waits
 */
WEIR_API weir_err weir_postgres_listener_next(weir_ctx *c, weir_postgres_listener *l,
                                              weir_postgres_notification *out) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/** Ends it, early. Idempotent. The fiber that made it; does not wait. */
WEIR_API void weir_postgres_listener_close(weir_ctx *c, weir_postgres_listener *l)
    WEIR_NONNULL(1, 2);

#ifdef __cplusplus
}
#endif
#endif
