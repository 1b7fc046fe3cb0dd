/*
 * A peer for operations on others: answers each request with the same text, over any number of
 * connections, of HTTP/1.1 or HTTP/2, plain or with TLS. It is in the run too, so its calls fail as
 * well; where they do it resets, so that what it sent never looks whole.
 */
#ifndef WEIR_TESTING_OPERATIONS_PEER_H
#define WEIR_TESTING_OPERATIONS_PEER_H

#include "testing/operations_testing.h"

#include <string.h>

#include "net/stream.h"
#include "net/tls.h"
#include "rt/io.h"
#include "rt/sim.h"
#include <weir/weir.h>

enum { PEER_ROOM = 2048 }; /* bytes of a request of HTTP/1.1; a longer body is read, and not kept */

struct peer {
    struct weir__fd listener;
    int number;
    char base[48];
    const char *answer;
    size_t size;       /* of the answer; 0: it is text */
    size_t hears;      /* so much of a long body, and answers then; 0: all */
    const char *first; /* the answer to the first request of all; NULL: as to any other */
    weir_dur after;    /* that one comes so late */
    unsigned requests;
    bool closes; /* after each answer */
    bool echoes; /* behind its answer it says what it hears */
    bool is_h2;
    bool breaks_off;              /* of HTTP/2: the answer, behind its first bytes */
    bool is_proxy;                /* CONNECT leads to the peer itself */
    struct weir__tls_server *tls; /* NULL: it speaks plainly; of a proxy, within a tunnel */
};

struct peer_visit {
    struct peer *peer;
    int num;
};

/* The end of a request: of its chunks, or of its head and as many bytes as that says. */
static inline bool peer_is_whole(const char *bytes, size_t len)
{
    static const char length[] = "Content-Length: ";
    const char *head = memmem(bytes, len, "\r\n\r\n", 4);
    if (head == NULL)
        return false;
    if (memmem(bytes, (size_t)(head - bytes), "chunked", 7) != NULL)
        return memcmp(bytes + len - 7, "\r\n0\r\n\r\n", 7) == 0;
    const char *said = memmem(bytes, (size_t)(head - bytes), length, sizeof length - 1);
    size_t left = said != NULL ? strtoul(said + sizeof length - 1, NULL, 10) : 0;
    return (size_t)(bytes + len - (head + 4)) >= left;
}

/* How much of a body with a length is to come yet, behind a head that is here. */
static inline size_t peer_missing(const char *bytes, size_t len)
{
    static const char length[] = "Content-Length: ";
    const char *head = memmem(bytes, len, "\r\n\r\n", 4);
    const char *said = head != NULL ? memmem(bytes, len, length, sizeof length - 1) : NULL;
    size_t has = head != NULL ? (size_t)(bytes + len - (head + 4)) : 0;
    size_t all = said != NULL && said < head ? strtoul(said + sizeof length - 1, NULL, 10) : 0;
    return all > has ? all - has : 0;
}

static inline weir_err peer_say(weir_ctx *c, struct weir__stream *s, const char *bytes, size_t len)
{
    size_t sent;
    return weir__stream_send(weir__ctx_of(c), s, bytes, len, &sent, weir_never());
}

/* Takes more behind `len` bytes; below 0: there is no more. */
static inline ssize_t peer_take(weir_ctx *c, struct weir__stream *s, char *bytes, size_t len,
                                size_t size)
{
    ssize_t n = weir__stream_recv(weir__ctx_of(c), s, bytes + len, size - len, weir_never());
    return n == 0 ? WEIR_ECLOSED : n;
}

/* Takes so many bytes, and keeps none. */
static inline weir_err peer_skip(weir_ctx *c, struct weir__stream *s, size_t left)
{
    char bytes[1024];
    while (left > 0) {
        ssize_t n = peer_take(c, s, bytes, 0, left < sizeof bytes ? left : sizeof bytes);
        if (n < 0)
            return (weir_err)n;
        left -= (size_t)n;
    }
    return WEIR_OK;
}

