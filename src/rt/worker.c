/*
 * The worker's loop: what is ready runs, then messages, then the poller waits for events or the
 * next timer. After BURST turns of ready fibers the poller is asked again, so that a storm of
 * wake-ups cannot starve the network; unless they were so short that it has just been asked.
 *
 * The hard thing is to sleep without missing a wake-up: the worker says that it sleeps, then looks
 * at its inbox once more; who fills the inbox looks at that flag afterwards. Those four accesses
 * are sequentially consistent, so that one of the two sees the other.
 */
#include "rt/worker.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/cells.h"
#include "rt/alarm.h"
#include "rt/exception.h"
#include "rt/hibernate.h"
#include "rt/io.h"
#include "rt/runtime.h"
#include "rt/switch.h"
#include "rt/watch.h"

#define BURST 64
#define SLEPT_TICKS 50000  /* of a poll: more than the system call takes that finds events */
#define LATE_TICKS 3000000 /* under 2 ms from 1.5 GHz on; the clock decides */
#define AGAIN_TICKS 100000

_Thread_local struct weir__worker *weir__self;

weir_time weir__worker_now(struct weir__worker *w)
{
    w->now = weir__poller_now(&w->poller);
    return w->now;
}

weir_dur weir__worker_lateness(struct weir__worker *w)
{
    return weir_time_sub(weir__poller_now(&w->poller), w->events_since);
}

void weir__worker_look_later(struct weir__worker *w)
{
    w->late_after_ticks = weir__ticks() + AGAIN_TICKS;
}

void weir__worker_wake(struct weir__worker *w)
{
    if (atomic_load(&w->is_sleeping))
        w->poller.ops->wake(&w->poller);
}

void weir__post(struct weir__worker *w, struct weir__task *t)
{
    WEIR_ASSERT(t->run != NULL, "M1: a message says what is to be done");
    weir__hands_over(t);
    t->next = atomic_load_explicit(&w->inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&w->inbox, &t->next, t))
        ;
    weir__worker_wake(w);
}

/* Both inboxes are stacks, newest first; taken whole and turned round they are queues. */
static void take_woken(struct weir__worker *w)
{
    struct weir__fiber *f = atomic_exchange_explicit(&w->inbox_fibers, NULL, memory_order_acquire);
    struct weir__fiber *oldest = NULL;
    uint64_t count = 0;
    for (struct weir__fiber *next; f != NULL; f = next, count++) {
        next = f->inbox_next;
        f->inbox_next = oldest;
        oldest = f;
    }
    uint64_t woken = atomic_fetch_sub_explicit(&w->inbox_woken, count, memory_order_relaxed);
    WEIR_ASSERT(woken >= count, "W1: a wake is counted before it arrives");
    for (; oldest != NULL; oldest = oldest->inbox_next) {
        WEIR_ASSERT(oldest->worker == w, "W1: a wake arrives where its fiber is");
        weir__takes_over(oldest);
        weir__fiber_ready(oldest);
    }
}

static void take_tasks(struct weir__worker *w)
{
    struct weir__task *t = atomic_exchange_explicit(&w->inbox, NULL, memory_order_acquire);
    struct weir__task *oldest = NULL;
    WEIR_ASSERT(w->current == NULL, "M1: messages are handed out on the worker's own stack");
    while (t != NULL) {
        struct weir__task *next = t->next;
        t->next = oldest;
        oldest = t;
        t = next;
    }
    while (oldest != NULL) {
        t = oldest;
        oldest = t->next;
        weir__takes_over(t);
        t->run(t);
    }
}

static bool inbox_is_empty(struct weir__worker *w)
{
    return atomic_load(&w->inbox) == NULL && atomic_load(&w->inbox_fibers) == NULL;
}

static void take_inbox(struct weir__worker *w)
{
    if (atomic_load_explicit(&w->inbox_fibers, memory_order_relaxed) != NULL)
        take_woken(w);
    if (atomic_load_explicit(&w->inbox, memory_order_relaxed) != NULL)
        take_tasks(w);
}

/*
 * Between a poll, which began at `began_ticks` and ended `now`, and the first event. Events that
 * are there without a wait may be as old as the end of the poll before. The worker is awake from
 * here on: it looks into its inbox before it sleeps again.
 */
static void note_poll(struct weir__worker *w, weir_time now, uint64_t began_ticks)
{
    uint64_t ticks = weir__ticks();
    bool has_slept = ticks - began_ticks > SLEPT_TICKS;
    WEIR_ASSERT(now.ns >= w->polled_at.ns, "T4: a worker's clock does not go back");
    atomic_store_explicit(&w->is_sleeping, false, memory_order_relaxed);
    w->events_since = has_slept ? now : w->polled_at;
    w->late_after_ticks = (has_slept ? ticks : w->polled_ticks) + LATE_TICKS;
    w->now = w->polled_at = now;
    w->polled_ticks = ticks;
}

/* Those that ask again meanwhile are done by the next turn, which comes without a sleep. */
static void end_turn(struct weir__worker *w)
{
    struct weir__list due, *node;
    weir__list_init(&due);
    weir__list_splice_back(&due, &w->turn_ends);
    while ((node = weir__list_pop_front(&due)) != NULL) {
        struct weir__turn_end *t = WEIR_CONTAINER(node, struct weir__turn_end, in_turn);
        t->run(t);
    }
}

void weir__turn_end_init(struct weir__turn_end *t, void (*run)(struct weir__turn_end *t))
{
    WEIR_ASSERT(run != NULL, "E4: at the end of a turn something is done");
    weir__list_init(&t->in_turn);
    t->run = run;
}

