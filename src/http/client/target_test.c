/* Where requests go: bases and targets, in one form for what is one host, and what is refused. */
#include "http/client/testing.h"

static void assert_str(weir_str s, const char *expected)
{
    if (!weir_str_eq(s, weir_str_from(expected)))
        fail_msg("\"" WEIR_STR_FMT "\" instead of \"%s\"", WEIR_STR_ARG(s), expected);
}

struct way {
    const char *base, *target, *origin, *host, *path;
    bool is_base;
};

static const struct way ways[] = {
    {"http://10.0.0.5", "/a", "http://10.0.0.5:80", "10.0.0.5", "/a", true},
    {"http://10.0.0.5:80", "/a?b=c", "http://10.0.0.5:80", "10.0.0.5", "/a?b=c", true},
    {"HTTP://Some.Host:8080/v1", "/a", "http://some.host:8080", "some.host:8080", "/v1/a", true},
    {"http://h/v1///", "/", "http://h:80", "h", "/v1/", true},
    {"http://[::1]:81/", "/a", "http://[::1]:81", "[::1]:81", "/a", true},
    {"unix:/run/x.sock", "/a", "unix:/run/x.sock", "localhost", "/a", true},
    {"unix:/run/x.sock:/v1", "/a?b", "unix:/run/x.sock", "localhost", "/v1/a?b", true},
    {"http://h/v1", "http://other:81/a", "http://other:81", "other:81", "/a", false},
    {"http://h/v1", "http://H:80/a", "http://h:80", "h", "/a", true},
    {"http://h/v1", "http://h:81/a", "http://h:81", "h:81", "/a", false},
    {NULL, "http://h", "http://h:80", "h", "/", false},
    {NULL, "http://h?a", "http://h:80", "h", "/?a", false},
    {NULL, "http://h/?a=http://b/", "http://h:80", "h", "/?a=http://b/", false},
#if WEIR_TLS
    {"https://h/v1", "/a", "https://h:443", "h", "/v1/a", true},
    {"https://h", "http://h:443/a", "http://h:443", "h:443", "/a", false},
    {NULL, "HTTPS://[::1]:80/a", "https://[::1]:80", "[::1]:80", "/a", false},
#endif
};

/* Each twice, with what the one worker knows by then: the second time the host is known. */
static weir_err reads(weir_ctx *c, void *arg)
{
    (void)arg;
    struct weir__ctx *ctx = weir__ctx_of(c);
    struct weir__client_cells cells = {.known.text_len = 0};
    for (size_t i = 0; i < 2 * sizeof ways / sizeof ways[0]; i++) {
        const struct way *w = &ways[i / 2];
        const char *why = "";
        weir_http http = {.has_base = w->base != NULL, .cells = &cells};
        struct weir__client_target t;
        if (w->base != NULL)
            assert_int_equal(weir__client_base_read(ctx, w->base, &http.base, &why), WEIR_OK);
        assert_int_equal(weir__client_target_read(&http, ctx, weir_str_from(w->target), &t, &why),
                         WEIR_OK);
        assert_str(t.origin, w->origin);
        assert_str(t.host, w->host);
        assert_str(t.path, w->path);
        assert_int_equal(t.is_base, w->is_base);
        assert_false(t.is_trusted);
    }
    return WEIR_OK;
}

static void test_one_host_has_one_form(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(reads, NULL), WEIR_OK);
}

struct mistake {
    const char *text, *why;
};

static const struct mistake bases[] = {
    {"", "http"},
    {"10.0.0.5:80", "http"},
    {"ftp://h/", "http"},
    {"http://", "host"},
    {"http://u@h/", "user"},
    {"http://h:99999/", "port"},
    {"http://h/?a", "no query"},
    {"unix:", "1 to 107 bytes"},
};

static const struct mistake targets[] = {
    {"", "empty"},
    {"a/b", "http"},
    {"/a", "no base"},
    {"http://u@h/", "user"},
};

