/* Texts of SQL, by dialect: parameters where they are some, statements, what they do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/sql_text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* L: SQLite, P: PostgreSQL, M: MySQL. */
static const char letters[] = "LPM";

/* Memory of exactly its size, so that a sanitizer sees what is read past it. */
static weir_str exact(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    return (weir_str){copy, len};
}

/* --- parameters ------------------------------------------------------------------------------- */

static const struct {
    const char *dialects, *sql;
    int count;        /* of parameters, or the error */
    size_t at;        /* of the error */
    const char *sent; /* NULL: as it is */
} params[] = {
    {"LPM", "", 0, 0, NULL},
    {"LPM", "SELECT 1", 0, 0, NULL},
    {"LM", "SELECT ?", 1, 0, NULL},
    {"P", "SELECT ?", 1, 0, "SELECT $1"},
    {"P", "SELECT ?, ? FROM t WHERE a = ?", 3, 0, "SELECT $1, $2 FROM t WHERE a = $3"},

    /* texts */
    {"LPM", "SELECT '?'", 0, 0, NULL},
    {"LM", "SELECT 'it''s ?', ?", 1, 0, NULL},
    {"P", "SELECT 'it''s ?', ?", 1, 0, "SELECT 'it''s ?', $1"},
    {"LM", "SELECT '', ?, ''", 1, 0, NULL},
    {"L", "SELECT '\\', ?", 1, 0, NULL},
    {"P", "SELECT '\\', ?", 1, 0, "SELECT '\\', $1"},
    {"M", "SELECT '\\', ?", WEIR_SQL_ESTRING, 7, NULL},
    {"M", "SELECT '\\'?', ?", 1, 0, NULL},
    {"M", "SELECT '\\\\', ?", 1, 0, NULL},
    {"M", "SELECT \"\\\"?\", ?", 1, 0, NULL},
    {"M", "SELECT \"'?\"", 0, 0, NULL},
    {"P", "SELECT E'\\'?', ?", 1, 0, "SELECT E'\\'?', $1"},
    {"P", "SELECT e'\\\\', ?", 1, 0, "SELECT e'\\\\', $1"},
    {"P", "SELECT E'\\''", 0, 0, NULL},
    {"P", "SELECT E'\\'", WEIR_SQL_ESTRING, 7, NULL},
    {"P", "SELECT timE'\\', ?", 1, 0, "SELECT timE'\\', $1"}, /* no E: a word and a text */
    {"P", "SELECT E '\\', ?", 1, 0, "SELECT E '\\', $1"},
    {"P", "SELECT E'a'\n'\\'?', ?", 1, 0, "SELECT E'a'\n'\\'?', $1"}, /* one text of two parts */
    {"P", "SELECT E'a' -- ?\n  -- ?\n'\\'?', ?", 1, 0, "SELECT E'a' -- ?\n  -- ?\n'\\'?', $1"},
    {"P", "SELECT E'a' '\\', ?", 1, 0, "SELECT E'a' '\\', $1"}, /* two: no line's end between */
    {"P", "SELECT 'a'\n'\\', ?", 1, 0, "SELECT 'a'\n'\\', $1"},
    {"P", "SELECT U&'\\0061?', ?", 1, 0, "SELECT U&'\\0061?', $1"},
    {"P", "SELECT U&'!?' UESCAPE '!'", 0, 0, NULL},
    {"P", "SELECT B'1', X'1F?', N'?'", 0, 0, NULL},
    {"L", "SELECT x'00', ?", 1, 0, NULL},
    {"M", "SELECT _utf8mb4'\\'?', N'\\'?', x'00', ?", 1, 0, NULL},
    {"LPM", "SELECT '?", WEIR_SQL_ESTRING, 7, NULL},
    {"LPM", "SELECT 'a''", WEIR_SQL_ESTRING, 7, NULL},

    /* names */
    {"L", "SELECT \"a?\"\"\", `b?```, [c?\"], ?", 1, 0, NULL},
    {"L", "SELECT [a]]?", 1, 0, NULL}, /* nothing is doubled */
    {"P", "SELECT \"a?\"\"\", ?", 1, 0, "SELECT \"a?\"\"\", $1"},
    {"P", "SELECT U&\"a?\", a[?]", 1, 0, "SELECT U&\"a?\", a[$1]"},
    {"M", "SELECT `a?```, `\\`, ?", 1, 0, NULL},
    {"LP", "SELECT \"a", WEIR_SQL_ENAME, 7, NULL},
    {"LM", "SELECT `a", WEIR_SQL_ENAME, 7, NULL},
    {"L", "SELECT [a", WEIR_SQL_ENAME, 7, NULL},

    /* comments */
    {"LM", "SELECT ? -- ?\n, ?", 2, 0, NULL},
    {"P", "SELECT ? -- ?\n, ?", 2, 0, "SELECT $1 -- ?\n, $2"},
    {"P", "SELECT 1 -- ?\r, ?", 1, 0, "SELECT 1 -- ?\r, $1"},
    {"LM", "SELECT 1 -- ?\r, ?", 0, 0, NULL},
    {"LM", "SELECT /* ? ' */ ?", 1, 0, NULL},
    {"LM", "SELECT /* /* */ ?", 1, 0, NULL},
    {"P", "SELECT /* /* ? */ ? */ ?", 1, 0, "SELECT /* /* ? */ ? */ $1"},
    {"P", "SELECT /* /* */ ?", WEIR_SQL_ECOMMENT, 7, NULL},
    {"PM", "SELECT /*/ ?", WEIR_SQL_ECOMMENT, 7, NULL},
    {"L", "SELECT 1 /*/ ?", 0, 0, NULL},
    {"LPM", "SELECT 1 --", 0, 0, NULL},
    {"M", "SELECT 5--?, 6 --\t?\n", 1, 0, NULL}, /* minus minus */
    {"L", "SELECT 5--?", 0, 0, NULL},
    {"P", "SELECT 5--?", 0, 0, NULL},
    {"M", "SELECT 1 # ? '\n, ?", 1, 0, NULL},
    {"P", "SELECT 1 # ?", 1, 0, "SELECT 1 # $1"},

    /* comments that are executed */
    {"M", "SELECT /*! 1, */ ?", 1, 0, NULL},
    {"M", "SELECT /*!50110 STRAIGHT_JOIN*/ ?", 1, 0, NULL},
    {"M", "SELECT /*M!100100 '?', */ ?", 1, 0, NULL},
    {"M", "SELECT /*! ? */", WEIR_SQL_EEXECUTABLE, 11, NULL},
    {"M", "SELECT 1 /*! ; DROP TABLE t */", WEIR_SQL_EEXECUTABLE, 13, NULL},
    {"M", "SELECT /*! '*/ ? /*' */", WEIR_SQL_EEXECUTABLE, 11, NULL},
    {"M", "SELECT /*! \"*/ ? /*\" */", WEIR_SQL_EEXECUTABLE, 11, NULL},
    {"M", "SELECT /*! `*/ ? /*` */", WEIR_SQL_EEXECUTABLE, 11, NULL},
    {"M", "SELECT /*! -- */ ?\n */", WEIR_SQL_EEXECUTABLE, 19, NULL},
    {"M", "SELECT 1 /*! -- */", WEIR_SQL_EEXECUTABLE, 18, NULL},
    {"M", "SELECT 1 /*! # */", WEIR_SQL_EEXECUTABLE, 17, NULL},
    {"M", "SELECT /*! /* */ ? */ */", WEIR_SQL_EEXECUTABLE, 11, NULL},
    {"M", "SELECT /*! 1 /*! + 1 */ */", WEIR_SQL_EEXECUTABLE, 13, NULL},
    {"M", "SELECT /*! 1", WEIR_SQL_ECOMMENT, 7, NULL},
    {"M", "SELECT /*+ MAX_EXECUTION_TIME(?) */ ?", 1, 0, NULL},
    {"L", "SELECT /*! ? */ ?", 1, 0, NULL},
    {"P", "SELECT /*! ? */ ?", 1, 0, "SELECT /*! ? */ $1"},

    /* dollar quotes */
    {"P", "SELECT $$?$$, ?", 1, 0, "SELECT $$?$$, $1"},
    {"P", "SELECT $a$?$$?$b$?$a$, ?", 1, 0, "SELECT $a$?$$?$b$?$a$, $1"},
    {"P", "SELECT $\xc3\xa9_1$?$\xc3\xa9_1$", 0, 0, NULL},
    {"P", "SELECT a$$?", 1, 0, "SELECT a$$ $1"}, /* the dollars are the name's */
    {"P", "SELECT 1$$?$$", 0, 0, NULL},
    {"P", "SELECT $$?$", WEIR_SQL_EDOLLAR, 7, NULL},
    {"P", "SELECT $a$?$A$", WEIR_SQL_EDOLLAR, 7, NULL},
    {"P", "SELECT $$a$$?", 1, 0, "SELECT $$a$$ $1"},
    {"M", "SELECT $$, ?, $a$", 1, 0, NULL},

    /* numbers */
    {"P", "SELECT $2, $1, $2", 2, 0, NULL},
    {"P", "SELECT $1::int, a[$2:$3]", 3, 0, NULL},
    {"P", "SELECT $2", WEIR_SQL_EGAP, 7, NULL},
    {"P", "SELECT $1, $3 + 1, $3", WEIR_SQL_EGAP, 11, NULL},
    {"P", "SELECT $0", WEIR_SQL_ENUMBERED, 7, NULL},
    {"P", "SELECT ?1", WEIR_SQL_ENUMBERED, 7, NULL},
    {"M", "SELECT ?1", WEIR_SQL_ENUMBERED, 7, NULL},
    {"P", "SELECT $1, ?", WEIR_SQL_EMIXED, 11, NULL},
    {"P", "SELECT ?, $1", WEIR_SQL_EMIXED, 10, NULL},
    {"P", "SELECT a$1, 'x$1'", 0, 0, NULL},
    {"P", "SELECT $257", WEIR_SQL_ETOOMANY, 7, NULL},
    {"P", "SELECT $99999999999999999999", WEIR_SQL_ETOOMANY, 7, NULL},
    {"L", "SELECT ?2, ?1", 2, 0, NULL},
    {"L", "SELECT ?2", WEIR_SQL_EGAP, 7, NULL},
    {"L", "SELECT ?1, ?", WEIR_SQL_EMIXED, 11, NULL},
    {"L", "SELECT ?0", WEIR_SQL_ENUMBERED, 7, NULL},
    {"L", "SELECT :a", WEIR_SQL_ENAMED, 7, NULL},
    {"L", "SELECT @a", WEIR_SQL_ENAMED, 7, NULL},
    {"L", "SELECT $1", WEIR_SQL_ENAMED, 7, NULL},
    {"M", "SELECT @a, @@version, 'a' := ?", 1, 0, NULL},
    {"P", "SELECT a::text, @ ?", 1, 0, "SELECT a::text, @ $1"},

    /* the operator */
    {"P", "SELECT a ?\? 'k'", 0, 0, "SELECT a ? 'k'"},
    {"P", "SELECT a ?\?| ?", 1, 0, "SELECT a ?| $1"},
    {"P", "SELECT a ?\?& b AND c @?\? d", 0, 0, "SELECT a ?& b AND c @? d"},
    {"P", "SELECT a ?\? ?", 1, 0, "SELECT a ? $1"},
    {"P", "SELECT a ?\?? ", 1, 0, "SELECT a ?$1 "},
    {"P", "SELECT a ?\? $1", 1, 0, "SELECT a ? $1"},
    {"P", "SELECT '?\?', \"?\?\"", 0, 0, NULL},
    {"LM", "SELECT a ?\? b", WEIR_SQL_EOPERATOR, 9, NULL},

    /* neighbours */
    {"P", "SELECT 1 LIMIT?", 1, 0, "SELECT 1 LIMIT $1"},
    {"P", "SELECT ?AND b", 1, 0, "SELECT $1 AND b"},
    {"M", "SELECT ?AND b", 1, 0, "SELECT ? AND b"},
    {"L", "SELECT ?AND b LIMIT?", 1 + 1, 0, NULL},
    {"P", "SELECT (?)=ANY(?),?", 3, 0, "SELECT ($1)=ANY($2),$3"},
    {"P", "SELECT 1?", 1, 0, "SELECT 1 $1"},
    {"P", "SELECT 'a'?'b'", 1, 0, "SELECT 'a'$1'b'"},
};

