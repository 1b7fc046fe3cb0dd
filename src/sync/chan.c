/*
 * Channels: a ring of elements and two queues of waiting fibers, first come first served. What can
 * be handed over directly is: a sender copies into the waiting receiver's own variable, so an
 * unbuffered channel is one with a ring of nothing.
 *
 * A channel of a request is used by one worker and takes no lock; one of the application's context
 * is locked for a few instructions. The one hard thing is a fiber that waits on several channels at
 * once (select.c), of which different workers may serve different ones: who serves it must claim it
 * first.
 *
 * Owns its ring, in the memory of its context; the end of the context closes it. A fiber of another
 * context that waited is woken by that and touches the channel no more. Channels of the application
 * lie where every thread may look for them (chan_post.c).
 * Limits: elements of 1 to 4096 bytes, 1 Mi of them.
 */
#include "sync/chan.h"

#include "base/assert.h"
#include "base/given.h"
#include "rt/deadlock.h"
#include "rt/hibernate.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"

#define ELEM_SIZE_MAX 4096u
#define CAPACITY_MAX (1u << 20)

/*
 * What is given out when there was no memory. Never written to: all that writes looks at is_closed
 * first.
 */
static weir_chan no_memory = {
    .token = WEIR__TOKEN_STATIC(WEIR__KIND_CHAN), .is_closed = true, .elem_size = 1};

static weir_chan *new_local(struct weir__ctx *c, size_t elem_size, size_t capacity,
                            const weir_site *site);
static weir_chan *new_shared(struct weir__ctx *c, size_t elem_size, size_t capacity,
                             const weir_site *site);
static void release(struct weir__owned *o);
static void describe_owned(const struct weir__owned *o, weir_buf *out);
static const struct weir__owned_type owned_type = {
    .name = "channel", .release = release, .describe = describe_owned};

weir_chan *weir_chan_new_at(const weir_site *site, weir_ctx *c, size_t elem_size, size_t capacity)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    if (elem_size == 0 || elem_size > ELEM_SIZE_MAX || capacity > CAPACITY_MAX)
        weir__misuse("weir_chan_new",
                     "%zu elements of %zu bytes: at most %u of 1 to %u bytes; send ids or pointers",
                     capacity, elem_size, CAPACITY_MAX, ELEM_SIZE_MAX);
    struct weir__ctx *ctx = weir__ctx_of_at(c, "weir_chan_new");
    weir_chan *ch = weir__ctx_is_shared(ctx) ? new_shared(ctx, elem_size, capacity, site)
                                             : new_local(ctx, elem_size, capacity, site);
    if (ch == NULL)
        return &no_memory;
    weir__own(ctx, &ch->owned, &owned_type, site);
    return weir__token_handle(&ch->token);
}

bool weir__chan_is_without_memory(const weir_chan *ch)
{
    return ch == &no_memory;
}

static size_t slots_for(size_t capacity)
{
    size_t slots = 1;
    while (slots < capacity)
        slots *= 2;
    return slots;
}

size_t weir__chan_bytes(size_t elem_size, size_t capacity)
{
    return sizeof(weir_chan) + slots_for(capacity) * elem_size;
}

/* All but the token and the lock. */
static void fill(weir_chan *ch, size_t elem_size, size_t capacity, bool is_shared,
                 const weir_site *site)
{
    ch->is_closed = false;
    ch->head = ch->tail = 0;
    ch->ring = (char *)(ch + 1);
    ch->is_shared = is_shared;
    ch->elem_size = (uint32_t)elem_size;
    ch->capacity = (uint32_t)capacity;
    ch->mask = (uint32_t)slots_for(capacity) - 1;
    WEIR_ASSERT(ch->mask + 1 >= capacity, "N5: the ring has a slot for each that it holds");
    ch->home = ch; /* no tree; who makes it for one says so */
    ch->worker = is_shared ? NULL : weir__self;
    weir__list_init(&ch->senders);
    weir__list_init(&ch->receivers);
    ch->site = site;
}

