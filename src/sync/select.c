/*
 * Select: one wait on several channels. All shared channels among the arms are locked together, in
 * the order of their addresses, while the arms are tried and, when none can be done, the fiber is
 * queued on each: so nothing can slip in between, and a select never meets itself (a send and a
 * receive on one channel).
 *
 * The fiber then waits once. Whoever serves one arm has claimed the whole party; its other waiters
 * are taken off their queues when it runs again. Which arm comes first when several can be done
 * goes by turns of the worker.
 *
 * Owns nothing but what stands on the caller's stack. Limits: 64 arms.
 */
#include "base/assert.h"
#include "base/given.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"
#include "sync/chan.h"

#define ARMS_MAX 64u

static _Thread_local uint32_t turn;

/* The distinct shared channels of the arms, by address. */
struct locks {
    uint32_t n;
    weir_chan *chans[ARMS_MAX];
};

/* The arms as they were given, and the channels behind their handles. */
struct arms {
    const weir_select_case *cases;
    size_t n;
    weir_chan *chans[ARMS_MAX]; /* NULL: never ready */
};

static void check_arms(struct arms *a, const struct weir__ctx *c, const weir_select_case *cases,
                       size_t n)
{
    if (n == 0 || n > ARMS_MAX)
        weir__misuse("weir_select", "%zu arms: it takes 1 to %u", n, ARMS_MAX);
    a->cases = cases;
    a->n = n;
    for (size_t i = 0; i < n; i++) {
        a->chans[i] = NULL;
        if (cases[i].chan == NULL)
            continue;
        a->chans[i] = weir__chan_of(cases[i].chan, "weir_select");
        if ((cases[i].recv != NULL) == (cases[i].send != NULL))
            weir__misuse("weir_select", "arm %zu must give exactly one of recv and send", i);
        if (WEIR_UNLIKELY(a->chans[i]->home != c->top))
            weir__chan_note_use(a->chans[i], cases[i].send != NULL);
        weir__chan_refuse_kept(a->chans[i], c, cases[i].send, "weir_select");
    }
}

/* Sorts a channel in unless it is there already. */
static void add_lock(struct locks *l, weir_chan *ch)
{
    uint32_t at = l->n;
    while (at > 0 && (uintptr_t)l->chans[at - 1] > (uintptr_t)ch)
        at--;
    if (at > 0 && l->chans[at - 1] == ch)
        return;
    WEIR_ASSERT(l->n < ARMS_MAX, "N7: no more locks than arms");
    for (uint32_t i = l->n++; i > at; i--)
        l->chans[i] = l->chans[i - 1];
    l->chans[at] = ch;
}

static void lock_all(struct locks *l, const struct arms *a)
{
    l->n = 0;
    for (size_t i = 0; i < a->n; i++)
        if (a->chans[i] != NULL && a->chans[i]->is_shared)
            add_lock(l, a->chans[i]);
    for (uint32_t i = 0; i < l->n; i++) {
        WEIR_ASSERT(i == 0 || (uintptr_t)l->chans[i - 1] < (uintptr_t)l->chans[i],
                    "N7: locks are taken in the order of their addresses");
        weir__lock_take(&l->chans[i]->lock);
    }
}

static void unlock_all(struct locks *l)
{
    while (l->n > 0)
        weir__lock_give(&l->chans[--l->n]->lock);
}

/* Does the first arm, from the one whose turn it is, that needs no wait. Its index, or -EAGAIN. */
static int try_arms(const struct arms *a, struct weir__chan_party **served, bool *closed)
{
    uint32_t first = turn++;
    for (size_t k = 0; k < a->n; k++) {
        size_t i = (first + k) % a->n;
        const weir_select_case *arm = &a->cases[i];
        if (a->chans[i] == NULL)
            continue;
        weir_err err = arm->send != NULL ? weir__chan_put(a->chans[i], arm->send, served)
                                         : weir__chan_take(a->chans[i], arm->recv, served);
        if (err == -EAGAIN)
            continue;
        *closed = err == WEIR_ECLOSED;
        return (int)i;
    }
    return -EAGAIN;
}

static void describe(const struct weir__wait *w, weir_buf *out)
{
    const struct weir__chan_party *p = WEIR_CONTAINER(w, struct weir__chan_party, wait);
    weir_buf_printf(out, "%u arms", p->arms);
    for (uint32_t i = 0; i < p->arms && i < 4; i++) {
        weir_buf_puts(out, p->waiters[i].is_send ? WEIR_S("; send to ") : WEIR_S("; recv from "));
        weir__chan_describe(p->waiters[i].chan, out);
    }
}