static void check_params(size_t i, enum weir__sql_dialect dialect)
{
    weir_str sql = exact(params[i].sql);
    struct weir__sql_facts facts;
    int err = weir__sql_text_read(dialect, sql, &facts);
    int got = err < 0 ? err : (int)facts.param_count;
    if (got != params[i].count)
        fail_msg("%c %s: %d, not %d (%s)", letters[dialect], params[i].sql, got, params[i].count,
                 weir__sql_text_error_text(got));
    if (err < 0 && facts.at != params[i].at)
        fail_msg("%c %s: at %zu", letters[dialect], params[i].sql, facts.at);
    if (err == 0) {
        const char *sent = params[i].sent != NULL ? params[i].sent : params[i].sql;
        size_t len = weir__sql_text_write(dialect, sql, NULL, 0);
        char *out = malloc(len + 1);
        assert_int_equal(weir__sql_text_write(dialect, sql, out, len), len);
        if (len != strlen(sent) || memcmp(out, sent, len) != 0)
            fail_msg("%c %s: %.*s", letters[dialect], params[i].sql, (int)len, out);
        if (facts.is_verbatim != (params[i].sent == NULL))
            fail_msg("%c %s: verbatim %d", letters[dialect], params[i].sql, facts.is_verbatim);
        free(out);
    }
    free((char *)sql.ptr);
}

