/*
 * The process' workers as a whole. The first worker is the thread that calls weir__runtime_run; the
 * others get threads.
 *
 * How it ends: the main fiber returns; every worker's root context is ended in a fiber of that
 * worker (children cancelled, joined); when all workers are done the application's context ends on
 * the first one, so what it owns may still wait for the network; then the loops return.
 */
#include "rt/runtime.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/given.h"
#include "os/cgroup.h"
#include "os/thread.h"
#include "rt/fault.h"
#include "rt/hibernate.h"
#include "rt/log.h"
#include "rt/offload.h"
#include "rt/panic.h"
#include "rt/signals.h"
#include "rt/watch.h"

#define FIBERS_MAX_DEFAULT 1000000
#define DETACHED_MAX_DEFAULT 1000
#define MEMORY_MAX_DEFAULT (64u << 20)
#define APP_MEMORY_MAX SIZE_MAX
#define STALL_NS_DEFAULT 50000000
#define HIBERNATE_NS_DEFAULT 10000000000
#define OFFLOAD_QUEUE_MAX 10000
#define WORKER_STACK (2u << 20) /* not the limit's: that may be 64 KiB, or not fit into memory */

const struct weir__watch *weir__watch;

/* --- making ------------------------------------------------------------------------------- */

static void set_defaults(struct weir__runtime_options *o)
{
    if (o->workers == 0)
        o->workers = weir__cpu_quota();
    if (o->workers + o->extra_workers > WEIR__WORKERS_MAX)
        o->workers = WEIR__WORKERS_MAX - o->extra_workers;
    if (o->fibers_max == 0)
        o->fibers_max = FIBERS_MAX_DEFAULT;
    if (o->detached_max == 0)
        o->detached_max = DETACHED_MAX_DEFAULT;
    if (o->request_memory_max == 0)
        o->request_memory_max = MEMORY_MAX_DEFAULT;
    if (o->stall.ns == 0)
        o->stall = weir_ns(STALL_NS_DEFAULT);
    if (o->hibernate_after.ns == 0)
        o->hibernate_after = weir_ns(HIBERNATE_NS_DEFAULT);
    if (o->poller == NULL)
        o->poller = &weir__poller_epoll;
    if (o->offload_threads == 0)
        o->offload_threads = o->workers * 2 < 4 ? 4 : o->workers * 2;
    WEIR_ASSERT(o->workers > 0 && o->workers + o->extra_workers <= WEIR__WORKERS_MAX,
                "E2: there is a worker, and no more than may be");
}

static void *new_question(const struct weir__runtime *rt);

static weir_err make_parts(struct weir__runtime *rt)
{
    rt->app = weir__ctx_new_top(NULL, NULL, APP_MEMORY_MAX);
    if (rt->app == NULL)
        return -ENOMEM;
    rt->app->runtime = rt;
    rt->offload = weir__offload_pool_new("offload", rt->options.offload_threads, OFFLOAD_QUEUE_MAX);
    if (rt->offload == NULL)
        return -ENOMEM;
    rt->worker_count = rt->options.workers + rt->options.extra_workers;
    rt->spare_question = new_question(rt);
    if (rt->spare_question == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < rt->worker_count; i++) {
        rt->workers[i] = weir__worker_new(rt, i);
        if (rt->workers[i] == NULL)
            return errno != 0 ? -errno : -ENOMEM;
    }
    return WEIR_OK;
}

static void misuse_heard(const char *function, const char *rule)
{
    weir__misuse(function, "%s", rule);
}

struct weir__runtime *weir__runtime_new(const struct weir__runtime_options *options, weir_err *err,
                                        char *message, size_t message_size)
{
    struct weir__runtime *rt = weir__calloc(1, sizeof *rt);
    *err = -ENOMEM;
    if (rt != NULL) {
        rt->options = *options;
        set_defaults(&rt->options);
        weir__lock_init(&rt->app_lock);
        weir__hibernate_prepare();
        *err = make_parts(rt);
    }
    if (*err == WEIR_OK) {
        weir__misused_hear(misuse_heard);
        return rt;
    }
    snprintf(message, message_size, "cannot make %u workers: %s", options->workers,
             weir_strerror(*err));
    weir__runtime_free(rt);
    return NULL;
}

