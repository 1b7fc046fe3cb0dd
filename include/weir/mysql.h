/*
 * MySQL and MariaDB: a database behind a pool of connections, spoken to by a codec of Weir's own
 * (MySQL from 5.7, MariaDB from 10.2 on). All calls are those of <weir/sql.h>; here is how one is
 * opened.
 */
#ifndef WEIR_MYSQL_H
#define WEIR_MYSQL_H

#include <weir/sql.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a database may be given; zero means the default. Texts are copied. */
typedef struct weir_mysql_options {
    size_t size; /* the macro's */
    /*
     * "mysql://user:password@host:port/database?ssl-mode=…"; must be given. "mariadb://" is the
     * same; port 3306 is the default; parts may have percent-escapes, an IPv6 address has brackets.
     * Without a host it is a Unix socket: that of `socket=/path` behind the question mark,
     * /run/mysqld/mysqld.sock else.
     *
     * Up to 16 hosts, parted by commas, each with its port ("mysql://user@a:3306,b:3306/shop"), are
     * the nodes of one database: see weir_nodes_options. The primary is the one whose read_only is
     * off, so replicas have to have it on. How far a replica is behind it tells whoever has the
     * privilege REPLICA MONITOR (MariaDB) or REPLICATION CLIENT (MySQL); one that does not gets no
     * reads while there is a primary.
     *
     * Further parameters, all others are refused:
     *   ssl-mode         disabled; preferred (if the server has it) and required: whoever answers
     *                    is believed; verify_identity: its certificate is trusted and has the
     *                    host's name. Default: verify_identity; disabled on Unix sockets and for
     *                    localhost, 127.0.0.0/8 and ::1
     *   ssl-ca           a file of certificates (PEM) to be trusted, and no others; default: the
     *                    machine's
     *   ssl-cert, ssl-key  the client's own certificate and its key (PEM, without a password)
     *   connect-timeout  whole seconds; see below
     */
    const char *url;
    const char *name; /* in messages and metrics; default: the database's */
    weir_pool_options
        pool; /* default max_open 10; one more is opened when something is cancelled; a node's */
    weir_dur connect_timeout; /* 10 ms to 10 min: name, TCP, TLS and log-in; default 5 s */
    /*
     * At the server, from its side: 1 ms to 24 h; default none. What runs for longer ends there
     * with WEIR_ETIMEDOUT (max_statement_time of MariaDB, of any statement; max_execution_time of
     * MySQL, of SELECTs). Deadlines of contexts end statements without it.
     */
    weir_dur statement_max;
    /*
     * The server's public RSA key, PEM, for caching_sha2_password without TLS. Default: the server
     * is asked for it, and whoever stands between may answer.
     */
    const char *server_key;
    weir_dur
        tx_threshold;  /* 10 ms to 1 h: a transaction held for longer is reported; default 5 s */
    uint64_t rows_max; /* cap of every query; default none */
    uint32_t value_bytes_max; /* of one row, read, and of what one statement sends; 1 KiB to 1 GiB
                                 less one; default 1 MiB */
    bool lazy; /* nothing is waited for here: whatever is wrong shows with the first use */
    weir_nodes_options nodes; /* where the URL lists several hosts */
} weir_mysql_options;

/**
 * Opens a database: reads the URL, and makes one connection, so that what is wrong is known at the
 * start.
 *
 *     weir_db *db = weir_mysql_open(app, .url = getenv("DATABASE_URL"));
 *     if (weir_db_err(db) < 0)
 *         return weir_db_err(db);
 *
 * Sessions are in UTC and speak utf8mb4. LOCAL INFILE is never offered, and refused where a server
 * asks for it.
 *
 * c        the application's context, at its start; or a request's, for that request alone
 * ...      members of weir_mysql_options
 * returns  the database; never NULL: where it failed, one whose every use returns the error. The
 *          message, which never has the password, is in the error record of `c`
 * errors   WEIR_EINVALID (URL and options, all mistakes at once), WEIR_EUNREACHABLE (none of
 *          several nodes answers), WEIR_ENOHOST, -ECONNREFUSED …,
 *          WEIR_ETIMEDOUT (connect_timeout), WEIR_ETLS, WEIR_EPROTO (no MySQL there), WEIR_EDB
 *          (refused: no such database, wrong password), WEIR_ETOOMANY, WEIR_ENOTBUILT (a way of
 *          authentication, or TLS in a build without it), -ENOENT … (files of certificates)
 * owner    the context; its end closes the connections
 * context  fiber; waits
 */
#define weir_mysql_open(...) WEIR__MYSQL_OPEN(__VA_ARGS__, )
#define WEIR__MYSQL_OPEN(c, ...)                                                                   \
    WEIR__CALL(weir_mysql_open_at, (WEIR_HERE, (c)), weir_mysql_options, __VA_ARGS__)
/** The function behind weir_mysql_open. */
WEIR_API weir_db *weir_mysql_open_at(const weir_site *site, weir_ctx *c,
                                     const weir_mysql_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3);

#ifdef __cplusplus
}
#endif
#endif
