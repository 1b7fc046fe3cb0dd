/*
 * Numbers and text. Integers two digits a step. Doubles: nearly all that services handle (prices,
 * ratios, coordinates) are short decimals, and those are found and printed with a few
 * multiplications: m = v * 10^k is exact enough below 10^15 for the nearest integer to be the one
 * whose quotient by 10^k, which the processor rounds correctly, is v again. The rest is printed by
 * libc with 15, 16 or 17 digits, of which the first that reads back is taken; below the normal
 * range, where fewer digits tell doubles apart, all counts from 1 on are tried.
 *
 * Reading: Clinger's fast path (mantissa below 2^53, power of ten up to 22: one correctly rounded
 * operation), else libc's strtod in the C locale on a copy that holds the digits which can matter:
 * 800, and a 1 for whatever follows. The locale's decimal point is met in neither direction.
 */
#include "base/num.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

static const char two_digits[200] = "00010203040506070809"
                                    "10111213141516171819"
                                    "20212223242526272829"
                                    "30313233343536373839"
                                    "40414243444546474849"
                                    "50515253545556575859"
                                    "60616263646566676869"
                                    "70717273747576777879"
                                    "80818283848586878889"
                                    "90919293949596979899";

static const double power_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

enum {
    EXACT_POWER_MAX = 22,
    DIGITS_THAT_MATTER = 800,
    PLAIN_EXPONENT_MIN = -6,
    PLAIN_EXPONENT_MAX = 21
};

size_t weir__num_put_u64(char *out, uint64_t v)
{
    char text[WEIR__INT_TEXT_MAX];
    char *p = text + sizeof text;

    while (v >= 100) {
        p -= 2;
        memcpy(p, two_digits + v % 100 * 2, 2);
        v /= 100;
    }
    if (v >= 10) {
        p -= 2;
        memcpy(p, two_digits + v * 2, 2);
    } else {
        *--p = (char)('0' + v);
    }
    size_t n = (size_t)(text + sizeof text - p);
    memcpy(out, p, n);
    return n;
}

size_t weir__num_put_i64(char *out, int64_t v)
{
    if (v >= 0)
        return weir__num_put_u64(out, (uint64_t)v);
    *out = '-';
    return 1 + weir__num_put_u64(out + 1, 0 - (uint64_t)v);
}

size_t weir__num_put_hex(char *out, const uint8_t *bytes, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = hex[bytes[i] >> 4];
        *out++ = hex[bytes[i] & 15];
    }
    return 2 * n;
}

/* `digits` with `decimals` of them behind the point: 1234, 2 is 12.34; 5, 3 is 0.005. */
static size_t put_decimals(char *out, uint64_t digits, unsigned decimals)
{
    char text[WEIR__INT_TEXT_MAX];
    size_t n = weir__num_put_u64(text, digits), at = 0;

    if (n <= decimals) {
        out[at++] = '0';
        out[at++] = '.';
        memset(out + at, '0', decimals - n);
        at += decimals - n;
        memcpy(out + at, text, n);
        return at + n;
    }
    memcpy(out, text, n - decimals);
    at = n - decimals;
    out[at++] = '.';
    memcpy(out + at, text + n - decimals, decimals);
    return at + decimals;
}

/* Prints a positive number that is a short decimal; 0 when it is none. */
static size_t put_short_decimal(char *out, double v, double digits_max, bool is_float)
{
    if (v < 1e-5)
        return 0;
    for (unsigned k = 1; k <= EXACT_POWER_MAX; k++) {
        double m = v * power_of_ten[k];
        if (m >= digits_max)
            return 0;
        uint64_t digits = (uint64_t)(m + 0.5);
        double back = (double)digits / power_of_ten[k];
        if (is_float ? (float)back == (float)v : back == v)
            return put_decimals(out, digits, k);
    }
    return 0;
}

/* Digits d.ddd * 10^exponent, without zeros at the end. */
struct digits {
    char text[20];
    int count, exponent;
};

/* Formats with libc and takes the digits out of it, whatever the decimal point is. */
static void format_digits(struct digits *d, double v, int count)
{
    char text[64];
    snprintf(text, sizeof text, "%.*e", count - 1, v);
    const char *e = strchr(text, 'e');
    d->exponent = atoi(e + 1);
    d->text[0] = text[0];
    memcpy(d->text + 1, e - (count - 1), (size_t)count - 1);
    d->count = count;
}

