/*
 * Texts of SQL: their parameters, their statements, and how a server wants them written.
 *
 * Reading and writing are two passes over the same tokens, so that what was counted is what is
 * rewritten; neither needs memory.
 */
#include "wire/sql_text.h"
#include "wire/sql_statement.h"

#include <stdio.h>

/* --- parameters ------------------------------------------------------------------------------- */

struct params {
    uint64_t seen[WEIR__SQL_PARAMS_MAX / 64]; /* the numbers, from 0 */
    size_t at_greatest;                       /* where the greatest number stands */
};

/* Whether a parameter would grow together with what stands beside it, once it is written. */
static bool touches_next(weir_str sql, const struct weir__sql_token *token)
{
    size_t end = token->at + token->len;
    return end < sql.len && weir__sql_is_word_byte(sql.ptr[end]);
}

static bool touches_previous(weir_str sql, const struct weir__sql_token *token)
{
    return token->at > 0 && weir__sql_is_word_byte(sql.ptr[token->at - 1]);
}

static int count_numbered(struct params *params, const struct weir__sql_token *token,
                          struct weir__sql_facts *facts)
{
    if (token->number > WEIR__SQL_PARAMS_MAX)
        return WEIR_SQL_ETOOMANY;
    uint32_t bit = token->number - 1;
    params->seen[bit / 64] |= UINT64_C(1) << bit % 64;
    if (token->number > facts->param_count) {
        facts->param_count = token->number;
        params->at_greatest = token->at;
    }
    return 0;
}

static int count_param(struct params *params, enum weir__sql_dialect dialect, weir_str sql,
                       const struct weir__sql_token *token, struct weir__sql_facts *facts)
{
    bool is_numbered = token->number > 0;
    if (facts->param_count > 0 && facts->is_numbered != is_numbered)
        return WEIR_SQL_EMIXED;
    facts->is_numbered = is_numbered;
    if (is_numbered)
        return count_numbered(params, token, facts);
    if (facts->param_count == WEIR__SQL_PARAMS_MAX)
        return WEIR_SQL_ETOOMANY;
    facts->param_count++;
    if (dialect == WEIR__SQL_POSTGRES || (dialect == WEIR__SQL_MYSQL && touches_next(sql, token)))
        facts->is_verbatim = false;
    return 0;
}