void weir__runtime_free(struct weir__runtime *rt)
{
    if (rt == NULL)
        return;
    WEIR_ASSERT(!atomic_load(&rt->is_spare_in_use),
                "E3: a question is back before its runtime ends");
    weir__misused_hear(NULL);
    weir__offload_pool_free(rt->offload); /* first: its threads still wake workers */
    for (unsigned i = 0; i < rt->worker_count; i++)
        weir__worker_free(rt->workers[i]);
    weir__free(rt->spare_question);
    weir__free(rt);
}

/* --- running ------------------------------------------------------------------------------ */

/* A fiber of each worker: cancels what still runs there, and waits for it. */
static void end_root(void *arg)
{
    struct weir__worker *w = arg;
    struct weir__run *run = w->run;
    WEIR_ASSERT(w == weir__self && !w->root->is_closing, "E1: a worker ends its own root, once");
    weir__ctx_cancel(w->root, WEIR_REASON_SHUTDOWN);
    w->root->is_closing = true;
    weir__ctx_await_children(w->root);
    weir__ctx_release(w->root);
    w->is_stopping = w->index != 0;
    weir__latch_leave(&run->roots);
}

static void start_end_root(struct weir__task *t)
{
    struct weir__worker *w = WEIR_CONTAINER(t, struct weir__worker, end);
    WEIR_ASSERT(w == weir__self, "M1: a message arrives at the worker that it was sent to");
    weir__fiber_start_last(w, end_root, w, "end of the worker", w->root);
}

static void end_all_roots(struct weir__run *run)
{
    static const struct weir__wait_type type = {.name = "workers to end",
                                                .abandon = weir__wait_never_abandoned};
    struct weir__runtime *rt = run->rt;
    bool was_stopping = atomic_exchange(&rt->is_stopping, true);
    WEIR_ASSERT(!was_stopping, "E1: the end of all workers begins once");
    weir__latch_init(&run->roots, rt->worker_count);
    for (unsigned i = 0; i < rt->worker_count; i++) {
        rt->workers[i]->run = run;
        rt->workers[i]->end.run = start_end_root;
        weir__post(rt->workers[i], &rt->workers[i]->end);
    }
    (void)!weir__latch_wait(&run->roots, &type, weir__self->root, weir_never());
}

static void run_main(void *arg)
{
    struct weir__run *run = arg;
    run->result = run->main(weir__ctx_handle(run->rt->app), run->arg);
    end_all_roots(run);
    WEIR_ASSERT(weir__self->index == 0, "E1: the application ends on the first worker, the last");
    run->rt->app->is_ok = run->result == WEIR_OK;
    weir__ctx_end(run->rt->app);
    weir__self->is_stopping = true;
}

static void *worker_thread(void *arg)
{
    struct weir__worker *w = arg;
    weir__worker_enter(w);
    weir__fault_enter_thread();
    weir__worker_loop(w);
    WEIR_ASSERT(w->is_stopping, "E1: a worker ends when it was told to");
    weir__fault_leave_thread();
    weir__worker_leave(w);
    return NULL;
}

static weir_err start_thread(struct weir__worker *w)
{
    char name[16];
    WEIR_ASSERT(w->index > 0, "E2: the first worker has the thread that is there");
    snprintf(name, sizeof name, "weir-%u", w->index);
    return weir__thread_start(&w->thread, WEIR__THREAD_OPEN, name, WORKER_STACK, worker_thread, w);
}

static void stop_here(struct weir__task *t)
{
    (void)t;
    WEIR_ASSERT(weir__self->index != 0, "E2: the first worker's thread is not ours to stop");
    weir__self->is_stopping = true;
}

