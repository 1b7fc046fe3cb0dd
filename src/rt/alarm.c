/*
 * Timers of contexts: an alarm is a timer of the wheel and a record that the context owns; when it
 * fires, on the worker's own stack, it starts a fiber in the context.
 *
 * The hard thing is the name. A timer may be over by itself before its user stops it, and its
 * memory be another's by then. So a name is a slot and the number of its turn, which is counted up
 * whenever the slot goes back: a stale name finds another number, and stops nothing. Slots are
 * recycled by the worker, never given back before its end, so that a context that starts and stops
 * timers for hours does not grow.
 *
 * When there is no fiber for one that is due (too many, no memory), it stands in a line. The line
 * is tried every RETRY_NS until some have failed, so that the tries are as many as the timers and a
 * few a round, however long the line is; who has failed goes to its end, for another's context may
 * have room where his has none.
 *
 * Limits: 4 Mi alarms of a worker. Context: fibers of that worker.
 */
#include "rt/alarm.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/given.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"
#include "rt/worker.h"
#include <weir/log.h>
#include <weir/timer.h>

#define SLAB_ALARMS 256u
#define ALARMS_MAX (4u << 20)
#define RETRY_NS 10000000
#define RETRY_FAILURES_MAX 16 /* of a round */
#define PERIOD_NS_MIN 1000000

/* What it runs. */
struct call {
    weir_fiber_fn fn;
    void *arg;
    const char *name;
};

struct alarm {
    struct weir__timer timer;
    struct weir__owned owned;
    uint64_t turn; /* of the slot; never 0 */
    struct weir__worker *worker;
    struct call call;
    weir_dur period; /* 0: once */
    weir_time due;
    bool is_running;
    bool is_stopped;            /* while it runs: the slot goes back afterwards */
    struct weir__list in_retry; /* weir__alarms.retry: it is due, and no fiber could be had */
    struct alarm *next_free;
};

struct slab {
    struct slab *next;
    struct alarm alarms[SLAB_ALARMS];
};

struct weir__alarms {
    struct weir__worker *worker;
    struct slab *slabs;
    struct alarm *free;
    size_t slots;
    struct weir__list retry;        /* alarm.in_retry, who waits longest first */
    struct weir__timer retry_timer; /* armed while somebody is in it */
    uint64_t tries;
};

static void retry(struct weir__timer *t);

/* --- slots -------------------------------------------------------------------------------- */

static bool add_slab(struct weir__worker *w)
{
    struct slab *slab = weir__calloc(1, sizeof *slab);
    if (slab == NULL)
        return false;
    struct weir__alarms *all = w->alarms;
    slab->next = all->slabs;
    all->slabs = slab;
    all->slots += SLAB_ALARMS;
    WEIR_ASSERT(all->slots <= ALARMS_MAX, "A2: a worker has no more slots than it may");
    for (size_t i = SLAB_ALARMS; i-- > 0;) {
        slab->alarms[i].turn = 1;
        slab->alarms[i].worker = w;
        slab->alarms[i].next_free = all->free;
        all->free = &slab->alarms[i];
    }
    return true;
}

static bool have_alarms(struct weir__worker *w)
{
    if (w->alarms != NULL)
        return true;
    w->alarms = weir__calloc(1, sizeof *w->alarms);
    if (w->alarms == NULL)
        return false;
    w->alarms->worker = w;
    weir__list_init(&w->alarms->retry);
    weir__timer_init(&w->alarms->retry_timer, retry);
    return true;
}

static weir_err take_slot(struct weir__worker *w, struct alarm **out)
{
    if (!have_alarms(w))
        return -ENOMEM;
    if ((w->alarms->free == NULL && w->alarms->slots >= ALARMS_MAX) || weir__is_refused("timers"))
        return WEIR_ELIMIT;
    if (w->alarms->free == NULL && !add_slab(w))
        return -ENOMEM;
    *out = w->alarms->free;
    WEIR_ASSERT((*out)->worker == w && !weir__is_owned(&(*out)->owned),
                "A2: a free slot is its worker's, and in no context");
    w->alarms->free = (*out)->next_free;
    return WEIR_OK;
}

/* The alarm is over: disarmed, owned by nobody, its name dead. */
static void give_slot(struct alarm *a)
{
    struct weir__alarms *all = a->worker->alarms;
    WEIR_ASSERT(a->worker == weir__self, "A2: its worker takes a slot back");
    WEIR_ASSERT(!a->is_running, "A1: what goes back does not run");
    weir__timer_disarm(&a->timer);
    weir__list_remove(&a->in_retry);
    if (weir__list_empty(&all->retry))
        weir__timer_disarm(&all->retry_timer);
    weir__disown(&a->owned);
    a->turn++;
    a->next_free = all->free;
    all->free = a;
}

