/*
 * What one statement means, told token by token; for sql_text.c. Where the statement ends is known
 * here too, because a semicolon within the body of a trigger or routine ends nothing.
 */
#ifndef WEIR_WIRE_SQL_STATEMENT_H
#define WEIR_WIRE_SQL_STATEMENT_H

#include "wire/sql_text.h"

enum { WEIR__SQL_WORDS = 3 };

struct weir__sql_statement {
    enum weir__sql_dialect dialect;
    weir_str sql;                        /* borrowed */
    struct weir__sql_token before, prev; /* the last two tokens; of the kind END at first */
    weir_str words[WEIR__SQL_WORDS];     /* the first ones, but for those that say little */
    uint32_t word_count;                 /* of them */
    uint32_t depth;                      /* of parentheses */
    uint32_t block_depth;                /* of BEGIN and CASE in a body */
    uint32_t set_config_depth; /* of the parentheses of a set_config that is open, else 0 */
    bool is_routine;           /* CREATE TRIGGER and the like */
    bool has_object;           /* what is created was named */
    bool writes, analyzes, has_returning; /* some part of it */
    bool wants_tx, drops_on_commit;
    weir_str outlives; /* some part of it, and what to do instead */
    const char *instead;
};

/* A new one; `sql` is the whole text. */
void weir__sql_statement_init(struct weir__sql_statement *s, enum weir__sql_dialect dialect,
                              weir_str sql);

/* Takes the next token, which may be a semicolon or the end. True when the statement ends here. */
bool weir__sql_statement_take(struct weir__sql_statement *s, const struct weir__sql_token *token);

/* Adds what the statement does to the facts of the text. One without tokens is none. */
void weir__sql_statement_add(const struct weir__sql_statement *s, struct weir__sql_facts *facts);

#endif
