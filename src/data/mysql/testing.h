/*
 * A server of MySQL or MariaDB on the simulated network, for tests of the driver: it logs clients
 * in and answers by what a statement says. SELECT has rows of `id` and `name`, as many as it is
 * told; SLEEP does not end before it is killed; FAIL 1062 is that error, with the rest of the
 * statement as its text; @ changes the session; all else is well. What it heard behind log-ins is
 * kept as words.
 *
 * It can send a byte at a time, break off behind any byte, and change one; and follow another
 * (`follows`), so far behind as it is told, and refuse writes then.
 */
#ifndef WEIR_DATA_MYSQL_TESTING_H
#define WEIR_DATA_MYSQL_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/mysql/mysql.h"
#include "rt/sim.h"
#include "wire/mysql_auth.h"
#include "wire/mysql_testing.h"
#include <weir/fiber.h>

enum { SERVER_HEARD = 4096, SERVER_VISITS = 16, SERVER_IN = 1 << 20, STATEMENTS = 128 };

struct visit;

struct server {
    struct weir__fd listener;
    int number;
    char url[128];
    bool is_mysql;      /* no capabilities of MariaDB's */
    const char *plugin; /* default: mysql_native_password */
    int rows;           /* of a SELECT */
    bool in_bytes;
    size_t cut_at;   /* of all bytes that it sends: there it closes; 0: nowhere */
    size_t spoil_at; /* that one is sent as another; 0: none */
    bool resends_columns;
    bool is_deaf_to_kills; /* they are answered, and do nothing */
    bool follows;
    const char *lag;   /* seconds, as text; NULL: it says NULL */
    bool says_slave;   /* it knows no other word for a replica */
    bool keeps_secret; /* how far it is behind */
    int reads, writes, probes;
    bool is_over; /* it accepts nobody any more */
    int accepted, accepted_before, open, logins, kills, receives;
    size_t sent;
    char heard[SERVER_HEARD];
    size_t heard_len;
    struct visit *visits[SERVER_VISITS]; /* by number of the connection, the last ones */
};

struct visit {
    struct server *server;
    struct weir__stream stream;
    int num;
    unsigned thread;
    uint8_t number; /* of the next packet */
    bool is_in_tx, is_killed, was_reset;
    uint64_t capabilities;
    char texts[STATEMENTS][512]; /* "": there is none */
    bool knows_columns[STATEMENTS];
    char *in;
    size_t len;
    char *bytes; /* of `out` */
    weir_buf out;
};

static inline void hear(struct server *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(s->heard + s->heard_len, SERVER_HEARD - s->heard_len, format, args);
    va_end(args);
    s->heard_len += (size_t)n < SERVER_HEARD - s->heard_len ? (size_t)n : 0;
}

/* Sends what is in `out`, as the server was told to. False: it is over. */
static inline bool visit_send(weir_ctx *c, struct visit *v)
{
    struct server *s = v->server;
    size_t len = v->out.len;
    for (size_t at = 0, sent = 0; at < len; at += sent) {
        size_t n = s->in_bytes ? 1 : len - at;
        if (s->cut_at > 0 && s->sent + n > s->cut_at)
            n = s->cut_at - s->sent;
        if (s->spoil_at > 0 && s->spoil_at >= s->sent && s->spoil_at - s->sent < n)
            v->out.ptr[at + s->spoil_at - s->sent] ^= 0x55;
        if (n == 0 || weir__stream_send(weir__ctx_of(c), &v->stream, v->out.ptr + at, n, &sent,
                                        weir_never()) < 0)
            return false;
        s->sent += sent;
        if (s->in_bytes && weir_sleep(c, weir_us(10)) < 0)
            return false;
    }
    weir_buf_reset(&v->out);
    return true;
}

static inline size_t visit_begin(struct visit *v)
{
    return weir__mysql_packet_begin(&v->out);
}

static inline void visit_end(struct visit *v, size_t at)
{
    v->number = weir__mysql_packet_end(&v->out, at, v->number);
}

/* The next packet of the client's; absent: it is over. */
static inline bool visit_read(weir_ctx *c, struct visit *v, weir_str *body, size_t *used)
{
    struct weir__mysql_packet p;
    for (;;) {
        int64_t rc = v->len == 0
                         ? 0
                         : weir__mysql_packet_read(v->in, v->len, (uint8_t)v->in[3], SERVER_IN, &p);
        if (rc < 0)
            return false;
        if (rc > 0) {
            *body = p.body;
            *used = (size_t)rc;
            v->number = p.next;
            return true;
        }
        ssize_t n = weir__stream_recv(weir__ctx_of(c), &v->stream, v->in + v->len,
                                      SERVER_IN - v->len, weir_never());
        if (n <= 0)
            return false;
        v->len += (size_t)n;
        v->server->receives++;
    }
}

