/*
 * Queues of waiting fibers, what all synchronising objects have in common: being made in a context,
 * the lock when workers share them, waiting in order, being abandoned, the end of their context.
 *
 * The one hard thing is the end: an object may end before a fiber that waits for it, and before a
 * context that holds it. So ending wakes all with WEIR_ECLOSED, and tells those who have been woken
 * but did not run yet, with a mark on their own stacks, that the object is gone.
 */
#include "sync/waitq.h"

#include "base/assert.h"
#include "rt/deadlock.h"
#include "rt/panic.h"
#include "rt/worker.h"

void *weir__waitq_new(struct weir__ctx *c, size_t size, uint32_t kind,
                      const struct weir__owned_type *type, const weir_site *site)
{
    struct weir__waitq *q = weir__ctx_object(c, size);
    if (q == NULL)
        return NULL;
    weir__token_open(&q->token, c, kind);
    q->state = WEIR__WAITQ_OPEN;
    q->is_shared = weir__ctx_is_shared(c);
    q->home = c->worker;
    weir__lock_init(&q->lock);
    weir__list_init(&q->waits);
    weir__list_init(&q->leaving);
    weir__own(c, &q->owned, type, site);
    return q;
}

void *weir__waitq_of(const void *handle, uint32_t kind, const char *function, const char *noun)
{
    struct weir__waitq *q = weir__token_must(handle, kind, function, noun);
    if (!q->is_shared && q->home != weir__self && q->state == WEIR__WAITQ_OPEN)
        weir__misuse(function,
                     "it belongs to another worker (made at %s:%d): make it in the "
                     "application's context to use it from all",
                     q->owned.site->file, q->owned.site->line);
    return q;
}

weir_err weir__waitq_state(const struct weir__waitq *q)
{
    if (WEIR_LIKELY(q->state == WEIR__WAITQ_OPEN))
        return WEIR_OK;
    return q->state == WEIR__WAITQ_NO_MEMORY ? -ENOMEM : WEIR_ECLOSED;
}

static inline void lock_of(const struct weir__waiter *w)
{
    if (WEIR_UNLIKELY(w->lock != NULL))
        weir__lock_take(w->lock);
}

static inline void unlock_of(const struct weir__waiter *w)
{
    if (WEIR_UNLIKELY(w->lock != NULL))
        weir__lock_give(w->lock);
}

bool weir__waitq_abandon(struct weir__wait *wait)
{
    struct weir__waiter *w = WEIR_CONTAINER(wait, struct weir__waiter, wait);
    lock_of(w);
    bool is_mine = w->is_queued;
    if (is_mine) {
        struct weir__waitq *q = wait->object;
        WEIR_ASSERT(!weir__list_empty(&wait->in_object), "Q1: a queued waiter is on a list");
        w->is_queued = false;
        weir__list_remove(&wait->in_object);
        weir__list_push_back(&q->leaving, &wait->in_object);
    }
    unlock_of(w);
    return is_mine;
}

void weir__waitq_enqueue(struct weir__waitq *q, struct weir__waiter *w,
                         const struct weir__wait_type *type, struct weir__ctx *c,
                         const weir_site *site)
{
    WEIR_ASSERT(q->state != WEIR__WAITQ_NO_MEMORY, "Q3: what was not made is not waited for");
    weir__wait_init(&w->wait, type, c, site, q);
    w->lock = q->is_shared ? &q->lock : NULL;
    w->is_queued = true;
    w->is_gone = false;
    weir__list_push_back(&q->waits, &w->wait.in_object);
}

weir_err weir__waitq_park(struct weir__waiter *w)
{
    weir_err err = weir__park(&w->wait, weir_never());
    lock_of(w);
    WEIR_ASSERT(!w->is_queued, "Q1: a waiter is taken off before it is woken");
    weir__list_remove(&w->wait.in_object);
    unlock_of(w);
    return w->is_gone && err == WEIR_OK ? WEIR_ECLOSED : err;
}

