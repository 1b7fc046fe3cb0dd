/* Reading requests: header lines one by one and by name, cookies wherever they stand. */
#include "watch/watch.h"
#include "web/web_test_kit.h"

/* Every line, or those of a name, as "name=value;" each. */
static weir_err show_lines(weir_ctx *c)
{
    weir_str text = WEIR_S("");
    weir_header_iter h = {.of = weir_query_param(c, "of")};
    while (weir_header_next(c, &h))
        text = weir_sprintf(c, WEIR_STR_FMT WEIR_STR_FMT "=" WEIR_STR_FMT ";", WEIR_STR_ARG(text),
                            WEIR_STR_ARG(h.name), WEIR_STR_ARG(h.value));
    if (h.name.ptr != NULL || weir_header_next(c, &h))
        return weir_fail(c, 500, "there is something behind the end");
    return weir_text(c, 200, text);
}

static weir_err show_cookie(weir_ctx *c)
{
    weir_str value = weir_cookie(c, "b");
    return weir_text(c, 200, value.ptr != NULL ? value : WEIR_S("-"));
}

static void build(weir_group *app)
{
    weir_get(app, "/lines", show_lines);
    weir_get(app, "/cookie", show_cookie);
}

static void use_lines(struct kit *k)
{
    const char *lines = "Via: 1.1 a\r\nX-Empty:\r\nvia:  1.1 b \r\nVIA-2: no\r\n";
    kit_expect(kit_ask(k, "GET", "/lines", lines, ""), 200,
               "Host=t;Connection=close;Via=1.1 a;X-Empty=;via=1.1 b;VIA-2=no;");
    kit_expect(kit_ask(k, "GET", "/lines?of=Via", lines, ""), 200, "Via=1.1 a;via=1.1 b;");
    kit_expect(kit_ask(k, "GET", "/lines?of=host", lines, ""), 200, "Host=t;");
    kit_expect(kit_ask(k, "GET", "/lines?of=None", lines, ""), 200, "");
    kit_expect(kit_ask(k, "GET", "/lines?of", lines, ""), 200, "");
}

static void test_header_lines_are_enumerated(void **state)
{
    KIT_HTTP1_ONLY();
    (void)state;
    kit_run(build, use_lines);
}

/* RFC 6265 section 5.4, RFC 9113 section 8.2.3: a client may split its cookies into lines. */
static void use_cookies(struct kit *k)
{
    static const struct {
        const char *lines, *shown;
    } cases[] = {
        {"", "-"},
        {"Cookie: a=1; b=2\r\n", "2"},
        {"Cookie: a=1\r\nCookie: b=2\r\n", "2"},
        {"Cookie: a=1\r\nX-Other: b=9\r\ncookie: c=3; b=2\r\n", "2"},
        {"Cookie: b=1\r\nCookie: b=2\r\n", "1"},
        {"Cookie: ; =; x; a=\"x; b\r\nCookie: b=\r\n", ""},
        {"Cookie: bb=1\r\nCookie: B=2\r\n", "-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        kit_expect(kit_ask(k, "GET", "/cookie", cases[i].lines, ""), 200, cases[i].shown);
}

static void test_cookies_of_all_lines_are_seen(void **state)
{
    (void)state;
    kit_run(build, use_cookies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_lines_are_enumerated),
        cmocka_unit_test(test_cookies_of_all_lines_are_seen),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
