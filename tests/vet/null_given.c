/* NULL where there must be something, once in plain sight and once on one way only. */
#include <weir/weir.h>

weir_err receive(weir_ctx *c)
{
    /* vet: gcc -Wnonnull */
    /* vet: gcc -Wanalyzer-null-argument */
    /* vet: clang-tidy clang-analyzer-core.NonNullParamChecker */
    return weir_chan_recv(c, NULL, &(int){0});
}

weir_err send(weir_ctx *c, bool is_wanted)
{
    weir_chan *numbers = NULL;
    if (is_wanted)
        numbers = weir_chan_new(c, int, 1);
    /* vet: gcc -Wanalyzer-null-argument; clang-tidy clang-analyzer-core.NonNullParamChecker */
    return weir_chan_send(c, numbers, &(int){1});
}

weir_err send_well(weir_ctx *c, bool is_wanted)
{
    weir_chan *numbers = NULL;
    if (is_wanted)
        numbers = weir_chan_new(c, int, 1);
    return numbers != NULL ? weir_chan_send(c, numbers, &(int){1}) : WEIR_OK;
}
