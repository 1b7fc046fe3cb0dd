/*
 * Rows and values: bytes that MariaDB 10.11 has sent, each type at its bounds, lies about lengths.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/mysql_testing.h"

static char scratch[WEIR__MYSQL_CLOCK_MAX];

/* One value of a row that has only that; the result of reading it to the row's end. */
static int read_one(struct weir__mysql_column column, weir_str bytes, bool is_binary,
                    struct weir__mysql_value *v)
{
    size_t head = is_binary ? 2 : 0, len = head + bytes.len;
    char *body = malloc(len > 0 ? len : 1);
    struct weir__mysql_row row;
    assert_non_null(body);
    memset(body, 0, head);
    memcpy(body + head, bytes.ptr, bytes.len);
    weir_str all = {body, len};
    int rc = weir__mysql_row_begin(&row, all, 1, is_binary);
    rc = rc == 0 ? weir__mysql_row_next(&row, &column, scratch, v) : rc;
    rc = rc == 0 ? weir__mysql_row_end(&row) : rc;
    static char kept[64];
    bool has_bytes = rc == 0 && v->kind >= WEIR__MYSQL_TEXT && v->kind <= WEIR__MYSQL_UUID &&
                     v->u.s.ptr != scratch;
    if (has_bytes) { /* the row goes */
        assert_true(v->u.s.len <= sizeof kept);
        memcpy(kept, v->u.s.ptr, v->u.s.len);
        v->u.s.ptr = kept;
    }
    free(body);
    return rc;
}

static struct weir__mysql_value read_as(uint8_t type, bool is_unsigned, weir_str bytes,
                                        bool is_binary)
{
    struct weir__mysql_value v;
    struct weir__mysql_column c = mysql_column("a", type);
    c.is_unsigned = is_unsigned;
    assert_int_equal(read_one(c, bytes, is_binary, &v), 0);
    for (size_t n = 0; is_binary && n < bytes.len; n++) {
        struct weir__mysql_value cut;
        assert_int_equal(read_one(c, (weir_str){bytes.ptr, n}, true, &cut), WEIR_MYSQL_ECUT);
    }
    return v;
}

