/*
 * For tests of the client: what a peer is (testing.h plays it), a step of its script, and a
 * connection to it.
 */
#ifndef WEIR_HTTP_CLIENT_PEER_TESTING_H
#define WEIR_HTTP_CLIENT_PEER_TESTING_H

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
#include "rt/sim.h"
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
    struct peer_told *told; /* a stream of HTTP/2; NULL: it is a connection */
};

static inline void peer_reset(struct peer_visit *v)
{
    weir__stream_strip(&v->stream);
    struct weir__detached d = weir__stream_detach(&v->stream);
    v->stream.fd.num = -1;
    weir__sim_reset(d.num);
}

#endif
