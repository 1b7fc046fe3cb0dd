/* A context that is closed again on the way out. */
#include <weir/weir.h>

weir_err work(weir_ctx *c)
{
    weir_ctx *step = weir_ctx_open(c);
    weir_err err = weir_sleep(step, weir_ms(1));
    if (err < 0)
        (void)weir_ctx_close(step);
    /* vet: gcc -Wanalyzer-double-free */
    return weir_ctx_close(step);
}

weir_err work_well(weir_ctx *c)
{
    weir_ctx *step = weir_ctx_open(c);
    weir_err err = weir_sleep(step, weir_ms(1));
    weir_err closed = weir_ctx_close(step);
    return err < 0 ? err : closed;
}

weir_err work_in_block(weir_ctx *c)
{
    weir_err err = WEIR_OK;
    WEIR_WITH(step, c) {
        err = weir_sleep(step, weir_ms(1));
        if (err < 0)
            break;
    }
    return err;
}
