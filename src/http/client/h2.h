/*
 * HTTP/2 as a client, from the inside: a connection that carries many exchanges, and what is kept
 * of each. h2_conn.c has the connection: bytes, settings, its end; h2_stream.c what the session
 * tells of a stream; h2.c what an exchange does with it, in its own fiber.
 *
 * A stream and its exchange end in either order: the session forgets the one (id 0), the exchange
 * the other; who comes last frees what is kept.
 *
 * C9: memory of a caller is supplied only while the exchange waits for that.
 * C10: what is kept of a stream is in its connection's list until the session has told of its end.
 */
#ifndef WEIR_HTTP_CLIENT_H2_H
#define WEIR_HTTP_CLIENT_H2_H

#include "http/client/client.h"
#include "http/h2/fields.h"
#include "http/h2/inbox.h"
#include "http/h2/session.h"

/* Limits of a connection: docs/design/http2.md says why. */
#define WEIR__CLIENT_STREAMS_MAX 128u           /* at a time, however many the peer takes */
#define WEIR__CLIENT_STREAM_WINDOW 262144u      /* bytes of a body that nobody has read */
#define WEIR__CLIENT_CONNECTION_WINDOW 1048576u /* that may come beyond what is accounted for */
#define WEIR__CLIENT_UNREAD_MAX (8u << 20)      /* past so many in all nothing more may come */
#define WEIR__CLIENT_SILENCE_NS 10000000000     /* something is waited for: then PING, and again */
#define WEIR__CLIENT_INTERIM_MAX 8
#define WEIR__CLIENT_PIECES_MAX 16384u /* bytes of a streamed body that are copied */

/* What all connections of a worker use by turns. */
struct weir__client_scratch {
    struct weir__h2_gather gather;
    char in[64u << 10];
};

/* A connection. */
struct weir__client_h2 {
    struct weir__client_conn conn;
    weir_http *http;
    struct weir__client_scratch *scratch;
    struct weir__h2_session session;
    struct weir__h2_fields_limits limits;
    struct weir__list streams; /* weir__client_stream.in_conn: C10 */
    struct weir__list
        openers; /* weir__wait.in_object: who opens it waits for the peer's settings */
    struct weir__timer silence; /* armed while `is_waiting` */
    weir_time heard;            /* when something came last, or was asked after all was answered */
    uint32_t open;              /* of the streams, those that are not over */
    size_t unread;              /* bytes of bodies that wait for their readers */
    size_t owed;                /* of those for which the connection's window is still shut */
    uint32_t room;              /* that the carrier has been told of */
    uint32_t going_code;        /* of the peer's GOAWAY */
    bool is_waiting;            /* something is due to come */
    bool is_pinged;
    bool is_going; /* the peer opens no further streams */
    bool is_over;
    weir_err err;    /* why it is over */
    const char *why; /* the same for people; a constant */
};

/* What is kept of a stream. */
struct weir__client_stream {
    struct weir__list in_conn; /* weir__client_h2.streams */
    struct weir__list waiters; /* weir__wait.in_object: the exchange's fibers, two at most */
    struct weir__client_h2 *h2;
    int32_t id;     /* 0: the stream is over */
    bool is_wanted; /* by its exchange */

    /* the request */
    char *kept; /* pieces that were copied; allocated, of WEIR__CLIENT_PIECES_MAX */
    uint32_t kept_at, kept_len;
    weir_str tail;                /* behind those: C9 */
    struct weir__trailers behind; /* what follows it: the exchange's memory, and its to lower */
    uint64_t taken;               /* bytes of the body that were made into frames */
    uint32_t head_bytes;
    bool is_held;    /* the body, until the peer has said 100 */
    bool is_ended;   /* no more of it will be added */
    bool has_begun;  /* its head has been made into a frame */
    bool is_all_out; /* and so has all of it */

    /* the answer */
    struct weir__http_head head;
    struct weir__h2_fields fields;   /* of `head`, until that is taken */
    struct weir__h2_fields trailers; /* the same of those */
    uint8_t asked;                   /* enum weir__http_method */
    uint8_t interims;
    bool has_answer; /* something of it came */
    bool has_continue;
    bool has_head; /* the final one, whole */
    bool is_whole; /* all of it has come */
    uint64_t came; /* bytes of the body, read or not */
    struct weir__h2_inbox in;

    /* how it went wrong */
    weir_err err;
    const char *why;   /* a constant */
    bool is_malformed; /* the answer; `why` says which rule */
    bool is_untouched; /* the peer has done nothing of it */
};

extern const struct weir__h2_session_ops weir__client_h2_ops; /* h2_stream.c */

/* --- connections: h2_conn.c ------------------------------------------------------------------- */

/*
 * Begins to speak it on the connection's stream, and waits for the peer's settings. Raised in `c`.
 * On an error nothing of it is left but the stream.
 */
weir_err weir__client_h2_begin(struct weir__client_h2 *h, struct weir__ctx *c, weir_time until);

/* The end: all streams are told, and no more leases are taken. Idempotent. */
void weir__client_h2_end(struct weir__client_h2 *h, weir_err err, const char *why);

/* The end of one that carries nothing: the peer is told. */
void weir__client_h2_leave(struct weir__client_h2 *h);

/* Something is due to come from the peer, which is asked when it is silent. */
void weir__client_h2_expect(struct weir__client_h2 *h);

/* After the session: it has told that nothing of the connection will be sent or read any more. */
void weir__client_h2_flushed(struct weir__h2_session *session, enum weir__h2_flushed result);
void weir__client_h2_going(struct weir__h2_session *session, int32_t last, uint32_t code);

/* --- streams: h2_stream.c --------------------------------------------------------------------- */

struct weir__client_stream *weir__client_stream_new(struct weir__client_h2 *h);

/* Its exchange wants no more of it: the peer is told, if it does not know yet. */
void weir__client_stream_leave(struct weir__client_stream *s);

/* Its exchange wants no more of it, and waits for it still: it is broken off, and told so. */
void weir__client_stream_interrupt(struct weir__client_stream *s);

/* The connection is over. May free it. */
void weir__client_stream_cut(struct weir__client_stream *s, weir_err err, const char *why);

/* Bytes of the body that are here. */
static inline size_t weir__client_stream_here(const struct weir__client_stream *s)
{
    return weir__h2_inbox_left(&s->in);
}

/* So many of those have been read: windows open. */
void weir__client_stream_read(struct weir__client_stream *s, size_t n);

/* Bytes of the request's body that have not been made into frames. */
static inline size_t weir__client_stream_unsent(const struct weir__client_stream *s)
{
    return s->kept_len - s->kept_at + s->tail.len;
}

#endif
