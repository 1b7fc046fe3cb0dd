/* Values of PostgreSQL: binary forms as the server's own functions send them, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "wire/postgres_value.h"

#define S(literal) ((weir_str){"" literal, sizeof(literal) - 1})

static struct weir__pg_value get(uint32_t type, weir_str bytes)
{
    struct weir__pg_value v;
    assert_true(weir__pg_reads_binary(type));
    assert_int_equal(weir__pg_get_value(type, true, bytes, &v), WEIR_OK);
    return v;
}

static void numbers_are_read(void **state)
{
    (void)state;
    assert_true(get(WEIR__PG_BOOL, S("\1")).u.b);
    assert_int_equal(get(WEIR__PG_INT2, S("\xff\xfe")).u.i, -2);
    assert_int_equal(get(WEIR__PG_INT4, S("\x80\0\0\0")).u.i, INT32_MIN);
    assert_int_equal(get(WEIR__PG_INT8, S("\x7f\xff\xff\xff\xff\xff\xff\xff")).u.i, INT64_MAX);
    assert_int_equal(get(WEIR__PG_OID, S("\xff\xff\xff\xff")).u.i, UINT32_MAX);
    assert_true(get(WEIR__PG_FLOAT4, S("\x3f\xc0\0\0")).u.d == 1.5);
    assert_true(get(WEIR__PG_FLOAT8, S("\xbf\xf8\0\0\0\0\0\0")).u.d == -1.5);
    assert_true(isnan(get(WEIR__PG_FLOAT8, S("\x7f\xf8\0\0\0\0\0\0")).u.d));
}

static void times_are_read(void **state)
{
    (void)state;
    struct weir__pg_value v = get(WEIR__PG_TIMESTAMPTZ, S("\0\0\0\0\0\0\0\1"));
    assert_int_equal(v.kind, WEIR__PG_IS_WALL);
    assert_int_equal(v.u.wall.us, 946684800000001);
    assert_int_equal(get(WEIR__PG_DATE, S("\xff\xff\xff\xff")).u.wall.us, 946598400000000);
    assert_int_equal(get(WEIR__PG_DATE, S("\xff\xf4\xdb\xf9")).u.wall.us, WEIR_WALL_MIN);
    assert_int_equal(get(WEIR__PG_DATE, S("\x00\x2c\x95\xd3")).u.wall.us,
                     WEIR_WALL_MAX - 86399999999);
    static const struct {
        uint32_t type;
        weir_str bytes;
    } far[] = {
        {WEIR__PG_TIMESTAMP, S("\x7f\xff\xff\xff\xff\xff\xff\xff")}, /* infinity */
        {WEIR__PG_TIMESTAMP, S("\x80\0\0\0\0\0\0\0")},
        {WEIR__PG_DATE, S("\x7f\xff\xff\xff")},
        {WEIR__PG_DATE, S("\x80\0\0\0")},
        {WEIR__PG_DATE, S("\x0c\xae\xab\xe8")}, /* times a day it wraps into our years */
        {WEIR__PG_DATE, S("\xff\xf4\xdb\xf8")}, /* the day before 0001-01-01 */
        {WEIR__PG_DATE, S("\x00\x2c\x95\xd4")}, /* the day after 9999-12-31 */
    };
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
        assert_int_equal(weir__pg_get_value(far[i].type, true, far[i].bytes, &v), -ERANGE);
}

static void texts_are_read(void **state)
{
    (void)state;
    struct weir__pg_value v = get(WEIR__PG_TEXT, S("h\0i"));
    assert_int_equal(v.kind, WEIR__PG_IS_TEXT);
    assert_int_equal(v.u.s.len, 3);
    assert_int_equal(get(WEIR__PG_BYTEA, S("")).kind, WEIR__PG_IS_BYTES);
    assert_int_equal(get(WEIR__PG_JSON, S("{}")).kind, WEIR__PG_IS_JSON);
    v = get(WEIR__PG_UUID, S("0123456789abcdef"));
    assert_memory_equal(v.u.uuid.bytes, "0123456789abcdef", 16);
    assert_false(weir__pg_reads_binary(WEIR__PG_NUMERIC));
    assert_false(weir__pg_reads_binary(WEIR__PG_JSONB));
    assert_false(weir__pg_reads_binary(1186));
    assert_int_equal(weir__pg_get_value(WEIR__PG_NUMERIC, false, S("1.50"), &v), WEIR_OK);
    assert_int_equal(v.kind, WEIR__PG_IS_DECIMAL);
    assert_int_equal(weir__pg_get_value(WEIR__PG_JSONB, false, S("[]"), &v), WEIR_OK);
    assert_int_equal(v.kind, WEIR__PG_IS_JSON);
    assert_int_equal(weir__pg_get_value(1186, false, S("1 day"), &v), WEIR_OK);
    assert_int_equal(v.kind, WEIR__PG_IS_TEXT);
    assert_int_equal(weir__pg_get_value(WEIR__PG_INT4, true, (weir_str){NULL, 0}, &v), WEIR_OK);
    assert_int_equal(v.kind, WEIR__PG_IS_NULL);
}

