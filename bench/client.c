/*
 * What a request of the HTTP client costs: fibers that GET a URL over connections that are kept,
 * each request in a context of its own as a handler's would be, its answer read whole.
 *
 *     client --url URL --many FIBERS --seconds S
 *
 * Prints what asking.h says.
 */
#include "asking.h"

static weir_err ask(weir_ctx *c, const struct asking *a)
{
    weir_reply *r = weir_http_get(c, a->of, a->url);
    weir_str body = weir_reply_body(r);
    if (weir_reply_status(r) == 200 && body.len > 0)
        return WEIR_OK;
    fprintf(stderr, "client: %s: status %d, %s\n", a->url, weir_reply_status(r),
            weir_strerror(weir_reply_err(r)));
    exit(1);
}

static weir_err ask_often(weir_ctx *c, void *arg)
{
    struct asking *a = arg;
    weir_err err = WEIR_OK;
    while (!a->is_over && err == WEIR_OK) {
        weir_ctx *one = weir_ctx_open(c);
        err = ask(one, a);
        a->answers++;
        (void)weir_ctx_close(one);
    }
    return err;
}

static weir_err measure(weir_ctx *app, void *arg)
{
    struct asking *a = arg;
    weir_http *http = weir_http_open(app, .pool = {.max_open = a->many});
    weir_err err = weir_http_err(http);
    a->of = http;
    return err == WEIR_OK ? asking_by_fibers(app, a, ask_often, true) : err;
}

int main(int argc, char **argv)
{
    struct asking a = {.program = "client",
                       .usage = "--url URL --many FIBERS --seconds S",
                       .url_name = "url",
                       .many = 64,
                       .seconds = 1};
    return asking_main(&a, argc, argv, measure);
}
