/*
 * For the fuzzers of models and JSON: RFC 8259 as slowly and plainly as it can be read, and what
 * must hold of every list of errors. The reference only says whether a text is JSON, one function a
 * rule of the grammar; values are held against Python's parser, by tests/fuzz/test_json.py.
 */
#ifndef WEIR_BASE_JSON_REFERENCE_H
#define WEIR_BASE_JSON_REFERENCE_H

#include <weir/json.h>

#include "base/fuzz.h"

/* ---- UTF-8, RFC 3629: by the code points, not by the bytes ---- */

/* The length of the sequence at `p`, 0 when there is none. */
static int slow_utf8(const char *p, const char *end)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)*p;
    int len = first < 0x80       ? 1
              : first >> 5 == 6  ? 2
              : first >> 4 == 14 ? 3
              : first >> 3 == 30 ? 4
                                 : 0;
    if (len <= 1)
        return len;
    uint32_t code = first & (0x7fu >> len);
    if (end - p < len)
        return 0;
    for (int i = 1; i < len; i++) {
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)p[i] & 0x3f);
    }
    bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < least[len] || code > 0x10ffff || is_surrogate ? 0 : len;
}

static inline bool slow_is_utf8(weir_str s)
{
    const char *p = s.ptr, *end = s.ptr + s.len;
    int len = 1;
    for (; p < end && len > 0; p += len)
        len = slow_utf8(p, end);
    return len > 0;
}

/* ---- the grammar: each function returns the place behind what it has read, or NULL ---- */

static const char *slow_blanks(const char *p, const char *end)
{
    while (p < end && *p != '\0' && strchr(" \t\r\n", *p) != NULL)
        p++;
    return p;
}

static const char *slow_digits(const char *p, const char *end)
{
    const char *from = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p > from ? p : NULL;
}

/* number = [ "-" ] int [ "." 1*DIGIT ] [ ( "e" / "E" ) [ "-" / "+" ] 1*DIGIT ] */
static const char *slow_number(const char *p, const char *end)
{
    if (p < end && *p == '-')
        p++;
    if (p < end && *p == '0')
        p++;
    else
        p = slow_digits(p, end);
    if (p != NULL && p < end && *p == '.')
        p = slow_digits(p + 1, end);
    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '-' || *p == '+'))
            p++;
        p = slow_digits(p, end);
    }
    return p;
}

/* The value of four hexadecimal digits, -1 when they are not. */
static long slow_hex4(const char *p, const char *end)
{
    char digits[5] = {0};
    if (end - p < 4)
        return -1;
    memcpy(digits, p, 4);
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? strtol(digits, NULL, 16) : -1;
}

static const char *slow_escape(const char *p, const char *end)
{
    if (end - p >= 2 && p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL)
        return p + 2;
    long unit = end - p >= 2 && p[1] == 'u' ? slow_hex4(p + 2, end) : -1;
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return NULL;
    if (unit < 0xd800 || unit > 0xdbff)
        return p + 6;
    long second = end - p >= 8 && p[6] == '\\' && p[7] == 'u' ? slow_hex4(p + 8, end) : -1;
    return second >= 0xdc00 && second <= 0xdfff ? p + 12 : NULL;
}

static const char *slow_string(const char *p, const char *end)
{
    if (p == end || *p++ != '"')
        return NULL;
    while (p != NULL && p < end && *p != '"') {
        int len = slow_utf8(p, end);
        if (len == 0 || (unsigned char)*p < 0x20)
            return NULL;
        p = *p == '\\' ? slow_escape(p, end) : p + len;
    }
    return p != NULL && p < end ? p + 1 : NULL;
}

static const char *slow_value(const char *p, const char *end, int depth);

/* Members or items, up to and with `close`. */
static const char *slow_list(const char *p, const char *end, int depth, char close)
{
    p = slow_blanks(p + 1, end);
    if (p < end && *p == close)
        return p + 1;
    for (;;) {
        if (close == '}') {
            p = slow_string(slow_blanks(p, end), end);
            if (p == NULL)
                return NULL;
            p = slow_blanks(p, end);
            if (p == end || *p++ != ':')
                return NULL;
        }
        p = slow_value(p, end, depth);
        if (p == NULL || p == end)
            return NULL;
        if (*p == close)
            return p + 1;
        if (*p++ != ',')
            return NULL;
    }
}

