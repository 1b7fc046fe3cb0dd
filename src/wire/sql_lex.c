/*
 * Tokens of SQL. One pass, byte by byte, without memory: each function below takes the lexer past
 * one thing, and says where it began when that thing has no end.
 *
 * The hard thing is that a mistake here is an injection elsewhere: what the database takes for a
 * text must be taken for one here. So each rule follows its server's own scanner (SQLite's
 * tokenize.c, PostgreSQL's scan.l, MySQL's sql_lex.cc), and what those read in more than one way,
 * depending on their version, is refused.
 */
#include "wire/sql_lex.h"

#include <string.h>

const char *weir__sql_text_error_text(int err)
{
    static const char *const texts[] = {
        [0] = "a NUL byte",
        [WEIR_SQL_ESTRING - WEIR_SQL_ENUL] = "a text in quotes that does not end",
        [WEIR_SQL_ENAME - WEIR_SQL_ENUL] = "a name in quotes that does not end",
        [WEIR_SQL_ECOMMENT - WEIR_SQL_ENUL] = "a comment that does not end",
        [WEIR_SQL_EDOLLAR - WEIR_SQL_ENUL] = "a dollar quote that does not end",
        [WEIR_SQL_ENAMED - WEIR_SQL_ENUL] = "a parameter with a name: each value's place is a ?",
        [WEIR_SQL_ENUMBERED - WEIR_SQL_ENUL] =
            "a numbered parameter that this database has not: each value's place is a ?",
        [WEIR_SQL_EMIXED - WEIR_SQL_ENUL] =
            "both ? and numbered parameters (the operator ? is written \?\?)",
        [WEIR_SQL_EGAP - WEIR_SQL_ENUL] = "numbered parameters with a gap before",
        [WEIR_SQL_ETOOMANY - WEIR_SQL_ENUL] = "more parameters than a statement may have",
        [WEIR_SQL_EOPERATOR - WEIR_SQL_ENUL] = "\?\? where the database has no operator ?",
        [WEIR_SQL_EEXECUTABLE - WEIR_SQL_ENUL] =
            "a comment that some servers execute, with a parameter, a semicolon or a comment in it",
    };
    if (err < WEIR_SQL_ENUL || err >= WEIR_SQL_ERROR_END)
        return "malformed SQL";
    return texts[err - WEIR_SQL_ENUL];
}

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

static bool is_letter(char ch)
{
    char lower = (char)(ch | 0x20);
    return (lower >= 'a' && lower <= 'z') || ch == '_' || (ch & 0x80) != 0;
}