void weir__chan_init(weir_chan *ch, struct weir__ctx *c, size_t elem_size, size_t capacity,
                     bool is_shared, const weir_site *site)
{
    fill(ch, elem_size, capacity, is_shared, site);
    weir__lock_init(&ch->lock);
    weir__token_open(&ch->token, c, WEIR__KIND_CHAN);
}

/* In the memory of its context. NULL: there is none. */
static weir_chan *new_local(struct weir__ctx *c, size_t elem_size, size_t capacity,
                            const weir_site *site)
{
    weir_chan *ch = weir__ctx_object(c, weir__chan_bytes(elem_size, capacity));
    if (ch == NULL)
        return NULL;
    weir__chan_init(ch, c, elem_size, capacity, false, site);
    if (c->top != NULL)
        ch->home = c->top;
    return ch;
}

/* In a slot, with a ring that ends after it: every thread may send to it (chan_post.c). */
static weir_chan *new_shared(struct weir__ctx *c, size_t elem_size, size_t capacity,
                             const weir_site *site)
{
    char *ring = weir__ctx_object(c, slots_for(capacity) * elem_size);
    weir_chan *ch = ring != NULL ? weir__chan_slot_take() : NULL;
    if (ch == NULL)
        return NULL;
    fill(ch, elem_size, capacity, true, site);
    ch->ring = ring;
    weir__chan_slot_open(ch);
    return ch;
}

weir_chan *weir__chan_of(const weir_chan *handle, const char *function)
{
    weir_chan *ch = weir__token_must(handle, WEIR__KIND_CHAN, function, "the channel");
    if (!ch->is_shared && ch->worker != weir__self && ch != &no_memory)
        weir__misuse(function,
                     "a channel of another worker (made at %s:%d): make it in the "
                     "application's context to use it from all",
                     ch->site->file, ch->site->line);
    return ch;
}

void weir__chan_refuse_kept(const weir_chan *ch, const struct weir__ctx *c, const void *elem,
                            const char *function)
{
    if (ch->home != c->top && elem != NULL)
        weir__refuse_kept(c, elem, ch->elem_size, function);
}

void weir__chan_note_use(const weir_chan *ch, bool is_send)
{
    if (ch->home != ch && ch != &no_memory)
        weir__deadlock_note_use((struct weir__ctx *)(uintptr_t)ch->home);
    else if (is_send && ch->is_shared)
        weir__deadlock_give_up();
}

/* True for a live channel of the context's own tree: the common case. */
static inline bool is_local(const weir_chan *ch, const struct weir__ctx *c)
{
    return ch != NULL && ch->home == c->top;
}

/* The size is the channel's: a compiler that sees a smaller variable warns of other branches. */
static inline void copy_elem(void *to, const void *from, uint32_t size)
{
    __asm__("" : "+r"(to), "+r"(from));
    if (size == 8)
        memcpy(to, from, 8);
    else if (size == 16)
        memcpy(to, from, 16);
    else
        memcpy(to, from, size);
}

static inline void *slot_of(weir_chan *ch, uint32_t index)
{
    return ch->ring + (size_t)(index & ch->mask) * ch->elem_size;
}

static inline uint32_t length(const weir_chan *ch)
{
    return ch->tail - ch->head;
}

/* True for the one that may serve, or abort, the party. N1 */
static bool claim(struct weir__chan_party *p)
{
    if (p->is_shared)
        return !atomic_exchange_explicit(&p->is_claimed, true, memory_order_acq_rel);
    if (atomic_load_explicit(&p->is_claimed, memory_order_relaxed))
        return false;
    atomic_store_explicit(&p->is_claimed, true, memory_order_relaxed);
    return true;
}

