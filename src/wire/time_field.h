/*
 * Small fields that say a time: Retry-After (RFC 9110 section 10.2.3), and how long a caller will
 * still wait, as digits.
 */
#ifndef WEIR_WIRE_TIME_FIELD_H
#define WEIR_WIRE_TIME_FIELD_H

#include <stdint.h>
#include <weir/err.h>
#include <weir/str.h>

/*
 * Reads a Retry-After, seconds or a date, into seconds from `now` on (Unix seconds); a date that is
 * past is 0. Held at `max`, so that nobody is sent away for a century. Returns 0 or WEIR_EINVALID.
 */
WEIR_MUST_USE weir_err weir__retry_after_parse(weir_str value, int64_t now, int64_t max,
                                               int64_t *seconds);

enum {
    WEIR__DEADLINE_MS_MAX = 999999999, /* eleven days: what nine digits say */
    WEIR__DEADLINE_TEXT_MAX = 9
};

/*
 * Reads what is left of a caller's deadline: one to nine digits, milliseconds. 0 is one that is
 * over. WEIR_EINVALID for all else: a sign, a blank, a unit, a tenth digit; who sends that is not
 * believed at all.
 */
WEIR_MUST_USE weir_err weir__deadline_parse(weir_str value, int64_t *ms);

/*
 * Writes it, without a NUL; below 0 is 0, and above the maximum the maximum. Returns the length.
 */
size_t weir__deadline_write(char out[WEIR__DEADLINE_TEXT_MAX], int64_t ms);

#endif
