/*
 * From the signal to the end: SIGTERM or SIGINT fails readiness, then nothing is accepted any more,
 * what runs may end in time, what does not is cancelled and listed. A second signal ends the
 * process at once.
 *
 * Two hard things. The signals are read, and the drain is led, on the admin's worker, because any
 * other may be stuck in a handler. And a handler that never gives its worker away cannot be
 * cancelled at all, so a plain thread, the warden, ends the process when the drain has had its time
 * and some more; it says which worker was stuck in what.
 *
 * Signals are blocked in every thread before the first one is started, so that none is ever
 * delivered to a handler.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "app/app.h"
#include "base/alloc.h"
#include "obs/fibers.h"
#include "rt/log.h"
#include "rt/sys.h"
#include "rt/symbol.h"
#include "rt/watchdog.h"

enum {
    CANCEL_GRACE_MS = 1000, /* from cancelling to the end of what was cancelled */
    WARDEN_GRACE_MS = 5000, /* and then for closing pools */
    LISTED_MAX = 100,       /* lines about what had to be cancelled */
    STACK_DEPTH = 32,
    DETACHED_POLL_MS = 5,
    SAME_SIGNAL_MS = 200, /* one sent to the process and to its group comes twice */
};

weir_err weir__app_block_signals(weir_app *app)
{
    static const int signals[] = {SIGTERM, SIGINT};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    int err = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (err != 0)
        return -err;
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    app->signals = weir__sys_signalfd(2, signals);
    return app->signals >= 0 ? WEIR_OK : app->signals;
}

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

/*
 * Logs a line for each request and piece of background work that runs; returns how many there are.
 */
static size_t list_work(weir_app *app, struct weir__ctx *c, const char *verb)
{
    struct weir__fibers fibers;
    if (weir__fibers_collect(c, weir_ms(200), &fibers) < 0) {
        weir__fibers_fini(&fibers);
        return 0;
    }
    size_t count = 0;
    for (unsigned i = 0; i < app->rt->options.workers; i++) {
        const struct weir__dump_fiber *f = fibers.workers[i].dump.first;
        for (; f != NULL; f = f->next) {
            if (is_work(f) && count++ < LISTED_MAX)
                tell_work(f, fibers.now, verb);
        }
    }
    weir__fibers_fini(&fibers);
    return count;
}

static uint64_t detached_running(const weir_app *app)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < app->rt->worker_count; i++)
        n += atomic_load_explicit(&app->rt->workers[i]->stats.detached, memory_order_relaxed);
    return n;
}

/* --- the warden ----------------------------------------------------------------------------- */

static void tell_stuck_worker(struct weir__worker *w)
{
    void *stack[STACK_DEPTH];
    size_t depth = weir__worker_snapshot_stack(w, stack, STACK_DEPTH, weir_ms(200));
    if (depth == 0)
        return;
    dprintf(STDERR_FILENO, "worker %u is stuck in\n", w->index);
    for (size_t i = 0; i < depth; i++) {
        char text[512];
        weir_buf b;
        weir_buf_init_fixed(&b, text, sizeof text);
        weir__symbolise(stack[i], &b);
        dprintf(STDERR_FILENO, "    " WEIR_STR_FMT "\n", WEIR_STR_ARG(weir_buf_str(&b)));
    }
}

static WEIR_NORETURN void end_by_force(weir_app *app, const char *why)
{
    (void)weir__log_flush(weir_ms(500));
    dprintf(STDERR_FILENO, "%s: %s\n", app->settings.name, why);
    for (unsigned i = 0; i < app->rt->worker_count; i++)
        tell_stuck_worker(app->rt->workers[i]);
    _exit(1);
}

static void *watch_the_drain(void *arg)
{
    weir_app *app = arg;
    int64_t ns = app->settings.drain_delay.ns + app->settings.drain_timeout.ns +
                 (CANCEL_GRACE_MS + WARDEN_GRACE_MS) * 1000000LL;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    ns += until.tv_nsec;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    int err = 0;
    pthread_mutex_lock(&app->warden_lock);
    while (!app->is_over && err == 0)
        err = pthread_cond_timedwait(&app->warden_wake, &app->warden_lock, &until);
    bool is_over = app->is_over;
    pthread_mutex_unlock(&app->warden_lock);
    if (!is_over)
        end_by_force(app, "the drain did not end in time; ended by force");
    return NULL;
}

static void start_warden(weir_app *app)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&app->warden_wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&app->warden_lock, NULL);
    app->has_warden = pthread_create(&app->warden, NULL, watch_the_drain, app) == 0;
}

