/* Media types by file ending. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/mime.h"

static void knows_endings(void **state)
{
    (void)state;
    const char *cases[][2] = {
        {"index.html", "text/html; charset=utf-8"},
        {"/a/b.c/APP.JS", "text/javascript; charset=utf-8"},
        {"a.min.css", "text/css; charset=utf-8"},
        {".json", "application/json"},
        {"x.woff2", "font/woff2"},
        {"x.tar.gz", "application/gzip"},
        {"x.htmlx", "application/octet-stream"},
        {"x.htm/y", "application/octet-stream"},
        {"html", "application/octet-stream"},
        {"x.", "application/octet-stream"},
        {"", "application/octet-stream"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_str type = weir__mime_by_name(weir_str_from(cases[i][0]));
        if (!weir_str_eq(type, weir_str_from(cases[i][1])))
            fail_msg("%s is " WEIR_STR_FMT, cases[i][0], WEIR_STR_ARG(type));
    }
    assert_true(weir__mime_by_name((weir_str){NULL, 0}).len > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_endings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
