/*
 * Recover: a panic below becomes an error. The stack is unwound to here, with its clean-ups;
 * message, place and stack have been logged when this returns, and the error record has them for
 * the reply, which tells the client no more than 500.
 */
#include "web/web.h"
#include <weir/mw.h>

static weir_err next(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_next(c);
}

weir_err weir_mw_recover(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    (void)weir__ctx_of(c);
    return weir_protect(c, next, NULL);
}
