/*
 * For tests of the client: a peer that is spoken to over HTTP/2. Each stream has a fiber that plays
 * the script, as a connection has else; testing.h says when.
 */
#ifndef WEIR_HTTP_CLIENT_PEER_H2_TESTING_H
#define WEIR_HTTP_CLIENT_PEER_H2_TESTING_H

#include "http/client/peer_testing.h"
#include "http/h2/retell_testing.h"

#if WEIR_HTTP2

/* A connection that has turned out to be of HTTP/2. */
struct peer_h2 {
    struct peer_visit *visit;
    struct retelling all;
    weir_ctx *streams; /* a fiber for each */
    weir_ctx *reading; /* ends when a script ends the connection */
    enum peer_then then;
    bool is_sending;
};

struct peer_told {
    struct peer_h2 *h2;
    struct retold *it;
    struct weir__list waiters; /* weir__wait.in_object: the script, for more of the request */
};

static inline void peer_talk(weir_ctx *c, struct peer_visit *v);

/* What the session has to say; one fiber at a time, which takes what others have made meanwhile. */
static inline weir_err peer_flush(weir_ctx *c, struct peer_h2 *h)
{
    const uint8_t *bytes;
    ssize_t n;
    weir_err err = WEIR_OK;
    if (h->is_sending)
        return WEIR_OK;
    h->is_sending = true;
    while (err == WEIR_OK && (n = nghttp2_session_mem_send(h->all.lib, &bytes)) > 0) {
        for (size_t at = 0, sent; err == WEIR_OK && at < (size_t)n; at += sent)
            err = weir__stream_send(weir__ctx_of(c), &h->visit->stream, bytes + at, (size_t)n - at,
                                    &sent, weir_never());
    }
    h->is_sending = false;
    return err;
}

static inline weir_err peer_told_run(weir_ctx *c, void *arg)
{
    struct peer_told *told = arg;
    struct peer_visit v = {
        .peer = told->h2->visit->peer, .bytes = malloc(PEER_BYTES), .told = told};
    assert_non_null(v.bytes);
    peer_talk(c, &v);
    free(v.bytes);
    told->it->of = NULL;
    free(told);
    return WEIR_OK;
}

/* Streams whose head has come get a fiber, and those that have one look at what is new. */
static inline void peer_tell_streams(struct peer_h2 *h)
{
    retelling_forget(&h->all);
    for (struct retold *t = h->all.streams; t != NULL; t = t->next) {
        struct peer_told *told = t->of;
        if (told != NULL) {
            (void)weir__wake_first(&told->waiters, WEIR_OK);
        } else if (t->has_head && !t->is_given && t->id != 0) {
            told = malloc(sizeof *told);
            assert_non_null(told);
            *told = (struct peer_told){.h2 = h, .it = t};
            weir__list_init(&told->waiters);
            t->is_given = true;
            t->of = told;
            if (WEIR_GO(h->streams, peer_told_run, told) == WEIR_OK)
                continue;
            t->of = NULL;
            free(told);
            nghttp2_submit_rst_stream(h->all.lib, 0, t->id, NGHTTP2_INTERNAL_ERROR);
        }
    }
}

static inline bool peer_speaks_h2(const struct peer_visit *v)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    return v->told == NULL && v->len >= sizeof preface - 1 &&
           memcmp(v->bytes, preface, sizeof preface - 1) == 0;
}

/* Until one of the two ends it. What is in the visit's bytes has come already. */
static inline void peer_talk_h2(weir_ctx *c, struct peer_visit *v)
{
    struct peer_h2 h = {.visit = v};
    retelling_open(&h.all);
    WEIR_SCOPE(streams, c);
    WEIR_SCOPE(reading, c);
    h.streams = streams;
    h.reading = reading;
    for (ssize_t n = (ssize_t)v->len; n > 0;) {
        if (nghttp2_session_mem_recv(h.all.lib, (const uint8_t *)v->bytes, (size_t)n) != n)
            break;
        peer_tell_streams(&h);
        if (peer_flush(c, &h) < 0)
            break;
        if (v->peer->is_deaf && weir_sleep(c, weir_hour(24)) < 0)
            break;
        n = weir__stream_recv(weir__ctx_of(reading), &v->stream, v->bytes, PEER_BYTES - 1,
                              weir_never());
    }
    (void)weir_ctx_close(reading);
    (void)weir_ctx_close(streams);
    retelling_close(&h.all);
    if (h.then == PEER_RESETS)
        peer_reset(v);
}

/* More of a request's text; 0: nothing comes any more. */
static inline ssize_t peer_told_recv(weir_ctx *c, struct peer_visit *v)
{
    static const struct weir__wait_type type = {.name = "request"};
    struct retold *t = v->told->it;
    while (queue_left(&t->text) == 0) {
        struct weir__wait wait;
        weir_err err = weir__ctx_check(weir__ctx_of(c));
        if (err < 0 || t->id == 0 || t->is_asked)
            return err;
        weir__wait_init(&wait, &type, weir__ctx_of(c), WEIR_HERE, v->told);
        weir__list_push_back(&v->told->waiters, &wait.in_object);
        err = weir__park(&wait, weir_never());
        if (err < 0)
            return err;
    }
    size_t n = queue_left(&t->text), room = PEER_BYTES - 1 - v->len;
    n = n < room ? n : room;
    memcpy(v->bytes + v->len, t->text.bytes + t->text.at, n);
    t->text.at += n;
    return (ssize_t)n;
}

static inline weir_err peer_told_send(weir_ctx *c, struct peer_visit *v, const char *text,
                                      size_t len)
{
    if (v->told->it->id == 0)
        return WEIR_ECLOSED;
    retold_say(v->told->it, text, len);
    return peer_flush(c, v->told->h2);
}

/* False: nothing more is said on it. Who ends a connection before an answer is whole ends this. */
static inline bool peer_told_then(weir_ctx *c, struct peer_visit *v, enum peer_then then)
{
    struct peer_told *told = v->told;
    bool is_to_end = told->it->at == AT_CLOSE;
    if (then == PEER_STAYS)
        return told->it->at != AT_END;
    if (then == PEER_CLOSES && is_to_end && retold_end(told->it)) {
        (void)peer_flush(c, told->h2);
        return false;
    }
    told->h2->then = then;
    weir_cancel(told->h2->reading);
    return false;
}

#else

static inline bool peer_speaks_h2(const struct peer_visit *v)
{
    (void)v;
    return false;
}

static inline void peer_talk_h2(weir_ctx *c, struct peer_visit *v)
{
    (void)c, (void)v;
}

static inline ssize_t peer_told_recv(weir_ctx *c, struct peer_visit *v)
{
    (void)c, (void)v;
    return 0;
}

static inline weir_err peer_told_send(weir_ctx *c, struct peer_visit *v, const char *text,
                                      size_t len)
{
    (void)c, (void)v, (void)text, (void)len;
    return WEIR_ECLOSED;
}

static inline bool peer_told_then(weir_ctx *c, struct peer_visit *v, enum peer_then then)
{
    (void)c, (void)v, (void)then;
    return false;
}

#endif

#endif
