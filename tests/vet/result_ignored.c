/* A lock that may not have been had. */
#include <weir/weir.h>

void add(weir_ctx *c, weir_mutex *m, int *sum)
{
    /* vet: gcc -Wunused-result; cppcheck ignoredReturnValue */
    weir_lock(c, m);
    ++*sum;
    weir_unlock(c, m);
}

weir_err add_well(weir_ctx *c, weir_mutex *m, int *sum)
{
    weir_err err = weir_lock(c, m);
    if (err < 0)
        return err;
    ++*sum;
    weir_unlock(c, m);
    return WEIR_OK;
}