/* The first waiter whose party is still to be had, claimed and taken off the queue. */
static struct weir__chan_waiter *claim_first(struct weir__list *queue)
{
    for (struct weir__list *node; (node = weir__list_pop_front(queue)) != NULL;) {
        struct weir__chan_waiter *w = WEIR_CONTAINER(node, struct weir__chan_waiter, link);
        WEIR_ASSERT(queue == (w->is_send ? &w->chan->senders : &w->chan->receivers),
                    "N2: a waiter is in its own channel's queue");
        if (claim(w->party)) {
            w->party->arm = w->arm;
            return w;
        }
    }
    return NULL;
}

/* Hands `elem` to the first receiver that waits; false if there is none. */
static bool hand_to_receiver(weir_chan *ch, const void *elem, struct weir__chan_party **served)
{
    struct weir__chan_waiter *w = claim_first(&ch->receivers);
    if (w == NULL)
        return false;
    WEIR_ASSERT(length(ch) == 0, "N6: who waits to receive has found nothing");
    if (WEIR_UNLIKELY(w->has_local))
        weir__hibernate_write(w->party->wait.fiber, w->elem, elem, ch->elem_size);
    else
        copy_elem(w->elem, elem, ch->elem_size);
    *served = w->party;
    return true;
}

/* Takes the element of the first sender that waits to `to`; false if there is none. */
static bool take_from_sender(weir_chan *ch, void *to, struct weir__chan_party **served)
{
    struct weir__chan_waiter *w = claim_first(&ch->senders);
    if (w == NULL)
        return false;
    WEIR_ASSERT(length(ch) + 1 >= ch->capacity, "N6: who waits to send has found no room");
    if (WEIR_UNLIKELY(w->has_local))
        weir__hibernate_read(w->party->wait.fiber, w->elem, to, ch->elem_size);
    else
        copy_elem(to, w->elem, ch->elem_size);
    *served = w->party;
    return true;
}

static inline weir_err put(weir_chan *ch, const void *elem, struct weir__chan_party **served)
{
    if (WEIR_UNLIKELY(ch->is_closed))
        return WEIR_ECLOSED;
    if (!weir__list_empty(&ch->receivers) && hand_to_receiver(ch, elem, served))
        return WEIR_OK;
    if (length(ch) >= ch->capacity)
        return -EAGAIN;
    copy_elem(slot_of(ch, ch->tail), elem, ch->elem_size);
    ch->tail++;
    WEIR_ASSERT(length(ch) <= ch->capacity, "N5: no more is in it than it holds");
    return WEIR_OK;
}

static inline weir_err take(weir_chan *ch, void *elem, struct weir__chan_party **served)
{
    if (WEIR_LIKELY(length(ch) > 0)) {
        copy_elem(elem, slot_of(ch, ch->head), ch->elem_size);
        ch->head++;
        if (WEIR_UNLIKELY(!weir__list_empty(&ch->senders)) &&
            take_from_sender(ch, slot_of(ch, ch->tail), served))
            ch->tail++;
        WEIR_ASSERT(length(ch) <= ch->capacity, "N5: no more is in it than it holds");
        return WEIR_OK;
    }
    if (WEIR_UNLIKELY(ch->is_closed))
        return WEIR_ECLOSED;
    if (!weir__list_empty(&ch->senders) && take_from_sender(ch, elem, served))
        return WEIR_OK;
    return -EAGAIN;
}

weir_err weir__chan_put(weir_chan *ch, const void *elem, struct weir__chan_party **served)
{
    return put(ch, elem, served);
}

weir_err weir__chan_take(weir_chan *ch, void *elem, struct weir__chan_party **served)
{
    return take(ch, elem, served);
}

bool weir__chan_is_full(const weir_chan *ch)
{
    return length(ch) >= ch->capacity && weir__list_empty(&ch->receivers);
}

void weir__chan_drop(weir_chan *ch)
{
    WEIR_ASSERT(length(ch) > 0, "N5: what is dropped was there");
    ch->head++;
}

