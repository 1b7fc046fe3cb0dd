/*
 * Traces: what a caller says of its own is put into the request's origin, from where log lines and
 * these functions have it. Anybody may say it, as anybody may send a request's id: it gives no
 * right, and decides nothing here. What is malformed, or said twice, is as if it were not there:
 * the request begins a trace of its own (W3C Trace Context Level 1, sections 3.2.2 and 4).
 */
#include <weir/trace.h>

#include "base/num.h"
#include "web/web.h"
#include "wire/traceparent.h"

void weir__trace_accept(struct weir__exchange *x)
{
    weir_str said = weir__exchange_field(x, WEIR_FIELD_TRACEPARENT);
    if (!weir__exchange_is_repeated(x, WEIR_FIELD_TRACEPARENT))
        (void)weir__traceparent_parse(said, &x->ctx->own_origin.caller);
}

/* --- for the program ------------------------------------------------------------------------ */

static const weir_str none = {NULL, 0};

/* Where work for `o` stands; false: it is for no request. */
static bool find_trace(const struct weir__origin *o, struct weir__trace *out)
{
    if (o != NULL)
        *out = weir__origin_trace(o);
    return o != NULL;
}

static weir_str hex_of(weir_ctx *c, const uint8_t *id, size_t n)
{
    char *text = weir_alloc(c, 2 * n);
    return text != NULL ? (weir_str){text, weir__num_put_hex(text, id, n)} : none;
}

weir_str weir_trace_id(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(none);
    struct weir__trace t;
    return find_trace(weir__ctx_of(c)->origin, &t) ? hex_of(c, t.trace_id, sizeof t.trace_id)
                                                   : none;
}

weir_str weir_span_id(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(none);
    struct weir__trace t;
    return find_trace(weir__ctx_of(c)->origin, &t) ? hex_of(c, t.span_id, sizeof t.span_id) : none;
}

weir_str weir_traceparent(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(none);
    struct weir__trace t;
    char *text =
        find_trace(weir__ctx_of(c)->origin, &t) ? weir_alloc(c, WEIR_TRACEPARENT_LEN) : NULL;
    if (text == NULL)
        return none;
    weir__traceparent_write(text, &t);
    return (weir_str){text, WEIR_TRACEPARENT_LEN};
}
