/*
 * The inside of json_decode.c: its tokens, and values that are skipped, their syntax checked. For
 * that file alone.
 */
#ifndef WEIR_BASE_JSON_DECODE_INSIDE_H
#define WEIR_BASE_JSON_DECODE_INSIDE_H

#include <stdio.h>

#include "base/json_keys.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "base/validate.h"

enum { QUOTE_MAX = 32 };

struct decoder {
    const char *end;
    uint32_t depth, depth_max;
    struct weir__json_keys unknown;
    struct weir__report report;
};

/* --- errors ----------------------------------------------------------------------------------- */

/* Broken syntax: the only error that is then reported. */
static inline const char *broken(struct decoder *d, const char *p, const char *what)
{
    if (d->report.errors != NULL)
        d->report.errors->count = d->report.errors->total = 0;
    const char *line = d->report.text;
    unsigned lines = 1;
    for (const char *q = line; (q = memchr(q, '\n', (size_t)(p - q))) != NULL; line = ++q)
        lines++;
    d->report.at = p;
    weir__report_add(&d->report, NULL, "is not JSON: %s at line %u, column %zu", what, lines,
                     (size_t)(p - line) + 1);
    return NULL;
}

static inline const char *unexpected(struct decoder *d, const char *p, const char *what)
{
    return broken(d, p, p == d->end ? "it ends too early" : what);
}

static inline const char *no_memory(struct decoder *d)
{
    weir__report_no_memory(&d->report);
    return NULL;
}

/* --- tokens ----------------------------------------------------------------------------------- */

/* The byte at `p`; 0, which no token begins with, at the end. */
static inline char peek(const struct decoder *d, const char *p)
{
    return WEIR_LIKELY(p < d->end) ? *p : '\0';
}

static inline const char *skip_blanks(const struct decoder *d, const char *p)
{
    while (p < d->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* Checks \uXXXX, and its second half where it is a surrogate; `p` is at the backslash. */
static inline const char *check_unicode_escape(struct decoder *d, const char *p)
{
    int32_t unit = weir__json_hex4(p + 2, d->end);
    if (unit < 0)
        return unexpected(d, p, "an escape without four hexadecimal digits");
    if (unit < 0xd800 || unit > 0xdfff)
        return p + 6;
    int32_t second =
        d->end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? weir__json_hex4(p + 8, d->end) : -1;
    if (unit > 0xdbff || second < 0xdc00 || second > 0xdfff)
        return broken(d, p, "a surrogate without its other half");
    return p + 12;
}

static inline const char *check_escape(struct decoder *d, const char *p)
{
    switch (peek(d, p + 1)) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        return check_unicode_escape(d, p);
    default:
        return broken(d, p, "an escape that JSON does not have");
    }
}

/* From behind the opening quote to the closing one; checks escapes and UTF-8. */
static inline const char *scan_string(struct decoder *d, const char *start, bool *has_escape)
{
    unsigned high = 0;
    const char *p = start;
    *has_escape = false;
    while ((p = weir__json_scan(p, d->end, &high)) < d->end && *p != '"') {
        if (*p != '\\')
            return broken(d, p, "a control character in a string");
        *has_escape = true;
        p = check_escape(d, p);
        if (p == NULL)
            return NULL;
    }
    if (p == d->end)
        return broken(d, p, "it ends too early");
    if (WEIR_UNLIKELY(high != 0)) {
        size_t valid = weir__utf8_valid_prefix(start, (size_t)(p - start));
        if (valid != (size_t)(p - start))
            return broken(d, start + valid, "a string that is not UTF-8");
    }
    return p;
}

/* Writes what one checked escape stands for; moves both places on. */
static inline void unescape_one(const char **from, char **to)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *p = *from;
    if (p[1] != 'u') {
        *(*to)++ = meant[strchr(plain, p[1]) - plain];
        *from += 2;
        return;
    }
    uint32_t unit = (uint32_t)weir__json_hex4(p + 2, p + 6);
    *from += 6;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        uint32_t second = (uint32_t)weir__json_hex4(p + 8, p + 12);
        unit = 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
        *from += 6;
    }
    *to += weir__utf8_put(*to, unit);
}

