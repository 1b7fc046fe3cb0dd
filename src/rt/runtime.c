/*
 * The process' workers as a whole. The first worker is the thread that calls weir__runtime_run; the
 * others get threads.
 *
 * How it ends: the main fiber returns; every worker's root context is ended in a fiber of that
 * worker (children cancelled, joined); when all workers are done the application's context ends on
 * the first one, so what it owns may still wait for the network; then the loops return.
 */
#include "rt/runtime.h"

#include <signal.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "rt/fault.h"
#include "rt/offload.h"
#include "rt/watchdog.h"

#define FIBERS_MAX_DEFAULT 1000000
#define DETACHED_MAX_DEFAULT 1000
#define MEMORY_MAX_DEFAULT (64u << 20)
#define APP_MEMORY_MAX SIZE_MAX
#define STALL_NS_DEFAULT 50000000
#define HIBERNATE_NS_DEFAULT 10000000000
#define OFFLOAD_QUEUE_MAX 10000

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
}

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
    for (unsigned i = 0; i < rt->worker_count; i++) {
        rt->workers[i] = weir__worker_new(rt, i);
        if (rt->workers[i] == NULL)
            return errno != 0 ? -errno : -ENOMEM;
    }
    return WEIR_OK;
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
        *err = make_parts(rt);
    }
    if (*err == WEIR_OK)
        return rt;
    snprintf(message, message_size, "cannot make %u workers: %s", options->workers,
             weir_strerror(*err));
    weir__runtime_free(rt);
    return NULL;
}

void weir__runtime_free(struct weir__runtime *rt)
{
    if (rt == NULL)
        return;
    weir__offload_pool_free(rt->offload); /* first: its threads still wake workers */
    for (unsigned i = 0; i < rt->worker_count; i++)
        weir__worker_free(rt->workers[i]);
    weir__free(rt);
}

/* --- running ------------------------------------------------------------------------------ */

/* A message to a worker that its root context is to end. */
struct root_end {
    struct weir__task task;
    struct weir__run *run;
};

static void root_ended(struct weir__run *run)
{
    if (atomic_fetch_sub_explicit(&run->roots_left, 1, memory_order_acq_rel) == 1)
        weir__wake(run->waiter, WEIR_OK);
}

/* A fiber of each worker: cancels what still runs there, and waits for it. */
static void end_root(void *arg)
{
    struct root_end *e = arg;
    struct weir__run *run = e->run;
    struct weir__worker *w = weir__self;
    weir__free(e);
    weir__ctx_cancel(w->root, WEIR_REASON_SHUTDOWN);
    w->root->is_closing = true;
    weir__ctx_await_children(w->root);
    weir__ctx_release(w->root);
    w->is_stopping = w->index != 0;
    root_ended(run);
}

static void start_end_root(struct weir__task *t)
{
    struct root_end *e = WEIR_CONTAINER(t, struct root_end, task);
    struct weir__fiber *f =
        weir__fiber_start(weir__self, end_root, e, "end of the worker", NULL, weir__self->root);
    WEIR_ASSERT(f != NULL, "there is room for the fiber that ends a worker");
}

static bool never_abandoned(struct weir__wait *w)
{
    (void)w;
    return false;
}

static void end_all_roots(struct weir__run *run)
{
    static const struct weir__wait_type type = {.name = "workers to end",
                                                .abandon = never_abandoned};
    struct weir__runtime *rt = run->rt;
    struct weir__wait wait;
    weir__wait_init(&wait, &type, weir__self->root, NULL, NULL);
    run->waiter = &wait;
    atomic_store(&rt->is_stopping, true);
    atomic_store(&run->roots_left, rt->worker_count);
    for (unsigned i = 0; i < rt->worker_count; i++) {
        struct root_end *e = weir__malloc(sizeof *e);
        WEIR_ASSERT(e != NULL, "there is memory for ending a worker");
        *e = (struct root_end){.task = {.run = start_end_root}, .run = run};
        weir__post(rt->workers[i], &e->task);
    }
    (void)weir__park(&wait, weir_never());
}

static void run_main(void *arg)
{
    struct weir__run *run = arg;
    run->result = run->main(weir__ctx_handle(run->rt->app), run->arg);
    end_all_roots(run);
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
    weir__fault_leave_thread();
    weir__worker_leave(w);
    return NULL;
}

/*
 * Threads of the runtime take no signals but those sent to them; the process' own are read
 * elsewhere.
 */
static weir_err start_thread(struct weir__worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGABRT);
    sigdelset(&all, WEIR__WATCHDOG_SIGNAL);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&w->thread, NULL, worker_thread, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0)
        return -err;
    char name[16];
    snprintf(name, sizeof name, "weir-%u", w->index);
    pthread_setname_np(w->thread, name);
    return WEIR_OK;
}

void weir__run_begin(struct weir__run *run)
{
    struct weir__runtime *rt = run->rt;
    struct weir__worker *first = rt->workers[0];
    weir__worker_enter(first);
    first->thread = pthread_self();
    weir__fault_install(rt->options.contain_faults);
    weir__fault_enter_thread();
    for (unsigned i = 1; i < rt->worker_count; i++) {
        weir_err err = start_thread(rt->workers[i]);
        WEIR_ASSERT(err == WEIR_OK, "the machine gives a thread to each worker");
    }
    run->dog = weir__watchdog_start(rt);
    struct weir__fiber *f = weir__fiber_start(first, run_main, run, "main", NULL, first->root);
    WEIR_ASSERT(f != NULL, "there is room for the first fiber");
}

weir_err weir__run_end(struct weir__run *run)
{
    struct weir__runtime *rt = run->rt;
    weir__watchdog_stop(run->dog);
    for (unsigned i = 1; i < rt->worker_count; i++)
        pthread_join(rt->workers[i]->thread, NULL);
    weir__fault_leave_thread();
    for (unsigned i = 0; i < rt->worker_count; i++)
        weir__ctx_give_root(rt->workers[i]);
    weir__worker_leave(rt->workers[0]);
    return run->result;
}

weir_err weir__runtime_run(struct weir__runtime *rt, weir_fiber_fn main, void *arg)
{
    struct weir__run run = {.rt = rt, .main = main, .arg = arg};
    weir__run_begin(&run);
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

/* Shared by the asker and the workers; the last one to let go frees it. */
struct question {
    void (*fn)(struct weir__worker *w, void *arg);
    void *arg;
    struct weir__wait *asker;
    atomic_uint left; /* answers still owed; who takes the last one wakes the asker */
    atomic_uint refs;
    bool is_short; /* some worker did not answer in time */
    struct answer answers[];
};

static void let_go(struct question *q)
{
    if (atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) == 1)
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
        if (atomic_fetch_sub(&q->left, 1) == 1)
            weir__wake(q->asker, WEIR_OK);
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
    return withdrawn > 0 && atomic_fetch_sub(&q->left, withdrawn) == withdrawn;
}

weir_err weir__on_each_worker(struct weir__ctx *c, void (*fn)(struct weir__worker *w, void *arg),
                              void *arg, weir_dur patience)
{
    static const struct weir__wait_type type = {.name = "answers of all workers",
                                                .abandon = withdraw};
    struct weir__runtime *rt = weir__self->runtime;
    unsigned n = rt->worker_count;
    struct question *q = weir__calloc(1, sizeof *q + n * sizeof q->answers[0]);
    if (q == NULL)
        return -ENOMEM;
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
    if (q->is_short)
        err = WEIR_ETIMEDOUT;
    let_go(q);
    return err;
}
