/*
 * Borrowed strings. A weir_str is a view: it never owns its bytes, need not end in NUL, and may
 * hold any byte, NUL included. What it points to must outlive it; who owns that is said where one
 * is handed out. All functions here may be called anywhere; none allocates or waits. What they are
 * given (`s`, `a`, `b`, `prefix`) is read during the call, and not kept.
 */
#ifndef WEIR_STR_H
#define WEIR_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <weir/api.h>
#include <weir/err.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A view of `len` bytes. {NULL, 0} is "absent"; a present, empty string has a pointer. */
typedef struct weir_str {
    const char *ptr;
    size_t len;
} weir_str;

/** A weir_str of a string literal, without a strlen: weir_str_eq(method, WEIR_S("GET")). */
#ifdef __cplusplus
#define WEIR_S(literal) (weir_str{"" literal, sizeof(literal) - 1})
#else
#define WEIR_S(literal) ((weir_str){"" literal, sizeof(literal) - 1})
#endif

/**
 * For printf: printf("id=" WEIR_STR_FMT "\n", WEIR_STR_ARG(id)). Up to 2 GiB, up to the first
 * NUL.
 */
#define WEIR_STR_FMT "%.*s"
#define WEIR_STR_ARG(s) (int)(s).len, (s).ptr

/** A view of `cstr`, which is borrowed, not copied; NULL yields the absent string. */
static inline weir_str weir_str_from(const char *cstr)
{
    weir_str s = {cstr, cstr != NULL ? strlen(cstr) : 0};
    return s;
}

/** True when both hold the same bytes; absent equals empty. */
static inline bool weir_str_eq(weir_str a, weir_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/** Byte order, as memcmp: below 0, 0, above 0; a prefix sorts first. */
WEIR_API int weir_str_cmp(weir_str a, weir_str b);

/** True when both are equal but for the case of ASCII letters. */
WEIR_API bool weir_str_ieq(weir_str a, weir_str b);

/** True when `s` begins with `prefix`. */
static inline bool weir_str_starts(weir_str s, weir_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

/** `s` without ASCII blanks, tabs and line ends on either side; a view of the same bytes. */
WEIR_API weir_str weir_str_trim(weir_str s);

/**
 * Reads a whole decimal integer: an optional '-', then digits, nothing else.
 *
 * s        the text; blanks, '+', fractions and an empty string are refused
 * out      set on success only
 * returns  WEIR_OK, WEIR_EINVALID (not a number) or -ERANGE (over 64 bits)
 * context  anywhere
 */
WEIR_API WEIR_MUST_USE weir_err weir_str_i64(weir_str s, int64_t *out) WEIR_NONNULL(2);

#ifdef __cplusplus
}
#endif
#endif