static inline weir_err peer_secure(weir_ctx *c, const struct peer *p, struct weir__stream *s)
{
    weir_err err = weir__tls_accept(s, p->tls);
    return err < 0 ? err : weir__tls_await_handshake(weir__ctx_of(c), s, weir_never(), NULL);
}

/* --- HTTP/2 ----------------------------------------------------------------------------------- */

/* ":status: 200" is the eighth entry of HPACK's table. */
static inline weir_err peer_answer_stream(weir_ctx *c, const struct peer *p, struct weir__stream *s,
                                          char id)
{
    char frames[] = "\0\0\1\1\4\0\0\0\0\x88\0\0\2\0\0\0\0\0\0he\0\0\3\0\1\0\0\0\0llo";
    frames[8] = frames[18] = frames[29] = id;
    weir_err err = peer_say(c, s, frames, p->breaks_off ? 21 : 33);
    return err == WEIR_OK && p->closes ? WEIR_ECLOSED : err;
}

/*
 * Takes the frames that are whole, and answers those that end a request. Of DATA the head is
 * enough: what is still to come of it is in `taken` too.
 */
static inline weir_err peer_take_frames(weir_ctx *c, const struct peer *p, struct weir__stream *s,
                                        const char *bytes, size_t len, size_t *taken)
{
    enum { DATA, HEADERS, END_STREAM = 1 };
    weir_err err = WEIR_OK;
    for (*taken = 0; err == WEIR_OK && *taken + 9 <= len;) {
        const unsigned char *head = (const unsigned char *)bytes + *taken;
        size_t size = 9 + ((size_t)head[1] << 8 | head[2]);
        if (len - *taken < size && head[3] != DATA)
            break;
        *taken += size;
        if ((head[3] == DATA || head[3] == HEADERS) && (head[4] & END_STREAM) != 0)
            err = peer_answer_stream(c, p, s, (char)head[8]);
    }
    return err;
}

static inline weir_err peer_talk_h2(weir_ctx *c, const struct peer *p, struct weir__stream *s)
{
    const size_t preface = 24;
    char bytes[4096];
    size_t len = 0, taken;
    bool has_begun = false;
    weir_err err = peer_say(c, s, "\0\0\0\4\0\0\0\0\0", 9);
    while (err == WEIR_OK) {
        ssize_t n = peer_take(c, s, bytes, len, sizeof bytes);
        if (n < 0)
            return (weir_err)n;
        len += (size_t)n;
        if (!has_begun && len < preface)
            continue;
        size_t skipped = has_begun ? 0 : preface;
        has_begun = true;
        err = peer_take_frames(c, p, s, bytes + skipped, len - skipped, &taken);
        taken += skipped;
        if (err == WEIR_OK && taken > len)
            err = peer_skip(c, s, taken - len);
        len -= taken < len ? taken : len;
        if (len > 0)
            memmove(bytes, bytes + taken, len);
    }
    return err;
}

/* --- HTTP/1.1 --------------------------------------------------------------------------------- */

static inline weir_err peer_echo(weir_ctx *c, struct weir__stream *s)
{
    char bytes[64];
    for (;;) {
        ssize_t n = peer_take(c, s, bytes, 0, sizeof bytes);
        weir_err err = n < 0 ? (weir_err)n : peer_say(c, s, bytes, (size_t)n);
        if (err < 0)
            return err;
    }
}

