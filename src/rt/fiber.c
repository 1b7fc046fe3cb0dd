/*
 * Fibers: birth, switching, end. A fiber that has ended keeps its stack and waits in its main loop
 * on the worker's free list, newest first, so the next one starts on warm pages with nothing to set
 * up. What a burst has left there goes back to the machine some seconds later.
 *
 * The hard thing: code that runs on a fiber's stack must never be reached with the worker in
 * another state than "f is current". All four switches are in resume() and leave().
 */
#include "rt/fiber.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "os/stack.h"
#include "os/sys.h"
#include "rt/hibernate.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/switch.h"
#include "rt/try.h"

#define TRIM_BATCH 64        /* that go back in one turn: some 50 µs */
#define TRIM_STEP_NS 1000000 /* until the next ones do */
#define FREE_KEEP 128        /* idle fibers a worker keeps for ever: at most 2 MiB of warm pages */
#define TRIM_SECONDS 5
#define SLAB_BYTES (64u << 10)
#define COLORS 16 /* where stacks begin in their slots: else all would share a few cache sets */
#define COLOR_BYTES ((size_t)192)

static pthread_mutex_t slab_lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir__fiber *slab_free; /* weir__fiber.inbox_next */

void weir__fiber_enter(void);

/* --- memory of fibers --------------------------------------------------------------------- */

static bool add_slab(void)
{
    struct weir__fiber *slab =
        weir__sys_mmap(SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (slab == NULL)
        return false;
    for (size_t i = SLAB_BYTES / sizeof *slab; i-- > 0;) {
        slab[i].inbox_next = slab_free;
        slab_free = &slab[i];
    }
    return true;
}

static struct weir__fiber *take_struct(void)
{
    pthread_mutex_lock(&slab_lock);
    struct weir__fiber *f = slab_free != NULL || add_slab() ? slab_free : NULL;
    if (f != NULL)
        slab_free = f->inbox_next;
    pthread_mutex_unlock(&slab_lock);
    WEIR_ASSERT((uintptr_t)f % 64 == 0, "F5: workers share no cache line of fibers");
    return f;
}

static void give_struct(struct weir__fiber *f)
{
    pthread_mutex_lock(&slab_lock);
    f->inbox_next = slab_free;
    slab_free = f;
    pthread_mutex_unlock(&slab_lock);
}

struct weir__stack weir__fiber_slot(const struct weir__fiber *f)
{
    struct weir__stack s = {.lo = f->stack_lo,
                            .hi = f->stack_lo + (WEIR__STACK_SLOT - WEIR__STACK_GUARD),
                            .has_canary = f->has_canary,
                            .slot = f->slot};
    return s;
}

/* Builds a fiber that will begin in weir__fiber_enter. */
static struct weir__fiber *create(struct weir__worker *w)
{
    struct weir__stack s;
    struct weir__fiber *f = take_struct();
    if (f == NULL)
        return NULL;
    if (!weir__stack_take(&s)) {
        give_struct(f);
        return NULL;
    }
    size_t color = w->next_color++ % COLORS * COLOR_BYTES;
    *f = (struct weir__fiber){.worker = w,
                              .stack_lo = s.lo,
                              .stack_hi = s.hi - color,
                              .has_canary = s.has_canary,
                              .slot = s.slot};
    weir__list_init(&f->in_run);
    weir__list_init(&f->in_all);
    weir__list_init(&f->opened);
    WEIR_ASSERT((uintptr_t)f->stack_hi % 16 == 0, "F4: a stack begins where calls expect it to");
    f->sp = weir__switch_begin(f->stack_hi, weir__fiber_enter);
    if (weir__has_tsan())
        f->tsan_fiber = __tsan_create_fiber(0);
    return f;
}

/* The struct goes; returns the stack, which the caller gives back. */
static struct weir__stack destroy(struct weir__fiber *f)
{
    WEIR_ASSERT(f->state == WEIR__FIBER_FREE && f->frozen == NULL,
                "F1: only a free fiber's stack goes back");
    if (weir__has_tsan())
        __tsan_destroy_fiber(f->tsan_fiber);
    if (weir__has_asan())
        __asan_unpoison_memory_region(f->stack_lo, (size_t)(f->stack_hi - f->stack_lo));
    struct weir__stack s = weir__fiber_slot(f);
    give_struct(f);
    return s;
}

uint64_t weir__fiber_total(const struct weir__runtime *rt)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < rt->worker_count; i++)
        sum += atomic_load_explicit(&rt->workers[i]->stats.fibers, memory_order_relaxed);
    return sum;
}

