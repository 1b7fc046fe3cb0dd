/*
 * A database by its URL: which driver it is for is read there. What only one of them has is in its
 * own header (<weir/sqlite.h> …), and so are its options; here are those that all of them know.
 */
#ifndef WEIR_DB_H
#define WEIR_DB_H

#include <weir/sql.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Which database it is, for what they write differently: a schema's types above all. */
typedef enum weir_db_kind {
    WEIR_DB_UNKNOWN,
    WEIR_DB_SQLITE,
    WEIR_DB_POSTGRES,
    WEIR_DB_MYSQL /* MariaDB too */
} weir_db_kind;

/**
 * Which database an URL is for. NULL, "" and schemes that are no database's: WEIR_DB_UNKNOWN.
 *
 * url  read during the call, up to its scheme; a path without one is a file of SQLite's
 */
WEIR_API weir_db_kind weir_db_kind_of(const char *url);

/**
 * What a database may be given, whichever it is; zero means its driver's default. Texts are copied.
 */
typedef struct weir_db_options {
    size_t size; /* the macro's */
    /*
     * "shop.db" or "sqlite:shop.db", a file; "postgres://user:password@host:port/database";
     * "mysql://user:password@host:port/database". Must be given. Servers may be several, parted by
     * commas: "postgres://user@a,b:5433/shop". What may stand behind the question mark is the
     * driver's
     */
    const char *url;
    bool create;            /* SQLite: make the file when it is not there */
    weir_pool_options pool; /* of the connections; SQLite: of those that read */
    weir_dur
        tx_threshold;  /* 10 ms to 1 h: a transaction held for longer is reported; default 5 s */
    uint64_t rows_max; /* cap of every query; default none */
    uint32_t value_bytes_max; /* of one text, blob or row; 1 KiB to 1 GiB less one; default 1 MiB */
    weir_nodes_options nodes; /* where the URL of a server lists several hosts */
} weir_db_options;

/**
 * Opens the database that an URL names, with the driver that it is for.
 *
 *     weir_db *db = weir_db_open(app, .url = getenv("DATABASE_URL"));
 *     if (weir_db_err(db) < 0)
 *         return weir_db_err(db);
 *
 * c        the application's context, at its start; or a request's, for that request alone
 * ...      members of weir_db_options
 * returns  the database; never NULL: where it failed, one whose every use returns the error. The
 *          message is in the error record of `c`
 * errors   WEIR_EINVALID (no URL, or one of no database); those of weir_sqlite_open and its like
 * owner    the context; its end closes the connections
 * context  fiber; waits
 */
#define weir_db_open(...) WEIR__DB_OPEN(__VA_ARGS__, )
#define WEIR__DB_OPEN(c, ...)                                                                      \
    WEIR__CALL(weir_db_open_at, (WEIR_HERE, (c)), weir_db_options, __VA_ARGS__)
/** The function behind weir_db_open. */
WEIR_API weir_db *weir_db_open_at(const weir_site *site, weir_ctx *c,
                                  const weir_db_options *options) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(2, 3);

#ifdef __cplusplus
}
#endif
#endif
