/*
 * The watchdog: it looks at each worker's count of switches twice in the time that is called a
 * stall. A worker that has run the same fiber ever since is reported, once a stall: route, worker,
 * how long, and the stack at this moment.
 *
 * The first hard thing is not to hurt what it looks at: a signal ends a sleep, and some other
 * calls, before their time. So the kernel is asked first (os/task_state.h), and a worker that is
 * asleep in a system call is reported with its name, and with what can be read from outside.
 *
 * The second is the stack of one that runs. The thread itself must read it: it gets a real-time
 * signal, whose handler writes the return addresses to the one place for answers. For the report it
 * unwinds by the tables, through libraries without frame pointers: a stall is often in one
 * (rt/interrupted.h); for others it follows frame pointers, which is quick. Questions carry a
 * number, and a handler that comes late finds that nobody waits for its number any more, and writes
 * nothing.
 *
 * As it is awake anyway, it has the heap look once a second for what can go back to the kernel.
 *
 * D1: `answer` is written by the handler that has changed its state from ASKED to ANSWERING, by
 * nobody else. Limits: one question at a time a process; a thread that does not take signals (in
 * the kernel, or held by a debugger or by a sanitizer) gives no stack; it is reported without.
 */
#include "watch/watchdog.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/heap.h"
#include "os/arch.h"
#include "os/task_state.h"
#include "os/thread.h"
#include "rt/interrupted.h"
#include "rt/log_stack.h"
#include "rt/runtime.h"
#include "rt/signals.h"
#include "rt/switch.h"

#define DEPTH_MAX 32
#define STACK_BYTES (1u << 20) /* names for the stack are looked up on it */
#define ANSWER_PATIENCE_NS 200000000
#define DECAY_NS 1000000000 /* between two looks of the heap */

/* --- asking a worker for its stack -------------------------------------------------------- */

enum answer_state { NOBODY, ASKED, ANSWERING, ANSWERED };

/* The low two bits are the answer_state, the rest the question's number. */
static _Atomic uint64_t question;

/* What a worker was found to run. */
struct found {
    size_t depth;
    void *pcs[DEPTH_MAX];
    const char *name; /* NULL: no fiber */
    struct weir__origin_copy origin;
};

static struct {
    pthread_mutex_t mutex; /* one asks at a time */
    bool is_installed;
    uint64_t number;
    sem_t answered;
    _Atomic(struct weir__worker *) worker; /* who is asked; read by late handlers too */
    bool wants_names;   /* of a fiber known to have run for long: its context stands still */
    struct found found; /* written by the handler; D1 */
} answer = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* In the handler: all that is read belongs to this very thread. */
static void fill_answer(struct found *out, const struct weir__worker *w, const ucontext_t *u)
{
    const struct weir__fiber *f = w->current;
    out->depth = 0;
    out->name = NULL;
    weir__origin_keep(&out->origin, NULL);
    if (f == NULL)
        return;
    out->depth = weir__interrupted_stack(u, f, !answer.wants_names, out->pcs, DEPTH_MAX);
    out->name = f->name;
    if (answer.wants_names && f->ctx != NULL)
        weir__origin_keep(&out->origin, f->ctx->origin);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    const struct weir__worker *w = weir__self;
    uint64_t asked = atomic_load(&question);
    if (w == NULL || w != atomic_load(&answer.worker) || (asked & 3) != ASKED)
        return;
    uint64_t number = asked & ~(uint64_t)3;
    if (!atomic_compare_exchange_strong(&question, &asked, number | ANSWERING))
        return;
    fill_answer(&answer.found, w, context);
    atomic_store(&question, number | ANSWERED);
    sem_post(&answer.answered);
}

