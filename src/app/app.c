/*
 * An application's life in one place: options, models and routes are checked together, so that all
 * mistakes are shown at once; then the runtime runs the main fiber (serve.c) until the drain
 * (drain.c) is over; then the last line says what was served, and what, if anything, is left.
 *
 * Owns everything that weir_app_new made. The calling thread becomes the first worker.
 */
#include "app/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/given.h"
#include "base/metric.h"
#include "base/model.h"
#include "base/sized.h"
#include "base/trap.h"
#include "obs/process.h"
#include "os/symbol.h"
#include "os/sys.h"
#include "os/thread.h"
#include "rt/log.h"
#include "watch/watch.h"

enum {
    REPORT_BYTES_MAX = 256 << 10,
    MESSAGE_MAX = 512,
    CONNECTIONS_DEFAULT = 100000,
    FDS_RESERVED = 64, /* for all that is no connection: listeners, databases, files, pollers */
};

weir_app *weir_app_new_at(int argc, char **argv, const weir_app_options *options)
{
    weir__open_standard(); /* before anything else can take their numbers */
    weir_app *app = weir__calloc(1, sizeof *app);
    if (app == NULL) {
        fputs("weir_app_new: out of memory\n", stderr);
        exit(1);
    }
    static char *no_arguments[] = {NULL};
    bool is_known = weir__sized_options(&app->settings, sizeof app->settings, options);
    app->argc = argv != NULL ? argc : 0;
    app->argv = argv != NULL ? argv : no_arguments;
    app->signals = app->warden_wake = -1;
    atomic_init(&app->outcome, -1);
    atomic_init(&app->force_at_ns, INT64_MAX);
    weir__mistakes_init(&app->mistakes);
    if (argv == NULL)
        weir__mistake(&app->mistakes, "weir_app_new: the arguments of main, argv, are NULL");
    if (options == NULL)
        weir__mistake(&app->mistakes, "weir_app_new: the pointer to the options is NULL");
    else if (!is_known)
        weir__mistake(&app->mistakes, "weir_app_new: the options have no size, or one that this "
                                      "library does not know: the program was compiled with a "
                                      "newer Weir");
    weir__lock_init(&app->reach);
    weir__gate_init(&app->started, "start to be over");
    weir__gate_init(&app->asked, "end to be asked for");
    weir__gate_init(&app->ended, "drain to be over");
    weir__web_init(&app->web);
    weir__web_init(&app->admin_web);
    weir__inherit(&app->inherited);
    weir__app_read_settings(app);
    return app;
}

void weir__app_free(weir_app *app)
{
    weir__web_fini(&app->web);
    weir__web_fini(&app->admin_web);
    weir__mistakes_fini(&app->mistakes);
    weir__inherited_fini(&app->inherited);
    weir__free(app);
    weir__arena_trim(); /* what this thread kept for its next arenas */
}

/* --- before anything runs ------------------------------------------------------------------- */

static bool print_what_was_asked(weir_app *app)
{
    if (weir__options_want(app->argc, app->argv, "--version")) {
        printf("%s %s\n", app->settings.name, app->settings.version);
        return true;
    }
    if (!weir__options_want(app->argc, app->argv, "--help"))
        return false;
    weir_buf text;
    weir_buf_init(&text, REPORT_BYTES_MAX);
    weir__options_help(&app->options, app->settings.name, &text);
    fwrite(text.ptr, 1, text.len, stdout);
    weir_buf_fini(&text);
    return true;
}

/*
 * Raises the limit of descriptors. A number of connections that was asked for must fit; the default
 * is what fits.
 */
static void fit_connections(weir_app *app)
{
    char message[MESSAGE_MAX];
    int64_t *max = &app->settings.connections_max;
    uint64_t needed = (uint64_t)(*max != 0 ? *max : CONNECTIONS_DEFAULT) + FDS_RESERVED;
    weir_err err = weir__http_preflight_files(needed, message, sizeof message);
    if (err < 0 && *max != 0)
        weir__mistake(&app->mistakes, "%s", message);
    if (*max != 0)
        return;
    *max = CONNECTIONS_DEFAULT;
    struct rlimit limit;
    if (err < 0 && weir__sys_getrlimit(RLIMIT_NOFILE, &limit) == 0)
        *max = limit.rlim_cur > (rlim_t)2 * FDS_RESERVED ? (int64_t)(limit.rlim_cur - FDS_RESERVED)
                                                         : (int64_t)limit.rlim_cur / 2;
}

/* True when there is nothing to complain about; else everything is on standard error. */
static bool check_all(weir_app *app)
{
    weir_buf report;
    weir_buf_init(&report, REPORT_BYTES_MAX);
    fit_connections(app);
    if (app->settings.trap_ended && !weir__trap_start())
        weir__mistake(&app->mistakes, "trap_ended wants a terabyte of address space, and there is "
                                      "none (ulimit -v)");
    weir__app_admin_routes(app);
    weir_err models = weir__models_check(&report);
    weir_err metrics = weir__program_metrics_check(&report);
    weir_err err = weir__web_freeze(&app->web, &report);
    if (err == WEIR_OK)
        err = weir__web_freeze(&app->admin_web, &report);
    bool is_good =
        err == WEIR_OK && models == WEIR_OK && metrics == WEIR_OK && app->mistakes.count == 0;
    if (!is_good) {
        weir_str options = weir_buf_str(&app->mistakes.lines), routes = weir_buf_str(&report);
        fprintf(stderr, "%s cannot start:\n" WEIR_STR_FMT WEIR_STR_FMT, app->settings.name,
                WEIR_STR_ARG(options), WEIR_STR_ARG(routes));
        if (err < 0 && routes.len == 0)
            fprintf(stderr, "routes: %s\n", weir_strerror(err));
    }
    weir_buf_fini(&report);
    return is_good;
}