/* --- waiting ------------------------------------------------------------------------------ */

void weir__chan_enqueue(struct weir__chan_waiter *w)
{
    WEIR_ASSERT(!w->chan->is_closed, "N3: nobody waits on a closed channel");
    WEIR_ASSERT(w->is_send ? length(w->chan) >= w->chan->capacity : length(w->chan) == 0,
                "N6: who waits has found no room, or nothing");
    weir__list_push_back(w->is_send ? &w->chan->senders : &w->chan->receivers, &w->link);
}

bool weir__chan_abandon(struct weir__wait *w)
{
    return claim(WEIR_CONTAINER(w, struct weir__chan_party, wait));
}

weir_err weir__chan_park(struct weir__chan_party *p, weir_time until)
{
    weir_err err = weir__park(&p->wait, until);
    WEIR_ASSERT(weir__chan_is_claimed(p), "N1: a wait ends when somebody has claimed its party");
    for (uint32_t i = 0; i < p->arms; i++) {
        struct weir__chan_waiter *w = &p->waiters[i];
        WEIR_ASSERT(w->party == p, "N2: a party's waiters are its own");
        if (w->lock != NULL)
            weir__lock_take(w->lock);
        weir__list_remove(&w->link);
        if (w->lock != NULL)
            weir__lock_give(w->lock);
    }
    return err;
}

void weir__chan_describe(weir_chan *ch, weir_buf *out)
{
    weir__chan_lock(ch);
    uint32_t len = length(ch);
    weir__chan_unlock(ch);
    weir_buf_puts(out, WEIR_S("chan made at "));
    weir__site_describe(ch->site, out);
    weir_buf_printf(out, " (len %u of %u)", len, ch->capacity);
}

static void describe_wait(const struct weir__wait *w, weir_buf *out)
{
    weir__chan_describe(w->object, out);
}

static bool is_stuck(const struct weir__wait *w, const struct weir__ctx *top)
{
    return weir__chan_is_stuck(w->object, top);
}

static const weir_site *made(const struct weir__wait *w)
{
    return ((const weir_chan *)w->object)->site;
}

static struct weir__chan_party *party_of(struct weir__wait *w)
{
    return WEIR_CONTAINER(w, struct weir__chan_party, wait);
}

/* What has come to another place leads to itself again, and the queue to it. */
static void take_queue_place(struct weir__chan_party *p, struct weir__chan_party *from)
{
    struct weir__chan_waiter *old = from->waiters;
    WEIR_ASSERT(from->arms == 1, "N2: a party that moves has one waiter");
    p->waiters = (struct weir__chan_waiter *)(void *)((char *)p + ((char *)old - (char *)from));
    p->waiters->party = p;
    weir__list_replace(&old->link, &p->waiters->link);
}

static void moved(struct weir__wait *w, struct weir__wait *from)
{
    struct weir__chan_party *p = party_of(w);
    WEIR_ASSERT(!weir__chan_is_claimed(p), "N1: what is on its way to be woken stays where it is");
    take_queue_place(p, party_of(from));
    p->waiters->has_local = weir__hibernate_is_local(w->fiber, p->waiters->elem);
}

/* Whom nobody has claimed: under the lock it stays so. */
static bool hold(struct weir__wait *w)
{
    weir_chan *ch = w->object;
    WEIR_ASSERT(party_of(w)->waiters->chan == ch,
                "N2: a party's waiters are for what it waits for");
    weir__chan_lock(ch);
    if (!atomic_load_explicit(&party_of(w)->is_claimed, memory_order_relaxed))
        return true;
    weir__chan_unlock(ch);
    return false;
}

static void let_go(void *object)
{
    weir__chan_unlock(object);
}