static weir_err refuses(weir_ctx *c, void *arg)
{
    (void)arg;
    struct weir__ctx *ctx = weir__ctx_of(c);
    struct weir__client_target t;
    struct weir__client_cells cells = {.known.text_len = 0};
    const weir_http none = {.has_base = false, .cells = &cells};
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        const char *why = "";
        assert_int_equal(weir__client_base_read(ctx, bases[i].text, &t, &why), WEIR_EINVALID);
        if (strstr(why, bases[i].why) == NULL)
            fail_msg("\"%s\" for %s", why, bases[i].text);
    }
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        const char *why = "";
        weir_str text = weir_str_from(targets[i].text);
        assert_int_equal(weir__client_target_read(&none, ctx, text, &t, &why), WEIR_EINVALID);
        if (strstr(why, targets[i].why) == NULL)
            fail_msg("\"%s\" for %s", why, targets[i].text);
    }
    const char *why = "";
    if (!WEIR_TLS)
        assert_int_equal(weir__client_base_read(ctx, "https://h", &t, &why), WEIR_ENOTBUILT);
    return WEIR_OK;
}

static void test_what_is_no_place_is_refused(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(refuses, NULL), WEIR_OK);
}

static const struct {
    const char *target, *origin, *path; /* NULL: it is none */
} rows_of_known[] = {
    {"http://Shop.example/a", "http://shop.example:80", "/a"},
    {"http://Shop.example/b?c=/d", "http://shop.example:80", "/b?c=/d"},
    {"http://Shop.example/b#c", "http://shop.example:80", "/b"},
    {"http://Shop.example/b c", NULL, NULL},
    {"http://Shop.example", "http://shop.example:80", "/"},
    {"http://Shop.example?a", "http://shop.example:80", "/?a"},
    {"http://Shop.example:81/a", "http://shop.example:81", "/a"},
    {"http://Shop.example.evil/a", "http://shop.example.evil:80", "/a"},
    {"http://Shop.example@evil/a", NULL, NULL},
    {"http://shop.EXAMPLE/a", "http://shop.example:80", "/a"},
};

/* What is known of a host is of that text alone: each after "http://Shop.example/" was read. */
static weir_err recalls(weir_ctx *c, void *arg)
{
    (void)arg;
    struct weir__ctx *ctx = weir__ctx_of(c);
    for (size_t i = 0; i < sizeof rows_of_known / sizeof rows_of_known[0]; i++) {
        const char *why = "", *origin = rows_of_known[i].origin;
        struct weir__client_cells cells = {.known.text_len = 0};
        const weir_http http = {.has_base = false, .cells = &cells};
        struct weir__client_target t;
        weir_str first = WEIR_S("http://Shop.example/"),
                 text = weir_str_from(rows_of_known[i].target);
        assert_int_equal(weir__client_target_read(&http, ctx, first, &t, &why), WEIR_OK);
        assert_int_equal(cells.known.text_len, first.len - 1);
        weir_err err = weir__client_target_read(&http, ctx, text, &t, &why);
        assert_int_equal(err, origin != NULL ? WEIR_OK : WEIR_EINVALID);
        if (origin == NULL)
            continue;
        assert_str(t.origin, origin);
        assert_str(t.path, rows_of_known[i].path);
    }
    return WEIR_OK;
}

static void test_what_is_known_of_a_host_is_of_its_text(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(recalls, NULL), WEIR_OK);
}

/* D8: by name, whatever the port; a host whose name only begins like one is another one. */
static weir_err trusts(weir_ctx *c, void *arg)
{
    (void)arg;
    const char *why = "";
    const char *const trusted[] = {"good.host", "[::1]", NULL};
    static const struct {
        const char *target;
        bool is_trusted;
    } rows[] = {{"http://good.host/", true},
                {"http://GOOD.host:81/", true},
                {"http://good.host.evil/", false},
                {"http://evil/good.host", false},
                {"http://xgood.host/", false},
                {"http://[::1]:8080/", true},
                {"/a", true}};
    struct weir__ctx *ctx = weir__ctx_of(c);
    struct weir__client_cells cells = {.known.text_len = 0};
    weir_http http = {
        .has_base = true, .cells = &cells, .o = {.trusted = trusted, .trust_base = true}};
    assert_int_equal(weir__client_base_read(ctx, "http://base", &http.base, &why), WEIR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir__client_target t;
        weir_str text = weir_str_from(rows[i].target);
        assert_int_equal(weir__client_target_read(&http, ctx, text, &t, &why), WEIR_OK);
        assert_int_equal(t.is_trusted, rows[i].is_trusted);
    }
    return WEIR_OK;
}

static void test_trust_is_by_name(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(trusts, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_host_has_one_form),
        cmocka_unit_test(test_what_is_no_place_is_refused),
        cmocka_unit_test(test_what_is_known_of_a_host_is_of_its_text),
        cmocka_unit_test(test_trust_is_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
