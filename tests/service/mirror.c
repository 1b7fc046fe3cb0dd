/*
 * Says what it has understood: for any path and method the method, a blank, and the body; at /sleep
 * after a minute. For tests that hold it against another server, or leave it.
 */
#include <weir/weir.h>

static weir_err mirror(weir_ctx *c)
{
    weir_str body;
    if (weir_body(c, 0, &body) < 0)
        return weir_fail_bind(c);
    return weir_textf(c, 200, WEIR_STR_FMT " " WEIR_STR_FMT,
                      WEIR_STR_ARG(weir_request_method_text(c)), WEIR_STR_ARG(body));
}

static weir_err sleeps(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_sec(60));
    return err < 0 ? err : mirror(c);
}

int main(int argc, char **argv)
{
    static const weir_method methods[] = {WEIR_GET,    WEIR_POST,  WEIR_PUT,
                                          WEIR_DELETE, WEIR_PATCH, WEIR_OPTIONS};
    weir_app *app = weir_app_new(argc, argv, .name = "mirror");
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        weir_route(app, methods[i], "/*path", mirror);
    weir_get(app, "/sleep", sleeps);
    return weir_app_run(app);
}