static void returned(struct weir__wait *w, struct weir__wait *from)
{
    struct weir__chan_party *p = party_of(w), *told = party_of(from);
    struct weir__lock *shared = told->waiters->lock; /* the channel may be gone */
    p->arm = told->arm;
    p->saw_close = told->saw_close;
    WEIR_ASSERT(weir__chan_is_claimed(told), "N1: who wakes a party has claimed it");
    atomic_store_explicit(&p->is_claimed, true, memory_order_relaxed);
    if (shared != NULL)
        weir__lock_take(shared);
    take_queue_place(p, told);
    if (shared != NULL)
        weir__lock_give(shared);
}

#define WAIT_TYPE(name_)                                                                           \
    {                                                                                              \
        .name = (name_), .abandon = weir__chan_abandon, .describe = describe_wait,                 \
        .is_stuck = is_stuck, .made = made, .moved = moved, .hold = hold, .let_go = let_go,        \
        .returned = returned                                                                       \
    }
static const struct weir__wait_type send_type = WAIT_TYPE("chan send");
static const struct weir__wait_type recv_type = WAIT_TYPE("chan recv");
#undef WAIT_TYPE

/* Queues the fiber and parks it. Under the lock of a shared channel, which it gives. */
static weir_err wait_for(struct weir__ctx *c, weir_chan *ch, void *elem, bool is_send)
{
    struct weir__chan_party
        me; /* field by field: zeroing it whole would cost as much as the rest */
    struct weir__chan_waiter waiter;
    waiter.party = &me;
    waiter.chan = ch;
    waiter.lock = ch->is_shared ? &ch->lock : NULL;
    waiter.elem = elem;
    waiter.arm = 0;
    waiter.is_send = is_send;
    waiter.has_local = false;
    atomic_init(&me.is_claimed, false);
    me.is_shared = ch->is_shared;
    me.saw_close = false;
    me.arm = 0;
    me.arms = 1;
    me.waiters = &waiter;
    weir__wait_init(&me.wait, is_send ? &send_type : &recv_type, c, NULL, ch);
    weir__chan_enqueue(&waiter);
    weir__chan_unlock(ch);
    return weir__chan_park(&me, weir_never());
}

/* Everything but the quick case: no channel of this worker, a cancelled context, a wait. */
__attribute__((noinline)) static weir_err do_slowly(struct weir__ctx *c, weir_chan *handle,
                                                    void *elem, bool is_send, bool may_wait)
{
    static const char *const names[2][2] = {{"weir_chan_try_recv", "weir_chan_recv"},
                                            {"weir_chan_try_send", "weir_chan_send"}};
    weir_chan *ch = weir__chan_of(handle, names[is_send][may_wait]);
    weir__given_to(names[is_send][may_wait], elem, "the element");
    weir_err err = may_wait ? weir__may_wait(c) : weir__ctx_check_fast(c);
    if (err < 0)
        return may_wait ? err : weir__call_refused(err);
    if (WEIR_UNLIKELY(ch->home != c->top))
        weir__chan_note_use(ch, is_send);
    if (is_send)
        weir__chan_refuse_kept(ch, c, elem, names[is_send][may_wait]);
    struct weir__chan_party *served = NULL;
    weir__chan_lock(ch);
    err = is_send ? put(ch, elem, &served) : take(ch, elem, &served);
    if (err == -EAGAIN && may_wait)
        return wait_for(c, ch, elem, is_send);
    WEIR_ASSERT(weir__chan_is_claimed(served), "N1: whom it serves it has claimed");
    weir__chan_unlock(ch);
    if (served != NULL)
        weir__wake(&served->wait, WEIR_OK);
    return err < 0 && may_wait ? weir__wait_refused(err) : err;
}

weir_err weir_chan_try_send(weir_ctx *c, weir_chan *ch, const void *elem)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return do_slowly(weir__ctx_of(c), ch, (void *)(uintptr_t)elem, true, false);
}

weir_err weir_chan_try_recv(weir_ctx *c, weir_chan *ch, void *elem)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return do_slowly(weir__ctx_of(c), ch, elem, false, false);
}

