/*
 * Whole responses: JSON, text, bytes, redirects, headers, cookies. A body is made first and handed
 * over in one piece, so that its length is announced and an error while making it still has its own
 * status.
 *
 * JSON is encoded on the stack and moves to the context's memory when it outgrows that: most bodies
 * are small, and these cost neither an allocation nor a second copy.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/json_encode.h"
#include "web/web.h"

enum { STACK_BODY = 2048, FIRST_SPILL = 8192, COOKIE_MAX = 4096 };

/* The server does the rest: it refuses and counts what comes second. */
static weir_err respond(const char *function, struct weir__exchange *x, int status, weir_str type,
                        weir_str body)
{
    if (WEIR_UNLIKELY(status < 200 || status > 599))
        weir__misuse(function, "status %d; a response has one from 200 to 599", status);
    return weir__exchange_respond(x, status, type, body);
}

/* --- JSON --------------------------------------------------------------------------------- */

struct body {
    struct weir__json_writer w;
    struct weir__ctx *c;
    char *spill; /* NULL: `window` is used */
    size_t cap;
    char window[STACK_BODY];
};

/* More room: all that was written stays in one piece. */
static weir_err grow(struct weir__json_writer *w)
{
    struct body *b = w->sink;
    size_t used = (size_t)(w->at - w->start);
    size_t cap = b->cap < FIRST_SPILL ? FIRST_SPILL : b->cap * 2;
    char *p = weir__arena_grow(weir__ctx_arena(b->c), b->spill, b->spill != NULL ? b->cap : 0, cap);
    if (p == NULL)
        return weir__ctx_arena(b->c)->is_over_budget ? WEIR_EBUDGET : -ENOMEM;
    if (b->spill == NULL)
        memcpy(p, b->window, used);
    b->spill = p;
    b->cap = cap;
    w->start = p;
    w->at = p + used;
    w->end = p + cap;
    return WEIR_OK;
}

static void body_init(struct body *b, struct weir__ctx *c)
{
    b->w.start = b->w.at = b->window;
    b->w.end = b->window + sizeof b->window;
    b->w.flush = grow;
    b->w.sink = b;
    b->w.err = WEIR_OK;
    b->w.depth = 0;
    b->w.has_items = 0;
    b->w.after_key = false;
    b->c = c;
    b->spill = NULL;
    b->cap = sizeof b->window;
}

static weir_err body_send(const char *function, struct body *b, struct weir__exchange *x,
                          int status)
{
    if (WEIR_UNLIKELY(b->w.err < 0))
        return b->w.err;
    weir_str bytes = {b->w.start, (size_t)(b->w.at - b->w.start)};
    return respond(function, x, status, WEIR_S("application/json"), bytes);
}

weir_err weir_json_at(weir_ctx *c, int status, const weir_model *model, const void *object)
{
    struct weir__request *r = weir__request_of(c);
    struct body b;
    body_init(&b, weir__ctx_of(c));
    weir__json_write_model(&b.w, model, object);
    return body_send("weir_json", &b, r->x, status);
}

weir_err weir_reply_at(weir_ctx *c, const weir_model *model, const void *object)
{
    struct weir__request *r = weir__request_of(c);
    struct body b;
    body_init(&b, weir__ctx_of(c));
    weir__json_begin_object(&b.w);
    weir__json_key(&b.w, WEIR_S("code"));
    weir__json_string(&b.w, WEIR_S("ok"));
    weir__json_key(&b.w, WEIR_S("msg"));
    weir__json_string(&b.w, WEIR_S(""));
    weir__json_key(&b.w, WEIR_S("data"));
    weir__json_write_model(&b.w, model, object);
    weir__json_end_object(&b.w);
    return body_send("weir_reply", &b, r->x, 200);
}

/* --- text and bytes ----------------------------------------------------------------------- */

static const weir_str text_type = {"text/plain; charset=utf-8", 25};

weir_err weir_text_str(weir_ctx *c, int status, weir_str text)
{
    return respond("weir_text", weir__request_of(c)->x, status, text_type, text);
}

weir_err weir_text_z(weir_ctx *c, int status, const char *text)
{
    (void)weir__ctx_of(c);
    return weir_text_str(c, status, weir_str_from(text));
}

