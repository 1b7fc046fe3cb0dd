/*
 * Base64 (RFC 4648), both ways. Read in either alphabet, since what stands in a query is written in
 * the one without '+' and '/'; written in the one that everybody reads.
 */
#include "base/value.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void weir__base64_put(char *out, const unsigned char *bytes, size_t n)
{
    for (; n >= 3; n -= 3, bytes += 3, out += 4) {
        uint32_t v = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
        out[0] = letters[v >> 18];
        out[1] = letters[v >> 12 & 63];
        out[2] = letters[v >> 6 & 63];
        out[3] = letters[v & 63];
    }
    if (n == 0)
        return;
    uint32_t v = (uint32_t)bytes[0] << 16 | (n == 2 ? (uint32_t)bytes[1] << 8 : 0);
    out[0] = letters[v >> 18];
    out[1] = letters[v >> 12 & 63];
    out[2] = n == 2 ? letters[v >> 6 & 63] : '=';
    out[3] = '=';
}

/* What a letter stands for; over 63 for what is none. */
static uint32_t value_of(char ch)
{
    if (ch >= 'A' && ch <= 'Z')
        return (uint32_t)(ch - 'A');
    if (ch >= 'a' && ch <= 'z')
        return (uint32_t)(ch - 'a') + 26;
    if (ch >= '0' && ch <= '9')
        return (uint32_t)(ch - '0') + 52;
    return ch == '+' || ch == '-' ? 62 : ch == '/' || ch == '_' ? 63 : 64;
}

/* The text without its padding; false when there is too much of it, or too little. */
static bool strip(weir_str *text)
{
    size_t whole = text->len;
    while (text->len > 0 && whole - text->len < 2 && text->ptr[text->len - 1] == '=')
        text->len--;
    return whole == text->len || whole % 4 == 0;
}

weir_err weir__base64_get(weir_str text, unsigned char *out, size_t *len)
{
    uint32_t bits = 0, count = 0, bad = 0;
    unsigned char *at = out;
    if (!strip(&text) || text.len % 4 == 1)
        return WEIR_EINVALID;
    for (size_t i = 0; i < text.len; i++) {
        uint32_t v = value_of(text.ptr[i]);
        bad |= v & 64;
        bits = bits << 6 | (v & 63);
        count += 6;
        if (count >= 8) {
            count -= 8;
            *at++ = (unsigned char)(bits >> count);
        }
    }
    *len = (size_t)(at - out);
    return bad != 0 || (bits & ((1u << count) - 1)) != 0 ? WEIR_EINVALID : WEIR_OK;
}
