/* Reading requests: typed getters, and JSON, forms, queries and paths into structs. */
#include "watch/watch.h"
#include "web/web_test_kit.h"

typedef struct {
    weir_str name, email;
    int64_t age;
} user_in;
WEIR_MODEL(user_in, (name, .required = true, .len_max = 8),
           (email, .required = true, .format = WEIR_EMAIL), (age, .min = 0, .max = 150));

typedef struct {
    int64_t id;
    weir_str tag;
} path_in;
WEIR_MODEL(path_in, (id, .required = true, .min = 1), (tag));

static weir_err show(weir_ctx *c, const user_in *in)
{
    return weir_textf(c, 200, "%.*s %.*s %lld", WEIR_STR_ARG(in->name), WEIR_STR_ARG(in->email),
                      (long long)in->age);
}

static weir_err post_json(weir_ctx *c)
{
    user_in in;
    return weir_bind_json(c, user_in, &in) < 0 ? weir_fail_bind(c) : show(c, &in);
}

static weir_err post_form(weir_ctx *c)
{
    user_in in;
    return weir_bind_form(c, user_in, &in) < 0 ? weir_fail_bind(c) : show(c, &in);
}

static weir_err get_query(weir_ctx *c)
{
    user_in in;
    return weir_bind_query(c, user_in, &in) < 0 ? weir_fail_bind(c) : show(c, &in);
}

static weir_err get_path(weir_ctx *c)
{
    path_in in;
    if (weir_bind_path(c, path_in, &in) < 0)
        return weir_fail_bind(c);
    return weir_textf(c, 200, "%lld %.*s", (long long)in.id, WEIR_STR_ARG(in.tag));
}

static weir_err get_typed(weir_ctx *c)
{
    int64_t id = 0, n = 20;
    double x = 0.5;
    bool is_on = false;
    if (weir_param_i64(c, "id", &id) < 0 || weir_query_param_i64(c, "n", &n) < 0 ||
        weir_query_param_double(c, "x", &x) < 0 || weir_query_param_bool(c, "on", &is_on) < 0)
        return weir_fail_bind(c);
    return weir_textf(c, 200, "%lld %lld %d %d %.*s", (long long)id, (long long)n, (int)(x * 100),
                      is_on, WEIR_STR_ARG(weir_query_param(c, "q")));
}

static weir_err get_head(weir_ctx *c)
{
    return weir_textf(c, 200, "%.*s|%.*s|%.*s", WEIR_STR_ARG(weir_header(c, "x-thing")),
                      WEIR_STR_ARG(weir_cookie(c, "sid")),
                      WEIR_STR_ARG(weir_request_method_text(c)));
}

static weir_err count_body(weir_ctx *c)
{
    char bytes[1000];
    size_t total = 0;
    ssize_t n;
    while ((n = weir_body_read(c, bytes, sizeof bytes)) > 0)
        total += (size_t)n;
    return n < 0 ? weir_fail_bind(c) : weir_textf(c, 200, "%zu", total);
}

static weir_err small_body(weir_ctx *c)
{
    weir_str body;
    if (weir_body(c, 0, &body) < 0)
        return weir_fail_bind(c);
    return weir_text(c, 200, body);
}

/* A middleware that looks at the whole body leaves it to who comes next. */
static weir_err check_signature(weir_ctx *c)
{
    weir_str body, less;
    if (weir_body(c, 0, &body) < 0)
        return weir_fail_bind(c);
    assert_int_equal(weir_body(c, 3, &less), body.len > 3 ? WEIR_ETOOLARGE : WEIR_OK);
    char byte;
    assert_int_equal(weir_body_read(c, &byte, 1), 0);
    return weir_next(c);
}

static weir_err unknown_param(weir_ctx *c)
{
    int64_t v;
    return weir_param_i64(c, "no", &v) < 0 ? weir_fail_bind(c) : weir_no_content(c);
}

static void build(weir_group *app)
{
    weir_post(app, "/json", post_json);
    weir_post(app, "/form", post_form);
    weir_get(app, "/query", get_query);
    weir_get(app, "/path/:id/:tag", get_path);
    weir_get(app, "/typed/:id", get_typed);
    weir_get(app, "/head", get_head);
    weir_post(app, "/count", count_body);
    weir_post(app, "/count/small", count_body, .body_bytes_max = 1500);
    weir_post(app, "/count/any", count_body, .body_bytes_max = WEIR_BODY_UNLIMITED);
    weir_post(app, "/small", small_body, .body_bytes_max = 10);
    weir_get(app, "/unknown/:id", unknown_param);
    weir_post(app, "/signed", post_json, check_signature);
    weir_post(app, "/signed/text", small_body, check_signature);
    weir_group *tiny = weir_group_new(app, "/tiny", .body_bytes_max = 5);
    weir_post(tiny, "/group", small_body);
    weir_post(tiny, "/route", small_body, .body_bytes_max = 10);
}

