/*
 * Borrowed strings: the parts that are too long to be inline. Nothing here allocates, and nothing
 * looks at the locale: "letters" are those of ASCII.
 */
#include <weir/str.h>

#include "base/given.h"

int weir_str_cmp(weir_str a, weir_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int d = n != 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    if (d != 0)
        return d;
    return (a.len > b.len) - (a.len < b.len);
}

static unsigned char lower(char ch)
{
    unsigned char u = (unsigned char)ch;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool weir_str_ieq(weir_str a, weir_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.ptr[i] != b.ptr[i] && lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

static bool is_blank(char ch)
{
    return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

weir_str weir_str_trim(weir_str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

weir_err weir_str_i64(weir_str s, int64_t *out)
{
    weir__given(out, "the result");
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t n = 0;
    bool too_large = false;

    if (s.len == (size_t)negative)
        return WEIR_EINVALID;
    for (size_t i = negative; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';
        if (digit > 9)
            return WEIR_EINVALID;
        too_large |= __builtin_mul_overflow(n, 10u, &n);
        too_large |= __builtin_add_overflow(n, digit, &n);
    }
    if (too_large || n > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return WEIR_OK;
}
