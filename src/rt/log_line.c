/*
 * Making log lines: one JSON object each, built in a fixed buffer on the caller's stack, without
 * the heap. Text is escaped, and what is not UTF-8 replaced, so a line is always valid JSON
 * whatever a client sent.
 *
 * The one hard thing is the limit: a line has at most 4 KiB. The end of the object is kept free
 * from the start, so a value that is too long is cut between characters and the line closed with
 * "cut":true.
 */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/given.h"
#include "base/num.h"
#include "base/utf8.h"
#include "rt/log.h"

#define END_BYTES 16      /* ,"cut":true}\n */
#define FIELDS_BYTES 1024 /* what the message leaves to the fields after it */
#define ID_BYTES 128      /* of these for the request's id */
#define ROUTE_BYTES 400   /* and for the route, which is as long as a pattern */

/* Bytes still free, with `reserve` kept. */
static size_t room(const struct weir__log_line *l, size_t reserve)
{
    size_t used = l->out.len + END_BYTES + reserve;
    return used < sizeof l->bytes ? sizeof l->bytes - used : 0;
}

static void add(struct weir__log_line *l, const char *bytes, size_t n)
{
    WEIR_ASSERT(n <= sizeof l->bytes - l->out.len, "D2: what is added has room in the line");
    memcpy(l->out.ptr + l->out.len, bytes, n);
    l->out.len += n;
}

/* How the character at `p` is written: its length in the source; `*n` bytes in `out`. */
static size_t escape(const char *p, const char *end, char out[8], size_t *n)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char ch = (unsigned char)*p;
    unsigned step = weir__utf8_step(p, end);
    if (step == 0) {
        memcpy(out, "\xef\xbf\xbd", *n = 3);
        return 1;
    }
    if (ch >= 0x20 && ch != '"' && ch != '\\') {
        memcpy(out, p, *n = step);
        return step;
    }
    const char *at = ch != 0 ? strchr("\"\"\\\\\nn\tt\rr", ch) : NULL;
    if (at != NULL) {
        out[0] = '\\';
        out[1] = ch == '"' || ch == '\\' ? (char)ch : at[1];
        *n = 2;
        return 1;
    }
    memcpy(out, "\\u00", 4);
    out[4] = hex[ch >> 4];
    out[5] = hex[ch & 15];
    *n = 6;
    return 1;
}

/* A string's characters, as many as there is room for, in at most `max` bytes. */
static void add_text(struct weir__log_line *l, weir_str s, size_t reserve, size_t max)
{
    size_t left = room(l, reserve);
    left = left < max ? left : max;
    for (size_t i = 0, n; i < s.len;) {
        char out[8];
        i += escape(s.ptr + i, s.ptr + s.len, out, &n);
        if (n + 1 > left) {
            l->is_cut = true;
            return;
        }
        add(l, out, n);
        left -= n;
    }
}

/* ,"key": unless there is no room for it and a short value. */
static bool add_key(struct weir__log_line *l, const char *key)
{
    size_t n = strlen(key);
    if (room(l, 0) < n + 4 + WEIR__INT_TEXT_MAX) {
        l->is_cut = true;
        return false;
    }
    add(l, ",\"", 2);
    add(l, key, n);
    add(l, "\":", 2);
    return true;
}

void weir__log_str(struct weir__log_line *l, const char *key, weir_str value)
{
    weir__log_str_upto(l, key, value, SIZE_MAX);
}

void weir__log_str_upto(struct weir__log_line *l, const char *key, weir_str value, size_t max)
{
    if (value.ptr == NULL || !add_key(l, key))
        return;
    add(l, "\"", 1);
    add_text(l, value, 0, max);
    add(l, "\"", 1);
}

void weir__log_int(struct weir__log_line *l, const char *key, int64_t value)
{
    if (!add_key(l, key))
        return;
    l->out.len += weir__num_put_i64(l->out.ptr + l->out.len, value);
    WEIR_ASSERT(l->out.len <= sizeof l->bytes - END_BYTES, "D2: a number leaves room for the end");
}

