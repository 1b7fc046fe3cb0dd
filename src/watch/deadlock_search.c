/*
 * The search for trees of contexts that can never go on by themselves. It runs on the worker's own
 * stack, from a timer, so nothing of the worker moves meanwhile and what it sees is one moment.
 *
 * The one hard thing is never to be wrong. A tree is looked at as a whole, and a single fiber of it
 * that is ready, or waits for anything that something outside could move, acquits all: it might
 * move the others. In doubt (an object that others use, a tree that has handed something out) the
 * tree is acquitted too. docs/design/deadlocks.md has the definition.
 *
 * The hot path pays nothing: no wait, wake or switch knows of this. The search costs a look at each
 * fiber that waits, 1024 at a time, at most ten times a second, and none while nothing has run.
 *
 * Owns nothing. Limits: trees of CONTEXTS_MAX contexts; larger ones are not looked at.
 */
#include "watch/deadlock_search.h"

#include "rt/deadlock.h"
#include "rt/log_stack.h"
#include "rt/runtime.h"

#define SCAN_MAX 1024      /* fibers looked at in one go: 50 µs */
#define BETWEEN_NS 1000000 /* two goes of one search */
#define REST_NS 100000000  /* two searches */
#define REST_EACH_NS 10000 /* the same, more for each fiber, so that it stays under 1 % */
#define CONTEXTS_MAX 4096
#define TOLD_MAX 8 /* fibers that get a line of their own */

/* --- is it one? --------------------------------------------------------------------------- */

/*
 * Its end would be a failure of the whole tree (its deadline), not a step of the program (the
 * time-out of a part of it, a time-out of this wait, a shield).
 */
static bool has_no_end(const struct weir__wait *w, const struct weir__ctx *top)
{
    const struct weir__ctx *owner = w->ctx->deadline_owner;
    bool is_of_part = owner != NULL && owner != top;
    bool is_timed = weir__timer_armed(&w->timer) && !w->type->has_limit;
    return !is_of_part && !is_timed && !w->ctx->is_shielded;
}

static bool is_stuck(const struct weir__wait *w, const struct weir__ctx *top)
{
    const struct weir__fiber *f = w->fiber;
    return f->state == WEIR__FIBER_PARKED && f->wait == w && weir__deadlock_is_in(f, top) &&
           w->type->is_stuck != NULL && has_no_end(w, top) && w->type->is_stuck(w, top);
}

/* Does the tree own something that starts a fiber in it by itself: a timer? */
static bool has_actor(struct weir__ctx *top)
{
    for (struct weir__ctx *c = top; c != NULL; c = weir__ctx_next_below(top, c)) {
        WEIR_LIST_EACH(node, &c->owned) {
            if (WEIR_CONTAINER(node, struct weir__owned, link)->type->acts)
                return true;
        }
    }
    return false;
}

/*
 * True when every fiber of the tree waits in it, stuck. Fibers are counted by the contexts that
 * they were started in, waits by those that they wait in; a fiber has one wait at a time, so equal
 * numbers mean that there is no other.
 */
static bool is_dead(struct weir__ctx *top)
{
    size_t fibers = 1, waits = 0, contexts = 0; /* 1: the one that opened it */
    for (struct weir__ctx *c = top; c != NULL; c = weir__ctx_next_below(top, c)) {
        if (++contexts > CONTEXTS_MAX || c->reason != WEIR_REASON_NONE)
            return false;
        fibers += c->fibers;
        WEIR_LIST_EACH(node, &c->waits) {
            if (!is_stuck(WEIR_CONTAINER(node, struct weir__wait, in_ctx), top))
                return false;
            waits++;
        }
    }
    return waits == fibers && !has_actor(top);
}

/* Requests and detached work. What else there is waits for others by its nature. */
static bool is_watched(const struct weir__ctx *top, const struct weir__fiber *opener)
{
    bool is_detached = top->is_fiber && opener->child.kind == WEIR__CHILD_DETACHED;
    return (top->exchange != NULL || is_detached) && !top->has_given;
}

/* --- telling ------------------------------------------------------------------------------ */

static void describe_wait(const struct weir__wait *w, weir_buf *out)
{
    weir_buf_puts(out, weir_str_from(w->type->name));
    if (w->type->describe != NULL) {
        weir_buf_puts(out, WEIR_S(": "));
        w->type->describe(w, out);
    }
}

