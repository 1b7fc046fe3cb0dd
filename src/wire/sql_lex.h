/*
 * SQL cut into tokens, as the database that it is for would cut it: where a text, a quoted name, a
 * comment or a dollar quote begins and ends, so that what is in there is not taken for something
 * else. What a token means is sql_text.h's.
 *
 * The dialects are those of servers as they come, and as the drivers leave them: PostgreSQL with
 * standard_conforming_strings, MySQL and MariaDB without NO_BACKSLASH_ESCAPES and ANSI_QUOTES (a
 * double quote begins a text there), in UTF-8.
 *
 *               SQLite            PostgreSQL                  MySQL, MariaDB
 *   texts       '…'               '…' E'…\'…' $tag$…$tag$     '…\'…' "…\"…"
 *   names       "…" `…` […]       "…"                         `…`
 *   comments    -- and nothing nested, but for PostgreSQL     -- with a blank, #
 *               where the end may be missing (SQLite)
 *   values      ? ?1              ? $1                        ?
 */
#ifndef WEIR_WIRE_SQL_LEX_H
#define WEIR_WIRE_SQL_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/str.h>

enum weir__sql_dialect { WEIR__SQL_SQLITE, WEIR__SQL_POSTGRES, WEIR__SQL_MYSQL };

enum weir__sql_text_error {
    WEIR_SQL_ENUL = -3700, /* a NUL byte: servers and libraries end the text there */
    WEIR_SQL_ESTRING,      /* a text, … */
    WEIR_SQL_ENAME,        /* a quoted name, … */
    WEIR_SQL_ECOMMENT,     /* a comment, … */
    WEIR_SQL_EDOLLAR,      /* a dollar quote that does not end */
    WEIR_SQL_ENAMED,       /* SQLite's :a, @a and $a */
    WEIR_SQL_ENUMBERED,    /* a number where the dialect has none, 0, or over the most */
    WEIR_SQL_EMIXED,       /* ? beside numbers */
    WEIR_SQL_EGAP,         /* $1 and $3 */
    WEIR_SQL_ETOOMANY,
    WEIR_SQL_EOPERATOR,   /* ?? where there is no operator ? */
    WEIR_SQL_EEXECUTABLE, /* an executable comment that servers read in more than one way */
    WEIR_SQL_ERROR_END
};

/** A constant text about an error. */
const char *weir__sql_text_error_text(int err);

enum weir__sql_token_kind {
    WEIR__SQL_END,
    WEIR__SQL_WORD,     /* a keyword or a name without quotes */
    WEIR__SQL_NAME,     /* a name in quotes */
    WEIR__SQL_STRING,   /* a text, of whatever form */
    WEIR__SQL_NUMBER,   /* begins with a digit */
    WEIR__SQL_PARAM,    /* ? or a numbered one */
    WEIR__SQL_QUESTION, /* ??: the operator ? */
    WEIR__SQL_SEMICOLON,
    WEIR__SQL_BYTE /* anything else: a byte of an operator, a parenthesis, a comma */
};

struct weir__sql_token {
    enum weir__sql_token_kind kind;
    uint32_t number; /* of a numbered parameter, else 0 */
    size_t at, len;  /* in the text */
};

struct weir__sql_lex {
    enum weir__sql_dialect dialect;
    weir_str sql; /* borrowed */
    size_t at;    /* where the next token is looked for */
    /* MySQL's comments whose content is executed: where the one ends that this is in, else 0, and
     * whether there was any. */
    size_t executable_end;
    bool saw_executable;
};

/* The next token; comments and blanks are skipped, an executable comment is what is in it. At the
 * end WEIR__SQL_END, again and again. Returns 0 or an error, whose place is then token->at. */
int weir__sql_lex_next(struct weir__sql_lex *lex, struct weir__sql_token *token);

/* Whether a byte may stand within a word. */
bool weir__sql_is_word_byte(char byte);

#endif
