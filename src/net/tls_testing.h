/*
 * For tests of TLS: two streams of the simulation that shake hands, with the certificates of
 * tls_certificates_testing.h.
 */
#ifndef WEIR_NET_TLS_TESTING_H
#define WEIR_NET_TLS_TESTING_H

#include "net/tls_certificates_testing.h"
#include "rt/context.h"
#include "rt/sim.h"

/* --- two ends --------------------------------------------------------------------------------- */

/* Two streams of the simulation, and how their handshakes have ended. */
struct pair {
    struct weir__stream client, server;
    weir_err client_err, server_err; /* -EAGAIN: not yet */
    char client_why[400], server_why[400];
};

static inline void attach_pair(struct pair *p, size_t capacity)
{
    int nums[2];
    weir__sim_socketpair(nums, capacity);
    struct weir__detached a = {.num = nums[0]}, b = {.num = nums[1]};
    *p = (struct pair){.client_err = -EAGAIN, .server_err = -EAGAIN};
    assert_int_equal(weir__stream_attach(&p->client, a, NULL), WEIR_OK);
    assert_int_equal(weir__stream_attach(&p->server, b, NULL), WEIR_OK);
}

static inline void step_end(struct weir__stream *s, weir_err *err, char *text, size_t size)
{
    weir_buf why;
    if (*err != -EAGAIN)
        return;
    weir_buf_init_fixed(&why, text, size - 1);
    *err = weir__tls_handshake(s, &why);
    text[why.len] = '\0';
}

/* As far as it comes: until both ends are through, or nothing moves any more. */
static inline void shake_hands(struct pair *p)
{
    for (int i = 0; i < 100000 && (p->client_err == -EAGAIN || p->server_err == -EAGAIN); i++) {
        step_end(&p->client, &p->client_err, p->client_why, sizeof p->client_why);
        step_end(&p->server, &p->server_err, p->server_why, sizeof p->server_why);
    }
}

/* What a server sends behind its handshake is fetched, as a client does that goes on. */
static inline void settle(struct pair *p)
{
    char byte;
    do
        assert_int_equal(weir__stream_try_recv(&p->client, &byte, 1), -EAGAIN);
    while (weir__stream_try_flush(&p->server) == -EAGAIN);
    assert_int_equal(weir__stream_try_recv(&p->client, &byte, 1), -EAGAIN);
}

static inline void connect_pair_at(struct pair *p, struct weir__tls_server *server,
                                   struct weir__tls_client *client, const char *name, uint16_t port,
                                   size_t capacity)
{
    attach_pair(p, capacity);
    assert_int_equal(weir__tls_accept(&p->server, server), WEIR_OK);
    assert_int_equal(weir__tls_connect(&p->client, client, weir_str_from(name), port), WEIR_OK);
    shake_hands(p);
}

static inline void connect_pair(struct pair *p, struct weir__tls_server *server,
                                struct weir__tls_client *client, const char *name, size_t capacity)
{
    connect_pair_at(p, server, client, name, 443, capacity);
}

static inline void close_pair(struct pair *p)
{
    weir__stream_close(&p->client);
    weir__stream_close(&p->server);
}

#endif
