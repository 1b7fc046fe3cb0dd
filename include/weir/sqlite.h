/*
 * SQLite: a database in a file, without a server. Reads run on the worker that asks, over read-only
 * connections, and let others run meanwhile; writes run on one thread of their own, one transaction
 * at a time. The file is in WAL mode, so reading and writing do not wait for each other.
 */
#ifndef WEIR_SQLITE_H
#define WEIR_SQLITE_H

#include <weir/sql.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a database may be given; zero means the default. Strings are copied. Settings are made here:
 * statements that would change a connection for its next user (PRAGMA x = y, ATTACH, CREATE TEMP …,
 * BEGIN, COMMIT) are refused with WEIR_EDB.
 */
typedef struct weir_sqlite_options {
    size_t size;            /* the macro's */
    const char *path;       /* the file; must be given. Not ":memory:" */
    bool create;            /* make the file when it is not there */
    weir_pool_options pool; /* of the connections that read; default max_open 16 */
    weir_dur busy_timeout;  /* 1 ms to 10 min for another process to let go; default 5 s */
    weir_dur
        tx_threshold;  /* 10 ms to 1 h: a transaction held for longer is reported; default 5 s */
    uint64_t rows_max; /* cap of every query; default none */
    uint32_t value_bytes_max; /* of one text, BLOB or row, read or written, and of one statement;
                                 1 KiB to 1 GiB less one; default 1 MiB */
    uint32_t cache_bytes;     /* of a connection; 64 KiB to 1 GiB; default 2 MiB */
    uint64_t wal_bytes_max;   /* of the log of writes; 1 MiB to 1 TiB; default 64 MiB. Past it each
                               commit waits up to 100 ms for those that read, and the log says
                               whose query is the oldest */
    bool
        sync_full; /* each commit is on the disk before it is acknowledged. Default: it survives the
                       process's end, but a power cut may take the last ones */
    uint64_t mmap_bytes; /* of the file, mapped by each connection; up to 1 TiB; default 256 MiB */
} weir_sqlite_options;

/**
 * Opens a database: makes sure that it is one, that it can be written, and puts it into WAL mode.
 *
 *     weir_db *db = weir_sqlite_open(app, .path = "shop.db", .create = true);
 *     if (weir_db_err(db) < 0)
 *         return weir_db_err(db);
 *
 * c        the application's context, at its start; or a request's, for that request alone
 * ...      members of weir_sqlite_options
 * returns  the database; never NULL: where it failed, one whose every use returns the error. The
 *          message, one line that names the file, is in the error record of `c`
 * errors   WEIR_EINVALID (options, all mistakes at once), WEIR_ENOTFOUND (no such file or
 *          directory), WEIR_EBUSY (locked by another process), WEIR_EDB (not a database, no WAL
 *          here), -EACCES
 * owner    the context; its end closes the connections
 * context  fiber; waits
 */
#define weir_sqlite_open(...) WEIR__SQLITE_OPEN(__VA_ARGS__, )
#define WEIR__SQLITE_OPEN(c, ...)                                                                  \
    WEIR__CALL(weir_sqlite_open_at, (WEIR_HERE, (c)), weir_sqlite_options, __VA_ARGS__)
/** The function behind weir_sqlite_open. */
WEIR_API weir_db *weir_sqlite_open_at(const weir_site *site, weir_ctx *c,
                                      const weir_sqlite_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3);

#ifdef __cplusplus
}
#endif
#endif
