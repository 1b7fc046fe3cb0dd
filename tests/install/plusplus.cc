// The public headers as C++17 sees them: they compile, and their functions link and work.
#include <weir/weir.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

int main()
{
    std::int64_t number = 0;
    if (weir_str_i64(weir_str_trim(WEIR_S(" 42 ")), &number) != WEIR_OK || number != 42)
        return EXIT_FAILURE;
    weir_buf text;
    weir_buf_init(&text, 64);
    weir_buf_printf(&text, "%lld", static_cast<long long>(number));
    const bool is_written = text.len == 2;
    weir_buf_fini(&text);
    if (!is_written)
        return EXIT_FAILURE;
    if (weir_str_i64(WEIR_S("forty-two"), &number) != WEIR_EINVALID)
        return EXIT_FAILURE;
    std::puts("works");
    return EXIT_SUCCESS;
}
