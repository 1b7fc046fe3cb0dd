/*
 * Values of rows. What a value is is decided by its column's type; how it lies there by the form of
 * the row. Numbers of the text form have been written by the server, so one that is none is a lie
 * and not a mistake of the program's.
 *
 * A date with a zero in it ("0000-00-00", "2024-00-00") is none that a calendar has: it comes as
 * the text that the server would write, and whoever wants a point of time is told so by it.
 */
#include "wire/mysql_row.h"

#include <string.h>

#include "base/assert.h"
#include "base/num.h"
#include "base/value.h"

/* --- what a column is ------------------------------------------------------------------------- */

enum shape { INTEGER, SINGLE, DOUBLE, STRING, DAY, CLOCK, NOTHING };

static enum shape shape_of(uint8_t type)
{
    switch (type) {
    case WEIR__MYSQL_TINY:
    case WEIR__MYSQL_SHORT:
    case WEIR__MYSQL_YEAR:
    case WEIR__MYSQL_LONG:
    case WEIR__MYSQL_INT24:
    case WEIR__MYSQL_LONGLONG:
        return INTEGER;
    case WEIR__MYSQL_FLOAT:
        return SINGLE;
    case WEIR__MYSQL_DOUBLE:
        return DOUBLE;
    case WEIR__MYSQL_DATE:
    case WEIR__MYSQL_NEWDATE:
    case WEIR__MYSQL_DATETIME:
    case WEIR__MYSQL_TIMESTAMP:
        return DAY;
    case WEIR__MYSQL_TIME:
        return CLOCK;
    case WEIR__MYSQL_NULL:
        return NOTHING;
    default:
        return STRING;
    }
}

bool weir__mysql_wants_scratch(const struct weir__mysql_column *column)
{
    enum shape shape = shape_of(column->type);
    return shape == DAY || shape == CLOCK;
}

static unsigned integer_bytes(uint8_t type)
{
    switch (type) {
    case WEIR__MYSQL_TINY:
        return 1;
    case WEIR__MYSQL_SHORT:
    case WEIR__MYSQL_YEAR:
        return 2;
    case WEIR__MYSQL_LONGLONG:
        return 8;
    default:
        return 4;
    }
}

static uint8_t string_kind(const struct weir__mysql_column *column)
{
    switch (column->type) {
    case WEIR__MYSQL_DECIMAL:
    case WEIR__MYSQL_NEWDECIMAL:
        return WEIR__MYSQL_NUMBER;
    case WEIR__MYSQL_JSON:
        return WEIR__MYSQL_DOCUMENT;
    case WEIR__MYSQL_ENUM:
    case WEIR__MYSQL_SET:
        return WEIR__MYSQL_TEXT;
    case WEIR__MYSQL_GEOMETRY:
        return WEIR__MYSQL_BYTES;
    default:
        break;
    }
    if (column->extra == WEIR__MYSQL_IS_JSON)
        return WEIR__MYSQL_DOCUMENT;
    if (column->extra == WEIR__MYSQL_IS_UUID)
        return WEIR__MYSQL_UUID;
    return column->charset == WEIR__MYSQL_CHARSET_BINARY ? WEIR__MYSQL_BYTES : WEIR__MYSQL_TEXT;
}

/* A string's bytes; of BIT they are a number, the most of it first. */
static int take_string(const struct weir__mysql_column *column, weir_str s,
                       struct weir__mysql_value *out)
{
    if (column->type != WEIR__MYSQL_BIT) {
        out->kind = string_kind(column);
        out->u.s = s;
        return 0;
    }
    if (s.len > 8)
        return WEIR_MYSQL_EVALUE;
    out->kind = WEIR__MYSQL_UINT;
    out->u.u = 0;
    for (size_t i = 0; i < s.len; i++)
        out->u.u = out->u.u << 8 | (uint8_t)s.ptr[i];
    return 0;
}

/* --- dates and times -------------------------------------------------------------------------- */

static char *put(char *to, uint64_t v, int digits)
{
    for (int i = digits; i-- > 0; v /= 10)
        to[i] = (char)('0' + v % 10);
    return to + digits;
}

static char *put_clock(char *to, uint64_t hours, const struct weir__moment *m)
{
    to = hours < 100 ? put(to, hours, 2) : to + weir__num_put_u64(to, hours);
    *to++ = ':';
    to = put(to, (uint64_t)m->minute, 2);
    *to++ = ':';
    to = put(to, (uint64_t)m->second, 2);
    if (m->us == 0)
        return to;
    *to++ = '.';
    return put(to, (uint64_t)m->us, 6);
}

