/*
 * An application's life in one place: options and routes are checked together, so that all mistakes
 * are shown at once; then the runtime runs the main fiber (serve.c) until the drain (drain.c) is
 * over; then the last line says what was served, and what, if anything, is left.
 *
 * Owns everything that weir_app_new made. The calling thread becomes the first worker.
 */
#include "app/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "obs/process.h"
#include "rt/log.h"
#include "rt/symbol.h"
#include "rt/sys.h"

enum {
    REPORT_BYTES_MAX = 256 << 10,
    MESSAGE_MAX = 512,
    CONNECTIONS_DEFAULT = 100000,
    FDS_RESERVED = 64, /* for all that is no connection: listeners, databases, files, pollers */
};

weir_app *weir_app_new_at(int argc, char **argv, const weir_app_options *options)
{
    weir_app *app = weir__calloc(1, sizeof *app);
    if (app == NULL) {
        fputs("weir_app_new: out of memory\n", stderr);
        exit(1);
    }
    app->settings = *options;
    app->argc = argc;
    app->argv = argv;
    app->signals = -1;
    weir__mistakes_init(&app->mistakes);
    weir__gate_init(&app->started, "start to be over");
    weir__gate_init(&app->ended, "drain to be over");
    weir__web_init(&app->web);
    weir__web_init(&app->admin_web);
    weir__app_read_settings(app);
    return app;
}

void weir__app_free(weir_app *app)
{
    weir__web_fini(&app->web);
    weir__web_fini(&app->admin_web);
    weir__mistakes_fini(&app->mistakes);
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
    weir__app_admin_routes(app);
    weir_err err = weir__web_freeze(&app->web, &report);
    if (err == WEIR_OK)
        err = weir__web_freeze(&app->admin_web, &report);
    bool is_good = err == WEIR_OK && app->mistakes.count == 0;
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

/* The last line: true when nothing was cancelled, and nothing is left. */
static bool say_stopped(const weir_app *app)
{
    weir__symbols_forget();
    size_t cancelled = atomic_load(&app->cancelled), fds = count_fds();
    bool is_clean = cancelled == 0 && fds <= app->fds_before;
    char text[256];
    weir_buf b;
    weir_buf_init_fixed(&b, text, sizeof text);
    weir_buf_printf(&b, "stopped: %llu requests served", (unsigned long long)app->requests);
    if (cancelled > 0)
        weir_buf_printf(&b, ", %zu had to be cancelled", cancelled);
    if (fds > app->fds_before)
        weir_buf_printf(&b, ", %zu descriptors are left", fds - app->fds_before);
    else
        weir_buf_puts(&b, WEIR_S(", nothing is left"));
    weir_log(NULL, is_clean ? WEIR_LOG_INFO : WEIR_LOG_WARN, WEIR_STR_FMT,
             WEIR_STR_ARG(weir_buf_str(&b)));
    return is_clean;
}

/* Everything between the checks and the end. Returns the exit status. */
static int run(weir_app *app)
{
    struct weir__runtime_options options;
    char message[MESSAGE_MAX];
    app->fds_before = count_fds();
    weir_err err = weir__app_block_signals(app);
    weir__app_runtime_options(app, &options);
    snprintf(message, sizeof message, "cannot watch signals: %s", weir_strerror(err));
    if (err == WEIR_OK)
        app->rt = weir__runtime_new(&options, &err, message, sizeof message);
    if (app->rt == NULL) {
        fprintf(stderr, "%s: %s\n", app->settings.name, message);
        weir__app_signals_over(app);
        return 1;
    }
    err = weir__runtime_run(app->rt, weir__app_serve, app);
    weir__app_signals_over(app);
    weir__runtime_free(app->rt);
    bool is_clean = say_stopped(app);
    weir__log_stop(weir_sec(2));
    return err == WEIR_OK && is_clean ? 0 : 1;
}

int weir_app_run(weir_app *app)
{
    int status = 0;
    if (!print_what_was_asked(app)) {
        set_log_level(app);
        status = check_all(app) ? run(app) : 1;
    }
    weir__app_free(app);
    return status;
}
