/* Requests through the whole room: routing, the onion, aborts, app handles, recycling. */
#include "watch/watch.h"
#include "web/web_test_kit.h"

#include <weir/sync.h>

static weir_err next(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_next(c);
}

static weir_err recovering(weir_ctx *c)
{
    return weir_protect(c, next, NULL);
}

/* --- A1: groups, parameters, methods ------------------------------------------------------- */

static weir_err answer_id(weir_ctx *c)
{
    return weir_textf(c, 200, "id=%.*s route=%.*s", WEIR_STR_ARG(weir_param(c, "id")),
                      WEIR_STR_ARG(weir_request_route(c)));
}

static weir_err answer_rest(weir_ctx *c)
{
    return weir_text(c, 200, weir_param(c, "rest"));
}

static weir_err mark(weir_ctx *c)
{
    weir_err err = weir_set_header(c, "X-Group", WEIR_S("v1"));
    return err < 0 ? err : weir_next(c);
}

static void build_groups(weir_group *app)
{
    weir_group *v1 = weir_group_new(app, "/api/v1", mark);
    weir_get(v1, "/users/:id", answer_id);
    weir_delete(v1, "/users/:id", answer_id);
    weir_get(v1, "", answer_rest);
    weir_get(weir_group_new(v1, "/deep"), "/:id", answer_id);
    weir_get(app, "/files/*rest", answer_rest);
    weir_post(app, "/only/post", answer_rest);
    weir_get(app, "/folder/", answer_rest);
}

static void use_groups(struct kit *k)
{
    const char *a = kit_get(k, "/api/v1/users/42");
    kit_expect(a, 200, "id=42 route=GET /api/v1/users/:id");
    assert_true(kit_has_header(a, "X-Group: v1"));
    a = kit_get(k, "/api/v1/deep/7");
    kit_expect(a, 200, "id=7 route=GET /api/v1/deep/:id");
    assert_true(kit_has_header(a, "X-Group: v1"));
    a = kit_get(k, "/files/a/b%2Fc%20d");
    kit_expect(a, 200, "a/b/c d");
    assert_null(strstr(a, "X-Group"));
    kit_expect(kit_get(k, "/api/v1/users/a%2Fb"), 200, "id=a/b route=GET /api/v1/users/:id");
    assert_int_equal(kit_status(kit_get(k, "/api/v1")), 200);
    assert_int_equal(kit_status(kit_get(k, "/api/v2/users/42")), 404);
    a = kit_get(k, "/only/post");
    assert_int_equal(kit_status(a), 405);
    assert_true(kit_has_header(a, "Allow: POST, OPTIONS") ||
                kit_has_header(a, "Allow: OPTIONS, POST"));
    a = kit_ask(k, "OPTIONS", "/api/v1/users/1", "", "");
    assert_int_equal(kit_status(a), 204);
    assert_non_null(strstr(a, "\r\nAllow: "));
    assert_int_equal(kit_status(kit_ask(k, "OPTIONS", "*", "", "")), 204);
    a = kit_ask(k, "PURGE", "/only/post", "", "");
    assert_int_equal(kit_status(a), 501); /* no route could have it: that is not 405 */
    assert_int_equal(kit_status(kit_ask(k, "TRACE", "/only/post", "", "")), 501);
    assert_int_equal(kit_status(kit_ask(k, "CONNECT", "t:80", "", "")), 501);
    assert_int_equal(kit_status(kit_ask(k, "PURGE", "/nowhere", "", "")), 501);
    a = kit_ask(k, "HEAD", "/api/v1/users/42", "", "");
    kit_expect(a, 200, "");
    assert_true(kit_has_header(a, "Content-Length: 33"));
    a = kit_get(k, "/folder?x=1");
    assert_int_equal(kit_status(a), 301);
    assert_true(kit_has_header(a, "Location: /folder/?x=1"));
    a = kit_get(k, "/api/v1/users/42/");
    assert_true(kit_has_header(a, "Location: /api/v1/users/42"));
    assert_int_equal(kit_status(kit_get(k, "//evil.example/")), 404);
}

