/*
 * Finding the bytes of a text that JSON treats specially, 16 at a step; digits.
 */
#ifndef WEIR_BASE_JSON_SCAN_H
#define WEIR_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool weir__json_is_special(unsigned char ch)
{
    return ch < 0x20 || ch == '"' || ch == '\\';
}

#ifdef __SSE2__
/* A bit for each of 16 bytes that is a quote, a backslash or a control character. */
static inline unsigned weir__json_special_mask(__m128i bytes)
{
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), low));
}
#endif

/*
 * The first special byte at or after `p`, or `end`. `*high` becomes other than 0 when a byte before
 * it is not ASCII.
 */
static inline const char *weir__json_scan(const char *p, const char *end, unsigned *high)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned mask = weir__json_special_mask(bytes);
        unsigned not_ascii = (unsigned)_mm_movemask_epi8(bytes);
        if (mask != 0) {
            *high |= not_ascii & ((mask & (0 - mask)) - 1);
            return p + __builtin_ctz(mask);
        }
        *high |= not_ascii;
        p += 16;
    }
#endif
    for (; p < end && !weir__json_is_special((unsigned char)*p); p++)
        *high |= (unsigned char)*p & 0x80;
    return p;
}

static inline bool weir__json_is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

/* The value of four hexadecimal digits, or -1. */
static inline int32_t weir__json_hex4(const char *p, const char *end)
{
    int32_t v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char low = (char)(p[i] | 0x20);
        if (weir__json_is_digit(p[i]))
            v = v * 16 + (p[i] - '0');
        else if (low >= 'a' && low <= 'f')
            v = v * 16 + (low - 'a' + 10);
        else
            return -1;
    }
    return v;
}

#endif
