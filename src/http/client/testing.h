/*
 * A peer that plays a script, on the simulated network: each request that it reads whole gets the
 * next step's answer, on whichever connection it came. What it was sent is kept as it came.
 */
#ifndef WEIR_HTTP_CLIENT_TESTING_H
#define WEIR_HTTP_CLIENT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/client/client.h"
#include "net/stream.h"
#include "net/tls.h"
#include "rt/io.h"
#include "rt/sim.h"
#include <weir/client.h>
#include <weir/fiber.h>

/* What comes behind an answer. */
enum peer_then { PEER_STAYS, PEER_CLOSES, PEER_RESETS, PEER_HANGS };

struct peer_step {
    const char *answer; /* NULL: none */
    size_t size;        /* of it; 0: it is text */
    enum peer_then then;
    bool is_early;     /* as soon as the request's head is there */
    size_t takes;      /* so many bytes are a request; 0: what is one by itself */
    const char *rest;  /* said after a pause in which the answer so far is read */
    const char *later; /* said 10 ms after the answer, unasked */
    bool in_bytes;     /* a byte at a time */
    weir_dur after;    /* so long */
    bool then_tls;     /* what follows on the connection is TLS */
};

enum { PEER_REQUESTS = 16, PEER_BYTES = 1 << 20 };

struct peer {
    struct weir__fd listener;
    int number;
    char base[64];
    const struct peer_step *steps; /* the last one is for all that follow */
    size_t step_count, at;
    int accepted, open;
    char *requests[PEER_REQUESTS]; /* of the running context */
    size_t sizes[PEER_REQUESTS];
    size_t request_count;
    bool is_deaf;                 /* it reads nothing */
    struct weir__tls_server *tls; /* NULL: it speaks plainly */
    bool is_proxy;                /* TLS begins behind a step of `then_tls` alone */
    int handshakes, resumed;
};

struct peer_visit {
    struct peer *peer;
    struct weir__stream stream;
    int num;
    char *bytes;
    size_t len;
};

/* The length of the whole request that is there, with its body; 0: not yet. */
static inline size_t peer_request_len(const struct peer_visit *v, const struct peer_step *s)
{
    v->bytes[v->len] = '\0';
    if (s->takes > 0)
        return s->takes <= v->len ? s->takes : 0;
    const char *end = strstr(v->bytes, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end + 4 - v->bytes);
    const char *length = strcasestr(v->bytes, "\r\ncontent-length:");
    const char *chunked = strcasestr(v->bytes, "\r\ntransfer-encoding:");
    if (s->is_early)
        return head;
    if (length != NULL && length < end)
        head += (size_t)strtoull(length + 17, NULL, 10);
    if (chunked != NULL && chunked < end) {
        const char *last = strstr(end + 2, "\r\n0\r\n\r\n");
        return last != NULL ? (size_t)(last + 7 - v->bytes) : 0;
    }
    return head <= v->len ? head : 0;
}

static inline void peer_keep_request(struct peer_visit *v, size_t len)
{
    struct peer *p = v->peer;
    if (p->request_count < PEER_REQUESTS && p->requests[p->request_count] != NULL) {
        memcpy(p->requests[p->request_count], v->bytes, len);
        p->requests[p->request_count][len] = '\0';
        p->sizes[p->request_count] = len;
    }
    p->request_count++;
    memmove(v->bytes, v->bytes + len, v->len - len);
    v->len -= len;
}

static inline ssize_t peer_say(weir_ctx *c, struct peer_visit *v, const struct peer_step *s,
                               const char *text)
{
    size_t len = s->size > 0 && text == s->answer ? s->size : text != NULL ? strlen(text) : 0;
    for (size_t at = 0; at < len;) {
        size_t sent;
        weir_err err = weir__stream_send(weir__ctx_of(c), &v->stream, text + at,
                                         s->in_bytes ? 1 : len - at, &sent, weir_never());
        if (err < 0)
            return err;
        at += sent;
        if (s->in_bytes && weir_sleep(c, weir_us(10)) < 0)
            return -1;
    }
    return 0;
}

