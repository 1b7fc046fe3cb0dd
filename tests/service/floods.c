/*
 * The service beside whose good clients tests/floods lets bad ones loose: an answer that names its
 * question, so that one which went astray is noticed; a body that comes back; more than any buffer
 * holds. Only the public headers, so that it is built against an installed library as well.
 */
#include <string.h>
#include <weir/weir.h>

enum { LARGE_BYTES = 8 << 20, ECHO_BYTES_MAX = 4096 };

/* Nothing of it belongs to a request, so that what a client pins is what Weir keeps for it. */
static char large_bytes[LARGE_BYTES];

static weir_err hello(weir_ctx *c)
{
    weir_str name = weir_param(c, "name");
    return weir_textf(c, 200, "hello " WEIR_STR_FMT "\n", WEIR_STR_ARG(name));
}

static weir_err echo(weir_ctx *c)
{
    char bytes[ECHO_BYTES_MAX];
    size_t len = 0;
    ssize_t n = 0;
    while (len < sizeof bytes && (n = weir_body_read(c, bytes + len, sizeof bytes - len)) > 0)
        len += (size_t)n;
    if (n < 0)
        return weir_fail_bind(c);
    return weir_bytes(c, 200, "application/octet-stream", (weir_str){bytes, len});
}

/* As most handlers do: whoever waits here has nothing of its own on its stack. */
static weir_err body(weir_ctx *c)
{
    weir_str bytes;
    if (weir_body(c, ECHO_BYTES_MAX, &bytes) < 0)
        return weir_fail_bind(c);
    return weir_bytes(c, 200, "application/octet-stream", bytes);
}

static weir_err large(weir_ctx *c)
{
    return weir_bytes(c, 200, "application/octet-stream", (weir_str){large_bytes, LARGE_BYTES});
}

int main(int argc, char **argv)
{
    memset(large_bytes, 'x', sizeof large_bytes);
    weir_app *app = weir_app_new(argc, argv, .name = "floods");
    weir_get(app, "/hello/:name", hello);
    weir_post(app, "/echo", echo);
    weir_post(app, "/body", body);
    weir_get(app, "/large", large);
    return weir_app_run(app);
}