static void test_routes_resolve_in_their_groups(void **state)
{
    (void)state; /* A1 */
    kit_run(build_groups, use_groups);
}

/* --- A2, A3: the onion ---------------------------------------------------------------------- */

static char trace[256];

static void note(const char *what)
{
    strncat(trace, what, sizeof trace - strlen(trace) - 1);
}

static weir_err outer(weir_ctx *c)
{
    note("outer(");
    weir_err err = weir_next(c);
    note(err < 0 ? ")outer:failed" : ")outer");
    return err;
}

static weir_err middle(weir_ctx *c)
{
    note("middle(");
    weir_err err = weir_next(c);
    note(err < 0 ? ")middle:failed " : ")middle ");
    return err;
}

static weir_err inner(weir_ctx *c)
{
    note("inner(");
    weir_err err = weir_next(c);
    note(")inner ");
    return err;
}

static weir_err ok_handler(weir_ctx *c)
{
    note("handler ");
    return weir_text(c, 200, "ok");
}

static weir_err failing(weir_ctx *c)
{
    note("handler ");
    return weir_fail(c, 409, "no");
}

static void noted_cleanup(void *arg)
{
    (void)arg;
    note(" cleaned");
}

static weir_err aborting(weir_ctx *c)
{
    note("abort ");
    weir_err err = weir_defer(c, noted_cleanup, NULL);
    return err < 0 ? err : weir_fail(c, 401, "who are you?");
}

static weir_err twice(weir_ctx *c)
{
    weir_err first = weir_next(c);
    return first < 0 ? weir_next(c) : first;
}

static void build_onion(weir_group *app)
{
    weir_use(app, outer);
    weir_group *g = weir_group_new(app, "/g", middle);
    weir_get(g, "/ok", ok_handler, inner);
    weir_get(g, "/fail", failing, inner);
    weir_get(g, "/abort", ok_handler, aborting, inner);
    weir_get(g, "/twice", ok_handler, twice, aborting);
}

static void use_onion(struct kit *k)
{
    kit_expect(kit_get(k, "/g/ok"), 200, "ok");
    assert_string_equal(trace, "outer(middle(inner(handler )inner )middle )outer");
    trace[0] = '\0';
    assert_int_equal(kit_status(kit_get(k, "/g/fail")), 409);
    assert_string_equal(trace, "outer(middle(inner(handler )inner )middle:failed )outer:failed");
    trace[0] = '\0';
    assert_int_equal(kit_status(kit_get(k, "/g/abort")), 401);
    assert_string_equal(trace, "outer(middle(abort )middle:failed )outer:failed cleaned");
    trace[0] = '\0';
    assert_int_equal(kit_status(kit_get(k, "/nothing")), 404);
    assert_string_equal(trace, "outer()outer:failed");
    trace[0] = '\0'; /* what was aborted cannot be continued past the abort */
    assert_int_equal(kit_status(kit_get(k, "/g/twice")), 500);
    assert_null(strstr(trace, "handler"));
    assert_non_null(strstr(kit_log(k), "weir_next"));
}

static void test_middleware_is_an_onion(void **state)
{
    (void)state; /* A2, A3 */
    trace[0] = '\0';
    kit_run(build_onion, use_onion);
}

/* --- A4, A5, A7, A8: what belongs to the application and what to the request ------------------ */

struct shop {
    int64_t served;
    weir_ctx *stale;
    char seen[64];
};
WEIR_HANDLE(shop, struct shop);

static const weir_key user_key = {"user", sizeof(int64_t)};

/* Keeps the user in the request, lets others run, and looks whether it is still the same. */
static weir_err identify(weir_ctx *c)
{
    int64_t id = -1;
    if (weir_param_i64(c, "id", &id) < 0)
        return weir_fail_bind(c);
    assert_null(weir_get_value(c, &user_key));
    weir_err err = weir_set(c, &user_key, &id);
    return err < 0 ? err : weir_next(c);
}

