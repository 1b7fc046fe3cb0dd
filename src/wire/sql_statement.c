/*
 * The meaning of statements, from the words that they begin with and a few that matter further on.
 *
 * Words are no keywords everywhere: what follows a dot is a name, a function's name is one before
 * its parenthesis, and PostgreSQL lets a column be called "delete". So a word in the middle counts
 * only beside the words or signs that make a keyword of it. Where that leaves a doubt, the
 * statement is taken for one that writes.
 */
#include "wire/sql_statement.h"

#define LITE (1u << WEIR__SQL_SQLITE)
#define PG (1u << WEIR__SQL_POSTGRES)
#define MY (1u << WEIR__SQL_MYSQL)
#define ALL (LITE | PG | MY)

enum effect { READS = 1, WANTS_TX = 2, COMMITS = 4 };

#define BY_CALLS "a transaction begins with weir_begin and ends with weir_commit or weir_rollback"
#define AT_OPENING "give it in the options with which the database is opened"
#define BY_ITSELF "statements are prepared by themselves, when they are first used"
#define NO_TEMP "use WITH … AS, or a table"
#define SUBSCRIBE "subscribe: a subscription has a connection of its own"
#define LOCK_ROWS "lock rows with SELECT … FOR UPDATE in a transaction"
#define LOCK_IN_TX "use pg_advisory_xact_lock, which ends with the transaction"

/*
 * What statements begin with, and what those do. The first row that fits counts, so longer ones
 * come first. Of CREATE the words OR, REPLACE, GLOBAL and LOCAL are left out.
 */
static const struct form {
    const char *words;
    unsigned dialects;
    unsigned effects;
    const char *instead; /* it outlives its statement; NULL: it does not */
} forms[] = {
    {"SELECT", ALL, READS, NULL},
    {"VALUES", ALL, READS, NULL},
    {"WITH", ALL, READS, NULL},
    {"EXPLAIN", ALL, READS, NULL},
    {"TABLE", PG | MY, READS, NULL},
    {"SHOW", PG | MY, READS, NULL},
    {"DESCRIBE", MY, READS, NULL},
    {"DESC", MY, READS, NULL},
    {"HELP", MY, READS, NULL},

    {"SAVEPOINT", ALL, WANTS_TX, NULL},
    {"RELEASE", ALL, WANTS_TX, NULL},
    {"ROLLBACK TO", ALL, WANTS_TX, NULL},
    {"ROLLBACK WORK TO", PG | MY, WANTS_TX, NULL},
    {"ROLLBACK TRANSACTION TO", LITE | PG, WANTS_TX, NULL},
    {"BEGIN NOT", MY, 0, NULL}, /* MariaDB's block */
    {"BEGIN", ALL, 0, BY_CALLS},
    {"START TRANSACTION", PG | MY, 0, BY_CALLS},
    {"COMMIT", ALL, 0, BY_CALLS},
    {"END", LITE | PG, 0, BY_CALLS},
    {"ROLLBACK", ALL, 0, BY_CALLS},
    {"ABORT", PG, 0, BY_CALLS},
    {"XA", MY, 0, BY_CALLS},
    {"PREPARE TRANSACTION", PG, 0, BY_CALLS},

    {"SET LOCAL", PG, WANTS_TX, NULL},
    {"SET CONSTRAINTS", PG, WANTS_TX, NULL},
    {"SET TRANSACTION", PG | MY, 0, "give it to weir_begin"},
    {"SET", PG, 0, AT_OPENING ", or SET LOCAL in a transaction"},
    {"SET STATEMENT", MY, 0, NULL}, /* MariaDB's, for one statement */
    {"SET PASSWORD", MY, COMMITS, NULL},
    {"SET DEFAULT", MY, 0, NULL}, /* roles of users */
    {"SET GLOBAL", MY, 0, NULL},
    {"SET PERSIST", MY, 0, NULL},
    {"SET PERSIST_ONLY", MY, 0, NULL},
    {"SET", MY, 0, AT_OPENING ", or SET STATEMENT … FOR"},
    {"RESET", PG, 0, "connections are reset when they are given back"},
    {"DISCARD", PG, 0, "connections are reset when they are given back"},
    {"PREPARE", PG | MY, 0, BY_ITSELF},
    {"EXECUTE", PG | MY, 0, BY_ITSELF},
    {"DEALLOCATE", PG | MY, 0, BY_ITSELF},
    {"DROP PREPARE", MY, 0, BY_ITSELF},
    {"LISTEN", PG, 0, SUBSCRIBE},
    {"UNLISTEN", PG, 0, SUBSCRIBE},
    {"LOAD DATA", MY, 0, NULL},
    {"LOAD XML", MY, 0, NULL},
    {"LOAD INDEX", MY, COMMITS, NULL},
    {"LOAD", PG, 0, "have the server load it: session_preload_libraries"},
    {"DECLARE", PG, WANTS_TX, NULL},
    {"USE", MY, 0, "open that schema as a database of its own, or write it before the table"},
    {"LOCK", MY, 0, LOCK_ROWS},
    {"UNLOCK", MY, 0, LOCK_ROWS},
    {"FLUSH TABLES WITH", MY, 0, LOCK_ROWS},
    {"LOCK", PG, WANTS_TX, NULL},
    {"HANDLER", MY, 0, "read with SELECT"},
    {"ATTACH", LITE, 0, "open the file as a database of its own"},
    {"DETACH", LITE, 0, "open the file as a database of its own"},
    {"CREATE TEMP", LITE | PG, 0, NO_TEMP},
    {"CREATE TEMPORARY", ALL, 0, NO_TEMP},

    {"DROP TEMPORARY", MY, 0, NULL},
    {"ALTER", MY, COMMITS, NULL},
    {"ANALYZE", MY, COMMITS, NULL},
    {"CACHE", MY, COMMITS, NULL},
    {"CHANGE", MY, COMMITS, NULL},
    {"CHECK", MY, COMMITS, NULL},
    {"CREATE", MY, COMMITS, NULL},
    {"DROP", MY, COMMITS, NULL},
    {"FLUSH", MY, COMMITS, NULL},
    {"GRANT", MY, COMMITS, NULL},
    {"INSTALL", MY, COMMITS, NULL},
    {"OPTIMIZE", MY, COMMITS, NULL},
    {"RENAME", MY, COMMITS, NULL},
    {"REPAIR", MY, COMMITS, NULL},
    {"RESET", MY, COMMITS, NULL},
    {"REVOKE", MY, COMMITS, NULL},
    {"START", MY, COMMITS, NULL},
    {"STOP", MY, COMMITS, NULL},
    {"TRUNCATE", MY, COMMITS, NULL},
    {"UNINSTALL", MY, COMMITS, NULL},
};

