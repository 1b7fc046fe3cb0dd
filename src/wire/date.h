/*
 * HTTP dates. Written as IMF-fixdate, read in the three forms that RFC 9110 section 5.6.7 asks for.
 * No clock here: the caller says what time it is. Seconds are Unix seconds, UTC.
 */
#ifndef WEIR_WIRE_DATE_H
#define WEIR_WIRE_DATE_H

#include <stdint.h>
#include <weir/str.h>

#define WEIR_DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Writes 29 bytes, no NUL. `seconds` outside the years 1 to 9999 is cut to them. */
void weir__date_format(char out[WEIR_DATE_LEN], int64_t seconds);

/* Reads a date of any of the three forms. `now` places the two-digit year of the RFC 850 form
 * (at most 50 years ahead). Returns 0 or WEIR_EINVALID. */
weir_err weir__date_parse(weir_str s, int64_t now, int64_t *seconds);

#endif
