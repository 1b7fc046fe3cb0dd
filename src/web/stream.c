/*
 * Responses that are written piece by piece. As long as nothing has left, an error of the source
 * gets its own status; after that it cuts the connection, so that the client sees that the body is
 * not whole.
 *
 * Items are encoded into the connection's output buffer in place. Between two items no window is
 * open: the handler waits there for its source, and the buffer may be sent meanwhile.
 */
#include <weir/log.h>

#include "base/given.h"
#include "base/json_encode.h"
#include "web/web.h"

enum { WINDOW_MIN = 256 };

/* --- the window --------------------------------------------------------------------------- */

static weir_err open_window(struct weir__json_writer *w)
{
    size_t len = 0;
    weir_err err = weir__exchange_window(w->sink, WINDOW_MIN, &w->start, &len);
    if (err < 0)
        return err;
    w->at = w->start;
    w->end = w->start + len;
    return WEIR_OK;
}

static weir_err next_window(struct weir__json_writer *w)
{
    weir_err err = weir__exchange_commit(w->sink, (size_t)(w->at - w->start));
    return err < 0 ? err : open_window(w);
}

static void writer_init(struct weir__json_writer *w, struct weir__exchange *x)
{
    w->flush = next_window;
    w->sink = x;
    w->depth = 0;
    w->has_items = 0;
    w->after_key = false;
    w->err = open_window(w);
    if (w->err < 0)
        w->start = w->at = w->end = w->scratch;
}

/* --- streams ------------------------------------------------------------------------------ */

static weir_stream *stream_of(const weir_stream *handle, const char *function)
{
    return weir__token_must(handle, WEIR__KIND_STREAM, function, "the stream");
}

/*
 * The request's own stream, or one in its memory when a handler has two; the second one will be
 * refused.
 */
static weir_stream *take(struct weir__request *r)
{
    weir_stream *s = &r->stream;
    if (s->is_used)
        s = weir__ctx_object(r->x->ctx, sizeof *s);
    if (s == NULL)
        weir_panic("no memory for a stream");
    *s = (weir_stream){.r = r, .is_used = true};
    weir__token_open(&s->token, r->x->ctx, WEIR__KIND_STREAM);
    return s;
}

static weir_stream *open_stream(weir_ctx *c, int status, weir_str type, const char *function)
{
    struct weir__request *r = weir__request_of_at(c, function);
    if (status < 200 || status > 599)
        weir__misuse(function, "status %d; a response has one from 200 to 599", status);
    bool is_second = r->stream.is_used;
    weir_stream *s = take(r);
    s->status = status;
    s->type = type;
    if (is_second)
        s->err = weir__exchange_refuse_second(r->x);
    else if (!weir__http_value_is_valid(type))
        s->err = WEIR_EINVALID;
    return s;
}

weir_stream *weir_stream_begin(weir_ctx *c, int status, const char *type)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir__given(type, "the type");
    weir_stream *s = open_stream(c, status, weir_str_from(type), __func__);
    if (s->err == WEIR_OK) /* it is sent with the first bytes, when `type` may be gone */
        s->type = weir__arena_str(weir__ctx_arena(s->r->x->ctx), s->type);
    if (s->err == WEIR_OK && s->type.ptr == NULL)
        s->err = weir__ctx_arena(s->r->x->ctx)->is_over_budget ? WEIR_EBUDGET : -ENOMEM;
    return weir__token_handle(&s->token);
}

weir_stream *weir_json_array(weir_ctx *c, int status)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_stream *s = open_stream(c, status, WEIR_S("application/json"), __func__);
    s->is_array = true;
    return weir__token_handle(&s->token);
}

static weir_err begin(weir_stream *s)
{
    if (s->err < 0 || s->is_begun)
        return s->err;
    s->err = weir__exchange_begin(s->r->x, s->status, s->type, -1);
    s->is_begun = s->err == WEIR_OK;
    return s->err;
}

static void check_kind(const weir_stream *s, bool is_array, const char *function)
{
    if (s->is_array != is_array)
        weir__misuse(function, is_array ? "not for a stream of bytes" : "not for a JSON array");
    if (s->is_ended)
        weir__misuse(function, "the stream has ended");
}

weir_err weir_stream_put_at(weir_stream *s, const weir_model *model, const void *object)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(model, "the model");
    weir__given(object, "the object");
    s = stream_of(s, "weir_stream_put");
    check_kind(s, true, "weir_stream_put");
    if (begin(s) < 0)
        return weir__later_refused(s->err);
    struct weir__json_writer w;
    writer_init(&w, s->r->x);
    weir__json_raw(&w, s->has_items ? WEIR_S(",") : WEIR_S("["));
    w.has_items = 0;
    weir__json_write_model(&w, model, object);
    s->has_items = true;
    s->err = w.err < 0 ? w.err : weir__exchange_commit(s->r->x, (size_t)(w.at - w.start));
    return s->err;
}

weir_err weir_stream_write(weir_stream *s, weir_str bytes)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    s = stream_of(s, __func__);
    check_kind(s, false, __func__);
    if (begin(s) < 0)
        return weir__later_refused(s->err);
    return s->err = weir__exchange_write(s->r->x, bytes);
}

weir_err weir_stream_flush(weir_stream *s)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    s = stream_of(s, __func__);
    if (s->err < 0)
        return weir__later_refused(s->err);
    if (s->is_begun)
        s->err = weir__exchange_flush(s->r->x);
    return s->err;
}

/* What is still to be said of a stream that ends well. */
static weir_err close_well(weir_stream *s)
{
    if (begin(s) < 0)
        return s->err;
    if (s->is_array)
        s->err = weir__exchange_write(s->r->x, s->has_items ? WEIR_S("]") : WEIR_S("[]"));
    if (s->err == WEIR_OK)
        s->err = weir__exchange_end(s->r->x);
    return s->err;
}

weir_err weir_stream_end(weir_stream *s, weir_err err)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    s = stream_of(s, __func__);
    if (s->is_ended)
        weir__misuse(__func__, "the stream has ended");
    s->is_ended = true;
    weir_err own = s->err;
    if (err == WEIR_OK && own == WEIR_OK)
        return close_well(s);
    if (s->is_begun && !weir__exchange_retract(s->r->x))
        weir__exchange_abort(s->r->x);
    return err < 0 ? err : own;
}