/* Functions that do more than read. */
static const struct function {
    const char *name;
    unsigned dialects;
    const char *instead;
} functions[] = {
    {"GET_LOCK", MY, LOCK_ROWS},
    {"PG_ADVISORY_LOCK", PG, LOCK_IN_TX},
    {"PG_ADVISORY_LOCK_SHARED", PG, LOCK_IN_TX},
    {"PG_TRY_ADVISORY_LOCK", PG, LOCK_IN_TX},
    {"PG_TRY_ADVISORY_LOCK_SHARED", PG, LOCK_IN_TX},
    {"PG_NOTIFY", PG, NULL},
    {"NEXTVAL", PG | MY, NULL},
    {"SETVAL", PG | MY, NULL},
};

/* --- words ------------------------------------------------------------------------------------ */

static weir_str text_of(const struct weir__sql_statement *s, const struct weir__sql_token *token)
{
    return (weir_str){s->sql.ptr + token->at, token->len};
}

static bool says(weir_str word, const char *expected)
{
    return weir_str_ieq(word, weir_str_from(expected));
}

/* One of the words of a list, parted by blanks. */
static bool says_any(weir_str word, const char *list)
{
    while (*list != '\0') {
        const char *end = strchrnul(list, ' ');
        if (weir_str_ieq(word, (weir_str){list, (size_t)(end - list)}))
            return true;
        list = *end != '\0' ? end + 1 : end;
    }
    return false;
}

static bool is_word(const struct weir__sql_statement *s, const struct weir__sql_token *token,
                    const char *list)
{
    return token->kind == WEIR__SQL_WORD && says_any(text_of(s, token), list);
}

static bool is_byte(const struct weir__sql_statement *s, const struct weir__sql_token *token,
                    char byte)
{
    return token->kind == WEIR__SQL_BYTE && s->sql.ptr[token->at] == byte;
}

static bool begins_with(const struct weir__sql_statement *s, const char *words)
{
    for (uint32_t i = 0; *words != '\0'; i++) {
        const char *end = strchrnul(words, ' ');
        if (i == s->word_count ||
            !weir_str_ieq(s->words[i], (weir_str){words, (size_t)(end - words)}))
            return false;
        words = *end != '\0' ? end + 1 : end;
    }
    return true;
}

