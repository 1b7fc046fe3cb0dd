/*
 * Looking for descriptors that belong to nobody, from the admin's worker: when the start is over,
 * for what that has opened is meant, and then at intervals.
 *
 * The table is the admin's worker's alone: it audits, and serves the pages that show it.
 */
#include "app/app.h"
#include "obs/foreign.h"
#include <weir/timer.h>

#define PERIOD_NS_MIN 10000000

static weir_err audit(weir_ctx *c, void *arg)
{
    weir_app *app = arg;
    (void)c;
    weir__foreign_audit(&app->foreign, weir_now());
    return WEIR_OK;
}

/* On the worker's own stack. */
static void begin(struct weir__worker *w, void *arg)
{
    weir_app *app = arg;
    if (w->index != w->runtime->worker_count - 1)
        return;
    weir_dur period = app->settings.fd_audit;
    if (period.ns < PERIOD_NS_MIN)
        period = weir_ns(PERIOD_NS_MIN);
    weir__foreign_audit(&app->foreign, weir__worker_now(w));
    app->audit_err = weir_timer_every(weir__ctx_handle(w->root), period, audit, app, NULL);
}

weir_err weir__app_audit_start(weir_app *app, struct weir__ctx *c)
{
    if (app->settings.fd_audit.ns == 0)
        return WEIR_OK;
    weir_err err = weir__on_each_worker(c, begin, app, weir_sec(10));
    return err == WEIR_OK ? app->audit_err : err;
}
