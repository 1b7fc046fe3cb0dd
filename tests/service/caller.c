/*
 * A service that dials what a request names: GET /?where=HOST:PORT&ms=TIME says "hello" there and
 * answers with what comes back, or with why nothing does. For tests with real name servers.
 */
#include <weir/weir.h>

static weir_err call(weir_ctx *c)
{
    int64_t ms = 2000;
    char bytes[64];
    weir_str where = weir_query_param(c, "where"), time = weir_query_param(c, "ms");
    if (where.len == 0 || (time.len > 0 && weir_str_i64(time, &ms) < 0))
        return weir_fail(c, 400, "want ?where=HOST:PORT and perhaps &ms=TIME");
    weir_socket *s = weir_dial(c, weir_strdup(c, where).ptr, .timeout = weir_ms(ms));
    weir_err err = weir_socket_send(c, s, "hello\n", 6);
    ssize_t n = err == WEIR_OK ? weir_socket_recv(c, s, bytes, sizeof bytes) : err;
    if (n >= 0)
        return weir_text(c, 200, ((weir_str){bytes, (size_t)n}));
    const weir_error *e = weir_last_error(c);
    weir_str why = e != NULL ? e->message : weir_str_from(weir_strerror((weir_err)n));
    err = weir_textf(c, 502, WEIR_STR_FMT, WEIR_STR_ARG(why));
    weir_error_clear(c);
    return err;
}

int main(int argc, char **argv)
{
    weir_app *app = weir_app_new(argc, argv, .name = "caller");
    weir_get(app, "/", call);
    return weir_app_run(app);
}
