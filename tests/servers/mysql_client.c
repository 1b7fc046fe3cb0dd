/*
 * A program that uses a real server of MySQL or MariaDB, for test_mysql.py, which looks at the
 * server meanwhile:
 *
 *     mysql-client URL truth         values of all types, held against what libmariadb reads
 *     mysql-client URL many          a batch of rows in and out
 *     mysql-client URL late          statements that are past their deadline, again and again
 *     mysql-client URL loop          a query every 10 ms, one line each, until standard input ends
 *     mysql-client URL login [KEY]   one row, with a bound for statements; KEY: the server's, PEM
 *     mysql-client URL sleepers N    N fibers in SELECT SLEEP(1) at the same time; prints seconds
 */
#include <math.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/value.h"
#include "data/mysql/mysql.h"
#include "rt/runtime.h"
#include "rt/worker.h"
#include <weir/fiber.h>
#include <weir/offload.h>

static const char *url;
static int sleepers, failures;

#define FAIL(...) (failures++, printf("FAILED: "), printf(__VA_ARGS__), printf("\n"))

static weir_db *open_db(weir_ctx *c, uint32_t max)
{
    weir_db *db = weir_mysql_open(c, .url = url, .pool = {.max_open = max});
    if (weir_db_err(db) == WEIR_OK)
        return db;
    FAIL("%s", weir_last_error(c)->message.ptr);
    (void)fflush(stdout);
    _exit(1); /* there is nothing that it could do */
}

static void must(weir_ctx *c, weir_err err)
{
    if (err < 0)
        FAIL("%s: %s", weir_strerror(err),
             weir_last_error(c) != NULL ? weir_last_error(c)->message.ptr : "no word");
}

/* --- truth ------------------------------------------------------------------------------------ */

static const char *const types[] = {"TINYINT",
                                    "TINYINT UNSIGNED",
                                    "SMALLINT",
                                    "SMALLINT UNSIGNED",
                                    "MEDIUMINT",
                                    "MEDIUMINT UNSIGNED",
                                    "INT",
                                    "INT UNSIGNED",
                                    "BIGINT",
                                    "BIGINT UNSIGNED",
                                    "FLOAT",
                                    "DOUBLE",
                                    "DECIMAL(30,10)",
                                    "VARCHAR(200) CHARACTER SET utf8mb4",
                                    "VARBINARY(200)",
                                    "TEXT CHARACTER SET utf8mb4",
                                    "BLOB",
                                    "DATE",
                                    "DATETIME(6)",
                                    "TIMESTAMP(6) NULL",
                                    "TIME(6)",
                                    "YEAR",
                                    "BIT(40)",
                                    "JSON",
                                    "ENUM('a','bé','c')",
                                    "SET('x','y','z')",
                                    "DATETIME",
                                    "TIME",
                                    "LONGBLOB",
                                    "CHAR(20) CHARACTER SET latin1"};
enum { TYPES = sizeof types / sizeof types[0], ROWS = 300 };

static uint64_t seed = 42;
static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 11) % below;
}

static long long signed_of(int bits, bool is_unsigned)
{
    uint64_t v = seed ^ draw(UINT32_MAX) << 31 ^ draw(UINT32_MAX);
    if (draw(6) == 0)
        v = draw(2) == 0 ? 0 : UINT64_MAX;
    v &= bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
    return is_unsigned ? (long long)v : (long long)(v << (64 - bits)) >> (64 - bits);
}

static int text_literal(char *out, size_t room, bool is_binary)
{
    static const char *const pieces[] = {"a", "Zz9 ", "é", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "'"};
    char text[128] = "";
    size_t n = 0;
    for (uint64_t i = draw(8); i > 0; i--) {
        const char *piece = pieces[draw(is_binary ? 2 : 6)];
        memcpy(text + n, piece, strlen(piece));
        n += strlen(piece);
        if (is_binary)
            text[n++] = (char)draw(256);
    }
    int at = snprintf(out, room, is_binary ? "x'" : "CONVERT(x'");
    for (size_t i = 0; i < n; i++)
        at += snprintf(out + at, room - (size_t)at, "%02x", (unsigned char)text[i]);
    return at + snprintf(out + at, room - (size_t)at, is_binary ? "'" : "' USING utf8mb4)");
}