void weir__log_origin(struct weir__log_line *l, const struct weir__origin *o)
{
    if (o == NULL)
        return;
    char id[2 * WEIR__TRACE_ID_BYTES];
    struct weir__trace t = weir__origin_trace(o);
    weir_str text = {id, weir__num_put_hex(id, t.trace_id, sizeof t.trace_id)};
    WEIR_ASSERT(text.len == sizeof id, "D5: a trace's id has all its digits");
    weir__log_str(l, "trace_id", text);
    weir__log_str_upto(l, "request_id", o->request_id, ID_BYTES);
    weir__log_str_upto(l, "route", weir_str_from(o->route), ROUTE_BYTES);
}

/* --- the beginning ------------------------------------------------------------------------ */

static void put_digits(char *out, unsigned n, unsigned value)
{
    while (n-- > 0) {
        out[n] = (char)('0' + value % 10);
        value /= 10;
    }
    WEIR_ASSERT(value == 0, "D5: a number of a date has the digits that it is given");
}

/* The date of a day since 1970-01-01, by the calendar's 400-year cycle that begins in March. */
static void put_date(char *out, int64_t day)
{
    int64_t z = day + 719468, era = z / 146097, of_era = z % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march = (5 * of_year + 2) / 153;
    int64_t month = march < 10 ? march + 3 : march - 9;
    WEIR_ASSERT(month >= 1 && month <= 12, "D5: a day is in a month of its year");
    put_digits(out, 4, (unsigned)(year_of_era + era * 400 + (month <= 2)));
    put_digits(out + 5, 2, (unsigned)month);
    put_digits(out + 8, 2, (unsigned)(of_year - (153 * march + 2) / 5 + 1));
}

void weir__log_time(char out[WEIR__LOG_TIME_BYTES], int64_t unix_ms)
{
    unsigned second = (unsigned)(unix_ms / 1000 % 86400);
    WEIR_ASSERT(unix_ms >= 0, "D5: a line's time is from 1970 on");
    memcpy(out, "0000-00-00T00:00:00.000Z", WEIR__LOG_TIME_BYTES);
    put_date(out, unix_ms / 86400000);
    put_digits(out + 11, 2, second / 3600);
    put_digits(out + 14, 2, second / 60 % 60);
    put_digits(out + 17, 2, second % 60);
    put_digits(out + 20, 3, (unsigned)(unix_ms % 1000));
}

static const char *level_name(weir_log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return (unsigned)level < 4 ? names[level] : "error";
}

void weir__log_begin(struct weir__log_line *l, weir_log_level level, weir_str message,
                     const weir_site *site, const struct weir__ctx *c)
{
    char time[WEIR__LOG_TIME_BYTES];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    weir__log_time(time, now.tv_sec * 1000 + now.tv_nsec / 1000000);
    l->level = level;
    l->is_cut = false;
    weir_buf_init_fixed(&l->out, l->bytes, sizeof l->bytes);
    add(l, "{\"time\":\"", 9);
    add(l, time, sizeof time);
    add(l, "\"", 1);
    weir__log_str(l, "level", weir_str_from(level_name(level)));
    if (add_key(l, "msg")) {
        add(l, "\"", 1);
        add_text(l, message, FIELDS_BYTES, SIZE_MAX);
        add(l, "\"", 1);
    }
    if (site != NULL) {
        char at[256];
        int n = snprintf(at, sizeof at, "%s:%d", site->file, site->line);
        WEIR_ASSERT(n > 0, "D2: a place is a text, of which at most the end is cut");
        weir_str place = {at, n < (int)sizeof at ? (size_t)n : sizeof at - 1};
        weir__log_str(l, "at", place);
    }
    if (c != NULL)
        weir__log_origin(l, c->origin);
    WEIR_ASSERT(l->out.len <= sizeof l->bytes - END_BYTES,
                "D2: what begins a line leaves it its end");
}

void weir_log_at(const weir_site *site, weir_ctx *c, weir_log_level level, const char *format, ...)
{
    weir__given(format, "the format");
    if (!weir__log_wants(level))
        return;
    struct weir__log_line line;
    char text[WEIR__LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bool is_cut = n >= (int)sizeof text;
    weir_str message = {text, n < 0 ? 0 : is_cut ? sizeof text - 1 : (size_t)n};
    bool has_request = c != NULL && weir__self != NULL;
    weir__log_begin(&line, level, message, site,
                    has_request ? weir__ctx_of_at(c, "weir_log") : NULL);
    line.is_cut |= is_cut;
    weir__log_end(&line);
}
