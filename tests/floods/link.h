/*
 * A client's end of a connection, plain or TLS, for clients that behave and clients that do not:
 * non-blocking, with libssl between two buffers in memory, so that what it seals can be cut,
 * changed or left out before it is sent.
 */
#ifndef WEIR_TESTS_FLOODS_LINK_H
#define WEIR_TESTS_FLOODS_LINK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct link {
    int fd;   /* -1: none */
    SSL *ssl; /* NULL: plain */
    char *out;
    size_t out_at, out_len, out_room; /* sealed, to be sent */
    bool is_watched_for_room;
};

enum link_state { LINK_OPEN, LINK_ENDED, LINK_RESET, LINK_FAILED /* TLS: the queue says why */ };

/* Connects to 127.0.0.1; `tls` may be NULL. Watched by `epoll` for bytes, with `of` as its data. */
void link_open(struct link *l, int epoll, int port, SSL_CTX *tls, void *of);

/* To the kernel's and libssl's end; `is_reset`: by RST. A zeroed fd of -1 is allowed. */
void link_close(struct link *l, bool is_reset);

/* Bytes as they are, around TLS; and bytes of what it carries. Sent by link_flush. */
void link_raw(struct link *l, const void *bytes, size_t n);
void link_write(struct link *l, const void *bytes, size_t n);

/* 1: done, 0: goes on, -1: failed. */
int link_handshake(struct link *l);

/* What libssl has sealed: to be looked at, or to be sent. */
size_t link_sealed(struct link *l, char *bytes, size_t room);
void link_gather(struct link *l);

/* What has come on the socket, raw; 0: nothing now, or the state has changed. */
size_t link_receive(struct link *l, char *bytes, size_t room, enum link_state *state);
/* Raw bytes that have come are libssl's; then what it makes of them, piece by piece. */
void link_feed(struct link *l, const char *bytes, size_t n);
size_t link_read(struct link *l, char *bytes, size_t room, enum link_state *state);

enum link_state link_flush(struct link *l, int epoll, void *of);
static inline size_t link_unsent(const struct link *l)
{
    return l->out_len - l->out_at;
}

int64_t now_ns(void);
/* The end of the program with what failed. */
void die(const char *what) __attribute__((noreturn));
/* For TLS from 1.2 on that trusts the file, or whomever (NULL). */
SSL_CTX *link_tls(const char *ca, const char *alpn);

#endif