/*
 * Within its share of the process' maximum a worker looks at nobody else's counter; beyond that it
 * adds them up. No counter is written by two workers.
 */
static bool is_over_limit(struct weir__worker *w)
{
    const struct weir__runtime *rt = w->runtime;
    uint64_t own = atomic_load_explicit(&w->stats.fibers, memory_order_relaxed);
    return WEIR_UNLIKELY(own >= w->fiber_share) && weir__fiber_total(rt) >= rt->options.fibers_max;
}

/* An idle one, or a new one. */
static inline struct weir__fiber *take_idle(struct weir__worker *w)
{
    struct weir__list *node = weir__list_pop_front(&w->free_fibers);
    if (WEIR_UNLIKELY(node == NULL))
        return create(w);
    WEIR_ASSERT(w->free_fiber_count > 0, "F1: as many are on the free list as are counted");
    if (--w->free_fiber_count < w->free_fiber_low)
        w->free_fiber_low = w->free_fiber_count;
    return WEIR_CONTAINER(node, struct weir__fiber, in_run);
}

/* It lives from here on. */
static inline void begin(struct weir__worker *w, struct weir__fiber *f, weir__fiber_main main,
                         void *arg, const char *name, struct weir__ctx *ctx)
{
    WEIR_ASSERT(f->state == WEIR__FIBER_FREE, "F1: who begins was free");
    f->main = main;
    f->arg = arg;
    f->name = name;
    f->site = NULL;
    f->ctx = ctx;
    f->wait = NULL;
    f->before_park = NULL;
    f->is_shared = false;
    f->refused = 0;
    f->panicked = weir__panic_log;
    f->id = ++w->next_fiber_id;
    f->since = w->now;
    weir__list_push_back(&w->fibers, &f->in_all);
    weir__count(&w->stats.fibers, 1);
    weir__count(&w->stats.fibers_started, 1);
}

static inline struct weir__fiber *take(struct weir__worker *w, weir__fiber_main main, void *arg,
                                       const char *name, struct weir__ctx *ctx)
{
    struct weir__fiber *f = is_over_limit(w) ? NULL : take_idle(w);
    if (f != NULL)
        begin(w, f, main, arg, name, ctx);
    return f;
}

/* The ready fiber whose turn it is, off the queue; NULL: none is. */
static inline struct weir__fiber *next_ready(struct weir__worker *w)
{
    struct weir__fiber *f = NULL;
    if (WEIR_UNLIKELY(w->choose != NULL)) {
        if (!weir__list_empty(&w->ready))
            f = w->choose(w);
    } else {
        struct weir__list *first = weir__list_pop_front(&w->ready);
        if (first != NULL)
            f = WEIR_CONTAINER(first, struct weir__fiber, in_run);
    }
    WEIR_ASSERT(f == NULL || f->state == WEIR__FIBER_READY, "F1: a queued fiber is ready");
    return f;
}

/* Exceptions are the fiber's, whose catch blocks may wait, and not the thread's. */
static inline void leave_exceptions(const struct weir__worker *w, struct weir__fiber *f)
{
    struct weir__cxx *now = w->cxx;
    if (WEIR_LIKELY(now == NULL || (now->handled == NULL && now->thrown == 0)))
        return;
    WEIR_ASSERT(!f->has_cxx, "F3: what C++ keeps is with the thread while its fiber runs");
    f->cxx = *now;
    f->has_cxx = true;
    *now = (struct weir__cxx){NULL, 0};
}