static void use_json(struct kit *k)
{
    const char *good = "{\"name\":\"Ada\",\"email\":\"ada@example.org\",\"age\":36}";
    kit_expect(kit_post_json(k, "/json", good), 200, "Ada ada@example.org 36");
    kit_expect(
        kit_ask(k, "POST", "/json", "Content-Type: Application/JSON; charset=utf-8\r\n", good), 200,
        "Ada ada@example.org 36");
    kit_expect(kit_ask(k, "POST", "/json", "Content-Type: application/vnd.shop+json\r\n", good),
               200, "Ada ada@example.org 36");
    const char *a =
        kit_post_json(k, "/json", "{\"name\":\"123456789\",\"email\":\"x\",\"age\":151}");
    assert_int_equal(kit_status(a), 400);
    assert_non_null(strstr(kit_body(a), "\"code\":\"invalid_input\""));
    assert_int_equal(kit_count(kit_body(a), "\"at\":"), 3);
    assert_non_null(strstr(kit_body(a), "{\"at\":\"/name\",\"msg\":"));
    assert_non_null(strstr(kit_body(a), "{\"at\":\"/email\",\"msg\":"));
    assert_non_null(strstr(kit_body(a), "{\"at\":\"/age\",\"msg\":"));
    a = kit_post_json(k, "/json", "{\"name\":");
    assert_int_equal(kit_status(a), 400);
    assert_int_equal(kit_count(kit_body(a), "\"at\":"), 1);
    assert_int_equal(
        kit_status(kit_ask(k, "POST", "/json", "Content-Type: application/json\r\n", "")), 400);
    assert_int_equal(kit_status(kit_ask(k, "POST", "/json", "", good)), 415);
    assert_int_equal(kit_status(kit_ask(k, "POST", "/json", "Content-Type: text/plain\r\n", good)),
                     415);
}

static void test_json_bodies_into_structs(void **state)
{
    (void)state;
    kit_run(build, use_json);
}

static void use_pairs(struct kit *k)
{
    const char *form = "Content-Type: application/x-www-form-urlencoded\r\n";
    kit_expect(kit_ask(k, "POST", "/form", form, "name=A+%26+B&email=a%40b.org&age=3"), 200,
               "A & B a@b.org 3");
    assert_int_equal(kit_status(kit_post_json(k, "/form", "name=A")), 415);
    const char *a = kit_ask(k, "POST", "/form", form, "name=A&age=x");
    assert_int_equal(kit_status(a), 400);
    assert_int_equal(kit_count(kit_body(a), "\"at\":"), 2);
    kit_expect(kit_get(k, "/query?age=7&email=a@b.org&name=x%20y"), 200, "x y a@b.org 7");
    a = kit_get(k, "/query?age=-1");
    assert_int_equal(kit_status(a), 400);
    assert_int_equal(kit_count(kit_body(a), "\"at\":"), 3);
    assert_int_equal(kit_status(kit_get(k, "/query?name=%zz&email=a@b.org")), 400);
    kit_expect(kit_get(k, "/path/12/a%20b"), 200, "12 a b");
    assert_int_equal(kit_status(kit_get(k, "/path/0/a")), 400);
    assert_int_equal(kit_status(kit_get(k, "/path/x/a")), 400);
}

static void test_forms_queries_and_paths_into_structs(void **state)
{
    (void)state;
    kit_run(build, use_pairs);
}

static void use_getters(struct kit *k)
{
    kit_expect(kit_get(k, "/typed/-9?n=5&x=2.5&on&q=a+b"), 200, "-9 5 250 1 a b");
    kit_expect(kit_get(k, "/typed/9"), 200, "9 20 50 0 ");
    const char *a = kit_get(k, "/typed/9?n=five");
    assert_int_equal(kit_status(a), 400);
    assert_non_null(strstr(kit_body(a), "{\"at\":\"/n\",\"msg\":\"must be a whole number"));
    assert_int_equal(kit_status(kit_get(k, "/typed/9223372036854775808")), 400);
    assert_int_equal(kit_status(kit_get(k, "/typed/1?on=maybe")), 400);
    a = kit_ask(k, "GET", "/head", "X-Thing: a thing\r\nCookie: x=1; sid=abc\r\n", "");
    kit_expect(a, 200, "a thing|abc|GET");
    assert_int_equal(kit_status(kit_get(k, "/unknown/1")), 500);
    assert_non_null(strstr(kit_log(k), "has no parameter \\\"no\\\""));
}

