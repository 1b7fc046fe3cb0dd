/* Responses: JSON, the envelope, bytes, redirects, headers, cookies, streams. */
#include "watch/watch.h"
#include "web/web_test_kit.h"

typedef struct {
    int64_t id;
    weir_str name;
} item;
WEIR_MODEL(item, (id), (name));

typedef struct {
    WEIR_ARRAY(item) items;
} list;
WEIR_MODEL(list, (items, .array_of = weir_model_of(item)));

static weir_err one(weir_ctx *c)
{
    item it = {7, WEIR_S("a \"b\"\r\n")};
    return weir_json(c, 201, item, &it);
}

static weir_err enveloped(weir_ctx *c)
{
    item it = {7, WEIR_S("x")};
    return weir_reply(c, item, &it);
}

/* 30 KB: outgrows the stack's window and the first piece of memory. */
static weir_err many(weir_ctx *c)
{
    list l = {.items = {weir_alloc(c, 1000 * sizeof(item)), 1000}};
    for (size_t i = 0; i < 1000; i++)
        l.items.ptr[i] = (item){(int64_t)i, WEIR_S("0123456789")};
    return weir_json(c, 200, list, &l);
}

static weir_err bytes(weir_ctx *c)
{
    return weir_bytes(c, 200, "image/x-thing", (weir_str){"\0\1\2\3", 4});
}

static weir_err bad_type(weir_ctx *c)
{
    return weir_bytes(c, 200, "a/b\r\nX-Evil: 1", WEIR_S(""));
}

static weir_err go(weir_ctx *c)
{
    return weir_redirect(c, 302, weir_query_param(c, "to"));
}

static weir_err headers(weir_ctx *c)
{
    assert_int_equal(weir_set_header(c, "X-Twice", WEIR_S("one")), WEIR_OK);
    assert_int_equal(weir_set_header(c, "x-twice", WEIR_S("two")), WEIR_OK);
    assert_int_equal(weir_set_header(c, "X-Evil", WEIR_S("a\r\nX-Other: b")), WEIR_EINVALID);
    assert_int_equal(weir_set_header(c, "X Evil", WEIR_S("a")), WEIR_EINVALID);
    assert_int_equal(weir_set_header(c, "Content-Length", WEIR_S("1")), WEIR_EINVALID);
    /* What does not fit leaves what was there. */
    static char long_value[9000];
    memset(long_value, 'v', sizeof long_value);
    assert_int_equal(weir_set_header(c, "X-Twice", (weir_str){long_value, sizeof long_value}),
                     -EMSGSIZE);
    assert_int_equal(weir_cookie_set(c, "sid", WEIR_S("abc")), WEIR_OK);
    assert_int_equal(weir_cookie_set(c, "gone", WEIR_S(""), .max_age = weir_sec(-1), .path = "/app",
                                     .is_readable = true, .is_insecure = true,
                                     .same_site = "Strict"),
                     WEIR_OK);
    assert_int_equal(weir_cookie_set(c, "evil", WEIR_S("a; Path=/")), WEIR_EINVALID);
    assert_int_equal(weir_cookie_set(c, "evil", WEIR_S("a"), .path = "/; x"), WEIR_EINVALID);
    return weir_no_content(c);
}

static void build(weir_group *app)
{
    weir_get(app, "/one", one);
    weir_get(app, "/enveloped", enveloped);
    weir_get(app, "/many", many);
    weir_get(app, "/bytes", bytes);
    weir_get(app, "/bad-type", bad_type);
    weir_get(app, "/go", go);
    weir_get(app, "/headers", headers);
}

static void use_bodies(struct kit *k)
{
    const char *a = kit_get(k, "/one");
    kit_expect(a, 201, "{\"id\":7,\"name\":\"a \\\"b\\\"\\r\\n\"}");
    assert_true(kit_has_header(a, "Content-Type: application/json"));
    kit_expect(kit_get(k, "/enveloped"), 200,
               "{\"code\":\"ok\",\"msg\":\"\",\"data\":{\"id\":7,\"name\":\"x\"}}");
    a = kit_get(k, "/many");
    assert_int_equal(kit_status(a), 200);
    assert_int_equal(kit_count(a, "\"0123456789\""), 1000);
    assert_non_null(strstr(a, "{\"id\":999,\"name\":\"0123456789\"}]}"));
    a = kit_get(k, "/bytes");
    assert_true(kit_has_header(a, "Content-Type: image/x-thing"));
    assert_memory_equal(kit_body(a), "\0\1\2\3", 4);
    a = kit_get(k, "/bad-type");
    assert_int_equal(kit_status(a), 400);
    assert_null(strstr(a, "X-Evil"));
}

static void test_bodies(void **state)
{
    (void)state;
    kit_run(build, use_bodies);
}

static void use_heads(struct kit *k)
{
    const char *a = kit_get(k, "/go?to=%2Fa%2Fb%3Fx%3D1%23y");
    assert_int_equal(kit_status(a), 302);
    assert_true(kit_has_header(a, "Location: /a/b?x=1#y"));
    static const char *const bad[] = {"/go?to=a%0D%0AX-Evil:%201", "/go?to=a%20b",
                                      "/go?to=", "/go?to=%C3%A4", "/go?to=%2F%5Cevil.example"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        a = kit_get(k, bad[i]);
        assert_int_equal(kit_status(a), 400);
        assert_null(strstr(a, "Location"));
    }
    a = kit_get(k, "/headers");
    assert_int_equal(kit_status(a), 204);
    assert_true(kit_has_header(a, "x-twice: two"));
    assert_null(strstr(a, ": one"));
    assert_null(strstr(a, "vil"));
    assert_true(kit_has_header(a, "Set-Cookie: sid=abc; Path=/; SameSite=Lax; Secure; HttpOnly"));
    assert_true(kit_has_header(a, "Set-Cookie: gone=; Path=/app; Max-Age=0; SameSite=Strict"));
}

