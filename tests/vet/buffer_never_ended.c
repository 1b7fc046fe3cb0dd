/* A buffer that is ended on the good way out alone. */
#include <weir/weir.h>

weir_err make_page(weir_ctx *c)
{
    weir_buf page;
    weir_buf_init(&page, 4096);
    weir_buf_printf(&page, "hello, %s\n", "world");
    if (weir_check(c) < 0)
        /* vet: gcc -Wanalyzer-malloc-leak */
        return WEIR_ECANCELED;
    weir_err err = weir_text(c, 200, weir_buf_str(&page));
    weir_buf_fini(&page);
    return err;
}

weir_err make_page_well(weir_ctx *c)
{
    weir_buf page;
    weir_buf_init(&page, 4096);
    weir_buf_printf(&page, "hello, %s\n", "world");
    weir_err err = weir_check(c);
    if (err == WEIR_OK)
        err = weir_text(c, 200, weir_buf_str(&page));
    weir_buf_fini(&page);
    return err;
}