static inline void visit_used(struct visit *v, size_t used)
{
    memmove(v->in, v->in + used, v->len - used);
    v->len -= used;
}

/* --- answers ---------------------------------------------------------------------------------- */

static inline void say_ok(struct visit *v, uint8_t first, uint64_t affected, uint8_t changed)
{
    struct weir__mysql_ok ok = {
        .affected = affected,
        .last_id = affected * 10,
        .status = (uint16_t)(WEIR__MYSQL_AUTOCOMMIT | (v->is_in_tx ? WEIR__MYSQL_IN_TX : 0)),
        .changed = changed};
    size_t at = visit_begin(v);
    mysql_put_ok(&v->out, first, &ok);
    visit_end(v, at);
}

static inline void say_err(struct visit *v, unsigned number, const char *state, const char *text)
{
    size_t at = visit_begin(v);
    mysql_put_err(&v->out, (uint16_t)number, state, text);
    visit_end(v, at);
}

static inline void say_columns(struct visit *v)
{
    struct weir__mysql_column columns[2] = {mysql_column("id", WEIR__MYSQL_LONGLONG),
                                            mysql_column("name", WEIR__MYSQL_VAR_STRING)};
    for (int i = 0; i < 2; i++) {
        size_t at = visit_begin(v);
        mysql_put_column(&v->out, (v->capabilities & WEIR__MARIADB_EXTENDED_METADATA) != 0,
                         &columns[i]);
        visit_end(v, at);
    }
}

static inline void say_rows(struct visit *v, bool is_binary, bool has_columns)
{
    bool can_cache = (v->capabilities & WEIR__MARIADB_CACHE_METADATA) != 0;
    size_t at = visit_begin(v);
    mysql_put_rows(&v->out, 2, can_cache, has_columns);
    visit_end(v, at);
    if (has_columns || !can_cache)
        say_columns(v);
    for (int i = 1; i <= v->server->rows; i++) {
        char name[32];
        int n = snprintf(name, sizeof name, "name %d", i);
        struct weir__mysql_value values[2] = {
            {.kind = WEIR__MYSQL_INT, .u.i = i},
            {.kind = i % 3 == 0 ? WEIR__MYSQL_IS_NULL : WEIR__MYSQL_TEXT,
             .u.s = {name, (size_t)n}}};
        at = visit_begin(v);
        if (is_binary) {
            mysql_put_row(&v->out, values, 2);
        } else {
            char id[16];
            weir__mysql_put_string(&v->out, (weir_str){id, (size_t)sprintf(id, "%d", i)});
            weir__mysql_put_string(&v->out, values[1].u.s);
        }
        visit_end(v, at);
    }
    say_ok(v, WEIR__MYSQL_EOF, 0, 0);
}

static inline void kill_visit(struct server *s, unsigned thread)
{
    s->kills++;
    for (int i = 0; i < SERVER_VISITS && !s->is_deaf_to_kills; i++) {
        if (s->visits[i] != NULL && s->visits[i]->thread == thread)
            s->visits[i]->is_killed = true;
    }
}

/* A row of one column, as text. */
static inline void say_text(struct visit *v, const char *name, const char *text)
{
    struct weir__mysql_column column = mysql_column(name, WEIR__MYSQL_VAR_STRING);
    size_t at = visit_begin(v);
    mysql_put_rows(&v->out, 1, (v->capabilities & WEIR__MARIADB_CACHE_METADATA) != 0, true);
    visit_end(v, at);
    at = visit_begin(v);
    mysql_put_column(&v->out, (v->capabilities & WEIR__MARIADB_EXTENDED_METADATA) != 0, &column);
    visit_end(v, at);
    at = visit_begin(v);
    if (text != NULL)
        weir__mysql_put_string(&v->out, weir_str_from(text));
    else
        weir_buf_putc(&v->out, '\xfb');
    visit_end(v, at);
    say_ok(v, WEIR__MYSQL_EOF, 0, 0);
}

