/*
 * Hibernating fibers: who may, how, and the way back. A worker lets its own fibers hibernate, from
 * a timer that is armed only while there is something to look at: when a sweep has met nobody who
 * could hibernate later, none follows until a fiber has run. So a service at rest sleeps, and the
 * simulation can see that nothing will ever happen again.
 *
 * The hard thing is to keep each address valid (hibernate.h). Fibers of the same worker, and the
 * runtime on it, may reach into a parked fiber's stack at any time: the fault handler serves them.
 * A thread of another kind may not while the copy is being made: what it wrote then would be lost.
 *
 * Owns the copies. Limits: stacks with at most WEIR__HIBERNATE_BYTES_MAX live bytes; kernels with
 * guard regions; not under the sanitizers, whose shadow memory of the stack would be lost. A sweep
 * looks at SCAN_MAX fibers a millisecond.
 */
#include "rt/hibernate.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "os/lock.h"
#include "os/stack.h"
#include "os/sys.h"
#include "rt/runtime.h"
#include "rt/switch.h"

#define SCAN_MAX 1024   /* fibers looked at in one go: 50 µs */
#define FREEZE_MAX 64   /* of which so many may begin to hibernate: 200 µs */
#define CONTEXTS_MAX 16 /* of a fiber; one with more is too busy to be worth the search */
#define INTERVAL_MIN_NS 1000000
#define INTERVAL_MAX_NS 2500000000

/* Between the workers and the fault handlers of other threads. */
static struct weir__lock lock;

const char *weir__hibernate_obstacle(void)
{
    if (weir__is_sanitized())
        return "the sanitizers keep notes on each byte of a stack";
    return weir__stack_can_hide() ? NULL : "the kernel has no guard regions";
}

/* --- who may ------------------------------------------------------------------------------ */

static size_t live_bytes(const struct weir__fiber *f)
{
    return (size_t)(f->stack_hi - (const char *)f->sp);
}

static bool is_on_stack(const struct weir__fiber *f, const void *p)
{
    return (const char *)p >= f->stack_lo && (const char *)p < f->stack_hi;
}

/* Fibers that were started in one of its contexts work on arguments which may lie on this stack. */
static bool has_children(const struct weir__fiber *f)
{
    const struct weir__ctx *pending[CONTEXTS_MAX] = {weir__fiber_outermost(f)};
    for (size_t n = pending[0] != NULL; n > 0;) {
        const struct weir__ctx *c = pending[--n];
        if (c->fibers > 0)
            return true;
        for (const struct weir__list *l = c->children.next; l != &c->children; l = l->next) {
            if (n == CONTEXTS_MAX)
                return true;
            pending[n++] = WEIR_CONTAINER(l, const struct weir__ctx, sibling);
        }
    }
    return false;
}

/* Whether its wait is of a kind in which it may hibernate, when that has lasted long enough. */
static bool could_hibernate(const struct weir__fiber *f)
{
    if (f->state != WEIR__FIBER_PARKED || f->frozen != NULL || f->is_shared ||
        live_bytes(f) > WEIR__HIBERNATE_BYTES_MAX)
        return false;
    const struct weir__wait *w = f->wait;
    return w != NULL && w->type->moved != NULL && !is_on_stack(f, w->object) && !has_children(f);
}

/* --- there and back ----------------------------------------------------------------------- */

/* What lies at `p` on the stack of `f`, in the copy. */
static void *in_copy(const struct weir__fiber *f, char *copy, const void *p)
{
    WEIR_ASSERT((const char *)p >= (const char *)f->sp && (const char *)p < f->stack_hi,
                "H1: the copy has what is live of the stack");
    return copy + ((const char *)p - (const char *)f->sp);
}

/*
 * `to`, a copy of the record `from`, becomes the one that is known to the context, the wheel and
 * the dump.
 */
static void move_record(struct weir__fiber *f, struct weir__wait *from, struct weir__wait *to)
{
    WEIR_ASSERT(f->wait == from, "H1: one record of a wait is known at a time");
    weir__list_replace(&from->in_ctx, &to->in_ctx);
    weir__list_replace(&from->timer.link, &to->timer.link);
    weir__list_init(&to->in_object);
    to->result = from->result;
    f->wait = to;
}

/* False: the kernel will not have it; what was on the stack may be lost. */
static bool hide(struct weir__fiber *f, char *copy)
{
    struct weir__stack s = weir__fiber_slot(f);
    weir__lock_take(&lock);
    bool is_hidden = weir__stack_hide(&s, f);
    if (is_hidden) {
        WEIR_ASSERT(f->frozen == NULL, "H1: a stack has one copy");
        f->frozen = copy;
        f->is_shown = false;
    }
    weir__lock_give(&lock);
    return is_hidden;
}