static void parameters(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(params); i++) {
        for (unsigned d = 0; d < 3; d++) {
            if (strchr(params[i].dialects, letters[d]) != NULL)
                check_params(i, (enum weir__sql_dialect)d);
        }
    }
}

/* As many as may be, one more, and what is written with too little room. */
static void bounds(void **state)
{
    (void)state;
    char sql[8 + 2 * (WEIR__SQL_PARAMS_MAX + 1)];
    struct weir__sql_facts facts;
    memcpy(sql, "VALUES(", 7);
    for (size_t i = 0; i <= WEIR__SQL_PARAMS_MAX; i++)
        memcpy(sql + 7 + 2 * i, "?,", 2);
    weir_str most = {sql, 7 + 2 * WEIR__SQL_PARAMS_MAX};
    assert_int_equal(weir__sql_text_read(WEIR__SQL_POSTGRES, most, &facts), 0);
    assert_int_equal(facts.param_count, WEIR__SQL_PARAMS_MAX);
    weir_str more = {sql, most.len + 1};
    assert_int_equal(weir__sql_text_read(WEIR__SQL_POSTGRES, more, &facts), WEIR_SQL_ETOOMANY);
    assert_int_equal(facts.at, most.len);
    char out[8] = "xxxxxxx";
    size_t len = weir__sql_text_write(WEIR__SQL_POSTGRES, WEIR_S("a = ?, ?"), out, 6);
    assert_int_equal(len, 10);
    assert_string_equal(out, "a = $1x");
    assert_int_equal(weir__sql_text_read(WEIR__SQL_SQLITE, (weir_str){"SELECT '\0'", 10}, &facts),
                     WEIR_SQL_ENUL);
    assert_int_equal(facts.at, 8);
    weir_str absent = {NULL, 0};
    assert_int_equal(weir__sql_text_read(WEIR__SQL_MYSQL, absent, &facts), 0);
    assert_int_equal(facts.statement_count, 0);
    assert_int_equal(weir__sql_text_write(WEIR__SQL_MYSQL, absent, NULL, 0), 0);
}