static weir_err who_am_i(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_ms(5));
    if (err < 0)
        return err;
    const int64_t *id = weir_get_value(c, &user_key);
    shop(c)->served++;
    return weir_textf(c, 200, "user %lld", (long long)*id);
}

static struct shop the_shop;

static void build_users(weir_group *app)
{
    weir_provide(app, shop, &the_shop);
    weir_needs(app, shop);
    weir_get(app, "/users/:id", who_am_i, identify);
}

struct one_user {
    struct kit *k;
    int id;
};

static weir_err ask_as_user(weir_ctx *c, void *arg)
{
    const struct one_user *u = arg;
    struct kit k = *u->k;
    char path[64], body[64];
    k.c = c;
    snprintf(path, sizeof path, "/users/%d", u->id);
    snprintf(body, sizeof body, "user %d", u->id);
    struct kit_client client;
    kit_connect(&k, &client);
    kit_send(&k, &client,
             weir_sprintf(c, "GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", path).ptr);
    char text[512];
    size_t len = 0;
    for (ssize_t n = 1; n > 0; len += (size_t)(n > 0 ? n : 0))
        n = weir__recv(weir__ctx_of(c), &client.fd, text + len, sizeof text - 1 - len,
                       weir_never());
    text[len] = '\0';
    kit_close(&client);
    kit_expect(text, 200, body);
    return WEIR_OK;
}

static void use_users(struct kit *k)
{
    struct one_user *users = weir_alloc(k->c, 1000 * sizeof *users);
    WEIR_SCOPE(group, k->c);
    for (int i = 0; i < 1000; i++) {
        users[i] = (struct one_user){k, i};
        assert_int_equal(WEIR_GO(group, ask_as_user, &users[i]), WEIR_OK);
    }
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(weir_ctx_close(group), WEIR_OK);
    assert_int_equal(the_shop.served, 1000);
}

static void test_a_thousand_users_do_not_cross(void **state)
{
    (void)state; /* A4, A5, L18 */
    the_shop = (struct shop){0};
    kit_run(build_users, use_users);
}

/* Nothing is added to a service that runs. */
static weir_group *the_group;

static weir_err add_route(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    weir_get(the_group, "/late", who_am_i);
    return WEIR_OK;
}

static weir_err add_middleware(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    weir_use(the_group, identify);
    return WEIR_OK;
}

static weir_err add_handle(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    weir_provide(the_group, shop, &the_shop);
    return WEIR_OK;
}

static weir_err adds_late(weir_ctx *c)
{
    static const weir_fiber_fn late[] = {add_route, add_middleware, add_handle};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(weir_protect(c, late[i], NULL), WEIR_EPANIC);
    return weir_text(c, 200, "all refused");
}

static void build_fixed(weir_group *app)
{
    the_group = app;
    weir_get(app, "/", adds_late);
}

static void use_fixed(struct kit *k)
{
    kit_expect(kit_get(k, "/"), 200, "all refused");
    assert_int_equal(kit_status(kit_get(k, "/late")), 404);
    assert_non_null(strstr(kit_log(k), "the service runs already"));
}

static void test_nothing_is_added_after_the_start(void **state)
{
    (void)state; /* A5 */
    kit_run(build_fixed, use_fixed);
}

static weir_err use_the_stale(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    (void)!weir_check(the_shop.stale);
    return WEIR_OK;
}

static weir_err ask_for_the_request(weir_ctx *c, void *arg)
{
    (void)arg;
    (void)weir_request_path(c);
    return WEIR_OK;
}

