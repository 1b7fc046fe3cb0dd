/*
 * A PostgreSQL server in the simulation, for tests of the driver: it speaks the protocol in earnest
 * (extended and simple, the states of transactions, errors that skip to a Sync, CancelRequest, the
 * log-in by SCRAM), and knows a few statements by their beginnings. What it says can be cut off
 * after a byte, and a byte of it spoilt.
 *
 *     SELECT n FROM rows(K)   so many rows        SLEEP             until cancelled, or it is late
 *     SELECT FAIL 22012       an error where a row was to be
 *     INSERT                  one row changed     FAIL 23505        an error with that SQLSTATE
 *     COPY                    takes all           DIE               57P01, and the end
 *     LISTEN                  pg_notify reaches it; what `told_at_once` says comes with the answer
 *     TELL                    a setting that has changed, and a notice
 *     FORGET                  what was prepared is there no more
 *     … ! STATEMENT           the same behind words that say nothing: "SELECT ! SLEEP"
 *
 * It may follow another (`follows`), so far behind as it is told, and refuses writes then.
 */
#ifndef WEIR_DATA_POSTGRES_TESTING_H
#define WEIR_DATA_POSTGRES_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hmac.h"
#include "crypto/pbkdf2.h"
#include "base/value.h"
#include "data/postgres/postgres.h"
#include "net/stream.h"
#include "rt/sim.h"
#include <weir/fiber.h>

enum { PG_VISITS = 32, PG_NAMES = 128, PG_BYTES = 1 << 16, PG_SQL = 256 };

enum pg_auth { PG_TRUST, PG_CLEAR, PG_MD5, PG_SCRAM, PG_ODD };

struct pg_visit {
    struct pg_server *server;
    struct weir__fd fd;
    int num;
    uint32_t process;
    bool is_there, has_started, listens, is_cancelled, is_dead, is_copying, skips, is_in_copy_error;
    char status;      /* of the transaction */
    int statement_ms; /* its statement_timeout; 0: none */
    int scram_step;
    char scram[512]; /* the messages so far that are signed */
    char names[PG_NAMES][16], sqls[PG_NAMES][PG_SQL];
    char bound[PG_SQL];
    char in[PG_BYTES], out_bytes[PG_BYTES];
    size_t in_len;
    weir_buf out;
};

struct pg_server {
    struct weir__fd listener;
    int number;
    enum pg_auth auth;
    int accepted, open, cancels, statements, parses, begins, discards;
    int receives, syncs; /* of clients that have logged in */
    char set_local[64];
    char copied_to[128], copied[256];
    int timeout_ms; /* its statement_timeout */
    bool follows;
    int lag_ms, probes, writes;
    const char *told_at_once; /* the payload of a notification to each who listens; NULL: none */
    size_t said;              /* bytes so far */
    size_t cut_at;            /* 0: never; else the connection ends behind so many of them */
    bool cut_hangs;           /* it is silent from there on */
    bool cut_resets;
    bool is_over;     /* it accepts nobody any more */
    size_t spoilt_at; /* 0: none; else which byte becomes another */
    uint8_t spoilt_by;
    struct pg_visit *visits[PG_VISITS];
    char url[128];
};

/* --- saying ----------------------------------------------------------------------------------- */

static inline void pg_text(weir_buf *b, const char *s)
{
    weir_buf_add(b, s, strlen(s) + 1);
}

static inline void pg_say(struct pg_visit *v, char type, const void *body, size_t n)
{
    size_t mark = weir__pg_begin(&v->out, type);
    if (n > 0)
        weir_buf_add(&v->out, body, n);
    weir__pg_end(&v->out, mark);
}

static inline void pg_ready(struct pg_visit *v)
{
    pg_say(v, 'Z', &v->status, 1);
}

static inline void pg_complete(struct pg_visit *v, const char *tag)
{
    pg_say(v, 'C', tag, strlen(tag) + 1);
}

