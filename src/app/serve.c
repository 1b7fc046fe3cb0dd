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
#include <string.h>

#include "app/app.h"
#include "base/assert.h"
#include "rt/log.h"

enum { MESSAGE_MAX = 512, CLOSE_GRACE_MS = 200 };

/* One line for people; the log is for machines. */
static void tell(const weir_app *app, const char *message)
{
    fprintf(stderr, "%s: %s\n", app->settings.name, message);
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
    struct weir__listener opened;
    weir_err err =
        weir__http_server_listen(l->server, weir_str_from(where), &opened, message, size);
    if (err == WEIR_OK)
        memcpy(l->url, opened.url, sizeof l->url);
    return err;
}

void weir__app_close(struct weir__http_server *s, struct weir__ctx *c, weir_dur patience)
{
    weir_time until = weir_time_add(weir__worker_now(weir__self), patience);
    weir__http_server_drain(s, c);
    if (weir__http_server_wait_closed(s, c, until) < 0) {
        weir__http_server_cancel_all(s, c, WEIR_REASON_SHUTDOWN);
        weir_err err = weir__http_server_wait_closed(s, c, weir_never());
        WEIR_ASSERT(err == WEIR_OK, "what is waited for without an end has come");
    }
}

/*
 * Both are closed before either is freed: the admin's pages show the numbers of the other, and the
 * last one that is read may be read now.
 */
static void close_both(weir_app *app, struct weir__ctx *c)
{
    struct weir__http_stats stats = {0};
    struct weir__app_listener *all[] = {&app->traffic, &app->admin};
    if (app->traffic.server != NULL)
        weir__http_server_stats(app->traffic.server, &stats);
    app->requests = stats.requests;
    for (int i = 0; i < 2; i++) {
        if (all[i]->server != NULL)
            weir__app_close(all[i]->server, c, weir_ms(CLOSE_GRACE_MS));
    }
    atomic_store(&app->is_serving, false);
    for (int i = 0; i < 2; i++) {
        weir__http_server_free(all[i]->server, c);
        all[i]->server = NULL;
    }
}

/* One more that systemd has opened for us. */
static weir_err listen_on_more(weir_app *app, int num, char *message, size_t size)
{
    char where[32];
    struct weir__listener opened;
    snprintf(where, sizeof where, "fd:%d", num);
    return weir__http_server_listen(app->traffic.server, weir_str_from(where), &opened, message,
                                    size);
}

/* Opens the port for traffic and lets it in. */
static weir_err open_traffic(weir_app *app, struct weir__ctx *c)
{
    struct weir__http_server_options options;
    char message[MESSAGE_MAX];
    weir__app_server_options(app, &options);
    weir_err err = weir__app_listen(&app->traffic, &options, &app->web, app->rt,
                                    app->settings.listen, message, sizeof message);
    bool is_inherited = app->settings.listen == app->inherited.traffic;
    for (int i = 0; err == WEIR_OK && is_inherited && i < app->inherited.more_count; i++)
        err = listen_on_more(app, app->inherited.more[i], message, sizeof message);
    if (err == WEIR_OK)
        err = weir__app_tls_listen(app, message, sizeof message);
    if (err < 0) {
        tell(app, message);
        return err;
    }
    err = weir__http_server_start(app->traffic.server, c);
    if (err < 0)
        tell(app, "cannot begin to accept connections");
    if (err == WEIR_OK)
        weir__http_server_metrics(app->traffic.server, &app->metrics);
    atomic_store(&app->is_serving, err == WEIR_OK);
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
        err = weir__app_prepare_drain(app, c);
    if (err == WEIR_OK && strcmp(app->settings.admin, "off") != 0 && !app->checks_sql)
        err = weir__app_admin_start(app, c, message, sizeof message);
    if (err < 0) {
        tell(app, message[0] != '\0' ? message : weir_strerror(err));
        return err;
    }
    weir__app_preflight(app);
    err = weir__app_run_start(app, handle, message, sizeof message);
    if (err < 0) {
        tell(app, message);
        return err;
    }
    if (app->checks_sql)
        return weir__app_check_sql(app, handle);
    if (atomic_load(&app->state) != WEIR__APP_STARTING)
        return WEIR_OK; /* it is to end already: nobody is let in */
    err = open_traffic(app, c);
    if (err == WEIR_OK)
        err = weir__app_tls_watch(app, handle);
    return err == WEIR_OK ? weir__app_audit_start(app, c) : err;
}

static void say_ready(weir_app *app)
{
    printf("%s listens on %s", app->settings.name, app->traffic.url);
    if (app->tls != NULL)
        printf(", %s", app->tls_url);
    if (app->admin.server != NULL)
        printf(", admin on %s", app->admin.url);
    printf("\n");
    fflush(stdout);
    weir__notify(&app->inherited, "READY=1");
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
    bool is_service = err == WEIR_OK && !app->checks_sql;
    bool is_ready =
        is_service && atomic_compare_exchange_strong(&app->state, &starting, WEIR__APP_READY);
    if (is_ready)
        say_ready(app);
    weir__gate_open(&app->started);
    if (is_service)
        err = weir__gate_wait(c, &app->ended, weir_never());
    weir__warden_hurry(app, app->settings.drain_timeout);
    close_both(app, c);
    return err;
}