static weir_err after_the_request(weir_ctx *c, void *arg)
{
    const char *path = arg;
    weir_err err = weir_sleep(c, weir_ms(10));
    if (err < 0)
        return err;
    snprintf(shop(c)->seen, sizeof shop(c)->seen, "%s", path);
    assert_int_equal(weir_protect(c, use_the_stale, NULL), WEIR_EPANIC);
    assert_int_equal(weir_protect(c, ask_for_the_request, NULL), WEIR_EPANIC);
    return WEIR_OK;
}

static weir_err detaching(weir_ctx *c)
{
    char path[32] = ""; /* all of it is given, and looked at for addresses */
    snprintf(path, sizeof path, WEIR_STR_FMT, WEIR_STR_ARG(weir_request_path(c)));
    shop(c)->stale = c;
    weir_err err = weir_detach(c, after_the_request, path, sizeof path);
    return err < 0 ? err : weir_text(c, 202, "later");
}

static void build_detached(weir_group *app)
{
    weir_provide(app, shop, &the_shop);
    weir_get(app, "/detach", detaching);
}

static void use_detached(struct kit *k)
{
    kit_expect(kit_get(k, "/detach"), 202, "later");
    assert_int_equal(weir_sleep(k->c, weir_ms(50)), WEIR_OK);
    assert_string_equal(the_shop.seen, "/detach");
    assert_non_null(strstr(kit_log(k), "the context has ended"));
    assert_non_null(strstr(kit_log(k), "this context belongs to no request"));
}

static void test_detached_work_has_copies_and_no_request(void **state)
{
    (void)state; /* A7, A8, L12, L13 */
    the_shop = (struct shop){0};
    kit_run(build_detached, use_detached);
}

/* --- A6, L16: large things in a context ------------------------------------------------------- */

static const weir_key large_key = {"report", 2 << 20};

static weir_err keep_large(weir_ctx *c)
{
    static char large[2 << 20];
    weir_err err = weir_set(c, &large_key, large);
    return err < 0 ? weir_fail_last(c, 500) : weir_text(c, 200, "kept");
}

static weir_err eat(weir_ctx *c)
{
    for (int i = 0; i < 1000; i++) {
        if (weir_alloc(c, 1 << 20) == NULL)
            return WEIR_EBUDGET;
    }
    return weir_text(c, 200, "full");
}

static void build_large(weir_group *app)
{
    weir_get(app, "/large", keep_large);
    weir_get(app, "/eat", eat);
    weir_get(app, "/ok", ok_handler);
}

static void use_large(struct kit *k)
{
    assert_int_equal(kit_status(kit_get(k, "/large")), 500);
    assert_non_null(strstr(kit_log(k), "keep it in a cache"));
    const char *a = kit_get(k, "/eat");
    assert_int_equal(kit_status(a), 503);
    assert_non_null(strstr(kit_body(a), "\"memory_budget\""));
    kit_expect(kit_get(k, "/ok"), 200, "ok");
}

static void test_large_things_are_refused_to_their_request_alone(void **state)
{
    (void)state; /* A6, L16 */
    kit_run(build_large, use_large);
}

/* --- A9: recycling ---------------------------------------------------------------------------- */

static weir_err echo_state(weir_ctx *c)
{
    const char *memory = weir_alloc(c, 64);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(memory[i], 0);
    assert_null(weir_get_value(c, &user_key));
    assert_null(weir_last_error(c));
    int64_t secret = 4711;
    weir_err err = weir_set(c, &user_key, &secret);
    memset(weir_alloc(c, 64), 'S', 64);
    if (err == WEIR_OK)
        err = weir_set_header(c, "X-Secret", weir_query_param(c, "s"));
    return err < 0 ? err : weir_text(c, 200, "fresh");
}

static void build_recycled(weir_group *app)
{
    weir_use(app, recovering);
    weir_get(app, "/state", echo_state);
    weir_get(app, "/users/:id", ok_handler, identify);
}

