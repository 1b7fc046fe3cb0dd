/*
 * The gateway: a group of upstreams, which are probed and left alone when they fail, and a handler
 * that hands on to them whatever no route of its own answers.
 */
#include "gateway.h"

#include <string.h>

WEIR_HANDLE(gateway, struct gateway);

/* Takes "a,b,c" apart; what does not fit is a mistake of who starts it. */
static weir_err read_targets(weir_ctx *c, const struct gateway *g, weir_http_target *out)
{
    size_t count = 0;
    weir_str text = weir_strdup(c, weir_str_from(g->upstreams));
    char *at = (char *)(uintptr_t)text.ptr, *rest = NULL;
    for (at = strtok_r(at, ",", &rest); at != NULL; at = strtok_r(NULL, ",", &rest)) {
        if (count == TARGETS_MAX)
            return weir_raise(c, WEIR_EINVALID, "more than %d upstreams", TARGETS_MAX);
        out[count++] = (weir_http_target){.url = at, .each_address = g->each_address};
    }
    return count > 0 ? WEIR_OK : weir_raise(c, WEIR_EINVALID, "--upstreams is empty");
}

static weir_err start(weir_ctx *c, void *arg)
{
    struct gateway *g = arg;
    weir_http_target targets[TARGETS_MAX + 1] = {{.url = NULL}};
    weir_err err = read_targets(c, g, targets);
    if (err < 0)
        return err;
    g->http = weir_http_open(c, .name = "upstreams", .targets = targets, .retries_max = 1,
                             .answer_timeout = weir_sec(5),
                             .group = {.probe = "/healthy",
                                       .probe_interval = weir_sec(1),
                                       .out_time = weir_sec(5),
                                       .slow_start = weir_sec(5)});
    return weir_http_err(g->http);
}

static weir_err hand_on(weir_ctx *c)
{
    return weir_proxy(c, gateway(c)->http);
}

/* POST /gateway/drain?target=http://127.0.0.1:8081&on=1: takes it out for an update, or back in. */
static weir_err drain(weir_ctx *c)
{
    weir_str target = weir_strdup(c, weir_query_param(c, "target"));
    bool is_on = weir_str_eq(weir_query_param(c, "on"), WEIR_S("1"));
    if (target.ptr == NULL || weir_http_drain(c, gateway(c)->http, target.ptr, is_on) < 0)
        return weir_fail(c, 404, "there is no such target");
    return weir_text(c, 200, is_on ? "it gets nothing new\n" : "it is back\n");
}

weir_app *gateway_app(int argc, char **argv, struct gateway *g, const weir_option *options)
{
    weir_app *app =
        weir_app_new(argc, argv, .name = "gateway", .start = start, .arg = g, .options = options);
    weir_use(app, weir_mw_recover, weir_mw_request_id, weir_mw_metrics);
    weir_provide(app, gateway, g);
    weir_post(app, "/gateway/drain", drain);
    weir_fallback(app, hand_on);
    return app;
}
