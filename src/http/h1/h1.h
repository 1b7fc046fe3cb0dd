/*
 * HTTP/1: heads, chunks, and the output of one connection whose requests come one after the other.
 * What it keeps lies in the connection and in the exchange, in the room that these have for it.
 *
 * N2: `x` and `in` are set exactly while a connection is ACTIVE; only its fiber frees it then.
 * N3: output is sent before its fiber waits for anything (before_park).
 * N5: while the stream has a sender (S1) nobody else touches the output.
 */
#ifndef WEIR_HTTP_H1_H1_H
#define WEIR_HTTP_H1_H1_H

#include "http/common/conn.h"
#include "wire/chunked.h"
#include "wire/http1_head.h"

extern const struct weir__http_version weir__h1_version;
extern const struct weir__exchange_ops weir__h1_ops;

/* The beginning of a head, kept until the rest comes. */
struct weir__h1_partial {
    uint32_t len;
    struct weir__http_head head; /* how far it has been parsed */
    char bytes[];
};

/* Of a connection. */
struct weir__h1 {
    struct weir__exchange *x;
    struct weir__http_in *in;
    struct weir__http_out *out;
    struct weir__h1_partial *partial; /* in HEAD */
};
_Static_assert(sizeof(struct weir__h1) <= WEIR__CONN_OWN, "a connection has room for it");

static inline struct weir__h1 *weir__h1(struct weir__http_conn *c)
{
    return (struct weir__h1 *)(void *)c->own;
}

/* How the end of a response's body is told. */
enum weir__h1_framing {
    WEIR__H1_SIZED, /* by its length; or there is none */
    WEIR__H1_CHUNKED,
    WEIR__H1_TO_END /* by the end of the connection */
};

#define WEIR__H1_LEFT UINT32_MAX

/* Of an exchange. */
struct weir__h1_exchange {
    uint32_t head_len; /* bytes of the head; set when it is parsed */
    /* from here on: cleared when the exchange is opened */
    uint32_t out_from; /* where its response begins in the output; WEIR__H1_LEFT: some has left */
    uint8_t framing;   /* enum weir__h1_framing */
    bool is_last;      /* the connection closes after it */
    bool is_continue_due;
    bool is_reading;    /* a wait for body bytes: the peer may shut its side meanwhile */
    bool is_tunnel;     /* after `upgrade`: the body is what comes until the peer ends */
    uint64_t body_left; /* of a body with a length */
    weir_time body_began;
    weir_str piece; /* data of a chunk that `read` has not handed out yet */
    struct weir__chunked chunked;
    struct weir__timer gone; /* cancels its context soon after it was seen that nobody waits */
};
_Static_assert(sizeof(struct weir__h1_exchange) <= WEIR__VERSION_SPACE,
               "an exchange has room for it");

static inline struct weir__h1_exchange *weir__h1_x(const struct weir__exchange *x)
{
    return (struct weir__h1_exchange *)(uintptr_t)(const void *)x->version_space;
}

/* --- heads: conn.c ---------------------------------------------------------------------------- */

/*
 * The next head that is in the input buffer: true when `x` has one, or is the refusal of a
 * malformed one. In its fiber.
 */
bool weir__h1_next_head(struct weir__http_conn *c);

/* The same, after receiving what the kernel has. Does not wait; lets other fibers run first. */
bool weir__h1_receive_head(struct weir__http_conn *c);

/* The fiber is done with it: to rest, to linger, or closed. */
void weir__h1_unbind(struct weir__http_conn *c);

/* --- the fiber: serve.c ----------------------------------------------------------------------- */

/* The main of the fiber that a connection is bound to. */
void weir__h1_serve(void *conn);

/*
 * Something happened to the peer while a request runs: cancels it if that means that nobody waits
 * for it.
 */
void weir__h1_peer_shut(struct weir__http_conn *c);

/* --- output: output.c ------------------------------------------------------------------------- */

#define WEIR__NO_CHUNK UINT32_MAX
#define WEIR__CHUNK_HEAD 6 /* four hex digits and CRLF: a chunk is never larger than the buffer */

/*
 * Room for `n` bytes (at most WEIR__OUT_ROOM_MAX) at the output's end; sends what is there if need
 * be. May wait in `ctx`.
 */
#define WEIR__OUT_ROOM_MAX (WEIR__HTTP_OUT_BYTES - 256u)
#define WEIR__OUT_TAIL 8u /* always left free: the end of a chunk and the last chunk */
#define WEIR__OUT_CAPACITY (WEIR__HTTP_OUT_BYTES - sizeof(struct weir__http_out))
weir_err weir__out_reserve(struct weir__http_conn *c, struct weir__ctx *ctx, size_t n);

/* How a sender gets on, from its first wait on: write_timeout is for each WEIR__PROGRESS_BYTES. */
struct weir__sending {
    weir_time from; /* when it last got on by so much; 0: it has not had to wait */
    uint64_t bytes; /* taken by the client since then */
    size_t in_turn; /* bytes since others had theirs */
};

/* The client has taken `n` bytes more. */
void weir__sending_gets_on(struct weir__sending *s, size_t n);

/*
 * The socket takes no more: waits in `ctx` until it does, as the connection's sender. On an error
 * (gone, too slow, the reason) the connection is broken, but for a reason when `is_resumable`: then
 * another may send what is left.
 */
weir_err weir__out_wait(struct weir__http_conn *c, struct weir__ctx *ctx, struct weir__sending *s,
                        bool is_resumable);

/*
 * `n` more bytes were taken, and there are more to send: after WEIR__TURN_BYTES others have their
 * turn, with this fiber as the connection's sender. False: the connection was broken meanwhile.
 */
#define WEIR__TURN_BYTES (128u << 10) /* some 30 µs of the kernel's copying */
bool weir__out_take_turns(struct weir__http_conn *c, struct weir__sending *s, size_t n);

/* The client took `n` bytes that did not lie in the output buffer. */
void weir__out_taken(struct weir__http_conn *c, size_t n);

/* Sends all that is final, then `tail` (not copied; may be empty). May wait in `ctx`. */
weir_err weir__out_flush(struct weir__http_conn *c, struct weir__ctx *ctx, weir_str tail);

/* The same as far as it goes without a wait. */
void weir__out_push(struct weir__http_conn *c);

/* Goes on with that: the socket may take more of what it did not when the fiber began to wait. */
void weir__out_on_room(struct weir__http_conn *c);

/* Ends the chunk that is being filled, if any. */
void weir__out_seal(struct weir__http_conn *c);

/* --- the body: body.c ------------------------------------------------------------------------- */

/* Prepares the reading of the body that the head announces. */
void weir__h1_body_begin(struct weir__exchange *x);

/*
 * Reads what is left of the body, up to `drain_max` bytes; false when the connection cannot go on.
 * May wait.
 */
bool weir__h1_body_drain(struct weir__exchange *x);

/* True when drain would give up: known before the head of the response is written. */
bool weir__h1_body_is_too_much(const struct weir__exchange *x);

ssize_t weir__h1_read(struct weir__exchange *x, void *buf, size_t len);
weir_err weir__h1_read_all(struct weir__exchange *x, uint64_t max, weir_str *out);

#endif
