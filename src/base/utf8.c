/*
 * UTF-8 validation. Nearly all text on the wire is ASCII, so 16 bytes are looked at in one step
 * and only a sequence that has a high bit is decoded. What may follow a lead byte depends on it
 * (E0, ED, F0 and F4 narrow the second byte); that is the whole of "no overlong forms, no
 * surrogates, nothing past U+10FFFF".
 */
#include "base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool is_tail(unsigned char ch)
{
    return (ch & 0xc0) == 0x80;
}

unsigned weir__utf8_step(const char *at, const char *end)
{
    const unsigned char *p = (const unsigned char *)at;
    ptrdiff_t n = end - at;
    if (n < 1)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < 2)
        return 0;
    if (p[0] < 0xe0)
        return is_tail(p[1]) ? 2 : 0;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high || n < 3 || !is_tail(p[2]))
        return 0;
    if (p[0] < 0xf0)
        return 3;
    return n >= 4 && is_tail(p[3]) ? 4 : 0;
}

/* The first byte at or after `p` that may not be ASCII. */
static const char *skip_ascii(const char *p, const char *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        int high = _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)p));
        if (high != 0)
            return p + __builtin_ctz((unsigned)high);
        p += 16;
    }
#endif
    while (p < end && (unsigned char)*p < 0x80)
        p++;
    return p;
}

size_t weir__utf8_valid_prefix(const char *start, size_t n)
{
    if (n == 0)
        return 0; /* `start` may be NULL */
    const char *p = start, *end = start + n;
    while ((p = skip_ascii(p, end)) < end) {
        do {
            unsigned step = weir__utf8_step(p, end);
            if (step == 0)
                return (size_t)(p - start);
            p += step;
        } while (p < end && (unsigned char)*p >= 0x80);
    }
    return n;
}

size_t weir__utf8_count(weir_str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += !is_tail((unsigned char)s.ptr[i]);
    return count;
}

unsigned weir__utf8_put(char *out, uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}
