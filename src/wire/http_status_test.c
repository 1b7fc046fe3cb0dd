/* Status lines and reasons, of every code there can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/http_status.h"

static void every_line_is_whole(void **state)
{
    (void)state;
    int known = 0;
    for (int status = -10; status < 1100; status++) {
        const struct weir__http_status_line *line = weir__http_status_line(status);
        char expected[100];
        weir_str reason = weir__http_status_reason(status);
        assert_true(line->len > 13 && line->len < WEIR_HTTP_STATUS_LINE_MAX);
        assert_memory_equal(line->text + line->len - 2, "\r\n", 2);
        if (!weir__http_status_is_known(status)) {
            assert_int_equal(reason.len, 0);
            continue;
        }
        known++;
        snprintf(expected, sizeof expected, "HTTP/1.1 %d " WEIR_STR_FMT "\r\n", status,
                 WEIR_STR_ARG(reason));
        assert_int_equal(line->len, strlen(expected));
        assert_memory_equal(line->text, expected, line->len);
        assert_true(reason.len > 1);
    }
    assert_int_equal(known, 61);
}

static void falls_back_by_class(void **state)
{
    (void)state;
    assert_ptr_equal(weir__http_status_line(299), weir__http_status_line(200));
    assert_ptr_equal(weir__http_status_line(498), weir__http_status_line(400));
    assert_ptr_equal(weir__http_status_line(0), weir__http_status_line(500));
    assert_ptr_equal(weir__http_status_line(600), weir__http_status_line(500));
    assert_true(weir_str_eq(weir__http_status_reason(404), WEIR_S("Not Found")));
}

/* RFC 9112 section 6.3 item 1 */
static void knows_which_have_no_body(void **state)
{
    (void)state;
    for (int status = 100; status < 600; status++) {
        bool none = status < 200 || status == 204 || status == 304;
        assert_int_equal(weir__http_status_has_body(status), !none);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_whole),
        cmocka_unit_test(falls_back_by_class),
        cmocka_unit_test(knows_which_have_no_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
