/*
 * Looking for bytes 16 at a time (SSE2, which every x86-64 has). Each function answers for the 16
 * bytes at `p` with a mask, bit i for byte i; at the end of the buffer, where fewer are left, the
 * bits past it are 0. Nothing outside [base, end) is read: a short rest is read by the 16 bytes
 * that end with it.
 *
 * Wider vectors are left out: heads are lines of 20 to 60 bytes, so wider loads would mostly read
 * ahead.
 */
#ifndef WEIR_WIRE_SCAN_H
#define WEIR_WIRE_SCAN_H

#include <emmintrin.h>
#include <stddef.h>
#include <string.h>
#include <weir/api.h>

/* Bytes that end a line or may not be in one: controls but HTAB, and DEL. */
static inline unsigned weir__scan_control(__m128i v)
{
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));
}

/* Bytes that may not stand in a request target: all but VCHAR, and '#'. */
static inline unsigned weir__scan_not_target(__m128i v)
{
    __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x21)); /* signed: 0x80 and up as well */
    __m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
    __m128i hash = _mm_cmpeq_epi8(v, _mm_set1_epi8('#'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(low, del), hash));
}

/* Bytes that are not letters, digits, '.', '-' or '_': what host names are made of. */
static inline unsigned weir__scan_not_host(__m128i v)
{
    __m128i from_a = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i from_dash = _mm_sub_epi8(v, _mm_set1_epi8('-')); /* '-', '.', '/', '0' to '9' */
    __m128i alpha = _mm_cmpeq_epi8(_mm_min_epu8(from_a, _mm_set1_epi8(25)), from_a);
    __m128i other = _mm_cmpeq_epi8(_mm_min_epu8(from_dash, _mm_set1_epi8(12)), from_dash);
    __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('/'));
    __m128i bar = _mm_cmpeq_epi8(v, _mm_set1_epi8('_'));
    __m128i ok = _mm_or_si128(_mm_or_si128(alpha, bar), _mm_andnot_si128(slash, other));
    return (unsigned)_mm_movemask_epi8(ok) ^ 0xffff;
}

static inline unsigned weir__scan_byte(__m128i v, char ch)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(ch)));
}

/* The 16 bytes at p as a vector; past `end` it holds 'a's. For buffers of under 16 bytes, and
 * rests. */
static inline __m128i weir__scan_load_short(const char *p, size_t n)
{
    char bytes[16];
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes, p, n);
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

static inline __m128i weir__scan_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Loads the 16 bytes at p, of which those before `end` (there is at least one) count: the others
 * are shifted out of a mask that is shifted right by `*shift`. */
static inline __m128i weir__scan_at(const char *p, const char *end, const char *base,
                                    unsigned *shift)
{
    *shift = 0;
    if (WEIR_LIKELY(end - p >= 16))
        return weir__scan_load(p);
    if (WEIR_LIKELY(end - base >= 16)) {
        *shift = (unsigned)(16 - (end - p));
        return weir__scan_load(end - 16);
    }
    return weir__scan_load_short(p, (size_t)(end - p));
}

#endif
