/*
 * Texts of SQL, for each dialect. Tokens follow each other within the text, are what they are from
 * their own beginning on too, and what stands in a text or quoted name does not matter. A statement
 * that was written for its server takes the same values and does the same as before; the pieces of
 * a script are one statement each, and all of it.
 */
#include "base/fuzz.h"
#include "wire/sql_text.h"

enum { BYTES_MAX = 1 << 12, TOKENS_MAX = 64 };

static bool is_comment_or_blank(enum weir__sql_dialect dialect, const char *from, size_t len)
{
    struct weir__sql_lex lex = {.dialect = dialect, .sql = {from, len}};
    struct weir__sql_token token;
    return weir__sql_lex_next(&lex, &token) == 0 && token.kind == WEIR__SQL_END;
}

/* From its own beginning on it is the same. */
static void check_alone(enum weir__sql_dialect dialect, weir_str sql,
                        const struct weir__sql_token *token)
{
    struct weir__sql_lex from = {.dialect = dialect,
                                 .sql = {sql.ptr + token->at, sql.len - token->at}};
    struct weir__sql_token again;
    int err = weir__sql_lex_next(&from, &again);
    FUZZ_CHECK(err == 0 && again.at == 0 && again.kind == token->kind && again.len == token->len &&
                   again.number == token->number,
               "at %zu: %d, kind %d", token->at, err, (int)again.kind);
}

/* One that follows what ended at `end`. */
static void check_token(const struct weir__sql_lex *lex, const struct weir__sql_token *token,
                        size_t end)
{
    FUZZ_CHECK(token->at >= end && (token->len > 0) == (token->kind != WEIR__SQL_END),
               "%zu bytes at %zu", token->len, token->at);
    if (!lex->saw_executable)
        FUZZ_CHECK(is_comment_or_blank(lex->dialect, lex->sql.ptr + end, token->at - end) ||
                       end == 0,
                   "%zu to %zu", end, token->at);
}

/* Tokens, to the end or the error. True when there is none and no comment is executed. */
static bool check_tokens(enum weir__sql_dialect dialect, weir_str sql)
{
    struct weir__sql_lex lex = {.dialect = dialect, .sql = sql};
    struct weir__sql_token token;
    size_t end = 0, n = 0;
    do {
        int err = weir__sql_lex_next(&lex, &token);
        FUZZ_CHECK(token.at <= sql.len && lex.at <= sql.len, "at %zu, %zu", token.at, lex.at);
        if (err < 0) {
            FUZZ_CHECK(err >= WEIR_SQL_ENUL && err < WEIR_SQL_ERROR_END, "%d", err);
            return false;
        }
        check_token(&lex, &token, end);
        end = token.at + token.len;
        if (n++ < TOKENS_MAX && !lex.saw_executable && token.at > 0)
            check_alone(dialect, sql, &token);
    } while (token.kind != WEIR__SQL_END);
    return !lex.saw_executable;
}

/* Other bytes in texts and quoted names: nothing that is told changes. */
static void check_content(enum weir__sql_dialect dialect, weir_str sql,
                          const struct weir__sql_facts *facts)
{
    char *copy = fuzz_copy(sql.ptr, sql.len);
    struct weir__sql_lex lex = {.dialect = dialect, .sql = sql};
    struct weir__sql_token token;
    while (weir__sql_lex_next(&lex, &token) == 0 && token.kind != WEIR__SQL_END) {
        bool is_quoted = token.kind == WEIR__SQL_STRING || token.kind == WEIR__SQL_NAME;
        for (size_t i = 0; is_quoted && i < token.len; i++) {
            char *byte = &copy[token.at + i];
            *byte = strchr("?;()-/*#:.", *byte) != NULL ? '=' : *byte;
        }
    }
    struct weir__sql_facts other;
    int err = weir__sql_text_read(dialect, (weir_str){copy, sql.len}, &other);
    /* Where texts go on behind a comment, its dashes are gone now. */
    bool is_same = err == 0 && other.param_count == facts->param_count &&
                   other.statement_count == facts->statement_count &&
                   other.reads_only == facts->reads_only && other.instead == facts->instead;
    FUZZ_CHECK(is_same || memmem(sql.ptr, sql.len, "--", 2) != NULL, "%d", err);
    free(copy);
}

