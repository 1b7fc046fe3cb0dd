/*
 * Numbers and text, the same in every locale.
 */
#ifndef WEIR_BASE_NUM_H
#define WEIR_BASE_NUM_H

#include <stddef.h>
#include <stdint.h>
#include <weir/err.h>
#include <weir/str.h>

/* The most bytes that a number's text takes. */
enum { WEIR__INT_TEXT_MAX = 20, WEIR__DOUBLE_TEXT_MAX = 32 };

/* Write an integer in decimal, without a NUL; return its length. */
size_t weir__num_put_u64(char *out, uint64_t v);
size_t weir__num_put_i64(char *out, int64_t v);

/* Writes `n` bytes as two lower-case digits each, without a NUL; returns their length, 2 * n. */
size_t weir__num_put_hex(char *out, const uint8_t *bytes, size_t n);

/*
 * Writes the shortest text that reads back as the same finite double (or float), in a form that
 * JSON allows: 12.5, -0, 1e+21, 5e-324. Returns its length. Not finite: asserts.
 */
size_t weir__num_put_double(char *out, double v);
size_t weir__num_put_float(char *out, float v);

/*
 * Reads a number in JSON's grammar (which has no '+', no leading zeros, no lone dot) from the
 * start of a text, correctly rounded. Returns the bytes it takes, 0 when there is no number.
 * Too large is infinite, too small is zero with the sign.
 */
size_t weir__num_get_double(const char *p, const char *end, double *out);

/* Reads a whole text as a number, all of it; WEIR_EINVALID, or -ERANGE past the range. */
WEIR_MUST_USE weir_err weir__num_text_double(weir_str s, double *out);
WEIR_MUST_USE weir_err weir__num_text_u64(weir_str s, uint64_t *out);

#endif
