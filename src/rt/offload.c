/*
 * The offload pool: a bounded queue and a few threads, for what would block a worker. The call's
 * record stands on the stack of the fiber, which waits until the call is over: so a call that runs
 * is always waited for.
 *
 * The one hard thing is cancellation. A call that is still queued is taken out; one that runs is
 * told by its interrupt call-back, once, under the pool's mutex: the thread cannot begin the next
 * call meanwhile, so the interrupt (say, sqlite3_interrupt) cannot hit a call that it is not meant
 * for.
 *
 * In the simulation all is the same but for the threads: timers begin and end the calls, in virtual
 * time, and a call's function runs at its end, on its own fiber.
 *
 * O1: a call is in the queue, or run by one thread, or over; who takes it out of the first two
 * states wakes its fiber. Limits: the number of threads, which start when needed, and of queued
 * calls; both given when the pool is made.
 */
#include "rt/offload.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/given.h"
#include "os/thread.h"
#include "rt/fault.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/sim.h"
#include "rt/sized.h"

#define STACK_BYTES (1u << 20)

enum call_state { QUEUED, RUNNING, OVER };

struct call {
    struct weir__wait wait;
    struct weir__list link;  /* pool.queue */
    struct weir__timer turn; /* in the simulation: armed while it is to begin or to end */
    struct weir__offload_pool *pool;
    weir_err (*fn)(void *arg);
    void *arg;
    void (*interrupt)(void *arg);
    enum call_state state;
    bool is_programs; /* what runs is the program's: it finds no fiber in the simulation either */
    bool is_interrupted;
    bool has_panicked;
    weir_err err;                  /* what `fn` returned */
    struct weir__panic_info panic; /* how it did, when it has */
};

struct weir__offload_pool {
    const char *name;
    unsigned threads_max;
    size_t queue_max;
    pthread_mutex_t mutex; /* all below */
    pthread_cond_t work;
    struct weir__list queue; /* call.link */
    size_t queued, busy, idle;
    unsigned threads;
    uint64_t calls, refused;
    bool is_stopping;
    pthread_t ids[];
};

struct weir__offload_pool *weir__offload_pool_new(const char *name, unsigned threads,
                                                  size_t queue_max)
{
    WEIR_ASSERT(threads > 0, "O1: an offload pool has threads");
    struct weir__offload_pool *pool = weir__calloc(1, sizeof *pool + threads * sizeof pool->ids[0]);
    if (pool == NULL)
        return NULL;
    pool->name = name;
    pool->threads_max = threads;
    pool->queue_max = queue_max;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    weir__list_init(&pool->queue);
    return pool;
}

void weir__offload_pool_free(struct weir__offload_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->is_stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    WEIR_ASSERT(pool->threads <= pool->threads_max, "O2: all threads of a pool are known");
    for (unsigned i = 0; i < pool->threads; i++)
        pthread_join(pool->ids[i], NULL);
    WEIR_ASSERT(weir__list_empty(&pool->queue) && pool->busy == 0, "O1: a pool ends without calls");
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    weir__free(pool);
}

/* --- the threads -------------------------------------------------------------------------- */

/* The first of the queue, marked as running. Under the mutex. */
static struct call *take_first(struct weir__offload_pool *pool)
{
    struct weir__list *first = weir__list_pop_front(&pool->queue);
    WEIR_ASSERT(first != NULL, "O1: what is queued is in the queue");
    struct call *call = WEIR_CONTAINER(first, struct call, link);
    WEIR_ASSERT(call->state == QUEUED && pool->queued > 0, "O1: what is in the queue is queued");
    pool->queued--;
    pool->busy++;
    call->state = RUNNING;
    return call;
}

/* The next call; NULL: the pool ends. Under the mutex. */
static struct call *next_call(struct weir__offload_pool *pool)
{
    while (weir__list_empty(&pool->queue)) {
        if (pool->is_stopping)
            return NULL;
        pool->idle++;
        pthread_cond_wait(&pool->work, &pool->mutex);
        WEIR_ASSERT(pool->idle > 0 && pool->idle <= pool->threads, "O2: idle ones are threads");
        pool->idle--;
    }
    return take_first(pool);
}

static void call_fn(void *arg)
{
    struct call *call = arg;
    call->err = call->fn(call->arg);
}

