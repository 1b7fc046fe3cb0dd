/*
 * SQL databases: queries whose rows stream into structs, and transactions that roll back unless
 * committed. The same calls for every driver; a database is opened by its URL (<weir/db.h>), or by
 * what its driver has for that (<weir/sqlite.h> …).
 *
 *     weir_rows *rows = weir_query(c, db, "SELECT name, email FROM users WHERE age > ?", 18);
 *     for (user u; weir_rows_next(rows, user, &u);)
 *         …
 *     return weir_rows_err(rows);
 *
 * Values take the place of the question marks by their C types: integers, bool, double, weir_str,
 * const char *, weir_wall, weir_uuid, weir_decimal, weir_blob, weir_raw_json, WEIR_NULL, and
 * WEIR_OR_NULL of any of them. There is no format string and no quoting, hence no injection. A
 * statement in WEIR_SQL is checked before the program runs (<weir/checked.h>).
 *
 * Rows and transactions belong to the context. What could not be made may be used all the same: it
 * does nothing and returns its first error, so one check at the end is enough.
 */
#ifndef WEIR_SQL_H
#define WEIR_SQL_H

#include <weir/buf.h>
#include <weir/checked.h>
#include <weir/ctx.h>
#include <weir/model.h>
#include <weir/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A database: its connections, shared by all workers. */
typedef struct weir_db weir_db;
/** The rows of a query, as they come. Belongs to the fiber that asked. */
typedef struct weir_rows weir_rows;
/** A transaction. Belongs to the fiber that began it. */
typedef struct weir_tx weir_tx;

/* --- values ----------------------------------------------------------------------------------- */

/** The type of WEIR_NULL. */
typedef struct weir_null {
    char unused;
} weir_null;

/**
 * NULL as a value of a query. An absent weir_str, weir_blob or weir_raw_json is NULL as well, and
 * so is a const char * that is NULL.
 */
#ifdef __cplusplus
#define WEIR_NULL (weir_null{0})
#else
#define WEIR_NULL ((weir_null){0})
#endif

/**
 * A value that may be NULL: weir_exec(tx, "…", WEIR_OR_NULL(in.has_age, in.age)).
 *
 * is_there  the bool or weir_presence of a model's `.present`
 * value     of any of the types that a value can have; a struct literal in parentheses, as anywhere
 *           among the values
 */
#define WEIR_OR_NULL(is_there, value)                                                              \
    ((is_there) == WEIR_PRESENT ? WEIR_ARG(value) : weir_arg_null(WEIR_NULL))

/** What a value of a query is. */
typedef enum weir_arg_kind {
    WEIR_ARG_NULL,
    WEIR_ARG_INT,
    WEIR_ARG_DOUBLE,
    WEIR_ARG_TEXT,
    WEIR_ARG_BYTES,
    WEIR_ARG_TOO_LARGE, /* an unsigned integer over INT64_MAX, its bits in `i`: refused with -ERANGE
                           where the database has no type for it */
    WEIR_ARG_WALL,
    WEIR_ARG_UUID,
    WEIR_ARG_DECIMAL,
    WEIR_ARG_JSON
} weir_arg_kind;

/** A value of a query; made from its C type by the macros below. */
typedef struct weir_arg {
    weir_arg_kind kind;
    union {
        int64_t i;
        double d;
        weir_str s; /* text, bytes and JSON; borrowed for the call */
        weir_wall wall;
        weir_uuid uuid;
        weir_decimal decimal;
    } u;
} weir_arg;

/** The most values in one call. */
#define WEIR_ARGS_MAX 256

/**
 * Makers of values, one for each C type; WEIR_ARG picks. What a `v` points to is borrowed: it must
 * outlive the value's last use, which is the call that it is given to.
 */
