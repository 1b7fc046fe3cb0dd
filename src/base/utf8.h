/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF.
 */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/str.h>

/* Length of the longest prefix of `n` bytes that is whole, valid UTF-8. */
size_t weir__utf8_valid_prefix(const char *p, size_t n);

static inline bool weir__utf8_is_valid(weir_str s)
{
    return weir__utf8_valid_prefix(s.ptr, s.len) == s.len;
}

/* Length (1 to 4) of the valid sequence at `p`, 0 when there is none before `end`. */
unsigned weir__utf8_step(const char *p, const char *end);

/* Number of code points in valid UTF-8. */
size_t weir__utf8_count(weir_str s);

/* Writes a code point (not a surrogate, at most U+10FFFF) as 1 to 4 bytes; returns how many. */
unsigned weir__utf8_put(char *out, uint32_t code_point);

#endif
