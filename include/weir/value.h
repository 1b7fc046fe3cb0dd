/*
 * Values that C has no type for: points of wall-clock time, UUIDs, decimal numbers, bytes, JSON as
 * text. They are members of models, items of arrays and maps, and values of SQL statements, as
 * numbers and texts are. All but bytes and JSON hold what they are and own nothing; those two are
 * views, as weir_str is, and what they point to must outlive them.
 *
 * Functions here may be called anywhere, by any thread, unless they say otherwise; none allocates
 * or waits, and what they return is the caller's. A `text` that is read is not kept; an `out` that
 * is written to is the caller's, and filled.
 */
#ifndef WEIR_VALUE_H
#define WEIR_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/api.h>
#include <weir/err.h>
#include <weir/str.h>
#include <weir/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- wall-clock time -------------------------------------------------------------------------- */

/**
 * A point of wall-clock time in UTC: microseconds since 1970-01-01T00:00:00Z, without leap seconds.
 * Texts and databases take the years 1 to 9999, WEIR_WALL_MIN to WEIR_WALL_MAX.
 */
typedef struct weir_wall {
    int64_t us;
} weir_wall;

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z, as weir_wall.us. */
#define WEIR_WALL_MIN (-62135596800000000LL)
#define WEIR_WALL_MAX 253402300799999999LL

/** The most bytes of a point of time as text, its NUL included. */
#define WEIR_WALL_TEXT_MAX 28

/** What time it is, by the clock that the system may set; for durations there is weir_now. */
WEIR_API weir_wall weir_wall_now(void);

/**
 * Reads an RFC 3339 date-time: "2024-02-29T12:30:00.25+01:00".
 *
 * text     with 'T' or 't' and a zone, 'Z' or "±hh:mm", that is taken off; of a fraction the first
 *          six digits count. A second of 60 is refused: the clock has none
 * out      set on success only
 * returns  WEIR_OK; WEIR_EINVALID: no such text, no such day; -ERANGE: outside of the years 1 to
 *          9999 once it is UTC
 */
WEIR_API WEIR_MUST_USE weir_err weir_wall_parse(weir_str text, weir_wall *out) WEIR_NONNULL(2);

/**
 * Writes a point of time as RFC 3339: "2024-02-29T11:30:00.250000Z", without the fraction when it
 * is 0. `out` has WEIR_WALL_TEXT_MAX bytes. Returns the length without the NUL; 0, and an empty
 * text, outside of the years 1 to 9999.
 */
WEIR_API size_t weir_wall_text(weir_wall t, char *out) WEIR_NONNULL(2);

/**
 * The point of time `seconds` after 1970-01-01T00:00:00Z (Unix time); held at the ends of 64 bits.
 */
static inline weir_wall weir_wall_of(int64_t seconds)
{
    weir_wall t;
    if (__builtin_mul_overflow(seconds, (int64_t)1000000, &t.us))
        t.us = seconds < 0 ? INT64_MIN : INT64_MAX;
    return t;
}

/** `t` plus `d`, whose nanoseconds are cut to microseconds; held at the ends of 64 bits. */
static inline weir_wall weir_wall_add(weir_wall t, weir_dur d)
{
    weir_wall r;
    if (__builtin_add_overflow(t.us, d.ns / 1000, &r.us))
        r.us = d.ns < 0 ? INT64_MIN : INT64_MAX;
    return r;
}

/** The time from `from` to `to`; below zero when `to` is earlier; held at the ends of weir_dur. */
static inline weir_dur weir_wall_sub(weir_wall to, weir_wall from)
{
    weir_dur d;
    int64_t us;
    if (__builtin_sub_overflow(to.us, from.us, &us) ||
        __builtin_mul_overflow(us, (int64_t)1000, &d.ns))
        d.ns = to.us < from.us ? INT64_MIN : INT64_MAX;
    return d;
}

/* --- UUIDs ------------------------------------------------------------------------------------ */

/** A UUID (RFC 9562), its 16 bytes in the order of its text. Zeroed it is the nil UUID. */
typedef struct weir_uuid {
    uint8_t bytes[16];
} weir_uuid;

