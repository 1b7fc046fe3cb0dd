/*
 * Numbers and UTF-8. The first eight bytes of the input are the bits of a number, the rest is a
 * text. What is written reads back as the same number, by us and by the C library, and no shorter
 * text would; what is read is what the C library reads; and a prefix is valid UTF-8 exactly as far
 * as its code points say.
 */
#include <errno.h>
#include <float.h>
#include <math.h>

#include "base/json_reference.h"
#include "base/num.h"
#include "base/utf8.h"

enum { BYTES_MAX = 1100 };

/* ---- writing ---- */

static bool is_same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* How many digits the text has that are not zeroes at its ends. */
static int digits_of(const char *text)
{
    int digits = 0, zeroes = 0;
    for (const char *p = text; *p != '\0' && *p != 'e'; p++) {
        if (*p < '0' || *p > '9' || (*p == '0' && digits == 0))
            continue;
        zeroes = *p == '0' ? zeroes + 1 : 0;
        digits++;
    }
    return digits - zeroes;
}

/* The fewest digits that the C library needs to print a number that reads back. */
static int fewest_digits(double v, bool is_float)
{
    char text[64];
    for (int digits = 1;; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, v);
        if (is_float ? is_same((double)strtof(text, NULL), v) : is_same(strtod(text, NULL), v))
            return digits_of(text);
    }
}

static void check_double(double v, bool is_float)
{
    char text[WEIR__DOUBLE_TEXT_MAX + 1];
    double read;
    if (!isfinite(v))
        return;
    size_t n = is_float ? weir__num_put_float(text, (float)v) : weir__num_put_double(text, v);
    FUZZ_CHECK(n < sizeof text, "%zu bytes", n);
    text[n] = '\0';
    FUZZ_CHECK(slow_number(text, text + n) == text + n, "%s is not JSON's", text);
    FUZZ_CHECK(is_float ? is_same((double)strtof(text, NULL), v) : is_same(strtod(text, NULL), v),
               "%a is written as %s", v, text);
    FUZZ_CHECK(weir__num_get_double(text, text + n, &read) == n, "%s is not read", text);
    FUZZ_CHECK(is_same(is_float ? (double)(float)read : read, v), "%s is read as %a", text, read);
    FUZZ_CHECK(digits_of(text) <= fewest_digits(v, is_float), "%s has a digit too many", text);
}

static void check_integer(uint64_t v)
{
    char text[WEIR__INT_TEXT_MAX + 1], expected[24];
    uint64_t u;
    int64_t i;
    size_t n = weir__num_put_u64(text, v);
    int len = snprintf(expected, sizeof expected, "%llu", (unsigned long long)v);
    FUZZ_CHECK(n == (size_t)len && memcmp(text, expected, n) == 0, "%.*s for %s", (int)n, text,
               expected);
    FUZZ_CHECK(weir__num_text_u64((weir_str){text, n}, &u) == WEIR_OK && u == v, "%s", expected);
    n = weir__num_put_i64(text, (int64_t)v);
    len = snprintf(expected, sizeof expected, "%lld", (long long)v);
    FUZZ_CHECK(n == (size_t)len && memcmp(text, expected, n) == 0, "%.*s for %s", (int)n, text,
               expected);
    FUZZ_CHECK(weir_str_i64((weir_str){text, n}, &i) == WEIR_OK && i == (int64_t)v, "%s", expected);
}

/* ---- reading ---- */

static void check_number_text(weir_str s)
{
    static char text[BYTES_MAX + 1];
    double v = 0, expected;
    const char *end = slow_number(s.ptr, s.ptr + s.len);
    size_t n = weir__num_get_double(s.ptr, s.ptr + s.len, &v);
    weir_err err = weir__num_text_double(s, &v);
    if (end == NULL) {
        FUZZ_CHECK(err == WEIR_EINVALID, "%d for what is no number", err);
        return;
    }
    memcpy(text, s.ptr, (size_t)(end - s.ptr));
    text[end - s.ptr] = '\0';
    expected = strtod(text, NULL);
    FUZZ_CHECK(n == (size_t)(end - s.ptr), "%zu bytes of %s", n, text);
    weir__num_get_double(s.ptr, s.ptr + s.len, &v);
    FUZZ_CHECK(is_same(v, expected), "%s is read as %a, not %a", text, v, expected);
    bool is_whole = n == s.len;
    FUZZ_CHECK(err == (!is_whole            ? WEIR_EINVALID
                       : isfinite(expected) ? WEIR_OK
                                            : -ERANGE),
               "%d for %s", err, text);
}

static void check_integer_text(weir_str s)
{
    static char text[BYTES_MAX + 1];
    int64_t i;
    uint64_t u;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    bool is_negative = text[0] == '-';
    size_t digits = strspn(text + is_negative, "0123456789");
    bool is_integer = digits > 0 && digits + is_negative == s.len;
    errno = 0;
    long long slow_i = strtoll(text, NULL, 10);
    weir_err wanted = !is_integer ? WEIR_EINVALID : errno == ERANGE ? -ERANGE : WEIR_OK;
    weir_err err = weir_str_i64(s, &i);
    FUZZ_CHECK(err == wanted && (err != WEIR_OK || i == slow_i), "%d for %s", err, text);
    errno = 0;
    unsigned long long slow_u = strtoull(text, NULL, 10);
    wanted = !is_integer || is_negative ? WEIR_EINVALID : errno == ERANGE ? -ERANGE : WEIR_OK;
    err = weir__num_text_u64(s, &u);
    FUZZ_CHECK(err == wanted && (err != WEIR_OK || u == slow_u), "%d for %s", err, text);
}

static void check_utf8(weir_str s)
{
    const char *p = s.ptr, *end = s.ptr + s.len;
    size_t count = 0;
    for (int len; p < end && (len = slow_utf8(p, end)) > 0; p += len) {
        FUZZ_CHECK(weir__utf8_step(p, end) == (unsigned)len, "byte %zu", (size_t)(p - s.ptr));
        count++;
    }
    size_t valid = (size_t)(p - s.ptr);
    FUZZ_CHECK(weir__utf8_valid_prefix(s.ptr, s.len) == valid, "%zu bytes are valid", valid);
    FUZZ_CHECK(p == end || weir__utf8_step(p, end) == 0, "byte %zu begins nothing", valid);
    FUZZ_CHECK(weir__utf8_count((weir_str){s.ptr, valid}) == count, "%zu code points", count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + size};
    double d;
    float f;
    if (size > BYTES_MAX)
        return 0;
    uint64_t bits = fuzz_u64(&in);
    uint32_t half = (uint32_t)bits;
    memcpy(&d, &bits, sizeof d);
    memcpy(&f, &half, sizeof f);
    check_double(d, false);
    check_double((double)f, true);
    check_double((double)(int64_t)bits / 1000, false);
    check_integer(bits);
    check_integer(bits >> (bits & 63));
    size_t n = (size_t)(in.end - in.at);
    char *bytes = fuzz_copy(in.at, n);
    check_number_text((weir_str){bytes, n});
    check_integer_text((weir_str){bytes, n});
    check_utf8((weir_str){bytes, n});
    free(bytes);
    return 0;
}
