/*
 * The service: a page, and two routes for each entry of the catalogue. The program and its tests
 * both begin here.
 */
#include "leaky.h"

#include <stdio.h>
#include <string.h>

static weir_err start(weir_ctx *c, void *leaky_)
{
    struct leaky *l = leaky_;
    weir_err err = leaky_said_open(c, l);
    l->never = weir_chan_new(c, int, 0);
    l->news = weir_topic_new(c, int);
    l->mutex = weir_mutex_new(c);
    l->visits = weir_cache_new(c, .name = "visits", .entries_max = 100, .bytes_max = 64 << 10,
                               .ttl = weir_min(1));
    if (weir_cache_err(l->visits) < 0)
        return weir_cache_err(l->visits);
    l->others = weir_http_open(c, .base = l->peer);
    l->db = weir_sqlite_open(
        c, .path = l->path, .create = true, .tx_threshold = weir_ms(200),
        .pool = {.max_open = 2, .wait_max = weir_ms(100), .leak_threshold = weir_ms(200)});
    if (err < 0 || weir_db_err(l->db) < 0)
        return err < 0 ? err : weir_db_err(l->db);
    return weir_exec_script(c, l->db,
                            "DROP TABLE IF EXISTS people;"
                            "CREATE TABLE people(name TEXT NOT NULL, age INTEGER NOT NULL);"
                            "INSERT INTO people VALUES ('Ada', 36), ('Ben', 20), ('Cy', 71);");
}

static void says_where(const char *url, void *unused)
{
    (void)unused;
    printf("\nOpen %s/ or try\n  curl %s/leak/L04\n\n", url, url);
    fflush(stdout);
}

/* The routes of one fault; a middleware stands before the handler where that is what is wrong. */
static void add_routes(weir_app *app, const struct leak *l)
{
    char pattern[64];
    snprintf(pattern, sizeof pattern, "/leak/%s", l->id);
    weir_route(app, l->method, pattern, l->faulty, l->around);
    snprintf(pattern, sizeof pattern, "/clean/%s", l->id);
    weir_route(app, l->method, pattern, l->clean, l->clean_around);
}

weir_app *leaky_app(int argc, char **argv, struct leaky *l)
{
    l->options[0] = (weir_option){
        .name = "db", .text = &l->path, .help = "the SQLite file; its table people is made anew"};
    l->options[1] = (weir_option){
        .name = "peer", .text = &l->peer, .help = "the service that is asked; default: this one"};
    if (l->peer == NULL)
        l->peer = "http://127.0.0.1:8080";
    weir_app *app =
        weir_app_new(argc, argv, .name = "leaky", .listen = ":8080", .options = l->options,
                     .handler_timeout = weir_sec(2), .request_memory_max = 1 << 20, .start = start,
                     .ready = says_where, .arg = l);
    weir_use(app, weir_mw_request_id, weir_mw_log, weir_mw_metrics, weir_mw_recover);
    weir_provide(app, leaky, l);
    weir_needs(app, leaky);
    weir_get(app, "/", leaky_page);
    for (const struct leak *each = leaky_catalogue; each->id != NULL; each++)
        add_routes(app, each);
    return app;
}