static inline weir_arg weir_arg_int(int64_t v)
{
    weir_arg a;
    a.kind = WEIR_ARG_INT;
    a.u.i = v;
    return a;
}
static inline weir_arg weir_arg_uint(uint64_t v)
{
    weir_arg a;
    a.kind = v <= INT64_MAX ? WEIR_ARG_INT : WEIR_ARG_TOO_LARGE;
    a.u.i = (int64_t)v;
    return a;
}
static inline weir_arg weir_arg_double(double v)
{
    weir_arg a;
    a.kind = WEIR_ARG_DOUBLE;
    a.u.d = v;
    return a;
}
static inline weir_arg weir_arg_str(weir_str v)
{
    weir_arg a;
    a.kind = v.ptr != NULL ? WEIR_ARG_TEXT : WEIR_ARG_NULL;
    a.u.s = v;
    return a;
}
static inline weir_arg weir_arg_text(const char *v)
{
    return weir_arg_str(weir_str_from(v));
}
static inline weir_arg weir_arg_bytes(weir_blob v)
{
    weir_arg a;
    a.kind = v.ptr != NULL ? WEIR_ARG_BYTES : WEIR_ARG_NULL;
    a.u.s.ptr = (const char *)v.ptr;
    a.u.s.len = v.len;
    return a;
}
static inline weir_arg weir_arg_null(weir_null v)
{
    weir_arg a;
    (void)v;
    a.kind = WEIR_ARG_NULL;
    a.u.i = 0;
    return a;
}

/**
 * The same for kinds that C has no type for, `v` borrowed as above; weir_arg_same for what is a
 * value already.
 */
static inline weir_arg weir_arg_wall(weir_wall v)
{
    weir_arg a;
    a.kind = WEIR_ARG_WALL;
    a.u.wall = v;
    return a;
}
static inline weir_arg weir_arg_uuid(weir_uuid v)
{
    weir_arg a;
    a.kind = WEIR_ARG_UUID;
    a.u.uuid = v;
    return a;
}
static inline weir_arg weir_arg_decimal(weir_decimal v)
{
    weir_arg a;
    a.kind = WEIR_ARG_DECIMAL;
    a.u.decimal = v;
    return a;
}
static inline weir_arg weir_arg_json(weir_raw_json v)
{
    weir_arg a;
    a.kind = v.text.ptr != NULL ? WEIR_ARG_JSON : WEIR_ARG_NULL;
    a.u.s = v.text;
    return a;
}
static inline weir_arg weir_arg_same(weir_arg v)
{
    return v;
}

/** Where a query runs: on the database, or in a transaction. */
typedef struct weir_source {
    weir_db *db;
    weir_tx *tx;
} weir_source;

/** Makers of sources; the macros below pick. */
static inline weir_source weir_source_db(weir_db *db)
{
    weir_source s = {db, NULL};
    return s;
}
static inline weir_source weir_source_tx(weir_tx *tx)
{
    weir_source s = {NULL, tx};
    return s;
}

#ifndef __cplusplus

/** A value of a query from an expression of one of the types above. */
#define WEIR_ARG(x)                                                                                \
    _Generic((x), bool                                                                             \
             : weir_arg_int, signed char                                                           \
             : weir_arg_int, short                                                                 \
             : weir_arg_int, int                                                                   \
             : weir_arg_int, long                                                                  \
             : weir_arg_int, long long                                                             \
             : weir_arg_int, unsigned char                                                         \
             : weir_arg_uint, unsigned short                                                       \
             : weir_arg_uint, unsigned                                                             \
             : weir_arg_uint, unsigned long                                                        \
             : weir_arg_uint, unsigned long long                                                   \
             : weir_arg_uint, float                                                                \
             : weir_arg_double, double                                                             \
             : weir_arg_double, weir_str                                                           \
             : weir_arg_str, char *                                                                \
             : weir_arg_text, const char *                                                         \
             : weir_arg_text, weir_wall                                                            \
             : weir_arg_wall, weir_uuid                                                            \
             : weir_arg_uuid, weir_decimal                                                         \
             : weir_arg_decimal, weir_blob                                                         \
             : weir_arg_bytes, weir_raw_json                                                       \
             : weir_arg_json, weir_null                                                            \
             : weir_arg_null, weir_arg                                                             \
             : weir_arg_same)(x)

/** Where a query runs, from a weir_db * or a weir_tx *. */
#define weir_source_of(x) _Generic((x), weir_db * : weir_source_db, weir_tx * : weir_source_tx)(x)

#endif

/* --- reading ---------------------------------------------------------------------------------- */

