/*
 * The admin's pages: is it alive, is it ready, its numbers, its fibers. They are served by the same
 * server and router as everything else, but on a port and a worker of their own, so that they
 * answer while every other worker is stuck; no page asks another worker anything without a limit on
 * its patience.
 *
 * The port is for the operator alone: by default it listens on the loopback.
 */
#include "app/app.h"

#include "data/cache/list.h"
#include "data/postgres/multiplex.h"
#include "data/redis/redis.h"
#include "data/sql/nodes.h"
#include "data/sqlite/sqlite.h"
#include "http/client/client.h"
#include "net/pool.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "obs/fibers.h"
#include "obs/foreign.h"
#include "obs/metrics.h"
#include "obs/pools.h"
#include "obs/process.h"

enum {
    PAGE_BYTES_MAX = 64 << 20,
    PATIENCE_MS = 100,
};

static weir_app *app_of(weir_ctx *c)
{
    return WEIR_CONTAINER(weir__request_of(c)->web, weir_app, admin_web);
}

/* Responds with a buffer's text, which is freed. */
static weir_err respond(weir_ctx *c, int status, const char *type, weir_buf *page)
{
    weir_err err = page->err;
    if (err == WEIR_OK)
        err = weir_bytes(c, status, type, weir_buf_str(page));
    weir_buf_fini(page);
    return err;
}

static weir_err show_index(weir_ctx *c)
{
    static const char page[] = "<!doctype html><title>admin</title><ul>\n"
                               "<li><a href=/healthz>/healthz</a> is the process alive\n"
                               "<li><a href=/readyz>/readyz</a> may it be sent requests\n"
                               "<li><a href=/metrics>/metrics</a> numbers, for Prometheus\n"
                               "<li><a href=/debug/fibers>/debug/fibers</a> every fiber; also as "
                               "<a href=\"/debug/fibers?format=json\">JSON</a>\n"
                               "<li><a href=/debug/pools>/debug/pools</a> every pool, and who "
                               "holds what; also as "
                               "<a href=\"/debug/pools?format=json\">JSON</a>\n"
                               "<li><a href=/debug/caches>/debug/caches</a> every cache; also as "
                               "<a href=\"/debug/caches?format=json\">JSON</a>\n"
                               "<li><a href=/debug/descriptors>/debug/descriptors</a> what was "
                               "opened behind the runtime's back\n</ul>\n";
    return weir_bytes(c, 200, "text/html; charset=utf-8", weir_str_from(page));
}

static weir_err show_health(weir_ctx *c)
{
    return weir_text(c, 200, "ok\n");
}

/* Names the workers that serve nobody; returns how many of those for traffic there are. */
static unsigned name_stuck(const struct weir__runtime *rt, weir_time now, weir_buf *out)
{
    unsigned count = 0;
    for (unsigned i = 0; i < rt->options.workers; i++) {
        int64_t ms = weir__worker_held(rt->workers[i], now).ns / 1000000;
        if (ms < WEIR__APP_STUCK_MS)
            continue;
        weir_buf_printf(out, "%sworker %u is held by one fiber for %lld ms",
                        count++ > 0 ? ", " : "", i, (long long)ms);
    }
    return count;
}

/* A service is ready while one of its workers is: who balances the load can do nothing better. */
static weir_err show_workers(weir_ctx *c)
{
    const struct weir__runtime *rt = app_of(c)->rt;
    weir_buf names, page;
    weir_buf_init(&names, PAGE_BYTES_MAX);
    weir_buf_init(&page, PAGE_BYTES_MAX);
    unsigned stuck = name_stuck(rt, weir_now(), &names);
    bool is_ready = stuck < rt->options.workers;
    weir_buf_puts(&page, is_ready ? WEIR_S("ready") : WEIR_S("not ready"));
    if (stuck > 0)
        weir_buf_printf(&page, ": " WEIR_STR_FMT "; see /debug/fibers",
                        WEIR_STR_ARG(weir_buf_str(&names)));
    weir_buf_puts(&page, WEIR_S("\n"));
    weir_buf_fini(&names);
    return respond(c, is_ready ? 200 : 503, "text/plain; charset=utf-8", &page);
}

static weir_err show_ready(weir_ctx *c)
{
    switch ((enum weir__app_state)atomic_load(&app_of(c)->state)) {
    case WEIR__APP_STARTING:
        return weir_text(c, 503, "not ready: starting\n");
    case WEIR__APP_READY:
        return show_workers(c);
    case WEIR__APP_DRAINING:
    case WEIR__APP_ENDING:
        break;
    }
    return weir_text(c, 503, "not ready: draining\n");
}