/* What a prober asks. False: it is another statement. */
static inline bool say_what_it_is(struct visit *v, const char *sql)
{
    struct server *s = v->server;
    bool is_replica = strcmp(sql, "SHOW REPLICA STATUS") == 0;
    if (strcmp(sql, "SELECT @@global.read_only") == 0) {
        s->probes++;
        say_text(v, "@@global.read_only", s->follows ? "1" : "0");
    } else if (is_replica && s->says_slave) {
        say_err(v, 1064, "42000", "You have an error in your SQL syntax");
    } else if ((is_replica || strcmp(sql, "SHOW SLAVE STATUS") == 0) && s->keeps_secret) {
        say_err(v, 1227, "42000", "Access denied; you need the REPLICA MONITOR privilege");
    } else if (is_replica || strcmp(sql, "SHOW SLAVE STATUS") == 0) {
        say_text(v, s->says_slave ? "Seconds_Behind_Master" : "Seconds_Behind_Source", s->lag);
    } else {
        return false;
    }
    return true;
}

/* As a statement says. False: it is over. */
static inline bool say_what_it_says(weir_ctx *c, struct visit *v, const char *sql, bool is_binary,
                                    bool has_columns)
{
    const char *fail = strstr(sql, "FAIL ");
    unsigned thread;
    if (say_what_it_is(v, sql))
        return true;
    v->server->reads += strncmp(sql, "SELECT", 6) == 0;
    v->server->writes += strncmp(sql, "INSERT", 6) == 0;
    if (v->server->follows && strncmp(sql, "INSERT", 6) == 0) {
        say_err(v, 1290, "HY000", "The server is running with the --read-only option");
    } else if (strstr(sql, "SLEEP") != NULL) {
        for (v->is_killed = false; !v->is_killed;)
            if (weir__stream_is_over(&v->stream) || weir_sleep(c, weir_ms(1)) < 0)
                return false;
        say_err(v, 1317, "70100", "Query execution was interrupted");
    } else if (fail != NULL) {
        v->is_in_tx = v->is_in_tx && atoi(fail + 5) != 1213;
        say_err(v, (unsigned)atoi(fail + 5), "HY000", strchr(fail + 5, ' ') + 1);
    } else if (strstr(sql, "INFILE") != NULL) {
        size_t at = visit_begin(v);
        weir_buf_puts(&v->out, WEIR_S("\xfb/etc/passwd"));
        visit_end(v, at);
    } else if (sscanf(sql, "KILL QUERY %u", &thread) == 1) {
        kill_visit(v->server, thread);
        say_ok(v, 0, 0, 0);
    } else if (strncmp(sql, "RELEASE ", 8) == 0 && strncmp(sql + 8, "SAVEPOINT ", 10) != 0) {
        say_err(v, 1064, "42000", "You have an error in your SQL syntax"); /* as MySQL's grammar */
    } else if (strncmp(sql, "SELECT", 6) == 0) {
        say_rows(v, is_binary, has_columns);
    } else {
        if (strncmp(sql, "START", 5) == 0)
            v->is_in_tx = true;
        if (strncmp(sql, "COMMIT", 6) == 0 || strcmp(sql, "ROLLBACK") == 0)
            v->is_in_tx = false;
        say_ok(v, 0, strncmp(sql, "INSERT", 6) == 0 ? 1 : 0,
               strchr(sql, '@') != NULL ? WEIR__MYSQL_CHANGED_STATE : 0);
    }
    return true;
}

static inline void say_prepared(struct visit *v, const char *sql)
{
    unsigned id = 1; /* the first that is free; never 0 */
    while (id < STATEMENTS - 1 && v->texts[id][0] != '\0')
        id++;
    struct weir__mysql_prepared p = {.id = id, .columns = strncmp(sql, "SELECT", 6) == 0 ? 2 : 0};
    for (const char *at = sql; (at = strchr(at, '?')) != NULL; at++)
        p.params++;
    snprintf(v->texts[id], sizeof v->texts[id], "%s", sql);
    v->knows_columns[id] = !v->server->resends_columns;
    size_t at = visit_begin(v);
    mysql_put_prepared(&v->out, &p);
    visit_end(v, at);
    for (unsigned i = 0; i < p.params; i++) {
        struct weir__mysql_column param = mysql_column("?", WEIR__MYSQL_NULL);
        at = visit_begin(v);
        mysql_put_column(&v->out, (v->capabilities & WEIR__MARIADB_EXTENDED_METADATA) != 0, &param);
        visit_end(v, at);
    }
    if (p.columns > 0)
        say_columns(v);
}