static void set_log_level(const weir_app *app)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(names[i], app->settings.log_level) == 0)
            weir__log_set_level((weir_log_level)i);
    }
}

/* --- running -------------------------------------------------------------------------------- */

static size_t count_fds(void)
{
    struct weir__process p;
    weir__process_read(&p);
    return p.fds_open;
}

/*
 * The last line: true when nothing was cancelled, and nothing is left. After a start that failed,
 * which has had its line, there is one only when something is left.
 */
static bool say_stopped(const weir_app *app, bool has_failed)
{
    weir__symbols_forget();
    size_t cancelled = atomic_load(&app->cancelled), fds = count_fds();
    bool is_start_cut = atomic_load(&app->is_start_cut);
    bool is_clean = cancelled == 0 && !is_start_cut && fds <= app->fds_before;
    int64_t asked_at = atomic_load(&app->asked_at_ns);
    char text[256];
    weir_buf b;
    weir_buf_init_fixed(&b, text, sizeof text);
    weir_buf_printf(&b, "stopped: %llu requests served", (unsigned long long)app->requests);
    if (is_start_cut)
        weir_buf_puts(&b, WEIR_S(", the start had to be cancelled"));
    if (cancelled > 0)
        weir_buf_printf(&b, ", %zu had to be cancelled", cancelled);
    if (fds > app->fds_before)
        weir_buf_printf(&b, ", %zu descriptors are left", fds - app->fds_before);
    else
        weir_buf_puts(&b, WEIR_S(", nothing is left"));
    struct weir__log_line l;
    weir__log_begin(&l, is_clean ? WEIR_LOG_INFO : WEIR_LOG_WARN, weir_buf_str(&b), NULL, NULL);
    if (asked_at != 0)
        weir__log_int(&l, "took_ms", (weir__clock().ns - asked_at) / 1000000);
    if (weir__log_wants(l.level) && !(has_failed && is_clean))
        weir__log_end(&l);
    return is_clean;
}

/* A start that was cancelled by the drain has not failed. */
static int status_of(const weir_app *app, weir_err err, bool is_clean)
{
    if (err < 0 && !atomic_load(&app->is_start_cut))
        return WEIR__APP_EXIT_NOT_STARTED;
    return is_clean ? WEIR__APP_EXIT_WHOLE : WEIR__APP_EXIT_CUT;
}

static int cannot_start(weir_app *app, const char *what, const char *why)
{
    fprintf(stderr, "%s: %s%s\n", app->settings.name, what, why);
    return WEIR__APP_EXIT_NOT_STARTED;
}

/* From the runtime's first thread to its last. */
static int run_runtime(weir_app *app)
{
    struct weir__runtime_options options;
    char message[MESSAGE_MAX];
    weir_err err;
    app->fds_before = count_fds();
    weir__app_runtime_options(app, &options);
    weir__watch_install();
    app->rt = weir__runtime_new(&options, &err, message, sizeof message);
    if (app->rt == NULL)
        return cannot_start(app, message, "");
    if (app->settings.reload != NULL)
        weir__reload_add(&app->reload, "the program", app->settings.reload, app->settings.arg);
    err = weir__runtime_run(app->rt, weir__app_serve, app);
    weir__reload_remove(&app->reload);
    bool has_begun = app->rt->message[0] == '\0';
    int status = has_begun ? 0 : cannot_start(app, app->rt->message, "");
    weir__app_let_go(app);
    weir__runtime_free(app->rt);
    weir__app_tls_close(app);
    return has_begun ? status_of(app, err, say_stopped(app, err < 0)) : status;
}

/*
 * Everything between the checks and the end. What the end needs is there before anything else is:
 * the warden's thread, and the log's. Returns the exit status.
 */
static int run(weir_app *app)
{
    weir_err err = weir__warden_start(app);
    if (err < 0)
        return cannot_start(app, "cannot watch signals: ", weir_strerror(err));
    err = weir__log_start();
    int status = err < 0 ? cannot_start(app, "no thread for the log: ", weir_strerror(err))
                         : run_runtime(app);
    atomic_store(&app->outcome, status);
    (void)weir__log_stop(weir__warden_flush_patience(app));
    weir__warden_stop(app);
    return status;
}

int weir_app_run(weir_app *app)
{
    weir__given(app, "the application");
    int status = 0;
    if (!print_what_was_asked(app)) {
        set_log_level(app);
        status = check_all(app) ? run(app) : 1;
    }
    weir__app_free(app);
    return status;
}
