/* The start: every mistake in the table of routes, at once, with its source line. */
#include "watch/watch.h"
#include "web/web_test_kit.h"

static weir_err a_handler(weir_ctx *c)
{
    return weir_text(c, 200, "ok");
}

static weir_err authenticate(weir_ctx *c)
{
    return weir_next(c);
}

static weir_err another(weir_ctx *c)
{
    return weir_next(c);
}

struct store {
    int x;
};
WEIR_HANDLE(store, struct store);
WEIR_HANDLE(cache, struct store);
WEIR_HANDLE(nobody, struct store);

static int first_use, second_use, bad_route, twin_route, need_line, provide_line;
static struct store the_store;

static void build_all_wrong(weir_group *app)
{
    first_use = __LINE__ + 1;
    weir_use(app, authenticate);
    second_use = __LINE__ + 1;
    weir_group *v1 = weir_group_new(app, "/v1", authenticate);
    weir_get(v1, "/a", a_handler);
    weir_get(v1, "/b", a_handler);
    bad_route = __LINE__ + 1;
    weir_get(v1, "no-slash", a_handler);
    weir_get(v1, "/none", NULL);
    twin_route = __LINE__ + 1;
    weir_get(v1, "/a", a_handler);
    need_line = __LINE__ + 1;
    weir_needs(v1, store);
    weir_provide(app, cache, &the_store);
    provide_line = __LINE__ + 1;
    weir_provide(app, cache, &the_store);
    weir_provide(app, nobody, NULL);
    weir_static(app, "/assets", "/there/is/no/such/folder", .version = "a b",
                .cache_control = "a\r\nb");
    weir_error_table(app, {WEIR_DOMAIN(1), 200, "fine", NULL},
                     {WEIR_DOMAIN(1), 409, "twice", NULL});
    weir_get(app, "/slow", a_handler, .timeout = weir_ms(-1));
    weir_group *bad = weir_group_new(app, "prefix");
    weir_get(bad, "/c", a_handler);
}

static void expect_line(const char *report, int line, const char *text)
{
    char place[64];
    snprintf(place, sizeof place, "freeze_test.c:%d: ", line);
    const char *at = strstr(report, place);
    if (at == NULL || strstr(at, text) == NULL || strchr(at, '\n') < strstr(at, text))
        fail_msg("no line \"%s … %s\" in:\n%s", place, text, report);
}

static void test_all_mistakes_are_listed_at_once(void **state)
{
    (void)state; /* A2, A4 */
    char report[8192], twin[64];
    assert_int_equal(kit_mistakes(build_all_wrong, report, sizeof report), WEIR_EINVALID);
    expect_line(report, second_use, "middleware authenticate is twice");
    snprintf(twin, sizeof twin, "freeze_test.c:%d", first_use);
    assert_non_null(strstr(strstr(report, "is twice"), twin));
    assert_int_equal(kit_count(report, "is twice in the chain"), 1);
    expect_line(report, bad_route, "does not begin with '/'");
    expect_line(report, twin_route, "/v1/a");
    expect_line(report, need_line, "handle store is needed here");
    expect_line(report, provide_line, "handle cache is provided already");
    assert_non_null(strstr(report, "the object of handle nobody is NULL"));
    assert_non_null(strstr(report, "has no handler"));
    assert_non_null(strstr(report, "/there/is/no/such/folder: No such file"));
    assert_non_null(strstr(report, "GET /assets/*path: .version has"));
    assert_non_null(strstr(report, "GET /assets/*path: .cache_control is"));
    assert_non_null(strstr(report, "has status 200"));
    assert_non_null(strstr(report, "is in the table already"));
    assert_non_null(strstr(report, "a timeout below 0"));
    assert_non_null(strstr(report, "the prefix \"prefix\""));
}

/* The slip `.timeout = 5`, as far as -Wmissing-braces lets a test write it. */
static int slip_group, slip_route;

static void build_slips(weir_group *app)
{
    slip_group = __LINE__ + 1;
    weir_group *v1 = weir_group_new(app, "/v1", .timeout = weir_ns(5));
    slip_route = __LINE__ + 1;
    weir_get(v1, "/a", a_handler, .timeout = weir_ns(999999));
    weir_get(v1, "/b", a_handler, .timeout = weir_ms(1));
    weir_get(v1, "/c", a_handler);
}

static void test_times_without_a_unit_are_refused(void **state)
{
    (void)state;
    char report[4096];
    assert_int_equal(kit_mistakes(build_slips, report, sizeof report), WEIR_EINVALID);
    expect_line(report, slip_group, "the group \"/v1\": .timeout is 5 ns");
    expect_line(report, slip_group, "write weir_ms(5) when");
    expect_line(report, slip_route, "the route \"/v1/a\": .timeout is 999999 ns");
    assert_int_equal(kit_count(report, "\n"), 2); /* what inherits it is not told of again */
}

static void build_too_deep(weir_group *app)
{
    weir_handler many[WEIR_MIDDLEWARE_MAX + 1];
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
        many[i] = (weir_handler)((uintptr_t)a_handler + i); /* never called */
    weir_use_at(WEIR_HERE, app, "x", many, sizeof many / sizeof many[0]);
    weir_get(app, "/", a_handler);
}

static void test_a_chain_has_a_maximum(void **state)
{
    (void)state;
    char report[8192];
    assert_int_equal(kit_mistakes(build_too_deep, report, sizeof report), WEIR_EINVALID);
    assert_non_null(strstr(report, "more than 30 middleware"));
}

static void build_well(weir_group *app)
{
    weir_group *v1 = weir_group_new(app, "/v1/", authenticate, another);
    weir_group *users = weir_group_new(v1, "/users", .timeout = weir_sec(1));
    weir_get(users, "", a_handler);
    weir_get(users, "/:id", a_handler);
    weir_get(app, "/", a_handler, authenticate);
}

static void test_nothing_is_wrong_with_a_good_table(void **state)
{
    (void)state;
    char report[1024];
    assert_int_equal(kit_mistakes(build_well, report, sizeof report), WEIR_OK);
    assert_string_equal(report, "");
}

static void test_the_start_survives_every_failed_allocation(void **state)
{
    (void)state;
    char report[1024];
    weir_err err = -ENOMEM;
    size_t n = 1;
    for (; err == -ENOMEM && n < 1000; n++) {
        weir__alloc_fail_nth(n);
        err = kit_mistakes(build_well, report, sizeof report);
        weir__alloc_fail_nth(0);
    }
    assert_int_equal(err, WEIR_OK);
    assert_in_range(n, 3, 999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_mistakes_are_listed_at_once),
        cmocka_unit_test(test_times_without_a_unit_are_refused),
        cmocka_unit_test(test_a_chain_has_a_maximum),
        cmocka_unit_test(test_nothing_is_wrong_with_a_good_table),
        cmocka_unit_test(test_the_start_survives_every_failed_allocation),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