static void tell_fiber(const struct weir__wait *w, const struct weir__ctx *top)
{
    char bytes[512], waits_for[512];
    void *pcs[WEIR__STACK_DEPTH];
    struct weir__log_line l;
    weir_buf text, wait;
    const struct weir__fiber *f = w->fiber;
    weir_buf_init_fixed(&wait, waits_for, sizeof waits_for);
    describe_wait(w, &wait);
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    weir_buf_printf(&text, "deadlock: fiber %s waits for ", f->name);
    weir_buf_puts(&text, weir_buf_str(&wait));
    weir__log_begin(&l, WEIR_LOG_ERROR, weir_buf_str(&text), w->site, top);
    weir__log_str(&l, "fiber", weir_str_from(f->name));
    weir__log_int(&l, "fiber_id", (int64_t)f->id);
    weir__log_str(&l, "waits_for", weir_buf_str(&wait));
    weir__log_int(&l, "since_ms", weir_time_sub(weir__self->now, w->since).ns / 1000000);
    weir__log_stack(&l, weir__symbolise, pcs, weir__fiber_stack(f, pcs, WEIR__STACK_DEPTH), false);
    weir__log_end(&l);
}

static void tell_tree(const struct weir__ctx *top, size_t fibers)
{
    struct weir__log_line l;
    weir__log_begin(&l, WEIR_LOG_ERROR,
                    WEIR_S("deadlock: all fibers of a context wait for what only they can move; "
                           "it is cancelled"),
                    top->site, top);
    weir__log_int(&l, "fibers", (int64_t)fibers);
    weir__log_end(&l);
}

/* How many fibers, and what each of the first ones waits for. */
static size_t tell(struct weir__ctx *top, bool is_told)
{
    size_t fibers = 0;
    for (struct weir__ctx *c = top; c != NULL; c = weir__ctx_next_below(top, c)) {
        WEIR_LIST_EACH(node, &c->waits) {
            if (is_told && fibers < TOLD_MAX)
                tell_fiber(WEIR_CONTAINER(node, struct weir__wait, in_ctx), top);
            fibers++;
        }
    }
    return fibers;
}

static weir_err raise(struct weir__ctx *top, const char *format, ...) WEIR_PRINTF(2, 3);

static weir_err raise(struct weir__ctx *top, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    weir_err err = weir__ctx_raise(top->site, top, WEIR_EDEADLK, 0, format, args);
    va_end(args);
    return err;
}

/* Names of a stack cost milliseconds: of one deadlock a second, the others in a line each. */
static bool is_told_in_full(struct weir__worker *w)
{
    if (!weir__log_wants(WEIR_LOG_ERROR) || w->now.ns < w->deadlock_told_at.ns)
        return false;
    w->deadlock_told_at = weir_time_add(w->now, weir_sec(1));
    return true;
}

static void end_deadlock(struct weir__worker *w, struct weir__ctx *top)
{
    size_t fibers = tell(top, is_told_in_full(w));
    tell_tree(top, fibers);
    weir__count(&w->stats.deadlocks, 1);
    weir__ctx_cancel(top, WEIR_REASON_DEADLOCK);
    (void)raise(top, "deadlock: all %zu fibers wait for what only they can move", fibers);
}

/* --- the search --------------------------------------------------------------------------- */

/* A tree is looked at when its first fiber is met, which must be stuck as all others. */
static void look_at(struct weir__worker *w, const struct weir__fiber *f)
{
    if (f->state != WEIR__FIBER_PARKED || f->is_hibernating || f->ctx == NULL || f->wait == NULL ||
        f->wait->type->is_stuck == NULL)
        return;
    struct weir__ctx *top = f->ctx->top;
    if (top != NULL && top->opener == f && is_watched(top, f) && is_dead(top))
        end_deadlock(w, top);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void arm(struct weir__worker *w, int64_t ns)
{
    weir__timer_arm(&w->wheel, &w->deadlock, weir_time_add(w->now, weir_ns(ns)));
}

void weir__deadlock_plan(struct weir__worker *w)
{
    if (weir__timer_armed(&w->deadlock) || load(&w->stats.switches) == w->deadlock_switches ||
        load(&w->stats.fibers_parked) == load(&w->stats.fibers_hibernating))
        return;
    arm(w, REST_NS + (int64_t)load(&w->stats.fibers) * REST_EACH_NS);
}

void weir__deadlock_search(struct weir__worker *w)
{
    if (w->deadlock_at == NULL) {
        w->deadlock_at = w->fibers.next;
        w->deadlock_switches = load(&w->stats.switches);
    }
    for (int i = 0; i < SCAN_MAX && w->deadlock_at != &w->fibers; i++) {
        struct weir__fiber *f = WEIR_CONTAINER(w->deadlock_at, struct weir__fiber, in_all);
        w->deadlock_at = f->in_all.next;
        look_at(w, f);
    }
    if (w->deadlock_at != &w->fibers)
        arm(w, BETWEEN_NS);
    else
        w->deadlock_at = NULL;
}