/* A literal of a type. */
static void literal(int type, char *out, size_t room)
{
    static const int bits[] = {8, 8, 16, 16, 24, 24, 32, 32, 64, 64};
    int year = 1 + (int)draw(9998), month = 1 + (int)draw(12), day = 1 + (int)draw(28);
    int h = (int)draw(24), m = (int)draw(60), s = (int)draw(60), us = (int)draw(3) * 123457;
    if (draw(8) == 0) {
        (void)snprintf(out, room, "NULL");
    } else if (type < 10) {
        bool is_unsigned = type % 2 == 1;
        (void)snprintf(out, room, is_unsigned ? "%llu" : "%lld",
                       signed_of(bits[type], is_unsigned));
    } else if (type == 10 || type == 11) {
        (void)snprintf(out, room, "%.9g", ((double)draw(2000000) - 1e6) / 1024);
    } else if (type == 12) {
        (void)snprintf(out, room, "-%llu%09llu.%010llu", (unsigned long long)draw(99999999),
                       (unsigned long long)draw(999999999), (unsigned long long)draw(1ull << 33));
    } else if (type == 13 || type == 15) {
        (void)text_literal(out, room, false);
    } else if (type == 14 || type == 16 || type == 28) {
        (void)text_literal(out, room, true);
    } else if (type == 17) {
        (void)snprintf(out, room, draw(9) == 0 ? "'0000-00-00'" : "'%04d-%02d-%02d'", year, month,
                       day);
    } else if (type == 18 || type == 26) {
        (void)snprintf(out, room,
                       draw(9) == 0 ? "'0000-00-00 00:00:00'"
                                    : "'%04d-%02d-%02d %02d:%02d:%02d.%06d'",
                       year, month, day, h, m, s, type == 26 ? 0 : us);
    } else if (type == 19) {
        (void)snprintf(out, room, "'%04d-%02d-%02d %02d:%02d:%02d.%06d'", 1971 + year % 60, month,
                       day, h, m, s, us);
    } else if (type == 20 || type == 27) {
        (void)snprintf(out, room, "'%s%d:%02d:%02d.%06d'", draw(2) == 0 ? "-" : "", (int)draw(838),
                       m, s, type == 27 ? 0 : us);
    } else if (type == 21) {
        (void)snprintf(out, room, "%d", 1901 + (int)draw(255));
    } else if (type == 22) {
        (void)snprintf(out, room, "%llu", (unsigned long long)draw(1ull << 40));
    } else if (type == 23) {
        (void)snprintf(out, room, "'{\"a\": [%d, null]}'", h);
    } else {
        static const char *const words[] = {"'bé'", "'x,z'"};
        (void)snprintf(out, room, "%s", type == 29 ? "'plain'" : words[type - 24]);
    }
}

/* A cell as the server's text form has it; false: it is compared as a number. */
static bool cell_text(const struct weir__sql_cell *c, weir_str theirs, char *out, size_t *len)
{
    char wall[WEIR__WALL_SQL_MAX];
    weir_str s;
    switch (c->kind) {
    case WEIR__CELL_INT:
        *len = (size_t)sprintf(out, "%lld", (long long)c->u.i);
        return true;
    case WEIR__CELL_UINT:
        *len = (size_t)sprintf(out, "%llu", (unsigned long long)c->u.u);
        return true;
    case WEIR__CELL_WALL:
        s = (weir_str){wall, weir__wall_put_sql(c->u.wall, wall)};
        memcpy(out, s.ptr, s.len);
        if (s.len == 19 && theirs.len == 26) {
            memcpy(out + 19, ".000000", 7);
            s.len = 26;
        }
        *len = theirs.len == 10 && s.len == 19 ? 10 : s.len;
        return true;
    case WEIR__CELL_DOUBLE:
        return false;
    default:
        memcpy(out, c->u.s.ptr, c->u.s.len);
        *len = c->u.s.len;
        if (theirs.len == *len + 7 && theirs.ptr[*len] == '.') { /* of TIME(6) without a fraction */
            memcpy(out + *len, ".000000", 7);
            *len += 7;
        }
        return true;
    }
}

