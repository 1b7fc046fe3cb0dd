/*
 * Values of the kinds that are texts in JSON and forms: points of time, UUIDs, decimals, bytes. One
 * way from a text to a member, for JSON strings and bound texts alike, and one back.
 */
#ifndef WEIR_BASE_VALUE_H
#define WEIR_BASE_VALUE_H

#include "base/validate.h"

enum {
    WEIR__VALUE_TEXT_MAX = WEIR_DECIMAL_TEXT_MAX, /* of what weir__value_put writes */
    WEIR__WALL_SQL_MAX = 27
};

/*
 * Reads a text into a member of kind WALL, UUID, DECIMAL or BLOB, and checks it. False when that
 * was reported. Bytes are decoded into the report's arena.
 */
bool weir__value_bind(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, weir_str text, void *object);

/* A text that is JSON, without blanks around it, into a RAW_JSON member, as a view. */
bool weir__value_set_json(struct weir__report *r, const struct weir__path *path,
                          const struct weir__member *m, weir_str text, void *object);

/* Checks the value of a DECIMAL, BLOB or RAW_JSON member against its options. */
bool weir__value_check(struct weir__report *r, const struct weir__path *path,
                       const struct weir__member *m, const void *object);

/*
 * Writes a value of kind WALL, UUID or DECIMAL as it stands between the quotes; its length, 0 for a
 * point of time that has no text.
 */
size_t weir__value_put(const struct weir__member *m, const void *object, char *out);

/*
 * A bound of decimal numbers from one of all numbers: an integer is that, else it is what the
 * nearest double prints as. False for none.
 */
bool weir__decimal_bound(long double v, weir_decimal *out);

/*
 * A point of time by the calendar and the clock, UTC. Two ways: false outside of the years 1 to
 * 9999, and for what no calendar and no clock has; nothing is written then.
 */
struct weir__moment {
    int year, month, day, hour, minute, second, us;
};
bool weir__moment_of(weir_wall t, struct weir__moment *out);
bool weir__moment_wall(const struct weir__moment *m, weir_wall *out);

/*
 * A point of time as databases write it, "2024-02-29 11:30:00.250000" in UTC, which sorts as time
 * does, also among those without a fraction. The length; 0 outside of the years 1 to 9999.
 */
size_t weir__wall_put_sql(weir_wall t, char out[WEIR__WALL_SQL_MAX]);

/*
 * Reads what databases write: a blank for the 'T', no zone (UTC), no seconds, no time at all. Else
 * as weir_wall_parse.
 */
WEIR_MUST_USE weir_err weir__wall_parse_sql(weir_str text, weir_wall *out);

/* --- base64 (base64.c) ------------------------------------------------------------------------ */

/* Writes `n` bytes as base64 with its padding; (n + 2) / 3 * 4 bytes of `out`. */
void weir__base64_put(char *out, const unsigned char *bytes, size_t n);

/*
 * Reads base64 of either alphabet (RFC 4648 sections 4 and 5), with its padding or without, into
 * `out`, of at least text.len / 4 * 3 + 2 bytes. WEIR_EINVALID: it is none, or says more bits than
 * bytes.
 */
WEIR_MUST_USE weir_err weir__base64_get(weir_str text, unsigned char *out, size_t *len);

#endif