static inline void make_current(struct weir__worker *w, struct weir__fiber *f)
{
    if (WEIR_UNLIKELY(f->has_cxx)) {
        WEIR_ASSERT(w->cxx->handled == NULL, "F3: the thread has nobody's before it has a fiber's");
        *w->cxx = f->cxx;
        f->has_cxx = false;
    }
    if (WEIR_UNLIKELY(f->frozen != NULL))
        weir__hibernate_end(f);
    WEIR_ASSERT(f->worker == w, "F1: a fiber runs on its worker");
    w->current = f;
    f->state = WEIR__FIBER_RUNNING;
    weir__count(&w->stats.switches, 1);
    atomic_store_explicit(&w->stats.busy_since_ns, w->now.ns, memory_order_relaxed);
}

/*
 * Runs `f`, and those that follow it directly, until one gives the worker back; returns that one.
 * On the worker's own stack.
 */
static inline struct weir__fiber *resume(struct weir__worker *w, struct weir__fiber *f)
{
    WEIR_ASSERT(w->current == NULL, "F1: one fiber at a time");
    make_current(w, f);
    weir__switch_to_fiber(w, f);
    f = w->current;
    atomic_store_explicit(&w->stats.busy_since_ns, 0, memory_order_relaxed);
    w->current = NULL;
    return f;
}

/*
 * A stack without a guard is looked at whenever its fiber gives the worker away: what lies below it
 * may be broken, so this ends the process, whose last words are who that was (fault.h).
 */
static __attribute__((noinline, cold)) void check_canary(const struct weir__fiber *f)
{
    struct weir__stack s = weir__fiber_slot(f);
    WEIR_ASSERT(!weir__stack_smashed(&s), "F2: a fiber's stack has overflown");
}

static inline void look_at_stack(const struct weir__fiber *f)
{
    if (WEIR_UNLIKELY(f->has_canary))
        check_canary(f);
}

/*
 * The other half. The caller has set the state of `f`. When another fiber is ready and the burst is
 * not used up, it follows at once, without the detour over the worker's stack; else the worker has
 * its turn.
 */
static inline void leave(struct weir__worker *w, struct weir__fiber *f)
{
    WEIR_ASSERT(f->state != WEIR__FIBER_RUNNING,
                "F1: who gives its worker away is ready, or waits");
    look_at_stack(f);
    leave_exceptions(w, f);
    struct weir__fiber *next = w->burst > 0 ? next_ready(w) : NULL;
    if (next == NULL) {
        weir__switch_to_worker(w, f);
        return;
    }
    w->burst--;
    make_current(w, next);
    if (next != f)
        weir__switch_between(f, next);
}

static void call_main(void *fiber)
{
    struct weir__fiber *f = fiber;
    f->main(f->arg);
}

/* Not a part of every fiber's first frame, which is kept while it hibernates. */
static __attribute__((noinline)) void finish(struct weir__worker *w, struct weir__fiber *f)
{
    if (WEIR_UNLIKELY(w->sweep_at == &f->in_all))
        w->sweep_at = f->in_all.next;
    if (WEIR_UNLIKELY(w->deadlock_at == &f->in_all))
        w->deadlock_at = f->in_all.next;
    look_at_stack(f);
    WEIR_ASSERT(f->state == WEIR__FIBER_RUNNING, "F1: who ends has run");
    weir__list_remove(&f->in_all);
    weir__count(&w->stats.fibers, -1);
    if (WEIR_UNLIKELY(!weir__list_empty(&f->opened)))
        weir__scope_orphan(f);
    f->state = WEIR__FIBER_FREE;
    f->ctx = NULL;
    weir__list_push_front(&w->free_fibers, &f->in_run);
    w->free_fiber_count++;
}

