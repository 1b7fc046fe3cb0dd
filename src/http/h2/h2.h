/*
 * The server's side of HTTP/2: connections whose streams are exchanges, each with a context and a
 * fiber of its own. What a stream keeps lies in its exchange; what a connection keeps is allocated,
 * for it has streams, tables and windows.
 *
 * H5: an exchange is in its connection's list from its first field to the end of both its stream
 *     and its fiber.
 * H6: a response is submitted once, at the end of its handler or of the turn in which it was begun;
 *     before that it may be taken back.
 * H7: memory of a handler is supplied only while that waits in `write`.
 * H8: what a connection counts is what its streams have.
 */
#ifndef WEIR_HTTP_H2_H2_H
#define WEIR_HTTP_H2_H2_H

#include "http/common/conn.h"
#include "http/h2/fields.h"
#include "http/h2/inbox.h"
#include "http/h2/session.h"

extern const struct weir__http_version weir__h2_version;
extern const struct weir__exchange_ops weir__h2_ops;

/* Limits of a connection: docs/design/http2.md says why. */
#define WEIR__H2_STREAMS_MAX 100           /* exchanges, whether or not their streams live */
#define WEIR__H2_STREAM_WINDOW 65535u      /* bytes of a body that nobody has read */
#define WEIR__H2_CONNECTION_WINDOW 1048576 /* the same of all streams */
#define WEIR__H2_UNREAD_MAX 1048576u       /* past so many unread ones that window stays shut */
#define WEIR__H2_KEPT_MAX 1048576u         /* of inboxes, past which empty ones go back */

/* So what it has us keep is bounded: what its handlers send from is their requests' memory. */
_Static_assert((WEIR__HTTP_OUT_BYTES + sizeof(struct weir__exchange)) * WEIR__H2_STREAMS_MAX +
                       WEIR__H2_UNREAD_MAX + WEIR__H2_CONNECTION_WINDOW <=
                   4u << 20,
               "what is unread and what was written into buffers are 4 MiB at most");

/* Of a connection. */
struct weir__h2 {
    struct weir__http_conn *conn;
    struct weir__h2_session session;
    struct weir__h2_fields_limits limits;
    struct weir__list streams; /* weir__h2_stream.in_conn: H5 */
    struct weir__list ready;   /* weir__h2_stream.in_queue: their fibers are to be started */
    struct weir__list due;     /* weir__h2_stream.in_queue: their responses are to be submitted */
    uint32_t count;            /* of `streams` */
    uint32_t running;          /* of their fibers */
    uint32_t heads;            /* of them whose fields have not all come */
    uint32_t lingering;        /* of them that are answered, and whose body has not ended */
    size_t unread;             /* bytes of bodies that wait for their readers */
    size_t kept;               /* memory of inboxes, whether or not something is in them */
    size_t unsent;             /* bytes of responses that have not been made into frames */
    size_t owed;               /* bytes for which the connection's window is still to be opened */
    uint64_t bytes_out;        /* of the session, when it was last looked at … */
    weir_time got_on;          /* … and when that last changed, or there was nothing to send */
    weir_time old_at;          /* it is to go then */
    struct weir__timer stall;  /* armed while something waits for the peer */
    struct weir__timer going;  /* between the first GOAWAY and the second */
    bool is_open;              /* the peer has sent its settings */
    bool is_going;             /* the first has been said */
    bool is_busy;              /* it is at work with the streams: it is not freed meanwhile */
    bool is_over;              /* the session has ended; it goes when no fiber runs */
};

/* Of an exchange. */
struct weir__h2_stream {
    struct weir__list in_conn;  /* weir__h2.streams */
    struct weir__list in_queue; /* weir__h2.ready or .due */
    struct weir__list readers;  /* weir__wait.in_object: its fiber that waits for more body … */
    struct weir__list writers;  /* … and the one that waits for room; one each at most */
    struct weir__h2_fields fields;
    char *text;        /* of the head, when all fields have come; allocated */
    uint32_t text_len; /* of its bytes */
    int32_t id;        /* 0: the stream is over */

    bool is_head_whole;
    bool is_running;    /* its fiber */
    bool is_submitted;  /* the response: H6 */
    bool is_put_off;    /* there was nothing to supply when there could have been */
    bool is_head_left;  /* the first frame of the response has been made */
    bool is_all_left;   /* the last one has */
    bool is_too_slow;   /* it was ended because it did not get on */
    bool is_body_whole; /* the request's */
    bool is_lingering;  /* answered whole; what still comes of its body is thrown away */
    bool is_continue_due;
    bool has_length; /* of the response */