static inline void pg_error(struct pg_visit *v, const char *severity, const char *state,
                            const char *message)
{
    size_t mark = weir__pg_begin(&v->out, 'E');
    const struct {
        char code;
        const char *text;
    } fields[] = {{'S', severity}, {'V', severity},    {'C', state},
                  {'M', message},  {'n', "users_key"}, {'P', "1"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        weir_buf_putc(&v->out, fields[i].code);
        pg_text(&v->out, fields[i].text);
    }
    weir_buf_putc(&v->out, '\0');
    weir__pg_end(&v->out, mark);
    v->status = v->status == 'T' ? 'E' : v->status;
}

/* All that was said leaves, as far as the plan lets it. False: the connection is over. */
static inline bool pg_flush(struct weir__ctx *c, struct pg_visit *v)
{
    struct pg_server *s = v->server;
    size_t n = v->out.len, left = n;
    if (s->spoilt_at > s->said && s->spoilt_at <= s->said + n)
        v->out.ptr[s->spoilt_at - s->said - 1] ^= (char)s->spoilt_by;
    if (s->cut_at > 0 && s->said + n > s->cut_at)
        left = s->cut_at > s->said ? s->cut_at - s->said : 0;
    s->said += n;
    weir_buf_reset(&v->out);
    for (size_t at = 0; at < left;) {
        ssize_t sent = weir__send(c, &v->fd, v->out.ptr + at, left - at, weir_never());
        if (sent <= 0)
            return false;
        at += (size_t)sent;
    }
    return left == n;
}

/* --- the log-in ------------------------------------------------------------------------------- */

static inline void pg_auth_say(struct pg_visit *v, uint32_t kind, const char *data, size_t n)
{
    size_t mark = weir__pg_begin(&v->out, 'R');
    weir__pg_put_u32(&v->out, kind);
    if (n > 0)
        weir_buf_add(&v->out, data, n);
    weir__pg_end(&v->out, mark);
}

static inline void pg_welcome(struct pg_visit *v)
{
    size_t mark;
    pg_auth_say(v, WEIR__PG_AUTH_OK, NULL, 0);
    pg_say(v, 'S', "TimeZone\0UTC", 13);
    mark = weir__pg_begin(&v->out, 'K');
    weir__pg_put_u32(&v->out, v->process);
    weir_buf_puts(&v->out, WEIR_S("secret key of 20 byt"));
    weir__pg_end(&v->out, mark);
    v->has_started = true;
    pg_ready(v);
}

/* The client's first message is known: it goes on with our nonce. */
static inline void pg_scram_challenge(struct pg_visit *v, weir_str message)
{
    const char *bare = memmem(message.ptr, message.len, "n=,r=", 5);
    assert_non_null(bare);
    int n = (int)(message.ptr + message.len - bare);
    char first[160];
    int len = snprintf(first, sizeof first, "r=%.*sSERVER,s=c2FsdA==,i=4096", n - 5, bare + 5);
    snprintf(v->scram, sizeof v->scram, "%.*s,%s", n, bare, first);
    pg_auth_say(v, WEIR__PG_AUTH_SASL_CONTINUE, first, (size_t)len);
}

/* Proves that it knows the password; whether the client does is not looked at. */
static inline void pg_scram_verdict(struct pg_visit *v, weir_str message)
{
    uint8_t salted[32], key[32], signature[32];
    char whole[1024], verdict[64] = "v=";
    const char *proof = memmem(message.ptr, message.len, ",p=", 3);
    assert_non_null(proof);
    int n =
        snprintf(whole, sizeof whole, "%s,%.*s", v->scram, (int)(proof - message.ptr), message.ptr);
    struct weir__crypto_pbkdf2 p = {WEIR__CRYPTO_SHA256, WEIR_S("secret"), WEIR_S("salt"), 4096};
    weir_str text = {whole, (size_t)n}, of = {(const char *)salted, 32};
    if (weir__crypto_pbkdf2(&p, salted, sizeof salted, NULL) < 0 ||
        weir__crypto_hmac(WEIR__CRYPTO_SHA256, of, &WEIR_S("Server Key"), 1, key) < 0 ||
        weir__crypto_hmac(WEIR__CRYPTO_SHA256, (weir_str){(const char *)key, 32}, &text, 1,
                          signature) < 0) {
        v->is_dead = true; /* the plan's failure was this server's */
        return;
    }
    weir__base64_put(verdict + 2, signature, 32);
    pg_auth_say(v, WEIR__PG_AUTH_SASL_FINAL, verdict, 46);
    pg_welcome(v);
}

static inline void pg_password(struct pg_visit *v, weir_str body)
{
    if (v->server->auth != PG_SCRAM) {
        pg_welcome(v);
    } else if (v->scram_step++ == 0) {
        size_t name = strlen(body.ptr) + 1 + 4;
        pg_scram_challenge(v, (weir_str){body.ptr + name, body.len - name});
    } else {
        pg_scram_verdict(v, body);
    }
}

static inline void pg_startup(struct pg_visit *v)
{
    switch (v->server->auth) {
    case PG_TRUST:
        pg_welcome(v);
        break;
    case PG_CLEAR:
        pg_auth_say(v, WEIR__PG_AUTH_PASSWORD, NULL, 0);
        break;
    case PG_MD5:
        pg_auth_say(v, WEIR__PG_AUTH_MD5, "salt", 4);
        break;
    case PG_SCRAM:
        pg_auth_say(v, WEIR__PG_AUTH_SASL, "SCRAM-SHA-256\0", 15);
        break;
    case PG_ODD:
        pg_auth_say(v, 7, NULL, 0);
        break;
    }
}

/* --- statements ------------------------------------------------------------------------------- */

static inline bool pg_is(const char *sql, const char *begin)
{
    return strncmp(sql, begin, strlen(begin)) == 0;
}

/* Until somebody cancels it, the transaction's limit is reached, or the client is gone. */
static inline void pg_sleep(struct weir__ctx *c, struct pg_visit *v)
{
    weir_time begin = weir_now();
    while (!v->is_cancelled && (v->fd.ready & (WEIR__PEER_CLOSED | WEIR__BROKEN)) == 0) {
        if (weir_sleep(weir__ctx_handle(c), weir_ms(1)) < 0)
            break;
        if (v->statement_ms > 0 &&
            weir_time_sub(weir_now(), begin).ns >= weir_ms(v->statement_ms).ns)
            v->is_cancelled = true;
    }
    if (v->is_cancelled)
        pg_error(v, "ERROR", "57014", "canceling statement due to user request");
    v->is_cancelled = false;
}

static inline void pg_rows(struct pg_visit *v, struct weir__ctx *c, int count)
{
    for (int i = 0; i < count && !v->is_dead; i++) {
        size_t mark = weir__pg_begin(&v->out, 'D');
        weir__pg_put_u16(&v->out, 1);
        weir__pg_put_u32(&v->out, 4);
        weir__pg_put_u32(&v->out, (uint32_t)i);
        weir__pg_end(&v->out, mark);
        if (v->out.len > PG_BYTES / 2)
            v->is_dead = !pg_flush(c, v);
    }
    pg_complete(v, "SELECT 1");
}

static inline void pg_tell(struct pg_visit *v, const char *channel, const char *payload)
{
    size_t mark = weir__pg_begin(&v->out, 'A');
    weir__pg_put_u32(&v->out, 7);
    pg_text(&v->out, channel);
    pg_text(&v->out, payload);
    weir__pg_end(&v->out, mark);
}

/* What is of the session, and all that has no rows. */
static inline void pg_run_without_rows(struct pg_visit *v, const char *sql)
{
    if (pg_is(sql, "DISCARD ALL")) {
        v->server->discards++;
        memset(v->sqls, 0, sizeof v->sqls);
        pg_complete(v, "DISCARD ALL");
    } else if (pg_is(sql, "FORGET")) {
        memset(v->sqls, 0, sizeof v->sqls);
        pg_complete(v, "DO");
    } else if (pg_is(sql, "SET LOCAL")) {
        snprintf(v->server->set_local, sizeof v->server->set_local, "%s", sql);
        (void)sscanf(sql, "SET LOCAL statement_timeout = %d", &v->statement_ms);
        pg_complete(v, "SET");
    } else if (pg_is(sql, "LISTEN")) {
        v->listens = true;
        if (v->server->told_at_once != NULL)
            pg_tell(v, "jobs", v->server->told_at_once);
        pg_complete(v, "LISTEN");
    } else if (pg_is(sql, "COPY")) {
        snprintf(v->server->copied_to, sizeof v->server->copied_to, "%s", sql);
        pg_say(v, 'G', "\0\0\0", 3);
        v->is_copying = true;
    } else {
        pg_complete(v, pg_is(sql, "INSERT") ? "INSERT 0 1" : pg_is(sql, "SET") ? "SET" : "DO");
    }
}

/* Numbers as texts. */
static inline void pg_integers(struct pg_visit *v, const int *numbers, unsigned count)
{
    size_t mark = weir__pg_begin(&v->out, 'D');
    weir__pg_put_u16(&v->out, (uint16_t)count);
    for (unsigned i = 0; i < count; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "%d", numbers[i]);
        weir__pg_put_u32(&v->out, (uint32_t)len);
        weir_buf_add(&v->out, text, (size_t)len);
    }
    weir__pg_end(&v->out, mark);
    pg_complete(v, "SELECT 1");
}