/** Bytes of a UUID as text, its NUL included. */
#define WEIR_UUID_TEXT_MAX 37

/** A new UUID of random bits (version 4). Costs a system call. */
WEIR_API weir_uuid weir_uuid_v4(void);

/**
 * A new UUID that begins with the time in milliseconds (version 7), random behind it: later ones
 * sort behind earlier ones, but for those of one millisecond. Costs a system call.
 */
WEIR_API weir_uuid weir_uuid_v7(void);

/**
 * Reads 8-4-4-4-12 hexadecimal digits, in either case, nothing around them.
 *
 * out      set on success only
 * returns  WEIR_OK or WEIR_EINVALID
 */
WEIR_API WEIR_MUST_USE weir_err weir_uuid_parse(weir_str text, weir_uuid *out) WEIR_NONNULL(2);

/** Writes a UUID in small letters to WEIR_UUID_TEXT_MAX bytes. Returns 36, the length. */
WEIR_API size_t weir_uuid_text(weir_uuid u, char *out) WEIR_NONNULL(2);

/** Byte order, which is that of the texts: below 0, 0, above 0. */
static inline int weir_uuid_cmp(weir_uuid a, weir_uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

/* --- decimal numbers -------------------------------------------------------------------------- */

/** The most digits of a decimal number, and the most behind its point. */
#define WEIR_DECIMAL_DIGITS_MAX 65

/**
 * An exact decimal number: up to 65 digits, up to 65 of them behind the point, a sign. How many
 * digits stand behind the point is part of it: 1.50 stays 1.50, and equals 1.5. Zeroed it is 0.
 * What is in it is the library's; read and written by the functions below.
 */
typedef struct weir_decimal {
    uint32_t groups[8]; /* of nine digits each, the least first */
    uint8_t scale;      /* digits behind the point */
    bool is_negative;   /* never of 0 */
} weir_decimal;

/** The most bytes of a decimal number as text ("-0." and 65 digits), its NUL included. */
#define WEIR_DECIMAL_TEXT_MAX 69

/**
 * Reads a number in JSON's grammar: "12.50", "-0.001", "1e3" (which is 1000).
 *
 * text     no '+', no leading zeros, no lone point, nothing around it
 * out      set on success only
 * returns  WEIR_OK; WEIR_EINVALID: not a number; -ERANGE: more than 65 digits, or more than 65
 *          behind the point, zeros at the end of a fraction included
 */
WEIR_API WEIR_MUST_USE weir_err weir_decimal_parse(weir_str text, weir_decimal *out)
    WEIR_NONNULL(2);

/**
 * Writes a decimal number without an exponent, all its digits behind the point, to
 * WEIR_DECIMAL_TEXT_MAX bytes. Returns the length without the NUL.
 */
WEIR_API size_t weir_decimal_text(weir_decimal d, char *out) WEIR_NONNULL(2);

/** Below 0, 0, above 0, as `a` is less than, equal to, more than `b`; exact. */
WEIR_API int weir_decimal_cmp(weir_decimal a, weir_decimal b);

/** A whole number as a decimal one. */
WEIR_API weir_decimal weir_decimal_of(int64_t v);

/* --- bytes, JSON ------------------------------------------------------------------------------ */

/**
 * Bytes: base64 in JSON, a BLOB in a database. A view. {NULL, 0} is absent; bytes that are there
 * have a pointer, though there be none of them.
 */
typedef struct weir_blob {
    const void *ptr;
    size_t len;
} weir_blob;

/**
 * A JSON value of any kind, as the text that it is. A view. Absent when its `text` is. What was
 * read is known to be JSON, without blanks around it; what is written is looked at again.
 */
typedef struct weir_raw_json {
    weir_str text;
} weir_raw_json;

/* --- null ------------------------------------------------------------------------------------- */

/**
 * For `.present` of a model where null is a third thing: a member of this type says whether a value
 * is there, and whether null was said in its place.
 */
typedef enum weir_presence {
    WEIR_ABSENT,  /* no key, no column; written as nothing */
    WEIR_PRESENT, /* a value */
    WEIR_IS_NULL  /* null, NULL; written as null */
} __attribute__((packed)) weir_presence;

#ifdef __cplusplus
}
#endif
#endif
