/* The address of what is gone when the function returns. */
#include <stdio.h>
#include <weir/weir.h>

void name_of(int id, const char **out)
{
    char text[32];
    (void)snprintf(text, sizeof text, "user-%d", id);
    /* vet: gcc -Wdangling-pointer=; cppcheck autoVariables */
    *out = text;
}

void name_of_well(weir_ctx *c, int id, const char **out)
{
    *out = weir_sprintf(c, "user-%d", id).ptr;
}