static void errors_have_texts(void **state)
{
    (void)state;
    for (int err = WEIR_SQL_ENUL; err < WEIR_SQL_ERROR_END; err++)
        assert_true(strlen(weir__sql_text_error_text(err)) > 8);
    assert_string_equal(weir__sql_text_error_text(WEIR_SQL_ERROR_END), "malformed SQL");
    assert_string_equal(weir__sql_text_error_text(0), "malformed SQL");
}

/* --- what statements do ----------------------------------------------------------------------- */

enum { R = 1, RETURNS = 2, TX = 4, COMMITS = 8 };

static const struct {
    const char *dialects, *sql;
    int does;
    const char *outlives; /* NULL: nothing */
} effects[] = {
    {"LPM", "SELECT 1", R, NULL},
    {"LPM", "  (SELECT 1) UNION (SELECT 2)", R, NULL},
    {"LPM", "select a from t where b = 'FOR UPDATE'", R, NULL},
    {"PM", "SELECT a FROM t FOR UPDATE", 0, NULL},
    {"PM", "SELECT a FROM t FOR /* */ SHARE", 0, NULL},
    {"P", "SELECT a FROM t FOR NO KEY UPDATE SKIP LOCKED", 0, NULL},
    {"M", "SELECT a FROM t LOCK IN SHARE MODE", 0, NULL},
    {"P", "SELECT substring(a FOR 3)", R, NULL},
    {"P", "SELECT a INTO b FROM t", 0, NULL},
    {"P", "SELECT a INTO TEMP b FROM t", 0, "TEMP"},
    {"M", "SELECT a INTO OUTFILE 'x' FROM t", 0, NULL},
    {"M", "SELECT a FROM t INTO @x", 0, "INTO @"},
    {"M", "SELECT @x := 1", R, ":="},
    {"P", "SELECT t.into, t.update, \"into\" FROM t", R, NULL},
    {"LPM", "VALUES (1), (2)", R, NULL},
    {"PM", "TABLE t", R, NULL},
    {"PM", "SHOW server_version", R, NULL},
    {"M", "DESC t", R, NULL},
    {"LPM", "EXPLAIN SELECT 1", R, NULL},
    {"LPM", "EXPLAIN DELETE FROM t", R, NULL},
    {"PM", "EXPLAIN ANALYZE SELECT 1", 0, NULL},
    {"P", "EXPLAIN (BUFFERS, COSTS off, ANALYZE) SELECT 1", 0, NULL},
    {"LPM", "WITH x AS (SELECT 1) SELECT * FROM x", R, NULL},
    {"P", "WITH x AS (SELECT delete, insert FROM t) SELECT (update) FROM x", R, NULL},
    {"M", "SELECT (INSERT('a', 1, 1, 'b')), (REPLACE('a', 'b', 'c'))", R, NULL},
    {"P", "WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x", 0, NULL},
    {"P", "WITH x AS MATERIALIZED (UPDATE ONLY t SET a = 1) SELECT 1", 0, NULL},
    {"LP", "WITH x AS (SELECT 1) DELETE FROM t RETURNING a", RETURNS, NULL},
    {"LPM", "WITH x(a) AS (SELECT 1) UPDATE t SET a = 1", 0, NULL},
    {"LP", "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", 0, NULL},
    {"LPM", "INSERT INTO t VALUES (?) RETURNING id", RETURNS, NULL},
    {"LPM", "insert into t values (?) returning id", RETURNS, NULL},
    {"LPM", "UPDATE t SET a = 'RETURNING', b = t.returning", 0, NULL},
    {"M", "INSERT INTO t SELECT JSON_VALUE(a, '$.b' RETURNING SIGNED) FROM u", 0, NULL},
    {"LPM", "DELETE FROM t", 0, NULL},
    {"LM", "REPLACE INTO t VALUES (1)", 0, NULL},
    {"PM", "CALL p()", 0, NULL},
    {"LPM", "?", 0, NULL},

    {"PM", "SELECT nextval('s')", 0, NULL},
    {"M", "SELECT NEXT VALUE FOR s", 0, NULL},
    {"P", "SELECT pg_notify('a', ?)", 0, NULL},
    {"P", "SELECT pg_advisory_xact_lock(1)", R, NULL},
    {"P", "SELECT pg_advisory_lock (1)", 0, "pg_advisory_lock"},
    {"P", "SELECT pg_catalog.pg_try_advisory_lock(1)", 0, "pg_try_advisory_lock"},
    {"P", "SELECT pg_advisory_lock FROM t", R, NULL},
    {"M", "SELECT GET_LOCK('a', 1)", 0, "GET_LOCK"},
    {"P", "SELECT set_config('a.b', ?, true)", TX, NULL},
    {"P", "SELECT set_config('a.b', (?), false)", 0, "set_config"},
    {"P", "SELECT set_config('a.b', f(true), $1)", 0, "set_config"},

    {"LPM", "SAVEPOINT a", TX, NULL},
    {"LPM", "RELEASE SAVEPOINT a", TX, NULL},
    {"LPM", "ROLLBACK TO a", TX, NULL},
    {"LPM", "ROLLBACK", 0, "ROLLBACK"},
    {"LPM", "begin", 0, "begin"},
    {"L", "BEGIN IMMEDIATE", 0, "BEGIN"},
    {"PM", "START TRANSACTION READ ONLY", 0, "START"},
    {"LPM", "COMMIT", 0, "COMMIT"},
    {"LP", "END", 0, "END"},
    {"P", "ABORT", 0, "ABORT"},
    {"P", "PREPARE TRANSACTION 'x'", 0, "PREPARE"},
    {"M", "XA START 'x'", 0, "XA"},

    {"PM", "SET a = 1", 0, "SET"},
    {"P", "SET LOCAL a = 1", TX, NULL},
    {"P", "SET CONSTRAINTS ALL DEFERRED", TX, NULL},
    {"PM", "SET TRANSACTION READ ONLY", 0, "SET"},
    {"M", "SET STATEMENT max_statement_time = 1 FOR SELECT 1", 0, NULL},
    {"M", "SET GLOBAL a = 1", 0, NULL},
    {"M", "SET NAMES utf8mb4", 0, "SET"},
    {"P", "RESET ALL", 0, "RESET"},
    {"P", "DISCARD ALL", 0, "DISCARD"},
    {"PM", "PREPARE x AS SELECT 1", 0, "PREPARE"},
    {"PM", "EXECUTE x", 0, "EXECUTE"},
    {"PM", "DEALLOCATE PREPARE x", 0, "DEALLOCATE"},
    {"P", "LISTEN a", 0, "LISTEN"},
    {"P", "UNLISTEN *", 0, "UNLISTEN"},
    {"P", "NOTIFY a", 0, NULL},
    {"P", "LOAD 'x'", 0, "LOAD"},
    {"M", "LOAD DATA INFILE 'x' INTO TABLE t", 0, NULL},
    {"P", "DECLARE c CURSOR FOR SELECT 1", TX, NULL},
    {"P", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", TX, "WITH HOLD"},
    {"M", "USE other", 0, "USE"},
    {"M", "LOCK TABLES t WRITE", 0, "LOCK"},
    {"M", "UNLOCK TABLES", 0, "UNLOCK"},
    {"P", "LOCK TABLE t", TX, NULL},
    {"M", "FLUSH TABLES WITH READ LOCK", 0, "FLUSH"},
    {"M", "HANDLER t OPEN", 0, "HANDLER"},
    {"L", "ATTACH 'x' AS y", 0, "ATTACH"},
    {"L", "DETACH y", 0, "DETACH"},
    {"LPM", "CREATE TEMPORARY TABLE t(a int)", 0, "CREATE"},
    {"LP", "CREATE TEMP VIEW t AS SELECT 1", 0, "CREATE"},
    {"P", "CREATE OR REPLACE LOCAL TEMP VIEW t AS SELECT 1", 0, "CREATE"},
    {"P", "CREATE TEMP TABLE t(a int) ON COMMIT DROP", TX, NULL},
    {"LP", "CREATE TABLE t(a int)", 0, NULL},
    {"M", "CREATE TABLE t(a int)", COMMITS, NULL},
    {"M", "TRUNCATE t", COMMITS, NULL},
    {"P", "TRUNCATE t", 0, NULL},
    {"M", "DROP TEMPORARY TABLE t", 0, NULL},
    {"M", "CREATE PROCEDURE p() BEGIN SET @a = 1; SELECT GET_LOCK('a', 1); END", COMMITS, NULL},
    {"M", "/*!40101 SET NAMES utf8 */", 0, "SET"},
    {"M", "SELECT 1 /*! , 2 */", 0, NULL},
    {"LPM", "SELECT 1; DELETE FROM t", 0, NULL},
    {"LPM", "SELECT 1; SELECT 2", R, NULL},
    {"PM", "SELECT 1; SET a = 2", 0, "SET"},
};

static void check_effects(size_t i, enum weir__sql_dialect dialect)
{
    weir_str sql = exact(effects[i].sql);
    struct weir__sql_facts f;
    assert_int_equal(weir__sql_text_read(dialect, sql, &f), 0);
    int does = f.reads_only * R + f.has_returning * RETURNS + f.wants_tx * TX + f.commits * COMMITS;
    if (does != effects[i].does)
        fail_msg("%c %s: does %d", letters[dialect], effects[i].sql, does);
    if (!weir_str_eq(f.outlives, weir_str_from(effects[i].outlives)))
        fail_msg("%c %s: " WEIR_STR_FMT, letters[dialect], effects[i].sql,
                 WEIR_STR_ARG(f.outlives));
    assert_true((f.instead != NULL) == (effects[i].outlives != NULL));
    free((char *)sql.ptr);
}

static void statements_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(effects); i++) {
        for (unsigned d = 0; d < 3; d++) {
            if (strchr(effects[i].dialects, letters[d]) != NULL)
                check_effects(i, (enum weir__sql_dialect)d);
        }
    }
}

