/*
 * A connection as a stream of bytes, the same for every protocol above: the socket's own bytes, or
 * those of a layer on it (TLS), on the kernel as in the simulation. What no protocol should have to
 * find out for itself is known here: whether a receive has taken all there is, who is sending, and
 * how a connection ends.
 *
 * A stream belongs to the worker that it is watched on. Embedded in its owner, it costs four words
 * at rest; without a layer no call goes through a table.
 *
 * S1: one fiber at a time sends. Who waits for room is the sender until that wait is over; nobody
 *     else sends meanwhile.
 * S2: nothing that has come is forgotten: while has_more is false, the next byte makes an event.
 * S3: only a stream of which nobody waits leaves its worker.
 */
#ifndef WEIR_NET_STREAM_H
#define WEIR_NET_STREAM_H

#include "base/assert.h"
#include "os/sys.h"
#include "rt/io.h"
#include "rt/timer.h"
#include "rt/worker.h"

struct weir__layer;
struct weir__stream;

/* What a layer does with the bytes. None of it waits. */
struct weir__layer_ops {
    const char *name;
    /* Bytes, 0 at the end that the peer has announced, -EAGAIN when it needs more of the socket. */
    ssize_t (*recv)(struct weir__stream *s, void *buf, size_t len);
    /*
     * How many bytes of `vec` it has taken: they are its own now, and leave as far as there is room
     * for them, the rest with the next call. -EAGAIN: none, for others are still inside.
     */
    ssize_t (*send)(struct weir__stream *s, const struct iovec *vec, int count);
    /* Sends what is inside: WEIR_OK when that is nothing any more, -EAGAIN, -errno. */
    weir_err (*flush)(struct weir__stream *s);
    /* Is there something inside to be sent? */
    bool (*has_unsent)(const struct weir__stream *s);
    /* Are there bytes inside that no event will tell of? */
    bool (*has_more)(const struct weir__stream *s);
    /* Tells the peer that no more is sent. Nothing is inside. */
    weir_err (*shutdown)(struct weir__stream *s);
    /* Says farewell as far as that takes no wait; the descriptor is closed next. */
    void (*close)(struct weir__stream *s);
    /* Frees what the layer has. */
    void (*free)(struct weir__layer *layer);
};

/* At the beginning of a layer's own struct. The stream sees to all but `ops`. */
struct weir__layer {
    const struct weir__layer_ops *ops;
    struct weir__stream *stream; /* on which it stands; NULL between two workers */
    struct weir__timer again;    /* armed: what is inside is to be told anew */
    bool is_reset;               /* the end is an error for the peer: no farewell */
};

struct weir__stream {
    struct weir__fd fd;
    struct weir__layer *layer;  /* NULL: the bytes are the socket's own */
    struct weir__fiber *sender; /* S1: it waits for room; else NULL */
};

/* A stream between two workers: nothing watches it. */
struct weir__detached {
    int num;
    struct weir__layer *layer;
};

/* --- its life --------------------------------------------------------------------------------- */

/*
 * Begins to watch `d` on the running worker. `on_ready` as in struct weir__fd; may be NULL. On an
 * error `d` is the caller's as it was, to be closed or attached again, and the stream is closed.
 */
weir_err weir__stream_attach(struct weir__stream *s, struct weir__detached d,
                             void (*on_ready)(struct weir__fd *fd, unsigned ready));

/* Puts a layer on a plain stream of which nobody waits; it is the stream's from now on. */
void weir__stream_put(struct weir__stream *s, struct weir__layer *layer);

/* Takes the layer off, which is freed; what was inside is lost. Without one it does nothing. */
void weir__stream_strip(struct weir__stream *s);

/* Stops watching; the connection goes on wherever it is attached next (S3). */
struct weir__detached weir__stream_detach(struct weir__stream *s);

/* The end of one that nobody takes in. */
void weir__detached_close(struct weir__detached d);

/* No more is sent; receiving goes on. */
weir_err weir__stream_shutdown(struct weir__stream *s);

/* The end. Who waits in a call finds -ECANCELED. Idempotent. */
void weir__stream_close(struct weir__stream *s);

/* From now on its end is an error for the peer, and what the peer has not taken is thrown away. */
void weir__stream_reset_on_close(struct weir__stream *s);

static inline bool weir__stream_is_open(const struct weir__stream *s)
{
    return s->fd.num >= 0;
}

/* --- receiving -------------------------------------------------------------------------------- */

