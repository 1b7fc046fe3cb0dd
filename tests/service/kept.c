/*
 * A service that keeps what is a request's: a string in a static, and in the data of work that goes
 * on after the response.
 */
#include <weir/weir.h>

static weir_str kept;

static weir_err keep(weir_ctx *c)
{
    kept = weir_query_param(c, "text"); /* a view of the received bytes */
    return weir_text(c, 200, "kept\n");
}

static weir_err keep_decoded(weir_ctx *c)
{
    kept = weir_sprintf(c, "<" WEIR_STR_FMT ">", WEIR_STR_ARG(weir_query_param(c, "text")));
    return weir_text(c, 200, "kept\n");
}

static weir_err touch_kept(weir_ctx *c)
{
    size_t n = 0;
    for (size_t i = 0; i < kept.len; i++)
        n += kept.ptr[i] == 'e';
    return weir_textf(c, 200, "%zu\n", n);
}

static weir_err read_kept(weir_ctx *c)
{
    return weir_text(c, 200, kept);
}

static weir_err hello(weir_ctx *c)
{
    return weir_text(c, 200, "hello\n");
}

struct note {
    int64_t id;
    weir_str text;
};

static weir_err write_note(weir_ctx *c, void *arg)
{
    const struct note *note = arg;
    weir_log(c, WEIR_LOG_INFO, "note: " WEIR_STR_FMT, WEIR_STR_ARG(note->text));
    return WEIR_OK;
}

static weir_err detach(weir_ctx *c)
{
    struct note note = {1, weir_query_param(c, "text")};
    weir_err err = weir_detach(c, write_note, &note, sizeof note);
    return err < 0 ? err : weir_text(c, 200, "detached\n");
}

int main(int argc, char **argv)
{
    weir_app *app = weir_app_new(argc, argv, .name = "kept", .workers = 1, .contain_faults = true);
    weir_use(app, weir_mw_recover, weir_mw_log);
    weir_get(app, "/keep", keep);
    weir_get(app, "/keep-decoded", keep_decoded);
    weir_get(app, "/touch", touch_kept);
    weir_get(app, "/read", read_kept);
    weir_get(app, "/detach", detach);
    weir_get(app, "/hello", hello);
    return weir_app_run(app);
}