/* Whatever leaves the program's function (a panic, an exception) is the fiber's, which waits. */
static void make(void *arg)
{
    struct call *call = arg;
    call->has_panicked = !weir__try_outside(call_fn, call, &call->panic);
}

static void *run_calls(void *arg)
{
    struct weir__offload_pool *pool = arg;
    WEIR_ASSERT(weir__self == NULL, "O3: a thread of a pool is no worker");
    weir__fault_enter_thread();
    pthread_mutex_lock(&pool->mutex);
    for (struct call *call; (call = next_call(pool)) != NULL;) {
        pthread_mutex_unlock(&pool->mutex);
        make(call);
        pthread_mutex_lock(&pool->mutex);
        WEIR_ASSERT(call->state == RUNNING && pool->busy > 0, "O1: one thread runs a call");
        call->state = OVER;
        pool->busy--;
        pthread_mutex_unlock(&pool->mutex);
        weir__wake(&call->wait, call->err); /* the last touch: it is on the fiber's stack */
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    weir__fault_leave_thread();
    return NULL;
}

/*
 * One more thread when there is work for it. False when nobody is there to do the work. Under the
 * mutex.
 */
static bool have_threads(struct weir__offload_pool *pool)
{
    if (pool->idle >= pool->queued || pool->threads == pool->threads_max)
        return true;
    char name[16];
    snprintf(name, sizeof name, "%.11s-%u", pool->name, pool->threads);
    if (weir__thread_start(&pool->ids[pool->threads], WEIR__THREAD_OPEN, name, STACK_BYTES,
                           run_calls, pool) == WEIR_OK)
        pool->threads++;
    WEIR_ASSERT(pool->threads <= pool->threads_max, "O2: no more threads than a pool may have");
    return pool->threads > 0;
}

/* --- in the simulation -------------------------------------------------------------------- */

static bool is_simulated(void)
{
    return weir__self->poller.ops->is_virtual;
}

static void take_turn(struct call *call, weir_dur after)
{
    weir__timer_arm(&weir__self->wheel, &call->turn, weir_time_add(weir__self->now, after));
}

static void end_simulated(struct call *call)
{
    weir__timer_disarm(&call->turn);
    WEIR_ASSERT(call->pool->busy > 0, "O1: a call that is over has run");
    call->state = OVER;
    call->pool->busy--;
    weir__wake(&call->wait, WEIR_OK);
}

/* A call's time has come: one that runs is over, and those begin for which a thread would do. */
static void on_turn(struct weir__timer *t)
{
    struct call *call = WEIR_CONTAINER(t, struct call, turn);
    struct weir__offload_pool *pool = call->pool;
    weir_dur time = weir__sim_offload_time();
    pthread_mutex_lock(&pool->mutex);
    if (call->state == RUNNING)
        end_simulated(call);
    while (pool->busy < pool->threads_max && !weir__list_empty(&pool->queue)) {
        struct call *next = take_first(pool);
        if (time.ns > 0)
            take_turn(next, time);
        else
            end_simulated(next);
    }
    WEIR_ASSERT(pool->busy <= pool->threads_max, "O2: no more calls run than threads may");
    pthread_mutex_unlock(&pool->mutex);
}

/* --- the calls ---------------------------------------------------------------------------- */

static bool abandon(struct weir__wait *w)
{
    struct call *call = WEIR_CONTAINER(w, struct call, wait);
    struct weir__offload_pool *pool = call->pool;
    pthread_mutex_lock(&pool->mutex);
    bool is_mine = call->state == QUEUED;
    if (is_mine) {
        WEIR_ASSERT(pool->queued > 0, "O1: what is queued was counted");
        weir__list_remove(&call->link);
        weir__timer_disarm(&call->turn);
        pool->queued--;
        call->state = OVER;
    } else if (call->state == RUNNING && call->interrupt != NULL && !call->is_interrupted) {
        call->is_interrupted = true;
        if (call->is_programs)
            weir__outside_run(call->interrupt, call->arg);
        else
            call->interrupt(call->arg);
        if (is_simulated())
            take_turn(call, weir_ns(0)); /* it does as it is told */
    }
    pthread_mutex_unlock(&pool->mutex);
    return is_mine;
}

static void describe(const struct weir__wait *w, weir_buf *out)
{
    const struct call *call = WEIR_CONTAINER(w, struct call, wait);
    struct weir__offload_pool *pool = call->pool;
    pthread_mutex_lock(&pool->mutex);
    size_t ahead = 0;
    for (const struct weir__list *n = call->link.prev; call->state == QUEUED && n != &pool->queue;
         n = n->prev)
        ahead++;
    WEIR_ASSERT(call->state != QUEUED || ahead < pool->queued, "O1: who is queued was counted");
    weir_buf_printf(out, "%s, ", pool->name);
    if (call->state == QUEUED)
        weir_buf_printf(out, "queued, %zu ahead", ahead);
    else
        weir_buf_puts(out,
                      call->is_interrupted ? WEIR_S("running, told to end") : WEIR_S("running"));
    pthread_mutex_unlock(&pool->mutex);
}

static const struct weir__wait_type type = {
    .name = "offload", .abandon = abandon, .describe = describe};

/* Queues a call; WEIR_ELIMIT when the queue is full, -EAGAIN when there is no thread to be had. */
static weir_err enqueue(struct weir__offload_pool *pool, struct call *call)
{
    weir_err err = WEIR_OK;
    pthread_mutex_lock(&pool->mutex);
    if (pool->queued >= pool->queue_max || weir__is_refused("offloaded calls")) {
        err = WEIR_ELIMIT;
    } else {
        WEIR_ASSERT(call->state == QUEUED && weir__list_empty(&call->link),
                    "O1: a call comes once");
        weir__list_push_back(&pool->queue, &call->link);
        pool->queued++;
        if (is_simulated()) {
            take_turn(call, weir_ns(0));
        } else if (!have_threads(pool)) {
            weir__list_remove(&call->link);
            pool->queued--;
            err = -EAGAIN;
        }
    }
    pool->calls += err == WEIR_OK;
    pool->refused += err != WEIR_OK;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    return err;
}

/* In the simulation `fn` is not begun before its time is over. */
static weir_err offload(struct call *call, struct weir__ctx *c, const weir_site *site)
{
    weir_err err = weir__may_wait(c);
    if (err < 0)
        return err;
    weir__wait_init(&call->wait, &type, c, site, call->pool);
    weir__list_init(&call->link);
    weir__timer_init(&call->turn, on_turn);
    err = enqueue(call->pool, call);
    if (err < 0)
        return weir__wait_refused(err);
    err = weir__park(&call->wait, weir_never());
    WEIR_ASSERT(call->state == OVER, "O1: a fiber goes on when its call is over");
    if (err == WEIR_OK && is_simulated()) {
        if (!call->is_programs)
            return call->fn(call->arg); /* may wait as a fiber, in virtual time */
        weir__outside_run(make, call);
        err = call->err;
    }
    if (WEIR_UNLIKELY(call->has_panicked))
        weir__panic_again(&call->panic);
    return err;
}

weir_err weir__offload_on(struct weir__offload_pool *pool, struct weir__ctx *c,
                          const weir_site *site, weir_err (*fn)(void *arg), void *arg,
                          void (*interrupt)(void *arg))
{
    struct call call = {.pool = pool, .fn = fn, .arg = arg, .interrupt = interrupt};
    return offload(&call, c, site);
}

weir_err weir_offload_at(const weir_site *site, weir_ctx *c, weir_err (*fn)(void *arg), void *arg,
                         const weir_offload_options *options)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(fn, "the function");
    struct weir__ctx *ctx = weir__ctx_of(c);
    weir_offload_options room;
    options = weir__options(options, &room, sizeof room, "weir_offload");
    struct call call = {.pool = weir__self->runtime->offload,
                        .fn = fn,
                        .arg = arg,
                        .interrupt = options->interrupt,
                        .is_programs = true};
    return offload(&call, ctx, site);
}

struct weir__offload_stats weir__offload_stats(struct weir__offload_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    WEIR_ASSERT(pool->queued <= pool->queue_max && pool->idle <= pool->threads,
                "O2: no more calls wait than may, and idle ones are threads");
    struct weir__offload_stats s = {pool->calls, pool->refused, pool->threads, pool->busy,
                                    pool->queued};
    pthread_mutex_unlock(&pool->mutex);
    return s;
}
