/*
 * Reading and writing members by their kinds, and setting them from values that are typed already,
 * as a database's columns are: what goes into what, and what would lose something.
 */
#include "base/model.h"

#include <math.h>

#include "base/json_decode.h"
#include "base/num.h"
#include "base/value.h"

/* 2 to the 63rd: what an int64_t must be below. */
#define INT64_END (-(double)INT64_MIN)

/* --- reading and writing members -------------------------------------------------------------- */

static const void *at_const(const struct weir__member *m, const void *object)
{
    return (const char *)object + m->offset;
}

static void *at(const struct weir__member *m, void *object)
{
    return (char *)object + m->offset;
}

int64_t weir__member_get_int(const struct weir__member *m, const void *object)
{
    const void *p = at_const(m, object);
    switch (m->size) {
    case 1:
        return *(const int8_t *)p;
    case 2:
        return *(const int16_t *)p;
    case 4:
        return *(const int32_t *)p;
    default:
        return *(const int64_t *)p;
    }
}

uint64_t weir__member_get_uint(const struct weir__member *m, const void *object)
{
    const void *p = at_const(m, object);
    switch (m->size) {
    case 1:
        return *(const uint8_t *)p;
    case 2:
        return *(const uint16_t *)p;
    case 4:
        return *(const uint32_t *)p;
    default:
        return *(const uint64_t *)p;
    }
}

double weir__member_get_float(const struct weir__member *m, const void *object)
{
    const void *p = at_const(m, object);
    return m->size == sizeof(float) ? (double)*(const float *)p : *(const double *)p;
}

void weir__member_put_int(const struct weir__member *m, void *object, uint64_t value)
{
    void *p = at(m, object);
    switch (m->size) {
    case 1:
        *(uint8_t *)p = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)p = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)p = (uint32_t)value;
        break;
    default:
        *(uint64_t *)p = value;
        break;
    }
}

/* True when an integer of the member's size holds `v`; `v` below 0 is for signed ones only. */
static bool fits(const struct weir__member *m, int64_t v)
{
    unsigned bits = m->size * 8;
    if (m->kind == WEIR_KIND_UINT)
        return v >= 0 && (bits == 64 || v < (int64_t)1 << bits);
    return bits == 64 || (v >= -((int64_t)1 << (bits - 1)) && v < (int64_t)1 << (bits - 1));
}

static weir_err put_float(const struct weir__member *m, void *object, double v)
{
    if (m->size == sizeof(float)) {
        if (isfinite(v) && !isfinite((float)v))
            return -ERANGE;
        *(float *)at(m, object) = (float)v;
    } else {
        *(double *)at(m, object) = v;
    }
    weir__member_mark(m, object, true);
    return WEIR_OK;
}

static bool is_exact(const struct weir__member *m, int64_t v)
{
    double d = m->size == sizeof(float) ? (double)(float)v : (double)v;
    return d < INT64_END && (int64_t)d == v;
}

weir_err weir__field_set_int(const struct weir__member *m, void *object, int64_t v)
{
    switch (m->kind) {
    case WEIR_KIND_BOOL:
        if (v != 0 && v != 1)
            return -ERANGE;
        *(bool *)at(m, object) = v != 0;
        break;
    case WEIR_KIND_INT:
    case WEIR_KIND_UINT:
        if (!fits(m, v))
            return -ERANGE;
        weir__member_put_int(m, object, (uint64_t)v);
        break;
    case WEIR_KIND_FLOAT:
        return is_exact(m, v) ? put_float(m, object, (double)v) : -ERANGE;
    case WEIR_KIND_DECIMAL:
        *(weir_decimal *)at(m, object) = weir_decimal_of(v);
        break;
    case WEIR_KIND_WALL:
        if (weir_wall_of(v).us < WEIR_WALL_MIN || weir_wall_of(v).us > WEIR_WALL_MAX)
            return -ERANGE;
        *(weir_wall *)at(m, object) = weir_wall_of(v);
        break;
    default:
        return WEIR_EINVALID;
    }
    weir__member_mark(m, object, true);
    return WEIR_OK;
}

/*
 * A decimal from a double, where that can be told from all others by 15 digits: those are what was
 * written, of a text that a database has made a number of. Others have lost digits.
 */
static weir_err set_decimal(const struct weir__member *m, void *object, double v)
{
    char text[WEIR__DOUBLE_TEXT_MAX];
    int digits = 0;
    if (!isfinite(v))
        return -ERANGE;
    size_t n = weir__num_put_double(text, v);
    for (size_t i = 0; i < n && text[i] != 'e'; i++)
        digits += digits > 0 ? text[i] != '.' : text[i] >= '1' && text[i] <= '9';
    weir_err err = digits <= 15 ? weir_decimal_parse((weir_str){text, n}, at(m, object)) : -ERANGE;
    if (err == WEIR_OK)
        weir__member_mark(m, object, true);
    return err;
}

