/*
 * For tests: what was written as the text of HTTP/1 goes over another transport: TLS, HTTP/2 with
 * prior knowledge, HTTP/2 over TLS. Somebody stands between the two ends of each simulated
 * connection (os/poller_sim.h): the client keeps its text and sees text, the server gets what it
 * would from a peer of that kind. The environment's WEIR_OVER says which: "h1" (or nothing),
 * "h1+tls", "h2c", "h2".
 *
 * A test calls over_begin once, before all, and over_server for each server with one listener.
 * libssl and nghttp2 are the peer, not net/tls and http/h2: what is tested is not tested by itself.
 */
#ifndef WEIR_HTTP_OVER_TESTING_H
#define WEIR_HTTP_OVER_TESTING_H

#include "http/http.h"
#include "http/h2/translate_testing.h"
#include "rt/sim.h"

#if WEIR_TLS && WEIR_HTTP2

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/tls_certificates_testing.h"

enum { OVER_TLS = 1, OVER_H2 = 2, OVER_QUEUE_MAX = 64 << 10 };

static struct {
    unsigned how; /* of the above */
    struct weir__tls_server *server;
    SSL_CTX *client;
} over;

/* Somebody between two ends. */
struct over_wire {
    int client, server;        /* the sockets that face them */
    struct queue text, answer; /* of the client's, for the client */
    struct queue frames;       /* what the text has become: of HTTP/2, if it is that */
    struct queue bytes;        /* the same as the server gets it: sealed, if it is TLS */
    SSL *ssl;                  /* on two buffers; NULL: plain */
    struct translation translation;
    bool is_client_over, is_client_gone; /* it sends no more; it receives no more */
    bool is_server_over, is_server_gone;
    bool is_farewell; /* the server has said that this is all */
    bool was_reset;   /* the server's end */
    bool has_shut[2]; /* the client's side, the server's side */
};

static inline bool over_is(unsigned what)
{
    return (over.how & what) != 0;
}

/* --- the bytes -------------------------------------------------------------------------------- */

/* Takes what has come to a socket of its own; false: nothing. */
static inline bool over_read(int num, struct queue *to, bool *is_over, bool *is_gone)
{
    char bytes[8 << 10];
    if (*is_over || queue_left(to) >= OVER_QUEUE_MAX)
        return false;
    ssize_t n = weir__sim_read(num, bytes, sizeof bytes);
    if (n == -EAGAIN)
        return false;
    *is_over = n <= 0;
    *is_gone = *is_gone || n < 0;
    if (n > 0)
        queue_put(to, bytes, (size_t)n);
    return true;
}

/* Sends what there is room for; who takes nothing any more is gone. */
static inline bool over_write(int num, struct queue *from, bool *is_gone)
{
    ssize_t n =
        weir__sim_write(num, queue_left(from) > 0 ? from->bytes + from->at : "", queue_left(from));
    if (n > 0)
        from->at += (size_t)n;
    if (n < 0 && n != -EAGAIN) {
        *is_gone = true;
        from->at = from->len;
    }
    return n > 0;
}

/* --- TLS -------------------------------------------------------------------------------------- */

static inline void over_seal(struct over_wire *w)
{
    char bytes[8 << 10];
    int n;
    if (queue_left(&w->frames) > 0 &&
        (n = SSL_write(w->ssl, w->frames.bytes + w->frames.at, (int)queue_left(&w->frames))) > 0)
        w->frames.at += (size_t)n;
    else if (!SSL_is_init_finished(w->ssl))
        (void)SSL_do_handshake(w->ssl);
    while ((n = BIO_read(SSL_get_wbio(w->ssl), bytes, sizeof bytes)) > 0)
        queue_put(&w->bytes, bytes, (size_t)n);
    ERR_clear_error();
}

/* Opens what the server has sealed; the farewell is its end. */
static inline void over_open_sealed(struct over_wire *w, struct queue *sealed, struct queue *plain)
{
    char bytes[16 << 10];
    int n;
    if (queue_left(sealed) > 0)
        BIO_write(SSL_get_rbio(w->ssl), sealed->bytes + sealed->at, (int)queue_left(sealed));
    sealed->at = sealed->len;
    while ((n = SSL_read(w->ssl, bytes, sizeof bytes)) > 0)
        queue_put(plain, bytes, (size_t)n);
    int why = SSL_get_error(w->ssl, n);
    w->is_farewell = w->is_farewell || why == SSL_ERROR_ZERO_RETURN;
    w->was_reset = w->was_reset || why == SSL_ERROR_SSL || why == SSL_ERROR_SYSCALL;
    ERR_clear_error();
}