/* Those from 1 to below `count` have nothing to do yet, and end at once. */
static void stop_threads(struct weir__runtime *rt, unsigned count)
{
    struct weir__task stop[WEIR__WORKERS_MAX];
    WEIR_ASSERT(count <= rt->worker_count, "E2: only threads that were started are stopped");
    for (unsigned i = 1; i < count; i++) {
        stop[i].run = stop_here;
        weir__post(rt->workers[i], &stop[i]);
    }
    for (unsigned i = 1; i < count; i++)
        pthread_join(rt->workers[i]->thread, NULL);
}

/* All or none. */
static weir_err start_threads(struct weir__runtime *rt)
{
    for (unsigned i = 1; i < rt->worker_count; i++) {
        weir_err err = start_thread(rt->workers[i]);
        if (err == WEIR_OK)
            continue;
        stop_threads(rt, i);
        snprintf(rt->message, sizeof rt->message,
                 "cannot start thread %u of %u: %s; allow more (ulimit -u, TasksMax= of systemd, "
                 "pids.max) or more memory, or ask for fewer --workers",
                 i + 1, rt->worker_count, weir_strerror(err));
        return err;
    }
    return WEIR_OK;
}

static weir_err start_main(struct weir__run *run)
{
    struct weir__worker *first = run->rt->workers[0];
    if (weir__fiber_start(first, run_main, run, "main", NULL, first->root) != NULL)
        return WEIR_OK;
    stop_threads(run->rt, run->rt->worker_count);
    snprintf(run->rt->message, sizeof run->rt->message,
             "there is no memory for the first fiber (ulimit -v)");
    return -ENOMEM;
}

/* What weir__run_begin does first is undone. */
static void leave(struct weir__runtime *rt)
{
    WEIR_ASSERT(weir__self == rt->workers[0], "M2: the first worker's thread begins and ends it");
    weir__fault_leave_thread();
    for (unsigned i = 0; i < rt->worker_count; i++)
        weir__ctx_give_root(rt->workers[i]);
    weir__worker_leave(rt->workers[0]);
}

static void start_watchdog(struct weir__run *run)
{
    WEIR_ASSERT(run->dog == NULL, "E5: one watches over a runtime");
    if (weir__watch == NULL)
        return;
    run->dog = weir__watch->start(run->rt);
    if (run->dog == NULL && run->rt->options.stall.ns >= 0)
        weir_log(NULL, WEIR_LOG_WARN, "no thread or memory for the watchdog: no stall is told");
}

weir_err weir__run_begin(struct weir__run *run)
{
    struct weir__runtime *rt = run->rt;
    struct weir__worker *first = rt->workers[0];
    weir__worker_enter(first);
    first->thread = pthread_self();
    weir__signals_prepare();
    weir__fault_install(rt->options.contain_faults);
    weir__fault_enter_thread();
    weir_err err = start_threads(rt);
    if (err == WEIR_OK)
        err = start_main(run);
    if (err == WEIR_OK)
        start_watchdog(run);
    if (err < 0) {
        weir__ctx_end(rt->app);
        leave(rt);
    }
    return err;
}

weir_err weir__run_end(struct weir__run *run)
{
    struct weir__runtime *rt = run->rt;
    if (run->dog != NULL)
        weir__watch->stop(run->dog);
    for (unsigned i = 1; i < rt->worker_count; i++)
        pthread_join(rt->workers[i]->thread, NULL);
    leave(rt);
    return run->result;
}

weir_err weir__runtime_run(struct weir__runtime *rt, weir_fiber_fn main, void *arg)
{
    struct weir__run run = {.rt = rt, .main = main, .arg = arg};
    weir_err err = weir__run_begin(&run);
    if (err < 0)
        return err;
    weir__worker_loop(rt->workers[0]);
    return weir__run_end(&run);
}

/* --- asking every worker ------------------------------------------------------------------ */

enum answer_state { ASKED, ANSWERING, ANSWERED, WITHDRAWN };

struct answer {
    struct weir__task task;
    struct question *question;
    _Atomic int state;
};

/* Shared by the asker and the workers; the last one to let go gives it back. */
struct question {
    struct weir__runtime *rt;
    void (*fn)(struct weir__worker *w, void *arg);
    void *arg;
    struct weir__wait *asker;
    atomic_uint left; /* answers still owed; who takes the last one wakes the asker */
    atomic_uint refs;
    bool is_short; /* some worker did not answer in time */
    struct answer answers[];
};