static bool has_gap(const struct params *params, const struct weir__sql_facts *facts)
{
    for (uint32_t bit = 0; facts->is_numbered && bit < facts->param_count; bit++) {
        if ((params->seen[bit / 64] >> bit % 64 & 1) == 0)
            return true;
    }
    return false;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What an executable comment does is up to the server, so it may well write. */
static int read_tokens(struct weir__sql_lex *lex, struct params *params,
                       struct weir__sql_facts *facts)
{
    struct weir__sql_statement statement;
    struct weir__sql_token token;
    weir__sql_statement_init(&statement, lex->dialect, lex->sql);
    do {
        int err = weir__sql_lex_next(lex, &token);
        facts->at = token.at;
        if (err == 0 && token.kind == WEIR__SQL_PARAM)
            err = count_param(params, lex->dialect, lex->sql, &token, facts);
        if (err < 0)
            return err;
        if (token.kind == WEIR__SQL_QUESTION)
            facts->is_verbatim = false;
        if (weir__sql_statement_take(&statement, &token)) {
            weir__sql_statement_add(&statement, facts);
            weir__sql_statement_init(&statement, lex->dialect, lex->sql);
        }
    } while (token.kind != WEIR__SQL_END);
    if (lex->saw_executable)
        facts->reads_only = false;
    return 0;
}

int weir__sql_text_read(enum weir__sql_dialect dialect, weir_str sql, struct weir__sql_facts *facts)
{
    *facts = (struct weir__sql_facts){.is_verbatim = true};
    const char *nul = sql.len > 0 ? memchr(sql.ptr, '\0', sql.len) : NULL;
    if (nul != NULL) {
        facts->at = (size_t)(nul - sql.ptr);
        return WEIR_SQL_ENUL;
    }
    struct weir__sql_lex lex = {.dialect = dialect, .sql = sql};
    struct params params = {.at_greatest = 0};
    int err = read_tokens(&lex, &params, facts);
    if (err == 0 && has_gap(&params, facts)) {
        facts->at = params.at_greatest;
        err = WEIR_SQL_EGAP;
    }
    return err;
}

/* --- writing ---------------------------------------------------------------------------------- */

struct writer {
    char *out;
    size_t room, len;
};

static void put(struct writer *w, const char *bytes, size_t n)
{
    if (w->out != NULL && w->len < w->room) {
        size_t fits = w->room - w->len;
        memcpy(w->out + w->len, bytes, n < fits ? n : fits);
    }
    w->len += n;
}

static void put_param(struct writer *w, enum weir__sql_dialect dialect, weir_str sql,
                      const struct weir__sql_token *token, uint32_t number)
{
    char text[16];
    if (dialect == WEIR__SQL_POSTGRES) {
        if (touches_previous(sql, token))
            put(w, " ", 1);
        put(w, text, (size_t)snprintf(text, sizeof text, "$%u", (unsigned)number));
    } else {
        put(w, "?", 1);
    }
    if (touches_next(sql, token))
        put(w, " ", 1);
}

size_t weir__sql_text_write(enum weir__sql_dialect dialect, weir_str sql, char *out, size_t room)
{
    struct weir__sql_lex lex = {.dialect = dialect, .sql = sql};
    struct writer w = {.out = out, .room = room};
    struct weir__sql_token token;
    uint32_t number = 0;
    size_t from = 0;
    while (dialect != WEIR__SQL_SQLITE && weir__sql_lex_next(&lex, &token) == 0 &&
           token.kind != WEIR__SQL_END) {
        bool is_question = token.kind == WEIR__SQL_QUESTION;
        if (!is_question && (token.kind != WEIR__SQL_PARAM || token.number > 0))
            continue;
        put(&w, sql.ptr + from, token.at - from);
        if (is_question)
            put(&w, "?", 1);
        else
            put_param(&w, dialect, sql, &token, ++number);
        from = token.at + token.len;
    }
    if (from < sql.len)
        put(&w, sql.ptr + from, sql.len - from);
    return w.len;
}

/* --- scripts ---------------------------------------------------------------------------------- */

/* Moves on behind one statement and its semicolon. Returns 1, or 0 if it is empty, or an error. */
static int take_statement(enum weir__sql_dialect dialect, weir_str *rest, weir_str *statement)
{
    struct weir__sql_lex lex = {.dialect = dialect, .sql = *rest};
    struct weir__sql_statement reading;
    struct weir__sql_token token;
    weir__sql_statement_init(&reading, dialect, *rest);
    do {
        int err = weir__sql_lex_next(&lex, &token);
        if (err < 0) {
            *rest = (weir_str){rest->ptr + token.at, rest->len - token.at};
            return err;
        }
    } while (!weir__sql_statement_take(&reading, &token));
    *statement = weir_str_trim((weir_str){rest->ptr, token.at});
    *rest = (weir_str){rest->ptr + lex.at, rest->len - lex.at};
    return reading.prev.kind != WEIR__SQL_END;
}

bool weir__sql_text_next(enum weir__sql_dialect dialect, weir_str *rest, weir_str *statement,
                         int *err)
{
    *err = 0;
    int rc = 0;
    while (rc == 0 && rest->len > 0)
        rc = take_statement(dialect, rest, statement);
    if (rc < 0)
        *err = rc;
    return rc > 0;
}

void weir__sql_text_place(weir_str sql, size_t at, unsigned *line, unsigned *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < at && i < sql.len; i++) {
        bool ends_line = sql.ptr[i] == '\n';
        *line += ends_line;
        *column = ends_line ? 1 : *column + 1;
    }
}
