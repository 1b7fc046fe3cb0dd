/*
 * A server of HTTP/2, frame by frame, on the simulated network: each connection that it takes in is
 * played by a script, in a fiber of its own.
 */
#ifndef WEIR_HTTP_CLIENT_H2_TESTING_H
#define WEIR_HTTP_CLIENT_H2_TESTING_H

#include "http/h2/testing.h"

#include <stdlib.h>

#include "http/client/client.h"
#include "rt/io.h"
#include <weir/client.h>

#if WEIR_HTTP2

struct h2_server {
    struct weir__fd listener;
    int number, accepted;
    char base[64];
    void (*script)(struct h2_server *server, struct peer *p);
    const void *arg;    /* the script's */
    uint32_t ids[1100]; /* of requests, in the order in which they came */
    int requests;
    uint32_t code; /* of the RST_STREAM, or GOAWAY, that came last */
    int resets, pings, goaways;
};

struct h2_visit {
    struct h2_server *server;
    int num;
};

/* The next frame, however long it takes; false: the client has ended the connection. */
static inline bool await_frame(struct peer *p, struct frame *f)
{
    while (!next_frame(p, f)) {
        if (!peer_receive(p) || weir__ctx_check(weir__ctx_of(p->ctx)) != WEIR_OK)
            return false;
    }
    return true;
}

static inline void note_frame(struct h2_server *s, const struct frame *f)
{
    if (f->type == HEADERS && s->requests < 1100)
        s->ids[s->requests++] = f->id;
    s->resets += f->type == RST_STREAM;
    s->goaways += f->type == GOAWAY;
    s->pings += f->type == PING && (f->flags & ACK) == 0;
    if (f->type == RST_STREAM || f->type == GOAWAY)
        s->code = code_of(f);
}

/* The next frame of that kind; false: none comes any more. */
static inline bool await_of(struct h2_server *s, struct peer *p, unsigned type, struct frame *f)
{
    while (await_frame(p, f)) {
        note_frame(s, f);
        if (f->type == type)
            return true;
    }
    return false;
}

/* Until the client ends the connection. */
static inline void await_end(struct h2_server *s, struct peer *p)
{
    struct frame f;
    while (await_frame(p, &f))
        note_frame(s, &f);
}

static inline bool await_preface(struct peer *p)
{
    const size_t len = strlen(PREFACE);
    while (p->len - p->at < len) {
        if (!peer_receive(p))
            return false;
        peer_wait(p, 1);
    }
    assert_memory_equal(p->in + p->at, PREFACE, len);
    p->at += len;
    return true;
}

/* The beginning of a connection: the client's preface, and settings that say nothing. */
static inline bool greet(struct peer *p)
{
    return await_preface(p) && put_frame(p, SETTINGS, 0, 0, NULL, 0) &&
           put_frame(p, SETTINGS, ACK, 0, NULL, 0);
}

static inline bool put_ok(struct peer *p, uint32_t id, const char *text)
{
    return PUT_FIELDS(p, id, 0, ":status", "200") && put_data(p, id, END_STREAM, text);
}

static inline weir_err h2_visit(weir_ctx *c, void *arg)
{
    struct h2_visit *v = arg;
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    peer_open(p, c, v->num);
    v->server->script(v->server, p);
    peer_close(p);
    free(p);
    return WEIR_OK;
}

static inline weir_err h2_serve(weir_ctx *c, void *arg)
{
    struct h2_server *s = arg;
    assert_int_equal(weir__fd_watch(&s->listener, s->number, NULL), WEIR_OK);
    WEIR_SCOPE(visits, c);
    for (;;) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &s->listener};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        if (num < 0)
            break;
        s->accepted++;
        struct h2_visit *v = weir_new(visits, struct h2_visit);
        assert_non_null(v);
        *v = (struct h2_visit){s, (int)num};
        assert_int_equal(WEIR_GO(visits, h2_visit, v), WEIR_OK);
    }
    (void)weir_ctx_close(visits);
    weir__fd_close(&s->listener);
    return WEIR_OK;
}

/* A test's fiber: `body`, with a client of a server that plays the script. */
struct h2_play {
    void (*script)(struct h2_server *server, struct peer *p);
    void (*body)(weir_ctx *c, weir_http *http, struct h2_server *server);
    const void *arg;
    uint32_t retries_max, max_open;
};

static inline weir_err h2_play(weir_ctx *c, void *arg)
{
    const struct h2_play *play = arg;
    struct h2_server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    *s = (struct h2_server){.number = weir__sim_listen(), .script = play->script, .arg = play->arg};
    snprintf(s->base, sizeof s->base, "http://127.0.0.1:%d", s->number);
    WEIR_SCOPE(around, c);
    assert_int_equal(WEIR_GO(around, h2_serve, s), WEIR_OK);
    WEIR_SCOPE(client, c);
    weir_http *http =
        weir_http_open(client, .base = s->base, .name = "test", .http2 = WEIR_HTTP2_PRIOR,
                       .pool = {.max_open = play->max_open > 0 ? play->max_open : 2},
                       .dial_timeout = weir_ms(500), .answer_timeout = weir_sec(2),
                       .idle_timeout = weir_sec(1), .retries_max = play->retries_max);
    assert_int_equal(weir_http_err(http), WEIR_OK);
    WEIR_SCOPE(request, client);
    play->body(request, http, s);
    (void)weir_ctx_close(request);
    (void)weir_ctx_close(client);
    assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK); /* scripts come to their ends */
    (void)weir_ctx_close(around);
    free(s);
    return WEIR_OK;
}

#define PLAY_H2(its_script, its_body, ...)                                                         \
    do {                                                                                           \
        struct h2_play play_ = {.script = (its_script), .body = (its_body), __VA_ARGS__};          \
        assert_int_equal(weir__sim_run(h2_play, &play_), WEIR_OK);                                 \
    } while (0)

/* The record's message, of an error that is forgotten by it. */
static inline void assert_said(weir_ctx *c, weir_err err, const char *part)
{
    const weir_error *e = weir_last_error(c);
    if (e == NULL || e->code != err || strstr(e->message.ptr, part) == NULL)
        fail_msg("%d \"%s\" is not told, but %d \"%s\"", err, part, e != NULL ? e->code : 0,
                 e != NULL ? e->message.ptr : "");
    weir_error_clear(c);
}

static inline void assert_text(weir_reply *r, const char *text)
{
    weir_str body = weir_reply_body(r);
    if (body.ptr == NULL || !weir_str_eq(body, weir_str_from(text)))
        fail_msg("\"" WEIR_STR_FMT "\" instead of \"%s\" (%d)", WEIR_STR_ARG(body), text,
                 weir_reply_err(r));
}

#endif
#endif
