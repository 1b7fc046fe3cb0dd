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
#include "rt/mutex.h"

#include "rt/panic.h"
#include "rt/waitq.h"
#include "rt/worker.h"

#define MAGIC 0x7874756du

struct weir_mutex {
    struct weir__waitq q;
    const struct weir__fiber *holder; /* S1 */
    struct weir__owned record;        /* in the holder's context */
};

static weir_mutex no_memory = {.q = {.magic = MAGIC}};

/* --- the record of who holds it ----------------------------------------------------------- */

/* Gives it to the first that waits, or to nobody. */
static void hand_over(weir_mutex *m)
{
    weir__waitq_lock(&m->q);
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
    weir_buf_printf(out, "of the mutex made at %s:%d", m->q.owned.site->file,
                    m->q.owned.site->line);
}

static bool always(const struct weir__owned *o)
{
    (void)o;
    return true;
}

static const struct weir__owned_type lock_type = {
    .name = "lock", .release = release_record, .describe = describe_record, .is_mistake = always};

/* --- the mutex ---------------------------------------------------------------------------- */

/* Its context has ended: a holder in a longer-lived context holds nothing any more. */
static void release_mutex(struct weir__owned *o)
{
    weir_mutex *m = WEIR_CONTAINER(o, weir_mutex, q.owned);
    weir__disown(&m->record);
    m->holder = NULL;
    weir__waitq_end(&m->q);
}

static const struct weir__owned_type mutex_type = {.name = "mutex", .release = release_mutex};

weir_mutex *weir_mutex_new_at(const weir_site *site, weir_ctx *c)
{
    weir_mutex *m = weir__waitq_new(c, sizeof *m, MAGIC, &mutex_type, site);
    if (m == NULL)
        return &no_memory;
    weir__list_init(&m->record.link);
    return m;
}

static const struct weir__wait_type wait_type = {
    .name = "lock", .abandon = weir__waitq_abandon, .describe = weir__waitq_describe};

/* Takes it if it is free. -EAGAIN, -EDEADLK, or the state's error. Under the lock. */
static weir_err take(weir_mutex *m, const struct weir__fiber *self)
{
    weir_err err = weir__waitq_state(&m->q);
    if (err < 0)
        return err;
    if (m->holder == NULL) {
        m->holder = self;
        return WEIR_OK;
    }
    return m->holder == self ? -EDEADLK : -EAGAIN;
}

weir_err weir_trylock_at(const weir_site *site, weir_ctx *c, weir_mutex *m)
{
    struct weir__ctx *ctx = weir__ctx_of(c);
    weir__waitq_check(&m->q, MAGIC, "weir_trylock");
    weir_err err = weir__ctx_check(ctx);
    if (err < 0)
        return err;
    weir__waitq_lock(&m->q);
    err = take(m, weir__fiber_self());
    weir__waitq_unlock(&m->q);
    if (err == WEIR_OK)
        weir__own(ctx, &m->record, &lock_type, site);
    return err == -EDEADLK ? -EAGAIN : err;
}

weir_err weir_lock_at(const weir_site *site, weir_ctx *c, weir_mutex *m)
{
    struct weir__ctx *ctx = weir__ctx_of(c);
    weir__waitq_check(&m->q, MAGIC, "weir_lock");
    weir_err err = weir__ctx_check(ctx);
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
    if (err == WEIR_OK)
        weir__own(ctx, &m->record, &lock_type, site);
    return err;
}

void weir_unlock(weir_ctx *c, weir_mutex *m)
{
    struct weir__ctx *ctx = weir__ctx_of(c);
    weir__waitq_check(&m->q, MAGIC, "weir_unlock");
    weir__mutex_must_hold(ctx, m, "weir_unlock");
    weir__disown(&m->record);
    hand_over(m);
}

void weir__mutex_must_hold(const struct weir__ctx *c, const weir_mutex *m, const char *function)
{
    if (m->holder == NULL || !weir__is_owned(&m->record) || m->record.ctx != c)
        weir__misuse(function, "this context does not hold the mutex made at %s:%d",
                     m->q.owned.site != NULL ? m->q.owned.site->file : "?",
                     m->q.owned.site != NULL ? m->q.owned.site->line : 0);
}

const weir_site *weir__mutex_holder_site(const weir_mutex *m)
{
    return m->record.site;
}
