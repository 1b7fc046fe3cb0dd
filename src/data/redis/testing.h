/*
 * For tests: a server that plays a script, on the simulated network. Greetings are answered by
 * themselves; each further command, on whichever connection it comes, gets the next step's answer.
 * What it was sent is kept, a line a command.
 */
#ifndef WEIR_DATA_REDIS_TESTING_H
#define WEIR_DATA_REDIS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/redis/redis.h"
#include "rt/io.h"
#include "rt/sim.h"
#include <weir/fiber.h>

/* What comes behind an answer. */
enum redis_then { REDIS_STAYS, REDIS_CLOSES, REDIS_RESETS, REDIS_HANGS };

struct redis_step {
    const char *answer; /* NULL: none */
    enum redis_then then;
    size_t cut_at;     /* so much of it is said, and the rest after a pause; 0: all at once */
    const char *later; /* said after a pause, unasked */
    weir_dur after;    /* so long */
};

enum { REDIS_ROOM = 256 << 10, REDIS_LOG = 64 << 10 };

struct redis_peer {
    struct weir__fd listener;
    int number;
    char url[96];
    const char *hello;              /* the answer to HELLO; NULL: version 3 */
    void (*on_greeting)(void);      /* right before that is said; NULL: nothing happens */
    const struct redis_step *steps; /* the last one is for all that follow */
    size_t step_count, at;
    int accepted, open;
    bool refuses;  /* whoever comes is closed at once */
    bool leaves;   /* … or as soon as it has been greeted */
    bool is_deaf;  /* and reads nothing */
    weir_dur rest; /* before it reads on */
    char *log;     /* "GET a\n" */
    size_t log_len;
};

struct redis_visit {
    struct redis_peer *peer;
    struct weir__stream stream;
    int num;
    char *bytes;
    size_t len;
};

static inline void redis_note(struct redis_peer *p, const weir_redis_value *v)
{
    for (size_t i = 0; i < v->u.list.len; i++) {
        weir_str s = v->u.list.items[i].u.s;
        if (p->log_len + s.len + 2 > REDIS_LOG)
            return;
        memcpy(p->log + p->log_len, s.ptr, s.len);
        p->log_len += s.len;
        p->log[p->log_len++] = i + 1 < v->u.list.len ? ' ' : '\n';
    }
    p->log[p->log_len] = '\0';
}

static inline weir_err redis_say(weir_ctx *c, struct redis_visit *v, const char *text, size_t len)
{
    size_t sent;
    if (len == 0)
        return WEIR_OK;
    return weir__stream_send(weir__ctx_of(c), &v->stream, text, len, &sent, weir_never());
}

/* What greets: answered without a step. */
static inline const char *redis_greeting(const struct redis_peer *p, const weir_redis_value *v)
{
    weir_str name = v->u.list.items[0].u.s;
    if (weir_str_eq(name, WEIR_S("HELLO")) && p->on_greeting != NULL)
        p->on_greeting();
    if (weir_str_eq(name, WEIR_S("HELLO")))
        return p->hello != NULL ? p->hello : "%1\r\n$5\r\nproto\r\n:3\r\n";
    if (weir_str_eq(name, WEIR_S("AUTH")) || weir_str_eq(name, WEIR_S("SELECT")) ||
        weir_str_eq(name, WEIR_S("CLIENT")))
        return "+OK\r\n";
    return NULL;
}

static inline void redis_reset(struct redis_visit *v)
{
    weir__stream_strip(&v->stream);
    struct weir__detached d = weir__stream_detach(&v->stream);
    v->stream.fd.num = -1;
    weir__sim_reset(d.num);
}

/* False: the connection is over. */
static inline bool redis_play(weir_ctx *c, struct redis_visit *v, const struct redis_step *s)
{
    size_t len = s->answer != NULL ? strlen(s->answer) : 0;
    size_t first = s->cut_at > 0 && s->cut_at < len ? s->cut_at : len;
    if (s->after.ns > 0 && weir_sleep(c, s->after) < 0)
        return false;
    if (redis_say(c, v, s->answer, first) < 0)
        return false;
    if (first < len &&
        (weir_sleep(c, weir_ms(1)) < 0 || redis_say(c, v, s->answer + first, len - first) < 0))
        return false;
    if (s->later != NULL &&
        (weir_sleep(c, weir_ms(10)) < 0 || redis_say(c, v, s->later, strlen(s->later)) < 0))
        return false;
    if (s->then == REDIS_RESETS)
        redis_reset(v);
    while (s->then == REDIS_HANGS &&
           weir__stream_recv(weir__ctx_of(c), &v->stream, v->bytes, REDIS_ROOM, weir_never()) > 0) {
    }
    return s->then == REDIS_STAYS;
}

static inline bool redis_answer(weir_ctx *c, struct redis_visit *v, const weir_redis_value *command)
{
    struct redis_peer *p = v->peer;
    const char *greeting = redis_greeting(p, command);
    redis_note(p, command);
    if (greeting != NULL)
        return redis_say(c, v, greeting, strlen(greeting)) == WEIR_OK && !p->leaves;
    assert_true(p->step_count > 0);
    const struct redis_step *s = &p->steps[p->at < p->step_count ? p->at : p->step_count - 1];
    p->at++;
    return redis_play(c, v, s);
}