void weir__alarms_free(struct weir__worker *w)
{
    if (w->alarms == NULL)
        return;
    WEIR_ASSERT(weir__list_empty(&w->alarms->retry), "A3: nobody stands in line at a worker's end");
    for (struct slab *slab = w->alarms->slabs, *next; slab != NULL; slab = next) {
        next = slab->next;
        weir__free(slab);
    }
    weir__timer_disarm(&w->alarms->retry_timer);
    weir__free(w->alarms);
    w->alarms = NULL;
}

uint64_t weir__alarms_tries(const struct weir__worker *w)
{
    return w->alarms != NULL ? w->alarms->tries : 0;
}

/* --- firing ------------------------------------------------------------------------------- */

static void tell_failure(weir_ctx *c, const struct alarm *a, weir_err err)
{
    const weir_error *e = weir_last_error(c);
    weir_str why = e != NULL ? e->message : weir_str_from(weir_strerror(err));
    weir_log_at(a->owned.site, c, WEIR_LOG_WARN, "the timer's %s failed: " WEIR_STR_FMT,
                a->call.name, WEIR_STR_ARG(why));
}

/* A run, in its fiber. A panic has been logged; what a cancelled one returns is no failure. */
static weir_err run(weir_ctx *c, void *arg)
{
    struct alarm *a = arg;
    WEIR_ASSERT(a->is_running, "A1: a run was started");
    weir_err err = weir_protect(c, a->call.fn, a->call.arg);
    if (err < 0 && err != WEIR_EPANIC && weir_check(c) == WEIR_OK)
        tell_failure(c, a, err);
    a->is_running = false;
    if (a->period.ns == 0 || a->is_stopped)
        give_slot(a);
    return WEIR_OK;
}

/* On the grid, past now. */
static void arm_next(struct alarm *a)
{
    struct weir__worker *w = a->worker;
    int64_t behind = weir_time_sub(w->now, a->due).ns;
    int64_t periods = behind < a->period.ns ? 1 : behind / a->period.ns + 1;
    a->due = weir_time_add(a->due, weir_dur_of(periods, a->period.ns));
    WEIR_ASSERT(weir_time_before(w->now, a->due), "A4: the next of a period lies ahead");
    weir__timer_arm(&w->wheel, &a->timer, a->due);
}

/* WEIR_OK also when nothing runs in its context any more, which has the record until its end. */
static weir_err start_run(struct alarm *a)
{
    struct weir__ctx *c = a->owned.ctx;
    WEIR_ASSERT(!a->is_running, "A1: one run at a time");
    if (c->is_closing || c->reason != WEIR_REASON_NONE)
        return WEIR_OK;
    a->worker->alarms->tries++;
    weir_err err = weir__go_apart(a->owned.site, c, run, a, a->call.name);
    a->is_running = err == WEIR_OK;
    return err;
}

static void arm_retry(struct weir__alarms *all)
{
    weir__timer_arm(&all->worker->wheel, &all->retry_timer,
                    weir_time_add(all->worker->now, weir_ns(RETRY_NS)));
}

/* Told once for all that stand in the line. */
static void stand_in_line(struct alarm *a, weir_err err)
{
    struct weir__alarms *all = a->worker->alarms;
    WEIR_ASSERT(weir__list_empty(&a->in_retry), "A3: one stands in line once");
    if (weir__list_empty(&all->retry)) {
        weir_log_at(a->owned.site, weir__ctx_handle(a->owned.ctx), WEIR_LOG_WARN,
                    "the timer's %s could not be started: %s; it is tried again", a->call.name,
                    weir_strerror(err));
        arm_retry(all);
    }
    weir__list_push_back(&all->retry, &a->in_retry);
}

static void retry(struct weir__timer *t)
{
    struct weir__alarms *all = WEIR_CONTAINER(t, struct weir__alarms, retry_timer);
    struct weir__list line, *node;
    int failures = 0;
    WEIR_ASSERT(!weir__list_empty(&all->retry), "A3: the line is tried while one stands in it");
    weir__list_init(&line);
    weir__list_splice_back(&line, &all->retry);
    while (failures < RETRY_FAILURES_MAX && (node = weir__list_pop_front(&line)) != NULL) {
        struct alarm *a = WEIR_CONTAINER(node, struct alarm, in_retry);
        if (start_run(a) < 0) {
            weir__list_push_back(&all->retry, &a->in_retry);
            failures++;
        }
    }
    weir__list_splice_back(&line, &all->retry); /* behind those that were not tried */
    weir__list_splice_back(&all->retry, &line);
    if (!weir__list_empty(&all->retry))
        arm_retry(all);
}