/* --- commands --------------------------------------------------------------------------------- */

static inline bool visit_command(weir_ctx *c, struct visit *v, weir_str body)
{
    char sql[512];
    struct weir__mysql_reader r = weir__mysql_reader_of(body);
    struct server *s = v->server;
    unsigned command = (unsigned)weir__mysql_get(&r, 1), id;
    weir_str rest = {(const char *)r.at, weir__mysql_left(&r)};
    snprintf(sql, sizeof sql, WEIR_STR_FMT, WEIR_STR_ARG(rest));
    switch (command) {
    case WEIR__MYSQL_QUERY:
        if (strncmp(sql, "SET time_zone", 13) != 0) {
            hear(s, "query %s; ", sql);
        } else {
            hear(s, v->was_reset ? "setup; " : "");
            say_ok(v, 0, 0, WEIR__MYSQL_CHANGED_STATE);
            return true;
        }
        return say_what_it_says(c, v, sql, false, true);
    case WEIR__MYSQL_PREPARE:
        hear(s, "prepare %s; ", sql);
        if (strstr(sql, "BAD") != NULL)
            say_err(v, 1064, "42000", "You have an error in your SQL syntax");
        else
            say_prepared(v, sql);
        return true;
    case WEIR__MYSQL_EXECUTE:
        id = (unsigned)weir__mysql_get(&r, 4) % STATEMENTS;
        hear(s, "execute; ");
        bool has_columns = !v->knows_columns[id];
        v->knows_columns[id] = !s->resends_columns;
        return say_what_it_says(c, v, v->texts[id], true, has_columns);
    case WEIR__MYSQL_BULK:
        hear(s, "bulk; ");
        say_ok(v, 0, 3, 0);
        return true;
    case WEIR__MYSQL_CLOSE:
        hear(s, "close; ");
        v->texts[(unsigned)weir__mysql_get(&r, 4) % STATEMENTS][0] = '\0';
        return true;
    case WEIR__MYSQL_PING:
        hear(s, "ping; ");
        say_ok(v, 0, 0, 0);
        return true;
    case WEIR__MYSQL_RESET_CONNECTION:
        hear(s, "reset; ");
        v->is_in_tx = false;
        v->was_reset = true;
        memset(v->texts, 0, sizeof v->texts);
        say_ok(v, 0, 0, 0);
        return true;
    default:
        return false;
    }
}

/* Greeting and log-in; the password is "secret". */
static inline bool visit_log_in(weir_ctx *c, struct visit *v)
{
    struct server *s = v->server;
    struct weir__mysql_login l;
    uint8_t proof[WEIR__MYSQL_PROOF_MAX];
    weir_str body;
    size_t used;
    const char *plugin = s->plugin != NULL ? s->plugin : "mysql_native_password";
    struct weir__mysql_greeting g = mysql_greeting(!s->is_mysql, plugin);
    g.thread = v->thread;
    size_t at = visit_begin(v);
    mysql_put_greeting(&v->out, &g);
    visit_end(v, at);
    if (!visit_send(c, v) || !visit_read(c, v, &body, &used) || !mysql_read_login(body, &l))
        return false;
    v->capabilities = l.capabilities;
    int n = weir__mysql_native_proof(WEIR_S("secret"), g.nonce, proof);
    bool is_good = strcmp(plugin, "mysql_native_password") != 0 ||
                   (l.auth.len == (size_t)n && memcmp(l.auth.ptr, proof, (size_t)n) == 0);
    s->logins++;
    visit_used(v, used);
    if (is_good)
        say_ok(v, 0, 0, 0);
    else
        say_err(v, 1045, "28000", "Access denied for user");
    return visit_send(c, v) && is_good;
}

/* Where it is, or (NULL) may be put: beginning at its number. */
static inline struct visit **visit_slot(struct server *s, const struct visit *v, unsigned thread)
{
    for (unsigned i = 0; i < SERVER_VISITS; i++) {
        struct visit **slot = &s->visits[(thread + i) % SERVER_VISITS];
        if (*slot == v)
            return slot;
    }
    fail_msg("more than %d connections", SERVER_VISITS);
    return NULL;
}

static inline void visit_free(struct visit *v)
{
    *visit_slot(v->server, v, v->thread) = NULL;
    free(v);
}