static void compare(int type, const struct weir__sql_cell *c, const char *value, size_t len)
{
    char ours[1024];
    char bits[32];
    size_t n = 0;
    weir_str theirs = {value, len};
    if (type == 22 && value != NULL) { /* BIT: bytes */
        unsigned long long v = 0;
        for (size_t i = 0; i < len; i++)
            v = v << 8 | (unsigned char)value[i];
        theirs = (weir_str){bits, (size_t)sprintf(bits, "%llu", v)};
    }
    if ((c->kind == WEIR__CELL_NULL) != (value == NULL)) {
        FAIL("%s: one is NULL", types[type]);
    } else if (value != NULL && !cell_text(c, theirs, ours, &n)) {
        double d = strtod(value, NULL);
        if (fabs(d - c->u.d) > fabs(d) * (type == 10 ? 1e-5 : 1e-15))
            FAIL("%s: %.17g, and libmariadb has %s", types[type], c->u.d, value);
    } else if (value != NULL && !weir_str_eq(theirs, (weir_str){ours, n})) {
        FAIL("%s: \"%.*s\", and libmariadb has \"" WEIR_STR_FMT "\"", types[type], (int)n, ours,
             WEIR_STR_ARG(theirs));
    }
}

static void fill_table(weir_ctx *c, weir_db *db)
{
    char sql[8192];
    int at = snprintf(sql, sizeof sql, "CREATE OR REPLACE TABLE weir_truth(n INT PRIMARY KEY");
    for (int i = 0; i < TYPES; i++)
        at += snprintf(sql + at, sizeof sql - (size_t)at, ", c%d %s", i, types[i]);
    (void)snprintf(sql + at, sizeof sql - (size_t)at, ")");
    must(c, weir_db_exec(c, db, NULL, sql));
    for (int row = 0; row < ROWS; row++) {
        at = snprintf(sql, sizeof sql, "INSERT IGNORE INTO weir_truth VALUES (%d", row);
        for (int i = 0; i < TYPES; i++) {
            char value[1024];
            literal(i, value, sizeof value);
            at += snprintf(sql + at, sizeof sql - (size_t)at, ",%s", value);
        }
        (void)snprintf(sql + at, sizeof sql - (size_t)at, ")");
        must(c, weir_db_exec(c, db, NULL, sql));
    }
}

static MYSQL *open_theirs(void)
{
    struct weir__mysql_url u;
    char bytes[500];
    weir_buf out;
    weir_buf_init_fixed(&out, bytes, sizeof bytes);
    struct weir__bounds b = {.kind = "MySQL", .name = "test", .out = &out};
    weir__mysql_url_read(url, &u, &b);
    MYSQL *m = mysql_init(NULL);
    mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    const struct weir__sql_host *at = &u.hosts[0];
    if (mysql_real_connect(m, at->name, u.user, u.password, u.database, at->port, at->socket, 0) ==
        NULL)
        FAIL("libmariadb: %s", mysql_error(m));
    (void)mysql_query(m, "SET time_zone='+00:00'");
    return m;
}