static void test_getters(void **state)
{
    (void)state;
    kit_run(build, use_getters);
}

static void use_bodies(struct kit *k)
{
    char *large = weir_alloc(k->c, 100001);
    memset(large, 'x', 100000);
    kit_expect(kit_ask(k, "POST", "/count", "", large), 200, "100000");
    kit_expect(kit_ask(k, "POST", "/small", "", "0123456789"), 200, "0123456789");
    const char *a = kit_ask(k, "POST", "/small", "", "0123456789x");
    assert_int_equal(kit_status(a), 413);
    assert_non_null(strstr(kit_body(a), "\"too_large\""));
    assert_int_equal(kit_status(kit_ask(k, "POST", "/tiny/group", "", "123456")), 413);
    kit_expect(kit_ask(k, "POST", "/tiny/route", "", "123456"), 200, "123456");
    kit_expect(
        kit_post_json(k, "/signed", "{\"name\":\"Ada\",\"email\":\"ada@example.org\",\"age\":36}"),
        200, "Ada ada@example.org 36");
    kit_expect(kit_ask(k, "POST", "/signed/text", "", "ab"), 200, "ab");
    kit_expect(kit_ask(k, "POST", "/signed/text", "", ""), 200, "");
    a = kit_raw(k, "POST /signed/text HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
    kit_expect(a, 200, "hello");
    a = kit_ask(k, "POST", "/count", "Transfer-Encoding: chunked\r\n", "");
    assert_int_equal(kit_status(a), 408); /* the body never comes */
    a = kit_raw(k, "POST /count HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n");
    assert_int_equal(kit_status(a), 400);
}

/* A chunked body of `chunks` times 100 bytes; the connection closes after it. */
static char *ask_chunked(struct kit *k, const char *path, size_t chunks)
{
    char chunk[110];
    snprintf(chunk, sizeof chunk, "64\r\n%0100d\r\n", 0);
    size_t size = 200 + chunks * strlen(chunk), n;
    char *text = weir_alloc(k->c, size);
    n = (size_t)snprintf(text, size,
                         "POST %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n",
                         path);
    for (size_t i = 0; i < chunks; i++)
        n += (size_t)snprintf(text + n, size - n, "%s", chunk);
    snprintf(text + n, size - n, "0\r\n\r\n");
    return kit_raw(k, text);
}

/* The limit holds for a body that is read in pieces as well. */
static void use_streams(struct kit *k)
{
    char *large = weir_alloc(k->c, 5002);
    memset(large, 'x', 5001);
    large[5001] = '\0';
    assert_int_equal(kit_status(kit_ask(k, "POST", "/count", "", large)), 413);
    kit_expect(kit_ask(k, "POST", "/count", "", large + 1), 200, "5000");
    kit_expect(kit_ask(k, "POST", "/count/any", "", large), 200, "5001");
    const char *a = kit_ask(k, "POST", "/count/small", "", large + 3500);
    assert_int_equal(kit_status(a), 413);
    assert_non_null(strstr(kit_body(a), "\"too_large\""));
    kit_expect(kit_ask(k, "POST", "/count/small", "", large + 3501), 200, "1500");
    kit_expect(ask_chunked(k, "/count/small", 15), 200, "1500");
    assert_int_equal(kit_status(ask_chunked(k, "/count/small", 16)), 413);
    kit_expect(ask_chunked(k, "/count", 50), 200, "5000");
    assert_int_equal(kit_status(ask_chunked(k, "/count", 51)), 413);
    kit_expect(ask_chunked(k, "/count/any", 200), 200, "20000");
}

static void test_streams_have_the_same_limits(void **state)
{
    (void)state;
    struct weir__http_server_options options = {.body_max = 5000};
    kit_run_with(&options, build, use_streams);
}

static void test_bodies_have_limits(void **state)
{
    (void)state;
    struct weir__http_server_options options = {.body_timeout = weir_sec(5)};
    kit_run_with(&options, build, use_bodies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_bodies_into_structs),
        cmocka_unit_test(test_forms_queries_and_paths_into_structs),
        cmocka_unit_test(test_getters),
        cmocka_unit_test(test_bodies_have_limits),
        cmocka_unit_test(test_streams_have_the_same_limits),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