static void fire(struct weir__timer *t)
{
    struct alarm *a = WEIR_CONTAINER(t, struct alarm, timer);
    struct weir__ctx *c = a->owned.ctx;
    WEIR_ASSERT(!weir__timer_armed(t), "T3: a timer is disarmed before it fires");
    if (c->is_closing || c->reason != WEIR_REASON_NONE)
        return;
    bool stands = !weir__list_empty(&a->in_retry); /* a period is over, and it still does */
    weir_err err = a->is_running || stands ? WEIR_OK : start_run(a);
    if (err < 0)
        stand_in_line(a, err);
    if (a->period.ns != 0)
        arm_next(a);
}

static void release(struct weir__owned *o)
{
    struct alarm *a = WEIR_CONTAINER(o, struct alarm, owned);
    WEIR_ASSERT(!a->is_running, "A1: a context's runs are joined before it releases their timer");
    give_slot(a);
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    const struct alarm *a = WEIR_CONTAINER(o, struct alarm, owned);
    weir_buf_printf(out, a->period.ns != 0 ? "for %s, every %lld ms" : "for %s", a->call.name,
                    (long long)(a->period.ns / 1000000));
}

static const struct weir__owned_type owned_type = {
    .name = "timer", .release = release, .describe = describe, .acts = true};

/* --- starting and stopping ---------------------------------------------------------------- */

static weir_err start(const weir_site *site, struct weir__ctx *c, struct call call, weir_dur delay,
                      weir_dur period, weir_timer *out)
{
    struct weir__worker *w = weir__self;
    struct alarm *a = NULL;
    weir_err err = weir__ctx_check(c);
    if (err == WEIR_OK && c->is_closing)
        err = WEIR_ECLOSED;
    if (err == WEIR_OK)
        err = take_slot(w, &a);
    if (out != NULL)
        *out = err == WEIR_OK ? (weir_timer){a, a->turn} : (weir_timer){NULL, 0};
    if (err != WEIR_OK)
        return weir__call_refused(err);
    a->call = call;
    a->period = period;
    a->is_running = a->is_stopped = false;
    weir__list_init(&a->in_retry);
    a->due = weir_time_add(weir__worker_now(w), delay.ns > 0 ? delay : (weir_dur){0});
    weir__timer_init(&a->timer, fire);
    weir__own(c, &a->owned, &owned_type, site);
    weir__timer_arm(&w->wheel, &a->timer, a->due);
    return WEIR_OK;
}

weir_err weir_timer_after_at(const weir_site *site, weir_ctx *c, weir_dur delay, weir_fiber_fn fn,
                             const char *name, void *arg, weir_timer *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(fn, "the function");
    struct weir__ctx *ctx = weir__ctx_local(weir__ctx_of_at(c, "weir_timer_after"));
    weir__refuse_short_lived(ctx, arg, "weir_timer_after");
    return start(site, ctx, (struct call){fn, arg, name}, delay, (weir_dur){0}, out);
}

weir_err weir_timer_every_at(const weir_site *site, weir_ctx *c, weir_dur period, weir_fiber_fn fn,
                             const char *name, void *arg, weir_timer *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(fn, "the function");
    struct weir__ctx *ctx = weir__ctx_local(weir__ctx_of_at(c, "weir_timer_every"));
    weir__refuse_short_lived(ctx, arg, "weir_timer_every");
    if (period.ns < PERIOD_NS_MIN)
        weir__misuse("weir_timer_every", "a period of %lld ns; the shortest is 1 ms",
                     (long long)period.ns);
    return start(site, ctx, (struct call){fn, arg, name}, period, period, out);
}

bool weir_timer_stop(weir_ctx *c, weir_timer t)
{
    WEIR__FIBERS_ONLY(false);
    struct alarm *a = t.slot;
    (void)weir__ctx_of(c);
    if (a != NULL && a->worker != weir__self)
        weir__misuse("weir_timer_stop",
                     "the timer belongs to another worker, which alone stops it");
    if (a == NULL || a->turn != t.turn || a->is_stopped)
        return false;
    bool had_more = a->period.ns != 0 || !a->is_running;
    WEIR_ASSERT(weir__is_owned(&a->owned), "A2: the slot of a name that lives is in a context");
    weir__timer_disarm(&a->timer);
    if (a->is_running)
        a->is_stopped = true;
    else
        give_slot(a);
    return had_more;
}
