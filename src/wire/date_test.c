/* HTTP dates against the C library's calendar, in all three forms, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <time.h>

#include "wire/date.h"

static void writes_what_the_c_library_writes(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (int i = 0; i < 20000; i++) {
        char expected[40], out[WEIR_DATE_LEN];
        struct tm tm;
        random = random * 6364136223846793005u + 1442695040888963407u;
        time_t t = (time_t)(random >> 20) % 253402300800 * (i % 4 == 0 ? -1 : 1);
        if (t < -62135596800)
            t = -62135596800;
        assert_non_null(gmtime_r(&t, &tm));
        strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        weir__date_format(out, t);
        if (tm.tm_year + 1900 >= 1000)
            assert_memory_equal(out, expected, WEIR_DATE_LEN);
        int64_t back;
        assert_int_equal(weir__date_parse((weir_str){out, WEIR_DATE_LEN}, 0, &back), 0);
        assert_true(back == t);
    }
}

static void keeps_to_four_digit_years(void **state)
{
    (void)state;
    char out[WEIR_DATE_LEN];
    weir__date_format(out, INT64_MAX);
    assert_memory_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT", WEIR_DATE_LEN);
    weir__date_format(out, INT64_MIN);
    assert_memory_equal(out, "Mon, 01 Jan 0001 00:00:00 GMT", WEIR_DATE_LEN);
}

static int64_t parse(const char *s, int64_t now)
{
    int64_t seconds = -1;
    return weir__date_parse(weir_str_from(s), now, &seconds) == 0 ? seconds : -1;
}

/* RFC 9110 section 5.6.7 */
static void reads_all_three_forms(void **state)
{
    (void)state;
    const int64_t t = 784111777;
    assert_true(parse("Sun, 06 Nov 1994 08:49:37 GMT", 0) == t);
    assert_true(parse("Sunday, 06-Nov-94 08:49:37 GMT", 1700000000) == t);
    assert_true(parse("Sun Nov  6 08:49:37 1994", 0) == t);
    assert_true(parse("Wed Nov 16 08:49:37 1994", 0) == t + 864000);
    assert_true(parse("Tue, 29 Feb 2000 23:59:60 GMT", 0) == 951868799);
    const char *days[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    for (int i = 0; i < 6; i++) {
        char s[50];
        snprintf(s, sizeof s, "%s, 06-Nov-94 08:49:37 GMT", days[i]);
        assert_true(parse(s, 1700000000) == t);
    }
}

/* A two-digit year is never more than 50 years ahead. */
static void places_two_digit_years(void **state)
{
    (void)state;
    const int64_t in_2024 = 1710000000, in_1970 = 0, in_2099 = 4070908800;
    assert_true(parse("Monday, 01-Jan-74 00:00:00 GMT", in_2024) == 3281990400);
    assert_true(parse("Monday, 01-Jan-75 00:00:00 GMT", in_2024) == 157766400);
    assert_true(parse("Monday, 01-Jan-24 00:00:00 GMT", in_2024) == 1704067200);
    assert_true(parse("Monday, 01-Jan-20 00:00:00 GMT", in_1970) == 1577836800);
    assert_true(parse("Monday, 01-Jan-01 00:00:00 GMT", in_2099) == 4133980800);
}

static void refuses_what_is_no_date(void **state)
{
    (void)state;
    const char *bad[] = {
        "",
        "Sun",
        "0",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT ",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Bad, 06 Nov 1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov 06  08:49:37 1994",
        "Mondey, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GM",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(bad[i], 0) != -1)
            fail_msg("taken: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_the_c_library_writes),
        cmocka_unit_test(keeps_to_four_digit_years),
        cmocka_unit_test(reads_all_three_forms),
        cmocka_unit_test(places_two_digit_years),
        cmocka_unit_test(refuses_what_is_no_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