weir_err weir_chan_send(weir_ctx *c, weir_chan *handle, const void *elem)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of(c);
    weir_chan *ch = weir__token_object(handle, WEIR__KIND_CHAN);
    if (WEIR_LIKELY(is_local(ch, ctx) && ctx->reason == WEIR_REASON_NONE && !ch->is_closed &&
                    weir__list_empty(&ch->receivers) && length(ch) < ch->capacity &&
                    elem != NULL)) {
        copy_elem(slot_of(ch, ch->tail), elem, ch->elem_size);
        ch->tail++;
        return WEIR_OK;
    }
    return do_slowly(ctx, handle, (void *)(uintptr_t)elem, true, true);
}

weir_err weir_chan_recv(weir_ctx *c, weir_chan *handle, void *elem)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of(c);
    weir_chan *ch = weir__token_object(handle, WEIR__KIND_CHAN);
    if (WEIR_LIKELY(is_local(ch, ctx) && ctx->reason == WEIR_REASON_NONE && length(ch) > 0 &&
                    weir__list_empty(&ch->senders) && elem != NULL)) {
        copy_elem(elem, slot_of(ch, ch->head), ch->elem_size);
        ch->head++;
        return WEIR_OK;
    }
    return do_slowly(ctx, handle, elem, false, true);
}

/* --- closing ------------------------------------------------------------------------------ */

/* Claims all who wait and puts them on a list, to be woken when the lock is given. */
static void claim_all(struct weir__list *queue, struct weir__list *woken)
{
    for (struct weir__chan_waiter *w; (w = claim_first(queue)) != NULL;) {
        w->party->saw_close = true;
        weir__list_push_back(woken, &w->link);
    }
}

void weir__chan_close(weir_chan *ch)
{
    struct weir__list woken;
    weir__list_init(&woken);
    weir__chan_lock(ch);
    if (!ch->is_closed) {
        ch->is_closed = true;
        claim_all(&ch->receivers, &woken);
        claim_all(&ch->senders, &woken);
        WEIR_ASSERT(weir__list_empty(&ch->receivers) && weir__list_empty(&ch->senders),
                    "N3: nobody waits on a closed channel");
    }
    weir__chan_unlock(ch);
    for (struct weir__list *node; (node = weir__list_pop_front(&woken)) != NULL;) {
        struct weir__chan_waiter *w = WEIR_CONTAINER(node, struct weir__chan_waiter, link);
        WEIR_ASSERT(weir__chan_is_claimed(w->party), "N1: whom the end wakes it has claimed");
        weir__wake(&w->party->wait, WEIR_ECLOSED);
    }
}

void weir_chan_close(weir_ctx *c, weir_chan *handle)
{
    WEIR__FIBERS_ONLY();
    (void)weir__ctx_of(c);
    weir_chan *ch = weir__chan_of(handle, "weir_chan_close");
    if (ch != &no_memory)
        weir__chan_close(ch);
}

static void release(struct weir__owned *o)
{
    weir_chan *ch = WEIR_CONTAINER(o, weir_chan, owned);
    weir__chan_close(ch);
    WEIR_ASSERT(ch->is_closed, "N3: a channel that ends is closed");
    if (ch->is_slot)
        weir__chan_slot_give(ch);
}

static void describe_owned(const struct weir__owned *o, weir_buf *out)
{
    const weir_chan *ch = WEIR_CONTAINER(o, weir_chan, owned);
    weir_buf_printf(out, "len %u of %u", length(ch), ch->capacity);
}

size_t weir_chan_len(const weir_chan *handle)
{
    WEIR__FIBERS_ONLY(0);
    weir_chan *ch = weir__chan_of(handle, "weir_chan_len");
    weir__chan_lock(ch);
    size_t len = length(ch);
    WEIR_ASSERT(len <= ch->capacity, "N5: no more is in it than it holds");
    weir__chan_unlock(ch);
    return len;
}