/* `copy` has all bytes of the stack from now on, or nothing has changed. */
static bool move_into(struct weir__fiber *f, char *copy)
{
    size_t live = live_bytes(f);
    WEIR_ASSERT(f->frozen == NULL && is_on_stack(f, f->wait),
                "H1: it is whole, and its wait its own");
    memcpy(copy, f->sp, live);
    struct weir__wait *old = f->wait, *wait = in_copy(f, copy, old);
    move_record(f, old, wait);
    wait->type->moved(wait, old);
    if (hide(f, copy))
        return true;
    memcpy(f->sp, copy, live);
    move_record(f, wait, old);
    old->type->moved(old, wait);
    f->is_shared = true; /* it would not go better next time */
    return false;
}

static bool begin(struct weir__fiber *f)
{
    WEIR_ASSERT(f->state == WEIR__FIBER_PARKED, "H3: only who waits hibernates");
    char *copy = weir__malloc(live_bytes(f));
    if (copy == NULL) {
        f->worker->sweep_again = true;
        return false;
    }
    weir__fiber_cool(f);
    const struct weir__wait_type *type = f->wait->type;
    void *object = f->wait->object;
    bool has_begun = false;
    if (type->hold == NULL || type->hold(f->wait)) {
        has_begun = move_into(f, copy);
        if (type->hold != NULL)
            type->let_go(object);
    }
    if (!has_begun) {
        weir__free(copy);
        return false;
    }
    WEIR_ASSERT(f->frozen == copy && !is_on_stack(f, f->wait),
                "H1: the copy holds the wait's record");
    f->is_hibernating = true;
    weir__count(&f->worker->stats.fibers_hibernating, 1);
    return true;
}

/* The stack has its bytes again. Under the lock. */
static void show(struct weir__fiber *f)
{
    if (f->is_shown)
        return;
    WEIR_ASSERT(f->frozen != NULL, "H1: what is shown was hidden");
    struct weir__stack s = weir__fiber_slot(f);
    weir__stack_show(&s);
    memcpy(f->sp, f->frozen, live_bytes(f));
    f->is_shown = true;
}

static void note_awake(struct weir__fiber *f)
{
    if (!f->is_hibernating)
        return;
    WEIR_ASSERT(f->worker == weir__self, "H3: its worker counts who hibernates");
    f->is_hibernating = false;
    weir__count(&f->worker->stats.fibers_hibernating, -1);
}

void weir__hibernate_end(struct weir__fiber *f)
{
    WEIR_ASSERT(f->worker == weir__self, "H3: its worker has it run again");
    weir__lock_take(&lock);
    show(f);
    char *copy = f->frozen;
    WEIR_ASSERT(copy != NULL && f->is_shown, "H1: who runs again has its stack");
    f->frozen = NULL;
    weir__lock_give(&lock);
    struct weir__wait *old = f->wait;
    WEIR_ASSERT(!is_on_stack(f, old), "H1: the copy holds the wait's record");
    struct weir__wait *wait = (struct weir__wait *)(void *)((char *)f->sp + ((char *)old - copy));
    move_record(f, old, wait);
    if (wait->type->returned != NULL)
        wait->type->returned(wait, old);
    note_awake(f);
    weir__free(copy);
}

/* Shows another fiber's stack if `p` lies in it: not while the lock is held, which that takes. */
static void touch(const void *p)
{
    (void)*(const volatile char *)p;
}

/* Where the bytes are that belong at `p` on the stack of `f`. Under the lock. */
static void *present_place(const struct weir__fiber *f, const void *p)
{
    bool is_away = f->frozen != NULL && !f->is_shown;
    return is_away ? in_copy(f, f->frozen, p) : (void *)(uintptr_t)p;
}

void weir__hibernate_write(struct weir__fiber *f, void *to, const void *from, size_t n)
{
    WEIR_ASSERT((const char *)to >= (const char *)f->sp && is_on_stack(f, to),
                "H2: what is written is a local of a frame that waits");
    WEIR_ASSERT(n <= (size_t)(f->stack_hi - (const char *)to), "H2: a local ends in its stack");
    touch(from);
    weir__lock_take(&lock);
    memcpy(present_place(f, to), from, n);
    weir__lock_give(&lock);
}

