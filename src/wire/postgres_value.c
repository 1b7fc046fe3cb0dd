/*
 * Binary forms are those of PostgreSQL's *send and *recv functions: big-endian numbers, IEEE
 * doubles, points of time as microseconds since 2000-01-01, days likewise. A value whose length is
 * not its type's is an error of the protocol, for a wrong guess would be read as a wrong number.
 *
 * NUMERIC goes as text both ways: the server's text is exact, has up to 147,455 digits where a
 * decimal of ours has 65, and needs no buffer here.
 */
#include "wire/postgres_value.h"

#include <math.h>

#include "base/given.h"
#include "base/num.h"
#include "base/value.h"
#include "wire/postgres_write.h"

#define EPOCH_US 946684800000000LL /* 2000-01-01, of 1970-01-01 */
#define DAY_US 86400000000LL

static uint64_t big(weir_str s)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++)
        v = v << 8 | (uint8_t)s.ptr[i];
    return v;
}

/* Bytes of a type whose values all have the same length; 0: others. */
static size_t bytes_of(uint32_t type)
{
    switch (type) {
    case WEIR__PG_BOOL:
    case WEIR__PG_CHAR:
        return 1;
    case WEIR__PG_INT2:
        return 2;
    case WEIR__PG_INT4:
    case WEIR__PG_OID:
    case WEIR__PG_FLOAT4:
    case WEIR__PG_DATE:
        return 4;
    case WEIR__PG_INT8:
    case WEIR__PG_FLOAT8:
    case WEIR__PG_TIMESTAMP:
    case WEIR__PG_TIMESTAMPTZ:
        return 8;
    case WEIR__PG_UUID:
        return 16;
    default:
        return 0;
    }
}

static bool is_text(uint32_t type)
{
    return type == WEIR__PG_TEXT || type == WEIR__PG_VARCHAR || type == WEIR__PG_BPCHAR ||
           type == WEIR__PG_NAME || type == WEIR__PG_UNKNOWN;
}

bool weir__pg_reads_binary(uint32_t type)
{
    return bytes_of(type) > 0 || is_text(type) || type == WEIR__PG_BYTEA || type == WEIR__PG_JSON;
}

const char *weir__pg_type_name(uint32_t type)
{
    static const struct {
        uint32_t type;
        const char *name;
    } names[] = {
        {WEIR__PG_BOOL, "bool"},
        {WEIR__PG_BYTEA, "bytea"},
        {WEIR__PG_CHAR, "\"char\""},
        {WEIR__PG_NAME, "name"},
        {WEIR__PG_INT8, "int8"},
        {WEIR__PG_INT2, "int2"},
        {WEIR__PG_INT4, "int4"},
        {WEIR__PG_TEXT, "text"},
        {WEIR__PG_OID, "oid"},
        {WEIR__PG_JSON, "json"},
        {WEIR__PG_FLOAT4, "float4"},
        {WEIR__PG_FLOAT8, "float8"},
        {WEIR__PG_UNKNOWN, "unknown"},
        {WEIR__PG_BPCHAR, "char"},
        {WEIR__PG_VARCHAR, "varchar"},
        {WEIR__PG_DATE, "date"},
        {WEIR__PG_TIMESTAMP, "timestamp"},
        {WEIR__PG_TIMESTAMPTZ, "timestamptz"},
        {WEIR__PG_NUMERIC, "numeric"},
        {WEIR__PG_UUID, "uuid"},
        {WEIR__PG_JSONB, "jsonb"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].type == type)
            return names[i].name;
    }
    return NULL;
}

/* --- reading ---------------------------------------------------------------------------------- */

static weir_err set_wall(struct weir__pg_value *out, int64_t since_2000)
{
    weir_wall t;
    out->kind = WEIR__PG_IS_WALL;
    if (__builtin_add_overflow(since_2000, EPOCH_US, &t.us) || t.us < WEIR_WALL_MIN ||
        t.us > WEIR_WALL_MAX)
        return -ERANGE;
    out->u.wall = t;
    return WEIR_OK;
}