/* The driver's cells, which the core would put into members. */
static void read_both(weir_ctx *c, weir_db *handle)
{
    MYSQL *m = open_theirs();
    struct weir__sql_fault f;
    struct weir__lease lease = {0};
    struct weir__sql_conn *conn;
    weir_db *db = weir__token_must(handle, WEIR__KIND_DB, "test", "the database");
    struct weir__sql_outcome outcome = {0};
    struct weir__sql_values none = {0};
    weir__sql_fault_init(&f);
    must(c,
         weir__mysql_take(db, weir__ctx_of(c), WEIR_HERE, WEIR__SQL_READ, NULL, &lease, &conn, &f));
    conn->c = weir__ctx_of(c);
    struct weir__mysql_stmt s = {0};
    s.sql.text = "SELECT * FROM weir_truth ORDER BY n";
    s.sql.text_len = strlen(s.sql.text);
    s.sql.sent = weir_str_from(s.sql.text); /* which the core writes otherwise */
    if (mysql_query(m, s.sql.text) != 0)
        FAIL("libmariadb: %s", mysql_error(m));
    MYSQL_RES *theirs = mysql_store_result(m);
    if (weir__mysql_prepare(conn, &s.sql, &f) < 0 ||
        weir__mysql_run(conn, &s.sql, &none, true, &outcome, &f) < 0)
        FAIL("%s", f.text);
    int rows = 0, rc;
    while ((rc = weir__mysql_fetch(conn, &s.sql, &f)) == 1) {
        MYSQL_ROW row = mysql_fetch_row(theirs);
        unsigned long *lengths = mysql_fetch_lengths(theirs);
        for (int i = 0; i < TYPES && row != NULL; i++)
            compare(i, &s.sql.cells[i + 1], row[i + 1], lengths[i + 1]);
        rows += row != NULL;
    }
    if (rc < 0 || rows != ROWS)
        FAIL("%d rows of %d: %s", rows, ROWS, f.text);
    printf("%d rows of %d columns are the same\n", rows, TYPES);
    weir__mysql_forget(conn, &s.sql);
    weir__lease_release(&lease);
    mysql_free_result(theirs);
    mysql_close(m);
    free(s.sql.cells);
}

/* Values that are sent come back as they were. */
typedef struct {
    int64_t i;
    double d;
    weir_str s;
    weir_blob b;
    weir_wall w;
    weir_decimal n;
    weir_uuid u;
    weir_raw_json j;
} sent;
WEIR_MODEL(sent, (i), (d), (s), (b), (w), (n), (u), (j));

static void send_values(weir_ctx *c, weir_db *db)
{
    weir_decimal n;
    weir_uuid u = weir_uuid_v4();
    must(c, weir_decimal_parse(WEIR_S("-12345678901234567890.0123456789"), &n));
    must(c, weir_db_exec(c, db, NULL,
                         "CREATE OR REPLACE TABLE weir_sent(i BIGINT, d DOUBLE, s TEXT, b BLOB, w "
                         "DATETIME(6), n DECIMAL(40,10), u UUID, j JSON) CHARACTER SET utf8mb4"));
    must(c, weir_db_exec(c, db, NULL, "INSERT INTO weir_sent VALUES (?,?,?,?,?,?,?,?)", INT64_MIN,
                         -0.1, "caf\xc3\xa9 \xf0\x9f\x98\x80 '?\\", ((weir_blob){"\0\xff\x80", 3}),
                         ((weir_wall){1709209805123456}), n, u,
                         ((weir_raw_json){WEIR_S("{\"a\":1}")})));
    sent got = {0};
    must(c, weir_query_one(c, db, sent, &got, "SELECT * FROM weir_sent"));
    if (got.i != INT64_MIN || got.d != -0.1 ||
        !weir_str_eq(got.s, weir_str_from("caf\xc3\xa9 \xf0\x9f\x98\x80 '?\\")) || got.b.len != 3 ||
        memcmp(got.b.ptr, "\0\xff\x80", 3) != 0 || got.w.us != 1709209805123456 ||
        weir_decimal_cmp(got.n, n) != 0 || weir_uuid_cmp(got.u, u) != 0 ||
        !weir_str_eq(got.j.text, WEIR_S("{\"a\":1}")))
        FAIL("what was sent came back as another");
    printf("values come back as they were sent\n");
}

static weir_err truth(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_db *db = open_db(c, 2);
    fill_table(c, db);
    read_both(c, db);
    send_values(c, db);
    return WEIR_OK;
}

/* --- many ------------------------------------------------------------------------------------- */

