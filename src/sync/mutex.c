/*
 * The mutex. It is handed over: who unlocks gives it to the first that waits, so nobody is
 * overtaken.
 *
 * A lock is held by a context: its record stands in the mutex (one holder at a time) and is owned
 * by the holder, so a lock left at the end of a context is given on, and reported when that context
 * ended well. The one hard thing: a fiber that was given the lock while it waited owns it from then
 * on, but its context's list may only be touched by its own worker: so the record is entered when
 * the fiber runs again, which nothing can prevent.
 *
 * S1: `holder` is NULL or a fiber that has it, or is about to run and have it.
 */
#include "sync/mutex.h"

#include "rt/deadlock.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"
#include "rt/worker.h"
#include "sync/waitq.h"

#define KIND WEIR__KIND_MUTEX

struct weir_mutex {
    struct weir__waitq q;
    const struct weir__fiber *holder; /* S1 */
    struct weir__owned record;        /* in the holder's context */
};

static weir_mutex no_memory = {.q = {.token = WEIR__TOKEN_STATIC(KIND)}};

/* --- the record of who holds it ----------------------------------------------------------- */

/* Gives it to the first that waits, or to nobody. */
static void hand_over(weir_mutex *m)
{
    weir__waitq_lock(&m->q);
    WEIR_ASSERT(m->holder != NULL, "S1: who gives it on has had it");
    WEIR_ASSERT(!weir__is_owned(&m->record), "S1: who gives it on has no record of it any more");
    struct weir__wait *next = weir__waitq_pop(&m->q);
    m->holder = next != NULL ? next->fiber : NULL;
    weir__waitq_unlock(&m->q);
    if (next != NULL)
        weir__wake(next, WEIR_OK);
}

static void release_record(struct weir__owned *o)
{
    hand_over(WEIR_CONTAINER(o, weir_mutex, record));
}

static void describe_record(const struct weir__owned *o, weir_buf *out)
{
    const weir_mutex *m = WEIR_CONTAINER(o, weir_mutex, record);
    WEIR_ASSERT(m->holder != NULL, "S1: what is in a context's record is held");
    weir_buf_printf(out, "of the mutex made at %s:%d", m->q.owned.site->file,
                    m->q.owned.site->line);
}

static const struct weir__owned_type lock_type = {.name = "lock",
                                                  .release = release_record,
                                                  .describe = describe_record,
                                                  .is_mistake = weir__is_always_mistake};

/* --- the mutex ---------------------------------------------------------------------------- */

/* Its context has ended: a holder in a longer-lived context holds nothing any more. */
static void release_mutex(struct weir__owned *o)
{
    weir_mutex *m = WEIR_CONTAINER(o, weir_mutex, q.owned);
    weir__disown(&m->record);
    WEIR_ASSERT(!weir__is_owned(&m->record), "S1: a mutex that ends is in no context");
    m->holder = NULL;
    weir__waitq_end(&m->q);
}

static const struct weir__owned_type mutex_type = {.name = "mutex", .release = release_mutex};

weir_mutex *weir_mutex_new_at(const weir_site *site, weir_ctx *c)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_mutex *m = weir__waitq_new(weir__ctx_of(c), sizeof *m, KIND, &mutex_type, site);
    if (m == NULL)
        return &no_memory;
    weir__list_init(&m->record.link);
    return weir__token_handle(&m->q.token);
}

/* Who has it is of this worker: its name, and where it was locked, may be read. Under the lock. */
static bool is_held_here(const weir_mutex *m)
{
    return m->holder != NULL && m->holder->worker == weir__self && weir__is_owned(&m->record);
}

static void describe_wait(const struct weir__wait *w, weir_buf *out)
{
    weir_mutex *m = w->object;
    weir__waitq_describe(w, out);
    weir__waitq_lock(&m->q);
    bool is_here = is_held_here(m);
    const char *name = is_here ? m->holder->name : NULL;
    const weir_site *site = is_here ? m->record.site : NULL;
    weir__waitq_unlock(&m->q);
    if (site != NULL)
        weir_buf_printf(out, ", locked at %s:%d by fiber %s", site->file, site->line, name);
}