static inline weir_err visit_run(weir_ctx *c, void *arg)
{
    struct visit *v = arg;
    struct server *s = v->server;
    weir_str body;
    size_t used;
    if (weir__stream_attach(&v->stream, (struct weir__detached){.num = v->num}, NULL) != WEIR_OK) {
        weir__sim_close(v->num);
        visit_free(v);
        return WEIR_OK;
    }
    v->in = malloc(SERVER_IN);
    weir_buf_init(&v->out, SERVER_IN);
    s->open++;
    bool is_on = v->in != NULL && visit_log_in(c, v);
    while (is_on && visit_read(c, v, &body, &used)) {
        is_on = visit_command(c, v, body);
        visit_used(v, used);
        is_on = is_on && visit_send(c, v);
    }
    s->open--;
    weir__stream_close(&v->stream);
    weir_buf_fini(&v->out);
    free(v->in);
    visit_free(v);
    return WEIR_OK;
}

static inline weir_err server_run(weir_ctx *c, void *arg)
{
    struct server *s = arg;
    if (weir__fd_watch(&s->listener, s->number, NULL) != WEIR_OK)
        return WEIR_OK;
    WEIR_SCOPE(visits, c);
    for (;;) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &s->listener};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        s->is_over = num < 0;
        if (s->is_over)
            break;
        struct visit *v = calloc(1, sizeof *v);
        assert_non_null(v);
        s->accepted++;
        *v = (struct visit){.server = s, .num = (int)num, .thread = (unsigned)s->accepted};
        *visit_slot(s, NULL, v->thread) = v;
        if (WEIR_GO(visits, visit_run, v) < 0) { /* the plan's failure was this server's */
            visit_free(v);
            weir__sim_close((int)num);
        }
    }
    (void)weir_ctx_close(visits);
    weir__fd_close(&s->listener);
    return WEIR_OK;
}

/* --- playing ---------------------------------------------------------------------------------- */

typedef struct {
    int64_t id;
    weir_str name;
} row;
WEIR_MODEL(row, (id), (name));

/* `body` runs in a request's context, with a database of that server, or without (`db` NULL). */
struct play {
    struct server *server;
    void (*body)(weir_ctx *c, weir_db *db, struct server *s);
    uint32_t value_bytes_max;
    bool is_lazy;
};

static inline weir_err play_run(weir_ctx *c, void *arg)
{
    const struct play *play = arg;
    struct server *s = play->server;
    s->number = weir__sim_listen();
    snprintf(s->url, sizeof s->url, "mysql://anna:secret@127.0.0.1:%d/shop", s->number);
    WEIR_SCOPE(around, c);
    assert_int_equal(WEIR_GO(around, server_run, s), WEIR_OK);
    WEIR_SCOPE(outer, around);
    weir_db *db = weir_mysql_open(
        outer, .url = s->url, .lazy = play->is_lazy, .value_bytes_max = play->value_bytes_max,
        .connect_timeout = weir_ms(300), .pool = {.max_open = 2, .wait_max = weir_sec(1)});
    if (!play->is_lazy && weir_db_err(db) < 0)
        fail_msg("%s", weir_last_error(outer)->message.ptr);
    s->heard_len = 0; /* of the one that was tried */
    s->accepted_before = s->accepted;
    s->sent = 0;
    WEIR_SCOPE(request, outer);
    play->body(request, db, s);
    (void)weir_ctx_close(request);
    (void)weir_ctx_close(outer);
    (void)weir_ctx_close(around);
    return WEIR_OK;
}

static inline void play_with(struct server *s, bool is_lazy,
                             void (*body)(weir_ctx *c, weir_db *db, struct server *s))
{
    struct play play = {s, body, 0, is_lazy};
    assert_int_equal(weir__sim_run(play_run, &play), WEIR_OK);
}

static inline void assert_heard(const struct server *s, const char *words)
{
    if (strcmp(s->heard, words) != 0)
        fail_msg("it heard\n%s\ninstead of\n%s", s->heard, words);
}

static inline void forget_heard(struct server *s)
{
    s->heard_len = 0;
    s->heard[0] = '\0';
}

static inline void assert_told(weir_ctx *c, weir_err err, weir_err expected, const char *part)
{
    const weir_error *e = weir_last_error(c);
    if (err != expected || e == NULL || strstr(e->message.ptr, part) == NULL)
        fail_msg("%d (%s): %s; instead of %d: %s", err, weir_strerror(err),
                 e != NULL ? e->message.ptr : "nothing was said", expected, part);
}

#endif