/* Under the mutex. */
static bool install(void)
{
    if (answer.is_installed)
        return true;
    struct sigaction sa = {.sa_sigaction = on_signal,
                           .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigemptyset(&sa.sa_mask);
    weir__interrupted_prepare();
    answer.is_installed =
        sem_init(&answer.answered, 0, 0) == 0 && sigaction(WEIR__WATCHDOG_SIGNAL, &sa, NULL) == 0;
    return answer.is_installed;
}

static struct timespec from_now(weir_dur d)
{
    return weir__timespec(weir_time_add(weir__clock(), d));
}

/*
 * Waits for the answer. When patience ends the question is withdrawn, unless it is just being
 * answered.
 */
static bool await_answer(uint64_t number, weir_dur patience)
{
    struct timespec until = from_now(patience);
    bool is_late = false;
    while (atomic_load(&question) != (number | ANSWERED)) {
        uint64_t asked = number | ASKED;
        if (is_late && atomic_compare_exchange_strong(&question, &asked, number | NOBODY))
            return false;
        if (is_late)
            sem_wait(&answer.answered);
        else
            is_late =
                sem_clockwait(&answer.answered, CLOCK_MONOTONIC, &until) != 0 && errno == ETIMEDOUT;
    }
    return true;
}

/* Asks `w`; true when `out` holds what it runs. From another thread. */
static bool ask(struct weir__worker *w, bool wants_names, weir_dur patience, struct found *out)
{
    bool is_answered = false;
    pthread_mutex_lock(&answer.mutex);
    if (install()) {
        atomic_store(&answer.worker, w);
        answer.wants_names = wants_names;
        answer.number += 4;
        atomic_store(&question, answer.number | ASKED);
        is_answered = pthread_kill(w->thread, WEIR__WATCHDOG_SIGNAL) == 0 &&
                      await_answer(answer.number, patience);
        atomic_store(&question, answer.number | NOBODY);
    }
    if (is_answered)
        *out = answer.found;
    pthread_mutex_unlock(&answer.mutex);
    return is_answered && out->depth > 0;
}

static struct weir__task_state state_of(struct weir__worker *w)
{
    struct weir__task_state state;
    (void)weir__task_look(atomic_load_explicit(&w->tid, memory_order_relaxed), &state);
    return state;
}

size_t weir__worker_running_stack(struct weir__worker *w, void **pcs, size_t max, weir_dur patience)
{
    return state_of(w).is_running ? weir__worker_snapshot_stack(w, pcs, max, patience) : 0;
}

size_t weir__worker_snapshot_stack(struct weir__worker *w, void **pcs, size_t max,
                                   weir_dur patience)
{
    struct found found;
    if (w == weir__self || !ask(w, false, patience, &found))
        return 0;
    size_t n = found.depth < max ? found.depth : max;
    memcpy(pcs, found.pcs, n * sizeof pcs[0]);
    return n;
}

/* --- the dog ------------------------------------------------------------------------------ */

/* What was last seen of a worker. */
struct sight {
    uint64_t switches;
    int64_t since_ns; /* when that count was first seen */
    bool is_reported;
};

struct weir__watchdog {
    struct weir__runtime *runtime;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stop;
    bool is_stopping;   /* under the mutex */
    weir_time decay_at; /* its own */
    struct sight sights[WEIR__WORKERS_MAX];
};

/*
 * What a worker runs that gives no answer. Fibers, contexts and routes are never unmapped; and it
 * counts only if the same fiber has run ever since.
 */
static void look_from_outside(struct weir__worker *w, uint64_t switches, struct found *out)
{
#ifndef WEIR__TSAN
    const struct weir__fiber *f = __atomic_load_n(&w->current, __ATOMIC_ACQUIRE);
    const struct weir__ctx *c = f != NULL ? __atomic_load_n(&f->ctx, __ATOMIC_ACQUIRE) : NULL;
    const struct weir__origin *o = c != NULL ? __atomic_load_n(&c->origin, __ATOMIC_ACQUIRE) : NULL;
    struct found found = {.name = f != NULL ? f->name : NULL};
    if (o != NULL)
        found.origin = (struct weir__origin_copy){.is_set = true, .origin = *o};
    found.origin.origin.request_id = (weir_str){NULL, 0}; /* its bytes may be unmapped */
    weir__load_fence();
    if (atomic_load_explicit(&w->stats.switches, memory_order_relaxed) == switches)
        *out = found;
#else
    (void)w, (void)switches, (void)out;
#endif
}

/* A worker has run one fiber for `ns`, ever since it had switched so many times. */
static void report(struct weir__worker *w, uint64_t switches, int64_t ns)
{
    struct found found = {0};
    struct weir__log_line l;
    struct weir__task_state state = {.call = -1};
    if (weir__log_wants(WEIR_LOG_WARN)) {
        state = state_of(w);
        if (!state.is_running || !ask(w, true, weir_ns(ANSWER_PATIENCE_NS), &found))
            look_from_outside(w, switches, &found);
    }
    weir__count(&w->stats.stalls, 1); /* the fiber may go on */
    weir__log_begin(&l, WEIR_LOG_WARN,
                    state.call >= 0 ? WEIR_S("a fiber waits in the kernel and keeps its worker "
                                             "from all others: use weir_offload, or Weir's own "
                                             "way to wait")
                                    : WEIR_S("a fiber keeps its worker from all others: let it "
                                             "call weir_checkpoint, or use weir_offload"),
                    NULL, NULL);
    weir__log_int(&l, "worker", w->index);
    weir__log_int(&l, "running_ms", ns / 1000000);
    if (state.call >= 0)
        weir__log_str(&l, "in_kernel", weir_str_from(weir__task_call_name(state.call)));
    weir__log_str(&l, "fiber", weir_str_from(found.name));
    weir__log_origin(&l, weir__origin_kept(&found.origin));
    if (found.depth > 0)
        weir__log_stack(&l, weir__symbolise, found.pcs, found.depth, true);
    weir__log_end(&l);
}
/* A worker that has run one fiber ever since the count of switches was first seen. */
static void look_at(struct weir__watchdog *dog, unsigned index)
{
    struct weir__worker *w = dog->runtime->workers[index];
    struct sight *s = &dog->sights[index];
    uint64_t switches = atomic_load_explicit(&w->stats.switches, memory_order_relaxed);
    bool is_busy = atomic_load_explicit(&w->stats.busy_since_ns, memory_order_relaxed) != 0;
    int64_t now = weir__clock().ns;
    if (switches != s->switches || !is_busy) {
        *s = (struct sight){.switches = switches, .since_ns = now};
        return;
    }
    if (s->is_reported || now - s->since_ns < dog->runtime->options.stall.ns)
        return;
    s->is_reported = true;
    report(w, switches, now - s->since_ns);
}

static void let_heap_decay(struct weir__watchdog *dog)
{
    weir_time now = weir__clock();
    if (now.ns < dog->decay_at.ns)
        return;
    weir__heap_decay();
    dog->decay_at = weir_time_add(now, weir_ns(DECAY_NS));
}

static void *watch(void *arg)
{
    struct weir__watchdog *dog = arg;
    weir_dur step = {dog->runtime->options.stall.ns / 2 + 1};
    /* A thread that jemalloc first hears of when there is no memory at all ends by a fault. */
    let_heap_decay(dog);
    pthread_mutex_lock(&dog->mutex);
    while (!dog->is_stopping) {
        struct timespec until = from_now(step);
        pthread_cond_clockwait(&dog->stop, &dog->mutex, CLOCK_MONOTONIC, &until);
        if (dog->is_stopping)
            break;
        pthread_mutex_unlock(&dog->mutex);
        for (unsigned i = 0; i < dog->runtime->worker_count; i++)
            look_at(dog, i);
        let_heap_decay(dog);
        pthread_mutex_lock(&dog->mutex);
    }
    pthread_mutex_unlock(&dog->mutex);
    return NULL;
}

struct weir__watchdog *weir__watchdog_start(struct weir__runtime *rt)
{
    if (rt->options.stall.ns < 0)
        return NULL;
    struct weir__watchdog *dog = weir__calloc(1, sizeof *dog);
    if (dog == NULL)
        return NULL;
    dog->runtime = rt;
    pthread_mutex_init(&dog->mutex, NULL);
    pthread_cond_init(&dog->stop, NULL);
    for (unsigned i = 0; i < rt->worker_count; i++)
        dog->sights[i].since_ns = weir__clock().ns;
    if (weir__thread_start(&dog->thread, WEIR__THREAD_OWN, "weir-watchdog", STACK_BYTES, watch,
                           dog) == WEIR_OK)
        return dog;
    pthread_cond_destroy(&dog->stop);
    pthread_mutex_destroy(&dog->mutex);
    weir__free(dog);
    return NULL;
}

void weir__watchdog_stop(struct weir__watchdog *dog)
{
    if (dog == NULL)
        return;
    pthread_mutex_lock(&dog->mutex);
    dog->is_stopping = true;
    pthread_cond_signal(&dog->stop);
    pthread_mutex_unlock(&dog->mutex);
    pthread_join(dog->thread, NULL);
    pthread_cond_destroy(&dog->stop);
    pthread_mutex_destroy(&dog->mutex);
    weir__free(dog);
}