void weir__app_signals_over(weir_app *app)
{
    if (app->has_warden) {
        pthread_mutex_lock(&app->warden_lock);
        app->is_over = true;
        pthread_cond_signal(&app->warden_wake);
        pthread_mutex_unlock(&app->warden_lock);
        pthread_join(app->warden, NULL);
        app->has_warden = false;
    }
    if (app->signals >= 0)
        (void)weir__sys_close(app->signals);
    app->signals = -1;
}

/* --- the drain ------------------------------------------------------------------------------ */

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
    if (app->traffic.server != NULL)
        err = weir__http_server_wait_closed(app->traffic.server, c, until);
    return err == WEIR_OK ? wait_detached(app, c, until) : err;
}

static void cancel_what_is_left(weir_app *app, struct weir__ctx *c)
{
    atomic_store(&app->cancelled, list_work(app, c, "cancelled by the drain"));
    if (app->traffic.server != NULL)
        weir__http_server_cancel_all(app->traffic.server, c, WEIR_REASON_SHUTDOWN);
    weir_time until = weir_time_add(weir__worker_now(weir__self), weir_ms(CANCEL_GRACE_MS));
    if (app->traffic.server != NULL &&
        weir__http_server_wait_closed(app->traffic.server, c, until) < 0)
        (void)list_work(app, c, "does not end");
}

static void drain(weir_app *app, struct weir__ctx *c)
{
    weir_dur patience = app->settings.drain_timeout;
    atomic_store(&app->state, WEIR__APP_DRAINING);
    weir_err err =
        weir__gate_wait(c, &app->started, weir_time_add(weir__worker_now(weir__self), patience));
    if (err == WEIR_OK && app->settings.drain_delay.ns > 0)
        err = weir_sleep(weir__ctx_handle(c), app->settings.drain_delay);
    if (app->traffic.server != NULL)
        weir__http_server_drain(app->traffic.server, c);
    weir_time until = weir_time_add(weir__worker_now(weir__self), patience);
    if (err < 0 || wait_all(app, c, until) < 0)
        cancel_what_is_left(app, c);
    atomic_store(&app->state, WEIR__APP_ENDING);
    weir__gate_open(&app->ended);
}

/* --- reading the signals -------------------------------------------------------------------- */

/* 0: none there. */
static unsigned read_signal(int fd)
{
    struct signalfd_siginfo info;
    ssize_t n = weir__sys_read(fd, &info, sizeof info);
    return n == (ssize_t)sizeof info ? info.ssi_signo : 0;
}

static weir_err run_drain(weir_ctx *c, void *app)
{
    drain(app, weir__ctx_of(c));
    return WEIR_OK;
}

static void on_first_signal(weir_app *app, struct weir__ctx *c, unsigned number)
{
    weir_log(NULL, WEIR_LOG_INFO, "%s: draining, for at most %lld ms",
             number == SIGTERM ? "SIGTERM" : "SIGINT",
             (long long)(app->settings.drain_timeout.ns / 1000000));
    start_warden(app);
    if (WEIR_GO(weir__ctx_handle(c), run_drain, app) < 0)
        end_by_force(app, "no memory for the drain");
}

/* A fiber of the admin's worker, ended by the worker's end. */
static void watch(void *arg)
{
    weir_app *app = arg;
    struct weir__ctx *root = weir__self->root;
    weir_time first = weir_never();
    while (weir__wait_fd(root, app->signals, WEIR__READABLE, weir_never()) == WEIR_OK) {
        unsigned number = read_signal(app->signals);
        int64_t now = weir__worker_now(weir__self).ns;
        if (number == 0)
            continue;
        if (first.ns == weir_never().ns) {
            first.ns = now;
            on_first_signal(app, root, number);
        } else if (now - first.ns > SAME_SIGNAL_MS * 1000000LL) {
            end_by_force(app, "a second signal; ended at once");
        }
    }
}

struct start_watch {
    struct weir__task task;
    weir_app *app;
};

static void start_watch(struct weir__task *t)
{
    struct start_watch *s = WEIR_CONTAINER(t, struct start_watch, task);
    if (weir__fiber_start(weir__self, watch, s->app, "signals", NULL, weir__self->root) == NULL)
        end_by_force(s->app, "no memory for the fiber that reads signals");
    weir__free(s);
}

weir_err weir__app_watch_signals(weir_app *app)
{
    struct start_watch *s = weir__malloc(sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    *s = (struct start_watch){.task = {.run = start_watch}, .app = app};
    weir__post(app->rt->workers[app->rt->worker_count - 1], &s->task);
    return WEIR_OK;
}