static void note_word(struct weir__sql_statement *s, weir_str word)
{
    bool says_little =
        s->word_count == 1 && begins_with(s, "CREATE") && says_any(word, "OR REPLACE GLOBAL LOCAL");
    if (s->word_count < WEIR__SQL_WORDS && !says_little)
        s->words[s->word_count++] = word;
}

/* --- bodies of routines ----------------------------------------------------------------------- */

/* What is created is told by the first of such words. */
static void note_object(struct weir__sql_statement *s, weir_str word)
{
    if (s->has_object || !(begins_with(s, "CREATE") || begins_with(s, "ALTER")))
        return;
    s->is_routine = says_any(word, "TRIGGER FUNCTION PROCEDURE EVENT");
    s->has_object = s->is_routine || says_any(word, "TABLE VIEW INDEX DATABASE SCHEMA TYPE RULE");
}

/*
 * BEGIN and CASE begin a block within a body, END ends it; the END of MySQL's IF, LOOP, WHILE and
 * REPEAT is told by the word behind it, and taken back.
 */
static void note_block(struct weir__sql_statement *s, const struct weir__sql_token *token)
{
    bool is_behind_end = is_word(s, &s->prev, "END");
    bool begins =
        is_word(s, token, "BEGIN") || (is_behind_end && is_word(s, token, "IF LOOP WHILE REPEAT"));
    bool is_within = s->block_depth > 0;
    if (s->word_count == 2 && begins_with(s, "BEGIN NOT") && is_word(s, &s->prev, "BEGIN")) {
        s->is_routine = true;
        s->block_depth = 1;
    } else if (s->is_routine && is_within && is_word(s, token, "END")) {
        s->block_depth--;
    } else if (s->is_routine &&
               (begins || (is_within && !is_behind_end && is_word(s, token, "CASE")))) {
        s->block_depth++;
    }
}

/* --- what matters further on ------------------------------------------------------------------ */

static void note_outlives(struct weir__sql_statement *s, weir_str what, const char *instead)
{
    bool is_definition = s->has_object || s->is_routine; /* it is done when that is used */
    if (s->instead != NULL || is_definition)
        return;
    s->outlives = what;
    s->instead = instead;
}

/* INSERT and the like at the beginning of a part: WITH gone AS (DELETE FROM …) INSERT INTO … */
static void note_part(struct weir__sql_statement *s, const struct weir__sql_token *token)
{
    bool begins_part = is_byte(s, &s->before, '(') || is_byte(s, &s->before, ')');
    bool has_target = token->kind == WEIR__SQL_WORD || token->kind == WEIR__SQL_NAME;
    if (begins_part && has_target && is_word(s, &s->prev, "INSERT UPDATE DELETE MERGE REPLACE"))
        s->writes = true;
}

static void note_locks(struct weir__sql_statement *s, const struct weir__sql_token *token)
{
    bool for_change = is_word(s, &s->prev, "FOR") && is_word(s, token, "UPDATE SHARE NO KEY");
    bool in_share =
        s->dialect == WEIR__SQL_MYSQL && is_word(s, &s->prev, "LOCK") && is_word(s, token, "IN");
    bool next_value =
        is_word(s, &s->before, "NEXT") && is_word(s, &s->prev, "VALUE") && is_word(s, token, "FOR");
    if (for_change || in_share || next_value)
        s->writes = true;
}

/* SELECT … INTO a table, a file, a variable. */
static void note_into(struct weir__sql_statement *s, const struct weir__sql_token *token)
{
    if (is_word(s, token, "INTO"))
        s->writes = true;
    if (!is_word(s, &s->prev, "INTO"))
        return;
    if (s->dialect == WEIR__SQL_POSTGRES && is_word(s, token, "TEMP TEMPORARY"))
        note_outlives(s, text_of(s, token), NO_TEMP);
    if (s->dialect == WEIR__SQL_MYSQL && is_byte(s, token, '@'))
        note_outlives(s, WEIR_S("INTO @"), "read the row into a variable of the program");
}

static void note_function(struct weir__sql_statement *s, const struct weir__sql_token *token)
{
    if (s->prev.kind != WEIR__SQL_WORD || !is_byte(s, token, '('))
        return;
    weir_str name = text_of(s, &s->prev);
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if ((functions[i].dialects >> s->dialect & 1) == 0 || !says(name, functions[i].name))
            continue;
        s->writes = true;
        if (functions[i].instead != NULL)
            note_outlives(s, name, functions[i].instead);
    }
    if (s->dialect == WEIR__SQL_POSTGRES && says(name, "SET_CONFIG") && s->set_config_depth == 0)
        s->set_config_depth = s->depth;
}