static inline void peer_reset(struct peer_visit *v)
{
    weir__stream_strip(&v->stream);
    struct weir__detached d = weir__stream_detach(&v->stream);
    v->stream.fd.num = -1;
    weir__sim_reset(d.num);
}

static inline weir_err peer_secure(weir_ctx *c, struct peer_visit *v)
{
    struct weir__tls_facts facts;
    weir_err err = weir__tls_accept(&v->stream, v->peer->tls);
    if (err == WEIR_OK)
        err = weir__tls_await_handshake(weir__ctx_of(c), &v->stream, weir_never(), NULL);
    if (err < 0)
        return err;
    weir__tls_facts(&v->stream, &facts);
    v->peer->handshakes++;
    v->peer->resumed += facts.is_resumed;
    return WEIR_OK;
}

/* Answers one request. False: the connection is over. */
static inline bool peer_answer(weir_ctx *c, struct peer_visit *v, const struct peer_step *s)
{
    if (s->after.ns > 0 && weir_sleep(c, s->after) < 0)
        return false;
    if (peer_say(c, v, s, s->answer) < 0)
        return false;
    if (s->rest != NULL && (weir_sleep(c, weir_us(100)) < 0 || peer_say(c, v, s, s->rest) < 0))
        return false;
    if (s->later != NULL && (weir_sleep(c, weir_ms(10)) < 0 || peer_say(c, v, s, s->later) < 0))
        return false;
    if (s->then == PEER_RESETS)
        peer_reset(v);
    else if (s->then == PEER_HANGS && weir_sleep(c, weir_hour(24)) == WEIR_OK)
        fail_msg("nobody ended the peer in a day");
    if (s->then_tls && peer_secure(c, v) < 0)
        return false;
    return s->then == PEER_STAYS;
}

static inline const struct peer_step *peer_step(const struct peer *p)
{
    return &p->steps[p->at < p->step_count ? p->at : p->step_count - 1];
}

static inline void peer_talk(weir_ctx *c, struct peer_visit *v)
{
    struct peer *p = v->peer;
    for (;;) {
        const struct peer_step *s = peer_step(p);
        size_t len = v->len > 0 ? peer_request_len(v, s) : 0;
        if (len > 0) {
            p->at++;
            peer_keep_request(v, len);
            if (!peer_answer(c, v, s))
                return;
            continue;
        }
        if (p->is_deaf && weir_sleep(c, weir_hour(24)) < 0)
            return;
        ssize_t n = weir__stream_recv(weir__ctx_of(c), &v->stream, v->bytes + v->len,
                                      PEER_BYTES - 1 - v->len, weir_never());
        if (n <= 0)
            return;
        v->len += (size_t)n;
    }
}

static inline weir_err peer_visit(weir_ctx *c, void *arg)
{
    struct peer_visit *v = arg;
    if (weir__stream_attach(&v->stream, (struct weir__detached){.num = v->num}, NULL) != WEIR_OK)
        return WEIR_OK;
    v->peer->open++;
    v->bytes = weir_alloc(c, PEER_BYTES);
    bool is_secure = v->peer->tls != NULL && !v->peer->is_proxy;
    if (v->bytes != NULL && (!is_secure || peer_secure(c, v) == WEIR_OK))
        peer_talk(c, v);
    v->peer->open--;
    weir__stream_close(&v->stream);
    return WEIR_OK;
}

static inline weir_err peer_serve(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    if (weir__fd_watch(&p->listener, p->number, NULL) != WEIR_OK)
        return WEIR_OK;
    WEIR_SCOPE(visits, c);
    for (;;) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &p->listener};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        if (num < 0)
            break;
        p->accepted++;
        struct peer_visit *v = weir_new(visits, struct peer_visit);
        if (v != NULL)
            *v = (struct peer_visit){.peer = p, .num = (int)num};
        if (v == NULL || WEIR_GO(visits, peer_visit, v) < 0)
            weir__sim_close((int)num);
    }
    (void)weir_ctx_close(visits);
    weir__fd_close(&p->listener);
    return WEIR_OK;
}

