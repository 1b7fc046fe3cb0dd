/*
 * The stock middleware: what the access log says in all five ways a request can end, ids, counts,
 * panics.
 */
#include "base/metric_testing.h"
#include "watch/watch.h"
#include "web/web_test_kit.h"

#include <weir/mw.h>

static weir_err ok(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_ms(20));
    return err < 0 ? err : weir_text(c, 200, "hello");
}

static weir_err failing(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_ms(30));
    return err < 0 ? err : weir_fail(c, 409, "no");
}

static weir_err panicking(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_ms(40));
    if (err == WEIR_OK)
        weir_panic("a bug");
    return err;
}

static weir_err sleeping(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_sec(1000));
    return err < 0 ? err : weir_text(c, 200, "slept");
}

static weir_err show_id(weir_ctx *c)
{
    return weir_text(c, 200, weir_request_id(c));
}

static void add_routes(weir_group *app)
{
    weir_get(app, "/ok/:id", ok);
    weir_get(app, "/error", failing);
    weir_get(app, "/panic", panicking);
    weir_get(app, "/timeout", sleeping, .timeout = weir_ms(50));
    weir_get(app, "/gone", sleeping);
    weir_get(app, "/id", show_id);
}

static void build_outside(weir_group *app)
{
    weir_use(app, weir_mw_log, weir_mw_metrics, weir_mw_request_id, weir_mw_recover);
    add_routes(app);
}

static void build_inside(weir_group *app)
{
    weir_use(app, weir_mw_recover, weir_mw_request_id, weir_mw_metrics, weir_mw_log);
    add_routes(app);
}

static void build_without_recover(weir_group *app)
{
    weir_use(app, weir_mw_log, weir_mw_metrics);
    add_routes(app);
}

/* --- the access log -------------------------------------------------------------------------- */

/* The one line that the log has for a path; and none other. */
static const char *line_of(struct kit *k, const char *path)
{
    weir_str want = weir_sprintf(k->c, "\"path\":\"%s\"", path);
    assert_non_null(want.ptr);
    const char *log = kit_log(k), *at = strstr(log, want.ptr);
    if (at == NULL || strstr(at + 1, want.ptr) != NULL) {
        fail_msg("not one line for %s in:\n%s", path, log);
        return log;
    }
    while (at > log && at[-1] != '\n')
        at--;
    return weir_strdup(k->c, (weir_str){at, strcspn(at, "\n")}).ptr;
}

static int64_t number_in(const char *line, const char *key)
{
    const char *at = strstr(line, key);
    assert_non_null(at);
    return strtoll(at + strlen(key) + 1, NULL, 10);
}

static void expect_line(struct kit *k, const char *path, const char *route, int status,
                        const char *reason, int64_t ms, int64_t bytes)
{
    const char *line = line_of(k, path);
    assert_non_null(strstr(line, "\"method\":\"GET\""));
    assert_non_null(strstr(line, weir_sprintf(k->c, "\"route\":\"%s\"", route).ptr));
    assert_int_equal(number_in(line, "\"status\""), status);
    assert_non_null(strstr(line, weir_sprintf(k->c, "\"reason\":\"%s\"", reason).ptr));
    assert_in_range(number_in(line, "\"latency_us\""), ms * 1000, ms * 1000 + 999);
    if (bytes >= 0)
        assert_int_equal(number_in(line, "\"bytes_out\""), bytes);
}

