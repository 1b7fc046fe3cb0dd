/*
 * Several statements in one send: what a handler asks of its database without needing one answer
 * for the next question costs one round trip instead of one each.
 *
 *     weir_batch *b = weir_batch_new(c, db);
 *     weir_batch_one(b, user, &u, "SELECT name, email FROM users WHERE id = ?", id);
 *     weir_batch_all(b, order, &orders, 100, "SELECT id, total FROM orders WHERE owner = ?", id);
 *     weir_batch_exec(b, NULL, "UPDATE users SET seen = ? WHERE id = ?", now, id);
 *     weir_err err = weir_batch_run(b);
 *
 * Nothing happens before weir_batch_run: it sends all, reads the answers in their order, and fills
 * what was given. On a database each statement stands for itself, as if it had been called alone:
 * the failure of one undoes no other. All or nothing is a transaction: a batch in one (a weir_tx *)
 * stops at the first failure, which is the transaction's.
 *
 * PostgreSQL, MySQL and MariaDB get them together, prepared first where they were not; SQLite, to
 * which nothing is sent, runs one after the other.
 */
#ifndef WEIR_BATCH_H
#define WEIR_BATCH_H

#include <weir/sql.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Statements that are sent together. Belongs to the fiber that made it. */
typedef struct weir_batch weir_batch;

/** The most statements of a batch, the most different ones, and bytes of texts that it copies. */
#define WEIR_BATCH_MAX 256
#define WEIR_BATCH_TEXTS_MAX 64
#define WEIR_BATCH_BYTES_MAX (4 << 20)

/**
 * A batch without statements.
 *
 * from     a weir_db *, or the weir_tx * of a transaction of this fiber. A batch on a database goes
 *          where writes go when weir_batch_exec was called, else where weir_query goes
 * returns  the batch; never NULL: where there is no memory, one that does nothing and keeps the
 *          error
 * owner    the context; it holds no connection before weir_batch_run, and none after it. One with
 *          statements that was never run is reported when the context ends well
 * context  fiber
 */
#define weir_batch_new(c, from) weir_batch_new_at(WEIR_HERE, (c), weir_source_of(from))
/** The function behind weir_batch_new. */
WEIR_API weir_batch *weir_batch_new_at(const weir_site *site, weir_ctx *c,
                                       weir_source from) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(2);

/**
 * Adds a query for one row, as weir_query_one: rows behind the first are passed over.
 *
 * T        as in weir_rows_next
 * out      filled by weir_batch_run when there is a row, so it outlives that; texts, bytes and raw
 *          JSON in it are copies in the context's memory
 * ...      the statement and its values, as for weir_query; both are copied: what they point to may
 *          be changed when the call is over
 * errors   kept, and returned by weir_batch_run, which then sends nothing: WEIR_ELIMIT (a limit of
 *          those above), -ENOMEM, WEIR_ECLOSED (it has run). Those of the statement are the item's
 * context  the fiber that made it; does not wait
 */