weir_err weir__field_set_double(const struct weir__member *m, void *object, double v)
{
    if (m->kind == WEIR_KIND_FLOAT)
        return put_float(m, object, v);
    if (m->kind == WEIR_KIND_DECIMAL)
        return set_decimal(m, object, v);
    if (m->kind != WEIR_KIND_INT && m->kind != WEIR_KIND_UINT)
        return WEIR_EINVALID;
    if (!(v >= -INT64_END && v < INT64_END))
        return -ERANGE;
    if ((double)(int64_t)v != v)
        return WEIR_EINVALID;
    return weir__field_set_int(m, object, (int64_t)v);
}

weir_err weir__field_set_text(const struct weir__member *m, void *object, weir_str v)
{
    void *value = at(m, object);
    weir_err err = WEIR_OK;
    switch (m->kind) {
    case WEIR_KIND_STR:
        *(weir_str *)value = v;
        break;
    case WEIR_KIND_BLOB:
        *(weir_blob *)value = (weir_blob){v.ptr, v.len};
        break;
    case WEIR_KIND_WALL:
        err = weir__wall_parse_sql(v, value);
        break;
    case WEIR_KIND_UUID:
        err = weir_uuid_parse(v, value);
        break;
    case WEIR_KIND_DECIMAL:
        err = weir_decimal_parse(v, value);
        break;
    case WEIR_KIND_RAW_JSON:
        if (!weir__json_is_value(v))
            return WEIR_EINVALID;
        ((weir_raw_json *)value)->text = weir_str_trim(v); /* blanks are no part of it */
        break;
    default:
        return WEIR_EINVALID;
    }
    if (err == WEIR_OK)
        weir__member_mark(m, object, true);
    return err;
}

weir_err weir__field_set_bytes(const struct weir__member *m, void *object, weir_str v)
{
    if (m->kind == WEIR_KIND_STR || m->kind == WEIR_KIND_BLOB)
        return weir__field_set_text(m, object, v);
    if (m->kind != WEIR_KIND_UUID || v.len != sizeof(weir_uuid))
        return WEIR_EINVALID;
    memcpy(at(m, object), v.ptr, v.len);
    weir__member_mark(m, object, true);
    return WEIR_OK;
}

weir_err weir__field_set_uint(const struct weir__member *m, void *object, uint64_t v)
{
    char text[WEIR__INT_TEXT_MAX] = {0};
    if (v <= INT64_MAX)
        return weir__field_set_int(m, object, (int64_t)v);
    if (m->kind == WEIR_KIND_DECIMAL)
        return weir__field_set_text(m, object, (weir_str){text, weir__num_put_u64(text, v)});
    if (m->kind == WEIR_KIND_FLOAT) {
        double d = m->size == sizeof(float) ? (double)(float)v : (double)v;
        bool is_same = d < 2 * INT64_END && (uint64_t)d == v;
        return is_same ? put_float(m, object, d) : -ERANGE;
    }
    if (m->kind != WEIR_KIND_UINT || m->size != sizeof(uint64_t))
        return m->kind == WEIR_KIND_UINT || m->kind == WEIR_KIND_INT ? -ERANGE : WEIR_EINVALID;
    weir__member_put_int(m, object, v);
    weir__member_mark(m, object, true);
    return WEIR_OK;
}

weir_err weir__field_set_wall(const struct weir__member *m, void *object, weir_wall v)
{
    if (m->kind != WEIR_KIND_WALL)
        return WEIR_EINVALID;
    if (v.us < WEIR_WALL_MIN || v.us > WEIR_WALL_MAX)
        return -ERANGE;
    *(weir_wall *)at(m, object) = v;
    weir__member_mark(m, object, true);
    return WEIR_OK;
}

/* The digits before the point, where those behind it are zeros. */
static weir_err set_whole(const struct weir__member *m, void *object, weir_str v)
{
    bool is_negative = v.len > 0 && v.ptr[0] == '-';
    uint64_t n;
    size_t len = 0;
    while (len < v.len && v.ptr[len] != '.')
        len++;
    for (size_t i = len + 1; i < v.len; i++) {
        if (v.ptr[i] != '0')
            return WEIR_EINVALID;
    }
    weir_err err = weir__num_text_u64((weir_str){v.ptr + is_negative, len - is_negative}, &n);
    if (err != WEIR_OK)
        return err;
    if (!is_negative)
        return weir__field_set_uint(m, object, n);
    if (n > (uint64_t)INT64_MAX + 1)
        return -ERANGE;
    return weir__field_set_int(m, object, (int64_t)(0 - n));
}

weir_err weir__field_set_number(const struct weir__member *m, void *object, weir_str v)
{
    double d;
    weir_err err;
    switch (m->kind) {
    case WEIR_KIND_STR:
    case WEIR_KIND_DECIMAL:
        return weir__field_set_text(m, object, v);
    case WEIR_KIND_INT:
    case WEIR_KIND_UINT:
        return set_whole(m, object, v);
    case WEIR_KIND_FLOAT: /* the nearest: what is asked for in binary is meant so */
        err = weir__num_text_double(v, &d);
        return err == WEIR_OK ? put_float(m, object, d) : err;
    default:
        return WEIR_EINVALID;
    }
}

void weir__field_set_null(const struct weir__member *m, void *object)
{
    memset(at(m, object), 0, m->size);
    weir__member_mark_null(m, object);
}