/**
 * Asks for rows. They are read as weir_rows_next is called, never all at once.
 *
 *     weir_query(c, db, "SELECT id, name FROM users WHERE age > ? AND city = ?", age, city)
 *
 * from     a weir_db *, or the weir_tx * of a transaction of this fiber
 * ...      the statement (one, a const char * that may be built; literals are found faster), then a
 *          value for each of its parameters, up to 256. Both are copied: what they point to may be
 *          changed when the call is over
 * returns  the rows; never NULL: where it failed, rows without any, whose weir_rows_err says why
 * errors   WEIR_ELIMIT and WEIR_ETIMEDOUT (no connection came free; status 503), WEIR_EDB (the
 *          statement is wrong, or writes outside of a transaction), WEIR_EINVALID (the number of
 *          values), WEIR_EBUSY (other rows of the transaction are open, and the database runs one
 *          statement at a time on a connection: all but SQLite), the reason when `c` is cancelled
 * owner    the context; finished rows hold nothing. Rows that were left in the middle are closed at
 *          its end, and reported when it ends well
 * context  fiber, may wait for a connection; long queries yield
 */
#define weir_query(c, from, ...)                                                                   \
    weir_query_at(WEIR_HERE, (c), weir_source_of(from), 0, WEIR__SQL(__VA_ARGS__))
/** The same with a cap: past `rows_max` rows the rows end with WEIR_ELIMIT. */
#define weir_query_max(c, from, rows_max, ...)                                                     \
    weir_query_at(WEIR_HERE, (c), weir_source_of(from), (rows_max), WEIR__SQL(__VA_ARGS__))
/**
 * The function behind both; `rows_max` 0 is the database's. `sql` and what `args` point to are
 * copied.
 */
WEIR_API weir_rows *weir_query_at(const weir_site *site, weir_ctx *c, weir_source from,
                                  uint64_t rows_max, const char *sql, const weir_arg *args,
                                  size_t count) WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 5);

/**
 * Reads the next row into `out`, or reports that there is none.
 *
 * rows     result of weir_query; NULL is allowed and yields false
 * T        a type with a model, or of one value: bool, the integers of 8 to 64 bits, float, double,
 *          weir_str, weir_wall, weir_uuid, weir_decimal, weir_blob, weir_raw_json
 * out      filled by column name; members without a column keep their value. A column without a
 *          member is an error, and so is NULL for what has no NULL of its own and no `.present`; a
 *          text, bytes and raw JSON become absent
 * returns  true while `out` holds a row; false at the end and on error
 * errors   sticky, see weir_rows_err: WEIR_EDBTYPE (column and member are named), WEIR_ELIMIT (the
 *          cap), WEIR_ETOOLARGE (a value over value_bytes_max), WEIR_EDB, the reason when `c` is
 *          cancelled
 * owner    texts, bytes and raw JSON in `out` are borrowed from `rows` until the next call, or its
 *          end; all else is in `out`
 * context  fiber, may wait
 */
