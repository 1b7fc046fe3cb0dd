/* Retry-After (RFC 9110 section 10.2.3) and what is left of a deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/time_field.h"

#define NOW 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */

static void retry_after_is_seconds_or_a_date(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t seconds; /* -1: refused */
    } rows[] = {
        {"0", 0},
        {"120", 120},
        {"007", 7},
        {"3600", 3600},
        {"3601", 3600}, /* held at the maximum */
        {"99999999999999999999999", 3600},
        {"Sun, 06 Nov 1994 08:50:37 GMT", 60},
        {"Sunday, 06-Nov-94 08:50:37 GMT", 60},
        {"Sun Nov  6 08:49:38 1994", 1},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:36 GMT", 0},
        {"Fri, 31 Dec 1999 23:59:59 GMT", 3600},
        {"", -1},
        {"-1", -1},
        {"+1", -1},
        {"1.5", -1},
        {" 1", -1},
        {"1s", -1},
        {"soon", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t seconds = -1;
        weir_err err = weir__retry_after_parse(weir_str_from(rows[i].value), NOW, 3600, &seconds);
        if (err != (rows[i].seconds < 0 ? WEIR_EINVALID : 0) ||
            (err == 0 && seconds != rows[i].seconds))
            fail_msg("\"%s\": %d, %ld", rows[i].value, err, (long)seconds);
    }
}

static void a_deadline_is_one_to_nine_digits(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "-1",  "+1",         "1.0", "1e3",       " 1",
                                      "1 ", "0x1", "1000000000", "5s",  "0000000001"};
    int64_t ms;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(weir__deadline_parse(weir_str_from(bad[i]), &ms), WEIR_EINVALID);
    assert_int_equal(weir__deadline_parse(WEIR_S("0"), &ms), 0);
    assert_int_equal(ms, 0);
    assert_int_equal(weir__deadline_parse(WEIR_S("000250"), &ms), 0);
    assert_int_equal(ms, 250);
    assert_int_equal(weir__deadline_parse(WEIR_S("999999999"), &ms), 0);
    assert_int_equal(ms, WEIR__DEADLINE_MS_MAX);
}

static void a_deadline_is_written_within_its_bounds(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {{0, "0"},
                {-5, "0"},
                {INT64_MIN, "0"},
                {250, "250"},
                {999999999, "999999999"},
                {1000000000, "999999999"},
                {INT64_MAX, "999999999"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[WEIR__DEADLINE_TEXT_MAX];
        size_t n = weir__deadline_write(out, rows[i].ms);
        assert_true(weir_str_eq((weir_str){out, n}, weir_str_from(rows[i].text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(a_deadline_is_one_to_nine_digits),
        cmocka_unit_test(a_deadline_is_written_within_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