static void take_text(char *scratch, const char *end, struct weir__mysql_value *out)
{
    WEIR_ASSERT(end - scratch <= WEIR__MYSQL_CLOCK_MAX, "W4: a text fits its memory");
    out->kind = WEIR__MYSQL_TEXT;
    out->u.s = (weir_str){scratch, (size_t)(end - scratch)};
}

/* What no calendar has, as the server writes it. */
static void take_odd_day(const struct weir__mysql_column *column, const struct weir__moment *m,
                         char *scratch, struct weir__mysql_value *out)
{
    bool has_time = column->type != WEIR__MYSQL_DATE && column->type != WEIR__MYSQL_NEWDATE;
    char *to = put(scratch, (uint64_t)m->year, 4);
    *to++ = '-';
    to = put(to, (uint64_t)m->month, 2);
    *to++ = '-';
    to = put(to, (uint64_t)m->day, 2);
    if (has_time) {
        *to++ = ' ';
        to = put_clock(to, (uint64_t)m->hour, m);
    }
    take_text(scratch, to, out);
}

static int read_day(struct weir__mysql_reader *r, const struct weir__mysql_column *column,
                    char *scratch, struct weir__mysql_value *out)
{
    struct weir__moment m = {0};
    weir_wall wall;
    uint64_t n = weir__mysql_get(r, 1);
    if (n != 0 && n != 4 && n != 7 && n != 11)
        return WEIR_MYSQL_EVALUE;
    if (n >= 4) {
        m.year = (int)weir__mysql_get(r, 2);
        m.month = (int)weir__mysql_get(r, 1);
        m.day = (int)weir__mysql_get(r, 1);
    }
    if (n >= 7) {
        m.hour = (int)weir__mysql_get(r, 1);
        m.minute = (int)weir__mysql_get(r, 1);
        m.second = (int)weir__mysql_get(r, 1);
    }
    if (n == 11)
        m.us = (int)(weir__mysql_get(r, 4) & INT32_MAX);
    if (r->is_cut)
        return WEIR_MYSQL_ECUT;
    if (weir__moment_wall(&m, &wall)) {
        out->kind = WEIR__MYSQL_MOMENT;
        out->u.i = wall.us;
        return 0;
    }
    if (m.year > 9999 || m.month > 12 || m.day > 31 || m.hour > 23 || m.minute > 59 ||
        m.second > 59 || m.us > 999999)
        return WEIR_MYSQL_EVALUE;
    take_odd_day(column, &m, scratch, out);
    return 0;
}

static int read_clock(struct weir__mysql_reader *r, char *scratch, struct weir__mysql_value *out)
{
    struct weir__moment m = {0};
    uint64_t n = weir__mysql_get(r, 1), days = 0;
    bool is_negative = false;
    if (n != 0 && n != 8 && n != 12)
        return WEIR_MYSQL_EVALUE;
    if (n >= 8) {
        is_negative = weir__mysql_get(r, 1) != 0;
        days = weir__mysql_get(r, 4);
        m.hour = (int)weir__mysql_get(r, 1);
        m.minute = (int)weir__mysql_get(r, 1);
        m.second = (int)weir__mysql_get(r, 1);
    }
    if (n == 12)
        m.us = (int)(weir__mysql_get(r, 4) & INT32_MAX);
    if (r->is_cut)
        return WEIR_MYSQL_ECUT;
    if (m.hour > 23 || m.minute > 59 || m.second > 59 || m.us > 999999)
        return WEIR_MYSQL_EVALUE;
    char *to = scratch;
    if (is_negative)
        *to++ = '-';
    take_text(scratch, put_clock(to, days * 24 + (uint64_t)m.hour, &m), out);
    return 0;
}

/* --- the binary form -------------------------------------------------------------------------- */

static void read_integer(struct weir__mysql_reader *r, const struct weir__mysql_column *column,
                         struct weir__mysql_value *out)
{
    unsigned n = integer_bytes(column->type);
    uint64_t v = weir__mysql_get(r, n);
    bool is_unsigned = column->is_unsigned || column->type == WEIR__MYSQL_YEAR;
    out->kind = is_unsigned ? WEIR__MYSQL_UINT : WEIR__MYSQL_INT;
    if (is_unsigned)
        out->u.u = v;
    else
        out->u.i = (int64_t)(v << (64 - 8 * n)) >> (64 - 8 * n);
}

static void read_real(struct weir__mysql_reader *r, bool is_single, struct weir__mysql_value *out)
{
    uint64_t bits = weir__mysql_get(r, is_single ? 4 : 8);
    uint32_t half = (uint32_t)bits;
    float single;
    out->kind = WEIR__MYSQL_REAL;
    memcpy(&single, &half, sizeof single);
    memcpy(&out->u.d, &bits, sizeof out->u.d);
    if (is_single)
        out->u.d = (double)single;
}

