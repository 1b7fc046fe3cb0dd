/* What may stand behind a body: RFC 9110 section 6.5.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/trailer.h"

static void what_must_be_known_before(void **state)
{
    (void)state;
    static const char *const names[] = {
        "Content-Length", "transfer-encoding", "TE",          "Trailer",       "Connection",
        "Host",           "Forwarded",         "Expect",      "Cache-Control", "If-None-Match",
        "Range",          "Authorization",     "Set-Cookie",  "Cookie",        "WWW-Authenticate",
        "Date",           "Location",          "Retry-After", "Vary",          "Content-Encoding",
        "Content-Type",   "Content-Range"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (weir__field_may_trail(weir_str_from(names[i])))
            fail_msg("%s", names[i]);
}

static void all_others_may(void **state)
{
    (void)state;
    static const char *const names[] = {
        "grpc-status", "Server-Timing", "Content-Digest", "ETag", "X-Date", "Hos", "Link"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!weir__field_may_trail(weir_str_from(names[i])))
            fail_msg("%s", names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_known_before),
        cmocka_unit_test(all_others_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
