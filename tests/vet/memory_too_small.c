/* More is written than was asked for. */
#include <string.h>
#include <weir/weir.h>

char *greeting(weir_ctx *c)
{
    char *text = weir_alloc(c, 5);
    if (text != NULL)
        /* vet: gcc -Warray-bounds */
        memcpy(text, "hello", 6);
    return text;
}

char *greeting_well(weir_ctx *c)
{
    char *text = weir_alloc(c, 6);
    if (text != NULL)
        memcpy(text, "hello", 6);
    return text;
}