/* What our own queries ask: the session's time, what it is. False: it is another statement. */
static inline bool pg_run_question(struct pg_visit *v, const char *sql)
{
    struct pg_server *s = v->server;
    const int said[] = {!s->follows, s->lag_ms};
    bool is_probe = pg_is(sql, "SELECT (NOT pg_is_in_recovery()");
    if (is_probe)
        pg_integers(v, said, 2);
    else if (pg_is(sql, "SELECT setting"))
        pg_integers(v, &s->timeout_ms, 1);
    else
        return false;
    s->probes += is_probe;
    return true;
}

static inline void pg_run(struct weir__ctx *c, struct pg_visit *v, const char *sql)
{
    const char *behind = strstr(sql, "! ");
    if (v->status != 'E' && pg_run_question(v, sql))
        return;
    v->server->statements++;
    sql = behind != NULL ? behind + 2 : sql;
    v->server->writes += pg_is(sql, "INSERT");
    if (v->server->follows && pg_is(sql, "INSERT")) {
        pg_error(v, "ERROR", "25006", "cannot execute INSERT in a read-only transaction");
    } else if (v->status == 'E' && !pg_is(sql, "ROLLBACK") && !pg_is(sql, "COMMIT")) {
        pg_error(v, "ERROR", "25P02", "current transaction is aborted");
    } else if (pg_is(sql, "BEGIN")) {
        v->server->begins++;
        v->status = 'T';
        pg_complete(v, "BEGIN");
    } else if (pg_is(sql, "ROLLBACK TO") || pg_is(sql, "SAVEPOINT") || pg_is(sql, "RELEASE")) {
        v->status = 'T';
        pg_complete(v, "SAVEPOINT");
    } else if (pg_is(sql, "COMMIT") || pg_is(sql, "ROLLBACK")) {
        pg_complete(v, v->status == 'E' ? "ROLLBACK" : sql);
        v->status = 'I';
        v->statement_ms = 0;
    } else if (pg_is(sql, "SELECT n FROM rows(")) {
        pg_rows(v, c, atoi(sql + 19));
    } else if (pg_is(sql, "SLEEP")) {
        v->server->said += v->server->cut_hangs; /* nothing is said */
        pg_sleep(c, v);
    } else if (pg_is(sql, "FAIL ") || pg_is(sql, "SELECT FAIL ")) {
        char state[6];
        snprintf(state, sizeof state, "%.5s", strstr(sql, "FAIL ") + 5);
        pg_error(v, "ERROR", state, "it fails as it was told");
    } else if (pg_is(sql, "DIE")) {
        pg_error(v, "FATAL", "57P01", "terminating connection due to administrator command");
        v->is_dead = true;
    } else if (pg_is(sql, "SELECT big")) {
        size_t mark = weir__pg_begin(&v->out, 'D');
        char bytes[2000] = "\0\1";
        weir_buf_add(&v->out, bytes, sizeof bytes);
        weir__pg_end(&v->out, mark);
        pg_complete(v, "SELECT 1");
    } else if (pg_is(sql, "TELL")) { /* a setting of the session, and a notice */
        pg_say(v, 'S', "TimeZone\0GMT", 13);
        pg_say(v, 'N', "SNOTICE\0C00000\0Mit is told\0", 28);
        pg_complete(v, "DO");
    } else {
        pg_run_without_rows(v, sql);
    }
}

