/*
 * A peer that plays a script, on the simulated network: each request that it reads whole gets the
 * next step's answer, on whichever connection it came. What it was sent is kept as it came.
 *
 * With WEIR_OVER=h2c in the environment every client of a test speaks HTTP/2, and the peer hears so
 * from the first bytes: then a stream is to the script what a connection is else, and text is
 * translated (http/h2/retell_testing.h). A test of what is HTTP/1.1's alone says only_http1.
 */
#ifndef WEIR_HTTP_CLIENT_TESTING_H
#define WEIR_HTTP_CLIENT_TESTING_H

#include "http/client/peer_h2_testing.h"

#include "net/tls.h"
#include "rt/io.h"
#include <weir/client.h>

static bool is_over_h2;

/* Before all tests of a program that is run over either: tests/meson.build looks for this. */
static inline void peer_over(void)
{
    const char *over = getenv("WEIR_OVER");
    assert_true(over == NULL || strcmp(over, "h2c") == 0);
    is_over_h2 = over != NULL;
}

/* Does what is tested go over HTTP/2? */
static inline bool peer_is_h2(void)
{
    return is_over_h2;
}

/* Of a test that is about bytes of HTTP/1.1, and has its like in h2_….c where there is one. */
static inline void only_http1(void)
{
    if (peer_is_h2())
        skip();
}

/* Behind weir_http_open in a test. */
static inline weir_http *peer_http_open_at(const weir_site *site, weir_ctx *c,
                                           const weir_http_options *options)
{
    weir_http_options o = *options;
    bool is_open = o.http2 == WEIR_HTTP2_AGREED && o.tls == NULL;
    o.http2 = is_open && peer_is_h2() ? WEIR_HTTP2_PRIOR : o.http2;
    return weir_http_open_at(site, c, &o);
}
#undef WEIR__HTTP_OPEN
#define WEIR__HTTP_OPEN(c, ...)                                                                    \
    WEIR__CALL(peer_http_open_at, (WEIR_HERE, (c)), weir_http_options, __VA_ARGS__)

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
        const char *last = strstr(end + 2, "\r\n0\r\n"); /* and behind it trailers, or none */
        last = last != NULL ? strstr(last + 3, "\r\n\r\n") : NULL;
        return last != NULL ? (size_t)(last + 4 - v->bytes) : 0;
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

static inline weir_err peer_send(weir_ctx *c, struct peer_visit *v, const char *text, size_t len,
                                 size_t *sent)
{
    if (v->told == NULL)
        return weir__stream_send(weir__ctx_of(c), &v->stream, text, len, sent, weir_never());
    *sent = len;
    return peer_told_send(c, v, text, len);
}

static inline ssize_t peer_recv(weir_ctx *c, struct peer_visit *v)
{
    if (v->told != NULL)
        return peer_told_recv(c, v);
    return weir__stream_recv(weir__ctx_of(c), &v->stream, v->bytes + v->len,
                             PEER_BYTES - 1 - v->len, weir_never());
}

static inline ssize_t peer_say(weir_ctx *c, struct peer_visit *v, const struct peer_step *s,
                               const char *text)
{
    size_t len = s->size > 0 && text == s->answer ? s->size : text != NULL ? strlen(text) : 0;
    for (size_t at = 0; at < len;) {
        size_t sent;
        weir_err err = peer_send(c, v, text + at, s->in_bytes ? 1 : len - at, &sent);
        if (err < 0)
            return err;
        at += sent;
        if (s->in_bytes && weir_sleep(c, weir_us(10)) < 0)
            return -1;
    }
    return 0;
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

/* What comes behind an answer. False: the connection is over. */
static inline bool peer_then(weir_ctx *c, struct peer_visit *v, const struct peer_step *s)
{
    if (v->told != NULL && s->then != PEER_HANGS)
        return peer_told_then(c, v, s->then);
    if (s->then == PEER_RESETS)
        peer_reset(v);
    else if (s->then == PEER_HANGS && weir_sleep(c, weir_hour(24)) == WEIR_OK)
        fail_msg("nobody ended the peer in a day");
    return s->then == PEER_STAYS;
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
    if (!peer_then(c, v, s))
        return false;
    return !s->then_tls || peer_secure(c, v) == WEIR_OK;
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
        ssize_t n = peer_recv(c, v);
        if (n <= 0)
            return;
        v->len += (size_t)n;
        if (peer_speaks_h2(v)) {
            peer_talk_h2(c, v);
            return;
        }
    }
}

static inline weir_err peer_visit(weir_ctx *c, void *arg)
{
    struct peer_visit *v = arg;
    if (weir__stream_attach(&v->stream, (struct weir__detached){.num = v->num}, NULL) != WEIR_OK) {
        weir__sim_close(v->num);
        return WEIR_OK;
    }
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
    struct weir__shared_stats shared;
    (void)weir__pool_group_key_stats(http->group, weir_str_from(p->base), &stats);
    if (http->shared == NULL)
        return stats;
    weir__shared_pool_stats(http->shared, &shared); /* of all hosts: a test has one */
    stats.open += shared.pool.open;
    stats.idle += shared.pool.idle;
    stats.in_use += shared.leases;
    stats.leaked += shared.pool.leaked;
    stats.leaks_returned += shared.pool.leaks_returned;
    return stats;
}

/* An exchange that was broken off has left nothing; over HTTP/1.1 nor a connection. */
static inline void assert_nothing_left(weir_http *http, const struct peer *p)
{
    weir_pool_stats stats = conn_stats(http, p);
    assert_int_equal(stats.in_use, 0);
    assert_true(peer_is_h2() || stats.open == 0);
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
