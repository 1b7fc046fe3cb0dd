/*
 * Channels: typed queues between fibers, with a bound, and select over several of them. A channel belongs
 * to the context that it was made in. One made in a request (or a fiber) is used by fibers of the same
 * worker only and takes no lock; one made in the application's context may be used from every worker.
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
 * capacity  elements that it holds; 0 makes sender and receiver meet
 * returns   the channel; never NULL (where there was no memory, a closed one)
 * owner     the context; its end closes the channel and wakes who waits
 * context   fiber
 */
#define weir_chan_new(c, T, capacity) weir_chan_new_at(WEIR_HERE, (c), sizeof(T), (capacity))
/** The function behind weir_chan_new; `elem_size` 1 to 4096 bytes, capacity at most 1 Mi elements. */
WEIR_API weir_chan *weir_chan_new_at(const weir_site *site, weir_ctx *c, size_t elem_size,
                                     size_t capacity) WEIR_MUST_USE;

/**
 * Sends a copy of `*elem`, waiting while the channel is full.
 *
 * returns  WEIR_OK; WEIR_ECLOSED; the reason when `c` is cancelled (then nothing was sent)
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API weir_err weir_chan_send(weir_ctx *c, weir_chan *ch, const void *elem) WEIR_MUST_USE;

/**
 * Receives into `*elem`, waiting while the channel is empty.
 *
 * returns  WEIR_OK; WEIR_ECLOSED when it is closed and empty; the reason when `c` is cancelled (nothing is lost)
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API weir_err weir_chan_recv(weir_ctx *c, weir_chan *ch, void *elem) WEIR_MUST_USE;

/** Without waiting: -EAGAIN instead of a wait. */
WEIR_API weir_err weir_chan_try_send(weir_ctx *c, weir_chan *ch, const void *elem) WEIR_MUST_USE;
WEIR_API weir_err weir_chan_try_recv(weir_ctx *c, weir_chan *ch, void *elem) WEIR_MUST_USE;

/** No further sends; what is in it may still be received; everybody who waits is woken. Idempotent. */
WEIR_API void weir_chan_close(weir_ctx *c, weir_chan *ch);

/** Elements in the channel now. */
WEIR_API size_t weir_chan_len(const weir_chan *ch);

/** One arm of a select. Give exactly one of `recv` and `send`. */
typedef struct weir_select_case {
    weir_chan *chan;  /* NULL: an arm that is never ready */
    void *recv;       /* where to receive to */
    const void *send; /* what to send */
} weir_select_case;

/**
 * Waits until one of the arms can be done, and does it. When several can, the choice is by turns.
 *
 * n        1 to 64
 * timeout  how long to wait: {0} does not wait (-EAGAIN), a negative one waits up to the deadline
 * returns  the index of the arm that was done (0 … n-1); below 0: WEIR_ETIMEDOUT, -EAGAIN, the reason.
 *          An arm whose channel is closed counts as done: `*closed` tells (may be NULL)
 * context  fiber; may wait
 */
WEIR_API int weir_select(weir_ctx *c, const weir_select_case *cases, size_t n, weir_dur timeout,
                         bool *closed) WEIR_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
