/*
 * The semaphore. Permits are handed over to who waits first. Each permit that is out has a record
 * of its own in the context that holds it; the records are on the heap and kept for the next, so
 * that a context that takes and gives for hours does not grow.
 *
 * The semaphore knows all records that are out: when its context ends before the holder's, it takes
 * them out of there, and nothing is left that points to it.
 */
#include "base/alloc.h"
#include "rt/deadlock.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/worker.h"
#include "sync/waitq.h"
#include <weir/sync.h>

#define KIND WEIR__KIND_SEM

struct permit {
    struct weir__owned owned;
    struct weir__list in_sem; /* sem.taken or sem.spare */
    weir_sem *sem;
};

struct weir_sem {
    struct weir__waitq q;
    uint32_t permits, free;
    struct weir__list taken, spare; /* permit.in_sem */
};

static weir_sem no_memory = {.q = {.token = WEIR__TOKEN_STATIC(KIND)}};

/* --- permits ------------------------------------------------------------------------------ */

/* Gives the permit to the first that waits, or back; keeps the record. */
static void give_back(struct permit *p)
{
    weir_sem *s = p->sem;
    weir__waitq_lock(&s->q);
    WEIR_ASSERT(!weir__list_empty(&p->in_sem), "S4: what is out is listed");
    weir__list_remove(&p->in_sem);
    weir__list_push_front(&s->spare, &p->in_sem);
    struct weir__wait *next = weir__waitq_pop(&s->q);
    WEIR_ASSERT(s->free < s->permits, "S3: what comes back was out");
    WEIR_ASSERT(next == NULL || s->free == 0, "S2: nobody waits for what is free");
    if (next == NULL)
        s->free++;
    weir__waitq_unlock(&s->q);
    if (next != NULL)
        weir__wake(next, WEIR_OK);
}

static void release_permit(struct weir__owned *o)
{
    give_back(WEIR_CONTAINER(o, struct permit, owned));
}

static void describe_permit(const struct weir__owned *o, weir_buf *out)
{
    const struct permit *p = WEIR_CONTAINER(o, struct permit, owned);
    weir_buf_printf(out, "of the semaphore made at %s:%d", p->sem->q.owned.site->file,
                    p->sem->q.owned.site->line);
}

static const struct weir__owned_type permit_type = {.name = "permit",
                                                    .release = release_permit,
                                                    .describe = describe_permit,
                                                    .is_mistake = weir__is_always_mistake};

/* A record for a permit that is about to be taken; NULL: no memory. */
static struct permit *new_permit(weir_sem *s)
{
    weir__waitq_lock(&s->q);
    struct weir__list *node = weir__list_pop_front(&s->spare);
    weir__waitq_unlock(&s->q);
    struct permit *p = node != NULL ? WEIR_CONTAINER(node, struct permit, in_sem) : NULL;
    WEIR_ASSERT(p == NULL || (p->sem == s && !weir__is_owned(&p->owned)),
                "S4: a spare record is its semaphore's, and in no context");
    if (p != NULL)
        return p;
    p = weir__malloc(sizeof *p);
    if (p == NULL)
        return NULL;
    weir__list_init(&p->in_sem);
    weir__list_init(&p->owned.link);
    p->sem = s;
    return p;
}

/* --- the semaphore ------------------------------------------------------------------------ */

static void free_all(struct weir__list *permits)
{
    for (struct weir__list *node; (node = weir__list_pop_front(permits)) != NULL;) {
        struct permit *p = WEIR_CONTAINER(node, struct permit, in_sem);
        weir__disown(&p->owned);
        weir__free(p);
    }
}

static void release_sem(struct weir__owned *o)
{
    weir_sem *s = WEIR_CONTAINER(o, weir_sem, q.owned);
    weir__waitq_end(&s->q);
    free_all(&s->taken);
    free_all(&s->spare);
}

static const struct weir__owned_type sem_type = {.name = "semaphore", .release = release_sem};

weir_sem *weir_sem_new_at(const weir_site *site, weir_ctx *c, uint32_t permits)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_sem *s = weir__waitq_new(weir__ctx_of(c), sizeof *s, KIND, &sem_type, site);
    if (s == NULL)
        return &no_memory;
    s->permits = s->free = permits;
    weir__list_init(&s->taken);
    weir__list_init(&s->spare);
    return weir__token_handle(&s->q.token);
}

static void describe_wait(const struct weir__wait *w, weir_buf *out)
{
    const weir_sem *s = w->object;
    weir_buf_printf(out, "%u permits, ", s->permits);
    weir__waitq_describe(w, out);
}

