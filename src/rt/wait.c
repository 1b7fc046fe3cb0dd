/*
 * Parking and waking. The rules that keep it free of races are W1 in wait.h (who takes the wait off
 * its queue, wakes it) and this: a wake from another thread arrives through the worker's inbox,
 * which the worker empties on its own stack; so a fiber that has queued itself under a lock may be
 * woken before it has parked, and nothing is lost.
 */
#include "rt/wait.h"

#include "base/assert.h"
#include "rt/runtime.h"
#include <weir/fiber.h>

#define REFUSED_MAX 1000 /* waits of a fiber that fail at once, in a row */
#define LATER_MAX 100000 /* where the first error is kept, and looked at in the end */
#define WEIGHT (LATER_MAX / REFUSED_MAX) /* of the ones in the others */

static _Thread_local uint64_t wait_count;
static _Thread_local uint64_t cancel_countdown;
static _Thread_local bool (*tell_planned)(struct weir__wait *w);

_Thread_local uint64_t weir__refuse_countdown;
static _Thread_local void (*tell_refused)(const char *limit);

bool weir__refuse_now(const char *limit)
{
    WEIR_ASSERT(weir__refuse_countdown > 0, "W5: a refusal is planned before it is asked for");
    if (--weir__refuse_countdown != 0)
        return false;
    if (tell_refused != NULL)
        tell_refused(limit);
    return true;
}

void weir__refuse_nth(uint64_t nth)
{
    weir__refuse_countdown = nth;
}

void weir__refuse_tell_planned(void (*told)(const char *limit))
{
    tell_refused = told;
}

uint64_t weir__wait_count(void)
{
    return wait_count;
}

void weir__wait_cancel_nth(uint64_t nth)
{
    cancel_countdown = nth;
}

static void on_timeout(struct weir__timer *t)
{
    struct weir__wait *w = WEIR_CONTAINER(t, struct weir__wait, timer);
    struct weir__ctx *c = w->ctx;
    WEIR_ASSERT(w->fiber->worker == weir__self, "W1: a wait's timer is of its fiber's worker");
    if (w->until.ns == INT64_MAX) {
        weir__report_wait(w);
        return;
    }
    bool is_shield = c->is_shielded && c->shield_until.ns <= w->fiber->worker->now.ns;
    weir__wait_abort(w, is_shield && c->reason != 0 ? weir__reason_err(c->reason) : WEIR_ETIMEDOUT);
}

void weir__wait_tell_planned(bool (*told)(struct weir__wait *w))
{
    tell_planned = told;
}

void weir__wait_init(struct weir__wait *w, const struct weir__wait_type *type,
                     struct weir__ctx *ctx, const weir_site *site, void *object)
{
    WEIR_ASSERT(weir__self->current != NULL, "W2: a fiber prepares its wait itself");
    w->type = type;
    w->fiber = weir__self->current;
    w->ctx = ctx;
    w->site = site;
    w->object = object;
    w->result = WEIR_OK;
    weir__list_init(&w->in_ctx);
    weir__list_init(&w->in_object);
    weir__timer_init(&w->timer, on_timeout);
}

/*
 * The context whose list of waits this one is on: the application's context is shared, its waits
 * are the worker's.
 */
static struct weir__ctx *list_owner(struct weir__worker *w, struct weir__ctx *c)
{
    return weir__ctx_is_shared(c) ? w->root : c;
}

/* A request's wait on what may never happen, and nothing will end it. */
static bool is_endless(const struct weir__wait *wait)
{
    return wait->until.ns == INT64_MAX && wait->ctx->exchange != NULL && wait->type->made != NULL;
}

static void arm_deadlines(struct weir__worker *w, struct weir__wait *wait, weir_time until)
{
    struct weir__ctx *c = wait->ctx;
    if (c->is_shielded)
        until = weir_time_min(until, c->shield_until);
    wait->until = weir_time_min(until, c->is_shielded ? until : c->deadline);
    if (until.ns != INT64_MAX)
        weir__timer_arm(&w->wheel, &wait->timer, until);
    else if (WEIR_UNLIKELY(is_endless(wait)))
        weir__timer_arm(&w->wheel, &wait->timer,
                        weir_time_add(w->now, weir_ns(WEIR__WAIT_ENDLESS_NS)));
    struct weir__ctx *owner = c->deadline_owner;
    if (owner == NULL || weir__timer_armed(&owner->timer) || owner->reason != 0)
        return;
    WEIR_ASSERT(owner->worker == w, "C1: whose deadline it is, is of the same worker");
    weir__timer_arm(&w->wheel, &owner->timer, owner->deadline);
}

