/* Header lines of responses: set, added, removed; cookies that add up and replace themselves. */
#include "watch/watch.h"
#include "web/web_test_kit.h"

static void expect_ok(weir_err err)
{
    assert_int_equal(err, WEIR_OK);
}

static weir_err lists(weir_ctx *c)
{
    expect_ok(weir_add_header(c, "Link", WEIR_S("</a>; rel=next")));
    expect_ok(weir_add_header(c, "link", WEIR_S("</b>; rel=prev")));
    expect_ok(weir_set_header(c, "X-One", WEIR_S("1")));
    expect_ok(weir_add_header(c, "X-One", WEIR_S("2")));
    expect_ok(weir_set_header(c, "x-one", WEIR_S("3")));
    expect_ok(weir_add_header(c, "Vary", WEIR_S("Accept")));
    assert_true(weir_remove_header(c, "vary"));
    assert_false(weir_remove_header(c, "vary"));
    assert_int_equal(weir_add_header(c, "X-Bad", WEIR_S("a\r\nb")), WEIR_EINVALID);
    assert_int_equal(weir_add_header(c, "Content-Length", WEIR_S("1")), WEIR_EINVALID);
    expect_ok(weir_add_header(c, "Content-Type", WEIR_S("text/a")));
    assert_int_equal(weir_add_header(c, "content-type", WEIR_S("text/b")), WEIR_EINVALID);
    expect_ok(weir_set_header(c, "Content-Type", WEIR_S("text/c")));
    weir_err err = weir_text(c, 200, "x");
    assert_int_equal(weir_add_header(c, "Link", WEIR_S("late")), WEIR_ECLOSED);
    assert_false(weir_remove_header(c, "Link"));
    return err;
}

/* Cookies by hand and by weir_cookie_set do not take each other's place. */
static weir_err cookies(weir_ctx *c)
{
    expect_ok(weir_cookie_set(c, "a", WEIR_S("1")));
    expect_ok(weir_set_header(c, "Set-Cookie", WEIR_S("b=2")));
    expect_ok(weir_set_header(c, "set-cookie", WEIR_S("c=3")));
    expect_ok(weir_add_header(c, "Set-Cookie", WEIR_S("d=4")));
    expect_ok(weir_cookie_set(c, "a", WEIR_S("5"), .path = "/other"));
    expect_ok(weir_cookie_set(c, "a", WEIR_S("6"), .domain = "example.org"));
    expect_ok(weir_cookie_set(c, "a", WEIR_S("7")));
    expect_ok(weir_cookie_set(c, "e", WEIR_S("8"), .max_age = weir_sec(1)));
    expect_ok(weir_cookie_delete(c, "e"));
    expect_ok(weir_cookie_delete(c, "f", .path = "/f"));
    return weir_no_content(c);
}

static weir_err no_cookies(weir_ctx *c)
{
    expect_ok(weir_cookie_set(c, "a", WEIR_S("1")));
    expect_ok(weir_set_header(c, "Set-Cookie", WEIR_S("b=2")));
    assert_true(weir_remove_header(c, "Set-Cookie"));
    return weir_no_content(c);
}

/* What browsers drop without a word. */
static weir_err refused(weir_ctx *c)
{
    weir_str v = WEIR_S("1");
    weir_err errs[] = {
        weir_cookie_set(c, "a", v, .max_age = weir_ns(30)),
        weir_cookie_set(c, "a", v, .max_age = weir_ms(999)),
        weir_cookie_set(c, "a", v, .same_site = "None", .is_insecure = true),
        weir_cookie_set(c, "a", v, .same_site = "lax"),
        weir_cookie_set(c, "__Secure-a", v, .is_insecure = true),
        weir_cookie_set(c, "__Host-a", v, .is_insecure = true),
        weir_cookie_set(c, "__Host-a", v, .path = "/a"),
        weir_cookie_set(c, "__host-a", v, .domain = "example.org"),
        weir_cookie_set(c, "", v),
        weir_cookie_set(c, "a b", v),
        weir_cookie_set(c, "a", v, .domain = "a; Path=/"),
    };
    for (size_t i = 0; i < sizeof errs / sizeof errs[0]; i++)
        assert_int_equal(errs[i], WEIR_EINVALID);
    expect_ok(weir_cookie_set(c, "__Host-a", v, .path = "/"));
    expect_ok(weir_cookie_set(c, "__Secure-a", v, .domain = "example.org", .same_site = "None"));
    return weir_no_content(c);
}

/* Too many lines are the service's mistake: a 500, and what was there stays. */
static weir_err too_many(weir_ctx *c)
{
    weir_str value = weir_sprintf(c, "%01000d", 0);
    weir_err err = WEIR_OK;
    int n = 0;
    for (; n < 100 && err == WEIR_OK; n++)
        err = weir_add_header(c, "X-Many", value);
    assert_int_equal(n, 9);
    assert_int_equal(err, -EMSGSIZE);
    weir_str name = weir_sprintf(c, "%04080d", 0);
    assert_int_equal(weir_cookie_set(c, "a", name), -EMSGSIZE);
    return err;
}

static void build(weir_group *app)
{
    weir_get(app, "/lists", lists);
    weir_get(app, "/cookies", cookies);
    weir_get(app, "/no-cookies", no_cookies);
    weir_get(app, "/refused", refused);
    weir_get(app, "/too-many", too_many);
}

static void use_lists(struct kit *k)
{
    const char *a = kit_get(k, "/lists");
    kit_expect(a, 200, "x");
    assert_true(kit_has_header(a, "Link: </a>; rel=next"));
    assert_true(kit_has_header(a, "link: </b>; rel=prev"));
    assert_int_equal(kit_count(a, "ink: "), 2);
    assert_true(kit_has_header(a, "x-one: 3"));
    assert_int_equal(kit_count(a, "ne: "), 1);
    assert_int_equal(kit_count(a, "ary: "), 0);
    assert_int_equal(kit_count(a, "ontent-"), 2); /* type and length */
    assert_true(kit_has_header(a, "Content-Type: text/c"));
    a = kit_get(k, "/too-many");
    assert_int_equal(kit_status(a), 500);
}

static void test_lines_are_set_added_and_removed(void **state)
{
    (void)state;
    kit_run(build, use_lists);
}

static void use_cookies(struct kit *k)
{
    static const char *const lines[] = {
        "set-cookie: c=3",
        "Set-Cookie: b=2",
        "Set-Cookie: d=4",
        "Set-Cookie: a=5; Path=/other; SameSite=Lax; Secure; HttpOnly",
        "Set-Cookie: a=6; Path=/; Domain=example.org; SameSite=Lax; Secure; HttpOnly",
        "Set-Cookie: a=7; Path=/; SameSite=Lax; Secure; HttpOnly",
        "Set-Cookie: e=; Path=/; Max-Age=0; SameSite=Lax; Secure; HttpOnly",
        "Set-Cookie: f=; Path=/f; Max-Age=0; SameSite=Lax; Secure; HttpOnly",
    };
    const char *a = kit_get(k, "/cookies");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_true(kit_has_header(a, lines[i]));
    assert_int_equal(kit_count(a, "Set-Cookie: "), 7);
    assert_null(strstr(kit_get(k, "/no-cookies"), "Cookie"));
    assert_int_equal(kit_count(kit_get(k, "/refused"), "Set-Cookie"), 2);
}

static void test_cookies_add_up(void **state)
{
    KIT_HTTP1_ONLY();
    (void)state;
    kit_run(build, use_cookies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_set_added_and_removed),
        cmocka_unit_test(test_cookies_add_up),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
