/*
 * The main fiber: start, serve, end. It runs on the first worker, in the application's context, so
 * whatever the program's own start opens lives until the last request is over, and is released
 * (pools, databases) while the network still works.
 *
 * Order: the admin's port first, so that a start that takes long can be watched; then the program's
 * start; then the port that it is all about. Only then is the service ready. At the end the
 * reverse.
 */
#include <stdio.h>
#include <sys/socket.h>

#include "app/app.h"
#include "base/assert.h"
#include "rt/log.h"

enum { MESSAGE_MAX = 512, CLOSE_GRACE_MS = 1000 };

/* One line for people; the log is for machines. */
static void tell(const weir_app *app, const char *message)
{
    fprintf(stderr, "%s: %s\n", app->settings.name, message);
}

/* "http://127.0.0.1:8080"; every address of the machine is shown as localhost. */
static void print_url(const struct weir__endpoint *e, char *out, size_t size)
{
    static const uint8_t any[16] = {0};
    char text[WEIR__ENDPOINT_TEXT_MAX];
    (void)weir__endpoint_format(e, text);
    if (memcmp(e->ip, any, e->family == AF_INET ? 4 : sizeof any) == 0)
        snprintf(text, sizeof text, "localhost:%u", e->port);
    snprintf(out, size, "http://%s", text);
}

weir_err weir__app_listen(struct weir__app_listener *l, const struct weir__http_server_options *o,
                          struct weir__web *web, struct weir__runtime *rt, const char *where,
                          char *message, size_t size)
{
    const struct weir__http_app table = weir__web_app(web);
    snprintf(message, size, "%s", "out of memory");
    l->server = weir__http_server_new(rt, o, &table);
    if (l->server == NULL)
        return -ENOMEM;
    struct weir__endpoint bound;
    weir_err err = weir__http_server_listen(l->server, weir_str_from(where), &bound, message, size);
    if (err == WEIR_OK)
        print_url(&bound, l->url, sizeof l->url);
    return err;
}

void weir__app_close(struct weir__app_listener *l, struct weir__ctx *c)
{
    if (l->server == NULL)
        return;
    weir__http_server_drain(l->server, c);
    weir_time until = weir_time_add(weir__worker_now(weir__self), weir_ms(CLOSE_GRACE_MS));
    if (weir__http_server_wait_closed(l->server, c, until) < 0) {
        weir__http_server_cancel_all(l->server, c, WEIR_REASON_SHUTDOWN);
        weir_err err = weir__http_server_wait_closed(l->server, c, weir_never());
        WEIR_ASSERT(err == WEIR_OK, "what was cancelled ends");
    }
    weir__http_server_free(l->server, c);
    l->server = NULL;
}

/* Opens the port for traffic and lets it in. */
static weir_err open_traffic(weir_app *app, struct weir__ctx *c)
{
    struct weir__http_server_options options;
    char message[MESSAGE_MAX];
    weir__app_server_options(app, &options);
    weir_err err = weir__app_listen(&app->traffic, &options, &app->web, app->rt,
                                    app->settings.listen, message, sizeof message);
    if (err < 0) {
        tell(app, message);
        return err;
    }
    err = weir__http_server_start(app->traffic.server, c);
    if (err < 0)
        tell(app, "cannot begin to accept connections");
    return err;
}

weir_err weir__app_run_start(weir_app *app, weir_ctx *c, char *message, size_t size)
{
    if (app->settings.start == NULL)
        return WEIR_OK;
    weir_err err = weir_protect(c, app->settings.start, app->settings.arg);
    if (err >= 0)
        return WEIR_OK;
    const weir_error *record = weir_last_error(c);
    if (record != NULL && record->message.len > 0)
        snprintf(message, size, "cannot start: " WEIR_STR_FMT "%s" WEIR_STR_FMT,
                 WEIR_STR_ARG(record->message), record->cause.len > 0 ? ": " : "",
                 WEIR_STR_ARG(record->cause));
    else
        snprintf(message, size, "cannot start: %s", weir_strerror(err));
    return err;
}

static weir_err start_all(weir_app *app, weir_ctx *handle, struct weir__ctx *c)
{
    char message[MESSAGE_MAX] = "";
    weir_err err = weir__on_each_worker(c, weir__web_attach, &app->web, weir_sec(10));
    if (err == WEIR_OK)
        err = weir__app_watch_signals(app);
    if (err == WEIR_OK && strcmp(app->settings.admin, "off") != 0)
        err = weir__app_admin_start(app, c, message, sizeof message);
    if (err < 0) {
        tell(app, message[0] != '\0' ? message : weir_strerror(err));
        return err;
    }
    weir__app_preflight();
    err = weir__app_run_start(app, handle, message, sizeof message);
    if (err < 0) {
        tell(app, message);
        return err;
    }
    err = open_traffic(app, c);
    return err == WEIR_OK ? weir__app_audit_start(app, c) : err;
}

static void say_ready(weir_app *app)
{
    printf("%s listens on %s", app->settings.name, app->traffic.url);
    if (app->admin.server != NULL)
        printf(", admin on %s", app->admin.url);
    printf("\n");
    fflush(stdout);
    if (app->settings.ready != NULL)
        app->settings.ready(app->traffic.url, app->settings.arg);
    fflush(stdout);
}

weir_err weir__app_serve(weir_ctx *handle, void *arg)
{
    weir_app *app = arg;
    struct weir__ctx *c = weir__ctx_of(handle);
    weir_err err = start_all(app, handle, c);
    int starting = WEIR__APP_STARTING;
    bool is_ready =
        err == WEIR_OK && atomic_compare_exchange_strong(&app->state, &starting, WEIR__APP_READY);
    if (is_ready)
        say_ready(app);
    weir__gate_open(&app->started);
    if (err == WEIR_OK)
        err = weir__gate_wait(c, &app->ended, weir_never());
    struct weir__http_stats stats = {0};
    if (app->traffic.server != NULL)
        weir__http_server_stats(app->traffic.server, &stats);
    app->requests = stats.requests;
    weir__app_close(&app->traffic, c);
    weir__app_close(&app->admin, c);
    return err;
}
