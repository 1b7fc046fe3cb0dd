/* A write may move a buffer's bytes; a view of them is not kept across it. */
#include <weir/weir.h>

weir_err reply(weir_ctx *c)
{
    weir_buf text;
    weir_buf_init(&text, 4096);
    weir_buf_puts(&text, WEIR_S("hello"));
    weir_str greeting = weir_buf_str(&text);
    weir_buf_puts(&text, WEIR_S(", world"));
    /* vet: gcc -Wanalyzer-use-after-free; gcc -Wuse-after-free */
    bool is_polite = greeting.ptr[0] == 'h';
    weir_err err = weir_text(c, is_polite ? 200 : 400, weir_buf_str(&text));
    weir_buf_fini(&text);
    return err;
}

weir_err reply_well(weir_ctx *c)
{
    weir_buf text;
    weir_buf_init(&text, 4096);
    weir_buf_puts(&text, WEIR_S("hello"));
    weir_buf_puts(&text, WEIR_S(", world"));
    weir_str greeting = weir_buf_str(&text);
    bool is_polite = greeting.len > 0 && greeting.ptr[0] == 'h';
    weir_err err = weir_text(c, is_polite ? 200 : 400, greeting);
    weir_buf_fini(&text);
    return err;
}
