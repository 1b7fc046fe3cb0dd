/*
 * Points of wall-clock time and their texts: RFC 3339 for people and JSON, and the form that
 * databases share, which differs in a blank and in what may be left out. The calendar is the
 * Gregorian one for all years, as RFC 3339 has it; days are counted in eras of 400 years, so there
 * is no loop.
 */
#include "base/given.h"
#include "base/num.h"
#include "base/value.h"

enum { DAY_SECONDS = 86400, ERA_DAYS = 146097, ERA_TO_1970 = 719468 };

/* Days from 1970-01-01 to a day of the calendar; the year begins in March, so that its leap day is
 * its last. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year % 400; /* years are 1 and more: 0 after the shift */
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - ERA_TO_1970;
}

struct day {
    int year, month, day;
};

static struct day day_of(int64_t days)
{
    days += ERA_TO_1970;
    int64_t era = days / ERA_DAYS, of_era = days % ERA_DAYS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    int month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    return (struct day){(int)(year + era * 400) + (month <= 2), month,
                        (int)(of_year - (153 * shifted + 2) / 5 + 1)};
}

static int month_days(int year, int month)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && is_leap);
}

/* --- writing ---------------------------------------------------------------------------------- */

static char *put_digits(char *out, int v, int count)
{
    for (int i = count; i-- > 0; v /= 10)
        out[i] = (char)('0' + v % 10);
    return out + count;
}

bool weir__moment_of(weir_wall t, struct weir__moment *out)
{
    if (t.us < WEIR_WALL_MIN || t.us > WEIR_WALL_MAX)
        return false;
    int64_t us = t.us - WEIR_WALL_MIN; /* from a day's start, and not below 0 */
    int64_t seconds = us / 1000000;
    int of_day = (int)(seconds % DAY_SECONDS);
    struct day d = day_of(seconds / DAY_SECONDS + WEIR_WALL_MIN / 1000000 / DAY_SECONDS);
    *out = (struct weir__moment){.year = d.year,
                                 .month = d.month,
                                 .day = d.day,
                                 .hour = of_day / 3600,
                                 .minute = of_day / 60 % 60,
                                 .second = of_day % 60,
                                 .us = (int)(us % 1000000)};
    return true;
}

/* Without zone and NUL; the end, or NULL outside of the years 1 to 9999. */
static char *put(weir_wall t, char between, char *out)
{
    struct weir__moment m;
    if (!weir__moment_of(t, &m))
        return NULL;
    out = put_digits(out, m.year, 4);
    *out++ = '-';
    out = put_digits(out, m.month, 2);
    *out++ = '-';
    out = put_digits(out, m.day, 2);
    *out++ = between;
    out = put_digits(out, m.hour, 2);
    *out++ = ':';
    out = put_digits(out, m.minute, 2);
    *out++ = ':';
    out = put_digits(out, m.second, 2);
    if (m.us == 0)
        return out;
    *out++ = '.';
    return put_digits(out, m.us, 6);
}

size_t weir_wall_text(weir_wall t, char *out)
{
    weir__given(out, "the text");
    char *end = put(t, 'T', out);
    if (end == NULL)
        end = out;
    else
        *end++ = 'Z';
    *end = '\0';
    return (size_t)(end - out);
}

