/*
 * What a text of SQL says, without a database: how many values it takes, how many statements it is,
 * whether they only read, and what they would leave behind on their connection. Programs write `?`
 * for a value; here it becomes what the server wants.
 *
 * All of it is read from the form of the text alone. A function that writes, or a setting made
 * within one, is not seen: facts are for the choice of a connection and for words that help, never
 * for permission.
 */
#ifndef WEIR_WIRE_SQL_TEXT_H
#define WEIR_WIRE_SQL_TEXT_H

#include "wire/sql_lex.h"

enum { WEIR__SQL_PARAMS_MAX = 256 };

struct weir__sql_facts {
    uint32_t param_count;     /* values that it takes: one a `?`, or the greatest number */
    uint32_t statement_count; /* empty ones between semicolons are none */
    bool is_numbered;         /* by $1 (PostgreSQL) or ?1 (SQLite) */
    bool is_verbatim;         /* weir__sql_text_write would change nothing */

    bool reads_only; /* all of it: SELECT without INTO and FOR UPDATE, VALUES, SHOW, EXPLAIN, … */
    bool has_returning; /* some statement that writes yields rows */
    bool wants_tx;      /* has an effect within a transaction alone: SAVEPOINT, SET LOCAL, … */
    bool commits;       /* MySQL: ends the transaction that it runs in, as CREATE TABLE does */
    weir_str verb; /* the first keyword of the first statement, as written; absent without one */

    /* What would outlive the statement on its connection, as written ("SET", "pg_advisory_lock"),
     * and what to do instead (a constant text); absent and NULL where there is nothing such. */
    weir_str outlives;
    const char *instead;

    size_t at; /* after an error: where, in bytes from the beginning */
};

/* Reads `sql`, which is borrowed by `facts`. Returns 0, or an error and its place. */
int weir__sql_text_read(enum weir__sql_dialect dialect, weir_str sql,
                        struct weir__sql_facts *facts);

/*
 * Writes `sql`, which was read without an error, as the server wants it: PostgreSQL's values are $1
 * and so on, `??` is ?, and what would grow together with its neighbour (LIMIT?) is kept apart.
 * Returns the length, and writes up to `room` bytes of it, without a NUL; out may be NULL for none.
 */
size_t weir__sql_text_write(enum weir__sql_dialect dialect, weir_str sql, char *out, size_t room);

/*
 * The next statement of a script, without its semicolon and the blanks around it; what follows is
 * `rest`, whose beginning moves on. Bodies of triggers and routines are part of theirs. False at
 * the end, or when `*err` says that there is an error; *rest begins at its place then.
 */
bool weir__sql_text_next(enum weir__sql_dialect dialect, weir_str *rest, weir_str *statement,
                         int *err);

/* Line and column of a place, both from 1, the column in bytes. */
void weir__sql_text_place(weir_str sql, size_t at, unsigned *line, unsigned *column);

#endif
