/*
 * The access log over each transport (http/over_testing.h): it says how a request came, as the
 * request itself does.
 */
#include "http/over_testing.h"
#include "web/web_test_kit.h"
#include <weir/mw.h>

static weir_err show(weir_ctx *c)
{
    return weir_textf(c, 200, WEIR_STR_FMT " %s", WEIR_STR_ARG(weir_request_protocol(c)),
                      weir_request_is_tls(c) ? "sealed" : "plain");
}

static void build(weir_group *app)
{
    weir_use(app, weir_mw_log);
    weir_get(app, "/", show);
}

static void use_facts(struct kit *k)
{
    bool is_h2 = over_is(OVER_H2), is_tls = over_is(OVER_TLS);
    const char *protocol = is_h2 ? "HTTP/2" : "HTTP/1.1";
    weir_str shown = weir_sprintf(k->c, "%s %s", protocol, is_tls ? "sealed" : "plain");
    kit_expect(kit_get(k, "/"), 200, shown.ptr);
    weir_str logged = weir_sprintf(k->c, "\"path\":\"/\",\"protocol\":\"%s\",%s\"status\":200",
                                   protocol, is_tls ? "\"tls\":1," : "");
    assert_non_null(strstr(kit_log(k), logged.ptr));
    if (!is_h2)
        assert_non_null(strstr(kit_raw(k, "GET / HTTP/1.0\r\n\r\n"), "\r\n\r\nHTTP/1.0 "));
}

static void test_it_says_how_a_request_came(void **state)
{
    (void)state;
    kit_run(build, use_facts);
}

/* RFC 9110 section 7.4: an https target is for who has come over TLS. */
static void use_https(struct kit *k)
{
    const char *a = kit_raw(k, "GET https://t/ HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    assert_int_equal(kit_status(a), over_is(OVER_TLS) ? 200 : 421);
}

static void test_https_is_for_tls(void **state)
{
    (void)state;
    kit_run(build, use_https);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_how_a_request_came),
        cmocka_unit_test(test_https_is_for_tls),
    };
    over_begin();
    kit_prepares = over_server;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
