/*
 * The algorithm of RFC 6265 section 5.2, attribute by attribute; of those that come twice the last
 * one counts. Dates are sought in four kinds of words, and then read as an HTTP date, so that the
 * calendar stands once (date.c).
 */
#include "wire/set_cookie.h"

#include <stdio.h>
#include <string.h>

#include "wire/date.h"
#include "wire/http_field.h"

/* ---- dates, section 5.1.1 ---- */

struct found {
    int day, month, year;
    int hour, minute, second;
    bool has_time, has_day, has_month, has_year;
};

static bool is_delimiter(unsigned char ch)
{
    return ch == 9 || (ch >= 0x20 && ch <= 0x2f) || (ch >= 0x3b && ch <= 0x40) ||
           (ch >= 0x5b && ch <= 0x60) || (ch >= 0x7b && ch <= 0x7e);
}

/* `min` to `max` digits at *at that no digit follows. */
static bool take_number(const char **at, const char *end, int min, int max, int *out)
{
    int n = 0, value = 0;
    while (n < max && *at < end && weir__http_byte_is(**at, WEIR_BYTE_DIGIT)) {
        value = value * 10 + (*(*at)++ - '0');
        n++;
    }
    *out = value;
    return n >= min && (*at == end || !weir__http_byte_is(**at, WEIR_BYTE_DIGIT));
}

static bool take_byte(const char **at, const char *end, char ch)
{
    if (*at == end || **at != ch)
        return false;
    (*at)++;
    return true;
}

static bool is_time(weir_str s, struct found *f)
{
    const char *at = s.ptr, *end = s.ptr + s.len;
    int hour, minute, second;
    if (!take_number(&at, end, 1, 2, &hour) || !take_byte(&at, end, ':') ||
        !take_number(&at, end, 1, 2, &minute) || !take_byte(&at, end, ':') ||
        !take_number(&at, end, 1, 2, &second))
        return false;
    f->hour = hour;
    f->minute = minute;
    f->second = second;
    return true;
}

/* "jan" and so on, at the start of a word. */
static bool is_month(weir_str s, int *month)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (size_t i = 0; s.len >= 3 && i < 12; i++) {
        if (weir_str_ieq((weir_str){s.ptr, 3}, (weir_str){&names[i * 3], 3})) {
            *month = (int)i + 1;
            return true;
        }
    }
    return false;
}

static bool is_number(weir_str s, int min, int max, int *out)
{
    const char *at = s.ptr;
    return take_number(&at, s.ptr + s.len, min, max, out);
}

/* A word is the first of these that has not been found yet. */
static void look_at(weir_str word, struct found *f)
{
    if (!f->has_time && is_time(word, f))
        f->has_time = true;
    else if (!f->has_day && is_number(word, 1, 2, &f->day))
        f->has_day = true;
    else if (!f->has_month && is_month(word, &f->month))
        f->has_month = true;
    else if (!f->has_year && is_number(word, 2, 4, &f->year))
        f->has_year = true;
}

static weir_err seconds_of(const struct found *f, int64_t *seconds)
{
    char text[64];
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int year = f->year >= 70 && f->year <= 99 ? f->year + 1900
               : f->year < 70                 ? f->year + 2000
                                              : f->year;
    if (!f->has_time || !f->has_day || !f->has_month || !f->has_year || year < 1601 ||
        f->second > 59)
        return WEIR_EINVALID;
    int n = snprintf(text, sizeof text, "Thu, %02d %.3s %04d %02d:%02d:%02d GMT", f->day,
                     &names[((size_t)f->month - 1) * 3], year, f->hour, f->minute, f->second);
    return weir__date_parse((weir_str){text, (size_t)n}, 0, seconds);
}

weir_err weir__cookie_date_parse(weir_str s, int64_t *seconds)
{
    struct found f = {0};
    for (size_t at = 0; at < s.len;) {
        size_t from = at;
        while (at < s.len && !is_delimiter((unsigned char)s.ptr[at]))
            at++;
        if (at > from)
            look_at((weir_str){s.ptr + from, at - from}, &f);
        else
            at++;
    }
    return seconds_of(&f, seconds);
}

