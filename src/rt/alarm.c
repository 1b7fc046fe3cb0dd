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
 * Limits: 4 Mi alarms of a worker. Context: fibers of that worker.
 */
#include "rt/alarm.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "rt/panic.h"
#include "rt/worker.h"
#include <weir/log.h>
#include <weir/timer.h>

#define SLAB_ALARMS 256u
#define ALARMS_MAX (4u << 20)
#define RETRY_NS 10000000
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
    bool is_stopped; /* while it runs: the slot goes back afterwards */
    bool was_told;   /* that no fiber could be had */
    struct alarm *next_free;
};

struct slab {
    struct slab *next;
    struct alarm alarms[SLAB_ALARMS];
};

struct weir__alarms {
    struct slab *slabs;
    struct alarm *free;
    size_t slots;
};

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
    for (size_t i = SLAB_ALARMS; i-- > 0;) {
        slab->alarms[i].turn = 1;
        slab->alarms[i].worker = w;
        slab->alarms[i].next_free = all->free;
        all->free = &slab->alarms[i];
    }
    return true;
}

static weir_err take_slot(struct weir__worker *w, struct alarm **out)
{
    if (w->alarms == NULL)
        w->alarms = weir__calloc(1, sizeof *w->alarms);
    if (w->alarms == NULL)
        return -ENOMEM;
    if (w->alarms->free == NULL && w->alarms->slots >= ALARMS_MAX)
        return WEIR_ELIMIT;
    if (w->alarms->free == NULL && !add_slab(w))
        return -ENOMEM;
    *out = w->alarms->free;
    w->alarms->free = (*out)->next_free;
    return WEIR_OK;
}

/* The alarm is over: disarmed, owned by nobody, its name dead. */
static void give_slot(struct alarm *a)
{
    weir__timer_disarm(&a->timer);
    weir__disown(&a->owned);
    a->turn++;
    a->next_free = a->worker->alarms->free;
    a->worker->alarms->free = a;
}

void weir__alarms_free(struct weir__worker *w)
{
    if (w->alarms == NULL)
        return;
    for (struct slab *slab = w->alarms->slabs, *next; slab != NULL; slab = next) {
        next = slab->next;
        weir__free(slab);
    }
    weir__free(w->alarms);
    w->alarms = NULL;
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
    weir__timer_arm(&w->wheel, &a->timer, a->due);
}

static void fire(struct weir__timer *t)
{
    struct alarm *a = WEIR_CONTAINER(t, struct alarm, timer);
    struct weir__ctx *c = a->owned.ctx;
    weir_err err = WEIR_OK;
    if (c->is_closing || c->reason != WEIR_REASON_NONE)
        return; /* nothing runs in it any more; it has the record until its end */
    if (!a->is_running) {
        err = weir__go_apart(a->owned.site, c, run, a, a->call.name);
        a->is_running = err == WEIR_OK;
    }
    if (err < 0 && !a->was_told) {
        weir_log_at(a->owned.site, weir__ctx_handle(c), WEIR_LOG_WARN,
                    "the timer's %s could not be started: %s", a->call.name, weir_strerror(err));
        a->was_told = true;
    }
    if (a->period.ns != 0)
        arm_next(a);
    else if (err < 0)
        weir__timer_arm(&a->worker->wheel, &a->timer,
                        weir_time_add(a->worker->now, weir_ns(RETRY_NS)));
}

static void release(struct weir__owned *o)
{
    struct alarm *a = WEIR_CONTAINER(o, struct alarm, owned);
    WEIR_ASSERT(!a->is_running, "a context's runs are joined before it releases their timer");
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
        return err;
    a->call = call;
    a->period = period;
    a->is_running = a->is_stopped = a->was_told = false;
    a->due = weir_time_add(weir__worker_now(w), delay.ns > 0 ? delay : (weir_dur){0});
    weir__timer_init(&a->timer, fire);
    weir__own(c, &a->owned, &owned_type, site);
    weir__timer_arm(&w->wheel, &a->timer, a->due);
    return WEIR_OK;
}

weir_err weir_timer_after_at(const weir_site *site, weir_ctx *c, weir_dur delay, weir_fiber_fn fn,
                             const char *name, void *arg, weir_timer *out)
{
    struct weir__ctx *ctx = weir__ctx_local(weir__ctx_of_at(c, "weir_timer_after"));
    weir__refuse_short_lived(ctx, arg, "weir_timer_after");
    return start(site, ctx, (struct call){fn, arg, name}, delay, (weir_dur){0}, out);
}

weir_err weir_timer_every_at(const weir_site *site, weir_ctx *c, weir_dur period, weir_fiber_fn fn,
                             const char *name, void *arg, weir_timer *out)
{
    struct weir__ctx *ctx = weir__ctx_local(weir__ctx_of_at(c, "weir_timer_every"));
    weir__refuse_short_lived(ctx, arg, "weir_timer_every");
    if (period.ns < PERIOD_NS_MIN)
        weir__misuse("weir_timer_every", "a period of %lld ns; the shortest is 1 ms",
                     (long long)period.ns);
    return start(site, ctx, (struct call){fn, arg, name}, period, period, out);
}

bool weir_timer_stop(weir_ctx *c, weir_timer t)
{
    struct alarm *a = t.slot;
    (void)weir__ctx_of(c);
    if (a != NULL && a->worker != weir__self)
        weir__misuse("weir_timer_stop",
                     "the timer belongs to another worker, which alone stops it");
    if (a == NULL || a->turn != t.turn || a->is_stopped)
        return false;
    bool had_more = a->period.ns != 0 || !a->is_running;
    weir__timer_disarm(&a->timer);
    if (a->is_running)
        a->is_stopped = true;
    else
        give_slot(a);
    return had_more;
}