/* Takes `w` off its object's queue; false when a waker was faster. */
static bool take_off(struct weir__wait *w)
{
    if (w->type->abandon != NULL)
        return w->type->abandon(w);
    if (weir__list_empty(&w->in_object))
        return false;
    weir__list_remove(&w->in_object);
    return true;
}

bool weir__wait_never_abandoned(struct weir__wait *w)
{
    (void)w;
    return false;
}

/* A wait in a context that somebody may cancel. */
static bool is_counted(const struct weir__worker *w, const struct weir__wait *wait)
{
    return wait->ctx != w->root && !weir__ctx_is_shared(wait->ctx);
}

/*
 * A test's cancellation at this very wait: true when the wait is over before it began. Where a
 * shield holds it goes on, as it would for anybody's cancellation.
 */
static bool planned_cancel(struct weir__wait *wait)
{
    if (--cancel_countdown != 0)
        return false;
    if (tell_planned != NULL && !tell_planned(wait))
        return false;
    weir__ctx_cancel(wait->ctx, WEIR_REASON_CALLER);
    return weir__ctx_check(wait->ctx) != WEIR_OK && take_off(wait);
}

/* It has not waited for so many calls: where it panics the stack names the line. */
static void count_refused(struct weir__fiber *f, weir_err err, uint32_t weight)
{
    f->refused += weight;
    if (WEIR_LIKELY(f->refused < LATER_MAX))
        return;
    f->refused = 0;
    weir_panic_at(NULL,
                  "%u waits in a row have failed at once, the last because %s: a loop that waits "
                  "looks at what each wait returns, and ends when it is an error",
                  LATER_MAX / weight, weir_strerror(err));
}

weir_err weir__call_refused(weir_err err)
{
    struct weir__fiber *f = weir__fiber_self();
    WEIR_ASSERT(err != WEIR_OK, "W5: what is refused has an error");
    if (f != NULL)
        count_refused(f, err, WEIGHT);
    return err;
}

static weir_err refuse(weir_err err, uint32_t weight)
{
    struct weir__fiber *f = weir__fiber_self();
    if (f == NULL)
        return err;
    count_refused(f, err, weight);
    weir__fiber_yield();
    return err;
}

weir_err weir__wait_refused(weir_err err)
{
    WEIR_ASSERT(err != WEIR_OK, "W5: what is refused has an error");
    return refuse(err, WEIGHT);
}

weir_err weir__later_refused(weir_err err)
{
    return refuse(err, 1);
}

weir_err weir__park(struct weir__wait *wait, weir_time until)
{
    struct weir__worker *w = weir__self;
    struct weir__fiber *f = w->current;
    WEIR_ASSERT(f != NULL && f == wait->fiber, "W2: a wait is parked by its own fiber");
    if (f->before_park != NULL)
        f->before_park(f);
    wait->since = w->now;
    bool is_planned = is_counted(w, wait);
    wait_count += is_planned;
    if (WEIR_UNLIKELY(cancel_countdown != 0) && is_planned && planned_cancel(wait))
        return weir__reason_err((weir_reason)wait->ctx->reason);
    arm_deadlines(w, wait, until);
    struct weir__ctx *owner = list_owner(w, wait->ctx);
    WEIR_ASSERT(owner->worker == w, "C2: who waits in a context is of its worker");
    weir__list_push_back(&owner->waits, &wait->in_ctx);
    f->refused = 0;
    weir__fiber_park(wait);
    WEIR_ASSERT(w->current == f, "F1: who goes on is the current one");
    weir__list_remove(&wait->in_ctx);
    if (WEIR_UNLIKELY(weir__timer_armed(&wait->timer)))
        weir__timer_disarm(&wait->timer);
    return wait->result;
}

void weir__wake(struct weir__wait *w, weir_err result)
{
    w->result = result;
    weir__fiber_ready(w->fiber);
}

bool weir__wake_first(struct weir__list *queue, weir_err result)
{
    struct weir__list *node = weir__list_pop_front(queue);
    if (node == NULL)
        return false;
    weir__wake(WEIR_CONTAINER(node, struct weir__wait, in_object), result);
    return true;
}

void weir__wait_abort(struct weir__wait *w, weir_err reason)
{
    WEIR_ASSERT(w->fiber->worker == weir__self, "W1: a wait is aborted on its fiber's worker");
    if (!take_off(w))
        return;
    weir__list_remove(&w->in_ctx);
    weir__timer_disarm(&w->timer);
    weir__wake(w, reason);
}