static double digits_value(const struct digits *d)
{
    char text[40];
    double v = 0;
    memcpy(text, d->text, (size_t)d->count);
    size_t n = (size_t)d->count;
    text[n++] = 'e';
    n += weir__num_put_i64(text + n, d->exponent - (d->count - 1));
    weir__num_get_double(text, text + n, &v);
    return v;
}

static bool reads_back(const struct digits *d, double v, bool is_float)
{
    double back = digits_value(d);
    return is_float ? (float)back == (float)v : back == v;
}

/*
 * At a power of two the doubles below are nearer than those above, so the nearest decimal may miss
 * while its upper neighbour still reads back.
 */
static bool upper_neighbour_reads_back(struct digits *d, double v, bool is_float)
{
    struct digits up = *d;
    int i = up.count - 1;
    while (i > 0 && up.text[i] == '9')
        up.text[i--] = '0';
    if (up.text[i] == '9' || !reads_back((up.text[i]++, &up), v, is_float))
        return false;
    *d = up;
    return true;
}

static void shortest_digits(struct digits *d, double v, bool is_float)
{
    int last = is_float ? 9 : 17;
    int count = is_float ? 6 : 15;
    if (v < (is_float ? (double)FLT_MIN : DBL_MIN))
        count = 1;
    for (; count < last; count++) {
        format_digits(d, v, count);
        if (reads_back(d, v, is_float) || upper_neighbour_reads_back(d, v, is_float))
            break;
    }
    if (count == last)
        format_digits(d, v, count);
    while (d->count > 1 && d->text[d->count - 1] == '0')
        d->count--;
}

static size_t put_exponent_form(char *out, const struct digits *d)
{
    size_t n = 0;
    out[n++] = d->text[0];
    if (d->count > 1) {
        out[n++] = '.';
        memcpy(out + n, d->text + 1, (size_t)d->count - 1);
        n += (size_t)d->count - 1;
    }
    out[n++] = 'e';
    if (d->exponent >= 0)
        out[n++] = '+';
    return n + weir__num_put_i64(out + n, d->exponent);
}

/* Plain from 1e-6 to below 1e21, as JavaScript has it, else with an exponent. */
static size_t put_digits(char *out, const struct digits *d)
{
    if (d->exponent < PLAIN_EXPONENT_MIN || d->exponent >= PLAIN_EXPONENT_MAX)
        return put_exponent_form(out, d);
    size_t n = 0, count = (size_t)d->count;
    if (d->exponent < 0) {
        size_t zeros = (size_t)(-d->exponent - 1);
        memcpy(out, "0.000000", 2 + zeros);
        memcpy(out + 2 + zeros, d->text, count);
        return 2 + zeros + count;
    }
    size_t whole = (size_t)d->exponent + 1;
    if (count <= whole) {
        memcpy(out, d->text, count);
        memset(out + count, '0', whole - count);
        return whole;
    }
    memcpy(out, d->text, whole);
    n = whole;
    out[n++] = '.';
    memcpy(out + n, d->text + whole, count - whole);
    return n + count - whole;
}

static size_t put_number(char *out, double v, bool is_float)
{
    size_t n = 0;
    WEIR_ASSERT(isfinite(v), "only finite numbers have a text");
    if (signbit(v)) {
        out[n++] = '-';
        v = -v;
    }
    if (v < (is_float ? 0x1p24 : 0x1p53) && v == (double)(uint64_t)v)
        return n + weir__num_put_u64(out + n, (uint64_t)v);
    size_t used = put_short_decimal(out + n, v, is_float ? 1e8 : 1e15, is_float);
    if (used != 0)
        return n + used;
    struct digits d;
    shortest_digits(&d, v, is_float);
    return n + put_digits(out + n, &d);
}

size_t weir__num_put_double(char *out, double v)
{
    return put_number(out, v, false);
}

size_t weir__num_put_float(char *out, float v)
{
    return put_number(out, (double)v, true);
}

/* What a number's text says: mantissa * 10^exponent, and where its digits stand. */
struct scanned {
    const char *digits, *digits_end; /* from the first digit to the last one of the fraction */
    uint64_t mantissa;               /* of the first 19 digits that count */
    int64_t exponent;                /* of the mantissa, when no digit was dropped */
    int64_t written_exponent;
    bool is_negative, has_dropped;
};

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static const char *scan_digits(struct scanned *s, const char *p, const char *end, int64_t step)
{
    for (; is_digit(p, end); p++) {
        if (s->mantissa < 1000000000000000000u) {
            s->mantissa = s->mantissa * 10 + (uint64_t)(*p - '0');
            s->exponent += step;
        } else {
            s->has_dropped = true;
        }
    }
    return p;
}