static inline void over_bid_farewell(struct over_wire *w)
{
    if (w->ssl == NULL || !SSL_is_init_finished(w->ssl))
        return;
    (void)SSL_shutdown(w->ssl);
    over_seal(w);
}

/* --- from the client to the server ------------------------------------------------------------ */

static inline void over_translate(struct over_wire *w)
{
    if (over_is(OVER_H2)) {
        translation_move(&w->translation, over_is(OVER_TLS) ? "https" : "http", &w->frames);
    } else if (queue_left(&w->text) > 0) {
        queue_put(&w->frames, w->text.bytes + w->text.at, queue_left(&w->text));
        w->text.at = w->text.len;
    }
}

static inline bool over_move_there(struct over_wire *w)
{
    bool is_new = over_read(w->client, &w->text, &w->is_client_over, &w->is_client_gone);
    if (queue_left(&w->bytes) < OVER_QUEUE_MAX) {
        over_translate(w);
        if (w->ssl != NULL) {
            over_seal(w);
        } else if (queue_left(&w->frames) > 0) {
            queue_put(&w->bytes, w->frames.bytes + w->frames.at, queue_left(&w->frames));
            w->frames.at = w->frames.len;
        }
    }
    return over_write(w->server, &w->bytes, &w->is_server_gone) || is_new;
}

/* --- from the server to the client ------------------------------------------------------------ */

static inline bool over_move_back(struct over_wire *w)
{
    struct queue raw = {.bytes = NULL}, plain = {.bytes = NULL};
    bool is_reset = false, is_new = false;
    if (queue_left(&w->answer) < OVER_QUEUE_MAX) {
        is_new = over_read(w->server, &raw, &w->is_server_over, &is_reset);
        if (w->ssl != NULL)
            over_open_sealed(w, &raw, &plain);
        struct queue *from = w->ssl != NULL ? &plain : &raw;
        if (!over_is(OVER_H2))
            queue_put(&w->answer, from->bytes, queue_left(from));
        else if (queue_left(from) > 0 &&
                 !translation_feed(&w->translation, from->bytes, queue_left(from)))
            w->was_reset = true;
    }
    w->was_reset = w->was_reset || is_reset;
    free(raw.bytes);
    free(plain.bytes);
    bool is_taken = over_write(w->client, &w->answer, &w->is_client_gone);
    if (over_is(OVER_H2) && queue_left(&w->answer) == 0)
        translation_taken(&w->translation);
    return is_taken || is_new;
}

/* --- ends ------------------------------------------------------------------------------------- */

static inline bool over_close_all(struct over_wire *w)
{
    if (w->was_reset)
        weir__sim_reset(w->client);
    else
        weir__sim_close(w->client);
    weir__sim_close(w->server);
    return false;
}

/* The client has gone: so does its peer, and what was under way is cancelled before. */
static inline bool over_follow_client(struct over_wire *w)
{
    if (over_is(OVER_H2) && !w->has_shut[0]) {
        translation_cancel(&w->translation);
        over_translate(w);
    }
    w->has_shut[0] = true;
    if (w->ssl != NULL)
        over_seal(w);
    over_bid_farewell(w);
    while (over_move_there(w))
        ;
    if (queue_left(&w->bytes) > 0 && !w->is_server_gone)
        return true; /* until there is room for it */
    return over_close_all(w);
}

/* A client that shuts its side alone has asked all that it will. */
static inline void over_follow_shut(struct over_wire *w)
{
    if (w->has_shut[0])
        return;
    w->has_shut[0] = true;
    if (over_is(OVER_H2)) {
        w->translation.is_last = true;
        w->translation.is_over = w->translation.id == 0;
        return;
    }
    over_bid_farewell(w);
    (void)over_write(w->server, &w->bytes, &w->is_server_gone);
    weir__sim_shutdown(w->server);
}

static inline bool over_is_done(struct over_wire *w)
{
    bool is_told = queue_left(&w->answer) == 0;
    if (over_is(OVER_H2))
        return is_told && (w->is_server_over || w->is_farewell || w->was_reset ||
                           (w->translation.is_over && w->translation.id == 0));
    return is_told && (w->is_server_gone || w->was_reset);
}