/* --- scripts ---------------------------------------------------------------------------------- */

static const struct {
    const char *dialects, *sql;
    const char *pieces; /* parted by | */
    int err;
} scripts[] = {
    {"LPM", "", "", 0},
    {"LPM", " ; -- nothing\n;; /* */", "", 0},
    {"LPM", "SELECT 1", "SELECT 1", 0},
    {"LPM", "SELECT 1;", "SELECT 1", 0},
    {"LPM", " SELECT ';' ;\n\nSELECT 2 ; ", "SELECT ';'|SELECT 2", 0},
    {"LPM", "-- why\nSELECT 1 /* ; */;\nSELECT 2 -- ;\n", "-- why\nSELECT 1 /* ; */|SELECT 2 -- ;",
     0},
    {"LPM", "SELECT 1; SELECT '", "SELECT 1", WEIR_SQL_ESTRING},
    {"M", "/*!40101 SET NAMES utf8 */;\nSELECT 1", "/*!40101 SET NAMES utf8 */|SELECT 1", 0},
    {"L",
     "CREATE TRIGGER a AFTER INSERT ON t WHEN CASE 1 WHEN 1 THEN 1 END BEGIN "
     "SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2; END; SELECT 3",
     "CREATE TRIGGER a AFTER INSERT ON t WHEN CASE 1 WHEN 1 THEN 1 END BEGIN "
     "SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2; END|SELECT 3",
     0},
    {"L", "CREATE TEMP TRIGGER a AFTER DELETE ON t BEGIN SELECT 1; END;",
     "CREATE TEMP TRIGGER a AFTER DELETE ON t BEGIN SELECT 1; END", 0},
    {"P",
     "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; "
     "SELECT CASE WHEN true THEN 2 END; END; SELECT 3",
     "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; "
     "SELECT CASE WHEN true THEN 2 END; END|SELECT 3",
     0},
    {"P", "CREATE FUNCTION f() RETURNS int AS $f$ SELECT 1; $f$ LANGUAGE sql; SELECT 2",
     "CREATE FUNCTION f() RETURNS int AS $f$ SELECT 1; $f$ LANGUAGE sql|SELECT 2", 0},
    {"P", "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
     "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)|SELECT 3", 0},
    {"M",
     "CREATE DEFINER = root@localhost PROCEDURE p(a INT) BEGIN IF a THEN SELECT IF(a, 1, 2); "
     "ELSE SELECT REPEAT('a', 2); END IF; w: WHILE a DO BEGIN SET a = 0; END; END WHILE w; "
     "CASE a WHEN 1 THEN SELECT 1; END CASE; SELECT CASE a WHEN 1 THEN 2 END; END; SELECT 2",
     "CREATE DEFINER = root@localhost PROCEDURE p(a INT) BEGIN IF a THEN SELECT IF(a, 1, 2); "
     "ELSE SELECT REPEAT('a', 2); END IF; w: WHILE a DO BEGIN SET a = 0; END; END WHILE w; "
     "CASE a WHEN 1 THEN SELECT 1; END CASE; SELECT CASE a WHEN 1 THEN 2 END; END|SELECT 2",
     0},
    {"M", "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END; SELECT 3",
     "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END|SELECT 3", 0},
    {"LPM", "CREATE TABLE t(event int); CREATE INDEX trigger_a ON t(a); SELECT 1",
     "CREATE TABLE t(event int)|CREATE INDEX trigger_a ON t(a)|SELECT 1", 0},
    {"LPM", "CREATE TABLE t(a int); BEGIN; SELECT 1; END",
     "CREATE TABLE t(a int)|BEGIN|SELECT 1|END", 0},
};

