/*
 * HTTP dates. The calendar is computed, not asked of the C library: no locale, no time zone, no
 * lock. Days are counted in years that begin in March, so that a leap day is a year's last day (the
 * civil calendar in 400-year cycles of 146,097 days).
 */
#include "wire/date.h"
#include "wire/http_field.h"
#include <stdbool.h>

#define SECOND_MIN (-62135596800LL) /* 0001-01-01 00:00:00 */
#define SECOND_MAX 253402300799LL   /* 9999-12-31 23:59:59 */

static const char day_names[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct civil {
    int year, month, day; /* month and day from 1 */
};

static struct civil civil_of_days(int64_t days)
{
    days += 719468; /* from 0000-03-01 */
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int in_era = (int)(days - era * 146097);
    int year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int in_year = in_era - (365 * year + year / 4 - year / 100);
    int shifted = (5 * in_year + 2) / 153; /* months since March */
    int month = shifted < 10 ? shifted + 3 : shifted - 9;
    int day = in_year - (153 * shifted + 2) / 5 + 1;
    return (struct civil){(int)(year + era * 400) + (month <= 2), month, day};
}

static int64_t days_of_civil(struct civil c)
{
    int64_t year = c.year - (c.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t in_era = year - era * 400;
    int64_t in_year = (153 * (c.month > 2 ? c.month - 3 : c.month + 9) + 2) / 5 + c.day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static void put2(char *out, int n)
{
    out[0] = (char)('0' + n / 10);
    out[1] = (char)('0' + n % 10);
}

void weir__date_format(char out[WEIR_DATE_LEN], int64_t seconds)
{
    seconds = seconds < SECOND_MIN ? SECOND_MIN : seconds > SECOND_MAX ? SECOND_MAX : seconds;
    int64_t days = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
    int of_day = (int)(seconds - days * 86400);
    struct civil c = civil_of_days(days);
    memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", WEIR_DATE_LEN);
    memcpy(out, &day_names[((days % 7 + 7) % 7) * 3], 3);
    put2(out + 5, c.day);
    memcpy(out + 8, &month_names[(size_t)(c.month - 1) * 3], 3);
    put2(out + 12, c.year / 100);
    put2(out + 14, c.year % 100);
    put2(out + 17, of_day / 3600);
    put2(out + 20, of_day / 60 % 60);
    put2(out + 23, of_day % 60);
}

/* ---- reading ---- */

/* A sticky reader: after the first mismatch nothing matches any more. */
struct reader {
    const char *at;
    const char *end;
    bool failed;
};

static void expect(struct reader *r, const char *text)
{
    size_t n = strlen(text);
    if (!r->failed && (size_t)(r->end - r->at) >= n && memcmp(r->at, text, n) == 0)
        r->at += n;
    else
        r->failed = true;
}

/* `n` digits, at most 4. */
static int digits(struct reader *r, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (r->failed || r->at == r->end || !weir__http_byte_is(*r->at, WEIR_BYTE_DIGIT)) {
            r->failed = true;
            return 0;
        }
        value = value * 10 + (*r->at++ - '0');
    }
    return value;
}

/* One of a list of three-letter names; its index. */
static int name3(struct reader *r, const char *names)
{
    for (size_t i = 0; !r->failed && r->end - r->at >= 3 && names[i * 3] != '\0'; i++) {
        if (memcmp(r->at, &names[i * 3], 3) == 0) {
            r->at += 3;
            return (int)i;
        }
    }
    r->failed = true;
    return 0;
}

static int time_of_day(struct reader *r)
{
    int hour = digits(r, 2);
    expect(r, ":");
    int minute = digits(r, 2);
    expect(r, ":");
    int second = digits(r, 2);
    if (hour > 23 || minute > 59 || second > 60)
        r->failed = true;
    return hour * 3600 + minute * 60 + (second == 60 ? 59 : second);
}

static bool is_day_of_month(struct civil c)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = c.year % 4 == 0 && (c.year % 100 != 0 || c.year % 400 == 0);
    return c.day >= 1 && c.day <= lengths[c.month - 1] + (c.month == 2 && is_leap);
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static void read_fixdate(struct reader *r, struct civil *c, int *of_day)
{
    name3(r, day_names);
    expect(r, ", ");
    c->day = digits(r, 2);
    expect(r, " ");
    c->month = name3(r, month_names) + 1;
    expect(r, " ");
    c->year = digits(r, 4);
    expect(r, " ");
    *of_day = time_of_day(r);
    expect(r, " GMT");
}

/* The year that two digits mean: the latest one that is not over 50 years ahead of `now`. */
static int full_year(int two, int64_t now)
{
    int present = civil_of_days((now >= 0 ? now : now - 86399) / 86400).year;
    int year = present - present % 100 + two;
    if (year > present + 50)
        return year - 100;
    return year + 100 <= present + 50 ? year + 100 : year;
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static void read_rfc850(struct reader *r, int64_t now, struct civil *c, int *of_day)
{
    static const char *const rests[] = {"rsday", "day", "urday", "day", "day", "sday", "nesday"};
    expect(r, rests[name3(r, day_names)]);
    expect(r, ", ");
    c->day = digits(r, 2);
    expect(r, "-");
    c->month = name3(r, month_names) + 1;
    expect(r, "-");
    c->year = full_year(digits(r, 2), now);
    expect(r, " ");
    *of_day = time_of_day(r);
    expect(r, " GMT");
}

/* Sun Nov  6 08:49:37 1994 */
static void read_asctime(struct reader *r, struct civil *c, int *of_day)
{
    name3(r, day_names);
    expect(r, " ");
    c->month = name3(r, month_names) + 1;
    expect(r, " ");
    bool is_padded = !r->failed && r->at < r->end && *r->at == ' ';
    if (is_padded)
        r->at++;
    c->day = digits(r, is_padded ? 1 : 2);
    expect(r, " ");
    *of_day = time_of_day(r);
    expect(r, " ");
    c->year = digits(r, 4);
}

weir_err weir__date_parse(weir_str s, int64_t now, int64_t *seconds)
{
    struct reader r = {s.ptr, s.ptr + s.len, false};
    struct civil c = {0};
    int of_day = 0;
    if (s.len < 24) /* the shortest form's length */
        return WEIR_EINVALID;
    if (s.ptr[3] == ',')
        read_fixdate(&r, &c, &of_day);
    else if (s.ptr[3] == ' ')
        read_asctime(&r, &c, &of_day);
    else
        read_rfc850(&r, now, &c, &of_day);
    if (r.failed || r.at != r.end || c.year < 1 || !is_day_of_month(c))
        return WEIR_EINVALID;
    *seconds = days_of_civil(c) * 86400 + of_day;
    return WEIR_OK;
}