#define weir_batch_one(b, T, out, ...)                                                             \
    weir_batch_one_at(WEIR_HERE, (b), &weir_model_##T, (1 ? (out) : (T *)0),                       \
                      WEIR__SQL_FOR(&weir_model_##T, __VA_ARGS__))
/** The function behind weir_batch_one. `out` is kept until the run; `sql` and `args` are copied. */
WEIR_API void weir_batch_one_at(const weir_site *site, weir_batch *b, const weir_model *model,
                                void *out, const char *sql, const weir_arg *args, size_t count)
    WEIR_NONNULL(2, 3, 4, 5);

/**
 * Adds a query for all of its rows, as weir_query_all.
 *
 * out       a pointer to a WEIR_ARRAY of T, which is empty from now on; filled by weir_batch_run,
 *           so it outlives that
 * rows_max  1 at the least; one row more is the item's WEIR_ELIMIT
 * ...       and the rest: as for weir_batch_one
 */
#define weir_batch_all(b, T, out, rows_max, ...)                                                   \
    weir_batch_all_at(WEIR_HERE, (b), &weir_model_##T, (1 ? &(out)->ptr : (T **)0), (rows_max),    \
                      WEIR__SQL(__VA_ARGS__))
/**
 * The function behind weir_batch_all: `out` is kept until the run, a pointer to the items and a
 * size_t behind it, how many they are; `sql` and `args` are copied.
 */
WEIR_API void weir_batch_all_at(const weir_site *site, weir_batch *b, const weir_model *model,
                                void *out, uint64_t rows_max, const char *sql, const weir_arg *args,
                                size_t count) WEIR_NONNULL(2, 3, 4, 6);

/**
 * Adds a statement that writes, as weir_db_exec, or in a transaction weir_exec.
 *
 * result   filled by weir_batch_run when it went well, so it outlives that; may be NULL
 * ...      and the rest: as for weir_batch_one
 */
#define weir_batch_exec(b, result, ...)                                                            \
    weir_batch_exec_at(WEIR_HERE, (b), (result), sizeof(weir_result), WEIR__SQL(__VA_ARGS__))
/**
 * The function behind weir_batch_exec; of `result`, which is kept until the run, so many bytes are
 * filled. `sql` and `args` are copied.
 */
WEIR_API void weir_batch_exec_at(const weir_site *site, weir_batch *b, weir_result *result,
                                 size_t result_size, const char *sql, const weir_arg *args,
                                 size_t count) WEIR_NONNULL(2, 5);

/**
 * Sends all that was added and reads the answers, in the order of the calls. Once: a second run
 * returns what the first one did.
 *
 * returns  WEIR_OK: all of it went well. Else, on a database, the first error of an item, of those
 *          that are more than WEIR_ENOTFOUND if there is one; the others have run all the same. In
 *          a transaction the first error, which is the transaction's too (but for WEIR_ENOTFOUND):
 *          what was added behind it has not run, or is undone with it
 * errors   of items, as of weir_query_one, weir_query_all, weir_db_exec and weir_exec; of no
 *          connection (WEIR_ELIMIT, WEIR_ETIMEDOUT …) and of a transaction that takes nothing; what
 *          adding said. WEIR_EGONE and the reason for which `c` was cancelled are those of all
 *          items whose answers had not come by then; what may have run is not sent again
 * context  the fiber that made it; waits, each answer up to the context's deadline
 */
#define weir_batch_run(b) weir_batch_run_at(WEIR_HERE, (b))
/** The function behind weir_batch_run. */
WEIR_API weir_err weir_batch_run_at(const weir_site *site, weir_batch *b) WEIR_MUST_USE
    WEIR_NONNULL(2);

/**
 * How one item of a batch went.
 *
 * index    of what was added, from 0 on; misuse past the last one
 * returns  WEIR_OK, WEIR_ENOTFOUND (no row), its error; WEIR_ECANCELED when it has not run, because
 *          the batch has not or one before it has failed the transaction
 * context  the fiber that made it
 */
WEIR_API weir_err weir_batch_err(const weir_batch *b, size_t index) WEIR_MUST_USE WEIR_NONNULL(1);

/**
 * The record of an item's error: code, what the database said, the statement, the line that added
 * it, the constraint. The first one of a batch is weir_last_error's too, where nothing was in it.
 *
 * index    as for weir_batch_err
 * returns  the record, which lives as long as the context; NULL: the item went well, or its error
 *          is none of its own (WEIR_ENOTFOUND, WEIR_ECANCELED, the reason of the context)
 */
WEIR_API const weir_error *weir_batch_error(const weir_batch *b, size_t index) WEIR_MUST_USE
    WEIR_NONNULL(1);

/**
 * Whether the database may have done what an item with an error asked for: it was sent, and what
 * became of it is not known (the connection broke, or the wait was given up). False: it went well,
 * it was refused, or it was never sent.
 *
 * index    as for weir_batch_err
 */
WEIR_API bool weir_batch_may_have_run(const weir_batch *b, size_t index) WEIR_MUST_USE
    WEIR_NONNULL(1);

#ifdef __cplusplus
}
#endif
#endif
