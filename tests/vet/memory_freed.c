/* What a context owns is not the program's to free. */
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

weir_err copy(weir_ctx *c, const char *text)
{
    char *mine = weir_alloc(c, 100);
    if (mine == NULL)
        return -ENOMEM;
    strncpy(mine, text, 99);
    weir_err err = weir_text(c, 200, weir_str_from(mine));
    /* vet: gcc -Wmismatched-dealloc */
    free(mine);
    return err;
}

weir_err copy_well(weir_ctx *c, const char *text)
{
    char *mine = weir_alloc(c, 100);
    if (mine == NULL)
        return -ENOMEM;
    strncpy(mine, text, 99);
    return weir_text(c, 200, weir_str_from(mine));
}