#define weir_rows_next(rows, T, out)                                                               \
    weir_rows_next_at((rows), &weir_model_##T, (1 ? (out) : (T *)0))
/** The function behind weir_rows_next. */
WEIR_API bool weir_rows_next_at(weir_rows *rows, const weir_model *model, void *out) WEIR_MUST_USE
    WEIR_NONNULL(2, 3);

/**
 * The first error of the rows so far; WEIR_OK at a good end. An error that nobody read is reported.
 */
WEIR_API weir_err weir_rows_err(weir_rows *rows) WEIR_MUST_USE;

/** Ends rows early: the connection is free for others. Idempotent; NULL is allowed. */
WEIR_API void weir_rows_close(weir_rows *rows);

/**
 * Reads the first row of a query.
 *
 *     weir_err err = weir_query_one(c, db, user, &u,
 *                                   "SELECT name, email FROM users WHERE id = ?", id);
 *
 * out      as in weir_rows_next, but texts, bytes and raw JSON are copied into the context's memory
 * returns  WEIR_OK; WEIR_ENOTFOUND when there is no row (not raised, `out` is untouched); errors as
 *          of weir_query and weir_rows_next
 * context  fiber, may wait
 */
#define weir_query_one(c, from, T, out, ...)                                                       \
    weir_query_one_at(WEIR_HERE, (c), weir_source_of(from), &weir_model_##T, (1 ? (out) : (T *)0), \
                      WEIR__SQL_FOR(&weir_model_##T, __VA_ARGS__))
/**
 * The function behind weir_query_one. `sql` and `args` are read during the call, and not kept.
 */
WEIR_API weir_err weir_query_one_at(const weir_site *site, weir_ctx *c, weir_source from,
                                    const weir_model *model, void *out, const char *sql,
                                    const weir_arg *args, size_t count) WEIR_MUST_USE
    WEIR_NONNULL(2, 4, 5, 6);

/**
 * Reads all rows of a query into an array in the context's memory.
 *
 *     WEIR_ARRAY(user) users;
 *     weir_err err = weir_query_all(c, db, user, &users, 1000, "SELECT name, email FROM users");
 *     for (size_t i = 0; i < users.len; i++)
 *         … users.ptr[i] …
 *
 * T         as in weir_rows_next
 * out       a pointer to a WEIR_ARRAY of T; filled on success, empty after an error. Members
 *           without a column are zero
 * rows_max  1 at the least: there is no default, because each row is memory of the context's
 * returns   WEIR_OK, also when there are no rows; WEIR_ELIMIT past `rows_max`; else as weir_query
 *           and weir_rows_next
 * owner     the array, and texts, bytes and raw JSON in it, are in the context's memory
 * context   fiber, may wait
 */
#define weir_query_all(c, from, T, out, rows_max, ...)                                             \
    weir_query_all_at(WEIR_HERE, (c), weir_source_of(from), &weir_model_##T,                       \
                      (1 ? &(out)->ptr : (T **)0), (rows_max), WEIR__SQL(__VA_ARGS__))
/**
 * The function behind weir_query_all: `out` is filled, a pointer to the items and a size_t behind
 * it, how many they are. `sql` and `args` are read during the call, and not kept.
 */
WEIR_API weir_err weir_query_all_at(const weir_site *site, weir_ctx *c, weir_source from,
                                    const weir_model *model, void *out, uint64_t rows_max,
                                    const char *sql, const weir_arg *args,
                                    size_t count) WEIR_MUST_USE WEIR_NONNULL(2, 4, 5, 7);

/* --- writing ---------------------------------------------------------------------------------- */

/** How far transactions are kept from seeing each other, as SQL names it. */
typedef enum weir_isolation {
    WEIR_ISOLATION_DEFAULT, /* as the database is set */
    WEIR_READ_UNCOMMITTED,
    WEIR_READ_COMMITTED,
    WEIR_REPEATABLE_READ,
    WEIR_SERIALIZABLE
} weir_isolation;

/**
 * What a transaction may be given; zero means the default. A database that has not what is asked
 * for gives a stronger isolation, or refuses with WEIR_EINVALID; SQLite's are always serializable.
 */
typedef struct weir_tx_options {
    size_t size; /* the macro's */
    weir_isolation isolation;
    bool read_only;  /* it writes nothing: a statement that would gets WEIR_EREADONLY. SQLite: one
                        snapshot, beside the one that writes */
    bool deferrable; /* with .isolation = WEIR_SERIALIZABLE, .read_only = true: it may wait at its
                        start for a snapshot that nothing can overtake (PostgreSQL) */
} weir_tx_options;

/**
 * Begins a transaction, or one within another.
 *
 *     weir_tx *tx = weir_begin(c, db);
 *     weir_tx *tx = weir_begin(c, db, .isolation = WEIR_SERIALIZABLE, .read_only = true);
 *     weir_tx *part = weir_begin(c, tx);
 *
 * One within another is a save point: weir_commit keeps what it did as part of the outer one,
 * weir_rollback undoes that alone. An error in it is its own; the outer one goes on, unless the
 * database has given up the whole (a dead-lock, a broken connection). While it is open the outer
 * one takes no statements (WEIR_EINVALID).
 *
 * from     a weir_db *, or the weir_tx * of a transaction of this fiber. SQLite has one that writes
 *          at a time; others wait in line
 * ...      members of weir_tx_options; none for one within another
 * returns  the transaction; never NULL: where it failed, one that does nothing and keeps the error
 * errors   as of weir_query; WEIR_EINVALID (an option that the database has not), WEIR_EREADONLY,
 *          WEIR_ELIMIT (more than 32 in each other)
 * owner    the context: rolled back at its end unless committed, and reported when the context ends
 *          well and it was neither committed nor rolled back, or when it is held for too long
 * context  fiber, may wait
 */
#define weir_begin(...) WEIR__BEGIN(__VA_ARGS__, )
#define WEIR__BEGIN(c, from, ...)                                                                  \
    WEIR__CALL(weir_begin_at, (WEIR_HERE, (c), weir_source_of(from)), weir_tx_options, __VA_ARGS__)
/** The function behind weir_begin; `options` are read during the call. */
WEIR_API weir_tx *weir_begin_at(const weir_site *site, weir_ctx *c, weir_source from,
                                const weir_tx_options *options) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(2, 4);

/**
 * Runs a statement in a transaction. After an error further ones do nothing.
 *
 *     weir_exec(tx, "INSERT INTO users(name, age) VALUES (?, ?)", in.name, in.age);
 *
 * ...      as for weir_query; texts and bytes are read during the call, and not kept
 * returns  WEIR_OK, or the transaction's first error (weir_commit returns it too, so it need not be
 *          looked at here): WEIR_EUNIQUE and the others of weir_is_constraint (the record has the
 *          constraint's name, weir_last_error(c)->constraint), WEIR_EBUSY, WEIR_EDB,
 *          WEIR_EINVALID, the reason …
 * context  the fiber that began it; waits
 */
#define weir_exec(tx, ...) weir_exec_at(WEIR_HERE, (tx), WEIR__SQL(__VA_ARGS__))
/** The function behind weir_exec. `sql` and `args` are read during the call, and not kept. */
WEIR_API weir_err weir_exec_at(const weir_site *site, weir_tx *tx, const char *sql,
                               const weir_arg *args, size_t count) WEIR_NONNULL(2, 3);

/** Rows that the last weir_exec of the transaction changed; 0 after an error. */
WEIR_API int64_t weir_changes(const weir_tx *tx) WEIR_NONNULL(1);
/** The integer key of the last row that the transaction inserted; 0 when there is none. */
WEIR_API int64_t weir_last_insert_id(const weir_tx *tx) WEIR_NONNULL(1);
/** The transaction's first error so far. */
WEIR_API weir_err weir_tx_err(const weir_tx *tx) WEIR_NONNULL(1);

/**
 * Commits, unless there was an error: then it rolls back and returns that. Rows of the transaction
 * are closed. One within another becomes part of that.
 *
 * returns  WEIR_OK when all of it is in the database; otherwise nothing of it is, but for
 *          WEIR_EGONE and time-outs of the commit itself, of which nobody knows
 * context  the fiber that began it; waits
 */
#define weir_commit(tx) weir_commit_at(WEIR_HERE, (tx))
/** The function behind weir_commit. */
WEIR_API weir_err weir_commit_at(const weir_site *site, weir_tx *tx) WEIR_MUST_USE WEIR_NONNULL(2);

/**
 * Rolls back; under a shield, so also when the context is cancelled. Idempotent, harmless after a
 * commit.
 */
WEIR_API void weir_rollback(weir_tx *tx) WEIR_NONNULL(1);

/** What weir_insert may be given; zero means the default. Strings are read during the call. */
typedef struct weir_insert_options {
    size_t size;         /* the macro's */
    const char *columns; /* names of members, parted by commas: these alone */
    const char *without; /* all but these; not together with `columns` */
} weir_insert_options;

/**
 * Inserts structs as rows: the members' names are those of the columns.
 *
 *     weir_insert(tx, "orders", order, orders, count, .without = "id");
 *
 * Many rows go in few messages, by what the database has for that.
 *
 * tx       as for weir_exec, and so are the errors: the first one stays, further calls do nothing
 * table    letters, digits and '_', with its schema's name before a '.' if need be; read during the
 *          call
 * T        a struct with a model; a member that is absent by its `.present`, and an absent text,
 *          bytes or raw JSON, are NULL
 * items    an array of T, read during the call; may be NULL when `count` is 0
 * ...      members of weir_insert_options. What a database makes itself, as a key that it counts,
 *          is left out
 * returns  WEIR_OK or the transaction's first error: WEIR_EINVALID (no such member, or a struct, an
 *          array or a map, which no column holds), else as weir_exec
 * context  the fiber that began it; waits. weir_changes says how many rows there are more
 */
#define weir_insert(...) WEIR__INSERT(__VA_ARGS__, )
#define WEIR__INSERT(tx, table, T, items, count, ...)                                              \
    WEIR__CALL(weir_insert_at,                                                                     \
               (WEIR_HERE, (tx), (table), &weir_model_##T, (1 ? (items) : (const T *)0), (count)), \
               weir_insert_options, __VA_ARGS__)
/** The function behind weir_insert. `table`, `items` and `options` are read during the call. */
WEIR_API weir_err weir_insert_at(const weir_site *site, weir_tx *tx, const char *table,
                                 const weir_model *model, const void *items, size_t count,
                                 const weir_insert_options *options) WEIR_NONNULL(2, 3, 4, 7);

/**
 * What weir_tx_retry runs in a transaction. `c` is of this try alone: what is made in it is gone
 * after it, and what is to stay goes to where `arg` points. It may run several times, so it does
 * nothing but read, write `tx` and that.
 */
typedef weir_err (*weir_tx_fn)(weir_ctx *c, weir_tx *tx, void *arg);

/** What weir_tx_retry may be given; zero means the default. */
typedef struct weir_tx_retry_options {
    size_t size;              /* the macro's */
    uint32_t tries;           /* 1 to 100, the first one included; default 5 */
    weir_dur backoff;         /* before the second try up to so long, each time drawn anew and twice
                                 as much, up to 1 s; 1 ms to 1 s, default 10 ms */
    weir_isolation isolation; /* as of weir_tx_options, and so are those below */
    bool read_only;
    bool deferrable;
} weir_tx_retry_options;

/**
 * Runs a function in a transaction and commits; all of it again when the database says that others
 * were in the way (WEIR_ESERIALIZATION, WEIR_EDBDEADLOCK), and for nothing else. A commit of which
 * nobody knows whether it was done is never repeated.
 *
 *     weir_err err = weir_tx_retry(c, db, move_money, &order, .isolation = WEIR_SERIALIZABLE);
 *
 * fn       an error of its own rolls back and is returned
 * arg      handed to it; the caller's
 * ...      members of weir_tx_retry_options
 * returns  WEIR_OK once it is committed; else the last try's error, with its record: also when
 *          another try would begin after the context's deadline
 * context  fiber; waits
 */
#define weir_tx_retry(...) WEIR__TX_RETRY(__VA_ARGS__, )
#define WEIR__TX_RETRY(c, db, fn, arg, ...)                                                        \
    WEIR__CALL(weir_tx_retry_at, (WEIR_HERE, (c), (db), (fn), (arg)), weir_tx_retry_options,       \
               __VA_ARGS__)
/** The function behind weir_tx_retry. `arg` outlives the call, `options` are read during it. */
WEIR_API weir_err weir_tx_retry_at(const weir_site *site, weir_ctx *c, weir_db *db, weir_tx_fn fn,
                                   void *arg, const weir_tx_retry_options *options) WEIR_MUST_USE
    WEIR_NONNULL(2, 3, 4, 6);

/** What a single statement did. */
typedef struct weir_result {
    int64_t changes; /* rows inserted, updated or deleted */
    int64_t last_id; /* the integer key of the last row that was inserted */
} weir_result;

/**
 * Runs one statement that writes, in a transaction of its own.
 *
 *     weir_err err = weir_db_exec(c, db, NULL, "DELETE FROM sessions WHERE ends < ?", now);
 *
 * result   filled on success; may be NULL
 * ...      as for weir_exec
 * returns  WEIR_OK, or an error as weir_exec: then nothing was changed
 * context  fiber; waits
 */
#define weir_db_exec(c, db, result, ...)                                                           \
    weir_db_exec_at(WEIR_HERE, (c), (db), (result), sizeof(weir_result), WEIR__SQL(__VA_ARGS__))
/**
 * The function behind weir_db_exec; of `result` so many bytes are filled. `sql` and `args` are read
 * during the call, and not kept.
 */
WEIR_API weir_err weir_db_exec_at(const weir_site *site, weir_ctx *c, weir_db *db,
                                  weir_result *result, size_t result_size, const char *sql,
                                  const weir_arg *args, size_t count) WEIR_MUST_USE
    WEIR_NONNULL(2, 3, 6);

/**
 * Runs a script of statements without values (a schema, sample data) in one transaction.
 *
 * sql      statements parted by semicolons; not BEGIN, COMMIT or ROLLBACK; read during the call,
 *          and not kept
 * returns  WEIR_OK; an error as weir_exec, the record names the statement: then nothing was changed
 * context  fiber; waits
 */
#define weir_exec_script(c, db, sql) weir_exec_script_at(WEIR_HERE, (c), (db), (sql))
/** The function behind weir_exec_script. */
WEIR_API weir_err weir_exec_script_at(const weir_site *site, weir_ctx *c, weir_db *db,
                                      const char *sql) WEIR_MUST_USE WEIR_NONNULL(2, 3, 4);

/* --- the database ----------------------------------------------------------------------------- */

/** Where reads of a database of several nodes go. */
typedef enum weir_reads {
    WEIR_READS_REPLICAS, /* to a replica, where one will do; else to the primary */
    WEIR_READS_ALL,      /* the same, and the primary has its part of them all the time */
    WEIR_READS_PRIMARY   /* to the primary alone: replicas are there to take its place */
} weir_reads;

/**
 * A database on several servers, which its URL lists: a primary, and replicas that follow it. Zero
 * means the default; of a single server, and of SQLite, all of this means nothing.
 *
 * Who the primary is they are asked, whatever their order: it takes writes and transactions.
 * weir_query and transactions that are read_only go to the replica that has least to do, if it
 * answers and is not too far behind. What a request has written it reads from the primary, up to
 * its end (a context that lives on, for lag_max and a minute); what the application's context has
 * written, as at its start, all read from there for lag_max. Without a primary writes fail at
 * once, with WEIR_EUNREACHABLE, and reads go on; another one is found out by asking.
 */
typedef struct weir_nodes_options {
    weir_dur lag_max; /* 1 ms to 24 h: a replica further behind gets no reads; default 10 s */
    weir_dur probe_interval; /* 100 ms to 1 h between two questions to a node; default 5 s. While
                                nobody is the primary it is 250 ms at the most */
    weir_dur probe_timeout;  /* 10 ms to 10 min for its answer; default 2 s */
    weir_reads reads;
} weir_nodes_options;

/**
 * Prepares all statements that are in WEIR_SQL (<weir/checked.h>) on a database whose schema is as
 * the program expects it, and tells what does not fit: nothing is run. `--check-sql` does it for
 * the program's databases, weir_test_check_sql in tests.
 *
 * report   appended: a line for each mistake, in the order of their places: "orders.c:57: column
 *          total: model order has no member of that name, in: SELECT …"
 * returns  WEIR_OK: all fit; WEIR_EINVALID: something does not; other errors as of weir_query: then
 *          not all have been looked at
 * context  fiber, may wait
 */
#define weir_check_sql(c, db, report) weir_check_sql_at(WEIR_HERE, (c), (db), (report))
/** The function behind weir_check_sql; `report` is written to during the call. */
WEIR_API weir_err weir_check_sql_at(const weir_site *site, weir_ctx *c, weir_db *db,
                                    weir_buf *report) WEIR_MUST_USE WEIR_NONNULL(2, 3, 4);

/** WEIR_OK, or why the database could not be opened; every use of it returns that. */
WEIR_API weir_err weir_db_err(const weir_db *db) WEIR_NONNULL(1);

/**
 * Its name in messages and metrics: the file's, or that of the server's database. Borrowed from the
 * database, for its life.
 */
WEIR_API const char *weir_db_name(const weir_db *db) WEIR_NEVER_NULL WEIR_NONNULL(1);

/**
 * The numbers of its connections: those that read, and the one that writes; a server's are one
 * pool, told as both. Of several nodes the primary's are those that write, and those of all others
 * together the ones that read; each node's own are in the metrics, by its address. `readers` and
 * `writer` are filled; either may be NULL. Any context of a worker; does not wait.
 */
#define weir_db_stats(db, readers, writer)                                                         \
    weir_db_stats_at((db), (readers), (writer), sizeof(weir_pool_stats))
/** The function behind weir_db_stats; of each so many bytes are filled. */
WEIR_API void weir_db_stats_at(weir_db *db, weir_pool_stats *readers, weir_pool_stats *writer,
                               size_t stats_size) WEIR_NONNULL(1);

/**
 * Holds the database back: from now on no connection is lent, until weir_db_resume. Who asks for
 * one stands in line, up to its deadline and `.pool.wait_max`, and fails with WEIR_ETIMEDOUT and
 * "it is suspended since … ago"; past `.pool.waiters_max` with WEIR_ELIMIT. Statements and
 * transactions that run go on to their end; weir_db_stats tells when none is left. For a failover,
 * a restart or a change of the schema during which requests are to wait, not fail. Idempotent.
 *
 *     weir_db_suspend(db);
 *     … the server is changed …
 *     weir_db_resume(db);
 *
 * db       one that could not be opened: nothing happens
 * context  any of a worker; does not wait, and needs no connection: also from another worker
 */
WEIR_API void weir_db_suspend(weir_db *db) WEIR_NONNULL(1);

/** Ends that: those in line are served in their order. Idempotent. As weir_db_suspend else. */
WEIR_API void weir_db_resume(weir_db *db) WEIR_NONNULL(1);

/**
 * Changes how many connections the database may have, as `.pool.max_open` and `.pool.min_idle` say
 * it at the start: of each node, where it has several; of SQLite's, of those that read. Growing
 * serves who is in line at once. Shrinking takes nothing away from anybody: idle ones are closed at
 * once, lent ones as they come back. `.pool.max_idle` goes along where it was max_open, and is
 * min_idle at least.
 *
 * max_open  1 to 10,000
 * min_idle  0 to max_open, kept ready, opened ahead
 * returns   WEIR_OK; WEIR_EINVALID: out of those bounds, nothing was changed; -ENOMEM: the room of
 *           some nodes may have been; the error with which the database could not be opened
 * context   as weir_db_suspend
 */
WEIR_API weir_err weir_db_resize(weir_db *db, uint32_t max_open, uint32_t min_idle) WEIR_MUST_USE
    WEIR_NONNULL(1);

/* What follows is how the macros are made; nothing in it is for use. */

/* The statement, an array of values, their number; what the call fills, if anything. */
#define WEIR__SQL(...) WEIR__SQL_FOR(WEIR__NO_MODEL, __VA_ARGS__)
#define WEIR__SQL_FOR(of_model, ...)                                                               \
    WEIR__EACH_ONE_OR_MORE(WEIR__SQL_NONE, WEIR__SQL_SOME, __VA_ARGS__)(of_model, __VA_ARGS__)
#define WEIR__SQL_NONE(of_model, sql) WEIR__CHECKED_CALL(of_model, sql), NULL, 0
#define WEIR__SQL_ARG(unused, x) WEIR_ARG(x)

#ifndef __cplusplus
#define WEIR__SQL_SOME(of_model, sql, ...)                                                         \
    WEIR__CHECKED_CALL_OF(of_model, sql, __VA_ARGS__),                                             \
        (const weir_arg[]){WEIR__EACH(WEIR__SQL_ARG, , __VA_ARGS__)},                              \
        WEIR__EACH_COUNT(__VA_ARGS__)
#else
#define WEIR__SQL_SOME(of_model, sql, ...)                                                         \
    WEIR__CHECKED_CALL_OF(of_model, sql, __VA_ARGS__),                                             \
        (weir__args<WEIR__EACH_COUNT(__VA_ARGS__)>{{WEIR__EACH(WEIR__SQL_ARG, , __VA_ARGS__)}})    \
            .items,                                                                                \
        WEIR__EACH_COUNT(__VA_ARGS__)
/** As above. */
#define WEIR_ARG(x) weir__arg_of(x)
/** As above. */
#define weir_source_of(x) weir__source_of(x)
#endif

#ifdef __cplusplus
}

/* Values of a statement, which live as long as the call. */
template <size_t count> struct weir__args {
    weir_arg items[count];
};

#define WEIR__ARG_OF(type, make)                                                                   \
    static inline weir_arg weir__arg_of(type v)                                                    \
    {                                                                                              \
        return make(v);                                                                            \
    }
WEIR__ARG_OF(bool, weir_arg_int)
WEIR__ARG_OF(signed char, weir_arg_int)
WEIR__ARG_OF(short, weir_arg_int)
WEIR__ARG_OF(int, weir_arg_int)
WEIR__ARG_OF(long, weir_arg_int)
WEIR__ARG_OF(long long, weir_arg_int)
WEIR__ARG_OF(unsigned char, weir_arg_uint)
WEIR__ARG_OF(unsigned short, weir_arg_uint)
WEIR__ARG_OF(unsigned, weir_arg_uint)
WEIR__ARG_OF(unsigned long, weir_arg_uint)
WEIR__ARG_OF(unsigned long long, weir_arg_uint)
WEIR__ARG_OF(float, weir_arg_double)
WEIR__ARG_OF(double, weir_arg_double)
WEIR__ARG_OF(weir_str, weir_arg_str)
WEIR__ARG_OF(const char *, weir_arg_text)
WEIR__ARG_OF(weir_wall, weir_arg_wall)
WEIR__ARG_OF(weir_uuid, weir_arg_uuid)
WEIR__ARG_OF(weir_decimal, weir_arg_decimal)
WEIR__ARG_OF(weir_blob, weir_arg_bytes)
WEIR__ARG_OF(weir_raw_json, weir_arg_json)
WEIR__ARG_OF(weir_null, weir_arg_null)
WEIR__ARG_OF(weir_arg, weir_arg_same)

static inline weir_source weir__source_of(weir_db *db)
{
    return weir_source_db(db);
}
static inline weir_source weir__source_of(weir_tx *tx)
{
    return weir_source_tx(tx);
}
#endif
#endif
