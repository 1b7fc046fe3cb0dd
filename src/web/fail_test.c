/*
 * Failures: statuses, the unified reply, what clients are told and what the log, one response only.
 */
#include "watch/watch.h"
#include "web/web_test_kit.h"

#include <weir/chan.h>
#include <weir/fiber.h>

static weir_err next(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_next(c);
}

static weir_err recovering(weir_ctx *c)
{
    return weir_protect(c, next, NULL);
}

enum { SHOP_EOUT_OF_STOCK = WEIR_DOMAIN(1), SHOP_EUSER_EXISTS = WEIR_DOMAIN(2) };

static weir_err explicit_failure(weir_ctx *c)
{
    return weir_fail(c, 401, "the token of %s has expired", "ada");
}

static weir_err domain_code(weir_ctx *c)
{
    (void)c;
    return SHOP_EUSER_EXISTS;
}

static weir_err domain_message(weir_ctx *c)
{
    return weir_raise(c, SHOP_EOUT_OF_STOCK, "only %d left", 3);
}

static weir_err database_down(weir_ctx *c)
{
    (void)weir_raise(c, WEIR_EDB, "no such table: secret_users");
    return weir_fail_last(c, 503);
}

static weir_err with_cause(weir_ctx *c)
{
    (void)weir_raise(c, WEIR_EDB, "UNIQUE constraint: secret_column");
    return weir_fail(c, 409, "this name is taken");
}

static weir_err code_of_query(weir_ctx *c)
{
    int64_t code = 0;
    weir_err err = weir_query_param_i64(c, "code", &code);
    return err < 0 ? weir_fail_bind(c) : (weir_err)code;
}

static weir_err secret_detail(weir_ctx *c)
{
    return weir_raise(c, WEIR_EDB, "password is hunter2");
}

static weir_err secret_missing(weir_ctx *c)
{
    return weir_raise(c, WEIR_ENOTFOUND, "row 7 of the hidden table");
}

/* Waits for its child, which waits for what only these two could send. */
static weir_err receives(weir_ctx *c, void *arg)
{
    int n;
    return weir_chan_recv(c, arg, &n);
}

static weir_err waits_for_itself(weir_ctx *c)
{
    weir_err err = WEIR_GO(c, receives, weir_chan_new(c, int, 0));
    return err < 0 ? err : weir_join(c);
}

static weir_err silent(weir_ctx *c)
{
    (void)c;
    return WEIR_OK;
}

static weir_err two_responses(weir_ctx *c)
{
    weir_err first = weir_text(c, 200, (weir_str){"first", 5});
    weir_err second = weir_text(c, 500, "second");
    assert_int_equal(first, WEIR_OK);
    assert_int_equal(second, WEIR_ECLOSED);
    assert_true(weir_str_eq(weir_last_error(c)->message,
                            WEIR_S("a second response is refused: the request has one of status "
                                   "200 already")));
    assert_int_equal(weir_set_header(c, "X-Late", WEIR_S("1")), WEIR_ECLOSED);
    return first;
}

static weir_err fails_below(weir_ctx *c)
{
    WEIR_WITH(sub, c, .timeout = weir_sec(1)) {
        (void)weir_raise(sub, WEIR_EDB, "a detail from below");
        return weir_fail(sub, 402, "pay %s", "first");
    }
    return WEIR_OK;
}

static weir_err panicking(weir_ctx *c)
{
    weir_err err = weir_set_header(c, "X-Half", WEIR_S("done"));
    if (err == WEIR_OK)
        weir_panic("the secret invariant");
    return err;
}

static void build(weir_group *app)
{
    weir_error_table(app, {SHOP_EOUT_OF_STOCK, 409, "out_of_stock", "not enough of it in stock"},
                     {SHOP_EUSER_EXISTS, 422, "user_exists", "this user is there already"});
    weir_get(app, "/explicit", explicit_failure);
    weir_get(app, "/domain", domain_code);
    weir_get(app, "/message", domain_message);
    weir_get(app, "/last", database_down);
    weir_get(app, "/cause", with_cause);
    weir_get(app, "/code", code_of_query);
    weir_get(app, "/secret", secret_detail);
    weir_get(app, "/missing", secret_missing);
    weir_get(app, "/silent", silent);
    weir_get(app, "/itself", waits_for_itself);
    weir_get(app, "/two", two_responses);
    weir_get(app, "/below", fails_below);
    weir_get(app, "/panic", panicking, recovering);
    weir_get(app, "/bare-panic", panicking);
}

#define REPLY(code, msg) "{\"code\":\"" code "\",\"msg\":\"" msg "\",\"data\":null}"

