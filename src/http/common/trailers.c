/*
 * Fields behind the body of a response: when they may still be announced or added. Whether there is
 * a place for them its version knows, which has taken them when `end` returns.
 */
#include "base/assert.h"
#include "http/common/conn.h"

weir_err weir__exchange_trailer_announce(struct weir__exchange *x, weir_str name)
{
    if (x->response != WEIR__RESPONSE_NONE)
        return WEIR_ECLOSED;
    weir_err err = weir__trailer_check(name, WEIR_S(""));
    if (err == WEIR_OK)
        err = weir__exchange_own_line(x, WEIR_S("Trailer"), name);
    x->has_trailers = x->has_trailers || err == WEIR_OK;
    return err;
}

weir_err weir__exchange_trailer_add(struct weir__exchange *x, weir_str name, weir_str value)
{
    if (x->response == WEIR__RESPONSE_WHOLE || x->response == WEIR__RESPONSE_CUT)
        return WEIR_ECLOSED;
    WEIR_ASSERT(x->has_trailers || x->behind.len == 0, "X10: it knows whether something follows");
    weir_err err = weir__trailers_add(&x->behind, weir__ctx_arena(x->ctx), name, value);
    x->has_trailers = x->has_trailers || err == WEIR_OK;
    return err;
}
