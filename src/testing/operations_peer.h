/*
 * A peer for operations on others: answers each request with the same text, over any number of
 * connections. It is in the run too, so its calls fail as well; where they do it resets, so that
 * what it sent never looks whole.
 */
#ifndef WEIR_TESTING_OPERATIONS_PEER_H
#define WEIR_TESTING_OPERATIONS_PEER_H

#include "testing/operations_testing.h"

#include <string.h>

#include "rt/io.h"
#include "rt/sim.h"
#include <weir/weir.h>

/* Answers each request with the same text, over any number of connections. */
struct peer {
    struct weir__fd listener;
    char base[48];
    const char *answer;
    bool closes; /* after each answer */
};

struct peer_visit {
    const struct peer *peer;
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

static inline weir_err peer_answer(weir_ctx *c, const struct peer *p, struct weir__fd *fd)
{
    size_t len = strlen(p->answer);
    for (size_t at = 0; at < len;) {
        ssize_t n = weir__send(weir__ctx_of(c), fd, p->answer + at, len - at, weir_never());
        if (n < 0)
            return (weir_err)n;
        at += (size_t)n;
    }
    return p->closes ? WEIR_ECLOSED : WEIR_OK;
}

/* A peer that fails resets, so that what it sent never looks whole. */
static inline weir_err peer_serve_one(weir_ctx *c, void *arg)
{
    const struct peer_visit *v = arg;
    struct weir__fd fd;
    char bytes[2048];
    size_t len = 0;
    weir_err err = weir__fd_watch(&fd, v->num, NULL);
    if (err < 0) {
        weir__fd_close(&fd);
        return WEIR_OK;
    }
    while (err == WEIR_OK) {
        ssize_t n = weir__recv(weir__ctx_of(c), &fd, bytes + len, sizeof bytes - len, weir_never());
        err = n > 0 ? WEIR_OK : n == 0 ? WEIR_ECLOSED : (weir_err)n;
        len += n > 0 ? (size_t)n : 0;
        if (err == WEIR_OK && peer_is_whole(bytes, len)) {
            err = peer_answer(c, v->peer, &fd);
            len = 0;
        }
    }
    if (err == WEIR_ECLOSED)
        weir__fd_close(&fd);
    else
        weir__sim_reset(weir__fd_unwatch(&fd));
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
    return WEIR_OK;
}

#endif
