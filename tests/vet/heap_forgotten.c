/* What was taken behind the context's back must be given back by hand, on every way out. */
#include <stdlib.h>
#include <weir/weir.h>

weir_err count(weir_ctx *c, size_t n)
{
    int *sums = calloc(n, sizeof *sums);
    if (sums == NULL)
        return -ENOMEM;
    /* vet: gcc -Wanalyzer-malloc-leak */
    if (weir_check(c) < 0)
        /* vet: clang-tidy clang-analyzer-unix.Malloc; cppcheck memleak */
        return WEIR_ECANCELED;
    sums[0] = 1;
    free(sums);
    return weir_no_content(c);
}

weir_err count_well(weir_ctx *c, size_t n)
{
    int *sums = weir_alloc(c, n * sizeof *sums);
    if (sums == NULL)
        return -ENOMEM;
    if (weir_check(c) < 0)
        return WEIR_ECANCELED;
    sums[0] = 1;
    return weir_no_content(c);
}