static bool is_blank(char ch)
{
    return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

bool weir__sql_is_word_byte(char byte)
{
    return is_letter(byte) || is_digit(byte) || byte == '$';
}

/* The byte so far behind the place; NUL past the end. */
static char peek(const struct weir__sql_lex *lex, size_t ahead)
{
    return ahead < lex->sql.len - lex->at ? lex->sql.ptr[lex->at + ahead] : '\0';
}

/* --- comments and blanks ---------------------------------------------------------------------- */

static void skip_line(struct weir__sql_lex *lex)
{
    bool ends_at_return = lex->dialect == WEIR__SQL_POSTGRES;
    while (lex->at < lex->sql.len) {
        char ch = lex->sql.ptr[lex->at++];
        if (ch == '\n' || (ch == '\r' && ends_at_return))
            return;
    }
}

/* MySQL wants a blank or a control character behind the dashes: 5--3 is 8. */
static bool is_line_comment(const struct weir__sql_lex *lex)
{
    if (lex->dialect == WEIR__SQL_MYSQL && peek(lex, 0) == '#')
        return true;
    if (peek(lex, 0) != '-' || peek(lex, 1) != '-')
        return false;
    unsigned char next = (unsigned char)peek(lex, 2);
    return lex->dialect != WEIR__SQL_MYSQL || next <= ' ' || next == 0x7f;
}

static int skip_comment(struct weir__sql_lex *lex, struct weir__sql_token *token)
{
    size_t depth = 1;
    token->at = lex->at;
    for (lex->at += 2; lex->at < lex->sql.len; lex->at++) {
        char ch = peek(lex, 0), next = peek(lex, 1);
        if (ch == '*' && next == '/') {
            lex->at += 1;
            if (--depth == 0) {
                lex->at += 1;
                return 0;
            }
        } else if (ch == '/' && next == '*' && lex->dialect == WEIR__SQL_POSTGRES) {
            lex->at += 1;
            depth++;
        }
    }
    return lex->dialect == WEIR__SQL_SQLITE ? 0 : WEIR_SQL_ECOMMENT;
}

/* Whether a comment's opening is of one whose content is executed: slash, star, an exclamation mark
 * (or M and one). */
static bool is_executable(const struct weir__sql_lex *lex)
{
    return lex->dialect == WEIR__SQL_MYSQL &&
           (peek(lex, 2) == '!' || (peek(lex, 2) == 'M' && peek(lex, 3) == '!'));
}

/*
 * Past the opening, and the version since which the content is executed. Servers of other versions
 * skip the content up to the first end of a comment, whatever that stands in: so it must be the end
 * for all of them.
 */
static int enter_executable(struct weir__sql_lex *lex)
{
    size_t n = peek(lex, 2) == 'M' ? 4 : 3;
    for (int digits = 0; digits < 6 && is_digit(peek(lex, n)); digits++)
        n++;
    lex->at += n;
    const char *content = lex->sql.ptr + lex->at;
    const char *end = memmem(content, lex->sql.len - lex->at, "*/", 2);
    if (end == NULL)
        return WEIR_SQL_ECOMMENT;
    lex->executable_end = (size_t)(end - lex->sql.ptr);
    lex->saw_executable = true;
    return 0;
}

static int skip_any_comment(struct weir__sql_lex *lex, struct weir__sql_token *token)
{
    token->at = lex->at;
    if (lex->executable_end > 0)
        return WEIR_SQL_EEXECUTABLE;
    return is_executable(lex) ? enter_executable(lex) : skip_comment(lex, token);
}

/* Past one blank, comment, or end of an executable comment. False when there is none of them. */
static bool skip_blank(struct weir__sql_lex *lex, struct weir__sql_token *token, int *err)
{
    char ch = peek(lex, 0);
    if (lex->executable_end > 0 && lex->at >= lex->executable_end) {
        *err = lex->at > lex->executable_end ? WEIR_SQL_EEXECUTABLE : 0;
        token->at = lex->at;
        lex->at = lex->executable_end + 2;
        lex->executable_end = 0;
    } else if (is_blank(ch)) {
        lex->at++;
    } else if (is_line_comment(lex)) {
        skip_line(lex);
    } else if (ch == '/' && peek(lex, 1) == '*') {
        *err = skip_any_comment(lex, token);
    } else {
        return false;
    }
    return true;
}

static int skip_blanks(struct weir__sql_lex *lex, struct weir__sql_token *token)
{
    int err = 0;
    while (err == 0 && lex->at < lex->sql.len && skip_blank(lex, token, &err))
        ;
    return err;
}

/* --- texts and names -------------------------------------------------------------------------- */

/* Past the closing quote; doubled it is one of the content's. False when there is none. */
static bool skip_quoted(struct weir__sql_lex *lex, char closing, bool has_doubled,
                        bool has_backslash)
{
    for (lex->at++; lex->at < lex->sql.len; lex->at++) {
        char ch = peek(lex, 0);
        if (ch == '\\' && has_backslash) {
            lex->at++;
        } else if (ch == closing) {
            if (!has_doubled || peek(lex, 1) != closing) {
                lex->at++;
                return true;
            }
            lex->at++;
        }
    }
    lex->at = lex->sql.len;
    return false;
}

/*
 * PostgreSQL: texts with a line's end between them are one, and go on as they began, so that a
 * backslash in the second part of E'a' … 'b' escapes as well. Moves to the quote that goes on.
 */
static bool goes_on(struct weir__sql_lex *lex)
{
    struct weir__sql_lex ahead = *lex;
    bool has_line_end = false;
    while (ahead.at < ahead.sql.len) {
        char ch = peek(&ahead, 0);
        if (ch == '-' && peek(&ahead, 1) == '-') {
            skip_line(&ahead);
            has_line_end = ahead.at < ahead.sql.len;
        } else if (is_blank(ch) && ch != '\v') {
            has_line_end = has_line_end || ch == '\n' || ch == '\r';
            ahead.at++;
        } else {
            break;
        }
    }
    if (!has_line_end || peek(&ahead, 0) != '\'')
        return false;
    lex->at = ahead.at;
    return true;
}

/* At the quote; `escapes` says whether a backslash does. */
static int take_string(struct weir__sql_lex *lex, struct weir__sql_token *token, bool escapes)
{
    token->kind = WEIR__SQL_STRING;
    do {
        if (!skip_quoted(lex, peek(lex, 0), true, escapes))
            return WEIR_SQL_ESTRING;
    } while (lex->dialect == WEIR__SQL_POSTGRES && goes_on(lex));
    return 0;
}

static int take_name(struct weir__sql_lex *lex, struct weir__sql_token *token, char closing)
{
    token->kind = WEIR__SQL_NAME;
    return skip_quoted(lex, closing, closing != ']', false) ? 0 : WEIR_SQL_ENAME;
}

/* The length of $tag$ at the place, 0 when it is none. */
static size_t dollar_tag(const struct weir__sql_lex *lex)
{
    size_t n = 1;
    if (is_digit(peek(lex, n)))
        return 0;
    while (is_letter(peek(lex, n)) || is_digit(peek(lex, n)))
        n++;
    return peek(lex, n) == '$' ? n + 1 : 0;
}

static int take_dollar_quote(struct weir__sql_lex *lex, struct weir__sql_token *token, size_t tag)
{
    token->kind = WEIR__SQL_STRING;
    const char *opening = lex->sql.ptr + lex->at, *content = opening + tag;
    size_t left = lex->sql.len - lex->at - tag;
    const char *closing = memmem(content, left, opening, tag);
    if (closing == NULL) {
        lex->at = lex->sql.len;
        return WEIR_SQL_EDOLLAR;
    }
    lex->at = (size_t)(closing + tag - lex->sql.ptr);
    return 0;
}

/* --- words, numbers, parameters --------------------------------------------------------------- */

static int take_word(struct weir__sql_lex *lex, struct weir__sql_token *token)
{
    token->kind = WEIR__SQL_WORD;
    while (lex->at < lex->sql.len && weir__sql_is_word_byte(peek(lex, 0)))
        lex->at++;
    bool is_escape = lex->dialect == WEIR__SQL_POSTGRES && lex->at - token->at == 1 &&
                     (lex->sql.ptr[token->at] | 0x20) == 'e' && peek(lex, 0) == '\'';
    return is_escape ? take_string(lex, token, true) : 0;
}

/* As far as letters and dots go, which is further than a number does: what is wrong with it is the
 * database's to say. Only PostgreSQL lets a parameter or a quote follow, whose sign is $. */
static int take_number(struct weir__sql_lex *lex, struct weir__sql_token *token)
{
    token->kind = WEIR__SQL_NUMBER;
    while (lex->at < lex->sql.len) {
        char ch = peek(lex, 0);
        if (ch != '.' &&
            (!weir__sql_is_word_byte(ch) || (ch == '$' && lex->dialect == WEIR__SQL_POSTGRES)))
            break;
        lex->at++;
    }
    return 0;
}

/* Digits; a number that no statement can have is one that is too large. */
static uint32_t take_digits(struct weir__sql_lex *lex)
{
    uint32_t n = 0;
    for (; is_digit(peek(lex, 0)); lex->at++)
        n = n < 100000 ? n * 10 + (uint32_t)(peek(lex, 0) - '0') : n;
    return n;
}

static int take_question(struct weir__sql_lex *lex, struct weir__sql_token *token)
{
    lex->at++;
    if (peek(lex, 0) == '?') {
        lex->at++;
        token->kind = WEIR__SQL_QUESTION;
        return lex->dialect == WEIR__SQL_POSTGRES ? 0 : WEIR_SQL_EOPERATOR;
    }
    token->kind = WEIR__SQL_PARAM;
    if (!is_digit(peek(lex, 0)))
        return 0;
    token->number = take_digits(lex);
    bool is_known = lex->dialect == WEIR__SQL_SQLITE && token->number > 0;
    return is_known ? 0 : WEIR_SQL_ENUMBERED;
}

static int take_dollar(struct weir__sql_lex *lex, struct weir__sql_token *token)
{
    size_t tag = lex->dialect == WEIR__SQL_POSTGRES ? dollar_tag(lex) : 0;
    if (tag > 0)
        return take_dollar_quote(lex, token, tag);
    lex->at++;
    token->kind = WEIR__SQL_BYTE;
    if (lex->dialect != WEIR__SQL_POSTGRES || !is_digit(peek(lex, 0)))
        return 0;
    token->kind = WEIR__SQL_PARAM;
    token->number = take_digits(lex);
    return token->number > 0 ? 0 : WEIR_SQL_ENUMBERED;
}

static bool is_named(const struct weir__sql_lex *lex)
{
    char ch = peek(lex, 0);
    return lex->dialect == WEIR__SQL_SQLITE && ch != '\0' && strchr(":@#$", ch) != NULL &&
           weir__sql_is_word_byte(peek(lex, 1));
}

/* --- a token ---------------------------------------------------------------------------------- */

static int take_other(struct weir__sql_lex *lex, struct weir__sql_token *token)
{
    char ch = peek(lex, 0);
    if (ch == '$')
        return take_dollar(lex, token);
    token->kind = ch == ';' ? WEIR__SQL_SEMICOLON : WEIR__SQL_BYTE;
    lex->at++;
    return ch != '\0' ? 0 : WEIR_SQL_ENUL;
}

static int take(struct weir__sql_lex *lex, struct weir__sql_token *token)
{
    bool is_mysql = lex->dialect == WEIR__SQL_MYSQL;
    char ch = peek(lex, 0);
    if (is_letter(ch))
        return take_word(lex, token);
    if (is_digit(ch))
        return take_number(lex, token);
    if (ch == '\'' || (ch == '"' && is_mysql))
        return take_string(lex, token, is_mysql);
    if (ch == '"' || (ch == '`' && lex->dialect != WEIR__SQL_POSTGRES))
        return take_name(lex, token, ch);
    if (ch == '[' && lex->dialect == WEIR__SQL_SQLITE)
        return take_name(lex, token, ']');
    if (ch == '?')
        return take_question(lex, token);
    if (is_named(lex)) {
        token->kind = WEIR__SQL_PARAM;
        return WEIR_SQL_ENAMED;
    }
    return take_other(lex, token);
}

int weir__sql_lex_next(struct weir__sql_lex *lex, struct weir__sql_token *token)
{
    *token = (struct weir__sql_token){.kind = WEIR__SQL_END};
    int err = skip_blanks(lex, token);
    if (err < 0)
        return err;
    token->at = lex->at;
    if (lex->at == lex->sql.len) /* within: a line comment hides the end of the executable one */
        return lex->executable_end > 0 ? WEIR_SQL_EEXECUTABLE : 0;
    err = take(lex, token);
    token->len = lex->at - token->at;
    if (lex->executable_end == 0 || err < 0)
        return err;
    bool is_forbidden = token->kind == WEIR__SQL_PARAM || token->kind == WEIR__SQL_SEMICOLON;
    return is_forbidden || lex->at > lex->executable_end ? WEIR_SQL_EEXECUTABLE : 0;
}
