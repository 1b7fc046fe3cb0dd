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
     * stand there as well (user, password, host, port, dbname). Further parameters, all others are
     * refused:
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
    bool lazy; /* nothing is dialled here: whatever is wrong shows with the first use */
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
 * errors   WEIR_EINVALID (URL and options, all mistakes at once), WEIR_ENOHOST, -ECONNREFUSED …,
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

#ifdef __cplusplus
}
#endif
#endif
