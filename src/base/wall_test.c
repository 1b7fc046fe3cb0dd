/*
 * Points of wall-clock time: the calendar against libc's for the whole range, both texts both ways,
 * what is no time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <time.h>

#include "base/value.h"

static weir_wall parsed(const char *text)
{
    weir_wall t = {-1};
    if (weir_wall_parse(weir_str_from(text), &t) != WEIR_OK)
        fail_msg("refused: %s", text);
    return t;
}

static const char *text_of(weir_wall t)
{
    static char text[WEIR_WALL_TEXT_MAX];
    size_t n = weir_wall_text(t, text);
    assert_int_equal(n, strlen(text));
    return text;
}

static void times_have_their_texts(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {1709209800250000, "2024-02-29T12:30:00.250000Z"},
        {951782400000000, "2000-02-29T00:00:00Z"},
        {4107542399000000, "2100-02-28T23:59:59Z"},
        {WEIR_WALL_MIN, "0001-01-01T00:00:00Z"},
        {WEIR_WALL_MAX, "9999-12-31T23:59:59.999999Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(text_of((weir_wall){cases[i].us}), cases[i].text);
        assert_true(parsed(cases[i].text).us == cases[i].us);
    }
    assert_string_equal(text_of((weir_wall){WEIR_WALL_MIN - 1}), "");
    assert_string_equal(text_of((weir_wall){WEIR_WALL_MAX + 1}), "");
    assert_string_equal(text_of((weir_wall){INT64_MIN}), "");
}

static void the_calendar_is_that_of_libc(void **state)
{
    (void)state;
    for (int64_t us = WEIR_WALL_MIN; us <= WEIR_WALL_MAX;
         us += 86400 * 1000000LL * 13 + 3600654321) {
        time_t seconds = (time_t)((us - WEIR_WALL_MIN) / 1000000 + WEIR_WALL_MIN / 1000000);
        struct tm tm;
        char expected[64];
        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int)(us - (int64_t)seconds * 1000000));
        if (us % 1000000 != 0)
            assert_string_equal(text_of((weir_wall){us}), expected);
        assert_true(parsed(expected).us == us);
    }
}

static void zones_and_fractions_are_taken_off(void **state)
{
    (void)state;
    assert_true(parsed("1970-01-01T01:30:00+01:30").us == 0);
    assert_true(parsed("1969-12-31t19:00:00-05:00").us == 0);
    assert_true(parsed("1970-01-01T00:00:00.5z").us == 500000);
    assert_true(parsed("1970-01-01T00:00:00.1234569999Z").us == 123456);
    assert_true(parsed("0001-01-01T00:30:00-00:00").us == WEIR_WALL_MIN + 1800000000);
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "2024",
                                        "2024-02-29",
                                        "2024-02-29T12:30Z",
                                        "2024-02-29T12:30:00",
                                        "2024-02-29 12:30:00Z",
                                        "2023-02-29T00:00:00Z",
                                        "2100-02-29T00:00:00Z",
                                        "2024-13-01T00:00:00Z",
                                        "2024-00-01T00:00:00Z",
                                        "2024-01-00T00:00:00Z",
                                        "2024-01-01T24:00:00Z",
                                        "2024-01-01T00:60:00Z",
                                        "2016-12-31T23:59:60Z",
                                        "2024-01-01T00:00:00.Z",
                                        "2024-01-01T00:00:00+0100",
                                        "2024-01-01T00:00:00+24:00",
                                        "2024-01-01T00:00:00Zx",
                                        "24-01-01T00:00:00Z",
                                        "2024-1-01T00:00:00Z",
                                        "2024-01-01T00:00:00,5Z",
                                        " 2024-01-01T00:00:00Z",
                                        "-024-01-01T00:00:00Z"};
    weir_wall t = {7};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (weir_wall_parse(weir_str_from(wrong[i]), &t) != WEIR_EINVALID || t.us != 7)
            fail_msg("%s", wrong[i]);
    assert_int_equal(weir_wall_parse((weir_str){NULL, 0}, &t), WEIR_EINVALID);
    assert_int_equal(weir_wall_parse(WEIR_S("0000-12-31T23:00:00Z"), &t), -ERANGE);
    assert_int_equal(weir_wall_parse(WEIR_S("0001-01-01T00:00:00+00:01"), &t), -ERANGE);
    assert_int_equal(weir_wall_parse(WEIR_S("9999-12-31T23:59:59-00:01"), &t), -ERANGE);
    assert_true(t.us == 7);
}

static void databases_write_it_so(void **state)
{
    (void)state;
    char text[WEIR__WALL_SQL_MAX];
    weir_wall t = {1709209800250000}, read;
    assert_int_equal(weir__wall_put_sql(t, text), 26);
    assert_memory_equal(text, "2024-02-29 12:30:00.250000", 26);
    assert_int_equal(weir__wall_put_sql((weir_wall){INT64_MAX}, text), 0);
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"2024-02-29 12:30:00.250000", 1709209800250000},
        {"2024-02-29 12:30:00", 1709209800000000},
        {"2024-02-29T12:30", 1709209800000000},
        {"2024-02-29", 1709164800000000},
        {"2024-02-29 12:30:00+00", 1709209800000000},
        {"2024-02-29 13:30+01:00", 1709209800000000},
        {"2024-02-29T12:30:00Z", 1709209800000000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(weir__wall_parse_sql(weir_str_from(cases[i].text), &read), WEIR_OK);
        assert_true(read.us == cases[i].us);
    }
    assert_int_equal(weir__wall_parse_sql(WEIR_S("2024-02-29 12"), &read), WEIR_EINVALID);
    assert_int_equal(weir__wall_parse_sql(WEIR_S("yesterday"), &read), WEIR_EINVALID);
}

static void sums_are_held_at_the_ends(void **state)
{
    (void)state;
    assert_true(weir_wall_add(weir_wall_of(5), weir_ms(-1500)).us == 3500000);
    assert_true(weir_wall_add((weir_wall){INT64_MAX}, weir_sec(1)).us == INT64_MAX);
    assert_true(weir_wall_sub(weir_wall_of(5), weir_wall_of(7)).ns == -2000000000);
    assert_true(weir_wall_sub((weir_wall){INT64_MAX}, (weir_wall){INT64_MIN}).ns == INT64_MAX);
    assert_true(weir_wall_of(INT64_MIN).us == INT64_MIN);
    assert_true(weir_wall_of(INT64_MAX).us == INT64_MAX);
}

static void moments_are_their_days_and_back(void **state)
{
    struct weir__moment m;
    weir_wall t;
    (void)state;
    assert_true(weir__moment_of((weir_wall){1709209805123456}, &m));
    assert_true(m.year == 2024 && m.month == 2 && m.day == 29 && m.hour == 12 && m.minute == 30 &&
                m.second == 5 && m.us == 123456);
    assert_true(weir__moment_wall(&m, &t));
    assert_int_equal(t.us, 1709209805123456);
    m.year = 2023; /* has no 29th of February */
    assert_false(weir__moment_wall(&m, &t));
    assert_false(weir__moment_of((weir_wall){WEIR_WALL_MAX + 1}, &m));
    assert_false(weir__moment_wall(&(struct weir__moment){.year = 2024, .month = 1}, &t));
    assert_false(weir__moment_wall(
        &(struct weir__moment){.year = 2024, .month = 1, .day = 1, .second = 60}, &t));
    int64_t step = 86399999999 * 40;
    for (int64_t us = WEIR_WALL_MIN; us < WEIR_WALL_MAX - step; us += step) {
        assert_true(weir__moment_of((weir_wall){us}, &m) && weir__moment_wall(&m, &t));
        assert_int_equal(t.us, us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_their_texts),
        cmocka_unit_test(the_calendar_is_that_of_libc),
        cmocka_unit_test(zones_and_fractions_are_taken_off),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(databases_write_it_so),
        cmocka_unit_test(sums_are_held_at_the_ends),
        cmocka_unit_test(moments_are_their_days_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
