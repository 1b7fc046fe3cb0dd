/*
 * Metrics: each request is counted by its route and the class of its status, with its latency, when
 * it is over. Where the numbers are kept is the room web's matter; who shows them, the room obs'.
 */
#include "web/web.h"
#include <weir/mw.h>

weir_err weir_mw_metrics(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__request_at_end(c, weir__web_count);
    return weir_next(c);
}
