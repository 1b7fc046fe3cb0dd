/*
 * Whole responses: JSON, text, bytes, redirects. A body is made first and handed
 * over in one piece, so that its length is announced and an error while making it still has its own
 * status.
 *
 * JSON is encoded on the stack and moves to the context's memory when it outgrows that: most bodies
 * are small, and these cost neither an allocation nor a second copy.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/given.h"
#include "base/json_encode.h"
#include "web/web.h"

enum { STACK_BODY = 2048, FIRST_SPILL = 8192 };

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
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(model, "the model");
    weir__given(object, "the object");
    struct weir__request *r = weir__request_of(c);
    struct body b;
    body_init(&b, weir__ctx_of(c));
    weir__json_write_model(&b.w, model, object);
    return body_send("weir_json", &b, r->x, status);
}

weir_err weir_reply_at(weir_ctx *c, const weir_model *model, const void *object)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(model, "the model");
    weir__given(object, "the object");
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
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return respond("weir_text", weir__request_of(c)->x, status, text_type, text);
}

weir_err weir_text_z(weir_ctx *c, int status, const char *text)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    (void)weir__ctx_of(c);
    return weir_text_str(c, status, weir_str_from(text));
}

weir_err weir_textf(weir_ctx *c, int status, const char *format, ...)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(format, "the format");
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
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(type, "the type");
    weir_str t = weir_str_from(type);
    if (!weir__http_value_is_valid(t))
        return weir_raise(c, WEIR_EINVALID,
                          "weir_bytes: the type has bytes that no header may have");
    return respond(__func__, weir__request_of(c)->x, status, t, bytes);
}

weir_err weir_no_content(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
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
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__exchange *x = weir__request_of(c)->x;
    if (WEIR_UNLIKELY(!is_redirect(status)))
        weir__misuse(__func__, "status %d; a redirect has 301, 302, 303, 307 or 308", status);
    if (!is_location(location))
        return weir_raise(c, WEIR_EINVALID, "weir_redirect: the location is no URL");
    if (!weir__exchange_is_begun(x)) {
        weir_err err = weir__exchange_header_set(x, WEIR_S("Location"), location);
        if (err < 0)
            return err;
    }
    return respond(__func__, x, status, (weir_str){NULL, 0}, WEIR_S(""));
}