/* Parts of a text by semicolons. */
static inline void pg_query(struct weir__ctx *c, struct pg_visit *v, const char *text)
{
    char copy[1024], *rest = copy, *part;
    bool has_failed = false;
    snprintf(copy, sizeof copy, "%s", text);
    while ((part = strsep(&rest, ";")) != NULL && !v->is_dead && !has_failed) {
        size_t before = v->out.len;
        part += strspn(part, " \n");
        if (*part == '\0')
            continue;
        pg_run(c, v, part);
        has_failed = v->out.len > before && v->out.ptr[before] == 'E';
    }
    if (!v->is_copying && !v->is_dead)
        pg_ready(v);
}

static inline char *pg_sql_of(struct pg_visit *v, const char *name, bool makes)
{
    for (int i = 0; i < PG_NAMES; i++) {
        if (strcmp(v->names[i], name) == 0 && v->sqls[i][0] != '\0')
            return v->sqls[i];
    }
    for (int i = 0; i < PG_NAMES && makes; i++) {
        if (v->sqls[i][0] == '\0') {
            snprintf(v->names[i], sizeof v->names[i], "%s", name);
            return v->sqls[i];
        }
    }
    return NULL;
}

static inline void pg_parse(struct pg_visit *v, weir_str body)
{
    const char *name = body.ptr, *sql = name + strlen(name) + 1;
    v->server->parses++;
    if (pg_is(sql, "SELEC ")) {
        pg_error(v, "ERROR", "42601", "syntax error");
        return;
    }
    char *to = pg_sql_of(v, name, true);
    assert_non_null(to);
    snprintf(to, PG_SQL, "%s", sql);
    pg_say(v, '1', NULL, 0);
}