void weir__hibernate_read(const struct weir__fiber *f, const void *from, void *to, size_t n)
{
    WEIR_ASSERT((const char *)from >= (const char *)f->sp && is_on_stack(f, from),
                "H2: what is read is a local of a frame that waits");
    WEIR_ASSERT(n <= (size_t)(f->stack_hi - (const char *)from), "H2: a local ends in its stack");
    touch(to);
    weir__lock_take(&lock);
    memcpy(to, present_place(f, from), n);
    weir__lock_give(&lock);
}

bool weir__hibernate_is_local(const struct weir__fiber *f, const void *p)
{
    return is_on_stack(f, p);
}

/* --- others reach into the stack ---------------------------------------------------------- */

static void show_for_others(struct weir__fiber *f)
{
    WEIR_ASSERT(f->frozen != NULL, "H1: who is shown to others has a copy");
    f->is_shared = true;
    show(f);
    if (f->worker == weir__self)
        note_awake(f);
}

bool weir__hibernate_touched(const void *addr)
{
    void *owner;
    if (!weir__stack_has(addr))
        return false;
    weir__lock_take(&lock);
    owner = weir__stack_hidden_owner(addr);
    if (owner != NULL)
        show_for_others(owner);
    weir__lock_give(&lock);
    return true; /* without an owner: it has been shown since */
}

static bool show_all(void)
{
    struct weir__worker *w = weir__self;
    bool any = false;
    if (w == NULL || atomic_load(&w->stats.fibers_hibernating) == 0)
        return false;
    weir__lock_take(&lock);
    WEIR_LIST_EACH(node, &w->fibers) {
        struct weir__fiber *f = WEIR_CONTAINER(node, struct weir__fiber, in_all);
        WEIR_ASSERT(f->worker == w, "H3: a worker has its own fibers shown");
        if (f->frozen == NULL || f->is_shown)
            continue;
        show_for_others(f);
        any = true;
    }
    weir__lock_give(&lock);
    return any;
}

void weir__hibernate_prepare(void)
{
    weir__sys_bring_back = show_all;
}

/* --- the sweep ---------------------------------------------------------------------------- */

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void arm(struct weir__worker *w, int64_t ns)
{
    weir__timer_arm(&w->wheel, &w->sweep, weir_time_add(w->now, weir_ns(ns)));
}

static void arm_next(struct weir__worker *w)
{
    int64_t ns = w->runtime->options.hibernate_after.ns / 4;
    ns = ns < INTERVAL_MIN_NS ? INTERVAL_MIN_NS : ns;
    arm(w, ns > INTERVAL_MAX_NS ? INTERVAL_MAX_NS : ns);
}

void weir__hibernate_plan(struct weir__worker *w)
{
    if (weir__timer_armed(&w->sweep) || load(&w->stats.switches) == w->sweep_switches ||
        load(&w->stats.fibers_parked) == load(&w->stats.fibers_hibernating) ||
        w->runtime->options.hibernate_after.ns < 0 || weir__hibernate_obstacle() != NULL)
        return;
    arm_next(w);
}

/* Returns how many have begun to hibernate: 1 or 0. */
static unsigned look_at(struct weir__worker *w, struct weir__fiber *f)
{
    if (!could_hibernate(f))
        return 0;
    if (w->now.ns - f->since.ns >= w->runtime->options.hibernate_after.ns)
        return begin(f);
    w->sweep_again = true;
    return 0;
}

void weir__hibernate_on_sweep(struct weir__timer *t)
{
    struct weir__worker *w = WEIR_CONTAINER(t, struct weir__worker, sweep);
    WEIR_ASSERT(w == weir__self, "H3: a worker looks at its own fibers");
    if (w->sweep_at == NULL) {
        w->sweep_at = w->fibers.next;
        w->sweep_switches = load(&w->stats.switches);
        w->sweep_again = false;
    }
    unsigned frozen = 0;
    for (int i = 0; i < SCAN_MAX && frozen < FREEZE_MAX && w->sweep_at != &w->fibers; i++) {
        struct weir__fiber *f = WEIR_CONTAINER(w->sweep_at, struct weir__fiber, in_all);
        WEIR_ASSERT(f->worker == w, "H3: a worker lets its own fibers hibernate");
        w->sweep_at = f->in_all.next;
        frozen += look_at(w, f);
    }
    if (w->sweep_at != &w->fibers) {
        arm(w, INTERVAL_MIN_NS);
        return;
    }
    w->sweep_at = NULL;
    if (w->sweep_again)
        arm_next(w);
}
