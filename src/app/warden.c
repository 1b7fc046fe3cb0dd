/*
 * The warden: a thread that reads the signals, and sees to it that the process ends. The first
 * SIGTERM or SIGINT sets the drain going (drain.c) and a time by which all must be over; when that
 * has come, or a second signal, the process is ended by force. SIGHUP has what can be read again
 * read again; SIGUSR2 is kept. Who started it may want to hear regularly that it lives: that is
 * said here as well, for no worker could say that all of them are stuck.
 *
 * The hard thing is that it must work whatever else does not: workers stuck in handlers, no memory,
 * no room for a thread or a fiber, a log whose sink takes nothing. So it is a plain thread, started
 * before anything else is, and from then on it takes no memory, waits for nobody, and writes only
 * through the log's ring, for whose writer it waits a moment at most.
 *
 * Owns the descriptor of signals, and one by which it is woken. A5: `force_at` only comes nearer.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "os/sys.h"
#include "os/thread.h"
#include "rt/log.h"
#include "rt/signals.h"

#define LOOK_AGAIN_NS 100000000LL

enum {
    STACK_BYTES = 256 << 10,
    LAST_WORDS_MS = 100,  /* for the log to take them */
    FLUSH_MS = 300,       /* for the log to be written, when all else is over */
    SAME_SIGNAL_MS = 200, /* one sent to the process and to its group comes twice */
};

static int64_t now_ns(void)
{
    return weir__clock().ns;
}

/* --- by force --------------------------------------------------------------------------------- */

static WEIR_NORETURN void end_by_force(weir_app *app, int status, const char *why)
{
    struct weir__log_line l;
    int64_t asked_at = atomic_load(&app->asked_at_ns);
    weir__log_begin(&l, WEIR_LOG_ERROR, weir_str_from(why), NULL, NULL);
    if (asked_at != 0)
        weir__log_int(&l, "took_ms", (now_ns() - asked_at) / 1000000);
    weir__log_int(&l, "status", status);
    weir__log_last_words(&l, weir_ms(LAST_WORDS_MS));
    _exit(status);
}

/* When all is over but the log, which the sink does not take, nothing is said any more. */
static WEIR_NORETURN void end_late(weir_app *app)
{
    int status = atomic_load(&app->outcome);
    if (status >= 0)
        _exit(status);
    end_by_force(app, WEIR__APP_EXIT_FORCED, "it did not end in time: ended by force");
}

static void bring_nearer(weir_app *app, int64_t at)
{
    int64_t now = atomic_load(&app->force_at_ns);
    while (at < now && !atomic_compare_exchange_weak(&app->force_at_ns, &now, at))
        ;
}

void weir__warden_hurry(weir_app *app, weir_dur patience)
{
    uint64_t one = 1;
    bring_nearer(app, now_ns() + patience.ns + WEIR__APP_FORCE_MS * 1000000LL);
    if (app->warden_wake >= 0)
        (void)weir__sys_write(app->warden_wake, &one, sizeof one);
}

weir_dur weir__warden_flush_patience(const weir_app *app)
{
    int64_t left = atomic_load(&app->force_at_ns) - now_ns() - LAST_WORDS_MS * 1000000LL;
    int64_t most = FLUSH_MS * 1000000LL;
    return weir_ns(left < 0 ? 0 : left < most ? left : most);
}

/* --- what signals mean ------------------------------------------------------------------------ */

/* A1: it never goes back. Returns what it was. */
static int begin_draining(weir_app *app)
{
    int was = atomic_load(&app->state);
    while (was < WEIR__APP_DRAINING &&
           !atomic_compare_exchange_weak(&app->state, &was, WEIR__APP_DRAINING))
        ;
    return was;
}

/* Nobody who is not yet served needs to be told in time that he will not be. */
static void ask_for_the_end(weir_app *app, int number, int64_t now)
{
    const weir_app_options *s = &app->settings;
    bool was_ready = begin_draining(app) == WEIR__APP_READY;
    int64_t delay = was_ready ? s->drain_delay.ns : 0;
    atomic_store(&app->asked_at_ns, now);
    atomic_store(&app->stop_at_ns, now + delay);
    atomic_store(&app->cut_at_ns, now + delay + s->drain_timeout.ns);
    bring_nearer(app, now + delay + s->drain_timeout.ns + WEIR__APP_FORCE_MS * 1000000LL);
    weir_log(NULL, WEIR_LOG_INFO, "%s: draining, for at most %lld ms",
             number == SIGTERM ? "SIGTERM" : "SIGINT",
             (long long)((delay + s->drain_timeout.ns) / 1000000));
    weir__app_ask_for_the_end(app);
}