/* ---- the field ---- */

static bool has_control(weir_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char byte = (unsigned char)s.ptr[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return true;
    }
    return false;
}

/* The part before `ch` and, absent without it, the one behind; both without blanks around. */
static bool cut(weir_str s, char ch, weir_str *before, weir_str *behind)
{
    const char *at = s.len > 0 ? memchr(s.ptr, ch, s.len) : NULL;
    size_t n = at != NULL ? (size_t)(at - s.ptr) : s.len;
    *before = weir_str_trim((weir_str){s.ptr, n});
    *behind = at != NULL ? (weir_str){at + 1, s.len - n - 1} : (weir_str){NULL, 0};
    return at != NULL;
}

/* "-" or a digit, then digits; saturates. False: the attribute does not count. */
static bool read_age(weir_str s, int64_t *age)
{
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    int64_t n = 0;
    size_t i = is_negative ? 1 : 0;
    if (i == s.len)
        return false;
    for (; i < s.len; i++) {
        if (!weir__http_byte_is(s.ptr[i], WEIR_BYTE_DIGIT))
            return false;
        n = n > WEIR__COOKIE_AGE_MAX ? n : n * 10 + (s.ptr[i] - '0');
    }
    *age = is_negative ? 0 : n;
    return true;
}

struct times {
    int64_t expires, age;
    bool has_expires, has_age;
};

static void set_attribute(struct weir__set_cookie *c, struct times *t, weir_str name,
                          weir_str value)
{
    if (weir_str_ieq(name, WEIR_S("secure"))) {
        c->is_secure = true;
    } else if (weir_str_ieq(name, WEIR_S("httponly"))) {
        c->is_http_only = true;
    } else if (weir_str_ieq(name, WEIR_S("expires"))) {
        if (weir__cookie_date_parse(value, &t->expires) == WEIR_OK)
            t->has_expires = true;
    } else if (weir_str_ieq(name, WEIR_S("max-age"))) {
        if (read_age(value, &t->age))
            t->has_age = true;
    } else if (weir_str_ieq(name, WEIR_S("domain"))) {
        bool has_dot = value.len > 0 && value.ptr[0] == '.';
        c->domain = has_dot ? (weir_str){value.ptr + 1, value.len - 1} : value;
    } else if (weir_str_ieq(name, WEIR_S("path"))) {
        bool is_path = value.len > 0 && value.ptr[0] == '/';
        c->path = is_path ? value : (weir_str){NULL, 0};
    }
}

static void set_expiry(struct weir__set_cookie *c, const struct times *t, int64_t now)
{
    c->has_expires = t->has_age || t->has_expires;
    if (!c->has_expires)
        return;
    c->expires = t->expires;
    if (t->has_age) /* counts before Expires; zero and less: at once */
        c->expires = t->age > 0 ? now + t->age : INT64_MIN;
    if (c->expires > now + WEIR__COOKIE_AGE_MAX)
        c->expires = now + WEIR__COOKIE_AGE_MAX;
}

weir_err weir__set_cookie_parse(weir_str value, int64_t now, struct weir__set_cookie *out)
{
    weir_str pair, rest, behind;
    struct times t = {0};
    *out = (struct weir__set_cookie){.has_expires = false};
    if (has_control(value))
        return WEIR_EINVALID;
    cut(value, ';', &pair, &rest);
    if (!cut(pair, '=', &out->name, &behind) || out->name.len == 0)
        return WEIR_EINVALID;
    out->value = weir_str_trim(behind);
    if (out->name.len + out->value.len > WEIR__COOKIE_BYTES_MAX)
        return WEIR_ETOOLARGE;
    while (rest.len > 0) {
        weir_str attribute, name, text;
        cut(rest, ';', &attribute, &rest);
        cut(attribute, '=', &name, &text);
        text = weir_str_trim(text);
        if (text.len <= WEIR__COOKIE_ATTRIBUTE_MAX)
            set_attribute(out, &t, name, text);
    }
    set_expiry(out, &t, now);
    return WEIR_OK;
}
