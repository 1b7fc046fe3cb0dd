/*
 * The inside of channels, for chan.c and select.c. A fiber that waits is a party with one waiter
 * for each channel; party and waiters stand on its stack.
 *
 * N1: who serves a party has claimed it first, and only one can; it is the one that wakes it. The
 *     abort claims too.
 * N2: a waiter is linked into its channel's queue or nowhere; its party unlinks all of them before
 *     it leaves.
 * N3: a closed channel has no waiters.
 * N4: the end of a channel of the application waits for those who are about to wake whom they sent
 *     to (chan_post.c).
 */
#ifndef WEIR_SYNC_CHAN_H
#define WEIR_SYNC_CHAN_H

#include <stdatomic.h>

#include "os/lock.h"
#include "rt/owned.h"
#include "rt/wait.h"
#include "rt/worker.h"
#include <weir/chan.h>

/* Behind the handle. In here a weir_chan * is the address, once weir__chan_of was asked. */
struct weir_chan {
    _Alignas(16) struct weir__token token;
    bool is_closed;
    bool is_shared; /* of the application's context: `lock` guards all below */
    uint32_t elem_size;
    uint32_t capacity, mask; /* the ring has mask + 1 slots, a power of two >= capacity */
    uint32_t head, tail;     /* counts of elements taken and put, modulo 2^32 */
    const void *home;        /* the tree of contexts that it was made in; itself when shared */
    const struct weir__worker *worker;    /* that alone may use it; NULL when shared */
    struct weir__list senders, receivers; /* weir__chan_waiter.link */
    struct weir__lock lock;
    struct weir__owned owned;
    const weir_site *site;
    char *ring; /* behind it, or on its own */
    /* Of the application's (chan_post.c): */
    bool is_slot;
    uint16_t last_tag;
    atomic_uint posts; /* under way past the lock: N4 */
    weir_chan *next_free;
};

struct weir__chan_party {
    struct weir__wait wait;
    atomic_bool is_claimed;
    bool is_shared; /* one of its channels is: the claim is atomic */
    bool saw_close; /* set by who claimed it */
    uint32_t arm;   /* the arm that was served; likewise */
    uint32_t arms;
    struct weir__chan_waiter *waiters;
    struct weir__chan_party *next; /* among those that one publishing has served */
};

struct weir__chan_waiter {
    struct weir__list link; /* chan.senders or chan.receivers */
    struct weir__chan_party *party;
    struct weir_chan *chan;
    struct weir__lock *lock; /* the channel's when shared, else NULL: the channel may be gone */
    void *elem;              /* where to receive to; what to send */
    uint32_t arm;
    bool is_send;
    bool has_local; /* `elem` is a local of a fiber that may hibernate: H2 */
};

/* The bytes of a channel with its ring, and the ring's slots. */
size_t weir__chan_bytes(size_t elem_size, size_t capacity);

/*
 * Makes a channel in zeroed memory of that size of `c`. Shared: under its lock; else for this
 * worker. A slot is made one by weir__chan_slot_open, when its ring is set.
 */
void weir__chan_init(weir_chan *ch, struct weir__ctx *c, size_t elem_size, size_t capacity,
                     bool is_shared, const weir_site *site);

/*
 * Slots for channels of the application (chan_post.c), not zeroed but for `posts`. Take: NULL,
 * there is no memory. Open: from now on there is a channel, with a new tag. Give: it has ended.
 */
weir_chan *weir__chan_slot_take(void);
void weir__chan_slot_open(weir_chan *ch);
void weir__chan_slot_give(weir_chan *ch);

/* What weir_chan_new has returned where there was no memory. */
bool weir__chan_is_without_memory(const weir_chan *ch);

/* No further elements; who waits is woken. Idempotent. */
void weir__chan_close(weir_chan *ch);

/* The channel behind a handle; misuse unless this worker may use it. */
weir_chan *weir__chan_of(const weir_chan *handle, const char *function);

/*
 * Tells the search for deadlocks that another tree than its own may use it, or that something goes
 * out. Not needed with a context of its `home`.
 */
void weir__chan_note_use(const weir_chan *ch, bool is_send);

/* What is sent to another tree of contexts: misuse if it leads into the memory of `c`'s own. */
void weir__chan_refuse_kept(const weir_chan *ch, const struct weir__ctx *c, const void *elem,
                            const char *function);

/*
 * Does it if that needs no wait: WEIR_OK, WEIR_ECLOSED, -EAGAIN. A party that was served by it is
 * put into `*served` (else untouched), to be woken when the lock, held by the caller for a shared
 * channel, has been given.
 */
weir_err weir__chan_put(weir_chan *ch, const void *elem, struct weir__chan_party **served);
weir_err weir__chan_take(weir_chan *ch, void *elem, struct weir__chan_party **served);

/* True when an element has no room and nobody waits for it. Under the lock, as the two above. */
bool weir__chan_is_full(const weir_chan *ch);
/* The oldest element of a full channel is gone. */
void weir__chan_drop(weir_chan *ch);

/* Puts a waiter at the end of its channel's queue. Under the lock of a shared channel. */
void weir__chan_enqueue(struct weir__chan_waiter *w);

/*
 * Parks a party whose waiters are queued, takes them out again. WEIR_OK or WEIR_ECLOSED when it was
 * served (`arm`, `saw_close`), or why not.
 */
weir_err weir__chan_park(struct weir__chan_party *p, weir_time until);

/* N1: whom a put or take has served, if anybody, was claimed by it. */
static inline bool weir__chan_is_claimed(const struct weir__chan_party *served)
{
    return served == NULL || atomic_load_explicit(&served->is_claimed, memory_order_relaxed);
}

/* For weir__wait_type.abandon of parties. */
bool weir__chan_abandon(struct weir__wait *w);

/* For weir__wait_type.is_stuck: none but fibers of the tree of `top` can use it. */
static inline bool weir__chan_is_stuck(const weir_chan *ch, const struct weir__ctx *top)
{
    return ch->home == top;
}

/* Appends "chan made at file:line (len 3 of 8)". */
void weir__chan_describe(weir_chan *ch, weir_buf *out);

/* The place's file and line, for people. */
static inline void weir__site_describe(const weir_site *site, weir_buf *out)
{
    if (site != NULL)
        weir_buf_printf(out, "%s:%d", site->file, site->line);
    else
        weir_buf_puts(out, WEIR_S("the runtime"));
}

static inline void weir__chan_lock(weir_chan *ch)
{
    if (ch->is_shared)
        weir__lock_take(&ch->lock);
}

static inline void weir__chan_unlock(weir_chan *ch)
{
    if (ch->is_shared)
        weir__lock_give(&ch->lock);
}

#endif