static int read_binary(struct weir__mysql_reader *r, const struct weir__mysql_column *column,
                       char *scratch, struct weir__mysql_value *out)
{
    switch (shape_of(column->type)) {
    case INTEGER:
        read_integer(r, column, out);
        break;
    case SINGLE:
    case DOUBLE:
        read_real(r, column->type == WEIR__MYSQL_FLOAT, out);
        break;
    case DAY:
        return read_day(r, column, scratch, out);
    case CLOCK:
        return read_clock(r, scratch, out);
    case NOTHING: /* a NULL whose bit is not set */
        return WEIR_MYSQL_EVALUE;
    case STRING: {
        weir_str s = weir__mysql_get_string(r);
        return r->is_cut ? WEIR_MYSQL_ECUT : take_string(column, s, out);
    }
    }
    return r->is_cut ? WEIR_MYSQL_ECUT : 0;
}

/* --- the text form ---------------------------------------------------------------------------- */

static int parse_integer(weir_str s, bool is_unsigned, struct weir__mysql_value *out)
{
    out->kind = is_unsigned ? WEIR__MYSQL_UINT : WEIR__MYSQL_INT;
    weir_err err = is_unsigned ? weir__num_text_u64(s, &out->u.u) : weir_str_i64(s, &out->u.i);
    return err == WEIR_OK ? 0 : WEIR_MYSQL_EVALUE;
}

static int parse_day(weir_str s, struct weir__mysql_value *out)
{
    weir_wall wall;
    out->kind = WEIR__MYSQL_TEXT;
    out->u.s = s;
    if (weir__wall_parse_sql(s, &wall) == WEIR_OK) {
        out->kind = WEIR__MYSQL_MOMENT;
        out->u.i = wall.us;
    }
    return 0;
}

/* YEAR(4) is filled up with zeroes to its four digits. */
static weir_str strip_zeroes(weir_str s)
{
    while (s.len > 1 && s.ptr[0] == '0') {
        s.ptr++;
        s.len--;
    }
    return s;
}

static int read_text(weir_str s, const struct weir__mysql_column *column,
                     struct weir__mysql_value *out)
{
    switch (shape_of(column->type)) {
    case INTEGER:
        if (column->type == WEIR__MYSQL_YEAR || column->is_unsigned)
            return parse_integer(strip_zeroes(s), true, out);
        return parse_integer(s, false, out);
    case SINGLE:
    case DOUBLE:
        out->kind = WEIR__MYSQL_REAL;
        return weir__num_text_double(s, &out->u.d) == WEIR_OK ? 0 : WEIR_MYSQL_EVALUE;
    case DAY:
        return parse_day(s, out);
    case CLOCK:
        out->kind = WEIR__MYSQL_TEXT;
        out->u.s = s;
        return 0;
    case NOTHING:
        return WEIR_MYSQL_EVALUE;
    case STRING:
        break;
    }
    return take_string(column, s, out);
}

/* --- rows ------------------------------------------------------------------------------------- */

int weir__mysql_row_begin(struct weir__mysql_row *row, weir_str body, uint32_t columns,
                          bool is_binary)
{
    *row = (struct weir__mysql_row){.r = weir__mysql_reader_of(body)};
    WEIR_ASSERT(columns > 0 && columns <= WEIR__MYSQL_COLUMNS_MAX, "W4: a row has columns");
    if (!is_binary)
        return body.len > 0 ? 0 : WEIR_MYSQL_ECUT;
    if (weir__mysql_get(&row->r, 1) != 0)
        return row->r.is_cut ? WEIR_MYSQL_ECUT : WEIR_MYSQL_EFORM;
    row->nulls = (const uint8_t *)weir__mysql_get_bytes(&row->r, (columns + 7 + 2) / 8).ptr;
    return row->r.is_cut ? WEIR_MYSQL_ECUT : 0;
}

int weir__mysql_row_next(struct weir__mysql_row *row, const struct weir__mysql_column *column,
                         char *scratch, struct weir__mysql_value *out)
{
    uint32_t bit = row->at++ + 2;
    out->kind = WEIR__MYSQL_IS_NULL;
    if (row->nulls != NULL) {
        bool is_null = (row->nulls[bit / 8] >> bit % 8 & 1) != 0;
        return is_null ? 0 : read_binary(&row->r, column, scratch, out);
    }
    bool is_null;
    uint64_t n = weir__mysql_get_lenenc(&row->r, &is_null);
    weir_str s = weir__mysql_get_bytes(&row->r, n);
    if (row->r.is_cut)
        return WEIR_MYSQL_ECUT;
    return is_null ? 0 : read_text(s, column, out);
}

int weir__mysql_row_end(const struct weir__mysql_row *row)
{
    return weir__mysql_left(&row->r) == 0 && !row->r.is_cut ? 0 : WEIR_MYSQL_EFORM;
}