static inline void pg_describe(struct pg_visit *v, weir_str body)
{
    const char *sql = pg_sql_of(v, body.ptr + 1, false);
    unsigned count = sql == NULL ? 0 : strstr(sql, "$2") != NULL ? 2 : strstr(sql, "$1") != NULL;
    size_t mark = weir__pg_begin(&v->out, 't');
    weir__pg_put_u16(&v->out, (uint16_t)count);
    for (unsigned i = 0; i < count; i++)
        weir__pg_put_u32(&v->out, WEIR__PG_INT4);
    weir__pg_end(&v->out, mark);
    if (sql == NULL || !pg_is(sql, "SELECT")) {
        pg_say(v, 'n', NULL, 0);
        return;
    }
    mark = weir__pg_begin(&v->out, 'T');
    weir__pg_put_u16(&v->out, 1);
    pg_text(&v->out, "n");
    weir_buf_add(&v->out, "\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0", 18);
    weir__pg_end(&v->out, mark);
}

static inline void pg_copied(struct pg_visit *v, uint8_t type, weir_str body)
{
    if (type == 'd') {
        size_t had = strlen(v->server->copied), room = sizeof v->server->copied - 1 - had;
        memcpy(v->server->copied + had, body.ptr, body.len < room ? body.len : room);
        return;
    }
    v->is_copying = false;
    if (type == 'c')
        pg_complete(v, "COPY 3");
    else
        pg_error(v, "ERROR", "57014", "COPY from stdin failed");
    pg_ready(v);
}