static inline bool over_move(void *state)
{
    struct over_wire *w = state;
    bool goes_on = true;
    while (goes_on) {
        goes_on = over_move_there(w);
        goes_on = over_move_back(w) || goes_on;
    }
    if (w->is_client_gone)
        return over_follow_client(w);
    if (over_is_done(w)) {
        over_bid_farewell(w);
        (void)over_write(w->server, &w->bytes, &w->is_server_gone);
        return over_close_all(w);
    }
    if (w->is_client_over)
        over_follow_shut(w);
    if ((w->is_server_over || w->is_farewell) && queue_left(&w->answer) == 0 && !w->has_shut[1]) {
        w->has_shut[1] = true;
        weir__sim_shutdown(w->client);
    }
    return true;
}

static inline void over_free(void *state)
{
    struct over_wire *w = state;
    if (over_is(OVER_H2))
        translation_close(&w->translation);
    SSL_free(w->ssl);
    free(w->text.bytes);
    free(w->answer.bytes);
    free(w->frames.bytes);
    free(w->bytes.bytes);
    free(w);
}

static inline void *over_open(int client, int server)
{
    struct over_wire *w = calloc(1, sizeof *w);
    WEIR_ASSERT(w != NULL, "the test has memory");
    w->client = client;
    w->server = server;
    queue_put(&w->text, "", 1); /* it has memory */
    w->text.at = w->text.len;
    if (over_is(OVER_H2))
        translation_open(&w->translation, &w->text, &w->answer);
    if (over_is(OVER_TLS)) {
        w->ssl = SSL_new(over.client);
        WEIR_ASSERT(w->ssl != NULL, "the test has memory");
        SSL_set_bio(w->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_tlsext_host_name(w->ssl, "server.example");
        SSL_set1_host(w->ssl, "server.example");
        SSL_set_connect_state(w->ssl);
    }
    return w;
}

/* --- the switch ------------------------------------------------------------------------------- */

static inline void over_make_tls(void)
{
    static const char *const protocols[] = {"h2", "http/1.1", NULL};
    static const unsigned char h1[] = "\x08http/1.1", h2[] = "\x02h2";
    make_test_certificates();
    over.server = server_of((struct weir__tls_server_options){.choice = {.alpn = protocols}});
    over.client = SSL_CTX_new(TLS_client_method());
    WEIR_ASSERT(over.client != NULL, "the test has memory");
    X509_STORE_add_cert(SSL_CTX_get_cert_store(over.client), test_ca.certificate);
    SSL_CTX_set_verify(over.client, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(over.client,
                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_alpn_protos(over.client, over_is(OVER_H2) ? h2 : h1,
                            over_is(OVER_H2) ? sizeof h2 - 1 : sizeof h1 - 1);
}

/* Before all; what is made lives as long as the process. */
static inline void over_begin(void)
{
    static const struct weir__sim_between between = {over_open, over_move, over_free};
    static const char *const names[] = {"h1", "h1+tls", "h2c", "h2"};
    const char *name = getenv("WEIR_OVER");
    while (name != NULL && over.how < 4 && strcmp(names[over.how], name) != 0)
        over.how++;
    WEIR_ASSERT(over.how < 4, "WEIR_OVER is h1, h1+tls, h2c or h2");
    if (over_is(OVER_TLS))
        over_make_tls();
    if (over.how != 0)
        weir__sim_put_between(&between);
    (void)unsetenv("WEIR_OVER"); /* else the kit of web would speak it as well */
}

/* The server's one listener is of that transport. Before it starts. */
static inline void over_server(struct weir__http_server *server)
{
    if (over_is(OVER_TLS))
        weir__http_server_use_tls(server, over.server);
}

#else

enum { OVER_TLS = 1, OVER_H2 = 2 };

/* A build that lacks one of them is tried over HTTP/1 alone (tests/meson.build). */
static inline bool over_is(unsigned what)
{
    (void)what;
    return false;
}

static inline void over_begin(void)
{
    WEIR_ASSERT(getenv("WEIR_OVER") == NULL, "this build has TLS and HTTP/2");
}

static inline void over_server(struct weir__http_server *server)
{
    (void)server;
}

#endif

#endif
