/*
 * The drain: readiness has failed already (warden.c); after drain_delay nothing is accepted any
 * more, what runs may end in time, what does not is cancelled and listed. Then the main fiber
 * closes what is left (serve.c).
 *
 * The hard thing is that it must not need anything when it is wanted: it runs on the admin's
 * worker, because any other may be stuck in a handler, in a fiber that is made when the service
 * starts and waits at a gate, and what it cannot list for want of memory it cancels all the same.
 * What cannot be cancelled, a handler that never gives its worker away, is named here and ended by
 * the warden.
 */

#include "app/app.h"
#include "obs/fibers.h"
#include "os/symbol.h"
#include "os/thread.h"
#include "rt/log.h"
#include "watch/watchdog.h"

enum {
    CANCEL_GRACE_MS = 500, /* from cancelling to the end of what was cancelled */
    LOOK_MS = 100,         /* for a worker to say what it runs */
    LISTED_MAX = 100,      /* lines about what had to be cancelled */
    DETACHED_POLL_MS = 5,
};

/* --- what is still there -------------------------------------------------------------------- */

static bool is_work(const struct weir__dump_fiber *f)
{
    return f->is_request || f->is_detached;
}

static void tell_work(const struct weir__dump_fiber *f, weir_time now, const char *verb)
{
    char text[1024];
    weir_buf b;
    weir_buf_init_fixed(&b, text, sizeof text);
    weir__fiber_line(f, now, &b);
    weir_log(NULL, WEIR_LOG_WARN, "%s: " WEIR_STR_FMT, verb, WEIR_STR_ARG(weir_buf_str(&b)));
}

static void tell_stuck(unsigned index, const struct weir__worker_facts *facts)
{
    char text[3000];
    weir_buf b;
    weir_buf_init_fixed(&b, text, sizeof text);
    weir__symbolise_stack(weir__symbolise, facts->stack, facts->depth, true, &b);
    weir_log(NULL, WEIR_LOG_WARN, "worker %u is stuck in " WEIR_STR_FMT, index,
             WEIR_STR_ARG(weir_buf_str(&b)));
}

/* A line for each request, piece of background work and stuck worker. */
static void list_work(weir_app *app, struct weir__ctx *c, const char *verb)
{
    struct weir__fibers fibers;
    weir_err err = weir__fibers_collect(c, weir_ms(LOOK_MS), &fibers);
    size_t count = 0;
    for (unsigned i = 0; err == WEIR_OK && i < app->rt->options.workers; i++) {
        const struct weir__dump_fiber *f = fibers.workers[i].dump.first;
        for (; f != NULL; f = f->next) {
            if (is_work(f) && count++ < LISTED_MAX)
                tell_work(f, fibers.now, verb);
        }
        if (!fibers.workers[i].has_answered && fibers.workers[i].depth > 0)
            tell_stuck(i, &fibers.workers[i]);
    }
    weir__fibers_fini(&fibers);
}

static uint64_t detached_running(const weir_app *app)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < app->rt->worker_count; i++)
        n += atomic_load_explicit(&app->rt->workers[i]->stats.detached, memory_order_relaxed);
    return n;
}

/* Known by counters, since a list needs memory. */
static size_t count_work(const weir_app *app)
{
    struct weir__http_stats stats = {0};
    if (atomic_load(&app->is_serving))
        weir__http_server_stats(app->traffic.server, &stats);
    return (size_t)(stats.active + detached_running(app));
}

/* --- waiting -------------------------------------------------------------------------------- */

/* Background work has no list to wait on: it is counted by its worker. */
static weir_err wait_detached(weir_app *app, struct weir__ctx *c, weir_time until)
{
    while (detached_running(app) > 0) {
        if (weir__worker_now(weir__self).ns >= until.ns)
            return WEIR_ETIMEDOUT;
        weir_err err = weir_sleep(weir__ctx_handle(c), weir_ms(DETACHED_POLL_MS));
        if (err < 0)
            return err;
    }
    return WEIR_OK;
}

static weir_err wait_all(weir_app *app, struct weir__ctx *c, weir_time until)
{
    weir_err err = WEIR_OK;
    if (atomic_load(&app->is_serving))
        err = weir__http_server_wait_closed(app->traffic.server, c, until);
    return err == WEIR_OK ? wait_detached(app, c, until) : err;
}

/* --- cancelling ----------------------------------------------------------------------------- */

/* What the program's start waits for is a wait of the first worker's root. */
static void cancel_start(struct weir__task *t)
{
    (void)t;
    weir__ctx_cancel(weir__self->root, WEIR_REASON_SHUTDOWN);
}

static void cut_the_start(weir_app *app)
{
    weir_log(NULL, WEIR_LOG_WARN, "cancelled by the drain: the start, which is not over");
    atomic_store(&app->is_start_cut, true);
    app->cancel_start.run = cancel_start;
    weir__post(app->rt->workers[0], &app->cancel_start);
}