/* Days that a point of time can have are held first: others, times a day, are no 64 bits. */
static weir_err set_day(struct weir__pg_value *out, int64_t since_2000)
{
    out->kind = WEIR__PG_IS_WALL;
    if (since_2000 < (WEIR_WALL_MIN - EPOCH_US) / DAY_US ||
        since_2000 > (WEIR_WALL_MAX - EPOCH_US) / DAY_US)
        return -ERANGE;
    return set_wall(out, since_2000 * DAY_US);
}

static void set_int(struct weir__pg_value *out, int64_t v)
{
    out->kind = WEIR__PG_IS_INT;
    out->u.i = v;
}

static void set_double(struct weir__pg_value *out, double v)
{
    out->kind = WEIR__PG_IS_DOUBLE;
    out->u.d = v;
}

static weir_err get_binary(uint32_t type, weir_str s, struct weir__pg_value *out)
{
    uint64_t v = s.len <= 8 ? big(s) : 0;
    switch (type) {
    case WEIR__PG_BOOL:
        out->kind = WEIR__PG_IS_BOOL;
        out->u.b = v != 0;
        return WEIR_OK;
    case WEIR__PG_INT2:
        set_int(out, (int16_t)v);
        return WEIR_OK;
    case WEIR__PG_INT4:
        set_int(out, (int32_t)v);
        return WEIR_OK;
    case WEIR__PG_INT8:
    case WEIR__PG_OID:
        set_int(out, (int64_t)v);
        return WEIR_OK;
    case WEIR__PG_FLOAT4: {
        uint32_t bits = (uint32_t)v;
        float f;
        memcpy(&f, &bits, sizeof f);
        set_double(out, (double)f);
        return WEIR_OK;
    }
    case WEIR__PG_FLOAT8: {
        double d;
        memcpy(&d, &v, sizeof d);
        set_double(out, d);
        return WEIR_OK;
    }
    case WEIR__PG_TIMESTAMP:
    case WEIR__PG_TIMESTAMPTZ:
        return set_wall(out, (int64_t)v);
    case WEIR__PG_DATE:
        return set_day(out, (int32_t)v);
    case WEIR__PG_UUID:
        out->kind = WEIR__PG_IS_UUID;
        memcpy(out->u.uuid.bytes, s.ptr, sizeof out->u.uuid.bytes);
        return WEIR_OK;
    case WEIR__PG_BYTEA:
        out->kind = WEIR__PG_IS_BYTES;
        break;
    case WEIR__PG_JSON:
        out->kind = WEIR__PG_IS_JSON;
        break;
    default:
        out->kind = WEIR__PG_IS_TEXT;
        break;
    }
    out->u.s = s;
    return WEIR_OK;
}