static void check_script(size_t i, enum weir__sql_dialect dialect)
{
    weir_str sql = exact(scripts[i].sql), rest = sql, piece;
    char joined[800] = "";
    size_t len = 0;
    uint32_t count = 0;
    int err;
    for (; weir__sql_text_next(dialect, &rest, &piece, &err); count++)
        len += (size_t)snprintf(joined + len, sizeof joined - len, "%s" WEIR_STR_FMT,
                                count > 0 ? "|" : "", WEIR_STR_ARG(piece));
    assert_int_equal(err, scripts[i].err);
    if (strcmp(joined, scripts[i].pieces) != 0)
        fail_msg("%c %s: %s", letters[dialect], scripts[i].sql, joined);
    struct weir__sql_facts facts;
    if (weir__sql_text_read(dialect, sql, &facts) == 0)
        assert_int_equal(facts.statement_count, count);
    free((char *)sql.ptr);
}

static void scripts_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(scripts); i++) {
        for (unsigned d = 0; d < 3; d++) {
            if (strchr(scripts[i].dialects, letters[d]) != NULL)
                check_script(i, (enum weir__sql_dialect)d);
        }
    }
}

static void the_verb_is_told(void **state)
{
    (void)state;
    struct weir__sql_facts f;
    weir_str sql = WEIR_S("/* a */ (((select 1))); DELETE FROM t");
    assert_int_equal(weir__sql_text_read(WEIR__SQL_SQLITE, sql, &f), 0);
    assert_true(weir_str_eq(f.verb, WEIR_S("select")));
    assert_int_equal(weir__sql_text_read(WEIR__SQL_SQLITE, WEIR_S("-- a"), &f), 0);
    assert_null(f.verb.ptr);
}

static void places_have_lines(void **state)
{
    (void)state;
    unsigned line, column;
    weir_str sql = WEIR_S("SELECT\n a,\n  '");
    weir__sql_text_place(sql, 13, &line, &column);
    assert_int_equal(line, 3);
    assert_int_equal(column, 3);
    weir__sql_text_place(sql, 0, &line, &column);
    assert_int_equal(line * 10 + column, 11);
    weir__sql_text_place(sql, 6, &line, &column);
    assert_int_equal(line * 10 + column, 17);
    weir__sql_text_place(sql, 99, &line, &column);
    assert_int_equal(line * 10 + column, 34);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters),        cmocka_unit_test(bounds),
        cmocka_unit_test(errors_have_texts), cmocka_unit_test(statements_do),
        cmocka_unit_test(scripts_are_cut),   cmocka_unit_test(the_verb_is_told),
        cmocka_unit_test(places_have_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