static inline weir_err peer_answer(weir_ctx *c, struct peer *p, struct weir__stream *s,
                                   const char *request)
{
    static const char tunnel[] = "HTTP/1.1 200 OK\r\n\r\n";
    if (p->is_proxy && strncmp(request, "CONNECT ", 8) == 0) {
        weir_err err = peer_say(c, s, tunnel, sizeof tunnel - 1);
        return err < 0 || p->tls == NULL ? err : peer_secure(c, p, s);
    }
    bool is_first = p->requests++ == 0;
    const char *text = is_first && p->first != NULL ? p->first : p->answer;
    weir_err err = is_first && p->after.ns > 0 ? weir_sleep(c, p->after) : WEIR_OK;
    if (err == WEIR_OK)
        err = peer_say(c, s, text, p->size > 0 && text == p->answer ? p->size : strlen(text));
    if (err == WEIR_OK && p->echoes)
        err = peer_echo(c, s);
    return err == WEIR_OK && p->closes ? WEIR_ECLOSED : err;
}

/* What the peer does with what has come: it waits for more, or answers. */
static inline weir_err peer_heed(weir_ctx *c, struct peer *p, struct weir__stream *s,
                                 const char *bytes, size_t *len)
{
    size_t missing = peer_missing(bytes, *len);
    weir_err err = WEIR_OK;
    if (missing > PEER_ROOM - *len) /* more than there is room for */
        err = peer_skip(c, s, p->hears > 0 && p->hears < missing ? p->hears : missing);
    else if (!peer_is_whole(bytes, *len))
        return WEIR_OK;
    *len = 0;
    return err == WEIR_OK ? peer_answer(c, p, s, bytes) : err;
}

static inline weir_err peer_talk(weir_ctx *c, struct peer *p, struct weir__stream *s)
{
    char bytes[PEER_ROOM];
    size_t len = 0;
    weir_err err = WEIR_OK;
    while (err == WEIR_OK) {
        ssize_t n = peer_take(c, s, bytes, len, sizeof bytes);
        err = n < 0 ? (weir_err)n : WEIR_OK;
        len += n > 0 ? (size_t)n : 0;
        if (err == WEIR_OK)
            err = peer_heed(c, p, s, bytes, &len);
    }
    return err;
}

/* --- connections ------------------------------------------------------------------------------ */

/* A peer that fails resets, so that what it sent never looks whole. */
static inline weir_err peer_serve_one(weir_ctx *c, void *arg)
{
    const struct peer_visit *v = arg;
    struct peer *p = v->peer;
    struct weir__stream s;
    weir_err err = weir__stream_attach(&s, (struct weir__detached){.num = v->num}, NULL);
    if (err < 0) {
        weir__sim_close(v->num);
        return WEIR_OK;
    }
    if (p->tls != NULL && !p->is_proxy)
        err = peer_secure(c, p, &s);
    if (err == WEIR_OK)
        err = p->is_h2 ? peer_talk_h2(c, p, &s) : peer_talk(c, p, &s);
    if (err == WEIR_ECLOSED) {
        weir__stream_close(&s);
    } else {
        weir__stream_strip(&s);
        weir__sim_reset(weir__stream_detach(&s).num);
    }
    return WEIR_OK;
}

static inline weir_err peer_serve(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    WEIR_SCOPE(visits, c);
    for (;;) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &p->listener};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        if (num < 0)
            break;
        struct peer_visit *v = weir_new(visits, struct peer_visit);
        if (v != NULL)
            *v = (struct peer_visit){p, (int)num};
        if (v == NULL || WEIR_GO(visits, peer_serve_one, v) < 0)
            weir__sim_close((int)num);
    }
    (void)weir_ctx_close(visits);
    weir__fd_close(&p->listener);
    return WEIR_OK;
}

/* Until the end of `c`. What it is has been said before; the rest begins anew. */
static inline weir_err peer_start(weir_ctx *c, struct peer *p)
{
    p->requests = 0;
    p->number = weir__sim_listen();
    snprintf(p->base, sizeof p->base, "http://127.0.0.1:%d", p->number);
    weir_err err = weir__fd_watch(&p->listener, p->number, NULL);
    if (err == WEIR_OK)
        err = WEIR_GO(c, peer_serve, p);
    if (err != WEIR_OK)
        weir__fd_close(&p->listener);
    return err;
}

#endif