/* A peer in `c`, whose end is its own. */
static inline weir_err peer_open(weir_ctx *c, struct peer *p, const struct peer_step *steps,
                                 size_t count)
{
    *p = (struct peer){.number = weir__sim_listen(), .steps = steps, .step_count = count};
    snprintf(p->base, sizeof p->base, "http://127.0.0.1:%d", p->number);
    for (size_t i = 0; i < PEER_REQUESTS; i++)
        p->requests[i] = weir_alloc(c, i < 4 ? PEER_BYTES : 4096);
    return WEIR_GO(c, peer_serve, p);
}

/* Connections that a client has open to its peer. */
static inline weir_pool_stats conn_stats(weir_http *handle, const struct peer *p)
{
    const weir_http *http = weir__token_must(handle, WEIR__KIND_HTTP, "test", "the client");
    weir_pool_stats stats = {.name = NULL};
    struct weir__shared_key_stats shared;
    (void)weir__pool_group_key_stats(http->group, weir_str_from(p->base), &stats);
    if (http->shared != NULL &&
        weir__shared_pool_key_stats(http->shared, weir_str_from(p->base), &shared))
        stats.open += shared.open;
    return stats;
}

/* A client of that peer. */
static inline weir_http *peer_client(weir_ctx *c, const struct peer *p)
{
    weir_http *http = weir_http_open(c, .base = p->base, .name = "test", .pool = {.max_open = 2},
                                     .dial_timeout = weir_ms(500), .answer_timeout = weir_sec(2),
                                     .idle_timeout = weir_sec(1));
    assert_int_equal(weir_http_err(http), WEIR_OK);
    return http;
}

/*
 * A test's fiber: `body` with a peer that plays `steps`, a client of it, and a context between the
 * two, which ends first.
 */
struct peer_play {
    const struct peer_step *steps;
    size_t count;
    void (*body)(weir_ctx *c, weir_http *http, struct peer *p);
};

static inline weir_err peer_play(weir_ctx *c, void *arg)
{
    const struct peer_play *play = arg;
    struct peer p;
    WEIR_SCOPE(around, c);
    assert_int_equal(peer_open(around, &p, play->steps, play->count), WEIR_OK);
    WEIR_SCOPE(client, c);
    weir_http *http = peer_client(client, &p);
    WEIR_SCOPE(request, client);
    play->body(request, http, &p);
    (void)weir_ctx_close(request);
    (void)weir_ctx_close(client);
    (void)weir_ctx_close(around);
    return WEIR_OK;
}

/* Plays `body` against the steps; the simulation finds what is left. */
#define PLAY(its_body, ...)                                                                        \
    do {                                                                                           \
        const struct peer_step steps_[] = {__VA_ARGS__};                                           \
        struct peer_play play_ = {steps_, sizeof steps_ / sizeof steps_[0], (its_body)};           \
        assert_int_equal(weir__sim_run(peer_play, &play_), WEIR_OK);                               \
    } while (0)

/* The record's message, of an error that is forgotten by it. */
static inline void assert_told(weir_ctx *c, weir_err err, const char *part)
{
    const weir_error *e = weir_last_error(c);
    if (e == NULL || e->code != err || strstr(e->message.ptr, part) == NULL)
        fail_msg("%d \"%s\" is not told, but %d \"%s\"", err, part, e != NULL ? e->code : 0,
                 e != NULL ? e->message.ptr : "");
    weir_error_clear(c);
}

static inline void assert_body(weir_reply *r, const char *text)
{
    weir_str body = weir_reply_body(r);
    if (body.ptr == NULL || !weir_str_eq(body, weir_str_from(text)))
        fail_msg("\"" WEIR_STR_FMT "\" instead of \"%s\" (%d)", WEIR_STR_ARG(body), text,
                 weir_reply_err(r));
}

#endif
