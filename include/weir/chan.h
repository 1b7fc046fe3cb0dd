/*
 * Channels: typed queues between fibers, with a bound, and select over several of them. A channel
 * belongs to the context that it was made in. One made in a request (or a fiber) is used by
 * fibers of the same worker only and takes no lock; one made in the application's context may be
 * used from every worker. The use of one of another worker, or after its context's end, is misuse
 * and panics.
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
 * returns  WEIR_OK; WEIR_ECLOSED; the reason when `c` is cancelled (then nothing was sent)
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API weir_err weir_chan_send(weir_ctx *c, weir_chan *ch, const void *elem) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/**
 * Receives into `*elem`, waiting while the channel is empty.
 *
 * returns  WEIR_OK; WEIR_ECLOSED when it is closed and empty; the reason when `c` is cancelled
 *          (then nothing was taken)
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API weir_err weir_chan_recv(weir_ctx *c, weir_chan *ch, void *elem) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/** The same without waiting: -EAGAIN instead. The reason when `c` is cancelled. */
WEIR_API weir_err weir_chan_try_send(weir_ctx *c, weir_chan *ch, const void *elem) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);
WEIR_API weir_err weir_chan_try_recv(weir_ctx *c, weir_chan *ch, void *elem) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

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
    void *recv;       /* where to receive to */
    const void *send; /* what to send */
} weir_select_case;

/**
 * Waits until one of the arms can be done, and does it, and no other. When several can, the
 * choice is by turns.
 *
 * cases    `n` arms, 1 to 64, borrowed for the call; another number, or an arm with both or none of
 *          `recv` and `send`, is misuse and panics
 * timeout  how long to wait: {0} does not wait (-EAGAIN), a negative one waits up to the deadline
 * closed   may be NULL; set to whether the arm came to an end because its channel is closed. Such
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