static void test_heads(void **state)
{
    (void)state;
    kit_run(build, use_heads);
}

/* --- streams ------------------------------------------------------------------------------ */

static weir_err stream(weir_ctx *c)
{
    int64_t n = 0, fail_at = -1;
    if (weir_query_param_i64(c, "n", &n) < 0 || weir_query_param_i64(c, "fail", &fail_at) < 0)
        return weir_fail_bind(c);
    weir_err source = WEIR_OK;
    weir_stream *out = weir_json_array(c, 200);
    for (int64_t i = 0; i < n && source == WEIR_OK; i++) {
        item it = {i, WEIR_S("0123456789")};
        if (i == fail_at)
            source = weir_raise(c, WEIR_EDB, "the source broke");
        else
            weir_stream_put(out, item, &it);
    }
    return weir_stream_end(out, source);
}

static weir_err forgetful(weir_ctx *c)
{
    weir_stream *out = weir_json_array(c, 200);
    item it = {1, WEIR_S("x")};
    return weir_stream_put(out, item, &it);
}

static weir_err paused(weir_ctx *c)
{
    weir_stream *out = weir_stream_begin(c, 200, "text/plain");
    for (int i = 0; i < 3; i++) {
        weir_stream_write(out, WEIR_S("tick\n"));
        weir_stream_flush(out);
        weir_err err = weir_sleep(c, weir_ms(10));
        if (err < 0)
            return weir_stream_end(out, err);
    }
    return weir_stream_end(out, WEIR_OK);
}

/* What it is given is not there any more when the head is written. */
static weir_err built_type(weir_ctx *c)
{
    char type[] = "text/csv";
    weir_stream *out = weir_stream_begin(c, 200, type);
    memset(type, 'x', sizeof type - 1);
    weir_stream_write(out, WEIR_S("1,2\n"));
    return weir_stream_end(out, WEIR_OK);
}

static weir_err two_streams(weir_ctx *c)
{
    weir_stream *first = weir_json_array(c, 200), *second = weir_json_array(c, 500);
    item it = {1, WEIR_S("x")};
    weir_stream_put(first, item, &it);
    assert_int_equal(weir_stream_put(second, item, &it), WEIR_ECLOSED);
    assert_int_equal(weir_stream_end(second, WEIR_OK), WEIR_ECLOSED);
    return weir_stream_end(first, WEIR_OK);
}

static void build_streams(weir_group *app)
{
    weir_get(app, "/stream", stream);
    weir_get(app, "/forgetful", forgetful);
    weir_get(app, "/paused", paused);
    weir_get(app, "/built", built_type);
    weir_get(app, "/two", two_streams);
}

/* HTTP/1.0, so that the body comes without chunks. */
static const char *plain(struct kit *k, const char *path)
{
    return kit_raw(k, weir_sprintf(k->c, "GET %s HTTP/1.0\r\nHost: t\r\n\r\n", path).ptr);
}

static void use_streams(struct kit *k)
{
    kit_expect(plain(k, "/stream?n=0"), 200, "[]");
    kit_expect(plain(k, "/stream?n=1"), 200, "[{\"id\":0,\"name\":\"0123456789\"}]");
    const char *a = plain(k, "/stream?n=20000");
    assert_int_equal(kit_count(a, "},{"), 19999);
    assert_string_equal(a + strlen(a) - 2, "}]");
    a = kit_get(k, "/stream?n=20000");
    assert_true(kit_has_header(a, "Transfer-Encoding: chunked"));
    assert_string_equal(a + strlen(a) - 5, "0\r\n\r\n");
    a = kit_get(k, "/paused");
    assert_int_equal(kit_count(a, "tick\n"), 3);
    a = kit_get(k, "/built");
    assert_true(kit_has_header(a, "Content-Type: text/csv"));
    kit_expect(plain(k, "/two"), 200, "[{\"id\":1,\"name\":\"x\"}]");
    assert_int_equal(kit_status(kit_ask(k, "HEAD", "/stream?n=5", "", "")), 200);
}

static void test_streams_are_whole(void **state)
{
    KIT_HTTP1_ONLY();
    (void)state;
    kit_run(build_streams, use_streams);
}

static void use_broken_streams(struct kit *k)
{
    kit_expect(kit_get(k, "/stream?n=5&fail=0"), 500,
               "{\"code\":\"internal\",\"msg\":\"Internal Server Error\",\"data\":null}");
    const char *a = kit_get(k, "/stream?n=5&fail=3"); /* nothing had left */
    assert_int_equal(kit_status(a), 500);
    assert_null(strstr(a, "0123456789"));
    a = kit_get(k, "/stream?n=20000&fail=19999");
    assert_int_equal(kit_status(a), 200);
    assert_null(strstr(a, "\r\n0\r\n\r\n")); /* the end never comes */
    assert_non_null(strstr(kit_log(k), "the source broke; the connection was cut"));
    a = kit_get(k, "/forgetful");
    assert_int_equal(kit_status(a), 500);
    assert_non_null(strstr(kit_log(k), "forgetful began a response and did not end it"));
}

static void test_an_error_is_never_a_short_success(void **state)
{
    (void)state;
    kit_run(build_streams, use_broken_streams);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_streams_are_whole),
        cmocka_unit_test(test_an_error_is_never_a_short_success),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