static size_t question_bytes(const struct weir__runtime *rt)
{
    return sizeof(struct question) + rt->worker_count * sizeof(struct answer);
}

static void *new_question(const struct weir__runtime *rt)
{
    return weir__calloc(1, question_bytes(rt));
}

/* From the heap, or else the one that was kept for when there is nothing. NULL: it is in use. */
static struct question *take_question(struct weir__runtime *rt)
{
    struct question *q = new_question(rt);
    if (q == NULL && !atomic_exchange(&rt->is_spare_in_use, true)) {
        q = rt->spare_question;
        WEIR_ASSERT(q != NULL, "E3: one question is kept for when there is no memory");
        memset(q, 0, question_bytes(rt));
    }
    return q;
}

static void let_go(struct question *q)
{
    weir__hands_over(q);
    unsigned refs = atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel);
    WEIR_ASSERT(refs > 0, "E3: who lets go of a question has it");
    if (refs != 1)
        return;
    weir__takes_over(q);
    if (q == q->rt->spare_question)
        atomic_store(&q->rt->is_spare_in_use, false);
    else
        weir__free(q);
}

static void give_answer(struct weir__task *t)
{
    struct answer *a = WEIR_CONTAINER(t, struct answer, task);
    struct question *q = a->question;
    int asked = ASKED;
    if (atomic_compare_exchange_strong(&a->state, &asked, ANSWERING)) {
        q->fn(weir__self, q->arg);
        atomic_store(&a->state, ANSWERED);
        weir__hands_over(&q->left);
        unsigned left = atomic_fetch_sub(&q->left, 1);
        WEIR_ASSERT(left > 0, "E3: an answer is owed once");
        if (left == 1) {
            weir__takes_over(&q->left);
            weir__wake(q->asker, WEIR_OK);
        }
    }
    let_go(q);
}

/* Patience is over: takes back what nobody has begun. Who is just answering is waited for. */
static bool withdraw(struct weir__wait *w)
{
    struct question *q = w->object;
    unsigned withdrawn = 0;
    for (unsigned i = 0; i < weir__self->runtime->worker_count; i++) {
        int asked = ASKED;
        if (atomic_compare_exchange_strong(&q->answers[i].state, &asked, WITHDRAWN))
            withdrawn++;
    }
    q->is_short = q->is_short || withdrawn > 0;
    unsigned left = withdrawn > 0 ? atomic_fetch_sub(&q->left, withdrawn) : 0;
    WEIR_ASSERT(left >= withdrawn, "E3: only what is owed is taken back");
    bool is_last = withdrawn > 0 && left == withdrawn;
    weir__takes_over(&q->left);
    return is_last;
}

weir_err weir__on_each_worker(struct weir__ctx *c, void (*fn)(struct weir__worker *w, void *arg),
                              void *arg, weir_dur patience)
{
    static const struct weir__wait_type type = {.name = "answers of all workers",
                                                .abandon = withdraw};
    struct weir__runtime *rt = weir__self->runtime;
    unsigned n = rt->worker_count;
    struct question *q = take_question(rt);
    if (q == NULL)
        return -ENOMEM;
    q->rt = rt;
    struct weir__wait wait;
    weir__wait_init(&wait, &type, c, NULL, q);
    q->fn = fn;
    q->arg = arg;
    q->asker = &wait;
    atomic_init(&q->left, n);
    atomic_init(&q->refs, n + 1);
    for (unsigned i = 0; i < n; i++) {
        q->answers[i].task.run = give_answer;
        q->answers[i].question = q;
        weir__post(rt->workers[i], &q->answers[i].task);
    }
    weir_err err = weir__park(&wait, weir_time_add(weir__worker_now(weir__self), patience));
    WEIR_ASSERT(atomic_load(&q->left) == 0, "E3: who asked goes on when no answer is owed");
    if (q->is_short)
        err = WEIR_ETIMEDOUT;
    let_go(q);
    return err;
}