static void integers(void **state)
{
    static const struct {
        uint8_t type;
        bool is_unsigned;
        weir_str bytes, text;
        int64_t v;
    } cases[] = {
        {WEIR__MYSQL_TINY, false, {"\x80", 1}, {"\4-128", 5}, -128},
        {WEIR__MYSQL_TINY,
         true,
         {"\x80", 1},
         {"\3"
          "128",
          4},
         128},
        {WEIR__MYSQL_SHORT, false, {"\xff\xff", 2}, {"\2-1", 3}, -1},
        {WEIR__MYSQL_SHORT,
         true,
         {"\xff\xff", 2},
         {"\5"
          "65535",
          6},
         65535},
        {WEIR__MYSQL_YEAR,
         false,
         {"\xe8\7", 2},
         {"\4"
          "2024",
          5},
         2024},
        {WEIR__MYSQL_YEAR,
         true,
         {"\0\0", 2},
         {"\4"
          "0000",
          5},
         0},
        {WEIR__MYSQL_INT24, false, {"\0\0\x80\xff", 4}, {"\10-8388608", 9}, -8388608},
        {WEIR__MYSQL_LONG, false, {"\0\0\0\x80", 4}, {"\13-2147483648", 12}, INT32_MIN},
        {WEIR__MYSQL_LONG,
         true,
         {"\0\0\0\x80", 4},
         {"\12"
          "2147483648",
          11},
         2147483648},
        {WEIR__MYSQL_LONGLONG,
         false,
         {"\0\0\0\0\0\0\0\x80", 8},
         {"\24-9223372036854775808", 21},
         INT64_MIN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int is_binary = 0; is_binary < 2; is_binary++) {
            struct weir__mysql_value v =
                read_as(cases[i].type, cases[i].is_unsigned,
                        is_binary != 0 ? cases[i].bytes : cases[i].text, is_binary != 0);
            bool is_uint = cases[i].is_unsigned || cases[i].type == WEIR__MYSQL_YEAR;
            assert_int_equal(v.kind, is_uint ? WEIR__MYSQL_UINT : WEIR__MYSQL_INT);
            assert_int_equal(v.u.i, cases[i].v);
        }
    assert_int_equal(
        read_as(WEIR__MYSQL_LONGLONG, true, WEIR_S("\xff\xff\xff\xff\xff\xff\xff\xff"), true).u.u,
        UINT64_MAX);
    assert_int_equal(read_as(WEIR__MYSQL_LONGLONG, true,
                             WEIR_S("\24"
                                    "18446744073709551615"),
                             false)
                         .u.u,
                     UINT64_MAX);
}

static void reals(void **state)
{
    (void)state;
    assert_true(read_as(WEIR__MYSQL_FLOAT, false, WEIR_S("\0\0\xc0\x3f"), true).u.d == 1.5);
    assert_true(read_as(WEIR__MYSQL_DOUBLE, false, WEIR_S("\0\0\0\0\0\0\xf8\xbf"), true).u.d ==
                -1.5);
    assert_true(read_as(WEIR__MYSQL_DOUBLE, false,
                        WEIR_S("\5"
                               "1e-07"),
                        false)
                    .u.d == 1e-07);
}

static void assert_text(struct weir__mysql_value v, uint8_t kind, const char *text)
{
    assert_int_equal(v.kind, kind);
    if (!weir_str_eq(v.u.s, weir_str_from(text)))
        fail_msg("\"" WEIR_STR_FMT "\" instead of \"%s\"", WEIR_STR_ARG(v.u.s), text);
}

static void texts_and_their_kinds(void **state)
{
    struct weir__mysql_column c = mysql_column("a", WEIR__MYSQL_VAR_STRING);
    struct weir__mysql_value v;
    weir_str hi = WEIR_S("\2hi");
    (void)state;
    for (int is_binary = 0; is_binary < 2; is_binary++) {
        assert_int_equal(read_one(c, hi, is_binary != 0, &v), 0);
        assert_text(v, WEIR__MYSQL_TEXT, "hi");
        c.charset = WEIR__MYSQL_CHARSET_BINARY;
        assert_int_equal(read_one(c, hi, is_binary != 0, &v), 0);
        assert_text(v, WEIR__MYSQL_BYTES, "hi");
        c.charset = WEIR__MYSQL_UTF8MB4;
    }
    c.extra = WEIR__MYSQL_IS_JSON;
    assert_int_equal(read_one(c, hi, true, &v), 0);
    assert_int_equal(v.kind, WEIR__MYSQL_DOCUMENT);
    c.extra = WEIR__MYSQL_IS_UUID;
    assert_int_equal(read_one(c, hi, true, &v), 0);
    assert_int_equal(v.kind, WEIR__MYSQL_UUID);
    assert_text(read_as(WEIR__MYSQL_JSON, false, WEIR_S("\2{}"), true), WEIR__MYSQL_DOCUMENT, "{}");
    assert_text(read_as(WEIR__MYSQL_NEWDECIMAL, false,
                        WEIR_S("\3"
                               "1.5"),
                        true),
                WEIR__MYSQL_NUMBER, "1.5");
    assert_text(read_as(WEIR__MYSQL_BLOB, false, WEIR_S("\0"), true), WEIR__MYSQL_BYTES, "");
    assert_text(read_as(WEIR__MYSQL_ENUM, false, WEIR_S("\1x"), true), WEIR__MYSQL_TEXT, "x");
    assert_int_equal(read_as(WEIR__MYSQL_BIT, false, WEIR_S("\2\1\2"), true).u.u, 258);
}

static void moments(void **state)
{
    (void)state;
    struct weir__mysql_value v = read_as(WEIR__MYSQL_DATETIME, false,
                                         WEIR_S("\x0b\xe8\7\2\x1d\x0c\x1e\5\x40\xe2\1\0"), true);
    assert_int_equal(v.kind, WEIR__MYSQL_MOMENT);
    assert_int_equal(v.u.i, 1709209805123456);
    v = read_as(WEIR__MYSQL_TIMESTAMP, false, WEIR_S("\7\xb2\7\1\1\0\0\1"), true);
    assert_int_equal(v.u.i, 1000000);
    v = read_as(WEIR__MYSQL_DATE, false, WEIR_S("\4\xb2\7\1\2"), true);
    assert_int_equal(v.u.i, 86400000000);
    v = read_as(WEIR__MYSQL_DATETIME, false,
                WEIR_S("\x1a"
                       "2024-02-29 12:30:05.123456"),
                false);
    assert_int_equal(v.kind, WEIR__MYSQL_MOMENT);
    assert_int_equal(v.u.i, 1709209805123456);
}

static void dates_that_no_calendar_has_are_texts(void **state)
{
    (void)state;
    assert_text(read_as(WEIR__MYSQL_DATE, false, WEIR_S("\0"), true), WEIR__MYSQL_TEXT,
                "0000-00-00");
    assert_text(read_as(WEIR__MYSQL_DATETIME, false, WEIR_S("\0"), true), WEIR__MYSQL_TEXT,
                "0000-00-00 00:00:00");
    assert_text(read_as(WEIR__MYSQL_DATETIME, false, WEIR_S("\7\xe8\7\0\x1d\1\2\3"), true),
                WEIR__MYSQL_TEXT, "2024-00-29 01:02:03");
    assert_text(read_as(WEIR__MYSQL_DATE, false,
                        WEIR_S("\x0a"
                               "0000-00-00"),
                        false),
                WEIR__MYSQL_TEXT, "0000-00-00");
}

static void times(void **state)
{
    (void)state;
    assert_text(read_as(WEIR__MYSQL_TIME, false, WEIR_S("\0"), true), WEIR__MYSQL_TEXT, "00:00:00");
    assert_text(read_as(WEIR__MYSQL_TIME, false, WEIR_S("\x0c\1\4\0\0\0\4\0\1\x20\xa1\7\0"), true),
                WEIR__MYSQL_TEXT, "-100:00:01.500000");
    assert_text(read_as(WEIR__MYSQL_TIME, false, WEIR_S("\x08\0\0\0\0\0\1\2\3"), true),
                WEIR__MYSQL_TEXT, "01:02:03");
    assert_text(read_as(WEIR__MYSQL_TIME, false,
                        WEIR_S("\x0c\1\xff\xff\xff\xff\x17\x3b\x3b\x3f\x42\x0f\0"), true),
                WEIR__MYSQL_TEXT, "-103079215103:59:59.999999");
}

static void refuses_values_that_a_type_has_not(void **state)
{
    static const struct {
        uint8_t type;
        weir_str bytes;
        bool is_text;
    } cases[] = {
        {WEIR__MYSQL_DATE, {"\5\0\0\0\0\0", 6}, false},
        {WEIR__MYSQL_DATE, {"\4\xe8\7\x0d\1", 5}, false},
        {WEIR__MYSQL_DATETIME, {"\7\xe8\7\1\1\x18\0\0", 8}, false},
        {WEIR__MYSQL_DATETIME, {"\x0b\xe8\7\1\1\0\0\0\xff\xff\xff\xff", 12}, false},
        {WEIR__MYSQL_DATE, {"\4\xff\xff\1\1", 5}, false},
        {WEIR__MYSQL_TIME, {"\x08\0\0\0\0\0\x18\0\0", 9}, false},
        {WEIR__MYSQL_TIME, {"\3\0\0\0", 4}, false},
        {WEIR__MYSQL_BIT,
         {"\x09"
          "123456789",
          10},
         false},
        {WEIR__MYSQL_NULL, {"", 0}, false},
        {WEIR__MYSQL_LONG, {"\1x", 2}, true},
        {WEIR__MYSQL_LONG, {"\0", 1}, true},
        {WEIR__MYSQL_DOUBLE, {"\1x", 2}, true},
    };
    struct weir__mysql_value v;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(
            read_one(mysql_column("a", cases[i].type), cases[i].bytes, !cases[i].is_text, &v),
            WEIR_MYSQL_EVALUE);
    struct weir__mysql_column c = mysql_column("a", WEIR__MYSQL_VAR_STRING);
    assert_int_equal(read_one(c, WEIR_S("\x05hi"), true, &v), WEIR_MYSQL_ECUT);
    assert_int_equal(read_one(c, WEIR_S("\xfe\xff\xff\xff\xff\xff\xff\xff\xffhi"), true, &v),
                     WEIR_MYSQL_ECUT);
    assert_int_equal(read_one(c, WEIR_S("\2hi!"), true, &v), WEIR_MYSQL_EFORM);
}

/* A whole row of nine columns as it came, and NULLs across the bitmap's bytes. */
static void reads_rows(void **state)
{
    static const uint8_t types[] = {
        WEIR__MYSQL_VAR_STRING, WEIR__MYSQL_VAR_STRING, WEIR__MYSQL_DATETIME,
        WEIR__MYSQL_TIME,       WEIR__MYSQL_VAR_STRING, WEIR__MYSQL_NEWDECIMAL,
        WEIR__MYSQL_VAR_STRING, WEIR__MYSQL_DATE,       WEIR__MYSQL_FLOAT};
    weir_str body = WEIR_S("\0\0\0\2hi\1x\x0b\xea\7\x0b\x1d\x15\6\2i\xec\x0e\0\x0c\1\4\0\0\0\4\0\1"
                           "\x20\xa1\7\0\1\5\3"
                           "1.5\2{}\4\xe8\7\2\x1d\0\0\xc0\x3f");
    struct weir__mysql_row row;
    struct weir__mysql_value v;
    (void)state;
    assert_int_equal(weir__mysql_row_begin(&row, body, 9, true), 0);
    for (unsigned i = 0; i < 9; i++) {
        struct weir__mysql_column c = mysql_column("a", types[i]);
        assert_int_equal(weir__mysql_row_next(&row, &c, scratch, &v), 0);
        assert_int_not_equal(v.kind, WEIR__MYSQL_IS_NULL);
    }
    assert_int_equal(weir__mysql_row_end(&row), 0);
    assert_true(v.u.d == 1.5);
    assert_int_equal(weir__mysql_row_begin(&row, WEIR_S("\0\xfc\x07"), 9, true), 0);
    for (unsigned i = 0; i < 9; i++) {
        struct weir__mysql_column c = mysql_column("a", types[i]);
        assert_int_equal(weir__mysql_row_next(&row, &c, scratch, &v), 0);
        assert_int_equal(v.kind, WEIR__MYSQL_IS_NULL);
    }
    assert_int_equal(weir__mysql_row_end(&row), 0);
    assert_int_equal(weir__mysql_row_begin(&row, WEIR_S("\0\xfc"), 9, true), WEIR_MYSQL_ECUT);
    assert_int_equal(weir__mysql_row_begin(&row, WEIR_S("\1\0\0"), 9, true), WEIR_MYSQL_EFORM);
    assert_int_equal(weir__mysql_row_begin(&row, WEIR_S("\xfb"), 1, false), 0);
    struct weir__mysql_column c = mysql_column("a", WEIR__MYSQL_LONG);
    assert_int_equal(weir__mysql_row_next(&row, &c, scratch, &v), 0);
    assert_int_equal(v.kind, WEIR__MYSQL_IS_NULL);
}

static void execute(weir_buf *out, uint32_t id, const struct weir__mysql_param *params,
                    size_t count)
{
    size_t at = weir__mysql_execute_begin(out, id, count);
    for (size_t i = 0; i < count; i++)
        weir__mysql_execute_type(out, at, i, params[i].kind);
    for (size_t i = 0; i < count; i++)
        weir__mysql_execute_value(out, &params[i]);
}

/* What is sent: the bytes that MariaDB 10.11 understood. */
static void commands(void **state)
{
    char room[256];
    weir_buf b;
    struct weir__mysql_param five = {.kind = WEIR__MYSQL_PARAM_INT, .u.i = 5}, null = {0};
    struct weir__mysql_param text = {.kind = WEIR__MYSQL_PARAM_TEXT, .u.s = WEIR_S("hi")};
    struct weir__mysql_param moment = {.kind = WEIR__MYSQL_PARAM_MOMENT,
                                       .u.wall = {1709209805123456}};
    uint8_t kinds[] = {WEIR__MYSQL_PARAM_INT};
    (void)state;
    weir_buf_init_fixed(&b, room, sizeof room);
    execute(&b, 2, &five, 1);
    assert_true(
        weir_str_eq(weir_buf_str(&b), WEIR_S("\x17\2\0\0\0\0\1\0\0\0\0\1\x08\0\5\0\0\0\0\0\0\0")));
    weir_buf_reset(&b);
    execute(&b, 3, (struct weir__mysql_param[]){text, null, moment}, 3);
    assert_true(
        weir_str_eq(weir_buf_str(&b), WEIR_S("\x17\3\0\0\0\0\1\0\0\0\2\1\xfd\0\6\0\x0c\0\2hi"
                                             "\x0b\xe8\7\2\x1d\x0c\x1e\5\x40\xe2\1\0")));
    weir_buf_reset(&b);
    weir__mysql_bulk_begin(&b, 4, kinds, 1);
    weir__mysql_bulk_value(&b, &five);
    weir__mysql_bulk_value(&b, &null);
    assert_true(
        weir_str_eq(weir_buf_str(&b), WEIR_S("\xfa\4\0\0\0\x80\0\x08\0\0\5\0\0\0\0\0\0\0\1")));
    weir_buf_reset(&b);
    weir__mysql_command(&b, WEIR__MYSQL_QUERY, WEIR_S("DO 1"));
    weir__mysql_of_stmt(&b, WEIR__MYSQL_CLOSE, 258);
    weir__mysql_multi(&b, true);
    assert_true(weir_str_eq(weir_buf_str(&b), WEIR_S("\3DO 1\x19\2\1\0\0\x1b\0\0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(reals),
        cmocka_unit_test(texts_and_their_kinds),
        cmocka_unit_test(moments),
        cmocka_unit_test(dates_that_no_calendar_has_are_texts),
        cmocka_unit_test(times),
        cmocka_unit_test(refuses_values_that_a_type_has_not),
        cmocka_unit_test(reads_rows),
        cmocka_unit_test(commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