static void hand_out(struct weir__poller *p)
{
    while (p->event_at < p->event_count) {
        struct weir__event e = p->events[p->event_at++];
        if (e.fd != NULL)
            weir__fd_dispatch(e.fd, e.ready);
    }
    p->event_at = p->event_count = 0;
}

static void poll(struct weir__worker *w)
{
    weir__hibernate_plan(w);
    if (weir__watch != NULL)
        weir__watch->plan(w);
    bool is_idle = weir__list_empty(&w->ready) && weir__list_empty(&w->turn_ends);
    weir_time until = is_idle ? weir__wheel_next(&w->wheel) : w->now;
    /* What is left is counted from the clock, which stood while fibers ran. */
    if (until.ns > w->now.ns && weir__ticks() - w->polled_ticks >= w->poller.ops->fresh_ticks)
        (void)weir__worker_now(w);
    atomic_store(&w->is_sleeping, true);
    if (!inbox_is_empty(w))
        until = w->now;
    weir__count(&w->stats.polls, 1);
    uint64_t began = weir__ticks();
    note_poll(w, w->poller.ops->poll(&w->poller, w->now, until), began);
    hand_out(&w->poller);
}

static bool is_poll_due(const struct weir__worker *w)
{
    return weir__ticks() - w->polled_ticks >= w->poller.ops->gap_ticks;
}

/* One turn; inlined where a worker lives, since an idle request takes several. */
static inline __attribute__((always_inline)) bool turn(struct weir__worker *w)
{
    WEIR_ASSERT(w->current == NULL, "M1: a worker's turn is on its own stack");
    take_inbox(w);
    do {
        w->burst = BURST;
        while (w->burst > 0 && weir__fiber_run_ready(w))
            ;
    } while (w->burst == 0 && !is_poll_due(w));
    w->burst = 0; /* call-backs of the poller start fibers, and want to be returned to */
    if (WEIR_UNLIKELY(!weir__list_empty(&w->turn_ends)))
        end_turn(w);
    if (w->is_stopping && weir__list_empty(&w->fibers) && inbox_is_empty(w))
        return false;
    poll(w);
    weir__wheel_advance(&w->wheel, w->now);
    return true;
}

bool weir__worker_turn(struct weir__worker *w)
{
    return turn(w);
}

void weir__worker_loop(struct weir__worker *w)
{
    while (turn(w))
        ;
}

/* Armed by who watches. */
static void on_search(struct weir__timer *t)
{
    WEIR_ASSERT(weir__watch != NULL, "E5: who watches has armed the search");
    weir__watch->search(WEIR_CONTAINER(t, struct weir__worker, deadlock));
}

struct weir__worker *weir__worker_new(struct weir__runtime *rt, unsigned index)
{
    WEIR_ASSERT(index < rt->worker_count, "E2: a worker is one of those that there are");
    struct weir__worker *w = weir__memalign(64, sizeof *w);
    if (w == NULL)
        return NULL;
    *w = (struct weir__worker){.runtime = rt, .index = index, .poller.ops = rt->options.poller};
    w->next_ctx_seq = (uint64_t)index << 48; /* 2^48 contexts are more than a worker will see */
    weir__list_init(&w->ready);
    weir__list_init(&w->fibers);
    weir__list_init(&w->free_fibers);
    weir__list_init(&w->turn_ends);
    w->root = weir__ctx_new_top(w, rt->app, rt->options.request_memory_max);
    if (w->root != NULL)
        w->root->fibers_max = UINT32_MAX;
    if (w->root == NULL || w->poller.ops->init(&w->poller) < 0 || !weir__fiber_keep_last(w)) {
        weir__worker_free(w);
        return NULL;
    }
    w->now = w->polled_at = w->events_since = weir__poller_now(&w->poller);
    w->polled_ticks = weir__ticks();
    weir__wheel_init(&w->wheel, w->now);
    weir__timer_init(&w->trim, weir__fiber_on_trim);
    weir__timer_init(&w->sweep, weir__hibernate_on_sweep);
    weir__timer_init(&w->deadlock, on_search);
    w->fiber_share = rt->options.fibers_max / rt->worker_count;
    return w;
}

/* For the sanitizers: to go back to it. */
static void note_own_stack(struct weir__worker *w)
{
    pthread_attr_t attr;
    if (!weir__has_asan() || pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    (void)pthread_attr_getstack(&attr, &w->asan_stack, &w->asan_stack_size);
    pthread_attr_destroy(&attr);
}

void weir__worker_enter(struct weir__worker *w)
{
    note_own_stack(w);
    weir__cells_enter();
    weir__self = w;
    w->cxx = weir__exception_state();
    atomic_store_explicit(&w->tid, gettid(), memory_order_relaxed);
    if (weir__has_tsan())
        w->tsan_fiber = __tsan_get_current_fiber();
}

void weir__worker_leave(struct weir__worker *w)
{
    WEIR_ASSERT(weir__list_empty(&w->fibers), "F1: a worker ends without fibers");
    WEIR_ASSERT(weir__list_empty(&w->turn_ends), "E4: nothing is left to do at a turn's end");
    WEIR_ASSERT(weir__self == w && inbox_is_empty(w),
                "M2: a worker's thread ends it, with no mail");
    weir__timer_disarm(&w->trim);
    weir__timer_disarm(&w->sweep);
    weir__timer_disarm(&w->deadlock);
    weir__fiber_trim(w);
    weir__ctx_drain_free(w);
    weir__alarms_free(w);
    weir__arena_trim();
    weir__cells_leave();
    weir__self = NULL;
}

void weir__worker_free(struct weir__worker *w)
{
    if (w == NULL)
        return;
    WEIR_ASSERT(weir__self != w, "M2: who is freed has been left");
    weir__fiber_drop_last(w);
    if (w->poller.state != NULL)
        w->poller.ops->fini(&w->poller);
    weir__free(w);
}