static void on_end(weir_app *app, int number)
{
    int64_t now = now_ns(), first = atomic_load(&app->asked_at_ns);
    if (first == 0)
        ask_for_the_end(app, number, now);
    else if (now - first > SAME_SIGNAL_MS * 1000000LL)
        end_by_force(app, WEIR__APP_EXIT_SIGNAL + number, "a second signal: ended at once");
}

static void on_reload(weir_app *app)
{
    if (atomic_load(&app->state) == WEIR__APP_READY)
        weir__app_reload(app);
    else
        weir_log(NULL, WEIR_LOG_INFO,
                 "SIGHUP: nothing is reloaded before the service is ready, "
                 "nor when it ends");
}

static void on_signal(weir_app *app, int number)
{
    if (number == SIGTERM || number == SIGINT)
        on_end(app, number);
    else if (number == SIGHUP)
        on_reload(app);
    else
        weir_log(NULL, WEIR_LOG_INFO, "SIGUSR2 is kept for later: it does nothing");
}

/* --- who watches the service ------------------------------------------------------------------ */

/*
 * Says that it lives at half of the time that who started it waits for that. While it does not, it
 * is looked at more often: it is not to be killed for a ping that would have been a moment late.
 */
static void tell_alive(weir_app *app)
{
    int64_t every = app->inherited.heard_every.ns / 2, now = now_ns();
    if (every == 0 || now < app->tell_at_ns)
        return;
    bool is_alive = weir__app_is_alive(app);
    if (is_alive)
        weir__notify(&app->inherited, "WATCHDOG=1");
    app->tell_at_ns = now + (is_alive || every < LOOK_AGAIN_NS ? every : LOOK_AGAIN_NS);
}

/* When there is something to do without a signal. */
static int64_t next_look(const weir_app *app)
{
    int64_t force_at = atomic_load(&app->force_at_ns);
    bool is_watched = app->inherited.heard_every.ns != 0;
    return is_watched && app->tell_at_ns < force_at ? app->tell_at_ns : force_at;
}

/* --- the thread ------------------------------------------------------------------------------- */

static int timeout_ms(int64_t until)
{
    int64_t ns = until - now_ns();
    if (until == INT64_MAX)
        return -1;
    if (ns <= 0)
        return 0;
    return ns > 60000000000LL ? 60000 : (int)((ns + 999999) / 1000000);
}

static void *keep_watch(void *arg)
{
    weir_app *app = arg;
    struct pollfd fds[2] = {{.fd = app->signals, .events = POLLIN},
                            {.fd = app->warden_wake, .events = POLLIN}};
    while (!atomic_load(&app->is_over)) {
        uint64_t woken;
        int number;
        (void)poll(fds, 2, timeout_ms(next_look(app)));
        (void)weir__sys_read(app->warden_wake, &woken, sizeof woken);
        while ((number = weir__signals_read(app->signals)) != 0)
            on_signal(app, number);
        if (now_ns() >= atomic_load(&app->force_at_ns))
            end_late(app);
        tell_alive(app);
    }
    return NULL;
}

weir_err weir__warden_start(weir_app *app)
{
    static const struct weir__signal signals[] = {
        {SIGTERM, .is_kept_ignored = false},
        {SIGINT, .is_kept_ignored = true},
        {SIGHUP, .is_kept_ignored = false},
        {SIGUSR2, .is_kept_ignored = false},
    };
    weir_err err = weir__signals_open(signals, sizeof signals / sizeof signals[0], &app->signals);
    if (err == WEIR_OK)
        app->warden_wake = weir__sys_eventfd();
    if (err == WEIR_OK && app->warden_wake < 0)
        err = app->warden_wake;
    if (err == WEIR_OK)
        err = weir__thread_start(&app->warden, WEIR__THREAD_OWN, "weir-warden", STACK_BYTES,
                                 keep_watch, app);
    app->has_warden = err == WEIR_OK;
    if (!app->has_warden)
        weir__warden_stop(app);
    return err;
}

void weir__warden_stop(weir_app *app)
{
    uint64_t one = 1;
    atomic_store(&app->is_over, true);
    if (app->has_warden) {
        (void)weir__sys_write(app->warden_wake, &one, sizeof one);
        pthread_join(app->warden, NULL);
    }
    app->has_warden = false;
    if (app->warden_wake >= 0)
        (void)weir__sys_close(app->warden_wake);
    app->warden_wake = -1;
    weir__signals_close();
    app->signals = -1;
}
