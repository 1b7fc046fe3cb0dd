/*
 * UUIDs and their text. New ones are in rt (wall.c), where the clock is.
 */
#include <weir/value.h>

#include "base/given.h"
#include "base/json_scan.h"

static bool is_dash_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static int digit(char ch)
{
    char low = (char)(ch | 0x20);
    if (weir__json_is_digit(ch))
        return ch - '0';
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

weir_err weir_uuid_parse(weir_str text, weir_uuid *out)
{
    weir__given(out, "the result");
    weir_uuid u = {{0}};
    size_t digits = 0;
    if (text.len != WEIR_UUID_TEXT_MAX - 1)
        return WEIR_EINVALID;
    for (size_t i = 0; i < text.len; i++) {
        int v = digit(text.ptr[i]);
        if (is_dash_at(i) ? text.ptr[i] != '-' : v < 0)
            return WEIR_EINVALID;
        if (is_dash_at(i))
            continue;
        u.bytes[digits / 2] = (uint8_t)(u.bytes[digits / 2] << 4 | v);
        digits++;
    }
    *out = u;
    return WEIR_OK;
}

size_t weir_uuid_text(weir_uuid u, char *out)
{
    weir__given(out, "the text");
    static const char hex[] = "0123456789abcdef";
    char *at = out;
    for (size_t i = 0; i < sizeof u.bytes; i++) {
        if (is_dash_at((size_t)(at - out)))
            *at++ = '-';
        *at++ = hex[u.bytes[i] >> 4];
        *at++ = hex[u.bytes[i] & 15];
    }
    *at = '\0';
    return (size_t)(at - out);
}
