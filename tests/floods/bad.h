/*
 * Clients that do not behave: what a kind of them is made of. The tables are in kinds_*.c, one line
 * of text each in floods.py says what has to come of it.
 */
#ifndef WEIR_TESTS_FLOODS_BAD_H
#define WEIR_TESTS_FLOODS_BAD_H

#include <nghttp2/nghttp2.h>

#include "link.h"

enum bad_state { BAD_AWAY, BAD_CONNECTING, BAD_GREETING, BAD_BUSY };

struct bad {
    struct link link;
    enum bad_state state;
    bool is_tls;
    bool greets;       /* a handshake is still to come, or not over */
    bool has_failed;   /* to send: what has come is still read */
    int64_t reopen_at; /* while it is away */
    int64_t began;     /* busy since */
    uint32_t step;     /* of the kind */
    char outcome[96];  /* each thing that came, once, in the order of coming */
    /* what is read so far of the answer */
    unsigned matched;
    char status[3];
    unsigned char frame[9 + 16384];
    size_t frame_len;
    nghttp2_hd_inflater *fields;
};

enum bad_speaks { SPEAKS_H1, SPEAKS_H2 };
enum bad_where { ON_PLAIN, ON_TLS, ON_BOTH };

struct kind {
    const char *name;
    enum bad_speaks speaks;
    enum bad_where where;
    const char *alpn;             /* NULL: of what it speaks */
    bool is_raw;                  /* a port of TLS gets its bytes as they are */
    bool is_deaf;                 /* it reads nothing until it cannot send */
    void (*begin)(struct bad *b); /* it is connected, with TLS where that is spoken */
    void (*more)(struct bad *b);  /* all has been sent, and again */
    void (*tick)(struct bad *b);  /* each 50 ms */
    void (*prepare)(SSL_CTX *tls);
};
extern const struct kind kinds_h1[], kinds_tls[], kinds_h2[]; /* each ended by one without a name */

/* Something came of it: noted once a connection. */
void bad_note(struct bad *b, const char *what, int number);
bool bad_was_told(const struct bad *b, const char *what);

static inline void bad_send(struct bad *b, const void *bytes, size_t n)
{
    link_write(&b->link, bytes, n);
}
#define BAD_TEXT(b, text) bad_send((b), (text), sizeof(text) - 1)

/* It goes of its own accord. */
void bad_leave(struct bad *b, bool is_reset);
/* Sends no more, and waits for what comes. */
void bad_shut(struct bad *b);
/* For ticks: goes when it has been told something, and a second is over. */
void bad_leave_told(struct bad *b);
/* For ticks: goes when one of its streams was given up (CANCEL). */
void bad_leave_reset(struct bad *b);

/* The certificate that nobody vouches for. */
extern const char *bad_cert, *bad_key;

#endif