/* Each type at each wrong length. */
static void lengths_must_be_the_types(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        size_t n;
    } types[] = {
        {WEIR__PG_BOOL, 1},  {WEIR__PG_CHAR, 1},      {WEIR__PG_INT2, 2},
        {WEIR__PG_INT4, 4},  {WEIR__PG_INT8, 8},      {WEIR__PG_OID, 4},
        {WEIR__PG_DATE, 4},  {WEIR__PG_FLOAT4, 4},    {WEIR__PG_FLOAT8, 8},
        {WEIR__PG_UUID, 16}, {WEIR__PG_TIMESTAMP, 8}, {WEIR__PG_TIMESTAMPTZ, 8},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (size_t n = 0; n <= 20; n++) {
            struct weir__pg_value v;
            char *exact = calloc(1, n + 1);
            weir_err err = weir__pg_get_value(types[i].type, true, (weir_str){exact, n}, &v);
            assert_int_equal(err, n == types[i].n ? WEIR_OK : WEIR_EPROTO);
            free(exact);
        }
    }
}

static const struct {
    uint32_t type;
    struct weir__pg_value v;
    weir_str bytes; /* with its length; absent: refused */
    weir_err err;
} written[] = {
    {WEIR__PG_INT4, {.kind = WEIR__PG_IS_NULL}, S("\xff\xff\xff\xff"), 0},
    {WEIR__PG_BOOL, {WEIR__PG_IS_BOOL, {.b = true}}, S("\0\0\0\1\1"), 0},
    {WEIR__PG_BOOL, {WEIR__PG_IS_INT, {.i = 1}}, S("\0\0\0\1\1"), 0},
    {WEIR__PG_BOOL, {WEIR__PG_IS_INT, {.i = 2}}, {0}, -ERANGE},
    {WEIR__PG_INT2, {WEIR__PG_IS_INT, {.i = -2}}, S("\0\0\0\2\xff\xfe"), 0},
    {WEIR__PG_INT2, {WEIR__PG_IS_INT, {.i = 32768}}, {0}, -ERANGE},
    {WEIR__PG_INT4, {WEIR__PG_IS_INT, {.i = 7}}, S("\0\0\0\4\0\0\0\7"), 0},
    {WEIR__PG_INT4, {WEIR__PG_IS_INT, {.i = -2147483649}}, {0}, -ERANGE},
    {WEIR__PG_INT8,
     {WEIR__PG_IS_INT, {.i = -1}},
     S("\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff"),
     0},
    {WEIR__PG_INT8, {WEIR__PG_IS_UINT, {.u = UINT64_MAX}}, {0}, -ERANGE},
    {WEIR__PG_OID, {WEIR__PG_IS_INT, {.i = -1}}, {0}, -ERANGE},
    {WEIR__PG_NUMERIC,
     {WEIR__PG_IS_UINT, {.u = UINT64_MAX}},
     S("\0\0\0\x14"
       "18446744073709551615"),
     0},
    {WEIR__PG_TEXT, {WEIR__PG_IS_INT, {.i = -12}}, S("\0\0\0\3-12"), 0},
    {WEIR__PG_FLOAT8, {WEIR__PG_IS_INT, {.i = 1}}, S("\0\0\0\x08\x3f\xf0\0\0\0\0\0\0"), 0},
    {WEIR__PG_FLOAT4, {WEIR__PG_IS_DOUBLE, {.d = 1.5}}, S("\0\0\0\4\x3f\xc0\0\0"), 0},
    {WEIR__PG_FLOAT4, {WEIR__PG_IS_DOUBLE, {.d = 1e300}}, {0}, -ERANGE},
    {WEIR__PG_NUMERIC, {WEIR__PG_IS_DOUBLE, {.d = -0.5}}, S("\0\0\0\4-0.5"), 0},
    {WEIR__PG_NUMERIC, {WEIR__PG_IS_DOUBLE, {.d = (double)INFINITY}}, S("\0\0\0\x08Infinity"), 0},
    {WEIR__PG_UUID, {WEIR__PG_IS_TEXT, {.s = {"x", 1}}}, S("\0\0\0\1x"), 0},
    {WEIR__PG_BYTEA, {WEIR__PG_IS_BYTES, {.s = {"\0\xff", 2}}}, S("\0\0\0\2\0\xff"), 0},
    {WEIR__PG_TEXT,
     {WEIR__PG_IS_BYTES, {.s = {"ab", 2}}},
     S("\0\0\0\2"
       "ab"),
     0},
    {WEIR__PG_INT4, {WEIR__PG_IS_BYTES, {.s = {"abcd", 4}}}, {0}, WEIR_EINVALID},
    {WEIR__PG_TIMESTAMPTZ,
     {WEIR__PG_IS_WALL, {.wall = {946684799999999}}},
     S("\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff"),
     0},
    {WEIR__PG_DATE,
     {WEIR__PG_IS_WALL, {.wall = {946684799999999}}},
     S("\0\0\0\4\xff\xff\xff\xff"),
     0},
    {WEIR__PG_DATE, {WEIR__PG_IS_WALL, {.wall = {946684800000000}}}, S("\0\0\0\4\0\0\0\0"), 0},
    {WEIR__PG_TIMESTAMP, {WEIR__PG_IS_WALL, {.wall = {INT64_MAX}}}, {0}, -ERANGE},
    {WEIR__PG_TEXT,
     {WEIR__PG_IS_WALL, {.wall = {0}}},
     S("\0\0\0\x16"
       "1970-01-01 00:00:00+00"),
     0},
    {WEIR__PG_TEXT, {WEIR__PG_IS_WALL, {.wall = {INT64_MIN}}}, {0}, -ERANGE},
};