static void use_statuses(struct kit *k)
{
    const char *a = kit_get(k, "/explicit");
    kit_expect(a, 401, REPLY("unauthorized", "the token of ada has expired"));
    assert_true(kit_has_header(a, "Content-Type: application/json"));
    kit_expect(kit_get(k, "/domain"), 422, REPLY("user_exists", "this user is there already"));
    kit_expect(kit_get(k, "/message"), 409, REPLY("out_of_stock", "only 3 left"));
    kit_expect(kit_get(k, "/none"), 404, REPLY("not_found", "there is nothing at this path"));
    kit_expect(kit_ask(k, "POST", "/silent", "", ""), 405,
               REPLY("method_not_allowed", "this path does not take this method"));
    static const struct {
        weir_err code;
        int status;
        const char *name;
    } codes[] = {
        {WEIR_ETIMEDOUT, 504, "timeout"},     {WEIR_ELIMIT, 503, "overloaded"},
        {WEIR_EBUDGET, 503, "memory_budget"}, {WEIR_ETOOLARGE, 413, "too_large"},
        {WEIR_ENOTFOUND, 404, "not_found"},   {WEIR_EINVALID, 400, "invalid_input"},
        {WEIR_EDB, 500, "internal"},          {-EIO, 500, "internal"},
        {WEIR_ECONSTRAINT, 409, "conflict"},  {WEIR_ESHUTDOWN, 503, "shutdown"},
        {WEIR_EUNIQUE, 409, "conflict"},      {WEIR_EFOREIGNKEY, 409, "conflict"},
        {WEIR_ENOTNULL, 409, "conflict"},     {WEIR_ECHECK, 409, "conflict"},
        {WEIR_ESERIALIZATION, 503, "busy"},   {WEIR_EDBDEADLOCK, 503, "busy"},
        {WEIR_EREADONLY, 503, "read_only"},   {WEIR_ETOOMANY, 503, "overloaded"},
        {WEIR_EGONE, 503, "unavailable"},     {WEIR_DOMAIN(77), 500, "internal"},
        {WEIR_ELOADING, 503, "unavailable"},  {WEIR_EFULL, 503, "unavailable"},
        {WEIR_ECHANGED, 409, "conflict"},     {WEIR_EWRONGTYPE, 500, "internal"},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        a = kit_get(k, weir_sprintf(k->c, "/code?code=%d", codes[i].code).ptr);
        assert_int_equal(kit_status(a), codes[i].status);
        assert_non_null(strstr(kit_body(a), weir_sprintf(k->c, "\"%s\"", codes[i].name).ptr));
        assert_int_equal(kit_has_header(a, "Retry-After: 1"), codes[i].status == 503);
    }
}

static void test_every_failure_has_its_status_and_one_form(void **state)
{
    (void)state; /* A11 */
    kit_run(build, use_statuses);
}

static void use_deadlock(struct kit *k)
{
    weir_time began = weir_now();
    kit_expect(kit_get(k, "/itself"), 500, REPLY("deadlock", "Internal Server Error"));
    assert_true(weir_time_sub(weir_now(), began).ns < weir_ms(500).ns); /* its deadline is 30 s */
    assert_int_equal(kit_count(kit_log(k), "deadlock: all fibers of a context wait"), 1);
    assert_non_null(strstr(kit_log(k), "fiber receives waits for chan recv: chan made at "));
    assert_non_null(strstr(kit_log(k), "\"route\":\"GET /itself\""));
}

static void test_a_deadlock_is_a_500_at_once(void **state)
{
    (void)state; /* N6 */
    kit_run(build, use_deadlock);
}

static void use_secrets(struct kit *k)
{
    kit_expect(kit_get(k, "/last"), 503, REPLY("unavailable", "Service Unavailable"));
    assert_int_equal(kit_count(kit_log(k), "secret_users"), 1);
    kit_expect(kit_get(k, "/cause"), 409, REPLY("conflict", "this name is taken"));
    assert_int_equal(kit_count(kit_log(k), "secret_column"), 1);
    kit_expect(kit_get(k, "/secret"), 500, REPLY("internal", "Internal Server Error"));
    assert_int_equal(kit_count(kit_log(k), "hunter2"), 1);
    assert_non_null(strstr(kit_log(k), "fail_test.c"));
    kit_expect(kit_get(k, "/missing"), 404, REPLY("not_found", "Not Found"));
    assert_int_equal(kit_count(kit_log(k), "row 7 of the hidden table"), 1);
    const char *a = kit_get(k, "/panic");
    kit_expect(a, 500, REPLY("internal", "Internal Server Error"));
    assert_int_equal(kit_count(kit_log(k), "the secret invariant"), 1);
    a = kit_get(k, "/bare-panic");
    kit_expect(a, 500, REPLY("internal", "Internal Server Error"));
    assert_int_equal(kit_count(kit_log(k), "the secret invariant"), 2);
    kit_expect(kit_get(k, "/below"), 402, REPLY("error", "pay first"));
    assert_int_equal(kit_count(kit_log(k), "a detail from below"), 1);
    kit_expect(kit_get(k, "/silent"), 500, REPLY("internal", "Internal Server Error"));
    assert_non_null(strstr(kit_log(k), "silent returned WEIR_OK without a response"));
}

