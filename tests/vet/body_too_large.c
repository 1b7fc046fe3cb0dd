/* The function is told of more room than there is. */
#include <weir/weir.h>

ssize_t read_some(weir_ctx *c)
{
    char bytes[512];
    /* vet: gcc -Wstringop-overflow= */
    return weir_body_read(c, bytes, 1024);
}

ssize_t read_some_well(weir_ctx *c)
{
    char bytes[512];
    return weir_body_read(c, bytes, sizeof bytes);
}