/* A value with blanks around it. */
static const char *slow_value(const char *p, const char *end, int depth)
{
    static const char *const words[] = {"true", "false", "null"};
    p = slow_blanks(p, end);
    if (p == end)
        return NULL;
    const char *behind = NULL;
    if (*p == '{' || *p == '[')
        behind = depth < WEIR_JSON_DEPTH_MAX ? slow_list(p, end, depth + 1, *p == '{' ? '}' : ']')
                                             : NULL;
    else if (*p == '"')
        behind = slow_string(p, end);
    else if (*p == '-' || (*p >= '0' && *p <= '9'))
        behind = slow_number(p, end);
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(end - p) >= n && memcmp(p, words[i], n) == 0)
            behind = p + n;
    }
    return behind != NULL ? slow_blanks(behind, end) : NULL;
}

/* True when the whole text is one JSON value, nested as deep as we allow. */
static inline bool slow_is_json(weir_str s)
{
    return slow_value(s.ptr, s.ptr + s.len, 0) == s.ptr + s.len;
}

/* ---- errors ---- */

static inline bool is_broken_syntax(const weir_json_errors *e)
{
    return e->count > 0 && weir_str_starts(e->items[0].message, WEIR_S("is not JSON: "));
}

static inline void check_pointer(weir_str pointer)
{
    FUZZ_CHECK(pointer.len == 0 || pointer.ptr[0] == '/', "a pointer without its slash");
    FUZZ_CHECK(pointer.ptr != NULL && slow_is_utf8(pointer), "a pointer that is not UTF-8");
    for (size_t i = 0; i < pointer.len; i++)
        FUZZ_CHECK(pointer.ptr[i] != '~' || (i + 1 < pointer.len && (pointer.ptr[i + 1] == '0' ||
                                                                     pointer.ptr[i + 1] == '1')),
                   "a '~' that escapes nothing");
}

/* A place in `text`; 0, 0 where there is no text. */
static inline void check_place(const weir_json_error *e, weir_str text)
{
    const char *line = text.ptr;
    if (text.ptr == NULL) {
        FUZZ_CHECK(e->line == 0 && e->column == 0, "a place where there is no text");
        return;
    }
    const char *end = text.ptr + text.len;
    FUZZ_CHECK(e->line >= 1 && e->column >= 1, "line %u, column %u", e->line, e->column);
    for (uint32_t i = 1; i < e->line; i++) {
        line = memchr(line, '\n', (size_t)(end - line));
        FUZZ_CHECK(line != NULL, "there is no line %u", e->line);
        line++;
    }
    FUZZ_CHECK(e->column - 1 <= (size_t)(end - line), "line %u has no column %u", e->line,
               e->column);
}

/* What is true of the errors of any call that returned `err`; `text` is absent for bindings. */
static inline void check_errors(weir_err err, const weir_json_errors *e, weir_str text)
{
    FUZZ_CHECK(err == WEIR_OK || err == WEIR_EINVALID || err == WEIR_EBUDGET, "%d", err);
    FUZZ_CHECK(err == WEIR_EBUDGET || (err == WEIR_OK) == (e->total == 0), "%d with %zu errors",
               err, e->total);
    size_t kept = e->total < WEIR_JSON_ERRORS_MAX ? e->total : WEIR_JSON_ERRORS_MAX;
    FUZZ_CHECK(e->count == kept, "%zu of %zu errors are kept", e->count, e->total);
    FUZZ_CHECK(!is_broken_syntax(e) || e->total == 1, "broken syntax is the only error");
    for (size_t i = 0; i < e->count; i++) {
        const weir_json_error *item = &e->items[i];
        FUZZ_CHECK(item->message.len > 0 && slow_is_utf8(item->message), "message %zu", i);
        FUZZ_CHECK(item->message.ptr[item->message.len] == '\0', "message %zu has no NUL", i);
        check_pointer(item->pointer);
        check_place(item, text);
    }
}

#endif