/* set_config(name, value, true) is SET LOCAL, with anything else SET. */
static void note_set_config(struct weir__sql_statement *s, const struct weir__sql_token *token)
{
    if (s->set_config_depth == 0 || s->depth >= s->set_config_depth || !is_byte(s, token, ')'))
        return;
    s->set_config_depth = 0;
    s->writes = true;
    if (is_word(s, &s->prev, "TRUE"))
        s->wants_tx = true;
    else
        note_outlives(s, WEIR_S("set_config"), "give it true as its last value, in a transaction");
}

static void note_byte(struct weir__sql_statement *s, const struct weir__sql_token *token)
{
    if (is_byte(s, token, '('))
        s->depth++;
    else if (is_byte(s, token, ')') && s->depth > 0)
        s->depth--;
    note_function(s, token);
    note_set_config(s, token);
    if (s->dialect == WEIR__SQL_MYSQL && is_byte(s, &s->prev, ':') && is_byte(s, token, '='))
        note_outlives(s, WEIR_S(":="), "carry the value in a variable of the program");
}

static void note_keyword(struct weir__sql_statement *s, const struct weir__sql_token *token)
{
    weir_str word = text_of(s, token);
    note_word(s, word);
    note_object(s, word);
    note_block(s, token);
    note_locks(s, token);
    if (s->depth == 0 && says(word, "RETURNING"))
        s->has_returning = true;
    if (says_any(word, "ANALYZE ANALYSE"))
        s->analyzes = true;
    if (is_word(s, &s->prev, "COMMIT") && says(word, "DROP"))
        s->drops_on_commit = true;
    if (is_word(s, &s->prev, "WITH") && says(word, "HOLD") && begins_with(s, "DECLARE"))
        note_outlives(s, WEIR_S("WITH HOLD"), "read the rows within the transaction");
}

/* --- the statement ---------------------------------------------------------------------------- */

void weir__sql_statement_init(struct weir__sql_statement *s, enum weir__sql_dialect dialect,
                              weir_str sql)
{
    *s = (struct weir__sql_statement){.dialect = dialect, .sql = sql};
}

bool weir__sql_statement_take(struct weir__sql_statement *s, const struct weir__sql_token *token)
{
    bool is_rule = s->dialect == WEIR__SQL_POSTGRES && s->depth > 0; /* DO (…; …) */
    bool ends = token->kind == WEIR__SQL_SEMICOLON && s->block_depth == 0 && !is_rule;
    if (ends || token->kind == WEIR__SQL_END)
        return true;
    bool is_name = token->kind == WEIR__SQL_WORD && is_byte(s, &s->prev, '.');
    note_part(s, token);
    if (!is_name)
        note_into(s, token);
    if (token->kind == WEIR__SQL_WORD && !is_name)
        note_keyword(s, token);
    if (token->kind == WEIR__SQL_BYTE)
        note_byte(s, token);
    s->before = s->prev;
    s->prev = *token;
    return false;
}

static const struct form *form_of(const struct weir__sql_statement *s)
{
    static const struct form other = {"", ALL, 0, NULL};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if ((forms[i].dialects >> s->dialect & 1) != 0 && begins_with(s, forms[i].words))
            return &forms[i];
    }
    return &other;
}

/* EXPLAIN runs nothing, unless it measures. */
static bool reads_only(const struct weir__sql_statement *s, const struct form *form)
{
    if (begins_with(s, "EXPLAIN"))
        return !s->analyzes;
    return (form->effects & READS) != 0 && !s->writes;
}

void weir__sql_statement_add(const struct weir__sql_statement *s, struct weir__sql_facts *facts)
{
    if (s->prev.kind == WEIR__SQL_END)
        return;
    const struct form *form = form_of(s);
    bool ends_with_tx = s->drops_on_commit && s->dialect == WEIR__SQL_POSTGRES;
    if (facts->statement_count++ == 0) {
        facts->verb = s->word_count > 0 ? s->words[0] : (weir_str){NULL, 0};
        facts->reads_only = true;
    }
    facts->reads_only = facts->reads_only && reads_only(s, form);
    facts->has_returning = facts->has_returning || s->has_returning;
    facts->commits = facts->commits || (form->effects & COMMITS) != 0;
    facts->wants_tx = facts->wants_tx || s->wants_tx || (form->effects & WANTS_TX) != 0 ||
                      (form->instead != NULL && ends_with_tx);
    if (facts->instead != NULL)
        return;
    if (s->instead != NULL) {
        facts->outlives = s->outlives;
        facts->instead = s->instead;
    } else if (form->instead != NULL && !ends_with_tx) {
        facts->outlives = s->words[0];
        facts->instead = form->instead;
    }
}
