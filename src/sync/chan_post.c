/*
 * Channels of the application, as threads that run no fibers see them: where they lie, and sending.
 *
 * The hard thing is the end. Such a thread knows nothing of the application's life, so it may send
 * while the channel ends, and long after. Hence these channels (not their rings) lie in slabs that
 * are never unmapped: whatever handle is given, whether it lies in a slab is seen from its address,
 * and whether it is a live channel's from the slot's tag, under the slot's lock. Each use of a slot
 * has another tag, so that an old handle is not taken for the next channel's.
 *
 * N4: who has put an element wakes its receiver after the lock was given; until then it counts in
 *     `posts`, and the end of the channel waits for it. So the fiber, its worker and the runtime
 *     are there.
 *
 * Limits: the memory of a slot is kept for the next channel. Tags repeat after 65,535 uses of it.
 */
#include "sync/chan.h"

#include <sys/mman.h>

#include "base/assert.h"
#include "os/sys.h"
#include "rt/deadlock.h"
#include "rt/outside.h"
#include "rt/panic.h"

#define SLAB_BYTES (64u << 10)
#define SLOTS ((SLAB_BYTES - sizeof(struct slab)) / sizeof(weir_chan))

struct slab {
    struct slab *next;
    _Alignas(16) weir_chan slots[];
};

static _Atomic(struct slab *) slabs; /* grows only */
static struct weir__lock lock;       /* of those that are free */
static weir_chan *free_slots;        /* weir_chan.next_free */

static bool add_slab(void)
{
    struct slab *slab =
        weir__sys_mmap(SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (slab == NULL)
        return false;
    for (size_t i = SLOTS; i-- > 0;) {
        weir__lock_init(&slab->slots[i].lock);
        slab->slots[i].is_slot = true;
        slab->slots[i].next_free = free_slots;
        free_slots = &slab->slots[i];
    }
    slab->next = atomic_load_explicit(&slabs, memory_order_relaxed);
    atomic_store_explicit(&slabs, slab, memory_order_release);
    return true;
}

weir_chan *weir__chan_slot_take(void)
{
    weir__lock_take(&lock);
    weir_chan *ch = free_slots != NULL || add_slab() ? free_slots : NULL;
    if (ch != NULL)
        free_slots = ch->next_free;
    weir__lock_give(&lock);
    WEIR_ASSERT(ch == NULL || ch->token.word == 0, "N4: a free slot is no channel");
    return ch;
}

void weir__chan_slot_open(weir_chan *ch)
{
    WEIR_ASSERT(ch->is_slot && !ch->is_closed, "N4: a slot is opened for a new channel");
    weir__lock_take(&ch->lock);
    if (++ch->last_tag == 0)
        ch->last_tag = 1;
    ch->token.word = (uint64_t)WEIR__KIND_CHAN << 16 | ch->last_tag;
    weir__lock_give(&ch->lock);
}

void weir__chan_slot_give(weir_chan *ch)
{
    weir__lock_take(&ch->lock);
    ch->token.word = 0;
    weir__lock_give(&ch->lock);
    while (atomic_load_explicit(&ch->posts, memory_order_acquire) > 0)
        sched_yield(); /* N4: it is about to wake somebody, and does nothing else */
    WEIR_ASSERT(ch->is_closed, "N4: the slot of an open channel is in use");
    weir__lock_take(&lock);
    ch->next_free = free_slots;
    free_slots = ch;
    weir__lock_give(&lock);
}

/* The slot at the address of a handle, whatever that is worth; NULL: there is none. */
static weir_chan *slot_at(const weir_chan *handle)
{
    uintptr_t at = (uintptr_t)handle & 0x0000ffffffffffffULL;
    for (struct slab *s = atomic_load_explicit(&slabs, memory_order_acquire); s != NULL;
         s = s->next) {
        uintptr_t first = (uintptr_t)s->slots;
        if (at >= first && at < first + SLOTS * sizeof(weir_chan))
            return (at - first) % sizeof(weir_chan) == 0 ? (weir_chan *)at : NULL;
    }
    return NULL;
}

/* A channel of a request, or none at all, at which nobody may look from here; or NULL. */
static weir_err refuse(const weir_chan *handle, const void *elem, const void *caller)
{
    const char *why = "the channel was not made in the application's context, and such a channel "
                      "alone may be used from everywhere";
    if (handle == NULL || elem == NULL)
        why = handle == NULL ? "the channel is NULL" : "the element is NULL";
    if (weir__fiber_self() != NULL)
        weir__misuse("weir_chan_post", "%s", why);
    weir__outside_refuse("weir_chan_post", caller, why);
    return WEIR_EINVALID;
}

/* What a fiber sends must not lead into its request, and is something that goes out of it. */
static void look_at_sender(const weir_chan *handle, const void *elem)
{
    const struct weir__fiber *f = weir__fiber_self();
    const weir_chan *ch = weir__token_object(handle, WEIR__KIND_CHAN);
    if (ch == NULL || f->ctx == NULL)
        return;
    weir__chan_note_use(ch, true);
    weir__refuse_kept(f->ctx, elem, ch->elem_size, "weir_chan_post");
}

weir_err weir_chan_post(weir_chan *handle, const void *elem)
{
    struct weir__chan_party *served = NULL;
    weir_chan *ch = slot_at(handle);
    if (WEIR_UNLIKELY(ch == NULL || elem == NULL))
        return weir__chan_is_without_memory(handle) && elem != NULL
                   ? WEIR_ECLOSED
                   : refuse(handle, elem, __builtin_return_address(0));
    if (weir__fiber_self() != NULL)
        look_at_sender(handle, elem);
    weir__lock_take(&ch->lock);
    bool is_live = weir__token_object(handle, WEIR__KIND_CHAN) == ch;
    weir_err err = is_live ? weir__chan_put(ch, elem, &served) : WEIR_ECLOSED;
    WEIR_ASSERT(weir__chan_is_claimed(served), "N1: whom it serves it has claimed");
    if (served != NULL)
        atomic_fetch_add_explicit(&ch->posts, 1, memory_order_relaxed);
    weir__lock_give(&ch->lock);
    if (served != NULL) {
        weir__wake(&served->wait, WEIR_OK);
        unsigned posts = atomic_fetch_sub_explicit(&ch->posts, 1, memory_order_release);
        WEIR_ASSERT(posts > 0, "N4: who is about to wake is counted");
    }
    return err;
}