static void row_of(const struct weir__sql_many *many, size_t index, weir_arg *out)
{
    (void)many;
    out[0] = WEIR_ARG((int64_t)index);
    out[1] = index % 7 == 0   ? WEIR_ARG(WEIR_NULL)
             : index % 5 == 0 ? WEIR_ARG((int64_t)index)
                              : WEIR_ARG("some text of a row");
}

static weir_err insert_many(weir_ctx *c, void *arg)
{
    static const weir_str columns[] = {WEIR_S("id"), WEIR_S("te`xt")};
    (void)arg;
    weir_db *handle = open_db(c, 2);
    weir_db *db = weir__token_must(handle, WEIR__KIND_DB, "test", "the database");
    must(c, weir_db_exec(c, handle, NULL,
                         "CREATE OR REPLACE TABLE weir_many(id INT PRIMARY KEY, `te``xt` TEXT)"));
    for (int way = 0; way < 2; way++) {
        struct weir__sql_fault f;
        struct weir__lease lease = {0};
        struct weir__sql_conn *conn;
        struct weir__sql_outcome out = {0};
        struct weir__sql_many many = {WEIR_S("weir_many"), columns, 2, 3333, row_of};
        weir__sql_fault_init(&f);
        must(c, weir__mysql_take(db, weir__ctx_of(c), WEIR_HERE, WEIR__SQL_WRITE, NULL, &lease,
                                 &conn, &f));
        conn->c = weir__ctx_of(c);
        if (way == 1) /* as MySQL's server has it */
            weir__mysql_conn_of(conn)->capabilities &= ~WEIR__MARIADB_BULK;
        if (weir__mysql_many(conn, &many, &out, &f) < 0)
            FAIL("%s", f.text);
        weir__lease_release(&lease);
        int64_t count = 0;
        must(c, weir_query_one(c, handle, int64_t, &count,
                               "SELECT COUNT(*) FROM weir_many WHERE (id % 7 = 0) = (`te``xt` IS "
                               "NULL)"));
        if (count != 3333 || out.changes != 3333)
            FAIL("%lld rows, %lld changes", (long long)count, (long long)out.changes);
        must(c, weir_db_exec(c, handle, NULL, "DELETE FROM weir_many"));
    }
    printf("3333 rows, both ways\n");
    return WEIR_OK;
}

/* --- late ------------------------------------------------------------------------------------- */

static weir_err is_late(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c, 3);
    (void)arg;
    for (int i = 0; i < 30; i++) {
        WEIR_SCOPE(limited, c, .timeout = weir_ms(20));
        weir_rows *rows = weir_query(
            limited, db, i % 2 == 0 ? "SELECT SLEEP(30)" : "SELECT a.seq FROM seq_1_to_10000000 a");
        int64_t v = -1;
        while (weir_rows_next(rows, int64_t, &v))
            if (i % 4 == 1 && weir_sleep(limited, weir_ms(1)) < 0)
                break;
        weir_err err = weir_rows_err(rows);
        if (err != WEIR_ETIMEDOUT && !(i % 4 == 1 && err == WEIR_OK)) /* it slept too long */
            FAIL("round %d: %s, %lld", i, weir_strerror(err), (long long)v);
        (void)weir_ctx_close(limited);
        int64_t one = 0;
        must(c, weir_query_one(c, db, int64_t, &one, "SELECT ?", 1));
        if (one != 1)
            FAIL("the answer of another");
    }
    weir_pool_stats stats = {.name = NULL};
    int64_t server = -1;
    for (int i = 0; i < 200; i++) { /* one that was closed takes its time at the server */
        must(c, weir_query_one(c, db, int64_t, &server,
                               "SELECT COUNT(*) FROM information_schema.processlist WHERE user = "
                               "SUBSTRING_INDEX(USER(), '@', 1)"));
        weir_db_stats(db, &stats, NULL);
        int64_t more = server - (int64_t)stats.open;
        if ((more == 0 || more == 1) || weir_sleep(c, weir_ms(50)) < 0)
            break; /* and the one that kills */
        server = -1;
    }
    printf("opened %llu, open %llu, the server has %lld\n", (unsigned long long)stats.opened,
           (unsigned long long)stats.open, (long long)server);
    if (server < 0)
        FAIL("the server has others than the pool");
    return WEIR_OK;
}

