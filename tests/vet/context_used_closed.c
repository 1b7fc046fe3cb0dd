/* A context that is used after it was closed. */
#include <weir/weir.h>

weir_err work(weir_ctx *c, weir_fiber_fn fn)
{
    weir_ctx *group = weir_ctx_open(c, .timeout = weir_ms(100));
    weir_err err = WEIR_GO(group, fn, NULL);
    weir_err closed = weir_ctx_close(group);
    if (err == WEIR_OK)
        /* vet: gcc -Wuse-after-free */
        err = weir_join(group);
    return err < 0 ? err : closed;
}

weir_err work_well(weir_ctx *c, weir_fiber_fn fn)
{
    weir_ctx *group = weir_ctx_open(c, .timeout = weir_ms(100));
    weir_err err = WEIR_GO(group, fn, NULL);
    if (err == WEIR_OK)
        err = weir_join(group);
    weir_err closed = weir_ctx_close(group);
    return err < 0 ? err : closed;
}

/* Left open it belongs to `c` all the same. */
weir_err work_of_parent(weir_ctx *c, weir_fiber_fn fn)
{
    weir_ctx *group = weir_ctx_open(c, .timeout = weir_ms(100));
    if (weir_check(c) < 0)
        return WEIR_ECANCELED;
    return WEIR_GO(group, fn, NULL);
}