size_t weir__wall_put_sql(weir_wall t, char out[WEIR__WALL_SQL_MAX])
{
    char *end = put(t, ' ', out);
    return end != NULL ? (size_t)(end - out) : 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_within(int v, int low, int high)
{
    return v >= low && v <= high;
}

bool weir__moment_wall(const struct weir__moment *m, weir_wall *out)
{
    if (!is_within(m->year, 1, 9999) || !is_within(m->month, 1, 12) ||
        !is_within(m->day, 1, month_days(m->year, m->month)) || !is_within(m->hour, 0, 23) ||
        !is_within(m->minute, 0, 59) || !is_within(m->second, 0, 59) ||
        !is_within(m->us, 0, 999999))
        return false;
    int64_t seconds = days_of(m->year, m->month, m->day) * DAY_SECONDS + m->hour * INT64_C(3600) +
                      m->minute * INT64_C(60) + m->second;
    out->us = seconds * 1000000 + m->us;
    return true;
}

struct reader {
    const char *at, *end;
    bool is_bad;
};

static bool take(struct reader *r, char ch)
{
    if (r->at == r->end || *r->at != ch)
        return false;
    r->at++;
    return true;
}

static void want(struct reader *r, char ch)
{
    r->is_bad |= !take(r, ch);
}

/* `count` digits as a number from `low` to `high`. */
static int number(struct reader *r, int count, int low, int high)
{
    int v = 0;
    for (int i = 0; i < count; i++) {
        if (r->at == r->end || *r->at < '0' || *r->at > '9') {
            r->is_bad = true;
            return low;
        }
        v = v * 10 + (*r->at++ - '0');
    }
    r->is_bad |= v < low || v > high;
    return v < low ? low : v > high ? high : v;
}

/* Digits behind a point, of which six count. */
static int fraction(struct reader *r)
{
    int v = 0, count = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++, count++)
        if (count < 6)
            v = v * 10 + (*r->at - '0');
    r->is_bad |= count == 0;
    for (; count < 6; count++)
        v *= 10;
    return v;
}

/* Seconds that the zone is ahead of UTC. */
static int zone(struct reader *r, bool is_sql)
{
    if (take(r, 'Z') || take(r, 'z') || (is_sql && r->at == r->end))
        return 0;
    bool is_ahead = take(r, '+');
    if (!is_ahead)
        want(r, '-');
    int hours = number(r, 2, 0, 23);
    if (is_sql && r->at == r->end) /* "+01" */
        return is_ahead ? hours * 3600 : -hours * 3600;
    want(r, ':');
    int seconds = hours * 3600 + number(r, 2, 0, 59) * 60;
    return is_ahead ? seconds : -seconds;
}

/* The time of a day with its zone, in microseconds. */
static int64_t time_of_day(struct reader *r, bool is_sql)
{
    int hour = number(r, 2, 0, 23), minute, second = 0, us = 0;
    want(r, ':');
    minute = number(r, 2, 0, 59);
    if (!is_sql || (r->at < r->end && *r->at == ':')) {
        want(r, ':');
        second = number(r, 2, 0, 59);
        if (take(r, '.'))
            us = fraction(r);
    }
    int64_t seconds = hour * 3600 + minute * 60 + second - zone(r, is_sql);
    return seconds * 1000000 + us;
}

static weir_err parse(weir_str text, bool is_sql, weir_wall *out)
{
    struct reader r = {text.ptr, text.ptr + text.len, text.len == 0};
    if (r.is_bad)
        return WEIR_EINVALID;
    int year = number(&r, 4, 0, 9999);
    want(&r, '-');
    int month = number(&r, 2, 1, 12);
    want(&r, '-');
    int day = number(&r, 2, 1, month_days(year, month));
    int64_t us = 0;
    if (!is_sql || r.at < r.end) {
        if (!take(&r, 'T') && !take(&r, 't') && !(is_sql && take(&r, ' ')))
            r.is_bad = true;
        us = time_of_day(&r, is_sql);
    }
    if (r.is_bad || r.at != r.end)
        return WEIR_EINVALID;
    if (year == 0)
        return -ERANGE;
    us += days_of(year, month, day) * DAY_SECONDS * 1000000;
    if (us < WEIR_WALL_MIN || us > WEIR_WALL_MAX)
        return -ERANGE;
    out->us = us;
    return WEIR_OK;
}

weir_err weir_wall_parse(weir_str text, weir_wall *out)
{
    weir__given(out, "the result");
    return parse(text, false, out);
}

weir_err weir__wall_parse_sql(weir_str text, weir_wall *out)
{
    return parse(text, true, out);
}
