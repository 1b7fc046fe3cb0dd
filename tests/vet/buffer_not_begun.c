/* A buffer that is written to before it was made. */
#include <weir/weir.h>

weir_err make_page(weir_ctx *c)
{
    char bytes[64];
    weir_buf page;
    /* vet: gcc -Wanalyzer-use-of-uninitialized-value */
    /* vet: gcc -Wmaybe-uninitialized */
    /* vet: clang-tidy clang-analyzer-core.uninitialized.Branch */
    weir_buf_puts(&page, WEIR_S("hello"));
    return weir_text(c, 200, weir_str_from(bytes));
}

weir_err make_page_well(weir_ctx *c)
{
    char bytes[64];
    weir_buf page;
    weir_buf_init_fixed(&page, bytes, sizeof bytes);
    weir_buf_puts(&page, WEIR_S("hello"));
    return weir_text(c, 200, weir_buf_str(&page));
}