/*
 * A panic that nobody caught on the way ends here. Its record is large: not in every fiber's first
 * frame.
 */
static __attribute__((noinline)) void end_panicked(struct weir__fiber *f)
{
    struct weir__panic_info info;
    WEIR_ASSERT(f->catcher == NULL,
                "P3: a panic at a fiber's start has passed all recovery points");
    weir__panic_last(&info);
    f->panicked(f, &info);
}

/* Every fiber's first frame; each turn of the loop is one fiber's life. */
void weir__fiber_enter(void)
{
    struct weir__worker *w = weir__self;
    struct weir__fiber *f = w->current;
    weir__switch_arrived(f);
    for (;;) {
        if (WEIR_UNLIKELY(!weir__try(call_main, f, NULL)))
            end_panicked(f);
        finish(w, f);
        weir__switch_to_worker(w, f);
    }
}

/* The oldest of the idle ones, at most TRIM_BATCH. On the worker's own stack. */
static void give_oldest(struct weir__worker *w, size_t n)
{
    struct weir__stack stacks[TRIM_BATCH];
    WEIR_ASSERT(n <= TRIM_BATCH && n <= w->free_fiber_count,
                "F1: as many are on the free list as are counted");
    for (size_t i = 0; i < n; i++) {
        struct weir__list *oldest = w->free_fibers.prev;
        WEIR_ASSERT(oldest != &w->free_fibers, "F1: who is counted is on the free list");
        weir__list_remove(oldest);
        stacks[i] = destroy(WEIR_CONTAINER(oldest, struct weir__fiber, in_run));
    }
    w->free_fiber_count -= n;
    weir__stack_give(stacks, n);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void weir__fiber_trim(struct weir__worker *w)
{
    while (w->free_fiber_count > 0)
        give_oldest(w, least(w->free_fiber_count, TRIM_BATCH));
}

void weir__fiber_cool(struct weir__fiber *f)
{
    struct weir__stack s = weir__fiber_slot(f);
    WEIR_ASSERT(f->state != WEIR__FIBER_RUNNING, "F4: pages of who runs are its own");
    if (WEIR_UNLIKELY(WEIR__IS_POISONING || weir__is_watched)) {
        weir__sanitizer_stack_is_over(s.lo, f->sp);
        return; /* frames that are gone lie in bytes that must not be looked at */
    }
    size_t used = weir__stack_cool(&s);
    if (used > f->stack_used_max)
        f->stack_used_max = (uint32_t)used;
}

static void arm_trim(struct weir__worker *w, weir_dur after)
{
    WEIR_ASSERT(!weir__timer_armed(&w->trim), "T3: a timer that fires is not armed any more");
    weir__timer_arm(&w->wheel, &w->trim, weir_time_add(w->now, after));
}

static void after_run(struct weir__worker *w, struct weir__fiber *f)
{
    if (f->state != WEIR__FIBER_FREE)
        return;
    WEIR_ASSERT(f->frozen == NULL, "H1: who has ended does not hibernate");
    weir__fiber_cool(f);
    if (WEIR_UNLIKELY(w->free_fiber_count > FREE_KEEP && !weir__timer_armed(&w->trim)))
        arm_trim(w, weir_sec(TRIM_SECONDS));
}

/*
 * Once in a while half of the fibers that nobody has needed since the last time go back, so that a
 * burst is served from warm stacks and its memory returns some seconds after it. Some in one turn:
 * the pages of many cost time, and others are waiting for theirs.
 */
void weir__fiber_on_trim(struct weir__timer *t)
{
    struct weir__worker *w = WEIR_CONTAINER(t, struct weir__worker, trim);
    WEIR_ASSERT(w->free_fiber_low <= w->free_fiber_count,
                "F1: the fewest that were free are no more");
    if (w->trim_left == 0 && w->free_fiber_low > FREE_KEEP / 2)
        w->trim_left = w->free_fiber_low / 2;
    size_t n = least(least(w->trim_left, TRIM_BATCH), w->free_fiber_low);
    give_oldest(w, n);
    w->free_fiber_low -= n;
    w->trim_left = n == TRIM_BATCH ? w->trim_left - n : 0;
    if (w->trim_left > 0) {
        arm_trim(w, weir_ns(TRIM_STEP_NS));
        return;
    }
    w->free_fiber_low = w->free_fiber_count;
    if (w->free_fiber_count > FREE_KEEP)
        arm_trim(w, weir_sec(TRIM_SECONDS));
}

bool weir__fiber_keep_last(struct weir__worker *w)
{
    WEIR_ASSERT(w->last_fiber == NULL, "E1: one fiber is kept for the end");
    w->last_fiber = create(w);
    return w->last_fiber != NULL;
}

void weir__fiber_drop_last(struct weir__worker *w)
{
    if (w->last_fiber != NULL) {
        struct weir__stack s = destroy(w->last_fiber);
        weir__stack_give(&s, 1);
    }
    w->last_fiber = NULL;
}

void weir__fiber_start_last(struct weir__worker *w, weir__fiber_main main, void *arg,
                            const char *name, struct weir__ctx *ctx)
{
    struct weir__fiber *f = w->last_fiber;
    WEIR_ASSERT(f != NULL, "E1: a worker ends once");
    w->last_fiber = NULL;
    begin(w, f, main, arg, name, ctx);
    f->state = WEIR__FIBER_READY;
    weir__list_push_back(&w->ready, &f->in_run);
}

struct weir__fiber *weir__fiber_start(struct weir__worker *w, weir__fiber_main main, void *arg,
                                      const char *name, const weir_site *site,
                                      struct weir__ctx *ctx)
{
    WEIR_ASSERT(w == weir__self, "F1: a worker alone starts its fibers");
    struct weir__fiber *f = take(w, main, arg, name, ctx);
    if (f == NULL)
        return NULL;
    f->site = site;
    f->state = WEIR__FIBER_READY;
    weir__list_push_back(&w->ready, &f->in_run);
    return f;
}

bool weir__fiber_run_now(struct weir__worker *w, weir__fiber_main main, void *arg, const char *name,
                         struct weir__ctx *ctx)
{
    struct weir__fiber *f = take(w, main, arg, name, ctx);
    if (f == NULL)
        return false;
    after_run(w, resume(w, f));
    return true;
}

bool weir__fiber_run_ready(struct weir__worker *w)
{
    struct weir__fiber *f = next_ready(w);
    if (f == NULL)
        return false;
    w->burst -= w->burst > 0;
    after_run(w, resume(w, f));
    return true;
}

struct weir__fiber *weir__fiber_self(void)
{
    return weir__self != NULL ? weir__self->current : NULL;
}

void weir__fiber_yield(void)
{
    struct weir__worker *w = weir__self;
    struct weir__fiber *f = w->current;
    int saved_errno = errno;
    WEIR_ASSERT(f->state == WEIR__FIBER_RUNNING, "F1: who gives its turn away has it");
    weir__scope_check(f);
    if (f->before_park != NULL)
        f->before_park(f);
    f->state = WEIR__FIBER_READY;
    weir__list_push_back(&w->ready, &f->in_run);
    leave(w, f);
    errno = saved_errno;
}

/*
 * The other end of weir__fiber_ready: the fiber gives its worker back until somebody makes it
 * ready.
 */
void weir__fiber_park(struct weir__wait *wait)
{
    struct weir__worker *w = weir__self;
    struct weir__fiber *f = w->current;
    int saved_errno = errno;
    WEIR_ASSERT(f->state == WEIR__FIBER_RUNNING && f->wait == NULL, "F1: who parks has run");
    f->state = WEIR__FIBER_PARKED;
    f->wait = wait;
    f->since = w->now;
    weir__count(&w->stats.fibers_parked, 1);
    leave(w, f);
    f->wait = NULL;
    errno = saved_errno;
}

void weir__fiber_ready(struct weir__fiber *f)
{
    struct weir__worker *w = f->worker;
    if (w == weir__self) {
        WEIR_ASSERT(f->state == WEIR__FIBER_PARKED, "F1: only a parked fiber becomes ready");
        f->state = WEIR__FIBER_READY;
        weir__count(&w->stats.fibers_parked, -1);
        weir__list_push_back(&w->ready, &f->in_run);
        return;
    }
    atomic_fetch_add_explicit(&w->inbox_woken, 1, memory_order_relaxed);
    weir__hands_over(f);
    f->inbox_next = atomic_load_explicit(&w->inbox_fibers, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&w->inbox_fibers, &f->inbox_next, f))
        ;
    weir__worker_wake(w);
}