/* A copy of a checked string without its escapes; it is never longer. */
static inline bool unescape(struct decoder *d, weir_str *s)
{
    char *copy = weir__arena_alloc_aligned(d->report.arena, s->len, 1);
    if (copy == NULL) {
        no_memory(d);
        return false;
    }
    const char *from = s->ptr, *end = s->ptr + s->len;
    char *to = copy;
    while (from < end) {
        const char *slash = memchr(from, '\\', (size_t)(end - from));
        size_t n = (size_t)((slash != NULL ? slash : end) - from);
        memcpy(to, from, n);
        from += n;
        to += n;
        if (from < end)
            unescape_one(&from, &to);
    }
    *s = (weir_str){copy, (size_t)(to - copy)};
    return true;
}

/* Reads a string; `p` is at its opening quote. */
static inline const char *read_string(struct decoder *d, const char *p, weir_str *out)
{
    bool has_escape;
    const char *end = scan_string(d, p + 1, &has_escape);
    if (end == NULL)
        return NULL;
    *out = (weir_str){p + 1, (size_t)(end - p - 1)};
    if (WEIR_UNLIKELY(has_escape) && !unescape(d, out))
        return NULL;
    return end + 1;
}

static inline const char *read_literal(struct decoder *d, const char *p, const char *word, size_t n)
{
    if ((size_t)(d->end - p) < n || memcmp(p, word, n) != 0)
        return unexpected(d, p, "a word that is not true, false or null");
    return p + n;
}

/* The place behind a number, by the grammar alone. */
static inline const char *skip_number(struct decoder *d, const char *p)
{
    p += *p == '-';
    if (!weir__json_is_digit(peek(d, p)))
        return unexpected(d, p, "a number without digits");
    if (*p == '0' && weir__json_is_digit(peek(d, p + 1)))
        return broken(d, p, "a number that begins with 0");
    while (weir__json_is_digit(peek(d, p)))
        p++;
    if (peek(d, p) == '.') {
        if (!weir__json_is_digit(peek(d, ++p)))
            return unexpected(d, p, "a number without digits behind its point");
        while (weir__json_is_digit(peek(d, p)))
            p++;
    }
    if ((peek(d, p) | 0x20) == 'e') {
        p++;
        if (peek(d, p) == '+' || peek(d, p) == '-')
            p++;
        if (!weir__json_is_digit(peek(d, p)))
            return unexpected(d, p, "a number without digits in its exponent");
        while (weir__json_is_digit(peek(d, p)))
            p++;
    }
    return p;
}

/* --- skipping values -------------------------------------------------------------------------- */

static inline const char *skip_string(struct decoder *d, const char *p)
{
    bool has_escape;
    p = scan_string(d, p + 1, &has_escape);
    return p != NULL ? p + 1 : NULL;
}

static inline const char *skip_scalar(struct decoder *d, const char *p)
{
    switch (peek(d, p)) {
    case '"':
        return skip_string(d, p);
    case 't':
        return read_literal(d, p, "true", 4);
    case 'f':
        return read_literal(d, p, "false", 5);
    case 'n':
        return read_literal(d, p, "null", 4);
    default:
        break;
    }
    if (peek(d, p) == '-' || weir__json_is_digit(peek(d, p)))
        return skip_number(d, p);
    return unexpected(d, p, "a value is expected");
}

/* Behind a key there is a colon. */
static inline const char *read_colon(struct decoder *d, const char *p)
{
    p = skip_blanks(d, p);
    if (peek(d, p) != ':')
        return unexpected(d, p, "':' is expected");
    return skip_blanks(d, p + 1);
}

