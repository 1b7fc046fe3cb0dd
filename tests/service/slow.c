/*
 * A service for clients that are slow, or half gone: a large file (--file), and handlers that wait
 * with and without regard for a client that has shut its sending side.
 */
#include <weir/weir.h>

static const char *path = "/dev/null";

static weir_err file(weir_ctx *c)
{
    return weir_file(c, weir_str_from(path));
}

/* As a stream, from memory, in pieces. */
static weir_err stream(weir_ctx *c)
{
    static const char piece[64 << 10];
    weir_stream *out = weir_stream_begin(c, 200, "application/octet-stream");
    weir_err err = WEIR_OK;
    for (int i = 0; i < 512 && err == WEIR_OK; i++)
        err = weir_stream_write(out, (weir_str){piece, sizeof piece});
    return weir_stream_end(out, err);
}

static weir_err waits(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_ms(200));
    return err < 0 ? err : weir_text(c, 200, "waited\n");
}

int main(int argc, char **argv)
{
    const weir_option options[] = {{.name = "file", .text = &path, .help = "what /file sends"},
                                   {0}};
    weir_app *app = weir_app_new(argc, argv, .name = "slow", .options = options);
    weir_group *served = weir_group_new(app, "/served", .half_close = WEIR_ON);
    weir_get(app, "/file", file);
    weir_get(app, "/stream", stream);
    weir_get(app, "/waits", waits);
    weir_get(app, "/endless", waits, .timeout = weir_no_timeout());
    weir_get(served, "/waits", waits);
    weir_get(served, "/not", waits, .half_close = WEIR_OFF);
    return weir_app_run(app);
}