/* --- looking at stacks -------------------------------------------------------------------- */

/* Where frames lie, and how far from there they are read: a hibernating fiber's are in a copy. */
struct frames {
    const char *lo, *hi;
    ptrdiff_t shift;
};

static void *const *read_at(const struct frames *in, void *const *fp)
{
    return (void *const *)(const void *)((const char *)fp + in->shift);
}

/* Follows saved frame pointers from `fp` while they lie in the frames and grow. */
static size_t walk(void *const *fp, const struct frames *in, void **pcs, size_t max)
{
    size_t n = 0;
    while (n < max && (const char *)fp >= in->lo && (const char *)(fp + 2) <= in->hi &&
           (uintptr_t)fp % sizeof(void *) == 0) {
        void *const *frame = read_at(in, fp);
        void *const *next = (void *const *)frame[0];
        if (frame[1] == NULL)
            break;
        pcs[n++] = frame[1];
        if (next <= fp)
            break;
        fp = next;
    }
    return n;
}

size_t weir__stack_walk(const struct weir__fiber *f, void *const *fp, void **pcs, size_t max)
{
    return walk(fp, &(struct frames){f->stack_lo, f->stack_hi, 0}, pcs, max);
}

size_t weir__stack_capture(void **pcs, size_t max)
{
    struct weir__fiber *f = weir__fiber_self();
    if (f == NULL)
        return 0;
    return weir__stack_walk(f, __builtin_frame_address(0), pcs, max);
}