/* All permits are out, and each of them in a context of the tree. */
static bool is_stuck(const struct weir__wait *w, const struct weir__ctx *top)
{
    weir_sem *s = w->object;
    uint32_t own = 0;
    weir__waitq_lock(&s->q);
    WEIR_LIST_EACH(node, &s->taken) {
        const struct weir__owned *o = &WEIR_CONTAINER(node, struct permit, in_sem)->owned;
        if (o->ctx->worker != weir__self || o->ctx->top != top)
            break;
        own++;
    }
    WEIR_ASSERT(own <= s->permits, "S3: no more are out than there are");
    bool is_all = own == s->permits && weir__waitq_is_in_line(w);
    weir__waitq_unlock(&s->q);
    return is_all;
}

static const struct weir__wait_type wait_type = {.name = "semaphore",
                                                 .abandon = weir__waitq_abandon,
                                                 .describe = describe_wait,
                                                 .is_stuck = is_stuck};

/*
 * A record that came to nothing goes back, unless the semaphore has ended and its records with it.
 */
static void drop_permit(weir_sem *s, struct permit *p, bool is_gone)
{
    WEIR_ASSERT(weir__list_empty(&p->in_sem), "S4: a record that came to nothing is on no list");
    WEIR_ASSERT(!weir__is_owned(&p->owned), "S4: nor is it a context's");
    if (is_gone) {
        weir__free(p);
        return;
    }
    weir__waitq_lock(&s->q);
    weir__list_push_front(&s->spare, &p->in_sem);
    weir__waitq_unlock(&s->q);
}

/* Takes a permit, or queues `me` (NULL: -EAGAIN). The record is not yet in `taken`. */
static weir_err take(weir_sem *s, struct weir__waiter *me, struct weir__ctx *c,
                     const weir_site *site)
{
    weir__waitq_lock(&s->q);
    weir_err err = -EAGAIN;
    WEIR_ASSERT(s->free <= s->permits, "S3: no more are free than there are");
    if (s->free > 0) {
        WEIR_ASSERT(weir__list_empty(&s->q.waits), "S2: nobody waits for what is free");
        s->free--;
        err = WEIR_OK;
    } else if (me != NULL) {
        weir__waitq_enqueue(&s->q, me, &wait_type, c, site);
    }
    weir__waitq_unlock(&s->q);
    return err;
}

/* Enters the record: under the context and into the semaphore's list, where others read whose. */
static void enter(weir_sem *s, struct permit *p, struct weir__ctx *c, const weir_site *site)
{
    WEIR_ASSERT(weir__list_empty(&p->in_sem), "S4: a record is on one list");
    weir__own(c, &p->owned, &permit_type, site);
    weir__waitq_lock(&s->q);
    weir__list_push_back(&s->taken, &p->in_sem);
    weir__waitq_unlock(&s->q);
}

static weir_err acquire(const weir_site *site, struct weir__ctx *c, weir_sem *s, bool may_wait)
{
    weir_err err = weir__ctx_check(c);
    if (err == WEIR_OK)
        err = weir__waitq_state(&s->q);
    if (err < 0)
        return may_wait ? weir__wait_refused(err) : weir__call_refused(err);
    struct permit *p = new_permit(s); /* before the permit: it cannot be lost then */
    if (p == NULL)
        return -ENOMEM;
    struct weir__waiter me = {.is_gone = false};
    err = take(s, may_wait ? &me : NULL, c, site);
    if (err == -EAGAIN && may_wait)
        err = weir__waitq_park(&me);
    if (err == WEIR_OK)
        enter(s, p, c, site);
    else
        drop_permit(s, p, me.is_gone);
    return err;
}

weir_err weir_sem_acquire_at(const weir_site *site, weir_ctx *c, weir_sem *s)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    s = weir__waitq_of(s, KIND, "weir_sem_acquire", "the semaphore");
    return acquire(site, weir__ctx_of_at(c, "weir_sem_acquire"), s, true);
}

weir_err weir_sem_try_acquire_at(const weir_site *site, weir_ctx *c, weir_sem *s)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    s = weir__waitq_of(s, KIND, "weir_sem_try_acquire", "the semaphore");
    return acquire(site, weir__ctx_of_at(c, "weir_sem_try_acquire"), s, false);
}

/* The newest permit of `s` that the context holds. */
static struct permit *find_permit(struct weir__ctx *c, const weir_sem *s)
{
    WEIR_LIST_EACH(node, &c->owned) {
        struct weir__owned *o = WEIR_CONTAINER(node, struct weir__owned, link);
        struct permit *p = WEIR_CONTAINER(o, struct permit, owned);
        if (o->type == &permit_type && p->sem == s)
            return p;
    }
    return NULL;
}

void weir_sem_release(weir_ctx *c, weir_sem *s)
{
    WEIR__FIBERS_ONLY();
    struct weir__ctx *ctx = weir__ctx_of(c);
    s = weir__waitq_of(s, KIND, "weir_sem_release", "the semaphore");
    struct permit *p = find_permit(ctx, s);
    if (p == NULL)
        weir__misuse("weir_sem_release", "this context holds no permit of that semaphore");
    WEIR_ASSERT(p->owned.ctx == ctx, "S4: what it holds is under the context");
    weir__disown(&p->owned);
    give_back(p);
}