static void test_clients_learn_no_details_and_the_log_does_once(void **state)
{
    (void)state; /* L19, A11 */
    kit_run(build, use_secrets);
}

static void use_two(struct kit *k)
{
    struct weir__http_stats before, after;
    weir__http_server_stats(k->server, &before);
    const char *a = kit_get(k, "/two");
    kit_expect(a, 200, "first");
    assert_int_equal(kit_count(a, "HTTP/1.1"), 1);
    weir__http_server_stats(k->server, &after);
    assert_int_equal(after.second_refused - before.second_refused, 1);
}

static void test_a_second_response_is_refused_and_counted(void **state)
{
    (void)state; /* A11 */
    kit_run(build, use_two);
}

static void use_malformed(struct kit *k)
{
    char line[9000], fields[1000];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    for (size_t i = 0; i < 110; i++)
        snprintf(fields + 5 * i, sizeof fields - 5 * i, "A:b\r\n");
    const struct {
        const char *text;
        int status;
        const char *code;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost : t\r\n\r\n", 400, "bad_request"},
        {weir_sprintf(k->c, "GET /%s HTTP/1.1\r\n\r\n", line).ptr, 414, "uri_too_long"},
        {"GET / HTTP/1.1\r\nHost: t\r\nExpect: luck\r\n\r\n", 417, "expectation_failed"},
        {weir_sprintf(k->c, "GET / HTTP/1.1\r\nHost: t\r\n%s\r\n", fields).ptr, 431,
         "headers_too_large"},
        {"GET / HTTP/2.0\r\nHost: t\r\n\r\n", 505, "version_not_supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *a = kit_raw(k, cases[i].text);
        assert_int_equal(kit_status(a), cases[i].status);
        assert_non_null(strstr(a, weir_sprintf(k->c, "{\"code\":\"%s\"", cases[i].code).ptr));
    }
}

static void test_the_servers_own_answers_have_that_form_too(void **state)
{
    (void)state;
    kit_run(build, use_malformed);
}

/* --- long ones -------------------------------------------------------------------------------- */

typedef struct {
    int64_t n;
} strict_in;
WEIR_MODEL_STRICT(strict_in, (n));

static weir_err bind_strict(weir_ctx *c)
{
    strict_in in;
    return weir_bind_query(c, strict_in, &in) < 0 ? weir_fail_bind(c) : weir_no_content(c);
}

static weir_err fail_at_length(weir_ctx *c)
{
    return weir_fail(c, 400, "%.*s", WEIR_STR_ARG(weir_query_param(c, "m")));
}

static void build_long(weir_group *app)
{
    weir_get(app, "/strict", bind_strict);
    weir_get(app, "/fail", fail_at_length);
}

/* A reply has 4 KiB: as many errors as fit, and as much of a message, in a whole object. */
static void use_long(struct kit *k)
{
    char *target = weir_alloc(k->c, 8000);
    for (int keys = 1; keys <= 6; keys++) {
        size_t at = (size_t)sprintf(target, "/strict?");
        for (int i = 0; i < keys; i++) {
            memset(target + at, 'a' + i, 1000);
            at += 1000;
            at += (size_t)sprintf(target + at, "=1&");
        }
        const char *a = kit_get(k, target);
        assert_int_equal(kit_status(a), 400);
        assert_int_equal(kit_count(kit_body(a), "\"at\":"), keys < 3 ? keys : 3);
        assert_string_equal(kit_body(a) + strlen(kit_body(a)) - 2, "]}");
    }
    for (size_t n = 3000; n < 7000; n += 500) {
        size_t at = (size_t)sprintf(target, "/fail?m=");
        memset(target + at, 'm', n);
        target[at + n] = '\0';
        const char *a = kit_get(k, target);
        assert_int_equal(kit_status(a), 400);
        assert_in_range(strspn(strstr(a, "\"msg\":\"") + 7, "m"), 1500, 4096);
        assert_non_null(strstr(a, "m\",\"data\":null}"));
    }
}

static void test_what_is_too_long_is_cut(void **state)
{
    (void)state;
    kit_run(build_long, use_long);
}

/* A method that nobody knows is the client's doing: nothing for the log of errors. */
static void use_unknown_method(struct kit *k)
{
    assert_int_equal(kit_status(kit_ask(k, "PURGE", "/fail", "", "")), 501);
    assert_null(strstr(kit_log(k), "501"));
}

static void test_an_unknown_method_is_no_failure_of_the_service(void **state)
{
    (void)state;
    kit_run(build_long, use_unknown_method);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_failure_has_its_status_and_one_form),
        cmocka_unit_test(test_a_deadlock_is_a_500_at_once),
        cmocka_unit_test(test_clients_learn_no_details_and_the_log_does_once),
        cmocka_unit_test(test_a_second_response_is_refused_and_counted),
        cmocka_unit_test(test_the_servers_own_answers_have_that_form_too),
        cmocka_unit_test(test_what_is_too_long_is_cut),
        cmocka_unit_test(test_an_unknown_method_is_no_failure_of_the_service),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
