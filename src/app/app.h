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
#include "app/inherited.h"
#include "base/metric.h"
#include "conf/option.h"
#include "http/http.h"
#include "net/tls_dev.h"
#include "rt/reload.h"
#include "rt/runtime.h"
#include "watch/foreign.h"
#include "web/web.h"

enum { WEIR__APP_STUCK_MS = 1000 }; /* who is held by one fiber for so long serves nobody */

enum weir__app_state { WEIR__APP_STARTING, WEIR__APP_READY, WEIR__APP_DRAINING, WEIR__APP_ENDING };

/* The process' exit status, as docs/guide/running.md tells it. */
enum weir__app_exit {
    WEIR__APP_EXIT_WHOLE = 0,
    WEIR__APP_EXIT_NOT_STARTED = 1, /* mistakes, or the start has failed */
    WEIR__APP_EXIT_CUT = 2,         /* something had to be cancelled, or is left */
    WEIR__APP_EXIT_FORCED = 3,      /* what was cancelled did not end */
    WEIR__APP_EXIT_SIGNAL = 128     /* and the number of the second signal */
};

/* From the end of the time for draining to the end by force: within a second of it. */
#define WEIR__APP_FORCE_MS 900

/* A server, and where it listens. */
struct weir__app_listener {
    struct weir__http_server *server; /* NULL: none */
    char url[WEIR__LOCAL_TEXT_MAX];   /* "http://127.0.0.1:8080", "unix:/run/shop.sock" */
};

struct weir_app {
    struct weir__web web; /* begins with the root group: an application is one */
    struct weir__web admin_web;
    weir_app_options settings; /* with defaults, environment and flags in it */
    struct weir__option_set options;
    struct weir__mistakes mistakes;
    struct weir__inherited inherited; /* from who started the process */
    int argc;
    char **argv;

    struct weir__runtime *rt;
    struct weir__app_listener traffic, admin;
    struct weir__tls_server *tls; /* NULL: no HTTPS; lives until the workers have ended */
    struct weir__tls_pair tls_pair;
    struct weir__tls_dev tls_dev;
    char tls_url[WEIR__LOCAL_TEXT_MAX];
    atomic_int state;                 /* weir__app_state */
    atomic_bool is_serving;           /* traffic.server stands, and is up; till it is freed */
    struct weir__metrics metrics;     /* what the rooms have added; read by the admin's worker */
    struct weir__gate started, ended; /* start is over, well or not; the drain is over */
    struct weir__gate asked;          /* a signal has asked for the end */
    size_t fds_before;                /* descriptors before anything was opened */
    atomic_size_t cancelled;          /* requests and background work that the drain cancelled */
    uint64_t requests;                /* served, known at the end */
    struct weir__foreign foreign;     /* of the admin's worker alone */
    weir_err audit_err;               /* of its start */

    /* The end: set by the warden before `asked` opens; nanoseconds of weir__clock. */
    _Atomic int64_t asked_at_ns; /* when the first signal came; 0: none has */
    _Atomic int64_t stop_at_ns;  /* nothing is accepted any more */
    _Atomic int64_t cut_at_ns;   /* what still runs is cancelled */
    _Atomic int64_t force_at_ns; /* the process is ended; INT64_MAX: at no time */
    atomic_int outcome;          /* the exit status, once all is over but the log; -1: not known */
    atomic_bool is_start_cut;    /* the drain has cancelled the start */
    bool is_drain_ready;         /* its fiber waits */
    struct weir__task cancel_start;

    pthread_t warden; /* the thread that reads signals, and ends what does not end */
    bool has_warden;
    atomic_bool is_over; /* the warden is to end */
    int signals;         /* where they are read as numbers (rt/signals.h); -1 */
    int warden_wake;     /* eventfd; -1 */
    int64_t tell_at_ns;  /* the warden's own: when it says next that the service lives */

    struct weir__lock reach; /* held by the warden while it touches workers (A6) */
    bool has_let_go;         /* it does not any more */

    struct weir__reload reload; /* the program's own */
    struct weir__task reload_task;
    atomic_uint reloads_asked; /* and not yet done */
    bool checks_sql;           /* --check-sql: it starts, says whether statements fit, and ends */
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

/* check_sql.c: tells whether the statements in WEIR_SQL fit the databases that are open. */
weir_err weir__app_check_sql(const weir_app *app, weir_ctx *c);

/* audit.c: descriptors that belong to nobody. From the main fiber, when all else has started. */
weir_err weir__app_audit_start(weir_app *app, struct weir__ctx *c);

/* preflight.c: says in the log what the program's flags and the kernel's settings lack. */
void weir__app_preflight(const weir_app *app);

/*
 * warden.c: signals, and the end by force. Start before any other thread; stop when all is over
 * (idempotent). Hurry: the process ends by itself, and has that long for it. The patience: how long
 * the log may still be waited for.
 */
weir_err weir__warden_start(weir_app *app);
void weir__warden_stop(weir_app *app);
void weir__warden_hurry(weir_app *app, weir_dur patience);
weir_dur weir__warden_flush_patience(const weir_app *app);

/* drain.c: has all ready for the drain; from the main fiber, before there is something to drain. */
weir_err weir__app_prepare_drain(weir_app *app, struct weir__ctx *c);

/* drain.c: what the warden asks of the workers: the drain, to read again what can be. */
void weir__app_ask_for_the_end(weir_app *app);
void weir__app_reload(weir_app *app);

/* drain.c: whether the warden may say so to who watches the service. */
bool weir__app_is_alive(weir_app *app);

/*
 * drain.c: the runtime is about to be freed. From here on nothing is asked of its workers, and
 * who is just asking has done so.
 */
void weir__app_let_go(weir_app *app);

/* serve.c: a server on some workers that listens on `where`. On failure one line in `message`. */
weir_err weir__app_listen(struct weir__app_listener *l, const struct weir__http_server_options *o,
                          struct weir__web *web, struct weir__runtime *rt, const char *where,
                          char *message, size_t size);

/*
 * tls.c: HTTPS. Its options, and their mistakes; its listener, beside what the server of the
 * traffic listens on already, before that starts, and nothing when it is off; the watch of its
 * files; the end.
 */
void weir__app_tls_options(weir_app *app);
void weir__app_tls_check(weir_app *app);
weir_err weir__app_tls_listen(weir_app *app, char *message, size_t size);
weir_err weir__app_tls_watch(weir_app *app, weir_ctx *c);
void weir__app_tls_close(weir_app *app);

/* serve.c: what runs on it may end for so long, and is then cancelled. Fiber. */
void weir__app_close(struct weir__http_server *s, struct weir__ctx *c, weir_dur patience);

/*
 * admin.c: the admin's pages, and its server on its own worker. `message` gets one line on failure.
 */
void weir__app_admin_routes(weir_app *app);
weir_err weir__app_admin_start(weir_app *app, struct weir__ctx *c, char *message, size_t size);

#endif
