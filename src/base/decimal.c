/*
 * Decimal numbers: read, written and compared, by their digits; there is no arithmetic. 65 digits,
 * as many as MySQL's DECIMAL has, are kept in groups of nine, so that neither way needs a division
 * of large numbers.
 */
#include <math.h>
#include <stdio.h>

#include "base/given.h"
#include "base/json_scan.h"
#include "base/num.h"
#include "base/value.h"

enum {
    GROUP = 9,
    GROUPS = 8,
    DIGITS = GROUP * GROUPS, /* of which the first 7 are 0 */
    MAX = WEIR_DECIMAL_DIGITS_MAX,
    EXPONENT_MAX = 1 << 20 /* further ones change nothing any more */
};

/* All digits of a number, zeros in front. */
static void put_all(const weir_decimal *d, char digits[DIGITS])
{
    for (int g = 0; g < GROUPS; g++) {
        uint32_t v = d->groups[g];
        for (int i = GROUP; i-- > 0; v /= 10)
            digits[(GROUPS - 1 - g) * GROUP + i] = (char)('0' + v % 10);
    }
}

static void get_all(weir_decimal *d, const char digits[DIGITS])
{
    for (int g = 0; g < GROUPS; g++) {
        uint32_t v = 0;
        for (int i = 0; i < GROUP; i++)
            v = v * 10 + (uint32_t)(digits[(GROUPS - 1 - g) * GROUP + i] - '0');
        d->groups[g] = v;
    }
}

static unsigned scale_of(const weir_decimal *d)
{
    return d->scale <= MAX ? d->scale : MAX;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* A number while it is read: its digits without zeros in front, and how it is to be taken. */
struct scan {
    char digits[MAX];
    int64_t count; /* of digits; over MAX they are not kept */
    int64_t scale; /* digits behind the point, less the exponent */
};

static const char *scan_digits(struct scan *s, const char *p, const char *end, int64_t by)
{
    for (; p < end && weir__json_is_digit(*p); p++) {
        s->scale += by;
        if (s->count == 0 && *p == '0')
            continue;
        if (s->count < MAX)
            s->digits[s->count] = *p;
        s->count++;
    }
    return p;
}

/* The exponent behind its 'e'; NULL when it has no digits. */
static const char *scan_exponent(struct scan *s, const char *p, const char *end)
{
    bool is_negative = p < end && *p == '-';
    int64_t e = 0;
    p += p < end && (*p == '-' || *p == '+');
    if (p == end || !weir__json_is_digit(*p))
        return NULL;
    for (; p < end && weir__json_is_digit(*p); p++)
        e = e < EXPONENT_MAX ? e * 10 + (*p - '0') : e;
    s->scale += is_negative ? e : -e;
    return p;
}

/* By the grammar of JSON; false when the text, behind its sign, is no number. */
static bool scan(struct scan *s, const char *p, const char *end)
{
    const char *start = p;
    p = scan_digits(s, p, end, 0);
    if (p == start || (*start == '0' && p - start > 1))
        return false;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = scan_digits(s, p, end, 1);
        if (p == fraction)
            return false;
    }
    if (p < end && (*p | 0x20) == 'e')
        p = scan_exponent(s, p + 1, end);
    return p == end;
}

weir_err weir_decimal_parse(weir_str text, weir_decimal *out)
{
    weir__given(out, "the result");
    struct scan s = {.count = 0};
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    if (text.len == 0 || !scan(&s, text.ptr + is_negative, text.ptr + text.len))
        return WEIR_EINVALID;
    int64_t zeros = s.scale < 0 && s.count > 0 ? -s.scale : 0; /* at the end, for the exponent */
    int64_t scale = s.scale < 0 ? 0 : s.scale;
    if (s.count + zeros > MAX || scale > MAX)
        return -ERANGE;
    char digits[DIGITS];
    memset(digits, '0', sizeof digits);
    memcpy(digits + DIGITS - zeros - s.count, s.digits, (size_t)s.count);
    get_all(out, digits);
    out->scale = (uint8_t)scale;
    out->is_negative = is_negative && s.count > 0;
    return WEIR_OK;
}

weir_decimal weir_decimal_of(int64_t v)
{
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    weir_decimal d = {.is_negative = v < 0};
    for (int g = 0; rest != 0; g++, rest /= 1000000000)
        d.groups[g] = (uint32_t)(rest % 1000000000);
    return d;
}

bool weir__decimal_bound(long double v, weir_decimal *out)
{
    char text[MAX + 3];
    size_t n;
    if (!(v > -1e65L && v < 1e65L))
        return false;
    if (rintl(v) == v)
        n = (size_t)snprintf(text, sizeof text, "%.0Lf", v);
    else
        n = weir__num_put_double(text, (double)v);
    return weir_decimal_parse((weir_str){text, n}, out) == WEIR_OK;
}

/* --- writing, comparing ----------------------------------------------------------------------- */

size_t weir_decimal_text(weir_decimal d, char *out)
{
    weir__given(out, "the text");
    char digits[DIGITS], *at = out;
    unsigned scale = scale_of(&d), from = DIGITS - MAX - 1;
    put_all(&d, digits);
    memset(digits, '0', DIGITS - MAX);
    while (from < DIGITS - 1 - scale && digits[from] == '0')
        from++;
    if (d.is_negative)
        *at++ = '-';
    for (; from < DIGITS; from++) {
        if (from == DIGITS - scale)
            *at++ = '.';
        *at++ = digits[from];
    }
    *at = '\0';
    return (size_t)(at - out);
}

/* The digits of two numbers with their points one below the other. */
static void align(const weir_decimal *d, char digits[DIGITS + MAX])
{
    memset(digits, '0', DIGITS + MAX);
    put_all(d, digits + scale_of(d));
}

int weir_decimal_cmp(weir_decimal a, weir_decimal b)
{
    char left[DIGITS + MAX], right[DIGITS + MAX];
    if (a.is_negative != b.is_negative)
        return a.is_negative ? -1 : 1;
    align(&a, left);
    align(&b, right);
    int order = memcmp(left, right, sizeof left);
    return a.is_negative ? -order : order;
}