/* All commands that are whole. False: the connection is over. */
static inline bool redis_take(weir_ctx *c, struct redis_visit *v)
{
    static const struct weir__resp_limits limits = {.bytes_max = REDIS_ROOM, .items_max = 1000};
    for (;;) {
        struct weir__resp_scan scan;
        struct weir__arena arena;
        weir_redis_value command;
        weir__resp_scan_init(&scan);
        ptrdiff_t n = weir__resp_scan(&scan, &limits, v->bytes, v->len);
        assert_true(n >= 0);
        if (n == 0)
            return true;
        weir__arena_init(&arena, NULL, 0, 1 << 20);
        assert_true(weir__resp_read((weir_str){v->bytes, (size_t)n}, &arena, &command));
        bool goes_on = redis_answer(c, v, &command);
        weir__arena_fini(&arena);
        v->len -= (size_t)n;
        memmove(v->bytes, v->bytes + n, v->len);
        if (!goes_on)
            return false;
    }
}

static inline weir_err redis_visit(weir_ctx *c, void *arg)
{
    struct redis_visit *v = arg;
    if (weir__stream_attach(&v->stream, (struct weir__detached){.num = v->num}, NULL) != WEIR_OK) {
        weir__sim_close(v->num);
        return WEIR_OK;
    }
    v->peer->open++;
    v->bytes = weir_alloc(c, REDIS_ROOM);
    bool goes_on = v->bytes != NULL && !v->peer->refuses;
    while (goes_on) {
        if (v->peer->is_deaf && weir_sleep(c, weir_hour(24)) < 0)
            break;
        if (v->peer->rest.ns > 0 && weir_sleep(c, v->peer->rest) < 0)
            break;
        ssize_t n = weir__stream_recv(weir__ctx_of(c), &v->stream, v->bytes + v->len,
                                      REDIS_ROOM - v->len, weir_never());
        if (n <= 0)
            break;
        v->len += (size_t)n;
        goes_on = redis_take(c, v);
    }
    v->peer->open--;
    weir__stream_close(&v->stream);
    return WEIR_OK;
}

static inline weir_err redis_listen(weir_ctx *c, void *arg)
{
    struct redis_peer *p = arg;
    if (weir__fd_watch(&p->listener, p->number, NULL) != WEIR_OK)
        return WEIR_OK;
    WEIR_SCOPE(visits, c);
    for (;;) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &p->listener};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        if (num < 0)
            break;
        p->accepted++;
        struct redis_visit *v = weir_new(visits, struct redis_visit);
        if (v != NULL)
            *v = (struct redis_visit){.peer = p, .num = (int)num};
        if (v == NULL || WEIR_GO(visits, redis_visit, v) < 0)
            weir__sim_close((int)num);
    }
    (void)weir_ctx_close(visits);
    weir__fd_close(&p->listener);
    return WEIR_OK;
}

/* A server in `c`, whose end is its own. */
static inline weir_err redis_peer_open(weir_ctx *c, struct redis_peer *p,
                                       const struct redis_step *steps, size_t count)
{
    *p = (struct redis_peer){.number = weir__sim_listen(), .steps = steps, .step_count = count};
    snprintf(p->url, sizeof p->url, "redis://127.0.0.1:%d", p->number);
    p->log = weir_alloc(c, REDIS_LOG);
    p->log[0] = '\0';
    return WEIR_GO(c, redis_listen, p);
}

/* A test's fiber: `body` with a server that plays `steps`, and a context below the client's. */
struct redis_play {
    const struct redis_step *steps;
    size_t count;
    void (*body)(weir_ctx *c, weir_redis *redis, struct redis_peer *p);
};

static inline weir_err redis_run_play(weir_ctx *c, void *arg)
{
    const struct redis_play *play = arg;
    struct redis_peer p;
    WEIR_SCOPE(around, c);
    assert_int_equal(redis_peer_open(around, &p, play->steps, play->count), WEIR_OK);
    WEIR_SCOPE(client, c);
    weir_redis *redis =
        weir_redis_open(client, .url = p.url, .name = "test", .pool = {.max_open = 2},
                        .dial_timeout = weir_ms(500), .answer_timeout = weir_sec(2), .depth = 8,
                        .reply_bytes_max = 100000, .reply_items_max = 1000);
    assert_int_equal(weir_redis_err(redis), WEIR_OK);
    WEIR_SCOPE(request, client);
    play->body(request, redis, &p);
    (void)weir_ctx_close(request);
    weir_redis_stats stats;
    weir_redis_numbers(redis, &stats);
    assert_int_equal(stats.in_flight, stats.abandoned);
    (void)weir_ctx_close(client);
    (void)weir_ctx_close(around);
    assert_int_equal(p.open, 0);
    return WEIR_OK;
}

/* Plays `body` against the steps; the simulation finds what is left. */
#define PLAY(its_body, ...)                                                                        \
    do {                                                                                           \
        const struct redis_step steps_[] = {__VA_ARGS__};                                          \
        struct redis_play play_ = {steps_, sizeof steps_ / sizeof steps_[0], (its_body)};          \
        assert_int_equal(weir__sim_run(redis_run_play, &play_), WEIR_OK);                          \
    } while (0)
#define SAY(...)                                                                                   \
    {                                                                                              \
        .answer = __VA_ARGS__                                                                      \
    }

/* The record's message, of an error that is forgotten by it. */
static inline void assert_told(weir_ctx *c, weir_err err, const char *part)
{
    const weir_error *e = weir_last_error(c);
    if (e == NULL || e->code != err || strstr(e->message.ptr, part) == NULL)
        fail_msg("%d \"%s\" is not told, but %d \"%s\"", err, part, e != NULL ? e->code : 0,
                 e != NULL ? e->message.ptr : "");
    weir_error_clear(c);
}

static inline void assert_logged(struct redis_peer *p, const char *text)
{
    if (strcmp(p->log, text) != 0)
        fail_msg("sent \"%s\" instead of \"%s\"", p->log, text);
    p->log_len = 0;
    p->log[0] = '\0';
}

#endif