static const char *scan_exponent(struct scanned *s, const char *p, const char *end)
{
    const char *start = p++;
    bool is_negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (!is_digit(p, end))
        return start;
    int64_t e = 0;
    for (; is_digit(p, end); p++)
        if (e < 100000000)
            e = e * 10 + (*p - '0');
    s->written_exponent = is_negative ? -e : e;
    s->exponent += s->written_exponent;
    return p;
}

/* JSON's grammar of numbers; the place behind the number, or NULL. */
static const char *scan_number(struct scanned *s, const char *p, const char *end)
{
    *s = (struct scanned){.is_negative = p < end && *p == '-'};
    p += s->is_negative;
    s->digits = p;
    if (!is_digit(p, end))
        return NULL;
    p = *p == '0' ? p + 1 : scan_digits(s, p, end, 0);
    if (p + 1 < end && *p == '.' && is_digit(p + 1, end))
        p = scan_digits(s, p + 1, end, -1);
    s->digits_end = p;
    if (p < end && (*p | 0x20) == 'e')
        p = scan_exponent(s, p, end);
    return p;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    WEIR_ASSERT(c_locale != (locale_t)0, "the C locale is always there");
}

/* The slow way: the digits that matter, as an integer with an exponent, through strtod. */
static double read_with_libc(const struct scanned *s)
{
    char text[DIGITS_THAT_MATTER + 32];
    size_t n = 0;
    int64_t exponent = s->written_exponent;
    bool has_point = false, is_rest_nonzero = false;

    for (const char *p = s->digits; p < s->digits_end; p++) {
        if (*p == '.') {
            has_point = true;
            continue;
        }
        exponent -= has_point;
        if (n == 0 && *p == '0')
            continue;
        if (n < DIGITS_THAT_MATTER) {
            text[n++] = *p;
        } else {
            is_rest_nonzero |= *p != '0';
            exponent++;
        }
    }
    if (n == 0)
        return 0;
    if (is_rest_nonzero) {
        text[n++] = '1';
        exponent--;
    }
    text[n++] = 'e';
    n += weir__num_put_i64(text + n, exponent);
    text[n] = '\0';

    pthread_once(&c_locale_once, make_c_locale);
    int saved = errno;
    double v = strtod_l(text, NULL, c_locale);
    errno = saved;
    return v;
}

static double value_of(const struct scanned *s)
{
    if (s->mantissa == 0)
        return 0;
    if (!s->has_dropped && s->mantissa <= (uint64_t)1 << 53) {
        double m = (double)s->mantissa;
        if (s->exponent >= 0 && s->exponent <= EXACT_POWER_MAX)
            return m * power_of_ten[s->exponent];
        if (s->exponent < 0 && s->exponent >= -EXACT_POWER_MAX)
            return m / power_of_ten[-s->exponent];
    }
    return read_with_libc(s);
}

size_t weir__num_get_double(const char *p, const char *end, double *out)
{
    struct scanned s;
    const char *behind = scan_number(&s, p, end);
    if (behind == NULL)
        return 0;
    double v = value_of(&s);
    *out = s.is_negative ? -v : v;
    return (size_t)(behind - p);
}

weir_err weir__num_text_double(weir_str s, double *out)
{
    double v;
    if (s.len == 0 || weir__num_get_double(s.ptr, s.ptr + s.len, &v) != s.len)
        return WEIR_EINVALID;
    if (!isfinite(v))
        return -ERANGE;
    *out = v;
    return WEIR_OK;
}

weir_err weir__num_text_u64(weir_str s, uint64_t *out)
{
    uint64_t n = 0;
    bool too_large = false;
    if (s.len == 0)
        return WEIR_EINVALID;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';
        if (digit > 9)
            return WEIR_EINVALID;
        too_large |= __builtin_mul_overflow(n, 10u, &n);
        too_large |= __builtin_add_overflow(n, digit, &n);
    }
    if (too_large)
        return -ERANGE;
    *out = n;
    return WEIR_OK;
}