/* --- loop ------------------------------------------------------------------------------------- */

static bool is_over;

static weir_err read_input(void *arg)
{
    char byte;
    (void)arg;
    while (read(0, &byte, 1) > 0)
        continue;
    return WEIR_OK;
}

static weir_err wait_for_end(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_err err = weir_offload(c, read_input, NULL);
    is_over = true;
    return err;
}

static weir_err loop(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c, 4);
    (void)arg;
    must(c, WEIR_GO(c, wait_for_end, NULL));
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (!is_over) {
        int64_t id = 0;
        WEIR_SCOPE(one, c, .timeout = weir_sec(1));
        weir_err err = weir_query_one(one, db, int64_t, &id, "SELECT CONNECTION_ID()");
        if (err == WEIR_OK)
            err = weir_db_exec(one, db, NULL, "UPDATE weir_loop SET n = n + 1");
        printf("%s %lld\n", err == WEIR_OK ? "ok" : weir_strerror(err), (long long)id);
        (void)weir_ctx_close(one);
        if (weir_sleep(c, weir_ms(10)) < 0)
            break;
    }
    return WEIR_OK;
}

/* --- login ------------------------------------------------------------------------------------ */

static const char *key_file;

static weir_err log_in(weir_ctx *c, void *arg)
{
    char key[4096] = "";
    int64_t v = 0;
    (void)arg;
    FILE *f = key_file != NULL ? fopen(key_file, "r") : NULL;
    if (f != NULL) {
        key[fread(key, 1, sizeof key - 1, f)] = '\0';
        (void)fclose(f);
    }
    weir_db *db = weir_mysql_open(c, .url = url, .statement_max = weir_ms(1500),
                                  .server_key = f != NULL ? key : NULL);
    must(c, weir_db_err(db));
    if (weir_db_err(db) == WEIR_OK)
        must(c, weir_query_one(c, db, int64_t, &v, "SELECT 42 AS a"));
    printf("%lld\n", (long long)v);
    return WEIR_OK;
}

/* --- sleepers --------------------------------------------------------------------------------- */

static weir_err sleep_at_server(weir_ctx *c, void *arg)
{
    int64_t v;
    must(c, weir_query_one(c, (weir_db *)arg, int64_t, &v, "SELECT SLEEP(1)"));
    return WEIR_OK;
}

static weir_err sleep_all(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c, (uint32_t)sleepers);
    (void)arg;
    for (int round = 0; round < 2; round++) { /* the first opens the connections */
        weir_time from = weir__worker_now(weir__self);
        WEIR_SCOPE(all, c);
        for (int i = 0; i < sleepers; i++)
            must(c, WEIR_GO(all, sleep_at_server, db));
        must(c, weir_join(all));
        (void)weir_ctx_close(all);
        printf("%d fibers slept for %.3f s\n", sleepers,
               (double)(weir__worker_now(weir__self).ns - from.ns) / 1e9);
    }
    return WEIR_OK;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        weir_fiber_fn fn;
    } all[] = {{"truth", truth}, {"many", insert_many}, {"late", is_late},
               {"loop", loop},   {"login", log_in},     {"sleepers", sleep_all}};
    struct weir__runtime_options o = {.workers = 1};
    char message[200];
    weir_err err;
    url = argc > 2 ? argv[1] : "";
    key_file = argc > 3 ? argv[3] : NULL;
    sleepers = argc > 3 ? atoi(argv[3]) : 500;
    struct weir__runtime *rt = weir__runtime_new(&o, &err, message, sizeof message);
    for (size_t i = 0; rt != NULL && argc > 2 && i < sizeof all / sizeof all[0]; i++)
        if (strcmp(argv[2], all[i].name) == 0 && weir__runtime_run(rt, all[i].fn, NULL) < 0)
            FAIL("it did not end well");
    weir__runtime_free(rt);
    return failures > 0 || argc < 3;
}
