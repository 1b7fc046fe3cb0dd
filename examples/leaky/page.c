/*
 * The page: the faults in a list, each with its lines, two links to try it, and what Weir said.
 */
#include "leaky.h"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>Leaky</title>\n"
    "<style>\n"
    "body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fbfaf8;\n"
    "       max-width: 52rem; margin: 2rem auto; padding: 0 1rem }\n"
    "section { background: #fff; border: 1px solid #e4e0d8; border-radius: 8px;\n"
    "          margin: 1.5rem 0; padding: 0 1.2rem 1rem }\n"
    "h2 { font-size: 1.1rem; margin: 1rem 0 0 } h2 a { color: #999; margin-right: .6rem }\n"
    "a { color: #06507a; text-decoration: none } a:hover { text-decoration: underline }\n"
    "pre { background: #f6f4ef; border-radius: 6px; padding: .8rem; overflow-x: auto;\n"
    "      font-size: .82rem; line-height: 1.4; margin: .6rem 0 }\n"
    ".said { white-space: pre-wrap; overflow-wrap: anywhere; background: #fdf1dc }\n"
    "form { display: inline } button, .try { font: inherit; cursor: pointer; color: #06507a;\n"
    "  background: #eef4f7; border: 1px solid #cfdde5; border-radius: 6px; padding: .2rem .8rem }\n"
    "@media (prefers-color-scheme: dark) { body { color: #ddd; background: #1b1c1e }\n"
    "  section { background: #232527; border-color: #383a3d } pre { background: #2b2d30 }\n"
    "  .said { background: #46381e } a, button, .try { color: #8cc4e8 }\n"
    "  button, .try { background: #2b3338; border-color: #44525b } }\n"
    "</style>\n"
    "<h1>Leaky</h1>\n"
    "<p>Each of these is a way in which services bleed to death. Here it costs one request, or not "
    "even that. Try one, come back, and read what was said about it.</p>\n";

static void put(weir_stream *out, const char *text)
{
    weir_stream_write(out, weir_str_from(text));
}

/* Text into HTML. */
static void put_text(weir_stream *out, weir_str text)
{
    size_t from = 0;
    for (size_t i = 0; i <= text.len; i++) {
        const char *instead = i == text.len        ? ""
                              : text.ptr[i] == '<' ? "&lt;"
                              : text.ptr[i] == '>' ? "&gt;"
                              : text.ptr[i] == '&' ? "&amp;"
                              : text.ptr[i] == '"' ? "&quot;"
                                                   : NULL;
        if (instead == NULL)
            continue;
        weir_stream_write(out, (weir_str){text.ptr + from, i - from});
        put(out, instead);
        from = i + 1;
    }
}

/* A link, or for what is posted a button. */
static void put_try(weir_ctx *c, weir_stream *out, const struct leak *l, const char *where,
                    const char *label)
{
    const char *format =
        l->method == WEIR_POST
            ? "<form method=\"post\" action=\"/%s/%s\"><input type=\"hidden\" name=\"text\" "
              "value=\"nobody reads this\"><button>%s</button></form>\n"
            : "<a class=\"try\" href=\"/%s/%s\">%s</a>\n";
    weir_stream_write(out, weir_sprintf(c, format, where, l->id, label));
}

static void put_leak(weir_ctx *c, weir_stream *out, const struct leak *l)
{
    weir_stream_write(
        out, weir_sprintf(c, "<section id=\"%s\"><h2><a href=\"#%s\">%s</a>", l->id, l->id, l->id));
    put_text(out, weir_str_from(l->title));
    put(out, "</h2>\n<p>");
    put_text(out, weir_str_from(l->instead));
    put(out, "</p>\n<pre>");
    put_text(out, leaky_excerpt(l->id));
    put(out, "</pre>\n<p>");
    put_try(c, out, l, "leak", l->is_shown_by_hand ? "the handler" : "let it happen");
    put_try(c, out, l, "clean", "done right");
    put(out, "</p>\n");
    weir_str said = leaky_said_of(c, l->id);
    if (said.len > 0) {
        put(out, "<pre class=\"said\">");
        put_text(out, said);
        put(out, "</pre>\n");
    } else {
        put(out, "<p><i>Nothing was said about it so far.</i></p>\n");
    }
    put(out, "</section>\n");
}

weir_err leaky_page(weir_ctx *c)
{
    weir_stream *out = weir_stream_begin(c, 200, "text/html; charset=utf-8");
    put(out, head);
    for (const struct leak *l = leaky_catalogue; l->id != NULL; l++)
        WEIR_WITH(section, c)
            put_leak(section, out, l);
    put(out, "</html>\n");
    return weir_stream_end(out, WEIR_OK);
}
