/*
 * What can be said of a request that is over: how it ended, how long it took, what it carried. For
 * the access log and the statistics, which therefore agree, and agree with what the client saw.
 */
#include "web/web.h"

const char *weir__outcome_name(enum weir__outcome o)
{
    static const char *const names[] = {"ok", "error", "panic", "timeout", "client gone"};
    return names[o];
}

static enum weir__outcome outcome_of(const struct weir__request *r)
{
    const struct weir__exchange *x = r->x;
    if (x->status == 499 || r->err == WEIR_ECLIENTGONE)
        return WEIR__OUTCOME_CLIENT_GONE;
    if (r->err == WEIR_EPANIC)
        return WEIR__OUTCOME_PANIC;
    if (r->err == WEIR_ETIMEDOUT || (r->err < 0 && x->ctx->reason == WEIR_REASON_DEADLINE))
        return WEIR__OUTCOME_TIMEOUT;
    return r->err < 0 || weir__exchange_is_cut(x) ? WEIR__OUTCOME_ERROR : WEIR__OUTCOME_OK;
}

void weir__request_summarise(const struct weir__request *r, struct weir__request_summary *out)
{
    const struct weir__exchange *x = r->x;
    *out = (struct weir__request_summary){
        .c = weir__ctx_handle(x->ctx),
        .method = weir__exchange_method(x),
        .path = weir__exchange_path(x),
        .id = weir__ctx_request_id(x->ctx),
        .route = r->route->label,
        .protocol = weir__exchange_protocol(x),
        .is_tls = weir__exchange_is_tls(x),
        .status = x->status,
        .outcome = outcome_of(r),
        .err = r->err,
        .latency = weir_time_sub(weir__worker_now(weir__self), x->began),
        .bytes_in = x->bytes_in,
        .bytes_out = x->bytes_out,
        .is_cut = weir__exchange_is_begun(x) && !weir__exchange_is_whole(x),
    };
    weir__exchange_client(x, &out->client);
}
