/* The smallest service: curl localhost:8080/hello/world */
#include <weir/weir.h>

static weir_err hello(weir_ctx *c)
{
    weir_str name = weir_param(c, "name");
    return weir_textf(c, 200, "hello, " WEIR_STR_FMT "\n", WEIR_STR_ARG(name));
}

static weir_err index_page(weir_ctx *c)
{
    return weir_text(c, 200, "say hello: /hello/you\n");
}

int main(int argc, char **argv)
{
    weir_app *app = weir_app_new(argc, argv, .name = "hello");
    weir_use(app, weir_mw_recover, weir_mw_log, weir_mw_metrics);
    weir_get(app, "/hello/:name", hello);
    weir_get(app, "/", index_page);
    return weir_app_run(app);
}