static weir_err show_metrics(weir_ctx *c)
{
    weir_app *app = app_of(c);
    weir_buf page;
    weir_buf_init(&page, PAGE_BYTES_MAX);
    weir__metrics_page(&app->metrics, weir__ctx_of(c), weir_ms(PATIENCE_MS), &page);
    return respond(c, 200, "text/plain; version=0.0.4; charset=utf-8", &page);
}

static weir_err show_fibers(weir_ctx *c)
{
    struct weir__fibers fibers;
    weir_buf page;
    weir_buf_init(&page, PAGE_BYTES_MAX);
    bool is_json = weir_str_eq(weir_query_param(c, "format"), WEIR_S("json"));
    weir_err err = weir__fibers_collect(weir__ctx_of(c), weir_ms(PATIENCE_MS), &fibers);
    if (err == WEIR_OK && is_json)
        weir__fibers_json(&fibers, &page);
    else if (err == WEIR_OK)
        weir__fibers_text(&fibers, &page);
    weir__fibers_fini(&fibers);
    if (err == WEIR_OK)
        return respond(c, 200, is_json ? "application/json" : "text/plain; charset=utf-8", &page);
    weir_buf_fini(&page);
    return err;
}

static weir_err show_pools(weir_ctx *c)
{
    struct weir__pools pools;
    weir_buf page;
    weir_buf_init(&page, PAGE_BYTES_MAX);
    bool is_json = weir_str_eq(weir_query_param(c, "format"), WEIR_S("json"));
    weir_err err = weir__pools_collect(weir__ctx_of(c), weir_ms(PATIENCE_MS), &pools);
    if (err == WEIR_OK && is_json)
        weir__pools_json(&pools, &page);
    else if (err == WEIR_OK)
        weir__pools_text(&pools, &page);
    weir__pools_fini(&pools);
    if (err == WEIR_OK)
        return respond(c, 200, is_json ? "application/json" : "text/plain; charset=utf-8", &page);
    weir_buf_fini(&page);
    return err;
}

static weir_err show_caches(weir_ctx *c)
{
    weir_buf page;
    weir_buf_init(&page, PAGE_BYTES_MAX);
    bool is_json = weir_str_eq(weir_query_param(c, "format"), WEIR_S("json"));
    if (is_json)
        weir__caches_json(&page);
    else
        weir__caches_text(&page);
    return respond(c, 200, is_json ? "application/json" : "text/plain; charset=utf-8", &page);
}

static weir_err show_descriptors(weir_ctx *c)
{
    weir_buf page;
    weir_buf_init(&page, PAGE_BYTES_MAX);
    weir__foreign_text(&app_of(c)->foreign, weir_now(), &page);
    return respond(c, 200, "text/plain; charset=utf-8", &page);
}

void weir__app_admin_routes(weir_app *app)
{
    weir_group *root = &app->admin_web.root;
    weir_get(root, "/", show_index);
    weir_get(root, "/healthz", show_health);
    weir_get(root, "/readyz", show_ready);
    weir_get(root, "/metrics", show_metrics);
    weir_get(root, "/debug/fibers", show_fibers);
    weir_get(root, "/debug/pools", show_pools);
    weir_get(root, "/debug/caches", show_caches);
    weir_get(root, "/debug/descriptors", show_descriptors);
}

/* What /metrics shows of all but the server for traffic, which adds its own when it is there. */
static void add_metrics(weir_app *app)
{
    weir__web_metrics(&app->web, &app->metrics);
    weir__runtime_metrics(app->rt, &app->metrics);
    weir__pool_metrics(&app->metrics);
    weir__resolve_metrics(&app->metrics);
    weir__tls_metrics(&app->metrics); /* of both ends: clients have it without a server */
    weir__sqlite_metrics(&app->metrics);
    weir__cache_metrics(&app->metrics);
    weir__client_metrics(&app->metrics);
    weir__sql_nodes_metrics(&app->metrics);
    weir__redis_metrics(&app->metrics);
    weir__pg_mux_metrics(&app->metrics);
    weir__foreign_metrics(&app->foreign, &app->metrics);
    weir__process_metrics(&app->metrics);
}

weir_err weir__app_admin_start(weir_app *app, struct weir__ctx *c, char *message, size_t size)
{
    const struct weir__http_server_options options = {
        .connections_max = 64, .handler_timeout = weir_sec(20), .backlog = 64};
    add_metrics(app);
    weir_err err = weir__app_listen(&app->admin, &options, &app->admin_web, app->rt,
                                    app->settings.admin, message, size);
    if (err < 0)
        return err;
    weir__http_server_on_workers(app->admin.server, app->rt->worker_count - 1, 1);
    return weir__http_server_start(app->admin.server, c);
}