static bool has_question(enum weir__sql_dialect dialect, weir_str sql)
{
    struct weir__sql_lex lex = {.dialect = dialect, .sql = sql};
    struct weir__sql_token token;
    bool has = false;
    while (weir__sql_lex_next(&lex, &token) == 0 && token.kind != WEIR__SQL_END)
        has = has || token.kind == WEIR__SQL_QUESTION;
    return has;
}

static void check_written(enum weir__sql_dialect dialect, weir_str sql,
                          const struct weir__sql_facts *facts)
{
    size_t len = weir__sql_text_write(dialect, sql, NULL, 0);
    char *out = fuzz_alloc(len);
    FUZZ_CHECK(weir__sql_text_write(dialect, sql, out, len) == len, "another length");
    weir_str sent = {out, len};
    FUZZ_CHECK(facts->is_verbatim == weir_str_eq(sent, sql), "verbatim: %d", facts->is_verbatim);
    struct weir__sql_facts again;
    if (!has_question(dialect, sql)) {
        int err = weir__sql_text_read(dialect, sent, &again);
        FUZZ_CHECK(err == 0 && again.is_verbatim, "%d, at %zu", err, again.at);
        FUZZ_CHECK(again.param_count == facts->param_count &&
                       again.statement_count == facts->statement_count &&
                       again.reads_only == facts->reads_only &&
                       again.has_returning == facts->has_returning &&
                       again.instead == facts->instead,
                   "%u parameters, %u statements", again.param_count, again.statement_count);
    }
    free(out);
}

static void check_piece(enum weir__sql_dialect dialect, weir_str piece, weir_str rest,
                        struct weir__sql_facts *one)
{
    int rc = weir__sql_text_read(dialect, piece, one);
    FUZZ_CHECK(rc == 0 || rc == WEIR_SQL_EGAP, "%d", rc);
    /* Two minuses at the end are a comment of MySQL's, before the semicolon they were none. */
    bool is_minus = one->statement_count == 0 && memcmp(rest.ptr - 3, "--", 2) == 0;
    FUZZ_CHECK(one->statement_count == 1 || is_minus, "%u statements", one->statement_count);
}

static void check_pieces(enum weir__sql_dialect dialect, weir_str sql,
                         const struct weir__sql_facts *facts)
{
    weir_str rest = sql, piece;
    struct weir__sql_facts one;
    uint32_t statements = 0, params = 0;
    int err;
    while (weir__sql_text_next(dialect, &rest, &piece, &err)) {
        FUZZ_CHECK(piece.ptr >= sql.ptr && piece.ptr + piece.len <= rest.ptr, "outside");
        check_piece(dialect, piece, rest, &one);
        statements++;
        params += one.param_count;
    }
    FUZZ_CHECK(err == 0 && rest.len == 0, "%d, %zu bytes are left", err, rest.len);
    FUZZ_CHECK(statements == facts->statement_count, "%u statements, not %u", statements,
               facts->statement_count);
    FUZZ_CHECK(params == facts->param_count || facts->is_numbered, "%u parameters", params);
}

static void check(enum weir__sql_dialect dialect, weir_str sql)
{
    struct weir__sql_facts facts;
    bool is_plain = check_tokens(dialect, sql);
    int err = weir__sql_text_read(dialect, sql, &facts);
    FUZZ_CHECK(facts.at <= sql.len, "at %zu", facts.at);
    if (err < 0)
        return;
    FUZZ_CHECK(facts.param_count <= WEIR__SQL_PARAMS_MAX, "%u parameters", facts.param_count);
    FUZZ_CHECK((facts.instead != NULL) == (facts.outlives.len > 0), "outlives nothing");
    FUZZ_CHECK(!facts.reads_only || facts.statement_count > 0, "nothing reads");
    check_written(dialect, sql, &facts);
    check_pieces(dialect, sql, &facts);
    if (is_plain)
        check_content(dialect, sql, &facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > BYTES_MAX)
        return 0;
    char *copy = fuzz_copy(data, size);
    for (int dialect = WEIR__SQL_SQLITE; dialect <= WEIR__SQL_MYSQL; dialect++)
        check((enum weir__sql_dialect)dialect, (weir_str){copy, size});
    free(copy);
    return 0;
}
