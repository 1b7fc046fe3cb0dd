/*
 * Channels: typed queues between fibers, with a bound, and select over several of them. A channel
 * belongs to the context that it was made in. One made in a request (or a fiber) is used by
 * fibers of the same worker only and takes no lock; one made in the application's context may be
 * used from every worker. The use of one of another worker, or after its context's end, is misuse
 * and panics.
 *
 * weir_chan_post is how threads that run no fibers (a library's, one of pthread_create, those of
 * weir_offload) reach fibers: for them all else is an error, WEIR_ETHREAD, and a line in the log.
 */
#ifndef WEIR_CHAN_H
#define WEIR_CHAN_H

#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A channel of elements of one size. */
typedef struct weir_chan weir_chan;

/**
 * Makes a channel of elements of type T.
 *
 * capacity  elements that it holds, up to 1,048,576; 0 makes sender and receiver meet
 * returns   the channel; never NULL (where there was no memory, a closed one)
 * owner     the context, and its memory holds the elements; its end closes the channel and wakes
 *           who waits
 * errors    a capacity or element out of range: misuse, panics
 * context   fiber; does not wait
 */
#define weir_chan_new(c, T, capacity) weir_chan_new_at(WEIR_HERE, (c), sizeof(T), (capacity))
/** The function behind weir_chan_new; `elem_size` is 1 to 4096 bytes. */
WEIR_API weir_chan *weir_chan_new_at(const weir_site *site, weir_ctx *c, size_t elem_size,
                                     size_t capacity) WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2);

/**
 * Sends a copy of `*elem`, waiting while the channel is full. Who waits is served in order.
 *
 * elem     copied; what it points to is not. To a channel of another tree of contexts (the
 *          application's) an address of this request's memory or stack is misuse, and panics; what
 *          was never written counts, so begin elements with `= {0}`
 * returns  WEIR_OK; WEIR_ECLOSED; the reason when `c` is cancelled (then nothing was sent)
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API weir_err weir_chan_send(weir_ctx *c, weir_chan *ch, const void *elem) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/**
 * Receives into `*elem`, waiting while the channel is empty.
 *
 * elem     filled on WEIR_OK only, with the bytes that were sent; never NULL, and in place until
 *          the call returns
 * returns  WEIR_OK; WEIR_ECLOSED when it is closed and empty; the reason when `c` is cancelled
 *          (then nothing was taken)
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API weir_err weir_chan_recv(weir_ctx *c, weir_chan *ch, void *elem) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/**
 * The same without waiting: -EAGAIN instead. The reason when `c` is cancelled. `elem` is copied, or
 * filled, as above.
 */
WEIR_API weir_err weir_chan_try_send(weir_ctx *c, weir_chan *ch, const void *elem) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);
WEIR_API weir_err weir_chan_try_recv(weir_ctx *c, weir_chan *ch, void *elem) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/**
 * Sends a copy of `*elem` from any thread, without waiting: a fiber that waits for it is woken on
 * its own worker. Between threads it orders memory as a mutex does.
 *
 *     static void on_message(void *arg, const struct message *m)   // on the library's thread
 *     {
 *         struct event e = {.id = m->id};
 *         if (weir_chan_post(arg, &e) == -EAGAIN)
 *             atomic_fetch_add(&lost, 1);                           // full: drop, count, or retry
 *     }
 *
 * ch       of the application: made in its context. Before it is made there is nothing to post to;
 *          after the application's end, and for ever, the handle may be used still: a thread need
 *          not know whether the service runs
 * elem     copied; what it points to is not, and whoever receives it must know who frees it
 * returns  WEIR_OK: it is in the channel, or a fiber's already; -EAGAIN: it is full; WEIR_ECLOSED:
 *          it was closed, or the application has ended, or there was no memory for it;
 *          WEIR_EINVALID: it is a request's, or no channel (told in the log; a fiber panics)
 * owner    elements that nobody has received when the application ends are lost
 * context  any thread, none of its locks is needed; not in a signal handler. Does not wait
 */
WEIR_API weir_err weir_chan_post(weir_chan *ch, const void *elem) WEIR_MUST_USE WEIR_NONNULL(1, 2);

/**
 * No further sends; what is in it may still be received; everybody who waits is woken with
 * WEIR_ECLOSED. Idempotent. Any context of a worker that may use the channel; does not wait.
 */
WEIR_API void weir_chan_close(weir_ctx *c, weir_chan *ch) WEIR_NONNULL(1, 2);

/** Elements in the channel now. Where other workers use it, no more than a hint. */
WEIR_API size_t weir_chan_len(const weir_chan *ch) WEIR_NONNULL(1);

/** One arm of a select. Give exactly one of `recv` and `send`, unless `chan` is NULL. */
typedef struct weir_select_case {
    weir_chan *chan;  /* NULL: an arm that is never ready */
    void *recv;       /* where to receive to; filled when it is this arm that is done */
    const void *send; /* what to send; copied when it is this arm that is done */
} weir_select_case;

/**
 * Waits until one of the arms can be done, and does it, and no other. When several can, the
 * choice is by turns.
 *
 * cases    `n` arms, 1 to 64, borrowed for the call; another number, or an arm with both or none of
 *          `recv` and `send`, is misuse and panics
 * timeout  how long to wait: {0} does not wait (-EAGAIN), a negative one waits up to the deadline
 * closed   may be NULL; filled: whether the arm came to an end because its channel is closed. Such
 *          an arm counts as done; one that receives is done that way only when its channel is
 *          empty
 * returns  the index of the arm that was done (0 … n-1); below 0: WEIR_ETIMEDOUT, -EAGAIN, the
 *          reason
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API int weir_select(weir_ctx *c, const weir_select_case *cases, size_t n, weir_dur timeout,
                         bool *closed) WEIR_MUST_USE WEIR_NONNULL(1, 2)
    WEIR_ACCESS(read_only, 2, 3);

#ifdef __cplusplus
}
#endif
#endif