static void cut(weir_app *app, struct weir__ctx *c, bool is_started)
{
    size_t count = count_work(app);
    atomic_store(&app->cancelled, count);
    if (count > 0)
        list_work(app, c, "cancelled by the drain");
    if (!is_started)
        cut_the_start(app);
    if (atomic_load(&app->is_serving))
        weir__http_server_cancel_all(app->traffic.server, c, WEIR_REASON_SHUTDOWN);
    weir_time until = weir_time_add(weir__worker_now(weir__self), weir_ms(CANCEL_GRACE_MS));
    if (atomic_load(&app->is_serving) &&
        weir__http_server_wait_closed(app->traffic.server, c, until) < 0)
        list_work(app, c, "does not end");
}

/* --- its steps ------------------------------------------------------------------------------ */

static void drain(weir_app *app, struct weir__ctx *c)
{
    weir__notify(&app->inherited, "STOPPING=1");
    weir_time cut_at = {atomic_load(&app->cut_at_ns)};
    weir_dur delay =
        weir_time_sub((weir_time){atomic_load(&app->stop_at_ns)}, weir__worker_now(weir__self));
    weir_err err = weir__gate_wait(c, &app->started, cut_at);
    bool is_started = err == WEIR_OK;
    if (atomic_load(&app->is_serving))
        weir__http_server_announce_end(app->traffic.server);
    if (is_started && delay.ns > 0)
        err = weir_sleep(weir__ctx_handle(c), delay);
    if (atomic_load(&app->is_serving))
        weir__http_server_drain(app->traffic.server, c);
    if (err < 0 || wait_all(app, c, cut_at) < 0)
        cut(app, c, is_started);
    atomic_store(&app->state, WEIR__APP_ENDING);
    weir__gate_open(&app->ended);
}

/* A fiber of the admin's worker from the start on; ended by the worker's end. */
static void wait_for_the_end(void *arg)
{
    weir_app *app = arg;
    struct weir__ctx *root = weir__self->root;
    if (weir__gate_wait(root, &app->asked, weir_never()) == WEIR_OK)
        drain(app, root);
}

static void prepare_here(struct weir__worker *w, void *arg)
{
    weir_app *app = arg;
    if (w->index == w->runtime->worker_count - 1)
        app->is_drain_ready =
            weir__fiber_start(w, wait_for_the_end, app, "drain", NULL, w->root) != NULL;
}

weir_err weir__app_prepare_drain(weir_app *app, struct weir__ctx *c)
{
    weir_err err = weir__on_each_worker(c, prepare_here, app, weir_sec(10));
    return err == WEIR_OK && !app->is_drain_ready ? -ENOMEM : err;
}

/* --- reading again -------------------------------------------------------------------------- */

struct reload {
    weir_app *app;
};

/* Once more when it was asked for meanwhile. */
static weir_err reload_all(weir_ctx *c, void *arg)
{
    weir_app *app = ((const struct reload *)arg)->app;
    unsigned asked;
    do {
        asked = atomic_load(&app->reloads_asked);
        (void)weir__reload_all(c);
    } while (weir_check(c) == WEIR_OK && atomic_fetch_sub(&app->reloads_asked, asked) != asked);
    return WEIR_OK;
}

/*
 * On the first worker's own stack. As background work, so that a drain waits for it, and cancels
 * it.
 */
static void start_reload(struct weir__task *t)
{
    struct reload reload = {WEIR_CONTAINER(t, weir_app, reload_task)};
    weir_ctx *root = weir__ctx_handle(weir__self->root);
    weir_err err = weir_detach(root, reload_all, &reload, sizeof reload);
    if (err == WEIR_OK)
        return;
    atomic_store(&reload.app->reloads_asked, 0);
    weir_log(NULL, WEIR_LOG_ERROR, "SIGHUP: cannot reload: %s", weir_strerror(err));
}

/* --- from the warden ------------------------------------------------------------------------ */

/*
 * Telling a worker is two steps: what it is told, and that it was told. It may have done all of it
 * before the second one, and the runtime may be over (A6).
 */
static bool reach(weir_app *app)
{
    weir__lock_take(&app->reach);
    if (!app->has_let_go)
        return true;
    weir__lock_give(&app->reach);
    return false;
}

void weir__app_ask_for_the_end(weir_app *app)
{
    if (!reach(app))
        return;
    weir__gate_open(&app->asked);
    weir__lock_give(&app->reach);
}

void weir__app_reload(weir_app *app)
{
    weir_log(NULL, WEIR_LOG_INFO, "SIGHUP: reloading");
    if (atomic_fetch_add(&app->reloads_asked, 1) > 0)
        return; /* who reloads will do it again */
    if (!reach(app))
        return;
    app->reload_task.run = start_reload;
    weir__post(app->rt->workers[0], &app->reload_task);
    weir__lock_give(&app->reach);
}

/* As /readyz: it is not alive when nobody is served by any of its workers. */
bool weir__app_is_alive(weir_app *app)
{
    unsigned stuck = 0, count = 0;
    if (atomic_load(&app->state) != WEIR__APP_READY || !reach(app))
        return true; /* starts and ends have limits of their own */
    for (; count < app->rt->options.workers; count++)
        stuck += weir__worker_held(app->rt->workers[count], weir__clock()).ns >=
                 WEIR__APP_STUCK_MS * 1000000LL;
    weir__lock_give(&app->reach);
    return stuck < count;
}

void weir__app_let_go(weir_app *app)
{
    weir__lock_take(&app->reach);
    app->has_let_go = true;
    weir__lock_give(&app->reach);
}
