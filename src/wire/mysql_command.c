/*
 * Commands. Integers go as BIGINT, texts as strings of the connection's character set, bytes as
 * BLOBs, a decimal as its digits: the server makes of each what its column is.
 */
#include "wire/mysql_command.h"

#include <string.h>

#include "base/assert.h"
#include "base/value.h"

#define ONCE 1         /* EXECUTE's iteration count */
#define HAS_TYPES 1    /* EXECUTE: types follow */
#define SEND_TYPES 128 /* BULK: types follow */
#define UNSIGNED 0x80  /* beside a type */
#define HAS_VALUE 0    /* BULK: in front of a value */
#define HAS_NULL 1

void weir__mysql_command(weir_buf *out, enum weir__mysql_command command, weir_str text)
{
    weir_buf_putc(out, (char)command);
    if (text.len > 0)
        weir_buf_add(out, text.ptr, text.len);
}

void weir__mysql_of_stmt(weir_buf *out, enum weir__mysql_command command, uint32_t id)
{
    weir_buf_putc(out, (char)command);
    weir__mysql_put(out, id, 4);
}

void weir__mysql_multi(weir_buf *out, bool is_on)
{
    weir_buf_putc(out, WEIR__MYSQL_SET_OPTION);
    weir__mysql_put(out, is_on ? 0 : 1, 2);
}

static void put_type(weir_buf *out, uint8_t kind)
{
    static const uint8_t types[] = {
        [WEIR__MYSQL_PARAM_NULL] = WEIR__MYSQL_NULL,
        [WEIR__MYSQL_PARAM_INT] = WEIR__MYSQL_LONGLONG,
        [WEIR__MYSQL_PARAM_UINT] = WEIR__MYSQL_LONGLONG,
        [WEIR__MYSQL_PARAM_DOUBLE] = WEIR__MYSQL_DOUBLE,
        [WEIR__MYSQL_PARAM_TEXT] = WEIR__MYSQL_VAR_STRING,
        [WEIR__MYSQL_PARAM_BYTES] = WEIR__MYSQL_BLOB,
        [WEIR__MYSQL_PARAM_DECIMAL] = WEIR__MYSQL_NEWDECIMAL,
        [WEIR__MYSQL_PARAM_MOMENT] = WEIR__MYSQL_DATETIME,
    };
    WEIR_ASSERT(kind < sizeof types, "W4: a value has one of the kinds");
    weir_buf_putc(out, (char)types[kind]);
    weir_buf_putc(out, kind == WEIR__MYSQL_PARAM_UINT ? (char)UNSIGNED : 0);
}

static void put_moment(weir_buf *out, weir_wall wall)
{
    struct weir__moment m = {0};
    bool is_there = weir__moment_of(wall, &m);
    WEIR_ASSERT(is_there, "W4: a point of time that is sent has a date");
    weir__mysql_put(out, m.us != 0 ? 11 : 7, 1);
    weir__mysql_put(out, (uint64_t)m.year, 2);
    weir__mysql_put(out, (uint64_t)m.month, 1);
    weir__mysql_put(out, (uint64_t)m.day, 1);
    weir__mysql_put(out, (uint64_t)m.hour, 1);
    weir__mysql_put(out, (uint64_t)m.minute, 1);
    weir__mysql_put(out, (uint64_t)m.second, 1);
    if (m.us != 0)
        weir__mysql_put(out, (uint64_t)m.us, 4);
}

void weir__mysql_execute_value(weir_buf *out, const struct weir__mysql_param *p)
{
    uint64_t bits;
    switch (p->kind) {
    case WEIR__MYSQL_PARAM_NULL:
        break;
    case WEIR__MYSQL_PARAM_INT:
        weir__mysql_put(out, (uint64_t)p->u.i, 8);
        break;
    case WEIR__MYSQL_PARAM_UINT:
        weir__mysql_put(out, p->u.u, 8);
        break;
    case WEIR__MYSQL_PARAM_DOUBLE:
        memcpy(&bits, &p->u.d, sizeof bits);
        weir__mysql_put(out, bits, 8);
        break;
    case WEIR__MYSQL_PARAM_MOMENT:
        put_moment(out, p->u.wall);
        break;
    default:
        weir__mysql_put_string(out, p->u.s);
        break;
    }
}

size_t weir__mysql_execute_begin(weir_buf *out, uint32_t id, size_t count)
{
    weir__mysql_of_stmt(out, WEIR__MYSQL_EXECUTE, id);
    weir_buf_putc(out, 0); /* no cursor */
    weir__mysql_put(out, ONCE, 4);
    size_t at = out->len;
    if (count > 0) { /* a bit for each value that is NULL, the first one the least of its byte */
        weir__mysql_put_zeroes(out, (count + 7) / 8);
        weir_buf_putc(out, HAS_TYPES);
    }
    return at;
}

void weir__mysql_execute_type(weir_buf *out, size_t at, size_t i, uint8_t kind)
{
    put_type(out, kind);
    if (kind == WEIR__MYSQL_PARAM_NULL && out->err == WEIR_OK)
        out->ptr[at + i / 8] = (char)(out->ptr[at + i / 8] | 1 << i % 8);
}

void weir__mysql_bulk_begin(weir_buf *out, uint32_t id, const uint8_t *kinds, size_t count)
{
    weir__mysql_of_stmt(out, WEIR__MYSQL_BULK, id);
    weir__mysql_put(out, SEND_TYPES, 2);
    for (size_t i = 0; i < count; i++)
        put_type(out, kinds[i]);
}

void weir__mysql_bulk_value(weir_buf *out, const struct weir__mysql_param *p)
{
    weir_buf_putc(out, p->kind == WEIR__MYSQL_PARAM_NULL ? HAS_NULL : HAS_VALUE);
    weir__mysql_execute_value(out, p);
}