struct weir__ctx *weir__fiber_outermost(const struct weir__fiber *f)
{
    struct weir__ctx *c = f->ctx;
    const struct weir__ctx *root = f->worker->root;
    if (c == NULL || c == root || weir__ctx_is_shared(c))
        return NULL;
    WEIR_ASSERT(c->worker == f->worker, "C2: a fiber works in contexts of its worker");
    while (!c->is_fiber && c->parent != NULL && c->parent != root &&
           !weir__ctx_is_shared(c->parent))
        c = c->parent;
    return c;
}

struct weir__ctx *weir__fiber_waits_in(struct weir__ctx *owner)
{
    struct weir__ctx *own = weir__self->current->ctx;
    const struct weir__ctx *c = own;
    while (c != NULL && c != owner)
        c = c->parent;
    return c != NULL ? own : owner;
}

size_t weir__fiber_stack(const struct weir__fiber *f, void **pcs, size_t max)
{
    if (f->state == WEIR__FIBER_RUNNING || f->state == WEIR__FIBER_FREE)
        return 0;
    const char *live = f->sp;
    WEIR_ASSERT(live >= f->stack_lo && live < f->stack_hi,
                "F4: who does not run has its stack pointer in its stack");
    struct frames in = {live, f->stack_hi, f->frozen != NULL ? f->frozen - live : 0};
    void *const *sp = read_at(&in, f->sp);
    if (max == 0)
        return 0;
    pcs[0] = sp[WEIR__SWITCH_PC];
    return 1 + walk((void *const *)sp[WEIR__SWITCH_FP], &in, pcs + 1, max - 1);
}