/* May there be bytes that no event will tell of any more? (S2) */
static inline bool weir__stream_has_more(const struct weir__stream *s)
{
    if (WEIR_UNLIKELY((s->fd.ready & WEIR__READABLE) != 0))
        return true;
    return WEIR_UNLIKELY(s->layer != NULL) && s->layer->ops->has_more(s);
}

/* Nothing can be sent any more: an error, or a reset. */
static inline bool weir__stream_is_broken(const struct weir__stream *s)
{
    return (s->fd.ready & WEIR__BROKEN) != 0;
}

/* The peer has ended its side, or is gone, and all that it sent has been received. */
static inline bool weir__stream_is_over(const struct weir__stream *s)
{
    return (s->fd.ready & (WEIR__PEER_CLOSED | WEIR__BROKEN)) != 0 && !weir__stream_has_more(s);
}

/* Once, without a wait: bytes, 0 at the end, -EAGAIN, -errno. */
static inline ssize_t weir__stream_try_recv(struct weir__stream *s, void *buf, size_t len)
{
    if (WEIR_LIKELY(s->layer == NULL))
        return weir__try_recv(&s->fd, buf, len);
    return s->layer->ops->recv(s, buf, len);
}

/* The same, waiting in `c` up to `until`; the other results are weir__io's. Fiber only. */
ssize_t weir__stream_recv(struct weir__ctx *c, struct weir__stream *s, void *buf, size_t len,
                          weir_time until);

/*
 * What has come, be it inside a layer, is told anew by one of the next polls: for who leaves off in
 * the middle.
 */
weir_err weir__stream_again(struct weir__stream *s);

/* --- sending ---------------------------------------------------------------------------------- */

/* Is another fiber in the middle of sending? */
static inline bool weir__stream_has_sender(const struct weir__stream *s)
{
    return s->sender != NULL;
}

/* Once, without a wait: how many bytes were taken, -EAGAIN, -errno. Not while there is a sender. */
static inline ssize_t weir__stream_try_send(struct weir__stream *s, const struct iovec *vec,
                                            int count)
{
    WEIR_ASSERT(s->sender == NULL, "S1: one fiber at a time sends");
    if (WEIR_UNLIKELY(s->layer != NULL))
        return s->layer->ops->send(s, vec, count);
    return count == 1 ? weir__try_send(&s->fd, vec[0].iov_base, vec[0].iov_len)
                      : weir__try_sendv(&s->fd, vec, count);
}

/* At most `len` bytes of a file, as try_send. -EINVAL: not on this stream, or not of this file. */
static inline ssize_t weir__stream_try_sendfile(struct weir__stream *s, int file, off_t *at,
                                                size_t len)
{
    WEIR_ASSERT(s->sender == NULL, "S1: one fiber at a time sends");
    return s->layer == NULL ? weir__sys_sendfile(s->fd.num, file, at, len) : -EINVAL;
}

/* Has a layer bytes inside that were taken and have not left? Never without one. */
static inline bool weir__stream_has_unsent(const struct weir__stream *s)
{
    return WEIR_UNLIKELY(s->layer != NULL) && s->layer->ops->has_unsent(s);
}

/* Sends those: WEIR_OK when all have left, -EAGAIN, -errno. */
static inline weir_err weir__stream_try_flush(struct weir__stream *s)
{
    WEIR_ASSERT(s->sender == NULL, "S1: one fiber at a time sends");
    return WEIR_LIKELY(s->layer == NULL) ? WEIR_OK : s->layer->ops->flush(s);
}

/*
 * It takes no more: waits in `c` up to `until` for room, as its sender. With nothing in hand: what
 * there is to send is looked at again afterwards. -EPIPE when there will never be room.
 */
weir_err weir__stream_await_room(struct weir__ctx *c, struct weir__stream *s, weir_time until);

/*
 * It might take more, but others are waiting: they have their turn, and no second one sends
 * meanwhile. Fiber only; the stream may have been closed afterwards.
 */
void weir__stream_give_way(struct weir__stream *s);

/*
 * All of `len` bytes, out of a layer too. `*sent`: how many were taken. Fiber only; not while there
 * is a sender.
 */
weir_err weir__stream_send(struct weir__ctx *c, struct weir__stream *s, const void *buf, size_t len,
                           size_t *sent, weir_time until);

/* Bytes that the peer has not acknowledged yet; negative where nobody knows. */
static inline int weir__stream_unacknowledged(const struct weir__stream *s)
{
    return weir__sys_unsent(s->fd.num);
}

#endif