static inline void pg_take(struct weir__ctx *c, struct pg_visit *v, uint8_t type, weir_str body)
{
    size_t before = v->out.len;
    if (v->is_copying) {
        pg_copied(v, type, body);
        return;
    }
    if (type == 'S') {
        v->skips = false;
        v->server->syncs++;
        pg_ready(v);
        v->is_dead = !pg_flush(c, v); /* it waits for nothing that may come behind it */
        return;
    }
    if (v->skips)
        return;
    switch (type) {
    case 'p':
        pg_password(v, body);
        break;
    case 'P':
        pg_parse(v, body);
        break;
    case 'D':
        pg_describe(v, body);
        break;
    case 'B': {
        const char *sql = pg_sql_of(v, body.ptr + 1, false);
        if (sql == NULL)
            pg_error(v, "ERROR", "26000", "prepared statement does not exist");
        else
            pg_say(v, '2', NULL, 0);
        snprintf(v->bound, sizeof v->bound, "%s", sql != NULL ? sql : "");
        break;
    }
    case 'E':
        pg_run(c, v, v->bound);
        break;
    case 'C': {
        char *sql = pg_sql_of(v, body.ptr + 1, false);
        if (sql != NULL)
            sql[0] = '\0';
        pg_say(v, '3', NULL, 0);
        break;
    }
    case 'Q':
        pg_query(c, v, body.ptr);
        return;
    default:
        v->is_dead = true;
        return;
    }
    v->skips = v->out.len > before && v->out.ptr[before] == 'E';
}

/* --- connections ------------------------------------------------------------------------------ */

static inline void pg_cancel(struct pg_server *s, uint32_t process, weir_str key)
{
    s->cancels++;
    for (int i = 0; i < PG_VISITS; i++) {
        struct pg_visit *v = s->visits[i];
        if (v != NULL && v->process == process && weir_str_eq(key, WEIR_S("secret key of 20 byt")))
            v->is_cancelled = true;
    }
}