/* All arms; one without any waits for nothing that could come. */
static bool is_stuck(const struct weir__wait *w, const struct weir__ctx *top)
{
    const struct weir__chan_party *p = WEIR_CONTAINER(w, const struct weir__chan_party, wait);
    WEIR_ASSERT(p->arms <= ARMS_MAX, "N2: a party has a waiter for each arm at most");
    for (uint32_t i = 0; i < p->arms; i++) {
        if (!weir__chan_is_stuck(p->waiters[i].chan, top))
            return false;
    }
    return true;
}

static const weir_site *made(const struct weir__wait *w)
{
    const struct weir__chan_party *p = WEIR_CONTAINER(w, const struct weir__chan_party, wait);
    return p->arms > 0 ? p->waiters[0].chan->site : NULL; /* without any it waits for nothing */
}

static const struct weir__wait_type select_type = {.name = "select",
                                                   .abandon = weir__chan_abandon,
                                                   .describe = describe,
                                                   .is_stuck = is_stuck,
                                                   .made = made};

/* Queues the party on the channel of each arm. All locks are held. */
static void enqueue_all(struct weir__chan_party *me, const struct arms *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const weir_select_case *arm = &a->cases[i];
        weir_chan *ch = a->chans[i];
        if (ch == NULL)
            continue;
        bool is_send = arm->send != NULL;
        struct weir__chan_waiter *w = &me->waiters[me->arms++];
        *w = (struct weir__chan_waiter){
            .party = me,
            .chan = ch,
            .lock = ch->is_shared ? &ch->lock : NULL,
            .elem = is_send ? (void *)(uintptr_t)arm->send : arm->recv,
            .arm = (uint32_t)i,
            .is_send = is_send,
        };
        me->is_shared |= ch->is_shared;
    }
    WEIR_ASSERT(me->arms <= a->n, "N2: a party has a waiter for each arm at most");
    for (uint32_t i = 0; i < me->arms; i++)
        weir__chan_enqueue(&me->waiters[i]);
}

static int wait_arms(struct weir__ctx *c, const struct arms *arms, struct locks *locks,
                     weir_time until, bool *closed)
{
    struct weir__chan_waiter waiters[ARMS_MAX];
    struct weir__chan_party me = {.waiters = waiters};
    weir__wait_init(&me.wait, &select_type, c, NULL, NULL);
    enqueue_all(&me, arms);
    unlock_all(locks);
    weir_err err = weir__chan_park(&me, until);
    if (err != WEIR_OK && err != WEIR_ECLOSED)
        return err;
    WEIR_ASSERT(me.arm < arms->n && arms->chans[me.arm] != NULL,
                "N1: who serves takes an arm of it");
    *closed = me.saw_close;
    return (int)me.arm;
}

int weir_select(weir_ctx *handle, const weir_select_case *cases, size_t n, weir_dur timeout,
                bool *closed)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(cases, "the array of cases");
    struct weir__ctx *c = weir__ctx_of(handle);
    struct weir__chan_party *served = NULL;
    struct arms arms;
    struct locks locks;
    bool closed_unseen = false;
    if (closed == NULL)
        closed = &closed_unseen;
    *closed = false;
    check_arms(&arms, c, cases, n);
    weir_err err = weir__may_wait(c);
    if (err < 0)
        return err;
    weir_time until = timeout.ns < 0 ? weir_never() : weir_time_add(weir_now(), timeout);
    lock_all(&locks, &arms);
    int arm = try_arms(&arms, &served, closed);
    if (arm == -EAGAIN && timeout.ns != 0)
        return wait_arms(c, &arms, &locks, until, closed);
    WEIR_ASSERT(weir__chan_is_claimed(served), "N1: whom it serves it has claimed");
    WEIR_ASSERT(arm >= 0 || served == NULL, "N1: who has done nothing has served nobody");
    unlock_all(&locks);
    if (served != NULL)
        weir__wake(&served->wait, WEIR_OK);
    if (WEIR_UNLIKELY(*closed)) /* it is so each time, until its arm is switched off */
        (void)(timeout.ns != 0 ? weir__wait_refused(WEIR_ECLOSED)
                               : weir__call_refused(WEIR_ECLOSED));
    return arm;
}