/* Containers that are open in a value that is being skipped. */
struct skipped {
    uint64_t objects; /* a bit for each: it is an object */
    unsigned level;
    const struct weir__path *path;          /* of the whole value */
    const char *begun[WEIR_JSON_DEPTH_MAX]; /* where each is in the text */
};

/*
 * Notes a key that no model knows, at `at`, in the object at `object`. False: it is over. Without
 * an arena nothing is noted.
 */
static inline bool note_key(struct decoder *d, const char *object, uint32_t depth, weir_str key,
                            const char *at, const struct weir__path *path)
{
    if (d->report.arena == NULL)
        return true;
    weir_err err = weir__json_keys_add(&d->unknown, d->report.arena, object, depth, key);
    d->report.at = at;
    if (err == WEIR_EINVALID && depth == d->depth)
        weir__report_add(&d->report, path, "is given twice");
    else if (err == WEIR_EINVALID)
        weir__report_add(&d->report, path, "has a key twice: %.*s%s",
                         key.len > QUOTE_MAX ? QUOTE_MAX : (int)key.len, key.ptr,
                         key.len > QUOTE_MAX ? "…" : "");
    else if (err == WEIR_ELIMIT)
        broken(d, at, "an object with too many unknown keys");
    else if (err < 0)
        no_memory(d);
    return err == WEIR_OK || err == WEIR_EINVALID;
}

static inline const char *skip_key(struct decoder *d, const char *p, const struct skipped *s)
{
    weir_str key;
    p = skip_blanks(d, p);
    if (peek(d, p) != '"')
        return unexpected(d, p, "a key is expected");
    const char *at = p;
    if (d->report.arena == NULL) {
        p = skip_string(d, p);
        return p != NULL ? read_colon(d, p) : NULL;
    }
    p = read_string(d, p, &key);
    if (p == NULL || !note_key(d, s->begun[s->level - 1], d->depth + s->level, key, at, s->path))
        return NULL;
    return read_colon(d, p);
}

static inline const char *too_deep(struct decoder *d, const char *p)
{
    char what[64];
    snprintf(what, sizeof what, "nesting over %u levels", (unsigned)d->depth_max);
    return broken(d, p, what);
}

/*
 * Behind a value in a container that is being skipped: goes on to where the next value is due, or
 * closes containers until none is left.
 */
static inline const char *skip_to_next(struct decoder *d, const char *p, struct skipped *s)
{
    while (s->level > 0) {
        bool is_object = (s->objects >> (s->level - 1) & 1) != 0;
        p = skip_blanks(d, p);
        char ch = peek(d, p);
        if (ch == ',')
            return is_object ? skip_key(d, p + 1, s) : skip_blanks(d, p + 1);
        if (ch != (is_object ? '}' : ']'))
            return unexpected(d, p,
                              is_object ? "',' or '}' is expected" : "',' or ']' is expected");
        p++;
        s->level--;
    }
    return p;
}

/* Skips any value, its syntax checked, without recursion; `p` is at its first byte. */
static inline const char *skip_value(struct decoder *d, const char *p,
                                     const struct weir__path *path)
{
    struct skipped s;
    s.objects = 0;
    s.level = 0;
    s.path = path;
    do {
        char ch = peek(d, p);
        if (ch != '{' && ch != '[') {
            p = skip_scalar(d, p);
        } else if (d->depth + s.level >= d->depth_max) {
            return too_deep(d, p);
        } else {
            bool is_object = ch == '{';
            s.objects = (s.objects & ~((uint64_t)1 << s.level)) | (uint64_t)is_object << s.level;
            s.begun[s.level++] = p;
            p = skip_blanks(d, p + 1);
            if (peek(d, p) != (is_object ? '}' : ']')) {
                p = is_object ? skip_key(d, p, &s) : p;
                continue;
            }
            p++;
            s.level--;
        }
        if (p != NULL)
            p = skip_to_next(d, p, &s);
    } while (p != NULL && s.level > 0);
    return p;
}

#endif
