/*
 * Mailboxes: a ring under a lock, that the worker takes as a whole, leaving an empty one in its
 * place. So senders wait for a few instructions at most, and delivering takes no lock.
 *
 * The one hard thing is the end: the mailbox may be freed by another worker while its task is still
 * in the inbox, so the task counts as a user (M2); and the worker must not end before a message
 * that somebody is about to post, so who was sent to waits for that (M1).
 *
 * Owns both rings. Limits: twice the capacity in elements.
 */
#include "sync/mailbox.h"

#include <sched.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static void run(struct weir__task *t);

void *weir__mailbox_new(size_t size, size_t elem_size,
                        void (*deliver)(struct weir__mailbox *m, uint64_t number, const void *elem))
{
    struct weir__mailbox *m = weir__calloc(1, size);
    if (m == NULL)
        return NULL;
    m->task.run = run;
    m->worker = weir__self;
    m->deliver = deliver;
    m->elem_size = elem_size;
    atomic_init(&m->refs, 1);
    weir__lock_init(&m->lock);
    return m;
}

static void let_go(struct weir__mailbox *m)
{
    unsigned refs = atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel);
    WEIR_ASSERT(refs > 0, "M2: who lets go has used it");
    if (refs != 1)
        return;
    weir__free(m->ring);
    weir__free(m->spare);
    weir__free(m);
}

static char *place(char *ring, const struct weir__mailbox *m, size_t index)
{
    return ring + index % m->capacity * m->elem_size;
}

bool weir__mailbox_reserve(struct weir__mailbox *m, size_t capacity)
{
    WEIR_ASSERT(m->worker == weir__self, "M3: its worker makes room");
    if (capacity <= m->capacity)
        return true;
    char *ring = weir__malloc(capacity * m->elem_size);
    char *spare = weir__malloc(capacity * m->elem_size);
    if (ring == NULL || spare == NULL) {
        weir__free(ring);
        weir__free(spare);
        return false;
    }
    weir__lock_take(&m->lock);
    for (size_t i = 0; i < m->count; i++)
        memcpy(ring + i * m->elem_size, place(m->ring, m, m->head + i), m->elem_size);
    char *old[] = {m->ring, m->spare};
    m->ring = ring;
    m->spare = spare;
    m->head = 0;
    m->capacity = capacity;
    weir__lock_give(&m->lock);
    weir__free(old[0]);
    weir__free(old[1]);
    return true;
}

bool weir__mailbox_put(struct weir__mailbox *m, const void *elem)
{
    weir__lock_take(&m->lock);
    WEIR_ASSERT(m->capacity > 0 && m->count <= m->capacity, "M3: who puts finds a ring");
    if (m->count == m->capacity) {
        m->head++; /* the oldest is lost */
        m->count--;
    }
    memcpy(place(m->ring, m, m->head + m->count), elem, m->elem_size);
    m->count++;
    m->next++;
    atomic_store_explicit(&m->has_mail, true, memory_order_release);
    bool must_post = !m->is_posted;
    if (must_post) {
        m->is_posted = true;
        atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&m->posts, 1, memory_order_relaxed);
    }
    weir__lock_give(&m->lock);
    return must_post;
}

void weir__mailbox_post(struct weir__mailbox *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed); /* the task may be over at once */
    weir__post(m->worker, &m->task);
    unsigned posts = atomic_fetch_sub_explicit(&m->posts, 1, memory_order_release);
    WEIR_ASSERT(posts > 0, "M1: who is about to post is counted");
    let_go(m);
}

void weir__mailbox_settle(struct weir__mailbox *m)
{
    WEIR_ASSERT(m->worker == weir__self, "M1: who was sent to waits for its last message");
    while (atomic_load_explicit(&m->posts, memory_order_acquire) > 0)
        sched_yield();
}

uint64_t weir__mailbox_next(struct weir__mailbox *m)
{
    weir__lock_take(&m->lock);
    uint64_t next = m->next;
    weir__lock_give(&m->lock);
    return next;
}

void weir__mailbox_take(struct weir__mailbox *m)
{
    WEIR_ASSERT(m->worker == weir__self, "M1: its worker takes");
    weir__lock_take(&m->lock);
    size_t head = m->head, count = m->count;
    uint64_t first = m->next - count;
    WEIR_ASSERT(count <= m->capacity && count <= m->next, "M3: no more is in it than it holds");
    char *ring = m->ring;
    m->ring = m->spare;
    m->spare = ring;
    m->head = m->count = 0;
    atomic_store_explicit(&m->has_mail, false, memory_order_relaxed);
    weir__lock_give(&m->lock);
    for (size_t i = 0; i < count; i++)
        m->deliver(m, first + i, place(ring, m, head + i));
}

static void run(struct weir__task *t)
{
    struct weir__mailbox *m = WEIR_CONTAINER(t, struct weir__mailbox, task);
    weir__lock_take(&m->lock);
    WEIR_ASSERT(m->is_posted, "M1: one message at a time");
    m->is_posted = false;
    weir__lock_give(&m->lock);
    weir__mailbox_take(m);
    let_go(m);
}

void weir__mailbox_free(struct weir__mailbox *m)
{
    if (m != NULL)
        let_go(m);
}