static void use_recycled(struct kit *k)
{
    assert_non_null(strstr(kit_get(k, "/state?s=first"), "X-Secret: first"));
    const char *second = kit_get(k, "/state?s=second");
    assert_non_null(strstr(second, "X-Secret: second"));
    assert_null(strstr(second, "first"));
    const char *request = "GET /users/7 HTTP/1.1\r\nHost: t\r\n\r\n";
    struct kit_client client;
    char bytes[512];
    kit_connect(k, &client);
    uint64_t before = 0;
    for (int i = 0; i < 20; i++) {
        if (i == 10)
            before = weir__alloc_stats().allocs;
        kit_send(k, &client, request);
        ssize_t n = weir__recv(weir__ctx_of(k->c), &client.fd, bytes, sizeof bytes, weir_never());
        assert_true(n > 0);
    }
    assert_int_equal(weir__alloc_stats().allocs - before, 0);
    kit_close(&client);
}

static void test_what_is_recycled_is_as_new(void **state)
{
    (void)state; /* A9 */
    kit_run(build_recycled, use_recycled);
}

/* --- D1: time limits -------------------------------------------------------------------------- */

static weir_time woken;

static weir_err dawdle(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_sec(100));
    woken = weir_now();
    return err < 0 ? err : weir_text(c, 200, "slept");
}

static void build_limits(weir_group *app)
{
    weir_group *slow = weir_group_new(app, "/slow", .timeout = weir_ms(500));
    weir_get(slow, "/group", dawdle);
    weir_get(slow, "/route", dawdle, .timeout = weir_ms(100));
    weir_get(app, "/service", dawdle);
    weir_get(app, "/longer", dawdle, .timeout = weir_sec(200));
}

static void use_limits(struct kit *k)
{
    static const struct {
        const char *path;
        int64_t ms;
        int status;
    } cases[] = {{"/slow/group", 500, 504},
                 {"/slow/route", 100, 504},
                 {"/service", 30000, 504},
                 {"/longer", 100000, 200}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_time start = weir_now();
        const char *a = kit_get(k, cases[i].path);
        assert_int_equal(kit_status(a), cases[i].status);
        int64_t ms = weir_time_sub(woken, start).ns / 1000000;
        assert_in_range(ms, cases[i].ms, cases[i].ms + 10);
    }
}

static void test_time_limits_of_route_group_and_service(void **state)
{
    (void)state; /* D1 */
    kit_run(build_limits, use_limits);
}

/* --- what a handler leaves behind ------------------------------------------------------------- */

static weir_err keep_lock(weir_ctx *c)
{
    weir_err err = weir_lock(c, weir_mutex_new(c));
    if (err == WEIR_OK && weir_query_param(c, "fails").ptr != NULL)
        err = weir_fail(c, 409, "as asked");
    return err < 0 ? err : weir_text(c, 200, "kept");
}

static void build_keeping(weir_group *app)
{
    weir_get(app, "/keep", keep_lock);
}

static void use_keeping(struct kit *k)
{
    uint64_t before = weir__leak_total();
    assert_int_equal(kit_status(kit_get(k, "/keep?fails")), 409);
    assert_int_equal(weir__leak_total(), before);
    assert_int_equal(kit_status(kit_get(k, "/keep")), 200);
    assert_int_equal(weir__leak_total(), before + 1);
}

static void test_who_fails_may_leave_things_open(void **state)
{
    (void)state;
    kit_run(build_keeping, use_keeping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes_resolve_in_their_groups),
        cmocka_unit_test(test_middleware_is_an_onion),
        cmocka_unit_test(test_a_thousand_users_do_not_cross),
        cmocka_unit_test(test_nothing_is_added_after_the_start),
        cmocka_unit_test(test_detached_work_has_copies_and_no_request),
        cmocka_unit_test(test_large_things_are_refused_to_their_request_alone),
        cmocka_unit_test(test_what_is_recycled_is_as_new),
        cmocka_unit_test(test_time_limits_of_route_group_and_service),
        cmocka_unit_test(test_who_fails_may_leave_things_open),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