static void leave_early(struct kit *k)
{
    struct kit_client client;
    kit_connect(k, &client);
    kit_send(k, &client, "GET /gone HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_int_equal(weir_sleep(k->c, weir_ms(60)), WEIR_OK);
    kit_close(&client);
    assert_int_equal(weir_sleep(k->c, weir_ms(10)), WEIR_OK);
}

static void use_five_cases(struct kit *k)
{
    kit_expect(kit_get(k, "/ok/7"), 200, "hello");
    const char *error = kit_get(k, "/error"), *panic = kit_get(k, "/panic");
    const char *timeout = kit_get(k, "/timeout");
    assert_int_equal(kit_status(timeout), 504);
    leave_early(k);
    expect_line(k, "/ok/7", "GET /ok/:id", 200, "ok", 20, 5);
    expect_line(k, "/error", "GET /error", 409, "error", 30, (int64_t)strlen(kit_body(error)));
    expect_line(k, "/panic", "GET /panic", 500, "panic", 40, (int64_t)strlen(kit_body(panic)));
    expect_line(k, "/timeout", "GET /timeout", 504, "timeout", 50,
                (int64_t)strlen(kit_body(timeout)));
    expect_line(k, "/gone", "GET /gone", 499, "client gone", 60, 0);
}

static void test_the_log_is_true_in_all_five_cases(void **state)
{
    (void)state; /* A10 */
    kit_run(build_outside, use_five_cases);
    kit_run(build_inside, use_five_cases);
    kit_run(build_without_recover, use_five_cases);
}

/* A pattern near the longest that there is. */
static char long_pattern[8 * 201 + 1];

static void build_long(weir_group *app)
{
    weir_use(app, weir_mw_log, weir_mw_request_id);
    for (size_t i = 0; i < 8; i++) {
        long_pattern[i * 201] = '/';
        memset(long_pattern + i * 201 + 1, 'p', 200);
    }
    weir_get(app, long_pattern, panicking);
    weir_get(app, "/*rest", failing);
}

static void expect_whole(struct kit *k, const char *method, const char *path, int status)
{
    size_t before = strlen(kit_log(k));
    const char *a = kit_ask(k, method, path, "X-Request-Id: r-17\r\n", "");
    assert_int_equal(kit_status(a), status);
    const char *line = strstr(kit_log(k) + before, "\"msg\":\"request\"");
    assert_non_null(line);
    line = weir_strdup(k->c, (weir_str){line, strcspn(line, "\n")}).ptr;
    assert_int_equal(number_in(line, "\"status\""), status);
    (void)number_in(line, "\"latency_us\"");
    (void)number_in(line, "\"bytes_in\"");
    (void)number_in(line, "\"bytes_out\"");
    assert_non_null(strstr(line, "\"reason\":\""));
    assert_non_null(strstr(line, "\"trace_id\":\""));
    assert_non_null(strstr(line, "\"request_id\":\"r-17\""));
    assert_non_null(strstr(line, "\"cut\":true"));
}

/* Whatever is long in a request (path, method, route), the line says how it ended. */
static void use_long(struct kit *k)
{
    static const char fills[] = {'a', '"', '\\', '|'};
    char *path = weir_alloc(k->c, 7001), *method = weir_alloc(k->c, 3001);
    memset(method, 'M', 3000);
    for (size_t i = 0; i < sizeof fills; i++) {
        memset(path, fills[i], 7000);
        path[0] = '/';
        expect_whole(k, "GET", path, 409);
        path[3000] = '\0';
        expect_whole(k, method, path, 501);
        path[3000] = fills[i];
    }
    expect_whole(k, "GET", long_pattern, 500);
    const char *panic = strstr(kit_log(k), "panic in request: a bug");
    assert_non_null(panic);
    panic = weir_strdup(k->c, (weir_str){panic, strcspn(panic, "\n")}).ptr;
    assert_non_null(strstr(panic, "stack: "));
    assert_non_null(strstr(panic, "\"request_id\":\"r-17\""));
    assert_non_null(strstr(panic, "\"route\":\"GET /ppp"));
}

static void test_a_long_path_leaves_the_rest_of_the_line(void **state)
{
    (void)state;
    kit_run(build_long, use_long);
}

/* A middleware of the application that logs by itself, behind the stock one. */
static weir_err logs_too(weir_ctx *c)
{
    return weir_mw_log(c);
}

static void build_partly(weir_group *app)
{
    weir_get(app, "/both", show_id, weir_mw_log, logs_too);
    weir_get(app, "/logged", show_id, weir_mw_log);
    weir_get(app, "/quiet", show_id);
}

static void use_partly(struct kit *k)
{
    (void)kit_get(k, "/logged");
    (void)kit_get(k, "/quiet");
    (void)kit_get(k, "/both");
    (void)line_of(k, "/logged");
    (void)line_of(k, "/both"); /* and no second one */
    assert_null(strstr(kit_log(k), "/quiet"));
}

static void test_only_routes_with_the_middleware_are_logged(void **state)
{
    (void)state;
    kit_run(build_partly, use_partly);
}

/* --- metrics --------------------------------------------------------------------------------- */

static void use_counted(struct kit *k)
{
    use_five_cases(k);
    (void)kit_get(k, "/ok/8");
    (void)kit_get(k, "/nowhere");
    static struct weir__route_stats s;
    const char *label;
    uint32_t found = 0;
    for (uint32_t i = 0; weir__web_stats(&k->web, i, &label, &s); i++) {
        uint64_t of_2xx = weir__counter_read(&s.by_class[2]);
        if (strcmp(label, "GET /ok/:id") == 0) {
            assert_int_equal(of_2xx, 2);
            assert_int_equal(weir__histo_count(&s.latency), 2);
            assert_in_range(weir__histo_quantile(&s.latency, 0.5), 20000000, 23000000);
        }
        if (strcmp(label, "GET /gone") == 0)
            assert_int_equal(weir__counter_read(&s.by_class[0]), 1);
        if (strcmp(label, "GET /timeout") == 0)
            assert_int_equal(weir__counter_read(&s.by_class[5]), 1);
        if (strcmp(label, "") == 0)
            assert_int_equal(weir__counter_read(&s.by_class[4]), 1);
        found++;
    }
    assert_int_equal(found, 7);
    static struct weir__metrics m;
    weir__web_metrics(&k->web, &m);
    assert_true(metric_lines_has(&m, " method=GET route=/ok/:id class=2xx 2 "));
    assert_true(metric_lines_has(&m, " method= route=none class=4xx 1 "));
    assert_true(metric_lines_has(&m, "\nweir_http_request_seconds 2^17-2^36 method="));
}

static void test_requests_are_counted_by_route(void **state)
{
    (void)state;
    kit_run(build_inside, use_counted);
}

/* --- request ids ------------------------------------------------------------------------------ */

static const char *id_for(struct kit *k, const char *sent)
{
    weir_str header = weir_sprintf(k->c, "X-Request-Id: %s\r\n", sent);
    const char *a = kit_ask(k, "GET", "/id", sent[0] != '\0' ? header.ptr : "", "");
    assert_int_equal(kit_status(a), 200);
    assert_true(kit_has_header(a, weir_sprintf(k->c, "X-Request-Id: %s", kit_body(a)).ptr));
    assert_non_null(strstr(kit_log(k), weir_sprintf(k->c, "\"%s\"", kit_body(a)).ptr));
    return kit_body(a);
}

static void use_ids(struct kit *k)
{
    assert_string_equal(id_for(k, "abc-123_x.Y:z"), "abc-123_x.Y:z");
    const char *first = id_for(k, ""), *second = id_for(k, "");
    assert_int_equal(strlen(first), 32);
    assert_int_equal(strspn(first, "0123456789abcdef"), 32);
    assert_string_not_equal(first, second);
    assert_int_equal(strlen(id_for(k, "has blank")), 32);
    assert_int_equal(strlen(id_for(k, "quote\"d")), 32);
    assert_int_equal(
        strlen(id_for(k, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")), 32);
    const char *a = kit_ask(k, "GET", "/panic", "X-Request-Id: kept\r\n", "");
    assert_true(kit_has_header(a, "X-Request-Id: kept"));
}

static void test_request_ids(void **state)
{
    (void)state;
    kit_run(build_inside, use_ids);
}

/* The id outlives the context that the middleware was called with. */
static weir_err in_a_step(weir_ctx *c)
{
    weir_err err = WEIR_OK;
    WEIR_WITH(step, c, .timeout = weir_sec(1))
        err = weir_next(step);
    WEIR_WITH(other, c) { /* in the same place */
        void *bytes = weir_alloc(other, 256);
        assert_non_null(bytes);
        memset(bytes, 'x', 256);
    }
    return err;
}

static void build_in_a_step(weir_group *app)
{
    weir_use(app, weir_mw_log, in_a_step, weir_mw_request_id);
    weir_get(app, "/id", show_id);
}

static void use_ids_in_a_step(struct kit *k)
{
    assert_int_equal(strlen(id_for(k, "")), 32);
}

static void test_a_request_id_lives_as_long_as_its_request(void **state)
{
    (void)state;
    kit_run(build_in_a_step, use_ids_in_a_step);
}

/* --- recover ---------------------------------------------------------------------------------- */

static char seen[64];

static weir_err watching(weir_ctx *c)
{
    weir_err err = weir_next(c);
    snprintf(seen, sizeof seen, "%s", err == WEIR_EPANIC ? "panic" : "no panic");
    return err;
}

static void cleaned(void *arg)
{
    strncat(arg, " cleaned", 16);
}

static weir_err deferring(weir_ctx *c)
{
    if (weir_defer(c, cleaned, seen) < 0)
        return WEIR_EFAIL;
    weir_panic("after acquiring");
}

static void build_recover(weir_group *app)
{
    weir_use(app, watching, weir_mw_recover);
    weir_get(app, "/panic", deferring);
    weir_get(app, "/id", show_id);
}

static void use_recover(struct kit *k)
{
    struct kit_client client;
    kit_connect(k, &client); /* the connection lives on */
    kit_send(k, &client,
             "GET /panic HTTP/1.1\r\nHost: t\r\n\r\n"
             "GET /id HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    const char *a = kit_receive(k, &client);
    kit_close(&client);
    assert_int_equal(kit_status(a), 500);
    assert_non_null(strstr(a + 1, "HTTP/1.1 200 OK"));
    assert_non_null(strstr(kit_log(k), "after acquiring"));
    assert_non_null(strstr(kit_log(k), "stack:"));
}

static void test_recover_makes_an_error_of_a_panic(void **state)
{
    (void)state; /* L19 */
    kit_run(build_recover, use_recover);
    assert_string_equal(seen, "no panic"); /* of the second request */
}

static void use_recover_once(struct kit *k)
{
    assert_int_equal(kit_status(kit_get(k, "/panic")), 500);
    assert_string_equal(seen, "panic cleaned");
}

static void test_what_was_acquired_before_a_panic_is_released(void **state)
{
    (void)state; /* L19, B3 */
    kit_run(build_recover, use_recover_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_log_is_true_in_all_five_cases),
        cmocka_unit_test(test_only_routes_with_the_middleware_are_logged),
        cmocka_unit_test(test_a_long_path_leaves_the_rest_of_the_line),
        cmocka_unit_test(test_requests_are_counted_by_route),
        cmocka_unit_test(test_request_ids),
        cmocka_unit_test(test_a_request_id_lives_as_long_as_its_request),
        cmocka_unit_test(test_recover_makes_an_error_of_a_panic),
        cmocka_unit_test(test_what_was_acquired_before_a_panic_is_released),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