void weir__waitq_describe(const struct weir__wait *w, weir_buf *out)
{
    struct weir__waitq *q = w->object;
    size_t ahead = 0;
    weir__waitq_lock(q);
    bool is_queued = weir__waitq_is_in_line(w);
    for (const struct weir__list *n = w->in_object.prev; is_queued && n != &q->waits; n = n->prev)
        ahead++;
    weir__waitq_unlock(q);
    weir_buf_printf(out, "made at %s:%d, %zu ahead", q->owned.site->file, q->owned.site->line,
                    ahead);
}

bool weir__waitq_is_in_line(const struct weir__wait *w)
{
    return WEIR_CONTAINER(w, const struct weir__waiter, wait)->is_queued;
}

bool weir__waitq_is_stuck(const struct weir__wait *w, const struct weir__ctx *top)
{
    const struct weir__waitq *q = w->object;
    WEIR_ASSERT(w->fiber->worker == weir__self, "Q4: a wait is judged by its own worker");
    return q->owned.ctx->top == top;
}

void weir__waitq_note_use(const struct weir__waitq *q)
{
    WEIR_ASSERT(q->is_shared || q->home == weir__self,
                "Q2: an object of a request is signalled by its worker");
    if (!q->is_shared)
        weir__deadlock_note_use(q->owned.ctx->top);
}

struct weir__wait *weir__waitq_pop(struct weir__waitq *q)
{
    struct weir__list *node = weir__list_pop_front(&q->waits);
    if (node == NULL)
        return NULL;
    struct weir__wait *wait = WEIR_CONTAINER(node, struct weir__wait, in_object);
    struct weir__waiter *w = WEIR_CONTAINER(wait, struct weir__waiter, wait);
    WEIR_ASSERT(w->is_queued && wait->object == q, "Q1: who is on `waits` is queued there");
    w->is_queued = false;
    weir__list_push_back(&q->leaving, node);
    return wait;
}

struct weir__waiter *weir__waitq_pop_all(struct weir__waitq *q)
{
    struct weir__waiter *first = NULL, **end = &first;
    for (struct weir__wait *wait; (wait = weir__waitq_pop(q)) != NULL;) {
        struct weir__waiter *w = WEIR_CONTAINER(wait, struct weir__waiter, wait);
        w->next = NULL;
        *end = w;
        end = &w->next;
    }
    return first;
}

void weir__waitq_wake_each(struct weir__waiter *first, weir_err result)
{
    while (first != NULL) {
        struct weir__waiter *w = first;
        WEIR_ASSERT(!w->is_queued, "Q1: who is woken was taken off");
        first = w->next; /* not after the wake: its stack may be gone then */
        weir__wake(&w->wait, result);
    }
}

void weir__waitq_wake_all(struct weir__waitq *q, weir_err result)
{
    weir__waitq_lock(q);
    struct weir__waiter *first = weir__waitq_pop_all(q);
    weir__waitq_unlock(q);
    weir__waitq_wake_each(first, result);
}

void weir__waitq_end(struct weir__waitq *q)
{
    WEIR_ASSERT(q->state != WEIR__WAITQ_NO_MEMORY, "Q3: what was not made does not end");
    weir__waitq_lock(q);
    q->state = WEIR__WAITQ_ENDED;
    weir__waitq_unlock(q);
    weir__waitq_wake_all(q, WEIR_ECLOSED);
    weir__waitq_lock(q);
    for (struct weir__list *node; (node = weir__list_pop_front(&q->leaving)) != NULL;) {
        struct weir__wait *wait = WEIR_CONTAINER(node, struct weir__wait, in_object);
        WEIR_CONTAINER(wait, struct weir__waiter, wait)->is_gone = true;
    }
    WEIR_ASSERT(weir__list_empty(&q->waits), "Q3: what has ended is not waited for");
    weir__waitq_unlock(q);
}

void weir__waitq_release(struct weir__owned *o)
{
    weir__waitq_end(WEIR_CONTAINER(o, struct weir__waitq, owned));
}