weir_err weir_textf(weir_ctx *c, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    weir_str text = weir__ctx_vprintf(weir__ctx_of(c), format, args);
    va_end(args);
    if (text.ptr == NULL)
        return weir__ctx_arena(weir__ctx_of(c))->is_over_budget ? WEIR_EBUDGET : -ENOMEM;
    return weir_text_str(c, status, text);
}

weir_err weir_bytes(weir_ctx *c, int status, const char *type, weir_str bytes)
{
    weir_str t = weir_str_from(type);
    if (!weir__http_value_is_valid(t))
        return weir_raise(c, WEIR_EINVALID,
                          "weir_bytes: the type has bytes that no header may have");
    return respond(__func__, weir__request_of(c)->x, status, t, bytes);
}

weir_err weir_no_content(weir_ctx *c)
{
    return respond(__func__, weir__request_of(c)->x, 204, (weir_str){NULL, 0}, WEIR_S(""));
}

/* --- redirects ---------------------------------------------------------------------------- */

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_location(weir_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '#' && (!weir__http_byte_is(s.ptr[i], WEIR_BYTE_TARGET) ||
                                s.ptr[i] == '\\' || (unsigned char)s.ptr[i] >= 0x80))
            return false;
    }
    return s.len > 0;
}

weir_err weir_redirect(weir_ctx *c, int status, weir_str location)
{
    struct weir__exchange *x = weir__request_of(c)->x;
    if (!is_redirect(status))
        return weir_raise(c, WEIR_EFAIL, "weir_redirect: status %d is no redirect", status);
    if (!is_location(location))
        return weir_raise(c, WEIR_EFAIL, "weir_redirect: the location is no URL");
    if (!x->is_started) {
        weir_err err = weir__exchange_header_set(x, WEIR_S("Location"), location);
        if (err < 0)
            return err;
    }
    return respond(__func__, x, status, (weir_str){NULL, 0}, WEIR_S(""));
}

/* --- headers ------------------------------------------------------------------------------ */

weir_err weir_set_header(weir_ctx *c, const char *name, weir_str value)
{
    return weir__exchange_header_set(weir__request_of(c)->x, weir_str_from(name), value);
}

static bool is_cookie_value(weir_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        if (ch <= ' ' || ch >= 0x7f || ch == '"' || ch == ',' || ch == ';' || ch == '\\')
            return false;
    }
    return true;
}

/* A path or a domain: everything but what would end it. */
static bool is_attribute(const char *s)
{
    return s == NULL || (weir__http_value_is_valid(weir_str_from(s)) && strchr(s, ';') == NULL);
}

static bool is_same_site(const char *s)
{
    return s == NULL || strcmp(s, "Strict") == 0 || strcmp(s, "Lax") == 0 || strcmp(s, "None") == 0;
}

weir_err weir_cookie_set_at(weir_ctx *c, const char *name, weir_str value,
                            const weir_cookie_options *o)
{
    struct weir__exchange *x = weir__request_of(c)->x;
    if (!weir__http_name_is_valid(weir_str_from(name)) || !is_cookie_value(value) ||
        !is_attribute(o->path) || !is_attribute(o->domain) || !is_same_site(o->same_site))
        return WEIR_EINVALID;
    char bytes[COOKIE_MAX];
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes);
    weir_buf_printf(&b, "%s=" WEIR_STR_FMT "; Path=%s", name, WEIR_STR_ARG(value),
                    o->path != NULL ? o->path : "/");
    if (o->domain != NULL)
        weir_buf_printf(&b, "; Domain=%s", o->domain);
    if (o->max_age.ns != 0)
        weir_buf_printf(&b, "; Max-Age=%lld",
                        o->max_age.ns < 0 ? 0LL : (long long)(o->max_age.ns / 1000000000));
    weir_buf_printf(&b, "; SameSite=%s%s%s", o->same_site != NULL ? o->same_site : "Lax",
                    o->is_insecure ? "" : "; Secure", o->is_readable ? "" : "; HttpOnly");
    if (b.err < 0)
        return WEIR_ETOOLARGE;
    return weir__exchange_header_add(x, WEIR_S("Set-Cookie"), weir_buf_str(&b));
}