/* Who has it is of the tree: it alone can give it on, whoever else is in line. */
static bool is_stuck(const struct weir__wait *w, const struct weir__ctx *top)
{
    weir_mutex *m = w->object;
    weir__waitq_lock(&m->q);
    bool is_own = weir__waitq_is_in_line(w) && is_held_here(m) && m->record.ctx->top == top &&
                  weir__deadlock_is_in(m->holder, top);
    weir__waitq_unlock(&m->q);
    return is_own;
}

static const struct weir__wait_type wait_type = {.name = "lock",
                                                 .abandon = weir__waitq_abandon,
                                                 .describe = describe_wait,
                                                 .is_stuck = is_stuck};

/* Takes it if it is free. -EAGAIN, -EDEADLK, or the state's error. Under the lock. */
static weir_err take(weir_mutex *m, const struct weir__fiber *self)
{
    weir_err err = weir__waitq_state(&m->q);
    if (err < 0)
        return err;
    if (m->holder == NULL) {
        WEIR_ASSERT(weir__list_empty(&m->q.waits), "S2: nobody waits for what is free");
        m->holder = self;
        return WEIR_OK;
    }
    return m->holder == self ? -EDEADLK : -EAGAIN;
}

/* The running fiber has it from now on. */
static void note_holder(struct weir__ctx *c, weir_mutex *m, const weir_site *site)
{
    WEIR_ASSERT(m->holder == weir__fiber_self(), "S1: who has taken it is the holder");
    WEIR_ASSERT(!weir__is_owned(&m->record), "S1: one has it at a time");
    weir__own(c, &m->record, &lock_type, site);
}

weir_err weir_trylock_at(const weir_site *site, weir_ctx *c, weir_mutex *m)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of(c);
    m = weir__waitq_of(m, KIND, "weir_trylock", "the mutex");
    weir_err err = weir__ctx_check(ctx);
    if (err < 0)
        return weir__call_refused(err);
    weir__waitq_lock(&m->q);
    err = take(m, weir__fiber_self());
    weir__waitq_unlock(&m->q);
    if (err == WEIR_OK)
        note_holder(ctx, m, site);
    return err == -EDEADLK ? -EAGAIN : err;
}

weir_err weir_lock_at(const weir_site *site, weir_ctx *c, weir_mutex *m)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of(c);
    m = weir__waitq_of(m, KIND, "weir_lock", "the mutex");
    weir_err err = weir__may_wait(ctx);
    if (err < 0)
        return err;
    struct weir__waiter me;
    weir__waitq_lock(&m->q);
    err = take(m, weir__fiber_self());
    if (err == -EAGAIN)
        weir__waitq_enqueue(&m->q, &me, &wait_type, ctx, site);
    weir__waitq_unlock(&m->q);
    if (err == -EAGAIN)
        err = weir__waitq_park(&me);
    else if (err < 0)
        return weir__wait_refused(err);
    if (err == WEIR_OK)
        note_holder(ctx, m, site);
    return err;
}

/* Misuse unless `c` holds `m`. */
static void must_hold(const struct weir__ctx *c, const weir_mutex *m, const char *function)
{
    if (m->holder == NULL || !weir__is_owned(&m->record) || m->record.ctx != c)
        weir__misuse(function, "this context does not hold the mutex made at %s:%d",
                     m->q.owned.site != NULL ? m->q.owned.site->file : "?",
                     m->q.owned.site != NULL ? m->q.owned.site->line : 0);
}

void weir_unlock(weir_ctx *c, weir_mutex *m)
{
    WEIR__FIBERS_ONLY();
    struct weir__ctx *ctx = weir__ctx_of(c);
    m = weir__waitq_of(m, KIND, "weir_unlock", "the mutex");
    must_hold(ctx, m, "weir_unlock");
    weir__disown(&m->record);
    hand_over(m);
}

const weir_site *weir__mutex_must_hold(const struct weir__ctx *c, const weir_mutex *m,
                                       const char *function)
{
    m = weir__waitq_of(m, KIND, function, "the mutex");
    must_hold(c, m, function);
    return m->record.site;
}
