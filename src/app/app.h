/*
 * The application from the inside: one struct that the steps of its life share.
 *
 * A1: `state` only goes forward. A2: what `start` opened belongs to the application's context,
 * which ends after the last request and before the runtime.
 */
#ifndef WEIR_APP_APP_H
#define WEIR_APP_APP_H

#include <pthread.h>
#include <stdatomic.h>

#include "app/gate.h"
#include "app/option.h"
#include "http/server.h"
#include "rt/foreign.h"
#include "rt/runtime.h"
#include "web/web.h"

enum weir__app_state { WEIR__APP_STARTING, WEIR__APP_READY, WEIR__APP_DRAINING, WEIR__APP_ENDING };

/* A server, and where it listens. */
struct weir__app_listener {
    struct weir__http_server *server; /* NULL: none */
    char url[WEIR__ENDPOINT_TEXT_MAX + 8];
};

struct weir_app {
    struct weir__web web; /* begins with the root group: an application is one */
    struct weir__web admin_web;
    weir_app_options settings; /* with defaults, environment and flags in it */
    struct weir__option_set options;
    struct weir__mistakes mistakes;
    int argc;
    char **argv;

    struct weir__runtime *rt;
    struct weir__app_listener traffic, admin;
    atomic_int state;                 /* weir__app_state */
    struct weir__gate started, ended; /* start is over, well or not; the drain is over */
    int signals;                      /* signalfd */
    size_t fds_before;                /* descriptors before anything was opened */
    atomic_size_t cancelled;          /* requests and background work that the drain cancelled */
    uint64_t requests;                /* served, known at the end */
    struct weir__foreign foreign;     /* of the admin's worker alone */
    weir_err audit_err;               /* of its start */

    pthread_t warden; /* the thread that ends the process when a drain does not end */
    bool has_warden;
    pthread_mutex_t warden_lock;
    pthread_cond_t warden_wake;
    bool is_over; /* under warden_lock: the process ends by itself */
};

/* settings.c: the table of options, with defaults; reads environment and flags into `settings`. */
void weir__app_read_settings(weir_app *app);
void weir__app_server_options(const weir_app *app, struct weir__http_server_options *out);
void weir__app_runtime_options(const weir_app *app, struct weir__runtime_options *out);

/* app.c: what weir_app_run does last. */
void weir__app_free(weir_app *app);

/* serve.c: the main fiber. */
weir_err weir__app_serve(weir_ctx *c, void *app);

/* serve.c: the program's own start; its error in one line of `message`. */
weir_err weir__app_run_start(weir_app *app, weir_ctx *c, char *message, size_t size);

/* audit.c: descriptors that belong to nobody. From the main fiber, when all else has started. */
weir_err weir__app_audit_start(weir_app *app, struct weir__ctx *c);

/* preflight.c: says in the log what the kernel's settings have too little of. */
void weir__app_preflight(void);

/*
 * drain.c: signals. Block before any thread is started; watch from the main fiber; end when all is
 * over.
 */
weir_err weir__app_block_signals(weir_app *app);
weir_err weir__app_watch_signals(weir_app *app);
void weir__app_signals_over(weir_app *app);

/* serve.c: a server on some workers that listens on `where`. On failure one line in `message`. */
weir_err weir__app_listen(struct weir__app_listener *l, const struct weir__http_server_options *o,
                          struct weir__web *web, struct weir__runtime *rt, const char *where,
                          char *message, size_t size);

/* Ends what still runs on it, closes it. Fiber. */
void weir__app_close(struct weir__app_listener *l, struct weir__ctx *c);

/*
 * admin.c: the admin's pages, and its server on its own worker. `message` gets one line on failure.
 */
void weir__app_admin_routes(weir_app *app);
weir_err weir__app_admin_start(weir_app *app, struct weir__ctx *c, char *message, size_t size);

#endif