static inline uint32_t pg_u32(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The first message, which has no type. False: it was a cancel. */
static inline bool pg_first(struct pg_visit *v, const char *body, size_t n)
{
    if (pg_u32(body) == (1234u << 16 | 5678u)) {
        pg_cancel(v->server, pg_u32(body + 4), (weir_str){body + 8, n - 8});
        return false;
    }
    v->process = (uint32_t)v->server->accepted;
    v->is_there = true;
    pg_startup(v);
    return true;
}

/* What has come whole; false: the end. */
static inline bool pg_consume(struct weir__ctx *c, struct pg_visit *v)
{
    size_t at = 0;
    for (;;) {
        size_t head = v->is_there ? 5 : 4, left = v->in_len - at;
        if (left < head)
            break;
        size_t total = pg_u32(v->in + at + head - 4) + head - 4;
        if (left < total)
            break;
        const char *body = v->in + at + head;
        at += total;
        if (!v->is_there) {
            if (!pg_first(v, body, total - head))
                return false;
            continue;
        }
        uint8_t type = (uint8_t)v->in[at - total];
        if (type == 'X')
            return false;
        pg_take(c, v, type, (weir_str){body, total - head});
        if (v->is_dead)
            break;
    }
    memmove(v->in, v->in + at, v->in_len - at);
    v->in_len -= at;
    return pg_flush(c, v) && !v->is_dead;
}

static inline void pg_forget(struct pg_server *s, struct pg_visit *v)
{
    s->open--;
    for (int i = 0; i < PG_VISITS; i++) {
        if (s->visits[i] == v)
            s->visits[i] = NULL;
    }
    free(v);
}

static inline weir_err pg_serve_one(weir_ctx *c, void *arg)
{
    struct pg_visit *v = arg;
    struct pg_server *s = v->server;
    if (weir__fd_watch(&v->fd, v->num, NULL) < 0) { /* the plan's failure was this server's */
        weir__sim_close(v->num);
        pg_forget(s, v);
        return WEIR_OK;
    }
    weir_buf_init_fixed(&v->out, v->out_bytes, sizeof v->out_bytes);
    v->status = 'I';
    bool goes_on = true;
    while (goes_on) {
        ssize_t n = weir__recv(weir__ctx_of(c), &v->fd, v->in + v->in_len, sizeof v->in - v->in_len,
                               weir_never());
        if (n <= 0)
            break;
        v->in_len += (size_t)n;
        s->receives += v->has_started;
        goes_on = pg_consume(weir__ctx_of(c), v);
    }
    if (!goes_on && s->cut_at > 0 && s->said > s->cut_at && s->cut_hangs) {
        char rest[256];
        while (weir__recv(weir__ctx_of(c), &v->fd, rest, sizeof rest, weir_never()) > 0)
            ;
    }
    if (s->cut_resets)
        weir__sim_reset(weir__fd_unwatch(&v->fd));
    else
        weir__fd_close(&v->fd);
    pg_forget(s, v);
    return WEIR_OK;
}

static inline void pg_accept(weir_ctx *visits, struct pg_server *s, int num)
{
    struct pg_visit *v = calloc(1, sizeof *v);
    assert_non_null(v);
    s->accepted++;
    *v = (struct pg_visit){.server = s, .num = num};
    int i = 0;
    while (i < PG_VISITS && s->visits[i] != NULL)
        i++;
    if (i == PG_VISITS)
        fail_msg("more than %d connections", PG_VISITS);
    else
        s->visits[i] = v;
    s->open++;
    if (WEIR_GO(visits, pg_serve_one, v) < 0) { /* the plan's failure was this server's */
        pg_forget(s, v);
        weir__sim_close(num);
    }
}

static inline weir_err pg_serve(weir_ctx *c, void *arg)
{
    struct pg_server *s = arg;
    if (weir__fd_watch(&s->listener, s->number, NULL) < 0) { /* the same */
        s->is_over = true;
        weir__sim_close(s->number);
        return WEIR_OK;
    }
    WEIR_SCOPE(visits, c);
    for (;;) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &s->listener};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        s->is_over = num < 0;
        if (s->is_over)
            break;
        pg_accept(visits, s, (int)num);
    }
    (void)weir_ctx_close(visits);
    weir__fd_close(&s->listener);
    return WEIR_OK;
}

/* To all who listen. */
static inline void pg_notify(struct pg_server *s, const char *channel, const char *payload)
{
    for (int i = 0; i < PG_VISITS; i++) {
        struct pg_visit *v = s->visits[i];
        if (v == NULL || !v->listens)
            continue;
        pg_tell(v, channel, payload);
        assert_int_equal(weir__try_send(&v->fd, v->out.ptr, v->out.len), v->out.len);
        weir_buf_reset(&v->out);
    }
}

/* A server in `c`, until that is cancelled; or why there is none. */
static inline weir_err pg_try_start(weir_ctx *c, struct pg_server *s)
{
    s->number = weir__sim_listen();
    if (s->number < 0)
        return -EMFILE;
    snprintf(s->url, sizeof s->url, "postgres://bob:secret@127.0.0.1:%d/shop?sslmode=disable",
             s->number);
    weir_err err = WEIR_GO(c, pg_serve, s);
    if (err < 0)
        weir__sim_close(s->number);
    return err;
}

static inline void pg_start(weir_ctx *c, struct pg_server *s)
{
    assert_int_equal(pg_try_start(c, s), WEIR_OK);
    assert_int_equal(weir_yield(c), WEIR_OK);
}

#endif
