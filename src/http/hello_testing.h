/*
 * For tests of the server behind TLS: the rig of testing.h with a listener of TLS, and a client
 * that trusts it.
 */
#ifndef WEIR_HTTP_HELLO_TESTING_H
#define WEIR_HTTP_HELLO_TESTING_H

#include "http/testing.h"
#include "net/tls_testing.h"

static struct weir__tls_server *tls;
static struct weir__tls_client *trusting;
static const char *const protocols[] = {"http/1.1", NULL};

/* As rig_open, but that the listener is of TLS. */
static inline void tls_rig_open(struct rig *rig, weir_ctx *c,
                                const struct weir__http_server_options *o)
{
    struct weir__http_app app = {.serve = serve, .done = done, .arg = rig};
    *rig = (struct rig){.ctx = c, .listener = weir__sim_listen()};
    rig->server = weir__http_server_new(weir__self->runtime, o, &app);
    assert_non_null(rig->server);
    assert_int_equal(weir__http_server_adopt_listener(rig->server, rig->listener), 0);
    weir__http_server_use_tls(rig->server, tls);
    assert_int_equal(weir__http_server_start(rig->server, weir__ctx_of(c)), 0);
}

static inline weir_err tls_rig_main(weir_ctx *c, void *arg)
{
    struct rig_run *run = arg;
    struct rig rig;
    tls_rig_open(&rig, c, run->options);
    run->test(&rig);
    rig_close(&rig);
    return WEIR_OK;
}

static inline void run_tls_rig(rig_test test, const struct weir__http_server_options *options)
{
    struct weir__http_server_options none = {0};
    struct rig_run run = {test, options != NULL ? options : &none};
    assert_int_equal(weir__sim_run(tls_rig_main, &run), WEIR_OK);
}

/* --- a client --------------------------------------------------------------------------------- */

static inline void attach_client(struct rig *rig, struct weir__stream *s, size_t capacity)
{
    int num = weir__sim_connect(rig->listener, capacity);
    assert_int_equal(weir__stream_attach(s, (struct weir__detached){.num = num}, NULL), WEIR_OK);
    assert_int_equal(weir__tls_connect(s, trusting, WEIR_S("server.example"), 443), WEIR_OK);
}

static inline void connect_client(struct rig *rig, struct weir__stream *s, size_t capacity)
{
    attach_client(rig, s, capacity);
    assert_int_equal(weir__tls_await_handshake(weir__ctx_of(rig->ctx), s, weir_never(), NULL),
                     WEIR_OK);
}

static weir_dur patience = {100000000}; /* for an answer; more where the sweep sends it */

/* All that comes in answer until nothing does for a moment, or the end: then `*end` is its code. */
static inline char *ask_tls(struct rig *rig, struct weir__stream *s, const char *request,
                            ssize_t *end)
{
    static char bytes[1 << 20];
    struct weir__ctx *c = weir__ctx_of(rig->ctx);
    size_t len = 0, sent;
    assert_int_equal(weir__stream_send(c, s, request, strlen(request), &sent, weir_never()),
                     WEIR_OK);
    for (;;) {
        weir_time until = weir_time_add(weir_now(), patience);
        ssize_t n = weir__stream_recv(c, s, bytes + len, sizeof bytes - 1 - len, until);
        if (n <= 0) {
            if (end != NULL)
                *end = n;
            break;
        }
        len += (size_t)n;
    }
    bytes[len] = '\0';
    return bytes;
}

/* --- for a group of tests --------------------------------------------------------------------- */

static inline int tls_rig_make(void **state)
{
    (void)state;
    make_test_certificates();
    tls = server_of((struct weir__tls_server_options){.choice = {.alpn = protocols}});
    trusting = client_of((struct weir__tls_client_options){.choice = {.alpn = protocols}});
    return 0;
}

static inline int tls_rig_unmake(void **state)
{
    (void)state;
    weir__tls_server_free(tls);
    weir__tls_client_unref(trusting);
    free_test_certificates();
    return 0;
}

#endif
