/*
 * What stands behind the gateway: says who it is, gives back what it is sent, and can be broken and
 * mended by a request to itself.
 */
#include "gateway.h"

WEIR_HANDLE(upstream, struct upstream);

/* A broken one answers nothing but what mends it. */
static weir_err fail_when_broken(weir_ctx *c)
{
    if (upstream(c)->is_broken)
        return weir_fail(c, 503, "%s is broken", upstream(c)->name);
    return weir_next(c);
}

static weir_err healthy(weir_ctx *c)
{
    return weir_text(c, 200, "well\n");
}

static weir_err hello(weir_ctx *c)
{
    return weir_textf(c, 200, "hello from %s\n", upstream(c)->name);
}

static weir_err echo(weir_ctx *c)
{
    weir_str body;
    if (weir_body(c, 0, &body) < 0)
        return weir_fail_bind(c);
    return weir_bytes(c, 200, "application/octet-stream", body);
}

static weir_err break_it(weir_ctx *c)
{
    upstream(c)->is_broken = true;
    return weir_textf(c, 200, "%s fails from now on\n", upstream(c)->name);
}

static weir_err mend_it(weir_ctx *c)
{
    upstream(c)->is_broken = false;
    return weir_textf(c, 200, "%s is well again\n", upstream(c)->name);
}

weir_app *upstream_app(int argc, char **argv, struct upstream *u, const weir_option *options)
{
    weir_app *app = weir_app_new(argc, argv, .name = "upstream", .options = options, .workers = 1);
    weir_use(app, weir_mw_recover);
    weir_provide(app, upstream, u);
    weir_get(app, "/healthy", healthy, fail_when_broken);
    weir_get(app, "/hello", hello, fail_when_broken);
    weir_post(app, "/echo", echo, fail_when_broken);
    weir_post(app, "/break", break_it);
    weir_post(app, "/mend", mend_it);
    return app;
}