    struct weir__h2_inbox in; /* of the body */
    uint32_t type_len;        /* the content type: the first bytes of `out`, until submitted */
    uint64_t length;          /* of the response */
    uint64_t lingered;        /* bytes thrown away since it was answered */
    uint64_t body_came;       /* bytes of it so far, read or not */
    struct weir__http_out *out;
    weir_str tail;       /* behind what is in `out`: H7 */
    weir_time moved_at;  /* when it last got on by WEIR__PROGRESS_BYTES, or had nothing to send */
    uint32_t moved;      /* bytes since */
    uint32_t behind_len; /* fields that follow the body: lines in `out`, behind its bytes */
};
_Static_assert(sizeof(struct weir__h2_stream) <= WEIR__VERSION_SPACE,
               "an exchange has room for it");

static inline struct weir__h2 *weir__h2(const struct weir__http_conn *c)
{
    return *(struct weir__h2 *const *)(const void *)c->own;
}

static inline struct weir__h2_stream *weir__h2_x(const struct weir__exchange *x)
{
    return (struct weir__h2_stream *)(uintptr_t)(const void *)x->version_space;
}

static inline struct weir__exchange *weir__h2_exchange(struct weir__h2_stream *s)
{
    return WEIR_CONTAINER((char(*)[WEIR__VERSION_SPACE])(void *)s, struct weir__exchange,
                          version_space);
}

static inline struct weir__h2 *weir__h2_of(struct weir__h2_stream *s)
{
    return weir__h2(weir__h2_exchange(s)->conn);
}

/* --- the connection: conn.c ------------------------------------------------------------------- */

/* Its session ends now; its streams with it. It is freed when no fiber runs any more. */
void weir__h2_over(struct weir__h2 *h);

/* After something has ended: it rests, or goes. */
void weir__h2_settle(struct weir__h2 *h);

/* Says that it goes; what runs and what is on its way is answered. */
void weir__h2_go(struct weir__h2 *h);

/* Something waits for the peer: it is looked after. */
void weir__h2_watch(struct weir__h2 *h);

/* --- streams: stream.c ------------------------------------------------------------------------ */

extern const struct weir__h2_session_ops weir__h2_session_ops;

/* Starts the fibers of requests whose fields have come. On the worker's own stack. */
void weir__h2_start(struct weir__h2 *h);

/* The stream is over, for the peer or for us: who waits is told, and what runs is cancelled. */
void weir__h2_stream_over(struct weir__h2_stream *s);

/* It did not get on. */
void weir__h2_stream_stalled(struct weir__h2_stream *s);

/* Wakes the fiber that waits in one of the stream's two lists, if there is one. */
static inline void weir__h2_wake(struct weir__list *waiters)
{
    (void)weir__wake_first(waiters, WEIR_OK);
}

/* Waits in one of them: for anything that happens to the stream. One fiber at a time. */
weir_err weir__h2_wait(struct weir__exchange *x, struct weir__list *waiters, weir_time until);

/* --- the body: body.c ------------------------------------------------------------------------- */

void weir__h2_body_begin(struct weir__exchange *x);
/* More of it has come; its end. False: it is not what the head said. */
bool weir__h2_body_add(struct weir__h2_stream *s, weir_str bytes);
bool weir__h2_body_end(struct weir__h2_stream *s);
/* Nobody will read it: what there is, and what still comes, is thrown away. */
void weir__h2_body_drop(struct weir__h2_stream *s);
/* Nobody is there to read it, and its sender is not to be told before it has read its answer. */
void weir__h2_linger(struct weir__h2_stream *s);
void weir__h2_linger_end(struct weir__h2_stream *s);
ssize_t weir__h2_read(struct weir__exchange *x, void *buf, size_t len);
weir_err weir__h2_read_all(struct weir__exchange *x, uint64_t max, weir_str *out);

/* --- the response: response.c ----------------------------------------------------------------- */

/* H6: hands the response that was begun to the session. */
void weir__h2_submit(struct weir__exchange *x);
struct weir__h2_supply weir__h2_supply(const struct weir__h2_stream *s);
void weir__h2_take(struct weir__h2_stream *s, char *to, size_t n);
/* Its head has been made into a frame. */
void weir__h2_head_left(struct weir__h2_stream *s);
/* The body has been taken: hands what follows it to the session. */
void weir__h2_trail(struct weir__h2_stream *s);
/* Gives up what has not left. */
void weir__h2_response_drop(struct weir__h2_stream *s);

#endif