weir_err weir__pg_get_value(uint32_t type, bool is_binary, weir_str bytes,
                            struct weir__pg_value *out)
{
    *out = (struct weir__pg_value){.kind = WEIR__PG_IS_NULL};
    if (bytes.ptr == NULL)
        return WEIR_OK;
    if (is_binary) {
        size_t n = bytes_of(type);
        return n > 0 && n != bytes.len ? WEIR_EPROTO : get_binary(type, bytes, out);
    }
    out->kind = type == WEIR__PG_NUMERIC                          ? WEIR__PG_IS_DECIMAL
                : type == WEIR__PG_JSON || type == WEIR__PG_JSONB ? WEIR__PG_IS_JSON
                                                                  : WEIR__PG_IS_TEXT;
    out->u.s = bytes;
    return WEIR_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

bool weir__pg_writes_binary(uint32_t type, enum weir__pg_kind kind)
{
    switch (kind) {
    case WEIR__PG_IS_BOOL:
        return type == WEIR__PG_BOOL;
    case WEIR__PG_IS_INT:
    case WEIR__PG_IS_UINT:
        return type == WEIR__PG_INT2 || type == WEIR__PG_INT4 || type == WEIR__PG_INT8 ||
               type == WEIR__PG_OID || type == WEIR__PG_FLOAT4 || type == WEIR__PG_FLOAT8 ||
               type == WEIR__PG_BOOL;
    case WEIR__PG_IS_DOUBLE:
        return type == WEIR__PG_FLOAT4 || type == WEIR__PG_FLOAT8;
    case WEIR__PG_IS_BYTES:
        return true;
    case WEIR__PG_IS_WALL:
        return type == WEIR__PG_TIMESTAMP || type == WEIR__PG_TIMESTAMPTZ || type == WEIR__PG_DATE;
    case WEIR__PG_IS_UUID:
        return type == WEIR__PG_UUID;
    default:
        return false;
    }
}

static weir_err put_number(weir_buf *b, uint32_t type, double v)
{
    if (type == WEIR__PG_FLOAT8) {
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        weir__pg_put_u64(b, bits);
        return WEIR_OK;
    }
    float f = (float)v;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    weir__pg_put_u32(b, bits);
    return isinf(f) && !isinf(v) ? -ERANGE : WEIR_OK;
}

static weir_err put_int(weir_buf *b, uint32_t type, int64_t v)
{
    switch (type) {
    case WEIR__PG_BOOL:
        weir_buf_putc(b, (char)(v != 0));
        return v == 0 || v == 1 ? WEIR_OK : -ERANGE;
    case WEIR__PG_INT2:
        weir__pg_put_u16(b, (uint16_t)v);
        return v >= INT16_MIN && v <= INT16_MAX ? WEIR_OK : -ERANGE;
    case WEIR__PG_INT4:
        weir__pg_put_u32(b, (uint32_t)v);
        return v >= INT32_MIN && v <= INT32_MAX ? WEIR_OK : -ERANGE;
    case WEIR__PG_OID:
        weir__pg_put_u32(b, (uint32_t)v);
        return v >= 0 && v <= UINT32_MAX ? WEIR_OK : -ERANGE;
    case WEIR__PG_INT8:
        weir__pg_put_u64(b, (uint64_t)v);
        return WEIR_OK;
    default:
        return put_number(b, type, (double)v);
    }
}

static weir_err put_wall(weir_buf *b, uint32_t type, weir_wall t)
{
    if (t.us < WEIR_WALL_MIN || t.us > WEIR_WALL_MAX)
        return -ERANGE;
    int64_t us = t.us - EPOCH_US;
    if (type != WEIR__PG_DATE)
        weir__pg_put_u64(b, (uint64_t)us);
    else
        weir__pg_put_u32(b, (uint32_t)(us / DAY_US - (us % DAY_US < 0)));
    return WEIR_OK;
}

static weir_err put_binary(weir_buf *b, uint32_t type, const struct weir__pg_value *v)
{
    switch (v->kind) {
    case WEIR__PG_IS_BOOL:
        weir_buf_putc(b, (char)v->u.b);
        return WEIR_OK;
    case WEIR__PG_IS_INT:
        return put_int(b, type, v->u.i);
    case WEIR__PG_IS_UINT:
        if (v->u.u <= INT64_MAX)
            return put_int(b, type, (int64_t)v->u.u);
        if (type == WEIR__PG_FLOAT4 || type == WEIR__PG_FLOAT8)
            return put_number(b, type, (double)v->u.u);
        return -ERANGE;
    case WEIR__PG_IS_DOUBLE:
        return put_number(b, type, v->u.d);
    case WEIR__PG_IS_WALL:
        return put_wall(b, type, v->u.wall);
    case WEIR__PG_IS_UUID:
        weir_buf_add(b, v->u.uuid.bytes, sizeof v->u.uuid.bytes);
        return WEIR_OK;
    default:
        weir_buf_puts(b, v->u.s);
        return type == WEIR__PG_BYTEA || is_text(type) ? WEIR_OK : WEIR_EINVALID;
    }
}

enum {
    SHORT_MAX = 64, /* of a text that is made here */
    HEX_STEP = 512
};
_Static_assert((int)SHORT_MAX >= (int)WEIR__DOUBLE_TEXT_MAX &&
                   (int)SHORT_MAX >= (int)WEIR__WALL_SQL_MAX + 3 &&
                   (int)SHORT_MAX >= WEIR_UUID_TEXT_MAX,
               "each text that is made here fits");

static size_t put_double_text(char *out, double d)
{
    const char *text = isnan(d) ? "NaN" : d < 0 ? "-Infinity" : "Infinity";
    if (isfinite(d))
        return weir__num_put_double(out, d);
    memcpy(out, text, strlen(text));
    return strlen(text);
}

/* The text of a value that is none already; 0: it has none. */
static size_t short_text(const struct weir__pg_value *v, char out[SHORT_MAX])
{
    size_t n;
    switch (v->kind) {
    case WEIR__PG_IS_BOOL:
        out[0] = v->u.b ? 't' : 'f';
        return 1;
    case WEIR__PG_IS_INT:
        return weir__num_put_i64(out, v->u.i);
    case WEIR__PG_IS_UINT:
        return weir__num_put_u64(out, v->u.u);
    case WEIR__PG_IS_DOUBLE:
        return put_double_text(out, v->u.d);
    case WEIR__PG_IS_WALL:
        n = weir__wall_put_sql(v->u.wall, out);
        memcpy(out + n, "+00", 3); /* else the session's time zone would be meant */
        return n == 0 ? 0 : n + 3;
    default:
        return weir_uuid_text(v->u.uuid, out);
    }
}

static bool has_text(enum weir__pg_kind kind)
{
    return kind == WEIR__PG_IS_TEXT || kind == WEIR__PG_IS_DECIMAL || kind == WEIR__PG_IS_JSON;
}

weir_err weir__pg_put_value(weir_buf *b, uint32_t type, const struct weir__pg_value *v)
{
    weir_err err = WEIR_OK;
    if (v->kind == WEIR__PG_IS_NULL) {
        weir__pg_put_null(b);
        return WEIR_OK;
    }
    size_t mark = weir__pg_value_begin(b);
    if (weir__pg_writes_binary(type, v->kind)) {
        err = put_binary(b, type, v);
    } else if (has_text(v->kind)) {
        weir_buf_puts(b, v->u.s);
    } else {
        char text[SHORT_MAX];
        size_t n = short_text(v, text);
        weir_buf_add(b, text, n);
        err = n > 0 ? WEIR_OK : -ERANGE;
    }
    weir__pg_value_end(b, mark);
    return err;
}

/* --- COPY's text form ------------------------------------------------------------------------- */

static char escape_of(char c)
{
    switch (c) {
    case '\\':
        return '\\';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return '\0';
    }
}

static void put_escaped(weir_buf *b, weir_str s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++) {
        char escape = escape_of(s.ptr[i]);
        if (escape == '\0')
            continue;
        weir_buf_add(b, s.ptr + from, i - from);
        weir_buf_add(b, (char[]){'\\', escape}, 2);
        from = i + 1;
    }
    if (s.len > from)
        weir_buf_add(b, s.ptr + from, s.len - from);
}

static void put_hex(weir_buf *b, weir_str s)
{
    weir_buf_puts(b, WEIR_S("\\\\x"));
    for (size_t i = 0; i < s.len; i += HEX_STEP) {
        char text[2 * HEX_STEP];
        size_t n = s.len - i < HEX_STEP ? s.len - i : HEX_STEP;
        weir_buf_add(b, text, weir__num_put_hex(text, (const uint8_t *)s.ptr + i, n));
    }
}

weir_err weir__pg_put_copy_value(weir_buf *b, const struct weir__pg_value *v)
{
    if (v->kind == WEIR__PG_IS_NULL) {
        weir_buf_puts(b, WEIR_S("\\N"));
    } else if (has_text(v->kind)) {
        put_escaped(b, v->u.s);
    } else if (v->kind == WEIR__PG_IS_BYTES) {
        put_hex(b, v->u.s);
    } else {
        char text[SHORT_MAX];
        size_t n = short_text(v, text);
        weir_buf_add(b, text, n);
        return n > 0 ? WEIR_OK : -ERANGE;
    }
    return WEIR_OK;
}