static void values_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        char room[64];
        weir_buf b;
        weir_buf_init_fixed(&b, room, sizeof room);
        assert_int_equal(weir__pg_put_value(&b, written[i].type, &written[i].v), written[i].err);
        if (written[i].bytes.ptr == NULL)
            continue;
        assert_int_equal(b.len, written[i].bytes.len);
        assert_memory_equal(b.ptr, written[i].bytes.ptr, b.len);
    }
}

static void fields_of_a_copy(void **state)
{
    (void)state;
    static const struct {
        struct weir__pg_value v;
        const char *text;
    } fields[] = {
        {{.kind = WEIR__PG_IS_NULL}, "\\N"},
        {{WEIR__PG_IS_TEXT, {.s = {"a\tb\\c\nd\r", 8}}}, "a\\tb\\\\c\\nd\\r"},
        {{WEIR__PG_IS_TEXT, {.s = {"", 0}}}, ""},
        {{WEIR__PG_IS_TEXT, {.s = {"\\N", 2}}}, "\\\\N"},
        {{WEIR__PG_IS_TEXT, {.s = {"\\.", 2}}}, "\\\\."},
        {{WEIR__PG_IS_BYTES, {.s = {"\0\xff", 2}}}, "\\\\x00ff"},
        {{WEIR__PG_IS_BOOL, {.b = true}}, "t"},
        {{WEIR__PG_IS_INT, {.i = INT64_MIN}}, "-9223372036854775808"},
        {{WEIR__PG_IS_DOUBLE, {.d = (double)-INFINITY}}, "-Infinity"},
        {{WEIR__PG_IS_WALL, {.wall = {1}}}, "1970-01-01 00:00:00.000001+00"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char room[64];
        weir_buf b;
        weir_buf_init_fixed(&b, room, sizeof room);
        assert_int_equal(weir__pg_put_copy_value(&b, &fields[i].v), WEIR_OK);
        assert_true(weir_str_eq(weir_buf_str(&b), weir_str_from(fields[i].text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read),   cmocka_unit_test(times_are_read),
        cmocka_unit_test(texts_are_read),     cmocka_unit_test(lengths_must_be_the_types),
        cmocka_unit_test(values_are_written), cmocka_unit_test(fields_of_a_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
