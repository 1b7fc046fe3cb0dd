/* What a proxy hands on: RFC 9110 section 7.6.1, RFC 9113 section 8.2.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/hop_by_hop.h"

static void what_ends_at_the_next_hop(void **state)
{
    (void)state;
    static const weir_str connection[] = {{"close, X-Mine", 13}, {"x-yours,", 8}};
    static const struct {
        const char *name;
        bool is_hop_by_hop;
    } rows[] = {
        {"Connection", true},
        {"Keep-Alive", true},
        {"Proxy-Connection", true},
        {"TE", true},
        {"Trailer", true},
        {"Transfer-Encoding", true},
        {"Upgrade", true},
        {"proxy-authorization", true},
        {"Proxy-Authenticate", true},
        {"HTTP2-Settings", true},
        {"x-mine", true},
        {"X-YOURS", true},
        {"close", true},
        {"X-Other", false},
        {"Content-Length", false},
        {"Accept", false},
        {"", false},
        {"Proxy-Status", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (weir__field_is_hop_by_hop(weir_str_from(rows[i].name), connection, 2) !=
            rows[i].is_hop_by_hop)
            fail_msg("%s", rows[i].name);
    }
    assert_false(weir__field_is_hop_by_hop(WEIR_S("x-mine"), NULL, 0));
}

/* A client that names them would have them taken away from who stands behind. */
static void what_connection_cannot_take_away(void **state)
{
    (void)state;
    static const weir_str all = {
        "host, content-length, X-Forwarded-For, cookie, authorization, via", 66};
    static const char *const names[] = {"Host", "Content-Length", "X-Forwarded-For", "Cookie",
                                        "Authorization"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_false(weir__field_is_hop_by_hop(weir_str_from(names[i]), &all, 1));
}

static void what_http2_has_no_place_for(void **state)
{
    (void)state;
    assert_true(weir__field_is_http1_only(WEIR_S("Connection"), WEIR_S("close")));
    assert_true(weir__field_is_http1_only(WEIR_S("keep-alive"), WEIR_S("")));
    assert_true(weir__field_is_http1_only(WEIR_S("proxy-connection"), WEIR_S("")));
    assert_true(weir__field_is_http1_only(WEIR_S("transfer-encoding"), WEIR_S("chunked")));
    assert_true(weir__field_is_http1_only(WEIR_S("upgrade"), WEIR_S("websocket")));
    assert_true(weir__field_is_http1_only(WEIR_S("te"), WEIR_S("gzip")));
    assert_false(weir__field_is_http1_only(WEIR_S("TE"), WEIR_S("Trailers")));
    assert_false(weir__field_is_http1_only(WEIR_S("trailer"), WEIR_S("x")));
    assert_false(weir__field_is_http1_only(WEIR_S("host"), WEIR_S("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ends_at_the_next_hop),
        cmocka_unit_test(what_connection_cannot_take_away),
        cmocka_unit_test(what_http2_has_no_place_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
